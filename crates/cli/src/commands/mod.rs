//! One file a command, each short enough to read as a recipe.

pub(crate) mod change;
pub(crate) mod config;
pub(crate) mod confined;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod hosts;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod outdated;
pub(crate) mod plan;
pub(crate) mod plugin;
pub(crate) mod prosodyctl;
pub(crate) mod report;
pub(crate) mod search;
pub(crate) mod source;
pub(crate) mod source_edit;
pub(crate) mod step;
pub(crate) mod sync;
pub(crate) mod test;
pub(crate) mod undeploy;
pub(crate) mod undo;
pub(crate) mod validate;
