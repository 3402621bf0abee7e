//! The system's own ssh: the user's configuration, keys and known hosts count. One connection for
//! each host, shared by all calls.

use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use hoist_executor::{Command, Failure, Stream, TaskContext};

use crate::payload::Payload;
use hoist_machine::machine::Machine;

/// A host, as ssh knows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// `user@host`, or a name of the user's ssh configuration.
    pub destination: String,
    /// Where that is not said elsewhere.
    pub port: Option<u16>,
    /// A file with the key, where that is not said elsewhere.
    pub key: Option<PathBuf>,
    /// A password, where there is no key.
    pub password: Option<String>,
}

impl Host {
    /// Reads `[user@]host[:port]`; an address of IPv6 stands in brackets.
    ///
    /// # Errors
    /// What cannot be the name of a host.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not a host: write user@host or user@host:port",
                text.escape_debug()
            )
        };
        let (user, rest) = text
            .rsplit_once('@')
            .map_or((None, text), |(user, rest)| (Some(user), rest));
        let (name, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, rest)) => (name, rest.strip_prefix(':')),
            None => match rest.split_once(':') {
                // More than one is an address without brackets.
                Some((_, port)) if port.contains(':') => (rest, None),
                Some((name, port)) => (name, Some(port)),
                None => (rest, None),
            },
        };
        let port = port
            .map(|port| {
                port.parse::<u16>()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(wrong)
            })
            .transpose()?;
        let plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && !text.contains(|c: char| {
                    c.is_whitespace() || c.is_control() || "'\"\\$`;|&<>()".contains(c)
                })
        };
        if !plain(name) || user.is_some_and(|user| !plain(user)) {
            return Err(wrong());
        }
        let destination = user.map_or_else(|| name.to_owned(), |user| format!("{user}@{name}"));
        Ok(Self {
            destination,
            port,
            ..Self::default()
        })
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.destination),
            None => f.write_str(&self.destination),
        }
    }
}

/// How a call ended.
pub enum Ended {
    /// As it should; what came of it was told.
    Done,
    /// hoist is not there.
    Absent,
    /// Otherwise.
    With(Failure),
}

pub(crate) struct Connection<'a> {
    machine: &'a Machine,
    host: &'a Host,
    task: &'a TaskContext,
    ssh: PathBuf,
    /// Where its socket stands.
    sockets: Option<PathBuf>,
}

/// What the shell there says where hoist is not there.
const ABSENT: i32 = 97;
/// And where the machine is of another kind.
const OTHER: i32 = 96;
/// ssh itself could not do it.
const SSH: i32 = 255;

impl<'a> Connection<'a> {
    pub(crate) fn new(
        machine: &'a Machine,
        host: &'a Host,
        task: &'a TaskContext,
    ) -> Result<Self, Failure> {
        let ssh = machine.find_program("ssh", &[]).ok_or_else(|| {
            Failure::new("ssh is not installed on this machine: install openssh-client")
        })?;
        Ok(Self {
            machine,
            host,
            task,
            ssh,
            sockets: sockets(machine),
        })
    }

