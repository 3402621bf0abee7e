//! What a person made or changed is never lost, whatever a module does.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use hoist_tests::faults::wait_for_watchdog;
use hoist_tests::{GitFixture, Module, Sandbox, has};

fn write(sandbox: &Sandbox, path: &str, text: &str) {
    let path = sandbox.home().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The names in a directory of the home that contain this.
fn names(sandbox: &Sandbox, directory: &str, part: &str) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.home().join(directory))
        .unwrap()
        .flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.contains(part))
        .collect();
    names.sort();
    names
}

/// A module that is installed anew on every update, and owns `~/.m`.
fn renewed(main: &str) -> Module {
    Module::new("m")
        .field("INSTALL_DIRS", "$HOME/.m")
        .field("UNINSTALL_DIRS", "$HOME/.m")
        .field("UPDATE_METHOD", "reinstall")
        .main(main)
}

#[test]
fn everything_of_a_persons_is_carried_over_when_a_module_is_installed_anew() {
    if !has("git") || !has("mkfifo") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&renewed(
        "mkdir -p ~/.m/sub ~/.m/lib; echo \"$(cat ~/wanted)\" >~/.m/version; test -e ~/plain && rm -r ~/.m/lib && touch ~/.m/lib; :",
    ));
    write(&sandbox, "wanted", "1");
    sandbox.hoist("install").exits(0);
    let run = |line: &str| {
        assert!(
            sandbox
                .command("bash")
                .args(["-c", line])
                .status()
                .unwrap()
                .success(),
            "{line}"
        )
    };
    run(
        "cd ~/.m && mkdir -p empty work && cd work && git init -q . && echo mine >file && git add . && git -c user.name=a -c user.email=a@b commit -qm mine",
    );
    run(
        "cd ~/.m && mkfifo pipe && ln -s version link && echo mine >lib/mine && chmod 600 lib/mine",
    );
    write(&sandbox, "wanted", "2");
    // Where a directory was, the new version has a file.
    write(&sandbox, "plain", "");
    let ran = sandbox.json("update").exits(0);
    assert_eq!(sandbox.read(".m/version"), "2\n");
    assert!(
        sandbox.home().join(".m/empty").is_dir()
            && sandbox.home().join(".m/pipe").symlink_metadata().is_ok()
    );
    assert_eq!(
        (sandbox.read(".m/link"), sandbox.read(".m/work/file")),
        ("2\n".to_owned(), "mine\n".to_owned())
    );
    run("cd ~/.m/work && git log --oneline | grep -q mine && git fsck");
    let aside = names(&sandbox, "", ".m.hoist-backup-");
    assert_eq!(aside.len(), 1, "{}", ran.stdout);
    assert_eq!(sandbox.read(&format!("{}/lib/mine", aside[0])), "mine\n");
    let told = ran.finished("m")["items"].to_string();
    assert!(
        told.contains(&aside[0]) && told.contains("/.m/work") && told.contains("/.m/pipe"),
        "{told}"
    );
    assert!(
        names(&sandbox, "", ".hoist-aside-").is_empty()
            && names(&sandbox, "", ".hoist-stage-").is_empty()
    );
    // And none of it is the module's afterwards.
    sandbox.hoist("uninstall m --yes").exits(0);
    assert!(sandbox.has(".m/work/file") && sandbox.has(".m/empty") && !sandbox.has(".m/version"));
}

#[test]
fn a_configuration_file_in_a_directory_that_is_installed_anew_stays_what_it_was() {
    let sandbox = Sandbox::new();
    let module = renewed("mkdir -p ~/.m; cat ~/wanted >~/.m/version; test ! -e ~/fail")
        .field("CONFIG_FILES", "$HOME/.m/rc");
    sandbox.add(&module);
    sandbox.write("config/m/rc", "shipped\n");
    write(&sandbox, "wanted", "1");
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".m/rc", "mine\n");
    write(&sandbox, "wanted", "2");
    write(&sandbox, "fail", "");
    sandbox.hoist("update").exits(3);
    assert_eq!(
        (sandbox.read(".m/version"), sandbox.read(".m/rc")),
        ("1".to_owned(), "mine\n".to_owned())
    );
    std::fs::remove_file(sandbox.home().join("fail")).unwrap();
    sandbox.hoist("update").exits(0);
    assert_eq!(
        (sandbox.read(".m/version"), sandbox.read(".m/rc")),
        ("2".to_owned(), "mine\n".to_owned())
    );
    assert!(names(&sandbox, ".m", "hoist-backup").is_empty());
    let ran = sandbox.json("uninstall m --yes").exits(0);
    assert_eq!(sandbox.read(".m/rc"), "mine\n");
    assert_eq!(
        ran.finished("m")["items"]
            .to_string()
            .matches("/.m/rc\"")
            .count(),
        1,
        "told once: {}",
        ran.stdout
    );
}

