//! Whose a file is: what a module wrote, what somebody changed of it, what was there before.

use std::os::unix::fs::{PermissionsExt, symlink};

use hoist_tests::{GitFixture, Module, Sandbox, has};

fn write(sandbox: &Sandbox, path: &str, text: &str) {
    let path = sandbox.home().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn bash(sandbox: &Sandbox, line: &str) {
    let output = sandbox
        .command("bash")
        .args(["-ec", line])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Everything below the home that has this in its name, hoist's own state left out.
fn found(sandbox: &Sandbox, part: &str) -> Vec<String> {
    let line = format!(
        "find . -path ./.local/state -prune -o -path ./.cache -prune -o -name '*{part}*' -print | sort"
    );
    let output = sandbox
        .command("bash")
        .args(["-c", &line])
        .current_dir(sandbox.home())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Everything that is left of former versions, with what it holds.
fn copies(sandbox: &Sandbox) -> Vec<String> {
    let copies = [
        found(sandbox, "hoist-backup"),
        found(sandbox, "pre-slaanesh"),
    ]
    .concat();
    copies
        .iter()
        .filter(|path| sandbox.home().join(path).is_file())
        .map(|path| sandbox.read(path))
        .collect()
}

/// What hoist has moved out of the way or not yet put in place.
fn stages(sandbox: &Sandbox) -> Vec<String> {
    [
        found(sandbox, ".hoist-aside-"),
        found(sandbox, ".hoist-stage-"),
        found(sandbox, ".hoist-removed-"),
    ]
    .concat()
}

fn module(update: &str, main: &str) -> Module {
    Module::new("m")
        .field("INSTALL_DIRS", "$HOME/.m")
        .field("UNINSTALL_DIRS", "$HOME/.m")
        .field("UPDATE_METHOD", update)
        .main(main)
}

#[test]
fn a_file_that_was_there_and_is_only_written_to_stays_somebodys() {
    for (end, code) in [("", 0), ("; false", 3)] {
        let sandbox = Sandbox::new();
        let hook = format!(
            "mkdir -p ~/.m; touch ~/.m/v; grep -q hook ~/.zshrc || echo hook >>~/.zshrc; echo more >>~/.m/conf{end}"
        );
        sandbox.add(&module("reinstall", &hook).field("TEST_FILES", "$HOME/.m/v $HOME/.zshrc"));
        write(&sandbox, ".zshrc", "mine\n");
        write(&sandbox, ".m/conf", "mine\n");
        sandbox.hoist("install").exits(code);
        if code == 0 {
            sandbox.hoist("update").exits(0);
            sandbox.hoist("install --force").exits(0);
        }
        sandbox.hoist("uninstall m --yes").exits(0);
        assert!(sandbox.read(".zshrc").starts_with("mine\n"), "{end}");
        let conf = std::fs::read_to_string(sandbox.home().join(".m/conf")).unwrap_or_default();
        assert!(
            conf.starts_with("mine\n")
                || copies(&sandbox)
                    .iter()
                    .any(|copy| copy.starts_with("mine\n")),
            "{end}"
        );
    }
}

#[test]
fn a_template_decides_also_where_the_script_writes_the_file_itself() {
    let sandbox = Sandbox::new();
    let copy =
        "main_module() { cp \"$SCRIPT_DIR/config/rc\" ~/.rc; }\nupdate_module() { main_module; }";
    sandbox.add(
        &Module::new("m")
            .field("CONFIG_FILES", "$HOME/.rc")
            .field("UPDATE_METHOD", "custom")
            .body(copy),
    );
    sandbox.write("config/rc", "one\n");
    write(&sandbox, ".rc", "mine\n");
    sandbox.hoist("install").exits(0);
    assert_eq!(
        (sandbox.read(".rc"), sandbox.read(".rc.new")),
        ("mine\n".to_owned(), "one\n".to_owned())
    );
    sandbox.hoist("install --force --config-keep m").exits(0);
    assert_eq!(sandbox.read(".rc"), "mine\n");
    sandbox
        .hoist("install --force --config-overwrite m")
        .exits(0);
    assert_eq!(
        (sandbox.read(".rc"), copies(&sandbox)),
        ("one\n".to_owned(), vec!["mine\n".to_owned()])
    );
    write(&sandbox, ".rc", "edit\n");
    sandbox.write("config/rc", "two\n");
    sandbox.hoist("update").exits(0);
    assert_eq!(
        (sandbox.read(".rc"), sandbox.read(".rc.new")),
        ("edit\n".to_owned(), "two\n".to_owned())
    );
}

#[test]
fn what_is_repaired_or_forced_is_moved_aside_like_what_is_updated() {
    let main = "[ ! -e ~/die ] || { kill -9 $PPID; sleep 0.2; }; rm -rf ~/.m; mkdir -p ~/.m; echo x >~/.m/v; echo default >~/.m/settings";
    for prepare in ["touch ~/die", "rm ~/.m/v", ":"] {
        let sandbox = Sandbox::new();
        sandbox.add(&module("reinstall", main).field("TEST_FILES", "$HOME/.m/v"));
        sandbox.hoist("install").exits(0);
        write(&sandbox, ".m/settings", "mine\n");
        write(&sandbox, ".m/notes", "mine\n");
        bash(&sandbox, prepare);
        if prepare.contains("die") {
            sandbox.hoist("update").exits(137);
            std::fs::remove_file(sandbox.home().join("die")).unwrap();
            sandbox.hoist("update m").exits(0);
        } else {
            sandbox.hoist("install --force m").exits(0);
        }
        assert_eq!(
            (sandbox.read(".m/notes"), copies(&sandbox)),
            ("mine\n".to_owned(), vec!["mine\n".to_owned()]),
            "{prepare}"
        );
        assert!(stages(&sandbox).is_empty());
    }
}

#[test]
fn an_update_that_failed_is_tried_again_and_nothing_is_installed_for_it() {
    let sandbox = Sandbox::new();
    let body = "main_module() { mkdir -p ~/.m; echo installed >>~/.m/log; }\nupdate_module() { echo updated >>~/.m/log; echo tried >>~/tries; [[ -e ~/ready ]]; }";
    sandbox.add(&module("custom", "").body(body));
    sandbox.hoist("install").exits(0);
    sandbox.hoist("update").exits(3);
    sandbox.hoist("update").exits(3);
    write(&sandbox, "ready", "");
    assert_eq!(sandbox.json("update").exits(0).statuses()["m"], "updated");
    assert_eq!(sandbox.read("tries"), "tried\ntried\ntried\n");
    // What failed was taken back.
    assert_eq!(sandbox.read(".m/log"), "installed\nupdated\n");
}

#[test]
fn what_was_there_before_hoist_is_moved_aside_as_a_whole() {
    let main = "rm -rf ~/.m; mkdir -p ~/.m; echo new >~/.m/version; [[ ! -e ~/fail ]]";
    // Found as it should be.
    let sandbox = Sandbox::new();
    sandbox.add(&module("reinstall", main).field("TEST_FILES", "$HOME/.m/version"));
    write(&sandbox, ".m/version", "mine\n");
    write(&sandbox, ".m/notes", "mine\n");
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["m"],
        "unchanged"
    );
    sandbox.hoist("update").exits(0);
    assert_eq!(
        (
            sandbox.read(".m/version"),
            sandbox.read(".m/notes"),
            copies(&sandbox)
        ),
        ("new\n".into(), "mine\n".into(), vec!["mine\n".to_owned()])
    );
    // A directory that was there, with the module in it.
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.home().join(".m")).unwrap();
    sandbox.add(&module(
        "reinstall",
        "mkdir -p ~/.m; echo old >~/.m/version",
    ));
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".m/version", "edited\n");
    write(&sandbox, ".m/notes", "mine\n");
    sandbox.add(&module("reinstall", main));
    write(&sandbox, "fail", "");
    sandbox
        .hoist("update")
        .exits(3)
        .says("the previous version was restored");
    assert_eq!(
        (sandbox.read(".m/version"), sandbox.read(".m/notes")),
        ("edited\n".to_owned(), "mine\n".to_owned())
    );
    std::fs::remove_file(sandbox.home().join("fail")).unwrap();
    sandbox.hoist("update").exits(0);
    assert_eq!(
        (sandbox.read(".m/notes"), copies(&sandbox)),
        ("mine\n".to_owned(), vec!["edited\n".to_owned()])
    );
}

