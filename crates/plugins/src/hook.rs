//! Runs a hook of a plugin: in the plugin's directory, with its configuration, within the module's
//! time.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hoist_executor::{Command, Failure, Level, Stream};
use serde::Deserialize;

use hoist_machine::messages::ModuleMessage;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry};

/// A hook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Which: `pre-install`.
    hook: String,
    /// The plugin's directory.
    directory: PathBuf,
    /// The script, relative to it.
    path: String,
    /// False where bash has to run it.
    runs_itself: bool,
    /// What runs it where it does not run itself, in place of bash.
    #[serde(skip)]
    by: Option<&'static str>,
}

/// So many lines of a hook become messages of the report; all of them are in the log.
const TOLD: usize = 100;

impl Hook {
    /// A hook in a directory, by the path of its script in that.
    pub fn new(hook: &str, directory: &Path, path: &str, runs_itself: bool) -> Self {
        Self {
            hook: hook.to_owned(),
            directory: directory.to_owned(),
            path: path.to_owned(),
            runs_itself,
            by: None,
        }
    }

    /// Run by another program than bash, where it does not run itself.
    pub fn by(self, program: &'static str) -> Self {
        Self {
            by: Some(program),
            ..self
        }
    }

    /// Runs it to its end.
    pub fn run(&self, context: &StepContext<'_>, more: &[(&str, String)]) -> Result<(), Failure> {
        let Hook {
            hook,
            directory,
            path,
            ..
        } = self;
        let machine = context.machine;
        let temporary = machine.spare.take()?;
        let mut environment = machine.script_environment(context.variables, &context.path.joined());
        let config = temporary.path().join("config.json");
        if let Some(private) = context.private {
            environment.extend(private.variables.clone());
            write_private(&config, private.document.to_string().as_bytes())
                .map_err(|error| context.task.failed("writing", &config, &error))?;
            environment.insert("HOIST_CONFIG".to_owned(), config.display().to_string());
        }
        let set = [
            ("TMPDIR", temporary.path().display().to_string()),
            ("HOIST_HOOK", hook.clone()),
            ("HOIST_PLUGIN", context.module.to_owned()),
            ("HOIST_PLUGIN_DIR", directory.display().to_string()),
        ];
        environment.extend(
            set.into_iter()
                .chain(more.iter().cloned())
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let script = directory.join(path);
        let command = match self.runs_itself {
            true => Command::new(&script),
            false => {
                let name = self.by.unwrap_or("bash");
                let program = machine
                    .find_program(name, &[])
                    .ok_or_else(|| Failure::new(format!("{name} is not on PATH")))?;
                Command::new(program).args([&script])
            }
        };
        let command = command.environment(environment).directory(directory);
        let (mut told, mut last) = (0, None);
        let exit = context.task.run_with(
            &context.confined(command, temporary.path()),
            |stream, line| {
                context.task.output(stream, line);
                let message = ModuleMessage::parse(line);
                let (level, text) = message
                    .map_or((Level::Info, line.trim_end().to_owned()), |message| {
                        (message.level, message.text)
                    });
                if text.is_empty() {
                    return;
                }
                if stream == Stream::Stderr || level == Level::Error {
                    last = Some(text.clone());
                }
                told += 1;
                match told {
                    ..=TOLD => context.task.note_from(hook, level, text),
                    more if more == TOLD + 1 => {
                        context
                            .task
                            .note_from(hook, Level::Info, "… see the log for more")
                    }
                    _ => {}
                }
            },
        );
        // The file with the secrets goes at once, whatever happened.
        let _ = std::fs::remove_file(&config);
        if let (Err(_), Some(interpreter)) =
            (&exit, interpreter(&script).filter(|_| self.runs_itself))
        {
            let message = format!(
                "its {hook} hook ({path}) starts with #!{}, which does not exist on this machine",
                interpreter.display()
            );
            return Err(Failure::new(message));
        }
        match exit? {
            exit if exit.success() => Ok(()),
            exit => {
                let because = last.map(|last| format!(": {last}")).unwrap_or_default();
                Err(Failure::new(format!(
                    "its {hook} hook ({path}) ended with {exit}{because}"
                )))
            }
        }
    }
}

/// The interpreter that a script names, where there is none.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    std::fs::File::open(script)
        .and_then(|script| script.take(4096).read_to_end(&mut start))
        .ok()?;
    let line = String::from_utf8_lossy(
        start
            .strip_prefix(b"#!")?
            .split(|byte| *byte == b'\n')
            .next()?,
    )
    .into_owned();
    let path = PathBuf::from(line.split_whitespace().next()?);
    (!path.exists()).then_some(path)
}

/// A file that only its owner can read, from its first byte on.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(content)
}

/// Its entry in the table of methods.
pub(crate) const METHOD: MethodEntry = MethodEntry::new::<Hook>("hook");

impl Method for Hook {
    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        self.run(context, &[])?;
        Ok(Applied::unchanged())
    }
}
