//! Installs Python packages below a directory, laid out as a user's site (`DIR/bin`, `DIR/lib/pythonX.Y/site-packages`).

use std::path::{Path, PathBuf};

use hoist_executor::{Command, Effect, Failure, Stream};
use serde::Deserialize;

use crate::batch::{Bulk, Share};
use crate::machine::{Machine, is_executable};
use crate::method::{Applied, Method, StepContext};

/// Packages and the directory they go to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pip {
    pub(crate) packages: Vec<String>,
    pub(crate) target: PathBuf,
    #[serde(default)]
    pub(crate) upgrade: bool,
    /// What was there before the packages of several modules were installed together.
    #[serde(skip)]
    pub(crate) share: Option<Share>,
    /// Whether it was applied, so that what the batch changed is its doing.
    #[serde(skip)]
    pub(crate) applied: bool,
}

/// The pool of a target: two pips in one directory overwrite each other's files.
pub(crate) fn pool(target: &Path) -> String {
    format!("pip:{}", target.display())
}

impl Method for Pip {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![(pool(&self.target), 1)]
    }

    fn version(&self) -> Option<String> {
        let name = self.packages.first()?;
        let before = self.share.as_ref().filter(|share| !self.applied && share.changed(name)).map(|share| share.before(name));
        before.unwrap_or_else(|| installed(&self.target, name))
    }

    fn bulk(&mut self, share: Share) -> Option<Bulk> {
        self.share = Some(share);
        Some(Bulk { pool: pool(&self.target), method: "pip", target: Some(self.target.clone()), upgrade: self.upgrade })
    }

    fn packages(&self, _: &Machine) -> Vec<String> {
        self.packages.clone()
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        self.applied = true;
        let missing = |names: &[String]| names.iter().filter(|name| installed(&self.target, name).is_none()).cloned().collect::<Vec<_>>();
        let before = missing(&self.packages);
        let upgraded = self.share.as_ref().is_some_and(|share| self.packages.iter().all(|name| share.upgraded(name)));
        let forced = context.force || (self.upgrade && !upgraded);
        let asked = if forced { self.packages.clone() } else { before.clone() };
        let versions_before = self.versions();
        if !asked.is_empty() {
            let more: &[&str] = match (self.upgrade, context.force) {
                (true, _) => &["--upgrade"],
                (_, true) => &["--force-reinstall", "--no-deps"],
                _ => &[],
            };
            install(context, &self.target, &asked, more)?;
            let still = missing(&self.packages);
            if !still.is_empty() {
                context.task.note(
                    hoist_executor::Level::Info,
                    format!("{} came with the system's Python, not from {}", still.join(", "), self.target.display()),
                );
            }
        }
        let batched = self.share.as_ref().is_some_and(|share| self.packages.iter().any(|name| share.changed(name)));
        let changed = batched || (!asked.is_empty() && (context.force || self.versions() != versions_before));
        let version = self.packages.first().and_then(|name| installed(&self.target, name));
        Ok(Applied { effect: if changed { Effect::Changed } else { Effect::Unchanged }, ..Applied::unchanged() }.version(version))
    }
}

impl Pip {
    fn versions(&self) -> Vec<Option<String>> {
        self.packages.iter().map(|name| installed(&self.target, name)).collect()
    }
}

/// Runs pip once for these packages.
pub(crate) fn install(context: &StepContext<'_>, target: &Path, packages: &[String], more: &[&str]) -> Result<(), Failure> {
    let target_text = target.display().to_string();
    let command = match program(context, target)? {
        Program::Pip(pip) => pip.args(["install", "--user", "--no-input", "--no-warn-script-location"]).args(more.iter().copied()),
        Program::Uv(uv) => {
            let more = more.iter().map(|arg| if *arg == "--force-reinstall" { "--reinstall" } else { arg });
            uv.args(["pip", "install", "--python", "python3", "--break-system-packages", "--prefix", &target_text]).args(more)
        }
    };
    run(context, command.args(["--"]).args(packages), "pip install")
}

/// Takes packages away again, as pip does.
pub(crate) fn uninstall(context: &StepContext<'_>, target: &Path, packages: &[String]) -> Result<(), Failure> {
    let target_text = target.display().to_string();
    let command = match program(context, target)? {
        Program::Pip(pip) => pip.args(["uninstall", "--yes", "--no-input"]),
        Program::Uv(uv) => uv.args(["pip", "uninstall", "--python", "python3", "--break-system-packages", "--prefix", &target_text]),
    };
    run(context, command.args(["--"]).args(packages), "pip uninstall")
}

