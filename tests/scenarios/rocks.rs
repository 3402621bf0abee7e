//! Rocks, installed by the real LuaRocks from servers of the tests.

use std::time::Duration;

use hoist_tests::{Answer, Module, Rocks, Sandbox, Server, has, ran};

fn with_rocks(location: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settings(&format!("sources:\n- rocks: {location}\n  tree: ~/tree\n"));
    sandbox
}

fn served(rocks: &Rocks) -> Option<(Sandbox, Server)> {
    if !has("luarocks-admin") {
        return None;
    }
    rocks.publish();
    let server = rocks.serve(Duration::ZERO);
    let sandbox = with_rocks(&server.url("/"));
    sandbox.hoist("sync -q").exits(0);
    Some((sandbox, server))
}

/// What LuaRocks itself says is installed.
fn listed(sandbox: &Sandbox) -> Vec<String> {
    let tree = format!("--tree={}", sandbox.home().join("tree").display());
    let output = sandbox
        .command("luarocks")
        .args(["--lua-version=5.4", &tree, "list", "--porcelain"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rocks: Vec<String> = text
        .lines()
        .map(|line| line.split('\t').take(2).collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    rocks.sort();
    rocks
}

#[test]
fn a_rock_comes_with_what_it_needs_in_versions_that_go_together() {
    let rocks = Rocks::new();
    rocks
        .rock("mod_push", "1.0-1", &["luatz ~> 0.3", "mod_base"])
        .rock("mod_base", "1.0-1", &[])
        .rock("mod_base", "1.1-1", &[]);
    rocks
        .rock("luatz", "0.3-1", &[])
        .rock("luatz", "0.3.1-1", &[])
        .rock("luatz", "0.4-1", &[])
        .rock("other", "1-1", &["luatz"]);
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    sandbox
        .hoist("rocks search push")
        .exits(0)
        .says("mod_push")
        .says("1.0-1");
    sandbox
        .hoist("rocks info push")
        .exits(0)
        .says("luatz ~> 0.3")
        .says("MIT");
    let before = server.requests().len();
    sandbox.hoist("plan install push").exits(0).says("luatz");
    assert_eq!(server.requests().len(), before, "a plan asks nobody");
    sandbox.hoist("rocks install push").exits(0);
    assert_eq!(
        listed(&sandbox),
        ["luatz 0.3.1-1", "mod_base 1.1-1", "mod_push 1.0-1"]
    );
    sandbox
        .hoist("rocks list")
        .exits(0)
        .says("mod_base")
        .says("1.1-1");
    // What is there and will do stays.
    sandbox.hoist("install other").exits(0);
    assert_eq!(listed(&sandbox)[0], "luatz 0.3.1-1");
    sandbox
        .hoist("remove mod_base -y")
        .exits(2)
        .says("is required by mod_push");
    sandbox.hoist("rocks remove push -y").exits(0);
    assert_eq!(listed(&sandbox), ["luatz 0.3.1-1", "other 1-1"]);
    sandbox.hoist("uninstall other -y").exits(0);
    assert!(listed(&sandbox).is_empty());
    assert!(
        sandbox
            .files("tree")
            .iter()
            .all(|file| file.ends_with("manifest") || file.ends_with("lock")),
        "{:?}",
        sandbox.files("tree")
    );
}

#[test]
fn what_cannot_be_resolved_is_refused_before_anything_is_fetched() {
    let rocks = Rocks::new();
    rocks
        .rock("a", "1-1", &["b", "c < 2"])
        .rock("b", "1-1", &["c >= 2"])
        .rock("c", "1-1", &[])
        .rock("c", "2-1", &[]);
    rocks
        .rock("d", "1-1", &["nowhere"])
        .rock("e", "1-1", &["f"])
        .rock("f", "1-1", &["e"]);
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    let before = server.requests().len();
    sandbox
        .hoist("install a")
        .exits(2)
        .says("no versions")
        .says("c")
        .says("b");
    sandbox
        .hoist("install d")
        .exits(2)
        .says("depends on nowhere, which neither rocks");
    sandbox.hoist("install e").exits(2).says("e => f => e");
    assert_eq!(server.requests().len(), before);
    assert!(!sandbox.has("tree"));
    sandbox.hoist("install d --no-deps").exits(0);
    assert_eq!(listed(&sandbox), ["d 1-1"]);
}

#[test]
fn newer_versions_are_told_brought_and_gone_ones_named() {
    let rocks = Rocks::new();
    rocks
        .rock("a", "1.0-1", &["b"])
        .rock("b", "1.0-1", &[])
        .rock("gone", "1.0-1", &[]);
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    sandbox.hoist("install a gone").exits(0);
    sandbox
        .hoist("outdated")
        .exits(0)
        .says("No outdated modules found");
    rocks
        .rock("a", "1.10-1", &["b >= 1.1"])
        .rock("b", "1.1-1", &[]);
    for end in ["rockspec", "src.rock"] {
        std::fs::remove_file(rocks.path().join(format!("gone-1.0-1.{end}"))).unwrap();
    }
    rocks.publish();
    sandbox.hoist("sync -q").exits(0);
    sandbox
        .hoist("rocks outdated")
        .exits(0)
        .says("1.0-1 → 1.10-1")
        .says("gone");
    let document = sandbox.json("outdated").exits(0).document();
    let statuses: Vec<_> = document
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].clone(), one["status"].clone()))
        .collect();
    assert_eq!(
        statuses,
        [
            ("a".into(), "outdated".into()),
            ("b".into(), "outdated".into()),
            ("gone".into(), "gone".into())
        ]
    );
    // A newer one of what a rock needs is named; an edit of the old is kept.
    sandbox.put("tree/share/lua/5.4/a.lua", "-- mine\n");
    let run = sandbox.json("update").exits(0);
    assert!(
        run.stderr.contains("gone was removed from rocks"),
        "{}",
        run.stderr
    );
    assert_eq!(
        (&run.finished("a")["from"], &run.finished("a")["to"]),
        (&"1.0-1".into(), &"1.10-1".into())
    );
    assert_eq!(listed(&sandbox), ["a 1.10-1", "b 1.1-1", "gone 1.0-1"]);
    let copy = sandbox
        .files("tree/share/lua/5.4")
        .into_iter()
        .find(|name| name.starts_with("a.lua.hoist-backup-"))
        .unwrap();
    assert_eq!(
        sandbox.read(&format!("tree/share/lua/5.4/{copy}")),
        "-- mine\n"
    );
    assert_eq!(
        sandbox.read("tree/share/lua/5.4/a.lua"),
        "return \"a 1.10-1\"\n"
    );
    // Without the server what is known goes on working.
    drop(server);
    sandbox.hoist("update").exits(0).says("cannot refresh");
    sandbox.hoist("outdated").exits(0);
    sandbox.hoist("remove a -y").exits(0);
    assert_eq!(listed(&sandbox), ["gone 1.0-1"]);
}

