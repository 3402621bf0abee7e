//! What a look at the machine tells of a module, without running anything.

use std::path::PathBuf;

use hoist_core::{Action, Installed, Module, Presence, Resource};

use hoist_git::local;
use hoist_git::local::obstruction;
use hoist_machine::machine::Machine;
use hoist_machine::programs::ProgramDirectories;
use hoist_system::checks::missing;
use hoist_system::registry::Registry;
use hoist_system::resource::package_of;

/// Says whether a module is there, from the ledger and from what it declares.
pub fn probe(
    registry: Registry,
    machine: &Machine,
    module: &Module,
    installed: &Installed,
    path: &ProgramDirectories,
) -> Presence {
    let is_whole = module.policy().is_recorded_whole;
    let unfinished = || {
        installed
            .unfinished
            .get(&module.id)
            .filter(|record| is_whole && record.ever_installed)
    };
    let recorded = installed.modules.get(&module.id).or_else(unfinished);
    let own = recorded.filter(|record| is_whole && record.removal.into == module.removal.into);
    if let Some(gone) = own.and_then(|record| {
        record
            .files
            .iter()
            .find(|path| path.symlink_metadata().is_err())
    }) {
        return Presence::Missing(gone.display().to_string());
    }
    if let Some((manager, resource)) = package_of(registry, &module.removal) {
        let wanted = module.offered.version.as_deref();
        return manager.presence(&resource.scope, &resource.name, wanted);
    }
    let packages = self::packages(registry, module, recorded.is_some());
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
        if let Some(absent @ Presence::Missing(_)) = packages {
            return absent;
        }
    } else if let Some(path) = module
        .paths
        .first()
        .filter(|path| is_whole && path.symlink_metadata().is_ok())
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

/// Whether the packages are there that the only step of a module's install brings; a program of
/// their name elsewhere is not them. `None` for modules that do not install packages in this way,
/// and for recorded ones whose packages may be anywhere.
pub fn packages(registry: Registry, module: &Module, is_recorded: bool) -> Option<Presence> {
    let [step] = module.recipe.steps(Action::Install) else {
        return None;
    };
    let method = registry.entry(step)?;
    let manager = method.manager?;
    if is_recorded && !manager.finds_installed() {
        return None;
    }
    let resources = (method.resources)(step);
    let mut presence = None;
    for Resource { scope, name, .. } in &resources {
        let found = manager.presence(scope, name, None);
        if matches!(found, Presence::Missing(_)) {
            return Some(found);
        }
        presence = Some(Presence::Present);
    }
    presence
}
