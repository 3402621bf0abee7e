//! Changes of modules that have begun and are not complete: what the ledger said of the module
//! before, and what it takes to undo what the change did so far.
//!
//! A change is in one transaction with the row of its module: it begins with [`Ledger::begin`],
//! [`Ledger::begin_removal`] or [`Ledger::begin_undo`], and is over with [`Ledger::finish`],
//! [`Ledger::fail`] and their like. A process that is killed in between leaves it, and the next one
//! rolls it back.

use std::path::PathBuf;

use hoist_core::ModuleId;
use hoist_files::Difference;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::files;
use crate::journal::{self, PriorState};
use crate::store::{Ledger, RunId};
use crate::values::json;

/// A path that was moved out of the way of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplacedPath {
    /// Module that it belongs to.
    pub module: ModuleId,
    /// Where it belongs.
    pub path: PathBuf,
    /// Where it is until the change is complete.
    pub kept: PathBuf,
    /// What happens to it once the change is complete.
    #[serde(default)]
    pub disposal: Disposal,
}

/// What happens to a displaced path once the change is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposal {
    /// It is the previous version: what the module wrote is removed, everything else is moved into
    /// the new version.
    #[default]
    Merge,
    /// It is removed with everything in it.
    Remove,
    /// It is a directory in its place, and is removed where it is empty.
    RemoveIfEmpty,
    /// It is kept: somebody had put it where the change has something else.
    Keep,
}

/// What a change records before it begins, for a rollback by a later process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rollback<'a> {
    /// Description of the files before, in a form that only the writer knows.
    pub files: &'a [u8],
    /// Paths that are moved out of the way.
    pub displaced: &'a [DisplacedPath],
    /// Whether existing files are at stake, so that the record has to survive a power failure.
    pub is_durable: bool,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is not complete, and has to be rolled back.
    Begun,
    /// It is complete but for the paths that were moved out of its way.
    Done,
}

/// A change that an interrupted run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterruptedChange {
    /// Module that was being changed.
    pub module: ModuleId,
    /// Name of the run.
    pub run: String,
    /// How far it has come.
    pub phase: Phase,
    /// Paths that were moved out of the way.
    pub displaced: Vec<DisplacedPath>,
    /// Description of the files before; empty in ledgers of earlier versions.
    pub files: Vec<u8>,
    /// What the ledger said of the module before; unknown in ledgers of earlier versions.
    pub prior: Option<PriorState>,
}

impl Ledger {
    /// Records that an undo of what a run did to a module begins.
    pub fn begin_undo(
        &self,
        run: RunId,
        module: &ModuleId,
        rollback: &Rollback<'_>,
    ) -> Result<(), LedgerError> {
        self.durably(rollback.is_durable, |connection| {
            let transaction = connection.unchecked_transaction()?;
            begin(&transaction, run, module, rollback)?;
            transaction.commit()
        })
    }

    /// Records paths that a change, which has begun, is about to move out of the way.
    pub fn displace(
        &self,
        module: &ModuleId,
        displaced: &[DisplacedPath],
    ) -> Result<(), LedgerError> {
        let update = "UPDATE changes SET displaced = ?2 WHERE module = ?1";
        self.durably(true, |connection| {
            connection
                .execute(update, params![module.as_str(), json(displaced)])
                .map(drop)
        })
    }

