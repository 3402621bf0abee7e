//! Plugins: read, configured, installed with their hooks, removed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hoist_tests::{Module, Sandbox};

/// Writes a file of a plugin of the collection; a script may be run.
fn file(sandbox: &Sandbox, plugin: &str, path: &str, text: &str) {
    sandbox.write(&format!("plugins/{plugin}/{path}"), text);
    if text.starts_with("#!") {
        let path = sandbox.collection().join("plugins").join(plugin).join(path);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
}

fn plugin(sandbox: &Sandbox, name: &str, version: &str, more: &str) {
    file(
        sandbox,
        name,
        "plugin.yml",
        &format!("name: {name}\nversion: {version}\ndescription: The plugin {name}\n{more}"),
    );
}

const SCHEMA: &str = r#"{ "type": "object", "properties": {
  "app": { "type": "object", "required": ["name"], "properties": {
    "name": { "type": "string" }, "port": { "type": "integer", "maximum": 65535 }, "secret_key": { "type": "string", "minLength": 8 } } } } }"#;

/// The walk-through of the plugin document, as it is written there.
fn walk_through(directory: &Path) {
    let put = |path: &str, text: &str| {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put(
        "plugin.yml",
        "name: my-plugin\nversion: 1.0.0\ndescription: My custom plugin for Windflow\nauthor: Your Name\nlicense: MIT\n\ndependencies:\n  - core: \">=1.0.0\"\n\nconfig:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\n\nhooks:\n  pre-deploy: hooks/pre-deploy.sh\n  post-deploy: hooks/post-deploy.sh\n",
    );
    put(
        "config/schema.json",
        "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n  \"type\": \"object\",\n  \"properties\": {\n    \"app\": {\n      \"type\": \"object\",\n      \"properties\": {\n        \"name\": { \"type\": \"string\" },\n        \"version\": { \"type\": \"string\" }\n      },\n      \"required\": [\"name\"]\n    }\n  }\n}\n",
    );
    put(
        "config/defaults.yaml",
        "app:\n  name: my-app\n  version: 1.0.0\n",
    );
    for side in ["pre", "post"] {
        put(
            &format!("hooks/{side}-deploy.sh"),
            &format!("#!/bin/bash\necho \"Running {side}-deploy hook for my-plugin\"\nexit 0\n"),
        );
    }
    put("README.md", "# My Plugin\n");
}

#[test]
fn the_documents_simple_plugin_is_valid_wherever_it_stands() {
    let sandbox = Sandbox::new();
    walk_through(&sandbox.path("my-plugin"));
    let beside = sandbox.path("my-plugin").display().to_string();
    // Hooks that nobody made executable are run by bash, which is said.
    sandbox
        .hoist(&format!("plugin validate {beside}"))
        .exits(0)
        .says("1 plugin checked: ok, 2 warnings")
        .says("is not executable; it is run with bash");
    sandbox
        .hoist(&format!("validate {beside}"))
        .exits(0)
        .says("1 manifest checked: ok, 2 warnings");
    walk_through(&sandbox.collection().join("plugins/my-plugin"));
    let listed = sandbox.json("plugin list").exits(0).document();
    assert_eq!(
        (
            listed[0]["name"].as_str(),
            listed[0]["offered"].as_str(),
            listed[0]["state"].as_str()
        ),
        (Some("my-plugin"), Some("1.0.0"), Some("available"))
    );
    sandbox
        .hoist("plugin config my-plugin --show-origin")
        .exits(0)
        .says("my-app")
        .says("config/defaults.yaml:2");
    sandbox
        .hoist("plugin install my-plugin")
        .exits(0)
        .says("1 installed");
    assert!(sandbox.has(".local/share/hoist/plugins/my-plugin/hooks/pre-deploy.sh"));
    sandbox
        .hoist("plugin install my-plugin")
        .exits(0)
        .says("1 unchanged");
    sandbox.hoist("list").exits(0).says("installed");
    sandbox
        .hoist("plugin remove my-plugin -y")
        .exits(0)
        .says("1 removed");
    assert!(!sandbox.has(".local/share/hoist/plugins/my-plugin"));
}

#[test]
fn a_new_plugin_validates_as_it_stands() {
    let sandbox = Sandbox::new();
    sandbox
        .hoist("plugin new shop")
        .exits(0)
        .says("plugin validate shop\n")
        .says("plugin deploy shop\n");
    let directory = sandbox.path("elsewhere");
    sandbox
        .hoist(&format!(
            "plugin new other --kind basic --directory {}",
            directory.display()
        ))
        .exits(0);
    sandbox
        .hoist(&format!(
            "plugin validate {}",
            directory.join("other").display()
        ))
        .exits(0)
        .says("ok, 0 warnings");
    sandbox
        .hoist("plugin validate shop")
        .exits(0)
        .says("ok, 0 warnings");
    sandbox
        .hoist("plugin new shop --directory plugins")
        .exits(2)
        .says("already exists");
    for kind in ["compose", "host"] {
        sandbox
            .hoist(&format!("plugin new my-{kind} --kind {kind}"))
            .exits(0);
        sandbox
            .hoist(&format!(
                "plugin validate my-{kind} --set host.connection.host=h"
            ))
            .exits(0)
            .says("1 plugin checked: ok");
    }
    // What comes with hoist is there without any collection.
    let elsewhere = sandbox.path("elsewhere").display().to_string();
    let anywhere = |arguments: &str| {
        hoist_tests::ran(
            sandbox
                .command(hoist_tests::binary())
                .current_dir(&elsewhere)
                .args(arguments.split_whitespace())
                .output()
                .unwrap(),
        )
    };
    anywhere("plugin validate template other")
        .exits(0)
        .says("2 plugins checked: ok, 0 warnings");
    anywhere("plugin config template --show-origin")
        .exits(0)
        .says("server.host_port")
        .says("HOST_PORT");
    anywhere("plugin config tmplate")
        .exits(2)
        .says("did you mean `template`?");
    anywhere("plugin deploy other").exits(0).says("1 deployed");
    sandbox
        .hoist("plugin new a/b")
        .exits(2)
        .says("is not a module name");
    sandbox
        .hoist("plugin config shp")
        .exits(2)
        .says("unknown plugin `shp`");
}

#[test]
fn versions_go_together_and_a_conflict_is_explained() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("tool").tier("optional").depends("db"));
    plugin(
        &sandbox,
        "shop",
        "2.0.0",
        "dependencies:\n  - core: \">=1.0.0\"\n  - db: ^1.2\n  - tool\n  - cache: {optional: true}\n",
    );
    plugin(&sandbox, "db", "2.0.0", "");
    let other = Sandbox::new();
    plugin(&other, "db", "1.3.0", "");
    let other = other.collection().display().to_string();
    sandbox
        .hoist("plan install shop")
        .exits(2)
        .says("shop")
        .says("db")
        .says("2.0.0");
    // A shell module needs the plugin, and the plugin needs the shell module.
    let run = sandbox
        .json(&format!("-C . -C {other} install shop"))
        .exits(0);
    assert_eq!(run.finished("db")["to"], "1.3.0");
    assert_eq!(
        run.statuses().len(),
        3,
        "what is optional and nowhere is left out"
    );
    sandbox
        .hoist(&format!("-C . -C {other} plugin remove db -y"))
        .exits(2)
        .says("is required by shop");
    let removed = sandbox
        .json(&format!("-C . -C {other} plugin remove db -y --cascade"))
        .exits(0);
    assert_eq!(removed.statuses().len(), 3);
    plugin(
        &sandbox,
        "lost",
        "1.0.0",
        "dependencies:\n  - databse: \">=2.0.0\"\n",
    );
    let lost = sandbox
        .hoist("plan install lost")
        .exits(2)
        .says("depends on databse >=2.0.0, which no source provides")
        .says("plugins/lost/plugin.yml:5:14");
    assert!(
        lost.stderr.contains("provides: { databse: \"VERSION\" }"),
        "{}",
        lost.stderr
    );
    sandbox.write("hoist.yml", "provides:\n  databse: \"2.1\"\n");
    sandbox
        .hoist("plan install lost")
        .exits(0)
        .says("1 to change");
    sandbox.write(
        "hoist.yml",
        "provides:\n  databse: \"1.9\"\n  core: 0.5.0\n",
    );
    sandbox.hoist("plan install lost").exits(2).says("databse");
    sandbox
        .hoist(&format!("-C . -C {other} plan install shop"))
        .exits(2)
        .says("core");
    sandbox.write("hoist.yml", "provides:\n  core: newest\n");
    sandbox
        .hoist("list")
        .exits(2)
        .says("provides.core")
        .says("is not a version");
}

