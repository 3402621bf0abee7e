//! Calls the installer of a module that was brought into its application, and sees to it that
//! nothing of others is lost.

use std::collections::BTreeSet;

use hoist_core::Application;
use hoist_executor::{Effect, Failure};
use hoist_files::{FileKind, Record, Recorded};
use serde::Deserialize;

use crate::installer::{InstallerRequest, call, has_installer};
use hoist_guard::protect::{Before, protect_install};
use hoist_guard::tree as guard;
use hoist_machine::machine::Machine;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry, RemovalReport};

/// An installer to be called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Installer {
    name: String,
    application: Application,
    action: InstallerAction,
    /// What is called for an install: a path in the module's directory.
    #[serde(default)]
    program: String,
}

/// What an installer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InstallerAction {
    Install,
    Uninstall,
}

impl InstallerAction {
    fn as_str(self) -> &'static str {
        match self {
            InstallerAction::Install => "install",
            InstallerAction::Uninstall => "uninstall",
        }
    }
}

/// Its entry in the table of methods.
pub(crate) const METHOD: MethodEntry = MethodEntry::new::<Installer>("installer");

impl Method for Installer {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![guard::pool(&self.application.tree(&self.name))]
    }

    fn refuse(&self, context: &StepContext<'_>) -> Result<(), Failure> {
        let Application { root, init, .. } = &self.application;
        if !self.program.ends_with(".php") {
            return Ok(());
        }
        if context.machine.find_program("php", &[]).is_none() {
            return Err(Failure::new(
                "its installer requires php, which is not on PATH: install php-cli",
            ));
        }
        match *init == root.join("init.php") || init.is_file() {
            true => Ok(()),
            false => Err(Failure::new(format!(
                "the application's init file {} does not exist: correct `init` in its settings",
                init.display()
            ))),
        }
    }

    fn removes(&self) -> Option<String> {
        let is_there = has_installer(&self.application, &self.name);
        (self.action == InstallerAction::Uninstall && is_there)
            .then(|| "the changes of its uninstaller".to_owned())
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        match self.action {
            InstallerAction::Install => self.install(context),
            InstallerAction::Uninstall => {
                let answer = call(&self.request(), context)?;
                Ok(Applied {
                    removal: Some(RemovalReport {
                        has_messages: answer.spoke,
                        left: answer.left,
                    }),
                    ..Applied::changed()
                })
            }
        }
    }
}

impl Installer {
    fn request(&self) -> InstallerRequest<'_> {
        InstallerRequest {
            action: self.action.as_str(),
            name: &self.name,
            application: &self.application,
        }
    }

    fn install(&self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let Some(guarding) = context.guarding else {
            return Err(Failure::new("the application is not watched"));
        };
        let Ok(mut guarding) = guarding.lock() else {
            return Err(Failure::new("another task failed"));
        };
        let directory = self.application.directory(&self.name);
        let brought = guarding.guard.below(&directory)?;
        let files = brought
            .iter()
            .filter(|(_, state)| state.kind == FileKind::File);
        let assets: BTreeSet<String> = files.map(|(_, state)| state.digest.clone()).collect();
        guarding.guard.expect(&assets);
        let answer = call(&self.request(), context)?;
        let mut differences = guarding.guard.differences(true)?;
        differences.retain(|difference| !difference.path.starts_with(&directory));
        differences.extend(guarding.guard.since(&directory, &brought));
        differences.sort_by(|a, b| a.path.cmp(&b.path));
        // The directory is recorded as it was brought; what an earlier version had written
        // elsewhere stays known as long as it is there.
        let mut record = context.record.clone();
        record.extend(guarding.brought.clone());
        let store = guarding.guard.store();
        let edits = guarding.edits.clone();
        let roots = &self.application.watch;
        let before = Before {
            differences: &differences,
            record: &record,
            others: &guarding.others,
            edits,
            store,
            roots,
        };
        let protected = protect_install(before, &assets, context.policy, context.task)?;
        let earlier = context
            .record
            .iter()
            .filter(|(path, _)| !path.starts_with(&directory) && !protected.gone.contains(*path));
        let mut record: Record = earlier
            .map(|(path, recorded)| (path.clone(), recorded.clone()))
            .collect();
        // What another module has as well is not lost with that one.
        let shared = guarding
            .guard
            .rewritten()
            .into_iter()
            .filter(|(path, _)| guarding.others.contains_key(path));
        record.extend(shared.map(|(path, state)| {
            (
                path,
                Recorded {
                    kind: state.kind,
                    mode: state.mode,
                    digest: state.digest,
                },
            )
        }));
        record.extend(protected.record);
        guarding.edits = protected.edits;
        guarding.meddled = protected.meddled;
        let effect = if !differences.is_empty() || answer.called {
            Effect::Changed
        } else {
            Effect::Unchanged
        };
        Ok(Applied {
            effect,
            record: Some(record),
            gone: protected.gone,
            ..Applied::unchanged()
        })
    }
}
