//! What goes wrong with sources: repositories that are cut off, answer nonsense or not at all;
//! kills in the middle of installs, updates, migrations and removals; full disks.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use hoist_tests::faults::{Victims, is_mended, kill_everywhere, mounted, nothing_is_left, tree};
use hoist_tests::{Answer, Mercurial, Rocks, Sandbox, Server, has};

/// A community repository and a server of rocks, in one tree.
fn both(repository: &Mercurial, rocks: &Rocks) -> Sandbox {
    let sandbox = Sandbox::new();
    let (hg, rocks) = (
        repository.path().display().to_string(),
        rocks.path().display().to_string(),
    );
    sandbox.settings(&format!(
        "sources:\n- rocks: {rocks}\n  tree: ~/plugins\n- mercurial: {hg}\n  into: ~/plugins\n  modules: mod_*\nbuiltin_modules: /nonexistent\n"
    ));
    sandbox.hoist("sync -q").exits(0);
    sandbox
}

fn sources() -> Option<(Mercurial, Rocks)> {
    if !has("hg") || !has("luarocks-admin") || !has("cc") {
        return None;
    }
    let (repository, rocks) = (Mercurial::new(), Rocks::new());
    repository
        .module("mod_a", "summary: A\nrockspec:\n  dependencies: [luatz]")
        .module("mod_both", "summary: B");
    repository
        .write("mod_a/old", "1")
        .write("mod_a/edited", "1")
        .commit("first");
    rocks
        .rock("luatz", "0.3-1", &[])
        .rock("mod_both", "1.0-1", &["luatz"])
        .publish();
    Some((repository, rocks))
}

/// A tree is as LuaRocks lists it, with nothing that it does not know.
#[track_caller]
fn is_sound(sandbox: &Sandbox, context: &str) {
    let spare: Vec<String> = sandbox
        .files("plugins")
        .into_iter()
        .filter(|file| file.ends_with('~'))
        .collect();
    assert!(spare.is_empty(), "{context}: {spare:?}");
    let tree = format!("--tree={}", sandbox.home().join("plugins").display());
    let output = sandbox
        .command("luarocks")
        .args(["--lua-version=5.4", &tree, "list", "--porcelain"])
        .output()
        .unwrap();
    let mut listed: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split('\t').next().map(str::to_owned))
        .collect();
    listed.retain(|name| !name.is_empty());
    let mut loaded: Vec<String> = sandbox
        .files("plugins/share/lua/5.4")
        .into_iter()
        .map(|file| file.replace(".lua", ""))
        .collect();
    listed.sort();
    loaded.sort();
    assert_eq!(listed, loaded, "{context}");
}

/// The lock says who had it last.
fn forget_lock(sandbox: &Sandbox) {
    let _ = std::fs::write(sandbox.home().join("plugins/lib/luarocks/.hoist/lock"), "");
}

#[test]
fn an_install_killed_anywhere_is_completed_by_the_next() {
    let Some((repository, rocks)) = sources() else {
        return;
    };
    let prepared = || both(&repository, &rocks);
    let undisturbed = prepared();
    undisturbed.hoist("install a rocks/both").exits(0);
    forget_lock(&undisturbed);
    let wanted = tree(&undisturbed);
    let killed = kill_everywhere(
        Victims::All,
        prepared,
        "install a rocks/both -j1 -q",
        |sandbox, context| {
            sandbox.hoist("install a rocks/both").exits(0);
            forget_lock(sandbox);
            is_mended(sandbox, "install a rocks/both", &wanted, context);
            is_sound(sandbox, context);
        },
    );
    assert!(killed >= 15, "only {killed} points");
}

