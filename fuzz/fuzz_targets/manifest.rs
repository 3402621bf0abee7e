//! Bytes as a script, as a .conf file and as TOML: reading ends, and what it returns holds together.
#![no_main]

use std::path::PathBuf;

use hoist_core::format::{Format, native::TomlModules, shell::ShellModules};
use hoist_core::{Diagnostic, Environment, Manifest, ManifestFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = |name: &str, bytes: &[u8]| ManifestFile { path: PathBuf::from(name), content: Ok(bytes.to_vec()) };
    let manifest = Manifest { name: "m".into(), source: "s".into(), root: PathBuf::new(), files: vec![file("m.toml", bytes)] };
    let parsed = TomlModules.parse(&manifest, &Environment::with_home("/home/me"));
    assert_eq!(parsed.module.is_none(), parsed.diagnostics.iter().any(Diagnostic::is_error));
    let embedded = [b"# Metadata: START\n".as_slice(), bytes, b"\n# Metadata: END\nmain_module() { :; }\n"].concat();
    let script = b"main_module() { :; }\n";
    for files in [vec![file("m.sh", bytes)], vec![file("m.sh", &embedded)], vec![file("m.sh", script), file("m.conf", bytes)]] {
        let manifest = Manifest { name: "m".into(), source: "s".into(), root: PathBuf::new(), files };
        let parsed = ShellModules.parse(&manifest, &Environment::with_home("/home/me"));
        assert_eq!(parsed.module.is_none(), parsed.diagnostics.iter().any(Diagnostic::is_error));
        if let Some(module) = parsed.module {
            assert_eq!(module.id.as_str(), "m");
            assert!(module.variables.values().all(|value| value.len() <= 64 * 1024 && !value.contains('\0')));
        }
    }
});
