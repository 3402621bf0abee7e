//! Collections that mean harm: what they try, and what comes of it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hoist_tests::{Application, GitFixture, Module, Sandbox, has};

/// Metadata that try to have something run while they are read: all are refused, and none is run.
const TRAPS: &[&str] = &[
    "MODULE_DESCRIPTION=\"$(touch CANARY)\"",
    "MODULE_DESCRIPTION=`touch CANARY`",
    "MODULE_DESCRIPTION=$(touch CANARY)",
    "MODULE_DESCRIPTION=\"${x:-$(touch CANARY)}\"",
    "MODULE_DESCRIPTION=\"${x:=$(touch CANARY)}\"",
    "MODULE_DESCRIPTION=\"${HOME/x/$(touch CANARY)}\"",
    "MODULE_DESCRIPTION=\"${x:-${y:-${z:-$(touch CANARY)}}}\"",
    "MODULE_DESCRIPTION=$((a[$(touch CANARY)]))",
    "MODULE_DESCRIPTION=$[a[$(touch CANARY)]]",
    "MODULE_DESCRIPTION=<(touch CANARY)",
    "MODULE_DESCRIPTION=x>CANARY",
    "MODULE_DESCRIPTION=x; touch CANARY",
    "MODULE_DESCRIPTION=x & touch CANARY",
    "MODULE_DESCRIPTION=x && touch CANARY",
    "MODULE_DESCRIPTION=x || touch CANARY",
    "MODULE_DESCRIPTION=x | tee CANARY",
    "MODULE_DESCRIPTION=x touch CANARY",
    "MODULE_DESCRIPTION=($(touch CANARY))",
    "MODULE_DESCRIPTION[$(touch CANARY)]=x",
    "MODULE_DESCRIPTION+=$(touch CANARY)",
    "MODULE_DESCRIPTION=\"x\n\"$(touch CANARY)",
    "MODULE_DESCRIPTION=x\\\n$(touch CANARY)",
    "MODULE_DESCRIPTION=$'x'$(touch CANARY)",
    "MODULE_DESCRIPTION=$\"$(touch CANARY)\"",
    "MODULE_DESCRIPTION=${!HOME}",
    "MODULE_DESCRIPTION=${HOME@P}",
    "touch CANARY",
    "eval touch CANARY",
    "source /dev/stdin <<<'touch CANARY'",
    ". ./evil",
    "exec touch CANARY",
    "trap 'touch CANARY' DEBUG",
    "trap 'touch CANARY' EXIT",
    "export MODULE_X=$(touch CANARY)",
    "declare MODULE_X=$(touch CANARY)",
    "readonly MODULE_X=$(touch CANARY)",
    "local MODULE_X=$(touch CANARY)",
    "let x=a[$(touch CANARY)]",
    "(( a[$(touch CANARY)] ))",
    "[[ -n $(touch CANARY) ]]",
    "if touch CANARY; then :; fi",
    "case $(touch CANARY) in esac",
    "for x in $(touch CANARY); do :; done",
    "while touch CANARY; do break; done",
    "{ touch CANARY; }",
    "( touch CANARY )",
    "coproc touch CANARY",
    "cat <<EOF\n$(touch CANARY)\nEOF",
    "f() { touch CANARY; }; f",
    "printf -v MODULE_X %s \"$(touch CANARY)\"",
    "MODULE_DESCRIPTION=\"$(touch CANARY",
    "MODULE_DESCRIPTION='x'$(touch CANARY)'y'",
    "\tMODULE_DESCRIPTION=x\r\ntouch CANARY\r",
];

