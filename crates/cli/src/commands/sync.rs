//! `hoist sync`: looks at every source anew, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hoist_core::{Action, Diagnostic, Installed, ModuleId, Request, Selection, Source};
use hoist_engine::recover::clean_sources;
use hoist_executor::{
    Cancel, Effect, Event, EventKind, Failure, Limits, OnFailure, Outcome, Task, TaskContext,
    TaskGraph, execute,
};
use hoist_ledger::{Holder, Lock};
use hoist_reporter::{Plain, Progress, ProgressOptions, Reporters, Words, explain};
use hoist_system::source::{AskedVersion, OfferedModules, SyncContext};
use hoist_system::source_cache::{SourceCache, Synced};
use serde_json::json;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, painted};
use crate::session::{Places, Session};
use crate::systems::REGISTRY;
use crate::ui::Output;
use crate::{names, run};

/// How each source fared, by its place.
type Results = Arc<Mutex<BTreeMap<usize, Synced>>>;

/// Syncs the sources named, or all. One that cannot be reached leaves what was known of it, and the
/// others alone.
pub(crate) fn run(global: &Global, names: &[String]) -> Result<ExitStatus, CommandError> {
    let session = Session::open(global)?;
    let unknown = names
        .iter()
        .filter(|name| !session.sources.iter().any(|source| source.name == **name));
    let unknown: Vec<Diagnostic> = unknown
        .map(|name| {
            Diagnostic::error(format!("unknown source `{}`", name.escape_debug()))
                .help("run `hoist source list` to list sources")
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown.into());
    }
    let chosen = |source: &&Source| names.is_empty() || names.contains(&source.name);
    let sources: Vec<Source> = session.sources.iter().filter(chosen).cloned().collect();
    if sources.is_empty() && !session.problems.is_empty() {
        return Err(session.problems.into());
    }
    render::diagnostics(&session.problems, Paint::choose(global.color));
    if sources.is_empty() {
        return Err(CommandError::wrong(
            Diagnostic::error("no sources are configured")
                .help("run `hoist source add` to add one"),
        ));
    }
    let cancel = run::handle_signals()?;
    let _lock = lock(global, &session.places, &cancel)?;
    let (ended, results) = refresh(global, &session, &sources, &[], &cancel)?;
    tell(
        global,
        Paint::choose(global.color),
        &sources,
        &ended,
        &results,
    )?;
    let failed = !session.problems.is_empty()
        || ended
            .values()
            .any(|(outcome, _)| !matches!(outcome, Outcome::Done { .. }));
    Ok(match (cancel.is_cancelled(), failed) {
        (true, _) => ExitStatus::Interrupted,
        (false, true) => ExitStatus::Partial,
        (false, false) => ExitStatus::Ok,
    })
}

/// The right to change what hoist has of the sources, and the user's settings.
pub(crate) fn lock(
    global: &Global,
    places: &Places,
    cancel: &Cancel,
) -> Result<Lock, CommandError> {
    let mut told = false;
    let wait = |holder: &Holder| {
        if !std::mem::replace(&mut told, true) && !global.no_wait {
            render::print_note(&format!("Waiting for another hoist: {holder}"));
        }
        !global.no_wait && !cancel.is_cancelled()
    };
    let lock = Lock::take(&places.cache.join("sources"), "hoist sync", wait);
    run::not_cancelled(cancel)?;
    let lock = lock?;
    clean_sources(&places.cache, &places.config);
    Ok(lock)
}

/// Looks at the sources that a change is about: before an update at those that something of it is
/// installed from, before an install at those that nobody has looked at yet, where a name is
/// unknown. True when something was looked at. A source that cannot be reached is told, and what is
/// known of it goes on working.
pub(crate) fn for_change(
    global: &Global,
    session: &Session,
    installed: &Installed,
    request: &Request,
    cancel: &Cancel,
) -> Result<bool, CommandError> {
    let names: &[String] = match &request.selection {
        Selection::Names(names) => names,
        _ => &[],
    };
    // Of `SOURCE/NAME@VERSION` the name.
    let short = |name: &str| {
        let name = name.rsplit('/').next().unwrap_or_default();
        name.split_once('@')
            .map_or(name, |(name, _)| name)
            .to_owned()
    };
    let asked = asked_versions(request);
    let sources: Vec<Source> = match request.action {
        Action::Update => {
            let concerned = |id: &ModuleId| {
                names.is_empty()
                    || names
                        .iter()
                        .any(|name| names::installed_as(installed, &short(name)) == Some(id))
            };
            let used: BTreeSet<&str> = installed
                .modules
                .iter()
                .filter(|(id, _)| concerned(id))
                .map(|(_, record)| record.source.as_str())
                .collect();
            let of_request = |source: &&Source| {
                request
                    .source
                    .as_ref()
                    .is_none_or(|name| *name == source.name)
            };
            let indexed = session
                .sources
                .iter()
                .filter(|source| source.destination.is_some())
                .filter(of_request);
            indexed
                .filter(|source| used.contains(source.name.as_str()))
                .cloned()
                .collect()
        }
        Action::Install | Action::Deploy => {
            let unknown = names.iter().chain(&request.with).any(|name| {
                session.catalog.broken(name).is_none()
                    && (name.contains('/') || session.catalog.canonical(&short(name)).is_none())
            });
            let new = session.unknown_sources();
            let is_new = |source: &Source| unknown && new.contains(&source.name.as_str());
            session
                .sources
                .iter()
                .filter(|source| is_new(source) || is_unread(session, source, &asked))
                .cloned()
                .collect()
        }
        Action::Uninstall | Action::Test | Action::Undo | Action::Undeploy => Vec::new(),
    };
    if sources.is_empty() {
        return Ok(false);
    }
    let _lock = lock(global, &session.places, cancel)?;
    let (ended, _) = refresh(global, session, &sources, &asked, cancel)?;
    run::not_cancelled(cancel)?;
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    for (place, (outcome, _)) in ended {
        if let Some(reason) = explain(&outcome, &names) {
            render::print_note(&format!(
                "warning: cannot refresh {}: {}",
                names[place],
                render::printable(&reason)
            ));
        }
    }
    Ok(true)
}

