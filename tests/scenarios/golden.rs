//! Transcripts of whole histories over all four systems: what is printed, recorded and left in the
//! home directory, byte for byte. They show that a change of the code changes no behaviour.
//! `HOIST_UPDATE_GOLDEN=1 cargo xtask test golden` replaces them.

use std::time::Duration;

use hoist_tests::{
    Application, GitFixture, Mercurial, Module, Prosody, Rocks, Sandbox, Transcript, has, wheel,
};

#[test]
fn help_of_every_command() {
    let sandbox = Sandbox::new();
    let mut transcript = Transcript::new("help", &sandbox);
    transcript.hide(env!("CARGO_PKG_VERSION"), "VERSION");
    let commands = [
        "",
        "install",
        "init",
        "new",
        "update",
        "uninstall",
        "migrate",
        "rocks",
        "rocks install",
        "rocks list",
        "prosodyctl",
        "undo",
        "retry",
        "test",
        "status",
        "config",
        "config list",
        "config diff",
        "config restore",
        "list",
        "info",
        "validate",
        "plan",
        "plan install",
        "graph",
        "search",
        "plugin",
        "plugin new",
        "plugin validate",
        "plugin list",
        "plugin config",
        "plugin install",
        "plugin deploy",
        "plugin upgrade",
        "plugin rollback",
        "plugin status",
        "plugin undeploy",
        "plugin remove",
        "outdated",
        "sync",
        "source",
        "source add",
        "source list",
        "doctor",
        "report",
        "completions",
        "man",
        "schema",
        "history",
    ];
    for command in commands {
        transcript.run(&format!("{command} -h"));
    }
    for command in [
        "install",
        "uninstall",
        "plugin deploy",
        "source add",
        "status",
    ] {
        transcript.run(&format!("{command} --help"));
    }
    for kind in [
        "collection",
        "module",
        "plugin",
        "installer",
        "events",
        "plan",
        "list",
    ] {
        transcript.run(&format!("schema {kind}"));
    }
    transcript.finish();
}

#[test]
fn shell_modules_from_install_to_removal() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("base")
            .tier("core")
            .field("INSTALL_DIRS", "$HOME/.base")
            .field("UNINSTALL_DIRS", "$HOME/.base")
            .main("mkdir -p ~/.base; echo 1 >~/.base/file"),
    );
    sandbox.add(
        &Module::new("tool")
            .depends("base")
            .field("INSTALL_DIRS", "$HOME/.tool")
            .field("CONFIG_FILES", "$HOME/.toolrc")
            .field("TEST_FILES", "$HOME/.tool/bin")
            .field("UPDATE_METHOD", "reinstall")
            .main("mkdir -p ~/.tool; echo run >~/.tool/bin; log_info 'restart your shell'; log_success done"),
    );
    sandbox.add(
        &Module::new("extra")
            .tier("optional")
            .depends("tool")
            .main("log_warning careful; echo said >~/.extra"),
    );
    sandbox.write("config/toolrc", "one\ntwo\nthree\nfour\nfive\n");
    let mut transcript = Transcript::new("shell", &sandbox);
    for command in [
        "list",
        "info tool",
        "plan install",
        "graph",
        "search tool",
        "validate",
        "install --with extra",
        "list",
        "status",
        "test",
    ] {
        transcript.run(command);
    }
    transcript.state();
    transcript.json("install");
    sandbox.put(".toolrc", "one\ntwo\nthree\nfour\nMINE\n");
    sandbox.write("config/toolrc", "ONE\ntwo\nthree\nfour\nfive\n");
    sandbox.put(".base/file", "edited\n");
    transcript.run("config list");
    transcript.run("config diff");
    transcript.run("plan update");
    transcript.json("update tool");
    transcript.run("status");
    transcript.run("update tool --config-overwrite");
    transcript.state();
    for command in [
        "uninstall base",
        "plan uninstall base --cascade",
        "uninstall base --cascade --yes",
        "history",
        "report",
        "report --format junit",
    ] {
        transcript.run(command);
    }
    transcript.state().finish();
}

