//! Installs packages with the system's package manager.

mod managers;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hoist_core::{Diagnostic, ModuleId, ResourceScope, package_name_problem};
use hoist_executor::{Command, Effect, Failure, Level, Stream, TaskContext};
use serde::Deserialize;

pub(crate) use managers::Manager;
use managers::Query;

use hoist_machine::machine::Machine;
use hoist_machine::sudo;
use hoist_machine::sudo::Permission;
use hoist_system::batch::{Batch, Batches, SharedBatch};
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry, MethodUse, Newer, NewerVersions};
use hoist_system::program::RequiredProgram;
use hoist_system::resource::ResourceManager;

/// The packages of a module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The module.
    pub module: String,
    /// Empty where the module's own name, or the table's, counts.
    pub packages: Vec<String>,
    /// What was there before the packages of several modules were installed together.
    #[serde(skip)]
    pub batch: Option<Arc<SharedBatch>>,
}

/// What a module's packages are called on this system: the names it declares, else those of the
/// table, else its own.
pub fn package_names(machine: &Machine, module: &str, declared: &[String]) -> Vec<String> {
    match declared {
        [] => names::packages_of(module, &machine.os().family),
        declared => declared.to_vec(),
    }
}

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = MethodEntry {
    programs: &[&PACKAGE_MANAGER],
    is_repeatable: true,
    may_need_root: true,
    manager: Some(&SystemPackages),
    preflight,
    needs_password,
    newer: newer_packages,
    ..MethodEntry::new::<Package>("package")
};

/// Whatever installs packages on this system.
static PACKAGE_MANAGER: RequiredProgram = RequiredProgram {
    name: "a package manager",
    find: |machine| detected(machine).map(|manager| manager.name.to_owned()),
    missing: None,
};

/// The packages that uses of the method name on a machine.
fn names_of(uses: &[MethodUse<'_>], machine: &Machine) -> Vec<String> {
    let of_step = |MethodUse { module, step }: &MethodUse<'_>| {
        let declared: Vec<String> =
            serde_json::from_value(step.args["packages"].clone()).unwrap_or_default();
        package_names(machine, module.id.as_str(), &declared)
    };
    uses.iter().flat_map(of_step).collect()
}

