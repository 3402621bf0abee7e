//! Repositories of git. The `git` program does everything that talks to a remote or writes files,
//! so that the user's configuration counts in full. libgit2 answers questions about clones on this
//! machine; where it cannot open one, the program is asked.

pub(crate) mod arguments;
pub(crate) mod copy;
pub(crate) mod filters;
pub(crate) mod foreign;
pub(crate) mod interrupted;
pub(crate) mod local;
pub(crate) mod newer;
pub(crate) mod own;
pub(crate) mod program;
pub(crate) mod remote;
pub(crate) mod submodules;

pub use newer::{clone_behind, fetched_at};
