//! Shell modules: `modules/NAME.sh` with its metadata in a block of assignments, or beside it in
//! `modules/NAME.conf`.
//!
//! The metadata are the subset of bash that only assigns ([`assignments`]); they are read without
//! bash.

pub mod assignments;
mod block;
mod fields;
mod lower;
mod package_methods;
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use assignments::{Assignment, ParsedAssignments, ShellValue, read_assignments};
pub use fields::{FIELDS, Field, FieldKind};
pub use package_methods::{PACKAGE_METHODS, PackageMethod};
pub use script::{Functions, prerequisites};

use super::Format;
use crate::{Environment, Manifest, ManifestRef, Parsed, SourceTree};

/// The format itself.
#[derive(Debug, Clone, Copy)]
pub struct ShellModules;

impl Format for ShellModules {
    fn name(&self) -> &'static str {
        "shell module"
    }

    fn find(&self, tree: &SourceTree) -> Vec<ManifestRef> {
        let mut found: BTreeMap<&str, (Option<&Path>, Option<&Path>)> = BTreeMap::new();
        for file in tree
            .files
            .iter()
            .filter(|file| file.parent() == Some(Path::new("modules")))
        {
            let Some(stem) = file
                .file_stem()
                .and_then(|stem| stem.to_str())
                .filter(|stem| !stem.starts_with('.'))
            else {
                continue;
            };
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("sh") => found.entry(stem).or_default().0 = Some(file),
                Some("conf") => found.entry(stem).or_default().1 = Some(file),
                _ => {}
            }
        }
        let reference =
            |(name, (script, conf)): (&str, (Option<&Path>, Option<&Path>))| ManifestRef {
                name: name.to_owned(),
                files: script.into_iter().chain(conf).map(PathBuf::from).collect(),
            };
        found.into_iter().map(reference).collect()
    }

    fn parse(&self, manifest: &Manifest, environment: &Environment) -> Parsed {
        lower::lower(manifest, environment)
    }
}
