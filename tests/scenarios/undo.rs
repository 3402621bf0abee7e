//! A whole run is taken back: what it installed, updated, configured and removed.

use std::time::Duration;

use hoist_tests::faults::wait_for_watchdog;
use hoist_tests::{Application, GitFixture, Mercurial, Module, Sandbox, Server, has};

fn tree(sandbox: &Sandbox) -> std::collections::BTreeMap<String, String> {
    let all = sandbox
        .files(".")
        .into_iter()
        .filter(|path| !path.starts_with(".local/state/") && !path.starts_with(".cache/"));
    all.map(|path| {
        (
            path.clone(),
            String::from_utf8_lossy(&std::fs::read(sandbox.home().join(&path)).unwrap())
                .into_owned(),
        )
    })
    .collect()
}

fn module() -> Module {
    let body = "main_module() { mkdir -p ~/.tool/bin; echo one >~/.tool/data; echo x >~/.tool/bin/x; }\n\
                update_module() { echo two >~/.tool/data; echo new >~/.tool/new; rm -f ~/.tool/bin/x; }";
    Module::new("tool")
        .field("INSTALL_DIRS", "$HOME/.tool")
        .field("UNINSTALL_DIRS", "$HOME/.tool")
        .field("CONFIG_FILES", "$HOME/.toolrc")
        .field("UPDATE_METHOD", "custom")
        .body(body)
}

#[test]
fn installs_updates_configuration_and_removals_are_taken_back_one_after_another() {
    let sandbox = Sandbox::new();
    sandbox.add(&module()).write("config/toolrc", "set one\n");
    sandbox.put(".toolrc", "mine\n");
    sandbox.put(".tool/theirs", "theirs\n");
    let mut trees = vec![tree(&sandbox)];
    sandbox.hoist("install --config-overwrite").exits(0);
    trees.push(tree(&sandbox));
    sandbox.write("config/toolrc", "set two\n");
    sandbox.hoist("update").exits(0);
    trees.push(tree(&sandbox));
    sandbox.hoist("uninstall tool --yes").exits(0);
    let last = tree(&sandbox);
    assert_ne!(trees[2], last);
    // A plan changes nothing, and without somebody to ask nothing is done.
    sandbox
        .hoist("undo --dry-run")
        .exits(0)
        .says("uninstall")
        .says("restore")
        .says(".tool");
    sandbox.hoist("undo").exits(2).says("--yes");
    assert_eq!(tree(&sandbox), last);
    // The install cannot be taken back before what came after it.
    let history = sandbox.json("history").exits(0).document();
    let first = history.as_array().unwrap().last().unwrap()["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    sandbox
        .hoist(&format!("undo {first} --yes"))
        .exits(2)
        .says("was changed again by");
    for expected in trees.iter().rev() {
        let ran = sandbox.hoist("undo --yes").exits(0);
        assert_eq!(&tree(&sandbox), expected, "{}", ran.stdout);
    }
    sandbox.hoist("undo --yes").exits(2).says("no run to undo");
    // The history says what was undone, and by which run.
    let history = sandbox.json("history").exits(0).document();
    let undone = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["undone"].is_string())
        .count();
    assert_eq!(undone, 3, "{history}");
    sandbox.hoist("history").exits(0).says("undone by");
    sandbox
        .hoist(&format!("undo {first} --yes"))
        .exits(2)
        .says("is already undone");
    sandbox.hoist("list").exits(0).says("available");
    // What was taken back can be taken back as well.
    let undos: Vec<String> = sandbox
        .json("history")
        .exits(0)
        .document()
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["action"] == "undo")
        .map(|run| run["run_id"].as_str().unwrap().to_owned())
        .collect();
    sandbox.hoist(&format!("undo {} --yes", undos[0])).exits(0);
    assert_eq!(tree(&sandbox), trees[1]);
    assert_eq!(sandbox.json("test").exits(0).statuses()["tool"], "passed");
    sandbox.hoist("uninstall tool --yes").exits(0);
    assert_eq!(sandbox.read(".tool/theirs"), "theirs\n");
}