#[test]
fn nothing_is_run_while_manifests_are_read() {
    let sandbox = Sandbox::new();
    let canary = sandbox.path("canary").display().to_string();
    for (number, trap) in TRAPS.iter().enumerate() {
        let trap = trap.replace("CANARY", &canary);
        let rest = "MODULE_ENABLED_BY_DEFAULT=\"true\"\nMODULE_IS_CORE=\"false\"\nMODULE_INSTALL_METHOD=\"custom\"\nMODULE_UNINSTALL_DIRS=\"\"\n";
        let described = if trap.contains("MODULE_DESCRIPTION") {
            ""
        } else {
            "MODULE_DESCRIPTION=\"d\"\n"
        };
        let metadata = |name: &str| format!("MODULE_NAME=\"{name}\"\n{described}{trap}\n{rest}");
        let (embedded, separate) = (format!("embedded{number}"), format!("separate{number}"));
        let script = format!(
            "#!/bin/bash\n# Metadata: START\n{}# Metadata: END\nmain_module() {{ :; }}\n",
            metadata(&embedded)
        );
        sandbox.write(&format!("modules/{embedded}.sh"), &script);
        sandbox.write(&format!("modules/{separate}.sh"), "main_module() { :; }\n");
        sandbox.write(&format!("modules/{separate}.conf"), &metadata(&separate));
    }
    sandbox.write("evil", &format!("touch {canary}\n"));
    let validated = sandbox.json("validate").exits(2).document();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for diagnostic in validated["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|diagnostic| diagnostic["severity"] == "error")
    {
        *refused
            .entry(diagnostic["module"].as_str().unwrap().to_owned())
            .or_default() += 1;
        assert!(
            diagnostic["file"].is_string() && diagnostic["message"].is_string(),
            "{diagnostic}"
        );
    }
    for (number, trap) in TRAPS.iter().enumerate() {
        for name in [format!("embedded{number}"), format!("separate{number}")] {
            assert!(refused.contains_key(&name), "{name} is not refused: {trap}");
        }
    }
    for arguments in [
        "list",
        "plan install",
        "plan install --all",
        "install",
        "update",
        "test",
        "graph",
        "search d",
        "doctor",
        "info embedded0",
    ] {
        sandbox.hoist(arguments);
        assert!(!Path::new(&canary).exists(), "{arguments}");
    }
}

#[test]
fn names_of_files_and_odd_files_are_only_names() {
    let sandbox = Sandbox::new();
    sandbox.add(&Module::new("good"));
    let modules = sandbox.collection().join("modules");
    let canary = sandbox.path("canary");
    let text = std::fs::read_to_string(modules.join("good.sh")).unwrap();
    for name in [
        "a;touch canary.sh",
        "$(touch canary).sh",
        "`touch canary`.sh",
        "-rf.sh",
        "a b.sh",
        "a\nb.sh",
        "\u{1b}[31mred.sh",
        "ä.sh",
        "'.sh",
        "\".sh",
        "*.sh",
        "x.conf",
    ] {
        std::fs::write(modules.join(name), &text).unwrap();
    }
    for (name, target) in [
        ("zero.sh", "/dev/zero"),
        ("shadow.sh", "/etc/shadow"),
        ("loop.sh", "loop.sh"),
        ("gone.sh", "/nonexistent"),
        ("dir.sh", "/etc"),
        ("tty.sh", "/dev/tty"),
        ("self.sh", "/proc/self/mem"),
    ] {
        symlink(target, modules.join(name)).unwrap();
    }
    std::fs::create_dir(modules.join("directory.sh")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(modules.join("pipe.sh"))
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::write(modules.join("huge.sh"), vec![b'#'; 17 * 1024 * 1024]).unwrap();
    std::fs::write(
        modules.join("binary.sh"),
        (0..=255u8).cycle().take(100_000).collect::<Vec<_>>(),
    )
    .unwrap();
    let validated = sandbox.json("validate").exits(2).document();
    assert!(validated["errors"].as_u64().unwrap() >= 20, "{validated}");
    let listed = sandbox.hoist("list").exits(0);
    for text in [
        listed.stdout,
        listed.stderr,
        sandbox.hoist("validate").stderr,
    ] {
        assert!(
            !text.contains('\u{1b}'),
            "no name moves the cursor: {text:?}"
        );
    }
    assert_eq!(
        sandbox.json("install good").exits(0).statuses()["good"],
        "installed"
    );
    assert!(!canary.exists());
}

/// What must be there afterwards as it was, relative to the directory that holds the home
/// directory.
const PRECIOUS: &[&str] = &[
    "home/.ssh/id",
    "home/.gnupg/key",
    "home/.bashrc",
    "home/Documents/letter",
    "home/.config/other/rc",
    "home/.local/share/other/data",
    "home/.local/bin/other",
    "home/.local/lib/other",
    "home/.cache/other/x",
    "home/plain/file",
    "home2/file",
    "outside/deep/file",
    "outside/file",
];

fn everything(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    PRECIOUS
        .iter()
        .map(|path| {
            (
                root.join(path),
                std::fs::read(root.join(path)).unwrap_or_default(),
            )
        })
        .collect()
}

/// What a module declares to be its own, and is not. Written as in a manifest, in double quotes;
/// `LINK` is a link in the home directory to a directory outside it, `UP` one to the directory
/// above.
const CLAIMS: &[&str] = &[
    "/",
    "//",
    "///",
    "/etc",
    "/home",
    "/tmp",
    "$HOME",
    "$HOME/",
    "$HOME//",
    "$HOME/.",
    "$HOME/./",
    "$HOME/./.ssh",
    "$HOME/.ssh",
    "$HOME/.ssh/",
    "$HOME/.ssh/.",
    "$HOME/.gnupg",
    "$HOME/Documents",
    "$HOME/.config",
    "$HOME/.local",
    "$HOME/.local/",
    "$HOME/.local/bin",
    "$HOME/.local/share",
    "$HOME/.local/lib",
    "$HOME/.local/state",
    "$HOME/.local/state/hoist",
    "$HOME/.local/state/hoist/runs",
    "$HOME/.cache",
    "$HOME/.cache/hoist",
    "${HOME}2",
    "${HOME}2/file",
    "$HOME$HOME",
    "~",
    "~/",
    "~/.ssh",
    "~root",
    "$HOME/LINK",
    "$HOME/LINK/",
    "$HOME/LINK/deep",
    "$HOME/LINK/deep/file",
    "$HOME/LINK/.",
    "$HOME/UP",
    "$HOME/UP/home",
    "$HOME/UP/home/.ssh",
    "$HOME/UP/outside",
    "$HOME/UP/UP/outside",
    "$HOME/plain",
    "$HOME/plain/file",
    "$HOME/.bashrc",
    "  /   $HOME  ",
    "$HOME/.config/../.ssh",
    "$HOME/..",
    "$HOME/../outside",
    "$HOME/*",
    "$HOME/.*",
    "$HOME/.[a-z]*",
    "$HOME/{.ssh,.gnupg}",
    ".",
    "..",
    ".ssh",
    "-rf",
    "$HOME/.ssh $HOME/.gnupg / $HOME",
    "/proc/self/cwd",
    "/proc/self/root",
    "/dev/fd/0",
];

#[test]
fn nothing_is_removed_that_was_not_put_there_whatever_is_claimed() {
    let mut refused = 0;
    for (number, claim) in CLAIMS.iter().enumerate() {
        for field in ["UNINSTALL_DIRS", "UNINSTALL_FILES", "INSTALL_DIRS"] {
            let sandbox = Sandbox::new();
            let root = sandbox.path("");
            for path in PRECIOUS {
                std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                std::fs::write(root.join(path), path).unwrap();
            }
            symlink(root.join("outside"), sandbox.home().join("LINK")).unwrap();
            symlink("..", sandbox.home().join("UP")).unwrap();
            let before = everything(&root);
            let module = Module::new("m")
                .field("INSTALL_DIRS", "$HOME/.m")
                .field("UPDATE_METHOD", "reinstall");
            sandbox.add(
                &module
                    .field(field, claim)
                    .main("mkdir -p ~/.m; echo 1 >~/.m/file"),
            );
            let installed = sandbox.hoist("install --force");
            refused += usize::from(installed.code == 2);
            sandbox.hoist("update");
            assert_eq!(
                everything(&root),
                before,
                "{number}: {field}={claim}, updated"
            );
            // Without --purge nothing that was there goes; with it neither what is shared or
            // outside.
            sandbox.hoist("uninstall m -y");
            assert_eq!(everything(&root), before, "{number}: {field}={claim}");
            assert!(
                sandbox.home().join("LINK").is_symlink() && sandbox.home().join("UP").is_symlink(),
                "{claim}"
            );
        }
    }
    assert!(
        refused > 20,
        "what can be told from the text is told before anything runs: {refused}"
    );
    assert!(CLAIMS.len() + TRAPS.len() > 100);
}

#[test]
fn a_purge_takes_what_is_declared_and_still_nothing_that_is_shared_or_outside() {
    for claim in CLAIMS
        .iter()
        .filter(|claim| !claim.contains("plain") && !claim.contains("bashrc"))
    {
        let sandbox = Sandbox::new();
        let root = sandbox.path("");
        for path in PRECIOUS {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), path).unwrap();
        }
        symlink(root.join("outside"), sandbox.home().join("LINK")).unwrap();
        symlink("..", sandbox.home().join("UP")).unwrap();
        let before = everything(&root);
        sandbox.add(&Module::new("m").field("UNINSTALL_DIRS", claim));
        sandbox.hoist("install");
        sandbox.hoist("uninstall m -y --purge");
        assert_eq!(everything(&root), before, "{claim}");
    }
}

