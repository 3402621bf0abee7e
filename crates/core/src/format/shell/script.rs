//! What the text of a script says about it, without running it: the functions it defines, and the
//! tools its body mentions.

use std::collections::BTreeSet;

use super::package_methods::PACKAGE_METHODS;

/// The functions of the module interface that a script defines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Functions {
    /// `main_module`: the installer.
    pub main: bool,
    /// `update_module`.
    pub update: bool,
    /// `uninstall_module`.
    pub uninstall: bool,
    /// `check_module_installed`.
    pub check: bool,
}

impl Functions {
    /// Looks for definitions at the start of lines, outside comments and here-documents.
    pub fn defined_in(script: &str) -> Self {
        let mut found = Self::default();
        for name in code_lines(script).flat_map(defined_names) {
            match name {
                "main_module" => found.main = true,
                "update_module" => found.update = true,
                "uninstall_module" => found.uninstall = true,
                "check_module_installed" => found.check = true,
                _ => {}
            }
        }
        found
    }
}

/// Files of a home directory that many programs are configured in, and that scripts rewrite as a
/// whole.
const CONFIGURED: &[&str] = &[
    ".bash_aliases",
    ".bash_profile",
    ".bashrc",
    ".gitconfig",
    ".inputrc",
    ".profile",
    ".tmux.conf",
    ".vimrc",
    ".zprofile",
    ".zshenv",
    ".zshrc",
    "config.fish",
];

/// The shared resources that the body of a script uses, so far as its words tell: `package`, `pip`,
/// `.gitconfig` and other files of the home directory.
pub(super) fn tools(script: &str) -> Vec<&'static str> {
    const PACKAGE: &[&str] = &[
        "apt-get",
        "apt",
        "aptitude",
        "dpkg",
        "dnf",
        "yum",
        "zypper",
        "pacman",
        "apk",
        "emerge",
        "PKG_INSTALL",
        "install_via_package_manager",
    ];
    let mut package = false;
    let mut methods = [false; PACKAGE_METHODS.len()];
    for word in code_lines(script)
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-'))
    {
        package |= PACKAGE.contains(&word);
        for (is_used, method) in methods.iter_mut().zip(PACKAGE_METHODS) {
            *is_used |= method.is_used_by(word);
        }
    }
    let mut configured: BTreeSet<&'static str> = BTreeSet::new();
    for line in code_lines(script) {
        let words = || line.split(|c: char| c.is_whitespace() || "\"'/;&|()<>=${}".contains(c));
        configured.extend(words().filter_map(|word| CONFIGURED.iter().find(|file| **file == word)));
        let has = |wanted: &str| words().any(|word| word == wanted);
        if has("git") && has("config") && has("--global") {
            configured.insert(".gitconfig");
        }
    }
    let methods = methods.into_iter().zip(PACKAGE_METHODS);
    let methods = methods.filter_map(|(is_used, method)| is_used.then_some(method.word));
    let package = package.then_some("package").into_iter();
    package.chain(methods).chain(configured).collect()
}

