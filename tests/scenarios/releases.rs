//! What a release of a deployment is made of, and what a deployment that fails leaves installed.

use std::os::unix::fs::PermissionsExt;

use hoist_tests::Sandbox;

/// Writes a plugin that is deployed by a script.
fn plugin(sandbox: &Sandbox, version: &str, more: &str, deploy: &str) {
    sandbox
        .write(
            "plugins/shop/plugin.yml",
            &format!("name: shop\nversion: {version}\ndescription: A shop\n{more}"),
        )
        .write(
            "plugins/shop/scripts/deploy.sh",
            &format!("#!/bin/bash\nset -e\n{deploy}\n"),
        )
        .write("plugins/shop/data.txt", version);
    let script = sandbox.collection().join("plugins/shop/scripts/deploy.sh");
    std::fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
}

fn installed(sandbox: &Sandbox) -> String {
    let listed = sandbox.json("list --installed").exits(0).document();
    listed[0]["version"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_release_is_made_from_the_files_of_the_version_that_is_named() {
    let sandbox = Sandbox::new();
    let show = "cat data.txt scripts/only-in-* > \"$HOME/ran\" 2> /dev/null || true; cp data.txt \"$HOME/data\"";
    plugin(&sandbox, "2.0.0", "", show);
    sandbox.write("plugins/shop/scripts/only-in-2", "two");
    sandbox.hoist("plugin deploy shop").exits(0).says("2.0.0");
    assert_eq!(sandbox.read("ran"), "2.0.0two");
    // The older version comes back into the collection.
    std::fs::remove_file(sandbox.collection().join("plugins/shop/scripts/only-in-2")).unwrap();
    plugin(&sandbox, "1.0.0", "", show);
    sandbox
        .hoist("plugin deploy shop")
        .exits(0)
        .says("2.0.0 → 1.0.0");
    assert_eq!(
        (
            sandbox.read("ran"),
            sandbox.read("data"),
            installed(&sandbox)
        ),
        ("1.0.0".into(), "1.0.0".into(), "1.0.0".into())
    );
    // Also where somebody changed the installed copy.
    sandbox.put(
        ".local/share/hoist/plugins/shop/data.txt",
        "changed by hand",
    );
    plugin(&sandbox, "1.1.0", "", show);
    sandbox
        .hoist("plugin deploy shop")
        .exits(0)
        .says("1.0.0 → 1.1.0");
    assert_eq!(sandbox.read("data"), "1.1.0");
    sandbox
        .hoist("plugin rollback shop")
        .exits(0)
        .says("1.1.0 → 1.0.0");
    assert_eq!(sandbox.read("data"), "1.0.0");
}

#[test]
fn a_failed_upgrade_leaves_the_installed_version() {
    let sandbox = Sandbox::new();
    let hooks = "hooks:\n  post-install: hooks/build.sh\n  pre-upgrade: hooks/check.sh\n";
    sandbox.write("plugins/shop/hooks/build.sh", "echo built > built");
    sandbox.write("plugins/shop/hooks/check.sh", "test ! -e \"$HOME/refuse\"");
    let deploy = "cat data.txt built > \"$HOME/ran\"";
    plugin(&sandbox, "1.0.0", hooks, deploy);
    sandbox.hoist("plugin deploy shop").exits(0);
    // What the install hook made is part of the release.
    assert_eq!(sandbox.read("ran"), "1.0.0built\n");
    plugin(
        &sandbox,
        "2.0.0",
        hooks,
        "echo half > \"$HOME/ran\"; exit 1",
    );
    sandbox
        .hoist("plugin deploy shop")
        .exits(3)
        .says("1.0.0 was restored");
    assert_eq!(
        (sandbox.read("ran"), installed(&sandbox)),
        ("1.0.0built\n".into(), "1.0.0".into())
    );
    plugin(&sandbox, "2.0.0", hooks, deploy);
    sandbox.put("refuse", "");
    sandbox
        .hoist("plugin deploy shop")
        .exits(3)
        .says("nothing was changed");
    assert_eq!(
        (sandbox.read("ran"), installed(&sandbox)),
        ("1.0.0built\n".into(), "1.0.0".into())
    );
    assert_eq!(
        sandbox.read(".local/share/hoist/plugins/shop/data.txt"),
        "1.0.0"
    );
    std::fs::remove_file(sandbox.home().join("refuse")).unwrap();
    sandbox
        .hoist("plugin deploy shop")
        .exits(0)
        .says("1.0.0 → 2.0.0");
    assert_eq!(
        (sandbox.read("ran"), installed(&sandbox)),
        ("2.0.0built\n".into(), "2.0.0".into())
    );
    // What the installed copy refuses is refused before anything is deployed.
    plugin(&sandbox, "3.0.0", hooks, deploy);
    std::os::unix::fs::symlink("/etc/passwd", sandbox.collection().join("plugins/shop/out"))
        .unwrap();
    sandbox
        .hoist("plugin deploy shop")
        .exits(3)
        .says("its symbolic link out leads out of the module");
    assert_eq!(
        (sandbox.read("ran"), installed(&sandbox)),
        ("2.0.0built\n".into(), "2.0.0".into())
    );
}

#[test]
fn a_failed_hook_after_a_deployment_names_a_command_that_works() {
    let sandbox = Sandbox::new();
    let hooks = "hooks:\n  post-deploy: hooks/after.sh\n  post-upgrade: hooks/after.sh\n";
    sandbox.write("plugins/shop/hooks/after.sh", "test ! -e \"$HOME/refuse\"");
    let deploy = "cp data.txt \"$HOME/ran\"";
    plugin(&sandbox, "1.0.0", hooks, deploy);
    sandbox.put("refuse", "");
    sandbox
        .hoist("plugin deploy shop")
        .exits(3)
        .says("it is deployed, but its post-deploy hook")
        .says("run `hoist plugin deploy shop` to run its hooks again");
    std::fs::remove_file(sandbox.home().join("refuse")).unwrap();
    sandbox.hoist("plugin deploy shop").exits(0);
    sandbox.put("refuse", "");
    sandbox
        .hoist("plugin deploy shop --force")
        .exits(3)
        .says("run `hoist plugin deploy shop` to run its hooks again");
    plugin(&sandbox, "2.0.0", hooks, deploy);
    sandbox
        .hoist("plugin deploy shop")
        .exits(3)
        .says("run `hoist plugin rollback shop` to restore the previous release");
    std::fs::remove_file(sandbox.home().join("refuse")).unwrap();
    sandbox
        .hoist("plugin rollback shop")
        .exits(0)
        .says("2.0.0 → 1.0.0");
    assert_eq!(sandbox.read("ran"), "1.0.0");
}

#[test]
fn a_host_that_was_never_reached_leaves_no_deployment() {
    if !hoist_tests::has("ssh") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox
        .write(
            "plugins/site/plugin.yml",
            "name: site\nversion: 1.0.0\nconfig:\n  defaults: config/defaults.yaml\n",
        )
        .write(
            "plugins/site/config/defaults.yaml",
            "host:\n  connection: { host: 127.0.0.1, port: 1 }\napp: { key: { generate: 16 } }\n",
        )
        .write(
            "plugins/site/modules/page.sh",
            "MODULE_NAME=page\nMODULE_INSTALL_METHOD=custom\nmain_module() { :; }\n",
        );
    sandbox
        .hoist("plugin deploy site")
        .exits(3)
        .says("cannot connect to")
        .says("its changes were rolled back");
    sandbox
        .hoist("plugin status")
        .exits(0)
        .says("Nothing is deployed");
    // Nothing is locked with the secret that was made: it goes as well.
    assert!(
        !sandbox
            .home()
            .join(".local/state/hoist/deployments/site/secrets.json")
            .exists()
    );
    let removed = sandbox.hoist("plugin remove site -y").exits(0);
    assert!(
        !removed.stdout.contains("secrets.json"),
        "{}",
        removed.stdout
    );
}
