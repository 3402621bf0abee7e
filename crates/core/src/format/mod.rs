//! Readers of manifest systems. Each finds its manifests among the paths of a tree, and turns one
//! manifest into a module and everything that is wrong with it.

pub mod native;
pub mod shell;

use crate::{Environment, Manifest, ManifestRef, Parsed, SourceTree};

/// A reader of one manifest system.
pub trait Format: Sync {
    /// Its name, for messages.
    fn name(&self) -> &'static str;
    /// The manifests of a tree, from paths alone, by name.
    fn find(&self, tree: &SourceTree) -> Vec<ManifestRef>;
    /// Reads one manifest: what it means, and all that is wrong with it.
    fn parse(&self, manifest: &Manifest, environment: &Environment) -> Parsed;
    /// The JSON Schema of its manifests, where they are documents of one.
    fn schema(&self) -> Option<FormatSchema> {
        None
    }
}

/// The JSON Schema of the manifests of a format.
#[derive(Debug, Clone, Copy)]
pub struct FormatSchema {
    /// The word for it on the command line.
    pub kind: &'static str,
    /// What it describes.
    pub title: &'static str,
    /// The schema itself, without its title.
    pub body: fn() -> serde_json::Value,
}

/// All formats, in the order in which they look at a tree.
pub const FORMATS: &[&dyn Format] = &[&shell::ShellModules, &native::TomlModules];
