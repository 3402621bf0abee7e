//! Watches over the files of an application from before a change until it is known to be good, also when whoever makes the change is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hoist_core::{Application, ModuleId};
use hoist_executor::{Failure, Level, TaskContext};
use hoist_files::{Difference, Kind, Record, Snapshot, State, Store, Taking, digest, keep_copy, put_back};
use hoist_ledger::Edit;
use serde::{Deserialize, Serialize};

use super::try_lock;
use crate::aside;

/// How the file is called that stands as long as a change is not written down: what was there before.
const PLEDGE: &str = "before";

/// Whose change a pledge is for.
#[derive(Debug, Serialize, Deserialize)]
struct Pledged {
    application: Application,
    module: ModuleId,
    /// True when the module is being removed.
    removal: bool,
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
    /// True where something was put back since everything was looked at.
    pub(crate) meddled: bool,
}

/// Watches over the files of an application from before a change until it is known to be good.
pub(crate) struct Guard<'w> {
    application: &'w Application,
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
    _pulse: Option<Pulse>,
}

/// Says once a second that somebody is at work, so that it is known later what was done before the end and what after.
struct Pulse {
    /// Dropped to end it.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    fn start(pledge: PathBuf) -> Self {
        let (stop, stopped) = channel::<()>();
        let beat = move || {
            while stopped.recv_timeout(Duration::from_secs(1)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = std::fs::File::options().write(true).open(&pledge).and_then(|file| file.set_modified(SystemTime::now()));
            }
        };
        Self { stop: Some(stop), thread: std::thread::Builder::new().spawn(beat).ok() }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where hoist keeps what it knows of the files of an application.
fn place_of(state: &Path, application: &Application) -> PathBuf {
    let name = digest(application.root.as_os_str().as_encoded_bytes()).unwrap_or_default();
    state.join("snapshots").join(name.get(..16).unwrap_or_default())
}

/// What of an application is not looked at: what its settings say, hoist's own places, and what hoist is just making. It is asked for every file, which
/// is why bytes are compared.
fn ignored<'a>(application: &'a Application, own: &'a [PathBuf]) -> impl Fn(&Path) -> bool + Sync {
    let bytes = |path: &PathBuf| path.components().collect::<PathBuf>().into_os_string().into_encoded_bytes();
    let ignored: Vec<Vec<u8>> = application.ignore.iter().chain(own).map(bytes).collect();
    move |path| {
        let path = path.as_os_str().as_encoded_bytes();
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let in_the_making = name.starts_with(b".hoist-stage-") || name.starts_with(b".hoist-aside-");
        let is_below =
            |ignored: &Vec<u8>| path.strip_prefix(ignored.as_slice()).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')));
        in_the_making || ignored.iter().any(is_below)
    }
}

/// Looks at places of an application. A `strict` look fails where something cannot be read, since it could not be put back.
fn look(
    application: &Application,
    own: &[PathBuf],
    places: &[PathBuf],
    former: Option<&Snapshot>,
    store: Option<&Store>,
    strict: bool,
) -> std::io::Result<Snapshot> {
    let ignored = ignored(application, own);
    Snapshot::take(places, &Taking { ignored: &ignored, former, store, git: &|_| true, everywhere: true, strict, ..Taking::PLAIN })
}

impl<'w> Guard<'w> {
    /// Looks at everything before a change, and keeps it. `own` are hoist's own places.
    pub(crate) fn start(
        application: &'w Application,
        module: &ModuleId,
        removal: bool,
        state: &Path,
        store: &'w Store,
        own: &'w [PathBuf],
    ) -> Result<Self, Failure> {
        let place = place_of(state, application);
        let pledge = place.with_extension(PLEDGE);
        if pledge.exists() {
            let root = application.root.display();
            return Err(Failure::new(format!(
                "what an earlier run did to {root} could not be taken back yet; the run said why when it started"
            )));
        }
        let former = std::fs::read(&place).ok().and_then(|bytes| Snapshot::from_bytes(&bytes));
        let before = look(application, own, &application.watch, former.as_ref(), Some(store), true).map_err(|error| {
            let help = "what cannot be read could not be put back: change its permissions, or name it under `ignore` of the application";
            Failure::new(format!("looking at {error}; {help}"))
        })?;
        let wrong = |error: std::io::Error| Failure::new(format!("keeping what is there: {error}"));
        let pledged = Pledged { application: application.clone(), module: module.clone(), removal };
        let head = serde_json::to_vec(&pledged).map_err(|error| wrong(error.into()))?;
        store.flush().map_err(wrong)?;
        let length = (head.len() as u64).to_le_bytes();
        write(&pledge, &[length.as_slice(), &head, &before.to_bytes().map_err(wrong)?].concat()).map_err(wrong)?;
        let pulse = Some(Pulse::start(pledge));
        Ok(Self { application, store, own, place, before, after: None, assets: BTreeSet::new(), is_settled: true, _pulse: pulse })
    }

