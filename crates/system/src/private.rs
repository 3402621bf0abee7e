//! What the programs of a module get and nobody else may see.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Variables and a document with secrets in them, for the programs of a module.
#[derive(Clone, Default)]
pub struct PrivateInput {
    /// Variables of the environment.
    pub variables: BTreeMap<String, String>,
    /// What programs find in a file, as JSON.
    pub document: Value,
}

impl fmt::Debug for PrivateInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateInput").finish_non_exhaustive()
    }
}
