//! What undoing a past run does, as far as nobody has changed its files since.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use hoist_core::{Installed, InstalledModule};
use hoist_executor::{Failure, ItemChange};
use hoist_files::{
    Difference, FileKind, Home, PIPE, RemovalPolicy, Root, SOCKET, Scope, State, Store, digest,
    state,
};
use hoist_ledger::{Edit, JournalEntry, Reader};

use crate::recorded::was_found;
use crate::recorded::{CONTENTS, ledger_failure, place_of};
use hoist_git::own;
use hoist_guard::edits::Together;
use hoist_machine::machine::Machine;
use hoist_system::registry::Registry;
use hoist_system::resource::{ResourceChange, UndoConflict, is_package, managers_in};

/// What undoing a run's work on one module does.
#[derive(Debug, Clone)]
pub struct UndoPlan {
    /// The module, and what the run did to it.
    pub entry: JournalEntry,
    /// What becomes of files, and of how many: whole directories are told as one.
    pub told: Vec<(ItemChange, PathBuf, usize)>,
    /// What stands in the way.
    pub conflicts: Vec<UndoConflict>,
    /// What is not undone, a sentence each.
    pub remarks: Vec<String>,
    /// The packages that are removed, in words.
    pub packages: Vec<String>,
    /// The packages that are installed again, in words.
    pub reinstalled: Vec<String>,
    /// True where the run found the module installed by somebody else: nothing of it is removed.
    pub(crate) is_adopted: bool,
    /// From what is there now to what is there after that.
    pub(crate) due: Vec<Difference>,
    /// Files of others that the run edited and somebody changed since, with what they hold without
    /// the edit.
    pub(crate) merged: Vec<(PathBuf, Vec<u8>)>,
}

/// Decides what undoing a run does to each of its modules, in the order in which it is done.
/// Changes nothing.
///
/// # Errors
/// Something cannot be looked at.
pub fn plan_undo(
    registry: Registry,
    entries: &[JournalEntry],
    state_directory: &Path,
    machine: &Machine,
    own: &[PathBuf],
) -> Result<Vec<UndoPlan>, Failure> {
    let known = Known {
        registry,
        installed: hoist_ledger::read(state_directory).map_err(ledger_failure)?,
        reader: Reader::open(state_directory).map_err(ledger_failure)?,
        store: open(state_directory)?,
        own,
        machine,
    };
    let (mut view, mut contents) = (View::new(), BTreeMap::new());
    entries
        .iter()
        .map(|entry| plan_one(entry, &known, &mut view, &mut contents))
        .collect()
}

/// What decisions rest on beside the files.
struct Known<'a> {
    registry: Registry,
    installed: Installed,
    reader: Reader,
    store: Store,
    /// hoist's own directories.
    own: &'a [PathBuf],
    machine: &'a Machine,
}

/// What is there when the undo of a module begins, where the undo of an earlier one changes it.
type View = BTreeMap<PathBuf, Option<State>>;

/// The contents of such files, where no state is kept that had them.
type Contents = BTreeMap<PathBuf, Vec<u8>>;

