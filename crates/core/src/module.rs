//! One thing that can be installed, whatever format describes it.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Action, Digest, InstalledModule, Maturity, ModulePolicy, Position, ProtectedTree, Resource,
    ResourceScope, Step, Words,
};

/// The name of a module: one or more of `[A-Za-z0-9._+-]`, neither `.` nor `..`, not starting with
/// `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleId(String);

/// A text that cannot be the name of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidModuleId(pub String);

impl fmt::Display for InvalidModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a module name: use only letters, digits and . _ + -",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for InvalidModuleId {}

impl ModuleId {
    /// Checks and takes a name.
    pub fn new(name: &str) -> Result<Self, InvalidModuleId> {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
        match plain
            && !matches!(name, "" | "." | "..")
            && !name.starts_with('-')
            && name.len() <= 200
        {
            true => Ok(Self(name.to_owned())),
            false => Err(InvalidModuleId(name.to_owned())),
        }
    }

    /// Takes the name of a host, which stands in the place of a module where the same is done on
    /// several hosts: `user@host:port`.
    pub fn host(name: &str) -> Result<Self, InvalidModuleId> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-@:[]".contains(&byte);
        match name.bytes().all(plain)
            && !matches!(name, "" | "." | "..")
            && !name.starts_with('-')
            && name.len() <= 200
        {
            true => Ok(Self(name.to_owned())),
            false => Err(InvalidModuleId(name.to_owned())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for ModuleId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModuleId {
    type Error = InvalidModuleId;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<ModuleId> for String {
    fn from(id: ModuleId) -> Self {
        id.0
    }
}

/// How much a module matters to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Always installed; its failure aborts the run.
    Core,
    /// Installed unless left out; its failure skips what depends on it.
    Default,
    /// Installed only when named, switched on, or needed by another.
    Optional,
}

impl Tier {
    /// The word users read.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Core => "core",
            Tier::Default => "default",
            Tier::Optional => "optional",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The steps for each action a module knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Recipe {
    /// In order; the first that fails ends the action.
    pub steps: BTreeMap<Action, Vec<Step>>,
}

impl Recipe {
    /// The steps for one action; none when the module does not know it.
    pub fn steps(&self, action: Action) -> &[Step] {
        self.steps.get(&action).map_or(&[], Vec::as_slice)
    }
}

/// What must be there when a module is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// Directories that exist.
    pub dirs: Vec<PathBuf>,
    /// Files that exist.
    pub files: Vec<PathBuf>,
    /// Programs that the path leads to.
    pub binaries: Vec<String>,
    /// A shell command that succeeds.
    pub command: Option<String>,
    /// Whether the module's script has a function that tells.
    pub function: bool,
}

impl Checks {
    /// True when nothing is declared that can be seen without running anything.
    pub fn is_blind(&self) -> bool {
        self.dirs.is_empty() && self.files.is_empty() && self.binaries.is_empty()
    }
}

/// A repository that a module is a clone of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repository {
    /// Where it is cloned from.
    pub url: String,
    /// Where it is cloned to.
    pub dir: PathBuf,
}

/// What taking a module off the machine removes, beyond the files that installing it is known to
/// have made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UninstallSpec {
    /// Directories and files it declares.
    pub paths: Vec<PathBuf>,
    /// Packages that come with it.
    pub resources: Vec<Resource>,
    /// The function of its script that removes what only that knows.
    pub function: Option<String>,
    /// The root of the collection it came from.
    pub root: Option<PathBuf>,
    /// The directory its files stand below, where that is not the home directory.
    pub into: Option<PathBuf>,
    /// The tree that it is installed into, where that is protected.
    pub tree: Option<ProtectedTree>,
    /// Steps that remove it, whatever became of its manifest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What its system has to know of its source, also where the settings do not name that any more.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub settings: serde_json::Value,
    /// The directory, archive or repository that it came from, where its source has several.
    pub from: Option<String>,
    /// How modules of its system behave.
    pub policy: ModulePolicy,
    /// What people call it, where that is not its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_name: Option<String>,
    /// Other names that it answers to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// True for a module of an index that has no file which could be loaded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty: bool,
}

impl UninstallSpec {
    /// The resources that go with the module: those that others may use as well are left out.
    pub fn owned(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(|resource| !resource.is_shared)
    }

    /// The names of the resources that go with the module, by where they are.
    pub fn owned_by_scope(&self) -> BTreeMap<&ResourceScope, Vec<&str>> {
        let mut by_scope: BTreeMap<&ResourceScope, Vec<&str>> = BTreeMap::new();
        for resource in self.owned() {
            by_scope
                .entry(&resource.scope)
                .or_default()
                .push(&resource.name);
        }
        by_scope
    }

    /// What people call `module`, of which it is.
    pub fn short_name<'i>(&'i self, module: &'i ModuleId) -> &'i str {
        self.short_name.as_deref().unwrap_or(module.as_str())
    }

