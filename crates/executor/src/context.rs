//! What a task may do besides its own work: tell, ask whether to stop, run a command.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::event::{EventKind, ItemChange, Level, Stream};
use crate::failure::Failure;
use crate::ids::UnitId;
use crate::process::{Command, Exit, Silence};
use crate::redact::Redact;

/// What the coordinator and a running task share.
#[derive(Debug, Default)]
pub(crate) struct Control {
    stop: AtomicBool,
    killed: AtomicBool,
    /// Since when it takes back what it had begun.
    mending: Mutex<Option<Instant>>,
    timed_out: AtomicBool,
    children: Mutex<Children>,
    observer: Option<GroupObserver>,
    redact: Option<Redact>,
}

/// Is told of the process groups that run, as they start and after they have ended: with the number
/// of a group, and whether it started. It is called by the threads of the tasks, and holds them up.
#[derive(Clone)]
pub struct GroupObserver(Arc<dyn Fn(i32, bool) + Send + Sync>);

impl GroupObserver {
    /// An observer that calls this.
    pub fn new(observe: impl Fn(i32, bool) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

impl std::fmt::Debug for GroupObserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GroupObserver")
    }
}

/// So long a task may take back what it had begun.
const MENDING: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct Children {
    groups: Vec<Pid>,
    /// What the last of them was told; a child that starts after that is told the same.
    signal: Option<Signal>,
}

impl Control {
    pub(crate) fn observed(observer: Option<GroupObserver>, redact: Option<Redact>) -> Self {
        Self {
            observer,
            redact,
            ..Self::default()
        }
    }

    pub(crate) fn time_out(&self) {
        self.timed_out.store(true, Ordering::SeqCst);
        self.stop(Signal::TERM);
    }

    pub(crate) fn stop(&self, signal: Signal) {
        if signal == Signal::KILL {
            self.killed.store(true, Ordering::SeqCst);
        }
        self.signal(signal);
    }

    /// Sends a signal to the children of the task, which may go on to something else without them.
    pub(crate) fn signal(&self, signal: Signal) {
        self.stop.store(true, Ordering::SeqCst);
        let spared = self.is_mending();
        let mut children = self.children();
        children.signal = Some(signal);
        for group in children.groups.iter().filter(|_| !spared) {
            tell(*group, signal);
        }
    }

    /// True while the task takes back what it had begun, and nobody has had enough of that.
    pub(crate) fn is_mending(&self) -> bool {
        let since = *self.mending.lock().unwrap_or_else(PoisonError::into_inner);
        !self.killed.load(Ordering::SeqCst) && since.is_some_and(|since| since.elapsed() < MENDING)
    }

    fn set_mending(&self, since: Option<Instant>) {
        *self.mending.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst) && !self.is_mending()
    }

    /// True when a child is alive, so that waiting for it makes sense.
    pub(crate) fn has_children(&self) -> bool {
        !self.children().groups.is_empty()
    }

    fn children(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self, group: Pid) {
        if let Some(GroupObserver(observe)) = &self.observer {
            observe(group.as_raw_nonzero().get(), true);
        }
        let spared = self.is_mending();
        let mut children = self.children();
        children.groups.push(group);
        if let Some(signal) = children.signal.filter(|_| !spared) {
            tell(group, signal);
        }
    }

    fn ended(&self, group: Pid) {
        self.children().groups.retain(|known| *known != group);
        if let Some(GroupObserver(observe)) = &self.observer {
            observe(group.as_raw_nonzero().get(), false);
        }
    }
}

/// Sends a signal to a group, also when its members are stopped.
fn tell(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
    let _ = kill_process_group(group, Signal::CONT);
}

/// The surroundings of one running task.
pub struct TaskContext {
    unit: UnitId,
    control: Arc<Control>,
    tell: Box<dyn Fn(EventKind) + Send + Sync>,
}

impl TaskContext {
    pub(crate) fn new(
        unit: UnitId,
        control: Arc<Control>,
        tell: impl Fn(EventKind) + Send + Sync + 'static,
    ) -> Self {
        Self {
            unit,
            control,
            tell: Box::new(tell),
        }
    }

