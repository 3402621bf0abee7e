//! Progress on a terminal: a row for each running unit, as many as fit, and a total. Finished units
//! scroll away above them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::{Term, measure_text_width, pad_str, truncate_str};
use hoist_executor::{Event, EventKind, Level, Outcome};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::explain;
use crate::explain::skip_text;
use crate::explain::{duration_text, plain_text};
use crate::reporter::{Reporter, Words};
use crate::screen::{Screen, Size};

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// What a progress display knows before the run.
#[derive(Debug, Clone)]
pub struct ProgressOptions {
    /// Whether to use colors.
    pub color: bool,
    /// Words for finished units.
    pub words: Words,
    /// How long units took in the past, by name, for the estimate of the remaining time.
    pub expected: BTreeMap<String, Duration>,
    /// Indexes of units that are not counted in the total, such as batches.
    pub uncounted: BTreeSet<usize>,
}

impl ProgressOptions {
    /// Options without knowledge of past runs; every unit is counted.
    pub fn new(color: bool, words: Words) -> Self {
        Self {
            color,
            words,
            expected: BTreeMap::new(),
            uncounted: BTreeSet::new(),
        }
    }
}

/// Draws the progress of a run, at most ten times a second.
pub struct Progress<W: Write + Send + 'static> {
    shared: Arc<Shared<W>>,
    drawer: Option<JoinHandle<()>>,
}

struct Shared<W: Write> {
    view: Mutex<View<W>>,
    is_over: Condvar,
}

impl Progress<Term> {
    /// Progress on the terminal of standard error.
    pub fn stderr(options: ProgressOptions) -> Self {
        let size = || {
            let (rows, columns) = Term::stderr().size();
            Size {
                columns: columns.into(),
                rows: rows.into(),
            }
        };
        Self::new(Term::stderr(), Box::new(size), options)
    }
}

impl<W: Write + Send + 'static> Progress<W> {
    fn new(terminal: W, size: Box<dyn Fn() -> Size + Send>, options: ProgressOptions) -> Self {
        let shared = Arc::new(Shared {
            view: Mutex::new(View::new(terminal, size, options)),
            is_over: Condvar::new(),
        });
        let drawing = shared.clone();
        let drawer = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || {
                let mut view = drawing.view.lock().unwrap_or_else(PoisonError::into_inner);
                while !view.is_over {
                    // A terminal that is gone stops no run.
                    let _ = view.draw();
                    let (next, _) = drawing
                        .is_over
                        .wait_timeout(view, FRAME)
                        .unwrap_or_else(PoisonError::into_inner);
                    view = next;
                }
            });
        Self {
            shared,
            drawer: drawer.ok(),
        }
    }

    /// Ends the display: the rows are removed.
    fn end(&mut self) -> io::Result<()> {
        let Some(drawer) = self.drawer.take() else {
            return Ok(());
        };
        let ended = {
            let mut view = self
                .shared
                .view
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            view.is_over = true;
            view.end()
        };
        self.shared.is_over.notify_all();
        let _ = drawer.join();
        ended
    }
}

impl<W: Write + Send + 'static> Drop for Progress<W> {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl<W: Write + Send + 'static> Reporter for Progress<W> {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        self.shared
            .view
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(event);
        match event.kind {
            EventKind::RunFinished { .. } => self.end(),
            _ => Ok(()),
        }
    }
}

/// A unit of the run.
#[derive(Debug, Clone, Default)]
struct Unit {
    name: String,
    started: Option<Duration>,
    is_finished: bool,
    /// Its last line of output, or how far it is.
    message: String,
}

/// The state of the run, and how it is drawn.
struct View<W: Write> {
    screen: Screen<W>,
    size: Box<dyn Fn() -> Size + Send>,
    options: ProgressOptions,
    units: Vec<Unit>,
    /// Running units in the order of their start.
    running: Vec<usize>,
    /// Lines that are still to be printed above the rows.
    pending: Vec<String>,
    done: usize,
    failed: usize,
    is_stopping: bool,
    is_over: bool,
    /// Time of the last event after the start of the run, and when it came.
    clock: (Duration, Instant),
    frame: usize,
    bar: TotalBar,
}

