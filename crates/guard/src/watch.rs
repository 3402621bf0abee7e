//! What of a module's files is watched while its steps run: the paths that it may make its own.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hoist_core::{ConfigPolicy, Module, ModuleId, is_shared};
use hoist_executor::{Failure, ItemChange, TaskContext};
use hoist_files::{
    Difference, FileKind, Home, Listing, Record, Recorded, Snapshot, SnapshotOptions, State, Store,
    Suffix, aside_name, backups, is_backup, keep_copy, list_tree, pending, update_record,
};
use hoist_ledger::{DisplacedPath, Edit};

use crate::protect::{Before, protect_install};
use crate::rollback::FilesBefore;
use hoist_machine::machine::Machine;

/// Larger files that are in no record are not read, in bytes: whatever they are, they are not the
/// module's.
const LARGE: u64 = 8 * 1024 * 1024;

/// At most so much is kept of what one module has, in bytes.
pub const KEPT: u64 = 512 * 1024 * 1024;

/// Whether there is room for so much more.
pub fn takes(room: &AtomicU64, size: u64) -> bool {
    room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
        room.checked_sub(size)
    })
    .is_ok()
}

/// A module's paths before its steps ran.
pub struct Watch {
    /// Paths whose contents are the module's own.
    own: Vec<PathBuf>,
    /// Those of them that were not there.
    pub absent: Vec<PathBuf>,
    /// Those that were.
    pub found: Vec<PathBuf>,
    /// Directories on the way to them that were not there.
    parents: Vec<PathBuf>,
    /// What was below them, repositories of git with everything in them.
    before: Snapshot,
    /// What is there after the steps.
    after: Snapshot,
    /// Copies, and the module's versions, that were put beside what somebody had.
    beside: Vec<PathBuf>,
    /// Its configuration files, which are not its own.
    configs: Vec<PathBuf>,
    configs_before: Snapshot,
    /// What other modules of the run may be making below these paths.
    claimed: Vec<PathBuf>,
    /// What its checks look at, wherever that is.
    signs: Vec<PathBuf>,
    signs_before: Listing,
}

impl Watch {
    /// Looks at what a module declares, and what its steps say they may make.
    pub fn start(
        machine: &Machine,
        home: &Home,
        module: &Module,
        planned: &[PathBuf],
        old: &Record,
        keeping: &ContentBudget<'_>,
    ) -> Result<Self, Failure> {
        let declared = module
            .paths
            .iter()
            .chain(&module.removal.paths)
            .chain(&module.checks.dirs)
            .chain(&module.checks.files);
        let programs = module
            .checks
            .binaries
            .iter()
            .map(|name| machine.home.join(".local/bin").join(name));
        let mut own: Vec<PathBuf> = declared
            .cloned()
            .chain(programs)
            .chain(planned.iter().cloned())
            .collect();
        own.retain(|path| home.place(path).is_ok() && !module.config_files.contains(path));
        own.sort();
        own.dedup();
        let mut roots: Vec<PathBuf> = Vec::new();
        for path in &own {
            if !roots.last().is_some_and(|last| path.starts_with(last)) {
                roots.push(path.clone());
            }
        }
        let (absent, found): (Vec<PathBuf>, Vec<PathBuf>) = own
            .into_iter()
            .partition(|path| path.symlink_metadata().is_err());
        let made = absent
            .iter()
            .chain(&module.config_files)
            .flat_map(|path| missing_parents(path, &machine.home));
        let parents = made.collect::<BTreeSet<_>>().into_iter().collect();
        let room = AtomicU64::new(KEPT);
        let read = |path: &Path, size| {
            is_read(path) && (old.contains_key(path) || size <= LARGE && takes(&room, size))
        };
        let store = keeping.store.filter(|_| !found.is_empty());
        let before = Snapshot::take(
            &roots,
            &SnapshotOptions {
                read: &read,
                git: &|_| true,
                store,
                ..SnapshotOptions::PLAIN
            },
        )
        .map_err(looking)?;
        let programs = module
            .checks
            .binaries
            .iter()
            .filter_map(|name| machine.find_program(name, &[]));
        let signs: Vec<PathBuf> = module
            .checks
            .files
            .iter()
            .cloned()
            .chain(programs)
            .collect();
        let signs_before = files_only(&signs);
        let configs = module.config_files.clone();
        let configs_before = look_around(&configs, keeping.store)?;
        let below = |root: &PathBuf| {
            keeping
                .claims
                .range(root.clone()..)
                .take_while(|(path, _)| path.starts_with(root))
                .collect::<Vec<_>>()
        };
        let claimed = roots
            .iter()
            .flat_map(below)
            .filter(|(_, others)| others.iter().any(|other| *other != module.id));
        let claimed = claimed.map(|(path, _)| path.clone()).collect();
        let (after, beside) = Default::default();
        Ok(Self {
            own: roots,
            absent,
            found,
            parents,
            before,
            after,
            beside,
            configs,
            configs_before,
            claimed,
            signs,
            signs_before,
        })
    }

