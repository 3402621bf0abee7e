//! Which files each module wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoist_core::{ModuleId, Resource, ResourceScope, UninstallSpec};
use hoist_files::{FileKind, Record, Recorded};
use rusqlite::{Connection, OptionalExtension, params};

use crate::config::ConfigRecord;
use crate::error::LedgerError;
use crate::journal::Edit;
use crate::store::Ledger;
use crate::values::FILE;
use crate::values::path_of;
use crate::{config, former, journal, read, schema};

/// What the ledger knows of the files of a module.
#[derive(Debug, Clone, Default)]
pub struct OwnedFiles {
    /// What it wrote.
    pub record: Record,
    /// Its configuration files.
    pub configs: Vec<ConfigRecord>,
    /// Files of others that it has changed.
    pub edits: Vec<Edit>,
    /// What other installed modules wrote or made, with their names.
    pub other_owners: BTreeMap<PathBuf, String>,
    /// Directories that other installed modules made, too.
    pub shared: BTreeSet<PathBuf>,
    /// Those of its resources that other installed modules have as well, with the names of these.
    pub other_resource_owners: BTreeMap<Resource, String>,
}

impl Ledger {
    /// What a module wrote.
    pub fn record(&self, module: &ModuleId) -> Result<Record, LedgerError> {
        record(&self.connection(), module).map_err(|error| self.sqlite(error))
    }

    /// What the ledger knows of the files of a module, and of those that others have at and below
    /// its paths. `declared` is what its manifest says of its removal.
    pub fn belongings(
        &self,
        module: &ModuleId,
        declared: &UninstallSpec,
    ) -> Result<OwnedFiles, LedgerError> {
        belongings(&self.connection(), module, declared).map_err(|error| self.sqlite(error))
    }
}

/// Reads what a ledger knows of the files of modules, and writes nothing.
pub struct Reader {
    path: PathBuf,
    /// Absent where there is no ledger, or one that knows of no files.
    connection: Option<Connection>,
}

impl Reader {
    /// Opens the ledger in a state directory.
    ///
    /// # Errors
    /// It is damaged, or of a later version.
    pub fn open(directory: &Path) -> Result<Self, LedgerError> {
        let path = directory.join(FILE);
        let connection = read::open(directory)?;
        Ok(Self {
            connection: connection
                .filter(|connection| schema::version(connection).is_ok_and(|version| version >= 2)),
            path,
        })
    }

    /// Returns what [`Ledger::belongings`] does.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn belongings(
        &self,
        module: &ModuleId,
        declared: &UninstallSpec,
    ) -> Result<OwnedFiles, LedgerError> {
        self.read(|connection| belongings(connection, module, declared))
    }

    /// Returns the files of others that a module has edited.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn edits(&self, module: &ModuleId) -> Result<Vec<Edit>, LedgerError> {
        self.read(|connection| journal::edits_if_known(connection, module))
    }

    /// Returns what a module wrote.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn record(&self, module: &ModuleId) -> Result<Record, LedgerError> {
        self.read(|connection| record(connection, module))
    }

    /// Returns what a module wrote and nobody else: no other module, none that edits files of
    /// others, and no configuration file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn own_record(&self, module: &ModuleId) -> Result<Record, LedgerError> {
        self.read(|connection| own_record(connection, module))
    }

    fn read<T: Default>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let Some(connection) = &self.connection else {
            return Ok(T::default());
        };
        read(connection).map_err(|error| LedgerError::Sqlite {
            path: self.path.clone(),
            error,
        })
    }
}

