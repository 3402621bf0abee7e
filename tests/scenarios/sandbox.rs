//! `--sandbox`: scripts write where their module may, and nowhere else.

use hoist_tests::{GitFixture, Module, Sandbox, has};

/// True where the kernel keeps processes to rules.
fn enforced(sandbox: &Sandbox) -> bool {
    let rules = format!("{{\"writable\":[\"{}\"]}}", sandbox.path("tmp").display());
    let output = sandbox.command(hoist_tests::binary()).args(["__confined", &rules, "--", "true"]).output().unwrap();
    let there = !String::from_utf8_lossy(&output.stderr).contains("warning");
    if !there {
        hoist_tests::note("skipped: this kernel has no landlock");
    }
    there
}

#[test]
fn a_script_writes_to_its_directories_and_nowhere_else() {
    let sandbox = Sandbox::new();
    if !enforced(&sandbox) {
        return;
    }
    let good = "mkdir -p ~/.good/sub; echo 1 >~/.good/sub/file; echo 1 >~/.local/bin/good; echo 1 >\"$TMPDIR/x\"; echo 1 >/dev/null; cat /etc/passwd >/dev/null";
    sandbox.add(&Module::new("good").field("INSTALL_DIRS", "$HOME/.good").field("UNINSTALL_BINARIES", "good").main(good));
    for (name, command) in [
        ("home", "echo 1 >~/elsewhere"),
        ("other", "echo 1 >~/.good/planted"),
        ("removes", "rm -f ~/precious"),
        ("renames", "mv ~/precious ~/.renames/stolen"),
        ("links", "ln ~/precious ~/.links/hard && echo 1 >>~/.links/hard"),
        ("follows", "ln -s ~/precious ~/.follows/link; echo 1 >>~/.follows/link"),
        ("tmp", "echo 1 >/tmp/hoist-test-escape"),
        ("sub", "bash -c 'bash -c \"echo 1 >~/elsewhere\"'"),
        ("truncates", ": >~/precious"),
        ("state", "rm -rf ~/.local/state/hoist/ledger.sqlite"),
    ] {
        let module = Module::new(name).depends("good").field("INSTALL_DIRS", &format!("$HOME/.{name}"));
        sandbox.add(&module.main(&format!("{command} || return 1; return 0")));
    }
    std::fs::write(sandbox.home().join("precious"), "p").unwrap();
    let ran = sandbox.json("install --sandbox").exits(3);
    let statuses = ran.statuses();
    assert_eq!(statuses["good"], "installed", "{}", ran.stdout);
    assert_eq!(statuses.values().filter(|status| *status == "failed").count(), 10, "{statuses:?}");
    assert_eq!(sandbox.read("precious"), "p");
    assert!(!sandbox.has("elsewhere") && !sandbox.has(".good/planted") && !std::path::Path::new("/tmp/hoist-test-escape").exists());
    assert!(!sandbox.has(".home"), "what was made for a script and not used is gone");
    let told = ran.finished("good")["messages"].to_string();
    assert!(told.contains("kept to its directories by the kernel"), "{told}");
    // Without the option the same scripts may.
    assert_eq!(sandbox.json("install home").exits(0).statuses()["home"], "installed");
}

#[test]
fn a_confined_script_changes_nothing_that_others_run() {
    let sandbox = Sandbox::new();
    if !enforced(&sandbox) {
        return;
    }
    let mut bystander = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = bystander.id();
    let poison = "find ~/.cache ~/.local -type f -exec sh -c 'echo \"touch $HOME/poisoned\" >>\"$1\"' sh {} \\; 2>/dev/null\n\
                  mkdir -p ~/.cache/hoist/planted ~/.cache/pip/planted 2>/dev/null\n";
    sandbox.add(&Module::new("poison").main(&format!("{poison}return 0")));
    sandbox.add(&Module::new("kills").main(&format!("kill {pid}")));
    // A helper is used before, in the same run, and after.
    let helped = "touch ~/.NAME; log_info \"NAME\"; command_exists sh";
    for (name, needs) in [("before", ""), ("later", "poison")] {
        let module = Module::new(name).depends(needs).field("INSTALL_DIRS", "");
        sandbox.add(&module.main(&helped.replace("NAME", name)));
    }
    sandbox.hoist("install before").exits(0);
    let ran = sandbox.json("install --sandbox poison kills").exits(3);
    assert_eq!(ran.statuses()["poison"], "installed", "{}", ran.stdout);
    let is_complete = !ran.finished("poison")["messages"].to_string().contains("does not know all of the rules");
    sandbox.hoist("install later").exits(0);
    let survived = bystander.try_wait().unwrap().is_none();
    let _ = bystander.kill();
    let _ = bystander.wait();
    assert!(!sandbox.has("poisoned"), "what a confined script wrote was run unconfined");
    assert!(!sandbox.has(".cache/hoist/planted") && !sandbox.has(".cache/pip/planted"));
    if is_complete {
        assert!(survived, "a confined script ended a process outside");
        assert_eq!(ran.statuses()["kills"], "failed", "{}", ran.stdout);
    }
}

#[test]
fn helpers_updates_and_removals_work_inside() {
    let sandbox = Sandbox::new();
    if !enforced(&sandbox) || !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let url = fixture.repository("repo", 1).display().to_string();
    let module =
        Module::new("clone").field("INSTALL_METHOD", "git_clone").field("INSTALL_REPO", &url).field("INSTALL_DIRS", "$HOME/.clone");
    let functions = "main_module() { install_via_git_clone; }\nupdate_module() { echo 2 >~/.clone/updated; }\nuninstall_module() { rm ~/.clone/updated; touch ~/escaped; return 0; }";
    sandbox.add(&module.field("UPDATE_METHOD", "custom").body(functions));
    sandbox.hoist("install --sandbox").exits(0);
    assert_eq!(sandbox.read(".clone/file"), "repo 1\n");
    sandbox.hoist("update --sandbox").exits(0);
    sandbox.hoist("uninstall clone -y --sandbox").exits(0);
    assert!(!sandbox.has(".clone") && !sandbox.has("escaped"));
}

#[test]
fn what_cannot_be_kept_to_anything_is_said() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").main("command -v apt-get >/dev/null; true"));
    sandbox.hoist("install --sandbox").exits(0).says("not kept to its directories: its script installs packages of the system");
}
