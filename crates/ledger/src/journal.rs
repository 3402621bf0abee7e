//! What each run did to files, so that it can be taken back; and which files of others modules have
//! edited.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoist_core::{ModuleId, UninstallSpec};
use hoist_files::{Attributes, Difference, FileKind, Record, Recorded, State};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::config::ConfigRecord;
use crate::error::LedgerError;
use crate::files;
use crate::store::{Ledger, RunId};
use crate::values::path_of;
use crate::values::{FILE, json};
use crate::{changes, config, former, read, schema};

/// A file that is not a module's own, and that its installer changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Which.
    #[serde(with = "crate::raw")]
    pub path: PathBuf,
    /// What stood there before the module came.
    pub before: State,
    /// What its installer made of it.
    pub after: State,
    /// True where it was replaced as a whole, with somebody's consent.
    pub replaced: bool,
}

/// What the ledger says of a module at a moment, so that it can say so again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriorState {
    /// Absent where it was unknown.
    row: Option<Remembered>,
    /// What it had written; after the change only what is different by then.
    record: Vec<Known>,
    configs: Vec<ConfigRecord>,
    edits: Vec<Edit>,
}

/// What a module had written at a path; nothing where that was not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    #[serde(with = "crate::raw")]
    path: PathBuf,
    recorded: Option<Recorded>,
}

/// A memento as it is written: the edits as JSON, which may have more fields than an earlier
/// version knew.
#[derive(Serialize, Deserialize)]
struct Stored {
    row: Option<Remembered>,
    record: Vec<Known>,
    configs: Vec<ConfigRecord>,
    edits: String,
}

/// A memento as earlier versions wrote it.
#[derive(Deserialize)]
struct Former {
    row: Option<Remembered>,
    record: Vec<Known>,
    configs: Vec<ConfigRecord>,
    edits: Vec<FormerEdit>,
}

#[derive(Deserialize)]
struct FormerEdit {
    #[serde(with = "crate::raw")]
    path: PathBuf,
    before: FormerState,
    after: FormerState,
    replaced: bool,
}

#[derive(Deserialize)]
struct FormerState {
    kind: FileKind,
    mode: u32,
    owner: (u32, u32),
    digest: String,
}

impl From<FormerState> for State {
    fn from(
        FormerState {
            kind,
            mode,
            owner,
            digest,
        }: FormerState,
    ) -> Self {
        Self {
            kind,
            mode,
            owner,
            digest,
            modified: None,
            attributes: Attributes::default(),
        }
    }
}

impl From<FormerEdit> for Edit {
    fn from(
        FormerEdit {
            path,
            before,
            after,
            replaced,
        }: FormerEdit,
    ) -> Self {
        Self {
            path,
            before: before.into(),
            after: after.into(),
            replaced,
        }
    }
}

/// The number of the form in which a memento is written, before its bytes.
const FORM: u8 = 2;

impl PriorState {
    pub(crate) fn to_bytes(&self) -> rusqlite::Result<Vec<u8>> {
        let Self {
            row,
            record,
            configs,
            edits,
        } = self.clone();
        let stored = Stored {
            row,
            record,
            configs,
            edits: json(&edits),
        };
        let bytes = postcard::to_extend(&stored, vec![FORM]);
        bytes.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> rusqlite::Result<Self> {
        let read = match bytes.split_first() {
            Some((1, rest)) => postcard::from_bytes(rest).ok().map(
                |Former {
                     row,
                     record,
                     configs,
                     edits,
                 }| {
                    let edits = edits.into_iter().map(Edit::from).collect();
                    Self {
                        row,
                        record,
                        configs,
                        edits,
                    }
                },
            ),
            Some((&FORM, rest)) => postcard::from_bytes(rest).ok().and_then(
                |Stored {
                     row,
                     record,
                     configs,
                     edits,
                 }| {
                    let edits = serde_json::from_str(&edits).ok()?;
                    Some(Self {
                        row,
                        record,
                        configs,
                        edits,
                    })
                },
            ),
            _ => None,
        };
        read.ok_or_else(|| unreadable("the state of a module before a run"))
    }
}

fn unreadable(what: &str) -> rusqlite::Error {
    let why = format!("{what} was written by another version of hoist, or is damaged");
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, why.into())
}

