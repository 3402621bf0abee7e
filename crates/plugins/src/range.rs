//! Versions, and the ranges of them that plugins need.

use std::fmt;

use pubgrub::Ranges;
use semver::Version;

/// Which versions will do: any of several alternatives, each a list of bounds that all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    text: String,
    alternatives: Vec<Vec<Bound>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    operator: Operator,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A version as people write it: `1.0` means `1.0.0`, and a `v` may stand before it. The second is
/// true where something had to be added.
pub fn read_version(text: &str) -> Option<(Version, bool)> {
    let plain = text.trim();
    let plain = plain.strip_prefix(['v', 'V']).unwrap_or(plain);
    if let Ok(version) = Version::parse(plain) {
        return Some((version, plain != text));
    }
    let parts: Vec<&str> = plain.split('.').collect();
    let numbers: Option<Vec<u64>> = parts.iter().map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some([major]) => Some((Version::new(*major, 0, 0), true)),
        Some([major, minor]) => Some((Version::new(*major, *minor, 0), true)),
        Some([major, minor, patch]) => Some((Version::new(*major, *minor, *patch), true)),
        _ => None,
    }
}

impl VersionRange {
    /// The range that every version is in.
    pub fn any() -> Self {
        Self {
            text: "*".to_owned(),
            alternatives: vec![Vec::new()],
        }
    }

    /// Reads a range: bounds such as `>=1.2`, `<2`, `^1.2`, `~1.2`, `1.2.x`, `!=1.3.0`, between
    /// commas or blanks; `||` between alternatives. A version without an operator is that version,
    /// and where a part of it is missing every version that begins so.
    ///
    /// # Errors
    /// The part that is no bound.
    pub fn parse(text: &str) -> Result<Self, String> {
        let alternatives = text
            .split("||")
            .map(bounds)
            .collect::<Result<Vec<_>, String>>()?;
        Ok(Self {
            text: text.trim().to_owned(),
            alternatives,
        })
    }

    /// True for a version that will do.
    pub fn contains(&self, version: &Version) -> bool {
        self.ranges(Version::clone).contains(version)
    }

    /// The same for a solver, whose versions are made of ours.
    pub(crate) fn ranges<V: Ord + Clone>(&self, of: impl Fn(&Version) -> V) -> Ranges<V> {
        let bound = |Bound { operator, version }: &Bound| match operator {
            Operator::Equal => Ranges::singleton(of(version)),
            Operator::NotEqual => Ranges::singleton(of(version)).complement(),
            Operator::Less => Ranges::strictly_lower_than(of(version)),
            Operator::AtMost => Ranges::lower_than(of(version)),
            Operator::Greater => Ranges::strictly_higher_than(of(version)),
            Operator::AtLeast => Ranges::higher_than(of(version)),
        };
        let all = |bounds: &Vec<Bound>| {
            bounds
                .iter()
                .map(bound)
                .fold(Ranges::full(), |all, one| all.intersection(&one))
        };
        self.alternatives
            .iter()
            .map(all)
            .fold(Ranges::empty(), |any, one| any.union(&one))
    }

    /// True where every version is in it.
    pub fn is_any(&self) -> bool {
        self.alternatives.iter().any(Vec::is_empty)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_any() { "*" } else { &self.text })
    }
}

impl Bound {
    fn new(operator: Operator, version: Version) -> Self {
        Self { operator, version }
    }
}

const OPERATORS: &[&str] = &[
    "===", "==", "!=", ">=", "<=", "~>", "~=", ">", "<", "=", "^", "~",
];

fn bounds(text: &str) -> Result<Vec<Bound>, String> {
    let mut words: Vec<String> = Vec::new();
    // `>= 1.2` is one bound though there is a blank in it.
    for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(last) if OPERATORS.contains(&last.as_str()) => last.push_str(word),
            _ => words.push(word.to_owned()),
        }
    }
    let mut all = Vec::new();
    for word in words {
        let operator = OPERATORS
            .iter()
            .find(|operator| word.starts_with(**operator))
            .copied()
            .unwrap_or("");
        all.extend(
            bound(operator, &word[operator.len()..])
                .ok_or_else(|| format!("`{word}` is not a version bound"))?,
        );
    }
    Ok(all)
}

