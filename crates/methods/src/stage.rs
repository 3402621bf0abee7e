//! A directory beside its destination, put in place by one rename: what is at the destination is whole or not there.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

const PREFIX: &str = ".hoist-stage-";

/// A directory that becomes another; removed when dropped before that.
pub(crate) struct Stage {
    directory: tempfile::TempDir,
    destination: PathBuf,
}

impl Stage {
    /// An empty directory beside `destination`, whose parents are made.
    pub(crate) fn beside(destination: &Path) -> io::Result<Self> {
        let parent = destination.parent().ok_or_else(|| io::Error::other("has no parent directory"))?;
        std::fs::create_dir_all(parent)?;
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        Ok(Self { directory, destination: destination.to_owned() })
    }

    /// Where the contents are made: a path that does not exist yet, inside the stage.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("new")
    }

    /// Puts the contents in place, where nothing or an empty directory is.
    pub(crate) fn commit(self) -> io::Result<()> {
        std::fs::rename(self.path(), &self.destination)
    }

    /// Puts the contents in place of the directory that is there; what was there is removed.
    pub(crate) fn exchange(self) -> io::Result<()> {
        renameat_with(CWD, self.path(), CWD, &self.destination, RenameFlags::EXCHANGE)?;
        Ok(())
    }
}

/// Removes the stages that a killed run left beside these paths, and returns how many. Only the holder of the ledger's lock may.
pub fn clean_stages(paths: &[PathBuf]) -> usize {
    let mut parents: Vec<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    parents.sort();
    parents.dedup();
    let mut removed = 0;
    for entry in parents.iter().filter_map(|parent| std::fs::read_dir(parent).ok()).flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && std::fs::remove_dir_all(entry.path()).is_ok() {
            removed += 1;
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_stage_leaves_nothing_and_a_committed_one_only_its_destination() {
        let home = tempfile::tempdir().unwrap();
        let destination = home.path().join("deep/er/thing");
        let names = || std::fs::read_dir(home.path().join("deep/er")).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
        let stage = Stage::beside(&destination).unwrap();
        std::fs::create_dir(stage.path()).unwrap();
        drop(stage);
        assert!(names().is_empty());
        let stage = Stage::beside(&destination).unwrap();
        std::fs::create_dir(stage.path()).unwrap();
        stage.commit().unwrap();
        assert_eq!(names(), ["thing"]);
        let stage = Stage::beside(&destination).unwrap();
        std::fs::create_dir(stage.path()).unwrap();
        std::fs::write(stage.path().join("new file"), "x").unwrap();
        stage.exchange().unwrap();
        assert_eq!(names(), ["thing"]);
        assert!(destination.join("new file").exists());
    }

    #[test]
    fn left_stages_are_found_by_their_name() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".hoist-stage-abc")).unwrap();
        std::fs::create_dir(home.path().join("kept")).unwrap();
        assert_eq!(clean_stages(&[home.path().join("thing")]), 1);
        assert!(home.path().join("kept").exists());
    }
}
