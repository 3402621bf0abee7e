//! What modules there are for an application: in directories, archives, and clones of git
//! repositories. Read, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_core::{Application, Diagnostic, is_class_name, is_path};
use hoist_files::{TEXT_LIMIT, digest, read_limited};
use hoist_sources::directory::{INFO, MODULE_FILE, ModuleFile, ModuleInfo, PROGRAM, installer};
use hoist_sources::{Index, IndexEntry, ModuleOrigin};
use rayon::prelude::*;

use hoist_methods::archive;
use hoist_methods::archive::{Archived, Content};
use hoist_methods::file_list::{Listed, file_list, list_files, listed};
use hoist_system::source_cache::SourceCache;

/// What was found.
#[derive(Debug, Default)]
pub struct ApplicationOffers {
    /// All modules; of several with one name that of the first place.
    pub index: Index,
    /// For each place the names of its modules.
    pub by_place: BTreeMap<String, Vec<String>>,
    /// Places that nobody has looked at yet.
    pub unknown: Vec<String>,
    /// Places that cannot be used.
    pub problems: Vec<Diagnostic>,
}

/// True for a text on the command line that names a place modules come from rather than a module: a
/// path with a slash, a URL, an archive.
pub fn is_place(text: &str) -> bool {
    let is_local = text.starts_with(['/', '~'])
        || text.starts_with("./")
        || text.starts_with("../")
        || matches!(text, "." | "..");
    is_local || text.contains("://") || archive::kind(text).is_some() || text.ends_with(".git")
}

/// True for what is an archive by its name.
pub(crate) fn is_archive(text: &str) -> bool {
    archive::kind(text).is_some()
}

/// Where the copy of a place is kept, that is not on this machine or is a git repository.
pub(crate) fn place_cache(cache: &SourceCache, place: &str) -> PathBuf {
    let name = digest(place.as_bytes()).unwrap_or_default();
    let name = name.get(..16).unwrap_or_default();
    match archive::kind(place) {
        // By the end of its name it is known what it is.
        Some(archive::ArchiveKind::Zip) => cache.place(name).join("archive.zip"),
        Some(archive::ArchiveKind::Tar) => cache.place(name).join("archive.tar"),
        Some(archive::ArchiveKind::Gzip) => cache.place(name).join("archive.tar.gz"),
        None => cache.place(name).join("tree"),
    }
}

/// True for a directory that is a git repository without a work tree: it is cloned, not listed.
fn is_bare(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir()
}

/// Where a place can be read; `None` where it was not fetched yet.
fn readable(cache: &SourceCache, place: &str) -> Option<PathBuf> {
    let here = PathBuf::from(place);
    match is_path(place) && !is_bare(&here) {
        true => Some(here),
        false => Some(place_cache(cache, place)).filter(|copy| copy.exists()),
    }
}

/// True for a place whose copy has to be fetched.
pub(crate) fn is_remote(place: &str) -> bool {
    !is_path(place) || is_bare(Path::new(place))
}

/// The places that modules of an application come from. Where none is named, they are those that
/// are in it already.
pub fn places_of(application: &Application, from: &[String]) -> Vec<String> {
    let has_modules = || {
        let entries = std::fs::read_dir(&application.modules)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| entry.path().is_dir())
            .any(|entry| entry.file_name().to_str().is_some_and(is_class_name))
    };
    match from {
        [] if has_modules() => vec![application.modules.display().to_string()],
        from => from.to_vec(),
    }
}

/// Looks what modules places have.
pub fn offers(from: &[String], cache: &SourceCache) -> ApplicationOffers {
    let looked: Vec<_> = from
        .par_iter()
        .map(|place| {
            (
                place,
                readable(cache, place).map(|path| of_place(place, &path)),
            )
        })
        .collect();
    let mut offers = ApplicationOffers::default();
    let mut entries: BTreeMap<String, IndexEntry> = BTreeMap::new();
    for (place, found) in looked {
        match found {
            None => offers.unknown.push(place.clone()),
            Some(Err(why)) => {
                let wrong = Diagnostic::error(why).file(place.clone()).field("from");
                offers
                    .problems
                    .push(wrong.help(
                        "name a directory of modules, the directory of a module, an archive (zip, tar, tar.gz), or a git repository",
                    ));
            }
            Some(Ok(found)) => {
                offers.by_place.insert(
                    place.clone(),
                    found.iter().map(|entry| entry.name.clone()).collect(),
                );
                for entry in found {
                    entries.entry(entry.name.clone()).or_insert(entry);
                }
            }
        }
    }
    offers.index.entries = entries.into_values().collect();
    offers
}

