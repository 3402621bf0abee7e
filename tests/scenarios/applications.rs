//! Modules of web applications: imported, installed by their own installers, taken out again.

use std::time::Duration;

use hoist_tests::{Answer, Application, GitFixture, Sandbox, Server, has};

#[test]
fn a_module_is_imported_installed_and_taken_out_and_the_tree_is_as_it_was() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.usual("Pizza").usual("Kif");
    application.offer(
        "Pizza/module-info.yml",
        "version: 1.2\ndescription: <\n  Makes pizza.\n>\nauthor: Ling\ndate: 2016-12-21\n",
    );
    let before = application.tree();
    let ran = application.install("Pizza Kif").exits(0);
    let finished = ran.finished("app-nullos.Pizza");
    assert_eq!(
        (finished["status"].as_str(), finished["to"].as_str()),
        (Some("installed"), Some("1.2")),
        "{finished}"
    );
    assert!(
        application
            .read("init.php")
            .contains("// modules\nnew \\Kif\\KifModule();\nnew \\Pizza\\PizzaModule();")
            || application
                .read("init.php")
                .contains("// modules\nnew \\Pizza\\PizzaModule();\nnew \\Kif\\KifModule();")
    );
    assert!(
        application.has("lang/en/modules/pizza/pizza.php")
            && application.has("../www/modules/kif/style.css")
    );
    let sandbox = &application.sandbox;
    sandbox
        .hoist("list")
        .exits(0)
        .says("app-nullos.Pizza")
        .says("1.2")
        .says("Makes pizza.");
    sandbox
        .hoist("info Pizza")
        .exits(0)
        .says("Ling")
        .says("2016-12-21")
        .says("PizzaInstaller.php");
    sandbox.hoist("test Pizza").exits(0);
    // Once more changes nothing, also when it is done anew.
    let there = application.tree();
    assert_eq!(
        application.install("Pizza").exits(0).statuses()["app-nullos.Pizza"],
        "unchanged"
    );
    sandbox.hoist("install Pizza --force").exits(0);
    assert_eq!(
        Application::difference(&there, &application.tree()),
        [""; 0]
    );
    let ran = sandbox.json("uninstall Pizza Kif --yes").exits(0);
    assert_eq!(ran.statuses()["app-nullos.Kif"], "removed");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    sandbox.hoist("report").exits(0).says("removed");
}

