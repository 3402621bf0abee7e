//! Keeps texts out of events that nobody may read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::event::{EventKind, Stream};
use crate::graph::UnitId;
use crate::process::LINE_LIMIT;

type Find = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What is to be kept out of events: everything that tasks and their children say goes through it before anybody hears it.
#[derive(Clone)]
pub struct Redact {
    find: Arc<Find>,
    longest: usize,
}

impl fmt::Debug for Redact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redact").field("longest", &self.longest).finish_non_exhaustive()
    }
}

impl Redact {
    /// `find` returns a text without what is to be kept out, or nothing where it is fine as it is. `longest` is the length in bytes of the longest text that
    /// is to be kept out: so much of a line that is handed on in pieces is held back until the next piece.
    pub fn new(longest: usize, find: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { find: Arc::new(find), longest }
    }

    fn text(&self, text: String) -> String {
        (self.find)(&text).unwrap_or(text)
    }
}

/// What was held back of lines that go on.
#[derive(Debug, Default)]
pub(crate) struct Redacting {
    redact: Option<Redact>,
    held: BTreeMap<(UnitId, Stream), String>,
}

impl Redacting {
    pub(crate) fn new(redact: Option<Redact>) -> Self {
        Self { redact, held: BTreeMap::new() }
    }

    /// A failure's message.
    pub(crate) fn message(&self, text: String) -> String {
        match &self.redact {
            Some(redact) => redact.text(text),
            None => text,
        }
    }

    /// What may be told of what was said.
    pub(crate) fn event(&mut self, kind: EventKind) -> EventKind {
        let Some(redact) = &self.redact else { return kind };
        let opt = |text: Option<String>| text.map(|text| redact.text(text));
        match kind {
            EventKind::Output { unit, stream, line } => {
                let goes_on = line.len() >= LINE_LIMIT;
                let before = self.held.remove(&(unit, stream)).unwrap_or_default();
                let mut line = redact.text(before + &line);
                if goes_on {
                    // What begins here and ends in the next piece is no longer than this.
                    let mut cut = line.len().saturating_sub(redact.longest);
                    while !line.is_char_boundary(cut) {
                        cut -= 1;
                    }
                    self.held.insert((unit, stream), line.split_off(cut));
                }
                EventKind::Output { unit, stream, line }
            }
            EventKind::Note { unit, level, text, source } => EventKind::Note { unit, level, text: redact.text(text), source: opt(source) },
            EventKind::Item { unit, fate, subject, reason } => {
                EventKind::Item { unit, fate, subject: redact.text(subject), reason: opt(reason) }
            }
            EventKind::Version { unit, from, to } => EventKind::Version { unit, from: opt(from), to: opt(to) },
            other => other,
        }
    }

    /// What is still held back of a unit whose task has ended.
    pub(crate) fn rest(&mut self, unit: UnitId) -> Vec<EventKind> {
        let of_unit = |stream| self.held.remove(&(unit, stream)).map(|line| EventKind::Output { unit, stream, line });
        [Stream::Stdout, Stream::Stderr].into_iter().filter_map(of_unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_split_over_the_pieces_of_a_long_line_is_found() {
        let find = |text: &str| text.contains("secret").then(|| text.replace("secret", "***"));
        let mut redacting = Redacting::new(Some(Redact::new(6, find)));
        let unit = UnitId(0);
        let output = |line: String| EventKind::Output { unit, stream: Stream::Stdout, line };
        let text = "x".repeat(LINE_LIMIT - 3) + "secret" + &"y".repeat(LINE_LIMIT - 3) + "secret";
        let pieces = [&text[..LINE_LIMIT], &text[LINE_LIMIT..2 * LINE_LIMIT], &text[2 * LINE_LIMIT..]];
        let mut told: Vec<EventKind> = pieces.iter().map(|piece| redacting.event(output((*piece).to_owned()))).collect();
        told.extend(redacting.rest(unit));
        let all: String = told.iter().map(|kind| if let EventKind::Output { line, .. } = kind { line.as_str() } else { "" }).collect();
        assert_eq!(all, text.replace("secret", "***"));
        assert!(told.iter().all(|kind| !format!("{kind:?}").contains("sec\"")), "not even a part of it");
        assert_eq!(redacting.message("no secret".into()), "no ***");
    }
}
