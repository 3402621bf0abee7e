//! The first day with hoist: help, a new collection and its modules, working outside of a
//! collection, comparing with the record.

use std::path::Path;

use hoist_tests::{GitFixture, Module, Ran, Sandbox, binary, has, ran};

/// Runs hoist in another directory than the collection; `arguments` are separated by blanks.
fn hoist_in(sandbox: &Sandbox, directory: &Path, arguments: &str) -> Ran {
    ran(sandbox
        .command(binary())
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .unwrap())
}

/// The commands that `hoist --help` lists.
fn commands(help: &str) -> Vec<String> {
    let is_command = |line: &&str| {
        line.starts_with("  ") && line.chars().nth(2).is_some_and(|c| c.is_ascii_lowercase())
    };
    let listed = help
        .lines()
        .take_while(|line| !line.starts_with("Options:"));
    listed
        .filter(is_command)
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn help_is_short_or_complete_and_has_examples_and_exit_statuses() {
    let sandbox = Sandbox::new();
    let overview = sandbox.hoist("--help").exits(0).stdout;
    let commands = commands(&overview);
    assert!(
        commands.len() > 25 && commands.contains(&"status".to_owned()),
        "{overview}"
    );
    for command in commands.iter().filter(|command| *command != "help") {
        let (short, long) = (
            sandbox.hoist(&format!("{command} -h")).exits(0).stdout,
            sandbox.hoist(&format!("{command} --help")).exits(0).stdout,
        );
        assert!(
            long.contains("Examples:\n")
                && long.contains("Exit status:\n")
                && long.contains("--timeout"),
            "{command}: {long}"
        );
        assert!(
            !short.contains("Exit status")
                && !short.contains("--timeout")
                && short.lines().count() < 70,
            "{command}: {short}"
        );
        for (help, width) in [(&short, 100), (&long, 100)] {
            assert!(
                help.lines().all(|line| line.chars().count() <= width),
                "{command}: {help}"
            );
        }
    }
    let install = sandbox.hoist("install --help").exits(0).stdout;
    let headings = [
        "Arguments:",
        "Options:",
        "Selection:",
        "Configuration files:",
        "Hosts:",
        "Execution:",
        "Output:",
        "Examples:",
    ];
    let places: Vec<usize> = headings
        .iter()
        .map(|heading| install.find(&format!("\n{heading}\n")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{install}");
    // A command's own options come before those of every command.
    assert!(
        install.find("--minimal").unwrap() < install.find("--collection").unwrap(),
        "{install}"
    );
    for variable in [
        "HOIST_JOBS",
        "HOIST_YES",
        "HOIST_OUTPUT",
        "HOIST_COLOR",
        "HOIST_NO_PROGRESS",
        "HOIST_VERBOSE",
        "HOIST_QUIET",
        "HOIST_STRICT",
    ] {
        assert!(install.contains(variable), "{variable}");
    }
    for (alias, command) in [
        ("ls", "list"),
        ("rm", "uninstall"),
        ("remove", "uninstall"),
        ("upgrade", "update"),
    ] {
        let usage = sandbox.hoist(&format!("{alias} -h")).exits(0).stdout;
        assert!(
            usage.contains(&format!("Usage: hoist {command}")),
            "{usage}"
        );
    }
}

#[test]
fn the_manual_page_has_the_usual_sections() {
    let sandbox = Sandbox::new();
    let directory = sandbox.path("man");
    sandbox
        .hoist(&format!("man --directory {}", directory.display()))
        .exits(0);
    for page in ["hoist.1", "hoist-install.1", "hoist-source-add.1"] {
        let text = std::fs::read_to_string(directory.join(page)).unwrap();
        for section in [
            "NAME",
            "SYNOPSIS",
            "OPTIONS",
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
        ] {
            assert!(
                text.contains(&format!(".SH {section}\n"))
                    || text.contains(&format!(".SH \"{section}\"\n")),
                "{page}: {section}: {text}"
            );
        }
        assert!(text.contains(".SH EXAMPLES"), "{page}");
    }
    let page = sandbox.hoist("man").exits(0).stdout;
    assert!(
        page.contains("HOIST_JOBS") && page.contains("ledger.sqlite"),
        "{page}"
    );
    // Options that only --help lists, with what they are for.
    assert!(
        page.contains("Abort the run when any module fails")
            && page.contains("Time limit for each module"),
        "{page}"
    );
    assert!(
        !page.contains("hoist\\-help(1)") && !page.contains("hoist-help(1)"),
        "{page}"
    );
    sandbox.put("file", "");
    sandbox
        .hoist(&format!(
            "man --directory {}",
            sandbox.home().join("file/pages").display()
        ))
        .exits(2)
        .says("file/pages");
}

#[test]
fn options_are_set_by_the_environment_and_the_command_line_wins() {
    let mut sandbox = Sandbox::new();
    sandbox.add(&Module::new("m"));
    sandbox.set("HOIST_OUTPUT", "json");
    sandbox.hoist("list").exits(0).document();
    assert!(
        sandbox
            .hoist("list --output human")
            .exits(0)
            .stdout
            .starts_with("m ")
    );
    sandbox.unset("HOIST_OUTPUT");
    sandbox.hoist("list --json").exits(0).document();
    sandbox
        .hoist("list --json --output human")
        .exits(2)
        .says("--json");
    sandbox.set("HOIST_QUIET", "1");
    assert!(sandbox.hoist("install").exits(0).stderr.is_empty());
    assert!(
        sandbox
            .hoist("install --force --verbose")
            .exits(0)
            .stderr
            .contains('m')
    );
    sandbox
        .hoist("list --quiet --verbose")
        .exits(2)
        .says("--verbose");
    sandbox.set("HOIST_QUIET", "0");
    sandbox.set("HOIST_VERBOSE", "true");
    assert!(
        sandbox
            .hoist("install --force")
            .exits(0)
            .stdout
            .contains("installed")
    );
    sandbox.set("HOIST_VERBOSE", "loud");
    sandbox.hoist("list").exits(2).says("true or false");
    sandbox.unset("HOIST_VERBOSE");
    sandbox.hoist("history --limit 0").exits(2).says("--limit");
    sandbox.set("HOIST_JOBS", "none");
    sandbox.hoist("list").exits(2).says("--jobs");
    sandbox.set("HOIST_JOBS", "2");
    sandbox.set("HOIST_YES", "true");
    sandbox.hoist("uninstall m").exits(0);
    for (name, value) in [
        ("FORCE_COLOR", "1"),
        ("CLICOLOR_FORCE", "1"),
        ("HOIST_COLOR", "always"),
    ] {
        sandbox.set(name, value);
        assert!(
            sandbox.hoist("list").exits(0).stdout.contains('\u{1b}'),
            "{name}"
        );
        sandbox.unset(name);
    }
    sandbox.set("FORCE_COLOR", "1");
    sandbox.set("NO_COLOR", "1");
    assert!(!sandbox.hoist("list").exits(0).stdout.contains('\u{1b}'));
}

#[test]
fn a_new_collection_installs_as_it_is() {
    let sandbox = Sandbox::new();
    let here = sandbox.path("");
    hoist_in(&sandbox, &here, "init dot-files")
        .exits(0)
        .says("cd dot-files");
    let collection = sandbox.path("dot-files");
    for file in [
        "hoist.yml",
        "README.md",
        ".editorconfig",
        ".github/workflows/hoist.yml",
        "modules/hello.sh",
    ] {
        let text = std::fs::read_to_string(collection.join(file)).unwrap();
        assert!(!text.contains("COLLECTION_NAME"), "{file}");
    }
    hoist_in(&sandbox, &collection, "validate")
        .exits(0)
        .says("0 warnings");
    hoist_in(&sandbox, &collection, "install")
        .exits(0)
        .says("1 installed");
    assert!(sandbox.has(".local/share/hello/bin/hello"));
    hoist_in(&sandbox, &collection, "test")
        .exits(0)
        .says("1 passed");
    hoist_in(&sandbox, &here, "init dot-files")
        .exits(2)
        .says("already a collection")
        .says("hoist new NAME");
    // Existing files are kept, and a collection can be created in the working directory.
    let other = sandbox.path("it's other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("README.md"), "mine\n").unwrap();
    let created = hoist_in(&sandbox, &other, "init --json")
        .exits(0)
        .document();
    assert!(
        !created["files"].to_string().contains("README.md"),
        "{created}"
    );
    assert_eq!(
        std::fs::read_to_string(other.join("README.md")).unwrap(),
        "mine\n"
    );
    hoist_in(&sandbox, &other, "validate").exits(0);
    std::fs::write(sandbox.path("file"), "").unwrap();
    hoist_in(&sandbox, &here, "init file/below")
        .exits(2)
        .says("cannot create the collection")
        .says("hoist init DIR");
}

#[test]
fn a_new_module_of_every_method_is_valid() {
    let git = GitFixture::new();
    let repository = git.repository("tool", 1);
    let sandbox = Sandbox::new();
    sandbox
        .hoist(&format!("new clone --url {} --core", repository.display()))
        .exits(0)
        .says("Created modules/clone.sh");
    sandbox.hoist("new own --description It's").exits(0);
    sandbox
        .hoist("new python --method pip --package one,two")
        .exits(0);
    sandbox
        .hoist("new system --method package_manager --optional")
        .exits(0);
    sandbox.hoist("new implied --package one").exits(0);
    assert!(sandbox.json("info implied").exits(0).document()["method"] == "package_manager");
    sandbox
        .hoist("new script --url https://example.com/install.sh")
        .exits(0);
    sandbox
        .hoist("new tools --method npm --package prettier@3")
        .exits(0);
    sandbox.hoist("new deployed --method plugin").exits(0);
    sandbox
        .hoist("validate")
        .exits(0)
        .says("8 manifests checked")
        .says("0 warnings");
    sandbox
        .hoist("install clone own")
        .exits(0)
        .says("2 installed");
    assert!(sandbox.has(".local/share/clone/.git") && sandbox.has(".local/share/own"));
    let listed = sandbox.json("list").exits(0).document();
    let tier = |name: &str| {
        listed
            .as_array()
            .unwrap()
            .iter()
            .find(|module| module["name"] == name)
            .unwrap()["tier"]
            .clone()
    };
    assert_eq!(
        (tier("clone"), tier("own"), tier("system")),
        ("core".into(), "default".into(), "optional".into())
    );
    // What is missing or wrong is reported, and nothing is written.
    sandbox.hoist("new own").exits(2).says("already exists");
    sandbox
        .hoist("new more --method git_clone")
        .exits(2)
        .says("--url URL");
    sandbox
        .hoist("new more --method pip --url x")
        .exits(2)
        .says("--url is only used");
    sandbox
        .hoist("new more --method custom --package x")
        .exits(2)
        .says("--package is only used");
    sandbox.hoist("new a/b").exits(2);
    assert!(!sandbox.collection().join("modules/more.sh").exists());
    let nowhere = sandbox.path("tmp");
    hoist_in(&sandbox, &nowhere, "new more").exits(0);
    assert!(
        sandbox.collection().join("modules/more.sh").exists(),
        "the collection of what is installed is used"
    );
}

#[test]
fn a_terminal_is_asked_for_what_a_new_module_needs() {
    if !has("script") {
        return;
    }
    let git = GitFixture::new();
    let repository = git.repository("tool", 1);
    let sandbox = Sandbox::new();
    let answers = format!("g\n{}\nA \"tool\" for $5\n", repository.display());
    let asked = sandbox.terminal("new tool", &answers).exits(0).stdout;
    assert!(
        asked.contains("How is the module installed?")
            && asked.contains("URL of the git repository:"),
        "{asked}"
    );
    let info = sandbox.json("info tool").exits(0).document();
    assert_eq!(
        (info["description"].as_str(), info["method"].as_str()),
        (Some("A \"tool\" for $5"), Some("git_clone")),
        "{info}"
    );
    sandbox.hoist("install tool").exits(0);
}

#[test]
fn outside_of_a_collection_reading_commands_work_and_say_how_to_start() {
    let sandbox = Sandbox::new();
    let nowhere = sandbox.path("tmp");
    for command in [
        "info m",
        "uninstall m",
        "undo",
        "report",
        "sync",
        "status m",
    ] {
        hoist_in(&sandbox, &nowhere, command).exits(2).says("help:");
    }
    let commands = [
        "list",
        "search a",
        "graph",
        "status",
        "test",
        "update",
        "outdated",
        "doctor",
        "plan update",
        "plugin list",
    ];
    for command in commands {
        hoist_in(&sandbox, &nowhere, command)
            .exits(0)
            .says("hoist init");
    }
    for command in [
        "history",
        "config list",
        "source list",
        "plugin status",
        "retry",
    ] {
        hoist_in(&sandbox, &nowhere, command).exits(0);
    }
    for command in ["install", "plan install", "validate", "new m"] {
        hoist_in(&sandbox, &nowhere, command)
            .exits(2)
            .says("no collection is in use")
            .says("hoist init");
    }
    // What is installed is known wherever hoist runs.
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .main("mkdir ~/.m"),
    );
    sandbox.hoist("install").exits(0);
    hoist_in(&sandbox, &nowhere, "list").exits(0).says("m ");
    hoist_in(&sandbox, &nowhere, "init other").exits(0);
    hoist_in(&sandbox, &nowhere, "list -C other")
        .exits(0)
        .says("its collection is not in use");
    hoist_in(&sandbox, &nowhere, "info m -C other")
        .exits(0)
        .says(&format!("-C {}", sandbox.collection().display()));
    hoist_in(&sandbox, &sandbox.collection().join("modules"), "install").exits(0);
    std::fs::remove_dir_all(sandbox.collection().join("modules")).unwrap();
    hoist_in(&sandbox, &nowhere, "list")
        .exits(0)
        .says("its manifest was removed");
    hoist_in(&sandbox, &nowhere, "info m")
        .exits(0)
        .says("no collection has its manifest");
    hoist_in(&sandbox, &nowhere, "status m")
        .exits(0)
        .says("unchanged");
    hoist_in(&sandbox, &nowhere, "uninstall m -y").exits(0);
}

#[test]
fn runs_are_named_by_unambiguous_prefixes_and_retries_say_what_they_retry() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .main("mkdir -p ~/.m"),
    );
    sandbox.add(&Module::new("bad").main("echo x >>~/tries; test -e ~/good"));
    sandbox.hoist("install --force").exits(3);
    sandbox.hoist("update m").exits(0);
    for command in ["report 2", "undo 2 --dry-run"] {
        sandbox
            .hoist(command)
            .exits(2)
            .says("2 runs start with `2`")
            .says("use a longer prefix: 2");
    }
    sandbox
        .hoist("report nothing")
        .exits(2)
        .says("unknown run `nothing`");
    sandbox
        .hoist("retry")
        .exits(3)
        .says("Retrying 1 module of the install of");
    // An install that is resumed is the same one: its options count.
    sandbox.put("good", "");
    sandbox
        .hoist("install m --force")
        .exits(0)
        .says("1 installed");
    sandbox.hoist("install bad --force").exits(0);
    std::fs::remove_file(sandbox.home().join("good")).unwrap();
    sandbox.hoist("install --force").exits(3);
    sandbox.put("good", "");
    sandbox
        .hoist("install --resume")
        .exits(0)
        .says("1 installed");
    sandbox
        .hoist("undo --yes")
        .exits(0)
        .says("Undoing the install of")
        .says("undone");
}

#[test]
fn a_missing_working_directory_and_files_that_are_no_manifests_are_reported() {
    let sandbox = Sandbox::new();
    sandbox.put("text", "no manifest\n");
    sandbox
        .hoist(&format!(
            "validate {}",
            sandbox.home().join("text").display()
        ))
        .exits(2)
        .says("the file is not a manifest");
    sandbox
        .hoist("validate nothing.sh")
        .exits(2)
        .says("the file does not exist");
    sandbox.add(&Module::new("m"));
    let quiet = sandbox.hoist("validate --quiet").exits(0);
    assert_eq!(quiet.stderr, "", "warnings are left out");
    let gone = sandbox.path("gone");
    std::fs::create_dir(&gone).unwrap();
    let script = format!(
        "cd {0} && rmdir {0} && {1} list",
        gone.display(),
        binary().display()
    );
    ran(sandbox
        .command("bash")
        .args(["-c", &script])
        .output()
        .unwrap())
    .exits(2)
    .says("cannot determine the working directory");
}

#[test]
fn graphs_are_printed_as_json() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("base"));
    sandbox.add(&Module::new("top").field("DEPENDS", "base"));
    let document = sandbox.json("graph").exits(0).document();
    assert_eq!(document["modules"][1]["name"], "top");
    assert_eq!(
        document["modules"][1]["requires"],
        serde_json::json!(["base"])
    );
    sandbox
        .hoist("graph --json --format svg")
        .exits(2)
        .says("--format");
}

