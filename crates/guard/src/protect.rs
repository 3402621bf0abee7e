//! What of somebody else's program did may stay, and what of others it took is put back.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hoist_core::ConfigPolicy;
use hoist_executor::{Failure, ItemChange, Level, TaskContext};
use hoist_files::{
    Difference, FileKind, Record, Recorded, State, Store, Suffix, aside_name, backups, keep_copy,
    pending, write,
};
use hoist_ledger::{Edit, Ledger};

use crate::edits;
use crate::edits::Together;
use crate::session::restore;

/// What a program did, and what was known before.
pub struct Before<'a> {
    /// What became different.
    pub differences: &'a [Difference],
    /// What the module is known to have written.
    pub record: &'a Record,
    /// What other modules wrote.
    pub others: &'a BTreeMap<PathBuf, String>,
    /// The files of others that the module has edited.
    pub edits: Vec<Edit>,
    /// Where contents are kept.
    pub store: &'a Store,
    /// The directories that are watched.
    pub roots: &'a [PathBuf],
}

/// What came of it.
#[derive(Default)]
pub struct Protected {
    /// What the module wrote, of what was looked at.
    pub record: Record,
    /// What of the record is not the module's any more: the program removed it.
    pub gone: BTreeSet<PathBuf>,
    /// The files of others that it has edited by now.
    pub edits: Vec<Edit>,
    /// What was told to stay.
    pub kept: BTreeSet<String>,
    /// True where something was done since the differences were looked at.
    pub meddled: bool,
    /// The copies and the module's versions that were put beside files.
    pub beside: Vec<PathBuf>,
}

fn wrong(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot restore files of others: {error}"))
}

type Told = Vec<(ItemChange, String, Option<String>)>;

