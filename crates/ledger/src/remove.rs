//! Taking a module off the books.

use std::path::PathBuf;

use hoist_core::ModuleId;
use rusqlite::{Connection, params};

use crate::{Ledger, LedgerError, RunId, files, json, now};

impl Ledger {
    /// Writes down that a module is about to be removed, and beside which paths stages may stand. Until [`Ledger::finish_removal`] it counts as
    /// unfinished.
    pub fn begin_removal(&self, run: RunId, module: &ModuleId, stages: &[PathBuf]) -> Result<(), LedgerError> {
        let update = "UPDATE modules SET state = 'removing', run = ?2, begun_at = ?3, planned = ?4 WHERE name = ?1";
        self.connection().execute(update, params![module.as_str(), run.0, now(), json(stages)]).map_err(|error| self.sqlite(error))?;
        Ok(())
    }

    /// Forgets a module and what it wrote. Returns the directories that it made and in which no other module has anything: they go once nothing is
    /// in them.
    pub fn finish_removal(&self, module: &ModuleId) -> Result<Vec<PathBuf>, LedgerError> {
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
            transaction.commit()?;
            Ok(left)
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Writes down that a module whose removal was cut off is as it was.
    pub fn reinstate(&self, module: &ModuleId) -> Result<(), LedgerError> {
        let update = "UPDATE modules SET state = 'installed', planned = '[]' WHERE name = ?1 AND installed_at IS NOT NULL";
        self.connection().execute(update, [module.as_str()]).map(drop).map_err(|error| self.sqlite(error))
    }

    /// Writes down that removing a module failed: what of it is there is still known. Where all of it is (`intact`), it is installed as before.
    pub fn fail_removal(&self, module: &ModuleId, intact: bool) -> Result<(), LedgerError> {
        let update = "UPDATE modules SET state = ?2 WHERE name = ?1 AND state = 'removing'";
        let state = if intact { "installed" } else { "failed" };
        self.connection().execute(update, [module.as_str(), state]).map_err(|error| self.sqlite(error))?;
        Ok(())
    }
}
