//! What all modules of a run share, and what is done to each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hoist_core::{
    Action, Change, ConfigPolicy, InstalledModule, Module, ModuleId, ProtectedTree, Resource,
    ResourceScope,
};
use hoist_executor::{Failure, TaskContext};
use hoist_files::{Difference, Home, Record, Store};
use hoist_ledger::{DisplacedPath, Ledger, PriorState, RunId};

use crate::config::ConfigFile;
use crate::job::RemovalJobs;
use crate::recorded::{CONTENTS, ledger_failure, place_of};
use crate::undo_plan::UndoPlan;
use hoist_guard::around::Around;
use hoist_guard::session::{Guard, GuardSession};
use hoist_machine::machine::Machine;
use hoist_machine::programs::ProgramDirectories;
use hoist_machine::sandbox::Sandbox;
use hoist_system::context::{RunSelection, StepContext};
use hoist_system::method::Method;
use hoist_system::private::PrivateInput;
use hoist_system::registry::Registry;

/// What all modules of a run share.
pub struct RunContext {
    /// The methods that there are.
    pub registry: Registry,
    /// The machine.
    pub machine: Arc<Machine>,
    /// The home directory, in which files are changed.
    pub home: Home,
    /// Directories that nothing may remove.
    pub own: Vec<PathBuf>,
    /// Where it is recorded; nothing in tests of modules.
    pub ledger: Option<Arc<Ledger>>,
    /// The run in the ledger.
    pub run: Option<RunId>,
    /// The run's name.
    pub name: String,
    /// More directories that programs are found in.
    pub path: ProgramDirectories,
    /// Do it also where it seems done.
    pub force: bool,
    /// Remove also what was changed or added.
    pub purge: bool,
    /// What is decided about configuration files.
    pub configs: BTreeMap<ModuleId, Vec<ConfigFile>>,
    /// What happens to configuration files that somebody changed.
    pub policy: ConfigPolicy,
    /// The same for single modules, where that was asked.
    pub policies: BTreeMap<ModuleId, ConfigPolicy>,
    /// Where hoist keeps what it knows.
    pub state: PathBuf,
    /// Hoist's own places: nothing in them is anybody else's.
    pub private: Vec<PathBuf>,
    /// What may have to come back.
    pub store: OnceLock<Result<Store, String>>,
    /// The paths that modules of the run make their own.
    pub(crate) claims: BTreeMap<PathBuf, Vec<ModuleId>>,
    /// The places that scripts write to without declaring that.
    pub around: Around,
    /// What of a past run is undone.
    pub undo: Vec<UndoPlan>,
    /// Directories that removals of the run made theirs to remove and that were not empty yet:
    /// others of the run may still have something in them.
    pub left: Mutex<BTreeSet<PathBuf>>,
    /// Number of names of the run's own that were given away.
    pub numbers: AtomicUsize,
    /// Where the scripts of each module may write; nothing of a module that cannot be kept to
    /// anything. Empty where nobody is.
    pub(crate) sandboxes: BTreeMap<ModuleId, Option<Sandbox>>,
    /// What was asked of the run.
    pub asked: RunSelection,
    /// What the programs of modules get and nobody else may see.
    pub private_inputs: BTreeMap<ModuleId, PrivateInput>,
    /// What is done around removals.
    pub removals: RemovalJobs,
}

