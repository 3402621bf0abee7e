//! The sources that settings name, and what hoist has of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_core::{
    CollectionFile, Diagnostic, Environment, Source, SourceBase, WrittenSource, wrong_source,
};
use hoist_sources::Index;
use hoist_system::source_cache::SourceCache;
use rayon::prelude::*;

use crate::error::CommandError;
use crate::systems::{GRAMMAR, REGISTRY};

/// Sources, and what is wrong with sources that cannot be used.
type Read = (Vec<Source>, Vec<Diagnostic>);

/// One source as it is written.
pub(crate) fn read_one(
    written: &WrittenSource,
    file: &Path,
    environment: &Environment,
) -> Result<Source, Diagnostic> {
    let base = SourceBase {
        directory: file.parent().unwrap_or(Path::new("/")),
        environment,
    };
    let syntax = written.kind(&GRAMMAR)?;
    let mut kinds = REGISTRY.sources();
    let kind = kinds.find(|kind| kind.syntax().kind() == syntax.kind());
    let unknown = || wrong_source("the kind of source is unknown", "correct the entry");
    kind.ok_or_else(unknown)?.read(written, &base)
}

/// Reads the sources of settings files: each with the path of its file. The first of a name counts;
/// those with a higher priority come first.
///
/// What a source leads to, and cannot be used, is told beside the others: it holds up nothing else.
pub(crate) fn read(
    files: &[(PathBuf, &CollectionFile)],
    environment: &Environment,
) -> Result<Read, CommandError> {
    let (mut sources, mut errors, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (file, settings) in files {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for (number, written) in settings.sources.iter().enumerate() {
            let wrong = |error: Diagnostic| {
                error
                    .file(file.display().to_string())
                    .field(format!("sources[{number}]"))
            };
            let read = match read_one(written, file, environment) {
                Ok(source) => expand(source).map_err(|error| problems.push(wrong(error))),
                Err(error) => {
                    errors.push(wrong(error));
                    Err(())
                }
            };
            for source in read.into_iter().flatten() {
                if !names.insert(source.name.clone()) {
                    let twice =
                        Diagnostic::error(format!("two sources have the name `{}`", source.name));
                    errors.push(wrong(twice.help("change the `name` of one of them")));
                } else if !sources
                    .iter()
                    .any(|known: &Source| known.name == source.name)
                {
                    sources.push(source);
                }
            }
        }
    }
    sources.sort_by_key(|source| std::cmp::Reverse(source.priority));
    if errors.is_empty() {
        Ok((sources, problems))
    } else {
        Err(errors.into())
    }
}

/// The sources that one stands for.
fn expand(source: Source) -> Result<Vec<Source>, Diagnostic> {
    match REGISTRY.kind_of(&source) {
        Some(kind) => kind.expand(source),
        None => Ok(vec![source]),
    }
}

/// True for a source of which an index is kept.
pub(crate) fn has_index(source: &Source) -> bool {
    REGISTRY
        .kind_of(source)
        .is_some_and(|kind| kind.has_index())
}

/// What the sources offered when they were last looked at, by name.
pub(crate) fn indexes(
    sources: &[Source],
    cache: &Path,
) -> Result<BTreeMap<String, Index>, CommandError> {
    let read = |source: &Source| {
        let index = SourceCache::new(cache, source).index(&source.fingerprint());
        index.map(|index| index.map(|index| (source.name.clone(), index)))
    };
    let read: Vec<_> = sources
        .par_iter()
        .filter(|source| has_index(source))
        .map(read)
        .collect::<std::io::Result<_>>()?;
    Ok(read.into_iter().flatten().collect())
}
