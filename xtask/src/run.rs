//! A graph of commands, run by `hoist-executor` and shown by `hoist-reporter`: how every task of this repository runs.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use hoist_executor::{Cancel, Command, Effect, Event, EventKind, Failure, Limits, Outcome, Retries, Task, TaskGraph, TaskId, execute};
use hoist_reporter::{Plain, Progress, Reporter, Words};
use indicatif::ProgressDrawTarget;

const WORDS: Words = Words { changed: "done", unchanged: "done" };

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// The cargo that runs us.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Commands and what they wait for.
#[derive(Default)]
pub(crate) struct Commands {
    graph: TaskGraph,
    last: Vec<TaskId>,
}

impl Commands {
    /// Adds a command. Those that share the target directory of cargo run one after another.
    pub(crate) fn add(&mut self, name: &str, command: Command, pool: Option<&str>) -> TaskId {
        let command = command.directory(root());
        self.add_work(name, pool, move |context| match context.run(&command)? {
            exit if exit.success() => Ok(Effect::Changed),
            exit => Err(Failure::new(format!("{} ended with {exit}", command.line()))),
        })
    }

    /// Adds a piece of work.
    pub(crate) fn add_work(
        &mut self,
        name: &str,
        pool: Option<&str>,
        work: impl FnMut(&hoist_executor::TaskContext) -> Result<Effect, Failure> + Send + 'static,
    ) -> TaskId {
        let unit = self.graph.unit(name);
        let pools: Vec<_> = pool.map(|pool| self.graph.pool(pool, 1)).into_iter().collect();
        let task = Task::new(unit, name, work).pools(pools).retries(Retries { limit: 0, first_wait: Duration::ZERO });
        let task = self.graph.task(task);
        self.last.push(task);
        task
    }

    /// One starts only when the other is done.
    pub(crate) fn needs(&mut self, task: TaskId, other: TaskId) {
        self.graph.needs(task, other);
    }

    /// Runs everything; the output of each command is handed to `on_line` and shown where it failed, or all of it where there is no terminal.
    pub(crate) fn run(self, mut on_line: impl FnMut(&str)) -> Result<()> {
        let mut view: Box<dyn Reporter> = match io::stderr().is_terminal() {
            true => Box::new(Progress::new(ProgressDrawTarget::stderr_with_hz(10), true, WORDS)),
            false => Box::new(Plain::new(io::stderr(), true, WORDS)),
        };
        let mut report = hoist_reporter::Report::default();
        let summary = execute(self.graph, &Limits { jobs: 4, ..Limits::default() }, &Cancel::new(), |event: &Event| {
            if let EventKind::Output { line, .. } = &event.kind {
                on_line(line);
            }
            let _ = view.report(event).and_then(|()| report.report(event));
        })?;
        let failed: Vec<String> = report
            .units
            .iter()
            .zip(&summary.units)
            .filter(|(_, outcome)| !matches!(outcome, Outcome::Done { .. }))
            .map(|(unit, _)| format!("{}\n{}", unit.name, unit.tail.iter().map(|line| format!("    {line}\n")).collect::<String>()))
            .collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join("\n"));
        }
        Ok(())
    }
}
