//! Installs programs of Rust crates below a directory (`DIR/bin`): released ones with cargo-binstall
//! where that is there, built from source with `cargo install`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_core::ResourceScope;
use hoist_executor::{Command, Failure, Level};
use hoist_machine::machine::is_executable;
use hoist_system::context::StepContext;
use hoist_system::method::{MethodEntry, Newer};
use hoist_system::program::RequiredProgram;
use hoist_system::resource::ResourceManager;
use semver::Version;
use serde::Deserialize;

use crate::user_packages::{
    self, InstallMode, UserPackages, environment, find_in, is_wanted, pool,
};

/// What installs crates.
static CARGO: RequiredProgram = RequiredProgram {
    name: "cargo",
    find: |machine| machine.program_shown("cargo"),
    missing: None,
};

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = MethodEntry {
    // Crates are compiled.
    usual_seconds: 60.0,
    ..user_packages::entry::<CargoCrates>()
};

/// The crates below directories.
#[derive(Debug)]
pub struct CargoCrates;

impl UserPackages for CargoCrates {
    const NAME: &'static str = "cargo";
    const MANAGER: &'static Self = &CargoCrates;
    const PROGRAM: &'static RequiredProgram = &CARGO;

    fn problem(&self, request: &str) -> Option<&'static str> {
        let (name, _) = split(request);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        (name.is_empty() || !name.chars().all(is_plain)).then_some("write NAME or NAME@VERSION")
    }

    fn installed(&self, target: &Path, request: &str) -> Option<String> {
        let (name, wanted) = split(request);
        let installed = read_crates(target);
        let installed = installed.get(&self.normalized(name))?;
        let is_there = |program: &String| is_executable(&target.join("bin").join(program));
        (installed.programs.iter().all(is_there) && is_wanted(&installed.version, wanted))
            .then(|| installed.version.clone())
    }

    fn install_below(
        &self,
        target: &Path,
        requests: &[String],
        mode: InstallMode,
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let more: &[&str] = match mode {
            InstallMode::Again => &["--force"],
            InstallMode::Missing | InstallMode::Newest => &[],
        };
        let environment = cargo_environment(context);
        if let Some(binstall) = find_in(&environment, "cargo-binstall") {
            let command = Command::new(binstall)
                .environment(environment.clone())
                .directory(&context.machine.home)
                .args(["--no-confirm", "--locked", "--disable-telemetry"])
                .args(["--log-level", "warn", "--root"])
                .args([target])
                .args(more.iter().copied())
                .args(["--"])
                .args(requests);
            match run(context, &command, "cargo binstall") {
                Ok(()) => return Ok(()),
                Err(failure) if context.task.is_cancelled() => return Err(failure),
                Err(failure) => {
                    let note = format!("{}; building from source", failure.message);
                    context.task.note(Level::Info, note);
                }
            }
        }
        let command = cargo(context, environment)?
            .args(["install", "--locked", "--root"])
            .args([target])
            .args(more.iter().copied())
            .args(["--"])
            .args(requests);
        run(context, &command, "cargo install")
    }

    fn newer(
        &self,
        target: &Path,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<BTreeMap<String, Newer>, Failure> {
        let installed = read_crates(target);
        let names = requests.iter().map(|request| self.normalized(request));
        let mut newer = BTreeMap::new();
        for (name, installed) in names.filter_map(|name| installed.get_key_value(&name)) {
            let offered = newest(&installed.name, context)?;
            if self.is_newer(&offered, &installed.version) {
                let installed = installed.version.clone();
                newer.insert(name.clone(), Newer { installed, offered });
            }
        }
        Ok(newer)
    }
}

impl ResourceManager for CargoCrates {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn nouns(&self) -> [&'static str; 2] {
        ["crate", "crates"]
    }

    fn normalized(&self, name: &str) -> String {
        split(name).0.to_lowercase().replace('_', "-")
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
        let version = self.installed(&scope.directory, split(name).0);
        version.into_iter().collect()
    }

    fn names(&self, scope: &ResourceScope) -> BTreeSet<String> {
        read_crates(&scope.directory).into_keys().collect()
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
        // cargo knows a crate by the name that it was published by.
        let installed = read_crates(&scope.directory);
        let published = |name: &String| Some(installed.get(&self.normalized(name))?.name.clone());
        let command = cargo(context, cargo_environment(context))?
            .args(["uninstall", "--root"])
            .args([&scope.directory])
            .args(["--"])
            .args(names.iter().filter_map(published));
        run(context, &command, "cargo uninstall")
    }

    fn is_newer(&self, version: &str, than: &str) -> bool {
        match (Version::parse(version), Version::parse(than)) {
            (Ok(version), Ok(than)) => version > than,
            _ => version != than,
        }
    }

