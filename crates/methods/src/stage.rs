//! A directory beside its destination, put in place by one rename: what is at the destination is whole or not there.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Stands in a stage whose contents changed places with what was there.
const EXCHANGED: &str = "exchanged";

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
        // From now on what is in the stage may be somebody's.
        std::fs::write(self.directory.path().join(EXCHANGED), "")?;
        renameat_with(CWD, self.path(), CWD, &self.destination, RenameFlags::EXCHANGE)?;
        Ok(self)
    }
}

impl Stage {
    /// Lets the contents and the directory that is there change places; both are such that nothing is lost with either.
    pub(crate) fn swap(self) -> io::Result<Self> {
        renameat_with(CWD, self.path(), CWD, &self.destination, RenameFlags::EXCHANGE)?;
        Ok(self)
    }

    /// After an exchange: puts what was there before back.
    pub(crate) fn put_back(self) -> io::Result<()> {
        self.exchange().map(drop)
    }
}

/// How the stages of a destination are called, so that they are found again.
fn prefix(destination: &Path) -> String {
    format!("{PREFIX}{}-", destination.file_name().unwrap_or_default().to_string_lossy())
}

/// What became of stages that were left.
#[derive(Debug, Default)]
pub(crate) struct Cleaned {
    /// How many were removed.
    pub(crate) removed: usize,
    /// Where what may be somebody's is now.
    pub(crate) kept: Vec<PathBuf>,
}

/// Removes the stages that something killed left beside these destinations. `is_ours` tells of what changed places with a stage whether nobody
/// has anything in it; else it is kept beside the destination.
pub(crate) fn clean_stages(destinations: &[PathBuf], is_ours: impl Fn(&Path) -> bool) -> Cleaned {
    let mut cleaned = Cleaned::default();
    for destination in destinations {
        let prefix = prefix(destination);
        for entry in destination.parent().and_then(|parent| std::fs::read_dir(parent).ok()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Behind the prefix stand six random characters: a destination whose name goes on is another.
            if name.strip_prefix(&prefix).is_some_and(|random| random.len() == 6) {
                let former = entry.path().join("new");
                if entry.path().join(EXCHANGED).exists() && former.exists() && !is_ours(&former) {
                    cleaned.kept.extend(hoist_files::move_aside(&former, destination));
                }
                let gone = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    // What could not be kept elsewhere is kept here.
                    true if entry.path().join(EXCHANGED).exists() && former.exists() && !is_ours(&former) => continue,
                    true => std::fs::remove_dir_all(entry.path()),
                    false => std::fs::remove_file(entry.path()),
                };
                cleaned.removed += usize::from(gone.is_ok());
            }
        }
    }
    cleaned
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
        assert_eq!(clean_stages(&[home.path().join("thing")], |_| true).removed, 1);
        for name in [".hoist-stage-thing-mine00", ".hoist-stage-thing-ours00"] {
            std::fs::create_dir_all(home.path().join(name).join("new")).unwrap();
            std::fs::write(home.path().join(name).join(EXCHANGED), "").unwrap();
            std::fs::write(home.path().join(name).join("new/file"), name).unwrap();
        }
        let ours = |path: &Path| path.parent().is_some_and(|stage| stage.ends_with(".hoist-stage-thing-ours00"));
        let cleaned = clean_stages(&[home.path().join("thing")], ours);
        assert_eq!((cleaned.removed, cleaned.kept.len()), (2, 1));
        assert!(std::fs::read_to_string(cleaned.kept[0].join("file")).unwrap().contains("mine"));
        assert!(home.path().join("kept").exists() && home.path().join(".hoist-stage-thing-else-abcdef").exists());
    }
}
