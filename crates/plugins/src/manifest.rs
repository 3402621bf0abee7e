//! `plugin.yml`: what a plugin says of itself.

use std::collections::{BTreeMap, BTreeSet};

use hoist_core::{Diagnostic, ModuleId, Position, did_you_mean};
use semver::Version;

use crate::directory::{Directory, Lookup, is_inside};
use crate::document::{Data, Document, Key, Node};
use crate::range::{VersionRange, read_version};
use crate::schema::read_text;

/// The name of the file.
pub const MANIFEST: &str = "plugin.yml";

/// An event in the life of a plugin that it may have hooks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookEvent {
    /// It is put on the machine.
    Install,
    /// It is brought up in an environment.
    Deploy,
    /// A newer version takes the place of what is deployed.
    Upgrade,
    /// It is taken off the machine.
    Remove,
}

/// On which side of the event a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Before: where it fails, nothing is changed.
    Pre,
    /// After: where it fails, the event has failed.
    Post,
}

impl HookEvent {
    /// The word that stands in the names of hooks.
    pub fn as_str(self) -> &'static str {
        match self {
            HookEvent::Install => "install",
            HookEvent::Deploy => "deploy",
            HookEvent::Upgrade => "upgrade",
            HookEvent::Remove => "remove",
        }
    }
}

/// Every hook that there may be.
pub const HOOKS: &[(&str, Side, HookEvent)] = &[
    ("pre-install", Side::Pre, HookEvent::Install),
    ("post-install", Side::Post, HookEvent::Install),
    ("pre-deploy", Side::Pre, HookEvent::Deploy),
    ("post-deploy", Side::Post, HookEvent::Deploy),
    ("pre-upgrade", Side::Pre, HookEvent::Upgrade),
    ("post-upgrade", Side::Post, HookEvent::Upgrade),
    ("pre-remove", Side::Pre, HookEvent::Remove),
    ("post-remove", Side::Post, HookEvent::Remove),
];

/// A script that runs at an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Relative to the plugin.
    pub path: String,
    /// False where bash has to run it: it may not be run, or does not say by what.
    pub runs_itself: bool,
}

/// Something that a plugin needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: ModuleId,
    /// The versions that will do.
    pub range: VersionRange,
    /// True where the plugin also works without it.
    pub optional: bool,
    /// Where it stands in the manifest.
    pub at: Position,
}

/// How a plugin is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentKind {
    /// With Docker Compose.
    Compose,
    /// On hosts, by the shell modules in its `modules/`.
    Host,
    /// By a script of its own.
    Script,
    /// By its hooks alone.
    Basic,
}

impl DeploymentKind {
    /// The word users read.
    pub fn as_str(self) -> &'static str {
        match self {
            DeploymentKind::Compose => "compose",
            DeploymentKind::Host => "host",
            DeploymentKind::Script => "script",
            DeploymentKind::Basic => "basic",
        }
    }
}

/// What a plugin says of itself.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// Its name, which is also that of its directory.
    pub name: ModuleId,
    /// Its version.
    pub version: Version,
    /// A sentence.
    pub description: String,
    /// Who wrote it.
    pub author: Option<String>,
    /// Under which terms.
    pub license: Option<String>,
    /// What it needs, in its order.
    pub dependencies: Vec<Dependency>,
    /// The JSON Schema of its configuration, relative to it.
    pub schema: Option<String>,
    /// The file of its default values.
    pub defaults: Option<String>,
    /// By the names of their hooks.
    pub hooks: BTreeMap<&'static str, Hook>,
    /// True where printing an undefined value is an error in its templates; otherwise it renders as
    /// nothing, with a warning.
    pub strict_templates: bool,
    /// How it is deployed.
    pub kind: DeploymentKind,
    /// The manifest, for messages about it.
    pub document: Document,
}

impl Plugin {
    /// True where a deployment would change nothing and run nothing.
    pub fn deploys_nothing(&self) -> bool {
        self.kind == DeploymentKind::Basic && self.hooks.is_empty()
    }

