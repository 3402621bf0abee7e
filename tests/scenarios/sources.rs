//! Sources: where modules come from besides collections.

use hoist_tests::{GitFixture, Mercurial, Module, Rocks, Sandbox, has};
use serde_json::Value;

/// A sandbox whose user has these settings.
fn with_settings(settings: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settings(settings);
    sandbox
}

fn community(location: &str) -> Sandbox {
    with_settings(&format!(
        "sources:\n- mercurial: {location}\n  into: ~/modules\n  modules: mod_*\n"
    ))
}

#[track_caller]
fn synced(sandbox: &Sandbox, code: i32) -> Value {
    sandbox.json("sync").exits(code).document()[0].clone()
}

fn names(document: &Value, key: &str) -> Vec<String> {
    document[key]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_sync_says_what_is_new_changed_and_gone() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_a", "summary: A")
        .module("mod_b", "summary: B\nlabels:\n- Stage-Alpha")
        .module("other", "summary: none");
    repository.commit("first");
    let server = repository.serve();
    let sandbox = community(&server.url());
    sandbox
        .hoist("source list")
        .exits(0)
        .says("community")
        .says("not synced");
    let first = synced(&sandbox, 0);
    assert_eq!(
        (names(&first, "new"), first["offered"].as_u64()),
        (vec!["mod_a".to_owned(), "mod_b".to_owned()], Some(2))
    );
    assert_eq!(synced(&sandbox, 0)["status"], "unchanged");
    repository
        .write("mod_a/mod_a.lua", "-- newer\n")
        .module("mod_c", "summary: C");
    repository.hg(&["rm", "-q", "mod_b"]);
    repository.commit("second");
    let second = synced(&sandbox, 0);
    assert_eq!(
        (
            names(&second, "new"),
            names(&second, "changed"),
            names(&second, "gone")
        ),
        (
            vec!["mod_c".into()],
            vec!["mod_a".into()],
            vec!["mod_b".into()]
        )
    );
    sandbox
        .hoist("sync")
        .exits(0)
        .says("unchanged")
        .says("community");
    sandbox.hoist("source list").exits(0).says("2 modules on");
    // Without the server it is said, and what was known goes on working.
    drop(server);
    let away = synced(&sandbox, 3);
    assert_eq!(away["status"], "failed");
    assert!(
        away["reason"]
            .as_str()
            .unwrap()
            .contains("the last synced version is used"),
        "{away}"
    );
    sandbox.hoist("source list").exits(0).says("2 modules on");
}

#[test]
fn a_copy_that_somebody_changed_or_damaged_is_mended() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_a", "summary: A")
        .module("mod_b", "summary: B");
    repository.commit("first");
    let sandbox = community(&repository.path().display().to_string());
    synced(&sandbox, 0);
    let tree = sandbox.home().join(".cache/hoist/sources/community/tree");
    for damage in [
        "echo mine >mod_a/mod_a.lua; touch mod_b/stranger; rm mod_b/README.md",
        "rm -rf .hg/store/data",
        "head -c 40 .hg/store/00changelog.i >x; mv x .hg/store/00changelog.i",
        "rm .hg/dirstate",
        "echo nonsense >.hg/requires",
        "rm -rf .hg",
    ] {
        let output = sandbox
            .command("bash")
            .args(["-ec", damage])
            .current_dir(&tree)
            .output()
            .unwrap();
        assert!(output.status.success(), "{damage}");
        repository.write("mod_a/mod_a.lua", &format!("-- {damage}\n"));
        repository.commit(damage);
        assert_eq!(synced(&sandbox, 0)["status"], "synced", "{damage}");
        assert_eq!(
            std::fs::read_to_string(tree.join("mod_a/mod_a.lua")).unwrap(),
            format!("-- {damage}\n")
        );
        assert!(
            !tree.join("mod_b/stranger").exists() && tree.join("mod_b/README.md").exists(),
            "{damage}"
        );
        assert_eq!(synced(&sandbox, 0)["status"], "unchanged", "{damage}");
    }
    // Dirty, and nothing new at the source.
    std::fs::write(tree.join("mod_b/mod_b.lua"), "mine").unwrap();
    synced(&sandbox, 0);
    assert!(
        std::fs::read_to_string(tree.join("mod_b/mod_b.lua"))
            .unwrap()
            .contains("is loaded")
    );
}

