//! How a module is installed or updated: its steps, its configuration files, then a look whether
//! what it declares is there. Whatever fails, what stood there before comes back.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hoist_core::{Action, Change, InstalledModule, Module, UninstallSpec};
use hoist_executor::{Effect, Failure, Level, TaskContext};
use hoist_files::{Difference, Home, Record, Recorded, State, Store};
use hoist_ledger::{CompletedChange, DisplacedPath, Edit, PendingChange, PriorState, Rollback};

use crate::config;
use crate::recorded::ledger_failure;
use crate::run_context::{ModuleJob, RunContext, refuse_unsettled};
use crate::uninstall::leave_former;
use crate::verify::check;
use hoist_git::{local, own};
use hoist_guard::around::{Inside, is_startup_file};
use hoist_guard::rollback::{EndOfRun, FilesBefore};
use hoist_guard::session::GuardSession;
use hoist_guard::stage::{StagingDir, clean_stages};
use hoist_guard::watch::{ContentBudget, Watch, look_around};
use hoist_guard::{displaced, tree as guard};
use hoist_system::checks;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Edited};
use hoist_system::registry::Registry;
use hoist_system::resource::{came_along, has_packages, is_package, shared};

/// A module that is being brought.
struct Apply<'a> {
    world: &'a RunContext,
    module: &'a Module,
    task: &'a TaskContext,
    context: StepContext<'a>,
    /// The directory that its files stand below.
    home: &'a Home,
    /// What it is known to have written before.
    old: &'a Record,
    /// What the ledger said of it before the first attempt.
    was: PriorState,
    /// Its version before.
    from: Option<String>,
    /// The paths that it may make.
    planned: Vec<PathBuf>,
    /// What is moved out of the way, to come back where it fails.
    displaced: &'a [DisplacedPath],
    /// What watches over its tree, where more than a copy is made.
    guarding: Option<&'a Mutex<GuardSession<'a>>>,
    /// Where contents are kept.
    store: Option<&'a Store>,
    /// True when a step does not keep the former version by itself.
    replaces: bool,
}

/// Fails where a step would refuse to change what is there, before anything is changed.
pub fn refuse(
    world: &RunContext,
    module: &Module,
    work: &ModuleJob,
    task: &TaskContext,
) -> Result<(), Failure> {
    let old = match &world.ledger {
        Some(ledger) => ledger.record(&module.id).map_err(ledger_failure)?,
        None => Record::new(),
    };
    let context = StepContext {
        force: world.force || work.anew,
        record: &old,
        unfinished: work.unfinished,
        ..world.context(module, task)
    };
    work.steps
        .iter()
        .try_for_each(|step| step.method.refuse(&context))
}

