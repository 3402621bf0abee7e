//! `hoist uninstall`: what goes, what stays, and why.

use std::os::unix::fs::symlink;

use hoist_tests::{GitFixture, Module, Ran, Sandbox, has};

fn tool(name: &str) -> Module {
    let install = format!(
        "mkdir -p \"$HOME/.{name}/sub\" ~/.local/bin; echo 1 >\"$HOME/.{name}/file\"; echo 1 >\"$HOME/.{name}/sub/file\"; echo x >~/.local/bin/{name}; chmod +x ~/.local/bin/{name}"
    );
    Module::new(name)
        .field("INSTALL_DIRS", &format!("$HOME/.{name}"))
        .field("UNINSTALL_DIRS", &format!("$HOME/.{name}"))
        .field("UNINSTALL_BINARIES", name)
        .main(&install)
}

fn items(ran: &Ran, module: &str, fate: &str) -> Vec<String> {
    let items = ran.finished(module)["items"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    items
        .iter()
        .filter(|item| item["fate"] == fate)
        .map(|item| item["subject"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn everything_that_was_put_there_goes_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.add(&tool("a")).add(&tool("b"));
    std::fs::create_dir_all(sandbox.home().join(".local/bin")).unwrap();
    std::fs::write(sandbox.home().join(".local/bin/mine"), "x").unwrap();
    sandbox.hoist("install").exits(0);
    let plan = sandbox.json("plan uninstall a").exits(0).document();
    assert_eq!(
        plan["modules"][0]["items"].as_array().unwrap().len(),
        2,
        "{plan}"
    );
    assert!(sandbox.has(".a/file"), "a plan changes nothing");
    sandbox
        .hoist("uninstall a --dry-run")
        .exits(0)
        .says("Nothing was changed");
    let ran = sandbox.json("uninstall a --yes").exits(0);
    assert_eq!(ran.statuses()["a"], "removed");
    assert_eq!(items(&ran, "a", "removed").len(), 2);
    assert!(!sandbox.has(".a") && !sandbox.has(".local/bin/a"));
    assert!(
        sandbox.has(".b/sub/file") && sandbox.has(".local/bin/b") && sandbox.has(".local/bin/mine")
    );
    assert_eq!(
        sandbox
            .json("list --installed")
            .document()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    sandbox
        .hoist("uninstall a --yes")
        .exits(2)
        .says("is not installed");
    sandbox.hoist("remove --all -y").exits(0).says("removed");
    assert!(!sandbox.has(".b"));
    assert!(sandbox.has(".local/bin/mine"));
}

#[test]
fn without_a_terminal_it_has_to_be_said_and_on_one_it_is_asked_once() {
    let sandbox = Sandbox::new();
    sandbox.add(&tool("a"));
    sandbox.hoist("install").exits(0);
    sandbox.hoist("uninstall a").exits(2).says("add --yes");
    assert!(sandbox.has(".a/file"));
    if !has("script") {
        return;
    }
    for (answer, gone) in [("n", false), ("", false), ("y", true)] {
        let line = format!(
            "printf '{answer}\\n' | script -qec '{} uninstall a' /dev/null",
            hoist_tests::binary().display()
        );
        let output = sandbox
            .command("bash")
            .args(["-c", &line])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.matches("Remove a? [y/N]").count(), 1, "{text}");
        assert!(text.contains("remove"), "{text}");
        assert_eq!(!sandbox.has(".a/file"), gone, "{text}");
    }
}

#[test]
fn what_a_person_changed_or_added_is_kept_and_listed() {
    let sandbox = Sandbox::new();
    sandbox.add(&tool("a"));
    sandbox.hoist("install").exits(0);
    std::fs::write(sandbox.home().join(".a/sub/file"), "mine").unwrap();
    std::fs::create_dir(sandbox.home().join(".a/notes")).unwrap();
    std::fs::write(sandbox.home().join(".a/notes/one"), "mine").unwrap();
    let plan = sandbox
        .hoist("plan uninstall a")
        .exits(0)
        .says("it was modified since")
        .says("it was added since");
    drop(plan);
    let ran = sandbox.json("uninstall a --yes").exits(0);
    let home = sandbox.home().display().to_string();
    assert_eq!(
        items(&ran, "a", "kept"),
        [format!("{home}/.a/notes"), format!("{home}/.a/sub/file")]
    );
    assert_eq!(
        (sandbox.read(".a/sub/file"), sandbox.read(".a/notes/one")),
        ("mine".to_owned(), "mine".to_owned())
    );
    assert!(!sandbox.has(".a/file"));
}

#[test]
fn purge_removes_also_what_was_changed_but_never_what_is_not_its_own() {
    let sandbox = Sandbox::new();
    sandbox.add(&tool("a").field(
        "UNINSTALL_DIRS",
        "$HOME/.a $HOME/.local ${HOME}2 /etc/hoist-test",
    ));
    sandbox.hoist("install").exits(0);
    std::fs::write(sandbox.home().join(".a/file"), "mine").unwrap();
    std::fs::create_dir_all(format!("{}2", sandbox.home().display())).unwrap();
    let ran = sandbox.json("uninstall a --yes --purge").exits(0);
    assert!(!sandbox.has(".a"));
    assert!(std::path::Path::new(&format!("{}2", sandbox.home().display())).exists());
    assert_eq!(items(&ran, "a", "kept").len(), 2, "{}", ran.stdout);
}

#[test]
fn what_others_need_is_refused_or_goes_with_them() {
    let sandbox = Sandbox::new();
    sandbox
        .add(&tool("base"))
        .add(&tool("app").depends("base"))
        .add(&tool("other"));
    sandbox.hoist("install").exits(0);
    sandbox
        .hoist("uninstall base --yes")
        .exits(2)
        .says("is required by app")
        .says("--cascade");
    assert!(sandbox.has(".base/file"));
    let ran = sandbox.json("uninstall base --cascade --yes").exits(0);
    assert_eq!(ran.statuses().len(), 2);
    let order: Vec<String> = ran
        .events()
        .iter()
        .filter(|event| event["event"] == "module_finished")
        .map(|event| event["module"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        order,
        ["app", "base"],
        "what needs goes before what is needed"
    );
    assert!(sandbox.has(".other/file"));
}

#[test]
fn the_module_s_own_function_comes_first_and_its_failure_removes_nothing() {
    let sandbox = Sandbox::new();
    let install = "mkdir -p ~/.a; echo 1 >~/.a/file";
    let body = |uninstall: &str| {
        format!("main_module() {{ {install}; }}\nuninstall_module() {{ {uninstall}; }}")
    };
    let module = |uninstall: &str| {
        Module::new("a")
            .field("INSTALL_DIRS", "$HOME/.a")
            .body(&body(uninstall))
    };
    sandbox.add(&module("log_error 'not now'; return 1"));
    sandbox.hoist("install").exits(0);
    sandbox
        .hoist("uninstall a -y")
        .exits(3)
        .says("not now")
        .says("nothing was removed");
    assert!(sandbox.has(".a/file"));
    assert_eq!(sandbox.json("list").document()[0]["state"], "installed");
    sandbox.add(&module(
        "[[ -f ~/.a/file && $MODULE_NAME == a ]] && touch ~/called",
    ));
    sandbox.hoist("retry -y").exits(0);
    assert!(sandbox.has("called") && !sandbox.has(".a"));
}

#[test]
fn a_purge_removes_a_module_whose_own_function_fails_or_does_not_end() {
    let sandbox = Sandbox::new();
    let other = Module::new("other").field("INSTALL_DIRS", "$HOME/.other");
    sandbox.add(&other.main("mkdir -p ~/.other; echo 1 >~/.other/file"));
    let functions = [
        (
            "fails",
            "rm ~/.fails/file; echo half >~/.fails/half; log_error 'not now'; return 1",
            "not now",
        ),
        ("endless", "sleep 100", "did not finish in time"),
        ("deaf", "trap '' TERM; sleep 100", "did not finish in time"),
    ];
    for (name, function, _) in functions {
        let body = format!(
            "main_module() {{ mkdir -p ~/.{name}; echo 1 >~/.{name}/file; }}\nuninstall_module() {{ {function}; }}"
        );
        sandbox.add(
            &Module::new(name)
                .field("INSTALL_DIRS", &format!("$HOME/.{name}"))
                .body(&body),
        );
    }
    sandbox.hoist("install").exits(0);
    for (name, _, why) in functions {
        sandbox
            .hoist(&format!("uninstall {name} -y --timeout 1"))
            .exits(3);
        assert!(
            sandbox.has(&format!(".{name}/file")) && sandbox.has(".other/file"),
            "{name}"
        );
        let run = sandbox
            .hoist(&format!("uninstall {name} -y --timeout 1 --purge"))
            .exits(0);
        run.says(why).says("the module is removed without it");
        assert!(
            !sandbox.has(&format!(".{name}")) && sandbox.has(".other/file"),
            "{name}"
        );
    }
    let left = sandbox.json("list --installed").exits(0).document();
    assert_eq!(
        (left.as_array().unwrap().len(), &left[0]["name"]),
        (1, &"other".into())
    );
}

#[test]
fn a_module_whose_manifest_is_gone_or_broken_still_goes() {
    let sandbox = Sandbox::new();
    sandbox.add(&tool("a")).add(&tool("b").depends("a"));
    sandbox.hoist("install").exits(0);
    std::fs::remove_file(sandbox.collection().join("modules/a.sh")).unwrap();
    sandbox.write("modules/b.sh", "nonsense");
    sandbox
        .hoist("uninstall a -y")
        .exits(2)
        .says("is required by b");
    sandbox.hoist("uninstall a b -y").exits(0);
    assert!(!sandbox.has(".a") && !sandbox.has(".b") && !sandbox.has(".local/bin/a"));
    assert!(
        sandbox
            .json("list --installed")
            .document()
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_was_there_before_hoist_stays() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.home().join(".a")).unwrap();
    std::fs::write(sandbox.home().join(".a/mine"), "mine").unwrap();
    // Installed into a directory that was there: only what it wrote goes.
    sandbox.add(&tool("a").field("TEST_FILES", "$HOME/.a/file"));
    // Found on the machine: nothing goes.
    std::fs::create_dir_all(sandbox.home().join(".found")).unwrap();
    std::fs::write(sandbox.home().join(".found/file"), "mine").unwrap();
    sandbox.add(
        &Module::new("found")
            .field("UNINSTALL_DIRS", "$HOME/.found")
            .field("TEST_FILES", "$HOME/.found/file")
            .body("main_module() { :; }\nuninstall_module() { rm -rf ~/.found; }"),
    );
    let ran = sandbox.json("install").exits(0);
    assert_eq!(ran.statuses()["found"], "unchanged");
    let ran = sandbox.json("uninstall --all -y").exits(0);
    assert_eq!(sandbox.read(".a/mine"), "mine");
    assert!(
        !sandbox.has(".a/file") && !sandbox.has(".a/sub"),
        "{}",
        ran.stdout
    );
    assert_eq!(sandbox.read(".found/file"), "mine");
    assert_eq!(items(&ran, "found", "kept").len(), 1, "{}", ran.stdout);
}

#[test]
fn a_directory_that_came_later_goes_as_it_is_declared() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &tool("a")
            .field("UNINSTALL_DIRS", "$HOME/.a $HOME/.cache/a")
            .field("UNINSTALL_FILES", "$HOME/.a.history"),
    );
    sandbox.hoist("install").exits(0);
    std::fs::create_dir_all(sandbox.home().join(".cache/a/deep")).unwrap();
    std::fs::write(sandbox.home().join(".cache/a/deep/x"), "x").unwrap();
    std::fs::write(sandbox.home().join(".a.history"), "x").unwrap();
    sandbox.hoist("test").exits(0);
    sandbox.hoist("uninstall a -y").exits(0);
    assert!(!sandbox.has(".cache/a") && !sandbox.has(".a.history") && sandbox.has(".cache"));
}

#[test]
fn a_clone_goes_whole_unless_it_holds_what_is_nowhere_else() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let url = fixture.repository("repo", 2).display().to_string();
    let sandbox = Sandbox::new();
    for name in ["plain", "edited", "committed"] {
        sandbox.add(
            &Module::new(name)
                .method("git_clone")
                .field("INSTALL_REPO", &url)
                .field("INSTALL_DIRS", &format!("$HOME/deep/{name}")),
        );
    }
    sandbox.hoist("install").exits(0);
    let at = |name: &str| sandbox.home().join("deep").join(name).display().to_string();
    fixture.git(".", &["-C", &at("plain"), "status"]);
    fixture.git(".", &["-C", &at("plain"), "gc", "-q"]);
    std::fs::write(sandbox.home().join("deep/edited/file"), "mine").unwrap();
    fixture.git(
        ".",
        &[
            "-C",
            &at("committed"),
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "mine",
        ],
    );
    let ran = sandbox.json("uninstall --all -y").exits(0);
    assert!(!sandbox.has("deep/plain"));
    assert_eq!(sandbox.read("deep/edited/file"), "mine");
    assert!(!sandbox.has("deep/edited/.git"));
    assert!(sandbox.has("deep/committed/.git"), "{}", ran.stdout);
    // Where nothing was kept, the directories made on the way go too.
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("m")
            .method("git_clone")
            .field("INSTALL_REPO", &url)
            .field("INSTALL_DIRS", "$HOME/very/deep/m"),
    );
    sandbox.hoist("install").exits(0);
    sandbox.hoist("uninstall m -y").exits(0);
    assert!(!sandbox.has("very"));
}

