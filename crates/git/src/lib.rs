//! Repositories of git: questions about clones, and the `git` program for whatever talks to a remote or writes files.
//!
//! ```
//! use std::path::Path;
//!
//! use hoist_git::local::{is_vacant, same_repository};
//!
//! assert!(is_vacant(Path::new("/nonexistent/clone")));
//! assert!(same_repository("https://example.org/tool.git", "https://example.org/tool"));
//! ```

pub mod arguments;
pub mod filters;
pub mod foreign;
pub mod interrupted;
pub mod local;
pub mod own;
pub mod paths;
pub mod program;
pub mod remote;
pub mod submodules;