    /// The files before the steps, for a rollback by a later process. Stages may be next to
    /// `stages`.
    pub fn files_before(&self, stages: &[PathBuf], is_complete: bool) -> FilesBefore {
        let mut before = self.before.clone();
        before.extend(self.configs_before.clone());
        FilesBefore {
            roots: self.own.clone(),
            configs: self.configs.clone(),
            excluded: self.claimed.clone(),
            parents: self.parents.clone(),
            // Copies of what somebody had are written beside its own places.
            stages: stages
                .iter()
                .chain(&self.own)
                .cloned()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            is_flat: false,
            is_complete,
            before,
        }
    }

    /// Whether any existing file is at stake.
    pub fn has_files(&self) -> bool {
        !self.before.is_empty() || !self.configs_before.is_empty()
    }

    /// The number of the inode at a path before the steps.
    pub fn inode(&self, path: &Path) -> Option<u64> {
        self.before.inode(path)
    }

    /// The paths that were not there before, and are now.
    pub fn made(&self) -> Vec<PathBuf> {
        self.absent
            .iter()
            .filter(|path| path.symlink_metadata().is_ok())
            .cloned()
            .collect()
    }

    /// What is known to be written, now that the steps have run; and whether anything that is
    /// watched is another than before, where anything is watched.
    pub fn finish(
        &mut self,
        old: &Record,
        displaced: &[DisplacedPath],
    ) -> Result<(Record, Option<bool>), Failure> {
        self.after = self.snapshot(old, None)?;
        let (mut before, after) = (
            self.before.without_repositories(),
            self.after.without_repositories(),
        );
        // Where something was moved out of the way, nothing was.
        before.retain(|path, _| {
            !displaced
                .iter()
                .any(|displaced| path.starts_with(&displaced.path))
        });
        let mut record = update_record(old, &before, &after);
        let parents: Vec<PathBuf> = self
            .parents
            .iter()
            .filter(|path| path.is_dir())
            .cloned()
            .collect();
        let made = parents.iter().filter_map(|path| {
            let metadata = path.symlink_metadata().ok()?;
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
            Some((
                path.clone(),
                Recorded {
                    kind: FileKind::Directory,
                    mode,
                    digest: String::new(),
                },
            ))
        });
        record.extend(made.collect::<Vec<_>>());
        record.extend(
            old.iter()
                .filter(|(path, _)| !self.is_watched(path) && path.symlink_metadata().is_ok())
                .map(|(path, entry)| (path.clone(), entry.clone())),
        );
        record.retain(|path, _| !self.is_config(path));
        let signs = files_only(&self.signs);
        let blind = self.before.is_empty()
            && after.is_empty()
            && signs.is_empty()
            && self.signs_before.is_empty();
        let different =
            !self.before.differences(&self.after).is_empty() || signs != self.signs_before;
        Ok((record, (!blind).then_some(different)))
    }

