//! Writes down an install and reads it back.

use hoist_core::{Digest, ModuleId};
use hoist_ledger::{Beginning, Ending, Ledger, Lock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let _lock = Lock::take(directory.path(), "example", |_| false)?;
    let ledger = Ledger::open(directory.path())?;
    let (run, module) = (ledger.begin_run("run-1", "install")?, ModuleId::new("tool")?);
    let digest = Digest::of([b"the manifest".as_slice()]);
    ledger.begin(run, &Beginning { module: &module, method: "custom", digest: &digest, source: "example", paths: &[], absent: &[] })?;
    assert!(ledger.installed()?.modules.is_empty(), "not before it is finished");
    ledger.finish(&module, &Ending::default())?;
    ledger.end_run(run, "ok", &[])?;
    assert!(hoist_ledger::read(directory.path())?.modules.contains_key(&module));
    Ok(())
}