fn of_place(place: &str, path: &Path) -> Result<Vec<IndexEntry>, String> {
    let metadata = path.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "the directory or archive does not exist".to_owned(),
        _ => error.to_string(),
    })?;
    let found = match metadata.is_dir() {
        true => of_directory(place, path)?,
        false if is_archive(&path.to_string_lossy()) => of_archive(place, path)?,
        false => return Err("it is not an archive that hoist reads: zip, tar, tar.gz".to_owned()),
    };
    match found.is_empty() {
        true => Err("it contains no modules: a module is a directory whose name consists of letters, digits and _".to_owned()),
        false => Ok(found),
    }
}

/// The name of the module that files at the top of a place make up; `None` where they are none.
fn module_itself<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
    stem: &str,
) -> Option<Result<String, String>> {
    let classes: Vec<&str> = names
        .clone()
        .filter_map(|name| name.strip_suffix("Installer.php"))
        .filter(|name| is_class_name(name))
        .collect();
    let is_sign =
        |name: &str| matches!(name, INFO | MODULE_FILE | PROGRAM) || name.ends_with(".php");
    match classes.as_slice() {
        _ if classes.contains(&stem) => Some(Ok(stem.to_owned())),
        [one] => Some(Ok((*one).to_owned())),
        _ if !names.clone().any(is_sign) => None,
        _ if is_class_name(stem) => Some(Ok(stem.to_owned())),
        // Behind the name may stand a version or a branch.
        _ if is_class_name(plain_stem(stem)) => Some(Ok(plain_stem(stem).to_owned())),
        _ => Some(Err(format!(
            "its name `{}` is not a module name: use only letters, digits and _",
            stem.escape_debug()
        ))),
    }
}

/// `Pizza-1.0` and `Pizza-main` are Pizza.
fn plain_stem(stem: &str) -> &str {
    let branch = |rest: &str| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            || matches!(rest, "main" | "master")
            || rest.starts_with('v')
    };
    stem.split_once('-')
        .filter(|(_, rest)| branch(rest))
        .map_or(stem, |(name, _)| name)
}

fn of_directory(place: &str, path: &Path) -> Result<Vec<IndexEntry>, String> {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(path).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // What a link leads to is not a part of the place.
        match entry.file_type().map_err(|error| error.to_string())? {
            kind if kind.is_dir() => directories.push(name),
            kind if kind.is_file() => files.push(name),
            _ => {}
        }
    }
    let here = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let own = is_path(place)
        .then(|| here.file_name().and_then(|name| name.to_str()))
        .flatten()
        .unwrap_or_else(|| archive::stem(place));
    if let Some(name) = module_itself(files.iter().map(String::as_str), own) {
        return Ok(vec![directory_entry(name?, path, place)]);
    }
    directories.retain(|name| is_class_name(name));
    let found = directories.into_par_iter().map(|name| {
        let path = path.join(&name);
        directory_entry(name, &path, place)
    });
    let mut found: Vec<IndexEntry> = found
        .filter(|entry| !entry.files.is_empty() || entry.unusable.is_some())
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn directory_entry(name: String, path: &Path, place: &str) -> IndexEntry {
    let origin = ModuleOrigin {
        path: path.to_owned(),
        prefix: None,
        from: place.to_owned(),
    };
    let (files, unusable) = list_files(path);
    let text = |name: &str| {
        Some(path.join(name))
            .filter(|path| path.is_file())
            .and_then(|path| read_limited(&path, TEXT_LIMIT).ok())
    };
    match files {
        Ok(files) => entry(name, files, origin, text, unusable),
        Err(why) => entry(
            name,
            Vec::new(),
            origin,
            text,
            Some(unusable.unwrap_or(why)),
        ),
    }
}

