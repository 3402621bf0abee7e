//! How a module's steps run: written down in the ledger before and after, and verified at the end. The only place that does so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use hoist_core::{Action, Application, Change, InstalledModule, Module, ModuleId, Removal};
use hoist_executor::{Effect, Failure, Level, TaskContext};
use hoist_files::{Difference, Home, Record, Store};
use hoist_ledger::{Aside, Beginning, Ending, Entry, Ledger, LedgerError, Memento, RunId};

use crate::application::{self, Guard, Guarding};
use crate::aside;
use crate::builtin::{git, git_own, pip};
use crate::config::{self, ConfigFile, ConfigPolicy};
use crate::look;
use crate::machine::Machine;
use crate::method::{Applied, Method, StepContext, method_of};
use crate::plugin::{Configured, Deployment, Undeployment};
use crate::remote::Remote;
use crate::sandbox::Sandbox;
use crate::stage::{Stage, clean_stages};
use crate::uninstall::leave_former;
use crate::watch::{Keeping, Watch};

/// What all modules of a run share.
pub(crate) struct World {
    pub(crate) machine: Arc<Machine>,
    pub(crate) home: Home,
    /// Directories that nothing may remove.
    pub(crate) own: Vec<PathBuf>,
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) run: Option<RunId>,
    /// The run's name.
    pub(crate) name: String,
    /// More directories that programs are found in.
    pub(crate) path: Vec<PathBuf>,
    pub(crate) force: bool,
    /// Remove also what was changed or added.
    pub(crate) purge: bool,
    /// What is decided about configuration files.
    pub(crate) configs: BTreeMap<ModuleId, Vec<ConfigFile>>,
    pub(crate) policy: ConfigPolicy,
    /// The same for single modules, where that was asked.
    pub(crate) policies: BTreeMap<ModuleId, ConfigPolicy>,
    /// Where hoist keeps what it knows.
    pub(crate) state: PathBuf,
    /// Hoist's own places: nothing in them is anybody else's.
    pub(crate) private: Vec<PathBuf>,
    /// What may have to come back.
    pub(crate) store: OnceLock<Result<Store, String>>,
    /// The paths that modules of the run make their own.
    pub(crate) claims: BTreeMap<PathBuf, Vec<ModuleId>>,
    /// What of a past run is taken back.
    pub(crate) undo: Vec<Entry>,
    /// Where the scripts of each module may write; nothing of a module that cannot be kept to anything. Empty where nobody is.
    pub(crate) sandboxes: BTreeMap<ModuleId, Option<Sandbox>>,
    /// How plugins are configured.
    pub(crate) plugins: BTreeMap<ModuleId, Configured>,
    /// What is deployed.
    pub(crate) deployments: BTreeMap<ModuleId, Deployment>,
    /// What is taken down.
    pub(crate) undeployments: BTreeMap<ModuleId, Undeployment>,
    /// What hoist is to do on other hosts.
    pub(crate) remotes: BTreeMap<ModuleId, Remote>,
}

