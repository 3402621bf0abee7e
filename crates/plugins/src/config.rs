//! The configuration of a plugin: layers over layers, each value with its origin, all of it checked
//! against the schema.

use std::collections::{BTreeMap, BTreeSet};

use hoist_core::{Diagnostic, Environment, did_you_mean};
use serde_json::Value;

use crate::directory::{Directory, Lookup};
use crate::document::{Data, Document, number};
use crate::manifest::{Plugin, layered_environments};
use crate::schema::{Schema, Subschema, read_text, typed};
use crate::secret::{MASK, Masker, SHORTEST, is_secret_name};
use crate::tree::{Branch, FilePosition, Tree, ValueOrigin, dotted, parts};
use crate::violation_report;

/// What a person gives beside what the plugin brings, the weakest first.
#[derive(Debug, Default)]
pub struct Given {
    /// The name of the environment, whose profile counts.
    pub environment: Option<String>,
    /// Files of configuration, the later over the earlier.
    pub files: Vec<Document>,
    /// The variables that the plugin's mapping may name.
    pub variables: Environment,
    /// Single values.
    pub set: Vec<ConfigAssignment>,
}

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigAssignment {
    /// Where it goes: `database.host`.
    pub path: String,
    /// What it is, as text.
    pub value: String,
    /// The option it was given with, for messages; not its value.
    pub option: String,
}

/// Where the value of a secret is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file, without the end of its last line.
    File(String),
    /// In a variable of the environment.
    Variable(String),
    /// Nowhere yet: so many characters are to be made.
    Generate(usize),
}

/// A secret that is still to be supplied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Where it goes.
    pub path: Vec<String>,
    /// Where it is to be had.
    pub source: SecretSource,
    /// Where that was said.
    pub origin: ValueOrigin,
}

/// One value of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// As people write it: `database.host`.
    pub path: String,
    /// What it is; [`MASK`] in the place of a secret.
    pub value: Value,
    /// The value as people read it: a number as it is written.
    pub text: String,
    /// Where it came from.
    pub origin: ValueOrigin,
    /// Whether it is a secret.
    pub secret: bool,
    /// What the schema says of it.
    pub description: Option<String>,
}

/// The configuration of a plugin.
#[derive(Debug)]
pub struct PluginConfiguration {
    tree: Tree,
    schema: Option<Schema>,
    /// Names of variables, each with the path of its value.
    mapping: BTreeMap<String, Vec<String>>,
    /// Problems of the layers themselves.
    found: Vec<Diagnostic>,
    /// Where secrets were put that stand elsewhere.
    supplied: BTreeSet<Vec<String>>,
}

/// Where a plugin says which variables stand for which values.
pub const MAPPING: &str = "config/env.yaml";

/// The variables that the plugin document names, for plugins without a mapping of their own.
const USUAL: &[(&str, &str)] = &[
    ("DB_HOST", "database.host"),
    ("DB_PORT", "database.port"),
    ("DB_NAME", "database.name"),
    ("DB_USER", "database.user"),
    ("DB_PASSWORD", "database.password"),
    ("SECRET_KEY", "app.secret_key"),
    ("DEBUG", "app.debug"),
    ("LOG_LEVEL", "app.log_level"),
    ("HOST_PORT", "server.host_port"),
];

/// The environments that there are everywhere; others have a profile.
pub const ENVIRONMENTS: &[&str] = &["development", "staging", "production"];

