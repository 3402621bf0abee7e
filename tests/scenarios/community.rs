//! Community modules: directories of a Mercurial repository, copied, updated and removed.

use std::os::unix::fs::PermissionsExt;

use hoist_tests::{Mercurial, Rocks, Sandbox, binary, has, ran};

/// A sandbox whose user has these settings, and a server without modules of its own.
fn with_settings(settings: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let builtin = sandbox.path("builtin");
    std::fs::create_dir_all(&builtin).unwrap();
    sandbox.settings(&format!(
        "builtin_modules: {}\n{settings}",
        builtin.display()
    ));
    sandbox
}

fn community(repository: &Mercurial) -> Sandbox {
    let sandbox = with_settings(&format!(
        "sources:\n- mercurial: {}\n  into: ~/plugins\n  modules: mod_*\n",
        repository.path().display()
    ));
    sandbox.hoist("sync -q").exits(0);
    sandbox
}

#[test]
fn a_module_is_copied_with_what_it_needs_and_goes_with_what_nobody_asked_for() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository.module("mod_base", "summary: Base").module(
        "mod_other",
        "summary: Other\nrockspec:\n  dependencies:\n  - mod_base",
    );
    repository.module("mod_Feature", "summary: F\nrockspec:\n  dependencies:\n  - mod_base >= 7\n  - mod_smacks\ndepends: [mod\\_other]");
    repository
        .write("mod_Feature/run.sh", "#!/bin/sh\n")
        .write("mod_Feature/deep/er/file", "x");
    std::fs::set_permissions(
        repository.path().join("mod_Feature/run.sh"),
        PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    std::os::unix::fs::symlink("deep/er", repository.path().join("mod_Feature/inside")).unwrap();
    repository.commit("first");
    let sandbox = community(&repository);
    // Some of the server's own stand in a directory with others.
    std::fs::create_dir_all(sandbox.path("builtin/smacks")).unwrap();
    std::fs::write(sandbox.path("builtin/smacks/mod_smacks.lua"), "").unwrap();
    // What is not tracked is nobody's.
    sandbox.put(
        ".cache/hoist/sources/community/tree/mod_Feature/stranger",
        "x",
    );
    let plan = sandbox.json("plan install feature").exits(0).document();
    let planned: Vec<&str> = plan["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["module"].as_str().unwrap())
        .collect();
    assert_eq!(planned, ["mod_base", "mod_other", "mod_Feature"]);
    assert!(!sandbox.has("plugins"));
    let run = sandbox.json("install FEATURE").exits(0);
    assert_eq!(run.statuses().len(), 3);
    let version = run.finished("mod_Feature")["to"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        version,
        repository.hg(&["log", "-r", ".", "-T", "{node|short}"])
    );
    assert_eq!(
        sandbox.files("plugins/mod_Feature"),
        [
            "README.md",
            "deep/er/file",
            "inside",
            "mod_Feature.lua",
            "run.sh"
        ]
    );
    let mode = |name: &str| {
        sandbox
            .home()
            .join("plugins/mod_Feature")
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("run.sh"), mode("README.md")), (0o755, 0o644));
    assert!(
        sandbox
            .home()
            .join("plugins/mod_Feature/inside")
            .is_symlink()
    );
    sandbox.hoist("test").exits(0).says("3 passed");
    assert_eq!(
        sandbox.json("install mod_feature").exits(0).statuses()["mod_Feature"],
        "unchanged"
    );
    sandbox
        .hoist("remove base -y")
        .exits(2)
        .says("is required by")
        .says("mod_Feature");
    // Asked for once, it stays when what needed it goes.
    sandbox.hoist("install other").exits(0);
    let removed = sandbox.json("remove feature -y").exits(0);
    assert_eq!(
        removed.statuses().into_keys().collect::<Vec<_>>(),
        ["mod_Feature"]
    );
    let removed = sandbox.json("remove mod_other -y").exits(0);
    assert_eq!(
        removed.statuses().into_keys().collect::<Vec<_>>(),
        ["mod_base", "mod_other"]
    );
    assert!(
        sandbox.files("plugins").is_empty()
            && std::fs::read_dir(sandbox.home().join("plugins"))
                .unwrap()
                .next()
                .is_none()
    );
}