impl World {
    pub(crate) fn context<'a>(&'a self, module: &'a Module, task: &'a TaskContext) -> StepContext<'a> {
        let World { machine, path, force, .. } = self;
        let sandbox = self.sandboxes.get(&module.id).and_then(Option::as_ref);
        let bare = StepContext::new(task, machine, module.id.as_str(), &module.variables);
        let plugin = self.plugins.get(&module.id);
        StepContext { path, force: *force, sandbox, plugin, policy: self.policies.get(&module.id).copied().unwrap_or(self.policy), ..bare }
    }

    /// The directory that a module's files stand below: the home directory, unless it belongs `into` another, which is made where it is not there.
    pub(crate) fn home_of(&self, into: Option<&Path>) -> Result<Place<'_>, Failure> {
        let Some(into) = into else { return Ok(Place::Home(&self.home)) };
        let open = || std::fs::create_dir_all(into).and_then(|()| place_of(into, &self.own));
        open().map(Place::Elsewhere).map_err(|error| Failure::new(format!("{} cannot be used: {error}", into.display())))
    }

    /// Where contents are kept that may have to come back.
    pub(crate) fn store(&self) -> Result<&Store, Failure> {
        let open = || Store::open(&self.state.join(CONTENTS)).map_err(|error| format!("what is kept of files cannot be used: {error}"));
        self.store.get_or_init(open).as_ref().map_err(|why| Failure::new(why.clone()))
    }

    /// What the ledger says of a module before it is changed.
    pub(crate) fn memento(&self, module: &Module) -> Result<Memento, Failure> {
        self.ledger.as_ref().map_or(Ok(Memento::default()), |ledger| ledger.memento(&module.id)).map_err(told)
    }

    /// Writes down what became different, so that it can be taken back.
    pub(crate) fn journal(&self, module: &Module, was: &Memento, differences: &[Difference]) -> Result<(), Failure> {
        let (Some(ledger), Some(run)) = (&self.ledger, self.run) else { return Ok(()) };
        ledger.journal(run, &module.id, was, differences).map_err(told)
    }

    /// Starts to watch over an application.
    pub(crate) fn guard<'w>(&'w self, application: &'w Application, module: &ModuleId, removal: bool) -> Result<Guarding<'w>, Failure> {
        let (others, edits) = match &self.ledger {
            Some(ledger) => (ledger.others_below(module, &application.ground()).map_err(told)?, ledger.edits(module).map_err(told)?),
            None => Default::default(),
        };
        let guard = Guard::start(application, module, removal, &self.state, self.store()?, &self.private)?;
        Ok(Guarding { guard, others, edits, brought: Record::new(), meddled: false })
    }

    fn configs(&self, module: &Module) -> &[ConfigFile] {
        self.configs.get(&module.id).map_or(&[], Vec::as_slice)
    }
}

/// The directory of contents, in hoist's state.
pub(crate) const CONTENTS: &str = "contents";

/// Lets go of contents that can not come back any more: what the newest runs did stays.
///
/// # Errors
/// What is kept cannot be read or written.
pub fn keep_contents(state: &Path, ledger: &Ledger) -> Result<(), Failure> {
    let packs = std::fs::read_dir(state.join(CONTENTS)).into_iter().flatten().flatten();
    if packs.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pack")).count() < PACKS {
        return Ok(());
    }
    ledger.forget_journals(JOURNALS).map_err(told)?;
    let (journaled, present) = (ledger.wanted_contents().map_err(told)?, application::contents_of(state));
    // Where something is still to be taken back and nobody can tell what that needs, nothing goes.
    let Some(present) = present else { return Ok(()) };
    let wanted = journaled.iter().chain(&present).map(String::as_str).collect();
    let kept = Store::open(&state.join(CONTENTS)).and_then(|store| store.retain(&wanted));
    kept.map_err(|error| Failure::new(format!("what is kept of files: {error}")))
}

/// It is only looked for what can go once there are so many packs of contents.
const PACKS: usize = 8;
/// So many runs can be taken back.
const JOURNALS: usize = 50;

/// A place that a source puts its modules into. It may stand in the directory of a collection, which is why that is not held against it.
pub fn place_of(into: &Path, own: &[PathBuf]) -> std::io::Result<Home> {
    let real = into.canonicalize()?;
    let own: Vec<PathBuf> = own.iter().filter(|own| !own.canonicalize().is_ok_and(|own| real.starts_with(own))).cloned().collect();
    Home::open(into, &own)
}

/// The directory that a module's files stand below.
pub(crate) enum Place<'a> {
    Home(&'a Home),
    Elsewhere(Home),
}

impl std::ops::Deref for Place<'_> {
    type Target = Home;
    fn deref(&self) -> &Home {
        match self {
            Place::Home(home) => home,
            Place::Elsewhere(home) => home,
        }
    }
}

/// One step of a module, and when it runs.
pub(crate) struct Bound {
    pub(crate) method: Box<dyn Method>,
    pub(crate) after_change: bool,
}

