//! Installers of every bad kind: whatever they do, nothing of anybody else is lost, and nothing
//! counts as installed that is not.

use hoist_tests::{Application, has};
use proptest::prelude::*;

const WRITES: &str = "file_put_contents(APP_ROOT_DIR . '/lang/en/core.php', 'spoilt'); mkdir(APP_ROOT_DIR . '/pages'); touch(APP_ROOT_DIR . '/pages/new.php'); unlink(APP_ROOT_DIR . '/../www/index.php'); \\Tools::edit('spoilt();', true);";

#[test]
fn whatever_ends_an_installer_is_a_failure_and_all_that_it_did_is_taken_back() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    for (name, body, said) in [
        (
            "Throws",
            "throw new \\RuntimeException('no oven');",
            "RuntimeException: no oven (class-modules/Throws/ThrowsInstaller.php:",
        ),
        (
            "Reports",
            "$r = new Report(); $r->addMessage('Procedure was aborted because of operation bake'); $r->addMessage(new \\Exception('too hot')); return $r;",
            "too hot",
        ),
        ("Exits", "exit(0);", "called exit()"),
        ("Missing", "no_such_function();", "undefined function"),
        (
            "Fatal",
            "eval('class Tools {}');",
            "failed with a fatal error: Cannot declare class Tools",
        ),
        (
            "Memory",
            "ini_set('memory_limit', '32M'); $x = str_repeat('x', 64 << 20);",
            "memory size",
        ),
        (
            "Triggers",
            "trigger_error('given up', E_USER_ERROR);",
            "given up",
        ),
        ("Refuses", "return false;", "returned false"),
        (
            "Killed",
            "posix_kill(getmypid(), 9);",
            "php ended with signal 9",
        ),
        ("Loops", "while (true) {}", "5s"),
    ] {
        application.module(name, &format!("    public static function install()\n    {{\n        {WRITES}\n        {body}\n    }}"));
        let before = application.tree();
        let ran = application
            .sandbox
            .json(&format!(
                "install {} --app {} --timeout 5",
                application.place(name),
                application.root().display()
            ))
            .exits(3);
        let finished = ran.finished(&format!("app-nullos.{name}"));
        let reason = finished["reason"].as_str().unwrap();
        assert!(reason.contains(said), "{name}: {reason}");
        assert_eq!(
            Application::difference(&before, &application.tree()),
            [""; 0],
            "{name}: {reason}"
        );
        assert!(
            name == "Loops" || reason.contains("rolled back"),
            "{name}: {reason}"
        );
        application
            .sandbox
            .hoist(&format!("uninstall {name} --yes"))
            .exits(0);
    }
    for (name, body, said) in [
        (
            "Private",
            "private static function install() {}",
            "is not public",
        ),
        (
            "Wants",
            "public static function install(\\Countable $c) {}",
            "no class for one",
        ),
        (
            "Two",
            "public static function install($a, $b) {}",
            "more than a report",
        ),
        (
            "Abstract",
            "private function __construct() {}\n public function install() {}",
            "private",
        ),
    ] {
        application.module(name, body);
        let ran = application.install(name).exits(3);
        let reason = ran.finished(&format!("app-nullos.{name}"))["reason"].to_string();
        assert!(reason.contains(said), "{name}: {reason}");
    }
    application.offer("Broken/BrokenInstaller.php", "<?php\nclass {\n");
    let reason = application
        .install("Broken")
        .exits(3)
        .finished("app-nullos.Broken")["reason"]
        .to_string();
    assert!(
        reason.contains("ParseError") && reason.contains("BrokenInstaller.php:2"),
        "{reason}"
    );
    application.offer("Other/OtherInstaller.php", "<?php\nclass Another {}\n");
    let reason = application
        .install("Other")
        .exits(3)
        .finished("app-nullos.Other")["reason"]
        .to_string();
    assert!(reason.contains("does not define the class"), "{reason}");
    assert_eq!(
        std::fs::read_dir(application.root().join("class-modules"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn an_application_that_does_not_start_is_not_blamed_on_the_module() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.usual("Pizza");
    for (init, said) in [
        (
            "<?php throw new \\PDOException('no database');",
            "init file failed with an exception: PDOException: no database (init.php:1)",
        ),
        ("<?php exit(1);", "init file called exit()"),
        ("<?php }", "ParseError"),
    ] {
        application.put("init.php", init);
        let before = application.tree();
        let reason = application
            .install("Pizza")
            .exits(3)
            .finished("app-nullos.Pizza")["reason"]
            .to_string();
        assert!(reason.contains(said), "{reason}");
        assert_eq!(
            Application::difference(&before, &application.tree()),
            [""; 0]
        );
    }
}

#[test]
fn programs_that_fail_or_report_nonsense_are_failures() {
    let application = Application::new();
    for (name, script, said) in [
        ("Code", "exit 7", "exit code 7"),
        (
            "Said",
            "echo '{\"ok\": false, \"messages\": []}' >&3",
            "see its report",
        ),
        (
            "Level",
            "echo '{\"messages\": [{\"level\": \"error\", \"text\": \"no disk\"}]}' >&3",
            "no disk",
        ),
        ("Nonsense", "echo hello >&3", "an invalid JSON report"),
        ("Unknown", "echo '{\"mesages\": []}' >&3", "unknown field"),
        (
            "Odd",
            "echo '{\"messages\": [{\"level\": \"loud\", \"text\": \"x\"}]}' >&3",
            "level `loud`",
        ),
    ] {
        application
            .offer(
                &format!("{name}/installer"),
                &format!("#!/bin/sh\necho made >\"$2/made\"\n{script}\n"),
            )
            .may_run(&format!("{name}/installer"));
        let reason = application
            .install(name)
            .exits(3)
            .finished(&format!("app-nullos.{name}"))["reason"]
            .to_string();
        assert!(reason.contains(said), "{name}: {reason}");
        assert!(!application.has("made") && !application.has(&format!("class-modules/{name}")));
    }
    application.offer("Plain/installer", "#!/bin/sh\n");
    let reason = application
        .install("Plain")
        .exits(3)
        .finished("app-nullos.Plain")["reason"]
        .to_string();
    assert!(reason.contains("is not executable"), "{reason}");
}

#[test]
fn what_others_made_or_changed_survives_installers_and_uninstallers() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.usual("Pizza").usual("Kif");
    application.put("lang/en/modules/pizza/pizza.php", "mine, from before\n");
    let sandbox = &application.sandbox;
    let ran = application.install("Pizza Kif").exits(0);
    let kept = |ran: &hoist_tests::Ran, name: &str| {
        let items = ran.finished(name)["items"].clone();
        let kept: Vec<String> = items
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["fate"] == "kept")
            .map(|item| format!("{} {}", item["subject"].as_str().unwrap(), item["reason"]))
            .collect();
        kept.join("\n")
    };
    assert!(
        kept(&ran, "app-nullos.Pizza").contains("pizza.php.new"),
        "{}",
        kept(&ran, "app-nullos.Pizza")
    );
    assert_eq!(
        application.read("lang/en/modules/pizza/pizza.php"),
        "mine, from before\n"
    );
    assert_eq!(
        application.read("lang/en/modules/pizza/pizza.php.new"),
        "<?php return ['pizza' => 1];\n"
    );
    // Edited, added, in shared files: by hand.
    let init = application.read("init.php") + "// mine\n";
    application.put("init.php", &init);
    application
        .put("pages/modules/pizza/home.php", "edited\n")
        .put("pages/modules/pizza/added.php", "added\n")
        .put("class-modules/Pizza/added.php", "added\n");
    // An update overwrites edits; they stay, and the new version waits beside them.
    application.offer(
        "Pizza/InstallAssets/app-nullos/pages/modules/pizza/home.php",
        "<?php echo 'new';\n",
    );
    let ran = sandbox.json("update Pizza").exits(0);
    assert!(
        kept(&ran, "app-nullos.Pizza").contains("home.php"),
        "{}",
        kept(&ran, "app-nullos.Pizza")
    );
    assert_eq!(application.read("pages/modules/pizza/home.php"), "edited\n");
    assert_eq!(
        application.read("pages/modules/pizza/home.php.new"),
        "<?php echo 'new';\n"
    );
    let ran = sandbox.json("uninstall Pizza --yes").exits(0);
    let told = kept(&ran, "app-nullos.Pizza");
    for path in [
        "lang/en/modules/pizza/pizza.php",
        "pages/modules/pizza/home.php",
        "pages/modules/pizza/added.php",
        "class-modules/Pizza/added.php",
    ] {
        assert!(
            told.contains(path) && application.has(path),
            "{path}: {told}"
        );
    }
    assert!(
        !application.has("pages/modules/pizza/home.php.new")
            && !application.has("class-modules/Pizza/PizzaInstaller.php")
    );
    let init = application.read("init.php");
    assert!(
        init.contains("// mine") && init.contains("Kif") && !init.contains("Pizza"),
        "{init}"
    );
    assert!(application.has("../www/modules/kif/style.css"));
}

