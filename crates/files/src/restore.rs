//! Puts back what was at paths before.
//!
//! Every change goes through open directories, from the directory that a root is in down to the
//! path, so that no link that is put in its way leads it elsewhere.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid,
    chmodat, chownat, fchmod, fchown, fstat, futimens, mkdirat, mknodat, openat, renameat, statat,
    symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::home::DIRECTORY;
use crate::listing::{FileKind, is_absent};
use crate::snapshot::{Difference, PIPE, SOCKET, State};
use crate::store::Store;
use crate::write::stage_prefix;

/// Nothing was kept of what a file held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its content was not kept")]
pub struct NotKept;

/// Puts back what stood at paths before, in an order in which directories are there for what stands
/// in them. What stands there now is gone after that, so it has to be known that nobody needs it.
/// Links on the way to one of the `roots` are followed, and none below. Contents, permissions,
/// owners, times of modification and extended attributes are what they were. Returns what could not
/// be done.
pub fn put_back(
    differences: &[&Difference],
    store: &Store,
    roots: &[PathBuf],
) -> Vec<(PathBuf, io::Error)> {
    let mut sorted = differences.to_vec();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut failed = Vec::new();
    let replaced = |difference: &Difference| match (&difference.before, &difference.after) {
        (None, Some(_)) => true,
        (Some(before), Some(after)) => before.kind != after.kind,
        _ => false,
    };
    let mut places = Places { roots, last: None };
    let mut opened = Opened::default();
    // What was closed meanwhile is opened from the top down; its own permissions come back at the
    // end.
    for difference in sorted.iter().filter(|difference| {
        difference
            .after
            .as_ref()
            .is_some_and(|after| after.kind == FileKind::Directory)
    }) {
        opened.open(&difference.path, &mut places);
    }
    for difference in sorted
        .iter()
        .rev()
        .filter(|difference| replaced(difference))
    {
        opened.parent(&difference.path, &mut places);
        match places.remove(
            &difference.path,
            difference.after.as_ref().map(|after| after.kind),
        ) {
            Err(error) if !is_absent(&error) => failed.push((difference.path.clone(), error)),
            _ => {}
        }
    }
    for difference in sorted.iter() {
        let Some(before) = &difference.before else {
            continue;
        };
        // What could not be removed is in its way.
        if failed
            .iter()
            .any(|(path, _)| difference.path.starts_with(path))
        {
            continue;
        }
        opened.parent(&difference.path, &mut places);
        let is_there = difference
            .after
            .as_ref()
            .is_some_and(|after| after.has_same_contents(before))
            && before.kind == FileKind::File;
        let set = match is_there {
            true => places.set_owner(&difference.path, before),
            false => places.set(&difference.path, before, store),
        };
        if let Err(error) = set {
            failed.push((difference.path.clone(), error));
        }
    }
    // Permissions and times of directories last: some may not be written to, and what is put into
    // them changes their times.
    for difference in sorted.iter().rev() {
        let is_directory =
            |before: &&State| matches!(before.kind, FileKind::Directory | FileKind::Git);
        let stands = !failed
            .iter()
            .any(|(path, _)| difference.path.starts_with(path));
        let before = difference
            .before
            .as_ref()
            .filter(|_| stands)
            .filter(is_directory);
        if let Some(Err(error)) = before.map(|before| places.set_owner(&difference.path, before)) {
            failed.push((difference.path.clone(), error));
        }
        opened
            .0
            .retain(|(path, ..)| difference.before.is_none() || *path != difference.path);
    }
    opened.close();
    failed
}

/// Directories that may be written to for the time being, with the permissions that they have
/// otherwise.
#[derive(Default)]
struct Opened(Vec<(PathBuf, OwnedFd, u32)>);

impl Opened {
    /// Lets the directory of a path be written to, by its owner.
    fn parent(&mut self, path: &Path, places: &mut Places<'_>) {
        path.parent()
            .into_iter()
            .for_each(|parent| self.open(parent, places));
    }

    fn open(&mut self, directory: &Path, places: &mut Places<'_>) {
        let Ok((handle, stat)) = places.handle(directory) else {
            return;
        };
        let mode = stat.st_mode & 0o7777;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if is_directory && mode & 0o700 != 0o700 && change_mode(&handle, mode | 0o700).is_ok() {
            self.0.push((directory.to_owned(), handle, mode));
        }
    }

