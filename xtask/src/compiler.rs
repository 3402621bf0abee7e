//! The compiler wrapper of `cargo xtask ci`: runs clippy in place of rustc, then rustdoc. One build
//! serves the linters, the docs and the tests. Cargo calls it through `RUSTC_WORKSPACE_WRAPPER`,
//! for the crates of this workspace only.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use hoist_executor::Command as Task;

use crate::run::target_directory;

/// Set when cargo calls xtask as a compiler wrapper: the output directory of rustdoc.
const DOCS: &str = "HOIST_XTASK_DOCS";

/// Makes a cargo command compile through this wrapper.
pub(crate) fn wrap(command: Task) -> Result<Task> {
    let program = std::env::current_exe().context("cannot find this program")?;
    Ok(command
        .set("RUSTC_WORKSPACE_WRAPPER", program)
        .set(DOCS, target_directory().join("doc")))
}

/// Compiles a crate if cargo called xtask as a compiler wrapper; `None` otherwise.
pub(crate) fn run() -> Option<Result<ExitCode>> {
    let docs = PathBuf::from(std::env::var_os(DOCS)?);
    // Cargo passes the path of rustc and its arguments; no task is called rustc.
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments
        .next()
        .filter(|name| PathBuf::from(name).file_stem() == Some(OsStr::new("rustc")))?;
    Some(compile(compiler, &arguments.collect::<Vec<_>>(), docs))
}

fn compile(compiler: OsString, arguments: &[OsString], docs: PathBuf) -> Result<ExitCode> {
    // Without `--emit`, cargo only queries the compiler's version and targets.
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
        rustdoc
            .args(for_rustdoc(arguments))
            .arg("--out-dir")
            .arg(docs)
            .args(["-D", "warnings"]);
        // `cargo doc` documents private items of binaries, too.
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
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(status.success())
}

/// Returns whether this is the `--emit=…` option.
fn is_emit(argument: &OsString) -> bool {
    argument.to_string_lossy().starts_with("--emit=")
}

/// Returns the arguments of rustc that rustdoc accepts, without the output directory.
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