#[test]
fn a_file_that_two_modules_wrote_stays_until_the_last_goes() {
    let sandbox = Sandbox::new();
    let module = |name: &str| {
        Module::new(name)
            .field("INSTALL_DIRS", "$HOME/.both")
            .main(&format!(
                "mkdir -p ~/.both; echo same >~/.both/file; echo {name} >~/.both/{name}"
            ))
    };
    sandbox.add(&module("a")).add(&module("b").depends("a"));
    sandbox.hoist("install a").exits(0);
    sandbox.hoist("install --force b").exits(0);
    let ran = sandbox.json("uninstall b -y").exits(0);
    assert!(
        sandbox.has(".both/file") && sandbox.has(".both/a"),
        "{}",
        ran.stdout
    );
    sandbox.hoist("uninstall a -y").exits(0);
    assert!(!sandbox.has(".both/a"));
}

#[test]
fn links_and_mounts_lead_nowhere() {
    let sandbox = Sandbox::new();
    let precious = sandbox.path("precious");
    std::fs::create_dir(&precious).unwrap();
    std::fs::write(precious.join("file"), "p").unwrap();
    sandbox.add(&tool("a").field("UNINSTALL_DIRS", "$HOME/.a $HOME/link $HOME/way/precious"));
    sandbox.hoist("install").exits(0);
    symlink(&precious, sandbox.home().join("link")).unwrap();
    symlink(precious.parent().unwrap(), sandbox.home().join("way")).unwrap();
    symlink(&precious, sandbox.home().join(".a/inside")).unwrap();
    sandbox.hoist("uninstall a -y").exits(0);
    assert!(
        precious.join("file").exists()
            && sandbox.home().join("link").is_symlink()
            && sandbox.home().join(".a/inside").is_symlink()
    );
    // A file system that is mounted inside.
    let sandbox = Sandbox::new();
    sandbox.add(&tool("a"));
    sandbox.hoist("install").exits(0);
    std::fs::create_dir(sandbox.home().join(".a/mnt")).unwrap();
    let mounted = format!(
        "mount --bind '{}' '{}/.a/mnt' || exit 77; '{}' uninstall a -y --purge; ls '{}/.a/mnt'",
        precious.display(),
        sandbox.home().display(),
        hoist_tests::binary().display(),
        sandbox.home().display()
    );
    let output = sandbox
        .command("unshare")
        .args(["-m", "bash", "-c", &mounted])
        .output()
        .unwrap();
    if output.status.code() == Some(77) {
        return;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("a file system is mounted there") && text.trim().ends_with("file"),
        "{text}"
    );
    assert!(precious.join("file").exists());
}

