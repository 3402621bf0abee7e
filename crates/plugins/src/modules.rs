//! Plugins: directories with a manifest, hooks and configuration, read from collections and
//! installed as modules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::on_disk::OnDisk;
use crate::{HookEvent, MANIFEST, Plugin, Side};
use hoist_core::{
    Action, Checks, DescribedBy, Digest, Module, ModulePolicy, Parsed, Recipe, SourceMetadata,
    Step, Tier, UninstallSpec, VersionedDependency, Words,
};
use rayon::prelude::*;
use serde_json::json;

use hoist_methods::file_list::{file_list, list_files};

/// The directory of a collection that plugins stand in.
pub const PLUGINS: &str = "plugins";

/// The plugins below a directory, by the names of their directories, with everything that is wrong
/// with them. `into` is where they are installed.
pub fn plugins(directory: &Path, source: &str, into: &Path) -> Vec<(String, Parsed)> {
    plugin_directories(directory)
        .into_par_iter()
        .map(|path| plugin(&path, source, into))
        .collect()
}

/// The directories of plugins below a directory, in order.
pub fn plugin_directories(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    // What a link leads to is not a part of the collection.
    let is_own = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let is_plugin =
        |path: &PathBuf| path.to_str().is_some() && path.join(MANIFEST).symlink_metadata().is_ok();
    let mut paths: Vec<PathBuf> = entries
        .filter(is_own)
        .map(|entry| entry.path())
        .filter(is_plugin)
        .collect();
    paths.sort();
    paths
}

/// The plugin in one directory.
pub fn plugin(directory: &Path, source: &str, into: &Path) -> (String, Parsed) {
    let called = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let (plugin, diagnostics) = Plugin::read(&OnDisk::new(directory));
    let name = plugin
        .as_ref()
        .map_or(called, |plugin| plugin.name.to_string());
    let module = plugin.map(|plugin| module(&plugin, directory, source, into));
    (
        name,
        Parsed {
            tier: Some(Tier::Optional),
            module,
            diagnostics,
        },
    )
}

/// The name of the system.
pub const PLUGIN_SYSTEM: &str = "plugin";

/// Whether a module is a plugin.
pub fn is_plugin(removal: &UninstallSpec) -> bool {
    removal.policy.system == PLUGIN_SYSTEM
}

/// What manifests of plugins call things.
static WORDS: Words = Words {
    dependencies: "depends",
    ..Words::NONE
};

fn module(plugin: &Plugin, directory: &Path, source: &str, into: &Path) -> Module {
    let destination = into.join(plugin.name.as_str());
    let (files, refused) = list_files(directory);
    let (files, refused) = match files {
        Ok(files) => (files, refused),
        Err(why) => (Vec::new(), Some(why)),
    };
    let (list, digest) = file_list(&files);
    let copy = json!({ "from": directory, "into": destination, "files": list, "version": plugin.version.to_string(), "refused": refused });
    let hook = |side: Side, event: HookEvent, directory: &Path| {
        let (name, hook) = plugin.hook(side, event)?;
        Some(Step::new(
            "hook",
            json!({ "hook": name, "directory": directory, "path": hook.path, "runs_itself": hook.runs_itself }),
        ))
    };
    let pre = hook(Side::Pre, HookEvent::Install, directory);
    let post = hook(Side::Post, HookEvent::Install, &destination);
    let install: Vec<Step> = pre
        .into_iter()
        .chain([Step::new("copy", copy.clone())])
        .chain(post.map(Step::after_change))
        .collect();
    let pre = hook(Side::Pre, HookEvent::Upgrade, directory);
    let post = hook(Side::Post, HookEvent::Upgrade, &destination);
    let update: Vec<Step> = pre
        .into_iter()
        .chain([Step::new("copy", copy)])
        .chain(post.map(Step::after_change))
        .collect();
    let need = |needed: &crate::Dependency| VersionedDependency {
        name: needed.name.clone(),
        versions: needed.range.to_string(),
        optional: needed.optional,
        at: Some(needed.at),
    };
    Module {
        id: plugin.name.clone(),
        summary: plugin.description.clone(),
        tier: Tier::Optional,
        requires: plugin
            .dependencies
            .iter()
            .filter(|needed| !needed.optional)
            .map(|needed| needed.name.clone())
            .collect(),
        optional_dependencies: plugin
            .dependencies
            .iter()
            .filter(|needed| needed.optional)
            .map(|needed| needed.name.clone())
            .collect(),
        method: "plugin".to_owned(),
        is_custom: false,
        recipe: Recipe {
            steps: [(Action::Install, install), (Action::Update, update)].into(),
        },
        checks: Checks {
            dirs: vec![destination.clone()],
            files: vec![destination.join(MANIFEST)],
            ..Checks::default()
        },
        repository: None,
        paths: vec![destination],
        removal: UninstallSpec {
            into: Some(into.to_owned()),
            policy: ModulePolicy {
                described_by: DescribedBy::Manifest,
                is_all_or_nothing: true,
                is_validated: true,
                ..ModulePolicy::of_index(PLUGIN_SYSTEM)
            },
            ..UninstallSpec::default()
        },
        tool_directories: Vec::new(),
        config_files: Vec::new(),
        update_method: "plugin".to_owned(),
        timeout: None,
        variables: BTreeMap::new(),
        root: directory.to_owned(),
        manifest: directory.join(MANIFEST),
        words: &WORDS,
        digest: Digest::known(digest.as_str().to_owned()),
        source: source.to_owned(),
        unavailable: None,
        offered: SourceMetadata {
            version: Some(plugin.version.to_string()),
            needs: plugin.dependencies.iter().map(need).collect(),
            ..SourceMetadata::default()
        },
    }
}

/// Copies the files of a directory, with their permissions and links, into another that is there.
pub fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    copy_tree_but(from, to, &|_, _| false)
}

/// Like [`copy_tree`], without the paths for which `leaves_out` is true; its second argument says
/// whether the path is a directory.
pub fn copy_tree_but(
    from: &Path,
    to: &Path,
    leaves_out: &dyn Fn(&Path, bool) -> bool,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if leaves_out(&entry.path(), kind.is_dir()) {
            continue;
        }
        if kind.is_dir() {
            std::fs::create_dir_all(&target)?;
            copy_tree_but(&entry.path(), &target, leaves_out)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(entry.path().read_link()?, target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// So many letters and digits that nobody can guess.
///
/// # Errors
/// The system has no randomness to give.
pub fn random_text(length: usize) -> std::io::Result<String> {
    use std::io::Read;
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::new();
    let mut source = std::fs::File::open("/dev/urandom")?;
    while text.len() < length {
        let mut bytes = [0; 64];
        source.read_exact(&mut bytes)?;
        // What would make some letters likelier than others is left out.
        let fair = bytes
            .iter()
            .map(|byte| usize::from(*byte))
            .filter(|byte| *byte < LETTERS.len() * 4);
        text.extend(fair.map(|byte| char::from(LETTERS[byte % LETTERS.len()])));
    }
    text.truncate(length);
    Ok(text)
}
