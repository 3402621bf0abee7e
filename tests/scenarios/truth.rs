//! What hoist says is true: no success that is none, no alarm that is none.

use hoist_tests::{GitFixture, Module, Sandbox, has, ran};

#[test]
fn what_declares_nothing_to_verify_is_unverified_and_not_passed() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("blind").main("mkdir -p ~/.blind; echo 1 >~/.blind/f"));
    sandbox.add(
        &Module::new("seen")
            .field("INSTALL_DIRS", "$HOME/.seen")
            .field("TEST_FILES", "$HOME/.seen/f")
            .main("mkdir ~/.seen; echo 1 >~/.seen/f"),
    );
    sandbox
        .hoist("validate")
        .exits(0)
        .says("blind")
        .says("declares nothing that `hoist test` could verify");
    sandbox.hoist("install").exits(0);
    let tested = sandbox.json("test").exits(0);
    assert_eq!(
        (
            tested.statuses()["blind"].as_str(),
            tested.statuses()["seen"].as_str()
        ),
        ("unverified", "passed")
    );
    sandbox
        .hoist("test")
        .exits(0)
        .says("1 passed, 1 unverified")
        .says("unverified  blind");
    let listed = sandbox.json("list --installed").exits(0).document();
    let states: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["unverified", "installed"]);
    sandbox.hoist("list").exits(0).says("unverified");
    sandbox.hoist("info blind").exits(0).says("unverified");
    // Nothing is recorded of it, so nothing is removed, and that is what is said.
    let gone = sandbox.json("uninstall blind -y").exits(0);
    assert_eq!(gone.statuses()["blind"], "forgotten");
    assert!(
        sandbox.has(".blind/f")
            && gone.finished("blind")["messages"]
                .to_string()
                .contains("nothing was removed"),
        "{}",
        gone.stdout
    );
    assert_eq!(
        sandbox.json("uninstall seen -y").exits(0).statuses()["seen"],
        "removed"
    );
}

#[test]
fn a_test_finds_recorded_files_that_are_gone_or_modified() {
    let sandbox = Sandbox::new();
    let body = "mkdir -p ~/.m/__pycache__; for f in a b c; do echo $f >~/.m/$f; done; echo 1 >~/.m/__pycache__/x.pyc; ln -s a ~/.m/link";
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("TEST_DIRS", "$HOME/.m")
            .field("CONFIG_FILES", "$HOME/.m/rc")
            .main(body),
    );
    sandbox.write("config/rc", "one\n");
    sandbox.hoist("install").exits(0);
    sandbox.hoist("test").exits(0);
    // Configuration and caches are there to be changed, and what is added is nobody's business.
    sandbox.put(".m/rc", "mine\n");
    sandbox.put(".m/__pycache__/x.pyc", "2\n");
    sandbox.put(".m/mine", "mine\n");
    sandbox.hoist("test").exits(0);
    sandbox.put(".m/a", "overwritten\n");
    std::fs::remove_file(sandbox.home().join(".m/b")).unwrap();
    let failed = sandbox.json("test").exits(3);
    let reason = failed.finished("m")["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("missing:")
            && reason.contains("/.m/b")
            && reason.contains("modified:")
            && reason.contains("/.m/a"),
        "{reason}"
    );
    assert!(
        !reason.contains("/.m/c") && !reason.contains("/.m/rc") && !reason.contains("pyc"),
        "{reason}"
    );
    sandbox.hoist("install --force m").exits(0);
    sandbox.hoist("test").exits(0);
    // What another module wrote since is as that module wrote it.
    sandbox.add(
        &Module::new("other")
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("TEST_DIRS", "$HOME/.m")
            .main("echo other >~/.m/c"),
    );
    sandbox.hoist("install").exits(0);
    sandbox.hoist("test").exits(0);
}

#[test]
fn what_everybody_writes_to_and_what_comes_and_goes_is_no_failure() {
    let sandbox = Sandbox::new();
    for name in ["a", "b"] {
        let dir = format!("$HOME/.{name}");
        let main = format!(
            "mkdir -p ~/.{name}; echo 'export {name}=1' >>~/.bash_profile; mkfifo ~/.{name}/pipe; echo 1 >~/.{name}/file"
        );
        sandbox.add(&Module::new(name).field("INSTALL_DIRS", &dir).main(&main));
    }
    sandbox.hoist("install -j1").exits(0);
    sandbox.hoist("test").exits(0).says("2 passed");
    sandbox.put(".bash_profile", "# mine\n");
    std::fs::remove_file(sandbox.home().join(".a/pipe")).unwrap();
    sandbox.hoist("test").exits(0).says("2 passed");
    // What a person wrote there stays.
    sandbox.hoist("uninstall --all -y").exits(0);
    assert_eq!(sandbox.read(".bash_profile"), "# mine\n");
    // The advice is true.
    sandbox.add(
        &Module::new("rg")
            .main("mkdir -p ~/.local/bin; echo x >~/.local/bin/rg; chmod +x ~/.local/bin/rg"),
    );
    sandbox.hoist("install rg").exits(0);
    std::fs::remove_file(sandbox.home().join(".local/bin/rg")).unwrap();
    sandbox
        .hoist("test rg")
        .exits(3)
        .says("missing:")
        .says("hoist install --force MODULE");
    sandbox.hoist("install --force rg").exits(0);
    sandbox.hoist("test rg").exits(0);
}

