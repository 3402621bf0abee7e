//! The submodules of a clone: they go with the commit that names them, all of them or none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_executor::Failure;

use crate::local::LocalClone;

/// The submodules of a clone at one moment.
#[derive(Debug, Default)]
pub struct Submodules {
    /// Whether the manifest asks for them.
    wanted: bool,
    /// Whether the commit that is checked out names any.
    named: bool,
    /// Configuration files of the clone and of its submodules, and what they hold.
    configurations: BTreeMap<PathBuf, Vec<u8>>,
    /// The repositories of submodules.
    repositories: BTreeSet<PathBuf>,
    /// The directories they are checked out at.
    directories: BTreeSet<PathBuf>,
}

impl Submodules {
    /// Looks at the submodules of a clone, which are `wanted` or only kept as they are.
    pub fn of(clone: &LocalClone<'_>, wanted: bool) -> Result<Self, Failure> {
        let named = clone.dir.join(".gitmodules").exists();
        let repositories = repositories(&clone.git_dir.join("modules"));
        let directories = if named {
            directories(clone)?
        } else {
            BTreeSet::new()
        };
        let files = repositories
            .iter()
            .map(|repository| repository.join("config"))
            .chain([clone.git_dir.join("config")]);
        let configurations = files
            .filter_map(|file| Some((file.clone(), std::fs::read(&file).ok()?)))
            .collect();
        let directories = directories
            .into_iter()
            .filter(|directory| directory.join(".git").exists())
            .collect();
        Ok(Self {
            wanted,
            named,
            configurations,
            repositories,
            directories,
        })
    }

    /// True where some are checked out.
    pub fn is_used(&self) -> bool {
        !self.directories.is_empty()
    }

    /// Brings them to what the commit that is checked out names: also new ones, and those that have
    /// another URL now.
    pub fn update(&self, clone: &LocalClone<'_>) -> Result<(), Failure> {
        if !self.named || !(self.wanted || self.is_used()) {
            return Ok(());
        }
        clone
            .program
            .read(["submodule", "--quiet", "sync", "--recursive"])?;
        let mut arguments = vec!["submodule", "update", "--progress", "--recursive"];
        if self.wanted {
            arguments.push("--init");
        }
        let doing = format!("cannot update the submodules of {}", clone.dir.display());
        clone
            .program
            .transfer(&doing, arguments, &clone.dir)
            .map(drop)
    }

    /// Removes what an update that failed added.
    pub fn leave_new(&self, clone: &LocalClone<'_>) -> Result<(), Failure> {
        let remove = |path: &Path| match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(
                format!("cannot remove {}: {error}", path.display()),
            )),
            _ => Ok(()),
        };
        if clone.dir.join(".gitmodules").exists() {
            for directory in directories(clone)?.difference(&self.directories) {
                // What is in it came with the update: before, git would have refused to clone into
                // it.
                if directory.join(".git").exists() || is_empty(directory) {
                    remove(directory)?;
                }
            }
        }
        for repository in
            repositories(&clone.git_dir.join("modules")).difference(&self.repositories)
        {
            remove(repository)?;
        }
        Ok(())
    }

    /// Brings them back to what they were, without the network.
    pub fn restore(&self, clone: &LocalClone<'_>) -> Result<(), Failure> {
        for (file, contents) in &self.configurations {
            if std::fs::read(file).ok().as_ref() != Some(contents) {
                hoist_files::write(file, contents, 0o644)
                    .map_err(|error| Failure::new(error.to_string()))?;
            }
        }
        if !self.is_used() {
            return Ok(());
        }
        let directories: Vec<String> = self
            .directories
            .iter()
            .map(|directory| directory.display().to_string())
            .collect();
        let arguments = [
            "submodule",
            "--quiet",
            "update",
            "--no-fetch",
            "--recursive",
            "--",
        ]
        .into_iter();
        clone
            .program
            .read(arguments.chain(directories.iter().map(String::as_str)))
            .map(drop)
    }
}

/// The directories that the commit which is checked out has submodules at.
fn directories(clone: &LocalClone<'_>) -> Result<BTreeSet<PathBuf>, Failure> {
    let arguments = [
        "config",
        "--file",
        ".gitmodules",
        "--null",
        "--get-regexp",
        r"^submodule\..*\.path$",
    ];
    let listed = clone.program.run(arguments)?;
    let entries = listed
        .stdout
        .split('\0')
        .filter_map(|entry| entry.split_once('\n'));
    Ok(entries.map(|(_, path)| clone.dir.join(path)).collect())
}

/// The repositories below a directory, also of submodules in submodules.
fn repositories(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten();
        for path in entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
        {
            match path.join("HEAD").is_file() {
                true => {
                    waiting.push(path.join("modules"));
                    found.insert(path);
                }
                false => waiting.push(path),
            }
        }
    }
    found
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}
