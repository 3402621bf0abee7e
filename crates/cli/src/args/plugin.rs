//! The arguments of `hoist plugin`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Install, List, RolloutOptions, Uninstall, duration};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginAction {
    /// Write a plugin to begin with: it validates and deploys as it stands
    New(PluginNew),
    /// Check plugins and their configuration: every mistake with file and line
    Validate {
        /// By their names, or the paths of their directories; otherwise all of the collections
        plugins: Vec<String>,
        #[command(flatten)]
        inputs: PluginInputs,
    },
    /// One line a plugin
    List(List),
    /// The configuration that a plugin would have; secrets are not shown
    Config(PluginConfig),
    /// Install plugins and what they need
    Install(Install),
    /// Bring plugins up: on this machine with Docker Compose, or by what they bring for it. What they need is installed first
    Deploy(PluginDeploy),
    /// Deploy once more what is deployed, as the plugin is offered now, configured as it was; what ran before comes back where that fails
    Upgrade(PluginUpgrade),
    /// Bring back what ran before
    Rollback(PluginRollback),
    /// What is deployed, since when, and whether it is well
    Status {
        /// These; otherwise all
        plugins: Vec<String>,
    },
    /// Take down what is deployed; what containers keep stays
    Undeploy(PluginUndeploy),
    /// Remove installed plugins, and take down what of them is deployed
    #[command(alias = "uninstall")]
    Remove(Uninstall),
}

/// What is deployed, and how.
#[derive(Debug, Args)]
pub(crate) struct PluginDeploy {
    /// By their names, or the paths of their directories
    #[arg(required = true)]
    pub(crate) plugins: Vec<String>,
    #[command(flatten)]
    pub(crate) inputs: PluginInputs,
    /// How many of each service that can be several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) replicas: Option<u32>,
    /// To the Swarm whose manager the Docker engine is, as a stack
    #[arg(long)]
    pub(crate) swarm: bool,
    /// For debugging: sets the value that DEBUG stands for
    #[arg(long)]
    pub(crate) debug: bool,
    /// Go back to what ran before also where only the post-deploy hook fails
    #[arg(long)]
    pub(crate) atomic: bool,
    /// Do it also where it is deployed like this
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave alone what they need
    #[arg(long)]
    pub(crate) no_deps: bool,
    #[command(flatten)]
    pub(crate) bring: BringUp,
}

/// How plugins are brought up.
#[derive(Debug, Args)]
pub(crate) struct BringUp {
    /// Show the plan, what is rendered, and how it differs from what is deployed; changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long it may take until everything is well
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) rollout: RolloutOptions,
}

/// What is upgraded, and how.
#[derive(Debug, Args)]
pub(crate) struct PluginUpgrade {
    /// Deployed plugins
    #[arg(required = true)]
    pub(crate) plugins: Vec<String>,
    /// In this environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Go back to what ran before also where only the post-upgrade hook fails
    #[arg(long)]
    pub(crate) atomic: bool,
    /// Leave alone what they need
    #[arg(long)]
    pub(crate) no_deps: bool,
    #[command(flatten)]
    pub(crate) bring: BringUp,
}

/// What comes back.
#[derive(Debug, Args)]
pub(crate) struct PluginRollback {
    /// A deployed plugin
    pub(crate) plugin: String,
    /// In this environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The number of the release, as `hoist plugin status` shows it; otherwise the last
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<u32>,
    #[command(flatten)]
    pub(crate) bring: BringUp,
}

/// What is taken down.
#[derive(Debug, Args)]
pub(crate) struct PluginUndeploy {
    /// Deployed plugins
    #[arg(required = true)]
    pub(crate) plugins: Vec<String>,
    /// In this environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Remove also what containers keep in volumes
    #[arg(long)]
    pub(crate) volumes: bool,
    /// Forget a deployment that cannot be taken down, such as one on a host that is gone
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would be done; changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A new plugin.
#[derive(Debug, Args)]
pub(crate) struct PluginNew {
    /// What it is called, and its directory
    pub(crate) name: String,
    /// What is deployed
    #[arg(long, value_enum, default_value_t = PluginKind::Basic)]
    pub(crate) kind: PluginKind,
    /// Where its directory goes; otherwise plugins/ of the collection, where there is one, or here
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginKind {
    /// Hooks, and a configuration with a schema
    Basic,
    /// Containers, with Docker Compose
    Compose,
    /// Hosts, over ssh, by steps that are shell modules
    Host,
}

/// A plugin, and what a person gives for its configuration.
#[derive(Debug, Args)]
pub(crate) struct PluginConfig {
    /// By its name, or the path of its directory
    pub(crate) plugin: String,
    #[command(flatten)]
    pub(crate) inputs: PluginInputs,
    /// Say of each value where it came from, and which environment variable stands for it
    #[arg(long)]
    pub(crate) show_origin: bool,
}

/// What a person gives for the configuration of a plugin, the weakest first.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PluginInputs {
    /// The environment whose profile counts: development, staging, production, or another that the plugin has config/NAME.yaml for
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// A file of configuration, YAML or JSON; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
    /// A single value: database.host=db.example.com
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// A single value that stands in a file, such as a secret
    #[arg(long, value_name = "PATH=FILE")]
    pub(crate) set_file: Vec<String>,
}