#[test]
fn what_a_module_needs_may_be_left_alone_and_what_no_source_has_is_refused() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_base", "summary: B")
        .module("mod_a", "rockspec:\n  dependencies: [mod_base]");
    repository.module(
        "mod_lost",
        "rockspec:\n  dependencies: [mod_nowhere, mod_base]",
    );
    repository
        .module("mod_x", "depends: [mod_y]")
        .module("mod_y", "depends: [mod_x]");
    repository.commit("first");
    let sandbox = community(&repository);
    sandbox
        .hoist("install lost")
        .exits(2)
        .says("mod_nowhere")
        .says("--no-deps")
        .says("depends");
    sandbox
        .hoist("install x")
        .exits(2)
        .says("mod_x => mod_y => mod_x");
    assert!(!sandbox.has("plugins"));
    assert_eq!(
        sandbox
            .json("install lost a --no-deps")
            .exits(0)
            .statuses()
            .len(),
        2
    );
    assert!(!sandbox.has("plugins/mod_base"));
    sandbox
        .hoist("install nothing")
        .exits(2)
        .says("unknown module `nothing`");
    sandbox
        .hoist("install community/nothing")
        .exits(2)
        .says("community has no module `nothing`");
    sandbox
        .hoist("install elsewhere/a")
        .exits(2)
        .says("unknown source `elsewhere`");
    sandbox
        .hoist("update --source elsewhere")
        .exits(2)
        .says("unknown source `elsewhere`");
}

#[test]
fn a_commit_of_hundreds_of_modules_is_read_whole() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    for number in 0..400 {
        repository
            .module(&format!("mod_{number:03}"), "summary: One of many, whose names make a long line")
            .write(&format!("mod_{number:03}/a directory with a long name/and a file in it, the name of which is long, too"), "x");
    }
    repository.commit("all at once");
    let sandbox = community(&repository);
    let version = repository.hg(&["log", "-r", ".", "-T", "{node|short}"]);
    let listed = sandbox.json("list --available").exits(0).document();
    let offered: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["offered"].as_str().unwrap())
        .collect();
    assert_eq!(offered.len(), 400);
    assert!(
        offered.iter().all(|offered| *offered == version),
        "{offered:?}"
    );
    sandbox.hoist("install mod_399").exits(0);
    assert_eq!(sandbox.files("plugins/mod_399").len(), 3);
}

#[test]
fn links_that_lead_out_or_nowhere_are_left_out_and_said() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_a", "summary: A")
        .module("mod_b", "summary: B")
        .module("mod_ok", "summary: O");
    let link = |target: &str, path: &str| {
        std::os::unix::fs::symlink(target, repository.path().join(path)).unwrap()
    };
    link("/etc/passwd", "mod_a/secret");
    link("nowhere", "mod_a/dangling");
    link("mod_a.lua", "mod_a/inside.lua");
    link("../mod_ok/../../..", "mod_b/mod_b");
    // Its code is somewhere else.
    std::fs::remove_file(repository.path().join("mod_b/mod_b.lua")).unwrap();
    link("../mod_ok/mod_ok.lua", "mod_b/mod_b.lua");
    link("mod_ok", "mod_alias");
    repository.commit("first");
    let sandbox = community(&repository);
    let run = sandbox.json("install a ok").exits(0);
    let said = run.finished("mod_a")["messages"].to_string();
    assert!(
        said.contains(
            "its symbolic link secret leads out of the module, to /etc/passwd, and is left out"
        ) && said.contains("dangling"),
        "{said}"
    );
    assert_eq!(
        sandbox.files("plugins/mod_a"),
        ["README.md", "inside.lua", "mod_a.lua"]
    );
    sandbox.hoist("test").exits(0).says("2 passed");
    assert_eq!(
        sandbox.json("install a").exits(0).statuses()["mod_a"],
        "unchanged"
    );
    let refused = sandbox.hoist("install b");
    assert!(
        refused.code != 0
            && format!("{}{}", refused.stdout, refused.stderr)
                .contains("mod_b.lua is a symbolic link to ../mod_ok/mod_ok.lua"),
        "{}",
        refused.stdout
    );
    assert!(!sandbox.has("plugins/mod_b"));
    let alias = sandbox.hoist("install alias");
    assert!(
        alias.code != 0
            && format!("{}{}", alias.stdout, alias.stderr)
                .contains("it is a symbolic link to mod_ok: install that"),
        "{}",
        alias.stderr
    );
}