#[test]
fn failures_skip_dependents_or_abort() {
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("bad").main("echo partial >~/partial; echo 'no such host' >&2; return 3"),
    );
    sandbox.add(&Module::new("after").depends("bad").main("true"));
    sandbox.add(&Module::new("last").depends("after").main("true"));
    let mut transcript = Transcript::new("failures", &sandbox);
    transcript.run("install");
    transcript.json("install");
    transcript.state();
    transcript.run("retry");
    transcript.run("install --strict");
    sandbox.add(
        &Module::new("core")
            .tier("core")
            .main("log_error broken; return 1"),
    );
    transcript.run("install");
    transcript.json("install core");
    sandbox.add(&Module::new("bad").main("true"));
    sandbox.add(&Module::new("core").tier("core").main("true"));
    transcript.run("install --resume");
    transcript.state().finish();
}

#[test]
fn wrong_requests_and_manifests() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("one").depends("missing"));
    sandbox.add(&Module::new("two").depends("three"));
    sandbox.add(&Module::new("three").depends("two"));
    sandbox.add(&Module::new("core").tier("core").depends("lib"));
    sandbox.add(&Module::new("lib"));
    sandbox.write(
        "modules/broken.sh",
        "#!/usr/bin/env bash\n# Metadata: START\nMODULE_NAME=\"broken\nMODULE_INSTALL_METHOD=\"gitclone\"\n# Metadata: END\n",
    );
    let mut transcript = Transcript::new("wrong", &sandbox);
    for command in [
        "list",
        "validate",
        "validate --output json",
        "install",
        "install lib --skip lib",
        "install core --skip lib",
        "install nothing",
        "install libb",
        "uninstall lib",
        "update lib",
        "info nothing",
        "test lib",
        "undo",
        "retry",
        "report",
        "install --bogus",
        "sync nothing",
        "config diff x",
    ] {
        transcript.run(command);
    }
    sandbox.write("hoist.yml", "jbos: 4\n");
    transcript.run("list");
    sandbox.write("hoist.yml", "jobs: many\n");
    transcript.run("list");
    transcript.finish();
}

#[test]
fn runs_are_undone() {
    let sandbox = Sandbox::new();
    let module = Module::new("tool")
        .field("INSTALL_DIRS", "$HOME/.tool")
        .field("CONFIG_FILES", "$HOME/.toolrc")
        .field("UPDATE_METHOD", "custom");
    let body = "main_module() { mkdir -p ~/.tool; echo one >~/.tool/data; }\nupdate_module() { echo two >~/.tool/data; echo new >~/.tool/new; }";
    sandbox
        .add(&module.body(body))
        .write("config/toolrc", "set one\n");
    sandbox.put(".toolrc", "mine\n");
    let mut transcript = Transcript::new("undo", &sandbox);
    transcript.run("install --config-overwrite");
    sandbox.write("config/toolrc", "set two\n");
    transcript.run("update");
    transcript.run("uninstall tool --yes");
    transcript.state();
    for command in [
        "undo --dry-run",
        "undo --yes",
        "undo --yes --output json",
        "undo --yes",
        "undo --yes",
        "history",
        "history --output json",
    ] {
        transcript.run(command);
    }
    transcript.state().finish();
}