#[test]
fn an_optional_dependency_may_fail() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("cache").tier("optional").main("exit 3"));
    plugin(
        &sandbox,
        "shop",
        "1.0.0",
        "dependencies:\n  cache: {optional: true}\n",
    );
    let run = sandbox.json("install shop").exits(3);
    assert_eq!(
        (
            run.statuses()["cache"].as_str(),
            run.statuses()["shop"].as_str()
        ),
        ("failed", "installed")
    );
}

#[test]
fn hooks_see_the_configuration_and_a_failing_one_leaves_nothing() {
    let mut sandbox = Sandbox::new();
    let hooks = "config:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\nhooks:\n  pre-install: hooks/pre.sh\n  post-install: hooks/post.sh\n  pre-remove: hooks/remove.sh\n  post-remove: hooks/gone.sh\n";
    plugin(&sandbox, "shop", "1.0.0", hooks);
    file(&sandbox, "shop", "config/schema.json", SCHEMA);
    file(
        &sandbox,
        "shop",
        "config/defaults.yaml",
        "app:\n  name: shop app\n  port: 80\n",
    );
    file(
        &sandbox,
        "shop",
        "config/env.yaml",
        "SHOP_PORT: app.port\nSHOP_KEY: app.secret_key\n",
    );
    let canary = "canary-0123456789";
    let leak = "#!/bin/sh\necho \"key $SHOP_KEY\"; printf 'split %s' \"${SHOP_KEY%456789}\"; printf '%s\\n' 456789; printf %s \"$SHOP_KEY\" | base64\n";
    let tell = "grep -q canary \"$HOIST_CONFIG\" && stat -c %a \"$HOIST_CONFIG\"; pwd; echo $SHOP_PORT \"$CONFIG_APP_NAME\" $HOIST_HOOK\n";
    file(&sandbox, "shop", "hooks/pre.sh", &format!("{leak}{tell}"));
    file(
        &sandbox,
        "shop",
        "hooks/post.sh",
        "#!/bin/sh\necho \"failing with $SHOP_KEY\" >&2\nexit 7\n",
    );
    file(
        &sandbox,
        "shop",
        "hooks/remove.sh",
        "echo removing from $PWD\n",
    );
    file(
        &sandbox,
        "shop",
        "hooks/gone.sh",
        "#!/bin/sh\ntest ! -e \"$HOME/.local/share/hoist/plugins/shop\" && echo it has gone\n",
    );
    sandbox.set("SHOP_PORT", "8080");
    sandbox.set("SHOP_KEY", canary);
    let failed = sandbox.json("install shop -v").exits(3);
    let shop = failed.finished("shop");
    let reason = shop["reason"].as_str().unwrap();
    assert!(
        reason
            .contains("post-install hook (hooks/post.sh) ended with exit code 7: failing with •••"),
        "{reason}"
    );
    assert!(
        !sandbox.has(".local/share/hoist/plugins/shop"),
        "what it had put there is gone"
    );
    let messages: Vec<&str> = shop["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["text"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages[..3],
        ["key •••", "split •••", "•••"],
        "{messages:?}"
    );
    assert!(
        messages.contains(&"600") && messages.contains(&"8080 shop app pre-install"),
        "{messages:?}"
    );
    file(
        &sandbox,
        "shop",
        "hooks/post.sh",
        "#!/bin/sh\necho \"$SHOP_KEY\" | rev\n",
    );
    sandbox.hoist("install shop").exits(0).says("1 installed");
    sandbox.hoist("remove shop -y").exits(0);
    sandbox
        .hoist("report")
        .exits(0)
        .says("it has gone")
        .says("removing from");
    // Nowhere in what hoist keeps, shows or writes is the secret.
    let mut waiting = vec![sandbox.home(), sandbox.path("tmp")];
    while let Some(path) = waiting.pop() {
        for entry in std::fs::read_dir(&path).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else {
                let content = std::fs::read(entry.path()).unwrap();
                let found = content
                    .windows(canary.len())
                    .any(|window| window == canary.as_bytes());
                assert!(!found, "{}", entry.path().display());
            }
        }
    }
    assert!(!failed.stdout.contains(canary) && !failed.stderr.contains(canary));
    for command in [
        "report",
        "history",
        "report --format lines",
        "list",
        "plugin config shop --show-origin",
    ] {
        let told = sandbox.hoist(command);
        assert!(
            !told.stdout.contains(canary) && !told.stderr.contains(canary),
            "{command}"
        );
    }
    // A hook that fails before anything was changed.
    file(&sandbox, "shop", "hooks/pre.sh", "#!/bin/sh\nexit 1\n");
    sandbox
        .hoist("install shop")
        .exits(3)
        .says("pre-install hook (hooks/pre.sh) ended with exit code 1");
    assert!(!sandbox.has(".local/share/hoist/plugins/shop"));
}