#[test]
fn a_clone_is_compared_with_its_own_history() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let [old, new] = fixture.old_and_new();
    let sandbox = Sandbox::new();
    let link = sandbox.path("repo.git");
    std::os::unix::fs::symlink(&old, &link).unwrap();
    let clone = Module::new("m")
        .method("git_clone")
        .field("INSTALL_REPO", &link.display().to_string());
    sandbox.add(
        &clone
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("UPDATE_METHOD", "git_pull")
            .field("UPDATE_DIR", "$HOME/.m"),
    );
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.json("test").exits(0).statuses()["m"], "passed");
    // The user pulls.
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&new, &link).unwrap();
    assert!(
        sandbox
            .command("git")
            .args(["pull", "-q", "--ff-only"])
            .current_dir(sandbox.home().join(".m"))
            .status()
            .unwrap()
            .success()
    );
    sandbox.hoist("test").exits(0);
    sandbox.put(".m/file", "overwritten\n");
    sandbox
        .hoist("test")
        .exits(3)
        .says("modified:")
        .says("/.m/file");
    std::fs::remove_file(sandbox.home().join(".m/file")).unwrap();
    sandbox
        .hoist("test")
        .exits(3)
        .says("missing:")
        .says("/.m/file")
        .says("restore .` restores the committed files");
    assert!(
        sandbox
            .command("git")
            .args(["restore", "."])
            .current_dir(sandbox.home().join(".m"))
            .status()
            .unwrap()
            .success()
    );
    sandbox.hoist("test").exits(0);
    std::fs::rename(sandbox.home().join(".m/.git"), sandbox.path("git")).unwrap();
    sandbox
        .hoist("test")
        .exits(3)
        .says("missing:")
        .says("/.m/.git");
    std::fs::remove_dir_all(sandbox.home().join(".m")).unwrap();
    sandbox.hoist("test").exits(3).says("missing:");
}

#[test]
fn a_sound_machine_raises_no_alarm() {
    let sandbox = Sandbox::new();
    // Its program stands in a directory of its own.
    let body =
        "mkdir -p ~/.tool/bin; printf '#!/bin/sh\\n' >~/.tool/bin/tool; chmod +x ~/.tool/bin/tool";
    sandbox.add(
        &Module::new("tool")
            .field("INSTALL_DIRS", "$HOME/.tool")
            .field("TEST_BINARIES", "tool")
            .main(body),
    );
    sandbox.add(
        &Module::new("user")
            .depends("tool")
            .field("TEST_BINARIES", "tool")
            .main(":"),
    );
    sandbox.hoist("install").exits(0);
    let found = sandbox.json("doctor").exits(0).document();
    assert!(!found.to_string().contains("with missing files"), "{found}");
    std::fs::remove_file(sandbox.home().join(".tool/bin/tool")).unwrap();
    sandbox
        .hoist("doctor")
        .exits(3)
        .says("with missing files")
        .says("tool");
    // A first deployment was not interrupted.
    sandbox
        .write("plugins/p/plugin.yml", "name: p\nversion: 1.0.0\n")
        .write("plugins/p/scripts/deploy.sh", "true\n");
    let deployed = sandbox.hoist("plugin deploy p").exits(0);
    assert!(
        !deployed.stdout.contains("interrupted") && !deployed.stderr.contains("warning"),
        "{}{}",
        deployed.stdout,
        deployed.stderr
    );
}

