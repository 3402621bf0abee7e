//! Looks at trees of files and changes them so that nothing of anybody else is lost.
//!
//! [`look`] lists what is below a path without following links; [`advance`] turns two such pictures, before and after an installer ran, into
//! a [`Record`] of what the installer wrote. [`Home::remove`] takes away what stands in a record, and only that: what somebody changed or added
//! since stays. Every removal goes from the home directory down by open directories, so that no link, however late it is put there,
//! leads it elsewhere. [`write`](write()) and [`back_up`] change a single file, whole or not at all.
//!
//! ```
//! use hoist_files::{Record, advance, look};
//!
//! let home = tempfile::tempdir()?;
//! let tool = home.path().join("tool");
//! let before = look(&[tool.clone()])?;
//! std::fs::create_dir(&tool)?;
//! std::fs::write(tool.join("run"), "#!/bin/sh\n")?;
//! let record = advance(&Record::new(), &before, &Default::default(), &look(&[tool.clone()])?)?;
//! assert_eq!(record.len(), 2);
//! # Ok::<(), std::io::Error>(())
//! ```

mod home;
mod picture;
mod record;
mod remove;
mod write;

pub use home::{Home, Refusal};
pub use picture::{Kind, Picture, Seen, look};
pub use record::{Record, Recorded, advance, digest, edited};
pub use remove::{Removal, Removed, Root, Scope};
pub use write::{aside_name, back_up, backups, is_backup, keep_copy, move_aside, pending, read, rename_new, write};
