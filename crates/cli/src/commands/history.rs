//! `hoist history`.

use std::io::Write;

use hoist_ledger::RunSummary;

use crate::args::{Global, Output};
use crate::error::{Code, Ending};
use crate::json;
use crate::render::{self, DIM, Paint, painted};
use crate::{session, time};

/// Past runs, the newest first.
pub(crate) fn run(global: &Global, limit: usize) -> Result<Code, Ending> {
    let (_, _, places) = session::surroundings()?;
    let runs = hoist_ledger::history(&places.state, limit)?;
    if global.output == Output::Json {
        let local = |run: RunSummary| RunSummary {
            started_at: time::with_offset(&run.started_at),
            ended_at: run.ended_at.as_deref().map(time::with_offset),
            ..run
        };
        json::print(&serde_json::to_value(runs.into_iter().map(local).collect::<Vec<_>>())?)?;
        return Ok(Code::Ok);
    }
    let paint = Paint::choose(global.color).stdout;
    let row = |run: RunSummary| {
        let (status, undone) = match run.undone {
            Some(by) => (format!("{}, undone", run.status), painted(paint, DIM, &format!("undone by {by}"))),
            None => (run.status, String::new()),
        };
        vec![time::text(&run.started_at), run.action, status, run.run_id, undone]
    };
    let rows: Vec<Vec<String>> = runs.into_iter().map(row).collect();
    let text = match rows.is_empty() {
        true => "No runs yet.\n".to_owned(),
        false => render::titled_table(&["STARTED", "COMMAND", "STATUS", "RUN", ""], rows, paint),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Code::Ok)
}
