//! Packages that a program installs below a directory of the user, such as `~/.local`: one step for
//! all programs that can do that.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hoist_core::{Diagnostic, ModuleId, Resource, ResourceScope, Step};
use hoist_executor::{Command, Failure, Stream, TaskContext};
use hoist_machine::machine::{Machine, is_executable};
use hoist_system::batch::{Batch, Batches, SharedBatch};
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry, MethodUse, Newer, NewerVersions};
use hoist_system::program::RequiredProgram;
use hoist_system::resource::ResourceManager;
use semver::{Version, VersionReq};
use serde::Deserialize;

/// What packages are installed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallMode {
    /// They are not there.
    Missing,
    /// To have their newest versions.
    Newest,
    /// To have their files as they were released.
    Again,
}

/// A program that installs packages below a directory.
///
/// A request is the name of a package, with the version that is wanted behind it as the program
/// writes that.
pub trait UserPackages: ResourceManager + 'static {
    /// The name of the method.
    const NAME: &'static str;
    /// The only value of the type.
    const MANAGER: &'static Self;
    /// The program.
    const PROGRAM: &'static RequiredProgram;

    /// Why a request is not one for a package, where it is not.
    fn problem(&self, request: &str) -> Option<&'static str> {
        let _ = request;
        None
    }

    /// The installed version of the package of a request. `None` where it is not there, or not in
    /// the version that is wanted.
    fn installed(&self, target: &Path, request: &str) -> Option<String>;

    /// Installs packages in one call of the program.
    ///
    /// # Errors
    /// The program is missing, or fails.
    fn install_below(
        &self,
        target: &Path,
        requests: &[String],
        mode: InstallMode,
        context: &StepContext<'_>,
    ) -> Result<(), Failure>;

    /// Says that packages are not there though the program succeeded.
    ///
    /// # Errors
    /// Packages that it installs are always below the directory.
    fn explain_missing(
        &self,
        target: &Path,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let _ = context;
        Err(Failure::new(format!(
            "{} succeeded, but {} is not below {}",
            Self::PROGRAM.name,
            requests.join(", "),
            target.display()
        )))
    }

    /// The packages of requests that have newer versions, by their normalized names.
    ///
    /// # Errors
    /// The program is missing, or fails.
    fn newer(
        &self,
        target: &Path,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<BTreeMap<String, Newer>, Failure>;
}

/// The entry of such a program in the table of methods.
pub const fn entry<P: UserPackages>() -> MethodEntry {
    MethodEntry {
        programs: &[P::PROGRAM],
        is_repeatable: true,
        manager: Some(P::MANAGER),
        resources: resources::<P>,
        preflight: preflight::<P>,
        newer: newer::<P>,
        ..MethodEntry::new::<InstallPackages<P>>(P::NAME)
    }
}

/// The pool of a directory: two calls of a program in one directory overwrite each other's files.
pub fn pool(method: &str, target: &Path) -> String {
    format!("{method}:{}", target.display())
}

/// Packages and the directory that they go to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
struct InstallPackages<P> {
    /// What the program is asked for.
    packages: Vec<String>,
    /// The directory below which it is installed.
    target: PathBuf,
    /// Whether newer versions are installed.
    #[serde(default)]
    upgrade: bool,
    /// What was there before the packages of several modules were installed together.
    #[serde(skip)]
    batch: Option<Arc<SharedBatch>>,
    /// Whether it was applied, so that what the batch changed is its doing.
    #[serde(skip)]
    applied: bool,
    #[serde(skip)]
    program: PhantomData<fn() -> P>,
}

impl<P: UserPackages> InstallPackages<P> {
    fn missing(&self) -> Vec<String> {
        let is_missing = |name: &&String| P::MANAGER.installed(&self.target, name).is_none();
        self.packages.iter().filter(is_missing).cloned().collect()
    }

    fn versions(&self) -> Vec<Option<String>> {
        let version = |name: &String| P::MANAGER.installed(&self.target, name);
        self.packages.iter().map(version).collect()
    }

