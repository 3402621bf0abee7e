//! The places that modules of a web application come from: clones of git repositories, and
//! archives.

use std::path::Path;

use hoist_core::{
    Diagnostic, Digest, Module, Source, SourceBase, SourceSyntax, WrittenSource, redact_urls,
};
use hoist_executor::{Effect, Failure, TaskContext};
use hoist_sources::kinds::ApplicationSource;
use hoist_sources::modules::application_modules;
use hoist_sources::{Index, IndexEntry, index};
use jiff::Timestamp;

use crate::offers::{is_archive, is_remote, offers, place_cache, places_of};
use hoist_machine::machine::Machine;
use hoist_methods::git_copy as copy;
use hoist_system::context::StepContext;
use hoist_system::program::RequiredProgram;
use hoist_system::source::{SourceKind, SyncContext};
use hoist_system::source_cache::{SourceCache, Synced, tell};

/// A larger archive is no module.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Web applications, with the places that their modules come from.
#[derive(Debug)]
pub struct Applications;

static PHP: RequiredProgram = RequiredProgram::new("php", |machine| machine.program_shown("php"));

impl SourceKind for Applications {
    fn syntax(&self) -> SourceSyntax {
        ApplicationSource::SYNTAX
    }

    fn read(&self, written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        ApplicationSource::read(written, base)
    }

    fn programs(&self, _: &Source) -> Vec<&'static RequiredProgram> {
        vec![&PHP]
    }

    fn modules(
        &self,
        source: &Source,
        index: &Index,
        _: &Path,
        _: &dyn Fn(&str) -> bool,
    ) -> Vec<Module> {
        ApplicationSource::of(source).map_or(Vec::new(), |settings| {
            application_modules(source, &settings, index)
        })
    }

    /// Fetches what is not on this machine, and tells what is different by that.
    fn sync(
        &self,
        source: &Source,
        context: &SyncContext<'_>,
    ) -> Result<(Effect, Synced), Failure> {
        let unknown = || Failure::new(format!("{} is not an application", source.name));
        let settings = ApplicationSource::of(source).ok_or_else(unknown)?;
        sync(&settings, context)
    }
}

fn sync(
    settings: &ApplicationSource,
    context: &SyncContext<'_>,
) -> Result<(Effect, Synced), Failure> {
    let &SyncContext {
        cache,
        machine,
        task,
        ..
    } = context;
    let from = &places_of(&settings.application, &settings.from);
    // Names and versions only: places may have passwords in them.
    let location = Digest::of(from.iter().map(String::as_bytes))
        .as_str()
        .to_owned();
    let former = cache
        .index(&location)
        .map_err(|error| Failure::new(format!("cannot read the index: {error}")))?;
    let mut changed = false;
    for place in from.iter().filter(|place| is_remote(place)) {
        changed |= fetch(place, cache, machine, task)?;
        task.check()?;
    }
    let now = offers(from, cache).index;
    let entry = |entry: &IndexEntry| IndexEntry {
        name: entry.name.clone(),
        version: entry.version.clone(),
        ..IndexEntry::default()
    };
    let entries: Vec<IndexEntry> = now.entries.iter().map(entry).collect();
    let now = Index {
        format: index::FORMAT,
        location,
        synced_at: Timestamp::now().to_string(),
        entries,
        ..Index::default()
    };
    let changes = now.since(former.as_ref().unwrap_or(&Index::default()));
    if former.is_none() || !changes.is_empty() {
        cache.store(&now)?;
    }
    tell(&changes, task);
    let effect = if changed || !changes.is_empty() {
        Effect::Changed
    } else {
        Effect::Unchanged
    };
    Ok((
        effect,
        Synced {
            changes,
            offered: now.entries.len(),
        },
    ))
}

fn fetch(
    place: &str,
    cache: &SourceCache,
    machine: &Machine,
    task: &TaskContext,
) -> Result<bool, Failure> {
    let copy = place_cache(cache, place);
    if is_archive(place) {
        let bytes = machine.http().read(place, LIMIT)?;
        if std::fs::read(&copy).is_ok_and(|there| there == bytes) {
            return Ok(false);
        }
        return hoist_files::write(&copy, &bytes, 0o600)
            .map(|()| true)
            .map_err(|error| {
                Failure::new(format!(
                    "{}: cannot keep a copy: {error}",
                    redact_urls(place)
                ))
            });
    }
    let variables = Default::default();
    let context = StepContext::new(task, machine, "sync", &variables);
    copy::refresh(place, None, &copy, &context).map(|effect| effect == Effect::Changed)
}
