//! Modules in TOML: `modules/NAME.toml`, with fields of their own types and no script.

mod keys;
mod lower;
mod read;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Format, FormatSchema};
use crate::{Environment, Manifest, ManifestRef, Parsed, SourceTree};

/// The format itself.
#[derive(Debug, Clone, Copy)]
pub struct TomlModules;

impl Format for TomlModules {
    fn name(&self) -> &'static str {
        "TOML module"
    }

    fn find(&self, tree: &SourceTree) -> Vec<ManifestRef> {
        let is_manifest = |file: &&PathBuf| {
            file.parent() == Some(Path::new("modules"))
                && file
                    .extension()
                    .is_some_and(|extension| extension == "toml")
        };
        let reference = |file: &PathBuf| {
            let name = file.file_stem()?.to_str()?;
            (!name.starts_with('.')).then(|| ManifestRef {
                name: name.to_owned(),
                files: vec![file.clone()],
            })
        };
        let files = tree.files.iter().filter(is_manifest);
        files.filter_map(reference).collect()
    }

    fn parse(&self, manifest: &Manifest, environment: &Environment) -> Parsed {
        lower::lower(manifest, environment)
    }

    fn schema(&self) -> Option<FormatSchema> {
        Some(FormatSchema {
            kind: "toml-module",
            title: "modules/NAME.toml: manifest of a module in TOML",
            body: schema,
        })
    }
}

fn schema() -> Value {
    keys::schema()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Diagnostic;

    const TEXT: &str = r#"
description = "x"
core = true
depends = ["a", "b"]
timeout = 90
[when]
os = ["linux", "macos"]
[[install]]
git_clone = { url = "u", directory = "~/d", args = ["--depth=1"] }
[update]
method = "git_pull"
[test]
files = ["/a"]
"#;

    fn parse(text: &[u8]) -> Parsed {
        let manifest = Manifest::of_text("modules/m.toml", text);
        TomlModules.parse(&manifest, &Environment::with_home("/h"))
    }

    #[test]
    fn what_is_not_sound_has_an_error_and_no_module() {
        assert!(parse(TEXT.as_bytes()).module.is_some());
        let bytes = TEXT.as_bytes();
        let cut = (0..bytes.len()).map(|end| bytes[..end].to_vec());
        let other = |place: usize, byte: u8| {
            let mut bytes = bytes.to_vec();
            bytes[place] = byte;
            bytes
        };
        let places = 0..bytes.len();
        let changed =
            places.flat_map(|place| [b'"', b'[', b'=', b'1', 0xff].map(|byte| other(place, byte)));
        for text in cut.chain(changed) {
            let parsed = parse(&text);
            let is_wrong = parsed.diagnostics.iter().any(Diagnostic::is_error);
            assert_eq!(parsed.module.is_none(), is_wrong, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn every_method_has_its_step() {
        for (install, step) in [
            ("git_clone = { url = 'u', directory = '/d' }", "git"),
            ("pip = ['six']", "pip"),
            ("npm = {}", "npm"),
            ("cargo = { packages = ['x'], directory = '~/d' }", "cargo"),
            ("package_manager = ['vim']", "package"),
            (
                "download_script = { url = 'https://h/x' }",
                "install_script",
            ),
            ("command = 'true'", "bash"),
        ] {
            let text = format!("description = 'x'\n[install]\n{install}\n");
            let parsed = parse(text.as_bytes());
            let module = parsed.module.expect("a module");
            let steps = module.recipe.steps(crate::Action::Install);
            assert_eq!(steps.len(), 1, "{install}");
            assert_eq!(steps[0].method, step, "{install}");
        }
    }
}