/// Refuses runs on systems without a package manager, or without the right to install packages.
fn preflight(uses: &[MethodUse<'_>], machine: &Machine) -> Vec<Diagnostic> {
    let names = names_of(uses, machine);
    let modules: Vec<&str> = uses.iter().map(|used| used.module.id.as_str()).collect();
    let manager = match manager(machine) {
        _ if names.is_empty() => return Vec::new(),
        Err(failure) => {
            let help = format!("required by {}", modules.join(", "));
            return vec![Diagnostic::error(failure.message).help(help)];
        }
        Ok(manager) if !manager.needs_root || machine.root => return Vec::new(),
        Ok(manager) => manager,
    };
    let missing = missing(machine, manager, &names);
    if missing.is_empty() {
        return Vec::new();
    }
    let words = install_words(manager, &missing, false);
    let refusal =
        sudo::permission(machine, &words).map(|permission| sudo::refusal(&permission, &words));
    let Some(refusal) = refusal.unwrap_or_else(|failure| Some(failure.message)) else {
        return Vec::new();
    };
    let help = format!(
        "run hoist as root, run `sudo -v` first, or leave out these modules with --skip {}",
        modules.join(",")
    );
    let message = format!(
        "cannot install packages for {}: {refusal}",
        modules.join(", ")
    );
    vec![Diagnostic::error(message).help(help)]
}

/// The packages that are not installed yet.
fn missing(machine: &Machine, manager: &Manager, names: &[String]) -> Vec<String> {
    let task = TaskContext::alone(|_| {});
    let variables = BTreeMap::new();
    let context = StepContext::new(&task, machine, "", &variables);
    let installed = installed(&context, manager, names).unwrap_or_default();
    let absent = names.iter().filter(|name| !installed.contains_key(*name));
    absent.cloned().collect()
}

fn needs_password(uses: &[MethodUse<'_>], machine: &Machine) -> bool {
    let Ok(manager) = manager(machine) else {
        return false;
    };
    if machine.root || !manager.needs_root {
        return false;
    }
    let missing = missing(machine, manager, &names_of(uses, machine));
    !missing.is_empty() && is_password_needed(machine, &missing)
}

/// Whether sudo refuses to install these packages, and may allow it once a password was given.
pub fn is_password_needed(machine: &Machine, packages: &[String]) -> bool {
    let Ok(manager) = manager(machine) else {
        return false;
    };
    if machine.root || !manager.needs_root {
        return false;
    }
    let words = install_words(manager, packages, false);
    let permission = sudo::permission(machine, &words);
    matches!(permission, Ok(Permission::Refused(_)))
}

impl Method for Package {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![(POOL.to_owned(), 1)]
    }

    fn changes_only_files(&self) -> bool {
        false
    }

    fn join_batch(
        &mut self,
        batches: &mut Batches,
        machine: &Machine,
    ) -> Option<(Arc<SharedBatch>, Vec<String>)> {
        let batch = batches.join(POOL.to_owned(), || PackageBatch);
        self.batch = Some(batch.clone());
        Some((batch, self.names(machine)))
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let names = self.names(context.machine);
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
            .batch
            .as_ref()
            .map(|batch| batch.versions())
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
                .batch
                .as_ref()
                .is_some_and(|batch| names.iter().any(|name| batch.changed(name)));
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

impl Package {
    fn names(&self, machine: &Machine) -> Vec<String> {
        package_names(machine, &self.module, &self.packages)
    }
}

/// One at a time installs packages of the system.
const POOL: &str = "package";

/// Packages of the system, which stay when their modules are removed.
struct SystemPackages;

impl ResourceManager for SystemPackages {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn nouns(&self) -> [&'static str; 2] {
        ["package", "packages"]
    }

    fn request(&self, name: &str, _: &str) -> String {
        name.to_owned()
    }

    fn pool(&self, _: &ResourceScope) -> String {
        POOL.to_owned()
    }

    fn versions(&self, _: &ResourceScope, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn names(&self, _: &ResourceScope) -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn install(
        &self,
        _: &ResourceScope,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        install(context, manager(context.machine)?, requests, false)
    }

    fn remove(
        &self,
        _: &ResourceScope,
        names: &[String],
        _: Option<&str>,
        _: &StepContext<'_>,
    ) -> Result<(), Failure> {
        Err(Failure::new(format!(
            "packages of the system are not removed: {}",
            names.join(" ")
        )))
    }

    fn remains(
        &self,
        module: &ModuleId,
        names: &[&str],
        is_adopted: bool,
        machine: &Machine,
    ) -> (String, String) {
        // A module that names none has the one that the table knows.
        let declared: Vec<String> = match names {
            [name] if *name == module.as_str() => Vec::new(),
            names => names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let names = package_names(machine, module.as_str(), &declared).join(" ");
        let remove = detected(machine)
            .map(|manager| format!("; `{} {names}` removes it", manager.remove))
            .unwrap_or_default();
        let why = match is_adopted {
            true => "it existed before the install",
            false => "system packages may be used by other programs",
        };
        (format!("package {names}"), format!("{why}{remove}"))
    }
}

/// Packages of several modules.
struct PackageBatch;

impl Batch for PackageBatch {
    fn manager(&self, machine: &Machine) -> &'static str {
        detected(machine).map_or("the system", |manager| manager.name)
    }

    fn installed(
        &self,
        names: &[String],
        context: &StepContext<'_>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        installed(context, manager(context.machine)?, names)
    }

    fn install(
        self: Arc<Self>,
        names: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        install(context, manager(context.machine)?, names, false)
    }
}

/// The system's package manager, where there is one.
fn detected(machine: &Machine) -> Option<&'static Manager> {
    #[derive(Clone)]
    struct Detected(Option<&'static Manager>);
    let detect = || Ok(Detected(Manager::detect(&machine.environment.path())));
    machine.remember(detect).ok()?.0
}

/// What scripts see of the system's package manager.
pub fn package_variables(machine: &Machine) -> Vec<(&'static str, String)> {
    let manager = detected(machine);
    let text = |text: fn(&Manager) -> String| manager.map(text).unwrap_or_default();
    vec![
        ("PKG_MANAGER", text(|manager| manager.name.to_owned())),
        ("PKG_INSTALL", text(|manager| manager.install.join(" "))),
        ("PKG_UPDATE", text(|manager| manager.refresh.join(" "))),
    ]
}

/// The command that installs a program on the system.
pub fn install_command(machine: &Machine, program: &str) -> Option<String> {
    let manager = detected(machine)?;
    let package = match (manager.name, program) {
        ("emerge", "git") => return Some("emerge dev-vcs/git".to_owned()),
        (_, package) => package,
    };
    Some(format!("{} {package}", manager.install.join(" ")))
}

/// The system's package manager.
pub fn manager(machine: &Machine) -> Result<&'static Manager, Failure> {
    let known: Vec<&str> = managers::MANAGERS
        .iter()
        .map(|manager| manager.program)
        .collect();
    detected(machine).ok_or_else(|| {
        Failure::new(format!(
            "no package manager found: none of {} is on PATH",
            known.join(", ")
        ))
    })
}

/// Which of these packages are installed, with their versions.
pub fn installed(
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

/// Compares packages with the lists of the package manager, as they are.
fn newer_packages(uses: &[MethodUse<'_>], machine: &Machine) -> NewerVersions {
    let Some(candidates) = manager(machine).ok().and_then(|manager| manager.candidates) else {
        return Vec::new();
    };
    let packages_of = |used: &MethodUse<'_>| {
        let names = names_of(std::slice::from_ref(used), machine);
        (used.module.id.clone(), names)
    };
    let modules: Vec<(ModuleId, Vec<String>)> = uses.iter().map(packages_of).collect();
    let task = TaskContext::alone(|_| {});
    let names = modules
        .iter()
        .flat_map(|(_, names)| names.iter().map(String::as_str));
    let environment = machine.script_environment(&BTreeMap::new(), "");
    let command = Command::new(candidates[0])
        .args(candidates[1..].iter().copied())
        .args(names)
        .environment(environment)
        .set("LC_ALL", "C")
        .data();
    let (mut package, mut installed) = (String::new(), String::new());
    let mut newer: BTreeMap<String, Newer> = BTreeMap::new();
    let asked = task.run_with(&command, |stream, line| {
        if stream != Stream::Stdout {
            return;
        }
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            package = name.split(':').next().unwrap_or(name).to_owned();
        } else if let Some(version) = line.trim().strip_prefix("Installed: ") {
            installed = version.to_owned();
        } else if let Some(version) = line.trim().strip_prefix("Candidate: ") {
            let is_newer = installed != "(none)" && version != "(none)" && version != installed;
            let answer = is_newer.then(|| Newer {
                installed: installed.clone(),
                offered: version.to_owned(),
            });
            newer.extend(answer.map(|answer| (package.clone(), answer)));
        }
    });
    if let Err(failure) = asked {
        return modules
            .iter()
            .map(|(id, _)| (id.clone(), Err(failure.clone())))
            .collect();
    }
    let of_module = |(id, names): &(ModuleId, Vec<String>)| {
        let newer = names
            .iter()
            .find_map(|name| newer.get(name.split(['=', ':']).next()?).cloned())?;
        Some((id.clone(), Ok(newer)))
    };
    modules.iter().filter_map(of_module).collect()
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
pub fn install(
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
