//! Child processes: each the leader of its own group, its lines handed on as they come, its whole
//! group gone when it ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::event::Stream;
use crate::redact::Redact;

/// Longer lines are handed on in pieces of about this many bytes.
const LINE_LIMIT: usize = 16 * 1024;
/// More than this many bytes of data no command prints.
const DATA_LIMIT: u64 = 64 * 1024 * 1024;
/// How long output is still read when a process that left the group keeps the pipe open.
const DRAIN: Duration = Duration::from_millis(50);

/// A program with its arguments and surroundings. Standard input is empty where nothing is said of
/// it.
#[derive(Debug, Clone)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    environment: Option<BTreeMap<OsString, OsString>>,
    set: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    input: Option<PathBuf>,
    output: Option<PathBuf>,
    is_data: bool,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The exit code, or 128 and the number of the signal that ended it, as shells count.
    pub code: i32,
    /// True when a signal ended it.
    pub signalled: bool,
    /// True when it was ended because it had been silent for too long.
    pub stalled: bool,
}

/// A limit on how long a child may print nothing.
pub struct Silence<'a> {
    /// The longest time without output.
    pub limit: Duration,
    /// Returns true where a silent child is known to make progress, so that it gets the same time
    /// again.
    pub is_progressing: &'a dyn Fn() -> bool,
}

/// A stalled child that was asked to end is killed after this time.
const STALLED_GRACE: Duration = Duration::from_secs(2);

impl Exit {
    /// True for exit code 0.
    pub fn success(self) -> bool {
        self.code == 0
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.signalled {
            true => write!(f, "signal {}", self.code - 128),
            false => write!(f, "exit code {}", self.code),
        }
    }
}

/// Most characters of a command line in a debug message.
const LOGGED: usize = 300;

