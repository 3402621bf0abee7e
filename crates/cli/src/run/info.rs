//! What a run's directory says about the run besides its events: the command line and the host.

use std::io::{self, Write};
use std::path::Path;

use hoist_core::redact_urls;
use hoist_files::private_file;
use hoist_plugins::Masker;
use serde::{Deserialize, Serialize};

use crate::render::shell_word;

/// Name of the file in the run's directory.
const FILE: &str = "run.json";

/// How a run was started. Empty for runs of earlier versions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunInfo {
    /// The command line, with secrets masked.
    pub(crate) command: String,
    /// The name of the host that hoist ran on.
    pub(crate) host: String,
    /// The working directory.
    pub(crate) directory: String,
}

impl RunInfo {
    /// What is known of this process.
    pub(crate) fn of_this_process(masker: &Masker) -> Self {
        let words = std::env::args_os()
            .skip(1)
            .map(|word| shell_word(&word.to_string_lossy()));
        let command = std::iter::once("hoist".to_owned())
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ");
        let masked = masker.mask(&command).unwrap_or(command);
        Self {
            command: redact_urls(&masked),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            directory: std::env::current_dir()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
        }
    }

    /// Writes the file to the run's directory.
    pub(crate) fn write(&self, logs: &Path) -> io::Result<()> {
        private_file(&logs.join(FILE))?.write_all(serde_json::to_string_pretty(self)?.as_bytes())
    }

    /// Reads the file in the run's directory.
    pub(crate) fn read(logs: &Path) -> Self {
        std::fs::read(logs.join(FILE))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }
}
