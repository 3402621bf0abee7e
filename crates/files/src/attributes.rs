//! Extended attributes that belong to a file: those of its user, its access list, its capabilities.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    XattrFlags, fsetxattr, lgetxattr, lgetxattr_query, llistxattr, llistxattr_query, removexattr,
    setxattr,
};
use serde::{Deserialize, Serialize};

/// Names and values, in the order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes(Vec<(Vec<u8>, Vec<u8>)>);

/// Labels of security modules are the system's: a new file gets its own.
fn is_of_file(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || name.starts_with(b"system.posix_acl_")
        || name == b"security.capability"
}

impl Attributes {
    /// Returns those of a file or a directory; none where the file system has none, or they cannot
    /// be read.
    pub(crate) fn of(path: &Path) -> Self {
        Self::read(path).unwrap_or_default()
    }

    fn read(path: &Path) -> rustix::io::Result<Self> {
        let length = llistxattr_query(path)?;
        if length == 0 {
            return Ok(Self::default());
        }
        let mut names = vec![0; length];
        let length = llistxattr(path, names.as_mut_slice())?;
        names.truncate(length);
        let mut attributes = Vec::new();
        for name in names
            .split(|byte| *byte == 0)
            .filter(|name| is_of_file(name))
        {
            let name = OsStr::from_bytes(name);
            let mut value = vec![0; lgetxattr_query(path, name)?];
            let length = lgetxattr(path, name, value.as_mut_slice())?;
            value.truncate(length);
            attributes.push((name.as_bytes().to_vec(), value));
        }
        attributes.sort();
        Ok(Self(attributes))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives them, and no others, to what a handle stands for.
    pub(crate) fn replace(&self, handle: &OwnedFd) -> std::io::Result<()> {
        let path = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        let now = Self::read_through(&path);
        if now == *self {
            return Ok(());
        }
        for (name, _) in now
            .0
            .iter()
            .filter(|(name, _)| !self.0.iter().any(|(kept, _)| kept == name))
        {
            removexattr(&path, OsStr::from_bytes(name))?;
        }
        for (name, value) in &self.0 {
            setxattr(&path, OsStr::from_bytes(name), value, XattrFlags::empty())?;
        }
        Ok(())
    }

    /// The same through a link.
    fn read_through(path: &Path) -> Self {
        path.canonicalize()
            .map(|path| Self::of(&path))
            .unwrap_or_default()
    }

    /// Gives them to an open file.
    pub(crate) fn set(&self, file: impl AsFd) -> std::io::Result<()> {
        for (name, value) in &self.0 {
            fsetxattr(
                &file,
                OsString::from_vec(name.clone()),
                value,
                XattrFlags::empty(),
            )?;
        }
        Ok(())
    }
}
