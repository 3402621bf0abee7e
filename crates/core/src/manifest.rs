//! The text that describes modules, and where it was found.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Diagnostic, Module, Tier};

/// The paths of a source's files, listed once by whoever may touch the disk.
#[derive(Debug, Clone, Default)]
pub struct SourceTree {
    /// The name of the source, for messages.
    pub source: String,
    /// The directory the source stands in.
    pub root: PathBuf,
    /// Paths of files, relative to `root`.
    pub files: Vec<PathBuf>,
}

/// Where one manifest stands in a tree: the name it must describe, and the files that make it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRef {
    /// The name that the files are called by.
    pub name: String,
    /// Paths relative to the tree's root, the main file first.
    pub files: Vec<PathBuf>,
}

/// One file of a manifest, as it was read.
#[derive(Debug, Clone)]
pub struct ManifestFile {
    /// The absolute path.
    pub path: PathBuf,
    /// What it holds, or why it could not be read.
    pub content: Result<Vec<u8>, String>,
}

/// A manifest with the contents of its files.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The name that the files are called by.
    pub name: String,
    /// The name of the source.
    pub source: String,
    /// The root of the source.
    pub root: PathBuf,
    /// In the order of [`ManifestRef::files`].
    pub files: Vec<ManifestFile>,
}

impl Manifest {
    /// A manifest of one file, which its name is from.
    pub fn of_text(path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        let path = path.into();
        let name = path.file_stem().unwrap_or_default();
        Self {
            name: name.to_string_lossy().into_owned(),
            source: String::new(),
            root: PathBuf::new(),
            files: vec![ManifestFile {
                path,
                content: Ok(text.into()),
            }],
        }
    }

    /// The digest of all contents that could be read.
    pub fn digest(&self) -> Digest {
        let contents = self
            .files
            .iter()
            .filter_map(|file| file.content.as_ref().ok());
        Digest::of(contents.map(Vec::as_slice))
    }
}

/// What a format made of one manifest: the module as far as it can be used, and everything that is
/// wrong.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// Absent when the manifest has errors.
    pub module: Option<Module>,
    /// The tier, also of a manifest with errors, when it could be told.
    pub tier: Option<Tier>,
    /// Everything noticed, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// A SHA-256 digest in lower-case hexadecimal; empty where it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest(String);

impl Digest {
    /// The digest of these parts, each with its length, so that moving a byte between parts changes
    /// it.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(
            hasher
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// A digest that was worked out before.
    pub fn known(hexadecimal: String) -> Self {
        Self(hexadecimal)
    }

    /// As hexadecimal text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