    /// Whether a name is another one of the module, in any letter case.
    pub fn answers_to(&self, name: &str) -> bool {
        let mut aliases = self.aliases.iter();
        aliases.any(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// Whether a name is another one of the module, in the same letter case.
    pub fn is_alias(&self, name: &str) -> bool {
        self.aliases.iter().any(|alias| alias == name)
    }
}

/// What a source says of a module beside its manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SourceMetadata {
    /// The version that an install brings.
    pub version: Option<String>,
    /// How far it is.
    pub stage: Option<Maturity>,
    /// What somebody should know before it is installed, a sentence each.
    pub caveats: Vec<String>,
    /// Why the version is not the newest, where another was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back: Option<String>,
    /// Which versions of others it needs, where its manifest says that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<VersionedDependency>,
    /// True where nothing of it can be loaded: it has no more than a description.
    pub is_empty: bool,
}

impl SourceMetadata {
    /// What somebody should know before an install, a sentence each.
    pub fn warnings(&self) -> impl Iterator<Item = &String> {
        self.caveats.iter().chain(&self.held_back)
    }
}

/// Versions of something that a module needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionedDependency {
    /// Of what: a module, or something that the platform provides.
    pub name: ModuleId,
    /// Which, as its author wrote it: `>=1.0.0`.
    pub versions: String,
    /// True where it also works without.
    pub optional: bool,
    /// Where in the manifest that stands.
    #[serde(skip)]
    pub at: Option<Position>,
}

/// One thing that can be installed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Module {
    /// Its name.
    pub id: ModuleId,
    /// What it is, in a sentence of the author's.
    pub summary: String,
    /// How much it matters.
    pub tier: Tier,
    /// The names of the modules it needs, in the author's order, each once.
    pub requires: Vec<ModuleId>,
    /// The names of modules that come along where there are any, and whose failure it does not
    /// mind.
    pub optional_dependencies: Vec<ModuleId>,
    /// What the author calls the way it is installed (`git_clone`, `pip` …).
    pub method: String,
    /// True where only a function of its own knows how it is installed.
    #[serde(skip)]
    pub is_custom: bool,
    /// What is done for each action.
    pub recipe: Recipe,
    /// What must be there when it is installed.
    pub checks: Checks,
    /// The repository it is a clone of, where it is one.
    pub repository: Option<Repository>,
    /// The directories it says it makes.
    pub paths: Vec<PathBuf>,
    /// What removing it removes.
    pub removal: UninstallSpec,
    /// Directories that tools write to which its scripts call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_directories: Vec<PathBuf>,
    /// The configuration files it brings.
    pub config_files: Vec<PathBuf>,
    /// What the author calls the way it is updated; empty where none is declared.
    pub update_method: String,
    /// The time its steps may take together, where it says so.
    pub timeout: Option<Duration>,
    /// The variables its scripts see.
    pub variables: BTreeMap<String, String>,
    /// The root of its source.
    pub root: PathBuf,
    /// The manifest's main file.
    pub manifest: PathBuf,
    /// What its manifest calls fields and functions.
    #[serde(skip)]
    pub words: &'static Words,
    /// Of all the manifest's files.
    pub digest: Digest,
    /// The source it was found in.
    pub source: String,
    /// What that says of it.
    pub offered: SourceMetadata,
    /// Why it cannot be installed on this machine, where it cannot: `only for macos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

impl Module {
    /// What people call it.
    pub fn short_name(&self) -> &str {
        self.removal.short_name(&self.id)
    }

    /// How modules of its system behave.
    pub fn policy(&self) -> &ModulePolicy {
        &self.removal.policy
    }

    /// Returns whether `hoist test` has anything to verify: declared tests, files of a source's
    /// index, a clone, packages, or directories. Of an installed module that is recorded
    /// whole it counts what was installed, and not what the source has by now.
    pub fn is_verifiable(&self, installed: Option<&InstalledModule>) -> bool {
        let installed = installed.filter(|record| record.policy().is_recorded_whole);
        if installed.map_or(self.offered.is_empty, |record| record.removal.empty) {
            return false;
        }
        let is_known = self.repository.is_some()
            || self.removal.owned().next().is_some()
            || !self.paths.is_empty();
        is_known || self.policy().is_recorded_whole || !self.recipe.steps(Action::Test).is_empty()
    }

    /// A module as the ledger remembers it, for when its manifest is gone: it can be taken off the
    /// machine, and nothing else.
    pub fn remembered(id: ModuleId, record: &InstalledModule) -> Self {
        Self {
            id,
            summary: String::new(),
            tier: Tier::Optional,
            requires: record.requires.clone(),
            optional_dependencies: Vec::new(),
            method: record.method.clone(),
            is_custom: false,
            recipe: Recipe::default(),
            checks: Checks::default(),
            repository: None,
            paths: Vec::new(),
            removal: record.removal.clone(),
            tool_directories: Vec::new(),
            config_files: Vec::new(),
            update_method: String::new(),
            timeout: None,
            variables: BTreeMap::new(),
            root: PathBuf::new(),
            manifest: PathBuf::new(),
            words: &Words::NONE,
            digest: record.digest.clone(),
            source: record.source.clone(),
            offered: SourceMetadata::default(),
            unavailable: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_only() {
        for good in ["bash-it", "ble.sh", "g++", "a_b", "7zip", "..."] {
            assert!(ModuleId::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "-rf", "ä", "a;b", "a\n"] {
            assert!(ModuleId::new(bad).is_err(), "{bad}");
        }
    }
}
