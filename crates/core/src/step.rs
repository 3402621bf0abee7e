//! What a module can be asked, and the steps that answer.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a module can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Bring it onto the machine.
    Install,
    /// Bring it to its newest state.
    Update,
    /// Take it off the machine.
    Uninstall,
    /// Verify that it is there and works.
    Test,
    /// Take back what a run did to it.
    Undo,
    /// Bring it up in an environment.
    Deploy,
    /// Take it down again.
    Undeploy,
}

impl Action {
    /// The word users type.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Install => "install",
            Action::Update => "update",
            Action::Uninstall => "uninstall",
            Action::Test => "test",
            Action::Undo => "undo",
            Action::Deploy => "deploy",
            Action::Undeploy => "undeploy",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a way of changing a machine, as the table of methods lists it.
pub type MethodName = Cow<'static, str>;

/// One use of a method: its name and its arguments, still as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which method.
    pub method: MethodName,
    /// Its arguments; the method reads them into a type of its own.
    pub args: serde_json::Value,
    /// True when it only runs where a step before it changed something.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_change: bool,
}

impl Step {
    /// A step of `method` with these arguments.
    pub fn new(method: impl Into<MethodName>, args: serde_json::Value) -> Self {
        Self {
            method: method.into(),
            args,
            after_change: false,
        }
    }

    /// The same step, for when one before it changed something.
    pub fn after_change(self) -> Self {
        Self {
            after_change: true,
            ..self
        }
    }
}
