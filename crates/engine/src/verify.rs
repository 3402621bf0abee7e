//! Verifies modules without changing anything: by their own tests, and by what is recorded of their
//! files.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoist_core::{Action, InstalledModule, Module, Presence, UninstallSpec};
use hoist_executor::{Effect, Failure, Level, TaskContext};
use hoist_files::{FileKind, Record, state};
use hoist_ledger::Reader;

use crate::presence;
use crate::run_context::RunContext;
use hoist_git::local;
use hoist_git::program::Program;
use hoist_guard::around::is_startup_file;
use hoist_machine::machine::Machine;
use hoist_system::checks;
use hoist_system::registry::Registry;
use hoist_system::resource::altered_files;

/// Runs the tests that a module declares.
pub fn check(world: &RunContext, module: &Module, task: &TaskContext) -> Result<(), Failure> {
    let missing = match module.policy().is_recorded_whole {
        true => checks::missing(&world.machine, &module.checks, &module.paths, &world.path),
        false => Vec::new(),
    };
    if !missing.is_empty() {
        return Err(Failure::new(format!("missing: {}", missing.join(", "))));
    }
    run_tests(world, module, task)
}

fn run_tests(world: &RunContext, module: &Module, task: &TaskContext) -> Result<(), Failure> {
    for step in module.recipe.steps(Action::Test) {
        let mut method = world.registry.method_of(step).map_err(Failure::new)?;
        method.apply(&world.context(module, task))?;
    }
    Ok(())
}

/// Verifies a module. [`Effect::Unchanged`] says that it declares nothing that could be verified.
pub fn verify(
    world: &RunContext,
    module: &Module,
    record: Option<&InstalledModule>,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let reader = Reader::open(&world.state).map_err(|error| Failure::new(error.to_string()))?;
    let recorded = reader
        .own_record(&module.id)
        .map_err(|error| Failure::new(error.to_string()))?;
    // What a source has by now says nothing of what was installed from it.
    match module.policy().is_recorded_whole && !recorded.is_empty() {
        true => run_tests(world, module, task)?,
        false => check(world, module, task)?,
    }
    let mut altered = altered(&recorded, &world.machine, task)?;
    altered
        .missing
        .extend(missing(world.registry, module, record));
    let removal = record.map_or(&module.removal, |record| &record.removal);
    altered.add_packages(world.registry, removal)?;
    if !altered.is_none() {
        return Err(Failure::new(altered.to_string()));
    }
    if module.is_verifiable(record) {
        return Ok(Effect::Changed);
    }
    task.note(Level::Warning, "the module declares nothing to verify");
    Ok(Effect::Unchanged)
}

/// Returns what an install of the module leaves and is missing, whether the module declares a test
/// for it or not.
fn missing(registry: Registry, module: &Module, record: Option<&InstalledModule>) -> Vec<String> {
    let mut missing = Vec::new();
    let repository = module
        .repository
        .iter()
        .map(|repository| &repository.dir)
        .filter(|dir| local::is_vacant(dir));
    missing.extend(repository.map(|dir| dir.display().to_string()));
    if let Some(Presence::Missing(package)) = presence::packages(registry, module, false) {
        missing.push(package);
    }
    // What is only declared for removal may come and go.
    let is_fleeting =
        |path: &PathBuf| module.removal.paths.contains(path) && !module.paths.contains(path);
    // What a module of an index consists of is recorded whole; what it consisted of at some time
    // does not count.
    let paths = record
        .into_iter()
        .flat_map(|record| match record.policy().is_recorded_whole {
            true => record.files.iter().chain(&[]),
            false => record.paths.iter().chain(&record.files),
        });
    let paths = paths.filter(|path| !is_fleeting(path));
    missing.extend(
        paths
            .filter(|path| path.symlink_metadata().is_err())
            .map(|path| path.display().to_string()),
    );
    missing
}

/// Differences between the recorded files of a module and the disk.
#[derive(Debug, Default)]
struct Altered {
    missing: BTreeSet<String>,
    modified: BTreeSet<String>,
    /// The first clone with such files.
    clone: Option<PathBuf>,
}

impl Altered {
    fn is_none(&self) -> bool {
        self.missing.is_empty() && self.modified.is_empty()
    }

    /// Adds files of packages that differ from what their manager recorded.
    fn add_packages(&mut self, registry: Registry, removal: &UninstallSpec) -> Result<(), Failure> {
        let packages = altered_files(registry, removal)?;
        let shown = |paths: Vec<PathBuf>| paths.into_iter().map(|path| path.display().to_string());
        self.missing.extend(shown(packages.missing));
        self.modified.extend(shown(packages.modified));
        Ok(())
    }
}

/// So many paths of a kind are named.
const NAMED: usize = 10;

impl fmt::Display for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = [("missing", &self.missing), ("modified", &self.modified)]
            .into_iter()
            .filter(|(_, paths)| !paths.is_empty());
        let mut one = |(kind, paths): (&str, &BTreeSet<String>), before: &str| {
            let named: Vec<&str> = paths.iter().take(NAMED).map(String::as_str).collect();
            write!(f, "{before}{kind}: {}", named.join(", "))?;
            if paths.len() > NAMED {
                write!(f, " and {} more", paths.len() - NAMED)
            } else {
                Ok(())
            }
        };
        kinds.next().map_or(Ok(()), |kind| one(kind, ""))?;
        kinds.next().map_or(Ok(()), |kind| one(kind, "; "))?;
        match &self.clone {
            Some(clone) => write!(
                f,
                " (`git -C {} restore .` restores the committed files)",
                clone.display()
            ),
            None => Ok(()),
        }
    }
}

