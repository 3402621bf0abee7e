//! `hoist undo`: takes back what a run did to files.

use std::io::Write;
use std::sync::Arc;

use hoist_core::{
    Action, Change, Diagnostic, Installed, InstalledModule, Module, Plan, PlannedModule, Request,
    Selection, SelectionReason, Tier,
};
use hoist_engine::undo_plan::{UndoPlan, plan_undo};
use hoist_executor::ItemChange;
use hoist_ledger::{JournalEntry, Undoable, read_journal};
use serde_json::json;

use crate::args::{Global, Undo};
use crate::commands::{change, history};
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, BOLD, DIM, Paint, YELLOW, painted};
use crate::run::{self, Run, RunOptions};
use crate::session::Session;
use crate::systems::REGISTRY;
use crate::ui::Output;
use crate::{ask, json, time};

/// Takes back one run: the last that did something, or the one whose name starts like this.
pub(crate) fn run(global: &Global, undo: &Undo) -> Result<ExitStatus, CommandError> {
    let mut session = Session::without_sources(global)?;
    // A mistake is reported before anything is waited for or written.
    let name = undo
        .run
        .as_deref()
        .map(|prefix| history::run_name(&session.places.state, prefix))
        .transpose()?;
    let mut wanted = find(&session, name.as_deref(), undo.force)?;
    if undo.dry_run {
        let mut plans = plans(&session, &wanted)?;
        if undo.force && plans.iter().any(is_possible) {
            only_possible(
                &mut wanted,
                &mut plans,
                &hoist_ledger::read(&session.places.state)?,
            );
        }
        let wrong = conflicts(&plans, undo.force);
        show(global, &wanted, &plans)?;
        render::diagnostics(&wrong, Paint::choose(global.color));
        return Ok(if wrong.is_empty() {
            ExitStatus::Ok
        } else {
            ExitStatus::Wrong
        });
    }
    let cancel = run::handle_signals()?;
    let lock = change::lock(global, &session, &cancel)?;
    let ledger = Arc::new(change::open(&session)?);
    change::recover(&session, &ledger)?;
    let name = if wanted.pending.is_empty() {
        name
    } else {
        Some(wanted.run.clone())
    };
    let is_nothing = |found: &Undoable| found.entries.is_empty() && found.pending.is_empty();
    if !wanted.pending.is_empty()
        && read_journal(&session.places.state, name.as_deref())?
            .as_ref()
            .is_some_and(is_nothing)
    {
        render::print_note(&format!(
            "{} made no other changes; nothing is left to undo",
            wanted.run
        ));
        return Ok(ExitStatus::Ok);
    }
    // Another hoist may have been running meanwhile.
    let mut wanted = find(&session, name.as_deref(), undo.force)?;
    if !wanted.pending.is_empty() {
        let message = format!(
            "the interrupted changes of {} could not be rolled back",
            wanted.run
        );
        return Err(CommandError::wrong(Diagnostic::error(message).help(
            "fix the causes in the warnings above, then run the command again",
        )));
    }
    let mut plans = plans(&session, &wanted)?;
    // Forced, the others do not wait for those that cannot be taken back.
    if undo.force && plans.iter().any(is_possible) {
        only_possible(&mut wanted, &mut plans, &ledger.installed()?);
    }
    let mut wrong = conflicts(&plans, undo.force);
    if !undo.force
        && plans.iter().any(is_possible)
        && let Some(help) = wrong.last_mut().and_then(|wrong| wrong.help.as_mut())
    {
        *help += "; add --force to undo the rest of the run";
    }
    if !wrong.is_empty() {
        return Err(wrong.into());
    }
    if !global.yes {
        if !ask::is_interactive() {
            let message = "cannot ask for confirmation without a terminal";
            return Err(CommandError::wrong(Diagnostic::error(message).help(
                "add --yes to confirm, or --dry-run to see what would be undone",
            )));
        }
        render::print_note(text(&wanted, &plans, Paint::choose(global.color).stderr).trim_end());
        if ask::choose(&format!("Undo {}? [y/N]", wanted.run), "yn", 'n')? != Some('y') {
            render::print_note("Nothing was changed.");
            return Ok(ExitStatus::Interrupted);
        }
    }
    if global.yes && global.output == Output::Human && !global.quiet {
        let runs = hoist_ledger::history(&session.places.state, usize::MAX >> 1)?;
        let start = runs
            .iter()
            .find(|run| run.run_id == wanted.run)
            .map(|run| format!(" of {}", time::text(&run.started_at)));
        render::print_note(&format!(
            "Undoing the {}{} ({})",
            wanted.action,
            start.unwrap_or_default(),
            wanted.run
        ));
    }
    let installed = ledger.installed()?;
    let machine = session.machine()?;
    let needed = needed(&wanted, &installed);
    if !needed.is_empty() {
        return Err(needed.into());
    }
    let plan = plan(&mut session, &wanted, &installed);
    run::not_cancelled(&cancel)?;
    let request = &Request {
        force: undo.force,
        ..Request::new(Action::Undo, Selection::Names(vec![wanted.run.clone()]))
    };
    let how = RunOptions {
        undo: plans,
        ..RunOptions::default()
    };
    let code = Run {
        global,
        session: &session,
        machine: &machine,
        installed: &installed,
        plan: &plan,
        ledger: Some(ledger.clone()),
        lock: Some(&lock),
        cancel,
        request,
        how,
    }
    .execute()?;
    if code == ExitStatus::Ok {
        ledger.undone(&wanted.run)?;
    }
    Ok(code)
}

