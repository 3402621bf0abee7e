//! A hoist that is killed while a module's installer or uninstaller is at work.

use std::process::Stdio;
use std::time::Duration;

use hoist_tests::{Application, Sandbox, binary, has};

const SPOILS: &str = "file_put_contents(APP_ROOT_DIR . '/lang/en/core.php', 'spoilt'); mkdir(APP_ROOT_DIR . '/pages'); touch(APP_ROOT_DIR . '/pages/new.php'); \\Tools::remove(APP_ROOT_DIR . '/../www');";

/// Runs hoist until the installer says that it is at work, and kills it.
fn killed_at_work(sandbox: &Sandbox, arguments: &str) {
    let mut command = sandbox.command(binary());
    let mut child = command.args(arguments.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
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
    sandbox.hoist("install Quick").exits(0).says("cut off");
    sandbox.hoist("uninstall Quick --yes").exits(0);
    assert_eq!(Application::difference(&before, &application.tree()), [""; 0]);
}

#[test]
fn what_a_killed_installer_did_long_after_the_last_word_stays_with_copies_of_what_was_there() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let sandbox = &application.sandbox;
    let spoil = "file_put_contents(APP_ROOT_DIR . '/lang/en/core.php', 'spoilt'); unlink(APP_ROOT_DIR . '/../www/index.php'); touch(getenv('HOME') . '/at-work'); sleep(600);";
    application.module("Slow", &format!("    public static function install() {{ {spoil} }}"));
    application.configured();
    let before = application.tree();
    killed_at_work(sandbox, "install Slow");
    // As if hoist had been killed an hour before that.
    let old = sandbox
        .command("bash")
        .args(["-c", "find ~/.local/state/hoist/runs ~/.local/state/hoist/snapshots -type f -exec touch -d '1 hour ago' {} +"])
        .status();
    assert!(old.unwrap().success());
    sandbox.hoist("install Slow --timeout 1").says("cut off").says("pre-slaanesh");
    let after = application.tree();
    assert_eq!(after["www/index.php"], before["www/index.php"]);
    let copies: Vec<&String> = after.iter().filter(|(path, _)| path.contains("core.php.pre-slaanesh")).map(|(_, text)| text).collect();
    assert!(copies.contains(&&before["app-nullos/lang/en/core.php"]), "{copies:?}");
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
    sandbox.hoist("install Quick").exits(0).says("cut off");
    sandbox.hoist("uninstall Quick --yes").exits(0);
    assert_eq!(Application::difference(&before, &application.tree()), [""; 0]);
    assert_eq!(sandbox.json("test").exits(0).statuses()["site.Slow"], "passed");
    sandbox.hoist("uninstall Slow --yes --purge").exits(0);
    assert!(application.has("lang/en/core.php") && !application.has("slow"));
}
