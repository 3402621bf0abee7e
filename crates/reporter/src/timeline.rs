//! When each task ran, on which lane, and what it waited for: a fold over a run's events.

use std::io;
use std::time::Duration;

use hoist_executor::{Event, EventKind, Outcome};
use serde::Serialize;

use crate::reporter::Reporter;

/// When each task of a run ran. Of a run that was cut off, what was going on ends with the last
/// event.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Timeline {
    /// The names of the units, by their ids.
    pub units: Vec<String>,
    /// The attempts at tasks, in the order of their start.
    pub spans: Vec<Span>,
    /// Pairs of a unit and another that it waited for.
    pub waits: Vec<(usize, usize)>,
    /// How long the run took, or has been seen to take.
    pub duration: Duration,
    /// False when the last event is missing.
    pub finished: bool,
    /// When each unit was told to have ended.
    #[serde(skip)]
    pub(crate) ended: Vec<Option<Duration>>,
    /// Those of the spans that have not ended.
    #[serde(skip)]
    open: Vec<usize>,
    /// Units of which an attempt has failed, nobody has told yet which, and when.
    #[serde(skip)]
    retrying: Vec<(usize, Duration)>,
}

/// One attempt at a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The task's unit.
    pub unit: usize,
    /// Its name within the unit.
    pub task: String,
    /// The lane it ran on.
    pub lane: usize,
    /// From one.
    pub attempt: u32,
    /// Time after the start of the run.
    pub start: Duration,
    /// Time after the start of the run.
    pub end: Duration,
    /// How it ended.
    pub outcome: SpanOutcome,
    /// The pools it held.
    pub pools: Vec<String>,
}

impl Span {
    /// The time between its start and its end.
    pub fn duration(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanOutcome {
    /// Something is different now.
    Changed,
    /// There was nothing to do.
    Unchanged,
    /// It failed, and was to be tried again.
    Retried,
    /// It failed.
    Failed,
    /// It took longer than it may.
    TimedOut,
    /// It was ended because the run was asked to stop.
    Cancelled,
    /// The record ends before it does.
    CutOff,
}

impl SpanOutcome {
    /// The word people read.
    pub fn as_str(self) -> &'static str {
        match self {
            SpanOutcome::Changed => "changed",
            SpanOutcome::Unchanged => "unchanged",
            SpanOutcome::Retried => "retried",
            SpanOutcome::Failed => "failed",
            SpanOutcome::TimedOut => "timed out",
            SpanOutcome::Cancelled => "interrupted",
            SpanOutcome::CutOff => "interrupted",
        }
    }
}

impl From<&Outcome> for SpanOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done { changed: true } => SpanOutcome::Changed,
            Outcome::Done { changed: false } => SpanOutcome::Unchanged,
            Outcome::Failed { .. } => SpanOutcome::Failed,
            Outcome::TimedOut { .. } => SpanOutcome::TimedOut,
            Outcome::Cancelled | Outcome::Skipped { .. } => SpanOutcome::Cancelled,
        }
    }
}

impl Timeline {
    /// When the first task of a unit started and the last one ended; for one that never ran, when
    /// that was settled.
    pub fn unit_time(&self, unit: usize) -> Option<(Duration, Duration)> {
        let spans = || self.spans.iter().filter(|span| span.unit == unit);
        let ran = spans()
            .map(|span| span.start)
            .min()
            .zip(spans().map(|span| span.end).max());
        ran.or_else(|| {
            self.ended
                .get(unit)
                .copied()
                .flatten()
                .map(|ended| (ended, ended))
        })
    }

    /// Ends the open spans that `which` accepts.
    fn close(&mut self, end: Duration, outcome: SpanOutcome, which: impl Fn(&Span) -> bool) {
        let spans = &mut self.spans;
        self.open.retain(|open| {
            let span = &mut spans[*open];
            let closes = which(span);
            if closes {
                (span.end, span.outcome) = (end.max(span.start), outcome);
            }
            !closes
        });
    }

    /// Ends an attempt that turns out to be over although only its unit was told to try again.
    fn close_retried(&mut self, which: impl Fn(&Span) -> bool) {
        while let Some(span) = self
            .open
            .iter()
            .map(|open| &self.spans[*open])
            .find(|span| which(span))
        {
            let (unit, lane) = (span.unit, span.lane);
            let told = self
                .retrying
                .iter()
                .position(|(retrying, _)| *retrying == unit);
            let end = told.map_or(self.duration, |told| self.retrying.remove(told).1);
            self.close(end, SpanOutcome::Retried, |span| {
                span.unit == unit && span.lane == lane
            });
        }
    }

    /// Ends the open attempts of a unit when as many of them are to be tried again as there are.
    fn settle(&mut self, unit: usize) {
        let open = self
            .open
            .iter()
            .filter(|open| self.spans[**open].unit == unit)
            .count();
        if open
            == self
                .retrying
                .iter()
                .filter(|(retrying, _)| *retrying == unit)
                .count()
        {
            self.close_retried(|span| span.unit == unit);
        }
    }

