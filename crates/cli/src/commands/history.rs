//! `hoist history`.

use std::io::Write;
use std::path::Path;

use hoist_core::Diagnostic;
use hoist_ledger::RunSummary;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::json;
use crate::render::{self, DIM, Paint, painted};
use crate::ui::Output;
use crate::{session, time};

/// The outcome of a run in words.
pub(crate) fn outcome_text(status: &str) -> &str {
    match status {
        "ok" => "succeeded",
        "partial" => "completed with failures",
        status => status,
    }
}

/// Returns the name of the run with this name, or of the only run whose name starts with it.
///
/// # Errors
/// There is none, or there are several.
pub(crate) fn run_name(state: &Path, prefix: &str) -> Result<String, CommandError> {
    const MAX_LISTED: usize = 5;
    let names: Vec<String> = hoist_ledger::history(state, usize::MAX >> 1)?
        .into_iter()
        .map(|run| run.run_id)
        .collect();
    let found: Vec<&String> = match names.iter().find(|name| *name == prefix) {
        Some(exact) => vec![exact],
        None => names
            .iter()
            .filter(|name| name.starts_with(prefix))
            .collect(),
    };
    match found[..] {
        [only] => Ok(only.clone()),
        [] => {
            let error = Diagnostic::error(format!("unknown run `{}`", prefix.escape_debug()));
            Err(CommandError::wrong(
                error.help("run `hoist history` to list past runs"),
            ))
        }
        _ => {
            let error = Diagnostic::error(format!(
                "{} runs start with `{}`",
                found.len(),
                prefix.escape_debug()
            ));
            let listed: Vec<&str> = found
                .iter()
                .take(MAX_LISTED)
                .map(|name| name.as_str())
                .collect();
            let more = if found.len() > MAX_LISTED {
                ", …"
            } else {
                ""
            };
            Err(CommandError::wrong(error.help(format!(
                "use a longer prefix: {}{more}",
                listed.join(", ")
            ))))
        }
    }
}

/// Past runs, the newest first.
pub(crate) fn run(global: &Global, limit: u32) -> Result<ExitStatus, CommandError> {
    let (_, _, places) = session::detect()?;
    let runs = hoist_ledger::history(&places.state, limit as usize)?;
    if global.output == Output::Json {
        let local = |run: RunSummary| RunSummary {
            started_at: time::with_offset(&run.started_at),
            ended_at: run.ended_at.as_deref().map(time::with_offset),
            ..run
        };
        json::print(&serde_json::to_value(
            runs.into_iter().map(local).collect::<Vec<_>>(),
        )?)?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color).stdout;
    let row = |run: RunSummary| {
        let outcome = outcome_text(&run.status);
        let (status, undone) = match run.undone {
            Some(by) => (
                format!("{outcome}, undone"),
                painted(paint, DIM, &format!("undone by {by}")),
            ),
            None => (outcome.to_owned(), String::new()),
        };
        vec![
            time::text(&run.started_at),
            run.action,
            status,
            run.run_id,
            undone,
        ]
    };
    let rows: Vec<Vec<String>> = runs.into_iter().map(row).collect();
    let text = match rows.is_empty() {
        true => "No runs yet.\n".to_owned(),
        false => render::titled_table(&["STARTED", "COMMAND", "STATUS", "RUN", ""], rows, paint),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}
