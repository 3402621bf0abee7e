//! Packages of many modules against one call written by hand.

use std::process::Command;

use anyhow::{Result, bail};
use hoist_tests::{AptRepository, Module, Sandbox};

use super::{Bench, Row, interleaved, timed};

const COUNT: usize = 12;

/// Twelve small wheels that stand in a directory.
pub(crate) fn pip(bench: &Bench) -> Result<Vec<Row>> {
    let mut sandbox = Sandbox::new();
    let wheels = sandbox.path("wheels");
    std::fs::create_dir(&wheels)?;
    let make = r#"
import sys, zipfile
for n in range(int(sys.argv[2])):
    name = f"hoist_bench_{n}"
    with zipfile.ZipFile(f"{sys.argv[1]}/{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        info = f"{name}-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
"#;
    timed(
        Command::new("python3")
            .args(["-c", make])
            .arg(&wheels)
            .arg(COUNT.to_string()),
    )?;
    sandbox.set("PIP_FIND_LINKS", &wheels.display().to_string());
    sandbox.set("PIP_NO_INDEX", "1");
    let names: Vec<String> = (0..COUNT)
        .map(|number| format!("hoist-bench-{number}"))
        .collect();
    for name in &names {
        sandbox.add(
            &Module::new(name)
                .method("pip")
                .field("INSTALL_DIRS", "$HOME/.local"),
        );
    }
    let forget = || drop(std::fs::remove_dir_all(sandbox.home().join(".local")));
    let (ours, theirs) = interleaved(
        bench.rounds,
        |_| {
            forget();
            timed(sandbox.command(&bench.hoist).args(["install", "--quiet"]))
        },
        |_| {
            forget();
            let mut pip = sandbox.command("pip3");
            pip.args(["install", "--user", "--quiet", "--no-warn-script-location"])
                .args(&names);
            timed(
                pip.env("PYTHONUSERBASE", sandbox.home().join(".local"))
                    .env("PIP_BREAK_SYSTEM_PACKAGES", "1"),
            )
        },
    )?;
    Ok(vec![Row {
        what: format!("{COUNT} pip modules"),
        ours,
        peer: "one `pip3 install` of the same".into(),
        theirs,
        bar: 1.15,
    }])
}

/// Twelve tiny Debian packages, installed for real and removed again.
pub(crate) fn apt(bench: &Bench) -> Result<Vec<Row>> {
    let names: Vec<String> = (0..COUNT)
        .map(|number| format!("hoist-bench-{number}"))
        .collect();
    let repository = AptRepository::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut sandbox = Sandbox::new();
    sandbox.set("APT_CONFIG", &repository.config().display().to_string());
    sandbox.set("DEBIAN_FRONTEND", "noninteractive");
    for name in &names {
        sandbox.add(&Module::new(name).method("package_manager"));
    }
    timed(sandbox.command("apt-get").arg("update"))?;
    let forget = || -> Result<()> {
        let _ = std::fs::remove_dir_all(sandbox.home().join(".local"));
        let purged = sandbox
            .command("dpkg")
            .arg("--purge")
            .args(&names)
            .output()?;
        if !purged.status.success() {
            bail!("dpkg --purge: {}", String::from_utf8_lossy(&purged.stderr));
        }
        Ok(())
    };
    let (ours, theirs) = interleaved(
        bench.rounds,
        |_| {
            forget()?;
            timed(sandbox.command(&bench.hoist).args(["install", "--quiet"]))
        },
        |_| {
            forget()?;
            timed(
                sandbox
                    .command("apt-get")
                    .args(["install", "-y", "-q"])
                    .args(&names),
            )
        },
    )?;
    Ok(vec![Row {
        what: format!("{COUNT} apt modules"),
        ours,
        peer: "one `apt-get install` of the same".into(),
        theirs,
        bar: 1.15,
    }])
}
