//! `hoist list`.

use std::collections::BTreeMap;
use std::io::Write;

use hoist_core::{Installed, Module, ModulePolicy};
use serde_json::json;

use crate::args::{Global, List};
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, YELLOW, painted};
use crate::session::Session;
use crate::ui::Output;
use crate::{json, names};

/// One line a module: those of the collections and of other sources, and those that are installed
/// without being in one.
pub(crate) fn run(global: &Global, list: &List) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let installed = session.installed()?;
    if let Some(source) = &global.source {
        names::known_source(&session, &installed, source)?;
    }
    session.catalog.prefer_installed(&installed);
    let of_source = |source: &str| global.source.as_ref().is_none_or(|wanted| wanted == source);
    let of_system =
        |policy: &ModulePolicy| global.system.is_none_or(|system| system == policy.system);
    let shown = |module: &&Module| match list {
        _ if !of_source(&module.source) || !of_system(module.policy()) => false,
        List {
            installed: true, ..
        } => is_there(module, &installed),
        List {
            available: true, ..
        } => !is_there(module, &installed),
        _ => true,
    };
    // Of one source also what stands behind another.
    let behind = session
        .catalog
        .hidden()
        .iter()
        .filter(|_| global.source.is_some());
    let mut modules: Vec<&Module> = session
        .catalog
        .modules()
        .chain(behind)
        .filter(shown)
        .collect();
    modules.sort_by_key(|module| module.id.as_str());
    let gone = installed.modules.iter().filter(|(id, record)| {
        session.catalog.get(id.as_str()).is_none() && of_source(&record.source)
    });
    let gone = gone.filter(|(_, record)| of_system(record.policy()));
    let gone: Vec<_> = gone.filter(|_| !list.available).collect();
    let broken: Vec<_> = session
        .catalog
        .all_broken()
        .filter(|_| !list.installed && global.source.is_none())
        .collect();
    if global.output == Output::Json {
        let mut entries: Vec<_> = modules
            .iter()
            .map(|module| entry(module, &session, &installed))
            .collect();
        entries.extend(gone.iter().map(|(id, record)| {
            json!({ "name": id, "tier": null, "state": "installed", "version": record.version, "source": record.source, "description": null, "method": record.method })
        }));
        entries.extend(broken.iter().map(|(name, broken)| {
            json!({ "name": name, "tier": broken.tier, "state": "broken", "version": null, "source": null, "description": null, "diagnostics": broken.diagnostics })
        }));
        json::print(&entries.into())?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let dim = |text: &str| painted(paint.stdout, DIM, text);
    let offered_by = names::offered_by(&session.catalog);
    let mut rows = Vec::new();
    for module in modules {
        rows.push(vec![
            painted(paint.stdout, BOLD, module.id.as_str()),
            module.tier.to_string(),
            state_text(module, &session, &installed, paint),
            version(module, &installed),
            dim(&sources(module, &offered_by)),
            render::printable(&module.summary),
        ]);
    }
    for (id, record) in gone {
        let version = record.version.clone().unwrap_or_else(|| "-".to_owned());
        let gone = match (
            record.policy().keeps_source,
            session.indexes.contains_key(&record.source),
        ) {
            (false, _) if session.unused_collection(record).is_some() => {
                "its collection is not in use"
            }
            (false, _) => "its manifest was removed",
            (true, true) => "removed upstream",
            (true, false) => "unknown source",
        };
        rows.push(vec![
            painted(paint.stdout, BOLD, id.as_str()),
            "-".into(),
            painted(paint.stdout, GREEN, "installed"),
            version,
            dim(&record.source),
            dim(gone),
        ]);
    }
    for (name, broken) in &broken {
        let first = broken
            .diagnostics
            .iter()
            .find(|found| found.is_error())
            .map(|found| found.message.clone())
            .unwrap_or_default();
        let tier = broken.tier.map_or("-", |tier| tier.as_str());
        rows.push(vec![
            painted(paint.stdout, BOLD, &render::printable(name)),
            tier.into(),
            painted(paint.stdout, RED, "broken"),
            "-".into(),
            "-".into(),
            render::printable(&first),
        ]);
    }
    rows.sort_by(|a, b| a[0].cmp(&b[0]));
    let text = match rows.is_empty() {
        true => "No modules.\n".to_owned(),
        false => render::titled_table(
            &["NAME", "TIER", "STATUS", "VERSION", "SOURCE", "DESCRIPTION"],
            rows,
            paint.stdout,
        ),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    for hidden in session
        .catalog
        .hidden()
        .iter()
        .filter(|hidden| !hidden.policy().keeps_source)
    {
        render::print_note(&format!(
            "note: {} of {} is shadowed by another module with the same name.",
            hidden.id, hidden.source
        ));
    }
    if !broken.is_empty() {
        render::print_note(&format!(
            "{} with errors. Run `hoist validate` to list them.",
            render::count(broken.len(), "module")
        ));
    }
    session.print_unknown_sources();
    Ok(ExitStatus::Ok)
}

/// The same of another source is another module.
fn is_this(module: &Module, source: &str) -> bool {
    !module.policy().keeps_source || *source == module.source
}

fn is_there(module: &Module, installed: &Installed) -> bool {
    installed
        .modules
        .get(&module.id)
        .is_some_and(|record| is_this(module, &record.source))
}

/// The word for where a module stands.
pub(crate) fn state(module: &Module, installed: &Installed) -> &'static str {
    match (
        is_there(module, installed),
        installed
            .unfinished
            .get(&module.id)
            .is_some_and(|record| is_this(module, &record.source)),
    ) {
        (true, _) if !module.is_verifiable(installed.modules.get(&module.id)) => "unverified",
        (true, _) => "installed",
        (_, true) if installed.in_progress.contains(&module.id) => "in_progress",
        (_, true) if installed.interrupted.contains(&module.id) => "interrupted",
        (_, true) => "failed",
        _ if module.unavailable.is_some() => "unavailable",
        _ => "available",
    }
}

