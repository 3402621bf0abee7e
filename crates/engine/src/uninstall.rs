//! Takes a module off the machine: what it is known to have written, and what it declares to be its
//! own; never more.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;

use hoist_core::{
    Action, Installed, InstalledModule, Module, ModuleId, ProtectedTree, Step, UninstallSpec,
};
use hoist_executor::{Effect, Failure, ItemChange, Level, TaskContext};
use hoist_files::{
    Difference, Home, PlannedRemoval, Record, RemovalPolicy, Removed, Root, Scope, Snapshot,
    SnapshotOptions, Store, pending, rename_new,
};
use hoist_ledger::{DisplacedPath, Disposal, Edit, OwnedFiles, Rollback};

use crate::config;
use crate::recorded::{ledger_failure, was_found};
use crate::run_context::{BoundStep, RunContext, refuse_unsettled};
use hoist_git::own;
use hoist_guard::around::is_startup_file;
use hoist_guard::protect::{
    Before, drop_copies, give_back, give_back_permissions, protect_uninstall, take_out, tell_left,
};
use hoist_guard::rollback::{EndOfRun, FilesBefore, roll_back as roll_back_files};
use hoist_guard::session::GuardSession;
use hoist_guard::watch::{KEPT, around, spare_repositories, takes};
use hoist_guard::{displaced, tree as guard};
use hoist_machine::machine::Machine;
use hoist_system::context::StepContext;
use hoist_system::method::RemovalReport;
use hoist_system::registry::Registry;
use hoist_system::resource::{PackageMove, Told, is_package, package_of, remove_resources};

/// So many files are written down as removed by name; of more only the directory.
const NAMED: usize = 1;

