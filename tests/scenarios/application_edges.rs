//! What installers do now and then, and what somebody does at the wrong moment.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hoist_tests::faults::wait_for_watchdog;
use hoist_tests::{Application, binary, has};

use crate::application_kills::killed_at_work;

fn php(install: &str, uninstall: &str) -> String {
    format!(
        "    public static function install() {{ $a = APP_ROOT_DIR; {install} }}\n    \
         public static function uninstall() {{ $a = APP_ROOT_DIR; {uninstall} }}"
    )
}

const FAILS: &str = "throw new \\Exception('no');";

#[test]
fn what_an_installer_moves_in_from_where_nothing_is_watched_is_never_removed() {
    if !has("php") {
        return;
    }
    for (name, end) in [("Fails", FAILS), ("Works", "")] {
        let application = Application::new();
        application
            .put("uploads/2016/a.jpg", "precious\n")
            .put("uploads/b.jpg", "precious too\n");
        application
            .put("db", "former\n")
            .sandbox
            .put("elsewhere", "precious database\n");
        let install = format!(
            "mkdir(\"$a/media\"); rename(\"$a/uploads\", \"$a/media/uploads\"); touch(\"$a/own\"); rename(getenv('HOME') . '/elsewhere', \"$a/db\"); {end}"
        );
        application.module(name, &php(&install, ""));
        let settings = "sources:\n- application: ~/site/app-nullos\n  name: site\n  from: ~/modules\n  ignore: uploads\n";
        application.sandbox.settings(settings);
        // Clocks of file systems tick every few milliseconds.
        std::thread::sleep(Duration::from_millis(100));
        let ran = application
            .sandbox
            .hoist(&format!("install {name}"))
            .exits(if end.is_empty() { 0 } else { 3 });
        ran.says("media/uploads/2016/a.jpg").says("moved here");
        let moved = || {
            (
                application.read("media/uploads/2016/a.jpg"),
                application.read("media/uploads/b.jpg"),
            )
        };
        assert_eq!(
            moved(),
            ("precious\n".to_owned(), "precious too\n".to_owned())
        );
        assert_eq!(application.has("own"), end.is_empty());
        assert_eq!(application.read("db"), "former\n");
        assert!(everything_below(&application.root()).contains("precious database"));
        if end.is_empty() {
            application.sandbox.hoist("uninstall Works --yes").exits(0);
            assert_eq!(
                (moved().0.as_str(), application.has("own")),
                ("precious\n", false)
            );
        }
    }
}

#[test]
fn files_that_become_pipes_directories_or_links_come_back() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let long = "n".repeat(240);
    for name in ["pipe", "directory", "link", long.as_str()] {
        application.put(name, &format!("{name} is mine\n"));
    }
    let install = format!(
        "foreach (['pipe', 'directory', 'link', '{long}'] as $f) unlink(\"$a/$f\"); exec(\"mkfifo $a/pipe\"); mkdir(\"$a/directory\"); \
         touch(\"$a/directory/x\"); symlink('init.php', \"$a/link\");"
    );
    application
        .module("Works", &php(&install, ""))
        .module("Fails", &php(&format!("{install} {FAILS}"), ""));
    let before = application.tree();
    application.install("Fails").exits(3);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    application.install("Works").exits(0);
    for name in ["pipe", "directory", "link", long.as_str()] {
        assert_eq!(application.read(name), format!("{name} is mine\n"));
    }
    application.sandbox.hoist("uninstall Works --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn what_leaves_the_group_of_an_installer_does_not_go_on_after_it() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.put("data", "mine\n");
    let install = "shell_exec(\"(setsid sh -c 'touch $a/begun; sleep 1; echo destroyed > $a/data') >/dev/null 2>&1 &\"); \
                   while (!file_exists(\"$a/begun\")) { usleep(1000); clearstatcache(); }";
    application.module("Daemon", &php(install, ""));
    application.install("Daemon").exits(0);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(application.read("data"), "mine\n");
}

