//! `hoist status`: compares installed modules with the record of their install. Runs and writes
//! nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use hoist_core::{Diagnostic, Installed, InstalledModule, Module, ModuleId};
use hoist_engine::verify::{Drift, drift};
use hoist_ledger::Reader;
use rayon::prelude::*;
use serde_json::json;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::json;
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, YELLOW, painted};
use crate::run::not_installed;
use crate::session::Session;
use crate::systems::REGISTRY;
use crate::ui::Output;

/// Status of an installed module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Every recorded file matches its record.
    Unchanged,
    /// Nothing is recorded or declared that could be compared.
    Unverified,
    /// Recorded files have another content, type or mode.
    Modified,
    /// Recorded files or packages do not exist.
    Missing,
    /// The last change of the module failed.
    Failed,
    /// The last change of the module was interrupted.
    Interrupted,
    /// A run is changing the module.
    #[serde(rename = "in_progress")]
    InProgress,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Unchanged => "unchanged",
            State::Unverified => "unverified",
            State::Modified => "modified",
            State::Missing => "missing",
            State::Failed => "failed",
            State::Interrupted => "interrupted",
            State::InProgress => "in progress",
        }
    }

    fn differs(self) -> bool {
        !matches!(
            self,
            State::Unchanged | State::Unverified | State::InProgress
        )
    }
}

/// An installed module, compared with its record.
struct Entry<'a> {
    id: &'a ModuleId,
    record: &'a InstalledModule,
    state: State,
    drift: Drift,
    /// The directory of its clone, if it is one.
    clone: Option<PathBuf>,
}

/// Maximum number of differences listed for each module, unless `--verbose` is given.
const MAX_LISTED: usize = 5;

/// Compares the given modules, or every installed module.
pub(crate) fn run(global: &Global, names: &[String]) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let installed = session.installed()?;
    session.catalog.prefer_installed(&installed);
    let selected = select(&installed, names, global)?;
    let entries = compare(&session, &installed, selected)?;
    let code = if entries.iter().any(|entry| entry.state.differs()) {
        ExitStatus::Differs
    } else {
        ExitStatus::Ok
    };
    match global.output {
        Output::Json => print_json(&entries)?,
        Output::Human => print(&entries, global, &session.home)?,
    }
    Ok(code)
}

/// The installed and unfinished modules with one of these names, all if there are none.
fn select<'a>(
    installed: &'a Installed,
    names: &[String],
    global: &Global,
) -> Result<Vec<(&'a ModuleId, &'a InstalledModule)>, CommandError> {
    let all = || {
        let unfinished = installed
            .unfinished
            .iter()
            .filter(|(id, _)| !installed.modules.contains_key(*id));
        installed.modules.iter().chain(unfinished)
    };
    let short = |name: &str| {
        name.rsplit_once('/')
            .map_or(name, |(_, short)| short)
            .to_owned()
    };
    let unknown: Vec<Diagnostic> = names
        .iter()
        .filter(|name| !all().any(|(id, _)| id.as_str() == short(name)))
        .map(|name| not_installed(name))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown.into());
    }
    let is_selected = |id: &ModuleId, record: &InstalledModule| {
        let is_named = names.is_empty() || names.iter().any(|name| short(name) == id.as_str());
        is_named
            && global
                .source
                .as_ref()
                .is_none_or(|source| *source == record.source)
    };
    let mut selected: Vec<_> = all()
        .filter(|(id, record)| is_selected(id, record))
        .collect();
    selected.sort_by_key(|(id, _)| id.as_str());
    Ok(selected)
}

fn compare<'a>(
    session: &Session,
    installed: &Installed,
    selected: Vec<(&'a ModuleId, &'a InstalledModule)>,
) -> Result<Vec<Entry<'a>>, CommandError> {
    if selected.is_empty() {
        return Ok(Vec::new());
    }
    let entry = |reader: &mut Result<Reader, hoist_ledger::LedgerError>,
                 (id, record): (&'a ModuleId, &'a InstalledModule)| {
        let reader = reader
            .as_ref()
            .map_err(|error| CommandError::wrong(Diagnostic::error(error.to_string())))?;
        let known = session
            .catalog
            .get(id.as_str())
            .filter(|module| record.policy().keeps_source == module.policy().keeps_source);
        let module = known
            .cloned()
            .unwrap_or_else(|| Module::remembered(id.clone(), record));
        let drift = drift(REGISTRY, reader, &module, record, &session.home).map_err(|failure| {
            CommandError::wrong(
                Diagnostic::error(format!(
                    "cannot compare the module with its record: {failure}"
                ))
                .module(id.as_str()),
            )
        })?;
        let state = match () {
            () if installed.in_progress.contains(id) => State::InProgress,
            () if installed.interrupted.contains(id) => State::Interrupted,
            () if installed.unfinished.contains_key(id) => State::Failed,
            () if !drift.missing.is_empty() => State::Missing,
            () if !drift.modified.is_empty() => State::Modified,
            () if drift.is_verifiable => State::Unchanged,
            () => State::Unverified,
        };
        let clone = module
            .repository
            .as_ref()
            .map(|repository| repository.dir.clone())
            .filter(|dir| dir.join(".git").exists());
        Ok(Entry {
            id,
            record,
            state,
            drift,
            clone,
        })
    };
    selected
        .into_par_iter()
        .with_min_len(8)
        .map_init(|| Reader::open(&session.places.state), entry)
        .collect()
}