#[test]
fn secrets_are_found_wherever_a_line_is_cut_and_no_error_quotes_one() {
    let mut sandbox = Sandbox::new();
    plugin(
        &sandbox,
        "shop",
        "1.0.0",
        "config:\n  schema: config/schema.json\nhooks:\n  pre-install: hooks/pre.sh\n",
    );
    let schema = r#"{ "type": "object", "properties": { "app": { "type": "object", "properties": { "secret_key": { "type": "string" } } },
        "vault": { "type": "object", "writeOnly": true, "additionalProperties": { "type": "string" } } },
        "patternProperties": { "^x-": { "type": "string", "writeOnly": true, "minLength": 30 } } }"#;
    file(&sandbox, "shop", "config/schema.json", schema);
    file(
        &sandbox,
        "shop",
        "config/env.yaml",
        "SHOP_KEY: app.secret_key\n",
    );
    let canary = "cänary-0123456789-größe";
    sandbox.set("SHOP_KEY", canary);
    let parts = ["0123456789", "nary-01234", "größe"];
    let leaks = |text: &str| parts.iter().any(|part| text.contains(part));
    for before in [0, 16_370, 16_380, 16_383, 16_384, 32_760, 32_768] {
        let line = format!(
            "head -c {before} /dev/zero | tr '\\0' x; printf '%s%s\\n' \"$SHOP_KEY\" $(head -c 20000 /dev/zero | tr '\\0' y)"
        );
        file(
            &sandbox,
            "shop",
            "hooks/pre.sh",
            &format!("#!/bin/sh\n{{ {line}; }}; {{ {line}; }} >&2; exit 7\n"),
        );
        let run = sandbox.json("install shop -v").exits(3);
        assert!(!leaks(&run.stdout) && run.stdout.contains("•"), "{before}");
        for format in ["junit", "html", "lines", "text"] {
            let report = sandbox.hoist(&format!("report --format {format}"));
            assert!(!leaks(&report.stdout), "{before} {format}");
        }
        for path in sandbox.files(".local/state/hoist") {
            let text =
                std::fs::read(sandbox.home().join(".local/state/hoist").join(&path)).unwrap();
            assert!(!leaks(&String::from_utf8_lossy(&text)), "{before} {path}");
        }
    }
    // The names in a map that is a secret as a whole are a part of it.
    sandbox.put("vault.yaml", "vault:\n  0123456789: one-secret\n");
    file(
        &sandbox,
        "shop",
        "hooks/pre.sh",
        "#!/bin/sh\necho got 0123456789 and one-secret\n",
    );
    let vault = format!("--config {}", sandbox.home().join("vault.yaml").display());
    let run = sandbox
        .json(&format!("plugin deploy shop -v {vault}"))
        .exits(0);
    assert!(run.stdout.contains("got ••• and •••"), "{}", run.stdout);
    for command in [
        format!("plugin config shop {vault}"),
        format!("plugin config shop --show-origin {vault}"),
    ] {
        for ran in [
            sandbox.hoist(&command).exits(0),
            sandbox.json(&command).exits(0),
        ] {
            assert!(
                ran.stdout.contains("vault") && !leaks(&ran.stdout) && !leaks(&ran.stderr),
                "{command}: {}",
                ran.stdout
            );
        }
    }
    let mistakes = [
        "x-canary: 0123456789\n",
        "app:\n  secret_key: \"0123456789\n",
        "app: {secret_key: *0123456789}\n",
        "app:\n  secret_key: 0123456789\n  secret_key: 0123456789\n",
        "app:\n  secret_key: !0123456789 x\n  - 0123456789\n",
        "app:\n\tsecret_key: 0123456789\n",
    ];
    for mistake in mistakes {
        let path = sandbox.put("mine.yaml", mistake);
        let ran = sandbox
            .hoist(&format!("plugin config shop --config {}", path.display()))
            .exits(2);
        assert!(
            !leaks(&ran.stderr) && !leaks(&ran.stdout),
            "{mistake}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
    // What a deployment was given is masked in everything that takes it down.
    let hooks = "hooks:\n  pre-remove: hooks/remove.sh\n";
    plugin(
        &sandbox,
        "shop",
        "1.1.0",
        &format!("config:\n  schema: config/schema.json\n{hooks}"),
    );
    file(
        &sandbox,
        "shop",
        "hooks/remove.sh",
        "#!/bin/sh\necho \"going with $SHOP_KEY\"; echo 0123456789 >&2; exit $(cat ~/code)\n",
    );
    for command in [
        "plugin undeploy shop -y",
        "plugin remove shop -y",
        "uninstall shop -y",
    ] {
        sandbox.put("code", "1\n");
        sandbox
            .hoist(&format!("plugin deploy shop {vault}"))
            .exits(0);
        for code in ["1\n", "0\n"] {
            sandbox.put("code", code);
            let ran = sandbox.json(&format!("{command} -v"));
            let is_told = ran.stdout.contains("going with •••") || command.contains("undeploy");
            assert!(
                is_told && !leaks(&ran.stdout) && !leaks(&ran.stderr),
                "{command}: {}",
                ran.stdout
            );
        }
    }
}

#[test]
fn secrets_beside_a_fault_in_colours_and_of_former_releases_are_masked() {
    let sandbox = Sandbox::new();
    plugin(
        &sandbox,
        "shop",
        "1.0.0",
        "config:\n  schema: config/schema.json\nhooks:\n  pre-deploy: hooks/pre.sh\n  pre-remove: hooks/pre.sh\n",
    );
    let schema = r#"{ "type": "object", "properties": { "db": { "type": "object", "properties": {
        "password": { "type": "string" }, "port": { "type": "integer" }, "kind": { "enum": ["a"] } } } } }"#;
    file(&sandbox, "shop", "config/schema.json", schema);
    file(&sandbox, "shop", "hooks/pre.sh", "#!/bin/sh\n");
    for mine in [
        "db: {port: x, password: canary-one-line}\n",
        "{\"db\": {\"kind\": \"b\", \"password\": \"canary-one-line\", \"other\": 1}}\n",
        "- password: canary-one-line\n",
        "password canary-one-line\n",
    ] {
        let mine = sandbox.put("mine.yaml", mine);
        for command in [
            "plugin config shop",
            "plugin validate shop",
            "plugin deploy shop",
            "plugin deploy shop --dry-run",
        ] {
            for ran in [
                sandbox.hoist(&format!("{command} --config {}", mine.display())),
                sandbox.json(&format!("{command} --config {}", mine.display())),
            ] {
                assert!(
                    !ran.stdout.contains("canary") && !ran.stderr.contains("canary"),
                    "{command}: {}{}",
                    ran.stdout,
                    ran.stderr
                );
            }
        }
    }
    // A program colours a part of it; the next release tells what was there before, and so does
    // whoever removes it in the end.
    let tell = "#!/bin/sh\nprintf 'now \\033[1m%s\\033[0m%s\\n' \"$(printf %s \"$CONFIG_DB_PASSWORD\" | cut -c1-4)\" \"$(printf %s \"$CONFIG_DB_PASSWORD\" | cut -c5-)\"\n\
                cat ~/before 2>/dev/null; echo \"was $CONFIG_DB_PASSWORD\" >~/before; echo before is kept\n";
    file(&sandbox, "shop", "hooks/pre.sh", tell);
    let leaks = |text: &str| {
        ["canary", "first-secret", "second-secret", "rst-secret"]
            .iter()
            .any(|part| text.contains(part))
    };
    let mut ran = Vec::new();
    for password in ["first-secret", "second-secret"] {
        let mine = sandbox.put("mine.yaml", &format!("db:\n  password: {password}\n"));
        ran.push(
            sandbox
                .json(&format!(
                    "plugin deploy shop -v --config {}",
                    mine.display()
                ))
                .exits(0),
        );
    }
    for command in [
        "plugin rollback shop -v",
        "plugin remove shop -y -v",
        "report --format text",
    ] {
        ran.push(sandbox.hoist(command));
    }
    for ran in &ran {
        assert!(
            !leaks(&ran.stdout) && !leaks(&ran.stderr),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    }
    assert!(
        ran[1].stdout.matches("•••").count() >= 2,
        "{}",
        ran[1].stdout
    );
    let state = sandbox.files(".local/state/hoist/runs");
    let logs = state
        .iter()
        .map(|path| sandbox.read(&format!(".local/state/hoist/runs/{path}")));
    assert!(logs.into_iter().all(|text| !leaks(&text)));
}

