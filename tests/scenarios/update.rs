//! `hoist update`: every update method, on real repositories and packages.

use std::time::Duration;

use hoist_tests::{GitFixture, Module, Sandbox, Server, has};

fn pulled(url: &str, args: &str) -> Module {
    Module::new("subject")
        .method("git_clone")
        .field("INSTALL_REPO", url)
        .field("INSTALL_DIRS", "$HOME/.subject")
        .field("INSTALL_ARGS", args)
        .field("UPDATE_METHOD", "git_pull")
        .field("UPDATE_DIR", "$HOME/.subject")
}

/// A repository with three commits and a sandbox in which it is installed; `next` adds a commit.
struct Cloned {
    fixture: GitFixture,
    sandbox: Sandbox,
    _server: Option<Server>,
}

impl Cloned {
    fn new(args: &str, remote: bool, module: impl Fn(Module) -> Module) -> Self {
        let fixture = GitFixture::new();
        let path = fixture.repository("repo", 3);
        let server = remote.then(|| Server::git(fixture.root(), Duration::ZERO));
        let url = server.as_ref().map_or_else(
            || format!("file://{}", path.display()),
            |server| server.url("/repo.git"),
        );
        let sandbox = Sandbox::new();
        sandbox.add(&module(pulled(&url, args)));
        sandbox.hoist("install").exits(0);
        Self {
            fixture,
            sandbox,
            _server: server,
        }
    }

    fn next(&self, file: &str, text: &str) {
        std::fs::write(self.fixture.root().join("repo.work").join(file), text).unwrap();
        self.fixture.commit("repo.work", "more");
        self.fixture.git(
            "repo.work",
            &["push", "-q", "--force", "../repo.git", "main"],
        );
    }

    fn head(&self) -> String {
        self.fixture.git(
            ".",
            &[
                "-C",
                &self.sandbox.home().join(".subject").display().to_string(),
                "rev-parse",
                "HEAD",
            ],
        )
    }
}

#[test]
fn a_pull_is_a_fast_forward_and_tells_from_where_to_where() {
    if !has("git") {
        return;
    }
    for (args, remote) in [
        ("", true),
        ("--depth=1", true),
        ("--depth=1", false),
        ("", false),
        ("--depth=1 --single-branch", true),
    ] {
        let cloned = Cloned::new(args, remote, |module| module);
        let before = cloned.head();
        let same = cloned.sandbox.json("update").exits(0);
        assert_eq!(same.statuses()["subject"], "unchanged", "{args}");
        cloned.next("file", "newer\n");
        cloned.next("file", "newest\n");
        let plan = cloned.sandbox.json("plan update").exits(0).document();
        assert_eq!(
            (&plan["modules"][0]["change"], &plan["modules"][0]["reason"]),
            (&"update".into(), &"git_pull".into())
        );
        let updated = cloned.sandbox.json("update").exits(0);
        let finished = updated.finished("subject");
        assert_eq!(
            finished["status"], "updated",
            "{args} {remote}: {}",
            updated.stdout
        );
        assert_eq!(finished["from"], before[..12]);
        assert_eq!(finished["to"], cloned.head()[..12]);
        assert_ne!(finished["from"], finished["to"]);
        assert_eq!(cloned.sandbox.read(".subject/file"), "newest\n");
        assert_eq!(
            cloned.sandbox.json("list --installed").document()[0]["version"],
            cloned.head()[..12]
        );
        assert_eq!(
            cloned.sandbox.json("update").exits(0).statuses()["subject"],
            "unchanged"
        );
    }
}

