//! Taking a module off the books.

use std::path::PathBuf;

use hoist_core::ModuleId;
use hoist_files::Difference;
use rusqlite::{Connection, params};

use crate::changes::{DisplacedPath, Disposal, Rollback};
use crate::error::LedgerError;
use crate::journal::PriorState;
use crate::store::{Ledger, RunId};
use crate::values::now;
use crate::{changes, files, journal};

impl Ledger {
    /// Writes down that a module is about to be removed. Until [`Ledger::finish_removal`] it counts
    /// as unfinished.
    pub fn begin_removal(
        &self,
        run: RunId,
        module: &ModuleId,
        rollback: &Rollback<'_>,
    ) -> Result<(), LedgerError> {
        let update =
            "UPDATE modules SET state = 'removing', run = ?2, begun_at = ?3 WHERE name = ?1";
        self.durably(rollback.is_durable, |connection| {
            let transaction = connection.unchecked_transaction()?;
            changes::begin(&transaction, run, module, rollback)?;
            transaction.execute(update, params![module.as_str(), run.0, now()])?;
            transaction.commit()
        })
    }

    /// Forgets a module and what it wrote. Returns the directories that it made and in which no
    /// other module has anything: they go once nothing is in them.
    ///
    /// Records what the removal made different in files, in the same transaction. It is over with
    /// [`Ledger::settle`], once those directories and what was moved out of the way are removed.
    pub fn finish_removal(
        &self,
        run: RunId,
        module: &ModuleId,
        was: &PriorState,
        differences: &[Difference],
    ) -> Result<Vec<PathBuf>, LedgerError> {
        self.is_ahead();
        let write = |connection: &Connection| -> rusqlite::Result<Vec<PathBuf>> {
            let transaction = connection.unchecked_transaction()?;
            let left = files::pass_on_directories(&transaction, module)?;
            for forget in [
                "DELETE FROM modules WHERE name = ?1",
                "DELETE FROM files WHERE module = ?1",
                "DELETE FROM configs WHERE module = ?1",
                "DELETE FROM edits WHERE module = ?1",
                "DELETE FROM durations WHERE module = ?1",
            ] {
                transaction.execute(forget, [module.as_str()])?;
            }
            journal::write(&transaction, run, module, was, differences, None)?;
            let directories = left.iter().map(|path| DisplacedPath {
                module: module.clone(),
                path: path.clone(),
                kept: path.clone(),
                disposal: Disposal::RemoveIfEmpty,
            });
            changes::displace_more(&transaction, module, directories)?;
            changes::complete(&transaction, module)?;
            transaction.commit()?;
            Ok(left)
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Writes down that removing a module failed: what of it is there is still known. Where all of
    /// it is (`intact`), it is installed as before.
    pub fn fail_removal(&self, module: &ModuleId, intact: bool) -> Result<(), LedgerError> {
        let update = "UPDATE modules SET state = ?2 WHERE name = ?1 AND state = 'removing'";
        let state = if intact { "installed" } else { "failed" };
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            transaction.execute(update, [module.as_str(), state])?;
            changes::end(&transaction, module)?;
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }
}
