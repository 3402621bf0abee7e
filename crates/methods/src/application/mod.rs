//! Web applications: what their modules are, and a guard over their files while somebody else's program changes them.

mod archive;
mod edits;
mod installer;
mod offers;
mod protect;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hoist_core::{Application, ModuleId};
use hoist_executor::{Failure, Level, TaskContext};
use hoist_files::{Difference, Record, Snapshot, Store, Taking, digest, put_back};
use hoist_ledger::Edit;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::aside;

pub(crate) use archive::{Archived, Content as Unpacked, contents as archive_contents};
pub(crate) use installer::{Answer, Asked, call, has_installer};
pub use offers::{Offers, is_place, offers};
pub(crate) use offers::{is_archive, is_remote, place_cache};
pub(crate) use protect::{Before, give_back, protect_install, protect_uninstall, take_out};

/// The right to change an application, among all hoists on the machine.
pub(crate) struct ApplicationLock(#[expect(dead_code, reason = "it is held")] File);

/// One at a time runs installers in an application.
pub(crate) fn pool(application: &Application) -> (String, usize) {
    (format!("application:{}", application.root.display()), 1)
}

/// How long it is waited for at a time.
const WAIT: Duration = Duration::from_millis(20);

/// Takes an application for oneself, or together with others that only add directories of their own.
pub(crate) fn lock(application: &Application, alone: bool, task: &TaskContext) -> Result<ApplicationLock, Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("the application {} cannot be used: {error}", application.root.display()));
    let root = File::open(&application.root).map_err(wrong)?;
    let kind = if alone { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
    let mut told = false;
    loop {
        match flock(&root, kind) {
            Ok(()) => return Ok(ApplicationLock(root)),
            Err(Errno::WOULDBLOCK) => {
                if !std::mem::replace(&mut told, true) {
                    task.output_line("waiting for another that works on the application");
                }
                task.check()?;
                std::thread::sleep(WAIT);
            }
            Err(error) => return Err(wrong(error.into())),
        }
    }
}

/// What of an application is not looked at: what its settings say, hoist's own places, and what hoist is just making.
fn is_ignored(application: &Application, own: &[PathBuf], path: &Path) -> bool {
    let in_the_making = path.file_name().is_some_and(|name| {
        let name = name.as_encoded_bytes();
        name.starts_with(b".hoist-stage-") || name.starts_with(b".hoist-aside-")
    });
    in_the_making || application.ignore.iter().chain(own).any(|ignored| path.starts_with(ignored))
}

/// Watches over the files of an application from before a change until it is known to be good.
pub(crate) struct Guard<'w> {
    application: &'w Application,
    store: &'w Store,
    own: &'w [PathBuf],
    /// Where snapshots are kept, without its extension.
    place: PathBuf,
    before: Snapshot,
    after: Option<Snapshot>,
}

/// Where hoist keeps what it knows of the files of an application.
fn place_of(state: &Path, application: &Application) -> PathBuf {
    let name = digest(application.root.as_os_str().as_encoded_bytes()).unwrap_or_default();
    state.join("snapshots").join(name.get(..16).unwrap_or_default())
}

impl<'w> Guard<'w> {
    /// Looks at everything before a change, and keeps it. `own` are hoist's own places.
    pub(crate) fn start(
        application: &'w Application,
        module: &ModuleId,
        state: &Path,
        store: &'w Store,
        own: &'w [PathBuf],
    ) -> Result<Self, Failure> {
        let place = place_of(state, application);
        let former = std::fs::read(&place).ok().and_then(|bytes| Snapshot::from_bytes(&bytes));
        let mut guard = Self { application, store, own, place, before: Snapshot::default(), after: None };
        guard.before = guard.look(former.as_ref())?;
        let wrong = |error: std::io::Error| Failure::new(format!("keeping what is there: {error}"));
        let before = guard.before.to_bytes().map_err(wrong)?;
        let head = serde_json::to_vec(&(application, module)).map_err(|error| wrong(error.into()))?;
        store.flush().map_err(wrong)?;
        // For the case that whoever makes the change is killed.
        let length = (head.len() as u64).to_le_bytes();
        guard.write("before", &[length.as_slice(), &head, &before].concat()).map_err(wrong)?;
        Ok(guard)
    }

