//! `hoist plugin deploy`, `upgrade` and `rollback`: from what is asked to a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use hoist_core::{
    Action, Change, Diagnostic, Digest, Installed, Module, ModuleId, Plan, Request, Selection,
};
use hoist_deploy::deploy::{Deployment, project_name};
use hoist_deploy::deployed::{Deployed, DeploymentState, read_deployments};
use hoist_deploy::hosts::{Rollout, hosts_of};
use hoist_deploy::release::{DeploymentPaths, ReleaseFile, SWARM, called, kept_secrets};
use hoist_machine::machine::Machine;
use hoist_plugins::modules::is_plugin;
use hoist_plugins::on_disk::OnDisk;
use hoist_plugins::{
    ConfigAssignment, DeploymentKind, Document, Given, MANIFEST, Masker, Plugin,
    PluginConfiguration, Project, Rendering, render as render_compose,
};
use hoist_system::private::PrivateInput;
use serde_json::{Value, json};

use crate::args::{
    Global, PluginDeploy, PluginRollback, PluginUpgrade, RolloutOptions, StartOptions,
};
use crate::commands::{change, plugin};
use crate::error::{CommandError, ExitStatus};
use crate::names;
use crate::plugins::{Found, add_directories, masked};
use crate::render::{self, Paint};
use crate::run::{self, Run, RunOptions};
use crate::session::Session;

mod show;

/// What is asked of one plugin.
struct DeploymentRequest {
    name: String,
    environment: String,
    given: Given,
    replicas: Option<u32>,
    debug: bool,
    swarm: bool,
    /// The release that comes back.
    former: Option<u32>,
}

/// How all of them are deployed.
#[derive(Clone, Copy)]
struct Options<'a> {
    atomic: bool,
    force: bool,
    no_deps: bool,
    start: &'a StartOptions,
}

impl Options<'_> {
    /// How so many hosts are gone through.
    fn rollout(&self, hosts: usize) -> Result<Rollout, CommandError> {
        let RolloutOptions {
            max_hosts,
            canary,
            max_failures,
        } = &self.start.rollout;
        let allowed = super::hosts::allowed(max_failures.as_deref(), hosts)?;
        Ok(Rollout {
            max_hosts: (*max_hosts).into(),
            canary: canary.unwrap_or(0).into(),
            allowed,
        })
    }
}

/// Deploys plugins as they are offered, configured as the command line says.
pub(crate) fn deploy(global: &Global, asked: &PluginDeploy) -> Result<ExitStatus, CommandError> {
    let mut global = global.clone();
    let names = add_directories(&mut global, &asked.plugins)?;
    let options = Options {
        atomic: asked.atomic,
        force: asked.force,
        no_deps: asked.no_deps,
        start: &asked.start,
    };
    let all = |session: &Session| {
        let one = |name: &String| {
            Ok(DeploymentRequest {
                name: name.clone(),
                environment: asked.inputs.env.clone().unwrap_or_default(),
                given: plugin::given(session, &asked.inputs)?,
                replicas: asked.replicas,
                debug: asked.debug,
                swarm: asked.swarm,
                former: None,
            })
        };
        names
            .iter()
            .map(one)
            .collect::<Result<Vec<_>, CommandError>>()
    };
    go(&global, &names, options, &all)
}