/// The programs that a script checks for with `check_prerequisites`, as far as they are named in so
/// many words.
pub fn prerequisites(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code_lines(script) {
        let Some((before, words)) = line.split_once("check_prerequisites ") else {
            continue;
        };
        if before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '"' | '\'')) {
            continue;
        }
        let plain = |word: &&str| {
            word.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-'))
        };
        for word in words.split_whitespace() {
            let name = word.trim_matches(['"', '\'', ';']);
            if name.is_empty() || !plain(&name) {
                break;
            }
            found.push(name.to_owned());
            if word.ends_with(';') {
                break;
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// True when the last thing a script does is a test whose failure means nothing, such as
/// `[[ "${BASH_SOURCE[0]}" == "$0" ]] && main_module "$@"`.
pub(super) fn ends_in_guard(script: &str) -> bool {
    code_lines(script)
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .last()
        .is_some_and(|last| last.contains("&&"))
}

/// The lines that are neither comments nor text of a here-document.
fn code_lines(script: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = script.lines().collect();
    let mut code = Vec::with_capacity(lines.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        if !line.trim_start().starts_with('#') {
            code.push(*line);
        }
        for (end, tabs) in here_documents(line) {
            let ends = |line: &&str| {
                if tabs {
                    line.trim_start_matches('\t') == end
                } else {
                    **line == end
                }
            };
            // Without an end it was something else.
            if let Some(length) = lines[at..].iter().position(ends) {
                at += length + 1;
            }
        }
    }
    code.into_iter()
}

/// The words that end the here-documents which start on this line, and whether tabs before them are
/// stripped.
fn here_documents(line: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let (mut quote, mut arithmetic, mut before) = (None, 0usize, ' ');
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let next = &rest[character.len_utf8()..];
        match (character, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => {
                rest = next
                    .chars()
                    .next()
                    .map_or(next, |escaped| &next[escaped.len_utf8()..]);
                before = 'x';
                continue;
            }
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(character),
            ('#', None) if before.is_whitespace() => break,
            ('(', None) if next.starts_with('(') => arithmetic += 1,
            (')', None) if next.starts_with(')') => arithmetic = arithmetic.saturating_sub(1),
            ('<', None) if next.starts_with("<<") => {
                rest = &next[2..];
                continue;
            }
            ('<', None) if next.starts_with('<') && arithmetic == 0 => {
                let after = &next[1..];
                let tabs = after.starts_with('-');
                let after = after
                    .strip_prefix('-')
                    .unwrap_or(after)
                    .trim_start_matches([' ', '\t']);
                let (word, length) = delimiter(after);
                if !word.is_empty() {
                    found.push((word, tabs));
                }
                rest = &after[length..];
                before = 'x';
                continue;
            }
            _ => {}
        }
        before = character;
        rest = next;
    }
    found
}

/// The word at the start of a text without its quotes, and how many bytes it takes.
fn delimiter(text: &str) -> (String, usize) {
    let (mut word, mut quote) = (String::new(), None);
    for (offset, character) in text.char_indices() {
        match (character, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => quote = Some(character),
            ('\\', None) => {}
            (c, None) if c.is_whitespace() || ";|&<>()".contains(c) => return (word, offset),
            (c, None) => word.push(c),
        }
    }
    (word, text.len())
}

/// The names of the functions whose definition starts on this line.
fn defined_names(line: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices("_module").filter_map(move |(at, _)| {
        let start = line[..at]
            .char_indices()
            .rev()
            .find(|(_, c)| !is_name(*c))
            .map_or(0, |(before, c)| before + c.len_utf8());
        let end = line[at..]
            .find(|c| !is_name(c))
            .map_or(line.len(), |length| at + length);
        let before = line[..start].trim_end();
        let (keyword, before) = match before
            .strip_suffix("function")
            .filter(|rest| rest.len() < before.len() && !rest.ends_with(is_name))
        {
            Some(rest) if start > before.len() => (true, rest.trim_end()),
            _ => (false, before),
        };
        let behind = line[end..].trim_start();
        let parentheses = behind
            .strip_prefix('(')
            .is_some_and(|behind| behind.trim_start().starts_with(')'));
        let begins = before.is_empty() || before.ends_with([';', '{', '}', '&', '|']);
        (begins && (parentheses || (keyword && (behind.is_empty() || behind.starts_with('{')))))
            .then(|| &line[start..end])
    })
}

/// True when a script reads other files of its collection, which may define its functions.
pub(super) fn sources_files(script: &str) -> bool {
    code_lines(script).any(|line| {
        line.trim_start()
            .strip_prefix("source")
            .or_else(|| line.trim_start().strip_prefix('.'))
            .is_some_and(|rest| rest.starts_with([' ', '\t']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_every_style_and_not_in_text() {
        let found = Functions::defined_in(
            "main_module() {\n:\n}\nfunction update_module {\n:\n}\nfunction uninstall_module()\n{ :; }\n",
        );
        assert_eq!(
            found,
            Functions {
                main: true,
                update: true,
                uninstall: true,
                check: false
            }
        );
        let none = "# main_module() {\ncat <<'EOF'\nmain_module() {\nEOF\necho main_module\n\tcat <<-X\n\tcheck_module_installed() {\n\tX\n";
        assert_eq!(Functions::defined_in(none), Functions::default());
        assert!(Functions::defined_in("cat <<<word\nmain_module () {\n").main);
        assert!(!Functions::defined_in("𒞖n_module() { :; }\nämain_modules() { :; }\n").main);
        for before in [
            "echo $(( 1 << bits ))",
            "x=\"a << b\"",
            "true # see <<EOF",
            "cat <<'END-OF-FILE'\nmain_module\nEND-OF-FILE",
            "cat <<A <<-B\nA\n\tB",
            "((n <<= 2))",
        ] {
            assert!(
                Functions::defined_in(&format!("{before}\nmain_module() {{ :; }}\n")).main,
                "{before}"
            );
        }
    }

    #[test]
    fn tools_are_told_by_the_words_of_the_body() {
        assert_eq!(
            tools("run_as_root $PKG_INSTALL tree\npip3 install x\n"),
            ["package", "pip"]
        );
        assert!(tools("# apt-get\necho adapt-getter pipeline\n").is_empty());
    }

    #[test]
    fn what_a_script_checks_for_is_told() {
        assert_eq!(
            prerequisites(
                "  check_prerequisites curl \"git\" || return 1\n# check_prerequisites no\nif ! check_prerequisites tar; then\n"
            ),
            ["curl", "git", "tar"]
        );
        assert!(prerequisites("my_check_prerequisites a\ncheck_prerequisites $x\n").is_empty());
    }

    #[test]
    fn a_guard_at_the_end_is_no_failure() {
        assert!(ends_in_guard(
            "main_module() { :; }\n[[ \"${BASH_SOURCE[0]}\" == \"$0\" ]] && main_module\n\n# end\n"
        ));
        assert!(!ends_in_guard("return 1\n"));
    }
}
