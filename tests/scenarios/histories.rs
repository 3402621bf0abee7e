//! Random histories: what is installed, updated, removed, undone, killed and edited in any order
//! loses nothing that a person wrote, and an undo puts back exactly what was there.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hoist_tests::faults::{differences, kill_at, nothing_is_left, tree, wait_for_watchdog};
use hoist_tests::{GitFixture, Module, Ran, Sandbox, has};

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as usize % bound
    }

    fn of<'l, T: ?Sized>(&mut self, list: &[&'l T]) -> &'l T {
        list[self.below(list.len())]
    }
}

/// A machine, its collection, and what a person wrote.
struct History<'g> {
    sandbox: Sandbox,
    repositories: &'g [std::path::PathBuf; 2],
    random: Random,
    version: usize,
    /// What a person wrote and has not removed, with the path at which it was written.
    written: BTreeMap<String, String>,
    /// What happened, to be told where it went wrong.
    told: Vec<String>,
}

/// Where a person writes: files of modules, beside them, configuration files, and elsewhere.
const PLACES: [&str; 16] = [
    ".a/edited",
    ".a/data",
    ".a/mine",
    ".a/sub/gone",
    ".a/sub/mine",
    ".arc",
    "b/file",
    "b/notes",
    "b/deep/notes",
    ".c/x",
    ".c/taken",
    ".c/y/z",
    "elsewhere/f",
    ".local/bin/a",
    ".local/share/hoist/plugins/p/data",
    ".local/share/hoist/plugins/p/mine",
];

const COMMANDS: [&str; 22] = [
    "install",
    "install --force",
    "install --config-overwrite",
    "install a --force",
    "install b --force",
    "install c --force",
    "install p",
    "install p --force",
    "update",
    "update",
    "update --config-overwrite",
    "update a",
    "update b",
    "update c p",
    "uninstall a -y",
    "uninstall a c -y",
    "uninstall b -y",
    "uninstall c -y",
    "uninstall p -y",
    "undo -y",
    "undo -y",
    "undo -y --force",
];

impl<'g> History<'g> {
    fn new(repositories: &'g [std::path::PathBuf; 2], seed: u64) -> Self {
        let sandbox = Sandbox::new();
        // A directory that everybody shares stays when it is empty.
        for shared in [
            ".local/bin",
            ".local/state/hoist",
            ".local/share/hoist/plugins",
        ] {
            std::fs::create_dir_all(sandbox.home().join(shared)).unwrap();
        }
        let mut history = Self {
            sandbox,
            repositories,
            random: Random(seed),
            version: 0,
            written: BTreeMap::new(),
            told: Vec::new(),
        };
        history.release();
        history
    }

