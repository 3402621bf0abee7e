//! Modules in TOML: `modules/NAME.toml`.

use hoist_tests::{GitFixture, NpmRegistry, Sandbox, has};

#[test]
fn each_method_installs_updates_tests_and_removes() {
    if !has("git") || !has("npm") {
        return;
    }
    let git = GitFixture::new();
    let repository = git.repository("tool", 1);
    let registry = NpmRegistry::start();
    registry.publish("hoist-one", "1.0.0");
    let sandbox = Sandbox::new();
    sandbox.put(".npmrc", &format!("registry={}\n", registry.url()));
    sandbox.write(
        "modules/tool.toml",
        &format!(
            r#"
description = "A clone"
core = true
timeout = "5m"

[install.git_clone]
url = "{}"
directory = "~/my tool"

[test]
directories = ["~/my tool"]
"#,
            repository.display()
        ),
    );
    sandbox.write(
        "modules/one.toml",
        "description = \"A package\"\ndepends = [\"tool\"]\ninstall.npm = [\"hoist-one\"]\ntest.binaries = [\"hoist-one\"]\n",
    );
    sandbox.write(
        "modules/own.toml",
        r#"
description = "Commands"
enabled_by_default = false
directories = ["~/.own"]

[install]
command = """
mkdir -p ~/.own
echo "$MODULE_NAME" > ~/.own/name
"""

[update]
command = "date +%N >> ~/.own/updates"

[test]
command = "grep -q own ~/.own/name"

[uninstall]
command = "echo removed > ~/removed"
"#,
    );
    let ran = sandbox.json("install").exits(0);
    let statuses = ran.statuses();
    assert_eq!(
        (statuses["tool"].as_str(), statuses["one"].as_str()),
        ("installed", "installed"),
        "{}",
        ran.stdout
    );
    assert!(!statuses.contains_key("own"), "it is optional");
    sandbox.hoist("install own").exits(0);
    assert_eq!(sandbox.read(".own/name"), "own\n");
    assert!(sandbox.has("my tool/.git") && sandbox.has(".local/bin/hoist-one"));
    sandbox.hoist("test").exits(0).says("3 passed");
    let again = sandbox.json("install --all").exits(0).statuses();
    assert!(
        again.values().all(|status| status == "unchanged"),
        "{again:?}"
    );

    // Each is updated in the way of its method where nothing else is said.
    registry.publish("hoist-one", "1.1.0");
    std::fs::write(git.path("tool.work/more"), "more\n").unwrap();
    git.commit("tool.work", "more");
    git.git("tool.work", &["push", "-q", "../tool.git", "main"]);
    let updated = sandbox.json("update").exits(0).statuses();
    for name in ["tool", "one", "own"] {
        assert_eq!(updated[name], "updated", "{updated:?}");
    }
    assert!(sandbox.has("my tool/more"));
    let info = sandbox.json("info one").document();
    assert_eq!(info["version"], "1.1.0", "{info}");

    sandbox.hoist("remove own one tool -y").exits(0);
    assert_eq!(sandbox.read("removed"), "removed\n");
    assert!(
        !sandbox.has("my tool") && !sandbox.has(".own") && !sandbox.has(".local/bin/hoist-one")
    );
    sandbox.hoist("undo --yes").exits(0);
    assert!(sandbox.has("my tool/more") && sandbox.has(".local/bin/hoist-one"));
}

#[test]
fn modules_and_installs_for_other_machines_are_left_out() {
    let sandbox = Sandbox::new();
    let module = |name: &str, text: &str| {
        sandbox.write(
            &format!("modules/{name}.toml"),
            &format!("description = \"x\"\n{text}"),
        );
    };
    let touch = |file: &str| format!("command = \"touch ~/{file}\"\n");
    module(
        "mac",
        &format!("[when]\nos = \"macos\"\n[install]\n{}", touch("mac")),
    );
    module(
        "needs-mac",
        &format!("depends = [\"mac\"]\n[install]\n{}", touch("needs")),
    );
    module(
        "core-mac",
        &format!(
            "core = true\nwhen.os = [\"macos\"]\n[install]\n{}",
            touch("core")
        ),
    );
    module(
        "several",
        &format!(
            "[[install]]\nwhen.family = \"nowhere\"\n{}\n[[install]]\nwhen.os = \"linux\"\n{}\n[[install]]\n{}",
            touch("first"),
            touch("second"),
            touch("third")
        ),
    );
    module(
        "none",
        &format!(
            "[[install]]\nwhen.family = \"nowhere\"\nwhen.arch = \"z80\"\n{}\n[[install]]\nwhen.os = \"macos\"\n{}",
            touch("fourth"),
            touch("fifth")
        ),
    );
    let ran = sandbox.hoist("install").exits(0);
    assert!(sandbox.has("second"), "{}", ran.stdout);
    for file in ["mac", "needs", "core", "first", "third", "fourth", "fifth"] {
        assert!(!sandbox.has(file), "{file}");
    }
    sandbox
        .hoist("plan install")
        .exits(0)
        .says("only for macos")
        .says("only for nowhere, z80; macos")
        .says("depends on mac, which is left out");
    sandbox.hoist("list").exits(0).says("unavailable");
    sandbox.hoist("info mac").exits(0).says("only for macos");
    sandbox
        .hoist("install mac")
        .exits(2)
        .says("mac cannot be installed on this machine: it is only for macos");
    sandbox
        .hoist("install needs-mac")
        .exits(2)
        .says("depends on mac, which is only for macos");
    module(
        "core-needs",
        &format!(
            "core = true\ndepends = [\"mac\"]\n[install]\n{}",
            touch("x")
        ),
    );
    sandbox
        .hoist("install")
        .exits(2)
        .says("core-needs is a core module and depends on mac, which is only for macos");
}

