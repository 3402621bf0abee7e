//! What of somebody else's program did may stay, and what of others it took is put back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_executor::{Failure, Fate, TaskContext};
use hoist_files::{Difference, Kind, Record, Recorded, Snapshot, State, Store, aside_name, keep_copy, pending, write};
use hoist_ledger::Edit;

use super::edits::{self, Together};
use super::{is_of_another_user, restore};
use crate::config::ConfigPolicy;

/// What is known before a program runs.
pub(crate) struct Before<'a> {
    /// Everything that is there.
    pub(crate) files: &'a Snapshot,
    /// What the module is known to have written.
    pub(crate) record: &'a Record,
    /// What other modules wrote.
    pub(crate) others: &'a BTreeMap<PathBuf, String>,
    /// The files of others that the module has edited.
    pub(crate) edits: Vec<Edit>,
    /// Where contents are kept.
    pub(crate) store: &'a Store,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Protected {
    /// What the module wrote, of what was looked at.
    pub(crate) record: Record,
    /// What of the record is not the module's any more: the program removed it.
    pub(crate) gone: BTreeSet<PathBuf>,
    /// The files of others that it has edited by now.
    pub(crate) edits: Vec<Edit>,
    /// What was told to stay.
    pub(crate) kept: BTreeSet<String>,
    /// True when the program left anything different.
    pub(crate) changed: bool,
}

fn wrong(error: std::io::Error) -> Failure {
    Failure::new(format!("putting back what is somebody else's: {error}"))
}

impl Before<'_> {
    /// Whose a path is that the module did not write as it stands there.
    fn owner(&self, path: &Path) -> String {
        match (self.others.get(path), self.record.contains_key(path)) {
            (Some(other), _) => format!("it belongs to {other}"),
            (None, true) => "it was changed by hand".to_owned(),
            (None, false) => "it is not the module's".to_owned(),
        }
    }

    /// True for what the module wrote and nobody changed or has, too.
    fn is_own(&self, path: &Path, state: &State) -> bool {
        self.record.get(path).is_some_and(|recorded| recorded.is(state)) && !self.others.contains_key(path)
    }

    fn bytes(&self, state: &State) -> Result<Vec<u8>, Failure> {
        self.store.bytes(&state.digest).map_err(wrong)
    }

    /// The differences that have to be put back so that these stand in their places again: they, and directories on the way.
    fn put_back(&self, kept: &[&Difference], all: &[Difference]) -> Result<(), Failure> {
        let directory = |state: &Option<State>| state.as_ref().is_some_and(|state| state.kind == Kind::Directory);
        let on_the_way = |difference: &&Difference| {
            directory(&difference.before)
                && !directory(&difference.after)
                && kept.iter().any(|kept| kept.path.starts_with(&difference.path))
        };
        let mut back: Vec<&Difference> = all.iter().filter(on_the_way).collect();
        let way: BTreeSet<&Path> = back.iter().map(|difference| difference.path.as_path()).collect();
        back.extend(kept.iter().filter(|kept| !way.contains(kept.path.as_path())));
        // A directory that stands where a file was has to go with everything in it.
        let inside = |difference: &&Difference| {
            let below = |kept: &&Difference| !directory(&kept.before) && directory(&kept.after) && difference.path.starts_with(&kept.path);
            difference.before.is_none() && kept.iter().any(below)
        };
        back.extend(all.iter().filter(inside));
        restore(&back, self.store).map_or(Ok(()), |why| Err(Failure::new(format!("putting back what is somebody else's: {why}"))))
    }
}

fn recorded(state: &State) -> Recorded {
    Recorded { kind: state.kind, mode: state.mode, digest: state.digest.clone() }
}

