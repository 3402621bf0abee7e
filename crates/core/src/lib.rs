//! The vocabulary of hoist, and the reading of module manifests into it.
//!
//! This crate is pure: no file, process, network, clock or environment variable is touched. What a
//! reader needs (the bytes of a manifest, the home directory) is handed in, what it finds comes
//! back as values and diagnostics.

mod application;
mod catalog;
mod collection;
mod diagnostic;
pub mod format;
mod installed;
mod manifest;
mod module;
mod plan;
mod platform;
mod policy;
mod request;
mod resource;
pub mod schema;
mod shared;
mod source;
mod stage;
mod step;
mod suggest;
mod text;
mod tree;
mod url;
mod vars;
mod words;
mod yaml;

pub use application::{Application, is_class_name};
pub use catalog::{Broken, Catalog};
pub use collection::CollectionFile;
pub use diagnostic::{Diagnostic, Position, Severity};
pub use installed::{Installed, InstalledModule, Presence};
pub use manifest::{Digest, Manifest, ManifestFile, ManifestRef, Parsed, SourceTree};
pub use module::{
    Checks, InvalidModuleId, Module, ModuleId, Recipe, Repository, SourceMetadata, Tier,
    UninstallSpec, VersionedDependency,
};
pub use plan::{Change, LeftOut, Plan, PlannedModule, SelectionReason};
pub use platform::{Platform, PlatformCondition};
pub use policy::{DescribedBy, ModulePolicy};
pub use request::{ConfigPolicy, Request, Selection};
pub use resource::{Resource, ResourceScope};
pub use shared::{VERSION_CONTROL, is_shared};
pub use source::{
    Source, SourceBase, SourceGrammar, SourceKey, SourceKeyKind, SourceSyntax, WrittenSource,
    is_path, wrong_source,
};
pub use stage::Maturity;
pub use step::{Action, MethodName, Step};
pub use suggest::did_you_mean;
pub use text::{
    command_transport, escaped_json, is_unprintable, package_name_problem, shell_quoted,
};
pub use tree::ProtectedTree;
pub use url::{Userinfo, redact_urls, secret_parameters, without_userinfo};
pub use vars::{Environment, InvalidDuration, parse_duration};
pub use words::Words;
pub use yaml::yaml_error;
