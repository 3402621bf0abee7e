//! `hoist prosodyctl`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use hoist_core::Diagnostic;

use hoist_sources::kinds;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::session::Session;

/// Becomes prosodyctl, with the configuration of the server that the sources are for.
pub(crate) fn run(global: &Global, arguments: &[OsString]) -> Result<ExitStatus, CommandError> {
    let session = Session::open(global)?;
    let mut sources = session.sources.iter().filter(|source| {
        global
            .source
            .as_ref()
            .is_none_or(|name| *name == source.name)
    });
    let Some(configuration) = sources.find_map(kinds::server) else {
        let wrong = Diagnostic::error("no source names a Prosody configuration file");
        return Err(CommandError::wrong(wrong.help(
            "run `hoist source add prosody --prosody FILE`, where FILE is prosody.cfg.lua",
        )));
    };
    let more = ["/usr/sbin".into(), "/usr/local/sbin".into()];
    let Some(program) = session.machine()?.find_program("prosodyctl", &more) else {
        return Err(CommandError::wrong(
            Diagnostic::error("prosodyctl is not on PATH").help("install Prosody"),
        ));
    };
    // It asks and answers on the terminal itself.
    let failed = std::process::Command::new(program)
        .arg("--config")
        .arg(configuration)
        .args(arguments)
        .exec();
    Err(CommandError::Other(failed.into()))
}