/// Start of the message of a conflict.
const CANNOT: &str = "cannot be undone: ";

/// What stands in the way of an undo.
fn conflicts(plans: &[UndoPlan], is_forced: bool) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    for plan in plans {
        for conflict in plan
            .conflicts
            .iter()
            .filter(|conflict| !(is_forced && conflict.can_be_forced))
        {
            let help = match (conflict.can_be_forced, &conflict.remedy) {
                (true, _) => "add --force to undo it anyway; a backup is kept".to_owned(),
                (false, Some(remedy)) => remedy.clone(),
                (false, None) => {
                    "use `hoist install` or `hoist uninstall` to change the module instead"
                        .to_owned()
                }
            };
            let message = format!("{CANNOT}{}", conflict.why);
            // One remedy for several conflicts is given once, after them.
            if let Some(last) = wrong
                .last_mut()
                .filter(|last: &&mut Diagnostic| last.help.as_deref() == Some(&help))
            {
                last.help = None;
            }
            wrong.push(
                Diagnostic::error(message)
                    .module(plan.entry.module.as_str())
                    .file(conflict.path.display().to_string())
                    .help(help),
            );
        }
    }
    wrong
}

/// The run that is meant, where it can be taken back at all.
fn find(session: &Session, name: Option<&str>, is_forced: bool) -> Result<Undoable, CommandError> {
    let found = read_journal(&session.places.state, name)?;
    let Some(found) = found else {
        let message = name.map_or_else(
            || "there is no run to undo".to_owned(),
            |name| format!("unknown run `{}`", name.escape_debug()),
        );
        return Err(CommandError::wrong(
            Diagnostic::error(message).help("run `hoist history` to list past runs"),
        ));
    };
    if found.undone.is_some() {
        let message = format!("{} is already undone", found.run);
        return Err(CommandError::wrong(
            Diagnostic::error(message).help("run `hoist history` to list past runs"),
        ));
    }
    if found.entries.is_empty() && found.pending.is_empty() {
        let message = format!(
            "the changes of {} are no longer recorded, or it changed nothing",
            found.run
        );
        return Err(CommandError::wrong(Diagnostic::error(message).help(
            "hoist keeps the changes of the last `keep_runs` runs (hoist.yml, default 50)",
        )));
    }
    let deployed = hoist_deploy::deployed::read_deployments(&session.places.state)?;
    if let Some(entry) = found.entries.iter().find(|entry| {
        deployed
            .iter()
            .any(|deployed| deployed.plugin == entry.module)
    }) {
        let wrong = Diagnostic::error(
            "the plugin is deployed; the files of a running deployment cannot be undone",
        )
        .module(entry.module.as_str());
        let help = format!(
            "run `hoist plugin rollback {0}` to restore the previous release, or `hoist plugin undeploy {0}` to undeploy it",
            entry.module
        );
        return Err(CommandError::wrong(wrong.help(help)));
    }
    let later: Vec<Diagnostic> = found
        .later
        .iter()
        .map(|(module, run)| {
            let wrong =
                Diagnostic::error(format!("it was changed again by {run}")).module(module.as_str());
            wrong.help(format!("undo that run first: `hoist undo {run}`"))
        })
        .collect();
    let is_later = |entry: &JournalEntry| {
        found
            .later
            .iter()
            .any(|(module, _)| module == entry.module.as_str())
    };
    if is_forced && !found.entries.iter().all(is_later) {
        later.iter().for_each(stays);
        let entries = found
            .entries
            .iter()
            .filter(|entry| !is_later(entry))
            .cloned()
            .collect();
        return Ok(Undoable { entries, ..found });
    }
    if later.is_empty() {
        Ok(found)
    } else {
        Err(later.into())
    }
}

