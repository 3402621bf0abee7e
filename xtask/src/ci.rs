//! What continuous integration runs: two graphs, the executor's first foreign user.

use anyhow::Result;
use hoist_executor::{Command, Effect, Failure};

use crate::run::{Commands, TARGET, cargo};
use crate::{lint, test, tidy};

/// Builds, runs everything, and closes with the number of tests.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = test::Options::parse(arguments)?;
    let mut build = Commands::default();
    test::add_build(&mut build);
    lint::add_offline(&mut build);
    build.add_work("tidy", None, |_| match tidy::findings() {
        Ok(findings) if findings.is_empty() => Ok(Effect::Changed),
        Ok(findings) => Err(Failure::new(findings.join("; "))),
        Err(error) => Err(Failure::new(format!("{error:#}"))),
    });
    let outputs = build.outputs.clone();
    build.run("build", 4)?;
    let suites = test::built(&outputs)?;
    // The compiler's work goes on while tests wait for servers.
    let mut commands = Commands::default();
    lint::add_clippy(&mut commands);
    let docs = Command::new(cargo()).args(["doc", "--workspace", "--no-deps", "--quiet"]).set("RUSTDOCFLAGS", "-D warnings");
    commands.add("docs", docs, Some(TARGET));
    test::run_built(&suites, &options, commands)
}
