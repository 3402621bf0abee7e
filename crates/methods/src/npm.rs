//! Installs npm packages below a directory, as global packages are: `DIR/bin`,
//! `DIR/lib/node_modules`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_core::ResourceScope;
use hoist_executor::{Command, Failure};
use hoist_system::context::StepContext;
use hoist_system::method::{MethodEntry, Newer};
use hoist_system::program::RequiredProgram;
use hoist_system::resource::ResourceManager;
use serde::Deserialize;

use crate::user_packages::{
    self, InstallMode, UserPackages, environment, find_in, is_wanted, pool,
};

/// What installs npm packages.
static NPM: RequiredProgram = RequiredProgram {
    name: "npm",
    find: |machine| machine.program_shown("npm"),
    missing: None,
};

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = user_packages::entry::<NpmPackages>();

/// The global packages below directories.
#[derive(Debug)]
pub struct NpmPackages;

impl UserPackages for NpmPackages {
    const NAME: &'static str = "npm";
    const MANAGER: &'static Self = &NpmPackages;
    const PROGRAM: &'static RequiredProgram = &NPM;

    fn problem(&self, request: &str) -> Option<&'static str> {
        let (name, _) = split(request);
        let name = name.strip_prefix('@').map_or(name, |scoped| {
            // A scope is a name as well.
            scoped.split_once('/').map_or("", |(_, name)| name)
        });
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~');
        (name.is_empty() || !name.chars().all(is_plain))
            .then_some("npm reads it as something else; write NAME, NAME@VERSION or @SCOPE/NAME")
    }

    fn installed(&self, target: &Path, request: &str) -> Option<String> {
        let (name, wanted) = split(request);
        let version = read_manifest(&packages_below(target).join(name))?.version;
        is_wanted(&version, wanted).then_some(version)
    }

    fn install_below(
        &self,
        target: &Path,
        requests: &[String],
        mode: InstallMode,
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let newest = |request: &String| match (split(request), mode) {
            ((name, None), InstallMode::Newest) => format!("{name}@latest"),
            _ => request.clone(),
        };
        let requests: Vec<String> = requests.iter().map(newest).collect();
        run(context, target, "install", &requests)
    }

    fn newer(
        &self,
        target: &Path,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<BTreeMap<String, Newer>, Failure> {
        #[derive(Deserialize)]
        struct Outdated {
            current: Option<String>,
            latest: String,
        }
        let names = requests.iter().map(|request| split(request).0);
        let (exit, text) = context.task.read(
            &npm(context, target)?
                .args(["outdated", "--global", "--json", "--prefix"])
                .args([target])
                .args(names),
        )?;
        // It ends with 1 where something is outdated.
        let listed: Result<BTreeMap<String, Outdated>, _> = serde_json::from_str(text.trim());
        let listed =
            listed.map_err(|_| Failure::new(format!("`npm outdated` ended with {exit}")))?;
        let newer = |(name, package): (String, Outdated)| {
            let installed = package.current?;
            let newer = Newer {
                installed: installed.clone(),
                offered: package.latest,
            };
            (newer.offered != installed).then_some((name, newer))
        };
        Ok(listed.into_iter().filter_map(newer).collect())
    }
}

impl ResourceManager for NpmPackages {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn nouns(&self) -> [&'static str; 2] {
        ["npm package", "npm packages"]
    }

    fn normalized(&self, name: &str) -> String {
        split(name).0.to_owned()
    }

    fn finds_installed(&self) -> bool {
        true
    }

    fn request(&self, name: &str, version: &str) -> String {
        format!("{}@{version}", split(name).0)
    }

    fn pool(&self, scope: &ResourceScope) -> String {
        pool(Self::NAME, &scope.directory)
    }

    fn versions(&self, scope: &ResourceScope, name: &str) -> Vec<String> {
        let name = self.normalized(name);
        let version = self.installed(&scope.directory, &name);
        version.into_iter().collect()
    }

