//! Does what a module's method does, outside any run: clones the repository that the arguments
//! name.

use hoist_core::Environment;
use hoist_executor::{EventKind, TaskContext};
use hoist_machine::machine::{Machine, MachineTools};
use hoist_shell::helpers::run_alone;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: clone URL DIRECTORY".into());
    };
    let inherited = std::env::vars().filter(|(name, _)| name == "HOME" || name == "PATH");
    let metadata = [
        ("MODULE_INSTALL_REPO".to_owned(), url),
        ("MODULE_INSTALL_DIRS".to_owned(), directory),
    ];
    let environment: Environment = inherited.chain(metadata).collect();
    let home = environment.home().ok_or("HOME is not set")?.to_owned();
    let machine = Machine::new(
        environment,
        home.clone(),
        std::env::current_exe()?,
        home.join(".cache"),
        &MachineTools::NONE,
    );
    let task = TaskContext::alone(|kind| {
        if let EventKind::Progress { done, total, .. } = kind {
            #[expect(clippy::print_stderr, reason = "an example for people")]
            {
                eprintln!("{done} of {total}");
            }
        }
    });
    run_alone("git", "example", &[], &machine, &task)?;
    Ok(())
}