#[test]
fn nothing_is_written_where_a_configuration_file_may_not_be() {
    let outside = [
        "/etc/hoist-test-config",
        "$HOME/../outside/file",
        "$HOME",
        "$HOME/.ssh",
        "$HOME/LINK/file",
        "${HOME}2/file",
        "$HOME/UP/outside/file",
        "$HOME/.local/state/hoist/ledger.sqlite",
    ];
    for claim in outside {
        let sandbox = Sandbox::new();
        let root = sandbox.path("");
        for path in ["home2/file", "outside/file", "home/.ssh/id"] {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), path).unwrap();
        }
        symlink(root.join("outside"), sandbox.home().join("LINK")).unwrap();
        symlink("..", sandbox.home().join("UP")).unwrap();
        sandbox.add(&Module::new("m").field("CONFIG_FILES", claim));
        for name in ["hoist-test-config", "file", "home", ".ssh", "ledger.sqlite"] {
            sandbox.write(&format!("config/{name}"), "planted\n");
        }
        sandbox.hoist("install --config-overwrite");
        for path in ["home2/file", "outside/file", "home/.ssh/id"] {
            assert_eq!(
                std::fs::read_to_string(root.join(path)).unwrap(),
                path,
                "{claim}"
            );
            assert!(!root.join(format!("{path}.new")).exists());
        }
        assert!(
            !Path::new("/etc/hoist-test-config").exists() && sandbox.home().join(".ssh").is_dir(),
            "{claim}"
        );
        sandbox.hoist("history").exits(0);
    }
}

