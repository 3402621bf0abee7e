//! hoist on other hosts: one connection of the system's ssh, this program cached there by its
//! digest, what it needs as a stream, its events read as they come.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hoist_executor::{Effect, Failure, ItemChange, Level, Stream, TaskContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::payload::{Header, Payload};
use crate::ssh::{Connection, Ended, Host};
use hoist_machine::machine::Machine;

/// What hoist is to do on a host.
#[derive(Clone)]
pub struct Remote {
    /// Where.
    pub host: Host,
    /// Whether it is done as root, with sudo.
    pub sudo: bool,
    /// What is asked of hoist there.
    pub header: Header,
    /// The directories that it needs there, each with the name that it has there.
    pub trees: Vec<(String, PathBuf)>,
    /// What stands before its lines, where those of several hosts come together.
    pub prefix: String,
    /// How many hosts may fail until no other is begun, and how many have by now.
    pub failures: Arc<Failures>,
    /// Called when hoist has started there, before it changes anything.
    pub begun: Option<Begun>,
}

/// What is called when hoist has started on a host.
pub type Begun = Arc<dyn Fn() -> Result<(), Failure> + Send + Sync>;

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("host", &self.host)
            .field("sudo", &self.sudo)
            .finish_non_exhaustive()
    }
}

/// How many hosts have failed, and how many may.
#[derive(Debug)]
pub struct Failures {
    /// So many may; one more, and no other is begun.
    pub allowed: usize,
    /// So many have.
    pub count: AtomicUsize,
}

/// What comes back from a host, a line each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "hoist", rename_all = "snake_case")]
pub(crate) enum HostMessage {
    /// It has started, and this is its version.
    Hello {
        /// Of hoist.
        version: String,
    },
    /// It is still there.
    Alive,
    /// A line of what it would have printed.
    Out {
        /// The line.
        line: String,
    },
    /// A line of what it would have printed among errors.
    Err {
        /// The line.
        line: String,
    },
    /// It has ended.
    Bye {
        /// With this exit code.
        code: i32,
    },
}

/// So many lines are shown of a module that failed.
const LINES: usize = 10;

/// What was told of the modules on a host.
#[derive(Debug, Default)]
struct Told {
    prefix: String,
    hello: bool,
    code: Option<i32>,
    modules: usize,
    finished: usize,
    counts: BTreeMap<String, u64>,
    problems: Vec<String>,
    /// So many were not begun because of others.
    skipped: usize,
    /// The last lines of each module that is at work.
    last: BTreeMap<String, VecDeque<String>>,
    /// What it would have printed, where that is kept.
    printed: Option<String>,
    said: Vec<String>,
}

/// Runs hoist on a host, and tells here what happens there.
pub fn run(machine: &Machine, remote: &Remote, task: &TaskContext) -> Result<Effect, Failure> {
    let failed = remote.failures.count.load(Ordering::SeqCst);
    if failed > remote.failures.allowed {
        return Err(Failure::not_started(format!(
            "not started: {failed} host{} failed, and the limit is {}",
            if failed == 1 { " has" } else { "s have" },
            remote.failures.allowed
        )));
    }
    let done = begin(machine, remote, task);
    if done.is_err() {
        remote.failures.count.fetch_add(1, Ordering::SeqCst);
    }
    done
}

/// Runs hoist on a host, and returns what it would have printed there.
///
/// # Errors
/// The host cannot be reached, or hoist there ended with another exit code than that of success.
pub fn printed_on(machine: &Machine, remote: &Remote) -> Result<String, Failure> {
    let told = serve_on(
        machine,
        remote,
        &TaskContext::alone(|_| {}),
        Some(String::new()),
    )?;
    let printed = told.printed.clone().unwrap_or_default();
    // What is wrong is told among errors, which is not lost.
    told.outcome(&remote.host).map(|_| printed)
}

fn begin(machine: &Machine, remote: &Remote, task: &TaskContext) -> Result<Effect, Failure> {
    serve_on(machine, remote, task, None)?.outcome(&remote.host)
}

fn serve_on(
    machine: &Machine,
    remote: &Remote,
    task: &TaskContext,
    printed: Option<String>,
) -> Result<Told, Failure> {
    let connection = Connection::new(machine, &remote.host, task)?;
    let payload = Payload::write(machine, remote)?;
    for attempt in 0..2 {
        let mut told = Told {
            prefix: remote.prefix.clone(),
            printed: printed.clone(),
            ..Told::default()
        };
        let mut begun = Ok(());
        let ended = connection.serve(&payload, remote.sudo, |stream, line| {
            let was_begun = told.hello;
            told.hear(stream, line, task);
            if let (false, true, Some(call)) = (was_begun, told.hello, &remote.begun) {
                begun = call();
            }
        })?;
        begun?;
        match ended {
            Ended::Absent if attempt == 0 => connection.upload(&payload)?,
            Ended::Absent => {
                return Err(Failure::new(format!(
                    "{}: hoist was copied there, but does not exist there",
                    remote.host
                )));
            }
            Ended::With(failure) if !told.hello => return Err(failure),
            Ended::With(failure) => {
                return Err(Failure::new(format!(
                    "{}; its run there is stopped",
                    failure.message
                )));
            }
            Ended::Done => return Ok(told),
        }
    }
    Err(Failure::new(format!(
        "{}: cannot start hoist there",
        remote.host
    )))
}

