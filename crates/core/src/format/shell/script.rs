//! What the text of a script says about it, without running it: the functions it defines, and the tools its body mentions.

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
        for line in code_lines(script) {
            match defined_name(line) {
                Some("main_module") => found.main = true,
                Some("update_module") => found.update = true,
                Some("uninstall_module") => found.uninstall = true,
                Some("check_module_installed") => found.check = true,
                _ => {}
            }
        }
        found
    }
}

/// The shared resources that the body of a script uses, so far as its words tell: `package` and `pip`.
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
    const PIP: &[&str] = &["pip", "pip3", "install_via_pip", "update_via_pip_upgrade"];
    let (mut package, mut pip) = (false, false);
    for word in code_lines(script).flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')) {
        package |= PACKAGE.contains(&word);
        pip |= PIP.contains(&word);
    }
    [package.then_some("package"), pip.then_some("pip")].into_iter().flatten().collect()
}

/// True when the last thing a script does is a test whose failure means nothing, such as
/// `[[ "${BASH_SOURCE[0]}" == "$0" ]] && main_module "$@"`.
pub(super) fn ends_in_guard(script: &str) -> bool {
    let last = code_lines(script).map(str::trim).filter(|line| !line.is_empty()).last().unwrap_or_default();
    last.contains("&&") && ["[[", "[ ", "(return", "test "].iter().any(|opening| last.starts_with(opening))
}

/// The lines that are neither comments nor text of a here-document.
fn code_lines(script: &str) -> impl Iterator<Item = &str> {
    let mut waiting_for: Option<(String, bool)> = None;
    script.lines().filter(move |line| {
        if let Some((end, tabs)) = &waiting_for {
            let line = if *tabs { line.trim_start_matches('\t') } else { line };
            if line == end {
                waiting_for = None;
            }
            return false;
        }
        waiting_for = here_document(line);
        !line.trim_start().starts_with('#')
    })
}

/// The word that ends the here-document which starts on this line, and whether tabs before it are stripped.
fn here_document(line: &str) -> Option<(String, bool)> {
    let (before, after) = line.split_once("<<")?;
    if after.starts_with('<') || before.trim_start().starts_with('#') || before.ends_with("((") {
        return None;
    }
    let tabs = after.starts_with('-');
    let after = after.trim_start_matches('-').trim_start_matches([' ', '\t']);
    let plain = after.trim_start_matches(['\'', '"', '\\']);
    let length = plain.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(plain.len());
    let word = &plain[..length];
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then(|| (word.to_owned(), tabs))
}

fn defined_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let (keyword, rest) = match line.strip_prefix("function").filter(|rest| rest.starts_with([' ', '\t'])) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, line),
    };
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let behind = rest[length..].trim_start();
    let parentheses = behind.strip_prefix('(').is_some_and(|behind| behind.trim_start().starts_with(')'));
    (parentheses || (keyword && (behind.is_empty() || behind.starts_with('{')))).then(|| &rest[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_every_style_and_not_in_text() {
        let found = Functions::defined_in("main_module() {\n:\n}\nfunction update_module {\n:\n}\nfunction uninstall_module()\n{ :; }\n");
        assert_eq!(found, Functions { main: true, update: true, uninstall: true, check: false });
        let none =
            "# main_module() {\ncat <<'EOF'\nmain_module() {\nEOF\necho main_module\n\tcat <<-X\n\tcheck_module_installed() {\n\tX\n";
        assert_eq!(Functions::defined_in(none), Functions::default());
        assert!(Functions::defined_in("cat <<<word\nmain_module () {\n").main);
    }

    #[test]
    fn tools_are_told_by_the_words_of_the_body() {
        assert_eq!(tools("run_as_root $PKG_INSTALL tree\npip3 install x\n"), ["package", "pip"]);
        assert!(tools("# apt-get\necho adapt-getter pipeline\n").is_empty());
    }

    #[test]
    fn a_guard_at_the_end_is_no_failure() {
        assert!(ends_in_guard("main_module() { :; }\n[[ \"${BASH_SOURCE[0]}\" == \"$0\" ]] && main_module\n\n# end\n"));
        assert!(!ends_in_guard("return 1\n"));
    }
}
