//! A temporary directory for one script at a time. One that was left empty serves the next script:
//! making and removing directories is a good part of what a small module costs.
//!
//! All of a process are in one directory, which it holds a lock on as long as it lives: the next
//! process removes what others left.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use hoist_executor::Failure;
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};
use tempfile::TempDir;

/// How the directory of a process is called, before the name of its run.
const PREFIX: &str = "hoist-run-";

/// Returns a name for a run that sorts by time and no other run has: when it started, and its
/// process.
pub fn run_name() -> String {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
    format!("{now}-{}", std::process::id())
}

/// Returns the process of a run by its name; `None` for what is no name of a run.
pub fn process_of_run(name: &str) -> Option<Pid> {
    let (time, process) = name.split_once('-')?;
    let is_time = time.len() == 19
        && time.ends_with('Z')
        && time
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z'));
    process
        .parse()
        .ok()
        .filter(|_| is_time)
        .and_then(Pid::from_raw)
}

/// Whether a process runs, as far as this one can tell.
pub fn is_alive(process: Pid) -> bool {
    !matches!(test_kill_process(process), Err(Errno::SRCH))
}

/// Returns the directory for temporary files of a run.
pub(crate) fn directory_of(run: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{PREFIX}{run}"))
}

/// Removes what processes of this user left that were killed.
pub fn clean() {
    for entry in std::fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let Some(process) = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(process_of_run)
        else {
            continue;
        };
        // A process elsewhere, such as in another container, is not seen; its lock is.
        if !is_alive(process) && is_private(&entry.path()) && lock(&entry.path()).is_some() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Holds a directory for as long as what is returned lives. `None` where another process does.
fn lock(directory: &Path) -> Option<File> {
    let directory = File::open(directory).ok()?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(directory)
}

/// Empty directories that nobody uses; removed when dropped.
#[derive(Debug, Default)]
pub struct Spare {
    empty: Mutex<Vec<TempDir>>,
    /// The directory they all stand in, so that they are found when nobody could remove them.
    base: OnceLock<PathBuf>,
    /// Held while that is there.
    lock: Mutex<Option<File>>,
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.clear();
    }
}

/// An empty directory of one's own, until it is dropped.
pub struct Scratch<'a> {
    spare: &'a Spare,
    directory: Option<TempDir>,
}

impl Spare {
    /// Says where they stand, before the first is taken.
    pub(crate) fn keep_in(&self, base: PathBuf) {
        let _ = self.base.set(base);
    }

    /// Removes all that nobody uses, and the directory they stand in.
    pub fn clear(&self) {
        self.empty
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        if self
            .base
            .get()
            .is_some_and(|base| std::fs::remove_dir(base).is_ok())
        {
            *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// The directory they stand in; where it cannot be made, or is somebody else's, that for all
    /// temporary files.
    pub fn base(&self) -> PathBuf {
        let base = self.base.get_or_init(|| directory_of(&run_name()));
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        match DirBuilder::new().mode(0o700).create(base) {
            Ok(()) => {
                *held = lock(base);
                base.clone()
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && is_private(base) => {
                base.clone()
            }
            Err(_) => std::env::temp_dir(),
        }
    }

    /// A directory for something else, beside those of scripts.
    pub fn directory(&self, name: &str) -> Result<TempDir, Failure> {
        let directory = tempfile::Builder::new()
            .prefix(&format!("hoist-{name}-"))
            .tempdir_in(self.base());
        directory
            .map_err(|error| Failure::new(format!("cannot create a temporary directory: {error}")))
    }

    /// A directory that only the caller uses, with nothing in it.
    pub fn take(&self) -> Result<Scratch<'_>, Failure> {
        let known = self
            .empty
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let directory = match known {
            Some(directory) => Ok(directory),
            None => tempfile::Builder::new()
                .prefix("hoist-")
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(self.base()),
        };
        let directory = directory.map_err(|error| {
            Failure::new(format!("cannot create a temporary directory: {error}"))
        })?;
        Ok(Scratch {
            spare: self,
            directory: Some(directory),
        })
    }
}

impl Scratch<'_> {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory
            .as_ref()
            .map_or(Path::new("/nonexistent"), TempDir::path)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if let Some(directory) = self
            .directory
            .take()
            .filter(|directory| is_as_new(directory.path()))
        {
            self.spare
                .empty
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(directory);
        }
    }
}

fn is_private(path: &Path) -> bool {
    let own = |metadata: &Metadata| {
        metadata.uid() == geteuid().as_raw() && metadata.permissions().mode() & 0o7777 == 0o700
    };
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir() && own(&metadata))
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

    #[test]
    fn only_names_of_runs_are_names_of_runs() {
        assert_eq!(
            process_of_run(&run_name()).map(|process| process.as_raw_nonzero().get() as u32),
            Some(std::process::id())
        );
        for other in [
            "kept",
            "20261127T111546123Z",
            "20261127T111546123Z-x",
            "notes-12",
            "20261127T111546123Z-0",
        ] {
            assert_eq!(process_of_run(other), None, "{other}");
        }
    }
}
