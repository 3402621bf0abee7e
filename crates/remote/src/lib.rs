//! hoist on another host, over ssh.
//!
//! ```
//! use hoist_remote::ssh::Host;
//!
//! let host = Host::parse("me@example.org:2222")?;
//! assert_eq!(host.to_string(), "me@example.org:2222");
//! # Ok::<(), String>(())
//! ```

pub mod payload;
pub mod run;
pub mod served;
pub mod ssh;