impl PluginConfiguration {
    /// Lays all layers over each other: defaults of the schema, `defaults.yaml`, the profile of the
    /// environment, files, variables, single values.
    pub fn read(plugin: &Plugin, directory: &dyn Directory, given: &Given) -> Self {
        let mut found = Vec::new();
        let schema = plugin.schema.as_deref().and_then(|path| {
            Schema::read(directory, path)
                .map_err(|wrong| found.push(wrong))
                .ok()
        });
        let mut tree = Tree::empty();
        let mut documents = Vec::new();
        let mut read = |path: &str| {
            let file = directory.root().join(path).display().to_string();
            match read_text(directory, path).and_then(|text| Document::parse_private(&file, &text))
            {
                Ok(document) => documents.push(document),
                Err(wrong) => found.push(wrong),
            }
        };
        plugin.defaults.as_deref().into_iter().for_each(&mut read);
        if let Some(environment) = &given.environment {
            match profile(directory, environment) {
                Ok(path) => path.as_deref().into_iter().for_each(&mut read),
                Err(wrong) => found.push(wrong),
            }
        }
        for document in documents.iter().chain(&given.files) {
            match &document.root.data {
                Data::Map(_) => {
                    tree.lay(Tree::of_node(&document.root, document, ValueOrigin::File))
                }
                Data::Null => {}
                _ => {
                    let wrong =
                        Diagnostic::error(format!("must be a map, not {}", document.root.kind()));
                    let help = "a configuration file has a line `NAME: VALUE` for each value";
                    let mut wrong = document.point(wrong.help(help), document.root.at);
                    // Nothing is known of what stands there.
                    wrong.source_line = None;
                    found.push(wrong);
                }
            }
        }
        let mut configuration = Self {
            tree,
            schema,
            mapping: BTreeMap::new(),
            found,
            supplied: BTreeSet::new(),
        };
        configuration.map(directory);
        configuration.lay_variables(&given.variables);
        given
            .set
            .iter()
            .for_each(|assignment| configuration.set(assignment));
        if let Some(schema) = &configuration.schema {
            schema.fill(&mut configuration.tree);
        }
        configuration.tree.forget_removed();
        configuration.keep_modes();
        configuration
    }

    /// A whole number with zeros before it, such as the mode of a file, and one of more than 64
    /// bits are text unless the schema says that they are numbers.
    fn keep_modes(&mut self) {
        let mut leaves = Vec::new();
        self.tree.leaves(&mut Vec::new(), &mut leaves);
        let is_text = |written: &str| {
            let digits = written.trim_start_matches(['-', '+']);
            let is_whole = digits.len() > 1 && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_whole
                && (digits.starts_with('0')
                    || written.parse::<i64>().is_err() && digits.parse::<u64>().is_err())
        };
        let is_number = |path: &[String]| {
            let types = self.said(path).map(|said| said.types()).unwrap_or_default();
            types.contains(&"integer") || types.contains(&"number")
        };
        let of_text = |(path, tree): (Vec<String>, &Tree)| {
            let written = tree
                .written
                .as_deref()
                .filter(|written| is_text(written) && !is_number(&path))?;
            Some((path, Tree::of_value(&Value::from(written), &tree.origin)))
        };
        let texts: Vec<(Vec<String>, Tree)> = leaves.into_iter().filter_map(of_text).collect();
        for (path, tree) in texts {
            let _ = self.tree.put(&path, tree);
        }
    }

    /// Reads which variables stand for which values.
    fn map(&mut self, directory: &dyn Directory) {
        let mapping = [MAPPING, "config/env.yml"]
            .into_iter()
            .find(|path| !matches!(directory.lookup(path), Lookup::Absent));
        let Some(mapping) = mapping else {
            for (name, path) in USUAL {
                let path = parts(path).unwrap_or_default();
                if self.knows(&path) {
                    self.mapping.insert((*name).to_owned(), path);
                }
            }
            return;
        };
        let file = directory.root().join(mapping).display().to_string();
        let document =
            match read_text(directory, mapping).and_then(|text| Document::parse(&file, &text)) {
                Ok(document) => document,
                Err(wrong) => return self.found.push(wrong),
            };
        let help = "write a line `NAME: path.of.the.value` for each variable";
        if !matches!(document.root.data, Data::Map(_) | Data::Null) {
            let wrong = Diagnostic::error(format!("must be a map, not {}", document.root.kind()));
            return self
                .found
                .push(document.point(wrong.help(help), document.root.at));
        }
        for (key, node) in document.root.entries() {
            let mut tell = |wrong: Diagnostic, at| {
                self.found
                    .push(document.point(wrong.field(key.name.clone()), at))
            };
            if !is_variable(&key.name) {
                tell(
                    Diagnostic::error("is not a variable name")
                        .help("use only letters, digits and _, and do not start with a digit"),
                    key.at,
                );
                continue;
            }
            if RESERVED.contains(&key.name.as_str()) || key.name.starts_with("HOIST_") {
                tell(
                    Diagnostic::error("is a reserved variable").help("choose another name"),
                    key.at,
                );
                continue;
            }
            match node.text().map(parts) {
                Some(Ok(path)) => {
                    if !self.knows(&path) {
                        let warning = Diagnostic::warning(format!(
                            "maps to `{}`, which is neither in the schema nor in the defaults",
                            dotted(&path)
                        ));
                        self.found.push(
                            document.point(warning.field(key.name.clone()).help(help), node.at),
                        );
                    }
                    self.mapping.insert(key.name.clone(), path);
                }
                Some(Err(why)) => tell(Diagnostic::error(why).help(help), node.at),
                None => tell(
                    Diagnostic::error(format!("must be a path, not {}", node.kind())).help(help),
                    node.at,
                ),
            }
        }
    }

