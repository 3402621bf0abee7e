//! What a plugin's directory holds, looked at through whoever may touch the disk.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::evaluate::{EvaluationResult, EvaluationTask};

/// What stands at a path of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Whether it may be run.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A link that leads out of the plugin.
    LeadsOut,
    /// A pipe, a device, what cannot be looked at.
    Other,
}

/// The directory of a plugin. Paths are relative to it, with `/` between their parts.
pub trait Directory: Sync {
    /// Where it is, for messages.
    fn root(&self) -> &Path;
    /// What stands at a path; links that stay in the plugin are followed.
    fn lookup(&self, inside: &str) -> Lookup;
    /// The names in a directory, sorted; none where it is not there.
    fn names(&self, inside: &str) -> Vec<String>;
    /// What a file holds.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, inside: &str) -> Result<Vec<u8>, String>;
    /// Carries out work whose cost the author of the plugin decides; here, unless somebody limits
    /// it.
    ///
    /// # Errors
    /// That it took too long or too much memory, in words.
    fn evaluate(&self, task: &EvaluationTask) -> Result<EvaluationResult, String> {
        Ok(task.run())
    }
}

/// True for a path that stays inside of what it is relative to: neither absolute, nor with `..` in
/// it.
pub fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some()
        && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        && !path.contains('\0')
}

/// A plugin in memory: files by path, each with whether it may be run.
#[derive(Debug, Clone, Default)]
pub struct InMemory {
    /// Where it pretends to be.
    pub root: PathBuf,
    /// By path.
    pub files: BTreeMap<String, (Vec<u8>, bool)>,
}

impl InMemory {
    /// With these texts; what begins with `#!` may be run.
    pub fn new(root: &str, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| {
            (
                (*path).to_owned(),
                (text.as_bytes().to_vec(), text.starts_with("#!")),
            )
        });
        Self {
            root: root.into(),
            files: files.collect(),
        }
    }
}

impl Directory for InMemory {
    fn root(&self) -> &Path {
        &self.root
    }

    fn lookup(&self, inside: &str) -> Lookup {
        let inside = inside.trim_start_matches("./");
        match self.files.get(inside) {
            Some((_, executable)) => Lookup::File {
                executable: *executable,
            },
            None if !self.names(inside).is_empty() => Lookup::Directory,
            None => Lookup::Absent,
        }
    }

    fn names(&self, inside: &str) -> Vec<String> {
        let prefix = if inside.is_empty() {
            String::new()
        } else {
            format!("{}/", inside.trim_end_matches('/'))
        };
        let first = |path: &String| Some(path.strip_prefix(&prefix)?.split('/').next()?.to_owned());
        let mut names: Vec<String> = self.files.keys().filter_map(first).collect();
        names.dedup();
        names
    }

    fn read(&self, inside: &str) -> Result<Vec<u8>, String> {
        let found = self.files.get(inside.trim_start_matches("./"));
        found
            .map(|(content, _)| content.clone())
            .ok_or_else(|| "the file does not exist".to_owned())
    }
}
