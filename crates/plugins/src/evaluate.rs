//! Work of which the author of a plugin decides how long it takes and how much memory: rendering a template, and checking a value by a schema. It can
//! be handed to a process that is limited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Draft, Validator};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, escape_formatter, filters};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::marks;
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
    /// How numbers among them are written, by their usual spelling: `1.1` as `1.10`.
    pub spellings: BTreeMap<String, String>,
    /// Whether printing an undefined value is an error.
    pub strict: bool,
}

/// What a template comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// The same text with marks in the place of inserted values that YAML or Compose may read as something else. The first has a mark for each of them, the
    /// second only for those of one line. Empty where nothing of the kind is inserted.
    pub marked: Vec<Marked>,
    /// Where undefined values were printed: lines and columns of the text, counted from one.
    pub undefined: Vec<(usize, usize)>,
}

/// A text with marks in the place of values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// The text.
    pub text: String,
    /// The values, by the numbers of their marks.
    pub values: Vec<InsertedValue>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The text that a template comes to.
    Rendered(Result<Rendered, TemplateError>),
    /// What a schema has against a value.
    Checked(Result<Vec<Violation>, SchemaError>),
}

/// A value that a template inserts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsertedValue {
    /// The value.
    pub value: String,
    /// How the template writes it: the same, or with the escapes of JSON.
    pub written: String,
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

fn rendered(template: &Template) -> Result<Rendered, minijinja::Error> {
    let mut leaves = BTreeSet::new();
    template.variables.values().for_each(|value| leaves_of(value, &mut leaves));
    // A text that has characters of marks in it cannot be told from marks.
    let has_marks = |text: &String| text.contains(marks::is_mark);
    if leaves.iter().chain(template.included.values()).chain([&template.text]).any(has_marks) {
        let text = render(template, None)?.replace(marks::UNDEFINED, "");
        return Ok(Rendered { text, ..Rendered::default() });
    }
    let (text, undefined) = without_undefined(&render(template, None)?);
    let mut marked: Vec<Marked> = Vec::new();
    for of_one_line in [false, true] {
        let has_mark = |leaf: &String| !marks::is_plain(leaf) && !(of_one_line && (leaf.is_empty() || leaf.contains('\n')));
        let inserted = Arc::new(Inserted { leaves: leaves.iter().filter(|leaf| has_mark(leaf)).cloned().collect(), ..Inserted::default() });
        // What a filter made of a mark is not to be found again.
        let Ok(with_marks) = render(template, Some(inserted.clone())) else { continue };
        let with_marks = with_marks.replace(marks::UNDEFINED, "");
        let values = inserted.values.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !values.is_empty() && marks::replaced(&with_marks, |number| values[number].written.clone()) == text {
            marked.push(Marked { text: with_marks, values });
        }
    }
    marked.dedup();
    Ok(Rendered { text, marked, undefined })
}

/// A text without the marks of undefined values, and where these were.
fn without_undefined(text: &str) -> (String, Vec<(usize, usize)>) {
    let mut places = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let characters = line.chars().enumerate().filter(|(_, c)| *c == marks::UNDEFINED);
        places.extend(characters.enumerate().map(|(before, (column, _))| (number + 1, column - before + 1)));
    }
    (text.replace(marks::UNDEFINED, ""), places)
}

/// Every text in a value, names as well.
fn leaves_of(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(into.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| leaves_of(item, into)),
        Value::Object(entries) => {
            for (name, below) in entries {
                into.insert(name.clone());
                leaves_of(below, into);
            }
        }
        _ => {}
    }
}

/// The values that get a mark, and those that were inserted.
#[derive(Default)]
struct Inserted {
    leaves: BTreeSet<String>,
    values: Mutex<Vec<InsertedValue>>,
}

impl Inserted {
    fn mark(&self, value: &str, written: &str) -> String {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let inserted = InsertedValue { value: value.to_owned(), written: written.to_owned() };
        let number = values.iter().position(|known| *known == inserted).unwrap_or_else(|| {
            values.push(inserted);
            values.len() - 1
        });
        marks::mark(number)
    }

