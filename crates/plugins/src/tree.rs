//! Values that know where they came from, and how one layer of them lies over another.

use std::fmt;
use std::sync::Arc;

use hoist_core::{Diagnostic, Position};
use indexmap::IndexMap;
use serde_json::Value;

use crate::document::{Data, Document, Node};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOrigin {
    /// Nobody gave it.
    Nowhere,
    /// The `default` of the schema.
    Schema(FilePosition),
    /// A file.
    File(FilePosition),
    /// A variable of the environment.
    Environment(String),
    /// An option of the command line, as it was given, without its value.
    Option(String),
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePosition {
    /// The path of the file.
    pub file: Arc<str>,
    /// Where in it.
    pub at: Position,
    /// The line there.
    pub line: Option<Arc<str>>,
}

impl FilePosition {
    pub(crate) fn of(document: &Document, at: Position) -> Self {
        Self {
            file: document.file.as_str().into(),
            at,
            line: document.line(at).map(Into::into),
        }
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueOrigin::Nowhere => f.write_str("not set"),
            ValueOrigin::Schema(FilePosition { file, at, .. }) => {
                write!(f, "{file}:{} (default of the schema)", at.line)
            }
            ValueOrigin::File(FilePosition { file, at, .. }) => write!(f, "{file}:{}", at.line),
            ValueOrigin::Environment(name) => write!(f, "environment variable {name}"),
            ValueOrigin::Option(option) => f.write_str(option),
        }
    }
}

impl ValueOrigin {
    /// Points a message at where the value was given. The line itself is left out where it holds a
    /// secret, or may hold one beside the value.
    pub(crate) fn point(&self, mut diagnostic: Diagnostic, secret: bool) -> Diagnostic {
        match self {
            ValueOrigin::Schema(place) | ValueOrigin::File(place) => {
                diagnostic.file = Some(place.file.to_string());
                diagnostic.position = Some(place.at);
                diagnostic.source_line = place
                    .line
                    .as_deref()
                    .filter(|line| !secret && holds_one(line))
                    .map(str::to_owned);
            }
            ValueOrigin::Environment(_) | ValueOrigin::Option(_) => {
                diagnostic.message = format!("{} (from {self})", diagnostic.message)
            }
            ValueOrigin::Nowhere => {}
        }
        diagnostic
    }
}

/// True for a line of a file that holds a single value.
fn holds_one(line: &str) -> bool {
    !line.contains(['{', '[', ',']) && line.matches(": ").count() <= 1
}

/// Values by name, each with its origin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub(crate) value: Branch,
    pub(crate) origin: ValueOrigin,
    /// How a number is written, where it is not in its usual spelling: `1.10`, `0755`.
    pub(crate) written: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Branch {
    Leaf(Value),
    List(Vec<Tree>),
    Map(IndexMap<String, Tree>),
    /// A layer took the value away; it has no default.
    Removed,
}

/// One step on the way to a value: of a map by name, of a list by place.
pub(crate) type Path<'p> = &'p [String];

impl Tree {
    /// A map of nothing.
    pub(crate) fn empty() -> Self {
        Self {
            value: Branch::Map(IndexMap::new()),
            origin: ValueOrigin::Nowhere,
            written: None,
        }
    }

    /// A map with one entry.
    pub(crate) fn holding(name: &str, below: Tree) -> Self {
        let origin = below.origin.clone();
        Self {
            value: Branch::Map(IndexMap::from([(name.to_owned(), below)])),
            origin,
            written: None,
        }
    }

    pub(crate) fn of_node(
        node: &Node,
        document: &Document,
        origin: fn(FilePosition) -> ValueOrigin,
    ) -> Self {
        let value = match &node.data {
            Data::List(items) => Branch::List(
                items
                    .iter()
                    .map(|item| Self::of_node(item, document, origin))
                    .collect(),
            ),
            Data::Map(entries) => {
                let entry = |(key, node): &(crate::document::Key, Node)| {
                    let mut tree = Self::of_node(node, document, origin);
                    // A map is where its name is, not where its first entry is.
                    if matches!(tree.value, Branch::Map(_)) {
                        tree.origin = origin(FilePosition::of(document, key.at));
                    }
                    (key.name.clone(), tree)
                };
                Branch::Map(entries.iter().map(entry).collect())
            }
            _ => Branch::Leaf(node.to_json()),
        };
        let mut tree = Self {
            value,
            origin: origin(FilePosition::of(document, node.at)),
            written: None,
        };
        if let Data::Number(number) = &node.data {
            tree.keep_spelling(&number.written);
        }
        tree
    }

