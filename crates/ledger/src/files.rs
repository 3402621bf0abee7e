//! Which files each module wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoist_core::{ModuleId, Removal};
use hoist_files::{Kind, Record, Recorded};
use rusqlite::{Connection, params};

use crate::{ConfigRecord, Edit, FILE, Ledger, LedgerError, config, journal, read, schema};

/// What the ledger knows of the files of a module.
#[derive(Debug, Clone, Default)]
pub struct Belongings {
    /// What it wrote.
    pub record: Record,
    /// Its configuration files.
    pub configs: Vec<ConfigRecord>,
    /// Files of others that it has changed.
    pub edits: Vec<Edit>,
    /// What other installed modules wrote or made, with their names.
    pub holders: BTreeMap<PathBuf, String>,
    /// Directories that other installed modules made, too.
    pub shared: BTreeSet<PathBuf>,
    /// The Python packages that other installed modules brought, with their names.
    pub python: BTreeMap<String, String>,
}

impl Ledger {
    /// What a module wrote.
    pub fn record(&self, module: &ModuleId) -> Result<Record, LedgerError> {
        record(&self.connection(), module).map_err(|error| self.sqlite(error))
    }

    /// What the ledger knows of the files of a module.
    pub fn belongings(&self, module: &ModuleId) -> Result<Belongings, LedgerError> {
        belongings(&self.connection(), module).map_err(|error| self.sqlite(error))
    }
}

/// What the ledger in this state directory knows of the files of a module.
pub fn read_belongings(directory: &Path, module: &ModuleId) -> Result<Belongings, LedgerError> {
    let Some(connection) = read::open(directory)? else { return Ok(Belongings::default()) };
    if schema::version(&connection).is_ok_and(|version| version < 2) {
        return Ok(Belongings::default());
    }
    belongings(&connection, module).map_err(|error| LedgerError::Sqlite { path: directory.join(FILE), error })
}

fn belongings(connection: &Connection, module: &ModuleId) -> rusqlite::Result<Belongings> {
    let (configs, others): (Vec<_>, Vec<_>) = config::configs(connection)?.into_iter().partition(|config| config.module == *module);
    let edits = journal::edits_if_known(connection, module)?;
    let mut belongings = Belongings { record: record(connection, module)?, configs, edits, ..Belongings::default() };
    // What is being removed too holds nothing back.
    let mut removing = connection.prepare_cached("SELECT 1 FROM modules WHERE name = ?1 AND state = 'removing'")?;
    for other in others.into_iter().filter(|other| !other.digest.is_empty()) {
        if !removing.exists([other.module.as_str()])? {
            belongings.holders.insert(other.path, other.module.to_string());
        }
    }
    let others = "SELECT name, paths, removal, adopted FROM modules WHERE name != ?1 AND state != 'removing'";
    let mut select = connection.prepare_cached(others)?;
    let mut rows = select.query([module.as_str()])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let paths: Vec<PathBuf> = serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
        let removal: Removal = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
        // Of what was there before hoist, what it declares is all that is known.
        let declared = if row.get::<_, bool>(3)? { removal.paths } else { Vec::new() };
        belongings.holders.extend(paths.into_iter().chain(declared).map(|path| (path, name.clone())));
        belongings.python.extend(removal.python.into_iter().map(|package| (package, name.clone())));
    }
    let mut roots: Vec<&Path> = belongings.record.keys().map(PathBuf::as_path).collect();
    roots.dedup_by(|path, last| path.starts_with(last));
    let mut found = Vec::new();
    for root in roots {
        found.extend(holders(connection, module, root)?);
    }
    for (path, name, kind) in found {
        match Kind::from_word(&kind) {
            Some(Kind::Directory) => drop(belongings.shared.insert(path)),
            _ => drop(belongings.holders.insert(path, name)),
        }
    }
    Ok(belongings)
}

/// Forgets what a module wrote at and below a path.
pub(crate) fn forget_below(connection: &Connection, module: &ModuleId, path: &Path) -> rusqlite::Result<()> {
    let path = path.as_os_str().as_bytes();
    let (below, behind) = ([path, b"/"].concat(), [path, b"0"].concat());
    let delete = "DELETE FROM files WHERE module = ?1 AND (path = ?2 OR (path > ?3 AND path < ?4))";
    connection.execute(delete, params![module.as_str(), path, below, behind]).map(drop)
}