#[test]
fn an_edit_survives_an_uninstaller_that_puts_an_old_copy_back() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.module(
        "Old",
        "    public static function install() { copy(APP_ROOT_DIR . '/init.php', APP_ROOT_DIR . '/init.bak'); \\Tools::edit('$old = 1;', true); }\n    \
         public static function uninstall() { rename(APP_ROOT_DIR . '/init.bak', APP_ROOT_DIR . '/init.php'); }",
    );
    let before = application.read("init.php");
    application.install("Old").exits(0);
    application.put(
        "init.php",
        &format!("{}// mine\n", application.read("init.php")),
    );
    application
        .sandbox
        .hoist("uninstall Old --yes")
        .exits(0)
        .says("init.php");
    assert_eq!(application.read("init.php"), format!("{before}// mine\n"));
    // Where both changed the same line, both are there.
    application.install("Old").exits(0);
    application.put(
        "init.php",
        &application
            .read("init.php")
            .replace("$old = 1;", "$old = 'mine';"),
    );
    application
        .sandbox
        .hoist("uninstall Old --yes")
        .exits(0)
        .says("hoist-backup");
    assert_eq!(application.read("init.php"), format!("{before}// mine\n"));
    let copies: Vec<String> = application
        .tree()
        .into_iter()
        .filter(|(path, _)| path.contains("init.php.hoist-backup-"))
        .map(|(_, text)| text)
        .collect();
    assert!(
        copies.len() == 1 && copies[0].contains("$old = 'mine';"),
        "{copies:?}"
    );
}