#[test]
fn what_two_installers_write_goes_with_the_last_of_them() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let install = "@mkdir(\"$a/lang/x\"); file_put_contents(\"$a/lang/x/common.php\", 'the same');";
    application
        .module("One", &php(install, ""))
        .module("Two", &php(install, ""));
    let before = application.tree();
    application.install("One").exits(0);
    application.install("Two").exits(0);
    application.sandbox.hoist("uninstall One --yes").exits(0);
    assert_eq!(application.read("lang/x/common.php"), "the same");
    application.sandbox.hoist("uninstall Two --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn permissions_and_line_endings_are_what_they_were() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application
        .put("conf.php", "<?php\r\n$a = 1;\r\n$b = 2;\r\n")
        .put("secret.php", "x\n");
    let install = "chmod(\"$a/secret.php\", 0666); chmod(\"$a/lang\", 0777); \
                   $lines = array_map('rtrim', file(\"$a/conf.php\")); $lines[] = '$m = 1;'; file_put_contents(\"$a/conf.php\", implode(\"\\n\", $lines));";
    let uninstall = "chmod(\"$a/init.php\", 0600); \
                     $lines = array_map('rtrim', file(\"$a/conf.php\")); array_pop($lines); file_put_contents(\"$a/conf.php\", implode(\"\\n\", $lines));";
    application.module("Modes", &php(install, uninstall));
    let before = application.tree();
    application.install("Modes").exits(0);
    assert_eq!(
        application.root().join("lang").metadata().unwrap().mode() & 0o777,
        0o777
    );
    application
        .sandbox
        .hoist("uninstall Modes --yes")
        .exits(0)
        .says("the uninstaller changed its permissions")
        .says("its permissions were restored to");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    assert_eq!(
        application.root().join("lang").metadata().unwrap().mode() & 0o777,
        0o755
    );
}

#[test]
fn what_root_gives_to_another_user_is_still_the_installers() {
    let application = Application::new();
    let probe = application.root().join("probe");
    std::fs::write(&probe, "").unwrap();
    if !has("php") || std::os::unix::fs::chown(&probe, Some(33), Some(33)).is_err() {
        return;
    }
    std::fs::remove_file(&probe).unwrap();
    let install =
        "mkdir(\"$a/up\"); touch(\"$a/up/x\"); chown(\"$a/up\", 33); chown(\"$a/up/x\", 33);";
    application
        .module("Works", &php(install, ""))
        .module("Fails", &php(&format!("{install} {FAILS}"), ""));
    let before = application.tree();
    application.install("Fails").exits(3);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    application.install("Works").exits(0);
    assert!(application.has("up/x"));
    application.sandbox.hoist("uninstall Works --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

/// Starts an install whose installer says when it is at work and then waits, and kills hoist there.
fn killed(application: &Application, install: &str) {
    let sandbox = &application.sandbox;
    application.module(
        "Slow",
        &php(
            &format!("{install} touch(getenv('HOME') . '/at-work'); sleep(600);"),
            "",
        ),
    );
    application.configured();
    killed_at_work(sandbox, "install Slow");
}

/// What files below a directory hold, in any order.
fn everything_below(directory: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        all += &match entry.file_type().unwrap() {
            kind if kind.is_dir() => everything_below(&entry.path()),
            kind if kind.is_fifo() => String::new(),
            _ => String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default())
                .into_owned(),
        };
    }
    all
}

#[test]
fn what_somebody_writes_right_after_a_kill_is_kept_and_the_application_is_not_stuck() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let before = application.tree();
    killed(
        &application,
        "mkdir(\"$a/slow\"); touch(\"$a/slow/1\"); file_put_contents(\"$a/init.php\", \"\\n//slow\", FILE_APPEND);",
    );
    wait_for_watchdog(&application.sandbox);
    application.put(
        "init.php",
        &format!("{}//precious\n", application.read("init.php")),
    );
    application
        .put("lang/en/human.php", "precious too\n")
        .put("slow/2", "made afterwards\n");
    application.offer("Quick/x.php", "<?php\n");
    application
        .sandbox
        .hoist("install Quick")
        .exits(0)
        .says("was interrupted")
        .says("was changed after the run was interrupted; moved to");
    let kept = everything_below(&application.root());
    for text in ["//precious", "precious too", "made afterwards"] {
        assert!(kept.contains(text), "{text}: {kept}");
    }
    application.sandbox.hoist("uninstall Quick --yes").exits(0);
    let different = Application::difference(&before, &application.tree());
    assert!(
        different.iter().all(|path| path.contains(".hoist-backup-")),
        "{different:?}"
    );
}