#[test]
fn what_was_there_before_an_install_that_failed_or_was_killed_is_not_the_modules() {
    for (body, code) in [("false", 3), ("kill -9 $PPID; sleep 0.2", 137)] {
        let sandbox = Sandbox::new();
        sandbox.add(&renewed(&format!(
            "mkdir -p ~/.m; echo x >~/.m/theirs; {body}"
        )));
        write(&sandbox, ".m/precious", "mine\n");
        sandbox.hoist("install").exits(code);
        sandbox.hoist("uninstall m --yes").exits(0);
        assert_eq!(sandbox.read(".m/precious"), "mine\n", "{body}");
    }
}

#[test]
fn what_somebody_puts_in_place_after_a_kill_is_moved_aside_for_the_former_version() {
    let sandbox = Sandbox::new();
    sandbox.add(&renewed("mkdir -p ~/.m; cat ~/wanted >~/.m/version; test ! -e ~/kill || { kill -9 $PPID; sleep 0.2; }"));
    write(&sandbox, "wanted", "1");
    sandbox.hoist("install").exits(0);
    write(&sandbox, "wanted", "2");
    write(&sandbox, "kill", "");
    for later in [false, true] {
        sandbox.hoist("update").exits(137);
        assert_eq!(names(&sandbox, "", ".hoist-aside-").len(), 1);
        assert_eq!(
            sandbox.json("history").document()[0]["status"],
            "interrupted",
            "nobody is at work any more"
        );
        if later {
            wait_for_watchdog(&sandbox);
            write(&sandbox, ".m/repaired", "mine\n");
        }
        let said = sandbox.hoist("install --dry-run").exits(0);
        assert!(
            !said.stderr.contains("moved back"),
            "a look changes nothing"
        );
        std::fs::remove_file(sandbox.home().join("kill")).unwrap();
        let said = sandbox
            .hoist("install m")
            .exits(0)
            .says("a previous run was interrupted");
        assert_eq!(
            said.stderr
                .contains("was changed after the run was interrupted; moved to"),
            later,
            "{}",
            said.stderr
        );
        let aside = names(&sandbox, "", ".m.hoist-backup-");
        assert_eq!(aside.len(), usize::from(later));
        if later {
            assert_eq!(sandbox.read(&format!("{}/repaired", aside[0])), "mine\n");
        }
        assert!(
            names(&sandbox, "", ".hoist-aside-").is_empty()
                && names(&sandbox, "", ".hoist-stage-").is_empty()
        );
        write(&sandbox, "kill", "");
    }
}

#[test]
fn a_module_of_the_same_name_from_elsewhere_removes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.add(&renewed("mkdir -p ~/.m; echo x >~/.m/theirs"));
    sandbox.hoist("install").exits(0);
    write(&sandbox, "Documents/book/text", "mine\n");
    let other = sandbox.path("other");
    std::fs::create_dir_all(other.join("modules")).unwrap();
    let script = std::fs::read_to_string(sandbox.collection().join("modules/m.sh")).unwrap();
    let script = script.replace(
        "UNINSTALL_DIRS=\"$HOME/.m\"",
        "UNINSTALL_DIRS=\"$HOME/Documents/book\"",
    );
    std::fs::write(
        other.join("modules/m.sh"),
        format!("{script}\nuninstall_module() {{ touch ~/ran; }}\n"),
    )
    .unwrap();
    sandbox
        .hoist(&format!("-C {} uninstall m --yes", other.display()))
        .exits(0);
    assert_eq!(sandbox.read("Documents/book/text"), "mine\n");
    assert!(!sandbox.has("ran") && !sandbox.has(".m"));
    // A path that its own manifest names only since: what is known to be the module's goes, and
    // nothing else.
    sandbox.hoist("install").exits(0);
    std::fs::write(sandbox.collection().join("modules/m.sh"), script).unwrap();
    sandbox
        .hoist("uninstall m --yes")
        .exits(0)
        .says("Documents/book");
    assert_eq!(sandbox.read("Documents/book/text"), "mine\n");
    assert!(!sandbox.has(".m"));
}

