//! Plan → schedule → execute → report: every command that runs something goes this way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use hoist_core::{Action, Catalog, Change, Diagnostic, Installed, Module, Plan, Tier};
use hoist_executor::{Cancel, Level, Limits, Outcome, Summary, execute};
use hoist_ledger::{Beginning, Ending as Finish, Ledger, ModuleResult, RunId};
use hoist_methods::{Machine, Options, Schedule, preflight, schedule};
use hoist_reporter::{LogFiles, Plain, Progress, Record, Report, Reporter, Reporters, Words, duration_text, explain, plain_text};
use indicatif::ProgressDrawTarget;
use jiff::Timestamp;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::{Global, Output};
use crate::error::{Code, Ending};
use crate::json::{self, Lines};
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, YELLOW, painted};
use crate::session::Session;

/// A run that is about to start.
pub(crate) struct Run<'a> {
    pub(crate) global: &'a Global,
    pub(crate) session: &'a Session,
    pub(crate) machine: &'a Arc<Machine>,
    pub(crate) installed: &'a Installed,
    pub(crate) plan: &'a Plan,
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) cancel: Cancel,
    pub(crate) force: bool,
}

/// Asks a run to stop at the first interrupt, and kills it at the second.
pub(crate) fn heed_signals() -> Result<Cancel, Ending> {
    let cancel = Cancel::new();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let heard = cancel.clone();
    std::thread::spawn(move || {
        for (number, _) in signals.forever().enumerate() {
            heard.cancel();
            if number >= 2 {
                // Whoever asks a third time wants out, also when nobody reads what is still to be said.
                std::thread::sleep(Duration::from_millis(500));
                signal_hook::low_level::exit(130);
            }
        }
    });
    Ok(cancel)
}

/// A name for a run that sorts by time and no other run has.
fn run_name() -> String {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
    format!("{now}-{}", std::process::id())
}

impl Run<'_> {
    /// Carries the plan out and tells what came of it.
    pub(crate) fn execute(self) -> Result<Code, Ending> {
        let Run { global, session, machine, installed, plan, ledger, cancel, force } = self;
        let name = run_name();
        let errors = preflight(plan, &session.catalog, machine);
        if !errors.is_empty() {
            return Err(errors.into());
        }
        let timeout = global.timeout.or_else(|| session.settings.timeout.as_deref().and_then(|text| hoist_core::parse_duration(text).ok()));
        let strict = global.strict || session.settings.strict.unwrap_or(false);
        let options = Options { timeout: timeout.unwrap_or(Duration::from_secs(1800)), strict, force };
        let run_id = ledger.as_ref().map(|ledger| ledger.begin_run(&name, plan.action.as_str())).transpose()?;
        let recording = ledger.clone().zip(run_id);
        if let Some((ledger, run)) = &recording {
            adopt(plan, &session.catalog, installed, ledger, *run)?;
        }
        let scheduled = schedule(plan, &session.catalog, machine, installed, recording.clone(), options);
        let Schedule { graph, modules } = scheduled.or_else(|errors| {
            if let Some((ledger, run)) = &recording {
                ledger.end_run(*run, "failed", &[])?;
            }
            Err(Ending::from(errors))
        })?;
        let logs = session.places.run(&name);
        let mut limits = Limits::default();
        limits.jobs = global.jobs.map(usize::from).or(session.settings.jobs).unwrap_or(limits.jobs);
        let paint = Paint::choose(global.color);
        let mut lines = Lines {
            plan,
            modules: &modules,
            run: &name,
            verbose: global.verbose,
            names: Vec::new(),
            messages: BTreeMap::new(),
            started: BTreeMap::new(),
        };
        let json = global.output == Output::Json;
        // Nobody may be reading any more; the run goes on all the same, and its exit code tells how it ended.
        if json {
            let _ = lines.start();
        }
        let words = match plan.action {
            Action::Install => Words { changed: "done", unchanged: "same" },
            Action::Test => Words { changed: "passed", unchanged: "passed" },
        };
        let mut report = Report::default();
        let mut files = Reporters::default();
        files.add(LogFiles::new(logs.clone()));
        if !graph.is_empty() && std::fs::create_dir_all(&logs).is_ok() {
            files.add(Record::new(File::create(logs.join("events.jsonl")).map(io::BufWriter::new)?));
        }
        files.add(Borrowed(&mut report));
        let mut shown = Reporters::default();
        if json {
            shown.add(Borrowed(&mut lines));
        } else if !global.quiet && !graph.is_empty() {
            match io::stderr().is_terminal() && !global.no_progress && !global.verbose {
                true => shown.add(Progress::new(ProgressDrawTarget::stderr_with_hz(10), paint.stderr, words)),
                false => shown.add(Plain::new(io::stderr(), global.verbose, words)),
            }
        }
        // A terminal or a pipe that nobody empties must not hold up the run, its time limits and its interrupts.
        let summary = std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel::<hoist_executor::Event>();
            let sender = (!shown.is_empty()).then(|| {
                scope.spawn(move || receiver.iter().for_each(|event| shown.report(&event)));
                sender
            });
            execute(graph, &limits, &cancel, |event| {
                files.report(event);
                if let Some(sender) = &sender {
                    let _ = sender.send(event.clone());
                }
            })
        });
        drop(files);
        let summary = summary.map_err(|error| Ending::Other(error.into()))?;
        let told = Told { plan, modules: &modules, report: &report, summary: &summary, strict };
        let (code, status) = told.code();
        told.write_down(recording, status)?;
        let _ = match json {
            true => lines.finish(status, &told.counts(), report.duration),
            false => told.print(global, paint, &logs),
        };
        Ok(code)
    }
}