#[test]
fn what_somebody_changed_since_is_refused_and_with_force_copied_aside() {
    let sandbox = Sandbox::new();
    sandbox.add(&module()).write("config/toolrc", "set one\n");
    sandbox.hoist("install").exits(0);
    sandbox.hoist("update").exits(0);
    sandbox.put(".tool/data", "edited\n");
    sandbox.put(".tool/added", "added\n");
    let before = tree(&sandbox);
    sandbox
        .hoist("undo --yes")
        .exits(2)
        .says(".tool/data")
        .says("it was modified since")
        .says("--force");
    assert_eq!(tree(&sandbox), before);
    sandbox
        .hoist("undo --yes --force")
        .exits(0)
        .says("hoist-backup");
    assert_eq!(sandbox.read(".tool/data"), "one\n");
    assert!(!sandbox.has(".tool/new") && sandbox.has(".tool/bin/x"));
    let copies: Vec<String> = tree(&sandbox)
        .into_iter()
        .filter(|(path, _)| path.contains("hoist-backup"))
        .map(|(_, text)| text)
        .collect();
    assert_eq!(copies, ["edited\n"]);
    // The install: what was added stays, with its directory.
    sandbox
        .hoist("undo --yes")
        .exits(0)
        .says("that the run did not create");
    assert_eq!(sandbox.files(".tool").len(), 2);
    assert!(sandbox.has(".tool/added"));
}

#[test]
fn a_clone_goes_back_to_where_it_was() {
    let sandbox = Sandbox::new();
    let fixture = GitFixture::new();
    fixture.repository("tool", 2);
    let server = Server::git(fixture.root(), Duration::ZERO);
    sandbox.add(
        &Module::new("tool")
            .method("git_clone")
            .field("INSTALL_REPO", &server.url("/tool.git"))
            .field("INSTALL_DIRS", "$HOME/.tool")
            .field("UPDATE_METHOD", "git_pull")
            .field("UPDATE_DIR", "$HOME/.tool"),
    );
    sandbox.hoist("install").exits(0);
    let state = || {
        let git = |arguments: &[&str]| {
            String::from_utf8(
                sandbox
                    .command("git")
                    .args(arguments)
                    .current_dir(sandbox.home().join(".tool"))
                    .output()
                    .unwrap()
                    .stdout,
            )
            .unwrap()
        };
        (
            git(&["rev-parse", "HEAD"]),
            git(&["status", "--porcelain"]),
            git(&["log", "--oneline"]),
            sandbox.read(".tool/file"),
        )
    };
    let first = state();
    std::fs::write(fixture.path("tool.work/file"), "newer\n").unwrap();
    fixture.commit("tool.work", "newer");
    fixture.publish("tool");
    sandbox.hoist("update").exits(0);
    assert_eq!(sandbox.read(".tool/file"), "newer\n");
    let second = state();
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(state(), first);
    // And forward again, as if nothing had been.
    assert_eq!(
        sandbox.json("update").exits(0).statuses()["tool"],
        "updated"
    );
    assert_eq!(state(), second);
    // A removal brings the history back as well.
    sandbox.hoist("uninstall tool --yes").exits(0);
    assert!(!sandbox.has(".tool"));
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(state(), second);
    // What is nowhere else is not thrown away with an install.
    sandbox.hoist("uninstall tool --yes").exits(0);
    sandbox.hoist("install").exits(0);
    let commit = "cd ~/.tool && echo mine >mine && git add . && git -c user.name=a -c user.email=a@b commit -qm mine";
    assert!(
        sandbox
            .command("bash")
            .args(["-c", commit])
            .status()
            .unwrap()
            .success()
    );
    sandbox.hoist("undo --yes --force").exits(2).says("commit");
    assert!(sandbox.has(".tool/mine"));
}

