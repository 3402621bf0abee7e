//! Steps of several modules that are done in one call: which can go together, and what they learn from it.
//!
//! A batch installs what is missing of all its members at once, ahead of them. Its failure blames nobody: each member looks for itself
//! afterwards and installs what is still missing, so each tells its own fate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hoist_executor::{Effect, Failure, TaskContext};

use crate::builtin::{package, pip};
use crate::machine::Machine;
use crate::method::StepContext;

/// A step that can go together with others of the same pool.
#[derive(Debug, Clone)]
pub struct Bulk {
    pub(crate) pool: String,
    pub(crate) method: &'static str,
    pub(crate) target: Option<PathBuf>,
    /// Bring to the newest version also what is there.
    pub(crate) upgrade: bool,
}

impl Bulk {
    /// What people call the program that installs them.
    pub(crate) fn manager(&self, machine: &Machine) -> &'static str {
        match self.method {
            "package" => machine.manager().map_or("the system", |manager| manager.name),
            method => method,
        }
    }
}

/// What a batch found out, for its members.
#[derive(Debug, Clone, Default)]
pub struct Share(Arc<Mutex<Learned>>);

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

impl Share {
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).versions.clone()
    }

    /// True when the batch installed this package.
    pub(crate) fn changed(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).changed.contains(name)
    }

    /// The version of this package before the batch.
    pub(crate) fn before(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).before.get(name).cloned()
    }

    /// True when the batch brought this package to its newest version, or saw that it has it.
    pub(crate) fn upgraded(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).upgraded.contains(name)
    }

    fn learn(&self, before: &BTreeMap<String, String>, after: BTreeMap<String, String>, upgraded: bool) {
        let mut learned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        learned.changed = after.iter().filter(|(name, version)| before.get(*name) != Some(version)).map(|(name, _)| name.clone()).collect();
        learned.upgraded = if upgraded { after.keys().cloned().collect() } else { BTreeSet::new() };
        learned.versions = after;
        learned.before = before.clone();
    }
}

/// Installs what is missing of these packages in one call.
pub(crate) fn apply(bulk: &Bulk, names: &[String], share: &Share, machine: &Machine, task: &TaskContext) -> Result<Effect, Failure> {
    let variables = BTreeMap::new();
    let context = StepContext::new(task, machine, "batch", &variables);
    let look = || -> Result<BTreeMap<String, String>, Failure> {
        match &bulk.target {
            Some(target) => Ok(names.iter().filter_map(|name| Some((name.clone(), pip::installed(target, name)?))).collect()),
            None => package::installed(&context, package::manager(machine)?, names),
        }
    };
    let before = look()?;
    let missing: Vec<String> = names.iter().filter(|name| bulk.upgrade || !before.contains_key(*name)).cloned().collect();
    if missing.is_empty() {
        share.learn(&before, before.clone(), false);
        return Ok(Effect::Unchanged);
    }
    let installed = match &bulk.target {
        Some(target) => pip::install(&context, target, &missing, if bulk.upgrade { &["--upgrade"] } else { &[] }),
        None => package::install(&context, package::manager(machine)?, &missing, false),
    };
    let after = look()?;
    share.learn(&before, after, bulk.upgrade && installed.is_ok());
    let alone = |failure: Failure| Failure::new(format!("{}; each is tried alone", failure.message));
    installed.map(|()| Effect::Changed).map_err(alone)
}