/// Removes a module: its own function first, then its packages, its configuration files, its files.
pub fn uninstall(
    world: &RunContext,
    module: &Module,
    record: Option<&InstalledModule>,
    steps: &mut [BoundStep],
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let (Some(ledger), Some(run)) = (&world.ledger, world.run) else {
        return Err(Failure::new("no ledger is open"));
    };
    refuse_unsettled(ledger, &module.id)?;
    let was = ledger.memento(&module.id).map_err(ledger_failure)?;
    let configs = ledger.configs_of(&module.id).map_err(ledger_failure)?;
    let stages: Vec<PathBuf> = configs
        .iter()
        .flat_map(|record| config::stages_of(&record.path))
        .collect();
    let removal = record.map_or(&module.removal, |record| &record.removal);
    // A place that is gone is not made anew for a removal.
    let home = world.home_of(removal.into.as_deref().filter(|into| into.is_dir()))?;
    let tree = removal.tree.as_ref().filter(|tree| tree.root.is_dir());
    let _alone = tree.map(|tree| guard::lock(tree, true, task)).transpose()?;
    let mut guarding = tree
        .map(|tree| world.guard(tree, &module.id, true))
        .transpose()?;
    let mut places = places(module, record, ledger, tree, world.purge)?;
    // What is claimed and can never be removed need not be looked at where it may be the whole file
    // system.
    let is_wide = |path: &Path| path.components().count() <= 2 || home.path().starts_with(path);
    places.retain(|path| home.place(path).is_ok() || !is_wide(path));
    let before = keep(&places, None, Some(world.store()?))?;
    world
        .store()?
        .sync()
        .map_err(|error| Failure::new(error.to_string()))?;
    let recorded = FilesBefore {
        excluded: ledger
            .recorded_by_others(&module.id, &places)
            .map_err(ledger_failure)?,
        configs: configs.iter().map(|config| config.path.clone()).collect(),
        stages,
        is_complete: removal.owned().next().is_none(),
        roots: places.clone(),
        before: before.clone(),
        ..FilesBefore::default()
    };
    let recorded = if is_package(world.registry, removal) {
        FilesBefore {
            is_complete: false,
            ..FilesBefore::default()
        }
    } else {
        recorded
    };
    let is_covered = recorded.is_complete;
    let bytes = recorded.to_bytes().map_err(|error| {
        Failure::new(format!("cannot record the files of {}: {error}", module.id))
    })?;
    ledger
        .begin_removal(
            run,
            &module.id,
            &Rollback {
                files: &bytes,
                displaced: &[],
                is_durable: true,
            },
        )
        .map_err(ledger_failure)?;
    let (mut waiting, mut trash, mut has_script) = (Vec::new(), Vec::new(), false);
    let mut around_removal = world.removals.take(&module.id);
    let mut outside = Vec::new();
    let mut has_packages = is_package(world.registry, removal);
    let mut work = || -> Result<(), Failure> {
        let adopted = record.is_some_and(|record| record.adopted) && !world.purge;
        if !adopted {
            if let Some(removal) = record.map(|record| &record.removal)
                && let Some(function) = removal.function.as_ref().filter(|_| steps.is_empty())
            {
                let there = removal.root.iter().find(|root| root.is_dir());
                let help = there
                    .map(|root| format!("; it was installed from {}", root.display()))
                    .unwrap_or_default();
                task.note(
                    Level::Warning,
                    format!("{function} was not run: its script is not in this collection{help}"),
                );
            }
            if !steps.is_empty() {
                has_script = true;
                outside = match run_scripts(world, module, steps, task) {
                    Err(failure) if may_go_without(world, task) => {
                        without_script(module, &recorded, world.store()?, &failure, task)?;
                        Vec::new()
                    }
                    Err(failure) if !task.is_cancelled() || task.has_timed_out() => {
                        let help = "fix it, or add --purge to remove the module without it";
                        return Err(Failure {
                            message: format!("{} ({help})", failure.message),
                            ..failure
                        });
                    }
                    ran => ran?,
                };
            }
            if let Some(removal) = &mut around_removal {
                removal.before(world, module, task)?;
            }
        }
        let mut belongings = ledger
            .belongings(&module.id, &module.removal)
            .map_err(ledger_failure)?;
        let mut known = BTreeSet::new();
        if has_script && tree.is_none() && !world.purge {
            known = protect(
                &places,
                &before,
                &belongings,
                &recorded.excluded,
                world.store()?,
                task,
            )?;
        }
        if let Some(record) = record.filter(|record| record.removal.tree.is_some() && !world.purge)
        {
            if let Some(first) = belongings.record.keys().next().filter(|_| adopted) {
                let why = "it existed before the install; add --purge to remove it".to_owned();
                task.item(
                    ItemChange::Preserved,
                    first.display().to_string(),
                    Some(why),
                );
            }
            belongings.record.retain(|path, _| !was_found(record, path));
        }
        if let Some(guarding) = guarding.as_mut().filter(|_| !adopted) {
            known = leave_tree(world, module, removal, guarding, &mut belongings, task)?;
        }
        let context = StepContext {
            record: &belongings.record,
            ..world.context(module, task)
        };
        for (item_change, subject, reason) in remove_resources(
            world.registry,
            &context,
            module,
            record,
            &belongings,
            adopted,
            true,
        )? {
            has_packages |= item_change == ItemChange::Removed;
            task.item(item_change, subject, reason);
        }
        task.check()?;
        let mut planned = plan_files(
            world.registry,
            &home,
            module,
            record,
            &belongings,
            &world.machine,
            world.purge,
        );
        trash = planned.displace(world, module);
        if !trash.is_empty() {
            ledger
                .displace(&module.id, &trash)
                .map_err(ledger_failure)?;
        }
        if tree.is_none() {
            give_back(&belongings.edits, world.store()?, task)?;
            take_out(&belongings.edits, world.store()?, task)?;
            drop_copies(&belongings.edits, ledger)?;
        }
        let (told, failed) = planned.carry_out(&home, &belongings, world.purge, &trash);
        let count = failed.len();
        if let Some(guarding) = &guarding {
            waiting = let_in(&belongings.record, guarding, task)?;
        }
        // What was put back is told once.
        for (item_change, subject, reason) in told
            .into_iter()
            .filter(|(_, subject, _)| !known.contains(subject))
        {
            task.item(item_change, subject, reason);
        }
        match failed.into_iter().next() {
            None => Ok(()),
            Some((path, why)) => {
                let more = if count > 1 {
                    format!(" (and {} more)", count - 1)
                } else {
                    String::new()
                };
                Err(Failure::new(format!("{}: {why}{more}", path.display())))
            }
        }
    };
    let mut worked = work();
    if let (Err(failure), Some(guarding)) = (&mut worked, guarding.as_mut()) {
        failure.message += &match guarding.guard.revert() {
            Ok(_) => format!("; the {} was not changed", guarding.guard.tree().noun),
            Err(more) => format!("; {}", more.message),
        };
    }
    match worked {
        Ok(()) => {
            if let Some(guarding) = &guarding {
                ledger
                    .pass_on(&module.id, &guarding.edits)
                    .map_err(ledger_failure)?;
            }
            for (other, path) in &waiting {
                let mut record = ledger.record(other).map_err(ledger_failure)?;
                if let Some(recorded) = record.remove(&pending(path)) {
                    record.insert(path.clone(), recorded);
                }
                ledger.put_record(other, &record).map_err(ledger_failure)?;
            }
            let mut differences = before.differences(&keep(&places, Some(&before), None)?);
            differences.extend(outside);
            if let Some(guarding) = &mut guarding {
                differences.extend(guarding.guard.differences(true)?);
            }
            let left = ledger
                .finish_removal(run, &module.id, &was, &differences)
                .map_err(ledger_failure)?;
            displaced::discard(&home, &trash, &Record::new(), &world.machine, task);
            remove_left(
                world,
                &home,
                left,
                places
                    .iter()
                    .chain(trash.iter().map(|displaced| &displaced.path)),
            );
            let differences = before.differences(&keep(&places, Some(&before), None)?);
            let edited = ledger.edited_with(&module.id).map_err(ledger_failure)?;
            world.journal(module, &was, &differences)?;
            ledger.settle(&module.id).map_err(ledger_failure)?;
            report_left_lines(world, &edited, task)?;
            let adopted = record.is_some_and(|record| record.adopted) && !world.purge;
            let has_uninstaller = guarding.is_some() && !adopted;
            let is_gone = has_script
                || has_packages
                || !differences.is_empty()
                || around_removal
                    .as_ref()
                    .is_some_and(|removal| removal.has_after())
                || has_uninstaller;
            if let Some(guarding) = &mut guarding {
                guarding.guard.end(task);
            }
            task.version(record.and_then(|record| record.version.clone()), None);
            if let Some(removal) = &mut around_removal {
                let removed = |failure: Failure| {
                    Failure::new(format!("it is removed, but {}", failure.message))
                };
                removal.after(world, module, task).map_err(removed)?;
            }
            if is_gone {
                return Ok(Effect::Changed);
            }
            task.note(Level::Warning, "nothing was removed: no files or packages that only this module installed are left");
            Ok(Effect::Unchanged)
        }
        Err(mut failure) => {
            let intact = record.is_some_and(|record| {
                record.policy().is_recorded_whole
                    && record.ever_installed
                    && record
                        .files
                        .iter()
                        .all(|path| path.symlink_metadata().is_ok())
            });
            let restored = guarding.is_none()
                && is_covered
                && roll_back(&recorded, &trash, world.store()?, &mut failure);
            if restored {
                ledger.roll_back(&module.id).map_err(ledger_failure)?;
                return Err(failure);
            }
            for displaced in displaced::present(&trash) {
                if let Err(error) = displaced::merge_back(&displaced.kept, &displaced.path) {
                    task.note(
                        Level::Warning,
                        format!(
                            "{} is still at {}: {error}",
                            displaced.path.display(),
                            displaced.kept.display()
                        ),
                    );
                }
            }
            ledger
                .fail_removal(&module.id, intact)
                .map_err(ledger_failure)?;
            // What is gone all the same can be brought back.
            let differences = before.differences(&keep(&places, Some(&before), None)?);
            if !differences.is_empty() {
                world.journal(module, &was, &differences)?;
            }
            if let Some(guarding) = &mut guarding {
                guarding.guard.end(task);
            }
            Err(failure)
        }
    }
}

