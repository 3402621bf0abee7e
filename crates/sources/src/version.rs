//! Versions of rocks, and ranges of them, as LuaRocks compares them (its `core/vers.lua`).

use std::cmp::Ordering;
use std::fmt;

use pubgrub::Ranges;

/// A version: numbers and words between dots, and the revision of its rockspec behind a dash.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    /// Without zeros at the end.
    parts: Vec<i64>,
    /// How many parts are written: LuaRocks holds `1` for as large as `1.0`, and for another
    /// version.
    length: usize,
    revision: Option<i64>,
}

/// A set of versions.
pub type Range = Ranges<Version>;

/// A requirement: a name, and which versions of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Of what.
    pub name: String,
    /// As it is written; empty for any.
    pub constraint: String,
    /// Which versions that are, at most: `==` and `~=` also ask for the number of parts, which is
    /// no matter of order.
    range: Range,
    /// The versions that it asks for alone, and those that it excludes.
    exact: Vec<(bool, Version)>,
}

/// Words and what they are worth: what comes before a release is less than nothing, a version of
/// the repository is more than any release.
const WORDS: &[(&str, i64)] = &[
    ("dev", 120_000_000),
    ("scm", 110_000_000),
    ("cvs", 100_000_000),
    ("rc", -1_000),
    ("pre", -10_000),
    ("beta", -100_000),
    ("alpha", -1_000_000),
];

/// What one counts, so that letters can count less, and numbers behind letters still less.
const WHOLE: i64 = 100_000_000;
/// Larger numbers are all alike.
const LARGEST: i64 = 10_000_000_000;
/// The revision of what has none, such as the interpreter.
const NO_REVISION: i64 = 1;

impl Version {
    /// Reads a version; any text is one.
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        let main = without_revision(text);
        let revision = text
            .get(main.len() + 1..)
            .and_then(|revision| revision.parse().ok());
        let mut parts = parts(main);
        let length = parts.len();
        while parts.last() == Some(&0) {
            parts.pop();
        }
        Self {
            text: text.to_owned(),
            parts,
            length,
            revision,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for a version with the same parts, as many of them, and the revision where one is
    /// named.
    fn is_named_by(&self, other: &Self) -> bool {
        let same_revision =
            self.revision.is_none() || other.revision.is_none() || self.revision == other.revision;
        self.parts == other.parts && self.length == other.length && same_revision
    }

    fn with_revision(&self, revision: i64) -> Self {
        Self {
            revision: Some(revision),
            ..self.clone()
        }
    }
}

/// A version without what stands behind its last dash, where that is a number.
fn without_revision(text: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.rsplit_once('-')
        .filter(|(_, revision)| is_number(revision))
        .map_or(text, |(main, _)| main)
}

fn parts(text: &str) -> Vec<i64> {
    let bytes = text.as_bytes();
    let (mut parts, mut at) = (Vec::new(), 0);
    // A number behind a word belongs to it: `rc2`.
    let mut word: Option<i64> = None;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let count = |is: fn(&u8) -> bool| rest.iter().take_while(|byte| is(byte)).count();
        if rest[0].is_ascii_digit() {
            let length = count(u8::is_ascii_digit);
            let number = text[at..at + length]
                .parse()
                .unwrap_or(LARGEST)
                .min(LARGEST);
            parts.push(match word.take() {
                Some(worth) => worth.saturating_add(number.saturating_mul(WHOLE / 100_000)),
                None => number.saturating_mul(WHOLE),
            });
            at += length;
        } else if rest[0].is_ascii_alphabetic() {
            let length = count(u8::is_ascii_alphabetic);
            let known = WORDS
                .iter()
                .find(|(known, _)| *known == &text[at..at + length]);
            // Any other word counts as its first letter does, which is less than a number. Of two
            // words, the last counts.
            word = Some(known.map_or_else(
                || i64::from(rest[0]) * (WHOLE / 1000),
                |(_, worth)| worth.saturating_mul(WHOLE),
            ));
            at += length;
        } else if matches!(rest[0], b'.' | b'-' | b'_') {
            at += 1;
        } else {
            // Nothing is made of the rest.
            word = Some(word.unwrap_or(0));
            break;
        }
    }
    parts.extend(word);
    parts
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.parts.len().max(other.parts.len());
        let part = |version: &Self, place: usize| version.parts.get(place).copied().unwrap_or(0);
        let by_parts = (0..longest)
            .map(|place| part(self, place).cmp(&part(other, place)))
            .find(|order| order.is_ne());
        let by_revision = || {
            self.revision
                .unwrap_or(NO_REVISION)
                .cmp(&other.revision.unwrap_or(NO_REVISION))
        };
        by_parts.unwrap_or_else(|| by_revision().then(self.length.cmp(&other.length)))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Requirement {
    /// Reads `name`, `name >= 1.0, < 2` and the like; `None` for what is no requirement.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text
            .find(|character: char| !(character.is_alphanumeric() || "._-+/".contains(character)))
            .unwrap_or(text.len());
        let (name, constraint) = text.split_at(end);
        // A name space before the name says whose it is, not which.
        let name = name.rsplit('/').next().unwrap_or_default();
        let constraint = constraint.trim();
        let mut range = Range::full();
        let mut exact = Vec::new();
        for one in constraint
            .split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
        {
            range = range.intersection(&range_of(one)?);
            let bare = |operator: &str| {
                one.strip_prefix(operator)
                    .map(|bare| Version::new(bare.trim().trim_start_matches('@')))
            };
            let equal = bare("==").or_else(|| bare("=")).or_else(|| {
                one.starts_with(|c: char| !"<>~".contains(c))
                    .then(|| bare(""))
                    .flatten()
            });
            exact.extend(
                equal
                    .map(|version| (true, version))
                    .or_else(|| bare("~=").map(|version| (false, version))),
            );
        }
        (!name.is_empty()).then(|| Self {
            name: name.to_owned(),
            constraint: constraint.to_owned(),
            range,
            exact,
        })
    }

