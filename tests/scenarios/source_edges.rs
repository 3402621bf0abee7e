//! Odd situations of sources: places and servers that change, modules that vanish or exist twice,
//! files of people in every way.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use hoist_tests::{Mercurial, Rocks, Sandbox, has};

struct World {
    sandbox: Sandbox,
    repository: Mercurial,
    rocks: Rocks,
}

fn settings(repository: &Mercurial, rocks: &Rocks) -> String {
    let (hg, rocks) = (
        repository.path().display().to_string(),
        rocks.path().display().to_string(),
    );
    format!(
        "builtin_modules: /nonexistent\nsources:\n- mercurial: {hg}\n  into: ~/plugins\n  modules: mod_*\n- rocks: {rocks}\n  tree: ~/plugins\n"
    )
}

/// A repository with `mod_a` and `mod_b`, a server with `mod_b` and `luatz`, in one place; both are
/// synced.
fn world() -> Option<World> {
    if !has("hg") || !has("luarocks-admin") {
        return None;
    }
    let (sandbox, repository, rocks) = (Sandbox::new(), Mercurial::new(), Rocks::new());
    repository
        .module("mod_a", "summary: A")
        .module("mod_b", "summary: B")
        .commit("first");
    rocks
        .rock("mod_b", "1-1", &["luatz"])
        .rock("luatz", "1-1", &[])
        .publish();
    sandbox.settings(&settings(&repository, &rocks));
    sandbox.hoist("sync -q").exits(0);
    Some(World {
        sandbox,
        repository,
        rocks,
    })
}

fn by_hand(sandbox: &Sandbox, arguments: &str) {
    let tree = format!("--tree={}", sandbox.home().join("plugins").display());
    let mut luarocks = sandbox.command("luarocks");
    hoist_tests::ran(
        luarocks
            .args(["--lua-version=5.4", &tree])
            .args(arguments.split_whitespace())
            .output()
            .unwrap(),
    )
    .exits(0);
}

#[test]
fn a_migration_that_fails_leaves_what_a_person_had_in_the_place() {
    let Some(World {
        sandbox,
        rocks,
        repository: _repository,
    }) = world()
    else {
        return;
    };
    rocks.rock("mod_user", "1-1", &["mod_b"]).publish();
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install rocks/mod_b").exits(0);
    let file = rocks
        .path()
        .join("mod_user-1-1.src.rock")
        .display()
        .to_string();
    by_hand(&sandbox, &format!("install {file}"));
    sandbox.put("plugins/mod_b/mine.txt", "mine");
    sandbox.put("plugins/mod_b/mod_b.lua", "-- mine");
    // LuaRocks refuses, since somebody else's rock needs it.
    sandbox
        .hoist("install community/mod_b --force")
        .exits(3)
        .says("would break dependencies");
    assert_eq!(
        (
            sandbox.read("plugins/mod_b/mine.txt"),
            sandbox.read("plugins/mod_b/mod_b.lua")
        ),
        ("mine".into(), "-- mine".into())
    );
    assert_eq!(sandbox.files("plugins/mod_b").len(), 2);
    sandbox
        .hoist("list --installed --source rocks")
        .exits(0)
        .says("mod_b");
    std::fs::remove_dir_all(sandbox.home().join("plugins/mod_b")).unwrap();
    sandbox.hoist("install community/mod_b --force").exits(3);
    assert!(
        !sandbox.has("plugins/mod_b"),
        "what was not there is not there"
    );
    sandbox.hoist("test mod_b").exits(0);
}

