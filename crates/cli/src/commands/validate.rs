//! `hoist validate`.

use std::io::Write;
use std::path::PathBuf;

use hoist_core::{Diagnostic, Module};
use hoist_plugins::MANIFEST;
use serde_json::json;

use crate::args::Global;
use crate::collections::{self, ReadOptions};
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, GREEN, Paint, painted};
use crate::session::{self, Session};
use crate::ui::Output;
use crate::{json, names};

fn unverifiable(module: &Module) -> Diagnostic {
    let wrong = Diagnostic::warning("the module declares nothing that `hoist test` could verify")
        .module(module.id.as_str());
    wrong
        .file(module.manifest.display().to_string())
        .help("declare a file, directory or program that exists when the module is installed")
}

/// Checks manifests and prints everything that is wrong with them.
pub(crate) fn run(global: &Global, paths: &[PathBuf]) -> Result<ExitStatus, CommandError> {
    let catalogs = match paths {
        [] => {
            let session = Session::open(global)?;
            let mut between = hoist_resolver::check(&session.catalog);
            between.extend(
                session
                    .catalog
                    .modules()
                    .filter_map(|module| names::wrong_with(&session, module)),
            );
            between.extend(session.problems);
            vec![(session.catalog, between)]
        }
        paths => {
            let (environment, _, places) = session::detect()?;
            let reading = ReadOptions {
                environment: &environment,
                plugins: &places.plugins,
            };
            let read = |path: &PathBuf| {
                let manifest = path.join(MANIFEST);
                let path = if manifest.is_file() { &manifest } else { path };
                if path.is_dir() {
                    let catalog = collections::read(std::slice::from_ref(path), &reading)?;
                    let between = hoist_resolver::check(&catalog);
                    return Ok((catalog, between));
                }
                let catalog = collections::read_manifest(path, &reading)?;
                // What it needs may stand beside it.
                let beside = collections::around(path)
                    .and_then(|root| collections::read(&[root], &reading).ok());
                let mut between = beside
                    .map(|all| hoist_resolver::check(&all))
                    .unwrap_or_default();
                between.retain(|found| {
                    found
                        .module
                        .as_deref()
                        .is_some_and(|name| catalog.get(name).is_some())
                });
                Ok((catalog, between))
            };
            paths
                .iter()
                .map(read)
                .collect::<Result<Vec<_>, CommandError>>()?
        }
    };
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut checked = 0;
    for (catalog, between) in catalogs {
        checked += catalog
            .modules()
            .filter(|module| module.policy().is_validated)
            .count()
            + catalog.all_broken().count();
        let mut of_catalog: Vec<Diagnostic> = catalog
            .all_broken()
            .flat_map(|(_, broken)| broken.diagnostics.clone())
            .collect();
        of_catalog.extend(catalog.warnings().iter().cloned().chain(between));
        of_catalog.extend(
            catalog
                .modules()
                .filter(|module| !module.is_verifiable(None))
                .map(unverifiable),
        );
        of_catalog.sort_by(|a, b| (&a.file, &a.position).cmp(&(&b.file, &b.position)));
        found.extend(of_catalog);
    }
    let errors = found
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count();
    let code = if errors > 0 {
        ExitStatus::Wrong
    } else {
        ExitStatus::Ok
    };
    if global.output == Output::Json {
        json::print(
            &json!({ "checked": checked, "errors": errors, "warnings": found.len() - errors, "diagnostics": found }),
        )?;
        return Ok(code);
    }
    let paint = Paint::choose(global.color);
    match global.quiet {
        true => {
            let errors: Vec<Diagnostic> = found
                .iter()
                .filter(|diagnostic| diagnostic.is_error())
                .cloned()
                .collect();
            render::diagnostics(&errors, paint);
        }
        false => render::diagnostics(&found, paint),
    }
    let count =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let verdict = match errors {
        0 => painted(paint.stdout, GREEN, "ok"),
        errors => count(errors, "error"),
    };
    let summary = format!(
        "{} checked: {verdict}, {}\n",
        count(checked, "manifest"),
        count(found.len() - errors, "warning")
    );
    std::io::stdout().lock().write_all(summary.as_bytes())?;
    Ok(code)
}
