//! What a plan needs from the machine and the operator, checked before anything starts.

use std::collections::BTreeSet;

use hoist_core::{Action, Catalog, Diagnostic, Plan};

use hoist_machine::machine::Machine;
use hoist_system::registry::{Registry, working};

/// Everything that would make modules of the plan fail for sure, such as a program that is missing
/// or the right to install packages.
pub fn preflight(
    registry: Registry,
    plan: &Plan,
    catalog: &Catalog,
    machine: &Machine,
) -> Vec<Diagnostic> {
    if matches!(
        plan.action,
        Action::Test | Action::Uninstall | Action::Undo | Action::Undeploy
    ) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (method, uses) in registry.uses(&working(plan, catalog), plan.action) {
        for program in method.programs {
            let is_new = seen.insert(program.name);
            if let Some(missing) = program.missing.filter(|_| is_new)
                && (program.find)(machine).is_none()
            {
                found.push(missing(machine));
            }
        }
        found.extend((method.preflight)(&uses, machine));
    }
    found
}

/// True where a plan runs commands as root that sudo refuses now, and may allow once a password was
/// given.
pub fn needs_password(
    registry: Registry,
    plan: &Plan,
    catalog: &Catalog,
    machine: &Machine,
) -> bool {
    if !matches!(plan.action, Action::Install | Action::Update) {
        return false;
    }
    let uses = registry.uses(&working(plan, catalog), plan.action);
    uses.iter()
        .any(|(method, uses)| (method.needs_password)(uses, machine))
}
