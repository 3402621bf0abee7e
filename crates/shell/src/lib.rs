//! What shell modules need beside the reading of their manifests: their functions, the helpers that they call, and collections in git repositories.

pub mod bash;
pub mod collection;
pub mod component_command;
pub mod helpers;

use hoist_system::method::MethodEntry;

/// The methods of shell modules.
pub const METHODS: &[MethodEntry] = &[bash::METHOD, component_command::METHOD];
