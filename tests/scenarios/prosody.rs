//! A running Prosody: what is installed is loaded, from either side.

use hoist_tests::faults::{Victims, kill_everywhere};
use hoist_tests::{Mercurial, Prosody, Rocks, Sandbox, has};

struct World {
    sandbox: Sandbox,
    repository: Mercurial,
    rocks: Rocks,
    prosody: Prosody,
}

/// A community repository, a server of rocks, and a Prosody that both are for.
fn world() -> Option<World> {
    if !has("hg") || !has("luarocks-admin") || !has("prosody") {
        return None;
    }
    let (repository, rocks, sandbox) = (Mercurial::new(), Rocks::new(), Sandbox::new());
    repository
        .module("mod_hello", "summary: Says hello")
        .module("mod_both", "summary: Both, of the community");
    repository.write("mod_hello/README.md", "---\nsummary: Says hello\nlabels:\n- Stage-Beta\n...\n\nHello\n=====\n\nIt *says* `hello`.\n");
    repository.module(
        "mod_needs",
        "summary: N\nrockspec:\n  dependencies:\n  - mod_hello\n  - luatz",
    );
    repository.write(
        "mod_needs/mod_needs.lua",
        "local luatz = require \"luatz\"\nmodule:log(\"info\", luatz)\n",
    );
    repository
        .write("mod_broken/mod_broken.lua", "error(\"no way\")\n")
        .commit("first");
    rocks
        .rock("luatz", "0.3-1", &[])
        .rock_with(
            "mod_both",
            "1.0-1",
            &["luatz"],
            "module:log(\"info\", \"the rock\")\n",
        )
        .publish();
    let prosody = Prosody::new(&sandbox, &rocks.path().display().to_string());
    let (configuration, community) = (
        prosody.configuration().display(),
        repository.path().display().to_string(),
    );
    sandbox
        .hoist(&format!(
            "source add prosody --prosody {configuration} --mercurial {community}"
        ))
        .exits(0)
        .says("hoist sync");
    sandbox.hoist("sync -q").exits(0);
    Some(World {
        sandbox,
        repository,
        rocks,
        prosody,
    })
}

#[test]
fn what_is_installed_and_enabled_is_loaded() {
    let Some(World {
        sandbox,
        mut prosody,
        repository: _repository,
        rocks: _rocks,
    }) = world()
    else {
        return;
    };
    sandbox
        .hoist("install hello")
        .exits(0)
        .says("Add \"hello\" to modules_enabled in")
        .says("--enable");
    let before = sandbox.read("prosody.cfg.lua");
    sandbox
        .hoist("search hello")
        .exits(0)
        .says("installed")
        .says("beta");
    let plan = sandbox
        .hoist("plan install hello both needs --enable")
        .exits(0);
    assert!(
        plan.stdout.contains("enabled by --enable"),
        "{}",
        plan.stdout
    );
    assert_eq!(sandbox.read("prosody.cfg.lua"), before);
    sandbox
        .hoist("install hello both needs --enable")
        .exits(0)
        .says("enabled mod_")
        .says("estart the server");
    let text = sandbox.read("prosody.cfg.lua");
    for line in before.lines().filter(|line| !line.contains("admin_shell")) {
        assert!(text.contains(line), "{line} is gone:\n{text}");
    }
    assert_eq!(
        sandbox.json("install hello --enable").exits(0).statuses()["mod_hello"],
        "unchanged"
    );
    assert_eq!(
        sandbox
            .files(".")
            .iter()
            .filter(|name| name.starts_with("prosody.cfg.lua.hoist-backup-"))
            .count(),
        3
    );
    prosody.start();
    let loaded = prosody.modules();
    assert!(
        ["hello", "both", "needs"]
            .iter()
            .all(|name| loaded.iter().any(|module| module == name)),
        "{loaded:?}"
    );
    assert!(sandbox.read("prosody/log").contains("the rock"));
    sandbox
        .hoist("search hello")
        .exits(0)
        .says("installed, enabled");
    sandbox
        .hoist("prosodyctl status")
        .exits(0)
        .says("is running");
    // What hoist added to the configuration goes with the modules.
    sandbox
        .hoist("remove hello -y --cascade")
        .exits(0)
        .says("estart the server to unload \"needs\", \"hello\"");
    let left = sandbox.read("prosody.cfg.lua");
    assert!(
        !left.contains("\"hello\"") && !left.contains("\"needs\"") && left.contains("\"both\""),
        "{left}"
    );
    sandbox.hoist("remove both -y").exits(0);
    assert_eq!(
        sandbox
            .read("prosody.cfg.lua")
            .replace("\"admin_shell\";", "\"admin_shell\""),
        before,
        "a separator may stay"
    );
}

