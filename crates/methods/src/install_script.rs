//! Fetches an installer script to a file, checks it, and runs it; never a pipe.

use std::io::{Read, Write};
use std::path::Path;

use hoist_core::{Diagnostic, redact_urls};
use hoist_executor::{Command, Failure, Level, TaskContext};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use hoist_machine::machine::Machine;
use hoist_machine::messages::ModuleMessage;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry, MethodUse, host_pool};
use hoist_system::program::RequiredProgram;

/// The largest script, in bytes.
const SIZE_LIMIT: u64 = 64 * 1024 * 1024;

/// A script, where it is, and what it has to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallScript {
    /// Where the script is.
    pub url: String,
    /// The SHA-256 digest that it must have, as hexadecimal digits.
    pub sha256: Option<String>,
    /// Arguments of the script.
    #[serde(default)]
    pub args: Vec<String>,
}

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = MethodEntry {
    programs: &[&BASH],
    preflight: require_checksums,
    ..MethodEntry::new::<InstallScript>("install_script")
};

/// What scripts run in.
pub static BASH: RequiredProgram = RequiredProgram {
    name: "bash",
    find: |machine| machine.program_shown("bash"),
    missing: Some(|_| {
        Diagnostic::error("bash is not on PATH, but modules of this run require it")
            .help("install bash")
    }),
};

/// Where checksums are required, scripts without one are refused before anything starts.
fn require_checksums(uses: &[MethodUse<'_>], machine: &Machine) -> Vec<Diagnostic> {
    let refused = uses
        .iter()
        .filter(|used| machine.requires_checksums() && used.step.args["sha256"].is_null());
    let refuse = |MethodUse { module, .. }: &MethodUse<'_>| {
        Diagnostic::error("the manifest has no checksum, and checksums are required")
            .module(module.id.as_str())
            .file(module.manifest.display().to_string())
            .field("MODULE_INSTALL_SHA256")
            .help("read the script, then add the digest that `sha256sum` prints")
    };
    refused.map(refuse).collect()
}

impl Method for InstallScript {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        host_pool(&self.url).into_iter().collect()
    }

    fn tells(&self) -> bool {
        false
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let task = context.task;
        let temporary = context.machine.spare.take()?;
        let file = temporary.path().join("install.sh");
        let shown = redact_urls(&self.url);
        let digest = self.fetch(context.machine, task, &file)?;
        match &self.sha256 {
            Some(wanted) if *wanted != digest => {
                return Err(Failure::new(format!(
                    "{shown}: its SHA-256 is {digest}, but MODULE_INSTALL_SHA256 is {wanted}; it was not run"
                )));
            }
            None if context.machine.requires_checksums() => {
                let message = format!(
                    "{shown} has no checksum in the manifest, and checksums are required; it was not run"
                );
                return Err(Failure::new(format!(
                    "{message}: read it, then add MODULE_INSTALL_SHA256=\"{digest}\""
                )));
            }
            _ => {}
        }
        if has_crlf(&file).map_err(|error| task.failed("reading", &file, &error))? {
            let message = format!(
                "{shown} has Windows line endings (CRLF), which script interpreters do not accept; it was not run"
            );
            return Err(Failure::new(format!(
                "{message}: ask its author for a version with LF line endings"
            )));
        }
        let interpreter = interpreter(&file)?;
        // As for a module's own script: a question to the terminal fails rather than stops.
        let wrapped = ["-c", "trap '' TTIN TTOU; exec \"$@\"", "hoist"];
        let command = Command::new("bash")
            .args(wrapped)
            .args(&interpreter)
            .args([file.as_path()])
            .args(&self.args);
        let environment = context
            .machine
            .script_environment(context.variables, &context.path.joined());
        let command = command
            .environment(environment)
            .set("TMPDIR", temporary.path())
            .directory(&context.machine.home);
        let exit = task.run_with(
            &context.confined(command, temporary.path()),
            |stream, line| match ModuleMessage::parse(line) {
                Some(message) => task.note(message.level, message.text),
                None => task.output(stream, line),
            },
        )?;
        match exit.success() {
            true => {
                // Only a script that did what it is for is worth pinning.
                if self.sha256.is_none() {
                    let text = format!(
                        "{shown} has no checksum: add MODULE_INSTALL_SHA256=\"{digest}\" to the manifest"
                    );
                    task.note(Level::Warning, text);
                }
                Ok(Applied::changed())
            }
            false => Err(Failure::new(format!(
                "the script from {shown} failed with {exit}"
            ))),
        }
    }
}

impl InstallScript {
    /// Writes the script to a file and returns its digest.
    fn fetch(&self, machine: &Machine, task: &TaskContext, file: &Path) -> Result<String, Failure> {
        let shown = redact_urls(&self.url);
        let local = self
            .url
            .strip_prefix("file://")
            .or_else(|| self.url.starts_with('/').then_some(self.url.as_str()));
        let mut source: Box<dyn Read> = match local {
            Some(path) => Box::new(
                std::fs::File::open(path)
                    .map_err(|error| task.failed("reading", Path::new(path), &error))?,
            ),
            None => machine.http().open(&self.url)?,
        };
        let mut target =
            std::fs::File::create(file).map_err(|error| task.failed("writing", file, &error))?;
        let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0u64, vec![0; 64 * 1024]);
        loop {
            task.check()?;
            let count = source.read(&mut buffer).map_err(|error| {
                Failure::transient(format!("{shown}: the download was interrupted: {error}"))
            })?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if size > SIZE_LIMIT {
                return Err(Failure::new(format!(
                    "{shown}: the script is larger than {} MiB",
                    SIZE_LIMIT >> 20
                )));
            }
            hasher.update(&buffer[..count]);
            target
                .write_all(&buffer[..count])
                .map_err(|error| task.failed("writing", file, &error))?;
            task.progress(size, 0);
        }
        if size == 0 {
            return Err(Failure::new(format!("{shown}: the script is empty")));
        }
        Ok(hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

/// True for a script whose lines end as on Windows: the first one, or most.
fn has_crlf(file: &Path) -> std::io::Result<bool> {
    let bytes = hoist_files::read_limited(file, SIZE_LIMIT)?;
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .is_some_and(|line| line.ends_with(b"\r") && line.len() < bytes.len());
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let crlf = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    Ok(first || 2 * crlf > lines)
}

/// The words of the `#!` line; bash where there is none.
fn interpreter(file: &Path) -> Result<Vec<String>, Failure> {
    let mut start = [0; 256];
    let count = std::fs::File::open(file).and_then(|mut file| file.read(&mut start));
    let count =
        count.map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
    let text = String::from_utf8_lossy(&start[..count]);
    if text.trim_start().starts_with("<!") || text.trim_start().to_lowercase().starts_with("<html")
    {
        return Err(Failure::new(
            "the download is a web page, not a script; check MODULE_INSTALL_REPO",
        ));
    }
    let line = text.lines().next().unwrap_or_default();
    let words: Vec<String> = line
        .strip_prefix("#!")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    Ok(if words.is_empty() {
        vec!["bash".to_owned()]
    } else {
        words
    })
}
