//! A run that is killed has not happened: whatever it was doing, and wherever it was killed, the
//! next run ends where an undisturbed one does. What a person writes after the kill is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hoist_tests::faults::{
    Victims, differences, kill_everywhere, mounted, nothing_is_left, observed, processes,
    wait_for_watchdog, watchdog_of,
};
use hoist_tests::{GitFixture, Module, Sandbox, has};

/// A module whose script is not idempotent, with a file that a person changed, one that a person
/// added, and a configuration file.
fn script(sandbox: &Sandbox) {
    let body = "main_module() { mkdir ~/.m && mkdir ~/.m/sub && cat ~/wanted >~/.m/version && echo data >~/.m/data && echo 1 >~/.m/sub/gone \
                && echo shipped >~/.m/edited && mkdir -p ~/.local/bin && echo '#!/bin/sh' >~/.local/bin/m; }\n\
                update_module() { cat ~/wanted >~/.m/version && rm -f ~/.m/sub/gone && echo new >~/.m/new && echo newer >~/.m/edited && rm -rf ~/.m/mine; }\n\
                uninstall_module() { rm -f ~/.local/bin/m; }";
    let module = Module::new("m")
        .field("INSTALL_DIRS", "$HOME/.m")
        .field("UNINSTALL_DIRS", "$HOME/.m")
        .field("UNINSTALL_BINARIES", "m");
    sandbox.add(
        &module
            .field("CONFIG_FILES", "$HOME/.mrc")
            .field("UPDATE_METHOD", "custom")
            .body(body),
    );
    sandbox.write("config/mrc", "one\n");
    sandbox.put("wanted", "1\n");
}

fn clone(sandbox: &Sandbox, repository: &Path) {
    let link = sandbox.path("repo.git");
    std::os::unix::fs::symlink(repository, &link).unwrap();
    let clone = Module::new("m")
        .method("git_clone")
        .field("INSTALL_REPO", &link.display().to_string());
    let clone = clone
        .field("INSTALL_DIRS", "$HOME/deep/clone")
        .field("UNINSTALL_DIRS", "$HOME/deep/clone");
    sandbox.add(
        &clone
            .field("UPDATE_METHOD", "git_pull")
            .field("UPDATE_DIR", "$HOME/deep/clone"),
    );
}

/// The exit code of a command, and everything that can be seen after it.
type End = (i32, BTreeMap<String, String>);

/// Kills `command` wherever it changes something, and compares what the next command makes of it
/// with what it makes of an undisturbed one.
fn ends_alike(prepared: impl Fn() -> Sandbox + Sync, command: &str, fewest: usize) {
    ends_alike_after(prepared, command, "install", fewest);
}

/// The same, where `other` or the same command comes next.
fn ends_alike_after(
    prepared: impl Fn() -> Sandbox + Sync,
    command: &str,
    other: &str,
    fewest: usize,
) {
    // Either nothing of the command had happened, or all of it.
    let follow_up = |next: &str| {
        [false, true].map(|happened| {
            let sandbox = prepared();
            if happened {
                sandbox.hoist(command).exits(0);
            }
            let code = sandbox.hoist(next).code;
            (code, observed(&sandbox))
        })
    };
    let next = [other, command].map(|next| (next, follow_up(next)));
    let compare = |sandbox: &Sandbox, context: &str, (next, ends): &(&str, [End; 2])| {
        let ran = sandbox.hoist(next);
        let found = observed(sandbox);
        // A refusal writes nothing, and what was cut off in the middle of a deployment is for the
        // next deployment to complete.
        let counts = |row: &String| {
            (ran.code != 2 || !row.starts_with("runs "))
                && (*next == command || !row.starts_with("documents "))
        };
        let different = ends.each_ref().map(|(code, end)| match *code == ran.code {
            true => differences(end, &found)
                .into_iter()
                .filter(counts)
                .collect(),
            false => vec![format!(
                "exit code {} in place of {code}: {}",
                ran.code, ran.stdout
            )],
        });
        let context = format!("{command}, then {next}, {context}");
        let [nothing, all] = &different;
        let is_alike = nothing.is_empty() || all.is_empty();
        assert!(
            is_alike,
            "{context}:\n{}\n\n{}\n{}",
            nothing.join("\n"),
            all.join("\n"),
            ran.stderr
        );
        nothing_is_left(sandbox, &context);
        nothing_is_left_of_state(sandbox, &context);
    };
    let killed: usize = match std::env::var_os("HOIST_TEST_FULL").is_some() {
        true => next
            .iter()
            .map(|next| {
                kill_everywhere(
                    Victims::All,
                    &prepared,
                    &format!("{command} -q"),
                    |sandbox, context| compare(sandbox, context, next),
                )
            })
            .sum(),
        false => {
            let count = AtomicUsize::new(0);
            let turn = || &next[count.fetch_add(1, Ordering::Relaxed) % 2];
            kill_everywhere(
                Victims::All,
                &prepared,
                &format!("{command} -q"),
                |sandbox, context| compare(sandbox, context, turn()),
            )
        }
    };
    assert!(killed >= fewest, "{command}: only {killed} points");
}