/// After an installer: what it wrote is the module's, what it wrote over or removed of others comes back. `assets` are the digests of the module's
/// own files: what has such a content was copied, and not edited.
pub(crate) fn protect_install(
    before: Before<'_>,
    after: &Snapshot,
    assets: &BTreeSet<&str>,
    policy: ConfigPolicy,
    task: &TaskContext,
) -> Result<Protected, Failure> {
    let differences = before.files.differences(after);
    let mut protected = Protected { edits: before.edits.clone(), changed: !differences.is_empty(), ..Protected::default() };
    let mut back: Vec<&Difference> = Vec::new();
    let mut told = Vec::new();
    for difference in &differences {
        let Difference { path, before: old, after: new } = difference;
        let shown = path.display().to_string();
        match (old, new) {
            // The application itself may be at work, as another user.
            (None, Some(_)) if is_of_another_user(difference) => {}
            (None, Some(new)) => {
                protected.record.insert(path.clone(), recorded(new));
                if new.kind != Kind::Directory {
                    told.push((Fate::Created, shown, None));
                }
            }
            (Some(old), None) if before.is_own(path, old) => {
                protected.gone.insert(path.clone());
                if old.kind != Kind::Directory {
                    told.push((Fate::Removed, shown, None));
                }
            }
            (Some(old), None) => {
                back.push(difference);
                if old.kind != Kind::Directory {
                    told.push((Fate::Kept, shown, Some(format!("{}; its installer removed it, and it was put back", before.owner(path)))));
                }
            }
            // Permissions alone are what an installer may have been asked to set.
            (Some(old), Some(new)) if old.has_same_contents(new) => {
                if let Some(known) = before.record.get(path).filter(|known| known.is(new)) {
                    protected.record.insert(path.clone(), Recorded { mode: new.mode, ..known.clone() });
                }
            }
            (Some(old), Some(new)) if before.is_own(path, old) => {
                protected.record.insert(path.clone(), recorded(new));
                told.push((Fate::Changed, shown, None));
            }
            (Some(old), Some(new)) => {
                let known = protected.edits.iter().position(|edit| edit.path == *path);
                let is_text = old.kind == Kind::File && new.kind == Kind::File;
                let is_copy = assets.contains(new.digest.as_str());
                if let Some(known) = known.filter(|known| is_text && !protected.edits[*known].replaced) {
                    protected.edits[known].after = new.clone();
                    told.push((Fate::Changed, shown, Some("its installer edited it".to_owned())));
                } else if is_text
                    && !is_copy
                    && !before.record.contains_key(path)
                    && edits::is_edit(&before.bytes(old)?, &before.bytes(new)?)
                {
                    let lost = edits::lost_lines(&before.bytes(old)?, &before.bytes(new)?);
                    let why = match lost {
                        0 => "its installer added lines to it; its uninstaller takes them out".to_owned(),
                        lost => format!("its installer edited it, and replaced {lost} of its lines; `hoist undo` has them"),
                    };
                    told.push((Fate::Changed, shown, Some(why)));
                    protected.edits.push(Edit { path: path.clone(), before: old.clone(), after: new.clone(), replaced: false });
                } else if before.record.get(path).is_some_and(|known| known.is(new)) {
                    // What it brought before as well is nothing new.
                    back.push(difference);
                    told.push((Fate::Kept, shown, Some("it was changed by hand".to_owned())));
                } else if policy == ConfigPolicy::Overwrite && is_text {
                    let copy = keep_copy(path, &before.bytes(old)?, old.mode).map_err(wrong)?;
                    let why = format!("{}; it is {shown} as it was", before.owner(path));
                    told.push((Fate::Kept, copy.display().to_string(), Some(why)));
                    match before.record.contains_key(path) {
                        true => drop(protected.record.insert(path.clone(), recorded(new))),
                        false => protected.edits.push(Edit { path: path.clone(), before: old.clone(), after: new.clone(), replaced: true }),
                    }
                } else {
                    back.push(difference);
                    let mut why = format!("{}; its installer wrote over it, and it was put back", before.owner(path));
                    if new.kind == Kind::File {
                        why += &format!("; the module's version is {}", pending(path).display());
                    }
                    told.push((Fate::Kept, shown, Some(why)));
                }
            }
            (None, None) => {}
        }
    }
    before.put_back(&back, &differences)?;
    for difference in back.iter().filter(|difference| difference.before.as_ref().is_some_and(|old| old.kind == Kind::File)) {
        let path = &difference.path;
        let Some(new) = difference.after.as_ref().filter(|new| new.kind == Kind::File) else { continue };
        // Of what it brought before as well nothing new waits, and what somebody made of such a file is theirs, too.
        if before.record.get(path).is_some_and(|known| known.is(new)) {
            continue;
        }
        let mut beside = pending(path);
        let state = hoist_files::state(&beside).map_err(wrong)?;
        if state.as_ref().is_some_and(|state| state.digest != new.digest && !before.is_own(&beside, state)) {
            beside = aside_name(&beside);
        }
        write(&beside, &before.bytes(new)?, new.mode).map_err(wrong)?;
        protected.record.insert(beside, recorded(new));
    }
    // What a person changed keeps the digest of what was installed.
    for difference in &back {
        if let Some(known) = before.record.get(&difference.path) {
            protected.record.insert(difference.path.clone(), known.clone());
        }
        if difference.before.as_ref().is_some_and(|old| old.kind != Kind::Directory) {
            protected.record.retain(|path, _| path == &difference.path || !path.starts_with(&difference.path));
        }
    }
    tell(told, task);
    Ok(protected)
}

