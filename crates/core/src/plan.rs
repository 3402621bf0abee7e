//! Which modules change, how, in which order, and why: a value that is printed by one command and
//! run by another.

use std::fmt;

use serde::Serialize;

use crate::{Action, ModuleId, Tier};

/// What a plan says will happen to a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is put on the machine.
    Install,
    /// It was installed, and something of it is missing.
    Repair,
    /// Its own check decides whether it is put on the machine.
    Check,
    /// It is put on the machine once more.
    Reinstall,
    /// It is brought to its newest state.
    Update,
    /// It is put there from another source, and what is there from the former goes.
    Migrate,
    /// It is taken off the machine.
    Uninstall,
    /// It stays as it is.
    Keep,
    /// It is verified.
    Test,
    /// It is brought up in an environment.
    Deploy,
    /// It is taken down.
    Undeploy,
}

impl Change {
    /// The word users read.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Install => "install",
            Change::Repair => "repair",
            Change::Check => "check",
            Change::Reinstall => "reinstall",
            Change::Update => "update",
            Change::Migrate => "migrate",
            Change::Uninstall => "uninstall",
            Change::Keep => "keep",
            Change::Test => "test",
            Change::Deploy => "deploy",
            Change::Undeploy => "undeploy",
        }
    }

    /// True when something is run for it.
    pub fn is_work(self) -> bool {
        self != Change::Keep
    }
}

/// Why a module is part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectionReason {
    /// It was named.
    Named,
    /// Its tier is selected.
    Tier,
    /// This module needs it.
    By(ModuleId),
    /// It is installed.
    Installed,
    /// It needs this module, which goes.
    Cascade(ModuleId),
    /// Nobody asked for it, and what needed it goes.
    Orphan,
}

impl fmt::Display for SelectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionReason::Named => f.write_str("requested"),
            SelectionReason::Tier => f.write_str("selected by tier"),
            SelectionReason::By(id) => write!(f, "required by {id}"),
            SelectionReason::Installed => f.write_str("installed"),
            SelectionReason::Cascade(id) => write!(f, "depends on {id}"),
            SelectionReason::Orphan => {
                f.write_str("installed as a dependency, and no longer required")
            }
        }
    }
}

/// One module of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedModule {
    /// Which.
    pub module: ModuleId,
    /// How much it matters.
    pub tier: Tier,
    /// What the author calls the way it is installed.
    pub method: String,
    /// What happens.
    pub change: Change,
    /// Why that happens.
    pub reason: String,
    /// Why it is part of the plan.
    pub wanted: SelectionReason,
    /// What it needs, as indexes into the plan; each is smaller than its own.
    #[serde(skip)]
    pub needs: Vec<usize>,
    /// What is done ahead of it though it does not need it, as indexes into the plan.
    #[serde(skip)]
    pub after: Vec<usize>,
    /// What it needs, by name.
    pub requires: Vec<ModuleId>,
    /// Whether the reason has a hint for the user although the module is kept.
    #[serde(skip)]
    pub has_hint: bool,
}

/// A module that would have been part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Which.
    pub module: ModuleId,
    /// Why not.
    pub reason: String,
}

/// What a command will do: every module after all that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What is asked of the modules.
    pub action: Action,
    /// In an order that could be followed one by one.
    pub modules: Vec<PlannedModule>,
    /// By name.
    pub left_out: Vec<LeftOut>,
}
