//! The directory of a plugin on the disk.

use std::path::{Path, PathBuf};

use crate::{Directory, EvaluationResult, EvaluationTask, Lookup};
use hoist_files::read_limited;

use crate::evaluate_process::evaluate;
use hoist_machine::machine::is_executable;

/// The directory of a plugin on the disk. Links that lead out of it are not followed.
#[derive(Debug, Clone)]
pub struct OnDisk {
    root: PathBuf,
    /// What is behind all links.
    real: PathBuf,
    /// The program that carries out what may take long.
    evaluator: Option<PathBuf>,
}

/// A file of a plugin that is read has at most so many bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

impl OnDisk {
    /// The plugin at a path.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            real: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
            evaluator: None,
        }
    }

    /// The same, of which another process of a program carries out what may take long: one that
    /// calls [`answer`](crate::evaluate_process::answer) when its first argument is [`EVALUATE`](crate::evaluate_process::EVALUATE).
    pub fn evaluated_by(self, program: &Path) -> Self {
        Self {
            evaluator: Some(program.to_owned()),
            ..self
        }
    }

    /// What a path leads to, where that is in the plugin.
    fn real(&self, inside: &str) -> Option<PathBuf> {
        self.root
            .join(inside)
            .canonicalize()
            .ok()
            .filter(|path| path.starts_with(&self.real))
    }
}

impl Directory for OnDisk {
    fn root(&self) -> &Path {
        &self.root
    }

    fn lookup(&self, inside: &str) -> Lookup {
        let path = self.root.join(inside);
        let Ok(metadata) = path.metadata() else {
            return if path.symlink_metadata().is_ok() {
                Lookup::Other
            } else {
                Lookup::Absent
            };
        };
        match self.real(inside) {
            None => Lookup::LeadsOut,
            Some(_) if metadata.is_dir() => Lookup::Directory,
            Some(_) if metadata.is_file() => Lookup::File {
                executable: is_executable(&path),
            },
            Some(_) => Lookup::Other,
        }
    }

    fn names(&self, inside: &str) -> Vec<String> {
        let entries = self
            .real(inside)
            .and_then(|path| std::fs::read_dir(path).ok());
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    fn read(&self, inside: &str) -> Result<Vec<u8>, String> {
        match self.lookup(inside) {
            Lookup::File { .. } => {}
            Lookup::Absent => return Err("the file does not exist".to_owned()),
            Lookup::LeadsOut => {
                return Err("it is a symbolic link that leads out of the plugin".to_owned());
            }
            Lookup::Directory | Lookup::Other => return Err("it is not a regular file".to_owned()),
        }
        let path = self.root.join(inside);
        read_limited(&path, LIMIT).map_err(|error| error.to_string())
    }

    fn evaluate(&self, task: &EvaluationTask) -> Result<EvaluationResult, String> {
        match &self.evaluator {
            Some(program) => evaluate(program, task),
            None => Ok(task.run()),
        }
    }
}
