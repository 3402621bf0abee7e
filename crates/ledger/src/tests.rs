use std::path::{Path, PathBuf};
use std::time::Duration;

use hoist_core::{Digest, ModuleId, Request, Resource, ResourceScope, UninstallSpec};
use rusqlite::Connection;

use crate::values::FILE;

use super::*;

fn id(name: &str) -> ModuleId {
    ModuleId::new(name).unwrap()
}

fn open(directory: &Path) -> Ledger {
    Ledger::open(directory).unwrap().0
}

fn begin_run(ledger: &Ledger, name: &str) -> RunId {
    let request = Request::new(hoist_core::Action::Install, hoist_core::Selection::Tiers);
    ledger
        .begin_run(name, &request, &["planned"], Path::new("/tmp/hoist-run-x"))
        .unwrap()
}

fn begin(ledger: &Ledger, run: RunId, name: &str) {
    let (digest, paths) = (Digest::of([b"x".as_slice()]), [PathBuf::from("/home/me/x")]);
    let name = id(name);
    ledger
        .begin(
            run,
            &PendingChange {
                paths: &paths,
                ..PendingChange::new(&name, "git_clone", &digest, "here")
            },
        )
        .unwrap();
}

#[test]
fn only_what_is_finished_counts_as_installed() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    let run = begin_run(&ledger, "r1");
    ["done", "failed", "begun"]
        .iter()
        .for_each(|name| begin(&ledger, run, name));
    ledger
        .finish(
            &id("done"),
            &CompletedChange {
                version: Some("1".into()),
                paths: vec!["/home/me/x".into()],
                ..CompletedChange::default()
            },
        )
        .unwrap();
    ledger
        .fail(&id("failed"), &["/home/me/half".into()], None, None, false)
        .unwrap();
    let installed = ledger.installed().unwrap();
    assert_eq!(
        installed
            .modules
            .keys()
            .map(ModuleId::as_str)
            .collect::<Vec<_>>(),
        ["done"]
    );
    assert_eq!(
        installed
            .unfinished
            .keys()
            .map(ModuleId::as_str)
            .collect::<Vec<_>>(),
        ["begun", "failed"]
    );
    assert_eq!(
        installed.modules[&id("done")].paths,
        [PathBuf::from("/home/me/x")]
    );
    assert_eq!(
        installed.unfinished[&id("failed")].paths,
        [PathBuf::from("/home/me/half")]
    );
}

#[test]
fn what_hoist_installed_stays_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    let run = begin_run(&ledger, "r1");
    begin(&ledger, run, "own");
    ledger
        .finish(
            &id("own"),
            &CompletedChange {
                version: Some("1".into()),
                ..CompletedChange::default()
            },
        )
        .unwrap();
    let first = ledger.installed().unwrap().modules[&id("own")].clone();
    begin(&ledger, run, "own");
    ledger
        .finish(
            &id("own"),
            &CompletedChange {
                adopted: true,
                ..CompletedChange::default()
            },
        )
        .unwrap();
    assert_eq!(ledger.installed().unwrap().modules[&id("own")], first);
    begin(&ledger, run, "found");
    ledger
        .finish(
            &id("found"),
            &CompletedChange {
                adopted: true,
                ..CompletedChange::default()
            },
        )
        .unwrap();
    assert!(ledger.installed().unwrap().modules[&id("found")].adopted);
}

#[test]
fn a_run_that_never_ended_is_recovered_once() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    let run = begin_run(&ledger, "r1");
    let digest = Digest::of([b"x".as_slice()]);
    let half = id("half");
    let (rollback, removal) = (
        Rollback {
            files: b"files",
            ..Rollback::default()
        },
        UninstallSpec::default(),
    );
    let beginning = PendingChange {
        rollback,
        removal: &removal,
        ..PendingChange::new(&half, "git_clone", &digest, "here")
    };
    ledger.begin(run, &beginning).unwrap();
    ledger
        .finish(
            &half,
            &CompletedChange {
                version: Some("1".into()),
                ..CompletedChange::default()
            },
        )
        .unwrap();
    let before = ledger.memento(&half).unwrap();
    ledger.begin(run, &beginning).unwrap();
    drop(ledger);
    let ledger = open(directory.path());
    let recovered = ledger.recover().unwrap();
    let wanted = Recovered {
        runs: vec!["r1".into()],
        scratch: vec!["/tmp/hoist-run-x".into()],
        ..Recovered::default()
    };
    assert_eq!(recovered, wanted);
    let [pending] = ledger.pending_changes().unwrap().try_into().unwrap();
    assert_eq!(
        (pending.module.as_str(), pending.run.as_str(), pending.phase),
        ("half", "r1", Phase::Begun)
    );
    assert_eq!(
        (pending.files.as_slice(), pending.prior.is_some()),
        (b"files".as_slice(), true)
    );
    assert_ne!(ledger.memento(&half).unwrap(), before);
    ledger.roll_back(&half).unwrap();
    assert_eq!(
        ledger.memento(&half).unwrap(),
        before,
        "as though it had not begun"
    );
    assert_eq!(
        (ledger.recover().unwrap(), ledger.pending_changes().unwrap()),
        (Recovered::default(), Vec::new())
    );
    assert_eq!(
        history(directory.path(), 9).unwrap()[0].status,
        "interrupted"
    );
}

