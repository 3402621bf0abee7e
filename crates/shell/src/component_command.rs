//! Runs a component's own update command.

use std::path::PathBuf;

use hoist_executor::{Command, Failure};
use serde::Deserialize;

use hoist_git::local;
use hoist_machine::machine::{Machine, is_executable};
use hoist_machine::messages::ModuleMessage;
use hoist_methods::install_script::BASH;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry, path_pool};

/// A program that knows how to update itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentCommand {
    name: String,
    /// Where it is looked for, before the path.
    dirs: Vec<PathBuf>,
}

/// Its entry in the table of methods.
pub(crate) const METHOD: MethodEntry = MethodEntry {
    programs: &[&BASH],
    ..MethodEntry::new::<ComponentCommand>("component_command")
};

impl Method for ComponentCommand {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        self.dirs.iter().take(1).map(|dir| path_pool(dir)).collect()
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.dirs.clone()
    }

    fn tells(&self) -> bool {
        false
    }

    fn version(&self) -> Option<String> {
        self.dirs.iter().find_map(|dir| local::head(dir))
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let own = self
            .dirs
            .iter()
            .flat_map(|dir| [dir.join("bin").join(&self.name), dir.join(&self.name)]);
        let program = own
            .into_iter()
            .find(|path| is_executable(path))
            .or_else(|| context.machine.find_program(&self.name, &[]))
            .or_else(|| context.path.find(&self.name));
        let Some(program) = program else {
            let places: Vec<String> = self
                .dirs
                .iter()
                .map(|dir| dir.join("bin").join(&self.name).display().to_string())
                .collect();
            let places = if places.is_empty() {
                String::new()
            } else {
                format!("no {}, and ", places.join(", no "))
            };
            let message = format!(
                "there is {places}no {} on PATH that can update itself",
                self.name
            );
            return Err(Failure::new(format!(
                "{message}: define update_module in the script, or declare another MODULE_UPDATE_METHOD"
            )));
        };
        let temporary = context.machine.spare.take()?;
        let environment = context
            .machine
            .script_environment(context.variables, &context.path.joined());
        // As for a module's own script: a question to the terminal fails rather than stops.
        let wrapped = ["-c", "trap '' TTIN TTOU; exec \"$@\"", "hoist"];
        let command = Command::new("bash")
            .args(wrapped)
            .args([program.as_path()])
            .args(["update"])
            .environment(environment);
        let command = command
            .set("TMPDIR", temporary.path())
            .directory(&context.machine.home);
        let exit = context.task.run_with(
            &context.confined(command, temporary.path()),
            |stream, line| match ModuleMessage::parse(line) {
                Some(message) => context.task.note(message.level, message.text),
                None => context.task.output(stream, line),
            },
        )?;
        match exit.success() {
            true => Ok(Applied::changed().version(self.version())),
            false => Err(Failure::new(format!(
                "`{} update` failed with {exit}",
                program.display()
            ))),
        }
    }
}