    fn look(&self, former: Option<&Snapshot>) -> Result<Snapshot, Failure> {
        let ignored = |path: &Path| is_ignored(self.application, self.own, path);
        let taking = Taking { ignored: &ignored, former, store: Some(self.store), git: &|_| true, thorough: true, ..Taking::PLAIN };
        Snapshot::take(&self.application.watch, &taking).map_err(|error| {
            let help = "what cannot be read could not be put back: change its permissions, or name it under `ignore` of the application";
            Failure::new(format!("looking at {error}; {help}"))
        })
    }

    /// The same, as it was before the module's directory was brought: that is looked at anew.
    pub(crate) fn with_directory(&self, directory: &Path) -> Result<Snapshot, Failure> {
        let ignored = |path: &Path| is_ignored(self.application, self.own, path);
        let taking = Taking {
            ignored: &ignored,
            former: Some(&self.before),
            store: Some(self.store),
            git: &|_| true,
            thorough: true,
            ..Taking::PLAIN
        };
        let now = Snapshot::take(&[directory.to_owned()], &taking).map_err(|error| Failure::new(format!("looking at {error}")))?;
        let mut all = self.before.clone();
        all.retain(|path, _| !path.starts_with(directory));
        all.extend(now);
        Ok(all)
    }

    pub(crate) fn application(&self) -> &'w Application {
        self.application
    }

    pub(crate) fn before(&self) -> &Snapshot {
        &self.before
    }

    pub(crate) fn store(&self) -> &'w Store {
        self.store
    }

    /// Looks at everything once more.
    pub(crate) fn after(&mut self) -> Result<Snapshot, Failure> {
        let former = self.after.as_ref().unwrap_or(&self.before);
        let after = self.look(Some(former))?;
        self.after = Some(after.clone());
        Ok(after)
    }

    /// Takes everything back that was done since the start. Returns what could not be.
    pub(crate) fn take_back(&mut self) -> Result<usize, Failure> {
        let after = self.after()?;
        let differences = self.before.differences(&after);
        // What another user made meanwhile, whoever the application runs as, is not the installer's.
        let ours: Vec<&Difference> = differences.iter().filter(|difference| !is_of_another_user(difference)).collect();
        match restore(&ours, self.store) {
            None => Ok(differences.len()),
            Some(why) => Err(Failure::new(format!("what it had done was taken back but for {why}"))),
        }
    }

    /// What is different from before.
    pub(crate) fn differences(&mut self) -> Result<Vec<Difference>, Failure> {
        let after = self.after()?;
        Ok(self.before.differences(&after))
    }

    /// The change is written down: from now on what is there is what is kept.
    pub(crate) fn end(&mut self, task: &TaskContext) {
        let after = self.after.take().unwrap_or_else(|| std::mem::take(&mut self.before));
        let kept = after
            .to_bytes()
            .and_then(|bytes| self.write("", &bytes))
            .and_then(|()| std::fs::remove_file(self.place.with_extension("before")));
        if let Err(error) = kept {
            task.note(Level::Warning, format!("keeping what is there: {error}"));
        }
    }

    fn write(&self, extension: &str, bytes: &[u8]) -> std::io::Result<()> {
        let directory = self.place.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory)?;
        let file = tempfile::NamedTempFile::new_in(directory)?;
        std::fs::write(file.path(), bytes)?;
        file.persist(self.place.with_extension(extension)).map(drop).map_err(|error| error.error)
    }
}

/// What is known while an application is changed.
pub(crate) struct Guarding<'w> {
    pub(crate) guard: Guard<'w>,
    /// What other modules wrote.
    pub(crate) others: BTreeMap<PathBuf, String>,
    /// The files of others that the module has edited.
    pub(crate) edits: Vec<Edit>,
    /// The module's own directory, as it was brought.
    pub(crate) brought: Record,
}