    /// Puts back what a script took of what somebody had changed or added. What it rewrote of files
    /// that are in no record, such as those that a program keeps for itself, is its business.
    pub fn protect(
        &mut self,
        old: &Record,
        store: &Store,
        policy: ConfigPolicy,
        task: &TaskContext,
    ) -> Result<(), Failure> {
        let now = self.snapshot(old, Some(store))?;
        let mut differences = self.before.differences(&now);
        let is_passing = |path: &Path| {
            path.components()
                .any(|part| matches!(part.as_os_str().to_str(), Some(".git" | "__pycache__")))
        };
        let is_claimed = |path: &Path| self.claimed.iter().any(|claimed| path.starts_with(claimed));
        differences.retain(
            |Difference {
                 path,
                 before,
                 after,
             }| {
                let Some(before) = before.as_ref().filter(|before| before.is_known()) else {
                    return false;
                };
                let gone = after.is_none()
                    || before.kind == FileKind::Directory
                        && after
                            .as_ref()
                            .is_some_and(|after| after.kind != FileKind::Directory);
                let is_somebodys = match old.get(path) {
                    Some(recorded) => {
                        !recorded.is(before)
                            && after
                                .as_ref()
                                .is_none_or(|after| !after.has_same_contents(before))
                    }
                    None => gone,
                };
                let is_way = before.kind == FileKind::Directory && gone;
                (is_somebodys || is_way)
                    && !is_passing(path)
                    && !is_claimed(path)
                    && !self.is_config(path)
            },
        );
        let (others, edits) = (BTreeMap::new(), Vec::new());
        let before = Before {
            differences: &differences,
            record: old,
            others: &others,
            edits,
            store,
            roots: &self.own,
        };
        self.beside
            .extend(protect_install(before, &BTreeSet::new(), policy, task)?.beside);
        Ok(())
    }

    /// After a first install: what was there before comes back where a script has removed it, and
    /// is copied aside where a script has written over it. Returns the files that were replaced.
    pub fn protect_found(
        &mut self,
        old: &Record,
        store: &Store,
        task: &TaskContext,
    ) -> Result<Vec<Edit>, Failure> {
        let now = self.snapshot(old, Some(store))?;
        let is_passing = |path: &Path| {
            path.components()
                .any(|part| matches!(part.as_os_str().to_str(), Some(".git" | "__pycache__")))
        };
        let is_claimed = |path: &Path| self.claimed.iter().any(|claimed| path.starts_with(claimed));
        let is_file = |state: &State| matches!(state.kind, FileKind::File | FileKind::Link);
        let mut differences = self.before.differences(&now);
        differences.retain(|Difference { path, before, .. }| {
            // What an earlier attempt wrote is not, unless it was changed since.
            let is_changed =
                |before: &State| old.get(path).is_none_or(|recorded| !recorded.is(before));
            let is_somebodys = before
                .as_ref()
                .is_some_and(|before| before.is_known() && is_file(before) && is_changed(before));
            is_somebodys && !is_passing(path) && !is_claimed(path) && !self.is_config(path)
        });
        let (mut back, mut edits) = (Vec::new(), Vec::new());
        let wrong =
            |error: std::io::Error| Failure::new(format!("cannot back up existing files: {error}"));
        for difference in &differences {
            let Difference {
                path,
                before: Some(before),
                after,
            } = difference
            else {
                continue;
            };
            let shown = path.display();
            let Some(after) = after else {
                // Where something else is in the place of its directory, it cannot come back there.
                if path.ancestors().skip(1).all(|above| {
                    above
                        .symlink_metadata()
                        .map_or(true, |there| there.is_dir())
                }) {
                    back.push(difference);
                    let why =
                        "it existed before the module, whose script removed it; it was restored"
                            .to_owned();
                    task.item(ItemChange::Preserved, shown.to_string(), Some(why));
                    continue;
                }
                let copy = copy_of(path, before, store).map_err(wrong)?;
                task.item(
                    ItemChange::Preserved,
                    copy.display().to_string(),
                    Some(format!(
                        "backup of {shown}, which the module's script removed"
                    )),
                );
                self.beside.push(copy);
                continue;
            };
            if after.has_same_contents(before) {
                continue;
            }
            let is_edit = if before.kind == FileKind::File
                && after.kind == FileKind::File
                && after.is_known()
            {
                let (old, new) = (
                    store.bytes(&before.digest).map_err(wrong)?,
                    store.bytes(&after.digest).map_err(wrong)?,
                );
                // What only adds to a file takes nothing from anybody.
                if crate::edits::keeps_all(&old, &new, None) {
                    continue;
                }
                crate::edits::is_edit(&old, &new)
            } else {
                false
            };
            let copy = copy_of(path, before, store).map_err(wrong)?;
            let why = format!("backup of {shown}, which the module's script changed");
            task.item(ItemChange::Preserved, copy.display().to_string(), Some(why));
            self.beside.push(copy);
            // A file that was edited is still whose it was.
            if is_file(after) && after.is_known() && !is_edit {
                edits.push(Edit {
                    path: path.clone(),
                    before: before.clone(),
                    after: after.clone(),
                    replaced: true,
                });
            }
        }
        for parent in back
            .iter()
            .filter_map(|difference| difference.path.parent())
        {
            std::fs::create_dir_all(parent).map_err(wrong)?;
        }
        let failed = crate::session::restore(&back, store, &self.own);
        failed.map_or(Ok(edits), |why| {
            Err(Failure::new(format!(
                "cannot restore existing files: {why}"
            )))
        })
    }

