//! `hoist history`.

use std::io::Write;

use hoist_ledger::RunSummary;

use crate::args::{Global, Output};
use crate::error::{Code, Ending};
use crate::json;
use crate::render;
use crate::session;

/// Past runs, the newest first.
pub(crate) fn run(global: &Global, limit: usize) -> Result<Code, Ending> {
    let (_, _, places) = session::surroundings()?;
    let runs = hoist_ledger::history(&places.state, limit)?;
    if global.output == Output::Json {
        json::print(&serde_json::to_value(&runs)?)?;
        return Ok(Code::Ok);
    }
    let started = |time: &str| time.get(..19).unwrap_or(time).replace('T', " ");
    let row = |run: RunSummary| {
        let undone = run.undone.map(|by| format!("undone by {by}")).unwrap_or_default();
        vec![started(&run.started_at), run.action, run.status, run.run_id, undone]
    };
    let rows: Vec<Vec<String>> = runs.into_iter().map(row).collect();
    let text = if rows.is_empty() { "No runs yet.\n".to_owned() } else { render::table(&rows) };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Code::Ok)
}
