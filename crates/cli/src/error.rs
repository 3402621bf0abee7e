//! Kinds of failure, their exit codes, and how they are told. The only place that knows exit codes.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use hoist_core::Diagnostic;
use hoist_ledger::LedgerError;

use crate::args::Output;
use crate::json;
use crate::render::{self, Paint};

/// How a command ended, as the exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
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

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(match code {
            Code::Ok => 0,
            Code::Failed => 1,
            Code::Wrong => 2,
            Code::Partial => 3,
            Code::Differs => 4,
            Code::Interrupted => 130,
        })
    }
}

/// Why a command ended before it did what it is for.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Mistakes in what somebody wrote; nothing was started.
    Diagnostics(Vec<Diagnostic>),
    /// Anything else; nothing was started.
    Other(anyhow::Error),
    /// Interrupted before anything was started.
    Interrupted,
    /// Nobody reads our output any more.
    BrokenPipe,
}

impl Ending {
    pub(crate) fn code(&self) -> Code {
        match self {
            Ending::Interrupted => Code::Interrupted,
            Ending::BrokenPipe => Code::Ok,
            _ => Code::Wrong,
        }
    }

    /// One mistake.
    pub(crate) fn wrong(diagnostic: Diagnostic) -> Self {
        Ending::Diagnostics(vec![diagnostic])
    }
}

/// Adds to an error of the file system what was being done, and to which path.
pub(crate) trait AtPath<T> {
    /// The error as a diagnostic; `doing` is such as "cannot write the file".
    fn at(self, doing: &str, path: &Path) -> Result<T, Ending>;
}

impl<T> AtPath<T> for std::io::Result<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T, Ending> {
        self.map_err(|error| {
            Ending::wrong(
                Diagnostic::error(format!("{doing}: {error}")).file(path.display().to_string()),
            )
        })
    }
}

impl From<Vec<Diagnostic>> for Ending {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Ending::Diagnostics(diagnostics)
    }
}

impl From<LedgerError> for Ending {
    fn from(error: LedgerError) -> Self {
        let diagnostic = Diagnostic::error(error.to_string());
        Ending::wrong(match error.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        })
    }
}

impl From<std::io::Error> for Ending {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Ending::BrokenPipe,
            _ => Ending::Other(error.into()),
        }
    }
}

impl From<serde_json::Error> for Ending {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(std::io::ErrorKind::BrokenPipe) => Ending::BrokenPipe,
            _ => Ending::Other(error.into()),
        }
    }
}

/// Tells why a command ended: for people on standard error, for programs as one JSON document.
pub(crate) fn tell(ending: &Ending, output: Output, paint: Paint) {
    match (ending, output) {
        (Ending::Diagnostics(diagnostics), Output::Json) => json::print_diagnostics(diagnostics),
        (Ending::Other(error), Output::Json) => {
            json::print_diagnostics(&[Diagnostic::error(chain(error))])
        }
        (Ending::Diagnostics(diagnostics), Output::Human) => {
            render::diagnostics(diagnostics, paint)
        }
        (Ending::Other(error), Output::Human) => render::error(&chain(error), paint),
        (Ending::Interrupted, _) => render::error(&"interrupted", paint),
        (Ending::BrokenPipe, _) => {}
    }
}

fn chain(error: &anyhow::Error) -> impl Display + Into<String> {
    format!("{error:#}")
}