#[test]
fn what_an_update_only_touches_stays_somebodys() {
    let sandbox = Sandbox::new();
    let module = Module::new("m").field("INSTALL_DIRS", "$HOME/.m").field("UNINSTALL_DIRS", "$HOME/.m").field("TEST_FILES", "$HOME/.m/file").field("UPDATE_METHOD", "custom").body(
        "main_module() { mkdir -p ~/.m; echo 1 >~/.m/file; }\nupdate_module() { echo 2 >~/.m/file; chmod -R g+w ~/.m; cp -p ~/.m/mine ~/.m/t; mv ~/.m/t ~/.m/mine; }",
    );
    sandbox.add(&module);
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".m/mine", "mine\n");
    write(&sandbox, ".m/__pycache__/notes.txt", "mine\n");
    write(&sandbox, ".m/__pycache__/x.pyc", "made again");
    sandbox.hoist("update").exits(0);
    sandbox.hoist("uninstall m --yes").exits(0);
    assert_eq!(
        (
            sandbox.read(".m/mine"),
            sandbox.read(".m/__pycache__/notes.txt")
        ),
        ("mine\n".to_owned(), "mine\n".to_owned())
    );
    assert!(!sandbox.has(".m/file") && !sandbox.has(".m/__pycache__/x.pyc"));
    // What was there before hoist stays somebody's, also after hoist has updated it.
    write(&sandbox, ".m/file", "mine\n");
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["m"],
        "unchanged"
    );
    sandbox.hoist("update").exits(0);
    sandbox.hoist("uninstall m --yes").exits(0);
    assert!(sandbox.has(".m/file") && sandbox.has(".m/mine"));
}

#[test]
fn a_clone_with_anything_of_ones_own_keeps_its_history() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let inner = fixture.repository("inner", 1);
    fixture.repository("outer", 1);
    fixture.git(
        "outer.work",
        &[
            "submodule",
            "add",
            "-q",
            &inner.display().to_string(),
            "inner",
        ],
    );
    fixture.commit("outer.work", "with a submodule");
    let outer = fixture.publish("outer");
    let own = [
        "cd ~/.m/inner && echo mine >mine && git add . && git commit -qm mine",
        "cd ~/.m && printf '#!/bin/sh\\n' >.git/hooks/pre-commit",
        "cd ~/.m && git worktree add -q ~/elsewhere -b mine",
        "cd ~/.m && git tag -a kept -m x $(git commit-tree -p HEAD -m tagged HEAD^{tree}) && git checkout -q kept",
        "cd ~/.m && rm .git/HEAD",
    ];
    for line in own {
        let mut sandbox = Sandbox::new();
        for (name, value) in [
            ("GIT_CONFIG_COUNT", "3"),
            ("GIT_CONFIG_KEY_0", "protocol.file.allow"),
            ("GIT_CONFIG_VALUE_0", "always"),
            ("GIT_CONFIG_KEY_1", "user.name"),
            ("GIT_CONFIG_VALUE_1", "a"),
            ("GIT_CONFIG_KEY_2", "user.email"),
            ("GIT_CONFIG_VALUE_2", "a@b"),
        ] {
            sandbox.set(name, value);
        }
        let clone = Module::new("m")
            .method("git_clone")
            .field("INSTALL_REPO", &format!("file://{}", outer.display()));
        sandbox.add(
            &clone
                .field("INSTALL_DIRS", "$HOME/.m")
                .field("UNINSTALL_DIRS", "$HOME/.m")
                .field("INSTALL_ARGS", "--recursive"),
        );
        sandbox.hoist("install").exits(0);
        assert!(
            sandbox
                .command("bash")
                .args(["-ec", line])
                .status()
                .unwrap()
                .success(),
            "{line}"
        );
        sandbox
            .hoist("uninstall m --yes")
            .exits(0)
            .says("kept     m: ");
        assert!(
            sandbox.has(".m/.git/objects") && sandbox.has(".m/file"),
            "{line}"
        );
    }
}

