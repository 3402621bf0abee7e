//! The loop: one thread that owns the scheduler, starts tasks on threads of their own, and tells
//! what happens.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, at, bounded, never, select, unbounded};
use rustix::process::Signal;

use crate::cancel::Cancel;
use crate::context::{Control, GroupObserver, TaskContext};
use crate::event::{Event, EventKind, Outcome, SkipReason};
use crate::failure::Failure;
use crate::graph::{CycleError, Effect, OnFailure, Task, TaskFunction, TaskGraph};
use crate::ids::UnitId;
use crate::redact::{Redact, Redacting};
use crate::scheduler::{Scheduler, Skipped};

/// Bounds of a run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many tasks run at once.
    pub jobs: usize,
    /// How long a task that was asked to end may take before it is killed, and how long after that
    /// it is given up.
    pub grace: Duration,
    /// What is kept out of all events.
    pub redact: Option<Redact>,
    /// Who is told of the process groups that run.
    pub groups: Option<GroupObserver>,
}

impl Default for Limits {
    /// For tasks that mostly wait: four for each processor, at least 8 and at most 32; ten seconds
    /// of grace.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            jobs: (processors * 4).clamp(8, 32),
            grace: Duration::from_secs(10),
            redact: None,
            groups: None,
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The outcome of each unit, by its id.
    pub units: Vec<Outcome>,
    /// True when the run was asked to stop.
    pub interrupted: bool,
    /// The unit whose failure stopped the run.
    pub stopped_by: Option<UnitId>,
}

impl Summary {
    /// True when every unit is done.
    pub fn all_done(&self) -> bool {
        self.units.iter().all(Outcome::is_done)
    }
}

/// Runs a graph to its end. Every unit ends with exactly one event, whatever happens; a panic in a
/// task is that task's failure.
///
/// # Errors
/// When tasks wait for each other; nothing was started then.
pub fn execute(
    graph: TaskGraph,
    limits: &Limits,
    cancel: &Cancel,
    on_event: impl FnMut(&Event),
) -> Result<Summary, CycleError> {
    let scheduler = Scheduler::new(&graph)?;
    let (sender, receiver) = bounded(4096);
    let mut waits: Vec<(UnitId, UnitId)> = graph
        .edges
        .iter()
        .map(|(task, other, _)| {
            (
                graph.tasks[task.index()].unit,
                graph.tasks[other.index()].unit,
            )
        })
        .filter(|(unit, other)| unit != other)
        .collect();
    waits.sort();
    waits.dedup();
    let pool_names: Vec<String> = graph.pools.iter().map(|(name, _)| name.clone()).collect();
    let mut open = vec![0usize; graph.units.len()];
    graph
        .tasks
        .iter()
        .for_each(|task| open[task.unit.index()] += 1);
    let mut run = Run {
        scheduler,
        tasks: graph.tasks.into_iter().map(TaskSlot::from).collect(),
        pool_names,
        units: vec![
            UnitState {
                open: 0,
                started: false,
                outcome: Outcome::Done { changed: false }
            };
            graph.units.len()
        ],
        running: BTreeMap::new(),
        resting: Vec::new(),
        sender,
        jobs: unbounded(),
        workers: 0,
        redacting: Redacting::new(limits.redact.clone()),
        limits: limits.clone(),
        kill: 0,
        stopped_by: None,
        clock: Instant::now(),
        on_event,
    };
    run.units
        .iter_mut()
        .zip(open)
        .for_each(|(unit, open)| unit.open = open);
    run.tell(EventKind::RunStarted {
        units: graph.units,
        waits,
    });
    for unit in (0..run.units.len())
        .filter(|unit| run.units[*unit].open == 0)
        .collect::<Vec<_>>()
    {
        run.tell(EventKind::UnitFinished {
            unit: UnitId(unit as u32),
            outcome: Outcome::Done { changed: false },
        });
    }
    run.drive(&receiver, cancel);
    let interrupted = cancel.is_cancelled();
    let stopped_by = run.stopped_by;
    run.tell(EventKind::RunFinished {
        interrupted,
        stopped_by,
    });
    Ok(Summary {
        units: run.units.into_iter().map(|unit| unit.outcome).collect(),
        interrupted,
        stopped_by,
    })
}