fn belongings(
    connection: &Connection,
    module: &ModuleId,
    declared: &UninstallSpec,
) -> rusqlite::Result<OwnedFiles> {
    let configs = config::configs_of(connection, module)?;
    let edits = journal::edits_if_known(connection, module)?;
    let mut belongings = OwnedFiles {
        record: record(connection, module)?,
        configs,
        edits,
        ..OwnedFiles::default()
    };
    let own = "SELECT paths, removal, source FROM modules WHERE name = ?1";
    let own = connection
        .prepare_cached(own)?
        .query_row([module.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (paths, removal, source): (String, String, String) = own.unwrap_or_default();
    let paths: Vec<PathBuf> = serde_json::from_str(&paths).unwrap_or_default();
    let removal = former::read(&removal, module.as_str(), &source);
    let configs = belongings.configs.iter().map(|config| &config.path);
    let paths = belongings
        .record
        .keys()
        .chain(&paths)
        .chain(&removal.paths)
        .chain(&declared.paths)
        .chain(configs);
    let version = schema::version(connection)?;
    let former = if version < 7 { former::CLAIMS } else { "" };
    // What is being removed too holds nothing back.
    let claims = format!(
        "{former}SELECT path, module, 'file' FROM claims JOIN modules ON name = module
            WHERE module != ?1 AND state != 'removing' AND (path = ?2 OR (path > ?3 AND path < ?4))
        UNION ALL SELECT path, module, 'file' FROM configs JOIN modules ON name = module
            WHERE module != ?1 AND configs.digest != '' AND state != 'removing' AND (path = ?2 OR (path > ?3 AND path < ?4))"
    );
    let mut claims = connection.prepare_cached(&claims)?;
    let mut written = connection.prepare_cached(HOLDERS)?;
    let mut found = Vec::new();
    for root in outermost(paths.map(PathBuf::as_path)) {
        let [path, below, behind] = range(root);
        let values = params![module.as_str(), path, below, behind];
        for select in [&mut claims, &mut written] {
            let rows = select.query_map(values, |row| {
                Ok((path_of(row.get(0)?), row.get(1)?, row.get::<_, String>(2)?))
            })?;
            found.extend(rows.collect::<rusqlite::Result<Vec<(PathBuf, String, String)>>>()?);
        }
    }
    for (path, name, kind) in found {
        match FileKind::from_word(&kind) {
            Some(FileKind::Directory) => drop(belongings.shared.insert(path)),
            _ => drop(belongings.other_owners.insert(path, name)),
        }
    }
    let former = if version < 8 { former::RESOURCES } else { "" };
    let others = format!(
        "{former}SELECT module FROM resources JOIN modules ON modules.name = module
            WHERE manager = ?1 AND directory = ?2 AND runtime = ?3 AND resources.name = ?4
            AND module != ?5 AND state != 'removing' LIMIT 1"
    );
    let mut others = connection.prepare_cached(&others)?;
    for resource in removal.owned().chain(declared.owned()) {
        let ResourceScope {
            manager,
            directory,
            runtime,
        } = &resource.scope;
        let values = params![
            manager,
            directory.to_string_lossy(),
            runtime.as_deref().unwrap_or_default(),
            resource.name,
            module.as_str()
        ];
        let other = others.query_row(values, |row| row.get(0)).optional()?;
        let other = other.map(|other| (resource.clone(), other));
        belongings.other_resource_owners.extend(other);
    }
    Ok(belongings)
}

/// What other modules wrote at a path (2) and between two others (3, 4).
const HOLDERS: &str = "SELECT path, module, kind FROM files JOIN modules ON name = module
    WHERE module != ?1 AND state != 'removing' AND (path = ?2 OR (path > ?3 AND path < ?4))";

/// The bytes of a path, and those between which everything below it is.
fn range(path: &Path) -> [Vec<u8>; 3] {
    let path = path.as_os_str().as_bytes();
    [
        path.to_owned(),
        [path, b"/"].concat(),
        [path, b"0"].concat(),
    ]
}

/// Returns the paths that are not below another of them.
fn outermost<'p>(paths: impl Iterator<Item = &'p Path>) -> Vec<&'p Path> {
    let mut paths: Vec<&Path> = paths.collect();
    paths.sort_unstable();
    paths.dedup_by(|path, last| path.starts_with(last));
    paths
}

/// Forgets what a module wrote at and below a path.
pub(crate) fn forget_below(
    connection: &Connection,
    module: &ModuleId,
    path: &Path,
) -> rusqlite::Result<()> {
    let [path, below, behind] = range(path);
    let delete = "DELETE FROM files WHERE module = ?1 AND (path = ?2 OR (path > ?3 AND path < ?4))";
    connection
        .execute(delete, params![module.as_str(), path, below, behind])
        .map(drop)
}

pub(crate) fn record(connection: &Connection, module: &ModuleId) -> rusqlite::Result<Record> {
    let mut select = connection
        .prepare_cached("SELECT path, kind, mode, digest FROM files WHERE module = ?1")?;
    let mut rows = select.query([module.as_str()])?;
    let mut record = Record::new();
    while let Some(row) = rows.next()? {
        let Some(kind) = FileKind::from_word(&row.get::<_, String>(1)?) else {
            continue;
        };
        record.insert(
            path_of(row.get(0)?),
            Recorded {
                kind,
                mode: row.get(2)?,
                digest: row.get(3)?,
            },
        );
    }
    Ok(record)
}

fn own_record(connection: &Connection, module: &ModuleId) -> rusqlite::Result<Record> {
    let mut record = record(connection, module)?;
    let others = "SELECT path FROM files WHERE module = ?1 AND kind != 'directory' AND (
        EXISTS (SELECT 1 FROM files AS other WHERE other.path = files.path AND other.module != ?1)
        OR EXISTS (SELECT 1 FROM configs WHERE configs.path = files.path)
        OR EXISTS (SELECT 1 FROM edits WHERE edits.path = files.path AND edits.module != ?1))";
    // Earlier ledgers know of no edits.
    let others = match schema::version(connection)? < 4 {
        true => others.replace(
            "OR EXISTS (SELECT 1 FROM edits WHERE edits.path = files.path AND edits.module != ?1)",
            "",
        ),
        false => others.to_owned(),
    };
    let mut select = connection.prepare_cached(&others)?;
    let mut rows = select.query([module.as_str()])?;
    while let Some(row) = rows.next()? {
        record.remove(&path_of(row.get(0)?));
    }
    Ok(record)
}

