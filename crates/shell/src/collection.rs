//! A collection in a directory or a git repository: hoist's copy of it.

use std::path::{Path, PathBuf};

use hoist_core::{Diagnostic, Source, SourceBase, SourceSyntax, WrittenSource, is_path};
use hoist_executor::{Effect, Failure};
use hoist_methods::git_copy as copy;
use hoist_sources::kinds::{COLLECTION, CollectionSource};
use hoist_system::context::StepContext;
use hoist_system::source::{SourceKind, SyncContext};
use hoist_system::source_cache::{SourceCache, Synced};

/// The directories of which a collection has at least one.
const PARTS: &[&str] = &["modules", "plugins"];

/// Whether a directory is a collection.
pub fn is_collection(directory: &Path) -> bool {
    PARTS.iter().any(|part| directory.join(part).is_dir())
}

/// Collections, in directories and in git repositories.
#[derive(Debug)]
pub struct Collections;

impl SourceKind for Collections {
    fn syntax(&self) -> SourceSyntax {
        CollectionSource::SYNTAX
    }

    fn read(&self, written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        CollectionSource::read(written, base)
    }

    fn collection(&self, source: &Source, cache: &SourceCache) -> Option<PathBuf> {
        let mut places = [PathBuf::from(&source.location), cache.tree()].into_iter();
        places.find(|directory| directory.is_absolute() && is_collection(directory))
    }

    fn sync(
        &self,
        source: &Source,
        context: &SyncContext<'_>,
    ) -> Result<(Effect, Synced), Failure> {
        let location = &source.location;
        if is_path(location) && !location.ends_with(".git") {
            return match is_collection(Path::new(location)) {
                true => Ok((Effect::Unchanged, Synced::default())),
                false => Err(Failure::new(format!(
                    "{location} is not a collection: it has neither modules/ nor plugins/"
                ))),
            };
        }
        let settings: Option<CollectionSource> = source.settings(COLLECTION);
        let reference = settings.and_then(|settings| settings.reference);
        let tree = context.cache.tree();
        let variables = Default::default();
        let step = StepContext::new(context.task, context.machine, "sync", &variables);
        let effect = copy::refresh(location, reference.as_deref(), &tree, &step)?;
        Ok((effect, Synced::default()))
    }
}
