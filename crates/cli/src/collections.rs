//! Collections on disk to a catalog: each tree is listed once, its manifests are read and parsed in
//! parallel.

use std::path::{Path, PathBuf};

use hoist_core::format::FORMATS;
use hoist_core::{
    Catalog, Diagnostic, Environment, Manifest, ManifestFile, ManifestRef, SourceTree,
};
use hoist_plugins::MANIFEST;
use hoist_plugins::modules::{PLUGINS, plugin, plugins};
use rayon::prelude::*;

use crate::error::CommandError;

/// The directories of a collection that hold modules.
const PARTS: &[&str] = &["modules", PLUGINS];

/// What reading a collection needs to know.
#[derive(Clone, Copy)]
pub(crate) struct ReadOptions<'a> {
    pub(crate) environment: &'a Environment,
    /// Where plugins are installed.
    pub(crate) plugins: &'a Path,
}

/// True for a directory with modules in it.
pub(crate) fn is_collection(directory: &Path) -> bool {
    PARTS.iter().any(|part| directory.join(part).is_dir())
}

/// Reads collections, the first of which wins where names meet.
pub(crate) fn read(
    directories: &[PathBuf],
    reading: &ReadOptions<'_>,
) -> Result<Catalog, CommandError> {
    let mut catalog = Catalog::default();
    directories
        .iter()
        .try_for_each(|directory| add(&mut catalog, directory, None, Links::Follow, reading))?;
    Ok(catalog)
}

/// What is done with links that lead out of a collection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Followed: the collection is the user's own directory.
    Follow,
    /// Not followed: the collection is a copy of a remote repository.
    Inside,
}

/// Adds a collection, which is called by the name of its directory where it has no other.
pub(crate) fn add(
    catalog: &mut Catalog,
    directory: &Path,
    name: Option<&str>,
    links: Links,
    reading: &ReadOptions<'_>,
) -> Result<(), CommandError> {
    let mut tree = list(directory, links)?;
    tree.source = name.map_or(tree.source, str::to_owned);
    for format in FORMATS {
        let manifests = format.find(&tree);
        let parse = |reference: &ManifestRef| {
            (
                reference.name.clone(),
                format.parse(&open(&tree, reference, links), reading.environment),
            )
        };
        let parsed: Vec<_> = manifests.par_iter().with_min_len(16).map(parse).collect();
        parsed
            .into_iter()
            .for_each(|(name, parsed)| catalog.add(&name, parsed));
    }
    let plugins_here = tree.root.join(PLUGINS);
    if may_be_read(&tree.root, &plugins_here, links) {
        plugins(&plugins_here, &tree.source, reading.plugins)
            .into_iter()
            .for_each(|(name, parsed)| catalog.add(&name, parsed));
    }
    Ok(())
}

/// Reads one manifest by the path of its script or .conf file.
pub(crate) fn read_manifest(
    path: &Path,
    reading: &ReadOptions<'_>,
) -> Result<Catalog, CommandError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    if path.file_name().is_some_and(|name| name == MANIFEST) && path.exists() {
        let directory = std::path::absolute(parent)?;
        let mut catalog = Catalog::default();
        let (name, parsed) = plugin(
            &directory,
            &source_name(directory.parent().unwrap_or(&directory)),
            reading.plugins,
        );
        catalog.add(&name, parsed);
        return Ok(catalog);
    }
    let root = if parent.file_name().is_some_and(|name| name == "modules") {
        parent.parent().unwrap_or(parent)
    } else {
        parent
    };
    let stem = path.file_stem().unwrap_or_default();
    let is_beside = |other: &PathBuf| other.file_stem() == Some(stem) && other.is_file();
    let beside = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut beside: Vec<PathBuf> = beside.map(|entry| entry.path()).filter(is_beside).collect();
    beside.sort();
    // A manifest may be read wherever it stands.
    let listed = beside.iter().filter_map(|path| path.file_name());
    let tree = SourceTree {
        source: source_name(root),
        root: root.to_owned(),
        files: listed.map(|name| Path::new("modules").join(name)).collect(),
    };
    let mut catalog = Catalog::default();
    for format in FORMATS {
        for mut reference in format.find(&tree) {
            for file in &mut reference.files {
                *file = parent.join(file.file_name().unwrap_or_default());
            }
            if !reference
                .files
                .iter()
                .any(|file| file.file_name() == path.file_name())
            {
                continue;
            }
            let manifest = open(&tree, &reference, Links::Follow);
            catalog.add(
                &reference.name,
                format.parse(&manifest, reading.environment),
            );
        }
    }
    let is_empty = catalog.modules().len() == 0 && catalog.all_broken().next().is_none();
    if is_empty {
        let (message, help) = match path.exists() {
            false => (
                "the file does not exist",
                "give the path of a collection, of a plugin, or of modules/NAME.sh",
            ),
            true => (
                "the file is not a manifest",
                "manifests are modules/NAME.sh, modules/NAME.conf, modules/NAME.toml and plugins/NAME/plugin.yml",
            ),
        };
        return Err(CommandError::wrong(
            Diagnostic::error(message)
                .file(path.display().to_string())
                .help(help),
        ));
    }
    Ok(catalog)
}

