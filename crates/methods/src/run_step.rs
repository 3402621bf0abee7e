//! How a module's steps run: written down in the ledger before and after, and verified at the end. The only place that does so.

use std::path::PathBuf;
use std::sync::Arc;

use hoist_core::{Action, Change, Module};
use hoist_executor::{Effect, Failure, Level, TaskContext};
use hoist_ledger::{Beginning, Ending, Ledger, RunId};

use crate::builtin::git;
use crate::look;
use crate::machine::Machine;
use crate::method::{Applied, Method, StepContext, method_of};
use crate::stage::clean_stages;

/// What all modules of a run share.
pub(crate) struct World {
    pub(crate) machine: Arc<Machine>,
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) run: Option<RunId>,
    /// More directories that programs are found in.
    pub(crate) path: Vec<PathBuf>,
    pub(crate) force: bool,
}

impl World {
    fn context<'a>(&'a self, module: &'a Module, task: &'a TaskContext) -> StepContext<'a> {
        let World { machine, path, force, .. } = self;
        StepContext { task, machine, module: module.id.as_str(), variables: &module.variables, path, force: *force }
    }
}

/// Installs a module: its steps, then a look whether what it declares is there.
pub(crate) fn install(
    world: &World,
    module: &Module,
    steps: &mut [Box<dyn Method>],
    change: Change,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    if change == Change::Check && passes_own_check(world, module, task)? {
        return record(world, module, &Applied::unchanged(), Vec::new());
    }
    if let Some(obstruction) = module.repository.as_ref().and_then(look::obstruction) {
        return Err(Failure::new(format!("{obstruction}: move it away to install this module")));
    }
    let context = world.context(module, task);
    steps.iter().try_for_each(|step| step.refuse(&context))?;
    let planned: Vec<PathBuf> = module.paths.iter().cloned().chain(steps.iter().flat_map(|step| step.paths())).collect();
    let absent: Vec<PathBuf> = planned.iter().filter(|path| path.symlink_metadata().is_err()).cloned().collect();
    begin(world, module, &planned, &absent)?;
    let applied = apply(world, module, steps, task).and_then(|applied| verify(world, module, task).map(|()| applied));
    let made = absent.into_iter().filter(|path| path.symlink_metadata().is_ok());
    match applied {
        Ok(mut applied) => {
            let made = made.chain(applied.paths.iter().cloned()).collect();
            applied.version = applied.version.or_else(|| git::head(&module.repository.as_ref()?.dir));
            record(world, module, &applied, made)
        }
        Err(failure) => {
            // What was killed could not clear away its stage.
            clean_stages(&planned);
            if let Some(ledger) = &world.ledger {
                ledger.fail(&module.id, &made.collect::<Vec<_>>()).map_err(|error| Failure::new(error.to_string()))?;
            }
            Err(failure)
        }
    }
}

/// Verifies a module without changing anything.
pub(crate) fn test(world: &World, module: &Module, recorded: &[PathBuf], task: &TaskContext) -> Result<Effect, Failure> {
    let steps = module.recipe.steps(Action::Test);
    if steps.is_empty() {
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

fn begin(world: &World, module: &Module, paths: &[PathBuf], absent: &[PathBuf]) -> Result<(), Failure> {
    let (Some(ledger), Some(run)) = (&world.ledger, world.run) else { return Ok(()) };
    let Module { id, method, digest, source, .. } = module;
    let beginning = Beginning { module: id, method, digest, source, paths, absent };
    ledger.begin(run, &beginning).map_err(|error| Failure::new(error.to_string()))
}

fn apply(world: &World, module: &Module, steps: &mut [Box<dyn Method>], task: &TaskContext) -> Result<Applied, Failure> {
    let mut total = Applied::unchanged();
    for step in steps {
        let applied = step.apply(&world.context(module, task))?;
        if applied.effect == Effect::Changed {
            total.effect = Effect::Changed;
        }
        total.version = applied.version.or(total.version);
        total.paths.extend(applied.paths);
    }
    Ok(total)
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

fn record(world: &World, module: &Module, applied: &Applied, paths: Vec<PathBuf>) -> Result<Effect, Failure> {
    if let Some(ledger) = &world.ledger {
        let wrong = |error: hoist_ledger::LedgerError| Failure::new(error.to_string());
        if applied.effect == Effect::Unchanged {
            begin(world, module, &[], &[])?;
        }
        let ending = Ending { version: applied.version.clone(), adopted: applied.effect == Effect::Unchanged, paths };
        ledger.finish(&module.id, &ending).map_err(wrong)?;
    }
    Ok(applied.effect)
}
