//! Verifies that directories, files and programs are there; changes nothing.

use std::path::PathBuf;

use hoist_core::Checks;
use hoist_executor::Failure;
use serde::Deserialize;

use hoist_system::checks;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry};

/// What must be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exists {
    dirs: Vec<PathBuf>,
    files: Vec<PathBuf>,
    binaries: Vec<String>,
}

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = MethodEntry::new::<Exists>("exists");

impl Method for Exists {
    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let checks = Checks {
            dirs: self.dirs.clone(),
            files: self.files.clone(),
            binaries: self.binaries.clone(),
            ..Checks::default()
        };
        match checks::missing(context.machine, &checks, &[], context.path) {
            missing if missing.is_empty() => Ok(Applied::unchanged()),
            missing => Err(Failure::new(format!("missing: {}", missing.join(", ")))),
        }
    }
}