/// Runs the scripts of a removal. Returns what they changed outside of the directories that the
/// module declares.
fn run_scripts(
    world: &RunContext,
    module: &Module,
    steps: &mut [BoundStep],
    task: &TaskContext,
) -> Result<Vec<Difference>, Failure> {
    let store = world.store()?;
    let inside = world.around.enter(store)?;
    let context = world.context(module, task);
    let ran = steps
        .iter_mut()
        .try_for_each(|step| step.method.apply(&context).map(drop));
    let outside = inside.leave()?;
    if let Err(mut failure) = ran {
        if let Some(outside) = outside.filter(|outside| outside.is_alone) {
            failure.message += &outside.revert(store);
        }
        return Err(failure);
    }
    let record = match &world.ledger {
        Some(ledger) => ledger.record(&module.id).map_err(ledger_failure)?,
        None => Record::new(),
    };
    Ok(outside
        .map(|outside| outside.settle(&record, false, task).differences)
        .unwrap_or_default())
}

/// Reports lines that the scripts of a module added to files of the shell and that are still there.
fn report_left_lines(
    world: &RunContext,
    edited: &[Difference],
    task: &TaskContext,
) -> Result<(), Failure> {
    let mut reported = BTreeSet::new();
    for Difference {
        path,
        before,
        after,
    } in edited.iter().rev()
    {
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        if !is_startup_file(path, &world.machine.home) || !reported.insert(path) {
            continue;
        }
        let store = world.store()?;
        let texts = [before, after].map(|state| {
            store
                .bytes(&state.digest)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        });
        let (Ok(before), Ok(after)) = (&texts[0], &texts[1]) else {
            continue;
        };
        let now = std::fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let is_left = |line: &&str| {
            !line.trim().is_empty()
                && !before.lines().any(|old| old == *line)
                && now.lines().any(|now| now == *line)
        };
        if let Some(line) = after.lines().find(is_left) {
            let why = format!(
                "a script of the module added lines to it, such as `{}`; remove them if they are no longer needed",
                line.trim()
            );
            task.item(
                ItemChange::NeedsAttention,
                path.display().to_string(),
                Some(why),
            );
        }
    }
    Ok(())
}

/// Whether a module whose uninstaller has failed is removed without it: not where the run was
/// interrupted.
fn may_go_without(world: &RunContext, task: &TaskContext) -> bool {
    world.purge && (!task.is_cancelled() || task.has_timed_out())
}

/// Takes back what the script of a removal did before it failed, so that the removal goes on
/// without it.
fn without_script(
    module: &Module,
    files: &FilesBefore,
    store: &Store,
    failure: &Failure,
    task: &TaskContext,
) -> Result<(), Failure> {
    let why = if task.has_timed_out() {
        format!("{} did not finish in time", module.words.uninstall)
    } else {
        failure.message.clone()
    };
    task.note(
        Level::Warning,
        format!("{why}; the module is removed without it"),
    );
    task.finish_after_timeout();
    let done = roll_back_files(files, &[], EndOfRun::NOW, store, Path::new("/nonexistent"));
    match done.failed.first() {
        None => Ok(()),
        Some((path, why)) => Err(Failure::new(format!(
            "{}: {}: {why}",
            module.id,
            path.display()
        ))),
    }
}

