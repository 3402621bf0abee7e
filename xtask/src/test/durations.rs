//! How long tests took, so that the longest start first: `tests/durations.txt`, a line `SECONDS
//! NAME` each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::run::root;

/// Shorter tests are not listed.
const LISTED: Duration = Duration::from_secs(3);

/// Durations by the names of tests.
#[derive(Debug)]
pub(super) struct Durations(BTreeMap<String, Duration>);

impl Durations {
    fn path() -> PathBuf {
        root().join("tests/durations.txt")
    }

    /// Reads the file.
    pub(super) fn read() -> Result<Self> {
        let path = Self::path();
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let lines = text
            .lines()
            .filter_map(|line| line.trim_start().split_once(' '));
        let durations = lines.filter_map(|(seconds, name)| {
            Some((name.to_owned(), Duration::from_secs(seconds.parse().ok()?)))
        });
        Ok(Self(durations.collect()))
    }

    /// How long a test took.
    pub(super) fn of(&self, name: &str) -> Option<Duration> {
        self.0.get(name).copied()
    }

    /// Replaces the file.
    pub(super) fn write<'a>(durations: impl Iterator<Item = (&'a str, Duration)>) -> Result<()> {
        let mut durations: Vec<_> = durations
            .filter(|(_, duration)| *duration >= LISTED)
            .collect();
        durations.sort_by_key(|(name, duration)| (std::cmp::Reverse(duration.as_secs()), *name));
        let text: String = durations
            .iter()
            .map(|(name, duration)| format!("{:>4} {name}\n", duration.as_secs()))
            .collect();
        let path = Self::path();
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}