#[test]
fn an_undo_restores_the_configuration_that_enabling_edited() {
    let Some(World {
        sandbox,
        repository: _repository,
        rocks: _rocks,
        prosody: _prosody,
    }) = world()
    else {
        return;
    };
    let before = sandbox.read("prosody.cfg.lua");
    sandbox.hoist("install hello both needs --enable").exits(0);
    let configuration = sandbox.home().join("prosody.cfg.lua").display().to_string();
    sandbox
        .hoist("undo --dry-run")
        .exits(0)
        .says(&configuration)
        .says("rock mod_both")
        .says("rock luatz");
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(sandbox.read("prosody.cfg.lua"), before);
    let copies = std::fs::read_dir(sandbox.home())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("hoist-backup"));
    assert_eq!(copies.count(), 0, "no copy of it stays");
    assert_eq!(
        sandbox
            .json("list --installed")
            .exits(0)
            .document()
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    // Enabling what was installed before is a run of its own.
    sandbox.hoist("install hello").exits(0);
    sandbox.hoist("install hello --enable").exits(0);
    sandbox
        .hoist("plan uninstall hello")
        .exits(0)
        .says(&format!(
            "{configuration}: the edit of the installer is removed"
        ));
    assert!(sandbox.read("prosody.cfg.lua").contains("\"hello\""));
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(sandbox.read("prosody.cfg.lua"), before);
    assert_eq!(
        sandbox.json("list --installed").exits(0).document()[0]["name"],
        "mod_hello"
    );
    sandbox.hoist("install both").exits(0);
    sandbox.hoist("install both --enable").exits(0);
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(sandbox.read("prosody.cfg.lua"), before, "of a rock as well");
    sandbox.hoist("uninstall both -y").exits(0);
    // What a person writes into the file meanwhile stays.
    sandbox.hoist("install both needs --enable").exits(0);
    let edited = format!(
        "-- a remark\n{}hello_greeting = \"hi\"\n",
        sandbox.read("prosody.cfg.lua")
    );
    sandbox.put("prosody.cfg.lua", &edited);
    sandbox.hoist("undo -y").exits(0);
    let lines = |text: &str| {
        text.lines()
            .map(str::trim_end)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines(&sandbox.read("prosody.cfg.lua")),
        lines(&format!("-- a remark\n{before}hello_greeting = \"hi\"\n"))
    );
    // The undo of a removal enables again.
    sandbox.put("prosody.cfg.lua", &before);
    sandbox.hoist("install both --enable").exits(0);
    let enabled = sandbox.read("prosody.cfg.lua");
    sandbox.hoist("remove hello -y").exits(0);
    sandbox.hoist("undo -y").exits(0);
    assert_eq!(sandbox.read("prosody.cfg.lua"), enabled);
    // A removal of several modules takes out what each of them added.
    sandbox.hoist("uninstall hello both -y").exits(0);
    for _ in 0..3 {
        sandbox.put("prosody.cfg.lua", &before);
        sandbox.hoist("install hello both needs --enable").exits(0);
        sandbox.hoist("uninstall hello both needs -y").exits(0);
        let left = sandbox.read("prosody.cfg.lua");
        assert!(
            ["\"hello\"", "\"both\"", "\"needs\""]
                .iter()
                .all(|name| !left.contains(name)),
            "{left}"
        );
    }
}