    /// A part of the application as it is now.
    pub(crate) fn below(&self, directory: &Path) -> Result<Snapshot, Failure> {
        let now = look(self.application, self.own, &[directory.to_owned()], Some(&self.before), Some(self.store), true);
        now.map_err(|error| Failure::new(format!("looking at {error}")))
    }

    /// Says what the module brings.
    pub(crate) fn expect(&mut self, assets: &BTreeSet<String>) {
        self.assets.clone_from(assets);
    }

    /// What became different in a directory since it was looked at by itself.
    pub(crate) fn since(&self, directory: &Path, earlier: &Snapshot) -> Vec<Difference> {
        self.after.as_ref().map(|after| earlier.differences(&after.part(directory))).unwrap_or_default()
    }

    /// Files that were written and hold the same as before.
    pub(crate) fn rewritten(&self) -> Vec<(PathBuf, State)> {
        let after = self.after.iter().flat_map(|after| self.before.rewritten(after));
        after.map(|(path, state)| (path.clone(), state.clone())).collect()
    }

    pub(crate) fn application(&self) -> &'w Application {
        self.application
    }

    pub(crate) fn store(&self) -> &'w Store {
        self.store
    }

    /// Everything as it is now.
    pub(crate) fn after(&mut self) -> Result<&Snapshot, Failure> {
        let former = self.after.as_ref().unwrap_or(&self.before);
        let after = look(self.application, self.own, &self.application.watch, Some(former), Some(self.store), false);
        Ok(self.after.insert(after.map_err(|error| Failure::new(format!("looking at {error}")))?))
    }

    /// Takes everything back that was done since the start.
    pub(crate) fn take_back(&mut self) -> Result<(), Failure> {
        self.is_settled = false;
        self.after()?;
        let differences = self.changes();
        let back = restore(&differences.iter().collect::<Vec<_>>(), self.store);
        self.after = None;
        match back {
            None => {
                self.is_settled = true;
                Ok(())
            }
            Some(why) => Err(Failure::new(format!("what it had done was taken back but for {why}; the next run tries again"))),
        }
    }

    /// What is different from before. `again` where something was done since everything was looked at.
    pub(crate) fn differences(&mut self, again: bool) -> Result<Vec<Difference>, Failure> {
        if again || self.after.is_none() {
            self.after()?;
        }
        Ok(self.changes())
    }

    fn changes(&self) -> Vec<Difference> {
        let mut differences = self.after.as_ref().map(|after| self.before.differences(after)).unwrap_or_default();
        // What another user made meanwhile, whoever the application runs as, is not the installer's.
        let is_brought = |difference: &Difference| difference.after.as_ref().is_some_and(|after| self.assets.contains(&after.digest));
        differences.retain(|difference| is_brought(difference) || !is_of_another_user(difference));
        // A pipe or a socket is made anew by whoever needs it.
        let other = |state: &Option<State>| state.as_ref().is_some_and(|state| state.kind == Kind::Other);
        differences.retain(|difference| !other(&difference.before) && (!other(&difference.after) || difference.before.is_none()));
        differences
    }

    /// What came of the change is written down: from now on what is there is what is kept.
    pub(crate) fn end(&mut self, task: &TaskContext) {
        if !self.is_settled {
            return;
        }
        let after = self.after.as_ref().unwrap_or(&self.before);
        let kept = after.to_bytes().and_then(|bytes| write(&self.place, &bytes));
        // First the pulse, so that the pledge does not come back.
        drop(self._pulse.take());
        let kept = kept.and_then(|()| std::fs::remove_file(self.place.with_extension(PLEDGE)));
        if let Err(error) = kept {
            task.note(Level::Warning, format!("keeping what is there: {error}"));
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory)?;
    let file = tempfile::NamedTempFile::new_in(directory)?;
    std::fs::write(file.path(), bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// True for what came into being as somebody else's, or was changed as such: an installer runs as the user that hoist runs as. Of what root
/// may change nobody can tell.
pub(crate) fn is_of_another_user(difference: &Difference) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let is_other = |owner: u32| owner != user;
    match (&difference.before, &difference.after) {
        (None, Some(after)) => is_other(after.owner.0),
        (Some(before), Some(after)) => user != 0 && is_other(before.owner.0) && is_other(after.owner.0),
        _ => false,
    }
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
    /// What was changed since by somebody, and was left as it is; and copies of what stood there before.
    pub(crate) left: Vec<PathBuf>,
    /// Modules whose removal was taken back: they are as they were.
    pub(crate) reinstated: Vec<ModuleId>,
    pub(crate) failed: Vec<String>,
}

fn pledge(path: &Path) -> Option<(Pledged, Snapshot)> {
    let bytes = std::fs::read(path).ok()?;
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (head, before) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((serde_json::from_slice(head).ok()?, Snapshot::from_bytes(before)?))
}

fn pledges(state: &Path) -> impl Iterator<Item = PathBuf> {
    let files = std::fs::read_dir(state.join("snapshots")).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == PLEDGE))
}

