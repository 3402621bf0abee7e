//! The surroundings of one step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use hoist_core::ConfigPolicy;
use hoist_executor::{Command, Failure, TaskContext};
use hoist_files::Record;
use hoist_guard::session::GuardSession;
use hoist_machine::machine::Machine;
use hoist_machine::programs::ProgramDirectories;
use hoist_machine::sandbox::Sandbox;

use crate::private::PrivateInput;

/// The surroundings of one step.
pub struct StepContext<'a> {
    /// The task it runs in.
    pub task: &'a TaskContext,
    /// The machine it changes.
    pub machine: &'a Machine,
    /// The module it belongs to.
    pub module: &'a str,
    /// What the module's scripts see.
    pub variables: &'a BTreeMap<String, String>,
    /// More directories that programs are found in.
    pub path: &'a ProgramDirectories,
    /// Do it also where it seems done.
    pub force: bool,
    /// Where its script may write; everywhere where there is none.
    pub sandbox: Option<&'a Sandbox>,
    /// Where hoist keeps what it has to remember, outside of tests and of hoist's own copies.
    pub state: Option<&'a Path>,
    /// What the module is known to have written.
    pub record: &'a Record,
    /// What happens to files that somebody changed.
    pub policy: ConfigPolicy,
    /// True when an earlier attempt did not finish.
    pub unfinished: bool,
    /// What watches over the tree that it works in.
    pub guarding: Option<&'a Mutex<GuardSession<'a>>>,
    /// What its programs get and nobody else may see.
    pub private: Option<&'a PrivateInput>,
    /// What restores a copy of a source that is not as it was indexed.
    pub repair_tree: Option<RepairTree>,
    /// What was asked of the run.
    pub asked: &'a RunSelection,
}

/// Restores a copy of a source, in a directory, to a revision.
pub type RepairTree = fn(&Path, &str, &Machine, &TaskContext) -> Result<(), Failure>;

/// What was asked of a run, for scripts that want to know.
#[derive(Debug, Clone, Default)]
pub struct RunSelection {
    /// Core modules only.
    pub minimal: bool,
    /// The modules that were named.
    pub named: BTreeSet<String>,
    /// The names that were to be left out.
    pub skipped: Vec<String>,
}

static NOTHING: Record = Record::new();
static NOT_ASKED: RunSelection = RunSelection {
    minimal: false,
    named: BTreeSet::new(),
    skipped: Vec::new(),
};

impl<'a> StepContext<'a> {
    /// The surroundings of a step of which nothing more is known.
    pub fn new(
        task: &'a TaskContext,
        machine: &'a Machine,
        module: &'a str,
        variables: &'a BTreeMap<String, String>,
    ) -> Self {
        let policy = ConfigPolicy::Ask;
        Self {
            task,
            machine,
            module,
            variables,
            path: ProgramDirectories::none(),
            force: false,
            sandbox: None,
            state: None,
            record: &NOTHING,
            policy,
            unfinished: false,
            guarding: None,
            private: None,
            repair_tree: None,
            asked: &NOT_ASKED,
        }
    }

    /// The command, kept to where the module may write.
    pub fn confined(&self, command: Command, temporary: &Path) -> Command {
        match self.sandbox {
            Some(sandbox) => sandbox.confine(command, self.machine, temporary),
            None => command,
        }
    }
}
