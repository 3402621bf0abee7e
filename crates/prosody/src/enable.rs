//! Adds a module to the list of those that an XMPP server loads: the list is edited as text, a copy
//! is kept, and the server's own program checks the result.

use std::path::PathBuf;

use hoist_executor::{Effect, Failure, ItemChange, Level};
use hoist_files::{Suffix, back_up, state, write};
use hoist_ledger::Edit;
use hoist_sources::prosody::Enabled;
use serde::Deserialize;

use crate::server::{files, prosodyctl};
use hoist_machine::machine::Machine;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Edited, Method, MethodEntry, path_pool};

/// A module to be enabled for every host of a server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enable {
    configuration: PathBuf,
    module: String,
}

/// Its entry in the table of methods.
pub(crate) const METHOD: MethodEntry = MethodEntry::new::<Enable>("enable");

impl Method for Enable {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![path_pool(&self.configuration)]
    }

    fn changes_only_files(&self) -> bool {
        false
    }

    fn edits(&self) -> Vec<PathBuf> {
        files(&self.configuration)
            .map(|files| files.into_iter().map(|file| file.path).collect())
            .unwrap_or_default()
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let files = files(&self.configuration).map_err(Failure::new)?;
        let hosts: Vec<&str> = files
            .iter()
            .flat_map(|file| file.configuration.hosts(&self.module))
            .collect();
        if !hosts.is_empty() {
            if !hosts.contains(&"") {
                let why = format!(
                    "it is enabled for {} only; add it to modules_enabled of every host yourself",
                    hosts.join(", ")
                );
                context.task.note(Level::Warning, why);
            }
            return Ok(Applied::unchanged());
        }
        let edited = files
            .iter()
            .find_map(|file| Some((file, file.configuration.enable(&file.text, &self.module)?)));
        let Some((file, Enabled { text, separated })) = edited else {
            let why = "it has no table `modules_enabled` outside of hosts; add the module to one yourself";
            return Err(Failure::new(format!(
                "{}: {why}",
                self.configuration.display()
            )));
        };
        let wrong = |error: std::io::Error| Failure::new(error.to_string());
        if !file.is_utf8 {
            return Err(Failure::new(format!(
                "{} is not UTF-8: add the module to modules_enabled yourself",
                file.path.display()
            )));
        }
        let before = self.check(context)?;
        let former = state(&file.path).map_err(wrong)?;
        let copy = back_up(&file.path, Suffix::Usual).map_err(wrong)?;
        write(&file.path, text.as_bytes(), 0o640).map_err(wrong)?;
        let after = self.check(context)?;
        match (&before, &after) {
            (_, None) => context.task.note(
                Level::Warning,
                "prosodyctl is not on PATH: the configuration was not checked",
            ),
            (Some((true, _)), Some((false, said))) => {
                write(&file.path, file.text.as_bytes(), 0o640).map_err(wrong)?;
                std::fs::remove_file(&copy).map_err(wrong)?;
                let said = said.join(" ");
                return Err(Failure::new(format!(
                    "with the module enabled, `prosodyctl check config` reports: {said}; the configuration was restored"
                )));
            }
            (Some((_, before)), Some((content, after))) => {
                let new: Vec<&str> = after
                    .iter()
                    .filter(|line| !before.contains(line))
                    .map(String::as_str)
                    .collect();
                if !new.is_empty() {
                    context.task.note(
                        Level::Warning,
                        format!("`prosodyctl check config` reports: {}", new.join(" ")),
                    );
                } else if !content {
                    context.task.note(
                        Level::Warning,
                        format!(
                            "`prosodyctl check config` reports, as before: {}",
                            after.join(" ")
                        ),
                    );
                }
            }
            (None, Some(_)) => {}
        }
        let why = format!(
            "enabled {}; the previous configuration is {}",
            self.module,
            copy.display()
        );
        context.task.item(
            ItemChange::Changed,
            file.path.display().to_string(),
            Some(why),
        );
        let edited = former
            .zip(state(&file.path).map_err(wrong)?)
            .map(|(before, after)| Edited {
                edit: Edit {
                    path: file.path.clone(),
                    before,
                    after,
                    replaced: false,
                },
                separated: separated.into_bytes(),
                contents: [file.text.clone().into_bytes(), text.into_bytes()],
            });
        Ok(Applied {
            effect: Effect::Changed,
            edited: edited.into_iter().collect(),
            ..Applied::unchanged()
        })
    }
}

impl Enable {
    /// Whether the server's own program is content with the configuration, and what it says; `None`
    /// where there is none.
    fn check(&self, context: &StepContext<'_>) -> Result<Option<(bool, Vec<String>)>, Failure> {
        let checked = prosodyctl(&self.configuration, &["check", "config"], context)?;
        Ok(checked.map(|(content, said)| {
            let said = said
                .iter()
                .map(|line| line.trim())
                .filter(|line| !line.is_empty() && !line.starts_with("Checking"));
            (content, said.map(str::to_owned).collect())
        }))
    }
}
