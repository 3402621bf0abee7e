//! From a plan to tasks: installs, updates, removes and undoes modules, and recovers from runs that were killed.
//!
//! ```
//! use hoist_engine::config::diff;
//!
//! let changed = diff((b"color = on\n", "mine"), (b"color = off\n", "new"));
//! assert!(changed.contains("-color = on\n+color = off\n"));
//! ```

pub mod apply;
pub mod config;
pub mod job;
pub mod newer;
pub mod preflight;
pub mod presence;
pub mod recorded;
pub mod recover;
pub mod run_context;
pub mod schedule;
pub mod undo;
pub mod undo_plan;
pub mod uninstall;
pub mod verify;