/// Removes the directories that are nobody's any more where they are empty: those that this removal
/// leaves, and those around its `paths` that an earlier one could not remove because of it.
fn remove_left<'p>(
    world: &RunContext,
    home: &Home,
    left: Vec<PathBuf>,
    paths: impl Iterator<Item = &'p PathBuf>,
) {
    let mut waiting = world.left.lock().unwrap_or_else(PoisonError::into_inner);
    let around: BTreeSet<PathBuf> = paths
        .flat_map(|path| path.ancestors().skip(1))
        .filter(|path| waiting.contains(*path))
        .map(Path::to_owned)
        .collect();
    let all: BTreeSet<PathBuf> = left.into_iter().chain(around).collect();
    let roots: Vec<Root> = all
        .iter()
        .map(|path| Root {
            path: path.clone(),
            scope: Scope::IfEmpty,
        })
        .collect();
    let removal = RemovalPolicy {
        record: &Record::new(),
        held: &|_| None,
        shared: &|_| false,
        precious: &|_| None,
        purge: false,
    };
    home.remove(&roots, &removal);
    for path in all {
        match path.symlink_metadata().is_ok() {
            true => drop(waiting.insert(path)),
            false => drop(waiting.remove(&path)),
        }
    }
}

/// Puts back what the script of a module has taken of others, and of what somebody had changed or
/// added. Returns the paths that were reported.
fn protect(
    places: &[PathBuf],
    before: &Snapshot,
    belongings: &OwnedFiles,
    others: &[PathBuf],
    store: &Store,
    task: &TaskContext,
) -> Result<BTreeSet<String>, Failure> {
    let mut differences = before.differences(&keep(places, Some(before), Some(store))?);
    spare_repositories(&mut differences);
    let others: HashSet<&Path> = others.iter().map(PathBuf::as_path).collect();
    // A configuration file that is as hoist put it there is the module's.
    let is_own = |difference: &Difference| {
        let config = belongings
            .configs
            .iter()
            .find(|config| config.path == difference.path);
        config
            .zip(difference.before.as_ref())
            .is_some_and(|(config, before)| config.digest == before.digest)
    };
    let is_passing = |path: &Path| {
        path.components()
            .any(|part| matches!(part.as_os_str().to_str(), Some(".git" | "__pycache__")))
    };
    differences.retain(|difference| {
        let is_known = difference
            .before
            .as_ref()
            .is_some_and(|before| before.is_known());
        is_known
            && !others.contains(difference.path.as_path())
            && !is_own(difference)
            && !is_passing(&difference.path)
    });
    let none = BTreeMap::new();
    let edits = belongings.edits.clone();
    let before = Before {
        differences: &differences,
        record: &belongings.record,
        others: &none,
        edits,
        store,
        roots: places,
    };
    Ok(protect_uninstall(before, None, task)?.kept)
}

/// Restores the files of a removal that failed. Returns false where not all of them are what they
/// were.
fn roll_back(
    recorded: &FilesBefore,
    trash: &[DisplacedPath],
    store: &Store,
    failure: &mut Failure,
) -> bool {
    let done = roll_back_files(
        recorded,
        trash,
        EndOfRun::NOW,
        store,
        Path::new("/nonexistent"),
    );
    match done.is_complete() {
        true => failure.message += "; nothing was removed",
        false => {
            failure.message += &done
                .failed
                .first()
                .map(|(path, why)| {
                    format!(
                        "; removed files cannot be restored: {}: {why}",
                        path.display()
                    )
                })
                .unwrap_or_default()
        }
    }
    done.is_complete()
}

/// Where another module's version had to wait beside a file that is gone now, it takes its place.
/// Returns which, and whose they are.
fn let_in(
    record: &Record,
    guarding: &GuardSession<'_>,
    task: &TaskContext,
) -> Result<Vec<(ModuleId, PathBuf)>, Failure> {
    let mut waiting = Vec::new();
    for (path, _) in record
        .iter()
        .filter(|(path, _)| path.symlink_metadata().is_err())
    {
        let Some(other) = guarding
            .others
            .get(&pending(path))
            .filter(|_| pending(path).is_file())
        else {
            continue;
        };
        let Ok(other) = ModuleId::new(other) else {
            continue;
        };
        rename_new(&pending(path), path).map_err(|error| Failure::new(error.to_string()))?;
        task.item(
            ItemChange::Changed,
            path.display().to_string(),
            Some(format!(
                "replaced by the new version of {other}, which was next to it"
            )),
        );
        waiting.push((other, path.clone()));
    }
    Ok(waiting)
}