/// Deploys once more what is deployed, with the plugin as it is offered now, and configured as it
/// was.
pub(crate) fn upgrade(global: &Global, asked: &PluginUpgrade) -> Result<ExitStatus, CommandError> {
    let mut global = global.clone();
    let names = add_directories(&mut global, &asked.plugins)?;
    add_former_directories(&mut global, &names)?;
    let options = Options {
        atomic: asked.atomic,
        force: false,
        no_deps: asked.no_deps,
        start: &asked.start,
    };
    let all = |session: &Session| {
        let mut all = Vec::new();
        for name in &names {
            for deployed in deployments(session, name, asked.env.as_deref())? {
                let place = DeploymentPaths::new(
                    &session.places.state,
                    &deployed.plugin,
                    &deployed.environment,
                );
                let Some(release) = &deployed.release else {
                    return Err(never(&deployed));
                };
                let file = read(&place, release.number, &deployed)?;
                let given = given_then(session, &file, &deployed.environment);
                let (replicas, debug, swarm) = (file.replicas, file.debug, file.kind == SWARM);
                all.push(DeploymentRequest {
                    name: name.clone(),
                    environment: deployed.environment,
                    given,
                    replicas,
                    debug,
                    swarm,
                    former: None,
                });
            }
        }
        one_environment(all)
    };
    go(&global, &names, options, &all)
}

/// Plugins that no collection here has are read where they were read when they were deployed.
fn add_former_directories(global: &mut Global, names: &[String]) -> Result<(), CommandError> {
    let Ok(session) = Session::open(global) else {
        return Ok(());
    };
    for deployed in read_deployments(&session.places.state)? {
        let name = deployed.plugin.as_str();
        if !names.iter().any(|asked| asked == name)
            || session.catalog.get(name).is_some()
            || session.catalog.broken(name).is_some()
        {
            continue;
        }
        let place = DeploymentPaths::new(
            &session.places.state,
            &deployed.plugin,
            &deployed.environment,
        );
        let file = deployed
            .release
            .as_ref()
            .and_then(|release| place.read(release.number).ok());
        let from = file
            .map(|file| file.from)
            .filter(|from| from.is_absolute() && from.join(MANIFEST).is_file());
        global
            .plugin_directories
            .extend(from.filter(|from| !global.plugin_directories.contains(from)));
    }
    Ok(())
}

/// Brings back what ran before.
pub(crate) fn rollback(
    global: &Global,
    asked: &PluginRollback,
) -> Result<ExitStatus, CommandError> {
    let options = Options {
        atomic: true,
        force: true,
        no_deps: true,
        start: &asked.start,
    };
    let names = vec![asked.plugin.clone()];
    let all = |session: &Session| {
        let mut all = Vec::new();
        for deployed in deployments(session, &asked.plugin, asked.env.as_deref())? {
            let numbers: Vec<u32> = deployed
                .former
                .iter()
                .chain(&deployed.release)
                .map(|release| release.number)
                .collect();
            let former = match asked.to {
                // Where one was cut off, what ran before it is the release itself.
                None if deployed.attempt.is_some() => {
                    deployed.release.as_ref().map(|release| release.number)
                }
                None => deployed.former.last().map(|release| release.number),
                Some(number) => numbers.contains(&number).then_some(number),
            };
            let Some(former) = former else {
                let known: Vec<String> = deployed
                    .former
                    .iter()
                    .map(|release| format!("{} ({})", release.number, release.version))
                    .collect();
                let what = called(&deployed.plugin, &deployed.environment);
                let message = if known.is_empty() {
                    "there is no previous release".to_owned()
                } else {
                    "there is no such release".to_owned()
                };
                let help = if known.is_empty() {
                    "run `hoist plugin deploy` to deploy another release".to_owned()
                } else {
                    format!("available releases: {}", known.join(", "))
                };
                return Err(CommandError::wrong(
                    Diagnostic::error(message).module(what).help(help),
                ));
            };
            let place = DeploymentPaths::new(
                &session.places.state,
                &deployed.plugin,
                &deployed.environment,
            );
            let file = read(&place, former, &deployed)?;
            let (replicas, debug, swarm) = (file.replicas, file.debug, file.kind == SWARM);
            all.push(DeploymentRequest {
                name: asked.plugin.clone(),
                environment: deployed.environment,
                given: Given::default(),
                replicas,
                debug,
                swarm,
                former: Some(former),
            });
        }
        one_environment(all)
    };
    go(global, &names, options, &all)
}