/// What is done to a module, and what is known of it.
pub(crate) struct Work {
    pub(crate) action: Action,
    pub(crate) change: Change,
    pub(crate) steps: Vec<Bound>,
    pub(crate) record: Option<InstalledModule>,
    /// Do it also where it seems done.
    pub(crate) anew: bool,
    /// Move what is there out of the way first.
    pub(crate) aside: bool,
    /// The Python packages that go with the module.
    pub(crate) python: Vec<String>,
    /// True when somebody asked for it.
    pub(crate) asked: bool,
    /// True when an earlier install of it did not finish.
    pub(crate) unfinished: bool,
    /// What the ledger said of it before the first attempt.
    pub(crate) was: Option<Memento>,
}

/// Installs or updates a module: its steps, its configuration files, then a look whether what it declares is there.
pub(crate) fn bring(world: &World, module: &Module, work: &mut Work, task: &TaskContext) -> Result<Effect, Failure> {
    if work.change == Change::Check && passes_own_check(world, module, task)? {
        begin(world, module, work, &[], None, &[])?;
        return record(world, module, &Applied::unchanged(), Ending { adopted: true, ..Ending::default() });
    }
    if let Some(obstruction) = module.repository.as_ref().and_then(look::obstruction) {
        return Err(Failure::new(format!("{obstruction}: move it away to install this module")));
    }
    let force = world.force || work.anew;
    let version = |work: &Work| work.steps.iter().find_map(|step| step.method.version());
    let from = version(work).or_else(|| work.record.as_ref()?.version.clone());
    let old = match &world.ledger {
        Some(ledger) => ledger.record(&module.id).map_err(told)?,
        None => Record::new(),
    };
    let home = world.home_of(module.removal.into.as_deref())?;
    let context = StepContext { force, record: &old, unfinished: work.unfinished, ..world.context(module, task) };
    work.steps.iter().try_for_each(|step| step.method.refuse(&context))?;
    if matches!(work.change, Change::Install | Change::Migrate | Change::Update) && module.removal.is_indexed() {
        module.offered.caveats.iter().for_each(|caveat| task.note(Level::Warning, caveat.as_str()));
    }
    let methods = work.steps.iter().map(|step| &step.method);
    let configs = world.configs(module).iter().map(|file| &file.path).chain(&module.config_files);
    let stages = configs.flat_map(|path| config::stages_of(path));
    let planned: Vec<PathBuf> = module.paths.iter().cloned().chain(methods.flat_map(|method| method.paths())).chain(stages).collect();
    // A step that replaces by itself keeps the old until it is done.
    let replaces = work.steps.iter().any(|step| !step.method.tells());
    if let Some(ledger) = &world.ledger {
        refuse_unsettled(ledger, &module.id)?;
    }
    let asides = match work.aside && replaces {
        true => aside::plan(&home, module, work.record.as_ref(), &old, &world.name)?,
        false => Vec::new(),
    };
    let application = module.removal.application.as_ref();
    let guarded = application.filter(|_| work.steps.len() > 1);
    let _alone = application.map(|application| application::lock(application, guarded.is_some(), task)).transpose()?;
    let guarding = guarded.map(|application| world.guard(application, &module.id, false)).transpose()?.map(Mutex::new);
    let context = StepContext { guarding: guarding.as_ref(), ..context };
    let was = match &work.was {
        Some(was) => was.clone(),
        None => work.was.insert(world.memento(module)?).clone(),
    };
    let keeping = Keeping { store: world.ledger.as_ref().map(|_| world.store()).transpose()?, claims: &world.claims };
    let mut watch = Watch::start(&world.machine, &home, module, &work.steps, &old, &keeping)?;
    keeping.store.map_or(Ok(()), Store::flush).map_err(|error| Failure::new(error.to_string()))?;
    begin(world, module, work, &planned, Some(&watch), &asides)?;
    let mut applied = attempt(world, module, work, &context, &asides);
    if let (Change::Migrate, Ok(attempt), Some(former)) = (work.change, &mut applied, &work.record) {
        let new = attempt.applied.record.clone().unwrap_or_default();
        if let Err(failure) = leave_former(world, module, former, &old, &new, task) {
            // Both are there: the new one goes again, and what stood in its place comes back.
            let changed = attempt.applied.effect == Effect::Changed;
            let back = match attempt.applied.replaced.is_empty() {
                false => attempt.applied.replaced.drain(..).try_for_each(Stage::put_back).map_err(|error| Failure::new(error.to_string())),
                true if changed => work.steps.iter_mut().try_for_each(|step| step.method.take_back(&context)),
                true => Ok(()),
            };
            let more = back.err().map(|failure| format!("; and taking back the new one: {}", failure.message)).unwrap_or_default();
            applied = Err(Failure::new(format!("{}{more}", failure.message)));
        }
    }
    if let (Err(failure), Some(guarding)) = (&mut applied, guarding.as_ref()) {
        let back = guarding.lock().map_err(|_| Failure::new("its application is not watched any more"));
        failure.message += &match back.and_then(|mut guarding| guarding.guard.take_back()) {
            Ok(_) => "; everything it had done was taken back".to_owned(),
            Err(failure) => format!("; {}", failure.message),
        };
    }
    // A step of hoist's own leaves nothing half done; what was moved out of the way comes back below.
    let is_due = replaces && asides.is_empty();
    if let (Err(failure), None, Some(store), true) = (&mut applied, &guarding, keeping.store, is_due) {
        match watch.take_back(&old, store) {
            Ok((0, _)) => {}
            Ok((_, None)) => failure.message += "; everything it had done to its own directories was taken back",
            Ok((_, Some(why))) => failure.message += &format!("; what it had done was taken back but for {why}"),
            Err(more) => failure.message += &format!("; {}", more.message),
        }
        if let Some(why) = watch.take_back_configs(store)? {
            failure.message += &format!("; its configuration files were put back but for {why}");
        }
    }
    if let (Ok(_), Some(store), true) = (&applied, keeping.store, is_due && was.is_installed()) {
        applied = match watch.protect(&old, store, context.policy, task) {
            Ok(()) => applied,
            Err(failure) => Err(failure),
        };
    }
    let (recorded, different) = match watch.finish(&old, &asides) {
        Ok(finished) => finished,
        Err(failure) => {
            applied = applied.and(Err(failure));
            (old.clone(), None)
        }
    };
    match &mut applied {
        Ok(applied) => {
            if work.steps.iter().any(|step| !step.method.tells()) && work.action == Action::Update && !applied.told {
                applied.applied.effect = match different {
                    Some(false) => Effect::Unchanged,
                    _ => Effect::Changed,
                };
            }
            applied.applied.replaced.clear();
            if replaces && work.action == Action::Install {
                for path in module.paths.iter().filter(|path| path.symlink_metadata().is_err()) {
                    task.note(Level::Warning, format!("MODULE_INSTALL_DIRS names {}, which is not there", path.display()));
                }
            }
            let to = version(work).or_else(|| git::head(&module.repository.as_ref()?.dir)).or_else(|| applied.applied.version.clone());
            if from != to && (from.is_some() || to.is_some()) {
                task.version(from.filter(|_| work.record.is_some()), to.clone());
            }
            applied.applied.version = to;
            let made =
                watch.made().into_iter().chain(applied.applied.paths.iter().filter(|_| applied.applied.effect == Effect::Changed).cloned());
            // What somebody else put there stays theirs when it is only brought up to date.
            let updated = work.action == Action::Update && !work.anew && work.record.as_ref().is_some_and(|record| record.adopted);
            let adopted = updated || (applied.applied.effect == Effect::Unchanged && work.record.is_none());
            let moved = aside::moved(&asides, &old);
            let paths: Vec<PathBuf> = made.collect();
            let own = applied.applied.record.take();
            let mut recorded = own.unwrap_or(if updated { old.clone() } else { recorded });
            recorded.extend(moved.clone());
            if application.is_some() {
                let gone = &applied.applied.gone;
                // What its installer wrote elsewhere an earlier time.
                let elsewhere = |path: &Path| !module.paths.iter().any(|own| path.starts_with(own)) && path.symlink_metadata().is_ok();
                let earlier = old.iter().filter(|(path, _)| !recorded.contains_key(*path) && elsewhere(path) && !gone.contains(*path));
                let earlier: Vec<_> = earlier.map(|(path, entry)| (path.clone(), entry.clone())).collect();
                recorded.extend(earlier);
                recorded.retain(|path, _| !gone.contains(path));
            }
            let differences = match (guarding.as_ref().map(Mutex::lock), asides.is_empty()) {
                (Some(Ok(mut guarding)), _) => Some({
                    let again = guarding.meddled;
                    guarding.guard.differences(again)?
                }),
                (_, true) => Some(watch.differences(&old, false)?),
                // What was moved out of the way is not yet let go.
                (_, false) => None,
            };
            let journal = differences.filter(|differences| !differences.is_empty() || !was.is_installed());
            let journal = world.run.zip(journal).map(|(run, differences)| (run, was.clone(), differences));
            let ending = Ending { version: None, adopted, paths, record: Some(recorded), journal, became: became(module, work) };
            let effect = record(world, module, &applied.applied, ending)?;
            if let Some(Ok(guarding)) = guarding.as_ref().map(Mutex::lock) {
                world.ledger.as_ref().map_or(Ok(()), |ledger| ledger.put_edits(&module.id, &guarding.edits)).map_err(told)?;
            }
            if !asides.is_empty() {
                aside::discard(&home, &asides, &moved, task);
                world.ledger.as_ref().map_or(Ok(()), |ledger| ledger.settle(&module.id)).map_err(told)?;
            }
            if !asides.is_empty() {
                world.journal(module, &was, &watch.differences(&old, true)?)?;
            }
            if let Some(Ok(mut guarding)) = guarding.as_ref().map(Mutex::lock) {
                guarding.guard.end(task);
            }
            let changed = applied.configured || effect == Effect::Changed;
            Ok(if changed { Effect::Changed } else { Effect::Unchanged })
        }
        Err(failure) => {
            // What was killed could not clear away its stage.
            clean_stages(&planned, git_own::is_untouched);
            if work.aside && work.record.is_some() {
                watch.undo(&recorded, &old);
            }
            let back = aside::bring_back(&asides, None).map_err(|error| Failure::new(format!("bringing back the former version: {error}")));
            let restored = back.as_ref().is_ok_and(|back| back.restored > 0);
            if let Some(ledger) = &world.ledger {
                // What changed nothing, or was taken back, is as it was.
                let former = work.record.as_ref().filter(|record| record.once && !work.unfinished);
                let stands = former.is_some_and(|former| module.removal.is_indexed() && stands(former, work));
                let intact =
                    stands || (work.action == Action::Update && work.change == Change::Update && (restored || different == Some(false)));
                let before = work.record.as_ref().filter(|_| intact);
                let recorded = if asides.is_empty() && !stands { recorded } else { old.clone() };
                ledger.fail(&module.id, &watch.made(), Some(&recorded), before).map_err(told)?;
                if restored {
                    ledger.settle(&module.id).map_err(told)?;
                }
            }
            let kept = if context.sandbox.is_some() { " (--sandbox kept its scripts to its directories)" } else { "" };
            if let Some(Ok(mut guarding)) = guarding.as_ref().map(Mutex::lock) {
                // Also where it failed only now; what was taken back stays so.
                guarding.guard.take_back()?;
                guarding.guard.end(task);
            }
            back?;
            let restored = if restored { "; the former version is back" } else { "" };
            Err(Failure { message: format!("{}{kept}{restored}", failure.message), ..failure.clone() })
        }
    }
}

