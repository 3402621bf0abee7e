//! Which modules a command is about, and what is wrong with a request.

use hoist_tests::{Module, Sandbox};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("core-one").tier("core").depends("helper"));
    sandbox.add(&Module::new("helper").tier("optional"));
    sandbox.add(&Module::new("default-one").depends("core-one lib"));
    sandbox.add(&Module::new("default-two"));
    sandbox.add(&Module::new("lib").tier("optional"));
    sandbox.add(&Module::new("extra").tier("optional").depends("default-two"));
    sandbox
}

fn planned(sandbox: &Sandbox, arguments: &str) -> Vec<String> {
    let document = sandbox
        .json(&format!("plan install {arguments}"))
        .exits(0)
        .document();
    let mut names: Vec<String> = document["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["module"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn tiers_names_and_options_choose_and_requirements_come_along() {
    let sandbox = sandbox();
    assert_eq!(
        planned(&sandbox, ""),
        ["core-one", "default-one", "default-two", "helper", "lib"]
    );
    assert_eq!(planned(&sandbox, "--minimal"), ["core-one", "helper"]);
    assert_eq!(
        planned(&sandbox, "--all"),
        [
            "core-one",
            "default-one",
            "default-two",
            "extra",
            "helper",
            "lib"
        ]
    );
    assert_eq!(
        planned(&sandbox, "--minimal --with extra"),
        ["core-one", "default-two", "extra", "helper"]
    );
    assert_eq!(planned(&sandbox, "extra"), ["default-two", "extra"]);
    assert_eq!(
        planned(&sandbox, "lib --with extra"),
        ["default-two", "extra", "lib"]
    );
    assert_eq!(
        planned(&sandbox, "--skip lib"),
        ["core-one", "default-two", "helper"]
    );
}

#[test]
fn what_is_left_out_is_said_with_its_reason() {
    let ran = sandbox()
        .json("plan install --skip lib,default-two")
        .exits(0)
        .document();
    let left: Vec<(&str, &str)> = ran["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| {
            (
                left["module"].as_str().unwrap(),
                left["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        left,
        [
            ("default-one", "depends on lib, which is left out"),
            ("default-two", "left out with --skip")
        ]
    );
}

#[test]
fn names_that_do_not_exist_are_errors_wherever_they_stand() {
    let sandbox = sandbox();
    sandbox
        .hoist("install defualt-one")
        .exits(2)
        .says("unknown module `defualt-one`")
        .says("did you mean `default-one`?");
    sandbox
        .hoist("install --skip nothing")
        .exits(2)
        .says("unknown module `nothing` (--skip)");
    sandbox
        .hoist("install --with extr")
        .exits(2)
        .says("did you mean `extra`?");
    sandbox.hoist("install --minimal extra").exits(2);
    sandbox.hoist("install --no-such-option").exits(2);
    assert!(
        !sandbox.has(".local"),
        "nothing was started, nothing written"
    );
}

#[test]
fn what_a_core_module_needs_cannot_be_skipped() {
    let sandbox = sandbox();
    sandbox
        .hoist("install --skip helper")
        .exits(2)
        .says("core-one is a core module and depends on helper, which --skip leaves out");
    sandbox
        .hoist("install --skip core-one")
        .exits(2)
        .says("core-one is a core module and cannot be skipped");
    sandbox.hoist("plan install extra --skip core-one").exits(0);
}

#[test]
fn missing_requirements_say_who_wants_them() {
    let sandbox = sandbox();
    sandbox.add(
        &Module::new("wanting")
            .tier("optional")
            .depends("libb no-such"),
    );
    sandbox.hoist("install").exits(0);
    let ran = sandbox
        .hoist("install wanting")
        .exits(2)
        .says("unknown module `libb` (required by wanting)")
        .says("did you mean `lib`?");
    ran.says("no-such").says("modules/wanting.sh");
    sandbox.hoist("validate").exits(2).says("no-such");
}

#[test]
fn a_cycle_is_told_as_its_shortest_path_and_a_diamond_is_none() {
    let sandbox = Sandbox::new();
    for (name, depends) in [
        ("a", "b"),
        ("b", "c d"),
        ("c", "a"),
        ("d", "e"),
        ("e", "f"),
        ("f", "a"),
    ] {
        sandbox.add(&Module::new(name).depends(depends));
    }
    sandbox
        .hoist("install")
        .exits(2)
        .says("dependency cycle: a => b => c => a");
    sandbox.add(&Module::new("self").tier("optional").depends("self"));
    sandbox
        .hoist("plan install self")
        .exits(2)
        .says("self => self");
    let diamond = Sandbox::new();
    for (name, depends) in [
        ("top", "left right"),
        ("left", "bottom"),
        ("right", "bottom"),
        ("bottom", ""),
    ] {
        diamond.add(
            &Module::new(name)
                .depends(depends)
                .main(&format!("echo {name} >>\"$HOME/order\"")),
        );
    }
    diamond.hoist("install").exits(0);
    let order = diamond.read("order");
    assert!(
        order.starts_with("bottom\n") && order.ends_with("top\n"),
        "{order}"
    );
}

#[test]
fn broken_manifests_are_in_the_way_only_of_what_touches_them() {
    let sandbox = sandbox();
    sandbox.add(
        &Module::new("broken")
            .tier("optional")
            .field("INSTALL_METHOD", "gitclone"),
    );
    sandbox.add(
        &Module::new("needs-broken")
            .tier("optional")
            .depends("broken"),
    );
    sandbox
        .hoist("list")
        .exits(0)
        .says("broken")
        .says("core-one");
    sandbox.hoist("plan install").exits(0);
    for arguments in ["install broken", "install needs-broken", "install --all"] {
        sandbox
            .hoist(arguments)
            .exits(2)
            .says("did you mean `git_clone`?");
    }
    sandbox.write("modules/unknown-tier.sh", "#!/bin/bash\n");
    sandbox.hoist("install").exits(2).says("no metadata");
    sandbox.hoist("install default-two").exits(0);
}

#[test]
fn the_first_of_several_collections_wins() {
    let sandbox = sandbox();
    let other = sandbox.path("other");
    std::fs::create_dir_all(other.join("modules")).unwrap();
    for name in ["lib", "more"] {
        let text = std::fs::read_to_string(sandbox.collection().join("modules/lib.sh"))
            .unwrap()
            .replace("\"lib\"", &format!("\"{name}\""));
        std::fs::write(other.join(format!("modules/{name}.sh")), text).unwrap();
    }
    let list = sandbox
        .json(&format!(
            "-C {} -C {} list",
            sandbox.collection().display(),
            other.display()
        ))
        .exits(0)
        .document();
    let source = |name: &str| {
        list.as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["name"] == name)
            .unwrap()["source"]
            .clone()
    };
    assert_eq!(
        (source("lib").as_str(), source("more").as_str()),
        (Some("collection"), Some("other"))
    );
    sandbox
        .hoist("-C /no/such/dir list")
        .exits(2)
        .says("the directory does not exist");
}

#[test]
fn what_cannot_be_read_is_named_and_hides_nothing_else() {
    let sandbox = sandbox();
    std::fs::create_dir(sandbox.collection().join("modules/directory.sh")).unwrap();
    std::os::unix::fs::symlink(
        "/no/such/file",
        sandbox.collection().join("modules/dangling.sh"),
    )
    .unwrap();
    sandbox.write("modules/alone.conf", "MODULE_NAME=alone\n");
    let ran = sandbox
        .hoist("validate")
        .exits(2)
        .says("directory.sh")
        .says("dangling.sh")
        .says("cannot read the file");
    ran.says("there is no alone.sh next to this file")
        .says("3 errors");
    sandbox
        .hoist("list")
        .exits(0)
        .says("core-one")
        .says("dangling");
    sandbox.hoist("install default-two").exits(0);
    sandbox
        .hoist("install dangling")
        .exits(2)
        .says("cannot read the file");
}

#[test]
fn odd_files_and_surroundings_neither_hang_nor_hide() {
    let mut sandbox = sandbox();
    sandbox.write("modules/.hidden.sh", "not a module");
    std::os::unix::fs::symlink(
        "nobody@nowhere",
        sandbox.collection().join("modules/.#core-one.sh"),
    )
    .unwrap();
    sandbox.hoist("install").exits(0);
    let pipe = sandbox.collection().join("modules/pipe.sh");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(pipe)
            .status()
            .unwrap()
            .success()
    );
    std::os::unix::fs::symlink("/dev/zero", sandbox.collection().join("modules/endless.sh"))
        .unwrap();
    sandbox
        .hoist("validate")
        .exits(2)
        .says("it is not a regular file")
        .says("2 errors");
    sandbox.set("HOIST_COLLECTION", "");
    sandbox.hoist("history").exits(0);
    sandbox.set(
        "HOIST_COLLECTION",
        &format!(":{}:", sandbox.collection().display()),
    );
    sandbox.hoist("list").exits(0).says("core-one");
}

#[test]
fn a_name_that_is_asked_for_cannot_be_left_out() {
    let sandbox = sandbox();
    sandbox
        .hoist("install default-one --skip lib")
        .exits(2)
        .says("default-one is requested, but depends on lib");
    sandbox
        .hoist("install extra --skip extra")
        .exits(2)
        .says("from --skip");
    sandbox.add(
        &Module::new("broken")
            .tier("optional")
            .field("INSTALL_METHOD", "gitclone"),
    );
    sandbox.add(&Module::new("needs-broken").depends("broken"));
    sandbox.hoist("plan install").exits(2);
    sandbox
        .hoist("plan install --skip broken")
        .exits(0)
        .says("depends on broken, which is left out");
}

#[test]
fn a_changed_manifest_is_said() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m"));
    sandbox.hoist("install").exits(0);
    sandbox.add(&Module::new("m").main("echo other"));
    sandbox
        .hoist("install")
        .exits(0)
        .says("its manifest changed since");
}