/// In hoist's own directories there is nothing that the next run does not need.
fn nothing_is_left_of_state(sandbox: &Sandbox, context: &str) {
    let known = [
        "ledger.sqlite",
        "ledger.sqlite-wal",
        "ledger.sqlite-shm",
        "ledger.copy.sqlite",
        "lock",
        "runs",
        "contents",
        "clones",
        "snapshots",
        "kept",
        "deployments",
    ];
    let state = std::fs::read_dir(sandbox.home().join(".local/state/hoist"))
        .unwrap()
        .flatten();
    let left: Vec<String> = state
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !known.contains(&name.as_str()))
        .collect();
    assert!(left.is_empty(), "{context}: {left:?}");
    let contents = sandbox.files(".local/state/hoist/contents");
    let left: Vec<&String> = contents
        .iter()
        .filter(|name| {
            !name.ends_with(".pack") && !name.ends_with(".index") && !name.starts_with("large/")
        })
        .collect();
    assert!(left.is_empty(), "{context}: {left:?}");
    let deployments = sandbox.files(".local/state/hoist/deployments");
    let left: Vec<&String> = deployments
        .iter()
        .filter(|name| name.contains(".hoist-") || name.contains(".tmp"))
        .collect();
    assert!(left.is_empty(), "{context}: {left:?}");
}

/// Everything in hoist's cache and settings that is not what it keeps there, and what git was just
/// writing in the copies there.
fn unfinished(sandbox: &Sandbox) -> Vec<String> {
    let mut all = sandbox.files(".cache");
    all.extend(sandbox.files(".config"));
    let is_unfinished = |name: &String| {
        name.contains("hoist-stage")
            || name.contains(".tmp")
            || name.contains("tmp_")
            || name.ends_with(".lock")
    };
    all.into_iter().filter(is_unfinished).collect()
}

#[test]
fn tests_syncs_and_settings_that_are_killed_leave_nothing() {
    if !has("cc") || !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("modules", 1);
    let module = Module::new("m")
        .field("INSTALL_DIRS", "$HOME/.m")
        .main("mkdir -p ~/.m");
    std::fs::create_dir_all(fixture.path("modules.work/modules")).unwrap();
    std::fs::write(fixture.path("modules.work/modules/m.sh"), module.text()).unwrap();
    fixture.commit("modules.work", "a module");
    fixture.publish("modules");
    let url = fixture.path("modules.git").display().to_string();
    let prepared = || {
        let sandbox = Sandbox::new();
        sandbox.settings("jobs: 1\n");
        sandbox
            .add(&Module::new("other").body("main_module() { :; }\ntest_module() { mktemp -d; }"));
        sandbox.hoist("install").exits(0);
        sandbox
    };
    let with_source = || {
        let sandbox = prepared();
        sandbox
            .hoist(&format!("source add new --from {url}"))
            .exits(0);
        sandbox
    };
    let synced = || {
        let sandbox = with_source();
        sandbox.hoist("sync").exits(0);
        std::fs::remove_dir_all(sandbox.home().join(".cache/hoist/sources/new/tree/modules"))
            .unwrap();
        sandbox
    };
    let clean = |next: &'static str| {
        move |sandbox: &Sandbox, context: &str| {
            let context = format!("{context}, then {next}");
            let ran = sandbox.hoist(next);
            assert_eq!(ran.code, 0, "{context}: {}", ran.stderr);
            nothing_is_left(sandbox, &context);
            assert_eq!(unfinished(sandbox), [""; 0], "{context}");
        }
    };
    let add = format!("source add new --from {url}");
    let mut killed = kill_everywhere(Victims::All, prepared, "test", clean("install"));
    // The same again, unless it was done.
    killed += kill_everywhere(Victims::All, prepared, &add, |sandbox, context| {
        let ran = sandbox.hoist(&add);
        assert!(
            ran.code == 0 || ran.stderr.contains("new"),
            "{context}: {}",
            ran.stderr
        );
        nothing_is_left(sandbox, context);
        assert_eq!(unfinished(sandbox), [""; 0], "{context}");
    });
    killed += kill_everywhere(Victims::All, prepared, &add, clean("install --force other"));
    killed += kill_everywhere(Victims::All, with_source, "sync", clean("sync"));
    killed += kill_everywhere(Victims::All, synced, "sync", clean("install m"));
    assert!(killed >= 60, "only {killed} points");
}

