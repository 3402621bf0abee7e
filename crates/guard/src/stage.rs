//! A directory beside its destination, put in place by one rename: what is at the destination is
//! whole or not there.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hoist_files::{move_aside, rename_new};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::displaced::remove_tree;
use crate::rollback::EndOfRun;

const PREFIX: &str = ".hoist-stage-";

/// A directory that becomes another; removed when dropped before that.
#[derive(Debug)]
pub struct StagingDir {
    directory: tempfile::TempDir,
    destination: PathBuf,
}

impl StagingDir {
    /// An empty directory beside `destination`, whose parents are made.
    pub fn beside(destination: &Path) -> io::Result<Self> {
        let parent = destination
            .parent()
            .ok_or_else(|| io::Error::other("the path has no parent directory"))?;
        std::fs::create_dir_all(parent)?;
        let directory = tempfile::Builder::new()
            .prefix(&prefix(destination))
            .tempdir_in(parent)?;
        Ok(Self {
            directory,
            destination: destination.to_owned(),
        })
    }

    /// The stage itself.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Where the contents are made: a path that does not exist yet, inside the stage.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("new")
    }

    /// Puts the contents in place, where nothing or an empty directory is.
    pub fn commit(self) -> io::Result<()> {
        std::fs::rename(self.path(), &self.destination)
    }

    /// Exchanges the contents with the directory at the destination, which is removed when the
    /// stage is dropped.
    pub fn exchange(self) -> io::Result<Self> {
        renameat_with(
            CWD,
            self.path(),
            CWD,
            &self.destination,
            RenameFlags::EXCHANGE,
        )?;
        Ok(self)
    }

    /// After an exchange: puts what was there before back.
    pub fn put_back(self) -> io::Result<()> {
        self.exchange().map(drop)
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        // Half of what was there before is never taken for all of it.
        let _ = std::fs::rename(self.path(), self.root().join("old"));
    }
}

/// How the stages of a destination are called, so that they are found again.
fn prefix(destination: &Path) -> String {
    format!(
        "{PREFIX}{}-",
        destination
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
    )
}

/// What became of stages that were left.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// Number of stages that were removed.
    pub removed: usize,
    /// What was changed after the end of the run: where it was in place, and where it is now.
    pub moved: Vec<(PathBuf, PathBuf)>,
}

/// Removes the stages that an interrupted run left next to these destinations. `previous` is the
/// number of the inode that was at a destination before the run: where a stage has that now, they
/// exchange places again.
pub fn clean_stages(
    destinations: &[PathBuf],
    previous: impl Fn(&Path) -> Option<u64>,
    end: EndOfRun,
) -> Cleaned {
    let mut cleaned = Cleaned::default();
    for destination in destinations {
        let prefix = prefix(destination);
        for entry in destination
            .parent()
            .and_then(|parent| std::fs::read_dir(parent).ok())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Behind the prefix stand six random characters: a destination whose name goes on is
            // another.
            if name
                .strip_prefix(&prefix)
                .is_none_or(|random| random.len() != 6)
            {
                continue;
            }
            let contents = entry.path().join("new");
            let mut was_exchanged = false;
            let inode = |path: &Path| path.symlink_metadata().ok().map(|metadata| metadata.ino());
            if let Some(held) = inode(&contents).filter(|held| previous(destination) == Some(*held))
            {
                let back = match inode(destination) {
                    Some(there) if there != held => {
                        renameat_with(CWD, &contents, CWD, destination, RenameFlags::EXCHANGE)
                            .map_err(Into::into)
                    }
                    Some(_) => Ok(()),
                    None => rename_new(&contents, destination),
                };
                // It is the only copy of what was there before.
                if back.is_err() {
                    continue;
                }
                was_exchanged = true;
            }
            // What was in place for a while, somebody may have worked with; otherwise nobody but
            // hoist writes to a stage.
            if was_exchanged && !end.covers_tree(&contents) {
                match move_aside(&contents, destination) {
                    Ok(copy) => cleaned.moved.push((destination.clone(), copy)),
                    Err(_) => continue,
                }
            }
            cleaned.removed += usize::from(remove_tree(&entry.path()).is_ok());
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
        let names = || {
            std::fs::read_dir(home.path().join("deep/er"))
                .unwrap()
                .flatten()
                .map(|entry| entry.file_name())
                .collect::<Vec<_>>()
        };
        let stage = StagingDir::beside(&destination).unwrap();
        std::fs::create_dir(stage.path()).unwrap();
        drop(stage);
        assert!(names().is_empty());
        let stage = StagingDir::beside(&destination).unwrap();
        std::fs::create_dir(stage.path()).unwrap();
        stage.commit().unwrap();
        assert_eq!(names(), ["thing"]);
        let stage = StagingDir::beside(&destination).unwrap();
        std::fs::create_dir(stage.path()).unwrap();
        std::fs::write(stage.path().join("new file"), "x").unwrap();
        let replaced = stage.exchange().unwrap();
        assert!(!replaced.path().join("new file").exists());
        drop(replaced);
        assert_eq!(names(), ["thing"]);
        assert!(destination.join("new file").exists());
    }

    #[test]
    fn left_stages_are_found_by_their_name_and_the_previous_version_goes_back() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        let make = |path: &str, text: &str| {
            std::fs::create_dir_all(at(path)).unwrap();
            std::fs::write(at(path).join("file"), text).unwrap();
        };
        for name in [
            ".hoist-stage-thing-abcdef/new",
            ".hoist-stage-thing-else-abcdef",
            "kept",
        ] {
            make(name, "x");
        }
        assert_eq!(
            clean_stages(&[at("thing")], |_| None, EndOfRun::NOW).removed,
            1
        );
        make("thing", "new");
        make(".hoist-stage-thing-abcdef/new", "previous");
        let previous = at(".hoist-stage-thing-abcdef/new")
            .metadata()
            .unwrap()
            .ino();
        let cleaned = clean_stages(&[at("thing")], |_| Some(previous), EndOfRun::NOW);
        assert_eq!((cleaned.removed, cleaned.moved.len()), (1, 0));
        assert_eq!(
            std::fs::read_to_string(at("thing/file")).unwrap(),
            "previous"
        );
        assert!(at("kept").exists() && at(".hoist-stage-thing-else-abcdef").exists());
        // In place, and changed by whomever since the run was over.
        std::fs::rename(at("thing"), at("previous")).unwrap();
        make("thing", "by a person");
        std::fs::create_dir(at(".hoist-stage-thing-abcdef")).unwrap();
        std::fs::rename(at("previous"), at(".hoist-stage-thing-abcdef/new")).unwrap();
        let cleaned = clean_stages(&[at("thing")], |_| Some(previous), EndOfRun::UNKNOWN);
        assert_eq!((cleaned.removed, cleaned.moved.len()), (1, 1));
        assert_eq!(
            std::fs::read_to_string(at("thing/file")).unwrap(),
            "previous"
        );
        assert_eq!(
            std::fs::read_to_string(cleaned.moved[0].1.join("file")).unwrap(),
            "by a person"
        );
    }
}