    /// True for a path that the schema or a layer has.
    fn knows(&self, path: &[String]) -> bool {
        self.tree.get(path).is_some()
            || self
                .schema
                .as_ref()
                .is_some_and(|schema| !schema.root().at(path).is_silent())
    }

    fn said(&self, path: &[String]) -> Option<Subschema<'_>> {
        self.schema.as_ref().map(|schema| schema.root().at(path))
    }

    /// A text as the value that belongs at a path.
    fn value(&self, path: &[String], text: &str, origin: &ValueOrigin) -> Tree {
        let mut tree = Tree::of_value(&self.typed_value(path, text), origin);
        tree.keep_spelling(text.trim());
        tree
    }

    fn typed_value(&self, path: &[String], text: &str) -> Value {
        let types = self.said(path).map(|said| said.types()).unwrap_or_default();
        if !types.is_empty() {
            return typed(text, &types);
        }
        match self.tree.get(path).map(|tree| &tree.value) {
            Some(Branch::Leaf(Value::String(_))) => Value::String(text.to_owned()),
            Some(Branch::Leaf(Value::Bool(_))) => typed(text, &["boolean"]),
            Some(Branch::Leaf(Value::Number(_))) => typed(text, &["number"]),
            Some(Branch::List(_)) => typed(text, &["array"]),
            // As a file would be read.
            _ => match Document::parse("", text) {
                Ok(document) if document.root.data != Data::Null => document.root.to_json(),
                _ => Value::String(text.to_owned()),
            },
        }
    }

    fn lay_variables(&mut self, variables: &Environment) {
        let given: Vec<(String, Vec<String>, String)> = self
            .mapping
            .iter()
            .filter_map(|(name, path)| {
                Some((name.clone(), path.clone(), variables.get(name)?.to_owned()))
            })
            .collect();
        for (name, path, text) in given {
            let tree = self.value(&path, &text, &ValueOrigin::Environment(name.clone()));
            if let Err(why) = self.tree.put(&path, tree) {
                self.found.push(
                    Diagnostic::error(format!("environment variable {name}: {why}"))
                        .field(dotted(&path)),
                );
            }
        }
    }

    fn set(&mut self, assignment: &ConfigAssignment) {
        let ConfigAssignment {
            path,
            value,
            option,
        } = assignment;
        let mut option = option.clone();
        let put = parts(path).and_then(|parts| {
            let displayed = self.displayed(&parts);
            if displayed != parts {
                option = option.replace(path, &dotted(&displayed));
            }
            let origin = ValueOrigin::Option(option.clone());
            let is_text = self
                .said(&parts)
                .is_some_and(|said| said.types() == ["string"]);
            // As in a file, nothing takes the value of an earlier layer away.
            if value == "null" && !(is_text && self.tree.get(&parts).is_none()) {
                let nothing = Tree::of_value(&Value::Null, &origin);
                let nested = parts
                    .iter()
                    .rev()
                    .fold(nothing, |below, part| Tree::holding(part, below));
                self.tree.lay(nested);
                return Ok(());
            }
            let tree = self.value(&parts, value, &origin);
            self.tree.put(&parts, tree)
        });
        if let Err(why) = put {
            let wrong = Diagnostic::error(format!("{option}: {why}"));
            self.found.push(wrong.help(
                "write --set PATH=VALUE with a path such as database.host or volumes[0].path",
            ));
        }
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// True for a value that must not be shown.
    pub(crate) fn is_secret(&self, path: &[String]) -> bool {
        let said = |length: usize| self.said(&path[..length]).and_then(|said| said.secret());
        // What is said of the value itself counts more than what is said of all around it.
        if let Some(secret) = (1..=path.len()).rev().find_map(said) {
            return secret;
        }
        let mut names = path
            .iter()
            .rev()
            .filter(|part| part.parse::<usize>().is_err());
        let is_text = || {
            self.tree
                .get(path)
                .is_none_or(|tree| matches!(tree.value, Branch::Leaf(Value::String(_))))
        };
        // What is in a map of secrets is one; numbers there, such as a length, are not.
        names.next().is_some_and(|name| is_secret_name(name))
            || names.any(|name| is_secret_name(name)) && is_text()
    }

    /// Secrets that are given by where they are to be had: `{ from_file: PATH }`, `{ from_env: NAME
    /// }`, `{ generate: 32 }`.
    pub fn pending(&self) -> Vec<Pending> {
        let mut leaves = Vec::new();
        self.tree.leaves(&mut Vec::new(), &mut leaves);
        let pending = |(mut path, tree): (Vec<String>, &Tree)| {
            let name = path.pop()?;
            let Some(Branch::Map(around)) = self.tree.get(&path).map(|tree| &tree.value) else {
                return None;
            };
            let Branch::Leaf(value) = &tree.value else {
                return None;
            };
            let source = match (name.as_str(), value) {
                ("from_file", Value::String(file)) => SecretSource::File(file.clone()),
                ("from_env", Value::String(variable)) => SecretSource::Variable(variable.clone()),
                ("generate", Value::Bool(true)) => SecretSource::Generate(32),
                ("generate", Value::Number(length)) => SecretSource::Generate(
                    length
                        .as_u64()
                        .filter(|length| (8..=1024).contains(length))? as usize,
                ),
                _ => return None,
            };
            (around.len() == 1 && !path.is_empty() && self.is_secret(&path)).then(|| Pending {
                path,
                source,
                origin: tree.origin.clone(),
            })
        };
        leaves.into_iter().filter_map(pending).collect()
    }

    /// Puts a secret in its place.
    pub fn supply(&mut self, pending: &Pending, value: &str) {
        // A secret is text, whatever it looks like, unless the schema says what it is.
        let has_type = self
            .said(&pending.path)
            .is_some_and(|said| !said.types().is_empty());
        let tree = match has_type {
            true => self.value(&pending.path, value, &pending.origin),
            false => Tree::of_value(&Value::from(value), &pending.origin),
        };
        // Where it was said the value was asked for, so the place is there.
        let _ = self.tree.put(&pending.path, tree);
        self.supplied.insert(pending.path.clone());
    }

    /// Everything that is wrong: with the layers, and with the values by the schema. Properties
    /// that nobody knows are warnings.
    pub fn check(&self, directory: &dyn Directory) -> Vec<Diagnostic> {
        let mut found = self.found.clone();
        let Some(schema) = &self.schema else {
            return found;
        };
        // What a layer has that cannot be read is not missing.
        if found.iter().any(Diagnostic::is_error) {
            return found;
        }
        let value = self.tree.to_json();
        let pending: BTreeSet<Vec<String>> = self
            .pending()
            .into_iter()
            .map(|pending| pending.path)
            .collect();
        let violations = match schema.violations(value, directory) {
            Ok(violations) => violations,
            Err(wrong) => return vec![wrong],
        };
        // The value of what is pending is not known yet.
        for violation in violations
            .iter()
            .filter(|violation| !pending.contains(&violation.path))
        {
            found.extend(violation_report::told(violation, self, schema));
        }
        self.unknown(&schema.root(), &self.tree, &mut Vec::new(), &mut found);
        found
    }

    fn unknown(
        &self,
        said: &Subschema<'_>,
        tree: &Tree,
        path: &mut Vec<String>,
        found: &mut Vec<Diagnostic>,
    ) {
        match &tree.value {
            Branch::Map(entries) => {
                for (name, below) in entries {
                    let described = said.property(name);
                    path.push(name.clone());
                    if described.is_silent() && !said.is_open() {
                        let near = did_you_mean(name, said.properties());
                        let help = near.map_or_else(
                            || {
                                format!(
                                    "the schema has {}",
                                    said.properties().collect::<Vec<_>>().join(", ")
                                )
                            },
                            |near| format!("did you mean `{near}`?"),
                        );
                        let warning = Diagnostic::warning("is not in the schema")
                            .field(dotted(&self.displayed(path)))
                            .help(help);
                        found.push(below.origin.point(warning, self.is_secret(path)));
                    } else {
                        self.unknown(&described, below, path, found);
                    }
                    path.pop();
                }
            }
            Branch::List(items) => {
                let described = said.items();
                for (place, below) in items.iter().enumerate() {
                    path.push(place.to_string());
                    self.unknown(&described, below, path, found);
                    path.pop();
                }
            }
            Branch::Leaf(_) | Branch::Removed => {}
        }
    }

    /// All values, with the secrets in them.
    pub fn value_with_secrets(&self) -> Value {
        self.tree.to_json()
    }

    /// How numbers are written that are not in their usual spelling, by that: `1.1` as `1.10`. What
    /// is written in several ways is left out.
    pub fn spellings(&self) -> BTreeMap<String, String> {
        let mut leaves = Vec::new();
        self.tree.leaves(&mut Vec::new(), &mut leaves);
        let numbers = leaves
            .into_iter()
            .filter(|(_, tree)| matches!(tree.value, Branch::Leaf(Value::Number(_))));
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (_, tree) in numbers {
            all.entry(tree.to_json().to_string())
                .or_default()
                .insert(tree.text());
        }
        let only = |(usual, written): (String, BTreeSet<String>)| {
            (written.len() == 1).then(|| written.into_iter().next().map(|one| (usual, one)))
        };
        all.into_iter()
            .filter_map(only)
            .flatten()
            .filter(|(usual, written)| usual != written)
            .collect()
    }

    /// Every single value, without the secrets.
    pub fn settings(&self) -> Vec<Setting> {
        let mut leaves = Vec::new();
        self.tree.leaves(&mut Vec::new(), &mut leaves);
        let setting = |(path, tree): (Vec<String>, &Tree)| {
            let secret = self.hides(&path, tree);
            let value = if secret {
                Value::String(MASK.to_owned())
            } else {
                tree.to_json()
            };
            let text = if secret {
                MASK.to_owned()
            } else {
                displayed_text(tree)
            };
            let description = self
                .said(&path)
                .and_then(|said| said.description())
                .map(str::to_owned);
            Setting {
                path: dotted(&self.displayed(&path)),
                value,
                text,
                origin: tree.origin.clone(),
                secret,
                description,
            }
        };
        let mut settings: Vec<Setting> = leaves
            .into_iter()
            .filter(|(path, _)| !path.is_empty())
            .map(setting)
            .collect();
        // What has no name of its own is displayed once.
        settings.dedup();
        settings
    }

    /// True where a secret is given; neither the absence of one nor where it is to be had is one.
    fn hides(&self, path: &[String], tree: &Tree) -> bool {
        let given = match &tree.value {
            Branch::Leaf(Value::String(text)) => !text.is_empty(),
            Branch::Leaf(Value::Number(_)) => true,
            _ => false,
        };
        let source = path.last().is_some_and(|name| is_source(name));
        given && !source && self.is_secret(path)
    }

    /// All values with the secrets masked.
    pub fn masked(&self) -> Value {
        let mut shown = self.tree.clone();
        let mut leaves = Vec::new();
        self.tree.leaves(&mut Vec::new(), &mut leaves);
        for (path, tree) in leaves
            .into_iter()
            .filter(|(path, tree)| self.hides(path, tree))
        {
            // A map with names that are secrets is masked as a whole.
            let end = (0..path.len())
                .find(|place| self.hides_name(&path, *place))
                .unwrap_or(path.len());
            let _ = shown.put(
                &path[..end],
                Tree::of_value(&Value::String(MASK.to_owned()), &tree.origin),
            );
        }
        shown.to_json()
    }

    /// What finds the secrets in output.
    pub fn masker(&self) -> Masker {
        Masker::new(self.secrets().iter().map(String::as_str))
    }

    /// The values of the secrets.
    pub fn secrets(&self) -> Vec<String> {
        let mut leaves = Vec::new();
        self.tree.leaves(&mut Vec::new(), &mut leaves);
        let hidden = leaves
            .into_iter()
            .filter(|(path, tree)| self.hides(path, tree));
        let secrets: BTreeSet<String> = hidden
            .flat_map(|(path, tree)| {
                self.secret_names(&path)
                    .chain([tree.text(), text_of(&tree.to_json())])
                    .collect::<Vec<_>>()
            })
            .collect();
        secrets.into_iter().collect()
    }

    /// The names in a map that is a secret as a whole, where its schema does not describe them:
    /// they are part of the value.
    fn secret_names(&self, path: &[String]) -> impl Iterator<Item = String> {
        (0..path.len())
            .filter(|place| self.hides_name(path, *place))
            .map(|place| path[place].clone())
    }

    /// True where a name in a path is a part of a secret.
    fn hides_name(&self, path: &[String], place: usize) -> bool {
        let is_secret =
            |length: usize| self.said(&path[..length]).and_then(|said| said.secret()) == Some(true);
        let is_described = || {
            self.said(&path[..place])
                .is_some_and(|said| said.properties().any(|name| name == path[place]))
        };
        let is_position = || {
            self.tree
                .get(&path[..place])
                .is_some_and(|tree| matches!(tree.value, Branch::List(_)))
        };
        (1..=place).any(is_secret) && !is_source(&path[place]) && !is_position() && !is_described()
    }

    /// A path without the names that are parts of a secret.
    pub(crate) fn displayed(&self, path: &[String]) -> Vec<String> {
        let name = |place: usize| {
            if self.hides_name(path, place) {
                MASK.to_owned()
            } else {
                path[place].clone()
            }
        };
        (0..path.len()).map(name).collect()
    }

    /// The paths of secrets that are too short to be found in text.
    pub fn short_secrets(&self) -> Vec<String> {
        let mut leaves = Vec::new();
        self.tree.leaves(&mut Vec::new(), &mut leaves);
        let short = |(path, tree): &(Vec<String>, &Tree)| {
            self.hides(path, tree) && tree.text().chars().count() < SHORTEST
        };
        leaves
            .iter()
            .filter(|leaf| short(leaf))
            .map(|(path, _)| dotted(&self.displayed(path)))
            .collect()
    }

    /// The paths of secrets, as people write them, whose values stand in the plugin itself, where
    /// everybody can read them.
    pub fn public_secrets(&self, directory: &dyn Directory) -> Vec<(String, ValueOrigin)> {
        let root = directory.root().display().to_string();
        let in_plugin = |origin: &ValueOrigin| match origin {
            ValueOrigin::Schema(_) => true,
            ValueOrigin::File(FilePosition { file, .. }) => file.starts_with(&root),
            _ => false,
        };
        let supplied = |setting: &Setting| {
            self.supplied
                .iter()
                .any(|path| dotted(&self.displayed(path)) == setting.path)
        };
        let settings = self
            .settings()
            .into_iter()
            .filter(|setting| setting.secret && in_plugin(&setting.origin) && !supplied(setting));
        settings
            .map(|setting| (setting.path, setting.origin))
            .collect()
    }

    /// The variables that hooks and Compose see: those of the mapping, and `CONFIG_` with the whole
    /// path for every value.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = variables_of_tree(&self.tree);
        let mapped = self
            .mapping
            .iter()
            .filter_map(|(name, path)| Some((name.clone(), self.tree.get(path)?.text())));
        variables.extend(mapped);
        variables
    }

    /// The values that variables of the environment gave, so that they can be given once more where
    /// the variables are gone.
    pub fn given_by_variables(&self) -> Vec<ConfigAssignment> {
        let assignment = |(name, path): (&String, &Vec<String>)| {
            let tree = self.tree.get(path)?;
            (tree.origin == ValueOrigin::Environment(name.clone())).then(|| ConfigAssignment {
                path: dotted(path),
                value: tree.text(),
                option: format!("environment variable {name} of the first deployment"),
            })
        };
        self.mapping.iter().filter_map(assignment).collect()
    }

    /// The names of the variables that stand for values, with the paths of these.
    pub fn mapping(&self) -> impl Iterator<Item = (&str, String)> {
        self.mapping
            .iter()
            .map(|(name, path)| (name.as_str(), dotted(path)))
    }
}

