//! Directory trees that several modules and people work on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A directory tree in which files of people and of other modules survive whatever somebody else's
/// program does while a module is installed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedTree {
    /// What people call it, such as `application`.
    #[serde(default)]
    pub noun: String,
    /// Its root directory.
    pub root: PathBuf,
    /// The directories of which nothing may be lost.
    pub watch: Vec<PathBuf>,
    /// What of them is not looked at, with everything below it.
    pub ignore: Vec<PathBuf>,
    /// The directory in it that is the module's own.
    #[serde(default)]
    pub directory: PathBuf,
}

impl ProtectedTree {
    /// The directory that everything watched is below.
    pub fn ground(&self) -> PathBuf {
        common_directory(&self.root, &self.watch)
    }
}

/// The innermost directory around `root` that everything watched is below.
pub(crate) fn common_directory(root: &Path, watch: &[PathBuf]) -> PathBuf {
    let mut ground = root.to_owned();
    while !watch.iter().all(|watched| watched.starts_with(&ground)) && ground.pop() {}
    ground
}
