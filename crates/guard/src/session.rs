//! Watches over the files of a tree from before a change until it is known to be good, also
//! when whoever makes the change is killed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hoist_core::{ModuleId, ProtectedTree};
use hoist_executor::{Failure, ItemChange, Level, TaskContext};
use hoist_files::{
    Difference, FileKind, Record, Snapshot, SnapshotOptions, State, Store, Suffix, aside_name,
    backups, digest, keep_copy, put_back,
};
use hoist_ledger::Edit;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use serde::{Deserialize, Serialize};

/// How files are called that hoist is just making.
pub const STAGE: &str = ".hoist-stage-";

/// How the file is called that stands as long as a change is not written down: what was there
/// before.
pub(super) const PENDING_EXT: &str = "before";

/// And how one that nobody can read.
pub(super) const UNREADABLE: &str = "unreadable";

/// Whose change a pledge is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PendingSnapshot {
    /// Earlier versions called it an application.
    #[serde(alias = "application")]
    pub tree: ProtectedTree,
    pub module: ModuleId,
    /// True when the module is being removed.
    pub removal: bool,
}

/// What is known while a tree is changed.
pub struct GuardSession<'w> {
    /// What watches over the files.
    pub guard: Guard<'w>,
    /// What other modules wrote.
    pub others: BTreeMap<PathBuf, String>,
    /// The files of others that the module has edited.
    pub edits: Vec<Edit>,
    /// The module's own directory, as it was brought.
    pub brought: Record,
    /// True where something was put back since everything was looked at.
    pub meddled: bool,
    /// True once the reason why its changes could not be rolled back is in the failure.
    pub is_revert_failure_reported: bool,
}

/// Watches over the files of a tree from before a change until it is known to be good.
pub struct Guard<'w> {
    tree: &'w ProtectedTree,
    store: &'w Store,
    own: &'w [PathBuf],
    /// Where snapshots are kept, without its extension.
    place: PathBuf,
    before: Snapshot,
    /// What is there now, where nothing was done since it was looked at.
    after: Option<Snapshot>,
    /// The digests of what the module brings: whoever owns such a file, it is the module's.
    assets: BTreeSet<String>,
    /// False where something could not be put back: the next hoist tries again.
    is_settled: bool,
    /// When a file was made before the change, by the clock of the file system; nothing where it
    /// has none for that.
    started: Option<SystemTime>,
    /// What is not of the change, or nobody knows whose it is, and why it stays.
    left: BTreeMap<PathBuf, String>,
    /// Copies that were made of it.
    copies: BTreeSet<PathBuf>,
    pulse: Option<Heartbeat>,
}

/// Says once a second that somebody is at work, so that it is known later what was done before the
/// end and what after.
struct Heartbeat {
    pledge: PathBuf,
    /// Dropped to end it.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    fn start(pledge: PathBuf) -> Self {
        let (stop, stopped) = channel::<()>();
        let beaten = pledge.clone();
        let beat = move || {
            while stopped.recv_timeout(Duration::from_secs(1))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                beat(&beaten);
            }
        };
        Self {
            pledge,
            stop: Some(stop),
            thread: std::thread::Builder::new().spawn(beat).ok(),
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        beat(&self.pledge);
    }
}

/// Writes down that somebody is at work now.
fn beat(pledge: &Path) {
    let _ = std::fs::File::options()
        .write(true)
        .open(pledge)
        .and_then(|file| file.set_modified(SystemTime::now()));
}

/// Where hoist keeps what it knows of the files of an tree.
fn place_of(state: &Path, tree: &ProtectedTree) -> PathBuf {
    let name = digest(tree.root.as_os_str().as_encoded_bytes()).unwrap_or_default();
    state
        .join("snapshots")
        .join(name.get(..16).unwrap_or_default())
}

