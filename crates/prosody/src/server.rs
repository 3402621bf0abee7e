//! The configuration of an XMPP server, as its files say it, and the program that checks it.

use std::path::{Path, PathBuf};

use hoist_executor::{Command, Failure};
use hoist_sources::prosody::{self, ServerConfiguration};

use hoist_system::context::StepContext;

/// A larger file is no configuration.
const SIZE_LIMIT: u64 = 4 * 1024 * 1024;

/// A file of a configuration.
pub struct ConfigurationFile {
    /// The configuration file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// True where the text is all that the file holds.
    pub(crate) is_utf8: bool,
    /// What it says.
    pub configuration: ServerConfiguration,
}

/// Reads the configuration of Prosody, with what it includes. Nothing is run.
///
/// # Errors
/// A file that cannot be read, or is no Lua; its name, and what is wrong with it.
pub fn prosody_configuration(path: &Path) -> Result<ServerConfiguration, String> {
    let mut files = files(path)?.into_iter().map(|file| file.configuration);
    let mut read = files.next().unwrap_or_default();
    for more in files {
        read.plugin_server = read.plugin_server.or(more.plugin_server);
        read.installer_plugin_path = read.installer_plugin_path.or(more.installer_plugin_path);
        read.enabled.extend(more.enabled);
    }
    Ok(read)
}

/// The files of a configuration, the one that includes the others first.
pub fn files(path: &Path) -> Result<Vec<ConfigurationFile>, String> {
    let main = one(path)?;
    let includes = main.configuration.includes.clone();
    let mut files = vec![main];
    for file in includes
        .iter()
        .flat_map(|include| included(path, include))
        .filter(|file| file != path && file.exists())
    {
        files.push(one(&file)?);
    }
    Ok(files)
}

fn one(path: &Path) -> Result<ConfigurationFile, String> {
    let wrong = |message: String| format!("{} {message}", path.display());
    let metadata = path
        .metadata()
        .map_err(|error| wrong(format!("cannot read the file: {error}")))?;
    if !metadata.is_file() || metadata.len() > SIZE_LIMIT {
        return Err(wrong(
            "the path is not a regular file, or too large".to_owned(),
        ));
    }
    let bytes =
        std::fs::read(path).map_err(|error| wrong(format!("cannot read the file: {error}")))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let configuration =
        prosody::read(&text).map_err(|error| wrong(format!("cannot parse the file: {error}")))?;
    Ok(ConfigurationFile {
        path: path.to_owned(),
        is_utf8: text.as_bytes() == bytes,
        text,
        configuration,
    })
}

/// The files of an `Include`: a path, or all of a directory that end alike.
fn included(configuration: &Path, include: &str) -> Vec<PathBuf> {
    let base = configuration.parent().unwrap_or(Path::new("/"));
    let Some((directory, end)) = include.split_once('*') else {
        return vec![base.join(include)];
    };
    let entries = std::fs::read_dir(base.join(directory))
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.to_string_lossy().ends_with(end))
        .collect();
    files.sort();
    files
}

/// Runs prosodyctl with a configuration; true where it is content, with what it said. `None` where
/// there is no such program.
pub fn prosodyctl(
    configuration: &Path,
    arguments: &[&str],
    context: &StepContext<'_>,
) -> Result<Option<(bool, Vec<String>)>, Failure> {
    let Some(program) = context.machine.find_program(
        "prosodyctl",
        &["/usr/sbin".into(), "/usr/local/sbin".into()],
    ) else {
        return Ok(None);
    };
    let environment = context.machine.script_environment(&Default::default(), "");
    let command = Command::new(program)
        .args(["--config".into(), configuration.as_os_str().to_owned()])
        .args(arguments)
        .environment(environment);
    let mut said = Vec::new();
    let exit = context.task.run_with(&command, |stream, line| {
        said.push(line.to_owned());
        context.task.output(stream, line);
    })?;
    Ok(Some((exit.success(), said)))
}
