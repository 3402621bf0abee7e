//! `git_clone` against a real smart-HTTP server and local repositories.

use std::time::Duration;

use hoist_tests::{Answer, GitFixture, Module, Sandbox, Server, has};

fn clone(url: &str, args: &str) -> Module {
    Module::new("subject")
        .method("git_clone")
        .field("INSTALL_REPO", url)
        .field("INSTALL_DIRS", "$HOME/.subject")
        .field("INSTALL_ARGS", args)
}

fn server() -> (GitFixture, Server) {
    let fixture = GitFixture::new();
    fixture.repository("repo", 5);
    let server = Server::git(fixture.root(), Duration::ZERO);
    (fixture, server)
}

fn commits(sandbox: &Sandbox, fixture: &GitFixture) -> usize {
    let path = sandbox.home().join(".subject").display().to_string();
    fixture
        .git(".", &["-C", &path, "rev-list", "--count", "HEAD"])
        .parse()
        .unwrap()
}

#[test]
fn arguments_are_understood_over_http() {
    if !has("git") {
        return;
    }
    let (fixture, server) = server();
    for (args, count, content) in [
        ("", 5, "repo 5\n"),
        ("--depth=1", 1, "repo 5\n"),
        ("--depth 2 --single-branch", 2, "repo 5\n"),
        ("--branch side", 1, "repo 1\n"),
        ("-b main --single-branch --no-tags -q", 5, "repo 5\n"),
        ("--branch=v1", 1, "repo 1\n"),
        ("--filter=blob:none", 5, "repo 5\n"),
        ("--origin upstream", 5, "repo 5\n"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.add(&clone(&server.url("/repo.git"), args));
        let ran = sandbox.json("install").exits(0);
        assert_eq!(ran.finished("subject")["status"], "installed");
        assert_eq!(
            (commits(&sandbox, &fixture), sandbox.read(".subject/file")),
            (count, content.to_owned()),
            "{args}"
        );
        let left: Vec<_> = std::fs::read_dir(sandbox.home())
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().contains("stage"))
            .collect();
        assert!(left.is_empty());
        assert_eq!(
            sandbox.json("install").exits(0).statuses()["subject"],
            "unchanged",
            "{args}"
        );
    }
    let narrow = Sandbox::new();
    narrow.add(&clone(&server.url("/repo.git"), "--branch main --depth 1"));
    narrow.hoist("install").exits(0);
    let path = narrow.home().join(".subject").display().to_string();
    assert!(
        !fixture
            .git(".", &["-C", &path, "branch", "-r"])
            .contains("side")
    );
}

#[test]
fn submodules_come_along_when_asked() {
    if !has("git") {
        return;
    }
    let (fixture, server) = server();
    fixture.repository("outer", 1);
    fixture.git(
        "outer.work",
        &[
            "submodule",
            "--quiet",
            "add",
            &server.url("/repo.git"),
            "inner",
        ],
    );
    fixture.commit("outer.work", "with inner");
    fixture.publish("outer");
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&server.url("/outer.git"), "--recursive"));
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read(".subject/inner/file"), "repo 5\n");
}

#[test]
fn local_repositories_are_cloned_by_path_and_by_url_also_shallow() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let path = fixture.repository("repo", 3).display().to_string();
    for (url, args, count) in [
        (path.clone(), "", 3),
        (path.clone(), "--depth=1", 3),
        (format!("file://{path}"), "", 3),
        (format!("file://{path}"), "--depth=1", 1),
    ] {
        let sandbox = Sandbox::new();
        sandbox.add(&clone(&url, args));
        sandbox.hoist("install").exits(0);
        assert_eq!(commits(&sandbox, &fixture), count, "{url} {args}");
    }
}

#[test]
fn the_user_s_configuration_counts() {
    if !has("git") {
        return;
    }
    let (_fixture, server) = server();
    let sandbox = Sandbox::new();
    let config = format!(
        "[url \"{}\"]\n\tinsteadOf = https://forge.example.test/\n",
        server.url("/")
    );
    std::fs::write(sandbox.home().join(".gitconfig"), config).unwrap();
    sandbox.add(&clone("https://forge.example.test/repo.git", "--depth=1"));
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read(".subject/file"), "repo 5\n");
    std::fs::remove_dir_all(sandbox.home().join(".local")).unwrap();
    let ran = sandbox.json("install").exits(0);
    assert_eq!(
        ran.finished("subject")["status"],
        "unchanged",
        "it is that repository, the ledger does not know it"
    );
}

#[test]
fn credentials_come_from_the_user_s_helper() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let server = Server::git_for(fixture.root(), "me", "secret");
    let sandbox = Sandbox::new();
    std::fs::write(
        sandbox.home().join(".gitconfig"),
        "[credential]\n\thelper = \"!f() { echo username=me; echo password=secret; }; f\"\n",
    )
    .unwrap();
    sandbox.add(&clone(&server.url("/repo.git"), ""));
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read(".subject/file"), "repo 1\n");
}

