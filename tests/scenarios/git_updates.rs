//! `git_pull` where the remote or the clone is not what it was: renamed and rewritten branches,
//! moved repositories, submodules, clones that libgit2 cannot open.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::time::Duration;

use hoist_tests::{GitFixture, Module, Ran, Sandbox, Server, has};

/// A repository with three commits, a clone of it in a sandbox, and a server between them.
struct Cloned {
    fixture: GitFixture,
    sandbox: Sandbox,
    server: Server,
}

fn module(url: &str, args: &str) -> Module {
    let module = Module::new("subject")
        .method("git_clone")
        .field("INSTALL_REPO", url)
        .field("INSTALL_ARGS", args);
    module
        .field("INSTALL_DIRS", "$HOME/.subject")
        .field("UPDATE_METHOD", "git_pull")
        .field("UPDATE_DIR", "$HOME/.subject")
}

impl Cloned {
    fn new(args: &str) -> Self {
        let fixture = GitFixture::new();
        fixture.repository("repo", 3);
        let server = Server::git(fixture.root(), Duration::ZERO);
        let sandbox = Sandbox::new();
        sandbox.put(
            ".gitconfig",
            "[user]\n\tname = me\n\temail = me@example.test\n",
        );
        sandbox.add(&module(&server.url("/repo.git"), args));
        sandbox.hoist("install").exits(0);
        Self {
            fixture,
            sandbox,
            server,
        }
    }

    fn bare(&self, arguments: &[&str]) -> String {
        self.fixture.git("repo.git", arguments)
    }

    /// Commits in the remote, on this branch.
    fn next(&self, branch: &str, file: &str, text: &str) {
        std::fs::write(self.fixture.path("repo.work").join(file), text).unwrap();
        self.fixture.commit("repo.work", "more");
        self.fixture.git(
            "repo.work",
            &[
                "push",
                "-q",
                "--force",
                "../repo.git",
                &format!("HEAD:{branch}"),
            ],
        );
    }

