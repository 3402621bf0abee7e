//! `hoist plugin validate`: everything that can be known of plugins and their configuration without
//! running anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use hoist_core::Diagnostic;
use hoist_deploy::deploy::project_name;
use hoist_plugins::modules::is_plugin;
use hoist_plugins::{
    DeploymentKind, ENVIRONMENTS, Given, MANIFEST, Plugin, Rendering, profiles, read_version,
    render,
};
use rayon::prelude::*;
use serde_json::json;

use super::{configuration, given};
use crate::args::{Global, PluginInputs};
use crate::error::{CommandError, ExitStatus};
use crate::json;
use crate::plugins::{Found, find, find_all};
use crate::render::{self as shown, GREEN, Paint, painted};
use crate::session::Session;
use crate::ui::Output;

/// Checks these plugins, or all of the collections, and prints everything that is wrong with them.
pub(super) fn run(
    global: &Global,
    names: &[String],
    inputs: &PluginInputs,
) -> Result<ExitStatus, CommandError> {
    let session = Session::open(global)?;
    let given = given(&session, inputs)?;
    let found = match names {
        [] => find_all(&session),
        names => names
            .iter()
            .map(|name| find(&session, name))
            .collect::<Result<Vec<_>, _>>()?,
    };
    for found in found
        .iter()
        .filter(|found| found.directory.root().starts_with(&session.places.plugins))
    {
        shown::print_note(&format!(
            "Checking the installed version, since no source provides it: {}",
            found.directory.root().display()
        ));
    }
    let wrong: Vec<Vec<Diagnostic>> = found
        .par_iter()
        .map(|found| of_one(&session, found, &given))
        .collect();
    let mut wrong: Vec<Diagnostic> = wrong.into_iter().flatten().collect();
    let checked: BTreeSet<String> = found
        .iter()
        .map(|found| found.directory.root().join(MANIFEST).display().to_string())
        .collect();
    let own = |name: &Option<String>| {
        let module = name.as_deref().and_then(|name| session.catalog.get(name));
        module.is_some_and(|module| checked.contains(&module.manifest.display().to_string()))
    };
    wrong.extend(
        hoist_resolver::cycles(&session.catalog)
            .into_iter()
            .filter(|wrong| own(&wrong.module)),
    );
    let errors = wrong.iter().filter(|wrong| wrong.is_error()).count();
    let code = if errors > 0 {
        ExitStatus::Wrong
    } else {
        ExitStatus::Ok
    };
    let warnings = wrong.len() - errors;
    if global.output == Output::Json {
        json::print(
            &json!({ "checked": found.len(), "errors": errors, "warnings": warnings, "diagnostics": wrong }),
        )?;
        return Ok(code);
    }
    let paint = Paint::choose(global.color);
    shown::diagnostics(&wrong, paint);
    let count =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let verdict = if errors == 0 {
        painted(paint.stdout, GREEN, "ok")
    } else {
        count(errors, "error")
    };
    let summary = format!(
        "{} checked: {verdict}, {}\n",
        count(found.len(), "plugin"),
        count(warnings, "warning")
    );
    std::io::stdout().lock().write_all(summary.as_bytes())?;
    Ok(code)
}

fn of_one(session: &Session, found: &Found, given: &Given) -> Vec<Diagnostic> {
    let (plugin, mut wrong) = Plugin::read(&*found.directory);
    let Some(plugin) = plugin else { return wrong };
    wrong.extend(needs(session, &plugin));
    if plugin.kind == DeploymentKind::Basic && !found.directory.names("compose").is_empty() {
        let warning = Diagnostic::warning(
            "compose/ has no file that Docker Compose reads, so nothing would be deployed",
        );
        let file = found.directory.root().join("compose").display().to_string();
        wrong.push(
            warning
                .module(plugin.name.as_str())
                .file(file)
                .help("name the main file docker-compose.yml or docker-compose.yml.j2"),
        );
    }
    // Where no environment is named, those that there are everywhere are checked as well. Any other
    // file in config/ may be something else than a profile.
    let has_profile = |name: &&&str| {
        profiles(&*found.directory)
            .iter()
            .any(|profile| profile == **name)
    };
    let environments: Vec<Option<String>> = match &given.environment {
        Some(name) => vec![Some(name.clone())],
        None => std::iter::once(None)
            .chain(
                ENVIRONMENTS
                    .iter()
                    .filter(has_profile)
                    .map(|name| Some((*name).to_owned())),
            )
            .collect(),
    };
    let mut told: BTreeSet<String> = BTreeSet::new();
    for environment in environments {
        let given = Given {
            environment: environment.clone(),
            files: given.files.clone(),
            variables: given.variables.clone(),
            set: given.set.clone(),
        };
        let mut of_it = of_environment(session, found, &plugin, &given);
        of_it.retain(|wrong| told.insert(wrong.to_string()));
        wrong.extend(of_it);
    }
    wrong
}

