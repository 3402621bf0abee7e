//! What hoist knows is for nobody else: secrets in what is shown, and permissions of what is kept.

use std::os::unix::fs::{PermissionsExt, symlink};

use hoist_tests::{GitFixture, Module, Sandbox, binary, has, ran};

#[test]
fn what_hoist_keeps_is_for_its_owner_alone_whatever_the_umask() {
    let fixture = GitFixture::new();
    let sandbox = Sandbox::new();
    let body = "main_module() { mkdir -p ~/.m; echo 1 >~/.m/file; head -c 3000000 /dev/zero >~/.m/large; echo said; }\nupdate_module() { echo 2 >~/.m/file; }";
    let module = Module::new("m").field("INSTALL_DIRS", "$HOME/.m").field("CONFIG_FILES", "$HOME/.rc").field("UPDATE_METHOD", "custom");
    sandbox.add(&module.body(body)).write("config/rc", "shipped\n");
    if has("git") {
        let clone = Module::new("clone").method("git_clone").field("INSTALL_REPO", &fixture.repository("repo", 2).display().to_string());
        sandbox.add(&clone.field("INSTALL_DIRS", "$HOME/.clone").field("UPDATE_METHOD", "git_pull").field("UPDATE_DIR", "$HOME/.clone"));
    }
    let state = sandbox.home().join(".local/state/hoist");
    // Of an earlier version, which did not see to that.
    std::fs::create_dir_all(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    for arguments in ["install", "update", "uninstall m -y", "undo -y", "report", "history", "install"] {
        let line = format!("umask 0; exec {} {arguments}", binary().display());
        ran(sandbox.command("bash").args(["-c", &line]).output().unwrap()).exits(0);
        let open = sandbox.files(".local/state/hoist").into_iter().map(|path| state.join(path));
        let mut waiting = vec![state.clone()];
        let mut all: Vec<_> = open.collect();
        while let Some(directory) = waiting.pop() {
            waiting.extend(std::fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
            all.push(directory);
        }
        let mode = |path: &std::path::PathBuf| path.symlink_metadata().unwrap().permissions().mode() & 0o7777;
        let open: Vec<String> =
            all.iter().filter(|path| mode(path) & 0o077 != 0).map(|path| format!("{} {:o}", path.display(), mode(path))).collect();
        assert!(open.is_empty(), "{arguments}: {open:?}");
    }
}

#[test]
fn a_lock_that_is_a_link_is_refused_and_a_configuration_is_restored_from_its_copies_only() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc")).write("config/rc", "one\n");
    sandbox.put("precious", "mine\n");
    let state = sandbox.home().join(".local/state/hoist");
    std::fs::create_dir_all(&state).unwrap();
    symlink(sandbox.home().join("precious"), state.join("lock")).unwrap();
    sandbox.hoist("install").exits(2).says("lock");
    assert_eq!(sandbox.read("precious"), "mine\n");
    std::fs::remove_file(state.join("lock")).unwrap();
    sandbox.hoist("install").exits(0);
    sandbox.write("config/rc", "two\n");
    sandbox.hoist("update").exits(0);
    let rc = sandbox.home().join(".rc");
    let restore = |from: &str| {
        let mut command = sandbox.command(binary());
        ran(command.args(["config", "restore"]).arg(&rc).args(["--from", from]).output().unwrap())
    };
    restore(&sandbox.home().join("precious").display().to_string()).exits(2).says("is no copy of");
    assert_eq!(sandbox.read(".rc"), "two\n");
    let copy = sandbox.files(".").into_iter().find(|path| path.contains(".rc.pre-slaanesh-")).unwrap();
    restore(&sandbox.home().join(copy).display().to_string()).exits(0);
    assert_eq!(sandbox.read(".rc"), "one\n");
}
