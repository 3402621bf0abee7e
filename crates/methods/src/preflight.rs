//! What a plan needs from the machine and the operator, checked before anything starts.

use hoist_core::{Action, Catalog, Diagnostic, Plan};
use hoist_executor::{Command, TaskContext};

use crate::builtin::package;
use crate::machine::Machine;
use crate::method::StepContext;

/// Everything that would make modules of the plan fail for sure: no bash, no package manager, no right to install packages.
pub fn preflight(plan: &Plan, catalog: &Catalog, machine: &Machine) -> Vec<Diagnostic> {
    if matches!(plan.action, Action::Test | Action::Uninstall | Action::Undo | Action::Undeploy) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let working = plan.modules.iter().filter(|planned| planned.change.is_work());
    let steps: Vec<_> = working
        .filter_map(|planned| catalog.get(planned.module.as_str()))
        .flat_map(|module| module.recipe.steps(Action::Install).iter().map(move |step| (module, step)))
        .collect();
    if steps.iter().any(|(_, step)| step.method == "bash") && machine.find_program("bash", &[]).is_none() {
        found.push(Diagnostic::error("bash is not on the path, and modules of this run need it").help("install bash"));
    }
    if steps.iter().any(|(_, step)| step.method == "luarocks") && machine.find_program("luarocks", &[]).is_none() {
        found.push(Diagnostic::error("luarocks is not on the path, and modules of this run need it").help("install luarocks"));
    }
    let mut names = Vec::new();
    let mut modules = Vec::new();
    for (module, step) in steps.iter().filter(|(_, step)| step.method == "package") {
        let declared: Vec<String> = serde_json::from_value(step.args["packages"].clone()).unwrap_or_default();
        names.extend(package::package_names(machine, module.id.as_str(), &declared));
        modules.push(module.id.as_str());
    }
    if names.is_empty() {
        return found;
    }
    match package::manager(machine) {
        Err(failure) => found.push(Diagnostic::error(failure.message).help(format!("needed by {}", modules.join(", ")))),
        Ok(manager) if manager.needs_root && !machine.root => {
            let task = TaskContext::alone(|_| {});
            let variables = Default::default();
            let context = StepContext::new(&task, machine, "", &variables);
            let there = package::installed(&context, manager, &names).is_ok_and(|there| names.iter().all(|name| there.contains_key(name)));
            let sudo = || task.run(&Command::new("sudo").args(["-n", "true"])).is_ok_and(|exit| exit.success());
            if !there && !sudo() {
                let message = format!("installing packages needs root, and sudo asks for a password: {}", modules.join(", "));
                let help = format!("run hoist as root, run `sudo -v` first, or leave them out with --skip {}", modules.join(","));
                found.push(Diagnostic::error(message).help(help));
            }
        }
        Ok(_) => {}
    }
    found
}
