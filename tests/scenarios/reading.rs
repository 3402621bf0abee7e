//! What hoist shows of itself, of modules and of past runs.

use hoist_tests::{Module, Sandbox, has};

fn ran_once() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("base")
            .field("INSTALL_DIRS", "$HOME/.base")
            .main("mkdir ~/.base; echo hello; log_warning '<script>alert(1)</script>'"),
    );
    sandbox.add(&Module::new("bad").main("echo the reason; return 3"));
    sandbox.add(
        &Module::new("app")
            .depends("base")
            .field("CONFIG_FILES", "$HOME/.rc"),
    );
    sandbox.add(&Module::new("user").depends("bad"));
    sandbox.write("config/rc", "1\n");
    sandbox.hoist("install").exits(3);
    sandbox
}

#[test]
fn a_past_run_is_told_as_text_json_page_junit_trace_and_lines() {
    let sandbox = ran_once();
    sandbox
        .hoist("report")
        .exits(0)
        .says("install")
        .says("completed with failures")
        .says("failed")
        .says("depends on bad, which failed")
        .says("created");
    let document = sandbox.json("report").exits(0).document();
    assert_eq!(
        (&document["status"], &document["action"]),
        (&"partial".into(), &"install".into())
    );
    assert_eq!(document["modules"].as_array().unwrap().len(), 4);
    let run = document["run_id"].as_str().unwrap().to_owned();
    let page = sandbox.path("page.html");
    sandbox
        .hoist(&format!("report {run} --html {}", page.display()))
        .exits(0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains("<svg") && page.contains("the reason") && !page.contains("<script>"),
        "one page, and nothing of a module's in it runs"
    );
    assert!(
        !page.contains("http://") || !page.contains("src="),
        "no other file"
    );
    let junit = sandbox
        .hoist(&format!("report {} --format junit", &run[..12]))
        .exits(0)
        .stdout;
    assert!(
        junit.contains("tests=\"4\"")
            && junit.contains("failures=\"1\"")
            && junit.contains("skipped=\"1\""),
        "{junit}"
    );
    let trace = sandbox.hoist("report --format trace").exits(0).document();
    assert!(trace["traceEvents"].as_array().unwrap().len() >= 3);
    sandbox
        .hoist("report --format lines")
        .exits(0)
        .says("start       base")
        .says("failed      bad");
    sandbox
        .hoist("report no-such-run")
        .exits(2)
        .says("hoist history");
    // A record that ends in the middle of a line.
    let record = sandbox
        .home()
        .join(".local/state/hoist/runs")
        .join(&run)
        .join("events.jsonl");
    let text = std::fs::read(&record).unwrap();
    std::fs::write(&record, &text[..text.len() * 2 / 3]).unwrap();
    sandbox.hoist("report").exits(0);
    sandbox.hoist("report --format html").exits(0).says("<svg");
    std::fs::write(&record, "not json\n").unwrap();
    sandbox.hoist("report --format html").exits(0);
}