#[test]
fn all_generations_of_installers_are_called_and_what_they_say_is_told() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.module(
        "Fixed",
        "    public static function install() { global $initialized; $r = new Report(); $r->addMessage(\"from $initialized\"); $r->addMessage(['a', 'b']); return $r; }\n    \
         public static function uninstall() { $r = new Report(); $r->addMessage('goodbye'); return $r; }",
    );
    application.module("Instance", "    public function install() { touch(APP_ROOT_DIR . '/instance'); }\n    public function uninstall() { unlink(APP_ROOT_DIR . '/instance'); }");
    application.module(
        "Filling",
        "    public function install(ReportInterface $report) { $report->addMessage('filled'); }",
    );
    application.offer("Bare/Bare.php", "<?php class Bare {}\n");
    // Without a namespace, loud, and with remarks of PHP.
    application.offer(
        "Loud/LoudInstaller.php",
        "<?php class LoudInstaller { static function install() { echo '<b>hello</b>'; fwrite(STDERR, \"oops\\n\"); echo $undefined; header('X: y'); } }\n",
    );
    application.configured();
    let sandbox = &application.sandbox;
    let ran = sandbox
        .json("install Fixed Instance Filling Bare Loud -v")
        .exits(0);
    let messages = |name: &str| -> Vec<(String, String)> {
        let finished = ran.finished(&format!("site.{name}"));
        let messages = finished["messages"].as_array().unwrap().clone();
        messages
            .iter()
            .map(|message| {
                (
                    message["source"].as_str().unwrap_or("").to_owned(),
                    message["text"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    };
    let said = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| ("installer".to_owned(), (*text).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(messages("Fixed"), said(&["from /index.php", "a", "b"]));
    assert_eq!(messages("Filling"), said(&["filled"]));
    assert_eq!(messages("Bare"), []);
    let loud = messages("Loud");
    assert!(
        loud.len() == 1
            && loud[0].0 == "php"
            && loud[0].1.contains("undefined")
            && loud[0].1.contains("LoudInstaller.php:1"),
        "{loud:?}"
    );
    let lines: Vec<String> = ran
        .events()
        .iter()
        .filter(|event| event["event"] == "module_output")
        .map(|event| event["line"].to_string())
        .collect();
    assert!(
        lines.iter().any(|line| line.contains("<b>hello</b>"))
            && lines.iter().any(|line| line.contains("oops")),
        "{lines:?}"
    );
    assert!(application.has("instance"));
    // A module without an uninstaller goes by what is known of it, and a report is always shown.
    sandbox
        .hoist("uninstall Fixed Instance Filling Bare Loud --yes")
        .exits(0)
        .says("installer: goodbye")
        .says("removed");
    assert!(
        !application.has("instance")
            && std::fs::read_dir(application.root().join("class-modules"))
                .unwrap()
                .next()
                .is_none()
    );
}

#[test]
fn installers_in_shell_and_in_python_report_on_descriptor_3() {
    let application = Application::new();
    let shell = "#!/bin/sh\nset -eu\ncase $1 in\ninstall) echo x >\"$2/shell-made\"\n  echo '{\"messages\": [\"set up\", {\"level\": \"warning\", \"text\": \"mind\"}]}' >&3 ;;\n\
                 uninstall) rm -f \"$2/shell-made\" ;;\nesac\n";
    application
        .offer("Shell/installer", shell)
        .may_run("Shell/installer");
    let python = "#!/usr/bin/env python3\nimport json, os, sys\naction, root = sys.argv[1:]\npath = os.path.join(os.environ['HOIST_APPLICATION'], 'python-made')\n\
                  left = []\nif action == 'install':\n    open(path, 'w').write('1')\nelse:\n    left = [{'path': 'python-made', 'reason': 'it holds what you collected'}]\n\
                  json.dump({'ok': True, 'messages': [], 'left': left}, os.fdopen(3, 'w'))\n";
    application
        .offer("Python/set-up/run.py", python)
        .may_run("Python/set-up/run.py");
    application.offer("Python/hoist.yml", "installer: set-up/run.py\n");
    application.configured();
    let sandbox = &application.sandbox;
    let before = application.tree();
    sandbox
        .hoist("install Shell Python")
        .exits(0)
        .says("installer: set up")
        .says("mind");
    assert!(application.has("shell-made") && application.has("python-made"));
    let ran = sandbox.json("uninstall Shell Python --yes").exits(0);
    // What an uninstaller leaves on purpose stays, and is told.
    let items = ran.finished("site.Python")["items"].clone();
    let left: Vec<_> = items
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["fate"] == "left")
        .collect();
    assert!(
        left.iter()
            .any(|item| item["reason"] == "it holds what you collected"),
        "{items}"
    );
    assert_eq!(
        Application::difference(&before, &application.tree()),
        ["app-nullos/python-made"]
    );
}

/// The code of the first block of a language behind a heading of the authors' guide.
fn example(heading: &str, language: &str) -> String {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/module-authors.md");
    let text = std::fs::read_to_string(guide).unwrap();
    let section = text.split_once(heading).unwrap().1;
    let code = section.split_once(&format!("```{language}\n")).unwrap().1;
    code.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_examples_of_the_guide_work() {
    let application = Application::new();
    let sandbox = &application.sandbox;
    let heading = "## Installers in other languages";
    application
        .offer("Pizza/installer", &example(heading, "sh"))
        .may_run("Pizza/installer")
        .offer("Pizza/lang/pizza.php", "<?php\n");
    application
        .offer("Oven/installer", &example(heading, "python"))
        .may_run("Oven/installer");
    application.offer(
        "Pizza/module-info.yml",
        &example("# Modules of web applications", "yaml").replace("Dough", "Oven"),
    );
    application.configured();
    let before = application.tree();
    sandbox
        .hoist("install Pizza")
        .exits(0)
        .says("Bake at 250 degrees.")
        .says("The oven is old.")
        .says("site.Oven");
    sandbox
        .hoist("info Pizza")
        .exits(0)
        .says("Pizza, in several lines between these two marks.")
        .says("Ling");
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
    sandbox.hoist("install Pizza").exits(0);
    application.put("orders.db", "two\n");
    sandbox
        .hoist("uninstall Pizza --yes")
        .exits(0)
        .says("it has orders in it");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        ["app-nullos/orders.db"]
    );
}

#[test]
fn modules_come_from_directories_archives_and_repositories() {
    let application = Application::new();
    let sandbox = &application.sandbox;
    for name in ["One", "Two", "Three", "Four", "Five"] {
        application
            .offer(
                &format!("{name}/{name}.php"),
                &format!("<?php class {name} {{}}\n"),
            )
            .offer(&format!("{name}/bin/run"), "#!/bin/sh\n")
            .may_run(&format!("{name}/bin/run"));
        application.offer(&format!("{name}/module-info.yml"), "version: 1\n");
    }
    let modules = sandbox.home().join("modules");
    let pack = |program: &str, arguments: &str| {
        let status = sandbox
            .command(program)
            .args(arguments.split_whitespace())
            .current_dir(&modules)
            .status()
            .unwrap();
        assert!(status.success(), "{program} {arguments}");
    };
    pack("tar", "-czf ../Two.tar.gz Two");
    // As a repository is packed: a directory of another name around it.
    pack(
        "tar",
        "-cf ../three-1.0.tar --transform s,^Three,Three-1.0, Three",
    );
    pack("python3", "-m zipfile -c ../Four.zip Four");
    let fixture = GitFixture::new();
    fixture.repository("five", 1);
    std::fs::create_dir_all(fixture.path("five.work/Five")).unwrap();
    std::fs::copy(
        modules.join("Five/Five.php"),
        fixture.path("five.work/Five/Five.php"),
    )
    .unwrap();
    fixture.commit("five.work", "a module");
    fixture.publish("five");
    let repository = Server::git(fixture.root(), Duration::ZERO);
    let home = sandbox.home();
    let served = Server::start(move |request| {
        match std::fs::read(home.join(request.path.trim_start_matches('/'))) {
            Ok(bytes) => Answer::new(200, bytes),
            Err(_) => Answer::new(404, ""),
        }
    });
    let app = application.root().display().to_string();
    sandbox
        .hoist(&format!("install {} --app {app}", application.place("One")))
        .exits(0);
    sandbox
        .hoist(&format!(
            "install {}/Two.tar.gz --app {app}",
            sandbox.home().display()
        ))
        .exits(0);
    sandbox
        .hoist(&format!(
            "install {} --app {app}",
            served.url("/three-1.0.tar")
        ))
        .exits(0);
    sandbox
        .hoist(&format!("install {}/Four.zip", sandbox.home().display()))
        .exits(0);
    sandbox
        .hoist(&format!(
            "install {} --app {app}",
            repository.url("/five.git")
        ))
        .exits(0);
    let there = std::fs::read_dir(application.root().join("class-modules"))
        .unwrap()
        .count();
    sandbox
        .hoist("list")
        .exits(0)
        .says("app-nullos.One")
        .says("app-nullos.Four")
        .says("app-nullos.Five");
    assert_eq!(there, 5, "{:?}", application.tree().keys());
    use std::os::unix::fs::PermissionsExt;
    for name in ["One", "Two"] {
        let mode = application
            .root()
            .join(format!("class-modules/{name}/bin/run"))
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o111, 0o111, "{name}");
    }
    // A newer version, from where it came from.
    application
        .offer("One/module-info.yml", "version: 2\n")
        .offer("One/new.php", "<?php\n");
    sandbox.hoist("outdated").exits(0).says("One").says("2");
    sandbox.hoist("update One").exits(0).says("1 → 2");
    assert!(application.has("class-modules/One/new.php"));
}

#[test]
fn bad_places_archives_and_names_are_refused_before_anything_is_done() {
    let application = Application::new();
    let sandbox = &application.sandbox;
    let app = application.root().display().to_string();
    let home = sandbox.home().display().to_string();
    sandbox.put("a-b/x.php", "<?php\n");
    sandbox.put("empty/readme.txt", "");
    sandbox.put("no.zip", "nonsense");
    application
        .offer("Bad/hoist.yml", "instaler: x\n")
        .offer("Bad/x.php", "<?php\n");
    std::fs::create_dir_all(sandbox.home().join("modules/Out")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", sandbox.home().join("modules/Out/passwd")).unwrap();
    application.offer("Out/x.php", "<?php\n");
    let before = application.tree();
    let evil = sandbox.home().join("evil.tar");
    let script = "import tarfile, io, sys\nt = tarfile.open(sys.argv[1], 'w')\ni = tarfile.TarInfo('../../evil.php'); i.size = 1\nt.addfile(i, io.BytesIO(b'x'))\nt.close()\n";
    assert!(
        sandbox
            .command("python3")
            .args(["-c", script])
            .arg(&evil)
            .status()
            .unwrap()
            .success()
    );
    for (place, code, said) in [
        (format!("{home}/a-b"), 2, "`a-b` is not a module name"),
        (format!("{home}/empty"), 2, "contains no modules"),
        (format!("{home}/no.zip"), 2, "not a valid zip archive"),
        (
            format!("{home}/nowhere"),
            2,
            "the directory or archive does not exist",
        ),
        (format!("{home}/evil.tar"), 2, "leads out of the archive"),
        (format!("{home}/modules/Bad"), 2, "hoist.yml:1"),
        (
            format!("{home}/modules/Out"),
            3,
            "leads out of the module, to /etc/passwd",
        ),
    ] {
        sandbox
            .hoist(&format!("install {place} --app {app}"))
            .exits(code)
            .says(said);
    }
    sandbox
        .hoist(&format!("install {home}/modules/Out"))
        .exits(2)
        .says("--app");
    sandbox
        .hoist("install X --app /nowhere")
        .exits(2)
        .says("unknown application");
    sandbox.settings("sources:\n- application: ~/site/app-nullos\n  into: ../x\n");
    sandbox
        .hoist("list")
        .exits(2)
        .says("is outside of the application");
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn what_a_module_declares_is_installed_first_and_what_it_brings_belongs_to_it() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.usual("Dough");
    application
        .usual("Pizza")
        .offer("Pizza/module-info.yml", "dependencies:\n  - Dough\n");
    application
        .offer("Chef/hoist.yml", "requires: [Pizza]\n")
        .offer("Chef/Apron/Apron.php", "<?php class Apron {}\n");
    application.module("Chef", "    public static function install() { \\Tools::copy(__DIR__ . '/Apron', mkdir(APP_ROOT_DIR . '/class-modules/Apron') ? APP_ROOT_DIR . '/class-modules/Apron' : ''); }");
    application.configured();
    let sandbox = &application.sandbox;
    let before = application.tree();
    let plan = sandbox.json("plan install Chef").exits(0).document();
    let order: Vec<&str> = plan["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["module"].as_str().unwrap())
        .collect();
    assert_eq!(order, ["site.Dough", "site.Pizza", "site.Chef"]);
    sandbox.hoist("install Chef").exits(0);
    assert!(application.has("class-modules/Apron/Apron.php"));
    sandbox
        .hoist("uninstall Dough --yes")
        .exits(2)
        .says("is required by site.Pizza");
    // With what only came because of it.
    sandbox.hoist("uninstall Chef --yes").exits(0);
    assert_eq!(
        Application::difference(&before, &application.tree()),
        [""; 0]
    );
}

#[test]
fn two_applications_have_modules_of_one_name() {
    let application = Application::new();
    application.offer("Pizza/x.php", "<?php\n");
    let sandbox = &application.sandbox;
    sandbox.put("other/shop/init.php", "<?php\n");
    sandbox.settings(
        "sources:\n- {application: ~/site/app-nullos, name: site, from: ~/modules}\n- {application: ~/other/shop, from: ~/modules}\n",
    );
    sandbox
        .hoist("install Pizza")
        .exits(2)
        .says("shop.Pizza, site.Pizza")
        .says("--app");
    sandbox.hoist("install Pizza --app site").exits(0);
    sandbox.hoist("install shop/Pizza").exits(0);
    assert!(
        application.has("class-modules/Pizza/x.php")
            && sandbox.has("other/shop/class-modules/Pizza/x.php")
    );
    sandbox
        .hoist("uninstall Pizza --yes")
        .exits(2)
        .says("the name is ambiguous");
    sandbox.hoist("uninstall Pizza --app shop --yes").exits(0);
    sandbox.hoist("uninstall Pizza --yes").exits(0);
    assert!(
        !application.has("class-modules/Pizza") && !sandbox.has("other/shop/class-modules/Pizza")
    );
}

#[test]
fn reading_a_place_runs_nothing_and_writes_nothing() {
    if !has("strace") {
        return;
    }
    let application = Application::new();
    application.usual("Pizza").configured();
    let sandbox = &application.sandbox;
    for command in [
        "list",
        "info Pizza",
        "search pizza",
        "plan install Pizza",
        "source list",
    ] {
        let (ran, calls) = sandbox.traced(command, "execve,unlink,unlinkat,rename,mkdir,connect");
        ran.exits(0);
        // A thread that ends with the program is told as well.
        let calls: Vec<&String> = calls
            .iter()
            .filter(|call| !call.contains("<detached"))
            .collect();
        assert_eq!(calls.len(), 1, "{command}: {calls:?}");
    }
}

#[test]
fn applications_are_worked_on_at_once_and_each_by_one_installer() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    let sandbox = &application.sandbox;
    // Each waits until the other application's is at work, and fails where another is at work in
    // its own.
    let body = |here: &str, there: &str| {
        format!(
            "    public static function install() {{\n        $home = getenv('HOME');\n        if (!@mkdir(\"$home/{here}\")) throw new \\Exception('two at once');\n        \
             for ($i = 0; $i < 3000 && !is_dir(\"$home/{there}\") && !is_file(\"$home/done-{there}\"); $i++) usleep(10000);\n        \
             if ($i == 3000) throw new \\Exception('alone');\n        touch(\"$home/done-{here}\"); usleep(50000); rmdir(\"$home/{here}\");\n    }}"
        )
    };
    for (name, here, there) in [
        ("A1", "at-a", "at-b"),
        ("A2", "at-a", "at-b"),
        ("B1", "at-b", "at-a"),
        ("B2", "at-b", "at-a"),
    ] {
        application.module(name, &body(here, there));
    }
    sandbox.put("other/shop/init.php", "<?php\n");
    sandbox.settings("jobs: 4\nsources:\n- {application: ~/site/app-nullos, name: site, from: ~/modules}\n- {application: ~/other/shop, from: ~/modules}\n");
    sandbox
        .hoist("install site/A1 site/A2 shop/B1 shop/B2")
        .exits(0);
}

#[test]
fn an_application_of_the_settings_is_shown_and_can_be_added_and_removed() {
    let sandbox = Sandbox::new();
    let root = sandbox.home().join("app");
    std::fs::create_dir_all(root.join("addons")).unwrap();
    sandbox.put("modules/Pizza/x.php", "<?php\n");
    sandbox
        .hoist(&format!(
            "source add shop --application {} --into addons --from {}/modules",
            root.display(),
            sandbox.home().display()
        ))
        .exits(0);
    sandbox
        .hoist("source list")
        .exits(0)
        .says("application")
        .says("1 module")
        .says("app/addons");
    sandbox.hoist("install Pizza").exits(0);
    assert!(sandbox.has("app/addons/Pizza/x.php"));
    sandbox.hoist("source remove shop").exits(0);
    // What is installed knows where it belongs.
    sandbox.hoist("uninstall Pizza --yes").exits(0);
    assert!(!sandbox.has("app/addons/Pizza"));
}

#[test]
fn an_application_that_gets_another_name_has_its_modules_once() {
    let application = Application::new();
    application.offer("Pizza/x.php", "<?php\n");
    let sandbox = &application.sandbox;
    application.install("Pizza").exits(0);
    sandbox.settings("sources:\n- {application: ~/site/app-nullos, name: shop, from: ~/modules}\n");
    // Until something is changed, it is known by its former name.
    sandbox.hoist("list").exits(0).says("app-nullos.Pizza");
    assert_eq!(
        sandbox.json("install Pizza --app shop").exits(0).statuses()["shop.Pizza"],
        "unchanged"
    );
    sandbox.hoist("info shop.Pizza").exits(0).says("installed");
    let listed = sandbox.hoist("list").exits(0).says("shop.Pizza");
    assert!(
        !listed.stdout.contains("app-nullos.Pizza"),
        "{}",
        listed.stdout
    );
    sandbox.hoist("history").exits(0);
    sandbox.hoist("test shop.Pizza").exits(0);
    // What was done under the former name can be undone.
    sandbox.hoist("undo -y").exits(0).says("shop.Pizza");
    application.install("Pizza").exits(0);
    sandbox.hoist("uninstall Pizza --app shop --yes").exits(0);
    sandbox.hoist("install Pizza --app shop").exits(0);
    sandbox.hoist("list").exits(0).says("shop.Pizza");
    sandbox
        .hoist("source add other --application nowhere")
        .exits(2)
        .says("directory does not exist");
}

#[test]
fn a_retry_knows_an_application_by_its_new_name() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.module(
        "Boom",
        "    public static function install() { if (!file_exists('/tmp/none') && !getenv('X')) { throw new \\Exception('boom'); } }",
    );
    let sandbox = &application.sandbox;
    application.install("Boom").exits(3);
    sandbox
        .hoist("source add via --application ~/site/app-nullos --from ~/modules")
        .exits(0);
    sandbox.hoist("retry").exits(3).says("boom");
    sandbox.hoist("history").exits(0);
}

#[test]
fn an_application_that_is_added_as_a_source_gives_its_modules_its_name() {
    let application = Application::new();
    application
        .offer("Pizza/x.php", "<?php\n")
        .offer("Cheese/x.php", "<?php\n");
    application
        .offer("Topping/x.php", "<?php\n")
        .offer("Topping/hoist.yml", "requires: [Cheese]\n");
    let sandbox = &application.sandbox;
    application.install("Pizza Topping Cheese").exits(0);
    sandbox
        .hoist("list")
        .exits(0)
        .says("app-nullos.Pizza")
        .says("app-nullos.Cheese");
    sandbox
        .hoist("source add shop --application ~/site/app-nullos --from ~/modules")
        .exits(0);
    let listed = sandbox
        .hoist("list")
        .exits(0)
        .says("shop.Pizza")
        .says("shop.Cheese");
    assert!(!listed.stdout.contains("app-nullos."), "{}", listed.stdout);
    sandbox
        .hoist("info shop.Topping")
        .exits(0)
        .says("shop.Cheese");
    sandbox
        .hoist("uninstall shop.Cheese --yes")
        .exits(2)
        .says("is required by shop.Topping");
    sandbox.hoist("undo -y").exits(0).says("shop.Topping");
    sandbox.hoist("list --installed").exits(0);
}

#[test]
fn all_modules_of_an_application_are_installed_where_that_is_asked_for() {
    let application = Application::new();
    application
        .offer("Pizza/x.php", "<?php\n")
        .offer("Cheese/x.php", "<?php\n");
    let sandbox = &application.sandbox;
    sandbox.settings("sources:\n- {application: ~/site/app-nullos, name: shop, from: ~/modules}\n");
    sandbox
        .hoist("sync")
        .exits(0)
        .says("synced")
        .says("2 new: Cheese, Pizza");
    sandbox.hoist("sync").exits(0).says("unchanged");
    application.offer("Dough/x.php", "<?php\n");
    sandbox.hoist("sync").exits(0).says("1 new: Dough");
    // Without `--all` nobody wants them.
    sandbox.hoist("install --app shop").exits(0);
    assert!(!application.tree().keys().any(|path| path.contains("Pizza")));
    sandbox
        .hoist("install --all --app shop")
        .exits(0)
        .says("3 installed");
    sandbox
        .hoist("list")
        .exits(0)
        .says("shop.Cheese")
        .says("shop.Dough")
        .says("shop.Pizza");
}

#[test]
fn modules_that_are_in_an_application_already_are_listed() {
    let application = Application::new();
    let sandbox = &application.sandbox;
    sandbox.put("site/app-nullos/class-modules/Pizza/x.php", "<?php\n");
    sandbox.settings("sources:\n- {application: ~/site/app-nullos, name: shop}\n");
    sandbox
        .hoist("list")
        .exits(0)
        .says("shop.Pizza")
        .says("available");
    sandbox.hoist("sync").exits(0).says("1 new: Pizza");
    sandbox.hoist("install Pizza --app shop").exits(0);
    sandbox
        .hoist("list")
        .exits(0)
        .says("shop.Pizza")
        .says("installed");
    sandbox.hoist("test shop.Pizza").exits(0);
    sandbox.hoist("update").exits(0);
    // What was there before stays.
    sandbox.hoist("uninstall shop.Pizza --yes").exits(0);
    assert!(sandbox.has("site/app-nullos/class-modules/Pizza/x.php"));
}

#[test]
fn a_directory_that_was_there_stays_and_its_module_is_forgotten() {
    let application = Application::new();
    application
        .offer(
            "Plain/module-info.yml",
            "version: 1.0.0\ndescription: d\nauthor: a\n",
        )
        .offer("Plain/x.txt", "x\n");
    application.put(
        "class-modules/Plain/module-info.yml",
        "version: 1.0.0\ndescription: d\nauthor: a\n",
    );
    application.put("class-modules/Plain/x.txt", "x\n");
    application.install("Plain").exits(0);
    let removed = application
        .sandbox
        .hoist("uninstall Plain --yes")
        .exits(0)
        .says("it existed before the install")
        .says("1 untracked");
    assert!(!removed.stdout.contains("1 removed"), "{}", removed.stdout);
    assert!(
        application
            .root()
            .join("class-modules/Plain/x.txt")
            .exists()
    );
}
