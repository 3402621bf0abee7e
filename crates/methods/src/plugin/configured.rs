//! The configuration of a plugin as its hooks get it.

use std::collections::BTreeMap;
use std::fmt;

use hoist_plugins::PluginConfiguration;
use serde_json::Value;

/// The configuration of a plugin as its hooks get it, with the secrets in it.
#[derive(Clone, Default)]
pub struct Configured {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) values: Value,
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configured").finish_non_exhaustive()
    }
}

impl From<&PluginConfiguration> for Configured {
    fn from(configuration: &PluginConfiguration) -> Self {
        Self {
            variables: configuration.variables(),
            values: configuration.value_with_secrets(),
        }
    }
}
