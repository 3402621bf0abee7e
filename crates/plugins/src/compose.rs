//! What a plugin deploys with Docker Compose: its files, rendered, and what Compose itself would
//! only find out too late.

use std::collections::{BTreeMap, BTreeSet};

use hoist_core::{Diagnostic, Position};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::directory::{Directory, Lookup, is_inside};
use crate::document::{Data, Document, Node};
use crate::evaluate::{EvaluationResult, EvaluationTask, Rendered, Template, TemplateError};
use crate::interpolate::{Variable, interpolate};
use crate::manifest::{COMPOSE_FILES, OVERRIDES, Plugin, compose_files};
use crate::schema::read_text;
use crate::tree::{Branch, Tree, ValueOrigin, dotted};

mod exact;
mod source;

/// What is known when files are rendered.
#[derive(Debug, Clone, Copy)]
pub struct Rendering<'a> {
    /// The plugin.
    pub plugin: &'a Plugin,
    /// Its configuration, with secrets.
    pub values: &'a Value,
    /// How numbers of it are written, by their usual spelling.
    pub spellings: &'a BTreeMap<String, String>,
    /// The variables that Compose sees.
    pub variables: &'a BTreeMap<String, String>,
    /// More of them that it sees: those hoist was started with.
    pub process_environment: &'a hoist_core::Environment,
    /// The environment it is deployed to.
    pub environment: Option<&'a str>,
    /// How many of each service that can be several.
    pub replicas: Option<u32>,
    /// Whether it is deployed for debugging.
    pub debug: bool,
    /// The name of the project.
    pub project: &'a str,
    /// Whether it goes to a Swarm, whose machines share ports and have the images of a registry.
    pub swarm: bool,
}

/// What is given to Compose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// The files in the order they lie over each other: paths relative to the plugin, and their
    /// texts.
    pub files: Vec<(String, String)>,
    /// The names of the services.
    pub services: BTreeSet<String>,
    /// How many of each there are to be, where that was asked for.
    pub scale: BTreeMap<String, u32>,
    /// True where images are built.
    pub builds: bool,
}

impl Rendering<'_> {
    /// What Compose takes a variable for.
    fn variable(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .cloned()
            .or_else(|| self.process_environment.get(name).map(str::to_owned))
    }
}

/// What stands behind the name of a template.
const TEMPLATE: &str = ".j2";

/// Renders the files of a plugin, and checks them. Nothing is run.
///
/// # Errors
/// Everything that is wrong with them, with its place in the rendered text; warnings do not make an
/// error of it alone.
pub fn render(directory: &dyn Directory, rendering: &Rendering<'_>) -> (Project, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut project = Project::default();
    let (mut documents, mut templates) = (Vec::new(), Vec::new());
    let files = files(directory, rendering.environment);
    let variables = with_file(directory, files.first(), rendering);
    let rendering = &Rendering {
        variables: &variables,
        ..*rendering
    };
    for path in files {
        let text = match read_text(directory, &path) {
            Ok(text) => text,
            Err(wrong) => {
                found.push(wrong);
                continue;
            }
        };
        let shown = directory.root().join(&path).display().to_string();
        let template = path.ends_with(TEMPLATE).then(|| text.clone());
        let (target, text) =
            match path.strip_suffix(TEMPLATE) {
                None => (path.clone(), text),
                Some(target) => match rendered(directory, &path, &text, rendering) {
                    Ok(rendered) => {
                        found.extend(rendered.undefined.iter().map(|place| {
                            undefined_value(&rendered.text, *place, rendering, &shown)
                        }));
                        match exact::exact(&rendered, &|name| rendering.variable(name)) {
                            Ok(text) => (target.to_owned(), text),
                            Err(inexact) => {
                                found.extend(
                                    inexact
                                        .iter()
                                        .map(|value| inexact_value(value, rendering, &shown)),
                                );
                                continue;
                            }
                        }
                    }
                    Err(error) => {
                        found.push(template_error(&error, &shown, &text));
                        continue;
                    }
                },
            };
        match Document::parse_last_wins(&shown, &text) {
            Ok((document, warning)) => {
                documents.push(document);
                found.extend(warning);
            }
            Err(wrong) => found.push(wrong),
        }
        templates.extend(template.map(|template| (shown, template, text.clone())));
        project.files.push((target, text));
    }
    if !found.iter().any(Diagnostic::is_error) {
        Checker {
            rendering,
            documents: &documents,
            found: &mut found,
        }
        .check(&mut project);
    }
    for wrong in &mut found {
        let of_file = templates
            .iter()
            .find(|(shown, ..)| wrong.file.as_ref() == Some(shown));
        if let Some((_, template, text)) = of_file {
            source::point(wrong, template, text);
        }
    }
    (project, found)
}