    fn batch_has(&self, is_done: impl Fn(&SharedBatch, &str) -> bool) -> Vec<bool> {
        let Some(batch) = &self.batch else {
            return Vec::new();
        };
        let names = self.packages.iter();
        names.map(|name| is_done(batch, name)).collect()
    }
}

impl<P: UserPackages> Method for InstallPackages<P> {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![(pool(P::NAME, &self.target), 1)]
    }

    fn changes_only_files(&self) -> bool {
        false
    }

    fn version(&self) -> Option<String> {
        let name = self.packages.first()?;
        let before = self
            .batch
            .as_ref()
            .filter(|batch| !self.applied && batch.changed(name))
            .map(|batch| batch.before(name));
        before.unwrap_or_else(|| P::MANAGER.installed(&self.target, name))
    }

    fn join_batch(
        &mut self,
        batches: &mut Batches,
        _: &Machine,
    ) -> Option<(Arc<SharedBatch>, Vec<String>)> {
        let batch = batches.join(pool(P::NAME, &self.target), || PackageBatch::<P> {
            target: self.target.clone(),
            upgrade: self.upgrade,
            program: PhantomData,
        });
        self.batch = Some(batch.clone());
        Some((batch, self.packages.clone()))
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        self.applied = true;
        let upgraded = self.batch_has(SharedBatch::upgraded);
        let is_upgraded = self.batch.is_some() && upgraded.iter().all(|upgraded| *upgraded);
        let requests = match context.force || (self.upgrade && !is_upgraded) {
            true => self.packages.clone(),
            false => self.missing(),
        };
        let before = self.versions();
        if !requests.is_empty() {
            let mode = match (self.upgrade, context.force) {
                (true, _) => InstallMode::Newest,
                (_, true) => InstallMode::Again,
                _ => InstallMode::Missing,
            };
            P::MANAGER.install_below(&self.target, &requests, mode, context)?;
            let still = self.missing();
            if !still.is_empty() {
                P::MANAGER.explain_missing(&self.target, &still, context)?;
            }
        }
        let is_batched = self.batch_has(SharedBatch::changed).contains(&true);
        let is_changed = !requests.is_empty() && (context.force || self.versions() != before);
        let applied = match is_batched || is_changed {
            true => Applied::changed(),
            false => Applied::unchanged(),
        };
        Ok(applied.version(self.versions().into_iter().next().flatten()))
    }
}

/// Packages of several modules in one directory.
struct PackageBatch<P> {
    target: PathBuf,
    upgrade: bool,
    program: PhantomData<fn() -> P>,
}

impl<P: UserPackages> Batch for PackageBatch<P> {
    fn manager(&self, _: &Machine) -> &'static str {
        P::NAME
    }

    fn upgrades(&self) -> bool {
        self.upgrade
    }

    fn installed(
        &self,
        names: &[String],
        _: &StepContext<'_>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let version =
            |name: &String| Some((name.clone(), P::MANAGER.installed(&self.target, name)?));
        Ok(names.iter().filter_map(version).collect())
    }

    fn install(
        self: Arc<Self>,
        names: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let mode = match self.upgrade {
            true => InstallMode::Newest,
            false => InstallMode::Missing,
        };
        P::MANAGER.install_below(&self.target, names, mode, context)
    }
}

fn read<P: UserPackages>(step: &Step) -> Option<InstallPackages<P>> {
    InstallPackages::deserialize(&step.args).ok()
}

/// The packages that a step installs.
fn resources<P: UserPackages>(step: &Step) -> Vec<Resource> {
    let Some(step) = read::<P>(step) else {
        return Vec::new();
    };
    let scope = ResourceScope::new(P::NAME, &step.target);
    let names = step.packages.iter();
    names
        .map(|name| Resource::new(scope.clone(), name.as_str()))
        .collect()
}

/// Finds requests that are not for packages.
fn preflight<P: UserPackages>(uses: &[MethodUse<'_>], _: &Machine) -> Vec<Diagnostic> {
    let problems = |used: &MethodUse<'_>| {
        let names = read::<P>(used.step).map_or(Vec::new(), |step| step.packages);
        let problem = |name: String| Some((P::MANAGER.problem(&name)?, name));
        let problems = names.into_iter().filter_map(problem);
        let diagnostic = |(help, name): (&'static str, String)| {
            let message = format!("`{}` is not a package name", name.escape_debug());
            Diagnostic::error(message)
                .module(used.module.id.as_str())
                .file(used.module.manifest.display().to_string())
                .help(help)
        };
        problems.map(diagnostic).collect::<Vec<_>>()
    };
    uses.iter().flat_map(problems).collect()
}