    fn start(&mut self, span: Span) {
        self.close_retried(|open| {
            open.lane == span.lane
                || (open.unit == span.unit && open.task == span.task && open.attempt < span.attempt)
        });
        self.open.push(self.spans.len());
        self.spans.push(span);
    }
}

impl Reporter for Timeline {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        let now = self.duration.max(event.elapsed);
        self.duration = now;
        self.open
            .iter()
            .for_each(|open| self.spans[*open].end = now);
        match &event.kind {
            EventKind::RunStarted { units, waits } => {
                let known =
                    |(unit, other): &(usize, usize)| *unit < units.len() && *other < units.len();
                self.waits = waits
                    .iter()
                    .map(|(unit, other)| (unit.index(), other.index()))
                    .filter(known)
                    .collect();
                self.units.clone_from(units);
                self.ended = vec![None; units.len()];
            }
            EventKind::TaskStarted {
                unit,
                task,
                lane,
                attempt,
                pools,
            } if unit.index() < self.units.len() => {
                let (unit, task, pools) = (unit.index(), task.clone(), pools.clone());
                let outcome = SpanOutcome::CutOff;
                self.start(Span {
                    unit,
                    task,
                    lane: *lane,
                    attempt: *attempt,
                    start: now,
                    end: now,
                    outcome,
                    pools,
                });
            }
            EventKind::Retrying { unit, .. } => {
                self.retrying.push((unit.index(), now));
                self.settle(unit.index());
            }
            EventKind::TaskFinished {
                unit,
                lane,
                outcome,
                ..
            } => {
                self.close(now, outcome.into(), |span| {
                    span.unit == unit.index() && span.lane == *lane
                });
                self.settle(unit.index());
            }
            EventKind::UnitFinished { unit, .. } if unit.index() < self.units.len() => {
                self.close_retried(|span| span.unit == unit.index());
                self.ended[unit.index()] = Some(now);
            }
            EventKind::RunFinished { .. } => self.finished = true,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hoist_executor::{Cancel, Effect, Failure, Limits, Retries, Task, TaskGraph, execute};

    use super::*;
    use crate::sample::timeline;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn each_attempt_is_a_span_and_the_rest_between_them_is_not() {
        let mut graph = TaskGraph::default();
        let unit = graph.unit("flaky");
        let mut tries = 0;
        let task = Task::new(unit, "t", move |_| {
            tries += 1;
            if tries == 2 {
                Ok(Effect::Unchanged)
            } else {
                Err(Failure::transient("no"))
            }
        });
        graph.task(task.retries(Retries {
            limit: 1,
            first_wait: ms(20),
        }));
        let mut timeline = Timeline::default();
        execute(graph, &Limits::default(), &Cancel::new(), |event| {
            timeline.report(event).unwrap()
        })
        .unwrap();
        let outcomes: Vec<_> = timeline
            .spans
            .iter()
            .map(|span| (span.attempt, span.outcome))
            .collect();
        assert_eq!(
            outcomes,
            [(1, SpanOutcome::Retried), (2, SpanOutcome::Unchanged)]
        );
        assert!(
            timeline.spans[1].start - timeline.spans[0].end >= ms(15),
            "{:?}",
            timeline.spans
        );
    }

    #[test]
    fn a_retry_beside_another_task_of_the_unit_ends_the_right_span() {
        let timeline = timeline(&[
            (0, r#""event":"run_started","units":["u"]"#),
            (
                1,
                r#""event":"task_started","unit":0,"task":"a","lane":0,"attempt":1"#,
            ),
            (
                1,
                r#""event":"task_started","unit":0,"task":"b","lane":1,"attempt":1"#,
            ),
            (
                5,
                r#""event":"retrying","unit":0,"reason":"no","wait":{"secs":0,"nanos":0}"#,
            ),
            (
                9,
                r#""event":"task_finished","unit":0,"task":"a","lane":0,"outcome":{"outcome":"done","changed":true}"#,
            ),
        ]);
        let ends: Vec<_> = timeline
            .spans
            .iter()
            .map(|span| (span.end, span.outcome))
            .collect();
        assert_eq!(
            ends,
            [(ms(9), SpanOutcome::Changed), (ms(5), SpanOutcome::Retried)]
        );
    }

    #[test]
    fn a_record_that_was_cut_off_ends_with_its_last_event() {
        let timeline = timeline(&[
            (0, r#""event":"run_started","units":["u"]"#),
            (
                1,
                r#""event":"task_started","unit":0,"task":"a","lane":0,"attempt":1"#,
            ),
            (
                7,
                r#""event":"output","unit":0,"stream":"stdout","line":"still there""#,
            ),
        ]);
        assert_eq!(
            (timeline.spans[0].end, timeline.spans[0].outcome),
            (ms(7), SpanOutcome::CutOff)
        );
        assert_eq!(
            (
                timeline.duration,
                timeline.finished,
                timeline.critical_path()
            ),
            (ms(7), false, vec![0])
        );
    }
}