#[test]
fn times_attributes_and_empty_directories_are_restored() {
    let main = "mkdir -p ~/.tool/empty/deep ~/.tool/sub; echo x >~/.tool/sub/data; chmod 640 ~/.tool/sub/data";
    let module = Module::new("tool")
        .field("INSTALL_DIRS", "$HOME/.tool")
        .field("UNINSTALL_DIRS", "$HOME/.tool");
    let sandbox = Sandbox::new();
    sandbox.add(&module.main(main));
    sandbox.hoist("install").exits(0);
    let line = "cd ~/.tool; touch -d 2001-02-03 sub/data; ln -s data sub/link; touch -hd 2002-03-04 sub/link; \
                python3 -c 'import os; os.setxattr(\"sub/data\", \"user.note\", b\"mine\")' 2>/dev/null || touch ~/none; \
                touch -d 2003-04-05 sub empty/deep empty .";
    assert!(
        sandbox
            .command("bash")
            .args(["-c", line])
            .status()
            .unwrap()
            .success()
    );
    let state = || {
        let line = "cd ~; find .tool -printf '%p %y %m %T+ %l\\n' | sort; python3 -c 'import os; print(os.getxattr(\".tool/sub/data\", \"user.note\"))' 2>/dev/null";
        String::from_utf8(
            sandbox
                .command("bash")
                .args(["-c", line])
                .output()
                .unwrap()
                .stdout,
        )
        .unwrap()
    };
    let before = state();
    assert!(
        before.contains("2001-02-03") && (before.contains("mine") || sandbox.has("none")),
        "{before}"
    );
    sandbox.hoist("uninstall tool -y --purge").exits(0);
    assert!(!sandbox.has(".tool"));
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(state(), before);
}

#[test]
fn an_adopted_module_is_forgotten_by_the_undo_and_what_is_written_through_a_link_is_removed() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("found")
            .field("TEST_FILES", "$HOME/there")
            .main("touch ~/there"),
    );
    sandbox.put("there", "mine\n");
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.json("list").document()[0]["state"], "installed");
    sandbox.hoist("undo --dry-run").exits(0);
    sandbox.hoist("undo -y").exits(0);
    assert_ne!(sandbox.json("list").document()[0]["state"], "installed");
    assert_eq!(sandbox.read("there"), "mine\n");
    // A configuration file that is a link to where nothing is yet.
    let sandbox = Sandbox::new();
    sandbox
        .add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc"))
        .write("config/rc", "shipped\n");
    std::fs::create_dir(sandbox.home().join("dotfiles")).unwrap();
    std::os::unix::fs::symlink("dotfiles/rc", sandbox.home().join(".rc")).unwrap();
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read("dotfiles/rc"), "shipped\n");
    sandbox.hoist("undo -y").exits(0);
    assert!(!sandbox.has("dotfiles/rc") && sandbox.home().join(".rc").is_symlink());
}

#[test]
fn an_undo_after_a_kill_takes_back_the_run_that_was_killed_and_no_other() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("early")
            .field("INSTALL_DIRS", "$HOME/.early")
            .main("mkdir ~/.early; echo 1 >~/.early/f"),
    );
    sandbox.hoist("install").exits(0);
    sandbox.add(
        &Module::new("done")
            .field("INSTALL_DIRS", "$HOME/.done")
            .main("mkdir ~/.done; echo 1 >~/.done/f"),
    );
    sandbox.add(
        &Module::new("late")
            .depends("done")
            .field("INSTALL_DIRS", "$HOME/.late")
            .main("mkdir ~/.late; touch ~/up; sleep 300"),
    );
    let before = tree(&sandbox);
    for module in ["late", "done"] {
        // Where "done" alone is asked for it is killed; else it is complete by then.
        if module == "done" {
            sandbox.add(
                &Module::new("done")
                    .field("INSTALL_DIRS", "$HOME/.done")
                    .main("mkdir ~/.done; touch ~/up; sleep 300"),
            );
        }
        let mut run = sandbox.start(&format!("install {module}"));
        while !sandbox.has("up") {
            std::thread::sleep(Duration::from_millis(5));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        std::fs::remove_file(sandbox.home().join("up")).unwrap();
        wait_for_watchdog(&sandbox);
        let shown = sandbox
            .hoist("undo --dry-run")
            .exits(0)
            .says(&format!("roll back {module}"));
        assert_eq!(
            (
                shown.stdout.contains(".done"),
                shown.stdout.contains("early")
            ),
            (module == "late", false),
            "{}",
            shown.stdout
        );
        let ran = sandbox.hoist("undo --yes").exits(0);
        assert_eq!(tree(&sandbox), before, "{}{}", ran.stdout, ran.stderr);
    }
    // What was done before that is the next to go.
    sandbox.hoist("undo --yes").exits(0);
    assert!(!sandbox.has(".early"));
}

