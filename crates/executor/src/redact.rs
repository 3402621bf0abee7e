//! Keeps texts out of events that nobody may read.

use std::fmt;
use std::sync::Arc;

use crate::event::EventKind;

type Find = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What is to be kept out of events: everything that tasks and their children say goes through it
/// before anybody hears it.
#[derive(Clone)]
pub struct Redact {
    find: Arc<Find>,
    longest: usize,
}

impl fmt::Debug for Redact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redact")
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}

impl Redact {
    /// `find` returns a text without what is to be kept out, or nothing where it is fine as it is.
    /// `longest` is the length in bytes of the longest text that is to be kept out: so much of a
    /// line that is handed on in pieces is held back until the next piece.
    pub fn new(
        longest: usize,
        find: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            find: Arc::new(find),
            longest,
        }
    }

    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    pub(crate) fn text(&self, text: String) -> String {
        (self.find)(&text).unwrap_or(text)
    }
}

/// What may be reported of what tasks say.
#[derive(Debug, Default)]
pub(crate) struct Redacting {
    redact: Option<Redact>,
}

impl Redacting {
    pub(crate) fn new(redact: Option<Redact>) -> Self {
        Self { redact }
    }

    /// A failure's message.
    pub(crate) fn message(&self, text: String) -> String {
        match &self.redact {
            Some(redact) => redact.text(text),
            None => text,
        }
    }

    /// What may be told of what was said.
    pub(crate) fn event(&self, kind: EventKind) -> EventKind {
        let Some(redact) = &self.redact else {
            return kind;
        };
        let opt = |text: Option<String>| text.map(|text| redact.text(text));
        match kind {
            EventKind::Output { unit, stream, line } => EventKind::Output {
                unit,
                stream,
                line: redact.text(line),
            },
            EventKind::Note {
                unit,
                level,
                text,
                source,
            } => EventKind::Note {
                unit,
                level,
                text: redact.text(text),
                source: opt(source),
            },
            EventKind::Item {
                unit,
                item_change,
                subject,
                reason,
            } => EventKind::Item {
                unit,
                item_change,
                subject: redact.text(subject),
                reason: opt(reason),
            },
            EventKind::Version { unit, from, to } => EventKind::Version {
                unit,
                from: opt(from),
                to: opt(to),
            },
            other => other,
        }
    }
}
