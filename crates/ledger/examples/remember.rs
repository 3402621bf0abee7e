//! Writes down an install and reads it back.

use hoist_core::{Action, Digest, ModuleId, Request, Selection};
use hoist_ledger::{CompletedChange, Ledger, Lock, PendingChange};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let _lock = Lock::take(directory.path(), "example", |_| false)?;
    let ledger = Ledger::open(directory.path())?.0;
    let request = Request::new(Action::Install, Selection::Tiers);
    let run = ledger.begin_run("run-1", &request, &["tool"], directory.path())?;
    let module = ModuleId::new("tool")?;
    let digest = Digest::of([b"the manifest".as_slice()]);
    ledger.begin(
        run,
        &PendingChange::new(&module, "custom", &digest, "example"),
    )?;
    assert!(
        ledger.installed()?.modules.is_empty(),
        "not before it is finished"
    );
    ledger.finish(&module, &CompletedChange::default())?;
    ledger.end_run(run, "ok", &[])?;
    assert!(
        hoist_ledger::read(directory.path())?
            .modules
            .contains_key(&module)
    );
    Ok(())
}
