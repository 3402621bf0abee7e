//! A process that outlives a run which is killed: it ends what the run had started, and marks when
//! all of it was over.
//!
//! The watchdog is hoist itself. It waits for the other end of a pipe that only the run holds, and
//! it holds the run's lock until it is done, so that the next run does not begin in the middle of
//! the last one.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hoist_executor::GroupObserver;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use hoist_machine::processes::{RUN, end_processes};

/// Name of the mark in the directory of a run: its time is when the run was killed.
pub(crate) const KILLED: &str = "killed";

/// Name of the mark whose time is when everything that the run had started was over, too.
pub(crate) const ENDED: &str = "ended";

/// What a run says: a process group has started or ended, whose number follows in four bytes; the
/// run ends by itself.
const GROUP_STARTED: u8 = b'+';
const GROUP_ENDED: u8 = b'-';
const DONE: u8 = b'.';

/// The watchdog of a run.
#[derive(Debug)]
pub struct Watchdog {
    run: Arc<PipeWriter>,
    process: Child,
}

impl Watchdog {
    /// Starts the watchdog of a run: `program` is hoist, `arguments` are those that make it call
    /// [`watch`], and `logs` is the directory of the run.
    ///
    /// # Errors
    /// The process cannot be started. The run does without it; what a killed one leaves is then
    /// told apart from what others wrote less exactly.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        run: &str,
        logs: &Path,
        lock: OwnedFd,
    ) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(arguments).arg(run).arg(logs);
        command
            .stdin(reader)
            .stdout(Stdio::from(lock))
            .stderr(Stdio::null())
            .current_dir("/")
            .env_clear()
            .process_group(0);
        Ok(Self {
            run: Arc::new(writer),
            process: command.spawn()?,
        })
    }

    /// Returns what tells it which process groups run.
    pub fn observer(&self) -> GroupObserver {
        let run = self.run.clone();
        GroupObserver::new(move |group, started| {
            let [a, b, c, d] = group.to_le_bytes();
            // Nobody listens any more where the watchdog was killed.
            let _ = (&*run).write_all(&[
                if started { GROUP_STARTED } else { GROUP_ENDED },
                a,
                b,
                c,
                d,
            ]);
        })
    }

    /// Ends it, since the run has ended by itself.
    pub fn end(mut self) {
        if (&*self.run).write_all(&[DONE]).is_ok() {
            let _ = self.process.wait();
        }
    }
}

/// Waits for the end of a run, and sees to what it leaves where it was killed.
///
/// # Errors
/// The mark cannot be written.
pub fn watch(run: &str, logs: &Path) -> io::Result<()> {
    let mut groups: BTreeSet<i32> = BTreeSet::new();
    let mut told = io::stdin().lock();
    let mut word = [0];
    while told.read_exact(&mut word).is_ok() {
        if word == [DONE] {
            return Ok(());
        }
        let mut group = [0; 4];
        if told.read_exact(&mut group).is_err() {
            break;
        }
        match word {
            [GROUP_STARTED] => drop(groups.insert(i32::from_le_bytes(group))),
            _ => drop(groups.remove(&i32::from_le_bytes(group))),
        }
    }
    let groups: Vec<Pid> = groups.into_iter().filter_map(Pid::from_raw).collect();
    for group in &groups {
        let _ = kill_process_group(*group, Signal::KILL);
    }
    mark(&logs.join(KILLED))?;
    // What has left its group, or had just started.
    end_processes(&[format!("{RUN}={run}")]);
    let is_alive = |group: &Pid| test_kill_process_group(*group).is_ok();
    for _ in 0..1000 {
        if !groups.iter().any(is_alive) {
            break;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    mark(&logs.join(ENDED))
}

/// Makes a mark. Its time is later than that of everything that was written before, and no later
/// than that of what is written after.
fn mark(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |logs| {
        DirBuilder::new().recursive(true).mode(0o700).create(logs)
    })?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // Times are those of the last tick of a clock, unless somebody has looked at one since it was
    // set.
    file.metadata()?;
    file.write_all(b"\n")
}
