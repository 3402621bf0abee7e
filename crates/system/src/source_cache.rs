//! What hoist keeps of sources: a copy of each, and an index of it.

use std::path::{Path, PathBuf};

use hoist_core::Source;
use hoist_executor::{Failure, Level, TaskContext};
use hoist_files::write;
use hoist_sources::{Changes, Index, index};

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
    pub fn revisions(&self) -> PathBuf {
        self.directory.join("revisions")
    }

    /// Where the copy of one of its places is.
    pub fn place(&self, name: &str) -> PathBuf {
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

    /// Replaces the index.
    pub fn store(&self, index: &Index) -> Result<(), Failure> {
        let text = serde_json::to_vec(index).map_err(|error| Failure::new(error.to_string()))?;
        write(&self.index_file(), &text, 0o644)
            .map_err(|error| Failure::new(format!("cannot write the index: {error}")))
    }
}

/// What a sync of one source came to.
#[derive(Debug, Clone, Default)]
pub struct Synced {
    /// What is different from the last time.
    pub changes: Changes,
    /// How much is offered.
    pub offered: usize,
}

/// So many names are told of each kind.
const NAMED: usize = 12;

/// Says what a sync has changed.
pub fn tell(changes: &Changes, task: &TaskContext) {
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
