//! Recovers from runs that were killed: ends the processes that they left, and rolls back the
//! changes that they did not complete.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hoist_core::ModuleId;
use hoist_executor::{EventKind, TaskContext};
use hoist_files::{Home, Store};
use hoist_ledger::{DisplacedPath, Disposal, InterruptedChange, Ledger, LedgerError, Phase};

use crate::recorded::CONTENTS;
use hoist_git::interrupted;
use hoist_guard::rollback::{EndOfRun, FilesBefore, RolledBack, clean_repository, roll_back};
use hoist_guard::watch::created;
use hoist_guard::{around, displaced};
use hoist_machine::machine::Machine;
use hoist_machine::processes::{RUN, end_processes};
use hoist_system::context::StepContext;
use hoist_system::registry::Registry;
use hoist_system::resource::package_of;

/// What was recovered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoverySummary {
    /// The modules that were being changed, by name.
    pub modules: Vec<String>,
    /// Runs that were being undone.
    pub undoing: Vec<String>,
    /// Processes that were ended.
    pub processes: usize,
    /// Unfinished directories and files that were removed.
    pub stages: usize,
    /// Previous versions that were moved back.
    pub restored: usize,
    /// Files that were changed after the end of the run: where they were, and where they are now.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// Files and directories of protected trees that are as they were again.
    pub files: usize,
    /// What else a person has to know, a sentence each.
    pub notes: Vec<String>,
    /// What could not be done.
    pub failed: Vec<String>,
}

/// Hoist's own directories.
pub struct OwnDirectories<'a> {
    /// What it knows.
    pub state: &'a Path,
    /// What it can fetch again.
    pub cache: &'a Path,
    /// Directory of the logs of a run.
    pub logs: &'a dyn Fn(&str) -> PathBuf,
}

/// Recovers from the runs that never ended.
///
/// # Errors
/// The ledger cannot be used. What cannot be recovered is reported, and holds up nothing else.
pub fn recover(
    registry: Registry,
    ledger: &Ledger,
    home: &Home,
    own: &OwnDirectories<'_>,
    machine: &Machine,
) -> Result<RecoverySummary, LedgerError> {
    let recovered = ledger.recover()?;
    let pending = ledger.pending_changes()?;
    let marks: Vec<String> = recovered
        .runs
        .iter()
        .map(|run| format!("{RUN}={run}"))
        .collect();
    let mut summary = RecoverySummary {
        processes: end_processes(&marks),
        undoing: recovered.undoing,
        ..RecoverySummary::default()
    };
    summary.modules = pending
        .iter()
        .filter(|change| change.phase == Phase::Begun)
        .map(|change| change.module.to_string())
        .collect();
    let snapshots = own.state.join("snapshots").is_dir();
    if !pending.is_empty() || snapshots {
        match Store::open(&own.state.join(CONTENTS)) {
            Ok(store) => {
                let ends: Vec<EndOfRun> = recovered
                    .runs
                    .iter()
                    .map(|run| EndOfRun::of(&(own.logs)(run)))
                    .collect();
                let end = ends
                    .into_iter()
                    .reduce(EndOfRun::or_earlier)
                    .unwrap_or(EndOfRun::UNKNOWN);
                if snapshots {
                    recover_trees(ledger, own, &store, end, &mut summary)?;
                }
                for change in &pending {
                    let end = EndOfRun::of(&(own.logs)(&change.run));
                    match change.phase {
                        Phase::Begun => {
                            let as_before =
                                |change: &_| are_packages_as_before(registry, change, machine);
                            roll_back_change(
                                ledger,
                                own.state,
                                &store,
                                change,
                                end,
                                &as_before,
                                &mut summary,
                            )?;
                        }
                        Phase::Done => complete(ledger, home, machine, change, &mut summary)?,
                    }
                }
                let owned = registry.owned_by_packages();
                for run in &recovered.runs {
                    let logs = (own.logs)(run);
                    match around::recover(&logs, &store, EndOfRun::of(&logs), &owned) {
                        Ok(restored) if restored.is_empty() => {}
                        Ok(restored) => summary
                            .notes
                            .push(format!("also restored: {}", around::named(&restored))),
                        Err(failure) => summary.failed.push(failure.message),
                    }
                }
            }
            Err(error) => summary
                .failed
                .push(format!("the backups of files cannot be used: {error}")),
        }
    }
    remove_unfinished(own.state);
    for scratch in recovered
        .scratch
        .iter()
        .filter(|scratch| is_scratch(scratch))
    {
        let _ = std::fs::remove_dir_all(scratch);
    }
    Ok(summary)
}

