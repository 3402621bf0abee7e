//! Adds what selected modules need, and puts each behind its needs.

use std::collections::{BTreeMap, BTreeSet};

use hoist_core::{
    Action, Catalog, DescribedBy, Diagnostic, Installed, LeftOut, Module, ModuleId, Request,
    SelectionReason, Tier,
};
use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::cycle;
use crate::resolution::{Resolution, Resolved};
use crate::select::{Selected, unknown};

/// Closes a selection under requirements. For tests nothing is added: what is tested need not wait.
pub(crate) fn close<'c>(
    catalog: &'c Catalog,
    installed: &Installed,
    selected: Selected<'c>,
    request: &Request,
) -> Result<Resolution<'c>, Vec<Diagnostic>> {
    if request.action == Action::Uninstall {
        return close_backwards(catalog, installed, selected, request);
    }
    let Selected { mut modules, skip } = selected;
    let mut errors = Vec::new();
    let ordered = request.action != Action::Test;
    if ordered {
        let mut waiting: Vec<&Module> = modules.values().map(|(module, _)| *module).collect();
        let mut missing = BTreeSet::new();
        while let Some(module) = waiting.pop().filter(|_| !request.no_deps) {
            for name in &module.requires {
                match (catalog.get(name.as_str()), catalog.broken(name.as_str())) {
                    (Some(needed), _) => {
                        modules.entry(needed.id.as_str()).or_insert_with(|| {
                            waiting.push(needed);
                            (needed, SelectionReason::By(module.id.clone()))
                        });
                    }
                    (None, Some(broken))
                        if !skip.contains(name.as_str()) && missing.insert(name.as_str()) =>
                    {
                        errors.extend(
                            broken
                                .diagnostics
                                .iter()
                                .filter(|found| found.is_error())
                                .cloned(),
                        );
                    }
                    (None, Some(_)) => {}
                    (None, None) => {
                        errors.push(missing_requirement(catalog, module, name.as_str()))
                    }
                }
            }
            for wished in module
                .optional_dependencies
                .iter()
                .filter_map(|name| catalog.get(name.as_str()))
            {
                modules.entry(wished.id.as_str()).or_insert_with(|| {
                    waiting.push(wished);
                    (wished, SelectionReason::By(module.id.clone()))
                });
            }
        }
    }
    let left_out = leave_out(&mut modules, &skip, ordered, &mut errors);
    let list: Vec<(&Module, SelectionReason)> = modules.into_values().collect();
    let graph = graph(&list.iter().map(|(module, _)| *module).collect::<Vec<_>>());
    if ordered {
        errors.extend(cycles(&graph));
    }
    if !errors.is_empty() {
        errors.sort_by(|a, b| {
            (&a.file, &a.position, &a.message).cmp(&(&b.file, &b.position, &b.message))
        });
        return Err(errors);
    }
    // The graph points from a module to what it needs.
    let order: Vec<NodeIndex> = match toposort(&graph, None) {
        Ok(order) => order.into_iter().rev().collect(),
        Err(_) => graph.node_indices().collect(),
    };
    let mut place = vec![0; list.len()];
    order
        .iter()
        .enumerate()
        .for_each(|(at, node)| place[node.index()] = at);
    let resolved = |node: &NodeIndex| {
        let (module, wanted) = &list[node.index()];
        let ahead = graph.neighbors(*node).filter(|_| ordered);
        let (needs, after): (Vec<NodeIndex>, Vec<NodeIndex>) =
            ahead.partition(|other| module.requires.contains(&list[other.index()].0.id));
        let places =
            |nodes: Vec<NodeIndex>| nodes.into_iter().map(|node| place[node.index()]).collect();
        Resolved {
            module,
            wanted: wanted.clone(),
            needs: places(needs),
            after: places(after),
        }
    };
    Ok(Resolution {
        modules: order.iter().map(resolved).collect(),
        left_out,
    })
}

