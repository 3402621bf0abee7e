//! The record of a module's files that is made before a change, and the rollback from it by a later
//! process.
//!
//! A change that was interrupted has not happened: its files become what they were, and what was
//! written after the end of its run, which the run cannot have written, is moved aside.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hoist_files::{
    Difference, FileKind, NotKept, Snapshot, SnapshotOptions, State, Store, is_backup, list_tree,
    make_private, move_aside, private_directory, put_back, rename_new,
};
use hoist_ledger::{DisplacedPath, Disposal};
use serde::{Deserialize, Serialize};

use crate::displaced::{merge_back, present, remove_tree};
use crate::stage::clean_stages;
use crate::watch::around;
use crate::watchdog;

/// Files of a module before a change.
#[derive(Debug, Clone, Default)]
pub struct FilesBefore {
    /// Paths that the change may write to, with everything below them.
    pub roots: Vec<PathBuf>,
    /// Configuration files, which have copies and new versions next to them.
    pub configs: Vec<PathBuf>,
    /// Paths below them that other modules of the run change.
    pub excluded: Vec<PathBuf>,
    /// Directories on the way to the roots that did not exist.
    pub parents: Vec<PathBuf>,
    /// Paths that stages may be next to.
    pub stages: Vec<PathBuf>,
    /// Whether only the roots themselves count, and not what is below them.
    pub is_flat: bool,
    /// Whether the files are all that the change touches; packages, for instance, are not.
    pub is_complete: bool,
    /// Everything at and below the roots.
    pub before: Snapshot,
}

/// The form in which it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    roots: Vec<&'a [u8]>,
    #[serde(borrow)]
    configs: Vec<&'a [u8]>,
    #[serde(borrow)]
    excluded: Vec<&'a [u8]>,
    #[serde(borrow)]
    parents: Vec<&'a [u8]>,
    #[serde(borrow)]
    stages: Vec<&'a [u8]>,
    is_flat: bool,
    is_complete: bool,
    before: Vec<u8>,
}

/// Version of the form.
const VERSION: u8 = 1;

impl FilesBefore {
    /// Returns it in the form that the ledger keeps.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        fn raw(paths: &[PathBuf]) -> Vec<&[u8]> {
            paths
                .iter()
                .map(|path| path.as_os_str().as_bytes())
                .collect()
        }
        let Self {
            roots,
            configs,
            excluded,
            parents,
            stages,
            is_flat,
            is_complete,
            before,
        } = self;
        let stored = Stored {
            roots: raw(roots),
            configs: raw(configs),
            excluded: raw(excluded),
            parents: raw(parents),
            stages: raw(stages),
            is_flat: *is_flat,
            is_complete: *is_complete,
            before: before.to_bytes()?,
        };
        postcard::to_extend(&stored, vec![VERSION]).map_err(io::Error::other)
    }

    /// Returns what was stored; `None` where another version of hoist wrote it, or it is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        fn paths(raw: &[&[u8]]) -> Vec<PathBuf> {
            raw.iter()
                .map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)))
                .collect()
        }
        let (_, rest) = bytes
            .split_first()
            .filter(|(version, _)| **version == VERSION)?;
        let stored: Stored<'_> = postcard::from_bytes(rest).ok()?;
        Some(Self {
            roots: paths(&stored.roots),
            configs: paths(&stored.configs),
            excluded: paths(&stored.excluded),
            parents: paths(&stored.parents),
            stages: paths(&stored.stages),
            is_flat: stored.is_flat,
            is_complete: stored.is_complete,
            before: Snapshot::from_bytes(&stored.before)?,
        })
    }

    /// Lists what is different now.
    pub fn differences(&self) -> io::Result<Vec<Difference>> {
        let read = |path: &Path, _| self.before.get(path).is_some_and(State::is_known);
        let git = |path: &Path| self.before.get(path).is_some();
        let taking = SnapshotOptions {
            former: Some(&self.before),
            read: &read,
            git: &git,
            ..SnapshotOptions::PLAIN
        };
        let mut now = if self.is_flat {
            Snapshot::take_flat(&self.roots, &taking)?
        } else {
            Snapshot::take(&self.roots, &taking)?
        };
        now.extend(Snapshot::take(&around(&self.configs), &taking)?);
        let mut differences = self.before.differences(&now);
        let excluded: HashSet<&Path> = self.excluded.iter().map(PathBuf::as_path).collect();
        differences.retain(|difference| {
            !difference
                .path
                .ancestors()
                .any(|above| excluded.contains(above))
        });
        Ok(differences)
    }
}

