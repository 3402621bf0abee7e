//! Web applications: how long it takes to look at everything they have, and what an installer costs
//! beside PHP itself.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use hoist_tests::Application;

use super::{Bench, Row, median, timed};
use crate::run::cargo;

/// So many directories of twenty files each, of two to seven kilobytes.
fn fill(root: &Path, directories: usize) -> Result<()> {
    for number in 0..directories {
        let directory = root.join(format!("pages/part{}/sub{number}", number / 20));
        std::fs::create_dir_all(&directory)?;
        for file in 0..20 {
            let text = format!(
                "<?php // {number} {file}\n{}",
                "x".repeat(2000 + (number * 37 + file * 91) % 5000)
            );
            std::fs::write(directory.join(format!("file{file}.php")), text)?;
        }
    }
    Ok(())
}

/// What was written a moment ago is read again; nobody looks at an application that soon.
fn settle() {
    std::thread::sleep(Duration::from_secs(4));
}

/// How long it takes to look at everything and keep it, and to look once more, a hundred files
/// having changed shortly before.
fn looks(root: &Path, rounds: usize, change: bool) -> Result<(Duration, Duration)> {
    let mut build = Command::new(cargo());
    build
        .args([
            "build",
            "--release",
            "--quiet",
            "--package",
            "hoist-files",
            "--example",
            "look",
        ])
        .current_dir(crate::run::root());
    timed(&mut build)?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for number in 0..if change { 100 } else { 0 } {
            let path = format!("pages/part0/sub{}/file{}.php", number % 20, number / 20);
            std::fs::write(root.join(path), format!("{round} {number}"))?;
        }
        // The look sees what was just written twice: it could be written once more without looking
        // different.
        let output = Command::new(crate::run::root().join("target/release/examples/look"))
            .arg(root)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut took = text
            .lines()
            .filter_map(|line| line.parse().ok())
            .map(Duration::from_micros);
        cold.push(took.next().context("the look failed")?);
        warm.push(took.next().context("the look failed")?);
    }
    Ok((median(cold), median(warm)))
}

/// Looks at 10,000 files, and installs of a module with an installer in an application of 1,500.
pub(crate) fn applications(bench: &Bench) -> Result<Vec<Row>> {
    let place = tempfile::tempdir()?;
    let root = place.path().join("application");
    fill(&root, 500)?;
    settle();
    let (cold, warm) = looks(&root, bench.rounds, true)?;
    let bound = |what: &str, ours, milliseconds| {
        let (what, peer) = (what.to_owned(), "a bound".to_owned());
        Row {
            what,
            ours,
            peer,
            theirs: Duration::from_millis(milliseconds),
            bar: 1.0,
        }
    };
    let mut rows = vec![
        bound("10,000 files looked at and kept", cold, 150),
        bound("the same, a hundred of them changed", warm, 40),
    ];
    let application = Application::new();
    application.usual("Pizza");
    // An application that does something when it starts, as real ones do: 25 milliseconds.
    let mut init = application.read("init.php");
    for number in 0..150 {
        let methods: String = (0..40)
            .map(|method| {
                format!(
                    "    public function m{method}($a) {{ return [$a, '{method}', {number}]; }}\n"
                )
            })
            .collect();
        application.put(
            &format!("class/Part{number}.php"),
            &format!("<?php\nclass Part{number}\n{{\n{methods}}}\n"),
        );
        init += &format!("new Part{number}();\n");
    }
    application.put("init.php", &init);
    fill(&application.root(), 75)?;
    settle();
    let sandbox = &application.sandbox;
    let arguments = format!(
        "install {} --app {} -q",
        application.place("Pizza"),
        application.root().display()
    );
    let hoist = |arguments: &str| -> Command {
        let mut command = sandbox.command(&bench.hoist);
        command.args(arguments.split_whitespace());
        command
    };
    // The first time everything is read and kept.
    timed(&mut hoist(&arguments))?;
    settle();
    let (mut ours, mut php) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds * 2 {
        timed(&mut hoist("uninstall Pizza --yes -q"))?;
        ours.push(timed(&mut hoist(&arguments))?);
        let script = "require 'init.php'; \\Pizza\\PizzaInstaller::install();";
        let mut bare = sandbox.command("php");
        bare.current_dir(application.root()).args(["-r", script]);
        php.push(timed(&mut bare)?);
    }
    let (_, picture) = looks(&sandbox.home().join("site"), bench.rounds, false)?;
    let theirs = median(php).mul_f64(1.5) + picture * 2;
    rows.push(Row {
        what: "a module with an installer, 1,650 files watched".to_owned(),
        ours: median(ours),
        peer: "1.5 × the bare call of PHP, and two looks".to_owned(),
        theirs,
        bar: 1.0,
    });
    Ok(rows)
}
