//! `hoist config`, and the questions about configuration files before a run.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hoist_core::Diagnostic;
use hoist_engine::config::diff;
use hoist_files::{Suffix, back_up, backups, digest, pending, read, write};
use hoist_ledger::{ConfigRecord, read_configs, read_edited};
use serde_json::json;

use crate::args::{ConfigAction, Global};
use crate::error::{AtPath, CommandError, ExitStatus};
use crate::json;
use crate::render::{self, DIM, GREEN, Paint, YELLOW, painted};
use crate::session::{self, Session};
use crate::ui::Output;

/// Lists, compares, restores.
pub(crate) fn run(global: &Global, action: &ConfigAction) -> Result<ExitStatus, CommandError> {
    let (_, _, places) = session::detect()?;
    let records = read_configs(&places.state)?;
    match action {
        ConfigAction::List => list(global, &records, &read_edited(&places.state)?),
        ConfigAction::Diff { files } => show_differences(global, &records, files),
        ConfigAction::Restore { file, from } => {
            let code = restore(&records, file, from.as_deref())?;
            // Where the settings of a collection cannot be read, those of the user count.
            let session = Session::open(global).or_else(|_| Session::without_sources(global))?;
            crate::run::prune_backups(&session)?;
            Ok(code)
        }
    }
}

/// State of an installed configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unchanged,
    Modified,
    Removed,
    Unreadable,
    /// Hoist found the file, and did not write it.
    Untracked,
}

impl State {
    fn of(record: &ConfigRecord) -> Self {
        match read(&record.path) {
            Ok(None) => State::Removed,
            Err(_) => State::Unreadable,
            Ok(Some(found))
                if digest(found.as_slice()).is_ok_and(|found| found == record.digest) =>
            {
                State::Unchanged
            }
            Ok(_) if record.digest.is_empty() => State::Untracked,
            Ok(_) => State::Modified,
        }
    }

    /// The state in text.
    fn as_str(self) -> &'static str {
        match self {
            State::Unchanged => "unchanged",
            State::Modified => "modified",
            State::Removed => "removed",
            State::Unreadable => "unreadable",
            State::Untracked => "untracked",
        }
    }

    /// The state in JSON output, whose values do not change.
    fn as_json(self) -> &'static str {
        match self {
            State::Unchanged => "as installed",
            State::Modified => "changed",
            State::Untracked => "not hoist's",
            other => other.as_str(),
        }
    }
}

