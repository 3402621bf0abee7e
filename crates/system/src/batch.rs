//! Steps of several modules that are applied in one call: which can go together, and what they learn
//! from it.
//!
//! A batch installs what is missing of all its members at once, ahead of them. Its failure blames
//! nobody: each member looks for itself afterwards and installs what is still missing, so each
//! tells its own fate.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hoist_executor::{Effect, Failure, TaskContext};

use crate::context::StepContext;
use hoist_machine::machine::Machine;

/// How the packages of several steps are installed in one call.
pub trait Batch: Any + Send + Sync {
    /// What people call the program that installs them.
    fn manager(&self, machine: &Machine) -> &'static str;

    /// Whether what is installed is brought to its newest version.
    fn upgrades(&self) -> bool {
        false
    }

    /// The versions of those that are installed.
    fn installed(
        &self,
        names: &[String],
        context: &StepContext<'_>,
    ) -> Result<BTreeMap<String, String>, Failure>;

    /// Installs those that are missing.
    fn install(self: Arc<Self>, names: &[String], context: &StepContext<'_>)
    -> Result<(), Failure>;
}

/// A batch, and what it found out for its members.
pub struct SharedBatch {
    /// The pool that it works in.
    pub pool: String,
    kind: Arc<dyn Batch>,
    learned: Mutex<Learned>,
}

impl std::fmt::Debug for SharedBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedBatch")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Learned {
    /// What is installed after the batch.
    versions: BTreeMap<String, String>,
    /// What was installed before the batch.
    before: BTreeMap<String, String>,
    /// What was not there before, or in another version.
    changed: BTreeSet<String>,
    /// What is known to be of the newest version.
    upgraded: BTreeSet<String>,
}

impl SharedBatch {
    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batch as what its method made it.
    pub fn kind<B: Batch>(&self) -> Option<&B> {
        let kind: &dyn Any = &*self.kind;
        kind.downcast_ref()
    }

    /// What people call the program that installs its packages.
    pub fn manager(&self, machine: &Machine) -> &'static str {
        self.kind.manager(machine)
    }

    /// The versions that are installed after the batch.
    pub fn versions(&self) -> BTreeMap<String, String> {
        self.learned().versions.clone()
    }

    /// True when the batch installed this package.
    pub fn changed(&self, name: &str) -> bool {
        self.learned().changed.contains(name)
    }

    /// The version of this package before the batch.
    pub fn before(&self, name: &str) -> Option<String> {
        self.learned().before.get(name).cloned()
    }

    /// True when the batch brought this package to its newest version, or saw that it has it.
    pub fn upgraded(&self, name: &str) -> bool {
        self.learned().upgraded.contains(name)
    }

    fn learn(
        &self,
        before: &BTreeMap<String, String>,
        after: BTreeMap<String, String>,
        upgraded: bool,
    ) {
        let mut learned = self.learned();
        learned.changed = after
            .iter()
            .filter(|(name, version)| before.get(*name) != Some(version))
            .map(|(name, _)| name.clone())
            .collect();
        learned.upgraded = if upgraded {
            after.keys().cloned().collect()
        } else {
            BTreeSet::new()
        };
        learned.versions = after;
        learned.before = before.clone();
    }

    /// Installs what is missing of these packages in one call.
    pub fn apply(
        &self,
        names: &[String],
        machine: &Machine,
        task: &TaskContext,
    ) -> Result<Effect, Failure> {
        let variables = BTreeMap::new();
        let context = StepContext::new(task, machine, "batch", &variables);
        let upgrades = self.kind.upgrades();
        let before = self.kind.installed(names, &context)?;
        let missing: Vec<String> = names
            .iter()
            .filter(|name| upgrades || !before.contains_key(*name))
            .cloned()
            .collect();
        if missing.is_empty() {
            self.learn(&before, before.clone(), false);
            return Ok(Effect::Unchanged);
        }
        let installed = self.kind.clone().install(&missing, &context);
        let after = self.kind.installed(names, &context)?;
        self.learn(&before, after, upgrades && installed.is_ok());
        let alone = |failure: Failure| {
            Failure::new(format!("{}; retrying them one by one", failure.message))
        };
        installed.map(|()| Effect::Changed).map_err(alone)
    }
}

/// A step that can go together with others, and the packages that it is about.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The batch.
    pub batch: Arc<SharedBatch>,
    /// The packages.
    pub packages: Vec<String>,
}

/// The batches that the steps of a run may join, by the pool that they work in.
#[derive(Default)]
pub struct Batches(BTreeMap<String, Arc<SharedBatch>>);

impl Batches {
    /// The batch of a pool, which the first that joins it makes.
    pub fn join<B: Batch>(&mut self, pool: String, kind: impl FnOnce() -> B) -> Arc<SharedBatch> {
        let make = || {
            Arc::new(SharedBatch {
                pool: pool.clone(),
                kind: Arc::new(kind()),
                learned: Mutex::default(),
            })
        };
        let batch = self.0.entry(pool.clone()).or_insert_with(make);
        batch.clone()
    }
}