enum Message {
    Told(EventKind),
    /// A task's thread ended; the work comes back for another attempt.
    Ended(usize, u32, Option<TaskFunction>, Result<Effect, Failure>),
}

/// A task without its edges, which the scheduler has.
struct TaskSlot {
    unit: UnitId,
    name: String,
    pools: Vec<crate::PoolId>,
    on_failure: OnFailure,
    timeout: Option<Duration>,
    retries: crate::Retries,
    work: Option<TaskFunction>,
    attempt: u32,
    /// When its time is over, all attempts together.
    deadline: Option<Instant>,
    /// Why the last attempt failed.
    last_failure: Option<String>,
}

impl From<Task> for TaskSlot {
    fn from(task: Task) -> Self {
        let Task {
            unit,
            name,
            pools,
            on_failure,
            timeout,
            retries,
            work,
            ..
        } = task;
        Self {
            unit,
            name,
            pools,
            on_failure,
            timeout,
            retries,
            work: Some(work),
            attempt: 0,
            deadline: None,
            last_failure: None,
        }
    }
}

#[derive(Clone)]
struct UnitState {
    open: usize,
    started: bool,
    outcome: Outcome,
}

struct Running {
    control: Arc<Control>,
    lane: usize,
    timed_out: bool,
    /// When something is done about it, and what.
    deadline: Option<(Instant, Escalation)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Escalation {
    TimeOut,
    Kill,
    GiveUp,
}

/// One attempt at a task, for a worker.
struct Job {
    task: usize,
    unit: UnitId,
    attempt: u32,
    control: Arc<Control>,
    work: Option<TaskFunction>,
}

impl Job {
    /// Runs the work and tells how it ended, also when it panics.
    fn run(self, sender: &Sender<Message>) {
        let Job {
            task,
            unit,
            attempt,
            control,
            mut work,
        } = self;
        let context = TaskContext::sending(unit, control, sender.clone(), Message::Told);
        let result = match work.as_mut() {
            Some(work) => catch_unwind(AssertUnwindSafe(|| work(&context))),
            None => Ok(Err(Failure::new("nothing to run"))),
        };
        let result = result.unwrap_or_else(|panic| {
            work = None;
            Err(Failure::new(format!("panicked: {}", panic_text(&*panic))))
        });
        let _ = sender.send(Message::Ended(task, attempt, work, result));
    }
}

struct Run<F> {
    scheduler: Scheduler,
    tasks: Vec<TaskSlot>,
    pool_names: Vec<String>,
    units: Vec<UnitState>,
    running: BTreeMap<usize, Running>,
    resting: Vec<(Instant, usize)>,
    sender: Sender<Message>,
    /// Work for the workers; each takes the next when it is done with one.
    jobs: (Sender<Job>, Receiver<Job>),
    workers: usize,
    limits: Limits,
    redacting: Redacting,
    kill: u8,
    stopped_by: Option<UnitId>,
    clock: Instant,
    on_event: F,
}

impl<F: FnMut(&Event)> Run<F> {
    fn drive(&mut self, receiver: &Receiver<Message>, cancel: &Cancel) {
        let wakeup = cancel.wakeup();
        loop {
            self.escalate(cancel);
            while self.running.len() < self.limits.jobs.max(1)
                && let Some(task) = self.scheduler.next()
            {
                self.start(task);
            }
            if self.scheduler.is_finished() {
                break;
            }
            let deadlines = self
                .running
                .values()
                .filter_map(|running| running.deadline.map(|(when, _)| when));
            let next = deadlines
                .chain(self.resting.iter().map(|(when, _)| *when))
                .min();
            let alarm = next.map_or_else(never, at);
            select! {
                recv(receiver) -> message => self.receive(message.ok()),
                recv(wakeup) -> _ => {}
                recv(alarm) -> _ => self.ring(Instant::now()),
            }
            for message in receiver.try_iter().take(256).collect::<Vec<_>>() {
                self.receive(Some(message));
            }
        }
    }

    fn tell(&mut self, kind: EventKind) {
        log::trace!("{kind:?}");
        (self.on_event)(&Event {
            elapsed: self.clock.elapsed(),
            kind,
        });
    }