/// What needs what is removed goes first, or is a reason not to remove anything.
fn close_backwards<'c>(
    catalog: &'c Catalog,
    installed: &Installed,
    selected: Selected<'c>,
    request: &Request,
) -> Result<Resolution<'c>, Vec<Diagnostic>> {
    let Selected { mut modules, skip } = selected;
    modules.retain(|name, _| !skip.contains(name));
    // What a module needed when it was installed counts, whatever its manifest says today.
    let requires = |name: &str| {
        let record = installed
            .modules
            .get(name)
            .or_else(|| installed.unfinished.get(name));
        let declared = catalog
            .get(name)
            .into_iter()
            .flat_map(|module| &module.requires);
        declared
            .chain(record.into_iter().flat_map(|record| &record.requires))
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    let mut needed_by: BTreeMap<String, Vec<&'c Module>> = BTreeMap::new();
    for module in catalog
        .modules()
        .filter(|module| installed.modules.contains_key(&module.id))
    {
        requires(module.id.as_str())
            .iter()
            .for_each(|name| needed_by.entry(name.to_string()).or_default().push(module));
    }
    let mut waiting: Vec<&str> = modules.keys().copied().collect();
    let mut errors = Vec::new();
    while let Some(name) = waiting.pop() {
        let needed_by = needed_by.get(name).map(Vec::as_slice).unwrap_or_default();
        let dependents: Vec<&&Module> = needed_by
            .iter()
            .filter(|module| !modules.contains_key(module.id.as_str()))
            .collect();
        if !request.cascade && !dependents.is_empty() {
            let names: Vec<&str> = dependents.iter().map(|module| module.id.as_str()).collect();
            let diagnostic =
                Diagnostic::error(format!("the module is required by {}", names.join(", ")))
                    .module(name);
            errors.push(
                diagnostic.help("add --cascade to also remove the modules that depend on it"),
            );
            continue;
        }
        for module in dependents {
            if skip.contains(module.id.as_str()) {
                let diagnostic = Diagnostic::error(format!(
                    "the module is required by {}, which --skip keeps",
                    module.id
                ))
                .module(name);
                errors.push(diagnostic.help("remove it from --skip, or skip both"));
            } else if let Some(id) = catalog.get(name).map(|module| module.id.clone()) {
                modules.insert(module.id.as_str(), (module, SelectionReason::Cascade(id)));
                waiting.push(module.id.as_str());
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    // What only came because of what goes, goes too, where its source keeps count of that.
    let came_along = |id: &ModuleId| {
        let record = installed.modules.get(id);
        record.is_some_and(|record| {
            !record.is_explicit && !record.adopted && record.policy().goes_when_unneeded
        })
    };
    let mut left: Vec<ModuleId> = modules
        .keys()
        .flat_map(|name| requires(name))
        .filter(came_along)
        .collect();
    while let Some(id) = left.pop() {
        let needed = needed_by.get(id.as_str()).is_some_and(|needed_by| {
            needed_by
                .iter()
                .any(|module| !modules.contains_key(module.id.as_str()))
        });
        let stays = needed || skip.contains(id.as_str()) || modules.contains_key(id.as_str());
        let Some(orphan) = catalog.get(id.as_str()).filter(|_| !stays) else {
            continue;
        };
        modules.insert(orphan.id.as_str(), (orphan, SelectionReason::Orphan));
        left.extend(requires(id.as_str()).into_iter().filter(came_along));
    }
    let list: Vec<(&Module, SelectionReason)> = modules.into_values().collect();
    let mut graph: DiGraph<&Module, ()> = DiGraph::new();
    let nodes: BTreeMap<&str, NodeIndex> = list
        .iter()
        .map(|(module, _)| (module.id.as_str(), graph.add_node(*module)))
        .collect();
    for (module, _) in &list {
        // An edge leads from a module to one that has to go before it.
        for name in requires(module.id.as_str()) {
            if let Some(needed) = nodes.get(name.as_str()) {
                graph.update_edge(*needed, nodes[module.id.as_str()], ());
            }
        }
    }
    // What was installed from one manifest after another may need each other by now; it goes all
    // the same.
    let sorted = toposort(&graph, None);
    let acyclic = sorted.is_ok();
    let order: Vec<NodeIndex> = sorted.map_or_else(
        |_| graph.node_indices().collect(),
        |order| order.into_iter().rev().collect(),
    );
    let mut place = vec![0; list.len()];
    order
        .iter()
        .enumerate()
        .for_each(|(at, node)| place[node.index()] = at);
    let resolved = |node: &NodeIndex| Resolved {
        module: list[node.index()].0,
        wanted: list[node.index()].1.clone(),
        after: Vec::new(),
        needs: if acyclic {
            graph
                .neighbors(*node)
                .map(|first| place[first.index()])
                .collect()
        } else {
            Vec::new()
        },
    };
    Ok(Resolution {
        modules: order.iter().map(resolved).collect(),
        left_out: Vec::new(),
    })
}

/// Everything that is wrong between the modules of a whole catalog: missing requirements and
/// cycles.
pub fn check(catalog: &Catalog) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    // What sources say of their modules is their authors' business.
    let own: Vec<&Module> = catalog
        .modules()
        .filter(|module| !module.policy().keeps_source)
        .collect();
    for module in &own {
        let missing = module.requires.iter().filter(|name| {
            catalog.get(name.as_str()).is_none() && catalog.broken(name.as_str()).is_none()
        });
        found.extend(missing.map(|name| missing_requirement(catalog, module, name.as_str())));
    }
    found.extend(cycles_of(catalog));
    found
}

/// The cycles among the modules of a whole catalog.
pub fn cycles_of(catalog: &Catalog) -> Vec<Diagnostic> {
    let own = catalog
        .modules()
        .filter(|module| module.policy().described_by == DescribedBy::Manifest);
    cycles(&graph(&own.collect::<Vec<_>>()))
}

pub(crate) fn graph<'c>(modules: &[&'c Module]) -> DiGraph<&'c Module, ()> {
    let mut graph = DiGraph::with_capacity(modules.len(), modules.len() * 2);
    let nodes: BTreeMap<&str, NodeIndex> = modules
        .iter()
        .map(|module| (module.id.as_str(), graph.add_node(*module)))
        .collect();
    for module in modules {
        for needed in module
            .requires
            .iter()
            .chain(&module.optional_dependencies)
            .filter_map(|name| nodes.get(name.as_str()))
        {
            graph.update_edge(nodes[module.id.as_str()], *needed, ());
        }
    }
    graph
}

