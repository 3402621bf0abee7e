//! Directories of a home that many programs share: no module may say that one is its own.

use std::path::Path;

/// The directories of version control systems, which are not a part of what they are in.
pub const VERSION_CONTROL: &[&str] = &[".git", ".hg", ".svn"];

/// Relative to the home directory. What contains one of these is shared too.
const SHARED: &[&str] = &[
    ".cache",
    ".config",
    ".config/autostart",
    ".config/environment.d",
    ".config/fish",
    ".config/hoist",
    ".config/systemd",
    ".config/systemd/user",
    ".fonts",
    ".gnupg",
    ".local",
    ".local/bin",
    ".local/etc",
    ".local/include",
    ".local/lib",
    ".local/opt",
    ".local/share",
    ".local/share/applications",
    ".local/share/bash-completion",
    ".local/share/bash-completion/completions",
    ".local/share/fonts",
    ".local/share/icons",
    ".local/share/man",
    ".local/share/man/man1",
    ".local/src",
    ".local/state",
    ".local/state/hoist",
    ".mozilla",
    ".password-store",
    ".pki",
    ".ssh",
    ".themes",
    "Desktop",
    "Documents",
    "Downloads",
    "Library",
    "Mail",
    "Music",
    "Pictures",
    "Public",
    "Templates",
    "Videos",
    "bin",
    "lib",
    "opt",
    "snap",
    "src",
    "tmp",
];

/// True for the home directory itself, a directory in it that many programs share, and what
/// contains one. Both paths are absolute, and without links and `..`.
pub fn is_shared(path: &Path, home: &Path) -> bool {
    let python = |path: &Path| {
        let mut parts = path
            .strip_prefix(home.join(".local/lib"))
            .ok()?
            .components();
        let version = parts.next()?.as_os_str().to_str()?.starts_with("python");
        let site = parts
            .next()
            .is_none_or(|part| part.as_os_str() == "site-packages");
        Some(version && site && parts.next().is_none())
    };
    home.starts_with(path)
        || SHARED
            .iter()
            .any(|shared| home.join(shared).starts_with(path))
        || python(path) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_use_and_what_contains_it_is_shared() {
        let home = Path::new("/home/me");
        for shared in [
            "",
            ".local",
            ".config",
            ".local/share",
            ".ssh",
            "Documents",
            ".local/lib/python3.11",
            ".local/lib/python3/site-packages",
        ] {
            assert!(is_shared(&home.join(shared), home), "{shared}");
        }
        assert!(is_shared(Path::new("/home"), home) && is_shared(Path::new("/"), home));
        for own in [
            ".bash_it",
            ".local/share/fzf",
            ".config/nvim",
            "Documents2",
            ".local/lib/python3.11/site-packages/x",
            ".sshx",
        ] {
            assert!(!is_shared(&home.join(own), home), "{own}");
        }
    }
}
