//! The environment manifests are read in, as a value; and durations as people write them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Platform;

/// Environment variables, handed in by the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    platform: Option<Platform>,
}

impl Environment {
    /// An environment with just a home directory.
    pub fn with_home(home: impl Into<String>) -> Self {
        [("HOME".to_owned(), home.into())].into_iter().collect()
    }

    /// The same on a machine of this kind.
    pub fn on(self, platform: Platform) -> Self {
        Self {
            platform: Some(platform),
            ..self
        }
    }

    /// The kind of machine, where it is known.
    pub fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// `$HOME`, when it is set to an absolute path.
    pub fn home(&self) -> Option<&Path> {
        self.get("HOME")
            .map(Path::new)
            .filter(|home| home.is_absolute())
    }

    /// The directories of `PATH`, with `$HOME/.local/bin` first.
    pub fn path(&self) -> Vec<PathBuf> {
        let local = self.home().map(|home| home.join(".local/bin"));
        let path = self
            .get("PATH")
            .unwrap_or_default()
            .split(':')
            .filter(|entry| entry.starts_with('/'));
        local.into_iter().chain(path.map(PathBuf::from)).collect()
    }

    /// All variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            platform: None,
        }
    }
}

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDuration(pub String);

impl std::fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}` is not a duration: write seconds (90), or a number with s, m or h (15m)",
            self.0
        )
    }
}

impl std::error::Error for InvalidDuration {}

/// Reads `90`, `90s`, `15m` or `2h`; a bare number is seconds. Zero and more than a year are
/// refused.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let (number, unit) = match text
        .trim()
        .split_at_checked(text.trim().len().saturating_sub(1))
    {
        Some((number, "s")) => (number, 1),
        Some((number, "m")) => (number, 60),
        Some((number, "h")) => (number, 3600),
        _ => (text.trim(), 1),
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let seconds = number
        .checked_mul(unit)
        .filter(|seconds| (1..=366 * 86400).contains(seconds))
        .ok_or_else(invalid)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_carry_a_unit() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "0", "m", "-3", "1d", "ä", "99999999999999999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
