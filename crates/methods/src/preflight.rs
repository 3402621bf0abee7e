//! What a plan needs from the machine and the operator, checked before anything starts.

use hoist_core::{Action, Catalog, Diagnostic, Module, Plan};
use hoist_executor::TaskContext;

use crate::builtin::package::{self, Manager};
use crate::git::program;
use crate::machine::Machine;
use crate::method::StepContext;
use crate::sudo::{self, Permission};

/// Everything that would make modules of the plan fail for sure: no bash, no package manager, no
/// right to install packages.
pub fn preflight(plan: &Plan, catalog: &Catalog, machine: &Machine) -> Vec<Diagnostic> {
    if matches!(
        plan.action,
        Action::Test | Action::Uninstall | Action::Undo | Action::Undeploy
    ) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let working = plan
        .modules
        .iter()
        .filter(|planned| planned.change.is_work());
    let working = working.filter_map(|planned| catalog.get(planned.module.as_str()));
    let uses = |module: &Module, action, method| {
        module
            .recipe
            .steps(action)
            .iter()
            .any(|step| step.method == method)
    };
    let steps: Vec<_> = working
        .clone()
        .flat_map(|module| {
            module
                .recipe
                .steps(Action::Install)
                .iter()
                .map(move |step| (module, step))
        })
        .collect();
    if steps.iter().any(|(_, step)| step.method == "bash")
        && machine.find_program("bash", &[]).is_none()
    {
        found.push(
            Diagnostic::error("bash is not on PATH, but modules of this run require it")
                .help("install bash"),
        );
    }
    for (module, _) in steps.iter().filter(|(_, step)| {
        machine.requires_checksums()
            && step.method == "install_script"
            && step.args["sha256"].is_null()
    }) {
        let wrong = Diagnostic::error("the manifest has no checksum, and checksums are required")
            .module(module.id.as_str());
        let wrong = wrong
            .file(module.manifest.display().to_string())
            .field("MODULE_INSTALL_SHA256");
        found.push(wrong.help("read the script, then add the digest that `sha256sum` prints"));
    }
    let uses_git = plan.action == Action::Update
        && working
            .clone()
            .any(|module| uses(module, Action::Update, "git_pull"));
    if (uses_git || steps.iter().any(|(_, step)| step.method == "git"))
        && machine.find_program("git", &[]).is_none()
    {
        found.push(Diagnostic::error(program::missing(machine)));
    }
    if steps.iter().any(|(_, step)| step.method == "luarocks")
        && machine.find_program("luarocks", &[]).is_none()
    {
        found.push(
            Diagnostic::error("luarocks is not on PATH, but modules of this run require it")
                .help("install LuaRocks"),
        );
    }
    let mut names = Vec::new();
    let mut modules = Vec::new();
    for (module, step) in steps.iter().filter(|(_, step)| step.method == "package") {
        let declared: Vec<String> =
            serde_json::from_value(step.args["packages"].clone()).unwrap_or_default();
        names.extend(package::package_names(
            machine,
            module.id.as_str(),
            &declared,
        ));
        modules.push(module.id.as_str());
    }
    if names.is_empty() {
        return found;
    }
    match package::manager(machine) {
        Err(failure) => found.push(
            Diagnostic::error(failure.message).help(format!("required by {}", modules.join(", "))),
        ),
        Ok(manager) if manager.needs_root && !machine.root => {
            let missing = missing(machine, manager, &names);
            if !missing.is_empty() {
                let words = package::install_words(manager, &missing, false);
                let refusal = sudo::permission(machine, &words)
                    .map(|permission| sudo::refusal(&permission, &words));
                if let Some(refusal) = refusal.unwrap_or_else(|failure| Some(failure.message)) {
                    let help = format!(
                        "run hoist as root, run `sudo -v` first, or leave out these modules with --skip {}",
                        modules.join(",")
                    );
                    found.push(
                        Diagnostic::error(format!(
                            "cannot install packages for {}: {refusal}",
                            modules.join(", ")
                        ))
                        .help(help),
                    );
                }
            }
        }
        Ok(_) => {}
    }
    found
}

/// The packages that are not installed yet.
fn missing(machine: &Machine, manager: &Manager, names: &[String]) -> Vec<String> {
    let task = TaskContext::alone(|_| {});
    let variables = Default::default();
    let context = StepContext::new(&task, machine, "", &variables);
    let installed = package::installed(&context, manager, names).unwrap_or_default();
    names
        .iter()
        .filter(|name| !installed.contains_key(*name))
        .cloned()
        .collect()
}

/// True where a plan runs commands as root that sudo refuses now, and may allow once a password was
/// given.
pub fn needs_password(plan: &Plan, catalog: &Catalog, machine: &Machine) -> bool {
    let action = match plan.action {
        Action::Install | Action::Update => plan.action,
        _ => return false,
    };
    let working = plan
        .modules
        .iter()
        .filter(|planned| planned.change.is_work());
    let working = working.filter_map(|planned| catalog.get(planned.module.as_str()));
    let (mut names, mut scripts) = (Vec::new(), false);
    for module in working {
        for step in module
            .recipe
            .steps(action)
            .iter()
            .chain(module.recipe.steps(Action::Install))
        {
            if step.method == "package" {
                let declared: Vec<String> =
                    serde_json::from_value(step.args["packages"].clone()).unwrap_or_default();
                names.extend(package::package_names(
                    machine,
                    module.id.as_str(),
                    &declared,
                ));
            }
            scripts |= step.args["tools"]
                .as_array()
                .is_some_and(|tools| tools.iter().any(|tool| tool == "package"));
        }
    }
    let Ok(manager) = package::manager(machine) else {
        return false;
    };
    if machine.root || !manager.needs_root {
        return false;
    }
    let missing = if names.is_empty() {
        Vec::new()
    } else {
        missing(machine, manager, &names)
    };
    if missing.is_empty() && !scripts {
        return false;
    }
    let words = package::install_words(manager, &missing, false);
    matches!(
        sudo::permission(machine, &words),
        Ok(Permission::Refused(_))
    )
}