    /// The authors of the modules publish other versions.
    fn release(&mut self) {
        self.version += 1;
        let version = self.version;
        self.told.push(format!("release {version}"));
        let link = self.sandbox.path("repo.git");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&self.repositories[(version - 1).min(1)], &link).unwrap();
        let body = format!(
            "main_module() {{ mkdir -p ~/.a/sub && echo {version} >~/.a/version && echo data >~/.a/data && echo {version} >~/.a/sub/gone \
             && echo shipped {version} >~/.a/edited && mkdir -p ~/.local/bin && echo '#!/bin/sh' >~/.local/bin/a; }}\n\
             update_module() {{ echo {version} >~/.a/version && rm -f ~/.a/sub/gone && echo {version} >~/.a/new-{version} && echo shipped {version} >~/.a/edited && rm -rf ~/.a/mine; }}\n\
             uninstall_module() {{ rm -f ~/.local/bin/a; rm -rf ~/.a/sub; }}"
        );
        let a = Module::new("a")
            .field("INSTALL_DIRS", "$HOME/.a")
            .field("UNINSTALL_DIRS", "$HOME/.a")
            .field("UNINSTALL_BINARIES", "a");
        self.sandbox.add(
            &a.field("CONFIG_FILES", "$HOME/.arc")
                .field("UPDATE_METHOD", "custom")
                .body(&body),
        );
        self.sandbox
            .write("config/arc", &format!("setting {version}\n"));
        let b = Module::new("b")
            .method("git_clone")
            .field("INSTALL_REPO", &link.display().to_string());
        let b = b
            .field("INSTALL_DIRS", "$HOME/b")
            .field("UNINSTALL_DIRS", "$HOME/b");
        self.sandbox.add(
            &b.field("UPDATE_METHOD", "git_pull")
                .field("UPDATE_DIR", "$HOME/b"),
        );
        let body = format!(
            "mkdir -p ~/.c/y; echo {version} >~/.c/x; rm -f ~/.c/taken; echo {version} >~/.c/y/z"
        );
        let c = Module::new("c")
            .depends("a")
            .field("INSTALL_DIRS", "$HOME/.c")
            .field("UNINSTALL_DIRS", "$HOME/.c");
        self.sandbox.add(&c.main(&body));
        let manifest = format!(
            "name: p\nversion: {version}.0.0\ndescription: A plugin\nhooks:\n  post-install: hooks/post.sh\n"
        );
        self.sandbox
            .write("plugins/p/plugin.yml", &manifest)
            .write("plugins/p/data", &format!("{version}\n"));
        self.sandbox
            .write("plugins/p/hooks/post.sh", "#!/bin/sh\n:\n");
        let hook = self.sandbox.collection().join("plugins/p/hooks/post.sh");
        std::fs::set_permissions(hook, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// A person writes or removes something.
    fn edit(&mut self) {
        let place = self.random.of(&PLACES);
        let path = self.sandbox.home().join(place);
        if self.random.below(4) == 0 {
            self.told.push(format!("rm {place}"));
            if path.is_file() {
                std::fs::remove_file(&path).unwrap();
                self.forget(place);
            }
            return;
        }
        let parent = path.parent().unwrap();
        if path.is_dir() || std::fs::create_dir_all(parent).is_err() {
            return;
        }
        let token = format!("a person's line {}\n", self.told.len());
        self.told.push(format!("echo '{}' >{place}", token.trim()));
        self.forget(place);
        let mode = if self.random.below(2) == 0 {
            0o600
        } else {
            0o644
        };
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, &token).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        self.written.insert(token, place.to_owned());
    }

    fn forget(&mut self, place: &str) {
        self.written.retain(|_, written| written != place);
    }

    /// hoist is told to do something, and may be killed.
    fn command(&mut self) {
        let command = self.random.of(&COMMANDS);
        if self.random.below(3) == 0 {
            let number = 1 + self.random.below(260);
            self.told
                .push(format!("hoist {command}, killed at change {number}"));
            kill_at(&self.sandbox, &format!("{command} -j1 -q"), number);
            if self.sandbox.has(".local/state/hoist/lock") {
                wait_for_watchdog(&self.sandbox);
            }
            let next = self.random.of(&["install", "update", "undo -y", command]);
            self.told.push(format!("hoist {next}"));
            let ran = self.sandbox.hoist(next);
            self.note(&ran);
            self.nothing_is_lost();
            return;
        }
        let mut before = tree(&self.sandbox);
        // What a killed run left goes with the next.
        before.retain(|name, _| !name.replace(".hoist-backup-", "").contains(".hoist-"));
        let times = times(&self.sandbox.home());
        self.told.push(format!("hoist {command}"));
        let ran = self.sandbox.json(command);
        self.note(&ran);
        self.nothing_is_lost();
        // What is refused cleans nothing up.
        if ran.code != 2 {
            nothing_is_left(&self.sandbox, &self.context());
        }
        // What was rolled back before it began is no part of a run.
        let changed = ran.code == 0
            && !ran.stderr.contains("was interrupted")
            && ran.events().iter().any(|event| {
                event["event"] == "module_finished"
                    && !["unchanged", "skipped", "kept"]
                        .contains(&event["status"].as_str().unwrap_or_default())
            });
        if command.starts_with("undo") || !changed || self.random.below(2) == 0 {
            return;
        }
        let between = tree(&self.sandbox);
        let run = ran
            .events()
            .iter()
            .find_map(|event| event["run_id"].as_str().map(str::to_owned))
            .unwrap();
        self.told.push(format!("hoist undo {run}"));
        let undone = self.sandbox.hoist(&format!("undo {run} -y"));
        self.note(&undone);
        let context = self.context();
        let after = tree(&self.sandbox);
        // What git has thrown away nobody can put back; then nothing is done at all.
        if undone.code == 2 && undone.stderr.contains("git has repacked its repository") {
            assert!(
                between == after,
                "a refusal changed something: {:#?}\n{context}",
                changes(&between, &after)
            );
            return;
        }
        assert_eq!(undone.code, 0, "{context}");
        assert!(
            before == after,
            "the undo is not exact: {:#?}\n{context}",
            changes(&before, &after)
        );
        // A file that was written with what it held already has the time of that.
        let mut later = crate::histories::times(&self.sandbox.home());
        later.retain(|name, _| before.get(name) != between.get(name));
        let times = times
            .into_iter()
            .filter(|(name, _)| before.get(name) != between.get(name))
            .collect();
        let different = differences(&times, &later);
        assert!(
            different.is_empty(),
            "the times differ: {different:#?}\n{context}"
        );
        self.nothing_is_lost();
    }

