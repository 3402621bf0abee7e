//! Clears up after a run that was killed: ends the processes it left, brings back what it had moved away, removes what it was making.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use hoist_core::ModuleId;
use hoist_executor::{EventKind, TaskContext};
use hoist_files::{Home, Kind, Record, Snapshot, Store, Taking, advance};
use hoist_ledger::{Aside, Ledger, LedgerError, Recovered};
use rustix::process::{Pid, Signal, kill_process};

use crate::application;
use crate::aside;
use crate::git::interrupted::locks;
use crate::git::own;
use crate::machine::Machine;
use crate::stage::clean_stages;
use crate::world::CONTENTS;

/// The variable by which the processes of a run are known.
pub const RUN: &str = "HOIST_RUN";

/// What was cleared up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Processes that were ended.
    pub processes: usize,
    /// Unfinished directories and files that were removed.
    pub stages: usize,
    /// Former versions that were brought back.
    pub restored: usize,
    /// What was found in their places and may be somebody's: moved aside, to here.
    pub kept: Vec<PathBuf>,
    /// Files and directories of applications that are as they were again.
    pub files: usize,
    /// What somebody may have done to an application since, and what became of it, a sentence each.
    pub told: Vec<String>,
    /// What was left of former versions, and where it is, a sentence each.
    pub carried: Vec<String>,
    /// What could not be done.
    pub failed: Vec<String>,
}

/// Clears up after the runs that never ended. `private` are hoist's state and its cache, `logs` are the directories of what they said: the last word is the last sign of life.
///
/// # Errors
/// The ledger cannot be used. What cannot be cleared up is told, and holds up nothing else.
pub fn clear_up(
    recovered: &Recovered,
    ledger: &Ledger,
    home: &Home,
    logs: &[PathBuf],
    private: &[PathBuf; 2],
    machine: &Machine,
) -> Result<Cleared, LedgerError> {
    let marks: Vec<String> = recovered.runs.iter().map(|run| format!("{RUN}={run}")).collect();
    let processes = end_processes(&marks);
    let alive = logs.iter().flat_map(std::fs::read_dir).flatten().flatten();
    let alive = alive.filter_map(|log| log.metadata().ok()?.modified().ok()).max().unwrap_or(SystemTime::UNIX_EPOCH);
    let mut cleared = Cleared { processes, ..Cleared::default() };
    let [state, _] = private;
    if state.join("snapshots").is_dir() {
        let installed = ledger.installed()?;
        let store = Store::open(&state.join(CONTENTS));
        let known = |module: &ModuleId| installed.modules.contains_key(module) || installed.unfinished.contains_key(module);
        let is_done = |module: &ModuleId, removal| if removal { !known(module) } else { installed.modules.contains_key(module) };
        let taken = store.map(|store| application::recover(state, &store, private, is_done, alive));
        match taken {
            Ok(taken) => {
                cleared.files += taken.restored;
                cleared.told.extend(taken.told);
                cleared.failed.extend(taken.failed);
                taken.reinstated.iter().try_for_each(|module| ledger.reinstate(module))?;
            }
            Err(error) => cleared.failed.push(format!("what is kept of files cannot be used: {error}")),
        }
    }
    for (module, asides) in by_module(&recovered.restore) {
        match aside::bring_back(&asides, Some(alive)) {
            Ok(back) => {
                cleared.kept.extend(back.kept);
                cleared.restored += back.restored;
                ledger.settle(module)?;
            }
            Err(error) => {
                let left = asides.iter().filter(|aside| aside.kept.symlink_metadata().is_ok());
                let left: Vec<String> =
                    left.map(|aside| format!("{} is still at {}", aside.path.display(), aside.kept.display())).collect();
                cleared.failed.push(format!("of the former version of {module}, {}: {error}", left.join(", ")));
            }
        }
    }
    for (module, asides) in by_module(&recovered.discard) {
        let record = ledger.record(module)?;
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = told.clone();
        let tell = move |event| {
            if let (EventKind::Item { subject, reason, .. }, Ok(mut told)) = (event, teller.lock()) {
                told.push(format!("{subject} was kept: {}", reason.unwrap_or_default()));
            }
        };
        aside::discard(home, &asides, &record, machine, &TaskContext::alone(tell));
        cleared.carried.extend(told.lock().map(|told| told.clone()).unwrap_or_default());
        ledger.settle(module)?;
    }
    for path in recovered.undo.iter().filter(|path| !aside::changed_after(path, alive + aside::GRACE)) {
        match std::fs::remove_dir_all(path) {
            Ok(()) => cleared.stages += 1,
            Err(error) => cleared.failed.push(format!("{}: {error}", path.display())),
        }
    }
    for (module, paths) in &recovered.made {
        remember(ledger, module, paths, alive)?;
    }
    let cleaned = clean_stages(&recovered.paths, |path| own::is_untouched(path, machine));
    cleared.stages = cleaned.removed;
    cleared.kept.extend(cleaned.kept);
    let locks = recovered.paths.iter().flat_map(|path| locks(&path.join(".git")));
    locks.for_each(|lock| drop(std::fs::remove_file(lock)));
    for scratch in recovered.scratch.iter().filter(|scratch| is_scratch(scratch)) {
        let _ = std::fs::remove_dir_all(scratch);
    }
    Ok(cleared)
}

fn by_module(asides: &[Aside]) -> BTreeMap<&ModuleId, Vec<Aside>> {
    let mut modules: BTreeMap<&ModuleId, Vec<Aside>> = BTreeMap::new();
    for aside in asides {
        modules.entry(&aside.module).or_default().push(aside.clone());
    }
    modules
}

/// What a first install that was killed had made is the module's, as it is; but not what somebody put there since.
fn remember(ledger: &Ledger, module: &ModuleId, paths: &[PathBuf], alive: SystemTime) -> Result<(), LedgerError> {
    let mut there = Snapshot::take(paths, &Taking::PLAIN).unwrap_or_default();
    there.retain(|path, state| state.kind == Kind::Directory || !aside::changed_after(path, alive + aside::GRACE));
    let made = advance(&Record::new(), &Snapshot::default(), &there);
    let mut record = ledger.record(module)?;
    record.extend(made);
    ledger.put_record(module, &record)
}

/// True for a directory that hoist made for the temporary files of a run; whatever else the ledger may say is not removed.
fn is_scratch(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hoist-run-"));
    named
        && path.symlink_metadata().is_ok_and(|metadata| {
            metadata.is_dir() && std::os::unix::fs::MetadataExt::uid(&metadata) == rustix::process::geteuid().as_raw()
        })
}

/// Kills every process that has one of these in its environment, written `NAME=VALUE`, and waits until none is left.
pub(crate) fn end_processes(marks: &[String]) -> usize {
    let mut ended = std::collections::BTreeSet::new();
    // A process may start another between the look and the kill.
    for _ in 0..200 {
        let alive = processes_of(marks);
        if alive.is_empty() {
            break;
        }
        for pid in alive {
            if let Some(process) = Pid::from_raw(pid) {
                let _ = kill_process(process, Signal::KILL);
                ended.insert(pid);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    ended.len()
}

/// The processes whose environment has one of these; zombies have none.
fn processes_of(marks: &[String]) -> Vec<i32> {
    if marks.is_empty() {
        return Vec::new();
    }
    let own = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| *name != own);
    let of_run = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| marks.iter().any(|mark| mark.as_bytes() == variable))
    };
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(of_run).filter_map(|pid| pid.parse().ok()).collect()
}