#[test]
fn overwriting_is_what_the_policy_says_and_what_was_replaced_comes_back() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application
        .usual("Pizza")
        .put("lang/en/modules/pizza/pizza.php", "mine\n");
    let before = application.tree();
    application
        .sandbox
        .hoist(&format!(
            "install {} --app {} --config-overwrite",
            application.place("Pizza"),
            application.root().display()
        ))
        .exits(0)
        .says("hoist-backup");
    assert_eq!(
        application.read("lang/en/modules/pizza/pizza.php"),
        "<?php return ['pizza' => 1];\n"
    );
    application.sandbox.hoist("uninstall Pizza --yes").exits(0);
    // The copy is not needed any more.
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn an_uninstaller_that_fails_leaves_everything_as_it_was_until_it_is_purged() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.module(
        "Stuck",
        "    public static function install() { touch(APP_ROOT_DIR . '/stuck'); }\n    \
         public static function uninstall() { \\Tools::remove(APP_ROOT_DIR . '/lang'); throw new \\Exception('stuck'); }",
    );
    let before = application.tree();
    application.install("Stuck").exits(0);
    let there = application.tree();
    application
        .sandbox
        .hoist("uninstall Stuck --yes")
        .exits(3)
        .says("--purge");
    assert_eq!(
        Application::difference(&there, &application.tree()),
        [""; 0]
    );
    application.sandbox.hoist("list").exits(0).says("installed");
    application
        .sandbox
        .hoist("uninstall Stuck --yes --purge")
        .exits(0)
        .says("without it");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    // One that never ends is no better.
    application
        .module("Endless", "    public static function uninstall() { touch(APP_ROOT_DIR . '/half'); while (true) { usleep(10000); } }");
    application.install("Endless").exits(0);
    application
        .sandbox
        .hoist("uninstall Endless --yes --timeout 1")
        .exits(3)
        .says("timed out after 1s");
    application
        .sandbox
        .hoist("uninstall Endless --yes --purge --timeout 1")
        .exits(0)
        .says("did not finish in time; the module is removed without it");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

