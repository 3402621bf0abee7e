//! Which versions of installed modules are newer, as far as the tools that installed them can tell
//! without changing anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use hoist_core::{Action, Module, ModuleId, redact_urls};
use hoist_executor::{Command, Failure, Stream, TaskContext};

use crate::builtin::package::{self, Manager};
use crate::builtin::pip;
use crate::git::local::{LocalClone, open_repository};
use crate::git::{program::Program, remote};
use crate::machine::Machine;
use crate::method::StepContext;

/// Clones whose remotes are asked at once.
const AT_ONCE: usize = 16;

/// A newer version than the one that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// The version that is installed.
    pub installed: String,
    /// The newer one.
    pub offered: String,
}

/// Compares a clone with its remote as of the last fetch. Starts no process.
pub fn clone_behind(dir: &Path) -> Option<Newer> {
    let repository = open_repository(dir).ok()?;
    let head = repository.head().ok()?;
    let (reference, commit) = (
        head.name().ok()?.to_owned(),
        head.peel_to_commit().ok()?.id(),
    );
    let upstream = repository.branch_upstream_name(&reference).ok()?;
    let upstream = repository.refname_to_id(upstream.as_str().ok()?).ok()?;
    let (_, behind) = repository.graph_ahead_behind(commit, upstream).ok()?;
    let short = |id: git2::Oid| id.to_string()[..12].to_owned();
    (behind > 0).then(|| Newer {
        installed: short(commit),
        offered: short(upstream),
    })
}

/// When a clone last heard of its remote.
pub fn fetched_at(dir: &Path) -> Option<SystemTime> {
    let git_dir = crate::git::local::git_dir(dir)?;
    let modified = |name: &str| {
        git_dir
            .join(name)
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    modified("FETCH_HEAD").or_else(|| modified("config"))
}

/// Asks remotes, package indexes and package lists for newer versions of modules. Those that cannot
/// be asked have a failure in place of an answer.
pub fn newer_versions(
    modules: &[&Module],
    machine: &Machine,
) -> BTreeMap<ModuleId, Result<Newer, Failure>> {
    let mut found = BTreeMap::new();
    let mut clones: Vec<(&Module, PathBuf, String)> = Vec::new();
    let mut python: BTreeMap<PathBuf, Vec<(&ModuleId, Vec<String>)>> = BTreeMap::new();
    let mut packages: Vec<(&ModuleId, Vec<String>)> = Vec::new();
    for module in modules {
        for step in module.recipe.steps(Action::Install) {
            let names: Vec<String> =
                serde_json::from_value(step.args["packages"].clone()).unwrap_or_default();
            match (step.method, &module.repository) {
                ("git", Some(repository)) => {
                    clones.push((module, repository.dir.clone(), repository.url.clone()))
                }
                ("pip", _) => {
                    let target: Option<PathBuf> =
                        serde_json::from_value(step.args["target"].clone()).ok();
                    python
                        .entry(target.unwrap_or_default())
                        .or_default()
                        .push((&module.id, names));
                }
                ("package", _) => packages.push((
                    &module.id,
                    package::package_names(machine, module.id.as_str(), &names),
                )),
                _ => {}
            }
        }
    }
    found.extend(newer_commits(&clones, machine));
    for (target, modules) in python {
        found.extend(newer_python(&target, &modules, machine));
    }
    if let Ok(manager) = package::manager(machine) {
        found.extend(newer_packages(manager, &packages, machine));
    }
    found
}

/// Asks the remotes of clones, several at once.
fn newer_commits(
    clones: &[(&Module, PathBuf, String)],
    machine: &Machine,
) -> Vec<(ModuleId, Result<Newer, Failure>)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((module, dir, url)) = clones.get(next.fetch_add(1, Ordering::SeqCst)) {
            let answer = newer_commit(dir, url, machine).transpose();
            let mut found = found
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            found.extend(answer.map(|answer| (module.id.clone(), answer)));
        }
    };
    std::thread::scope(|scope| {
        (0..AT_ONCE.min(clones.len())).for_each(|_| drop(scope.spawn(work)))
    });
    found.into_inner().unwrap_or_default()
}

fn newer_commit(dir: &Path, url: &str, machine: &Machine) -> Result<Option<Newer>, Failure> {
    let task = TaskContext::alone(|_| {});
    let clone = LocalClone::open(dir, &task, machine)?;
    let Some(branch) = clone.branch()? else {
        return Ok(None);
    };
    let Some(commit) = branch.commit else {
        return Ok(None);
    };
    let program: Program<'_> = clone.program.clone().connecting_to(url);
    let state = remote::ask(
        &program,
        &branch.remote,
        &redact_urls(url),
        &branch.upstream,
    )?;
    let Some(offered) = state.branch.or(state.head) else {
        return Ok(None);
    };
    // What the clone has is not newer, also where commits of its own are on top of it.
    let has = program.holds(["merge-base", "--is-ancestor", &offered, "HEAD"])?;
    let short = |commit: &str| commit.get(..12).unwrap_or(commit).to_owned();
    Ok((!has).then(|| Newer {
        installed: short(&commit),
        offered: short(&offered),
    }))
}

/// Asks pip which packages of a target have newer versions.
fn newer_python(
    target: &Path,
    modules: &[(&ModuleId, Vec<String>)],
    machine: &Machine,
) -> Vec<(ModuleId, Result<Newer, Failure>)> {
    let task = TaskContext::alone(|_| {});
    let variables = BTreeMap::new();
    let context = StepContext::new(&task, machine, "outdated", &variables);
    let outdated = match pip::outdated(&context, target) {
        Ok(outdated) => outdated,
        Err(failure) => {
            return modules
                .iter()
                .map(|(id, _)| ((*id).clone(), Err(failure.clone())))
                .collect();
        }
    };
    let of_module = |(id, names): &(&ModuleId, Vec<String>)| {
        let newer = names
            .iter()
            .find_map(|name| outdated.get(&pip::normalized(name)).cloned())?;
        Some((
            (*id).clone(),
            Ok(Newer {
                installed: newer.0,
                offered: newer.1,
            }),
        ))
    };
    modules.iter().filter_map(of_module).collect()
}

/// Compares packages with the lists of the package manager, as they are.
fn newer_packages(
    manager: &Manager,
    modules: &[(&ModuleId, Vec<String>)],
    machine: &Machine,
) -> Vec<(ModuleId, Result<Newer, Failure>)> {
    let (Some(candidates), false) = (manager.candidates, modules.is_empty()) else {
        return Vec::new();
    };
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
            .map(|(id, _)| ((*id).clone(), Err(failure.clone())))
            .collect();
    }
    let of_module = |(id, names): &(&ModuleId, Vec<String>)| {
        let newer = names
            .iter()
            .find_map(|name| newer.get(name.split(['=', ':']).next()?).cloned())?;
        Some(((*id).clone(), Ok(newer)))
    };
    modules.iter().filter_map(of_module).collect()
}
