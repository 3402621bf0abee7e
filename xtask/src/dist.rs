//! A program for hosts: statically linked, so that it runs whatever C library they have.

use anyhow::{Context, Result, bail};

use crate::run::{cargo, root};

/// Builds it, and says where it is.
#[expect(clippy::print_stdout, reason = "the path is for people and programs")]
pub(crate) fn run() -> Result<()> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    // With a target of its own, macros of the build are not linked like this.
    let mut build = std::process::Command::new(cargo());
    build
        .args([
            "build",
            "--profile",
            "dist",
            "--package",
            "hoist",
            "--target",
            &target,
        ])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let status = build
        .current_dir(root())
        .status()
        .context("cannot run cargo build")?;
    if !status.success() {
        bail!("the build failed: {status}");
    }
    let built = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), std::path::PathBuf::from)
        .join(&target)
        .join("dist/hoist");
    let needs = std::process::Command::new("ldd")
        .arg(&built)
        .output()
        .context("cannot run ldd")?;
    let needs = String::from_utf8_lossy(&needs.stdout).trim().to_owned();
    if !needs.contains("statically linked") {
        bail!("{} is not statically linked: {needs}", built.display());
    }
    println!("{}", built.display());
    Ok(())
}