/// What happens in a random sequence.
#[derive(Debug, Clone)]
enum Deed {
    Install(usize),
    Update(usize),
    Uninstall(usize),
    Undo(bool),
    Edit(usize),
    Add(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0..3usize).prop_map(Deed::Install),
        2 => (0..3usize).prop_map(Deed::Update),
        3 => (0..3usize).prop_map(Deed::Uninstall),
        2 => any::<bool>().prop_map(Deed::Undo),
        3 => (0..8usize).prop_map(Deed::Edit),
        2 => (0..5usize).prop_map(Deed::Add),
    ]
}

const NAMES: [&str; 3] = ["Pizza", "Kif", "Old"];
const EDITED: [&str; 8] = [
    "init.php",
    "lang/en/core.php",
    "lang/en/modules/pizza/pizza.php",
    "pages/modules/pizza/home.php",
    "pages/modules/kif/home.php",
    "../www/modules/kif/style.css",
    "class-modules/Pizza/PizzaModule.php",
    "class-modules/Kif/KifInstaller.php",
];
const ADDED: [&str; 5] = [
    "lang/en/modules/pizza/",
    "pages/modules/kif/",
    "../www/modules/pizza/",
    "class-modules/Pizza/",
    "lang/en/",
];

/// An application with modules that overwrite, delete whole directories, and put old copies back.
fn lively() -> Application {
    let application = Application::new();
    application.usual("Pizza").usual("Kif").module(
        "Old",
        "    public static function install() { if (!file_exists(APP_ROOT_DIR . '/init.bak')) { copy(APP_ROOT_DIR . '/init.php', APP_ROOT_DIR . '/init.bak'); } \\Tools::edit('$old = 1;', true); }\n    \
         public static function uninstall() { if (file_exists(APP_ROOT_DIR . '/init.bak')) { rename(APP_ROOT_DIR . '/init.bak', APP_ROOT_DIR . '/init.php'); } \\Tools::remove(APP_ROOT_DIR . '/lang/en/modules'); }",
    );
    application.configured();
    application
}

fn perform(application: &Application, deed: &Deed, number: usize, marks: &mut Vec<String>) {
    let sandbox = &application.sandbox;
    let mark = format!("somebody-{number}-x");
    let ran = match deed {
        Deed::Install(place) => sandbox.hoist(&format!("install {}", NAMES[*place])),
        Deed::Update(place) => {
            let name = NAMES[*place];
            application.offer(
                &format!(
                    "{name}/InstallAssets/app-nullos/pages/modules/{}/home.php",
                    name.to_lowercase()
                ),
                &format!("<?php echo {number};\n"),
            );
            sandbox.hoist(&format!("update {name}"))
        }
        Deed::Uninstall(place) => sandbox.hoist(&format!("uninstall {} --yes", NAMES[*place])),
        Deed::Undo(force) => sandbox.hoist(if *force {
            "undo --yes --force"
        } else {
            "undo --yes"
        }),
        Deed::Edit(place) => {
            // As a person would: with what is there, and a line more.
            if application.has(EDITED[*place]) {
                application.put(
                    EDITED[*place],
                    &format!("{}// {mark}\n", application.read(EDITED[*place])),
                );
                marks.push(mark);
            }
            return;
        }
        Deed::Add(place) => {
            application.put(&format!("{}{mark}.txt", ADDED[*place]), &mark);
            marks.push(mark);
            return;
        }
    };
    assert!(matches!(ran.code, 0 | 2 | 3), "{deed:?}: {ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_of_anybody_is_lost_whatever_is_done(deeds in prop::collection::vec(deed(), 4..14)) {
        if has("php") {
            let application = lively();
            let mut marks = Vec::new();
            for (number, deed) in deeds.iter().enumerate() {
                perform(&application, deed, number, &mut marks);
                let everything = application.tree().into_values().collect::<String>();
                for mark in &marks {
                    prop_assert!(everything.contains(mark.as_str()), "{mark} is lost by {deed:?} in {deeds:?}");
                }
            }
        }
    }

    #[test]
    fn without_edits_the_tree_returns_to_what_it_was(deeds in prop::collection::vec(deed(), 3..10)) {
        if has("php") {
            let application = lively();
            let before = application.tree();
            let mut marks = Vec::new();
            for (number, deed) in deeds.iter().enumerate().filter(|(_, deed)| !matches!(deed, Deed::Edit(_) | Deed::Add(_))) {
                perform(&application, deed, number, &mut marks);
            }
            application.sandbox.hoist("uninstall --all --yes").exits(0);
            prop_assert_eq!(Application::difference(&before, &application.tree()), Vec::<String>::new(), "{:?}", deeds);
        }
    }
}