#[test]
fn rocks_are_read_with_what_they_need_and_only_what_is_new_is_fetched() {
    if !has("luarocks-admin") {
        return;
    }
    let rocks = Rocks::new();
    rocks
        .rock("mod_a", "1.0-1", &["mod_b < 2"])
        .rock("mod_b", "1.5-1", &[])
        .rock("mod_b", "2.0-1", &["luatz"])
        .rock("luatz", "0.3-1", &[])
        .publish();
    let sandbox = with_settings(&format!(
        "sources:\n- rocks: {}\n  tree: ~/tree\n",
        rocks.path().display()
    ));
    let first = synced(&sandbox, 0);
    assert_eq!(names(&first, "new"), ["luatz", "mod_a", "mod_b"]);
    let index =
        std::fs::read_to_string(sandbox.home().join(".cache/hoist/sources/rocks/index.json"))
            .unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let mod_b = &index["entries"][2];
    assert_eq!(
        (&mod_b["version"], &mod_b["summary"], &mod_b["licence"]),
        (&"2.0-1".into(), &"The rock mod_b".into(), &"MIT".into())
    );
    // An older version is read where somebody needs one.
    assert_eq!(mod_b["offers"][1]["depends"], serde_json::json!([]));
    assert_eq!(synced(&sandbox, 0)["status"], "unchanged");
    rocks.rock("mod_a", "1.1-1", &[]).publish();
    let (_, calls) = sandbox.traced("sync", "openat");
    let read: Vec<&String> = calls
        .iter()
        .filter(|call| call.contains(".rockspec"))
        .collect();
    assert_eq!(read.len(), 1, "{read:?}");
    std::fs::remove_file(rocks.path().join("manifest-5.4")).unwrap();
    std::fs::remove_file(rocks.path().join("manifest")).unwrap();
    assert_eq!(synced(&sandbox, 3)["status"], "failed");
    sandbox.hoist("source list").exits(0).says("3 modules on");
}