impl Command {
    /// A program by name or path.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            environment: None,
            set: Vec::new(),
            directory: None,
            input: None,
            output: None,
            is_data: false,
        }
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Replaces the inherited environment.
    pub fn environment<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = Some(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        );
        self
    }

    /// Sets one variable.
    pub fn set(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.set.push((name.into(), value.into()));
        self
    }

    /// The same, started by another program: its own name and arguments stand behind that
    /// program's.
    pub fn through<A: Into<OsString>>(
        self,
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut all: Vec<OsString> = args.into_iter().map(Into::into).collect();
        all.push(self.program);
        all.extend(self.args);
        Self {
            program: program.into(),
            args: all,
            ..self
        }
    }

    /// The working directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The file that standard input is read from.
    pub fn input(mut self, file: impl Into<PathBuf>) -> Self {
        self.input = Some(file.into());
        self
    }

    /// Says that its output is read by a program, not by people: lines come whole and as they are,
    /// also where they have secrets in them. A command that prints more than 64 MiB fails.
    pub fn data(mut self) -> Self {
        self.is_data = true;
        self
    }

    /// The file that standard output is written to, byte for byte; without one it is read line by
    /// line.
    pub fn output(mut self, file: impl Into<PathBuf>) -> Self {
        self.output = Some(file.into());
        self
    }

    /// The program and its arguments, for messages.
    pub fn line(&self) -> String {
        let words = std::iter::once(&self.program)
            .chain(&self.args)
            .map(|word| word.to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end, or until it has been silent for too long. Calls `started` with the
    /// process group, `ended` when that group is gone, and `on_line` with every line, without what
    /// is to be kept out of it.
    pub(crate) fn run(
        &self,
        silence: Option<&Silence<'_>>,
        redact: Option<&Redact>,
        started: impl FnOnce(Pid),
        ended: impl FnOnce(Pid),
        mut on_line: impl FnMut(Stream, &str),
    ) -> io::Result<Exit> {
        let (out_reader, out_writer) = io::pipe()?;
        let (err_reader, err_writer) = io::pipe()?;
        let mut expression = duct::cmd(&self.program, &self.args)
            .stderr_file(err_writer)
            .unchecked();
        // Of two redirections duct follows the first.
        expression = match &self.output {
            Some(file) => expression.stdout_path(file),
            None => expression.stdout_file(out_writer),
        };
        expression = match &self.input {
            Some(file) => expression.stdin_path(file),
            None => expression.stdin_null(),
        };
        match &self.environment {
            // duct lets a whole environment win over single variables, in whatever order they are
            // given.
            Some(environment) => {
                expression = expression.full_env(
                    environment
                        .iter()
                        .chain(self.set.iter().map(|(name, value)| (name, value))),
                )
            }
            None => {
                expression = self
                    .set
                    .iter()
                    .fold(expression, |expression, (name, value)| {
                        expression.env(name, value)
                    })
            }
        }
        if let Some(directory) = &self.directory {
            expression = expression.dir(directory);
        }
        expression = expression.before_spawn(|command| {
            command.process_group(0);
            Ok(())
        });
        let shown = || {
            let line = redact.map_or_else(|| self.line(), |redact| redact.text(self.line()));
            line.chars().take(LOGGED).collect::<String>()
        };
        log::debug!(
            "running {}{}",
            shown(),
            self.directory
                .as_ref()
                .map(|directory| format!(" in {}", directory.display()))
                .unwrap_or_default()
        );
        let begun = std::time::Instant::now();
        let handle = expression.start()?;
        // It keeps our copies of the pipes' other ends, without which they are never read to their
        // end.
        drop(expression);
        let group = handle
            .pids()
            .first()
            .and_then(|pid| Pid::from_raw(*pid as i32));
        let Some(group) = group else {
            return Err(io::Error::other("the child has no process id"));
        };
        started(group);
        let kind = if self.is_data {
            Reading::Data
        } else {
            Reading::Text(redact)
        };
        let mut readers = [
            Lines::new(out_reader, Stream::Stdout, kind),
            Lines::new(err_reader, Stream::Stderr, Reading::Text(redact)),
        ];
        let read = read_until_exit(group, silence, &mut readers, &mut on_line);
        // The leader is a zombie until `wait`, so its number still stands for its group and nobody
        // else's.
        let _ = kill_process_group(group, Signal::KILL);
        ended(group);
        let status = handle.wait()?.status;
        let stalled = read?;
        drain(&mut readers, &mut on_line)?;
        let code = status.code();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        let exit = Exit {
            code: code.unwrap_or(128 + signal.unwrap_or(0)),
            signalled: code.is_none(),
            stalled,
        };
        log::debug!(
            "{} ended with {exit} after {:?}",
            self.program.to_string_lossy(),
            begun.elapsed()
        );
        Ok(exit)
    }
}

/// Hands on lines until the leader has ended; it is not reaped. Returns true when it was ended
/// because it was silent for too long.
fn read_until_exit(
    leader: Pid,
    silence: Option<&Silence<'_>>,
    readers: &mut [Lines<'_>; 2],
    on_line: &mut dyn FnMut(Stream, &str),
) -> io::Result<bool> {
    readers.iter().try_for_each(Lines::without_waiting)?;
    let exit = exit_descriptor(leader);
    let mut watch = silence.map(SilenceWatch::new);
    loop {
        let mut watched: Vec<PollFd<'_>> = readers
            .iter()
            .filter(|lines| lines.open)
            .map(|lines| PollFd::new(&lines.pipe, PollFlags::IN))
            .collect();
        if let Some(exit) = &exit {
            watched.push(PollFd::new(exit, PollFlags::IN));
        }
        let tick = if exit.is_some() {
            None
        } else {
            Some(Duration::from_millis(20))
        };
        let deadline = watch.as_ref().map(SilenceWatch::remaining);
        let wait = tick.into_iter().chain(deadline).min();
        let wait = wait.map(|wait| Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: wait.subsec_nanos().into(),
        });
        match poll(&mut watched, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(watched);
        readers
            .iter_mut()
            .try_for_each(|lines| lines.read(on_line))?;
        if readers
            .iter()
            .any(|lines| matches!(lines.reading, Reading::Data) && lines.received > DATA_LIMIT)
        {
            return Err(io::Error::other("its output exceeds 64 MiB"));
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(leader), options) {
            Ok(Some(_)) => return Ok(watch.is_some_and(|watch| watch.stalled)),
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(watch) = &mut watch {
            watch.check(leader, readers.iter().map(|lines| lines.received).sum());
        }
    }
}

/// Measures for how long a child has printed nothing, and ends it after the limit.
struct SilenceWatch<'a> {
    silence: &'a Silence<'a>,
    /// How many bytes the child has printed.
    received: u64,
    deadline: Instant,
    stalled: bool,
}

impl<'a> SilenceWatch<'a> {
    fn new(silence: &'a Silence<'a>) -> Self {
        Self {
            silence,
            received: 0,
            deadline: Instant::now() + silence.limit,
            stalled: false,
        }
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Asks the group to end at the deadline, and kills it at the next one.
    fn check(&mut self, group: Pid, received: u64) {
        let printed = received != self.received;
        self.received = received;
        if printed && !self.stalled {
            self.deadline = Instant::now() + self.silence.limit;
        } else if self.remaining().is_zero() {
            if !self.stalled && (self.silence.is_progressing)() {
                self.deadline = Instant::now() + self.silence.limit;
                return;
            }
            let signal = if self.stalled {
                Signal::KILL
            } else {
                Signal::TERM
            };
            let _ = kill_process_group(group, signal);
            let _ = kill_process_group(group, Signal::CONT);
            self.stalled = true;
            self.deadline = Instant::now() + STALLED_GRACE;
        }
    }
}

/// What was written before the end; a process that left the group is not waited for.
fn drain(readers: &mut [Lines<'_>; 2], on_line: &mut dyn FnMut(Stream, &str)) -> io::Result<()> {
    let deadline = Instant::now() + DRAIN;
    loop {
        readers
            .iter_mut()
            .try_for_each(|lines| lines.read(on_line))?;
        let mut open: Vec<PollFd<'_>> = readers
            .iter()
            .filter(|lines| lines.open)
            .map(|lines| PollFd::new(&lines.pipe, PollFlags::IN))
            .collect();
        let left = deadline.saturating_duration_since(Instant::now());
        if open.is_empty() || left.is_zero() {
            break;
        }
        let _ = poll(
            &mut open,
            Some(&Timespec {
                tv_sec: 0,
                tv_nsec: left.subsec_nanos().into(),
            }),
        );
    }
    readers.iter_mut().for_each(|lines| lines.flush(on_line));
    Ok(())
}

#[cfg(target_os = "linux")]
fn exit_descriptor(leader: Pid) -> Option<std::os::fd::OwnedFd> {
    rustix::process::pidfd_open(leader, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn exit_descriptor(_: Pid) -> Option<std::os::fd::OwnedFd> {
    None
}

/// How output is read.
#[derive(Clone, Copy)]
enum Reading<'a> {
    /// Whole lines, as they are.
    Data,
    /// Lines of a bounded length, without what is to be kept out of them.
    Text(Option<&'a Redact>),
}

/// A pipe that is read as far as it goes without waiting, cut into lines.
struct Lines<'a> {
    pipe: PipeReader,
    stream: Stream,
    reading: Reading<'a>,
    pending: Vec<u8>,
    /// The end of what was handed on of a line that goes on, already without what is to be kept out
    /// of it.
    held: String,
    /// How many bytes were read.
    received: u64,
    open: bool,
}

impl<'a> Lines<'a> {
    fn new(pipe: PipeReader, stream: Stream, reading: Reading<'a>) -> Self {
        Self {
            pipe,
            stream,
            reading,
            pending: Vec::new(),
            held: String::new(),
            received: 0,
            open: true,
        }
    }

    fn without_waiting(&self) -> io::Result<()> {
        let flags = fcntl_getfl(self.pipe.as_fd())?;
        Ok(fcntl_setfl(self.pipe.as_fd(), flags | OFlags::NONBLOCK)?)
    }

    /// Reads at most a few buffers, so that an endless writer cannot keep us from seeing other
    /// things.
    fn read(&mut self, on_line: &mut dyn FnMut(Stream, &str)) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        for _ in 0..8 {
            if !self.open {
                break;
            }
            match self.pipe.read(&mut buffer) {
                Ok(0) => self.open = false,
                Ok(count) => {
                    self.received += count as u64;
                    self.pending.extend_from_slice(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.emit(on_line);
        }
        Ok(())
    }

    /// Hands on whole lines; `\r` ends one too, as progress displays use it.
    fn emit(&mut self, on_line: &mut dyn FnMut(Stream, &str)) {
        let mut start = 0;
        while let Some(length) = self.pending[start..]
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
        {
            if length > 0
                || !self.held.is_empty()
                || self.pending[start] == b'\n' && (start == 0 || self.pending[start - 1] != b'\r')
            {
                let line =
                    String::from_utf8_lossy(&self.pending[start..start + length]).into_owned();
                self.finish_line(&line, on_line);
            }
            start += length + 1;
        }
        self.pending.drain(..start);
        if self.pending.len() > LINE_LIMIT && matches!(self.reading, Reading::Text(_)) {
            // The first bytes of a letter wait for its last.
            let whole = match std::str::from_utf8(&self.pending) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => self.pending.len(),
            };
            let text = String::from_utf8_lossy(&self.pending[..whole]).into_owned();
            self.pending.drain(..whole);
            self.go_on(&text, on_line);
        }
    }

    /// Hands on a part of a line that goes on, but for as much as what is to be kept out may take:
    /// it may go on in the next part.
    fn go_on(&mut self, text: &str, on_line: &mut dyn FnMut(Stream, &str)) {
        let longest = if let Reading::Text(Some(redact)) = self.reading {
            redact.longest()
        } else {
            0
        };
        let mut text = self.redacted(text);
        let mut cut = text.len().saturating_sub(longest);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        self.held = text.split_off(cut);
        pieces(&text, |piece| on_line(self.stream, piece));
    }

    fn finish_line(&mut self, text: &str, on_line: &mut dyn FnMut(Stream, &str)) {
        let text = self.redacted(text);
        match self.reading {
            Reading::Data => on_line(self.stream, &text),
            Reading::Text(_) if text.is_empty() => on_line(self.stream, ""),
            Reading::Text(_) => pieces(&text, |piece| on_line(self.stream, piece)),
        }
    }

    /// What was held back, and this, without what is to be kept out.
    fn redacted(&mut self, text: &str) -> String {
        let text = std::mem::take(&mut self.held) + text;
        match self.reading {
            Reading::Text(Some(redact)) => redact.text(text),
            _ => text,
        }
    }

    fn flush(&mut self, on_line: &mut dyn FnMut(Stream, &str)) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() || !self.held.is_empty() {
            self.finish_line(&String::from_utf8_lossy(&pending), on_line);
        }
    }
}

/// Hands on a text in parts of whole letters, none much longer than a line may be.
fn pieces(mut text: &str, mut hand_on: impl FnMut(&str)) {
    while text.len() > LINE_LIMIT {
        let (piece, rest) = text.split_at(text.floor_char_boundary(LINE_LIMIT));
        hand_on(piece);
        text = rest;
    }
    if !text.is_empty() {
        hand_on(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is handed on of output that comes in these parts.
    fn lines(redact: Option<&Redact>, parts: &[&[u8]]) -> Vec<String> {
        let (reader, _) = io::pipe().unwrap();
        let mut lines = Lines::new(reader, Stream::Stdout, Reading::Text(redact));
        let mut all = Vec::new();
        for part in parts {
            lines.pending.extend_from_slice(part);
            lines.emit(&mut |_, line| all.push(line.to_owned()));
        }
        lines.flush(&mut |_, line| all.push(line.to_owned()));
        all
    }

    #[test]
    fn what_is_kept_out_is_found_wherever_a_long_line_is_cut() {
        let secret = "sécrét-größe";
        let redact = Redact::new(secret.len(), move |text| {
            text.contains(secret).then(|| text.replace(secret, "***"))
        });
        for before in [
            0,
            1,
            100,
            LINE_LIMIT - 20,
            LINE_LIMIT - 7,
            LINE_LIMIT - 1,
            LINE_LIMIT,
            3 * LINE_LIMIT + 5,
        ] {
            let text = format!(
                "{}{secret}{}{secret}",
                "x".repeat(before),
                "ü".repeat(LINE_LIMIT)
            );
            let wanted = text.replace(secret, "***");
            for size in [
                1000,
                4096,
                LINE_LIMIT - 1,
                LINE_LIMIT,
                LINE_LIMIT + 1,
                100_000,
            ] {
                let parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                let said = lines(Some(&redact), &parts);
                assert_eq!(said.concat(), wanted, "{before} {size}");
                assert!(
                    said.iter()
                        .all(|line| line.len() <= LINE_LIMIT && !line.contains('\u{fffd}')),
                    "{before} {size}"
                );
            }
        }
        assert_eq!(lines(None, &[b"a\r\nb\rc\n\nd"]), ["a", "b", "c", "", "d"]);
    }

    #[test]
    fn lines_of_data_are_whole_however_long_they_are() {
        for length in [
            0,
            1,
            LINE_LIMIT - 1,
            LINE_LIMIT,
            LINE_LIMIT + 1,
            3 * LINE_LIMIT,
            1 << 20,
        ] {
            let script = format!(
                "head -c {length} /dev/zero | tr '\\0' x; echo; echo next; head -c {length} /dev/zero | tr '\\0' y"
            );
            let command = Command::new("sh").args(["-c", &script]).data();
            let mut lines = Vec::new();
            let exit = command
                .run(
                    None,
                    None,
                    |_| {},
                    |_| {},
                    |_, line| lines.push(line.to_owned()),
                )
                .unwrap();
            assert!(exit.success());
            let mut wanted = vec!["x".repeat(length), "next".to_owned()];
            wanted.extend((length > 0).then(|| "y".repeat(length)));
            assert!(
                lines == wanted,
                "{length}: {:?}",
                lines.iter().map(String::len).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn output_goes_to_a_file_byte_for_byte() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let command = Command::new("sh")
            .args(["-c", "printf 'a\\0\\377\\r\\nb'; echo told >&2"])
            .output(file.path());
        let mut said = Vec::new();
        let exit = command
            .run(
                None,
                None,
                |_| {},
                |_| {},
                |stream, line| said.push((stream, line.to_owned())),
            )
            .unwrap();
        assert!(exit.success());
        assert_eq!(std::fs::read(file.path()).unwrap(), b"a\0\xff\r\nb");
        assert_eq!(said, [(Stream::Stderr, "told".to_owned())]);
    }
}