/// What of a tree is not looked at: what its settings say, hoist's own places, and what
/// hoist is just making. It is asked for every file, which is why bytes are compared.
fn ignored<'a>(tree: &'a ProtectedTree, own: &'a [PathBuf]) -> impl Fn(&Path) -> bool + Sync {
    let bytes = |path: &PathBuf| {
        path.components()
            .collect::<PathBuf>()
            .into_os_string()
            .into_encoded_bytes()
    };
    let ignored: Vec<Vec<u8>> = tree.ignore.iter().chain(own).map(bytes).collect();
    move |path| {
        let path = path.as_os_str().as_encoded_bytes();
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let in_the_making =
            name.starts_with(STAGE.as_bytes()) || name.starts_with(b".hoist-aside-");
        let is_below = |ignored: &Vec<u8>| {
            path.strip_prefix(ignored.as_slice())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        };
        in_the_making || ignored.iter().any(is_below)
    }
}

/// Looks at places of an tree. A `strict` look fails where something cannot be read, since
/// it could not be put back.
pub(super) fn snapshot_of(
    tree: &ProtectedTree,
    own: &[PathBuf],
    places: &[PathBuf],
    former: Option<&Snapshot>,
    store: Option<&Store>,
    strict: bool,
) -> std::io::Result<Snapshot> {
    let ignored = ignored(tree, own);
    Snapshot::take(
        places,
        &SnapshotOptions {
            ignored: &ignored,
            former,
            store,
            git: &|_| true,
            everywhere: true,
            strict,
            ..SnapshotOptions::PLAIN
        },
    )
}

