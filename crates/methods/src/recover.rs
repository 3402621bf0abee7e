//! Clears up after a run that was killed: ends the processes it left, brings back what it had moved away, removes what it was making.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hoist_executor::TaskContext;
use hoist_files::Home;
use hoist_ledger::{Ledger, LedgerError, Recovered};
use rustix::process::{Pid, Signal, kill_process};

use crate::aside;
use crate::stage::clean_stages;

/// The variable by which the processes of a run are known.
pub(crate) const RUN: &str = "HOIST_RUN";

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
    /// What could not be done.
    pub failed: Vec<String>,
}

/// Clears up after the runs that never ended. `logs` are the directories of what they said: the last word is the last sign of life.
///
/// # Errors
/// The ledger cannot be used. What cannot be cleared up is told, and holds up nothing else.
pub fn clear_up(recovered: &Recovered, ledger: &Ledger, home: &Home, logs: &[PathBuf]) -> Result<Cleared, LedgerError> {
    let processes = end_processes(&recovered.runs);
    let alive = logs.iter().flat_map(std::fs::read_dir).flatten().flatten();
    let alive = alive.filter_map(|log| log.metadata().ok()?.modified().ok()).max().unwrap_or(SystemTime::UNIX_EPOCH);
    let (mut kept, mut failed, mut restored) = (Vec::new(), Vec::new(), 0);
    for aside in &recovered.restore {
        let there = aside.kept.symlink_metadata().is_ok();
        match aside::bring_back(std::slice::from_ref(aside), Some(alive)) {
            Ok(more) => {
                kept.extend(more);
                restored += usize::from(there);
                ledger.settle(&aside.module)?;
            }
            Err(error) => {
                let (path, kept) = (aside.path.display(), aside.kept.display());
                failed.push(format!("the former version of {path} is still at {kept}: {error}"));
            }
        }
    }
    for aside in &recovered.discard {
        let record = ledger.record(&aside.module)?;
        aside::discard(home, std::slice::from_ref(aside), &record, &TaskContext::alone(|_| {}));
        ledger.settle(&aside.module)?;
    }
    let stages = clean_stages(&recovered.paths);
    recovered.paths.iter().for_each(|path| clear_locks(&path.join(".git")));
    for scratch in recovered.scratch.iter().filter(|scratch| is_scratch(scratch)) {
        let _ = std::fs::remove_dir_all(scratch);
    }
    Ok(Cleared { processes, stages, restored, kept, failed })
}

/// True for a directory that hoist made for the temporary files of a run; whatever else the ledger may say is not removed.
fn is_scratch(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hoist-run-"));
    named
        && path.symlink_metadata().is_ok_and(|metadata| {
            metadata.is_dir() && std::os::unix::fs::MetadataExt::uid(&metadata) == rustix::process::geteuid().as_raw()
        })
}

/// Kills every process that was started in one of these runs, and waits until none is left.
fn end_processes(runs: &[String]) -> usize {
    let mut ended = std::collections::BTreeSet::new();
    // A process may start another between the look and the kill.
    for _ in 0..200 {
        let alive = processes_of(runs);
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

/// The processes whose environment names one of these runs; zombies have none.
fn processes_of(runs: &[String]) -> Vec<i32> {
    if runs.is_empty() {
        return Vec::new();
    }
    let marks: Vec<Vec<u8>> = runs.iter().map(|run| format!("{RUN}={run}").into_bytes()).collect();
    let own = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| *name != own);
    let of_run = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| marks.iter().any(|mark| mark == variable))
    };
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(of_run).filter_map(|pid| pid.parse().ok()).collect()
}

/// Removes the locks that a killed run left in a clone it was changing.
fn clear_locks(git: &Path) {
    let mut waiting: Vec<(PathBuf, usize)> = vec![(git.to_owned(), 0)];
    while let Some((directory, depth)) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < 8 && !path.ends_with("objects") => waiting.push((path, depth + 1)),
                Ok(kind) if kind.is_file() && path.extension().is_some_and(|extension| extension == "lock") => {
                    let _ = std::fs::remove_file(path);
                }
                _ => {}
            }
        }
    }
}
