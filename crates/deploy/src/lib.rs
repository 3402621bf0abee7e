//! Releases of plugins in environments: scripts, Docker Compose, Swarm and hosts.
//!
//! ```
//! use hoist_core::ModuleId;
//! use hoist_deploy::deploy::project_name;
//!
//! let shop = ModuleId::new("shop").unwrap();
//! assert!(project_name(&shop, "production").starts_with("shop"));
//! ```

pub mod deploy;
pub mod deployed;
pub mod docker;
pub mod hosts;
pub mod release;
