//! What a schema finds wrong with a value, in words for the person who wrote it.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that a schema has against a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Where the value is.
    pub path: Vec<String>,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A property is missing.
    Missing(String),
    /// Properties are not allowed.
    Unexpected(Vec<String>),
    /// It is none of so many shapes; what it lacks to be the one that it comes nearest to, each
    /// with where.
    Shapeless(usize, Vec<(Vec<String>, Rule)>),
    /// It breaks a rule, in words behind the value.
    Broken(Rule),
}

/// A rule that is broken, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// As it is.
    pub text: String,
    /// For a secret, of which it says nothing.
    pub private: String,
}

impl Rule {
    fn new(text: impl Fn(bool) -> String) -> Self {
        Self {
            text: text(false),
            private: text(true),
        }
    }

    pub(crate) fn text(&self, secret: bool) -> &str {
        if secret { &self.private } else { &self.text }
    }
}

fn path_of(error: &ValidationError<'_>) -> Vec<String> {
    error
        .instance_path()
        .as_str()
        .split('/')
        .skip(1)
        .map(unescaped)
        .collect()
}

/// What an error of the validator says.
pub(crate) fn violation(error: &ValidationError<'_>) -> Violation {
    let what = match error.kind() {
        Kind::Required { property } => What::Missing(
            property
                .as_str()
                .map_or_else(|| property.to_string(), str::to_owned),
        ),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            What::Unexpected(unexpected.clone())
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            // What comes nearest to being right is most likely what was meant.
            let nearest = context.iter().min_by_key(|errors| errors.len());
            let one = |error: &ValidationError<'static>| {
                (
                    path_of(error),
                    Rule::new(|secret| rule(error.kind(), secret)),
                )
            };
            What::Shapeless(
                context.len(),
                nearest
                    .map(|errors| errors.iter().map(one).collect())
                    .unwrap_or_default(),
            )
        }
        kind => What::Broken(Rule::new(|secret| broken(kind, secret))),
    };
    Violation {
        path: path_of(error),
        what,
    }
}

fn list(options: &Value) -> String {
    let options = options.as_array().cloned().unwrap_or_default();
    options
        .iter()
        .map(|option| {
            option
                .as_str()
                .map_or_else(|| option.to_string(), str::to_owned)
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a value does not do that it should, behind the value.
fn broken(kind: &Kind, secret: bool) -> String {
    match kind {
        Kind::Minimum { limit } => format!("is less than {limit}"),
        Kind::Maximum { limit } => format!("is more than {limit}"),
        Kind::UniqueItems => "has duplicate items".to_owned(),
        Kind::FalseSchema => "is not allowed".to_owned(),
        kind => rule(kind, secret),
    }
}

/// What should be, as `is not …`.
fn rule(kind: &Kind, secret: bool) -> String {
    match kind {
        Kind::Type {
            kind: TypeKind::Single(one),
        } => format!("is not {}", kind_name(&one.to_string())),
        Kind::Type {
            kind: TypeKind::Multiple(set),
        } => {
            let names: Vec<&str> = set.iter().map(|one| kind_name(one.as_str())).collect();
            format!("is neither {}", names.join(" nor "))
        }
        Kind::Enum { options } => format!("is not one of {}", list(options)),
        Kind::Constant { .. } if secret => "is not the required value".to_owned(),
        Kind::Constant { expected_value } => format!("is not {expected_value}"),
        Kind::Minimum { limit } => format!("is not at least {limit}"),
        Kind::Maximum { limit } => format!("is not at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("is not more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("is not less than {limit}"),
        Kind::MinLength { limit } => format!("is shorter than {limit} character{}", plural(*limit)),
        Kind::MaxLength { limit } => format!("is longer than {limit} character{}", plural(*limit)),
        Kind::MinItems { limit } => format!("has fewer than {limit} item{}", plural(*limit)),
        Kind::MaxItems { limit } => format!("has more than {limit} item{}", plural(*limit)),
        Kind::MinProperties { limit } => format!(
            "has fewer than {limit} entr{}",
            if *limit == 1 { "y" } else { "ies" }
        ),
        Kind::MaxProperties { limit } => format!(
            "has more than {limit} entr{}",
            if *limit == 1 { "y" } else { "ies" }
        ),
        Kind::Pattern { pattern } => format!("does not match {pattern}"),
        Kind::Format { format } => format!("is not of the format {format}"),
        Kind::MultipleOf { multiple_of } => format!("is not a multiple of {multiple_of}"),
        Kind::Required { property } => format!("has no {}", property.as_str().unwrap_or_default()),
        Kind::AdditionalProperties { unexpected } => {
            format!("has {}, which is not allowed", unexpected.join(", "))
        }
        Kind::AdditionalItems { limit } => format!("has more than {limit} items"),
        Kind::OneOfMultipleValid { .. } => {
            "matches more than one of the allowed alternatives".to_owned()
        }
        Kind::UniqueItems => "has duplicate items".to_owned(),
        Kind::Contains => "has no item of the required kind".to_owned(),
        Kind::Not { .. } => "is not allowed".to_owned(),
        Kind::PropertyNames { error } => format!("has a name that {}", rule(error.kind(), secret)),
        Kind::FalseSchema => "is not allowed".to_owned(),
        other => format!("violates the rule `{}`", other.keyword()),
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn kind_name(kind: &str) -> &str {
    match kind {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a map",
        _ => "nothing",
    }
}

/// A part of a JSON pointer as it is meant.
pub(crate) fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}
