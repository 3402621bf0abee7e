//! Installs packages with the system's package manager.

mod managers;
mod names;

use std::collections::BTreeMap;

use hoist_core::package_name_problem;
use hoist_executor::{Command, Effect, Failure, Level, TaskContext};
use serde::Deserialize;

pub(crate) use managers::Manager;
use managers::Query;

use crate::batch::{Bulk, Share, Target};
use crate::machine::Machine;
use crate::method::{Applied, Method, StepContext};
use crate::sudo;

/// The packages of a module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    pub(crate) module: String,
    /// Empty where the module's own name, or the table's, counts.
    pub(crate) packages: Vec<String>,
    /// What was there before the packages of several modules were installed together.
    #[serde(skip)]
    pub(crate) share: Option<Share>,
}

/// What a module's packages are called on this system: the names it declares, else those of the
/// table, else its own.
pub fn package_names(machine: &Machine, module: &str, declared: &[String]) -> Vec<String> {
    match declared {
        [] => names::packages_of(module, &machine.os().family),
        declared => declared.to_vec(),
    }
}

impl Method for Package {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![("package".to_owned(), 1)]
    }

    fn changes_only_files(&self) -> bool {
        false
    }

    fn bulk(&mut self, share: Share) -> Option<Bulk> {
        self.share = Some(share);
        Some(Bulk {
            pool: "package".to_owned(),
            method: "package",
            target: Target::System,
            upgrade: false,
        })
    }

    fn packages(&self, machine: &Machine) -> Vec<String> {
        package_names(machine, &self.module, &self.packages)
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let names = self.packages(context.machine);
        if let Some((name, why)) = names
            .iter()
            .find_map(|name| Some((name, package_name_problem(name)?)))
        {
            return Err(Failure::new(format!(
                "`{}` is not a package name: {why}",
                name.escape_debug()
            )));
        }
        let manager = manager(context.machine)?;
        let known = self
            .share
            .as_ref()
            .map(Share::versions)
            .filter(|known| names.iter().all(|name| known.contains_key(name)));
        let before = match &known {
            Some(known) => known.clone(),
            None => installed(context, manager, &names)?,
        };
        let asked: Vec<String> = names
            .iter()
            .filter(|name| context.force || !before.contains_key(*name))
            .cloned()
            .collect();
        if asked.is_empty() {
            let batched = self
                .share
                .as_ref()
                .is_some_and(|share| names.iter().any(|name| share.changed(name)));
            let version = names
                .first()
                .and_then(|name| before.get(name))
                .filter(|version| !version.is_empty())
                .cloned();
            let effect = if batched {
                Effect::Changed
            } else {
                Effect::Unchanged
            };
            return Ok(Applied {
                effect,
                ..Applied::unchanged()
            }
            .version(version));
        }
        install(context, manager, &asked, context.force)?;
        let version = names.first().and_then(|name| {
            installed(context, manager, std::slice::from_ref(name))
                .ok()?
                .remove(name)
        });
        Ok(Applied::changed().version(version.filter(|version| !version.is_empty())))
    }
}

/// The system's package manager.
pub(crate) fn manager(machine: &Machine) -> Result<&'static Manager, Failure> {
    let known: Vec<&str> = managers::MANAGERS
        .iter()
        .map(|manager| manager.program)
        .collect();
    machine.manager().ok_or_else(|| {
        Failure::new(format!(
            "no package manager found: none of {} is on PATH",
            known.join(", ")
        ))
    })
}