    pub(crate) fn of_value(value: &Value, origin: &ValueOrigin) -> Self {
        let below = |value: &Value| Self::of_value(value, origin);
        let value = match value {
            Value::Array(items) => Branch::List(items.iter().map(below).collect()),
            Value::Object(entries) => Branch::Map(
                entries
                    .iter()
                    .map(|(name, value)| (name.clone(), below(value)))
                    .collect(),
            ),
            leaf => Branch::Leaf(leaf.clone()),
        };
        Self {
            value,
            origin: origin.clone(),
            written: None,
        }
    }

    /// Remembers how a number is written.
    pub(crate) fn keep_spelling(&mut self, text: &str) {
        if let Branch::Leaf(Value::Number(number)) = &self.value {
            self.written = (number.to_string() != text).then(|| text.into());
        }
    }

    /// The value as text: a number as it is written, a list or map as JSON, nothing as an empty
    /// text.
    pub(crate) fn text(&self) -> String {
        match (&self.value, &self.written) {
            (_, Some(written)) => written.to_string(),
            (Branch::Leaf(Value::Null) | Branch::Removed, _) => String::new(),
            (Branch::Leaf(Value::String(text)), _) => text.clone(),
            _ => self.to_json().to_string(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match &self.value {
            Branch::Leaf(value) => value.clone(),
            Branch::List(items) => Value::Array(items.iter().map(Tree::to_json).collect()),
            Branch::Map(entries) => {
                let there = entries
                    .iter()
                    .filter(|(_, tree)| tree.value != Branch::Removed);
                Value::Object(
                    there
                        .map(|(name, tree)| (name.clone(), tree.to_json()))
                        .collect(),
                )
            }
            Branch::Removed => Value::Null,
        }
    }

    /// Lays another layer over this one: maps are merged, a null takes a name away, everything else
    /// is replaced.
    pub(crate) fn lay(&mut self, over: Tree) {
        match (&mut self.value, over.value) {
            (Branch::Map(known), Branch::Map(new)) => {
                for (name, tree) in new {
                    match known.get_mut(&name) {
                        Some(under) if tree.value == Branch::Leaf(Value::Null) => {
                            *under = Tree {
                                value: Branch::Removed,
                                ..tree
                            }
                        }
                        Some(under) => under.lay(tree),
                        None => drop(known.insert(name, tree)),
                    }
                }
                self.origin = over.origin;
            }
            (_, value) => *self = Tree { value, ..over },
        }
    }

    pub(crate) fn get(&self, path: Path<'_>) -> Option<&Tree> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        match &self.value {
            Branch::Map(entries) => entries.get(first)?.get(rest),
            Branch::List(items) => items.get(first.parse::<usize>().ok()?)?.get(rest),
            Branch::Leaf(_) | Branch::Removed => None,
        }
    }

    /// Forgets what layers took away.
    pub(crate) fn forget_removed(&mut self) {
        match &mut self.value {
            Branch::Map(entries) => {
                entries.retain(|_, tree| tree.value != Branch::Removed);
                entries.values_mut().for_each(Tree::forget_removed);
            }
            Branch::List(items) => items.iter_mut().for_each(Tree::forget_removed),
            Branch::Leaf(_) | Branch::Removed => {}
        }
    }

    /// The value at a path, or else the nearest above it that there is.
    pub(crate) fn nearest(&self, path: Path<'_>) -> &Tree {
        (0..=path.len())
            .rev()
            .find_map(|length| self.get(&path[..length]))
            .unwrap_or(self)
    }

    /// Puts a value at a path; maps on the way are made.
    ///
    /// # Errors
    /// A list on the way that has no such place.
    pub(crate) fn put(&mut self, path: Path<'_>, tree: Tree) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = tree;
            return Ok(());
        };
        if let Branch::List(items) = &mut self.value {
            let length = items.len();
            let place = first
                .parse::<usize>()
                .map_err(|_| format!("`{first}` must be the index of a list item"))?;
            return match items.get_mut(place) {
                Some(item) => item.put(rest, tree),
                None if place == length && rest.is_empty() => {
                    items.push(tree);
                    Ok(())
                }
                None => Err(format!(
                    "no item {place}: the list has {length}, counted from 0"
                )),
            };
        }
        if !matches!(self.value, Branch::Map(_)) {
            self.value = Branch::Map(IndexMap::new());
            self.origin = tree.origin.clone();
        }
        let Branch::Map(entries) = &mut self.value else {
            return Ok(());
        };
        let nothing = Tree {
            value: Branch::Leaf(Value::Null),
            origin: tree.origin.clone(),
            written: None,
        };
        entries
            .entry(first.clone())
            .or_insert(nothing)
            .put(rest, tree)
    }

