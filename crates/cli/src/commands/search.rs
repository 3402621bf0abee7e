//! `hoist search`.

use std::io::Write;

use hoist_core::{Diagnostic, Module};
use serde_json::Value;

use crate::args::Global;
use crate::commands::list;
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, BOLD, DIM, Paint, YELLOW, painted};
use crate::session::Session;
use crate::ui::Output;
use crate::{json, names};

/// Modules whose name or description has every word of the query, the best first; a name that
/// several sources offer as often.
pub(crate) fn run(global: &Global, query: &[String]) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let installed = session.installed()?;
    if let Some(source) = &global.source {
        names::known_source(&session, &installed, source)?;
    }
    session.catalog.prefer_installed(&installed);
    let words: Vec<&str> = query
        .iter()
        .flat_map(|word| word.split_whitespace())
        .collect();
    if words.is_empty() {
        return Err(CommandError::wrong(
            Diagnostic::error("the search is empty").help("add a word to search for"),
        ));
    }
    let mut found = session.catalog.search(&words);
    found.retain(|module| {
        global
            .source
            .as_ref()
            .is_none_or(|source| *source == module.source)
    });
    if global.output == Output::Json {
        json::print(
            &found
                .iter()
                .map(|module| list::entry(module, &session, &installed))
                .collect::<Vec<Value>>()
                .into(),
        )?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let dim = |text: &str| painted(paint.stdout, DIM, text);
    let row = |module: &&Module| {
        let stage = match (&module.removal.into, module.offered.stage) {
            (None, _) => module.tier.to_string(),
            (Some(_), stage) => stage.map_or_else(|| "-".to_owned(), |stage| stage.to_string()),
        };
        let caveats = module
            .offered
            .caveats
            .iter()
            .map(|caveat| format!(" ({caveat})"))
            .collect::<String>();
        vec![
            painted(paint.stdout, BOLD, module.id.as_str()),
            stage,
            list::state_text(module, &session, &installed, paint),
            list::version(module, &installed),
            dim(&module.source),
            render::printable(&module.summary)
                + &painted(paint.stdout, YELLOW, &render::printable(&caveats)),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let text = match rows.is_empty() {
        false => render::titled_table(
            &[
                "NAME",
                "STAGE",
                "STATUS",
                "VERSION",
                "SOURCE",
                "DESCRIPTION",
            ],
            rows,
            paint.stdout,
        ),
        true => {
            let near = session
                .catalog
                .suggest(words[0])
                .map(|near| format!(" Did you mean `{near}`?"))
                .unwrap_or_default();
            format!("No modules match `{}`.{near}\n", words.join(" "))
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    session.print_unknown_sources();
    Ok(ExitStatus::Ok)
}
