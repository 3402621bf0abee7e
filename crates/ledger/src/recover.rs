//! What a run that was killed left behind.

use std::path::PathBuf;

use rusqlite::{Connection, params};

use crate::{Ledger, LedgerError, json, merged, now};

/// What a run that was killed left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The names of runs that never ended.
    pub runs: Vec<String>,
    /// The modules that were being changed, by name.
    pub modules: Vec<String>,
    /// Paths they were making; stages may stand beside them.
    pub paths: Vec<PathBuf>,
}

impl Ledger {
    /// Writes down that runs which never ended were interrupted, and returns what they were doing. Only the holder of the lock may ask.
    pub fn recover(&self) -> Result<Recovered, LedgerError> {
        let read = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let mut recovered = Recovered::default();
            {
                let mut runs = transaction.prepare("SELECT name FROM runs WHERE status = 'running' ORDER BY id")?;
                recovered.runs = runs.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
                let mut begun =
                    transaction.prepare("SELECT name, planned, absent, paths FROM modules WHERE state = 'begun' ORDER BY name")?;
                let mut keep = transaction.prepare("UPDATE modules SET paths = ?2 WHERE name = ?1")?;
                let mut rows = begun.query([])?;
                while let Some(row) = rows.next()? {
                    let name: String = row.get(0)?;
                    let absent: Vec<PathBuf> = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
                    let made: Vec<PathBuf> = absent.into_iter().filter(|path| path.symlink_metadata().is_ok()).collect();
                    keep.execute(params![name, json(&merged(&row.get::<_, String>(3)?, &made))])?;
                    recovered.modules.push(name);
                    let paths: Vec<PathBuf> = serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
                    recovered.paths.extend(paths);
                }
            }
            if !recovered.runs.is_empty() || !recovered.modules.is_empty() {
                transaction.execute("UPDATE runs SET status = 'interrupted', ended_at = ?1 WHERE status = 'running'", params![now()])?;
                transaction.execute("UPDATE modules SET state = 'failed' WHERE state = 'begun'", [])?;
            }
            transaction.commit()?;
            Ok(recovered)
        };
        read(&mut self.connection()).map_err(|error| self.sqlite(error))
    }
}
