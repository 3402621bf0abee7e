//! `hoist report`: a past run, from its record.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use hoist_core::Diagnostic;
use hoist_executor::{Event, EventKind, Outcome};
use hoist_ledger::{PastRun, past_run};
use hoist_reporter::{
    HtmlPage, Plain, Report, Reporter, Timeline, UnitMessage, UnitReport, Words, duration_text,
    explain, html, junit, plain_text, trace,
};
use serde_json::json;

use crate::args::{Global, ReportFormat};
use crate::commands::history::{outcome_text, run_name};
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, YELLOW, painted};
use crate::run::info::RunInfo;
use crate::ui::Output;
use crate::{json, run, session, time};

/// A past run with what its record tells.
struct Past {
    run: PastRun,
    report: Report,
    timeline: Timeline,
    /// Where its logs are.
    directory: PathBuf,
}

/// Shows one run: the last, or the one whose name starts like this.
pub(crate) fn run(
    global: &Global,
    name: Option<&str>,
    page: Option<&Path>,
    format: ReportFormat,
) -> Result<ExitStatus, CommandError> {
    let (_, _, places) = session::detect()?;
    let name = name
        .map(|prefix| run_name(&places.state, prefix))
        .transpose()?;
    let run = past_run(&places.state, |run| {
        name.as_ref().is_none_or(|name| run.run_id == *name)
    })?;
    let Some(run) = run else {
        return Err(CommandError::wrong(
            Diagnostic::error("no past runs").help("run `hoist install` first"),
        ));
    };
    let directory = places.run(&run.summary.run_id);
    let record = directory.join("events.jsonl");
    let (mut report, mut timeline) = (Report::default(), Timeline::default());
    if format == ReportFormat::Lines && record.exists() {
        let past = Past {
            run,
            report,
            timeline,
            directory,
        };
        let words = past.words();
        replay(
            &record,
            &mut Plain::new(io::stdout(), global.verbose, words),
        )?;
        return Ok(ExitStatus::Ok);
    }
    if record.exists() {
        replay(&record, &mut report)?;
        replay(&record, &mut timeline)?;
    } else if run.summary.status != "running" {
        // Nothing had to be done.
        for kind in [
            EventKind::RunStarted {
                units: Vec::new(),
                waits: Vec::new(),
            },
            EventKind::RunFinished {
                interrupted: false,
                stopped_by: None,
            },
        ] {
            let event = Event {
                elapsed: std::time::Duration::ZERO,
                kind,
            };
            report.report(&event)?;
            timeline.report(&event)?;
        }
    }
    let past = Past {
        run,
        report,
        timeline,
        directory,
    };
    if let Some(file) = page {
        std::fs::write(file, past.page()).map_err(|error| {
            CommandError::wrong(
                Diagnostic::error(format!("cannot write the file: {error}"))
                    .file(file.display().to_string()),
            )
        })?;
        render::print_note(&format!(
            "Wrote the report of {} to {}",
            past.run.summary.run_id,
            file.display()
        ));
        return Ok(ExitStatus::Ok);
    }
    let text = match (format, global.output) {
        (ReportFormat::Junit, _) => junit(
            &past.run.summary.action,
            &past.run.summary.started_at,
            &past.report,
        ),
        (ReportFormat::Trace, _) => trace(&past.timeline),
        (ReportFormat::Html, _) => past.page(),
        (_, Output::Json) => {
            json::print(&past.document())?;
            return Ok(ExitStatus::Ok);
        }
        _ => past.text(Paint::choose(global.color)),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}

/// Hands the events of a record to a view. A run that was killed may have left half a line, which
/// is its end.
fn replay(record: &Path, view: &mut dyn Reporter) -> Result<(), CommandError> {
    let wrong = |error: io::Error| {
        CommandError::wrong(Diagnostic::error(error.to_string()).file(record.display().to_string()))
    };
    let file = File::open(record).map_err(wrong)?;
    let mut units = 0;
    for line in BufReader::new(file).lines() {
        let Ok(event) = serde_json::from_str::<Event>(&line?) else {
            break;
        };
        if let EventKind::RunStarted { units: names, .. } = &event.kind {
            units = names.len();
        }
        if event.kind.unit().is_some_and(|unit| unit.index() >= units) {
            break;
        }
        view.report(&event)?;
    }
    Ok(())
}

impl Past {
    fn unit(&self, module: &str) -> Option<&UnitReport> {
        self.report.units.iter().find(|unit| unit.name == module)
    }

    /// How a module fared: of a run that was cut off, as far as its record tells.
    fn status<'a>(&self, result: &'a hoist_ledger::ModuleOutcome) -> &'a str {
        if result.status != "planned" {
            return &result.status;
        }
        match (
            self.unit(&result.module)
                .and_then(|unit| unit.outcome.as_ref()),
            self.run.summary.action.as_str(),
        ) {
            (Some(Outcome::Done { changed: false }), _) => "unchanged",
            (Some(Outcome::Done { .. }), "update") => "updated",
            (Some(Outcome::Done { .. }), "uninstall") => "removed",
            (Some(Outcome::Done { .. }), _) => "installed",
            (Some(Outcome::Skipped { .. }), _) => "skipped",
            (Some(_), _) => "failed",
            (None, _) => "interrupted",
        }
    }

    fn critical_path(&self) -> Vec<&str> {
        self.timeline
            .critical_path()
            .into_iter()
            .filter_map(|unit| Some(self.report.units.get(unit)?.name.as_str()))
            .collect()
    }

    fn page(&self) -> String {
        let summary = &self.run.summary;
        let (title, info) = (
            format!("hoist {}", summary.action),
            RunInfo::read(&self.directory),
        );
        let page = HtmlPage {
            title: &title,
            name: &summary.run_id,
            status: outcome_text(&summary.status),
            host: &info.host,
            command: &info.command,
            started_at: &time::text(&summary.started_at),
            version: env!("CARGO_PKG_VERSION"),
            counts: "",
            words: self.words(),
        };
        html(&page, &self.timeline, &self.report)
    }

    /// Words for the finished modules of the run.
    fn words(&self) -> Words {
        let action = serde_json::from_value(self.run.summary.action.as_str().into());
        action.map_or(
            Words {
                changed: "done",
                unchanged: "unchanged",
            },
            run::words,
        )
    }

    fn document(&self) -> serde_json::Value {
        let summary = &self.run.summary;
        let module = |result: &hoist_ledger::ModuleOutcome| {
            let unit = self.unit(&result.module);
            json!({
                "module": result.module, "status": self.status(result), "duration_ms": result.duration_ms, "reason": result.reason,
                "from": unit.and_then(|unit| unit.versions.as_ref()?.0.clone()), "to": unit.and_then(|unit| unit.versions.as_ref()?.1.clone()),
                "messages": unit.map(|unit| unit.messages.iter().map(json::message).collect::<Vec<_>>()).unwrap_or_default(),
                "items": unit.map(|unit| &unit.items),
            })
        };
        json!({
            "run_id": summary.run_id, "action": summary.action, "status": summary.status, "started_at": time::with_offset(&summary.started_at),
            "ended_at": summary.ended_at, "duration_ms": self.timeline.duration.as_millis() as u64, "logs": self.directory,
            "critical_path": self.critical_path(), "modules": self.run.results.iter().map(module).collect::<Vec<_>>(),
        })
    }

    fn text(&self, paint: Paint) -> String {
        let summary = &self.run.summary;
        let dim = |text: &str| painted(paint.stdout, DIM, text);
        let info = RunInfo::read(&self.directory);
        let title = format!(
            "{} {}",
            painted(paint.stdout, BOLD, &summary.action),
            summary.run_id
        );
        let mut text = format!("{title}: {}\n", outcome_text(&summary.status));
        let host = if info.host.is_empty() {
            String::new()
        } else {
            format!(" on {}", plain_text(&info.host))
        };
        text += &format!("started: {}{host}\n", time::text(&summary.started_at));
        if !info.command.is_empty() {
            text += &format!("command: {}\n", plain_text(&info.command));
        }
        let mut rows = Vec::new();
        for result in &self.run.results {
            let colour = match self.status(result) {
                "failed" => RED,
                "skipped" | "interrupted" => YELLOW,
                "unchanged" => DIM,
                _ => GREEN,
            };
            let took = match self.unit(&result.module).and_then(|unit| unit.started) {
                Some(_) => duration_text(std::time::Duration::from_millis(
                    result.duration_ms.unsigned_abs(),
                )),
                None => String::new(),
            };
            let reason = result.reason.clone().or_else(|| {
                let outcome = self.unit(&result.module)?.outcome.as_ref()?;
                explain(outcome, &self.report.names())
            });
            let status = self.status(result);
            rows.push(vec![
                painted(paint.stdout, colour, &run::summary::status_words(status)),
                result.module.clone(),
                dim(&took),
                plain_text(&reason.unwrap_or_default()),
            ]);
        }
        text += &render::table(&rows);
        for unit in &self.report.units {
            for item in &unit.items {
                let reason = item
                    .reason
                    .as_ref()
                    .map(|reason| format!(": {}", plain_text(reason)))
                    .unwrap_or_default();
                text += &format!(
                    "  {} {}: {}{reason}\n",
                    dim(&format!("{:<8}", item.item_change.as_str())),
                    unit.name,
                    plain_text(&item.subject)
                );
            }
            for UnitMessage {
                level,
                text: note,
                source,
                at: _,
            } in &unit.messages
            {
                let note = source
                    .as_ref()
                    .map_or_else(|| note.clone(), |source| format!("{source}: {note}"));
                text += &format!(
                    "  {} {}: {}\n",
                    dim(&format!("{:<8}", format!("{level:?}").to_lowercase())),
                    unit.name,
                    plain_text(&note)
                );
            }
        }
        let path = self.critical_path();
        if path.len() > 1 {
            text += &format!("critical path: {}\n", path.join(" → "));
        }
        text += &format!("duration: {}\n", duration_text(self.timeline.duration));
        if self.directory.is_dir() {
            text += &format!("logs: {}\n", self.directory.display());
        }
        text
    }
}