    pub(crate) fn sending<M: Send + 'static>(
        unit: UnitId,
        control: Arc<Control>,
        to: Sender<M>,
        wrap: fn(EventKind) -> M,
    ) -> Self {
        // Nobody listens any more when the run gave this task up.
        Self::new(unit, control, move |kind| drop(to.send(wrap(kind))))
    }

    /// A context outside any run, for doing one task's work alone; it is never cancelled.
    pub fn alone(tell: impl Fn(EventKind) + Send + Sync + 'static) -> Self {
        Self::new(UnitId(0), Arc::default(), tell)
    }

    /// What ends this task early when it is called from another thread: its children are asked to
    /// end.
    pub fn stopper(&self) -> impl Fn() + Send + 'static {
        let control = self.control.clone();
        move || control.stop(Signal::TERM)
    }

    /// A line of output, as if a child had written it.
    pub fn output_line(&self, line: &str) {
        self.output(Stream::Stdout, line);
    }

    /// A line of output of a stream.
    pub fn output(&self, stream: Stream, line: &str) {
        (self.tell)(EventKind::Output {
            unit: self.unit,
            stream,
            line: line.to_owned(),
        });
    }

    /// Something worth telling people.
    pub fn note(&self, level: Level, text: impl Into<String>) {
        (self.tell)(EventKind::Note {
            unit: self.unit,
            level,
            text: text.into(),
            source: None,
        });
    }

    /// Something worth telling people that a program said which the task ran.
    pub fn note_from(&self, source: &str, level: Level, text: impl Into<String>) {
        (self.tell)(EventKind::Note {
            unit: self.unit,
            level,
            text: text.into(),
            source: Some(source.to_owned()),
        });
    }

    /// What became of one thing.
    pub fn item(
        &self,
        item_change: ItemChange,
        subject: impl Into<String>,
        reason: Option<String>,
    ) {
        (self.tell)(EventKind::Item {
            unit: self.unit,
            item_change,
            subject: subject.into(),
            reason,
        });
    }

    /// The unit went from one version to another.
    pub fn version(&self, from: Option<String>, to: Option<String>) {
        (self.tell)(EventKind::Version {
            unit: self.unit,
            from,
            to,
        });
    }

    /// How far the task has come; `total` is zero when that is not known.
    pub fn progress(&self, done: u64, total: u64) {
        (self.tell)(EventKind::Progress {
            unit: self.unit,
            done,
            total,
        });
    }

    /// True when the task should end: the run is to stop, or its time is over.
    pub fn is_cancelled(&self) -> bool {
        self.control.is_stopped()
    }

    /// Does what has to be done also when the task should end, such as taking back what it had
    /// begun: while it lasts the task is not asked to end. A run that is killed ends it, and so do
    /// five minutes.
    pub fn repair<T>(&self, work: impl FnOnce() -> T) -> T {
        self.control.set_mending(Some(Instant::now()));
        let done = work();
        self.control.set_mending(None);
        done
    }

    /// True when the time of the task is over.
    pub fn has_timed_out(&self) -> bool {
        self.control.timed_out.load(Ordering::SeqCst)
    }

    /// Lets a task whose time is over finish its work by another way: from now on it is not asked
    /// to end. A run that is killed ends it, and so do five minutes.
    pub fn finish_after_timeout(&self) {
        if self.has_timed_out() {
            self.control.set_mending(Some(Instant::now()));
        }
    }

    /// Fails when the task should end.
    pub fn check(&self) -> Result<(), Failure> {
        if self.is_cancelled() {
            Err(Failure::new("stopped"))
        } else {
            Ok(())
        }
    }

    /// Runs a command to its end; its lines become output.
    pub fn run(&self, command: &Command) -> Result<Exit, Failure> {
        self.run_with(command, |stream, line| self.output(stream, line))
    }

    /// Runs a command to its end and hands its lines to `on_line`.
    pub fn run_with(
        &self,
        command: &Command,
        on_line: impl FnMut(Stream, &str),
    ) -> Result<Exit, Failure> {
        self.run_watched(command, None, on_line)
    }

    /// Runs a command to its end, or until it has been silent for too long, and hands its lines to
    /// `on_line`.
    pub fn run_watched(
        &self,
        command: &Command,
        silence: Option<&Silence<'_>>,
        on_line: impl FnMut(Stream, &str),
    ) -> Result<Exit, Failure> {
        self.check()?;
        let exit = command.run(
            silence,
            self.control.redact.as_ref(),
            |group| self.control.started(group),
            |group| self.control.ended(group),
            on_line,
        );
        let exit = exit.map_err(|error| {
            Failure::new(format!(
                "cannot run {}: {error}",
                shortened(&command.line())
            ))
        })?;
        self.check()?;
        Ok(exit)
    }

    /// Runs a command to its end and returns what it wrote to standard output; what it wrote
    /// elsewhere becomes output.
    pub fn read(&self, command: &Command) -> Result<(Exit, String), Failure> {
        let mut text = String::new();
        let exit = self.run_with(&command.clone().data(), |stream, line| match stream {
            Stream::Stdout => {
                text.push_str(line);
                text.push('\n');
            }
            Stream::Stderr => self.output(stream, line),
        })?;
        Ok((exit, text))
    }

    /// The given failure's text with the path it is about.
    pub fn failed(&self, doing: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(format!("{doing} {}: {error}", path.display()))
    }
}

fn shortened(line: &str) -> String {
    let line = line.lines().next().unwrap_or_default();
    match line.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