/// Everything that a removal may take away, but for what is watched of a tree.
fn places(
    module: &Module,
    record: Option<&InstalledModule>,
    ledger: &hoist_ledger::Ledger,
    tree: Option<&ProtectedTree>,
    purge: bool,
) -> Result<Vec<PathBuf>, Failure> {
    let record_of_files = ledger.record(&module.id).map_err(ledger_failure)?;
    let removal = record.map_or(&module.removal, |record| &record.removal);
    // What was there before hoist stays.
    let own = !record.is_some_and(|record| record.adopted);
    let mut paths: Vec<PathBuf> = record_of_files
        .into_keys()
        .chain(record.into_iter().flat_map(|record| record.paths.clone()))
        .collect();
    paths.retain(|_| own || purge);
    paths.extend(
        module
            .removal
            .paths
            .iter()
            .chain(&removal.paths)
            .filter(|_| own || purge)
            .cloned(),
    );
    for config in ledger.configs_of(&module.id).map_err(ledger_failure)? {
        paths.extend(config.original);
        // With the copies of former versions beside it: what is not known to have been there would
        // count as the removal's work.
        paths.extend(around(std::slice::from_ref(&config.path)));
    }
    // Files of others that it edited are restored.
    let edits = ledger.edits(&module.id).map_err(ledger_failure)?;
    paths.extend(
        edits
            .into_iter()
            .filter(|edit| !edit.replaced)
            .map(|edit| edit.path),
    );
    paths.retain(|path| {
        !tree.is_some_and(|tree| tree.watch.iter().any(|watched| path.starts_with(watched)))
    });
    paths.sort();
    paths.dedup_by(|path, last| path.starts_with(last));
    Ok(paths)
}

fn keep(
    places: &[PathBuf],
    former: Option<&Snapshot>,
    store: Option<&Store>,
) -> Result<Snapshot, Failure> {
    let room = AtomicU64::new(KEPT);
    let read = |_: &Path, size: u64| takes(&room, size);
    let taking = SnapshotOptions {
        former,
        store,
        read: &read,
        git: &|_| true,
        ..SnapshotOptions::PLAIN
    };
    Snapshot::take(places, &taking).map_err(|error| Failure::new(format!("cannot read {error}")))
}

/// Lets the steps that remove a module from a protected tree do their work, and puts back what they
/// took of others. Where one fails, everything stays as it was. Returns the paths that were reported
/// to stay.
fn leave_tree(
    world: &RunContext,
    module: &Module,
    removal: &UninstallSpec,
    guarding: &mut GuardSession<'_>,
    belongings: &mut OwnedFiles,
    task: &TaskContext,
) -> Result<BTreeSet<String>, Failure> {
    let tree = guarding.guard.tree();
    let answer = match run_removal_steps(
        world.registry,
        &removal.steps,
        &world.context(module, task),
    ) {
        Ok(answer) => answer,
        Err(failure) => {
            let is_over = task.has_timed_out();
            if !may_go_without(world, task) {
                let help = "fix it, add --purge to remove the module without it, or run `hoist undo` to undo the install";
                return Err(Failure {
                    message: format!("{} ({help})", failure.message),
                    ..failure
                });
            }
            task.finish_after_timeout();
            guarding.guard.revert()?;
            let why = if is_over {
                "its uninstaller did not finish in time"
            } else {
                failure.message.as_str()
            };
            task.note(
                Level::Warning,
                format!("{why}; the module is removed without it"),
            );
            RemovalReport::default()
        }
    };
    let differences = guarding.guard.differences(true)?;
    let (store, edits) = (guarding.guard.store(), guarding.edits.clone());
    let own = &tree.directory;
    let roots = &tree.watch;
    let before = Before {
        differences: &differences,
        record: &belongings.record,
        others: &guarding.others,
        edits,
        store,
        roots,
    };
    let protected = protect_uninstall(before, Some(own.as_path()).filter(|_| world.purge), task)?;
    give_back(&protected.edits, store, task)?;
    match answer.has_messages && !world.purge {
        true => tell_left(&protected.edits, task)?,
        false => take_out(&protected.edits, store, task)?,
    }
    give_back_permissions(&guarding.edits, task)?;
    world
        .ledger
        .as_ref()
        .map_or(Ok(()), |ledger| drop_copies(&guarding.edits, ledger))?;
    // What an uninstaller that has something to say leaves, it leaves for a reason.
    if answer.has_messages && !world.purge {
        let left = belongings.record.iter().filter(|(path, recorded)| {
            !path.starts_with(own)
                && recorded.kind != hoist_files::FileKind::Directory
                && path.symlink_metadata().is_ok()
        });
        let known = |path: &Path| {
            protected.kept.contains(&path.display().to_string())
                || answer.left.iter().any(|left| left == path)
        };
        let (told, left): (Vec<PathBuf>, Vec<PathBuf>) = left
            .map(|(path, _)| path.clone())
            .partition(|path| known(path));
        let mut stays: BTreeSet<PathBuf> = told
            .iter()
            .flat_map(|path| path.ancestors())
            .map(Path::to_owned)
            .collect();
        for path in left {
            stays.extend(path.ancestors().map(Path::to_owned));
            let why =
                "not removed by the uninstaller; remove it yourself if it is not needed".to_owned();
            task.item(
                ItemChange::NeedsAttention,
                path.display().to_string(),
                Some(why),
            );
        }
        belongings.record.retain(|known, _| !stays.contains(known));
    }
    Ok(protected.kept)
}

