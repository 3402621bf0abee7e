//! Writes a small tree, changes a file of it as a person would, and takes the rest away.

#![expect(clippy::print_stdout, reason = "an example")]

use hoist_files::{
    Home, Record, RemovalPolicy, Root, Scope, Snapshot, SnapshotOptions, update_record,
};

fn main() -> std::io::Result<()> {
    let directory = tempfile::tempdir()?;
    let tool = directory.path().join("tool");
    std::fs::create_dir(&tool)?;
    std::fs::write(tool.join("program"), "1")?;
    std::fs::write(tool.join("settings"), "1")?;
    let record = update_record(
        &Record::new(),
        &Snapshot::default(),
        &Snapshot::take(std::slice::from_ref(&tool), &SnapshotOptions::PLAIN)?,
    );
    std::fs::write(tool.join("settings"), "mine")?;
    let home = Home::open(directory.path(), &[])?;
    let removal = RemovalPolicy {
        record: &record,
        held: &|_| None,
        shared: &|_| false,
        precious: &|_| None,
        purge: false,
    };
    let removed = home.remove(
        &[Root {
            path: tool,
            scope: Scope::Recorded,
        }],
        &removal,
    );
    for (path, why) in removed.kept {
        println!("kept {}: {why}", path.display());
    }
    Ok(())
}
