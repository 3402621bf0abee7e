//! Looks at trees of files and changes them so that nothing of anybody else is lost.
//!
//! A [`Snapshot`] tells what is below some paths, contents included; [`update_record`] turns two of them,
//! before and after an installer ran, into a [`Record`] of what the installer wrote. Where contents
//! were kept in a [`Store`], [`put_back`] takes back whatever was done in between. [`Home::remove`]
//! takes away what stands in a record, and only that: what somebody changed or added since stays.
//! Every removal goes from the home directory down by open directories, so that no link, however
//! late it is put there, leads it elsewhere. [`write`](write()) and [`back_up`] change a single
//! file, whole or not at all.
//!
//! ```
//! use hoist_files::{Record, Snapshot, SnapshotOptions, Store, put_back, update_record};
//!
//! let home = tempfile::tempdir()?;
//! let tool = home.path().join("tool");
//! let store = Store::open(&home.path().join("contents"))?;
//! let snapshot = |former: Option<&Snapshot>| {
//!     let plain = SnapshotOptions::PLAIN;
//!     let options = SnapshotOptions { former, store: Some(&store), strict: true, ..plain };
//!     Snapshot::take(&[tool.clone()], &options)
//! };
//! let before = snapshot(None)?;
//! std::fs::create_dir(&tool)?;
//! std::fs::write(tool.join("run"), "#!/bin/sh\n")?;
//! let after = snapshot(Some(&before))?;
//! assert_eq!(update_record(&Record::new(), &before, &after).len(), 2);
//!
//! let differences = before.differences(&after);
//! assert!(put_back(&differences.iter().collect::<Vec<_>>(), &store, &[tool.clone()]).is_empty());
//! assert!(!tool.exists());
//! # Ok::<(), std::io::Error>(())
//! ```

mod attributes;
mod home;
mod listing;
mod private;
mod read;
mod record;
mod remove;
mod restore;
mod snapshot;
mod store;
mod write;

pub use attributes::Attributes;
pub use home::{Home, Refusal};
pub use listing::{FileKind, FileState, Listing, list_tree};
pub use private::{make_private, private_directory, private_file};
pub use read::{TEXT_LIMIT, read_limited, read_text};
pub use record::{Record, Recorded, digest, edited, update_record};
pub use remove::{PlannedRemoval, RemovalPolicy, Removed, Root, Scope};
pub use restore::{NotKept, put_back};
pub use snapshot::{Difference, PIPE, SOCKET, Snapshot, SnapshotOptions, State, keep, state};
pub use store::Store;
pub use write::{
    Suffix, aside_name, back_up, backups, follow, is_backup, keep_copy, move_aside, pending,
    prune_backups, read, rename_new, sync_file_system, write,
};
