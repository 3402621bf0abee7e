//! Carries plans out: one file for each way of installing ([`METHODS`] is the table), and [`schedule()`], which turns a plan into tasks
//! for `hoist-executor`.
//!
//! Nothing here prints or asks. What a method tells goes through the task's context; what it did is written to the ledger by
//! `run_step`, and only there.

mod batch;
mod builtin;
mod look;
mod machine;
mod messages;
mod method;
mod os;
mod preflight;
mod run_step;
mod schedule;
mod scratch;
mod stage;
mod step;

pub use builtin::package::package_names;
pub use look::presence;
pub use machine::Machine;
pub use messages::Message;
pub use method::{Applied, METHODS, Method, StepContext};
pub use preflight::preflight;
pub use schedule::{Options, Schedule, schedule};
pub use stage::clean_stages;
pub use step::run_alone;
