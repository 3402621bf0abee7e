//! Installs and updates: what is written down before and after each.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hoist_core::{Digest, InstalledModule, ModuleId, Request, Resource, UninstallSpec};
use hoist_files::{Difference, Record};
use rusqlite::{Connection, OptionalExtension, params};

use crate::changes::{self, DisplacedPath, Disposal, Rollback};
use crate::error::LedgerError;
use crate::journal::{self, Edit, PriorState};
use crate::store::{Ledger, RunId};
use crate::values::{json, merged, now};
use crate::{files, former};

/// What is written down before a module is changed.
#[derive(Debug, Clone)]
pub struct PendingChange<'a> {
    /// The module.
    pub module: &'a ModuleId,
    /// The way it is installed.
    pub method: &'a str,
    /// The digest of its manifest.
    pub digest: &'a Digest,
    /// Where the manifest came from.
    pub source: &'a str,
    /// What it needs.
    pub requires: &'a [ModuleId],
    /// What its manifest says of its removal.
    pub removal: &'a UninstallSpec,
    /// Paths that the change may make; stages stand beside them.
    pub paths: &'a [PathBuf],
    /// Those of them that are not there yet: what is there later was made.
    pub absent: &'a [PathBuf],
    /// Paths it names that are there already, and are not the module's unless an earlier change
    /// made them.
    pub found: &'a [PathBuf],
    /// What it takes to roll the change back.
    pub rollback: Rollback<'a>,
    /// True when somebody asked for it; one that was asked for once stays so.
    pub asked: bool,
}

static NOTHING: LazyLock<UninstallSpec> = LazyLock::new(UninstallSpec::default);

impl<'a> PendingChange<'a> {
    /// A change that somebody asked for, which needs nothing and makes no paths.
    pub fn new(module: &'a ModuleId, method: &'a str, digest: &'a Digest, source: &'a str) -> Self {
        Self {
            module,
            method,
            digest,
            source,
            requires: &[],
            removal: &NOTHING,
            paths: &[],
            absent: &[],
            found: &[],
            rollback: Rollback::default(),
            asked: true,
        }
    }
}

/// What is written down after a module was changed, or found to be as it should (`adopted`).
#[derive(Debug, Clone, Default)]
pub struct CompletedChange {
    /// What the method could tell of the version.
    pub version: Option<String>,
    /// The paths that were made.
    pub paths: Vec<PathBuf>,
    /// True when it was there before hoist came.
    pub adopted: bool,
    /// What was written, where that is known.
    pub record: Option<Record>,
    /// What the run did to it, where that is written down: what the ledger said before, and what is
    /// different.
    pub journal: Option<(RunId, PriorState, Vec<Difference>)>,
    /// Files of others that it has changed, where that is different now.
    pub edits: Option<Vec<Edit>>,
    /// Directories with what the new version has replaced, which are removed now.
    pub trash: Vec<PathBuf>,
    /// Packages that came with its own.
    pub resources: Vec<Resource>,
    /// What it is now, where it takes the place of what was installed from another source: paths
    /// that earlier installs made are forgotten.
    pub became: Option<InstalledModule>,
}

fn become_another(
    connection: &Connection,
    module: &ModuleId,
    now: &InstalledModule,
) -> rusqlite::Result<()> {
    let update = "UPDATE modules SET method = ?2, digest = ?3, source = ?4, requires = ?5, removal = ?6 WHERE name = ?1";
    let InstalledModule {
        method,
        digest,
        source,
        requires,
        removal,
        ..
    } = now;
    connection
        .execute(
            update,
            params![
                module.as_str(),
                method,
                digest.as_str(),
                source,
                json(requires),
                json(removal)
            ],
        )
        .map(drop)
}

/// How one module fared in a run.
#[derive(Debug, Clone)]
pub struct ModuleResult<'a> {
    /// The module.
    pub module: &'a str,
    /// The word of the contract: `installed`, `failed` …
    pub status: &'a str,
    /// How long it took.
    pub duration: std::time::Duration,
    /// Why, when it is not done.
    pub reason: Option<&'a str>,
}

