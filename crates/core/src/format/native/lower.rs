//! The values of a manifest to a module.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::read::{Reader, Values};
use crate::format::shell::{PACKAGE_METHODS, PackageMethod};
use crate::{
    Action, Checks, Diagnostic, Environment, Manifest, Module, ModuleId, ModulePolicy, Parsed,
    PlatformCondition, Recipe, Repository, Resource, ResourceScope, SourceMetadata, Step, Tier,
    UninstallSpec, Words, parse_duration,
};

/// What these manifests call things.
static WORDS: Words = Words {
    name: "",
    description: "description",
    dependencies: "depends",
    directories: "directories",
    config_files: "config_files",
    install: "install.command",
    uninstall: "uninstall.command",
    check: "test.command",
};

/// Reads a manifest of one file.
pub(super) fn lower(manifest: &Manifest, environment: &Environment) -> Parsed {
    let broken = |diagnostic: Diagnostic| Parsed {
        module: None,
        tier: None,
        diagnostics: vec![diagnostic.module(manifest.name.as_str())],
    };
    let Some(file) = manifest.files.first() else {
        return broken(Diagnostic::error("the manifest has no file"));
    };
    let shown = file.path.display().to_string();
    let text = match &file.content {
        Ok(bytes) => String::from_utf8(bytes.clone()).map_err(|_| "it is not UTF-8".to_owned()),
        Err(why) => Err(why.clone()),
    };
    let text = match text {
        Ok(text) => text,
        Err(why) => {
            let wrong = Diagnostic::error(format!("cannot read the file: {why}"));
            return broken(wrong.file(shown).help("replace it, or remove it"));
        }
    };
    let mut reader = Reader::new(&shown, &text, environment);
    reader.read();
    if reader.diagnostics.is_empty() {
        check(&mut reader);
    }
    if let Err(error) = ModuleId::new(&manifest.name) {
        let message = format!("file name: {error}");
        reader.wrong(0, "", message, "rename the file");
    }
    let tier = tier(&reader.values);
    let module = reader.diagnostics.is_empty().then(|| {
        let lowering = Lowering {
            manifest,
            environment,
            values: &reader.values,
            installs: &reader.installs,
        };
        lowering.module(&file.path, tier)
    });
    let mut diagnostics = reader.diagnostics;
    for diagnostic in &mut diagnostics {
        diagnostic.module = Some(manifest.name.clone());
    }
    Parsed {
        module: module.flatten(),
        tier: Some(tier),
        diagnostics,
    }
}

fn tier(values: &Values) -> Tier {
    match (
        values.is_true("core").unwrap_or(false),
        values.is_true("enabled_by_default").unwrap_or(true),
    ) {
        (true, _) => Tier::Core,
        (false, true) => Tier::Default,
        (false, false) => Tier::Optional,
    }
}

/// The words of install methods, each a table or, of commands, a key.
fn methods(install: &Values) -> Vec<&'static str> {
    let of_packages = PACKAGE_METHODS.iter().map(|method| method.word);
    let words = ["git_clone", "package_manager", "download_script"];
    let is_there = |word: &&str| install.tables.contains_key(&format!("install.{word}"));
    let command = install.command("install.command").map(|_| "command");
    let words = words.into_iter().chain(of_packages).filter(is_there);
    words.chain(command).collect()
}

/// Finds what is missing, and what does not go together.
fn check(reader: &mut Reader<'_>) {
    if reader.values.text("description").trim().is_empty() {
        reader.wrong(0, "description", "missing", "add description = \"…\"");
    }
    if reader.installs.is_empty() {
        let help = "add a table such as [install.git_clone] or [install.package_manager]";
        reader.wrong(0, "install", "missing", help);
    }
    let mut wrong = Vec::new();
    for install in &reader.installs {
        let at = |path: &str| install.tables.get(path).copied().unwrap_or_default();
        match methods(install).as_slice() {
            [] => wrong.push((
                at("install"),
                "install",
                "an install needs a method".to_owned(),
                "add one of git_clone, package_manager, download_script, command, or a table of a method for packages",
            )),
            [_] => {}
            several => wrong.push((
                at("install"),
                "install",
                format!("an install has one method, but this one has {}", several.join(" and ")),
                "keep one; for different machines, write [[install]] for each, with `when`",
            )),
        }
        for (table, key) in [
            ("install.git_clone", "install.git_clone.url"),
            ("install.git_clone", "install.git_clone.directory"),
            ("install.download_script", "install.download_script.url"),
        ] {
            if install.tables.contains_key(table) && install.command(key).is_none() {
                wrong.push((at(table), key, "missing".to_owned(), "add the key"));
            }
        }
    }
    for (at, path, message, help) in wrong {
        reader.wrong(at, path, message, help);
    }
}

