//! A TOML document to values by their paths, and everything that is wrong with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, Kind, keys, update_methods};
use crate::text::{command_transport, package_name_problem};
use crate::{Diagnostic, Environment, ModuleId, did_you_mean, parse_duration};

/// A value of one of the kinds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Boolean(bool),
    List(Vec<String>),
}

/// The values of a document, or of one of its installs.
#[derive(Debug, Default)]
pub(super) struct Values {
    values: BTreeMap<String, Value>,
    /// The tables that are there, with the places of their keys.
    pub(super) tables: BTreeMap<String, usize>,
}

impl Values {
    /// The text of a key; empty where it is not there.
    pub(super) fn text(&self, path: &str) -> &str {
        match self.values.get(path) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// The text of a key that is there and not blank.
    pub(super) fn command(&self, path: &str) -> Option<&str> {
        Some(self.text(path)).filter(|text| !text.trim().is_empty())
    }

    pub(super) fn is_true(&self, path: &str) -> Option<bool> {
        match self.values.get(path)? {
            Value::Boolean(is_true) => Some(*is_true),
            _ => None,
        }
    }

    pub(super) fn list(&self, path: &str) -> Vec<String> {
        match self.values.get(path) {
            Some(Value::List(list)) => list.clone(),
            _ => Vec::new(),
        }
    }

    /// The paths of a key, which are absolute.
    pub(super) fn paths(&self, path: &str) -> Vec<PathBuf> {
        self.list(path).into_iter().map(PathBuf::from).collect()
    }

    /// The path of a key.
    pub(super) fn path(&self, path: &str) -> Option<PathBuf> {
        self.command(path).map(PathBuf::from)
    }
}

/// Reads one document.
pub(super) struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    environment: &'a Environment,
    keys: Vec<Key>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What stands beside installs.
    pub(super) values: Values,
    /// The installs, in their order.
    pub(super) installs: Vec<Values>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, environment: &'a Environment) -> Self {
        Self {
            text,
            file,
            environment,
            keys: keys(),
            diagnostics: Vec::new(),
            values: Values::default(),
            installs: Vec::new(),
        }
    }

    /// Reads everything, and notes what is wrong.
    pub(super) fn read(&mut self) {
        match DeTable::parse(self.text) {
            Ok(document) => {
                let mut values = Values::default();
                self.table(document.get_ref(), "", &mut values);
                self.values = values;
            }
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let message = format!("not a TOML document: {}", error.message());
                self.wrong(at, "", message, "correct the line");
            }
        }
    }

    /// Notes an error at a place of the text.
    pub(super) fn wrong(
        &mut self,
        at: usize,
        path: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let mut diagnostic = Diagnostic::error(message).file(self.file).help(help);
        if !path.is_empty() {
            diagnostic = diagnostic.field(path);
        }
        self.diagnostics.push(diagnostic.at(self.text, at));
    }

    fn table(&mut self, table: &DeTable<'_>, prefix: &str, into: &mut Values) {
        for (key, value) in table {
            let path = format!("{prefix}{}", key.get_ref());
            let at = key.span().start;
            if let Some(kind) = self.keys.iter().find(|known| known.path == path) {
                let kind = kind.kind;
                self.value(kind, &path, value, into);
            } else if path == "install" {
                self.installs(value, at);
            } else if self.is_table(&path) {
                self.section(&path, at, value, into);
            } else {
                self.unknown(&path, prefix, at);
            }
        }
    }

    /// One install, or several in an array of tables.
    fn installs(&mut self, value: &Spanned<DeValue<'_>>, at: usize) {
        let all: Vec<&Spanned<DeValue<'_>>> = match value.get_ref().as_array() {
            Some(array) => array.iter().collect(),
            None => vec![value],
        };
        for install in all {
            let mut values = Values::default();
            let at = install.span().start.max(at);
            self.section("install", at, install, &mut values);
            self.installs.push(values);
        }
    }

    fn section(&mut self, path: &str, at: usize, value: &Spanned<DeValue<'_>>, into: &mut Values) {
        into.tables.insert(path.to_owned(), at);
        let packages = format!("{path}.packages");
        let takes_packages = self.keys.iter().any(|key| key.path == packages);
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, &format!("{path}."), into),
            // A list alone is that of the packages.
            DeValue::Array(_) if takes_packages => {
                self.value(Kind::Packages, &packages, value, into);
            }
            _ => {
                let help = format!("write `[{path}]` and its keys below");
                self.wrong(value.span().start, path, "expected a table", help);
            }
        }
    }

    fn is_table(&self, path: &str) -> bool {
        let is_inside = |key: &Key| {
            let rest = key.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.keys.iter().any(is_inside)
    }

    fn unknown(&mut self, path: &str, prefix: &str, at: usize) {
        let mut known: Vec<&str> = Vec::new();
        let below = self
            .keys
            .iter()
            .filter_map(|key| key.path.strip_prefix(prefix));
        for name in below.filter_map(|rest| rest.split('.').next()) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        let name = path.strip_prefix(prefix).unwrap_or(path);
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", known.join(", ")),
        };
        let message = format!("unknown key `{}`", name.escape_debug());
        self.wrong(at, path, message, help);
    }

    fn value(&mut self, kind: Kind, path: &str, value: &Spanned<DeValue<'_>>, into: &mut Values) {
        let at = value.span().start;
        match (self.typed(kind, value.get_ref()), expected(kind)) {
            (None, (expected, help)) => self.wrong(at, path, expected, help),
            (Some(value), _) => match problem(kind, &value) {
                Some((message, help)) => self.wrong(at, path, message, help),
                None => drop(into.values.insert(path.to_owned(), value)),
            },
        }
    }

    /// A value of a kind, where it has the right type.
    fn typed(&self, kind: Kind, value: &DeValue<'_>) -> Option<Value> {
        let list = |value: &DeValue<'_>| -> Option<Vec<String>> {
            let items = value.as_array()?.iter();
            items
                .map(|item| Some(item.get_ref().as_str()?.to_owned()))
                .collect()
        };
        Some(match kind {
            Kind::Text | Kind::UpdateMethod | Kind::Sha256 => {
                Value::Text(value.as_str()?.to_owned())
            }
            // A path among URLs may begin with `~/` as well.
            Kind::Path | Kind::Url => Value::Text(self.expanded(value.as_str()?)),
            Kind::Duration => match value {
                DeValue::Integer(seconds) => Value::Text(seconds.as_str().to_owned()),
                other => Value::Text(other.as_str()?.to_owned()),
            },
            Kind::Boolean => Value::Boolean(value.as_bool()?),
            Kind::Names | Kind::Binaries | Kind::Packages | Kind::Strings => {
                Value::List(list(value)?)
            }
            Kind::Paths => {
                let paths = list(value)?.into_iter();
                Value::List(paths.map(|path| self.expanded(&path)).collect())
            }
            Kind::OneOrMore => match value.as_str() {
                Some(word) => Value::List(vec![word.to_owned()]),
                None => Value::List(list(value)?),
            },
        })
    }

    /// A path with the home directory in place of `~` and `$HOME`.
    fn expanded(&self, text: &str) -> String {
        let inside = ["~", "$HOME", "${HOME}"]
            .iter()
            .find_map(|home| text.strip_prefix(home))
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (inside, self.environment.home()) {
            (Some(rest), Some(home)) => home
                .join(rest.trim_start_matches('/'))
                .display()
                .to_string(),
            _ => text.to_owned(),
        }
    }
}

