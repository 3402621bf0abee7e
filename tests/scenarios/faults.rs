//! What goes wrong: kills at every write, full and read-only disks, servers that stop, clocks that
//! jump, ledgers that are damaged. Each time the next run ends where an undisturbed one does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hoist_tests::faults::{
    Victims, is_mended, kill_everywhere, mounted, nothing_is_left, processes, tree,
};
use hoist_tests::{Answer, GitFixture, Module, Sandbox, Server, binary, has, ran};

/// Eight modules: clones, scripts with directories and programs, configuration files, and what they
/// need.
fn eight(sandbox: &Sandbox, repository: &Path) {
    for number in 0..2 {
        let module = Module::new(&format!("clone{number}"))
            .method("git_clone")
            .field("INSTALL_REPO", &repository.display().to_string());
        sandbox.add(&module.field("INSTALL_DIRS", &format!("$HOME/clones/deep/c{number}")));
    }
    for number in 0..4 {
        let name = format!("script{number}");
        let body = format!(
            "mkdir -p ~/.{name}/sub ~/.local/bin && echo {name} >~/.{name}/sub/file && echo {name} >~/.local/bin/{name} && echo x >\"$TMPDIR/x\""
        );
        let module = Module::new(&name)
            .field("INSTALL_DIRS", &format!("$HOME/.{name}"))
            .field("UNINSTALL_BINARIES", &name)
            .main(&body);
        let needs = if number > 1 {
            format!("clone{} script{}", number % 2, number - 2)
        } else {
            String::new()
        };
        sandbox.add(&module.depends(&needs));
    }
    for number in 0..2 {
        sandbox.add(
            &Module::new(&format!("config{number}"))
                .field("CONFIG_FILES", &format!("$HOME/.config/c{number}/rc")),
        );
        sandbox.write(&format!("config/c{number}/rc"), &format!("{number}\n"));
    }
}

#[test]
fn a_run_of_eight_modules_killed_anywhere_is_completed_by_the_next() {
    if !has("cc") || !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let repository = fixture.repository("repo", 2);
    let prepared = || {
        let sandbox = Sandbox::new();
        eight(&sandbox, &repository);
        sandbox
    };
    let undisturbed = prepared();
    undisturbed.hoist("install").exits(0);
    let wanted = tree(&undisturbed);
    // One worker goes through all modules, so that its n-th change is always another.
    let killed = kill_everywhere(
        Victims::All,
        prepared,
        "install -j1 -q",
        |sandbox, context| is_mended(sandbox, "install", &wanted, context),
    );
    assert!(killed >= 40, "only {killed} points");
}

#[test]
fn a_run_of_one_module_killed_at_every_change_is_completed_by_the_next() {
    if !has("cc") {
        return;
    }
    let prepared = || {
        let sandbox = Sandbox::new();
        let module = Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("CONFIG_FILES", "$HOME/.rc");
        sandbox.add(&module.main("mkdir -p ~/.m && echo 1 >~/.m/file"));
        sandbox.write("config/rc", "1\n");
        sandbox
    };
    let undisturbed = prepared();
    undisturbed.hoist("install").exits(0);
    let wanted = tree(&undisturbed);
    let killed = kill_everywhere(
        Victims::All,
        prepared,
        "install -j1 -q",
        |sandbox, context| is_mended(sandbox, "install", &wanted, context),
    );
    assert!(killed >= 30, "only {killed} points");
}