fn of_environment(
    session: &Session,
    found: &Found,
    plugin: &Plugin,
    given: &Given,
) -> Vec<Diagnostic> {
    // Secrets that are to be made are made up, and forgotten.
    let (configuration, mut wrong) =
        configuration(session, found, plugin, given, Some(&mut BTreeMap::new()));
    if plugin.kind != DeploymentKind::Compose || wrong.iter().any(Diagnostic::is_error) {
        return wrong;
    }
    let environment = given.environment.as_deref();
    let rendering = Rendering {
        plugin,
        values: &configuration.value_with_secrets(),
        spellings: &configuration.spellings(),
        variables: &configuration.variables(),
        process_environment: &session.environment,
        environment,
        replicas: None,
        debug: false,
        project: &project_name(&plugin.name, environment.unwrap_or_default()),
        swarm: false,
    };
    let masker = configuration.masker();
    wrong.extend(
        render(&*found.directory, &rendering)
            .1
            .into_iter()
            .map(|wrong| crate::plugins::masked(wrong, &masker)),
    );
    wrong
}

/// What a plugin needs and nobody here has; others may have it elsewhere.
fn needs(session: &Session, plugin: &Plugin) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for needed in &plugin.dependencies {
        let name = needed.name.as_str();
        let field = format!("dependencies.{name}");
        let mut tell = |wrong: Diagnostic| {
            found.push(plugin.document.point(
                wrong.module(plugin.name.as_str()).field(field.clone()),
                needed.at,
            ))
        };
        if needed.name == plugin.name {
            tell(Diagnostic::error("the plugin depends on itself").help("remove the dependency"));
            continue;
        }
        if let Some(version) = session.provided.get(name) {
            if !needed.range.contains(version) {
                tell(Diagnostic::warning(format!(
                    "the platform provides {name} {version}, but {} is required",
                    needed.range
                )));
            }
            continue;
        }
        let offers = session
            .catalog
            .modules()
            .chain(session.catalog.hidden())
            .filter(|module| module.id == needed.name);
        let versions: Vec<Option<String>> = offers
            .map(|module| {
                module
                    .offered
                    .version
                    .clone()
                    .filter(|_| is_plugin(&module.removal))
            })
            .collect();
        let will_do = |version: &Option<String>| {
            version.as_deref().is_none_or(|text| {
                read_version(text).is_some_and(|(version, _)| needed.range.contains(&version))
            })
        };
        if versions.iter().any(will_do) || needed.optional {
            continue;
        }
        let known: Vec<String> = versions.into_iter().flatten().collect();
        let message = match (known.as_slice(), session.catalog.broken(name)) {
            ([], Some(_)) => format!("the manifest of {name} has errors"),
            ([], None) => format!("no source provides {name}"),
            (known, _) => format!(
                "sources provide {name} {}, but {} is required",
                known.join(", "),
                needed.range
            ),
        };
        let near = session
            .catalog
            .suggest(name)
            .filter(|near| *near != name)
            .map(|near| format!("did you mean `{near}`? "));
        let help = format!(
            "{}if the platform provides it, add to hoist.yml: `provides: {{ {name}: \"VERSION\" }}`",
            near.unwrap_or_default()
        );
        tell(Diagnostic::warning(message).help(help));
    }
    found
}