#[test]
fn a_version_that_is_asked_for_is_installed() {
    let rocks = Rocks::new();
    rocks
        .rock("a", "2.0-1", &["b"])
        .rock("a", "1.0-2", &["old < 2"])
        .rock("a", "1.0-1", &["b"])
        .rock("b", "1-1", &[]);
    rocks
        .rock("old", "2-1", &[])
        .rock("old", "1-1", &["deep"])
        .rock("deep", "1-1", &[]);
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    sandbox
        .hoist("install a@3")
        .exits(2)
        .says("a: the module has no version 3")
        .says("2.0-1, 1.0-2, 1.0-1");
    sandbox.hoist("install nothing@1").exits(2).says("nothing");
    // The newest revision, with what that needs, which no sync has read so far.
    sandbox.hoist("install a@1.0").exits(0);
    assert_eq!(listed(&sandbox), ["a 1.0-2", "deep 1-1", "old 1-1"]);
    sandbox.hoist("install a").exits(0).says("unchanged");
    // Another version of what is installed is a change, in either direction.
    let run = sandbox.json("install a@2.0-1").exits(0);
    assert_eq!(
        (&run.finished("a")["from"], &run.finished("a")["to"]),
        (&"1.0-2".into(), &"2.0-1".into())
    );
    assert!(listed(&sandbox).contains(&"a 2.0-1".to_owned()));
    sandbox
        .hoist("rocks install rocks/a@1.0-1")
        .exits(0)
        .says("2.0-1 → 1.0-1");
    assert!(listed(&sandbox).contains(&"a 1.0-1".to_owned()));
    sandbox.hoist("test").exits(0);
    sandbox
        .hoist("undo -y")
        .exits(2)
        .says("run `hoist install a@2.0-1` to restore the previous version");
    // Two versions of one rock exclude each other.
    sandbox
        .hoist("install a@1.0 a@2.0")
        .exits(2)
        .says("a")
        .says("two versions");
}

