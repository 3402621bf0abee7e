//! Errors of YAML documents as diagnostics.

use serde_yaml::Error;

use crate::{Diagnostic, Position, did_you_mean};

/// Returns a YAML error as a diagnostic that points at its line.
pub fn yaml_error(file: &str, text: &str, error: &Error) -> Diagnostic {
    let position = error.location().map(|at| Position {
        line: at.line() as usize,
        column: at.column() as usize,
    });
    let line = position.and_then(|at| text.lines().nth(at.line.saturating_sub(1)));
    let (message, help) = described(error.without_snippet());
    let mut diagnostic = Diagnostic::error(message).file(file);
    diagnostic.help = help;
    if matches!(
        error.without_snippet(),
        Error::InvalidScalar { .. } | Error::InvalidBooleanStrict { .. } | Error::Unexpected { .. }
    ) {
        diagnostic.field = line.and_then(key).map(str::to_owned);
    }
    diagnostic.position = position;
    diagnostic.source_line = line.map(str::to_owned);
    diagnostic
}

/// What is wrong, and what to do about it.
fn described(error: &Error) -> (String, Option<String>) {
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key
                .as_deref()
                .map(|key| format!(" `{}`", key.escape_debug()))
                .unwrap_or_default();
            (
                format!("duplicate key{key}"),
                Some("remove one of them".to_owned()),
            )
        }
        Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let help = match did_you_mean(field, expected.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys: {}", expected.join(", ")),
            };
            (
                format!("unknown key `{}`", field.escape_debug()),
                Some(help),
            )
        }
        Error::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), None),
        Error::InvalidScalar { ty, .. } => (format!("expected {}", scalar(ty)), None),
        Error::InvalidBooleanStrict { .. } => ("expected true or false".to_owned(), None),
        Error::Unexpected {
            expected: "sequence start",
            ..
        } => (
            "expected a list".to_owned(),
            Some("write each item on its own line, after `- `, or all between [ and ]".to_owned()),
        ),
        Error::Unexpected {
            expected: "mapping start",
            ..
        } => (
            "expected keys and values".to_owned(),
            Some("write `key: value`".to_owned()),
        ),
        Error::Unexpected {
            expected: "string scalar",
            ..
        } => ("expected a single value".to_owned(), None),
        Error::Unexpected { expected, .. } => (format!("expected {expected}"), None),
        Error::MultipleDocuments { .. } => (
            "a second document starts here, but the file must contain only one".to_owned(),
            None,
        ),
        Error::Budget { .. } => (
            "the file is too large, too deeply nested, or has too many aliases".to_owned(),
            None,
        ),
        other => {
            let message = other.to_string();
            let message = message.lines().next().unwrap_or_default();
            // The diagnostic has the position.
            (
                message
                    .rsplit_once(" at line ")
                    .map_or(message, |(message, _)| message)
                    .to_owned(),
                None,
            )
        }
    }
}

/// The type of a value.
fn scalar(name: &str) -> &str {
    match name {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "boolean" => "true or false",
        "floating point" => "a number",
        other => other,
    }
}

/// The key of a line in block style.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.trim_start_matches(['-', ' ']).split_once(':')?;
    let is_plain = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    is_plain.then_some(key)
}