#[test]
fn clones_and_scripts() {
    if !has("git") {
        return;
    }
    let git = GitFixture::new();
    let repository = git.repository("tool", 2);
    let sandbox = Sandbox::new();
    let script = sandbox.path("install.sh");
    std::fs::write(&script, "#!/usr/bin/env bash\nmkdir -p ~/.local/bin\necho hello >~/.local/bin/hello\nchmod +x ~/.local/bin/hello\n")
        .unwrap();
    let clone = Module::new("clone")
        .method("git_clone")
        .field("INSTALL_REPO", &repository.display().to_string())
        .field("INSTALL_DIRS", "$HOME/.clone");
    sandbox.add(
        &clone
            .field("UPDATE_METHOD", "git_pull")
            .field("UPDATE_DIR", "$HOME/.clone"),
    );
    let download = Module::new("script")
        .depends("clone")
        .method("download_script")
        .field("INSTALL_REPO", &script.display().to_string());
    sandbox.add(
        &download
            .field("TEST_BINARIES", "hello")
            .field("UNINSTALL_BINARIES", "hello"),
    );
    let mut transcript = Transcript::new("clones", &sandbox);
    transcript.hide(git.root().to_string_lossy(), "$GIT");
    transcript.run("plan install");
    transcript.run("install");
    transcript.run("update");
    std::fs::write(git.path("tool.work").join("file"), "newer\n").unwrap();
    git.commit("tool.work", "newer");
    git.publish("tool");
    transcript.run("outdated --refresh");
    transcript.json("update clone");
    sandbox.put(".clone/file", "edited\n");
    transcript.run("status");
    transcript.run("update");
    transcript.run("uninstall clone script --yes");
    transcript.state().finish();
}

#[test]
fn python_packages() {
    if !has("pip3") {
        return;
    }
    let mut sandbox = Sandbox::new();
    let wheels = sandbox.path("wheels");
    std::fs::create_dir(&wheels).unwrap();
    for (name, version, requires) in [("alpha", "1.0", &["beta"][..]), ("beta", "1.0", &[])] {
        std::fs::write(
            wheels.join(format!("{name}-{version}-py3-none-any.whl")),
            wheel(name, version, requires),
        )
        .unwrap();
    }
    for (name, value) in [
        ("PIP_NO_INDEX", "1"),
        ("PIP_FIND_LINKS", &*wheels.to_string_lossy()),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ] {
        sandbox.set(name, value);
    }
    let pip = |name: &str| {
        Module::new(name)
            .method("pip")
            .field("INSTALL_DIRS", "$HOME/python")
            .field("UNINSTALL_PIP_PACKAGES", name)
    };
    sandbox.add(&pip("alpha").field("UPDATE_METHOD", "pip_upgrade"));
    sandbox.add(&pip("gamma").tier("optional"));
    let mut transcript = Transcript::new("python", &sandbox);
    transcript.run("install");
    std::fs::write(
        wheels.join("alpha-1.1-py3-none-any.whl"),
        wheel("alpha", "1.1", &["beta"]),
    )
    .unwrap();
    transcript.json("update");
    transcript.run("status");
    transcript.run("undo --dry-run");
    transcript.run("uninstall alpha --yes");
    transcript.state().finish();
}

#[test]
fn plugins_with_configuration_and_hooks() {
    let sandbox = Sandbox::new();
    let put = |path: &str, text: &str| {
        sandbox.write(&format!("plugins/shop/{path}"), text);
    };
    let manifest = |version: &str| {
        format!(
            "name: shop\nversion: {version}\ndescription: A shop\ndependencies:\n  - lib: \">=1.0.0\"\nconfig:\n  schema: config/schema.json\n  \
             defaults: config/defaults.yaml\nhooks:\n  pre-install: hooks/pre.sh\n  post-install: hooks/post.sh\n  pre-deploy: hooks/pre.sh\n  \
             post-remove: hooks/post.sh\n"
        )
    };
    put("plugin.yml", &manifest("1.0.0"));
    put(
        "config/schema.json",
        r#"{"type": "object", "properties": {"port": {"type": "integer"}, "password": {"type": "string"}}, "required": ["port"]}"#,
    );
    put(
        "config/defaults.yaml",
        "port: 80\npassword: changeme\nname: shop\n",
    );
    put("config/production.yaml", "port: 443\n");
    put("hooks/pre.sh", "echo \"before, on port $CONFIG_PORT\"\n");
    put("hooks/post.sh", "echo after\n");
    put(
        "scripts/deploy.sh",
        "echo \"deployed $CONFIG_NAME\" >~/deployed\n",
    );
    sandbox.write("plugins/lib/plugin.yml", "name: lib\nversion: 1.2.0\n");
    let mut transcript = Transcript::new("plugins", &sandbox);
    for command in [
        "plugin list",
        "plugin validate",
        "plugin config shop --show-origin",
        "plugin config shop --env production --output json",
        "plugin config shop --set port=x",
        "plugin install shop",
        "plugin deploy shop --dry-run",
        "plugin deploy shop",
        "plugin status",
    ] {
        transcript.run(command);
    }
    transcript.state();
    put("plugin.yml", &manifest("1.1.0"));
    transcript.json("plugin upgrade shop");
    transcript.run("plugin rollback shop");
    transcript.run("plugin status --output json");
    put("hooks/pre.sh", "echo no >&2; exit 4\n");
    transcript.run("plugin deploy shop --force");
    put("hooks/pre.sh", "true\n");
    transcript.run("plugin undeploy shop --yes");
    transcript.run("plugin remove shop --yes");
    transcript.state().finish();
}

