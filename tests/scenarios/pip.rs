//! `pip` with small real packages.

use hoist_tests::{Module, Sandbox, has, wheel};

fn pip(name: &str) -> Module {
    Module::new(name)
        .method("pip")
        .field("INSTALL_DIRS", "$HOME/.local")
}

#[test]
fn packages_of_one_target_are_one_call_and_each_has_its_own_outcome() {
    if !has("pip3") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&pip("cowsay").field("TEST_BINARIES", "cowsay"));
    sandbox.add(&pip("tabulate").field("TEST_BINARIES", "tabulate"));
    sandbox.add(&pip("by-name").field("PACKAGES", "iniconfig>=1"));
    sandbox.add(&pip("no-such").field("PACKAGES", "hoist-package-that-does-not-exist"));
    sandbox.add(
        &Module::new("user")
            .depends("cowsay")
            .main("cowsay -t hi >\"$HOME/said\""),
    );
    let ran = sandbox.json("install").exits(3);
    let statuses = ran.statuses();
    for name in ["cowsay", "tabulate", "by-name", "user"] {
        assert_eq!(statuses[name], "installed", "{statuses:?}\n{}", ran.stderr);
    }
    assert!(
        ran.finished("no-such")["reason"]
            .as_str()
            .unwrap()
            .contains("pip install failed"),
        "{}",
        ran.stdout
    );
    assert!(sandbox.read("said").contains("hi"));
    let again = sandbox
        .json("install cowsay tabulate by-name")
        .exits(0)
        .statuses();
    assert!(
        again.values().all(|status| status == "unchanged"),
        "{again:?}"
    );
    assert!(sandbox.json("info cowsay").document()["version"].is_string());
}

#[test]
fn a_good_batch_is_one_call_of_pip() {
    if !has("pip3") || !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox
        .add(&pip("cowsay"))
        .add(&pip("iniconfig"))
        .add(&pip("tabulate"));
    let (ran, calls) = sandbox.traced("install --output json", "execve");
    let ran = ran.exits(0);
    assert!(
        ran.statuses().values().all(|status| status == "installed"),
        "{}",
        ran.stdout
    );
    // Wrappers of pip start pip once more with the same words; another call would have other words.
    let words = calls
        .iter()
        .filter(|call| call.contains("\"install\""))
        .filter_map(|call| call.split("\"--\", ").nth(1)?.split(']').next());
    let words: std::collections::BTreeSet<&str> = words.collect();
    assert_eq!(
        words.into_iter().collect::<Vec<_>>(),
        ["\"cowsay\", \"iniconfig\", \"tabulate\""]
    );
    // What an undo would remove of them is shown before.
    sandbox
        .hoist("undo --dry-run")
        .exits(0)
        .says("cowsay: Python package cowsay");
}

#[test]
fn another_directory_and_the_helper_work() {
    if !has("pip3") {
        return;
    }
    let sandbox = Sandbox::named("my home");
    sandbox.add(
        &Module::new("cowsay")
            .method("pip")
            .field("INSTALL_DIRS", "$HOME/tools")
            .field("TEST_BINARIES", "cowsay"),
    );
    let helper = Module::new("helper")
        .field("INSTALL_METHOD", "pip")
        .field("INSTALL_DIRS", "$HOME/.local");
    sandbox.add(&helper.main("install_via_pip \"$MODULE_NAME\" iniconfig"));
    sandbox.hoist("install").exits(0);
    assert!(sandbox.has("tools/bin/cowsay"));
    sandbox.hoist("test").exits(0);
}

/// The names of the distributions in the home directory.
fn distributions(sandbox: &Sandbox) -> Vec<String> {
    let files = sandbox.files(".local/lib").into_iter();
    let mut names: Vec<String> = files
        .filter_map(|file| {
            Some(
                file.split_once(".dist-info/METADATA")?
                    .0
                    .rsplit('/')
                    .next()?
                    .to_owned(),
            )
        })
        .collect();
    names.sort();
    names
}