/// True when what was installed before is still there as it was.
fn stands(former: &InstalledModule, work: &Work) -> bool {
    let version = work.steps.iter().find_map(|step| step.method.version());
    former.paths.iter().chain(&former.files).all(|path| path.symlink_metadata().is_ok()) && (version.is_none() || version == former.version)
}

/// What the steps came to.
struct Attempt {
    applied: Applied,
    /// True when a step that knows said that something changed.
    told: bool,
    configured: bool,
}

fn attempt(world: &World, module: &Module, work: &mut Work, context: &StepContext<'_>, asides: &[Aside]) -> Result<Attempt, Failure> {
    let configs = world.configs(module);
    let guarded = config::guard(module, configs, asides)?;
    let known = config::known(&module.id, &guarded, asides, world.ledger.as_deref())?;
    aside::away(asides)?;
    let prepared = match (world.sandboxes.get(&module.id), context.sandbox) {
        (Some(None), _) => {
            context.task.note(Level::Warning, "not kept to its directories: its script installs packages of the system");
            Vec::new()
        }
        (_, Some(sandbox)) => sandbox.prepare().map_err(|error| Failure::new(format!("making its directories: {error}")))?,
        _ => Vec::new(),
    };
    let mut attempt = Attempt { applied: Applied::unchanged(), told: false, configured: false };
    let applied = apply(work, context, &mut attempt);
    // What was made for the script and not used.
    prepared.iter().rev().for_each(|path| drop(std::fs::remove_dir(path)));
    aside::link_back(asides, guarded.iter().map(|guarded| guarded.path.as_path()).chain(module.config_files.iter().map(PathBuf::as_path)));
    // Also where it failed, what the script wrote over is there again, or copied aside.
    config::settle(&module.id, guarded, world.policy, world.ledger.as_deref(), context.task)?;
    let verified = applied.and_then(|()| {
        if let Some(ledger) = &world.ledger {
            attempt.configured = config::place(&module.id, configs, ledger, context.task)?;
        }
        match work.steps.is_empty() {
            true => Ok(()),
            false => verify(world, module, context.task),
        }
    });
    match verified {
        Ok(()) => Ok(attempt),
        Err(failure) => {
            // What a step put in place of the former version goes, and that comes back.
            let new = attempt.applied.replaced.is_empty() && attempt.applied.effect == Effect::Changed && context.record.is_empty();
            if new && module.removal.plugin {
                work.steps.iter_mut().try_for_each(|step| step.method.take_back(context))?;
            }
            let back = attempt.applied.replaced.drain(..).try_for_each(|stage| stage.put_back());
            if let Some(ledger) = &world.ledger {
                config::forget(&module.id, &known, ledger)?;
            }
            back.map_err(|error| Failure::new(format!("{}; and bringing back the former version: {error}", failure.message)))?;
            Err(failure)
        }
    }
}