#[test]
fn an_edit_that_an_update_writes_back_stays_an_edit() {
    let sandbox = Sandbox::new();
    let body = "main_module() { mkdir -p ~/.m; echo 1 >~/.m/file; echo 1 >~/.m/other; }\n\
        update_module() { cp ~/.m/file ~/.m/notes ~; rm ~/.m/file ~/.m/notes; cp ~/file ~/notes ~/.m; echo 2 >~/.m/other; touch ~/.m/*; }";
    sandbox.add(&module("custom", "").body(body));
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".m/file", "edit\n");
    write(&sandbox, ".m/notes", "mine\n");
    sandbox.hoist("update").exits(0);
    sandbox
        .hoist("uninstall m --yes")
        .exits(0)
        .says("it was modified since")
        .says("it was added since");
    assert_eq!(
        (sandbox.read(".m/file"), sandbox.read(".m/notes")),
        ("edit\n".to_owned(), "mine\n".to_owned())
    );
    assert!(!sandbox.has(".m/other"));
}

#[test]
fn no_commit_that_only_a_clone_has_is_thrown_away() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let inner = fixture.repository("inner", 1);
    fixture.repository("outer", 2);
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
        (
            "--recursive",
            "echo mine >mine; git add mine; git commit -qm mine; git tag wip; git reset -q --hard origin/main",
            ".git/",
        ),
        ("--recursive", "git notes add -m mine", ".git/"),
        (
            "--recursive",
            "git -C inner checkout -qb mine; git -C inner commit -q --allow-empty -m mine; git submodule -q update; git submodule -q deinit -f inner",
            ".git/",
        ),
        (
            "--branch v1 --depth 1",
            "git commit -q --allow-empty -m mine; git tag mine; git checkout -q v1",
            ".git/",
        ),
        (
            "",
            "git update-index --skip-worktree file; echo mine >file",
            "file",
        ),
        (
            "",
            "git update-index --assume-unchanged file; echo mine >file",
            "file",
        ),
        // Nothing of one's own, for comparison; the last two are the tags and the branches of the
        // remote.
        ("--recursive", ":", ""),
        ("--branch v1 --depth 1", ":", ""),
    ];
    for (args, line, kept) in own {
        let mut sandbox = Sandbox::new();
        let settings = [
            ("protocol.file.allow", "always"),
            ("user.name", "a"),
            ("user.email", "a@b"),
        ];
        sandbox.set("GIT_CONFIG_COUNT", "3");
        for (number, (name, value)) in settings.iter().enumerate() {
            sandbox.set(&format!("GIT_CONFIG_KEY_{number}"), name);
            sandbox.set(&format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        let clone = Module::new("m")
            .method("git_clone")
            .field("INSTALL_REPO", &format!("file://{}", outer.display()));
        sandbox.add(
            &clone
                .field("INSTALL_DIRS", "$HOME/.m")
                .field("UNINSTALL_DIRS", "$HOME/.m")
                .field("INSTALL_ARGS", args),
        );
        sandbox.hoist("install").exits(0);
        bash(&sandbox, &format!("cd ~/.m; {line}"));
        if kept.is_empty() {
            sandbox.hoist("install --force m").exits(0);
            sandbox.hoist("uninstall m --yes").exits(0);
            assert!(!sandbox.has(".m"), "{args}");
            continue;
        }
        sandbox
            .hoist("install --force m")
            .exits(3)
            .says("is not changed");
        sandbox.hoist("uninstall m --yes").exits(0);
        assert!(sandbox.has(&format!(".m/{kept}")), "{args}: {line}");
    }
}

#[test]
fn a_recovery_that_is_killed_itself_is_completed_by_the_next() {
    if !has("strace") {
        return;
    }
    for number in 1..=4 {
        let sandbox = Sandbox::new();
        let main = "mkdir -p ~/.m ~/.n; cat ~/wanted >~/.m/v; cat ~/wanted >~/.n/v; [ ! -e ~/die ] || { kill -9 $PPID; sleep 0.2; }";
        let module = Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m $HOME/.n")
            .field("UNINSTALL_DIRS", "$HOME/.m $HOME/.n");
        sandbox.add(&module.field("UPDATE_METHOD", "reinstall").main(main));
        write(&sandbox, "wanted", "1");
        sandbox.hoist("install").exits(0);
        write(&sandbox, ".m/notes", "mine\n");
        write(&sandbox, ".n/notes", "mine\n");
        write(&sandbox, "die", "");
        write(&sandbox, "wanted", "2");
        sandbox.hoist("update").exits(137);
        std::fs::remove_file(sandbox.home().join("die")).unwrap();
        let inject = format!("inject=renameat2:signal=SIGKILL:when={number}");
        let mut command = sandbox.command("strace");
        command
            .args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=renameat2",
                "-e",
                &inject,
            ])
            .arg(hoist_tests::binary())
            .args(["update", "m"]);
        command.output().unwrap();
        sandbox.hoist("update m").exits(0);
        assert_eq!(
            (sandbox.read(".m/v"), sandbox.read(".n/v")),
            ("2".to_owned(), "2".to_owned()),
            "{number}"
        );
        assert_eq!(
            (sandbox.read(".m/notes"), sandbox.read(".n/notes")),
            ("mine\n".to_owned(), "mine\n".to_owned()),
            "{number}"
        );
        assert!(
            stages(&sandbox).is_empty() && copies(&sandbox).is_empty(),
            "{number}: {:?}",
            found(&sandbox, "hoist-backup")
        );
    }
}