#[test]
fn every_violation_is_told_with_its_file_and_its_line() {
    let sandbox = Sandbox::new();
    plugin(
        &sandbox,
        "shop",
        "1.0",
        "config:\n  schema: config/schema.json\nhoks: {}\n",
    );
    file(&sandbox, "shop", "config/schema.json", SCHEMA);
    sandbox
        .hoist("plugin validate")
        .exits(2)
        .says("did you mean `hooks`?")
        .says("plugin.yml:6:1")
        .says("`1.0` is read as 1.0.0");
    plugin(
        &sandbox,
        "shop",
        "1.0.0",
        "config:\n  schema: config/schema.json\n",
    );
    let mine = sandbox.put(
        "mine.yaml",
        "app:\n  port: 99999\n  secret_key: tiny\n  nmae: x\n",
    );
    let wrong = sandbox
        .json(&format!("plugin validate shop --config {}", mine.display()))
        .exits(2)
        .document();
    let told: Vec<String> = wrong["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{}:{} {} {}",
                one["line"],
                one["column"],
                one["field"].as_str().unwrap(),
                one["message"].as_str().unwrap()
            )
        })
        .collect();
    for expected in [
        "2:9 app.port 99999 is more than 65535",
        "3:15 app.secret_key ••• is shorter than 8 characters",
        "4:9 app.nmae is not in the schema",
        "1:1 app.name is required, but not set",
    ] {
        assert!(
            told.iter().any(|one| one == expected),
            "{expected}: {told:?}"
        );
    }
    let shown = sandbox.hoist(&format!(
        "plugin config shop --config {} --set app.name=x --set app.secret_key=visible-on-the-command-line",
        mine.display()
    ));
    assert!(
        shown
            .exits(2)
            .says("other users of this machine can read command lines")
            .stdout
            .contains("app.secret_key  •••")
    );
    sandbox
        .hoist("plugin validate shop --config nowhere.yaml")
        .exits(2)
        .says("cannot read the file");
    sandbox
        .hoist("plugin validate shop --set oops")
        .exits(2)
        .says("write --set PATH=VALUE");
    sandbox
        .hoist("plugin validate shop --env prodution")
        .exits(2)
        .says("did you mean `production`?");
    std::fs::remove_file(sandbox.collection().join("plugins/shop/config/schema.json")).unwrap();
    std::os::unix::fs::symlink(
        "/etc/passwd",
        sandbox.collection().join("plugins/shop/config/schema.json"),
    )
    .unwrap();
    sandbox
        .hoist("plugin validate shop")
        .exits(2)
        .says("is a symbolic link that leads out of the plugin");
}

