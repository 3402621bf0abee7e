//! What is kept while a module changes: its files before, what was moved out of the way, and whole trees that programs of others change.
//!
//! ```
//! use std::path::Path;
//!
//! use hoist_guard::around::is_file_of_shell;
//!
//! let home = Path::new("/home/me");
//! assert!(is_file_of_shell(&home.join(".bashrc"), home));
//! assert!(!is_file_of_shell(&home.join("notes"), home));
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
