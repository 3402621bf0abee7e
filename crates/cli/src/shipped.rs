//! The plugins that come with hoist: in the program, and put on the disk when one is installed.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hoist_core::Digest;
use hoist_plugins::{InMemory, MANIFEST};
use include_dir::{Dir, File, include_dir};

/// All of them, by the names of their directories.
pub(crate) static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/plugins");

fn files<'d>(directory: &'d Dir<'d>) -> Vec<&'d File<'d>> {
    let below = directory.dirs().flat_map(files);
    let mut all: Vec<&File<'_>> = directory.files().chain(below).collect();
    all.sort_by_key(|file| file.path());
    all
}

/// True for what is run: it says by what.
fn is_script(content: &[u8]) -> bool {
    content.starts_with(b"#!")
}

/// The names of the plugins.
pub(crate) fn names() -> Vec<String> {
    let name = |directory: &Dir<'_>| {
        directory
            .path()
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    SHIPPED
        .dirs()
        .filter(|directory| {
            directory
                .get_file(directory.path().join(MANIFEST))
                .is_some()
        })
        .filter_map(name)
        .collect()
}

/// A plugin, to be looked at.
pub(crate) fn find(name: &str) -> Option<InMemory> {
    let directory = SHIPPED.get_dir(name)?;
    let file = |file: &&File<'_>| {
        let path = file
            .path()
            .strip_prefix(directory.path())
            .unwrap_or(file.path())
            .display()
            .to_string();
        (path, (file.contents().to_vec(), is_script(file.contents())))
    };
    Some(InMemory {
        root: PathBuf::from(name),
        files: files(directory).iter().map(file).collect(),
    })
}

/// The directory of a plugin in the cache, where it is put when it is not there as it should be.
pub(crate) fn on_disk(name: &str, cache: &Path) -> io::Result<Option<PathBuf>> {
    let Some(directory) = SHIPPED.get_dir(name) else {
        return Ok(None);
    };
    let all = files(directory);
    let digest = Digest::of(all.iter().map(|file| file.contents()));
    let here = cache
        .join("shipped")
        .join(&digest.as_str()[..16])
        .join(name);
    let whole = all.iter().all(|file| {
        let path = here.join(
            file.path()
                .strip_prefix(directory.path())
                .unwrap_or(file.path()),
        );
        std::fs::read(path).is_ok_and(|there| there == file.contents())
    });
    if !whole {
        write(directory, &here, &|_, text| text)?;
    }
    Ok(Some(here))
}

/// Writes the files of a directory below another, and returns their paths.
pub(crate) fn write(
    directory: &Dir<'_>,
    into: &Path,
    text: &dyn Fn(&str, String) -> String,
) -> io::Result<Vec<String>> {
    let mut written = Vec::new();
    for file in files(directory) {
        let inside = file
            .path()
            .strip_prefix(directory.path())
            .unwrap_or(file.path())
            .display()
            .to_string();
        let target = into.join(&inside);
        std::fs::create_dir_all(target.parent().unwrap_or(into))?;
        match file.contents_utf8() {
            Some(content) => std::fs::write(&target, text(&inside, content.to_owned()))?,
            None => std::fs::write(&target, file.contents())?,
        }
        if is_script(file.contents()) {
            std::fs::set_permissions(&target, Permissions::from_mode(0o755))?;
        }
        written.push(inside);
    }
    Ok(written)
}

/// Writes the files of a directory that do not exist yet below another, and returns their paths.
/// Removes them again when one cannot be written.
pub(crate) fn write_new(
    directory: &Dir<'_>,
    into: &Path,
    text: &dyn Fn(&str, String) -> String,
) -> io::Result<Vec<String>> {
    let mut written = Vec::new();
    for file in files(directory) {
        let inside = file.path().display().to_string();
        let target = into.join(&inside);
        if target.symlink_metadata().is_ok() {
            continue;
        }
        let content = text(
            &inside,
            String::from_utf8_lossy(file.contents()).into_owned(),
        );
        let write = || {
            std::fs::create_dir_all(target.parent().unwrap_or(into))?;
            std::fs::write(&target, content)
        };
        if let Err(error) = write() {
            written
                .iter()
                .for_each(|path| drop(std::fs::remove_file(into.join(path))));
            return Err(error);
        }
        written.push(inside);
    }
    Ok(written)
}