fn of_archive(place: &str, path: &Path) -> Result<Vec<IndexEntry>, String> {
    let files = archive::contents(path)?;
    let top: BTreeSet<&str> = files
        .iter()
        .map(|file| file.path.split('/').next().unwrap_or_default())
        .collect();
    let at_top: Vec<&str> = files
        .iter()
        .filter(|file| !file.path.contains('/'))
        .map(|file| file.path.as_str())
        .collect();
    let stem = archive::stem(place).to_owned();
    if let Some(name) = module_itself(at_top.iter().copied(), &stem) {
        return Ok(vec![archive_entry(name?, "", &files, path, place)]);
    }
    // One directory with another name around a module is how repositories are packed:
    // `pizza-1.0/PizzaInstaller.php`.
    let directories: Vec<&str> = top
        .into_iter()
        .filter(|name| !at_top.contains(name))
        .collect();
    if let [only] = directories.as_slice() {
        let prefix = format!("{only}/");
        let inside: Vec<&str> = files
            .iter()
            .filter_map(|file| file.path.strip_prefix(&prefix))
            .filter(|path| !path.contains('/'))
            .collect();
        if let Some(name) = module_itself(inside.iter().copied(), only) {
            return Ok(vec![archive_entry(name?, &prefix, &files, path, place)]);
        }
        if !is_class_name(only) || *only != stem && inside.is_empty() {
            let below = files
                .iter()
                .filter_map(|file| file.path.strip_prefix(&prefix)?.split_once('/'));
            let modules: BTreeSet<&str> = below
                .map(|(name, _)| name)
                .filter(|name| is_class_name(name))
                .collect();
            let entry = |name: &str| {
                archive_entry(
                    name.to_owned(),
                    &format!("{prefix}{name}/"),
                    &files,
                    path,
                    place,
                )
            };
            return Ok(modules.into_iter().map(entry).collect());
        }
    }
    let modules = directories.into_iter().filter(|name| is_class_name(name));
    Ok(modules
        .map(|name| archive_entry(name.to_owned(), &format!("{name}/"), &files, path, place))
        .collect())
}

fn archive_entry(
    name: String,
    prefix: &str,
    files: &[Archived],
    path: &Path,
    place: &str,
) -> IndexEntry {
    let origin = ModuleOrigin {
        path: path.to_owned(),
        prefix: Some(prefix.to_owned()),
        from: place.to_owned(),
    };
    let inside = files
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix(prefix)?, file)));
    let inside = inside.filter(|(path, _)| {
        !path
            .split('/')
            .any(|part| hoist_core::VERSION_CONTROL.contains(&part))
    });
    let all: Result<Vec<Listed>, String> = inside
        .clone()
        .map(|(path, file)| listed(path.to_owned(), file.executable, &file.content))
        .collect();
    let text = |name: &str| {
        inside
            .clone()
            .find(|(path, _)| *path == name)
            .and_then(|(_, file)| match &file.content {
                Content::File(bytes) => Some(bytes.clone()),
                Content::Link(_) => None,
            })
    };
    match all {
        Ok(mut files) => {
            files.sort_by(|a, b| a.path.cmp(&b.path));
            entry(name, files, origin, text, None)
        }
        Err(why) => entry(name, Vec::new(), origin, text, Some(why)),
    }
}

/// So many characters of a digest stand for the version of a module that has none.
const SHORT: usize = 12;

fn entry(
    name: String,
    files: Vec<Listed>,
    origin: ModuleOrigin,
    text: impl Fn(&str) -> Option<Vec<u8>>,
    unusable: Option<String>,
) -> IndexEntry {
    let (list, whole) = file_list(&files);
    let read = |name: &str| {
        text(name)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    };
    let info = ModuleInfo::read(&read(INFO));
    let file = ModuleFile::parse(&read(MODULE_FILE));
    let has = |path: &str| files.iter().any(|file| file.path == path);
    let mut depends = info.requires;
    let (installer, wrong) = match &file {
        Ok(file) => {
            depends.extend(
                file.requires
                    .iter()
                    .filter(|name| !info_has(&depends, name))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            (
                installer(&name, file, has).map(|path| path.into_owned()),
                None,
            )
        }
        Err(why) => (None, Some(why.clone())),
    };
    let named = installer
        .as_ref()
        .filter(|path| !has(path))
        .map(|path| format!("{MODULE_FILE} names the installer {path}, which does not exist"));
    let readme = files
        .iter()
        .map(|file| &file.path)
        .find(|path| !path.contains('/') && path.to_lowercase().starts_with("readme"));
    IndexEntry {
        summary: info.description.unwrap_or_default(),
        version: info
            .version
            .unwrap_or_else(|| whole.as_str().get(..SHORT).unwrap_or_default().to_owned()),
        date: info.date,
        author: info.author,
        loads: true,
        depends,
        readme: readme.cloned(),
        files: list,
        digest: whole.as_str().to_owned(),
        installer,
        origin: Some(origin),
        unusable: unusable.or(wrong).or(named),
        name,
        ..IndexEntry::default()
    }
}

fn info_has(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known == name)
}
