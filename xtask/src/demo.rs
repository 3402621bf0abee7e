//! The first command of the README in a home directory of its own, to look at.

use anyhow::{Result, bail};

use crate::run::{cargo, root};

/// Installs the example, tests it, and lists it.
pub(crate) fn run() -> Result<()> {
    let home = tempfile::Builder::new().prefix("hoist-demo-").tempdir()?;
    // Cargo and rustup keep their own places in the real home.
    let real = std::env::var("HOME").unwrap_or_default();
    let keep = |variable: &str, name: &str| {
        std::env::var(variable).unwrap_or_else(|_| format!("{real}/{name}"))
    };
    for words in ["install", "test", "list"] {
        let mut command = std::process::Command::new(cargo());
        command
            .args([
                "run",
                "--release",
                "--quiet",
                "--package",
                "hoist",
                "--",
                "-C",
                "examples/workstation",
                words,
            ])
            .current_dir(root());
        command
            .env("HOME", home.path())
            .env("CARGO_HOME", keep("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", keep("RUSTUP_HOME", ".rustup"));
        let status = command.status()?;
        if !status.success() {
            bail!("hoist {words}: {status}");
        }
    }
    Ok(())
}
