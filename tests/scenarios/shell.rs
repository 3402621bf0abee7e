//! How module scripts run: what they see, what they may do, and what comes of it.

use hoist_tests::{Module, Sandbox};

const SOURCE: &str = r#"
SCRIPT_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$SCRIPT_DIR/lib/common.sh"
source "$SCRIPT_DIR/lib/module-handlers.sh"
"#;

fn with_libraries(body: &str) -> String {
    format!("{SOURCE}\nmain_module() {{\n{body}\n}}\n")
}

#[test]
fn metadata_are_exported_and_the_surroundings_are_told() {
    let sandbox = Sandbox::new();
    let body = r#"
        bash -c 'echo "$MODULE_NAME|$MODULE_INSTALL_DIRS|${MODULE_UPDATE_DIR-unset}"' >"$HOME/seen"
        echo "$SCRIPT_DIR|$PKG_MANAGER|$PKG_INSTALL|$PKG_UPDATE|$OS_FAMILY|$OS_ID|$OS_VERSION|$OS_NAME|$FORCE_INSTALL" >>"$HOME/seen"
        echo "${BASH_SOURCE[0]}|$0|$#" >>"$HOME/seen"
        [[ -d $TMPDIR && -z $(ls -A "$TMPDIR" | grep -v '^\.') ]] && touch "$TMPDIR/mine" && echo "$TMPDIR" >"$HOME/tmp""#;
    sandbox.add(
        &Module::new("subject")
            .field("INSTALL_DIRS", "$HOME/x")
            .main(body),
    );
    sandbox.hoist("install").exits(0);
    let seen = sandbox.read("seen");
    let lines: Vec<&str> = seen.lines().collect();
    let home = sandbox.home().display().to_string();
    let collection = sandbox
        .collection()
        .canonicalize()
        .unwrap()
        .display()
        .to_string();
    assert_eq!(lines[0], format!("subject|{home}/x|"));
    let words: Vec<&str> = lines[1].split('|').collect();
    assert_eq!(words[0], collection);
    assert_eq!(
        (words[4], words[5], words[8]),
        ("debian", "debian", "false")
    );
    assert_eq!(
        (words[1], words[2], words[3]),
        ("apt", "apt-get install -y", "apt-get update")
    );
    assert!(words[6..8].iter().all(|word| !word.is_empty()), "{words:?}");
    assert_eq!(lines[2], format!("{collection}/modules/subject.sh|hoist|0"));
    assert!(
        !std::path::Path::new(sandbox.read("tmp").trim()).exists(),
        "the temporary directory is removed"
    );
    sandbox.hoist("install --force").exits(0);
    assert!(sandbox.read("seen").contains("|true\n"));
}

#[test]
fn the_conf_file_wins_also_inside_main_module() {
    let sandbox = Sandbox::new();
    let separate = Module::new("subject")
        .field("DESCRIPTION", "from the conf")
        .field("INSTALL_ARGS", "--conf");
    let embedded = Module::new("subject")
        .field("DESCRIPTION", "embedded")
        .field("INSTALL_REPO", "embedded");
    sandbox.add_separate(&separate);
    sandbox.add(&embedded.main("echo \"$MODULE_DESCRIPTION|$MODULE_INSTALL_ARGS|${MODULE_INSTALL_REPO-unset}\" >\"$HOME/seen\""));
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read("seen"), "from the conf|--conf|\n");
    sandbox.write(
        "modules/subject.conf",
        "MODULE_NAME=\"subject\"\nMODULE_IS_CORE=maybe\n",
    );
    sandbox
        .hoist("install")
        .exits(2)
        .says("subject.conf")
        .says("neither true nor false");
}

#[test]
fn inherited_variables_are_never_metadata() {
    let mut sandbox = Sandbox::new();
    sandbox.set("MODULE_UNINSTALL_DIRS", "/");
    sandbox.set("MODULE_INSTALL_REPO", "https://evil.example.test");
    std::fs::write(sandbox.path("startup"), "exit 77\n").unwrap();
    sandbox.set("BASH_ENV", &sandbox.path("startup").display().to_string());
    sandbox.set("SHELLOPTS", "errexit:noexec");
    sandbox.set("BASH_FUNC_env%%", "() { echo not env; }");
    sandbox.add(
        &Module::new("subject")
            .main("env | grep -E '^MODULE_(INSTALL_REPO|UNINSTALL_DIRS)=' | sort >\"$HOME/seen\""),
    );
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read("seen"), "MODULE_UNINSTALL_DIRS=\n");
}