/// After an uninstaller: what it took of others comes back.
pub(crate) fn protect_uninstall(before: Before<'_>, after: &Snapshot, purge: bool, task: &TaskContext) -> Result<Protected, Failure> {
    let differences = before.files.differences(after);
    let mut protected = Protected { edits: before.edits.clone(), changed: !differences.is_empty(), ..Protected::default() };
    let mut back: Vec<&Difference> = Vec::new();
    let mut told = Vec::new();
    let mut removed: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for difference in &differences {
        let Difference { path, before: old, after: new } = difference;
        let shown = path.display().to_string();
        let edit = before.edits.iter().find(|edit| edit.path == *path);
        // What is inside of the module's own is purged with it.
        let purged = purge && !before.others.contains_key(path) && path.ancestors().any(|parent| before.record.contains_key(parent));
        match (old, new) {
            (None, Some(new)) if new.kind != Kind::Directory => {
                told.push((Fate::Created, shown, Some("its uninstaller left it".to_owned())))
            }
            (Some(old), None) if before.is_own(path, old) || purged => {
                protected.gone.insert(path.clone());
                if old.kind != Kind::Directory {
                    *removed.entry(path.parent().unwrap_or(path).to_owned()).or_default() += 1;
                }
            }
            (Some(old), None) => {
                back.push(difference);
                if old.kind != Kind::Directory {
                    let why =
                        format!("{}; its uninstaller removed it, and it was put back: remove it where nobody needs it", before.owner(path));
                    told.push((Fate::Kept, shown, Some(why)));
                }
            }
            (Some(old), Some(new)) if old.has_same_contents(new) || before.is_own(path, old) || purged => {}
            (Some(old), Some(new)) => {
                let is_text = old.kind == Kind::File && new.kind == Kind::File;
                match edit.filter(|_| is_text) {
                    Some(edit) => {
                        let mine = before.bytes(old)?;
                        match edits::together(&before.bytes(&edit.before)?, &before.bytes(&edit.after)?, &mine, &before.bytes(new)?) {
                            Together::Theirs => {
                                told.push((Fate::Changed, shown, Some("its uninstaller took out what its installer had added".to_owned())))
                            }
                            Together::Merged(merged) => {
                                write(path, &merged, old.mode).map_err(wrong)?;
                                let why =
                                    "its uninstaller put an old version there; what was changed by hand since was put into that".to_owned();
                                told.push((Fate::Changed, shown, Some(why)));
                            }
                            Together::Apart => {
                                let copy = keep_copy(path, &mine, old.mode).map_err(wrong)?;
                                let why = format!("it is {shown} as it was before its uninstaller; look what of it is still wanted");
                                told.push((Fate::Kept, copy.display().to_string(), Some(why)));
                            }
                        }
                        protected.edits.retain(|edit| edit.path != *path);
                    }
                    None if is_text && edits::is_edit(&before.bytes(old)?, &before.bytes(new)?) && !before.record.contains_key(path) => {
                        told.push((Fate::Changed, shown, Some("its uninstaller edited it; `hoist undo` has what it was".to_owned())));
                    }
                    None => {
                        back.push(difference);
                        let why = format!("{}; its uninstaller wrote over it, and it was put back", before.owner(path));
                        told.push((Fate::Kept, shown, Some(why)));
                    }
                }
            }
            _ => {}
        }
    }
    before.put_back(&back, &differences)?;
    protected.kept = told.iter().filter(|(fate, ..)| *fate == Fate::Kept).map(|(_, subject, _)| subject.clone()).collect();
    for (directory, count) in removed {
        let files = if count == 1 { "one file".to_owned() } else { format!("{count} files") };
        told.push((Fate::Removed, directory.display().to_string(), Some(files)));
    }
    tell(told, task);
    Ok(protected)
}