#[test]
fn an_update_that_writes_over_a_file_it_once_edited_is_told_from_an_edit() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let human = "h1\nh2\nh3\nh4\n";
    application.put("conf.txt", human);
    application.module(
        "Once",
        "    public static function install() { file_put_contents(APP_ROOT_DIR . '/conf.txt', \"once\\n\", FILE_APPEND); }",
    );
    application.configured();
    application.sandbox.hoist("install Once").exits(0);
    application.put(
        "conf.txt",
        &format!("{}mine\n", application.read("conf.txt")),
    );
    application.module("Once", "    public static function install() { file_put_contents(APP_ROOT_DIR . '/conf.txt', \"all new\\n\"); }");
    application
        .sandbox
        .hoist("update Once")
        .exits(0)
        .says("restored");
    assert_eq!(application.read("conf.txt"), format!("{human}once\nmine\n"));
    // Without an uninstaller hoist takes out what was added.
    application.sandbox.hoist("uninstall Once --yes").exits(0);
    assert_eq!(application.read("conf.txt"), format!("{human}mine\n"));
}

#[test]
fn an_uninstaller_that_empties_or_rewrites_a_shared_file_is_not_believed() {
    if !has("php") {
        return;
    }
    let human = "first\n  second\n\nthird\n";
    for (name, uninstall) in [
        (
            "Empties",
            "file_put_contents(APP_ROOT_DIR . '/conf.txt', \"x\\n\");",
        ),
        (
            "Reorders",
            "file_put_contents(APP_ROOT_DIR . '/conf.txt', \"third\\nsecond\\nfirst\\n\");",
        ),
        ("Nothing", ""),
    ] {
        let application = Application::new();
        application.put("conf.txt", human);
        let install = "file_put_contents(APP_ROOT_DIR . '/conf.txt', \"added\\n\", FILE_APPEND);";
        application.module(
            name,
            &format!("    public static function install() {{ {install} }}\n    public static function uninstall() {{ {uninstall} }}"),
        );
        application.install(name).exits(0);
        application.put(
            "conf.txt",
            &application
                .read("conf.txt")
                .replace("third", "\tthird, mine"),
        );
        application
            .sandbox
            .hoist(&format!("uninstall {name} --yes"))
            .exits(0);
        assert_eq!(
            application.read("conf.txt"),
            human.replace("third", "\tthird, mine"),
            "{name}"
        );
    }
}

#[test]
fn what_an_installer_replaces_of_a_file_stays_beside_it_until_the_module_goes() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.put("conf.php", "<?php\n$a = 1;\n$b = 2;\n$password = 'mine';\n");
    application.module(
        "Sets",
        "    public static function install() { $f = APP_ROOT_DIR . '/conf.php'; file_put_contents($f, str_replace(\"'mine'\", \"'theirs'\", file_get_contents($f))); }\n    \
         public static function uninstall() { $f = APP_ROOT_DIR . '/conf.php'; file_put_contents($f, str_replace(\"'theirs'\", \"'mine'\", file_get_contents($f))); }",
    );
    let before = application.tree();
    application
        .sandbox
        .hoist(&format!(
            "install {} --app {}",
            application.place("Sets"),
            application.root().display()
        ))
        .exits(0)
        .says("conf.php.hoist-backup-");
    let copies = || {
        application
            .tree()
            .into_iter()
            .filter(|(path, _)| path.contains("conf.php.hoist-backup"))
            .count()
    };
    assert_eq!(copies(), 1);
    application.sandbox.hoist("uninstall Sets --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn classes_that_may_be_run_and_copies_by_hand_are_installed_as_well() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application
        .usual("Pizza")
        .may_run("Pizza/PizzaInstaller.php");
    let before = application.tree();
    // Step one was done by hand.
    let copied = application
        .sandbox
        .command("cp")
        .arg("-r")
        .arg(application.place("Pizza"))
        .arg(application.root().join("class-modules/Pizza"))
        .status();
    assert!(copied.unwrap().success());
    application.install("Pizza").exits(0);
    assert!(
        application.read("init.php").contains("Pizza")
            && application.has("pages/modules/pizza/home.php")
    );
    let by_hand: Vec<String> = Application::difference(&before, &application.tree())
        .into_iter()
        .filter(|path| path.contains("class-modules"))
        .collect();
    application
        .sandbox
        .hoist("uninstall Pizza --yes")
        .exits(0)
        .says("it existed before the install");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        by_hand,
        "what somebody had put there stays"
    );
    // A class of another name than the file's, which is named.
    application.offer("Named/hoist.yml", "installer: setup/NamedInstaller.php\n");
    application.offer(
        "Named/setup/NamedInstaller.php",
        "<?php class NamedInstaller { function install() { touch(APP_ROOT_DIR . '/named'); } }\n",
    );
    application.install("Named").exits(0);
    assert!(application.has("named"));
}

