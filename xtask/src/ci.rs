//! What continuous integration runs: a graph that builds and lints, and one of all tests; the
//! executor's first foreign user.

use anyhow::Result;
use hoist_executor::{Effect, Failure};

use crate::run::Commands;
use crate::{compiler, lint, test, tidy};

/// Builds, runs everything, and closes with the number of tests.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = test::Options::parse(arguments)?;
    let mut build = Commands::default();
    test::add_build(&mut build, compiler::wrap)?;
    lint::add_offline(&mut build);
    build.add_work("tidy", None, |_| match tidy::findings() {
        Ok(findings) if findings.is_empty() => Ok(Effect::Changed),
        Ok(findings) => Err(Failure::new(findings.join("; "))),
        Err(error) => Err(Failure::new(format!("{error:#}"))),
    });
    let outputs = build.outputs.clone();
    build.run("build", 4)?;
    test::run_built(&test::built(&outputs)?, &options, compiler::wrap)
}
