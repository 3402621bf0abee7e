//! What the expressions of a template print, with marks in the place of values.
//!
//! A template is rendered once as it is and then again with marks. What each of its expressions
//! prints is recorded the first time, so that the second time it is known what a mark, or a text
//! that a filter made of marks, stands for.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use minijinja::Value;
use minijinja::value::ValueKind;
use serde::{Deserialize, Serialize};

use crate::marks;

/// A value that a template inserts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsertedValue {
    /// The value.
    pub value: String,
    /// How the template writes it: the same, or with the escapes of JSON, or with dollars doubled.
    pub written: String,
    /// True for the inside of a string of JSON: it is the value only where YAML reads the escapes
    /// of JSON, in double quotes.
    pub is_json: bool,
    /// For a text that an expression made: `written`, with marks only for the values in it.
    pub pieces: Option<String>,
    /// True where that text may be a piece of YAML: some of its punctuation is also in strings of
    /// the template.
    pub is_yaml: bool,
}

/// What a rendering prints.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// What gets marks; nothing does while the texts are recorded.
    marking: Option<Marking>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Marking {
    /// The values that get a mark.
    leaves: BTreeSet<String>,
    /// The strings in the expressions of the template and of what it includes.
    literals: BTreeSet<String>,
    /// What each expression prints without marks.
    printed: Vec<String>,
    marks: Marks,
}

/// What gets marks beside values that are printed as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    /// Whether numbers do.
    pub(crate) numbers: bool,
    /// Whether a text whose marks a filter has changed gets one as a whole.
    pub(crate) replaces: bool,
    /// Whether only texts of one line do.
    pub(crate) one_line: bool,
}

#[derive(Debug, Default)]
struct State {
    printed: Vec<String>,
    values: Vec<InsertedValue>,
}

impl Output {
    /// For a rendering with marks.
    pub(crate) fn marking(
        leaves: BTreeSet<String>,
        sources: &[&String],
        printed: Vec<String>,
        marks: Marks,
    ) -> Output {
        let literals = sources.iter().flat_map(|source| literals(source)).collect();
        Output {
            marking: Some(Marking {
                leaves,
                literals,
                printed,
                marks,
            }),
            state: Mutex::default(),
        }
    }

    /// What each expression has printed.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.state().printed.clone()
    }

    /// The values, by the numbers of their marks.
    pub(crate) fn values(&self) -> Vec<InsertedValue> {
        self.state().values.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text that is printed for a value that is written like this.
    pub(crate) fn print(&self, value: &Value, written: String) -> String {
        let mut state = self.state();
        let number = state.printed.len();
        let text = match &self.marking {
            None => written.clone(),
            Some(marking) => marking.print(&mut state.values, number, value, &written),
        };
        state.printed.push(written);
        text
    }
}