#[test]
fn a_repair_keeps_what_somebody_changed_and_its_undo_leaves_what_was_there() {
    let sandbox = Sandbox::new();
    let body = "main_module() { [[ ! -e ~/fail ]] || exit 1; mkdir -p ~/.m; echo one >~/.m/f; echo one >~/.m/g; }\n\
                update_module() { [[ ! -e ~/fail ]] || exit 1; echo two >~/.m/f; echo two >~/.m/g; }";
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("UPDATE_METHOD", "custom")
            .body(body),
    );
    sandbox.add(&Module::new("needs").depends("m"));
    sandbox.hoist("install").exits(0);
    sandbox.put("fail", "");
    sandbox.hoist("install --force m").exits(3);
    std::fs::remove_file(sandbox.home().join("fail")).unwrap();
    sandbox.put(".m/f", "mine\n");
    let before = tree(&sandbox);
    for repair in ["update", "install --force m"] {
        sandbox.hoist(repair).exits(0);
        let kept = sandbox
            .files(".m")
            .into_iter()
            .filter(|path| sandbox.read(&format!(".m/{path}")) == "mine\n")
            .count();
        assert_eq!(kept, 1, "{repair}: {:?}", tree(&sandbox));
        sandbox.hoist("undo --yes").exits(0);
        assert_eq!(tree(&sandbox), before, "{repair}");
    }
}

#[test]
fn a_copy_beside_a_program_goes_with_the_undo_of_its_install() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("m")
            .field("UNINSTALL_BINARIES", "m")
            .main("mkdir -p ~/.local/bin; echo theirs >~/.local/bin/m"),
    );
    sandbox.put(".local/bin/m", "mine\n");
    let before = tree(&sandbox);
    sandbox
        .hoist("install")
        .exits(0)
        .says(".local/bin/m.hoist-backup-");
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(tree(&sandbox), before);
}

