//! What the authors of modules call things.

/// Names of fields and functions in manifests of one format, for messages about them. A word is
/// empty where the format has nothing of the kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The field with the name.
    pub name: &'static str,
    /// The field with the description.
    pub description: &'static str,
    /// The field with the modules that one needs.
    pub dependencies: &'static str,
    /// The field with the directories that an install makes.
    pub directories: &'static str,
    /// The field with configuration files.
    pub config_files: &'static str,
    /// The function that installs.
    pub install: &'static str,
    /// The function that removes.
    pub uninstall: &'static str,
    /// The function that tells whether the module is installed.
    pub check: &'static str,
}

impl Words {
    /// No words.
    pub const NONE: Self = Self {
        name: "",
        description: "",
        dependencies: "",
        directories: "",
        config_files: "",
        install: "",
        uninstall: "",
        check: "",
    };
}