impl<W: Write> View<W> {
    fn new(terminal: W, size: Box<dyn Fn() -> Size + Send>, options: ProgressOptions) -> Self {
        Self {
            screen: Screen::new(terminal),
            size,
            bar: TotalBar::new(options.color),
            options,
            units: Vec::new(),
            running: Vec::new(),
            pending: Vec::new(),
            done: 0,
            failed: 0,
            is_stopping: false,
            is_over: false,
            clock: (Duration::ZERO, Instant::now()),
            frame: 0,
        }
    }

    fn take(&mut self, event: &Event) {
        self.clock = (event.elapsed, Instant::now());
        match &event.kind {
            EventKind::RunStarted { units, .. } => {
                self.units = units
                    .iter()
                    .map(|name| Unit {
                        name: plain_text(name),
                        ..Unit::default()
                    })
                    .collect();
            }
            EventKind::UnitStarted { unit } => {
                self.units[unit.index()].started = Some(event.elapsed);
                self.running.push(unit.index());
            }
            EventKind::Output { unit, line, .. } => {
                let start: String = line.chars().take(400).collect();
                self.units[unit.index()].message = plain_text(&start);
            }
            EventKind::Progress { unit, done, total } => {
                self.units[unit.index()].message = if *total > 0 {
                    format!("{}%", done * 100 / total)
                } else {
                    format!("{} KiB", done / 1024)
                };
            }
            EventKind::Note {
                unit,
                level: level @ (Level::Warning | Level::Error),
                text,
                ..
            } => {
                let mark = if *level == Level::Warning {
                    self.paint("33", "!")
                } else {
                    self.paint("31", "!")
                };
                self.pending.push(format!(
                    "{mark} {}: {}",
                    self.units[unit.index()].name,
                    plain_text(text)
                ));
            }
            EventKind::Retrying { unit, reason, wait } => {
                let name = &self.units[unit.index()].name;
                self.pending.push(format!(
                    "{} {name}: retrying in {}: {}",
                    self.paint("33", "!"),
                    duration_text(*wait),
                    plain_text(reason)
                ));
            }
            EventKind::UnitFinished { unit, outcome } => {
                self.finish(unit.index(), event.elapsed, outcome)
            }
            EventKind::Cancelling { kill } => {
                let text = if *kill {
                    "Killing running modules"
                } else {
                    "Interrupting running modules; press Ctrl-C again to kill them"
                };
                self.pending.push(self.paint("33", text));
                self.is_stopping = true;
            }
            _ => {}
        }
    }

