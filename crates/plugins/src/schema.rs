//! The JSON Schema of a plugin's configuration: what it says of single values, and what it finds
//! wrong with all of them.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use hoist_core::Diagnostic;
use jsonschema::Validator;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::directory::Directory;
use crate::document::{Data, Document, Node};
use crate::evaluate::{EvaluationResult, EvaluationTask, SchemaError, validator, violations};
use crate::tree::{Branch, Tree, ValueOrigin};
use crate::violation::{Violation, unescaped};

/// A schema that was read.
#[derive(Debug)]
pub struct Schema {
    document: Document,
    value: Value,
    /// Absent where checking a value by it may take long.
    validator: Option<Validator>,
}

/// References are followed so often in a row.
const DEPTH: usize = 32;
/// A schema that comes to more parts, with everything that is referred to in the place of each
/// reference, may take long.
const PARTS: u64 = 20_000;

impl Schema {
    /// Reads the schema at a path of a plugin. Nothing is fetched: references stay in the file.
    ///
    /// # Errors
    /// What cannot be read, and what is no schema.
    pub fn read(directory: &dyn Directory, path: &str) -> Result<Self, Diagnostic> {
        let file = directory.root().join(path).display().to_string();
        let text = read_text(directory, path)?;
        let document = Document::parse(&file, &text)?;
        let value = document.root.to_json();
        if !value.is_object() {
            let message = format!("must be a schema, not {}", document.root.kind());
            return Err(document.point(
                Diagnostic::error(message)
                    .help("a schema starts with { \"type\": \"object\", \"properties\": … }"),
                document.root.at,
            ));
        }
        let checked = match parts(&document.root) {
            Some(parts) if parts <= PARTS => validator(&value).map(Some),
            _ => match directory.evaluate(&EvaluationTask::Check {
                schema: value.clone(),
                value: None,
            }) {
                Ok(EvaluationResult::Checked(Err(error))) => Err(error),
                Ok(_) => Ok(None),
                Err(why) => return Err(too_much(&document, &why)),
            },
        };
        match checked {
            Ok(validator) => Ok(Self {
                document,
                value,
                validator,
            }),
            Err(SchemaError { message, path }) => {
                let at = locate(&document.root, &path);
                let wrong = Diagnostic::error(format!("is not a JSON Schema: {message}"));
                Err(document.point(
                    wrong.help("references must point into the same file (#/definitions/…)"),
                    at.at,
                ))
            }
        }
    }

    /// Finds what is wrong with a value.
    ///
    /// # Errors
    /// That takes too long.
    pub(crate) fn violations(
        &self,
        value: Value,
        directory: &dyn Directory,
    ) -> Result<Vec<Violation>, Diagnostic> {
        if let Some(validator) = &self.validator {
            return Ok(violations(validator, &value));
        }
        match directory.evaluate(&EvaluationTask::Check {
            schema: self.value.clone(),
            value: Some(value),
        }) {
            Ok(EvaluationResult::Checked(Ok(violations))) => Ok(violations),
            Ok(EvaluationResult::Checked(Err(error))) => {
                Err(too_much(&self.document, &error.message))
            }
            Ok(EvaluationResult::Rendered(_)) => Err(too_much(
                &self.document,
                "the answer belongs to another request",
            )),
            Err(why) => Err(too_much(&self.document, &why)),
        }
    }

    pub(crate) fn root(&self) -> Subschema<'_> {
        Subschema::new(
            &self.document.root,
            vec![Said {
                node: &self.document.root,
                certain: true,
            }],
        )
    }

    /// Fills in defaults of values that are absent from an object that is there. No object is
    /// created.
    pub(crate) fn fill(&self, tree: &mut Tree) {
        self.fill_below(&self.root(), tree);
    }

    fn fill_below(&self, schema: &Subschema<'_>, tree: &mut Tree) {
        match &mut tree.value {
            Branch::Map(entries) => {
                for name in schema.properties() {
                    let below = schema.property(name);
                    match entries.get_mut(name) {
                        // Nothing, where the schema allows nothing of the kind, takes the default
                        // away.
                        Some(given)
                            if given.value == Branch::Leaf(Value::Null) && !below.allows_null() =>
                        {
                            given.value = Branch::Removed
                        }
                        Some(given) => self.fill_below(&below, given),
                        None => drop(
                            self.default_of(&below)
                                .map(|tree| entries.insert(name.to_owned(), tree)),
                        ),
                    }
                }
            }
            Branch::List(items) => {
                let below = schema.items();
                items
                    .iter_mut()
                    .for_each(|item| self.fill_below(&below, item));
            }
            Branch::Leaf(_) | Branch::Removed => {}
        }
    }

    /// The default of a value that is absent. An object that was left out or taken away stays away.
    fn default_of(&self, schema: &Subschema<'_>) -> Option<Tree> {
        let default = schema.certain().find_map(|node| node.get("default"))?;
        let is_object = matches!(default.data, Data::Map(_));
        (!is_object).then(|| Tree::of_node(default, &self.document, ValueOrigin::Schema))
    }
}