impl Before<'_> {
    /// Whose a path is that the module did not write as it stands there.
    fn owner(&self, path: &Path) -> String {
        match (self.others.get(path), self.record.contains_key(path)) {
            (Some(other), _) => format!("it belongs to {other}"),
            (None, true) => "it is locally modified".to_owned(),
            (None, false) => "it does not belong to the module".to_owned(),
        }
    }

    /// True for what the module wrote and nobody changed or has, too.
    fn is_own(&self, path: &Path, state: &State) -> bool {
        self.record
            .get(path)
            .is_some_and(|recorded| recorded.is(state))
            && !self.others.contains_key(path)
    }

    fn bytes(&self, state: &State) -> Result<Vec<u8>, Failure> {
        self.store.bytes(&state.digest).map_err(wrong)
    }

    /// Puts these back, with the directories on the way to them.
    fn put_back(&self, kept: &[&Difference]) -> Result<(), Failure> {
        let directory = |state: &Option<State>| {
            state
                .as_ref()
                .is_some_and(|state| state.kind == FileKind::Directory)
        };
        let ways: HashSet<&Path> = kept.iter().flat_map(|kept| kept.path.ancestors()).collect();
        let on_the_way = |difference: &&Difference| {
            directory(&difference.before)
                && !directory(&difference.after)
                && ways.contains(difference.path.as_path())
        };
        let mut back: Vec<&Difference> = self.differences.iter().filter(on_the_way).collect();
        let way: BTreeSet<&Path> = back
            .iter()
            .map(|difference| difference.path.as_path())
            .collect();
        back.extend(
            kept.iter()
                .filter(|kept| !way.contains(kept.path.as_path())),
        );
        // A directory that stands where a file was has to go with everything in it.
        let blocking: Vec<&Difference> = kept
            .iter()
            .copied()
            .filter(|kept| !directory(&kept.before) && directory(&kept.after))
            .collect();
        let inside = |difference: &&Difference| {
            difference.before.is_none()
                && blocking
                    .iter()
                    .any(|blocking| difference.path.starts_with(&blocking.path))
        };
        back.extend(self.differences.iter().filter(inside));
        restore(&back, self.store, self.roots).map_or(Ok(()), |why| {
            Err(Failure::new(format!(
                "cannot restore files of others: {why}"
            )))
        })
    }

    /// Puts the version that an installer brought beside the file that stays.
    fn put_beside(
        &self,
        path: &Path,
        new: &State,
        protected: &mut Protected,
    ) -> Result<(), Failure> {
        let mut beside = pending(path);
        let there = hoist_files::state(&beside).map_err(wrong)?;
        match &there {
            Some(there) if self.is_own(&beside, there) => {}
            // Somebody has put it there already.
            Some(there) if there.has_same_contents(new) => return Ok(()),
            Some(_) => beside = aside_name(&beside),
            None => {}
        }
        let is_new = beside.symlink_metadata().is_err();
        write(&beside, &self.bytes(new)?, new.mode).map_err(wrong)?;
        protected.record.insert(beside.clone(), Recorded::of(new));
        if is_new {
            protected.beside.push(beside);
        }
        Ok(())
    }

    /// The edit that a module has made of a file by now, where the new text is one: with what the
    /// file would be without the module, and whether it kept everything that was in it.
    fn edited(
        &self,
        path: &Path,
        old: &State,
        new: &State,
    ) -> Result<Option<(Edit, bool)>, Failure> {
        let (old_bytes, new_bytes) = (self.bytes(old)?, self.bytes(new)?);
        if !edits::is_edit(&old_bytes, &new_bytes) {
            return Ok(None);
        }
        let edit = |before: State| Edit {
            path: path.to_owned(),
            before,
            after: new.clone(),
            replaced: false,
        };
        let Some(former) = self
            .edits
            .iter()
            .find(|edit| edit.path == path && !edit.replaced)
        else {
            return Ok(Some((
                edit(old.clone()),
                edits::keeps_all(&old_bytes, &new_bytes, None),
            )));
        };
        let (before, installed) = (self.bytes(&former.before)?, self.bytes(&former.after)?);
        let keeps = edits::keeps_all(&old_bytes, &new_bytes, Some((&before, &installed)));
        // What somebody else did to it in between belongs to what it would be without the module.
        let base = match (
            old.has_same_contents(&former.after),
            edits::without(&before, &installed, &old_bytes),
        ) {
            (true, _) => former.before.clone(),
            (false, Together::Merged(merged)) => State {
                digest: self.store.add(&merged).map_err(wrong)?,
                ..old.clone()
            },
            (false, _) => old.clone(),
        };
        Ok(Some((edit(base), keeps)))
    }
}

fn remember(edits: &mut Vec<Edit>, edit: Edit) {
    match edits.iter_mut().find(|known| known.path == edit.path) {
        Some(known) => *known = edit,
        None => edits.push(edit),
    }
}