#[test]
fn one_bad_collection_of_the_settings_is_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m"));
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    let (good, empty) = (sandbox.collection(), sandbox.path("empty"));
    sandbox.settings(&format!(
        "collections: [{}, /nonexistent/collection, {}]\n",
        empty.display(),
        good.display()
    ));
    let nowhere = sandbox.path("tmp");
    for command in ["list", "install", "status", "info m", "plan update"] {
        let ran = hoist_in(&sandbox, &nowhere, command).exits(0);
        let warnings = ran.stderr.matches("warning: collections: ").count();
        assert!(
            warnings == 2
                && ran
                    .stderr
                    .contains("/nonexistent/collection does not exist"),
            "{command}: {}",
            ran.stderr
        );
    }
    sandbox.settings("collections: [/nonexistent/collection]\n");
    hoist_in(&sandbox, &nowhere, "install")
        .exits(2)
        .says("/nonexistent/collection")
        .says("no collection is in use");
    // One that is named on the command line has to exist.
    sandbox
        .hoist("list -C /nonexistent")
        .exits(2)
        .says("/nonexistent");
}

#[test]
fn status_compares_what_is_installed_with_its_record_and_starts_nothing() {
    let git = GitFixture::new();
    let repository = git.repository("tool", 1);
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("files")
            .field("INSTALL_DIRS", "$HOME/.files")
            .main("mkdir ~/.files; for f in a b c; do echo $f >~/.files/$f; done"),
    );
    sandbox.add(&Module::new("blind").main("true"));
    let clone = Module::new("clone")
        .method("git_clone")
        .field("INSTALL_REPO", &repository.display().to_string());
    sandbox.add(&clone.field("INSTALL_DIRS", "$HOME/.clone"));
    sandbox.hoist("install").exits(0);
    let states = |code: i32| {
        let document = sandbox.json("status").exits(code).document();
        assert_eq!(document["differs"], code == 4);
        let state = |module: &serde_json::Value| {
            format!(
                "{}:{}",
                module["name"].as_str().unwrap(),
                module["state"].as_str().unwrap()
            )
        };
        document["modules"]
            .as_array()
            .unwrap()
            .iter()
            .map(state)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        states(0),
        "blind:unverified clone:unchanged files:unchanged"
    );
    let (ran, calls) = sandbox.traced(
        "status",
        "execve,fork,vfork,/^open.*,/^rename.*,/^unlink.*,/^mkdir.*",
    );
    ran.exits(0).says("3 installed modules: no differences");
    let writes: Vec<&String> = calls
        .iter()
        .filter(|call| {
            call.contains("O_WRONLY")
                || call.contains("O_RDWR")
                || call.contains("execve")
                || call.contains("rename")
        })
        .collect();
    let writes: Vec<&&String> = writes
        .iter()
        .filter(|call| !call.contains("/dev/") && !call.contains("ledger"))
        .collect();
    assert!(
        writes.len() == 1 && writes[0].contains("execve"),
        "{writes:?}"
    );
    sandbox.put(".files/a", "changed\n");
    std::fs::remove_file(sandbox.home().join(".files/b")).unwrap();
    let tracked = sandbox
        .files(".clone")
        .into_iter()
        .find(|file| !file.starts_with(".git/"))
        .unwrap();
    sandbox.put(&format!(".clone/{tracked}"), "changed\n");
    assert_eq!(states(4), "blind:unverified clone:modified files:missing");
    let told = sandbox.hoist("status files").exits(4);
    told.says("modified: ~/.files/a")
        .says("missing: ~/.files/b");
    assert!(
        !sandbox
            .hoist("status --quiet")
            .exits(4)
            .stdout
            .contains("blind")
    );
    sandbox
        .hoist("status nothing")
        .exits(2)
        .says("is not installed");
    sandbox.hoist("install --force files").exits(0);
    sandbox.hoist("status files").exits(0).says("unchanged");
    sandbox.add(&Module::new("bad").main("false"));
    sandbox.hoist("install bad").exits(3);
    sandbox
        .hoist("status bad")
        .exits(4)
        .says("failed")
        .says("1 module: failed to install or update. Run `hoist retry`.");
    // A reinstall keeps local changes in clones, git restores them.
    let remedy = sandbox.hoist("status clone").exits(4).stdout;
    assert!(
        remedy.contains("restore .`") && !remedy.contains("--force"),
        "{remedy}"
    );
    let command = remedy.split('`').nth(1).unwrap().to_owned();
    assert!(
        sandbox
            .command("bash")
            .args(["-c", &command])
            .status()
            .unwrap()
            .success()
    );
    sandbox.hoist("status clone").exits(0);
}
