//! What belongs to a module and is not a file of it: packages of a package manager.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a manager keeps resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceScope {
    /// The method that installs and removes them.
    pub manager: String,
    /// The directory below which they are; empty for those of the whole system.
    pub directory: PathBuf,
    /// The version of the language that they are for, where a directory has them for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
}

impl ResourceScope {
    /// A directory of a manager that has resources for one version of a language only.
    pub fn new(manager: &str, directory: &Path) -> Self {
        Self {
            manager: manager.to_owned(),
            directory: directory.to_owned(),
            runtime: None,
        }
    }
}

/// A package of a package manager.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// Where it is.
    #[serde(flatten)]
    pub scope: ResourceScope,
    /// What its manager calls it, or what a manifest asks that for.
    pub name: String,
    /// True where other programs may use it as well: it stays when the module is removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shared: bool,
}

impl Resource {
    /// A resource that is its module's own.
    pub fn new(scope: ResourceScope, name: impl Into<String>) -> Self {
        Self {
            scope,
            name: name.into(),
            is_shared: false,
        }
    }
}