    /// Reads the manifest of a plugin and looks at the files that it names. With what is wrong: a
    /// plugin comes back only where that is no error.
    pub fn read(directory: &dyn Directory) -> (Option<Self>, Vec<Diagnostic>) {
        let shown = directory.root().join(MANIFEST).display().to_string();
        let text = match directory.read(MANIFEST).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return (None, vec![Diagnostic::error("is not UTF-8").file(shown)]),
            Err(why) => {
                let wrong = Diagnostic::error(format!("cannot read the file: {why}")).file(shown);
                return (
                    None,
                    vec![wrong.help("a plugin is a directory with a plugin.yml")],
                );
            }
        };
        let document = match Document::parse(&shown, &text) {
            Ok(document) => document,
            Err(wrong) => return (None, vec![wrong]),
        };
        let mut reader = Reader {
            directory,
            document: &document,
            found: Vec::new(),
        };
        let plugin = reader.plugin();
        let found = reader.found;
        let usable = !found.iter().any(Diagnostic::is_error);
        let name = plugin.as_ref().map(|plugin| plugin.name.to_string());
        let found = found.into_iter().map(|wrong| match &name {
            Some(name) => wrong.module(name.as_str()),
            None => wrong,
        });
        let found = found.collect();
        (
            plugin
                .filter(|_| usable)
                .map(|plugin| plugin.into_plugin(document)),
            found,
        )
    }

    /// The hook of one side of an event.
    pub fn hook(&self, side: Side, event: HookEvent) -> Option<(&'static str, &Hook)> {
        let (name, ..) = HOOKS
            .iter()
            .find(|(_, of, at)| (*of, *at) == (side, event))?;
        self.hooks.get(name).map(|hook| (*name, hook))
    }
}

/// A plugin without its document, while that is still being read.
struct Read {
    name: ModuleId,
    version: Version,
    description: String,
    author: Option<String>,
    license: Option<String>,
    dependencies: Vec<Dependency>,
    schema: Option<String>,
    defaults: Option<String>,
    hooks: BTreeMap<&'static str, Hook>,
    strict_templates: bool,
    kind: DeploymentKind,
}

impl Read {
    fn into_plugin(self, document: Document) -> Plugin {
        let Read {
            name,
            version,
            description,
            author,
            license,
            dependencies,
            schema,
            defaults,
            hooks,
            strict_templates,
            kind,
        } = self;
        Plugin {
            name,
            version,
            description,
            author,
            license,
            dependencies,
            schema,
            defaults,
            hooks,
            strict_templates,
            kind,
            document,
        }
    }
}

/// What stands at the top of a manifest.
pub(crate) const KEYS: &[&str] = &[
    "name",
    "version",
    "description",
    "author",
    "license",
    "dependencies",
    "config",
    "hooks",
    "homepage",
    "tags",
    "strict_templates",
];

