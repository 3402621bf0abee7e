//! The fuzz targets, each for a bounded time.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, root};

/// Files of `fuzz/fuzz_targets`, without their ending.
const TARGETS: &[&str] = &[
    "manifest", "output", "plugins", "record", "settings", "sources",
];

/// Runs every target for so many seconds; the first finding ends it. Sanitizers are left out: the
/// code under test has no `unsafe`.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let seconds: u32 = words
        .first()
        .map_or(Ok(30), |word| word.parse())
        .context("the number of seconds")?;
    if !Command::new(cargo())
        .args(["fuzz", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        bail!("cargo-fuzz is missing: `cargo install cargo-fuzz` brings it");
    }
    for target in TARGETS {
        let mut fuzz = Command::new(cargo());
        fuzz.args([
            "fuzz",
            "run",
            "-s",
            "none",
            target,
            "--",
            &format!("-max_total_time={seconds}"),
            "-timeout=10",
            "-rss_limit_mb=4096",
        ]);
        // The stable compiler builds fuzz targets where it is told to take itself for a nightly
        // one.
        let status = fuzz
            .current_dir(root().join("fuzz"))
            .env("RUSTC_BOOTSTRAP", "1")
            .status()
            .context("cannot run cargo fuzz")?;
        if !status.success() {
            bail!("{target}: {status}; the input is under fuzz/artifacts/{target}");
        }
    }
    Ok(())
}
