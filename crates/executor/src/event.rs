//! What happened: few kinds, plain data, in one order. Every view of a run reads this stream, live
//! or from a record.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::UnitId;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Time since the run started.
    pub elapsed: Duration,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The first event: the names of all units, by [`UnitId`], and what they wait for.
    RunStarted {
        /// In the order of their ids.
        units: Vec<String>,
        /// Pairs of a unit and another that it needs or comes after.
        #[serde(default)]
        waits: Vec<(UnitId, UnitId)>,
    },
    /// The first task of a unit starts.
    UnitStarted {
        /// Which.
        unit: UnitId,
    },
    /// A task starts, or starts again.
    TaskStarted {
        /// Its unit.
        unit: UnitId,
        /// Its name within the unit.
        task: String,
        /// The smallest number that no running task had: a lane of a timeline.
        lane: usize,
        /// From one; above one for a retry.
        attempt: u32,
        /// The names of the pools it has taken.
        #[serde(default)]
        pools: Vec<String>,
    },
    /// A line that a child process wrote, or the task itself.
    Output {
        /// Whose.
        unit: UnitId,
        /// Where it was written.
        stream: Stream,
        /// Without its line end.
        line: String,
    },
    /// Something worth telling people.
    Note {
        /// Whose.
        unit: UnitId,
        /// How much it matters.
        level: Level,
        /// In a sentence.
        text: String,
        /// Who says it, where that is not the task itself: the program it ran.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// What became of one thing that the unit is about, such as a file.
    Item {
        /// Whose.
        unit: UnitId,
        /// What became of it.
        #[serde(rename = "fate")]
        item_change: ItemChange,
        /// Which thing: a path, a package.
        subject: String,
        /// Why, or what to do about it.
        reason: Option<String>,
    },
    /// The unit went from one version to another.
    Version {
        /// Whose.
        unit: UnitId,
        /// Absent where there was none, or nobody knows.
        from: Option<String>,
        /// Absent where there is none any more, or nobody knows.
        to: Option<String>,
    },
    /// How far a task has come.
    Progress {
        /// Whose.
        unit: UnitId,
        /// Done so far, in the task's own measure.
        done: u64,
        /// Of so much; zero when that is not known.
        total: u64,
    },
    /// A task failed in a way that may pass, and will be tried again.
    Retrying {
        /// Its unit.
        unit: UnitId,
        /// Why it failed.
        reason: String,
        /// How long it rests.
        wait: Duration,
    },
    /// A task ended; not told of tasks that never started.
    TaskFinished {
        /// Its unit.
        unit: UnitId,
        /// Its name within the unit.
        task: String,
        /// The lane it ran on.
        lane: usize,
        /// How it ended.
        outcome: Outcome,
    },
    /// All tasks of a unit ended. Told exactly once of every unit.
    UnitFinished {
        /// Which.
        unit: UnitId,
        /// The worst outcome of its tasks.
        outcome: Outcome,
    },
    /// The run was asked to stop.
    Cancelling {
        /// True when children are killed rather than asked to end.
        kill: bool,
    },
    /// The last event.
    RunFinished {
        /// True when the run was asked to stop.
        interrupted: bool,
        /// The unit whose failure stopped it.
        stopped_by: Option<UnitId>,
    },
}

impl EventKind {
    /// The unit it is about, where it is about one.
    pub fn unit(&self) -> Option<UnitId> {
        match self {
            EventKind::UnitStarted { unit }
            | EventKind::TaskStarted { unit, .. }
            | EventKind::Output { unit, .. }
            | EventKind::Note { unit, .. }
            | EventKind::Item { unit, .. }
            | EventKind::Version { unit, .. }
            | EventKind::Progress { unit, .. }
            | EventKind::Retrying { unit, .. }
            | EventKind::TaskFinished { unit, .. }
            | EventKind::UnitFinished { unit, .. } => Some(*unit),
            EventKind::RunStarted { .. }
            | EventKind::Cancelling { .. }
            | EventKind::RunFinished { .. } => None,
        }
    }
}

/// A stream of a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Info,
    /// Something worked.
    Success,
    /// Something to look at.
    Warning,
    /// Something went wrong.
    Error,
}

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemChange {
    /// It was not there before.
    Created,
    /// It is another than before.
    Changed,
    /// It is gone.
    Removed,
    /// It was kept, though it could have been removed or changed.
    #[serde(rename = "kept")]
    Preserved,
    /// It was kept, and the user has to look at it.
    #[serde(rename = "left")]
    NeedsAttention,
}

impl ItemChange {
    /// The word people read.
    pub fn as_str(self) -> &'static str {
        match self {
            ItemChange::Created => "created",
            ItemChange::Changed => "changed",
            ItemChange::Removed => "removed",
            ItemChange::Preserved => "kept",
            ItemChange::NeedsAttention => "left",
        }
    }
}

/// How a task or a unit ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it is for.
    Done {
        /// False when there was nothing to do.
        changed: bool,
    },
    /// It failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// It took longer than it may.
    TimedOut {
        /// What it may take.
        limit: Duration,
    },
    /// It was ended because the run was asked to stop.
    Cancelled,
    /// It never started.
    Skipped {
        /// Why.
        because: SkipReason,
    },
}

impl Outcome {
    /// True for `Done`.
    pub fn is_done(&self) -> bool {
        matches!(self, Outcome::Done { .. })
    }
}

/// Why a task never started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It needs the first of these, which needs the next, and so on to the one that failed. Of a
    /// chain of more than sixteen, the eight nearest and the eight at its end.
    Needs(Vec<UnitId>),
    /// This unit's failure stopped the run.
    Stopped(UnitId),
    /// The run was asked to stop.
    Cancelled,
    /// It began nothing, for this reason.
    Declined(String),
}
