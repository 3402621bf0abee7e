//! What is already there: decided from the ledger and the declared checks; and `hoist test`.

use hoist_tests::{Module, Sandbox, has};

#[test]
fn a_second_install_says_unchanged_and_starts_nothing() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("plain").main("echo x >>\"$HOME/runs\""));
    sandbox.add(
        &Module::new("files")
            .field("TEST_FILES", "$HOME/f")
            .main("touch \"$HOME/f\"; echo x >>\"$HOME/runs\""),
    );
    sandbox.add(
        &Module::new("tool")
            .field("TEST_BINARIES", "tool")
            .main("mkdir -p ~/.local/bin; ln -s /bin/true ~/.local/bin/tool"),
    );
    sandbox.add(&Module::new("uses-tool").depends("tool").main("tool"));
    sandbox.hoist("install").exits(0);
    let (ran, calls) = sandbox.traced("install --output json", "execve,execveat");
    assert!(
        ran.exits(0)
            .statuses()
            .values()
            .all(|status| status == "unchanged")
    );
    assert_eq!(calls.len(), 1, "only hoist itself: {calls:?}");
    assert_eq!(sandbox.read("runs"), "x\nx\n");
}

#[test]
fn what_is_gone_is_repaired() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("files")
            .field("TEST_FILES", "$HOME/f")
            .main("touch \"$HOME/f\""),
    );
    sandbox.hoist("install").exits(0);
    std::fs::remove_file(sandbox.home().join("f")).unwrap();
    sandbox
        .hoist("plan install")
        .exits(0)
        .says("repair")
        .says("is missing");
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["files"],
        "installed"
    );
    assert!(sandbox.has("f"));
}

#[test]
fn what_was_there_before_hoist_is_kept_and_known() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.home().join("f"), "mine").unwrap();
    sandbox.add(
        &Module::new("files")
            .field("TEST_FILES", "$HOME/f")
            .main("echo theirs >\"$HOME/f\""),
    );
    let ran = sandbox.json("install").exits(0);
    assert_eq!(
        (
            ran.finished("files")["status"].as_str(),
            ran.finished("files")["reason"].as_str()
        ),
        (
            Some("unchanged"),
            Some("its declared files already exist; add --force to run main_module")
        )
    );
    assert_eq!(sandbox.read("f"), "mine");
    assert_eq!(
        sandbox.json("info files").exits(0).document()["installed"]["adopted"],
        true
    );
    sandbox.hoist("install --force").exits(0);
    assert_eq!(sandbox.read("f"), "theirs\n");
}

#[test]
fn a_function_is_asked_where_nothing_else_is_declared() {
    let sandbox = Sandbox::new();
    let body = "main_module() { echo x >>\"$HOME/runs\"; touch \"$HOME/f\"; }\ncheck_module_installed() { [[ -e $HOME/f ]]; }\n";
    sandbox.add(&Module::new("asked").body(body));
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["asked"],
        "installed"
    );
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["asked"],
        "unchanged"
    );
    std::fs::remove_file(sandbox.home().join("f")).unwrap();
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["asked"],
        "installed"
    );
    assert_eq!(sandbox.read("runs"), "x\nx\n");
}

#[test]
fn test_verifies_by_function_or_by_dirs_files_binaries_and_command() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("by-function").field("TEST_FILES", "$HOME/f").body(
            "main_module() { touch \"$HOME/f\"; }\ncheck_module_installed() { echo asked >>\"$HOME/asked\"; [[ ! -e $HOME/bad ]]; }\n",
        ),
    );
    sandbox.add(&Module::new("by-command").field("TEST_COMMAND", "test ! -e $HOME/bad"));
    sandbox.add(
        &Module::new("by-dir")
            .field("TEST_DIRS", "$HOME/d")
            .main("mkdir -p \"$HOME/d\""),
    );
    sandbox.add(&Module::new("by-binary").field("TEST_BINARIES", "bash"));
    sandbox.add(&Module::new("by-nothing"));
    sandbox.add(
        &Module::new("not-installed")
            .tier("optional")
            .field("TEST_FILES", "$HOME/no"),
    );
    sandbox.hoist("test").exits(0).says("Nothing to do");
    sandbox.hoist("install").exits(0);
    let passed = sandbox.json("test").exits(0).statuses();
    assert_eq!(passed.len(), 5);
    let unverified: Vec<&String> = passed
        .iter()
        .filter(|(_, status)| *status != "passed")
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        (unverified.as_slice(), passed["by-nothing"].as_str()),
        ([&"by-nothing".to_owned()].as_slice(), "unverified")
    );
    assert_eq!(
        sandbox.read("asked"),
        "asked\nasked\n",
        "once behind the install, once for the test"
    );
    std::fs::write(sandbox.home().join("bad"), "").unwrap();
    std::fs::remove_dir(sandbox.home().join("d")).unwrap();
    let failed = sandbox.json("test").exits(3).statuses();
    let failed: Vec<&str> = failed
        .iter()
        .filter(|(_, status)| *status == "failed")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(failed, ["by-command", "by-dir", "by-function"]);
    sandbox.json("test by-binary").exits(0);
    sandbox.hoist("test not-installed").exits(3).says("missing");
    sandbox.hoist("test nothing").exits(2);
}

#[test]
fn a_core_module_that_fails_its_test_makes_the_exit_code_one() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("core")
            .tier("core")
            .field("TEST_FILES", "$HOME/f")
            .main("touch \"$HOME/f\""),
    );
    sandbox.add(
        &Module::new("other")
            .field("TEST_FILES", "$HOME/g")
            .main("touch \"$HOME/g\""),
    );
    sandbox.hoist("install").exits(0);
    std::fs::remove_file(sandbox.home().join("f")).unwrap();
    let ran = sandbox.json("test").exits(1);
    assert_eq!(
        (
            ran.statuses()["core"].as_str(),
            ran.statuses()["other"].as_str()
        ),
        ("failed", "passed")
    );
}