#[test]
fn modules_inside_each_other_are_installed_anew_one_after_another() {
    let sandbox = Sandbox::new();
    let renewed = |name: &str, dir: &str| {
        let main = format!("mkdir -p ~/{dir}; cat ~/wanted >~/{dir}/v; sleep 0.3");
        let dir = format!("$HOME/{dir}");
        Module::new(name)
            .field("INSTALL_DIRS", &dir)
            .field("UNINSTALL_DIRS", &dir)
            .field("UPDATE_METHOD", "reinstall")
            .main(&main)
    };
    sandbox
        .add(&renewed("a", ".m"))
        .add(&renewed("b", ".m/plugins/b"))
        .add(&renewed("c", ".m/plugins/c"));
    write(&sandbox, "wanted", "1");
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".m/plugins/b/notes", "mine\n");
    write(&sandbox, "wanted", "2");
    sandbox.hoist("update -j4").exits(0);
    for path in [".m/v", ".m/plugins/b/v", ".m/plugins/c/v"] {
        assert_eq!(sandbox.read(path), "2", "{path}");
    }
    assert_eq!(sandbox.read(".m/plugins/b/notes"), "mine\n");
    assert!(
        stages(&sandbox).is_empty() && copies(&sandbox).is_empty(),
        "{:?}",
        copies(&sandbox)
    );
    sandbox.hoist("uninstall a b c --yes").exits(0);
    assert_eq!(found(&sandbox, "v"), Vec::<String>::new());
    assert!(sandbox.has(".m/plugins/b/notes"));
}