/// After an installer: what it wrote is the module's, what it wrote over or removed of others comes
/// back. `assets` are the digests of the module's own files: what has such a content was copied,
/// and not edited.
pub fn protect_install(
    before: Before<'_>,
    assets: &BTreeSet<String>,
    policy: ConfigPolicy,
    task: &TaskContext,
) -> Result<Protected, Failure> {
    let mut protected = Protected {
        edits: before.edits.clone(),
        ..Protected::default()
    };
    let (mut back, mut beside): (Vec<&Difference>, Vec<(&Path, &State)>) = Default::default();
    let mut told = Told::new();
    for difference in before.differences {
        let Difference {
            path,
            before: old,
            after: new,
        } = difference;
        let shown = path.display().to_string();
        match (old, new) {
            (None, Some(new)) => {
                protected.record.insert(path.clone(), Recorded::of(new));
                if new.kind != FileKind::Directory {
                    told.push((ItemChange::Created, shown, None));
                }
            }
            (Some(old), None) if before.is_own(path, old) => {
                protected.gone.insert(path.clone());
                if old.kind != FileKind::Directory {
                    told.push((ItemChange::Removed, shown, None));
                }
            }
            (Some(old), None) => {
                back.push(difference);
                if old.kind != FileKind::Directory {
                    told.push((
                        ItemChange::Preserved,
                        shown,
                        Some(format!(
                            "{}; the installer removed it, and it was restored",
                            before.owner(path)
                        )),
                    ));
                }
            }
            // Permissions alone are what an installer may have been asked to set.
            (Some(old), Some(new)) if old.has_same_contents(new) => {
                match before.record.get(path).filter(|known| known.is(new)) {
                    Some(known) => drop(protected.record.insert(
                        path.clone(),
                        Recorded {
                            mode: new.mode,
                            ..known.clone()
                        },
                    )),
                    None => {
                        match protected.edits.iter_mut().find(|edit| edit.path == *path) {
                            Some(edit) => edit.after.mode = new.mode,
                            None => protected.edits.push(Edit {
                                path: path.clone(),
                                before: old.clone(),
                                after: new.clone(),
                                replaced: false,
                            }),
                        }
                        told.push((
                            ItemChange::Changed,
                            shown,
                            Some(format!(
                                "its permissions changed from {:o} to {:o}",
                                old.mode, new.mode
                            )),
                        ));
                    }
                }
            }
            (Some(old), Some(new)) if before.is_own(path, old) => {
                protected.record.insert(path.clone(), Recorded::of(new));
                told.push((ItemChange::Changed, shown, None));
            }
            (Some(old), Some(new)) => {
                let is_text = old.kind == FileKind::File && new.kind == FileKind::File;
                let may_edit =
                    is_text && !assets.contains(&new.digest) && !before.record.contains_key(path);
                let edited = if may_edit {
                    before.edited(path, old, new)?
                } else {
                    None
                };
                if let Some((edit, keeps)) = edited {
                    if !keeps {
                        let copy = keep_copy(path, &before.bytes(old)?, old.mode, Suffix::Usual)
                            .map_err(wrong)?;
                        protected.meddled = true;
                        let why = format!("backup of {shown}, which the installer changed");
                        told.push((ItemChange::Preserved, copy.display().to_string(), Some(why)));
                        protected.beside.push(copy);
                    }
                    remember(&mut protected.edits, edit);
                    told.push((
                        ItemChange::Changed,
                        shown,
                        Some(
                            "edited by the installer; the uninstaller reverts the edit".to_owned(),
                        ),
                    ));
                } else if before.record.get(path).is_some_and(|known| known.is(new)) {
                    // What it brought before as well is nothing new.
                    back.push(difference);
                    told.push((
                        ItemChange::Preserved,
                        shown,
                        Some("it is locally modified".to_owned()),
                    ));
                } else if policy == ConfigPolicy::Overwrite && is_text {
                    let copy = keep_copy(path, &before.bytes(old)?, old.mode, Suffix::Usual)
                        .map_err(wrong)?;
                    protected.meddled = true;
                    let why = format!("backup of {shown}, since {}", before.owner(path));
                    told.push((ItemChange::Preserved, copy.display().to_string(), Some(why)));
                    protected.beside.push(copy);
                    match before.record.contains_key(path) {
                        true => drop(protected.record.insert(path.clone(), Recorded::of(new))),
                        false => {
                            let known = before.edits.iter().find(|edit| {
                                edit.path == *path && edit.after.has_same_contents(old)
                            });
                            let base = known.map_or(old, |edit| &edit.before).clone();
                            remember(
                                &mut protected.edits,
                                Edit {
                                    path: path.clone(),
                                    before: base,
                                    after: new.clone(),
                                    replaced: true,
                                },
                            );
                        }
                    }
                } else {
                    back.push(difference);
                    let mut why = format!(
                        "{}; the installer overwrote it, and it was restored",
                        before.owner(path)
                    );
                    if new.kind == FileKind::File {
                        why += &format!("; the module's version is {}", pending(path).display());
                        beside.push((path, new));
                    }
                    told.push((ItemChange::Preserved, shown, Some(why)));
                }
            }
            (None, None) => {}
        }
    }
    protected.meddled |= !back.is_empty();
    before.put_back(&back)?;
    for (path, new) in beside {
        before.put_beside(path, new, &mut protected)?;
    }
    for difference in &back {
        // What a person changed keeps the digest of what was installed.
        if let Some(known) = before.record.get(&difference.path) {
            protected
                .record
                .insert(difference.path.clone(), known.clone());
        }
        let stood = |state: &Option<State>| {
            state
                .as_ref()
                .is_some_and(|state| state.kind == FileKind::Directory)
        };
        if !stood(&difference.before) && stood(&difference.after) {
            protected
                .record
                .retain(|path, _| path == &difference.path || !path.starts_with(&difference.path));
        }
    }
    tell(told, task);
    Ok(protected)
}