#[test]
fn an_update_killed_anywhere_is_completed_by_the_next() {
    let Some((repository, rocks)) = sources() else {
        return;
    };
    let first = repository.hg(&["log", "-r", ".", "-T", "{node}"]);
    repository
        .write("mod_a/new", "2")
        .write("mod_a/edited", "2");
    repository.hg(&["rm", "-q", "mod_a/old"]);
    let second = repository.commit("second");
    // Every sandbox starts from the first revision; the source has the second meanwhile.
    let early = Mercurial::new();
    early.hg(&[
        "pull",
        "-q",
        "-r",
        &first,
        &repository.path().display().to_string(),
    ]);
    let prepared = || {
        let sandbox = both(&early, &rocks);
        sandbox.hoist("install a -q").exits(0);
        sandbox.put("plugins/mod_a/edited", "mine");
        sandbox.put("plugins/mod_a/note", "mine");
        let settings = sandbox.read(".config/hoist/hoist.yml");
        sandbox.settings(&settings.replace(
            &early.path().display().to_string(),
            &repository.path().display().to_string(),
        ));
        sandbox.hoist("sync -q").exits(0);
        sandbox
    };
    let undisturbed = prepared();
    undisturbed.hoist("update").exits(0).says(&second[..12]);
    forget_lock(&undisturbed);
    let wanted = tree(&undisturbed);
    assert!(
        wanted.contains_key("plugins/mod_a/edited.new")
            && !wanted.contains_key("plugins/mod_a/old")
    );
    let killed = kill_everywhere(
        Victims::All,
        prepared,
        "update -j1 -q",
        |sandbox, context| {
            sandbox.hoist("update").exits(0);
            forget_lock(sandbox);
            let found = tree(sandbox);
            let differs = |name: &&String| {
                !name.starts_with(".config") && found.get(*name) != wanted.get(*name)
            };
            let different: Vec<&String> =
                found.keys().chain(wanted.keys()).filter(differs).collect();
            assert!(different.is_empty(), "{context}: {different:?}");
            nothing_is_left(sandbox, context);
            assert!(
                sandbox
                    .json("update")
                    .exits(0)
                    .statuses()
                    .values()
                    .all(|status| status == "unchanged"),
                "{context}"
            );
        },
    );
    assert!(killed >= 10, "only {killed} points");
}

#[test]
fn a_migration_killed_anywhere_is_completed_by_the_next() {
    let Some((repository, rocks)) = sources() else {
        return;
    };
    for (from, to) in [("rocks", "community"), ("community", "rocks")] {
        let prepared = || {
            let sandbox = both(&repository, &rocks);
            sandbox.hoist(&format!("install {from}/both -q")).exits(0);
            sandbox
        };
        let migrate = format!("migrate both --to {to}");
        let killed = kill_everywhere(
            Victims::Hoist,
            prepared,
            &format!("{migrate} -j1 -q"),
            |sandbox, context| {
                let context = format!("{context}, from {from} to {to}");
                // One of them is there at any time.
                let rock = sandbox.has("plugins/share/lua/5.4/mod_both.lua");
                assert!(
                    rock || sandbox.has("plugins/mod_both/mod_both.lua"),
                    "{context}"
                );
                let run = sandbox.hoist(&migrate);
                assert_eq!(run.code, 0, "{context}\n{}\n{}", run.stdout, run.stderr);
                assert_eq!(
                    sandbox.has("plugins/mod_both/mod_both.lua"),
                    to == "community",
                    "{context}"
                );
                let rock = sandbox.has("plugins/share/lua/5.4/mod_both.lua");
                assert_eq!(
                    rock,
                    to == "rocks",
                    "{context}\n{}\n{}",
                    run.stdout,
                    run.stderr
                );
                nothing_is_left(sandbox, &context);
                is_sound(sandbox, &context);
                sandbox
                    .hoist(&format!("list --installed --source {to}"))
                    .exits(0)
                    .says("mod_both");
            },
        );
        assert!(killed >= 8, "only {killed} points");
    }
}

#[test]
fn a_removal_killed_anywhere_is_completed_by_the_next() {
    let Some((repository, rocks)) = sources() else {
        return;
    };
    let prepared = || {
        let sandbox = both(&repository, &rocks);
        sandbox.hoist("install a rocks/both -q").exits(0);
        sandbox
    };
    let killed = kill_everywhere(
        Victims::All,
        prepared,
        "remove --all -y -j1 -q",
        |sandbox, context| {
            let again = sandbox.hoist("remove --all -y");
            assert_eq!(
                again.code, 0,
                "{context}\n{}\n{}",
                again.stdout, again.stderr
            );
            nothing_is_left(sandbox, context);
            is_sound(sandbox, context);
            assert!(
                !sandbox.has("plugins/mod_a") && sandbox.files("plugins/share").is_empty(),
                "{context}: {:?}",
                sandbox.files("plugins")
            );
        },
    );
    assert!(killed >= 8, "only {killed} points");
}