/// The end of a run, together with everything it had started. What was changed later is not its
/// work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndOfRun {
    /// Until then nobody else can have written what the run writes.
    killed: Option<(i64, i64)>,
    /// Since then the run cannot have written anything.
    ended: Option<(i64, i64)>,
}

impl EndOfRun {
    /// Nothing can have been changed later.
    pub const NOW: Self = Self {
        killed: Some((i64::MAX, 0)),
        ended: Some((i64::MAX, 0)),
    };

    /// Everything may have been changed later.
    pub const UNKNOWN: Self = Self {
        killed: None,
        ended: None,
    };

    /// Returns the end of the run whose logs are in this directory: as its watchdog has marked it,
    /// else the last time at which it is known to have been running.
    pub fn of(logs: &Path) -> Self {
        let mark = |name| {
            logs.join(name)
                .symlink_metadata()
                .ok()
                .map(|mark: Metadata| (mark.ctime(), mark.ctime_nsec()))
        };
        if let Some(killed) = mark(watchdog::KILLED) {
            return Self {
                killed: Some(killed),
                ended: mark(watchdog::ENDED).or(Some(killed)),
            };
        }
        let entries = std::fs::read_dir(logs).into_iter().flatten().flatten();
        let last = entries
            .filter_map(|log| log.metadata().ok())
            .map(|log| (log.mtime(), log.mtime_nsec()))
            .max();
        // A run does not outlive its machine.
        let ended = last.max(booted_at().filter(|boot| last.is_some_and(|last| last < *boot)));
        Self {
            killed: last,
            ended,
        }
    }

    /// Whether a file was last changed before everything was over.
    pub fn covers(self, metadata: &Metadata) -> bool {
        self.ended.is_some_and(|end| changed_at(metadata) < end)
    }

    /// Whether a file was changed after the run was killed: then it is not certain who did.
    pub(crate) fn is_doubtful(self, metadata: &Metadata) -> bool {
        self.killed
            .is_none_or(|killed| changed_at(metadata) >= killed)
    }

    /// Whether every file at and below a path was last changed before the end. Directories do not
    /// count: there is nothing in them but files.
    pub(crate) fn covers_tree(self, path: &Path) -> bool {
        let Ok(listed) = list_tree(&[path.to_owned()]) else {
            return false;
        };
        let mut files = Vec::new();
        for (path, seen) in listed {
            match seen.kind {
                FileKind::Directory => {}
                FileKind::Git => match self.covers_all(&path) {
                    true => {}
                    false => return false,
                },
                _ => files.push(path),
            }
        }
        files.iter().all(|path| {
            path.symlink_metadata()
                .map_or(true, |metadata| self.covers(&metadata))
        })
    }

    /// The same for the directory of a repository.
    fn covers_all(self, git: &Path) -> bool {
        let taking = SnapshotOptions {
            read: &|_, _| false,
            git: &|_| true,
            ..SnapshotOptions::PLAIN
        };
        let Ok(listed) = Snapshot::take(&[git.to_owned()], &taking) else {
            return false;
        };
        let mut files = listed
            .iter()
            .filter(|(_, state)| state.kind != FileKind::Directory);
        files.all(|(path, _)| {
            path.symlink_metadata()
                .map_or(true, |metadata| self.covers(&metadata))
        })
    }

    /// The time at which a file was last written.
    pub fn after(metadata: &Metadata) -> Self {
        let last = Some((metadata.mtime(), metadata.mtime_nsec()));
        Self {
            killed: last,
            ended: last,
        }
    }

