//! Reading the ledger without changing anything.

use std::collections::HashSet;
use std::path::Path;

use hoist_core::{Digest, Installed, InstalledModule, ModuleId, Request};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::Serialize;

use crate::error::LedgerError;
use crate::salvage::{self, COPY};
use crate::store::Ledger;
use crate::values::FILE;
use crate::values::path_of;
use crate::{former, schema};

/// What is installed, from the ledger in this state directory; nothing when there is none.
pub fn read(directory: &Path) -> Result<Installed, LedgerError> {
    let once = || match open(directory)? {
        Some(connection) => installed(&connection).map_err(|error| LedgerError::Sqlite {
            path: directory.join(FILE),
            error,
        }),
        None => Ok(Installed::default()),
    };
    let log = directory.join(FILE).with_extension("sqlite-wal");
    let before = log.exists();
    match once() {
        // A writer came in between; now its log is there to be read.
        _ if !before && log.exists() => once(),
        read => read,
    }
}

/// One past run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Its name, also that of its directory of logs.
    pub run_id: String,
    /// What it was asked.
    pub action: String,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// When it ended; absent while it runs.
    pub ended_at: Option<String>,
    /// `ok`, `partial`, `failed`, `interrupted`, `running`.
    pub status: String,
    /// The run that has undone it, where one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone: Option<String>,
}

/// The newest runs first, at most `limit`.
pub fn history(directory: &Path, limit: usize) -> Result<Vec<RunSummary>, LedgerError> {
    let Some(connection) = open(directory)? else {
        return Ok(Vec::new());
    };
    let read = || {
        // Earlier ledgers know of no undo.
        let undone = if schema::version(&connection)? < 4 {
            "NULL"
        } else {
            "undone"
        };
        let mut select = connection.prepare(&format!(
            "SELECT name, action, started_at, ended_at, status, pid, {undone} FROM runs WHERE status != 'pruned' ORDER BY id DESC LIMIT ?1"
        ))?;
        let summary = |row: &Row<'_>| {
            let (status, pid): (String, i32) = (row.get(4)?, row.get(5)?);
            // The next run that changes something writes that down.
            let status = if status == "running" && !is_alive(pid) {
                "interrupted".to_owned()
            } else {
                status
            };
            let (started_at, ended_at, undone) = (row.get(2)?, row.get(3)?, row.get(6)?);
            Ok(RunSummary {
                run_id: row.get(0)?,
                action: row.get(1)?,
                started_at,
                ended_at,
                status,
                undone,
            })
        };
        select
            .query_map([limit as i64], summary)?
            .collect::<rusqlite::Result<Vec<RunSummary>>>()
    };
    read().map_err(|error| LedgerError::Sqlite {
        path: directory.join(FILE),
        error,
    })
}

fn is_alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

/// A past run, as far as it can be taken up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// What is shown of it.
    pub summary: RunSummary,
    /// What was asked; unknown of runs of earlier versions.
    pub request: Option<Request>,
    /// Its modules with how each fared: the words of the contract, or `planned` where the run ended
    /// before.
    pub results: Vec<ModuleOutcome>,
}

/// How one module fared in a past run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleOutcome {
    /// Which.
    pub module: String,
    /// How.
    pub status: String,
    /// How long it took.
    pub duration_ms: i64,
    /// Why, when it is not done.
    pub reason: Option<String>,
}

/// The newest run that `wanted` is true of.
pub fn past_run(
    directory: &Path,
    wanted: impl Fn(&RunSummary) -> bool,
) -> Result<Option<PastRun>, LedgerError> {
    let Some(summary) = history(directory, usize::MAX >> 1)?
        .into_iter()
        .find(|run| wanted(run))
    else {
        return Ok(None);
    };
    let Some(connection) = open(directory)? else {
        return Ok(None);
    };
    let read = || {
        let asked = match schema::version(&connection)? {
            0 | 1 => None,
            _ => connection.query_row(
                "SELECT request FROM runs WHERE name = ?1",
                [&summary.run_id],
                |row| row.get::<_, Option<String>>(0),
            )?,
        };
        let select = "SELECT module, results.status, duration_ms, reason FROM results JOIN runs ON run = id WHERE name = ?1 ORDER BY module";
        let outcome = |row: &Row<'_>| {
            Ok(ModuleOutcome {
                module: row.get(0)?,
                status: row.get(1)?,
                duration_ms: row.get(2)?,
                reason: row.get(3)?,
            })
        };
        let results = connection
            .prepare(select)?
            .query_map([&summary.run_id], outcome)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok((
            asked.and_then(|text| serde_json::from_str(&text).ok()),
            results,
        ))
    };
    let (request, results) = read().map_err(|error| LedgerError::Sqlite {
        path: directory.join(FILE),
        error,
    })?;
    Ok(Some(PastRun {
        summary,
        request,
        results,
    }))
}

