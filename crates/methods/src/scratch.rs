//! A temporary directory for one script at a time. One that was left empty serves the next script: making and removing directories is a
//! good part of what a small module costs.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use hoist_executor::Failure;
use tempfile::TempDir;

/// Empty directories that nobody uses; removed when dropped.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    empty: Mutex<Vec<TempDir>>,
    /// The directory they all stand in, so that they are found when nobody could remove them.
    base: OnceLock<PathBuf>,
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.clear();
    }
}

/// An empty directory of one's own, until it is dropped.
pub(crate) struct Scratch<'a> {
    spare: &'a Spare,
    directory: Option<TempDir>,
}

impl Spare {
    /// Says where they stand, before the first is taken.
    pub(crate) fn keep_in(&self, base: PathBuf) {
        let _ = self.base.set(base);
    }

    /// Removes all that nobody uses, and the directory they stand in.
    pub(crate) fn clear(&self) {
        self.empty.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(base) = self.base.get() {
            let _ = std::fs::remove_dir(base);
        }
    }

    /// The directory they stand in; where it cannot be made, or is somebody else's, that for all temporary files.
    fn base(&self) -> PathBuf {
        let private = |base: &&PathBuf| {
            let made = DirBuilder::new().mode(0o700).create(base);
            made.is_ok() || (is_private(base) && made.is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists))
        };
        self.base.get().filter(private).cloned().unwrap_or_else(std::env::temp_dir)
    }

    /// A directory for something else, beside those of scripts.
    pub(crate) fn directory(&self, name: &str) -> Result<TempDir, Failure> {
        let directory = tempfile::Builder::new().prefix(&format!("hoist-{name}-")).tempdir_in(self.base());
        directory.map_err(|error| Failure::new(format!("cannot make a temporary directory: {error}")))
    }

    /// A directory that only the caller uses, with nothing in it.
    pub(crate) fn take(&self) -> Result<Scratch<'_>, Failure> {
        let known = self.empty.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let directory = match known {
            Some(directory) => Ok(directory),
            None => tempfile::Builder::new().prefix("hoist-").permissions(Permissions::from_mode(0o700)).tempdir_in(self.base()),
        };
        let directory = directory.map_err(|error| Failure::new(format!("cannot make a temporary directory: {error}")))?;
        Ok(Scratch { spare: self, directory: Some(directory) })
    }
}

impl Scratch<'_> {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.as_ref().map_or(Path::new("/nonexistent"), TempDir::path)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if let Some(directory) = self.directory.take().filter(|directory| is_as_new(directory.path())) {
            self.spare.empty.lock().unwrap_or_else(PoisonError::into_inner).push(directory);
        }
    }
}

fn is_private(path: &Path) -> bool {
    let own =
        |metadata: &Metadata| metadata.uid() == rustix::process::geteuid().as_raw() && metadata.permissions().mode() & 0o7777 == 0o700;
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir() && own(&metadata))
}

fn is_as_new(path: &Path) -> bool {
    is_private(path) && std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_serves_again_and_a_used_one_is_removed() {
        let spare = Spare::default();
        let first = spare.take().unwrap().path().to_owned();
        let again = spare.take().unwrap();
        assert_eq!(again.path(), first);
        assert_ne!(spare.take().unwrap().path(), first, "never two at once");
        std::fs::write(again.path().join("file"), "").unwrap();
        drop(again);
        assert!(!first.exists());
        let opened = spare.take().unwrap();
        std::fs::set_permissions(opened.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = opened.path().to_owned();
        drop(opened);
        assert!(!path.exists());
        let left = spare.take().unwrap().path().to_owned();
        drop(spare);
        assert!(!left.exists());
    }
}
