use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::{Snapshot, SnapshotOptions, list_tree, update_record};

/// A home, a place outside it, and what stands in both before anything is removed.
struct Fixture {
    directory: tempfile::TempDir,
    /// So deep in it that no path of these tests climbs out.
    base: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = directory
            .path()
            .canonicalize()
            .unwrap()
            .join("d/".repeat(80));
        for path in ["home/.local/bin", "home/.config", "home2", "outside/deep"] {
            std::fs::create_dir_all(base.join(path)).unwrap();
        }
        std::fs::write(base.join("outside/deep/precious"), "p").unwrap();
        std::fs::write(base.join("home2/precious"), "p").unwrap();
        Self { directory, base }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        std::fs::write(self.at(path), text).unwrap();
    }

    fn record(&self, roots: &[&str]) -> Record {
        let roots: Vec<PathBuf> = roots.iter().map(|root| self.at(root)).collect();
        update_record(
            &Record::new(),
            &Snapshot::default(),
            &Snapshot::take(&roots, &SnapshotOptions::PLAIN).unwrap(),
        )
    }

    fn remove(&self, roots: &[(&str, Scope)], record: &Record) -> BTreeMap<String, String> {
        let home = Home::open(&self.at("home"), &[self.at("home/.local/state/hoist")]).unwrap();
        let roots: Vec<Root> = roots
            .iter()
            .map(|(path, scope)| Root {
                path: self.at(path),
                scope: *scope,
            })
            .collect();
        let removal = RemovalPolicy {
            record,
            held: &|_| None,
            shared: &|_| false,
            precious: &|_| None,
            purge: false,
        };
        let base = self.at("");
        let told = |path: PathBuf| {
            path.strip_prefix(&base)
                .unwrap_or(&path)
                .display()
                .to_string()
        };
        home.remove(&roots, &removal)
            .kept
            .into_iter()
            .map(|(path, why)| (told(path), why))
            .collect()
    }

    /// Every path outside the roots, with what it holds.
    fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let listing = list_tree(&[self.directory.path().canonicalize().unwrap()]).unwrap();
        let holds = |path: &Path| match path.read_link() {
            Ok(target) => target.into_os_string().into_encoded_bytes(),
            Err(_) => std::fs::read(path).unwrap_or_default(),
        };
        listing
            .into_keys()
            .map(|path| (path.clone(), holds(&path)))
            .collect()
    }
}

#[test]
fn what_was_written_goes_and_what_was_changed_or_added_stays() {
    let world = Fixture::new();
    for file in ["a", "sub/b", "sub/edited"] {
        world.write(&format!("home/.tool/{file}"), "installed");
    }
    symlink("a", world.at("home/.tool/link")).unwrap();
    let record = world.record(&["home/.tool"]);
    world.write("home/.tool/sub/edited", "by a person");
    world.write("home/.tool/notes/added", "by a person");
    let kept = world.remove(&[("home/.tool", Scope::Recorded)], &record);
    assert_eq!(
        kept["home/.tool/sub/edited"],
        "it was modified since the install"
    );
    assert_eq!(kept["home/.tool/notes"], "it was added since");
    assert_eq!(kept.len(), 2);
    assert!(
        !world.at("home/.tool/a").exists()
            && !world.at("home/.tool/link").is_symlink()
            && !world.at("home/.tool/sub/b").exists()
    );
    assert_eq!(
        std::fs::read(world.at("home/.tool/sub/edited")).unwrap(),
        b"by a person"
    );
}

#[test]
fn paths_that_no_module_owns_are_refused_in_every_spelling() {
    let world = Fixture::new();
    symlink(world.at("outside"), world.at("home/link")).unwrap();
    symlink("..", world.at("home/up")).unwrap();
    std::fs::create_dir_all(world.at("home/.local/state/hoist/runs")).unwrap();
    let before = world.everything();
    for path in [
        "home",
        "home2",
        "home2/precious",
        "outside",
        "home/.local",
        "home/.local/bin",
        "home/.config",
        "home/link/deep",
        "home/link/deep/precious",
        "home/up/home2",
        "home/up/outside",
        "home/up/home",
        "home/../outside",
        "home/.local/state",
        "home/.local/state/hoist/runs",
        "",
    ] {
        for scope in [Scope::Whole, Scope::Recorded] {
            let kept = world.remove(&[(path, scope)], &Record::new());
            assert_eq!(kept.len(), 1, "{path}: {kept:?}");
        }
        assert_eq!(world.everything(), before, "{path}");
    }
    // The link itself is nobody's: hoist did not make it.
    assert_eq!(
        world
            .remove(&[("home/link", Scope::Whole)], &Record::new())
            .len(),
        1
    );
    assert!(world.at("home/link").is_symlink());
}