#[test]
fn a_pull_does_not_write_over_a_file_that_git_ignores() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let work = fixture.root().join("repo.work");
    fixture.repository("repo", 1);
    std::fs::write(work.join(".gitignore"), "settings\n").unwrap();
    fixture.commit("repo.work", "ignored");
    let path = fixture.publish("repo");
    let sandbox = Sandbox::new();
    let clone = Module::new("m")
        .method("git_clone")
        .field("INSTALL_REPO", &format!("file://{}", path.display()));
    sandbox.add(
        &clone
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("UPDATE_METHOD", "git_pull")
            .field("UPDATE_DIR", "$HOME/.m"),
    );
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".m/settings", "mine\n");
    std::fs::write(work.join("settings"), "theirs\n").unwrap();
    fixture.git("repo.work", &["add", "-f", "settings"]);
    fixture.commit("repo.work", "tracked after all");
    fixture.git("repo.work", &["push", "-q", "../repo.git", "main"]);
    sandbox
        .hoist("update")
        .exits(3)
        .says("which the new version also has");
    assert_eq!(sandbox.read(".m/settings"), "mine\n");
    sandbox.hoist("update").exits(3);
    std::fs::remove_file(sandbox.home().join(".m/settings")).unwrap();
    sandbox.hoist("update").exits(0);
    assert_eq!(sandbox.read(".m/settings"), "theirs\n");
}

#[test]
fn a_configuration_file_of_two_modules_goes_with_the_last_of_them() {
    let sandbox = Sandbox::new();
    for name in ["a", "b"] {
        sandbox.add(&Module::new(name).field("CONFIG_FILES", "$HOME/.rc"));
    }
    sandbox.write("config/rc", "shipped\n");
    sandbox.hoist("install").exits(0);
    sandbox
        .hoist("uninstall a --yes")
        .exits(0)
        .says("b also owns it");
    assert_eq!(sandbox.read(".rc"), "shipped\n");
    sandbox.hoist("uninstall b --yes").exits(0);
    assert!(!sandbox.has(".rc"));
}

#[test]
fn what_is_no_plain_file_in_the_home_is_no_configuration_file() {
    if !has("mkfifo") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc"));
    sandbox.write("config/rc", "1\n");
    let outside = sandbox.path("outside");
    std::fs::write(&outside, "of the system\n").unwrap();
    symlink(&outside, sandbox.home().join(".rc")).unwrap();
    sandbox
        .hoist("install --config-overwrite")
        .exits(0)
        .says("it is a symbolic link to a location where hoist does not write");
    assert_eq!(
        std::fs::read_to_string(&outside).unwrap(),
        "of the system\n"
    );
    std::fs::remove_file(sandbox.home().join(".rc")).unwrap();
    sandbox.hoist("update m").exits(0);
    assert_eq!(sandbox.read(".rc"), "1\n");
    // It becomes such a link later.
    std::fs::write(&outside, "1\n").unwrap();
    std::fs::remove_file(sandbox.home().join(".rc")).unwrap();
    symlink(&outside, sandbox.home().join(".rc")).unwrap();
    sandbox
        .hoist("uninstall m --yes")
        .exits(0)
        .says("it is outside of the home directory");
    assert!(outside.exists() && sandbox.home().join(".rc").is_symlink());
    // A pipe that nobody writes to holds nothing up.
    std::fs::remove_file(sandbox.home().join(".rc")).unwrap();
    sandbox.hoist("install").exits(0);
    std::fs::remove_file(sandbox.home().join(".rc")).unwrap();
    assert!(
        sandbox
            .command("mkfifo")
            .arg(sandbox.home().join(".rc"))
            .status()
            .unwrap()
            .success()
    );
    sandbox.hoist("config list").exits(0).says("unreadable");
    sandbox.hoist("config diff").exits(0);
    let restore = sandbox
        .command(hoist_tests::binary())
        .args(["config", "restore", "--from"])
        .arg(&outside)
        .arg(sandbox.home().join(".rc"))
        .output();
    assert_eq!(restore.unwrap().status.code(), Some(2));
    sandbox
        .hoist("update m")
        .exits(2)
        .says("it is not a regular file");
    // Nobody else has to wait for that.
    sandbox.write("config/rc", "2\n").add(
        &Module::new("other")
            .field("UPDATE_METHOD", "custom")
            .body("main_module() { :; }\nupdate_module() { touch ~/updated; }"),
    );
    sandbox.hoist("install other").exits(0);
    sandbox.hoist("update").exits(0);
    assert!(sandbox.has("updated"));
    sandbox
        .hoist("uninstall m --yes")
        .exits(0)
        .says("it is not a regular file");
    let pipe: PathBuf = sandbox.home().join(".rc");
    assert!(pipe.symlink_metadata().is_ok());
}