    /// Returns the changes that are not complete, in the order of their modules.
    pub fn pending_changes(&self) -> Result<Vec<InterruptedChange>, LedgerError> {
        let read = |connection: &Connection| -> rusqlite::Result<Vec<InterruptedChange>> {
            let select = "SELECT module, name, phase, displaced, files, prior FROM changes JOIN runs ON run = runs.id ORDER BY module";
            let mut select = connection.prepare(select)?;
            let mut rows = select.query([])?;
            let mut pending = Vec::new();
            while let Some(row) = rows.next()? {
                let Ok(module) = ModuleId::new(&row.get::<_, String>(0)?) else {
                    continue;
                };
                pending.push(InterruptedChange {
                    module,
                    run: row.get(1)?,
                    phase: if row.get::<_, String>(2)? == "done" {
                        Phase::Done
                    } else {
                        Phase::Begun
                    },
                    displaced: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
                    files: row.get(4)?,
                    prior: PriorState::from_bytes(&row.get::<_, Vec<u8>>(5)?).ok(),
                });
            }
            Ok(pending)
        };
        read(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Makes the ledger say of a module what it said before the change that was interrupted, whose
    /// files are what they were. What was not there before counts as failed: only its files are
    /// known to be gone.
    pub fn roll_back(&self, module: &ModuleId) -> Result<(), LedgerError> {
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            let select = "SELECT prior FROM changes WHERE module = ?1";
            let prior: Option<Vec<u8>> = transaction
                .query_row(select, [module.as_str()], |row| row.get(0))
                .optional()?;
            let prior = prior
                .filter(|prior| !prior.is_empty())
                .map(|prior| PriorState::from_bytes(&prior))
                .transpose()?;
            match prior.filter(PriorState::is_known) {
                Some(prior) => journal::restore(&transaction, module, &prior, None, None)?,
                None => {
                    let update = "UPDATE modules SET state = 'failed', planned = '[]', absent = '[]' WHERE name = ?1";
                    transaction.execute(update, [module.as_str()])?;
                    for table in ["configs", "edits"] {
                        transaction.execute(
                            &format!("DELETE FROM {table} WHERE module = ?1"),
                            [module.as_str()],
                        )?;
                    }
                }
            }
            transaction.execute("DELETE FROM changes WHERE module = ?1", [module.as_str()])?;
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Records that a module is neither what it was before an interrupted change nor what that was
    /// to make of it.
    pub fn abandon(&self, module: &ModuleId) -> Result<(), LedgerError> {
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            transaction.execute("DELETE FROM changes WHERE module = ?1", [module.as_str()])?;
            transaction.execute(
                "UPDATE modules SET state = 'failed' WHERE name = ?1",
                [module.as_str()],
            )?;
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Adds to what is known of a change, which is complete, what it made different in files.
    pub fn journal_pending(
        &self,
        module: &ModuleId,
        differences: &[Difference],
    ) -> Result<(), LedgerError> {
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            let select = "SELECT run, prior FROM changes WHERE module = ?1";
            let known = transaction
                .query_row(select, [module.as_str()], |row| {
                    Ok((RunId(row.get(0)?), row.get::<_, Vec<u8>>(1)?))
                })
                .optional()?;
            if let Some((run, prior)) = known.filter(|(_, prior)| !prior.is_empty()) {
                journal::write(
                    &transaction,
                    run,
                    module,
                    &PriorState::from_bytes(&prior)?,
                    differences,
                    None,
                )?;
            }
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Returns the paths of a module that are still out of the way of an earlier change.
    pub fn displaced(&self, module: &ModuleId) -> Result<Vec<DisplacedPath>, LedgerError> {
        let read = |connection: &Connection| {
            let select = "SELECT displaced FROM changes WHERE module = ?1";
            connection
                .prepare_cached(select)?
                .query_row([module.as_str()], |row| row.get::<_, String>(0))
                .optional()
        };
        let displaced = read(&self.connection()).map_err(|error| self.sqlite(error))?;
        Ok(serde_json::from_str(&displaced.unwrap_or_default()).unwrap_or_default())
    }

    /// Records that nothing is out of the way any more.
    pub fn settle(&self, module: &ModuleId) -> Result<(), LedgerError> {
        let displaced = self.displaced(module)?;
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            for DisplacedPath { kept, .. } in &displaced {
                files::forget_below(&transaction, module, kept)?;
            }
            transaction.execute("DELETE FROM changes WHERE module = ?1", [module.as_str()])?;
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Writes so that it is on the disk when this returns, where that is asked for.
    pub(crate) fn durably(
        &self,
        is_durable: bool,
        write: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), LedgerError> {
        if is_durable {
            self.sync_data()?;
        }
        let connection = self.connection();
        let both = || -> rusqlite::Result<()> {
            if !is_durable {
                return write(&connection);
            }
            connection.pragma_update(None, "synchronous", "full")?;
            let written = write(&connection);
            connection.pragma_update(None, "synchronous", "normal")?;
            written
        };
        both().map_err(|error| self.sqlite(error))
    }
}

/// Records a change that begins, with what the ledger says of its module so far.
pub(crate) fn begin(
    connection: &Connection,
    run: RunId,
    module: &ModuleId,
    rollback: &Rollback<'_>,
) -> rusqlite::Result<()> {
    // An undo of what is moved out of the way has to know what the module had written, also where
    // this process does not live to say so.
    let prior = if rollback.displaced.is_empty() {
        journal::prior(connection, module)?
    } else {
        journal::memento(connection, module)?
    };
    let prior = prior.to_bytes()?;
    let insert = "INSERT OR REPLACE INTO changes (module, run, phase, prior, displaced, files) VALUES (?1, ?2, 'begun', ?3, ?4, ?5)";
    let values = params![
        module.as_str(),
        run.0,
        prior,
        json(rollback.displaced),
        rollback.files
    ];
    connection.prepare_cached(insert)?.execute(values).map(drop)
}

/// Adds to what is seen to once a change is complete.
pub(crate) fn displace_more(
    connection: &Connection,
    module: &ModuleId,
    more: impl Iterator<Item = DisplacedPath>,
) -> rusqlite::Result<()> {
    let mut more = more.peekable();
    if more.peek().is_none() {
        return Ok(());
    }
    let known: String = connection.query_row(
        "SELECT displaced FROM changes WHERE module = ?1",
        [module.as_str()],
        |row| row.get(0),
    )?;
    let mut displaced: Vec<DisplacedPath> = serde_json::from_str(&known).unwrap_or_default();
    displaced.extend(more);
    let update = "UPDATE changes SET displaced = ?2 WHERE module = ?1";
    connection
        .execute(update, params![module.as_str(), json(&displaced)])
        .map(drop)
}

/// Records that a change is complete; what was moved out of its way is still to be seen to.
pub(crate) fn complete(connection: &Connection, module: &ModuleId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM changes WHERE module = ?1 AND displaced = '[]'")?
        .execute([module.as_str()])?;
    connection
        .prepare_cached("UPDATE changes SET phase = 'done' WHERE module = ?1")?
        .execute([module.as_str()])
        .map(drop)
}

/// Records that a change is over, and left nothing out of the way.
pub(crate) fn end(connection: &Connection, module: &ModuleId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM changes WHERE module = ?1")?
        .execute([module.as_str()])
        .map(drop)
}
