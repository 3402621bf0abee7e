//! `--sandbox`: scripts write where their module may, and nowhere else.

use hoist_tests::{GitFixture, Module, Sandbox, has};

/// True where the kernel keeps processes to rules.
fn enforced(sandbox: &Sandbox) -> bool {
    let rules = format!("{{\"writable\":[\"{}\"]}}", sandbox.path("tmp").display());
    let output = sandbox
        .command(hoist_tests::binary())
        .args(["__confined", &rules, "--", "true"])
        .output()
        .unwrap();
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
    sandbox.add(
        &Module::new("good")
            .field("INSTALL_DIRS", "$HOME/.good")
            .field("UNINSTALL_BINARIES", "good")
            .main(good),
    );
    for (name, command) in [
        ("home", "echo 1 >~/elsewhere"),
        ("other", "echo 1 >~/.good/planted"),
        ("removes", "rm -f ~/precious"),
        ("renames", "mv ~/precious ~/.renames/stolen"),
        (
            "links",
            "ln ~/precious ~/.links/hard && echo 1 >>~/.links/hard",
        ),
        (
            "follows",
            "ln -s ~/precious ~/.follows/link; echo 1 >>~/.follows/link",
        ),
        ("tmp", "echo 1 >/tmp/hoist-test-escape"),
        ("sub", "bash -c 'bash -c \"echo 1 >~/elsewhere\"'"),
        ("truncates", ": >~/precious"),
        ("state", "rm -rf ~/.local/state/hoist/ledger.sqlite"),
    ] {
        let module = Module::new(name)
            .depends("good")
            .field("INSTALL_DIRS", &format!("$HOME/.{name}"));
        sandbox.add(&module.main(&format!("{command} || return 1; return 0")));
    }
    std::fs::write(sandbox.home().join("precious"), "p").unwrap();
    let ran = sandbox.json("install --sandbox").exits(3);
    let statuses = ran.statuses();
    assert_eq!(statuses["good"], "installed", "{}", ran.stdout);
    assert_eq!(
        statuses
            .values()
            .filter(|status| *status == "failed")
            .count(),
        10,
        "{statuses:?}"
    );
    assert_eq!(sandbox.read("precious"), "p");
    assert!(
        !sandbox.has("elsewhere")
            && !sandbox.has(".good/planted")
            && !std::path::Path::new("/tmp/hoist-test-escape").exists()
    );
    assert!(
        !sandbox.has(".home"),
        "what was made for a script and not used is gone"
    );
    let told = ran.finished("good")["messages"].to_string();
    assert!(
        told.contains("write access is restricted to the directories of the module"),
        "{told}"
    );
    // Without the option the same scripts may.
    assert_eq!(
        sandbox.json("install home").exits(0).statuses()["home"],
        "installed"
    );
}

#[test]
fn a_confined_script_changes_nothing_that_others_run() {
    let sandbox = Sandbox::new();
    if !enforced(&sandbox) {
        return;
    }
    let mut bystander = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
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
    let is_complete = !ran.finished("poison")["messages"]
        .to_string()
        .contains("does not enforce all rules");
    sandbox.hoist("install later").exits(0);
    let survived = bystander.try_wait().unwrap().is_none();
    let _ = bystander.kill();
    let _ = bystander.wait();
    assert!(
        !sandbox.has("poisoned"),
        "what a confined script wrote was run unconfined"
    );
    assert!(!sandbox.has(".cache/hoist/planted") && !sandbox.has(".cache/pip/planted"));
    if is_complete {
        assert!(survived, "a confined script ended a process outside");
        assert_eq!(ran.statuses()["kills"], "failed", "{}", ran.stdout);
    }
}