#[test]
fn what_was_never_installed_has_nothing_of_its_own() {
    let sandbox = Sandbox::new();
    sandbox.add(&module("none", "false").field("UNINSTALL_FILES", "$HOME/.mrc"));
    sandbox.hoist("install").exits(3);
    write(&sandbox, ".m/work", "mine\n");
    write(&sandbox, ".mrc", "mine\n");
    sandbox.hoist("uninstall m --yes").exits(0);
    assert_eq!(
        (sandbox.read(".m/work"), sandbox.read(".mrc")),
        ("mine\n".to_owned(), "mine\n".to_owned())
    );
}

#[test]
fn a_found_module_stays_found_when_its_update_makes_more() {
    let sandbox = Sandbox::new();
    let body = "main_module() { :; }\nupdate_module() { mkdir -p ~/.more; echo x >~/.more/x; }\nuninstall_module() { rm -rf ~/.m; }";
    sandbox.add(
        &module("custom", "")
            .field("UNINSTALL_DIRS", "$HOME/.m $HOME/.more")
            .field("TEST_FILES", "$HOME/.m/v")
            .body(body),
    );
    write(&sandbox, ".m/v", "mine\n");
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["m"],
        "unchanged"
    );
    sandbox.hoist("update").exits(0);
    assert!(sandbox.has(".more/x"));
    sandbox.hoist("uninstall m --yes").exits(0);
    assert_eq!(sandbox.read(".m/v"), "mine\n");
}