/// Takes back what killed runs had done to applications. `is_done` is true for a module whose change was written down before, the second of its
/// arguments for a removal. What was changed later than `alive`, the last sign of life, is somebody's.
pub(crate) fn recover(
    state: &Path,
    store: &Store,
    own: &[PathBuf],
    is_done: impl Fn(&ModuleId, bool) -> bool,
    alive: SystemTime,
) -> TakenBack {
    let mut taken = TakenBack::default();
    for path in pledges(state) {
        // What cannot be read was never begun: it is written as a whole.
        let Some((pledged, before)) = pledge(&path).filter(|(pledged, _)| !is_done(&pledged.module, pledged.removal)) else {
            let _ = std::fs::remove_file(&path);
            continue;
        };
        let application = &pledged.application;
        let pulse = path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let missing = application.watch.iter().find(|watched| before.get(watched).is_some() && !watched.exists());
        let undone =
            |why: String| format!("what {} had done to {} was not taken back yet: {why}", pledged.module, application.root.display());
        if let Some(missing) = missing {
            taken.failed.push(undone(format!("{} is not there", missing.display())));
            continue;
        }
        let Some(_alone) = try_lock(application) else {
            taken.failed.push(undone("another works on it".to_owned()));
            continue;
        };
        match take_back(application, store, own, &before, alive.max(pulse), &mut taken) {
            Ok(()) => {
                if pledged.removal {
                    taken.reinstated.push(pledged.module.clone());
                }
                clear_stages(application);
                let _ = std::fs::remove_file(&path);
            }
            Err(why) => taken.failed.push(undone(why)),
        }
    }
    taken
}

fn take_back(
    application: &Application,
    store: &Store,
    own: &[PathBuf],
    before: &Snapshot,
    alive: SystemTime,
    taken: &mut TakenBack,
) -> Result<(), String> {
    let after = look(application, own, &application.watch, Some(before), None, false).map_err(|error| error.to_string())?;
    let differences = before.differences(&after);
    let is_somebodys = |difference: &&Difference| {
        let metadata = difference.path.symlink_metadata().ok().filter(|metadata| !metadata.is_dir());
        is_of_another_user(difference) || metadata.is_some_and(|metadata| aside::is_after(&metadata, alive + aside::GRACE))
    };
    let (left, ours): (Vec<&Difference>, Vec<&Difference>) = differences.iter().partition(is_somebodys);
    // Nobody can tell whether somebody worked on with what the killed run had left: what stood there before is put beside it.
    for difference in &left {
        taken.left.push(difference.path.clone());
        if let Some(old) = difference.before.as_ref().filter(|old| old.kind == Kind::File && !is_of_another_user(difference)) {
            let copy = store.bytes(&old.digest).and_then(|contents| keep_copy(&difference.path, &contents, old.mode));
            taken.left.push(copy.map_err(|error| error.to_string())?);
        }
    }
    // What went on for a while when hoist was gone may as well have been somebody.
    for difference in ours.iter().filter(|difference| difference.after.as_ref().is_some_and(|after| after.kind == Kind::File)) {
        let path = &difference.path;
        if path.symlink_metadata().is_ok_and(|metadata| aside::is_after(&metadata, alive + Duration::from_secs(2))) {
            let contents = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            taken.left.push(keep_copy(path, &contents, 0o600).map_err(|error| error.to_string())?);
        }
    }
    let failed = put_back(&ours, store);
    // A directory in which somebody has something stays.
    let blocks = |path: &Path| left.iter().any(|left| left.path.starts_with(path));
    taken.restored += ours.len() - failed.len().min(ours.len());
    match failed.iter().find(|(path, _)| !blocks(path)) {
        None => Ok(()),
        Some((path, error)) => Err(format!("{}: {error}", path.display())),
    }
}

/// Removes files that were being written when hoist was killed.
fn clear_stages(application: &Application) {
    let there = Snapshot::take(&application.watch, &Taking { read: &|_, _| false, everywhere: true, ..Taking::PLAIN }).unwrap_or_default();
    let is_stage = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".hoist-stage-"));
    for (path, _) in there.iter().filter(|(path, state)| state.kind == Kind::File && is_stage(path)) {
        let _ = std::fs::remove_file(path);
    }
}

/// The digests of all contents that applications have, or had before a change that is not taken back yet; `None` where that is not known.
pub(crate) fn contents_of(state: &Path) -> Option<Vec<String>> {
    let mut wanted = Vec::new();
    for entry in std::fs::read_dir(state.join("snapshots")).into_iter().flatten().flatten() {
        let path = entry.path();
        let snapshot = match path.extension() {
            Some(extension) if extension == PLEDGE => pledge(&path)?.1,
            _ => Snapshot::from_bytes(&std::fs::read(&path).ok()?)?,
        };
        wanted.extend(snapshot.iter().map(|(_, state)| state.digest.clone()));
    }
    Some(wanted)
}
