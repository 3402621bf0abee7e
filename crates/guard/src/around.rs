//! What scripts write outside of the directories that their modules declare: programs, manual
//! pages, desktop entries, completions, and the files that shells read when they start.
//!
//! These places are looked at before and after scripts. Scripts that run at the same time are a
//! group: one look before the first, one after the last. What a script created alone is its
//! module's; of what a group did nobody can tell whose it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hoist_core::is_shared;
use hoist_executor::{Failure, Level, TaskContext};
use hoist_files::{
    Difference, FileKind, Record, Recorded, Snapshot, SnapshotOptions, State, Store, follow,
    is_backup, make_private, private_directory, put_back,
};
use serde::{Deserialize, Serialize};

use crate::rollback::EndOfRun;

/// Directories whose entries are looked at, in the home directory.
const PROGRAMS: &[&str] = &[".local/bin", "bin"];

/// Directories that are looked at with everything below them.
const SHARED: &[&str] = &[
    ".local/share/man",
    ".local/share/applications",
    ".local/share/bash-completion",
    ".local/share/zsh/site-functions",
    ".config/fish/completions",
    ".config/fish/conf.d",
];

/// Files that shells read when they start.
const SHELLS: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".config/zsh/.zshrc",
    ".config/zsh/.zshenv",
    ".config/zsh/.zprofile",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".inputrc",
    ".config/fish/config.fish",
];

/// True for a file that shells read when they start.
pub fn is_startup_file(path: &Path, home: &Path) -> bool {
    path.strip_prefix(home)
        .is_ok_and(|inside| SHELLS.iter().any(|name| Path::new(name) == inside))
}

/// Maximum size of the existing files whose contents are kept, in bytes: all of them together.
const KEPT: u64 = 8 * 1024 * 1024;

/// Finds, of new files in a home directory, those that packages consist of: their manager removes
/// them.
pub type OwnedByPackages = Arc<dyn Fn(&Path, &[&Path]) -> BTreeSet<PathBuf> + Send + Sync>;

/// The places around the directories of modules, and the scripts that are running.
pub struct Around {
    home: PathBuf,
    owned: OwnedByPackages,
    /// What modules of the run declare: that is looked after elsewhere.
    declared: BTreeSet<PathBuf>,
    /// The directory of the logs of the run, with a file of what is there before each group, for a
    /// process that finds the run killed.
    logs: Option<PathBuf>,
    /// Number of groups so far.
    groups: AtomicUsize,
    group: Mutex<Group>,
}

/// The name of such a file starts with this; a number follows.
const KEPT_BEFORE: &str = "around-";

/// The file with what was there before a group of scripts; it is removed when this is dropped.
pub struct KeptBefore(PathBuf);

impl Drop for KeptBefore {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The form in which it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    home: PathBuf,
    declared: BTreeSet<PathBuf>,
    before: Vec<u8>,
}

#[derive(Default)]
struct Group {
    running: usize,
    /// Number of scripts that were in it.
    members: usize,
    before: Snapshot,
    /// What a later process restores. Where a script of the group has ended and others run on,
    /// nothing: what that created would be restored away.
    kept: Option<KeptBefore>,
    /// The last look, which makes the next one cheap.
    last: Snapshot,
}

/// What became different while scripts ran.
pub struct Outside {
    /// Whether only one script ran.
    pub is_alone: bool,
    /// What became different.
    pub differences: Vec<Difference>,
    /// Kept until the change of the module is complete.
    pub kept: Option<KeptBefore>,
}

/// A script that is running; it leaves its group when this is dropped.
pub struct Inside<'a> {
    around: &'a Around,
    is_done: bool,
}

impl Around {
    /// `logs` is the directory of the logs of the run, where it has one.
    pub fn new(
        home: &Path,
        declared: BTreeSet<PathBuf>,
        logs: Option<&Path>,
        owned: OwnedByPackages,
    ) -> Self {
        Self {
            owned,
            home: home.to_owned(),
            declared,
            logs: logs.map(Path::to_owned),
            groups: AtomicUsize::new(0),
            group: Mutex::default(),
        }
    }