/// So many of each kind are told one by one.
const NAMED: usize = 200;

fn tell(mut told: Vec<(Fate, String, Option<String>)>, task: &TaskContext) {
    told.sort_by(|a, b| (a.0 != Fate::Kept, &a.1).cmp(&(b.0 != Fate::Kept, &b.1)));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (fate, subject, reason) in told {
        let count = counts.entry(fate.as_str()).or_default();
        *count += 1;
        match *count > NAMED && fate != Fate::Kept {
            true => task.output_line(&format!("{} {subject}", fate.as_str())),
            false => task.item(fate, subject, reason),
        }
    }
}

/// Takes out what an installer had added to files of others, where no uninstaller does that.
pub(crate) fn take_out(edits: &[Edit], store: &Store, task: &TaskContext) -> Result<(), Failure> {
    for Edit { path, before, after, .. } in edits.iter().filter(|edit| !edit.replaced) {
        let (Some(now), shown) = (hoist_files::state(path).map_err(wrong)?, path.display().to_string()) else { continue };
        if now.has_same_contents(before) || now.kind != Kind::File {
            continue;
        }
        let [before_bytes, after_bytes] = [before, after].map(|state| store.bytes(&state.digest));
        let (before_bytes, after_bytes) = (before_bytes.map_err(wrong)?, after_bytes.map_err(wrong)?);
        let contents = std::fs::read(path).map_err(wrong)?;
        let without = match now.has_same_contents(after) {
            true => Some(before_bytes),
            false => match edits::without(&before_bytes, &after_bytes, &contents) {
                Together::Merged(merged) => Some(merged),
                _ => None,
            },
        };
        match without {
            Some(without) => {
                write(path, &without, now.mode).map_err(wrong)?;
                task.item(Fate::Changed, shown, Some("what its installer had added was taken out".to_owned()));
            }
            None => {
                let why = "its installer edited it, and somebody did as well: take out by hand what was for the module".to_owned();
                task.item(Fate::Left, shown, Some(why));
            }
        }
    }
    Ok(())
}

/// Puts back what an installer had replaced with somebody's consent, where it still is what it made of it.
pub(crate) fn give_back(edits: &[Edit], store: &Store, task: &TaskContext) -> Result<(), Failure> {
    for Edit { path, before, after, .. } in edits.iter().filter(|edit| edit.replaced) {
        let now = hoist_files::state(path).map_err(wrong)?;
        let shown = path.display().to_string();
        match now {
            Some(now) if now.has_same_contents(after) => {
                let difference = Difference { path: path.clone(), before: Some(before.clone()), after: Some(now) };
                restore(&[&difference], store)
                    .map_or(Ok(()), |why| Err(Failure::new(format!("putting back what was there before: {why}"))))?;
                task.item(Fate::Changed, shown, Some("it is as it was before the module".to_owned()));
            }
            Some(now) if !now.has_same_contents(before) => {
                task.item(Fate::Kept, shown, Some("it was there before the module, and was changed by hand".to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
}
