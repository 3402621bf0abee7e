//! What happens to each resolved module: the difference between what is asked and what is there.

use hoist_core::{
    Action, Change, DescribedBy, Installed, InstalledModule, Module, ModuleId, Plan, PlannedModule,
    Presence, Request, SelectionReason,
};

use crate::resolution::{Resolution, Resolved};

/// Decides what happens to each module. `presence` answers for the machine, as far as a look tells.
pub fn plan(
    resolution: &Resolution<'_>,
    installed: &Installed,
    presence: impl Fn(&ModuleId) -> Presence,
    request: &Request,
) -> Plan {
    let planned = |resolved: &Resolved<'_>| {
        let module = resolved.module;
        let elsewhere = place_before(module, installed)
            .filter(|_| matches!(request.action, Action::Install | Action::Update));
        let mut has_hint = false;
        let mut hint = |text: String| {
            has_hint = true;
            (Change::Keep, text)
        };
        let (change, reason) = match request.action {
            _ if elsewhere.is_some() => (Change::Migrate, elsewhere.unwrap_or_default()),
            Action::Test | Action::Undo | Action::Deploy | Action::Undeploy => {
                (Change::Test, "verified".to_owned())
            }
            Action::Uninstall => (Change::Uninstall, since(installed, &module.id)),
            // An update that failed is tried again; nothing has to be installed for that.
            Action::Update
                if installed.modules.contains_key(&module.id)
                    || installed
                        .unfinished
                        .get(&module.id)
                        .is_some_and(|record| record.ever_installed) =>
            {
                update(resolved, installed, presence(&module.id))
            }
            Action::Install
                if request.force
                    && !matches!(resolved.wanted, SelectionReason::By(_))
                    && !moves(module, installed) =>
            {
                (Change::Reinstall, "--force".to_owned())
            }
            Action::Install if request.migrate && moves(module, installed) => {
                let from = former(module, installed)
                    .map(|record| record.source.clone())
                    .unwrap_or_default();
                (Change::Migrate, format!("from {from} to {}", module.source))
            }
            // A module of a collection is installed anew from the other; what was installed before
            // comes back where that fails.
            Action::Install if request.migrate && comes_from_elsewhere(module, installed) => {
                let from = former(module, installed)
                    .map(|record| record.source.clone())
                    .unwrap_or_default();
                (
                    Change::Reinstall,
                    format!("from {from} to {}", module.source),
                )
            }
            Action::Install | Action::Update if installed.unfinished.contains_key(&module.id) => {
                (Change::Repair, "its last install did not finish".to_owned())
            }
            Action::Install | Action::Update => {
                let recorded = installed.modules.get(&module.id);
                let same = recorded.is_none_or(|recorded| {
                    recorded.digest == module.digest
                        && (recorded.source == module.source
                            || module.policy().described_by == DescribedBy::Manifest)
                });
                match decide(module, recorded.is_some(), presence(&module.id)) {
                    // Which may have been named by where it is.
                    (Change::Keep, reason) if !same && module.removal.from.is_some() => {
                        hint(format!(
                            "{reason}; another version is available, run `hoist update` with the same arguments to install it"
                        ))
                    }
                    (Change::Keep, _)
                        if !same && request.versions.contains_key(module.id.as_str()) =>
                    {
                        let had = recorded
                            .and_then(|recorded| recorded.version.clone())
                            .unwrap_or_default();
                        (Change::Update, from_to(&had, module))
                    }
                    (Change::Keep, reason) if !same && module.policy().has_versions => {
                        hint(format!(
                            "{reason}; a newer version is available, run `hoist update {}` to install it",
                            module.id
                        ))
                    }
                    (Change::Keep, reason) if !same => hint(format!(
                        "{reason}; its manifest changed since, add --force to reinstall it"
                    )),
                    (Change::Keep, _) if recorded.is_none() && module.is_custom => hint(format!(
                        "its declared files already exist; add --force to run {}",
                        module.words.install
                    )),
                    decided => decided,
                }
            }
        };
        let is_brought = matches!(change, Change::Install | Change::Migrate);
        let offered = &module.offered;
        let caveats = offered.caveats.iter().filter(|_| is_brought);
        let is_told = is_brought || request.action == Action::Update;
        let held_back = offered.held_back.iter().filter(|_| is_told);
        let reason = caveats
            .chain(held_back)
            .fold(reason, |reason, caveat| format!("{reason}; {caveat}"));
        PlannedModule {
            module: module.id.clone(),
            tier: module.tier,
            method: module.method.clone(),
            change,
            reason,
            wanted: resolved.wanted.clone(),
            needs: resolved.needs.clone(),
            after: resolved.after.clone(),
            requires: module.requires.clone(),
            has_hint,
        }
    };
    Plan {
        action: request.action,
        modules: resolution.modules.iter().map(planned).collect(),
        left_out: resolution.left_out.clone(),
    }
}