/// Installs or updates a module.
pub fn apply(
    world: &RunContext,
    module: &Module,
    work: &mut ModuleJob,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    if work.change == Change::Check && passes_own_check(world, module, task)? {
        return adopt(world, module, work);
    }
    // Of hoist's own clones the steps know what to do where the manifest names another repository.
    let repository = module
        .repository
        .as_ref()
        .filter(|repository| !own::is_ours(&repository.dir));
    if let Some(obstruction) = repository.and_then(local::obstruction) {
        return Err(Failure::new(format!(
            "{obstruction}: move it away to install this module"
        )));
    }
    let force = world.force || work.anew;
    let from = version(work).or_else(|| work.record.as_ref()?.version.clone());
    let old = match &world.ledger {
        Some(ledger) => ledger.record(&module.id).map_err(ledger_failure)?,
        None => Record::new(),
    };
    let home = world.home_of(module.removal.into.as_deref())?;
    let context = StepContext {
        force,
        record: &old,
        unfinished: work.unfinished,
        ..world.context(module, task)
    };
    work.steps
        .iter()
        .try_for_each(|step| step.method.refuse(&context))?;
    if matches!(
        work.change,
        Change::Install | Change::Migrate | Change::Update
    ) && module.policy().has_versions
    {
        module
            .offered
            .warnings()
            .for_each(|caveat| task.note(Level::Warning, caveat.as_str()));
    }
    let methods = work.steps.iter().map(|step| &step.method);
    let configs = world
        .configs(module)
        .iter()
        .map(|file| &file.path)
        .chain(&module.config_files);
    let stages = configs.flat_map(|path| config::stages_of(path));
    let planned: Vec<PathBuf> = module
        .paths
        .iter()
        .cloned()
        .chain(methods.flat_map(|method| method.paths()))
        .chain(stages)
        .collect();
    // A step that replaces by itself keeps the old until it is done.
    let replaces = work.steps.iter().any(|step| !step.method.tells());
    if let Some(ledger) = &world.ledger {
        refuse_unsettled(ledger, &module.id)?;
    }
    let displaced = match work.aside && replaces {
        true => displaced::plan(
            &home,
            module,
            work.record.as_ref(),
            &old,
            &world.name,
            &world.machine,
        )?,
        false => Vec::new(),
    };
    let tree = module.removal.tree.as_ref();
    let guarded = tree.filter(|_| work.steps.len() > 1);
    let _alone = tree
        .map(|tree| guard::lock(tree, guarded.is_some(), task))
        .transpose()?;
    let guarding = guarded
        .map(|tree| world.guard(tree, &module.id, false))
        .transpose()?
        .map(Mutex::new);
    let context = StepContext {
        guarding: guarding.as_ref(),
        ..context
    };
    let was = match &work.was {
        Some(was) => was.clone(),
        None => work.was.insert(world.memento(module)?).clone(),
    };
    let store = world.ledger.as_ref().map(|_| world.store()).transpose()?;
    let keeping = ContentBudget {
        store,
        claims: &world.claims,
    };
    let steps = work.steps.iter();
    let of_steps: Vec<PathBuf> = steps.flat_map(|step| step.method.paths()).collect();
    let mut watch = Watch::start(&world.machine, &home, module, &of_steps, &old, &keeping)?;
    // What a guard watches over, it takes back itself.
    let covers = guarding.is_none() && !is_package(world.registry, &module.removal);
    let outside = store
        .filter(|_| replaces && guarding.is_none())
        .map(|store| world.around.enter(store))
        .transpose()?;
    let edits: Vec<PathBuf> = work
        .steps
        .iter()
        .flat_map(|step| step.method.edits())
        .collect();
    let mut files = match covers {
        true => watch.files_before(&planned, is_covered(work)),
        false => FilesBefore {
            stages: planned.clone(),
            is_complete: guarding.is_some(),
            ..FilesBefore::default()
        },
    };
    files.before.extend(look_around(&edits, store)?);
    files.configs.extend(edits);
    let is_durable = watch.has_files() || !displaced.is_empty() || !files.before.is_empty();
    if let Some(store) = store {
        let kept = if is_durable {
            store.sync()
        } else {
            store.flush()
        };
        kept.map_err(|error| Failure::new(error.to_string()))?;
    }
    let files = files.to_bytes().map_err(|error| {
        Failure::new(format!("cannot record the files of {}: {error}", module.id))
    })?;
    begin(
        world,
        module,
        work,
        &planned,
        Some(&watch),
        &Rollback {
            files: &files,
            displaced: &displaced,
            is_durable,
        },
    )?;
    let (displaced, guarding) = (displaced.as_slice(), guarding.as_ref());
    let bringing = Apply {
        world,
        module,
        task,
        context,
        home: &home,
        old: &old,
        was,
        from,
        planned,
        displaced,
        guarding,
        store,
        replaces,
    };
    let attempt = bringing
        .attempt(work, &watch)
        .and_then(|attempt| bringing.leave_former(work, attempt));
    let mut attempt = attempt.or_else(|failure| Err(bringing.revert(&watch, failure)?));
    if let (Ok(_), Some(store), true) = (
        &attempt,
        store,
        bringing.is_due() && bringing.was.is_installed(),
    ) {
        attempt = watch
            .protect(&old, store, bringing.context.policy, task)
            .and(attempt);
    }
    let mut edits = Vec::new();
    if let (Ok(_), Some(store), true) = (
        &attempt,
        store,
        bringing.is_due() && !bringing.was.is_installed(),
    ) {
        match watch.protect_found(&old, store, task) {
            Ok(replaced) => edits = replaced,
            Err(failure) => attempt = Err(failure),
        }
    }
    let mut outside = outside.map(Inside::leave).transpose()?.flatten();
    let _kept = outside.as_mut().and_then(|outside| outside.kept.take());
    if let (Err(failure), Some(outside), Some(store)) = (
        &mut attempt,
        outside.as_ref().filter(|outside| outside.is_alone),
        store,
    ) {
        failure.message += &outside.revert(store);
    }
    let (mut recorded, different) = match watch.finish(&old, displaced) {
        Ok(finished) => finished,
        Err(failure) => {
            attempt = attempt.and(Err(failure));
            (old.clone(), None)
        }
    };
    match attempt {
        Ok(mut attempt) => {
            recorded.extend(
                edits
                    .iter()
                    .map(|edit| (edit.path.clone(), Recorded::of(&edit.after))),
            );
            let outside = outside
                .map(|outside| outside.settle(&old, true, task))
                .unwrap_or_default();
            recorded.extend(outside.owned);
            // What a script added to the files of the shell is reported when its module goes.
            let is_edited = |difference: &&Difference| {
                difference.after.is_some() && is_startup_file(&difference.path, &world.machine.home)
            };
            for Difference { path, .. } in outside.differences.iter().filter(is_edited) {
                if let (Some(store), Ok(contents)) = (store, std::fs::read(path)) {
                    store.add(&contents).map_err(|error| {
                        Failure::new(format!("cannot back up {}: {error}", path.display()))
                    })?;
                }
            }
            attempt.outside = outside.differences;
            bringing.succeed(work, attempt, &watch, recorded, different, edits)
        }
        Err(failure) => {
            // Of what others did at the same time nobody else tells.
            if let Some(outside) = outside
                .filter(|outside| !outside.is_alone)
                .map(|outside| outside.settle(&old, true, task))
            {
                world.journal(module, &bringing.was, &outside.differences)?;
            }
            Err(bringing.fail(work, failure, &watch, recorded, different)?)
        }
    }
}

