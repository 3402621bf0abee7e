//! Values that a template inserts arrive in containers as they are, whatever YAML and Compose would
//! make of their characters.
//!
//! A template writes `PASSWORD: {{ database.password }}`, and the password may be `pa$$w`, `abc1
//! #def` or `yes`. The template is rendered with marks in the place of such values. From what that
//! text says it is known which text each part is to be; where the text with the plain values says
//! something else, that part is written as a quoted text with dollars doubled.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::document::{Data, Document, Node};
use crate::evaluate::{Marked, Rendered};
use crate::interpolate::interpolate;
use crate::marks;
use crate::output::InsertedValue;

/// What a variable stands for.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The rendered text in which every inserted value arrives as it is.
///
/// # Errors
/// The values of which that is not so.
pub(super) fn exact(
    rendered: &Rendered,
    variables: Variables<'_>,
) -> Result<String, BTreeSet<String>> {
    let read = |text: &str| Document::parse_last_wins("", text).map(|(document, _)| document);
    let plain = read(&rendered.text).ok();
    let mut inexact = BTreeSet::new();
    for marked in &rendered.marked {
        let marked = &without_pieces(marked);
        // Where a value is a piece of YAML, a mark in its place may be none.
        let Ok(document) = read(&marked.text) else {
            continue;
        };
        match (Quoting {
            marked,
            plain: plain.as_ref().map(|_| rendered.text.as_str()),
            variables,
        })
        .quoted(&document, plain.as_ref())
        {
            Ok(text) => return Ok(text),
            Err(values) => inexact = values,
        }
    }
    if !inexact.is_empty() {
        return Err(inexact);
    }
    // What is inserted is YAML; values in it are looked for.
    let mut texts = Vec::new();
    plain
        .iter()
        .for_each(|plain| texts_of(&plain.root, &mut texts));
    let arrived: Vec<String> = texts
        .iter()
        .map(|text| interpolate(text, variables).0)
        .collect();
    let lost = |value: &&String| {
        !value.contains('\n')
            && plain.is_some()
            && !arrived.iter().any(|text| text.contains(value.as_str()))
    };
    let lost: BTreeSet<String> = rendered.inserted.iter().filter(lost).cloned().collect();
    if lost.is_empty() {
        Ok(rendered.text.clone())
    } else {
        Err(lost)
    }
}

fn texts_of(node: &Node, into: &mut Vec<String>) {
    into.extend(node.written().map(str::to_owned));
    match &node.data {
        Data::List(items) => items.iter().for_each(|item| texts_of(item, into)),
        Data::Map(entries) => entries.iter().for_each(|(_, below)| texts_of(below, into)),
        _ => {}
    }
}

/// The text without the marks that stand for pieces of YAML: where the document with the mark has
/// another shape than the one with what it stands for.
fn without_pieces(marked: &Marked) -> Marked {
    let read = |text: &str| Document::parse_last_wins("", text).map(|(document, _)| document);
    let expanded = |text: &str, expand: &dyn Fn(usize) -> bool| {
        marks::replaced(text, |number| match &marked.values[number].pieces {
            Some(pieces) if expand(number) => pieces.clone(),
            _ => marks::mark(number),
        })
    };
    let mut text = marked.text.clone();
    let pieces = expanded(&text, &|_| true);
    if let Ok(base) = read(&pieces) {
        if read(&text).is_err() {
            text = expanded(&text, &|number| marked.values[number].is_yaml);
        }
        while let Ok(document) = read(&text) {
            let mut comparison = Comparison {
                text: &text,
                base: &pieces,
                values: &marked.values,
                found: BTreeSet::new(),
            };
            comparison.compare(&document.root, &base.root, false);
            let found = comparison.found;
            if found.is_empty() {
                return Marked {
                    text,
                    values: marked.values.clone(),
                };
            }
            text = expanded(&text, &|number| found.contains(&number));
        }
        text = pieces;
    }
    Marked {
        text,
        values: marked.values.clone(),
    }
}

