//! Single files: written whole or not at all, and copied aside before.

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::listing::at;

/// What stands between the name of a file and the time of its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// `.hoist-backup-`.
    Usual,
    /// `.pre-slaanesh-`, of configuration files of shell modules: the document that describes these
    /// modules names it.
    Config,
}

impl Suffix {
    const ALL: [Self; 2] = [Self::Usual, Self::Config];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Usual => ".hoist-backup-",
            Self::Config => ".pre-slaanesh-",
        }
    }
}

/// Writes a file: first beside it, then renamed into place. Directories are made. An existing file
/// keeps its permissions and owner, and where it is a link, what the link leads to is written; a
/// new one gets `mode`.
pub fn write(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let wrong = |error| at(path, error);
    let target = if path.is_symlink() {
        follow(path).map_err(wrong)?
    } else {
        path.to_owned()
    };
    let parent = target
        .parent()
        .ok_or_else(|| wrong(io::Error::other("its directory does not exist")))?;
    std::fs::create_dir_all(parent).map_err(|error| at(parent, error))?;
    let mut file = tempfile::Builder::new()
        .prefix(&stage_prefix(&target))
        .tempfile_in(parent)
        .map_err(wrong)?;
    file.write_all(contents).map_err(wrong)?;
    let existing = target.metadata().ok();
    let mode = existing
        .as_ref()
        .map_or(mode, |metadata| metadata.mode() & 0o7777);
    if let Some(metadata) = &existing {
        // Only root may, and only for root it makes a difference.
        let _ =
            std::os::unix::fs::fchown(file.as_file(), Some(metadata.uid()), Some(metadata.gid()));
    }
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))
        .map_err(wrong)?;
    file.as_file().sync_all().map_err(wrong)?;
    file.persist(&target).map_err(|error| wrong(error.error))?;
    sync_directory(parent)
}

/// Hands everything that was written to the file system of a path to the disk.
pub fn sync_file_system(path: &Path) -> io::Result<()> {
    let file = std::fs::File::open(path).map_err(|error| at(path, error))?;
    rustix::fs::syncfs(file).map_err(|error| at(path, error.into()))
}

/// Hands the names in a directory to the disk.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    std::fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| at(directory, error))
}

/// How the files beside a path are called while they are written; six random characters follow.
pub(crate) fn stage_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".hoist-stage-");
    prefix.push(cut(path.file_name().unwrap_or_default(), NAME_LIMIT - 20));
    prefix.push("-");
    prefix
}

/// Names are no longer than this, in bytes, on all usual file systems.
const NAME_LIMIT: usize = 255;

/// At most so many bytes of a name, in whole characters.
fn cut(name: &OsStr, length: usize) -> &OsStr {
    let bytes = name.as_bytes();
    let is_start = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=length.min(bytes.len()))
        .rev()
        .find(is_start)
        .unwrap_or_default();
    OsStr::from_bytes(&bytes[..end])
}