#[test]
fn what_the_first_install_of_a_script_takes_of_a_persons_files_is_kept() {
    let main = "mkdir -p ~/.tool; cd ~/.tool; echo shipped >settings; rm -f gone; rm -rf notes; echo own >data; ln -sfn data link";
    let uninstall = "rm -rf ~/.tool/plugins ~/.tool/data";
    let module = Module::new("tool")
        .field("INSTALL_DIRS", "$HOME/.tool")
        .field("UNINSTALL_DIRS", "$HOME/.tool");
    let module = module.body(&format!(
        "main_module() {{ {main}; }}\nuninstall_module() {{ {uninstall}; }}"
    ));
    let sandbox = Sandbox::new();
    sandbox.add(&module);
    for file in ["settings", "gone", "notes/deep/today", "untouched"] {
        sandbox.put(&format!(".tool/{file}"), "mine\n");
    }
    std::os::unix::fs::symlink("gone", sandbox.home().join(".tool/link")).unwrap();
    let before = tree(&sandbox);
    let ran = sandbox
        .hoist("install")
        .exits(0)
        .says("which the module's script changed")
        .says("it was restored");
    assert_eq!(
        (sandbox.read(".tool/settings"), sandbox.read(".tool/data")),
        ("shipped\n".to_owned(), "own\n".to_owned())
    );
    for file in ["gone", "notes/deep/today", "untouched"] {
        assert_eq!(
            sandbox.read(&format!(".tool/{file}")),
            "mine\n",
            "{}",
            ran.stdout
        );
    }
    let copies = || {
        sandbox
            .files(".")
            .into_iter()
            .filter(|path| path.contains("/settings.hoist-backup-"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        copies()
            .iter()
            .map(|copy| sandbox.read(copy))
            .collect::<Vec<_>>(),
        ["mine\n"]
    );
    // What came since, its script has no right to.
    sandbox.put(".tool/plugins/mine", "mine\n");
    let preview = sandbox
        .hoist("plan uninstall tool")
        .exits(0)
        .says("settings");
    let ran = sandbox
        .hoist("uninstall tool -y")
        .exits(0)
        .says("plugins/mine")
        .says("and restored");
    assert_eq!(sandbox.read(".tool/plugins/mine"), "mine\n");
    assert!(
        !ran.stdout.contains("settings: it was added since"),
        "{}\n{}",
        preview.stdout,
        ran.stdout
    );
    let mut after = tree(&sandbox);
    after.remove(".tool/plugins/mine");
    assert_eq!(after, before, "{}", ran.stdout);
    assert_eq!(
        sandbox.home().join(".tool/link").read_link().unwrap(),
        std::path::Path::new("gone")
    );
}

#[test]
fn an_undo_of_an_update_takes_the_history_of_a_clone_along() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let [old, new] = fixture.old_and_new();
    // As fetched objects, and packed by hand or by git itself in between.
    for (pack, arguments, scheme) in [
        (None, "", "file://"),
        (None, "", ""),
        (None, "--depth=1", "file://"),
        (None, "--filter=blob:none --no-single-branch", "file://"),
        (Some("gc -q"), "", "file://"),
        (Some("repack -adq"), "", ""),
        (Some("pack-refs --all"), "", ""),
        // While it fetches.
        (
            None,
            "--config=gc.auto=1 --config=gc.autoDetach=false --config=gc.autoPackLimit=1 --config=fetch.unpackLimit=1 --config=transfer.unpackLimit=1",
            "file://",
        ),
    ] {
        let sandbox = Sandbox::new();
        let link = sandbox.path("repo.git");
        std::os::unix::fs::symlink(&old, &link).unwrap();
        let clone = Module::new("m")
            .method("git_clone")
            .field("INSTALL_REPO", &format!("{scheme}{}", link.display()))
            .field("INSTALL_ARGS", arguments);
        sandbox.add(
            &clone
                .field("INSTALL_DIRS", "$HOME/.m")
                .field("UPDATE_METHOD", "git_pull")
                .field("UPDATE_DIR", "$HOME/.m"),
        );
        let git = |arguments: &str| {
            let output = sandbox
                .command("git")
                .args(arguments.split(' '))
                .current_dir(sandbox.home().join(".m"))
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "git {arguments}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        let state = || {
            (
                git("rev-parse HEAD"),
                git("status --porcelain"),
                git("log --oneline"),
                sandbox.read(".m/file"),
                sandbox.has(".m/more"),
            )
        };
        sandbox.hoist("install").exits(0);
        let first = state();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&new, &link).unwrap();
        sandbox.hoist("uninstall m -y").exits(0);
        sandbox.hoist("undo -y").exits(0);
        assert_eq!(state(), first, "{pack:?}");
        sandbox.hoist("update").exits(0);
        let second = state();
        assert_ne!(second, first);
        if let Some(pack) = pack {
            git(pack);
        }
        let preview = sandbox.hoist("undo --dry-run");
        let ran = sandbox.hoist("undo -y");
        assert_eq!(ran.code, preview.code, "{}\n{}", preview.stdout, ran.stderr);
        // With its references in other files, it is refused, and nothing is done.
        assert_eq!(
            ran.code,
            if arguments.contains("gc.auto") || pack.is_some_and(|pack| pack != "repack -adq") {
                2
            } else {
                0
            },
            "{pack:?}: {}",
            ran.stderr
        );
        assert_eq!(
            state(),
            if ran.code == 0 { &first } else { &second }.clone(),
            "{pack:?} {arguments}: {}",
            preview.stdout
        );
        git("fsck --no-dangling");
        let status = sandbox.json("update").exits(0).statuses()["m"].clone();
        assert_eq!(
            status,
            if ran.code == 0 {
                "updated"
            } else {
                "unchanged"
            },
            "{pack:?} {arguments}"
        );
        assert_eq!(state(), second, "{pack:?} {arguments}");
    }
}

