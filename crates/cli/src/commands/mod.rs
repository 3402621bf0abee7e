//! One file a command, each short enough to read as a recipe.

pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod info;
pub(crate) mod install;
pub(crate) mod list;
pub(crate) mod step;
pub(crate) mod test;
pub(crate) mod validate;