#[test]
fn two_modules_that_bring_the_same_file_both_have_it() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    for name in ["First", "Second"] {
        application.usual(name).offer(
            &format!("{name}/InstallAssets/app-nullos/lang/en/shared.php"),
            "<?php return 1;\n",
        );
        application.install(name).exits(0);
    }
    application.sandbox.hoist("uninstall First --yes").exits(0);
    assert!(application.has("lang/en/shared.php"));
    application.sandbox.hoist("uninstall Second --yes").exits(0);
    assert!(!application.has("lang/en/shared.php"));
}

#[test]
fn applications_side_by_side_wait_for_each_other() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let sandbox = &application.sandbox;
    application.module(
        "Slow",
        "    public static function install() { touch(getenv('HOME') . '/slow'); usleep(400000); throw new \\Exception('no'); }",
    );
    application.module(
        "Quick",
        "    public static function install() { touch(dirname(__DIR__, 2) . '/quick'); }",
    );
    for name in ["one", "two"] {
        sandbox.put(
            &format!("apps/{name}/init.php"),
            "<?php define('APP_ROOT_DIR', __DIR__);\n",
        );
    }
    sandbox.put("apps/beside/x", "");
    sandbox.settings("jobs: 2\nsources:\n- {application: ~/apps/one, watch: ~/apps, from: ~/modules}\n- {application: ~/apps/two, watch: ~/apps, from: ~/modules}\n");
    sandbox.hoist("install one/Slow two/Quick").exits(3);
    assert!(
        sandbox.has("apps/two/quick")
            && sandbox.has("apps/two/class-modules/Quick")
            && !sandbox.has("apps/one/class-modules/Slow")
    );
}

/// Runs hoist as somebody who is not root, with a home of their own.
fn as_nobody(application: &Application, arguments: &str) -> hoist_tests::Ran {
    let owned = application
        .sandbox
        .command("chown")
        .args(["-R", "65534:65534"])
        .arg(application.sandbox.path(""))
        .status();
    assert!(owned.unwrap().success());
    let mut command = application.sandbox.command("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(hoist_tests::binary())
        .args(arguments.split_whitespace());
    hoist_tests::ran(command.output().unwrap())
}

#[test]
fn what_an_installer_locks_up_is_taken_back_all_the_same() {
    let is_root = std::fs::metadata("/proc/self")
        .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0);
    if !has("php") || !has("setpriv") || !is_root {
        return;
    }
    let application = Application::new();
    let lock = "unlink(APP_ROOT_DIR . '/lang/en/core.php'); touch(APP_ROOT_DIR . '/made'); chmod(APP_ROOT_DIR . '/lang', 0);";
    application.module(
        "Locks",
        &format!("    public static function install() {{ {lock} throw new \\Exception('no'); }}"),
    );
    application.configured();
    let before = application.tree();
    as_nobody(&application, "install Locks").exits(3).says("no");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    // What nobody may read is said before anything is done.
    std::fs::set_permissions(
        application.root().join("lang/en/core.php"),
        std::os::unix::fs::PermissionsExt::from_mode(0o000),
    )
    .unwrap();
    let before = application.tree();
    as_nobody(&application, "install Locks")
        .exits(3)
        .says("lang/en/core.php")
        .says("`ignore`");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn an_application_behind_a_link_is_watched_like_any_other() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let sandbox = &application.sandbox;
    std::os::unix::fs::symlink("site/app-nullos", sandbox.home().join("current")).unwrap();
    application.module(
        "Bad",
        &format!(
            "    public static function install() {{ {WRITES} throw new \\Exception('no'); }}"
        ),
    );
    sandbox.settings("sources:\n- {application: ~/current, name: site, from: ~/modules}\n");
    let before = application.tree();
    sandbox.hoist("install Bad").exits(3).says("rolled back");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    // A directory of modules that is elsewhere is refused.
    std::fs::remove_dir(application.root().join("class-modules")).unwrap();
    std::os::unix::fs::symlink(sandbox.home(), application.root().join("class-modules")).unwrap();
    sandbox
        .hoist("install Bad")
        .exits(2)
        .says("leads out of the application");
}