#[test]
fn what_packages_need_goes_with_the_last_that_needs_it_and_an_undo_installs_them_again() {
    if !has("pip3") {
        return;
    }
    let mut sandbox = Sandbox::new();
    let wheels = sandbox.home().join("wheels");
    std::fs::create_dir(&wheels).unwrap();
    let publish = |name: &str, version: &str, requires: &[&str]| {
        std::fs::write(
            wheels.join(format!("{name}-{version}-py3-none-any.whl")),
            wheel(name, version, requires),
        )
        .unwrap();
    };
    publish("hoistone", "1.0", &["hoistdep", "hoistboth"]);
    publish("hoisttwo", "1.0", &["hoistboth"]);
    publish("hoistdep", "1.0", &[]);
    publish("hoistboth", "1.0", &[]);
    sandbox.set("PIP_FIND_LINKS", &wheels.display().to_string());
    sandbox.add(
        &pip("one")
            .field("PACKAGES", "hoistone")
            .field("UPDATE_METHOD", "pip_upgrade"),
    );
    sandbox.add(&pip("two").field("PACKAGES", "hoisttwo"));
    sandbox.hoist("install one").exits(0);
    sandbox.hoist("install two").exits(0);
    assert_eq!(
        distributions(&sandbox),
        [
            "hoistboth-1.0",
            "hoistdep-1.0",
            "hoistone-1.0",
            "hoisttwo-1.0"
        ]
    );
    sandbox
        .hoist("uninstall one -y")
        .exits(0)
        .says("Python package hoistdep")
        .says("the Python package hoisttwo depends on it");
    assert_eq!(distributions(&sandbox), ["hoistboth-1.0", "hoisttwo-1.0"]);
    // The undo installs it again, in the version that it had.
    publish("hoistone", "2.0", &["hoistdep", "hoistboth", "hoistnew"]);
    publish("hoistnew", "1.0", &[]);
    sandbox
        .hoist("undo --dry-run")
        .exits(0)
        .says("install   one: Python package hoistone==1.0");
    sandbox.hoist("undo --yes").exits(0);
    assert_eq!(
        distributions(&sandbox),
        [
            "hoistboth-1.0",
            "hoistdep-1.0",
            "hoistone-1.0",
            "hoisttwo-1.0"
        ]
    );
    sandbox.hoist("test").exits(0);
    sandbox.hoist("update one").exits(0);
    assert!(distributions(&sandbox).contains(&"hoistone-2.0".to_owned()));
    sandbox
        .hoist("undo --dry-run")
        .exits(0)
        .says("remove    one: Python package hoistnew")
        .says("hoistone==1.0");
    let undone = sandbox
        .hoist("undo --yes")
        .exits(0)
        .says("Python package hoistnew");
    assert!(!distributions(&sandbox).contains(&"hoistnew-1.0".to_owned()));
    assert!(
        distributions(&sandbox).contains(&"hoistone-1.0".to_owned()),
        "{}{}",
        undone.stdout,
        undone.stderr
    );
    // Where pip cannot install it any more, the undo says so, and the module is not called
    // installed.
    sandbox.hoist("uninstall one -y").exits(0);
    std::fs::remove_file(wheels.join("hoistone-1.0-py3-none-any.whl")).unwrap();
    sandbox
        .hoist("undo --yes")
        .exits(3)
        .says("pip install failed");
    assert_eq!(
        sandbox
            .json("list --installed")
            .exits(0)
            .document()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    sandbox.hoist("uninstall two -y").exits(0);
    assert_eq!(
        distributions(&sandbox),
        ["hoistboth-1.0"],
        "what another module brought is for that one to remove"
    );
    // A module whose package came along with another's is hoist's own, too.
    publish("hoistone", "1.0", &["hoistdep", "hoistboth"]);
    sandbox.add(&pip("dep").field("PACKAGES", "hoistdep"));
    sandbox.hoist("install one").exits(0);
    sandbox.hoist("install dep").exits(0).says("unchanged");
    sandbox
        .hoist("uninstall one -y")
        .exits(0)
        .says("dep also owns it");
    assert!(distributions(&sandbox).contains(&"hoistdep-1.0".to_owned()));
    sandbox.hoist("uninstall dep -y").exits(0);
    assert_eq!(distributions(&sandbox), ["hoistboth-1.0"]);
}

#[test]
fn files_of_packages_are_verified_by_what_pip_recorded() {
    if !has("pip3") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(&pip("iniconfig"));
    sandbox.hoist("install").exits(0);
    sandbox.hoist("test").exits(0);
    let of = |name: &str| {
        sandbox
            .files(".local/lib")
            .into_iter()
            .find(|file| file.ends_with(name))
            .unwrap()
    };
    let (changed, gone) = (of("iniconfig/exceptions.py"), of("iniconfig/_parse.py"));
    sandbox.put(&format!(".local/lib/{changed}"), "x = 1\n");
    std::fs::remove_file(sandbox.home().join(".local/lib").join(&gone)).unwrap();
    let ran = sandbox.json("test").exits(3);
    let reason = ran.finished("iniconfig")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("missing:")
            && reason.contains("_parse.py")
            && reason.contains("modified:")
            && reason.contains("exceptions.py"),
        "{reason}"
    );
}