struct Reader<'a> {
    directory: &'a dyn Directory,
    document: &'a Document,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn wrong(&mut self, at: Position, field: &str, message: impl Into<String>, help: &str) {
        let wrong = Diagnostic::error(message).field(field);
        self.found.push(self.document.point(
            if help.is_empty() {
                wrong
            } else {
                wrong.help(help)
            },
            at,
        ));
    }

    fn warn(&mut self, at: Position, field: &str, message: impl Into<String>, help: &str) {
        let warning = Diagnostic::warning(message).field(field).help(help);
        self.found.push(self.document.point(warning, at));
    }

    fn plugin(&mut self) -> Option<Read> {
        let root = &self.document.root;
        if !matches!(root.data, Data::Map(_)) {
            let message = format!("must be a map, not {}", root.kind());
            self.found.push(
                self.document.point(
                    Diagnostic::error(message)
                        .help("write `name: NAME` and `version: 1.0.0`, each on its own line"),
                    root.at,
                ),
            );
            return None;
        }
        if let Some(dialect) = root.get("apiVersion").or_else(|| root.get("kind")) {
            let message = "the file is for another system: apiVersion, kind, metadata and spec are not supported";
            let help = "write `name`, `version` and the other fields at the top level, as described by `hoist schema plugin`";
            self.wrong(dialect.at, "apiVersion", message, help);
            return None;
        }
        self.unknown(root, "", KEYS);
        let name = self.name(root);
        let version = self.version(root);
        let description = self.line(root, "description").unwrap_or_default();
        let (author, license) = (self.line(root, "author"), self.line(root, "license"));
        self.line(root, "homepage");
        self.tags(root);
        let dependencies = root
            .get("dependencies")
            .map(|node| self.dependencies(node))
            .unwrap_or_default();
        let (schema, defaults) = self.config(root);
        let hooks = root
            .get("hooks")
            .map(|node| self.hooks(node))
            .unwrap_or_default();
        let strict_templates = self.flag(root, "strict_templates");
        let kind = self.kind();
        self.unused(kind, &hooks);
        Some(Read {
            name: name?,
            version: version?,
            description,
            author,
            license,
            dependencies,
            schema,
            defaults,
            hooks,
            strict_templates,
            kind,
        })
    }

    /// True or false; false where it is absent.
    fn flag(&mut self, root: &Node, field: &str) -> bool {
        match root.get(field).map(|node| (&node.data, node.at)) {
            None | Some((Data::Null, _)) => false,
            Some((Data::Bool(value), _)) => *value,
            Some((_, at)) => {
                self.wrong(at, field, "must be true or false", "");
                false
            }
        }
    }

    /// Tells which names of a map nobody knows.
    fn unknown(&mut self, node: &Node, within: &str, known: &[&str]) {
        for (Key { name, at, .. }, _) in node
            .entries()
            .iter()
            .filter(|(key, _)| !known.contains(&key.name.as_str()))
        {
            let plain = name.replace('_', "-").to_lowercase();
            let near = known
                .iter()
                .find(|known| **known == plain)
                .copied()
                .or_else(|| did_you_mean(name, known.iter().copied()));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("allowed: {}", known.join(", ")),
            };
            let field = if within.is_empty() {
                name.clone()
            } else {
                format!("{within}.{name}")
            };
            self.wrong(*at, &field, "is not a field of a plugin", &help);
        }
    }

    fn name(&mut self, root: &Node) -> Option<ModuleId> {
        let start = root.at;
        let Some(node) = root.get("name") else {
            self.wrong(
                start,
                "name",
                "is missing",
                "add `name:` with the name of the directory",
            );
            return None;
        };
        let directory = self
            .directory
            .root()
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let Some(text) = node.text() else {
            self.wrong(
                node.at,
                "name",
                format!("must be a string, not {}", node.kind()),
                "quote the value",
            );
            return None;
        };
        match ModuleId::new(text) {
            Ok(name) if text == directory || directory.is_empty() => Some(name),
            Ok(name) => {
                let help = format!("rename the directory to {text}, or the plugin to {directory}");
                self.warn(
                    node.at,
                    "name",
                    format!("differs from the name of its directory, {directory}"),
                    &help,
                );
                Some(name)
            }
            Err(error) => {
                self.wrong(node.at, "name", error.to_string(), "");
                None
            }
        }
    }

    fn version(&mut self, root: &Node) -> Option<Version> {
        let Some(node) = root.get("version") else {
            self.wrong(root.at, "version", "is missing", "write `version: 1.0.0`");
            return None;
        };
        let written = node.written();
        match written.and_then(read_version) {
            Some((version, false)) => Some(version),
            Some((version, true)) => {
                let written = written.unwrap_or_default();
                self.warn(
                    node.at,
                    "version",
                    format!("`{written}` is read as {version}"),
                    &format!("write `version: {version}`"),
                );
                Some(version)
            }
            None => {
                let shown = written.map_or_else(
                    || node.kind().to_owned(),
                    |written| format!("`{}`", written.escape_debug()),
                );
                self.wrong(
                    node.at,
                    "version",
                    format!("{shown} is not a version"),
                    "write three numbers separated by dots: 1.0.0",
                );
                None
            }
        }
    }

    /// A line of text for people.
    fn line(&mut self, root: &Node, field: &str) -> Option<String> {
        let node = root.get(field)?;
        match &node.data {
            Data::Null => None,
            Data::List(_) | Data::Map(_) => {
                self.wrong(
                    node.at,
                    field,
                    format!("must be a string, not {}", node.kind()),
                    "",
                );
                None
            }
            _ => {
                let text = node
                    .written()
                    .map_or_else(|| node.to_json().to_string(), str::to_owned);
                Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
            }
        }
    }

    fn tags(&mut self, root: &Node) {
        if let Some(node) = root
            .get("tags")
            .filter(|node| !matches!(node.data, Data::List(_) | Data::Null))
        {
            self.wrong(
                node.at,
                "tags",
                format!("must be a list, not {}", node.kind()),
                "write `tags: [one, another]`",
            );
        }
    }

    fn dependencies(&mut self, node: &Node) -> Vec<Dependency> {
        let mut all: Vec<Dependency> = Vec::new();
        let help = "write one line `- NAME: \">=1.0.0\"` for each dependency";
        let mut pairs: Vec<(&str, Position, Option<&Node>)> = Vec::new();
        match &node.data {
            Data::Null => {}
            Data::Map(entries) => pairs.extend(
                entries
                    .iter()
                    .map(|(key, node)| (key.name.as_str(), key.at, Some(node))),
            ),
            Data::List(items) => {
                for item in items {
                    match &item.data {
                        Data::Text(name) => pairs.push((name, item.at, None)),
                        Data::Map(entries) if !entries.is_empty() => {
                            pairs.extend(
                                entries
                                    .iter()
                                    .map(|(key, node)| (key.name.as_str(), key.at, Some(node))),
                            );
                        }
                        _ => self.wrong(
                            item.at,
                            "dependencies",
                            format!("must have a name and a version range, not {}", item.kind()),
                            help,
                        ),
                    }
                }
            }
            _ => self.wrong(
                node.at,
                "dependencies",
                format!("must be a list, not {}", node.kind()),
                help,
            ),
        }
        for (name, at, value) in pairs {
            let field = format!("dependencies.{name}");
            let id = match ModuleId::new(name) {
                Ok(id) => id,
                Err(error) => {
                    self.wrong(at, "dependencies", error.to_string(), help);
                    continue;
                }
            };
            if all.iter().any(|known| known.name == id) {
                self.wrong(
                    at,
                    &field,
                    "is listed twice",
                    "write all bounds in one entry: \">=1.0.0, <2.0.0\"",
                );
                continue;
            }
            let (versions, optional) = self.bounds(value, &field);
            let range = match versions {
                Ok(text) => VersionRange::parse(&text),
                Err(()) => continue,
            };
            match range {
                Ok(range) => all.push(Dependency {
                    name: id,
                    range,
                    optional,
                    at: value.map_or(at, |value| value.at),
                }),
                Err(why) => {
                    let help = "write a range such as \">=1.0.0\", \"^1.2\", \"~1.2\", \">=1.0.0, <2.0.0\" or \"*\"";
                    self.wrong(value.map_or(at, |value| value.at), &field, why, help);
                }
            }
        }
        all
    }

    /// The text of a range, and whether it may be absent.
    fn bounds(&mut self, value: Option<&Node>, field: &str) -> (Result<String, ()>, bool) {
        let Some(value) = value else {
            return (Ok("*".to_owned()), false);
        };
        if let Data::Map(_) = value.data {
            self.unknown(value, field, &["version", "optional"]);
            let optional = match value.get("optional").map(|node| &node.data) {
                None => false,
                Some(Data::Bool(optional)) => *optional,
                Some(_) => {
                    let at = value.get("optional").map_or(value.at, |node| node.at);
                    self.wrong(
                        at,
                        &format!("{field}.optional"),
                        "must be true or false",
                        "",
                    );
                    false
                }
            };
            return (self.bounds(value.get("version"), field).0, optional);
        }
        match (&value.data, value.written()) {
            (Data::Null, _) => (Ok("*".to_owned()), false),
            (_, Some(text)) => (Ok(text.to_owned()), false),
            _ => {
                self.wrong(
                    value.at,
                    field,
                    format!("must be a version range, not {}", value.kind()),
                    "write a range such as \">=1.0.0\"",
                );
                (Err(()), false)
            }
        }
    }

    /// The schema and the defaults: those that are named, or else those in the usual place.
    fn config(&mut self, root: &Node) -> (Option<String>, Option<String>) {
        let usual = |directory: &dyn Directory, stem: &str, endings: [&str; 3]| {
            let mut paths = endings
                .iter()
                .map(|ending| format!("config/{stem}.{ending}"));
            paths.find(|path| matches!(directory.lookup(path), Lookup::File { .. }))
        };
        let node = root.get("config").filter(|node| node.data != Data::Null);
        if let Some(node) = node {
            if !matches!(node.data, Data::Map(_)) {
                self.wrong(
                    node.at,
                    "config",
                    format!("must be a map, not {}", node.kind()),
                    "add `schema: config/schema.json` below it",
                );
                return (None, None);
            }
            self.unknown(node, "config", &["schema", "defaults"]);
        }
        let mut path = |field: &str, endings| match node.filter(|node| node.get(field).is_some()) {
            Some(node) => self.path(node, "config", field),
            None => usual(self.directory, field, endings),
        };
        (
            path("schema", ["json", "yaml", "yml"]),
            path("defaults", ["yaml", "yml", "json"]),
        )
    }

    /// A path of a file that has to be in the plugin.
    fn path(&mut self, node: &Node, within: &str, field: &str) -> Option<String> {
        let node = node.get(field).filter(|node| node.data != Data::Null)?;
        let field = format!("{within}.{field}");
        let Some(path) = node.text() else {
            self.wrong(
                node.at,
                &field,
                format!("must be a path, not {}", node.kind()),
                "",
            );
            return None;
        };
        let shown = path.escape_debug();
        if !is_inside(path) {
            self.wrong(
                node.at,
                &field,
                format!("`{shown}` leads out of the plugin"),
                "use a file in the plugin's own directory",
            );
            return None;
        }
        match self.directory.lookup(path) {
            Lookup::File { .. } => return Some(path.to_owned()),
            Lookup::Absent => {
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
                let names = self.directory.names(parent);
                let near = did_you_mean(name, names.iter().map(String::as_str));
                let help = near.map_or_else(
                    || "create the file, or remove the field".to_owned(),
                    |near| {
                        format!(
                            "did you mean `{}{near}`?",
                            if parent.is_empty() {
                                String::new()
                            } else {
                                format!("{parent}/")
                            }
                        )
                    },
                );
                self.wrong(
                    node.at,
                    &field,
                    format!("the file `{shown}` does not exist"),
                    &help,
                );
            }
            Lookup::LeadsOut => self.wrong(
                node.at,
                &field,
                format!("`{shown}` is a symbolic link that leads out of the plugin"),
                "replace the symbolic link with the file",
            ),
            Lookup::Directory | Lookup::Other => self.wrong(
                node.at,
                &field,
                format!("`{shown}` is not a file"),
                "use a file",
            ),
        }
        None
    }

    fn hooks(&mut self, node: &Node) -> BTreeMap<&'static str, Hook> {
        let mut hooks = BTreeMap::new();
        let names: Vec<&str> = HOOKS.iter().map(|(name, ..)| *name).collect();
        match &node.data {
            Data::Map(_) => self.unknown(node, "hooks", &names),
            Data::Null => {}
            _ => self.wrong(
                node.at,
                "hooks",
                format!("must be a map, not {}", node.kind()),
                "add `pre-deploy: hooks/pre-deploy.sh` below it",
            ),
        }
        for (name, ..) in HOOKS {
            let Some(path) = self.path(node, "hooks", name) else {
                continue;
            };
            let at = node.get(name).map_or(node.at, |node| node.at);
            let text = self.directory.read(&path).unwrap_or_default();
            let executable = matches!(
                self.directory.lookup(&path),
                Lookup::File { executable: true }
            );
            let runs_itself = executable && text.starts_with(b"#!");
            let field = format!("hooks.{name}");
            if text.iter().all(u8::is_ascii_whitespace) {
                self.warn(
                    at,
                    &field,
                    format!("{path} is empty"),
                    "write its commands, or remove the hook",
                );
                continue;
            }
            if runs_itself
                && text
                    .split(|byte| *byte == b'\n')
                    .next()
                    .is_some_and(|line| line.ends_with(b"\r"))
            {
                self.wrong(
                    at,
                    &field,
                    format!("{path} has Windows line endings (CRLF) and cannot be run"),
                    "save it with Unix line endings (LF)",
                );
                continue;
            }
            match (executable, runs_itself) {
                (_, true) => {}
                (false, _) => self.warn(
                    at,
                    &field,
                    format!("{path} is not executable; it is run with bash"),
                    &format!("run `chmod +x {path}`"),
                ),
                (true, _) => {
                    self.warn(
                        at,
                        &field,
                        format!("{path} has no #! line; it is run with bash"),
                        "start it with #!/usr/bin/env bash",
                    );
                }
            }
            hooks.insert(*name, Hook { path, runs_itself });
        }
        hooks
    }

    /// Warns of files that look as though they were used and are not.
    fn unused(&mut self, kind: DeploymentKind, hooks: &BTreeMap<&'static str, Hook>) {
        let directory = self.directory;
        let files = |folder: &str| -> Vec<String> {
            let names = directory
                .names(folder)
                .into_iter()
                .map(|name| format!("{folder}/{name}"));
            names
                .filter(|path| matches!(directory.lookup(path), Lookup::File { .. }))
                .collect()
        };
        let compose: Vec<String> = [COMPOSE, OVERRIDES]
            .into_iter()
            .flat_map(files)
            .filter(|path| is_compose_or_template(path))
            .collect();
        let is_layer = |path: &String| {
            let (folder, name) = path.rsplit_once('/').unwrap_or_default();
            let stems = COMPOSE_FILES
                .iter()
                .filter_map(|file| file.rsplit_once('.'));
            folder == OVERRIDES
                || stems
                    .map(|(stem, _)| format!("{stem}."))
                    .any(|stem| name.starts_with(&stem))
        };
        let layers: Vec<String> = compose
            .iter()
            .filter(|path| is_layer(path))
            .cloned()
            .collect();
        let texts: Vec<String> = layers
            .iter()
            .filter_map(|path| read_text(directory, path).ok())
            .collect();
        let is_included = |path: &String| {
            texts.iter().any(|text| {
                path.rsplit('/')
                    .next()
                    .is_some_and(|name| text.contains(name))
            })
        };
        let used = |path: &String| {
            (kind == DeploymentKind::Compose && layers.contains(path)) || is_included(path)
        };
        let reason = match kind {
            DeploymentKind::Compose => {
                "Docker Compose reads docker-compose.yml, docker-compose.ENVIRONMENT.yml and overrides/ENVIRONMENT.yml, each also with .j2"
            }
            _ => "the main file compose/docker-compose.yml does not exist",
        };
        let unused = compose
            .into_iter()
            .filter(|path| !used(path))
            .map(|path| (path, reason));
        let mut unused: Vec<(String, &str)> = unused.collect();
        unused.extend(
            compose_files(directory)
                .into_iter()
                .skip(1)
                .map(|path| (path, "another file has precedence")),
        );
        let deploys = |path: &&str| has_commands(directory, path);
        let scripts = DEPLOY_SCRIPTS
            .iter()
            .filter(|path| matches!(directory.lookup(path), Lookup::File { .. }));
        for path in scripts {
            let reason = match kind {
                DeploymentKind::Compose => "the Compose files are deployed; a hook can run it",
                DeploymentKind::Host => "the modules are deployed; a hook can run it",
                _ if !deploys(path) => "it has no commands",
                _ => continue,
            };
            unused.push(((*path).to_owned(), reason));
        }
        let named: Vec<&str> = hooks.values().map(|hook| hook.path.as_str()).collect();
        for path in files("hooks")
            .into_iter()
            .filter(|path| !named.contains(&path.as_str()))
        {
            let name = path.rsplit('/').next().unwrap_or_default();
            let stem = name.split('.').next().unwrap_or_default().replace('_', "-");
            if HOOKS
                .iter()
                .any(|(hook, ..)| *hook == stem && !hooks.contains_key(hook))
            {
                unused.push((path, "plugin.yml does not list it in `hooks`"));
            }
        }
        let scripts = ["scripts", "hooks"]
            .into_iter()
            .flat_map(files)
            .filter(|path| path.ends_with(".j2"));
        let unused: Vec<(String, &str)> = unused
            .into_iter()
            .chain(scripts.map(|path| (path, "only Compose files are templates; scripts receive the configuration in CONFIG_… variables")))
            .collect();
        for (path, reason) in unused {
            let warning = Diagnostic::warning(format!("{path} is not used: {reason}"))
                .file(directory.root().join(&path).display().to_string());
            self.found.push(warning.help("rename it, or remove it"));
        }
    }

    fn kind(&self) -> DeploymentKind {
        let is_script = |name: &str| matches!(self.directory.lookup(name), Lookup::File { .. });
        if self
            .directory
            .names("modules")
            .iter()
            .any(|name| name.ends_with(".sh") || name.ends_with(".conf"))
        {
            DeploymentKind::Host
        } else if !compose_files(self.directory).is_empty() {
            DeploymentKind::Compose
        } else if DEPLOY_SCRIPTS
            .iter()
            .any(|path| is_script(path) && has_commands(self.directory, path))
        {
            DeploymentKind::Script
        } else {
            DeploymentKind::Basic
        }
    }
}

