//! What hoist knows is for nobody else: secrets in what is shown, and permissions of what is kept.

use std::os::unix::fs::{PermissionsExt, symlink};

use hoist_tests::{Answer, GitFixture, Mercurial, Module, Sandbox, Server, binary, has, ran};

#[test]
fn what_hoist_keeps_is_for_its_owner_alone_whatever_the_umask() {
    let fixture = GitFixture::new();
    let sandbox = Sandbox::new();
    let body = "main_module() { mkdir -p ~/.m; echo 1 >~/.m/file; head -c 3000000 /dev/zero >~/.m/large; echo said; }\nupdate_module() { echo 2 >~/.m/file; }";
    let module = Module::new("m")
        .field("INSTALL_DIRS", "$HOME/.m")
        .field("CONFIG_FILES", "$HOME/.rc")
        .field("UPDATE_METHOD", "custom");
    sandbox
        .add(&module.body(body))
        .write("config/rc", "shipped\n");
    if has("git") {
        let clone = Module::new("clone").method("git_clone").field(
            "INSTALL_REPO",
            &fixture.repository("repo", 2).display().to_string(),
        );
        sandbox.add(
            &clone
                .field("INSTALL_DIRS", "$HOME/.clone")
                .field("UPDATE_METHOD", "git_pull")
                .field("UPDATE_DIR", "$HOME/.clone"),
        );
    }
    let state = sandbox.home().join(".local/state/hoist");
    // Of an earlier version, which did not see to that.
    std::fs::create_dir_all(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    for arguments in [
        "install",
        "update",
        "uninstall m -y",
        "undo -y",
        "report",
        "history",
        "install",
    ] {
        let line = format!("umask 0; exec {} {arguments}", binary().display());
        ran(sandbox
            .command("bash")
            .args(["-c", &line])
            .output()
            .unwrap())
        .exits(0);
        let open = sandbox
            .files(".local/state/hoist")
            .into_iter()
            .map(|path| state.join(path));
        let mut waiting = vec![state.clone()];
        let mut all: Vec<_> = open.collect();
        while let Some(directory) = waiting.pop() {
            waiting.extend(
                std::fs::read_dir(&directory)
                    .unwrap()
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| path.is_dir()),
            );
            all.push(directory);
        }
        let mode = |path: &std::path::PathBuf| {
            path.symlink_metadata().unwrap().permissions().mode() & 0o7777
        };
        let open: Vec<String> = all
            .iter()
            .filter(|path| mode(path) & 0o077 != 0)
            .map(|path| format!("{} {:o}", path.display(), mode(path)))
            .collect();
        assert!(open.is_empty(), "{arguments}: {open:?}");
    }
}

#[test]
fn a_lock_that_is_a_link_is_refused_and_a_configuration_is_restored_from_its_copies_only() {
    let sandbox = Sandbox::new();
    sandbox
        .add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc"))
        .write("config/rc", "one\n");
    sandbox.put("precious", "mine\n");
    let state = sandbox.home().join(".local/state/hoist");
    std::fs::create_dir_all(&state).unwrap();
    symlink(sandbox.home().join("precious"), state.join("lock")).unwrap();
    sandbox.hoist("install").exits(2).says("lock");
    assert_eq!(sandbox.read("precious"), "mine\n");
    std::fs::remove_file(state.join("lock")).unwrap();
    sandbox.hoist("install").exits(0);
    sandbox.put(".rc", "mine\n");
    sandbox.write("config/rc", "two\n");
    sandbox.hoist("update --config-overwrite").exits(0);
    let rc = sandbox.home().join(".rc");
    let restore = |from: &str| {
        let mut command = sandbox.command(binary());
        ran(command
            .args(["config", "restore"])
            .arg(&rc)
            .args(["--from", from])
            .output()
            .unwrap())
    };
    restore(&sandbox.home().join("precious").display().to_string())
        .exits(2)
        .says("is not a backup of");
    assert_eq!(sandbox.read(".rc"), "two\n");
    let copy = sandbox
        .files(".")
        .into_iter()
        .find(|path| path.contains(".rc.pre-slaanesh-"))
        .unwrap();
    restore(&sandbox.home().join(copy).display().to_string()).exits(0);
    assert_eq!(sandbox.read(".rc"), "mine\n");
}

#[test]
fn passwords_of_sources_are_in_no_line_of_progress_and_in_no_copy() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::new();
    let refusing = Server::start(|_| Answer::new(401, "no"));
    let port = refusing.port();
    let place = sandbox.path("place");
    let sources = format!(
        "sources:\n  - {{name: hgs, mercurial: \"http://user:canary-1@127.0.0.1:{port}/hg\", into: {}}}\n  - {{name: app, application: {}, from: \
         [\"http://user:canary-2@127.0.0.1:{port}/x.zip\", \"http://user:canary-3@127.0.0.1:{port}/x.git\"]}}\n  - {{name: shell, collection: \
         \"http://user:can/ary-4@127.0.0.1:{port}/c.git\"}}\n",
        place.display(),
        place.display()
    );
    sandbox.settings(&sources);
    for command in [
        "sync",
        "install hgs/foo",
        "install app/Foo",
        "source list",
        "list",
        "doctor",
        "update",
    ] {
        for ran in [sandbox.hoist(command), sandbox.json(command)] {
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(
                !said.contains("canary") && !said.contains("ary-4"),
                "{command}: {said}"
            );
        }
    }
    // Nor does it stay anywhere where it was of use.
    let fixture = GitFixture::new();
    fixture.repository("modules", 1);
    std::fs::create_dir_all(fixture.path("modules.work/modules")).unwrap();
    std::fs::write(
        fixture.path("modules.work/modules/m.sh"),
        Module::new("m").main(":").text(),
    )
    .unwrap();
    fixture.commit("modules.work", "a module");
    fixture.publish("modules");
    let server = Server::git_for(fixture.root(), "user", "canary-5");
    let url = server
        .url("/modules.git")
        .replace("http://", "http://user:canary-5@");
    let sandbox = Sandbox::new();
    sandbox
        .hoist(&format!("source add new --from {url}"))
        .exits(0);
    let settings = sandbox.home().join(".config/hoist/hoist.yml");
    assert_eq!(
        settings.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    sandbox.hoist("sync").exits(0);
    sandbox.hoist("sync").exits(0);
    sandbox.hoist("install m").exits(0);
    for path in sandbox
        .files(".")
        .iter()
        .filter(|path| !path.ends_with("hoist.yml"))
    {
        let bytes = std::fs::read(sandbox.home().join(path)).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&bytes).contains("canary"),
            "{path}"
        );
    }
}

#[test]
fn hg_is_given_a_password_in_no_word_and_no_copy() {
    if !has("hg") || !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let mercurial = Mercurial::new();
    mercurial.module("mod_x", "return 1");
    mercurial.commit("a module");
    let server = mercurial.serve();
    let url = server.url().replace("http://", "http://user:canary-6@");
    sandbox.settings(&format!(
        "sources:\n  - {{name: hgs, mercurial: \"{url}\", into: {}}}\n",
        sandbox.path("place").display()
    ));
    let (ran, calls) = sandbox.traced("sync", "execve");
    ran.exits(0);
    assert!(
        calls.iter().any(|call| call.contains("\"hg\""))
            && !calls.iter().any(|call| call.contains("canary")),
        "{calls:#?}"
    );
    for path in sandbox.files(".cache") {
        let bytes = std::fs::read(sandbox.home().join(".cache").join(&path)).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&bytes).contains("canary"),
            "{path}"
        );
    }
}
