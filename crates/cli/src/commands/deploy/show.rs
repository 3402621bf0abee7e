//! What a deployment would bring up, and how that differs from what is deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use hoist_deploy::deployed::read_deployments;
use hoist_deploy::release::{DeploymentPaths, ReleaseFile, called};
use hoist_engine::config::diff;
use hoist_plugins::Masker;
use serde_json::{Value, json};

use super::Prepared;
use crate::args::Global;
use crate::commands;
use crate::error::{CommandError, ExitStatus};
use crate::json;
use crate::render::{self, BOLD, Paint, painted};
use crate::session::Session;
use crate::ui::Output;

/// Shows what would be deployed, and how it differs from what is.
pub(super) fn show(
    global: &Global,
    session: &Session,
    prepared: &Prepared,
) -> Result<ExitStatus, CommandError> {
    let masker = Masker::new(prepared.secrets.iter().map(String::as_str));
    let known = read_deployments(&session.places.state)?;
    let mut shown = Vec::new();
    for (id, deployment) in &prepared.deployments {
        let place = DeploymentPaths::new(&session.places.state, id, &deployment.environment);
        let running = known
            .iter()
            .find(|known| known.plugin == *id && known.environment == deployment.environment);
        let running = running
            .and_then(|running| running.release.as_ref())
            .and_then(|release| place.read(release.number).ok());
        let texts = |file: &ReleaseFile| -> BTreeMap<String, String> {
            let mut texts: BTreeMap<String, String> = file.project.files.iter().cloned().collect();
            texts.insert(
                "configuration".to_owned(),
                serde_json::to_string_pretty(&file.values).unwrap_or_default() + "\n",
            );
            texts
        };
        let (new, old) = (
            texts(&deployment.file),
            running.as_ref().map(&texts).unwrap_or_default(),
        );
        // Secrets of what runs are not those of what would be deployed.
        let former = Masker::new(
            running
                .iter()
                .flat_map(|file| &file.secrets)
                .map(String::as_str),
        );
        let masked = |text: &str| former.masked(&masker.masked(text));
        let names: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
        let files: Vec<(String, String, String)> = names
            .into_iter()
            .map(|name| {
                (
                    name.clone(),
                    masked(old.get(name).map_or("", String::as_str)),
                    masked(new.get(name).map_or("", String::as_str)),
                )
            })
            .collect();
        shown.push((id, deployment, running.is_some(), files));
    }
    if global.output == Output::Json {
        let mut document = commands::plan::document(&prepared.plan, &BTreeMap::new(), &[])?;
        let deployments = shown.iter().map(|(id, deployment, _, files)| {
            let files: serde_json::Map<String, Value> = files.iter().map(|(name, old, new)| (name.clone(), json!({ "text": new, "diff": difference(old, new) }))).collect();
            json!({ "plugin": id, "environment": deployment.environment, "version": deployment.file.version, "kind": deployment.file.kind, "files": files })
        });
        document["deployments"] = deployments.collect();
        json::print(&document)?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let mut text = commands::plan::text(
        &prepared.plan,
        &prepared.installed,
        &BTreeMap::new(),
        &[],
        paint,
    );
    for (id, deployment, running, files) in &shown {
        for (name, old, new) in files {
            let title = format!("{}: {name}", called(id, &deployment.environment));
            if !running {
                text += &format!("\n{}\n{new}", painted(paint.stdout, BOLD, &title));
            } else if old != new {
                text += &format!(
                    "\n{}\n{}",
                    painted(paint.stdout, BOLD, &title),
                    render::colored_diff(&difference(old, new), paint.stdout)
                );
            }
        }
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}

fn difference(old: &str, new: &str) -> String {
    diff((old.as_bytes(), "deployed"), (new.as_bytes(), "new"))
}
