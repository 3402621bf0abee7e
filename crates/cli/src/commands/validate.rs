//! `hoist validate`.

use std::io::Write;
use std::path::PathBuf;

use hoist_core::{Catalog, Diagnostic};
use serde_json::json;

use crate::args::{Global, Output};
use crate::collections;
use crate::error::{Code, Ending};
use crate::json;
use crate::render::{self, GREEN, Paint, painted};
use crate::session::{self, Session};

/// Checks manifests and prints everything that is wrong with them.
pub(crate) fn run(global: &Global, paths: &[PathBuf]) -> Result<Code, Ending> {
    let catalogs = match paths {
        [] => vec![(Session::open(global)?.catalog, true)],
        paths => {
            let (environment, ..) = session::surroundings()?;
            let read = |path: &PathBuf| match path.is_dir() {
                true => Ok((collections::read(std::slice::from_ref(path), &environment)?, true)),
                false => Ok((collections::read_manifest(path, &environment)?, false)),
            };
            paths.iter().map(read).collect::<Result<Vec<_>, Ending>>()?
        }
    };
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut checked = 0;
    for (catalog, whole) in &catalogs {
        checked += catalog.modules().len() + catalog.all_broken().count();
        found.extend(diagnostics(catalog, *whole));
    }
    let errors = found.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let code = if errors > 0 { Code::Wrong } else { Code::Ok };
    if global.output == Output::Json {
        json::print(&json!({ "checked": checked, "errors": errors, "warnings": found.len() - errors, "diagnostics": found }))?;
        return Ok(code);
    }
    let paint = Paint::choose(global.color);
    render::diagnostics(&found, paint);
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let verdict = match errors {
        0 => painted(paint.stdout, GREEN, "ok"),
        errors => count(errors, "error"),
    };
    let summary = format!("{} checked: {verdict}, {}\n", count(checked, "manifest"), count(found.len() - errors, "warning"));
    std::io::stdout().lock().write_all(summary.as_bytes())?;
    Ok(code)
}

/// Everything wrong with the manifests, and, in a whole collection, between them.
fn diagnostics(catalog: &Catalog, whole: bool) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = catalog.all_broken().flat_map(|(_, broken)| broken.diagnostics.clone()).collect();
    found.extend(catalog.warnings().iter().cloned());
    if whole {
        found.extend(hoist_resolver::check(catalog));
    }
    found.sort_by(|a, b| (&a.file, &a.position).cmp(&(&b.file, &b.position)));
    found
}