/// What a schema says of one value.
#[derive(Debug, Clone)]
pub(crate) struct Subschema<'s> {
    root: &'s Node,
    said: Vec<Said<'s>>,
}

/// A part of a schema, and whether it holds whatever the value is.
#[derive(Debug, Clone, Copy)]
struct Said<'s> {
    node: &'s Node,
    certain: bool,
}

impl<'s> Subschema<'s> {
    /// With all that is referred to, and all that it is made up of.
    fn new(root: &'s Node, said: Vec<Said<'s>>) -> Self {
        Self {
            root,
            said: expand(root, said),
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &'s Node> {
        self.said.iter().map(|said| said.node)
    }

    fn certain(&self) -> impl Iterator<Item = &'s Node> {
        self.said
            .iter()
            .filter(|said| said.certain)
            .map(|said| said.node)
    }

    /// What is said of a part, by those who say anything of it.
    fn part(&self, of: impl Fn(&'s Node) -> Option<&'s Node>) -> Self {
        let said = self
            .said
            .iter()
            .filter_map(|said| {
                Some(Said {
                    node: of(said.node)?,
                    certain: said.certain,
                })
            })
            .collect();
        Self::new(self.root, said)
    }

    /// True where nothing is said.
    pub(crate) fn is_silent(&self) -> bool {
        self.said.is_empty()
    }

    /// The names that are described.
    pub(crate) fn properties(&self) -> impl Iterator<Item = &'s str> {
        let mut names: Vec<&str> = self
            .nodes()
            .filter_map(|node| node.get("properties"))
            .flat_map(Node::entries)
            .map(|(key, _)| key.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// False where nothing else than `null` is sure to be wrong.
    fn allows_null(&self) -> bool {
        let has_null = |node: &Node| match &node.data {
            Data::List(items) => items
                .iter()
                .any(|item| matches!(&item.data, Data::Null) || item.text() == Some("null")),
            Data::Text(name) => name == "null",
            _ => true,
        };
        self.certain().all(|node| {
            node.get("type").is_none_or(has_null) && node.get("enum").is_none_or(has_null)
        })
    }

    /// True where names that are not described are foreseen: by a pattern, or by a schema for all
    /// others.
    pub(crate) fn is_open(&self) -> bool {
        let foresees = |node: &&Node| {
            let additional = node.get("additionalProperties").map(|node| &node.data);
            let open = matches!(additional, Some(Data::Map(_) | Data::Bool(true)));
            open || node.get("patternProperties").is_some() || node.get("propertyNames").is_some()
        };
        self.nodes().any(|node| foresees(&node)) || self.properties().next().is_none()
    }

    /// What is said of what stands under a name.
    pub(crate) fn property(&self, name: &str) -> Subschema<'s> {
        let mut described = self.part(|node| node.get("properties").and_then(|all| all.get(name)));
        // Every pattern that a name matches says something of it.
        for said in &self.said {
            let patterns = said
                .node
                .get("patternProperties")
                .map(Node::entries)
                .unwrap_or_default();
            let matching = patterns
                .iter()
                .filter(|(pattern, _)| is_match(&pattern.name, name));
            described.said.extend(matching.map(|(_, node)| Said {
                node,
                certain: said.certain,
            }));
        }
        match described.is_silent() {
            true => {
                let others = ["additionalProperties", "unevaluatedProperties"];
                let of = |node: &'s Node| {
                    others
                        .iter()
                        .filter_map(|name| node.get(name))
                        .find(|node| matches!(node.data, Data::Map(_)))
                };
                self.part(of)
            }
            false => described,
        }
    }

