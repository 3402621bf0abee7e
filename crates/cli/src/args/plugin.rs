//! Arguments of `hoist plugin`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::global::{EXECUTION, SELECTION};
use super::modules::{Install, List, RolloutOptions, Uninstall};
use super::values::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginAction {
    /// Create a plugin that validates and deploys as it is
    New(PluginNew),
    /// Check plugins and their configuration
    Validate {
        /// Plugins, by name or directory [default: all plugins of the collections]
        #[arg(value_name = "PLUGIN")]
        plugins: Vec<String>,
        #[command(flatten)]
        inputs: PluginInputs,
    },
    /// List plugins
    #[command(visible_alias = "ls")]
    List(List),
    /// Show the resolved configuration of a plugin; secrets are hidden
    Config(PluginConfig),
    /// Install plugins and their dependencies
    Install(Install),
    /// Deploy plugins, and install their dependencies first
    ///
    /// A plugin is deployed on this machine with Docker Compose, to a Docker Swarm (--swarm), on
    /// the hosts of its configuration, or by its own deployment script. When a deployment fails,
    /// the previous release is restored.
    Deploy(PluginDeploy),
    /// Deploy the current version of deployed plugins with the configuration of their last
    /// deployment
    ///
    /// When the upgrade fails, the previous release is restored.
    Upgrade(PluginUpgrade),
    /// Restore a previous release of a deployed plugin
    Rollback(PluginRollback),
    /// Show deployments with their age and health
    Status {
        /// Plugins [default: all deployed plugins]
        #[arg(value_name = "PLUGIN")]
        plugins: Vec<String>,
    },
    /// Stop and remove deployments; volumes are kept
    Undeploy(PluginUndeploy),
    /// Remove installed plugins and their deployments
    #[command(visible_aliases = ["uninstall", "rm"])]
    Remove(Uninstall),
}

/// Arguments of `hoist plugin deploy`.
#[derive(Debug, Args)]
pub(crate) struct PluginDeploy {
    /// Plugins, by name or directory
    #[arg(value_name = "PLUGIN", required = true)]
    pub(crate) plugins: Vec<String>,
    #[command(flatten)]
    pub(crate) inputs: PluginInputs,
    /// Number of replicas of each service that can have several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) replicas: Option<u32>,
    /// Deploy as a stack to the Docker Swarm managed by the Docker engine
    #[arg(long)]
    pub(crate) swarm: bool,
    /// Deploy for debugging: set the configuration value mapped to DEBUG
    #[arg(long)]
    pub(crate) debug: bool,
    /// Restore the previous release also when only the post-deploy hook fails
    #[arg(long)]
    pub(crate) atomic: bool,
    /// Deploy even if nothing changed since the last deployment
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not install dependencies
    #[arg(long, help_heading = SELECTION)]
    pub(crate) no_deps: bool,
    #[command(flatten)]
    pub(crate) start: StartOptions,
}

/// How deployments are started.
#[derive(Debug, Args)]
pub(crate) struct StartOptions {
    /// Show the plan, the rendered files and their differences without changing anything
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Time to wait until all services are healthy
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration, help_heading = EXECUTION)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) rollout: RolloutOptions,
}

/// Arguments of `hoist plugin upgrade`.
#[derive(Debug, Args)]
pub(crate) struct PluginUpgrade {
    /// Deployed plugins
    #[arg(value_name = "PLUGIN", required = true)]
    pub(crate) plugins: Vec<String>,
    /// Environment of the deployment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Restore the previous release also when only the post-upgrade hook fails
    #[arg(long)]
    pub(crate) atomic: bool,
    /// Do not install dependencies
    #[arg(long, help_heading = SELECTION)]
    pub(crate) no_deps: bool,
    #[command(flatten)]
    pub(crate) start: StartOptions,
}

/// Arguments of `hoist plugin rollback`.
#[derive(Debug, Args)]
pub(crate) struct PluginRollback {
    /// Deployed plugin
    pub(crate) plugin: String,
    /// Environment of the deployment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Release number, as listed by `hoist plugin status` [default: the previous release]
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<u32>,
    #[command(flatten)]
    pub(crate) start: StartOptions,
}

/// Arguments of `hoist plugin undeploy`.
#[derive(Debug, Args)]
pub(crate) struct PluginUndeploy {
    /// Deployed plugins
    #[arg(value_name = "PLUGIN", required = true)]
    pub(crate) plugins: Vec<String>,
    /// Environment of the deployment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Also remove the volumes of the containers, with their data
    #[arg(long)]
    pub(crate) volumes: bool,
    /// Remove the record of a deployment that cannot be undeployed, for example on a host that no
    /// longer exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would be done without changing anything
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `hoist plugin new`.
#[derive(Debug, Args)]
pub(crate) struct PluginNew {
    /// Name of the plugin and its directory
    pub(crate) name: String,
    /// Kind of deployment
    #[arg(long, value_enum, default_value_t = PluginKind::Basic)]
    pub(crate) kind: PluginKind,
    /// Directory to create the plugin in [default: plugins/ of the collection, otherwise the
    /// working directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginKind {
    /// Hooks and a configuration with a schema
    Basic,
    /// Containers, deployed with Docker Compose
    Compose,
    /// Steps that are shell modules, run on hosts over SSH
    Host,
}

/// Arguments of `hoist plugin config`.
#[derive(Debug, Args)]
pub(crate) struct PluginConfig {
    /// Plugin, by name or directory
    pub(crate) plugin: String,
    #[command(flatten)]
    pub(crate) inputs: PluginInputs,
    /// Show the origin of each value and the environment variable that sets it
    #[arg(long)]
    pub(crate) show_origin: bool,
}

/// Configuration of a plugin, from the lowest to the highest precedence.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PluginInputs {
    /// Environment profile: development, staging, production, or any config/NAME.yaml of the plugin
    #[arg(long, value_name = "NAME", help_heading = CONFIGURATION)]
    pub(crate) env: Option<String>,
    /// Configuration file, YAML or JSON; may be repeated
    #[arg(long, value_name = "FILE", help_heading = CONFIGURATION)]
    pub(crate) config: Vec<PathBuf>,
    /// Set a value, for example database.host=db.example.com
    #[arg(long, value_name = "PATH=VALUE", help_heading = CONFIGURATION)]
    pub(crate) set: Vec<String>,
    /// Set a value to the content of a file, for example a secret
    #[arg(long, value_name = "PATH=FILE", help_heading = CONFIGURATION)]
    pub(crate) set_file: Vec<String>,
}

const CONFIGURATION: &str = "Configuration";
