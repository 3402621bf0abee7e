//! A home directory of its own, a collection, and the real binary run on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// A private home and a collection.
pub struct Sandbox {
    directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; 128 and more for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Fails unless the exit code is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Fails unless this stands in the output or among the errors.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "no `{text}` in\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The lines of JSON that a run printed.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.stderr))
            })
            .collect()
    }

    /// The JSON document that a command printed.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }

    /// The status of each module of a run, by name.
    #[track_caller]
    pub fn statuses(&self) -> BTreeMap<String, String> {
        let finished = self
            .events()
            .into_iter()
            .filter(|event| event["event"] == "module_finished");
        finished
            .map(|event| {
                (
                    event["module"].as_str().unwrap().to_owned(),
                    event["status"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }

    /// The last event about a module.
    #[track_caller]
    pub fn finished(&self, module: &str) -> Value {
        let mut events = self.events().into_iter();
        let found =
            events.find(|event| event["event"] == "module_finished" && event["module"] == module);
        found
            .unwrap_or_else(|| panic!("{module} did not finish:\n{}\n{}", self.stdout, self.stderr))
    }
}

/// A shell module in the making; everything required is set.
#[derive(Debug, Clone)]
pub struct Module {
    name: String,
    fields: BTreeMap<String, String>,
    body: String,
}

impl Module {
    /// A default module of the method `custom` that does nothing.
    pub fn new(name: &str) -> Self {
        let fields = [
            ("MODULE_DESCRIPTION", format!("The module {name}")),
            ("MODULE_ENABLED_BY_DEFAULT", "true".into()),
            ("MODULE_IS_CORE", "false".into()),
            ("MODULE_INSTALL_METHOD", "custom".into()),
            ("MODULE_UNINSTALL_DIRS", String::new()),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value)).into();
        Self {
            name: name.to_owned(),
            fields,
            body: "main_module() { :; }".to_owned(),
        }
    }

    /// Sets a field; the value stands in double quotes.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields
            .insert(format!("MODULE_{name}"), value.to_owned());
        self
    }

    /// What it needs.
    pub fn depends(self, names: &str) -> Self {
        self.field("DEPENDS", names)
    }

    /// `core`, `default` or `optional`.
    pub fn tier(self, tier: &str) -> Self {
        let (core, enabled) = (tier == "core", tier != "optional");
        self.field("IS_CORE", &core.to_string())
            .field("ENABLED_BY_DEFAULT", &enabled.to_string())
    }

    /// The method, with no body.
    pub fn method(self, method: &str) -> Self {
        self.field("INSTALL_METHOD", method).body("")
    }

    /// What stands behind the metadata.
    pub fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    /// The body of `main_module`.
    pub fn main(self, commands: &str) -> Self {
        self.body(&format!("main_module() {{\n{commands}\n}}"))
    }

    fn metadata(&self) -> String {
        let name = format!("MODULE_NAME=\"{}\"\n", self.name);
        name + &self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\"\n"))
            .collect::<String>()
    }

    /// The script with its metadata.
    pub fn text(&self) -> String {
        format!(
            "#!/usr/bin/env bash\n# Metadata: START\n{}# Metadata: END\n\n{}\n",
            self.metadata(),
            self.body
        )
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// An empty home and an empty collection.
    pub fn new() -> Self {
        Self::named("home")
    }

    /// With a home directory of this name.
    pub fn named(home: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("hoist-test-")
            .tempdir()
            .unwrap();
        let sandbox = Self {
            variables: BTreeMap::from([("HOIST_TEST_HOME".into(), home.into())]),
            directory,
        };
        std::fs::create_dir_all(sandbox.home()).unwrap();
        std::fs::create_dir_all(sandbox.collection().join("modules")).unwrap();
        std::fs::create_dir_all(sandbox.path("tmp")).unwrap();
        sandbox
    }

    /// A path below the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The home directory.
    pub fn home(&self) -> PathBuf {
        self.path(&self.variables["HOIST_TEST_HOME"])
    }

    /// The collection.
    pub fn collection(&self) -> PathBuf {
        self.path("collection")
    }

    /// Sets a variable of the environment hoist runs in.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Takes a variable out of the environment hoist runs in.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Adds a module with embedded metadata.
    pub fn add(&self, module: &Module) -> &Self {
        self.write(&format!("modules/{}.sh", module.name), &module.text())
    }

    /// Adds a module whose metadata stand in a file beside the script.
    pub fn add_separate(&self, module: &Module) -> &Self {
        self.write(&format!("modules/{}.conf", module.name), &module.metadata());
        self.write(&format!("modules/{}.sh", module.name), &module.body)
    }

    /// Writes a file of the collection.
    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.collection().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Writes the user's settings.
    pub fn settings(&self, text: &str) -> &Self {
        self.put(".config/hoist/hoist.yml", text);
        self
    }

    /// Writes a file of the home directory.
    pub fn put(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Every file below a directory of the home directory, by its path in it.
    pub fn files(&self, directory: &str) -> Vec<String> {
        let root = self.home().join(directory);
        let mut waiting = vec![root.clone()];
        let mut found = Vec::new();
        while let Some(path) = waiting.pop() {
            for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => waiting.push(entry.path()),
                    false => found.push(
                        entry
                            .path()
                            .strip_prefix(&root)
                            .unwrap()
                            .display()
                            .to_string(),
                    ),
                }
            }
        }
        found.sort();
        found
    }

    /// What a file of the home directory holds.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let path = self.home().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// True when a path of the home directory exists.
    pub fn has(&self, path: &str) -> bool {
        self.home().join(path).exists()
    }

    /// The command with the environment of the sandbox.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let kept = [
            "PATH",
            "USER",
            "LANG",
            "PIP_INDEX_URL",
            "PIP_CERT",
            "PIP_FIND_LINKS",
            "SSL_CERT_FILE",
            "http_proxy",
            "https_proxy",
            "no_proxy",
        ];
        command
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| kept.contains(&name.as_str())));
        command
            .env("HOME", self.home())
            .env("TMPDIR", self.path("tmp"))
            .envs(&self.variables)
            .current_dir(self.collection());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs hoist on the collection; `arguments` are separated by blanks.
    pub fn hoist(&self, arguments: &str) -> Ran {
        ran(self
            .command(binary())
            .args(arguments.split_whitespace())
            .output()
            .unwrap())
    }

    /// Runs hoist and asks for JSON.
    pub fn json(&self, arguments: &str) -> Ran {
        self.hoist(&format!("{arguments} --output json"))
    }

    /// Runs hoist on a terminal of its own that gives these answers, and returns what the terminal
    /// shows. The exit code is that of hoist.
    pub fn terminal(&self, arguments: &str, answers: &str) -> Ran {
        let line = format!("{} {arguments}", binary().display());
        let mut command = self.command("script");
        let mut child = command
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .env("TERM", "xterm")
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), answers.as_bytes()).unwrap();
        ran(child.wait_with_output().unwrap())
    }

    /// Starts hoist; the caller waits for it.
    pub fn start(&self, arguments: &str) -> Child {
        self.command(binary())
            .args(arguments.split_whitespace())
            .spawn()
            .unwrap()
    }

    /// Runs hoist under strace and returns the system calls of these kinds.
    pub fn traced(&self, arguments: &str, calls: &str) -> (Ran, Vec<String>) {
        let log = self.path("strace.log");
        let mut command = self.command("strace");
        // Only the calls that are traced stop a process; sudo does not work under that.
        command
            .args([
                "-f",
                "--seccomp-bpf",
                "-qq",
                "-s",
                "300",
                "-e",
                &format!("trace={calls}"),
                "-e",
                "signal=none",
                "-o",
            ])
            .arg(&log)
            .arg(binary());
        let ran = ran(command.args(arguments.split_whitespace()).output().unwrap());
        let lines = std::fs::read_to_string(&log)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        (ran, lines)
    }
}

