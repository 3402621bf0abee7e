//! Which versions of installed modules are newer, as far as the tools that installed them can tell
//! without changing anything.

use std::collections::BTreeMap;

use hoist_core::{Action, Module, ModuleId};
use hoist_executor::Failure;

use hoist_machine::machine::Machine;
use hoist_system::method::Newer;
use hoist_system::registry::Registry;

/// Asks what installed modules whether it has newer versions of them. Those that cannot be asked
/// have a failure in place of an answer.
pub fn newer_versions(
    registry: Registry,
    modules: &[&Module],
    machine: &Machine,
) -> BTreeMap<ModuleId, Result<Newer, Failure>> {
    let uses = registry.uses(modules, Action::Install);
    let newer = uses
        .iter()
        .flat_map(|(method, uses)| (method.newer)(uses, machine));
    newer.collect()
}
