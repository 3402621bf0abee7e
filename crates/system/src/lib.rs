//! The traits that a module system implements, and the registry of what there is.
//!
//! ```
//! use hoist_core::Step;
//! use hoist_system::registry::Registry;
//!
//! let registry = Registry::new(&[]);
//! let step = Step::new("git", serde_json::json!({ "url": "https://example.org/tool" }));
//! assert_eq!(registry.method_of(&step).err().as_deref(), Some("unknown method git"));
//! ```

pub mod batch;
pub mod checks;
pub mod context;
pub mod method;
pub mod private;
pub mod program;
pub mod registry;
pub mod resource;
pub mod source;
pub mod source_cache;