/// A row of the table of modules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    state: String,
    method: String,
    digest: String,
    source: String,
    run: i64,
    begun_at: String,
    installed_at: Option<String>,
    version: Option<String>,
    paths: String,
    adopted: bool,
    requires: String,
    removal: String,
    found: String,
    asked: bool,
}

impl PriorState {
    /// The same of a module whose source has another name now.
    pub(crate) fn renamed(mut self, from: &str, to: &str) -> Self {
        if let Some(row) = &mut self.row {
            if row.source == from {
                to.clone_into(&mut row.source);
            }
            row.requires = row
                .requires
                .replace(&format!("\"{from}."), &format!("\"{to}."));
        }
        self
    }

    /// Whether the ledger knew anything of the module.
    pub fn is_known(&self) -> bool {
        self.row.is_some()
    }

    /// True for a module that was installed.
    pub fn is_installed(&self) -> bool {
        self.row
            .as_ref()
            .is_some_and(|row| row.state == "installed")
    }

    /// True for a module that was installed, or had been before an attempt at something else
    /// failed.
    pub fn was_there(&self) -> bool {
        self.row
            .as_ref()
            .is_some_and(|row| row.state == "installed" || row.installed_at.is_some())
    }

    /// The version that it had.
    pub fn version(&self) -> Option<&str> {
        self.row.as_ref()?.version.as_deref()
    }

    /// Where it came from.
    pub fn source(&self) -> Option<&str> {
        Some(self.row.as_ref()?.source.as_str())
    }

    /// The paths of which is known only at one of the two moments that the module wrote them, with
    /// whether that was this one.
    pub fn written(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.record
            .iter()
            .map(|known| (known.path.as_path(), known.recorded.is_some()))
    }

    /// What `module`, of which it is, said of its removal.
    pub fn removal(&self, module: &ModuleId) -> UninstallSpec {
        let row = self.row.as_ref();
        row.map(|row| former::read(&row.removal, module.as_str(), &row.source))
            .unwrap_or_default()
    }
}

/// What a run did to one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Which.
    pub module: ModuleId,
    /// What the ledger said of it before.
    pub was: PriorState,
    /// What became different.
    pub differences: Vec<Difference>,
}

impl Ledger {
    /// What the ledger says of a module now.
    pub fn memento(&self, module: &ModuleId) -> Result<PriorState, LedgerError> {
        memento(&self.connection(), module).map_err(|error| self.sqlite(error))
    }

