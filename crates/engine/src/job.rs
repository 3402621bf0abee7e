//! Work on modules beside the steps of their recipes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use hoist_core::{Change, Module, ModuleId};
use hoist_executor::{Effect, Failure, TaskContext};

use crate::run_context::{ModuleJob, RunContext};
use hoist_machine::machine::Machine;

/// What a job works on.
pub struct JobContext<'a> {
    /// What all modules of the run share.
    pub world: &'a RunContext,
    /// The module.
    pub module: &'a Module,
    /// What would be done to the module itself.
    pub work: &'a mut ModuleJob,
    /// The task that it runs in.
    pub task: &'a TaskContext,
}

/// What a job does.
type JobWork = Box<dyn FnMut(&mut JobContext<'_>) -> Result<Effect, Failure> + Send>;

/// What is done to a module in place of the steps of its recipe, which it may apply.
pub struct Job {
    /// The module.
    pub module: ModuleId,
    /// How the module itself changes, where that is not what the plan says.
    pub change: Option<Change>,
    /// The names of what only some jobs at a time may use, each with how many may.
    pub pools: Vec<(String, usize)>,
    /// What is done.
    pub work: JobWork,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

impl JobContext<'_> {
    /// The machine.
    pub fn machine(&self) -> &Machine {
        &self.world.machine
    }

    /// The task that it runs in.
    pub fn task(&self) -> &TaskContext {
        self.task
    }
}

impl Job {
    /// A job that does this.
    pub fn new(
        module: &ModuleId,
        work: impl FnMut(&mut JobContext<'_>) -> Result<Effect, Failure> + Send + 'static,
    ) -> Self {
        Self {
            module: module.clone(),
            change: None,
            pools: Vec::new(),
            work: Box::new(work),
        }
    }

    /// The job, in a pool that only so many may use at a time.
    #[must_use]
    pub fn in_pool(mut self, name: &str, depth: usize) -> Self {
        self.pools.push((name.to_owned(), depth));
        self
    }
}

/// What is done around the removal of a module.
pub trait RemovalWork: Send {
    /// Runs while everything is still there.
    fn before(
        &mut self,
        world: &RunContext,
        module: &Module,
        task: &TaskContext,
    ) -> Result<(), Failure>;

    /// True where something is to be done once everything is gone.
    fn has_after(&self) -> bool;

    /// Runs once everything is gone, whatever it comes to.
    fn after(
        &mut self,
        world: &RunContext,
        module: &Module,
        task: &TaskContext,
    ) -> Result<(), Failure>;
}

/// What is done around the removal of a module.
pub struct RemovalJob {
    /// The module.
    pub module: ModuleId,
    /// What is done.
    pub work: Box<dyn RemovalWork>,
}

impl fmt::Debug for RemovalJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemovalJob")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

/// The work around removals that is not begun yet.
#[derive(Default)]
pub struct RemovalJobs(Mutex<BTreeMap<ModuleId, Box<dyn RemovalWork>>>);

impl RemovalJobs {
    /// The work around removals of a run.
    pub fn new(jobs: Vec<RemovalJob>) -> Self {
        let jobs = jobs.into_iter().map(|job| (job.module, job.work));
        Self(Mutex::new(jobs.collect()))
    }

    /// Takes what is done around the removal of a module.
    pub fn take(&self, module: &ModuleId) -> Option<Box<dyn RemovalWork>> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.remove(module)
    }
}