/// What is asked for in a certain version, by the name before it.
fn asked_versions(request: &Request) -> Vec<AskedVersion> {
    let names: &[String] = match (&request.selection, request.action) {
        (Selection::Names(names), Action::Install) => names,
        _ => &[],
    };
    let versions = names
        .iter()
        .filter_map(|name| name.rsplit('/').next()?.split_once('@'));
    versions
        .map(|(name, version)| AskedVersion {
            name: name.to_owned(),
            version: version.to_owned(),
        })
        .collect()
}

/// True where a version that is asked for is to be read first, or may be new at the source.
fn is_unread(session: &Session, source: &Source, asked: &[AskedVersion]) -> bool {
    let offered = OfferedModules {
        catalog: &session.catalog,
        indexes: &session.indexes,
    };
    let kind = REGISTRY.kind_of(source);
    kind.is_some_and(|kind| kind.is_unread(source, asked, &offered))
}

type Ended = BTreeMap<usize, (Outcome, Vec<String>)>;

/// Looks at sources anew, all at once; how each ended, with what it said.
fn refresh(
    global: &Global,
    session: &Session,
    sources: &[Source],
    asked: &[AskedVersion],
    cancel: &Cancel,
) -> Result<(Ended, Results), CommandError> {
    let machine = session.machine()?;
    let results = Results::default();
    let mut graph = TaskGraph::default();
    for (place, source) in sources.iter().enumerate() {
        let (machine, results, source, asked) = (
            machine.clone(),
            results.clone(),
            source.clone(),
            asked.to_owned(),
        );
        let cache = SourceCache::new(&session.places.cache, &source);
        let unit = graph.unit(source.name.as_str());
        let work = move |task: &TaskContext| -> Result<Effect, Failure> {
            let context = SyncContext {
                asked: &asked,
                cache: &cache,
                machine: &machine,
                task,
            };
            let unknown = || Failure::new(format!("{} is of no known kind", source.name));
            let kind = REGISTRY.kind_of(&source).ok_or_else(unknown)?;
            let (effect, synced) = kind.sync(&source, &context)?;
            if let Ok(mut results) = results.lock() {
                results.insert(place, synced);
            }
            Ok(effect)
        };
        let limit = global.timeout.unwrap_or(Duration::from_secs(1800));
        graph.task(
            Task::new(unit, "sync", work)
                .timeout(Some(limit))
                .on_failure(OnFailure::SkipDependents),
        );
    }
    let paint = Paint::choose(global.color);
    let mut shown = Reporters::default();
    let words = Words {
        changed: "synced",
        unchanged: "unchanged",
    };
    if global.output == Output::Human && !global.quiet {
        match global.has_progress() {
            true => shown.add(Progress::stderr(ProgressOptions::new(paint.stderr, words))),
            false => shown.add(Plain::new(std::io::stderr(), global.verbose, words)),
        }
    }
    let mut ended = Ended::new();
    let mut notes: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut limits = Limits::default();
    limits.jobs = global
        .jobs
        .map_or(sources.len().max(limits.jobs), usize::from);
    let summary = execute(graph, &limits, cancel, |event: &Event| {
        shown.report(event);
        match &event.kind {
            EventKind::Note { unit, text, .. } => {
                notes.entry(unit.index()).or_default().push(text.clone())
            }
            EventKind::UnitFinished { unit, outcome } => {
                let said = notes.remove(&unit.index()).unwrap_or_default();
                ended.insert(unit.index(), (outcome.clone(), said));
            }
            _ => {}
        }
    });
    drop(shown);
    summary.map_err(|error| CommandError::Other(error.into()))?;
    machine.end_run();
    Ok((ended, results))
}

fn tell(
    global: &Global,
    paint: Paint,
    sources: &[Source],
    ended: &Ended,
    results: &Results,
) -> Result<(), CommandError> {
    let results = results
        .lock()
        .map(|results| results.clone())
        .unwrap_or_default();
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    let mut documents = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let synced = results.get(&place).cloned().unwrap_or_default();
        let (outcome, notes) = ended
            .get(&place)
            .cloned()
            .unwrap_or((Outcome::Cancelled, Vec::new()));
        let (status, colour) = match &outcome {
            Outcome::Done { changed: true } => ("synced", GREEN),
            Outcome::Done { changed: false } => ("unchanged", DIM),
            _ => ("failed", RED),
        };
        let reason = explain(&outcome, &names);
        documents.push(json!({
            "source": source.name, "status": status, "offered": synced.offered, "new": synced.changes.new, "changed": synced.changes.changed,
            "gone": synced.changes.gone, "reason": reason, "messages": notes,
        }));
        if global.output == Output::Human && !(global.quiet && status != "failed") {
            let more = match &reason {
                Some(reason) => render::printable(reason),
                None => render::printable(&notes.join("; ")),
            };
            let line = format!(
                "{} {}  {more}",
                painted(paint.stdout, colour, &format!("{status:<9}")),
                painted(paint.stdout, BOLD, &source.name)
            );
            writeln!(std::io::stdout(), "{}", line.trim_end())?;
        }
    }
    if global.output == Output::Json {
        crate::json::print(&documents.into())?;
    }
    Ok(())
}
