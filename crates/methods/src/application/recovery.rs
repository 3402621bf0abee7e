//! Takes back what killed runs had done to applications.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hoist_core::{Application, ModuleId};
use hoist_files::{Difference, Kind, Snapshot, Store, Taking, aside_name, put_back};

use super::guard::{MOVED, NAMED, PLEDGE, Pledged, STAGE, UNREADABLE, is_of_another_user, keep_copy_once, leave_moved, look, moved};
use super::try_lock;
use crate::aside;

/// What was found of changes that were cut off.
#[derive(Debug, Default)]
pub(crate) struct TakenBack {
    /// How many files and directories are as they were again.
    pub(crate) restored: usize,
    /// What somebody may have done since, and what became of it, a sentence each.
    pub(crate) told: Vec<String>,
    /// Modules whose removal was taken back: they are as they were.
    pub(crate) reinstated: Vec<ModuleId>,
    pub(crate) failed: Vec<String>,
}

/// What a pledge says; nothing where it cannot be read, or was written by another version.
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
        let Some((pledged, before)) = pledge(&path) else {
            let unreadable = path.with_extension(UNREADABLE);
            let moved = std::fs::rename(&path, &unreadable).map_or_else(|error| error.to_string(), |()| unreadable.display().to_string());
            taken
                .failed
                .push(format!("what a run that was cut off had done to an application cannot be taken back: nobody can read {moved}"));
            continue;
        };
        if is_done(&pledged.module, pledged.removal) {
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let application = &pledged.application;
        let pulse = path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let undone =
            |why: String| format!("what {} had done to {} was not taken back yet: {why}", pledged.module, application.root.display());
        // What the installer removed comes back, but not in the place of a file system that is not mounted.
        let is_elsewhere = |watched: &&PathBuf| {
            let parent = watched.parent().and_then(|parent| parent.metadata().ok()).map(|parent| parent.dev());
            before.get(watched).is_some() && !watched.exists() && parent != before.device(watched)
        };
        if let Some(missing) = application.watch.iter().find(is_elsewhere) {
            let missing = missing.display();
            taken.failed.push(undone(format!("{missing} is not there: mount it, or make it, and the next hoist goes on")));
            continue;
        }
        let Some(_alone) = try_lock(application) else {
            taken.failed.push(undone("another works on it".to_owned()));
            continue;
        };
        let kept = state.join("kept").join(path.file_stem().unwrap_or_default());
        let lived = Lived { started: path.metadata().and_then(|metadata| metadata.created()).ok(), until: alive.max(pulse) };
        match take_back(application, store, own, &before, lived, &kept, &mut taken) {
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

/// From when to when a change went on that was cut off, as far as that is known.
struct Lived {
    started: Option<SystemTime>,
    until: SystemTime,
}

fn take_back(
    application: &Application,
    store: &Store,
    own: &[PathBuf],
    before: &Snapshot,
    Lived { started, until: alive }: Lived,
    kept: &Path,
    taken: &mut TakenBack,
) -> Result<(), String> {
    let now = SystemTime::now();
    // What a clock says that was ahead tells nothing.
    let (last, known) = if alive > now { (now, SystemTime::UNIX_EPOCH) } else { (alive + aside::GRACE, alive) };
    let after = look(application, own, &application.watch, Some(before), None, false).map_err(|error| error.to_string())?;
    let mut differences = before.differences(&after);
    let moved = moved(before, &differences, started, |_| false);
    leave_moved(&mut differences, &moved);
    taken.told.extend(moved.iter().take(NAMED).map(|path| format!("{}: {MOVED}", path.display())));
    let is_somebodys = |difference: &&Difference| {
        let metadata = difference.path.symlink_metadata().ok().filter(|metadata| !metadata.is_dir());
        is_of_another_user(before, difference) || metadata.is_some_and(|metadata| aside::is_after(&metadata, last))
    };
    let (left, ours): (Vec<&Difference>, Vec<&Difference>) = differences.iter().partition(is_somebodys);
    let wrong = |error: std::io::Error| error.to_string();
    let copy = |difference: &Difference| match &difference.before {
        Some(old) if old.kind == Kind::File => {
            let contents = store.bytes(&old.digest).map_err(wrong)?;
            keep_copy_once(&difference.path, &contents, old.mode).map(Some).map_err(wrong)
        }
        _ => Ok(None),
    };
    // Nobody can tell whether somebody worked on with what the killed run had left: what stood there before is put beside it.
    for difference in left.iter().filter(|difference| !is_of_another_user(before, difference)) {
        let path = difference.path.display();
        let former = copy(difference)?.map(|copy| format!("; as it was before it is {}", copy.display())).unwrap_or_default();
        taken.told.push(format!("{path} was changed since, and was left as it is{former}"));
    }
    // What became different when nobody knows whether hoist still lived may as well be somebody's work.
    let unsure = |difference: &&&Difference| {
        let changed = |metadata: &std::fs::Metadata| {
            let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
            SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(metadata.ctime()).unwrap_or_default(), nanoseconds)
        };
        let is_file = difference.after.as_ref().is_some_and(|after| after.kind == Kind::File);
        is_file && difference.path.symlink_metadata().is_ok_and(|metadata| changed(&metadata) >= known)
    };
    let mut copies = 0;
    for difference in ours.iter().filter(unsure) {
        let path = &difference.path;
        let to = kept.join(path.strip_prefix("/").unwrap_or(path));
        // What an earlier kill left there stays.
        let to = if to.symlink_metadata().is_ok() { aside_name(&to) } else { to };
        let copied = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::copy(path, &to));
        copied.map_err(|error| format!("{}: {error}", path.display()))?;
        copies += 1;
    }
    if copies > 0 {
        taken
            .told
            .push(format!("{copies} files were changed at about that time, by whomever: as they were, they are in {}", kept.display()));
    }
    let failed = put_back(&ours, store);
    // A directory in which somebody has something stays.
    let blocks = |path: &Path| left.iter().any(|left| left.path.starts_with(path));
    for (path, _) in failed.iter().filter(|(path, _)| blocks(path)) {
        if let Some(difference) = ours.iter().find(|difference| difference.path == *path)
            && let Some(copy) = copy(difference)?
        {
            taken.told.push(format!("{} could not come back, since something is in its place: it is {}", path.display(), copy.display()));
        }
    }
    taken.restored += ours.len() - failed.len().min(ours.len());
    match failed.iter().find(|(path, _)| !blocks(path)) {
        None => Ok(()),
        Some((path, error)) => Err(format!("{}: {error}", path.display())),
    }
}

/// Removes files that were being written when hoist was killed.
fn clear_stages(application: &Application) {
    let there = Snapshot::take(&application.watch, &Taking { read: &|_, _| false, everywhere: true, ..Taking::PLAIN }).unwrap_or_default();
    let is_stage = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(STAGE.as_bytes()));
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
            Some(extension) if extension == UNREADABLE => continue,
            _ => Snapshot::from_bytes(&std::fs::read(&path).ok()?)?,
        };
        wanted.extend(snapshot.iter().map(|(_, state)| state.digest.clone()));
    }
    Some(wanted)
}
