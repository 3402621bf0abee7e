//! Configuration files: brought, kept, replaced, merged, taken away.

use std::os::unix::fs::{PermissionsExt, symlink};

use hoist_tests::{Module, Sandbox, has};

/// A module that brings `~/.rc`, with this template.
fn sandbox(template: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc"));
    sandbox.write("config/rc", template);
    sandbox
}

fn write(sandbox: &Sandbox, path: &str, text: &str) {
    let path = sandbox.home().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The names in the home directory that start like this.
fn names(sandbox: &Sandbox, start: &str) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.home()).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with(start))
        .collect();
    names.sort();
    names
}

fn backups(sandbox: &Sandbox) -> Vec<String> {
    names(sandbox, ".rc.pre-slaanesh-")
        .iter()
        .map(|name| sandbox.read(name))
        .collect()
}

#[test]
fn what_hoist_put_there_is_replaced_without_a_question() {
    let sandbox = sandbox("1\n");
    sandbox.hoist("install").exits(0);
    assert_eq!(sandbox.read(".rc"), "1\n");
    assert!(backups(&sandbox).is_empty());
    assert_eq!(sandbox.json("update").exits(0).statuses()["m"], "unchanged");
    sandbox.write("config/rc", "2\n");
    let plan = sandbox.json("plan update").exits(0).document();
    assert_eq!(
        plan["modules"][0]["config_files"][0]["decision"],
        "overwrite"
    );
    assert_eq!(sandbox.json("update").exits(0).statuses()["m"], "updated");
    assert_eq!(
        (sandbox.read(".rc"), backups(&sandbox)),
        ("2\n".to_owned(), Vec::new()),
        "what hoist put there is no version of a person's"
    );
}

#[test]
fn the_three_ways_on_install_and_on_update() {
    for (option, content, new, copies) in [
        ("--config-overwrite", "theirs\n", None, vec!["mine\n"]),
        ("--config-keep", "mine\n", Some("theirs\n"), vec![]),
        ("", "mine\n", Some("theirs\n"), vec![]),
    ] {
        // There before the install.
        let first = sandbox("theirs\n");
        write(&first, ".rc", "mine\n");
        first.hoist(&format!("install {option}")).exits(0);
        let pending = || std::fs::read_to_string(first.home().join(".rc.new")).ok();
        assert_eq!(
            (first.read(".rc").as_str(), pending().as_deref()),
            (content, new),
            "{option}"
        );
        assert_eq!(backups(&first), copies, "{option}");
        // Changed by hand after it, and changed by the author too.
        let second = sandbox("shipped\n");
        second.hoist("install").exits(0);
        write(&second, ".rc", "mine\n");
        second.write("config/rc", "theirs\n");
        second.hoist(&format!("update {option}")).exits(0);
        let pending = std::fs::read_to_string(second.home().join(".rc.new")).ok();
        assert_eq!(
            (second.read(".rc").as_str(), pending.as_deref()),
            (content, new),
            "{option}"
        );
        assert_eq!(backups(&second), copies, "{option}");
    }
}

#[test]
fn a_kept_file_is_offered_once_and_a_copy_is_never_overwritten() {
    let sandbox = sandbox("1\n");
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".rc", "mine\n");
    // The author has nothing new: nothing is asked, nothing put beside it.
    sandbox.hoist("update").exits(0);
    assert!(!sandbox.has(".rc.new"));
    sandbox.write("config/rc", "2\n");
    assert_eq!(sandbox.json("update").exits(0).statuses()["m"], "updated");
    assert_eq!(sandbox.json("update").exits(0).statuses()["m"], "unchanged");
    assert_eq!(sandbox.read(".rc.new"), "2\n");
    // Somebody worked on what was put beside it.
    write(&sandbox, ".rc.new", "mine too\n");
    sandbox.write("config/rc", "3\n");
    sandbox.hoist("update").exits(0);
    assert_eq!(sandbox.read(".rc.new"), "3\n");
    let kept = names(&sandbox, ".rc.new.pre-slaanesh-");
    assert_eq!(
        kept.iter()
            .map(|name| sandbox.read(name))
            .collect::<Vec<_>>(),
        ["mine too\n"]
    );
    for number in 4..8 {
        sandbox.write("config/rc", &format!("{number}\n"));
        sandbox.hoist("update --config-overwrite").exits(0);
        write(&sandbox, ".rc", &format!("mine {number}\n"));
    }
    assert_eq!(backups(&sandbox).len(), 4, "within a second as well");
    assert!(backups(&sandbox).contains(&"mine\n".to_owned()));
}

