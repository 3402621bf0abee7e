//! Remembers, crash-safely, what hoist did to this machine: one SQLite file, and one lock file.
//!
//! Every change of the machine stands between [`Ledger::begin`] and [`Ledger::finish`], so that
//! after a crash the next start knows what was in the middle of being changed
//! ([`Ledger::recover`]). Reading for a listing ([`read`]) changes nothing, not even the files that
//! SQLite makes beside its own.

mod changes;
mod config;
mod documents;
mod error;
mod files;
mod finished;
mod former;
mod install;
mod journal;
mod lock;
mod prune;
mod raw;
mod read;
mod recover;
mod remove;
mod rename;
mod salvage;
mod schema;
mod store;
mod values;

pub use changes::{DisplacedPath, Disposal, InterruptedChange, Phase, Rollback};
pub use config::{ConfigRecord, read_configs};
pub use documents::read_documents;
pub use error::LedgerError;
pub use files::{OwnedFiles, Reader};
pub use finished::{FinishedRun, record_finished};
pub use install::{CompletedChange, ModuleResult, PendingChange};
pub use journal::{
    Edit, InstalledSource, JournalEntry, PriorState, Undoable, installed_sources, read_edited,
    read_journal,
};
pub use lock::{Holder, Lock};
pub use read::{ModuleOutcome, PastRun, RunSummary, history, past_run, read, unresolved};
pub use recover::Recovered;
pub use salvage::Salvaged;
pub use store::{Ledger, RunId};

#[cfg(test)]
mod tests;