    /// True for a version that will do.
    pub fn accepts(&self, version: &Version) -> bool {
        self.range.contains(version)
            && self
                .exact
                .iter()
                .all(|(is_equal, asked)| asked.is_named_by(version) == *is_equal)
    }

    /// What will do of these versions, and of those between them as far as their order says.
    pub fn range_among(&self, versions: impl Iterator<Item = Version>) -> Range {
        let unfit =
            versions.filter(|version| self.range.contains(version) && !self.accepts(version));
        unfit.fold(self.range.clone(), |range, version| {
            range.intersection(&Range::singleton(version).complement())
        })
    }
}

/// One comparison: an operator, and a version.
fn range_of(text: &str) -> Option<Range> {
    let start = text.find(|character: char| !"=<>~".contains(character))?;
    let (operator, version) = text.split_at(start);
    let bare = version.trim().trim_start_matches('@');
    if bare.is_empty() || bare.contains(char::is_whitespace) {
        return None;
    }
    let version = Version::new(bare);
    // A comparison without a revision is one of all revisions, and what is as large may be written
    // with more parts.
    let (first, last) = version
        .revision
        .map_or((i64::MIN, i64::MAX), |revision| (revision, revision));
    let least = Version {
        length: 0,
        ..version.with_revision(first)
    };
    let most = Version {
        length: usize::MAX,
        ..version.with_revision(last)
    };
    Some(match operator {
        "" | "==" | "=" => Range::higher_than(least).intersection(&Range::lower_than(most)),
        "~=" => Range::full(),
        ">" => Range::strictly_higher_than(most),
        ">=" => Range::higher_than(least),
        "<" => Range::strictly_lower_than(least),
        "<=" => Range::lower_than(most),
        "~>" => {
            // Whatever begins with the same parts.
            let parts = parts(without_revision(bare));
            let bound = |mut parts: Vec<i64>, above: i64| {
                *parts.last_mut()? += above;
                parts.push(i64::MIN);
                Some(Version {
                    text: bare.to_owned(),
                    parts,
                    length: 0,
                    revision: None,
                })
            };
            Range::between(bound(parts.clone(), 0)?, bound(parts, 1)?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(requirement: &str, version: &str) -> bool {
        Requirement::new(&format!("x {requirement}"))
            .unwrap()
            .accepts(&Version::new(version))
    }

    #[test]
    fn versions_are_ordered_as_luarocks_orders_them() {
        let ordered = [
            "1.0alpha-1",
            "1.0beta-1",
            "1.0rc1-1",
            "1.0-1",
            "1.0-2",
            "1.0a-1",
            "1.0b-1",
            "1.0.1-1",
            "1.2-1",
            "1.10-1",
            "2-1",
            "scm-1",
            "dev-1",
        ];
        for (place, version) in ordered.iter().enumerate() {
            for later in &ordered[place + 1..] {
                assert!(
                    Version::new(version) < Version::new(later),
                    "{version} < {later}"
                );
            }
        }
        // As large, and another one.
        assert!(
            !fits("> 1.0", "1-1")
                && !fits("< 1.0", "1-1")
                && fits(">= 1.0", "1-1")
                && fits("<= 1", "1.0.0-1")
        );
        assert!(
            !fits("== 1.0", "1-1")
                && !fits("== 1", "1.0-1")
                && fits("~= 1", "1.0-1")
                && fits("== 1.0", "1.0-1")
        );
    }

    #[test]
    fn constraints_are_those_of_rockspecs() {
        for (constraint, inside, outside) in [
            (">= 1.0", "1.0-1", "0.9-3"),
            ("> 1.0", "1.1-1", "1.0-5"),
            ("<= 1.0", "1.0-9", "1.0.1-1"),
            ("< 1.0", "1.0beta-1", "1.0-1"),
            ("== 1.0", "1.0-7", "1.0.1-1"),
            ("1.0-2", "1.0-2", "1.0-1"),
            ("~= 1.0", "1.1-1", "1.0-1"),
            ("~> 1.2", "1.2.9-1", "1.3-1"),
            ("~> 1", "1.9-1", "2.0-1"),
            (">= 5.1, < 5.5", "5.4-1", "5.5-1"),
            ("", "anything", ""),
        ] {
            assert!(fits(constraint, inside), "{inside} {constraint}");
            assert!(
                outside.is_empty() || !fits(constraint, outside),
                "{outside} {constraint}"
            );
        }
        assert!(!fits("~> 1.2", "1.1-1"));
        for odd in [
            "== 99999999999999999999",
            "~> 9223372036854775807",
            "~> 99999999999999999999.9",
            "> 9223372036854775807-9223372036854775807",
        ] {
            assert!(!fits(odd, "1.0-1"), "{odd}");
        }
        assert!(Requirement::new("x ~> .").is_none() && Requirement::new("x ~> -").is_none());
        let read = Requirement::new("mod_http_oauth2 >= 200").unwrap();
        assert_eq!(
            (read.name.as_str(), read.constraint.as_str()),
            ("mod_http_oauth2", ">= 200")
        );
        assert_eq!(Requirement::new("user/rock").unwrap().name, "rock");
        assert!(
            Requirement::new("").is_none()
                && Requirement::new("x >=").is_none()
                && Requirement::new("x <> 1").is_none()
        );
    }
}