impl<'w> Guard<'w> {
    /// Looks at everything before a change, and keeps it. `own` are hoist's own places.
    pub fn start(
        tree: &'w ProtectedTree,
        module: &ModuleId,
        removal: bool,
        state: &Path,
        store: &'w Store,
        own: &'w [PathBuf],
    ) -> Result<Self, Failure> {
        let place = place_of(state, tree);
        let pledge = place.with_extension(PENDING_EXT);
        if pledge.exists() {
            let root = tree.root.display();
            return Err(Failure::new(format!(
                "the changes of an interrupted run in {root} are not rolled back yet; see the warnings at the start of this run"
            )));
        }
        let former = std::fs::read(&place)
            .ok()
            .and_then(|bytes| Snapshot::from_bytes(&bytes));
        let before = snapshot_of(tree, own, &tree.watch, former.as_ref(), Some(store), true);
        let before = before.map_err(|error| {
            let help = match error.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "existing files must be backed up, but the disk is full".to_owned()
                }
                _ => format!(
                    "unreadable files cannot be restored: change their permissions, or add them to `ignore` of the {}",
                    tree.noun
                ),
            };
            Failure::new(format!("cannot read {error}; {help}"))
        })?;
        let wrong =
            |error: std::io::Error| Failure::new(format!("cannot back up existing files: {error}"));
        let pledged = PendingSnapshot {
            tree: tree.clone(),
            module: module.clone(),
            removal,
        };
        let head = serde_json::to_vec(&pledged).map_err(|error| wrong(error.into()))?;
        store.sync().map_err(wrong)?;
        let length = (head.len() as u64).to_le_bytes();
        hoist_files::write(
            &pledge,
            &[length.as_slice(), &head, &before.to_bytes().map_err(wrong)?].concat(),
            0o600,
        )
        .map_err(wrong)?;
        let pulse = Some(Heartbeat::start(pledge));
        let probe = tree.watch.iter().find_map(|watched| {
            tempfile::Builder::new()
                .prefix(STAGE)
                .tempfile_in(watched)
                .ok()
        });
        let started = probe.and_then(|probe| probe.as_file().metadata().ok()?.created().ok());
        let (after, assets, left, copies) = Default::default();
        Ok(Self {
            tree,
            store,
            own,
            place,
            before,
            after,
            assets,
            is_settled: true,
            started,
            left,
            copies,
            pulse,
        })
    }

    /// A part of the tree as it is now.
    pub fn below(&self, directory: &Path) -> Result<Snapshot, Failure> {
        let now = snapshot_of(
            self.tree,
            self.own,
            &[directory.to_owned()],
            Some(&self.before),
            Some(self.store),
            true,
        );
        now.map_err(|error| Failure::new(format!("cannot read {error}")))
    }

    /// Says what the module brings.
    pub fn expect(&mut self, assets: &BTreeSet<String>) {
        self.assets.clone_from(assets);
    }

    /// What became different in a directory since it was looked at by itself.
    pub fn since(&self, directory: &Path, earlier: &Snapshot) -> Vec<Difference> {
        self.after
            .as_ref()
            .map(|after| earlier.differences(&after.part(directory)))
            .unwrap_or_default()
    }

    /// Files that were written and hold the same as before.
    pub fn rewritten(&self) -> Vec<(PathBuf, State)> {
        let after = self
            .after
            .iter()
            .flat_map(|after| self.before.rewritten(after));
        after
            .map(|(path, state)| (path.clone(), state.clone()))
            .collect()
    }

    /// The tree that is watched.
    pub fn tree(&self) -> &'w ProtectedTree {
        self.tree
    }

    /// Where contents are kept.
    pub fn store(&self) -> &'w Store {
        self.store
    }

    /// Everything as it is now.
    pub fn after(&mut self) -> Result<&Snapshot, Failure> {
        let former = self.after.as_ref().unwrap_or(&self.before);
        let after = snapshot_of(
            self.tree,
            self.own,
            &self.tree.watch,
            Some(former),
            Some(self.store),
            false,
        );
        Ok(self
            .after
            .insert(after.map_err(|error| Failure::new(format!("cannot read {error}")))?))
    }

    /// Takes everything back that was done since the start. Returns the paths that were different.
    pub fn revert(&mut self) -> Result<Vec<PathBuf>, Failure> {
        self.is_settled = false;
        let wrong = |why: String| {
            Failure::new(format!(
                "its changes were rolled back except for {why}; the next run tries again"
            ))
        };
        let mut taken = Vec::new();
        for turn in 1.. {
            // What goes need not be kept: there may be no room for it.
            let now = snapshot_of(
                self.tree,
                self.own,
                &self.tree.watch,
                Some(&self.before),
                None,
                false,
            );
            let now = now.map_err(|error| wrong(error.to_string()))?;
            let mut differences = self.before.differences(&now);
            self.leave(&differences)?;
            self.changes(&mut differences);
            let failed = put_back(
                &differences.iter().collect::<Vec<_>>(),
                self.store,
                &self.tree.watch,
            );
            taken.extend(differences.iter().map(|difference| difference.path.clone()));
            // What nobody may look into is seen only once it is opened.
            let closed = failed
                .iter()
                .filter(|(path, _)| self.before.get(path).is_none() && path.is_dir());
            let opened = closed
                .filter(|(path, _)| {
                    std::fs::set_permissions(path, Permissions::from_mode(0o700)).is_ok()
                })
                .count();
            if let Some(why) = in_words(&failed).filter(|_| opened == 0 || turn >= 10) {
                return Err(wrong(why));
            }
            if failed.is_empty() {
                break;
            }
        }
        self.after = None;
        self.is_settled = true;
        taken.sort();
        taken.dedup();
        Ok(taken)
    }

    /// What is different from before. `again` where something was done since everything was looked
    /// at.
    pub fn differences(&mut self, again: bool) -> Result<Vec<Difference>, Failure> {
        if again || self.after.is_none() {
            self.after()?;
        }
        let mut differences = self
            .after
            .as_ref()
            .map(|after| self.before.differences(after))
            .unwrap_or_default();
        self.leave(&differences)?;
        self.changes(&mut differences);
        Ok(differences)
    }

    /// Keeps what the change did, of what is different.
    fn changes(&self, differences: &mut Vec<Difference>) {
        differences.retain(|difference| !self.copies.contains(&difference.path));
        // What another user made meanwhile, whoever the programs of the tree run as, is not the
        // installer's.
        differences.retain(|difference| {
            self.is_brought(difference) || !is_of_another_user(&self.before, difference)
        });
        // A pipe or a socket is made anew by whoever needs it.
        differences.retain(|difference| {
            difference
                .before
                .as_ref()
                .is_none_or(|before| before.kind != FileKind::Other)
        });
        let moved = moved(&self.before, differences, self.started, |difference| {
            self.is_brought(difference)
        });
        leave_moved(differences, &moved);
    }

    fn is_brought(&self, difference: &Difference) -> bool {
        difference
            .after
            .as_ref()
            .is_some_and(|after| self.assets.contains(&after.digest))
    }

    /// Sees to what is different and not of the change, as far as anybody can tell.
    fn leave(&mut self, differences: &[Difference]) -> Result<(), Failure> {
        for path in moved(&self.before, differences, self.started, |difference| {
            self.is_brought(difference)
        }) {
            self.left.insert(path, MOVED.to_owned());
        }
        self.keep_moved_over(differences)?;
        let is_foreign = |difference: &Difference| {
            !self.is_brought(difference) && is_of_another_user(&self.before, difference)
        };
        let foreign: Vec<&Difference> = differences
            .iter()
            .filter(|difference| is_foreign(difference))
            .collect();
        for Difference {
            path,
            before,
            after,
        } in foreign
        {
            let (Some(before), Some(after)) = (before, after) else {
                continue;
            };
            let may_be_ours = accessat(CWD, path, Access::WRITE_OK, AtFlags::empty()).is_ok();
            if self.left.contains_key(path)
                || before.kind != FileKind::File
                || before.has_same_contents(after)
                || !may_be_ours
            {
                continue;
            }
            let wrong = |error: std::io::Error| {
                Failure::new(format!("cannot back up existing files: {error}"))
            };
            let copy = keep_copy_once(
                path,
                &self.store.bytes(&before.digest).map_err(wrong)?,
                before.mode,
            )
            .map_err(wrong)?;
            self.copies.insert(copy.clone());
            let why = format!(
                "it belongs to another user and was modified in the meantime; the previous version is {}",
                copy.display()
            );
            self.left.insert(path.clone(), why);
        }
        Ok(())
    }

    /// Copies aside what was moved over a file from where nothing is watched: that file comes back.
    fn keep_moved_over(&mut self, differences: &[Difference]) -> Result<(), Failure> {
        let mut known: Option<HashSet<String>> = None;
        for Difference {
            path,
            before,
            after,
        } in differences
        {
            let (Some(_), Some(after)) = (before, after) else {
                continue;
            };
            let is_other = path
                .symlink_metadata()
                .is_ok_and(|metadata| self.before.inode(path) != Some(metadata.ino()));
            if after.kind != FileKind::File
                || self.left.contains_key(path)
                || !is_other
                || !is_older(path, self.started)
            {
                continue;
            }
            let known = known.get_or_insert_with(|| {
                self.before
                    .iter()
                    .map(|(_, state)| state.digest.clone())
                    .collect()
            });
            if self.assets.contains(&after.digest) || known.contains(&after.digest) {
                continue;
            }
            let copy = aside_name(path);
            std::fs::copy(path, &copy).map_err(|error| {
                Failure::new(format!("cannot back up {}: {error}", path.display()))
            })?;
            self.copies.insert(copy.clone());
            self.left.insert(
                path.clone(),
                format!(
                    "a file from an unwatched directory was moved over it; that file is now {}",
                    copy.display()
                ),
            );
        }
        Ok(())
    }

    /// What came of the change is written down: from now on what is there is what is kept.
    pub fn end(&mut self, task: &TaskContext) {
        if !self.is_settled {
            return;
        }
        for (path, why) in self.left.iter().take(NAMED) {
            task.item(
                ItemChange::NeedsAttention,
                path.display().to_string(),
                Some(why.clone()),
            );
        }
        for (path, why) in self.left.iter().skip(NAMED) {
            task.output_line(&format!("{} was left: {why}", path.display()));
        }
        if let Some((path, _)) = self.left.iter().nth(NAMED) {
            let more = self.left.len() - NAMED;
            task.item(
                ItemChange::NeedsAttention,
                path.display().to_string(),
                Some(format!("{more} files in all, listed in the log")),
            );
        }
        let after = self.after.as_ref().unwrap_or(&self.before);
        let kept = after
            .to_bytes()
            .and_then(|bytes| hoist_files::write(&self.place, &bytes, 0o600));
        // First the pulse, so that the pledge does not come back.
        drop(self.pulse.take());
        let kept = kept.and_then(|()| std::fs::remove_file(self.place.with_extension(PENDING_EXT)));
        if let Err(error) = kept {
            task.note(
                Level::Warning,
                format!("cannot back up existing files: {error}"),
            );
        }
    }
}

