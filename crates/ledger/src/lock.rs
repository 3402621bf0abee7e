//! One hoist at a time, and who it is.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use hoist_files::{make_private, private_directory};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::values::now;

/// Who holds the lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// Since when, RFC 3339.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            0 => f.write_str("unknown process"),
            pid => {
                let local = self
                    .since
                    .parse::<Timestamp>()
                    .map(|since| since.to_zoned(TimeZone::system()));
                let since = local.map_or_else(
                    |_| self.since.clone(),
                    |since| since.strftime("%H:%M:%S").to_string(),
                );
                write!(f, "process {pid}, `{}`, since {since}", self.command)
            }
        }
    }
}

/// How long the lock of a process that has ended is waited for without a word.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// The right to change this machine; given back when dropped, or when the process ends however.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Returns the lock for another process, which holds it as long as it has this open.
    pub fn duplicate(&self) -> std::io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }

    /// Takes the lock in the state directory. While another has it, `wait` is asked again and
    /// again, with the holder, whether to go on waiting.
    pub fn take(
        directory: &Path,
        command: &str,
        mut wait: impl FnMut(&Holder) -> bool,
    ) -> Result<Self, LedgerError> {
        let path = directory.join("lock");
        let io = |error| LedgerError::Io {
            path: path.clone(),
            error,
        };
        private_directory(directory).map_err(io)?;
        // A link in its place would lead to a file of somebody else's.
        let no_link = OFlags::NOFOLLOW.bits().cast_signed();
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_link)
            .open(&path);
        let mut file = open.map_err(io)?;
        make_private(&path).map_err(io)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(io(error)),
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
                    let holder: Holder = serde_json::from_str(&text).unwrap_or_default();
                    // The watchdog of a run that was killed holds it for a moment.
                    let is_alive = rustix::process::Pid::from_raw(holder.pid.cast_signed())
                        .is_none_or(|process| {
                            rustix::process::test_kill_process(process)
                                != Err(rustix::io::Errno::SRCH)
                        });
                    let is_dying = !is_alive && started.elapsed() < LAST_MOMENT;
                    if !is_dying && !wait(&holder) {
                        return Err(LedgerError::Locked(holder));
                    }
                    std::thread::sleep(Duration::from_millis(if is_dying { 2 } else { 50 }));
                }
            }
        }
        let holder = Holder {
            pid: std::process::id(),
            command: command.to_owned(),
            since: now(),
        };
        let text = serde_json::to_string(&holder).unwrap_or_default();
        let write = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()));
        write.map_err(io)?;
        log::debug!("locked {} after {:?}", path.display(), started.elapsed());
        Ok(Self { file })
    }
}
