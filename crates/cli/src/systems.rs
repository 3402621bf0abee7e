//! The module systems that this program knows: the one list.

use std::sync::LazyLock;

use hoist_applications::sync::Applications;
use hoist_core::SourceGrammar;
use hoist_machine::machine::MachineTools;
use hoist_methods::package::{install_command, package_variables};
use hoist_prosody::mercurial::repair;
use hoist_prosody::sources::{Mercurial, Prosody, Rocks};
use hoist_shell::collection::Collections;
use hoist_system::registry::Registry;
use hoist_system::source::SourceKind;

/// The methods of all systems.
pub(crate) const REGISTRY: Registry = Registry::new(&[
    hoist_applications::METHODS,
    hoist_methods::METHODS,
    hoist_plugins::METHODS,
    hoist_prosody::METHODS,
    hoist_shell::METHODS,
])
.with_sources(&[&Collections, &Mercurial, &Rocks, &Prosody, &Applications])
.repairing_trees(repair);

/// What `sources` in `hoist.yml` may list.
pub(crate) static GRAMMAR: LazyLock<SourceGrammar> =
    LazyLock::new(|| SourceGrammar::new(REGISTRY.sources().map(SourceKind::syntax)));

/// What scripts find on a machine.
pub(crate) static TOOLS: MachineTools = MachineTools {
    foreign_prefixes: &["MODULE_"],
    private_caches: &["PIP_CACHE_DIR"],
    for_root: &["DEBIAN_FRONTEND", "APT_CONFIG"],
    variables: package_variables,
    install_command,
};