    /// What is said of the items of a list.
    pub(crate) fn items(&self) -> Subschema<'s> {
        self.part(|node| {
            node.get("items")
                .filter(|node| matches!(node.data, Data::Map(_)))
        })
    }

    /// What is said of an item of a list.
    fn item(&self, place: usize) -> Subschema<'s> {
        let listed = self.part(|node| {
            let lists = ["prefixItems", "items"]
                .iter()
                .filter_map(|name| node.get(name));
            lists
                .filter_map(|list| {
                    if let Data::List(items) = &list.data {
                        items.get(place)
                    } else {
                        None
                    }
                })
                .next()
        });
        if !listed.is_silent() {
            return listed;
        }
        let others = ["items", "additionalItems", "unevaluatedItems", "contains"];
        let of = |node: &'s Node| {
            others
                .iter()
                .filter_map(|name| node.get(name))
                .find(|node| matches!(node.data, Data::Map(_)))
        };
        self.part(of)
    }

    /// What is said of the value that a path leads to.
    pub(crate) fn at(&self, path: &[String]) -> Subschema<'s> {
        path.iter().fold(self.clone(), |schema, part| {
            match (schema.property(part), part.parse::<usize>()) {
                (said, Ok(place)) if said.is_silent() => schema.item(place),
                (said, _) => said,
            }
        })
    }

    /// The types that a value may have.
    pub(crate) fn types(&self) -> Vec<&'s str> {
        let of = |node: &&'s Node| match node.get("type").map(|node| &node.data) {
            Some(Data::Text(one)) => vec![one.as_str()],
            Some(Data::List(several)) => several.iter().filter_map(Node::text).collect(),
            _ => Vec::new(),
        };
        self.nodes().flat_map(|node| of(&node)).collect()
    }

    /// Whether the schema says that a value is a secret, or that it is none.
    pub(crate) fn secret(&self) -> Option<bool> {
        let format = self
            .nodes()
            .any(|node| node.get("format").and_then(Node::text) == Some("password"));
        let write_only =
            self.nodes()
                .find_map(|node| match node.get("writeOnly").map(|node| &node.data) {
                    Some(Data::Bool(secret)) => Some(*secret),
                    _ => None,
                });
        write_only.or(format.then_some(true))
    }

    /// What its author says of a value.
    pub(crate) fn description(&self) -> Option<&'s str> {
        self.nodes()
            .find_map(|node| node.get("description").and_then(Node::text))
    }
}

/// A regular expression counts as so many parts of a schema: with repetitions of so many times it
/// can be large.
fn weight(pattern: &str) -> u64 {
    pattern.len() as u64 + if pattern.contains('{') { PARTS / 10 } else { 1 }
}

/// Whether a name matches a pattern. One of another dialect, or one that is too large, may be meant
/// for this name.
fn is_match(pattern: &str, name: &str) -> bool {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Option<Regex>>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if known.len() > 1000 {
            known.clear();
        }
        let compile = || RegexBuilder::new(pattern).size_limit(1 << 20).build().ok();
        known
            .entry(pattern.to_owned())
            .or_insert_with(compile)
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(name))
    })
}

/// Counts the parts of a schema, with everything that is referred to in the place of each
/// reference; `None` where that never ends, or a reference is of another kind than a path in the
/// file.
fn parts(root: &Node) -> Option<u64> {
    fn below<'n>(
        root: &'n Node,
        node: &'n Node,
        known: &mut HashMap<*const Node, Option<u64>>,
    ) -> Option<u64> {
        let key = std::ptr::from_ref(node);
        if let Some(known) = known.get(&key) {
            return *known;
        }
        // What is met again before it is counted refers to itself.
        known.insert(key, None);
        let mut count = 1_u64;
        let mut add = |more: Option<u64>| {
            count = count.saturating_add(more?);
            Some(())
        };
        match &node.data {
            Data::List(items) => items
                .iter()
                .try_for_each(|item| add(below(root, item, known)))?,
            Data::Map(_) => {
                for (name, value) in node.entries() {
                    match name.name.as_str() {
                        "$ref" => {
                            let pointer = value
                                .text()?
                                .strip_prefix('#')
                                .filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
                            let path: Vec<String> =
                                pointer.split('/').skip(1).map(unescaped).collect();
                            add(below(root, find(root, &path)?, known))?;
                        }
                        "$dynamicRef" | "$recursiveRef" | "$id" => return None,
                        "pattern" => add(value.text().map(weight))?,
                        "patternProperties" => {
                            for (pattern, value) in value.entries() {
                                add(Some(weight(&pattern.name)))?;
                                add(below(root, value, known))?;
                            }
                        }
                        _ => add(below(root, value, known))?,
                    }
                }
            }
            _ => {}
        }
        known.insert(key, Some(count));
        Some(count)
    }
    below(root, root, &mut HashMap::new())
}

