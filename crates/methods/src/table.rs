//! The table of methods: one line for each.

use std::collections::BTreeSet;

use hoist_core::{Action, Catalog, Module, Plan, Resource, ResourceScope, Step};

use crate::builtin::{
    bash, component_command, copy, enable, exists, git, git_pull, hook, install_script, installer,
    load, luarocks, package, pip,
};
use crate::method::{Method, MethodEntry, MethodUse};
use crate::resource::ResourceManager;

/// All methods, in alphabetical order.
pub const METHODS: &[MethodEntry] = &[
    bash::METHOD,
    component_command::METHOD,
    copy::METHOD,
    enable::METHOD,
    exists::METHOD,
    git::METHOD,
    git_pull::METHOD,
    hook::METHOD,
    install_script::METHOD,
    installer::METHOD,
    load::METHOD,
    luarocks::METHOD,
    package::METHOD,
    pip::METHOD,
];

/// The method that a step uses.
pub fn entry(step: &Step) -> Option<&'static MethodEntry> {
    METHODS.iter().find(|entry| entry.name == step.method)
}

/// A step with its arguments read.
pub(crate) fn method_of(step: &Step) -> Result<Box<dyn Method>, String> {
    match entry(step) {
        Some(entry) => entry.bind(step),
        None => Err(format!("unknown method {}", step.method)),
    }
}

/// The modules that a plan works on.
pub(crate) fn working<'c>(plan: &Plan, catalog: &'c Catalog) -> Vec<&'c Module> {
    let working = plan
        .modules
        .iter()
        .filter(|planned| planned.change.is_work());
    working
        .filter_map(|planned| catalog.get(planned.module.as_str()))
        .collect()
}

/// The uses of each method by the steps of modules for an install, and for an `action`, each once.
pub(crate) fn uses<'m>(
    modules: &[&'m Module],
    action: Action,
) -> Vec<(&'static MethodEntry, Vec<MethodUse<'m>>)> {
    let steps = |module: &'m Module| {
        let install = module.recipe.steps(Action::Install);
        let more = module.recipe.steps(action).iter();
        let more = more.filter(|step| !install.contains(step));
        let step_uses = install.iter().chain(more);
        step_uses.map(move |step| MethodUse { module, step })
    };
    let all: Vec<MethodUse<'m>> = modules.iter().flat_map(|module| steps(module)).collect();
    let of_method = |entry: &'static MethodEntry| {
        let uses = all.iter().filter(|used| used.step.method == entry.name);
        (entry, uses.copied().collect::<Vec<_>>())
    };
    METHODS
        .iter()
        .map(of_method)
        .filter(|(_, uses)| !uses.is_empty())
        .collect()
}

/// The manager of the packages in a scope.
pub(crate) fn manager_of(scope: &ResourceScope) -> Option<&'static dyn ResourceManager> {
    let entry = METHODS.iter().find(|entry| entry.name == scope.manager)?;
    entry.manager
}

/// The managers of packages, each once.
pub(crate) fn managers_of<'r>(
    resources: impl Iterator<Item = &'r Resource>,
) -> Vec<&'static dyn ResourceManager> {
    let names: BTreeSet<&str> = resources
        .map(|resource| resource.scope.manager.as_str())
        .collect();
    let used = METHODS.iter().filter(|entry| names.contains(entry.name));
    used.filter_map(|entry| entry.manager).collect()
}