/// False for a script of comments and blanks only.
fn has_commands(directory: &dyn Directory, path: &str) -> bool {
    let text = directory.read(path).unwrap_or_default();
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .any(|line| !line.is_empty() && !line.starts_with(b"#"))
}

/// The names of environments that Compose files are for.
pub(crate) fn layered_environments(directory: &dyn Directory) -> BTreeSet<String> {
    let stems: Vec<&str> = COMPOSE_FILES
        .iter()
        .filter_map(|file| file.rsplit_once('.'))
        .map(|(stem, _)| stem)
        .collect();
    let environment = |folder: &str, name: &str| {
        let name = name.strip_suffix(".j2").unwrap_or(name);
        let name = name
            .strip_suffix(".yml")
            .or_else(|| name.strip_suffix(".yaml"))
            .unwrap_or(name);
        match folder {
            OVERRIDES => Some(name.to_owned()),
            _ => stems
                .iter()
                .find_map(|stem| name.strip_prefix(stem)?.strip_prefix('.'))
                .map(str::to_owned),
        }
    };
    let of = |folder: &'static str| {
        directory
            .names(folder)
            .into_iter()
            .filter_map(move |name| environment(folder, &name))
    };
    ["", COMPOSE, OVERRIDES]
        .into_iter()
        .flat_map(of)
        .filter(|name| name != "override" && !name.is_empty())
        .collect()
}

