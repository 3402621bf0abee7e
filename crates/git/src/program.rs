//! How hoist runs `git`: with the user's configuration, without questions, without secrets on a
//! command line.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hoist_core::{redact_urls, without_userinfo};
use hoist_executor::{Command, Exit, Failure, Silence, Stream, TaskContext};

use crate::foreign::overrides;
use hoist_machine::http::is_secure;
use hoist_machine::machine::Machine;

/// Configuration of every command. Nothing that git starts outlives it, and what is not asked for
/// is not explained.
const CONFIG: &[(&str, &str)] = &[
    ("advice.detachedHead", "false"),
    ("core.fsmonitor", "false"),
    ("gc.autoDetach", "false"),
    ("maintenance.autoDetach", "false"),
    // They run commands that a URL names, also one of a submodule.
    ("protocol.ext.allow", "never"),
    ("protocol.fd.allow", "never"),
];

/// Git asks this helper for the user name and password of a URL, which it gets in its environment.
const HELPER: &str = r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$HOIST_GIT_USER" "$HOIST_GIT_PASSWORD"; }; f"#;

/// The git program, where and with which settings it runs.
#[derive(Clone)]
pub struct Program<'a> {
    task: &'a TaskContext,
    machine: &'a Machine,
    path: PathBuf,
    directory: Option<PathBuf>,
    config: Vec<(String, String)>,
    variables: Vec<(&'static str, String)>,
}

/// How a command ended, and what it printed.
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// What it printed.
    pub stdout: String,
    /// Why it failed, in git's own words.
    pub reason: String,
}

impl<'a> Program<'a> {
    /// # Errors
    /// There is no git on the path.
    pub fn new(task: &'a TaskContext, machine: &'a Machine) -> Result<Self, Failure> {
        let path = machine
            .find_program("git", &[])
            .ok_or_else(|| Failure::new(missing(machine)))?;
        let config = CONFIG
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Ok(Self {
            task,
            machine,
            path,
            directory: None,
            config,
            variables: Vec::new(),
        })
    }