#[test]
fn a_repository_that_does_not_exist_fails_at_once_and_leaves_nothing() {
    if !has("git") {
        return;
    }
    let (_fixture, server) = server();
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&server.url("/no-such.git"), ""));
    let ran = sandbox.json("install").exits(3);
    let reason = ran.finished("subject")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(reason.contains("/no-such.git"), "{reason}");
    assert_eq!(server.requests().len(), 1, "a 404 is not tried again");
    assert!(!sandbox.has(".subject"));
    assert_eq!(
        std::fs::read_dir(sandbox.home())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect::<Vec<_>>(),
        [".local"]
    );
}

#[test]
fn a_server_that_is_away_for_a_moment_is_asked_again() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let inner = Server::git(fixture.root(), Duration::ZERO);
    let inner_url = inner.url("");
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            return Answer::new(503, "a moment");
        }
        let mut answer = Answer::new(307, "");
        answer.headers.push((
            "Location".into(),
            format!("{inner_url}{}?{}", request.path, request.query),
        ));
        answer
    });
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&server.url("/repo.git"), ""));
    sandbox.hoist("install").exits(0).says("retry");
}

#[test]
fn what_stands_in_the_way_is_left_alone() {
    if !has("git") {
        return;
    }
    let (fixture, server) = server();
    let other = fixture.repository("other", 1);
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&server.url("/repo.git"), ""));
    std::fs::create_dir(sandbox.home().join(".subject")).unwrap();
    std::fs::write(sandbox.home().join(".subject/mine"), "mine").unwrap();
    sandbox
        .hoist("install")
        .exits(3)
        .says("exists, is not a clone of");
    assert_eq!(sandbox.read(".subject/mine"), "mine");
    std::fs::remove_dir_all(sandbox.home().join(".subject")).unwrap();
    let target = sandbox.home().join(".subject").display().to_string();
    fixture.git(".", &["clone", "-q", &other.display().to_string(), &target]);
    sandbox
        .hoist("install")
        .exits(3)
        .says("is a clone of")
        .says("is not changed");
    sandbox
        .hoist("install --force")
        .exits(3)
        .says("is not changed");
    sandbox.add(
        &clone(&server.url("/repo.git"), "").body("main_module() { touch \"$HOME/called\"; }"),
    );
    sandbox.hoist("install").exits(3).says("is not changed");
    assert!(!sandbox.has("called"));
    std::fs::remove_dir_all(sandbox.home().join(".subject")).unwrap();
    std::fs::create_dir(sandbox.home().join(".subject")).unwrap();
    sandbox.add(&clone(&server.url("/repo.git"), ""));
    sandbox.hoist("install").exits(0);
}

#[test]
fn files_that_are_gone_come_back_and_changes_survive() {
    if !has("git") {
        return;
    }
    let (fixture, server) = server();
    fixture.git("repo.work", &["mv", "file", "kept"]);
    std::fs::write(fixture.path("repo.work/file"), "again\n").unwrap();
    fixture.commit("repo.work", "two files");
    fixture.publish("repo");
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&server.url("/repo.git"), "").field("TEST_FILES", "$HOME/.subject/file"));
    sandbox.hoist("install").exits(0);
    std::fs::write(sandbox.home().join(".subject/kept"), "mine").unwrap();
    std::fs::remove_file(sandbox.home().join(".subject/file")).unwrap();
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["subject"],
        "installed"
    );
    assert_eq!(
        (sandbox.read(".subject/file"), sandbox.read(".subject/kept")),
        ("again\n".into(), "mine".into())
    );
    sandbox
        .hoist("install --force")
        .exits(3)
        .says("has local changes");
    assert_eq!(sandbox.read(".subject/kept"), "mine");
    fixture.git(
        ".",
        &[
            "-C",
            &sandbox.home().join(".subject").display().to_string(),
            "checkout",
            "-q",
            ".",
        ],
    );
    assert_eq!(
        sandbox.json("install --force").exits(0).statuses()["subject"],
        "installed"
    );
}

#[test]
fn a_home_with_blanks_is_fine() {
    if !has("git") {
        return;
    }
    let (_fixture, server) = server();
    let sandbox = Sandbox::named("my home");
    sandbox.add(&clone(&server.url("/repo.git"), "--depth=1"));
    let body = "main_module() { install_via_git_clone \"$MODULE_NAME\" && touch \"$MODULE_INSTALL_DIRS/after\"; }";
    let second = Module::new("helper")
        .field("INSTALL_METHOD", "git_clone")
        .field("INSTALL_REPO", &server.url("/repo.git"));
    sandbox.add(
        &second
            .field("INSTALL_DIRS", "$HOME/.config/deeper/helper")
            .field("INSTALL_ARGS", "--depth=1")
            .body(body),
    );
    let third = Module::new("quoted")
        .method("git_clone")
        .field("INSTALL_REPO", &server.url("/repo.git"));
    sandbox.add(&third.field("INSTALL_DIRS", "'$HOME/dir with blanks'"));
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read(".subject/file"), "repo 5\n");
    assert_eq!(sandbox.read("dir with blanks/file"), "repo 5\n");
}