/// Which machines a table is for.
fn condition(values: &Values, prefix: &str) -> PlatformCondition {
    let list = |word: &str| values.list(&format!("{prefix}when.{word}"));
    PlatformCondition {
        os: list("os"),
        distribution: list("distribution"),
        family: list("family"),
        arch: list("arch"),
    }
}

struct Lowering<'a> {
    manifest: &'a Manifest,
    environment: &'a Environment,
    values: &'a Values,
    installs: &'a [Values],
}

/// What an install comes to.
struct Installing {
    method: &'static str,
    step: Step,
    directory: Option<PathBuf>,
    repository: Option<Repository>,
    resources: Vec<Resource>,
    /// The update method where none is named.
    update: &'static str,
}

impl Lowering<'_> {
    fn module(&self, file: &Path, tier: Tier) -> Option<Module> {
        let id = ModuleId::new(&self.manifest.name).ok()?;
        let values = self.values;
        let (install, unavailable) = self.install_here()?;
        let installing = self.installing(install)?;
        let checks = Checks {
            dirs: values.paths("test.directories"),
            files: values.paths("test.files"),
            binaries: values.list("test.binaries"),
            command: values.command("test.command").map(str::to_owned),
            function: false,
        };
        let mut seen = HashSet::new();
        let requires = values.list("depends").into_iter();
        let requires = requires
            .filter(|name| seen.insert(name.clone()))
            .filter_map(|name| ModuleId::new(&name).ok())
            .collect();
        let update_method = match (
            values.text("update.method"),
            values.command("update.command"),
        ) {
            (_, Some(_)) => "command",
            ("", None) => installing.update,
            (word, None) => word,
        };
        let steps = [
            (Action::Install, vec![installing.step.clone()]),
            (Action::Update, self.update(update_method, &installing)),
            (
                Action::Uninstall,
                self.command("uninstall.command").into_iter().collect(),
            ),
            (Action::Test, self.test(&checks)),
        ];
        let mut paths = values.paths("directories");
        if let Some(directory) = installing.directory.filter(|path| !paths.contains(path)) {
            paths.insert(0, directory);
        }
        Some(Module {
            summary: values.text("description").trim().to_owned(),
            tier,
            requires,
            optional_dependencies: Vec::new(),
            method: installing.method.to_owned(),
            is_custom: installing.method == "command",
            recipe: Recipe {
                steps: steps.into(),
            },
            checks,
            repository: installing.repository,
            paths,
            removal: self.removal(installing.resources),
            tool_directories: Vec::new(),
            config_files: values.paths("config_files"),
            update_method: update_method.to_owned(),
            timeout: parse_duration(values.text("timeout")).ok(),
            variables: BTreeMap::from([("MODULE_NAME".to_owned(), id.to_string())]),
            root: self.manifest.root.clone(),
            manifest: file.to_owned(),
            words: &WORDS,
            digest: self.manifest.digest(),
            source: self.manifest.source.clone(),
            offered: SourceMetadata::default(),
            unavailable,
            id,
        })
    }

    /// The install for this machine, or the first and which machines there are installs for.
    fn install_here(&self) -> Option<(&Values, Option<String>)> {
        let first = self.installs.first()?;
        let Some(platform) = self.environment.platform() else {
            return Some((first, None));
        };
        let module = condition(self.values, "");
        if !module.holds_on(platform) {
            return Some((first, Some(format!("only for {module}"))));
        }
        let conditions = self
            .installs
            .iter()
            .map(|install| condition(install, "install."));
        let conditions: Vec<PlatformCondition> = conditions.collect();
        let fits = conditions
            .iter()
            .position(|condition| condition.holds_on(platform));
        match fits {
            Some(place) => Some((&self.installs[place], None)),
            None => {
                let shown: Vec<String> = conditions.iter().map(ToString::to_string).collect();
                Some((first, Some(format!("only for {}", shown.join("; ")))))
            }
        }
    }

    fn installing(&self, install: &Values) -> Option<Installing> {
        let method = *methods(install).first()?;
        let key = |name: &str| format!("install.{method}.{name}");
        let own = || vec![self.manifest.name.clone()];
        let packages = || match install.list(&key("packages")) {
            packages if packages.is_empty() => own(),
            packages => packages,
        };
        let url = install.text(&key("url")).trim().to_owned();
        let plain = |step: Step, update: &'static str| Installing {
            method,
            step,
            directory: None,
            repository: None,
            resources: Vec::new(),
            update,
        };
        Some(match method {
            "git_clone" => {
                let dir = install.path(&key("directory"))?;
                let args = json!({ "url": url, "dir": dir, "args": install.list(&key("args")) });
                Installing {
                    directory: Some(dir.clone()),
                    repository: Some(Repository { url, dir }),
                    ..plain(Step::new("git", args), "git_pull")
                }
            }
            "package_manager" => {
                let args = json!({
                    "module": self.manifest.name, "packages": install.list(&key("packages")),
                });
                let shared = |name: String| Resource {
                    is_shared: true,
                    ..Resource::new(ResourceScope::new("package", Path::new("")), name)
                };
                Installing {
                    resources: packages().into_iter().map(shared).collect(),
                    ..plain(Step::new("package", args), "none")
                }
            }
            "download_script" => {
                let sha256 = install.command(&key("sha256")).map(str::to_lowercase);
                let args = json!({
                    "url": url, "sha256": sha256, "args": install.list(&key("args")),
                });
                plain(Step::new("install_script", args), "reinstall")
            }
            "command" => plain(self.bash(install.command("install.command")?), "reinstall"),
            word => {
                let method = PackageMethod::find(word)?;
                let home = self.environment.home().unwrap_or(Path::new("/"));
                let target = install.path(&key("directory"));
                let target = target.unwrap_or_else(|| home.join(".local"));
                let scope = ResourceScope::new(method.word, &target);
                let owned = packages().into_iter();
                let args = json!({ "packages": packages(), "target": target });
                Installing {
                    resources: owned
                        .map(|name| Resource::new(scope.clone(), name))
                        .collect(),
                    ..plain(Step::new(method.word, args), method.update)
                }
            }
        })
    }

    fn bash(&self, command: &str) -> Step {
        let args = json!({ "command": command, "collection": self.manifest.root });
        Step::new("bash", args)
    }

    fn command(&self, path: &str) -> Option<Step> {
        self.values.command(path).map(|command| self.bash(command))
    }

    fn update(&self, method: &str, installing: &Installing) -> Vec<Step> {
        let installed = &installing.step;
        let upgrades = PACKAGE_METHODS
            .iter()
            .any(|known| known.update == method && known.word == installing.method);
        match method {
            "command" => self.command("update.command").into_iter().collect(),
            "git_pull" if installing.repository.is_some() => {
                vec![Step::new("git_pull", installed.args.clone())]
            }
            "reinstall" => vec![installed.clone()],
            _ if upgrades => {
                let mut step = installed.clone();
                step.args["upgrade"] = true.into();
                vec![step]
            }
            _ => Vec::new(),
        }
    }

    fn test(&self, checks: &Checks) -> Vec<Step> {
        let declared = (!checks.is_blind()).then(|| {
            let args = json!({
                "dirs": checks.dirs, "files": checks.files, "binaries": checks.binaries,
            });
            Step::new("exists", args)
        });
        let command = self.command("test.command");
        declared.into_iter().chain(command).collect()
    }

    fn removal(&self, resources: Vec<Resource>) -> UninstallSpec {
        let home = self.environment.home().unwrap_or(Path::new("/"));
        let binaries = self.values.list("uninstall.binaries");
        let programs = binaries.iter().flat_map(|name| {
            [
                home.join(".local/bin").join(name),
                home.join("bin").join(name),
            ]
        });
        let mut paths = self.values.paths("uninstall.directories");
        paths.extend(self.values.paths("uninstall.files"));
        paths.extend(programs);
        let function = self.values.command("uninstall.command");
        UninstallSpec {
            paths,
            resources,
            policy: ModulePolicy::of_manifest("toml"),
            function: function.map(|_| WORDS.uninstall.to_owned()),
            root: Some(self.manifest.root.clone()),
            ..UninstallSpec::default()
        }
    }
}