    fn path(&self) -> PathBuf {
        self.sandbox.home().join(".subject")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = self
            .sandbox
            .command("git")
            .arg("-C")
            .arg(self.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn own_commit(&self) -> String {
        std::fs::write(self.path().join("mine"), "mine\n").unwrap();
        self.git(&["add", "mine"]);
        self.git(&["commit", "-q", "-m", "work of mine"]);
        self.git(&["rev-parse", "HEAD"])
    }

    #[track_caller]
    fn updates_to(&self, file: &str, text: &str) -> Ran {
        let ran = self.sandbox.json("update").exits(0);
        assert_eq!(ran.statuses()["subject"], "updated", "{}", ran.stdout);
        assert_eq!(self.sandbox.read(&format!(".subject/{file}")), text);
        assert_eq!(self.git(&["status", "--porcelain"]), "");
        assert_eq!(
            self.sandbox.json("update").exits(0).statuses()["subject"],
            "unchanged"
        );
        ran
    }

    #[track_caller]
    fn refuses(&self) -> String {
        let before = self.git(&["rev-parse", "HEAD"]);
        let ran = self.sandbox.json("update").exits(3);
        assert_eq!(self.git(&["rev-parse", "HEAD"]), before);
        ran.finished("subject")["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Runs the n-th command that a message recommends.
    fn follow_advice(&self, reason: &str, number: usize) {
        let command = reason.split('`').nth(2 * number + 1).unwrap();
        let ran = hoist_tests::ran(
            self.sandbox
                .command("bash")
                .args(["-c", command])
                .output()
                .unwrap(),
        );
        assert_eq!(ran.code, 0, "{command}: {}", ran.stderr);
    }
}

#[test]
fn a_default_branch_that_was_renamed_or_replaced_is_followed() {
    if !has("git") {
        return;
    }
    for args in ["", "--depth=1"] {
        // Renamed.
        let cloned = Cloned::new(args);
        cloned.bare(&["branch", "-m", "main", "trunk"]);
        cloned.next("trunk", "file", "renamed\n");
        let ran = cloned.updates_to("file", "renamed\n");
        assert!(
            ran.stdout.contains("main") && ran.stdout.contains("trunk"),
            "{}",
            ran.stdout
        );
        assert_eq!(cloned.git(&["rev-parse", "--abbrev-ref", "HEAD"]), "trunk");
        cloned.next("trunk", "file", "and on\n");
        cloned.updates_to("file", "and on\n");
        // Replaced: the former one stays where it was.
        let cloned = Cloned::new(args);
        cloned.next("trunk", "file", "replaced\n");
        cloned.bare(&["symbolic-ref", "HEAD", "refs/heads/trunk"]);
        cloned.updates_to("file", "replaced\n");
        // Renamed without anything new.
        let cloned = Cloned::new(args);
        cloned.bare(&["branch", "-m", "main", "trunk"]);
        cloned.updates_to("file", "repo 3\n");
    }
    // Who named the branch stays on it.
    let cloned = Cloned::new("--branch side");
    cloned.next("trunk", "file", "replaced\n");
    cloned.bare(&["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    assert_eq!(
        cloned.sandbox.json("update").exits(0).statuses()["subject"],
        "unchanged"
    );
    // Until it is gone.
    cloned.bare(&["branch", "-D", "side"]);
    cloned.updates_to("file", "replaced\n");
}

#[test]
fn a_local_branch_without_an_upstream_is_never_replaced() {
    if !has("git") {
        return;
    }
    for (args, library) in [("", true), ("--depth=1", true), ("", false)] {
        let cloned = Cloned::new(args);
        if !library {
            // libgit2 does not open repositories with an extension that it does not know.
            cloned.git(&["config", "core.repositoryformatversion", "1"]);
            cloned.git(&["config", "extensions.partialClone", "origin"]);
        }
        cloned.git(&["switch", "--quiet", "-c", "my-tweak"]);
        cloned.next("main", "file", "newer\n");
        let reason = cloned.refuses();
        assert!(
            reason.contains("local branch my-tweak, which has no upstream"),
            "{reason}"
        );
        assert_eq!(
            cloned.git(&["rev-parse", "--abbrev-ref", "HEAD"]),
            "my-tweak"
        );
        cloned.follow_advice(&reason, 0);
        cloned.updates_to("file", "newer\n");
        assert!(
            cloned
                .git(&["branch", "--list", "my-tweak"])
                .contains("my-tweak"),
            "the branch was deleted"
        );
    }
}

#[test]
fn a_renamed_branch_with_commits_of_one_s_own_fails_and_names_both_branches() {
    if !has("git") {
        return;
    }
    for (args, advice) in [("", 0), ("", 1), ("--depth=1", 0), ("--depth=1", 1)] {
        let cloned = Cloned::new(args);
        let own = cloned.own_commit();
        cloned.bare(&["branch", "-m", "main", "trunk"]);
        cloned.next("trunk", "file", "renamed\n");
        let reason = cloned.refuses();
        assert!(
            reason.contains("main") && reason.contains("trunk") && reason.contains("work of mine"),
            "{reason}"
        );
        assert_eq!(cloned.git(&["rev-parse", "HEAD"]), own);
        cloned.follow_advice(&reason, advice);
        cloned.sandbox.hoist("update").exits(0);
        assert_eq!(cloned.sandbox.read(".subject/file"), "renamed\n", "{args}");
        assert_eq!(cloned.sandbox.has(".subject/mine"), advice == 0, "{args}");
    }
}

#[test]
fn a_rewritten_history_is_followed_with_a_copy_of_the_former() {
    if !has("git") {
        return;
    }
    for args in ["", "--depth=1"] {
        let cloned = Cloned::new(args);
        let old = cloned.git(&["rev-parse", "HEAD"]);
        cloned
            .fixture
            .git("repo.work", &["commit", "-q", "--amend", "-m", "other"]);
        cloned.next("main", "file", "rewritten\n");
        let ran = cloned.updates_to("file", "rewritten\n");
        assert!(ran.stdout.contains("rewritten upstream"), "{}", ran.stdout);
        let copies = cloned.sandbox.files(".local/state/hoist/clones");
        assert_eq!(copies.len(), 1, "{copies:?}");
        let copy = cloned
            .sandbox
            .home()
            .join(".local/state/hoist/clones")
            .join(&copies[0]);
        cloned.git(&["fetch", "-q", &copy.display().to_string(), "HEAD"]);
        assert_eq!(cloned.git(&["rev-parse", "FETCH_HEAD"]), old);
        // Also where somebody fetched before hoist did.
        cloned
            .fixture
            .git("repo.work", &["commit", "-q", "--amend", "-m", "once more"]);
        cloned.next("main", "file", "again\n");
        cloned.git(&["fetch", "-q"]);
        cloned.updates_to("file", "again\n");
    }
}

#[test]
fn a_rewritten_history_under_commits_of_one_s_own_is_refused_and_the_advice_works() {
    if !has("git") {
        return;
    }
    for (args, advice) in [("", 0), ("", 1), ("--depth=1", 0), ("--depth=1", 1)] {
        let cloned = Cloned::new(args);
        cloned.own_commit();
        cloned
            .fixture
            .git("repo.work", &["commit", "-q", "--amend", "-m", "other"]);
        cloned.next("main", "file", "rewritten\n");
        for _ in 0..2 {
            let reason = cloned.refuses();
            assert!(
                reason.contains("diverged")
                    && reason.contains("work of mine")
                    && !reason.contains("commit 3"),
                "{reason}"
            );
        }
        let reason = cloned.refuses();
        cloned.follow_advice(&reason, advice);
        cloned.sandbox.hoist("update").exits(0);
        assert_eq!(cloned.sandbox.read(".subject/file"), "rewritten\n");
        assert_eq!(cloned.sandbox.has(".subject/mine"), advice == 0);
    }
}

/// A repository with a submodule `inner` in a clone with both.
fn with_submodule() -> Cloned {
    let cloned = Cloned::new("--recursive");
    cloned.fixture.repository("inner", 2);
    cloned.fixture.git(
        "repo.work",
        &[
            "submodule",
            "--quiet",
            "add",
            &cloned.server.url("/inner.git"),
            "inner",
        ],
    );
    cloned.next("main", "file", "with inner\n");
    cloned
}

#[test]
fn submodules_that_are_new_or_elsewhere_come_with_an_update() {
    if !has("git") {
        return;
    }
    let cloned = with_submodule();
    cloned.updates_to("inner/file", "inner 2\n");
    cloned.fixture.repository("moved", 4);
    let url = cloned.server.url("/moved.git");
    cloned.fixture.git(
        "repo.work",
        &[
            "config",
            "--file",
            ".gitmodules",
            "submodule.inner.url",
            &url,
        ],
    );
    cloned
        .fixture
        .git("repo.work", &["submodule", "--quiet", "sync"]);
    cloned
        .fixture
        .git("repo.work/inner", &["fetch", "-q", "origin"]);
    cloned
        .fixture
        .git("repo.work/inner", &["checkout", "-q", "origin/main"]);
    cloned.next("main", "file", "with moved\n");
    cloned.updates_to("inner/file", "moved 4\n");
}

#[test]
fn an_update_whose_submodules_cannot_be_fetched_changes_nothing() {
    if !has("git") {
        return;
    }
    let cloned = with_submodule();
    cloned.updates_to("inner/file", "inner 2\n");
    let tree = || -> Vec<(String, Vec<u8>)> {
        let files = cloned.sandbox.files(".subject").into_iter().filter(|file| {
            file == ".git/config"
                || file.starts_with(".git/modules/") && !file.contains("logs/")
                || !file.starts_with(".git")
        });
        files
            .filter(|file| {
                !file.ends_with("/index")
                    && !file.contains("ORIG_HEAD")
                    && !file.contains("FETCH_HEAD")
            })
            .map(|file| {
                (
                    file.clone(),
                    std::fs::read(cloned.path().join(file)).unwrap(),
                )
            })
            .collect()
    };
    let before = tree();
    cloned.fixture.repository("second", 1);
    cloned.fixture.git(
        "repo.work",
        &[
            "submodule",
            "--quiet",
            "add",
            &cloned.server.url("/second.git"),
            "second",
        ],
    );
    cloned.next("main", "file", "with second\n");
    let hidden = cloned.fixture.path("hidden.git");
    std::fs::rename(cloned.fixture.path("second.git"), &hidden).unwrap();
    let reason = cloned.refuses();
    assert!(
        reason.contains("submodules") && reason.contains("second.git"),
        "{reason}"
    );
    let names = |tree: &[(String, Vec<u8>)]| {
        tree.iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&tree()), names(&before));
    assert!(tree() == before);
    assert_eq!(cloned.git(&["status", "--porcelain"]), "");
    std::fs::rename(&hidden, cloned.fixture.path("second.git")).unwrap();
    cloned.updates_to("second/file", "second 1\n");
}

#[test]
fn a_repository_that_moved_is_followed_and_another_one_is_not() {
    if !has("git") {
        return;
    }
    for args in ["", "--depth=1"] {
        let cloned = Cloned::new(args);
        cloned.next("main", "file", "moved\n");
        std::fs::rename(
            cloned.fixture.path("repo.git"),
            cloned.fixture.path("moved.git"),
        )
        .unwrap();
        cloned.fixture.repository("other", 2);
        // Something else in its place: nothing changes, and the clone keeps its origin.
        cloned
            .sandbox
            .add(&module(&cloned.server.url("/other.git"), args));
        let reason = cloned.refuses();
        assert!(
            reason.contains("/other.git") && reason.contains("no common history"),
            "{reason}"
        );
        assert!(
            cloned
                .git(&["remote", "get-url", "origin"])
                .ends_with("/repo.git")
        );
        cloned
            .sandbox
            .add(&module(&cloned.server.url("/moved.git"), args));
        cloned.updates_to("file", "moved\n");
        assert!(
            cloned
                .git(&["remote", "get-url", "origin"])
                .ends_with("/moved.git")
        );
        // Hoist's own clone is replaced where that is asked for.
        cloned
            .sandbox
            .add(&module(&cloned.server.url("/other.git"), args));
        assert_eq!(
            cloned.sandbox.json("install --force").exits(0).statuses()["subject"],
            "installed"
        );
        assert_eq!(cloned.sandbox.read(".subject/file"), "other 2\n");
        // With work in it, it is not.
        cloned.own_commit();
        cloned
            .sandbox
            .add(&module(&cloned.server.url("/moved.git"), args));
        assert!(cloned.refuses().contains("it has commit"));
        cloned
            .sandbox
            .hoist("install --force")
            .exits(3)
            .says("local changes");
    }
}

#[test]
fn sparse_and_partial_clones_are_updated_within_what_is_checked_out() {
    if !has("git") {
        return;
    }
    for args in [
        "--sparse",
        "--filter=blob:none",
        "--filter=blob:none --sparse",
    ] {
        let fixture = GitFixture::new();
        fixture.git(".", &["init", "-q", "repo.work"]);
        for (file, text) in [("top", "1\n"), ("in/file", "1\n"), ("out/file", "1\n")] {
            std::fs::create_dir_all(fixture.path("repo.work").join(file).parent().unwrap())
                .unwrap();
            std::fs::write(fixture.path("repo.work").join(file), text).unwrap();
        }
        fixture.commit("repo.work", "all");
        fixture.publish("repo");
        let server = Server::git(fixture.root(), Duration::ZERO);
        let sandbox = Sandbox::new();
        sandbox.add(&module(&server.url("/repo.git"), args));
        sandbox.hoist("install").exits(0);
        let cloned = Cloned {
            fixture,
            sandbox,
            server,
        };
        let sparse = args.contains("sparse");
        if sparse {
            cloned.git(&["sparse-checkout", "set", "in"]);
        }
        for (file, text) in [("in/file", "2\n"), ("out/file", "2\n")] {
            std::fs::write(cloned.fixture.path("repo.work").join(file), text).unwrap();
        }
        cloned.next("main", "out/more", "2\n");
        cloned.updates_to("in/file", "2\n");
        assert_eq!(cloned.sandbox.has(".subject/out/file"), !sparse, "{args}");
        assert_eq!(cloned.sandbox.has(".subject/out/more"), !sparse, "{args}");
        cloned.sandbox.hoist("uninstall subject -y").exits(0);
        assert!(!cloned.path().exists(), "{args}");
    }
}

#[test]
fn clones_that_libgit2_cannot_open_are_updated_and_removed_as_a_whole() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 2);
    let formats = [("", "sha256"), ("--ref-format=reftable", "sha1")];
    for (args, object) in formats {
        let name = format!("repo-{object}");
        fixture.git(
            ".",
            &[
                "init",
                "-q",
                &format!("--object-format={object}"),
                &format!("{name}.work"),
            ],
        );
        std::fs::write(fixture.path(&format!("{name}.work/file")), "1\n").unwrap();
        fixture.commit(&format!("{name}.work"), "one");
        let url = fixture.publish(&name).display().to_string();
        let sandbox = Sandbox::new();
        sandbox.put(
            ".gitconfig",
            "[user]\n\tname = me\n\temail = me@example.test\n",
        );
        sandbox.add(&module(&format!("file://{url}"), args));
        let installed = sandbox.json("install");
        if args.contains("reftable") && installed.stdout.contains("unknown option") {
            hoist_tests::note("skipped: this git has no reftable");
            continue;
        }
        assert_eq!(installed.code, 0, "{}", installed.stdout);
        assert_eq!(
            sandbox.json("install").exits(0).statuses()["subject"],
            "unchanged"
        );
        std::fs::write(fixture.path(&format!("{name}.work/file")), "2\n").unwrap();
        fixture.commit(&format!("{name}.work"), "two");
        fixture.git(&format!("{name}.work"), &["push", "-q", &url, "main"]);
        let updated = sandbox.json("update").exits(0);
        assert_eq!(
            updated.statuses()["subject"],
            "updated",
            "{}",
            updated.stdout
        );
        assert_eq!(sandbox.read(".subject/file"), "2\n");
        // With a commit that is only here, all of it stays, and that is said.
        let path = sandbox.home().join(".subject").display().to_string();
        let git = |words: &[&str]| {
            let ran = hoist_tests::ran(
                sandbox
                    .command("git")
                    .args(["-C", &path])
                    .args(words)
                    .output()
                    .unwrap(),
            );
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        };
        std::fs::write(sandbox.home().join(".subject/mine"), "mine").unwrap();
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", "mine"]);
        sandbox
            .hoist("uninstall subject -y")
            .says("which no remote has");
        assert!(
            sandbox.has(".subject/file")
                && sandbox.has(".subject/mine")
                && sandbox.has(".subject/.git")
        );
        git(&["reset", "-q", "--hard", "HEAD~1"]);
        std::fs::remove_dir_all(sandbox.home().join(".subject")).unwrap();
        sandbox.hoist("install").exits(0);
        sandbox.hoist("uninstall subject -y").exits(0);
        assert!(!sandbox.has(".subject"), "{args}");
    }
}

#[test]
fn a_clone_of_another_user_is_named_with_its_owner_and_stays_whole() {
    if !has("git") || !rustix_is_root() {
        return;
    }
    let cloned = Cloned::new("");
    cloned.next("main", "file", "newer\n");
    let all: Vec<PathBuf> = cloned
        .sandbox
        .files(".subject")
        .iter()
        .map(|file| cloned.path().join(file))
        .collect();
    let parents = all.iter().flat_map(|file| {
        file.ancestors()
            .take_while(|path| path.starts_with(cloned.path()))
    });
    for path in parents {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
    let ran = cloned.sandbox.json("update").exits(3);
    let reason = ran.finished("subject")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("nobody") && reason.contains("safe.directory"),
        "{reason}"
    );
    cloned
        .sandbox
        .hoist("uninstall subject -y")
        .says("safe.directory");
    assert!(cloned.sandbox.has(".subject/file") && cloned.sandbox.has(".subject/.git/HEAD"));
    // The advice works.
    let command = reason.split('`').nth(1).unwrap();
    assert!(
        cloned
            .sandbox
            .command("bash")
            .args(["-c", command])
            .status()
            .unwrap()
            .success()
    );
    cloned.sandbox.hoist("install").exits(0);
    cloned.sandbox.hoist("update").exits(0);
    assert_eq!(cloned.sandbox.read(".subject/file"), "newer\n");
}

fn rustix_is_root() -> bool {
    std::fs::metadata("/proc/self")
        .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}

#[test]
fn copies_of_git_collections_are_nobody_s_and_become_what_the_remote_has() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.git(".", &["init", "-q", "repo.work"]);
    let manifest = |name: &str| {
        let text = format!(
            "MODULE_NAME=\"{name}\"\nMODULE_DESCRIPTION=\"x\"\nMODULE_ENABLED_BY_DEFAULT=\"true\"\nMODULE_IS_CORE=\"false\"\nMODULE_INSTALL_METHOD=\"package_manager\"\nMODULE_UNINSTALL_DIRS=\"\"\n"
        );
        std::fs::create_dir_all(fixture.path("repo.work/modules")).unwrap();
        std::fs::write(
            fixture
                .path("repo.work/modules")
                .join(format!("{name}.conf")),
            text,
        )
        .unwrap();
        fixture.commit("repo.work", name);
    };
    manifest("one");
    fixture.publish("repo");
    let server = Server::git(fixture.root(), Duration::ZERO);
    let sandbox = Sandbox::new();
    sandbox.settings(&format!(
        "sources:\n  - name: team\n    collection: {}\n",
        server.url("/repo.git")
    ));
    sandbox.hoist("sync").exits(0);
    let copy = sandbox.home().join(".cache/hoist/sources/team/tree");
    let names = || sandbox.json("list --available").exits(0).stdout;
    assert!(names().contains("\"one\""));
    // Rewritten, with edits and commits in the copy.
    std::fs::write(copy.join("modules/one.conf"), "edited").unwrap();
    std::fs::write(copy.join("modules/stray.conf"), "stray").unwrap();
    fixture.git(
        ".",
        &["-C", &copy.display().to_string(), "commit", "-qam", "mine"],
    );
    fixture.git("repo.work", &["commit", "-q", "--amend", "-m", "rewritten"]);
    manifest("two");
    fixture.git(
        "repo.work",
        &["push", "-q", "--force", "../repo.git", "main"],
    );
    sandbox.hoist("sync").exits(0);
    assert!(
        names().contains("\"two\"") && !names().contains("stray"),
        "{}",
        names()
    );
    // Its branch renamed.
    fixture.git("repo.git", &["branch", "-m", "main", "trunk"]);
    manifest("three");
    fixture.git("repo.work", &["push", "-q", "../repo.git", "HEAD:trunk"]);
    sandbox.hoist("sync").exits(0);
    assert!(names().contains("\"three\""));
    // Damaged.
    std::fs::remove_dir_all(copy.join(".git/objects")).unwrap();
    sandbox.hoist("sync").exits(0);
    assert!(names().contains("\"three\""));
    sandbox.hoist("sync").exits(0).says("unchanged");
}

#[test]
fn hooks_of_the_user_s_templates_do_not_hold_a_clone() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let url = fixture.repository("repo", 1).display().to_string();
    let sandbox = Sandbox::new();
    let hook = sandbox.put("template/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.put(
        ".gitconfig",
        &format!(
            "[init]\n\ttemplateDir = {}\n",
            sandbox.home().join("template").display()
        ),
    );
    sandbox.add(&module(&url, ""));
    sandbox.hoist("install").exits(0);
    assert!(sandbox.has(".subject/.git/hooks/pre-commit"));
    sandbox.hoist("uninstall subject -y").exits(0);
    assert!(!sandbox.has(".subject"));
}

