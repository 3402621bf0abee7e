//! `package_manager` with the real apt and tiny packages of the test's own.

use hoist_tests::{AptRepository, Module, Sandbox, has};

fn package(name: &str) -> Module {
    Module::new(name).method("package_manager")
}

fn is_root() -> bool {
    std::process::Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[test]
fn packages_are_one_transaction_and_each_module_has_its_own_outcome() {
    if !has("apt-get") || !has("dpkg-deb") || !has("strace") || !is_root() {
        return;
    }
    let repository = AptRepository::new(&[
        "hoist-test-a",
        "hoist-test-b",
        "hoist-test-c:hoist-test-b",
        "hoist-test-d:hoist-test-nowhere",
        "hoist-test-e",
        "hoist-test-f",
    ]);
    let mut sandbox = Sandbox::new();
    sandbox.set("APT_CONFIG", &repository.config().display().to_string());
    sandbox.add(&package("hoist-test-a").field("TEST_BINARIES", "hoist-test-a"));
    sandbox.add(
        &package("b")
            .field("PACKAGES", "hoist-test-b hoist-test-c")
            .depends("hoist-test-a"),
    );
    sandbox.add(
        &Module::new("user")
            .depends("b")
            .main("hoist-test-c >\"$HOME/said\""),
    );
    let (ran, calls) = sandbox.traced("install --output json", "execve");
    let ran = ran.exits(0);
    assert!(
        ran.statuses().values().all(|status| status == "installed"),
        "{}",
        ran.stdout
    );
    assert_eq!(sandbox.read("said"), "hoist-test-c\n");
    let installs = calls
        .iter()
        .filter(|call| {
            call.contains("execve(\"")
                && call.contains("\"apt-get\", \"install\"")
                && call.contains(" = 0")
        })
        .count();
    assert_eq!(installs, 2, "one with old lists, one with fresh: {calls:?}");
    assert_eq!(
        sandbox.json("info hoist-test-a").document()["version"],
        "1.0"
    );

    sandbox.add(&package("hoist-test-d"));
    sandbox.add(&package("hoist-test-e"));
    sandbox.add(&package("hoist-test-f"));
    sandbox.add(&Module::new("needs-d").depends("hoist-test-d"));
    let statuses = sandbox.json("install").exits(3).statuses();
    let of = |name: &str| statuses[name].as_str();
    assert_eq!((of("hoist-test-d"), of("needs-d")), ("failed", "skipped"));
    assert_eq!(
        (of("hoist-test-e"), of("hoist-test-f"), of("hoist-test-a")),
        ("installed", "installed", "unchanged")
    );

    sandbox.add(
        &Module::new("script").main("install_via_package_manager \"$MODULE_NAME\" hoist-test-b && run_as_root $PKG_INSTALL hoist-test-e"),
    );
    sandbox.json("install script").exits(0);
    let fresh = Sandbox::new();
    fresh.add(&package("hoist-test-a"));
    assert_eq!(
        fresh.json("install").exits(0).statuses()["hoist-test-a"],
        "unchanged",
        "it is on the machine"
    );
}

#[test]
fn without_root_and_sudo_nothing_is_started() {
    if !has("setpriv") || !has("apt-get") || !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&package("hoist-test-never"));
    sandbox.add(&Module::new("other").main("touch \"$HOME/other\""));
    let sealed = std::process::Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(sandbox.path("."))
        .status()
        .unwrap();
    assert!(sealed.success());
    std::fs::set_permissions(
        sandbox.path("."),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    // The build may stand where only root can read.
    let copy = sandbox.path("hoist");
    std::fs::copy(hoist_tests::binary(), &copy).unwrap();
    let mut command = sandbox.command("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(copy)
        .arg("install");
    let ran = hoist_tests::ran(command.output().unwrap());
    ran.exits(2)
        .says("requires root, and sudo ")
        .says("--skip hoist-test-never");
    assert!(!sandbox.has("other"));
}
