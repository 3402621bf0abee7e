//! Carries plans out: one file for each way of installing ([`METHODS`] is the table), and
//! [`schedule()`], which turns a plan into tasks for `hoist-executor`.
//!
//! Nothing here prints or asks. What a method tells goes through the task's context; what it did is
//! written to the ledger by `bring`, `uninstall`, `undo` and `plugin::deploy`, and only there.

mod application;
mod apply;
mod archive;
mod around;
mod batch;
mod builtin;
mod checks;
mod config;
mod displaced;
mod file_list;
mod git;
mod guard;
mod http;
mod job;
mod machine;
mod messages;
mod method;
mod newer;
mod os;
mod plugin;
mod preflight;
mod presence;
mod private;
mod processes;
mod programs;
mod prosody;
mod recover;
mod registry;
mod remote;
mod resource;
mod rollback;
mod run_context;
mod sandbox;
mod schedule;
mod scratch;
mod source_cache;
mod stage;
mod step;
mod sudo;
mod sync;
mod table;
mod undo;
mod uninstall;
mod verify;
mod watch;
mod watchdog;

pub use application::{ApplicationOffers, is_place, offers, places_of};
pub use apply::present_version;
pub use batch::{Batch, Batches, SharedBatch};
pub use builtin::luarocks::{foreign_dependents, needs_of_rocks, rocks_of};
pub use builtin::package::{install_command, package_names, package_variables};
pub use config::{
    CONFLICT_END, CONFLICT_START, ConfigFile, ConfigFileState, Decision, Merge, diff, survey,
    templates,
};
pub use git::{clone_behind, fetched_at};
pub use job::{Job, JobContext, RemovalJob};
pub use machine::{Machine, MachineTools};
pub use messages::ModuleMessage;
pub use method::{
    Applied, Method, MethodEntry, MethodUse, Newer, NewerVersions, RepairTree, RequiredProgram,
    RunSelection, StepContext,
};
pub use newer::newer_versions;
pub use plugin::{
    Container, Deployed, Deployment, DeploymentPaths, DeploymentState, EVALUATE, OnDisk,
    PLUGIN_SYSTEM, PLUGINS, Release, ReleaseFile, Rollout, SWARM, TargetHost, Undeployment, answer,
    called, containers, hosts_of, is_plugin, kept_secrets, plugin, plugin_directories, plugins,
    project_name, random_text, read_deployments, removal_job,
};
pub use preflight::{needs_password, preflight};
pub use presence::probe;
pub use private::PrivateInput;
pub use processes::RUN;
pub use programs::ProgramDirectories;
pub use prosody::prosody_configuration;
pub use recover::{OwnDirectories, RecoverySummary, clean_sources, recover};
pub use registry::Registry;
pub use remote::{
    Begun, Failures, Header, Host, Remote, printed_on, run as run_on_host, serve, tree_name,
};
pub use resource::{
    AlteredFiles, PackageMove, ResourceChange, ResourceManager, ResourceUndo, Told, UndoConflict,
    found_resources, is_newer, package_version,
};
pub use run_context::{keep_contents, place_of};
pub use sandbox::{Enforced, Sandbox};
pub use schedule::{Options, Schedule, schedule};
pub use scratch::{is_alive, process_of_run, run_name};
pub use source_cache::{SourceCache, Synced};
pub use step::run_alone;
pub use sync::{repair, sync};
pub use table::METHODS;
pub use undo::{UndoPlan, plan_undo};
pub use uninstall::preview_removal;
pub use verify::{Drift, drift};
pub use watchdog::{Watchdog, watch};
