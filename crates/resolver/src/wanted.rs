//! What of a source a request is about.

use std::collections::BTreeSet;

use hoist_core::{Action, Catalog, Installed, Module, ModuleId, Request, Selection};

/// The modules of one source that a request is about or that what it is about needs, where those
/// are of other sources.
pub fn wanted(
    catalog: &Catalog,
    installed: &Installed,
    request: &Request,
    of_source: &dyn Fn(&Module) -> bool,
) -> Vec<String> {
    let mut waiting: Vec<String> = match (&request.selection, request.action) {
        (Selection::Names(names), _) => names.clone(),
        (_, Action::Update) => installed.modules.keys().map(ModuleId::to_string).collect(),
        _ => catalog
            .modules()
            .filter(|module| !module.policy().is_selected_by_name)
            .map(|module| module.id.to_string())
            .collect(),
    };
    waiting.extend(request.with.iter().cloned());
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    let mut wanted = Vec::new();
    while let Some(name) = waiting.pop() {
        let Some(module) = catalog.get(&name) else {
            continue;
        };
        if of_source(module) {
            wanted.push(name);
            continue;
        }
        waiting.extend(
            module
                .requires
                .iter()
                .map(ModuleId::to_string)
                .filter(|name| seen.insert(name.clone())),
        );
    }
    wanted.sort();
    wanted
}