#[test]
fn a_dirty_or_diverged_tree_is_an_error_that_changes_nothing() {
    if !has("git") {
        return;
    }
    let cloned = Cloned::new("", true, |module| module);
    let path = cloned.sandbox.home().join(".subject");
    cloned.next("file", "newer\n");
    let head = cloned.head();
    std::fs::write(path.join("file"), "mine\n").unwrap();
    cloned
        .sandbox
        .hoist("update")
        .exits(3)
        .says("has local changes (file) and is not changed");
    assert_eq!(
        (cloned.head(), cloned.sandbox.read(".subject/file")),
        (head.clone(), "mine\n".to_owned())
    );
    cloned.fixture.git(
        ".",
        &["-C", &path.display().to_string(), "commit", "-qam", "mine"],
    );
    let own = cloned.head();
    cloned
        .sandbox
        .hoist("update")
        .exits(3)
        .says("have diverged; nothing was changed, since these commits are only local")
        .says("mine");
    assert_eq!(
        (cloned.head(), cloned.sandbox.read(".subject/file")),
        (own, "mine\n".to_owned())
    );
    // Commits of one's own on top of what is there are no divergence.
    cloned.fixture.git(
        ".",
        &[
            "-C",
            &path.display().to_string(),
            "reset",
            "-q",
            "--hard",
            &head,
        ],
    );
    std::fs::write(path.join("untracked"), "mine\n").unwrap();
    assert_eq!(
        cloned.sandbox.json("update").exits(0).statuses()["subject"],
        "updated"
    );
    assert_eq!(cloned.sandbox.read(".subject/untracked"), "mine\n");
    // A file of one's own where the new version has one of its own.
    cloned.next("untracked", "theirs\n");
    let head = cloned.head();
    cloned
        .sandbox
        .hoist("update")
        .exits(3)
        .says("has an untracked file");
    assert_eq!(
        (cloned.head(), cloned.sandbox.read(".subject/untracked")),
        (head, "mine\n".to_owned())
    );
    // A history that was written anew.
    let cloned = Cloned::new("--depth=1", true, |module| module);
    cloned
        .fixture
        .git("repo.work", &["commit", "-q", "--amend", "-m", "other"]);
    cloned.next("file", "rewritten\n");
    cloned
        .sandbox
        .hoist("update")
        .exits(0)
        .says("rewritten upstream");
    assert_eq!(cloned.sandbox.read(".subject/file"), "rewritten\n");
}

#[test]
fn a_fast_forward_that_was_cut_off_is_completed() {
    if !has("git") {
        return;
    }
    let cloned = Cloned::new("", true, |module| module);
    let path = cloned.sandbox.home().join(".subject").display().to_string();
    cloned.next("file", "newer\n");
    cloned.next("second", "new\n");
    // As if it had been killed after some files were written.
    cloned.fixture.git(".", &["-C", &path, "fetch", "-q"]);
    std::fs::write(cloned.sandbox.home().join(".subject/file"), "newer\n").unwrap();
    // Without its mark nobody was cut off: then somebody wrote that.
    cloned
        .sandbox
        .hoist("update")
        .exits(3)
        .says("has local changes (file)");
    let target = cloned.fixture.git("repo.work", &["rev-parse", "HEAD"]);
    std::fs::write(
        cloned.sandbox.home().join(".subject/.git/hoist-forward"),
        target,
    )
    .unwrap();
    assert_eq!(
        cloned.sandbox.json("update").exits(0).statuses()["subject"],
        "updated"
    );
    assert_eq!(cloned.sandbox.read(".subject/second"), "new\n");
    assert_eq!(
        cloned
            .fixture
            .git(".", &["-C", &path, "status", "--porcelain"]),
        ""
    );
    assert_eq!(
        cloned.head(),
        cloned.fixture.git("repo.work", &["rev-parse", "HEAD"])
    );
}

