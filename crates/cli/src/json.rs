//! What programs see: JSON Lines of a run, and JSON documents.

use std::collections::BTreeMap;
use std::io::{self, Write};

use hoist_core::{Action, Change, Diagnostic, Plan, escaped_json, redact_urls};
use hoist_executor::{Event, EventKind, Level, Outcome, SkipReason, Stream};
use hoist_reporter::{Reporter, UnitMessage, explain};
use serde_json::{Value, json};

use crate::time;

/// One JSON document on standard output.
pub(crate) fn print(document: &Value) -> io::Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    writeln!(io::stdout().lock(), "{}", escaped_json(&redact_urls(&text)))
}

/// Diagnostics as a document, for commands that could not answer.
pub(crate) fn print_diagnostics(diagnostics: &[Diagnostic]) {
    let _ = print(&json!({ "diagnostics": diagnostics }));
}

/// A message of a module.
pub(crate) fn message(message: &UnitMessage) -> Value {
    let level = match message.level {
        Level::Info => "info",
        Level::Success => "success",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    // Of what is not said by hoist, also who says it.
    let mut told =
        json!({ "level": level, "text": message.text, "at_ms": message.at.as_millis() as u64 });
    if let Some(source) = &message.source {
        told["source"] = json!(source);
    }
    told
}

/// The word of a module's end.
pub(crate) fn status(outcome: &Outcome, action: Action, change: Change) -> &'static str {
    match (outcome, action) {
        (Outcome::Done { changed: true }, Action::Test) => "passed",
        (Outcome::Done { .. }, Action::Test) => "unverified",
        (Outcome::Done { changed: false }, Action::Uninstall | Action::Undo) => "forgotten",
        (Outcome::Done { .. }, Action::Undo) if change == Change::Update => "updated",
        (Outcome::Done { .. }, Action::Undo) if change == Change::Install => "installed",
        (Outcome::Done { .. }, Action::Uninstall | Action::Undo) => "removed",
        (Outcome::Done { changed: false }, _) => "unchanged",
        (Outcome::Done { .. }, Action::Deploy) if change == Change::Deploy => "deployed",
        (Outcome::Done { .. }, Action::Undeploy) => "undeployed",
        (Outcome::Done { .. }, Action::Update)
            if matches!(change, Change::Update | Change::Repair) =>
        {
            "updated"
        }
        (Outcome::Done { .. }, _) => "installed",
        (Outcome::Cancelled, _) => "interrupted",
        (
            Outcome::Skipped {
                because: SkipReason::Cancelled | SkipReason::Declined(_),
            },
            _,
        ) => "not_started",
        (Outcome::Skipped { .. }, _) => "skipped",
        _ => "failed",
    }
}

/// Writes the events of a run as lines of JSON.
pub(crate) struct Lines<'a> {
    pub(crate) plan: &'a Plan,
    /// For each unit the place of its module in the plan.
    pub(crate) modules: &'a [Option<usize>],
    pub(crate) run: &'a str,
    pub(crate) verbose: bool,
    pub(crate) names: Vec<String>,
    pub(crate) messages: BTreeMap<usize, Vec<Value>>,
    pub(crate) items: BTreeMap<usize, Vec<Value>>,
    pub(crate) versions: BTreeMap<usize, (Option<String>, Option<String>)>,
    pub(crate) started: BTreeMap<usize, std::time::Duration>,
}

impl Lines<'_> {
    fn line(&self, mut line: Value) -> io::Result<()> {
        line["at"] = time::now().into();
        let text = serde_json::to_string(&line)?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", escaped_json(&redact_urls(&text)))?;
        stdout.flush()
    }

    /// The first line, and one for each module that stays as it is.
    pub(crate) fn start(&self) -> io::Result<()> {
        let modules: Vec<&str> = self
            .plan
            .modules
            .iter()
            .map(|planned| planned.module.as_str())
            .collect();
        let started = json!({ "event": "run_started", "run_id": self.run, "action": self.plan.action, "modules": modules, "left_out": self.plan.left_out });
        self.line(started)?;
        for planned in self
            .plan
            .modules
            .iter()
            .filter(|planned| planned.change == Change::Keep)
        {
            let messages: [Value; 0] = [];
            let finished = json!({
                "event": "module_finished", "module": planned.module, "status": "unchanged", "duration_ms": 0, "reason": planned.reason, "messages": messages,
            });
            self.line(finished)?;
        }
        Ok(())
    }

    /// The last line.
    pub(crate) fn finish(
        &self,
        status: &str,
        counts: &BTreeMap<&str, usize>,
        duration: std::time::Duration,
    ) -> io::Result<()> {
        self.line(json!({ "event": "run_finished", "run_id": self.run, "status": status, "counts": counts, "duration_ms": duration.as_millis() as u64 }))
    }
}

impl Reporter for Lines<'_> {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        let planned = |unit: usize| {
            self.modules
                .get(unit)
                .copied()
                .flatten()
                .map(|place| &self.plan.modules[place])
        };
        match &event.kind {
            EventKind::RunStarted { units, .. } => self.names.clone_from(units),
            EventKind::UnitStarted { unit } => {
                self.started.insert(unit.index(), event.elapsed);
                if let Some(planned) = planned(unit.index()) {
                    let started = json!({ "event": "module_started", "module": planned.module, "action": self.plan.action, "method": planned.method });
                    return self.line(started);
                }
            }
            EventKind::Output { unit, stream, line } if self.verbose => {
                if let Some(planned) = planned(unit.index()) {
                    let stream = if *stream == Stream::Stdout {
                        "stdout"
                    } else {
                        "stderr"
                    };
                    return self.line(json!({ "event": "module_output", "module": planned.module, "stream": stream, "line": line }));
                }
            }
            EventKind::Note {
                unit,
                level,
                text,
                source,
            } => {
                let told = UnitMessage {
                    level: *level,
                    text: text.clone(),
                    source: source.clone(),
                    at: event.elapsed,
                };
                self.messages
                    .entry(unit.index())
                    .or_default()
                    .push(message(&told));
            }
            EventKind::Item {
                unit,
                item_change,
                subject,
                reason,
            } => {
                self.items
                    .entry(unit.index())
                    .or_default()
                    .push(json!({ "fate": item_change, "subject": subject, "reason": reason }));
            }
            EventKind::Version { unit, from, to } => drop(
                self.versions
                    .insert(unit.index(), (from.clone(), to.clone())),
            ),
            EventKind::UnitFinished { unit, outcome } => {
                if let Some(planned) = planned(unit.index()) {
                    let took = self
                        .started
                        .get(&unit.index())
                        .map_or(0, |started| (event.elapsed - *started).as_millis() as u64);
                    let mut finished = json!({
                        "event": "module_finished", "module": planned.module, "status": status(outcome, self.plan.action, planned.change), "duration_ms": took,
                        "messages": self.messages.get(&unit.index()).cloned().unwrap_or_default(),
                    });
                    if let Some(reason) = explain(outcome, &self.names) {
                        finished["reason"] = reason.into();
                    }
                    if let Some(items) = self.items.get(&unit.index()) {
                        finished["items"] = json!(items);
                    }
                    if let Some((from, to)) = self.versions.get(&unit.index()) {
                        finished["from"] = json!(from);
                        finished["to"] = json!(to);
                    }
                    return self.line(finished);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