    /// What is there now; of a repository that was not there before only that it is.
    fn snapshot(&self, old: &Record, store: Option<&Store>) -> Result<Snapshot, Failure> {
        let read = |path: &Path, size| {
            is_read(path)
                && (size <= LARGE || old.contains_key(path) || self.before.get(path).is_none())
        };
        let git = |path: &Path| self.before.get(path).is_some();
        Snapshot::take(
            &self.own,
            &SnapshotOptions {
                former: Some(&self.before),
                read: &read,
                git: &git,
                store,
                ..SnapshotOptions::PLAIN
            },
        )
        .map_err(looking)
    }

    /// What is different from before, in the module's own places and its configuration files; but
    /// not what other modules make there.
    pub fn differences(&self, old: &Record, again: bool) -> Result<Vec<Difference>, Failure> {
        let now = if again {
            &self.snapshot(old, None)?
        } else {
            &self.after
        };
        let mut differences = self.before.differences(now);
        differences.extend(
            self.configs_before
                .differences(&look_around(&self.configs, None)?),
        );
        differences.extend(created(self.parents.iter()));
        differences.extend(self.created(&self.beside));
        differences.retain(|difference| {
            !self
                .claimed
                .iter()
                .any(|claimed| difference.path.starts_with(claimed))
        });
        // Of what git has packed anew, nothing can be restored.
        let packed = spare_repositories(&mut differences);
        differences.extend(packed.into_iter().map(|clone| Difference {
            path: clone.join(".git/objects"),
            before: Some(State::unread(FileKind::Directory)),
            after: None,
        }));
        differences.sort_by(|a, b| a.path.cmp(&b.path));
        differences.dedup_by(|a, b| a.path == b.path);
        Ok(differences)
    }

    /// Paths outside of what is watched, where nothing was before.
    pub fn created<'p>(&'p self, paths: &'p [PathBuf]) -> impl Iterator<Item = Difference> + 'p {
        created(paths.iter().filter(|path| !self.is_watched(path)))
    }

    /// Makes the module's own places what they were before the steps. Returns how much was
    /// different, and what could not be put back.
    pub fn revert(&self, old: &Record, store: &Store) -> Result<(usize, Option<String>), Failure> {
        let mut differences = self.before.differences(&self.snapshot(old, Some(store))?);
        differences.retain(|difference| {
            !self
                .claimed
                .iter()
                .any(|claimed| difference.path.starts_with(claimed))
        });
        let packed = spare_repositories(&mut differences);
        let packed = packed
            .first()
            .map(|clone| format!("{}: git has repacked its repository", clone.display()));
        let count = differences.len() + usize::from(packed.is_some());
        Ok((
            count,
            crate::session::restore(&differences.iter().collect::<Vec<_>>(), store, &self.own)
                .or(packed),
        ))
    }

    /// Makes the configuration files what they were before the steps. Returns what could not be put
    /// back.
    pub fn take_back_configs(&self, store: &Store) -> Result<Option<String>, Failure> {
        let differences = self
            .configs_before
            .differences(&look_around(&self.configs, None)?);
        Ok(crate::session::restore(
            &differences.iter().collect::<Vec<_>>(),
            store,
            &self.own,
        ))
    }

    /// Removes what the steps made where nothing was: files first, then directories that are empty.
    pub fn undo(&self, written: &Record, old: &Record) {
        let new = |path: &Path| !old.contains_key(path) && self.before.get(path).is_none();
        for (path, entry) in written.iter().rev().filter(|(path, _)| new(path)) {
            let _ = match entry.kind {
                FileKind::Directory => std::fs::remove_dir(path),
                FileKind::Git => std::fs::remove_dir_all(path),
                _ => std::fs::remove_file(path),
            };
        }
    }

    /// True for a configuration file, its new version, and for copies that were made aside.
    fn is_config(&self, path: &Path) -> bool {
        is_backup(path)
            || self
                .configs
                .iter()
                .any(|config| path.starts_with(config) || path == pending(config))
    }