/// What a finished process came to.
pub fn ran(output: std::process::Output) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    Ran {
        code: output
            .status
            .code()
            .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The binary under test: built once, from what is here.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("HOIST_BINARY") {
            return PathBuf::from(given);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let build = Command::new(cargo)
            .args(["build", "--quiet", "--package", "hoist", "--bin", "hoist"])
            .current_dir(root)
            .status();
        assert!(build.unwrap().success(), "hoist does not build");
        let tests = std::env::current_exe().unwrap();
        tests.parent().unwrap().parent().unwrap().join("hoist")
    })
}

/// Path of a copy of [`binary`] without symbols, half as large, for tests that copy it to other
/// hosts.
pub fn stripped_binary() -> &'static Path {
    static STRIPPED: OnceLock<PathBuf> = OnceLock::new();
    STRIPPED.get_or_init(|| {
        let directory = binary().with_file_name("hoist-stripped");
        std::fs::create_dir_all(&directory).unwrap();
        let lock = std::fs::File::create(directory.join("lock")).unwrap();
        lock.lock().unwrap();
        let (stripped, new) = (directory.join("hoist"), directory.join("new"));
        let made = |path: &Path| {
            path.metadata()
                .and_then(|metadata| metadata.modified())
                .ok()
        };
        if made(&stripped) < made(binary()) {
            let status = Command::new("strip")
                .arg("-o")
                .args([&new, binary()])
                .status()
                .unwrap();
            assert!(
                status.success(),
                "strip does not strip {}",
                binary().display()
            );
            std::fs::rename(&new, &stripped).unwrap();
        }
        stripped
    })
}