#[test]
fn an_update_killed_anywhere_is_completed_by_the_next() {
    if !has("cc") || !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let [old, new] = fixture.old_and_new();
    // The same address leads to the old repository first.
    let prepared = || {
        let sandbox = Sandbox::new();
        let link = sandbox.path("repo.git");
        std::os::unix::fs::symlink(&old, &link).unwrap();
        let clone = Module::new("clone")
            .method("git_clone")
            .field("INSTALL_REPO", &link.display().to_string());
        let clone = clone
            .field("INSTALL_DIRS", "$HOME/.clone")
            .field("UPDATE_METHOD", "git_pull")
            .field("UPDATE_DIR", "$HOME/.clone");
        sandbox.add(&clone);
        let body = "mkdir -p ~/.again && cp \"$SCRIPT_DIR/version\" ~/.again/version && echo shipped >~/.again/other";
        sandbox.add(
            &Module::new("again")
                .field("INSTALL_DIRS", "$HOME/.again")
                .field("UPDATE_METHOD", "reinstall")
                .main(body),
        );
        sandbox.write("version", "1\n").write("config/rc", "1\n");
        sandbox.add(&Module::new("config").field("CONFIG_FILES", "$HOME/.rc"));
        sandbox.hoist("install").exits(0);
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&new, &link).unwrap();
        sandbox.write("version", "2\n").write("config/rc", "2\n");
        sandbox
    };
    let plain = |sandbox: &Sandbox| {
        let tree = tree(sandbox);
        // How often a copy was made depends on where the run was cut off; none is lost.
        tree.into_iter()
            .filter(|(name, _)| {
                !name.contains(".pre-slaanesh-") && !name.contains(".hoist-backup-")
            })
            .collect::<BTreeMap<_, _>>()
    };
    let undisturbed = prepared();
    undisturbed.hoist("update").exits(0);
    let wanted = plain(&undisturbed);
    assert_eq!(
        (
            wanted[".clone/file"].as_slice(),
            wanted[".again/version"].as_slice()
        ),
        (b"newest\n".as_slice(), b"2\n".as_slice())
    );
    let killed = kill_everywhere(
        Victims::All,
        prepared,
        "update -j1 -q",
        |sandbox, context| {
            sandbox.json("update").exits(0);
            assert_eq!(plain(sandbox), wanted, "{context}");
            nothing_is_left(sandbox, context);
            sandbox.json("update").exits(0);
            assert_eq!(plain(sandbox), wanted, "{context}");
        },
    );
    assert!(killed >= 40, "only {killed} points");
}

#[test]
fn a_removal_killed_anywhere_is_completed_by_the_next() {
    if !has("cc") {
        return;
    }
    let prepared = || {
        let sandbox = Sandbox::new();
        let body = "mkdir -p ~/.m/sub; for i in 1 2 3 4 5; do echo 1 >~/.m/sub/$i; done";
        sandbox.add(
            &Module::new("m")
                .field("INSTALL_DIRS", "$HOME/.m")
                .main(body),
        );
        sandbox.hoist("install").exits(0);
        std::fs::write(sandbox.home().join(".m/mine"), "mine").unwrap();
        sandbox
    };
    let killed = kill_everywhere(
        Victims::All,
        prepared,
        "uninstall m -yq",
        |sandbox, context| {
            let again = sandbox.hoist("uninstall m -y");
            // It may have been taken off the books just before.
            assert!(
                again.code == 0 || again.stderr.contains("is not installed"),
                "{context}: {}",
                again.stderr
            );
            let left: Vec<String> = tree(sandbox)
                .into_keys()
                .filter(|name| name.starts_with(".m"))
                .collect();
            assert_eq!(left, [".m", ".m/mine"], "{context}");
            sandbox.hoist("install").exits(0);
            nothing_is_left(sandbox, context);
        },
    );
    assert!(killed >= 20, "only {killed} points");
}

#[test]
fn a_child_that_is_killed_fails_its_module_only() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("victim")
            .field("INSTALL_DIRS", "$HOME/.v")
            .main("mkdir -p ~/.v; [[ -e ~/again ]] || kill -9 $$"),
    );
    sandbox.add(&Module::new("other").main("touch ~/other"));
    let ran = sandbox.json("install").exits(3);
    assert!(
        ran.finished("victim")["reason"]
            .as_str()
            .unwrap()
            .contains("signal 9"),
        "{}",
        ran.stdout
    );
    assert!(sandbox.has("other"));
    std::fs::write(sandbox.home().join("again"), "").unwrap();
    assert_eq!(
        sandbox.json("install --resume").exits(0).statuses()["victim"],
        "installed"
    );
    nothing_is_left(&sandbox, "");
}