/// The version of a module that is on the machine, as far as its steps can tell.
pub fn present_version(registry: Registry, module: &Module) -> Option<String> {
    let steps = module.recipe.steps(Action::Install).iter();
    steps
        .filter_map(|step| registry.method_of(step).ok())
        .find_map(|method| method.version())
}

/// The version that the steps bring.
fn version(work: &ModuleJob) -> Option<String> {
    work.steps.iter().find_map(|step| step.method.version())
}

/// What the steps came to.
struct Attempt {
    applied: Applied,
    /// True when a step that knows said that something changed.
    told: bool,
    configured: bool,
    /// What became different outside of the module's directories.
    outside: Vec<Difference>,
}

impl Apply<'_> {
    /// True where what the steps did is watched, and nothing was moved out of their way: a step of
    /// hoist's own leaves nothing half done.
    fn is_due(&self) -> bool {
        self.replaces && self.displaced.is_empty()
    }

    /// Runs the steps, places the configuration files, and looks whether everything is there.
    fn attempt(&self, work: &mut ModuleJob, watch: &Watch) -> Result<Attempt, Failure> {
        let Self {
            world,
            module,
            context,
            displaced,
            ..
        } = self;
        let configs = world.configs(module);
        let guarded = config::guard(module, configs, displaced)?;
        let known = config::known(&module.id, &guarded, displaced, world.ledger.as_deref())?;
        displaced::displace(displaced)?;
        let prepared = match (world.sandboxes.get(&module.id), context.sandbox) {
            (Some(None), _) => {
                context.task.note(
                    Level::Warning,
                    "write access is not restricted, since the script installs system packages",
                );
                Vec::new()
            }
            (_, Some(sandbox)) => sandbox
                .prepare()
                .map_err(|error| Failure::new(format!("cannot create its directories: {error}")))?,
            _ => Vec::new(),
        };
        let mut attempt = Attempt {
            applied: Applied::unchanged(),
            told: false,
            configured: false,
            outside: Vec::new(),
        };
        let applied = apply_steps(work, context, &mut attempt);
        // What was made for the script and not used.
        prepared
            .iter()
            .rev()
            .for_each(|path| drop(std::fs::remove_dir(path)));
        displaced::link_back(
            displaced,
            guarded
                .iter()
                .map(|guarded| guarded.path.as_path())
                .chain(module.config_files.iter().map(PathBuf::as_path)),
        );
        // Also where it failed, what the script wrote over is there again, or copied aside.
        config::settle(
            module,
            guarded,
            world.policy,
            world.ledger.as_deref(),
            context.task,
        )?;
        let verified = applied.and_then(|()| {
            if let Some(ledger) = &world.ledger {
                attempt.configured = config::place(&module.id, configs, ledger, context.task)?;
            }
            match work.steps.is_empty() {
                true => Ok(()),
                false => verify(world, module, context.task)
                    .map_err(|failure| self.unverified(work, &attempt, watch, failure)),
            }
        });
        match verified {
            Ok(()) => Ok(attempt),
            Err(failure) => {
                // What a step put in place of the former version goes, and that comes back.
                let new = attempt.applied.replaced.is_empty()
                    && attempt.applied.effect == Effect::Changed
                    && context.record.is_empty();
                if new && module.policy().is_all_or_nothing {
                    work.steps
                        .iter_mut()
                        .try_for_each(|step| step.method.revert(context))?;
                }
                let back = attempt
                    .applied
                    .replaced
                    .drain(..)
                    .try_for_each(|stage| stage.put_back());
                if let Some(ledger) = &world.ledger {
                    config::forget(&module.id, &known, ledger)?;
                }
                back.map_err(|error| {
                    Failure::new(format!(
                        "{}; and the previous version cannot be restored: {error}",
                        failure.message
                    ))
                })?;
                Err(failure)
            }
        }
    }

    /// Why a module is not there by its own checks although its steps ended well: a script that
    /// changed nothing has skipped itself.
    fn unverified(
        &self,
        work: &ModuleJob,
        attempt: &Attempt,
        watch: &Watch,
        failure: Failure,
    ) -> Failure {
        let Some(last) = &attempt.applied.last_message else {
            return failure;
        };
        let is_same = || {
            watch
                .differences(self.old, false)
                .is_ok_and(|differences| differences.is_empty())
        };
        match self.replaces && is_covered(work) && is_same() {
            _ if last.is_error => {
                let message = format!(
                    "the script reported an error but exited successfully: {} ({})",
                    last.text, failure.message
                );
                Failure { message, ..failure }
            }
            true => {
                let message = format!(
                    "{}; the script exited successfully and changed nothing, its last message: {}",
                    failure.message, last.text
                );
                Failure { message, ..failure }
            }
            false => failure,
        }
    }

    /// Where a module comes from another source now, what it was from the former one goes.
    fn leave_former(&self, work: &mut ModuleJob, mut attempt: Attempt) -> Result<Attempt, Failure> {
        let Some(former) = work
            .record
            .as_ref()
            .filter(|_| work.change == Change::Migrate)
        else {
            return Ok(attempt);
        };
        let new = attempt.applied.record.clone().unwrap_or_default();
        let Err(failure) = leave_former(self.world, self.module, former, self.old, &new, self.task)
        else {
            return Ok(attempt);
        };
        // Both are there: the new one goes again, and what stood in its place comes back.
        let changed = attempt.applied.effect == Effect::Changed;
        let back = match attempt.applied.replaced.is_empty() {
            false => attempt
                .applied
                .replaced
                .drain(..)
                .try_for_each(StagingDir::put_back)
                .map_err(|error| Failure::new(error.to_string())),
            true if changed => work
                .steps
                .iter_mut()
                .try_for_each(|step| step.method.revert(&self.context)),
            true => Ok(()),
        };
        let more = back
            .err()
            .map(|failure| {
                format!(
                    "; and the new version cannot be removed: {}",
                    failure.message
                )
            })
            .unwrap_or_default();
        Err(Failure::new(format!("{}{more}", failure.message)))
    }

    /// Takes back what a failed attempt did, and says so.
    fn revert(&self, watch: &Watch, mut failure: Failure) -> Result<Failure, Failure> {
        if let Some(guarding) = self.guarding {
            let back = guarding
                .lock()
                .map_err(|_| Failure::new("the directory is no longer watched"));
            let back = back.and_then(|mut guarding| {
                let back = guarding.guard.revert();
                guarding.is_revert_failure_reported = back.is_err();
                back
            });
            failure.message += &match back {
                Ok(taken) => {
                    let tree = self.module.removal.tree.as_ref();
                    let own = tree.map(|tree| &tree.directory);
                    let elsewhere = |path: &&PathBuf| !own.is_some_and(|own| path.starts_with(own));
                    for path in taken.iter().filter(elsewhere) {
                        self.task
                            .output_line(&format!("rolled back: {}", path.display()));
                    }
                    "; its changes were rolled back".to_owned()
                }
                Err(failure) => format!("; {}", failure.message),
            };
        }
        // What was moved out of the way comes back at the end.
        if let (None, Some(store), true) = (self.guarding, self.store, self.is_due()) {
            match watch.revert(self.old, store) {
                Ok((0, _)) => {}
                Ok((_, None)) => {
                    failure.message += "; its changes in its own directories were rolled back"
                }
                Ok((_, Some(why))) => {
                    failure.message += &format!("; its changes were rolled back except for {why}")
                }
                Err(more) => failure.message += &format!("; {}", more.message),
            }
            if let Some(why) = watch.take_back_configs(store)? {
                failure.message +=
                    &format!("; its configuration files were restored except for {why}");
            }
        }
        Ok(failure)
    }

    /// Writes down what came of it: what is the module's from now on, and what became different.
    fn succeed(
        &self,
        work: &ModuleJob,
        mut attempt: Attempt,
        watch: &Watch,
        recorded: Record,
        different: Option<bool>,
        edits: Vec<Edit>,
    ) -> Result<Effect, Failure> {
        let Self {
            world,
            module,
            task,
            old,
            was,
            displaced,
            ..
        } = self;
        let applied = &mut attempt.applied;
        if self.replaces && work.action == Action::Update && !attempt.told {
            applied.effect = match different {
                Some(false) if attempt.outside.is_empty() => Effect::Unchanged,
                _ => Effect::Changed,
            };
        }
        let replaced = std::mem::take(&mut applied.replaced);
        let trash = replaced
            .iter()
            .map(|stage| stage.root().to_owned())
            .collect();
        if self.replaces && work.action == Action::Install {
            for path in module
                .paths
                .iter()
                .filter(|path| path.symlink_metadata().is_err())
            {
                task.note(
                    Level::Warning,
                    format!(
                        "{} declares {}, which does not exist",
                        module.words.directories,
                        path.display()
                    ),
                );
            }
        }
        let to = version(work)
            .or_else(|| local::head(&module.repository.as_ref()?.dir))
            .or_else(|| applied.version.clone());
        if self.from != to && (self.from.is_some() || to.is_some()) {
            task.version(
                self.from.clone().filter(|_| work.record.is_some()),
                to.clone(),
            );
        }
        applied.version = to;
        // What somebody else put there stays theirs when it is only brought up to date.
        let updated = work.action == Action::Update
            && !work.anew
            && work.record.as_ref().is_some_and(|record| record.adopted);
        let adopted = updated || (applied.effect == Effect::Unchanged && work.record.is_none());
        let moved = displaced::moved(displaced, old);
        let new = applied
            .paths
            .iter()
            .filter(|_| applied.effect == Effect::Changed);
        let paths: Vec<PathBuf> = watch.made().into_iter().chain(new.cloned()).collect();
        let own = applied.record.take();
        let mut recorded = own.unwrap_or(if updated { (*old).clone() } else { recorded });
        recorded.extend(moved.clone());
        if module.removal.tree.is_some() {
            let gone = &applied.gone;
            // What its installer wrote elsewhere an earlier time.
            let elsewhere = |path: &Path| {
                !module.paths.iter().any(|own| path.starts_with(own))
                    && path.symlink_metadata().is_ok()
            };
            let earlier = old.iter().filter(|(path, _)| {
                !recorded.contains_key(*path) && elsewhere(path) && !gone.contains(*path)
            });
            let earlier: Vec<_> = earlier
                .map(|(path, entry)| (path.clone(), entry.clone()))
                .collect();
            recorded.extend(earlier);
            recorded.retain(|path, _| !gone.contains(path));
        }
        let mut guarding = self
            .guarding
            .map(|guarding| {
                guarding
                    .lock()
                    .map_err(|_| Failure::new("another task failed"))
            })
            .transpose()?;
        let differences = match (&mut guarding, displaced.is_empty()) {
            (Some(guarding), _) => {
                let again = guarding.meddled;
                Some(guarding.guard.differences(again)?)
            }
            (None, true) => Some(watch.differences(old, false)?),
            // What was moved out of the way is not yet let go.
            (None, false) => None,
        };
        let (changed, edited) = self.keep_edited(&applied.edited)?;
        let differences = differences.map(|mut differences| {
            differences.extend(changed);
            differences.extend(attempt.outside.iter().cloned());
            differences
        });
        // The files of packages are their manager's, and not among the differences.
        let is_upgrade = has_packages(world.registry, &module.removal)
            && applied.version.as_deref() != was.version();
        let journal = differences
            .filter(|differences| !differences.is_empty() || !was.is_installed() || is_upgrade);
        let journal = world
            .run
            .zip(journal)
            .map(|(run, differences)| (run, was.clone(), differences));
        // What an earlier install replaced is still to be given back.
        let edits = match &guarding {
            Some(guarding) => Some(guarding.edits.clone()),
            None if edited.is_empty() => (!edits.is_empty()).then_some(edits),
            None => {
                let known = world
                    .ledger
                    .as_ref()
                    .map(|ledger| ledger.edits(&module.id))
                    .transpose()
                    .map_err(ledger_failure)?;
                let mut known = known.unwrap_or_default();
                known.retain(|known| !edited.iter().any(|edit| edit.path == known.path));
                Some(known.into_iter().chain(edits).chain(edited).collect())
            }
        };
        let resources = came_along(world.registry, &module.removal, &work.before);
        let became = became(module, work);
        let ending = CompletedChange {
            version: None,
            adopted,
            paths,
            record: Some(recorded),
            journal,
            became,
            trash,
            edits,
            resources,
        };
        let effect = record(world, module, applied, ending)?;
        if !replaced.is_empty() {
            drop(replaced);
            world
                .ledger
                .as_ref()
                .filter(|_| displaced.is_empty())
                .map_or(Ok(()), |ledger| ledger.settle(&module.id))
                .map_err(ledger_failure)?;
        }
        if !displaced.is_empty() {
            let copies = displaced::discard(self.home, displaced, &moved, &world.machine, task);
            let mut differences = watch.differences(old, true)?;
            differences.extend(watch.created(&copies));
            differences.extend(attempt.outside);
            world.journal(module, was, &differences)?;
            world
                .ledger
                .as_ref()
                .map_or(Ok(()), |ledger| ledger.settle(&module.id))
                .map_err(ledger_failure)?;
        }
        if let Some(guarding) = &mut guarding {
            guarding.guard.end(task);
        }
        Ok(if attempt.configured {
            Effect::Changed
        } else {
            effect
        })
    }

    /// Keeps the contents of files of others that were edited. Returns what an undo restores, and
    /// what a removal takes out.
    fn keep_edited(&self, edited: &[Edited]) -> Result<(Vec<Difference>, Vec<Edit>), Failure> {
        let Some(store) = self.store.filter(|_| !edited.is_empty()) else {
            return Ok(Default::default());
        };
        let kept = |Edited {
                        edit,
                        contents,
                        separated,
                    }: &Edited|
         -> std::io::Result<(Difference, Edit)> {
            contents
                .iter()
                .try_for_each(|contents| store.add(contents).map(drop))?;
            let (before, after) = (Some(edit.before.clone()), Some(edit.after.clone()));
            let separated = State {
                digest: store.add(separated)?,
                ..edit.before.clone()
            };
            Ok((
                Difference {
                    path: edit.path.clone(),
                    before,
                    after,
                },
                Edit {
                    before: separated,
                    ..edit.clone()
                },
            ))
        };
        let kept = edited
            .iter()
            .map(kept)
            .collect::<std::io::Result<(Vec<Difference>, Vec<Edit>)>>();
        kept.and_then(|kept| store.sync().map(|()| kept))
            .map_err(|error| Failure::new(error.to_string()))
    }

    /// Brings back the former version, and writes down what is there now. Returns the failure to be
    /// told.
    fn fail(
        &self,
        work: &ModuleJob,
        failure: Failure,
        watch: &Watch,
        recorded: Record,
        different: Option<bool>,
    ) -> Result<Failure, Failure> {
        let Self {
            world,
            module,
            task,
            old,
            displaced,
            ..
        } = self;
        // Also where it failed only now; what was taken back stays so. As long as not all of it is,
        // nothing is as it was.
        let unsettled = match self.guarding.map(Mutex::lock) {
            Some(Ok(mut guarding)) => {
                let back = guarding.guard.revert();
                guarding.guard.end(task);
                back.err()
                    .map(|failure| (failure, guarding.is_revert_failure_reported))
            }
            _ => None,
        };
        // What was killed could not clear away its stage.
        clean_stages(&self.planned, |path| watch.inode(path), EndOfRun::NOW);
        if work.aside && work.record.is_some() {
            watch.undo(&recorded, old);
        }
        let back = displaced::restore(displaced)
            .map_err(|error| Failure::new(format!("cannot restore the previous version: {error}")));
        let restored = back.as_ref().is_ok_and(|restored| *restored > 0);
        if let Some(ledger) = &world.ledger {
            // What changed nothing, or was taken back, is as it was.
            let former = work
                .record
                .as_ref()
                .filter(|record| record.ever_installed && !work.unfinished);
            let stands = former
                .is_some_and(|former| module.policy().is_recorded_whole && stands(former, work));
            let is_update = work.action == Action::Update && work.change == Change::Update;
            let intact = stands
                || ((is_update || former.is_some()) && (restored || different == Some(false)));
            let before = work
                .record
                .as_ref()
                .filter(|_| intact && unsettled.is_none());
            let recorded = if displaced.is_empty() && !stands {
                &recorded
            } else {
                *old
            };
            ledger
                .fail(
                    &module.id,
                    &watch.made(),
                    Some(recorded),
                    before,
                    back.is_err(),
                )
                .map_err(ledger_failure)?;
        }
        let kept = if self.context.sandbox.is_some() {
            " (--sandbox restricts its scripts to its directories)"
        } else {
            ""
        };
        back?;
        let restored = if restored {
            "; the previous version was restored"
        } else {
            ""
        };
        let unsettled = unsettled
            .filter(|(_, is_reported)| !is_reported)
            .map(|(unsettled, _)| format!("; {}", unsettled.message))
            .unwrap_or_default();
        Ok(Failure {
            message: format!("{}{unsettled}{kept}{restored}", failure.message),
            ..failure
        })
    }
}

