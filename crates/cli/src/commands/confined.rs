//! A script kept to where its module may write: this process gives up the right to write elsewhere,
//! and becomes the script's.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;

use hoist_core::Diagnostic;
use hoist_machine::sandbox::{Enforced, Sandbox};

use crate::error::{CommandError, ExitStatus};

/// Enforces the rules and becomes the command.
pub(crate) fn run(rules: &str, command: &[OsString]) -> Result<ExitStatus, CommandError> {
    let rules: Sandbox = serde_json::from_str(rules)?;
    let [program, arguments @ ..] = command else {
        return Err(CommandError::wrong(Diagnostic::error(
            "there is no command",
        )));
    };
    let enforced = rules.enforce().map_err(|error| {
        CommandError::wrong(Diagnostic::error(format!(
            "cannot set up the sandbox: {error}"
        )))
    })?;
    let message = match enforced {
        Enforced::Fully => "info::write access is restricted to the directories of the module",
        Enforced::Partly => {
            "info::write access is restricted to the directories of the module; this kernel does not enforce all rules"
        }
        Enforced::Not => "warning::write access is not restricted: this kernel has no Landlock",
    };
    let _ = writeln!(std::io::stderr(), "::hoist:{message}");
    Err(std::process::Command::new(program)
        .args(arguments)
        .exec()
        .into())
}