#[test]
fn modules_run_apart_from_each_other() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("a").main(
        "LEAK=1; export LEAK; cd /; umask 777; leak() { :; }; set -e; shopt -s extglob; exit 0",
    ));
    sandbox.add(
        &Module::new("b")
            .depends("a")
            .main("echo \"${LEAK-none}|$PWD|$(umask)|$(type -t leak)|$-\" >\"$HOME/seen\""),
    );
    sandbox.hoist("install").exits(0);
    let seen = sandbox.read("seen");
    assert!(
        seen.starts_with(&format!("none|{}|0022||", sandbox.collection().display())),
        "{seen}"
    );
    assert!(
        !seen.trim().rsplit('|').next().unwrap().contains('e'),
        "{seen}"
    );
}

#[test]
fn a_script_that_cannot_be_read_fails_before_its_function_is_called() {
    for (script, says) in [
        (
            "main_module() {\n  if true; then\n}\n",
            "cannot read the script",
        ),
        ("return 1\nmain_module() { :; }\n", "cannot read the script"),
        ("exit 0\nmain_module() { :; }\n", "called `exit` before"),
        (
            "set -e\nfalse\nmain_module() { :; }\n",
            "ended with exit code 1 before",
        ),
        (
            "exit 3\nmain_module() { :; }\n",
            "ended with exit code 3 before",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.add(&Module::new("subject").body(&script.replace(":;", "touch \"$HOME/called\";")));
        sandbox.hoist("install").exits(3).says(says);
        assert!(!sandbox.has("called"), "{script}");
    }
}

#[test]
fn guards_at_the_end_of_a_script_mean_nothing_here() {
    let sandbox = Sandbox::new();
    for (name, guard) in [
        (
            "a",
            "[[ \"${BASH_SOURCE[0]}\" == \"$0\" ]] && main_module \"$@\"",
        ),
        (
            "b",
            "if [[ ${BASH_SOURCE[0]} == \"$0\" ]]; then main_module; fi",
        ),
    ] {
        sandbox.add(&Module::new(name).body(&format!(
            "main_module() {{ echo {name} >>\"$HOME/count-{name}\"; }}\n{guard}\n"
        )));
    }
    sandbox.hoist("install").exits(0);
    assert_eq!(
        (sandbox.read("count-a"), sandbox.read("count-b")),
        ("a\n".into(), "b\n".into())
    );
}

#[test]
fn helpers_hold_under_every_shell_option() {
    let body = r#"
        log_info "one" && log_success "two" && log_warning "three" && log_error "four"
        command_exists bash || return 11
        if command_exists no-such-program; then return 12; fi
        is_root || has_sudo || true
        run_as_root true || return 13
        check_prerequisites bash grep || return 14
        if check_prerequisites bash no-such-program; then return 15; fi
        [[ $(get_package_names fd) == fd-find ]] || return 16
        [[ $(get_package_names tree rg) == $'tree\nripgrep' ]] || return 17
        detect_os; detect_package_manager; init_common
        [[ -n $OS_ID && -n $PKG_MANAGER ]] || return 18
        out=$(log_info "not in the output")
        [[ -z $out ]] || return 19
        touch "$HOME/ok-$MODULE_NAME""#;
    let sandbox = Sandbox::new();
    let options = [
        "",
        "set -u",
        "set -e",
        "set -euo pipefail",
        "set -o pipefail",
        "set -eE; trap 'exit 99' ERR",
        "shopt -s nounset 2>/dev/null || set -u",
    ];
    for (number, option) in options.iter().enumerate() {
        let script = if option.contains("ERR") {
            with_libraries(&body.replace("out=", "local out; out="))
        } else {
            with_libraries(body)
        };
        sandbox.add(&Module::new(&format!("m{number}")).body(&format!("{option}\n{script}")));
    }
    let ran = sandbox.json("install").exits(0);
    for (number, option) in options.iter().enumerate() {
        assert!(sandbox.has(&format!("ok-m{number}")), "{option}");
        let messages = ran.finished(&format!("m{number}"))["messages"].clone();
        let messages: Vec<(String, String)> = messages
            .as_array()
            .unwrap()
            .iter()
            .map(|m| {
                (
                    m["level"].as_str().unwrap().to_owned(),
                    m["text"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        let expected = [
            ("info", "one"),
            ("success", "two"),
            ("warning", "three"),
            ("error", "four"),
        ];
        assert_eq!(
            messages[..4],
            expected.map(|(level, text)| (level.to_owned(), text.to_owned())),
            "{option}"
        );
    }
}

#[test]
fn bootstrap_and_dot_and_helpers_without_any_source_work() {
    let sandbox = Sandbox::new();
    let bootstrap = "source \"$(dirname \"${BASH_SOURCE[0]}\")/../lib/module-api.sh\"\nbootstrap_module\nmain_module() { log_info \"$SCRIPT_DIR\"; install_via_git_clone >/dev/null 2>&1 || true; }\n";
    sandbox.add(&Module::new("bootstrap").body(bootstrap));
    sandbox.add(&Module::new("dot").body(". \"$(dirname \"${BASH_SOURCE[0]}\")/../lib/common.sh\"\nmain_module() { log_info dot; }\n"));
    sandbox.add(&Module::new("none").main("log_info none; declare -F install_via_pip >/dev/null"));
    let ran = sandbox.json("install").exits(0);
    let message = |name: &str| {
        ran.finished(name)["messages"][0]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        message("bootstrap"),
        sandbox.collection().display().to_string()
    );
    assert_eq!(
        (message("dot"), message("none")),
        ("dot".into(), "none".into())
    );
}

#[test]
fn a_collection_s_own_libraries_are_used_and_their_messages_are_understood() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "lib/common.sh",
        "declare -A COLOURS=([x]=1)\nlog_info() { echo -e \"\\033[0;34m[INFO]\\033[0m $*\"; }\nlog_error() { echo \"[ERROR] $*\" >&2; }\n",
    );
    sandbox.write(
        "lib/module-handlers.sh",
        "install_via_git_clone() { log_info \"own handler for $1\"; }\n",
    );
    sandbox.add(&Module::new("subject").body(&with_libraries(
        "install_via_git_clone \"$MODULE_NAME\"; log_info \"map ${COLOURS[x]}\"; log_error oops",
    )));
    let ran = sandbox.json("install").exits(0);
    let messages = ran.finished("subject")["messages"].clone();
    // Only lines of one stream have an order.
    let of = |level: &str| {
        let messages = messages
            .as_array()
            .unwrap()
            .iter()
            .filter(|message| message["level"] == level);
        messages
            .map(|message| message["text"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of("info"), of("error")),
        (vec!["own handler for subject", "map 1"], vec!["oops"])
    );
}

#[test]
fn a_home_with_blanks_and_quotes_works() {
    let sandbox = Sandbox::named("my 'odd' \"home\" $x");
    let module = Module::new("subject")
        .field("INSTALL_DIRS", "$HOME/tools $HOME/more")
        .field("TEST_DIRS", "$HOME/tools $HOME/more")
        .field("TEST_FILES", "~/tools/file")
        .field("TEST_BINARIES", "subject-tool")
        .field("TEST_COMMAND", "test -d $HOME/tools && test -f $HOME/tools/file")
        .main("mkdir -p \"$HOME/tools/bin\" \"$HOME/more\"; touch \"$HOME/tools/file\"; ln -s /bin/true \"$HOME/tools/bin/subject-tool\"");
    sandbox.add(&module);
    sandbox.hoist("install").exits(0);
    sandbox.hoist("test").exits(0).says("1 passed");
    assert_eq!(
        sandbox.json("install").exits(0).statuses()["subject"],
        "unchanged"
    );
}

#[test]
fn a_time_limit_ends_the_whole_group() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("slow")
            .field("TIMEOUT", "1")
            .main("trap '' TERM; (sleep 300; touch \"$HOME/late\") & wait; sleep 300"),
    );
    let ran = sandbox.json("install").exits(3);
    assert_eq!(ran.finished("slow")["reason"], "timed out after 1s");
    sandbox.add(&Module::new("slow").main("sleep 300"));
    sandbox
        .hoist("install --timeout 1s")
        .exits(3)
        .says("timed out after 1s");
}

#[test]
fn a_module_that_does_not_do_what_it_declares_has_failed() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("liar").field("TEST_FILES", "$HOME/never"));
    let ran = sandbox.json("install").exits(3);
    assert!(
        ran.finished("liar")["reason"]
            .as_str()
            .unwrap()
            .contains("declared files are missing"),
        "{}",
        ran.stdout
    );
    assert_eq!(sandbox.json("list").document()[0]["state"], "failed");
}

