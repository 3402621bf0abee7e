//! What people and programs see.

use hoist_tests::{Module, Sandbox};

#[test]
fn a_run_is_json_lines_as_the_contract_says() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("a").main("echo hello; echo oops >&2; log_warning careful"));
    sandbox.add(&Module::new("b").depends("a").main("return 1"));
    let ran = sandbox.json("install -v").exits(3);
    let events = ran.events();
    assert!(events.iter().all(|event| {
        event["at"]
            .as_str()
            .is_some_and(|at| at.contains('T') && (at.contains('+') || at[10..].contains('-')))
    }));
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    let expected = [
        "run_started",
        "module_started",
        "module_output",
        "module_output",
        "module_finished",
        "module_started",
        "module_finished",
        "run_finished",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(events[0]["modules"], serde_json::json!(["a", "b"]));
    assert_eq!(
        (
            events[0]["action"].as_str(),
            events[1]["action"].as_str(),
            events[1]["method"].as_str()
        ),
        (Some("install"), Some("install"), Some("custom"))
    );
    let mut output: Vec<(&str, &str)> = events[2..4]
        .iter()
        .map(|event| {
            (
                event["stream"].as_str().unwrap(),
                event["line"].as_str().unwrap(),
            )
        })
        .collect();
    output.sort();
    assert_eq!(output, [("stderr", "oops"), ("stdout", "hello")]);
    let message = &events[4]["messages"][0];
    assert_eq!(
        (message["level"].as_str(), message["text"].as_str()),
        (Some("warning"), Some("careful"))
    );
    assert!(
        message["at_ms"].is_u64() && events[4]["messages"].as_array().unwrap().len() == 1,
        "{message}"
    );
    assert!(events[4]["duration_ms"].is_u64() && events[4].get("reason").is_none());
    assert_eq!(
        events[7]["counts"],
        serde_json::json!({ "failed": 1, "installed": 1 })
    );
}

#[test]
fn questions_are_answered_with_one_document() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("a").field("DESCRIPTION", "Ünïcode — text"));
    sandbox.add(&Module::new("b").depends("a").tier("optional"));
    let list = sandbox.json("list").exits(0).document();
    assert_eq!(list[0]["description"], "Ünïcode — text");
    assert_eq!(
        (
            list[1]["name"].as_str(),
            list[1]["tier"].as_str(),
            list[1]["state"].as_str()
        ),
        (Some("b"), Some("optional"), Some("available"))
    );
    let info = sandbox.json("info a").exits(0).document();
    assert_eq!(info["needed_by"], serde_json::json!(["b"]));
    assert_eq!(sandbox.json("validate").exits(0).document()["checked"], 2);
    let plan = sandbox.json("plan install b").exits(0).document();
    assert_eq!(
        (
            plan["modules"][1]["change"].as_str(),
            &plan["modules"][1]["wanted"]
        ),
        (Some("install"), &serde_json::json!("named"))
    );
    let wrong = sandbox.json("info c").exits(2).document();
    assert!(
        wrong["diagnostics"][0]["message"]
            .as_str()
            .unwrap()
            .contains("unknown module")
    );
    sandbox.hoist("install a").exits(0);
    assert_eq!(
        sandbox
            .json("list --installed")
            .document()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(sandbox.json("list --available").document()[0]["name"], "b");
    assert_eq!(sandbox.json("history").document()[0]["status"], "ok");
}

#[test]
fn a_diagnostic_shows_the_line_and_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("a")
            .field("INSTALL_REPO", "$(curl evil)")
            .field("DEPEND", "x"),
    );
    let ran = sandbox
        .hoist("validate")
        .exits(2)
        .says("error: a: MODULE_INSTALL_REPO: command substitution ($(…)) in metadata");
    let ran = ran
        .says("modules/a.sh:8:22")
        .says("| MODULE_INSTALL_REPO=\"$(curl evil)\"")
        .says("did you mean MODULE_DEPENDS?");
    assert!(
        ran.stderr.contains(&format!("| {}^", " ".repeat(21))),
        "{}",
        ran.stderr
    );
}

#[test]
fn graphs_are_drawn_in_two_languages() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("a").tier("core"));
    sandbox.add(&Module::new("b").depends("a"));
    sandbox
        .hoist("graph")
        .exits(0)
        .says("\"b\" -> \"a\";")
        .says("digraph");
    sandbox
        .hoist("graph --format mermaid")
        .exits(0)
        .says("m1 --> m0")
        .says("graph LR");
    sandbox.hoist("graph a --format dot").exits(0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    for number in 0..300 {
        sandbox
            .add(&Module::new(&format!("m{number:03}")).field("DESCRIPTION", &"long ".repeat(100)));
    }
    let script = format!(
        "{} list | head -1; exit ${{PIPESTATUS[0]}}",
        hoist_tests::binary().display()
    );
    let ran = hoist_tests::ran(
        sandbox
            .command("bash")
            .args(["-c", &script])
            .output()
            .unwrap(),
    );
    assert!(ran.exits(0).stderr.is_empty());
}

#[test]
fn plain_lines_follow_a_run_where_there_is_no_terminal() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("a")).add(
        &Module::new("b")
            .depends("a")
            .main("log_warning look; return 2"),
    );
    let ran = sandbox.hoist("install").exits(3);
    let starts: Vec<&str> = ran
        .stderr
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(
        starts,
        ["start", "installed", "start", "warning", "failed"],
        "{}",
        ran.stderr
    );
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'));
    let quiet = sandbox.hoist("install -q").exits(3);
    assert!(quiet.stderr.is_empty(), "{}", quiet.stderr);
    sandbox
        .hoist("install --color always")
        .exits(3)
        .says("\u{1b}[31mfailed");
}

#[test]
fn a_run_goes_on_when_nobody_reads_it() {
    let sandbox = Sandbox::new();
    for number in 0..40 {
        sandbox.add(&Module::new(&format!("m{number}")).main("touch \"$HOME/$MODULE_NAME\""));
    }
    sandbox.add(&Module::new("bad").main("return 1"));
    for words in ["install --output json", "install --force"] {
        let script = format!(
            "{} {words} 2>&1 | true; exit ${{PIPESTATUS[0]}}",
            hoist_tests::binary().display()
        );
        hoist_tests::ran(
            sandbox
                .command("bash")
                .args(["-c", &script])
                .output()
                .unwrap(),
        )
        .exits(3);
        assert!((0..40).all(|number| sandbox.has(&format!("m{number}"))));
    }
}
