//! A hoist that is killed while a module's installer or uninstaller is at work.

use std::process::Stdio;
use std::time::Duration;

use hoist_tests::faults::{Victims, kill_everywhere, nothing_is_left, tree, wait_for_watchdog};
use hoist_tests::{Application, Sandbox, binary, has};

const SPOILS: &str = "file_put_contents(APP_ROOT_DIR . '/lang/en/core.php', 'spoilt'); mkdir(APP_ROOT_DIR . '/pages'); touch(APP_ROOT_DIR . '/pages/new.php'); \\Tools::remove(APP_ROOT_DIR . '/../www');";

/// Runs hoist until the installer says that it is at work, and kills it.
pub(crate) fn killed_at_work(sandbox: &Sandbox, arguments: &str) {
    let mut command = sandbox.command(binary());
    let mut child = command
        .args(arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !sandbox.has("at-work") {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_install_is_taken_back_by_the_next_hoist_wherever_it_was() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let sandbox = &application.sandbox;
    application.module("Slow", &format!("    public static function install()\n    {{\n        {SPOILS}\n        touch(getenv('HOME') . '/at-work'); sleep(600);\n    }}"));
    application.offer("Quick/x.php", "<?php\n");
    application.configured();
    let before = application.tree();
    killed_at_work(sandbox, "install Slow");
    sandbox
        .hoist("install Quick")
        .exits(0)
        .says("was interrupted");
    sandbox.hoist("uninstall Quick --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn what_a_killed_installer_did_after_its_last_sign_of_life_is_moved_aside() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let sandbox = &application.sandbox;
    let spoil = "file_put_contents(APP_ROOT_DIR . '/lang/en/core.php', 'spoilt'); unlink(APP_ROOT_DIR . '/../www/index.php'); touch(getenv('HOME') . '/at-work'); sleep(600);";
    application.module(
        "Slow",
        &format!("    public static function install() {{ {spoil} }}"),
    );
    application.configured();
    let before = application.tree();
    killed_at_work(sandbox, "install Slow");
    wait_for_watchdog(sandbox);
    // As if hoist had been killed an hour before that, with everything that it had started but for
    // the installer.
    let old = "rm ~/.local/state/hoist/runs/*/{killed,ended}; find ~/.local/state/hoist/{runs,snapshots} -type f -exec touch -d '1 hour ago' {} +";
    assert!(
        sandbox
            .command("bash")
            .args(["-c", old])
            .status()
            .unwrap()
            .success()
    );
    sandbox
        .hoist("install Slow --timeout 1")
        .says("was interrupted")
        .says("core.php was changed after the run was interrupted; moved to");
    let after = application.tree();
    for file in ["www/index.php", "app-nullos/lang/en/core.php"] {
        assert_eq!(after[file], before[file]);
    }
    let moved: Vec<&String> = after
        .iter()
        .filter(|(path, _)| path.contains("core.php.hoist-backup"))
        .map(|(_, text)| text)
        .collect();
    assert_eq!(moved, ["644 spoilt"]);
}

#[test]
fn a_killed_uninstall_is_taken_back_and_the_module_is_as_it_was() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let sandbox = &application.sandbox;
    application.module(
        "Slow",
        "    public static function install() { touch(APP_ROOT_DIR . '/slow'); }\n    \
         public static function uninstall() { \\Tools::remove(APP_ROOT_DIR . '/lang'); touch(getenv('HOME') . '/at-work'); sleep(file_exists(getenv('HOME') . '/quick') ? 0 : 600); }",
    );
    application.configured();
    sandbox.hoist("install Slow").exits(0);
    let before = application.tree();
    killed_at_work(sandbox, "uninstall Slow --yes");
    sandbox.put("quick", "");
    application.offer("Quick/x.php", "<?php\n");
    sandbox
        .hoist("install Quick")
        .exits(0)
        .says("was interrupted");
    sandbox.hoist("uninstall Quick --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    assert_eq!(
        sandbox.json("test").exits(0).statuses()["site.Slow"],
        "passed"
    );
    sandbox.hoist("uninstall Slow --yes --purge").exits(0);
    assert!(application.has("lang/en/core.php") && !application.has("slow"));
}

/// An application with a module to be installed, and what somebody had in its place before.
fn prepared() -> Sandbox {
    let application = Application::new();
    application.usual("Pizza").configured();
    application
        .put("pages/modules/pizza/home.php", "mine\n")
        .put("pages/modules/pizza/note.txt", "mine\n");
    application.sandbox
}

fn site(sandbox: &Sandbox) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut all = tree(sandbox);
    all.retain(|path, _| path.starts_with("site"));
    all
}

#[test]
fn installs_removals_and_undos_of_applications_killed_anywhere_are_made_good_by_the_next() {
    if !has("php") || !has("cc") {
        return;
    }
    let installed = || {
        let sandbox = prepared();
        sandbox.hoist("install Pizza -q").exits(0);
        sandbox
    };
    let before = site(&prepared());
    let there = site(&installed());
    let is =
        |sandbox: &Sandbox, wanted: &std::collections::BTreeMap<String, Vec<u8>>, context: &str| {
            let found = site(sandbox);
            let different: Vec<&String> = found
                .keys()
                .chain(wanted.keys())
                .filter(|path| found.get(*path) != wanted.get(*path))
                .collect();
            // Copies of what was changed about the time of the kill may stay.
            let different: Vec<_> = different
                .into_iter()
                .filter(|path| !path.contains("hoist-backup"))
                .collect();
            assert!(different.is_empty(), "{context}: {different:?}");
            nothing_is_left(sandbox, context);
        };
    let mut killed = kill_everywhere(
        Victims::All,
        prepared,
        "install Pizza -j1 -q",
        |sandbox, context| {
            let again = sandbox.hoist("install Pizza");
            assert_eq!(
                again.code, 0,
                "{context}\n{}\n{}",
                again.stdout, again.stderr
            );
            is(sandbox, &there, context);
            assert_eq!(
                sandbox.json("install Pizza").exits(0).statuses()["site.Pizza"],
                "unchanged",
                "{context}"
            );
        },
    );
    killed += kill_everywhere(
        Victims::All,
        installed,
        "uninstall Pizza -y -j1 -q",
        |sandbox, context| {
            let again = sandbox.hoist("uninstall Pizza -y");
            // It may have been done, all but the last words.
            assert!(
                again.code == 0 || again.stderr.contains("is not installed"),
                "{context}\n{}\n{}",
                again.stdout,
                again.stderr
            );
            is(sandbox, &before, context);
        },
    );
    killed += kill_everywhere(Victims::All, installed, "undo -y -q", |sandbox, context| {
        let again = sandbox.hoist("undo -y");
        assert!(
            again.code == 0
                || ["nothing to take back", "no run to undo"]
                    .iter()
                    .any(|words| again.stderr.contains(words)),
            "{context}\n{}\n{}",
            again.stdout,
            again.stderr
        );
        is(sandbox, &before, context);
        sandbox.hoist("install Pizza -q").exits(0);
        is(sandbox, &there, context);
    });
    assert!(killed >= 25, "only {killed} points");
}
