//! Undoes what a past run did to files, as far as nobody has changed them since.

use std::path::{Path, PathBuf};

use hoist_core::{Installed, Module};
use hoist_executor::{Effect, Failure, ItemChange, TaskContext};
use hoist_files::{
    Difference, FileKind, Record, Snapshot, SnapshotOptions, State, Store, Suffix, aside_name,
    keep_copy, put_back, rename_new, state,
};
use hoist_ledger::{DisplacedPath, Disposal, Rollback};

use crate::recorded::ledger_failure;
use crate::run_context::{RunContext, refuse_unsettled};
use crate::undo_plan::{UndoPlan, grouped, is_same, item_change};
use hoist_guard::rollback::FilesBefore;
use hoist_guard::{displaced, tree as guard};
use hoist_system::context::StepContext;
use hoist_system::registry::Registry;
use hoist_system::resource::{ResourceChange, UndoConflict, is_package, managers_in};

/// Undoes what a run did to one module, as planned.
pub fn undo(world: &RunContext, module: &Module, task: &TaskContext) -> Result<Effect, Failure> {
    let (Some(ledger), Some(run)) = (&world.ledger, world.run) else {
        return Err(Failure::new("no ledger is open"));
    };
    let Some(plan) = world
        .undo
        .iter()
        .find(|plan| plan.entry.module == module.id)
    else {
        return Err(Failure::new("nothing is recorded of the run to undo"));
    };
    let looking = |error: std::io::Error| Failure::new(format!("cannot read {error}"));
    refuse_unsettled(ledger, &module.id)?;
    let (entry, store) = (&plan.entry, world.store()?);
    let tree = module.removal.tree.as_ref();
    let _alone = tree
        .filter(|tree| tree.root.is_dir())
        .map(|tree| guard::lock(tree, true, task))
        .transpose()?;
    if let Some(UndoConflict { path, why, .. }) = plan
        .conflicts
        .iter()
        .find(|conflict| !(world.force && conflict.can_be_forced))
    {
        return Err(Failure::new(format!(
            "nothing was undone: {}: {why}",
            path.display()
        )));
    }
    let mut due = plan.due.clone();
    for (path, merged) in &plan.merged {
        let now = state(path).map_err(looking)?;
        let digest = store.add(merged).map_err(looking)?;
        let before = now.clone().map(|now| State { digest, ..now });
        due.push(Difference {
            path: path.clone(),
            before,
            after: now,
        });
    }
    for Difference { path, after, .. } in &due {
        let now = state(path).map_err(looking)?;
        if !is_planned(&now, after) {
            return Err(Failure::new(format!(
                "nothing was undone: {} was modified since the plan was made",
                path.display()
            )));
        }
    }
    let was = world.memento(module)?;
    let displaced = displaced(world, module, plan, &due);
    let paths: Vec<PathBuf> = due
        .iter()
        .map(|difference| difference.path.clone())
        .collect();
    let taking = SnapshotOptions {
        store: Some(store),
        git: &|_| false,
        ..SnapshotOptions::PLAIN
    };
    let snapshot = Snapshot::take_flat(&paths, &taking)
        .map_err(|error| Failure::new(format!("cannot back up existing files: {error}")))?;
    store
        .sync()
        .map_err(|error| Failure::new(error.to_string()))?;
    let before = entry.was.removal(&module.id);
    let has_packages =
        is_package(world.registry, &before) || module.removal.owned().next().is_some();
    let files = FilesBefore {
        stages: paths.clone(),
        roots: paths,
        is_flat: true,
        is_complete: !has_packages,
        before: snapshot,
        ..FilesBefore::default()
    };
    let files = files.to_bytes().map_err(|error| {
        Failure::new(format!("cannot record the files of {}: {error}", module.id))
    })?;
    ledger
        .begin_undo(
            run,
            &module.id,
            &Rollback {
                files: &files,
                displaced: &displaced,
                is_durable: true,
            },
        )
        .map_err(ledger_failure)?;
    // Of a package everything is removed, and what was modified of it is backed up before.
    let record = if is_package(world.registry, &module.removal) {
        ledger.record(&module.id).map_err(ledger_failure)?
    } else {
        Record::new()
    };
    let context = StepContext {
        record: &record,
        ..world.context(module, task)
    };
    let undone = put_all_back(
        world.registry,
        plan,
        &mut due,
        &displaced,
        store,
        &context,
        module,
    );
    if let Err(failure) = undone {
        ledger
            .journal(
                run,
                &module.id,
                &was,
                &due.iter().map(reversed).collect::<Vec<_>>(),
            )
            .map_err(ledger_failure)?;
        ledger.settle(&module.id).map_err(ledger_failure)?;
        return Err(failure);
    }
    let mut edits = ledger.edits(&module.id).map_err(ledger_failure)?;
    edits.retain(|edit| due.iter().any(|difference| difference.path == edit.path));
    ledger
        .revert(
            run,
            &module.id,
            &entry.was,
            &was,
            &due.iter().map(reversed).collect::<Vec<_>>(),
        )
        .map_err(ledger_failure)?;
    hoist_guard::protect::drop_copies(&edits, ledger)?;
    displaced::discard(
        &world.home,
        &displaced,
        &Record::new(),
        &world.machine,
        task,
    );
    ledger.settle(&module.id).map_err(ledger_failure)?;
    let version = |version: Option<&str>| version.map(str::to_owned);
    task.version(version(was.version()), version(entry.was.version()));
    Ok(if plan.is_adopted && due.is_empty() {
        Effect::Unchanged
    } else {
        Effect::Changed
    })
}

