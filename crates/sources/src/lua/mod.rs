//! Data written in Lua, read as text: the index of a rocks server, rockspecs, the configuration of
//! an XMPP server. Nothing is run; what would have to be, is opaque.

mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use tokens::{Kind, Token, error, tokens};

/// Tables that are nested deeper are refused.
const DEPTH_LIMIT: usize = 100;
/// What is copied by its name, or joined, may come to so many bytes: a few lines could ask for more
/// than any machine has.
const SIZE_LIMIT: usize = 64 * 1024 * 1024;

/// A value that can be told without running anything.
#[derive(Debug, Clone, PartialEq)]
pub enum LuaValue {
    /// `nil`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string; what is no UTF-8 is replaced.
    Text(String),
    /// A table.
    Table(Table),
}

/// A table: entries without a key, entries with a textual one, and where it stands in the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Entries without a key.
    pub list: Vec<LuaValue>,
    /// Entries with a key.
    pub map: BTreeMap<String, LuaValue>,
    /// From its opening brace to behind its closing one, in bytes.
    pub span: Range<usize>,
    /// Where its last entry or separator ends, and whether another entry could follow there without
    /// a separator.
    pub tail: (usize, bool),
}

impl LuaValue {
    /// The string, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            LuaValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// About how many bytes it takes.
    fn size(&self) -> usize {
        match self {
            LuaValue::Text(text) => 64 + text.len(),
            LuaValue::Table(table) => {
                let list: usize = table.list.iter().map(LuaValue::size).sum();
                128 + list
                    + table
                        .map
                        .iter()
                        .map(|(key, value)| 64 + key.len() + value.size())
                        .sum::<usize>()
            }
            _ => 64,
        }
    }

    /// The table, where it is one.
    pub fn table(&self) -> Option<&Table> {
        match self {
            LuaValue::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl Table {
    /// What stands behind a key.
    pub fn get(&self, key: &str) -> Option<&LuaValue> {
        self.map.get(key)
    }

    /// The strings among the entries without a key.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter_map(LuaValue::text)
    }
}

/// A statement at the top of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `name = value`; no value where it would have to be computed.
    Set(String, Option<LuaValue>),
    /// `Name "argument"`, as configurations have it.
    Call(String, String),
}

/// What a text says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LuaDocument {
    /// In the order of the text.
    pub statements: Vec<Statement>,
    /// What it returns.
    pub returned: Option<LuaValue>,
}

impl LuaDocument {
    /// The last value a name was given.
    pub fn get(&self, name: &str) -> Option<&LuaValue> {
        let values = self
            .statements
            .iter()
            .rev()
            .filter_map(|statement| match statement {
                Statement::Set(set, value) if set == name => Some(value.as_ref()),
                _ => None,
            });
        values.take(1).flatten().next()
    }
}

/// A text that is no Lua, or nested too deeply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LuaError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: &'static str,
}

impl fmt::Display for LuaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for LuaError {}

/// Reads a text.
///
/// # Errors
/// Strings, comments or brackets that do not end, and nesting that is too deep.
pub fn read(text: &str) -> Result<LuaDocument, LuaError> {
    let tokens = tokens(text)?;
    let mut reader = Reader {
        text,
        tokens: &tokens,
        at: 0,
        known: BTreeMap::new(),
        copied: 0,
        document: LuaDocument::default(),
    };
    reader.statements()?;
    Ok(reader.document)
}

const KEYWORDS: &[&str] = &[
    "local", "return", "if", "for", "while", "do", "function", "repeat", "end", "until", "else",
    "elseif", "goto", "break",
];

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    known: BTreeMap<String, LuaValue>,
    copied: usize,
    document: LuaDocument,
}