fn plan_one(
    entry: &JournalEntry,
    known: &Known<'_>,
    view: &mut View,
    contents: &mut Contents,
) -> Result<UndoPlan, Failure> {
    let (told, conflicts, remarks, packages, reinstalled, due, merged) = Default::default();
    let looking = |error: std::io::Error| Failure::new(format!("cannot read {error}"));
    let record = known
        .installed
        .modules
        .get(&entry.module)
        .or_else(|| known.installed.unfinished.get(&entry.module));
    let is_adopted = !entry.was.is_installed() && record.is_some_and(|record| record.adopted);
    let mut plan = UndoPlan {
        entry: entry.clone(),
        told,
        conflicts,
        remarks,
        packages,
        reinstalled,
        is_adopted,
        due,
        merged,
    };
    let edits = known
        .reader
        .edits(&entry.module)
        .map_err(|error| Failure::new(error.to_string()))?;
    let edit_of = |path: &Path| {
        edits
            .iter()
            .find(|edit| edit.path == path && !edit.replaced)
    };
    for (difference, verdict) in judged(entry, &known.store, known.machine, view)? {
        let path = difference.path.clone();
        let now = match verdict {
            Verdict::Done => continue,
            Verdict::Lost(why) => {
                plan.remarks
                    .push(format!("{} is not restored: {why}", path.display()));
                continue;
            }
            Verdict::Due(now) => now,
            Verdict::Conflict(Some(now), _, true) if let Some(edit) = edit_of(&path) => {
                match without_edit(difference, edit, &known.store, contents.get(&path))? {
                    Some(merged) => {
                        let before = State {
                            digest: digest(merged.as_slice()).map_err(looking)?,
                            ..now.clone()
                        };
                        view.insert(path.clone(), Some(before));
                        contents.insert(path.clone(), merged.clone());
                        plan.merged.push((path, merged));
                    }
                    None => {
                        let why =
                            "it was modified since the run, in the lines that the run changed"
                                .to_owned();
                        plan.conflicts.push(UndoConflict {
                            path: path.clone(),
                            why,
                            can_be_forced: true,
                            remedy: None,
                        });
                        plan.due.push(Difference {
                            path,
                            before: difference.before.clone(),
                            after: Some(now),
                        });
                    }
                }
                continue;
            }
            Verdict::Conflict(now, why, can_be_forced) => {
                plan.conflicts.push(UndoConflict {
                    path: path.clone(),
                    why,
                    can_be_forced,
                    remedy: None,
                });
                now
            }
        };
        plan.due.push(Difference {
            path,
            before: difference.before.clone(),
            after: now,
        });
    }
    if !entry.was.is_installed() && !is_adopted {
        let rest = rest(entry, &plan.due, known, view)?;
        plan.due.extend(rest);
        plan.due.sort_by(|a, b| a.path.cmp(&b.path));
    }
    let is_free = |difference: &&Difference| {
        !plan
            .conflicts
            .iter()
            .any(|conflict| conflict.path == difference.path)
    };
    plan.told = grouped(
        plan.due
            .iter()
            .filter(is_free)
            .map(|difference| (item_change(difference), difference)),
    );
    plan.told.extend(
        plan.merged
            .iter()
            .map(|(path, _)| (ItemChange::Changed, path.clone(), 1)),
    );
    view.extend(
        plan.due
            .iter()
            .map(|difference| (difference.path.clone(), difference.before.clone())),
    );
    plan_packages(&mut plan, known, record.filter(|_| !is_adopted))?;
    Ok(plan)
}

/// Adds what undoing the run does to packages. `record` is what goes with the module now.
fn plan_packages(
    plan: &mut UndoPlan,
    known: &Known<'_>,
    record: Option<&InstalledModule>,
) -> Result<(), Failure> {
    let entry = &plan.entry;
    let is_removed = |record: &&InstalledModule| {
        !entry.was.is_installed() && is_package(known.registry, &record.removal)
    };
    let belongings = record
        .filter(is_removed)
        .map(|record| known.reader.belongings(&entry.module, &record.removal))
        .transpose()
        .map_err(ledger_failure)?;
    let written = belongings.map(|belongings| belongings.record);
    let change = ResourceChange {
        module: &entry.module,
        was: &entry.was,
        before: entry.was.removal(&entry.module),
        now: record.map(|record| &record.removal),
        source: record.map(|record| record.source.as_str()),
        record: &written.unwrap_or_default(),
        installed: &known.installed,
    };
    for manager in managers_in(known.registry, &change) {
        let packages = manager.plan_undo(&change)?;
        plan.packages.extend(packages.removed);
        plan.reinstalled.extend(packages.reinstalled);
        plan.remarks.extend(packages.remarks);
        for conflict in packages.conflicts {
            if !plan
                .conflicts
                .iter()
                .any(|other| other.path == conflict.path)
            {
                plan.conflicts.push(conflict);
            }
        }
    }
    Ok(())
}

/// What a file holds now without what a run had changed in it; nothing where somebody changed the
/// same lines since.
fn without_edit(
    difference: &Difference,
    edit: &Edit,
    store: &Store,
    known: Option<&Vec<u8>>,
) -> Result<Option<Vec<u8>>, Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("cannot read {error}"));
    let now = known
        .cloned()
        .map_or_else(|| std::fs::read(&edit.path), Ok)
        .map_err(wrong)?;
    // The second leaves what of the edit others may rely on.
    for before in difference.before.iter().chain([&edit.before]) {
        let [before, after] = [before, &edit.after].map(|state| store.bytes(&state.digest));
        if let Together::Merged(merged) =
            hoist_guard::edits::without(&before.map_err(wrong)?, &after.map_err(wrong)?, &now)
        {
            return Ok(Some(merged));
        }
    }
    Ok(None)
}

