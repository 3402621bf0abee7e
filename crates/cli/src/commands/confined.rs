//! A script kept to where its module may write: this process gives up the right to write elsewhere, and becomes the script's.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;

use hoist_core::Diagnostic;
use hoist_methods::{Enforced, Sandbox};

use crate::error::{Code, Ending};

/// Enforces the rules and becomes the command.
pub(crate) fn run(rules: &str, command: &[OsString]) -> Result<Code, Ending> {
    let rules: Sandbox = serde_json::from_str(rules)?;
    let [program, arguments @ ..] = command else { return Err(Ending::wrong(Diagnostic::error("there is no command"))) };
    let enforced = rules.enforce().map_err(|error| Ending::wrong(Diagnostic::error(format!("the sandbox cannot be set up: {error}"))))?;
    let message = match enforced {
        Enforced::Fully => "info::kept to its directories by the kernel",
        Enforced::Partly => "info::kept to its directories by the kernel, which does not know all of the rules",
        Enforced::Not => "warning::not kept to its directories: this kernel has no landlock",
    };
    let _ = writeln!(std::io::stderr(), "::hoist:{message}");
    Err(std::process::Command::new(program).args(arguments).exec().into())
}
