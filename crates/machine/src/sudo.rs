//! Commands that need root, for a user who may only run them through sudo. The rules of sudo decide
//! which commands that are: they are asked for each, with its arguments.

use std::collections::BTreeMap;

use hoist_executor::{Command, Failure, Stream, TaskContext};

use crate::machine::Machine;

/// Whether sudo runs a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// It runs it, also with variables in front.
    WithVariables,
    /// It runs the command alone.
    Bare,
    /// It does not, without a password or at all: in its own words, where it has any.
    Refused(Option<String>),
    /// There is no sudo.
    Absent,
}

/// Asks sudo whether it would run a command. Nothing is run, and no password is asked for.
pub fn permission(machine: &Machine, words: &[&str]) -> Result<Permission, Failure> {
    let Some(sudo) = machine.find_program("sudo", &[]) else {
        return Ok(Permission::Absent);
    };
    let task = TaskContext::alone(|_| {});
    let environment = machine.script_environment(&BTreeMap::new(), "");
    let variables = handed_on(machine, &environment);
    let ask = |words: Vec<&str>| -> Result<(bool, Option<String>), Failure> {
        let command = Command::new(&sudo)
            .args(["-n", "-l", "--"])
            .args(words)
            .environment(environment.clone())
            .set("LC_ALL", "C");
        let mut said = None;
        let exit = task.run_with(&command, |stream, line| {
            if stream == Stream::Stderr && !line.trim().is_empty() {
                said = Some(line.trim().to_owned());
            }
        })?;
        Ok((exit.success(), said))
    };
    let with_variables = ["env"]
        .into_iter()
        .chain(variables.iter().map(String::as_str))
        .chain(words.iter().copied());
    if ask(with_variables.collect())?.0 {
        return Ok(Permission::WithVariables);
    }
    match ask(words.to_vec())? {
        (true, _) => Ok(Permission::Bare),
        (false, said) => Ok(Permission::Refused(said)),
    }
}

/// The command that runs another as root.
pub fn command(machine: &Machine, words: &[&str]) -> Result<Command, Failure> {
    let environment = machine.script_environment(&BTreeMap::new(), "");
    let sudo = Command::new("sudo").args(["-n", "--"]);
    let command = match permission(machine, words)? {
        Permission::WithVariables => sudo
            .args(["env"])
            .args(handed_on(machine, &environment))
            .args(words.iter().copied()),
        Permission::Bare => sudo.args(words.iter().copied()),
        refused => return Err(Failure::new(refusal(&refused, words).unwrap_or_default())),
    };
    Ok(command.environment(environment).set("LC_ALL", "C"))
}

/// Why a command cannot be run as root; `None` where it can.
pub fn refusal(permission: &Permission, words: &[&str]) -> Option<String> {
    let command: Vec<&str> = words.iter().copied().take(3).collect();
    let command = command.join(" ");
    match permission {
        Permission::WithVariables | Permission::Bare => None,
        Permission::Absent => Some(format!(
            "`{command} …` requires root, and sudo is not installed"
        )),
        Permission::Refused(Some(said)) => Some(format!(
            "`{command} …` requires root, and sudo failed: {said}"
        )),
        Permission::Refused(None) => Some(format!(
            "`{command} …` requires root, and sudo does not allow it for this user"
        )),
    }
}

fn handed_on(machine: &Machine, environment: &BTreeMap<String, String>) -> Vec<String> {
    let variable = |name: &&str| {
        environment
            .get(*name)
            .map(|value| format!("{name}={value}"))
    };
    machine
        .tools()
        .for_root
        .iter()
        .filter_map(variable)
        .collect()
}
