//! What a run came to: a fold over its events.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use hoist_executor::{Event, EventKind, ItemChange, Level, Outcome};
use serde::Serialize;

use crate::reporter::Reporter;

/// So many last lines of output are kept of each unit.
const TAIL: usize = 20;

/// What a run came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// By their ids.
    pub units: Vec<UnitReport>,
    /// How long the run took.
    pub duration: Duration,
    /// True when it was asked to stop.
    pub interrupted: bool,
}

/// How one unit fared.
#[derive(Debug, Clone, Serialize)]
pub struct UnitReport {
    /// Its name.
    pub name: String,
    /// Absent while it has not ended.
    pub outcome: Option<Outcome>,
    /// Time after the start of the run.
    pub started: Option<Duration>,
    /// Time after the start of the run.
    pub finished: Duration,
    /// What it told.
    pub messages: Vec<UnitMessage>,
    /// What became of the things it is about.
    pub items: Vec<Item>,
    /// The versions it went from and to, where it told.
    pub versions: Option<(Option<String>, Option<String>)>,
    /// The last lines of its output.
    pub tail: VecDeque<String>,
}

/// Something that a unit told people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitMessage {
    /// How much it matters.
    pub level: Level,
    /// In a sentence.
    pub text: String,
    /// Who says it, where that is not hoist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Time after the start of the run.
    pub at: Duration,
}

impl std::fmt::Display for UnitMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{source}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// What became of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What became of it.
    #[serde(rename = "fate")]
    pub item_change: ItemChange,
    /// Which.
    pub subject: String,
    /// Why, or what to do about it.
    pub reason: Option<String>,
}

impl UnitReport {
    /// The time between its start and its end.
    pub fn duration(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| {
            self.finished.saturating_sub(started)
        })
    }
}

impl Report {
    /// The names of all units, by their ids.
    pub fn names(&self) -> Vec<String> {
        self.units.iter().map(|unit| unit.name.clone()).collect()
    }
}

impl Reporter for Report {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted { units, .. } => {
                let unit = |name: &String| UnitReport {
                    name: name.clone(),
                    outcome: None,
                    started: None,
                    finished: Duration::ZERO,
                    messages: Vec::new(),
                    items: Vec::new(),
                    versions: None,
                    tail: VecDeque::new(),
                };
                self.units = units.iter().map(unit).collect();
            }
            EventKind::UnitStarted { unit } => {
                self.units[unit.index()].started = Some(event.elapsed)
            }
            EventKind::Output { unit, line, .. } => {
                let tail = &mut self.units[unit.index()].tail;
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line.clone());
            }
            EventKind::Note {
                unit,
                level,
                text,
                source,
            } => {
                let message = UnitMessage {
                    level: *level,
                    text: text.clone(),
                    source: source.clone(),
                    at: event.elapsed,
                };
                self.units[unit.index()].messages.push(message);
            }
            EventKind::Item {
                unit,
                item_change,
                subject,
                reason,
            } => {
                let item = Item {
                    item_change: *item_change,
                    subject: subject.clone(),
                    reason: reason.clone(),
                };
                self.units[unit.index()].items.push(item);
            }
            EventKind::Version { unit, from, to } => {
                self.units[unit.index()].versions = Some((from.clone(), to.clone()))
            }
            EventKind::UnitFinished { unit, outcome } => {
                self.units[unit.index()].outcome = Some(outcome.clone());
                self.units[unit.index()].finished = event.elapsed;
            }
            EventKind::RunFinished { interrupted, .. } => {
                self.duration = event.elapsed;
                self.interrupted = *interrupted;
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hoist_executor::{Cancel, Effect, Failure, Limits, Task, TaskGraph, execute};

    use super::*;
    use crate::{EventRecorder, Plain, Words, replay};

    const WORDS: Words = Words {
        changed: "installed",
        unchanged: "unchanged",
    };

    #[test]
    fn a_record_replays_to_the_same_report_and_the_same_lines() {
        let mut graph = TaskGraph::default();
        let (bad, next) = (graph.unit("bad"), graph.unit("next"));
        let failing = graph.task(Task::new(bad, "t", |context| {
            context.output_line("hello");
            context.note(Level::Warning, "mind");
            Err(Failure::new("no"))
        }));
        let needing = graph.task(Task::new(next, "t", |_| Ok(Effect::Changed)));
        graph.needs(needing, failing);
        let (mut report, mut record, mut lines) = (Report::default(), Vec::new(), Vec::new());
        {
            let (mut recorder, mut plain) = (
                EventRecorder::new(&mut record),
                Plain::new(&mut lines, true, WORDS),
            );
            execute(graph, &Limits::default(), &Cancel::new(), |event| {
                report.report(event).unwrap();
                recorder.report(event).unwrap();
                plain.report(event).unwrap();
            })
            .unwrap();
        }
        let (mut again, mut lines_again) = (Report::default(), Vec::new());
        replay(record.as_slice(), &mut again).unwrap();
        replay(
            record.as_slice(),
            &mut Plain::new(&mut lines_again, true, WORDS),
        )
        .unwrap();
        assert_eq!(
            serde_json::to_string(&again).unwrap(),
            serde_json::to_string(&report).unwrap()
        );
        assert_eq!(lines_again, lines);
        let text = String::from_utf8(lines).unwrap();
        assert!(
            text.contains("bad | hello") && text.contains("warning     bad: mind"),
            "{text}"
        );
        assert!(
            text.contains("skipped     next: depends on bad, which failed"),
            "{text}"
        );
    }
}
