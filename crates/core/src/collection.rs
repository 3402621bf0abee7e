//! `hoist.yml`: the settings of a collection, or of a user.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Diagnostic, Position, WrittenSource, parse_duration};

/// The settings a `hoist.yml` may hold; every one may be left out. Command-line options win over the user's file, the user's
/// file over the collection's.
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
    /// How long a transfer of git may print nothing before it is stopped and tried again, as [`parse_duration`] reads it.
    pub stall_timeout: Option<String>,
    /// Whether an installer script without a checksum in its manifest is an error.
    pub require_checksums: Option<bool>,
    /// Whether any failure aborts a run.
    pub strict: Option<bool>,
    /// Further directories of modules (user's file only), as on the command line with `-C`.
    pub collections: Vec<String>,
    /// Other places that modules come from.
    pub sources: Vec<WrittenSource>,
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
    /// Reads the text of the file called `path`.
    pub fn parse(path: &str, text: &str) -> Result<Self, Diagnostic> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let read: Self = serde_yaml::from_str(text).map_err(|error| {
            let position = error.location().map(|at| Position { line: at.line() as usize, column: at.column() as usize });
            let message = error.without_snippet().to_string();
            let mut diagnostic = Diagnostic::error(message.lines().next().unwrap_or_default().to_owned()).file(path);
            diagnostic.position = position;
            diagnostic.source_line = position.and_then(|at| text.lines().nth(at.line.saturating_sub(1))).map(str::to_owned);
            diagnostic.help("known settings: name, description, jobs, timeout, stall_timeout, require_checksums, strict, collections, sources, builtin_modules, keep_runs, keep_backups, provides")
        })?;
        let wrong = |field: &str, message: String| Diagnostic::error(message).file(path).field(field.to_owned());
        for (field, duration) in [("timeout", &read.timeout), ("stall_timeout", &read.stall_timeout)] {
            if let Some(duration) = duration {
                parse_duration(duration).map_err(|error| wrong(field, error.to_string()))?;
            }
        }
        match [("jobs", read.jobs), ("keep_runs", read.keep_runs), ("keep_backups", read.keep_backups)]
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
    use super::*;

    #[test]
    fn reads_settings_and_points_at_mistakes() {
        let read = CollectionFile::parse("hoist.yml", "jobs: 4\ntimeout: 10m\n").unwrap();
        assert_eq!((read.jobs, read.timeout.as_deref()), (Some(4), Some("10m")));
        let unknown = CollectionFile::parse("hoist.yml", "jobs: 4\njosb: 5\n").unwrap_err();
        assert_eq!(unknown.position.map(|at| at.line), Some(2), "{unknown}");
        assert!(CollectionFile::parse("hoist.yml", "timeout: soon\n").is_err());
        assert!(CollectionFile::parse("hoist.yml", "jobs: 0\n").is_err());
        assert!(CollectionFile::parse("hoist.yml", "keep_runs: 0\n").is_err());
    }
}