/// After an uninstaller: what it took of others comes back. What is in the module's own `directory`
/// goes with it where that is asked for.
pub fn protect_uninstall(
    before: Before<'_>,
    directory: Option<&Path>,
    task: &TaskContext,
) -> Result<Protected, Failure> {
    let mut protected = Protected {
        edits: before.edits.clone(),
        ..Protected::default()
    };
    let mut back: Vec<&Difference> = Vec::new();
    let mut told = Told::new();
    let mut removed: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for difference in before.differences {
        let Difference {
            path,
            before: old,
            after: new,
        } = difference;
        let shown = path.display().to_string();
        let edit = before.edits.iter().find(|edit| edit.path == *path);
        let purged = directory.is_some_and(|directory| path.starts_with(directory))
            && !before.others.contains_key(path);
        match (old, new) {
            (None, Some(new)) if new.kind != FileKind::Directory => told.push((
                ItemChange::Created,
                shown,
                Some("not removed by the uninstaller".to_owned()),
            )),
            (Some(old), None) if before.is_own(path, old) || purged => {
                protected.gone.insert(path.clone());
                if old.kind != FileKind::Directory {
                    *removed
                        .entry(path.parent().unwrap_or(path).to_owned())
                        .or_default() += 1;
                }
            }
            (Some(old), None) => {
                back.push(difference);
                if old.kind != FileKind::Directory {
                    let why = "removed by the uninstaller and restored; remove it yourself if it is not needed";
                    told.push((
                        ItemChange::Preserved,
                        shown,
                        Some(format!("{}; {why}", before.owner(path))),
                    ));
                }
            }
            (Some(old), Some(new)) if before.is_own(path, old) || purged => {}
            (Some(old), Some(new)) if old.has_same_contents(new) => {
                let is_given_back = before
                    .edits
                    .iter()
                    .any(|edit| edit.path == *path && edit.before.mode == new.mode);
                if old.mode != new.mode && !is_given_back {
                    back.push(difference);
                    let why = format!(
                        "{}; the uninstaller changed its permissions, and they were restored",
                        before.owner(path)
                    );
                    told.push((ItemChange::Preserved, shown, Some(why)));
                }
            }
            (Some(old), Some(new)) => {
                let is_text = old.kind == FileKind::File && new.kind == FileKind::File;
                match edit.filter(|_| is_text) {
                    Some(edit) => {
                        told.push(settle(&before, edit, old, new)?);
                        protected.meddled = true;
                        protected.edits.retain(|edit| edit.path != *path);
                    }
                    None if is_text
                        && !before.record.contains_key(path)
                        && edits::keeps_all(&before.bytes(old)?, &before.bytes(new)?, None) =>
                    {
                        told.push((
                            ItemChange::Changed,
                            shown,
                            Some("the uninstaller added lines to it".to_owned()),
                        ));
                    }
                    None => {
                        back.push(difference);
                        let why = format!(
                            "{}; the uninstaller overwrote it, and it was restored",
                            before.owner(path)
                        );
                        told.push((ItemChange::Preserved, shown, Some(why)));
                    }
                }
            }
            _ => {}
        }
    }
    protected.meddled |= !back.is_empty();
    before.put_back(&back)?;
    protected.kept = told
        .iter()
        .filter(|(item_change, ..)| *item_change == ItemChange::Preserved)
        .map(|(_, subject, _)| subject.clone())
        .collect();
    for (directory, count) in removed {
        let files = if count == 1 {
            "one file".to_owned()
        } else {
            format!("{count} files")
        };
        told.push((
            ItemChange::Removed,
            directory.display().to_string(),
            Some(files),
        ));
    }
    tell(told, task);
    Ok(protected)
}