impl Reader<'_> {
    fn word(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| &self.text[token.span.clone()])
    }

    fn is_name(&self, ahead: usize) -> bool {
        self.tokens
            .get(self.at + ahead)
            .is_some_and(|token| token.kind == Kind::Name)
            && !KEYWORDS.contains(&self.word(ahead))
    }

    fn string(&self, ahead: usize) -> Option<&str> {
        match &self.tokens.get(self.at + ahead)?.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    fn statements(&mut self) -> Result<(), LuaError> {
        while self.at < self.tokens.len() {
            match self.word(0) {
                "return" => {
                    self.at += 1;
                    self.document.returned = self.expression(0)?;
                    self.skip_expression();
                }
                "local" if self.word(1) != "function" => self.at += 1,
                "if" | "do" | "function" | "repeat" | "local" | "while" | "for" => {
                    self.skip_block()
                }
                _ if self.is_name(0) => self.assignment_or_call()?,
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn assignment_or_call(&mut self) -> Result<(), LuaError> {
        let mut names = vec![self.word(0).to_owned()];
        if let Some(argument) = self.string(1).map(str::to_owned) {
            self.document
                .statements
                .push(Statement::Call(names.remove(0), argument));
            self.at += 2;
            return Ok(());
        }
        if let (true, Some(argument)) = (
            self.word(1) == "(" && self.word(3) == ")",
            self.string(2).map(str::to_owned),
        ) {
            self.document
                .statements
                .push(Statement::Call(names.remove(0), argument));
            self.at += 4;
            return Ok(());
        }
        self.at += 1;
        // A field of a table is a name of its own.
        while self.word(0) == "." && self.is_name(1) {
            if let Some(name) = names.last_mut() {
                *name = format!(
                    "{name}.{}",
                    self.tokens
                        .get(self.at + 1)
                        .map_or("", |token| &self.text[token.span.clone()])
                );
            }
            self.at += 2;
        }
        while self.word(0) == "," && self.is_name(1) {
            names.push(self.word(1).to_owned());
            self.at += 2;
        }
        if self.word(0) != "=" {
            return Ok(());
        }
        self.at += 1;
        for (place, name) in names.into_iter().enumerate() {
            if place > 0 {
                if self.word(0) != "," {
                    self.set(name, Some(LuaValue::Nil))?;
                    continue;
                }
                self.at += 1;
            }
            let value = self.expression(0)?;
            if value.is_none() {
                self.skip_expression();
            }
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: String, value: Option<LuaValue>) -> Result<(), LuaError> {
        match &value {
            Some(value) => {
                self.count(value.size())?;
                self.known.insert(name.clone(), value.clone());
            }
            None => drop(self.known.remove(&name)),
        }
        self.document.statements.push(Statement::Set(name, value));
        Ok(())
    }

    /// Counts what is copied.
    fn count(&mut self, size: usize) -> Result<(), LuaError> {
        self.copied = self.copied.saturating_add(size);
        let at = self
            .tokens
            .get(self.at)
            .map_or(self.text.len(), |token| token.span.start);
        // A text of its own size may be copied a few times, however large it is.
        match self.copied > SIZE_LIMIT + 16 * self.text.len() {
            true => Err(error(self.text, at, "this expands to too much data")),
            false => Ok(()),
        }
    }

    /// A value with everything that is joined to it; `None`, and somewhere inside it, where it
    /// would have to be computed.
    fn expression(&mut self, depth: usize) -> Result<Option<LuaValue>, LuaError> {
        let Some(mut value) = self.simple(depth)? else {
            return Ok(None);
        };
        while self.word(0) == ".."
            && self
                .tokens
                .get(self.at)
                .is_some_and(|token| token.kind == Kind::Symbol)
        {
            self.at += 1;
            let Some(right) = self.simple(depth)? else {
                return Ok(None);
            };
            let (Some(left), Some(right)) = (joined(&value), joined(&right)) else {
                return Ok(None);
            };
            self.count(left.len() + right.len())?;
            value = LuaValue::Text(left + &right);
        }
        let operator = [
            "+", "-", "*", "/", "%", "^", "==", "~=", "<", ">", "<=", ">=", "and", "or", "(", "[",
            ".", ":", "//", "&", "|",
        ];
        let continues = operator.contains(&self.word(0))
            && self
                .tokens
                .get(self.at)
                .is_some_and(|token| !matches!(token.kind, Kind::Text(_)));
        Ok((!continues).then_some(value))
    }

    fn simple(&mut self, depth: usize) -> Result<Option<LuaValue>, LuaError> {
        let Some(token) = self.tokens.get(self.at) else {
            return Ok(None);
        };
        let value = match &token.kind {
            Kind::Text(text) => LuaValue::Text(text.clone()),
            Kind::Number(number) => LuaValue::Number(*number),
            Kind::Name => match self.word(0) {
                "true" => LuaValue::Bool(true),
                "false" => LuaValue::Bool(false),
                "nil" => LuaValue::Nil,
                name => match self.known.get(name) {
                    Some(value) => {
                        let size = value.size();
                        self.count(size)?;
                        self.known
                            .get(self.word(0))
                            .cloned()
                            .unwrap_or(LuaValue::Nil)
                    }
                    None => return Ok(None),
                },
            },
            Kind::Symbol => {
                return match self.word(0) {
                    "{" => self.table(depth + 1).map(Some),
                    "-" => {
                        let Some(Kind::Number(number)) =
                            self.tokens.get(self.at + 1).map(|token| token.kind.clone())
                        else {
                            return Ok(None);
                        };
                        self.at += 2;
                        Ok(Some(LuaValue::Number(-number)))
                    }
                    "(" if depth < DEPTH_LIMIT => {
                        self.at += 1;
                        let value = self.expression(depth + 1)?;
                        let closed = value.is_some() && self.word(0) == ")";
                        self.at += usize::from(closed);
                        Ok(value.filter(|_| closed))
                    }
                    _ => Ok(None),
                };
            }
        };
        self.at += 1;
        Ok(Some(value))
    }

    fn table(&mut self, depth: usize) -> Result<LuaValue, LuaError> {
        let start = self.tokens[self.at].span.start;
        if depth > DEPTH_LIMIT {
            return Err(error(self.text, start, "this is nested too deeply"));
        }
        self.at += 1;
        let mut table = Table::default();
        loop {
            match self.word(0) {
                "}" => {
                    let last = &self.tokens[self.at - 1];
                    let free = last.kind == Kind::Symbol
                        && matches!(&self.text[last.span.clone()], "{" | "," | ";");
                    table.tail = (last.span.end, free);
                    table.span = start..self.tokens[self.at].span.end;
                    self.at += 1;
                    return Ok(LuaValue::Table(table));
                }
                "" if self.at >= self.tokens.len() => {
                    return Err(error(self.text, start, "unclosed bracket"));
                }
                "," | ";" if self.string(0).is_none() => self.at += 1,
                _ => {
                    let before = self.at;
                    let key = self.key();
                    let value = self.expression(depth)?;
                    if value.is_none() {
                        self.skip_expression();
                    }
                    // A bracket that is not its own closes nothing.
                    self.at = self.at.max(before + 1);
                    match (key, value) {
                        (Some(key), Some(value)) => drop(table.map.insert(key, value)),
                        (None, Some(value)) => table.list.push(value),
                        // What has to be computed is left out.
                        (_, None) => {}
                    }
                }
            }
        }
    }

    fn key(&mut self) -> Option<String> {
        if self.is_name(0) && self.word(1) == "=" {
            let key = self.word(0).to_owned();
            self.at += 2;
            return Some(key);
        }
        if self.string(0).is_none()
            && self.word(0) == "["
            && self.word(2) == "]"
            && self.word(3) == "="
        {
            let key = match &self.tokens.get(self.at + 1)?.kind {
                Kind::Text(text) => text.clone(),
                _ => self.word(1).to_owned(),
            };
            self.at += 4;
            return Some(key);
        }
        None
    }

    /// Goes behind what cannot be told: to the next separator or bracket that is not its own, or to
    /// where the next statement must begin.
    fn skip_expression(&mut self) {
        let mut depth = 0_usize;
        let mut joins = true;
        while self.at < self.tokens.len() {
            let plain = self.string(0).is_none();
            match self.word(0) {
                "function" if plain => {
                    self.skip_block();
                    joins = false;
                    continue;
                }
                "(" | "{" | "[" if plain => depth += 1,
                ")" | "}" | "]" if plain && depth == 0 => return,
                ")" | "}" | "]" if plain => depth -= 1,
                "," | ";" if plain && depth == 0 => return,
                word if depth == 0 && plain && KEYWORDS.contains(&word) => return,
                _ if depth == 0
                    && !joins
                    && self.is_name(0)
                    && !matches!(self.word(0), "and" | "or" | "not") =>
                {
                    return;
                }
                _ => {}
            }
            let operator = [
                "+", "-", "*", "/", "%", "^", "==", "~=", "<", ">", "<=", ">=", "and", "or", "not",
                "..", ".", ":", "#", "//", "&", "|", "~",
            ];
            joins = plain && operator.contains(&self.word(0));
            self.at += 1;
        }
    }

    /// Goes behind a block with everything in it.
    fn skip_block(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            let plain = self.tokens[self.at].kind == Kind::Name;
            match self.word(0) {
                "if" | "do" | "function" | "repeat" if plain => depth += 1,
                "end" | "until" if plain => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ended = plain && depth == 0 && matches!(self.word(0), "end" | "until");
            self.at += 1;
            if ended {
                return;
            }
        }
    }
}

fn joined(value: &LuaValue) -> Option<String> {
    match value {
        LuaValue::Text(text) => Some(text.clone()),
        LuaValue::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(document: &LuaDocument, name: &str) -> Option<String> {
        document
            .get(name)
            .and_then(LuaValue::text)
            .map(str::to_owned)
    }

    #[test]
    fn literals_names_and_joins_are_told_and_nothing_is_run() {
        let document = read(
            "#!/usr/bin/lua\n-- comment\n--[==[ long\n]==]\nlocal rev, spec = '1.2', '-3'\nversion = rev .. spec\nname = [[\nlong]]\n\
             computed = os.getenv(\"X\") or \"b\"\nafter = \"\\65\\x42\\u{43}\\z\n   D\"\nn = -0x10\ndescription = { summary = \"s\", [\"a b\"] = 1; 'x', f(), \"y\" }\n\
             if true then hidden = 1 end\nfunction f() inner = 2 end\nVirtualHost \"localhost\"\nInclude(\"x.lua\")\nlast = function() return {} end\nend_of = true",
        )
        .unwrap();
        assert_eq!(text(&document, "version").as_deref(), Some("1.2-3"));
        assert_eq!(text(&document, "name").as_deref(), Some("long"));
        assert_eq!(
            (
                document.get("computed"),
                text(&document, "after").as_deref()
            ),
            (None, Some("ABCD"))
        );
        assert_eq!(document.get("n"), Some(&LuaValue::Number(-16.0)));
        let description = document.get("description").unwrap().table().unwrap();
        assert_eq!(description.get("summary").unwrap().text(), Some("s"));
        assert_eq!(description.get("a b"), Some(&LuaValue::Number(1.0)));
        assert_eq!(description.texts().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(
            (
                document.get("hidden"),
                document.get("inner"),
                document.get("last")
            ),
            (None, None, None)
        );
        assert_eq!(document.get("end_of"), Some(&LuaValue::Bool(true)));
        assert!(
            document
                .statements
                .contains(&Statement::Call("VirtualHost".into(), "localhost".into()))
        );
        assert!(
            document
                .statements
                .contains(&Statement::Call("Include".into(), "x.lua".into()))
        );
    }

    #[test]
    fn a_name_that_is_computed_later_is_not_known_any_more() {
        let document = read("x = 'a'\ny = x\nx = g()\nz = x\n").unwrap();
        assert_eq!(
            (
                text(&document, "y").as_deref(),
                document.get("x"),
                document.get("z")
            ),
            (Some("a"), None, None)
        );
    }

    #[test]
    fn what_does_not_end_or_is_too_deep_is_an_error_with_its_line() {
        assert_eq!(read("a = 1\nb = 'x\n").unwrap_err().line, 2);
        assert!(read("a = {").is_err() && read("--[[ x").is_err() && read("a = [=[ x ]]").is_err());
        assert!(read(&format!("a = {}", "{".repeat(100_000))).is_err());
        assert!(read(&format!("a = {}1", "(".repeat(100_000))).is_ok());
        assert!(read(&"- ".repeat(100_000)).is_ok());
    }

    #[test]
    fn brackets_that_close_nothing_are_passed_over() {
        for odd in [
            "a={]",
            "a={w]}",
            "a={)}",
            "a = { x = ) }",
            "return ]",
            "a = ]\nb = 1",
            "end end",
            "= =",
        ] {
            let _ = read(odd);
        }
        assert_eq!(
            read("a = { ], 'x' }")
                .unwrap()
                .get("a")
                .and_then(LuaValue::table)
                .unwrap()
                .texts()
                .collect::<Vec<_>>(),
            ["x"]
        );
    }

    #[test]
    fn a_text_does_not_come_to_more_than_it_says() {
        let doubled = |by: &str| {
            format!(
                "a = 'xxxxxxxxxxxxxxxx'\n{}",
                format!("a = {by}\n").repeat(60)
            )
        };
        for bomb in [
            doubled("a .. a"),
            doubled("{a, a}"),
            doubled("{ x = a, y = a }"),
        ] {
            assert!(read(&bomb).is_err_and(|error| error.message.contains("too much data")));
        }
        let honest = format!(
            "a = '{}'\nb = a .. a\nc = {{ a, b }}\n",
            "x".repeat(1_000_000)
        );
        assert!(read(&honest).is_ok());
    }
}