#[test]
fn what_a_script_does_with_its_streams_is_its_own_affair() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("prompt").body("printf 'loading...' >&2\nmain_module() { :; }\n"));
    sandbox.add(
        &Module::new("logged")
            .body("exec >\"$HOME/log\" 2>&1\nmain_module() { echo to the log; }\n"),
    );
    sandbox.add(&Module::new("masked").main("trap 'exit 0' EXIT; return 6"));
    sandbox.add(
        &Module::new("guarded")
            .body("main_module() { :; }\ncommand -v no-such-program >/dev/null && alias x=y\n"),
    );
    sandbox.add(
        &Module::new("shift")
            .body("bits=3; echo $(( 1 << bits ))\nmain_module() { touch \"$HOME/shifted\"; }\n"),
    );
    let statuses = sandbox.json("install").exits(3).statuses();
    let failed: Vec<&String> = statuses
        .iter()
        .filter(|(_, status)| *status != "installed")
        .map(|(name, _)| name)
        .collect();
    assert_eq!(failed, ["masked"], "{statuses:?}");
    assert_eq!(sandbox.read("log"), "to the log\n");
    assert!(sandbox.has("shifted"));
}

#[test]
fn a_question_to_the_terminal_fails_and_does_not_stop_the_run() {
    if !hoist_tests::has("script") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("asks").main(
            "read -r answer </dev/tty || log_warning 'nobody to ask'\ntouch \"$HOME/went-on\"",
        ),
    );
    let command = format!("{} install --no-progress", hoist_tests::binary().display());
    let ran = hoist_tests::ran(
        sandbox
            .command("script")
            .args(["-qec", &command, "/dev/null"])
            .output()
            .unwrap(),
    );
    ran.exits(0).says("nobody to ask");
    assert!(sandbox.has("went-on"));
}

