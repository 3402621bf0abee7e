//! Ways of changing a machine: what a method and a step of one have to answer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hoist_core::{Diagnostic, Module, ModuleId, Resource, Step};
use hoist_executor::{Effect, Failure};
use hoist_files::Record;
use hoist_ledger::Edit;
use serde::de::DeserializeOwned;

use crate::batch::{Batches, SharedBatch};
use crate::context::StepContext;
use crate::program::RequiredProgram;
use crate::resource::ResourceManager;
use hoist_guard::stage::StagingDir;
use hoist_machine::machine::Machine;

/// What applying a step did.
#[derive(Debug)]
pub struct Applied {
    /// Whether anything is different now.
    pub effect: Effect,
    /// What can be told of the version.
    pub version: Option<String>,
    /// Paths that were made.
    pub paths: Vec<PathBuf>,
    /// What the module consists of now, where the method knows it better than a look at the files
    /// does.
    pub record: Option<Record>,
    /// What of an earlier record is not the module's any more.
    pub gone: BTreeSet<PathBuf>,
    /// What was there before, until the new is known to work.
    pub replaced: Vec<StagingDir>,
    /// Files of others that it edited.
    pub edited: Vec<Edited>,
    /// What a program that removed something said of that.
    pub removal: Option<RemovalReport>,
    /// The last message or line of output of somebody else's program, or its last error.
    pub last_message: Option<LastMessage>,
}

/// What somebody else's program that removed something said of that.
#[derive(Debug, Clone, Default)]
pub struct RemovalReport {
    /// Whether it had something to say to people.
    pub has_messages: bool,
    /// What it leaves for a person.
    pub left: Vec<PathBuf>,
}

/// What somebody else's program said last.
#[derive(Debug, Clone)]
pub struct LastMessage {
    /// Its text.
    pub text: String,
    /// Whether the program called it an error.
    pub is_error: bool,
}

/// A file that is not the module's, and that a step edited.
#[derive(Debug, Clone)]
pub struct Edited {
    /// The states before and after.
    pub edit: Edit,
    /// The contents before and after.
    pub contents: [Vec<u8>; 2],
    /// The contents before, with what of the edit may stay when it is taken out.
    pub separated: Vec<u8>,
}

impl Applied {
    /// Nothing was to do.
    pub fn unchanged() -> Self {
        Self {
            effect: Effect::Unchanged,
            version: None,
            paths: Vec::new(),
            record: None,
            gone: BTreeSet::new(),
            replaced: Vec::new(),
            edited: Vec::new(),
            removal: None,
            last_message: None,
        }
    }

    /// Something was done.
    pub fn changed() -> Self {
        Self {
            effect: Effect::Changed,
            ..Self::unchanged()
        }
    }

    /// With a version.
    pub fn version(mut self, version: Option<String>) -> Self {
        self.version = version;
        self
    }
}

/// One step, its arguments understood.
pub trait Method: Send {
    /// The names of what only one step at a time may use, each with how many may all the same.
    fn pools(&self, machine: &Machine) -> Vec<(String, usize)> {
        let _ = machine;
        Vec::new()
    }

