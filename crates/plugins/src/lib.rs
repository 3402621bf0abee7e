//! Plugins: what they say of themselves, which versions of them go together, how they are
//! configured, and how their hooks run. What is read, is read through a [`Directory`], which whoever
//! calls brings; [`on_disk`] is the one for files, and [`hook`] runs what is found.
//!
//! ```
//! use hoist_plugins::{Given, InMemory, Plugin, PluginConfiguration};
//!
//! let manifest = "name: shop\nversion: 1.0.0\nconfig:\n  defaults: config/defaults.yaml\n";
//! let directory = InMemory::new("/plugins/shop", &[("plugin.yml", manifest), ("config/defaults.yaml", "server:\n  port: 8080\n")]);
//! let (plugin, found) = Plugin::read(&directory);
//! assert!(found.is_empty());
//! let configuration = PluginConfiguration::read(&plugin.unwrap(), &directory, &Given::default());
//! let port = &configuration.settings()[0];
//! assert_eq!((port.path.as_str(), port.origin.to_string().as_str()), ("server.port", "/plugins/shop/config/defaults.yaml:2"));
//! ```

mod builtins;
mod choose;
mod compose;
mod config;
mod directory;
mod document;
mod evaluate;
pub mod evaluate_process;
pub mod hook;
mod interpolate;
mod lines;
mod manifest;
mod marks;
pub mod modules;
pub mod on_disk;
mod output;
pub mod private;
mod range;
pub mod removal;
mod schema;
mod secret;
mod tree;
mod violation;
mod violation_report;

pub use choose::{
    ChosenVersion, VersionConflict, VersionOffer, VersionOffers, VersionRequest, choose,
};
pub use compose::{Project, Rendering, render};
pub use config::{
    ConfigAssignment, ENVIRONMENTS, Given, MAPPING, Pending, PluginConfiguration, SecretSource,
    Setting, profiles, variables_of,
};
pub use directory::{Directory, InMemory, Lookup, is_inside};
pub use document::{Data, Document, Key, Node, Numeral};
pub use evaluate::{
    EvaluationResult, EvaluationTask, Marked, Rendered, SchemaError, Template, TemplateError,
};
pub use manifest::{
    DEPLOY_SCRIPTS, Dependency, DeploymentKind, HOOKS, Hook, HookEvent, MANIFEST, Plugin, Side,
    UNDEPLOY_SCRIPTS, compose_files,
};
pub use range::{VersionRange, read_version};
pub use schema::Schema;
pub use secret::{MASK, Masker, is_secret_name};
pub use tree::{FilePosition, ValueOrigin, dotted};
pub use violation::{Rule, Violation, What};

use hoist_system::method::MethodEntry;

/// The methods of plugins.
pub const METHODS: &[MethodEntry] = &[hook::METHOD];