    fn command(&self, remote: &str, input: PathBuf) -> Result<Command, Failure> {
        let Host {
            destination,
            port,
            key,
            password,
        } = self.host;
        let mut arguments: Vec<String> = [
            "-T",
            "-o",
            "ConnectTimeout=10",
            "-o",
            "ServerAliveInterval=5",
            "-o",
            "ServerAliveCountMax=3",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut set = |option: String| arguments.extend(["-o".to_owned(), option]);
        if let Some(sockets) = &self.sockets {
            set("ControlMaster=auto".to_owned());
            set(format!("ControlPath={}/%C", sockets.display()));
            set("ControlPersist=60".to_owned());
        }
        match password {
            // Nobody is asked: a key that wants a passphrase stands in the agent.
            None => set("BatchMode=yes".to_owned()),
            Some(_) => {
                set("NumberOfPasswordPrompts=1".to_owned());
                set("PreferredAuthentications=password,keyboard-interactive".to_owned());
                set("StrictHostKeyChecking=yes".to_owned());
            }
        }
        if let Some(port) = port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(key) = key {
            arguments.extend([
                "-i".to_owned(),
                key.display().to_string(),
                "-o".to_owned(),
                "IdentitiesOnly=yes".to_owned(),
            ]);
        }
        arguments.extend(["--".to_owned(), destination.clone(), remote.to_owned()]);
        let environment = self
            .machine
            .environment
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let command = Command::new(&self.ssh)
            .args(arguments)
            .environment(environment)
            .set("LC_ALL", "C")
            .input(input);
        match password {
            None => Ok(command),
            Some(password) => {
                let sshpass = self.machine.find_program("sshpass", &[]);
                let sshpass = sshpass.ok_or_else(|| {
                    Failure::new(
                        "password login requires sshpass on this machine; key login does not",
                    )
                })?;
                Ok(command.set("SSHPASS", password).through(sshpass, ["-e"]))
            }
        }
    }

    /// Runs hoist there with what it needs, and hands on what it says.
    pub(crate) fn serve(
        &self,
        payload: &Payload,
        sudo: bool,
        mut hear: impl FnMut(Stream, &str),
    ) -> Result<Ended, Failure> {
        let sudo = if sudo { "sudo -n -H " } else { "" };
        let remote = format!(
            "b=\"$HOME/.cache/hoist/bin/{}\"; [ -x \"$b\" ] || exit {ABSENT}; exec {sudo}\"$b\" __serve",
            payload.name
        );
        let mut last = String::new();
        let exit = self.task.run_with(
            &self.command(&remote, payload.path.clone())?.data(),
            |stream, line| {
                if stream == Stream::Stderr
                    && !line.trim().is_empty()
                    && !line.starts_with("Warning: Permanently added")
                {
                    last = line.trim().to_owned();
                }
                hear(stream, line);
            },
        )?;
        Ok(match exit.code {
            0 => Ended::Done,
            ABSENT => Ended::Absent,
            _ => Ended::With(self.failure(exit.code, &last)),
        })
    }

    /// Brings hoist there: beside what is there, and put in its place when it is whole.
    pub(crate) fn upload(&self, payload: &Payload) -> Result<(), Failure> {
        let kind = std::env::consts::ARCH;
        let name = &payload.name;
        let remote = format!(
            "[ \"$(uname -sm)\" = 'Linux {kind}' ] || {{ uname -sm >&2; exit {OTHER}; }}; umask 077; d=\"$HOME/.cache/hoist/bin\"; mkdir -p \"$d\" && \
             find \"$d\" -name '.hoist-*' -mmin +60 -exec rm -f {{}} + ; t=\"$d/.{name}.$$\"; if cat >\"$t\" && chmod 700 \"$t\" && mv \"$t\" \"$d/{name}\"; then \
             find \"$d\" -name 'hoist-*' ! -name '{name}' -mtime +7 -exec rm -f {{}} + ; else rm -f \"$t\"; exit 1; fi"
        );
        let mut last = String::new();
        let exit = self.task.run_with(
            &self.command(&remote, payload.program.clone())?,
            |stream, line| {
                if stream == Stream::Stderr && !line.trim().is_empty() {
                    last = line.trim().to_owned();
                }
            },
        )?;
        match exit.code {
            0 => Ok(()),
            OTHER => Err(Failure::new(format!(
                "{} is {last}, but this hoist is built for Linux {kind}: set HOIST_HOST_BINARY to a hoist for that host",
                self.host
            ))),
            code => Err(self.failure(code, &last)),
        }
    }

    fn failure(&self, code: i32, last: &str) -> Failure {
        let host = self.host;
        let help = [
            (
                "Host key verification failed",
                "connect to it once with ssh, and verify its host key",
            ),
            (
                "REMOTE HOST IDENTIFICATION HAS CHANGED",
                "its host key changed: it is another machine, or the connection is intercepted",
            ),
            (
                "Permission denied",
                "ssh access was denied: add your public key to ~/.ssh/authorized_keys there",
            ),
            (
                "a password is required",
                "sudo there requires a password: allow passwordless sudo, or remove --sudo",
            ),
            ("may not run sudo", "the user may not use sudo there"),
            (
                "is not in the sudoers file",
                "the user may not use sudo there",
            ),
            (
                "sudo: not found",
                "sudo is not installed there: install it, or log in as root",
            ),
            (
                "GLIBC_",
                "its C library is older than the one that hoist was built with: build a static hoist with `cargo xtask dist`",
            ),
        ];
        let help = help
            .iter()
            .find(|(text, _)| last.contains(text))
            .map(|(_, help)| format!(" ({help})"))
            .unwrap_or_default();
        let what = if code == SSH {
            format!("cannot connect to {host}")
        } else {
            format!("cannot start hoist on {host}")
        };
        let last = if last.is_empty() {
            format!("exit code {code}")
        } else {
            last.to_owned()
        };
        Failure::new(format!("{what}: {last}{help}"))
    }
}

/// A directory for the sockets of connections that nobody else can look into; a short one, since
/// the names of sockets may not be long.
fn sockets(machine: &Machine) -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let base = machine
        .environment
        .get("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|base| base.is_dir() && base.as_os_str().len() < 40);
    let directory = base.map_or_else(
        || PathBuf::from(format!("/tmp/hoist-ssh-{user}")),
        |base| base.join("hoist-ssh"),
    );
    let _ = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory);
    use std::os::unix::fs::MetadataExt;
    let own = directory
        .symlink_metadata()
        .is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0);
    own.then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_people_write_them() {
        let told = |text: &str| Host::parse(text).map(|host| (host.destination, host.port));
        assert_eq!(told("admin@h1"), Ok(("admin@h1".into(), None)));
        assert_eq!(told("h1:2222"), Ok(("h1".into(), Some(2222))));
        assert_eq!(told("a@[::1]:22"), Ok(("a@::1".into(), Some(22))));
        assert_eq!(told("fe80::1"), Ok(("fe80::1".into(), None)));
        for bad in [
            "",
            "-oProxyCommand=x",
            "a@",
            "h:0",
            "h:x",
            "a b",
            "h;x",
            "$(x)@h",
            "@h",
            "a@-x",
        ] {
            assert!(told(bad).is_err(), "{bad}");
        }
    }
}
