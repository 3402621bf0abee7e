//! Records of runs that change nothing, such as tests: written once the run is finished, without
//! the lock.

use std::path::Path;
use std::time::Duration;

use hoist_core::Request;
use rusqlite::{Connection, OpenFlags, params};

use crate::error::LedgerError;
use crate::install::ModuleResult;
use crate::schema;
use crate::values::{FILE, now};

/// A finished run that changed nothing.
#[derive(Debug)]
pub struct FinishedRun<'a> {
    /// The name of the run.
    pub name: &'a str,
    /// What was requested.
    pub request: &'a Request,
    /// When the run started, RFC 3339.
    pub started_at: &'a str,
    /// The outcome: `ok`, `partial`, `failed` or `interrupted`.
    pub status: &'a str,
    /// The outcome of each module.
    pub results: &'a [ModuleResult<'a>],
}

/// Records a finished run. Does nothing where there is no ledger, or one of another version of
/// hoist.
///
/// # Errors
/// The ledger cannot be read or written.
pub fn record_finished(directory: &Path, run: &FinishedRun<'_>) -> Result<(), LedgerError> {
    let path = directory.join(FILE);
    if !path.exists() {
        return Ok(());
    }
    let write = || -> rusqlite::Result<()> {
        let mut connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        if schema::version(&connection)? != schema::CURRENT {
            return Ok(());
        }
        let transaction = connection.transaction()?;
        let request = serde_json::to_string(run.request).unwrap_or_default();
        let insert = "INSERT INTO runs (name, action, pid, started_at, ended_at, status, request) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = params![
            run.name,
            run.request.action.as_str(),
            std::process::id(),
            run.started_at,
            now(),
            run.status,
            request
        ];
        transaction.execute(insert, values)?;
        let id = transaction.last_insert_rowid();
        {
            let insert = "INSERT INTO results (run, module, status, duration_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5)";
            let mut insert = transaction.prepare(insert)?;
            for result in run.results {
                let milliseconds = i64::try_from(result.duration.as_millis()).unwrap_or(i64::MAX);
                insert.execute(params![
                    id,
                    result.module,
                    result.status,
                    milliseconds,
                    result.reason
                ])?;
            }
        }
        transaction.commit()
    };
    write().map_err(|error| LedgerError::Sqlite {
        path: path.clone(),
        error,
    })
}