/// True for the name of a file that Docker Compose or a template engine would read.
fn is_compose_or_template(name: &str) -> bool {
    [".yml", ".yaml", ".j2"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Where a plugin's own script of deployment may be.
pub const DEPLOY_SCRIPTS: &[&str] = &["scripts/deploy.sh", "scripts/deploy.py", "scripts/deploy"];

/// Where a plugin's own script may be that takes back what that did.
pub const UNDEPLOY_SCRIPTS: &[&str] = &[
    "scripts/undeploy.sh",
    "scripts/undeploy.py",
    "scripts/undeploy",
];

/// Where the files of Docker Compose are.
pub(crate) const COMPOSE: &str = "compose";

/// Where files are that lie over the main one, by the names of environments.
pub(crate) const OVERRIDES: &str = "compose/overrides";

/// The names that the main file of Docker Compose may have, in `compose/` or beside the manifest.
pub(crate) const COMPOSE_FILES: &[&str] = &[
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
];

/// The main files of Docker Compose that there are; with `.j2` behind their name they are
/// templates.
pub fn compose_files(directory: &dyn Directory) -> Vec<String> {
    let names = COMPOSE_FILES
        .iter()
        .flat_map(|name| [format!("{name}.j2"), (*name).to_owned()]);
    let paths = names.flat_map(|name| [format!("compose/{name}"), name]);
    paths
        .filter(|path| matches!(directory.lookup(path), Lookup::File { .. }))
        .collect()
}

#[cfg(test)]
mod tests;
