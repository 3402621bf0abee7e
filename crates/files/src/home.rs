//! The home directory, and which paths in it a module may own.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::{fmt, io};

use hoist_core::is_shared;
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::write::follow;

/// Opens a directory, and nothing else; a link is not followed.
pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The home directory, held open.
#[derive(Debug)]
pub struct Home {
    /// As it is written.
    pub(crate) path: PathBuf,
    /// Without links.
    pub(crate) real: PathBuf,
    pub(crate) directory: OwnedFd,
    /// Directories of hoist's own, without links.
    own: Vec<PathBuf>,
}

/// Why a path is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is not absolute, or has `..` or `.` in it.
    NotPlain,
    /// It is the home directory, or not in it, links counted.
    Outside,
    /// Many programs share it.
    Shared,
    /// hoist keeps its own things there.
    Hoist,
    /// A link on the way changed while it was looked at.
    Moved,
    /// It cannot be looked at.
    Unreadable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotPlain => f.write_str("it is not a plain absolute path"),
            Refusal::Outside => f.write_str("it is outside of the home directory"),
            Refusal::Shared => f.write_str("other programs share this directory"),
            Refusal::Hoist => f.write_str("it contains a directory of hoist or a collection"),
            Refusal::Moved => f.write_str("a symbolic link in its path changed in the meantime"),
            Refusal::Unreadable(why) => write!(f, "cannot inspect it: {why}"),
        }
    }
}

impl Home {
    /// Opens the home directory. `own` are directories that nothing may remove: hoist's own, and
    /// the collections.
    pub fn open(path: &Path, own: &[PathBuf]) -> io::Result<Self> {
        let real = path.canonicalize()?;
        let directory = openat(CWD, &real, DIRECTORY, Mode::empty())?;
        let own = own
            .iter()
            .map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            real,
            directory,
            own,
        })
    }

    /// The home directory, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path without links in its parents: strictly inside the home directory, and nothing that
    /// others share or need.
    pub fn place(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let plain = path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        // `components` drops a `.` in the middle and a slash at the end, which a name that is
        // compared as text may not have.
        let Some(name) = path.file_name().filter(|_| plain && path.is_absolute()) else {
            return Err(Refusal::NotPlain);
        };
        if path == self.path || path == self.real {
            return Err(Refusal::Outside);
        }
        let parent = match path.parent().unwrap_or(path).canonicalize() {
            Ok(parent) => parent,
            // With its parent it is gone itself: only where it would be matters.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.lexical(path),
            Err(error) => return Err(Refusal::Unreadable(error.to_string())),
        };
        self.judge(parent.join(name))
    }

    fn lexical(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let inside = path
            .strip_prefix(&self.path)
            .or_else(|_| path.strip_prefix(&self.real))
            .map_err(|_| Refusal::Outside)?;
        self.judge(self.real.join(inside))
    }

    fn judge(&self, real: PathBuf) -> Result<PathBuf, Refusal> {
        if real == self.real || !real.starts_with(&self.real) || self.real.starts_with(&real) {
            return Err(Refusal::Outside);
        }
        if is_shared(&real, &self.real) {
            return Err(Refusal::Shared);
        }
        if self
            .own
            .iter()
            .any(|own| own.starts_with(&real) || real.starts_with(own))
        {
            return Err(Refusal::Hoist);
        }
        Ok(real)
    }

    /// Where writing a file ends: a link is followed, and what it leads to is a place, too.
    pub fn target(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let place = self.place(path)?;
        if !place.is_symlink() {
            return Ok(place);
        }
        let unreadable = |error: io::Error| Refusal::Unreadable(error.to_string());
        let target = follow(&place).map_err(unreadable)?;
        let (parent, name) = (
            target.parent().ok_or(Refusal::Outside)?,
            target.file_name().ok_or(Refusal::NotPlain)?,
        );
        self.judge(parent.canonicalize().map_err(unreadable)?.join(name))
    }

    /// Where a file system is mounted at or below a path.
    pub fn mounted_below(&self, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok()?;
        mount_points()
            .into_iter()
            .find(|mount| mount.starts_with(&real))
    }

    /// The open directory that holds a place, reached from the home directory without following a
    /// link.
    pub(crate) fn parent(&self, place: &Path) -> Result<(OwnedFd, OsString), Refusal> {
        let inside = place
            .strip_prefix(&self.real)
            .map_err(|_| Refusal::Outside)?;
        let (parent, name) = (
            inside.parent().unwrap_or(Path::new("")),
            inside.file_name().ok_or(Refusal::NotPlain)?,
        );
        let unreadable = |error: rustix::io::Errno| match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => Refusal::Moved,
            error => Refusal::Unreadable(io::Error::from(error).to_string()),
        };
        let mut directory =
            openat(&self.directory, ".", DIRECTORY, Mode::empty()).map_err(unreadable)?;
        for part in parent.components() {
            directory = openat(&directory, part.as_os_str(), DIRECTORY, Mode::empty())
                .map_err(unreadable)?;
        }
        Ok((directory, name.to_owned()))
    }
}

/// Where file systems are mounted, without links.
pub(crate) fn mount_points() -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescaped)
        .collect()
}

/// The kernel writes blanks in paths as octal numbers.
fn unescaped(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let (bytes, mut path, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let octal = bytes
            .get(at + 1..at + 4)
            .filter(|_| bytes[at] == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                path.push(byte);
                at += 4;
            }
            None => {
                path.push(bytes[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&path))
}
