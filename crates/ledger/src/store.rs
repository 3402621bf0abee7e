//! The ledger, opened.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use hoist_files::{make_private, private_directory};
use rusqlite::Connection;

use crate::error::LedgerError;
use crate::salvage::{self, Salvaged};
use crate::schema;
use crate::values::FILE;

/// The open ledger; only the holder of the [`Lock`](crate::Lock) has one.
pub struct Ledger {
    pub(crate) path: PathBuf,
    connection: Mutex<Connection>,
    /// A path on the file system that modules are installed on.
    data: OnceLock<PathBuf>,
    /// Whether that may not have everything on the disk of which the ledger says that it is there.
    is_ahead: AtomicBool,
}

/// One run, by the number the ledger gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId(pub(crate) i64);

/// Takes the ledger, and what SQLite has made next to it, from all others.
fn private_ledger(path: &Path) -> std::io::Result<()> {
    let present = ["", "-wal", "-shm"]
        .into_iter()
        .map(|suffix| salvage::with(path, suffix))
        .filter(|path| path.exists());
    present.into_iter().try_for_each(|path| make_private(&path))
}

impl Ledger {
    /// Opens the ledger in the state directory, making both where they do not exist, and brings an
    /// older one up to date.
    ///
    /// A file that is damaged is set aside, and a copy of an earlier moment takes its place, or a
    /// new one; [`Salvaged`] tells.
    pub fn open(directory: &Path) -> Result<(Self, Option<Salvaged>), LedgerError> {
        private_directory(directory).map_err(|error| LedgerError::Io {
            path: directory.to_owned(),
            error,
        })?;
        if salvage::is_lost(directory)? {
            let salvaged = salvage::set_aside(directory, "the file is missing or empty")?;
            return Ok((Self::open_sound(directory)?, Some(salvaged)));
        }
        match Self::open_sound(directory) {
            Err(LedgerError::Sqlite { error, .. }) if crate::error::is_damage(&error) => {
                let salvaged = salvage::set_aside(directory, &error.to_string())?;
                Ok((Self::open_sound(directory)?, Some(salvaged)))
            }
            opened => Ok((opened?, None)),
        }
    }

    fn open_sound(directory: &Path) -> Result<Self, LedgerError> {
        let path = directory.join(FILE);
        let sqlite = |error| LedgerError::Sqlite {
            path: path.clone(),
            error,
        };
        // SQLite makes the files next to it with the permissions of this one.
        let mut file = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(file.append(true).create(true), 0o600);
        let private = file.open(&path).and_then(|_| private_ledger(&path));
        private.map_err(|error| LedgerError::Io {
            path: path.clone(),
            error,
        })?;
        let mut connection = Connection::open(&path).map_err(sqlite)?;
        connection
            .busy_timeout(std::time::Duration::from_secs(10))
            .map_err(sqlite)?;
        connection
            .pragma_update(None, "journal_mode", "wal")
            .map_err(sqlite)?;
        connection
            .pragma_update(None, "synchronous", "normal")
            .map_err(sqlite)?;
        // What the ledger says of files is on the disk only after those.
        connection
            .pragma_update(None, "wal_autocheckpoint", 0)
            .map_err(sqlite)?;
        salvage::check(&connection).map_err(sqlite)?;
        schema::migrate(&mut connection, &path)?;
        Ok(Self {
            path,
            connection: Mutex::new(connection),
            data: OnceLock::new(),
            is_ahead: AtomicBool::new(false),
        })
    }

    /// Says on which file system modules are installed: the ledger is on the disk only after what
    /// it says of them.
    pub fn describes(&self, data: &Path) {
        let _ = self.data.set(data.to_owned());
    }

    /// Hands what the ledger says is there to the disk.
    pub(crate) fn sync_data(&self) -> Result<(), LedgerError> {
        let Some(data) = self
            .data
            .get()
            .filter(|_| self.is_ahead.swap(false, Ordering::SeqCst))
        else {
            return Ok(());
        };
        hoist_files::sync_file_system(data).map_err(|error| LedgerError::Io {
            path: data.clone(),
            error,
        })
    }

    /// Remembers that files were changed of which the ledger says so.
    pub(crate) fn is_ahead(&self) {
        self.is_ahead.store(true, Ordering::SeqCst);
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sqlite(&self, error: rusqlite::Error) -> LedgerError {
        LedgerError::Sqlite {
            path: self.path.clone(),
            error,
        }
    }
}