#[test]
fn two_sources_with_one_place_replace_each_other() {
    let Some(World {
        sandbox,
        repository,
        rocks,
    }) = world()
    else {
        return;
    };
    let (two, more) = (Mercurial::new(), Rocks::new());
    two.module("mod_a", "summary: A")
        .write("mod_a/extra", "x")
        .commit("first");
    more.rock("mod_b", "2-1", &[]).publish();
    let (hg, server) = (
        two.path().display().to_string(),
        more.path().display().to_string(),
    );
    sandbox.settings(&format!(
        "{}- mercurial: {hg}\n  name: two\n  into: ~/plugins\n- rocks: {server}\n  name: more\n  tree: ~/plugins\n",
        settings(&repository, &rocks)
    ));
    sandbox.hoist("sync -q").exits(0);
    sandbox
        .hoist("install community/mod_a rocks/mod_b")
        .exits(0);
    sandbox.hoist("migrate mod_a --to two").exits(0);
    assert_eq!(
        sandbox.files("plugins/mod_a"),
        ["README.md", "extra", "mod_a.lua"]
    );
    sandbox.hoist("migrate mod_b --to more").exits(0);
    assert_eq!(
        sandbox.read("plugins/share/lua/5.4/mod_b.lua"),
        "return \"mod_b 2-1\"\n"
    );
    sandbox.hoist("test").exits(0);
    assert!(
        !sandbox
            .files("plugins")
            .iter()
            .any(|file| file.contains("hoist-backup"))
    );
    sandbox.hoist("remove mod_a mod_b -y").exits(0);
    assert!(!sandbox.has("plugins/mod_a") && !sandbox.has("plugins/share/lua/5.4/mod_b.lua"));
}

#[test]
fn what_is_gone_from_its_source_stays_what_it_is() {
    let Some(World {
        sandbox,
        repository,
        rocks: _rocks,
    }) = world()
    else {
        return;
    };
    sandbox.hoist("install community/mod_b").exits(0);
    repository.hg(&["rm", "-q", "mod_b"]);
    repository.commit("gone");
    sandbox.hoist("update").exits(0);
    assert!(sandbox.has("plugins/mod_b/mod_b.lua") && !sandbox.has("plugins/share"));
    sandbox.hoist("outdated").exits(0).says("gone");
    sandbox
        .hoist("list --installed")
        .exits(0)
        .says("removed upstream");
    sandbox.hoist("test mod_b").exits(0);
    sandbox
        .hoist("install mod_b")
        .exits(2)
        .says("hoist migrate mod_b --to rocks");
    std::fs::remove_file(sandbox.home().join("plugins/mod_b/README.md")).unwrap();
    sandbox.hoist("test").exits(3).says("README.md");
    sandbox.hoist("migrate mod_b --to rocks").exits(0);
    assert!(!sandbox.has("plugins/mod_b") && sandbox.has("plugins/share/lua/5.4/mod_b.lua"));
}

#[test]
fn edits_in_a_rock_s_own_directory_and_a_failed_reinstall_lose_nothing() {
    let Some(World {
        sandbox,
        rocks,
        repository: _repository,
    }) = world()
    else {
        return;
    };
    sandbox.hoist("install rocks/mod_b").exits(0);
    let own = "plugins/lib/luarocks/rocks-5.4/mod_b/1-1";
    sandbox.put(&format!("{own}/templates/mine.html"), "mine");
    rocks.rock("mod_b", "2-1", &["luatz"]).publish();
    sandbox.hoist("update").exits(0).says("mine.html");
    let kept = sandbox.files("plugins/lib/luarocks/.hoist/kept/mod_b");
    assert!(
        kept.len() == 1 && kept[0].starts_with("1-1/templates/mine.html.hoist-backup-"),
        "{kept:?}"
    );
    // The same version, published anew and broken.
    rocks.spoil("mod_b", "2-1");
    sandbox
        .hoist("install mod_b --force")
        .exits(3)
        .says("existing files were restored");
    sandbox.hoist("test mod_b").exits(0);
    // A file of the old that is missing is no reason to remove the rest of it.
    rocks.rock("mod_b", "3-1", &["luatz"]).publish();
    rocks.spoil("mod_b", "3-1");
    std::fs::remove_file(sandbox.home().join("plugins/share/lua/5.4/mod_b.lua")).unwrap();
    sandbox.hoist("update mod_b").exits(3);
    assert!(sandbox.has("plugins/lib/luarocks/rocks-5.4/mod_b/2-1/rock_manifest"));
}