#[test]
fn copies_of_former_versions_are_named_when_their_module_goes() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc"));
    sandbox.write("config/rc", "1\n");
    sandbox.hoist("install").exits(0);
    sandbox.write("config/rc", "2\n");
    sandbox.hoist("update").exits(0);
    write(&sandbox, ".rc", "mine\n");
    sandbox.write("config/rc", "3\n");
    sandbox.hoist("update --config-keep").exits(0);
    assert_eq!(sandbox.read(".rc.new"), "3\n");
    sandbox.hoist("update --config-overwrite").exits(0);
    assert!(!sandbox.has(".rc.new"), "what it offered is in place");
    let ran = sandbox.json("uninstall m --yes").exits(0);
    let copies = names(&sandbox, "", ".rc.pre-slaanesh-");
    assert_eq!(copies.len(), 1);
    let told = ran.finished("m")["items"].to_string();
    assert!(
        copies.iter().all(|copy| told.contains(copy)) && !sandbox.has(".rc"),
        "{told}"
    );
}

#[test]
fn nothing_is_done_to_a_module_whose_former_version_could_not_come_back() {
    if !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::new();
    let inside = renewed(
        "mkdir -p ~/in/.m; cat ~/wanted >~/in/.m/version; [ ! -e ~/die ] || { kill -9 $PPID; sleep 0.2; }",
    );
    sandbox.add(
        &inside
            .field("INSTALL_DIRS", "$HOME/in/.m")
            .field("UNINSTALL_DIRS", "$HOME/in/.m"),
    );
    write(&sandbox, "wanted", "1");
    let chown = |path: PathBuf| std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    [
        sandbox.home(),
        sandbox.home().join("wanted"),
        sandbox.path("tmp"),
    ]
    .into_iter()
    .for_each(chown);
    let mode = |path: PathBuf, mode: u32| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    for path in [
        sandbox.path(""),
        sandbox.collection(),
        sandbox.collection().join("modules"),
    ] {
        mode(path, 0o755);
    }
    let hoist = |arguments: &str| {
        let mut command = sandbox.command("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(hoist_tests::binary())
            .args(arguments.split_whitespace());
        hoist_tests::ran(command.output().unwrap())
    };
    hoist("install").exits(0);
    write(&sandbox, "in/.m/notes", "mine\n");
    write(&sandbox, "die", "");
    hoist("update").exits(137);
    std::fs::remove_file(sandbox.home().join("die")).unwrap();
    mode(sandbox.home().join("in"), 0o555);
    for arguments in ["update m", "install m", "uninstall m --yes"] {
        hoist(arguments)
            .exits(3)
            .says("its previous version is still at");
    }
    mode(sandbox.home().join("in"), 0o755);
    hoist("install m")
        .exits(0)
        .says("1 previous version was moved back");
    assert_eq!(sandbox.read("in/.m/notes"), "mine\n");
    assert!(
        names(&sandbox, "in", ".hoist-aside-").is_empty()
            && names(&sandbox, "in", ".hoist-stage-").is_empty()
    );
}