    fn owned_files(&self, home: &Path, new: &[&Path]) -> BTreeSet<PathBuf> {
        let target = home.join(".local");
        let programs = target.join("bin");
        if !new.iter().any(|path| path.starts_with(&programs)) {
            return BTreeSet::new();
        }
        let installed = read_crates(&target);
        let names = installed.values().flat_map(|krate| &krate.programs);
        let owned: BTreeSet<PathBuf> = names.map(|name| programs.join(name)).collect();
        let own = new.iter().filter(|path| owned.contains(**path));
        own.map(|path| path.to_path_buf()).collect()
    }
}

/// A crate as cargo recorded it.
struct InstalledCrate {
    name: String,
    version: String,
    programs: Vec<String>,
}

/// The crates below a directory, by their normalized names, as cargo recorded them.
fn read_crates(target: &Path) -> BTreeMap<String, InstalledCrate> {
    /// The record, in which a crate is called `NAME VERSION (SOURCE)`.
    #[derive(Default, Deserialize)]
    struct Tracker {
        installs: BTreeMap<String, Tracked>,
    }
    #[derive(Deserialize)]
    struct Tracked {
        bins: Vec<String>,
    }
    let text = hoist_files::read_text(&target.join(".crates2.json")).unwrap_or_default();
    let tracker: Tracker = serde_json::from_str(&text).unwrap_or_default();
    let installed = |(id, tracked): (String, Tracked)| {
        let mut words = id.split(' ');
        let (name, version) = (words.next()?.to_owned(), words.next()?.to_owned());
        let programs = tracked.bins;
        let normalized = CargoCrates.normalized(&name);
        Some((
            normalized,
            InstalledCrate {
                name,
                version,
                programs,
            },
        ))
    };
    tracker.installs.into_iter().filter_map(installed).collect()
}

/// The name and the wanted version of `NAME@VERSION`.
fn split(request: &str) -> (&str, Option<&str>) {
    match request.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (request, None),
    }
}

/// The newest released version of a crate: what cargo chooses for a project that takes any. Unlike
/// `cargo info` that works where another registry stands in for the public one.
fn newest(name: &str, context: &StepContext<'_>) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let project = context.machine.spare.take()?;
    let directory = project.path();
    let manifest = format!(
        "[package]\nname = \"hoist-newest\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\n{name} = \"*\"\n"
    );
    for (file, text) in [("Cargo.toml", manifest.as_str()), ("lib.rs", "")] {
        let path = directory.join(file);
        std::fs::write(&path, text)
            .map_err(|error| context.task.failed("writing", &path, &error))?;
    }
    let command = cargo(context, cargo_environment(context))?
        .args(["generate-lockfile", "--manifest-path"])
        .args([directory.join("Cargo.toml")]);
    run(context, &command, "cargo generate-lockfile")?;
    let lock = hoist_files::read_text(&directory.join("Cargo.lock")).unwrap_or_default();
    let packages = toml::from_str(&lock).map_or(Vec::new(), |lock: Lock| lock.package);
    let found = packages.into_iter().find(|package| package.name == name);
    found
        .map(|package| package.version)
        .ok_or_else(|| Failure::new(format!("cargo found no version of {name}")))
}

/// The environment of cargo, in which nothing leads programs elsewhere.
fn cargo_environment(context: &StepContext<'_>) -> BTreeMap<String, String> {
    environment(context, |name| {
        matches!(
            name,
            "CARGO_INSTALL_ROOT" | "CARGO_BUILD_TARGET" | "BINSTALL_NO_CONFIRM"
        )
    })
}

fn cargo(
    context: &StepContext<'_>,
    environment: BTreeMap<String, String>,
) -> Result<Command, Failure> {
    let program = find_in(&environment, "cargo").ok_or_else(|| {
        Failure::new("cargo is not on PATH: install Rust (rustup, or Debian: cargo)")
    })?;
    // A project that hoist happens to be started in must not choose a toolchain or settings.
    Ok(Command::new(program)
        .environment(environment)
        .directory(&context.machine.home))
}

fn run(context: &StepContext<'_>, command: &Command, what: &str) -> Result<(), Failure> {
    user_packages::run(context, command, what, |line, error| {
        if let Some(message) = line.trim_start().strip_prefix("error: ") {
            error.get_or_insert_with(|| message.to_owned());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_versions_are_read() {
        assert_eq!(split("a@^1"), ("a", Some("^1")));
        assert_eq!(CargoCrates.problem("cargo-edit@0.13.0"), None);
        assert!(CargoCrates.problem("user/repository").is_some());
        assert!(CargoCrates.is_newer("1.10.0", "1.9.0"));
    }
}
