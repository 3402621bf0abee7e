//! `hoist list`.

use std::io::Write;

use hoist_core::{Installed, Module};
use serde_json::json;

use crate::args::{Global, List, Output};
use crate::error::{Code, Ending};
use crate::json;
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, painted};
use crate::session::Session;

/// One line a module: those of the collections, and those that are installed without being in one.
pub(crate) fn run(global: &Global, list: &List) -> Result<Code, Ending> {
    let session = Session::open(global)?;
    let installed = hoist_ledger::read(&session.places.state)?;
    let shown = |module: &&Module| match list {
        List { installed: true, .. } => installed.modules.contains_key(&module.id),
        List { available: true, .. } => !installed.modules.contains_key(&module.id),
        _ => true,
    };
    let modules: Vec<&Module> = session.catalog.modules().filter(shown).collect();
    let gone: Vec<_> = installed.modules.iter().filter(|(id, _)| session.catalog.get(id.as_str()).is_none() && !list.available).collect();
    let broken: Vec<_> = session.catalog.all_broken().filter(|_| !list.installed).collect();
    if global.output == Output::Json {
        let mut entries: Vec<_> = modules.iter().map(|module| entry(module, &installed)).collect();
        entries.extend(gone.iter().map(|(id, record)| {
            json!({ "name": id, "tier": null, "state": "installed", "version": record.version, "source": record.source, "description": null, "method": record.method })
        }));
        entries.extend(broken.iter().map(|(name, broken)| {
            json!({ "name": name, "tier": broken.tier, "state": "broken", "version": null, "source": null, "description": null, "diagnostics": broken.diagnostics })
        }));
        json::print(&entries.into())?;
        return Ok(Code::Ok);
    }
    let paint = Paint::choose(global.color);
    let dim = |text: &str| painted(paint.stdout, DIM, text);
    let mut rows = Vec::new();
    for module in modules {
        let state = state(module, &installed);
        let colour = match state {
            "installed" => GREEN,
            "failed" => RED,
            _ => DIM,
        };
        let version = installed.modules.get(&module.id).and_then(|record| record.version.clone()).unwrap_or_else(|| "-".to_owned());
        rows.push(vec![
            painted(paint.stdout, BOLD, module.id.as_str()),
            module.tier.to_string(),
            painted(paint.stdout, colour, state),
            version,
            dim(&module.source),
            render::printable(&module.summary),
        ]);
    }
    for (id, record) in gone {
        let version = record.version.clone().unwrap_or_else(|| "-".to_owned());
        rows.push(vec![
            painted(paint.stdout, BOLD, id.as_str()),
            "-".into(),
            painted(paint.stdout, GREEN, "installed"),
            version,
            dim(&record.source),
            dim("in no collection"),
        ]);
    }
    for (name, broken) in &broken {
        let first = broken.diagnostics.iter().find(|found| found.is_error()).map(|found| found.message.clone()).unwrap_or_default();
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
    let mut text = render::table_for_terminal(&rows);
    if rows.is_empty() {
        text = "No modules.\n".to_owned();
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    for hidden in session.catalog.hidden().iter().filter(|hidden| hidden.removal.into.is_none()) {
        render::remark(&format!("{} of {} stands behind another module of its name.", hidden.id, hidden.source));
    }
    if !broken.is_empty() {
        render::remark(&format!("{} broken: `hoist validate` tells what is wrong.", broken.len()));
    }
    Ok(Code::Ok)
}

/// The word for where a module stands.
pub(crate) fn state(module: &Module, installed: &Installed) -> &'static str {
    match (installed.modules.contains_key(&module.id), installed.unfinished.contains_key(&module.id)) {
        (true, _) => "installed",
        (_, true) => "failed",
        _ => "available",
    }
}

/// A module as JSON.
pub(crate) fn entry(module: &Module, installed: &Installed) -> serde_json::Value {
    let record = installed.modules.get(&module.id);
    json!({
        "name": module.id, "tier": module.tier, "state": state(module, installed), "version": record.and_then(|record| record.version.clone()),
        "source": module.source, "description": module.summary, "method": module.method, "requires": module.requires,
    })
}
