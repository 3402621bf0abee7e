//! Interrupts: graceful first, then at once; nothing outlives hoist.

use std::process::{Child, Command};
use std::time::Duration;

use hoist_tests::{Module, Ran, Sandbox, ran};

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args([&format!("-{name}"), &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

fn wait_for(sandbox: &Sandbox, file: &str) {
    while !sandbox.has(file) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// True when a process with this command line lives.
fn lives(words: &str) -> bool {
    let output = Command::new("ps")
        .args(["-eo", "stat=,args="])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .any(|line| !line.starts_with('Z') && line.contains(words))
}

fn interrupted(name: &str, body: &str, signals: &[&str]) -> (Sandbox, Ran) {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("busy").main(body));
    sandbox.add(&Module::new("later").depends("busy"));
    sandbox.add(&Module::new("done").main("touch \"$HOME/done\""));
    let child = sandbox.start("install --output json --jobs 2");
    wait_for(&sandbox, "up");
    wait_for(&sandbox, "done");
    for (number, name) in signals.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(Duration::from_millis(200));
        }
        signal(&child, name);
    }
    let output = child.wait_with_output().unwrap();
    assert!(!lives(name), "{name} outlived hoist");
    (sandbox, ran(output))
}

#[test]
fn one_interrupt_ends_children_gracefully_and_every_module_has_its_line() {
    for name in ["INT", "TERM"] {
        let body = "trap 'touch \"$HOME/cleaned\"; exit 1' TERM; touch \"$HOME/up\"; while :; do sleep 0.01; done";
        let (sandbox, ran) = interrupted("no-such-process", body, &[name]);
        let ran = ran.exits(130);
        assert!(sandbox.has("cleaned"), "the module could clean up");
        let statuses = ran.statuses();
        assert_eq!(
            (statuses["busy"].as_str(), statuses["later"].as_str()),
            ("interrupted", "not_started")
        );
        assert_eq!(ran.events().pop().unwrap()["status"], "interrupted");
        assert_eq!(
            sandbox.json("history").document()[0]["status"],
            "interrupted"
        );
        let listed = sandbox.json("list").exits(0).document();
        let busy = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|module| module["name"] == "busy")
            .unwrap();
        assert_eq!(busy["state"], "interrupted");
        sandbox.add(&Module::new("busy"));
        assert_eq!(
            sandbox.json("install").exits(0).statuses()["busy"],
            "installed"
        );
    }
}

#[test]
fn a_second_interrupt_kills() {
    let body = "trap '' TERM INT; touch \"$HOME/up\"; sleep 7131 & while :; do sleep 7131; done";
    let (_, ran) = interrupted("sleep 7131", body, &["INT", "INT"]);
    assert_eq!(ran.exits(130).finished("busy")["reason"], "interrupted");
}

#[test]
fn a_failed_module_leaves_no_process_behind() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("leaver").main("sleep 7132 & sleep 7132 & return 1"));
    sandbox.hoist("install").exits(3);
    assert!(!lives("sleep 7132"));
}

#[test]
fn a_reader_that_stands_still_holds_up_neither_limits_nor_interrupts() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("chatty")
            .field("TIMEOUT", "1")
            .main("yes \"$(head -c 2000 /dev/zero | tr '\\0' y)\" | head -c 3000000; touch \"$HOME/up\"; sleep 7133"),
    );
    let child = sandbox.start("install --output json -v");
    wait_for(&sandbox, "up");
    while lives("sleep 7133") {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Only now somebody reads.
    ran(child.wait_with_output().unwrap())
        .exits(3)
        .says("timed out after 1s");
}