fn print_json(entries: &[Entry<'_>]) -> Result<(), CommandError> {
    let modules: Vec<_> = entries
        .iter()
        .map(
            |Entry {
                 id,
                 record,
                 state,
                 drift,
                 ..
             }| {
                json!({
                    "name": id, "state": state, "version": record.version, "source": record.source,
                    "missing": drift.missing, "modified": drift.modified,
                })
            },
        )
        .collect();
    let differs = entries.iter().any(|entry| entry.state.differs());
    Ok(json::print(
        &json!({ "modules": modules, "differs": differs }),
    )?)
}

fn print(entries: &[Entry<'_>], global: &Global, home: &Path) -> Result<(), CommandError> {
    let paint = Paint::choose(global.color).stdout;
    let listed = |entry: &&Entry<'_>| !global.quiet || entry.state.differs();
    let rows = entries.iter().filter(listed).map(|entry| {
        let color = match entry.state {
            State::Unchanged => GREEN,
            State::Unverified | State::Modified | State::InProgress => YELLOW,
            State::Missing | State::Failed | State::Interrupted => RED,
        };
        vec![
            painted(paint, BOLD, entry.id.as_str()),
            painted(paint, color, entry.state.as_str()),
            entry
                .record
                .version
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
            painted(paint, DIM, &details(entry, global.verbose, home)),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let mut text = match rows.is_empty() {
        true => String::new(),
        false => render::titled_table(&["NAME", "STATUS", "VERSION", "DIFFERENCES"], rows, paint),
    };
    text += &summary(entries, home);
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// Counts, and what to do.
fn summary(entries: &[Entry<'_>], home: &Path) -> String {
    let count = |states: &[State]| {
        entries
            .iter()
            .filter(|entry| states.contains(&entry.state))
            .count()
    };
    let installed = count(&[
        State::Unchanged,
        State::Unverified,
        State::Modified,
        State::Missing,
    ]);
    let mut text = match (installed, count(&[State::Modified, State::Missing])) {
        (0, _) if entries.is_empty() => "No modules are installed.\n".to_owned(),
        (0, _) => String::new(),
        (all, 0) => format!(
            "{}: no differences from the record.\n",
            render::count(all, "installed module")
        ),
        (all, some) => {
            let verb = if some == 1 { "differs" } else { "differ" };
            let all = render::count(all, "installed module");
            format!("{some} of {all} {verb} from the record.\n")
        }
    };
    let differing = || {
        entries
            .iter()
            .filter(|entry| matches!(entry.state, State::Modified | State::Missing))
    };
    // A reinstall leaves local changes in clones alone.
    let clones: Vec<&Path> = differing()
        .filter_map(|entry| entry.clone.as_deref())
        .collect();
    if differing().count() > clones.len() {
        text += "Run `hoist install --force MODULE` to reinstall a module.\n";
    }
    if let Some(first) = clones.first() {
        let directory = match clones.len() {
            1 => render::home_path(&render::shell_word(&first.display().to_string()), home),
            _ => "DIR".to_owned(),
        };
        text += &format!(
            "Run `git -C {directory} restore .` to restore the committed files of a clone.\n"
        );
    }
    let others = [
        (
            State::Failed,
            "failed to install or update. Run `hoist retry`.",
        ),
        (
            State::Interrupted,
            "interrupted. The next command that makes changes rolls back the interrupted changes.",
        ),
        (State::InProgress, "being changed by a run in progress."),
    ];
    for (state, meaning) in others {
        match count(&[state]) {
            0 => {}
            number => text += &format!("{}: {meaning}\n", render::count(number, "module")),
        }
    }
    text
}

/// The differences of a module in one line.
fn details(entry: &Entry<'_>, is_complete: bool, home: &Path) -> String {
    let limit = if is_complete { usize::MAX } else { MAX_LISTED };
    let kinds = [
        ("missing", &entry.drift.missing),
        ("modified", &entry.drift.modified),
    ];
    let all: Vec<String> = kinds
        .iter()
        .flat_map(|(kind, paths)| {
            paths
                .iter()
                .map(move |path| format!("{kind}: {}", render::home_path(path, home)))
        })
        .collect();
    let mut text = all
        .iter()
        .take(limit)
        .map(|line| render::printable(line))
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > limit {
        text += &format!(" and {} more", all.len() - limit);
    }
    text
}
