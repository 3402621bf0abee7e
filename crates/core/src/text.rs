//! What of foreign text is safe to pass on.

/// Whether a character does something else to a text than to be seen in it: control characters,
/// those of C1 included, marks that change the direction of writing, and invisible ones.
pub fn is_unprintable(c: char) -> bool {
    let is_mark = matches!(c,
        '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || is_mark
}

/// Returns a JSON text with every character escaped that does something else than to be seen. They
/// are in strings only, so that it means the same.
pub fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' | '\t' | '\r' => escaped.push(c),
            c if is_unprintable(c) => c
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| escaped += &format!("\\u{unit:04x}")),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns why a package manager would not take a word for the name of a package.
pub fn package_name_problem(name: &str) -> Option<&'static str> {
    const FILES: &[&str] = &[
        ".deb", ".rpm", ".apk", ".xbps", ".pkg", ".rb", ".zst", ".xz", ".gz", ".tar", ".whl",
    ];
    let is_file = name.contains('/')
        && FILES
            .iter()
            .any(|end| name.to_ascii_lowercase().ends_with(end));
    match name {
        _ if name.starts_with('-') || name.ends_with('-') => {
            Some("package managers read it as an option or a removal")
        }
        _ if name.starts_with(['.', '/', '~']) || name.contains("/../") || is_file => {
            Some("package managers read it as a file")
        }
        _ if name.contains("://") => Some("package managers read it as the location of a file"),
        _ if name.chars().any(|c| c.is_whitespace() || is_unprintable(c)) => {
            Some("it contains characters that package names cannot have")
        }
        _ => None,
    }
}

/// Returns the name of the remote helper in a URL of a repository where that would run a command of
/// its own choosing: `ext::COMMAND`, `fd::NUMBER`.
pub fn command_transport(url: &str) -> Option<&str> {
    let (helper, _) = url.trim_start().split_once("::")?;
    ["ext", "fd"]
        .into_iter()
        .any(|name| helper.eq_ignore_ascii_case(name))
        .then_some(helper)
}

/// A word that a POSIX shell reads as exactly this text.
pub fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_text_is_told_from_what_is_seen() {
        for c in [
            '\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200d}', '\u{feff}', '\u{7f}',
        ] {
            assert!(is_unprintable(c), "{c:?}");
        }
        assert!(
            "Größe 漢字 e\u{301} ☂ — •"
                .chars()
                .all(|c| !is_unprintable(c))
        );
        let json = serde_json::to_string("a\u{9b}31m\u{202e}\u{e0041}b").unwrap();
        let escaped = escaped_json(&json);
        assert!(escaped.is_ascii());
        assert_eq!(
            serde_json::from_str::<String>(&escaped).unwrap(),
            "a\u{9b}31m\u{202e}\u{e0041}b"
        );
    }

    #[test]
    fn files_and_options_are_no_packages() {
        for name in [
            "./evil.deb",
            "/tmp/x",
            "a/evil.DEB",
            "~/x",
            "--root=/",
            "x-",
            "https://host/x.deb",
            "../x",
            "a/../b",
            "a\u{9b}",
        ] {
            assert!(package_name_problem(name).is_some(), "{name}");
        }
        for name in [
            "vim",
            "g++",
            "libc6:amd64",
            "vim=2:9.0",
            "vim/stable",
            "user/tap/formula",
            "python3.11",
            "dev-vcs/git",
            "@group",
        ] {
            assert!(package_name_problem(name).is_none(), "{name}");
        }
        assert_eq!(command_transport("ext::sh -c id"), Some("ext"));
        assert_eq!(command_transport("https://host/a::b"), None);
        assert_eq!(command_transport("hg::https://host"), None);
    }
}