/// Returns where a link leads, also when nothing is there yet.
pub fn follow(link: &Path) -> io::Result<PathBuf> {
    let mut path = link.to_owned();
    for _ in 0..40 {
        match path.read_link() {
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// What a file holds. `None` where nothing is; whatever is no regular file is an error, and is not
/// waited for.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is not a regular file")),
        Ok(_) => std::fs::read(path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes what a file held beside it, as a copy.
pub fn keep_copy(path: &Path, contents: &[u8], mode: u32, suffix: Suffix) -> io::Result<PathBuf> {
    let wrong = |error| at(path, error);
    let parent = path
        .parent()
        .ok_or_else(|| wrong(io::Error::other("its directory does not exist")))?;
    let mut file = tempfile::Builder::new()
        .prefix(&stage_prefix(path))
        .tempfile_in(parent)
        .map_err(wrong)?;
    file.write_all(contents).map_err(wrong)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode & 0o7777))
        .map_err(wrong)?;
    finish_copy(path, file, suffix)
}

/// Copies a file aside, as `FILE.hoist-backup-TIME` or with another suffix; a copy that is there
/// stays.
pub fn back_up(path: &Path, suffix: Suffix) -> io::Result<PathBuf> {
    let wrong = |error| at(path, error);
    let contents = read(path)
        .and_then(|contents| contents.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(wrong)?;
    let metadata = path.metadata().map_err(wrong)?;
    let parent = path
        .parent()
        .ok_or_else(|| wrong(io::Error::other("its directory does not exist")))?;
    let mut file = tempfile::Builder::new()
        .prefix(&stage_prefix(path))
        .tempfile_in(parent)
        .map_err(wrong)?;
    file.write_all(&contents).map_err(wrong)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))
        .map_err(wrong)?;
    let _ = std::os::unix::fs::fchown(file.as_file(), Some(metadata.uid()), Some(metadata.gid()));
    finish_copy(path, file, suffix)
}

fn finish_copy(
    path: &Path,
    mut file: tempfile::NamedTempFile,
    suffix: Suffix,
) -> io::Result<PathBuf> {
    let wrong = |error| at(path, error);
    file.as_file().sync_all().map_err(wrong)?;
    for copy in names(path, suffix) {
        match file.persist_noclobber(&copy) {
            Ok(_) => {
                copy.parent().map_or(Ok(()), sync_directory)?;
                return Ok(copy);
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.file,
            Err(error) => return Err(wrong(error.error)),
        }
    }
    Err(wrong(io::Error::other("no free name for a backup")))
}

/// Names for a copy made now, until one is free. Of copies made in the same second each has a
/// higher number than those before it, also where these were removed.
fn names(path: &Path, suffix: Suffix) -> impl Iterator<Item = PathBuf> {
    let start = format!(
        "{}{}",
        suffix.as_str(),
        Timestamp::now().strftime("%Y%m%d-%H%M%S")
    );
    let first = with_suffix(path, &start);
    let first = first
        .file_name()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default()
        .into_owned();
    let number = |copy: &PathBuf| -> Option<usize> {
        let rest = copy.file_name()?.to_str()?.strip_prefix(first.as_str())?;
        if rest.is_empty() {
            Some(0)
        } else {
            rest.strip_prefix('-')?.parse().ok()
        }
    };
    let next = backups(path)
        .iter()
        .filter_map(number)
        .max()
        .map_or(0, |number| number + 1);
    let name = move |number| {
        if number == 0 {
            start.clone()
        } else {
            format!("{start}-{number}")
        }
    };
    (next..next + 100_000).map(move |number| with_suffix(path, &name(number)))
}

/// A name `PATH.hoist-backup-TIME` at which nothing stands.
pub fn aside_name(path: &Path) -> PathBuf {
    let free = names(path, Suffix::Usual).find(|name| name.symlink_metadata().is_err());
    free.unwrap_or_else(|| with_suffix(path, Suffix::Usual.as_str()))
}

/// Moves a file or a tree to `PATH.hoist-backup-TIME`, in the same file system; what is there
/// stays.
pub fn move_aside(from: &Path, path: &Path) -> io::Result<PathBuf> {
    for copy in names(path, Suffix::Usual) {
        match rename_new(from, &copy) {
            Ok(()) => return Ok(copy),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(at(path, io::Error::other("no free name for a backup")))
}

/// True for the name of a copy that hoist made.
pub fn is_backup(path: &Path) -> bool {
    let contains = |name: &OsStr| {
        Suffix::ALL
            .iter()
            .any(|suffix| name.to_string_lossy().contains(suffix.as_str()))
    };
    path.file_name().is_some_and(contains)
}

/// Renames to where nothing is.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let renamed = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if to.symlink_metadata().is_err() => {
            std::fs::rename(from, to)
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        renamed => renamed.map_err(io::Error::from),
    };
    renamed.map_err(|error| at(from, error))
}

/// The copies of a file, the oldest first.
pub fn backups(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name() else {
        return Vec::new();
    };
    let name = cut(name, NAME_LIMIT - LONGEST);
    let start = |suffix: Suffix| [name.as_encoded_bytes(), suffix.as_str().as_bytes()].concat();
    let starts = Suffix::ALL.map(start);
    let is_copy = |name: &OsStr| {
        starts
            .iter()
            .any(|start| name.as_encoded_bytes().starts_with(start))
    };
    let entries = path
        .parent()
        .and_then(|parent| std::fs::read_dir(parent).ok())
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| is_copy(&entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    // In one second the first has no number. All suffixes are of one length.
    found.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    found.sort_by_key(|path| time_of(path, starts[0].len()));
    found
}

/// Removes the oldest copies of a file until so many are left. The `original` is one of them and
/// stays, and so does the newest.
///
/// # Errors
/// One of them cannot be removed.
pub fn prune_backups(path: &Path, keep: usize, original: Option<&Path>) -> io::Result<()> {
    let is_file = |copy: &Path| copy.symlink_metadata().is_ok_and(|copy| copy.is_file());
    let copies: Vec<PathBuf> = backups(path)
        .into_iter()
        .filter(|copy| is_file(copy) && Some(copy.as_path()) != original)
        .collect();
    let has_original = original.is_some_and(is_file);
    let surplus = copies.len().saturating_sub(if has_original {
        keep.saturating_sub(1).max(1)
    } else {
        keep
    });
    copies
        .iter()
        .take(surplus)
        .try_for_each(|copy| std::fs::remove_file(copy).map_err(|error| at(copy, error)))
}

fn time_of(copy: &Path, start: usize) -> String {
    let name = copy
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    name.get(start..start + 15).unwrap_or_default().to_owned()
}

/// Where the new version of a file that is kept waits for a decision: `FILE.new`.
pub fn pending(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = cut(path.file_name().unwrap_or_default(), NAME_LIMIT - LONGEST).to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// The longest that is put behind a name: a mark, a time, a number.
const LONGEST: usize = Suffix::Usual.as_str().len() + 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_links_stay_and_copies_are_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let (real, link) = (home.path().join("dotfiles/rc"), home.path().join(".rc"));
        write(&real, b"1", 0o640).unwrap();
        std::os::unix::fs::symlink("dotfiles/rc", &link).unwrap();
        std::fs::set_permissions(&real, Permissions::from_mode(0o600)).unwrap();
        write(&link, b"2", 0o644).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"2");
        assert_eq!(real.metadata().unwrap().mode() & 0o777, 0o600);
        let copies: Vec<PathBuf> = (0..3)
            .map(|_| back_up(&link, Suffix::Config).unwrap())
            .collect();
        assert_eq!(backups(&link).len(), 3);
        assert_eq!(copies[0].metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(home.path().join("dotfiles"))
                .unwrap()
                .count(),
            1,
            "no stage is left"
        );
        // The longest name that there may be.
        let long = home.path().join("é".repeat(127) + "x");
        write(&long, b"3", 0o644).unwrap();
        let copy = keep_copy(&long, b"4", 0o644, Suffix::Usual).unwrap();
        assert_eq!((backups(&long), is_backup(&copy)), (vec![copy], true));
        write(&pending(&long), b"5", 0o644).unwrap();
    }
}
