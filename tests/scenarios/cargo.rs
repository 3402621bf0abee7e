//! `cargo` with a registry in a directory.

use hoist_tests::{CrateRegistry, Module, Sandbox, has};

fn cargo(name: &str) -> Module {
    Module::new(name).method("cargo")
}

/// A sandbox with two published crates.
fn with_registry() -> Option<(Sandbox, CrateRegistry)> {
    if !has("cargo") {
        return None;
    }
    let mut sandbox = Sandbox::new();
    let registry = CrateRegistry::of(&mut sandbox);
    registry.publish("hoist-one", "1.0.0");
    registry.publish("hoist_two", "1.0.0");
    // It does not lead programs to another place.
    sandbox.set("CARGO_INSTALL_ROOT", "/nowhere");
    Some((sandbox, registry))
}

fn version(sandbox: &Sandbox, program: &str) -> String {
    let path = sandbox.home().join(".local/bin").join(program);
    let output = sandbox.command(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn crates_are_installed_updated_removed_and_come_back_in_an_undo() {
    let Some((sandbox, registry)) = with_registry() else {
        return;
    };
    sandbox.add(&cargo("hoist-one").field("UPDATE_METHOD", "cargo_upgrade"));
    sandbox.add(
        &cargo("two")
            .field("PACKAGES", "hoist_two")
            .field("UPDATE_METHOD", "cargo_upgrade"),
    );
    sandbox.add(&cargo("none").field("PACKAGES", "hoist-none"));
    let ran = sandbox.json("install").exits(3);
    let statuses = ran.statuses();
    assert_eq!(statuses["hoist-one"], "installed", "{}", ran.stdout);
    assert_eq!(statuses["two"], "installed", "{}", ran.stdout);
    let why = ran.finished("none")["reason"].to_string();
    assert!(why.contains("could not find `hoist-none`"), "{why}");
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.0.0");
    assert_eq!(version(&sandbox, "hoist_two"), "hoist_two 1.0.0");
    let again = sandbox.json("install hoist-one two").exits(0).statuses();
    assert!(again.values().all(|status| status == "unchanged"));

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
        .hoist("uninstall hoist-one two -y")
        .exits(0)
        .says("crate hoist-one");
    assert!(!sandbox.has(".local/bin/hoist-one") && !sandbox.has(".local/bin/hoist_two"));
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.0.0");
}

#[test]
fn programs_that_are_gone_versions_and_the_helper_work() {
    let Some((sandbox, registry)) = with_registry() else {
        return;
    };
    registry.publish("hoist-one", "2.0.0");
    sandbox.add(&cargo("one").field("PACKAGES", "hoist-one@1.0.0"));
    sandbox.add(
        &cargo("two")
            .field("INSTALL_DIRS", "$HOME/tools")
            .main("install_via_cargo \"$MODULE_NAME\" hoist_two"),
    );
    sandbox.hoist("install").exits(0);
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.0.0");
    assert!(sandbox.has("tools/bin/hoist_two"));
    // What stands there is looked at, not what cargo recorded.
    std::fs::remove_file(sandbox.home().join(".local/bin/hoist-one")).unwrap();
    sandbox.hoist("install one").exits(0).says("1 installed");
    assert_eq!(version(&sandbox, "hoist-one"), "hoist-one 1.0.0");
    sandbox
        .add(&cargo("three").field("PACKAGES", "https://example.org/three"))
        .hoist("install three")
        .exits(2)
        .says("is not a package name");
}

#[test]
fn a_program_of_somebody_else_is_left_alone() {
    let Some((sandbox, _registry)) = with_registry() else {
        return;
    };
    sandbox.put(".local/bin/hoist-one", "mine\n");
    sandbox.add(&cargo("hoist-one"));
    sandbox
        .hoist("install")
        .exits(3)
        .says("binary `hoist-one` already exists");
    assert_eq!(sandbox.read(".local/bin/hoist-one"), "mine\n");
}
