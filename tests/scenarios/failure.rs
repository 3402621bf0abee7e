//! The failure policy: tier × outcome × dependents × `--strict`.

use hoist_tests::{Module, Sandbox};

/// One row: the tier of the module that may fail, how it ends, `--strict`, and what comes of it.
/// The graph is always `subject <- dependent <- last`, beside `other`; with one job, so that the
/// order of what is independent is known.
struct Case {
    tier: &'static str,
    ends: &'static str,
    strict: bool,
    code: i32,
    subject: &'static str,
    dependent: &'static str,
    other: &'static str,
}

const fn case(
    tier: &'static str,
    ends: &'static str,
    strict: bool,
    code: i32,
    subject: &'static str,
    dependent: &'static str,
    other: &'static str,
) -> Case {
    Case {
        tier,
        ends,
        strict,
        code,
        subject,
        dependent,
        other,
    }
}

const CASES: &[Case] = &[
    case(
        "core",
        "return 0",
        false,
        0,
        "installed",
        "installed",
        "installed",
    ),
    case(
        "default",
        "return 0",
        false,
        0,
        "installed",
        "installed",
        "installed",
    ),
    case(
        "optional",
        "return 0",
        true,
        0,
        "installed",
        "installed",
        "installed",
    ),
    case("core", "return 1", false, 1, "failed", "skipped", "skipped"),
    case("core", "return 1", true, 1, "failed", "skipped", "skipped"),
    case(
        "default",
        "return 1",
        false,
        3,
        "failed",
        "skipped",
        "installed",
    ),
    case(
        "default", "return 1", true, 1, "failed", "skipped", "skipped",
    ),
    case(
        "optional",
        "return 1",
        false,
        3,
        "failed",
        "skipped",
        "installed",
    ),
    case(
        "optional", "return 1", true, 1, "failed", "skipped", "skipped",
    ),
    case("core", "exit 7", false, 1, "failed", "skipped", "skipped"),
    case(
        "default",
        "exit 7",
        false,
        3,
        "failed",
        "skipped",
        "installed",
    ),
    case(
        "default",
        "exit 0",
        false,
        0,
        "installed",
        "installed",
        "installed",
    ),
    case(
        "core",
        "kill -9 $$",
        false,
        1,
        "failed",
        "skipped",
        "skipped",
    ),
    case(
        "default",
        "kill -9 $$",
        false,
        3,
        "failed",
        "skipped",
        "installed",
    ),
    case(
        "default",
        "no_such_command",
        false,
        3,
        "failed",
        "skipped",
        "installed",
    ),
    case("core", "sleep 60", false, 1, "failed", "skipped", "skipped"),
    case(
        "default",
        "sleep 60",
        false,
        3,
        "failed",
        "skipped",
        "installed",
    ),
    case(
        "optional", "sleep 60", true, 1, "failed", "skipped", "skipped",
    ),
];

#[test]
fn the_table_of_cases() {
    for Case {
        tier,
        ends,
        strict,
        code,
        subject,
        dependent,
        other,
    } in CASES
    {
        let sandbox = Sandbox::new();
        sandbox.add(
            &Module::new("subject")
                .tier(tier)
                .field("TIMEOUT", "1")
                .main(ends),
        );
        sandbox.add(&Module::new("dependent").tier("optional").depends("subject"));
        sandbox.add(&Module::new("last").tier("optional").depends("dependent"));
        sandbox.add(
            &Module::new("other")
                .tier("optional")
                .main("touch \"$HOME/other\""),
        );
        let strict = if *strict { "--strict" } else { "" };
        let ran = sandbox
            .json(&format!("install --all --jobs 1 {strict}"))
            .exits(*code);
        let statuses = ran.statuses();
        let row = format!("{tier}, {ends}, {strict}: {statuses:?}");
        assert_eq!(
            (
                statuses["subject"].as_str(),
                statuses["dependent"].as_str(),
                statuses["other"].as_str()
            ),
            (*subject, *dependent, *other),
            "{row}"
        );
        assert_eq!(statuses["last"], *dependent, "{row}");
        assert_eq!(sandbox.has("other"), *other == "installed", "{row}");
        let last = ran.events().pop().unwrap();
        let status = ["ok", "failed", "", "partial"][*code as usize];
        assert_eq!(
            (last["event"].as_str(), last["status"].as_str()),
            (Some("run_finished"), Some(status)),
            "{row}"
        );
    }
}

#[test]
fn a_skip_tells_the_whole_chain_of_reasons() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("a").main("log_error 'the disk is made of cheese'; return 1"));
    sandbox.add(&Module::new("b").depends("a"));
    sandbox.add(&Module::new("c").depends("b"));
    let ran = sandbox.json("install").exits(3);
    assert_eq!(
        ran.finished("a")["reason"],
        "main_module failed with exit code 1: the disk is made of cheese"
    );
    assert_eq!(ran.finished("b")["reason"], "depends on a, which failed");
    assert_eq!(
        ran.finished("c")["reason"],
        "depends on b, which depends on a, which failed"
    );
    sandbox
        .hoist("install")
        .exits(3)
        .says("depends on b, which depends on a, which failed");
}

#[test]
fn a_core_failure_lets_what_runs_end_and_names_itself_to_the_rest() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("core")
            .tier("core")
            .main("while [[ ! -e $HOME/running ]]; do sleep 0.01; done; return 1"),
    );
    sandbox.add(
        &Module::new("slow").main("touch \"$HOME/running\"; sleep 0.3; touch \"$HOME/ended\""),
    );
    sandbox.add(&Module::new("never").depends("slow"));
    let ran = sandbox.json("install --jobs 2").exits(1);
    assert_eq!(ran.finished("slow")["status"], "installed");
    assert!(sandbox.has("ended"));
    assert_eq!(
        ran.finished("never")["reason"],
        "core failed and aborted the run"
    );
}

#[test]
fn what_failed_is_tried_again_and_what_was_installed_stays() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("flaky").main("[[ -e $HOME/ready ]]"));
    sandbox.add(&Module::new("fine").main("echo x >>\"$HOME/count\""));
    sandbox.json("install").exits(3);
    std::fs::write(sandbox.home().join("ready"), "").unwrap();
    let statuses = sandbox.json("install").exits(0).statuses();
    assert_eq!(
        (statuses["flaky"].as_str(), statuses["fine"].as_str()),
        ("installed", "unchanged")
    );
    assert_eq!(sandbox.read("count"), "x\n");
}

#[test]
fn a_failure_shows_the_end_of_its_output_and_its_log() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("loud").main("for i in {1..50}; do echo line $i; done; return 4"));
    let ran = sandbox
        .hoist("install")
        .exits(3)
        .says("line 50")
        .says("exit code 4");
    assert!(!ran.stdout.contains("line 20\n"));
    let log = ran
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("log: "))
        .unwrap();
    let text = std::fs::read_to_string(log).unwrap();
    assert!(
        text.starts_with("line 1\n") && text.contains("line 50\n"),
        "{text}"
    );
}