/// True when what was installed before is still there as it was.
fn stands(former: &InstalledModule, work: &ModuleJob) -> bool {
    let version = work.steps.iter().find_map(|step| step.method.version());
    former
        .paths
        .iter()
        .chain(&former.files)
        .all(|path| path.symlink_metadata().is_ok())
        && (version.is_none() || version == former.version)
}

fn apply_steps(
    work: &mut ModuleJob,
    context: &StepContext<'_>,
    attempt: &mut Attempt,
) -> Result<(), Failure> {
    for step in work.steps.iter_mut() {
        // An installer also brings back what of its work is gone.
        let new = context.record.is_empty();
        let due = context.guarding.is_some()
            && (new || context.force || context.unfinished || work.change == Change::Repair);
        if step.after_change && attempt.applied.effect == Effect::Unchanged && !due {
            continue;
        }
        if let Some(Ok(mut guarding)) = context.guarding.map(Mutex::lock) {
            guarding.brought = attempt.applied.record.clone().unwrap_or_default();
        }
        let applied = step.method.apply(context)?;
        if applied.effect == Effect::Changed {
            attempt.applied.effect = Effect::Changed;
            attempt.told |= step.method.tells();
        }
        attempt.applied.version = applied.version.or(attempt.applied.version.take());
        attempt.applied.paths.extend(applied.paths);
        attempt.applied.replaced.extend(applied.replaced);
        if let Some(record) = applied.record {
            attempt
                .applied
                .record
                .get_or_insert_default()
                .extend(record);
        }
        attempt.applied.gone.extend(applied.gone);
        attempt.applied.edited.extend(applied.edited);
        attempt.applied.last_message = applied.last_message.or(attempt.applied.last_message.take());
    }
    Ok(())
}