/// Whether a version is the wanted one: an exact version, or a range. Other words, such as tags of a
/// registry, allow any.
pub fn is_wanted(version: &str, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    let Ok(parsed) = Version::parse(version) else {
        return version == wanted;
    };
    match (Version::parse(wanted), VersionReq::parse(wanted)) {
        (Ok(exact), _) => exact == parsed,
        (_, Ok(range)) => range.matches(&parsed),
        _ => true,
    }
}

/// The environment for a program, without variables that would have it do something else.
pub fn environment(
    context: &StepContext<'_>,
    is_foreign: impl Fn(&str) -> bool,
) -> BTreeMap<String, String> {
    let machine = context.machine;
    let mut environment = machine.script_environment(context.variables, &context.path.joined());
    environment.retain(|name, _| !is_foreign(name));
    environment
}

/// The path of a program in an environment.
pub fn find_in(environment: &BTreeMap<String, String>, name: &str) -> Option<PathBuf> {
    let path = environment.get("PATH").map_or("", String::as_str);
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|path| is_executable(path))
}

/// Runs the program. `read_error` is called with its messages, and sets what is wrong.
pub fn run(
    context: &StepContext<'_>,
    command: &Command,
    what: &str,
    mut read_error: impl FnMut(&str, &mut Option<String>),
) -> Result<(), Failure> {
    let mut error = None;
    let exit = context.task.run_with(command, |stream, line| {
        if stream == Stream::Stderr {
            read_error(line, &mut error);
        }
        context.task.output(stream, line);
    })?;
    let why = || error.unwrap_or_else(|| exit.to_string());
    match exit.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("{what} failed: {}", why()))),
    }
}

/// Asks the program which packages have newer versions, once for each directory.
fn newer<P: UserPackages>(uses: &[MethodUse<'_>], machine: &Machine) -> NewerVersions {
    let mut by_target: BTreeMap<PathBuf, Vec<(&ModuleId, Vec<String>)>> = BTreeMap::new();
    for MethodUse { module, step } in uses {
        if let Some(step) = read::<P>(step) {
            let modules = by_target.entry(step.target).or_default();
            modules.push((&module.id, step.packages));
        }
    }
    let newer = by_target
        .iter()
        .flat_map(|(target, modules)| newer_below::<P>(target, modules, machine));
    newer.collect()
}

fn newer_below<P: UserPackages>(
    target: &Path,
    modules: &[(&ModuleId, Vec<String>)],
    machine: &Machine,
) -> NewerVersions {
    let task = TaskContext::alone(|_| {});
    let variables = BTreeMap::new();
    let context = StepContext::new(&task, machine, "outdated", &variables);
    let requests: Vec<String> = modules
        .iter()
        .flat_map(|(_, names)| names.clone())
        .collect();
    let newer = match P::MANAGER.newer(target, &requests, &context) {
        Ok(newer) => newer,
        Err(failure) => {
            let failed = |(id, _): &(&ModuleId, _)| ((*id).clone(), Err(failure.clone()));
            return modules.iter().map(failed).collect();
        }
    };
    let of_module = |(id, names): &(&ModuleId, Vec<String>)| {
        let mut names = names.iter();
        let newer = names.find_map(|name| newer.get(&P::MANAGER.normalized(name)))?;
        Some(((*id).clone(), Ok(newer.clone())))
    };
    modules.iter().filter_map(of_module).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_with_what_is_wanted() {
        for (wanted, is) in [
            (None, true),
            (Some("1.2.3"), true),
            (Some("1.2.4"), false),
            (Some("^1.1"), true),
            (Some("~1.1"), false),
            (Some("latest"), true),
        ] {
            assert_eq!(is_wanted("1.2.3", wanted), is, "{wanted:?}");
        }
    }
}
