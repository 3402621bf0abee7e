//! Formatting, clippy, and cargo-deny where it is installed.

use anyhow::Result;
use hoist_executor::{Command, Effect, Failure, Level};

use crate::run::{Commands, TARGET, cargo};

/// Runs the linters.
pub(crate) fn run() -> Result<()> {
    let mut commands = Commands::default();
    add_offline(&mut commands);
    let clippy = Command::new(cargo()).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]);
    commands.add("clippy", clippy, Some(TARGET));
    commands.run("lint", 4).map(drop)
}

/// Adds the linters that build nothing.
pub(crate) fn add_offline(commands: &mut Commands) {
    commands.add(
        "format",
        Command::new(cargo()).args(["fmt", "--all", "--check"]),
        None,
    );
    let deny = |what: &[&'static str]| {
        Command::new(cargo())
            .args(["deny", "--all-features", "check", "--hide-inclusion-graph"])
            .args(what.iter().copied())
    };
    let (offline, advisories) = (
        deny(&["bans", "licenses", "sources"]),
        deny(&["advisories"]),
    );
    let probe = Command::new(cargo()).args(["deny", "--version"]);
    commands.add_work("licences and advisories", None, move |context| {
        if !context.run(&probe)?.success() {
            context.note(Level::Info, "cargo-deny is not installed");
            return Ok(Effect::Unchanged);
        }
        let exit = context.run(&offline)?;
        if !exit.success() {
            return Err(Failure::new(format!("cargo deny ended with {exit}")));
        }
        let mut fetched = true;
        let exit = context.run_with(&advisories, |stream, line| {
            fetched &= !line.contains("failed to fetch advisory database");
            context.output(stream, line);
        })?;
        match exit.success() || !fetched {
            true => Ok(Effect::Changed),
            false => Err(Failure::new(format!(
                "cargo deny check advisories ended with {exit}"
            ))),
        }
    });
}