/// What else is known to be the module's, as it wrote it: modules that share a directory do not
/// know of each other's changes.
fn rest(
    entry: &JournalEntry,
    due: &[Difference],
    known: &Known<'_>,
    view: &View,
) -> Result<Vec<Difference>, Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("cannot read {error}"));
    let Known {
        installed,
        reader,
        own,
        machine,
        ..
    } = known;
    let record = installed
        .modules
        .get(&entry.module)
        .or_else(|| installed.unfinished.get(&entry.module));
    let Some(record) = record else {
        return Ok(Vec::new());
    };
    let belongings = reader
        .belongings(&entry.module, &record.removal)
        .map_err(|error| Failure::new(error.to_string()))?;
    let home = match record.removal.into.as_deref() {
        Some(into) if into.is_dir() => place_of(into, own).map_err(wrong)?,
        Some(_) => return Ok(Vec::new()),
        None => Home::open(&machine.home, own).map_err(wrong)?,
    };
    let found = Some(record).filter(|record| record.removal.tree.is_some());
    let mut paths: Vec<&PathBuf> = belongings
        .record
        .keys()
        .filter(|path| !found.is_some_and(|record| was_found(record, path)))
        .collect();
    paths.dedup_by(|path, last| path.starts_with(last));
    let roots: Vec<Root> = paths
        .into_iter()
        .map(|path| Root {
            path: path.clone(),
            scope: Scope::Recorded,
        })
        .collect();
    // What is put back stays, with the directories on the way to it.
    let back: BTreeSet<&Path> = due
        .iter()
        .filter(|due| due.before.is_some())
        .flat_map(|due| due.path.ancestors())
        .collect();
    let held = |path: &Path| {
        belongings
            .other_owners
            .get(path)
            .map(|name| format!("{name} also owns it"))
    };
    let shared = |path: &Path| belongings.shared.contains(path) || back.contains(path);
    let precious = |git: &Path| own::precious(git, machine);
    let removal = RemovalPolicy {
        record: &belongings.record,
        held: &held,
        shared: &shared,
        precious: &precious,
        purge: false,
    };
    let planned = home.plan_removal(&roots, &removal);
    let known: BTreeSet<&Path> = due
        .iter()
        .map(|difference| difference.path.as_path())
        .collect();
    let made: BTreeSet<&Path> = entry
        .differences
        .iter()
        .map(|difference| difference.path.as_path())
        .collect();
    let mut rest = Vec::new();
    let written: HashMap<&Path, bool> = entry.was.written().collect();
    let had_written = |path: &Path| written.get(path).copied().unwrap_or(entry.was.is_known());
    let is_left = |path: &Path| {
        known.contains(path) || back.contains(path) || view.contains_key(path) || had_written(path)
    };
    for path in planned.paths().filter(|path| !is_left(path)) {
        // The directory of a repository goes as one thing.
        if path
            .ancestors()
            .skip(1)
            .any(|above| above.ends_with(".git"))
        {
            continue;
        }
        let now = state(path).map_err(wrong)?;
        // A directory in which the run made something, and which it did not make itself, was there
        // before.
        let is_below = |below: &&&Path| below.starts_with(path);
        let was_there = || made.range(path..).next().filter(is_below).is_some();
        if now
            .as_ref()
            .is_some_and(|now| now.kind == FileKind::Directory)
            && was_there()
        {
            continue;
        }
        rest.extend(now.map(|now| Difference {
            path: path.to_owned(),
            before: None,
            after: Some(now),
        }));
    }
    Ok(rest)
}

/// What taking back makes of a path.
pub(crate) fn item_change(difference: &Difference) -> ItemChange {
    match (&difference.before, &difference.after) {
        (None, _) => ItemChange::Removed,
        (_, None) => ItemChange::Created,
        _ => ItemChange::Changed,
    }
}

/// Files by the outermost directories that come or go with them.
pub(crate) fn grouped<'d>(
    due: impl Iterator<Item = (ItemChange, &'d Difference)>,
) -> Vec<(ItemChange, PathBuf, usize)> {
    let mut sorted: Vec<(ItemChange, &Difference)> = due.collect();
    sorted.sort_by(|a, b| a.1.path.cmp(&b.1.path));
    let mut groups: Vec<(ItemChange, PathBuf, usize)> = Vec::new();
    // Whether the last of them is a directory.
    let mut is_open = false;
    for (
        item_change,
        Difference {
            path,
            before,
            after,
        },
    ) in sorted
    {
        let is_directory = before
            .as_ref()
            .or(after.as_ref())
            .is_some_and(|state| matches!(state.kind, FileKind::Directory | FileKind::Git));
        match groups.last_mut() {
            Some((last, directory, count))
                if is_open && *last == item_change && path.starts_with(&*directory) =>
            {
                *count += usize::from(!is_directory)
            }
            _ => {
                is_open = is_directory && item_change != ItemChange::Changed;
                groups.push((item_change, path.clone(), usize::from(!is_directory)));
            }
        }
    }
    groups
}