#[test]
fn a_quote_that_is_not_closed_is_told_where_it_was_opened() {
    let lines = |broken: &str| {
        format!(
            "#!/usr/bin/env bash\n# Metadata: START\nMODULE_NAME=\"m\"\nMODULE_DESCRIPTION={broken}\nMODULE_ENABLED_BY_DEFAULT=\"true\"\n\
             MODULE_IS_CORE=\"false\"\nMODULE_INSTALL_METHOD=\"custom\"\nMODULE_UNINSTALL_DIRS=\"\"\n# Metadata: END\nmain_module() {{ :; }}\n"
        )
    };
    for (broken, column) in [("\"a tool", 20), ("'a tool", 20), ("a\" tool", 21)] {
        let sandbox = Sandbox::new();
        sandbox.write("modules/m.sh", &lines(broken));
        let told = sandbox.json("validate").exits(2).document();
        let errors: Vec<_> = told["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["severity"] == "error")
            .collect();
        assert_eq!(errors.len(), 1, "{broken}: {errors:#?}");
        let message = errors[0]["message"].as_str().unwrap();
        assert_eq!(
            (errors[0]["line"].as_u64(), errors[0]["column"].as_u64()),
            (Some(4), Some(column)),
            "{broken}: {errors:#?}"
        );
        assert!(
            message.contains("is not closed") && message.contains("lines 5 to 8"),
            "{message}"
        );
    }
    // A value of several lines is fine.
    let sandbox = Sandbox::new();
    sandbox.write(
        "modules/m.sh",
        &lines("\"a tool\nof two lines\"").replace(
            "MODULE_UNINSTALL_DIRS=\"\"",
            "MODULE_UNINSTALL_DIRS=\"\"\nMODULE_TEST_BINARIES=\"sh\"",
        ),
    );
    sandbox.hoist("validate").exits(0);
}

#[test]
fn scripts_know_what_was_asked_for() {
    let sandbox = Sandbox::new();
    let body = |name: &str, variable: &str| {
        format!(
            "[[ ${{{variable}:-false}} == true ]] || return 0; echo \"$MINIMAL_INSTALL ${{#SKIP_MODULES[@]}} ${{SKIP_MODULES[*]}} ${{WITH_MY_TOOL:-no}}\" >~/{name}"
        )
    };
    sandbox.add(
        &Module::new("my-tool")
            .tier("optional")
            .field("TEST_FILES", "$HOME/my-tool")
            .main(&body("my-tool", "WITH_MY_TOOL")),
    );
    sandbox.add(
        &Module::new("needed")
            .tier("optional")
            .field("TEST_FILES", "$HOME/needed")
            .main(&body("needed", "WITH_NEEDED")),
    );
    sandbox.add(
        &Module::new("user")
            .depends("needed")
            .field("TEST_FILES", "$HOME/user")
            .main(&body("user", "WITH_USER")),
    );
    sandbox.add(
        &Module::new("base")
            .tier("core")
            .field("TEST_FILES", "$HOME/base")
            .main(&body("base", "WITH_BASE")),
    );
    sandbox.hoist("install --minimal").exits(0);
    assert_eq!(sandbox.read("base"), "true 0  no\n");
    sandbox.hoist("install --skip my-tool").exits(0);
    let said = "false 1 my-tool no\n".to_owned();
    assert_eq!(
        (sandbox.read("user"), sandbox.read("needed")),
        (said.clone(), said)
    );
    sandbox.hoist("install --with my-tool").exits(0);
    assert_eq!(sandbox.read("my-tool"), "false 0  true\n");
    std::fs::remove_file(sandbox.home().join("my-tool")).unwrap();
    sandbox.hoist("install my-tool").exits(0);
    assert_eq!(sandbox.read("my-tool"), "false 0  true\n");
}

#[test]
fn a_module_that_skips_itself_is_reported_with_its_own_words() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("gpu")
            .tier("optional")
            .field("TEST_FILES", "$HOME/gpu")
            .main("log_info 'no graphics card, skipping'; return 0"),
    );
    let plain = "[[ -n ${HAS_CARD:-} ]] || { echo 'there is no card'; return 0; }; touch ~/card";
    sandbox.add(
        &Module::new("card")
            .tier("optional")
            .field("TEST_FILES", "$HOME/card")
            .main(plain),
    );
    sandbox.add(
        &Module::new("half")
            .tier("optional")
            .field("INSTALL_DIRS", "$HOME/half")
            .field("TEST_FILES", "$HOME/half/done")
            .main("mkdir -p ~/half; echo started"),
    );
    sandbox.add(
        &Module::new("bad")
            .tier("optional")
            .field("TEST_FILES", "$HOME/bad")
            .main("log_error 'no disk'; log_info 'bye'; return 0"),
    );
    let run = sandbox.json("install gpu card half bad").exits(3);
    let reason = |name: &str| run.finished(name)["reason"].as_str().unwrap().to_owned();
    assert!(
        reason("gpu").ends_with("the script exited successfully and changed nothing, its last message: no graphics card, skipping"),
        "{}",
        reason("gpu")
    );
    assert!(
        reason("card").ends_with("its last message: there is no card"),
        "{}",
        reason("card")
    );
    assert!(
        reason("half").starts_with("the install succeeded, but "),
        "{}",
        reason("half")
    );
    assert!(
        reason("bad")
            .starts_with("the script reported an error but exited successfully: no disk ("),
        "{}",
        reason("bad")
    );
}

