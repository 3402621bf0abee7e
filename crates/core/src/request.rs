//! What the user asked for, free of the command line it came from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Action;

/// Which modules a command is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Every core and default module; of what is installed everything.
    Tiers,
    /// Core modules only.
    Minimal,
    /// Every module.
    All,
    /// These, and what they need.
    Names(Vec<String>),
}

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked of the modules.
    pub action: Action,
    /// Which.
    pub selection: Selection,
    /// Names added to the selection.
    pub with: Vec<String>,
    /// Names left out of it.
    pub skip: Vec<String>,
    /// Do it also where it seems done.
    pub force: bool,
    /// Remove also what needs what is removed.
    pub cascade: bool,
    /// Remove also what was there before, or was changed or added since.
    #[serde(default)]
    pub purge: bool,
    /// Let scripts write only where their module may.
    #[serde(default)]
    pub sandbox: bool,
    /// Leave alone what modules say they need.
    #[serde(default)]
    pub no_deps: bool,
    /// Put a module that is installed from another source in place of that.
    #[serde(default)]
    pub migrate: bool,
    /// Let servers load the modules that are named.
    #[serde(default)]
    pub enable: bool,
    /// Only modules of this source.
    #[serde(default)]
    pub source: Option<String>,
    /// The names are those of hosts.
    #[serde(default)]
    pub hosts: bool,
    /// Versions that are asked for, by the names of their modules.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
}

impl Request {
    /// A request without options.
    pub fn new(action: Action, selection: Selection) -> Self {
        Self {
            action,
            selection,
            with: Vec::new(),
            skip: Vec::new(),
            force: false,
            cascade: false,
            purge: false,
            sandbox: false,
            no_deps: false,
            migrate: false,
            enable: false,
            source: None,
            hosts: false,
            versions: BTreeMap::new(),
        }
    }
}

/// What is done about files that somebody changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigPolicy {
    /// Nothing was said: what is decided file by file, and otherwise kept.
    Ask,
    /// The new version wins; the old is copied aside.
    Overwrite,
    /// The old stays; the new version is put beside it.
    Keep,
}
