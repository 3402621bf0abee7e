//! The fields of a shell module's metadata: one table.

use super::package_methods::{INSTALL_METHODS, UPDATE_METHODS};

/// What a field's value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
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
    pub kind: FieldKind,
    /// Whether it must be declared.
    pub required: bool,
    /// One line about its meaning.
    pub description: &'static str,
}

const fn required(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field {
        name,
        kind,
        required: true,
        description,
    }
}

const fn optional(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field {
        name,
        kind,
        required: false,
        description,
    }
}

/// All fields, the required ones first.
pub const FIELDS: &[Field] = &[
    required(
        "MODULE_NAME",
        FieldKind::Name,
        "Name of the module; the same as its file name",
    ),
    required(
        "MODULE_DESCRIPTION",
        FieldKind::Text,
        "One-line description",
    ),
    required(
        "MODULE_ENABLED_BY_DEFAULT",
        FieldKind::Boolean,
        "Whether the module is installed when no modules are requested",
    ),
    required(
        "MODULE_IS_CORE",
        FieldKind::Boolean,
        "Whether a failure aborts the run; core modules are always enabled",
    ),
    required(
        "MODULE_INSTALL_METHOD",
        FieldKind::OneOf(INSTALL_METHODS),
        "Method that installs the module, unless the script defines main_module",
    ),
    required(
        "MODULE_UNINSTALL_DIRS",
        FieldKind::Paths,
        "Directories to remove, besides the recorded files; may be empty",
    ),
    optional(
        "MODULE_DEPENDS",
        FieldKind::Names,
        "Modules to install first",
    ),
    optional(
        "MODULE_INSTALL_DIRS",
        FieldKind::Paths,
        "Directories that the module creates; the first is the directory of the clone, or the target of pip",
    ),
    optional(
        "MODULE_INSTALL_REPO",
        FieldKind::Url,
        "URL or path of the git repository, or of the installer script",
    ),
    optional(
        "MODULE_INSTALL_ARGS",
        FieldKind::Words,
        "Arguments of git clone, or of the installer script",
    ),
    optional(
        "MODULE_INSTALL_SHA256",
        FieldKind::Sha256,
        "SHA-256 checksum of the installer script",
    ),
    optional(
        "MODULE_PACKAGES",
        FieldKind::Packages,
        "Packages of pip or the package manager [default: the name of the module]",
    ),
    optional(
        "MODULE_TIMEOUT",
        FieldKind::Duration,
        "Time limit: seconds, or a number with s, m or h [default: 30m]",
    ),
    optional(
        "MODULE_UPDATE_METHOD",
        FieldKind::OneOf(UPDATE_METHODS),
        "Method that updates the module [default: its manifest has to change]",
    ),
    optional(
        "MODULE_UPDATE_DIR",
        FieldKind::Paths,
        "Clone that git_pull updates",
    ),
    optional(
        "MODULE_REBUILD",
        FieldKind::Boolean,
        "Whether main_module runs again when git_pull fetched new commits",
    ),
    optional(
        "MODULE_CONFIG_FILES",
        FieldKind::Paths,
        "Configuration files, installed from templates in config/ of the collection or written by the script",
    ),
    optional(
        "MODULE_TEST_DIRS",
        FieldKind::Paths,
        "Directories that exist when the module is installed",
    ),
    optional(
        "MODULE_TEST_FILES",
        FieldKind::Paths,
        "Files that exist when the module is installed",
    ),
    optional(
        "MODULE_TEST_BINARIES",
        FieldKind::Binaries,
        "Programs in PATH when the module is installed",
    ),
    optional(
        "MODULE_TEST_COMMAND",
        FieldKind::Text,
        "Command that succeeds when the module is installed",
    ),
    optional(
        "MODULE_UNINSTALL_BINARIES",
        FieldKind::Binaries,
        "Programs in ~/.local/bin to remove",
    ),
    optional(
        "MODULE_UNINSTALL_FILES",
        FieldKind::Paths,
        "Files to remove, besides the recorded files",
    ),
    optional(
        "MODULE_UNINSTALL_PIP_PACKAGES",
        FieldKind::Words,
        "Python packages to remove",
    ),
];