#[test]
fn a_full_disk_leaves_whole_modules_or_none() {
    let Some((repository, rocks)) = sources() else {
        return;
    };
    repository
        .write("mod_big/mod_big.lua", &"-- big\n".repeat(300_000))
        .commit("big");
    let sandbox = both(&repository, &rocks);
    let line = "mkdir -p $home/plugins; mount -t tmpfs -o size=1500k none $home/plugins || exit 77
        $hoist install big a rocks/both -j1; first=$?
        ls -A $home/plugins | grep -c hoist-stage; ls -d $home/plugins/mod_big
        mount -o remount,size=64m $home/plugins
        $hoist install big a rocks/both; second=$?
        $hoist test -q; third=$?
        cmp $home/plugins/mod_big/mod_big.lua $home/.cache/hoist/sources/community/tree/mod_big/mod_big.lua && echo same
        echo codes $first $second $third";
    let Some(ran) = mounted(&sandbox, line) else {
        return;
    };
    assert!(
        ran.stdout.contains("No space left") && ran.stdout.contains("same\n"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert!(
        ran.stdout.ends_with("codes 3 0 0\n"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert!(
        ran.stdout.contains("\n0\n") && ran.stderr.contains("cannot access"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
}

/// A way to a server that ends after so many bytes of an answer, or stalls there.
fn faulty_way(to: u16, limit: usize, stall: bool) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                return;
            };
            let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut into));
            std::thread::spawn(move || {
                let (mut server, mut client, mut left) = (server, client, limit);
                let mut buffer = [0; 512];
                while let Ok(count @ 1..) = server.read(&mut buffer) {
                    let sent = count.min(left);
                    if client.write_all(&buffer[..sent]).is_err() {
                        return;
                    }
                    left -= sent;
                    if left == 0 {
                        if stall {
                            std::thread::sleep(Duration::from_secs(3600));
                        }
                        let _ = client.shutdown(std::net::Shutdown::Both);
                        return;
                    }
                }
                let _ = client.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    port
}

#[test]
fn a_repository_that_is_cut_off_stalls_or_is_none_leaves_what_was_known() {
    if !has("hg") {
        return;
    }
    let repository = Mercurial::new();
    // So much that an answer is long, however well it is packed.
    let noise = |seed: u64| {
        let next = |state: &mut u64| {
            *state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            Some(char::from(b'a' + (*state >> 59) as u8))
        };
        let mut state = seed;
        (0..60_000)
            .filter_map(|_| next(&mut state))
            .collect::<String>()
    };
    repository
        .generate(60)
        .write("mod_gen0001/noise", &noise(1))
        .commit("first");
    let server = repository.serve();
    let sandbox = Sandbox::new();
    let at =
        |url: &str| format!("sources:\n- mercurial: {url}\n  into: ~/plugins\n  modules: mod_*\n");
    let nonsense = Server::start(|_| Answer::new(200, "<html>not a repository</html>"));
    let missing = Server::start(|_| Answer::new(404, "nothing here"));
    let way = |limit, stall| {
        format!(
            "http://127.0.0.1:{}/",
            faulty_way(server.port(), limit, stall)
        )
    };
    let faulty = [
        way(900, false),
        way(5_000, false),
        way(6_000, true),
        nonsense.url("/"),
        missing.url("/"),
        "http://127.0.0.1:1/".to_owned(),
    ];
    // The first time: nothing is left of it.
    for url in &faulty {
        sandbox.settings(&at(url));
        let run = sandbox.hoist("sync --timeout 5");
        assert_eq!(run.code, 3, "{url}\n{}\n{}", run.stdout, run.stderr);
        assert!(run.stdout.contains("failed"), "{url}: {}", run.stdout);
        assert!(!sandbox.has(".cache/hoist/sources/community/tree"), "{url}");
        sandbox.hoist("list").exits(0).says("never synced");
    }
    // Later: what was known stays, and the copy is sound.
    sandbox.settings(&at(&server.url()));
    sandbox.hoist("sync -q").exits(0);
    repository
        .generate(70)
        .write("mod_gen0002/noise", &noise(2))
        .commit("second");
    let index = std::fs::read(
        sandbox
            .home()
            .join(".cache/hoist/sources/community/index.json"),
    )
    .unwrap();
    for url in &faulty {
        sandbox.settings(&at(url));
        // The index is that of another place until it is synced.
        let run = sandbox.hoist("sync --timeout 5");
        assert_eq!(run.code, 3, "{url}\n{}\n{}", run.stdout, run.stderr);
        let now = std::fs::read(
            sandbox
                .home()
                .join(".cache/hoist/sources/community/index.json"),
        )
        .unwrap();
        assert!(now == index, "{url}: the index was touched");
    }
    sandbox.settings(&at(&server.url()));
    let synced = sandbox.json("sync").exits(0).document();
    assert_eq!(synced[0]["new"].as_array().unwrap().len(), 10, "{synced}");
    nothing_is_left(&sandbox, "after all");
}
