//! Configuration files: what a module brings against what stands there, decided before a run and
//! carried out in it.
//!
//! A file that still is what hoist put there is replaced; one that somebody changed is kept unless
//! it is decided otherwise, and the new version is put beside it. Nothing is ever replaced without
//! a copy.

mod place;
pub mod survey;

use std::path::PathBuf;

pub(crate) use place::{forget, guard, known, place, settle, stages_of, take_away};
pub use survey::{survey, templates};

/// How a file stands to what the module brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFileState {
    /// Nothing is there, and nothing of hoist's was.
    Absent,
    /// It is what the module brings.
    Same,
    /// It still is what hoist put there; the module brings something newer.
    Untouched,
    /// Somebody changed it; the module brings what it brought before.
    Edited,
    /// Somebody removed it.
    Removed,
    /// It is locally modified, and the module has a newer version.
    Conflict(Merge),
    /// The same, and the newer version was put beside it before.
    Offered,
    /// It is a link to where hoist does not write.
    Elsewhere,
    /// It cannot be read, and why.
    Unreadable(String),
}

/// First line of a conflict: the local version follows.
pub const CONFLICT_START: &str = "<<<<<<< local";
/// Last line of a conflict, after the new version.
pub const CONFLICT_END: &str = ">>>>>>> new version";

/// Result of merging the local and the new version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// Both changes combined.
    Clean(Vec<u8>),
    /// Both versions, with conflict markers around the lines that both changed.
    Conflicts(Vec<u8>),
    /// There is nothing to merge with: the installed version is unknown, or a version is not text.
    Impossible,
}

/// What happens to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It stays, and nothing is put beside it.
    Leave,
    /// The new version is put there, the old copied aside.
    Write,
    /// It stays; the new version is put beside it.
    Keep,
    /// This is put there, the old copied aside.
    Merge(Vec<u8>),
}

/// A configuration file that a module brings.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Where it belongs.
    pub path: PathBuf,
    /// Where it comes from.
    pub template: PathBuf,
    /// What it brings.
    pub contents: Vec<u8>,
    /// Permissions of a new file.
    pub mode: u32,
    /// What stands there now; absent where nothing does.
    pub current: Option<Vec<u8>>,
    /// How that stands to what the module brings.
    pub standing: ConfigFileState,
    /// What happens.
    pub decision: Decision,
}

impl ConfigFile {
    /// True when it has to be decided what happens.
    pub fn is_open(&self) -> bool {
        matches!(self.standing, ConfigFileState::Conflict(_))
    }

    /// True when something will be different.
    pub fn is_work(&self) -> bool {
        self.decision != Decision::Leave
    }

    /// What changes from what is there to what the module brings, as people read it.
    pub fn diff(&self) -> String {
        let here = self.path.display().to_string();
        diff(
            (self.current.as_deref().unwrap_or_default(), &here),
            (&self.contents, &self.template.display().to_string()),
        )
    }
}

/// The difference between two texts and their names, with three lines of surroundings.
pub fn diff((old, old_name): (&[u8], &str), (new, new_name): (&[u8], &str)) -> String {
    match (std::str::from_utf8(old), std::str::from_utf8(new)) {
        (Ok(old), Ok(new)) => {
            let mut options = diffy::DiffOptions::new();
            options
                .set_original_filename(old_name.to_owned())
                .set_modified_filename(new_name.to_owned());
            options.create_patch(old, new).to_string()
        }
        _ => format!(
            "{old_name}: {} bytes; {new_name}: {} bytes; not text\n",
            old.len(),
            new.len()
        ),
    }
}

/// Larger files are not remembered whole, and so cannot be merged.
pub(crate) const REMEMBERED: usize = 1024 * 1024;