/// Since when a module is there.
fn since(installed: &Installed, id: &ModuleId) -> String {
    let record = installed
        .modules
        .get(id)
        .or_else(|| installed.unfinished.get(id));
    let day = record
        .and_then(|record| record.installed_at.get(..10))
        .unwrap_or_default();
    match record {
        Some(record) if record.adopted => format!("already existed on {day}"),
        Some(_) if installed.unfinished.contains_key(id) => {
            "its last change did not finish".to_owned()
        }
        _ => format!("installed on {day}"),
    }
}

/// True for a module that is installed from another source than this one.
fn moves(module: &Module, installed: &Installed) -> bool {
    module.policy().keeps_source
        && former(module, installed).is_some_and(|record| record.source != module.source)
}

/// True for a module of a collection that is installed from another one.
fn comes_from_elsewhere(module: &Module, installed: &Installed) -> bool {
    !module.policy().keeps_source
        && former(module, installed).is_some_and(|record| record.source != module.source)
}

/// Where a module of the same source is by now, where its place was another then.
fn place_before(module: &Module, installed: &Installed) -> Option<String> {
    let (to, record) = (module.removal.into.as_ref()?, former(module, installed)?);
    let from = record
        .removal
        .into
        .as_ref()
        .filter(|from| *from != to && record.source == module.source)?;
    Some(format!("from {} to {}", from.display(), to.display()))
}

/// What is installed of a module, also where its last change did not finish.
fn former<'i>(module: &Module, installed: &'i Installed) -> Option<&'i InstalledModule> {
    installed.modules.get(&module.id).or_else(|| {
        installed
            .unfinished
            .get(&module.id)
            .filter(|record| record.ever_installed)
    })
}

/// What updating an installed module means.
fn update(resolved: &Resolved<'_>, installed: &Installed, presence: Presence) -> (Change, String) {
    let module = resolved.module;
    if let Presence::Missing(what) = presence {
        return (Change::Repair, format!("{what} is missing"));
    }
    if let Presence::Other(version) = presence {
        return (Change::Update, from_to(&version, module));
    }
    if !matches!(
        resolved.wanted,
        SelectionReason::Named | SelectionReason::Installed
    ) {
        return (Change::Keep, "installed".to_owned());
    }
    let record = installed
        .modules
        .get(&module.id)
        .or_else(|| installed.unfinished.get(&module.id));
    let changed = record.is_some_and(|record| record.digest != module.digest);
    if module.policy().has_versions {
        let had = record
            .and_then(|record| record.version.clone())
            .unwrap_or_default();
        return match changed
            || record.is_some_and(|record| record.version != module.offered.version)
        {
            true => (Change::Update, from_to(&had, module)),
            false if module.offered.held_back.is_some() => (Change::Keep, format!("{had} is kept")),
            false => (Change::Keep, format!("{had} is the latest version")),
        };
    }
    let manifest = if changed {
        "; its manifest changed"
    } else {
        ""
    };
    match (
        module.recipe.steps(Action::Update),
        module.update_method.as_str(),
    ) {
        ([], "") if !changed => (Change::Keep, "it declares no update method".to_owned()),
        ([], _) if !changed => (Change::Keep, "its update method is none".to_owned()),
        (_, "") => (Change::Update, "its manifest changed".to_owned()),
        (_, method) => (Change::Update, format!("{method}{manifest}")),
    }
}

fn from_to(version: &str, module: &Module) -> String {
    format!(
        "{version} → {}",
        module.offered.version.as_deref().unwrap_or_default()
    )
}

fn decide(module: &Module, recorded: bool, presence: Presence) -> (Change, String) {
    match (recorded, presence) {
        (_, Presence::Other(version)) => (Change::Update, from_to(&version, module)),
        (true, Presence::Present | Presence::Unknown) => (Change::Keep, "installed".to_owned()),
        (true, Presence::Missing(what)) => (Change::Repair, format!("{what} is missing")),
        (false, Presence::Present) => (Change::Keep, "already installed".to_owned()),
        (false, Presence::Unknown) => (Change::Install, "not installed".to_owned()),
        (false, Presence::Missing(what)) => (
            Change::Install,
            format!("not installed ({what} is missing)"),
        ),
        (_, Presence::Ask) => (
            Change::Check,
            format!("{} is asked during the run", module.words.check),
        ),
        (_, Presence::Obstructed(what)) => (Change::Install, what),
    }
}