#[test]
fn community_modules_from_mercurial() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_base", "summary: Base\nlabels: [Stage-Stable]")
        .module("mod_push", "summary: Push\ndepends: [mod_base]")
        .commit("first");
    let sandbox = Sandbox::new();
    sandbox.settings(&format!(
        "sources:\n- mercurial: {}\n  name: community\n  into: ~/plugins\n",
        repository.path().display()
    ));
    let mut transcript = Transcript::new("community", &sandbox);
    transcript.hide(repository.path().to_string_lossy(), "$HG");
    for command in [
        "sync",
        "source list",
        "list",
        "info push",
        "plan install push",
        "install push",
        "status",
        "test",
    ] {
        transcript.run(command);
    }
    transcript.state();
    sandbox.put("plugins/mod_push/mod_push.lua", "edited\n");
    repository
        .write("mod_push/mod_push.lua", "newer\n")
        .write("mod_push/more.lua", "more\n")
        .commit("second");
    for command in [
        "sync",
        "outdated",
        "update",
        "update push --output json",
        "uninstall mod_base",
        "uninstall push --yes",
    ] {
        transcript.run(command);
    }
    transcript.state().finish();
}

#[test]
fn rocks_from_a_server() {
    if !has("luarocks-admin") {
        return;
    }
    let rocks = Rocks::new();
    rocks
        .rock("mod_push", "1.0-1", &["luatz ~> 0.3"])
        .rock("luatz", "0.3-1", &[])
        .rock("luatz", "0.4-1", &[])
        .publish();
    let server = rocks.serve(Duration::ZERO);
    let sandbox = Sandbox::new();
    sandbox.settings(&format!(
        "sources:\n- rocks: {}\n  name: rocks\n  tree: ~/tree\n",
        server.url("/")
    ));
    let mut transcript = Transcript::new("rocks", &sandbox);
    for command in [
        "sync",
        "rocks list --available",
        "rocks info push",
        "plan install push",
        "rocks install push",
        "rocks list",
        "test",
    ] {
        transcript.run(command);
    }
    rocks.rock("mod_push", "1.1-1", &["luatz ~> 0.4"]).publish();
    for command in [
        "sync",
        "rocks outdated",
        "plan update",
        "update --output json",
        "uninstall luatz",
        "rocks uninstall push --yes",
        "undo --dry-run",
    ] {
        transcript.run(command);
    }
    transcript.state().finish();
}