impl Told {
    fn hear(&mut self, stream: Stream, line: &str, task: &TaskContext) {
        match serde_json::from_str::<HostMessage>(line) {
            Ok(HostMessage::Hello { .. }) => self.hello = true,
            Ok(HostMessage::Alive) => {}
            Ok(HostMessage::Bye { code }) => self.code = Some(code),
            Ok(HostMessage::Err { line }) => {
                self.said.push(line.clone());
                task.output(Stream::Stderr, &line);
            }
            Ok(HostMessage::Out { line }) => {
                match (&mut self.printed, serde_json::from_str::<Value>(&line)) {
                    (Some(printed), _) => *printed += &(line + "\n"),
                    (None, Ok(event)) if event.is_object() => self.event(&event, task),
                    _ => task.output(Stream::Stdout, &line),
                }
            }
            // What the host itself says, such as the message of the day.
            Err(_) => task.output(stream, line),
        }
    }

    fn event(&mut self, event: &Value, task: &TaskContext) {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let (module, prefix) = (text("module"), self.prefix.clone());
        match text("event") {
            "run_started" => self.modules = event["modules"].as_array().map_or(0, Vec::len),
            "module_output" => {
                let line = text("line");
                task.output(Stream::Stdout, &format!("{prefix}{module}: {line}"));
                if !line.trim().is_empty() {
                    let last = self.last.entry(module.to_owned()).or_default();
                    last.push_back(line.to_owned());
                    last.drain(..last.len().saturating_sub(LINES));
                }
            }
            "module_finished" => {
                self.finished += 1;
                task.progress(self.finished as u64, self.modules as u64);
                let status = text("status");
                if status != "unchanged" {
                    task.output(Stream::Stdout, &format!("{prefix}{status} {module}"));
                }
                for message in event["messages"].as_array().into_iter().flatten() {
                    let level = match message["level"].as_str() {
                        Some("error") => Level::Error,
                        Some("warning") => Level::Warning,
                        Some("success") => Level::Success,
                        _ => Level::Info,
                    };
                    let text = message["text"].as_str().unwrap_or_default();
                    match level {
                        // It stands among the lines that came before.
                        Level::Info | Level::Success => {}
                        level => task.note_from(&format!("{prefix}{module}"), level, text),
                    }
                }
                // What there is to do for a person there is told here.
                for item in event["items"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|item| item["fate"] == "left")
                {
                    let reason = item["reason"].as_str().map(str::to_owned);
                    task.item(
                        ItemChange::NeedsAttention,
                        format!("{prefix}{}", item["subject"].as_str().unwrap_or_default()),
                        reason,
                    );
                }
                let last = self.last.remove(module).unwrap_or_default();
                match status {
                    "failed" | "interrupted" => {
                        last.iter().for_each(|line| {
                            task.note_from(&format!("{prefix}{module}"), Level::Info, line)
                        });
                        let reason = event["reason"].as_str().unwrap_or(status);
                        let said = last
                            .back()
                            .filter(|line| !reason.contains(line.trim()))
                            .map(|line| format!(": {}", line.trim()));
                        self.problems
                            .push(format!("{module}: {reason}{}", said.unwrap_or_default()));
                    }
                    "skipped" | "not_started" => self.skipped += 1,
                    _ => {}
                }
            }
            "run_finished" => {
                let counts = event["counts"].as_object().into_iter().flatten();
                self.counts = counts
                    .filter_map(|(status, count)| Some((status.clone(), count.as_u64()?)))
                    .collect();
            }
            _ => {}
        }
        // A mistake is told as a document.
        for wrong in event["diagnostics"]
            .as_array()
            .into_iter()
            .flatten()
            .chain(event["errors"].as_array().into_iter().flatten())
        {
            self.problems
                .push(wrong["message"].as_str().unwrap_or_default().to_owned());
        }
    }

    fn outcome(self, host: &Host) -> Result<Effect, Failure> {
        let changed = self
            .counts
            .iter()
            .any(|(status, count)| status != "unchanged" && *count > 0);
        match self.code {
            Some(0) => Ok(if changed {
                Effect::Changed
            } else {
                Effect::Unchanged
            }),
            Some(code) => {
                let why = if self.problems.is_empty() {
                    self.said.last().cloned().unwrap_or_default()
                } else {
                    self.problems.join("; ")
                };
                let others = match self.skipped {
                    0 => String::new(),
                    1 => "; 1 module was not started".to_owned(),
                    several => format!("; {several} modules were not started"),
                };
                Err(Failure::new(format!(
                    "{why}{others} (hoist there ended with exit code {code})"
                )))
            }
            None => Err(Failure::new(format!(
                "lost the connection to {host} before its run ended"
            ))),
        }
    }
}