/// What becomes of a file that an installer had edited, now that the uninstaller has changed it:
/// `old` before that, `new` after.
fn settle(
    before: &Before<'_>,
    edit: &Edit,
    old: &State,
    new: &State,
) -> Result<(ItemChange, String, Option<String>), Failure> {
    let (path, shown, mine) = (
        &edit.path,
        edit.path.display().to_string(),
        before.bytes(old)?,
    );
    Ok(
        match edits::together(
            &before.bytes(&edit.before)?,
            &before.bytes(&edit.after)?,
            &mine,
            &before.bytes(new)?,
        ) {
            Together::Theirs => (
                ItemChange::Changed,
                shown,
                Some("the uninstaller removed the edit of the installer".to_owned()),
            ),
            Together::Merged(merged) => {
                write(path, &merged, old.mode).map_err(wrong)?;
                let why = match merged == before.bytes(&edit.before)? {
                    true => "restored to its content before the install",
                    false => "the edit of the installer was removed, and all other content is kept",
                };
                (ItemChange::Changed, shown, Some(why.to_owned()))
            }
            Together::Apart => {
                let copy = keep_copy(path, &mine, old.mode, Suffix::Usual).map_err(wrong)?;
                let why = format!(
                    "backup of {shown}, which the uninstaller changed; check whether parts of it are still needed"
                );
                (ItemChange::Preserved, copy.display().to_string(), Some(why))
            }
        },
    )
}

/// So many of each kind are told one by one.
const NAMED: usize = 200;

fn tell(mut told: Told, task: &TaskContext) {
    told.sort_by(|a, b| {
        (a.0 != ItemChange::Preserved, &a.1).cmp(&(b.0 != ItemChange::Preserved, &b.1))
    });
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (item_change, subject, reason) in told {
        let count = counts.entry(item_change.as_str()).or_default();
        *count += 1;
        match *count > NAMED && item_change != ItemChange::Preserved {
            true => task.output_line(&format!("{} {subject}", item_change.as_str())),
            false => task.item(item_change, subject, reason),
        }
    }
    for (item_change, count) in counts.into_iter().filter(|(item_change, count)| {
        *count > NAMED && *item_change != ItemChange::Preserved.as_str()
    }) {
        task.note(
            Level::Info,
            format!("{} more were {item_change}; see the log", count - NAMED),
        );
    }
}

/// Gives files and directories of others the permissions back that an installer had changed.
pub fn give_back_permissions(edits: &[Edit], task: &TaskContext) -> Result<(), Failure> {
    for Edit {
        path,
        before,
        after,
        ..
    } in edits
        .iter()
        .filter(|edit| edit.before.mode != edit.after.mode)
    {
        let now = hoist_files::state(path).map_err(wrong)?;
        if now.is_some_and(|now| now.kind != FileKind::Link && now.mode == after.mode) {
            std::fs::set_permissions(path, Permissions::from_mode(before.mode)).map_err(wrong)?;
            let why = format!("its permissions were restored to {:o}", before.mode);
            task.item(ItemChange::Changed, path.display().to_string(), Some(why));
        }
    }
    Ok(())
}

/// Says what an installer had added to files of others, and what its uninstaller left in them.
pub fn tell_left(edits: &[Edit], task: &TaskContext) -> Result<(), Failure> {
    for Edit {
        path,
        before,
        after,
        ..
    } in edits.iter().filter(|edit| !edit.replaced)
    {
        let now = hoist_files::state(path).map_err(wrong)?;
        if now.is_some_and(|now| !now.has_same_contents(before) && !before.has_same_contents(after))
        {
            let why = "the uninstaller did not revert the edit of the installer; check whether parts of it are still needed";
            task.item(
                ItemChange::NeedsAttention,
                path.display().to_string(),
                Some(why.to_owned()),
            );
        }
    }
    Ok(())
}