#[test]
fn a_run_that_is_killed_while_it_enables_a_module_leaves_the_configuration_as_it_was() {
    if !has("hg") || !has("prosody") {
        return;
    }
    let repository = Mercurial::new();
    repository
        .module("mod_hello", "summary: Says hello")
        .commit("first");
    let prepared = || {
        let sandbox = Sandbox::new();
        let prosody = Prosody::new(&sandbox, "/nonexistent");
        let (configuration, community) = (
            prosody.configuration().display(),
            repository.path().display().to_string(),
        );
        sandbox
            .hoist(&format!(
                "source add prosody --prosody {configuration} --mercurial {community}"
            ))
            .exits(0);
        sandbox.hoist("sync community -q").exits(0);
        sandbox
    };
    let list = |sandbox: &Sandbox| {
        let text = sandbox
            .read("prosody.cfg.lua")
            .replace("\"admin_shell\";", "\"admin_shell\"");
        text.split_once("modules_enabled")
            .unwrap()
            .1
            .split_once('}')
            .unwrap()
            .0
            .to_owned()
    };
    let before = list(&prepared());
    let copies = |sandbox: &Sandbox| {
        sandbox
            .files(".")
            .into_iter()
            .filter(|name| name.starts_with("prosody.cfg.lua."))
            .count()
    };
    let killed = kill_everywhere(
        Victims::Hoist,
        prepared,
        "install hello --enable -j1 -q",
        |sandbox, context| {
            sandbox.hoist("install hello --enable").exits(0);
            assert!(
                sandbox.read("prosody.cfg.lua").contains("\"hello\""),
                "{context}"
            );
            assert_eq!(copies(sandbox), 1, "{context}");
            // It is hoist that enabled it.
            sandbox.hoist("remove hello -y").exits(0);
            assert_eq!(list(sandbox), before, "{context}");
        },
    );
    assert!(killed >= 10, "only {killed} points");
}

#[test]
fn a_test_lets_the_running_server_load_a_module_where_it_is_asked_for() {
    let Some(World {
        sandbox,
        mut prosody,
        repository: _repository,
        rocks: _rocks,
    }) = world()
    else {
        return;
    };
    sandbox.hoist("install hello broken both").exits(0);
    sandbox.hoist("test").exits(0);
    sandbox
        .hoist("test hello --load")
        .exits(3)
        .says("Unable to connect to server");
    prosody.start();
    let before = prosody.modules();
    let run = sandbox.json("test --load").exits(3);
    let statuses = run.statuses();
    assert_eq!(
        (
            statuses["mod_hello"].as_str(),
            statuses["mod_both"].as_str(),
            statuses["mod_broken"].as_str()
        ),
        ("passed", "passed", "failed")
    );
    let reason = run.finished("mod_broken")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(reason.contains("no way"), "{reason}");
    assert_eq!(
        prosody.modules(),
        before,
        "what was not loaded before is not loaded now"
    );
}

