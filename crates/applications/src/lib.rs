//! Modules of web applications: where they come from, and their installers.
//!
//! ```
//! use hoist_applications::offers::is_place;
//!
//! assert!(is_place("./modules/Pizza"));
//! assert!(is_place("https://example.org/pizza.zip"));
//! assert!(!is_place("Pizza"));
//! ```

pub mod installer;
pub mod method;
pub mod offers;
pub mod sync;

use hoist_system::method::MethodEntry;

/// The methods of modules of web applications.
pub const METHODS: &[MethodEntry] = &[method::METHOD];
