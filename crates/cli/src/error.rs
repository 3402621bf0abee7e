//! Kinds of failure, their exit codes, and how they are told. The only place that knows exit codes.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use hoist_core::Diagnostic;
use hoist_ledger::LedgerError;

use crate::json;
use crate::render::{self, Paint};
use crate::ui::Output;

/// How a command ended, as the exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    Ok,
    /// A core module, or with `--strict` any, failed.
    Failed,
    /// The command line, a manifest, the configuration or the plan is wrong.
    Wrong,
    /// Modules that are not core failed.
    Partial,
    /// The machine differs from the record.
    Differs,
    Interrupted,
}

impl From<ExitStatus> for ExitCode {
    fn from(code: ExitStatus) -> Self {
        ExitCode::from(match code {
            ExitStatus::Ok => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Wrong => 2,
            ExitStatus::Partial => 3,
            ExitStatus::Differs => 4,
            ExitStatus::Interrupted => 130,
        })
    }
}

/// Why a command ended before it did what it is for.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// Mistakes in what somebody wrote; nothing was started.
    Diagnostics(Vec<Diagnostic>),
    /// Anything else; nothing was started.
    Other(anyhow::Error),
    /// Interrupted before anything was started.
    Interrupted,
    /// Nobody reads our output any more.
    BrokenPipe,
}

impl CommandError {
    pub(crate) fn code(&self) -> ExitStatus {
        match self {
            CommandError::Interrupted => ExitStatus::Interrupted,
            CommandError::BrokenPipe => ExitStatus::Ok,
            _ => ExitStatus::Wrong,
        }
    }

    /// One mistake.
    pub(crate) fn wrong(diagnostic: Diagnostic) -> Self {
        CommandError::Diagnostics(vec![diagnostic])
    }
}

/// Adds to an error of the file system what was being done, and to which path.
pub(crate) trait AtPath<T> {
    /// The error as a diagnostic; `doing` is such as "cannot write the file".
    fn at(self, doing: &str, path: &Path) -> Result<T, CommandError>;
}

impl<T> AtPath<T> for std::io::Result<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T, CommandError> {
        self.map_err(|error| {
            CommandError::wrong(
                Diagnostic::error(format!("{doing}: {error}")).file(path.display().to_string()),
            )
        })
    }
}

impl From<Vec<Diagnostic>> for CommandError {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        CommandError::Diagnostics(diagnostics)
    }
}

impl From<LedgerError> for CommandError {
    fn from(error: LedgerError) -> Self {
        let diagnostic = Diagnostic::error(error.to_string());
        CommandError::wrong(match error.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        })
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => CommandError::BrokenPipe,
            _ => CommandError::Other(error.into()),
        }
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(std::io::ErrorKind::BrokenPipe) => CommandError::BrokenPipe,
            _ => CommandError::Other(error.into()),
        }
    }
}

/// Tells why a command ended: for people on standard error, for programs as one JSON document.
pub(crate) fn report(error: &CommandError, output: Output, paint: Paint) {
    match (error, output) {
        (CommandError::Diagnostics(diagnostics), Output::Json) => {
            json::print_diagnostics(diagnostics)
        }
        (CommandError::Other(error), Output::Json) => {
            json::print_diagnostics(&[Diagnostic::error(chain(error))])
        }
        (CommandError::Diagnostics(diagnostics), Output::Human) => {
            render::diagnostics(diagnostics, paint)
        }
        (CommandError::Other(error), Output::Human) => render::error(&chain(error), paint),
        (CommandError::Interrupted, _) => render::error(&"interrupted", paint),
        (CommandError::BrokenPipe, _) => {}
    }
}

fn chain(error: &anyhow::Error) -> impl Display + Into<String> {
    format!("{error:#}")
}
