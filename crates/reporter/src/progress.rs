//! Progress bars on a terminal: a fixed number of lines for what runs, and one for the whole. What is finished scrolls away above them.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use hoist_executor::{Event, EventKind, Level, Outcome};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{Reporter, Words, duration_text, explain, plain_text};

/// At most so many lines for what runs.
const LINES: usize = 8;

/// Draws on the given target.
pub struct Progress {
    screen: MultiProgress,
    lines: Vec<ProgressBar>,
    total: ProgressBar,
    names: Vec<String>,
    started: Vec<Duration>,
    /// Which line a unit has, in the order of their start.
    shown: BTreeMap<usize, usize>,
    waiting: Vec<usize>,
    colour: bool,
    words: Words,
}

impl Progress {
    /// Lines on `target`.
    pub fn new(target: ProgressDrawTarget, colour: bool, words: Words) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let total = screen.add(ProgressBar::new(0));
        let template = if colour {
            "{bar:24.cyan/black.bright} {pos}/{len} {elapsed} {wide_msg}"
        } else {
            "{bar:24} {pos}/{len} {elapsed} {wide_msg}"
        };
        total.set_style(style(template).progress_chars("━╸─"));
        Self {
            screen,
            lines: Vec::new(),
            total,
            names: Vec::new(),
            started: Vec::new(),
            shown: BTreeMap::new(),
            waiting: Vec::new(),
            colour,
            words,
        }
    }

    fn line(&self, text: String) -> io::Result<()> {
        self.screen.println(text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn show(&mut self, unit: usize) {
        let taken: Vec<usize> = self.shown.values().copied().collect();
        let free = (0..self.lines.len()).find(|line| !taken.contains(line));
        let line = match free {
            Some(line) => line,
            None if self.lines.len() < LINES => {
                let bar = self.screen.insert_before(&self.total, ProgressBar::new_spinner());
                self.lines.push(bar);
                self.lines.len() - 1
            }
            None => return self.waiting.push(unit),
        };
        let bar = &self.lines[line];
        bar.reset();
        bar.set_style(style(if self.colour {
            "{spinner:.cyan} {prefix:.bold} {elapsed:.dim} {wide_msg:.dim}"
        } else {
            "{spinner} {prefix} {elapsed} {wide_msg}"
        }));
        bar.set_prefix(self.names[unit].clone());
        bar.set_message(String::new());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.shown.insert(unit, line);
    }

    fn hide(&mut self, unit: usize) {
        self.waiting.retain(|waiting| *waiting != unit);
        if let Some(line) = self.shown.remove(&unit) {
            let bar = &self.lines[line];
            bar.disable_steady_tick();
            bar.set_style(style(""));
            bar.set_prefix("");
            bar.set_message("");
            if !self.waiting.is_empty() {
                let next = self.waiting.remove(0);
                self.show(next);
            }
        }
    }

    fn finish(&mut self, event: &Event, unit: usize, outcome: &Outcome) -> io::Result<()> {
        self.hide(unit);
        self.total.inc(1);
        let name = &self.names[unit];
        let took = duration_text(event.elapsed.saturating_sub(self.started[unit]));
        let why = explain(outcome, &self.names).unwrap_or_default();
        let line = match outcome {
            Outcome::Done { changed: true } => {
                format!("{} {name} {}", self.paint("32", "✓"), self.paint("2", &format!("{} in {took}", self.words.changed)))
            }
            Outcome::Done { changed: false } => format!("{} {name} {}", self.paint("32", "✓"), self.paint("2", self.words.unchanged)),
            Outcome::Skipped { .. } => format!("{} {name} {}", self.paint("33", "-"), why),
            _ => format!("{} {name} {} {why}", self.paint("31", "✗"), self.paint("2", &took)),
        };
        self.line(line)
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Reporter for Progress {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted { units, .. } => {
                self.names.clone_from(units);
                self.started = vec![Duration::ZERO; units.len()];
                self.total.set_length(units.len() as u64);
                self.total.enable_steady_tick(Duration::from_millis(200));
            }
            EventKind::UnitStarted { unit } => {
                self.started[unit.index()] = event.elapsed;
                self.show(unit.index());
            }
            EventKind::Output { unit, line, .. } => {
                if let Some(shown) = self.shown.get(&unit.index()) {
                    let plain: String = line.chars().take(400).collect();
                    self.lines[*shown].set_message(plain_text(&plain));
                }
            }
            EventKind::Progress { unit, done, total } => {
                if let Some(shown) = self.shown.get(&unit.index()) {
                    let text = if *total > 0 { format!("{}%", done * 100 / total) } else { format!("{} KiB", done / 1024) };
                    self.lines[*shown].set_message(text);
                }
            }
            EventKind::Note { unit, level: level @ (Level::Warning | Level::Error), text, .. } => {
                let mark = if *level == Level::Warning { self.paint("33", "!") } else { self.paint("31", "!") };
                self.line(format!("{mark} {}: {}", self.names[unit.index()], plain_text(text)))?;
            }
            EventKind::Retrying { unit, reason, wait } => {
                self.line(format!("{} {} again in {}: {reason}", self.paint("33", "!"), self.names[unit.index()], duration_text(*wait)))?;
            }
            EventKind::UnitFinished { unit, outcome } => self.finish(event, unit.index(), outcome)?,
            EventKind::Cancelling { kill } => {
                let text = if *kill { "killing what still runs" } else { "stopping: waiting for what runs; Ctrl-C again kills it" };
                self.line(self.paint("33", text))?;
                self.total.set_message("stopping");
            }
            EventKind::RunFinished { .. } => {
                self.total.disable_steady_tick();
                self.screen.clear()?;
                self.lines.iter().for_each(ProgressBar::finish_and_clear);
                self.total.finish_and_clear();
            }
            _ => {}
        }
        Ok(())
    }
}