#[test]
fn a_module_that_says_so_is_rebuilt_after_a_pull_and_only_then() {
    if !has("git") {
        return;
    }
    let body = "main_module() { [[ -d $HOME/.subject ]] || install_via_git_clone; cat \"$HOME/.subject/file\" >>\"$HOME/built\"; }";
    for (rebuild, expected) in [("true", "repo 3\nnewer\n"), ("false", "repo 3\n")] {
        let cloned = Cloned::new("", true, |module| {
            module.field("REBUILD", rebuild).body(body)
        });
        cloned.sandbox.hoist("update").exits(0);
        assert_eq!(cloned.sandbox.read("built"), "repo 3\n");
        cloned.next("file", "newer\n");
        assert_eq!(
            cloned.sandbox.json("update").exits(0).statuses()["subject"],
            "updated"
        );
        assert_eq!(cloned.sandbox.read("built"), expected);
    }
}

#[test]
fn the_module_s_own_function_wins_where_it_may() {
    let sandbox = Sandbox::new();
    let functions =
        "main_module() { :; }\nupdate_module() { echo \"$MODULE_NAME\" >>\"$HOME/own\"; }";
    for (name, method) in [
        ("a", "custom"),
        ("b", "component_command"),
        ("c", "none"),
        ("d", "reinstall"),
    ] {
        sandbox.add(
            &Module::new(name)
                .field("UPDATE_METHOD", method)
                .body(functions),
        );
    }
    sandbox.add(&Module::new("e").body(functions));
    sandbox.hoist("install").exits(0);
    let ran = sandbox.json("update -j1").exits(0);
    let mut lines: Vec<String> = sandbox.read("own").lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["a", "b"]);
    let statuses = ran.statuses();
    assert_eq!(
        (statuses["c"].as_str(), statuses["e"].as_str()),
        ("unchanged", "unchanged")
    );
    assert_eq!(ran.finished("c")["reason"], "its update method is none");
    assert_eq!(ran.finished("e")["reason"], "it declares no update method");
}

#[test]
fn a_function_that_changes_nothing_is_told_apart() {
    let sandbox = Sandbox::new();
    let body = "main_module() { mkdir -p \"$HOME/.m\"; echo 1 >\"$HOME/.m/version\"; }\nupdate_module() { [[ ! -e $HOME/newer ]] || echo 2 >\"$HOME/.m/version\"; }";
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("UPDATE_METHOD", "custom")
            .body(body),
    );
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.json("update").exits(0).statuses()["m"], "unchanged");
    std::fs::write(sandbox.home().join("newer"), "").unwrap();
    assert_eq!(sandbox.json("update").exits(0).statuses()["m"], "updated");
}

#[test]
fn a_component_updates_itself_or_it_is_said_what_to_declare() {
    let sandbox = Sandbox::new();
    let install = "mkdir -p \"$HOME/.tool/bin\"; printf '#!/bin/sh\\necho \"$*\" >>\"$HOME/said\"\\n' >\"$HOME/.tool/bin/tool\"; chmod +x \"$HOME/.tool/bin/tool\"";
    sandbox.add(
        &Module::new("tool")
            .field("INSTALL_DIRS", "$HOME/.tool")
            .field("UPDATE_METHOD", "component_command")
            .main(install),
    );
    let on_path = "mkdir -p \"$HOME/.local/bin\"; printf '#!/bin/sh\\nexit 4\\n' >\"$HOME/.local/bin/broken\"; chmod +x \"$HOME/.local/bin/broken\"";
    sandbox.add(
        &Module::new("broken")
            .field("UPDATE_METHOD", "component_command")
            .main(on_path),
    );
    sandbox.add(
        &Module::new("none")
            .field("INSTALL_DIRS", "$HOME/.none")
            .field("UPDATE_METHOD", "component_command")
            .main("mkdir ~/.none"),
    );
    sandbox.hoist("install").exits(0);
    let ran = sandbox.json("update").exits(3);
    assert_eq!(sandbox.read("said"), "update\n");
    assert!(
        ran.finished("broken")["reason"]
            .as_str()
            .unwrap()
            .contains("failed with exit code 4"),
        "{}",
        ran.stdout
    );
    let reason = ran.finished("none")["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains(".none/bin/none") && reason.contains("define update_module"),
        "{reason}"
    );
}

