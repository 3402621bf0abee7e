//! The kind of machine that manifests are read for.

use serde::{Deserialize, Serialize};

/// A kind of machine, in the words of manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system: `linux` or `macos`.
    pub os: String,
    /// The distribution, as its `os-release` calls it: `debian`, `ubuntu`, `fedora` …
    pub distribution: String,
    /// The family of distributions: `debian`, `redhat`, `arch`, `suse`, `alpine`, `gentoo` …
    pub family: String,
    /// The architecture: `x86_64`, `aarch64` …
    pub arch: String,
}

/// The machines that something is for: of each kind one of these words, or any where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformCondition {
    /// Operating systems.
    pub os: Vec<String>,
    /// Distributions.
    pub distribution: Vec<String>,
    /// Families of distributions.
    pub family: Vec<String>,
    /// Architectures.
    pub arch: Vec<String>,
}

impl PlatformCondition {
    /// Whether a machine is one of these.
    pub fn holds_on(&self, platform: &Platform) -> bool {
        self.words_with(platform)
            .into_iter()
            .all(|(words, word)| words.is_empty() || words.contains(word))
    }

    fn words_with<'a>(&'a self, platform: &'a Platform) -> [(&'a [String], &'a String); 4] {
        [
            (&self.os, &platform.os),
            (&self.distribution, &platform.distribution),
            (&self.family, &platform.family),
            (&self.arch, &platform.arch),
        ]
    }
}

impl std::fmt::Display for PlatformCondition {
    /// The words, as in `debian or arch, x86_64`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = [&self.os, &self.distribution, &self.family, &self.arch];
        let all: Vec<String> = words
            .into_iter()
            .filter(|words| !words.is_empty())
            .map(|words| words.join(" or "))
            .collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_names_words_of_each_kind() {
        let word = |text: &str| text.to_owned();
        let here = Platform {
            os: word("linux"),
            distribution: word("ubuntu"),
            family: word("debian"),
            arch: word("x86_64"),
        };
        assert!(PlatformCondition::default().holds_on(&here));
        let condition = PlatformCondition {
            family: vec![word("arch"), word("debian")],
            arch: vec![word("x86_64")],
            ..PlatformCondition::default()
        };
        assert!(condition.holds_on(&here));
        assert_eq!(condition.to_string(), "arch or debian, x86_64");
        let other = PlatformCondition {
            os: vec![word("macos")],
            ..condition
        };
        assert!(!other.holds_on(&here));
    }
}