#[test]
fn modules_of_a_prosody_server() {
    if !has("prosodyctl") || !has("luarocks-admin") || !has("hg") {
        return;
    }
    let rocks = Rocks::new();
    rocks.rock("mod_cloud", "1.0-1", &[]).publish();
    let server = rocks.serve(Duration::ZERO);
    let repository = Mercurial::new();
    repository
        .module("mod_hello", "summary: Hello")
        .commit("first");
    let sandbox = Sandbox::new();
    let prosody = Prosody::new(&sandbox, &server.url("/"));
    sandbox.settings(&format!(
        "sources:\n- prosody: {}\n  name: xmpp\n- mercurial: {}\n  name: community\n  into: ~/plugins\n",
        prosody.configuration().display(),
        repository.path().display()
    ));
    let mut transcript = Transcript::new("prosody", &sandbox);
    transcript.hide(repository.path().to_string_lossy(), "$HG");
    for command in [
        "sync",
        "source list",
        "list --available",
        "plan install hello --enable",
        "plan install cloud --enable",
        "install cloud --enable",
        "list",
        "uninstall cloud --yes",
    ] {
        transcript.run(command);
    }
    transcript.state().finish();
}

#[test]
fn modules_of_an_application() {
    if !has("php") {
        return;
    }
    let application = Application::new();
    application.usual("Pizza").usual("Kif").configured();
    application.offer(
        "Pizza/module-info.yml",
        "version: 1.2\ndescription: Makes pizza.\nauthor: Ling\n",
    );
    application.module(
        "Rude",
        "    public static function install() { file_put_contents(APP_ROOT_DIR . '/lang/en/core.php', 'mine'); return false; }",
    );
    let sandbox = &application.sandbox;
    let mut transcript = Transcript::new("application", sandbox);
    for command in [
        "sync",
        "list",
        "info Pizza",
        "plan install Pizza",
        "install Pizza",
        "status",
        "test Pizza",
        "install Rude",
    ] {
        transcript.run(command);
    }
    transcript.state();
    application.put("lang/en/modules/pizza/pizza.php", "edited\n");
    transcript.json("install Pizza --force");
    transcript.run("install Kif");
    transcript.run("uninstall Pizza Kif --yes");
    transcript.run("undo --yes");
    transcript.state().finish();
}

#[test]
fn modules_move_between_sources() {
    if !has("hg") {
        return;
    }
    let (first, second) = (Mercurial::new(), Mercurial::new());
    first
        .module("mod_a", "summary: A of the first")
        .commit("first");
    second
        .module("mod_a", "summary: A of the second")
        .module("mod_b", "summary: B")
        .commit("second");
    let sandbox = Sandbox::new();
    sandbox.settings(&format!(
        "sources:\n- mercurial: {}\n  name: first\n  into: ~/plugins\n- mercurial: {}\n  name: second\n  into: ~/plugins\n",
        first.path().display(),
        second.path().display()
    ));
    let mut transcript = Transcript::new("migrate", &sandbox);
    transcript
        .hide(first.path().to_string_lossy(), "$FIRST")
        .hide(second.path().to_string_lossy(), "$SECOND");
    for command in [
        "sync",
        "install a",
        "install second/a",
        "migrate a --to second --dry-run",
        "migrate a --to second",
        "list --installed",
        "undo --yes",
    ] {
        transcript.run(command);
    }
    transcript.state().finish();
}

#[test]
fn existing_files_and_other_owners() {
    let sandbox = Sandbox::new();
    sandbox.put(".shared/theirs", "theirs\n");
    sandbox.put(".bashrc", "alias x=y\n");
    sandbox.add(
        &Module::new("one")
            .field("INSTALL_DIRS", "$HOME/.shared")
            .main("echo one >~/.shared/one; echo 'source one' >>~/.bashrc"),
    );
    sandbox.add(
        &Module::new("two")
            .depends("one")
            .field("INSTALL_DIRS", "$HOME/.shared")
            .main("echo two >~/.shared/two; rm -f ~/.shared/theirs"),
    );
    let mut transcript = Transcript::new("ownership", &sandbox);
    transcript.run("install");
    transcript.state();
    sandbox.put(".shared/one", "edited\n");
    transcript.run("plan uninstall one --cascade");
    transcript.json("uninstall two --yes");
    transcript.run("uninstall one --yes");
    transcript.state();
    transcript.run("install one");
    transcript.run("uninstall one --purge --yes");
    transcript.state().finish();
}