#[test]
fn reading_makes_no_file_and_sees_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    assert!(read(directory.path()).unwrap().modules.is_empty());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let ledger = open(directory.path());
    let run = begin_run(&ledger, "r1");
    begin(&ledger, run, "a");
    ledger
        .finish(&id("a"), &CompletedChange::default())
        .unwrap();
    let result = ModuleResult {
        module: "a",
        status: "installed",
        duration: Duration::from_secs(4),
        reason: None,
    };
    ledger.end_run(run, "ok", &[result]).unwrap();
    assert_eq!(
        read(directory.path()).unwrap().modules.len(),
        1,
        "while it is open"
    );
    drop(ledger);
    let files = || {
        std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    let before = files();
    let seen = read(directory.path()).unwrap();
    assert_eq!((seen.modules.len(), seen.durations["a"]), (1, 4.0));
    assert_eq!(files(), before);
}

#[test]
fn a_newer_ledger_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    ledger
        .connection()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop(ledger);
    assert!(matches!(
        Ledger::open(directory.path()),
        Err(LedgerError::Newer { found: 99, .. })
    ));
    assert!(matches!(
        read(directory.path()),
        Err(LedgerError::Newer { found: 99, .. })
    ));
}

#[test]
fn the_second_is_told_who_the_first_is() {
    let directory = tempfile::tempdir().unwrap();
    let first = Lock::take(directory.path(), "hoist install", |_| false).unwrap();
    let Err(LedgerError::Locked(holder)) = Lock::take(directory.path(), "hoist test", |_| false)
    else {
        panic!()
    };
    assert_eq!(
        (holder.pid, holder.command.as_str()),
        (std::process::id(), "hoist install")
    );
    let mut first = Some(first);
    let mut asked = 0;
    Lock::take(directory.path(), "hoist test", |_| {
        asked += 1;
        first.take();
        true
    })
    .unwrap();
    assert_eq!(asked, 1);
}

fn package(name: &str) -> Resource {
    Resource::new(ResourceScope::new("pip", Path::new("/h/.local")), name)
}

#[test]
fn what_others_claim_follows_every_change_of_their_rows() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    let (run, a, b) = (begin_run(&ledger, "r"), id("a"), id("b"));
    let declared = UninstallSpec {
        paths: vec!["/h/shared".into()],
        resources: vec![package("six")],
        ..UninstallSpec::default()
    };
    let digest = Digest::of([b"x".as_slice()]);
    let adopted = UninstallSpec {
        paths: vec!["/h/shared/file".into()],
        resources: vec![package("six"), package("pip")],
        ..UninstallSpec::default()
    };
    ledger
        .adopt(
            run,
            &PendingChange {
                removal: &adopted,
                ..PendingChange::new(&b, "custom", &digest, "s")
            },
            None,
            true,
        )
        .unwrap();
    let known = ledger.belongings(&a, &declared).unwrap();
    assert_eq!(
        known
            .other_owners
            .get(Path::new("/h/shared/file"))
            .map(String::as_str),
        Some("b")
    );
    assert_eq!(
        known.other_resource_owners.keys().collect::<Vec<_>>(),
        [&package("six")],
        "only what was asked for"
    );
    assert!(
        ledger
            .belongings(&a, &UninstallSpec::default())
            .unwrap()
            .other_owners
            .is_empty(),
        "what is not below its paths"
    );
    assert!(
        ledger
            .belongings(&b, &declared)
            .unwrap()
            .other_owners
            .is_empty(),
        "its own"
    );
    // A ledger of a version without the tables is read before it is brought up to date.
    let old = tempfile::tempdir().unwrap();
    let path = old.path().join(FILE);
    ledger
        .connection()
        .execute("VACUUM INTO ?1", [path.display().to_string()])
        .unwrap();
    let former = "DROP TRIGGER claims_after_insert; DROP TRIGGER claims_after_update; DROP TRIGGER claims_after_delete;
        DROP TABLE claims; DROP TABLE resources; PRAGMA user_version = 6;
        UPDATE modules SET removal = '{\"paths\":[\"/h/shared/file\"],\"python\":[\"six\",\"pip\"],\"target\":\"/h/.local\"}';";
    Connection::open(&path)
        .unwrap()
        .execute_batch(former)
        .unwrap();
    let read = Reader::open(old.path())
        .unwrap()
        .belongings(&a, &declared)
        .unwrap();
    assert_eq!(
        (&read.other_owners, &read.other_resource_owners),
        (&known.other_owners, &known.other_resource_owners)
    );
    ledger.begin_removal(run, &b, &Rollback::default()).unwrap();
    assert!(
        ledger
            .belongings(&a, &declared)
            .unwrap()
            .other_owners
            .is_empty(),
        "what is being removed holds nothing back"
    );
    ledger.fail_removal(&b, true).unwrap();
    assert!(
        !ledger
            .belongings(&a, &declared)
            .unwrap()
            .other_owners
            .is_empty()
    );
    ledger.begin_removal(run, &b, &Rollback::default()).unwrap();
    ledger
        .finish_removal(run, &b, &PriorState::default(), &[])
        .unwrap();
    let known = ledger.belongings(&a, &declared).unwrap();
    assert!(known.other_owners.is_empty() && known.other_resource_owners.is_empty());
}