#[test]
fn a_configuration_that_the_server_would_refuse_is_not_left() {
    let Some(World {
        sandbox,
        repository,
        rocks: _rocks,
        prosody: _prosody,
    }) = world()
    else {
        return;
    };
    repository
        .module("mod_auth_other", "summary: A")
        .module("mod_pep_simple", "summary: P")
        .module("mod_late", "summary: L")
        .commit("second");
    sandbox.hoist("sync -q").exits(0);
    sandbox
        .hoist("install auth_other --enable")
        .exits(2)
        .says("is enabled by authentication = \"other\", not by modules_enabled");
    // A configuration that is a program, and that does not like this module.
    let path = sandbox.home().join("prosody.cfg.lua");
    let plain = sandbox.read("prosody.cfg.lua");
    let picky = format!(
        "for line in io.lines(\"{}\") do\n\tif line:find('\"hel'..'lo\"') then error(\"not that one\") end\nend\n",
        path.display()
    );
    sandbox.put("prosody.cfg.lua", &(picky + &plain));
    let before = sandbox.read("prosody.cfg.lua");
    sandbox
        .hoist("install hello --enable")
        .exits(3)
        .says("not that one")
        .says("the configuration was restored");
    assert_eq!(sandbox.read("prosody.cfg.lua"), before);
    assert!(
        !sandbox
            .files(".")
            .iter()
            .any(|name| name.contains("hoist-backup"))
    );
    sandbox.put(
        "prosody.cfg.lua",
        &plain.replace("\"roster\";", "\"roster\"; \"pep\";"),
    );
    sandbox
        .hoist("install pep_simple --enable --force")
        .exits(0)
        .says("they conflict");
    let before = plain;
    // What was wrong before is not blamed on the module.
    sandbox.put("prosody.cfg.lua", &(before.clone() + "\tuse_ipv4 = true\n"));
    sandbox
        .hoist("install late --enable")
        .exits(0)
        .says("as before");
    assert!(sandbox.read("prosody.cfg.lua").contains("\"late\""));
    sandbox.put(
        "prosody.cfg.lua",
        &before.replace("modules_enabled", "modules"),
    );
    sandbox
        .hoist("install hello --enable")
        .exits(3)
        .says("it has no table `modules_enabled`");
    assert!(sandbox.has("plugins/mod_hello/mod_hello.lua"));
}

#[test]
fn a_module_moves_from_one_side_to_the_other_and_back() {
    let Some(World {
        sandbox,
        mut prosody,
        rocks,
        repository: _repository,
    }) = world()
    else {
        return;
    };
    sandbox
        .hoist("migrate both --to community")
        .exits(2)
        .says("is not installed");
    sandbox.hoist("install both --enable").exits(0);
    assert_eq!(
        sandbox.json("migrate both --to rocks").exits(0).statuses()["mod_both"],
        "unchanged"
    );
    sandbox
        .hoist("migrate both --to nowhere")
        .exits(2)
        .says("unknown source `nowhere`");
    sandbox
        .hoist("migrate both --to community --dry-run")
        .exits(0)
        .says("from rocks to community");
    assert!(sandbox.has("plugins/share/lua/5.4/mod_both.lua"));
    sandbox
        .hoist("migrate both --to community")
        .exits(0)
        .says("No installed module depends on luatz any more");
    sandbox.hoist("rocks list").exits(0).says("luatz");
    assert!(!sandbox.hoist("rocks list").stdout.contains("mod_both"));
    sandbox.hoist("migrate both --to rocks").exits(0);
    let run = sandbox.json("migrate both --to community").exits(0);
    assert_eq!(run.statuses()["mod_both"], "installed");
    assert!(
        !sandbox.has("plugins/share/lua/5.4/mod_both.lua")
            && sandbox.has("plugins/mod_both/mod_both.lua")
    );
    prosody.start();
    assert!(prosody.modules().contains(&"both".to_owned()));
    assert!(
        sandbox.read("prosody/log").contains("mod_both is loaded")
            && !sandbox.read("prosody/log").contains("the rock")
    );
    sandbox
        .hoist("list --installed --source community")
        .exits(0)
        .says("mod_both");
    // Back again; what somebody changed stays, and is told.
    sandbox.put("plugins/mod_both/mod_both.lua", "-- mine\n");
    sandbox.put("plugins/mod_both/note", "mine\n");
    sandbox
        .hoist("migrate both --to rocks")
        .exits(0)
        .says("modified since")
        .says("note");
    assert!(sandbox.has("plugins/share/lua/5.4/mod_both.lua"));
    // What was left would be loaded in place of the rock, and stands beside now.
    assert!(!sandbox.has("plugins/mod_both"));
    let kept: Vec<String> = sandbox
        .files("plugins")
        .into_iter()
        .filter(|file| file.starts_with("mod_both.hoist-backup-"))
        .collect();
    assert!(
        kept.len() == 2 && kept[0].ends_with("/mod_both.lua") && kept[1].ends_with("/note"),
        "{kept:?}"
    );
    sandbox.hoist("test both").exits(0);
    sandbox
        .hoist("list --installed --source rocks")
        .exits(0)
        .says("mod_both")
        .says("luatz");
    // What another rock needs stays a rock.
    rocks.rock("mod_user", "1-1", &["mod_both"]).publish();
    sandbox.hoist("sync -q").exits(0);
    sandbox.hoist("install mod_user").exits(0);
    sandbox
        .hoist("migrate both --to community")
        .exits(2)
        .says("mod_user depends on the installed rock");
    sandbox.hoist("remove mod_user -y").exits(0);
    // What cannot be installed leaves what is there.
    sandbox.hoist("migrate both --to community").exits(0);
    std::fs::write(
        rocks.path().join("mod_both-1.0-1.src.rock"),
        "not an archive",
    )
    .unwrap();
    sandbox
        .hoist("migrate both --to rocks")
        .exits(3)
        .says("luarocks install");
    assert!(
        sandbox.has("plugins/mod_both/mod_both.lua")
            && !sandbox.has("plugins/lib/luarocks/rocks-5.4/mod_both")
    );
    sandbox
        .hoist("list --installed --source community")
        .exits(0)
        .says("mod_both");
    sandbox.hoist("test both").exits(0);
    sandbox.hoist("remove --all -y").exits(0);
    assert!(!sandbox.has("plugins/mod_both"));
}