fn too_much(document: &Document, why: &str) -> Diagnostic {
    let wrong = Diagnostic::error(format!("cannot be used to check a configuration: {why}"));
    document.point(
        wrong.help("reduce references between parts of the schema, which multiply"),
        document.root.at,
    )
}

fn expand<'s>(root: &'s Node, said: Vec<Said<'s>>) -> Vec<Said<'s>> {
    let mut all: Vec<Said<'_>> = Vec::new();
    let mut seen = HashSet::new();
    let mut waiting: Vec<(Said<'_>, usize)> =
        said.into_iter().rev().map(|said| (said, 0)).collect();
    while let Some((said, depth)) = waiting.pop() {
        if depth > DEPTH || !seen.insert(std::ptr::from_ref(said.node)) {
            continue;
        }
        all.push(said);
        let Said { node, certain } = said;
        let mut more = |node, certain| waiting.push((Said { node, certain }, depth + 1));
        for reference in ["$ref", "$dynamicRef", "$recursiveRef"]
            .iter()
            .filter_map(|name| node.get(name))
            .filter_map(Node::text)
        {
            let Some(pointer) = reference.strip_prefix('#') else {
                continue;
            };
            let parts: Vec<String> = pointer.split('/').skip(1).map(unescaped).collect();
            let target = if pointer.is_empty() || pointer.starts_with('/') {
                find(root, &parts)
            } else {
                anchored(root, pointer)
            };
            target.into_iter().for_each(|node| more(node, certain));
        }
        for (name, always) in [("allOf", true), ("anyOf", false), ("oneOf", false)] {
            if let Some(Data::List(items)) = node.get(name).map(|several| &several.data) {
                items.iter().for_each(|node| more(node, certain && always));
            }
        }
        ["if", "then", "else", "not"]
            .iter()
            .filter_map(|name| node.get(name))
            .for_each(|node| more(node, false));
        let dependent = ["dependentSchemas", "dependencies"]
            .iter()
            .filter_map(|name| node.get(name))
            .flat_map(Node::entries);
        dependent
            .filter(|(_, node)| matches!(node.data, Data::Map(_)))
            .for_each(|(_, node)| more(node, false));
    }
    all
}

/// What has this name as its anchor.
fn anchored<'n>(root: &'n Node, name: &str) -> Option<&'n Node> {
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        let is_called = |keyword: &str| node.get(keyword).and_then(Node::text) == Some(name);
        if is_called("$anchor") || is_called("$dynamicAnchor") {
            return Some(node);
        }
        match &node.data {
            Data::List(items) => waiting.extend(items),
            _ => waiting.extend(node.entries().iter().map(|(_, node)| node)),
        }
    }
    None
}

fn find<'n>(root: &'n Node, path: &[String]) -> Option<&'n Node> {
    path.iter().try_fold(root, |node, part| match &node.data {
        Data::List(items) => items.get(part.parse::<usize>().ok()?),
        _ => node.get(part),
    })
}

/// What a path leads to, or the nearest above it.
fn locate<'n>(root: &'n Node, path: &[String]) -> &'n Node {
    (0..=path.len())
        .rev()
        .find_map(|length| find(root, &path[..length]))
        .unwrap_or(root)
}

/// The text of a file of a plugin.
pub(crate) fn read_text(directory: &dyn Directory, path: &str) -> Result<String, Diagnostic> {
    let file = || directory.root().join(path).display().to_string();
    let bytes = directory
        .read(path)
        .map_err(|why| Diagnostic::error(format!("cannot read the file: {why}")).file(file()))?;
    String::from_utf8(bytes).map_err(|_| Diagnostic::error("is not UTF-8").file(file()))
}

