//! What a plugin does before and after it is removed.

use std::path::Path;

use crate::{Directory, HookEvent, MANIFEST, Plugin, Side};
use hoist_executor::{Failure, Level};
use tempfile::TempDir;

use crate::hook::Hook;
use crate::modules::copy_tree;
use crate::on_disk::OnDisk;
use hoist_system::context::StepContext;

/// The hook that runs when the files are gone: it works on a copy.
pub struct AfterRemoval {
    copy: TempDir,
    hook: Hook,
}

/// Runs what a plugin wants done before its removal, and keeps what it wants done after it. A
/// plugin whose manifest cannot be read any more goes without.
pub fn before_removal(
    directory: &Path,
    context: &StepContext<'_>,
) -> Result<Option<AfterRemoval>, Failure> {
    if !directory.join(MANIFEST).exists() {
        return Ok(None);
    }
    let on_disk = OnDisk::new(directory);
    let (Some(plugin), _) = Plugin::read(&on_disk) else {
        let shown = on_disk.root().join(MANIFEST);
        context.task.note(
            Level::Warning,
            format!(
                "{} is not usable any more, so its hooks were not run",
                shown.display()
            ),
        );
        return Ok(None);
    };
    let hook = |side: Side, directory: &Path| {
        let (name, hook) = plugin.hook(side, HookEvent::Remove)?;
        Some(Hook::new(name, directory, &hook.path, hook.runs_itself))
    };
    if let Some(hook) = hook(Side::Pre, directory) {
        hook.run(context, &[])?;
    }
    if plugin.hook(Side::Post, HookEvent::Remove).is_none() {
        return Ok(None);
    }
    let copy = context.machine.spare.directory("removed")?;
    copy_tree(directory, copy.path())
        .map_err(|error| context.task.failed("copying", directory, &error))?;
    Ok(hook(Side::Post, copy.path()).map(|hook| AfterRemoval { copy, hook }))
}

impl AfterRemoval {
    /// Runs it. The files are gone whatever it says.
    pub fn run(self, context: &StepContext<'_>) -> Result<(), Failure> {
        let ran = self.hook.run(context, &[]);
        drop(self.copy);
        ran
    }
}
