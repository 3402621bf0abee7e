//! Rocks, modules from Mercurial, and the configuration of an XMPP server.
//!
//! ```
//! use hoist_prosody::luarocks::rocks_of;
//! use hoist_sources::rocks::RockTree;
//!
//! let tree = RockTree { directory: "/nonexistent/tree".into(), lua: "5.4".to_owned() };
//! assert!(rocks_of(&tree).is_empty());
//! ```

pub mod choice;
pub mod enable;
pub mod load;
pub mod luarocks;
pub mod mercurial;
pub mod rocks;
pub mod server;
pub mod sources;

use hoist_system::method::MethodEntry;

/// The methods of modules of an XMPP server.
pub const METHODS: &[MethodEntry] = &[enable::METHOD, load::METHOD, luarocks::METHOD];