#[test]
fn reading_plugins_starts_no_process_and_writes_nothing() {
    if !hoist_tests::has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    plugin(
        &sandbox,
        "shop",
        "1.0.0",
        "config:\n  defaults: config/defaults.yaml\nhooks:\n  pre-install: hooks/pre.sh\n",
    );
    file(
        &sandbox,
        "shop",
        "config/defaults.yaml",
        "app:\n  name: x\n",
    );
    file(
        &sandbox,
        "shop",
        "hooks/pre.sh",
        "#!/bin/sh\ntouch /tmp/never\n",
    );
    for command in [
        "plugin list",
        "plugin validate",
        "plugin config shop --show-origin",
        "plan install shop",
        "info shop",
    ] {
        let (ran, calls) =
            sandbox.traced(command, "execve,openat,mkdir,mkdirat,rename,unlink,connect");
        assert_eq!(ran.exits(0).code, 0);
        let started = calls.iter().filter(|call| call.contains("execve(")).count();
        let written: Vec<&String> = calls
            .iter()
            .filter(|call| {
                [
                    "O_WRONLY", "O_RDWR", "O_CREAT", "mkdir", "rename(", "unlink(", "connect(",
                ]
                .iter()
                .any(|word| call.contains(word))
            })
            .collect();
        assert!(
            started == 1 && written.is_empty(),
            "{command}: {started} started, {written:#?}"
        );
    }
}