#[test]
fn size_and_depth_end_in_words() {
    let sandbox = Sandbox::new();
    let nested = |depth: usize| format!("{}x{}", "${A:-".repeat(depth), "}".repeat(depth));
    sandbox.add(&Module::new("nested").field("DESCRIPTION", &nested(50_000)));
    sandbox.add(&Module::new("long").field("DESCRIPTION", &"x".repeat(4 * 1024 * 1024)));
    sandbox.add(
        &Module::new("many").depends(
            &(0..50_000)
                .map(|number| format!("n{number}"))
                .collect::<Vec<_>>()
                .join(" "),
        ),
    );
    let lines: String = (0..100_000)
        .map(|number| format!("MODULE_FIELD{number}=x\n"))
        .collect();
    sandbox.write(
        "modules/lines.sh",
        &format!("# Metadata: START\n{lines}# Metadata: END\n"),
    );
    let validated = sandbox.json("validate").exits(2).document();
    assert!(
        validated["errors"].as_u64().unwrap() >= 3,
        "{}",
        validated["errors"]
    );
    sandbox.hoist("list").exits(0);
    sandbox.hoist("plan install").exits(2);
}

#[test]
fn a_cycle_of_ten_thousand_is_told_and_a_chain_of_as_many_is_planned() {
    let sandbox = Sandbox::new();
    for number in 0..10_000 {
        let next = (number + 1) % 10_000;
        sandbox.add(&Module::new(&format!("m{number:05}")).depends(&format!("m{next:05}")));
    }
    let ran = sandbox
        .hoist("plan install")
        .exits(2)
        .says("dependency cycle");
    assert!(
        ran.stderr.len() < 400_000,
        "it fits into a message: {}",
        ran.stderr.len()
    );
    sandbox.add(&Module::new("m09999"));
    let plan = sandbox.json("plan install").exits(0).document();
    assert_eq!(plan["modules"].as_array().unwrap().len(), 10_000);
    assert_eq!(plan["modules"][0]["module"], "m09999");
}