/// Says that a module is left as it is, and why.
fn stays(why: &Diagnostic) {
    let module = why.module.as_deref().unwrap_or_default();
    let help = why
        .help
        .as_ref()
        .map(|help| format!(" ({help})"))
        .unwrap_or_default();
    render::print_note(&format!(
        "warning: {module} is not undone: {}{help}",
        why.message.trim_start_matches(CANNOT)
    ));
}

/// True where nothing stands in the way that cannot be forced.
fn is_possible(plan: &UndoPlan) -> bool {
    plan.conflicts.iter().all(|conflict| conflict.can_be_forced)
}

/// Leaves out what cannot be taken back, and what that needs.
fn only_possible(wanted: &mut Undoable, plans: &mut Vec<UndoPlan>, installed: &Installed) {
    for plan in plans.iter().filter(|plan| !is_possible(plan)) {
        conflicts(std::slice::from_ref(plan), true)
            .iter()
            .for_each(stays);
    }
    plans.retain(is_possible);
    loop {
        wanted
            .entries
            .retain(|entry| plans.iter().any(|plan| plan.entry.module == entry.module));
        let needed = needed(wanted, installed);
        if needed.is_empty() {
            return;
        }
        needed.iter().for_each(stays);
        plans.retain(|plan| {
            !needed
                .iter()
                .any(|needed| needed.module.as_deref() == Some(plan.entry.module.as_str()))
        });
    }
}

fn plans(session: &Session, wanted: &Undoable) -> Result<Vec<UndoPlan>, CommandError> {
    let machine = session.machine()?;
    let plans = plan_undo(
        REGISTRY,
        &wanted.entries,
        &session.places.state,
        &machine,
        &session.own_directories(),
    );
    plans.map_err(|failure| CommandError::wrong(Diagnostic::error(failure.message)))
}

/// What stays must not lose what it needs.
fn needed(wanted: &Undoable, installed: &Installed) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for entry in wanted.entries.iter().filter(|entry| !entry.was.was_there()) {
        let others = installed
            .modules
            .iter()
            .filter(|(id, record)| record.requires.contains(&entry.module) && **id != entry.module);
        let stays = others
            .filter(|(id, _)| !wanted.entries.iter().any(|entry| entry.module == **id))
            .map(|(id, _)| id.as_str());
        let stays: Vec<&str> = stays.collect();
        if !stays.is_empty() {
            let wrong =
                Diagnostic::error(format!("the module is required by {}", stays.join(", ")))
                    .module(entry.module.as_str());
            errors.push(
                wrong.help(
                    "undo the run that installed the dependent module first, or uninstall it",
                ),
            );
        }
    }
    errors
}

/// What is installed now, and was before.
fn change_of(entry: &JournalEntry, installed: &Installed) -> Change {
    match (
        entry.was.was_there(),
        installed.modules.contains_key(&entry.module),
    ) {
        (true, true) => Change::Update,
        (true, false) => Change::Install,
        (false, _) => Change::Uninstall,
    }
}