/// The files for an environment: the main one, what always lies over it, and that of the
/// environment.
fn files(directory: &dyn Directory, environment: Option<&str>) -> Vec<String> {
    let Some(main) = compose_files(directory).into_iter().next() else {
        return Vec::new();
    };
    let folder = main
        .rsplit_once('/')
        .map(|(folder, _)| format!("{folder}/"))
        .unwrap_or_default();
    let short = match environment {
        Some("development") => Some("dev"),
        Some("production") => Some("prod"),
        _ => None,
    };
    let mut all = vec![main];
    for layer in [Some("override"), environment].into_iter().flatten() {
        let names = [Some(layer), short.filter(|_| layer != "override")]
            .into_iter()
            .flatten();
        let of = |name: &str| {
            COMPOSE_FILES
                .iter()
                .flat_map(|file| {
                    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, "yml"));
                    let path = format!("{folder}{stem}.{name}.{extension}");
                    [format!("{path}{TEMPLATE}"), path]
                })
                .collect::<Vec<_>>()
        };
        let beside: Vec<String> = names.clone().flat_map(of).collect();
        let overrides = names.flat_map(|name| {
            let paths = ["yml", "yaml"].map(|extension| format!("{OVERRIDES}/{name}.{extension}"));
            paths
                .into_iter()
                .flat_map(|path| [format!("{path}{TEMPLATE}"), path])
                .chain([format!("{OVERRIDES}/{name}{TEMPLATE}")])
        });
        let is_there = |path: &String| matches!(directory.lookup(path), Lookup::File { .. });
        all.extend(beside.into_iter().find(is_there));
        all.extend(overrides.into_iter().find(is_there));
    }
    all
}