enum Program {
    Pip(Command),
    Uv(Command),
}

/// What installs Python packages on this machine, with the environment that makes `target` its place.
fn program(context: &StepContext<'_>, target: &Path) -> Result<Program, Failure> {
    let mut environment = context.machine.script_environment(context.variables, context.path);
    // A virtual environment has no user's site, and other settings would lead elsewhere.
    let own = environment.remove("VIRTUAL_ENV").map(|environment| PathBuf::from(environment).join("bin"));
    ["PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV"]
        .iter()
        .for_each(|name| drop(environment.remove(*name)));
    let directories: Vec<PathBuf> =
        std::env::split_paths(environment.get("PATH").map_or("", String::as_str)).filter(|path| Some(path) != own.as_ref()).collect();
    environment.insert("PATH".to_owned(), directories.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":"));
    let find = |name: &str| directories.iter().map(|directory| directory.join(name)).find(|path| is_executable(path));
    let settings = [
        ("PYTHONUSERBASE", target.display().to_string()),
        ("PIP_BREAK_SYSTEM_PACKAGES", "1".to_owned()),
        ("PIP_ROOT_USER_ACTION", "ignore".to_owned()),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned()),
        ("PIP_PROGRESS_BAR", "off".to_owned()),
    ];
    environment.extend(settings.map(|(name, value)| (name.to_owned(), value)));
    let command = |program: PathBuf| Command::new(program).environment(environment.clone());
    if let Some(pip) = find("pip3").or_else(|| find("pip")) {
        Ok(Program::Pip(command(pip)))
    } else if let Some(python) = find("python3").filter(|_| has_pip_module(context)) {
        Ok(Program::Pip(command(python).args(["-m", "pip"])))
    } else if let Some(uv) = find("uv") {
        Ok(Program::Uv(command(uv)))
    } else {
        Err(Failure::new("neither pip3, pip nor uv is on the path: install Python's pip (Debian: python3-pip)"))
    }
}

fn has_pip_module(context: &StepContext<'_>) -> bool {
    let probe = Command::new("python3").args(["-m", "pip", "--version"]);
    context.task.read(&probe).is_ok_and(|(exit, _)| exit.success())
}

fn run(context: &StepContext<'_>, command: Command, what: &str) -> Result<(), Failure> {
    let mut error = None;
    let exit = context.task.run_with(&command, |stream, line| {
        if let (Stream::Stderr, Some(text)) = (stream, line.strip_prefix("ERROR: ")) {
            error = Some(text.to_owned());
        }
        context.task.output(stream, line);
    })?;
    match exit.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("{what} failed: {}", error.unwrap_or_else(|| exit.to_string())))),
    }
}

/// The version of a package below a target, from the directories that pip leaves there.
pub(crate) fn installed(target: &Path, requirement: &str) -> Option<String> {
    let name = requirement.split(['=', '<', '>', '!', '~', '[', ';', ' ', '@']).next().unwrap_or_default();
    let wanted = normalized(name);
    let pythons = std::fs::read_dir(target.join("lib")).ok()?.flatten().map(|entry| entry.path().join("site-packages"));
    let entries = pythons.filter_map(|site| std::fs::read_dir(site).ok()).flatten().flatten();
    entries
        .filter_map(|entry| {
            let file = entry.file_name().to_string_lossy().into_owned();
            let stem = file.strip_suffix(".dist-info").or_else(|| file.strip_suffix(".egg-info"))?;
            let (name, version) = stem.split_once('-')?;
            (normalized(name) == wanted).then(|| version.to_owned())
        })
        .next()
}

/// A name as Python's packaging compares names: case, `-`, `_` and `.` do not matter.
fn normalized(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_seen_by_what_pip_leaves() {
        let target = tempfile::tempdir().unwrap();
        let site = target.path().join("lib/python3.11/site-packages");
        std::fs::create_dir_all(site.join("Typing_Extensions-4.1.dist-info")).unwrap();
        assert_eq!(installed(target.path(), "typing-extensions>=4").as_deref(), Some("4.1"));
        assert_eq!(installed(target.path(), "typing"), None);
    }
}
