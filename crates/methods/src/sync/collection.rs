//! A collection in a git repository: cloned, and brought forward.

use hoist_core::is_path;
use hoist_executor::{Effect, Failure, TaskContext};

use super::SourceCache;
use crate::builtin::git::Git;
use crate::builtin::git_pull::GitPull;
use crate::machine::Machine;
use crate::method::{Method, StepContext};
use crate::plugin::PLUGINS;

pub(super) fn sync(
    location: &str,
    reference: Option<&str>,
    cache: &SourceCache,
    machine: &Machine,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    if is_path(location) && !location.ends_with(".git") {
        return match ["modules", PLUGINS].iter().any(|part| std::path::Path::new(location).join(part).is_dir()) {
            true => Ok(Effect::Unchanged),
            false => Err(Failure::new(format!("{location} is no collection: it has neither a modules/ nor a plugins/ directory"))),
        };
    }
    let dir = cache.tree();
    let variables = Default::default();
    let context = StepContext::new(task, machine, "sync", &variables);
    let args = reference.map(|reference| vec!["--branch".to_owned(), reference.to_owned()]).unwrap_or_default();
    let there = dir.exists();
    let cloned = Git { url: location.to_owned(), dir: dir.clone(), args }.apply(&context)?;
    match there {
        false => Ok(cloned.effect),
        true => GitPull { dir }.apply(&context).map(|applied| applied.effect),
    }
}
