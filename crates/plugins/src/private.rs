//! The configuration of a plugin as its hooks get it.

use crate::PluginConfiguration;

use hoist_system::private::PrivateInput;

impl From<&PluginConfiguration> for PrivateInput {
    fn from(configuration: &PluginConfiguration) -> Self {
        Self {
            variables: configuration.variables(),
            document: configuration.value_with_secrets(),
        }
    }
}