#[test]
fn on_a_terminal_it_is_asked_what_happens_to_files_that_somebody_changed() {
    if !has("php") || !has("script") {
        return;
    }
    for (answer, home, beside) in [
        ("o", "<?php echo 'new';\n", false),
        ("k", "mine\n", true),
        ("", "mine\n", true),
    ] {
        let application = Application::new();
        application.usual("Pizza").configured();
        application.sandbox.hoist("install Pizza").exits(0);
        application.put("pages/modules/pizza/home.php", "mine\n");
        application.offer(
            "Pizza/InstallAssets/app-nullos/pages/modules/pizza/home.php",
            "<?php echo 'new';\n",
        );
        let line = format!(
            "printf '{answer}\\n' | script -qec '{} update Pizza --color never' /dev/null",
            hoist_tests::binary().display()
        );
        let ran = hoist_tests::ran(
            application
                .sandbox
                .command("bash")
                .args(["-c", &line])
                .output()
                .unwrap(),
        );
        assert!(
            ran.stdout.contains("locally modified: ") && ran.stdout.contains("[K/o]"),
            "{}",
            ran.stdout
        );
        assert_eq!(
            application.read("pages/modules/pizza/home.php"),
            home,
            "{answer}: {}",
            ran.stdout
        );
        assert_eq!(
            application.has("pages/modules/pizza/home.php.new"),
            beside,
            "{answer}"
        );
    }
}

#[test]
fn no_copy_of_a_shared_file_stays_when_its_modules_have_gone() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    // Each replaces the line of the other's marker, so that what was there is copied.
    let body = |name: &str| {
        format!(
            "    public static function install() {{ $f = APP_ROOT_DIR . '/init.php'; file_put_contents($f, str_replace('// modules', \"// {name} // modules\", file_get_contents($f))); }}\n    \
             public static function uninstall() {{ $f = APP_ROOT_DIR . '/init.php'; file_put_contents($f, str_replace(\"// {name} \", '', file_get_contents($f))); }}"
        )
    };
    application
        .module("One", &body("One"))
        .module("Two", &body("Two"));
    let before = application.tree();
    for order in [["One", "Two"], ["Two", "One"]] {
        application.install("One").exits(0);
        application.install("Two").exits(0);
        application
            .sandbox
            .hoist("config list")
            .exits(0)
            .says("init.php")
            .says("edited");
        for name in order {
            application
                .sandbox
                .hoist(&format!("uninstall {name} --yes"))
                .exits(0);
        }
        assert_eq!(
            Application::difference(&before, &application.tree()),
            [""; 0],
            "{order:?}"
        );
    }
    // A line that somebody writes next to what the uninstaller changes back is no reason for one
    // either.
    let replace = |from: &str, to: &str| {
        format!(
            "$f = APP_ROOT_DIR . '/init.php'; file_put_contents($f, str_replace('{from}', '{to}', file_get_contents($f)));"
        )
    };
    let body = format!(
        "    public static function install() {{ {} }}\n    public static function uninstall() {{ {} }}",
        replace("// modules", "$three = true;"),
        replace("$three = true;", "// modules")
    );
    application.module("Three", &body);
    application.install("Three").exits(0);
    let file = application.root().join("init.php");
    let text = |marker: &str| format!("{marker}\n// by hand");
    let installed = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        installed.replace("$three = true;", &text("$three = true;")),
    )
    .unwrap();
    application.sandbox.hoist("uninstall Three --yes").exits(0);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        installed.replace("$three = true;", &text("// modules"))
    );
    std::fs::write(&file, installed.replace("$three = true;", "// modules")).unwrap();
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0],
        "no copy stays"
    );
}
