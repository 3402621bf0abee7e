//! All tests, with what they need: the second command of the README. The executor runs each
//! scenario as a process of its own, the longest first.

mod durations;
mod packages;
mod scratch;
mod suites;

use std::time::Duration;

use anyhow::{Result, bail};
use hoist_executor::Command;

use crate::run::{Commands, TARGET, cargo};
use durations::Durations;
use scratch::Scratch;
use suites::{Suite, Test};

/// The options of `cargo xtask test`.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Run everything that is otherwise sampled.
    pub(crate) full: bool,
    /// Write the durations of this run to `tests/durations.txt`.
    pub(crate) record: bool,
    /// Run only tests with one of these in their names; all where there is none.
    pub(crate) filters: Vec<String>,
}

impl Options {
    /// Reads the arguments.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--full" => options.full = true,
                "--record" => options.record = true,
                option if option.starts_with('-') => {
                    bail!("unknown option {option}; the options are --full and --record")
                }
                filter => options.filters.push(filter.to_owned()),
            }
        }
        Ok(options)
    }
}

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    passed: usize,
    failed: usize,
}

/// Installs what is missing, builds the tests and runs them.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let mut commands = Commands::default();
    add_build(&mut commands, Ok)?;
    let outputs = commands.outputs.clone();
    commands.run("build", 4)?;
    run_built(&built(&outputs)?, &options, Ok)
}

/// Prefix of the tests of `--sandbox`, which allows writing below `/dev`, and so in `/dev/shm`.
const CONFINED: &str = "sandbox::";

const BUILD: &str = "build of the tests";

/// Adds the tasks that tests depend on. `wrap` adjusts the commands of cargo.
pub(crate) fn add_build(
    commands: &mut Commands,
    wrap: fn(Command) -> Result<Command>,
) -> Result<()> {
    packages::add(commands);
    let build = Command::new(cargo()).args([
        "test",
        "--workspace",
        "--no-run",
        "--quiet",
        "--message-format",
        "json-render-diagnostics",
    ]);
    commands.add(BUILD, wrap(build)?, Some(TARGET));
    Ok(())
}

/// The suites that the build of [`add_build`] made.
pub(crate) fn built(commands: &crate::run::Outputs) -> Result<Vec<Suite>> {
    suites::built(&commands.of(BUILD))
}

/// Runs tests, and prints how many passed.
#[expect(
    clippy::print_stdout,
    reason = "the closing line is for people and programs"
)]
pub(crate) fn run_built(
    suites: &[Suite],
    options: &Options,
    wrap: fn(Command) -> Result<Command>,
) -> Result<()> {
    let mut commands = Commands::default();
    let durations = Durations::read()?;
    let tests = suites::tests(suites, &options.filters)?;
    let scratch = Scratch::find();
    for test in &tests {
        add(
            test,
            suites,
            &durations,
            options,
            scratch.as_ref(),
            &mut commands,
        );
    }
    if options.filters.is_empty() {
        let docs = Command::new(cargo()).args(["test", "--workspace", "--doc", "--quiet"]);
        commands.add("examples in docs", wrap(docs)?, Some(TARGET));
    }
    let outputs = commands.outputs.clone();
    let jobs = std::env::var("RUST_TEST_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok())
        .unwrap_or(5);
    let ran = commands.run("tests", jobs);
    let mut counts = Counts::default();
    for test in &tests {
        counts.add(&outputs.of(&test.name));
    }
    // What failed without a test of its own, such as the examples in docs.
    if let (Err(_), 0) = (&ran, counts.failed) {
        counts.failed = 1;
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    let report = ran?;
    if options.record {
        Durations::write(
            report
                .units
                .iter()
                .map(|unit| (unit.name.as_str(), unit.duration())),
        )?;
    }
    Ok(())
}

fn add(
    test: &Test,
    suites: &[Suite],
    durations: &Durations,
    options: &Options,
    scratch: Option<&Scratch>,
    commands: &mut Commands,
) {
    let mut command = test.command.clone();
    if let Some(hoist) = suites.iter().find_map(|suite| suite.hoist()) {
        command = command.set("HOIST_BINARY", hoist);
    }
    if options.full {
        command = command.set("HOIST_TEST_FULL", "1");
    }
    if let Some(scratch) = scratch.filter(|_| !test.name.starts_with(CONFINED)) {
        command = command.set("TMPDIR", scratch.path());
    }
    let outputs = commands.outputs.clone();
    let name = test.name.clone();
    let cost = durations.of(&test.name).unwrap_or(Duration::from_secs(1));
    commands.add_work_of(&test.name, None, cost, move |context| {
        let ran = outputs.capture(&name, &command, context);
        outputs
            .skips(&name)
            .into_iter()
            .for_each(|skip| context.note(hoist_executor::Level::Warning, skip));
        ran
    });
}

impl Counts {
    /// Adds what a test program printed last.
    fn add(&mut self, output: &str) {
        let Some(result) = output
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("test result: "))
        else {
            return;
        };
        let count = |word: &str| {
            let mut parts = result.split([';', '.']);
            parts
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<usize>().ok())
                .unwrap_or(0)
        };
        self.passed += count("passed");
        self.failed += count("failed");
    }
}