    /// A variable of the environment that git runs in.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.machine.environment.get(name)
    }

    /// The same in the clone at `directory`, never in a repository around it, and without the
    /// commands in its configuration.
    pub fn inside(&self, directory: &Path) -> Self {
        let mut config = self.config.clone();
        config.extend(overrides(directory));
        Self {
            directory: Some(directory.to_owned()),
            config,
            ..self.clone()
        }
    }

    /// The same for commands that only look: nothing is fetched, and nothing written.
    pub fn looking(self) -> Self {
        let mut looking = self.configured("protocol.allow", "never");
        looking.variables.extend([
            ("GIT_OPTIONAL_LOCKS", "0".to_owned()),
            ("GIT_NO_LAZY_FETCH", "1".to_owned()),
        ]);
        looking
    }

    /// The same with one more setting.
    pub fn configured(mut self, name: &str, value: &str) -> Self {
        self.config.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same for commands that may connect to `url`: its user name and password are handed over
    /// in the environment, also where the configuration of a clone has the URL with them. What
    /// begins with https is not led to http.
    pub fn connecting_to(mut self, url: &str) -> Self {
        if is_secure(url) {
            self.config
                .push(("protocol.http.allow".to_owned(), "user".to_owned()));
        }
        let (clean, Some(userinfo)) = without_userinfo(url) else {
            return self;
        };
        let base = |url: &str| {
            let start = url.find("://").map_or(0, |position| position + 3);
            url[..url[start..]
                .find(['/', '?', '#'])
                .map_or(url.len(), |end| start + end)]
                .to_owned()
        };
        let (host, (user, password)) = (base(&clean), userinfo.decoded());
        self.config
            .push((format!("url.{host}/.insteadOf"), format!("{}/", base(url))));
        self.config
            .push((format!("credential.{host}.username"), user.clone()));
        if let Some(password) = password {
            let helper = format!("credential.{host}.helper");
            // An empty value clears the user's helpers, which may have other passwords.
            self.config
                .extend([(helper.clone(), String::new()), (helper, HELPER.to_owned())]);
            self.variables
                .extend([("HOIST_GIT_USER", user), ("HOIST_GIT_PASSWORD", password)]);
        }
        self
    }

    fn command<A: Into<std::ffi::OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut environment = self.machine.script_environment(&Default::default(), "");
        // Messages are read to tell errors that may pass from others; the characters of file names
        // and filters stay those of the user.
        if let Some(all) = environment.remove("LC_ALL").filter(|all| !all.is_empty()) {
            environment.insert("LC_CTYPE".to_owned(), all);
        }
        for name in ["LC_MESSAGES", "LANGUAGE"] {
            environment.insert(name.to_owned(), "C".to_owned());
        }
        environment.insert("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned());
        // A question to a person, on a terminal or in a window, becomes a refusal. Who says `force`
        // has a program that answers.
        if environment
            .get("SSH_ASKPASS_REQUIRE")
            .is_none_or(|require| require != "force")
        {
            let refuse = self
                .machine
                .find_program("false", &[])
                .unwrap_or_else(|| "/bin/false".into());
            environment.insert("SSH_ASKPASS".to_owned(), refuse.display().to_string());
            environment.insert("SSH_ASKPASS_REQUIRE".to_owned(), "force".to_owned());
        }
        let given: usize = environment
            .get("GIT_CONFIG_COUNT")
            .and_then(|count| count.parse().ok())
            .unwrap_or(0);
        for (number, (name, value)) in self.config.iter().enumerate() {
            environment.insert(format!("GIT_CONFIG_KEY_{}", given + number), name.clone());
            environment.insert(
                format!("GIT_CONFIG_VALUE_{}", given + number),
                value.clone(),
            );
        }
        environment.insert(
            "GIT_CONFIG_COUNT".to_owned(),
            (given + self.config.len()).to_string(),
        );
        environment.extend(
            self.variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let command = Command::new(&self.path);
        let Some(directory) = &self.directory else {
            return command.args(arguments).environment(environment);
        };
        // Where a clone is damaged, a repository around it, such as one of the home directory, must
        // not take its place.
        let parent = directory
            .canonicalize()
            .ok()
            .and_then(|real| Some(real.parent()?.to_owned()));
        if let Some(parent) = parent {
            environment.insert(
                "GIT_CEILING_DIRECTORIES".to_owned(),
                parent.display().to_string(),
            );
        }
        command
            .args(["-C"])
            .args([directory.as_path()])
            .args(arguments)
            .environment(environment)
    }

    /// Runs a command that asks or changes only this machine.
    pub fn run<A: Into<std::ffi::OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Finished, Failure> {
        self.finish(&self.command(arguments), None)
    }

    /// Runs such a command, and returns what it printed without the last line end; its failure is
    /// one.
    pub fn read<A: Into<std::ffi::OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String, Failure> {
        let finished = self.run(arguments)?;
        match finished.exit.success() {
            true => Ok(finished.stdout.trim_end_matches('\n').to_owned()),
            false => Err(Failure::new(format!("git: {}", finished.reason))),
        }
    }

    /// Runs such a command, and returns every byte that it printed, where it succeeded.
    pub fn bytes<A: Into<std::ffi::OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let wrong =
            |error: std::io::Error| Failure::new(format!("cannot read what git printed: {error}"));
        let file = tempfile::NamedTempFile::new_in(self.machine.spare.base()).map_err(wrong)?;
        let finished = self.finish(&self.command(arguments).output(file.path()), None)?;
        match finished.exit.success() {
            true => std::fs::read(file.path()).map(Some).map_err(wrong),
            false => Ok(None),
        }
    }

    /// Returns true where a command that answers by its exit code says yes.
    pub fn holds<A: Into<std::ffi::OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<bool, Failure> {
        Ok(self.run(arguments)?.exit.success())
    }

    /// Runs a command that talks to a remote. It is ended where it prints nothing for too long and
    /// no file below `written` changes.
    pub fn transfer<A: Into<std::ffi::OsString>>(
        &self,
        doing: &str,
        arguments: impl IntoIterator<Item = A>,
        written: &Path,
    ) -> Result<String, Failure> {
        let limit = self.machine.stall_timeout();
        let is_progressing = || changed_within(written, limit);
        let silence = Silence {
            limit,
            is_progressing: &is_progressing,
        };
        let Finished {
            exit,
            stdout,
            reason,
        } = self.finish(&self.command(arguments), Some(&silence))?;
        if exit.success() {
            return Ok(stdout);
        }
        let doing = redact_urls(doing);
        if exit.stalled {
            return Err(Failure::transient(format!(
                "{doing}: git printed nothing for {} s and was stopped",
                limit.as_secs()
            )));
        }
        let message = format!("{doing}: {reason}");
        Err(if may_pass(&reason) {
            Failure::transient(message)
        } else {
            Failure::new(message)
        })
    }

    fn finish(
        &self,
        command: &Command,
        silence: Option<&Silence<'_>>,
    ) -> Result<Finished, Failure> {
        let (mut stdout, mut errors) = (String::new(), Errors::default());
        // What is asked of git is read by hoist; what it transfers, people watch.
        let command = if silence.is_none() {
            command.clone().data()
        } else {
            command.clone()
        };
        let exit = self.task.run_watched(&command, silence, |stream, line| {
            match (stream, progress(line)) {
                (Stream::Stdout, _) => {
                    stdout.push_str(line);
                    stdout.push('\n');
                }
                (Stream::Stderr, Some((done, total))) => self.task.progress(done, total),
                (Stream::Stderr, None) => {
                    errors.add(line);
                    self.task.output(stream, &redact_urls(line));
                }
            }
        })?;
        Ok(Finished {
            exit,
            stdout,
            reason: redact_urls(&errors.reason(exit)),
        })
    }
}