#[test]
fn a_configuration_of_prosody_names_both_sources() {
    let sandbox =
        with_settings("sources:\n- prosody: ~/prosody.cfg.lua\n  mercurial: /srv/modules\n");
    sandbox
        .hoist("source list")
        .exits(2)
        .says("prosody.cfg.lua");
    let configuration = sandbox.home().join("prosody.cfg.lua");
    std::fs::write(
        &configuration,
        "plugin_server = \"http://127.0.0.1:1/rocks/\"\nVirtualHost \"a\"\n",
    )
    .unwrap();
    sandbox
        .hoist("source list")
        .exits(2)
        .says("does not set installer_plugin_path");
    std::fs::write(
        sandbox.home().join("more.cfg.lua"),
        "installer_plugin_path = \"/srv/prosody\"\n",
    )
    .unwrap();
    std::fs::write(
        &configuration,
        "plugin_server = \"http://127.0.0.1:1/rocks/\"\nInclude \"*.cfg.lua\"\n",
    )
    .unwrap();
    let sources = sandbox.json("source list").exits(0).document();
    let places: Vec<(&str, &str, &str)> = sources
        .as_array()
        .unwrap()
        .iter()
        .map(|source| {
            (
                source["name"].as_str().unwrap(),
                source["location"].as_str().unwrap(),
                source["into"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("rocks", "http://127.0.0.1:1/rocks/", "/srv/prosody"),
            ("community", "/srv/modules", "/srv/prosody")
        ]
    );
}

#[test]
fn a_collection_in_git_is_a_source_and_its_modules_are_there_after_a_sync() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.git(".", &["init", "-q", "team.work"]);
    let from = Sandbox::new();
    from.add(&Module::new("shared-tool").main("touch ~/installed"));
    let modules = fixture.root().join("team.work/modules");
    std::fs::create_dir_all(&modules).unwrap();
    std::fs::copy(
        from.collection().join("modules/shared-tool.sh"),
        modules.join("shared-tool.sh"),
    )
    .unwrap();
    fixture.commit("team.work", "first");
    let path = fixture.publish("team");
    let sandbox = with_settings(&format!(
        "sources:\n- collection: file://{}\n",
        path.display()
    ));
    sandbox.hoist("list").exits(0);
    assert_eq!(synced(&sandbox, 0)["status"], "synced");
    sandbox.hoist("list").exits(0).says("shared-tool");
    sandbox.hoist("install").exits(0);
    assert!(sandbox.has("installed"));
    assert_eq!(synced(&sandbox, 0)["status"], "unchanged");
}

#[test]
fn a_sync_touches_no_network_unless_asked_and_two_take_turns() {
    if !has("hg") || !has("strace") {
        return;
    }
    let repository = Mercurial::new();
    repository.module("mod_a", "summary: A").commit("first");
    let sandbox = community(&repository.path().display().to_string());
    let syncs: Vec<_> = (0..4).map(|_| sandbox.start("sync -q")).collect();
    for sync in syncs {
        hoist_tests::ran(sync.wait_with_output().unwrap()).exits(0);
    }
    sandbox.hoist("install a -q").exits(0);
    let reading = [
        "list",
        "source list",
        "validate",
        "plan install",
        "search a",
        "info a",
        "outdated",
        "doctor",
        "plan update",
        "plan remove a",
        "plan install a --force",
    ];
    for arguments in reading {
        let (_, calls) = sandbox.traced(arguments, "execve,connect");
        assert_eq!(
            calls.iter().filter(|call| call.contains("execve(")).count(),
            1,
            "{arguments}: {calls:?}"
        );
        assert!(
            !calls
                .iter()
                .any(|call| call.contains("connect(") && call.contains("AF_INET")),
            "{arguments}: {calls:?}"
        );
    }
    sandbox
        .hoist("sync nothing")
        .exits(2)
        .says("unknown source `nothing`");
}

#[test]
fn five_hundred_modules_are_read_whatever_their_authors_wrote() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository.generate(500).commit("first");
    let server = repository.serve();
    let sandbox = community(&server.url());
    assert_eq!(synced(&sandbox, 0)["offered"], 500);
    let all = sandbox.json("list").exits(0).document();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 500);
    let one = |number: usize| {
        all.iter()
            .find(|module| module["name"] == format!("mod_gen{number:04}"))
            .unwrap()
            .clone()
    };
    // Each kind of head, and none.
    assert_eq!(
        (
            &one(0)["stage"],
            &one(1)["stage"],
            &one(2)["stage"],
            &one(3)["stage"]
        ),
        (
            &"alpha".into(),
            &"alpha".into(),
            &"beta".into(),
            &"stable".into()
        )
    );
    assert!(
        one(2)["description"]
            .as_str()
            .unwrap()
            .starts_with("Number 2 of"),
        "TABs hide nothing"
    );
    assert!(
        one(5)["description"]
            .as_str()
            .unwrap()
            .contains("with a colon"),
        "what YAML refuses hides nothing"
    );
    assert_eq!(one(7)["description"], "It does what it says");
    assert_eq!(
        one(13)["requires"],
        serde_json::json!(["mod_gen0003"]),
        "rockspec: dependencies"
    );
    assert_eq!(
        one(23)["requires"],
        serde_json::json!(["mod_gen0008"]),
        "depends, escaped for Pandoc"
    );
    let caveats = |number: usize| one(number)["caveats"].to_string();
    assert!(
        caveats(6).contains("mod_gen0000 replaces it") && caveats(6).contains("obsolete"),
        "{}",
        caveats(6)
    );
    assert!(
        caveats(22).contains("no mod_gen0022.lua") && caveats(21) == "[]",
        "{} {}",
        caveats(22),
        caveats(21)
    );
    // Ranked: the name first, mature before immature.
    let found = sandbox.json("search GEN0003").exits(0).document();
    assert_eq!(found[0]["name"], "mod_gen0003");
    let found = sandbox.json("search muc").exits(0).document();
    let stages: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|module| module["stage"].as_str())
        .collect();
    assert_eq!(
        (stages.first(), stages.last()),
        (Some(&"stable"), Some(&"obsolete"))
    );
    let info = sandbox.hoist("info gen0003").exits(0);
    for text in [
        "mod_http",
        "DBI",
        "Introduction",
        "README.markdown",
        "stable",
        "option = true",
    ] {
        assert!(info.stdout.contains(text), "{text}:\n{}", info.stdout);
    }
    assert!(
        !info.stdout.contains("labels:\n-"),
        "the head of the README is no part of it"
    );
    // A module of each kind, installed by its short name.
    let names: Vec<String> = (0..30)
        .filter(|number| number % 9 != 6)
        .map(|number| format!("gen{number:04}"))
        .collect();
    sandbox
        .hoist(&format!("install -q {}", names.join(" ")))
        .exits(0);
    let wanted = |name: &str| {
        std::fs::read_dir(repository.path().join(format!("mod_{name}")))
            .unwrap()
            .count()
    };
    for name in &names {
        assert_eq!(
            std::fs::read_dir(sandbox.home().join(format!("modules/mod_{name}")))
                .unwrap()
                .count(),
            wanted(name),
            "{name}"
        );
    }
    sandbox.hoist("test -q").exits(0);
    sandbox.hoist("uninstall --all -y -q").exits(0);
    assert!(sandbox.files("modules").is_empty());
}