/// The deployments of a plugin: in all environments, or in one.
pub(crate) fn deployments(
    session: &Session,
    name: &str,
    environment: Option<&str>,
) -> Result<Vec<Deployed>, CommandError> {
    let all: Vec<Deployed> = read_deployments(&session.places.state)?
        .into_iter()
        .filter(|deployed| deployed.plugin.as_str() == name)
        .collect();
    let found: Vec<Deployed> = all
        .iter()
        .filter(|deployed| environment.is_none_or(|wanted| wanted == deployed.environment))
        .cloned()
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let wrong = match (all.as_slice(), environment) {
        ([], _) => Diagnostic::error("the plugin is not deployed")
            .help(format!("run `hoist plugin deploy {name}` to deploy it, or `hoist plugin status` to list deployments")),
        (all, environment) => {
            let known: Vec<&str> =
                all.iter().map(|deployed| if deployed.environment.is_empty() { "none" } else { deployed.environment.as_str() }).collect();
            let message = match environment.unwrap_or_default() {
                "" => "the plugin is not deployed without an environment".to_owned(),
                name => format!("the plugin is not deployed to {name}"),
            };
            Diagnostic::error(message).help(format!("it is deployed to {}", known.join(", ")))
        }
    };
    Err(CommandError::wrong(wrong.module(name)))
}

/// A run deploys a plugin once.
fn one_environment(all: Vec<DeploymentRequest>) -> Result<Vec<DeploymentRequest>, CommandError> {
    for (place, asked) in all.iter().enumerate() {
        if let Some(other) = all[..place].iter().find(|other| other.name == asked.name) {
            let shown = |name: &str| {
                if name.is_empty() {
                    "none".to_owned()
                } else {
                    name.to_owned()
                }
            };
            let message = format!(
                "the plugin is deployed to several environments: {}, {}",
                shown(&other.environment),
                shown(&asked.environment)
            );
            return Err(CommandError::wrong(
                Diagnostic::error(message).module(asked.name.as_str()).help(
                    "name one with --env; use `--env ''` for the deployment without an environment",
                ),
            ));
        }
    }
    Ok(all)
}

fn never(deployed: &Deployed) -> CommandError {
    let what = called(&deployed.plugin, &deployed.environment);
    CommandError::wrong(
        Diagnostic::error("no deployment of the plugin has succeeded")
            .module(what)
            .help("run `hoist plugin deploy` to try again"),
    )
}

fn read(
    place: &DeploymentPaths,
    number: u32,
    deployed: &Deployed,
) -> Result<ReleaseFile, CommandError> {
    place.read(number).map_err(|error| {
        let wrong = Diagnostic::error(format!(
            "cannot read the files of release {number}: {error}"
        ));
        let wrong = wrong.module(called(&deployed.plugin, &deployed.environment));
        CommandError::wrong(wrong.help("run `hoist plugin deploy` to deploy it again"))
    })
}

/// What a person gave when a release was deployed.
fn given_then(session: &Session, file: &ReleaseFile, environment: &str) -> Given {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let list = |name: &str| file.given[name].as_array().cloned().unwrap_or_default();
    // Earlier versions kept the values as JSON.
    let content = |value: &Value| {
        value["text"]
            .as_str()
            .map_or_else(|| value["values"].to_string(), str::to_owned)
    };
    let document = |value: &Value| Document::parse(&text(value, "file"), &content(value)).ok();
    let assignment = |value: &Value| ConfigAssignment {
        path: text(value, "path"),
        value: text(value, "value"),
        option: text(value, "option"),
    };
    Given {
        environment: Some(environment.to_owned()).filter(|name| !name.is_empty()),
        files: list("files").iter().filter_map(document).collect(),
        variables: session.environment.clone(),
        set: list("set").iter().map(assignment).collect(),
    }
}