fn cycles(graph: &DiGraph<&Module, ()>) -> Vec<Diagnostic> {
    let components = kosaraju_scc(graph)
        .into_iter()
        .filter(|knot| knot.len() > 1 || graph.contains_edge(knot[0], knot[0]));
    let mut found: Vec<Diagnostic> = components
        .map(|knot| tell(graph, &cycle::shortest(graph, &knot)))
        .collect();
    found.sort_by(|a, b| a.message.cmp(&b.message));
    found
}

fn tell(graph: &DiGraph<&Module, ()>, path: &[NodeIndex]) -> Diagnostic {
    let names: Vec<&str> = path
        .iter()
        .chain(path.first())
        .map(|node| graph[*node].id.as_str())
        .collect();
    let first = graph[path[0]];
    Diagnostic::error(format!("dependency cycle: {}", names.join(" => ")))
        .module(first.id.as_str())
        .file(first.manifest.display().to_string())
        .field(first.words.dependencies)
        .help("remove one of these dependencies")
}

fn missing_requirement(catalog: &Catalog, module: &Module, name: &str) -> Diagnostic {
    let unknown = unknown(catalog, name, &format!("required by {}", module.id));
    let unknown = unknown
        .module(module.id.as_str())
        .file(module.manifest.display().to_string())
        .field(module.words.dependencies);
    match module.removal.into {
        None => unknown,
        Some(_) => unknown.help("run `hoist sync` to refresh the sources, or name the directory of the dependency as well; add --no-deps to install the module without its dependencies"),
    }
}

