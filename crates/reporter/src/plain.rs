//! Plain lines, one for each change of state: for logs, pipes and screens that cannot move a
//! cursor.

use std::io::{self, Write};
use std::time::Duration;

use hoist_executor::{Event, EventKind, Level, Outcome};

use crate::explain;
use crate::explain::skip_text;
use crate::explain::{duration_text, plain_text};
use crate::reporter::{Reporter, Words};

/// Writes a line for each change of state.
pub struct Plain<W> {
    writer: W,
    verbose: bool,
    words: Words,
    names: Vec<String>,
    started: Vec<Duration>,
}

impl<W: Write> Plain<W> {
    /// Lines to `writer`; with `verbose` also every line of output.
    pub fn new(writer: W, verbose: bool, words: Words) -> Self {
        Self {
            writer,
            verbose,
            words,
            names: Vec::new(),
            started: Vec::new(),
        }
    }
}

impl<W: Write> Reporter for Plain<W> {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        let Self {
            writer,
            verbose,
            words,
            names,
            started,
        } = self;
        match &event.kind {
            EventKind::RunStarted { units, .. } => {
                names.clone_from(units);
                *started = vec![Duration::ZERO; units.len()];
                Ok(())
            }
            EventKind::UnitStarted { unit } => {
                started[unit.index()] = event.elapsed;
                writeln!(writer, "{:<11} {}", "start", names[unit.index()])
            }
            EventKind::Output { unit, line, .. } if *verbose => {
                writeln!(
                    writer,
                    "            {} | {}",
                    names[unit.index()],
                    plain_text(line)
                )
            }
            EventKind::Note {
                unit,
                level: level @ (Level::Warning | Level::Error),
                text,
                ..
            } => {
                let word = if *level == Level::Warning {
                    "warning"
                } else {
                    "error"
                };
                writeln!(
                    writer,
                    "{word:<11} {}: {}",
                    names[unit.index()],
                    plain_text(text)
                )
            }
            EventKind::Retrying { unit, reason, wait } => {
                writeln!(
                    writer,
                    "{:<11} {} in {}: {}",
                    "retry",
                    names[unit.index()],
                    duration_text(*wait),
                    plain_text(reason)
                )
            }
            EventKind::UnitFinished { unit, outcome } => {
                let name = &names[unit.index()];
                let took = duration_text(event.elapsed.saturating_sub(started[unit.index()]));
                match outcome {
                    Outcome::Done { changed } => {
                        let word = if *changed {
                            words.changed
                        } else {
                            words.unchanged
                        };
                        writeln!(writer, "{word:<11} {name} ({took})")
                    }
                    Outcome::Skipped { because } => {
                        let word = skip_text(because);
                        writeln!(
                            writer,
                            "{word:<11} {name}: {}",
                            plain_text(&explain(outcome, names).unwrap_or_default())
                        )
                    }
                    Outcome::Cancelled => writeln!(writer, "{:<11} {name} ({took})", "interrupted"),
                    Outcome::Failed { .. } | Outcome::TimedOut { .. } => {
                        writeln!(writer, "{:<11} {name} ({took})", "failed")
                    }
                }
            }
            EventKind::Cancelling { kill: false } => {
                writeln!(
                    writer,
                    "Interrupting running modules; interrupt again to kill them"
                )
            }
            EventKind::Cancelling { kill: true } => writeln!(writer, "Killing running modules"),
            _ => Ok(()),
        }
    }
}
