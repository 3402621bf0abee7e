//! Twice or ten times as much, against twice or ten times what the smaller takes.

use std::time::Duration;

use anyhow::Result;
use hoist_tests::{Application, Module, Sandbox};

use super::{Bench, Row, timed};

/// A ratio to the smaller of at most this is linear; the rest is what differs from one run to the
/// next.
const LINEAR: f64 = 1.3;

/// How long each of some commands takes, one after the other.
fn times<const N: usize>(
    bench: &Bench,
    sandbox: &Sandbox,
    commands: [&str; N],
) -> Result<[Duration; N]> {
    let mut times = [Duration::ZERO; N];
    for (time, command) in times.iter_mut().zip(commands) {
        *time = timed(
            sandbox
                .command(&bench.hoist)
                .args(command.split_whitespace()),
        )?;
    }
    Ok(times)
}

fn rows<const N: usize>(
    what: [String; N],
    times: [Duration; N],
    smaller: [Duration; N],
    factor: u32,
) -> Vec<Row> {
    let row = |(what, (ours, smaller)): (String, (Duration, Duration))| {
        let peer = format!("{factor} × the time of a {factor}th");
        Row {
            what,
            ours,
            peer,
            theirs: smaller * factor,
            bar: LINEAR,
        }
    };
    what.into_iter()
        .zip(times.into_iter().zip(smaller))
        .map(row)
        .collect()
}

fn within(what: &str, ours: Duration, seconds: u64) -> Row {
    Row {
        what: what.to_owned(),
        ours,
        peer: "a bound".to_owned(),
        theirs: Duration::from_secs(seconds),
        bar: 1.0,
    }
}

/// Many modules removed and undone, many files of one module, and an archive with many files.
pub(crate) fn scaling(bench: &Bench) -> Result<Vec<Row>> {
    // First: some file systems are slow to make files after many were removed.
    let archive = |count: usize| -> Result<[Duration; 2]> {
        let application = Application::new();
        application.offer("Big/module-info.yml", "version: 1\n");
        for number in 0..count {
            application.offer(
                &format!("Big/d{}/f{number}.php", number / 100),
                &format!("<?php // {number}\n"),
            );
        }
        let home = application.sandbox.home();
        timed(
            application
                .sandbox
                .command("tar")
                .args(["-czf", "Big.tar.gz", "-C", "modules", "Big"])
                .current_dir(&home),
        )?;
        let install = format!(
            "install {}/Big.tar.gz --app {} --quiet",
            home.display(),
            application.root().display()
        );
        times(
            bench,
            &application.sandbox,
            [&install, "uninstall Big --quiet --yes"],
        )
    };
    let ([smaller, smaller_removal], [install, uninstall]) = (archive(5000)?, archive(20_000)?);
    let what = ["an archive of 20,000 files installed", "and removed"].map(str::to_owned);
    let mut all = rows(what, [install, uninstall], [smaller, smaller_removal], 4);
    all.push(within("an archive of 20,000 files installed", install, 2));
    let modules = |count: usize| {
        let sandbox = Sandbox::new();
        for number in 0..count {
            sandbox.add(&Module::new(&format!("m{number:05}")));
        }
        times(
            bench,
            &sandbox,
            [
                "install --quiet",
                "undo --quiet --yes",
                "install --quiet",
                "uninstall --all --quiet --yes",
            ],
        )
    };
    let ([_, smaller_undo, _, smaller], [_, undo, _, uninstall]) =
        (modules(1000)?, modules(10_000)?);
    let what = [
        "10,000 modules removed",
        "the install of 10,000 modules undone",
    ]
    .map(str::to_owned);
    all.extend(rows(what, [uninstall, undo], [smaller, smaller_undo], 10));
    all.push(within("10,000 modules removed", uninstall, 20));
    let files = |count: usize| {
        let sandbox = Sandbox::new();
        let make = format!(
            "mkdir -p ~/.files/d{{0..99}}; for i in $(seq {count}); do echo $i >~/.files/d$((i % 100))/$i; done"
        );
        sandbox.add(
            &Module::new("files")
                .field("INSTALL_DIRS", "$HOME/.files")
                .field("UNINSTALL_DIRS", "$HOME/.files")
                .main(&make),
        );
        times(
            bench,
            &sandbox,
            [
                "install --quiet",
                "uninstall --all --quiet --yes",
                "undo --quiet --yes",
            ],
        )
    };
    let ([_, smaller, smaller_undo], [_, uninstall, undo]) = (files(10_000)?, files(100_000)?);
    let what = ["a module of 100,000 files removed", "and that undone"].map(str::to_owned);
    all.extend(rows(what, [uninstall, undo], [smaller, smaller_undo], 10));
    Ok(all)
}
