//! From the assignments of a shell module to a [`Module`], with everything that is wrong with them.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::assignments::{Assignment, ParsedAssignments, read_assignments};
use super::block::{BlockError, find_block};
use super::fields::{FIELDS, Field, FieldKind};
use super::package_methods::{PACKAGE_METHODS, PackageMethod};
use super::script::{self, Functions};
use crate::text::{command_transport, package_name_problem};
use crate::{
    Action, Checks, Diagnostic, Environment, Manifest, ManifestFile, Module, ModuleId,
    ModulePolicy, Parsed, Recipe, Repository, Resource, ResourceScope, SourceMetadata, Step, Tier,
    UninstallSpec, Words, did_you_mean, is_shared, parse_duration,
};

/// What shell modules call things.
static WORDS: Words = Words {
    name: "MODULE_NAME",
    description: "MODULE_DESCRIPTION",
    dependencies: "MODULE_DEPENDS",
    directories: "MODULE_INSTALL_DIRS",
    config_files: "MODULE_CONFIG_FILES",
    install: "main_module",
    uninstall: "uninstall_module",
    check: "check_module_installed",
};

/// Reads a manifest of one or two files.
pub(super) fn lower(manifest: &Manifest, environment: &Environment) -> Parsed {
    let mut lowering = Lowering {
        manifest,
        environment,
        file: String::new(),
        text: String::new(),
        diagnostics: Vec::new(),
        fields: BTreeMap::new(),
        unreadable: Vec::new(),
    };
    let (module, tier) = lowering.run();
    let mut diagnostics = lowering.diagnostics;
    diagnostics
        .iter_mut()
        .for_each(|diagnostic| diagnostic.module = Some(manifest.name.clone()));
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    Parsed {
        module: module.filter(|_| !broken),
        tier,
        diagnostics,
    }
}

/// Stands for a byte that is not UTF-8.
const REPLACEMENT: char = '\u{1a}';

struct Lowering<'a> {
    manifest: &'a Manifest,
    environment: &'a Environment,
    /// The file the metadata stand in, and its text.
    file: String,
    text: String,
    diagnostics: Vec<Diagnostic>,
    fields: BTreeMap<String, Assignment>,
    /// Fields that are there but could not be read, which was said already.
    unreadable: Vec<String>,
}