#[test]
fn a_directory_that_is_there_is_taken_over_where_it_is_the_same_and_left_alone_where_it_is_not() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_same", "summary: S")
        .module("mod_else", "summary: E")
        .commit("first");
    let sandbox = community(&repository);
    for module in ["mod_same", "mod_else"] {
        for file in ["README.md".to_owned(), format!("{module}.lua")] {
            let text = std::fs::read_to_string(repository.path().join(module).join(&file)).unwrap();
            sandbox.put(&format!("plugins/{module}/{file}"), &text);
        }
    }
    sandbox.put("plugins/mod_else/mod_else.lua", "-- mine\n");
    sandbox.put("plugins/mod_else/notes", "mine");
    let run = sandbox.json("install same else").exits(3);
    assert_eq!(run.statuses()["mod_same"], "unchanged");
    let reason = run.finished("mod_else")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("2 files") && reason.contains("mod_else.lua") && reason.contains("--force"),
        "{reason}"
    );
    assert_eq!(sandbox.read("plugins/mod_else/mod_else.lua"), "-- mine\n");
    sandbox
        .hoist("install else --force")
        .exits(0)
        .says("which was locally modified");
    assert!(
        sandbox
            .read("plugins/mod_else/mod_else.lua")
            .contains("is loaded")
    );
    let copy = sandbox
        .files("plugins/mod_else")
        .into_iter()
        .find(|name| name.contains("hoist-backup"))
        .unwrap();
    assert_eq!(
        sandbox.read(&format!("plugins/mod_else/{copy}")),
        "-- mine\n"
    );
    // What was there before stays, and so does what is somebody's; what hoist put there goes.
    sandbox
        .hoist("remove same else -y")
        .exits(0)
        .says("notes")
        .says("it existed before the install; add --purge to remove it");
    let left = [
        format!("mod_else/{copy}"),
        "mod_else/notes".into(),
        "mod_same/README.md".into(),
        "mod_same/mod_same.lua".into(),
    ];
    assert_eq!(sandbox.files("plugins"), left);
    sandbox.hoist("install same").exits(0);
    sandbox.hoist("undo -y").exits(0).says("1 untracked");
    assert_eq!(sandbox.files("plugins"), left);
    sandbox.hoist("install same").exits(0);
    sandbox.hoist("remove same -y --purge").exits(0);
    assert!(!sandbox.has("plugins/mod_same"));
}

