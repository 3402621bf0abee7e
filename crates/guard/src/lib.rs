//! What is kept while a module changes: its files before, what was moved out of the way, and whole trees that programs of others change.
//!
//! ```
//! use std::path::Path;
//!
//! use hoist_guard::around::is_startup_file;
//!
//! let home = Path::new("/home/me");
//! assert!(is_startup_file(&home.join(".bashrc"), home));
//! assert!(!is_startup_file(&home.join("notes"), home));
//! ```

pub mod around;
pub mod displaced;
pub mod edits;
pub mod protect;
pub mod recovery;
pub mod rollback;
pub mod session;
pub mod stage;
pub mod tree;
pub mod watch;
pub mod watchdog;