impl Lowering<'_> {
    fn run(&mut self) -> (Option<Module>, Option<Tier>) {
        let with_extension = |extension: &str| {
            self.manifest.files.iter().find(|file| {
                file.path
                    .extension()
                    .is_some_and(|found| found == extension)
            })
        };
        let (script, conf) = (with_extension("sh"), with_extension("conf"));
        let Some(script) = script else {
            let conf = conf
                .map(|conf| conf.path.display().to_string())
                .unwrap_or_default();
            let message = format!("there is no {}.sh next to this file", self.manifest.name);
            self.diagnostics.push(
                Diagnostic::error(message)
                    .file(conf)
                    .help("add the script, or remove the .conf file"),
            );
            return (None, None);
        };
        let Some(script_text) = self.read(script) else {
            return (None, None);
        };
        let (reading, forget) = match conf {
            None => (self.embedded(script, &script_text), Vec::new()),
            Some(conf) => {
                let forget = self.overridden(script, &script_text);
                (self.separate(conf), forget)
            }
        };
        let Some(reading) = reading else {
            return (None, None);
        };
        self.unreadable = reading.unreadable;
        self.diagnostics.extend(
            reading
                .diagnostics
                .into_iter()
                .map(|diagnostic| diagnostic.file(self.file.clone())),
        );
        self.fields = reading
            .assignments
            .into_iter()
            .map(|assignment| (assignment.name.clone(), assignment))
            .collect();
        self.check_fields();
        let tier = self.tier();
        let module = self.module(script, &script_text, forget, tier);
        (module, tier)
    }

    /// The text of a file; where bytes are not UTF-8 a replacement, since only metadata must be.
    fn read(&mut self, file: &ManifestFile) -> Option<String> {
        let path = file.path.display().to_string();
        let bytes = match &file.content {
            Ok(bytes) => bytes,
            Err(reason) => {
                self.diagnostics.push(
                    Diagnostic::error(format!("cannot read the file: {reason}"))
                        .file(path)
                        .help("correct the file or its permissions"),
                );
                return None;
            }
        };
        if bytes.starts_with(b"\xef\xbb\xbf") {
            let diagnostic = Diagnostic::error(
                "the file starts with a byte-order mark, which bash runs as a command",
            );
            self.diagnostics.push(
                diagnostic
                    .file(path)
                    .position(crate::Position { line: 1, column: 1 })
                    .help("save the file as UTF-8 without a byte-order mark"),
            );
            return None;
        }
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            // As many bytes, so that places in the text are places in the file.
            chunk.invalid().iter().for_each(|_| text.push(REPLACEMENT));
        }
        Some(text)
    }

    fn embedded(&mut self, script: &ManifestFile, text: &str) -> Option<ParsedAssignments> {
        self.file = script.path.display().to_string();
        self.text = text.to_owned();
        match find_block(text) {
            Ok(block) => self
                .readable(script, block.clone())
                .then(|| read_assignments(text, block, self.environment)),
            Err(BlockError { diagnostic, .. }) => {
                self.diagnostics.push(diagnostic.file(self.file.clone()));
                None
            }
        }
    }

    fn separate(&mut self, conf: &ManifestFile) -> Option<ParsedAssignments> {
        self.text = self.read(conf)?;
        self.file = conf.path.display().to_string();
        let whole = 0..self.text.len();
        self.readable(conf, whole.clone())
            .then(|| read_assignments(&self.text, whole, self.environment))
    }

    /// The names that the script's own block assigns and the .conf file may not: the block is not
    /// metadata then, but bash will see it, so what bash would run in it is still refused.
    fn overridden(&mut self, script: &ManifestFile, text: &str) -> Vec<String> {
        let file = script.path.display().to_string();
        let block = match find_block(text) {
            Ok(block) => block,
            Err(BlockError { diagnostic, absent }) => {
                self.diagnostics
                    .extend((!absent).then(|| diagnostic.file(file)));
                return Vec::new();
            }
        };
        let reading = read_assignments(text, block, self.environment);
        self.diagnostics.extend(
            reading
                .running
                .into_iter()
                .map(|diagnostic| diagnostic.file(file.clone())),
        );
        let names = reading
            .assignments
            .into_iter()
            .map(|assignment| assignment.name)
            .chain(reading.unreadable);
        names.filter(|name| name.starts_with("MODULE_")).collect()
    }

    /// Checks the bytes of the metadata for what no reader of text should have to know.
    fn readable(&mut self, file: &ManifestFile, block: Range<usize>) -> bool {
        let bytes = file.content.as_deref().unwrap_or_default();
        let valid = bytes.get(block.clone()).unwrap_or_default();
        let invalid = std::str::from_utf8(valid)
            .err()
            .map(|error| block.start + error.valid_up_to());
        let text = &self.text[block.clone()];
        let found = if let Some(nul) = text.find('\0') {
            Some((
                block.start + nul,
                "a NUL byte, which no value can contain",
                "remove it",
            ))
        } else if let Some(at) = invalid {
            Some((at, "not UTF-8", "save the file as UTF-8"))
        } else {
            let crlf = text.find("\r\n").map(|at| block.start + at);
            crlf.map(|at| {
                (
                    at,
                    "the file has CRLF line endings, which bash includes in values",
                    "save the file with LF line endings (dos2unix)",
                )
            })
        };
        let Some((offset, message, help)) = found else {
            return true;
        };
        self.diagnostics.push(
            Diagnostic::error(message)
                .file(self.file.clone())
                .at(&self.text, offset)
                .help(help),
        );
        false
    }

    fn field(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .map_or("", |assignment| assignment.value.text())
    }

    fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.iter().any(|unreadable| unreadable == name)
    }

    /// True when a field is missing or empty, and nothing was said about it yet.
    fn is_absent(&self, name: &str) -> bool {
        self.field(name).trim().is_empty() && !self.is_unreadable(name)
    }

    fn words(&self, name: &str) -> Vec<String> {
        self.fields
            .get(name)
            .map(|assignment| assignment.value.words())
            .unwrap_or_default()
    }

    fn paths(&self, name: &str) -> Vec<PathBuf> {
        self.words(name)
            .iter()
            .map(|word| self.path(word))
            .collect()
    }

    /// A quoted `~` reaches us as text; no other meaning than the home directory makes sense in a
    /// path.
    fn path(&self, word: &str) -> PathBuf {
        match (word.strip_prefix("~/"), self.environment.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ if word == "~" => self.environment.home().unwrap_or(Path::new("~")).to_owned(),
            _ => PathBuf::from(word),
        }
    }

    fn tell(&mut self, diagnostic: Diagnostic, field: &str) {
        let diagnostic = diagnostic.file(self.file.clone()).field(field);
        self.diagnostics.push(match self.fields.get(field) {
            Some(assignment) => diagnostic.at(&self.text, assignment.offset),
            None => diagnostic,
        });
    }

    fn check_fields(&mut self) {
        for Field {
            name,
            kind,
            required,
            ..
        } in FIELDS
        {
            if self.is_unreadable(name) {
                continue;
            }
            let wrong = match self.fields.get(*name) {
                None if *required => {
                    let empty = if *name == "MODULE_UNINSTALL_DIRS" {
                        "=\"\" if there is nothing to remove"
                    } else {
                        "=\"…\""
                    };
                    self.tell(
                        Diagnostic::error("this required field is missing")
                            .help(format!("add {name}{empty}")),
                        name,
                    );
                    continue;
                }
                None => continue,
                Some(assignment) if assignment.value.text().trim().is_empty() => {
                    match *required && *name != "MODULE_UNINSTALL_DIRS" {
                        true => Some((
                            "this required field is empty".to_owned(),
                            "set a value".to_owned(),
                        )),
                        false => None,
                    }
                }
                Some(assignment) => self.wrong_value(*kind, assignment),
            };
            if let Some((message, help)) = wrong {
                self.tell(Diagnostic::error(message).help(help), name);
            }
        }
        self.check_name();
        self.check_unknown();
        self.check_removal();
        self.check_config_files();
    }

    /// What could never be removed safely is said when it is written, not when it is removed.
    fn check_removal(&mut self) {
        let home = self
            .environment
            .home()
            .map(Path::to_owned)
            .unwrap_or_default();
        for field in ["MODULE_UNINSTALL_DIRS", "MODULE_UNINSTALL_FILES"] {
            for path in self.paths(field) {
                let text = path.display().to_string();
                let never = |why: &str| format!("`{text}` {why}, and is never removed");
                let diagnostic = if path
                    .components()
                    .any(|part| part == std::path::Component::ParentDir)
                {
                    Diagnostic::error(format!("`{text}` contains `..`"))
                        .help("write the path without it")
                } else if text.contains(['*', '?', '[', '{']) {
                    Diagnostic::error(format!("`{text}` is a pattern"))
                        .help("list each path; patterns are not expanded when a module is removed")
                } else if path == home {
                    Diagnostic::warning(never("is the home directory itself"))
                        .help("name only what the module creates in it")
                } else if !path.starts_with(&home) {
                    Diagnostic::warning(never("is not inside the home directory"))
                        .help("name only what the module creates, inside $HOME")
                } else if is_shared(&path, &home) {
                    Diagnostic::warning(never("is shared with other programs"))
                        .help("name only what the module creates in it")
                } else {
                    continue;
                };
                self.tell(diagnostic, field);
            }
        }
    }

    /// A configuration file outside the home directory is not hoist's to write.
    fn check_config_files(&mut self) {
        let home = self
            .environment
            .home()
            .map(Path::to_owned)
            .unwrap_or_default();
        for path in self
            .paths("MODULE_CONFIG_FILES")
            .into_iter()
            .filter(|path| !path.starts_with(&home) || *path == home)
        {
            let diagnostic = Diagnostic::warning(format!(
                "`{}` is outside of the home directory, and is not written",
                path.display()
            ));
            self.tell(
                diagnostic.help("name a file inside $HOME"),
                "MODULE_CONFIG_FILES",
            );
        }
    }

    fn wrong_value(&self, kind: FieldKind, assignment: &Assignment) -> Option<(String, String)> {
        let text = assignment.value.text();
        let words = assignment.value.words();
        let shown: String = text.chars().take(60).collect();
        match kind {
            FieldKind::Text | FieldKind::Words => None,
            FieldKind::Url => {
                let helper = command_transport(text)?;
                Some((
                    format!(
                        "`{helper}::` would run a command instead of connecting to a repository"
                    ),
                    "write the URL of the repository".into(),
                ))
            }
            FieldKind::Packages => {
                let (bad, why) = words
                    .iter()
                    .find_map(|word| Some((word, package_name_problem(word)?)))?;
                Some((
                    format!("`{}` is not a package name", bad.escape_debug()),
                    why.into(),
                ))
            }
            FieldKind::Boolean => (!matches!(text, "true" | "false")).then(|| {
                (
                    format!("`{shown}` is neither true nor false"),
                    "write \"true\" or \"false\"".into(),
                )
            }),
            FieldKind::Name => ModuleId::new(text)
                .err()
                .map(|error| (error.to_string(), "rename the module".into())),
            FieldKind::Names => {
                let bad = words.iter().find_map(|word| ModuleId::new(word).err())?;
                Some((bad.to_string(), "separate module names with spaces".into()))
            }
            FieldKind::Paths => {
                let relative = words.iter().find(|word| !self.path(word).is_absolute())?;
                Some((
                    format!("`{relative}` is not an absolute path"),
                    "start it with $HOME/ or /".into(),
                ))
            }
            FieldKind::Binaries => {
                let bad = words.iter().find(|word| word.contains('/'))?;
                Some((
                    format!("`{bad}` contains a slash; a binary is a plain name"),
                    "use the field for files instead".into(),
                ))
            }
            FieldKind::OneOf(choices) => (!choices.contains(&text)).then(|| {
                let help = match did_you_mean(text, choices.iter().copied()) {
                    Some(choice) => format!("did you mean `{choice}`?"),
                    None => format!("one of: {}", choices.join(", ")),
                };
                (format!("`{shown}` is an unknown method"), help)
            }),
            FieldKind::Sha256 => (text.len() != 64
                || !text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| {
                (
                    format!("`{shown}` is not a SHA-256 digest"),
                    "write the 64 hexadecimal digits that sha256sum prints".into(),
                )
            }),
            FieldKind::Duration => parse_duration(text).err().map(|error| {
                (
                    format!("`{}` is not a duration", error.0),
                    "write a number of seconds (90), or a number with the unit s, m or h (15m)"
                        .into(),
                )
            }),
        }
    }

    fn check_name(&mut self) {
        let name = self.field("MODULE_NAME").to_owned();
        if !name.is_empty() && ModuleId::new(&name).is_ok() && name != self.manifest.name {
            let message = format!(
                "`{name}` differs from the name of the file, `{}`",
                self.manifest.name
            );
            self.tell(
                Diagnostic::error(message).help("rename the file or the module"),
                "MODULE_NAME",
            );
        } else if ModuleId::new(&self.manifest.name).is_err() && name == self.manifest.name {
            // The name itself was already refused.
        } else if let Err(error) = ModuleId::new(&self.manifest.name) {
            self.diagnostics.push(
                Diagnostic::error(format!("file name: {error}"))
                    .file(self.file.clone())
                    .help("rename the file"),
            );
        }
    }

    fn check_unknown(&mut self) {
        let unknown = |name: &String| {
            name.starts_with("MODULE_") && FIELDS.iter().all(|field| field.name != name)
        };
        let unknown: Vec<String> = self
            .fields
            .keys()
            .filter(|name| unknown(name))
            .cloned()
            .collect();
        for name in unknown {
            let stem = |name: &str| name.trim_start_matches("MODULE_").to_owned();
            let known: Vec<String> = FIELDS.iter().map(|field| stem(field.name)).collect();
            let synonym = matches!(
                stem(&name).as_str(),
                "DEPENDENCIES" | "DEPENDS_ON" | "REQUIRES"
            )
            .then(|| "DEPENDS".to_owned());
            let near = synonym.or_else(|| {
                did_you_mean(&stem(&name), known.iter().map(String::as_str)).map(str::to_owned)
            });
            let diagnostic = match near {
                Some(near) => {
                    Diagnostic::error("unknown field").help(format!("did you mean MODULE_{near}?"))
                }
                None => Diagnostic::warning("unknown field")
                    .help("scripts receive it as a variable; hoist ignores it"),
            };
            self.tell(diagnostic, &name);
        }
    }

    fn tier(&self) -> Option<Tier> {
        match (
            self.field("MODULE_IS_CORE"),
            self.field("MODULE_ENABLED_BY_DEFAULT"),
        ) {
            ("true", _) => Some(Tier::Core),
            ("false", "true") => Some(Tier::Default),
            ("false", "false") => Some(Tier::Optional),
            _ => None,
        }
    }

    /// The module, when enough is known; the caller drops it when there are errors.
    fn module(
        &mut self,
        script: &ManifestFile,
        script_text: &str,
        forget: Vec<String>,
        tier: Option<Tier>,
    ) -> Option<Module> {
        let mut functions = Functions::defined_in(script_text);
        let separate = self.file != script.path.display().to_string();
        let method = self.field("MODULE_INSTALL_METHOD").to_owned();
        // Where only a file that the script reads can define it, bash tells whether it does.
        functions.main |= method == "custom" && script::sources_files(script_text);
        functions.update |=
            self.field("MODULE_UPDATE_METHOD") == "custom" && script::sources_files(script_text);
        self.check_method(&method, functions);
        let id = ModuleId::new(self.field("MODULE_NAME")).ok()?;
        let mut seen = HashSet::new();
        let words = self.words("MODULE_DEPENDS");
        let requires = words
            .iter()
            .filter(|name| seen.insert(name.as_str()))
            .filter_map(|name| ModuleId::new(name).ok())
            .collect();
        let bash = |function: &str| {
            Step::new(
                "bash",
                json!({
                    "script": script.path, "function": function, "collection": self.manifest.root, "forget": forget, "restore": separate,
                    "tools": script::tools(script_text), "guarded": script::ends_in_guard(script_text),
                }),
            )
        };
        let install = match functions.main {
            true => vec![bash("main_module")],
            false => self.builtin(&method).into_iter().collect(),
        };
        let checks = Checks {
            dirs: self.paths("MODULE_TEST_DIRS"),
            files: self.paths("MODULE_TEST_FILES"),
            binaries: self.words("MODULE_TEST_BINARIES"),
            command: self
                .fields
                .get("MODULE_TEST_COMMAND")
                .map(|assignment| assignment.value.command())
                .filter(|command| !command.trim().is_empty()),
            function: functions.check,
        };
        let mut test = Vec::new();
        if functions.check {
            test.push(bash("check_module_installed"));
        } else {
            if !checks.is_blind() {
                test.push(Step::new("exists", json!({ "dirs": checks.dirs, "files": checks.files, "binaries": checks.binaries })));
            }
            if let Some(command) = &checks.command {
                test.push(Step::new(
                    "bash",
                    json!({ "command": command, "collection": self.manifest.root }),
                ));
            }
        }
        let tools = script::tools(script_text);
        let is_used = |method: &&PackageMethod| tools.contains(&method.word);
        let used = PACKAGE_METHODS.iter().filter(is_used);
        let mut tool_directories: Vec<PathBuf> =
            used.map(|method| self.package_directory(method)).collect();
        tool_directories.dedup();
        let dirs = self.paths("MODULE_INSTALL_DIRS");
        let update = self.update(functions, &bash, &install);
        let uninstall = functions
            .uninstall
            .then(|| bash("uninstall_module"))
            .into_iter()
            .collect();
        let repository = (method == "git_clone")
            .then(|| dirs.first().cloned())
            .flatten();
        Some(Module {
            summary: self.field("MODULE_DESCRIPTION").to_owned(),
            tier: tier?,
            requires,
            optional_dependencies: Vec::new(),
            repository: repository.map(|dir| Repository {
                url: self.url(),
                dir,
            }),
            is_custom: method == "custom",
            method,
            recipe: Recipe {
                steps: [
                    (Action::Install, install),
                    (Action::Update, update),
                    (Action::Uninstall, uninstall),
                    (Action::Test, test),
                ]
                .into(),
            },
            checks,
            removal: self.removal(functions.uninstall),
            paths: dirs,
            tool_directories,
            config_files: self.paths("MODULE_CONFIG_FILES"),
            update_method: self.field("MODULE_UPDATE_METHOD").to_owned(),
            timeout: parse_duration(self.field("MODULE_TIMEOUT")).ok(),
            variables: self.variables(script_text),
            root: self.manifest.root.clone(),
            manifest: PathBuf::from(&self.file),
            words: &WORDS,
            digest: self.manifest.digest(),
            source: self.manifest.source.clone(),
            offered: SourceMetadata::default(),
            unavailable: None,
            id,
        })
    }

    fn check_method(&mut self, method: &str, functions: Functions) {
        let needed: &[&str] = match method {
            "git_clone" => &["MODULE_INSTALL_REPO", "MODULE_INSTALL_DIRS"],
            "download_script" => &["MODULE_INSTALL_REPO"],
            _ => &[],
        };
        for field in needed
            .iter()
            .filter(|field| self.is_absent(field))
            .copied()
            .collect::<Vec<_>>()
        {
            self.tell(
                Diagnostic::error(format!("required by the method {method}"))
                    .help(format!("add {field}=\"…\"")),
                field,
            );
        }
        if method == "custom" && !functions.main {
            let message = "the method custom requires a function main_module in the script";
            self.tell(
                Diagnostic::error(message).help("define main_module() { … } after the metadata"),
                "MODULE_INSTALL_METHOD",
            );
        }
        if method == "package_manager"
            && self.field("MODULE_NAME").ends_with('-')
            && self.is_absent("MODULE_PACKAGES")
        {
            let diagnostic = Diagnostic::error(
                "a package name must not end with `-`, which package managers read as a removal",
            );
            self.tell(
                diagnostic.help("name the packages in MODULE_PACKAGES"),
                "MODULE_NAME",
            );
        }
        let declares = PackageMethod::find(method).is_some_and(|method| method.declares_directory);
        if declares && self.is_absent("MODULE_INSTALL_DIRS") {
            let diagnostic = Diagnostic::warning(format!(
                "not set; {method} installs the packages into $HOME/.local"
            ));
            self.tell(
                diagnostic.help("add MODULE_INSTALL_DIRS=\"$HOME/.local\""),
                "MODULE_INSTALL_DIRS",
            );
        }
        let update = self.field("MODULE_UPDATE_METHOD").to_owned();
        if update == "git_pull" && self.is_absent("MODULE_UPDATE_DIR") {
            let diagnostic = match self.words("MODULE_INSTALL_DIRS").first() {
                Some(dir) => Diagnostic::warning(format!("not set; git_pull updates {dir}")),
                None => Diagnostic::error("required by the update method git_pull"),
            };
            self.tell(
                diagnostic.help("add MODULE_UPDATE_DIR=\"…\""),
                "MODULE_UPDATE_DIR",
            );
        }
        if update == "custom" && !functions.update {
            let diagnostic = Diagnostic::error(
                "the update method custom requires a function update_module in the script",
            );
            self.tell(
                diagnostic.help("define update_module() { … }, or use the update method none"),
                "MODULE_UPDATE_METHOD",
            );
        }
    }

    /// What updating does, by the update method.
    fn update(
        &self,
        functions: Functions,
        bash: &dyn Fn(&str) -> Step,
        install: &[Step],
    ) -> Vec<Step> {
        let own = functions.update.then(|| bash("update_module"));
        match self.field("MODULE_UPDATE_METHOD") {
            "git_pull" => {
                let dirs = self
                    .paths("MODULE_UPDATE_DIR")
                    .into_iter()
                    .chain(self.paths("MODULE_INSTALL_DIRS"));
                let cloned = self
                    .builtin("git_clone")
                    .filter(|_| self.field("MODULE_INSTALL_METHOD") == "git_clone");
                let pull = dirs.take(1).map(|dir| match &cloned {
                    // What is updated is what was cloned, of which the manifest says more.
                    Some(clone) if clone.args["dir"] == json!(dir) => {
                        Step::new("git_pull", clone.args.clone())
                    }
                    _ => Step::new("git_pull", json!({ "dir": dir })),
                });
                let rebuild = (self.field("MODULE_REBUILD") == "true" && functions.main)
                    .then(|| bash("main_module").after_change());
                pull.chain(rebuild).collect()
            }
            "component_command" if own.is_none() => {
                let dirs = self
                    .paths("MODULE_UPDATE_DIR")
                    .into_iter()
                    .chain(self.paths("MODULE_INSTALL_DIRS"));
                vec![Step::new(
                    "component_command",
                    json!({ "name": self.manifest.name, "dirs": dirs.collect::<Vec<_>>() }),
                )]
            }
            "reinstall" => install.to_vec(),
            "custom" | "component_command" => own.into_iter().collect(),
            word => match (PackageMethod::find_update(word), own) {
                (Some(_), Some(own)) => vec![own],
                (Some(method), None) => {
                    let mut step = self.package_step(method);
                    step.args["upgrade"] = true.into();
                    vec![step]
                }
                (None, _) => Vec::new(),
            },
        }
    }

    /// What removing it removes. Programs without a slash stand where programs of a user stand.
    fn removal(&self, has_function: bool) -> UninstallSpec {
        let home = self.home();
        let programs = self.words("MODULE_UNINSTALL_BINARIES");
        let programs = programs.iter().flat_map(|name| {
            [
                home.join(".local/bin").join(name),
                home.join("bin").join(name),
            ]
        });
        let paths = self
            .paths("MODULE_UNINSTALL_DIRS")
            .into_iter()
            .chain(self.paths("MODULE_UNINSTALL_FILES"))
            .chain(programs)
            .collect();
        UninstallSpec {
            paths,
            resources: self.resources(),
            policy: ModulePolicy::of_manifest("shell"),
            function: has_function.then(|| WORDS.uninstall.to_owned()),
            root: Some(self.manifest.root.clone()),
            ..UninstallSpec::default()
        }
    }

    /// The directory that packages of the module are installed below.
    fn package_directory(&self, method: &PackageMethod) -> PathBuf {
        let is_own = self.field("MODULE_INSTALL_METHOD") == method.word;
        let declared = is_own.then(|| self.paths("MODULE_INSTALL_DIRS"));
        let declared = declared.and_then(|paths| paths.into_iter().next());
        declared.unwrap_or_else(|| self.home().join(".local"))
    }

    /// The packages that are named, or the one of the module's name.
    fn packages(&self) -> Vec<String> {
        match self.words("MODULE_PACKAGES") {
            packages if packages.is_empty() => vec![self.manifest.name.clone()],
            packages => packages,
        }
    }

    /// The step that installs packages below a directory.
    fn package_step(&self, method: &PackageMethod) -> Step {
        let target = self.paths("MODULE_INSTALL_DIRS").into_iter().next();
        let target = target.unwrap_or_else(|| self.home().join(".local"));
        Step::new(
            method.word,
            json!({ "packages": self.packages(), "target": target }),
        )
    }

    fn home(&self) -> PathBuf {
        self.environment
            .home()
            .map(Path::to_owned)
            .unwrap_or_default()
    }

    /// The packages that come with it: below a directory, which go with it, and of the system,
    /// which stay.
    fn resources(&self) -> Vec<Resource> {
        let used = self.field("MODULE_INSTALL_METHOD");
        let of_method = |method: &PackageMethod| {
            let declared = method.removed.map(|field| self.words(field));
            let names = match declared.unwrap_or_default() {
                declared if declared.is_empty() && used == method.word => self.packages(),
                declared => declared,
            };
            let scope = ResourceScope::new(method.word, &self.package_directory(method));
            names
                .into_iter()
                .map(move |name| Resource::new(scope.clone(), name))
        };
        let owned = PACKAGE_METHODS.iter().flat_map(of_method);
        let system = match used {
            "package_manager" => self.packages(),
            _ => Vec::new(),
        };
        let system = system.into_iter().map(|name| Resource {
            is_shared: true,
            ..Resource::new(ResourceScope::new("package", Path::new("")), name)
        });
        owned.chain(system).collect()
    }

    /// The repository's URL; blanks around it mean nothing, a leading `~` the home directory.
    fn url(&self) -> String {
        let url = self.field("MODULE_INSTALL_REPO").trim();
        match url.starts_with("~/") {
            true => self.path(url).display().to_string(),
            false => url.to_owned(),
        }
    }

    /// The one step of a method's own handler.
    fn builtin(&self, method: &str) -> Option<Step> {
        let packages = self.words("MODULE_PACKAGES");
        let dirs = self.paths("MODULE_INSTALL_DIRS");
        match method {
            "git_clone" => Some(Step::new(
                "git",
                json!({ "url": self.url(), "dir": dirs.first()?, "args": self.words("MODULE_INSTALL_ARGS") }),
            )),
            "package_manager" => Some(Step::new(
                "package",
                json!({ "module": self.manifest.name, "packages": packages }),
            )),
            "download_script" => {
                let sha256 = Some(self.field("MODULE_INSTALL_SHA256").to_lowercase())
                    .filter(|digest| !digest.is_empty());
                Some(Step::new(
                    "install_script",
                    json!({ "url": self.url(), "sha256": sha256, "args": self.words("MODULE_INSTALL_ARGS") }),
                ))
            }
            other => PackageMethod::find(other).map(|method| self.package_step(method)),
        }
    }

    /// What the module's scripts see: every field, the undeclared ones empty where somebody may
    /// look at them, and whatever else the metadata assign.
    fn variables(&self, script_text: &str) -> BTreeMap<String, String> {
        let all = script::sources_files(script_text);
        let seen = FIELDS
            .iter()
            .filter(|field| all || script_text.contains(field.name));
        let mut variables: BTreeMap<String, String> = seen
            .map(|field| (field.name.to_owned(), String::new()))
            .collect();
        variables.extend(
            self.fields
                .iter()
                .map(|(name, assignment)| (name.clone(), assignment.value.text().to_owned())),
        );
        variables
    }
}