fn plan(session: &mut Session, wanted: &Undoable, installed: &Installed) -> Plan {
    let mut modules = Vec::new();
    for (place, entry) in wanted.entries.iter().enumerate() {
        let id = &entry.module;
        let record = installed
            .modules
            .get(id)
            .or_else(|| installed.unfinished.get(id));
        let gone = InstalledModule {
            method: "undo".to_owned(),
            removal: entry.was.removal(&entry.module),
            ..InstalledModule::default()
        };
        let module = Module::remembered(id.clone(), record.unwrap_or(&gone));
        let change = change_of(entry, installed);
        modules.push(PlannedModule {
            module: id.clone(),
            tier: Tier::Optional,
            method: "undo".to_owned(),
            change,
            reason: format!("undo of {}", wanted.run),
            wanted: SelectionReason::Named,
            // One after another, the last that was done first.
            needs: place.checked_sub(1).into_iter().collect(),
            requires: Vec::new(),
            has_hint: false,
            after: Vec::new(),
        });
        session.catalog.put(module);
    }
    Plan {
        action: Action::Undo,
        modules,
        left_out: Vec::new(),
    }
}

fn show(global: &Global, wanted: &Undoable, plans: &[UndoPlan]) -> Result<(), CommandError> {
    if global.output == Output::Json {
        let module = |plan: &UndoPlan| {
            let item = |(item_change, path, count): &(ItemChange, std::path::PathBuf, usize)| json!({ "fate": item_change, "path": path.display().to_string(), "files": count });
            let conflict = |conflict: &hoist_system::resource::UndoConflict| json!({ "path": conflict.path.display().to_string(), "reason": conflict.why, "can_be_forced": conflict.can_be_forced });
            json!({
                "module": plan.entry.module, "items": plan.told.iter().map(item).collect::<Vec<_>>(),
                "conflicts": plan.conflicts.iter().map(conflict).collect::<Vec<_>>(), "remarks": plan.remarks, "packages": plan.packages,
                "reinstalled": plan.reinstalled,
            })
        };
        let modules: Vec<_> = plans.iter().map(module).collect();
        json::print(
            &json!({ "run_id": wanted.run, "action": wanted.action, "modules": modules, "rolled_back": wanted.pending }),
        )?;
        return Ok(());
    }
    std::io::stdout()
        .lock()
        .write_all(text(wanted, plans, Paint::choose(global.color).stdout).as_bytes())?;
    Ok(())
}

/// So many files of a module are named.
const NAMED: usize = 30;

fn text(wanted: &Undoable, plans: &[UndoPlan], colour: bool) -> String {
    let mut text = format!(
        "Undo of {} {}:\n",
        wanted.action,
        painted(colour, BOLD, &wanted.run)
    );
    if plans.is_empty() && wanted.pending.is_empty() {
        text += "  Nothing to undo.\n";
    }
    for module in &wanted.pending {
        text += &format!(
            "  {} {module}: an interrupted change\n",
            painted(colour, BOLD, "roll back")
        );
    }
    for plan in plans {
        let entry = &plan.entry;
        for (item_change, path, count) in plan.told.iter().take(NAMED) {
            let count = if *count > 1 {
                format!(": {count} files")
            } else {
                String::new()
            };
            let word = if *item_change == ItemChange::Removed {
                "remove"
            } else {
                "restore"
            };
            text += &format!(
                "  {} {}: {}{count}\n",
                painted(colour, BOLD, &format!("{word:<9}")),
                entry.module,
                render::printable(&path.display().to_string())
            );
        }
        if plan.told.len() > NAMED {
            text += &format!(
                "  {} {}: and {} more\n",
                painted(colour, DIM, "…        "),
                entry.module,
                plan.told.len() - NAMED
            );
        }
        for package in &plan.packages {
            text += &format!(
                "  {} {}: {package}\n",
                painted(colour, BOLD, "remove   "),
                entry.module
            );
        }
        for package in &plan.reinstalled {
            text += &format!(
                "  {} {}: {package}\n",
                painted(colour, BOLD, "install  "),
                entry.module
            );
        }
        for conflict in &plan.conflicts {
            let path = render::printable(&conflict.path.display().to_string());
            text += &format!(
                "  {} {}: {path}: {}\n",
                painted(colour, YELLOW, "conflict "),
                entry.module,
                conflict.why
            );
        }
        for note in &plan.remarks {
            text += &format!(
                "  {} {}: {note}\n",
                painted(colour, YELLOW, "kept     "),
                entry.module
            );
        }
    }
    text
}
