//! Manifests with what they mean, or what is wrong with them: a directory each, with the result in
//! `expected`.
//!
//! `HOIST_UPDATE_CORPUS=1 cargo test -p hoist-core` writes the results anew; read the difference
//! before it is committed.

use std::fs;
use std::path::{Path, PathBuf};

use hoist_core::format::Format;
use hoist_core::format::shell::ShellModules;
use hoist_core::{Diagnostic, Environment, Manifest, ManifestFile, Parsed};

fn cases(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/manifests")
        .join(kind);
    let mut cases: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
}

fn read(case: &Path) -> Parsed {
    let mut files: Vec<PathBuf> = fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("expected"))
        .collect();
    files.sort_by_key(|path| path.extension() != Some("sh".as_ref()));
    let name = files[0].file_stem().unwrap().to_string_lossy().into_owned();
    let place = |path: &PathBuf| Path::new("/c/modules").join(path.file_name().unwrap());
    let files = files
        .iter()
        .map(|path| ManifestFile {
            path: place(path),
            content: Ok(fs::read(path).unwrap()),
        })
        .collect();
    let manifest = Manifest {
        name,
        source: "c".into(),
        root: "/c".into(),
        files,
    };
    let environment = [("HOME", "/home/me"), ("MODULE_INHERITED", "evil")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    ShellModules.parse(&manifest, &environment.into_iter().collect::<Environment>())
}

/// What a case came to, as text: the module's facts, then the diagnostics.
fn told(parsed: &Parsed) -> String {
    let mut text = String::new();
    if let Some(module) = &parsed.module {
        let facts = serde_json::json!({
            "tier": module.tier, "requires": module.requires, "method": module.method, "recipe": module.recipe, "paths": module.paths,
            "checks": module.checks, "timeout": module.timeout.map(|timeout| timeout.as_secs()),
        });
        text += &serde_json::to_string_pretty(&facts).unwrap();
        text += "\n";
        let fixed = [
            "MODULE_NAME",
            "MODULE_DESCRIPTION",
            "MODULE_ENABLED_BY_DEFAULT",
            "MODULE_IS_CORE",
            "MODULE_INSTALL_METHOD",
        ];
        let plain = |name: &str, value: &str| {
            value.is_empty() || fixed.contains(&name) && value != "conf" && value != "sh"
        };
        for (name, value) in module
            .variables
            .iter()
            .filter(|(name, value)| !plain(name, value))
        {
            text += &format!("{name}={value:?}\n");
        }
    }
    let line = |diagnostic: &Diagnostic| {
        format!("{diagnostic}\n")
            .chars()
            .take(400)
            .collect::<String>()
    };
    text += &parsed.diagnostics.iter().map(line).collect::<String>();
    text
}

fn check(kind: &str, valid: bool) {
    let update = std::env::var_os("HOIST_UPDATE_CORPUS").is_some();
    let mut wrong = Vec::new();
    let cases = cases(kind);
    for case in &cases {
        let parsed = read(case);
        assert_eq!(
            parsed.module.is_some(),
            valid,
            "{}: {:#?}",
            case.display(),
            parsed.diagnostics
        );
        assert_eq!(
            parsed.diagnostics.iter().any(Diagnostic::is_error),
            !valid,
            "{}",
            case.display()
        );
        for diagnostic in &parsed.diagnostics {
            assert!(
                diagnostic.file.is_some()
                    && diagnostic.help.is_some()
                    && diagnostic.module.is_some(),
                "{}: {diagnostic:?}",
                case.display()
            );
        }
        let told = told(&parsed);
        if update {
            fs::write(case.join("expected"), &told).unwrap();
        } else if fs::read_to_string(case.join("expected")).ok().as_ref() != Some(&told) {
            wrong.push(format!("{}:\n{told}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 60, "{} cases", cases.len());
}

#[test]
fn valid_manifests_mean_what_is_written_beside_them() {
    check("valid", true);
}

#[test]
fn invalid_manifests_say_what_is_written_beside_them() {
    check("invalid", false);
}

/// What bash itself makes of the same assignments: the reading agrees with it for every valid
/// embedded block.
#[test]
fn bash_assigns_the_same_values() {
    for case in cases("valid")
        .into_iter()
        .filter(|case| !case.join("m.conf").exists())
    {
        let module = read(&case).module.unwrap();
        let script = fs::read(case.join("m.sh")).unwrap();
        let text = String::from_utf8_lossy(&script);
        let upper = text.find("START").unwrap();
        let start = upper + text[upper..].find('\n').unwrap();
        let end = text[..text.find("END").unwrap()].rfind('\n').unwrap();
        let program = format!(
            "{}\nfor name in ${{!MODULE_*}}; do printf '%s=%s\\0' \"$name\" \"${{!name}}\"; done",
            &text[start..end]
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &program])
            .env_clear()
            .env("HOME", "/home/me")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", case.display());
        let values = String::from_utf8(output.stdout).unwrap();
        for assignment in values
            .split('\0')
            .filter(|assignment| !assignment.is_empty())
        {
            let (name, value) = assignment.split_once('=').unwrap();
            assert_eq!(
                module.variables.get(name).map(String::as_str),
                Some(value),
                "{}: {name}",
                case.display()
            );
        }
    }
}