/// Why a module is left out.
#[derive(Clone, Copy)]
enum Because<'c> {
    /// `--skip` names it.
    Skipped,
    /// It is for other machines: which.
    Unavailable(&'c str),
    /// It needs this one, which is left out.
    Needs(&'c str),
}

/// What is wrong where a module is requested and left out, and what to do.
fn named_and_left_out(
    name: &str,
    because: Because<'_>,
    reasons: &BTreeMap<&str, Because<'_>>,
) -> (String, String) {
    let (message, skipped) = match because {
        Because::Needs(other) => {
            if let Some(Because::Unavailable(why)) = reasons.get(other) {
                let message =
                    format!("{name} is requested, but depends on {other}, which is {why}");
                return (message, format!("do not request {name} on this machine"));
            }
            let message =
                format!("{name} is requested, but depends on {other}, which --skip excludes");
            (message, other)
        }
        Because::Skipped | Because::Unavailable(_) => {
            let message = format!("{name} is both requested and excluded by --skip");
            (message, name)
        }
    };
    let help = format!("remove {skipped} from --skip, or do not request {name}");
    (message, help)
}

/// Removes what is to be skipped, what is for other machines where modules are to be `brought`, and
/// what needs either. A core module cannot be left out, but it may be for other machines.
fn leave_out<'c>(
    modules: &mut BTreeMap<&'c str, (&'c Module, SelectionReason)>,
    skip: &BTreeSet<&'c str>,
    brought: bool,
    errors: &mut Vec<Diagnostic>,
) -> Vec<LeftOut> {
    let unavailable = |(name, (module, _)): (&&'c str, &(&'c Module, SelectionReason))| {
        let why = module.unavailable.as_deref().filter(|_| brought)?;
        Some((*name, Because::Unavailable(why)))
    };
    let mut reasons: BTreeMap<&str, Because<'_>> = modules.iter().filter_map(unavailable).collect();
    reasons.extend(skip.iter().map(|name| (*name, Because::Skipped)));
    let mut needed_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (module, _) in modules.values() {
        module.requires.iter().for_each(|name| {
            needed_by
                .entry(name.as_str())
                .or_default()
                .push(module.id.as_str())
        });
    }
    let mut waiting: Vec<&str> = reasons.keys().copied().collect();
    while let Some(name) = waiting.pop() {
        for dependent in needed_by
            .get(name)
            .into_iter()
            .flatten()
            .filter(|dependent| modules.contains_key(*dependent))
        {
            if !reasons.contains_key(dependent) {
                reasons.insert(dependent, Because::Needs(name));
                waiting.push(dependent);
            }
        }
    }
    let mut left_out = Vec::new();
    for (name, because) in &reasons {
        let Some((module, wanted)) = modules.remove(name) else {
            continue;
        };
        let reason = match because {
            Because::Skipped => "left out with --skip".to_owned(),
            Because::Unavailable(why) => (*why).to_owned(),
            Because::Needs(other) => format!("depends on {other}, which is left out"),
        };
        let is_core = module.tier == Tier::Core;
        let is_named = wanted == SelectionReason::Named;
        let is_needed = matches!(wanted, SelectionReason::By(_));
        let error = match because {
            Because::Unavailable(why) if is_named => Some((
                format!("{name} cannot be installed on this machine: it is {why}"),
                "leave it out, or change `when` in its manifest".to_owned(),
            )),
            Because::Skipped | Because::Needs(_) if is_named => {
                Some(named_and_left_out(name, *because, &reasons))
            }
            Because::Skipped if is_core => Some((
                format!("{name} is a core module and cannot be skipped"),
                "remove it from --skip".to_owned(),
            )),
            Because::Needs(other) if is_core => Some(match reasons.get(other) {
                Some(Because::Unavailable(why)) => (
                    format!("{name} is a core module and depends on {other}, which is {why}"),
                    "add the same `when` to both manifests, or remove the dependency".to_owned(),
                ),
                _ => (
                    format!(
                        "{name} is a core module and depends on {other}, which --skip leaves out"
                    ),
                    "remove it from --skip".to_owned(),
                ),
            }),
            _ => None,
        };
        let is_listed = matches!(because, Because::Needs(_)) || !is_needed;
        match error {
            Some((message, help)) => {
                errors.push(Diagnostic::error(message).module(*name).help(help));
            }
            None if is_listed => left_out.push(LeftOut {
                module: module.id.clone(),
                reason,
            }),
            None => {}
        }
    }
    // What only a module that is left out needed is not needed any more.
    let mut needs: BTreeMap<&str, usize> = BTreeMap::new();
    let wants = |module: &'c Module| module.requires.iter().chain(&module.optional_dependencies);
    for name in modules.values().flat_map(|(module, _)| wants(module)) {
        *needs.entry(name.as_str()).or_default() += 1;
    }
    let orphaned = |(name, (_, wanted)): (&&'c str, &(&Module, SelectionReason))| {
        (matches!(wanted, SelectionReason::By(_)) && !needs.contains_key(name)).then_some(*name)
    };
    let mut orphans: Vec<&str> = modules.iter().filter_map(orphaned).collect();
    while let Some((module, _)) = orphans.pop().and_then(|name| modules.remove(name)) {
        for name in wants(module) {
            let count = needs.entry(name.as_str()).or_default();
            *count = count.saturating_sub(1);
            if *count == 0
                && modules
                    .get(name.as_str())
                    .is_some_and(|(_, wanted)| matches!(wanted, SelectionReason::By(_)))
            {
                orphans.push(name.as_str());
            }
        }
    }
    left_out
}
