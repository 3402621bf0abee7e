//! Reads what other systems say of their modules: directories of a Mercurial repository, a server
//! of rocks, the configuration of an XMPP server, modules of web applications. Pure: texts in,
//! values out; nothing is run, and nothing is looked up.
//!
//! ```
//! use hoist_sources::{Requirement, Version};
//!
//! let needed = Requirement::new("luatz ~> 0.3").unwrap();
//! assert!(needed.accepts(&Version::new("0.3.4-1")));
//! ```

pub mod choose;
pub mod community;
pub mod directory;
pub mod index;
pub mod kinds;
pub mod lua;
pub mod modules;
pub mod prosody;
pub mod readme;
pub mod rocks;
mod version;

pub use index::{Changes, Chosen, FileList, Index, IndexEntry, IndexedFile, ModuleOrigin, Offer};
pub use version::{Range, Requirement, Version};