pub(crate) fn record(connection: &Connection, module: &ModuleId) -> rusqlite::Result<Record> {
    let mut select = connection.prepare_cached("SELECT path, kind, mode, digest FROM files WHERE module = ?1")?;
    let mut rows = select.query([module.as_str()])?;
    let mut record = Record::new();
    while let Some(row) = rows.next()? {
        let Some(kind) = Kind::from_word(&row.get::<_, String>(1)?) else { continue };
        record.insert(path_of(row.get(0)?), Recorded { kind, mode: row.get(2)?, digest: row.get(3)? });
    }
    Ok(record)
}

pub(crate) fn holders(connection: &Connection, module: &ModuleId, path: &Path) -> rusqlite::Result<Vec<(PathBuf, String, String)>> {
    let path = path.as_os_str().as_bytes();
    let (below, behind) = ([path, b"/"].concat(), [path, b"0"].concat());
    let select = "SELECT path, module, kind FROM files JOIN modules ON name = module
        WHERE module != ?1 AND state != 'removing' AND (path = ?2 OR (path > ?3 AND path < ?4))";
    let mut select = connection.prepare_cached(select)?;
    let rows =
        select.query_map(params![module.as_str(), path, below, behind], |row| Ok((path_of(row.get(0)?), row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

impl Ledger {
    /// Returns the files and links that other modules wrote at and below these paths, also those that are being removed.
    pub fn recorded_by_others(&self, module: &ModuleId, roots: &[PathBuf]) -> Result<Vec<PathBuf>, LedgerError> {
        let read = |connection: &Connection| -> rusqlite::Result<Vec<PathBuf>> {
            let select = "SELECT path FROM files WHERE module != ?1 AND kind != 'directory' AND (path = ?2 OR (path > ?3 AND path < ?4))";
            let mut select = connection.prepare_cached(select)?;
            let mut found = Vec::new();
            for root in roots {
                let path = root.as_os_str().as_bytes();
                let (below, behind) = ([path, b"/"].concat(), [path, b"0"].concat());
                let rows = select.query_map(params![module.as_str(), path, below, behind], |row| row.get(0).map(path_of))?;
                found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(found)
        };
        read(&self.connection()).map_err(|error| self.sqlite(error))
    }
}

/// A directory that a module made and in which another has something is the other's from now on, so that the last one takes it away. Returns the
/// others.
pub(crate) fn pass_on_directories(connection: &Connection, module: &ModuleId) -> rusqlite::Result<Vec<PathBuf>> {
    let mut select = connection.prepare("SELECT path FROM files WHERE module = ?1 AND kind = 'directory'")?;
    let directories = select.query_map([module.as_str()], |row| row.get::<_, Vec<u8>>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let update = "UPDATE OR IGNORE files SET module = (SELECT module FROM files WHERE module != ?1 AND path > ?3 AND path < ?4 LIMIT 1)
        WHERE module = ?1 AND path = ?2 AND EXISTS (SELECT 1 FROM files WHERE module != ?1 AND path > ?3 AND path < ?4)";
    let mut update = connection.prepare(update)?;
    let mut left = Vec::new();
    for path in directories {
        let (below, behind) = ([path.as_slice(), b"/"].concat(), [path.as_slice(), b"0"].concat());
        if update.execute(params![module.as_str(), path, below, behind])? == 0 {
            left.push(path_of(path));
        }
    }
    Ok(left)
}

/// Puts a record in place of the one that is there.
pub(crate) fn store(connection: &Connection, module: &ModuleId, record: &Record) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM files WHERE module = ?1")?.execute([module.as_str()])?;
    let mut insert = connection.prepare_cached("INSERT INTO files (path, module, kind, mode, digest) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (path, Recorded { kind, mode, digest }) in record {
        insert.execute(params![path.as_os_str().as_bytes(), module.as_str(), kind.as_str(), mode, digest])?;
    }
    Ok(())
}

pub(crate) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&bytes))
}
