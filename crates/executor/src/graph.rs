//! What is to be done: tasks, the units they make up, the edges between them, and the pools they
//! share.

use std::collections::HashMap;
use std::time::Duration;

use crate::context::TaskContext;
use crate::failure::Failure;
use crate::ids::{PoolId, TaskId, UnitId};

/// What a task that succeeded did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Something is different now, or was verified.
    Changed,
    /// There was nothing to do.
    Unchanged,
}

/// What a task's failure means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Tasks that need it are skipped, all others go on.
    SkipDependents,
    /// Nothing new is started; what runs may end.
    StopRun,
}

/// What an edge means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Waits, and is skipped when the other fails.
    Needs,
    /// Only waits.
    After,
}

/// How often and when a task that failed in a passing way is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// At most so often.
    pub limit: u32,
    /// The rest before the first; each further one is twice as long.
    pub first_wait: Duration,
}

impl Default for Retries {
    /// Three times, after one, two and four seconds.
    fn default() -> Self {
        Self {
            limit: 3,
            first_wait: Duration::from_secs(1),
        }
    }
}

pub(crate) type TaskFunction = Box<dyn FnMut(&TaskContext) -> Result<Effect, Failure> + Send>;

/// One piece of work.
pub struct Task {
    pub(crate) unit: UnitId,
    pub(crate) name: String,
    pub(crate) cost: Duration,
    pub(crate) pools: Vec<PoolId>,
    pub(crate) on_failure: OnFailure,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Retries,
    pub(crate) work: TaskFunction,
}

impl Task {
    /// A task of `unit` that runs `work`, once or, after a [`Failure`] that may pass, again.
    pub fn new(
        unit: UnitId,
        name: impl Into<String>,
        work: impl FnMut(&TaskContext) -> Result<Effect, Failure> + Send + 'static,
    ) -> Self {
        Self {
            unit,
            name: name.into(),
            cost: Duration::from_secs(1),
            pools: Vec::new(),
            on_failure: OnFailure::SkipDependents,
            timeout: None,
            retries: Retries::default(),
            work: Box::new(work),
        }
    }

    /// The time it will take, as well as that is known; a second otherwise.
    pub fn cost(mut self, cost: Duration) -> Self {
        self.cost = cost;
        self
    }

    /// It runs only while each of these pools has room.
    pub fn pools(mut self, pools: impl IntoIterator<Item = PoolId>) -> Self {
        self.pools.extend(pools);
        self.pools.sort();
        self.pools.dedup();
        self
    }

    /// What its failure means.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// The time it may take, all attempts and rests together.
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often it is tried again.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }
}

/// Tasks, their units, edges and pools.
#[derive(Default)]
pub struct TaskGraph {
    pub(crate) units: Vec<String>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) edges: Vec<(TaskId, TaskId, Edge)>,
    pub(crate) pools: Vec<(String, usize)>,
    pool_names: HashMap<String, PoolId>,
}

/// Tasks that wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dependency cycle of tasks: {}", .0.join(", "))]
pub struct CycleError(pub Vec<String>);

impl TaskGraph {
    /// Adds a unit.
    pub fn unit(&mut self, name: impl Into<String>) -> UnitId {
        self.units.push(name.into());
        UnitId(self.units.len() as u32 - 1)
    }

    /// The pool of this name, made with this depth when it is new. A pool has room for at least
    /// one.
    pub fn pool(&mut self, name: &str, depth: usize) -> PoolId {
        *self.pool_names.entry(name.to_owned()).or_insert_with(|| {
            self.pools.push((name.to_owned(), depth.max(1)));
            PoolId(self.pools.len() as u32 - 1)
        })
    }

    /// Adds a task.
    pub fn task(&mut self, task: Task) -> TaskId {
        self.tasks.push(task);
        TaskId(self.tasks.len() as u32 - 1)
    }

    /// `task` starts when `other` is done, and is skipped when it fails.
    pub fn needs(&mut self, task: TaskId, other: TaskId) {
        self.edges.push((task, other, Edge::Needs));
    }

    /// `task` starts when `other` has ended, however.
    pub fn after(&mut self, task: TaskId, other: TaskId) {
        self.edges.push((task, other, Edge::After));
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}
