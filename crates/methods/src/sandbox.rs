//! Keeps a module's scripts to where the module may write, with the kernel's landlock, as far as the kernel has it.

use std::path::{Path, PathBuf};

use hoist_core::Module;
use hoist_executor::Command;
use landlock::{ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// Where scripts may write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Directories, and files that exist.
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
const DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm"];

impl Sandbox {
    /// Where a module may write: its declared directories, which are made for that, its files that exist, and what its method needs.
    pub(crate) fn of(module: &Module, machine: &Machine) -> Self {
        let declared = module.paths.iter().chain(module.removal.paths.iter()).chain(&module.checks.dirs);
        let mut writable: Vec<PathBuf> = declared.cloned().collect();
        writable.extend(module.config_files.iter().chain(&module.checks.files).filter(|path| path.is_file()).cloned());
        if let Some(target) = module.removal.target.as_ref().filter(|_| !module.removal.python.is_empty()) {
            writable.extend([target.clone(), machine.home.join(".cache/pip")]);
        }
        writable.retain(|path| path.starts_with(&machine.home) && *path != machine.home);
        writable.push(machine.cache.clone());
        Self { writable }
    }

    /// The command started by hoist, which gives up the right to write elsewhere before it becomes the command.
    pub(crate) fn confine(&self, command: Command, machine: &Machine, temporary: &Path) -> Command {
        let mut rules = self.clone();
        rules.writable.push(temporary.to_owned());
        let rules = serde_json::to_string(&rules).unwrap_or_default();
        command.through(machine.hoist.as_os_str(), ["__confined", &rules, "--"])
    }

    /// Gives up this process's right to write anywhere else, for good.
    ///
    /// # Errors
    /// When the kernel refuses rules that it should understand.
    pub fn enforce(&self) -> Result<Enforced, String> {
        let abi = ABI::V5;
        let write = AccessFs::from_write(abi);
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(write).and_then(|rules| rules.create());
        let mut ruleset = ruleset.map_err(|error| error.to_string())?;
        let devices = DEVICES.iter().map(Path::new);
        for path in self.writable.iter().map(PathBuf::as_path).chain(devices) {
            // What does not exist cannot be named to the kernel, and so cannot be written.
            let Ok(descriptor) = PathFd::new(path) else { continue };
            let access = if path.is_dir() { write } else { write & AccessFs::from_file(abi) };
            ruleset = ruleset.add_rule(PathBeneath::new(descriptor, access)).map_err(|error| error.to_string())?;
        }
        let status = ruleset.restrict_self().map_err(|error| error.to_string())?;
        Ok(match status.ruleset {
            RulesetStatus::FullyEnforced => Enforced::Fully,
            RulesetStatus::PartiallyEnforced => Enforced::Partly,
            RulesetStatus::NotEnforced => Enforced::Not,
        })
    }
}