/// A collection with one configuration file, installed, then modified by the user to `mine` and by
/// the module to `theirs`.
fn modified(mine: &str, theirs: &str) -> Sandbox {
    let sandbox = sandbox("a\nb\nc\nd\ne\nf\ng\n");
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".rc", mine);
    sandbox.write("config/rc", theirs);
    sandbox
}

/// An editor that runs the given commands on the file `$1`.
fn editor(sandbox: &mut Sandbox, commands: &str) {
    let script = sandbox.path("editor");
    std::fs::write(&script, format!("#!/bin/sh\n{commands}\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.set("VISUAL", &script.display().to_string());
}

const THEIRS: &str = "a\nb\nc\nd\ne\nf\nTHEIRS\n";

#[test]
fn a_question_shows_the_difference_and_keeps_overwrites_or_merges() {
    if !has("script") {
        return;
    }
    let merged = modified("MINE\nb\nc\nd\ne\nf\ng\n", THEIRS);
    let text = merged
        .terminal("update --color never", "x\nd\nm\n")
        .exits(0)
        .stdout
        .replace('\r', "");
    let question = text.find("[m]erge").unwrap();
    assert!(
        text.find("Configuration file 1 of 1: ~/.rc (m)").unwrap() < question,
        "{text}"
    );
    assert!(
        text.find("-MINE").unwrap() < question
            && text.find("+THEIRS").unwrap() < question
            && text.matches("-MINE").count() == 2,
        "{text}"
    );
    assert!(
        text.contains("Answer with one of: k, o, m, d, e, q"),
        "{text}"
    );
    assert_eq!(merged.read(".rc"), "MINE\nb\nc\nd\ne\nf\nTHEIRS\n");
    assert_eq!(backups(&merged), ["MINE\nb\nc\nd\ne\nf\ng\n"]);
    let overwritten = modified("a\nb\nc\nd\ne\nf\nMINE\n", THEIRS);
    overwritten.terminal("update", "o\n").exits(0);
    assert_eq!(overwritten.read(".rc"), THEIRS);
    let kept = modified("MINE\n", THEIRS);
    kept.terminal("update", "\n").exits(0);
    assert_eq!(
        (kept.read(".rc"), kept.read(".rc.new")),
        ("MINE\n".to_owned(), THEIRS.to_owned())
    );
    let left = modified("MINE\n", THEIRS);
    left.terminal("update", "q\n");
    assert!(left.read(".rc") == "MINE\n" && !left.has(".rc.new"));
}

#[test]
fn a_merge_with_conflicts_opens_the_editor_and_takes_no_conflict_markers() {
    if !has("script") {
        return;
    }
    let mine = "a\nb\nc\nd\ne\nf\nMINE\n";
    let mut resolved = modified(mine, THEIRS);
    editor(
        &mut resolved,
        "grep -q '<<<<<<< local' \"$1\" && grep -q MINE \"$1\" && grep -q THEIRS \"$1\" && sed -i '/^[<=>]\\{7\\}/d' \"$1\"",
    );
    resolved.terminal("update", "m\n").exits(0);
    assert_eq!(resolved.read(".rc"), "a\nb\nc\nd\ne\nf\nMINE\nTHEIRS\n");
    assert_eq!(backups(&resolved), [mine]);
    // Markers that are left, an editor that fails and one that is missing lead back to the
    // question.
    for commands in ["true", "exit 3"] {
        let mut unresolved = modified(mine, THEIRS);
        editor(&mut unresolved, commands);
        let text = unresolved.terminal("update", "m\nk\n").exits(0).stdout;
        assert!(
            text.contains("1 conflict is left") || text.contains("failed with exit status: 3"),
            "{text}"
        );
        assert_eq!(unresolved.read(".rc"), mine);
    }
    let mut edited = modified(mine, THEIRS);
    editor(&mut edited, "echo edited >>\"$1\"");
    edited.terminal("update", "e\n").exits(0);
    assert_eq!(edited.read(".rc"), format!("{mine}edited\n"));
}

#[test]
fn one_answer_can_be_for_all_remaining_files() {
    if !has("script") {
        return;
    }
    let prepared = || {
        let sandbox = Sandbox::new();
        sandbox.add(&Module::new("m").field("CONFIG_FILES", "$HOME/.one $HOME/.two $HOME/.three"));
        for name in ["one", "two", "three"] {
            sandbox.write(&format!("config/{name}"), "a\nb\nc\nd\ne\n");
        }
        sandbox.hoist("install").exits(0);
        for name in ["one", "two", "three"] {
            write(
                &sandbox,
                &format!(".{name}"),
                if name == "three" {
                    "a\nb\nc\nd\nMINE\n"
                } else {
                    "MINE\nb\nc\nd\ne\n"
                },
            );
            sandbox.write(&format!("config/{name}"), "a\nb\nc\nd\nTHEIRS\n");
        }
        sandbox
    };
    let sandbox = prepared();
    let text = sandbox.terminal("update", "k\na\nm\n").exits(0).stdout;
    assert!(
        text.contains("1 of 3") && text.contains("2 of 3") && !text.contains("3 of 3"),
        "{text}"
    );
    let kept = sandbox
        .files("")
        .into_iter()
        .filter(|file| file.ends_with(".new"))
        .count();
    let merged = ["one", "two", "three"]
        .iter()
        .filter(|name| sandbox.read(&format!(".{name}")) == "MINE\nb\nc\nd\nTHEIRS\n")
        .count();
    assert_eq!((kept, merged), (2, 1), "{:?}", sandbox.files(""));
    let overwritten = prepared();
    overwritten.terminal("update", "a\no\n").exits(0);
    assert!(
        ["one", "two", "three"]
            .iter()
            .all(|name| overwritten.read(&format!(".{name}")).ends_with("THEIRS\n"))
    );
}

#[test]
fn modes_links_and_directories_are_as_they_should() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field(
        "CONFIG_FILES",
        "$HOME/.config/m $HOME/.linked $HOME/.private",
    ));
    sandbox
        .write("config/m/one.yml", "1\n")
        .write("config/m/deep/two.yml", "1\n")
        .write("config/.linked", "theirs\n");
    sandbox.write("config/.private", "theirs\n");
    std::fs::create_dir_all(sandbox.home().join("dotfiles")).unwrap();
    std::fs::write(sandbox.home().join("dotfiles/linked"), "mine\n").unwrap();
    symlink("dotfiles/linked", sandbox.home().join(".linked")).unwrap();
    write(&sandbox, ".private", "mine\n");
    std::fs::set_permissions(
        sandbox.home().join(".private"),
        PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    sandbox.hoist("install --config-overwrite").exits(0);
    assert_eq!(
        (
            sandbox.read(".config/m/one.yml"),
            sandbox.read(".config/m/deep/two.yml")
        ),
        ("1\n".to_owned(), "1\n".to_owned())
    );
    assert!(sandbox.home().join(".linked").is_symlink());
    assert_eq!(sandbox.read("dotfiles/linked"), "theirs\n");
    let mode = sandbox
        .home()
        .join(".private")
        .metadata()
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(
        (sandbox.read(".private").as_str(), mode),
        ("theirs\n", 0o600)
    );
    let copy = names(&sandbox, ".private.pre-slaanesh-").remove(0);
    assert_eq!(
        sandbox
            .home()
            .join(copy)
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[test]
fn a_file_that_the_module_writes_by_itself_is_not_lost_either() {
    let sandbox = Sandbox::new();
    let module = Module::new("m")
        .field("CONFIG_FILES", "$HOME/.rc $HOME/.quiet")
        .field("UPDATE_METHOD", "custom");
    sandbox.add(
        &module
            .body("main_module() { echo theirs >~/.rc; }\nupdate_module() { echo newer >~/.rc; }"),
    );
    write(&sandbox, ".rc", "mine\n");
    write(&sandbox, ".quiet", "mine\n");
    sandbox.hoist("install").exits(0);
    assert_eq!(
        (sandbox.read(".rc"), backups(&sandbox)),
        ("theirs\n".to_owned(), vec!["mine\n".to_owned()])
    );
    assert!(names(&sandbox, ".quiet.pre").is_empty());
    sandbox.hoist("update --config-keep").exits(0);
    assert_eq!(
        (sandbox.read(".rc"), sandbox.read(".rc.new")),
        ("theirs\n".to_owned(), "newer\n".to_owned())
    );
}

#[test]
fn what_cannot_be_is_said_before_anything_runs() {
    let sandbox = sandbox("1\n");
    sandbox.add(
        &Module::new("m")
            .field("CONFIG_FILES", "$HOME/.rc")
            .main("touch ~/ran"),
    );
    std::fs::create_dir(sandbox.home().join(".rc")).unwrap();
    sandbox
        .hoist("install")
        .exits(2)
        .says("it is not a regular file")
        .says(".rc");
    std::fs::remove_dir(sandbox.home().join(".rc")).unwrap();
    std::fs::remove_file(sandbox.collection().join("config/rc")).unwrap();
    symlink("/etc/passwd", sandbox.collection().join("config/rc")).unwrap();
    sandbox
        .hoist("install")
        .exits(2)
        .says("leads out of the collection's config directory");
    assert!(!sandbox.has("ran") && !sandbox.has(".rc"));
}

#[test]
fn removal_brings_back_what_was_there_before() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field(
        "CONFIG_FILES",
        "$HOME/.created $HOME/.replaced $HOME/.edited $HOME/.kept",
    ));
    for name in ["created", "replaced", "edited", "kept"] {
        sandbox.write(&format!("config/{name}"), "theirs\n");
    }
    write(&sandbox, ".replaced", "mine\n");
    sandbox.hoist("install --config-overwrite").exits(0);
    write(&sandbox, ".edited", "mine\n");
    sandbox.write("config/kept", "newer\n");
    write(&sandbox, ".kept", "mine\n");
    sandbox.hoist("update").exits(0);
    assert!(sandbox.has(".kept.new"));
    let ran = sandbox.json("uninstall m -y").exits(0);
    assert!(
        !sandbox.has(".created") && !sandbox.has(".kept.new"),
        "{}",
        ran.stdout
    );
    for name in [".replaced", ".edited", ".kept"] {
        assert_eq!(sandbox.read(name), "mine\n", "{name}");
    }
    assert!(names(&sandbox, ".replaced.pre").is_empty());
}

#[test]
fn they_are_listed_compared_and_restored() {
    let sandbox = sandbox("1\n");
    sandbox
        .hoist("config list")
        .exits(0)
        .says("No configuration files");
    sandbox.hoist("install").exits(0);
    sandbox.hoist("config list").exits(0).says("unchanged");
    sandbox.hoist("config diff").exits(0).says("No differences");
    write(&sandbox, ".rc", "mine\n");
    let rc = sandbox.home().join(".rc").display().to_string();
    sandbox
        .hoist(&format!("config diff {rc}"))
        .exits(0)
        .says("-1")
        .says("+mine");
    let listed = sandbox.json("config list").exits(0).document();
    assert_eq!(
        (&listed[0]["state"], &listed[0]["module"]),
        (&"changed".into(), &"m".into())
    );
    sandbox
        .hoist(&format!("config restore {rc}"))
        .exits(2)
        .says("has no backup");
    sandbox.write("config/rc", "2\n");
    sandbox.hoist("update --config-overwrite").exits(0);
    assert_eq!(sandbox.read(".rc"), "2\n");
    sandbox.hoist(&format!("config restore {rc}")).exits(0);
    assert_eq!(sandbox.read(".rc"), "mine\n");
    assert_eq!(
        backups(&sandbox),
        ["mine\n"],
        "what hoist put there is not copied"
    );
    sandbox
        .hoist("config diff /etc/passwd")
        .exits(2)
        .says("hoist did not install this configuration file");
}

#[test]
fn what_changes_after_it_was_looked_at_is_kept() {
    let sandbox = sandbox("theirs\n");
    sandbox.add(
        &Module::new("m")
            .field("CONFIG_FILES", "$HOME/.rc")
            .main("echo late >~/.rc"),
    );
    // The module's own script writes what the template is for: that was not decided, so both are
    // there.
    sandbox.hoist("install").exits(0);
    assert_eq!(
        (sandbox.read(".rc"), sandbox.read(".rc.new")),
        ("late\n".to_owned(), "theirs\n".to_owned())
    );
}

#[test]
fn a_declared_file_without_a_template_that_nobody_writes_is_said() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").field("CONFIG_FILES", "$HOME/.rc"));
    sandbox
        .hoist("install")
        .exits(0)
        .says("MODULE_CONFIG_FILES declares")
        .says("has no template for it in config/");
}

