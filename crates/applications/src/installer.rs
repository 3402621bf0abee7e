//! Calls the installer of a module: a PHP class of three generations, or a program of any kind.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use hoist_core::Application;
use hoist_executor::{Command, Exit, Failure, ItemChange, Level};
use hoist_sources::directory::{MODULE_FILE, ModuleFile, installer};
use serde::Deserialize;

use hoist_machine::machine::is_executable;
use hoist_machine::processes::{RUN, end_processes};
use hoist_system::context::StepContext;

/// What runs the installers in PHP of an application's modules.
const RUNNER: &str = include_str!("../lib/run-installer.php");

/// What an installer is asked.
#[derive(Debug, Clone)]
pub struct InstallerRequest<'a> {
    /// `install` or `uninstall`.
    pub action: &'a str,
    /// The module's name.
    pub name: &'a str,
    /// The application.
    pub application: &'a Application,
}

/// What an installer said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InstallerResult {
    /// True when something was called.
    pub called: bool,
    /// True when it had something to say to people.
    pub(crate) spoke: bool,
    /// What it says that it leaves for a person.
    pub left: Vec<PathBuf>,
}

/// The answer of the PHP runner.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PhpAnswer {
    phase: String,
    ended: String,
    style: String,
    messages: Vec<PhpMessage>,
    diagnostics: Vec<PhpMessage>,
    error: Option<PhpMessage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PhpMessage {
    kind: String,
    level: String,
    class: String,
    text: String,
    file: String,
    line: u64,
}

