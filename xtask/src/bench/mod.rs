//! Measurements against peers or bounds, in the same run: interleaved, as medians and ratios.

mod applications;
mod hosts;
mod packages;
mod runs;
mod scaling;
mod sleeps;
mod sources;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::run::{cargo, root};

/// What one row is measured against.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: Duration,
    pub(crate) peer: String,
    pub(crate) theirs: Duration,
    /// At most so many times theirs.
    pub(crate) bar: f64,
}

type Measure = fn(&Bench) -> Result<Vec<Row>>;

const ROWS: &[(&str, Measure)] = &[
    ("custom", runs::custom),
    ("plan", runs::plan),
    ("clones", runs::clones),
    ("pip", packages::pip),
    ("apt", packages::apt),
    ("index", sources::index),
    ("community", sources::community_modules),
    ("rocks", sources::rocks),
    ("applications", applications::applications),
    ("plugins", hosts::plugins),
    ("hosts", hosts::hosts),
    ("scaling", scaling::scaling),
    ("sleeps", sleeps::sleeps),
];

/// What the measurements share.
pub(crate) struct Bench {
    pub(crate) hoist: PathBuf,
    pub(crate) rounds: usize,
}

/// Measures the rows whose names are given, else all, and prints a table.
#[expect(clippy::print_stdout, reason = "the table is for people")]
pub(crate) fn run(names: &[String]) -> Result<()> {
    let built = Command::new(cargo())
        .args([
            "build",
            "--profile",
            "dist",
            "--quiet",
            "--package",
            "hoist",
        ])
        .current_dir(root())
        .status()?;
    if !built.success() {
        bail!("hoist does not build");
    }
    let bench = Bench {
        hoist: root().join("target/dist/hoist"),
        rounds: 5,
    };
    println!(
        "| what | hoist | against | takes | ratio | bar | |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
    let mut over = Vec::new();
    for (_, measure) in ROWS
        .iter()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name))
    {
        for Row {
            what,
            ours,
            peer,
            theirs,
            bar,
        } in measure(&bench)?
        {
            let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
            let verdict = if ratio <= bar { "holds" } else { "**over**" };
            println!(
                "| {what} | {:.1} ms | {peer} | {:.1} ms | {ratio:.2} | {bar} | {verdict} |",
                milliseconds(ours),
                milliseconds(theirs)
            );
            if ratio > bar {
                over.push(what);
            }
        }
    }
    match over.is_empty() {
        true => Ok(()),
        false => bail!("over their bars: {}", over.join("; ")),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The medians of two things done in turns. Each is prepared before it is measured.
pub(crate) fn interleaved(
    rounds: usize,
    mut ours: impl FnMut(usize) -> Result<Duration>,
    mut theirs: impl FnMut(usize) -> Result<Duration>,
) -> Result<(Duration, Duration)> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        match round % 2 {
            0 => {
                a.push(ours(round)?);
                b.push(theirs(round)?);
            }
            _ => {
                b.push(theirs(round)?);
                a.push(ours(round)?);
            }
        }
    }
    Ok((median(a), median(b)))
}

/// The one in the middle.
pub(crate) fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}

/// How long a command takes; it has to succeed.
pub(crate) fn timed(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let output = command.output()?;
    let took = start.elapsed();
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(took)
}