#[test]
fn clones_that_are_behind_are_outdated_as_of_the_last_fetch_or_of_now() {
    if !has("git") {
        return;
    }
    let cloned = Cloned::new("--depth=1");
    let outdated = |words: &str| cloned.sandbox.json(words).exits(0).document();
    assert_eq!(outdated("outdated").as_array().unwrap().len(), 0);
    cloned.next("main", "file", "newer\n");
    let tip = cloned.bare(&["rev-parse", "main"]);
    cloned
        .sandbox
        .hoist("outdated")
        .exits(0)
        .says("as of their last fetch");
    assert_eq!(
        outdated("outdated").as_array().unwrap().len(),
        0,
        "nobody was asked"
    );
    let before = cloned.sandbox.files(".subject");
    let refreshed = outdated("outdated --refresh");
    assert_eq!(
        (&refreshed[0]["status"], &refreshed[0]["offered"]),
        (&"outdated".into(), &tip[..12].into()),
        "{refreshed}"
    );
    assert_eq!(
        cloned.sandbox.files(".subject"),
        before,
        "nothing was fetched"
    );
    // After a fetch of the user's, the clone itself knows.
    cloned.git(&["fetch", "-q"]);
    assert_eq!(outdated("outdated")[0]["offered"], tip[..12]);
    cloned.own_commit();
    cloned.git(&["reset", "-q", "--hard", "origin/main"]);
    cloned.own_commit();
    assert_eq!(
        outdated("outdated --refresh").as_array().unwrap().len(),
        0,
        "commits of one's own are not behind"
    );
    // A remote that is away is named, and the answer goes on without it.
    std::fs::remove_dir_all(cloned.fixture.path("repo.git")).unwrap();
    cloned
        .sandbox
        .hoist("outdated --refresh")
        .exits(0)
        .says("cannot determine the latest version of subject");
}