fn passes_own_check(
    world: &RunContext,
    module: &Module,
    task: &TaskContext,
) -> Result<bool, Failure> {
    let passes = check(world, module, task);
    task.check()?;
    Ok(passes.is_ok())
}

fn begin(
    world: &RunContext,
    module: &Module,
    work: &ModuleJob,
    paths: &[PathBuf],
    watch: Option<&Watch>,
    rollback: &Rollback<'_>,
) -> Result<(), Failure> {
    let (Some(ledger), Some(run)) = (&world.ledger, world.run) else {
        return Ok(());
    };
    let own = identity(module, work);
    // Until what is there from another source has gone, it is still that.
    let now = work
        .record
        .as_ref()
        .filter(|_| work.change == Change::Migrate)
        .unwrap_or(&own);
    let (
        id,
        InstalledModule {
            method,
            digest,
            source,
            requires,
            removal,
            ..
        },
    ) = (&module.id, now);
    // The files of a package are recorded by its manager.
    let watch = watch.filter(|_| !is_package(world.registry, &module.removal));
    let (absent, found) = watch.map_or((&[][..], &[][..]), |watch| (&watch.absent, &watch.found));
    let (asked, rollback) = (work.asked, *rollback);
    ledger
        .begin(
            run,
            &PendingChange {
                module: id,
                method,
                digest,
                source,
                requires,
                removal,
                paths,
                absent,
                found,
                rollback,
                asked,
            },
        )
        .map_err(ledger_failure)
}