    fn start(&mut self, task: usize) {
        let lane = (0..)
            .find(|lane| self.running.values().all(|running| running.lane != *lane))
            .unwrap_or(0);
        let slot = &mut self.tasks[task];
        slot.attempt += 1;
        let (unit, name, attempt) = (slot.unit, slot.name.clone(), slot.attempt);
        let control = Arc::new(Control::observed(
            self.limits.groups.clone(),
            self.limits.redact.clone(),
        ));
        slot.deadline = slot
            .deadline
            .or_else(|| Some(Instant::now() + slot.timeout?));
        let deadline = slot
            .deadline
            .map(|deadline| (deadline, Escalation::TimeOut));
        let work = slot.work.take();
        self.running.insert(
            task,
            Running {
                control: control.clone(),
                lane,
                timed_out: false,
                deadline,
            },
        );
        if !std::mem::replace(&mut self.units[unit.index()].started, true) {
            self.tell(EventKind::UnitStarted { unit });
        }
        let pools = self.tasks[task]
            .pools
            .iter()
            .map(|pool| self.pool_names[pool.index()].clone())
            .collect();
        self.tell(EventKind::TaskStarted {
            unit,
            task: name,
            lane,
            attempt,
            pools,
        });
        let job = Job {
            task,
            unit,
            attempt,
            control,
            work,
        };
        // A worker for each running task; one that was given up does not count.
        if self.running.len() > self.workers {
            let (jobs, sender) = (self.jobs.1.clone(), self.sender.clone());
            let worker = std::thread::Builder::new()
                .name("task".to_owned())
                .spawn(move || jobs.iter().for_each(|job| job.run(&sender)));
            match worker {
                Ok(_) => self.workers += 1,
                Err(error) => {
                    return self.ended(
                        task,
                        job.work,
                        Err(Failure::new(format!("cannot start a thread: {error}"))),
                    );
                }
            }
        }
        // The receiving end is ours too, so somebody will take it.
        let _ = self.jobs.0.send(job);
    }

    fn receive(&mut self, message: Option<Message>) {
        match message {
            Some(Message::Told(kind)) => {
                let kind = self.redacting.event(kind);
                self.tell(kind);
            }
            // A task that was given up may still end; nobody waits for it any more.
            Some(Message::Ended(task, attempt, work, result))
                if self.running.contains_key(&task) && self.tasks[task].attempt == attempt =>
            {
                let result = result.map_err(|failure| Failure {
                    message: self.redacting.message(failure.message),
                    ..failure
                });
                self.ended(task, work, result);
            }
            _ => {}
        }
    }

    /// Turns how a task's thread ended into its outcome, or into another attempt.
    fn ended(&mut self, task: usize, work: Option<TaskFunction>, result: Result<Effect, Failure>) {
        let timed_out = self
            .running
            .get(&task)
            .is_some_and(|running| running.timed_out);
        let slot = &mut self.tasks[task];
        let outcome = match result {
            Ok(effect) => Outcome::Done {
                changed: effect == Effect::Changed,
            },
            Err(_) if timed_out => Outcome::TimedOut {
                limit: slot.timeout.unwrap_or_default(),
            },
            Err(_) if self.kill > 0 => Outcome::Cancelled,
            Err(failure) if failure.is_not_started() => Outcome::Skipped {
                because: SkipReason::Declined(failure.message),
            },
            Err(failure) => {
                let may_retry = failure.is_transient()
                    && slot.attempt <= slot.retries.limit
                    && work.is_some()
                    && self.stopped_by.is_none();
                if may_retry {
                    slot.work = work;
                    return self.rest(task, failure.message);
                }
                Outcome::Failed {
                    reason: failure.message,
                }
            }
        };
        self.finish(task, outcome);
    }

    fn rest(&mut self, task: usize, reason: String) {
        let slot = &mut self.tasks[task];
        slot.last_failure = Some(reason.clone());
        let wait =
            slot.retries.first_wait * 2u32.saturating_pow(slot.attempt.saturating_sub(1)).min(64);
        let unit = slot.unit;
        self.running.remove(&task);
        self.scheduler.rest(task);
        self.resting.push((Instant::now() + wait, task));
        self.tell(EventKind::Retrying { unit, reason, wait });
    }

