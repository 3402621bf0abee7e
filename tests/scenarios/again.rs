//! `hoist install --resume` and `hoist retry`.

use hoist_tests::{Module, Sandbox};

#[test]
fn what_was_not_finished_is_resumed_and_what_failed_is_tried_again() {
    let sandbox = Sandbox::new();
    sandbox.hoist("retry").exits(2).says("no past runs");
    sandbox.add(&Module::new("done").main("echo done >>~/ran"));
    sandbox.add(&Module::new("bad").main("echo bad >>~/ran; [[ -e ~/ready ]]"));
    sandbox.add(&Module::new("user").depends("bad").main("echo user >>~/ran"));
    sandbox.add(&Module::new("extra").tier("optional"));
    sandbox.hoist("install --with extra -j1").exits(3);
    sandbox.add(&Module::new("unrelated").main("echo never >>~/ran"));
    std::fs::write(sandbox.home().join("ready"), "").unwrap();
    let resumed = sandbox.json("install --resume").exits(0).statuses();
    assert_eq!(resumed.keys().collect::<Vec<_>>(), ["bad", "user"]);
    assert_eq!(
        sandbox
            .read("ran")
            .lines()
            .filter(|line| *line == "done")
            .count(),
        1
    );
    assert!(!sandbox.read("ran").contains("never"));
    sandbox
        .hoist("retry")
        .exits(0)
        .says("No failed modules to retry");
}

#[test]
fn what_failed_stays_to_be_tried_again_until_it_is_done() {
    let sandbox = Sandbox::new();
    sandbox
        .add(&Module::new("bad").main("[[ -e ~/ready ]]"))
        .add(&Module::new("other"));
    sandbox.hoist("install").exits(3);
    // Other runs in between do not make it forgotten.
    sandbox.hoist("install other").exits(0);
    sandbox.hoist("update other").exits(0);
    sandbox
        .hoist("doctor")
        .exits(3)
        .says("problem")
        .says("modules whose last change failed");
    let again = sandbox.json("retry").exits(3).statuses();
    assert_eq!(again.keys().collect::<Vec<_>>(), ["bad"]);
    std::fs::write(sandbox.home().join("ready"), "").unwrap();
    assert_eq!(
        sandbox.json("retry").exits(0).statuses()["bad"],
        "installed"
    );
    sandbox
        .hoist("retry")
        .exits(0)
        .says("No failed modules to retry");
}

#[test]
fn what_is_tried_again_is_what_was_asked() {
    let sandbox = Sandbox::new();
    let module = Module::new("m")
        .field("INSTALL_DIRS", "$HOME/.m")
        .field("TEST_FILES", "$HOME/.m/file");
    sandbox.add(&module.main("[[ -e ~/ready ]] || return 1; mkdir -p ~/.m; echo 1 >~/.m/file"));
    let ready = sandbox.put("ready", "");
    sandbox.hoist("install").exits(0);
    std::fs::remove_file(&ready).unwrap();
    sandbox.hoist("install m --force").exits(3);
    // It is as it was, so that a plain install would have nothing to do.
    assert!(sandbox.has(".m/file"));
    assert_eq!(
        sandbox.json("list").exits(0).document()[0]["state"],
        "installed"
    );
    std::fs::write(&ready, "").unwrap();
    assert_eq!(
        sandbox.json("retry").exits(0).statuses()["m"],
        "installed",
        "--force was asked"
    );
}

#[test]
fn what_came_along_is_not_asked_for_by_a_retry() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("dep")
            .tier("optional")
            .main("[[ -e ~/mended ]] || exit 1; touch ~/dep"),
    );
    sandbox.add(
        &Module::new("top")
            .tier("optional")
            .depends("dep")
            .main("touch ~/top"),
    );
    sandbox.hoist("install top").exits(3);
    sandbox.put("mended", "");
    sandbox.hoist("retry").exits(0);
    assert!(sandbox.has("top") && sandbox.has("dep"));
    let is_asked = |name: &str| {
        sandbox.json(&format!("info {name}")).exits(0).document()["installed"]["asked"].clone()
    };
    assert_eq!(
        (is_asked("top"), is_asked("dep")),
        (true.into(), false.into())
    );
}