#[test]
fn a_community_module_is_taken_back() {
    if !has("hg") {
        return;
    }
    let sandbox = Sandbox::new();
    let repository = Mercurial::new();
    repository.module("mod_one", "summary: One").commit("first");
    sandbox.settings(&format!(
        "sources:\n- mercurial: {}\n  into: ~/plugins\n  modules: mod_*\n",
        repository.path().display()
    ));
    let before = tree(&sandbox);
    sandbox.hoist("install one").exits(0);
    let installed = tree(&sandbox);
    repository.write("mod_one/mod_one.lua", "-- two\n");
    repository.commit("second");
    sandbox.hoist("update").exits(0);
    assert_ne!(tree(&sandbox), installed);
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(tree(&sandbox), installed);
    sandbox.hoist("outdated").exits(0).says("mod_one");
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(tree(&sandbox), before);
}

#[test]
fn a_failed_install_of_any_kind_leaves_its_directories_as_they_were() {
    let sandbox = Sandbox::new();
    let main = "mkdir -p ~/.tool/new; echo spoilt >~/.tool/theirs; echo x >~/.tool/new/x; rm ~/.tool/deep/gone; echo out >~/out; return 1";
    sandbox.add(
        &Module::new("tool")
            .field("INSTALL_DIRS", "$HOME/.tool")
            .main(main),
    );
    sandbox.put(".tool/theirs", "theirs\n");
    sandbox.put(".tool/deep/gone", "here\n");
    let before = tree(&sandbox);
    sandbox.hoist("install").exits(3).says("rolled back");
    let mut after = tree(&sandbox);
    // What a script does elsewhere nobody can know.
    assert_eq!(after.remove("out").as_deref(), Some("out\n"));
    assert_eq!(after, before);
    assert!(!sandbox.has(".tool/new"));
}