    /// A text with marks: for the whole of it, or for the values that an expression put into it. Of those with one or two characters nobody knows
    /// whether they come from there.
    fn marked(&self, text: &str) -> String {
        if self.leaves.contains(text) {
            return self.mark(text, text);
        }
        let mut out = text.to_owned();
        let mut contained: Vec<&String> = self.leaves.iter().filter(|leaf| leaf.len() > 2 && text.contains(leaf.as_str())).collect();
        contained.sort_by_key(|leaf| std::cmp::Reverse(leaf.len()));
        for leaf in contained {
            // A template that doubles dollars by itself has done what is needed.
            let is_own = |start: usize| !out[..start].ends_with('$') && !out[start + leaf.len()..].starts_with('$');
            let starts: Vec<usize> = out.match_indices(leaf.as_str()).map(|(start, _)| start).filter(|start| is_own(*start)).collect();
            for start in starts.into_iter().rev() {
                out.replace_range(start..start + leaf.len(), &self.mark(leaf, leaf));
            }
        }
        out
    }

    /// A value of JSON with marks in the place of its texts.
    fn marked_json(&self, value: &mut Value) {
        match value {
            Value::String(text) if self.leaves.contains(text) => {
                let escaped = filters::tojson(&text.as_str().into(), None, std::iter::empty::<(String, minijinja::Value)>().collect())
                    .map(|json| json.to_string());
                let escaped = escaped.unwrap_or_default();
                *text = self.mark(text, escaped.get(1..escaped.len().saturating_sub(1)).unwrap_or_default());
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.marked_json(item)),
            Value::Object(entries) => entries.values_mut().for_each(|below| self.marked_json(below)),
            _ => {}
        }
    }
}

fn render(template: &Template, inserted: Option<Arc<Inserted>>) -> Result<String, minijinja::Error> {
    let Template { path, text, included, variables, spellings, strict } = template;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(if *strict { UndefinedBehavior::SemiStrict } else { UndefinedBehavior::Lenient });
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    // With the blanks that Ansible and others have made usual for files of YAML: a line with nothing but a statement leaves nothing.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax?);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    // What is included stands in the plugin: beside the template, or named from the plugin's directory.
    let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let included = included.clone();
    environment.set_loader(move |name| Ok(included.get(name).or_else(|| included.get(&format!("{folder}{name}"))).cloned()));
    let to_json = {
        let inserted = inserted.clone();
        move |value: minijinja::Value, indent: Option<minijinja::Value>, options: Kwargs| {
            let Some(inserted) = &inserted else { return filters::tojson(&value, indent, options) };
            let failed = |error: serde_json::Error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string());
            let mut json = serde_json::to_value(&value).map_err(failed)?;
            inserted.marked_json(&mut json);
            filters::tojson(&minijinja::Value::from(minijinja::value::Serde(json)), indent, options)
        }
    };
    environment.add_filter("to_json", to_json.clone());
    environment.add_filter("tojson", to_json);
    let spellings = spellings.clone();
    environment.set_formatter(move |out, state, value| {
        let written = if value.is_number() { spellings.get(&value.to_string()) } else { None };
        match (written, &inserted, value.as_str()) {
            (Some(written), ..) => out.write_str(written).map_err(minijinja::Error::from),
            (None, Some(inserted), Some(text)) => out.write_str(&inserted.marked(text)).map_err(minijinja::Error::from),
            (None, Some(inserted), None) if matches!(value.kind(), ValueKind::Seq | ValueKind::Map) => {
                out.write_str(&inserted.marked(&value.to_string())).map_err(minijinja::Error::from)
            }
            _ if value.is_undefined() => out.write_char(marks::UNDEFINED).map_err(minijinja::Error::from),
            _ => escape_formatter(out, state, value),
        }
    });
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