#[test]
fn a_module_migrates_between_collections() {
    let sandbox = Sandbox::new();
    let module = |from: &str| {
        Module::new("tool")
            .field("INSTALL_DIRS", "$HOME/tool")
            .field("TEST_FILES", "$HOME/tool/from")
            .main(&format!("mkdir -p ~/tool; [[ ! -e ~/refuse-{from} ]] || return 1; echo {from} >~/tool/from; touch ~/tool/only-{from}"))
            .text()
    };
    let (one, two) = (sandbox.path("one"), sandbox.path("two"));
    for (directory, name) in [(&one, "one"), (&two, "two")] {
        std::fs::create_dir_all(directory.join("modules")).unwrap();
        std::fs::write(directory.join("modules/tool.sh"), module(name)).unwrap();
    }
    let mut sandbox = sandbox;
    sandbox.set(
        "HOIST_COLLECTION",
        &format!("{}:{}", one.display(), two.display()),
    );
    sandbox.hoist("install one/tool").exits(0);
    assert_eq!(sandbox.files("tool"), ["from", "only-one"]);
    sandbox
        .hoist("migrate tool --to two --dry-run")
        .exits(0)
        .says("from one to two");
    sandbox.put("refuse-two", "");
    sandbox.hoist("migrate tool --to two").exits(3);
    assert_eq!(
        (sandbox.files("tool"), sandbox.read("tool/from")),
        (
            vec!["from".to_owned(), "only-one".to_owned()],
            "one\n".to_owned()
        )
    );
    std::fs::remove_file(sandbox.home().join("refuse-two")).unwrap();
    sandbox.hoist("migrate tool --to two").exits(0);
    assert_eq!(
        (sandbox.files("tool"), sandbox.read("tool/from")),
        (
            vec!["from".to_owned(), "only-two".to_owned()],
            "two\n".to_owned()
        )
    );
    assert_eq!(
        sandbox.json("info tool").exits(0).document()["installed"]["source"],
        "two"
    );
    assert_eq!(
        sandbox.json("migrate tool --to two").exits(0).statuses()["tool"],
        "unchanged"
    );
    // From then on it is the module of that collection, whichever comes first.
    assert_eq!(sandbox.json("list").exits(0).document()[0]["source"], "two");
    sandbox.hoist("install tool --force").exits(0);
    assert_eq!(sandbox.read("tool/from"), "two\n");
    sandbox.hoist("undo -y").exits(0);
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(sandbox.read("tool/from"), "one\n");
    sandbox
        .hoist("migrate other --to two")
        .exits(2)
        .says("other");
    // Named in the settings, the collections have these names, also for what was installed before.
    sandbox.unset("HOIST_COLLECTION");
    std::fs::create_dir(sandbox.path("elsewhere")).unwrap();
    let (one, two) = (one.display(), two.display());
    sandbox.settings(&format!(
        "sources:\n- {{collection: {one}, name: alpha}}\n- {{collection: {two}, name: beta}}\n"
    ));
    let elsewhere = |arguments: &str| {
        let mut command = sandbox.command(hoist_tests::binary());
        ran(command
            .args(arguments.split(' '))
            .current_dir(sandbox.path("elsewhere"))
            .output()
            .unwrap())
    };
    assert_eq!(
        elsewhere("list --output json").exits(0).document()[0]["source"],
        "alpha"
    );
    elsewhere("test --source alpha").exits(0).says("1 passed");
    elsewhere("migrate tool --to beta").exits(0);
    assert_eq!(
        elsewhere("list --output json").exits(0).document()[0]["source"],
        "beta"
    );
    elsewhere("migrate tool --to beta")
        .exits(0)
        .says("unchanged");
    elsewhere("uninstall beta/tool -y").exits(0);
}

#[test]
fn an_update_names_modules_that_their_collection_no_longer_has() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("stays")).add(&Module::new("goes"));
    sandbox.hoist("install").exits(0);
    std::fs::remove_file(sandbox.collection().join("modules/goes.sh")).unwrap();
    let run = sandbox
        .hoist("update")
        .exits(0)
        .says("goes was removed from collection; run `hoist uninstall goes` to remove it");
    assert!(!run.stderr.contains("has stays"), "{}", run.stderr);
    sandbox.hoist("outdated").exits(0).says("goes").says("gone");
    sandbox.hoist("uninstall goes -y").exits(0);
    sandbox
        .hoist("outdated")
        .exits(0)
        .says("No outdated modules found");
}