    fn close(self) {
        for (_, handle, mode) in self.0.into_iter().rev() {
            let _ = change_mode(&handle, mode);
        }
    }
}

/// Changes the permissions of what a handle stands for, which need not be readable.
fn change_mode(handle: &OwnedFd, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(
        format!("/proc/self/fd/{}", handle.as_raw_fd()),
        Permissions::from_mode(mode),
    )
}

/// The way to paths.
struct Places<'a> {
    roots: &'a [PathBuf],
    /// The open directory of the path that was asked for last.
    last: Option<(PathBuf, OwnedFd)>,
}

impl Places<'_> {
    /// Opens the directory that a path is in, and returns it with the name of the path.
    fn parent<'p>(&mut self, path: &'p Path) -> io::Result<(&OwnedFd, &'p OsStr)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::other("it is not a plain path"));
        };
        if self.last.as_ref().is_none_or(|(last, _)| last != parent) {
            let directory = self.walk(path, parent)?;
            self.last = Some((parent.to_owned(), directory));
        }
        match &self.last {
            Some((_, directory)) => Ok((directory, name)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn walk(&self, path: &Path, parent: &Path) -> io::Result<OwnedFd> {
        let root = self
            .roots
            .iter()
            .filter(|root| path.starts_with(root))
            .min_by_key(|root| root.as_os_str().len());
        let base = root.and_then(|root| root.parent()).unwrap_or(parent);
        // Links above a root are somebody's own; the directory itself is opened without following
        // any.
        let real = existing(base)?;
        let mut directory = openat(CWD, "/", DIRECTORY, Mode::empty())?;
        let below = parent.strip_prefix(base).unwrap_or(Path::new(""));
        let missing = base.strip_prefix(&real.asked).unwrap_or(Path::new(""));
        for part in real.path.components().skip(1) {
            directory = openat(&directory, part.as_os_str(), DIRECTORY, Mode::empty())?;
        }
        for part in missing.components().chain(below.components()) {
            directory = match openat(&directory, part.as_os_str(), DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT) => {
                    mkdirat(&directory, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                    openat(&directory, part.as_os_str(), DIRECTORY, Mode::empty())?
                }
                opened => opened?,
            };
        }
        Ok(directory)
    }

    /// Opens a path to change its owner or permissions, without reading it.
    fn handle(&mut self, path: &Path) -> io::Result<(OwnedFd, Stat)> {
        if path.symlink_metadata().is_err() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (directory, name) = self.parent(path)?;
        let handle = openat(
            directory,
            name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let stat = fstat(&handle)?;
        Ok((handle, stat))
    }

    fn remove(&mut self, path: &Path, kind: Option<FileKind>) -> io::Result<()> {
        // The way to what is gone is not made for that.
        path.symlink_metadata()?;
        let (directory, name) = self.parent(path)?;
        match kind {
            Some(FileKind::Directory) => unlinkat(directory, name, AtFlags::REMOVEDIR)?,
            Some(FileKind::Git) => remove_tree(directory, name)?,
            _ => unlinkat(directory, name, AtFlags::empty())?,
        }
        if self
            .last
            .as_ref()
            .is_some_and(|(last, _)| last.starts_with(path))
        {
            self.last = None;
        }
        Ok(())
    }

    /// Gives a file or a directory the owner, the permissions and the times that it had.
    fn set_owner(&mut self, path: &Path, before: &State) -> io::Result<()> {
        let (handle, stat) = self.handle(path)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Err(Errno::LOOP.into());
        }
        // Only root may, and only for root it makes a difference.
        let _ = chownat(
            &handle,
            "",
            Some(Uid::from_raw(before.owner.0)),
            Some(Gid::from_raw(before.owner.1)),
            AtFlags::EMPTY_PATH,
        );
        before.attributes.replace(&handle)?;
        change_mode(&handle, before.mode)?;
        if let Some(times) = before.modified.map(times) {
            let _ = utimensat(
                CWD,
                format!("/proc/self/fd/{}", handle.as_raw_fd()),
                &times,
                AtFlags::empty(),
            );
        }
        Ok(())
    }

    /// Makes a path what it was.
    fn set(&mut self, path: &Path, before: &State, store: &Store) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        let (user, group) = (Uid::from_raw(before.owner.0), Gid::from_raw(before.owner.1));
        match before.kind {
            FileKind::Directory | FileKind::Git => {
                match mkdirat(directory, name, Mode::from_raw_mode(0o700)) {
                    Err(Errno::EXIST) if is_directory(directory, name) => Ok(()),
                    made => Ok(made?),
                }
            }
            FileKind::File => {
                let mut contents = store
                    .get(&before.digest)?
                    .ok_or_else(|| io::Error::other(NotKept))?;
                let (stage, mut file) = stage(directory, name)?;
                let written = (|| -> io::Result<()> {
                    io::copy(&mut contents, &mut file)?;
                    file.flush()?;
                    let _ = fchown(&file, Some(user), Some(group));
                    fchmod(&file, Mode::from_raw_mode(before.mode))?;
                    before.attributes.set(&file)?;
                    if let Some(times) = before.modified.map(times) {
                        futimens(&file, &times)?;
                    }
                    file.sync_data()?;
                    Ok(renameat(directory, &stage, directory, name)?)
                })();
                if written.is_err() {
                    let _ = unlinkat(directory, &stage, AtFlags::empty());
                }
                written
            }
            FileKind::Link => {
                let target = store.bytes(&before.digest)?;
                match unlinkat(directory, name, AtFlags::empty()) {
                    Err(error) if error != Errno::NOENT => return Err(error.into()),
                    _ => {}
                }
                symlinkat(OsStr::from_bytes(&target), directory, name)?;
                let _ = chownat(
                    directory,
                    name,
                    Some(user),
                    Some(group),
                    AtFlags::SYMLINK_NOFOLLOW,
                );
                if let Some(times) = before.modified.map(times) {
                    let _ = utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW);
                }
                Ok(())
            }
            FileKind::Other => {
                let kind = match before.digest.as_str() {
                    PIPE => FileType::Fifo,
                    SOCKET => FileType::Socket,
                    _ => {
                        return Err(io::Error::other(
                            "it was a device, which cannot be created again",
                        ));
                    }
                };
                match unlinkat(directory, name, AtFlags::empty()) {
                    Err(error) if error != Errno::NOENT => return Err(error.into()),
                    _ => {}
                }
                mknodat(directory, name, kind, Mode::from_raw_mode(before.mode), 0)?;
                chmodat(
                    directory,
                    name,
                    Mode::from_raw_mode(before.mode),
                    AtFlags::empty(),
                )?;
                let _ = chownat(
                    directory,
                    name,
                    Some(user),
                    Some(group),
                    AtFlags::SYMLINK_NOFOLLOW,
                );
                Ok(())
            }
        }
    }
}

