//! What a kind of source has to answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hoist_core::{Catalog, Diagnostic, Module, Source, SourceBase, SourceSyntax, WrittenSource};
use hoist_executor::{Effect, Failure, TaskContext};
use hoist_machine::machine::Machine;
use hoist_sources::{Index, IndexEntry, index};
use jiff::Timestamp;

use crate::program::RequiredProgram;
use crate::source_cache::{SourceCache, Synced, tell};

/// A module that somebody asks for in a certain version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedVersion {
    /// Its name, as it was written.
    pub name: String,
    /// The version.
    pub version: String,
}

/// What a source is looked at anew with.
pub struct SyncContext<'a> {
    /// Names with versions, of which what the source has is read as well.
    pub asked: &'a [AskedVersion],
    /// What hoist keeps of the source.
    pub cache: &'a SourceCache,
    /// The machine.
    pub machine: &'a Machine,
    /// The task that does it.
    pub task: &'a TaskContext,
}

/// What all sources offer.
#[derive(Debug, Clone, Copy)]
pub struct OfferedModules<'a> {
    /// The modules that count.
    pub catalog: &'a Catalog,
    /// The indexes of sources, by their names.
    pub indexes: &'a BTreeMap<String, Index>,
}

impl<'a> OfferedModules<'a> {
    /// What a source offers, as its index says.
    pub fn entries_of(&self, source: &Source) -> &'a [IndexEntry] {
        let index = self.indexes.get(&source.name);
        index.map_or(&[], |index| index.entries.as_slice())
    }

    /// What all indexes say.
    pub fn entries(&self) -> impl Iterator<Item = &'a IndexEntry> {
        self.indexes.values().flat_map(|index| &index.entries)
    }
}

/// A kind of source: a key in `hoist.yml`, and everything that follows from it.
pub trait SourceKind: Sync {
    /// Its keys in `hoist.yml`.
    fn syntax(&self) -> SourceSyntax;

    /// Reads an entry of `hoist.yml`.
    ///
    /// # Errors
    /// What is missing, and what does not go together.
    fn read(&self, written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic>;

    /// The sources that an entry stands for.
    ///
    /// # Errors
    /// What the entry leads to cannot be used.
    fn expand(&self, source: Source) -> Result<Vec<Source>, Diagnostic> {
        Ok(vec![source])
    }

    /// Programs that it runs.
    fn programs(&self, source: &Source) -> Vec<&'static RequiredProgram> {
        let _ = source;
        Vec::new()
    }

    /// The directory of the collection that it is, where there is one by now.
    fn collection(&self, source: &Source, cache: &SourceCache) -> Option<PathBuf> {
        let _ = (source, cache);
        None
    }

    /// Whether what it offers is known by an index, which a sync writes.
    fn has_index(&self) -> bool {
        false
    }

    /// The modules of an index. `tree` is hoist's copy of the files of the source; `is_builtin`
    /// is true for names of modules that need not be installed.
    fn modules(
        &self,
        source: &Source,
        index: &Index,
        tree: &Path,
        is_builtin: &dyn Fn(&str) -> bool,
    ) -> Vec<Module> {
        let _ = (source, index, tree, is_builtin);
        Vec::new()
    }

    /// Whether it has to be looked at anew for versions that are asked for.
    fn is_unread(
        &self,
        source: &Source,
        asked: &[AskedVersion],
        offered: &OfferedModules<'_>,
    ) -> bool {
        let _ = (source, asked, offered);
        false
    }

    /// Looks at a source anew.
    ///
    /// # Errors
    /// It cannot be reached, or is not what it should be; what hoist knew of it stays as it was.
    fn sync(&self, source: &Source, context: &SyncContext<'_>)
    -> Result<(Effect, Synced), Failure>;
}

impl SyncContext<'_> {
    /// What the source offered when it was last looked at.
    ///
    /// # Errors
    /// An index that is there and cannot be read.
    pub fn former(&self, source: &Source) -> Result<Option<Index>, Failure> {
        let index = self.cache.index(&source.fingerprint());
        index.map_err(|error| Failure::new(format!("cannot read the index: {error}")))
    }

    /// What a sync comes to where the source is as it was.
    pub fn unchanged(&self, former: Option<&Index>) -> (Effect, Synced) {
        let synced = Synced {
            offered: former.map_or(0, |former| former.entries.len()),
            ..Synced::default()
        };
        (Effect::Unchanged, synced)
    }

    /// Replaces the index as a whole, and says what is different.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn store(
        &self,
        source: &Source,
        index: Index,
        former: Option<&Index>,
    ) -> Result<(Effect, Synced), Failure> {
        let index = Index {
            format: index::FORMAT,
            location: source.fingerprint(),
            synced_at: Timestamp::now().to_string(),
            ..index
        };
        self.cache.store(&index)?;
        let nothing = Index::default();
        let changes = index.since(former.unwrap_or(&nothing));
        tell(&changes, self.task);
        let synced = Synced {
            changes,
            offered: index.entries.len(),
        };
        Ok((Effect::Changed, synced))
    }
}
