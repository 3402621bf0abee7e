//! Runs a graph of tasks in parallel.
//!
//! Tasks are closures with edges between them, pools that bound how many of a kind run at once, a
//! cost that decides which ready task is the most urgent, a time limit and retries. One thread owns
//! all state and tells what happens as [`Event`]s, in one order; every running task has a plain
//! thread to itself. There are no waves: a task starts as soon as all it waits for has ended and
//! its pools have room. The crate knows nothing of what the tasks are for.
//!
//! ```
//! use hoist_executor::{Cancel, Effect, EventKind, Limits, Task, TaskGraph, execute};
//!
//! let mut graph = TaskGraph::default();
//! let (bread, toast) = (graph.unit("bread"), graph.unit("toast"));
//! let slice = graph.task(Task::new(bread, "slice", |_| Ok(Effect::Changed)));
//! let roast = graph.task(Task::new(toast, "roast", |context| {
//!     context.output_line("smells good");
//!     Ok(Effect::Changed)
//! }));
//! graph.needs(roast, slice);
//!
//! let mut finished = Vec::new();
//! let summary = execute(graph, &Limits::default(), &Cancel::new(), |event| {
//!     if let EventKind::UnitFinished { unit, .. } = &event.kind {
//!         finished.push(*unit);
//!     }
//! });
//! assert!(summary.unwrap().all_done());
//! assert_eq!(finished, [bread, toast]);
//! ```

mod cancel;
mod context;
mod event;
mod execute;
mod failure;
mod graph;
mod ids;
mod priority;
mod process;
mod redact;
mod scheduler;

pub use cancel::Cancel;
pub use context::{GroupObserver, TaskContext};
pub use event::{Event, EventKind, ItemChange, Level, Outcome, SkipReason, Stream};
pub use execute::{Limits, Summary, execute};
pub use failure::{Failure, FailureKind};
pub use graph::{CycleError, Edge, Effect, OnFailure, Retries, Task, TaskGraph};
pub use ids::{PoolId, TaskId, UnitId};
pub use process::{Command, Exit, Silence};
pub use redact::Redact;
