//! What a look at the machine tells of a module, without running anything.

use std::path::PathBuf;

use hoist_core::{Action, Checks, Installed, Module, Presence, Repository, Rock, redact_urls};

use crate::builtin::luarocks;
use crate::builtin::pip::{self, Pip};
use crate::git::local;
use crate::machine::Machine;
use crate::programs::ProgramDirectories;

/// Says whether a module is there, from the ledger and from what it declares.
pub fn probe(
    machine: &Machine,
    module: &Module,
    installed: &Installed,
    path: &ProgramDirectories,
) -> Presence {
    let indexed = module.removal.is_indexed();
    let unfinished = || {
        installed
            .unfinished
            .get(&module.id)
            .filter(|record| indexed && record.ever_installed)
    };
    let recorded = installed.modules.get(&module.id).or_else(unfinished);
    let own = recorded.filter(|record| indexed && record.removal.into == module.removal.into);
    if let Some(gone) = own.and_then(|record| {
        record
            .files
            .iter()
            .find(|path| path.symlink_metadata().is_err())
    }) {
        return Presence::Missing(gone.display().to_string());
    }
    if let Some(rock) = &module.removal.rock {
        return rock_presence(rock, module);
    }
    let packages = if recorded.is_some() {
        None
    } else {
        python_packages(module)
    };
    if let Some(recorded) = recorded {
        // What is only declared for removal may come and go.
        let fleeting =
            |path: &&PathBuf| module.removal.paths.contains(path) && !module.paths.contains(path);
        // All files are there of which the installed version consists; the source may have others
        // by now.
        if own.is_some_and(|record| !record.files.is_empty()) {
            return Presence::Present;
        }
        let mut lasting = recorded.paths.iter().filter(|path| !fleeting(path));
        if let Some(gone) = lasting.find(|path| path.symlink_metadata().is_err()) {
            return Presence::Missing(gone.display().to_string());
        }
    } else if let Some(path) = module
        .paths
        .first()
        .filter(|path| module.removal.is_indexed() && path.symlink_metadata().is_ok())
    {
        return Presence::Obstructed(format!("{} exists", path.display()));
    } else if let Some(absent @ Presence::Missing(_)) = packages {
        return absent;
    } else if let Some(obstruction) = module.repository.as_ref().and_then(obstruction) {
        return Presence::Obstructed(obstruction);
    }
    if let Some(missing) = missing(machine, &module.checks, &module.paths, path)
        .into_iter()
        .next()
    {
        // A function of the module's own knows better what its absence means.
        return if module.checks.function {
            Presence::Ask
        } else {
            Presence::Missing(missing)
        };
    }
    let blind = module.checks.is_blind();
    match (&module.repository, recorded) {
        // A clone is seen by its directory, also when nothing else is declared.
        (Some(repository), _) if local::is_vacant(&repository.dir) => {
            Presence::Missing(repository.dir.display().to_string())
        }
        (Some(_), _) => Presence::Present,
        (None, _) if !blind || packages.is_some() => Presence::Present,
        (None, _) if module.checks.function => Presence::Ask,
        (None, _) => Presence::Unknown,
    }
}

/// Whether a rock is in its tree, in the version that is wanted.
fn rock_presence(rock: &Rock, module: &Module) -> Presence {
    let there = luarocks::versions(rock, module.id.as_str());
    match (there.first(), &module.offered.version) {
        (None, _) => Presence::Missing(format!("rock {} in {}", module.id, rock.tree.display())),
        (Some(_), Some(wanted)) if there.contains(wanted) => Presence::Present,
        (Some(other), _) => Presence::Other(other.clone()),
    }
}

/// Whether the Python packages are where the module's own handler would put them; a program of
/// their name elsewhere is not them. `None` for modules that do not use that handler.
pub(crate) fn python_packages(module: &Module) -> Option<Presence> {
    let [step] = module.recipe.steps(Action::Install) else {
        return None;
    };
    let pip: Pip =
        (step.method == "pip").then(|| serde_json::from_value(step.args.clone()).ok())??;
    let absent = pip
        .packages
        .iter()
        .find(|name| pip::installed(&pip.target, name).is_none());
    Some(match absent {
        Some(name) => Presence::Missing(format!(
            "the Python package {name} below {}",
            pip.target.display()
        )),
        None => Presence::Present,
    })
}

/// What is declared and not there, in words. Programs are also looked for below `own`.
pub(crate) fn missing(
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

/// What stands where a clone would go and is not that clone.
pub(crate) fn obstruction(repository: &Repository) -> Option<String> {
    let Repository { url, dir } = repository;
    if local::is_vacant(dir) {
        return None;
    }
    match local::origin(dir) {
        Some(origin) if local::same_repository(&origin, url) => None,
        Some(origin) => {
            let (origin, url) = (redact_urls(&origin), redact_urls(url));
            Some(format!(
                "{} is a clone of {origin}, not of {url}, and is not changed",
                dir.display()
            ))
        }
        None => Some(format!(
            "{} exists, is not a clone of {}, and is not changed",
            dir.display(),
            redact_urls(url)
        )),
    }
}