#[test]
fn the_function_that_tests_a_module_also_decides_whether_it_was_installed() {
    let sandbox = Sandbox::new();
    let body =
        "main_module() { touch \"$HOME/f\"; }\ncheck_module_installed() { [[ -f $HOME/f ]]; }\n";
    sandbox.add(
        &Module::new("right")
            .field("TEST_BINARIES", "no-such-binary")
            .body(body),
    );
    sandbox.add(
        &Module::new("wrong")
            .body("main_module() { :; }\ncheck_module_installed() { return 1; }\n"),
    );
    let statuses = sandbox.json("install").exits(3).statuses();
    assert_eq!(
        (statuses["right"].as_str(), statuses["wrong"].as_str()),
        ("installed", "failed")
    );
    assert_eq!(
        sandbox.json("install right").exits(0).statuses()["right"],
        "unchanged"
    );
    assert_eq!(
        sandbox.json("info right").document()["installed"]["adopted"],
        false
    );
}

#[test]
fn colours_do_not_reach_messages_and_long_lines_are_cut() {
    let sandbox = Sandbox::new();
    sandbox
        .add(&Module::new("m").main(
            "log_error $'\\e[31mred\\e[0m'; head -c 100000 /dev/zero | tr '\\0' x; return 1",
        ));
    let ran = sandbox.json("install").exits(3);
    assert_eq!(ran.finished("m")["messages"][0]["text"], "red");
    let shown = sandbox.hoist("install").exits(3).stdout;
    assert!(
        shown.lines().all(|line| line.chars().count() < 500) && !shown.contains('\u{1b}'),
        "{shown}"
    );
}