    /// Writes down what is there before a group of scripts.
    fn keep(&self, before: &Snapshot, store: &Store) -> std::io::Result<Option<KeptBefore>> {
        let Some(logs) = &self.logs else {
            return Ok(None);
        };
        store.flush()?;
        private_directory(logs)?;
        let stored = Stored {
            home: self.home.clone(),
            declared: self.declared.clone(),
            before: before.to_bytes()?,
        };
        let file = logs.join(format!(
            "{KEPT_BEFORE}{}",
            self.groups.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::write(
            &file,
            postcard::to_stdvec(&stored).map_err(std::io::Error::other)?,
        )?;
        make_private(&file)?;
        Ok(Some(KeptBefore(file)))
    }

    /// What is different where the scripts of a group may have been at work, without what is looked
    /// after elsewhere.
    fn differences(&self, before: &Snapshot, after: &Snapshot) -> Result<Vec<Difference>, Failure> {
        let mut differences = before.differences(after);
        differences.extend(self.inside_new(&differences)?);
        let is_file = |difference: &&Difference| {
            let after = difference.after.as_ref();
            after.is_some_and(|after| after.kind == FileKind::File)
        };
        let new = differences.iter().filter(is_file);
        let new: Vec<&Path> = new.map(|difference| difference.path.as_path()).collect();
        let owned = (self.owned)(&self.home, &new);
        differences.retain(|Difference { path, .. }| {
            !owned.contains(path)
                && !self.is_declared(path)
                && !self.is_place(path)
                && !is_backup(path)
                && !is_of_hoist(path)
        });
        Ok(differences)
    }

    fn is_declared(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.declared.contains(above))
    }

    /// True for the places themselves and for directories that many programs share, which are
    /// nobody's.
    fn is_place(&self, path: &Path) -> bool {
        let is_named = |inside: &Path| {
            PROGRAMS
                .iter()
                .chain(SHARED)
                .any(|place| Path::new(place) == inside)
        };
        is_shared(path, &self.home) || path.strip_prefix(&self.home).is_ok_and(is_named)
    }

    /// Starts a script: the first of a group looks at what is there, and keeps what may have to
    /// come back.
    pub fn enter(&self, store: &Store) -> Result<Inside<'_>, Failure> {
        let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        if group.running == 0 {
            group.before = self.snapshot(&group.last, Some(store), None)?;
            group.members = 0;
            group.kept = self.keep(&group.before, store).map_err(|error| {
                Failure::new(format!(
                    "cannot record files outside of the module's directories: {error}"
                ))
            })?;
        }
        group.running += 1;
        group.members += 1;
        Ok(Inside {
            around: self,
            is_done: false,
        })
    }

    /// Looks at everything there. Of what is not in `before` everything is read.
    fn snapshot(
        &self,
        former: &Snapshot,
        store: Option<&Store>,
        before: Option<&Snapshot>,
    ) -> Result<Snapshot, Failure> {
        let wrong = |error: std::io::Error| Failure::new(format!("cannot read {error}"));
        let room = AtomicU64::new(KEPT);
        let is_new =
            |path: &Path| before.is_some_and(|before| before.get(path).is_none_or(State::is_known));
        let fits = |size: u64| {
            room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
                room.checked_sub(size)
            })
            .is_ok()
        };
        let read = |path: &Path, size: u64| is_new(path) || fits(size);
        let taking = SnapshotOptions {
            former: Some(former),
            store,
            read: &read,
            git: &|_| false,
            ..SnapshotOptions::PLAIN
        };
        let mut paths: Vec<PathBuf> = SHELLS.iter().map(|name| self.home.join(name)).collect();
        // Where they are links, what is written is what they lead to.
        let targets: Vec<PathBuf> = paths
            .iter()
            .filter(|path| path.is_symlink())
            .filter_map(|path| follow(path).ok())
            .collect();
        paths.extend(targets);
        for directory in PROGRAMS.iter().map(|name| self.home.join(name)) {
            let entries = std::fs::read_dir(&directory)
                .into_iter()
                .flatten()
                .flatten();
            paths.extend(entries.map(|entry| entry.path()).chain([directory]));
        }
        let shared: Vec<PathBuf> = SHARED.iter().map(|name| self.home.join(name)).collect();
        let mut found = Snapshot::take_flat(&paths, &taking).map_err(wrong)?;
        found.extend(Snapshot::take(&shared, &taking).map_err(wrong)?);
        Ok(found)
    }
}

