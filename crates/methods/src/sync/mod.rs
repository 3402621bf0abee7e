//! Brings what sources offer to this machine: a copy of each, and an index of it that is replaced
//! as a whole. Without the source the former index goes on working.

mod application;
mod collection;
mod mercurial;
mod rocks;

use std::path::{Path, PathBuf};

use hoist_core::{Source, SourceKind};
use hoist_executor::{Effect, Failure, Level, TaskContext};
use hoist_files::write;
use hoist_sources::choose::RockRequest;
use hoist_sources::{Changes, Index, index};
use jiff::Timestamp;

use crate::machine::Machine;

/// Where hoist keeps what it has of a source.
#[derive(Debug, Clone)]
pub struct SourceCache {
    directory: PathBuf,
}

impl SourceCache {
    /// That of a source, below hoist's cache.
    pub fn new(cache: &Path, source: &Source) -> Self {
        Self {
            directory: cache.join("sources").join(&source.name),
        }
    }

    /// The copy of the source's files.
    pub fn tree(&self) -> PathBuf {
        self.directory.join("tree")
    }

    /// Removes what there is of the source.
    ///
    /// # Errors
    /// Something of it cannot be removed.
    pub fn forget(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The copy of a module at another revision than that of the index, which is its version: the
    /// module's directory is in it.
    pub fn chosen(&self, version: &str, name: &str) -> PathBuf {
        self.revisions().join(format!("{version}-{name}"))
    }

    /// The copies of modules at other revisions.
    fn revisions(&self) -> PathBuf {
        self.directory.join("revisions")
    }

    /// Where the copy of one of its places is.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.directory.join("places").join(name)
    }

    fn index_file(&self) -> PathBuf {
        self.directory.join("index.json")
    }

    /// What the source offered when it was last looked at; `None` where that never was, or where it
    /// was another place then.
    ///
    /// # Errors
    /// An index that is there and cannot be read.
    pub fn index(&self, fingerprint: &str) -> std::io::Result<Option<Index>> {
        let bytes = match std::fs::read(self.index_file()) {
            Ok(bytes) => bytes,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // An index of another version, or one that is damaged, is made anew by the next sync.
        let read: Option<Index> = serde_json::from_slice(&bytes).ok();
        Ok(read.filter(|index| index.format == index::FORMAT && index.location == fingerprint))
    }

    fn store(&self, index: &Index) -> Result<(), Failure> {
        let text = serde_json::to_vec(index).map_err(|error| Failure::new(error.to_string()))?;
        write(&self.index_file(), &text, 0o644)
            .map_err(|error| Failure::new(format!("cannot write the index: {error}")))
    }
}

pub(crate) use mercurial::repair;

/// What a sync of one source came to.
#[derive(Debug, Clone, Default)]
pub struct Synced {
    /// What is different from the last time.
    pub changes: Changes,
    /// How much is offered.
    pub offered: usize,
}

/// Looks at one source anew. Of `asked`, which are names with versions or revisions, what the
/// source has is read as well.
///
/// # Errors
/// The source cannot be reached, or is not what it should be; what hoist knew of it stays as it
/// was.
pub fn sync(
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
            return application::sync(application, from, cache, machine, task);
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

/// So many names are told of each kind.
const NAMED: usize = 12;

pub(crate) fn tell(changes: &Changes, task: &TaskContext) {
    for (names, word) in [
        (&changes.new, "new"),
        (&changes.changed, "changed"),
        (&changes.gone, "gone"),
    ] {
        if names.is_empty() {
            continue;
        }
        let shown = names
            .iter()
            .take(NAMED)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        let more = if names.len() > NAMED {
            format!(" and {} more", names.len() - NAMED)
        } else {
            String::new()
        };
        task.note(
            Level::Info,
            format!("{} {word}: {shown}{more}", names.len()),
        );
    }
}
