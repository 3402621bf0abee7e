//! Keeps a module's scripts to where the module may write, with the kernel's landlock, as far as
//! the kernel has it.

use std::path::{Path, PathBuf};

use hoist_core::Module;
use hoist_executor::Command;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// Where scripts may write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Directories that are made for it where they do not exist.
    #[serde(default)]
    pub directories: Vec<PathBuf>,
    /// Other directories, and files, that exist.
    pub writable: Vec<PathBuf>,
}

/// How far the kernel keeps a process to its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforced {
    /// As far as this version of the rules goes.
    Fully,
    /// Some rights are newer than this kernel.
    Partly,
    /// This kernel has no landlock, or it is switched off.
    Not,
}

/// What every program writes to that has nothing to keep.
#[cfg(target_os = "linux")]
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
];

impl Sandbox {
    /// Where a module may write: its declared directories, its files that exist, and what its
    /// method needs. `None` for one whose script installs packages of the system, which stand
    /// everywhere.
    pub fn of(module: &Module, machine: &Machine) -> Option<Self> {
        let steps = module.recipe.steps.values().flatten();
        let tools: Vec<String> = steps
            .flat_map(|step| step.args["tools"].as_array().cloned().unwrap_or_default())
            .map(|tool| tool.to_string())
            .collect();
        if tools.iter().any(|tool| tool == "\"package\"") {
            return None;
        }
        let home = &machine.home;
        let own = |path: &&PathBuf| path.starts_with(home) && *path != home;
        let mut directories: Vec<PathBuf> = module
            .paths
            .iter()
            .chain(&module.checks.dirs)
            .filter(own)
            .cloned()
            .collect();
        let files = module
            .removal
            .paths
            .iter()
            .chain(&module.config_files)
            .chain(&module.checks.files)
            .filter(own);
        let writable: Vec<PathBuf> = files.filter(|path| path.exists()).cloned().collect();
        let programs = home.join(".local/bin");
        if !module.checks.binaries.is_empty()
            || module
                .removal
                .paths
                .iter()
                .any(|path| path.parent() == Some(&programs))
        {
            directories.push(programs);
        }
        directories.extend(module.tool_directories.iter().cloned());
        let scopes = module.removal.owned_by_scope();
        directories.extend(scopes.into_keys().map(|scope| scope.directory.clone()));
        directories.sort();
        directories.dedup();
        Some(Self {
            directories,
            writable,
        })
    }

    /// Makes the directories, since only what exists can be named to the kernel, and returns those
    /// that were not there.
    pub fn prepare(&self) -> std::io::Result<Vec<PathBuf>> {
        let absent: Vec<PathBuf> = self
            .directories
            .iter()
            .filter(|path| path.symlink_metadata().is_err())
            .cloned()
            .collect();
        absent.iter().try_for_each(std::fs::create_dir_all)?;
        Ok(absent)
    }

    /// The command started by hoist, which gives up the right to write elsewhere before it becomes
    /// the command.
    pub fn confine(&self, command: Command, machine: &Machine, temporary: &Path) -> Command {
        let mut rules = self.clone();
        rules.writable.push(temporary.to_owned());
        let rules = serde_json::to_string(&rules).unwrap_or_default();
        // Caches of the user are not for a confined script to fill: others install from them.
        let caches = machine.tools().private_caches.iter();
        caches
            .fold(command, |command, name| {
                command.set(*name, temporary.join(name))
            })
            .through(machine.hoist.as_os_str(), ["__confined", &rules, "--"])
    }

    /// Gives up this process's right to write anywhere else, for good.
    ///
    /// # Errors
    /// When the kernel refuses rules that it should understand.
    pub fn enforce(&self) -> Result<Enforced, String> {
        enforce(
            self.directories
                .iter()
                .chain(&self.writable)
                .map(PathBuf::as_path),
        )
    }
}

#[cfg(target_os = "linux")]
fn enforce<'a>(writable: impl Iterator<Item = &'a Path>) -> Result<Enforced, String> {
    use landlock::{
        ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetStatus, Scope,
    };
    // Of later versions nothing is about what a script may change.
    let abi = ABI::V6;
    let write = AccessFs::from_write(abi);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(write)
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(|rules| rules.create());
    let mut ruleset = ruleset.map_err(|error| error.to_string())?;
    for path in writable.chain(DEVICES.iter().map(Path::new)) {
        // What does not exist cannot be named to the kernel, and so cannot be written.
        let Ok(descriptor) = PathFd::new(path) else {
            continue;
        };
        let access = if path.is_dir() {
            write
        } else {
            write & AccessFs::from_file(abi)
        };
        ruleset = ruleset
            .add_rule(PathBeneath::new(descriptor, access))
            .map_err(|error| error.to_string())?;
    }
    let status = ruleset.restrict_self().map_err(|error| error.to_string())?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partly,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

#[cfg(not(target_os = "linux"))]
fn enforce<'a>(_: impl Iterator<Item = &'a Path>) -> Result<Enforced, String> {
    Ok(Enforced::Not)
}
