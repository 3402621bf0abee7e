//! Directories of modules that programs are found in, beside those of the environment's path.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, PoisonError, RwLock};

use hoist_core::{Installed, Module};

use crate::machine::is_executable;

/// So many bytes of directories are added to the `PATH` of a script: the kernel refuses a variable
/// of more than 128 KiB.
const PATH_LIMIT: usize = 64 * 1024;

/// Those `bin` directories of modules that exist.
#[derive(Debug)]
pub struct ProgramDirectories {
    there: RwLock<BTreeSet<PathBuf>>,
    /// What is in them, of those that do not change: by the name of the program.
    programs: Option<OnceLock<HashMap<OsString, PathBuf>>>,
}

impl ProgramDirectories {
    /// None.
    pub fn none() -> &'static Self {
        static NONE: ProgramDirectories = ProgramDirectories {
            there: RwLock::new(BTreeSet::new()),
            programs: None,
        };
        &NONE
    }

    /// Those of installed modules, as they are now.
    pub fn of_installed(installed: &Installed) -> Self {
        let directories = installed
            .modules
            .values()
            .flat_map(|module| module.paths.iter().map(|path| path.join("bin")));
        let there = RwLock::new(directories.filter(|path| path.is_dir()).collect());
        Self {
            there,
            programs: Some(OnceLock::new()),
        }
    }

    /// Those of installed modules, and of others that may make theirs later:
    /// [`ProgramDirectories::add_module`] takes note of it.
    pub fn of_run<'a>(
        modules: impl IntoIterator<Item = &'a Module>,
        installed: &Installed,
    ) -> Self {
        let Self { there, .. } = Self::of_installed(installed);
        let directories = Self {
            there,
            programs: None,
        };
        modules
            .into_iter()
            .for_each(|module| directories.add_module(module));
        directories
    }

    /// Looks whether a module has its directories by now.
    pub fn add_module(&self, module: &Module) {
        for path in module
            .paths
            .iter()
            .map(|path| path.join("bin"))
            .filter(|path| path.is_dir())
        {
            let is_known = self
                .there
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&path);
            if !is_known {
                self.there
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(path);
            }
        }
    }

    /// Returns the program of a name.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let there = self.there.read().unwrap_or_else(PoisonError::into_inner);
        let Some(programs) = &self.programs else {
            return find_in(&*there, name);
        };
        programs
            .get_or_init(|| list(&there))
            .get(&OsString::from(name))
            .cloned()
    }

    /// Returns the directories as part of a `PATH`.
    pub fn joined(&self) -> String {
        let mut joined = String::new();
        for path in &*self.there.read().unwrap_or_else(PoisonError::into_inner) {
            let path = path.to_string_lossy();
            if joined.len() + path.len() + 1 > PATH_LIMIT {
                break;
            }
            if !joined.is_empty() {
                joined.push(':');
            }
            joined += &path;
        }
        joined
    }
}

/// Returns the program of a name in the first of some directories that has it.
pub(crate) fn find_in<P: AsRef<Path>>(
    directories: impl IntoIterator<Item = P>,
    name: &str,
) -> Option<PathBuf> {
    directories
        .into_iter()
        .map(|directory| directory.as_ref().join(name))
        .find(|path| is_executable(path))
}

fn list(directories: &BTreeSet<PathBuf>) -> HashMap<OsString, PathBuf> {
    let mut programs = HashMap::new();
    for entry in directories
        .iter()
        .flat_map(std::fs::read_dir)
        .flatten()
        .flatten()
        .filter(|entry| is_executable(&entry.path()))
    {
        programs
            .entry(entry.file_name())
            .or_insert_with(|| entry.path());
    }
    programs
}
