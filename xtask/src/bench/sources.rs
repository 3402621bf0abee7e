//! Sources: how long hoist takes beside the programs that it calls.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use hoist_tests::{Mercurial, Rocks, Sandbox};

use super::{Bench, Row, interleaved, median, timed};

fn hoist(bench: &Bench, sandbox: &Sandbox, arguments: &str) -> Command {
    let mut command = sandbox.command(&bench.hoist);
    command.args(arguments.split_whitespace());
    command
}

fn community(repository: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settings(&format!(
        "sources:\n- mercurial: {repository}\n  into: ~/plugins\n  modules: mod_*\n"
    ));
    sandbox
}

/// hg that writes down how long each call took.
fn watched_hg(sandbox: &Sandbox) -> Result<()> {
    let script = "#!/bin/bash\nstart=$EPOCHREALTIME\n/usr/bin/hg \"$@\"\ncode=$?\necho \"$EPOCHREALTIME $start\" >>\"$HOME/hg.log\"\nexit $code\n";
    let path = sandbox.put("bin/hg", script);
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

fn in_hg(sandbox: &Sandbox) -> Duration {
    let log = sandbox.home().join("hg.log");
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(log);
    let spans = text.lines().filter_map(|line| {
        let (end, start) = line.split_once(' ')?;
        Some(end.parse::<f64>().ok()? - start.parse::<f64>().ok()?)
    });
    Duration::from_secs_f64(spans.sum())
}

/// An index of 500 modules from a clone, beside the calls of hg; the same of 5,000, and searches in
/// both.
pub(crate) fn index(bench: &Bench) -> Result<Vec<Row>> {
    let mut searches = Vec::new();
    let mut rows = Vec::new();
    for count in [500, 5_000] {
        let repository = Mercurial::new();
        repository.generate(count).commit("all");
        let sandbox = community(&repository.path().display().to_string());
        watched_hg(&sandbox)?;
        let path = format!(
            "{}:{}",
            sandbox.home().join("bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        timed(hoist(bench, &sandbox, "sync -q").env("PATH", &path))?;
        in_hg(&sandbox);
        let mut took = Vec::new();
        for _ in 0..bench.rounds {
            std::fs::remove_file(
                sandbox
                    .home()
                    .join(".cache/hoist/sources/community/index.json"),
            )?;
            let all = timed(hoist(bench, &sandbox, "sync -q").env("PATH", &path))?;
            took.push(all.saturating_sub(in_hg(&sandbox)));
        }
        if count == 500 {
            let (what, peer) = (
                "index of 500 modules from a clone, beside hg".to_owned(),
                "a bound".to_owned(),
            );
            rows.push(Row {
                what,
                ours: median(took),
                peer,
                theirs: Duration::from_millis(60),
                bar: 1.0,
            });
        }
        let search =
            (0..bench.rounds * 4).map(|_| timed(&mut hoist(bench, &sandbox, "search push")));
        searches.push(median(search.collect::<Result<Vec<_>>>()?));
    }
    let (what, peer) = ("search in 500 modules".to_owned(), "a bound".to_owned());
    rows.push(Row {
        what,
        ours: searches[0],
        peer,
        theirs: Duration::from_millis(10),
        bar: 1.0,
    });
    let (what, peer) = (
        "search in 5,000 modules".to_owned(),
        "ten times that in 500".to_owned(),
    );
    rows.push(Row {
        what,
        ours: searches[1],
        peer,
        theirs: searches[0] * 10,
        bar: 1.2,
    });
    Ok(rows)
}

/// A sync that finds nothing, and an install of twenty modules.
pub(crate) fn community_modules(bench: &Bench) -> Result<Vec<Row>> {
    let repository = Mercurial::new();
    repository.generate(500).commit("all");
    let server = repository.serve();
    let sandbox = community(&server.url());
    timed(&mut hoist(bench, &sandbox, "sync -q"))?;
    let tree = sandbox.home().join(".cache/hoist/sources/community/tree");
    let hg = |arguments: &[&str]| {
        let mut command = sandbox.command("hg");
        command
            .env("HGPLAIN", "1")
            .env("HGRCPATH", "")
            .arg("--cwd")
            .arg(&tree)
            .args(arguments);
        command
    };
    let sync = |_: usize| timed(&mut hoist(bench, &sandbox, "sync -q"));
    let (ours, theirs) = interleaved(bench.rounds, sync, |_| timed(&mut hg(&["pull", "--quiet"])))?;
    let peer = "one `hg pull`".to_owned();
    let mut rows = vec![Row {
        what: "a sync that finds nothing".to_owned(),
        ours,
        peer,
        theirs,
        bar: 1.3,
    }];
    let names: Vec<String> = (0..500)
        .filter(|number| number % 9 == 1 && number % 23 < 21)
        .take(20)
        .map(|number| format!("gen{number:04}"))
        .collect();
    let install = format!("install -q {}", names.join(" "));
    let remove = |home: &Path| -> Result<()> {
        for path in ["plugins", ".local/state/hoist"] {
            let _ = std::fs::remove_dir_all(home.join(path));
        }
        Ok(())
    };
    let installed = |_: usize| {
        remove(&sandbox.home())?;
        timed(&mut hoist(bench, &sandbox, &install))
    };
    let (ours, look) = interleaved(bench.rounds, installed, |_| {
        timed(&mut hg(&["identify", "--id"]))
    })?;
    let (what, peer) = (
        "20 community modules".to_owned(),
        "one `hg identify` and 100 ms".to_owned(),
    );
    rows.push(Row {
        what,
        ours,
        peer,
        theirs: look + Duration::from_millis(100),
        bar: 1.0,
    });
    Ok(rows)
}

/// Twenty-eight rocks in chains of four, against LuaRocks called once for each; the same from a
/// server that answers late; then against LuaRocks called once for a rock that needs all of them.
pub(crate) fn rocks(bench: &Bench) -> Result<Vec<Row>> {
    let rocks = Rocks::new();
    let names: Vec<String> = (0..28)
        .map(|number| format!("mod_rock{number:02}"))
        .collect();
    for (number, name) in names.iter().enumerate() {
        let needs = if number % 4 == 0 {
            None
        } else {
            Some(names[number - 1].as_str())
        };
        rocks.rock(name, "1.0-1", &needs.into_iter().collect::<Vec<_>>());
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    rocks.rock("mod_top", "1.0-1", &all);
    rocks.publish();
    let top = ["mod_top".to_owned()];
    let mut rows = Vec::new();
    let each = ("`luarocks install`, one after another", names.as_slice());
    let once = ("one `luarocks install` of all", top.as_slice());
    for (latency, bar, (peer, asked)) in [(0, 0.4, each), (40, 0.2, each), (0, 1.5, once)] {
        let server = rocks.serve(Duration::from_millis(latency));
        let sandbox = Sandbox::new();
        sandbox.settings(&format!(
            "sources:\n- rocks: {}\n  tree: ~/tree\n",
            server.url("/")
        ));
        timed(&mut hoist(bench, &sandbox, "sync -q"))?;
        let ours = |_: usize| {
            for path in ["tree", ".local/state/hoist"] {
                let _ = std::fs::remove_dir_all(sandbox.home().join(path));
            }
            timed(&mut hoist(
                bench,
                &sandbox,
                &format!("install -q {}", asked.join(" ")),
            ))
        };
        let theirs = |_: usize| {
            for path in ["theirs", ".cache/luarocks"] {
                let _ = std::fs::remove_dir_all(sandbox.home().join(path));
            }
            let tree = format!("--tree={}", sandbox.home().join("theirs").display());
            let one = |name: &String| {
                let mut command = sandbox.command("luarocks");
                command.args([
                    "--lua-version=5.4",
                    &tree,
                    &format!("--only-server={}", server.url("/")),
                    "install",
                    name,
                ]);
                timed(&mut command)
            };
            asked.iter().map(one).sum::<Result<Duration>>()
        };
        let (ours, theirs) = interleaved(3, ours, theirs)?;
        let late = if latency == 0 {
            String::new()
        } else {
            format!(", each answer {latency} ms late")
        };
        rows.push(Row {
            what: format!("28 rocks{late}"),
            ours,
            peer: peer.to_owned(),
            theirs,
            bar,
        });
    }
    Ok(rows)
}