#[test]
fn a_revision_that_is_asked_for_is_installed() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module(
            "mod_a",
            "summary: A\nrockspec:\n  dependencies:\n  - mod_old",
        )
        .module("mod_old", "summary: O");
    repository
        .write("mod_a/run.sh", "one")
        .write("mod_a/left", "1");
    std::fs::set_permissions(
        repository.path().join("mod_a/run.sh"),
        PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let first = repository.commit("first");
    repository.hg(&["tag", "v1", "-u", "a"]);
    repository.hg(&["rm", "-q", "mod_a/left"]);
    repository
        .module("mod_a", "summary: A")
        .write("mod_a/run.sh", "two");
    let second = repository.commit("second");
    repository.module("mod_later", "summary: L").commit("third");
    let sandbox = community(&repository);
    let (first, second) = (&first[..12], &second[..12]);
    let installed = |sandbox: &Sandbox| {
        let document = sandbox.json("list --installed").exits(0).document();
        let all = document.as_array().unwrap().iter();
        all.map(|module| {
            format!(
                "{} {}",
                module["name"].as_str().unwrap(),
                module["version"].as_str().unwrap()
            )
        })
        .collect::<Vec<_>>()
    };
    // What is not there is said, and planning alone reads nothing.
    sandbox
        .hoist("plan install a@v1")
        .exits(2)
        .says("unknown revision v1")
        .says("`hoist install` fetches it");
    sandbox
        .hoist("install a@77")
        .exits(2)
        .says("the repository has no revision 77");
    sandbox
        .hoist("install later@0")
        .exits(2)
        .says("mod_later is not in revision 0");
    sandbox
        .hoist("install a@x'or'0")
        .exits(2)
        .says("is not a number, hash or tag of a revision");
    // One that is not there says nothing of the others.
    let both = sandbox.hoist("install later@0 a@v1").exits(2);
    assert!(
        both.stderr.contains("mod_later is not in revision 0") && !both.stderr.contains("mod_a"),
        "{}",
        both.stderr
    );
    assert!(!sandbox.has("plugins"));
    // The files, the mode and the needs of that revision.
    sandbox.hoist("install A@v1").exits(0);
    assert_eq!(
        installed(&sandbox),
        [format!("mod_a {first}"), format!("mod_old {first}")]
    );
    assert_eq!(
        sandbox.files("plugins/mod_a"),
        ["README.md", "left", "mod_a.lua", "run.sh"]
    );
    assert_eq!(sandbox.read("plugins/mod_a/run.sh"), "one");
    assert_eq!(
        sandbox
            .home()
            .join("plugins/mod_a/run.sh")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
    sandbox.hoist("test").exits(0);
    assert_eq!(
        sandbox.json("install a").exits(0).statuses()["mod_a"],
        "unchanged"
    );
    sandbox
        .hoist("outdated")
        .exits(0)
        .says(&format!("{first} → {second}"));
    // The copy of the repository stands where it stood; an update goes on from there, and goes back
    // by its revision again.
    sandbox.hoist("update").exits(0);
    assert_eq!(sandbox.read("plugins/mod_a/run.sh"), "two");
    assert!(!sandbox.has("plugins/mod_a/left"));
    sandbox.put("plugins/mod_a/run.sh", "mine");
    let run = sandbox
        .json(&format!("install community/mod_a@{first}"))
        .exits(0);
    assert_eq!(
        (&run.finished("mod_a")["from"], &run.finished("mod_a")["to"]),
        (&second.into(), &first.into())
    );
    assert!(sandbox.has("plugins/mod_a/left"));
    // Without the repository what was brought of it will do, and what was not is said.
    std::fs::rename(repository.path(), repository.path().with_extension("away")).unwrap();
    sandbox.hoist(&format!("install a@{second}")).exits(0);
    sandbox
        .hoist("install a@abcdef")
        .exits(2)
        .says("has no revision abcdef");
}

#[test]
fn a_revision_brings_what_it_needs_also_where_that_is_gone() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module(
            "mod_a",
            "summary: A\nrockspec:\n  dependencies:\n  - mod_old",
        )
        .module("mod_old", "summary: O");
    repository.module("mod_other", "summary: X").commit("first");
    repository.hg(&["tag", "release one", "-u", "a"]);
    repository.hg(&["rm", "-q", "mod_old", "mod_other"]);
    repository.module("mod_a", "summary: A").commit("second");
    let sandbox = community(&repository);
    sandbox.hoist("sync").exits(0);
    sandbox.hoist("install other").exits(2);
    let install = sandbox
        .command(binary())
        .args(["install", "a@release one", "other@0"])
        .output()
        .unwrap();
    ran(install).exits(0);
    let statuses = sandbox.json("list --installed").exits(0).document();
    let names: Vec<&str> = statuses
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["mod_a", "mod_old", "mod_other"]);
    sandbox.hoist("test").exits(0);
    sandbox.hoist("uninstall a other -y").exits(0);
    assert!(!sandbox.has("plugins/mod_a"));
    sandbox
        .hoist("install nowhere@0")
        .exits(2)
        .says("unknown module `nowhere`");
}

#[test]
fn a_module_is_verified_as_it_was_installed_whatever_its_source_has_by_now() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_moves", "summary: M")
        .module("mod_empties", "summary: E")
        .module("mod_stays", "summary: S");
    let first = repository.commit("first");
    let sandbox = community(&repository);
    sandbox.hoist("install moves empties").exits(0);
    std::fs::create_dir(repository.path().join("mod_moves/deeper")).unwrap();
    repository.hg(&[
        "mv",
        "-q",
        "mod_moves/mod_moves.lua",
        "mod_moves/deeper/mod_moves.lua",
    ]);
    repository.hg(&["rm", "-q", "mod_empties/mod_empties.lua"]);
    repository.module("mod_late", "summary: L").commit("second");
    sandbox.hoist("update").exits(0);
    let statuses = sandbox.json("test").exits(0).statuses();
    assert_eq!(
        (
            statuses["mod_moves"].as_str(),
            statuses["mod_empties"].as_str()
        ),
        ("passed", "unverified")
    );
    sandbox.hoist("doctor").exits(0);
    // At a revision that has code, where the newest has none.
    sandbox.hoist(&format!("install empties@{first}")).exits(0);
    assert_eq!(
        sandbox.json("test empties").exits(0).statuses()["mod_empties"],
        "passed"
    );
    sandbox.hoist("sync -q").exits(0);
    assert_eq!(
        sandbox.json("test empties").exits(0).statuses()["mod_empties"],
        "passed"
    );
    assert!(
        sandbox
            .json("list --installed")
            .exits(0)
            .stdout
            .contains("\"installed\"")
    );
    std::fs::remove_file(sandbox.home().join("plugins/mod_empties/mod_empties.lua")).unwrap();
    sandbox
        .hoist("test empties")
        .exits(3)
        .says("missing:")
        .says("mod_empties.lua");
    sandbox.hoist("install empties --force").exits(0);
}