#[test]
fn python_packages_that_were_there_before_stay() {
    if !has("pip3") {
        return;
    }
    let sandbox = Sandbox::new();
    let pip = |name: &str, packages: &str| {
        Module::new(name)
            .method("pip")
            .field("INSTALL_DIRS", "$HOME/.local")
            .field("PACKAGES", packages)
    };
    sandbox.add(&pip("before", "iniconfig"));
    sandbox.hoist("install").exits(0);
    // Forgotten by hoist, and there.
    std::fs::remove_dir_all(sandbox.home().join(".local/state/hoist")).unwrap();
    std::fs::remove_file(sandbox.collection().join("modules/before.sh")).unwrap();
    sandbox.add(&pip("m", "iniconfig tabulate"));
    sandbox.hoist("install m").exits(0);
    sandbox
        .hoist("uninstall m --yes")
        .exits(0)
        .says("Python package iniconfig: it existed before the install");
    let lib = std::fs::read_dir(sandbox.home().join(".local/lib"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("site-packages");
    assert!(lib.join("iniconfig").exists() && !lib.join("tabulate.py").exists());
    // Nor does an undo remove what the install found.
    sandbox.add(&pip("found", "iniconfig"));
    sandbox.hoist("install found").exits(0).says("unchanged");
    sandbox.hoist("undo --yes").exits(0).says("1 untracked");
    assert!(lib.join("iniconfig").exists());
}

#[test]
fn a_link_that_somebody_made_of_a_configuration_file_stays() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc"));
    sandbox.write("config/rc", "1\n");
    sandbox.hoist("install").exits(0);
    bash(&sandbox, "mkdir ~/dotfiles; mv ~/.rc ~/dotfiles/rc");
    symlink("dotfiles/rc", sandbox.home().join(".rc")).unwrap();
    sandbox
        .hoist("uninstall m --yes")
        .exits(0)
        .says("it is now a symbolic link that hoist did not create");
    assert_eq!(sandbox.read(".rc"), "1\n");
    // What stood there before hoist is named also when what hoist put there is gone.
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc"));
    sandbox.write("config/rc", "1\n");
    write(&sandbox, ".rc", "mine\n");
    sandbox.hoist("install --config-overwrite").exits(0);
    std::fs::remove_file(sandbox.home().join(".rc")).unwrap();
    sandbox
        .hoist("uninstall m --yes")
        .exits(0)
        .says(".rc.pre-slaanesh-");
    assert_eq!(copies(&sandbox), ["mine\n"]);
}

#[test]
fn a_file_that_a_script_configures_in_its_own_directory_survives_every_reinstall() {
    for (script, rest) in [
        ("[ -e ~/second ] || echo d >~/.m/rc", ""),
        ("echo d >~/.m/rc", "d\n"),
        ("[ -e ~/.m/rc ] || echo d >~/.m/rc", "d\n"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.add(
            &module(
                "reinstall",
                &format!("mkdir -p ~/.m; date +%N >~/.m/v; {script}"),
            )
            .field("CONFIG_FILES", "$HOME/.m/rc"),
        );
        sandbox.hoist("install").exits(0);
        write(&sandbox, "second", "");
        write(&sandbox, ".m/rc", "mine\n");
        sandbox.hoist("update").exits(0);
        sandbox.hoist("update").exits(0);
        assert_eq!(sandbox.read(".m/rc"), "mine\n", "{script}");
        let new = std::fs::read_to_string(sandbox.home().join(".m/rc.new")).unwrap_or_default();
        assert_eq!(
            (new.as_str(), copies(&sandbox)),
            (rest, Vec::new()),
            "{script}: {:?}",
            found(&sandbox, "hoist-backup")
        );
        sandbox.hoist("uninstall m --yes").exits(0);
        assert_eq!(found(&sandbox, "rc"), ["./.m/rc"], "{script}");
    }
}

#[test]
fn a_reinstall_that_fails_leaves_nothing_said_of_its_new_configuration() {
    let sandbox = Sandbox::new();
    let main = "mkdir -p ~/.m; [[ -e ~/fail ]] || touch ~/.m/v";
    sandbox.add(
        &module("reinstall", main)
            .field("CONFIG_FILES", "$HOME/.m/rc")
            .field("TEST_FILES", "$HOME/.m/v"),
    );
    sandbox.write("config/m/rc", "one\n");
    sandbox.hoist("install").exits(0);
    sandbox.write("config/m/rc", "two\n");
    write(&sandbox, "fail", "");
    sandbox.hoist("update").exits(3);
    assert_eq!(sandbox.read(".m/rc"), "one\n");
    sandbox.hoist("config list").exits(0).says("unchanged");
    std::fs::remove_file(sandbox.home().join("fail")).unwrap();
    sandbox.hoist("update").exits(0);
    assert_eq!(sandbox.read(".m/rc"), "two\n");
}

#[test]
fn directories_that_may_not_be_written_are_no_obstacle_for_their_owner() {
    if !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&module(
        "reinstall",
        "mkdir -p ~/.m/mod; cat ~/wanted >~/.m/mod/file; chmod 555 ~/.m/mod; [ ! -e ~/die ] || { kill -9 $PPID; sleep 0.2; }",
    ));
    write(&sandbox, "wanted", "1");
    for path in [
        sandbox.home(),
        sandbox.home().join("wanted"),
        sandbox.path("tmp"),
    ] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    for path in [
        sandbox.path(""),
        sandbox.collection(),
        sandbox.collection().join("modules"),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
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
    write(&sandbox, "wanted", "2");
    hoist("update").exits(0);
    write(&sandbox, "die", "");
    hoist("update").exits(137);
    std::fs::remove_file(sandbox.home().join("die")).unwrap();
    hoist("update").exits(0);
    assert_eq!(
        (
            sandbox.read(".m/mod/file"),
            found(&sandbox, "hoist-backup"),
            stages(&sandbox)
        ),
        ("2".to_owned(), vec![], vec![])
    );
    hoist("uninstall m --yes").exits(0);
    assert!(!sandbox.has(".m"));
}

#[test]
fn what_a_killed_first_install_made_goes_with_the_module() {
    let sandbox = Sandbox::new();
    sandbox.add(&module(
        "none",
        "mkdir -p ~/.m/sub; echo x >~/.m/sub/file; [ -e ~/alive ] || { kill -9 $PPID; sleep 0.2; }",
    ));
    sandbox.hoist("install").exits(137);
    write(&sandbox, "alive", "");
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".m/sub/mine", "mine\n");
    sandbox
        .hoist("uninstall m --yes")
        .exits(0)
        .says("all other files are kept");
    assert!(sandbox.has(".m/sub/mine") && !sandbox.has(".m/sub/file"));
    let sandbox = Sandbox::new();
    sandbox.add(&module(
        "none",
        "mkdir -p ~/.m/sub; echo x >~/.m/sub/file; kill -9 $PPID; sleep 0.2",
    ));
    sandbox.hoist("install").exits(137);
    sandbox.hoist("uninstall m --yes").exits(0);
    assert!(!sandbox.has(".m"));
}

/// A script that writes a program, a manual page and a line for the shell, none of which its module
/// declares.
fn undeclared(name: &str, more: &str) -> Module {
    Module::new(name).field("INSTALL_DIRS", &format!("$HOME/.{name}")).main(&format!(
        "mkdir -p ~/.{name} ~/.local/bin ~/.local/share/man/man1; echo {name} >~/.local/bin/{name}; echo page >~/.local/share/man/man1/{name}.1; touch ~/.{name}/x; {more}"
    ))
}

#[test]
fn what_a_script_creates_outside_of_its_directories_is_its_modules() {
    let sandbox = Sandbox::new();
    sandbox.put(".local/bin/mine", "mine\n");
    sandbox.add(&undeclared("rg", ""));
    sandbox.hoist("install rg").exits(0);
    sandbox
        .hoist("info rg")
        .exits(0)
        .says(".local/bin/rg")
        .says(".local/share/man/man1/rg.1");
    // A change of it is found, and an install anew is no change by hand.
    sandbox.put(".local/bin/rg", "other\n");
    sandbox.hoist("test rg").exits(3).says(".local/bin/rg");
    sandbox.hoist("install rg --force").exits(0);
    sandbox.hoist("test rg").exits(0);
    let removed = sandbox.hoist("uninstall rg -y").exits(0);
    assert!(
        !sandbox.has(".local/bin/rg") && !sandbox.has(".rg"),
        "{}",
        removed.stdout
    );
    assert!(
        !sandbox.has(".local/share/man/man1/rg.1"),
        "{}",
        removed.stdout
    );
    assert_eq!(sandbox.read(".local/bin/mine"), "mine\n");
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(sandbox.read(".local/bin/rg"), "rg\n");
    sandbox.hoist("uninstall rg -y").exits(0);
    // An undo of the install takes it back as well.
    sandbox.hoist("install rg").exits(0);
    sandbox.hoist("undo -y").exits(0);
    assert!(!sandbox.has(".local/bin/rg") && !sandbox.has(".rg"));
}

#[test]
fn a_file_of_the_shell_that_a_script_edits_is_named_and_an_undo_restores_it() {
    let sandbox = Sandbox::new();
    sandbox.put(".bashrc", "alias l=ls\n");
    sandbox.put(".local/bin/tool", "a person's\n");
    sandbox.add(&undeclared("rc", "echo 'export RC=1' >>~/.bashrc; echo 'export RC=1' >>~/.zshrc; echo other >~/.local/bin/tool"));
    let run = sandbox.hoist("install rc").exits(0);
    let (bashrc, tool) = (
        sandbox.home().join(".bashrc"),
        sandbox.home().join(".local/bin/tool"),
    );
    run.says(&format!(
        "also changed, although not declared: {}, {}",
        bashrc.display(),
        tool.display()
    ));
    sandbox.hoist("undo --dry-run").exits(0).says(".bashrc");
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(
        (sandbox.read(".bashrc"), sandbox.read(".local/bin/tool")),
        ("alias l=ls\n".to_owned(), "a person's\n".to_owned())
    );
    assert!(!sandbox.has(".zshrc") && !sandbox.has(".local/bin/rc"));
    // So is what an uninstall script edits.
    sandbox.add(&undeclared(
        "gone",
        "}\nuninstall_module() {\nsed -i /gone/d ~/.bashrc\nrm -r ~/.gone",
    ));
    sandbox.hoist("install gone").exits(0);
    sandbox.put(".bashrc", "alias l=ls\nalias gone=1\n");
    sandbox.hoist("uninstall gone -y").exits(0).says(&format!(
        "also changed, although not declared: {}",
        bashrc.display()
    ));
    assert_eq!(sandbox.read(".bashrc"), "alias l=ls\n");
    assert!(!sandbox.has(".local/bin/gone"));
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(
        (sandbox.read(".bashrc"), sandbox.read(".local/bin/gone")),
        ("alias l=ls\nalias gone=1\n".to_owned(), "gone\n".to_owned())
    );
    sandbox.put(".bashrc", "alias l=ls\n");
    // A script that fails leaves nothing of it.
    sandbox.add(&undeclared(
        "bad",
        "echo 'export BAD=1' >>~/.bashrc; return 7",
    ));
    sandbox
        .hoist("install bad")
        .exits(3)
        .says("also restored: ");
    assert_eq!(sandbox.read(".bashrc"), "alias l=ls\n");
    assert!(!sandbox.has(".local/bin/bad"));
}

#[test]
fn links_new_directories_and_deleted_files_around_the_directories_of_modules_are_seen() {
    let sandbox = Sandbox::new();
    let rc = sandbox.put("dot/bashrc", "alias l=ls\n");
    std::os::unix::fs::symlink("dot/bashrc", sandbox.home().join(".bashrc")).unwrap();
    sandbox.put(".local/bin/old", "a person's\n");
    let more = "echo 'export A=1' >>~/.bashrc; mkdir -p ~/.local/bin/sub ~/.config/fish/conf.d; echo 1 >~/.local/bin/sub/inner; echo 1 >~/.config/fish/conf.d/a.fish; rm -f ~/.local/bin/old";
    sandbox.add(&undeclared("a", more));
    let run = sandbox.hoist("install a").exits(0);
    run.says(&format!(
        "also changed, although not declared: {}",
        rc.display()
    ))
    .says("also deleted, although not declared: ")
    .says(".local/bin/old");
    sandbox
        .hoist("info a")
        .exits(0)
        .says(".local/bin/sub/inner")
        .says("conf.d/a.fish");
    sandbox.hoist("test").exits(0);
    // Installed anew, hoist's own files are nobody's news.
    let again = sandbox.hoist("install a --force").exits(0);
    assert!(
        !again.stderr.contains(".hoist-") && !again.stdout.contains(".hoist-"),
        "{}{}",
        again.stdout,
        again.stderr
    );
    sandbox.hoist("undo -y").exits(0);
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(
        (sandbox.read("dot/bashrc"), sandbox.read(".local/bin/old")),
        ("alias l=ls\n".to_owned(), "a person's\n".to_owned())
    );
    assert!(
        !sandbox.has(".local/bin/sub")
            && !sandbox.has(".config/fish/conf.d/a.fish")
            && !sandbox.has(".local/bin/a")
    );
    // An update that only changes such a file changes something.
    let body = "main_module() { mkdir -p ~/.u ~/.local/bin; echo 1 >~/.local/bin/u; }\nupdate_module() { echo 2 >~/.local/bin/u; }";
    sandbox.add(
        &Module::new("u")
            .field("INSTALL_DIRS", "$HOME/.u")
            .field("UPDATE_METHOD", "custom")
            .body(body),
    );
    sandbox.hoist("install u").exits(0);
    assert_eq!(sandbox.json("update u").exits(0).statuses()["u"], "updated");
    sandbox.hoist("test u").exits(0);
    assert_eq!(
        sandbox.json("update u").exits(0).statuses()["u"],
        "unchanged"
    );
}

#[test]
fn what_scripts_create_at_the_same_time_is_nobodys_and_is_named() {
    let sandbox = Sandbox::new();
    let meet = |own: &str, other: &str| {
        format!("touch ~/here-{own}; while [[ ! -e ~/here-{other} ]]; do sleep 0.01; done")
    };
    sandbox
        .add(&undeclared("one", &meet("one", "two")))
        .add(&undeclared("two", &meet("two", "one")));
    let run = sandbox
        .hoist("install one two --jobs 2")
        .exits(0)
        .says("also created, although not declared: ")
        .says("several scripts ran at the same time");
    run.says(".local/bin/one").says(".local/bin/two");
    sandbox.hoist("uninstall one -y").exits(0);
    assert!(sandbox.has(".local/bin/one"), "nobody knows whose it is");
    sandbox.hoist("undo -y").exits(0);
    // The undo of the run that created them has them all the same.
    let runs = sandbox.json("history").exits(0).document();
    let install = runs
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["action"] == "install")
        .unwrap()["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    sandbox.hoist(&format!("undo {install} -y")).exits(0);
    assert!(
        !sandbox.has(".local/bin/one") && !sandbox.has(".local/bin/two") && !sandbox.has(".one")
    );
}