/// Lists the configuration files of modules, and files of others that modules have edited.
fn list(
    global: &Global,
    records: &[ConfigRecord],
    edited: &BTreeMap<PathBuf, Vec<String>>,
) -> Result<ExitStatus, CommandError> {
    if global.output == Output::Json {
        let entry = |record: &ConfigRecord| {
            let waiting = pending(&record.path);
            let new = (record.pending.is_some() && waiting.exists()).then_some(waiting);
            json!({ "path": record.path, "module": record.module, "state": State::of(record).as_json(), "new": new, "backups": backups(&record.path) })
        };
        let edit = |(path, modules): (&PathBuf, &Vec<String>)| json!({ "path": path, "module": modules.join(", "), "state": "edited", "new": null, "backups": backups(path) });
        json::print(
            &records
                .iter()
                .map(entry)
                .chain(edited.iter().map(edit))
                .collect(),
        )?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let former = |path: &Path| match backups(path) {
        found if found.is_empty() => None,
        found if global.verbose => {
            let names = found
                .iter()
                .filter_map(|backup| Some(backup.file_name()?.to_string_lossy().into_owned()));
            Some(format!("backups: {}", names.collect::<Vec<_>>().join(", ")))
        }
        found => Some(render::count(found.len(), "backup")),
    };
    let row = |record: &ConfigRecord| {
        let state = State::of(record);
        let colour = if state == State::Unchanged {
            GREEN
        } else {
            YELLOW
        };
        let mut more = Vec::new();
        if record.pending.is_some() && pending(&record.path).exists() {
            more.push(format!("new version: {}", pending(&record.path).display()));
        }
        more.extend(former(&record.path));
        vec![
            painted(paint.stdout, colour, state.as_str()),
            record.path.display().to_string(),
            record.module.to_string(),
            painted(paint.stdout, DIM, &more.join("; ")),
        ]
    };
    let edit = |(path, modules): (&PathBuf, &Vec<String>)| {
        let (state, more) = (
            painted(paint.stdout, DIM, "edited"),
            painted(paint.stdout, DIM, &former(path).unwrap_or_default()),
        );
        vec![state, path.display().to_string(), modules.join(", "), more]
    };
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(row)
        .chain(edited.iter().map(edit))
        .collect();
    let text = match rows.is_empty() {
        true => "No configuration files.\n".to_owned(),
        false => render::titled_table(&["STATUS", "FILE", "MODULE", "DETAILS"], rows, paint.stdout),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}

fn show_differences(
    global: &Global,
    records: &[ConfigRecord],
    files: &[PathBuf],
) -> Result<ExitStatus, CommandError> {
    let chosen: Vec<&ConfigRecord> = match files {
        [] => records.iter().collect(),
        files => files
            .iter()
            .map(|file| find(records, file))
            .collect::<Result<_, _>>()?,
    };
    let mut differences = Vec::new();
    for record in chosen {
        let found = read(&record.path).ok().flatten().unwrap_or_default();
        let name = record.path.display().to_string();
        let waiting = read(&pending(&record.path))
            .ok()
            .flatten()
            .filter(|_| record.pending.is_some());
        // What waits beside it is what a person has to compare with, else what hoist put there.
        let text = match (waiting, &record.contents) {
            (Some(new), _) => diff(
                (&found, &name),
                (&new, &pending(&record.path).display().to_string()),
            ),
            (None, Some(put)) if *put != found => {
                diff((put, &format!("{name} (as installed)")), (&found, &name))
            }
            _ => continue,
        };
        differences.push((record, text));
    }
    if global.output == Output::Json {
        json::print(
            &differences.iter().map(|(record, text)| json!({ "path": record.path, "module": record.module, "diff": text })).collect(),
        )?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let mut text: String = differences
        .iter()
        .map(|(_, text)| render::colored_diff(text, paint.stdout))
        .collect();
    if text.is_empty() {
        text = "No differences.\n".to_owned();
    }
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}

fn find<'r>(records: &'r [ConfigRecord], file: &Path) -> Result<&'r ConfigRecord, CommandError> {
    let path = std::path::absolute(file)?;
    records
        .iter()
        .find(|record| record.path == path)
        .ok_or_else(|| {
            let wrong = Diagnostic::error("hoist did not install this configuration file")
                .file(path.display().to_string());
            CommandError::wrong(wrong.help("run `hoist config list` to list configuration files"))
        })
}

fn restore(
    records: &[ConfigRecord],
    file: &Path,
    from: Option<&Path>,
) -> Result<ExitStatus, CommandError> {
    let path = std::path::absolute(file)?;
    let copies = backups(&path);
    if copies.is_empty() && from.is_none() {
        find(records, file)?;
    }
    let newest = || {
        let wrong = Diagnostic::error("the configuration file has no backup")
            .file(path.display().to_string());
        copies.last().cloned().ok_or_else(|| {
            CommandError::wrong(wrong.help("run `hoist config list -v` to list backups"))
        })
    };
    let copy = from
        .map(std::path::absolute)
        .transpose()?
        .map_or_else(newest, Ok)?;
    if !copies.contains(&copy) {
        let wrong = Diagnostic::error(format!("the file is not a backup of {}", path.display()))
            .file(copy.display().to_string());
        let known = copies.last().map_or_else(
            || "it has no backups".to_owned(),
            |copy| format!("the newest backup is {}", copy.display()),
        );
        return Err(CommandError::wrong(wrong.help(format!(
            "run `hoist config list -v` to list backups; {known}"
        ))));
    }
    let unreadable = |error: io::Error| {
        CommandError::wrong(
            Diagnostic::error(format!("cannot read the file: {error}"))
                .file(copy.display().to_string()),
        )
    };
    let contents = read(&copy)
        .and_then(|found| found.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(unreadable)?;
    // What hoist put there, or a copy has, is not lost.
    let present = read(&path).ok().flatten();
    let is_known = present.as_ref().is_some_and(|present| {
        let is_installed = |record: &ConfigRecord| {
            record.path == path && record.contents.as_ref() == Some(present)
        };
        records.iter().any(is_installed)
            || copies
                .iter()
                .any(|copy| read(copy).is_ok_and(|copy| copy.as_ref() == Some(present)))
    });
    if path.exists() && !is_known {
        let wrong = |error: io::Error| {
            let message = format!("cannot back up the current file: {error}");
            CommandError::wrong(
                Diagnostic::error(message)
                    .file(path.display().to_string())
                    .help("nothing was changed"),
            )
        };
        let suffix = if records.iter().any(|record| record.path == path) {
            Suffix::Config
        } else {
            Suffix::Usual
        };
        let aside = back_up(&path, suffix).map_err(wrong)?;
        render::print_note(&format!(
            "The current file was moved to {}",
            aside.display()
        ));
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &copy.metadata().map_err(unreadable)?.permissions(),
    ) & 0o777;
    write(&path, &contents, mode).at("cannot restore the file", &path)?;
    writeln!(
        io::stdout(),
        "Restored {} from {}",
        path.display(),
        copy.display()
    )?;
    Ok(ExitStatus::Ok)
}