#[test]
fn an_update_leaves_alone_what_is_deployed_and_upgrades_what_is_not() {
    let sandbox = Sandbox::new();
    let hooks = "hooks:\n  pre-upgrade: hooks/upgrade.sh\n  pre-remove: hooks/remove.sh\n";
    plugin(&sandbox, "shop", "1.0.0", hooks);
    file(
        &sandbox,
        "shop",
        "hooks/upgrade.sh",
        "#!/bin/sh\necho upgraded\n",
    );
    file(&sandbox, "shop", "hooks/remove.sh", "#!/bin/sh\nexit 1\n");
    sandbox.hoist("plugin deploy shop").exits(0);
    sandbox
        .hoist("undo -y")
        .exits(2)
        .says("is deployed")
        .says("hoist plugin rollback shop");
    plugin(&sandbox, "shop", "1.1.0", hooks);
    sandbox
        .hoist("plan update")
        .exits(0)
        .says("run `hoist plugin upgrade shop` to upgrade it to 1.0.0 → 1.1.0");
    assert_eq!(
        sandbox
            .json("update")
            .exits(0)
            .statuses()
            .get("shop")
            .map(String::as_str)
            .unwrap_or("unchanged"),
        "unchanged"
    );
    // A hook that fails before the removal leaves the deployment as it is.
    sandbox
        .hoist("remove shop -y")
        .exits(3)
        .says("pre-remove hook (hooks/remove.sh) ended with exit code 1");
    sandbox.hoist("plugin status").exits(0).says("1.0.0");
    sandbox.hoist("plugin undeploy shop -y").exits(0);
    let updated = sandbox.json("update").exits(0).finished("shop");
    assert!(
        updated["to"] == "1.1.0" && updated["messages"].to_string().contains("upgraded"),
        "{updated}"
    );
}

