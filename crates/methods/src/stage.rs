//! A directory beside its destination, put in place by one rename: what is at the destination is whole or not there.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

const PREFIX: &str = ".hoist-stage-";

/// A directory that becomes another; removed when dropped before that.
#[derive(Debug)]
pub(crate) struct Stage {
    directory: tempfile::TempDir,
    destination: PathBuf,
}

impl Stage {
    /// An empty directory beside `destination`, whose parents are made.
    pub(crate) fn beside(destination: &Path) -> io::Result<Self> {
        let parent = destination.parent().ok_or_else(|| io::Error::other("has no parent directory"))?;
        std::fs::create_dir_all(parent)?;
        let directory = tempfile::Builder::new().prefix(&prefix(destination)).tempdir_in(parent)?;
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

    /// Puts the contents in place of the directory that is there; what was there is removed when the stage is dropped.
    pub(crate) fn exchange(self) -> io::Result<Self> {
        renameat_with(CWD, self.path(), CWD, &self.destination, RenameFlags::EXCHANGE)?;
        Ok(self)
    }
}

impl Stage {
    /// After an exchange: puts what was there before back.
    pub(crate) fn put_back(self) -> io::Result<()> {
        self.exchange().map(drop)
    }
}

/// How the stages of a destination are called, so that they are found again.
fn prefix(destination: &Path) -> String {
    format!("{PREFIX}{}-", destination.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes the stages that something killed left beside these destinations, and returns how many.
pub fn clean_stages(destinations: &[PathBuf]) -> usize {
    let mut removed = 0;
    for destination in destinations {
        let prefix = prefix(destination);
        for entry in destination.parent().and_then(|parent| std::fs::read_dir(parent).ok()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Behind the prefix stand six random characters: a destination whose name goes on is another.
            if name.strip_prefix(&prefix).is_some_and(|random| random.len() == 6) {
                let gone = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    true => std::fs::remove_dir_all(entry.path()),
                    false => std::fs::remove_file(entry.path()),
                };
                removed += usize::from(gone.is_ok());
            }
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
        let replaced = stage.exchange().unwrap();
        assert!(!replaced.path().join("new file").exists());
        drop(replaced);
        assert_eq!(names(), ["thing"]);
        assert!(destination.join("new file").exists());
    }

    #[test]
    fn left_stages_are_found_by_their_name() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".hoist-stage-thing-abcdef")).unwrap();
        std::fs::create_dir(home.path().join(".hoist-stage-thing-else-abcdef")).unwrap();
        std::fs::create_dir(home.path().join("kept")).unwrap();
        assert_eq!(clean_stages(&[home.path().join("thing")]), 1);
        assert!(home.path().join("kept").exists() && home.path().join(".hoist-stage-thing-else-abcdef").exists());
    }
}
