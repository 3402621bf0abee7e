//! `hoist info`.

use std::io::Write;

use hoist_core::{Diagnostic, InstalledModule, ModuleId};
use serde_json::json;

use crate::args::{Global, Output};
use crate::commands::list;
use crate::error::{Code, Ending};
use crate::json;
use crate::render::{self, BOLD, Paint, painted, printable};
use crate::session::Session;

/// Everything known about one module.
pub(crate) fn run(global: &Global, name: &str) -> Result<Code, Ending> {
    let session = Session::open(global)?;
    let installed = hoist_ledger::read(&session.places.state)?;
    let catalog = &session.catalog;
    let id = ModuleId::new(name).ok();
    let record = id.as_ref().and_then(|id| installed.modules.get(id).or_else(|| installed.unfinished.get(id))).cloned();
    let Some(module) = catalog.get(name) else {
        if let Some(broken) = catalog.broken(name) {
            return Err(broken.diagnostics.clone().into());
        }
        if let (Some(id), Some(record)) = (id, record) {
            return remembered(global, &id, &record);
        }
        let help =
            catalog.suggest(name).map_or_else(|| "`hoist list` shows every module".to_owned(), |near| format!("did you mean `{near}`?"));
        return Err(Ending::wrong(Diagnostic::error(format!("there is no module `{}`", name.escape_debug())).help(help)));
    };
    let needed_by: Vec<&ModuleId> = catalog.modules().filter(|other| other.requires.contains(&module.id)).map(|other| &other.id).collect();
    if global.output == Output::Json {
        let mut entry = list::entry(module, &installed);
        let variables: serde_json::Map<_, _> =
            module.variables.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.clone(), json!(value))).collect();
        entry["manifest"] = json!(module.manifest);
        entry["needed_by"] = json!(needed_by);
        entry["fields"] = variables.into();
        entry["checks"] = json!(module.checks);
        entry["recipe"] = json!(module.recipe);
        entry["installed"] = json!(record);
        json::print(&entry)?;
        return Ok(Code::Ok);
    }
    let paint = Paint::choose(global.color);
    let names = |ids: &[&ModuleId]| ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        ("description", printable(&module.summary)),
        ("tier", module.tier.to_string()),
        ("state", list::state(module, &installed).to_owned()),
        ("method", module.method.clone()),
        ("manifest", module.manifest.display().to_string()),
        ("needs", names(&module.requires.iter().collect::<Vec<_>>())),
        ("needed by", names(&needed_by)),
    ];
    rows.extend(record.iter().flat_map(known));
    let mut text = described(&module.id, rows, paint);
    let fields: Vec<Vec<String>> = module
        .variables
        .iter()
        .filter(|(name, value)| !value.is_empty() && !matches!(name.as_str(), "MODULE_NAME" | "MODULE_DESCRIPTION"))
        .map(|(name, value)| vec![format!("  {name}"), printable(value)])
        .collect();
    text += &format!("{}\n{}", painted(paint.stdout, BOLD, "fields"), render::table(&fields));
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Code::Ok)
}

/// What is known of an installed module whose manifest is gone.
fn remembered(global: &Global, id: &ModuleId, record: &InstalledModule) -> Result<Code, Ending> {
    if global.output == Output::Json {
        let (version, source, method) = (&record.version, &record.source, &record.method);
        json::print(&json!({
            "name": id, "tier": null, "state": "installed", "version": version, "source": source, "description": null, "method": method,
            "requires": record.requires, "manifest": null, "installed": record,
        }))?;
        return Ok(Code::Ok);
    }
    let state = "installed; its manifest is in none of the collections: it can be removed, and nothing else".to_owned();
    let mut rows = vec![("state", state), ("method", record.method.clone()), ("source", record.source.clone())];
    rows.extend(known(record));
    std::io::stdout().lock().write_all(described(id, rows, Paint::choose(global.color)).as_bytes())?;
    Ok(Code::Ok)
}

/// What the ledger says of a module.
fn known(record: &InstalledModule) -> [(&'static str, String); 3] {
    let paths: Vec<String> = record.paths.iter().map(|path| path.display().to_string()).collect();
    let manner = if record.adopted { format!("found on {}", record.installed_at) } else { record.installed_at.clone() };
    [("installed", manner), ("version", record.version.clone().unwrap_or_default()), ("paths", paths.join(", "))]
}

fn described(id: &ModuleId, rows: Vec<(&str, String)>, paint: Paint) -> String {
    let rows: Vec<Vec<String>> =
        rows.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| vec![format!("  {name}"), value]).collect();
    format!("{}\n{}", painted(paint.stdout, BOLD, id.as_str()), render::table(&rows))
}
