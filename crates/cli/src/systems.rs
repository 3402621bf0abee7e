//! The module systems that this program knows: the one list.

use hoist_methods::{METHODS, Registry};

/// The methods of all systems.
pub(crate) const REGISTRY: Registry = Registry::new(&[METHODS]);