impl Marking {
    fn print(
        &self,
        values: &mut Vec<InsertedValue>,
        number: usize,
        value: &Value,
        text: &str,
    ) -> String {
        let is_text = value.as_str().is_some();
        let is_collection = matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
        );
        let is_number =
            value.is_number() || value.is_safe() && crate::document::number(text).is_some();
        if is_number && self.marks.numbers {
            return insert(
                values,
                InsertedValue {
                    pieces: Some(text.to_owned()),
                    ..text.into()
                },
            );
        }
        if !is_text && !is_collection {
            return text.to_owned();
        }
        if text.contains(marks::is_mark) {
            let plain = self
                .printed
                .get(number)
                .filter(|_| self.marks.replaces && !text.contains(marks::UNDEFINED));
            let changed = plain.filter(|plain| {
                marks::replaced(text, |number| values[number].written.clone()) != **plain
            });
            return changed.map_or_else(|| text.to_owned(), |plain| self.whole(values, plain));
        }
        // What is safe has been made by a macro, or is JSON.
        let is_safe = value.is_safe();
        if is_text && !is_safe && self.leaves.contains(text) {
            return insert(values, text.into());
        }
        let may_be_json = is_collection || is_safe || text.starts_with(['[', '{']);
        if let Some(json) = may_be_json.then(|| self.json(values, text)).flatten() {
            return json;
        }
        if is_collection || is_safe {
            return self.pieces(values, text);
        }
        if text.is_empty() || marks::is_plain(text) || self.literals.contains(text) {
            text.to_owned()
        } else {
            self.whole(values, text)
        }
    }

    /// True for a text with a variable of Compose that the template itself has.
    fn has_variable(&self, text: &str) -> bool {
        let start = |dollar: usize| text[dollar..].chars().take(3).collect::<String>();
        text.match_indices('$')
            .map(|(dollar, _)| start(dollar))
            .any(|start| start.len() > 1 && !start.starts_with("$$") && self.has(&start))
    }

    fn has(&self, text: &str) -> bool {
        self.literals.iter().any(|literal| literal.contains(text))
    }

    /// A mark for a text that an expression has made.
    fn whole(&self, values: &mut Vec<InsertedValue>, text: &str) -> String {
        let pieces = match text.contains('\n') {
            // Each line may be one of a block.
            true => text
                .split('\n')
                .map(|line| self.line(values, line))
                .collect::<Vec<_>>()
                .join("\n"),
            false => self.pieces(values, text),
        };
        if self.marks.one_line && text.contains('\n') || self.has_variable(text) {
            return pieces;
        }
        // A template that doubles dollars by itself has done what is needed.
        let doubles =
            text.contains("$$") && !text.replace("$$", "").contains('$') && self.has("$$");
        let value = if doubles {
            text.replace("$$", "$")
        } else {
            text.to_owned()
        };
        let is_yaml = PUNCTUATION
            .iter()
            .any(|mark| text.contains(mark) && self.has(mark));
        insert(
            values,
            InsertedValue {
                value,
                written: text.to_owned(),
                is_json: false,
                pieces: Some(pieces),
                is_yaml,
            },
        )
    }

    /// A line of a text that an expression has made, with its indentation.
    fn line(&self, values: &mut Vec<InsertedValue>, line: &str) -> String {
        let (indentation, text) = line.split_at(line.len() - line.trim_start().len());
        match text.is_empty() || marks::is_plain(text) {
            true => line.to_owned(),
            false => format!("{indentation}{}", self.whole(values, text)),
        }
    }

    /// A text with marks for the values that an expression put into it. Of those with one or two
    /// characters nobody knows whether they come from there.
    fn pieces(&self, values: &mut Vec<InsertedValue>, text: &str) -> String {
        let mut out = text.to_owned();
        let mut contained: Vec<&String> = self
            .leaves
            .iter()
            .filter(|leaf| leaf.len() > 2 && text.contains(leaf.as_str()))
            .collect();
        contained.sort_by_key(|leaf| std::cmp::Reverse(leaf.len()));
        for leaf in contained {
            let is_own = |start: usize| {
                !out[..start].ends_with('$') && !out[start + leaf.len()..].starts_with('$')
            };
            let starts: Vec<usize> = out
                .match_indices(leaf.as_str())
                .map(|(start, _)| start)
                .filter(|start| is_own(*start))
                .collect();
            for start in starts.into_iter().rev() {
                out.replace_range(
                    start..start + leaf.len(),
                    &insert(values, leaf.as_str().into()),
                );
            }
        }
        out
    }

    /// JSON with marks for the insides of its strings. Nothing for a text that is none.
    fn json(&self, values: &mut Vec<InsertedValue>, text: &str) -> Option<String> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('"') {
            let end = string_end(after, '"')?;
            let (inside, after) = after.split_at(end);
            let value: String = serde_json::from_str(&format!("\"{inside}\"")).ok()?;
            let is_own = !self.leaves.contains(&value)
                && (value.is_empty()
                    || self.literals.contains(&value)
                    || self.has_variable(&value));
            let stays = is_own
                || marks::is_plain(&value)
                || self.marks.one_line && (value.is_empty() || value.contains('\n'));
            let inside = if stays {
                inside.to_owned()
            } else {
                insert(
                    values,
                    InsertedValue {
                        value,
                        written: inside.to_owned(),
                        is_json: true,
                        ..InsertedValue::default()
                    },
                )
            };
            out += &format!("{before}\"{inside}\"");
            rest = after.get(1..)?;
        }
        Some(out + rest)
    }
}

/// What makes more than a text of a text in YAML.
const PUNCTUATION: &[&str] = &[
    "[", "{", ",", ": ", "- ", "\n", "\"", "'", "|", ">", "&", "*", "!",
];

/// The strings in the expressions and statements of a template.
fn literals(source: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let close = if rest[start..].starts_with("{{") {
            "}}"
        } else {
            "%}"
        };
        rest = &rest[start + 2..];
        while !rest.is_empty() && !rest.starts_with(close) {
            let Some(c) = rest.chars().next() else { break };
            rest = &rest[c.len_utf8()..];
            if matches!(c, '"' | '\'') {
                let end = string_end(rest, c).unwrap_or(rest.len());
                all.push(
                    rest[..end]
                        .replace("\\n", "\n")
                        .replace("\\t", "\t")
                        .replace('\\', ""),
                );
                rest = rest.get(end + 1..).unwrap_or_default();
            }
        }
    }
    all
}

/// Where a string ends whose first quote is left out.
fn string_end(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == quote as u8 && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

/// The mark for a value. Each text that an expression made has its own: it may be YAML in one place
/// and not in another.
fn insert(values: &mut Vec<InsertedValue>, inserted: InsertedValue) -> String {
    let known = if inserted.pieces.is_some() {
        None
    } else {
        values.iter().position(|known| *known == inserted)
    };
    let number = known.unwrap_or(values.len());
    if known.is_none() {
        values.push(inserted);
    }
    marks::mark(number)
}

impl From<&str> for InsertedValue {
    fn from(text: &str) -> InsertedValue {
        InsertedValue {
            value: text.to_owned(),
            written: text.to_owned(),
            ..InsertedValue::default()
        }
    }
}
