//! A ledger that is damaged: set aside, and replaced by the copy that the last run left, where that
//! is sound.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::LedgerError;
use crate::store::Ledger;
use crate::values::{FILE, now};

/// The copy's name in the state directory.
pub(crate) const COPY: &str = "ledger.copy.sqlite";

/// What was done about a damaged ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// What is wrong with it.
    pub damage: String,
    /// Where the damaged file is now, if there was one.
    pub aside: Option<PathBuf>,
    /// True when the copy of an earlier moment took its place; a new one is empty.
    pub from_copy: bool,
}

/// Fails as SQLite does for a damaged file where its own check finds fault.
pub(crate) fn check(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match verdict.as_str() {
        "ok" => Ok(()),
        fault => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            Some(fault.to_owned()),
        )),
    }
}

/// Returns true where the ledger is missing or empty, but has a copy: something other than hoist
/// removed or emptied it.
pub(crate) fn is_lost(directory: &Path) -> Result<bool, LedgerError> {
    let size = |name: &str| -> Result<u64, LedgerError> {
        let path = directory.join(name);
        match path.metadata() {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(LedgerError::Io { path, error }),
        }
    };
    Ok(size(FILE)? == 0 && size(COPY)? > 0)
}

/// Moves a damaged ledger away and puts the copy in its place, if it is sound.
pub(crate) fn set_aside(directory: &Path, damage: &str) -> Result<Salvaged, LedgerError> {
    let path = directory.join(FILE);
    let stamp: String = now()
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect();
    let aside = directory.join(format!("ledger.damaged-{stamp}.sqlite"));
    let io = |error| LedgerError::Io {
        path: path.clone(),
        error,
    };
    for suffix in ["-wal", "-shm", ""] {
        let (from, to) = (with(&path, suffix), with(&aside, suffix));
        match std::fs::rename(from, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
    }
    let copy = directory.join(COPY);
    let mut from_copy = copy.exists();
    if from_copy {
        std::fs::copy(&copy, &path).map_err(io)?;
        from_copy = Connection::open(&path)
            .and_then(|connection| check(&connection))
            .is_ok();
    }
    if !from_copy && path.exists() {
        std::fs::remove_file(&path).map_err(io)?;
    }
    Ok(Salvaged {
        damage: damage.to_string(),
        aside: aside.exists().then_some(aside),
        from_copy,
    })
}

pub(crate) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Ledger {
    /// Leaves a copy of the ledger beside it, for the day on which it is damaged.
    pub fn copy(&self) -> Result<(), LedgerError> {
        let copy = self.path.with_file_name(COPY);
        let fresh = with(&copy, ".new");
        let _ = std::fs::remove_file(&fresh);
        let connection = self.connection();
        let is_whole = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?);
        let is_whole = connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], is_whole)
            .map_err(|error| self.sqlite(error))?;
        let copied = match is_whole {
            // Everything stands in the file itself, and nobody else writes.
            true => std::fs::copy(&self.path, &fresh)
                .and_then(|_| std::fs::File::open(&fresh)?.sync_all()),
            // Somebody still reads an earlier moment.
            false => {
                let text = fresh.display().to_string();
                connection
                    .execute("VACUUM INTO ?1", [text])
                    .map_err(|error| self.sqlite(error))?;
                Ok(())
            }
        };
        copied
            .and_then(|()| hoist_files::make_private(&fresh))
            .and_then(|()| std::fs::rename(&fresh, &copy))
            .map_err(|error| LedgerError::Io { path: copy, error })
    }
}