pub(crate) fn other_owners(
    connection: &Connection,
    module: &ModuleId,
    path: &Path,
) -> rusqlite::Result<Vec<(PathBuf, String, String)>> {
    let [path, below, behind] = range(path);
    let mut select = connection.prepare_cached(HOLDERS)?;
    let rows = select.query_map(params![module.as_str(), path, below, behind], |row| {
        Ok((path_of(row.get(0)?), row.get(1)?, row.get(2)?))
    })?;
    rows.collect()
}

impl Ledger {
    /// Returns the files and links that other modules wrote at and below these paths, also those
    /// that are being removed.
    pub fn recorded_by_others(
        &self,
        module: &ModuleId,
        roots: &[PathBuf],
    ) -> Result<Vec<PathBuf>, LedgerError> {
        let read = |connection: &Connection| -> rusqlite::Result<Vec<PathBuf>> {
            let select = "SELECT path FROM files WHERE module != ?1 AND kind != 'directory' AND (path = ?2 OR (path > ?3 AND path < ?4))";
            let mut select = connection.prepare_cached(select)?;
            let mut found = Vec::new();
            for root in outermost(roots.iter().map(PathBuf::as_path)) {
                let [path, below, behind] = range(root);
                let rows = select
                    .query_map(params![module.as_str(), path, below, behind], |row| {
                        row.get(0).map(path_of)
                    })?;
                found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(found)
        };
        read(&self.connection()).map_err(|error| self.sqlite(error))
    }
}

/// A directory that a module made and in which another has something is the other's from now on, so
/// that the last one takes it away. Returns the others.
pub(crate) fn pass_on_directories(
    connection: &Connection,
    module: &ModuleId,
) -> rusqlite::Result<Vec<PathBuf>> {
    let mut select = connection
        .prepare_cached("SELECT path FROM files WHERE module = ?1 AND kind = 'directory'")?;
    let directories = select
        .query_map([module.as_str()], |row| row.get(0).map(path_of))?
        .collect::<rusqlite::Result<BTreeSet<_>>>()?;
    // One row says that there is something, unless it is the module's own: then the rows of others
    // are asked for, once for each outermost directory.
    let mut first = connection.prepare_cached(
        "SELECT module FROM files WHERE path > ?1 AND path < ?2 ORDER BY path LIMIT 1",
    )?;
    let mut others =
        connection.prepare_cached("SELECT path, module FROM files WHERE path > ?1 AND path < ?2 AND module != ?3 ORDER BY path")?;
    let mut update = connection
        .prepare_cached("UPDATE OR IGNORE files SET module = ?3 WHERE module = ?1 AND path = ?2")?;
    let mut left = Vec::new();
    let mut known: Option<(PathBuf, BTreeMap<PathBuf, String>)> = None;
    for directory in directories {
        let [path, below, behind] = range(&directory);
        let mut heir = first
            .query_row([&below, &behind], |row| row.get::<_, String>(0))
            .optional()?;
        if heir.as_deref() == Some(module.as_str()) {
            if known
                .as_ref()
                .is_none_or(|(root, _)| !directory.starts_with(root))
            {
                let values = params![below, behind, module.as_str()];
                let rows =
                    others.query_map(values, |row| Ok((path_of(row.get(0)?), row.get(1)?)))?;
                known = Some((directory.clone(), rows.collect::<rusqlite::Result<_>>()?));
            }
            let below = (Bound::Excluded(directory.as_path()), Bound::Unbounded);
            let mut inside = known
                .iter()
                .flat_map(|(_, others)| others.range::<Path, _>(below));
            heir = inside
                .next()
                .filter(|(path, _)| path.starts_with(&directory))
                .map(|(_, other)| other.clone());
        }
        match heir {
            Some(heir) => drop(update.execute(params![module.as_str(), path, heir])?),
            None => left.push(directory),
        }
    }
    Ok(left)
}

/// Puts a record in place of the one that is there.
pub(crate) fn store(
    connection: &Connection,
    module: &ModuleId,
    record: &Record,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM files WHERE module = ?1")?
        .execute([module.as_str()])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO files (path, module, kind, mode, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (path, Recorded { kind, mode, digest }) in record {
        insert.execute(params![
            path.as_os_str().as_bytes(),
            module.as_str(),
            kind.as_str(),
            mode,
            digest
        ])?;
    }
    Ok(())
}