#[test]
fn another_version_comes_with_other_dependencies_and_takes_nothing_from_others() {
    let rocks = Rocks::new();
    rocks
        .rock("dep", "1-1", &[])
        .rock("dep", "2-1", &[])
        .rock("used", "1-1", &["dep < 2"])
        .rock("used", "2-1", &["dep >= 2"]);
    rocks
        .rock("base", "1-1", &[])
        .rock("base", "2-1", &[])
        .rock("new", "1-1", &["base >= 2"])
        .rock("old", "1-1", &["base < 2"]);
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    sandbox.hoist("install used").exits(0);
    let run = sandbox.json("install used@1").exits(0);
    assert_eq!(
        (&run.finished("dep")["from"], &run.finished("dep")["to"]),
        (&"2-1".into(), &"1-1".into())
    );
    assert!(
        run.stdout.contains(
            "2-1 conflicts with other dependencies or installed rocks: used depends on dep < 2"
        ),
        "{}",
        run.stdout
    );
    assert_eq!(
        listed(&sandbox),
        ["dep 1-1", "used 1-1"],
        "nothing of the other versions stays"
    );
    assert_eq!(
        sandbox.read("tree/share/lua/5.4/dep.lua"),
        "return \"dep 1-1\"\n"
    );
    sandbox.hoist("install used@2").exits(0);
    assert_eq!(listed(&sandbox), ["dep 2-1", "used 2-1"]);
    // What is installed keeps what it needs, whoever asks.
    sandbox.hoist("install new").exits(0);
    let refused = "the installed new depends on base >= 2, not 1-1";
    sandbox.hoist("install base@1").exits(2).says(refused);
    sandbox.hoist("install old").exits(2).says(refused);
    assert!(listed(&sandbox).contains(&"base 2-1".to_owned()));
    sandbox.hoist("remove new -y").exits(0);
    sandbox.hoist("install old").exits(0);
    sandbox
        .hoist("install new")
        .exits(2)
        .says("the installed old depends on base < 2, not 2-1");
    sandbox.hoist("test").exits(0);
}

#[test]
fn a_version_that_was_asked_for_is_asked_for_again() {
    let rocks = Rocks::new();
    let build = "type = \"command\", build_command = \"test -e $HOME/flag\", install_command = \"true\", install = { lua = { vf = \"vf.lua\" } }";
    rocks
        .rock_built("vf", "1-1", &[], "return 1\n", build)
        .rock_built("vf", "2-1", &[], "return 2\n", build);
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    for again in ["retry", "install --resume"] {
        sandbox.hoist("install vf@1").exits(3);
        sandbox.put("flag", "");
        sandbox.hoist(again).exits(0);
        assert_eq!(listed(&sandbox), ["vf 1-1"], "{again}");
        sandbox.hoist("remove vf -y").exits(0);
        std::fs::remove_file(sandbox.home().join("flag")).unwrap();
    }
}