/// What to do where there is no git.
pub fn missing(machine: &Machine) -> String {
    let install = machine.install_command("git");
    match install {
        Some(install) => format!("git is not on PATH: install it with `{install}`"),
        None => "git is not on PATH: install it".to_owned(),
    }
}

/// How far git says that it is: `Receiving objects:  45% (9/20), 1.2 MiB`.
fn progress(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.split_once("% (")?;
    let (counts, _) = counts.split_once(')')?;
    let (done, total) = counts.split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// The lines of a failed command that tell why.
#[derive(Debug, Default)]
struct Errors {
    /// What git ends with.
    fatal: Option<String>,
    /// The last line that git itself calls an error.
    error: Option<String>,
    /// The last line before git ended: what the server or ssh said.
    before: String,
    /// Whether everything was fetched, and the files could not be written.
    is_fetched: bool,
}

impl Errors {
    fn add(&mut self, line: &str) {
        const TALK: &[&str] = &[
            "Cloning into",
            "hint: ",
            "warning: ",
            "remote: Enumerating",
            "remote: Total",
            "From ",
            "Submodule ",
            "done.",
        ];
        let line = line.trim_end();
        self.is_fetched |= line.starts_with("warning: Clone succeeded, but checkout failed");
        if let Some(fatal) = line.strip_prefix("fatal: ") {
            self.fatal.get_or_insert_with(|| fatal.to_owned());
        } else if let Some(error) = line.strip_prefix("error: ") {
            self.error = Some(error.to_owned());
        } else if self.fatal.is_none()
            && !line.trim().is_empty()
            && !TALK.iter().any(|talk| line.starts_with(talk))
        {
            self.before = line.trim_start_matches("remote: ").to_owned();
        }
    }

    fn reason(self, exit: Exit) -> String {
        let more = self
            .error
            .or(Some(self.before))
            .filter(|more| !more.is_empty());
        let reason = match (self.fatal, more) {
            (Some(fatal), Some(more)) => format!("{fatal} ({more})"),
            (Some(reason), None) | (None, Some(reason)) => reason,
            (None, None) => exit.to_string(),
        };
        if self.is_fetched {
            format!("{CHECKOUT_FAILED}: {reason}")
        } else {
            reason
        }
    }
}

/// How the reason begins where everything was fetched.
const CHECKOUT_FAILED: &str = "the checkout failed";

/// True for errors of the network that the next attempt may not meet. Git tells them apart in no
/// other way than in words; names that are not known, certificates and refusals stay what they are.
fn may_pass(reason: &str) -> bool {
    const PASSING: &[&str] = &[
        "timed out",
        "Connection refused",
        "Connection reset",
        "Connection closed",
        "Failed to connect",
        "Couldn't connect",
        "Could not connect",
        "Network is unreachable",
        "No route to host",
        "Temporary failure in name resolution",
        "early EOF",
        "RPC failed",
        "the remote end hung up unexpectedly",
        "unexpected disconnect",
        "Recv failure",
        "Empty reply",
        "bytes of body are still expected",
        "transfer closed",
        "returned error: 408",
        "returned error: 429",
        "returned error: 5",
        "kex_exchange_identification",
    ];
    const FINAL: &[&str] = &[
        CHECKOUT_FAILED,
        "Permission denied",
        "Host key verification failed",
        "not found",
        "does not exist",
        "access rights",
    ];
    PASSING.iter().any(|words| reason.contains(words))
        && !FINAL.iter().any(|words| reason.contains(words))
}

/// True where a file below a directory changed within this time: a filter may fetch for long and
/// print nothing.
fn changed_within(directory: &Path, time: Duration) -> bool {
    const LIMIT: usize = 20_000;
    let since = SystemTime::now().checked_sub(time);
    let is_recent = |path: &Path| {
        let changed = path
            .symlink_metadata()
            .and_then(|metadata| metadata.modified())
            .ok();
        changed
            .zip(since)
            .is_some_and(|(changed, since)| changed > since)
    };
    let (mut waiting, mut seen) = (vec![directory.to_owned()], 0);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            seen += 1;
            if is_recent(&entry.path()) {
                return true;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && seen < LIMIT {
                waiting.push(entry.path());
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(lines: &str) -> String {
        let mut errors = Errors::default();
        lines.lines().for_each(|line| errors.add(line));
        errors.reason(Exit {
            code: 128,
            signalled: false,
            stalled: false,
        })
    }

    #[test]
    fn the_reason_is_what_git_ends_with_behind_what_ssh_or_the_server_said() {
        let ssh = "Cloning into 'x'...\ngit@host: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure";
        assert_eq!(
            reason(ssh),
            "Could not read from remote repository. (git@host: Permission denied (publickey).)"
        );
        assert_eq!(
            reason("remote: Repository not found.\nfatal: repository 'u' not found"),
            "repository 'u' not found (Repository not found.)"
        );
        assert_eq!(
            reason(
                "error: external filter 'x' failed\nfatal: f: smudge filter x failed\nwarning: Clone succeeded, but checkout failed."
            ),
            "the checkout failed: f: smudge filter x failed (external filter 'x' failed)"
        );
        assert_eq!(reason(""), "exit code 128");
    }

    #[test]
    fn only_errors_of_the_network_may_pass() {
        for passing in [
            "unable to access 'u': The requested URL returned error: 503",
            "early EOF",
            "Failed to connect to h port 1",
        ] {
            assert!(may_pass(passing), "{passing}");
        }
        for kept in [
            "unable to access 'u': The requested URL returned error: 403",
            "repository 'u' not found",
            "unable to access 'u': SSL certificate problem: self-signed certificate",
            "unable to access 'u': Could not resolve host: nowhere",
            "Could not read from remote repository. (Host key verification failed.)",
        ] {
            assert!(!may_pass(kept), "{kept}");
        }
    }

    #[test]
    fn progress_is_told_from_messages() {
        assert_eq!(
            progress("Receiving objects:  45% (9/20), 1.2 MiB | 3 MiB/s"),
            Some((9, 20))
        );
        assert_eq!(
            progress("remote: Counting objects: 100% (5/5), done."),
            Some((5, 5))
        );
        assert_eq!(progress("fatal: 50% (of it)"), None);
    }
}