#[test]
fn an_update_leaves_nothing_over_and_keeps_what_somebody_changed() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_a", "summary: A")
        .module("mod_b", "summary: B")
        .module("mod_gone", "summary: G");
    repository
        .write("mod_a/old", "1")
        .write("mod_a/edited", "1")
        .write("mod_a/dropped", "1")
        .write("mod_a/dir/x", "1");
    repository.commit("first");
    let sandbox = community(&repository);
    sandbox.hoist("install a b gone").exits(0);
    sandbox.put("plugins/mod_a/edited", "mine");
    sandbox.put("plugins/mod_a/dropped", "mine");
    sandbox.put("plugins/mod_a/added/note", "mine");
    sandbox.put("plugins/mod_a/dir/y", "mine");
    repository
        .write(
            "mod_b/README.md",
            "---\nsummary: B\ndepends: [mod_base]\n---\n",
        )
        .module("mod_base", "summary: Base")
        .commit("needs");
    sandbox.hoist("update b").exits(0);
    assert!(
        sandbox.has("plugins/mod_base"),
        "what it has come to need comes along"
    );
    repository
        .write("mod_b/README.md", "---\nsummary: B\n---\n")
        .commit("needs nothing");
    sandbox
        .hoist("update b")
        .exits(0)
        .says("No installed module depends on mod_base any more");
    sandbox.hoist("remove base -y").exits(0);
    repository
        .write("mod_a/edited", "2")
        .write("mod_a/new", "2");
    repository.hg(&[
        "rm",
        "-q",
        "mod_a/old",
        "mod_a/dropped",
        "mod_a/dir/x",
        "mod_gone",
    ]);
    repository.write("mod_a/dir2/x", "2");
    repository.commit("second");
    let run = sandbox.json("update").exits(0);
    assert_eq!(run.statuses()["mod_a"], "updated");
    assert_eq!(run.statuses()["mod_b"], "unchanged");
    let expected = [
        "README.md",
        "added/note",
        "dir/y",
        "dir2/x",
        "dropped",
        "edited",
        "edited.new",
        "mod_a.lua",
        "new",
    ]
    .map(str::to_owned)
    .to_vec();
    assert_eq!(sandbox.files("plugins/mod_a"), expected);
    assert_eq!(
        (
            sandbox.read("plugins/mod_a/edited"),
            sandbox.read("plugins/mod_a/edited.new")
        ),
        ("mine".into(), "2".into())
    );
    let items = run.finished("mod_a")["items"].to_string();
    assert!(
        items.contains("edited.new") && items.contains("the new version does not have it"),
        "{items}"
    );
    assert_eq!(
        sandbox.json("update").exits(0).statuses()["mod_a"],
        "unchanged"
    );
    assert!(sandbox.has("plugins/mod_a/edited.new") && sandbox.has("plugins/mod_gone"));
    // Once more, and overwritten this time.
    repository.write("mod_a/edited", "3").commit("third");
    sandbox.hoist("update a --config-overwrite").exits(0);
    assert_eq!(sandbox.read("plugins/mod_a/edited"), "3");
    assert!(!sandbox.has("plugins/mod_a/edited.new"));
    let copies = sandbox
        .files("plugins/mod_a")
        .into_iter()
        .filter(|name| name.starts_with("edited.hoist-backup-"))
        .count();
    assert_eq!(copies, 1);
    // Who takes the new version over has no edits any more.
    sandbox.put("plugins/mod_a/edited", "mine again");
    repository.write("mod_a/edited", "4").commit("fourth");
    sandbox.hoist("update a").exits(0).says("edited.new");
    std::fs::rename(
        sandbox.home().join("plugins/mod_a/edited.new"),
        sandbox.home().join("plugins/mod_a/edited"),
    )
    .unwrap();
    repository.write("mod_a/edited", "5").commit("fifth");
    sandbox.hoist("update a").exits(0);
    assert_eq!(
        (
            sandbox.read("plugins/mod_a/edited"),
            sandbox.has("plugins/mod_a/edited.new")
        ),
        ("5".into(), false)
    );
    sandbox
        .hoist("remove --all -y")
        .exits(0)
        .says("it was added since");
    assert!(
        !sandbox.has("plugins/mod_b")
            && !sandbox.has("plugins/mod_gone")
            && sandbox.has("plugins/mod_a/added/note")
    );
}