/// Applies the recorded steps of a removal.
fn run_removal_steps(
    registry: Registry,
    steps: &[Step],
    context: &StepContext<'_>,
) -> Result<RemovalReport, Failure> {
    let mut report = RemovalReport::default();
    for step in steps {
        let mut method = registry.method_of(step).map_err(Failure::new)?;
        let told = method.apply(context)?.removal.unwrap_or_default();
        report.has_messages |= told.has_messages;
        report.left.extend(told.left);
    }
    Ok(report)
}

/// Takes away what is there of a module from its former source, now that it is there from another:
/// `old` is what that consisted of, `new` what this does.
pub(crate) fn leave_former(
    world: &RunContext,
    module: &Module,
    former: &InstalledModule,
    old: &Record,
    new: &Record,
    task: &TaskContext,
) -> Result<(), Failure> {
    if let Some((manager, resource)) = package_of(world.registry, &former.removal) {
        let context = StepContext {
            record: old,
            ..world.context(module, task)
        };
        let installed = world
            .ledger
            .as_ref()
            .map_or(Ok(Installed::default()), |ledger| ledger.installed())
            .map_err(ledger_failure)?;
        let destination = PackageMove {
            now: &module.removal.resources,
            is_same_source: former.source == module.source,
            installed: &installed,
        };
        return manager.leave(resource, former.version.as_deref(), &destination, &context);
    }
    let Some(into) = former.removal.into.as_deref().filter(|into| into.is_dir()) else {
        return Ok(());
    };
    let home = world.home_of(Some(into))?;
    let roots = former.paths.iter().filter(|path| !new.contains_key(*path));
    let roots: Vec<Root> = roots
        .map(|path| Root {
            path: path.clone(),
            scope: Scope::Recorded,
        })
        .collect();
    let precious = |git: &Path| own::precious(git, &world.machine);
    let removal = RemovalPolicy {
        record: old,
        held: &|_| None,
        shared: &|_| false,
        precious: &precious,
        purge: false,
    };
    let removed = home.remove(&roots, &removal);
    if let Some((path, why)) = removed
        .kept
        .iter()
        .find(|(path, _)| removed.failed.contains(path))
    {
        return Err(Failure::new(format!("{}: {why}", path.display())));
    }
    for (path, why) in removed.kept {
        task.item(ItemChange::Preserved, path.display().to_string(), Some(why));
    }
    // What stays there would be loaded in place of the new one.
    for root in roots
        .iter()
        .filter(|root| root.path.symlink_metadata().is_ok())
    {
        let aside = hoist_files::move_aside(&root.path, &root.path)
            .map_err(|error| Failure::new(error.to_string()))?;
        let why = format!(
            "left over from {}; it would still be loaded",
            root.path.display()
        );
        task.item(
            ItemChange::Preserved,
            aside.display().to_string(),
            Some(why),
        );
    }
    Ok(())
}

/// What removing a module would do, as far as can be seen without running anything. Changes
/// nothing.
pub fn preview_removal(
    registry: Registry,
    home: &Home,
    machine: &Machine,
    module: &Module,
    record: Option<&InstalledModule>,
    belongings: &OwnedFiles,
    purge: bool,
) -> Result<Vec<Told>, Failure> {
    let task = TaskContext::alone(|_| {});
    let adopted = record.is_some_and(|record| record.adopted) && !purge;
    let context = StepContext::new(&task, machine, module.id.as_str(), &module.variables);
    let mut told = remove_resources(
        registry, &context, module, record, belongings, adopted, false,
    )?;
    // The files of a package are its manager's.
    let is_package = record.is_some_and(|record| is_package(registry, &record.removal));
    let (more, failed) = match is_package {
        true => (Vec::new(), Failed::new()),
        false => plan_files(registry, home, module, record, belongings, machine, purge)
            .preview(home, belongings, purge),
    };
    let removal = record.map(|record| &record.removal).filter(|_| !adopted);
    let steps = removal.map_or(&[][..], |removal| &removal.steps);
    let changes = |step: &Step| registry.method_of(step).ok()?.removes();
    for change in steps.iter().rev().filter_map(changes) {
        told.insert(0, (ItemChange::Removed, change, None));
    }
    if !adopted && !module.recipe.steps(Action::Uninstall).is_empty() {
        told.insert(
            0,
            (
                ItemChange::Removed,
                format!("the changes of its {}", module.words.uninstall),
                None,
            ),
        );
    }
    told.extend(more);
    told.extend(
        failed
            .into_iter()
            .map(|(path, why)| (ItemChange::Preserved, path.display().to_string(), Some(why))),
    );
    Ok(told)
}

type Failed = Vec<(PathBuf, String)>;

/// What a removal is about to do to the files of a module.
struct PlannedFiles {
    told: Vec<Told>,
    /// Files that the module had replaced, and that are restored.
    restored: Vec<Told>,
    /// Configuration files that stay.
    stays: BTreeSet<PathBuf>,
    removal: PlannedRemoval,
    /// Whether nothing is removed here.
    is_settled: bool,
}

const CONFIG: &str = "it is a configuration file";