#[test]
fn a_difference_names_both_sides() {
    let sandbox = sandbox("1\n");
    sandbox.hoist("install").exits(0);
    write(&sandbox, ".rc", "mine\n");
    sandbox
        .hoist("config diff")
        .exits(0)
        .says("/.rc (as installed)")
        .says("+mine");
    sandbox.write("config/rc", "2\n");
    sandbox.hoist("update --config-keep").exits(0);
    sandbox
        .hoist("config diff")
        .exits(0)
        .says("/.rc\n")
        .says("/.rc.new")
        .says("+2");
}

#[test]
fn copies_of_a_configuration_file_are_pruned_and_listed() {
    let sandbox = sandbox("0\n");
    write(&sandbox, ".rc", "a person's\n");
    sandbox.settings("keep_backups: 3\n");
    sandbox.hoist("install --config-overwrite").exits(0);
    for number in 1..7 {
        write(&sandbox, ".rc", &format!("mine {number}\n"));
        sandbox.write("config/rc", &format!("{number}\n"));
        sandbox.hoist("update --config-overwrite").exits(0);
    }
    // What was there before hoist comes back with the removal, and is not pruned.
    assert_eq!(backups(&sandbox), ["a person's\n", "mine 5\n", "mine 6\n"]);
    sandbox.hoist("config list").exits(0).says("3 backups");
    // What the module brought is not copied, what somebody made of it is.
    let rc = sandbox.home().join(".rc").display().to_string();
    sandbox.hoist(&format!("config restore {rc}")).exits(0);
    assert_eq!(
        (sandbox.read(".rc").as_str(), backups(&sandbox).len()),
        ("mine 6\n", 3)
    );
    write(&sandbox, ".rc", "mine 7\n");
    sandbox.hoist(&format!("config restore {rc}")).exits(0);
    assert_eq!(
        (sandbox.read(".rc").as_str(), backups(&sandbox)),
        (
            "mine 6\n",
            vec![
                "a person's\n".to_owned(),
                "mine 6\n".into(),
                "mine 7\n".into()
            ]
        )
    );
    write(&sandbox, ".rc", "6\n");
    sandbox.hoist("uninstall m -y").exits(0);
    assert_eq!(sandbox.read(".rc"), "a person's\n");
    sandbox.settings("keep_backups: 0\n");
    sandbox.hoist("list").exits(2).says("keep_backups");
}

