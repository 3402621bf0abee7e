//! What a new plugin begins with.

use std::path::Path;

use hoist_core::{Diagnostic, ModuleId};
use include_dir::{Dir, include_dir};

use crate::args::PluginKind;
use crate::error::CommandError;
use crate::shipped::{self, SHIPPED};

/// What stands for the name of the plugin.
const NAME: &str = "PLUGIN_NAME";

static BASIC: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scaffold/basic");

/// Writes a new plugin, and returns the paths of its files. What was written goes again where
/// something cannot be.
pub(super) fn write(
    kind: PluginKind,
    name: &ModuleId,
    directory: &Path,
) -> Result<Vec<String>, CommandError> {
    let (files, former) = match kind {
        PluginKind::Basic => (Some(&BASIC), NAME),
        PluginKind::Compose => (SHIPPED.get_dir("template"), "template"),
        PluginKind::Host => (SHIPPED.get_dir("physical-host"), "physical-host"),
    };
    let Some(files) = files else {
        return Err(CommandError::wrong(Diagnostic::error(
            "this build of hoist does not include the template",
        )));
    };
    let renamed = |path: &str, text: String| match path {
        // Where a file speaks of the plugin, it is of this one now.
        "plugin.yml" => text
            .replacen(&format!("name: {former}\n"), &format!("name: {name}\n"), 1)
            .replace(NAME, name.as_str()),
        "README.md" if kind != PluginKind::Basic => {
            ["deploy", "status"].iter().fold(text, |text, command| {
                text.replace(&format!("{command} {former}"), &format!("{command} {name}"))
            })
        }
        _ => text.replace(NAME, name.as_str()),
    };
    shipped::write(files, directory, &renamed).map_err(|error| {
        let _ = std::fs::remove_dir_all(directory);
        let wrong = Diagnostic::error(format!("cannot write the file: {error}"))
            .file(directory.display().to_string());
        CommandError::wrong(wrong.help("choose another directory with --directory"))
    })
}