    fn is_watched(&self, path: &Path) -> bool {
        self.own.iter().any(|own| path.starts_with(own))
    }
}

/// The differences for paths where nothing was before.
pub fn created<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> impl Iterator<Item = Difference> {
    paths.filter_map(|path| {
        let after = hoist_files::state(path).ok()??;
        Some(Difference {
            path: path.clone(),
            before: None,
            after: Some(after),
        })
    })
}

/// Makes a copy of what was at a path, next to it or to the nearest directory on the way that is
/// there.
fn copy_of(path: &Path, before: &State, store: &Store) -> std::io::Result<PathBuf> {
    let is_directory = |above: &Path| above.symlink_metadata().is_ok_and(|there| there.is_dir());
    let place = path
        .ancestors()
        .find(|path| path.parent().is_some_and(is_directory))
        .unwrap_or(path);
    let contents = store.bytes(&before.digest)?;
    if before.kind == FileKind::Link {
        let copy = aside_name(place);
        std::os::unix::fs::symlink(std::ffi::OsString::from_vec(contents), &copy)?;
        return Ok(copy);
    }
    keep_copy(place, &contents, before.mode, Suffix::Usual)
}

/// What is needed to keep what is there.
pub struct ContentBudget<'a> {
    /// Where contents are kept; nowhere in a test of modules.
    pub store: Option<&'a Store>,
    /// The paths that modules of the run make their own.
    pub claims: &'a BTreeMap<PathBuf, Vec<ModuleId>>,
}

/// What git writes once and never changes need not be read to be known.
fn is_read(path: &Path) -> bool {
    let mut parts = path
        .components()
        .rev()
        .skip_while(|part| part.as_os_str() != "objects");
    !parts.any(|part| part.as_os_str() == ".git")
}

/// Leaves out what git keeps of contents: nobody knows what needs it. A clone of which git has
/// packed some of that anew meanwhile is left out as a whole, since its references and its files
/// belong together; returns those.
pub fn spare_repositories(differences: &mut Vec<Difference>) -> BTreeSet<PathBuf> {
    let objects = |path: &Path| -> Option<PathBuf> {
        let objects = path
            .ancestors()
            .find(|path| path.ends_with(".git/objects"))?;
        Some(objects.parent()?.parent()?.to_owned())
    };
    let gone = |difference: &&Difference| {
        difference
            .before
            .as_ref()
            .is_some_and(|before| !before.is_known())
            && difference.after.is_none()
    };
    let packed: BTreeSet<PathBuf> = differences
        .iter()
        .filter(gone)
        .filter_map(|difference| objects(&difference.path))
        .collect();
    differences.retain(|Difference { path, .. }| {
        objects(path).is_none() && !packed.iter().any(|clone| path.starts_with(clone))
    });
    packed
}

/// Configuration files with what stands beside them because of hoist, and the files that they lead
/// to where they are links.
pub fn around(configs: &[PathBuf]) -> Vec<PathBuf> {
    let beside = |path: &PathBuf| {
        let target = if path.is_symlink() {
            hoist_files::follow(path).ok()
        } else {
            None
        };
        [
            vec![path.clone(), pending(path)],
            backups(path),
            target.into_iter().collect(),
        ]
        .concat()
    };
    configs
        .iter()
        .flat_map(beside)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Looks at files and, with a store, keeps their contents.
pub fn look_around(configs: &[PathBuf], store: Option<&Store>) -> Result<Snapshot, Failure> {
    Snapshot::take(
        &around(configs),
        &SnapshotOptions {
            store,
            ..SnapshotOptions::PLAIN
        },
    )
    .map_err(looking)
}

fn looking(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot read {error}"))
}

/// Signs may stand where very much does; only the files themselves are looked at.
fn files_only(paths: &[PathBuf]) -> Listing {
    let files: Vec<PathBuf> = paths
        .iter()
        .filter(|path| !path.is_dir())
        .cloned()
        .collect();
    list_tree(&files).unwrap_or_default()
}

/// The directories on the way to a path that do not exist, inside the home directory and not
/// shared.
fn missing_parents(path: &Path, home: &Path) -> Vec<PathBuf> {
    let parents = path
        .ancestors()
        .skip(1)
        .take_while(|parent| parent.starts_with(home) && *parent != home);
    parents
        .filter(|parent| !is_shared(parent, home) && parent.symlink_metadata().is_err())
        .map(Path::to_owned)
        .collect()
}