#[test]
fn files_of_a_declared_directory_without_a_template_are_configuration() {
    let sandbox = Sandbox::new();
    let main = "mkdir -p ~/.config/app/sub; echo 1 >~/.config/app/a; echo 1 >~/.config/app/sub/b";
    let module = Module::new("m")
        .field("CONFIG_FILES", "$HOME/.config/app")
        .field("UPDATE_METHOD", "custom");
    sandbox.add(&module.body(&format!(
        "main_module() {{ {main}; }}\nupdate_module() {{ {}; }}",
        main.replace("echo 1", "echo 2")
    )));
    write(&sandbox, ".config/app/mine", "mine\n");
    sandbox.hoist("install").exits(0);
    let listed = sandbox.json("config list").exits(0).document();
    let paths: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            file["path"]
                .as_str()
                .unwrap()
                .rsplit("app/")
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(paths, ["a", "sub/b"]);
    write(&sandbox, ".config/app/a", "edited\n");
    sandbox.hoist("test").exits(0);
    sandbox.hoist("update --config-keep").exits(0);
    assert_eq!(
        (
            sandbox.read(".config/app/a").as_str(),
            sandbox.read(".config/app/a.new").as_str()
        ),
        ("edited\n", "2\n")
    );
    sandbox.hoist("uninstall m -y").exits(0);
    assert_eq!(sandbox.files(".config/app"), ["a", "mine"]);
}
