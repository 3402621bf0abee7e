//! `hoist plugin status`.

use std::io::Write;

use hoist_core::Diagnostic;
use hoist_deploy::deploy::{containers, project_name};
use hoist_deploy::deployed::{Deployed, DeploymentState, read_deployments};
use hoist_deploy::docker::Container;
use hoist_deploy::hosts::hosts_of;
use hoist_deploy::release::{DeploymentPaths, SWARM, called};
use serde_json::{Value, json};

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::json;
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, YELLOW, painted};
use crate::session::Session;
use crate::time;
use crate::ui::Output;

/// What is deployed, since when, and whether it is well.
pub(super) fn run(global: &Global, names: &[String]) -> Result<ExitStatus, CommandError> {
    let session = Session::without_sources(global)?;
    let all = read_deployments(&session.places.state)?;
    if let Some(unknown) = names.iter().find(|name| {
        !all.iter()
            .any(|deployed| deployed.plugin.as_str() == name.as_str())
    }) {
        let wrong = Diagnostic::error("the plugin is not deployed").module(unknown.as_str());
        return Err(CommandError::wrong(
            wrong.help(format!("run `hoist plugin deploy {unknown}` to deploy it")),
        ));
    }
    let shown: Vec<&Deployed> = all
        .iter()
        .filter(|deployed| {
            names.is_empty() || names.iter().any(|name| name == deployed.plugin.as_str())
        })
        .collect();
    let machine = session.machine()?;
    let look = |deployed: &&Deployed| match deployed.kind.as_str() {
        kind @ ("compose" | SWARM) => {
            let name = project_name(&deployed.plugin, &deployed.environment);
            Some(containers(&machine, &name, kind == SWARM).map_err(|failure| failure.message))
        }
        _ => None,
    };
    let looked: Vec<_> = shown.iter().map(look).collect();
    let deployed_to = |deployed: &Deployed| hosts_of_deployment(&session, deployed);
    if global.output == Output::Json {
        let entry = |(deployed, looked): (&&Deployed, &Option<Result<Vec<Container>, String>>)| {
            let (found, problem) = match looked {
                Some(Ok(found)) => (found.iter().map(container).collect(), None),
                Some(Err(why)) => (Vec::new(), Some(why)),
                None => (Vec::new(), None),
            };
            json!({
                "plugin": deployed.plugin, "environment": deployed.environment, "kind": deployed.kind, "state": deployed.standing.as_str(),
                "release": deployed.release, "former": deployed.former, "containers": found, "hosts": deployed_to(deployed), "problem": problem,
            })
        };
        json::print(&shown.iter().zip(&looked).map(entry).collect())?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let mut text = String::new();
    for (deployed, looked) in shown.iter().zip(&looked) {
        let colour = match deployed.standing {
            DeploymentState::Deployed => GREEN,
            DeploymentState::Failed => RED,
            DeploymentState::Deploying | DeploymentState::Undeploying => YELLOW,
        };
        let (version, since) = deployed.release.as_ref().map_or(("-", "-"), |release| {
            (release.version.as_str(), release.at.as_str())
        });
        let number = deployed
            .release
            .as_ref()
            .map(|release| format!("release {}", release.number))
            .unwrap_or_default();
        let title = painted(
            paint.stdout,
            BOLD,
            &called(&deployed.plugin, &deployed.environment),
        );
        let since = time::text(since);
        text += &format!(
            "{title}  {}  {version}  {}  {number}, since {since}\n",
            painted(paint.stdout, colour, deployed.standing.as_str()),
            deployed.kind
        );
        if matches!(
            deployed.standing,
            DeploymentState::Deploying | DeploymentState::Undeploying
        ) {
            text += "  in progress or interrupted; if no run is in progress, run the same command again\n";
        }
        match looked {
            Some(Ok(found)) => {
                let row = |one: &Container| {
                    let health = one.health.as_deref().unwrap_or(&one.status);
                    let colour = if matches!(health, "healthy" | "running") {
                        GREEN
                    } else {
                        RED
                    };
                    let since = time::text(&one.since);
                    vec![
                        format!("  {}", one.name),
                        painted(paint.stdout, colour, health),
                        painted(paint.stdout, DIM, &since),
                        one.ports.join(" "),
                    ]
                };
                text += &render::table(&found.iter().map(row).collect::<Vec<_>>());
            }
            Some(Err(why)) => {
                text += &format!(
                    "  {}\n",
                    painted(paint.stdout, RED, &render::printable(why))
                )
            }
            None => {}
        }
        for host in deployed_to(deployed) {
            text += &format!("  host {}\n", render::printable(&host));
        }
        for release in deployed.former.iter().rev() {
            let line = format!(
                "  previous: release {}, {}, {}",
                release.number,
                release.version,
                time::text(&release.at)
            );
            text += &format!("{}\n", painted(paint.stdout, DIM, &line));
        }
    }
    if shown.is_empty() {
        text = "Nothing is deployed.\n".to_owned();
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}

/// The hosts that the running release of a plugin was deployed to, or that its first deployment was
/// begun on.
fn hosts_of_deployment(session: &Session, deployed: &Deployed) -> Vec<String> {
    let number = deployed
        .release
        .as_ref()
        .map(|release| release.number)
        .or(deployed.attempt);
    let place = DeploymentPaths::new(
        &session.places.state,
        &deployed.plugin,
        &deployed.environment,
    );
    let file = number
        .filter(|_| deployed.kind == "host")
        .and_then(|number| place.read(number).ok());
    let hosts = file
        .and_then(|file| hosts_of(&file.values).ok())
        .unwrap_or_default();
    hosts.iter().map(|host| host.host.to_string()).collect()
}

fn container(one: &Container) -> Value {
    json!({
        "name": one.name, "service": one.service, "status": one.status, "health": one.health, "since": one.since, "restarts": one.restarts, "ports": one.ports,
    })
}
