//! `download_script` against a real HTTP server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hoist_tests::{Answer, Module, Sandbox, Server};

const SCRIPT: &str = "#!/usr/bin/env bash\nset -eu\necho \"installing with $*\"\nmkdir -p \"$HOME/.local/bin\"\nprintf '#!/bin/sh\\n' >\"$HOME/.local/bin/fetched\"\nchmod +x \"$HOME/.local/bin/fetched\"\n";
/// `sha256sum` of the text above.
const DIGEST: &str = "3db6287352f9f8cd15ed525fe69fb7cb4767cbc4165942f5afc5e6f356346d70";

fn module(url: &str) -> Module {
    Module::new("subject")
        .method("download_script")
        .field("INSTALL_REPO", url)
        .field("TEST_BINARIES", "fetched")
}

#[test]
fn a_script_is_fetched_checked_and_run() {
    let server = Server::start(|_| Answer::new(200, SCRIPT));
    let sandbox = Sandbox::new();
    sandbox.add(
        &module(&server.url("/install.sh"))
            .field("INSTALL_SHA256", DIGEST)
            .field("INSTALL_ARGS", "--prefix x"),
    );
    sandbox
        .hoist("install -v")
        .exits(0)
        .says("installing with --prefix x");
    assert!(sandbox.has(".local/bin/fetched"));
    assert_eq!(
        std::fs::read_dir(sandbox.path("tmp")).unwrap().count(),
        0,
        "the file is removed"
    );
}

#[test]
fn a_wrong_digest_is_not_run_and_a_missing_one_is_shown() {
    let server = Server::start(|_| Answer::new(200, SCRIPT));
    let sandbox = Sandbox::new();
    sandbox.add(&module(&server.url("/install.sh")).field("INSTALL_SHA256", &"0".repeat(64)));
    sandbox
        .hoist("install")
        .exits(3)
        .says(DIGEST)
        .says("it was not run");
    assert!(!sandbox.has(".local/bin/fetched"));
    sandbox.add(&module(&server.url("/install.sh")));
    let ran = sandbox.json("install").exits(0);
    assert!(
        ran.finished("subject")["messages"][0]["text"]
            .as_str()
            .unwrap()
            .contains(DIGEST),
        "{}",
        ran.stdout
    );
}

#[test]
fn answers_that_are_no_script_are_failures() {
    for (answer, says) in [
        (
            Answer::new(404, "#!/bin/sh\ntouch \"$HOME/ran\"\n"),
            "the server returned 404",
        ),
        (Answer::new(403, "no"), "the server returned 403"),
        (Answer::new(200, ""), "the script is empty"),
        (
            Answer::new(200, "<!DOCTYPE html><html>sign in</html>"),
            "a web page, not a script",
        ),
        (Answer::new(200, "exit 9\n"), "failed with exit code 9"),
        (
            Answer::new(200, vec![b'#'; 65 * 1024 * 1024]),
            "larger than 64 MiB",
        ),
    ] {
        let server = Server::start(move |_| answer.clone());
        let sandbox = Sandbox::new();
        sandbox.add(&module(&server.url("/install.sh")));
        sandbox.hoist("install").exits(3).says(says);
        assert!(!sandbox.has("ran"));
        assert_eq!(server.requests().len(), 1, "{says}: not tried again");
    }
}

#[test]
fn only_errors_of_the_network_are_tried_again() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = Server::start(|_| match COUNT.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::new(503, "later"),
        1 => Answer {
            announced: Some(100_000),
            ..Answer::new(200, "#!/bin/sh\ntouch \"$HOME/half\"\n")
        },
        _ => Answer::new(200, SCRIPT),
    });
    let sandbox = Sandbox::new();
    sandbox.add(&module(&server.url("/install.sh")));
    sandbox
        .hoist("install")
        .exits(0)
        .says("retry")
        .says("was interrupted");
    assert_eq!(server.requests().len(), 3);
    assert!(!sandbox.has("half"), "half a script is never run");
}

#[test]
fn a_server_that_stalls_runs_into_the_time_limit() {
    let server = Server::start(|_| Answer {
        announced: Some(1000),
        stall: Duration::from_secs(20),
        ..Answer::new(200, "#!/bin/sh\n")
    });
    let sandbox = Sandbox::new();
    sandbox.add(&module(&server.url("/install.sh")).field("TIMEOUT", "1"));
    sandbox.hoist("install").exits(3).says("timed out after 1s");
}

#[test]
fn the_helper_does_what_the_method_does() {
    let server = Server::start(|_| Answer::new(200, SCRIPT));
    let sandbox = Sandbox::new();
    sandbox.add(
        &module(&server.url("/install.sh"))
            .field("INSTALL_SHA256", DIGEST)
            .main("install_via_download_script \"$MODULE_NAME\""),
    );
    sandbox.hoist("install").exits(0);
    assert!(sandbox.has(".local/bin/fetched"));
    let wrong = Sandbox::new();
    wrong.add(
        &module(&server.url("/install.sh"))
            .field("INSTALL_SHA256", &"1".repeat(64))
            .main("install_via_download_script \"$MODULE_NAME\""),
    );
    wrong.hoist("install").exits(3).says("it was not run");
}