#[test]
fn a_deep_tree_and_a_race_are_survived_by_a_removal() {
    let sandbox = Sandbox::new();
    let body = "mkdir -p ~/.deep; cd ~/.deep; for i in $(seq 1 600); do mkdir d; cd d; done; echo x >end; cd ~/.deep; echo x >file";
    sandbox.add(
        &Module::new("deep")
            .field("INSTALL_DIRS", "$HOME/.deep")
            .main(body),
    );
    std::fs::create_dir(sandbox.path("outside")).unwrap();
    std::fs::write(sandbox.path("outside/precious"), "p").unwrap();
    sandbox.hoist("install").exits(0);
    sandbox
        .hoist("uninstall deep -y")
        .exits(0)
        .says("nested more than");
    assert!(!sandbox.has(".deep/file") && sandbox.has(".deep/d"));
    // Somebody swaps a directory for a link while it is removed.
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("outside")).unwrap();
    std::fs::write(sandbox.path("outside/precious"), "p").unwrap();
    let body = "mkdir -p ~/.m/sub; for i in $(seq 1 200); do echo $i >~/.m/sub/$i; done";
    let swap = format!(
        "while [[ -e ~/.m ]]; do mv ~/.m/sub ~/.away 2>/dev/null; ln -s '{}' ~/.m/sub 2>/dev/null; rm -f ~/.m/sub 2>/dev/null; mv ~/.away ~/.m/sub 2>/dev/null; done",
        sandbox.path("outside").display()
    );
    sandbox.add(
        &Module::new("m")
            .field("INSTALL_DIRS", "$HOME/.m")
            .main(body),
    );
    for _ in 0..10 {
        sandbox.hoist("install").exits(0);
        let mut racer = sandbox
            .command("bash")
            .args([
                "-c",
                &format!("timeout 5 bash -c '{}'", swap.replace('\'', "'\\''")),
            ])
            .spawn()
            .unwrap();
        sandbox.hoist("uninstall m -y --purge");
        let _ = std::fs::remove_dir_all(sandbox.home().join(".m"));
        racer.wait().unwrap();
        assert!(sandbox.path("outside/precious").exists());
        let _ = std::fs::remove_dir_all(sandbox.home().join(".away"));
        let _ = std::fs::remove_dir_all(sandbox.home().join(".m"));
    }
}

#[test]
fn a_link_in_a_place_of_modules_is_no_module() {
    let application = Application::new();
    let sandbox = &application.sandbox;
    sandbox.put(".ssh/id", "private\n");
    application.offer("Pizza/x.php", "<?php\n");
    let modules = sandbox.home().join("modules");
    std::fs::create_dir_all(modules.join("inner/Deep")).unwrap();
    std::fs::write(modules.join("inner/Deep/x.php"), "<?php\n").unwrap();
    symlink(sandbox.home().join(".ssh"), modules.join("Keys")).unwrap();
    symlink("inner/Deep", modules.join("Near")).unwrap();
    symlink("../../.ssh", modules.join("Relative")).unwrap();
    application.configured();
    let listed = sandbox.hoist("list --available").exits(0);
    for name in ["Keys", "Near", "Relative"] {
        assert!(!listed.stdout.contains(name), "{}", listed.stdout);
        sandbox.hoist(&format!("install {name}")).exits(2);
    }
    sandbox.hoist("install Pizza").exits(0);
    let copied = sandbox
        .files("site")
        .into_iter()
        .filter(|path| path.ends_with("id") || path.contains("Keys"));
    assert_eq!(copied.count(), 0);
    // A plugin likewise.
    let sandbox = Sandbox::new();
    sandbox.put("private/plugin.yml", "name: stolen\nversion: 1.0.0\n");
    std::fs::create_dir_all(sandbox.collection().join("plugins")).unwrap();
    symlink(
        sandbox.home().join("private"),
        sandbox.collection().join("plugins/stolen"),
    )
    .unwrap();
    sandbox.hoist("install stolen").exits(2);
}