#[test]
fn a_full_disk_loses_nothing_and_the_next_run_goes_on() {
    let sandbox = Sandbox::new();
    for number in 0..6 {
        let body = format!("mkdir -p ~/.m{number}; head -c 900000 /dev/zero >~/.m{number}/data");
        sandbox.add(
            &Module::new(&format!("m{number}"))
                .field("INSTALL_DIRS", &format!("$HOME/.m{number}"))
                .main(&body),
        );
    }
    let line = "mount -t tmpfs -o size=3m none \"$home\" || exit 77
        $hoist install -j1; first=$?
        $hoist list --installed --output json >/dev/null; listed=$?
        mount -o remount,size=64m \"$home\"
        $hoist install; second=$?
        $hoist test -q; third=$?
        ls -d $home/.m*/data | wc -l
        ls -a $home | grep -c hoist-
        echo codes $first $listed $second $third";
    let Some(ran) = mounted(&sandbox, line) else {
        return;
    };
    let codes: Vec<&str> = ran.stdout.lines().last().unwrap().split(' ').collect();
    assert!(
        matches!(codes[1], "3" | "2" | "1"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!(
        codes[2..],
        ["0", "0", "0"],
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert!(
        ran.stdout.contains("No space left")
            || ran.stderr.contains("No space left")
            || ran.stderr.contains("full"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert!(ran.stdout.contains("\n6\n0\n"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

#[test]
fn a_state_directory_without_room_ends_the_run_with_words() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").main("touch ~/ran"));
    for (size, fill) in [
        (
            "1m",
            "head -c 2000000 /dev/zero >$home/.local/state/filler 2>/dev/null",
        ),
        ("200k", "true"),
    ] {
        let line = format!(
            "mkdir -p $home/.local/state; mount -t tmpfs -o size={size} none $home/.local/state || exit 77; {fill}; $hoist install; echo code $?"
        );
        let Some(ran) = mounted(&sandbox, &line) else {
            return;
        };
        assert!(
            !ran.stdout.contains("code 101") && !ran.stderr.contains("panicked"),
            "{}\n{}",
            ran.stdout,
            ran.stderr
        );
        if fill != "true" {
            assert!(
                ran.stdout.contains("code 2") && ran.stderr.contains("error"),
                "{}\n{}",
                ran.stdout,
                ran.stderr
            );
            assert!(
                !sandbox.has("ran"),
                "nothing is started that cannot be written down"
            );
        }
    }
}

#[test]
fn a_home_that_cannot_be_written_is_said_before_anything_starts() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").main("touch /tmp/hoist-test-never"));
    let line = "mount --bind \"$home\" \"$home\" && mount -o remount,ro,bind \"$home\" || exit 77; $hoist install; echo code $?; $hoist list; echo code $?";
    let Some(ran) = mounted(&sandbox, line) else {
        return;
    };
    assert!(
        ran.stdout.contains("code 2") && ran.stdout.contains("code 0"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert!(
        ran.stderr.contains("Read-only file system") && ran.stderr.contains("help:"),
        "{}",
        ran.stderr
    );
    assert!(!Path::new("/tmp/hoist-test-never").exists());
}

#[test]
fn a_directory_without_permission_fails_its_module_only() {
    if !has("setpriv") || !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let repository = fixture.repository("repo", 1);
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("shut")
            .method("git_clone")
            .field("INSTALL_REPO", &repository.display().to_string())
            .field("INSTALL_DIRS", "$HOME/shut/c"),
    );
    sandbox.add(&Module::new("rc").field("CONFIG_FILES", "$HOME/shut/rc"));
    sandbox.write("config/rc", "1\n");
    sandbox.add(&Module::new("open").main("touch ~/open"));
    let shut = sandbox.home().join("shut");
    std::fs::create_dir(&shut).unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap()
    };
    for path in [sandbox.home(), sandbox.path("tmp"), shut.clone()] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    for path in [sandbox.path(""), sandbox.collection(), fixture.root()] {
        mode(&path, 0o755);
    }
    let hoist = |arguments: &str| {
        let mut command = sandbox.command("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(binary())
            .args(arguments.split_whitespace());
        ran(command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .output()
            .unwrap())
    };
    mode(&shut, 0o500);
    let first = hoist("install --output json").exits(3);
    for name in ["shut", "rc"] {
        let reason = first.finished(name)["reason"].as_str().unwrap().to_owned();
        assert!(
            reason.contains("ermission denied") && reason.contains("shut"),
            "{reason}"
        );
    }
    assert!(sandbox.has("open"));
    mode(&shut, 0o700);
    let second = hoist("install --output json");
    assert_eq!(second.statuses()["rc"], "installed", "{}", second.stdout);
}

#[test]
fn a_server_that_stops_in_the_middle_leaves_nothing_behind() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.git(".", &["init", "-q", "repo.work"]);
    for number in 0..40 {
        std::fs::write(
            fixture.path("repo.work").join(format!("file{number}")),
            format!("{number}").repeat(500),
        )
        .unwrap();
    }
    fixture.commit("repo.work", "all");
    fixture.publish("repo");
    let stops = Server::git_that_stops(fixture.root());
    let cut = Server::start(|_| Answer {
        announced: Some(100_000),
        ..Answer::new(200, "#!/bin/sh\ntouch \"$HOME/half\"\n")
    });
    let sandbox = Sandbox::new();
    let clone = |url: String| {
        Module::new("clone")
            .method("git_clone")
            .field("INSTALL_REPO", &url)
            .field("INSTALL_DIRS", "$HOME/deep/clone")
    };
    sandbox.add(&clone(stops.url("/repo.git")));
    sandbox.add(
        &Module::new("script")
            .method("download_script")
            .field("INSTALL_REPO", &cut.url("/install.sh")),
    );
    let ran = sandbox.json("install").exits(3);
    assert_eq!(
        (
            ran.statuses()["clone"].as_str(),
            ran.statuses()["script"].as_str()
        ),
        ("failed", "failed")
    );
    assert!(!sandbox.has("half") && !sandbox.has("deep/clone"));
    nothing_is_left(&sandbox, "after a cut");
    let sound = Server::git(fixture.root(), Duration::ZERO);
    sandbox.add(&clone(sound.url("/repo.git")));
    sandbox.hoist("install clone").exits(0);
    assert_eq!(sandbox.read("deep/clone/file7"), "7".repeat(500));
}

#[test]
fn a_clock_that_jumps_confuses_nothing() {
    if !has("faketime") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("a")
            .field("UPDATE_METHOD", "custom")
            .body("main_module() { sleep 0.1; }\nupdate_module() { :; }"),
    );
    sandbox.add(&Module::new("b").depends("a"));
    let at = |time: &str, arguments: &str| {
        let mut command = sandbox.command("faketime");
        command
            .args(["-f", time])
            .arg(binary())
            .args(arguments.split_whitespace())
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        ran(command.output().unwrap())
    };
    at("+400d", "install").exits(0);
    at("-400d", "update").exits(0);
    // Within the run: every second is an hour.
    at("+0 x3600", "install --force --timeout 60").exits(0);
    at("-9000d", "install").exits(0).says("2 unchanged");
    let history = sandbox.json("history").exits(0).document();
    let actions: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["install", "install", "update", "install"],
        "in the order of what happened"
    );
    at("-9000d", "uninstall --all -y").exits(0);
    nothing_is_left(&sandbox, "");
}

#[test]
fn a_terminal_that_closes_ends_the_run_in_order() {
    if !has("script") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").main("touch ~/up; sleep 60"));
    sandbox.add(&Module::new("n").depends("m"));
    let mut terminal = sandbox
        .command("env")
        .args([
            "--default-signal=HUP",
            "script",
            "-qec",
            &format!("{} install", binary().display()),
            "/dev/null",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    while !sandbox.has("up") {
        std::thread::sleep(Duration::from_millis(5));
    }
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    while !processes(&sandbox).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let history = sandbox.json("history").exits(0).document();
    assert_eq!(
        history[0]["status"], "interrupted",
        "it ended itself: {history}"
    );
    nothing_is_left(&sandbox, "");
}

#[test]
fn a_run_that_was_told_to_outlive_its_terminal_does() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").main("touch ~/up; while [[ ! -e ~/go ]]; do sleep 0.02; done"));
    let run = sandbox
        .command("nohup")
        .arg(binary())
        .arg("install")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while !sandbox.has("up") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let hangup = sandbox
        .command("kill")
        .args(["-HUP", &run.id().to_string()])
        .status()
        .unwrap();
    assert!(hangup.success());
    std::thread::sleep(Duration::from_millis(300));
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    hoist_tests::ran(run.wait_with_output().unwrap())
        .exits(0)
        .says("1 installed");
}

fn ledger(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.home().join(".local/state/hoist/ledger.sqlite")
}

#[test]
fn a_ledger_of_a_later_version_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").main("touch ~/ran"));
    sandbox.hoist("install").exits(0);
    let mut bytes = std::fs::read(ledger(&sandbox)).unwrap();
    // The place of `user_version` in the header of an SQLite file.
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    std::fs::write(ledger(&sandbox), &bytes).unwrap();
    std::fs::remove_file(sandbox.home().join("ran")).unwrap();
    for arguments in [
        "install --force",
        "update",
        "uninstall m -y",
        "list",
        "plan install",
        "history",
        "test",
    ] {
        sandbox
            .hoist(arguments)
            .exits(2)
            .says("has version 99")
            .says("use a newer hoist");
    }
    assert_eq!(std::fs::read(ledger(&sandbox)).unwrap(), bytes);
    assert!(!sandbox.has("ran"));
}

#[test]
fn a_damaged_ledger_is_set_aside_and_what_it_knew_is_found_again() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("text", |bytes| {
            *bytes = b"this was a ledger once\n".repeat(100)
        }),
        ("garbage in the middle", |bytes| {
            let length = bytes.len();
            bytes[4096..length]
                .iter_mut()
                .for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7));
        }),
        ("cut off", |bytes| bytes.truncate(bytes.len() / 2)),
        ("header", |bytes| bytes[..16].fill(0)),
    ];
    for (name, damage) in damages {
        for copy in [true, false] {
            let sandbox = Sandbox::new();
            for module in ["a", "b"] {
                let body =
                    format!("mkdir -p ~/.{module}; echo 1 >~/.{module}/file; echo x >>~/ran");
                let module = Module::new(module)
                    .field("INSTALL_DIRS", &format!("$HOME/.{module}"))
                    .field("TEST_FILES", &format!("$HOME/.{module}/file"));
                sandbox.add(&module.main(&body));
            }
            sandbox.hoist("install").exits(0);
            let mut bytes = std::fs::read(ledger(&sandbox)).unwrap();
            damage(&mut bytes);
            std::fs::write(ledger(&sandbox), &bytes).unwrap();
            if !copy {
                std::fs::remove_file(sandbox.home().join(".local/state/hoist/ledger.copy.sqlite"))
                    .unwrap();
            }
            let listed = sandbox.hoist("list");
            assert!(
                listed.code == 0 || listed.stderr.contains("ledger"),
                "{name}: {}",
                listed.stderr
            );
            let ran = sandbox
                .hoist("install")
                .exits(0)
                .says("the ledger is damaged")
                .says("was moved to")
                .says("2 unchanged");
            drop(ran);
            assert_eq!(
                sandbox.read("ran"),
                "x\nx\n",
                "{name}: nothing is installed again"
            );
            assert_eq!(
                sandbox
                    .json("list --installed")
                    .exits(0)
                    .document()
                    .as_array()
                    .unwrap()
                    .len(),
                2,
                "{name}"
            );
            let aside = std::fs::read_dir(ledger(&sandbox).parent().unwrap())
                .unwrap()
                .flatten();
            let aside = aside
                .map(|entry| entry.file_name().into_string().unwrap())
                .find(|name| name.starts_with("ledger.damaged-"))
                .unwrap();
            assert_eq!(
                std::fs::read(ledger(&sandbox).with_file_name(aside)).unwrap(),
                bytes,
                "{name}: the damaged file is kept"
            );
            sandbox.hoist("uninstall a -y").exits(0);
            assert_eq!(
                sandbox.has(".a"),
                !copy,
                "{name}: from the copy hoist knows what is its own, without it nothing is"
            );
        }
    }
}

