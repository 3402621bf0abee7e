//! The package managers: one table.

use std::path::PathBuf;

use hoist_machine::machine::is_executable;

/// How to ask which packages are installed.
#[derive(Debug, Clone, Copy)]
pub enum Query {
    /// One `dpkg-query` for all.
    Dpkg,
    /// This command with the name behind it, for each: success means installed, the second word is
    /// the version.
    Each(&'static [&'static str]),
}

/// A package manager.
#[derive(Debug)]
pub struct Manager {
    /// The word of the module documents.
    pub name: &'static str,
    /// The program that tells it is there.
    pub program: &'static str,
    pub install: &'static [&'static str],
    /// More arguments for `install` that scripts need not see.
    pub options: &'static [&'static str],
    /// What makes `install` put an installed package on the machine again.
    pub reinstall: &'static [&'static str],
    pub refresh: &'static [&'static str],
    /// What a person types before the names to take packages off again.
    pub remove: &'static str,
    pub query: Query,
    /// The command that prints, of the names behind it, the installed version and the one that
    /// would be installed, without refreshing anything.
    pub candidates: Option<&'static [&'static str]>,
    pub(crate) needs_root: bool,
    /// What it says when a name is not in its lists, which may be old.
    pub stale: &'static [&'static str],
}

/// In the order in which they are looked for.
pub(crate) const MANAGERS: &[Manager] = &[
    Manager {
        name: "apt",
        program: "apt-get",
        install: &["apt-get", "install", "-y"],
        options: &[
            "-q",
            "-o",
            "DPkg::Lock::Timeout=600",
            "-o",
            "Dpkg::Options::=--force-confdef",
            "-o",
            "Dpkg::Options::=--force-confold",
            "-o",
            "Dpkg::Use-Pty=0",
        ],
        reinstall: &["--reinstall"],
        refresh: &["apt-get", "update"],
        remove: "apt-get remove",
        query: Query::Dpkg,
        candidates: Some(&["apt-cache", "policy"]),
        needs_root: true,
        stale: &[
            "Unable to locate package",
            "has no installation candidate",
            "404",
            "Unable to fetch some archives",
        ],
    },
    Manager {
        name: "dnf",
        program: "dnf",
        install: &["dnf", "install", "-y"],
        options: &[],
        reinstall: &[],
        refresh: &["dnf", "makecache"],
        remove: "dnf remove",
        query: Query::Each(&["rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n"]),
        candidates: None,
        needs_root: true,
        stale: &["Unable to find a match"],
    },
    Manager {
        name: "yum",
        program: "yum",
        install: &["yum", "install", "-y"],
        options: &[],
        reinstall: &[],
        refresh: &["yum", "makecache"],
        remove: "yum remove",
        query: Query::Each(&["rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n"]),
        candidates: None,
        needs_root: true,
        stale: &["No package"],
    },
    Manager {
        name: "pacman",
        program: "pacman",
        install: &["pacman", "-S", "--noconfirm"],
        options: &["--needed"],
        reinstall: &[],
        refresh: &["pacman", "-Sy", "--noconfirm"],
        remove: "pacman -R",
        query: Query::Each(&["pacman", "-Q"]),
        candidates: None,
        needs_root: true,
        stale: &["target not found"],
    },
    Manager {
        name: "zypper",
        program: "zypper",
        install: &["zypper", "--non-interactive", "install"],
        options: &[],
        reinstall: &["--force"],
        refresh: &["zypper", "--non-interactive", "refresh"],
        remove: "zypper remove",
        query: Query::Each(&["rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n"]),
        candidates: None,
        needs_root: true,
        stale: &["not found"],
    },
    Manager {
        name: "apk",
        program: "apk",
        install: &["apk", "add"],
        options: &[],
        reinstall: &[],
        refresh: &["apk", "update"],
        remove: "apk del",
        query: Query::Each(&["apk", "info", "-e"]),
        candidates: None,
        needs_root: true,
        stale: &["unable to select packages", "no such package"],
    },
    Manager {
        name: "emerge",
        program: "emerge",
        install: &["emerge", "--noreplace"],
        options: &["--quiet"],
        reinstall: &[],
        refresh: &["emerge", "--sync"],
        remove: "emerge --depclean",
        query: Query::Each(&["qlist", "-Ive"]),
        candidates: None,
        needs_root: true,
        stale: &["no ebuilds to satisfy"],
    },
    Manager {
        name: "brew",
        program: "brew",
        install: &["brew", "install"],
        options: &[],
        reinstall: &[],
        refresh: &["brew", "update"],
        remove: "brew uninstall",
        query: Query::Each(&["brew", "list", "--versions"]),
        candidates: None,
        needs_root: false,
        stale: &["No available formula"],
    },
];

impl Manager {
    /// The first whose program is on the path; the directories of administrators' programs count.
    pub fn detect(path: &[PathBuf]) -> Option<&'static Manager> {
        let system = ["/usr/bin", "/usr/sbin", "/sbin", "/bin"].map(PathBuf::from);
        let there = |manager: &&Manager| {
            path.iter()
                .chain(&system)
                .any(|directory| is_executable(&directory.join(manager.program)))
        };
        MANAGERS.iter().find(there)
    }
}
