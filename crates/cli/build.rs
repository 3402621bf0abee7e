//! Adds the commit, its date and the target to the version.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let target = env::var("TARGET").unwrap_or_default();
    let commit = commit()
        .map(|commit| format!("{commit} "))
        .unwrap_or_default();
    let short = if commit.is_empty() {
        version.clone()
    } else {
        format!("{version} ({})", commit.trim_end())
    };
    println!("cargo::rustc-env=HOIST_VERSION_SHORT={short}");
    println!("cargo::rustc-env=HOIST_VERSION_LONG={version} ({commit}{target})");
}

/// Abbreviated hash and date of the commit that is being built. `None` outside of the project's own
/// repository.
fn commit() -> Option<String> {
    if git(&["rev-parse", "--show-prefix"])? != "crates/cli/" {
        return None;
    }
    // Both files change when another commit is checked out, and when one is made.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--path-format=absolute", "--git-path", file])?;
        if std::path::Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["log", "-1", "--format=%h %cs", "--abbrev=9"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