#[test]
fn a_ledger_that_is_missing_or_empty_is_replaced_by_its_copy() {
    for is_missing in [true, false] {
        let sandbox = Sandbox::new();
        for module in ["a", "b"] {
            let main = format!("mkdir -p ~/.{module}; echo x >>~/ran");
            sandbox.add(
                &Module::new(module)
                    .field("INSTALL_DIRS", &format!("$HOME/.{module}"))
                    .main(&main),
            );
        }
        sandbox.hoist("install").exits(0);
        match is_missing {
            true => std::fs::remove_file(ledger(&sandbox)).unwrap(),
            false => std::fs::write(ledger(&sandbox), "").unwrap(),
        }
        assert_eq!(
            sandbox
                .json("list --installed")
                .exits(0)
                .document()
                .as_array()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            ledger(&sandbox).exists(),
            !is_missing,
            "reading writes nothing"
        );
        sandbox
            .hoist("install")
            .exits(0)
            .says("the ledger is damaged (the file is missing or empty)")
            .says("2 unchanged");
        assert_eq!(sandbox.read("ran"), "x\nx\n");
        sandbox.hoist("uninstall a -y").exits(0);
        assert!(!sandbox.has(".a"));
    }
}

#[test]
fn a_state_directory_that_cannot_be_read_is_an_error_of_every_command() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("a"));
    std::fs::create_dir_all(sandbox.path(".local/state")).unwrap();
    sandbox.put(".local/state/hoist", "a file\n");
    for command in [
        "list",
        "status",
        "history",
        "plan install",
        "install",
        "undo",
        "report",
        "config list",
    ] {
        sandbox
            .hoist(command)
            .exits(2)
            .says(".local/state/hoist")
            .says("XDG_STATE_HOME");
    }
}

#[test]
fn a_hundred_at_once_take_turns() {
    let sandbox = Sandbox::new();
    sandbox.settings("keep_runs: 200\n");
    for number in 0..5 {
        sandbox.add(
            &Module::new(&format!("m{number}"))
                .field("INSTALL_DIRS", &format!("$HOME/.m{number}"))
                .main(&format!("mkdir ~/.m{number}; echo x >>~/ran")),
        );
    }
    let children: Vec<_> = (0..100).map(|_| sandbox.start("install -q")).collect();
    for child in children {
        ran(child.wait_with_output().unwrap()).exits(0);
    }
    assert_eq!(sandbox.read("ran"), "x\n".repeat(5), "each module once");
    assert_eq!(
        sandbox
            .json("history --limit 200")
            .exits(0)
            .document()
            .as_array()
            .unwrap()
            .len(),
        100
    );
    sandbox.hoist("test").exits(0);
    nothing_is_left(&sandbox, "");
}