#[test]
fn installs_of_scripts_end_alike() {
    if !has("cc") {
        return;
    }
    let prepared = || {
        let sandbox = Sandbox::new();
        script(&sandbox);
        sandbox
    };
    ends_alike(prepared, "install m -j1", 25);
    let installed = || {
        let sandbox = prepared();
        sandbox.hoist("install").exits(0);
        sandbox.put(".m/mine", "mine\n");
        sandbox.put(".m/edited", "mine\n");
        sandbox.put("wanted", "2\n");
        sandbox.write("config/mrc", "two\n");
        sandbox
    };
    ends_alike(installed, "install m --force -j1", 25);
}

#[test]
fn updates_and_removals_of_scripts_end_alike() {
    if !has("cc") {
        return;
    }
    let installed = || {
        let sandbox = Sandbox::new();
        script(&sandbox);
        sandbox.hoist("install").exits(0);
        sandbox.put(".m/mine", "mine\n");
        sandbox.put(".m/edited", "mine\n");
        sandbox.put("wanted", "2\n");
        sandbox.write("config/mrc", "two\n");
        // An earlier run had made a copy of the configuration.
        sandbox.put(".mrc.pre-slaanesh-20250101-000000", "former\n");
        sandbox
    };
    ends_alike(installed, "update m -j1", 25);
    ends_alike(installed, "uninstall m -y -j1", 25);
    let added = || {
        let sandbox = Sandbox::new();
        script(&sandbox);
        sandbox.hoist("install").exits(0);
        sandbox
    };
    ends_alike(added, "uninstall m -y -j1", 25);
}

#[test]
fn clones_end_alike() {
    if !has("cc") || !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let [old, new] = fixture.old_and_new();
    let prepared = || {
        let sandbox = Sandbox::new();
        clone(&sandbox, &old);
        sandbox
    };
    ends_alike(prepared, "install m -j1", 25);
    let installed = || {
        let sandbox = prepared();
        sandbox.hoist("install").exits(0);
        let link = sandbox.path("repo.git");
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&new, &link).unwrap();
        sandbox
    };
    ends_alike(installed, "install m --force -j1", 25);
    ends_alike(installed, "update m -j1", 25);
    ends_alike(installed, "uninstall m -y -j1", 25);
    let touched = || {
        let sandbox = installed();
        sandbox.put("deep/clone/notes", "mine\n");
        sandbox
    };
    ends_alike(touched, "uninstall m -y -j1", 25);
}

