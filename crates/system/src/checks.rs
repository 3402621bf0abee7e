//! What modules declare, looked at without running anything.

use std::path::PathBuf;

use hoist_core::Checks;

use hoist_machine::machine::Machine;
use hoist_machine::programs::ProgramDirectories;

/// What is declared and not there, in words. Programs are also looked for below `own`.
pub fn missing(
    machine: &Machine,
    checks: &Checks,
    own: &[PathBuf],
    path: &ProgramDirectories,
) -> Vec<String> {
    let dirs = checks
        .dirs
        .iter()
        .filter(|dir| !dir.is_dir())
        .map(|dir| dir.display().to_string());
    let files = checks
        .files
        .iter()
        .filter(|file| !file.exists() || file.is_dir())
        .map(|file| file.display().to_string());
    let own: Vec<PathBuf> = own
        .iter()
        .chain(&checks.dirs)
        .map(|path| path.join("bin"))
        .collect();
    let is_there = |name: &&String| {
        machine
            .find_program(name, &own)
            .or_else(|| path.find(name))
            .is_some()
    };
    let binaries = checks
        .binaries
        .iter()
        .filter(|name| !is_there(name))
        .map(|name| format!("the command {name}"));
    dirs.chain(files).chain(binaries).collect()
}
