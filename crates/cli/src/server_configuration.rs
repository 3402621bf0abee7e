//! What the configurations of XMPP servers say that sources are for, and which modules come with a
//! server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_core::{CollectionFile, Source};
use hoist_prosody::server::prosody_configuration;
use hoist_sources::kinds;
use hoist_sources::prosody::ServerConfiguration;

use crate::sources;

/// What the XMPP servers say that sources are for, by the path of the configuration.
pub(crate) type Servers = BTreeMap<PathBuf, ServerConfiguration>;

/// Reads the configurations of the servers that sources are for, as far as they can be read.
pub(crate) fn servers(sources: &[Source]) -> Servers {
    let paths: BTreeSet<&Path> = sources.iter().filter_map(kinds::server).collect();
    let read = |path: &Path| Some((path.to_owned(), prosody_configuration(path).ok()?));
    paths.into_iter().filter_map(read).collect()
}

/// Where Debian puts the modules that come with the server.
const BUILTIN_MODULES: &str = "/usr/lib/prosody/modules";

/// The names of the modules that the XMPP server itself brings, where a source is for one.
pub(crate) fn builtin_modules(settings: &CollectionFile, sources: &[Source]) -> BTreeSet<String> {
    if settings.builtin_modules.is_none() && !sources.iter().any(sources::has_index) {
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
