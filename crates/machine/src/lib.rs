//! What programs find where they run: the environment, programs, the operating system, temporary files, HTTP, and the sandbox for scripts.
//!
//! ```
//! use std::path::PathBuf;
//!
//! use hoist_machine::machine::{Machine, MachineTools};
//!
//! let path = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
//! let machine = Machine::new(
//!     path.into_iter().collect(),
//!     PathBuf::from("/home/me"),
//!     PathBuf::from("/usr/bin/hoist"),
//!     PathBuf::from("/home/me/.cache"),
//!     &MachineTools::NONE,
//! );
//! assert!(machine.find_program("sh", &[]).is_some());
//! ```

pub mod http;
pub mod machine;
pub mod messages;
pub mod os;
pub mod processes;
pub mod programs;
pub mod sandbox;
pub mod scratch;
pub mod sudo;
