//! What a run that was killed left behind.

use std::path::PathBuf;

use hoist_core::{Action, Request, Selection};
use rusqlite::{Connection, params};

use crate::error::LedgerError;
use crate::store::Ledger;
use crate::values::{json, merged, now};

/// What a run that was killed left behind, besides the [changes](Ledger::pending_changes) that it
/// did not complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The names of runs that never ended.
    pub runs: Vec<String>,
    /// The names of those that they were taking back.
    pub undoing: Vec<String>,
    /// Directories of temporary files.
    pub scratch: Vec<PathBuf>,
}

impl Ledger {
    /// Writes down that runs which never ended were interrupted, and returns what they were doing.
    /// Only the holder of the lock may ask.
    pub fn recover(&self) -> Result<Recovered, LedgerError> {
        let read = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let mut recovered = Recovered::default();
            {
                let mut runs = transaction.prepare(
                    "SELECT name, scratch, request FROM runs WHERE status = 'running' ORDER BY id",
                )?;
                let mut rows = runs.query([])?;
                while let Some(row) = rows.next()? {
                    recovered.runs.push(row.get(0)?);
                    recovered
                        .scratch
                        .extend(row.get::<_, Option<String>>(1)?.map(PathBuf::from));
                    let request = row
                        .get::<_, Option<String>>(2)?
                        .and_then(|request| serde_json::from_str::<Request>(&request).ok());
                    if let Some(Request {
                        action: Action::Undo,
                        selection: Selection::Names(names),
                        ..
                    }) = request
                    {
                        recovered.undoing.extend(names);
                    }
                }
                // Versions that recorded no changes wrote down which paths were not there.
                let begun = "SELECT name, absent, paths FROM modules
                    WHERE state IN ('begun', 'removing') AND name NOT IN (SELECT module FROM changes)";
                let mut begun = transaction.prepare(begun)?;
                let mut keep = transaction
                    .prepare("UPDATE modules SET state = 'failed', paths = ?2 WHERE name = ?1")?;
                let mut rows = begun.query([])?;
                while let Some(row) = rows.next()? {
                    let absent: Vec<PathBuf> =
                        serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
                    let made: Vec<PathBuf> = absent
                        .into_iter()
                        .filter(|path| path.symlink_metadata().is_ok())
                        .collect();
                    keep.execute(params![
                        row.get::<_, String>(0)?,
                        json(&merged(&row.get::<_, String>(2)?, &made))
                    ])?;
                }
            }
            transaction.execute(
                "UPDATE runs SET status = 'interrupted', ended_at = ?1 WHERE status = 'running'",
                params![now()],
            )?;
            transaction.commit()?;
            Ok(recovered)
        };
        read(&mut self.connection()).map_err(|error| self.sqlite(error))
    }
}