fn recover_trees(
    ledger: &Ledger,
    own: &OwnDirectories<'_>,
    store: &Store,
    end: EndOfRun,
    summary: &mut RecoverySummary,
) -> Result<(), LedgerError> {
    let installed = ledger.installed()?;
    let is_known = |module: &ModuleId| {
        installed.modules.contains_key(module) || installed.unfinished.contains_key(module)
    };
    let is_done = |module: &ModuleId, removal| {
        if removal {
            !is_known(module)
        } else {
            installed.modules.contains_key(module)
        }
    };
    let taken = hoist_guard::recovery::recover(
        own.state,
        store,
        &[own.state.to_owned(), own.cache.to_owned()],
        is_done,
        end,
    );
    summary.files += taken.restored;
    summary.notes.extend(taken.told);
    summary.failed.extend(taken.failed);
    Ok(())
}

/// Rolls back a change that was interrupted. `has_packages` tells whether packages are there as they
/// were before.
fn roll_back_change(
    ledger: &Ledger,
    state: &Path,
    store: &Store,
    change: &InterruptedChange,
    end: EndOfRun,
    has_packages: &dyn Fn(&InterruptedChange) -> bool,
    summary: &mut RecoverySummary,
) -> Result<(), LedgerError> {
    // What it did to a protected tree comes first.
    if hoist_guard::recovery::is_pending(state, &change.module) {
        return Ok(());
    }
    // Versions that did not record the files knew what was out of the way.
    let files = FilesBefore::from_bytes(&change.files).unwrap_or_default();
    let kept = state.join("kept").join(&change.run);
    let done = roll_back(&files, &change.displaced, end, store, &kept);
    let is_as_before = files.is_complete || has_packages(change);
    let is_complete = done.is_complete() && is_as_before && change.prior.is_some();
    let is_retried = !done.failed.is_empty();
    report(change, done, summary);
    match is_complete {
        true => ledger.roll_back(&change.module),
        false if is_retried => Ok(()),
        false => ledger.abandon(&change.module),
    }
}

/// Whether the packages of a module whose change was interrupted are there as they were before.
fn are_packages_as_before(
    registry: Registry,
    change: &InterruptedChange,
    machine: &Machine,
) -> bool {
    let Some(prior) = change.prior.as_ref().filter(|prior| prior.is_installed()) else {
        return false;
    };
    let removal = prior.removal(&change.module);
    let (Some((manager, resource)), Some(version)) =
        (package_of(registry, &removal), prior.version())
    else {
        return false;
    };
    let (task, variables) = (TaskContext::alone(|_| ()), BTreeMap::new());
    let context = StepContext::new(&task, machine, change.module.as_str(), &variables);
    manager.is_only(&resource.scope, &resource.name, version, &context)
}

fn report(change: &InterruptedChange, done: RolledBack, summary: &mut RecoverySummary) {
    let RolledBack {
        restored,
        stages,
        moved,
        left,
        copied,
        lost,
        failed,
    } = done;
    summary.restored += restored;
    summary.stages += stages;
    summary.moved.extend(moved);
    let module = &change.module;
    summary.notes.extend(left.iter().map(|repository| {
        let path = repository.display();
        format!("{module}: the repository {path} was modified after the run was interrupted, and is not changed")
    }));
    summary.notes.extend(copied.iter().map(|(path, copy)| {
        let (path, copy) = (path.display(), copy.display());
        format!("{module}: {path} was modified while the run was being stopped; a backup is {copy}")
    }));
    let lost = lost.iter().map(|path| {
        format!(
            "{module}: cannot restore {}: it was too large for a backup",
            path.display()
        )
    });
    summary.failed.extend(lost);
    summary.failed.extend(failed.into_iter().map(|(path, why)| {
        format!(
            "{module}: cannot roll back the interrupted change: {}: {why}",
            path.display()
        )
    }));
}

