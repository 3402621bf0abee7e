//! What a new plugin begins with.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hoist_core::{Diagnostic, ModuleId};

use crate::args::PluginKind;
use crate::error::Ending;

/// What stands for the name of the plugin.
const NAME: &str = "PLUGIN_NAME";

const BASIC: &[(&str, &str)] = &[
    ("plugin.yml", include_str!("../../../scaffold/basic/plugin.yml")),
    ("README.md", include_str!("../../../scaffold/basic/README.md")),
    ("config/schema.json", include_str!("../../../scaffold/basic/config/schema.json")),
    ("config/defaults.yaml", include_str!("../../../scaffold/basic/config/defaults.yaml")),
    ("config/env.yaml", include_str!("../../../scaffold/basic/config/env.yaml")),
    ("hooks/pre-deploy.sh", include_str!("../../../scaffold/basic/hooks/pre-deploy.sh")),
    ("hooks/post-deploy.sh", include_str!("../../../scaffold/basic/hooks/post-deploy.sh")),
];

/// Writes a new plugin, and returns the paths of its files. What was written goes again where something cannot be.
pub(super) fn write(kind: PluginKind, name: &ModuleId, directory: &Path) -> Result<Vec<String>, Ending> {
    let files = match kind {
        PluginKind::Basic => BASIC,
    };
    let put = |(path, text): &(&str, &str)| -> std::io::Result<String> {
        let file = directory.join(path);
        std::fs::create_dir_all(file.parent().unwrap_or(directory))?;
        std::fs::write(&file, text.replace(NAME, name.as_str()))?;
        if text.starts_with("#!") {
            std::fs::set_permissions(&file, Permissions::from_mode(0o755))?;
        }
        Ok((*path).to_owned())
    };
    let written: std::io::Result<Vec<String>> = files.iter().map(put).collect();
    written.map_err(|error| {
        let _ = std::fs::remove_dir_all(directory);
        let wrong = Diagnostic::error(format!("cannot be written: {error}")).file(directory.display().to_string());
        Ending::wrong(wrong.help("name another place with --directory"))
    })
}
