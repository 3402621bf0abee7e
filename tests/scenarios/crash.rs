//! A hoist that is killed, and two hoists at once.

use std::time::Duration;

use hoist_tests::{GitFixture, Module, Sandbox, Server, has, ran};

#[test]
fn an_install_that_was_cut_off_never_counts_as_done() {
    let sandbox = Sandbox::new();
    let body = "echo x >>\"$HOME/runs\"; mkdir -p \"$HOME/made\"; [[ -e $HOME/again ]] || { touch \"$HOME/up\"; sleep 3; }; touch \"$HOME/made/whole\"";
    sandbox.add(
        &Module::new("subject")
            .field("INSTALL_DIRS", "$HOME/made")
            .field("TEST_DIRS", "$HOME/made")
            .main(body),
    );
    let mut child = sandbox.start("install");
    while !sandbox.has("up") {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sandbox.json("list").document()[0]["state"], "interrupted");
    sandbox
        .hoist("doctor")
        .exits(3)
        .says("was interrupted")
        .says("rolls them back");
    std::fs::write(sandbox.home().join("again"), "").unwrap();
    let ran = sandbox
        .hoist("install")
        .exits(0)
        .says("a previous run was interrupted while it changed subject");
    drop(ran);
    assert_eq!(
        sandbox.read("runs"),
        "x\nx\n",
        "its directory was there, and it was installed again all the same"
    );
    assert_eq!(
        sandbox.json("history").document()[1]["status"],
        "interrupted"
    );
}

#[test]
fn a_clone_that_was_cut_off_leaves_no_stage() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let slow = Server::git(fixture.root(), Duration::from_secs(2));
    let sandbox = Sandbox::new();
    let module = |url: String| {
        Module::new("subject")
            .method("git_clone")
            .field("INSTALL_REPO", &url)
            .field("INSTALL_DIRS", "$HOME/deep/repo")
    };
    sandbox.add(&module(slow.url("/repo.git")));
    let mut child = sandbox.start("install");
    let stages =
        || std::fs::read_dir(sandbox.home().join("deep")).map_or(0, |entries| entries.count());
    while stages() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(stages(), 1, "the stage of the killed run");
    let server = Server::git(fixture.root(), Duration::ZERO);
    sandbox.add(&module(server.url("/repo.git")));
    sandbox
        .hoist("install")
        .exits(0)
        .says("1 unfinished file or directory was removed");
    assert_eq!(stages(), 1, "the clone");
    assert_eq!(sandbox.read("deep/repo/file"), "repo 1\n");
}

#[test]
fn the_second_hoist_waits_or_says_who_is_first() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("slow")
            .main("touch \"$HOME/up\"; while [[ ! -e $HOME/go ]]; do sleep 0.01; done"),
    );
    let first = sandbox.start("install");
    while !sandbox.has("up") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = first.id().to_string();
    sandbox
        .hoist("install --no-wait")
        .exits(2)
        .says("another hoist is running")
        .says(&pid);
    sandbox.hoist("list").exits(0);
    let second = sandbox.start("install");
    std::thread::sleep(Duration::from_millis(200));
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    ran(first.wait_with_output().unwrap()).exits(0);
    ran(second.wait_with_output().unwrap())
        .exits(0)
        .says("Waiting for another hoist")
        .says(&pid)
        .says("1 unchanged");
}

#[test]
fn what_a_failed_attempt_made_is_remembered() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/part")
            .main("mkdir -p \"$HOME/part\"; [[ -e $HOME/ready ]]"),
    );
    sandbox.hoist("install").exits(3);
    std::fs::write(sandbox.home().join("ready"), "").unwrap();
    sandbox.hoist("install").exits(0);
    let paths = sandbox.json("info m").document()["installed"]["paths"].clone();
    assert_eq!(paths, serde_json::json!([sandbox.home().join("part")]));
}

#[test]
fn what_a_killed_script_wrote_around_its_directories_is_restored() {
    let sandbox = Sandbox::new();
    for (file, text) in [
        (".local/bin/mine", "mine\n"),
        (".local/bin/other", "other\n"),
        (".bashrc", "rc\n"),
    ] {
        sandbox.put(file, text);
    }
    let work = "echo new >~/.local/bin/tool; echo over >~/.local/bin/mine; rm ~/.local/bin/other; echo line >>~/.bashrc";
    sandbox.add(&Module::new("subject").main(&format!(
        "[[ ! -e ~/again ]] || exit 1; {work}; touch ~/up; sleep 5"
    )));
    let mut child = sandbox.start("install");
    while !sandbox.has("up") {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while std::fs::read_dir(sandbox.home().join(".local/state/hoist/runs"))
        .unwrap()
        .flatten()
        .all(|run| !run.path().join("ended").exists())
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    // What a person installs after that stays.
    sandbox.put(".local/bin/later", "later\n");
    sandbox.put("again", "");
    sandbox
        .hoist("install")
        .exits(3)
        .says("also restored")
        .says(".bashrc");
    assert_eq!(
        (
            sandbox.read(".local/bin/mine").as_str(),
            sandbox.read(".bashrc").as_str()
        ),
        ("mine\n", "rc\n")
    );
    assert_eq!(sandbox.files(".local/bin"), ["later", "mine", "other"]);
}