#[test]
fn links_in_a_tree_go_and_what_they_lead_to_stays() {
    let world = Fixture::new();
    world.write("home/.tool/a", "installed");
    symlink(world.at("outside"), world.at("home/.tool/out")).unwrap();
    let record = world.record(&["home/.tool"]);
    assert!(
        world
            .remove(&[("home/.tool", Scope::Recorded)], &record)
            .is_empty()
    );
    assert!(!world.at("home/.tool").exists());
    assert!(world.at("outside/deep/precious").exists());
}

#[test]
fn what_another_module_has_stays_with_its_directories() {
    let world = Fixture::new();
    world.write("home/.tool/a", "installed");
    world.write("home/.tool/plugins/other", "of another");
    let record = world.record(&["home/.tool"]);
    let home = Home::open(&world.at("home"), &[]).unwrap();
    let other = world.at("home/.tool/plugins/other");
    let removal = RemovalPolicy {
        record: &record,
        held: &|path| (path == other).then(|| "other".to_owned()),
        shared: &|_| false,
        precious: &|_| None,
        purge: false,
    };
    let removed = home.remove(
        &[Root {
            path: world.at("home/.tool"),
            scope: Scope::Recorded,
        }],
        &removal,
    );
    assert_eq!(removed.kept, [(other.clone(), "other".to_owned())]);
    assert!(other.exists() && !world.at("home/.tool/a").exists());
}

#[test]
fn a_directory_that_becomes_a_link_meanwhile_leads_nowhere() {
    // Between the look and the removal somebody puts a link in the place of a directory, again and
    // again.
    let world = Fixture::new();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = std::fs::rename(world.at("home/.tool/deep"), world.at("home/away"));
                let _ = symlink(world.at("outside/deep"), world.at("home/.tool/deep"));
                let _ = std::fs::remove_file(world.at("home/.tool/deep"));
                let _ = std::fs::rename(world.at("home/away"), world.at("home/.tool/deep"));
            }
        });
        for _ in 0..300 {
            world.write("home/.tool/a", "x");
            let _ = std::fs::create_dir_all(world.at("home/.tool/deep"));
            let _ = std::fs::write(world.at("home/.tool/deep/x"), "x");
            world.remove(&[("home/.tool", Scope::Whole)], &Record::new());
            assert!(world.at("outside/deep/precious").exists());
            // What the race itself wrote through its own link.
            let _ = std::fs::remove_file(world.at("outside/deep/x"));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_look_tells_the_same_and_changes_nothing() {
    let world = Fixture::new();
    world.write("home/.tool/a", "installed");
    world.write("home/.tool/b", "installed");
    let record = world.record(&["home/.tool"]);
    world.write("home/.tool/b", "edited");
    let before = world.everything();
    let home = Home::open(&world.at("home"), &[]).unwrap();
    let roots = [Root {
        path: world.at("home/.tool"),
        scope: Scope::Recorded,
    }];
    let removal = RemovalPolicy {
        record: &record,
        held: &|_| None,
        shared: &|_| false,
        precious: &|_| None,
        purge: false,
    };
    let planned = home.plan_removal(&roots, &removal);
    assert_eq!(world.everything(), before);
    assert_eq!(home.remove(&roots, &removal), planned.outcome);
    assert_ne!(world.everything(), before);
}

#[test]
fn directories_that_go_whole_are_moved_at_once_and_what_changed_meanwhile_comes_back() {
    let world = Fixture::new();
    for file in ["a/1", "a/deep/2", "a/deep/3", "b/4", "c/5"] {
        world.write(&format!("home/.tool/{file}"), "installed");
    }
    let record = world.record(&["home/.tool"]);
    world.write("home/.tool/b/mine", "by a person");
    let home = Home::open(&world.at("home"), &[]).unwrap();
    let roots = [Root {
        path: world.at("home/.tool"),
        scope: Scope::Recorded,
    }];
    let removal = RemovalPolicy {
        record: &record,
        held: &|_| None,
        shared: &|_| false,
        precious: &|_| None,
        purge: false,
    };
    let planned = home.plan_removal(&roots, &removal);
    let whole: Vec<PathBuf> = planned.whole_directories().map(Path::to_owned).collect();
    assert_eq!(whole, [world.at("home/.tool/a"), world.at("home/.tool/c")]);
    // Between the plan and its execution.
    world.write("home/.tool/a/deep/3", "changed");
    world.write("home/.tool/a/deep/more/new", "by a person");
    let removed = home.carry_out(planned, |path| {
        path.ends_with("a").then(|| path.with_file_name(".trash"))
    });
    assert!(
        world.at("home/.tool/.trash/1").exists() && world.at("home/.tool/.trash/deep/2").exists()
    );
    for (path, text) in [
        ("a/deep/3", "changed"),
        ("a/deep/more/new", "by a person"),
        ("b/mine", "by a person"),
    ] {
        assert_eq!(
            std::fs::read_to_string(world.at("home/.tool").join(path)).unwrap(),
            text
        );
    }
    assert!(
        !world.at("home/.tool/a/1").exists()
            && !world.at("home/.tool/b/4").exists()
            && !world.at("home/.tool/c").exists()
    );
    let kept: Vec<&Path> = removed
        .kept
        .iter()
        .map(|(path, _)| path.as_path())
        .collect();
    let wanted =
        ["b/mine", "a/deep/3", "a/deep/more"].map(|path| world.at("home/.tool").join(path));
    assert_eq!(kept, wanted);
}

#[derive(Debug, Clone)]
enum Act {
    File(String, u8),
    Directory(String),
    Link(String, String),
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        ".tool", "x", "y", ".local", "bin", "..", ".", "deep", "ä b", "home2", "outside",
        "precious",
    ])
    .prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec!["home", "home/.tool", "home2", "outside", "home/x"]),
        prop::collection::vec(name(), 0..4),
    )
        .prop_map(|(base, names)| {
            std::iter::once(base.to_owned())
                .chain(names)
                .collect::<Vec<_>>()
                .join("/")
        })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (path(), any::<u8>()).prop_map(|(path, byte)| Act::File(path, byte)),
        path().prop_map(Act::Directory),
        (path(), path()).prop_map(|(at, to)| Act::Link(at, to)),
    ]
}

