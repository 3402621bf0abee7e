//! Records and logs of past runs that nobody keeps any more.

use std::collections::HashSet;
use std::io;

use hoist_files::prune_backups;
use hoist_ledger::{read_configs, read_edited};
use hoist_machine::scratch::{is_alive, process_of_run};

use crate::session::Places;

/// Removes the oldest copies of configuration files, and of files of others that modules have
/// edited, until so many of each are left.
pub(super) fn backups(places: &Places, keep: usize) -> io::Result<()> {
    for record in read_configs(&places.state).map_err(io::Error::other)? {
        prune_backups(&record.path, keep, record.original.as_deref())?;
    }
    for path in read_edited(&places.state).map_err(io::Error::other)?.keys() {
        prune_backups(path, keep, None)?;
    }
    Ok(())
}

/// Removes the records of runs that the ledger has forgotten, and all but the newest of those that
/// it never knew, such as tests.
pub(super) fn records(places: &Places, keep: usize) -> io::Result<()> {
    let directory = places.run("");
    let mut names = match std::fs::read_dir(&directory) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| process_of_run(name).is_some())
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
    let old = names
        .into_iter()
        .skip(keep)
        .filter(|name| !known.contains(name));
    for name in old.filter(|name| !process_of_run(name).is_some_and(is_alive)) {
        match std::fs::remove_dir_all(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
