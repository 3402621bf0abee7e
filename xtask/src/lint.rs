//! Formatting, clippy, and cargo-deny where it is installed.

use anyhow::Result;
use hoist_executor::Command;

use crate::run::{Commands, cargo};

/// Runs the linters.
pub(crate) fn run() -> Result<()> {
    let mut commands = Commands::default();
    add(&mut commands);
    commands.run(|_| {})
}

/// Adds the linters.
pub(crate) fn add(commands: &mut Commands) {
    commands.add("format", Command::new(cargo()).args(["fmt", "--all", "--check"]), None);
    let clippy = Command::new(cargo()).args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]);
    commands.add("clippy", clippy, Some("target"));
    let deny = Command::new(cargo()).args(["deny", "--all-features", "check"]);
    let probe = Command::new(cargo()).args(["deny", "--version"]);
    commands.add_work("licences and advisories", None, move |context| {
        if !context.run(&probe)?.success() {
            context.note(hoist_executor::Level::Info, "cargo-deny is not installed");
            return Ok(hoist_executor::Effect::Unchanged);
        }
        match context.run(&deny)? {
            exit if exit.success() => Ok(hoist_executor::Effect::Changed),
            exit => Err(hoist_executor::Failure::new(format!("cargo deny ended with {exit}"))),
        }
    });
}