impl RunContext {
    /// The surroundings of the steps of a module.
    pub fn context<'a>(&'a self, module: &'a Module, task: &'a TaskContext) -> StepContext<'a> {
        let RunContext {
            machine,
            path,
            force,
            ..
        } = self;
        path.add_module(module);
        let sandbox = self.sandboxes.get(&module.id).and_then(Option::as_ref);
        let bare = StepContext::new(task, machine, module.id.as_str(), &module.variables);
        let private = self.private_inputs.get(&module.id);
        StepContext {
            path,
            force: *force,
            sandbox,
            private,
            repair_tree: self.registry.repair_tree,
            asked: &self.asked,
            state: Some(&self.state),
            policy: self
                .policies
                .get(&module.id)
                .copied()
                .unwrap_or(self.policy),
            ..bare
        }
    }

    /// The directory that a module's files stand below: the home directory, unless it belongs
    /// `into` another, which is made where it is not there.
    pub(crate) fn home_of(&self, into: Option<&Path>) -> Result<ModuleRoot<'_>, Failure> {
        let Some(into) = into else {
            return Ok(ModuleRoot::Home(&self.home));
        };
        let open = || std::fs::create_dir_all(into).and_then(|()| place_of(into, &self.own));
        open()
            .map(ModuleRoot::Elsewhere)
            .map_err(|error| Failure::new(format!("cannot use {}: {error}", into.display())))
    }

    /// Where contents are kept that may have to come back.
    pub fn store(&self) -> Result<&Store, Failure> {
        let open = || {
            Store::open(&self.state.join(CONTENTS))
                .map_err(|error| format!("cannot use the backups of files: {error}"))
        };
        self.store
            .get_or_init(open)
            .as_ref()
            .map_err(|why| Failure::new(why.clone()))
    }

    /// Returns a number that is not used yet in this run.
    pub(crate) fn next_number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// What the ledger says of a module before it is changed.
    pub(crate) fn memento(&self, module: &Module) -> Result<PriorState, Failure> {
        self.ledger
            .as_ref()
            .map_or(Ok(PriorState::default()), |ledger| {
                ledger.memento(&module.id)
            })
            .map_err(ledger_failure)
    }

    /// Writes down what became different, so that it can be taken back.
    pub(crate) fn journal(
        &self,
        module: &Module,
        was: &PriorState,
        differences: &[Difference],
    ) -> Result<(), Failure> {
        let (Some(ledger), Some(run)) = (&self.ledger, self.run) else {
            return Ok(());
        };
        ledger
            .journal(run, &module.id, was, differences)
            .map_err(ledger_failure)
    }

    /// Starts to watch over a tree.
    pub(crate) fn guard<'w>(
        &'w self,
        tree: &'w ProtectedTree,
        module: &ModuleId,
        removal: bool,
    ) -> Result<GuardSession<'w>, Failure> {
        let (others, edits) = match &self.ledger {
            Some(ledger) => (
                ledger
                    .others_below(module, &tree.ground())
                    .map_err(ledger_failure)?,
                ledger.edits(module).map_err(ledger_failure)?,
            ),
            None => Default::default(),
        };
        let guard = Guard::start(
            tree,
            module,
            removal,
            &self.state,
            self.store()?,
            &self.private,
        )?;
        Ok(GuardSession {
            guard,
            others,
            edits,
            brought: Record::new(),
            meddled: false,
            is_revert_failure_reported: false,
        })
    }

    /// What is decided about the configuration files of a module.
    pub fn configs(&self, module: &Module) -> &[ConfigFile] {
        self.configs.get(&module.id).map_or(&[], Vec::as_slice)
    }
}

/// The directory that a module's files stand below.
pub(crate) enum ModuleRoot<'a> {
    Home(&'a Home),
    Elsewhere(Home),
}

impl std::ops::Deref for ModuleRoot<'_> {
    type Target = Home;
    fn deref(&self) -> &Home {
        match self {
            ModuleRoot::Home(home) => home,
            ModuleRoot::Elsewhere(home) => home,
        }
    }
}

/// One step of a module, and when it runs.
pub struct BoundStep {
    /// The step, its arguments read.
    pub method: Box<dyn Method>,
    pub(crate) after_change: bool,
}

/// What is done to a module, and what is known of it.
pub struct ModuleJob {
    /// What is asked of it.
    pub action: Action,
    /// What is done to it.
    pub change: Change,
    /// The steps that do it.
    pub steps: Vec<BoundStep>,
    /// What is installed of it.
    pub record: Option<InstalledModule>,
    /// Do it also where it seems done.
    pub anew: bool,
    /// Move what is there out of the way first.
    pub aside: bool,
    /// The packages that go with the module.
    pub resources: Vec<Resource>,
    /// The packages that are there before the run, by where they are.
    pub before: BTreeMap<ResourceScope, BTreeSet<String>>,
    /// True when somebody asked for it.
    pub asked: bool,
    /// True when an earlier install of it did not finish.
    pub unfinished: bool,
    /// What the ledger said of it before the first attempt.
    pub was: Option<PriorState>,
}

/// Nothing is done to a module of which a former version is out of the way and could not be brought
/// back.
pub(crate) fn refuse_unsettled(ledger: &Ledger, module: &ModuleId) -> Result<(), Failure> {
    let displaced = ledger.displaced(module).map_err(ledger_failure)?;
    match displaced.iter().find(|displaced| {
        displaced.kept != displaced.path && displaced.kept.symlink_metadata().is_ok()
    }) {
        None => Ok(()),
        Some(DisplacedPath { path, kept, .. }) => {
            let (kept, path) = (kept.display(), path.display());
            Err(Failure::new(format!(
                "its previous version is still at {kept} and cannot be restored: move it to {path}, or away"
            )))
        }
    }
}
