//! A process with limits, for work of which somebody else decides how long it takes.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::{EvaluationResult, EvaluationTask};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

/// So much memory may be used, in bytes.
const MEMORY: u64 = 512 << 20;
/// So long, in seconds of a processor.
const SECONDS: u64 = 5;
/// An answer has at most so many bytes.
const ANSWER: u64 = 64 << 20;

/// The argument with which a program that plugins are evaluated by is started: it calls [`answer`].
pub const EVALUATE: &str = "__evaluate";

/// Has a program carry out a task within limits.
pub fn evaluate(program: &Path, task: &EvaluationTask) -> Result<EvaluationResult, String> {
    let wrong = |error: std::io::Error| format!("cannot start a process for it: {error}");
    let question = serde_json::to_vec(task).map_err(|error| error.to_string())?;
    let mut process = Command::new(program)
        .arg(EVALUATE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(wrong)?;
    let asked = process
        .stdin
        .take()
        .map(|mut stdin| stdin.write_all(&question));
    let mut answer = Vec::new();
    let read = process
        .stdout
        .take()
        .map(|stdout| stdout.take(ANSWER + 1).read_to_end(&mut answer));
    if answer.len() as u64 > ANSWER {
        let _ = process.kill();
    }
    let status = process.wait().map_err(wrong)?;
    if answer.len() as u64 > ANSWER {
        return Err(format!("its result exceeds {} MiB", ANSWER >> 20));
    }
    let is_whole = matches!((asked, read), (Some(Ok(())), Some(Ok(_)))) && status.success();
    match serde_json::from_slice(&answer).ok().filter(|_| is_whole) {
        Some(answer) => Ok(answer),
        None => Err(ended(status)),
    }
}

fn ended(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() || signal == Signal::KILL.as_raw() => {
            format!("it takes more than {SECONDS} seconds")
        }
        Some(signal) if signal == Signal::INT.as_raw() || signal == Signal::TERM.as_raw() => {
            "it was interrupted".to_owned()
        }
        _ => format!(
            "it needs more than {} MiB of memory, or is nested too deeply",
            MEMORY >> 20
        ),
    }
}

/// Carries out the task on the standard input in this process, which has limits from then on.
///
/// # Errors
/// The limits cannot be set, or nobody asks or listens.
pub fn answer() -> std::io::Result<()> {
    let limit = |resource, most| {
        let most = Some(most);
        setrlimit(
            resource,
            Rlimit {
                current: most,
                maximum: most,
            },
        )
    };
    // What it knows may be secret.
    limit(Resource::Core, 0)?;
    limit(Resource::As, MEMORY)?;
    limit(Resource::Cpu, SECONDS)?;
    let mut question = Vec::new();
    std::io::stdin().lock().read_to_end(&mut question)?;
    let task: EvaluationTask = serde_json::from_slice(&question)?;
    serde_json::to_writer(std::io::stdout().lock(), &task.run())?;
    Ok(())
}
