//! Takes back what killed runs had done to protected trees.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hoist_core::{ModuleId, ProtectedTree};
use hoist_files::{Difference, FileKind, Snapshot, SnapshotOptions, Store};

use crate::rollback::{Doubtful, EndOfRun, RolledBack, restore_differences};
use crate::session::{
    MOVED, NAMED, PENDING_EXT, PendingSnapshot, STAGE, UNREADABLE, is_of_another_user, leave_moved,
    moved, snapshot_of,
};
use crate::tree::try_lock;

/// What was found of changes that were cut off.
#[derive(Debug, Default)]
pub struct TakenBack {
    /// How many files and directories are as they were again.
    pub restored: usize,
    /// What somebody may have done since, and what became of it, a sentence each.
    pub told: Vec<String>,
    /// What could not be rolled back, a sentence each.
    pub failed: Vec<String>,
}

/// What a pledge says; nothing where it cannot be read, or was written by another version.
fn pledge(path: &Path) -> Option<(PendingSnapshot, Snapshot)> {
    let bytes = std::fs::read(path).ok()?;
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (head, before) =
        rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((
        serde_json::from_slice(head).ok()?,
        Snapshot::from_bytes(before)?,
    ))
}

/// Whether a change of a module to a protected tree is not taken back yet.
pub fn is_pending(state: &Path, module: &ModuleId) -> bool {
    pledges(state)
        .filter_map(|path| pledge(&path))
        .any(|(pledged, _)| pledged.module == *module)
}

fn pledges(state: &Path) -> impl Iterator<Item = PathBuf> {
    let files = std::fs::read_dir(state.join("snapshots"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    files.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == PENDING_EXT)
    })
}

/// Takes back what killed runs had done to protected trees. `is_done` is true for a module whose
/// change was written down before, the second of its arguments for a removal. What was changed
/// later than the `end` of the runs is somebody's.
pub fn recover(
    state: &Path,
    store: &Store,
    own: &[PathBuf],
    is_done: impl Fn(&ModuleId, bool) -> bool,
    end: EndOfRun,
) -> TakenBack {
    let mut taken = TakenBack::default();
    for path in pledges(state) {
        let Some((pledged, before)) = pledge(&path) else {
            let unreadable = path.with_extension(UNREADABLE);
            let moved = std::fs::rename(&path, &unreadable).map_or_else(
                |error| error.to_string(),
                |()| unreadable.display().to_string(),
            );
            taken.failed.push(format!(
                "the changes of an interrupted run cannot be rolled back: its record is damaged and was moved to {moved}"
            ));
            continue;
        };
        if is_done(&pledged.module, pledged.removal) {
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let tree = &pledged.tree;
        // It is touched as long as somebody works on the tree.
        let pulse = path
            .metadata()
            .map_or(EndOfRun::UNKNOWN, |metadata| EndOfRun::after(&metadata));
        let undone = |why: String| {
            format!(
                "the changes of {} in {} are not rolled back yet: {why}",
                pledged.module,
                tree.root.display()
            )
        };
        // What the installer removed comes back, but not in the place of a file system that is not
        // mounted.
        let is_elsewhere = |watched: &&PathBuf| {
            let parent = watched
                .parent()
                .and_then(|parent| parent.metadata().ok())
                .map(|parent| parent.dev());
            before.get(watched).is_some() && !watched.exists() && parent != before.device(watched)
        };
        if let Some(missing) = tree.watch.iter().find(is_elsewhere) {
            let missing = missing.display();
            taken.failed.push(undone(format!(
                "{missing} does not exist: mount or create it, and run hoist again"
            )));
            continue;
        }
        let Some(_alone) = try_lock(tree) else {
            taken
                .failed
                .push(undone("another run changes it".to_owned()));
            continue;
        };
        let kept = state
            .join("kept")
            .join(path.file_stem().unwrap_or_default());
        let started = path.metadata().and_then(|metadata| metadata.created()).ok();
        match revert(
            tree,
            store,
            own,
            &before,
            started,
            end.or_later(pulse),
            &kept,
            &mut taken,
        ) {
            Ok(()) => {
                clear_stages(tree);
                let _ = std::fs::remove_file(&path);
            }
            Err(why) => taken.failed.push(undone(why)),
        }
    }
    taken
}

#[expect(clippy::too_many_arguments, reason = "the record of a change")]
fn revert(
    tree: &ProtectedTree,
    store: &Store,
    own: &[PathBuf],
    before: &Snapshot,
    started: Option<SystemTime>,
    end: EndOfRun,
    kept: &Path,
    taken: &mut TakenBack,
) -> Result<(), String> {
    let after = snapshot_of(tree, own, &tree.watch, Some(before), None, false)
        .map_err(|error| error.to_string())?;
    let mut differences = before.differences(&after);
    let moved = moved(before, &differences, started, |_| false);
    leave_moved(&mut differences, &moved);
    taken.told.extend(
        moved
            .iter()
            .take(NAMED)
            .map(|path| format!("{}: {MOVED}", path.display())),
    );
    let (left, ours): (Vec<Difference>, Vec<Difference>) = differences
        .into_iter()
        .partition(|difference| is_of_another_user(before, difference));
    let count = ours.len();
    let mut done = RolledBack::default();
    restore_differences(
        ours,
        &[],
        &tree.watch,
        &Doubtful { end, kept },
        store,
        &mut done,
    );
    for (path, copy) in &done.moved {
        taken.told.push(format!(
            "{} was changed after the run was interrupted; moved to {}",
            path.display(),
            copy.display()
        ));
    }
    if !done.copied.is_empty() {
        let count = done.copied.len();
        taken.told.push(format!(
            "{count} files were modified while the run was being stopped; backups are in {}",
            kept.display()
        ));
    }
    // A directory in which another user has something stays.
    let blocks = |path: &Path| left.iter().any(|left| left.path.starts_with(path));
    done.failed.retain(|(path, _)| !blocks(path));
    taken.restored += count - done.failed.len().min(count);
    match done.failed.first() {
        None => Ok(()),
        Some((path, why)) => Err(format!("{}: {why}", path.display())),
    }
}

/// Removes files that were being written when hoist was killed.
fn clear_stages(tree: &ProtectedTree) {
    let there = Snapshot::take(
        &tree.watch,
        &SnapshotOptions {
            read: &|_, _| false,
            everywhere: true,
            ..SnapshotOptions::PLAIN
        },
    )
    .unwrap_or_default();
    let is_stage = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(STAGE.as_bytes()))
    };
    for (path, _) in there
        .iter()
        .filter(|(path, state)| state.kind == FileKind::File && is_stage(path))
    {
        let _ = std::fs::remove_file(path);
    }
}

/// The digests of all contents that protected trees have, or had before a change that is not taken
/// back yet; `None` where that is not known.
pub fn contents_of(state: &Path) -> Option<Vec<String>> {
    let mut wanted = Vec::new();
    for entry in std::fs::read_dir(state.join("snapshots"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let snapshot = match path.extension() {
            Some(extension) if extension == PENDING_EXT => pledge(&path)?.1,
            Some(extension) if extension == UNREADABLE => continue,
            _ => Snapshot::from_bytes(&std::fs::read(&path).ok()?)?,
        };
        wanted.extend(snapshot.iter().map(|(_, state)| state.digest.clone()));
    }
    Some(wanted)
}