    /// Writes down what a run did to a module: what the ledger said of it before, and what is
    /// different in its files. What an earlier attempt of the same run wrote down stays the
    /// beginning.
    pub fn journal(
        &self,
        run: RunId,
        module: &ModuleId,
        was: &PriorState,
        differences: &[Difference],
    ) -> Result<(), LedgerError> {
        let all = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            write(&transaction, run, module, was, differences, None)?;
            transaction.commit()
        };
        all(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Makes the ledger say of a module what it said before a run changed it, and records what that
    /// made different, in one transaction.
    pub fn revert(
        &self,
        run: RunId,
        module: &ModuleId,
        before: &PriorState,
        now: &PriorState,
        differences: &[Difference],
    ) -> Result<(), LedgerError> {
        self.is_ahead();
        let write_all = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            let mut record = files::record(&transaction, module)?;
            for Known { path, recorded } in &before.record {
                match recorded {
                    Some(recorded) => drop(record.insert(path.clone(), recorded.clone())),
                    None => drop(record.remove(path)),
                }
            }
            restore(&transaction, module, before, Some(run), Some(&record))?;
            write(&transaction, run, module, now, differences, None)?;
            changes::complete(&transaction, module)?;
            transaction.commit()
        };
        write_all(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// The files of others that a module has edited.
    pub fn edits(&self, module: &ModuleId) -> Result<Vec<Edit>, LedgerError> {
        edits(&self.connection(), module).map_err(|error| self.sqlite(error))
    }

    /// Where other modules replaced what this one, which goes, had put in place of somebody's file,
    /// that file is what stood there before them.
    pub fn pass_on(&self, module: &ModuleId, edits: &[Edit]) -> Result<(), LedgerError> {
        let update = "UPDATE edits SET before = ?1 WHERE path = ?2 AND module != ?3 AND replaced AND json_extract(before, '$.digest') = ?4";
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let mut update = connection.prepare(update)?;
            for Edit {
                path,
                before,
                after,
                ..
            } in edits.iter().filter(|edit| edit.replaced)
            {
                update.execute(params![
                    json(before),
                    path.as_os_str().as_bytes(),
                    module.as_str(),
                    after.digest
                ])?;
            }
            Ok(())
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// What other installed modules wrote at and below a path, with their names.
    pub fn others_below(
        &self,
        module: &ModuleId,
        path: &Path,
    ) -> Result<BTreeMap<PathBuf, String>, LedgerError> {
        let found = files::other_owners(&self.connection(), module, path)
            .map_err(|error| self.sqlite(error))?;
        Ok(found
            .into_iter()
            .map(|(path, name, _)| (path, name))
            .collect())
    }

    /// Writes down that a run was taken back by the newest run. What that run itself had taken back
    /// is in force again.
    pub fn undone(&self, name: &str) -> Result<(), LedgerError> {
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            transaction.execute("UPDATE runs SET undone = (SELECT name FROM runs ORDER BY id DESC LIMIT 1) WHERE name = ?1", [name])?;
            transaction.execute("UPDATE runs SET undone = NULL WHERE undone = ?1", [name])?;
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// The digests of what runs are known to have made of a file.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn made_contents(&self, path: &Path) -> Result<BTreeSet<String>, LedgerError> {
        let select = "SELECT after FROM journal WHERE path = ?1 AND after IS NOT NULL UNION SELECT after FROM edits WHERE path = ?1";
        let read = |connection: &Connection| {
            let mut select = connection.prepare(select)?;
            select
                .query_map([path.as_os_str().as_bytes()], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let states = read(&self.connection()).map_err(|error| self.sqlite(error))?;
        let digest = |state: String| {
            serde_json::from_str::<State>(&state)
                .ok()
                .map(|state| state.digest)
        };
        Ok(states.into_iter().filter_map(digest).collect())
    }

    /// The existing files that runs changed with a module, from the oldest run to the newest.
    pub fn edited_with(&self, module: &ModuleId) -> Result<Vec<Difference>, LedgerError> {
        let select = "SELECT path, before, after FROM journal WHERE module = ?1 AND before IS NOT NULL AND after IS NOT NULL ORDER BY run";
        let read = |connection: &Connection| {
            let mut select = connection.prepare(select)?;
            let rows = select.query_map([module.as_str()], |row| {
                Ok((
                    row.get::<_, Vec<u8>>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                ))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = read(&self.connection()).map_err(|error| self.sqlite(error))?;
        let state = |text: String| serde_json::from_str::<State>(&text).ok();
        let difference = |(path, before, after)| Difference {
            path: path_of(path),
            before: state(before),
            after: state(after),
        };
        Ok(rows.into_iter().map(difference).collect())
    }

    /// The digests of all contents that may have to come back.
    pub fn wanted_contents(&self) -> Result<Vec<String>, LedgerError> {
        let select = "SELECT before FROM journal UNION SELECT after FROM journal UNION SELECT before FROM edits UNION SELECT after FROM edits";
        let read = |connection: &Connection| {
            let mut select = connection.prepare(select)?;
            select
                .query_map([], |row| row.get::<_, Option<String>>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let states = read(&self.connection()).map_err(|error| self.sqlite(error))?;
        let digest = |state: String| {
            serde_json::from_str::<State>(&state)
                .ok()
                .map(|state| state.digest)
        };
        Ok(states
            .into_iter()
            .flatten()
            .filter_map(digest)
            .filter(|digest| !digest.is_empty())
            .collect())
    }
}

/// Writes down what a run did; `record` is what the module is known to have written by now, where
/// that was not just looked up.
pub(crate) fn write(
    connection: &Connection,
    run: RunId,
    module: &ModuleId,
    was: &PriorState,
    differences: &[Difference],
    record: Option<&Record>,
) -> rusqlite::Result<()> {
    let read = if record.is_none() {
        files::record(connection, module)?
    } else {
        Record::new()
    };
    let now = record.unwrap_or(&read);
    let before: BTreeSet<&PathBuf> = was.record.iter().map(|known| &known.path).collect();
    let changed = was
        .record
        .iter()
        .filter(|known| now.get(&known.path) != known.recorded.as_ref())
        .cloned();
    let new = now
        .keys()
        .filter(|path| !before.contains(path))
        .map(|path| Known {
            path: path.clone(),
            recorded: None,
        });
    let kept = PriorState {
        row: was.row.clone(),
        record: changed.chain(new).collect(),
        configs: was.configs.clone(),
        edits: was.edits.clone(),
    };
    let bytes = kept.to_bytes()?;
    let insert = "INSERT OR IGNORE INTO mementos (run, module, place, was) VALUES (?1, ?2, (SELECT coalesce(max(place) + 1, 0) FROM mementos WHERE run = ?1), ?3)";
    connection
        .prepare_cached(insert)?
        .execute(params![run.0, module.as_str(), bytes])?;
    let insert =
        "INSERT INTO journal (run, module, path, before, after) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (run, module, path) DO UPDATE SET after = ?5";
    let mut insert = connection.prepare_cached(insert)?;
    for Difference {
        path,
        before,
        after,
    } in differences
    {
        let (before, after) = (before.as_ref().map(json), after.as_ref().map(json));
        insert.execute(params![
            run.0,
            module.as_str(),
            path.as_os_str().as_bytes(),
            before,
            after
        ])?;
    }
    Ok(())
}

/// Puts back what the ledger said of a module. The number of the run is the one that it had, where
/// no other is given, and what it wrote stays as it is known.
pub(crate) fn restore(
    connection: &Connection,
    module: &ModuleId,
    prior: &PriorState,
    run: Option<RunId>,
    record: Option<&Record>,
) -> rusqlite::Result<()> {
    for table in [
        "modules WHERE name",
        "configs WHERE module",
        "edits WHERE module",
    ] {
        connection
            .prepare_cached(&format!("DELETE FROM {table} = ?1"))?
            .execute([module.as_str()])?;
    }
    let Some(row) = &prior.row else {
        return connection
            .prepare_cached("DELETE FROM files WHERE module = ?1")?
            .execute([module.as_str()])
            .map(drop);
    };
    let insert = "INSERT INTO modules (name, state, method, digest, source, run, begun_at, installed_at, version, paths, adopted, requires,
        removal, found, asked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    // It may have been written down by an earlier version.
    let removal = json(&former::read(&row.removal, module.as_str(), &row.source));
    let values = params![
        module.as_str(),
        row.state,
        row.method,
        row.digest,
        row.source,
        run.map_or(row.run, |run| run.0),
        row.begun_at,
        row.installed_at,
        row.version,
        row.paths,
        row.adopted,
        row.requires,
        removal,
        row.found,
        row.asked
    ];
    connection.prepare_cached(insert)?.execute(values)?;
    if let Some(record) = record {
        files::store(connection, module, record)?;
    }
    prior
        .configs
        .iter()
        .try_for_each(|record| config::put(connection, record))?;
    put_edits(connection, module, &prior.edits)
}

/// Everything that the ledger says of a module.
pub(crate) fn memento(connection: &Connection, module: &ModuleId) -> rusqlite::Result<PriorState> {
    let prior = prior(connection, module)?;
    if prior.row.is_none() {
        return Ok(prior);
    }
    let record = files::record(connection, module)?
        .into_iter()
        .map(|(path, recorded)| Known {
            path,
            recorded: Some(recorded),
        })
        .collect();
    Ok(PriorState { record, ..prior })
}

/// What the ledger says of a module, but for what it wrote: that stays as it is until a change is
/// complete.
pub(crate) fn prior(connection: &Connection, module: &ModuleId) -> rusqlite::Result<PriorState> {
    let select =
        "SELECT state, method, digest, source, run, begun_at, installed_at, version, paths, adopted, requires, removal, found, asked
        FROM modules WHERE name = ?1";
    let row = |row: &Row<'_>| {
        Ok(Remembered {
            state: row.get(0)?,
            method: row.get(1)?,
            digest: row.get(2)?,
            source: row.get(3)?,
            run: row.get(4)?,
            begun_at: row.get(5)?,
            installed_at: row.get(6)?,
            version: row.get(7)?,
            paths: row.get(8)?,
            adopted: row.get(9)?,
            requires: row.get(10)?,
            removal: row.get(11)?,
            found: row.get(12)?,
            asked: row.get(13)?,
        })
    };
    let row = connection
        .prepare_cached(select)?
        .query_row([module.as_str()], row)
        .optional()?;
    if row.is_none() {
        return Ok(PriorState::default());
    }
    let configs = config::configs_of(connection, module)?;
    Ok(PriorState {
        row,
        record: Vec::new(),
        configs,
        edits: edits(connection, module)?,
    })
}

/// The files of others that a module has edited; none in ledgers of versions that did not write
/// that down.
pub(crate) fn edits_if_known(
    connection: &Connection,
    module: &ModuleId,
) -> rusqlite::Result<Vec<Edit>> {
    if schema::version(connection)? < 4 {
        Ok(Vec::new())
    } else {
        edits(connection, module)
    }
}

fn edits(connection: &Connection, module: &ModuleId) -> rusqlite::Result<Vec<Edit>> {
    let mut select = connection.prepare_cached(
        "SELECT path, before, after, replaced FROM edits WHERE module = ?1 ORDER BY path",
    )?;
    let edit = |row: &Row<'_>| {
        let state = |place| {
            Ok::<_, rusqlite::Error>(
                serde_json::from_str::<State>(&row.get::<_, String>(place)?).ok(),
            )
        };
        let (path, before, after) = (path_of(row.get(0)?), state(1)?, state(2)?);
        let replaced = row.get(3)?;
        Ok(before.zip(after).map(|(before, after)| Edit {
            path,
            before,
            after,
            replaced,
        }))
    };
    let rows = select
        .query_map([module.as_str()], edit)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows.into_iter().flatten().collect())
}

pub(crate) fn put_edits(
    connection: &Connection,
    module: &ModuleId,
    edits: &[Edit],
) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM edits WHERE module = ?1", [module.as_str()])?;
    let insert =
        "INSERT INTO edits (path, module, before, after, replaced) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare_cached(insert)?;
    for Edit {
        path,
        before,
        after,
        replaced,
    } in edits
    {
        insert.execute(params![
            path.as_os_str().as_bytes(),
            module.as_str(),
            json(before),
            json(after),
            replaced
        ])?;
    }
    Ok(())
}

/// A run that can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undoable {
    /// Its name.
    pub run: String,
    /// What it was asked.
    pub action: String,
    /// The run that has taken it back, where one has.
    pub undone: Option<String>,
    /// What it did, the last first.
    pub entries: Vec<JournalEntry>,
    /// The modules that it was changing when it was interrupted, which the next run rolls back;
    /// none of an undo.
    pub pending: Vec<ModuleId>,
    /// For each of its modules the run after it that changed that module last, where one did.
    pub later: BTreeMap<String, String>,
}

/// What a run did to files, from the ledger in this state directory: that of this name, or the only
/// one whose name starts so; else the newest that did something, or was interrupted in the middle
/// of it, and was not taken back.
pub fn read_journal(directory: &Path, name: Option<&str>) -> Result<Option<Undoable>, LedgerError> {
    let Some(connection) = read::open(directory)? else {
        return Ok(None);
    };
    let read = || {
        let version = schema::version(&connection)?;
        if version < 4 {
            return Ok(None);
        }
        let select = match name {
            Some(_) => {
                "SELECT id, name, action, undone FROM runs WHERE substr(name, 1, length(?1)) = ?1
                    AND (name = ?1 OR 1 = (SELECT count(*) FROM runs WHERE substr(name, 1, length(?1)) = ?1))"
            }
            None if version < 6 => {
                "SELECT id, name, action, undone FROM runs WHERE ?1 = '' AND undone IS NULL AND action != 'undo'
                    AND EXISTS (SELECT 1 FROM mementos WHERE run = id) ORDER BY id DESC LIMIT 1"
            }
            None => {
                "SELECT id, name, action, undone FROM runs WHERE ?1 = '' AND undone IS NULL AND action != 'undo'
                    AND (EXISTS (SELECT 1 FROM mementos WHERE run = id) OR EXISTS (SELECT 1 FROM changes WHERE run = id AND phase = 'begun'))
                    ORDER BY id DESC LIMIT 1"
            }
        };
        let run = |row: &Row<'_>| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get(1)?,
                row.get::<_, String>(2)?,
                row.get(3)?,
            ))
        };
        let Some((id, run, action, undone)) = connection
            .query_row(select, [name.unwrap_or_default()], run)
            .optional()?
        else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        let mut select = connection
            .prepare("SELECT module, was FROM mementos WHERE run = ?1 ORDER BY place DESC")?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let Ok(module) = ModuleId::new(&row.get::<_, String>(0)?) else {
                continue;
            };
            let was = PriorState::from_bytes(&row.get::<_, Vec<u8>>(1)?)?;
            entries.push(JournalEntry {
                differences: differences(&connection, id, &module)?,
                module,
                was,
            });
        }
        let mut pending = Vec::new();
        if version >= 6 && action != "undo" {
            let mut select = connection.prepare(
                "SELECT module FROM changes WHERE run = ?1 AND phase = 'begun' ORDER BY module",
            )?;
            let names = select
                .query_map([id], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            pending = names
                .iter()
                .filter_map(|name| ModuleId::new(name).ok())
                .collect();
        }
        let later = "SELECT mementos.module, runs.name FROM mementos JOIN runs ON run = id WHERE run > ?1 AND runs.undone IS NULL AND action != 'undo'
            AND mementos.module IN (SELECT module FROM mementos WHERE run = ?1) ORDER BY run";
        let mut select = connection.prepare(later)?;
        let later = select
            .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some(Undoable {
            run,
            action,
            undone,
            entries,
            pending,
            later,
        }))
    };
    read().map_err(|error| LedgerError::Sqlite {
        path: directory.join(FILE),
        error,
    })
}

fn differences(
    connection: &Connection,
    run: i64,
    module: &ModuleId,
) -> rusqlite::Result<Vec<Difference>> {
    let mut select = connection.prepare_cached(
        "SELECT path, before, after FROM journal WHERE run = ?1 AND module = ?2 ORDER BY path",
    )?;
    let state = |text: Option<String>| -> rusqlite::Result<Option<State>> {
        text.map(|text| {
            serde_json::from_str(&text).map_err(|_| unreadable("the state of a file before a run"))
        })
        .transpose()
    };
    let difference = |row: &Row<'_>| {
        Ok(Difference {
            path: path_of(row.get(0)?),
            before: state(row.get(1)?)?,
            after: state(row.get(2)?)?,
        })
    };
    select
        .query_map(params![run, module.as_str()], difference)?
        .collect()
}

