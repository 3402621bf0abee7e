//! Where modules come from besides the collections that are named: what `sources` in `hoist.yml`
//! lists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::text::command_transport;
use crate::{Diagnostic, Environment, ModuleId, redact_urls};

/// A place that offers modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, by which a module of it is named exactly: `NAME/MODULE`.
    pub name: String,
    /// Of modules with one name, that of the source with the highest priority counts; of equal ones
    /// the first in the file.
    pub priority: i64,
    /// What kind of place it is, by its key in `hoist.yml`.
    pub kind: &'static str,
    /// The place itself: a path, or a URL.
    pub location: String,
    /// What else an index of it depends on: other patterns, for example, make another index.
    pub index_settings: String,
    /// Where modules of it go, where that is not the home directory.
    pub destination: Option<PathBuf>,
    /// The name of the entry in `hoist.yml` that stands for it and others.
    pub entry: Option<String>,
    /// Its settings, as JSON output lists them: at its kind those of the kind.
    pub details: Map<String, Value>,
}

impl Source {
    /// A source of a kind with settings of a type of the kind's own.
    pub fn new(
        name: impl Into<String>,
        kind: &'static str,
        location: impl Into<String>,
        settings: &impl Serialize,
    ) -> Self {
        let mut source = Self {
            name: name.into(),
            priority: 0,
            kind,
            location: location.into(),
            index_settings: String::new(),
            destination: None,
            entry: None,
            details: Map::new(),
        };
        source.set_settings(settings);
        source
    }

    /// Its settings as the type that its kind has for them. `None` for a source of another kind.
    pub fn settings<T: DeserializeOwned>(&self, kind: &str) -> Option<T> {
        let settings = self.details.get(self.kind).filter(|_| self.kind == kind)?;
        serde_json::from_value(settings.clone()).ok()
    }

    /// Replaces its settings.
    pub fn set_settings(&mut self, settings: &impl Serialize) {
        let settings = serde_json::to_value(settings).unwrap_or_default();
        self.details.insert(self.kind.to_owned(), settings);
    }

    /// What an index of it depends on besides what the source offers.
    pub fn fingerprint(&self) -> String {
        let text = match self.index_settings.as_str() {
            "" => self.location.clone(),
            settings => format!("{} {settings}", self.location),
        };
        // It is written down, and another password is no other place.
        redact_urls(&text)
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("priority", &self.priority)?;
        for (key, value) in &self.details {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// True for a text that names a place on this machine.
pub fn is_path(location: &str) -> bool {
    location.starts_with("file://")
        || (!location.contains("://")
            && !location.split('/').next().unwrap_or_default().contains(':'))
}

/// What the value of a key has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKeyKind {
    /// A string.
    Text,
    /// A string, or a list of several.
    OneOrMore,
    /// A version, which YAML may take for a number.
    Version,
}

/// A key of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceKey {
    /// How it is written.
    pub name: &'static str,
    /// What its value has to be.
    pub kind: SourceKeyKind,
    /// What it means, for the JSON Schema.
    pub description: &'static str,
}

impl SourceKey {
    /// A key with a string.
    pub const fn text(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            kind: SourceKeyKind::Text,
            description,
        }
    }

    /// A key with a string, or a list of several.
    pub const fn list(name: &'static str, description: &'static str) -> Self {
        Self {
            kind: SourceKeyKind::OneOrMore,
            ..Self::text(name, description)
        }
    }

    /// A key with a version.
    pub const fn version(name: &'static str, description: &'static str) -> Self {
        Self {
            kind: SourceKeyKind::Version,
            ..Self::text(name, description)
        }
    }
}

/// The keys of one kind of source, the first of which is the kind itself.
#[derive(Debug, Clone, Copy)]
pub struct SourceSyntax {
    /// What messages call a source of the kind: `a collection`.
    pub noun: &'static str,
    /// Its keys.
    pub keys: &'static [SourceKey],
}

impl SourceSyntax {
    /// The kind.
    pub const fn kind(&self) -> &'static str {
        self.keys[0].name
    }

    fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }
}