/// A plugin with every hook.
fn plugin(sandbox: &Sandbox, version: &str) {
    let hooks = [
        "pre-install",
        "post-install",
        "pre-upgrade",
        "post-upgrade",
        "pre-deploy",
        "post-deploy",
        "pre-remove",
        "post-remove",
    ];
    let mut manifest = format!(
        "name: shop\nversion: {version}\ndescription: A shop\nconfig:\n  defaults: config/defaults.yaml\nhooks:\n"
    );
    for hook in hooks {
        manifest += &format!("  {hook}: hooks/{hook}.sh\n");
        sandbox.write(
            &format!("plugins/shop/hooks/{hook}.sh"),
            &format!("#!/bin/sh\necho {version}; [ {hook} != post-install ] || echo made >made\n"),
        );
        let path = sandbox
            .collection()
            .join(format!("plugins/shop/hooks/{hook}.sh"));
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    sandbox.write("plugins/shop/plugin.yml", &manifest);
    sandbox.write(
        "plugins/shop/config/defaults.yaml",
        &format!("app:\n  version: {version}\n"),
    );
}

#[test]
fn plugins_and_their_deployments_end_alike() {
    if !has("cc") {
        return;
    }
    let prepared = || {
        let sandbox = Sandbox::new();
        plugin(&sandbox, "1.0.0");
        sandbox
    };
    let after = |commands: &'static [&'static str]| {
        move || {
            let sandbox = prepared();
            for command in commands {
                sandbox.hoist(command).exits(0);
            }
            plugin(&sandbox, "2.0.0");
            sandbox
        }
    };
    ends_alike_after(prepared, "install shop -j1", "install shop", 10);
    ends_alike_after(
        after(&["install shop"]),
        "update shop -j1",
        "install shop",
        10,
    );
    ends_alike_after(
        after(&["install shop"]),
        "uninstall shop -y -j1",
        "install shop",
        10,
    );
    ends_alike_after(prepared, "plugin deploy shop", "install shop", 10);
    ends_alike_after(
        after(&["plugin deploy shop"]),
        "plugin upgrade shop",
        "install shop",
        10,
    );
    ends_alike_after(
        after(&["plugin deploy shop"]),
        "plugin undeploy shop -y",
        "install shop",
        5,
    );
    ends_alike_after(
        after(&["plugin deploy shop"]),
        "plugin remove shop -y",
        "install shop",
        5,
    );
}

#[test]
fn undos_end_alike() {
    if !has("cc") || !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    let [old, new] = fixture.old_and_new();
    for is_clone in [false, true] {
        for action in ["install", "update", "uninstall m -y"] {
            let prepared = || {
                let sandbox = Sandbox::new();
                match is_clone {
                    true => clone(&sandbox, &old),
                    false => script(&sandbox),
                }
                if action != "install" {
                    sandbox.hoist("install").exits(0);
                }
                if is_clone {
                    let link = sandbox.path("repo.git");
                    std::fs::remove_file(&link).unwrap();
                    std::os::unix::fs::symlink(&new, &link).unwrap();
                }
                sandbox.put("wanted", "2\n");
                sandbox.hoist(action).exits(0);
                sandbox
            };
            ends_alike(prepared, "undo -y -j1", 25);
        }
    }
}

