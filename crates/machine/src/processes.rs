//! Processes of runs, which are known by a variable in their environment.

use rustix::process::{Pid, Signal, kill_process};

/// The variable by which the processes of a run are known.
pub const RUN: &str = "HOIST_RUN";

/// Kills every process that has one of these in its environment, written `NAME=VALUE`, and waits
/// until none is left.
pub fn end_processes(marks: &[String]) -> usize {
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
    let names = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| *name != own);
    let of_run = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| marks.iter().any(|mark| mark.as_bytes() == variable))
    };
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(of_run)
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