/// What is said of files that came from where nothing is watched.
pub(super) const MOVED: &str = "it was moved here from an unwatched directory and is kept; move it back if it is missing there";

/// Files that are new where they stand, and were there before, when something was made that was
/// `started` then: whoever moved them here took them from where nothing is watched, and nothing of
/// them is kept.
pub fn moved(
    before: &Snapshot,
    differences: &[Difference],
    started: Option<SystemTime>,
    is_brought: impl Fn(&Difference) -> bool,
) -> Vec<PathBuf> {
    let new = differences.iter().filter(|difference| {
        let is_new_file = difference.before.is_none()
            && difference
                .after
                .as_ref()
                .is_some_and(|after| after.kind == FileKind::File);
        is_new_file && !is_brought(difference) && is_older(&difference.path, started)
    });
    let mut moved: Vec<&Difference> = new.collect();
    if !moved.is_empty() {
        let known: HashSet<&str> = before
            .iter()
            .map(|(_, state)| state.digest.as_str())
            .collect();
        moved.retain(|difference| {
            difference
                .after
                .as_ref()
                .is_some_and(|after| !known.contains(after.digest.as_str()))
        });
    }
    moved
        .into_iter()
        .map(|difference| difference.path.clone())
        .collect()
}

/// True for what was made before something that was `started` then.
fn is_older(path: &Path, started: Option<SystemTime>) -> bool {
    let made = path
        .symlink_metadata()
        .and_then(|metadata| metadata.created());
    made.ok()
        .zip(started)
        .is_some_and(|(made, started)| made + TICK < started)
}

