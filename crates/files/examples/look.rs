//! Looks at everything below a directory and keeps its contents, and then once more at what
//! changed: `list_tree DIR` prints how long each took, in microseconds.

#![expect(clippy::print_stdout, reason = "an example")]

use std::path::PathBuf;
use std::time::Instant;

use hoist_files::{Snapshot, SnapshotOptions, Store};

fn main() -> std::io::Result<()> {
    let roots: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let place = tempfile::tempdir()?;
    let list_tree = |former: Option<&Snapshot>| {
        let store = Store::open(place.path())?;
        let taking = SnapshotOptions {
            former,
            store: Some(&store),
            git: &|_| true,
            everywhere: true,
            strict: true,
            ..SnapshotOptions::PLAIN
        };
        let snapshot = Snapshot::take(&roots, &taking)?;
        store.finish().map(|()| snapshot)
    };
    let start = Instant::now();
    let bytes = list_tree(None)?.to_bytes()?;
    println!("{}", start.elapsed().as_micros());
    let start = Instant::now();
    let former = Snapshot::from_bytes(&bytes);
    let now = list_tree(former.as_ref())?;
    println!("{}", start.elapsed().as_micros());
    assert_eq!(
        now.differences(&former.unwrap_or_default()).len(),
        0,
        "nothing changed meanwhile"
    );
    Ok(())
}