    fn finish(&mut self, unit: usize, now: Duration, outcome: &Outcome) {
        self.running.retain(|running| *running != unit);
        let Unit { name, started, .. } = self.units[unit].clone();
        self.units[unit].is_finished = true;
        if !self.options.uncounted.contains(&unit) {
            self.done += 1;
        }
        let took = duration_text(now.saturating_sub(started.unwrap_or(now)));
        let line = match outcome {
            Outcome::Done { changed: true } => {
                format!(
                    "{} {name} {}",
                    self.paint("32", "✓"),
                    self.paint("2", &format!("{} in {took}", self.options.words.changed))
                )
            }
            Outcome::Done { changed: false } => {
                format!(
                    "{} {name} {}",
                    self.paint("32", "✓"),
                    self.paint("2", self.options.words.unchanged)
                )
            }
            Outcome::Skipped { because } => {
                let names: Vec<String> = self.units.iter().map(|unit| unit.name.clone()).collect();
                let word = skip_text(because);
                format!(
                    "{} {name} {word}: {}",
                    self.paint("33", "-"),
                    plain_text(&explain(outcome, &names).unwrap_or_default())
                )
            }
            Outcome::Cancelled => format!("{} {name} interrupted", self.paint("33", "-")),
            Outcome::Failed { .. } | Outcome::TimedOut { .. } => {
                self.failed += 1;
                format!(
                    "{} {name} {}",
                    self.paint("31", "✗"),
                    self.paint("31", &format!("failed after {took}"))
                )
            }
        };
        self.pending.push(line);
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.options.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Time since the start of the run.
    fn now(&self) -> Duration {
        self.clock.0 + self.clock.1.elapsed()
    }

    fn draw(&mut self) -> io::Result<()> {
        if self.units.is_empty() {
            return Ok(());
        }
        let size = (self.size)();
        self.frame += 1;
        let lines = self.lines(size);
        let above = std::mem::take(&mut self.pending);
        self.screen.draw(&above, &lines, size)
    }

    fn end(&mut self) -> io::Result<()> {
        let size = (self.size)();
        let above = std::mem::take(&mut self.pending);
        if !above.is_empty() {
            self.screen.draw(&above, &[], size)?;
        }
        self.screen.clear(size)
    }

    /// The rows of running units, and the total.
    fn lines(&self, size: Size) -> Vec<String> {
        let room = size.rows.saturating_sub(3).max(1);
        let shown = if self.running.len() > room {
            room.saturating_sub(1).max(1)
        } else {
            self.running.len()
        };
        let (rows, more) = self.running.split_at(shown);
        let longest = rows
            .iter()
            .map(|unit| measure_text_width(&self.units[*unit].name))
            .max()
            .unwrap_or_default();
        let width = longest.min(size.columns / 2).min(32);
        let mut lines: Vec<String> = rows
            .iter()
            .map(|unit| self.row(&self.units[*unit], width))
            .collect();
        if !more.is_empty() {
            lines.push(self.paint("2", &format!("  +{} more", more.len())));
        }
        lines.push(self.total(size));
        lines
    }

    fn row(&self, unit: &Unit, width: usize) -> String {
        const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        let spinner = self.paint("36", SPINNER[self.frame % SPINNER.len()]);
        let name = truncate_str(&unit.name, width, "…").into_owned();
        let name = pad_str(&name, width, console::Alignment::Left, None).into_owned();
        let elapsed = clock_text(self.now().saturating_sub(unit.started.unwrap_or_default()));
        format!(
            "{spinner} {} {} {}",
            self.paint("1", &name),
            self.paint("2", &format!("{elapsed:>4}")),
            self.paint("2", &unit.message)
        )
    }

    fn total(&self, size: Size) -> String {
        let all = self.units.len() - self.options.uncounted.len();
        let mut parts = vec![format!("{}/{all} done", self.done)];
        if self.failed > 0 {
            parts.push(self.paint("31", &format!("{} failed", self.failed)));
        }
        parts.push(format!("{} running", self.running.len()));
        parts.push(clock_text(self.now()));
        if self.is_stopping {
            parts.push(self.paint("33", "stopping"));
        } else if let Some(remaining) = self.remaining() {
            parts.push(format!("ETA {}", clock_text(remaining)));
        }
        self.bar
            .line(self.done, all, &parts.join(", "), size.columns)
    }

    /// An estimate of the remaining time; `None` where past runs tell too little.
    fn remaining(&self) -> Option<Duration> {
        let expected = |unit: &Unit| self.options.expected.get(&unit.name).copied();
        let counted = |index: &usize| !self.options.uncounted.contains(index);
        let open: Vec<&Unit> = (0..self.units.len())
            .filter(counted)
            .map(|index| &self.units[index])
            .filter(|unit| !unit.is_finished)
            .collect();
        let known: Vec<Duration> = open.iter().filter_map(|unit| expected(unit)).collect();
        if known.is_empty() || known.len() * 2 < open.len() {
            return None;
        }
        let mean = known.iter().sum::<Duration>() / u32::try_from(known.len()).ok()?;
        let left = |unit: &&Unit| {
            let elapsed = unit
                .started
                .map_or(Duration::ZERO, |started| self.now().saturating_sub(started));
            expected(unit).unwrap_or(mean).saturating_sub(elapsed)
        };
        let sum: Duration = open.iter().map(left).sum();
        let longest = open.iter().map(left).max().unwrap_or_default();
        let parallel = u32::try_from(self.running.len().max(1)).ok()?;
        Some(longest.max(sum / parallel))
    }
}

/// A duration in whole seconds, as in `12s`, `3m05`, `1h02m`.
fn clock_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// The bar of the total, drawn by indicatif into a string.
struct TotalBar {
    bar: ProgressBar,
    drawn: Arc<Mutex<String>>,
}

impl TotalBar {
    fn new(color: bool) -> Self {
        let drawn = Arc::new(Mutex::new(String::new()));
        let target =
            ProgressDrawTarget::term_like_with_hz(Box::new(Captured(drawn.clone())), u8::MAX);
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = if color {
            "{bar:16.cyan/black.bright}"
        } else {
            "{bar:16}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { bar, drawn }
    }

    /// The bar with a text, which has precedence on a narrow terminal.
    fn line(&self, done: usize, all: usize, text: &str, columns: usize) -> String {
        if measure_text_width(text) + 20 > columns {
            return text.to_owned();
        }
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.drawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.bar.force_draw();
        let drawn = self
            .drawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .trim()
            .to_owned();
        format!("{drawn} {text}")
    }
}

/// A terminal that keeps what is written to it.
#[derive(Debug)]
struct Captured(Arc<Mutex<String>>);

impl TermLike for Captured {
    fn width(&self) -> u16 {
        80
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::fold;

    /// Takes events without drawing by itself.
    struct Still(View<Vec<u8>>);

    impl Reporter for Still {
        fn report(&mut self, event: &Event) -> io::Result<()> {
            self.0.take(event);
            Ok(())
        }
    }

    fn view(units: usize, running: usize, expected: u64) -> View<Vec<u8>> {
        let words = Words {
            changed: "installed",
            unchanged: "unchanged",
        };
        let names: Vec<String> = (0..units)
            .map(|number| format!("module-with-a-long-name-{number}"))
            .collect();
        let durations = names
            .iter()
            .map(|name| (name.clone(), Duration::from_secs(expected)))
            .collect();
        let options = ProgressOptions {
            expected: durations,
            ..ProgressOptions::new(false, words)
        };
        let size = || Size {
            columns: 80,
            rows: 24,
        };
        let mut still = Still(View::new(Vec::new(), Box::new(size), options));
        let started = format!(
            r#""event":"run_started","units":{}"#,
            serde_json::to_string(&names).unwrap()
        );
        let units: Vec<String> = (0..running)
            .map(|unit| format!(r#""event":"unit_started","unit":{unit}"#))
            .collect();
        let events: Vec<(u64, &str)> = std::iter::once((0, started.as_str()))
            .chain(units.iter().map(|unit| (1, unit.as_str())))
            .collect();
        fold(&events, &mut still);
        still.0
    }

    #[test]
    fn as_many_rows_as_fit_and_no_line_is_too_wide() {
        let view = view(200, 40, 0);
        for (columns, rows) in [(30, 24), (40, 10), (80, 24), (200, 40)] {
            let lines = view.lines(Size { columns, rows });
            assert!(lines.len() < rows, "{lines:?}");
            let shown = lines.len() - 2;
            assert_eq!(lines[shown].trim(), format!("+{} more", 40 - shown));
            assert!(
                lines[shown + 1].contains("0/200 done, 40 running"),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn the_remaining_time_is_that_of_past_runs_in_parallel() {
        let seconds = |view: &View<Vec<u8>>| {
            view.remaining()
                .map(|remaining| remaining.as_secs_f64().round())
        };
        assert_eq!(seconds(&view(40, 10, 20)), Some(80.0));
        assert_eq!(seconds(&view(1, 1, 20)), Some(20.0));
        let mut unknown = view(10, 1, 20);
        unknown.options.expected.clear();
        assert_eq!(unknown.remaining(), None);
    }

    #[test]
    fn a_total_without_room_has_no_bar() {
        let view = view(10, 2, 0);
        let bar = |columns| view.lines(Size { columns, rows: 24 }).pop().unwrap();
        assert!(bar(30).starts_with("0/10 done"), "{}", bar(30));
        assert!(bar(80).starts_with('─'), "{}", bar(80));
    }
}