/// Writes down what was already there without hoist.
fn adopt(plan: &Plan, catalog: &Catalog, installed: &Installed, ledger: &Ledger, run: RunId) -> Result<(), Ending> {
    let kept = plan.modules.iter().filter(|planned| planned.change == Change::Keep && !installed.modules.contains_key(&planned.module));
    for module in kept.filter_map(|planned| catalog.get(planned.module.as_str())) {
        let Module { id, method, digest, source, .. } = module;
        ledger.begin(run, &Beginning { module: id, method, digest, source, paths: &[], absent: &[] })?;
        ledger.finish(id, &Finish { adopted: true, ..Finish::default() })?;
    }
    Ok(())
}

/// A view that is looked at after the run.
struct Borrowed<'a, R>(&'a mut R);

impl<R: Reporter> Reporter for Borrowed<'_, R> {
    fn report(&mut self, event: &hoist_executor::Event) -> io::Result<()> {
        self.0.report(event)
    }
}

/// What a run came to, against its plan.
struct Told<'a> {
    plan: &'a Plan,
    modules: &'a [Option<usize>],
    report: &'a Report,
    summary: &'a Summary,
    strict: bool,
}

impl Told<'_> {
    /// Every unit that is a module: its place in the plan, its number, its outcome.
    fn outcomes(&self) -> impl Iterator<Item = (usize, usize, &Outcome)> {
        let units = self.modules.iter().zip(&self.summary.units).enumerate();
        units.filter_map(|(unit, (place, outcome))| Some(((*place)?, unit, outcome)))
    }

    fn code(&self) -> (Code, &'static str) {
        let failed = |tier: Option<Tier>| {
            self.outcomes().any(|(place, _, outcome)| !outcome.is_done() && tier.is_none_or(|tier| self.plan.modules[place].tier == tier))
        };
        if self.summary.interrupted {
            return (Code::Interrupted, "interrupted");
        }
        match (self.summary.stopped_by.is_some() || failed(Some(Tier::Core)), failed(None)) {
            (true, _) => (Code::Failed, "failed"),
            (false, true) if self.strict => (Code::Failed, "failed"),
            (false, true) => (Code::Partial, "partial"),
            (false, false) => (Code::Ok, "ok"),
        }
    }

    fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        let kept = self.plan.modules.iter().filter(|planned| planned.change == Change::Keep).count();
        if kept > 0 {
            counts.insert("unchanged", kept);
        }
        for (.., outcome) in self.outcomes() {
            *counts.entry(json::status(outcome, self.plan.action)).or_default() += 1;
        }
        counts
    }

    fn write_down(&self, recording: Option<(Arc<Ledger>, RunId)>, status: &str) -> Result<(), Ending> {
        let Some((ledger, run)) = recording else { return Ok(()) };
        let names = self.report.names();
        let reasons: Vec<Option<String>> =
            self.report.units.iter().map(|unit| unit.outcome.as_ref().and_then(|outcome| explain(outcome, &names))).collect();
        let result = |(place, unit, outcome): (usize, usize, &Outcome)| ModuleResult {
            module: self.plan.modules[place].module.as_str(),
            status: json::status(outcome, self.plan.action),
            duration: self.report.units[unit].duration(),
            reason: reasons[unit].as_deref(),
        };
        let results: Vec<ModuleResult<'_>> = self.outcomes().map(result).collect();
        Ok(ledger.end_run(run, status, &results)?)
    }

    fn print(&self, global: &Global, paint: Paint, logs: &std::path::Path) -> io::Result<()> {
        let names = self.report.names();
        let mut text = String::new();
        let by_place: BTreeMap<usize, (usize, &Outcome)> = self.outcomes().map(|(place, unit, outcome)| (place, (unit, outcome))).collect();
        let many = self.plan.modules.len() > 60 && !global.verbose;
        let mut rows = Vec::new();
        for (place, planned) in self.plan.modules.iter().enumerate() {
            let dim = |text: &str| painted(paint.stdout, DIM, text);
            let Some((unit, outcome)) = by_place.get(&place) else {
                if !many && !global.quiet {
                    rows.push(vec![dim("unchanged"), planned.module.to_string(), dim(&planned.method), dim(&planned.reason)]);
                }
                continue;
            };
            let status = json::status(outcome, self.plan.action);
            if global.quiet && outcome.is_done() || many && status == "unchanged" {
                continue;
            }
            let colour = match status {
                "failed" => RED,
                "skipped" => YELLOW,
                "unchanged" => DIM,
                _ => GREEN,
            };
            let took =
                if self.report.units[*unit].started.is_some() { duration_text(self.report.units[*unit].duration()) } else { String::new() };
            let why = explain(outcome, &names).unwrap_or_default();
            rows.push(vec![
                painted(paint.stdout, colour, status),
                planned.module.to_string(),
                dim(&planned.method),
                if why.is_empty() { dim(&took) } else { excerpt(&why) },
            ]);
        }
        let dim = |text: &str| painted(paint.stdout, DIM, text);
        rows.extend(self.plan.left_out.iter().map(|left| vec![dim("left out"), left.module.to_string(), String::new(), dim(&left.reason)]));
        text += &render::table(&rows);
        text += &self.messages(global, paint);
        text += &self.failures(paint, logs);
        let counts: Vec<String> = self.counts().iter().map(|(status, count)| format!("{count} {status}")).collect();
        let counts = if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") };
        text += &format!("{} in {}\n", painted(paint.stdout, BOLD, &counts), duration_text(self.report.duration));
        if !global.quiet {
            text += &self.advice();
        }
        io::stdout().lock().write_all(text.as_bytes())
    }

    /// What modules told people, beyond what scrolled by.
    fn messages(&self, global: &Global, paint: Paint) -> String {
        let mut text = String::new();
        if global.quiet {
            return text;
        }
        for (place, unit, _) in self.outcomes() {
            let worth = |level: &Level| global.verbose || *level >= Level::Warning;
            for (level, note) in self.report.units[unit].notes.iter().filter(|(level, _)| worth(level)) {
                let (word, colour) = match level {
                    Level::Info => ("info", DIM),
                    Level::Success => ("success", GREEN),
                    Level::Warning => ("warning", YELLOW),
                    Level::Error => ("error", RED),
                };
                text += &format!("  {} {}: {}\n", painted(paint.stdout, colour, word), self.plan.modules[place].module, plain_text(note));
            }
        }
        text
    }

    /// The last output of each module that failed, and where all of it is.
    fn failures(&self, paint: Paint, logs: &std::path::Path) -> String {
        let mut text = String::new();
        for (unit, report) in self.report.units.iter().enumerate() {
            let failed = matches!(self.summary.units[unit], Outcome::Failed { .. } | Outcome::TimedOut { .. });
            let batch = self.modules[unit].is_none();
            if !failed || batch {
                continue;
            }
            text += &format!("\n{}\n", painted(paint.stdout, RED, &format!("{} failed", report.name)));
            for line in report.tail.iter().rev().take(10).rev() {
                text += &format!("  {} {}\n", painted(paint.stdout, DIM, "|"), excerpt(line));
            }
            text += &format!("  log: {}\n", LogFiles::path(logs, &report.name).display());
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    fn advice(&self) -> String {
        let (code, _) = self.code();
        let counts = self.counts();
        match (self.plan.action, code) {
            (Action::Install, Code::Ok) if counts.contains_key("installed") => {
                "Next: `hoist test` verifies what is installed.\n".to_owned()
            }
            (Action::Install, Code::Failed | Code::Partial) => {
                "Next: mend what failed and run the same command again; what is installed stays.\n".to_owned()
            }
            (Action::Install, Code::Interrupted) => "Next: run the same command again; what is installed stays.\n".to_owned(),
            (Action::Test, Code::Failed | Code::Partial) => {
                "Next: `hoist install` repairs what is missing, `hoist install --force MODULE` installs again.\n".to_owned()
            }
            _ => String::new(),
        }
    }
}

/// A line for people: without escape sequences, and not longer than a few lines of a terminal.
fn excerpt(line: &str) -> String {
    let plain = plain_text(line);
    match plain.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

/// Turns away when somebody asked to stop before anything was started.
pub(crate) fn not_cancelled(cancel: &Cancel) -> Result<(), Ending> {
    if cancel.is_cancelled() { Err(Ending::Interrupted) } else { Ok(()) }
}

/// A name that is wanted but not installed.
pub(crate) fn not_installed(name: &str) -> Diagnostic {
    Diagnostic::error("is not installed").module(name).help(format!("`hoist install {name}` installs it"))
}
