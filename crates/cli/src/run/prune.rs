//! Records and logs of past runs that nobody keeps any more.

use std::collections::HashSet;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::session::Places;

/// Removes the records of runs that the ledger has forgotten, and all but the newest of those that it never knew, such as tests.
pub(super) fn records(places: &Places, keep: usize) -> io::Result<()> {
    let directory = places.run("");
    let mut names = match std::fs::read_dir(&directory) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| process(name).is_some())
            .collect::<Vec<String>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if names.len() <= keep {
        return Ok(());
    }
    let known = hoist_ledger::history(&places.state, usize::MAX >> 1).map_err(io::Error::other)?;
    let known: HashSet<String> = known.into_iter().map(|run| run.run_id).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    // Their names begin with the time at which they started.
    let old = names.into_iter().skip(keep).filter(|name| !known.contains(name));
    for name in old.filter(|name| !process(name).is_some_and(is_alive)) {
        match std::fs::remove_dir_all(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The process of a run, which is at the end of its name.
fn process(name: &str) -> Option<Pid> {
    let (time, process) = name.split_once('-')?;
    let is_time = time.len() == 19 && time.ends_with('Z') && time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z'));
    process.parse().ok().filter(|_| is_time).and_then(Pid::from_raw)
}

fn is_alive(process: Pid) -> bool {
    !matches!(test_kill_process(process), Err(Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_runs_are_names_of_runs() {
        assert_eq!(process(&super::super::run_name()).map(|process| process.as_raw_nonzero().get() as u32), Some(std::process::id()));
        for other in ["kept", "20261127T111546123Z", "20261127T111546123Z-x", "notes-12", "20261127T111546123Z-0"] {
            assert_eq!(process(other), None, "{other}");
        }
    }
}
