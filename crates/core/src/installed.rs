//! What the ledger knows, as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use crate::{Digest, ModuleId, ModulePolicy, UninstallSpec};

/// What the ledger says of one module. The default is one of which nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InstalledModule {
    /// The way it was installed.
    pub method: String,
    /// The digest of the manifest it was installed from.
    pub digest: Digest,
    /// The source it came from.
    pub source: String,
    /// What the method could tell of the version: a commit, a package version.
    pub version: Option<String>,
    /// When, RFC 3339.
    pub installed_at: String,
    /// The paths that installing it made; empty for one that was there before.
    pub paths: Vec<PathBuf>,
    /// True when hoist found it on the machine rather than putting it there.
    pub adopted: bool,
    /// True when an install of it has succeeded, whatever came later.
    #[serde(rename = "once")]
    pub ever_installed: bool,
    /// True when somebody asked for it; false when it only came because another needed it.
    #[serde(rename = "asked")]
    pub is_explicit: bool,
    /// What it needed when it was installed.
    pub requires: Vec<ModuleId>,
    /// What its manifest said of its removal.
    pub removal: UninstallSpec,
    /// The files that it consists of, where its source has a place of its own for its modules.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// Paths it names that were there before it, and are not its own.
    #[serde(rename = "found")]
    pub preexisting_paths: Vec<PathBuf>,
}

impl InstalledModule {
    /// How modules of its system behave.
    pub fn policy(&self) -> &ModulePolicy {
        &self.removal.policy
    }
}

/// What is installed, and how long things took in the past.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    /// By name.
    pub modules: BTreeMap<ModuleId, InstalledModule>,
    /// Modules whose install failed or was cut off, by name.
    pub unfinished: BTreeMap<ModuleId, InstalledModule>,
    /// Those of them that were interrupted, and did not fail.
    pub interrupted: BTreeSet<ModuleId>,
    /// Those of them that a run in progress is changing.
    pub in_progress: BTreeSet<ModuleId>,
    /// Seconds that an install took in the past, smoothed.
    pub durations: BTreeMap<String, f64>,
}

/// What a look at the machine, without running anything, says of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Everything it declares is there.
    Present,
    /// Something it declares is not there: this.
    Missing(String),
    /// It is there in another version than the one that is wanted: this.
    Other(String),
    /// Something else stands where it would go: this.
    Obstructed(String),
    /// It declares nothing that can be seen; a function of its script can tell.
    Ask,
    /// It declares nothing that can be seen, and has no function to ask.
    Unknown,
}
