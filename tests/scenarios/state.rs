//! What hoist keeps of past runs, and for how long.

use hoist_tests::{Module, Sandbox};

/// Number of directories of runs.
fn records(sandbox: &Sandbox) -> usize {
    std::fs::read_dir(sandbox.home().join(".local/state/hoist/runs"))
        .unwrap()
        .count()
}

#[test]
fn past_runs_are_kept_as_long_as_they_are_needed() {
    let sandbox = Sandbox::new();
    sandbox.write("hoist.yml", "keep_runs: 3\n");
    let kept = sandbox.home().join(".local/state/hoist/runs/notes");
    sandbox.add(&Module::new("broken").main("test -e ~/mended"));
    sandbox.hoist("install broken").exits(3);
    std::fs::create_dir_all(&kept).unwrap();
    // Runs that change something, runs that only look, and runs with nothing to do.
    for number in 0..6 {
        let module = Module::new(&format!("m{number}"));
        sandbox.add(
            &module
                .field("INSTALL_DIRS", &format!("$HOME/.m{number}"))
                .main(&format!("mkdir ~/.m{number}")),
        );
        sandbox.hoist(&format!("install m{number}")).exits(0);
        sandbox.hoist("test m0").exits(0);
    }
    for _ in 0..4 {
        sandbox.hoist("test m1").exits(0);
        sandbox.hoist("install m0").exits(0);
    }
    assert!(kept.exists(), "what hoist did not make stays");
    // Three that can be undone, one that left something to be done, and the newest three.
    assert!(
        records(&sandbox) <= 1 + 3 + 1 + 3,
        "{} directories",
        records(&sandbox)
    );
    let history = sandbox.hoist("history").exits(0);
    let lines = history.stdout.lines().count();
    assert!((5..=8).contains(&lines), "{}", history.stdout);
    // What failed long ago and was not done since can be retried.
    std::fs::write(sandbox.home().join("mended"), "").unwrap();
    sandbox.hoist("retry").exits(0).says("broken");
    sandbox
        .hoist("retry")
        .exits(0)
        .says("No failed modules to retry");
    let retried = sandbox.hoist("history").exits(0).stdout.lines().count();
    assert!(
        retried <= 7,
        "nothing is left to be done of the run that failed"
    );
    // As many runs that changed something can be undone as are kept.
    sandbox.hoist("undo --yes").exits(0);
    for number in [5, 4] {
        assert!(sandbox.has(&format!(".m{number}")));
        sandbox.hoist("undo --yes").exits(0);
    }
    assert!(!sandbox.has(".m5"));
    assert!(sandbox.has(".m0"));
    sandbox.hoist("list").exits(0).says("m0");
}