/// Records that a module was found installed.
fn adopt(world: &RunContext, module: &Module, work: &ModuleJob) -> Result<Effect, Failure> {
    if let (Some(ledger), Some(run)) = (&world.ledger, world.run) {
        let now = identity(module, work);
        let InstalledModule {
            method,
            digest,
            source,
            requires,
            removal,
            ..
        } = &now;
        let beginning = PendingChange {
            requires,
            removal,
            asked: work.asked,
            ..PendingChange::new(&module.id, method, digest, source)
        };
        let mut own = module.removal.owned();
        let is_ours = has_packages(world.registry, &module.removal)
            && own.all(|resource| work.resources.contains(resource));
        ledger
            .adopt(run, &beginning, version(work).as_deref(), !is_ours)
            .map_err(ledger_failure)?;
    }
    Ok(Effect::Unchanged)
}

/// Whether everything that the steps change is among the files that are recorded before: packages
/// are not.
fn is_covered(work: &ModuleJob) -> bool {
    work.steps
        .iter()
        .all(|step| step.method.changes_only_files())
}

/// What a module is, for the ledger.
fn identity(module: &Module, work: &ModuleJob) -> InstalledModule {
    InstalledModule {
        method: module.method.clone(),
        digest: module.digest.clone(),
        source: module.source.clone(),
        version: None,
        installed_at: String::new(),
        paths: Vec::new(),
        adopted: false,
        ever_installed: false,
        is_explicit: work.asked,
        requires: module.requires.clone(),
        files: Vec::new(),
        removal: UninstallSpec {
            resources: work
                .resources
                .iter()
                .chain(shared(&module.removal))
                .cloned()
                .collect(),
            ..module.removal.clone()
        },
        preexisting_paths: Vec::new(),
    }
}