/// The part of a path that exists, and where it is without links.
struct Existing {
    asked: PathBuf,
    path: PathBuf,
}

fn existing(path: &Path) -> io::Result<Existing> {
    for above in path.ancestors() {
        match above.canonicalize() {
            Ok(real) => {
                return Ok(Existing {
                    asked: above.to_owned(),
                    path: real,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn is_directory(directory: &OwnedFd, name: &OsStr) -> bool {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// The time of modification alone.
fn times((seconds, nanoseconds): (i64, i64)) -> Timestamps {
    let modified = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: modified,
    }
}

/// A new file next to the one that it takes the place of.
fn stage(directory: &OwnedFd, name: &OsStr) -> io::Result<(OsString, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..1000 {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .subsec_nanos();
        let number = u64::from(now)
            .wrapping_mul(31)
            .wrapping_add(COUNT.fetch_add(7, Ordering::Relaxed))
            .wrapping_add(std::process::id().into());
        let mut stage = stage_prefix(Path::new(name));
        stage.push(format!("{:06}", number % 1_000_000));
        match openat(directory, &stage, flags, Mode::from_raw_mode(0o600)) {
            Err(Errno::EXIST) => {}
            opened => return Ok((stage, File::from(opened?))),
        }
    }
    Err(io::Error::other("no free name for a file next to it"))
}

/// Removes a directory with everything in it.
fn remove_tree(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let directory = openat(parent, name, DIRECTORY, Mode::empty())?;
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        match name.as_bytes() {
            b"." | b".." => {}
            _ if is_directory(&directory, name) => remove_tree(&directory, name)?,
            _ => unlinkat(&directory, name, AtFlags::empty())?,
        }
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}
