//! Which configuration files hoist put where, and what they held then.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoist_core::ModuleId;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::store::Ledger;
use crate::values::FILE;
use crate::values::path_of;
use crate::{read, schema};

/// A configuration file as hoist last put it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRecord {
    /// Where.
    #[serde(with = "crate::raw")]
    pub path: PathBuf,
    /// Whose.
    pub module: ModuleId,
    /// The SHA-256 of what was put there.
    pub digest: String,
    /// What was put there; absent where it is too large to be merged.
    pub contents: Option<Vec<u8>>,
    /// Permissions.
    pub mode: u32,
    /// True when nothing was there before.
    pub created: bool,
    /// The copy of what was there before hoist came.
    #[serde(with = "crate::raw::option")]
    pub original: Option<PathBuf>,
    /// The SHA-256 of the new version that waits beside it.
    pub pending: Option<String>,
}

const COLUMNS: &str = "path, module, digest, contents, mode, created, original, pending";

fn config(row: &Row<'_>) -> rusqlite::Result<Option<ConfigRecord>> {
    let Ok(module) = ModuleId::new(&row.get::<_, String>(1)?) else {
        return Ok(None);
    };
    Ok(Some(ConfigRecord {
        path: path_of(row.get(0)?),
        module,
        digest: row.get(2)?,
        contents: row.get(3)?,
        mode: row.get(4)?,
        created: row.get(5)?,
        original: row.get::<_, Option<Vec<u8>>>(6)?.map(path_of),
        pending: row.get(7)?,
    }))
}

impl Ledger {
    /// A configuration file of a module.
    pub fn config(
        &self,
        module: &ModuleId,
        path: &Path,
    ) -> Result<Option<ConfigRecord>, LedgerError> {
        let select = format!("SELECT {COLUMNS} FROM configs WHERE module = ?1 AND path = ?2");
        let read = |connection: &Connection| {
            connection
                .prepare_cached(&select)?
                .query_row(
                    params![module.as_str(), path.as_os_str().as_bytes()],
                    config,
                )
                .optional()
        };
        read(&self.connection())
            .map(Option::flatten)
            .map_err(|error| self.sqlite(error))
    }

    /// The configuration files of a module.
    pub fn configs_of(&self, module: &ModuleId) -> Result<Vec<ConfigRecord>, LedgerError> {
        configs_of(&self.connection(), module).map_err(|error| self.sqlite(error))
    }

    /// Writes down what was put where.
    pub fn put_config(&self, record: &ConfigRecord) -> Result<(), LedgerError> {
        put(&self.connection(), record).map_err(|error| self.sqlite(error))
    }
}

pub(crate) fn put(connection: &Connection, record: &ConfigRecord) -> rusqlite::Result<()> {
    let insert = format!(
        "INSERT OR REPLACE INTO configs ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    );
    let ConfigRecord {
        path,
        module,
        digest,
        contents,
        mode,
        created,
        original,
        pending,
    } = record;
    let original = original.as_ref().map(|path| path.as_os_str().as_bytes());
    let values = params![
        path.as_os_str().as_bytes(),
        module.as_str(),
        digest,
        contents,
        mode,
        created,
        original,
        pending
    ];
    connection
        .prepare_cached(&insert)?
        .execute(values)
        .map(drop)
}

/// Those of one module.
pub(crate) fn configs_of(
    connection: &Connection,
    module: &ModuleId,
) -> rusqlite::Result<Vec<ConfigRecord>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM configs WHERE module = ?1 ORDER BY path"
    ))?;
    let rows = select
        .query_map([module.as_str()], config)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows.into_iter().flatten().collect())
}

impl Ledger {
    /// Puts what is known of a configuration file back to what it was: nothing, where it was
    /// unknown.
    pub fn restore_config(
        &self,
        module: &ModuleId,
        path: &Path,
        before: Option<&ConfigRecord>,
    ) -> Result<(), LedgerError> {
        if let Some(before) = before {
            return self.put_config(before);
        }
        let delete = "DELETE FROM configs WHERE module = ?1 AND path = ?2";
        let values = params![module.as_str(), path.as_os_str().as_bytes()];
        self.connection()
            .execute(delete, values)
            .map(drop)
            .map_err(|error| self.sqlite(error))
    }
}

pub(crate) fn configs(connection: &Connection) -> rusqlite::Result<Vec<ConfigRecord>> {
    if schema::version(connection)? < 2 {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM configs ORDER BY path, module"
    ))?;
    let rows = select
        .query_map([], config)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows.into_iter().flatten().collect())
}

/// Every configuration file that hoist put somewhere, by path, from the ledger in this state
/// directory.
pub fn read_configs(directory: &Path) -> Result<Vec<ConfigRecord>, LedgerError> {
    match read::open(directory)? {
        Some(connection) => configs(&connection).map_err(|error| LedgerError::Sqlite {
            path: directory.join(FILE),
            error,
        }),
        None => Ok(Vec::new()),
    }
}