    /// Every leaf, and every list or map with nothing in it, with its path.
    pub(crate) fn leaves<'t>(
        &'t self,
        path: &mut Vec<String>,
        into: &mut Vec<(Vec<String>, &'t Tree)>,
    ) {
        match &self.value {
            Branch::Map(entries) if !entries.is_empty() => {
                for (name, tree) in entries {
                    path.push(name.clone());
                    tree.leaves(path, into);
                    path.pop();
                }
            }
            Branch::List(items) if !items.is_empty() => {
                for (place, tree) in items.iter().enumerate() {
                    path.push(place.to_string());
                    tree.leaves(path, into);
                    path.pop();
                }
            }
            _ => into.push((path.clone(), self)),
        }
    }
}

/// A path as people write it: `database.host`, `volumes[0].path`.
pub fn dotted(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        match part.parse::<usize>() {
            Ok(place) if !text.is_empty() => text += &format!("[{place}]"),
            _ => {
                text += if text.is_empty() { "" } else { "." };
                text += &part.replace('.', "\\.");
            }
        }
    }
    text
}

/// The parts of a path as people write it; `\.` is a point in a name.
pub(crate) fn parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => parts
                .last_mut()
                .map(|part| part.extend(characters.next()))
                .unwrap_or_default(),
            '.' | '[' => parts.push(String::new()),
            ']' => {}
            other => parts
                .last_mut()
                .map(|part| part.push(other))
                .unwrap_or_default(),
        }
    }
    match parts.iter().any(String::is_empty) {
        true => Err(format!(
            "`{}` is not a path of a value",
            text.escape_debug()
        )),
        false => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(value: Value, from: &str) -> Tree {
        Tree::of_value(&value, &ValueOrigin::Option(from.to_owned()))
    }

    #[test]
    fn maps_are_merged_nulls_take_away_and_everything_else_is_replaced() {
        let mut under = tree(
            json!({ "a": { "b": 1, "c": [1, 2], "f": 2 }, "d": {} }),
            "first",
        );
        under.lay(tree(
            json!({ "a": { "c": [3], "f": null }, "d": null, "e": 1, "g": null }),
            "second",
        ));
        assert_eq!(
            under.to_json(),
            json!({ "a": { "b": 1, "c": [3] }, "e": 1, "g": null })
        );
        let from = |path: &str| under.nearest(&parts(path).unwrap()).origin.to_string();
        assert_eq!(
            (
                from("a.b").as_str(),
                from("a.c").as_str(),
                from("a.zzz").as_str()
            ),
            ("first", "second", "second")
        );
    }

    #[test]
    fn a_value_is_put_where_its_path_leads() {
        let mut all = Tree::empty();
        let mut put = |path: &str, value: Value| all.put(&parts(path).unwrap(), tree(value, "x"));
        put("a.b", json!(1)).unwrap();
        put("a.list", json!([{ "n": 1 }])).unwrap();
        put("a.list[0].n", json!(2)).unwrap();
        put("a.list.1", json!("more")).unwrap();
        put("a\\.b", json!(3)).unwrap();
        assert!(
            put("a.list[7]", json!(0))
                .unwrap_err()
                .contains("no item 7")
        );
        assert_eq!(
            all.to_json(),
            json!({ "a": { "b": 1, "list": [{ "n": 2 }, "more"] }, "a.b": 3 })
        );
        assert!(parts("a..b").is_err() && parts("").is_err());
        assert_eq!(
            dotted(&parts("a.list[0].x\\.y").unwrap()),
            "a.list[0].x\\.y"
        );
    }
}