fn plan_files(
    registry: Registry,
    home: &Home,
    module: &Module,
    record: Option<&InstalledModule>,
    belongings: &OwnedFiles,
    machine: &Machine,
    purge: bool,
) -> PlannedFiles {
    let mut told: Vec<Told> = Vec::new();
    let whole = record.filter(|record| record.policy().is_recorded_whole);
    let adopted = whole.is_some_and(|record| record.adopted && !purge);
    let settled = |told| PlannedFiles {
        told,
        restored: Vec::new(),
        stays: BTreeSet::new(),
        removal: PlannedRemoval::default(),
        is_settled: true,
    };
    // The files of a package are its manager's.
    if adopted && whole.is_some_and(|record| is_package(registry, &record.removal)) {
        return settled(told);
    }
    if let Some(first) = belongings.record.keys().next().filter(|_| adopted) {
        told.push((
            ItemChange::Preserved,
            first.display().to_string(),
            Some("it existed before the install; add --purge to remove it".to_owned()),
        ));
        return settled(told);
    }
    let mut stays = BTreeSet::new();
    for (item_change, path, _) in config::take_away(home, belongings, purge, false) {
        if item_change != ItemChange::Removed {
            stays.insert(path);
        }
    }
    let mut restored = Vec::new();
    let is_in_tree = record.is_some_and(|record| record.removal.tree.is_some());
    for Edit {
        path,
        before,
        after,
        ..
    } in belongings
        .edits
        .iter()
        .filter(|edit| edit.replaced && !is_in_tree)
    {
        let now = hoist_files::state(path).ok().flatten();
        stays.insert(path.clone());
        match now {
            Some(now) if now.has_same_contents(after) => {
                restored.push((
                    ItemChange::Changed,
                    path.display().to_string(),
                    Some("restored to its content before the module replaced it".to_owned()),
                ));
            }
            Some(now) if !now.has_same_contents(before) => {
                let why = "it existed before the module, and was modified since".to_owned();
                restored.push((ItemChange::Preserved, path.display().to_string(), Some(why)));
            }
            _ => {}
        }
    }
    for Edit { path, before, .. } in belongings
        .edits
        .iter()
        .filter(|edit| !edit.replaced && !is_in_tree)
    {
        if hoist_files::state(path)
            .ok()
            .flatten()
            .is_some_and(|now| !now.has_same_contents(before))
        {
            let why = "the edit of the installer is removed".to_owned();
            restored.push((ItemChange::Changed, path.display().to_string(), Some(why)));
        }
    }
    let roots = roots(module, record, belongings, purge, &mut told);
    // Outside of its own directory a module in a tree has what it made, and not what others put
    // beside that.
    let tree = record
        .and_then(|record| record.removal.tree.as_ref())
        .filter(|_| purge);
    let own = tree.map(|tree| &tree.directory);
    let is_foreign = |path: &Path| {
        let made = || {
            belongings
                .record
                .range(path.to_owned()..)
                .next()
                .is_some_and(|(made, _)| made.starts_with(path))
        };
        own.is_some_and(|own| !path.starts_with(own)) && !made()
    };
    let held = |path: &Path| match belongings.other_owners.get(path) {
        None if is_foreign(path) => Some("it does not belong to the module".to_owned()),
        Some(name) => Some(format!("{name} also owns it")),
        None => stays.contains(path).then(|| CONFIG.to_owned()),
    };
    let shared = |path: &Path| belongings.shared.contains(path);
    let precious = |git: &Path| own::precious(git, machine);
    let mut recorded = belongings.record.clone();
    own::add_tracked(&mut recorded, machine);
    let removal = RemovalPolicy {
        record: &recorded,
        held: &held,
        shared: &shared,
        precious: &precious,
        purge,
    };
    let removal = home.plan_removal(&roots, &removal);
    PlannedFiles {
        told,
        restored,
        stays,
        removal,
        is_settled: false,
    }
}

impl PlannedFiles {
    /// Returns the directories that are renamed first, so that a removal which is interrupted can
    /// be rolled back: each is there as a whole or not.
    fn displace(&mut self, world: &RunContext, module: &Module) -> Vec<DisplacedPath> {
        let displaced = |path: &Path| {
            let kept = path.with_file_name(format!(
                ".hoist-removed-{}-{}",
                world.name,
                world.next_number()
            ));
            DisplacedPath {
                module: module.id.clone(),
                path: path.to_owned(),
                kept,
                disposal: Disposal::Remove,
            }
        };
        self.removal.whole_directories().map(displaced).collect()
    }

    /// Removes the files, and returns what became of them and what could not be removed.
    fn carry_out(
        self,
        home: &Home,
        belongings: &OwnedFiles,
        purge: bool,
        trash: &[DisplacedPath],
    ) -> (Vec<Told>, Failed) {
        if self.is_settled {
            return (self.told, Failed::new());
        }
        let configs = config::take_away(home, belongings, purge, true);
        let kept: HashMap<&Path, &Path> = trash
            .iter()
            .map(|displaced| (displaced.path.as_path(), displaced.kept.as_path()))
            .collect();
        let removed = home.carry_out(self.removal, |path| {
            kept.get(path).map(|kept| (*kept).to_owned())
        });
        describe(self.told, configs, removed, &self.stays, true)
    }