/// Compares files with what is recorded of them. In a clone, git knows what is as it should be.
fn altered(recorded: &Record, machine: &Machine, task: &TaskContext) -> Result<Altered, Failure> {
    let mut altered = Altered::default();
    for dir in clones(recorded).filter(|dir| dir.join(".git").exists()) {
        in_clone(dir, machine, task, &mut altered)?;
    }
    compare_files(recorded, &machine.home, &mut altered, || task.check())?;
    Ok(altered)
}

/// The clones among recorded files.
fn clones(recorded: &Record) -> impl Iterator<Item = &Path> {
    recorded
        .iter()
        .filter(|(_, file)| file.kind == FileKind::Git)
        .filter_map(|(path, _)| path.parent())
}

/// Compares the files outside of clones with their records. Calls `check` now and then, and stops
/// at its error.
fn compare_files(
    recorded: &Record,
    home: &Path,
    altered: &mut Altered,
    mut check: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let clones: Vec<&Path> = clones(recorded).collect();
    // Python writes its caches whenever it runs something.
    let is_passing = |path: &Path| {
        path.components()
            .any(|part| part.as_os_str() == "__pycache__")
    };
    let is_in_clone = |path: &Path| {
        path.ancestors()
            .skip(1)
            .any(|above| clones.contains(&above))
    };
    // Everybody writes to the files of the shell, and sockets come and go with their programs.
    let is_fleeting = |path: &Path, kind: FileKind| {
        is_passing(path) || kind == FileKind::Other || is_startup_file(path, home)
    };
    for (number, (path, file)) in recorded
        .iter()
        .filter(|(path, file)| !is_fleeting(path, file.kind))
        .enumerate()
    {
        if number % 64 == 0 {
            check()?;
        }
        let now = state(path).map_err(|error| Failure::new(format!("cannot read {error}")))?;
        match now {
            None if !is_in_clone(path) || file.kind == FileKind::Git => {
                altered.missing.insert(path.display().to_string());
            }
            Some(now)
                if matches!(file.kind, FileKind::File | FileKind::Link)
                    && !file.is(&now)
                    && !is_in_clone(path) =>
            {
                altered.modified.insert(path.display().to_string());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Differences between an installed module and its record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// Recorded or declared paths and packages that do not exist.
    pub missing: BTreeSet<String>,
    /// Recorded files with another content, type or mode.
    pub modified: BTreeSet<String>,
    /// Whether there was anything to compare.
    pub is_verifiable: bool,
}

/// Compares an installed module with its record. Starts no process: clones are read with libgit2.
///
/// # Errors
/// The ledger or a recorded file cannot be read.
pub fn drift(
    registry: Registry,
    reader: &Reader,
    module: &Module,
    record: &InstalledModule,
    home: &Path,
) -> Result<Drift, Failure> {
    let recorded = reader
        .own_record(&module.id)
        .map_err(|error| Failure::new(error.to_string()))?;
    let mut altered = Altered::default();
    for dir in clones(&recorded).filter(|dir| dir.join(".git").exists()) {
        match local::changed_files(dir) {
            Ok(changes) => {
                let shown = |path: &PathBuf| dir.join(path).display().to_string();
                altered.missing.extend(changes.deleted.iter().map(shown));
                altered.modified.extend(changes.modified.iter().map(shown));
            }
            Err(error) => drop(altered.modified.insert(format!(
                "{} ({})",
                dir.join(".git").display(),
                error.message()
            ))),
        }
    }
    compare_files(&recorded, home, &mut altered, || Ok(()))?;
    altered
        .missing
        .extend(missing(registry, module, Some(record)));
    altered.add_packages(registry, &record.removal)?;
    let is_verifiable = !recorded.is_empty() || module.is_verifiable(Some(record));
    Ok(Drift {
        missing: altered.missing,
        modified: altered.modified,
        is_verifiable,
    })
}

fn in_clone(
    dir: &Path,
    machine: &Machine,
    task: &TaskContext,
    altered: &mut Altered,
) -> Result<(), Failure> {
    // Without git there is nobody to ask.
    let Ok(program) = Program::new(task, machine) else {
        return Ok(());
    };
    let arguments = [
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=no",
        "--no-renames",
        "--ignore-submodules",
    ];
    let Some(status) = program.inside(dir).looking().bytes(arguments)? else {
        altered.modified.insert(format!(
            "{} (git cannot read it)",
            dir.join(".git").display()
        ));
        return Ok(());
    };
    for entry in status
        .split(|byte| *byte == 0)
        .filter(|entry| entry.len() > 3)
    {
        altered.clone.get_or_insert_with(|| dir.to_owned());
        let path = dir
            .join(OsStr::from_bytes(&entry[3..]))
            .display()
            .to_string();
        match entry[..2].contains(&b'D') {
            true => altered.missing.insert(path),
            false => altered.modified.insert(path),
        };
    }
    Ok(())
}
