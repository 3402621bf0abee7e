//! The sources that settings name, and what hoist has of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_core::{CollectionFile, Diagnostic, Environment, Source, SourceKind};
use hoist_prosody::server::prosody_configuration;
use hoist_sources::Index;
use hoist_sources::prosody::ServerConfiguration;
use hoist_system::source_cache::SourceCache;
use rayon::prelude::*;

use crate::error::CommandError;

/// What the XMPP servers say that sources are for, by the path of the configuration.
pub(crate) type Servers = BTreeMap<PathBuf, ServerConfiguration>;

/// Sources, what servers say, and what is wrong with sources that cannot be used.
type Read = (Vec<Source>, Servers, Vec<Diagnostic>);

/// Reads the sources of settings files: each with the path of its file. The first of a name counts;
/// those with a higher priority come first.
///
/// What a source leads to, and cannot be used, is told beside the others: it holds up nothing else.
pub(crate) fn read(
    files: &[(PathBuf, &CollectionFile)],
    environment: &Environment,
) -> Result<Read, CommandError> {
    let (mut sources, mut errors, mut problems, mut servers) =
        (Vec::new(), Vec::new(), Vec::new(), Servers::new());
    for (file, settings) in files {
        let base = file.parent().unwrap_or(Path::new("/"));
        let mut names: BTreeSet<String> = BTreeSet::new();
        for (number, written) in settings.sources.iter().enumerate() {
            let wrong = |error: Diagnostic| {
                error
                    .file(file.display().to_string())
                    .field(format!("sources[{number}]"))
            };
            let read = match written.read(base, environment) {
                Ok(source) => {
                    expand(source, &mut servers).map_err(|error| problems.push(wrong(error)))
                }
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
        Ok((sources, servers, problems))
    } else {
        Err(errors.into())
    }
}

/// A source as it is, and the two that the configuration of Prosody stands for.
fn expand(source: Source, servers: &mut Servers) -> Result<Vec<Source>, Diagnostic> {
    let SourceKind::Prosody {
        prosody,
        mercurial,
        lua,
    } = &source.kind
    else {
        return Ok(vec![source]);
    };
    let configuration = prosody_configuration(prosody).map_err(|why| {
        Diagnostic::error(why).help(format!(
            "it is part of the Prosody configuration {}",
            prosody.display()
        ))
    })?;
    let missing = |name: &str| {
        let wrong = Diagnostic::error(format!(
            "{} does not set {name} to a string",
            prosody.display()
        ));
        wrong.help(format!(
            "add {name} = \"…\" to it, or list the sources one by one"
        ))
    };
    let place = configuration
        .installer_plugin_path
        .as_deref()
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let place = place.ok_or_else(|| missing("installer_plugin_path"))?;
    let mut sources = Vec::new();
    match (&configuration.plugin_server, mercurial) {
        (None, None) => return Err(missing("plugin_server")),
        (Some(server), _) => {
            let kind = SourceKind::Rocks {
                rocks: server.clone(),
                tree: place.clone(),
                lua: lua.clone(),
            };
            sources.push(Source {
                name: "rocks".to_owned(),
                priority: source.priority,
                kind,
                server: source.server.clone(),
            });
        }
        (None, Some(_)) => {}
    }
    if let Some(mercurial) = mercurial {
        let kind = SourceKind::Mercurial {
            mercurial: mercurial.clone(),
            modules: vec!["mod_*".to_owned()],
            into: place,
        };
        sources.push(Source {
            name: "community".to_owned(),
            priority: source.priority,
            kind,
            server: source.server.clone(),
        });
    }
    servers.insert(prosody.clone(), configuration);
    Ok(sources)
}

/// True for a source of which an index is kept.
fn is_synced(source: &Source) -> bool {
    source.kind.destination().is_some() && source.kind.as_str() != "application"
}

/// What the sources offered when they were last looked at, by name.
pub(crate) fn indexes(
    sources: &[Source],
    cache: &Path,
) -> Result<BTreeMap<String, Index>, CommandError> {
    let read = |source: &Source| {
        let index = SourceCache::new(cache, source).index(&source.kind.fingerprint());
        index.map(|index| index.map(|index| (source.name.clone(), index)))
    };
    let read: Vec<_> = sources
        .par_iter()
        .filter(|source| is_synced(source))
        .map(read)
        .collect::<std::io::Result<_>>()?;
    Ok(read.into_iter().flatten().collect())
}

/// Where Debian puts the modules that come with the server.
const BUILTIN_MODULES: &str = "/usr/lib/prosody/modules";

/// The names of the modules that the XMPP server itself brings, where a source is for one.
pub(crate) fn builtin_modules(settings: &CollectionFile, sources: &[Source]) -> BTreeSet<String> {
    if settings.builtin_modules.is_none() && !sources.iter().any(is_synced) {
        return BTreeSet::new();
    }
    let directory = settings
        .builtin_modules
        .as_deref()
        .unwrap_or(BUILTIN_MODULES);
    let mut names = BTreeSet::new();
    modules_below(Path::new(directory), 3, &mut names);
    names
}

/// Some modules stand in a directory with those that go with them: `muc/mod_muc.lua`.
fn modules_below(directory: &Path, depth: usize, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_directory = entry.path().is_dir();
        if is_directory && depth > 0 {
            modules_below(&entry.path(), depth - 1, names);
        }
        let module = if is_directory {
            Some(name.as_str())
        } else {
            name.strip_suffix(".lua")
        };
        names.extend(
            module
                .filter(|name| name.starts_with("mod_"))
                .map(str::to_owned),
        );
    }
}