#[test]
fn what_a_killed_installer_had_moved_in_is_not_removed() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.sandbox.put("elsewhere/a.jpg", "precious\n");
    std::thread::sleep(Duration::from_millis(100));
    killed(
        &application,
        "mkdir(\"$a/media\"); rename(getenv('HOME') . '/elsewhere/a.jpg', \"$a/media/a.jpg\"); touch(\"$a/own\");",
    );
    application.offer("Quick/x.php", "<?php\n");
    application
        .sandbox
        .hoist("install Quick")
        .exits(0)
        .says("was interrupted")
        .says("moved here");
    assert_eq!(
        (
            application.read("media/a.jpg").as_str(),
            application.has("own")
        ),
        ("precious\n", false)
    );
}

#[test]
fn a_file_whose_place_somebody_took_after_a_kill_is_kept_beside_it() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.put("data", "former\n");
    killed(&application, "unlink(\"$a/data\"); mkdir(\"$a/data\");");
    wait_for_watchdog(&application.sandbox);
    application.put("data/mine", "somebody's\n");
    application.offer("Quick/x.php", "<?php\n");
    application
        .sandbox
        .hoist("install Quick")
        .exits(0)
        .says("was interrupted")
        .says("/data was changed after the run was interrupted; moved to");
    assert_eq!(application.read("data"), "former\n");
    assert!(everything_below(&application.root()).contains("somebody's\n"));
}

#[test]
fn a_watched_directory_that_an_installer_removed_comes_back_after_a_kill() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let before = application.tree();
    killed(&application, "\\Tools::remove(dirname($a));");
    application.offer("Quick/x.php", "<?php\n");
    application
        .sandbox
        .hoist("install Quick")
        .exits(0)
        .says("was interrupted");
    application.sandbox.hoist("uninstall Quick --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn what_could_not_be_taken_back_is_tried_again_also_after_an_update() {
    if !has("php") || !has("chattr") {
        return;
    }
    let application = Application::new();
    application
        .put("data", "precious\n")
        .module("Twice", &php("", ""));
    application.configured();
    application.sandbox.hoist("install Twice").exits(0);
    let before = application.tree();
    // Where nothing can be written the former cannot come back.
    application
        .module("Twice", &php(&format!("unlink(\"$a/data\"); mkdir(\"$a/x\"); touch(\"$a/x/y\"); exec(\"chattr +i $a/x\"); {FAILS}"), ""));
    let ran = application.sandbox.json("update Twice").exits(3);
    let stuck = application.root().join("x");
    // Not every file system knows what cannot be changed.
    if !stuck.exists() {
        return;
    }
    let reason = ran.finished("site.Twice")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(reason.contains("the next run tries again"), "{reason}");
    assert!(
        application
            .sandbox
            .command("chattr")
            .args(["-i", &stuck.display().to_string()])
            .status()
            .unwrap()
            .success()
    );
    application.module("Twice", &php("", ""));
    application.sandbox.hoist("update Twice").exits(0);
    let different = Application::difference(&before, &application.tree());
    assert_eq!(different, [""; 0]);
    assert_eq!(application.read("data"), "precious\n");
}

#[test]
fn thousands_of_files_are_put_back() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    for number in 0..3000 {
        application.put(&format!("pages/p{number}"), &number.to_string());
    }
    let install =
        "for ($i = 0; $i < 3000; $i++) { unlink(\"$a/pages/p$i\"); touch(\"$a/lang/en/n$i\"); }";
    application.module("Many", &php(install, ""));
    let before = application.tree();
    application.install("Many").exits(0);
    application.sandbox.hoist("uninstall Many --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn what_stands_in_an_application_is_installed_by_name_and_another_version_by_naming_it() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.put(
        "class-modules/Stands/StandsInstaller.php",
        "<?php class StandsInstaller { static function install() { touch(APP_ROOT_DIR . '/made'); } }\n",
    );
    let sandbox = &application.sandbox;
    let app = format!("--app {}", application.root().display());
    let before = application.tree();
    sandbox.hoist(&format!("install Stands {app}")).exits(0);
    assert!(application.has("made"));
    sandbox
        .hoist("uninstall Stands --yes")
        .exits(0)
        .says("it existed before the install");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    application
        .offer("v1/Dough/module-info.yml", "version: 1.0.0\n")
        .offer("v2/Dough/module-info.yml", "version: 2.0.0\n");
    let [first, second] = ["v1/Dough", "v2/Dough"].map(|place| application.place(place));
    sandbox
        .hoist(&format!("update {first} {app}"))
        .exits(2)
        .says("app-nullos.Dough: the module is not installed");
    sandbox.hoist(&format!("install {first} {app}")).exits(0);
    sandbox
        .hoist(&format!("install {second} {app}"))
        .exits(0)
        .says("run `hoist update` with the same arguments");
    sandbox
        .hoist(&format!("update {second} {app}"))
        .exits(0)
        .says("1.0.0 → 2.0.0");
    // The directory above is easily named instead.
    let above = application.root().parent().unwrap().display().to_string();
    sandbox
        .hoist(&format!("install {first} --app {above}"))
        .exits(2)
        .says("did you mean --app")
        .says("app-nullos");
}