/// True for what came into being as somebody else's: an installer runs as the user that hoist runs as.
pub(crate) fn is_of_another_user(difference: &Difference) -> bool {
    let user = rustix::process::geteuid().as_raw();
    difference.before.is_none() && difference.after.as_ref().is_some_and(|after| after.owner.0 != user)
}

/// Puts back what stood there before; what could not be, in words.
pub(crate) fn restore(differences: &[&Difference], store: &Store) -> Option<String> {
    let failed = put_back(differences, store);
    let (path, error) = failed.first()?;
    let more = if failed.len() > 1 { format!(" (and {} more)", failed.len() - 1) } else { String::new() };
    Some(format!("{}: {error}{more}", path.display()))
}

/// What was found of changes that were cut off.
#[derive(Debug, Default)]
pub(crate) struct TakenBack {
    /// How many files and directories are as they were again.
    pub(crate) restored: usize,
    /// What was changed since by somebody, and was left as it is.
    pub(crate) left: Vec<PathBuf>,
    pub(crate) failed: Vec<String>,
}

/// Takes back what killed runs had done to applications; `is_done` is true for a module whose change was written down before. What was changed
/// later than `alive`, the last sign of life, is somebody's.
pub(crate) fn recover(state: &Path, store: &Store, own: &[PathBuf], is_done: impl Fn(&ModuleId) -> bool, alive: SystemTime) -> TakenBack {
    let mut taken = TakenBack::default();
    for entry in std::fs::read_dir(state.join("snapshots")).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "before") {
            continue;
        }
        let pledge = std::fs::read(&path).ok().and_then(|bytes| {
            let (length, rest) = bytes.split_first_chunk::<8>()?;
            let (head, before) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
            let (application, module): (Application, ModuleId) = serde_json::from_slice(head).ok()?;
            Some((application, module, Snapshot::from_bytes(before)?))
        });
        // What cannot be read was never begun: it is written as a whole.
        let Some((application, _, before)) = pledge.filter(|(_, module, _)| !is_done(module)) else {
            let _ = std::fs::remove_file(&path);
            continue;
        };
        let ignored = |path: &Path| is_ignored(&application, own, path);
        let taking = Taking { ignored: &ignored, former: Some(&before), git: &|_| true, thorough: true, ..Taking::PLAIN };
        let after = match Snapshot::take(&application.watch, &taking) {
            Ok(after) => after,
            Err(error) => {
                taken.failed.push(format!("looking at {error}"));
                continue;
            }
        };
        let differences = before.differences(&after);
        let is_somebodys = |difference: &&Difference| {
            if is_of_another_user(difference) {
                return true;
            }
            let metadata = difference.path.symlink_metadata().ok().filter(|metadata| !metadata.is_dir());
            metadata.is_some_and(|metadata| aside::is_after(&metadata, alive + aside::GRACE))
        };
        let (left, ours): (Vec<&Difference>, Vec<&Difference>) = differences.iter().partition(is_somebodys);
        taken.left.extend(left.iter().map(|difference| difference.path.clone()));
        let failed = put_back(&ours, store);
        // A directory in which somebody has something stays.
        let blocks = |path: &Path| left.iter().any(|left| left.path.starts_with(path));
        taken.failed.extend(failed.iter().filter(|(path, _)| !blocks(path)).map(|(path, error)| format!("{}: {error}", path.display())));
        taken.restored += ours.len();
        let _ = std::fs::remove_file(&path);
    }
    taken
}

/// The digests of all contents that applications have.
pub(crate) fn contents_of(state: &Path) -> Vec<String> {
    let files = std::fs::read_dir(state.join("snapshots")).into_iter().flatten().flatten();
    let snapshots = files.filter_map(|file| Snapshot::from_bytes(&std::fs::read(file.path()).ok()?));
    snapshots.flat_map(|snapshot| snapshot.iter().map(|(_, state)| state.digest.clone()).collect::<Vec<_>>()).collect()
}