    /// Notes what a command said.
    fn note(&mut self, ran: &Ran) {
        let said = ran
            .stdout
            .lines()
            .chain(ran.stderr.lines())
            .map(|line| format!("    {line}"));
        self.told.extend(
            [format!("    exit code {}", ran.code)]
                .into_iter()
                .chain(said),
        );
    }

    fn context(&self) -> String {
        self.told.join("\n")
    }

    /// What a person wrote stands in a file that the person can find.
    fn nothing_is_lost(&self) {
        let mut missing: Vec<&String> = self.written.keys().collect();
        let mut waiting = vec![self.sandbox.home()];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(&directory)
                .into_iter()
                .flatten()
                .flatten()
            {
                let path = entry.path();
                let is_own = ["contents", "snapshots", "runs", "clones"]
                    .iter()
                    .any(|name| path.ends_with(Path::new(".local/state/hoist").join(name)));
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() && !is_own => waiting.push(path),
                    kind if kind.is_file() => {
                        let text = std::fs::read(&path).unwrap();
                        missing.retain(|token| text != token.as_bytes());
                    }
                    _ => {}
                }
            }
        }
        let lost: Vec<String> = missing
            .iter()
            .map(|token| format!("{}: {}", self.written[*token], token.trim()))
            .collect();
        assert!(lost.is_empty(), "lost: {lost:#?}\n{}", self.context());
    }
}

/// When each file was last changed, to the nanosecond.
fn times(home: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![home.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.ends_with(".local/state/hoist")
                || path.ends_with(".cache")
                || path.ends_with(".git")
            {
                continue;
            }
            let metadata = path.symlink_metadata().unwrap();
            match metadata.is_dir() {
                true => waiting.push(path),
                false => drop(found.insert(
                    path.strip_prefix(home).unwrap().display().to_string(),
                    format!("{:?}", metadata.modified().unwrap()),
                )),
            }
        }
    }
    found
}

fn changes(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let text = |tree: &BTreeMap<String, Vec<u8>>| {
        tree.iter()
            .map(|(name, bytes)| (name.clone(), String::from_utf8_lossy(bytes).into_owned()))
            .collect()
    };
    differences(&text(before), &text(after))
}

#[test]
fn random_histories_lose_nothing_and_are_undone_exactly() {
    if !has("cc") || !has("git") {
        return;
    }
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let today = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
        / 86_400;
    let seed = number("HOIST_TEST_SEED").unwrap_or(today);
    let count = number("HOIST_TEST_HISTORIES").unwrap_or(20);
    hoist_tests::note(&format!("HOIST_TEST_SEED={seed}"));
    let fixture = GitFixture::new();
    let repositories = fixture.old_and_new();
    for turn in 0..count {
        let mut history = History::new(
            &repositories,
            seed.wrapping_mul(1_000_003).wrapping_add(turn),
        );
        history
            .told
            .push(format!("HOIST_TEST_SEED={seed}, history {turn}"));
        for _ in 0..12 {
            match history.random.below(10) {
                0 => history.release(),
                1..4 => history.edit(),
                _ => history.command(),
            }
        }
    }
}
