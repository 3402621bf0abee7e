//! The password for sudo: asked for once, before a run starts, and kept valid until it ends.

use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Sudo forgets a password after five minutes where nothing else is set; some set one.
const INTERVAL: Duration = Duration::from_secs(50);

/// Keeps the password valid until it is dropped.
pub(crate) struct Authorization {
    _end: Sender<()>,
}

/// Lets sudo ask for the password on the terminal. `None` where it was not given; what needs it
/// then fails with sudo's own words.
pub(crate) fn authorize() -> Option<Authorization> {
    let given = Command::new("sudo")
        .args(["-p", "sudo password for %u, to install packages: ", "-v"])
        .status();
    if !given.is_ok_and(|status| status.success()) {
        return None;
    }
    let (end, ended) = channel::<()>();
    std::thread::spawn(move || {
        while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            let mut renew = Command::new("sudo");
            renew
                .args(["-n", "-v"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let _ = renew.status();
        }
    });
    Some(Authorization { _end: end })
}