#[test]
fn a_link_in_somebody_elses_repository_leads_nowhere_outside_of_it() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.put("keys/secret.sh", "MODULE_SECRET=(hunter2\n");
    sandbox.put("keys/stolen/plugin.yml", "name: stolen\nversion: 1.0.0\n");
    let fixture = GitFixture::new();
    for (repository, part) in [
        ("files", None),
        ("modules", Some("modules")),
        ("plugins", Some("plugins")),
    ] {
        fixture.repository(repository, 1);
        let work = fixture.path(&format!("{repository}.work"));
        let keys = sandbox.home().join("keys");
        std::fs::create_dir_all(work.join("modules")).unwrap();
        std::fs::write(
            work.join("modules/good.sh"),
            Module::new("good").main(":").text(),
        )
        .unwrap();
        match part {
            Some(part) => {
                std::fs::rename(work.join("modules"), work.join("others")).unwrap();
                symlink(&keys, work.join(part)).unwrap();
            }
            None => {
                symlink(keys.join("secret.sh"), work.join("modules/absolute.sh")).unwrap();
                let up = "../".repeat(20);
                symlink(
                    format!(
                        "{up}{}",
                        keys.join("secret.sh").strip_prefix("/").unwrap().display()
                    ),
                    work.join("modules/relative.sh"),
                )
                .unwrap();
                std::fs::write(work.join("alias.sh"), Module::new("alias").main(":").text())
                    .unwrap();
                symlink("../alias.sh", work.join("modules/alias.sh")).unwrap();
            }
        }
        fixture.commit(&format!("{repository}.work"), "links");
        fixture.publish(repository);
        sandbox
            .hoist(&format!(
                "source add {repository} --from {}",
                fixture.path(&format!("{repository}.git")).display()
            ))
            .exits(0);
        sandbox.hoist("sync").exits(0);
        let listed = sandbox.hoist("list --available");
        let told = format!("{}{}", listed.stdout, listed.stderr);
        assert!(
            !told.contains("hunter2") && !told.contains("MODULE_SECRET"),
            "{told}"
        );
        for name in ["secret", "absolute", "relative", "stolen"] {
            let refused = sandbox.hoist(&format!("install {name}")).exits(2);
            assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
        }
        if part.is_none() {
            assert!(
                told.contains("it is a symbolic link that leads out of the collection"),
                "{told}"
            );
            sandbox.hoist("install alias good").exits(0);
        }
    }
    // In one's own directory a link may lead anywhere.
    let own = Sandbox::new();
    own.put("dotfiles/mine.sh", &Module::new("mine").main(":").text());
    std::fs::create_dir_all(own.collection().join("modules")).unwrap();
    symlink(
        own.home().join("dotfiles/mine.sh"),
        own.collection().join("modules/mine.sh"),
    )
    .unwrap();
    own.hoist("install mine").exits(0);
}

#[test]
fn files_are_no_packages_and_urls_run_no_commands() {
    for name in [
        "./evil.deb",
        "/tmp/evil.deb",
        "a/evil.deb",
        "https://host/evil.deb",
        "-oDPkg::Pre-Invoke::=id",
    ] {
        let sandbox = Sandbox::new();
        sandbox.add(
            &Module::new("m")
                .method("package_manager")
                .field("PACKAGES", name),
        );
        sandbox
            .hoist("install")
            .exits(2)
            .says("is not a package name");
        sandbox.hoist("validate").exits(2);
    }
    for url in ["ext::sh -c 'touch ~/ran'", "EXT::sh", "fd::7"] {
        let sandbox = Sandbox::new();
        let clone = Module::new("m")
            .method("git_clone")
            .field("INSTALL_REPO", url)
            .field("INSTALL_DIRS", "$HOME/.m");
        sandbox.add(&clone);
        sandbox
            .hoist("install")
            .exits(2)
            .says("would run a command");
        let sandbox = Sandbox::new();
        sandbox.settings(&format!("sources:\n- collection: \"{url}\"\n"));
        sandbox.hoist("sync").exits(2).says("would run a command");
        assert!(!sandbox.has("ran"));
    }
}

