//! What can be wrong with a ledger.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::lock::Holder;

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite refused.
    #[error("the ledger {path}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        error: rusqlite::Error,
    },
    /// The file was written by a later version of hoist.
    #[error(
        "the ledger {path} has version {found}, but this hoist supports versions up to {known}: use a newer hoist"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// A directory or the lock file cannot be used.
    #[error("{path}: {error}")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another hoist is at work.
    #[error("another hoist is running: {0}")]
    Locked(Holder),
}

impl LedgerError {
    /// True when the file is no sound database: the next [`Ledger::open`](crate::Ledger::open) sets it aside.
    pub fn is_damage(&self) -> bool {
        matches!(self, LedgerError::Sqlite { error, .. } if is_damage(error))
    }

    /// What can be done about it, where that is known.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            error if error.is_damage() => Some(
                "the next command that makes changes moves it away and detects installed modules again",
            ),
            LedgerError::Sqlite { error, .. } => match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::SystemIoFailure) => {
                    Some(ROOM)
                }
                Some(
                    rusqlite::ErrorCode::ReadOnly
                    | rusqlite::ErrorCode::CannotOpen
                    | rusqlite::ErrorCode::PermissionDenied,
                ) => Some(WRITABLE),
                _ => None,
            },
            LedgerError::Io { error, .. } => match error.kind() {
                std::io::ErrorKind::ReadOnlyFilesystem
                | std::io::ErrorKind::PermissionDenied
                | std::io::ErrorKind::NotADirectory => Some(WRITABLE),
                std::io::ErrorKind::StorageFull => Some(ROOM),
                _ => None,
            },
            LedgerError::Newer { .. } | LedgerError::Locked(_) => None,
        }
    }
}

const ROOM: &str = "free space on the disk; installed modules are not affected";
const WRITABLE: &str =
    "make it a directory that you may write to, or set XDG_STATE_HOME to another one";

/// True for errors that mean the file is no sound database.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