/// What is said where a value has another type.
fn expected(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Boolean => ("expected true or false", "write it without quotes"),
        Kind::Duration => (
            "expected a duration",
            "write a number of seconds (90), or \"15m\", \"2h\"",
        ),
        Kind::Names | Kind::Paths | Kind::Binaries | Kind::Packages | Kind::Strings => {
            ("expected a list of strings", "write [\"ONE\", \"OTHER\"]")
        }
        Kind::OneOrMore => (
            "expected a string or a list of strings",
            "write \"ONE\", or [\"ONE\", \"OTHER\"]",
        ),
        Kind::Text | Kind::Path | Kind::Url | Kind::UpdateMethod | Kind::Sha256 => {
            ("expected a string", "write it in quotes")
        }
    }
}

/// What is wrong with a value of the right type, and what to do.
fn problem(kind: Kind, value: &Value) -> Option<(String, String)> {
    let words: Vec<&str> = match value {
        Value::Text(text) => vec![text],
        Value::List(list) => list.iter().map(String::as_str).collect(),
        Value::Boolean(_) => Vec::new(),
    };
    let first = |is_wrong: &dyn Fn(&str) -> bool| words.iter().copied().find(|word| is_wrong(word));
    match kind {
        Kind::Text | Kind::Boolean | Kind::Strings | Kind::OneOrMore => None,
        Kind::Names => {
            let error = words.iter().find_map(|word| ModuleId::new(word).err())?;
            Some((error.to_string(), "write the name of a module".to_owned()))
        }
        Kind::Path | Kind::Paths => {
            let wrong = first(&|word| !Path::new(word).is_absolute())?;
            let message = format!("`{}` is not an absolute path", wrong.escape_debug());
            Some((message, "start it with ~/ or /".to_owned()))
        }
        Kind::Binaries => {
            let wrong = first(&|word| word.contains('/'))?;
            let message = format!("`{}` contains a slash", wrong.escape_debug());
            Some((message, "write the name of a program".to_owned()))
        }
        Kind::Packages => {
            let wrong = first(&|word| package_name_problem(word).is_some())?;
            let why = package_name_problem(wrong).unwrap_or_default();
            let message = format!("`{}` is not a package name", wrong.escape_debug());
            Some((message, why.to_owned()))
        }
        Kind::Url => {
            let helper = command_transport(words.first()?)?;
            let message =
                format!("`{helper}::` would run a command instead of connecting to a repository");
            Some((message, "write the URL of the repository".to_owned()))
        }
        Kind::UpdateMethod => {
            let methods = update_methods();
            let wrong = first(&|word| !methods.contains(&word))?;
            let message = format!("`{}` is an unknown method", wrong.escape_debug());
            let near = did_you_mean(wrong, methods.iter().copied());
            let help = near.map_or_else(
                || format!("one of: {}", methods.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            Some((message, help))
        }
        Kind::Sha256 => {
            let is_digest =
                |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let wrong = first(&|word| !is_digest(word))?;
            let message = format!("`{}` is not a SHA-256 digest", wrong.escape_debug());
            let help = "write the 64 hexadecimal digits that sha256sum prints";
            Some((message, help.to_owned()))
        }
        Kind::Duration => {
            let error = words.iter().find_map(|word| parse_duration(word).err())?;
            Some((error.to_string(), "write 90, \"15m\" or \"2h\"".to_owned()))
        }
    }
}
