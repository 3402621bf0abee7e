//! Takes back what a past run did to files, as far as nobody has changed them since.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hoist_core::Module;
use hoist_executor::{Effect, Failure, Fate, Level, TaskContext};
use hoist_files::{Difference, Kind, Record, Removal, Root, Scope, State, Store, keep_copy, move_aside, put_back, state};
use hoist_ledger::Entry;

use crate::application;
use crate::builtin::{luarocks, pip};
use crate::git::own;
use crate::machine::Machine;
use crate::method::StepContext;
use crate::uninstall::was_found;
use crate::world::{CONTENTS, World};

/// Why something cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What.
    pub path: PathBuf,
    /// Why.
    pub why: String,
    /// True where it can be done all the same, with a copy of what stands there now.
    pub can_be_forced: bool,
}

/// What taking back a run's work on one module would come to.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    /// What would become of files, and of how many: whole directories are told as one.
    pub told: Vec<(Fate, PathBuf, usize)>,
    /// What stands in the way.
    pub conflicts: Vec<Conflict>,
    /// What is not taken back, a sentence each.
    pub remarks: Vec<String>,
}

/// Looks what taking back would come to, and changes nothing.
///
/// # Errors
/// Something cannot be looked at.
pub fn look_back(entries: &[Entry], state_directory: &Path, machine: &Machine) -> Result<Vec<Outlook>, Failure> {
    let store = open(state_directory)?;
    // What would stand there by then.
    let mut view = View::new();
    entries.iter().map(|entry| look_back_at(entry, &store, machine, &mut view)).collect()
}

type View = BTreeMap<PathBuf, Option<State>>;

fn look_back_at(entry: &Entry, store: &Store, machine: &Machine, view: &mut View) -> Result<Outlook, Failure> {
    let (mut outlook, mut due) = (Outlook::default(), Vec::new());
    for (difference, verdict) in judged(entry, store, machine, view)? {
        view.insert(difference.path.clone(), difference.before.clone());
        let path = difference.path.clone();
        match verdict {
            Verdict::Due(_) => due.push((fate(difference), difference)),
            Verdict::Done => {}
            Verdict::Conflict(why, can_be_forced) => outlook.conflicts.push(Conflict { path, why, can_be_forced }),
        }
    }
    outlook.told = grouped(due.into_iter());
    let removal = entry.was.removal();
    if let Some(rock) = removal.rock.filter(|_| entry.was.is_installed()) {
        let why = "a rock is not put back to a former version, nor installed again: install or update it by name".to_owned();
        outlook.conflicts.push(Conflict { path: rock.tree, why, can_be_forced: false });
    }
    if !removal.python.is_empty() && entry.was.is_installed() {
        outlook.remarks.push(format!("Python packages are not put back to former versions: {}", removal.python.join(", ")));
    }
    Ok(outlook)
}

/// What taking back makes of a path.
fn fate(difference: &Difference) -> Fate {
    match (&difference.before, &difference.after) {
        (None, _) => Fate::Removed,
        (_, None) => Fate::Created,
        _ => Fate::Changed,
    }
}

/// Files by the outermost directories that come or go with them.
fn grouped<'d>(due: impl Iterator<Item = (Fate, &'d Difference)>) -> Vec<(Fate, PathBuf, usize)> {
    let mut sorted: Vec<(Fate, &Difference)> = due.collect();
    sorted.sort_by(|a, b| a.1.path.cmp(&b.1.path));
    let mut groups: Vec<(Fate, PathBuf, usize)> = Vec::new();
    // Whether the last of them is a directory.
    let mut is_open = false;
    for (fate, Difference { path, before, after }) in sorted {
        let is_directory = before.as_ref().or(after.as_ref()).is_some_and(|state| matches!(state.kind, Kind::Directory | Kind::Git));
        match groups.last_mut() {
            Some((last, directory, count)) if is_open && *last == fate && path.starts_with(&*directory) => {
                *count += usize::from(!is_directory)
            }
            _ => {
                is_open = is_directory && fate != Fate::Changed;
                groups.push((fate, path.clone(), usize::from(!is_directory)));
            }
        }
    }
    groups
}

fn open(state: &Path) -> Result<Store, Failure> {
    Store::open(&state.join(CONTENTS)).map_err(|error| Failure::new(format!("what is kept of files cannot be used: {error}")))
}

enum Verdict {
    /// It is as the run left it: with what stands there now.
    Due(Option<State>),
    /// It is as it was before the run.
    Done,
    Conflict(String, bool),
}