/// Takes out what an installer had added to files of others, where no uninstaller does that.
pub fn take_out(edits: &[Edit], store: &Store, task: &TaskContext) -> Result<(), Failure> {
    for Edit {
        path,
        before,
        after,
        ..
    } in edits.iter().filter(|edit| !edit.replaced)
    {
        let (Some(now), shown) = (
            hoist_files::state(path).map_err(wrong)?,
            path.display().to_string(),
        ) else {
            continue;
        };
        if now.has_same_contents(before) || now.kind != FileKind::File {
            continue;
        }
        let [old, installed] = [before, after].map(|state| store.bytes(&state.digest));
        let (old, installed) = (old.map_err(wrong)?, installed.map_err(wrong)?);
        let contents = std::fs::read(path).map_err(wrong)?;
        let without = match now.has_same_contents(after) {
            true => Some(old),
            false => match edits::without(&old, &installed, &contents) {
                Together::Merged(merged) => Some(merged),
                _ => None,
            },
        };
        match without {
            Some(without) => {
                write(path, &without, now.mode).map_err(wrong)?;
                task.item(
                    ItemChange::Changed,
                    shown,
                    Some("the edit of the installer was removed".to_owned()),
                );
            }
            None => {
                let why = "the lines that the installer edited were modified since; remove the module's lines yourself".to_owned();
                task.item(ItemChange::NeedsAttention, shown, Some(why));
            }
        }
    }
    Ok(())
}

/// Removes copies of files that a module had edited, where these hold nothing but what the file
/// holds now, or what a run of hoist had made of it: nobody's work would be lost with them.
pub fn drop_copies(edited: &[Edit], ledger: &Ledger) -> Result<(), Failure> {
    for Edit { path, after, .. } in edited {
        let Some(now) = hoist_files::state(path).map_err(wrong)? else {
            continue;
        };
        let made = ledger
            .made_contents(path)
            .map_err(|error| Failure::new(error.to_string()))?;
        let text = hoist_files::read(path).ok().flatten().unwrap_or_default();
        let is_redundant = |copy: &PathBuf| {
            let held = hoist_files::state(copy).ok().flatten();
            let is_known = |held: &State| {
                held.has_same_contents(&now)
                    || held.has_same_contents(after)
                    || made.contains(&held.digest)
            };
            let is_contained = || {
                hoist_files::read(copy)
                    .ok()
                    .flatten()
                    .is_some_and(|copy| edits::is_contained(&copy, &text))
            };
            held.is_some_and(|held| is_known(&held) || is_contained())
        };
        let mut copies = backups(path).into_iter().filter(is_redundant);
        copies.try_for_each(std::fs::remove_file).map_err(wrong)?;
    }
    Ok(())
}

/// Puts back what an installer had replaced with somebody's consent, where it still is what it made
/// of it.
pub fn give_back(edits: &[Edit], store: &Store, task: &TaskContext) -> Result<(), Failure> {
    for Edit {
        path,
        before,
        after,
        ..
    } in edits.iter().filter(|edit| edit.replaced)
    {
        let now = hoist_files::state(path).map_err(wrong)?;
        let shown = path.display().to_string();
        match &now {
            Some(now) if now.has_same_contents(after) => {
                let difference = Difference {
                    path: path.clone(),
                    before: Some(before.clone()),
                    after: Some(now.clone()),
                };
                let why = restore(&[&difference], store, &[]);
                why.map_or(Ok(()), |why| {
                    Err(Failure::new(format!(
                        "cannot restore existing files: {why}"
                    )))
                })?;
                task.item(
                    ItemChange::Changed,
                    shown,
                    Some("restored to its content before the module replaced it".to_owned()),
                );
            }
            Some(now) if !now.has_same_contents(before) => {
                task.item(
                    ItemChange::Preserved,
                    shown,
                    Some("it existed before the module, and was modified since".to_owned()),
                );
            }
            _ => {}
        }
    }
    Ok(())
}