    /// The paths it may make; stages stand beside them.
    fn paths(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Files of others that it may edit.
    fn edits(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// False when it cannot know whether it changed anything: somebody else's program did.
    fn tells(&self) -> bool {
        true
    }

    /// Whether everything that it changes is at or below the paths of its module.
    fn changes_only_files(&self) -> bool {
        true
    }

    /// The version of what it is about, as it is now.
    fn version(&self) -> Option<String> {
        None
    }

    /// Joins a batch, where this step can go together with others. Returns the batch and the packages
    /// that the step is about.
    fn join_batch(
        &mut self,
        batches: &mut Batches,
        machine: &Machine,
    ) -> Option<(Arc<SharedBatch>, Vec<String>)> {
        let _ = (batches, machine);
        None
    }

    /// Fails where applying would have to be refused anyway; called before anything is written
    /// down, changes nothing.
    fn refuse(&self, context: &StepContext<'_>) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// What can be fetched ahead, while the module still waits for others: from where, and the name
    /// of the file in the run's downloads.
    fn fetch(&self, force: bool) -> Option<(String, String)> {
        let _ = force;
        None
    }

    /// Looks, changes what has to be changed, and looks again.
    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure>;

    /// What applying it in a removal changes, in words, as far as that can be said before.
    fn removes(&self) -> Option<String> {
        None
    }

    /// Takes back what applying it did, where nothing of the module was there before.
    fn revert(&mut self, context: &StepContext<'_>) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }
}

/// A step of a module, as a method of the table sees it before it runs.
#[derive(Debug, Clone, Copy)]
pub struct MethodUse<'a> {
    /// The module.
    pub module: &'a Module,
    /// Its step.
    pub step: &'a Step,
}

/// A newer version than the one that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// The version that is installed.
    pub installed: String,
    /// The newer one.
    pub offered: String,
}

/// The newer versions of some modules, or why nobody can tell.
pub type NewerVersions = Vec<(ModuleId, Result<Newer, Failure>)>;

type Bind = fn(&Step) -> Result<Box<dyn Method>, String>;

/// A way of changing a machine, as the table of methods lists it.
///
/// What is asked here is asked of the method for all its uses in a run at once; what is asked of
/// one step, of a [`Method`].
pub struct MethodEntry {
    /// What steps call it.
    pub name: &'static str,
    /// The programs that it runs.
    pub programs: &'static [&'static RequiredProgram],
    /// Whether applying it again changes nothing where everything is as it should be.
    pub is_repeatable: bool,
    /// Whether it may run commands as root.
    pub may_need_root: bool,
    /// Seconds that it usually takes.
    pub usual_seconds: f64,
    /// What manages the packages that it installs.
    pub manager: Option<&'static dyn ResourceManager>,
    /// The packages that a step installs.
    pub resources: fn(&Step) -> Vec<Resource>,
    /// How it reads its arguments.
    pub bind: Bind,
    /// Finds what is wrong with uses of it before anything starts.
    pub preflight: fn(&[MethodUse<'_>], &Machine) -> Vec<Diagnostic>,
    /// Whether uses of it run commands as root that sudo refuses now.
    pub needs_password: fn(&[MethodUse<'_>], &Machine) -> bool,
    /// Asks for versions that are newer than those that are installed.
    pub newer: fn(&[MethodUse<'_>], &Machine) -> NewerVersions,
}

impl std::fmt::Debug for MethodEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MethodEntry")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl MethodEntry {
    /// A method that reads its arguments as a type of its own, and of which nothing else is known.
    pub const fn new<M: Method + DeserializeOwned + 'static>(name: &'static str) -> Self {
        Self {
            name,
            programs: &[],
            is_repeatable: false,
            may_need_root: false,
            usual_seconds: 5.0,
            manager: None,
            resources: |_| Vec::new(),
            bind: bind::<M>,
            preflight: |_, _| Vec::new(),
            needs_password: |_, _| false,
            newer: |_, _| Vec::new(),
        }
    }

    /// Reads the arguments of a step.
    ///
    /// # Errors
    /// They are not what the method expects: what is wrong.
    pub fn bind(&self, step: &Step) -> Result<Box<dyn Method>, String> {
        (self.bind)(step)
    }
}

fn bind<M: Method + DeserializeOwned + 'static>(step: &Step) -> Result<Box<dyn Method>, String> {
    let read = M::deserialize(&step.args)
        .map_err(|error| format!("arguments of {}: {error}", step.method))?;
    Ok(Box::new(read))
}

/// A pool for what is done on the network with one host.
pub fn host_pool(url: &str) -> Option<(String, usize)> {
    let rest = url
        .split_once("://")
        .map(|(_, rest)| rest)
        .or_else(|| url.contains('@').then_some(url))?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = if url.contains("://") {
        host
    } else {
        host.split(':').next().unwrap_or_default()
    };
    (!host.is_empty()).then(|| (format!("host:{host}"), 24))
}

/// A pool for one directory.
pub fn path_pool(path: &Path) -> (String, usize) {
    (format!("path:{}", path.display()), 1)
}
