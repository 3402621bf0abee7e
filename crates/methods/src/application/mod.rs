//! Web applications: what their modules are, and how their installers are called.

mod installer;
mod offers;

pub(crate) use installer::{InstallerRequest, call, has_installer};
pub use offers::{ApplicationOffers, is_place, offers, places_of};
pub(crate) use offers::{is_archive, is_remote, place_cache};
