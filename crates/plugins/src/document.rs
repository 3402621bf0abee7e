//! YAML and JSON in which every value knows where it stands.

use std::fmt;
use std::ops::Range;

use hoist_core::{Diagnostic, Position, Severity, yaml_error};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_yaml::Spanned;
use serde_yaml::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};

/// A file that was read: YAML, or JSON, which is read the same way.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its path, for messages.
    pub file: String,
    lines: Vec<String>,
    /// What it holds; null where it is empty.
    pub root: Node,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub data: Data,
    /// Its first character.
    pub at: Position,
    /// Its bytes in the file, of text and other single values: with the quotes of quoted text,
    /// without the indicator of block text.
    pub span: Range<usize>,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Numeral),
    /// Text.
    Text(String),
    /// Several, in order.
    List(Vec<Node>),
    /// Several by name, in the order of the file. Each name once.
    Map(Vec<(Key, Node)>),
}

/// A number and its spelling: `1.10` and `0755` are more than the numbers 1.1 and 755.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numeral {
    /// The number.
    pub value: Number,
    /// How it is written.
    pub written: String,
}

/// The name of a value in a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// Where the name stands.
    pub at: Position,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

impl Document {
    /// Reads the text of the file called `file`.
    ///
    /// # Errors
    /// What is neither YAML nor JSON, a name that stands twice in one map, more than one document:
    /// told with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        Self::read(file, text, DuplicateKeyPolicy::Error)
    }

    /// The same for files that docker-compose reads: where a name stands twice in one map the last
    /// counts, which is returned as a warning.
    ///
    /// # Errors
    /// What is neither YAML nor JSON, more than one document.
    pub fn parse_last_wins(
        file: &str,
        text: &str,
    ) -> Result<(Self, Option<Diagnostic>), Diagnostic> {
        let wrong = match Self::parse(file, text) {
            Ok(document) => return Ok((document, None)),
            Err(wrong) => wrong,
        };
        let document =
            Self::read(file, text, DuplicateKeyPolicy::LastWins).map_err(|_| wrong.clone())?;
        let message = format!("{}: the last one is used", wrong.message);
        let warning = Diagnostic {
            severity: Severity::Warning,
            message,
            ..wrong
        };
        Ok((
            document,
            Some(
                warning.help("newer versions of Docker Compose reject the file: remove the others"),
            ),
        ))
    }

    fn read(
        file: &str,
        text: &str,
        duplicate_keys: DuplicateKeyPolicy,
    ) -> Result<Self, Diagnostic> {
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.chars().take(LINE).collect())
            .collect();
        let start = Position { line: 1, column: 1 };
        if text.trim().is_empty() {
            return Ok(Self {
                file: file.to_owned(),
                lines,
                root: Node {
                    data: Data::Null,
                    at: start,
                    span: 0..0,
                },
            });
        }
        let options = serde_yaml::options! {
            strict_booleans: true,
            non_finite_float_policy: NonFiniteFloatPolicy::AsString,
            duplicate_keys: duplicate_keys,
        };
        let read: Spanned<Data> =
            serde_yaml::from_str_with_options(text, options).map_err(|error| {
                let mut wrong = yaml_error(file, text, &error);
                wrong.source_line = wrong
                    .position
                    .and_then(|at| lines.get(at.line.saturating_sub(1)).cloned());
                match file.ends_with(".json") && text.contains("//") {
                    true => wrong.help("JSON does not allow comments"),
                    false => wrong,
                }
            })?;
        let mut root = node(read);
        resolve(&mut root, text);
        Ok(Self {
            file: file.to_owned(),
            lines,
            root,
        })
    }

    /// The same for a file that may have secrets in it: a message about its form shows nothing of
    /// what is in it.
    pub fn parse_private(file: &str, text: &str) -> Result<Self, Diagnostic> {
        Self::parse(file, text).map_err(|mut wrong| {
            (wrong.source_line, wrong.field, wrong.help) = (None, None, None);
            // Names of anchors, tags and keys are words of the file.
            let mut message = wrong
                .message
                .split(['`', '"', '\''])
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            if let Some((what, _)) = message.split_once(": ") {
                message = what.to_owned();
            }
            let is_plain = message
                .split_whitespace()
                .all(|word| !text.contains(word) || word.len() < 4 || WORDS.contains(&word));
            wrong.message = if is_plain && !message.is_empty() {
                message
            } else {
                "the file is neither YAML nor JSON".to_owned()
            };
            wrong
        })
    }

    /// Points a message at a place of this file.
    pub fn point(&self, mut diagnostic: Diagnostic, at: Position) -> Diagnostic {
        diagnostic.file = Some(self.file.clone());
        diagnostic.position = Some(at);
        diagnostic.source_line = self.line(at).map(str::to_owned);
        diagnostic
    }

    /// The line that a place is on.
    pub fn line(&self, at: Position) -> Option<&str> {
        self.lines
            .get(at.line.saturating_sub(1))
            .map(String::as_str)
    }
}