fn apply(work: &mut Work, context: &StepContext<'_>, attempt: &mut Attempt) -> Result<(), Failure> {
    for step in work.steps.iter_mut() {
        // An installer also brings back what of its work is gone.
        let new = context.record.is_empty();
        let due = context.guarding.is_some() && (new || context.force || context.unfinished || work.change == Change::Repair);
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
            attempt.applied.record.get_or_insert_default().extend(record);
        }
        attempt.applied.gone.extend(applied.gone);
    }
    Ok(())
}

/// Verifies a module without changing anything.
pub(crate) fn test(world: &World, module: &Module, recorded: &[PathBuf], task: &TaskContext) -> Result<Effect, Failure> {
    let steps = module.recipe.steps(Action::Test);
    if module.removal.is_indexed() {
        let mut missing = look::missing(&world.machine, &module.checks, &world.path);
        missing.extend(recorded.iter().filter(|path| path.symlink_metadata().is_err()).map(|path| path.display().to_string()));
        if !missing.is_empty() {
            return Err(Failure::new(format!("not there: {}", missing.join(", "))));
        }
    } else if steps.is_empty() {
        let gone: Vec<String> =
            recorded.iter().filter(|path| path.symlink_metadata().is_err()).map(|path| path.display().to_string()).collect();
        if !gone.is_empty() {
            return Err(Failure::new(format!("not there: {}", gone.join(", "))));
        }
        task.note(Level::Info, "declares nothing to test");
        return Ok(Effect::Unchanged);
    }
    for step in steps {
        let mut method = method_of(step).map_err(Failure::new)?;
        method.apply(&world.context(module, task))?;
    }
    Ok(Effect::Unchanged)
}