#[test]
fn modules_are_found_by_words_of_their_names_and_descriptions() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("fzf").field("DESCRIPTION", "A fuzzy finder"));
    sandbox.add(&Module::new("fzf-extras").field("DESCRIPTION", "More for the finder"));
    sandbox.add(&Module::new("zoxide").field("DESCRIPTION", "A smarter cd, with FZF"));
    let names = |query: &str| {
        let found = sandbox.json(&format!("search {query}")).exits(0).document();
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|module| module["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("FZF"), ["fzf", "fzf-extras", "zoxide"]);
    assert_eq!(names("fuzzy"), ["fzf"]);
    assert_eq!(names("finder more"), ["fzf-extras"]);
    assert!(names("nothing").is_empty());
    sandbox.hoist("search zoxid").exits(0).says("zoxide");
    sandbox
        .hoist("search zoxdie")
        .exits(0)
        .says("Did you mean `zoxide`?");
}

#[test]
fn the_doctor_says_what_is_missing_for_which_module_and_changes_nothing() {
    let sandbox = ran_once();
    sandbox.add(&Module::new("needy").main("check_prerequisites no-such-program-here || return 1"));
    let document = sandbox.json("doctor").exits(3).document();
    let findings = document["findings"].as_array().unwrap();
    let missing = findings
        .iter()
        .find(|finding| {
            finding["what"]
                .as_str()
                .unwrap()
                .contains("no-such-program-here")
        })
        .unwrap();
    assert_eq!(
        (&missing["verdict"], &missing["modules"][0]),
        (&"missing".into(), &"needy".into())
    );
    assert!(findings.iter().any(|finding| {
        finding["what"]
            .as_str()
            .unwrap()
            .contains("modules whose last change failed")
            && finding["modules"][0] == "bad"
    }));
    std::fs::remove_dir(sandbox.home().join(".base")).unwrap();
    sandbox
        .hoist("doctor")
        .exits(3)
        .says("with missing files")
        .says("base");
    let sound = Sandbox::new();
    sound.add(&Module::new("m"));
    sound.hoist("doctor").exits(0).says("bash");
}

#[test]
fn shells_and_readers_get_what_they_ask_for() {
    let sandbox = Sandbox::new();
    sandbox
        .add(&Module::new("alpha-module"))
        .add(&Module::new("beta-module"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            sandbox
                .hoist(&format!("completions {shell}"))
                .exits(0)
                .stdout
                .len()
                > 100,
            "{shell}"
        );
    }
    sandbox
        .hoist("completions tcsh")
        .exits(2)
        .says("possible values: bash");
    // A real bash completes the names of modules.
    let line = format!(
        "source <('{0}' completions bash); COMP_WORDS=('{0}' install alph); COMP_CWORD=2; COMP_TYPE=9; _clap_complete_hoist '{0}' alph install; echo \"${{COMPREPLY[@]}}\"",
        hoist_tests::binary().display()
    );
    let output = sandbox
        .command("bash")
        .args(["-c", &line])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("alpha-module"),
        "{output:?}"
    );
    // For what is done to installed modules, only those.
    sandbox.hoist("install beta-module").exits(0);
    let removable = line.replace("alph", "''").replace("install", "uninstall");
    let output = sandbox
        .command("bash")
        .args(["-c", &removable])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("beta-module") && !text.contains("alpha-module"),
        "{output:?}"
    );
    sandbox.hoist("man").exits(0).says(".TH hoist 1");
    let directory = sandbox.path("man");
    sandbox
        .hoist(&format!("man --directory {}", directory.display()))
        .exits(0);
    assert!(
        directory.join("hoist-install.1").exists()
            && directory.join("hoist-config-restore.1").exists()
    );
}

#[test]
fn what_hoist_prints_is_as_its_schemas_say() {
    let sandbox = ran_once();
    let schema = |kind: &str| {
        let schema = sandbox.hoist(&format!("schema {kind}")).exits(0).document();
        jsonschema::validator_for(&schema).unwrap()
    };
    let check = |kind: &str, document: &serde_json::Value| {
        let errors: Vec<String> = schema(kind)
            .iter_errors(document)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{kind}: {errors:?}\n{document}");
    };
    for arguments in ["plan install", "plan update", "plan uninstall app"] {
        check("plan", &sandbox.json(arguments).exits(0).document());
    }
    check("list", &sandbox.json("list").exits(0).document());
    for arguments in [
        "install -v --force base",
        "update",
        "test",
        "uninstall --all -y",
    ] {
        for event in sandbox.json(arguments).events() {
            check("events", &event);
        }
    }
    check(
        "collection",
        &serde_json::json!({ "jobs": 4, "timeout": "10m", "strict": true, "collections": ["~/x"] }),
    );
    assert!(!schema("collection").is_valid(&serde_json::json!({ "josb": 4 })));
    let fields = sandbox.json("info base").exits(0).document()["fields"].clone();
    let mut fields = fields;
    fields["MODULE_UNINSTALL_DIRS"] = "".into();
    check("module", &fields);
    assert!(!schema("module").is_valid(&serde_json::json!({ "MODULE_NAME": "x" })));
    sandbox
        .hoist("schema nothing")
        .exits(2)
        .says("possible values: collection");
}