/// True for what hoist moves out of the way for a time.
fn is_of_hoist(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b".hoist-"))
}

impl Around {
    /// What is in the new directories among programs, which are looked at without what is below
    /// them.
    fn inside_new(&self, differences: &[Difference]) -> Result<Vec<Difference>, Failure> {
        let is_new_directory = |difference: &&Difference| {
            let is_directory = difference
                .after
                .as_ref()
                .is_some_and(|after| after.kind == FileKind::Directory);
            is_directory
                && difference.before.is_none()
                && PROGRAMS
                    .iter()
                    .any(|place| difference.path.parent() == Some(&self.home.join(place)))
        };
        let new: Vec<PathBuf> = differences
            .iter()
            .filter(is_new_directory)
            .map(|difference| difference.path.clone())
            .collect();
        let found = Snapshot::take(&new, &SnapshotOptions::PLAIN)
            .map_err(|error| Failure::new(format!("cannot read {error}")))?;
        let mut inside = Snapshot::default().differences(&found);
        inside.retain(|difference| !new.contains(&difference.path));
        Ok(inside)
    }
}

impl Inside<'_> {
    /// Ends the script. The last of a group learns what became different.
    pub fn leave(mut self) -> Result<Option<Outside>, Failure> {
        self.is_done = true;
        let mut group = self
            .around
            .group
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        group.running -= 1;
        let kept = group.kept.take();
        if group.running > 0 {
            return Ok(None);
        }
        let before = std::mem::take(&mut group.before);
        let after = self.around.snapshot(&before, None, Some(&before))?;
        let differences = self.around.differences(&before, &after)?;
        group.last = after;
        Ok(Some(Outside {
            is_alone: group.members == 1,
            differences,
            kept,
        }))
    }
}

/// Restores what the scripts of a killed run had changed around the modules; returns the paths.
/// What was written after the end of the run stays.
///
/// # Errors
/// It cannot be looked at, or not all of it can be restored.
pub fn recover(
    logs: &Path,
    store: &Store,
    end: EndOfRun,
    owned: &OwnedByPackages,
) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(logs).into_iter().flatten().flatten();
    let is_kept = |entry: &std::fs::DirEntry| {
        entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(KEPT_BEFORE.as_bytes())
    };
    let mut restored = Vec::new();
    for file in entries
        .filter(is_kept)
        .map(|entry| KeptBefore(entry.path()))
    {
        restored.extend(recover_group(&file.0, store, end, owned)?);
    }
    Ok(restored)
}

fn recover_group(
    file: &Path,
    store: &Store,
    end: EndOfRun,
    owned: &OwnedByPackages,
) -> Result<Vec<PathBuf>, Failure> {
    let Ok(bytes) = std::fs::read(file) else {
        return Ok(Vec::new());
    };
    let stored = postcard::from_bytes::<Stored>(&bytes).ok();
    let Some((stored, before)) = stored
        .and_then(|stored| Snapshot::from_bytes(&stored.before).map(|before| (stored, before)))
    else {
        return Ok(Vec::new());
    };
    let around = Around::new(&stored.home, stored.declared, None, owned.clone());
    let after = around.snapshot(&before, None, Some(&before))?;
    let mut differences = around.differences(&before, &after)?;
    differences.retain(|Difference { path, before, .. }| {
        before.as_ref().is_none_or(State::is_known)
            && path
                .symlink_metadata()
                .map_or(true, |there| there.is_dir() || end.covers(&there))
    });
    let restored: Vec<PathBuf> = differences
        .iter()
        .map(|difference| difference.path.clone())
        .collect();
    let failed = put_back(&differences.iter().collect::<Vec<_>>(), store, &[]);
    // A directory that somebody has something in stays.
    match failed.into_iter().find(|(path, _)| !path.is_dir()) {
        None => Ok(restored),
        Some((path, error)) => Err(Failure::new(format!(
            "cannot restore {}: {error}",
            path.display()
        ))),
    }
}