    fn finish(&mut self, task: usize, outcome: Outcome) {
        let lane = self.running.remove(&task).map_or(0, |running| running.lane);
        let TaskSlot {
            unit,
            name,
            on_failure,
            ..
        } = &self.tasks[task];
        let (unit, name, on_failure) = (*unit, name.clone(), *on_failure);
        let done = outcome.is_done();
        self.tell(EventKind::TaskFinished {
            unit,
            task: name,
            lane,
            outcome: outcome.clone(),
        });
        let skipped = self.scheduler.finish(task, &outcome);
        self.settle(unit, outcome);
        self.skip(skipped);
        if !done && on_failure == OnFailure::StopRun && self.kill == 0 && self.stopped_by.is_none()
        {
            self.stopped_by = Some(unit);
            let skipped = self.scheduler.stop(SkipReason::Stopped(unit));
            self.resting.clear();
            self.skip(skipped);
        }
    }

    fn skip(&mut self, skipped: Vec<Skipped>) {
        for Skipped { task, because } in skipped {
            // One that rested until its next attempt did start, and failed.
            let outcome = match self.tasks[task].last_failure.take() {
                Some(reason) => Outcome::Failed { reason },
                None => Outcome::Skipped { because },
            };
            self.settle(self.tasks[task].unit, outcome);
        }
    }

    /// One more task of a unit has ended.
    fn settle(&mut self, unit: UnitId, outcome: Outcome) {
        let state = &mut self.units[unit.index()];
        state.open -= 1;
        state.outcome = match (&state.outcome, outcome) {
            (Outcome::Done { changed }, Outcome::Done { changed: also }) => Outcome::Done {
                changed: *changed || also,
            },
            (Outcome::Done { .. }, worse)
            | (
                Outcome::Skipped { .. },
                worse @ (Outcome::Failed { .. } | Outcome::TimedOut { .. }),
            ) => worse,
            (kept, _) => kept.clone(),
        };
        if state.open == 0 {
            let outcome = state.outcome.clone();
            self.tell(EventKind::UnitFinished { unit, outcome });
        }
    }

    /// Does what a new level of cancellation asks for.
    fn escalate(&mut self, cancel: &Cancel) {
        let level = cancel.level();
        if level <= self.kill {
            return;
        }
        self.kill = level;
        self.tell(EventKind::Cancelling { kill: level > 1 });
        let (signal, next, wait) = match level {
            1 => (Signal::TERM, Escalation::Kill, self.limits.grace),
            _ => (Signal::KILL, Escalation::GiveUp, Duration::from_secs(1)),
        };
        for running in self.running.values_mut() {
            running.control.stop(signal);
            running.deadline = Some((Instant::now() + wait, next));
        }
        self.resting.clear();
        let skipped = self.scheduler.stop(SkipReason::Cancelled);
        self.skip(skipped);
    }

    /// Does what is due.
    fn ring(&mut self, now: Instant) {
        let (due, resting) = std::mem::take(&mut self.resting)
            .into_iter()
            .partition(|(when, _)| *when <= now);
        self.resting = resting;
        for (_, task) in due {
            self.scheduler.wake(task);
        }
        let due = |running: &Running| {
            running
                .deadline
                .filter(|(when, _)| *when <= now)
                .map(|(_, escalation)| escalation)
        };
        let due: Vec<(usize, Escalation)> = self
            .running
            .iter()
            .filter_map(|(task, running)| Some((*task, due(running)?)))
            .collect();
        for (task, escalation) in due {
            let Some(running) = self.running.get_mut(&task) else {
                continue;
            };
            match escalation {
                Escalation::TimeOut => {
                    running.timed_out = true;
                    running.control.time_out();
                    running.deadline = Some((now + self.limits.grace, Escalation::Kill));
                }
                Escalation::Kill | Escalation::GiveUp if running.control.is_mending() => {
                    running.deadline = Some((now + Duration::from_secs(1), escalation));
                }
                Escalation::Kill if running.control.has_children() => {
                    match running.timed_out && self.kill == 0 {
                        true => running.control.signal(Signal::KILL),
                        false => running.control.stop(Signal::KILL),
                    }
                    running.deadline = Some((now + self.limits.grace, Escalation::GiveUp));
                }
                // A call that heeds nothing, or a child that cannot even be killed.
                Escalation::Kill | Escalation::GiveUp => {
                    self.workers -= 1;
                    let outcome = match running.timed_out {
                        true => Outcome::TimedOut {
                            limit: self.tasks[task].timeout.unwrap_or_default(),
                        },
                        false => Outcome::Cancelled,
                    };
                    self.finish(task, outcome);
                }
            }
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