#[test]
fn python_packages_go_unless_another_module_has_them() {
    if !has("pip3") {
        return;
    }
    let sandbox = Sandbox::new();
    let pip = |name: &str| {
        Module::new(name)
            .method("pip")
            .field("INSTALL_DIRS", "$HOME/.local")
            .field("UNINSTALL_DIRS", "")
    };
    sandbox
        .add(&pip("iniconfig"))
        .add(&pip("tabulate").field("PACKAGES", "tabulate iniconfig"));
    sandbox.hoist("install").exits(0);
    let there = |name: &str| {
        let lib = std::fs::read_dir(sandbox.home().join(".local/lib"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
            .join("site-packages");
        lib.join(name).exists()
    };
    let ran = sandbox.json("uninstall iniconfig -y").exits(0);
    assert!(there("iniconfig"), "{}", ran.stdout);
    assert_eq!(
        items(&ran, "iniconfig", "kept"),
        ["Python package iniconfig"]
    );
    sandbox.hoist("uninstall tabulate -y").exits(0);
    assert!(!there("iniconfig") && !there("tabulate.py"));
}

#[test]
fn a_directory_that_cannot_be_removed_is_a_failure_that_can_be_tried_again() {
    if !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&tool("a"));
    let hoist = |arguments: &str| {
        let mut command = sandbox.command("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(hoist_tests::binary())
            .args(arguments.split_whitespace());
        hoist_tests::ran(command.output().unwrap())
    };
    let chown =
        |path: &std::path::Path| std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    chown(&sandbox.home());
    chown(&sandbox.path("tmp"));
    for path in [
        sandbox.path(""),
        sandbox.collection(),
        sandbox.collection().join("modules"),
    ] {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    hoist("install").exits(0);
    // A directory of somebody else's; one of its own that it may not write is no obstacle.
    let sub = sandbox.home().join(".a/sub");
    std::os::unix::fs::chown(&sub, Some(0), Some(0)).unwrap();
    std::fs::set_permissions(
        sandbox.home().join(".a"),
        std::os::unix::fs::PermissionsExt::from_mode(0o500),
    )
    .unwrap();
    hoist("uninstall a -y")
        .exits(3)
        .says("cannot remove it: Permission denied");
    assert!(sub.join("file").exists());
    chown(&sub);
    hoist("uninstall a -y").exits(0);
    assert!(!sandbox.has(".a"));
}

#[test]
fn lines_that_stay_in_files_of_the_shell_are_reported() {
    let sandbox = Sandbox::new();
    sandbox.put(".bashrc", "rc\n");
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .main("mkdir -p ~/.m; echo 'eval \"$(m init)\"' >>~/.bashrc"),
    );
    sandbox.hoist("install").exits(0);
    sandbox
        .hoist("uninstall m -y")
        .exits(0)
        .says(".bashrc: a script of the module added lines to it, such as `eval \"$(m init)\"`");
    sandbox.hoist("install").exits(0);
    sandbox.put(".bashrc", "rc\n");
    let removed = sandbox.hoist("uninstall m -y").exits(0);
    assert!(!removed.stdout.contains(".bashrc"), "{}", removed.stdout);
}