/// Compares a document with marks for the texts that expressions have made with the one with these
/// texts.
struct Comparison<'a> {
    text: &'a str,
    base: &'a str,
    values: &'a [InsertedValue],
    /// The marks that stand for more than a text.
    found: BTreeSet<usize>,
}

impl Comparison<'_> {
    fn compare(&mut self, node: &Node, base: &Node, is_text: bool) {
        match (&node.data, &base.data) {
            (Data::Text(text), Data::List(_) | Data::Map(_)) => self.add(text),
            // What is indented for a block by an expression is a part of it.
            (Data::Text(text), Data::Text(_))
                if block_header(self.text, node.span.start).is_some() =>
            {
                let has_lines = |number: &usize| {
                    self.values[*number]
                        .pieces
                        .as_ref()
                        .is_some_and(|pieces| pieces.contains('\n'))
                };
                self.found
                    .extend(marks::numbers(text).into_iter().filter(has_lines));
            }
            (Data::Text(text), Data::Text(_)) => {
                let (source, base) = (&self.text[node.span.clone()], &self.base[base.span.clone()]);
                let quotes = |text: &str| text.starts_with(['"', '\'', '|', '>']);
                let has_lines =
                    marks::only(text).is_some() && base.contains('\n') && !quotes(source);
                if quotes(base) && !quotes(source) || has_lines {
                    self.add(text);
                }
            }
            // A number stays one, where it may be one.
            (Data::Text(text), Data::Number(_) | Data::Bool(_))
                if !is_text && !self.text[node.span.clone()].starts_with(['"', '\'']) =>
            {
                self.found.extend(
                    marks::numbers(text)
                        .into_iter()
                        .filter(|number| self.values[*number].pieces.is_some()),
                );
            }
            (Data::List(items), Data::List(others)) if items.len() == others.len() => {
                items
                    .iter()
                    .zip(others)
                    .for_each(|(item, other)| self.compare(item, other, true));
            }
            (Data::Map(entries), Data::Map(others)) if entries.len() == others.len() => {
                for ((key, below), (_, other)) in entries.iter().zip(others) {
                    self.compare(below, other, is_text || is_text_only(&key.name));
                }
            }
            (Data::List(_) | Data::Map(_), _) => self.add_all(node),
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        self.found.extend(
            marks::numbers(text)
                .into_iter()
                .filter(|number| self.values[*number].is_yaml),
        );
    }

    fn add_all(&mut self, node: &Node) {
        match &node.data {
            Data::Text(text) => self.add(text),
            Data::List(items) => items.iter().for_each(|item| self.add_all(item)),
            Data::Map(entries) => {
                for (key, below) in entries {
                    self.add(&key.name);
                    self.add_all(below);
                }
            }
            _ => {}
        }
    }
}

/// True for the keys below which Compose takes everything for text.
fn is_text_only(key: &str) -> bool {
    matches!(key, "environment" | "labels" | "args")
}

/// A part of the text that is written in another way.
struct Edit {
    span: Range<usize>,
    text: String,
}

struct Quoting<'a> {
    marked: &'a Marked,
    /// The text with the plain values, where it can be read.
    plain: Option<&'a str>,
    variables: Variables<'a>,
}

