//! What the ledger and the store of contents have, as the engine uses it.

use std::path::{Path, PathBuf};

use hoist_core::InstalledModule;
use hoist_executor::Failure;
use hoist_files::{Home, Store};
use hoist_guard::recovery::contents_of;
use hoist_ledger::{Ledger, LedgerError};

/// The directory of contents, in hoist's state.
pub(crate) const CONTENTS: &str = "contents";

/// Lets go of contents that can not come back any more: what the ledger knows how to undo stays.
///
/// # Errors
/// What is kept cannot be read or written.
pub fn keep_contents(state: &Path, ledger: &Ledger) -> Result<(), Failure> {
    let packs = std::fs::read_dir(state.join(CONTENTS))
        .into_iter()
        .flatten()
        .flatten();
    if packs
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "pack")
        })
        .count()
        < PACKS
    {
        return Ok(());
    }
    let (journaled, present) = (
        ledger.wanted_contents().map_err(ledger_failure)?,
        contents_of(state),
    );
    // Where something is still to be taken back and nobody can tell what that needs, nothing goes.
    let Some(present) = present else {
        return Ok(());
    };
    let wanted = journaled
        .iter()
        .chain(&present)
        .map(String::as_str)
        .collect();
    let kept = Store::open(&state.join(CONTENTS)).and_then(|store| store.retain(&wanted));
    kept.map_err(|error| Failure::new(format!("backups of files: {error}")))
}

/// It is only looked for what can go once there are so many packs of contents.
const PACKS: usize = 8;

/// A place that a source puts its modules into. It may stand in the directory of a collection,
/// which is why that is not held against it.
pub fn place_of(into: &Path, own: &[PathBuf]) -> std::io::Result<Home> {
    let real = into.canonicalize()?;
    let own: Vec<PathBuf> = own
        .iter()
        .filter(|own| !own.canonicalize().is_ok_and(|own| real.starts_with(own)))
        .cloned()
        .collect();
    Home::open(into, &own)
}

/// The failure of a module whose change cannot be recorded.
pub fn ledger_failure(error: LedgerError) -> Failure {
    Failure::new(error.to_string())
}

/// True for what was there before hoist, and what is in it.
pub(crate) fn was_found(record: &InstalledModule, path: &Path) -> bool {
    record
        .preexisting_paths
        .iter()
        .any(|found| path.starts_with(found))
}