/// A text as a value of one of the types that the schema allows; as text where none of them fits.
pub(crate) fn typed(text: &str, types: &[&str]) -> Value {
    let plain = text.trim();
    let of = |kind: &&str| match *kind {
        "boolean" => match plain.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(Value::Bool(true)),
            "false" | "no" | "off" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        "integer" => plain
            .parse::<i64>()
            .ok()
            .map(Value::from)
            .or_else(|| plain.parse::<u64>().ok().map(Value::from)),
        "number" => {
            let whole = plain.parse::<i64>().ok().map(Value::from);
            whole.or_else(|| {
                plain
                    .parse::<f64>()
                    .ok()
                    .and_then(serde_json::Number::from_f64)
                    .map(Value::Number)
            })
        }
        "null" if plain.is_empty() || plain == "null" => Some(Value::Null),
        "array" | "object" => {
            let read = Document::parse("", plain).ok()?.root.to_json();
            let separate = || {
                plain
                    .split(',')
                    .map(|item| Value::String(item.trim().to_owned()))
                    .collect()
            };
            match *kind {
                "array" if read.is_array() => Some(read),
                "array" => Some(Value::Array(separate())),
                _ => Some(read).filter(Value::is_object),
            }
        }
        _ => None,
    };
    if types.contains(&"string") {
        return Value::String(text.to_owned());
    }
    types
        .iter()
        .find_map(of)
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::InMemory;
    use serde_json::json;

    fn schema(text: &str) -> Result<Schema, Diagnostic> {
        Schema::read(&InMemory::new("/p", &[("s.json", text)]), "s.json")
    }

    #[test]
    fn defaults_apply_inside_objects_that_are_there() {
        let text = r##"{ "type": "object", "definitions": { "port": { "type": "integer", "default": 5432 } },
            "properties": {
                "db": { "type": "object", "required": ["host"], "properties": { "host": {}, "port": { "$ref": "#/definitions/port" } } },
                "app": { "type": "object", "properties": { "debug": { "default": false }, "name": { "type": "string", "default": "n" }, "nick": { "type": ["string", "null"], "default": "k" } } },
                "list": { "items": { "properties": { "type": { "default": "local" } } } }
            } }"##;
        let schema = schema(text).unwrap();
        let filled = |given: Value| {
            let mut tree = Tree::of_value(&given, &ValueOrigin::Nowhere);
            schema.fill(&mut tree);
            tree.to_json()
        };
        assert_eq!(filled(json!({})), json!({}), "no object is created");
        assert_eq!(
            filled(json!({ "app": {} })),
            json!({ "app": { "debug": false, "name": "n", "nick": "k" } })
        );
        assert_eq!(
            filled(json!({ "app": null })),
            json!({}),
            "an object is taken away"
        );
        let nothing = json!({ "app": { "debug": null, "name": null, "nick": null } });
        assert_eq!(
            filled(nothing),
            json!({ "app": { "debug": null, "nick": null } }),
            "nothing stays where it may be the value"
        );
        assert_eq!(
            filled(json!({ "db": { "host": "h" }, "list": null })),
            json!({ "db": { "host": "h", "port": 5432 }, "list": null })
        );
        assert_eq!(
            filled(json!({ "list": [{}, { "type": "nfs" }] }))["list"],
            json!([{ "type": "local" }, { "type": "nfs" }])
        );
        let port = schema.root().at(&["db".into(), "port".into()]);
        assert_eq!(port.types(), ["integer"]);
    }

    #[test]
    fn what_is_no_schema_is_told_at_its_place_and_nothing_is_fetched() {
        let wrong = schema(
            "{\n  \"type\": \"object\",\n  \"properties\": { \"a\": { \"type\": \"strin\" } }\n}",
        )
        .unwrap_err();
        assert_eq!(wrong.position.map(|at| at.line), Some(3), "{wrong}");
        assert!(
            schema("[]")
                .unwrap_err()
                .message
                .contains("must be a schema")
        );
        assert!(schema("{").is_err());
        let remote =
            schema(r#"{ "properties": { "a": { "$ref": "http://127.0.0.1:9/x.json" } } }"#)
                .unwrap_err();
        assert!(remote.help.unwrap().contains("the same file"));
        // One that refers to itself ends.
        let circle = schema(r##"{ "properties": { "a": { "$ref": "#" } } }"##).unwrap();
        let mut tree = Tree::empty();
        circle.fill(&mut tree);
    }

    #[test]
    fn text_becomes_what_the_schema_wants() {
        assert_eq!(typed("8080", &["integer"]), json!(8080));
        assert_eq!(typed("8080", &["string"]), json!("8080"));
        assert_eq!(typed("Yes", &["boolean"]), json!(true));
        assert_eq!(
            typed("maybe", &["boolean"]),
            json!("maybe"),
            "and then it is told"
        );
        assert_eq!(typed("a, b", &["array"]), json!(["a", "b"]));
        assert_eq!(typed("[1, 2]", &["array"]), json!([1, 2]));
        assert_eq!(typed("1.5", &["string", "number"]), json!("1.5"));
        assert_eq!(typed("x", &[]), json!("x"));
    }
}