#[test]
fn rocks_that_somebody_put_there_are_theirs() {
    let Some(World {
        sandbox,
        rocks,
        repository: _repository,
    }) = world()
    else {
        return;
    };
    by_hand(
        &sandbox,
        &format!(
            "install {}",
            rocks.path().join("luatz-1-1.src.rock").display()
        ),
    );
    rocks
        .rock("luatz", "2-1", &[])
        .rock("mod_new", "1-1", &["luatz >= 2"])
        .rock("theirs", "1-1", &["dep"])
        .rock("dep", "1-1", &[])
        .publish();
    sandbox.hoist("sync -q").exits(0);
    // Brought forward for another, it does not go with that.
    sandbox.hoist("install mod_new").exits(0);
    sandbox.hoist("remove mod_new -y").exits(0);
    assert!(sandbox.has("plugins/share/lua/5.4/luatz.lua"));
    // What came along and what somebody's own rock needs by now stays, too.
    rocks.rock("mod_more", "1-1", &["dep"]).publish();
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install mod_more").exits(0);
    by_hand(
        &sandbox,
        &format!(
            "install {}",
            rocks.path().join("theirs-1-1.src.rock").display()
        ),
    );
    let run = sandbox.json("remove mod_more -y").exits(0);
    assert_eq!(run.statuses().into_keys().collect::<Vec<_>>(), ["mod_more"]);
    // Another version beside hoist's is nobody's business of hoist's.
    sandbox.hoist("install rocks/mod_b").exits(0);
    rocks.rock("mod_b", "0-1", &[]);
    by_hand(
        &sandbox,
        &format!(
            "install --keep --force {}",
            rocks.path().join("mod_b-0-1.src.rock").display()
        ),
    );
    sandbox.hoist("remove mod_b -y").exits(0);
    assert!(
        sandbox.has("plugins/lib/luarocks/rocks-5.4/mod_b/0-1")
            && !sandbox.has("plugins/lib/luarocks/rocks-5.4/mod_b/1-1")
    );
    // A version that the server does not have is no older one's.
    rocks
        .rock("far", "1-1", &[])
        .rock("far", "9-1", &[])
        .publish();
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install far").exits(0);
    for end in ["rockspec", "src.rock"] {
        std::fs::remove_file(rocks.path().join(format!("far-9-1.{end}"))).unwrap();
    }
    rocks.publish();
    sandbox.hoist("sync -q").exits(0);
    assert!(!sandbox.hoist("outdated").exits(0).stdout.contains("far"));
    assert_eq!(
        sandbox.json("update far").exits(0).statuses()["far"],
        "unchanged"
    );
}