    fn names(&self, scope: &ResourceScope) -> BTreeSet<String> {
        let below = |directory: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            names.filter(|name| !name.starts_with('.')).collect()
        };
        let packages = packages_below(&scope.directory);
        let scoped = |name: String| match name.starts_with('@') {
            true => {
                let inside = below(&packages.join(&name)).into_iter();
                inside.map(|inner| format!("{name}/{inner}")).collect()
            }
            false => vec![name],
        };
        below(&packages).into_iter().flat_map(scoped).collect()
    }

    fn install(
        &self,
        scope: &ResourceScope,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        self.install_below(&scope.directory, requests, InstallMode::Missing, context)
    }

    fn remove(
        &self,
        scope: &ResourceScope,
        names: &[String],
        _: Option<&str>,
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let names: Vec<String> = names.iter().map(|name| self.normalized(name)).collect();
        run(context, &scope.directory, "uninstall", &names)
    }

    /// Programs of packages are links to where the packages stand.
    fn owned_files(&self, home: &Path, new: &[&Path]) -> BTreeSet<PathBuf> {
        let programs = home.join(".local/bin");
        let is_program = |path: &&&Path| {
            let target = std::fs::read_link(path).ok();
            path.starts_with(&programs)
                && target.is_some_and(|target| target.starts_with("../lib/node_modules"))
        };
        let owned = new.iter().filter(is_program);
        owned.map(|path| path.to_path_buf()).collect()
    }
}

/// What is read of a `package.json`.
#[derive(Deserialize)]
struct PackageJson {
    version: String,
}

fn read_manifest(package: &Path) -> Option<PackageJson> {
    let text = hoist_files::read_text(&package.join("package.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// Where npm puts global packages.
fn packages_below(target: &Path) -> PathBuf {
    target.join("lib/node_modules")
}

/// The name and the wanted version of `NAME`, `NAME@VERSION`, `@SCOPE/NAME@VERSION`.
fn split(request: &str) -> (&str, Option<&str>) {
    let scope = usize::from(request.starts_with('@'));
    match request[scope..].split_once('@') {
        Some((name, version)) => (&request[..scope + name.len()], Some(version)),
        None => (request, None),
    }
}

/// npm with an environment in which nothing leads packages elsewhere.
fn npm(context: &StepContext<'_>, target: &Path) -> Result<Command, Failure> {
    /// Settings that would do that, or have npm do nothing.
    const FOREIGN: &[&str] = &[
        "dry_run",
        "global",
        "location",
        "package_lock_only",
        "prefix",
    ];
    let environment = environment(context, |name| {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let setting = name.strip_prefix("npm_config_");
        setting.is_some_and(|setting| FOREIGN.contains(&setting))
    });
    let program = find_in(&environment, "npm").ok_or_else(|| {
        Failure::new("npm is not on PATH: install Node.js with npm (Debian: npm)")
    })?;
    std::fs::create_dir_all(target)
        .map_err(|error| context.task.failed("creating", target, &error))?;
    // Settings of a project that hoist happens to be started in do not count.
    Ok(Command::new(program)
        .environment(environment)
        .directory(target))
}

/// Runs npm once for these packages.
fn run(
    context: &StepContext<'_>,
    target: &Path,
    action: &str,
    packages: &[String],
) -> Result<(), Failure> {
    let command = npm(context, target)?
        .args([action, "--global", "--no-audit", "--no-fund"])
        .args(["--no-update-notifier", "--no-progress", "--prefix"])
        .args([target])
        .args(["--"])
        .args(packages);
    let what = format!("npm {action}");
    user_packages::run(context, &command, &what, |line, error| {
        let message = line
            .strip_prefix("npm error ")
            .or_else(|| line.strip_prefix("npm ERR! "));
        // The first line is the code of the error, and the next says what is wrong.
        if let Some(message) = message.filter(|message| !message.starts_with("code ")) {
            error.get_or_insert_with(|| message.to_owned());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_names_and_versions() {
        assert_eq!(split("a"), ("a", None));
        assert_eq!(split("a@^1.2"), ("a", Some("^1.2")));
        assert_eq!(split("@s/a"), ("@s/a", None));
        assert_eq!(split("@s/a@1.0.0"), ("@s/a", Some("1.0.0")));
        for request in ["a", "@s/a", "a.b-c_d@next"] {
            assert_eq!(NpmPackages.problem(request), None, "{request}");
        }
        for request in ["user/repository", "@scope", "a b", "git+ssh:x"] {
            assert!(NpmPackages.problem(request).is_some(), "{request}");
        }
    }
}
