//! What of plugins is deployed, and where, as the ledger keeps it.

use std::path::Path;

use hoist_core::ModuleId;
use hoist_ledger::{Ledger, LedgerError, read_documents};
use serde::{Deserialize, Serialize};

/// What the documents are called in the ledger.
const KIND: &str = "deployment";

/// How a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentState {
    /// It is what its current release says.
    Deployed,
    /// A run is at it, or was cut off while it was.
    Deploying,
    /// The last attempt failed, and nothing that ran before could be brought back, or there was
    /// nothing.
    Failed,
    /// It is being taken down, or that was cut off.
    Undeploying,
}

impl DeploymentState {
    /// The word users read.
    pub fn as_str(self) -> &'static str {
        match self {
            DeploymentState::Deployed => "deployed",
            DeploymentState::Deploying => "deploying",
            DeploymentState::Failed => "failed",
            DeploymentState::Undeploying => "undeploying",
        }
    }
}

/// A release of a deployment: what was deployed at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Counted from one.
    pub number: u32,
    /// The version of the plugin.
    pub version: String,
    /// Of everything that it is made of: files, configuration, options.
    pub digest: String,
    /// When it was verified, RFC 3339.
    pub at: String,
}

/// A plugin in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The plugin.
    pub plugin: ModuleId,
    /// The environment; empty where none was named.
    pub environment: String,
    /// How it is deployed: `compose`, `host`, `script`, `basic`.
    pub kind: String,
    /// How it stands.
    pub standing: DeploymentState,
    /// What runs; nothing where no deployment has succeeded.
    pub release: Option<Release>,
    /// What ran before, the newest last.
    pub former: Vec<Release>,
    /// The number of the release that is being made, or was when the run was cut off.
    pub attempt: Option<u32>,
}

impl Deployed {
    /// A deployment of which nothing is there yet.
    pub fn new(plugin: ModuleId, environment: &str, kind: &str) -> Self {
        let (kind, environment) = (kind.to_owned(), environment.to_owned());
        Self {
            plugin,
            environment,
            kind,
            standing: DeploymentState::Deploying,
            release: None,
            former: Vec::new(),
            attempt: None,
        }
    }

    /// The number of the next release.
    pub fn next(&self) -> u32 {
        let numbers = self
            .former
            .iter()
            .chain(&self.release)
            .map(|release| release.number)
            .chain(self.attempt);
        numbers.max().unwrap_or(0) + 1
    }
}

/// Every deployment, from the ledger in this state directory; nothing when there is none.
///
/// # Errors
/// The ledger is damaged, or of a later version.
pub fn read_deployments(directory: &Path) -> Result<Vec<Deployed>, LedgerError> {
    read_documents(directory, KIND)
}

/// Every deployment.
pub fn deployments(ledger: &Ledger) -> Result<Vec<Deployed>, LedgerError> {
    ledger.documents(KIND)
}

/// Writes down how a deployment stands.
pub(super) fn put_deployment(ledger: &Ledger, deployed: &Deployed) -> Result<(), LedgerError> {
    ledger.put_document(KIND, &deployed.plugin, &deployed.environment, deployed)
}

/// Forgets a deployment.
pub(super) fn drop_deployment(
    ledger: &Ledger,
    plugin: &ModuleId,
    environment: &str,
) -> Result<(), LedgerError> {
    ledger.drop_document(KIND, plugin, environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_remembered_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read_deployments(directory.path()).unwrap(), []);
        let (ledger, _) = Ledger::open(directory.path()).unwrap();
        let shop = ModuleId::new("shop").unwrap();
        let mut deployed = Deployed::new(shop.clone(), "production", "compose");
        assert_eq!(deployed.next(), 1);
        deployed.attempt = Some(1);
        put_deployment(&ledger, &deployed).unwrap();
        deployed.standing = DeploymentState::Deployed;
        deployed.attempt = None;
        deployed.release = Some(Release {
            number: 1,
            version: "1.0.0".into(),
            digest: "d".into(),
            at: "now".into(),
        });
        put_deployment(&ledger, &deployed).unwrap();
        assert_eq!(
            read_deployments(directory.path()).unwrap(),
            [deployed.clone()]
        );
        assert_eq!(deployed.next(), 2);
        drop_deployment(&ledger, &shop, "staging").unwrap();
        assert_eq!(deployments(&ledger).unwrap().len(), 1);
        drop_deployment(&ledger, &shop, "production").unwrap();
        assert_eq!(deployments(&ledger).unwrap(), []);
    }
}