/// For each difference whether it can be taken back.
fn judged<'e>(entry: &'e Entry, store: &Store, machine: &Machine, view: &View) -> Result<Vec<(&'e Difference, Verdict)>, Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("looking at {error}"));
    let same = |one: &Option<State>, other: &Option<State>| match (one, other) {
        (Some(one), Some(other)) => is_same(one, other),
        (None, None) => true,
        _ => false,
    };
    let has_same_mode = |one: &Option<State>, other: &Option<State>| {
        one.as_ref()
            .zip(other.as_ref())
            .is_none_or(|(one, other)| (one.mode, one.owner) == (other.mode, other.owner) || one.kind == Kind::Link)
    };
    let judge = |difference: &'e Difference| {
        let now = match view.get(&difference.path) {
            Some(known) => known.clone(),
            None => state(&difference.path).map_err(wrong)?,
        };
        let kept = |state: &State| match state.kind {
            Kind::File | Kind::Link => state.is_known() && store.has(&state.digest),
            Kind::Directory => true,
            Kind::Git | Kind::Other => false,
        };
        let verdict = match (&difference.before, &difference.after) {
            (before, _) if same(&now, before) && has_same_mode(&now, before) => Verdict::Done,
            // Whoever changed permissions since knows why.
            (before, after) if same(&now, before) && !has_same_mode(&now, after) => Verdict::Done,
            (Some(before), after) if !kept(before) => {
                let same = after.as_ref().is_some_and(|after| before.has_same_contents(after));
                let why = "what it held was not kept".to_owned();
                if same && same_kind(&now, after) { Verdict::Done } else { Verdict::Conflict(why, false) }
            }
            (_, after) if same(&now, after) => match &now {
                Some(now) if now.kind == Kind::Git => match own::precious(&difference.path, machine) {
                    None => Verdict::Due(Some(now.clone())),
                    Some(why) => Verdict::Conflict(why, false),
                },
                now => Verdict::Due(now.clone()),
            },
            _ => {
                let why = if now.is_none() { "it was removed since" } else { "it was changed since" };
                Verdict::Conflict(why.to_owned(), true)
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
fn is_same(one: &State, other: &State) -> bool {
    let unread = !one.is_known() || !other.is_known();
    match one.kind {
        Kind::Directory | Kind::Git | Kind::Other => one.kind == other.kind,
        Kind::File | Kind::Link => one.kind == other.kind && (unread || one.digest == other.digest),
    }
}

/// Takes back what a run did to one module.
pub(crate) fn undo(world: &World, module: &Module, task: &TaskContext) -> Result<Effect, Failure> {
    let (Some(ledger), Some(run)) = (&world.ledger, world.run) else { return Err(Failure::new("there is no ledger")) };
    let Some(entry) = world.undo.iter().find(|entry| entry.module == module.id) else {
        return Err(Failure::new("nothing is known of what is to be taken back"));
    };
    let wrong = |error: hoist_ledger::LedgerError| Failure::new(error.to_string());
    let store = world.store()?;
    let application = module.removal.application.as_ref().filter(|application| application.root.is_dir());
    let _alone = application.map(|application| application::lock(application, true, task)).transpose()?;
    let mut due: Vec<Difference> = Vec::new();
    let judged = judged(entry, store, &world.machine, &View::new())?;
    let in_the_way = judged.iter().find_map(|(difference, verdict)| match verdict {
        Verdict::Conflict(why, forced) if !(world.force && *forced) => Some(format!("{}: {why}", difference.path.display())),
        _ => None,
    });
    if let Some(why) = in_the_way {
        return Err(Failure::new(format!("nothing was taken back: {why}")));
    }
    let was = world.memento(module)?;
    for (difference, verdict) in judged {
        let (path, before) = (&difference.path, &difference.before);
        let now = match verdict {
            Verdict::Done => continue,
            Verdict::Due(now) => now,
            Verdict::Conflict(..) => aside(path, task)?,
        };
        due.push(Difference { path: path.clone(), before: before.clone(), after: now });
    }
    let context = StepContext { record: &Record::new(), ..world.context(module, task) };
    leave_packages(module, entry, &context)?;
    // What stands there now can come back as well.
    for difference in due.iter().filter(|difference| difference.after.as_ref().is_some_and(|now| now.kind == Kind::File)) {
        hoist_files::keep(&difference.path, store).map_err(|error| Failure::new(format!("keeping what is there: {error}")))?;
    }
    store.flush().map_err(|error| Failure::new(error.to_string()))?;
    // Before it is done, so that it can be taken back however far it comes.
    ledger.journal(run, &module.id, &was, &due.iter().map(reversed).collect::<Vec<_>>()).map_err(wrong)?;
    let failed = put_back(&due.iter().collect::<Vec<_>>(), store);
    // A directory that somebody has something in stays.
    let (stayed, failed): (Vec<_>, Vec<_>) = failed.into_iter().partition(|(path, _)| {
        let removed = due.iter().any(|difference| difference.path == *path && difference.before.is_none());
        removed && path.is_dir()
    });
    for (path, _) in &stayed {
        task.item(Fate::Kept, path.display().to_string(), Some("something is in it that the run did not put there".to_owned()));
    }
    let done = due.iter().filter(|difference| !stayed.iter().chain(&failed).any(|(path, _)| *path == difference.path));
    for (fate, path, count) in grouped(done.map(|difference| (fate(difference), difference))) {
        task.item(fate, path.display().to_string(), (count > 1).then(|| format!("{count} files")));
    }
    if let Some((path, error)) = failed.first() {
        return Err(Failure::new(format!("{}: {error}; what could be taken back was", path.display())));
    }
    if !entry.was.is_installed() {
        leave_rest(world, module, task)?;
    }
    ledger.revert(run, &module.id, &entry.was).map_err(wrong)?;
    // And what the ledger says of the module's files now.
    ledger.journal_again(run, &module.id, &was).map_err(wrong)?;
    let version = |version: Option<&str>| version.map(str::to_owned);
    task.version(version(was.version()), version(entry.was.version()));
    Ok(Effect::Changed)
}

/// Takes away what else is known to be the module's, as it wrote it: modules that share a directory do not know of each other's changes.
fn leave_rest(world: &World, module: &Module, task: &TaskContext) -> Result<(), Failure> {
    let Some(ledger) = &world.ledger else { return Ok(()) };
    let belongings = ledger.belongings(&module.id).map_err(|error| Failure::new(error.to_string()))?;
    let Some(into) = module.removal.into.clone().or_else(|| Some(world.machine.home.clone())).filter(|into| into.is_dir()) else {
        return Ok(());
    };
    let home = world.home_of(module.removal.into.as_ref().map(|_| into.as_path()))?;
    let known = ledger.installed().map_err(|error| Failure::new(error.to_string()))?;
    let found = known.modules.get(&module.id).filter(|record| record.removal.application.is_some());
    let mut paths: Vec<&PathBuf> = belongings.record.keys().filter(|path| !found.is_some_and(|record| was_found(record, path))).collect();
    paths.dedup_by(|path, last| path.starts_with(*last));
    let roots: Vec<Root> = paths.into_iter().map(|path| Root { path: path.clone(), scope: Scope::Recorded }).collect();
    let held = |path: &Path| belongings.holders.get(path).map(|name| format!("{name} has it too"));
    let shared = |path: &Path| belongings.shared.contains(path);
    let precious = |git: &Path| own::precious(git, &world.machine);
    let removal = Removal { record: &belongings.record, held: &held, shared: &shared, precious: &precious, purge: false, act: true };
    for (path, count) in home.remove(&roots, &removal).gone.into_iter().filter(|(_, count)| *count > 0) {
        let files = if count == 1 { "one file".to_owned() } else { format!("{count} files") };
        task.item(Fate::Removed, path.display().to_string(), Some(files));
    }
    Ok(())
}

/// What taking back did, as a difference of its own.
fn reversed(difference: &Difference) -> Difference {
    Difference { path: difference.path.clone(), before: difference.after.clone(), after: difference.before.clone() }
}

/// Copies what stands in the way aside, and returns what stands there after that.
fn aside(path: &Path, task: &TaskContext) -> Result<Option<State>, Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("copying aside {error}"));
    let now = state(path).map_err(wrong)?;
    let copy = match &now {
        None => return Ok(None),
        Some(now) if now.kind == Kind::File => {
            let contents = std::fs::read(path).map_err(wrong)?;
            keep_copy(path, &contents, now.mode).map_err(wrong)?
        }
        Some(_) => move_aside(path, path).map_err(wrong)?,
    };
    task.item(Fate::Kept, copy.display().to_string(), Some(format!("it is {} as it was changed since", path.display())));
    state(path).map_err(wrong)
}

/// Packages that the run had brought go again; former versions of what was there before do not come back.
fn leave_packages(module: &Module, entry: &Entry, context: &StepContext<'_>) -> Result<(), Failure> {
    let (was, now) = (entry.was.removal(), &module.removal);
    if let Some(rock) = now.rock.as_ref().filter(|_| !entry.was.is_installed()) {
        return luarocks::remove(rock, module.id.as_str(), None, false, context);
    }
    if now.rock.is_some() || was.rock.is_some() {
        return Err(Failure::new("a rock is not put back to a former version, nor installed again: install or update it by name"));
    }
    let brought: Vec<String> = now.python.iter().filter(|name| !was.python.contains(name)).cloned().collect();
    match (&now.target, brought.is_empty()) {
        (Some(target), false) => pip::uninstall(context, target, &brought)?,
        _ if !was.python.is_empty() => {
            context.task.note(Level::Warning, format!("Python packages stay in the version that they have: {}", was.python.join(", ")));
        }
        _ => {}
    }
    Ok(())
}
