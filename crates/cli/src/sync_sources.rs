//! Brings what sources offer to this machine: a copy of each, and an index of it that is replaced
//! as a whole. Without the source the former index goes on working.

use hoist_core::{Source, SourceKind};
use hoist_executor::{Effect, Failure, TaskContext};
use hoist_sources::choose::RockRequest;
use hoist_sources::{Index, index};
use jiff::Timestamp;

use hoist_machine::machine::Machine;
use hoist_prosody::{mercurial, rocks};
use hoist_shell::collection;
use hoist_system::source_cache::{SourceCache, Synced, tell};

/// Looks at one source anew. Of `asked`, which are names with versions or revisions, what the
/// source has is read as well.
///
/// # Errors
/// The source cannot be reached, or is not what it should be; what hoist knew of it stays as it
/// was.
pub(crate) fn sync(
    source: &Source,
    asked: &[RockRequest],
    cache: &SourceCache,
    machine: &Machine,
    task: &TaskContext,
) -> Result<(Effect, Synced), Failure> {
    let location = source.kind.fingerprint();
    let mut former = cache
        .index(&location)
        .map_err(|error| Failure::new(format!("cannot read the index: {error}")))?;
    let is_repository = matches!(source.kind, SourceKind::Mercurial { .. });
    if let (true, Some(former), false) = (is_repository, &mut former, asked.is_empty()) {
        // What the copy of the repository has is read without the network.
        let chosen = mercurial::revisions(asked, cache, former, machine, task)?;
        let is_here = |asked: &RockRequest| {
            chosen.iter().any(|chosen| {
                asked.is_called(&chosen.entry.name) && chosen.entry.unusable.is_none()
            })
        };
        let is_complete = asked.iter().all(is_here);
        former.chosen = chosen;
        cache.store(former)?;
        if is_complete {
            return Ok((
                Effect::Unchanged,
                Synced {
                    offered: former.entries.len(),
                    ..Synced::default()
                },
            ));
        }
    }
    let found = match &source.kind {
        SourceKind::Collection {
            collection,
            reference,
        } => {
            return collection::sync(collection, reference.as_deref(), cache, machine, task)
                .map(|effect| (effect, Synced::default()));
        }
        SourceKind::Application { application, from } => {
            return hoist_applications::sync::sync(application, from, cache, machine, task);
        }
        SourceKind::Mercurial {
            mercurial, modules, ..
        } => mercurial::sync(mercurial, modules, cache, former.as_ref(), machine, task)?,
        SourceKind::Rocks { rocks, lua, .. } => {
            rocks::sync(rocks, lua, asked, former.as_ref(), machine, task)?
        }
        SourceKind::Prosody { .. } => {
            return Err(Failure::new(
                "the Prosody configuration is not a source itself",
            ));
        }
    };
    let Some(mut index) = found else {
        let offered = former.map_or(0, |former| former.entries.len());
        return Ok((
            Effect::Unchanged,
            Synced {
                offered,
                ..Synced::default()
            },
        ));
    };
    task.check()?;
    if is_repository && !asked.is_empty() {
        index.chosen = mercurial::revisions(asked, cache, &index, machine, task)?;
    }
    let index = Index {
        format: index::FORMAT,
        location,
        synced_at: Timestamp::now().to_string(),
        ..index
    };
    cache.store(&index)?;
    let changes = former
        .map(|former| index.since(&former))
        .unwrap_or_else(|| index.since(&Index::default()));
    tell(&changes, task);
    Ok((
        Effect::Changed,
        Synced {
            changes,
            offered: index.entries.len(),
        },
    ))
}