    /// The later of two ends.
    pub(crate) fn or_later(self, other: Self) -> Self {
        Self {
            killed: self.killed.max(other.killed),
            ended: self.ended.max(other.ended),
        }
    }

    /// The earlier of two ends.
    pub fn or_earlier(self, other: Self) -> Self {
        Self {
            killed: self.killed.min(other.killed),
            ended: self.ended.min(other.ended),
        }
    }
}

/// When the machine was started, in seconds and nanoseconds since 1970.
fn booted_at() -> Option<(i64, i64)> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    let boot = now.checked_sub(Duration::try_from_secs_f64(uptime).ok()?)?;
    Some((
        i64::try_from(boot.as_secs()).ok()?,
        boot.subsec_nanos().into(),
    ))
}

/// When a file was last changed.
fn changed_at(metadata: &Metadata) -> (i64, i64) {
    // Whoever makes another link to a file changes the time of its last change; what it holds is
    // not lost with one of them.
    match metadata.nlink() > 1 {
        true => (metadata.mtime(), metadata.mtime_nsec()),
        false => (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// What a rollback did.
#[derive(Debug, Default)]
pub struct RolledBack {
    /// Number of previous versions that are back in their places.
    pub restored: usize,
    /// Number of unfinished files and directories that were removed.
    pub stages: usize,
    /// What the run had not written, and where it was moved to.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// Repositories that were changed since, and were left as they are.
    pub left: Vec<PathBuf>,
    /// Files of which it is not certain who changed them last, and where copies of them are.
    pub copied: Vec<(PathBuf, PathBuf)>,
    /// Files that cannot be restored, because nothing was kept of them.
    pub lost: Vec<PathBuf>,
    /// What could not be done now and may be possible later, and why.
    pub failed: Vec<(PathBuf, String)>,
}

impl RolledBack {
    /// Whether the files are what they were.
    pub fn is_complete(&self) -> bool {
        self.left.is_empty() && self.lost.is_empty() && self.failed.is_empty()
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.failed.push((path.to_owned(), error.to_string()));
    }

    /// Moves what the run did not write out of the way.
    fn move_aside(&mut self, path: &Path) -> bool {
        match move_aside(path, path) {
            Ok(copy) => {
                self.moved.push((path.to_owned(), copy));
                true
            }
            Err(error) => {
                self.fail(path, &error);
                false
            }
        }
    }
}

/// Rolls back a change whose run is over.
///
/// Copies of files that somebody else may have changed in the moment in which the run was ended are
/// made in the directory `kept`.
pub fn roll_back(
    files: &FilesBefore,
    displaced: &[DisplacedPath],
    end: EndOfRun,
    store: &Store,
    kept: &Path,
) -> RolledBack {
    let mut done = RolledBack::default();
    let doubtful = Doubtful { end, kept };
    let in_place = |displaced: &&DisplacedPath| displaced.kept != displaced.path;
    for DisplacedPath {
        path,
        kept,
        disposal,
        ..
    } in present(displaced).filter(in_place)
    {
        let vacate = match path.symlink_metadata() {
            Err(_) => Ok(()),
            // What is there was never removed.
            Ok(_) if *disposal == Disposal::Remove => {
                match merge_back(kept, path) {
                    Ok(()) => done.restored += 1,
                    Err(error) => done.failed.push((
                        path.clone(),
                        format!("it is still at {}: {error}", kept.display()),
                    )),
                }
                continue;
            }
            Ok(_) if end.covers_tree(path) => doubtful
                .copy_tree(path, &mut done)
                .and_then(|()| remove_tree(path)),
            Ok(_) => move_aside(path, path).map(|copy| done.moved.push((path.clone(), copy))),
        };
        let parent = || path.parent().map_or(Ok(()), std::fs::create_dir_all);
        match vacate
            .and_then(|()| parent())
            .and_then(|()| rename_new(kept, path))
        {
            Ok(()) => done.restored += 1,
            Err(error) => done.failed.push((
                path.clone(),
                format!(
                    "the previous version is still at {}: {error}",
                    kept.display()
                ),
            )),
        }
    }
    // As long as something else is in the place of the previous version, nothing can be compared.
    if !done.failed.is_empty() {
        return done;
    }
    let cleaned = clean_stages(&files.stages, |path| files.before.inode(path), end);
    done.stages = cleaned.removed;
    files
        .roots
        .iter()
        .for_each(|root| clean_repository(&root.join(".git"), end));
    done.moved.extend(cleaned.moved);
    match files.differences() {
        Ok(differences) => restore_differences(
            differences,
            &files.excluded,
            &files.roots,
            &doubtful,
            store,
            &mut done,
        ),
        Err(error) => done.failed.push((PathBuf::new(), error.to_string())),
    }
    for parent in files.parents.iter().rev() {
        // What is not empty, somebody uses.
        let _ = std::fs::remove_dir(parent);
    }
    done
}

/// Removes what git was just writing, and would only remove weeks later.
pub fn clean_repository(git: &Path, end: EndOfRun) {
    let objects = git.join("objects");
    let directories = std::fs::read_dir(&objects)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    for entry in directories
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .flatten()
    {
        let is_unfinished = entry.file_name().as_bytes().starts_with(b"tmp_");
        if is_unfinished
            && entry
                .metadata()
                .is_ok_and(|metadata| metadata.is_file() && end.covers(&metadata))
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Makes files what they were. What was changed after the end of the run is moved aside before, a
/// new directory as a whole unless one of the `excluded` paths is in it.
pub(crate) fn restore_differences(
    mut differences: Vec<Difference>,
    excluded: &[PathBuf],
    roots: &[PathBuf],
    doubtful: &Doubtful<'_>,
    store: &Store,
    done: &mut RolledBack,
) {
    let end = doubtful.end;
    leave_repositories(&mut differences, end, done);
    let is_directory = |state: &Option<State>| {
        state
            .as_ref()
            .is_some_and(|state| matches!(state.kind, FileKind::Directory | FileKind::Git))
    };
    let is_new_directory = |difference: &Difference| {
        !is_directory(&difference.before) && is_directory(&difference.after)
    };
    // New directories as a whole, unless another module is at home in them.
    let mut new: Vec<PathBuf> = Vec::new();
    for difference in differences
        .iter()
        .filter(|difference| is_new_directory(difference))
    {
        if !new
            .last()
            .is_some_and(|root| difference.path.starts_with(root))
        {
            new.push(difference.path.clone());
        }
    }
    new.retain(|root| !excluded.iter().any(|excluded| excluded.starts_with(root)));
    let mut moved: BTreeSet<PathBuf> = BTreeSet::new();
    for root in new.into_iter().filter(|root| !end.covers_tree(root)) {
        if done.move_aside(&root) {
            moved.insert(root);
        }
    }
    differences.retain(|difference| {
        !difference
            .path
            .ancestors()
            .skip(1)
            .any(|above| moved.contains(above))
    });
    for difference in differences
        .iter_mut()
        .filter(|difference| moved.contains(&difference.path))
    {
        difference.after = None;
    }
    let is_later = |difference: &Difference| {
        let is_file = difference
            .after
            .as_ref()
            .is_some_and(|after| !matches!(after.kind, FileKind::Directory | FileKind::Git));
        is_file
            && difference
                .path
                .symlink_metadata()
                .is_ok_and(|metadata| !end.covers(&metadata))
    };
    // A copy is left where it is.
    differences.retain(|difference| {
        !(difference.before.is_none() && is_backup(&difference.path) && is_later(difference))
    });
    let is_foreign = |difference: &&Difference| is_later(difference);
    let foreign: Vec<PathBuf> = differences
        .iter()
        .filter(is_foreign)
        .map(|difference| difference.path.clone())
        .collect();
    for path in foreign {
        // Where it cannot be moved, it stays where it is.
        let is_moved = done.move_aside(&path);
        differences.retain(|difference| is_moved || difference.path != path);
        for difference in differences
            .iter_mut()
            .filter(|difference| difference.path == path)
        {
            difference.after = None;
        }
    }
    differences.retain(|difference| difference.before.is_some() || difference.after.is_some());
    for difference in differences.iter().filter(|difference| {
        difference
            .after
            .as_ref()
            .is_some_and(|after| after.kind == FileKind::File)
    }) {
        if let Err(error) = doubtful.copy(&difference.path, done) {
            done.fail(&difference.path, &error);
            return;
        }
    }
    for (path, error) in put_back(&differences.iter().collect::<Vec<_>>(), store, roots) {
        let is_not_kept = error.get_ref().is_some_and(|error| error.is::<NotKept>());
        match error.kind() {
            _ if is_not_kept => done.lost.push(path),
            // Another module has something in it.
            io::ErrorKind::DirectoryNotEmpty => {}
            _ => done.failed.push((path, error.to_string())),
        }
    }
}

/// Copies files that were changed between the moment in which a run was killed and that in which
/// everything was over.
pub(crate) struct Doubtful<'a> {
    pub end: EndOfRun,
    /// Directory of the copies.
    pub kept: &'a Path,
}

impl Doubtful<'_> {
    fn copy(&self, path: &Path, done: &mut RolledBack) -> io::Result<()> {
        let Ok(metadata) = path.symlink_metadata() else {
            return Ok(());
        };
        if !metadata.is_file() || !self.end.is_doubtful(&metadata) {
            return Ok(());
        }
        let copy = self.kept.join(path.strip_prefix("/").unwrap_or(path));
        if copy.exists() {
            return Ok(());
        }
        copy.parent().map_or(Ok(()), private_directory)?;
        std::fs::copy(path, &copy)?;
        make_private(&copy)?;
        done.copied.push((path.to_owned(), copy));
        Ok(())
    }

    fn copy_tree(&self, path: &Path, done: &mut RolledBack) -> io::Result<()> {
        list_tree(&[path.to_owned()])?
            .keys()
            .try_for_each(|path| self.copy(path, done))
    }
}

/// Leaves out the repositories that were changed since the end of the run, and of the others what
/// git keeps of contents: another reference may need it.
fn leave_repositories(differences: &mut Vec<Difference>, end: EndOfRun, done: &mut RolledBack) {
    let repository = |path: &Path| -> Option<PathBuf> {
        let git = path
            .ancestors()
            .find(|above| above.file_name().is_some_and(|name| name == ".git"))?;
        git.parent().map(Path::to_owned)
    };
    let mut left: BTreeSet<PathBuf> = BTreeSet::new();
    for Difference {
        path,
        before,
        after,
    } in differences.iter()
    {
        let Some(root) = repository(path).filter(|root| *path != root.join(".git")) else {
            continue;
        };
        let is_gone = before.as_ref().is_some_and(|before| !before.is_known()) && after.is_none();
        let is_file = after
            .as_ref()
            .is_some_and(|after| after.kind != FileKind::Directory);
        let is_later = is_file
            && path
                .symlink_metadata()
                .is_ok_and(|metadata| !end.covers(&metadata));
        if is_gone || is_later {
            left.insert(root);
        }
    }
    differences.retain(|difference| !left.iter().any(|root| difference.path.starts_with(root)));
    differences.retain(|difference| match is_git_object(&difference.path) {
        false => true,
        // What git was just writing is of no use.
        true => {
            if difference.before.is_none()
                && difference
                    .path
                    .file_name()
                    .is_some_and(|name| name.as_bytes().starts_with(b"tmp_"))
            {
                let _ = std::fs::remove_file(&difference.path);
            }
            false
        }
    });
    done.left.extend(left);
}

fn is_git_object(path: &Path) -> bool {
    path.ancestors().any(|above| {
        above.ends_with(".git/objects")
            || above.ends_with("objects")
                && above.ancestors().any(|git| git.ends_with(".git/modules"))
    })
}