/// The paths of differences, for a message.
fn listed(differences: &[&Difference]) -> String {
    named(
        &differences
            .iter()
            .map(|difference| difference.path.clone())
            .collect::<Vec<_>>(),
    )
}

/// Paths, for a message.
pub fn named(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let more = if paths.len() > NAMED {
        format!(" and {} more", paths.len() - NAMED)
    } else {
        String::new()
    };
    paths
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ")
        + &more
}

/// What is the module's of that, and what an undo takes back.
#[derive(Default)]
pub struct Settled {
    /// What is the module's from now on.
    pub owned: Record,
    /// What became different.
    pub differences: Vec<Difference>,
}

/// Maximum number of paths that one warning names.
const NAMED: usize = 20;

impl Outside {
    /// Decides what is whose, and warns of the rest. `old` is what the module is known to have
    /// written before; what its script creates is its own where it `stays` installed.
    pub fn settle(self, old: &Record, stays: bool, task: &TaskContext) -> Settled {
        let mut settled = Settled::default();
        let (mut created, mut changed, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for difference in self.differences {
            let Difference {
                path,
                before,
                after,
            } = &difference;
            let is_own = old.contains_key(path) || before.is_none();
            match after.as_ref().filter(|_| self.is_alone && is_own && stays) {
                Some(after) => drop(settled.owned.insert(path.clone(), Recorded::of(after))),
                None if after.is_none() && old.contains_key(path) => {}
                None if before.is_none() => created.push(path.display().to_string()),
                None if after.is_none() => deleted.push(path.display().to_string()),
                None if after
                    .as_ref()
                    .is_some_and(|after| after.kind == FileKind::Directory) => {}
                None => changed.push(path.display().to_string()),
            }
            // Of what was not kept nothing can be restored.
            if before.as_ref().is_none_or(State::is_known) {
                settled.differences.push(difference);
            }
        }
        for (paths, word) in [
            (created, "created"),
            (changed, "changed"),
            (deleted, "deleted"),
        ] {
            if let [first, ..] = paths.as_slice() {
                let more = if paths.len() > NAMED {
                    format!(" and {} more", paths.len() - NAMED)
                } else {
                    String::new()
                };
                let whose = if self.is_alone {
                    ""
                } else {
                    " (several scripts ran at the same time)"
                };
                let named = if paths.len() == 1 {
                    first.clone()
                } else {
                    paths
                        .iter()
                        .take(NAMED)
                        .cloned()
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                task.note(
                    Level::Warning,
                    format!("also {word}, although not declared: {named}{more}{whose}"),
                );
            }
        }
        settled
    }

    /// Makes everything what it was before a script that failed. Returns what is to be said of
    /// that.
    pub fn revert(&self, store: &Store) -> String {
        let kept: Vec<&Difference> = self
            .differences
            .iter()
            .filter(|difference| difference.before.as_ref().is_none_or(State::is_known))
            .collect();
        if kept.is_empty() {
            return String::new();
        }
        match put_back(&kept, store, &[]).into_iter().next() {
            None => format!("; also restored: {}", listed(&kept)),
            Some((path, error)) => format!(
                "; also to be restored: {}; but {}: {error}",
                listed(&kept),
                path.display()
            ),
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.around
                .group
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .running -= 1;
        }
    }
}