/// A value as people read it: of empty text its quotes.
fn displayed_text(tree: &Tree) -> String {
    match &tree.value {
        Branch::Leaf(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Branch::Leaf(Value::Null) => "null".to_owned(),
        _ => tree.text(),
    }
}

/// True for the names that say where a secret is to be had.
fn is_source(name: &str) -> bool {
    matches!(name, "from_file" | "from_env" | "generate")
}

/// `CONFIG_` with the whole path for every value. A number that has one of `known` as well keeps
/// the spelling it has there.
pub fn variables_of(values: &Value, known: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut variables = variables_of_tree(&Tree::of_value(values, &ValueOrigin::Nowhere));
    for (name, text) in &mut variables {
        let Some(written) = known.get(name).filter(|written| *written != text) else {
            continue;
        };
        if number(written).is_some_and(|number| number.to_string() == *text) {
            text.clone_from(written);
        }
    }
    variables
}

fn variables_of_tree(tree: &Tree) -> BTreeMap<String, String> {
    let mut leaves = Vec::new();
    tree.leaves(&mut Vec::new(), &mut leaves);
    let name = |path: &[String]| {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        format!(
            "CONFIG_{}",
            path.join("_").chars().map(plain).collect::<String>()
        )
    };
    leaves
        .into_iter()
        .map(|(path, tree)| (name(&path), tree.text()))
        .collect()
}

/// Variables that no value may take the place of.
const RESERVED: &[&str] = &[
    "PATH",
    "HOME",
    "SHELL",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "IFS",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "BASH_ENV",
    "ENV",
];

fn is_variable(name: &str) -> bool {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// A value as the text of a variable.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The environments that a plugin has values for.
pub fn profiles(directory: &dyn Directory) -> Vec<String> {
    let stem = |name: &String| {
        let (stem, extension) = name.rsplit_once('.')?;
        let is_profile = ["yaml", "yml", "json"].contains(&extension)
            && !["defaults", "env", "schema"].contains(&stem);
        is_profile.then(|| stem.to_owned())
    };
    let names: BTreeSet<String> = directory.names("config").iter().filter_map(stem).collect();
    names.into_iter().collect()
}

/// The file with the values of an environment, where there is one.
fn profile(directory: &dyn Directory, environment: &str) -> Result<Option<String>, Diagnostic> {
    let name = environment.escape_debug();
    let plain = environment
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        && !environment.is_empty();
    let help = |known: &[&str]| {
        let near = did_you_mean(environment, known.iter().copied());
        near.map_or_else(
            || format!("available environments: {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        )
    };
    if !plain {
        return Err(
            Diagnostic::error(format!("`{name}` is not an environment name"))
                .help(help(ENVIRONMENTS)),
        );
    }
    let places =
        ["yaml", "yml", "json"].map(|extension| format!("config/{environment}.{extension}"));
    let found = places
        .into_iter()
        .find(|path| matches!(directory.lookup(path), Lookup::File { .. }));
    let own = ["defaults", "env", "schema"].contains(&environment);
    match found.filter(|_| !own) {
        Some(path) => Ok(Some(path)),
        None if ENVIRONMENTS.contains(&environment)
            || layered_environments(directory).contains(environment) =>
        {
            Ok(None)
        }
        None if own => Err(
            Diagnostic::error(format!("`{name}` is not an environment name"))
                .help(help(ENVIRONMENTS)),
        ),
        None => {
            let (profiles, layered) = (profiles(directory), layered_environments(directory));
            let mut known: Vec<&str> = ENVIRONMENTS.to_vec();
            for name in profiles.iter().chain(&layered).map(String::as_str) {
                if !known.contains(&name) && !["dev", "prod"].contains(&name) {
                    known.push(name);
                }
            }
            let wrong = Diagnostic::error(format!(
                "unknown environment `{name}`: the plugin has neither config/{name}.yaml nor a Compose file for it"
            ));
            Err(wrong.help(help(&known)))
        }
    }
}

#[cfg(test)]
mod tests;
