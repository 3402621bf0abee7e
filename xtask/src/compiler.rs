//! The compiler of the build in `cargo xtask ci`: clippy in place of rustc, which lints what it compiles, and rustdoc after it. One build serves the linters,
//! the docs and the tests. Cargo calls us through `RUSTC_WORKSPACE_WRAPPER`, for the crates of this workspace only.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use hoist_executor::Command as Task;

use crate::run::target_directory;

/// Tells a call as a compiler from any other; its value is the directory of the docs.
const DOCS: &str = "HOIST_XTASK_DOCS";

/// A command of cargo that compiles with us.
pub(crate) fn wrap(command: Task) -> Result<Task> {
    let program = std::env::current_exe().context("cannot find this program")?;
    Ok(command.set("RUSTC_WORKSPACE_WRAPPER", program).set(DOCS, target_directory().join("doc")))
}

/// Compiles, where this is called as a compiler.
pub(crate) fn run() -> Option<Result<ExitCode>> {
    let docs = PathBuf::from(std::env::var_os(DOCS)?);
    // The name of the compiler and what it shall do. A task has no compiler for its name.
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next().filter(|name| PathBuf::from(name).file_stem() == Some(OsStr::new("rustc")))?;
    Some(compile(compiler, &arguments.collect::<Vec<_>>(), docs))
}

fn compile(compiler: OsString, arguments: &[OsString], docs: PathBuf) -> Result<ExitCode> {
    // Where nothing is written, cargo asks the compiler about itself.
    let is_crate = arguments.iter().any(is_emit);
    let mut clippy = Command::new("clippy-driver");
    clippy.arg(compiler).args(arguments);
    if is_crate {
        clippy.args(["-D", "warnings"]);
    }
    if !succeeds(clippy)? {
        return Ok(ExitCode::FAILURE);
    }
    if is_crate && !arguments.iter().any(|argument| argument == "--test") {
        let mut rustdoc = Command::new("rustdoc");
        rustdoc.args(for_rustdoc(arguments)).arg("--out-dir").arg(docs).args(["-D", "warnings"]);
        // As cargo does: a program has nothing public.
        if arguments.iter().any(|argument| argument == "bin") {
            rustdoc.arg("--document-private-items");
        }
        if !succeeds(rustdoc)? {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn succeeds(mut command: Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(status.success())
}

/// True for the option that says what is written. Cargo gives it as one word.
fn is_emit(argument: &OsString) -> bool {
    argument.to_string_lossy().starts_with("--emit=")
}

/// The arguments of a compiler without those that rustdoc does not have: what is written, and where.
fn for_rustdoc(arguments: &[OsString]) -> Vec<&OsString> {
    let mut kept = Vec::new();
    let mut remaining = arguments.iter();
    while let Some(argument) = remaining.next() {
        if argument == "--out-dir" {
            remaining.next();
        } else if !is_emit(argument) {
            kept.push(argument);
        }
    }
    kept
}