#[test]
fn a_change_of_version_that_is_killed_leaves_the_rock_as_it_was() {
    let rocks = Rocks::new();
    let build = "type = \"command\", build_command = \"touch $HOME/building; while [ -e $HOME/wait ]; do sleep 0.05; done\", install_command = \"true\", install = { lua = { slow = \"slow.lua\" } }";
    rocks
        .rock("other", "1-1", &[])
        .rock("slow", "1-1", &[])
        .rock_built("slow", "2-1", &[], "return 2\n", build);
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    sandbox.hoist("install slow@1").exits(0);
    for command in ["install slow@2", "update slow"] {
        sandbox.put("wait", "");
        let mut running = sandbox.start(command);
        while !sandbox.has("building") {
            assert!(
                running.try_wait().unwrap().is_none(),
                "{command} ended before the build began"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        running.kill().unwrap();
        running.wait().unwrap();
        for file in ["wait", "building"] {
            std::fs::remove_file(sandbox.home().join(file)).unwrap();
        }
        // Any command that changes something recovers.
        sandbox.hoist("install other --force").exits(0);
        let document = sandbox.json("list --installed").exits(0).document();
        assert_eq!(
            (&document[1]["name"], &document[1]["version"]),
            (&"slow".into(), &"1-1".into()),
            "{command}"
        );
        assert_eq!(listed(&sandbox), ["other 1-1", "slow 1-1"], "{command}");
    }
    sandbox.hoist("update slow").exits(0);
    assert_eq!(listed(&sandbox), ["other 1-1", "slow 2-1"]);
}

#[test]
fn what_a_rockspec_says_of_systems_counts() {
    let rocks = Rocks::new();
    let and = |more: &str| {
        format!("type = \"builtin\", modules = {{ x = \"m.lua\" }} }}\n{more}\nbuild.more = {{ ")
    };
    rocks
        .rock("unixonly", "1-1", &[])
        .rock("first", "1-1", &[])
        .rock("second", "1-1", &[]);
    rocks.rock_built(
        "m",
        "1-1",
        &["first"],
        "return 1\n",
        &and(
            "dependencies.platforms = { unix = { [3] = \"unixonly\" }, windows = { \"nowhere\" } }",
        ),
    );
    rocks.rock_built(
        "m",
        "2-1",
        &[],
        "return 2\n",
        &and("supported_platforms = { \"windows\" }"),
    );
    rocks.rock_built(
        "n",
        "1-1",
        &[],
        "return 1\n",
        &and("supported_platforms = { \"!windows\" }").replace("m.lua", "n.lua"),
    );
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    sandbox.hoist("install m n").exits(0);
    assert_eq!(
        listed(&sandbox),
        ["first 1-1", "m 1-1", "n 1-1", "unixonly 1-1"]
    );
}

#[test]
fn a_packed_rock_stands_for_its_rockspec() {
    let rocks = Rocks::new();
    rocks
        .rock("dep", "1-1", &[])
        .rock("packed", "1-1", &["dep"]);
    if !has("luarocks-admin") {
        return;
    }
    rocks.publish();
    let sandbox = with_rocks(&rocks.path().display().to_string());
    let tree = format!("--tree={}", sandbox.path("built").display());
    let luarocks = |arguments: &[&str]| {
        let mut command = sandbox.command("luarocks");
        command
            .args(["--lua-version=5.4", &tree])
            .args(arguments)
            .current_dir(rocks.path());
        ran(command.output().unwrap()).exits(0);
    };
    luarocks(&[
        "install",
        "--only-server",
        &rocks.path().display().to_string(),
        "packed",
    ]);
    luarocks(&["pack", "packed", "1-1"]);
    // The server has what was packed, and nothing else of it.
    for end in ["rockspec", "src.rock"] {
        std::fs::remove_file(rocks.path().join(format!("packed-1-1.{end}"))).unwrap();
    }
    rocks.publish();
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install packed").exits(0);
    assert_eq!(listed(&sandbox), ["dep 1-1", "packed 1-1"]);
}

#[test]
fn programs_of_rocks_find_what_they_need() {
    let rocks = Rocks::new();
    rocks
        .rock("lib", "1-1", &[])
        .program("tool", "1-1", &["lib"], "print(require(\"lib\"))")
        .program("tool", "2-1", &["lib"], "print(require(\"lib\"), 2)");
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    let run = || {
        String::from_utf8(
            sandbox
                .command(sandbox.home().join("tree/bin/tool"))
                .output()
                .unwrap()
                .stdout,
        )
        .unwrap()
    };
    // Alone, in a chosen version, updated, installed again, and together with what it needs.
    sandbox.hoist("install lib").exits(0);
    sandbox.hoist("install tool@1").exits(0);
    assert!(run().starts_with("lib 1-1"), "{}", run());
    sandbox.hoist("update tool").exits(0);
    assert!(run().trim_end().ends_with('2'), "{}", run());
    sandbox.hoist("install tool --force").exits(0);
    assert!(run().trim_end().ends_with('2'), "{}", run());
    sandbox.hoist("remove tool lib -y").exits(0);
    sandbox.hoist("install tool").exits(0);
    assert!(run().trim_end().ends_with('2'), "{}", run());
}

#[test]
fn an_older_version_that_something_needs_is_told() {
    let rocks = Rocks::new();
    rocks
        .rock("c", "1-1", &[])
        .rock("c", "2-1", &[])
        .rock("old", "1-1", &["c < 2"]);
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    sandbox.hoist("install c").exits(0);
    assert_eq!(listed(&sandbox), ["c 2-1"]);
    sandbox.hoist("plan install old").exits(0).says("2-1 → 1-1");
    let run = sandbox.json("install old").exits(0);
    assert_eq!(
        (&run.finished("c")["from"], &run.finished("c")["to"]),
        (&"2-1".into(), &"1-1".into())
    );
    assert_eq!(listed(&sandbox), ["c 1-1", "old 1-1"]);
}

/// Puts a script before the real LuaRocks, which writes down its calls and ends with these lines.
fn watched(sandbox: &mut Sandbox, ending: &str) {
    let path = std::env::var("PATH").unwrap();
    let real = std::env::split_paths(&path)
        .map(|directory| directory.join("luarocks"))
        .find(|program| program.is_file())
        .unwrap();
    let calls = sandbox.path("calls").display().to_string();
    let script = format!(
        "#!/bin/bash\necho \"$*\" >> '{calls}'\n'{}' \"$@\"\ncode=$?\n{ending}\nexit $code\n",
        real.display()
    );
    let program = sandbox.put("bin/luarocks", &script);
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let bin = program.parent().unwrap().display().to_string();
    sandbox.set("PATH", &format!("{bin}:{path}"));
}

fn installs(sandbox: &Sandbox) -> usize {
    let calls = std::fs::read_to_string(sandbox.path("calls")).unwrap_or_default();
    calls
        .lines()
        .filter(|line| line.contains(" install "))
        .count()
}

#[test]
fn new_rocks_are_installed_by_one_luarocks() {
    let rocks = Rocks::new();
    rocks
        .rock("a", "1-1", &["b", "lua >= 5.1"])
        .rock("b", "1-1", &["c >= 1"])
        .rock("c", "2-1", &["a"])
        .rock("d", "1-1", &[]);
    rocks
        .rock("c", "1-1", &[])
        .rock("b", "2-1", &["c < 2"])
        .rock("e", "1-1", &["d", "b"])
        .rock("f", "1-1", &["mod_roster"]);
    if !has("luarocks-admin") {
        return;
    }
    rocks.publish();
    let mut sandbox = Sandbox::new();
    watched(&mut sandbox, "");
    sandbox.put("server/mod_roster.lua", "");
    let (builtin, server) = (sandbox.home().join("server"), rocks.path());
    sandbox.settings(&format!(
        "builtin_modules: {}\nsources:\n- rocks: {}\n  tree: ~/tree\n",
        builtin.display(),
        server.display()
    ));
    sandbox.hoist("sync -q").exits(0);
    // What needs something that comes with the server is installed alone: LuaRocks knows nothing of
    // that.
    let run = sandbox.json("install a e f").exits(0);
    assert!(
        run.statuses().values().all(|status| status == "installed"),
        "{:?}",
        run.statuses()
    );
    assert_eq!(
        (&run.finished("b")["from"], &run.finished("b")["to"]),
        (&serde_json::Value::Null, &"2-1".into())
    );
    assert_eq!(
        listed(&sandbox),
        ["a 1-1", "b 2-1", "c 1-1", "d 1-1", "e 1-1", "f 1-1"]
    );
    assert_eq!(installs(&sandbox), 2);
    sandbox.hoist("test").exits(0).says("6 passed");
    assert!(!sandbox.has("tree/lib/luarocks/.hoist/ahead"));
    let again = sandbox.json("install a e f").exits(0);
    assert!(
        again
            .statuses()
            .values()
            .all(|status| status == "unchanged"),
        "{:?}",
        again.statuses()
    );
    // Nobody asked for d alone, so it goes with what needed it.
    sandbox.hoist("remove e -y").exits(0);
    assert_eq!(listed(&sandbox), ["a 1-1", "b 2-1", "c 1-1", "f 1-1"]);
}

#[test]
fn rocks_that_no_module_took_over_go_with_the_run() {
    let rocks = Rocks::new();
    for name in ["a", "b", "c", "d"] {
        rocks.rock(name, "1-1", &[]);
    }
    let Some((mut sandbox, _server)) = served(&rocks) else {
        return;
    };
    // The run is interrupted, then killed, when all of them are there and none has a module.
    for (signal, left) in [("INT", 0), ("KILL", 4)] {
        watched(
            &mut sandbox,
            &format!("case $* in *together*) kill -{signal} $PPID; sleep 0.2;; esac"),
        );
        let run = sandbox.hoist("install a b c d");
        assert_ne!(run.code, 0, "{}", run.stderr);
        assert_eq!(listed(&sandbox).len(), left, "{signal}");
        let absent = sandbox.json("list --installed").exits(0).document();
        assert_eq!(absent.as_array().unwrap().len(), 0);
    }
    // They count as not there, go with the next run in the tree, and are installed anew.
    watched(&mut sandbox, "");
    let plan = sandbox.json("plan install a").exits(0).document();
    assert_eq!(plan["modules"][0]["change"], "install", "{plan}");
    let run = sandbox.json("install a").exits(0);
    assert_eq!(run.statuses()["a"], "installed");
    assert_eq!(listed(&sandbox), ["a 1-1"]);
}

#[test]
fn a_failure_leaves_nothing_of_the_rock_and_the_others_alone() {
    let rocks = Rocks::new();
    rocks
        .rock("wrong", "1-1", &[])
        .rock("missing", "1-1", &[])
        .rock("compile", "1-1", &["good"])
        .rock("good", "1-1", &[]);
    rocks.rock("needs", "1-1", &["wrong"]);
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    std::fs::write(
        rocks.path().join("wrong-1-1.src.rock"),
        "this is no archive",
    )
    .unwrap();
    std::fs::remove_file(rocks.path().join("missing-1-1.src.rock")).unwrap();
    // A rock that cannot be built.
    let archive = rocks.path().join("compile-1-1.src.rock");
    let broken = std::fs::read(&archive)
        .unwrap()
        .windows(11)
        .position(|text| text == b"compile.lua")
        .unwrap();
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes[broken + 4] = b'X';
    std::fs::write(&archive, bytes).unwrap();
    let run = sandbox.json("install needs missing compile").exits(3);
    let statuses = run.statuses();
    let expected = [
        ("compile", "failed"),
        ("good", "installed"),
        ("missing", "failed"),
        ("needs", "skipped"),
        ("wrong", "failed"),
    ];
    assert_eq!(
        statuses
            .iter()
            .map(|(name, status)| (name.as_str(), status.as_str()))
            .collect::<Vec<_>>(),
        expected
    );
    assert!(
        run.finished("missing")["reason"]
            .as_str()
            .unwrap()
            .contains("the server returned 404"),
        "{run:?}"
    );
    assert_eq!(listed(&sandbox), ["good 1-1"]);
    assert!(
        sandbox
            .files("tree")
            .iter()
            .all(|file| !file.contains("wrong") && !file.contains("compile")),
        "{:?}",
        sandbox.files("tree")
    );
    assert!(
        sandbox.path("tmp").read_dir().unwrap().next().is_none(),
        "no temporary files are left"
    );
    // Mended at the server, it is done once more.
    rocks
        .rock("wrong", "1-1", &[])
        .rock("missing", "1-1", &[])
        .rock("compile", "1-1", &["good"])
        .publish();
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("retry").exits(0);
    assert_eq!(listed(&sandbox).len(), 5);
    drop(server);
}

#[test]
fn a_server_that_is_cut_off_or_slow_fails_what_needs_it_and_nothing_else() {
    if !has("luarocks-admin") {
        return;
    }
    let rocks = Rocks::new();
    rocks
        .rock("cut", "1-1", &[])
        .rock("fine", "1-1", &[])
        .rock("stalls", "1-1", &[])
        .publish();
    let root = rocks.path().to_owned();
    let server = Server::start(move |request| {
        let Ok(body) = std::fs::read(root.join(request.path.trim_start_matches('/'))) else {
            return Answer::new(404, "not here");
        };
        match request.path.as_str() {
            "/cut-1-1.src.rock" => Answer {
                announced: Some(body.len()),
                ..Answer::new(200, &body[..body.len() / 2])
            },
            "/stalls-1-1.src.rock" => Answer {
                announced: Some(body.len()),
                stall: Duration::from_secs(3600),
                ..Answer::new(200, &body[..body.len() / 2])
            },
            _ => Answer::new(200, body),
        }
    });
    let sandbox = with_rocks(&server.url("/"));
    let statuses = sandbox.json("install cut fine").exits(3).statuses();
    assert_eq!(
        (statuses["cut"].as_str(), statuses["fine"].as_str()),
        ("failed", "installed")
    );
    let stalled = sandbox.json("install stalls --timeout 2").exits(3);
    assert!(
        stalled.finished("stalls")["reason"]
            .as_str()
            .unwrap()
            .contains("timed out after 2s"),
        "{}",
        stalled.stdout
    );
    assert_eq!(listed(&sandbox), ["fine 1-1"]);
}

#[test]
fn two_at_once_in_one_tree_take_turns() {
    let rocks = Rocks::new();
    for number in 0..8 {
        rocks.rock(&format!("rock{number}"), "1-1", &[]);
    }
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    // Each with a state of its own, so that only the tree is shared.
    let start = |number: usize| {
        let mut command = sandbox.command(hoist_tests::binary());
        command
            .env("XDG_STATE_HOME", sandbox.path(&format!("state{number}")))
            .env("XDG_CACHE_HOME", sandbox.path(&format!("cache{number}")));
        command
            .args([
                "install",
                &format!("rock{number}"),
                &format!("rock{}", (number + 1) % 4),
            ])
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..4).map(start).collect();
    for run in runs {
        ran(run.wait_with_output().unwrap()).exits(0);
    }
    assert_eq!(
        listed(&sandbox),
        ["rock0 1-1", "rock1 1-1", "rock2 1-1", "rock3 1-1"]
    );
    drop(server);
}

#[test]
fn what_is_there_already_is_not_installed_again_and_not_removed() {
    let rocks = Rocks::new();
    rocks
        .rock("theirs", "1-1", &[])
        .rock("mine", "1-1", &["theirs"]);
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    let tree = format!("--tree={}", sandbox.home().join("tree").display());
    let file = rocks.path().join("theirs-1-1.src.rock");
    let by_hand = sandbox
        .command("luarocks")
        .args(["--lua-version=5.4", &tree, "install"])
        .arg(file)
        .output()
        .unwrap();
    ran(by_hand).exits(0);
    assert_eq!(
        sandbox.json("install mine").exits(0).statuses()["theirs"],
        "unchanged"
    );
    sandbox.hoist("remove mine -y").exits(0);
    assert_eq!(listed(&sandbox), ["theirs 1-1"]);
    drop(server);
}

#[test]
fn an_update_of_everything_is_not_held_up_by_what_its_source_made_impossible() {
    if !has("hg") {
        return;
    }
    let rocks = Rocks::new();
    rocks
        .rock("a", "1-1", &["dep"])
        .rock("dep", "1-1", &[])
        .rock("b", "1-1", &[]);
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    let repository = hoist_tests::Mercurial::new();
    repository
        .module("mod_x", "summary: X")
        .module("mod_y", "summary: Y")
        .commit("first");
    let settings = sandbox.read(".config/hoist/hoist.yml");
    sandbox.settings(&format!(
        "{settings}- mercurial: {}\n  into: ~/plugins\n",
        repository.path().display()
    ));
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install a b mod_x mod_y").exits(0);
    rocks
        .rock("a", "2-1", &["dep", "nowhere"])
        .rock("b", "2-1", &[])
        .publish();
    repository
        .module("mod_x", "depends: [mod_lost]")
        .module("mod_y", "summary: newer")
        .commit("second");
    let run = sandbox.json("update").exits(0);
    let expected = [
        ("a", "unchanged"),
        ("b", "updated"),
        ("dep", "unchanged"),
        ("mod_x", "unchanged"),
        ("mod_y", "updated"),
    ];
    let statuses = run.statuses();
    assert_eq!(
        statuses
            .iter()
            .map(|(name, status)| (name.as_str(), status.as_str()))
            .collect::<Vec<_>>(),
        expected
    );
    assert!(
        run.stderr.contains("mod_lost") && run.stderr.matches("mod_x is not updated").count() == 1,
        "{}",
        run.stderr
    );
    assert!(
        run.finished("a")["reason"]
            .as_str()
            .unwrap()
            .contains("1-1 is kept; 2-1 conflicts with"),
        "{}",
        run.stdout
    );
    // By name it is an error, where there is no older one that will do.
    sandbox
        .hoist("update a")
        .exits(0)
        .says("2-1 conflicts with");
    sandbox.hoist("update mod_x").exits(2).says("mod_lost");
    for end in ["rockspec", "src.rock"] {
        std::fs::remove_file(rocks.path().join(format!("a-1-1.{end}"))).unwrap();
    }
    rocks.publish();
    sandbox.hoist("update b").exits(0);
    sandbox
        .hoist("update a")
        .exits(2)
        .says("depends on nowhere");
    sandbox.hoist("update").exits(0).says("a is not updated");
    assert_eq!(listed(&sandbox), ["a 1-1", "b 2-1", "dep 1-1"]);
    drop(server);
}

#[test]
fn an_undone_install_of_rocks_leaves_nothing() {
    let rocks = Rocks::new();
    rocks
        .rock("base", "1.0-1", &[])
        .rock("luatz", "0.3-1", &[])
        .rock("other", "1.0-1", &["luatz"])
        .rock("top", "1.0-1", &["base", "luatz"]);
    for name in ["base", "luatz", "other", "top"] {
        rocks.document(name, "1.0-1").document(name, "0.3-1");
    }
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    sandbox.hoist("install top").exits(0);
    assert!(
        sandbox
            .files("tree")
            .iter()
            .any(|file| file.ends_with("doc/README.md")),
        "{:?}",
        sandbox.files("tree")
    );
    let preview = sandbox.hoist("undo --dry-run").exits(0);
    preview
        .says("rock top")
        .says("rock base")
        .says("rock luatz");
    sandbox.hoist("undo -y").exits(0);
    assert!(listed(&sandbox).is_empty(), "{:?}", listed(&sandbox));
    assert_eq!(
        sandbox
            .json("list --installed")
            .exits(0)
            .document()
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    assert!(
        sandbox
            .files("tree")
            .iter()
            .all(|file| file.ends_with("manifest") || file.ends_with("lock")),
        "{:?}",
        sandbox.files("tree")
    );
    sandbox.hoist("doctor").exits(0);
    // Also where something was brought by an earlier run, which stays.
    sandbox.hoist("install other").exits(0);
    sandbox.hoist("install top").exits(0);
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(listed(&sandbox), ["luatz 0.3-1", "other 1.0-1"]);
    sandbox.hoist("undo -y").exits(0);
    assert!(listed(&sandbox).is_empty(), "{:?}", listed(&sandbox));
}

#[test]
fn an_undo_of_rocks_keeps_what_was_modified_of_them() {
    let rocks = Rocks::new();
    rocks
        .rock("base", "1.0-1", &[])
        .document("base", "1.0-1")
        .rock("top", "1.0-1", &["base"]);
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    // Of rocks that were installed together, and of one that was installed alone.
    for command in ["install top", "install base"] {
        sandbox.hoist(command).exits(0);
        sandbox.put("tree/share/lua/5.4/base.lua", "-- mine\n");
        let own = "tree/lib/luarocks/rocks-5.4/base/1.0-1";
        sandbox.put(&format!("{own}/doc/README.md"), "mine\n");
        sandbox.put(&format!("{own}/doc/added"), "mine\n");
        let refused = sandbox.hoist("undo -y").exits(2);
        refused
            .says("base.lua")
            .says("it was modified since")
            .says("doc/added")
            .says("the run did not create it");
        sandbox.hoist("undo -y --force").exits(0);
        assert!(listed(&sandbox).is_empty());
        let copies: Vec<String> = sandbox
            .files("tree")
            .into_iter()
            .filter(|file| sandbox.read(&format!("tree/{file}")).contains("mine"))
            .collect();
        assert_eq!(copies.len(), 3, "{copies:?}");
        std::fs::remove_dir_all(sandbox.home().join("tree")).unwrap();
    }
}

#[test]
fn a_rock_that_somebody_else_installed_in_an_older_version_stays() {
    let rocks = Rocks::new();
    rocks
        .rock("luatz", "0.3-1", &[])
        .rock("luatz", "0.4-1", &[])
        .rock("other", "1-1", &["luatz"]);
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    let tree = format!("--tree={}", sandbox.home().join("tree").display());
    let mut command = sandbox.command("luarocks");
    command.args([
        "--lua-version=5.4",
        &tree,
        "install",
        "--only-server",
        &server.url("/"),
        "luatz",
        "0.3-1",
    ]);
    ran(command.output().unwrap()).exits(0);
    sandbox.hoist("install other").exits(0);
    assert_eq!(listed(&sandbox), ["luatz 0.3-1", "other 1-1"]);
    sandbox.hoist("remove other -y --cascade").exits(0);
    assert_eq!(listed(&sandbox), ["luatz 0.3-1"], "it is not hoist's");
    // Asked for by its name it is hoist's, in the version that is there.
    sandbox.hoist("install luatz").exits(0);
    assert_eq!(
        sandbox.json("list --installed").exits(0).document()[0]["version"],
        "0.3-1"
    );
    assert_eq!(listed(&sandbox), ["luatz 0.3-1"]);
}

#[test]
fn an_updated_rock_keeps_nothing_else_of_its_run_from_being_undone() {
    let rocks = Rocks::new();
    rocks.rock("a", "1.0-1", &[]);
    let Some((sandbox, _server)) = served(&rocks) else {
        return;
    };
    let module = Module::new("nail")
        .field("UPDATE_METHOD", "custom")
        .field("INSTALL_DIRS", "$HOME/nail");
    sandbox.add(&module.body("main_module() { mkdir -p ~/nail; echo 1 >~/nail/v; }\nupdate_module() { echo 2 >~/nail/v; }"));
    sandbox.hoist("install nail a").exits(0);
    rocks
        .rock("a", "1.1-1", &["b"])
        .rock("b", "1.0-1", &[])
        .publish();
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("update").exits(0);
    assert_eq!(
        (sandbox.read("nail/v").as_str(), listed(&sandbox)),
        ("2\n", vec!["a 1.1-1".to_owned(), "b 1.0-1".to_owned()])
    );
    sandbox
        .hoist("undo -y")
        .exits(2)
        .says("`hoist install a@1.0-1`")
        .says("add --force to undo the rest of the run");
    sandbox
        .hoist("undo --dry-run --force")
        .exits(0)
        .says("nail")
        .says("a is not undone");
    // What the rock needs that stays, stays as well.
    sandbox
        .hoist("undo -y --force")
        .exits(0)
        .says("a is not undone")
        .says("b is not undone");
    assert_eq!(
        (sandbox.read("nail/v").as_str(), listed(&sandbox)),
        ("1\n", vec!["a 1.1-1".to_owned(), "b 1.0-1".to_owned()])
    );
    sandbox.hoist("install a@1.0-1").exits(0);
    sandbox.hoist("test").exits(0);
}

#[test]
fn a_rock_that_somebody_elses_rock_needs_stays_and_says_why() {
    let rocks = Rocks::new();
    rocks
        .rock("base", "1-1", &[])
        .rock("foreign", "1-1", &["base"]);
    let Some((sandbox, server)) = served(&rocks) else {
        return;
    };
    sandbox.hoist("install base").exits(0);
    let tree = format!("--tree={}", sandbox.home().join("tree").display());
    let mut command = sandbox.command("luarocks");
    command.args([
        "--lua-version=5.4",
        &tree,
        "install",
        "--only-server",
        &server.url("/"),
        "foreign",
    ]);
    ran(command.output().unwrap()).exits(0);
    let why = "foreign in";
    sandbox
        .hoist("plan uninstall base")
        .exits(2)
        .says(why)
        .says("remove foreign");
    sandbox.hoist("uninstall base -y").exits(2).says(why);
    sandbox
        .hoist("undo --dry-run")
        .exits(2)
        .says("foreign in this tree depends on base");
    sandbox
        .hoist("undo -y")
        .exits(2)
        .says("foreign in this tree depends on base")
        .says("remove foreign` to remove the dependent rock first");
    assert_eq!(listed(&sandbox), ["base 1-1", "foreign 1-1"]);
    let mut command = sandbox.command("luarocks");
    command.args(["--lua-version=5.4", &tree, "remove", "foreign"]);
    ran(command.output().unwrap()).exits(0);
    sandbox.hoist("uninstall base -y").exits(0);
}

#[test]
fn a_module_that_comes_with_the_server_satisfies_a_rock() {
    let rocks = Rocks::new();
    rocks
        .rock("mod_top", "1-1", &["mod_roster", "base"])
        .rock("base", "1-1", &["nowhere"])
        .rock("good", "1-1", &["mod_roster"]);
    if !has("luarocks-admin") {
        return;
    }
    rocks.publish();
    let sandbox = Sandbox::new();
    sandbox.put("server/roster/mod_roster.lua", "");
    let builtin = sandbox.home().join("server").display().to_string();
    sandbox.settings(&format!(
        "builtin_modules: {builtin}\nsources:\n- rocks: {}\n  tree: ~/tree\n",
        rocks.path().display()
    ));
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("rocks install good").exits(0);
    assert_eq!(listed(&sandbox), ["good 1-1"]);
    // Of what nobody has it is said who needs it.
    sandbox
        .hoist("rocks install top")
        .exits(2)
        .says("base: dependencies: the module depends on nowhere, which neither rocks nor the server provides");
}
