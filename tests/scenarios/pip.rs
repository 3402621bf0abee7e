//! `pip` with small real packages.

use hoist_tests::{Module, Sandbox, has};

fn pip(name: &str) -> Module {
    Module::new(name).method("pip").field("INSTALL_DIRS", "$HOME/.local")
}

#[test]
fn packages_of_one_target_are_one_call_and_each_has_its_own_outcome() {
    if !has("pip3") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&pip("cowsay").field("TEST_BINARIES", "cowsay"));
    sandbox.add(&pip("tabulate").field("TEST_BINARIES", "tabulate"));
    sandbox.add(&pip("by-name").field("PACKAGES", "iniconfig>=1"));
    sandbox.add(&pip("no-such").field("PACKAGES", "hoist-package-that-does-not-exist"));
    sandbox.add(&Module::new("user").depends("cowsay").main("cowsay -t hi >\"$HOME/said\""));
    let ran = sandbox.json("install").exits(3);
    let statuses = ran.statuses();
    for name in ["cowsay", "tabulate", "by-name", "user"] {
        assert_eq!(statuses[name], "installed", "{statuses:?}\n{}", ran.stderr);
    }
    assert!(ran.finished("no-such")["reason"].as_str().unwrap().contains("pip install failed"), "{}", ran.stdout);
    assert!(sandbox.read("said").contains("hi"));
    let again = sandbox.json("install cowsay tabulate by-name").exits(0).statuses();
    assert!(again.values().all(|status| status == "unchanged"), "{again:?}");
    assert!(sandbox.json("info cowsay").document()["version"].is_string());
}

#[test]
fn a_good_batch_is_one_call_of_pip() {
    if !has("pip3") || !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&pip("cowsay")).add(&pip("iniconfig")).add(&pip("tabulate"));
    let (ran, calls) = sandbox.traced("install --output json", "execve");
    let ran = ran.exits(0);
    assert!(ran.statuses().values().all(|status| status == "installed"), "{}", ran.stdout);
    // Wrappers of pip start pip once more with the same words; another call would have other words.
    let words =
        calls.iter().filter(|call| call.contains("\"install\"")).filter_map(|call| call.split("\"--\", ").nth(1)?.split(']').next());
    let words: std::collections::BTreeSet<&str> = words.collect();
    assert_eq!(words.into_iter().collect::<Vec<_>>(), ["\"cowsay\", \"iniconfig\", \"tabulate\""]);
    // What an undo would remove of them is shown before.
    sandbox.hoist("undo --dry-run").exits(0).says("cowsay: the Python package cowsay");
}

#[test]
fn another_directory_and_the_helper_work() {
    if !has("pip3") {
        return;
    }
    let sandbox = Sandbox::named("my home");
    sandbox.add(&Module::new("cowsay").method("pip").field("INSTALL_DIRS", "$HOME/tools").field("TEST_BINARIES", "cowsay"));
    let helper = Module::new("helper").field("INSTALL_METHOD", "pip").field("INSTALL_DIRS", "$HOME/.local");
    sandbox.add(&helper.main("install_via_pip \"$MODULE_NAME\" iniconfig"));
    sandbox.hoist("install").exits(0);
    assert!(sandbox.has("tools/bin/cowsay"));
    sandbox.hoist("test").exits(0);
}
