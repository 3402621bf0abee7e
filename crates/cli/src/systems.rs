//! The module systems that this program knows: the one list.

use hoist_methods::{METHODS, MachineTools, Registry, install_command, package_variables, repair};

/// The methods of all systems.
pub(crate) const REGISTRY: Registry = Registry::new(&[METHODS]).repairing_trees(repair);

/// What scripts find on a machine.
pub(crate) static TOOLS: MachineTools = MachineTools {
    foreign_prefixes: &["MODULE_"],
    variables: package_variables,
    install_command,
};
