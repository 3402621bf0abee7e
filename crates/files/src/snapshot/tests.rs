use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn take(root: &Path, former: Option<&Snapshot>, store: Option<&Store>) -> Snapshot {
    Snapshot::take(
        &[root.to_owned()],
        &SnapshotOptions {
            former,
            store,
            git: &|_| true,
            everywhere: true,
            strict: true,
            ..SnapshotOptions::PLAIN
        },
    )
    .unwrap()
}

fn paths(differences: &[Difference], root: &Path) -> Vec<String> {
    differences
        .iter()
        .map(|difference| {
            difference
                .path
                .strip_prefix(root)
                .unwrap()
                .display()
                .to_string()
        })
        .collect()
}

#[test]
fn whatever_was_done_to_a_tree_can_be_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let (root, store) = (
        home.path().join("tree"),
        Store::open(&home.path().join("store")).unwrap(),
    );
    std::fs::create_dir_all(root.join("a/deep/er")).unwrap();
    std::fs::create_dir(root.join("becomes a file")).unwrap();
    for (path, text) in [
        ("changed", "1"),
        ("a/gone", "2"),
        ("a/deep/er/gone", ""),
        ("becomes a file/x", "3"),
        ("becomes a directory", "4"),
    ] {
        std::fs::write(root.join(path), text).unwrap();
    }
    std::fs::write(root.join("large"), vec![7; PACKED as usize + 1]).unwrap();
    symlink("nowhere", root.join("link")).unwrap();
    std::fs::set_permissions(root.join("a"), Permissions::from_mode(0o2750)).unwrap();
    std::fs::set_permissions(root.join("changed"), Permissions::from_mode(0o600)).unwrap();
    let before = take(&root, None, Some(&store));
    std::fs::write(root.join("changed"), "in place").unwrap();
    std::fs::remove_dir_all(root.join("a")).unwrap();
    std::fs::remove_dir_all(root.join("becomes a file")).unwrap();
    std::fs::write(root.join("becomes a file"), "").unwrap();
    std::fs::remove_file(root.join("becomes a directory")).unwrap();
    std::fs::create_dir_all(root.join("becomes a directory/with/more")).unwrap();
    std::fs::write(root.join("becomes a directory/with/file"), "").unwrap();
    std::fs::write(root.join("large"), "").unwrap();
    std::fs::remove_file(root.join("link")).unwrap();
    symlink("elsewhere", root.join("link")).unwrap();
    std::fs::write(root.join("added"), "").unwrap();
    let after = take(&root, Some(&before), None);
    let differences = before.differences(&after);
    assert!(differences.len() > 10, "{differences:?}");
    assert_eq!(
        crate::put_back(&differences.iter().collect::<Vec<_>>(), &store, &[]).len(),
        0
    );
    let again = before.differences(&take(&root, None, None));
    assert!(again.is_empty(), "{again:?}");
}

#[test]
fn a_change_is_seen_also_where_size_and_time_of_the_file_are_as_before() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "one").unwrap();
    let before = take(home.path(), None, None);
    let time = file.metadata().unwrap().modified().unwrap();
    // At once, in place, with the time put back.
    std::fs::write(&file, "two").unwrap();
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let after = take(home.path(), Some(&before), None);
    assert_eq!(paths(&before.differences(&after), home.path()), ["file"]);
}

#[test]
fn what_did_not_change_for_a_while_is_not_read_again() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("tree");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("file"), "one").unwrap();
    let mut before = take(&root, None, None);
    for entry in before.entries.values_mut() {
        entry.read_at += 10;
        if entry.state.kind == FileKind::File {
            entry.state.digest = "as it is known".to_owned();
        }
    }
    let bytes = before.to_bytes().unwrap();
    let before = Snapshot::from_bytes(&bytes).unwrap();
    let after = take(&root, Some(&before), None);
    assert_eq!(
        after.get(&root.join("file")).unwrap().digest,
        "as it is known"
    );
    // But it is where its contents have to be kept and are not.
    let store = Store::open(&home.path().join("store")).unwrap();
    let kept = take(&root, Some(&before), Some(&store));
    assert_eq!(
        store
            .bytes(&kept.get(&root.join("file")).unwrap().digest)
            .unwrap(),
        b"one"
    );
    assert!(Snapshot::from_bytes(&bytes[..bytes.len() - 1]).is_none());
}

#[test]
fn what_is_ignored_is_not_looked_at_and_what_cannot_be_read_is_said() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("log")).unwrap();
    std::fs::write(home.path().join("log/today"), "").unwrap();
    let ignored = |path: &Path| path.ends_with("log");
    let taken = Snapshot::take(
        &[home.path().to_owned()],
        &SnapshotOptions {
            ignored: &ignored,
            git: &|_| true,
            everywhere: true,
            strict: true,
            ..SnapshotOptions::PLAIN
        },
    )
    .unwrap();
    assert_eq!(taken.iter().count(), 1);
    // A pipe is looked at, and not read.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let taken = take(home.path(), None, None);
    assert_eq!(
        taken.get(&home.path().join("pipe")).unwrap().kind,
        FileKind::Other
    );
}

#[test]
fn of_a_file_that_grows_while_it_is_read_only_what_was_there_is_read() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("store")).unwrap();
    for size in [3, PACKED + 3] {
        let (path, then) = (
            home.path().join("log"),
            vec![7; usize::try_from(size).unwrap()],
        );
        std::fs::write(&path, [then.as_slice(), b"came since"].concat()).unwrap();
        let expected = digest(then.as_slice()).unwrap();
        assert_eq!(
            contents(File::open(&path).unwrap(), size, Some(&store)).unwrap(),
            expected
        );
        assert_eq!(
            contents(File::open(&path).unwrap(), size, None).unwrap(),
            expected
        );
    }
}

#[test]
fn a_link_that_is_put_in_the_way_leads_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let at = |path: &str| home.path().join(path);
    std::fs::create_dir_all(at("tool/sub")).unwrap();
    std::fs::create_dir_all(at("outside/sub")).unwrap();
    std::fs::write(at("tool/sub/file"), "before").unwrap();
    std::fs::write(at("outside/sub/file"), "of somebody else").unwrap();
    let store = Store::open(&at("contents")).unwrap();
    let taking = SnapshotOptions {
        store: Some(&store),
        ..SnapshotOptions::PLAIN
    };
    let before = Snapshot::take(&[at("tool")], &taking).unwrap();
    std::fs::write(at("tool/sub/file"), "after").unwrap();
    std::fs::write(at("tool/sub/new"), "after").unwrap();
    let differences =
        before.differences(&Snapshot::take(&[at("tool")], &SnapshotOptions::PLAIN).unwrap());
    // Between the look and the change.
    std::fs::rename(at("tool/sub"), at("away")).unwrap();
    std::os::unix::fs::symlink(at("outside/sub"), at("tool/sub")).unwrap();
    let failed = crate::put_back(
        &differences.iter().collect::<Vec<_>>(),
        &store,
        &[at("tool")],
    );
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(
        std::fs::read_to_string(at("outside/sub/file")).unwrap(),
        "of somebody else"
    );
    assert_eq!(std::fs::read_dir(at("outside/sub")).unwrap().count(), 1);
}
