//! The other end: hoist on a host, told by a stream what to do. It runs hoist proper as a child,
//! hands on its lines, and ends it when nobody listens any more.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::payload::receive;
use crate::run::HostMessage;
use hoist_machine::scratch;
use hoist_machine::scratch::Spare;

/// How often it says that it is still there; where that cannot be said, nobody listens.
const BEAT: Duration = Duration::from_secs(1);

/// Reads what is to be done from `input`, does it, and tells of it on `output`, a line of JSON for
/// each thing. `cache` is where the directories go that come along.
///
/// # Errors
/// What came cannot be read, or hoist cannot be started.
pub fn serve(
    input: impl Read,
    output: impl Write + Send + 'static,
    program: &Path,
    cache: &Path,
) -> io::Result<i32> {
    let output = Arc::new(Mutex::new(output));
    let say = |word: &HostMessage| say(&output, word);
    say(&HostMessage::Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })?;
    let into = cache.join("hosted");
    let (header, names) = receive(input, &into)?;
    let argument = |argument: &String| match argument
        .strip_prefix('@')
        .filter(|name| names.iter().any(|known| known == name))
    {
        Some(name) => into.join(name).display().to_string(),
        None => argument.clone(),
    };
    scratch::clean();
    let spare = Spare::default();
    let config = header
        .config
        .as_ref()
        .map(|text| private_file(text, &spare))
        .transpose()?;
    let mut command = Command::new(program);
    command
        .args(header.arguments.iter().map(argument))
        .envs(&header.variables)
        .current_dir("/");
    if let Some((_, path)) = &config {
        command.env("HOIST_CONFIG", path);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let number = Pid::from_child(&child);
    let hand_on = |from: Option<Box<dyn Read + Send>>, wrap: fn(String) -> HostMessage| {
        let output = output.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from.unwrap_or_else(|| Box::new(io::empty())))
                .split(b'\n')
                .map_while(Result::ok)
            {
                let _ = self::say(&output, &wrap(String::from_utf8_lossy(&line).into_owned()));
            }
        })
    };
    let out = hand_on(
        child
            .stdout
            .take()
            .map(|out| Box::new(out) as Box<dyn Read + Send>),
        |line| HostMessage::Out { line },
    );
    let err = hand_on(
        child
            .stderr
            .take()
            .map(|err| Box::new(err) as Box<dyn Read + Send>),
        |line| HostMessage::Err { line },
    );
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait()));
    let status = loop {
        match end.recv_timeout(BEAT) {
            Ok(status) => break status?,
            Err(_) if say(&HostMessage::Alive).is_ok() => {}
            Err(_) => {
                // As an interrupt would: what is begun is ended in good order.
                let _ = kill_process(number, Signal::INT);
            }
        }
    };
    let _ = (out.join(), err.join());
    let code = status.code().unwrap_or(128);
    say(&HostMessage::Bye { code })?;
    Ok(code)
}

fn say<W: Write>(output: &Mutex<W>, word: &HostMessage) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output.write_all(&line)?;
    output.flush()
}

/// A file that only its owner can read, and that goes with what is returned.
fn private_file(text: &str, spare: &Spare) -> io::Result<(tempfile::TempDir, PathBuf)> {
    let directory = spare
        .directory("config")
        .map_err(|failure| io::Error::other(failure.message))?;
    let path = directory.path().join("config.json");
    hoist_files::write(&path, text.as_bytes(), 0o600)?;
    Ok((directory, path))
}
