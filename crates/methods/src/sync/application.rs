//! The places that modules of a web application come from: clones of git repositories, and archives.

use hoist_executor::{Effect, Failure, TaskContext};

use super::{SourceCache, Synced, tell};
use crate::application::{is_archive, is_remote, offers, place_cache};
use crate::git::copy;
use crate::machine::Machine;
use crate::method::StepContext;

/// A larger archive is no module.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Fetches what is not on this machine, and tells what is different by that.
pub(super) fn sync(from: &[String], cache: &SourceCache, machine: &Machine, task: &TaskContext) -> Result<(Effect, Synced), Failure> {
    let former = offers(from, cache);
    let mut changed = false;
    for place in from.iter().filter(|place| is_remote(place)) {
        changed |= fetch(place, cache, machine, task).map_err(|failure| match failure.message.contains(place.as_str()) {
            true => failure,
            false => Failure { message: format!("{place}: {}", failure.message), ..failure },
        })?;
        task.check()?;
    }
    let now = offers(from, cache);
    let changes = now.index.since(&former.index);
    tell(&changes, task);
    let effect = if changed { Effect::Changed } else { Effect::Unchanged };
    Ok((effect, Synced { changes, offered: now.index.entries.len() }))
}

fn fetch(place: &str, cache: &SourceCache, machine: &Machine, task: &TaskContext) -> Result<bool, Failure> {
    let copy = place_cache(cache, place);
    if is_archive(place) {
        let bytes = machine.http().read(place, LIMIT)?;
        if std::fs::read(&copy).is_ok_and(|there| there == bytes) {
            return Ok(false);
        }
        return hoist_files::write(&copy, &bytes, 0o600).map(|()| true).map_err(|error| Failure::new(error.to_string()));
    }
    let variables = Default::default();
    let context = StepContext::new(task, machine, "sync", &variables);
    copy::refresh(place, None, &copy, &context).map(|effect| effect == Effect::Changed)
}
