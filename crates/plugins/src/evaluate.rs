//! Work of which the author of a plugin decides how long it takes and how much memory: rendering a template, and checking a value by a schema. It can
//! be handed to a process that is limited.

use std::collections::BTreeMap;

use jsonschema::{Draft, Validator};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::violation::{Violation, violation};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Renders a template.
    Render(Template),
    /// Finds what a schema has against a value; without one, whether it is a schema.
    Check {
        /// The schema.
        schema: Value,
        /// The value.
        value: Option<Value>,
    },
}

/// A template, and what it is rendered with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its path in the plugin.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What it may include, by path.
    pub included: BTreeMap<String, String>,
    /// Its variables.
    pub variables: Map<String, Value>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The text that a template comes to.
    Rendered(Result<String, TemplateError>),
    /// What a schema has against a value.
    Checked(Result<Vec<Violation>, SchemaError>),
}

/// Why a template cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// The line, counted from one.
    pub line: Option<usize>,
    /// The byte of the text that it is about.
    pub start: Option<usize>,
    /// What to do.
    pub help: Option<String>,
}

/// Why something is no schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaError {
    /// What is wrong.
    pub message: String,
    /// Where in the schema.
    pub path: Vec<String>,
}

/// A template that goes on for longer does not end.
const FUEL: u64 = 5_000_000;

impl Task {
    /// Does it, in this process and without limits.
    pub fn run(&self) -> Answer {
        match self {
            Task::Render(template) => Answer::Rendered(rendered(template).map_err(|error| template_error(&error))),
            Task::Check { schema, value } => {
                let value = value.as_ref();
                let validator = validator(schema);
                Answer::Checked(validator.map(|validator| value.map(|value| violations(&validator, value)).unwrap_or_default()))
            }
        }
    }
}

/// Reads a schema. Nothing is fetched: references stay in it.
pub(crate) fn validator(schema: &Value) -> Result<Validator, SchemaError> {
    let mut options = jsonschema::options().should_validate_formats(true);
    if schema.get("$schema").is_none() {
        options = options.with_draft(Draft::Draft7);
    }
    options.build(schema).map_err(|error| SchemaError {
        message: error.to_string().lines().next().unwrap_or_default().to_owned(),
        path: error.instance_path().as_str().split('/').skip(1).map(crate::schema::unescaped).collect(),
    })
}

pub(crate) fn violations(validator: &Validator, value: &Value) -> Vec<Violation> {
    validator.iter_errors(value).map(|error| violation(&error)).collect()
}

fn rendered(template: &Template) -> Result<String, minijinja::Error> {
    let Template { path, text, included, variables } = template;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // With the blanks that Ansible and others have made usual for files of YAML: a line with nothing but a statement leaves nothing.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax?);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    // What is included stands in the plugin: beside the template, or named from the plugin's directory.
    let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let included = included.clone();
    environment.set_loader(move |name| Ok(included.get(name).or_else(|| included.get(&format!("{folder}{name}"))).cloned()));
    environment.render_named_str(path, text, minijinja::value::Serde(variables.clone()))
}

fn template_error(error: &minijinja::Error) -> TemplateError {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let help = match error.kind() {
        ErrorKind::UndefinedError => Some(
            "every value it uses has to be given or have a default: `hoist plugin config` shows what there is; write `{{ x | default(…) }}` where it may be absent",
        ),
        ErrorKind::OutOfFuel => Some("it does not come to an end"),
        _ => None,
    };
    TemplateError {
        message: format!("{}{detail}", error.kind()),
        line: error.line(),
        start: error.range().map(|range| range.start),
        help: help.map(str::to_owned),
    }
}
