//! How far a module is, as its author says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a module is, the least trustworthy first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Maturity {
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

impl Maturity {
    const ALL: [Maturity; 8] = [
        Maturity::Broken,
        Maturity::Obsolete,
        Maturity::Deprecated,
        Maturity::Merged,
        Maturity::Experimental,
        Maturity::Alpha,
        Maturity::Beta,
        Maturity::Stable,
    ];

    /// The word users read.
    pub fn as_str(self) -> &'static str {
        match self {
            Maturity::Broken => "broken",
            Maturity::Obsolete => "obsolete",
            Maturity::Deprecated => "deprecated",
            Maturity::Merged => "merged",
            Maturity::Experimental => "experimental",
            Maturity::Alpha => "alpha",
            Maturity::Beta => "beta",
            Maturity::Stable => "stable",
        }
    }

    /// How far behind others it comes in a list: nothing said stands beside beta.
    pub fn immaturity(self) -> i32 {
        match self {
            Maturity::Stable => -1,
            Maturity::Beta => 0,
            Maturity::Alpha | Maturity::Experimental => 1,
            Maturity::Merged | Maturity::Deprecated => 2,
            Maturity::Obsolete | Maturity::Broken => 3,
        }
    }

    /// The least trustworthy of the stages among labels such as `Maturity-Alpha`, letter case ignored.
    pub fn of(labels: &[String]) -> Option<Self> {
        let read = |label: &String| {
            let word = label.to_lowercase();
            let word = word.trim().strip_prefix("stage-")?.to_owned();
            Self::ALL.into_iter().find(|stage| stage.as_str() == word)
        };
        labels.iter().filter_map(read).min()
    }
}

impl fmt::Display for Maturity {
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
        assert_eq!(Maturity::of(&labels), Some(Maturity::Alpha));
        assert_eq!(Maturity::of(&labels[..1]), None);
    }
}