/// What it becomes when it takes the place of what was installed from another source.
fn became(module: &Module, work: &ModuleJob) -> Option<InstalledModule> {
    (work.change == Change::Migrate).then(|| identity(module, work))
}

/// The same question that `hoist test` asks, but for a declared command: it may count on more than
/// the install.
fn verify(world: &RunContext, module: &Module, task: &TaskContext) -> Result<(), Failure> {
    if module.checks.function {
        return check(world, module, task).map_err(|failure| {
            Failure::new(format!(
                "the install succeeded, but then {}",
                failure.message
            ))
        });
    }
    world.path.add_module(module);
    match checks::missing(&world.machine, &module.checks, &module.paths, &world.path) {
        missing if missing.is_empty() => Ok(()),
        missing => Err(Failure::new(format!(
            "the install succeeded, but declared files are missing: {}",
            missing.join(", ")
        ))),
    }
}

fn record(
    world: &RunContext,
    module: &Module,
    applied: &Applied,
    ending: CompletedChange,
) -> Result<Effect, Failure> {
    if let Some(ledger) = &world.ledger {
        ledger
            .finish(
                &module.id,
                &CompletedChange {
                    version: applied.version.clone(),
                    ..ending
                },
            )
            .map_err(ledger_failure)?;
    }
    Ok(applied.effect)
}
