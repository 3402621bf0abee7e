//! `hoist info`.

use std::io::Write;

use std::path::PathBuf;

use hoist_core::{Diagnostic, Installed, InstalledModule, Module, ModuleId};
use hoist_files::FileKind;
use hoist_ledger::Reader;
use hoist_sources::{IndexEntry, IndexedFile};
use hoist_system::source_cache::SourceCache;
use serde_json::json;

use crate::args::Global;
use crate::commands::list;
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, BOLD, Paint, painted, printable};
use crate::session::Session;
use crate::time;
use crate::ui::Output;
use crate::{json, markdown, names};

/// Everything known about one module.
pub(crate) fn run(global: &Global, name: &str) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let installed = session.installed()?;
    session.catalog.prefer_installed(&installed);
    let name = &meant(&mut session, &installed, global, name);
    let catalog = &session.catalog;
    let id = ModuleId::new(name).ok();
    let record = id
        .as_ref()
        .and_then(|id| {
            installed
                .modules
                .get(id)
                .or_else(|| installed.unfinished.get(id))
        })
        .cloned();
    let Some(module) = catalog.get(name) else {
        if let Some(broken) = catalog.broken(name) {
            return Err(broken.diagnostics.clone().into());
        }
        if let (Some(id), Some(record)) = (id, record) {
            return remembered(global, &session, &id, &record);
        }
        let help = catalog.suggest(name).map_or_else(
            || "run `hoist list` to list modules".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(CommandError::wrong(
            Diagnostic::error(format!("unknown module `{}`", name.escape_debug())).help(help),
        ));
    };
    let needed_by: Vec<&ModuleId> = catalog
        .modules()
        .filter(|other| other.requires.contains(&module.id))
        .map(|other| &other.id)
        .collect();
    if global.output == Output::Json {
        let mut entry = list::entry(module, &session, &installed);
        let variables: serde_json::Map<_, _> = module
            .variables
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        entry["manifest"] = json!(module.manifest);
        entry["needed_by"] = json!(needed_by);
        entry["fields"] = variables.into();
        entry["checks"] = json!(module.checks);
        entry["recipe"] = json!(module.recipe);
        entry["installed"] = json!(record);
        entry["also"] = json!(
            record
                .as_ref()
                .map(|record| elsewhere(&session, &module.id, record))
                .unwrap_or_default()
        );
        if let Some(indexed) = session.entry(module) {
            entry["sources"] = json!(others(&session, module));
            entry["about"] = json!(indexed);
            let file = |file: IndexedFile<'_>| json!({ "path": file.path, "digest": file.digest, "executable": file.executable, "link": file.link });
            entry["about"]["files"] = indexed.files.iter().map(file).collect();
            entry["readme"] = json!(readme(&session, module, indexed));
        }
        json::print(&entry)?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let names = |ids: &[&ModuleId]| {
        ids.iter()
            .map(|id| id.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut rows = vec![
        ("description", printable(&module.summary)),
        ("tier", module.tier.to_string()),
        (
            "state",
            list::state_text(module, &session, &installed, paint),
        ),
        (
            "availability",
            module.unavailable.clone().unwrap_or_default(),
        ),
        ("notes", module.offered.caveats.join("; ")),
        ("method", module.method.clone()),
        ("manifest", module.manifest.display().to_string()),
        (
            "depends on",
            names(&module.requires.iter().collect::<Vec<_>>()),
        ),
        ("required by", names(&needed_by)),
    ];
    let indexed = session.entry(module);
    rows.extend(
        indexed
            .into_iter()
            .flat_map(|indexed| about(&session, module, indexed)),
    );
    let record = record.filter(|_| list::is_known(module, &installed));
    rows.extend(
        record
            .iter()
            .flat_map(|record| known(&session, &module.id, record)),
    );
    let mut text = described(&module.id, rows, paint);
    let fields: Vec<Vec<String>> = module
        .variables
        .iter()
        .filter(|(name, value)| {
            !value.is_empty()
                && ![module.words.name, module.words.description].contains(&name.as_str())
        })
        .map(|(name, value)| vec![format!("  {name}"), printable(value)])
        .collect();
    if !fields.is_empty() {
        text += &format!(
            "{}\n{}",
            painted(paint.stdout, BOLD, "fields"),
            render::table(&fields)
        );
    }
    if let Some(readme) = indexed.and_then(|indexed| readme(&session, module, indexed)) {
        let width = console::Term::stdout()
            .size_checked()
            .map_or(80, |(_, columns)| usize::from(columns))
            .min(100);
        text += &format!("\n{}", markdown::text(&readme, width, paint.stdout));
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}

/// The name of the module that somebody means; `SOURCE/NAME` lets that of the source count.
fn meant(session: &mut Session, installed: &Installed, global: &Global, name: &str) -> String {
    let (source, short) = match name.split_once('/') {
        Some((source, short)) => (Some(source), short),
        None => (global.source.as_deref(), name),
    };
    let id = session
        .catalog
        .canonical(short)
        .or_else(|| names::installed_as(installed, short))
        .map(ModuleId::to_string);
    let id = id.unwrap_or_else(|| short.to_owned());
    match source {
        Some(source) if !session.catalog.prefer(source, &id) => name.to_owned(),
        _ => id,
    }
}

/// The sources that offer the same name.
fn others<'s>(session: &'s Session, module: &Module) -> Vec<&'s str> {
    session
        .catalog
        .all(module.id.as_str())
        .map(|other| other.source.as_str())
        .collect()
}

/// What the source of a module says of it.
fn about(session: &Session, module: &Module, entry: &IndexEntry) -> Vec<(&'static str, String)> {
    let files: Vec<String> = entry
        .files
        .iter()
        .map(|file| file.path.to_owned())
        .collect();
    let versions: Vec<&str> = entry
        .offers
        .iter()
        .map(|offer| offer.version.as_str())
        .collect();
    let synced = session
        .indexes
        .get(&module.source)
        .map(|index| time::day(&index.synced_at));
    let also: Vec<&str> = others(session, module)
        .into_iter()
        .filter(|source| *source != module.source)
        .collect();
    let mut rows = vec![
        (
            "source",
            synced.filter(|day| !day.is_empty()).map_or_else(
                || module.source.clone(),
                |day| format!("{}, last synced on {day}", module.source),
            ),
        ),
        ("also in", also.join(", ")),
        ("offered", entry.version.clone()),
        (
            "versions",
            if versions.len() > 1 {
                versions.join(", ")
            } else {
                String::new()
            },
        ),
        ("author", entry.author.clone().unwrap_or_default()),
        ("changed on", entry.date.clone().unwrap_or_default()),
        (
            "from",
            entry
                .origin
                .as_ref()
                .map(|origin| origin.from.clone())
                .unwrap_or_default(),
        ),
        ("installer", entry.installer.clone().unwrap_or_default()),
        (
            "stage",
            if entry.stages.is_empty() {
                entry
                    .stage
                    .map(|stage| stage.to_string())
                    .unwrap_or_default()
            } else {
                entry.stages.join(", ")
            },
        ),
        (
            "revision",
            entry
                .number
                .map(|number| number.to_string())
                .unwrap_or_default(),
        ),
        (
            "changes",
            entry
                .changes
                .map(|changes| changes.to_string())
                .unwrap_or_default(),
        ),
        ("labels", entry.labels.join(", ")),
        ("licence", entry.licence.clone().unwrap_or_default()),
        ("homepage", entry.homepage.clone().unwrap_or_default()),
        ("declares", entry.depends.join(", ")),
        ("code requires (optional)", entry.modules.join(", ")),
        ("code requires", entry.libraries.join(", ")),
        ("files", files.join(", ")),
        ("damage", entry.damage.clone().unwrap_or_default()),
    ];
    rows.iter_mut()
        .for_each(|(_, value)| *value = printable(value));
    rows
}

/// Longer ones are not shown.
const README_LIMIT: u64 = 512 * 1024;

/// The text of its README, without its head.
fn readme(session: &Session, module: &Module, entry: &IndexEntry) -> Option<String> {
    let source = session
        .sources
        .iter()
        .find(|source| source.name == module.source)?;
    let directory = match &entry.origin {
        // What is in an archive is not unpacked to be read.
        Some(origin) => origin.prefix.is_none().then(|| origin.path.clone())?,
        None => SourceCache::new(&session.places.cache, source)
            .tree()
            .join(&entry.name),
    };
    let path = directory.join(entry.readme.as_ref()?);
    let metadata = path.symlink_metadata().ok()?;
    let text = (metadata.is_file() && metadata.len() <= README_LIMIT)
        .then(|| std::fs::read(&path).ok())??;
    let text = String::from_utf8_lossy(&text).into_owned();
    let body = hoist_sources::readme::head(&text).body;
    Some(text.get(body..).unwrap_or_default().trim_start().to_owned())
        .filter(|text| !text.is_empty())
}

/// What is known of an installed module whose manifest is gone.
fn remembered(
    global: &Global,
    session: &Session,
    id: &ModuleId,
    record: &InstalledModule,
) -> Result<ExitStatus, CommandError> {
    if global.output == Output::Json {
        let (version, source, method) = (&record.version, &record.source, &record.method);
        json::print(&json!({
            "name": id, "tier": null, "state": "installed", "version": version, "source": source, "description": null, "method": method,
            "requires": record.requires, "manifest": null, "installed": record,
        }))?;
        return Ok(ExitStatus::Ok);
    }
    let state = match record.removal.into {
        None if let Some(root) = session.unused_collection(record) => {
            format!(
                "installed; its collection is not in use (add `-C {}` to use it)",
                render::shell_word(&root.display().to_string())
            )
        }
        None => "installed; no collection has its manifest, so it can only be removed".to_owned(),
        Some(_) => format!(
            "installed; {} no longer provides it, so it can only be removed",
            record.source
        ),
    };
    let mut rows = vec![
        ("state", state),
        ("method", record.method.clone()),
        ("source", record.source.clone()),
    ];
    rows.extend(known(session, id, record));
    std::io::stdout()
        .lock()
        .write_all(described(id, rows, Paint::choose(global.color)).as_bytes())?;
    Ok(ExitStatus::Ok)
}

/// What the ledger says of a module.
fn known(
    session: &Session,
    id: &ModuleId,
    record: &InstalledModule,
) -> [(&'static str, String); 4] {
    let paths: Vec<String> = record
        .paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let also: Vec<String> = elsewhere(session, id, record)
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let manner = if record.adopted {
        format!("found on {}", time::text(&record.installed_at))
    } else {
        time::text(&record.installed_at)
    };
    [
        ("installed", manner),
        ("version", record.version.clone().unwrap_or_default()),
        ("paths", paths.join(", ")),
        ("also", also.join(", ")),
    ]
}

/// What a module wrote and nobody else, outside of the paths that it is known to have made.
fn elsewhere(session: &Session, id: &ModuleId, record: &InstalledModule) -> Vec<PathBuf> {
    let recorded = Reader::open(&session.places.state)
        .and_then(|reader| reader.own_record(id))
        .unwrap_or_default();
    let is_below = |path: &PathBuf| {
        record
            .paths
            .iter()
            .chain(&record.removal.paths)
            .any(|known| path.starts_with(known))
    };
    let is_whole = record.policy().is_recorded_whole;
    recorded
        .into_iter()
        .filter(|(path, entry)| !is_whole && entry.kind != FileKind::Directory && !is_below(path))
        .map(|(path, _)| path)
        .collect()
}

fn described(id: &ModuleId, rows: Vec<(&str, String)>, paint: Paint) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| vec![format!("  {name}"), value])
        .collect();
    format!(
        "{}\n{}",
        painted(paint.stdout, BOLD, id.as_str()),
        render::table(&rows)
    )
}
