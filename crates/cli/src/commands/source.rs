//! `hoist source`: the places that modules come from.

use std::io::Write;

use hoist_core::Diagnostic;
use hoist_system::source_cache::SourceCache;
use serde_json::json;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::json;
use crate::render::{self, BOLD, DIM, Paint, painted};
use crate::session::Session;
use crate::sources::has_index;
use crate::time;
use crate::ui::Output;
use hoist_sources::kinds::ROCKS;

/// The name of the source that `hoist rocks` is about: the one that is called so, else the first
/// server of rocks.
pub(crate) fn rocks(global: &Global) -> Result<String, CommandError> {
    let session = Session::open(global)?;
    let rocks = || session.sources.iter().filter(|source| source.kind == ROCKS);
    let named = global.source.as_deref().unwrap_or("rocks");
    let found = rocks()
        .find(|source| source.name == named)
        .or_else(|| rocks().next().filter(|_| global.source.is_none()));
    found.map(|source| source.name.clone()).ok_or_else(|| {
        let help = "run `hoist source add rocks --rocks URL --tree DIR`, or add one to `sources` in hoist.yml";
        CommandError::wrong(Diagnostic::error("no rocks server is configured").help(help))
    })
}

/// Every source, with what hoist knows of it.
pub(crate) fn list(global: &Global) -> Result<ExitStatus, CommandError> {
    let session = Session::open(global)?;
    if !session.problems.is_empty() {
        return Err(session.problems.into());
    }
    let mut entries = Vec::new();
    for source in &session.sources {
        let index = match session.offers.get(&source.name) {
            Some(offers) => Some(offers.index.clone()),
            None => SourceCache::new(&session.places.cache, source).index(&source.fingerprint())?,
        };
        entries.push((source, index));
    }
    if global.output == Output::Json {
        let entry = |(source, index): &(&hoist_core::Source, Option<hoist_sources::Index>)| {
            json!({
                "name": source.name, "kind": source.kind, "location": source.location, "priority": source.priority,
                "into": source.destination.as_deref(), "modules": index.as_ref().map(|index| index.entries.len()),
                "synced_at": index.as_ref().map(|index| time::with_offset(&index.synced_at)),
            })
        };
        json::print(&entries.iter().map(entry).collect())?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let row = |(source, index): &(&hoist_core::Source, Option<hoist_sources::Index>)| {
        let known = match index {
            // What is looked at each time has no day.
            Some(index) if index.synced_at.is_empty() => {
                render::count(index.entries.len(), "module")
            }
            Some(index) => format!(
                "{} on {}",
                render::count(index.entries.len(), "module"),
                time::day(&index.synced_at)
            ),
            None if has_index(source) => "not synced".to_owned(),
            None => String::new(),
        };
        let into = source
            .destination
            .as_deref()
            .map(|into| format!("installs into {}", into.display()))
            .unwrap_or_default();
        vec![
            painted(paint.stdout, BOLD, &source.name),
            source.kind.to_owned(),
            known,
            render::printable(&source.location),
            painted(paint.stdout, DIM, &into),
        ]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let text = match rows.is_empty() {
        true => "No sources. Run `hoist source add` to add one.\n".to_owned(),
        false => render::titled_table(
            &["NAME", "KIND", "MODULES", "LOCATION", "DESTINATION"],
            rows,
            paint.stdout,
        ),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}
