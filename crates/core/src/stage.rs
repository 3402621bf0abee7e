//! How far a module is, as its author says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a module is, the least trustworthy first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It does not work.
    Broken,
    /// Nobody needs it any more.
    Obsolete,
    /// It should not be used for anything new.
    Deprecated,
    /// It has become part of the server.
    Merged,
    /// A trial.
    Experimental,
    /// Early.
    Alpha,
    /// Nearly there.
    Beta,
    /// Ready.
    Stable,
}

impl Stage {
    const ALL: [Stage; 8] = [
        Stage::Broken,
        Stage::Obsolete,
        Stage::Deprecated,
        Stage::Merged,
        Stage::Experimental,
        Stage::Alpha,
        Stage::Beta,
        Stage::Stable,
    ];

    /// The word users read.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Broken => "broken",
            Stage::Obsolete => "obsolete",
            Stage::Deprecated => "deprecated",
            Stage::Merged => "merged",
            Stage::Experimental => "experimental",
            Stage::Alpha => "alpha",
            Stage::Beta => "beta",
            Stage::Stable => "stable",
        }
    }

    /// How far behind others it comes in a list: nothing said stands beside beta.
    pub fn immaturity(self) -> i32 {
        match self {
            Stage::Stable => -1,
            Stage::Beta => 0,
            Stage::Alpha | Stage::Experimental => 1,
            Stage::Merged | Stage::Deprecated => 2,
            Stage::Obsolete | Stage::Broken => 3,
        }
    }

    /// The least trustworthy of the stages among labels such as `Stage-Alpha`, letter case ignored.
    pub fn of(labels: &[String]) -> Option<Self> {
        let read = |label: &String| {
            let word = label.to_lowercase();
            let word = word.trim().strip_prefix("stage-")?.to_owned();
            Self::ALL.into_iter().find(|stage| stage.as_str() == word)
        };
        labels.iter().filter_map(read).min()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_stages_the_less_trustworthy_counts() {
        let labels = ["Type-Auth", "Stage-alpha", "stage-Stable"].map(str::to_owned);
        assert_eq!(Stage::of(&labels), Some(Stage::Alpha));
        assert_eq!(Stage::of(&labels[..1]), None);
    }
}