/// What a person gave, so that an upgrade can do the same.
fn given_now(given: &Given, configuration: &PluginConfiguration) -> Value {
    let files: Vec<Value> = given
        .files
        .iter()
        .map(|document| json!({ "file": document.file, "text": document.root.to_flow() }))
        .collect();
    // Variables are not there the next time; a single value of the command line counts more than
    // they.
    let variables = configuration.given_by_variables();
    let set: Vec<Value> = variables
        .iter()
        .chain(&given.set)
        .map(|one| json!({ "path": one.path, "value": one.value, "option": one.option }))
        .collect();
    json!({ "files": files, "set": set })
}

/// What is to be done, and what it takes.
struct Prepared {
    plan: Plan,
    deployments: BTreeMap<ModuleId, Deployment>,
    configured: BTreeMap<ModuleId, PrivateInput>,
    secrets: Vec<String>,
    /// Secrets that are made for the first time, by the deployment they are for.
    made: Vec<GeneratedSecrets>,
    installed: Installed,
}

fn go(
    global: &Global,
    names: &[String],
    options: Options<'_>,
    asked: &dyn Fn(&Session) -> Result<Vec<DeploymentRequest>, CommandError>,
) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let known = match hoist_ledger::read(&session.places.state) {
        Err(error) if error.is_damage() && !options.start.dry_run => Installed::default(),
        known => known?,
    };
    let request = Request {
        no_deps: options.no_deps,
        ..Request::new(Action::Install, Selection::Names(names.to_vec()))
    };
    let machine = session.machine()?;
    let what = asked(&session)?;
    // A release that comes back needs no collection.
    for asked in what.iter().filter(|asked| asked.former.is_some()) {
        let gone = session.catalog.get(&asked.name).is_none();
        if let Some((id, record)) = known
            .modules
            .get_key_value(asked.name.as_str())
            .filter(|_| gone)
        {
            session.catalog.put(Module::remembered(id.clone(), record));
        }
    }
    // A mistake is told before anything is waited for or written.
    let prepared = prepare(
        &mut session,
        &machine,
        known,
        &request,
        &what,
        options,
        true,
    )?;
    if options.start.dry_run {
        return show::show(global, &session, &prepared);
    }
    let cancel = run::handle_signals()?;
    let lock = change::lock(global, &session, &cancel)?;
    let ledger = Arc::new(change::open(&session)?);
    change::recover(&session, &ledger)?;
    let installed = ledger.installed()?;
    let prepared = prepare(
        &mut session,
        &machine,
        installed,
        &request,
        &what,
        options,
        false,
    )?;
    let Prepared {
        plan,
        deployments,
        configured,
        secrets,
        made,
        installed,
    } = prepared;
    for (place, secrets) in made {
        place.keep_secrets(&secrets)?;
    }
    run::not_cancelled(&cancel)?;
    let masker = Masker::new(secrets.iter().map(String::as_str));
    let how = RunOptions {
        private_inputs: configured,
        jobs: deployments
            .into_iter()
            .map(|(plugin, deployment)| deployment.job(&plugin))
            .collect(),
        masker,
        ..RunOptions::default()
    };
    let request = &Request {
        action: Action::Deploy,
        ..request
    };
    Run {
        global,
        session: &session,
        machine: &machine,
        installed: &installed,
        plan: &plan,
        ledger: Some(ledger),
        lock: Some(&lock),
        cancel,
        request,
        how,
    }
    .execute()
}

