//! A value of a metadata assignment: its text, and which of its blanks came out of the environment
//! and separate nothing.

use std::ops::Range;

/// A value as bash would assign it, and which blanks of it came out of the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellValue {
    pub(super) text: String,
    pub(super) solid: Vec<Range<usize>>,
}

impl ShellValue {
    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The items of a list: split at the blanks that the author wrote. Blanks that came from an
    /// environment variable (a home directory with a blank in it), that stand in quotes within the
    /// value, or behind a backslash, do not split.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        let mut characters = self.text.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            let solid = self.solid.iter().any(|range| range.contains(&offset));
            match (character, quote) {
                _ if solid => word.get_or_insert_default().push(character),
                (c, Some(open)) if c == open => quote = None,
                (c, Some(_)) => word.get_or_insert_default().push(c),
                ('\'' | '"', None) => {
                    quote = Some(character);
                    word.get_or_insert_default();
                }
                ('\\', None) => {
                    let escaped = characters
                        .next_if(|(_, next)| matches!(next, ' ' | '\t' | '\'' | '"' | '\\'));
                    word.get_or_insert_default()
                        .push(escaped.map_or('\\', |(_, next)| next));
                }
                (' ' | '\t' | '\n', None) => words.extend(word.take()),
                (c, None) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }

    /// The text as a command: what came out of the environment stands for itself there, wherever
    /// the author put it. A home directory with a blank or a quote in it is still one word.
    pub fn command(&self) -> String {
        let mut command = String::with_capacity(self.text.len());
        let mut quote = None;
        let mut escaped = false;
        for (offset, character) in self.text.char_indices() {
            if self.solid.iter().any(|range| range.contains(&offset)) {
                match quote {
                    Some('\'') if character == '\'' => command.push_str(r"'\''"),
                    Some('"') if matches!(character, '"' | '\\' | '$' | '`') => {
                        command.extend(['\\', character])
                    }
                    None if !character.is_alphanumeric() && !"/._-+:,@%".contains(character) => {
                        command.extend(['\\', character])
                    }
                    _ => command.push(character),
                }
                continue;
            }
            match character {
                _ if escaped => escaped = false,
                '\\' if quote != Some('\'') => escaped = true,
                '\'' | '"' if quote.is_none() => quote = Some(character),
                '\'' | '"' if quote == Some(character) => quote = None,
                _ => {}
            }
            command.push(character);
        }
        command
    }

    pub(super) fn push(&mut self, character: char) {
        self.text.push(character);
    }

    pub(super) fn push_solid(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        if !text.is_empty() {
            self.solid.push(start..self.text.len());
        }
    }

    pub(super) fn append(&mut self, other: &ShellValue) {
        let start = self.text.len();
        self.text.push_str(&other.text);
        self.solid.extend(
            other
                .solid
                .iter()
                .map(|range| range.start + start..range.end + start),
        );
    }
}
