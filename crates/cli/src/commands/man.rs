//! `hoist man`, `hoist completions`, `hoist schema`: what other programs want to know about hoist.

use std::io::Write;
use std::path::Path;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;
use hoist_core::{Diagnostic, schema};

use crate::args::{self, Global};
use crate::error::{AtPath, CommandError, ExitStatus};
use crate::session::{self, Session};
use crate::systems::GRAMMAR;

/// The manual page of the program, or all pages into a directory.
pub(crate) fn man(directory: Option<&Path>) -> Result<ExitStatus, CommandError> {
    match directory {
        None => args::page(&mut std::io::stdout().lock())?,
        Some(directory) => {
            std::fs::create_dir_all(directory).at("cannot create the directory", directory)?;
            args::pages(directory).at("cannot write manual pages to the directory", directory)?;
        }
    }
    Ok(ExitStatus::Ok)
}

/// What a shell has to source to complete commands, options and the names of modules.
pub(crate) fn completions(shell: &str) -> Result<ExitStatus, CommandError> {
    let shells = Shells::builtins();
    let unknown = || {
        CommandError::wrong(Diagnostic::error(format!(
            "no completions for shell `{}`",
            shell.escape_debug()
        )))
    };
    let completer = shells.completer(shell).ok_or_else(unknown)?;
    let program = std::env::current_exe()?.display().to_string();
    completer.write_registration(
        "COMPLETE",
        "hoist",
        "hoist",
        &program,
        &mut std::io::stdout().lock(),
    )?;
    Ok(ExitStatus::Ok)
}

/// The shells there are completions for.
pub(crate) const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// The names of all modules, for completion.
pub(crate) fn modules() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Ok(session) = Session::open(&Global {
            is_silent: true,
            anywhere: true,
            ..Global::default()
        }) else {
            return Vec::new();
        };
        let candidate = |module: &hoist_core::Module| {
            CompletionCandidate::new(module.id.as_str()).help(Some(module.summary.clone().into()))
        };
        session.catalog.modules().map(candidate).collect()
    })
}

/// The names of what is installed, for completion.
pub(crate) fn installed() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let state = session::detect().map(|(_, _, places)| places.state);
        let installed = state
            .and_then(|state| Ok(hoist_ledger::read(&state)?))
            .unwrap_or_default();
        installed
            .modules
            .keys()
            .chain(installed.unfinished.keys())
            .map(|id| CompletionCandidate::new(id.as_str()))
            .collect()
    })
}

/// The names of past runs, for completion.
pub(crate) fn runs() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let state = session::detect().map(|(_, _, places)| places.state);
        let runs = state
            .and_then(|state| Ok(hoist_ledger::history(&state, 50)?))
            .unwrap_or_default();
        let candidate = |run: hoist_ledger::RunSummary| {
            CompletionCandidate::new(run.run_id)
                .help(Some(format!("{}: {}", run.action, run.status).into()))
        };
        runs.into_iter().map(candidate).collect()
    })
}

/// The JSON Schema of a file format or of a document that hoist prints.
pub(crate) fn json_schema(kind: &str) -> Result<ExitStatus, CommandError> {
    let unknown = || {
        CommandError::wrong(Diagnostic::error(format!(
            "unknown schema `{}`",
            kind.escape_debug()
        )))
    };
    crate::json::print(&schema::of(kind, &GRAMMAR).ok_or_else(unknown)?)?;
    std::io::stdout().flush()?;
    Ok(ExitStatus::Ok)
}