fn prepare(
    session: &mut Session,
    machine: &Machine,
    installed: Installed,
    request: &Request,
    asked: &[DeploymentRequest],
    options: Options<'_>,
    tell: bool,
) -> Result<Prepared, CommandError> {
    let mut request = request.clone();
    session.fresh = asked
        .iter()
        .filter(|asked| asked.former.is_none())
        .map(|asked| asked.name.clone())
        .collect();
    names::resolve_names(session, &installed, &mut request)?;
    let (catalog, session) = (session.catalog.clone(), &*session);
    let resolution = hoist_resolver::resolve(&catalog, &installed, &request)?;
    let mut plan = change::decide(machine, &resolution, &installed, &request);
    match names::conflicting_modules(session, &installed, &plan, &request) {
        found if found.is_empty() => {}
        found => return Err(found.into()),
    }
    let known = read_deployments(&session.places.state)?;
    let (mut found, mut prepared) = (Vec::new(), Vec::new());
    for asked in asked {
        let Some(module) = catalog
            .get(&asked.name)
            .filter(|module| is_plugin(&module.removal))
        else {
            let wrong = Diagnostic::error(format!(
                "`{}` is a module, not a plugin",
                asked.name.escape_debug()
            ));
            return Err(CommandError::wrong(
                wrong.help(format!("run `hoist install {}` to install it", asked.name)),
            ));
        };
        let deployed = known
            .iter()
            .find(|known| known.plugin == module.id && known.environment == asked.environment);
        match one(session, module, asked, deployed, options, &mut found)? {
            Some(one) => prepared.push((module.id.clone(), one)),
            None if found.iter().any(Diagnostic::is_error) => {}
            None => found.push(
                Diagnostic::error("the plugin cannot be deployed").module(module.id.as_str()),
            ),
        }
    }
    let errors: Vec<Diagnostic> = found
        .iter()
        .filter(|found| found.is_error())
        .cloned()
        .collect();
    if !errors.is_empty() {
        return Err(found.into());
    }
    if tell {
        render::diagnostics(
            &found,
            Paint {
                stdout: false,
                stderr: false,
            },
        );
    }
    let mut all = Prepared {
        plan: Plan {
            action: Action::Deploy,
            modules: Vec::new(),
            left_out: plan.left_out.clone(),
        },
        deployments: BTreeMap::new(),
        configured: BTreeMap::new(),
        secrets: Vec::new(),
        made: Vec::new(),
        installed,
    };
    for (id, one) in prepared {
        let PreparedDeployment {
            mut deployment,
            configuration,
            reason,
            made,
        } = one;
        if let Some(planned) = plan.modules.iter_mut().find(|planned| planned.module == id) {
            let stale = all
                .installed
                .modules
                .get(&id)
                .zip(catalog.get(id.as_str()))
                .is_some_and(|(record, module)| record.digest != module.digest);
            deployment.install = match planned.change {
                Change::Keep if stale => Some(Change::Update),
                Change::Keep => None,
                change => Some(change),
            };
            // A release that comes back brings its own files.
            deployment.install = deployment.install.filter(|_| deployment.former.is_none());
            planned.change = Change::Deploy;
            planned.reason = reason;
            planned.method.clone_from(&deployment.file.kind);
        }
        all.secrets.extend(deployment.file.secrets.iter().cloned());
        if let Some(configuration) = configuration {
            all.configured
                .insert(id.clone(), PrivateInput::from(&configuration));
        }
        all.made.extend(made);
        all.deployments.insert(id, deployment);
    }
    let (more, secrets) = crate::plugins::configure(session, &plan, &all.configured);
    all.secrets.extend(secrets);
    // Hooks may tell what was there before.
    all.secrets.extend(
        plan.modules
            .iter()
            .flat_map(|planned| kept_secrets(&session.places.state, &planned.module)),
    );
    all.configured.extend(more);
    all.plan.modules = plan.modules;
    Ok(all)
}

/// One deployment, prepared.
struct PreparedDeployment {
    deployment: Deployment,
    configuration: Option<PluginConfiguration>,
    reason: String,
    made: Option<GeneratedSecrets>,
}

