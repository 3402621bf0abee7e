//! What of plugins is deployed, and where.

use std::path::Path;

use hoist_core::ModuleId;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::read::open;
use crate::{FILE, Ledger, LedgerError, json};

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
pub fn read_deployments(directory: &Path) -> Result<Vec<Deployed>, LedgerError> {
    let Some(connection) = open(directory)? else {
        return Ok(Vec::new());
    };
    all(&connection).map_err(|error| LedgerError::Sqlite {
        path: directory.join(FILE),
        error,
    })
}

fn all(connection: &Connection) -> rusqlite::Result<Vec<Deployed>> {
    // A ledger of an earlier version has no such table.
    if !connection.table_exists(None, "deployments")? {
        return Ok(Vec::new());
    }
    let mut select =
        connection.prepare("SELECT record FROM deployments ORDER BY plugin, environment")?;
    let records = select
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(records
        .iter()
        .filter_map(|record| serde_json::from_str(record).ok())
        .collect())
}

impl Ledger {
    /// Every deployment.
    pub fn deployments(&self) -> Result<Vec<Deployed>, LedgerError> {
        all(&self.connection()).map_err(|error| self.sqlite(error))
    }

    /// Writes down how a deployment stands.
    pub fn put_deployment(&self, deployed: &Deployed) -> Result<(), LedgerError> {
        let insert = "INSERT INTO deployments (plugin, environment, record) VALUES (?1, ?2, ?3)
            ON CONFLICT (plugin, environment) DO UPDATE SET record = ?3";
        let values = params![
            deployed.plugin.as_str(),
            deployed.environment,
            json(deployed)
        ];
        self.connection()
            .execute(insert, values)
            .map(drop)
            .map_err(|error| self.sqlite(error))
    }

    /// Forgets a deployment.
    pub fn drop_deployment(&self, plugin: &ModuleId, environment: &str) -> Result<(), LedgerError> {
        let delete = "DELETE FROM deployments WHERE plugin = ?1 AND environment = ?2";
        self.connection()
            .execute(delete, params![plugin.as_str(), environment])
            .map(drop)
            .map_err(|error| self.sqlite(error))
    }
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
        ledger.put_deployment(&deployed).unwrap();
        deployed.standing = DeploymentState::Deployed;
        deployed.attempt = None;
        deployed.release = Some(Release {
            number: 1,
            version: "1.0.0".into(),
            digest: "d".into(),
            at: "now".into(),
        });
        ledger.put_deployment(&deployed).unwrap();
        assert_eq!(
            read_deployments(directory.path()).unwrap(),
            [deployed.clone()]
        );
        assert_eq!(deployed.next(), 2);
        ledger.drop_deployment(&shop, "staging").unwrap();
        assert_eq!(ledger.deployments().unwrap().len(), 1);
        ledger.drop_deployment(&shop, "production").unwrap();
        assert_eq!(ledger.deployments().unwrap(), []);
    }
}