#[test]
fn of_two_modules_with_one_file_the_other_has_it_when_the_first_goes() {
    if !has("php") {
        return;
    }
    for policy in ["", "--config-overwrite"] {
        let application = Application::new();
        if !policy.is_empty() {
            application.put("lang/en/shared.php", "mine\n");
        }
        for name in ["First", "Second"] {
            let install =
                format!("file_put_contents(\"$a/lang/en/shared.php\", \"from {name}\\n\");");
            application.module(name, &php(&install, ""));
        }
        let before = application.tree();
        for name in ["First", "Second"] {
            let install = format!(
                "install {} --app {} {policy}",
                application.place(name),
                application.root().display()
            );
            application.sandbox.hoist(&install).exits(0);
        }
        application.sandbox.hoist("uninstall First --yes").exits(0);
        assert_eq!(
            application.read("lang/en/shared.php"),
            "from Second\n",
            "{policy}"
        );
        assert_eq!(
            application.sandbox.json("test").exits(0).statuses()["app-nullos.Second"],
            "passed"
        );
        application.sandbox.hoist("uninstall Second --yes").exits(0);
        let left: Vec<String> = Application::difference(&before, &application.tree());
        assert!(
            left.iter().all(|path| path.contains("hoist-backup")),
            "{policy} {left:?}"
        );
    }
}

#[test]
fn what_another_user_owns_is_kept_where_it_may_be_written_and_what_is_closed_is_taken_back() {
    if !has("php") || !has("setpriv") {
        return;
    }
    let application = Application::new();
    let sandbox = &application.sandbox;
    application.put("config.json", "theirs\n");
    let spoils = "file_put_contents(\"$a/config.json\", 'gone'); mkdir(\"$a/closed\"); touch(\"$a/closed/x\"); chmod(\"$a/closed\", 0);";
    application
        .module("Fails", &php(&format!("{spoils} {FAILS}"), ""))
        .module("Works", &php(spoils, ""));
    let prepared = || {
        let script = "chown -R 65534:65534 \"$0\" && chown 33:65534 \"$1\" && chmod 664 \"$1\"";
        let file = application.root().join("config.json");
        let mut command = sandbox.command("bash");
        command.args([
            "-c",
            script,
            &sandbox.path("").display().to_string(),
            &file.display().to_string(),
        ]);
        command.stderr(Stdio::null()).status().unwrap().success()
    };
    if !prepared() {
        return;
    }
    let before = application.tree();
    for (name, code) in [("Fails", 3), ("Works", 0)] {
        application.put("config.json", "theirs\n");
        assert!(prepared());
        let mut command = sandbox.command("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(binary());
        command.args([
            "install",
            &application.place(name),
            "--app",
            &application.root().display().to_string(),
        ]);
        let ran = hoist_tests::ran(command.output().unwrap()).exits(code);
        ran.says("it belongs to another user and was modified in the meantime");
        let tree = application.tree();
        assert!(
            tree.iter()
                .any(|(path, text)| path.contains("config.json.hoist-backup")
                    && text.contains("theirs")),
            "{name}"
        );
        assert_eq!(application.has("closed"), code == 0, "{name}");
    }
    let different = Application::difference(&before, &application.tree());
    assert!(
        different
            .iter()
            .all(|path| ["config.json", "closed", "class-modules"]
                .iter()
                .any(|known| path.contains(known))),
        "{different:?}"
    );
}
