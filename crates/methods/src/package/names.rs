//! What packages are called where families of systems differ.

/// A name people use, and what it is on each family; a family that is not listed uses the first
/// name.
struct Names {
    name: &'static str,
    families: &'static [(&'static str, &'static [&'static str])],
}

const fn names(
    name: &'static str,
    families: &'static [(&'static str, &'static [&'static str])],
) -> Names {
    Names { name, families }
}

/// By name. Sources: the distributions' own package indexes.
const TABLE: &[Names] = &[
    names(
        "build-essential",
        &[
            ("redhat", &["gcc", "gcc-c++", "make"]),
            ("suse", &["gcc", "gcc-c++", "make"]),
            ("arch", &["base-devel"]),
            ("alpine", &["build-base"]),
        ],
    ),
    names(
        "dig",
        &[
            ("debian", &["dnsutils"]),
            ("redhat", &["bind-utils"]),
            ("suse", &["bind-utils"]),
            ("arch", &["bind"]),
            ("alpine", &["bind-tools"]),
        ],
    ),
    names("fd", &[("debian", &["fd-find"]), ("redhat", &["fd-find"])]),
    names(
        "golang",
        &[
            ("debian", &["golang-go"]),
            ("arch", &["go"]),
            ("alpine", &["go"]),
            ("suse", &["go"]),
            ("macos", &["go"]),
        ],
    ),
    names("gnupg", &[("redhat", &["gnupg2"]), ("suse", &["gpg2"])]),
    names(
        "netcat",
        &[
            ("debian", &["netcat-openbsd"]),
            ("redhat", &["nmap-ncat"]),
            ("arch", &["openbsd-netcat"]),
            ("alpine", &["netcat-openbsd"]),
            ("suse", &["netcat-openbsd"]),
        ],
    ),
    names("nodejs", &[("macos", &["node"])]),
    names(
        "nvim",
        &[
            ("debian", &["neovim"]),
            ("redhat", &["neovim"]),
            ("arch", &["neovim"]),
            ("alpine", &["neovim"]),
            ("suse", &["neovim"]),
            ("macos", &["neovim"]),
        ],
    ),
    names(
        "openssh",
        &[
            ("debian", &["openssh-client"]),
            ("redhat", &["openssh-clients"]),
        ],
    ),
    names(
        "pip",
        &[
            ("debian", &["python3-pip"]),
            ("redhat", &["python3-pip"]),
            ("suse", &["python3-pip"]),
            ("arch", &["python-pip"]),
            ("alpine", &["py3-pip"]),
            ("macos", &["python"]),
        ],
    ),
    names(
        "pipx",
        &[("arch", &["python-pipx"]), ("suse", &["python3-pipx"])],
    ),
    names(
        "python",
        &[
            ("debian", &["python3"]),
            ("redhat", &["python3"]),
            ("suse", &["python3"]),
            ("alpine", &["python3"]),
        ],
    ),
    names(
        "rg",
        &[
            ("debian", &["ripgrep"]),
            ("redhat", &["ripgrep"]),
            ("arch", &["ripgrep"]),
            ("alpine", &["ripgrep"]),
            ("suse", &["ripgrep"]),
            ("macos", &["ripgrep"]),
        ],
    ),
    names(
        "sqlite",
        &[("debian", &["sqlite3"]), ("suse", &["sqlite3"])],
    ),
    names("vim", &[("redhat", &["vim-enhanced"])]),
    names("xz", &[("debian", &["xz-utils"])]),
];

/// The packages that a name means on a family.
pub(crate) fn packages_of(name: &str, family: &str) -> Vec<String> {
    let listed = TABLE.iter().find(|names| names.name == name);
    let packages =
        listed.and_then(|names| names.families.iter().find(|(known, _)| *known == family));
    match packages {
        Some((_, packages)) => packages
            .iter()
            .map(|package| (*package).to_owned())
            .collect(),
        None => vec![name.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_family_or_are_the_module_s_own() {
        assert_eq!(packages_of("fd", "debian"), ["fd-find"]);
        assert_eq!(packages_of("fd", "arch"), ["fd"]);
        assert_eq!(
            packages_of("build-essential", "redhat"),
            ["gcc", "gcc-c++", "make"]
        );
        assert_eq!(packages_of("tree", "debian"), ["tree"]);
    }
}
