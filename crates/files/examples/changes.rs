//! `changes DIRECTORY PROGRAM ARGUMENT…` runs a program and says what it changes in a directory.

#![expect(clippy::print_stdout, reason = "an example")]

use std::path::PathBuf;
use std::process::Command;

use hoist_files::{Snapshot, SnapshotOptions};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let roots = [PathBuf::from(arguments.next().unwrap_or_default())];
    let look = || Snapshot::take(&roots, &SnapshotOptions::PLAIN);
    let before = look()?;
    let program = arguments.next().unwrap_or_else(|| "true".into());
    Command::new(program).args(arguments).status()?;
    for difference in before.differences(&look()?) {
        println!("{difference:?}");
    }
    Ok(())
}
