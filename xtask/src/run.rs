//! A graph of commands, run by `hoist-executor` and displayed by `hoist-reporter`: how every task
//! of this repository runs.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hoist_executor::{
    Cancel, Command, Effect, Event, Failure, Limits, Retries, Task, TaskContext, TaskGraph, TaskId,
    execute,
};
use hoist_reporter::{
    HtmlPage, Plain, Progress, ProgressOptions, Report, Reporter, Timeline, Words, duration_text,
    html,
};

const WORDS: Words = Words {
    changed: "done",
    unchanged: "done",
};

/// The pool of commands that lock cargo's target directory.
pub(crate) const TARGET: &str = "target";

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_owned)
}

/// The directory that cargo builds in.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs us.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// The output of each command, by its name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs(Arc<Mutex<BTreeMap<String, String>>>);

impl Outputs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command of this name, and records what it prints.
    pub(crate) fn capture(
        &self,
        name: &str,
        command: &Command,
        context: &TaskContext,
    ) -> Result<Effect, Failure> {
        let exit = context.run_with(command, |stream, line| {
            let mut outputs = self.lock();
            let output = outputs.entry(name.to_owned()).or_default();
            output.push_str(line);
            output.push('\n');
            drop(outputs);
            context.output(stream, line);
        })?;
        match exit.success() {
            true => Ok(Effect::Changed),
            false => Err(Failure::new(format!("ended with {exit}"))),
        }
    }

    /// The lines of a test's output that say what it could not test.
    pub(crate) fn skips(&self, name: &str) -> Vec<String> {
        let outputs = self.lock();
        let lines = outputs.get(name).map_or("", String::as_str).lines();
        lines
            .filter(|line| line.starts_with("skipped: "))
            .map(str::to_owned)
            .collect()
    }

    /// The output recorded under this name.
    pub(crate) fn of(&self, name: &str) -> String {
        self.lock().get(name).cloned().unwrap_or_default()
    }
}

/// Commands and their dependencies.
#[derive(Default)]
pub(crate) struct Commands {
    graph: TaskGraph,
    pub(crate) outputs: Outputs,
}

impl Commands {
    /// Adds a command. Those of one pool run one after another.
    pub(crate) fn add(&mut self, name: &str, command: Command, pool: Option<&str>) -> TaskId {
        let command = command.directory(root());
        let (outputs, unit) = (self.outputs.clone(), name.to_owned());
        self.add_work(name, pool, move |context| {
            outputs.capture(&unit, &command, context)
        })
    }

    /// Adds a piece of work.
    pub(crate) fn add_work(
        &mut self,
        name: &str,
        pool: Option<&str>,
        work: impl FnMut(&TaskContext) -> Result<Effect, Failure> + Send + 'static,
    ) -> TaskId {
        // The builds are long, and what else there is waits for them or for their lock.
        self.add_work_of(name, pool, Duration::from_secs(60), work)
    }

    /// Adds a piece of work that takes this long; the longest start first.
    pub(crate) fn add_work_of(
        &mut self,
        name: &str,
        pool: Option<&str>,
        cost: Duration,
        work: impl FnMut(&TaskContext) -> Result<Effect, Failure> + Send + 'static,
    ) -> TaskId {
        let unit = self.graph.unit(name);
        let pools: Vec<_> = pool
            .map(|pool| self.graph.pool(pool, 1))
            .into_iter()
            .collect();
        let once = Retries {
            limit: 0,
            first_wait: Duration::ZERO,
        };
        self.graph.task(
            Task::new(unit, name, work)
                .cost(cost)
                .pools(pools)
                .retries(once),
        )
    }

    /// Runs everything, this many at once. Prints the whole output of what failed, and writes the
    /// timeline to `target/NAME.html`.
    pub(crate) fn run(self, name: &str, jobs: usize) -> Result<Report> {
        let mut view: Box<dyn Reporter> = match io::stderr().is_terminal() {
            true => Box::new(Progress::stderr(ProgressOptions::new(true, WORDS))),
            false => Box::new(Plain::new(io::stderr(), false, WORDS)),
        };
        let (mut report, mut timeline) = (Report::default(), Timeline::default());
        let summary = execute(
            self.graph,
            &Limits {
                jobs,
                ..Limits::default()
            },
            &Cancel::new(),
            |event: &Event| {
                let _ = view.report(event);
                let _ = report.report(event).and_then(|()| timeline.report(event));
            },
        )?;
        drop(view);
        let status = if summary.all_done() { "done" } else { "failed" };
        let page = HtmlPage {
            name,
            title: "cargo xtask",
            status,
            version: env!("CARGO_PKG_VERSION"),
            ..HtmlPage::default()
        };
        let file = target_directory().join(format!("{name}.html"));
        std::fs::write(&file, html(&page, &timeline, &report))
            .with_context(|| format!("cannot write {}", file.display()))?;
        summarize(name, &report, &file);
        let units = report.units.iter().zip(&summary.units);
        let failed: Vec<&str> = units
            .filter(|(_, outcome)| !outcome.is_done())
            .map(|(unit, _)| unit.name.as_str())
            .collect();
        for name in &failed {
            print_output(name, &self.outputs.of(name));
        }
        match failed.is_empty() {
            true => Ok(report),
            false => bail!("failed: {}", failed.join(", ")),
        }
    }
}

/// Prints what took longest.
#[expect(clippy::print_stderr, reason = "progress of a task for people")]
fn summarize(name: &str, report: &Report, file: &Path) {
    let mut units: Vec<_> = report
        .units
        .iter()
        .filter(|unit| unit.duration() > Duration::from_secs(5))
        .collect();
    units.sort_by_key(|unit| std::cmp::Reverse(unit.duration()));
    eprintln!(
        "{name}: {} in {}; timeline: {}",
        report.units.len(),
        duration_text(report.duration),
        file.display()
    );
    for unit in units.into_iter().take(12) {
        eprintln!("  {:>8}  {}", duration_text(unit.duration()), unit.name);
    }
}

#[expect(clippy::print_stderr, reason = "what a failed command printed")]
fn print_output(name: &str, output: &str) {
    eprintln!("--- {name}");
    // Cargo's JSON messages are not for people.
    output
        .lines()
        .filter(|line| !line.starts_with("{\"reason\":"))
        .for_each(|line| eprintln!("{line}"));
}