#[test]
fn a_reinstall_keeps_the_old_until_the_new_works() {
    let sandbox = Sandbox::new();
    // As in the document: it does nothing where the directory is there, so the old has to be out of
    // the way.
    let install = "[[ -d $HOME/.m ]] && return 0\nmkdir -p \"$HOME/.m/sub\"; echo \"$(cat \"$HOME/wanted\")\" >\"$HOME/.m/version\"; echo shipped >\"$HOME/.m/sub/edited\"; [[ ! -e $HOME/fail ]]";
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("TEST_FILES", "$HOME/.m/version")
            .field("UPDATE_METHOD", "reinstall")
            .main(install),
    );
    let write = |path: &str, text: &str| std::fs::write(sandbox.home().join(path), text).unwrap();
    write("wanted", "1");
    sandbox.hoist("install").exits(0);
    write(".m/sub/edited", "by a person");
    write(".m/added", "by a person");
    write("wanted", "2");
    write("fail", "");
    sandbox.hoist("update").exits(3);
    assert_eq!(
        (
            sandbox.read(".m/version"),
            sandbox.read(".m/added"),
            sandbox.read(".m/sub/edited")
        ),
        ("1\n".into(), "by a person".into(), "by a person".into())
    );
    std::fs::remove_file(sandbox.home().join("fail")).unwrap();
    let ran = sandbox.json("update").exits(0);
    assert_eq!(ran.statuses()["m"], "updated", "{}", ran.stdout);
    assert_eq!(
        (
            sandbox.read(".m/version"),
            sandbox.read(".m/added"),
            sandbox.read(".m/sub/edited")
        ),
        ("2\n".into(), "by a person".into(), "shipped\n".into())
    );
    let items = ran.finished("m")["items"].as_array().unwrap().clone();
    let copy = items
        .iter()
        .find_map(|item| {
            item["subject"]
                .as_str()
                .filter(|subject| subject.contains("hoist-backup"))
        })
        .unwrap();
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "by a person");
    let left: Vec<_> = std::fs::read_dir(sandbox.home())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with(".hoist"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_clone_that_is_reinstalled_and_does_not_work_is_brought_back() {
    if !has("git") {
        return;
    }
    let cloned = Cloned::new("", true, |module| {
        module
            .field("UPDATE_METHOD", "reinstall")
            .field("TEST_FILES", "$HOME/.subject/file")
    });
    cloned.next("file", "newer\n");
    assert_eq!(
        cloned.sandbox.json("update").exits(0).statuses()["subject"],
        "updated"
    );
    assert_eq!(cloned.sandbox.read(".subject/file"), "newer\n");
    let head = cloned.head();
    cloned
        .fixture
        .git("repo.work", &["mv", "file", "elsewhere"]);
    cloned.next("more", "x");
    cloned
        .sandbox
        .hoist("update")
        .exits(3)
        .says("declared files are missing");
    assert_eq!(
        (cloned.head(), cloned.sandbox.read(".subject/file")),
        (head, "newer\n".to_owned())
    );
}

#[test]
fn python_packages_are_upgraded_in_one_call() {
    if !has("pip3") || !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let pip = |name: &str| {
        Module::new(name)
            .method("pip")
            .field("INSTALL_DIRS", "$HOME/.local")
            .field("UPDATE_METHOD", "pip_upgrade")
    };
    sandbox
        .add(&pip("iniconfig").field("PACKAGES", "iniconfig==1.1.1"))
        .add(&pip("tabulate"));
    sandbox.hoist("install").exits(0);
    sandbox.add(&pip("iniconfig"));
    let (ran, calls) = sandbox.traced("update --output json", "execve");
    let ran = ran.exits(0);
    assert_eq!(ran.statuses()["iniconfig"], "updated", "{}", ran.stdout);
    assert_eq!(ran.statuses()["tabulate"], "unchanged");
    assert_eq!(ran.finished("iniconfig")["from"], "1.1.1");
    let words = calls
        .iter()
        .filter(|call| call.contains("\"--upgrade\""))
        .filter_map(|call| call.split("\"--\", ").nth(1)?.split(']').next());
    let words: std::collections::BTreeSet<&str> = words.collect();
    assert_eq!(
        words.into_iter().collect::<Vec<_>>(),
        ["\"iniconfig\", \"tabulate\""]
    );
}

#[test]
fn updates_run_in_order_and_a_failure_skips_what_needs_it() {
    let sandbox = Sandbox::new();
    let updates = |name: &str, body: &str| {
        Module::new(name)
            .field("UPDATE_METHOD", "custom")
            .body(&format!(
                "main_module() {{ :; }}\nupdate_module() {{ {body}; }}"
            ))
    };
    sandbox.add(&updates("base", "sleep 0.2; echo base >>\"$HOME/order\""));
    sandbox.add(&updates("app", "echo app >>\"$HOME/order\"").depends("base"));
    sandbox.add(&updates("bad", "false"));
    sandbox.add(&updates("user", "echo never >>\"$HOME/order\"").depends("bad"));
    sandbox.hoist("install").exits(0);
    let statuses = sandbox.json("update").exits(3).statuses();
    assert_eq!(sandbox.read("order"), "base\napp\n");
    assert_eq!(
        (statuses["bad"].as_str(), statuses["user"].as_str()),
        ("failed", "skipped")
    );
    sandbox.hoist("update app").exits(0);
    assert_eq!(
        sandbox.read("order"),
        "base\napp\napp\n",
        "only what is named"
    );
    sandbox
        .hoist("update nothing-like-it")
        .exits(2)
        .says("unknown module");
    sandbox.add(&Module::new("late").tier("optional"));
    sandbox
        .hoist("update late")
        .exits(2)
        .says("is not installed");
}

#[test]
fn a_changed_manifest_is_brought_about() {
    if !has("git") {
        return;
    }
    let cloned = Cloned::new("", true, |module| module.field("UPDATE_METHOD", "none"));
    std::fs::remove_dir_all(cloned.sandbox.home().join(".subject")).unwrap();
    assert_eq!(
        cloned.sandbox.json("update").exits(0).statuses()["subject"],
        "updated",
        "what is gone comes back"
    );
    cloned.sandbox.add(
        &Module::new("needed")
            .tier("optional")
            .main("touch ~/needed"),
    );
    let url = cloned._server.as_ref().unwrap().url("/repo.git");
    cloned.sandbox.add(&pulled(&url, "").depends("needed"));
    let statuses = cloned.sandbox.json("update").exits(0).statuses();
    assert_eq!(
        statuses["needed"], "installed",
        "what it needs now comes along"
    );
    assert!(cloned.sandbox.has("needed"));
}

#[test]
fn the_shell_helpers_update_too() {
    if !has("git") {
        return;
    }
    let body = "main_module() { install_via_git_clone; }\nupdate_module() { update_via_git_pull; }";
    let cloned = Cloned::new("", true, |module| {
        module.field("UPDATE_METHOD", "custom").body(body)
    });
    cloned.next("file", "newer\n");
    assert_eq!(
        cloned.sandbox.json("update").exits(0).statuses()["subject"],
        "updated"
    );
    assert_eq!(cloned.sandbox.read(".subject/file"), "newer\n");
    let component = "main_module() { mkdir -p ~/.x/bin; printf '#!/bin/sh\\ntouch \"$HOME/helped\"\\n' >~/.x/bin/x; chmod +x ~/.x/bin/x; }\nupdate_module() { update_via_component_command; }";
    cloned.sandbox.add(
        &Module::new("x")
            .field("INSTALL_DIRS", "$HOME/.x")
            .field("UPDATE_METHOD", "custom")
            .body(component),
    );
    cloned.sandbox.hoist("install x").exits(0);
    cloned.sandbox.hoist("update x").exits(0);
    assert!(cloned.sandbox.has("helped"));
}