impl Fixture {
    fn perform(&self, acts: &[Act]) {
        for act in acts {
            let _ = match act {
                Act::File(path, byte) => std::fs::write(self.at(path), [*byte]),
                Act::Directory(path) => std::fs::create_dir_all(self.at(path)),
                Act::Link(at, to) => symlink(self.at(to), self.at(at)),
            };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Whatever stands anywhere, and whatever is named as a root: of what is not inside a root,
    /// links resolved, and strictly inside the home, nothing goes or changes; and of what is
    /// inside, only what was recorded as it is, or belongs wholly to a root.
    #[test]
    fn nothing_outside_the_roots_is_ever_touched(
        first in prop::collection::vec(act(), 0..12),
        later in prop::collection::vec(act(), 0..6),
        roots in prop::collection::vec((path(), any::<bool>()), 1..4),
    ) {
        let world = Fixture::new();
        world.perform(&first);
        let named: Vec<&str> = roots.iter().map(|(path, _)| path.as_str()).collect();
        let record = world.record(&named);
        world.perform(&later);
        let before = world.everything();
        let home = world.at("home");
        // Inside by components, after links in the parents; the name itself is not followed.
        let real = |path: &str| {
            let path = world.at(path);
            Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
        };
        let allowed: Vec<(PathBuf, bool)> = roots
            .iter()
            .filter_map(|(path, whole)| Some((real(path)?, *whole)))
            .filter(|(path, _)| path.starts_with(&home) && *path != home)
            .collect();
        let scopes: Vec<(&str, Scope)> =
            roots.iter().map(|(path, whole)| (path.as_str(), if *whole { Scope::Whole } else { Scope::Recorded })).collect();
        world.remove(&scopes, &record);
        let after = world.everything();
        for (path, contents) in &before {
            if after.get(path) == Some(contents) {
                continue;
            }
            prop_assert!(!after.contains_key(path), "{} changed", path.display());
            prop_assert!(allowed.iter().any(|(root, _)| path.starts_with(root)), "{} is in no root {:?}", path.display(), allowed);
        }
        prop_assert!(after.keys().all(|path| before.contains_key(path)));
        prop_assert!(world.at("outside/deep").exists() || !before.contains_key(&world.at("outside/deep")));
    }
}
