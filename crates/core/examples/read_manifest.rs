//! Reads a manifest that is handed in as bytes, and tells what it means or what is wrong with it.

use std::path::PathBuf;

use hoist_core::format::{Format, shell::ShellModules};
use hoist_core::{Environment, Manifest, ManifestFile};

fn main() {
    let script = "# Metadata: START\nMODULE_NAME=hello\nMODULE_DESCRIPTION='Says hello'\nMODULE_IS_CORE=$(id -u)\n# Metadata: END\nmain_module() { echo hello; }\n";
    let file = ManifestFile {
        path: PathBuf::from("modules/hello.sh"),
        content: Ok(script.into()),
    };
    let manifest = Manifest {
        name: "hello".into(),
        source: "example".into(),
        root: PathBuf::new(),
        files: vec![file],
    };
    let parsed = ShellModules.parse(&manifest, &Environment::with_home("/home/me"));
    assert!(parsed.module.is_none());
    #[expect(clippy::print_stdout, reason = "an example for people")]
    parsed
        .diagnostics
        .iter()
        .for_each(|diagnostic| println!("{diagnostic}"));
}