#[test]
fn a_submodule_runs_no_command() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("outer", 1);
    let work = fixture.path("outer.work");
    std::fs::write(
        work.join(".gitmodules"),
        "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% ~/ran\n",
    )
    .unwrap();
    fixture.commit("outer.work", "with a submodule");
    let commit = fixture.git("outer.work", &["rev-parse", "HEAD"]);
    fixture.git(
        "outer.work",
        &[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{commit},x"),
        ],
    );
    fixture.git("outer.work", &["commit", "-qm", "at a commit"]);
    let outer = fixture.publish("outer");
    let mut sandbox = Sandbox::new();
    for (name, value) in [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "protocol.ext.allow"),
        ("GIT_CONFIG_VALUE_0", "always"),
    ] {
        sandbox.set(name, value);
    }
    let clone = Module::new("m")
        .method("git_clone")
        .field("INSTALL_REPO", &outer.display().to_string());
    sandbox.add(
        &clone
            .field("INSTALL_DIRS", "$HOME/.m")
            .field("INSTALL_ARGS", "--recursive"),
    );
    sandbox.hoist("install").exits(3);
    assert!(!sandbox.has("ran") && !sandbox.has(".m"));
}

#[test]
fn names_of_broken_files_and_pictures_move_no_terminal() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.collection().join("modules")).unwrap();
    std::fs::write(
        sandbox
            .collection()
            .join("modules/bad\u{1b}[31m\u{202e}X.sh"),
        "",
    )
    .unwrap();
    sandbox.add(
        &Module::new("m")
            .field("DESCRIPTION", "a\u{202e}b\u{2066}c\u{feff}d")
            .main(":"),
    );
    for command in [
        "doctor",
        "list",
        "validate",
        "graph --format svg m",
        "graph --format dot m",
        "graph --format mermaid m",
        "info m",
        "search a",
    ] {
        for ran in [sandbox.hoist(command), sandbox.json(command)] {
            let said = format!("{}{}", ran.stdout, ran.stderr);
            let moves = |c: &char| {
                c.is_control() && *c != '\n'
                    || ('\u{200b}'..='\u{206f}').contains(c) && *c != '\u{2026}'
                    || *c == '\u{feff}'
            };
            let moving: Vec<char> = said
                .chars()
                .filter(|c| moves(c) && !('\u{2010}'..='\u{2027}').contains(c))
                .collect();
            assert!(moving.is_empty(), "{command}: {moving:?} in {said}");
        }
    }
}

#[test]
fn what_foreign_text_does_to_a_terminal_is_left_out() {
    let marks = "\u{9b}31m\u{202e}evil\u{2066}\u{200b}\u{1b}]0;title\u{7}\u{7f}";
    let sandbox = Sandbox::new();
    let script = format!(
        "echo '{marks}'; echo '::hoist:warning::{marks}'; touch \"$HOME/.m{marks}\" 2>/dev/null; exit 3"
    );
    sandbox.add(
        &Module::new("m")
            .field("DESCRIPTION", &format!("A module {marks}"))
            .main(&script),
    );
    for arguments in [
        "list",
        "info m",
        "install",
        "install -v",
        "report",
        "search evil",
        "history",
        "validate",
        "install --output json",
        "list --output json",
    ] {
        let ran = sandbox.hoist(arguments);
        for (name, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
            let found: Vec<char> = text
                .chars()
                .filter(|c| matches!(c, '\u{1b}' | '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'))
                .collect();
            assert!(found.is_empty(), "{arguments}: {name}: {found:?} in {text}");
        }
    }
}