fn open(state: &Path) -> Result<Store, Failure> {
    Store::open(&state.join(CONTENTS))
        .map_err(|error| Failure::new(format!("cannot use the backups of files: {error}")))
}

enum Verdict {
    /// It is as the run left it: with what stands there now.
    Due(Option<State>),
    /// It is as it was before the run.
    Done,
    /// It does not come back, and why; that does not hold up the rest.
    Lost(String),
    /// With what stands there now, why it cannot be done, and whether it can be forced.
    Conflict(Option<State>, String, bool),
}

/// For each difference whether it can be taken back.
fn judged<'e>(
    entry: &'e JournalEntry,
    store: &Store,
    machine: &Machine,
    view: &View,
) -> Result<Vec<(&'e Difference, Verdict)>, Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("cannot read {error}"));
    let same = |one: &Option<State>, other: &Option<State>| match (one, other) {
        (Some(one), Some(other)) => is_same(one, other),
        (None, None) => true,
        _ => false,
    };
    let has_same_mode = |one: &Option<State>, other: &Option<State>| {
        one.as_ref().zip(other.as_ref()).is_none_or(|(one, other)| {
            (one.mode, one.owner) == (other.mode, other.owner) || one.kind == FileKind::Link
        })
    };
    let judge = |difference: &'e Difference| {
        let now = match view.get(&difference.path) {
            Some(known) => known.clone(),
            None => state(&difference.path).map_err(wrong)?,
        };
        let kept = |state: &State| match state.kind {
            FileKind::File | FileKind::Link => state.is_known() && store.has(&state.digest),
            FileKind::Directory => true,
            FileKind::Other => matches!(state.digest.as_str(), PIPE | SOCKET),
            FileKind::Git => false,
        };
        let verdict = match (&difference.before, &difference.after) {
            (Some(before), None) if !before.is_known() && before.kind == FileKind::Directory => {
                Verdict::Conflict(
                    now,
                    "git has repacked its repository since".to_owned(),
                    false,
                )
            }
            (before, _) if same(&now, before) && has_same_mode(&now, before) => Verdict::Done,
            // Whoever changed permissions since knows why.
            (before, after) if same(&now, before) && !has_same_mode(&now, after) => Verdict::Done,
            (Some(before), _) if before.kind == FileKind::Other && !kept(before) => {
                Verdict::Lost("it was a device, which is not created again".to_owned())
            }
            (Some(before), after) if !kept(before) => {
                let same = after
                    .as_ref()
                    .is_some_and(|after| before.has_same_contents(after));
                let why = "its content was not kept".to_owned();
                if same && same_kind(&now, after) {
                    Verdict::Done
                } else {
                    Verdict::Conflict(now, why, false)
                }
            }
            (_, after) if same(&now, after) => match &now {
                Some(now) if now.kind == FileKind::Git => {
                    match own::precious(&difference.path, machine) {
                        None => Verdict::Due(Some(now.clone())),
                        Some(why) => Verdict::Conflict(Some(now.clone()), why, false),
                    }
                }
                now => Verdict::Due(now.clone()),
            },
            // Git writes its index anew whenever it looks at the files.
            _ if now.is_some()
                && difference.path.ends_with(".git/index")
                && !own::has_staged_changes(&difference.path) =>
            {
                Verdict::Due(now.clone())
            }
            _ => {
                let why = if now.is_none() {
                    "it was removed since the run"
                } else {
                    "it was modified since the run"
                };
                Verdict::Conflict(now, why.to_owned(), true)
            }
        };
        Ok((difference, verdict))
    };
    entry.differences.iter().map(judge).collect()
}

fn same_kind(one: &Option<State>, other: &Option<State>) -> bool {
    one.as_ref().map(|state| state.kind) == other.as_ref().map(|state| state.kind)
}

/// True for the same thing; who owns it may have been changed by whoever works with it.
pub(crate) fn is_same(one: &State, other: &State) -> bool {
    let unread = !one.is_known() || !other.is_known();
    let is_directory = |kind| matches!(kind, FileKind::Directory | FileKind::Git);
    match one.kind {
        // That of a repository is looked into or not.
        FileKind::Directory | FileKind::Git => is_directory(other.kind),
        FileKind::Other => one.kind == other.kind,
        FileKind::File | FileKind::Link => {
            one.kind == other.kind && (unread || one.digest == other.digest)
        }
    }
}
