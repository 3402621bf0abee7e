//! Methods that install packages below a directory, as shell modules call them: one row for each.

/// A word of `MODULE_INSTALL_METHOD` for such a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageMethod {
    /// The word, which is the name of the method as well.
    pub word: &'static str,
    /// The word of `MODULE_UPDATE_METHOD` that brings the packages to their newest versions.
    pub update: &'static str,
    /// The field with packages that go with a module of any method.
    pub removed: Option<&'static str>,
    /// Programs by which a script uses the method itself.
    pub programs: &'static [&'static str],
    /// What people call its packages.
    pub noun: &'static str,
    /// The word as a choice, with the letter of a key in brackets.
    pub choice: &'static str,
    /// Whether modules should say where the packages go.
    pub declares_directory: bool,
}

/// The rows.
pub const PACKAGE_METHODS: &[PackageMethod] = &[
    PackageMethod {
        word: "pip",
        update: "pip_upgrade",
        removed: Some("MODULE_UNINSTALL_PIP_PACKAGES"),
        programs: &["pip", "pip3"],
        noun: "Python packages",
        choice: "p[y]thon (pip)",
        declares_directory: true,
    },
    PackageMethod::new("npm", "npm_upgrade", "npm packages", "[n]pm"),
    PackageMethod::new("cargo", "cargo_upgrade", "programs of crates", "ca[r]go"),
];

impl PackageMethod {
    /// A method that scripts use by its helpers alone.
    const fn new(
        word: &'static str,
        update: &'static str,
        noun: &'static str,
        choice: &'static str,
    ) -> Self {
        Self {
            word,
            update,
            removed: None,
            programs: &[],
            noun,
            choice,
            declares_directory: false,
        }
    }

    /// The method of a word of `MODULE_INSTALL_METHOD`.
    pub fn find(word: &str) -> Option<&'static Self> {
        PACKAGE_METHODS.iter().find(|method| method.word == word)
    }

    /// The method of a word of `MODULE_UPDATE_METHOD`.
    pub(super) fn find_update(word: &str) -> Option<&'static Self> {
        PACKAGE_METHODS.iter().find(|method| method.update == word)
    }

    /// Whether a word of a script means that it uses the method.
    pub(super) fn is_used_by(&self, word: &str) -> bool {
        self.programs.contains(&word)
            || word.strip_prefix("install_via_") == Some(self.word)
            || word.strip_prefix("update_via_") == Some(self.update)
    }
}

/// Words before and after those of the rows, in one list.
const fn joined<const N: usize>(
    before: &[&'static str],
    is_update: bool,
    after: &[&'static str],
) -> [&'static str; N] {
    let mut words = [""; N];
    let mut place = 0;
    while place < N {
        words[place] = if place < before.len() {
            before[place]
        } else if place < before.len() + PACKAGE_METHODS.len() {
            let method = &PACKAGE_METHODS[place - before.len()];
            if is_update {
                method.update
            } else {
                method.word
            }
        } else {
            after[place - before.len() - PACKAGE_METHODS.len()]
        };
        place += 1;
    }
    words
}

/// The words of `MODULE_INSTALL_METHOD`.
pub(super) const INSTALL_METHODS: &[&str] = &joined::<{ PACKAGE_METHODS.len() + 4 }>(
    &["git_clone"],
    false,
    &["package_manager", "download_script", "custom"],
);

/// The words of `MODULE_UPDATE_METHOD`.
pub(super) const UPDATE_METHODS: &[&str] = &joined::<{ PACKAGE_METHODS.len() + 5 }>(
    &["git_pull"],
    true,
    &["component_command", "reinstall", "custom", "none"],
);