#[test]
fn a_secret_that_is_made_is_checked_with_all_the_others() {
    let sandbox = Sandbox::new();
    let schema = r#"{ "properties": { "app": { "properties": { "token": { "type": "string" }, "password": { "type": "string", "maxLength": 20 } } } } }"#;
    file(&sandbox, "shop", "config/schema.json", schema);
    file(&sandbox, "shop", "scripts/deploy.sh", "true\n");
    plugin(
        &sandbox,
        "shop",
        "1.0.0",
        "config:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\n",
    );
    let given = |text: &str| file(&sandbox, "shop", "config/defaults.yaml", text);
    given("app:\n  token: { generate: 16 }\n  password: { from_file: /nowhere/password }\n");
    sandbox
        .hoist("plugin deploy shop")
        .exits(2)
        .says("app.password: cannot read /nowhere/password");
    given("app:\n  token: { generate: 16 }\n  password: { generate: 32 }\n");
    sandbox
        .hoist("plugin deploy shop")
        .exits(2)
        .says("app.password: ••• is longer than 20 characters");
    assert!(
        !sandbox.has(".local/state/hoist/deployments/shop"),
        "nothing is begun"
    );
    given("app:\n  token: { generate: 16 }\n  password: { generate: 20 }\n");
    sandbox
        .hoist("plugin deploy shop")
        .exits(0)
        .says("1 deployed");
    // It is made once.
    sandbox
        .hoist("plugin deploy shop")
        .exits(0)
        .says("1 unchanged");
}

