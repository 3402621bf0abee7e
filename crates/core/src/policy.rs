//! What the rest of hoist has to know of the module system that a module belongs to.

use serde::{Deserialize, Serialize};

/// Where the description of a module comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DescribedBy {
    /// From a manifest of a collection: wherever that is by now, the module is the same.
    #[default]
    Manifest,
    /// From the index of a source: the same name of another source is another module.
    Index,
}

/// How modules of one system behave, set by the system that describes them and kept in the ledger.
/// The default is a module that only a manifest of a collection describes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModulePolicy {
    /// The name of the system.
    pub system: String,
    /// Where its modules are described.
    pub described_by: DescribedBy,
    /// They are installed when they are named, and not because nothing was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_selected_by_name: bool,
    /// Letter case is ignored in their names.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignores_case: bool,
    /// What is installed from one source stays a module of that source, also where it is gone there,
    /// until somebody migrates it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keeps_source: bool,
    /// They have versions, and an update brings the version that is offered; others are updated as
    /// their manifest says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_versions: bool,
    /// Those that only came because others needed them go when nothing needs them any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub goes_when_unneeded: bool,
    /// Everything that they consist of is recorded, so that nothing has to be declared to see
    /// whether it is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_recorded_whole: bool,
    /// What a failed install has put there is taken away again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_all_or_nothing: bool,
    /// `hoist validate` checks their descriptions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_validated: bool,
}

impl ModulePolicy {
    /// Modules that only a manifest of a collection describes.
    pub fn of_manifest(system: &str) -> Self {
        Self {
            system: system.to_owned(),
            is_validated: true,
            ..Self::default()
        }
    }

    /// Modules with versions that an index of a source describes.
    pub fn of_index(system: &str) -> Self {
        Self {
            system: system.to_owned(),
            described_by: DescribedBy::Index,
            is_selected_by_name: true,
            ignores_case: true,
            keeps_source: true,
            has_versions: true,
            goes_when_unneeded: true,
            is_recorded_whole: true,
            is_all_or_nothing: false,
            is_validated: false,
        }
    }
}
