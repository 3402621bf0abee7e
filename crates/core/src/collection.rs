//! `hoist.yml`: the settings of a collection, or of a user.

use std::collections::BTreeMap;

use serde::de::{DeserializeSeed, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::source::SourcesOfDocument;
use crate::{Diagnostic, Position, SourceGrammar, WrittenSource, parse_duration, yaml_error};

/// The settings a `hoist.yml` may hold; every one may be left out. Command-line options win over
/// the user's file, the user's file over the collection's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectionFile {
    /// A name for people.
    pub name: Option<String>,
    /// A sentence for people.
    pub description: Option<String>,
    /// How many modules are worked on at once.
    pub jobs: Option<usize>,
    /// The time a module may take, as [`parse_duration`] reads it.
    pub timeout: Option<String>,
    /// How long a transfer of git may print nothing before it is stopped and tried again, as
    /// [`parse_duration`] reads it.
    pub stall_timeout: Option<String>,
    /// Whether an installer script without a checksum in its manifest is an error.
    pub require_checksums: Option<bool>,
    /// Whether any failure aborts a run.
    pub strict: Option<bool>,
    /// Further directories of modules (user's file only), as on the command line with `-C`.
    pub collections: Vec<String>,
    /// Other places that modules come from.
    #[serde(skip)]
    pub sources: Vec<WrittenSource>,
    /// The list of them, which is read by its own grammar.
    #[serde(rename = "sources")]
    _sources: Unread,
    /// Where the built-in modules of an XMPP server are; otherwise where Debian puts them.
    pub builtin_modules: Option<String>,
    /// Number of past runs that are kept.
    pub keep_runs: Option<usize>,
    /// How many copies of each configuration file are kept.
    pub keep_backups: Option<usize>,
    /// What plugins may count on without anybody installing it, each with its version.
    pub provides: BTreeMap<String, String>,
}

impl CollectionFile {
    /// These settings where they are set, and elsewhere those of `other`. Sources and collections
    /// are not settings.
    pub fn over(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            description: self.description.or(other.description),
            jobs: self.jobs.or(other.jobs),
            timeout: self.timeout.or(other.timeout),
            stall_timeout: self.stall_timeout.or(other.stall_timeout),
            require_checksums: self.require_checksums.or(other.require_checksums),
            strict: self.strict.or(other.strict),
            collections: self.collections,
            sources: Vec::new(),
            _sources: Unread,
            builtin_modules: self.builtin_modules.or(other.builtin_modules),
            keep_runs: self.keep_runs.or(other.keep_runs),
            keep_backups: self.keep_backups.or(other.keep_backups),
            provides: other.provides.into_iter().chain(self.provides).collect(),
        }
    }
}

/// A value that is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl CollectionFile {
    /// Reads the text of the file called `path`, with sources of the kinds of `grammar`.
    ///
    /// # Errors
    /// The text is not YAML, or has keys or values that there are not.
    pub fn parse(
        path: &str,
        text: &str,
        grammar: &'static SourceGrammar,
    ) -> Result<Self, Diagnostic> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let wrong_yaml = |error: serde_yaml::Error| yaml_error(path, text, &error);
        let mut read: Self = serde_yaml::from_str(text).map_err(wrong_yaml)?;
        read.sources = serde_yaml::with_deserializer_from_str(text, |deserializer| {
            SourcesOfDocument(grammar).deserialize(deserializer)
        })
        .map_err(wrong_yaml)?;
        let wrong = |field: &str, message: String| {
            let mut diagnostic = Diagnostic::error(message)
                .file(path)
                .field(field.to_owned());
            let found = text.lines().enumerate().find(|(_, line)| {
                line.strip_prefix(field)
                    .is_some_and(|rest| rest.trim_start().starts_with(':'))
            });
            if let Some((number, line)) = found {
                diagnostic.position = Some(Position {
                    line: number + 1,
                    column: 1,
                });
                diagnostic.source_line = Some(line.to_owned());
            }
            diagnostic
        };
        for (field, duration) in [
            ("timeout", &read.timeout),
            ("stall_timeout", &read.stall_timeout),
        ] {
            if let Some(duration) = duration {
                parse_duration(duration).map_err(|error| wrong(field, error.to_string()))?;
            }
        }
        match [
            ("jobs", read.jobs),
            ("keep_runs", read.keep_runs),
            ("keep_backups", read.keep_backups),
        ]
        .into_iter()
        .find(|(_, number)| *number == Some(0))
        {
            Some((field, _)) => Err(wrong(field, "must be at least 1".to_owned())),
            None => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    fn parse(text: &str) -> Result<CollectionFile, Diagnostic> {
        static GRAMMAR: LazyLock<SourceGrammar> = LazyLock::new(|| SourceGrammar::new([]));
        CollectionFile::parse("hoist.yml", text, &GRAMMAR)
    }

    #[test]
    fn reads_settings_and_points_at_mistakes() {
        let read = parse("jobs: 4\ntimeout: 10m\n").unwrap();
        assert_eq!((read.jobs, read.timeout.as_deref()), (Some(4), Some("10m")));
        let unknown = parse("jobs: 4\njosb: 5\n").unwrap_err();
        assert_eq!(unknown.position.map(|at| at.line), Some(2), "{unknown}");
        let messages = [
            (
                "jobs: many",
                "jobs: expected a whole number that is not negative",
            ),
            (
                "jobs: -1",
                "jobs: expected a whole number that is not negative",
            ),
            ("name: x\njobs: 4\njobs: 5", "duplicate key `jobs`"),
            ("josb: 4", "unknown key `josb`"),
            ("strict: maybe", "strict: expected true or false"),
            ("collections: /x", "collections: expected a list"),
            ("name: [a]", "name: expected a single value"),
            ("- a", "expected keys and values"),
            (
                "sources:\n  - name: x\n    priority: high",
                "priority: expected a whole number",
            ),
            ("timeout: soon", "timeout: `soon` is not a duration"),
            ("jobs: 0", "jobs: must be at least 1"),
            ("keep_runs: 0", "keep_runs: must be at least 1"),
        ];
        for (text, message) in messages {
            let error = parse(text).unwrap_err();
            let line = text.lines().count();
            assert!(
                error.to_string().contains(message)
                    && error.position.is_some_and(|at| at.line == line),
                "{text}: {error}"
            );
        }
        let near = parse("josb: 4").unwrap_err();
        assert_eq!(near.help.as_deref(), Some("did you mean `jobs`?"));
    }
}
