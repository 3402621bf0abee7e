//! Web applications: what their modules are, and how their installers are called.

mod archive;
mod installer;
mod offers;

pub(crate) use archive::{Archived, Content as Unpacked, contents as archive_contents};
pub(crate) use installer::{InstallerRequest, call, has_installer};
pub use offers::{ApplicationOffers, is_place, offers, places_of};
pub(crate) use offers::{file_list, is_archive, is_remote, list_files, place_cache};