/// Whether it is installed, or something of it was done.
pub(crate) fn is_known(module: &Module, installed: &Installed) -> bool {
    let unfinished = installed.unfinished.get(&module.id);
    is_there(module, installed) || unfinished.is_some_and(|record| is_this(module, &record.source))
}

/// The same for people, with whether its server loads it.
pub(crate) fn state_text(
    module: &Module,
    session: &Session,
    installed: &Installed,
    paint: Paint,
) -> String {
    let state = state(module, installed);
    let colour = match state {
        "installed" => GREEN,
        "unverified" | "interrupted" | "in_progress" => YELLOW,
        "failed" => RED,
        _ => DIM,
    };
    let enabled = if session.enabled(module) == Some(true) {
        ", enabled"
    } else {
        ""
    };
    painted(
        paint.stdout,
        colour,
        &format!("{}{enabled}", state.replace('_', " ")),
    )
}

/// The version that is installed, else the one that is offered.
pub(crate) fn version(module: &Module, installed: &Installed) -> String {
    let there = installed
        .modules
        .get(&module.id)
        .filter(|_| is_there(module, installed));
    let version = there
        .and_then(|record| record.version.clone())
        .or_else(|| module.offered.version.clone());
    version.unwrap_or_else(|| "-".to_owned())
}

/// Its source, and the others that offer its name.
pub(crate) fn sources(module: &Module, offered_by: &BTreeMap<&str, Vec<&str>>) -> String {
    let others = offered_by
        .get(module.id.as_str())
        .into_iter()
        .flatten()
        .filter(|source| **source != module.source);
    let others = others.filter(|_| module.policy().keeps_source);
    std::iter::once(module.source.as_str())
        .chain(others.copied())
        .collect::<Vec<_>>()
        .join(", ")
}

/// A module as JSON.
pub(crate) fn entry(
    module: &Module,
    session: &Session,
    installed: &Installed,
) -> serde_json::Value {
    let state = state(module, installed);
    let record = installed
        .modules
        .get(&module.id)
        .filter(|_| is_there(module, installed));
    let mut entry = json!({
        "name": module.id, "tier": module.tier, "state": state, "version": record.and_then(|record| record.version.clone()),
        "source": module.source, "description": module.summary, "method": module.method, "requires": module.requires,
    });
    if module.policy().has_versions {
        entry["offered"] = json!(module.offered.version);
        entry["stage"] = json!(module.offered.stage);
        entry["enabled"] = json!(session.enabled(module));
        entry["caveats"] = json!(module.offered.caveats);
    }
    entry
}
