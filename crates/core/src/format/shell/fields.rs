//! The fields of a shell module's metadata: one table.

/// What a field's value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A plain module name.
    Name,
    /// Plain module names, separated by blanks.
    Names,
    /// Absolute paths, separated by blanks.
    Paths,
    /// Names of programs without a slash, separated by blanks.
    Binaries,
    /// Names of packages, separated by blanks.
    Packages,
    /// Words, separated by blanks.
    Words,
    /// The URL or the path of a repository or a file.
    Url,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// 64 hexadecimal digits.
    Sha256,
    /// Seconds, or a number with s, m or h.
    Duration,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The variable.
    pub name: &'static str,
    /// What its value has to be.
    pub kind: Kind,
    /// Whether it must be declared.
    pub required: bool,
}

const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// The words of `MODULE_INSTALL_METHOD`.
pub(super) const INSTALL_METHODS: &[&str] = &["git_clone", "pip", "package_manager", "download_script", "custom"];
/// The words of `MODULE_UPDATE_METHOD`.
pub(super) const UPDATE_METHODS: &[&str] = &["git_pull", "pip_upgrade", "component_command", "reinstall", "custom", "none"];

/// All fields, the required ones first.
pub const FIELDS: &[Field] = &[
    required("MODULE_NAME", Kind::Name),
    required("MODULE_DESCRIPTION", Kind::Text),
    required("MODULE_ENABLED_BY_DEFAULT", Kind::Boolean),
    required("MODULE_IS_CORE", Kind::Boolean),
    required("MODULE_INSTALL_METHOD", Kind::OneOf(INSTALL_METHODS)),
    required("MODULE_UNINSTALL_DIRS", Kind::Paths),
    optional("MODULE_DEPENDS", Kind::Names),
    optional("MODULE_INSTALL_DIRS", Kind::Paths),
    optional("MODULE_INSTALL_REPO", Kind::Url),
    optional("MODULE_INSTALL_ARGS", Kind::Words),
    optional("MODULE_INSTALL_SHA256", Kind::Sha256),
    optional("MODULE_PACKAGES", Kind::Packages),
    optional("MODULE_TIMEOUT", Kind::Duration),
    optional("MODULE_UPDATE_METHOD", Kind::OneOf(UPDATE_METHODS)),
    optional("MODULE_UPDATE_DIR", Kind::Paths),
    optional("MODULE_REBUILD", Kind::Boolean),
    optional("MODULE_CONFIG_FILES", Kind::Paths),
    optional("MODULE_TEST_DIRS", Kind::Paths),
    optional("MODULE_TEST_FILES", Kind::Paths),
    optional("MODULE_TEST_BINARIES", Kind::Binaries),
    optional("MODULE_TEST_COMMAND", Kind::Text),
    optional("MODULE_UNINSTALL_BINARIES", Kind::Binaries),
    optional("MODULE_UNINSTALL_FILES", Kind::Paths),
    optional("MODULE_UNINSTALL_PIP_PACKAGES", Kind::Words),
];