#[test]
fn two_modules_that_edit_one_file_are_taken_back_together() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.usual("Pizza").usual("Kif").configured();
    let sandbox = &application.sandbox;
    let before = application.tree();
    sandbox.hoist("install Pizza Kif").exits(0);
    let installed = application.tree();
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    sandbox.hoist("install Pizza Kif").exits(0);
    sandbox.hoist("uninstall Pizza Kif --yes").exits(0);
    sandbox.hoist("undo --yes").exits(0);
    // In which order they were installed is the scheduler's business.
    let different = Application::difference(&installed, &application.tree());
    assert!(
        different.is_empty() || different == ["app-nullos/init.php"],
        "{different:?}"
    );
    sandbox.hoist("list").exits(0).says("installed");
    sandbox.hoist("uninstall Pizza Kif --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn what_others_need_and_names_that_are_not_plain_text_are_seen_to() {
    let application = Application::new();
    application
        .offer("Dough/x.php", "<?php\n")
        .offer("Pizza/x.php", "<?php\n")
        .offer("Pizza/hoist.yml", "requires: [Dough]\n");
    application
        .offer(
            "Odd/installer",
            "#!/bin/bash\n[ \"$1\" = uninstall ] || touch \"$2/$(printf 'o\\377')\"\n",
        )
        .may_run("Odd/installer");
    application.configured();
    let sandbox = &application.sandbox;
    sandbox.hoist("install Dough").exits(0);
    let history = sandbox.json("history").exits(0).document();
    let first = history[0]["run_id"].as_str().unwrap().to_owned();
    sandbox.hoist("install Pizza").exits(0);
    sandbox
        .hoist(&format!("undo {first} --yes"))
        .exits(2)
        .says("is required by site.Pizza");
    sandbox
        .hoist("undo 2 --yes")
        .exits(2)
        .says("use a longer prefix");
    let before = application.tree();
    sandbox.hoist("install Odd").exits(0);
    sandbox.hoist("uninstall Odd --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    sandbox.json("undo --dry-run").exits(0).document();
    sandbox.hoist("undo --yes").exits(0);
    assert!(
        sandbox
            .json("list --installed")
            .exits(0)
            .says("site.Odd")
            .stdout
            .contains("Pizza")
    );
    sandbox.hoist("uninstall Odd --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn what_an_update_of_a_script_takes_of_what_somebody_changed_or_added_comes_back() {
    let update =
        "cd ~/.tool; echo two >data; echo two >edited; rm -rf notes; echo two >cache; rm -f gone";
    let module = Module::new("tool").field("INSTALL_DIRS", "$HOME/.tool").field("UPDATE_METHOD", "custom").body(&format!(
        "main_module() {{ mkdir -p ~/.tool; cd ~/.tool; for f in data edited gone; do echo one >$f; done; }}\nupdate_module() {{ {update}; }}"
    ));
    for (options, edited, beside) in [
        ("", "mine\n", Some("two\n")),
        ("--config-overwrite", "two\n", None),
    ] {
        let sandbox = Sandbox::new();
        sandbox.add(&module);
        sandbox.hoist("install").exits(0);
        sandbox.put(".tool/edited", "mine\n");
        sandbox.put(".tool/gone", "mine\n");
        sandbox.put(".tool/notes/today", "mine\n");
        // What the program keeps for itself.
        sandbox.put(".tool/cache", "one\n");
        sandbox
            .hoist(&format!("update {options}"))
            .exits(0)
            .says("restored");
        assert_eq!(
            (sandbox.read(".tool/data"), sandbox.read(".tool/cache")),
            ("two\n".to_owned(), "two\n".to_owned())
        );
        assert_eq!(
            (
                sandbox.read(".tool/notes/today"),
                sandbox.read(".tool/gone")
            ),
            ("mine\n".to_owned(), "mine\n".to_owned())
        );
        assert_eq!(sandbox.read(".tool/edited"), edited, "{options}");
        assert_eq!(
            sandbox
                .has(".tool/edited.new")
                .then(|| sandbox.read(".tool/edited.new"))
                .as_deref(),
            beside
        );
        let copies = sandbox
            .files(".tool")
            .into_iter()
            .filter(|path| path.contains("edited.hoist-backup"))
            .count();
        assert_eq!(copies, usize::from(beside.is_none()));
        sandbox.hoist("uninstall tool --yes").exits(0);
        assert!(!sandbox.has(".tool/data") && sandbox.has(".tool/notes/today"));
    }
}

#[test]
fn pipes_and_sockets_of_a_module_come_back_and_hold_up_nothing() {
    use std::os::unix::fs::FileTypeExt;
    let sandbox = Sandbox::new();
    let make = "mkdir -p ~/app/run && echo text > ~/app/run/file && mkfifo -m 640 ~/app/run/pipe && python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' ~/app/run/socket";
    sandbox.add(
        &Module::new("app")
            .field("INSTALL_DIRS", "$HOME/app")
            .main(make),
    );
    sandbox.hoist("install app").exits(0);
    let kind = |name: &str| {
        sandbox
            .home()
            .join("app/run")
            .join(name)
            .symlink_metadata()
            .map(|metadata| metadata.file_type())
    };
    assert!(kind("pipe").unwrap().is_fifo() && kind("socket").unwrap().is_socket());
    sandbox.hoist("uninstall app -y").exits(0);
    assert!(!sandbox.has("app"), "{:?}", sandbox.files("app"));
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(sandbox.read("app/run/file"), "text\n");
    assert!(kind("pipe").unwrap().is_fifo() && kind("socket").unwrap().is_socket());
    use std::os::unix::fs::PermissionsExt;
    let pipe = sandbox
        .home()
        .join("app/run/pipe")
        .symlink_metadata()
        .unwrap();
    assert_eq!(pipe.permissions().mode() & 0o777, 0o640);
    sandbox.hoist("uninstall app -y").exits(0);
    assert!(!sandbox.has("app"));
}