/// The kinds of sources that `hoist.yml` may list.
#[derive(Debug)]
pub struct SourceGrammar {
    kinds: Vec<SourceSyntax>,
    names: Vec<&'static str>,
}

/// Keys that every source has.
const COMMON: &[&str] = &["name", "priority"];

impl SourceGrammar {
    /// The grammar of some kinds. A key of several kinds has the same type in each.
    pub fn new(kinds: impl IntoIterator<Item = SourceSyntax>) -> Self {
        let mut grammar = Self {
            kinds: kinds.into_iter().collect(),
            names: COMMON.to_vec(),
        };
        let own: Vec<&str> = grammar.keys().into_iter().map(|key| key.name).collect();
        grammar.names.extend(own);
        grammar
    }

    /// The kinds.
    pub fn kinds(&self) -> &[SourceSyntax] {
        &self.kinds
    }

    /// All keys, each once.
    pub fn keys(&self) -> Vec<&'static SourceKey> {
        let mut keys: Vec<&'static SourceKey> = Vec::new();
        for key in self.kinds.iter().flat_map(|kind| kind.keys) {
            if !keys.iter().any(|known| known.name == key.name) {
                keys.push(key);
            }
        }
        keys
    }
}

/// A source as it is written; which keys there are says what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenSource {
    name: Option<String>,
    priority: i64,
    values: BTreeMap<&'static str, OneOrMore>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    /// Items of a list are texts, also those that would be numbers or truth values elsewhere.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMoreVisitor;
        impl<'de> Visitor<'de> for OneOrMoreVisitor {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(OneOrMore::More(items))
            }
        }
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

/// `5.4` is a number for YAML, and a version for everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number(String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(f64),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        }))
    }
}