/// The files of others that modules have edited, each with the names of these modules.
///
/// # Errors
/// The ledger cannot be read.
pub fn read_edited(directory: &Path) -> Result<BTreeMap<PathBuf, Vec<String>>, LedgerError> {
    let Some(connection) = read::open(directory)? else {
        return Ok(BTreeMap::new());
    };
    let read = || {
        let mut found: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
        if schema::version(&connection)? < 4 {
            return Ok(found);
        }
        let mut select = connection
            .prepare("SELECT path, module FROM edits WHERE NOT replaced ORDER BY path, module")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            found
                .entry(path_of(row.get(0)?))
                .or_default()
                .push(row.get(1)?);
        }
        Ok(found)
    };
    read().map_err(|error| LedgerError::Sqlite {
        path: directory.join(FILE),
        error,
    })
}

/// A source that modules of one system are installed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledSource {
    /// Its name.
    pub name: String,
    /// What the newest of them says of it.
    pub settings: serde_json::Value,
    /// The directories, archives and repositories that they came from, the newest first.
    pub from: Vec<String>,
}

/// Returns the sources that modules of a system are installed from, or were going to be.
///
/// # Errors
/// The ledger is damaged, or of a later version.
pub fn installed_sources(
    directory: &Path,
    system: &str,
) -> Result<Vec<InstalledSource>, LedgerError> {
    let Some(connection) = read::open(directory)? else {
        return Ok(Vec::new());
    };
    let read = || {
        let mut found: BTreeMap<String, InstalledSource> = BTreeMap::new();
        let version = schema::version(&connection)?;
        if version < 4 {
            return Ok(Vec::new());
        }
        // Earlier versions told systems apart in other ways.
        let written = match version < 8 {
            true => "%".to_owned(),
            false => format!("%\"system\":\"{system}\"%"),
        };
        let select = "SELECT name, source, removal FROM modules WHERE removal LIKE ?1 ORDER BY begun_at DESC";
        let mut select = connection.prepare(select)?;
        let mut rows = select.query([written])?;
        while let Some(row) = rows.next()? {
            let (module, source): (String, String) = (row.get(0)?, row.get(1)?);
            let removal = former::read(&row.get::<_, String>(2)?, &module, &source);
            if removal.policy.system != system {
                continue;
            }
            let new = || InstalledSource {
                name: source.clone(),
                settings: removal.settings,
                from: Vec::new(),
            };
            let found = found.entry(source.clone()).or_insert_with(new);
            found
                .from
                .extend(removal.from.filter(|place| !found.from.contains(place)));
        }
        Ok(found.into_values().collect())
    };
    read().map_err(|error| LedgerError::Sqlite {
        path: directory.join(FILE),
        error,
    })
}
