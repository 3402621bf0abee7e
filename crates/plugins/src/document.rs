//! YAML and JSON in which every value knows where it stands.

use std::fmt;

use hoist_core::{Diagnostic, Position};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_yaml::Spanned;

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
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// Several, in order.
    List(Vec<Node>),
    /// Several by name, in the order of the file. Each name once.
    Map(Vec<(Key, Node)>),
}

/// The name of a value in a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// Where the name stands.
    pub at: Position,
}

impl Document {
    /// Reads the text of the file called `file`.
    ///
    /// # Errors
    /// What is neither YAML nor JSON, a name that stands twice in one map, more than one document: told with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let lines: Vec<String> = text.lines().map(|line| line.chars().take(LINE).collect()).collect();
        let start = Position { line: 1, column: 1 };
        if text.trim().is_empty() {
            return Ok(Self { file: file.to_owned(), lines, root: Node { data: Data::Null, at: start } });
        }
        let read: Spanned<Data> = serde_yaml::from_str(text).map_err(|error| {
            let at = error.location().map(|at| Position { line: at.line() as usize, column: at.column() as usize });
            let message = error.without_snippet().to_string();
            let message = message.lines().next().unwrap_or_default();
            let message = message.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
            let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
            let mut wrong = Diagnostic::error(message.to_owned()).file(file);
            wrong.source_line = at.and_then(|at| lines.get(at.line.saturating_sub(1)).cloned());
            wrong.position = at;
            match file.ends_with(".json") && text.contains("//") {
                true => wrong.help("JSON has no comments"),
                false => wrong,
            }
        })?;
        Ok(Self { file: file.to_owned(), lines, root: node(read) })
    }

    /// The same for a file that may have secrets in it: a message about its form shows nothing of what is in it.
    pub fn parse_private(file: &str, text: &str) -> Result<Self, Diagnostic> {
        Self::parse(file, text).map_err(|mut wrong| {
            wrong.source_line = None;
            // Names of anchors, tags and keys are words of the file.
            let mut message = wrong.message.split(['`', '"', '\'']).next().unwrap_or_default().trim().to_owned();
            if let Some((what, _)) = message.split_once(": ") {
                message = what.to_owned();
            }
            let is_plain = message.split_whitespace().all(|word| !text.contains(word) || word.len() < 4 || WORDS.contains(&word));
            wrong.message = if is_plain && !message.is_empty() { message } else { "is neither YAML nor JSON".to_owned() };
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
        self.lines.get(at.line.saturating_sub(1)).map(String::as_str)
    }

    /// A number as it is written, which the number has forgotten: `1.10` is a version.
    pub fn written(&self, node: &Node) -> Option<String> {
        let rest: String = self.line(node.at)?.chars().skip(node.at.column.saturating_sub(1)).collect();
        let word: String = rest.chars().take_while(|c| !c.is_whitespace() && !matches!(c, ',' | '}' | ']' | '#')).collect();
        (!word.is_empty()).then_some(word)
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
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The text that it is.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in a word.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "true or false",
            Data::Number(_) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// As JSON, which forgets the places.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Data::Map(entries) => {
                let entries = entries.iter().map(|(key, node)| (key.name.clone(), node.to_json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

fn position<T>(spanned: &Spanned<T>) -> Position {
    let at = spanned.referenced;
    Position { line: (at.line() as usize).max(1), column: (at.column() as usize).max(1) }
}

fn node(read: Spanned<Data>) -> Node {
    Node { at: position(&read), data: read.value }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
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
        Ok(Data::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Data, E> {
        Ok(Data::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Data, E> {
        // Infinity and what is no number have no place in JSON.
        Ok(Number::from_f64(value).map_or_else(|| Data::Text(value.to_string()), Data::Number))
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
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Data>>()? {
            all.push((Key { at: position(&key), name: key.value }, node(value)));
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
        let read = Document::parse("a.yaml", "version: 1.10\nlist:\n  - core: \">=1\"\n  - ~\n").unwrap();
        assert_eq!(read.root.to_json(), json!({ "version": 1.1, "list": [{ "core": ">=1" }, null] }));
        let version = read.root.get("version").unwrap();
        assert_eq!((version.at, read.written(version).as_deref()), (Position { line: 1, column: 10 }, Some("1.10")));
        assert_eq!(read.root.entries()[1].0.at, Position { line: 2, column: 1 });
        let read = Document::parse("a.json", "{\n\t\"a\": [true, 1.5, \"\\u00e9\"]\n}\n").unwrap();
        assert_eq!(read.root.to_json(), json!({ "a": [true, 1.5, "é"] }));
        assert_eq!(Document::parse("a", " \n# nothing\n").unwrap().root.data, Data::Null);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let twice = Document::parse("a.yaml", "a: 1\na: 2\n").unwrap_err();
        assert_eq!((twice.position.map(|at| at.line), twice.message.as_str()), (Some(2), "duplicate mapping key: a"));
        let open = Document::parse("a.json", "{ \"a\": 1, // why\n").unwrap_err();
        assert_eq!(open.help.as_deref(), Some("JSON has no comments"), "{open}");
        assert!(Document::parse("a", "a: &x [*x]\n").is_err());
    }
}
