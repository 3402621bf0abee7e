//! The test programs that cargo built, and the tests in them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hoist_executor::Command;
use serde_json::Value;

/// A program that cargo built.
#[derive(Debug)]
pub(crate) struct Suite {
    /// The name of its package and target.
    name: String,
    program: PathBuf,
    /// The directory of its package.
    directory: PathBuf,
    is_test: bool,
}

/// A process that runs one test, or all tests of a suite.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) command: Command,
}

/// The suite whose tests each run in a process of their own.
const SCENARIOS: &str = "scenarios";

/// Modules of that suite that run in one process, since their tests share a server.
const TOGETHER: &[&str] = &["compose"];

impl Suite {
    /// The path of hoist, where this is it.
    pub(super) fn hoist(&self) -> Option<&Path> {
        (!self.is_test && self.name == "hoist").then_some(self.program.as_path())
    }

    fn command(&self) -> Command {
        let directory = self.directory.clone();
        Command::new(&self.program)
            .directory(&directory)
            .set("CARGO_MANIFEST_DIR", &directory)
    }

    /// The names of its tests.
    fn list(&self) -> Result<Vec<String>> {
        let mut command = std::process::Command::new(&self.program);
        let output = command
            .args(["--list", "--format", "terse"])
            .current_dir(&self.directory)
            .output();
        let output = output.with_context(|| format!("cannot run {}", self.program.display()))?;
        if !output.status.success() {
            bail!("{} --list: {}", self.program.display(), output.status);
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(str::to_owned)
            .collect())
    }
}

/// Reads the messages of `cargo test --no-run --message-format json`.
pub(super) fn built(messages: &str) -> Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value =
            serde_json::from_str(line).with_context(|| format!("cargo printed {line}"))?;
        let Some(program) = message["executable"].as_str() else {
            continue;
        };
        let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
        let directory = manifest.parent().unwrap_or(manifest).to_owned();
        let target = message["target"]["name"].as_str().unwrap_or_default();
        if message["target"]["kind"][0] == "example" {
            continue;
        }
        let is_test = message["profile"]["test"] == true;
        suites.push(Suite {
            name: target.to_owned(),
            program: program.into(),
            directory,
            is_test,
        });
    }
    if suites.is_empty() {
        bail!("cargo built no tests");
    }
    Ok(suites)
}

/// The processes that run all tests whose names have one of `filters` in them.
pub(super) fn tests(suites: &[Suite], filters: &[String]) -> Result<Vec<Test>> {
    let is_selected = |name: &str| {
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let mut tests = Vec::new();
    for suite in suites.iter().filter(|suite| suite.is_test) {
        let names: Vec<String> = suite
            .list()?
            .into_iter()
            .filter(|name| is_selected(name))
            .collect();
        if names.is_empty() {
            continue;
        }
        if suite.name != SCENARIOS {
            let package = suite
                .directory
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            let command = suite.command().args(filters);
            tests.push(Test {
                name: format!("{package}/{}", suite.name),
                command,
            });
            continue;
        }
        let is_together = |name: &&String| {
            TOGETHER
                .iter()
                .any(|module| name.starts_with(&format!("{module}::")))
        };
        let (together, alone): (Vec<&String>, Vec<&String>) = names.iter().partition(is_together);
        for name in alone {
            let command = suite.command().args(["--exact", name, "--nocapture"]);
            tests.push(Test {
                name: name.clone(),
                command,
            });
        }
        for module in TOGETHER {
            let prefix = format!("{module}::");
            let names: Vec<&String> = together
                .iter()
                .copied()
                .filter(|name| name.starts_with(&prefix))
                .collect();
            if !names.is_empty() {
                let command = suite
                    .command()
                    .args(["--test-threads", "2", "--exact"])
                    .args(names);
                tests.push(Test {
                    name: (*module).to_owned(),
                    command,
                });
            }
        }
    }
    match tests.is_empty() {
        true => bail!("no test has {} in its name", filters.join(" or ")),
        false => Ok(tests),
    }
}
