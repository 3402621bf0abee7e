//! Names, tiers, `--with` and `--skip` to modules.

use std::collections::{BTreeMap, BTreeSet};

use hoist_core::{
    Action, Catalog, Diagnostic, Installed, Module, Request, Selection, SelectionReason, Tier,
};

/// The modules that are asked for, before what they need is added.
pub(crate) struct Selected<'c> {
    pub(crate) modules: BTreeMap<&'c str, (&'c Module, SelectionReason)>,
    pub(crate) skip: BTreeSet<&'c str>,
}

/// Selects. Names that do not exist, and broken manifests that are or may be selected, are errors.
pub(crate) fn select<'c>(
    catalog: &'c Catalog,
    installed: &Installed,
    request: &Request,
) -> Result<Selected<'c>, Vec<Diagnostic>> {
    let there = |name: &str| {
        installed.modules.contains_key(name) || installed.unfinished.contains_key(name)
    };
    let needs_installed = matches!(request.action, Action::Update | Action::Uninstall);
    let mut selected = Selected {
        modules: BTreeMap::new(),
        skip: BTreeSet::new(),
    };
    let mut errors = Vec::new();
    for name in &request.skip {
        match (catalog.get(name), catalog.broken(name)) {
            (Some(module), _) => drop(selected.skip.insert(module.id.as_str())),
            (None, Some(_)) => selected.skip.extend(
                catalog
                    .all_broken()
                    .map(|(broken, _)| broken)
                    .find(|broken| broken == name),
            ),
            (None, None) => errors.push(unknown(catalog, name, "--skip")),
        }
    }
    let named = |names: &'_ [String]| {
        names
            .iter()
            .map(String::as_str)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let lists: &[(&str, Vec<String>)] = &match &request.selection {
        Selection::Names(names) => [("", named(names)), ("--with", named(&request.with))],
        _ => [("", Vec::new()), ("--with", named(&request.with))],
    };
    for (place, names) in lists {
        for name in names {
            match (catalog.get(name), catalog.broken(name)) {
                (Some(_), _) if needs_installed && !there(name) => errors.push(not_installed(name)),
                (Some(module), _) => drop(selected.modules.insert(module.id.as_str(), (module, SelectionReason::Named))),
                (None, Some(broken)) => errors.extend(broken.diagnostics.iter().filter(|found| found.is_error()).cloned()),
                (None, None) if needs_installed && there(name) => errors.push(
                    Diagnostic::error("no collection in use has its manifest, so it cannot be updated")
                        .module(name.as_str())
                        .help(format!("select its collection with -C, or run `hoist uninstall {name}` to remove it")),
                ),
                (None, None) => errors.push(unknown(catalog, name, place)),
            }
        }
    }
    if !matches!(request.selection, Selection::Names(_)) {
        by_tier(catalog, installed, request, &mut selected, &mut errors);
    }
    if errors.is_empty() {
        Ok(selected)
    } else {
        Err(errors)
    }
}

fn by_tier<'c>(
    catalog: &'c Catalog,
    installed: &Installed,
    request: &Request,
    selected: &mut Selected<'c>,
    errors: &mut Vec<Diagnostic>,
) {
    let wants = |tier: Tier| match request.selection {
        Selection::All => true,
        Selection::Minimal => tier == Tier::Core,
        _ => tier != Tier::Optional,
    };
    let chosen = |name: &str, tier: Option<Tier>| match request.action {
        Action::Install => tier.is_none_or(wants),
        Action::Update => {
            installed.modules.contains_key(name)
                || installed
                    .unfinished
                    .get(name)
                    .is_some_and(|record| record.ever_installed)
        }
        Action::Test | Action::Undo | Action::Deploy | Action::Undeploy => {
            installed.modules.contains_key(name)
        }
        Action::Uninstall => {
            installed.modules.contains_key(name) || installed.unfinished.contains_key(name)
        }
    };
    // Of a repository or a server of modules nobody wants all of them.
    let by_name =
        |module: &Module| request.action == Action::Install && module.policy().is_selected_by_name;
    for module in catalog.modules().filter(|module| !by_name(module)) {
        if chosen(module.id.as_str(), Some(module.tier)) {
            let wanted = if request.action == Action::Install {
                SelectionReason::Tier
            } else {
                SelectionReason::Installed
            };
            selected
                .modules
                .entry(module.id.as_str())
                .or_insert((module, wanted));
        }
    }
    for (name, broken) in catalog
        .all_broken()
        .filter(|(name, _)| !request.skip.iter().any(|skip| skip == name))
    {
        if chosen(name, broken.tier) {
            errors.extend(
                broken
                    .diagnostics
                    .iter()
                    .filter(|found| found.is_error())
                    .cloned(),
            );
        }
    }
}

/// A name that is wanted but not installed.
fn not_installed(name: &str) -> Diagnostic {
    Diagnostic::error("the module is not installed")
        .module(name)
        .help(format!("run `hoist install {name}` to install it, or `hoist list --installed` to list installed modules"))
}

/// A name that no manifest has.
pub(crate) fn unknown(catalog: &Catalog, name: &str, place: &str) -> Diagnostic {
    let help = match catalog.suggest(name) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "run `hoist list` to list modules".to_owned(),
    };
    let place = if place.is_empty() {
        String::new()
    } else {
        format!(" ({place})")
    };
    Diagnostic::error(format!("unknown module `{}`{place}", name.escape_debug())).help(help)
}
