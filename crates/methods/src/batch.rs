//! Steps of several modules that are done in one call: which can go together, and what they learn
//! from it.
//!
//! A batch installs what is missing of all its members at once, ahead of them. Its failure blames
//! nobody: each member looks for itself afterwards and installs what is still missing, so each
//! tells its own fate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hoist_core::Rock;
use hoist_executor::{Cancel, Effect, Failure, Limits, Task, TaskContext, TaskGraph, execute};

use crate::builtin::luarocks::{self, Ahead, Archive};
use crate::builtin::{package, pip};
use crate::machine::Machine;
use crate::method::StepContext;

/// A step that can go together with others of the same pool.
#[derive(Debug, Clone)]
pub struct Bulk {
    pub(crate) pool: String,
    pub(crate) method: &'static str,
    pub(crate) target: Target,
    /// Bring to the newest version also what is there.
    pub(crate) upgrade: bool,
}

/// Where a batch installs what its members bring.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// To the system, by its package manager.
    System,
    /// To a directory, by pip.
    Python(PathBuf),
    /// To a tree, by LuaRocks.
    Rocks(Rock),
}

impl Bulk {
    /// What people call the program that installs them.
    pub(crate) fn manager(&self, machine: &Machine) -> &'static str {
        match self.method {
            "package" => machine
                .manager()
                .map_or("the system", |manager| manager.name),
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
    /// The files of rocks that may go together.
    archives: Vec<Archive>,
    /// The rocks that no module has taken over so far.
    ahead: Option<Ahead>,
}

impl Share {
    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the file of a rock in.
    pub(crate) fn offer(&self, archive: Archive) {
        self.learned().archives.push(archive);
    }

    /// Says that a module has its rock from now on.
    pub(crate) fn take_over(&self, name: &str) -> Result<(), Failure> {
        let taken = self
            .learned()
            .ahead
            .as_mut()
            .map_or(Ok(()), |ahead| ahead.take_over(name));
        taken.map_err(|error| {
            Failure::new(format!("cannot read the list of installed rocks: {error}"))
        })
    }

    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        self.learned().versions.clone()
    }

    /// True when the batch installed this package.
    pub(crate) fn changed(&self, name: &str) -> bool {
        self.learned().changed.contains(name)
    }

    /// The version of this package before the batch.
    pub(crate) fn before(&self, name: &str) -> Option<String> {
        self.learned().before.get(name).cloned()
    }

    /// True when the batch brought this package to its newest version, or saw that it has it.
    pub(crate) fn upgraded(&self, name: &str) -> bool {
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
}

/// Installs what is missing of these packages in one call.
pub(crate) fn apply(
    bulk: &Bulk,
    names: &[String],
    share: &Share,
    machine: &Machine,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let variables = BTreeMap::new();
    let context = StepContext::new(task, machine, "batch", &variables);
    let of_names = |version: &dyn Fn(&str) -> Option<String>| -> BTreeMap<String, String> {
        names
            .iter()
            .filter_map(|name| Some((name.clone(), version(name)?)))
            .collect()
    };
    let query = || -> Result<BTreeMap<String, String>, Failure> {
        match &bulk.target {
            Target::Python(target) => Ok(of_names(&|name| pip::installed(target, name))),
            Target::Rocks(rock) => Ok(of_names(&|name| luarocks::rock_version(rock, name))),
            Target::System => package::installed(&context, package::manager(machine)?, names),
        }
    };
    let before = query()?;
    let missing: Vec<String> = names
        .iter()
        .filter(|name| bulk.upgrade || !before.contains_key(*name))
        .cloned()
        .collect();
    if missing.is_empty() {
        share.learn(&before, before.clone(), false);
        return Ok(Effect::Unchanged);
    }
    let installed = match &bulk.target {
        Target::Python(target) => pip::install(
            &context,
            target,
            &missing,
            if bulk.upgrade { &["--upgrade"] } else { &[] },
        ),
        Target::Rocks(rock) => {
            let archives: Vec<Archive> = share
                .learned()
                .archives
                .iter()
                .filter(|one| missing.contains(&one.name))
                .cloned()
                .collect();
            let (ahead, installed) = luarocks::install_together(rock, &archives, &context);
            if ahead.is_some() {
                share.learned().ahead = ahead;
                machine.at_end(share.clone());
            }
            installed
        }
        Target::System => package::install(&context, package::manager(machine)?, &missing, false),
    };
    let after = query()?;
    share.learn(&before, after, bulk.upgrade && installed.is_ok());
    let alone =
        |failure: Failure| Failure::new(format!("{}; retrying them one by one", failure.message));
    installed.map(|()| Effect::Changed).map_err(alone)
}

/// Takes away what batches installed and no module took over, because it was never begun.
pub(crate) fn end(shares: Vec<Share>, machine: &Arc<Machine>) {
    let mut graph = TaskGraph::default();
    for ahead in shares
        .iter()
        .filter_map(|share| share.learned().ahead.take())
    {
        let unit = graph.unit("batch");
        let machine = machine.clone();
        let mut ahead = Some(ahead);
        let work = move |task: &TaskContext| -> Result<Effect, Failure> {
            let variables = BTreeMap::new();
            let context = StepContext::new(task, &machine, "batch", &variables);
            ahead
                .take()
                .map_or(Ok(()), |ahead| ahead.end(&context))
                .map(|()| Effect::Changed)
        };
        graph.task(Task::new(unit, "end", work));
    }
    // What cannot be taken away stays on its list, and is for the next run.
    if !graph.is_empty() {
        let _ = execute(graph, &Limits::default(), &Cancel::default(), |_| {});
    }
}