/// Reads the list of sources of a whole document of settings.
pub(crate) struct SourcesOfDocument(pub(crate) &'static SourceGrammar);

impl<'de> DeserializeSeed<'de> for SourcesOfDocument {
    type Value = Vec<WrittenSource>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SourcesOfDocument {
    type Value = Vec<WrittenSource>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut sources = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "sources" => sources = map.next_value_seed(SourceList(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(sources)
    }
}

struct SourceList(&'static SourceGrammar);

impl<'de> DeserializeSeed<'de> for SourceList {
    type Value = Vec<WrittenSource>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for SourceList {
    type Value = Vec<WrittenSource>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut sources = Vec::new();
        while let Some(source) = list.next_element_seed(OneSource(self.0))? {
            sources.push(source);
        }
        Ok(sources)
    }
}

struct OneSource(&'static SourceGrammar);

impl<'de> DeserializeSeed<'de> for OneSource {
    type Value = WrittenSource;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneSource {
    type Value = WrittenSource;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut source = WrittenSource::default();
        let keys = self.0.keys();
        while let Some(name) = map.next_key::<String>()? {
            match (name.as_str(), keys.iter().find(|key| key.name == name)) {
                ("name", _) => source.name = map.next_value()?,
                ("priority", _) => source.priority = map.next_value()?,
                (_, Some(key)) => {
                    let value = match key.kind {
                        SourceKeyKind::Text => {
                            map.next_value::<Option<String>>()?.map(OneOrMore::One)
                        }
                        SourceKeyKind::OneOrMore => map.next_value()?,
                        SourceKeyKind::Version => {
                            let number = map.next_value::<Option<Number>>()?;
                            number.map(|number| OneOrMore::One(number.0))
                        }
                    };
                    source.values.extend(value.map(|value| (key.name, value)));
                }
                (_, None) => return Err(A::Error::unknown_field(&name, &self.0.names)),
            }
        }
        Ok(source)
    }
}

/// Where a source is written, and for which environment it is read.
#[derive(Debug, Clone, Copy)]
pub struct SourceBase<'a> {
    /// The directory that relative paths start from.
    pub directory: &'a Path,
    /// The environment.
    pub environment: &'a Environment,
}

impl SourceBase<'_> {
    /// A path as it is written: with `~`, with `file://`, or relative to the file it stands in.
    pub fn path(&self, text: &str) -> PathBuf {
        path(text, self.directory, self.environment)
    }

    /// The same below another directory.
    pub fn path_below(&self, directory: &Path, text: &str) -> PathBuf {
        path(text, directory, self.environment)
    }

    /// A place: a path, made absolute, or a URL as it is.
    pub fn place(&self, text: &str) -> String {
        match is_path(text) {
            true => self.path(text).display().to_string(),
            false => text.to_owned(),
        }
    }
}

/// An error in the list of sources.
pub fn wrong_source(message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error(message).field("sources").help(help)
}

impl WrittenSource {
    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            OneOrMore::One(text) => Some(text),
            OneOrMore::More(_) => None,
        }
    }

    /// The texts of a key: one, or those of a list. `None` where it is not set.
    pub fn list(&self, key: &str) -> Option<Vec<String>> {
        self.values.get(key).map(|value| match value {
            OneOrMore::One(one) => vec![one.clone()],
            OneOrMore::More(more) => more.clone(),
        })
    }

    /// The path of a key that has to be set.
    ///
    /// # Errors
    /// It is not set, or blank.
    pub fn needed_path(&self, key: &str, base: &SourceBase<'_>) -> Result<PathBuf, Diagnostic> {
        let text = self.text(key).filter(|text| !text.trim().is_empty());
        text.map(|text| base.path(text)).ok_or_else(|| {
            wrong_source(
                format!("this kind of source needs `{key}`"),
                "set the directory to install its modules into",
            )
        })
    }

    /// Of which kind it is, once all of its keys are known to be the kind's.
    ///
    /// # Errors
    /// It is of no kind, or of several; a key does not belong to its kind; a place would run a
    /// command.
    pub fn kind(&self, grammar: &SourceGrammar) -> Result<SourceSyntax, Diagnostic> {
        let is_there = |kind: &&SourceSyntax| self.values.contains_key(kind.kind());
        let there: Vec<&SourceSyntax> = grammar.kinds.iter().filter(is_there).collect();
        // The key of a kind may be one among others of another kind.
        let is_part = |kind: &&SourceSyntax| {
            let mut others = there.iter().filter(|other| other.kind() != kind.kind());
            others.any(|other| other.has(kind.kind()))
        };
        let kinds: Vec<&SourceSyntax> = there
            .iter()
            .copied()
            .filter(|kind| !is_part(kind))
            .collect();
        let places = self
            .values
            .keys()
            .filter_map(|key| self.list(key))
            .flatten();
        if let Some(helper) = places
            .collect::<Vec<_>>()
            .iter()
            .find_map(|place| command_transport(place))
        {
            return Err(wrong_source(
                format!("`{helper}::` would run a command instead of connecting to a repository"),
                "write the URL of the repository",
            ));
        }
        let kind = match kinds.as_slice() {
            [kind] => **kind,
            [] => {
                let names: Vec<&str> = grammar.kinds.iter().map(SourceSyntax::kind).collect();
                let message = format!("a source needs exactly one of {}", names.join(", "));
                return Err(wrong_source(message, "use a separate entry for each"));
            }
            several => {
                let names: Vec<&str> = several.iter().map(|kind| kind.kind()).collect();
                let message = format!(
                    "a source has exactly one kind, but this one has {}",
                    names.join(" and ")
                );
                return Err(wrong_source(message, "use a separate entry for each"));
            }
        };
        match self.values.keys().find(|key| !kind.has(key)) {
            None => Ok(kind),
            Some(key) => {
                let own: Vec<&str> = kind.keys.iter().map(|key| key.name).collect();
                Err(wrong_source(
                    format!("`{key}` does not apply to {}", kind.noun),
                    format!("{} can have {}", kind.noun, own.join(", ")),
                ))
            }
        }
    }

    /// A source with the name and the priority that are written.
    ///
    /// # Errors
    /// The name is none of a source.
    pub fn named(&self, default: &str, source: Source) -> Result<Source, Diagnostic> {
        let name = self.name.clone().unwrap_or_else(|| default.to_owned());
        if ModuleId::new(&name).is_err() || name == "lock" {
            let message = format!("`{}` is not a source name", name.escape_debug());
            return Err(wrong_source(
                message,
                "use only letters, digits and . _ + -",
            ));
        }
        Ok(Source {
            name,
            priority: self.priority,
            ..source
        })
    }
}

fn path(text: &str, base: &Path, environment: &Environment) -> PathBuf {
    let text = text.strip_prefix("file://").unwrap_or(text);
    let home = environment.home().unwrap_or(Path::new("/"));
    let path = match text
        .strip_prefix("~/")
        .or_else(|| text.strip_prefix("$HOME/"))
    {
        Some(inside) => home.join(inside),
        None if text == "~" => home.to_owned(),
        None => base.join(text),
    };
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::CollectionFile;

    const SHELF: &[SourceKey] = &[
        SourceKey::text("shelf", "Shelf"),
        SourceKey::list("rows", "Rows"),
        SourceKey::version("edition", "Edition"),
    ];
    const LIBRARY: &[SourceKey] = &[
        SourceKey::text("library", "Library"),
        SourceKey::text("shelf", "Shelf of it"),
    ];
    const BOX: &[SourceKey] = &[SourceKey::text("box", "Box")];

    static GRAMMAR: LazyLock<SourceGrammar> = LazyLock::new(|| {
        let kinds = [("a shelf", SHELF), ("a library", LIBRARY), ("a box", BOX)];
        SourceGrammar::new(kinds.map(|(noun, keys)| SourceSyntax { noun, keys }))
    });

    fn written(text: &str) -> WrittenSource {
        let file = CollectionFile::parse("hoist.yml", text, &GRAMMAR).unwrap();
        file.sources[0].clone()
    }

    #[test]
    fn each_kind_is_known_by_its_key() {
        let shelf = written("sources: [{shelf: /a, rows: [x, y], edition: 5.4, priority: 3}]");
        assert_eq!(shelf.kind(&GRAMMAR).unwrap().kind(), "shelf");
        assert_eq!(shelf.list("rows").unwrap(), ["x", "y"]);
        assert_eq!(shelf.text("edition"), Some("5.4"));
        let named = shelf.named("default", Source::new("", "shelf", "/a", &Value::Null));
        let named = named.unwrap();
        assert_eq!((named.name.as_str(), named.priority), ("default", 3));
        // A key of its own that is the kind of another source.
        let library = written("sources: [{library: /b, shelf: /a}]");
        assert_eq!(library.kind(&GRAMMAR).unwrap().kind(), "library");
    }

    #[test]
    fn paths_are_told_from_hosts() {
        assert!(is_path("/a/b") && is_path("file:///a") && is_path("../x"));
        assert!(!is_path("https://h/x") && !is_path("git@host:x/y.git"));
        let environment = Environment::with_home("/home/me");
        let base = SourceBase {
            directory: Path::new("/etc/x"),
            environment: &environment,
        };
        assert_eq!(base.place("rows"), "/etc/x/rows");
        assert_eq!(base.place("~/rows"), "/home/me/rows");
        assert_eq!(base.place("https://h/x"), "https://h/x");
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        for (text, said) in [
            ("sources: [{}]", "exactly one of shelf, library, box"),
            ("sources: [{shelf: x, box: y}]", "shelf and box"),
            (
                "sources: [{box: x, rows: z}]",
                "`rows` does not apply to a box",
            ),
            ("sources: [{box: 'ext::sh -c id'}]", "would run a command"),
        ] {
            let error = written(text).kind(&GRAMMAR).unwrap_err();
            assert!(error.message.contains(said), "{text}: {error}");
        }
        let slashed = written("sources: [{box: x, name: 'a/b'}]");
        let error = slashed.named("x", Source::new("", "box", "x", &Value::Null));
        assert!(error.unwrap_err().message.contains("is not a source name"));
        let error = CollectionFile::parse("hoist.yml", "sources: [{bax: x}]", &GRAMMAR);
        let error = error.unwrap_err();
        assert_eq!(error.help.as_deref(), Some("did you mean `box`?"));
    }
}