#[test]
fn what_a_person_writes_after_a_kill_is_kept_and_named() {
    for (watched, next, later) in [
        (true, "install", 0),
        (true, "uninstall m -y", 1),
        (false, "install", 0),
        (false, "undo -y", 1),
        (true, "update", 1),
    ] {
        let sandbox = Sandbox::new();
        sandbox.add(&Module::new("other"));
        sandbox.hoist("install").exits(0);
        let body = "mkdir ~/.m && echo half >~/.m/half && touch ~/up && { [[ -e ~/again ]] || sleep 300; } && echo whole >~/.m/whole";
        sandbox.add(
            &Module::new("m")
                .field("INSTALL_DIRS", "$HOME/.m")
                .field("UNINSTALL_DIRS", "$HOME/.m")
                .main(body),
        );
        let mut run = sandbox.start("install");
        while !sandbox.has("up") {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !watched {
            let watchdog = watchdog_of(run.id());
            assert!(
                sandbox
                    .command("kill")
                    .args(["-9", &watchdog.to_string()])
                    .status()
                    .unwrap()
                    .success()
            );
        }
        run.kill().unwrap();
        run.wait().unwrap();
        wait_for_watchdog(&sandbox);
        assert_eq!(
            processes(&sandbox).is_empty(),
            watched,
            "the watchdog ends what the run had started"
        );
        std::thread::sleep(Duration::from_secs(later));
        sandbox.put(".m/mine", "mine\n");
        sandbox.put(".m/half", "mine, too\n");
        sandbox.put("again", "");
        let ran = sandbox
            .hoist(next)
            .says("was changed after the run was interrupted; moved to");
        let files = sandbox.files(".");
        for (name, text) in [("mine", "mine\n"), ("half", "mine, too\n")] {
            let kept: Vec<&String> = files
                .iter()
                .filter(|path| path.contains(".m.hoist-backup-") && path.ends_with(name))
                .collect();
            assert_eq!(kept.len(), 1, "{files:?}\n{}", ran.stderr);
            assert_eq!(sandbox.read(kept[0]), text);
            assert!(
                ran.stderr.contains(
                    &*sandbox
                        .home()
                        .join(kept[0])
                        .parent()
                        .unwrap()
                        .to_string_lossy()
                ),
                "{}",
                ran.stderr
            );
        }
        assert_eq!(
            sandbox.has(".m/whole"),
            next == "install",
            "{next}: {}",
            ran.stderr
        );
        nothing_is_left(&sandbox, next);
    }
}

#[test]
fn what_an_update_had_taken_of_a_persons_work_is_back_after_a_kill() {
    let sandbox = Sandbox::new();
    let body = "main_module() { mkdir ~/.m; echo 1 >~/.m/a; echo 1 >~/.m/b; }\n\
                update_module() { echo 2 >~/.m/a; rm -rf ~/.m/b ~/.m/notes; touch ~/up; [[ -e ~/again ]] || sleep 300; }";
    let module = Module::new("m")
        .field("INSTALL_DIRS", "$HOME/.m")
        .field("UPDATE_METHOD", "custom");
    sandbox.add(&module.body(body));
    sandbox.hoist("install").exits(0);
    for file in ["a", "b", "notes/deep"] {
        sandbox.put(&format!(".m/{file}"), "mine\n");
    }
    let before = observed(&sandbox);
    let mut run = sandbox.start("update");
    while !sandbox.has("up") {
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    std::fs::remove_file(sandbox.home().join("up")).unwrap();
    // Not even the same module.
    sandbox.add(&Module::new("other").tier("optional"));
    sandbox.hoist("install m").exits(0).says("rolled back");
    assert_eq!(differences(&before, &observed(&sandbox)), [""; 0]);
    sandbox.put("again", "");
    sandbox.hoist("update").exits(0);
    assert_eq!(
        (sandbox.read(".m/a"), sandbox.read(".m/notes/deep")),
        ("mine\n".to_owned(), "mine\n".to_owned())
    );
}

/// Runs a line of bash with the home directory on a file system of its own, in the file `disk`;
/// `None` where the machine does not let us.
fn on_a_disk(sandbox: &Sandbox, line: &str) -> Option<hoist_tests::Ran> {
    if !has("mkfs.ext4") {
        return None;
    }
    let prepare = "disk=$home/../disk; truncate -s 64M $disk; mkfs.ext4 -q -F $disk; mount -o loop,commit=300 $disk $home || exit 77";
    mounted(sandbox, &format!("{prepare}\n{line}"))
}

#[test]
fn a_power_failure_loses_nothing_of_a_persons_and_the_ledger_is_never_ahead_of_the_files() {
    let sandbox = Sandbox::new();
    let body = "main_module() { mkdir -p ~/.m && head -c 200000 /dev/urandom >~/.m/data && sha256sum ~/.m/data >~/.m/sum; }\n\
                update_module() { echo spoilt >~/.m/mine; rm -f ~/.m/gone; touch ~/up; for turn in {1..1000}; do [[ -e ~/go ]] && break; sleep 0.01; done; }";
    let module = Module::new("m")
        .field("INSTALL_DIRS", "$HOME/.m")
        .field("CONFIG_FILES", "$HOME/.mrc")
        .field("UPDATE_METHOD", "custom");
    sandbox
        .add(&module.body(body))
        .write("config/mrc", "shipped\n");
    // A copy of the disk without what is still in memory is what a power failure leaves.
    let line = "sums=$home/../sums
        $hoist install -q >/dev/null; cp $disk $disk.1; mkdir $disk.d; mount -o loop $disk.1 $disk.d
        cat $disk.d/.mrc; (cd $disk.d/.m && sed 's| .*|  data|' sum | sha256sum -c)
        HOME=$disk.d $hoist list --installed --output json | grep -c '\"state\": *\"installed\"'; umount $disk.d
        for file in mine gone; do head -c 100000 /dev/urandom >$home/.m/$file; done; sha256sum $home/.m/{mine,gone} | cut -c1-64 >$sums; sync
        $hoist update -q >/dev/null & for turn in {1..1000}; do [[ -e $home/up ]] && break; sleep 0.01; done
        cp $disk $disk.2; touch $home/go; wait
        umount $home && mount -o loop $disk.2 $home
        $hoist install >/dev/null; sha256sum $home/.m/{mine,gone} | cut -c1-64 | diff - $sums && echo whole";
    let Some(ran) = on_a_disk(&sandbox, line) else {
        return;
    };
    let said: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(
        said[..3],
        ["shipped", "data: OK", "1"],
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!(
        said.last(),
        Some(&"whole"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert!(
        ran.stderr.contains("rolled back"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
}