/// True for what the plan found. Of what was not read only the kind is known.
fn is_planned(now: &Option<State>, planned: &Option<State>) -> bool {
    match (now, planned) {
        (Some(now), Some(planned)) => is_same(now, planned),
        (None, None) => true,
        _ => false,
    }
}

/// What is moved out of the way, so that it can come back as long as the undo is not complete.
fn displaced(
    world: &RunContext,
    module: &Module,
    plan: &UndoPlan,
    due: &[Difference],
) -> Vec<DisplacedPath> {
    let mut displaced = Vec::new();
    for Difference {
        path,
        before,
        after,
    } in due
    {
        let Some(after) = after else { continue };
        let is_conflict = plan.conflicts.iter().any(|conflict| conflict.path == *path);
        let (kept, disposal) = match after.kind {
            FileKind::Git if before.is_none() => {
                // Next to the outermost directory that goes, which has to be empty by then.
                let goes = |above: &&Path| {
                    due.iter()
                        .any(|difference| difference.path == *above && difference.before.is_none())
                };
                let outermost = path.ancestors().take_while(goes).last().unwrap_or(path);
                (
                    outermost.with_file_name(format!(
                        ".hoist-removed-{}-{}",
                        world.name,
                        world.next_number()
                    )),
                    Disposal::Remove,
                )
            }
            // Of a file a copy is made.
            kind if is_conflict && kind != FileKind::File => (aside_name(path), Disposal::Keep),
            _ => continue,
        };
        displaced.push(DisplacedPath {
            module: module.id.clone(),
            path: path.clone(),
            kept,
            disposal,
        });
    }
    displaced
}

fn put_all_back(
    registry: Registry,
    plan: &UndoPlan,
    due: &mut Vec<Difference>,
    displaced: &[DisplacedPath],
    store: &Store,
    context: &StepContext<'_>,
    module: &Module,
) -> Result<(), Failure> {
    let task = context.task;
    let copying = |error: std::io::Error| Failure::new(format!("cannot back up {error}"));
    let since = |path: &Path| {
        Some(format!(
            "backup of {}, which was modified since the run",
            path.display()
        ))
    };
    if !plan.is_adopted {
        let change = ResourceChange {
            module: &module.id,
            was: &plan.entry.was,
            before: plan.entry.was.removal(&module.id),
            now: Some(&module.removal),
            source: Some(&module.source),
            record: context.record,
            installed: &Installed::default(),
        };
        for manager in managers_in(registry, &change) {
            manager.undo(&change, context)?;
        }
    }
    for UndoConflict { path, .. } in &plan.conflicts {
        let Some(now) = state(path)
            .map_err(copying)?
            .filter(|now| now.kind == FileKind::File)
        else {
            continue;
        };
        let copy = keep_copy(
            path,
            &std::fs::read(path).map_err(copying)?,
            now.mode,
            Suffix::Usual,
        )
        .map_err(copying)?;
        task.item(
            ItemChange::Preserved,
            copy.display().to_string(),
            since(path),
        );
    }
    for DisplacedPath {
        path,
        kept,
        disposal,
        ..
    } in displaced
    {
        rename_new(path, kept).map_err(copying)?;
        if *disposal == Disposal::Keep {
            task.item(
                ItemChange::Preserved,
                kept.display().to_string(),
                since(path),
            );
        }
    }
    // What was moved is not there any more.
    let is_displaced = |path: &Path| displaced.iter().any(|displaced| displaced.path == path);
    let here = due
        .iter()
        .map(|difference| match is_displaced(&difference.path) {
            true => Difference {
                after: None,
                ..difference.clone()
            },
            false => difference.clone(),
        });
    let here: Vec<Difference> = here.collect();
    let failed = put_back(&here.iter().collect::<Vec<_>>(), store, &[]);
    // A directory that somebody has something in stays.
    let (stayed, failed): (Vec<_>, Vec<_>) = failed.into_iter().partition(|(path, _)| {
        let removed = due
            .iter()
            .any(|difference| difference.path == *path && difference.before.is_none());
        removed && path.is_dir()
    });
    for (path, _) in &stayed {
        task.item(
            ItemChange::Preserved,
            path.display().to_string(),
            Some("it contains files that the run did not create".to_owned()),
        );
    }
    due.retain(|difference| {
        !stayed
            .iter()
            .chain(&failed)
            .any(|(path, _)| *path == difference.path)
    });
    for (item_change, path, count) in grouped(
        due.iter()
            .map(|difference| (item_change(difference), difference)),
    ) {
        task.item(
            item_change,
            path.display().to_string(),
            (count > 1).then(|| format!("{count} files")),
        );
    }
    match failed.first() {
        None => Ok(()),
        Some((path, error)) => Err(Failure::new(format!(
            "{}: {error}; everything else was undone",
            path.display()
        ))),
    }
}

/// What taking back did, as a difference of its own.
fn reversed(difference: &Difference) -> Difference {
    Difference {
        path: difference.path.clone(),
        before: difference.after.clone(),
        after: difference.before.clone(),
    }
}
