//! The methods, one file each, and what they share.

pub(crate) mod bash;
pub(crate) mod component_command;
pub(crate) mod copy;
pub(crate) mod enable;
pub(crate) mod exists;
pub(crate) mod git;
pub(crate) mod git_pull;
pub(crate) mod hook;
pub(crate) mod install_script;
pub(crate) mod installer;
pub(crate) mod load;
pub(crate) mod luarocks;
pub(crate) mod package;
pub(crate) mod pip;
