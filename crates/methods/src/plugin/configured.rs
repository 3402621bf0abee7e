//! The configuration of a plugin as its hooks get it.

use hoist_plugins::PluginConfiguration;

use crate::private::PrivateInput;

impl From<&PluginConfiguration> for PrivateInput {
    fn from(configuration: &PluginConfiguration) -> Self {
        Self {
            variables: configuration.variables(),
            document: configuration.value_with_secrets(),
        }
    }
}
