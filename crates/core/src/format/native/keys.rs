//! The keys of a manifest: one table.

use serde_json::{Map, Value, json};

use crate::format::shell::PACKAGE_METHODS;

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A list of module names.
    Names,
    /// An absolute path, or one below `~/`.
    Path,
    /// A list of such paths.
    Paths,
    /// A list of names of programs.
    Binaries,
    /// A list of names of packages.
    Packages,
    /// A list of strings.
    Strings,
    /// A string, or a list of several.
    OneOrMore,
    /// The URL or the path of a repository or a script.
    Url,
    /// One of the update methods.
    UpdateMethod,
    /// 64 hexadecimal digits.
    Sha256,
    /// Seconds as a number, or a string with a number and s, m or h.
    Duration,
}

/// One key, by its path in the document.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) description: String,
}

/// The keys beside those of package methods.
const KEYS: &[(&str, Kind, &str)] = &[
    ("description", Kind::Text, "One-line description; required"),
    (
        "enabled_by_default",
        Kind::Boolean,
        "Whether the module is installed when no modules are requested [default: true]",
    ),
    (
        "core",
        Kind::Boolean,
        "Whether a failure aborts the run; core modules are always enabled [default: false]",
    ),
    ("depends", Kind::Names, "Modules to install first"),
    (
        "directories",
        Kind::Paths,
        "Further directories that the module creates",
    ),
    ("config_files", Kind::Paths, "Configuration files"),
    ("timeout", Kind::Duration, "Time limit: 90, \"15m\", \"2h\""),
    (
        "when.os",
        Kind::OneOrMore,
        "Operating systems: linux, macos",
    ),
    (
        "when.distribution",
        Kind::OneOrMore,
        "Distributions, as os-release calls them: debian, ubuntu, fedora",
    ),
    (
        "when.family",
        Kind::OneOrMore,
        "Families of distributions: debian, redhat, arch, suse, alpine, gentoo",
    ),
    (
        "when.arch",
        Kind::OneOrMore,
        "Architectures: x86_64, aarch64",
    ),
    (
        "install.git_clone.url",
        Kind::Url,
        "URL or path of the git repository; required",
    ),
    (
        "install.git_clone.directory",
        Kind::Path,
        "Directory of the clone; required",
    ),
    (
        "install.git_clone.args",
        Kind::Strings,
        "Arguments of git clone",
    ),
    (
        "install.package_manager.packages",
        Kind::Packages,
        "Packages of the system [default: the name of the module]",
    ),
    (
        "install.download_script.url",
        Kind::Url,
        "URL of the installer script; required",
    ),
    (
        "install.download_script.sha256",
        Kind::Sha256,
        "SHA-256 digest of the installer script",
    ),
    (
        "install.download_script.args",
        Kind::Strings,
        "Arguments of the installer script",
    ),
    (
        "install.command",
        Kind::Text,
        "Bash commands that install the module",
    ),
    (
        "update.method",
        Kind::UpdateMethod,
        "Method that updates the module [default: that of the install method]",
    ),
    (
        "update.command",
        Kind::Text,
        "Bash commands that update the module",
    ),
    (
        "test.directories",
        Kind::Paths,
        "Directories that must exist",
    ),
    ("test.files", Kind::Paths, "Files that must exist"),
    (
        "test.binaries",
        Kind::Binaries,
        "Programs that must be on PATH",
    ),
    (
        "test.command",
        Kind::Text,
        "Bash commands that must succeed",
    ),
    (
        "uninstall.directories",
        Kind::Paths,
        "Directories to remove, besides the recorded files",
    ),
    (
        "uninstall.files",
        Kind::Paths,
        "Files to remove, besides the recorded files",
    ),
    (
        "uninstall.binaries",
        Kind::Binaries,
        "Programs to remove from ~/.local/bin and ~/bin",
    ),
    (
        "uninstall.command",
        Kind::Text,
        "Bash commands that remove the module",
    ),
];

/// All keys, of which the conditions also stand in an install.
pub(super) fn keys() -> Vec<Key> {
    let key = |path: String, kind, description: &str| Key {
        path,
        kind,
        description: description.to_owned(),
    };
    let plain = KEYS.iter();
    let mut keys: Vec<Key> = plain
        .map(|(path, kind, description)| key((*path).to_owned(), *kind, description))
        .collect();
    let conditions = KEYS.iter().filter(|(path, ..)| path.starts_with("when."));
    keys.extend(
        conditions
            .map(|(path, kind, description)| key(format!("install.{path}"), *kind, description)),
    );
    for method in PACKAGE_METHODS {
        let section = format!("install.{}", method.word);
        let packages = format!("{} [default: the name of the module]", method.noun);
        keys.push(key(
            format!("{section}.packages"),
            Kind::Packages,
            &packages,
        ));
        keys.push(key(
            format!("{section}.directory"),
            Kind::Path,
            "Directory to install into [default: ~/.local]",
        ));
    }
    keys
}

/// The words of `update.method`.
pub(super) fn update_methods() -> Vec<&'static str> {
    let of_packages = PACKAGE_METHODS.iter().map(|method| method.update);
    ["git_pull"]
        .into_iter()
        .chain(of_packages)
        .chain(["reinstall", "none"])
        .collect()
}

/// The JSON Schema of a manifest.
pub(super) fn schema() -> Value {
    let mut root = object();
    for Key {
        path,
        kind,
        description,
    } in keys()
    {
        let mut property = of_kind(kind);
        property["description"] = description.into();
        insert(&mut root, &path, property);
    }
    let install = root["properties"]["install"].take();
    root["properties"]["install"] = json!({
        "oneOf": [install, { "type": "array", "minItems": 1, "items": install }],
        "description": "How the module is installed: one method, or several for different machines",
    });
    root["required"] = json!(["description", "install"]);
    root
}

/// Puts a property at its path, in objects that are made where they are missing.
fn insert(object_schema: &mut Value, path: &str, property: Value) {
    let properties = &mut object_schema["properties"];
    match path.split_once('.') {
        None => properties[path] = property,
        Some((first, rest)) => {
            if properties.get(first).is_none() {
                properties[first] = object();
            }
            insert(&mut properties[first], rest, property);
        }
    }
}

fn object() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": Map::new() })
}

fn of_kind(kind: Kind) -> Value {
    let string = json!({ "type": "string" });
    let list = json!({ "type": "array", "items": string });
    match kind {
        Kind::Text | Kind::Path | Kind::Url => string,
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Names | Kind::Paths | Kind::Binaries | Kind::Packages | Kind::Strings => list,
        Kind::OneOrMore => json!({ "oneOf": [string, list] }),
        Kind::UpdateMethod => json!({ "enum": update_methods() }),
        Kind::Sha256 => json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" }),
        Kind::Duration => json!({ "oneOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": "^[0-9]+(s|m|h)?$" },
        ] }),
    }
}
