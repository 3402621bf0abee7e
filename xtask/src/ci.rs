//! What continuous integration runs: one graph, the executor's first foreign user.

use anyhow::Result;
use hoist_executor::{Command, Effect, Failure};

use crate::run::{Commands, cargo};
use crate::{lint, test, tidy};

/// Runs everything and closes with the number of tests.
#[expect(clippy::print_stdout, reason = "the closing line is for people and programs")]
pub(crate) fn run() -> Result<()> {
    let mut commands = Commands::default();
    lint::add(&mut commands);
    commands.add_work("tidy", None, |_| match tidy::findings() {
        Ok(findings) if findings.is_empty() => Ok(Effect::Changed),
        Ok(findings) => Err(Failure::new(findings.join("; "))),
        Err(error) => Err(Failure::new(format!("{error:#}"))),
    });
    let docs = Command::new(cargo()).args(["doc", "--workspace", "--no-deps", "--quiet"]).set("RUSTDOCFLAGS", "-D warnings");
    commands.add("docs", docs, Some("target"));
    // The examples are built with the tests.
    test::add(&mut commands);
    let (mut passed, mut failed) = (0, 0);
    let ran = commands.run(|line| {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let count = |word: &str| {
            counts.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<usize>().ok()).unwrap_or(0)
        };
        passed += count("passed");
        failed += count("failed");
    });
    println!("{passed} passed, {failed} failed");
    ran
}