#[test]
fn commands_that_a_script_puts_into_a_clone_are_not_run() {
    let sandbox = Sandbox::new();
    if !has("git") || !enforced(&sandbox) {
        return;
    }
    let fixture = GitFixture::new();
    let [old, new] = fixture.old_and_new();
    let link = sandbox.path("repo.git");
    std::os::unix::fs::symlink(&old, &link).unwrap();
    let plant = "printf '#!/bin/sh\\ntouch ~/escaped-$(basename $0)\\ncat\\n' >.git/p; chmod +x .git/p; for hook in post-checkout post-merge \
                 reference-transaction pre-auto-gc post-index-change; do cp .git/p .git/hooks/$hook; done; for key in filter.x.clean filter.x.smudge \
                 filter.x.process core.fsmonitor core.sshCommand core.pager diff.external core.alternateRefsCommand credential.helper \
                 merge.x.driver diff.x.textconv; do git config $key \"$PWD/.git/p\"; done; \
                 git config core.hooksPath \"$PWD/.git/hooks\"; echo '* filter=x diff=x merge=x' >.git/info/attributes";
    for (name, body) in [
        (
            "script",
            format!(
                "main_module() {{ git clone -q {0} ~/.script && cd ~/.script && {plant}; }}",
                link.display()
            ),
        ),
        (
            "clone",
            format!("update_module() {{ cd ~/.clone && {plant}; }}"),
        ),
    ] {
        let module = Module::new(name)
            .field("INSTALL_DIRS", &format!("$HOME/.{name}"))
            .field("UNINSTALL_DIRS", &format!("$HOME/.{name}"));
        let module = match name {
            "clone" => module
                .method("git_clone")
                .field("INSTALL_REPO", &link.display().to_string())
                .field("UPDATE_METHOD", "custom"),
            _ => module
                .field("UPDATE_METHOD", "git_pull")
                .field("UPDATE_DIR", &format!("$HOME/.{name}")),
        };
        sandbox.add(&module.body(&body));
    }
    sandbox.json("install --sandbox").exits(0);
    sandbox.json("update clone --sandbox").exits(0);
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&new, &link).unwrap();
    let escaped = || -> Vec<String> {
        sandbox
            .files(".")
            .into_iter()
            .filter(|path| path.starts_with("escaped"))
            .collect()
    };
    // Whatever is written into the clone since does not make anything of it run.
    for command in [
        "plan update",
        "plan uninstall script clone",
        "list",
        "info script",
        "doctor",
        "outdated",
        "test",
        "undo --dry-run",
    ] {
        for clone in ["script", "clone"] {
            sandbox.put(&format!(".{clone}/file"), &format!("{command}\n"));
        }
        let ran = sandbox.hoist(command);
        assert_eq!(
            escaped(),
            [""; 0],
            "{command}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
    for clone in ["script", "clone"] {
        assert!(
            sandbox
                .command("git")
                .args([
                    "-c",
                    "filter.x.clean=",
                    "-c",
                    "filter.x.smudge=",
                    "-c",
                    "filter.x.process=",
                    "-c",
                    "core.hooksPath=/dev/null"
                ])
                .args(["-c", "core.fsmonitor=false", "checkout", "-q", "file"])
                .current_dir(sandbox.home().join(format!(".{clone}")))
                .status()
                .unwrap()
                .success()
        );
    }
    let set = |arguments: &[&str]| {
        sandbox
            .command("git")
            .args(["-C"])
            .arg(sandbox.home().join(".script"))
            .arg("config")
            .args(arguments)
            .status()
            .unwrap()
    };
    for command in [
        "update",
        "update script",
        "install --force script clone",
        "uninstall script clone -y",
        "undo -y",
    ] {
        if command == "update script" {
            let planted = sandbox.home().join(".script/.git/p");
            assert!(set(&["remote.origin.uploadpack", &planted.display().to_string()]).success());
            sandbox
                .hoist(command)
                .exits(3)
                .says("contains the command remote.origin.uploadpack");
            assert!(set(&["--unset", "remote.origin.uploadpack"]).success());
        }
        let ran = sandbox.hoist(command);
        assert_eq!(
            escaped(),
            [""; 0],
            "{command}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn what_is_hoists_own_is_no_directory_of_a_module() {
    let sandbox = Sandbox::new();
    for directory in [
        "$HOME/.local/state/hoist",
        "$HOME/.local/state/hoist/contents",
        "$HOME/.cache/hoist/x",
    ] {
        sandbox.add(&Module::new("m").field("INSTALL_DIRS", directory).main(":"));
        for command in ["validate", "install m", "install m --sandbox"] {
            let ran = sandbox.hoist(command).exits(2);
            assert!(
                format!("{}{}", ran.stdout, ran.stderr)
                    .contains("is reserved for hoist's state and cache"),
                "{command}: {}{}",
                ran.stdout,
                ran.stderr
            );
        }
    }
    for directory in ["$HOME/.local", "$HOME/.local/state", "$HOME/.cache"] {
        sandbox.add(
            &Module::new("m")
                .field("INSTALL_DIRS", directory)
                .main("mkdir -p ~/.local/lib ~/.cache"),
        );
        sandbox.hoist("validate").exits(0);
        sandbox
            .hoist("install m --force --sandbox")
            .exits(2)
            .says("sandboxed scripts must not write");
        sandbox.hoist("install m --force").exits(0);
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
    let module = Module::new("clone")
        .field("INSTALL_METHOD", "git_clone")
        .field("INSTALL_REPO", &url)
        .field("INSTALL_DIRS", "$HOME/.clone");
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
    sandbox
        .hoist("install --sandbox")
        .exits(0)
        .says("write access is not restricted, since the script installs system packages");
}