    /// Returns what would become of the files.
    fn preview(self, home: &Home, belongings: &OwnedFiles, purge: bool) -> (Vec<Told>, Failed) {
        if self.is_settled {
            return (self.told, Failed::new());
        }
        let configs = config::take_away(home, belongings, purge, false);
        let told = [self.restored, self.told].concat();
        describe(told, configs, self.removal.outcome, &self.stays, false)
    }
}

fn describe(
    files: Vec<Told>,
    configs: Vec<(ItemChange, PathBuf, Option<String>)>,
    mut removed: Removed,
    stays: &BTreeSet<PathBuf>,
    is_done: bool,
) -> (Vec<Told>, Failed) {
    let mut told: Vec<Told> = configs
        .into_iter()
        .map(|(item_change, path, reason)| (item_change, path.display().to_string(), reason))
        .collect();
    told.extend(files);
    // Why these stay was told.
    removed
        .kept
        .retain(|(path, why)| why != CONFIG && !stays.contains(path));
    for (path, count) in removed.gone {
        let rest = is_done && path.symlink_metadata().is_ok();
        let reason = match (count > NAMED, rest) {
            (true, true) => Some(format!("{count} files; all others are kept")),
            (false, true) => Some("all other files are kept".to_owned()),
            (more, false) => more.then(|| format!("{count} files")),
        };
        told.push((ItemChange::Removed, path.display().to_string(), reason));
    }
    let (failed, kept): (Failed, Failed) = removed
        .kept
        .into_iter()
        .partition(|(path, _)| removed.failed.contains(path));
    told.extend(
        kept.into_iter()
            .map(|(path, why)| (ItemChange::Preserved, path.display().to_string(), Some(why))),
    );
    (told, failed)
}

/// What goes: what the ledger knows was made, and what is declared and came into being later. What
/// was there before stays.
fn roots(
    module: &Module,
    record: Option<&InstalledModule>,
    belongings: &OwnedFiles,
    purge: bool,
    told: &mut Vec<Told>,
) -> Vec<Root> {
    let declared = module
        .removal
        .paths
        .iter()
        .chain(record.into_iter().flat_map(|record| &record.removal.paths));
    let mut declared: Vec<&PathBuf> = declared.collect();
    declared.sort();
    declared.dedup();
    let adopted = record.is_some_and(|record| record.adopted);
    let made: Vec<&PathBuf> = record
        .into_iter()
        .flat_map(|record| &record.paths)
        .collect();
    let was_there = |path: &Path| adopted || record.is_some_and(|record| was_found(record, path));
    // Somebody had put the module's directory into the tree.
    let brought = |path: &Path| {
        !purge
            && record.is_some_and(|record| record.removal.tree.is_some() && was_found(record, path))
    };
    let (found, made): (Vec<&PathBuf>, Vec<&PathBuf>) =
        made.into_iter().partition(|path| brought(path));
    declared.retain(|path| !found.contains(path));
    for path in found {
        told.push((
            ItemChange::Preserved,
            path.display().to_string(),
            Some("it existed before the install; add --purge to remove it".to_owned()),
        ));
    }
    let mut roots = Vec::new();
    for path in declared
        .into_iter()
        .filter(|path| path.symlink_metadata().is_ok())
    {
        let known = made.contains(&path) || belongings.record.contains_key(path);
        // What only the manifest of today names, nobody agreed to when it was installed; and what
        // never was installed has nothing of its own.
        let later = record
            .is_some_and(|record| !record.removal.paths.contains(path) || !record.ever_installed);
        let scope = match (known || later, was_there(path) && !purge) {
            (true, _) => Scope::Recorded,
            (false, false) => Scope::Whole,
            (false, true) => {
                let written = belongings
                    .record
                    .keys()
                    .any(|written| written.starts_with(path));
                if !written {
                    let why = "it existed before the install; add --purge to remove it".to_owned();
                    told.push((ItemChange::Preserved, path.display().to_string(), Some(why)));
                    continue;
                }
                Scope::Recorded
            }
        };
        roots.push(Root {
            path: path.clone(),
            scope,
        });
    }
    roots.extend(made.iter().map(|path| Root {
        path: (*path).clone(),
        scope: Scope::Recorded,
    }));
    // Paths written below what was there before, and directories made on the way to them.
    let known: HashSet<PathBuf> = roots.iter().map(|root| root.path.clone()).collect();
    let ways: HashSet<&Path> = known.iter().flat_map(|path| path.ancestors()).collect();
    let mut last: Option<&PathBuf> = None;
    for (path, recorded) in belongings.record.iter().filter(|(path, _)| !brought(path)) {
        if last.is_some_and(|last| path.starts_with(last))
            || path.ancestors().any(|above| known.contains(above))
        {
            continue;
        }
        if recorded.kind == hoist_files::FileKind::Directory && ways.contains(path.as_path()) {
            roots.push(Root {
                path: path.clone(),
                scope: Scope::IfEmpty,
            });
        } else {
            last = Some(path);
            roots.push(Root {
                path: path.clone(),
                scope: Scope::Recorded,
            });
        }
    }
    roots
}
