//! What the shell helpers call: one step of a module, from within its script.

use std::io::Write;

use hoist_executor::{EventKind, TaskContext};
use hoist_machine::messages::ModuleMessage;
use hoist_methods::package::package_names;
use hoist_shell::helpers::run_alone;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{CommandError, ExitStatus};
use crate::session;

/// Does one step with the metadata of the environment; what it tells goes where the script's own
/// messages go.
pub(crate) fn run(method: &str, module: &str, more: &[String]) -> Result<ExitStatus, CommandError> {
    let (environment, home, places) = session::detect()?;
    let machine = session::machine(&environment, &home, &places.cache)?;
    let tell = |kind: EventKind| {
        let _ = match kind {
            EventKind::Output { line, .. } => writeln!(std::io::stdout(), "{line}"),
            EventKind::Note { level, text, .. } => {
                writeln!(
                    std::io::stderr(),
                    "{}",
                    ModuleMessage { level, text }.line()
                )
            }
            _ => Ok(()),
        };
    };
    let task = TaskContext::alone(tell);
    // Asked to end, it clears away what it was making.
    let (mut signals, stop) = (Signals::new([SIGTERM, SIGINT, SIGHUP])?, task.stopper());
    std::thread::spawn(move || signals.forever().for_each(|_| stop()));
    match run_alone(method, module, more, &machine, &task) {
        Ok(_) => Ok(ExitStatus::Ok),
        Err(failure) => {
            task.note(hoist_executor::Level::Error, failure.message);
            Ok(ExitStatus::Failed)
        }
    }
}

/// What packages are called on this system, one a line.
pub(crate) fn package_names_of(names: &[String]) -> Result<ExitStatus, CommandError> {
    let (environment, home, places) = session::detect()?;
    let machine = session::machine(&environment, &home, &places.cache)?;
    let mut stdout = std::io::stdout().lock();
    for package in names
        .iter()
        .flat_map(|name| package_names(&machine, name, &[]))
    {
        writeln!(stdout, "{package}")?;
    }
    Ok(ExitStatus::Ok)
}
