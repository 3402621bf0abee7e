//! What is below some paths, at a moment: kinds, sizes and times, nothing of the contents.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// The directory in which git keeps what belongs to a clone: one thing, whose files git changes
    /// as it likes.
    Git,
    /// A pipe, a socket, a device.
    Other,
}

impl FileKind {
    /// The word it is stored as.
    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::File => "file",
            FileKind::Directory => "directory",
            FileKind::Link => "link",
            FileKind::Git => "git",
            FileKind::Other => "other",
        }
    }

    /// The kind that is stored as this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [
            FileKind::File,
            FileKind::Directory,
            FileKind::Link,
            FileKind::Git,
            FileKind::Other,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

/// What can be seen of a path without reading it. Two that are equal are the same file with the
/// same contents, as far as anybody who does not cheat is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// What it is.
    pub kind: FileKind,
    /// Permissions.
    pub mode: u32,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// What is below some paths, the paths themselves included.
pub type Listing = BTreeMap<PathBuf, FileState>;

impl FileState {
    fn of(path: &Path, metadata: &Metadata) -> Self {
        let kind = match metadata.file_type() {
            kind if kind.is_symlink() => FileKind::Link,
            kind if kind.is_dir() && path.file_name().is_some_and(|name| name == ".git") => {
                FileKind::Git
            }
            kind if kind.is_dir() => FileKind::Directory,
            kind if kind.is_file() => FileKind::File,
            _ => FileKind::Other,
        };
        // The size and the time of a directory are those of its entries, which are looked at
        // themselves.
        let (size, modified) = match kind {
            FileKind::Directory | FileKind::Git => (0, (0, 0)),
            _ => (metadata.size(), (metadata.mtime(), metadata.mtime_nsec())),
        };
        Self {
            kind,
            mode: metadata.mode() & 0o7777,
            inode: metadata.ino(),
            size,
            modified,
        }
    }
}

/// Lists what is at and below these paths. Links are not followed, other file systems are not
/// entered, what vanishes meanwhile is left out.
pub fn list_tree(roots: &[PathBuf]) -> io::Result<Listing> {
    let mut listing = Listing::new();
    for root in roots {
        let metadata = match root.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(at(root, error)),
        };
        let device = metadata.dev();
        let mut waiting = vec![(root.clone(), metadata)];
        while let Some((path, metadata)) = waiting.pop() {
            let seen = FileState::of(&path, &metadata);
            if seen.kind == FileKind::Directory && metadata.dev() == device {
                let entries = match std::fs::read_dir(&path) {
                    // What nobody may list is a directory, and that is all that is known.
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidFilename
                        ) =>
                    {
                        None
                    }
                    entries => Some(entries.map_err(|error| at(&path, error))?),
                };
                for entry in entries.into_iter().flatten() {
                    let path = entry.map_err(|error| at(&path, error))?.path();
                    match path.symlink_metadata() {
                        Ok(metadata) => waiting.push((path, metadata)),
                        Err(error)
                            if is_absent(&error)
                                || error.kind() == io::ErrorKind::InvalidFilename => {}
                        Err(error) => return Err(at(&path, error)),
                    }
                }
            }
            listing.insert(path, seen);
        }
    }
    Ok(listing)
}

pub(crate) fn is_absent(error: &io::Error) -> bool {
    let loops = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    loops
        || matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
}

/// An error that names its path.
pub(crate) fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