/// Which of these packages are installed, with their versions.
pub(crate) fn installed(
    context: &StepContext<'_>,
    manager: &Manager,
    names: &[String],
) -> Result<BTreeMap<String, String>, Failure> {
    let task = context.task;
    let environment = context.machine.script_environment(&BTreeMap::new(), "");
    let query = |arguments: &[&str], names: &[String]| -> Result<(bool, String), Failure> {
        let command = Command::new(arguments[0])
            .args(arguments[1..].iter().copied())
            .args(names)
            .environment(environment.clone())
            .set("LC_ALL", "C");
        let mut text = String::new();
        let exit = task.run_with(&command, |stream, line| {
            if stream == hoist_executor::Stream::Stdout {
                text.push_str(line);
                text.push('\n');
            }
        })?;
        Ok((exit.success(), text))
    };
    let mut found = BTreeMap::new();
    match manager.query {
        Query::Dpkg => {
            let plain: Vec<String> = names
                .iter()
                .map(|name| name.split(['=', '/']).next().unwrap_or_default().to_owned())
                .collect();
            let (_, text) = query(
                &[
                    "dpkg-query",
                    "-W",
                    "-f",
                    "${Package}\t${db:Status-Abbrev}\t${Version}\n",
                ],
                &plain,
            )?;
            for line in text.lines() {
                let [package, "ii ", version] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else {
                    continue;
                };
                let asked = names
                    .iter()
                    .zip(&plain)
                    .filter(|(_, plain)| plain.split(':').next() == Some(package));
                found.extend(asked.map(|(name, _)| (name.clone(), version.to_owned())));
            }
        }
        Query::Each(arguments) => {
            for name in names {
                if let (true, text) = query(arguments, std::slice::from_ref(name))? {
                    let version = text.split_whitespace().nth(1).unwrap_or_default();
                    found.insert(name.clone(), version.to_owned());
                }
            }
        }
    }
    Ok(found)
}

/// The words of the command that installs packages.
pub(crate) fn install_words<'n>(
    manager: &Manager,
    names: &'n [String],
    again: bool,
) -> Vec<&'n str> {
    let more: &'static [&'static str] = if again { manager.reinstall } else { &[] };
    let words = manager
        .install
        .iter()
        .chain(manager.options)
        .chain(more)
        .copied();
    words.chain(names.iter().map(String::as_str)).collect()
}

/// Installs packages in one transaction; where a name is not found, with fresh lists once more.
pub(crate) fn install(
    context: &StepContext<'_>,
    manager: &Manager,
    names: &[String],
    again: bool,
) -> Result<(), Failure> {
    let install = as_root(
        context.machine,
        manager,
        &install_words(manager, names, again),
    )?;
    let first = run(context.task, &install)?;
    let Some(reason) = first else { return Ok(()) };
    if !manager.stale.iter().any(|words| reason.contains(words)) {
        return Err(Failure::new(format!("{}: {reason}", manager.program)));
    }
    context.task.note(
        Level::Info,
        format!("{reason}; refreshing the package lists"),
    );
    if let Some(reason) = run(
        context.task,
        &as_root(context.machine, manager, manager.refresh)?,
    )? {
        return Err(Failure::new(format!(
            "{}: {reason}",
            manager.refresh.join(" ")
        )));
    }
    match run(context.task, &install)? {
        None => Ok(()),
        Some(reason) => Err(Failure::new(format!("{}: {reason}", manager.program))),
    }
}

fn as_root(machine: &Machine, manager: &Manager, words: &[&str]) -> Result<Command, Failure> {
    if manager.needs_root && !machine.root {
        return sudo::command(machine, words);
    }
    let environment = machine.script_environment(&BTreeMap::new(), "");
    Ok(Command::new(words[0])
        .args(words[1..].iter().copied())
        .environment(environment)
        .set("LC_ALL", "C"))
}

/// Runs a command of a package manager; the line that tells why, when it failed.
fn run(task: &TaskContext, command: &Command) -> Result<Option<String>, Failure> {
    let mut reason: Option<String> = None;
    let exit = task.run_with(command, |stream, line| {
        let told = ["E: ", "error: ", "Error: ", "ERROR: ", "sudo: "]
            .iter()
            .find_map(|mark| line.strip_prefix(mark));
        if let (Some(told), None) = (told, &reason) {
            reason = Some(told.to_owned());
        }
        task.output(stream, line);
    })?;
    Ok((!exit.success()).then(|| reason.unwrap_or_else(|| exit.to_string())))
}