#[test]
fn the_helper_does_what_the_method_does() {
    if !has("git") {
        return;
    }
    let (fixture, server) = server();
    let sandbox = Sandbox::new();
    let body = "main_module() {\n install_via_git_clone \"$MODULE_NAME\" || return 1\n echo set up >\"$HOME/.subject/setup\"\n}\n";
    sandbox.add(&clone(&server.url("/repo.git"), "--depth=1").body(body));
    sandbox.hoist("install").exits(0);
    assert_eq!(
        (commits(&sandbox, &fixture), sandbox.read(".subject/setup")),
        (1, "set up\n".into())
    );
    let failing = Sandbox::new();
    failing.add(&clone(&server.url("/nothing.git"), "").body(body));
    failing.hoist("install").exits(3).says("/nothing.git");
    assert!(!failing.has(".subject"));
}

#[test]
fn a_proxy_of_the_user_s_configuration_is_used() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let proxy = Server::git_as("http://forge.example.test", fixture.root());
    let sandbox = Sandbox::new();
    let config = format!("[http]\n\tproxy = {}\n", proxy.url("/"));
    std::fs::write(sandbox.home().join(".gitconfig"), config).unwrap();
    sandbox.add(&clone("http://forge.example.test/repo.git", ""));
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read(".subject/file"), "repo 1\n");
    assert!(
        proxy
            .requests()
            .iter()
            .all(|request| request.contains("http://forge.example.test/repo.git")),
        "{:?}",
        proxy.requests()
    );
    let tunnelled = Sandbox::new();
    std::fs::write(
        tunnelled.home().join(".gitconfig"),
        format!("[http]\n\tproxy = {}\n", proxy.url("/")),
    )
    .unwrap();
    tunnelled.add(&clone("https://forge.example.test/repo.git", "").field("TIMEOUT", "2"));
    tunnelled.hoist("install").exits(3);
    assert!(
        proxy
            .requests()
            .contains(&"CONNECT forge.example.test:443".to_owned()),
        "{:?}",
        proxy.requests()
    );
}

#[test]
fn an_empty_directory_is_no_clone_and_force_keeps_what_is_only_there() {
    if !has("git") {
        return;
    }
    let (fixture, server) = server();
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&server.url("/repo.git"), ""));
    std::fs::create_dir(sandbox.home().join(".subject")).unwrap();
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["subject"],
        "installed"
    );
    let path = sandbox.home().join(".subject").display().to_string();
    let git = |words: &[&str]| fixture.git(".", &[&["-C", &path], words].concat());
    let refused = |what: &str| {
        sandbox
            .hoist("install --force")
            .exits(3)
            .says("has local changes")
            .says(what);
        assert_eq!(
            sandbox.json("list").document()[0]["state"],
            "installed",
            "a refusal changes nothing"
        );
    };
    std::fs::write(sandbox.home().join(".subject/file"), "mine").unwrap();
    git(&["stash", "-q"]);
    refused("a stash");
    git(&["stash", "pop", "-q"]);
    git(&["commit", "-q", "-a", "-m", "mine"]);
    refused("commit ");
    git(&["reset", "-q", "--hard", "origin/main"]);
    std::fs::write(
        sandbox.home().join(".subject/.git/info/exclude"),
        "ignored\n",
    )
    .unwrap();
    std::fs::write(sandbox.home().join(".subject/ignored"), "mine").unwrap();
    refused("ignored");
    std::fs::remove_file(sandbox.home().join(".subject/ignored")).unwrap();
    sandbox.hoist("install --force").exits(0);
    std::fs::rename(sandbox.home().join(".subject"), sandbox.home().join("real")).unwrap();
    std::os::unix::fs::symlink("real", sandbox.home().join(".subject")).unwrap();
    sandbox
        .hoist("install --force")
        .exits(3)
        .says("is a symbolic link");
}

#[test]
fn variables_of_a_surrounding_git_do_not_lead_astray() {
    if !has("git") {
        return;
    }
    let (fixture, server) = server();
    let mut sandbox = Sandbox::new();
    sandbox.set("GIT_DIR", &fixture.path("repo.git").display().to_string());
    sandbox.set(
        "GIT_WORK_TREE",
        &fixture.path("elsewhere").display().to_string(),
    );
    sandbox.add(&clone(&server.url("/repo.git"), "--filter=blob:none"));
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read(".subject/file"), "repo 5\n");
}

#[test]
fn a_helper_that_is_ended_leaves_no_stage() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let slow = Server::git(fixture.root(), Duration::from_secs(3));
    let sandbox = Sandbox::new();
    sandbox.add(
        &clone(&slow.url("/repo.git"), "")
            .field("TIMEOUT", "1")
            .body("main_module() { install_via_git_clone; }"),
    );
    sandbox.hoist("install").exits(3).says("timed out after 1s");
    let left: Vec<_> = std::fs::read_dir(sandbox.home())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().contains("stage")),
        "{left:?}"
    );
}
