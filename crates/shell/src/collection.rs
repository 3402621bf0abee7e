//! A collection in a git repository: hoist's copy of it.

use hoist_core::is_path;
use hoist_executor::{Effect, Failure, TaskContext};

use hoist_machine::machine::Machine;
use hoist_methods::git_copy as copy;
use hoist_system::context::StepContext;
use hoist_system::source_cache::SourceCache;

/// The directories of which a collection has at least one.
const PARTS: &[&str] = &["modules", "plugins"];

/// Brings a copy of a collection up to date.
pub fn sync(
    location: &str,
    reference: Option<&str>,
    cache: &SourceCache,
    machine: &Machine,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    if is_path(location) && !location.ends_with(".git") {
        return match PARTS
            .iter()
            .any(|part| std::path::Path::new(location).join(part).is_dir())
        {
            true => Ok(Effect::Unchanged),
            false => Err(Failure::new(format!(
                "{location} is not a collection: it has neither modules/ nor plugins/"
            ))),
        };
    }
    let dir = cache.tree();
    let variables = Default::default();
    let context = StepContext::new(task, machine, "sync", &variables);
    copy::refresh(location, reference, &dir, &context)
}