fn one(
    session: &Session,
    module: &Module,
    asked: &DeploymentRequest,
    deployed: Option<&Deployed>,
    options: Options<'_>,
    found: &mut Vec<Diagnostic>,
) -> Result<Option<PreparedDeployment>, CommandError> {
    let Options {
        atomic,
        force,
        start,
        ..
    } = options;
    let DeploymentRequest {
        environment,
        former,
        ..
    } = asked;
    let place = DeploymentPaths::new(&session.places.state, &module.id, environment);
    let running = deployed.and_then(|deployed| deployed.release.as_ref());
    let directory = match former {
        Some(former) => place.plugin(*former),
        None => module.root.clone(),
    };
    let on_disk = crate::plugins::on_disk(&directory);
    let (plugin, mut wrong) = Plugin::read(&on_disk);
    // A former release was warned of when it was deployed, and has rendered files next to their
    // templates.
    wrong.retain(|wrong| former.is_none() || wrong.is_error());
    found.append(&mut wrong);
    let Some(plugin) = plugin else {
        return Ok(None);
    };
    let what = |file: ReleaseFile, digest: String, reason: String, configuration, made| {
        let (environment, former) = (environment.clone(), *former);
        let rollout = options.rollout(hosts_of(&file.values).map_or(0, |hosts| hosts.len()))?;
        let wait = start.wait;
        let deployment = Deployment {
            environment,
            file,
            digest,
            former,
            atomic,
            force,
            wait,
            install: None,
            rollout,
        };
        Ok(Some(PreparedDeployment {
            deployment,
            configuration,
            reason,
            made,
        }))
    };
    if let (Some(former), Some(deployed)) = (former, deployed) {
        let file = read(&place, *former, deployed)?;
        let release = deployed
            .former
            .iter()
            .chain(&deployed.release)
            .find(|release| release.number == *former);
        let digest = release
            .map(|release| release.digest.clone())
            .unwrap_or_default();
        let reason = format!(
            "{} → {} (release {former})",
            running.map_or("nothing", |running| running.version.as_str()),
            file.version
        );
        return what(file, digest, reason, None, None);
    }
    if plugin.deploys_nothing() {
        let wrong = Diagnostic::error(
            "the plugin has nothing to deploy: no Compose file, no modules/, no scripts/deploy.sh and no hooks",
        );
        let help = "add compose/docker-compose.yml, scripts/deploy.sh, or a `pre-deploy` or `post-deploy` hook; to install only its files, run `hoist plugin install`";
        found.push(
            wrong
                .module(module.id.as_str())
                .file(module.manifest.display().to_string())
                .help(help),
        );
        return Ok(None);
    }
    let mut given = Given {
        environment: asked.given.environment.clone(),
        files: asked.given.files.clone(),
        variables: asked.given.variables.clone(),
        set: asked.given.set.clone(),
    };
    if asked.debug {
        debug(&plugin, &on_disk, &mut given, found);
    }
    let located = Found {
        directory: Box::new(on_disk.clone()),
    };
    let kind = if asked.swarm {
        SWARM
    } else {
        plugin.kind.as_str()
    };
    if asked.swarm && plugin.kind != DeploymentKind::Compose {
        let wrong = Diagnostic::error(
            "the plugin has no Compose file; only plugins with one can be deployed to a Swarm",
        );
        found.push(wrong.module(module.id.as_str()).help("remove --swarm"));
        return Ok(None);
    }
    if let Some(deployed) =
        deployed.filter(|deployed| deployed.release.is_some() && deployed.kind != kind)
    {
        let message = format!(
            "the plugin is deployed as {}, and would now be deployed as {kind}",
            deployed.kind
        );
        let again = if deployed.kind == SWARM {
            "add --swarm, or "
        } else {
            ""
        };
        let help = format!(
            "{again}undeploy it first: `hoist plugin undeploy {}`",
            module.id
        );
        found.push(
            Diagnostic::error(message)
                .module(called(&module.id, environment))
                .help(help),
        );
        return Ok(None);
    }
    let mut secrets = place.secrets();
    let known = secrets.len();
    let (configuration, wrong) =
        plugin::configuration(session, &located, &plugin, &given, Some(&mut secrets));
    let made = (secrets.len() > known).then_some((place, secrets));
    let usable = !wrong.iter().any(Diagnostic::is_error);
    found.extend(wrong);
    if !usable {
        return Ok(None);
    }
    let (values, variables) = (
        configuration.value_with_secrets(),
        configuration.variables(),
    );
    let name = project_name(&module.id, environment);
    let mut project = Project::default();
    if plugin.kind == DeploymentKind::Compose {
        let rendering = Rendering {
            plugin: &plugin,
            values: &values,
            spellings: &configuration.spellings(),
            variables: &variables,
            process_environment: &session.environment,
            environment: Some(environment.as_str()).filter(|name| !name.is_empty()),
            replicas: asked.replicas,
            debug: asked.debug,
            project: &name,
            swarm: asked.swarm,
        };
        let (rendered, wrong) = render_compose(&on_disk, &rendering);
        let masker = configuration.masker();
        let usable = !wrong.iter().any(Diagnostic::is_error);
        // A line of the rendered text may have a secret in it.
        found.extend(wrong.into_iter().map(|wrong| masked(wrong, &masker)));
        if !usable {
            return Ok(None);
        }
        project = rendered;
    } else if plugin.kind == DeploymentKind::Host {
        if let Err(why) = hosts_of(&values) {
            let wrong = Diagnostic::error(why).module(module.id.as_str());
            found.push(
                wrong.help(
                    "set it in a file with --config, or with `--set host.connection.host=HOST`",
                ),
            );
            return Ok(None);
        }
    } else if asked.replicas.is_some() {
        let warning = Diagnostic::warning(format!(
            "--replicas has no effect on plugins of kind {}",
            plugin.kind.as_str()
        ));
        found.push(
            warning
                .module(module.id.as_str())
                .help("it applies to plugins with compose/docker-compose.yml, and is passed to hooks as HOIST_REPLICAS"),
        );
    }
    let file = ReleaseFile {
        version: plugin.version.to_string(),
        kind: kind.to_owned(),
        replicas: asked.replicas,
        debug: asked.debug,
        given: given_now(&given, &configuration),
        secrets: configuration.secrets(),
        from: module.root.clone(),
        values,
        variables,
        project,
    };
    let mut parts = json!([
        module.digest.as_str(),
        file.version,
        file.kind,
        file.replicas,
        file.debug,
        file.values,
        file.variables,
        file.project
    ]);
    // The same values in another order are the same.
    parts.sort_all_objects();
    let digest = Digest::of([parts.to_string().as_bytes()])
        .as_str()
        .to_owned();
    let reason = match running {
        None if deployed.is_some() => "the last deployment failed".to_owned(),
        None => "not deployed yet".to_owned(),
        Some(running) if running.version != file.version => {
            format!("{} → {}", running.version, file.version)
        }
        Some(running)
            if running.digest == digest
                && deployed
                    .is_some_and(|deployed| deployed.standing == DeploymentState::Deployed) =>
        {
            format!(
                "{} is already deployed; its health is checked",
                running.version
            )
        }
        Some(running) => format!(
            "{} is deployed with other files, values or options",
            running.version
        ),
    };
    what(file, digest, reason, Some(configuration), made)
}

/// What `--debug` means to a plugin: the value that its variable DEBUG stands for.
fn debug(plugin: &Plugin, directory: &OnDisk, given: &mut Given, found: &mut Vec<Diagnostic>) {
    let plain = PluginConfiguration::read(plugin, directory, &Given::default());
    let path = plain
        .mapping()
        .find(|(name, _)| *name == "DEBUG")
        .map(|(_, path)| path);
    match path {
        Some(path) => given.set.push(ConfigAssignment {
            path,
            value: "true".to_owned(),
            option: "--debug".to_owned(),
        }),
        None => {
            let warning =
                Diagnostic::warning("the plugin has no configuration value for debugging")
                    .module(plugin.name.as_str());
            found.push(
                warning.help("map DEBUG to a value in config/env.yaml; hooks receive HOIST_DEBUG"),
            );
        }
    }
}

/// Secrets that were made, by their paths, and the deployment they are for.
type GeneratedSecrets = (DeploymentPaths, BTreeMap<String, String>);