/// Sees to what a change that is complete had moved out of its way.
fn complete(
    ledger: &Ledger,
    home: &Home,
    machine: &Machine,
    change: &InterruptedChange,
    summary: &mut RecoverySummary,
) -> Result<(), LedgerError> {
    let module = &change.module;
    let record = ledger.record(module)?;
    let notes = Arc::new(Mutex::new(Vec::new()));
    let kept = notes.clone();
    let report = move |event| {
        if let (
            EventKind::Item {
                subject, reason, ..
            },
            Ok(mut notes),
        ) = (event, kept.lock())
        {
            notes.push(format!(
                "{subject} was kept: {}",
                reason.unwrap_or_default()
            ));
        }
    };
    let copies = displaced::discard(
        home,
        &change.displaced,
        &record,
        machine,
        &TaskContext::alone(report),
    );
    summary
        .notes
        .extend(notes.lock().map(|notes| notes.clone()).unwrap_or_default());
    let is_merged = |displaced: &DisplacedPath| displaced.disposal == Disposal::Merge;
    if let Some(files) =
        FilesBefore::from_bytes(&change.files).filter(|_| change.displaced.iter().any(is_merged))
    {
        match files.differences() {
            Ok(mut differences) => {
                let known: BTreeSet<PathBuf> = differences
                    .iter()
                    .map(|difference| difference.path.clone())
                    .collect();
                differences.extend(created(copies.iter().filter(|copy| !known.contains(*copy))));
                ledger.journal_pending(module, &differences)?;
            }
            Err(error) => summary.failed.push(format!(
                "{module}: cannot record the changes of its update for an undo: {error}"
            )),
        }
    }
    ledger.settle(module)
}

/// Removes what was being written in hoist's own state, where only the holder of the lock writes.
fn remove_unfinished(state: &Path) {
    const KNOWN: &[&str] = &["", CONTENTS, "contents/large", "snapshots", "clones"];
    const KEPT: &[&str] = &["kept", "runs"];
    KNOWN
        .iter()
        .for_each(|name| remove_stages(&state.join(name), 0));
    // What systems keep there.
    for entry in std::fs::read_dir(state).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = |known: &&str| name.as_encoded_bytes() == known.as_bytes();
        if !KNOWN.iter().chain(KEPT).any(is_ours) {
            remove_stages(&entry.path(), 4);
        }
    }
}

/// Removes what was being written of sources and of the settings, where only the holder of their
/// lock writes.
pub fn clean_sources(cache: &Path, config: &Path) {
    remove_stages(config, 0);
    remove_stages(&cache.join("sources"), 1);
    for source in std::fs::read_dir(cache.join("sources"))
        .into_iter()
        .flatten()
        .flatten()
    {
        remove_stages(&source.path().join("places"), 0);
        let places = std::fs::read_dir(source.path().join("places"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|place| place.path());
        for git in places
            .chain([source.path()])
            .map(|place| place.join("tree/.git"))
            .filter(|git| git.is_dir())
        {
            interrupted::remove_locks(&git);
            clean_repository(&git, EndOfRun::NOW);
        }
    }
}

/// Removes files and directories that were being written, in a directory and so many levels below
/// it.
fn remove_stages(directory: &Path, depth: usize) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let (name, is_directory) = (
            entry.file_name(),
            entry.file_type().is_ok_and(|kind| kind.is_dir()),
        );
        let name = name.as_encoded_bytes();
        let is_unfinished = [".hoist-stage-", ".tmp", "ledger.copy.sqlite.new"]
            .iter()
            .any(|start| name.starts_with(start.as_bytes()));
        match (is_unfinished, is_directory) {
            (true, true) => drop(std::fs::remove_dir_all(entry.path())),
            (true, false) => drop(std::fs::remove_file(entry.path())),
            (false, true) if depth > 0 => remove_stages(&entry.path(), depth - 1),
            (false, _) => {}
        }
    }
}

/// True for a directory that hoist made for the temporary files of a run; whatever else the ledger
/// may say is not removed.
fn is_scratch(path: &Path) -> bool {
    let named = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("hoist-run-"));
    named
        && path.symlink_metadata().is_ok_and(|metadata| {
            metadata.is_dir()
                && std::os::unix::fs::MetadataExt::uid(&metadata)
                    == rustix::process::geteuid().as_raw()
        })
}