/// The variables, with those of the file `.env` beside the first file of the project: for Compose,
/// every other place comes before that file.
fn with_file(
    directory: &dyn Directory,
    first: Option<&String>,
    rendering: &Rendering<'_>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let folder = first
        .and_then(|path| path.rsplit_once('/'))
        .map(|(folder, _)| format!("{folder}/"))
        .unwrap_or_default();
    let path = format!("{folder}.env");
    if matches!(directory.lookup(&path), Lookup::File { .. }) {
        for line in read_text(directory, &path)
            .unwrap_or_default()
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'))
        {
            let Some((name, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=')
            else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            let quoted = ['"', '\'']
                .iter()
                .find_map(|quote| value.strip_prefix(*quote)?.split_once(*quote));
            let value = quoted.map_or_else(
                || value.split(" #").next().unwrap_or_default().trim_end(),
                |(inside, _)| inside,
            );
            if rendering.process_environment.get(name).is_none() {
                all.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    all.extend(
        rendering
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    all
}

fn rendered(
    directory: &dyn Directory,
    path: &str,
    text: &str,
    rendering: &Rendering<'_>,
) -> Result<Rendered, TemplateError> {
    let folder = path
        .rsplit_once('/')
        .map(|(folder, _)| format!("{folder}/"))
        .unwrap_or_default();
    let Rendering {
        plugin,
        values,
        environment: place,
        replicas,
        debug,
        project,
        variables,
        ..
    } = rendering;
    let mut context = values.as_object().cloned().unwrap_or_default();
    let known = json!({
        "config": values, "values": values, "env": variables, "environment": place.unwrap_or_default(), "replicas": replicas.unwrap_or(1),
        "debug": debug, "project": project, "plugin": { "name": plugin.name, "version": plugin.version.to_string() },
    });
    for (name, value) in known.as_object().into_iter().flatten() {
        context.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let included = includes(directory, &folder);
    let spellings = rendering.spellings.clone();
    let template = Template {
        path: path.to_owned(),
        text: text.to_owned(),
        included,
        variables: context,
        spellings,
        strict: plugin.strict_templates,
    };
    match directory.evaluate(&EvaluationTask::Render(template)) {
        Ok(EvaluationResult::Rendered(rendered)) => rendered,
        Ok(EvaluationResult::Checked(_)) => Err(TemplateError {
            message: "the answer belongs to another request".to_owned(),
            line: None,
            start: None,
            help: None,
        }),
        Err(message) => Err(TemplateError {
            message,
            line: None,
            start: None,
            help: None,
        }),
    }
}

/// The other files beside a template and below its directory, and what is below `templates/`: what
/// it may include.
fn includes(directory: &dyn Directory, folder: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut open = vec![
        (folder.trim_end_matches('/').to_owned(), 0),
        ("templates".to_owned(), 0),
    ];
    while let Some((place, depth)) = open.pop() {
        for name in directory.names(&place) {
            let path = if place.is_empty() {
                name
            } else {
                format!("{place}/{name}")
            };
            match directory.lookup(&path) {
                Lookup::File { .. } if is_inside(&path) => {
                    all.extend(read_text(directory, &path).ok().map(|text| (path, text)))
                }
                // A template beside the manifest may have the whole plugin below it.
                Lookup::Directory if !place.is_empty() && depth < DEPTH => {
                    open.push((path, depth + 1))
                }
                _ => {}
            }
        }
    }
    all
}

/// Directories below that of a template in which files may be that it includes.
const DEPTH: usize = 4;

fn template_error(error: &TemplateError, file: &str, text: &str) -> Diagnostic {
    let TemplateError {
        message,
        line,
        start,
        help,
    } = error;
    let mut wrong = Diagnostic::error(format!("cannot render the template: {message}")).file(file);
    if let Some(line) = *line {
        let before = start.and_then(|start| text.get(..start));
        let column = before.map_or(1, |before| {
            before.rsplit('\n').next().unwrap_or("").chars().count() + 1
        });
        wrong.position = Some(Position { line, column });
        wrong.source_line = text.lines().nth(line.saturating_sub(1)).map(str::to_owned);
    }
    wrong.help.clone_from(help);
    wrong
}

/// Warns of an undefined value that a template prints.
fn undefined_value(
    text: &str,
    (line, column): (usize, usize),
    rendering: &Rendering<'_>,
    file: &str,
) -> Diagnostic {
    let warning = Diagnostic::warning("an undefined value renders as an empty string")
        .file(file)
        .module(rendering.plugin.name.as_str());
    let help = "set a value in config/defaults.yaml, or write `{{ x | default(…) }}`; with `strict_templates: true` in plugin.yml this is an error";
    let mut warning = warning.help(help);
    warning.position = Some(Position { line, column });
    warning.source_line = text.lines().nth(line - 1).map(str::to_owned);
    warning
}

/// Says which value of the configuration a template does not pass on as it is.
fn inexact_value(value: &str, rendering: &Rendering<'_>, file: &str) -> Diagnostic {
    let tree = Tree::of_value(rendering.values, &ValueOrigin::Nowhere);
    let mut leaves = Vec::new();
    tree.leaves(&mut Vec::new(), &mut leaves);
    let path = leaves
        .iter()
        .find(|(_, tree)| tree.value == Branch::Leaf(Value::from(value)))
        .map(|(path, _)| dotted(path));
    let message = match &path {
        Some(path) => format!(
            "the template changes the value of {path}: Docker Compose would read another value"
        ),
        None => {
            "the template changes a value that it inserts: Docker Compose would read another value"
                .to_owned()
        }
    };
    let path = path.unwrap_or_else(|| "VALUE".to_owned());
    let wrong = Diagnostic::error(message)
        .file(file)
        .module(rendering.plugin.name.as_str());
    wrong.help(format!(
        "write `{{{{ {path} | tojson }}}}` in the template, without quotes"
    ))
}

struct Checker<'a> {
    rendering: &'a Rendering<'a>,
    documents: &'a [Document],
    found: &'a mut Vec<Diagnostic>,
}

/// What is said of a service in all files.
#[derive(Default)]
struct Service<'a> {
    at: Option<(&'a Document, Position)>,
    /// Each with where it stands.
    ports: Vec<(&'a Document, &'a Node)>,
    networks: Vec<(&'a Document, Position, String)>,
    depends_on: Vec<(&'a Document, Position, String)>,
    volumes: Vec<(&'a Document, Position, String)>,
    container_name: Option<(&'a Document, &'a Node)>,
    restart: Option<(&'a Document, &'a Node)>,
    restart_policy: bool,
    replicas: Option<u64>,
    builds: bool,
    image: bool,
}

impl<'a> Checker<'a> {
    fn tell(
        &mut self,
        document: &Document,
        at: Position,
        field: String,
        message: impl Into<String>,
        help: &str,
    ) {
        let wrong = Diagnostic::error(message)
            .field(field)
            .module(self.rendering.plugin.name.as_str());
        self.found.push(document.point(
            if help.is_empty() {
                wrong
            } else {
                wrong.help(help)
            },
            at,
        ));
    }

    fn check(mut self, project: &mut Project) {
        let documents: &'a [Document] = self.documents;
        for document in documents {
            self.variables(document, &document.root, &mut Vec::new());
        }
        let mut services: BTreeMap<&str, Service<'a>> = BTreeMap::new();
        let mut networks: BTreeSet<&str> = BTreeSet::from(["default"]);
        for document in documents {
            for (key, _) in document
                .root
                .get("networks")
                .map(Node::entries)
                .unwrap_or_default()
            {
                networks.insert(&key.name);
            }
            for (key, node) in document
                .root
                .get("services")
                .map(Node::entries)
                .unwrap_or_default()
            {
                let service = services.entry(&key.name).or_default();
                service.at.get_or_insert((document, key.at));
                read_service(service, document, node);
            }
        }
        if services.is_empty() {
            if let Some(document) = documents.first() {
                let help = "a Compose file needs `services:`, with a name and an `image:` below";
                self.tell(
                    document,
                    document.root.at,
                    "services".to_owned(),
                    "there are no services",
                    help,
                );
            }
            return;
        }
        project.services = services.keys().map(|name| (*name).to_owned()).collect();
        project.builds = services.values().any(|service| service.builds);
        self.scale(&services, project);
        if self.rendering.swarm {
            self.swarm(&services, project);
        }
        let volumes: BTreeSet<&str> = documents
            .iter()
            .flat_map(|document| {
                document
                    .root
                    .get("volumes")
                    .map(Node::entries)
                    .unwrap_or_default()
            })
            .map(|(key, _)| key.name.as_str())
            .collect();
        // What is included from elsewhere is not read here.
        let whole = documents
            .iter()
            .all(|document| document.root.get("include").is_none());
        for (name, service) in services.iter().filter(|_| whole) {
            self.parts(name, service, &services, &volumes);
        }
        let mut taken: BTreeMap<(String, u32), &str> = BTreeMap::new();
        for (name, service) in &services {
            let count = project
                .scale
                .get(*name)
                .copied()
                .map_or(service.replicas.unwrap_or(1), u64::from);
            self.service(name, service, count, &networks, &mut taken);
        }
    }

    /// Variables that nobody has set.
    fn variables(&mut self, document: &Document, node: &Node, path: &mut Vec<String>) {
        match &node.data {
            Data::Text(text) => {
                let (_, missing) = self.interpolated(text);
                for Variable { name, problem } in missing {
                    let field = path.join(".");
                    match problem {
                        Some(text) => {
                            let text = if text.is_empty() {
                                "is required".to_owned()
                            } else {
                                text
                            };
                            self.tell(
                                document,
                                node.at,
                                field,
                                format!("the variable {name} is not set: {text}"),
                                "set it in the environment, or map it to a value in config/env.yaml",
                            );
                        }
                        None => {
                            let warning = Diagnostic::warning(format!(
                                "the variable {name} is not set, and is replaced by an empty string"
                            ));
                            let warning = warning
                                .field(field)
                                .module(self.rendering.plugin.name.as_str());
                            let help = format!(
                                "set it, write ${{{name}:-DEFAULT}}, or map it to a value in config/env.yaml"
                            );
                            self.found.push(document.point(warning.help(help), node.at));
                        }
                    }
                }
            }
            Data::List(items) => {
                for item in items {
                    self.variables(document, item, path);
                }
            }
            Data::Map(entries) => {
                for (key, below) in entries {
                    path.push(key.name.clone());
                    self.variables(document, below, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// A text with its variables, and those that are not set.
    fn interpolated(&self, text: &str) -> (String, Vec<Variable>) {
        interpolate(text, &|name| self.rendering.variable(name))
    }

    /// Which services there are to be several of.
    fn scale(&mut self, services: &BTreeMap<&str, Service<'a>>, project: &mut Project) {
        let Some(replicas) = self.rendering.replicas else {
            return;
        };
        let declared: Vec<&str> = services
            .iter()
            .filter(|(_, service)| service.replicas.is_some())
            .map(|(name, _)| *name)
            .collect();
        let called = ["app", "web", self.rendering.plugin.name.as_str()]
            .into_iter()
            .find(|name| services.contains_key(name));
        let only = services
            .keys()
            .next()
            .copied()
            .filter(|_| services.len() == 1);
        let several: Vec<&str> = if declared.is_empty() {
            called.or(only).into_iter().collect()
        } else {
            declared
        };
        if several.is_empty() {
            let names: Vec<&str> = services.keys().copied().collect();
            let (document, at) = services
                .values()
                .find_map(|service| service.at)
                .unwrap_or((&self.documents[0], self.documents[0].root.at));
            let message = format!(
                "it is ambiguous which of {} gets {replicas} replicas",
                names.join(", ")
            );
            self.tell(
                document,
                at,
                "services".to_owned(),
                message,
                "write `deploy: { replicas: 1 }` in the services that can have several replicas",
            );
        }
        project.scale = several
            .into_iter()
            .map(|name| (name.to_owned(), replicas))
            .collect();
    }

    /// What a service names that nobody declares.
    fn parts(
        &mut self,
        name: &str,
        service: &Service<'a>,
        services: &BTreeMap<&str, Service<'a>>,
        volumes: &BTreeSet<&str>,
    ) {
        for (document, at, other) in service
            .depends_on
            .iter()
            .filter(|(.., other)| !services.contains_key(other.as_str()))
        {
            let near = hoist_core::did_you_mean(other, services.keys().copied());
            let help = near.map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            self.tell(
                document,
                *at,
                format!("services.{name}.depends_on"),
                format!("unknown service `{other}`"),
                &help,
            );
        }
        for (document, at, text) in &service.volumes {
            // A name; everything else is a path, or only known when it is brought up.
            let (source, missing) = self.interpolated(text);
            let is_name = source.starts_with(|c: char| c.is_ascii_alphanumeric())
                && !source.contains(['/', '\\'])
                && missing.is_empty();
            if is_name && !volumes.contains(source.as_str()) {
                let help = format!(
                    "declare `{source}:` in the top-level `volumes:`; a directory starts with ./ or /"
                );
                self.tell(
                    document,
                    *at,
                    format!("services.{name}.volumes"),
                    format!("undeclared volume `{source}`"),
                    &help,
                );
            }
        }
        if let (false, false, Some((document, at))) = (service.image, service.builds, service.at) {
            self.tell(
                document,
                at,
                format!("services.{name}"),
                "must have an image or a build",
                "write `image: NAME:TAG`",
            );
        }
    }

    /// What is different in a Swarm: nothing is built, and how many there are is said by a file.
    fn swarm(&mut self, services: &BTreeMap<&str, Service<'a>>, project: &mut Project) {
        for (name, service) in services.iter().filter(|(_, service)| service.builds) {
            let Some((document, at)) = service.at else {
                continue;
            };
            let (field, help) = (
                format!("services.{name}.build"),
                "push the image to a registry, and name it with `image:`",
            );
            match service.image {
                true => {
                    let warning = Diagnostic::warning(
                        "images are not built for a Swarm: its nodes pull them",
                    )
                    .field(field);
                    let warning = warning.module(self.rendering.plugin.name.as_str());
                    self.found
                        .push(document.point(warning.help("push the image to a registry"), at));
                }
                false => self.tell(
                    document,
                    at,
                    field,
                    "images are not built for a Swarm, since its nodes would not have them",
                    help,
                ),
            }
        }
        project.builds = false;
        if project.scale.is_empty() {
            return;
        }
        let services: serde_json::Map<String, Value> = project
            .scale
            .iter()
            .map(|(name, count)| (name.clone(), json!({ "deploy": { "replicas": count } })))
            .collect();
        let mut text = json!({ "services": services });
        // All files of a stack have to be of one version.
        if let Some(version) = self
            .documents
            .first()
            .and_then(|document| document.root.get("version"))
        {
            text["version"] = version.to_json();
        }
        let folder = project
            .files
            .first()
            .and_then(|(path, _)| path.rsplit_once('/'))
            .map(|(folder, _)| format!("{folder}/"));
        let path = format!("{}docker-compose.replicas.json", folder.unwrap_or_default());
        project.files.push((path, text.to_string()));
    }

    fn service(
        &mut self,
        name: &str,
        service: &Service<'a>,
        count: u64,
        networks: &BTreeSet<&str>,
        taken: &mut BTreeMap<(String, u32), &'a str>,
    ) {
        for (document, at, network) in &service.networks {
            if !networks.contains(network.as_str()) {
                let near = hoist_core::did_you_mean(network, networks.iter().copied());
                let help = near.map_or_else(
                    || format!("declare `{network}:` in the top-level `networks:`"),
                    |near| format!("did you mean `{near}`?"),
                );
                self.tell(
                    document,
                    *at,
                    format!("services.{name}.networks"),
                    format!("undeclared network `{network}`"),
                    &help,
                );
            }
        }
        if let (Some((document, node)), true) = (service.restart, service.restart_policy) {
            let help = "keep one of them";
            self.tell(
                document,
                node.at,
                format!("services.{name}.restart"),
                "conflicts with deploy.restart_policy",
                help,
            );
        }
        // In a Swarm names are not fixed, and all that are of a service share its ports.
        let count = if self.rendering.swarm { 1 } else { count };
        if let Some((document, node)) = service.container_name.filter(|_| count > 1) {
            let message = format!("{count} containers cannot share one name");
            self.tell(
                document,
                node.at,
                format!("services.{name}.container_name"),
                message,
                "remove it: Docker Compose numbers the containers",
            );
        }
        for (document, node) in &service.ports {
            let field = format!("services.{name}.ports");
            let published = match self.ports(node) {
                Ok(published) => published,
                Err(why) => {
                    self.tell(
                        document,
                        node.at,
                        field,
                        why,
                        "ports are numbers from 1 to 65535: \"8080:80\", \"127.0.0.1:8080:80\", \"8080-8089:80\"",
                    );
                    continue;
                }
            };
            let Some((address, first, last)) = published.filter(|(_, first, _)| *first != 0) else {
                continue;
            };
            let free = u64::from(last - first) + 1;
            if count > free && count > 1 {
                let end = u64::from(first) + count - 1;
                let help = format!(
                    "use a range of that size: \"{first}-{end}:…\", or remove the host port so that Docker chooses one"
                );
                self.tell(
                    document,
                    node.at,
                    field.clone(),
                    format!(
                        "{count} containers cannot share {free} host port{}",
                        if free == 1 { "" } else { "s" }
                    ),
                    &help,
                );
            }
            for port in first..=last {
                let name: &'a str = self
                    .documents
                    .iter()
                    .find_map(|document| {
                        document
                            .root
                            .get("services")
                            .into_iter()
                            .flat_map(Node::entries)
                            .map(|(key, _)| key.name.as_str())
                            .find(|known| *known == name)
                    })
                    .unwrap_or_default();
                match taken.insert((address.clone(), port), name) {
                    Some(other) if other != name && first == last => {
                        self.tell(
                            document,
                            node.at,
                            field.clone(),
                            format!("host port {port} is also used by {other}"),
                            "choose another port",
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    /// What an entry of `ports` publishes: the address and the ports of this machine.
    fn ports(&self, node: &Node) -> Result<Option<(String, u32, u32)>, String> {
        let text = match &node.data {
            Data::Number(number) => number.value.to_string(),
            Data::Text(text) => self.interpolated(text).0,
            Data::Map(_) => {
                let part = |name: &str| {
                    node.get(name).map(|node| match &node.data {
                        Data::Text(text) => self.interpolated(text).0,
                        _ => node.to_json().to_string(),
                    })
                };
                let target = part("target").ok_or_else(|| "must have a `target`".to_owned())?;
                range(&target, 1)?;
                let address = part("host_ip").unwrap_or_default();
                let published = part("published").map(|text| range(&text, 0)).transpose()?;
                return Ok(published.map(|(first, last)| (address, first, last)));
            }
            _ => return Err(format!("must be a port, not {}", node.kind())),
        };
        let plain = text.split('/').next().unwrap_or_default();
        let (rest, target) = plain
            .rsplit_once(':')
            .map_or((None, plain), |(rest, target)| (Some(rest), target));
        range(target, 1)?;
        let Some(rest) = rest else { return Ok(None) };
        let (address, published) = rest.rsplit_once(':').unwrap_or(("", rest));
        if published.is_empty() {
            return Ok(None);
        }
        let (first, last) = range(published, 0)?;
        Ok(Some((address.to_owned(), first, last)))
    }
}

/// `80` or `80-89`.
fn range(text: &str, least: u32) -> Result<(u32, u32), String> {
    let port = |text: &str| {
        let number: Option<u32> = text
            .trim()
            .parse()
            .ok()
            .filter(|number| (least..=65535).contains(number));
        number.ok_or_else(|| format!("`{}` is not a port", text.escape_debug()))
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        Err(format!("`{text}` ends before it begins"))
    } else {
        Ok((first, last))
    }
}

fn read_service<'a>(service: &mut Service<'a>, document: &'a Document, node: &'a Node) {
    let list = |node: &'a Node| match &node.data {
        Data::List(items) => items.iter().collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    service.ports.extend(
        node.get("ports")
            .into_iter()
            .flat_map(list)
            .map(|port| (document, port)),
    );
    if let Some(networks) = node.get("networks") {
        let names = list(networks)
            .into_iter()
            .filter_map(|item| Some((document, item.at, item.text()?.to_owned())));
        service.networks.extend(names);
        service.networks.extend(
            networks
                .entries()
                .iter()
                .map(|(key, _)| (document, key.at, key.name.clone())),
        );
    }
    if let Some(needed) = node.get("depends_on") {
        let names = list(needed)
            .into_iter()
            .filter_map(|item| Some((document, item.at, item.text()?.to_owned())));
        service.depends_on.extend(names);
        service.depends_on.extend(
            needed
                .entries()
                .iter()
                .map(|(key, _)| (document, key.at, key.name.clone())),
        );
    }
    for volume in node.get("volumes").into_iter().flat_map(list) {
        let is_volume = volume
            .get("type")
            .and_then(Node::text)
            .is_none_or(|kind| kind == "volume");
        let source = volume
            .text()
            .and_then(|text| text.split_once(':'))
            .map(|(source, _)| source);
        let source = source.or_else(|| {
            volume
                .get("source")
                .filter(|_| is_volume)
                .and_then(Node::text)
        });
        service
            .volumes
            .extend(source.map(|source| (document, volume.at, source.to_owned())));
    }
    service.container_name = node
        .get("container_name")
        .map(|node| (document, node))
        .or(service.container_name);
    service.restart = node
        .get("restart")
        .map(|node| (document, node))
        .or(service.restart);
    service.builds |= node.get("build").is_some();
    service.image |= node.get("image").is_some() || node.get("extends").is_some();
    if let Some(deploy) = node.get("deploy") {
        service.restart_policy |= deploy.get("restart_policy").is_some();
        let replicas = deploy.get("replicas").map(Node::to_json);
        service.replicas = replicas
            .and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()))
            .or(service.replicas);
    }
    let scale = node.get("scale").and_then(|node| node.to_json().as_u64());
    service.replicas = scale.or(service.replicas);
}

#[cfg(test)]
mod tests;
