//! Which system this is: read from `/etc/os-release`, without running anything.

use std::collections::BTreeMap;
use std::path::Path;

use hoist_core::Platform;

/// The system, in the words module scripts know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Os {
    /// `debian`, `fedora`, `arch` …
    pub id: String,
    /// `12`, `24.04` …
    pub version: String,
    /// For people.
    pub name: String,
    /// `debian`, `redhat`, `arch`, `suse`, `alpine`, `gentoo`, `macos`, or the id.
    pub family: String,
}

impl Os {
    /// Reads the system's own description.
    pub fn here() -> Self {
        if cfg!(target_os = "macos") {
            return Self {
                id: "macos".into(),
                name: "macOS".into(),
                family: "macos".into(),
                version: String::new(),
            };
        }
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(Path::new(path)).ok());
        Self::parse(&text.unwrap_or_default())
    }

    /// The kind of machine, in the words of manifests.
    pub fn platform(self) -> Platform {
        Platform {
            os: std::env::consts::OS.to_owned(),
            distribution: self.id,
            family: self.family,
            arch: std::env::consts::ARCH.to_owned(),
        }
    }

    fn parse(text: &str) -> Self {
        let fields: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches(['"', '\''])))
            .collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
        let id = Some(field("ID"))
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| "linux".to_owned());
        let like = field("ID_LIKE");
        let families = [
            ("debian", ["debian", "ubuntu"].as_slice()),
            ("redhat", &["rhel", "fedora", "centos"]),
            ("arch", &["arch"]),
            ("suse", &["suse", "opensuse", "sles"]),
            ("alpine", &["alpine"]),
            ("gentoo", &["gentoo"]),
        ];
        let known = |word: &str| {
            families
                .iter()
                .find(|(_, words)| words.iter().any(|known| word.starts_with(known)))
                .map(|(family, _)| *family)
        };
        let family = std::iter::once(id.as_str())
            .chain(like.split_whitespace())
            .find_map(known)
            .unwrap_or(&id)
            .to_owned();
        Self {
            version: field("VERSION_ID"),
            name: field("PRETTY_NAME"),
            family,
            id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_come_from_the_id_or_what_it_is_like() {
        let family = |text: &str| Os::parse(text).family;
        assert_eq!(family("ID=debian\nVERSION_ID=\"12\"\n"), "debian");
        assert_eq!(
            family("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            "debian"
        );
        assert_eq!(
            family("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            "redhat"
        );
        assert_eq!(family("ID=opensuse-leap\n"), "suse");
        assert_eq!(family("ID=nixos\n"), "nixos");
        assert_eq!(family(""), "linux");
    }
}