/// The bounds that one word means.
fn bound(operator: &str, text: &str) -> Option<Vec<Bound>> {
    let is_wild = |part: &str| matches!(part, "x" | "X" | "*");
    let parts: Vec<&str> = text.split('.').collect();
    let given = parts.iter().take_while(|part| !is_wild(part)).count();
    if given == 0 {
        return matches!(operator, "" | "=" | "==" | ">=" | "^" | "~")
            .then(Vec::new)
            .filter(|_| parts.len() <= 3);
    }
    if parts.iter().skip(given).any(|part| !is_wild(part)) {
        return None;
    }
    let (version, _) = read_version(&parts[..given].join("."))?;
    let (major, minor, patch) = (version.major, version.minor, version.patch);
    let of_major = || Some(Version::new(major.checked_add(1)?, 0, 0));
    let of_minor = || Some(Version::new(major, minor.checked_add(1)?, 0));
    let at_least = |version: &Version| Bound::new(Operator::AtLeast, version.clone());
    let below = |version: Version| Bound::new(Operator::Less, version);
    // What comes after all versions that begin so.
    let after = || if given == 1 { of_major() } else { of_minor() };
    Some(match operator {
        ">=" => vec![at_least(&version)],
        "<" => vec![below(version)],
        ">" if given >= 3 => vec![Bound::new(Operator::Greater, version)],
        ">" => vec![at_least(&after()?)],
        "<=" if given >= 3 => vec![Bound::new(Operator::AtMost, version)],
        "<=" => vec![below(after()?)],
        "!=" if given >= 3 => vec![Bound::new(Operator::NotEqual, version)],
        "^" if major > 0 || given == 1 => vec![at_least(&version), below(of_major()?)],
        "^" if minor > 0 || given == 2 => vec![at_least(&version), below(of_minor()?)],
        "^" => vec![
            at_least(&version),
            below(Version::new(0, 0, patch.checked_add(1)?)),
        ],
        "~" => vec![at_least(&version), below(after()?)],
        // Of these the last part that is given may grow.
        "~>" | "~=" if given == 1 => vec![at_least(&version)],
        "~>" | "~=" => vec![
            at_least(&version),
            below(if given == 2 { of_major()? } else { of_minor()? }),
        ],
        "" | "=" | "==" | "===" if given >= 3 => vec![Bound::new(Operator::Equal, version)],
        "" | "=" | "==" | "===" => vec![at_least(&version), below(after()?)],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        read_version(text).expect("a version").0
    }

    #[test]
    fn versions_as_people_write_them() {
        assert_eq!(read_version("1.2.3"), Some((Version::new(1, 2, 3), false)));
        assert_eq!(read_version("1.0"), Some((Version::new(1, 0, 0), true)));
        assert_eq!(read_version("v2"), Some((Version::new(2, 0, 0), true)));
        assert_eq!(
            read_version("1.2.3-rc.1").map(|(version, _)| version.pre.as_str().to_owned()),
            Some("rc.1".to_owned())
        );
        for bad in ["", "latest", "1.2.3.4", "1..2", "-1", "1.x"] {
            assert_eq!(read_version(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_operator_bounds_what_its_users_expect() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (">=1.0.0", &["1.0.0", "7.1"], &["0.9.9"]),
            (">=1.0,<2", &["1.9.9"], &["2.0.0", "0.1"]),
            (">= 1.0 < 2", &["1.9.9"], &["2.0.0"]),
            ("^1.2", &["1.2.0", "1.9"], &["1.1.9", "2.0"]),
            ("^0.2.3", &["0.2.9"], &["0.3.0", "0.2.2"]),
            ("~1.2.3", &["1.2.9"], &["1.3.0"]),
            ("~>1.2", &["1.9"], &["2.0"]),
            ("~=1.2.3", &["1.2.9"], &["1.3.0"]),
            ("1.2.x", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("1.2", &["1.2.9"], &["1.3.0", "1.1.9"]),
            ("1.2.3", &["1.2.3"], &["1.2.4"]),
            ("==1.2.3", &["1.2.3"], &["1.2.2"]),
            ("!=1.3.0,>=1", &["1.2.9", "1.3.1"], &["1.3.0"]),
            (">1", &["2.0.0"], &["1.9.9"]),
            ("<=1.2", &["1.2.9"], &["1.3.0"]),
            ("1.x || >=3", &["1.5", "3.1"], &["2.0"]),
            ("*", &["0.0.1"], &[]),
            ("", &["9.9.9"], &[]),
            (">=2.0.0-beta.1", &["2.0.0-rc.1", "2.1.0"], &["2.0.0-alpha"]),
        ];
        for (text, inside, outside) in cases {
            let range = VersionRange::parse(text).expect(text);
            inside
                .iter()
                .for_each(|one| assert!(range.contains(&version(one)), "{one} in {text}"));
            outside
                .iter()
                .for_each(|one| assert!(!range.contains(&version(one)), "{one} in {text}"));
        }
        for bad in [
            "newest",
            ">=",
            "1.2.3.4",
            "1.x.3",
            ">=1;<2",
            "=> 1",
            "18446744073709551615",
        ] {
            assert!(VersionRange::parse(bad).is_err(), "{bad}");
        }
    }
}
