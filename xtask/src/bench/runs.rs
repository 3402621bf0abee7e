//! Whole runs of the binary: many small modules, many manifests, many clones.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use hoist_tests::{GitFixture, Module, Sandbox, Server};

use super::{Bench, Row, interleaved, median, timed};

fn collection(count: usize, depends: impl Fn(usize) -> String) -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..count {
        sandbox.add(&Module::new(&format!("m{number:05}")).depends(&depends(number)));
    }
    sandbox
}

fn hoist(bench: &Bench, sandbox: &Sandbox, words: &[&str]) -> Command {
    let mut command = sandbox.command(&bench.hoist);
    command.args(words);
    command
}

fn forget(sandbox: &Sandbox) {
    let _ = std::fs::remove_dir_all(sandbox.home().join(".local"));
}

/// A thousand modules whose `main_module` does nothing, against the least that runs them: xargs and
/// bash.
pub(crate) fn custom(bench: &Bench) -> Result<Vec<Row>> {
    let sandbox = collection(1000, |_| String::new());
    let peer = "ls modules/*.sh | xargs -P2 -n1 bash -c 'source \"$0\"; main_module'";
    let (ours, theirs) = interleaved(
        bench.rounds,
        |_| {
            forget(&sandbox);
            timed(&mut hoist(bench, &sandbox, &["install", "--quiet"]))
        },
        |_| timed(sandbox.command("bash").args(["-c", peer])),
    )?;
    let first = Row {
        what: "1,000 modules with an empty main_module".into(),
        ours,
        peer: "`xargs -P2 bash` on the same files".into(),
        theirs,
        bar: 1.3,
    };
    let again: Vec<Duration> = (0..bench.rounds * 3)
        .map(|_| timed(&mut hoist(bench, &sandbox, &["install", "--quiet"])))
        .collect::<Result<_>>()?;
    let bound = Duration::from_millis(40);
    let again = Row {
        what: "the same again, all installed".into(),
        ours: median(again),
        peer: "a bound".into(),
        theirs: bound,
        bar: 1.0,
    };
    Ok(vec![first, again])
}

/// Ten thousand manifests read, resolved and planned.
pub(crate) fn plan(bench: &Bench) -> Result<Vec<Row>> {
    let sandbox = collection(10_000, |number| {
        if number % 10 == 0 {
            String::new()
        } else {
            format!("m{:05} m{:05}", number - 1, number / 2)
        }
    });
    let times: Vec<Duration> = (0..bench.rounds)
        .map(|_| timed(&mut hoist(bench, &sandbox, &["plan", "install"])))
        .collect::<Result<_>>()?;
    let bound = Duration::from_millis(500);
    Ok(vec![Row {
        what: "10,000 modules read, resolved, planned".into(),
        ours: median(times),
        peer: "a bound".into(),
        theirs: bound,
        bar: 1.0,
    }])
}

/// Shallow clones from a server that is a round trip of 40 ms away.
pub(crate) fn clones(bench: &Bench) -> Result<Vec<Row>> {
    const COUNT: usize = 24;
    let fixture = GitFixture::new();
    let sandbox = Sandbox::new();
    let server = Server::git(fixture.root(), Duration::from_millis(40));
    for number in 0..COUNT {
        fixture.repository(&format!("r{number}"), 3);
        let module = Module::new(&format!("r{number}"))
            .method("git_clone")
            .field("INSTALL_REPO", &server.url(&format!("/r{number}.git")));
        sandbox.add(
            &module
                .field("INSTALL_DIRS", &format!("$HOME/clones/r{number}"))
                .field("INSTALL_ARGS", "--depth=1"),
        );
    }
    let script = format!(
        "seq 0 {} | xargs -P24 -I@ git clone -q --depth=1 {} \"$HOME/clones/r@\"",
        COUNT - 1,
        server.url("/r@.git")
    );
    let clear = |sandbox: &Sandbox| {
        forget(sandbox);
        let _ = std::fs::remove_dir_all(sandbox.home().join("clones"));
    };
    let (ours, theirs) = interleaved(
        bench.rounds,
        |_| {
            clear(&sandbox);
            timed(&mut hoist(
                bench,
                &sandbox,
                &["install", "--quiet", "--jobs", "24"],
            ))
        },
        |_| {
            clear(&sandbox);
            timed(sandbox.command("bash").args(["-c", &script]))
        },
    )?;
    debug_assert!(Path::new(&sandbox.home().join("clones/r0/file")).exists());
    Ok(vec![Row {
        what: format!("{COUNT} shallow clones, each answer 40 ms late"),
        ours,
        peer: "`xargs -P24 git clone --depth=1`".into(),
        theirs,
        bar: 1.15,
    }])
}