fn passes_own_check(world: &World, module: &Module, task: &TaskContext) -> Result<bool, Failure> {
    let passes = test(world, module, &[], task);
    task.check()?;
    Ok(passes.is_ok())
}

fn begin(world: &World, module: &Module, work: &Work, paths: &[PathBuf], watch: Option<&Watch>, aside: &[Aside]) -> Result<(), Failure> {
    let (Some(ledger), Some(run)) = (&world.ledger, world.run) else { return Ok(()) };
    let own = identity(module, work);
    // Until what is there from another source has gone, it is still that.
    let now = work.record.as_ref().filter(|_| work.change == Change::Migrate).unwrap_or(&own);
    let (id, InstalledModule { method, digest, source, requires, removal, .. }) = (&module.id, now);
    // Of a rock LuaRocks knows what is there.
    let watch = watch.filter(|_| module.removal.rock.is_none());
    let (absent, found) = watch.map_or((&[][..], &[][..]), |watch| (&watch.absent, &watch.found));
    let asked = work.asked;
    ledger
        .begin(run, &Beginning { module: id, method, digest, source, requires, removal, paths, absent, found, aside, asked })
        .map_err(told)
}

/// What a module is, for the ledger.
fn identity(module: &Module, work: &Work) -> InstalledModule {
    InstalledModule {
        method: module.method.clone(),
        digest: module.digest.clone(),
        source: module.source.clone(),
        version: None,
        installed_at: String::new(),
        paths: Vec::new(),
        adopted: false,
        once: false,
        asked: work.asked,
        requires: module.requires.clone(),
        files: Vec::new(),
        removal: Removal { python: work.python.clone(), ..module.removal.clone() },
        found: Vec::new(),
    }
}