#[test]
fn narrow_and_wide_terminals_colours_and_odd_homes() {
    if !has("script") {
        return;
    }
    let sandbox = Sandbox::named("höme 'of' \"me\" $x");
    for number in 0..12 {
        sandbox.add(
            &Module::new(&format!("module-with-a-rather-long-name-{number}"))
                .field(
                    "DESCRIPTION",
                    "Grüße, 世界, and a sentence that goes on for quite a while",
                )
                .main("sleep 0.2"),
        );
    }
    for columns in [40, 200] {
        let line = format!(
            "stty cols {columns} rows 30; '{}' install --force",
            hoist_tests::binary().display()
        );
        let output = sandbox
            .command("script")
            .args(["-qec", &line, "/dev/null"])
            .env("TERM", "xterm")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && text.contains("12 installed"),
            "{text}"
        );
        assert!(text.contains("\u{1b}["), "a terminal has colours");
        assert!(!text.contains("panicked"));
    }
    let plain = |variable: &str, value: &str| {
        let line = format!("'{}' list", hoist_tests::binary().display());
        let output = sandbox
            .command("script")
            .args(["-qec", &line, "/dev/null"])
            .env("TERM", "xterm")
            .env(variable, value)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(plain("X", "1").contains("\u{1b}[") && plain("X", "1").contains("Grüße, 世界"));
    assert!(!plain("NO_COLOR", "1").contains("\u{1b}["));
    assert!(!plain("TERM", "dumb").contains("\u{1b}["));
    assert!(
        sandbox
            .hoist("list --color always")
            .stdout
            .contains("\u{1b}[")
    );
}

#[test]
fn five_hundred_modules_at_once() {
    let sandbox = Sandbox::new();
    for number in 0..500 {
        sandbox.add(
            &Module::new(&format!("m{number:03}"))
                .field("INSTALL_DIRS", &format!("$HOME/.m/{number}"))
                .main(&format!(
                    "mkdir -p ~/.m/{number}; echo 1 >~/.m/{number}/file"
                )),
        );
    }
    let ran = sandbox.json("install -j500").exits(0);
    assert_eq!(
        ran.statuses()
            .values()
            .filter(|status| *status == "installed")
            .count(),
        500
    );
    assert!(
        sandbox
            .json("install")
            .exits(0)
            .statuses()
            .values()
            .all(|status| status == "unchanged")
    );
    sandbox.hoist("uninstall --all -y -q").exits(0);
    assert!(!sandbox.has(".m"));
}

#[test]
fn what_is_installed_and_in_no_collection_any_more_is_known_all_the_same() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("gone")
            .field("INSTALL_DIRS", "$HOME/.gone")
            .main("mkdir ~/.gone"),
    );
    sandbox.hoist("install").exits(0);
    std::fs::remove_file(sandbox.collection().join("modules/gone.sh")).unwrap();
    sandbox
        .hoist("info gone")
        .exits(0)
        .says("no collection has its manifest")
        .says(".gone");
    assert_eq!(
        sandbox.json("info gone").exits(0).document()["installed"]["method"],
        "custom"
    );
    sandbox
        .hoist("update gone")
        .exits(2)
        .says("no collection in use has its manifest")
        .says("hoist uninstall gone");
    sandbox.hoist("uninstall gone -y").exits(0);
    assert!(!sandbox.has(".gone"));
}

#[test]
fn a_single_manifest_is_checked_against_those_beside_it() {
    let sandbox = Sandbox::new();
    sandbox
        .add(&Module::new("base"))
        .add(&Module::new("app").depends("base"))
        .add(&Module::new("lost").depends("bsae"));
    sandbox
        .hoist("validate modules/app.sh")
        .exits(0)
        .says("1 manifest checked: ok");
    let wrong = sandbox
        .hoist("validate modules/lost.sh")
        .exits(2)
        .says("unknown module `bsae`")
        .says("did you mean `base`?");
    assert!(wrong.stdout.contains("1 manifest checked"));
    assert!(
        !sandbox
            .hoist("validate modules/base.sh")
            .exits(0)
            .stderr
            .contains("lost")
    );
}

#[test]
fn a_home_with_a_slash_at_its_end_is_the_same_home() {
    let mut sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("UNINSTALL_DIRS", "$HOME/.m")
            .main("mkdir -p $HOME/.m; echo x >$HOME/.m/x"),
    );
    let home = format!("{}//", sandbox.home().display());
    sandbox.set("HOME", &home);
    sandbox.hoist("install").exits(0);
    let document = sandbox.json("info m").exits(0).document();
    assert_eq!(
        document["installed"]["paths"][0],
        sandbox.home().join(".m").display().to_string()
    );
    sandbox.hoist("uninstall m -y").exits(0);
    assert!(!sandbox.has(".m"));
}
