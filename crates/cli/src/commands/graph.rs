//! `hoist graph`.

use std::io::Write;

use hoist_core::{Action, Installed, Request, Selection};
use hoist_resolver::{Drawing, Resolved};
use serde_json::json;

use crate::args::{Global, GraphFormat};
use crate::error::{CommandError, ExitStatus};
use crate::session::Session;
use crate::ui::Output;
use crate::{json, names};

/// Draws modules and what they need.
pub(crate) fn run(
    global: &Global,
    modules: &[String],
    format: GraphFormat,
) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let selection = if modules.is_empty() {
        Selection::All
    } else {
        Selection::Names(modules.to_vec())
    };
    let mut request = Request {
        source: global.source.clone(),
        ..Request::new(Action::Install, selection)
    };
    names::resolve_names(&mut session, &Installed::default(), &mut request)?;
    let resolution = hoist_resolver::resolve(&session.catalog, &Installed::default(), &request)?;
    if global.output == Output::Json && format == GraphFormat::Dot {
        let name = |place: &usize| resolution.modules[*place].module.id.as_str();
        let entry = |resolved: &Resolved<'_>| {
            let requires: Vec<&str> = resolved.needs.iter().map(name).collect();
            json!({ "name": resolved.module.id, "tier": resolved.module.tier, "requires": requires })
        };
        json::print(
            &json!({ "modules": resolution.modules.iter().map(entry).collect::<Vec<_>>() }),
        )?;
        return Ok(ExitStatus::Ok);
    }
    let drawing = match format {
        GraphFormat::Dot => Drawing::Dot,
        GraphFormat::Mermaid => Drawing::Mermaid,
        GraphFormat::Svg => Drawing::Svg,
    };
    std::io::stdout()
        .lock()
        .write_all(hoist_resolver::draw(&resolution, drawing).as_bytes())?;
    Ok(ExitStatus::Ok)
}