#[test]
fn a_repository_is_followed_wherever_it_goes() {
    let Some(World {
        sandbox,
        repository,
        rocks,
    }) = world()
    else {
        return;
    };
    let tree = sandbox.home().join(".cache/hoist/sources/community/tree");
    let names = || {
        let listed = sandbox.json("list --source community").exits(0).document();
        listed
            .as_array()
            .unwrap()
            .iter()
            .map(|module| module["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // A pull that was cut off before the files were brought forward.
    repository.module("mod_c", "summary: C").commit("second");
    let mut pull = sandbox.command("hg");
    hoist_tests::ran(
        pull.args(["-q", "pull", "--cwd"])
            .arg(&tree)
            .output()
            .unwrap(),
    )
    .exits(0);
    sandbox.hoist("sync -q").exits(0);
    assert_eq!(names(), ["mod_a", "mod_b", "mod_c"]);
    // A commit that was taken back, and a name that is wanted no more.
    repository.hg(&[
        "--config",
        "extensions.strip=",
        "strip",
        "-q",
        "--no-backup",
        "tip",
    ]);
    sandbox.hoist("sync -q").exits(0);
    assert_eq!(names(), ["mod_a", "mod_b"]);
    let text = settings(&repository, &rocks);
    sandbox.settings(&text.replace("modules: mod_*", "modules: mod_b"));
    sandbox.hoist("sync -q").exits(0);
    assert_eq!(names(), ["mod_b"]);
    // Another place, and a branch that is not called default.
    let other = Mercurial::new();
    other.hg(&["branch", "-q", "main"]);
    other.module("mod_z", "summary: Z").commit("first");
    sandbox.settings(&text.replace(
        &repository.path().display().to_string(),
        &other.path().display().to_string(),
    ));
    sandbox.hoist("sync -q").exits(0);
    assert_eq!(names(), ["mod_z"]);
    other.module("mod_y", "summary: Y").commit("second");
    sandbox.hoist("sync -q").exits(0);
    assert_eq!(names(), ["mod_y", "mod_z"]);
}

#[test]
fn one_odd_module_does_not_hide_the_others() {
    let Some(World {
        sandbox,
        repository,
        rocks: _rocks,
    }) = world()
    else {
        return;
    };
    use std::os::unix::ffi::OsStrExt;
    let odd = repository.path().join("mod_odd");
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join(std::ffi::OsStr::from_bytes(b"caf\xe9.lua")), "x").unwrap();
    let large = std::fs::File::create(
        repository
            .write("mod_large/mod_large.lua", "")
            .path()
            .join("mod_large/data"),
    )
    .unwrap();
    large.set_len(20_000_000).unwrap();
    repository
        .module("mod_fine", "summary: F\nsuperseded_by: \"mod_\\e[31mred\"")
        .commit("odd");
    sandbox
        .hoist("sync")
        .exits(0)
        .says("mod_large cannot be installed")
        .says("mod_odd cannot be installed");
    sandbox.hoist("install fine").exits(0);
    sandbox
        .hoist("install odd large")
        .exits(3)
        .says("it was not copied");
    for arguments in [
        "info fine",
        "plan install fine --force",
        "search fine",
        "info odd",
    ] {
        assert!(
            !sandbox.hoist(arguments).exits(0).stdout.contains('\u{1b}'),
            "{arguments}"
        );
    }
    // A configuration of a server that cannot be read holds up nothing.
    let text = sandbox.read(".config/hoist/hoist.yml");
    sandbox.settings(&format!("{text}- prosody: ~/nowhere.cfg.lua\n"));
    sandbox.hoist("list").exits(0).says("nowhere.cfg.lua");
    sandbox.hoist("remove fine -y").exits(0);
    sandbox.hoist("sync").exits(3).says("nowhere.cfg.lua");
    sandbox.hoist("source remove prosody").exits(0);
    sandbox
        .hoist("source add lock --rocks x --tree y")
        .exits(2)
        .says("is not a source name");
}

#[test]
fn a_place_that_changes_takes_its_modules_along() {
    let Some(World {
        sandbox,
        repository,
        rocks,
    }) = world()
    else {
        return;
    };
    sandbox.hoist("install mod_a rocks/mod_b").exits(0);
    sandbox.put("plugins/mod_a/note", "mine");
    sandbox.settings(&settings(&repository, &rocks).replace("~/plugins", "~/elsewhere"));
    sandbox
        .hoist("plan update")
        .exits(0)
        .says("migrate")
        .says("elsewhere");
    sandbox.hoist("update").exits(0).says("note");
    assert!(
        sandbox.has("elsewhere/mod_a/mod_a.lua")
            && sandbox.has("elsewhere/share/lua/5.4/mod_b.lua")
    );
    assert!(!sandbox.has("plugins/mod_a") && !sandbox.has("plugins/share/lua/5.4/mod_b.lua"));
    assert!(
        sandbox
            .files("plugins")
            .iter()
            .any(|file| file.starts_with("mod_a.hoist-backup-") && file.ends_with("/note"))
    );
    sandbox.hoist("test").exits(0);
    sandbox.hoist("remove --all -y").exits(0);
    assert!(!sandbox.has("elsewhere/mod_a"));
}

#[test]
fn files_and_directories_may_change_places() {
    let Some(World {
        sandbox,
        repository,
        rocks: _rocks,
    }) = world()
    else {
        return;
    };
    repository
        .write("mod_a/dir/file", "1")
        .write("mod_a/plain", "1")
        .write("mod_a/third", "1")
        .write("mod_a/x", "1")
        .write("mod_a/x.new", "own");
    repository.commit("second");
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install mod_a").exits(0);
    let plugins = sandbox.home().join("plugins/mod_a");
    sandbox.put("plugins/mod_a/dir/mine", "mine");
    std::fs::remove_file(plugins.join("plain")).unwrap();
    symlink("nowhere", plugins.join("plain")).unwrap();
    std::fs::remove_file(plugins.join("third")).unwrap();
    sandbox.put("plugins/mod_a/third/mine", "mine");
    sandbox.put("plugins/mod_a/x", "mine");
    // Permissions and owners are the administrator's.
    std::fs::create_dir(plugins.join("private")).unwrap();
    std::fs::write(plugins.join("private/secret"), "s").unwrap();
    std::fs::set_permissions(plugins.join("private"), PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::set_permissions(&plugins, PermissionsExt::from_mode(0o750)).unwrap();
    let root = chown(&plugins, Some(65534), None).is_ok();
    repository.hg(&["rm", "-q", "mod_a/dir/file", "mod_a/plain"]);
    repository
        .write("mod_a/dir", "2")
        .write("mod_a/plain/file", "2")
        .write("mod_a/third", "2")
        .write("mod_a/x", "2");
    repository.commit("third");
    sandbox.hoist("update mod_a").exits(0);
    assert_eq!(sandbox.read("plugins/mod_a/dir"), "2");
    assert_eq!(
        (
            sandbox.read("plugins/mod_a/plain/file"),
            sandbox.read("plugins/mod_a/third")
        ),
        ("2".into(), "2".into())
    );
    let files = sandbox.files("plugins/mod_a");
    let kept = |start: &str, end: &str| {
        files
            .iter()
            .any(|file| file.starts_with(start) && file.ends_with(end))
    };
    assert!(
        kept("dir.hoist-backup-", "/mine")
            && kept("plain.hoist-backup-", "")
            && kept("third.hoist-backup-", "/mine"),
        "{files:?}"
    );
    // The module's own `x.new` is not where a new version may wait.
    assert_eq!(
        (
            sandbox.read("plugins/mod_a/x"),
            sandbox.read("plugins/mod_a/x.new")
        ),
        ("mine".into(), "own".into())
    );
    assert_eq!(sandbox.read("plugins/mod_a/x.new.new"), "2");
    let metadata = |path: &str| {
        sandbox
            .home()
            .join("plugins/mod_a")
            .join(path)
            .metadata()
            .unwrap()
    };
    assert_eq!(
        (
            metadata("").mode() & 0o777,
            metadata("private").mode() & 0o777
        ),
        (0o750, 0o700)
    );
    assert!(!root || metadata("").uid() == 65534);
    assert_eq!(
        sandbox.json("update mod_a").exits(0).statuses()["mod_a"],
        "unchanged"
    );
    // What is forced is brought, and a copy of what was changed is kept.
    sandbox.hoist("install mod_a --force").exits(0);
    assert_eq!(sandbox.read("plugins/mod_a/x"), "2");
    assert!(
        sandbox
            .files("plugins/mod_a")
            .iter()
            .any(|file| file.starts_with("x.hoist-backup-"))
    );
}

#[test]
fn files_that_are_gone_come_back_and_retry_knows_what_was_asked() {
    let Some(World {
        sandbox,
        repository,
        rocks: _rocks,
    }) = world()
    else {
        return;
    };
    repository.write("mod_a/helper.lua", "x").commit("second");
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install mod_a rocks/mod_b").exits(0);
    for file in [
        "plugins/mod_a/helper.lua",
        "plugins/share/lua/5.4/mod_b.lua",
    ] {
        std::fs::remove_file(sandbox.home().join(file)).unwrap();
        sandbox.hoist("test").exits(3).says(file);
        sandbox
            .hoist("plan install mod_a mod_b")
            .exits(0)
            .says("repair");
        sandbox.hoist("install mod_a mod_b").exits(0);
        assert!(sandbox.has(file));
        sandbox.hoist("test").exits(0);
    }
    // The same module from both sides in one breath.
    sandbox
        .hoist("install rocks/mod_b community/mod_b")
        .exits(2)
        .says("is requested from two sources");
    sandbox.hoist("install nothing/mod_a").exits(2);
}

#[test]
fn servers_of_one_tree_serve_each_other() {
    let Some(World {
        sandbox,
        repository,
        rocks,
    }) = world()
    else {
        return;
    };
    let more = Rocks::new();
    more.rock("mod_far", "1-1", &["luatz", "byhand"])
        .rock("LuaMixed", "1-1", &[])
        .publish();
    let server = more.path().display();
    sandbox.settings(&format!(
        "{}- rocks: {server}\n  name: more\n  tree: ~/plugins\n",
        settings(&repository, &rocks)
    ));
    sandbox.hoist("sync -q").exits(0);
    sandbox
        .hoist("install mod_far")
        .exits(2)
        .says("depends on byhand");
    rocks.rock("byhand", "1-1", &[]);
    by_hand(
        &sandbox,
        &format!(
            "install {}",
            rocks.path().join("byhand-1-1.src.rock").display()
        ),
    );
    sandbox.hoist("install mod_far").exits(0);
    assert!(sandbox.has("plugins/share/lua/5.4/luatz.lua"));
    sandbox
        .hoist("list --installed --source rocks")
        .exits(0)
        .says("luatz");
    sandbox.hoist("remove mod_far -y").exits(0);
    assert!(
        !sandbox.has("plugins/share/lua/5.4/luatz.lua")
            && sandbox.has("plugins/share/lua/5.4/byhand.lua")
    );
}

#[test]
fn what_somebody_writes_while_a_module_is_replaced_is_not_lost() {
    let Some(World {
        sandbox,
        repository,
        rocks: _rocks,
    }) = world()
    else {
        return;
    };
    for number in 0..60 {
        repository.write(&format!("mod_a/file{number}"), "1");
    }
    repository.commit("many");
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install mod_a").exits(0);
    let place = sandbox.home().join("plugins/mod_a");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = Vec::new();
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let name = format!("mine{}", written.len());
                std::fs::write(place.join(&name), &name).unwrap();
                written.push(name);
                std::thread::sleep(std::time::Duration::from_millis(4));
            }
            written
        });
        for round in 0..2 {
            repository
                .write("mod_a/file0", &format!("{round}, newer"))
                .commit("newer");
            // Whether it comes through or gives up: it says so, and loses nothing.
            let run = sandbox.hoist("update mod_a");
            assert!(matches!(run.code, 0 | 3), "{}\n{}", run.stdout, run.stderr);
            assert!(
                run.code == 0 || run.stdout.contains("at the same time"),
                "{}",
                run.stdout
            );
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        writer.join().unwrap()
    });
    let files = sandbox.files("plugins");
    let missing: Vec<&String> = written
        .iter()
        .filter(|name| !files.iter().any(|file| file.ends_with(&format!("/{name}"))))
        .collect();
    assert!(
        missing.is_empty() && written.len() > 100,
        "{} of {}: {missing:?}",
        missing.len(),
        written.len()
    );
    // Left in peace, it comes through.
    sandbox.hoist("update mod_a").exits(0);
    assert_eq!(sandbox.read("plugins/mod_a/file0"), "1, newer");
    hoist_tests::faults::nothing_is_left(&sandbox, "afterwards");
}
