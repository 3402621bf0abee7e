//! Calls the installer of a module that was brought into its application, and sees to it that nothing of others is lost.

use std::collections::BTreeSet;

use hoist_core::Application;
use hoist_executor::{Effect, Failure};
use hoist_files::{Kind, Record};
use serde::Deserialize;

use crate::application::{self, Asked, Before, protect_install};
use crate::machine::Machine;
use crate::method::{Applied, Method, StepContext};

/// An installer to be called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Installer {
    name: String,
    application: Application,
    action: String,
}

impl Method for Installer {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![application::pool(&self.application)]
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let Some(guarding) = context.guarding else { return Err(Failure::new("nothing watches over the application")) };
        let Ok(mut guarding) = guarding.lock() else { return Err(Failure::new("another task has failed")) };
        let directory = self.application.directory(&self.name);
        let files = guarding.guard.with_directory(&directory)?;
        let assets: BTreeSet<&str> =
            files.below(&directory).filter(|(_, state)| state.kind == Kind::File).map(|(_, state)| state.digest.as_str()).collect();
        let asked = Asked { action: &self.action, name: &self.name, application: &self.application };
        let answer = application::call(&asked, context)?;
        let after = guarding.guard.after()?;
        // The directory is recorded as it was brought; what an earlier version had written elsewhere stays known as long as it is there.
        let mut record = context.record.clone();
        record.extend(guarding.brought.clone());
        let store = guarding.guard.store();
        let before = Before { files: &files, record: &record, others: &guarding.others, edits: guarding.edits.clone(), store };
        let protected = protect_install(before, &after, &assets, context.policy, context.task)?;
        guarding.edits.clone_from(&protected.edits);
        let earlier = context.record.iter().filter(|(path, _)| !path.starts_with(&directory) && !protected.gone.contains(*path));
        let mut record: Record = earlier.map(|(path, recorded)| (path.clone(), recorded.clone())).collect();
        record.extend(protected.record);
        let effect = if protected.changed || answer.called { Effect::Changed } else { Effect::Unchanged };
        Ok(Applied { effect, record: Some(record), gone: protected.gone, ..Applied::unchanged() })
    }
}