#[test]
fn mistakes_are_said_with_their_places() {
    let sandbox = Sandbox::new();
    for (text, line, said, help) in [
        (
            "descripton = \"x\"\n[install]\ncommand = \"true\"\n",
            1,
            "unknown key `descripton`",
            "did you mean `description`?",
        ),
        (
            "description = \"x\"\ncore = \"yes\"\ninstall.command = \"true\"\n",
            2,
            "core: expected true or false",
            "without quotes",
        ),
        (
            "description = \"x\"\n[install.git_clone]\nurl = \"https://example.org/x\"\n",
            2,
            "install.git_clone.directory: missing",
            "add the key",
        ),
        (
            "description = \"x\"\n[install]\npip = [\"six\"]\nnpm = [\"x\"]\n",
            2,
            "an install has one method, but this one has pip and npm",
            "[[install]]",
        ),
        (
            "description = \"x\"\n[install.pipp]\n",
            2,
            "unknown key `pipp`",
            "did you mean `pip`?",
        ),
        (
            "description = \"x\"\ninstall.command = \"true\"\n[test]\nfiles = [\"relative\"]\n",
            4,
            "`relative` is not an absolute path",
            "start it with ~/ or /",
        ),
        (
            "description = \"x\"\ninstall.command = \"true\"\ndepends = \"other\"\n",
            3,
            "expected a list of strings",
            "write [",
        ),
        (
            "description = \"x\"\ninstall.command = \"true\"\nupdate.method = \"git_pul\"\n",
            3,
            "`git_pul` is an unknown method",
            "did you mean `git_pull`?",
        ),
        (
            "description = \"x\"\ninstall.command = \"true\"\ntimeout = \"soon\"\n",
            3,
            "is not a duration",
            "15m",
        ),
        (
            "description = x\n",
            1,
            "not a TOML document",
            "correct the line",
        ),
        (
            "description = \"x\"\ndescription = \"y\"\n",
            2,
            "duplicate key",
            "correct the line",
        ),
    ] {
        sandbox.write("modules/m.toml", text);
        let ran = sandbox.hoist("validate").exits(2);
        let place = format!("modules/m.toml:{line}:");
        let ran = ran.says(said).says(help).says(&place);
        assert!(ran.stderr.contains("m: ") || ran.stdout.contains("m: "));
    }
    // One file alone, wherever it stands.
    sandbox.put("else/n.toml", "description = \"x\"\ninstall.command = 1\n");
    let path = sandbox.home().join("else/n.toml");
    sandbox
        .hoist(&format!("validate {}", path.display()))
        .exits(2)
        .says("install.command: expected a string");
}

#[test]
fn the_schema_accepts_what_is_read_and_refuses_what_is_not() {
    let sandbox = Sandbox::new();
    let schema = sandbox.hoist("schema toml-module").exits(0).document();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let read = |text: &str| -> serde_json::Value { toml::from_str(text).unwrap() };
    for text in [
        "description = \"x\"\ninstall.cargo = {}\n",
        "description = \"x\"\ntimeout = 90\n[[install]]\nwhen.os = \"linux\"\ncommand = \"true\"\n",
        "description = \"x\"\n[install.pip]\npackages = [\"six\"]\ndirectory = \"~/x\"\n",
    ] {
        assert!(schema.is_valid(&read(text)), "{text}");
        sandbox.write("modules/m.toml", text);
        sandbox.hoist("validate").exits(0);
    }
    for text in [
        "install.command = \"true\"\n",
        "description = 1\ninstall.command = \"true\"\n",
        "description = \"x\"\ninstall.snap = {}\n",
    ] {
        assert!(!schema.is_valid(&read(text)), "{text}");
        sandbox.write("modules/m.toml", text);
        sandbox.hoist("validate").exits(2);
    }
}