/// The newest run of which something failed, was skipped or was never begun, and which no later run
/// did anything about; with these modules only.
pub fn unresolved(directory: &Path) -> Result<Option<PastRun>, LedgerError> {
    let Some(connection) = open(directory)? else {
        return Ok(None);
    };
    let newest = "SELECT runs.name, module FROM results JOIN runs ON run = id
        WHERE results.status IN ('failed', 'skipped', 'interrupted', 'not_started', 'planned') AND runs.action != 'test'
            AND NOT EXISTS (SELECT 1 FROM results AS later JOIN runs AS others ON later.run = others.id
                WHERE later.module = results.module AND later.run > results.run AND others.action != 'test')
        ORDER BY run DESC";
    let read = || {
        let mut select = connection.prepare(newest)?;
        select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(String, String)>>>()
    };
    let left = read().map_err(|error| LedgerError::Sqlite {
        path: directory.join(FILE),
        error,
    })?;
    let Some(name) = left.first().map(|(name, _)| name.clone()) else {
        return Ok(None);
    };
    let run = past_run(directory, |run| run.run_id == name)?;
    let left: HashSet<String> = left
        .into_iter()
        .filter(|(of, _)| *of == name)
        .map(|(_, module)| module)
        .collect();
    Ok(run.map(|mut run| {
        run.results.retain(|result| left.contains(&result.module));
        run
    }))
}

/// Opens for reading. With no log beside the file nobody is writing, and SQLite is told so: else it
/// would make files of its own.
pub(crate) fn open(directory: &Path) -> Result<Option<Connection>, LedgerError> {
    let mut path = directory.join(FILE);
    // Of a ledger that is missing or empty, its copy tells what the last run recorded.
    if salvage::is_lost(directory)? {
        path = directory.join(COPY);
    }
    let io = |error| LedgerError::Io {
        path: path.clone(),
        error,
    };
    if !path.try_exists().map_err(io)? {
        return Ok(None);
    }
    let escaped = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    let immutable = match path.with_extension("sqlite-wal").exists() {
        true => "",
        false => "&immutable=1",
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection =
            Connection::open_with_flags(format!("file:{escaped}?mode=ro{immutable}"), flags)?;
        let version = schema::version(&connection)?;
        Ok((connection, version))
    };
    let (connection, version) = open().map_err(|error| LedgerError::Sqlite {
        path: path.clone(),
        error,
    })?;
    schema::check(version, &path)?;
    Ok((version > 0).then_some(connection))
}

impl Ledger {
    /// What is installed.
    pub fn installed(&self) -> Result<Installed, LedgerError> {
        installed(&self.connection()).map_err(|error| self.sqlite(error))
    }
}

fn installed(connection: &Connection) -> rusqlite::Result<Installed> {
    let mut found = Installed::default();
    // A reader may come before the ledger was brought up to date.
    let known = match schema::version(connection)? {
        ..=1 => "'[]', '{}', '[]', 1",
        2 => "requires, removal, found, 1",
        _ => "requires, removal, found, asked",
    };
    let mut select = connection.prepare(&format!(
        "SELECT name, method, digest, source, version, installed_at, begun_at, paths, adopted, state, {known} FROM modules"
    ))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let Ok(name) = ModuleId::new(&row.get::<_, String>(0)?) else {
            continue;
        };
        let installed_at: Option<String> = row.get(5)?;
        let ever_installed = installed_at.is_some();
        let module = InstalledModule {
            method: row.get(1)?,
            digest: Digest::known(row.get(2)?),
            source: row.get(3)?,
            version: row.get(4)?,
            installed_at: installed_at.unwrap_or(row.get(6)?),
            paths: serde_json::from_str(&row.get::<_, String>(7)?).unwrap_or_default(),
            adopted: row.get(8)?,
            ever_installed,
            requires: serde_json::from_str(&row.get::<_, String>(10)?).unwrap_or_default(),
            removal: former::read(
                &row.get::<_, String>(11)?,
                name.as_str(),
                &row.get::<_, String>(3)?,
            ),
            files: Vec::new(),
            preexisting_paths: serde_json::from_str(&row.get::<_, String>(12)?).unwrap_or_default(),
            is_explicit: row.get(13)?,
        };
        match row.get::<_, String>(9)?.as_str() {
            "installed" => drop(found.modules.insert(name, module)),
            _ => drop(found.unfinished.insert(name, module)),
        }
    }
    if schema::version(connection)? > 1 {
        // In this order, or SQLite would look at every file of every module.
        let files = "SELECT module, path FROM modules CROSS JOIN files ON module = name
            WHERE kind IN ('file', 'link') AND json_extract(removal, '$.into') IS NOT NULL";
        let mut select = connection.prepare(files)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let record = found.modules.get_mut(name.as_str());
            if let Some(record) = record.or_else(|| found.unfinished.get_mut(name.as_str())) {
                record.files.push(path_of(row.get(1)?));
            }
        }
    }
    let running = "SELECT pid FROM runs WHERE status = 'running' ORDER BY id DESC LIMIT 1";
    let is_running = connection
        .query_row(running, [], |row| row.get(0))
        .optional()?
        .is_some_and(is_alive);
    let mut last = connection
        .prepare("SELECT status FROM results WHERE module = ?1 ORDER BY run DESC LIMIT 1")?;
    for name in found.unfinished.keys() {
        let status: Option<String> = last
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        // Of what was killed or is still being changed nothing is written down.
        match status.is_none_or(|status| status != "failed") {
            true if is_running => drop(found.in_progress.insert(name.clone())),
            true => drop(found.interrupted.insert(name.clone())),
            false => {}
        }
    }
    let mut select = connection.prepare("SELECT module, seconds FROM durations")?;
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?))
    })?;
    found.durations = rows.collect::<rusqlite::Result<_>>()?;
    Ok(found)
}
