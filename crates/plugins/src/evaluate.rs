//! Work of which the author of a plugin decides how long it takes and how much memory: rendering a
//! template, and checking a value by a schema. It can be handed to a process that is limited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jsonschema::{Draft, Validator};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lines::keep_lines;
use crate::output::{InsertedValue, Marks, Output};
use crate::violation::{Violation, violation};
use crate::{builtins, marks};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EvaluationTask {
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
    /// The same text with marks in the place of inserted values that YAML or Compose may read as
    /// something else. The first has a mark for each of them, the second only for those of one
    /// line. Two more have marks also for expressions of which the filters have changed marks.
    /// Empty where nothing of the kind is inserted.
    pub marked: Vec<Marked>,
    /// The values of this kind that are printed anywhere.
    pub inserted: BTreeSet<String>,
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
pub enum EvaluationResult {
    /// The text that a template comes to.
    Rendered(Result<Rendered, TemplateError>),
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

impl EvaluationTask {
    /// Does it, in this process and without limits.
    pub fn run(&self) -> EvaluationResult {
        match self {
            EvaluationTask::Render(template) => EvaluationResult::Rendered(
                rendered(template).map_err(|error| template_error(template, &error)),
            ),
            EvaluationTask::Check { schema, value } => {
                let value = value.as_ref();
                let validator = validator(schema);
                EvaluationResult::Checked(validator.map(|validator| {
                    value
                        .map(|value| violations(&validator, value))
                        .unwrap_or_default()
                }))
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
        message: error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        path: error
            .instance_path()
            .as_str()
            .split('/')
            .skip(1)
            .map(crate::violation::unescaped)
            .collect(),
    })
}

pub(crate) fn violations(validator: &Validator, value: &Value) -> Vec<Violation> {
    validator
        .iter_errors(value)
        .map(|error| violation(&error))
        .collect()
}

fn rendered(template: &Template) -> Result<Rendered, minijinja::Error> {
    let mut leaves = BTreeSet::new();
    template
        .variables
        .values()
        .for_each(|value| leaves_of(value, &mut leaves));
    let plain = Arc::new(Output::default());
    let text = render(template, &plain)?;
    let printed = plain.printed();
    let is_printed = |leaf: &&String| {
        !marks::is_plain(leaf)
            && !leaf.is_empty()
            && printed
                .iter()
                .any(|printed| printed.contains(leaf.as_str()))
    };
    let inserted: BTreeSet<String> = leaves.iter().filter(is_printed).cloned().collect();
    // A text that has characters of marks in it cannot be told from marks.
    let has_marks = |text: &String| text.contains(marks::is_mark);
    if leaves
        .iter()
        .chain(template.included.values())
        .chain([&template.text])
        .any(has_marks)
    {
        return Ok(Rendered {
            text: text.replace(marks::UNDEFINED, ""),
            inserted,
            ..Rendered::default()
        });
    }
    let (text, mut undefined) = without_undefined(&text);
    // What `if` without `else` leaves is nothing, and not undefined.
    if !undefined.is_empty()
        && render(
            &Template {
                strict: true,
                ..template.clone()
            },
            &Arc::new(Output::default()),
        )
        .is_ok()
    {
        undefined.clear();
    }
    let sources: Vec<&String> = template.included.values().chain([&template.text]).collect();
    let mut marked: Vec<Marked> = Vec::new();
    // From those that protect most. What compares a text with a mark, or calculates with it, goes
    // another way than without: such a rendering does not count.
    let variants = [
        (true, false, false),
        (true, false, true),
        (false, false, false),
        (false, false, true),
        (true, true, false),
        (true, true, true),
    ];
    for (numbers, replaces, one_line) in variants {
        let is_marked = |leaf: &&String| {
            !marks::is_plain(leaf) && !(one_line && (leaf.is_empty() || leaf.contains('\n')))
        };
        let values = leaves.iter().filter(is_marked).cloned().collect();
        let output = Arc::new(Output::marking(
            values,
            &sources,
            printed.clone(),
            Marks {
                numbers,
                replaces,
                one_line,
            },
        ));
        // Something that is done with a mark may fail.
        let Ok(with_marks) = render(template, &output) else {
            continue;
        };
        let with_marks = with_marks.replace(marks::UNDEFINED, "");
        let values = output.values();
        if !values.is_empty()
            && marks::replaced(&with_marks, |number| values[number].written.clone()) == text
        {
            marked.push(Marked {
                text: with_marks,
                values,
            });
        }
    }
    marked.dedup();
    Ok(Rendered {
        text,
        marked,
        inserted,
        undefined,
    })
}

/// A text without the marks of undefined values, and where these were.
fn without_undefined(text: &str) -> (String, Vec<(usize, usize)>) {
    let mut places = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let characters = line
            .chars()
            .enumerate()
            .filter(|(_, c)| *c == marks::UNDEFINED);
        places.extend(
            characters
                .enumerate()
                .map(|(before, (column, _))| (number + 1, column - before + 1)),
        );
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

fn render(template: &Template, output: &Arc<Output>) -> Result<String, minijinja::Error> {
    let Template {
        path,
        text,
        included,
        variables,
        spellings,
        strict,
    } = template;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(if *strict {
        UndefinedBehavior::SemiStrict
    } else {
        UndefinedBehavior::Lenient
    });
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    // A line with nothing but statements leaves nothing.
    let syntax = SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax?);
    // With it, what a macro returns can be told from other texts. Nothing is escaped: the formatter
    // decides.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("yaml".into()));
    environment.set_fuel(Some(FUEL));
    // What is included stands in the plugin: beside the template, or named from the plugin's
    // directory.
    let folder = path
        .rsplit_once('/')
        .map(|(folder, _)| format!("{folder}/"))
        .unwrap_or_default();
    let included = included.clone();
    environment.set_loader(move |name| {
        let name = name.strip_prefix("./").unwrap_or(name);
        let places = [
            name.to_owned(),
            format!("{folder}{name}"),
            format!("templates/{name}"),
        ];
        let found = places.iter().find_map(|path| included.get(path));
        // As for Jinja2, the last line end is not of the text that is included.
        Ok(found.map(|text| keep_lines(text.strip_suffix('\n').unwrap_or(text)).text))
    });
    builtins::add(&mut environment, spellings);
    let (spellings, output) = (spellings.clone(), output.clone());
    environment.set_formatter(move |out, _, value| {
        let usual = || serde_json::to_string(value).unwrap_or_default();
        let written = match value.is_number().then(|| spellings.get(&usual())).flatten() {
            Some(written) => written.clone(),
            None if value.is_undefined() => marks::UNDEFINED.to_string(),
            None => value.to_string(),
        };
        out.write_str(&output.print(value, written))
            .map_err(minijinja::Error::from)
    });
    environment.render_named_str(
        path,
        &keep_lines(text).text,
        minijinja::value::Serde(variables.clone()),
    )
}

fn template_error(template: &Template, error: &minijinja::Error) -> TemplateError {
    let detail = error
        .detail()
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default();
    let help = match error.kind() {
        ErrorKind::UndefinedError => Some(
            "every value that the template uses needs a value or a default: run `hoist plugin config` to list values, or write `{{ x | default(…) }}` for optional ones",
        ),
        ErrorKind::OutOfFuel => Some("it does not end, or its result is too large"),
        _ => None,
    };
    TemplateError {
        message: format!("{}{detail}", error.kind()),
        line: error.line(),
        start: error
            .range()
            .map(|range| keep_lines(&template.text).original(range.start)),
        help: help.map(str::to_owned),
    }
}