/// Leaves out what was moved, with the directories on the way to it that were not there before.
pub(super) fn leave_moved(differences: &mut Vec<Difference>, moved: &[PathBuf]) {
    let ways: HashSet<&Path> = moved.iter().flat_map(|path| path.ancestors()).collect();
    differences.retain(|difference| {
        difference.before.is_some() || !ways.contains(difference.path.as_path())
    });
}

/// Clocks of file systems tick every few milliseconds.
const TICK: Duration = Duration::from_millis(20);

/// So many paths that stay are told one by one.
pub const NAMED: usize = 20;

/// True for what came into being as somebody else's, or was changed as such: an installer runs as
/// the user that hoist runs as. Root may give away what it makes; what its new owner could not have
/// made there is root's doing.
pub(super) fn is_of_another_user(before: &Snapshot, difference: &Difference) -> bool {
    let user = rustix::process::geteuid().as_raw();
    match (&difference.before, &difference.after) {
        (None, Some(State { owner, .. })) if user == 0 && owner.0 != user => {
            let directory = difference
                .path
                .ancestors()
                .skip(1)
                .find_map(|above| before.get(above));
            directory.is_none_or(|directory| {
                directory.owner.0 == owner.0
                    || directory.mode & 0o002 != 0
                    || directory.mode & 0o020 != 0 && directory.owner.1 == owner.1
            })
        }
        (None, Some(after)) => after.owner.0 != user,
        (Some(before), Some(after)) => user != 0 && before.owner.0 != user && after.owner.0 != user,
        _ => false,
    }
}

/// A copy, where there is none yet that is the same.
pub(super) fn keep_copy_once(path: &Path, contents: &[u8], mode: u32) -> std::io::Result<PathBuf> {
    let is_same = |copy: &PathBuf| std::fs::read(copy).is_ok_and(|known| known == contents);
    backups(path)
        .into_iter()
        .find(is_same)
        .map_or_else(|| keep_copy(path, contents, mode, Suffix::Usual), Ok)
}

/// Puts back what stood there before; what could not be, in words.
pub fn restore(differences: &[&Difference], store: &Store, roots: &[PathBuf]) -> Option<String> {
    in_words(&put_back(differences, store, roots))
}

fn in_words(failed: &[(PathBuf, std::io::Error)]) -> Option<String> {
    let (path, error) = failed.first()?;
    let more = if failed.len() > 1 {
        format!(" (and {} more)", failed.len() - 1)
    } else {
        String::new()
    };
    Some(format!("{}: {error}{more}", path.display()))
}