/// What it becomes when it takes the place of what was installed from another source.
fn became(module: &Module, work: &Work) -> Option<InstalledModule> {
    (work.change == Change::Migrate).then(|| identity(module, work))
}

/// The Python packages that go with a module: not those that were there before it. Asked before the run, since others may bring the same.
pub(crate) fn own_packages(module: &Module, record: Option<&InstalledModule>) -> Vec<String> {
    let Some(target) = &module.removal.target else { return module.removal.python.clone() };
    let known = |name: &&String| record.is_some_and(|record| record.removal.python.contains(name));
    module.removal.python.iter().filter(|name| known(name) || pip::installed(target, name).is_none()).cloned().collect()
}

/// Nothing is done to a module of which a former version is out of the way and could not be brought back.
pub(crate) fn refuse_unsettled(ledger: &Ledger, module: &ModuleId) -> Result<(), Failure> {
    let asides = ledger.asides(module).map_err(told)?;
    match asides.iter().find(|aside| aside.kept.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(Aside { path, kept, .. }) => {
            let (kept, path) = (kept.display(), path.display());
            Err(Failure::new(format!("its former version is still at {kept}, and could not be brought back: move it to {path}, or away")))
        }
    }
}

/// The same question that `hoist test` asks, but for a declared command: it may count on more than the install.
fn verify(world: &World, module: &Module, task: &TaskContext) -> Result<(), Failure> {
    if module.checks.function {
        return test(world, module, &[], task).map(drop).map_err(|failure| Failure::new(format!("it ran, but then {}", failure.message)));
    }
    match look::missing(&world.machine, &module.checks, &world.path) {
        missing if missing.is_empty() => Ok(()),
        missing => Err(Failure::new(format!("it ran, but what it declares is not there: {}", missing.join(", ")))),
    }
}

fn record(world: &World, module: &Module, applied: &Applied, ending: Ending) -> Result<Effect, Failure> {
    if let Some(ledger) = &world.ledger {
        ledger.finish(&module.id, &Ending { version: applied.version.clone(), ..ending }).map_err(told)?;
    }
    Ok(applied.effect)
}

fn told(error: LedgerError) -> Failure {
    Failure::new(error.to_string())
}