#[test]
fn a_copy_of_the_source_that_was_changed_is_mended_before_anything_is_copied() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_a", "summary: A")
        .module("mod_b", "summary: B")
        .module("mod_c", "summary: C")
        .commit("first");
    let sandbox = community(&repository);
    let tree = ".cache/hoist/sources/community/tree";
    sandbox.put(&format!("{tree}/mod_a/mod_a.lua"), "os.execute('evil')\n");
    std::fs::remove_file(sandbox.home().join(tree).join("mod_b/mod_b.lua")).unwrap();
    sandbox
        .hoist("install a b")
        .exits(0)
        .says("restored to the last sync");
    assert!(
        sandbox
            .read("plugins/mod_a/mod_a.lua")
            .contains("is loaded")
            && sandbox.has("plugins/mod_b/mod_b.lua")
    );
    sandbox.put(&format!("{tree}/mod_c/mod_c.lua"), "evil");
    std::fs::remove_dir_all(sandbox.home().join(tree).join(".hg")).unwrap();
    sandbox
        .hoist("install c")
        .exits(3)
        .says("run `hoist sync` to fetch it again");
    assert!(!sandbox.has("plugins/mod_c"));
    sandbox.hoist("sync").exits(0);
    sandbox.hoist("install c").exits(0);
}

#[test]
fn one_module_comes_from_one_side_and_none_hides_what_comes_with_the_server() {
    if !has("hg") || !has("luarocks-admin") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_a", "summary: A of the community")
        .module("mod_core", "summary: C")
        .module("mod_only", "summary: O")
        .commit("first");
    let rocks = Rocks::new();
    rocks.rock("mod_a", "1.0-1", &[]).publish();
    let settings = format!(
        "sources:\n- rocks: {}\n  tree: ~/plugins\n- mercurial: {}\n  into: ~/plugins\n  modules: mod_*\n",
        rocks.path().display(),
        repository.path().display()
    );
    let sandbox = with_settings(&settings);
    std::fs::write(sandbox.path("builtin/mod_core.lua"), "").unwrap();
    // Nobody has synced: install does.
    sandbox.hoist("install a").exits(0);
    assert!(sandbox.has("plugins/share/lua/5.4/mod_a.lua") && !sandbox.has("plugins/mod_a"));
    sandbox
        .hoist("install community/a")
        .exits(2)
        .says("is already installed from rocks")
        .says("hoist migrate mod_a --to community");
    sandbox
        .hoist("install a --source community")
        .exits(2)
        .says("is already installed from rocks");
    sandbox
        .hoist("install core")
        .exits(2)
        .says("comes with the server")
        .says("--force");
    sandbox.hoist("install core --force").exits(0);
    sandbox
        .hoist("remove community/a -y")
        .exits(2)
        .says("is installed from rocks, not from community");
    sandbox.hoist("remove a -y").exits(0);
    sandbox.hoist("install community/a").exits(0);
    assert!(sandbox.has("plugins/mod_a/mod_a.lua"));
    // What is installed is what the name means from now on.
    assert_eq!(
        sandbox.json("install a").exits(0).statuses()["mod_a"],
        "unchanged"
    );
    sandbox.hoist("remove a core -y").exits(0);
    // A directory that hoist knows nothing of would be loaded in place of the rock.
    sandbox.put("plugins/mod_a/mod_a.lua", "-- by hand");
    sandbox
        .hoist("install a")
        .exits(2)
        .says("only one of them would be loaded")
        .says("plugins/mod_a");
    sandbox.hoist("install rocks/a --force").exits(0);
    assert_eq!(sandbox.read("plugins/mod_a/mod_a.lua"), "-- by hand");
}

#[test]
fn the_place_of_modules_may_stand_where_hoist_is_called() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository.module("mod_a", "summary: A").commit("first");
    let sandbox = Sandbox::new();
    // Beside the modules of a collection, or in their place.
    let into = sandbox.collection().join("modules");
    sandbox.settings(&format!(
        "sources:\n- mercurial: {}\n  into: {}\n",
        repository.path().display(),
        into.display()
    ));
    sandbox.hoist("install mod_a").exits(0);
    assert!(into.join("mod_a/mod_a.lua").exists());
    sandbox.hoist("remove mod_a -y").exits(0);
    assert!(!into.join("mod_a").exists());
}
