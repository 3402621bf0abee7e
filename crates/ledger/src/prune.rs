//! Forgetting past runs.

use rusqlite::{Connection, OptionalExtension};

use crate::error::LedgerError;
use crate::store::Ledger;

/// What is left to be done of a module, as long as no later run did anything about it. Tests leave
/// nothing to be done.
const LEFT: &str =
    "results.status IN ('failed', 'skipped', 'interrupted', 'not_started', 'planned')
    AND results.run NOT IN (SELECT id FROM runs WHERE action = 'test')";

impl Ledger {
    /// Forgets all but the newest runs, those among the others that can be undone, and those of
    /// which something is left to be done. As many of those that changed something can be undone.
    pub fn prune(&self, keep: usize) -> Result<(), LedgerError> {
        let connection = self.connection();
        let write = || -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            prune(&transaction, i64::try_from(keep.max(1)).unwrap_or(i64::MAX))?;
            transaction.commit()
        };
        write().map_err(|error| self.sqlite(error))
    }
}

fn prune(connection: &Connection, keep: i64) -> rusqlite::Result<()> {
    let undoable =
        "SELECT run FROM (SELECT DISTINCT run FROM mementos) ORDER BY run DESC LIMIT 1 OFFSET ?1";
    if let Some(oldest) = connection
        .query_row(undoable, [keep - 1], |row| row.get::<_, i64>(0))
        .optional()?
    {
        for table in ["journal", "mementos"] {
            connection.execute(&format!("DELETE FROM {table} WHERE run < ?1"), [oldest])?;
        }
    }
    let newest = "SELECT id FROM runs WHERE status != 'pruned' ORDER BY id DESC LIMIT 1 OFFSET ?1";
    let Some(oldest) = connection
        .query_row(newest, [keep - 1], |row| row.get::<_, i64>(0))
        .optional()?
    else {
        return Ok(());
    };
    // First what a later run did something about: that run may go now.
    let superseded = format!(
        "DELETE FROM results WHERE run < ?1 AND {LEFT}
            AND EXISTS (SELECT 1 FROM results AS later JOIN runs AS others ON later.run = others.id
                WHERE later.module = results.module AND later.run > results.run AND others.action != 'test')"
    );
    connection.execute(&superseded, [oldest])?;
    let old = format!(
        "SELECT id FROM runs WHERE id < ?1 AND status NOT IN ('running', 'pruned')
            AND id NOT IN (SELECT run FROM mementos) AND id NOT IN (SELECT run FROM results WHERE {LEFT})"
    );
    // What is installed, or being changed, names the run that did it.
    let named = "SELECT run FROM modules UNION SELECT run FROM changes";
    connection.execute(
        &format!("DELETE FROM results WHERE run IN ({old})"),
        [oldest],
    )?;
    connection.execute(
        &format!("DELETE FROM runs WHERE id IN ({old}) AND id NOT IN ({named})"),
        [oldest],
    )?;
    connection.execute(
        &format!("UPDATE runs SET status = 'pruned', request = NULL WHERE id IN ({old})"),
        [oldest],
    )?;
    let unnamed = format!("DELETE FROM runs WHERE status = 'pruned' AND id NOT IN ({named})");
    connection.execute(&unnamed, []).map(drop)
}