impl Quoting<'_> {
    fn quoted(
        &self,
        document: &Document,
        plain: Option<&Document>,
    ) -> Result<String, BTreeSet<String>> {
        let mut edits = Vec::new();
        self.entries(
            &document.root,
            plain.map(|plain| &plain.root),
            false,
            &mut edits,
        );
        edits.sort_by_key(|edit| edit.span.start);
        edits.dedup_by_key(|edit| edit.span.start);
        let mut text = self.marked.text.clone();
        for Edit { span, text: quoted } in edits.into_iter().rev() {
            text.replace_range(span, &quoted);
        }
        // What is left of the marks stands in comments, or is the same with its plain value.
        let text = text
            .split_inclusive('\n')
            .map(|line| self.plain_line(line))
            .collect::<String>();
        let mut wrong = BTreeSet::new();
        match Document::parse_last_wins("", &text) {
            Ok((read, _)) => self.compare(&document.root, &read.root, &mut wrong),
            Err(_) => wrong.extend(
                self.marked
                    .values
                    .iter()
                    .map(|inserted| inserted.value.clone()),
            ),
        }
        if wrong.is_empty() {
            Ok(text)
        } else {
            Err(wrong)
        }
    }

    /// What a mark stands for in a part of the text.
    fn value(&self, number: usize, span: &Range<usize>) -> &str {
        let inserted = &self.marked.values[number];
        let is_escaped = inserted.is_json && !self.marked.text[span.clone()].starts_with('"');
        if is_escaped {
            &inserted.written
        } else {
            &inserted.value
        }
    }

    fn plain_line(&self, line: &str) -> String {
        let is_comment = line.trim_start().starts_with('#');
        marks::replaced(line, |number| {
            let written = &self.marked.values[number].written;
            if is_comment {
                written.replace(char::is_control, " ")
            } else {
                written.clone()
            }
        })
    }

    /// The parts of a node that are to be written in another way. `plain` is the same node of the
    /// text with the plain values.
    fn entries(&self, node: &Node, plain: Option<&Node>, is_text: bool, edits: &mut Vec<Edit>) {
        match &node.data {
            Data::Text(text) => edits.extend(self.edit(node, text, plain, is_text)),
            Data::List(items) => {
                let others = plain.and_then(|plain| {
                    if let Data::List(others) = &plain.data {
                        Some(others)
                    } else {
                        None
                    }
                });
                let others = others.filter(|others| others.len() == items.len());
                for (place, item) in items.iter().enumerate() {
                    // An item that is nothing is of no use.
                    self.entries(item, others.map(|others| &others[place]), true, edits);
                }
            }
            Data::Map(entries) => {
                let others = plain
                    .map(Node::entries)
                    .filter(|others| others.len() == entries.len());
                for (place, (key, below)) in entries.iter().enumerate() {
                    let other = others.map(|others| &others[place]);
                    if !marks::numbers(&key.name).is_empty() {
                        let name = self.with_values(&key.name, &key.span, false);
                        // Compose looks for no variables in names.
                        if other.is_none_or(|(other, _)| other.name != name) {
                            edits.push(Edit {
                                span: key.span.clone(),
                                text: quoted(&name),
                            });
                        }
                    }
                    let is_text = is_text || is_text_only(&key.name);
                    self.entries(below, other.map(|(_, below)| below), is_text, edits);
                }
            }
            _ => {}
        }
    }

    fn edit(&self, node: &Node, text: &str, plain: Option<&Node>, is_text: bool) -> Option<Edit> {
        if marks::numbers(text).is_empty() {
            return None;
        }
        if let Some(number) = marks::only(text) {
            let value = self.value(number, &node.span);
            // A number or true and false given as text may stand where Compose needs one.
            let is_whole = value
                .parse::<i64>()
                .is_ok_and(|number| number.to_string() == value);
            let is_same =
                is_whole || (!is_text && (value.is_empty() || value == "true" || value == "false"));
            if is_same && !self.is_quoted(node) {
                return None;
            }
        }
        if plain.is_some_and(|plain| self.is_same(text, node, plain)) {
            return None;
        }
        let text = match block_header(&self.marked.text, node.span.start)
            .map(|(_, indentation)| indentation)
        {
            Some(indentation) => {
                let source = &self.marked.text[node.span.clone()];
                let inline = |number: usize| {
                    doubled(self.value(number, &node.span))
                        .replace('\n', &format!("\n{indentation}"))
                };
                marks::replaced(source, inline)
            }
            None => quoted(&self.with_values(text, &node.span, true)),
        };
        Some(Edit {
            span: node.span.clone(),
            text,
        })
    }

    fn is_quoted(&self, node: &Node) -> bool {
        self.marked.text[node.span.clone()].starts_with(['"', '\''])
    }

    /// True where the text with the plain values says the same, to every reader of YAML.
    fn is_same(&self, text: &str, node: &Node, plain: &Node) -> bool {
        let (Data::Text(read), Some(source)) = (
            &plain.data,
            self.plain.and_then(|text| text.get(plain.span.clone())),
        ) else {
            return false;
        };
        let expected = self.expected(text, node);
        if expected.contains(is_odd) {
            return false;
        }
        let is_certain = source.starts_with(['"', '\''])
            || source.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
                && !marks::is_word(source.trim());
        is_certain && interpolate(read, self.variables).0 == expected
    }

    /// The text that arrives in a container.
    fn expected(&self, text: &str, node: &Node) -> String {
        let arrives = marks::replaced(&interpolate(text, self.variables).0, |number| {
            self.value(number, &node.span).to_owned()
        });
        match block_header(&self.marked.text, node.span.start) {
            // What becomes of line ends at the end of a block its header says (YAML 1.2, section
            // 8.1.1.2).
            Some((header, _)) if header.contains('-') => arrives.trim_end_matches('\n').to_owned(),
            Some((header, _))
                if !header.contains('+') && !arrives.trim_end_matches('\n').is_empty() =>
            {
                format!("{}\n", arrives.trim_end_matches('\n'))
            }
            _ => arrives,
        }
    }

    fn with_values(&self, text: &str, span: &Range<usize>, double: bool) -> String {
        let value = |number: usize| {
            if double {
                doubled(self.value(number, span))
            } else {
                self.value(number, span).to_owned()
            }
        };
        marks::replaced(text, value)
    }

    /// Compares what the marked text says with what the finished text says.
    fn compare(&self, marked: &Node, finished: &Node, wrong: &mut BTreeSet<String>) {
        let lost = |text: &str| {
            marks::numbers(text)
                .into_iter()
                .map(|number| self.marked.values[number].value.clone())
        };
        match (&marked.data, &finished.data) {
            (Data::Text(text), _) => {
                let arrives = match finished.data {
                    Data::Bool(value) => value.to_string(),
                    Data::Null => String::new(),
                    _ => interpolate(finished.written().unwrap_or_default(), self.variables).0,
                };
                if arrives != self.expected(text, marked) {
                    wrong.extend(lost(text));
                }
            }
            (Data::List(items), Data::List(others)) if items.len() == others.len() => {
                items
                    .iter()
                    .zip(others)
                    .for_each(|(item, other)| self.compare(item, other, wrong));
            }
            (Data::Map(entries), Data::Map(others)) if entries.len() == others.len() => {
                for ((key, below), (other, finished)) in entries.iter().zip(others) {
                    if other.name != self.with_values(&key.name, &key.span, false) {
                        wrong.extend(lost(&key.name));
                    }
                    self.compare(below, finished, wrong);
                }
            }
            (marked, finished) if marked == finished => {}
            (Data::List(_) | Data::Map(_), _) => wrong.extend(
                self.marked
                    .values
                    .iter()
                    .map(|inserted| inserted.value.clone()),
            ),
            _ => {}
        }
    }
}

/// The header of the block text that starts at a place, and how far it is indented; nothing for
/// other texts.
fn block_header(text: &str, start: usize) -> Option<(&str, &str)> {
    let (above, indentation) = text[..start].rsplit_once('\n')?;
    let header = above.trim_end().rsplit([' ', '\n']).next()?;
    let is_header = header.starts_with(['|', '>'])
        && header[1..]
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-'));
    (is_header && indentation.trim().is_empty()).then_some((header, indentation))
}

/// True for characters that readers of YAML take for line ends or blanks, or not at all, where they
/// are not escaped.
fn is_odd(c: char) -> bool {
    matches!(
        c,
        '\t' | '\r' | '\u{7f}'
            ..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// Compose takes `$$` for a dollar.
fn doubled(text: &str) -> String {
    text.replace('$', "$$")
}

/// A text in double quotes, as YAML reads it.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut out = String::new();
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}
