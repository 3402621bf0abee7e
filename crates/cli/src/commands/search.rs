//! `hoist search`.

use std::io::Write;

use hoist_core::Diagnostic;
use serde_json::Value;

use crate::args::{Global, Output};
use crate::commands::list;
use crate::error::{Code, Ending};
use crate::json;
use crate::render::{self, BOLD, DIM, Paint, painted};
use crate::session::Session;

/// Modules whose name or description has every word of the query, the best first.
pub(crate) fn run(global: &Global, query: &[String]) -> Result<Code, Ending> {
    let session = Session::open(global)?;
    let installed = hoist_ledger::read(&session.places.state)?;
    let words: Vec<&str> = query.iter().flat_map(|word| word.split_whitespace()).collect();
    if words.is_empty() {
        return Err(Ending::wrong(Diagnostic::error("there is nothing to search for").help("name a word")));
    }
    let found = session.catalog.search(&words);
    if global.output == Output::Json {
        json::print(&found.iter().map(|module| list::entry(module, &installed)).collect::<Vec<Value>>().into())?;
        return Ok(Code::Ok);
    }
    let paint = Paint::choose(global.color);
    let row = |module: &&hoist_core::Module| {
        vec![
            painted(paint.stdout, BOLD, module.id.as_str()),
            module.tier.to_string(),
            list::state(module, &installed).to_owned(),
            painted(paint.stdout, DIM, &module.source),
            render::printable(&module.summary),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let text = match rows.is_empty() {
        false => render::table_for_terminal(&rows),
        true => {
            let near = session.catalog.suggest(words[0]).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
            format!("No module has `{}` in its name or description.{near}\n", words.join(" "))
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Code::Ok)
}