/// What a program of its own writes to descriptor 3: one JSON document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Report {
    /// False where it failed; its exit code says the same.
    ok: Option<bool>,
    messages: Vec<Message>,
    /// What stays for a person to look at.
    left: Vec<Left>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a string, or an object with `text` and optionally `level`"
)]
enum Message {
    Text(String),
    Full {
        #[serde(default)]
        level: Option<String>,
        text: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Left {
    path: String,
    #[serde(default)]
    reason: Option<String>,
}

/// Who speaks.
const SOURCE: &str = "installer";

/// Starts a program with descriptor 3 open for its answer: `$1` is the file of the answer, the
/// program stands behind it.
const WITH_ANSWER: &str = r#"exec 3>"$1"; shift; exec "$@""#;

/// What a module that stands in its application says to hoist, with its installer.
fn find(application: &Application, name: &str) -> Result<Option<PathBuf>, Failure> {
    let directory = application.directory(name);
    let path = directory.join(MODULE_FILE);
    let text = match hoist_files::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Vec::new(),
        text => text
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?
            .unwrap_or_default(),
    };
    let text = String::from_utf8_lossy(&text);
    let file = ModuleFile::parse(&text).map_err(Failure::new)?;
    let found = installer(name, &file, |path| directory.join(path).is_file());
    Ok(found.map(|found| directory.join(&*found)))
}

/// True for a module that stands in its application with an installer.
pub(crate) fn has_installer(application: &Application, name: &str) -> bool {
    find(application, name).is_ok_and(|found| found.is_some_and(|program| program.is_file()))
}

/// Calls the installer of a module that stands in its application, where it has one.
///
/// # Errors
/// Whatever else than a plain success it came to.
pub fn call(
    asked: &InstallerRequest<'_>,
    context: &StepContext<'_>,
) -> Result<InstallerResult, Failure> {
    let InstallerRequest {
        action,
        name,
        application,
    } = asked;
    let directory = application.directory(name);
    let Some(program) = find(application, name)? else {
        return Ok(InstallerResult::default());
    };
    if !program.is_file() {
        return Err(Failure::new(format!(
            "was not run: {} does not exist",
            program.display()
        )));
    }
    match is_php(&program) {
        true => php(&program, asked, context),
        false if !is_executable(&program) => {
            let inside = program
                .strip_prefix(&directory)
                .unwrap_or(&program)
                .display();
            Err(Failure::new(format!(
                "is not executable: run `chmod +x {inside}` in the source of the module"
            )))
        }
        false => run(&program, &directory, asked, context),
    }
    .map_err(|failure| Failure {
        message: format!("its {action} {}", failure.message),
        ..failure
    })
}

/// True for a class of PHP; copies from other systems may all be executable. A script says by its
/// first line what runs it.
fn is_php(program: &Path) -> bool {
    let is_script = || {
        let mut start = [0; 2];
        let read = std::fs::File::open(program).and_then(|mut file| file.read_exact(&mut start));
        read.is_ok() && start == *b"#!"
    };
    program
        .extension()
        .is_some_and(|extension| extension == "php")
        && !(is_executable(program) && is_script())
}

/// The variable by which the processes of one call are known.
const CALL: &str = "HOIST_CALL";

/// A longer answer is none, in bytes.
const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;

/// Runs the command that writes its answer to a file, and returns what it wrote there.
fn answer(
    context: &StepContext<'_>,
    command: impl FnOnce(String) -> Vec<String>,
    directory: &Path,
    more: &[(&str, String)],
) -> Result<(Exit, String), Failure> {
    let scratch = context.machine.spare.take()?;
    let file = scratch.path().join("answer");
    let mut environment = context
        .machine
        .script_environment(&BTreeMap::new(), &context.path.joined());
    environment.insert("TMPDIR".to_owned(), scratch.path().display().to_string());
    let call = format!(
        "{}:{}",
        environment.get(RUN).map_or("", String::as_str),
        context.module
    );
    environment.insert(CALL.to_owned(), call.clone());
    environment.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    let mut command = command(file.display().to_string()).into_iter();
    let program = command.next().unwrap_or_default();
    let command = Command::new(program)
        .args(command)
        .environment(environment)
        .directory(directory);
    let exit = context.task.run(&command);
    // What left its group would go on changing the application when nobody looks any more.
    end_processes(&[format!("{CALL}={call}")]);
    let exit = exit?;
    let mut bytes = Vec::new();
    match std::fs::File::open(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(context.task.failed("reading", &file, &error)),
        Ok(answer) => {
            let read = answer.take(ANSWER_LIMIT + 1).read_to_end(&mut bytes);
            read.map_err(|error| context.task.failed("reading", &file, &error))?;
        }
    }
    let _ = std::fs::remove_file(&file);
    match bytes.len() as u64 > ANSWER_LIMIT {
        true => Err(Failure::new(format!(
            "returned more than {} MiB",
            ANSWER_LIMIT >> 20
        ))),
        false => Ok((exit, String::from_utf8_lossy(&bytes).into_owned())),
    }
}

fn php(
    program: &Path,
    asked: &InstallerRequest<'_>,
    context: &StepContext<'_>,
) -> Result<InstallerResult, Failure> {
    let InstallerRequest {
        action,
        name,
        application,
    } = asked;
    let machine = context.machine;
    let php = machine
        .find_program("php", &[])
        .ok_or_else(|| Failure::new("requires php, which is not on PATH: install php-cli"))?;
    // Written for this call alone, where nothing else may write.
    let directory = machine.spare.directory("runner")?;
    let runner = directory.path().join("run-installer.php");
    std::fs::write(&runner, RUNNER)
        .map_err(|error| context.task.failed("writing", &runner, &error))?;
    let shown = |path: &Path| path.display().to_string();
    let settings = ["-d", "display_errors=stderr", "-d", "memory_limit=1G"].map(str::to_owned);
    let paths = [application.root.as_path(), program, &application.init].map(shown);
    let command = |file| {
        let runner = [
            shown(&runner),
            file,
            (*action).to_owned(),
            (*name).to_owned(),
        ];
        [shown(&php)]
            .into_iter()
            .chain(settings)
            .chain(runner)
            .chain(paths)
            .collect()
    };
    let (exit, text) = answer(context, command, &application.root, &[])?;
    // Where a module sees to it that there are several, the worst counts.
    let mut answers: Vec<PhpAnswer> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    answers.sort_by_key(|answer| answer.ended == "returned");
    let Some(answer) = answers.into_iter().next() else {
        return Err(Failure::new(format!(
            "returned no result: php ended with {exit}"
        )));
    };
    let place = |message: &PhpMessage| {
        let path = Path::new(&message.file);
        let path = path.strip_prefix(&application.root).unwrap_or(path);
        if message.file.is_empty() {
            String::new()
        } else {
            format!(" ({}:{})", path.display(), message.line)
        }
    };
    let described = |message: &PhpMessage| {
        let class = if message.class.is_empty() {
            String::new()
        } else {
            format!("{}: ", message.class)
        };
        format!("{class}{}{}", message.text.trim(), place(message))
    };
    for diagnostic in &answer.diagnostics {
        let level = if diagnostic.level == "warning" {
            Level::Warning
        } else {
            Level::Info
        };
        context.task.note_from(
            "php",
            level,
            format!("{}{}", diagnostic.text.trim(), place(diagnostic)),
        );
    }
    let is_bad =
        |message: &&PhpMessage| message.kind == "exception" || message.text.contains("was aborted");
    for message in &answer.messages {
        let level = if is_bad(&message) {
            Level::Error
        } else {
            Level::Info
        };
        context.task.note_from(SOURCE, level, described(message));
    }
    let what = if answer.phase == "init" {
        "could not start: the application's init file"
    } else {
        ""
    };
    let error = answer
        .error
        .as_ref()
        .map(|error| format!(": {}", described(error)))
        .unwrap_or_default();
    let failed = |how: &str| {
        Err(Failure::new(format!(
            "{what}{}{how}{error}",
            if what.is_empty() { "" } else { " " }
        )))
    };
    match answer.ended.as_str() {
        "returned" => {}
        "exit" => return failed("called exit()"),
        "fatal" => return failed("failed with a fatal error"),
        "objection" => return failed("failed"),
        _ => return failed("failed with an exception"),
    }
    if !exit.success() {
        return Err(Failure::new(format!(
            "returned, but then php ended with {exit}"
        )));
    }
    match answer.messages.iter().rev().find(is_bad) {
        Some(bad) => Err(Failure::new(format!("failed: {}", described(bad)))),
        None => Ok(InstallerResult {
            called: !answer.style.starts_with("no "),
            spoke: !answer.messages.is_empty(),
            left: Vec::new(),
        }),
    }
}

fn run(
    program: &Path,
    directory: &Path,
    asked: &InstallerRequest<'_>,
    context: &StepContext<'_>,
) -> Result<InstallerResult, Failure> {
    let InstallerRequest {
        action,
        name,
        application,
    } = asked;
    let root = application.root.display().to_string();
    let more = [
        ("HOIST_APPLICATION", root.clone()),
        ("HOIST_MODULE", (*name).to_owned()),
        ("HOIST_MODULES", application.modules.display().to_string()),
    ];
    let command = |file| {
        let program = [program.display().to_string(), (*action).to_owned(), root];
        ["/bin/sh", "-c", WITH_ANSWER, "hoist"]
            .map(str::to_owned)
            .into_iter()
            .chain([file])
            .chain(program)
            .collect()
    };
    let (exit, text) = answer(context, command, directory, &more)?;
    let report: Report = match text.trim() {
        "" => Report::default(),
        text => serde_json::from_str(text).map_err(|error| {
            Failure::new(format!(
                "wrote an invalid JSON report to file descriptor 3: {error} (it ended with {exit})"
            ))
        })?,
    };
    let mut last = None;
    for message in &report.messages {
        let (level, text) = match message {
            Message::Text(text) => (Level::Info, text),
            Message::Full { level, text } => (level_of(level.as_deref())?, text),
        };
        if level == Level::Error {
            last = Some(text.clone());
        }
        context.task.note_from(SOURCE, level, text.trim());
    }
    for left in &report.left {
        context.task.item(
            ItemChange::NeedsAttention,
            application.root.join(&left.path).display().to_string(),
            left.reason.clone(),
        );
    }
    if !exit.success() {
        let why = last.map(|last| format!(": {last}")).unwrap_or_default();
        return Err(Failure::new(format!("failed with {exit}{why}")));
    }
    match last.or((report.ok == Some(false)).then(|| "see its report".to_owned())) {
        Some(why) => Err(Failure::new(format!("failed: {why}"))),
        None => {
            let left: Vec<PathBuf> = report
                .left
                .iter()
                .map(|left| application.root.join(&left.path))
                .collect();
            Ok(InstallerResult {
                called: true,
                spoke: !report.messages.is_empty() || !left.is_empty(),
                left,
            })
        }
    }
}

fn level_of(word: Option<&str>) -> Result<Level, Failure> {
    match word {
        None | Some("info") => Ok(Level::Info),
        Some("success") => Ok(Level::Success),
        Some("warning") => Ok(Level::Warning),
        Some("error") => Ok(Level::Error),
        Some(other) => {
            let other = other.escape_debug();
            Err(Failure::new(format!(
                "wrote a message with the invalid level `{other}` to file descriptor 3: use info, success, warning or error"
            )))
        }
    }
}
