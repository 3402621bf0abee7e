//! `npm` with a registry on loopback.

use hoist_tests::{Module, NpmRegistry, Sandbox, has};

fn npm(name: &str) -> Module {
    Module::new(name).method("npm")
}

/// A sandbox whose npm asks a registry on loopback, which has two packages.
fn with_registry() -> Option<(Sandbox, NpmRegistry)> {
    if !has("npm") {
        return None;
    }
    let registry = NpmRegistry::start();
    registry.publish("hoist-one", "1.0.0");
    registry.publish("@hoist/two", "1.0.0");
    let mut sandbox = Sandbox::new();
    sandbox.put(".npmrc", &format!("registry={}\n", registry.url()));
    // Neither leads packages to another place.
    sandbox.set("npm_config_prefix", "/nowhere");
    sandbox.set("NPM_CONFIG_GLOBAL", "false");
    Some((sandbox, registry))
}

fn version(sandbox: &Sandbox, program: &str) -> String {
    let path = sandbox.home().join(".local/bin").join(program);
    let output = sandbox.command(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn packages_are_installed_updated_removed_and_come_back_in_an_undo() {
    let Some((sandbox, registry)) = with_registry() else {
        return;
    };
    sandbox.add(&npm("hoist-one").field("UPDATE_METHOD", "npm_upgrade"));
    sandbox.add(
        &npm("two")
            .field("PACKAGES", "@hoist/two")
            .field("UPDATE_METHOD", "npm_upgrade"),
    );
    sandbox.add(&npm("none").field("PACKAGES", "hoist-none"));
    let ran = sandbox.json("install").exits(3);
    let statuses = ran.statuses();
    assert_eq!(statuses["hoist-one"], "installed", "{}", ran.stdout);
    assert_eq!(statuses["two"], "installed", "{}", ran.stdout);
    let why = ran.finished("none")["reason"].to_string();
    assert!(why.contains("npm install failed: 404"), "{why}");
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.0.0");
    assert_eq!(version(&sandbox, "two"), "two 1.0.0");
    let again = sandbox.json("install hoist-one two").exits(0).statuses();
    assert!(again.values().all(|status| status == "unchanged"));
    sandbox.hoist("test hoist-one two").exits(0);
    let info = sandbox.json("info hoist-one").document();
    assert_eq!(info["version"], "1.0.0", "{info}");

    registry.publish("hoist-one", "1.1.0");
    sandbox
        .hoist("outdated --refresh")
        .exits(0)
        .says("1.0.0 → 1.1.0");
    let updated = sandbox.json("update hoist-one two").exits(0).statuses();
    assert_eq!(updated["hoist-one"], "updated", "{updated:?}");
    assert_eq!(updated["two"], "unchanged", "{updated:?}");
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.1.0");
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.0.0");

    sandbox
        .hoist("uninstall hoist-one -y")
        .exits(0)
        .says("npm package hoist-one");
    assert!(!sandbox.has(".local/bin/hoist-one"));
    assert!(!sandbox.has(".local/lib/node_modules/hoist-one"));
    assert!(sandbox.has(".local/lib/node_modules/@hoist/two"));
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.0.0");
}

#[test]
fn packages_of_one_directory_are_one_call_of_npm() {
    let Some((sandbox, _registry)) = with_registry() else {
        return;
    };
    if !has("strace") {
        return;
    }
    sandbox.add(&npm("hoist-one"));
    sandbox.add(&npm("two").field("PACKAGES", "@hoist/two@1"));
    let (ran, calls) = sandbox.traced("install --output json", "execve");
    ran.exits(0);
    let is_install = |call: &&String| call.contains("\"install\", \"--global\"");
    let installs: Vec<&String> = calls.iter().filter(is_install).collect();
    assert!(
        installs
            .iter()
            .all(|call| call.contains("\"@hoist/two@1\", \"hoist-one\"")),
        "{installs:?}"
    );
    assert!(!installs.is_empty());
}

#[test]
fn versions_that_are_asked_for_and_the_helper_work() {
    let Some((sandbox, registry)) = with_registry() else {
        return;
    };
    registry.publish("hoist-one", "2.0.0");
    sandbox.add(&npm("one").field("PACKAGES", "hoist-one@1.0.0"));
    sandbox.add(
        &npm("two")
            .field("INSTALL_DIRS", "$HOME/tools")
            .main("install_via_npm \"$MODULE_NAME\" @hoist/two"),
    );
    sandbox.hoist("install").exits(0);
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.0.0");
    assert!(sandbox.has("tools/bin/two"));
    // Another version in the manifest is brought by an update.
    sandbox.add(
        &npm("one")
            .field("PACKAGES", "hoist-one@^2")
            .field("UPDATE_METHOD", "reinstall"),
    );
    sandbox.hoist("update one").exits(0);
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 2.0.0");
}

#[test]
fn what_is_not_the_name_of_a_package_starts_nothing() {
    let Some((sandbox, _registry)) = with_registry() else {
        return;
    };
    sandbox.add(&npm("one").field("PACKAGES", "user/repository"));
    sandbox.add(&npm("hoist-one"));
    sandbox
        .hoist("install")
        .exits(2)
        .says("`user/repository` is not a package name");
    assert!(!sandbox.has(".local/bin/hoist-one"));
}

#[test]
fn without_npm_the_message_says_what_to_install() {
    let mut sandbox = Sandbox::new();
    let programs = sandbox.path("programs");
    std::fs::create_dir(&programs).unwrap();
    for program in ["bash", "sh", "git", "uname"] {
        let path = ["/bin", "/usr/bin"].map(|place| std::path::Path::new(place).join(program));
        if let Some(path) = path.iter().find(|path| path.exists()) {
            std::os::unix::fs::symlink(path, programs.join(program)).unwrap();
        }
    }
    sandbox.set("PATH", &programs.display().to_string());
    sandbox.add(&npm("one"));
    sandbox
        .hoist("install")
        .exits(3)
        .says("npm is not on PATH: install Node.js with npm");
}