/// Words of messages about the form of a file that may be words of the file as well.
const WORDS: &[&str] = &[
    "duplicate",
    "mapping",
    "unknown",
    "anchor",
    "alias",
    "invalid",
    "unexpected",
    "character",
    "while",
    "block",
    "scalar",
    "quoted",
    "indentation",
];

/// So much of a line is kept for messages, in characters.
const LINE: usize = 400;

impl Node {
    /// The entries of a map; none where it is something else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// What a map has under a name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, node)| node)
    }

    /// The text that it is.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Text, or a number as it is written.
    pub fn written(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::Number(number) => Some(&number.written),
            _ => None,
        }
    }

    /// What it is, in a word.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "true or false",
            Data::Number(_) => "a number",
            Data::Text(_) => "a string",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// As a flow value of YAML in one line, in which numbers keep their spelling.
    pub fn to_flow(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        match &self.data {
            Data::Number(number) => number.written.clone(),
            Data::List(items) => format!(
                "[{}]",
                items
                    .iter()
                    .map(Node::to_flow)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            Data::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, node)| format!("{}: {}", quoted(&key.name), node.to_flow()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            _ => self.to_json().to_string(),
        }
    }

    /// As JSON, which forgets the places.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.value.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Data::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, node)| (key.name.clone(), node.to_json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

fn position<T>(spanned: &Spanned<T>) -> Position {
    let at = spanned.referenced;
    Position {
        line: (at.line() as usize).max(1),
        column: (at.column() as usize).max(1),
    }
}

fn node(read: Spanned<Data>) -> Node {
    Node {
        at: position(&read),
        span: span(&read),
        data: read.value,
    }
}

fn span<T>(spanned: &Spanned<T>) -> Range<usize> {
    let span = spanned.defined.span();
    let start = span.byte_offset().unwrap_or_default() as usize;
    start..start + span.byte_len().unwrap_or_default() as usize
}

/// Reads plain values again by the core schema of YAML 1.2 (section 10.3.2): the reader also takes
/// `1_000` and `0b11` for numbers, and forgets how a number is written.
fn resolve(node: &mut Node, text: &str) {
    let source = text.get(node.span.clone()).unwrap_or_default().trim();
    let is_plain = !source.starts_with(['"', '\'']);
    match &mut node.data {
        Data::List(items) => items.iter_mut().for_each(|item| resolve(item, text)),
        Data::Map(entries) => {
            for (key, below) in entries {
                // A name that is written like nothing is a name.
                if key.name.is_empty() {
                    let source = text.get(key.span.clone()).unwrap_or_default().trim();
                    key.name = source.trim_matches(['"', '\'']).to_owned();
                }
                resolve(below, text);
            }
        }
        Data::Null if is_plain && !["", "~", "null", "Null", "NULL"].contains(&source) => {
            node.data = Data::Text(source.to_owned())
        }
        Data::Bool(_)
            if is_plain
                && !["true", "True", "TRUE", "false", "False", "FALSE"].contains(&source) =>
        {
            node.data = Data::Text(source.to_owned());
        }
        Data::Number(_) if is_plain => {
            node.data = match number(source) {
                Some(value) => Data::Number(Numeral {
                    value,
                    written: source.to_owned(),
                }),
                None => Data::Text(source.to_owned()),
            }
        }
        _ => {}
    }
}

/// A number by the core schema of YAML 1.2.
pub(crate) fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let based = [("0x", 16), ("0o", 8)]
        .into_iter()
        .find_map(|(prefix, base)| Some((text.strip_prefix(prefix)?, base)));
    if let Some((digits, base)) = based {
        let is_whole = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base));
        return u64::from_str_radix(digits, base)
            .ok()
            .filter(|_| is_whole)
            .map(Number::from);
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !unsigned.is_empty() && digits(unsigned) {
        let plain = text.strip_prefix('+').unwrap_or(text);
        let whole = plain
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| plain.parse::<u64>().map(Number::from));
        return whole
            .ok()
            .or_else(|| plain.parse().ok().and_then(Number::from_f64));
    }
    let (mantissa, exponent) = unsigned
        .split_once(['e', 'E'])
        .map_or((unsigned, None), |(before, after)| (before, Some(after)));
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_float = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    if is_float {
        text.parse().ok().and_then(Number::from_f64)
    } else {
        None
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// A number in its usual spelling.
fn numeral(value: Number) -> Data {
    Data::Number(Numeral {
        written: value.to_string(),
        value,
    })
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    fn visit_none<E>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Data, E> {
        Ok(Data::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Data, E> {
        Ok(numeral(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Data, E> {
        Ok(numeral(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Data, E> {
        // Infinity and what is no number have no place in JSON.
        Ok(Number::from_f64(value).map_or_else(|| Data::Text(value.to_string()), numeral))
    }

    fn visit_str<E>(self, value: &str) -> Result<Data, E> {
        Ok(Data::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Data, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Data>>()? {
            all.push(node(item));
        }
        Ok(Data::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Data, A::Error> {
        let mut all = Vec::new();
        while let Some((key, value)) =
            entries.next_entry::<Spanned<Option<String>>, Spanned<Data>>()?
        {
            all.push((
                Key {
                    at: position(&key),
                    span: span(&key),
                    name: key.value.unwrap_or_default(),
                },
                node(value),
            ));
        }
        Ok(Data::Map(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_knows_its_place_in_yaml_and_in_json() {
        let read =
            Document::parse("a.yaml", "version: 1.10\nlist:\n  - core: \">=1\"\n  - ~\n").unwrap();
        assert_eq!(
            read.root.to_json(),
            json!({ "version": 1.1, "list": [{ "core": ">=1" }, null] })
        );
        let version = read.root.get("version").unwrap();
        assert_eq!(
            (version.at, version.written()),
            (
                Position {
                    line: 1,
                    column: 10
                },
                Some("1.10")
            )
        );
        assert_eq!(read.root.entries()[1].0.at, Position { line: 2, column: 1 });
        let read = Document::parse("a.json", "{\n\t\"a\": [true, 1.5, \"\\u00e9\"]\n}\n").unwrap();
        assert_eq!(read.root.to_json(), json!({ "a": [true, 1.5, "é"] }));
        assert_eq!(
            Document::parse("a", " \n# nothing\n").unwrap().root.data,
            Data::Null
        );
        let names = Document::parse(
            "a.yaml",
            "nULL: 1\nNull: 2\n~: 3\n\"\": 4\n1.10: 5\nyes: 6\n",
        )
        .unwrap();
        let names: Vec<&str> = names
            .root
            .entries()
            .iter()
            .map(|(key, _)| key.name.as_str())
            .collect();
        assert_eq!(names, ["nULL", "Null", "~", "", "1.10", "yes"]);
        let several = Document::parse("a.yaml", "a: 1\n---\nb: 2\n").unwrap_err();
        assert!(
            several.message.contains("must contain only one")
                && several.position.is_some_and(|at| at.line == 3),
            "{several}"
        );
    }

    #[test]
    fn values_are_those_of_the_core_schema_and_numbers_keep_their_spelling() {
        let read = |text: &str| {
            Document::parse("a.yaml", &format!("a: {text}\n"))
                .unwrap()
                .root
                .get("a")
                .unwrap()
                .clone()
        };
        for text in [
            "y",
            "n",
            "yes",
            "No",
            "on",
            "OFF",
            "tRue",
            "nULL",
            "1_000",
            "0b11",
            "0o8",
            "0x",
            "1:30",
            ".",
            "1e",
            "+",
            ".inf",
            ".nan",
            "2001-01-01",
        ] {
            assert_eq!(read(text).data, Data::Text(text.to_owned()), "{text}");
        }
        for (text, value) in [
            ("true", true),
            ("True", true),
            ("TRUE", true),
            ("false", false),
            ("FALSE", false),
        ] {
            assert_eq!(read(text).data, Data::Bool(value), "{text}");
        }
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(read(text).data, Data::Null, "{text}");
        }
        let numbers = [
            ("0755", json!(755)),
            ("1.10", json!(1.1)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("+5", json!(5)),
            ("-0", json!(0)),
            (".5", json!(0.5)),
            ("5.", json!(5.0)),
            ("1e3", json!(1000.0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("12345678901234567890123", json!(12345678901234567890123.0)),
        ];
        for (text, value) in numbers {
            for (before, after) in [("", ""), ("&x ", ""), ("[", "]"), ("", " # why")] {
                let read = read(&format!("{before}{text}{after}"));
                let read = if let Data::List(items) = &read.data {
                    items[0].clone()
                } else {
                    read
                };
                assert_eq!(
                    (read.to_json(), read.written()),
                    (value.clone(), Some(text)),
                    "{before}{text}{after}"
                );
            }
        }
        for text in [
            "\"0755\"",
            "'true'",
            "!!str 0755",
            "!!str true",
            "|\n  0755",
            ">-\n  true",
        ] {
            assert!(matches!(read(text).data, Data::Text(_)), "{text}");
        }
        let aliased = Document::parse("a.yaml", "a: &v 1.10\nb: *v\n").unwrap();
        assert_eq!(aliased.root.get("b").unwrap().written(), Some("1.10"));
        let flow = r#"{"a b": [0755, "1.10", 1.10, "x\ny", null], "c": {}}"#;
        assert_eq!(
            Document::parse("a.yaml", flow).unwrap().root.to_flow(),
            flow
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let twice = Document::parse("a.yaml", "a: 1\na: 2\n").unwrap_err();
        assert_eq!(
            (twice.position.map(|at| at.line), twice.message.as_str()),
            (Some(2), "duplicate key `a`")
        );
        let (last, warning) = Document::parse_last_wins("a.yaml", "a: 1\nb: 2\na: 3\n").unwrap();
        assert_eq!(
            (
                last.root.to_json(),
                warning.unwrap().position.map(|at| at.line)
            ),
            (json!({ "a": 3, "b": 2 }), Some(3))
        );
        assert!(Document::parse_last_wins("a.yaml", "a: [\n").is_err());
        let open = Document::parse("a.json", "{ \"a\": 1, // why\n").unwrap_err();
        assert_eq!(
            open.help.as_deref(),
            Some("JSON does not allow comments"),
            "{open}"
        );
        assert!(Document::parse("a", "a: &x [*x]\n").is_err());
    }
}
