//! What a terminal shows while a run is in progress.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use hoist_tests::{Module, Sandbox, binary, has};

/// A terminal of a size, in which hoist runs.
struct Terminal<'a> {
    sandbox: &'a Sandbox,
    socket: PathBuf,
}

impl<'a> Terminal<'a> {
    fn start(sandbox: &'a Sandbox, (columns, rows): (u32, u32), arguments: &str) -> Self {
        let terminal = Self {
            sandbox,
            socket: sandbox.path(&format!("tmux-{columns}x{rows}")),
        };
        // Ctrl-C reaches the shell as well.
        let line = format!(
            "trap : INT; {} {arguments}; echo status $?; trap '' INT; exec sleep 600",
            binary().display()
        );
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let output = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            &line,
        ]);
        assert!(output.status.success(), "{output:?}");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = self.sandbox.command("tmux");
        command
            .arg("-S")
            .arg(&self.socket)
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color");
        command.args(arguments).output().unwrap()
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// The screen, and all that has scrolled away.
    fn history(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p", "-S", "-"]).stdout).into_owned()
    }

    fn is_cursor_shown(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{cursor_flag}"])
            .stdout
            .starts_with(b"1")
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        for _ in 0..1200 {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{what}:\n{}", self.screen());
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Modules that run until a file exists.
fn waiting(count: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..count {
        let main = "echo \"a line of output that is longer than a narrow terminal is wide, whatever it may say\"; until [ -e ~/go ]; do sleep 0.05; done";
        sandbox.add(&Module::new(&format!("module-with-a-long-name-{number:02}")).main(main));
    }
    sandbox
}

/// The rows of running modules.
fn rows(screen: &str) -> usize {
    screen
        .lines()
        .filter(|line| line.starts_with(|c| ('\u{2800}'..'\u{2900}').contains(&c)))
        .count()
}

#[test]
fn running_modules_have_rows_as_many_as_fit_at_every_width_and_after_a_resize() {
    if !has("tmux") {
        return;
    }
    let sandbox = waiting(40);
    for (size, shown) in [((30, 20), 16), ((100, 30), 26), ((200, 12), 8)] {
        let terminal = Terminal::start(&sandbox, size, "install --force -j 40");
        let screen = terminal.wait("rows", |screen| {
            screen.contains("more") && screen.contains("40 running")
        });
        assert_eq!(rows(&screen), shown, "{screen}");
        assert!(
            screen.contains(&format!("+{} more", 40 - shown)) && screen.contains("0/40 done"),
            "{screen}"
        );
        assert!(!terminal.is_cursor_shown());
        // Each line is one row: nothing has wrapped.
        assert_eq!(
            screen
                .lines()
                .filter(|line| !line.trim().is_empty())
                .count(),
            shown + 2,
            "{screen}"
        );
        terminal.tmux(&["resize-window", "-x", "60", "-y", "24"]);
        let screen = terminal.wait("rows after a resize", |screen| {
            rows(screen) == 20 && screen.contains("+20 more")
        });
        assert_eq!(screen.matches("0/40 done").count(), 1, "{screen}");
        sandbox.put("go", "");
        let screen = terminal.wait("the end", |screen| screen.contains("status 0"));
        let all = terminal.history();
        assert!(
            terminal.is_cursor_shown() && all.contains("40 installed in") && rows(&screen) == 0,
            "{all}"
        );
        assert_eq!(all.matches("✓ module-with").count(), 40, "{all}");
        std::fs::remove_file(sandbox.home().join("go")).unwrap();
    }
}

#[test]
fn an_interrupted_run_restores_the_cursor_and_says_what_was_not_started() {
    if !has("tmux") {
        return;
    }
    let sandbox = waiting(6);
    let terminal = Terminal::start(&sandbox, (100, 30), "install -j 2");
    terminal.wait("rows", |screen| rows(screen) == 2);
    terminal.tmux(&["send-keys", "C-c"]);
    terminal.wait("stopping", |screen| {
        screen.contains("Interrupting running modules")
    });
    terminal.tmux(&["send-keys", "C-c"]);
    let screen = terminal.wait("the end", |screen| screen.contains("status 130"));
    assert!(
        terminal.is_cursor_shown() && screen.contains("2 interrupted, 4 not started in"),
        "{screen}"
    );
    assert!(
        screen.contains("Run `hoist install --resume` to continue."),
        "{screen}"
    );
}

#[test]
fn only_changed_lines_are_written_at_most_ten_times_a_second() {
    if !has("script") {
        return;
    }
    let sandbox = Sandbox::new();
    for number in 0..60 {
        sandbox.add(
            &Module::new(&format!("m{number:02}"))
                .main("for i in 1 2 3 4 5 6 7 8; do echo $i; done; sleep 0.1"),
        );
    }
    let started = std::time::Instant::now();
    let shown = sandbox.terminal("install", "").exits(0).stdout;
    let tenths = started.elapsed().as_millis() / 100;
    let frames = shown.matches("\u{1b}[?2026h").count();
    assert!(
        frames > 2 && frames as u128 <= tenths + 2,
        "{frames} frames in {tenths} tenths of a second"
    );
    assert_eq!(
        shown.matches("\u{1b}[?2026h").count(),
        shown.matches("\u{1b}[?2026l").count()
    );
    assert_eq!(
        (
            shown.matches("\u{1b}[?25l").count(),
            shown.matches("\u{1b}[?25h").count()
        ),
        (1, 1),
        "{shown:?}"
    );
    // A terminal that cannot move its cursor has plain lines.
    let line = format!("TERM=dumb {} install --force", binary().display());
    let dumb = hoist_tests::ran(
        sandbox
            .command("script")
            .args(["-qec", &line, "/dev/null"])
            .output()
            .unwrap(),
    );
    assert!(
        dumb.stdout.contains("installed   m00") && !dumb.stdout.contains('\u{1b}'),
        "{}",
        dumb.stdout
    );
}

#[test]
fn the_summary_lists_failures_once_with_their_last_lines_and_notes_at_the_end() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("fine").main("log_info 'Restart your shell'; log_success installed"));
    sandbox.add(&Module::new("chatty").main("for i in 1 2 3 4 5 6; do log_info \"note $i\"; done"));
    sandbox.add(&Module::new("bad").main("echo first; echo last words; return 7"));
    sandbox.add(&Module::new("dependent").depends("bad"));
    let ran = sandbox.hoist("install").exits(3);
    let log = sandbox.home().join(".local/state/hoist/runs");
    for text in ["main_module failed with exit code 7", "last words"] {
        assert_eq!(
            format!("{}{}", ran.stdout, ran.stderr)
                .matches(text)
                .count(),
            1,
            "{text}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
    let order = [
        "failed   bad: ",
        "| last words",
        "log: ",
        "skipped  dependent  depends on bad, which failed",
        "Notes:",
        "fine: Restart your shell",
    ];
    let places: Vec<usize> = order
        .iter()
        .map(|text| {
            ran.stdout
                .find(text)
                .unwrap_or_else(|| panic!("{text}: {}", ran.stdout))
        })
        .collect();
    assert!(
        places.is_sorted() && ran.stdout.contains(&format!("log: {}", log.display())),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("chatty: note 6")
            && !ran.stdout.contains("note 3\n")
            && ran.stdout.contains("3 earlier notes in the log")
    );
    // What was merely installed is a count.
    assert!(
        !ran.stdout.contains("installed  fine")
            && ran.stdout.contains("1 failed, 2 installed, 1 skipped in"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.ends_with(
            "Fix the errors above, then run `hoist retry`. Installed modules are kept.\n"
        ),
        "{}",
        ran.stdout
    );
    let verbose = sandbox.hoist("install --force -v").exits(3).stdout;
    assert!(
        verbose.contains("installed  fine") && verbose.contains("chatty: note 1"),
        "{verbose}"
    );
    // The core module that ended a run is named last.
    sandbox.add(&Module::new("base").tier("core").main("return 9"));
    let aborted = sandbox.hoist("install").exits(1).stdout;
    assert!(
        aborted.ends_with("The run was aborted because core module base failed.\n"),
        "{aborted}"
    );
}

#[test]
fn tests_are_recorded_and_leave_nothing_to_retry() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("m")
            .field("TEST_FILES", "$HOME/.m")
            .main("touch ~/.m"),
    );
    sandbox.hoist("install").exits(0);
    std::fs::remove_file(sandbox.home().join(".m")).unwrap();
    sandbox.hoist("test").exits(3);
    let runs = sandbox.json("history").exits(0).document();
    assert_eq!(
        (&runs[0]["action"], &runs[0]["status"], &runs[1]["action"]),
        (&"test".into(), &"partial".into(), &"install".into())
    );
    sandbox
        .hoist("report --format junit")
        .exits(0)
        .says("<testsuite name=\"test\" tests=\"1\" failures=\"1\"");
    sandbox.hoist("report").exits(0).says("command: hoist test");
    // A failed test is nothing to retry, to undo or to resume.
    sandbox
        .hoist("retry")
        .exits(0)
        .says("No failed modules to retry");
    sandbox
        .hoist("undo --dry-run")
        .exits(0)
        .says("Undo of install");
    sandbox.hoist("install --resume").exits(0);
    sandbox.hoist("undo -y").exits(0);
    sandbox
        .hoist("history")
        .exits(0)
        .says("succeeded, undone")
        .says("undone by ");
}

#[test]
fn times_are_local_in_text_and_have_their_offset_in_json() {
    let mut sandbox = Sandbox::new();
    sandbox.set("TZ", "NPT-5:45");
    sandbox.add(&Module::new("m"));
    let events = sandbox.json("install").exits(0).events();
    assert!(
        events
            .iter()
            .all(|event| event["at"].as_str().unwrap().ends_with("+05:45")),
        "{events:?}"
    );
    let started = sandbox.json("history").exits(0).document()[0]["started_at"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(started.ends_with("+05:45"), "{started}");
    let shown = started[..19].replace('T', " ");
    sandbox.hoist("history").exits(0).says(&shown);
    sandbox
        .hoist("report")
        .exits(0)
        .says(&format!("started: {shown}"));
    sandbox.hoist("report --format html").exits(0).says(&shown);
}

#[test]
fn what_hoist_does_is_logged_on_request_and_no_secret_is() {
    let mut sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_REPO", "https://user:hunter2pass@localhost:1/x.git")
            .main("true"),
    );
    let logged = sandbox.hoist("install -vv").exits(0).stderr;
    for text in [
        "DEBUG hoist::session: using the collection",
        "DEBUG hoist_ledger::lock: locked",
        "DEBUG hoist_executor::process: running",
        "plan: Install m",
    ] {
        assert!(logged.contains(text), "{text}: {logged}");
    }
    sandbox.set("HOIST_LOG", "hoist_executor=trace");
    let traced = sandbox.hoist("install --force").exits(0).stderr;
    assert!(
        traced.contains("TRACE hoist_executor::execute: TaskStarted")
            && !traced.contains("hoist::session"),
        "{traced}"
    );
    sandbox.set("HOIST_LOG", "trace");
    sandbox.add(
        &Module::new("clone")
            .method("git_clone")
            .field("INSTALL_REPO", "https://user:hunter2pass@localhost:1/x.git")
            .field("INSTALL_DIRS", "$HOME/.c"),
    );
    let cloned = sandbox.hoist("install clone -vvv");
    assert!(
        !format!("{}{}", cloned.stdout, cloned.stderr).contains("hunter2pass"),
        "{}",
        cloned.stderr
    );
}