impl Ledger {
    /// Writes down that a run starts: what was asked, the modules it will change, and the directory
    /// of its temporary files.
    pub fn begin_run(
        &self,
        name: &str,
        request: &Request,
        modules: &[&str],
        scratch: &Path,
    ) -> Result<RunId, LedgerError> {
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let insert = "INSERT INTO runs (name, action, pid, started_at, status, request, scratch) VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?6)";
            let asked = serde_json::to_string(request).unwrap_or_default();
            let values = params![
                name,
                request.action.as_str(),
                std::process::id(),
                now(),
                asked,
                scratch.display().to_string()
            ];
            transaction.execute(insert, values)?;
            let run = transaction.last_insert_rowid();
            {
                let mut insert =
                    transaction.prepare("INSERT INTO results (run, module, status, duration_ms) VALUES (?1, ?2, 'planned', 0)")?;
                modules
                    .iter()
                    .try_for_each(|module| insert.execute(params![run, module]).map(drop))?;
            }
            transaction.commit()?;
            Ok(RunId(run))
        };
        write(&mut self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Writes down that a module is about to be changed. Until [`Ledger::finish`] or
    /// [`Ledger::fail`] it does not count as installed.
    pub fn begin(&self, run: RunId, beginning: &PendingChange<'_>) -> Result<(), LedgerError> {
        self.durably(beginning.rollback.is_durable, |connection| {
            let transaction = connection.unchecked_transaction()?;
            begin(&transaction, run, beginning)?;
            transaction.commit()
        })
    }

    /// Writes down that a module is installed. Paths that earlier installs made stay known.
    pub fn finish(&self, module: &ModuleId, ending: &CompletedChange) -> Result<(), LedgerError> {
        self.is_ahead();
        self.durably(false, |connection| {
            let transaction = connection.unchecked_transaction()?;
            finish(&transaction, module, ending)?;
            transaction.commit()
        })
    }

    /// Records that a module was found installed, in this version. `adopted` says that hoist had
    /// not brought it.
    pub fn adopt(
        &self,
        run: RunId,
        beginning: &PendingChange<'_>,
        version: Option<&str>,
        adopted: bool,
    ) -> Result<(), LedgerError> {
        self.durably(false, |connection| {
            let transaction = connection.unchecked_transaction()?;
            let prior = journal::memento(&transaction, beginning.module)?;
            begin(&transaction, run, beginning)?;
            let journal = (!prior.is_installed()).then(|| (run, prior, Vec::new()));
            finish(
                &transaction,
                beginning.module,
                &CompletedChange {
                    adopted,
                    version: version.map(str::to_owned),
                    journal,
                    ..CompletedChange::default()
                },
            )?;
            transaction.commit()
        })
    }

    /// Writes down that changing a module failed, and the paths it made all the same. Where
    /// `before` is given, it is as it was before: still installed, from the manifest that it was
    /// installed from then. The next run rolls the change back where that `is_pending` still.
    pub fn fail(
        &self,
        module: &ModuleId,
        paths: &[PathBuf],
        record: Option<&Record>,
        before: Option<&InstalledModule>,
        is_pending: bool,
    ) -> Result<(), LedgerError> {
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            let known: String = transaction.query_row(
                "SELECT paths FROM modules WHERE name = ?1",
                [module.as_str()],
                |row| row.get(0),
            )?;
            let update = "UPDATE modules SET state = 'failed', paths = ?2, planned = '[]', absent = '[]' WHERE name = ?1";
            transaction.execute(
                update,
                params![module.as_str(), json(&merged(&known, paths))],
            )?;
            if let Some(before) = before {
                become_another(&transaction, module, before)?;
                transaction.execute(
                    "UPDATE modules SET state = 'installed' WHERE name = ?1",
                    [module.as_str()],
                )?;
            }
            if let Some(record) = record {
                files::store(&transaction, module, record)?;
            }
            if !is_pending {
                changes::end(&transaction, module)?;
            }
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Writes down that somebody asked for these modules, which had only come because others needed
    /// them.
    pub fn ask(&self, modules: &[&ModuleId]) -> Result<(), LedgerError> {
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let mut update = connection.prepare("UPDATE modules SET asked = 1 WHERE name = ?1")?;
            modules
                .iter()
                .try_for_each(|module| update.execute([module.as_str()]).map(drop))
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Writes down what a module is known to have written.
    pub fn put_record(&self, module: &ModuleId, record: &Record) -> Result<(), LedgerError> {
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            files::store(&transaction, module, record)?;
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Writes down how a run ended and how each module fared, and learns how long things take: half
    /// the past, half the new.
    pub fn end_run(
        &self,
        run: RunId,
        status: &str,
        results: &[ModuleResult<'_>],
    ) -> Result<(), LedgerError> {
        self.sync_data()?;
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "UPDATE runs SET status = ?2, ended_at = ?3 WHERE id = ?1",
                params![run.0, status, now()],
            )?;
            {
                let mut insert = transaction
                    .prepare("INSERT OR REPLACE INTO results (run, module, status, duration_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5)")?;
                let mut learn = transaction.prepare(
                    "INSERT INTO durations (module, seconds) VALUES (?1, ?2) ON CONFLICT (module) DO UPDATE SET seconds = (seconds + ?2) / 2",
                )?;
                for result in results {
                    let milliseconds =
                        i64::try_from(result.duration.as_millis()).unwrap_or(i64::MAX);
                    insert.execute(params![
                        run.0,
                        result.module,
                        result.status,
                        milliseconds,
                        result.reason
                    ])?;
                    if result.status == "installed" {
                        learn.execute(params![result.module, result.duration.as_secs_f64()])?;
                    }
                }
            }
            transaction.commit()
        };
        write(&mut self.connection()).map_err(|error| self.sqlite(error))
    }
}

fn begin(
    connection: &Connection,
    run: RunId,
    beginning: &PendingChange<'_>,
) -> rusqlite::Result<()> {
    let PendingChange {
        module,
        method,
        digest,
        source,
        requires,
        removal,
        paths,
        absent,
        found,
        rollback,
        asked,
    } = beginning;
    changes::begin(connection, run, module, rollback)?;
    let known = "SELECT paths, found FROM modules WHERE name = ?1";
    let known: Option<(String, String)> = connection
        .prepare_cached(known)?
        .query_row([module.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (made, known) = known.unwrap_or_default();
    let mut found = merged(&known, found);
    // What an earlier attempt made is not somebody else's because it is there at this one.
    let made = merged(&made, &[]);
    found.retain(|path| !made.contains(path));
    let values = params![
        module.as_str(),
        method,
        digest.as_str(),
        source,
        run.0,
        now(),
        json(paths),
        json(absent),
        json(requires),
        json(removal),
        json(&found),
        asked,
    ];
    let upsert = "INSERT INTO modules (name, state, method, digest, source, run, begun_at, planned, absent, requires, removal, found, asked)
        VALUES (?1, 'begun', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT (name) DO UPDATE SET state = 'begun', method = ?2, digest = ?3, source = ?4, run = ?5, begun_at = ?6, planned = ?7, absent = ?8,
            requires = ?9, removal = ?10, found = ?11, asked = max(asked, ?12)";
    connection.prepare_cached(upsert)?.execute(values).map(drop)
}

fn finish(
    connection: &Connection,
    module: &ModuleId,
    ending: &CompletedChange,
) -> rusqlite::Result<()> {
    let known = "SELECT paths, adopted, installed_at, version FROM modules WHERE name = ?1";
    let known = connection
        .prepare_cached(known)?
        .query_row([module.as_str()], |row| {
            let paths: String = row.get(0)?;
            Ok((
                paths,
                row.get::<_, bool>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, Option<String>>(3)?,
            ))
        })?;
    let (known_paths, was_adopted, installed_at, version) = known;
    let paths = merged(
        if ending.became.is_some() {
            "[]"
        } else {
            &known_paths
        },
        &ending.paths,
    );
    // What hoist installed once stays its own, though it was found as it should be this time.
    let own = installed_at.is_some() && !was_adopted;
    // What an attempt that failed had made was not there before hoist.
    let adopted = ending.adopted && (was_adopted || paths.is_empty()) && !own;
    let installed_at = installed_at.filter(|_| ending.adopted).unwrap_or_else(now);
    let version = ending.version.as_ref().or(version.as_ref());
    let values = params![
        module.as_str(),
        version,
        json(&paths),
        adopted,
        installed_at
    ];
    let update = "UPDATE modules SET state = 'installed', version = ?2, paths = ?3, adopted = ?4, installed_at = ?5,
        planned = '[]', absent = '[]' WHERE name = ?1";
    connection.prepare_cached(update)?.execute(values)?;
    if let Some(became) = &ending.became {
        become_another(connection, module, became)?;
    }
    if !ending.resources.is_empty() {
        let (removal, source): (String, String) = connection.query_row(
            "SELECT removal, source FROM modules WHERE name = ?1",
            [module.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut removal = former::read(&removal, module.as_str(), &source);
        for resource in &ending.resources {
            if !removal.resources.contains(resource) {
                removal.resources.push(resource.clone());
            }
        }
        connection.execute(
            "UPDATE modules SET removal = ?2 WHERE name = ?1",
            params![module.as_str(), json(&removal)],
        )?;
    }
    if let Some(record) = &ending.record {
        files::store(connection, module, record)?;
    }
    if let Some((run, was, differences)) = &ending.journal {
        journal::write(
            connection,
            *run,
            module,
            was,
            differences,
            ending.record.as_ref(),
        )?;
    }
    if let Some(edits) = &ending.edits {
        journal::put_edits(connection, module, edits)?;
    }
    let trash = ending.trash.iter().map(|path| DisplacedPath {
        module: module.clone(),
        path: path.clone(),
        kept: path.clone(),
        disposal: Disposal::Remove,
    });
    changes::displace_more(connection, module, trash)?;
    changes::complete(connection, module)
}