/// The collection that a manifest stands in.
pub(crate) fn around(manifest: &Path) -> Option<PathBuf> {
    let part = std::path::absolute(manifest).ok()?.parent()?.to_owned();
    let root = part
        .parent()
        .filter(|_| PARTS.iter().any(|name| part.ends_with(name)))?;
    is_collection(root).then(|| root.to_owned())
}

fn list(directory: &Path, links: Links) -> Result<SourceTree, CommandError> {
    let root = std::path::absolute(directory)?;
    let mut files = Vec::new();
    let is_listed = |part: &&&str| {
        **part != PLUGINS && root.join(part).is_dir() && may_be_read(&root, &root.join(part), links)
    };
    for part in PARTS.iter().filter(is_listed) {
        let unreadable = |error: std::io::Error| {
            let diagnostic = Diagnostic::error(format!("cannot list the directory: {error}"))
                .file(root.join(part).display().to_string());
            CommandError::wrong(diagnostic.help("check the permissions of the directory"))
        };
        for entry in std::fs::read_dir(root.join(part)).map_err(unreadable)? {
            files.push(Path::new(part).join(entry.map_err(unreadable)?.file_name()));
        }
    }
    if !is_collection(&root) {
        let message = if root.is_dir() {
            "the directory is not a collection: it has neither modules/ nor plugins/"
        } else {
            "the directory does not exist"
        };
        return Err(CommandError::wrong(
            Diagnostic::error(message)
                .file(root.display().to_string())
                .help("name a directory with modules/NAME.sh, modules/NAME.toml or plugins/NAME/plugin.yml, or run `hoist init`"),
        ));
    }
    Ok(SourceTree {
        source: source_name(&root),
        root,
        files,
    })
}

/// The largest file of a manifest, in bytes.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024;

/// What a file holds; pipes, devices and what is far too large are not read.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.len() > SIZE_LIMIT {
        return Err(format!(
            "its size of {} bytes exceeds the limit of {SIZE_LIMIT} bytes",
            metadata.len()
        ));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

fn source_name(root: &Path) -> String {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    absolute.file_name().map_or_else(
        || "/".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// True where a path of a collection stays in it, or links may lead out.
fn may_be_read(root: &Path, path: &Path, links: Links) -> bool {
    let is_link = || {
        path.symlink_metadata()
            .is_ok_and(|metadata| metadata.is_symlink())
    };
    let stays = || matches!((root.canonicalize(), path.canonicalize()), (Ok(root), Ok(path)) if path.starts_with(&root));
    links == Links::Follow || !is_link() || stays()
}

fn open(tree: &SourceTree, reference: &ManifestRef, links: Links) -> Manifest {
    let file = |path: &PathBuf| {
        let path = tree.root.join(path);
        let content = match may_be_read(&tree.root, &path, links) {
            true => read_file(&path),
            false => Err("it is a symbolic link that leads out of the collection".to_owned()),
        };
        ManifestFile { content, path }
    };
    Manifest {
        name: reference.name.clone(),
        source: tree.source.clone(),
        root: tree.root.clone(),
        files: reference.files.iter().map(file).collect(),
    }
}