#[test]
fn a_module_without_code_is_not_to_be_enabled_and_its_successor_is_named() {
    let Some(World {
        sandbox,
        repository,
        rocks,
        prosody: _prosody,
    }) = world()
    else {
        return;
    };
    rocks
        .rock_built("mod_documents", "1-1", &[], "", "type = \"none\"")
        .publish();
    let readme = |more: &str| {
        format!("---\nsummary: Gone\nlabels:\n- Stage-Beta\n- Stage-Obsolete\n{more}---\n\nText\n")
    };
    repository
        .write("mod_old/README.md", &readme("superseded_by: mod_middle\n"))
        .write(
            "mod_middle/README.md",
            &readme("superseded_by: mod_hello\n"),
        )
        .commit("second");
    repository
        .write("mod_hello/extra.lua", "return 1\n")
        .commit("third");
    sandbox.hoist("sync -q").exits(0);
    sandbox
        .hoist("install old --enable")
        .exits(2)
        .says("cannot be enabled: it has no file that the server could load")
        .says("mod_hello replaces it");
    let installed = sandbox
        .hoist("install old")
        .exits(0)
        .says("mod_hello replaces it");
    assert!(
        !installed.stdout.contains("modules_enabled"),
        "{}",
        installed.stdout
    );
    sandbox.hoist("info old").exits(0).says("beta, obsolete");
    assert_eq!(
        sandbox.json("test old").exits(0).statuses()["mod_old"],
        "unverified"
    );
    // A rock may have nothing to load as well.
    sandbox
        .hoist("install documents --enable")
        .exits(2)
        .says("it has no file that the server could load");
    sandbox.hoist("install documents").exits(0);
    assert_eq!(
        sandbox.json("test documents").exits(0).statuses()["mod_documents"],
        "unverified"
    );
    let about = sandbox.json("info hello").exits(0).document()["about"].clone();
    assert_eq!(
        (&about["number"], &about["changes"]),
        (&2.into(), &2.into()),
        "{about}"
    );
    sandbox
        .hoist("info hello")
        .exits(0)
        .says("revision")
        .says("changes");
}