#[test]
fn sources_are_added_and_taken_out_and_the_rest_of_the_settings_stays() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    repository.module("mod_a", "summary: A").commit("first");
    let sandbox = with_settings("# mine\njobs: 2\n");
    let hg = repository.path().display().to_string();
    sandbox
        .hoist(&format!(
            "source add hg --mercurial {hg} --into ~/plugins --modules mod_* --priority -3"
        ))
        .exits(0)
        .says("hoist sync");
    sandbox
        .hoist("source add rocks --rocks http://127.0.0.1:1/ --tree /srv/tree --lua 5.3")
        .exits(0);
    let text = sandbox.read(".config/hoist/hoist.yml");
    assert!(
        text.starts_with("# mine\njobs: 2\nsources:\n- name: \"hg\"\n"),
        "{text}"
    );
    let listed = sandbox.json("source list").exits(0).document();
    assert_eq!(
        (
            &listed[0]["name"],
            &listed[1]["name"],
            &listed[1]["priority"]
        ),
        (&"rocks".into(), &"hg".into(), &Value::from(-3))
    );
    for (arguments, said) in [
        (
            "source add hg --rocks x --tree y",
            "two sources have the name `hg`",
        ),
        ("source add x --rocks y", "this kind of source needs `tree`"),
        ("source add x", "needs exactly one of"),
        ("source add a/b --rocks x --tree y", "is not a source name"),
        ("source remove nothing", "no source `nothing`"),
    ] {
        sandbox.hoist(arguments).exits(2).says(said);
        assert_eq!(sandbox.read(".config/hoist/hoist.yml"), text, "{arguments}");
    }
    sandbox.hoist("sync hg").exits(0);
    sandbox.hoist("install a").exits(0);
    sandbox
        .hoist("source remove hg")
        .exits(0)
        .says("installed from hg");
    assert!(!sandbox.has(".cache/hoist/sources/hg") && sandbox.has("plugins/mod_a"));
    sandbox.hoist("list --installed").exits(0).says("mod_a");
    sandbox.hoist("source remove rocks").exits(0);
    assert_eq!(sandbox.read(".config/hoist/hoist.yml"), "# mine\njobs: 2\n");
    // What its source does not offer any more is removed by what is known of it.
    sandbox.hoist("remove a -y").exits(0);
    assert!(!sandbox.has("plugins/mod_a"));
}