#[test]
fn what_variables_gave_is_given_again_by_an_upgrade() {
    let mut sandbox = Sandbox::new();
    let schema = r#"{ "properties": { "app": { "properties": {
        "hosts": { "type": "array", "items": { "type": "string" } }, "a.b": { "type": "string" }, "port": { "type": "integer" } } } } }"#;
    file(&sandbox, "shop", "config/schema.json", schema);
    file(
        &sandbox,
        "shop",
        "config/defaults.yaml",
        "app:\n  hosts: [x]\n  \"a.b\": plain\n  port: 1\n",
    );
    file(
        &sandbox,
        "shop",
        "config/env.yaml",
        "SHOP_HOSTS: app.hosts\nSHOP_FIRST: app.hosts[0]\nSHOP_PORT: app.port\n",
    );
    file(
        &sandbox,
        "shop",
        "hooks/deploy.sh",
        "#!/bin/sh\ncat \"$HOIST_CONFIG\"; echo\n",
    );
    let more = "config:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\nhooks:\n  post-deploy: hooks/deploy.sh\n  post-upgrade: hooks/deploy.sh\n";
    plugin(&sandbox, "shop", "1.0.0", more);
    for (name, value) in [("SHOP_HOSTS", "[one, two]"), ("SHOP_PORT", "8081")] {
        sandbox.set(name, value);
    }
    sandbox
        .hoist("plugin deploy shop -v")
        .exits(0)
        .says(r#""hosts":["one","two"],"a.b":"plain","port":8081"#);
    for name in ["SHOP_HOSTS", "SHOP_PORT"] {
        sandbox.unset(name);
    }
    plugin(&sandbox, "shop", "1.1.0", more);
    sandbox
        .hoist("plugin upgrade shop -v")
        .exits(0)
        .says(r#""hosts":["one","two"],"a.b":"plain","port":8081"#);
    sandbox.set("SHOP_FIRST", "three");
    sandbox
        .hoist("plugin deploy shop -v")
        .exits(0)
        .says(r#""hosts":["three"],"a.b":"plain","port":1"#);
    // A former release needs no collection to come back.
    std::fs::remove_dir_all(sandbox.collection().join("plugins/shop")).unwrap();
    sandbox
        .hoist("plugin upgrade shop")
        .exits(2)
        .says("unknown module `shop`");
    sandbox
        .hoist("plugin rollback shop --to 1 -v")
        .exits(0)
        .says(r#""hosts":["one","two"],"a.b":"plain","port":8081"#);
    sandbox.hoist("plugin status").exits(0).says("1.0.0");
}

#[test]
fn validate_finds_what_would_fail_when_it_is_deployed() {
    let sandbox = Sandbox::new();
    let schema = r#"{ "properties": { "web": { "properties": { "port": { "type": "integer" }, "key": { "type": "string" } } } } }"#;
    file(&sandbox, "shop", "config/schema.json", schema);
    file(
        &sandbox,
        "shop",
        "config/defaults.yaml",
        "web:\n  port: 80\n  key: { generate: 32 }\n",
    );
    let needs = "dependencies:\n  - core: \">=9\"\n  - base: \">=2\"\n  - nothing: \"*\"\nconfig:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\nhooks:\n  pre-deploy: hooks/pre.sh\n";
    plugin(&sandbox, "shop", "1.0.0", needs);
    plugin(&sandbox, "base", "1.4.2", "");
    file(&sandbox, "shop", "hooks/pre.sh", "#!/bin/sh\n");
    let compose = |text: &str| file(&sandbox, "shop", "compose/docker-compose.yml.j2", text);
    compose("services:\n  web:\n    image: a\n    ports: [\"{{ web.port }}:80\"]\n");
    let validate = || sandbox.hoist("plugin validate shop");
    validate()
        .exits(0)
        .says("the platform provides core 1.0.0, but >=9 is required")
        .says("sources provide base 1.4.2, but >=2 is required")
        .says("dependencies.nothing: no source provides nothing")
        .says("ok, 3 warnings");
    // Also for an environment that nobody named.
    file(
        &sandbox,
        "shop",
        "config/production.yaml",
        "web:\n  port: 80800\n",
    );
    validate().exits(2).says("`80800` is not a port");
    file(
        &sandbox,
        "shop",
        "config/production.yaml",
        "web:\n  port: many\n",
    );
    validate()
        .exits(2)
        .says("production.yaml:2:9")
        .says("\"many\" is not an integer");
    file(
        &sandbox,
        "shop",
        "config/production.yaml",
        "web:\n  port: 8080\n",
    );
    compose("services:\n  web:\n    image: {{ web.image }}\n");
    validate()
        .exits(0)
        .says("docker-compose.yml.j2:3:")
        .says("an undefined value renders as an empty string");
    let manifest = sandbox.collection().join("plugins/shop/plugin.yml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    file(
        &sandbox,
        "shop",
        "plugin.yml",
        &format!("{text}strict_templates: true\n"),
    );
    validate()
        .exits(2)
        .says("docker-compose.yml.j2:3:")
        .says("undefined value");
    file(&sandbox, "shop", "plugin.yml", &text);
    compose(
        "services:\n  web:\n    depends_on: [wroker]\n    volumes: ['dta:/data', './x:/x']\n  worker:\n    build: .\nvolumes: { data: {} }\n",
    );
    validate()
        .exits(2)
        .says("services.web.depends_on: unknown service `wroker`")
        .says("docker-compose.yml.j2:3:18")
        .says("did you mean `worker`?")
        .says("services.web.volumes: undeclared volume `dta`")
        .says("services.web: must have an image or a build")
        .says("3 errors");
    std::fs::rename(
        sandbox
            .collection()
            .join("plugins/shop/compose/docker-compose.yml.j2"),
        sandbox.collection().join("plugins/shop/compose/main.yml"),
    )
    .unwrap();
    validate()
        .exits(0)
        .says("compose/ has no file that Docker Compose reads");
    file(&sandbox, "shop", "hooks/pre.sh", "#!/bin/sh\r\necho\r\n");
    validate().exits(2).says("has Windows line endings");
    file(&sandbox, "shop", "hooks/pre.sh", "#!/usr/bin/nosuch\n");
    plugin(
        &sandbox,
        "shop",
        "1.0.0",
        "hooks:\n  pre-deploy: hooks/pre.sh\n",
    );
    sandbox
        .hoist("plugin deploy shop")
        .exits(3)
        .says("starts with #!/usr/bin/nosuch, which does not exist on this machine");
    // Two that need each other, and one that needs itself.
    plugin(&sandbox, "base", "1.4.2", "dependencies: [shop]\n");
    plugin(&sandbox, "shop", "1.0.0", "dependencies: [base]\n");
    sandbox
        .hoist("plugin validate base")
        .exits(2)
        .says("base")
        .says("shop");
    plugin(&sandbox, "shop", "1.0.0", "dependencies: [shop]\n");
    validate().exits(2).says("depends on itself");
}

#[test]
fn a_plugin_is_known_where_it_was_deployed_from_and_may_move() {
    let sandbox = Sandbox::new();
    let write = |place: &str, version: &str| {
        let directory = sandbox.path(place).join("shop");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::create_dir_all(directory.join("scripts")).unwrap();
        std::fs::write(
            directory.join("plugin.yml"),
            format!("name: shop\nversion: {version}\n"),
        )
        .unwrap();
        std::fs::write(directory.join("scripts/deploy.sh"), "true\n").unwrap();
        directory.display().to_string()
    };
    let first = write("first", "1.0.0");
    sandbox.hoist(&format!("plugin deploy {first}")).exits(0);
    write("first", "1.1.0");
    // By its name, from elsewhere.
    sandbox
        .hoist("plugin upgrade shop")
        .exits(0)
        .says("1.0.0 → 1.1.0");
    sandbox
        .hoist("plugin rollback shop")
        .exits(0)
        .says("1.1.0 → 1.0.0");
    let second = write("second", "2.0.0");
    std::fs::remove_dir_all(&first).unwrap();
    sandbox
        .hoist(&format!("plugin deploy {second}"))
        .exits(0)
        .says("→ 2.0.0");
    sandbox.hoist("plugin status").exits(0).says("2.0.0");
    // What a collection has newer is outdated here.
    plugin(&sandbox, "shop", "2.1.0", "");
    file(&sandbox, "shop", "scripts/deploy.sh", "true\n");
    sandbox.hoist("outdated").exits(0).says("2.0.0 → 2.1.0");
    sandbox
        .hoist("plugin upgrade shop")
        .exits(0)
        .says("2.0.0 → 2.1.0");
}
