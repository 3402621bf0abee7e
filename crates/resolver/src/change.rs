//! What happens to each resolved module: the difference between what is asked and what is there.

use hoist_core::{Action, Change, Installed, ModuleId, Plan, PlannedModule, Presence, Request};

use crate::{Resolution, Resolved};

/// Decides what happens to each module. `presence` answers for the machine, as far as a look tells.
pub fn plan(resolution: &Resolution<'_>, installed: &Installed, presence: impl Fn(&ModuleId) -> Presence, request: &Request) -> Plan {
    let planned = |resolved: &Resolved<'_>| {
        let module = resolved.module;
        let (change, reason) = match request.action {
            Action::Test => (Change::Test, "verified".to_owned()),
            Action::Install if request.force => (Change::Reinstall, "--force".to_owned()),
            Action::Install if installed.unfinished.contains_key(&module.id) => {
                (Change::Repair, "its last install did not finish".to_owned())
            }
            Action::Install => {
                let recorded = installed.modules.get(&module.id);
                let same = recorded.is_none_or(|recorded| recorded.digest == module.digest && recorded.source == module.source);
                match decide(recorded.is_some(), presence(&module.id)) {
                    (Change::Keep, reason) if !same => {
                        (Change::Keep, format!("{reason}; its manifest has changed since, --force installs it anew"))
                    }
                    (Change::Keep, _) if recorded.is_none() && module.method == "custom" => {
                        (Change::Keep, "what it declares is already there; --force runs its main_module".to_owned())
                    }
                    decided => decided,
                }
            }
        };
        PlannedModule {
            module: module.id.clone(),
            tier: module.tier,
            method: module.method.clone(),
            change,
            reason,
            wanted: resolved.wanted.clone(),
            needs: resolved.needs.clone(),
            requires: module.requires.clone(),
        }
    };
    Plan { action: request.action, modules: resolution.modules.iter().map(planned).collect(), left_out: resolution.left_out.clone() }
}

fn decide(recorded: bool, presence: Presence) -> (Change, String) {
    match (recorded, presence) {
        (true, Presence::Present) => (Change::Keep, "installed".to_owned()),
        (true, Presence::Unknown) => (Change::Keep, "installed, nothing declared to look at".to_owned()),
        (true, Presence::Missing(what)) => (Change::Repair, format!("{what} is gone")),
        (false, Presence::Present) => (Change::Keep, "already there".to_owned()),
        (false, Presence::Unknown) => (Change::Install, "not installed".to_owned()),
        (false, Presence::Missing(what)) => (Change::Install, format!("{what} is not there")),
        (_, Presence::Ask) => (Change::Check, "check_module_installed decides".to_owned()),
        (_, Presence::Obstructed(what)) => (Change::Install, what),
    }
}
