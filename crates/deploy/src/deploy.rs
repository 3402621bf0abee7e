//! Deploys a plugin: hooks around it, what ran before kept until the new is known to work, and
//! brought back where it does not.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hoist_core::{Change, Module, ModuleId};
use hoist_executor::{Effect, Failure, ItemChange, Level, TaskContext};
use hoist_ledger::Ledger;
use hoist_plugins::{DEPLOY_SCRIPTS, Directory, HookEvent, Lookup, Plugin, Side, UNDEPLOY_SCRIPTS};

use crate::deployed::{
    Deployed, DeploymentState, Release, deployments, drop_deployment, put_deployment,
};
use crate::docker::{Container, Engine};
use crate::hosts::{HostCommand, Rollout, TargetHost, hosts_of, on_all};
use crate::release::{DeploymentPaths, ReleaseFile, SWARM, called};
use hoist_engine::apply::{apply, refuse};
use hoist_engine::job::{Job, RemovalJob, RemovalWork};
use hoist_engine::recorded::ledger_failure;
use hoist_engine::run_context::{ModuleJob, RunContext};
use hoist_methods::file_list::{file_list, list_files};
use hoist_plugins::hook::Hook;
use hoist_plugins::modules::{copy_tree, copy_tree_but};
use hoist_plugins::on_disk::OnDisk;
use hoist_plugins::removal::{AfterRemoval, before_removal};
use hoist_system::context::StepContext;
use hoist_system::private::PrivateInput;

/// A deployment that is asked for.
#[derive(Clone)]
pub struct Deployment {
    /// The environment; empty where none was named.
    pub environment: String,
    /// What it is made of.
    pub file: ReleaseFile,
    /// Of everything that it is made of.
    pub digest: String,
    /// The release that comes back; absent where the plugin is deployed as it is installed.
    pub former: Option<u32>,
    /// Go back to what ran before also where only the last hook fails.
    pub atomic: bool,
    /// Do it also where it seems done.
    pub force: bool,
    /// How long it may take until everything is well.
    pub wait: Duration,
    /// What is done to the plugin itself first.
    pub install: Option<Change>,
    /// How hosts are gone through, where it is deployed to any.
    pub rollout: Rollout,
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            environment,
            file,
            former,
            ..
        } = self;
        f.debug_struct("Deployment")
            .field("environment", environment)
            .field("kind", &file.kind)
            .field("former", former)
            .finish_non_exhaustive()
    }
}

/// What is taken down.
#[derive(Debug, Clone)]
pub struct Undeployment {
    /// The environment; empty where none was named.
    pub environment: String,
    /// Also what containers keep.
    pub volumes: bool,
    /// Whether the deployment is forgotten where it cannot be taken down.
    pub force: bool,
}

impl Deployment {
    /// The deployment as a job on its module.
    pub fn job(self, module: &ModuleId) -> Job {
        let change = self.install;
        let deploy = Job::new(module, move |context| {
            let work = Some(&mut *context.work).filter(|work| work.change != Change::Deploy);
            deploy(context.world, context.module, &self, work, context.task)
        });
        Job { change, ..deploy }
    }
}

impl Undeployment {
    /// The removal of the deployment as a job on its module.
    pub fn job(self, module: &ModuleId) -> Job {
        Job::new(module, move |context| {
            undeploy(context.world, context.module, &self, context.task)
        })
    }
}

/// What a plugin that stands in a directory does around its removal.
pub fn removal_job(module: &ModuleId, directory: &Path) -> RemovalJob {
    let work = PluginRemoval {
        directory: directory.join(module.as_str()),
        after: None,
    };
    RemovalJob {
        module: module.clone(),
        work: Box::new(work),
    }
}

struct PluginRemoval {
    directory: PathBuf,
    after: Option<AfterRemoval>,
}

impl RemovalWork for PluginRemoval {
    fn before(
        &mut self,
        world: &RunContext,
        module: &Module,
        task: &TaskContext,
    ) -> Result<(), Failure> {
        self.after = before_removal(&self.directory, &world.context(module, task))?;
        undeploy_all(world, module, task)
    }

    fn has_after(&self) -> bool {
        self.after.is_some()
    }

    fn after(
        &mut self,
        world: &RunContext,
        module: &Module,
        task: &TaskContext,
    ) -> Result<(), Failure> {
        let after = self.after.take();
        after.map_or(Ok(()), |after| after.run(&world.context(module, task)))
    }
}

/// So many former releases are kept.
const FORMER: usize = 5;

/// What Compose calls the project of a deployment: small letters, digits, `-` and `_`.
pub fn project_name(plugin: &ModuleId, environment: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = called(plugin, environment).chars().map(plain).collect();
    name.trim_start_matches(['-', '_']).to_owned()
}

/// One deployment at work.
struct DeploymentContext<'a, 'c> {
    module: &'a Module,
    environment: &'a str,
    place: &'a DeploymentPaths,
    context: &'a StepContext<'c>,
    wait: Duration,
    rollout: &'a Rollout,
}

impl<'c> DeploymentContext<'_, 'c> {
    fn engine<'e>(&'e self, file: &'e ReleaseFile) -> Result<Engine<'e, 'c>, Failure> {
        self.engine_in(self.place.work(), file)
    }

    fn engine_in<'e>(
        &'e self,
        work: PathBuf,
        file: &'e ReleaseFile,
    ) -> Result<Engine<'e, 'c>, Failure> {
        let name = project_name(&self.module.id, self.environment);
        Engine::find(
            self.context,
            &name,
            work,
            &file.variables,
            file.kind == SWARM,
        )
    }

    /// What keeps all that a release says from being there.
    fn missing_parts(&self, file: &ReleaseFile) -> Result<Option<String>, Failure> {
        if file.has_containers() {
            self.engine(file)?.missing_parts(&file.project)
        } else {
            Ok(None)
        }
    }

    /// What can be found out before anything is changed.
    fn check(&self, number: u32, file: &ReleaseFile) -> Result<(), Failure> {
        if !file.has_containers() {
            return Ok(());
        }
        let engine = self.engine_in(self.place.plugin(number), file)?;
        // The rendered files stand in the release, beside those that they were made of.
        for (path, text) in &file.project.files {
            let target = self.place.plugin(number).join(path);
            hoist_files::write(&target, text.as_bytes(), 0o600)
                .map_err(|error| self.context.task.failed("writing", &target, &error))?;
        }
        engine.check(&file.project)
    }

    /// Has hoist do this on the hosts of a release.
    fn on_hosts(
        &self,
        number: u32,
        file: &ReleaseFile,
        command: &[&str],
    ) -> Result<Effect, Failure> {
        let hosts = hosts_of(&file.values).map_err(Failure::new)?;
        self.on(number, file, command, hosts)
    }

    fn on(
        &self,
        number: u32,
        file: &ReleaseFile,
        command: &[&str],
        hosts: Vec<TargetHost>,
    ) -> Result<Effect, Failure> {
        let name = called(&self.module.id, self.environment);
        let (place, writing) = (self.place.clone(), Mutex::new(()));
        let begun = move |host: &str| {
            let _alone = writing.lock().unwrap_or_else(PoisonError::into_inner);
            place.keep_begun_hosts([host].into_iter()).map_err(|error| {
                Failure::new(format!("cannot record the start on {host}: {error}"))
            })
        };
        let begun = Arc::new(begun);
        let order = HostCommand {
            command,
            plugin: self.place.plugin(number),
            name,
            variables: &file.variables,
            begun,
        };
        on_all(
            self.context.machine,
            hosts,
            &order,
            self.rollout,
            self.context.task,
        )
    }

    /// Makes what runs that of a release.
    fn apply(&self, number: u32, file: &ReleaseFile) -> Result<(), Failure> {
        match file.kind.as_str() {
            "host" => self.on_hosts(number, file, &["install", "--all"]).map(drop),
            "compose" | SWARM => {
                self.place.check_out(number).map_err(|error| {
                    self.context
                        .task
                        .failed("writing", &self.place.work(), &error)
                })?;
                self.engine(file)?.up(&file.project, self.wait)
            }
            "script" => self.script(number, file, DEPLOY_SCRIPTS).map(drop),
            _ => Ok(()),
        }
    }

    /// Takes everything down.
    fn take_down(&self, number: u32, file: &ReleaseFile, volumes: bool) -> Result<(), Failure> {
        match file.kind.as_str() {
            "host" => {
                // There is nothing to take down on a host that was never reached.
                let begun = self.place.begun_hosts();
                let is_begun = |host: &TargetHost| {
                    begun
                        .as_ref()
                        .is_none_or(|begun| begun.contains(&host.host.to_string()))
                };
                let hosts: Vec<TargetHost> = hosts_of(&file.values)
                    .map_err(Failure::new)?
                    .into_iter()
                    .filter(is_begun)
                    .collect();
                if hosts.is_empty() {
                    Ok(())
                } else {
                    self.on(number, file, &["uninstall", "--all"], hosts)
                        .map(drop)
                }
            }
            "compose" | SWARM => self.engine(file)?.down(&file.project, volumes),
            "script" => match self.script(number, file, UNDEPLOY_SCRIPTS)? {
                true => Ok(()),
                false => {
                    let message = "it has no scripts/undeploy.sh: the changes of its deployment script are kept";
                    self.context.task.note(Level::Warning, message);
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    /// Runs the first script of these that the release has; false where it has none.
    fn script(&self, number: u32, file: &ReleaseFile, names: &[&str]) -> Result<bool, Failure> {
        let directory = OnDisk::new(&self.place.plugin(number));
        let found = names.iter().find_map(|path| match directory.lookup(path) {
            Lookup::File { executable } => Some((*path, executable)),
            _ => None,
        });
        let Some((path, executable)) = found else {
            return Ok(false);
        };
        let runs_itself = executable
            && directory
                .read(path)
                .is_ok_and(|text| text.starts_with(b"#!"));
        let name = path
            .rsplit('/')
            .next()
            .unwrap_or(path)
            .split('.')
            .next()
            .unwrap_or(path);
        let hook = match (runs_itself, path.ends_with(".py")) {
            (false, true) => Hook::new(name, directory.root(), path, false).by("python3"),
            _ => Hook::new(name, directory.root(), path, runs_itself),
        };
        self.run_hook(&hook, file, &[]).map(|()| true)
    }

    /// Runs a hook of a release, where it has that.
    fn hook(
        &self,
        number: u32,
        file: &ReleaseFile,
        side: Side,
        event: HookEvent,
        more: &[(&str, String)],
    ) -> Result<(), Failure> {
        let directory = self.place.plugin(number);
        let (Some(plugin), _) = Plugin::read(&OnDisk::new(&directory)) else {
            return Ok(());
        };
        let Some((name, hook)) = plugin.hook(side, event) else {
            return Ok(());
        };
        self.run_hook(
            &Hook::new(name, &directory, &hook.path, hook.runs_itself),
            file,
            more,
        )
    }

    fn run_hook(
        &self,
        hook: &Hook,
        file: &ReleaseFile,
        more: &[(&str, String)],
    ) -> Result<(), Failure> {
        let configured = PrivateInput {
            variables: file.variables.clone(),
            document: file.values.clone(),
        };
        let context = StepContext {
            private: Some(&configured),
            path: self.context.path,
            ..StepContext::new(
                self.context.task,
                self.context.machine,
                self.context.module,
                self.context.variables,
            )
        };
        let set = [
            ("HOIST_ENVIRONMENT", self.environment.to_owned()),
            ("HOIST_VERSION", file.version.clone()),
            (
                "HOIST_PROJECT",
                project_name(&self.module.id, self.environment),
            ),
            ("HOIST_REPLICAS", file.replicas.unwrap_or(1).to_string()),
            ("HOIST_DEBUG", file.debug.to_string()),
        ];
        let all: Vec<(&str, String)> = set.into_iter().chain(more.iter().cloned()).collect();
        hook.run(&context, &all)
    }

    /// Fails where containers of the same project are somebody else's.
    fn refuse_foreign(
        &self,
        deployed: &Deployed,
        file: &ReleaseFile,
        force: bool,
    ) -> Result<(), Failure> {
        if !file.has_containers() || force {
            return Ok(());
        }
        let is_known = deployed.release.is_some() || deployed.attempt.is_some();
        let foreign = self.engine(file)?.foreign(&self.place.work(), is_known)?;
        let Some(one) = foreign.first() else {
            return Ok(());
        };
        let others = if foreign.len() > 1 {
            format!(" and {} others", foreign.len() - 1)
        } else {
            String::new()
        };
        let name = project_name(&self.module.id, self.environment);
        Err(Failure::new(format!(
            "the Compose project {name} of this Docker engine was not deployed by hoist: {one}{others} is running; stop it, deploy to another --env, or add --force to take it over"
        )))
    }

    /// Names the hosts that a former release was deployed to and this one is not.
    fn tell_hosts_left(&self, former: Option<&Release>, file: &ReleaseFile) {
        let Some(former) = former
            .filter(|_| file.kind == "host")
            .and_then(|former| self.place.read(former.number).ok())
        else {
            return;
        };
        let names = |file: &ReleaseFile| -> BTreeSet<String> {
            hosts_of(&file.values)
                .into_iter()
                .flatten()
                .map(|host| host.host.to_string())
                .collect()
        };
        for host in names(&former).difference(&names(file)) {
            let reason = "it was removed from the configuration; the deployment there is kept";
            self.context.task.item(
                ItemChange::NeedsAttention,
                format!("host {host}"),
                Some(reason.to_owned()),
            );
            self.context.task.note(
                Level::Warning,
                format!(
                    "{host}: {reason}; to undeploy it, add the host again, deploy, then undeploy"
                ),
            );
        }
    }

    fn containers(&self, file: &ReleaseFile) -> Vec<Container> {
        if !file.has_containers() {
            return Vec::new();
        }
        self.engine(file)
            .and_then(|engine| engine.containers())
            .unwrap_or_default()
    }

    fn volumes(&self, file: &ReleaseFile) -> BTreeSet<String> {
        if !file.has_containers() {
            return BTreeSet::new();
        }
        self.engine(file)
            .and_then(|engine| engine.volumes())
            .unwrap_or_default()
    }
}

/// Installs a plugin where that is due, and deploys it.
///
/// A new version of an installed plugin is deployed first and installed afterwards, so that a
/// deployment that fails leaves the installed version.
fn deploy(
    world: &RunContext,
    module: &Module,
    deployment: &Deployment,
    work: Option<&mut ModuleJob>,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let Some(ledger) = &world.ledger else {
        return Err(Failure::new("no ledger is open"));
    };
    let mut update = match work {
        Some(work) if work.change == Change::Update => {
            refuse(world, module, work, task)?;
            Some(work)
        }
        Some(work) => {
            apply(world, module, work, task)?;
            None
        }
        None => None,
    };
    let mut install = || {
        update.take().map_or(Ok(Effect::Unchanged), |work| {
            apply(world, module, work, task)
        })
    };
    let effect = deploy_release(world, ledger, module, deployment, &mut install, task)?;
    match install()? {
        Effect::Changed => Ok(Effect::Changed),
        Effect::Unchanged => Ok(effect),
    }
}

/// Deploys what is asked for. `install` installs the new version of the plugin; it is called where
/// the new release stays although a hook failed.
fn deploy_release(
    world: &RunContext,
    ledger: &Ledger,
    module: &Module,
    deployment: &Deployment,
    install: &mut dyn FnMut() -> Result<Effect, Failure>,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let Deployment {
        environment,
        file,
        digest,
        force,
        atomic,
        ..
    } = deployment;
    let place = DeploymentPaths::new(&world.state, &module.id, environment);
    let context = world.context(module, task);
    let at = DeploymentContext {
        module,
        environment,
        place: &place,
        context: &context,
        wait: deployment.wait,
        rollout: &deployment.rollout,
    };
    let known = deployments(ledger)
        .map_err(ledger_failure)?
        .into_iter()
        .find(|known| known.plugin == module.id && known.environment == *environment);
    let was_cut_off = known
        .as_ref()
        .is_some_and(|known| known.standing == DeploymentState::Deploying);
    let mut deployed = known
        .unwrap_or_else(|| Deployed::new(module.id.clone(), environment, &deployment.file.kind));
    let same = deployed
        .release
        .clone()
        .filter(|release| release.digest == *digest);
    if let (DeploymentState::Deployed, Some(release), false) = (deployed.standing, &same, *force) {
        // Hosts look for themselves, and bring back what is gone.
        if file.kind == "host" {
            return at.on_hosts(release.number, file, &["install", "--all"]);
        }
        match at.missing_parts(file)? {
            None => return Ok(Effect::Unchanged),
            Some(why) => task.note(
                Level::Warning,
                format!("it is deployed, but {why}; it is restarted"),
            ),
        }
    }
    if was_cut_off {
        task.note(Level::Warning, "its last deployment was interrupted");
    }
    let nothing_changed =
        |failure: Failure| Failure::new(format!("{}; nothing was changed", failure.message));
    at.refuse_foreign(&deployed, file, *force)
        .map_err(nothing_changed)?;
    let source = match deployment.former {
        Some(former) => place.plugin(former),
        None => module.root.clone(),
    };
    // What is brought up once more is no other release.
    let again = same.filter(|release| place.read(release.number).is_ok());
    let number = match &again {
        Some(release) => release.number,
        None => {
            let number = deployed.next();
            place
                .prepare(number, file, |target| match deployment.former {
                    Some(_) => copy_tree(&source, target),
                    None => copy_plugin(ledger, module, target),
                })
                .map_err(|error| task.failed("copying", &source, &error))?;
            number
        }
    };
    if file.kind == "host"
        && deployed.release.is_none()
        && place.begun_hosts().is_none()
        && !was_cut_off
    {
        place
            .keep_begun_hosts(std::iter::empty())
            .map_err(|error| task.failed("writing", &place.work(), &error))?;
    }
    let former = deployed.release.clone();
    let event = match &former {
        Some(former) if former.version != file.version => HookEvent::Upgrade,
        _ => HookEvent::Deploy,
    };
    let more = [
        ("HOIST_EVENT", event.as_str().to_owned()),
        (
            "HOIST_FORMER_VERSION",
            former
                .as_ref()
                .map(|former| former.version.clone())
                .unwrap_or_default(),
        ),
    ];
    let forget = || {
        if again.is_none() {
            place.forget(number)
        } else {
            Ok(())
        }
    };
    let ahead = at
        .check(number, file)
        .and_then(|()| at.hook(number, file, Side::Pre, event, &more))
        .and_then(|()| task.check());
    if let Err(failure) = ahead {
        forget().map_err(|error| task.failed("cannot remove the files of", &source, &error))?;
        return Err(nothing_changed(failure));
    }
    let (before, volumes) = (at.containers(file), at.volumes(file));
    deployed.kind = deployment.file.kind.clone();
    deployed.standing = DeploymentState::Deploying;
    let stale = std::mem::replace(&mut deployed.attempt, again.is_none().then_some(number));
    put_deployment(ledger, &deployed).map_err(ledger_failure)?;
    let applied = at.apply(number, file);
    let (finished, after_hook) = match applied {
        Ok(()) => (at.hook(number, file, Side::Post, event, &more), true),
        Err(failure) => (Err(failure), false),
    };
    match finished {
        Ok(()) => {
            task.version(
                former.as_ref().map(|former| former.version.clone()),
                Some(file.version.clone()),
            );
            tell_containers(&before, &at.containers(file), task);
            at.tell_hosts_left(former.as_ref(), file);
            release(
                ledger,
                &place,
                &mut deployed,
                number,
                deployment,
                DeploymentState::Deployed,
            )?;
            // What was cut off before has left nothing that runs.
            let _ = stale.map(|stale| place.forget(stale));
            Ok(Effect::Changed)
        }
        Err(failure) if after_hook && !atomic && !task.is_cancelled() => {
            tell_containers(&before, &at.containers(file), task);
            release(
                ledger,
                &place,
                &mut deployed,
                number,
                deployment,
                DeploymentState::Failed,
            )?;
            let back = match deployed.former.is_empty() {
                true => format!(
                    "; run `hoist plugin deploy {}` to run its hooks again",
                    module.id
                ),
                false => format!(
                    "; run `hoist plugin rollback {}` to restore the previous release",
                    module.id
                ),
            };
            let more = install()
                .err()
                .map(|more| format!("; installing it failed: {}", more.message))
                .unwrap_or_default();
            Err(Failure::new(format!(
                "it is deployed, but {}{more}{back}",
                failure.message
            )))
        }
        Err(failure) => {
            // What was begun is taken back also where somebody interrupted it.
            let back = task.repair(|| go_back(&at, &deployed, number, file, &volumes));
            let what = match (&back, &former) {
                (Ok(()), Some(former)) => format!("{} was restored", former.version),
                (Ok(()), None) => "its changes were rolled back".to_owned(),
                (Err(more), Some(_)) => {
                    format!(
                        "and the rollback failed: {}; run `hoist plugin rollback {}` to try again",
                        more.message, module.id
                    )
                }
                (Err(more), None) => {
                    format!(
                        "and the rollback failed: {}; run `hoist plugin undeploy {}` to try again",
                        more.message, module.id
                    )
                }
            };
            if task.is_cancelled() {
                task.note(
                    if back.is_ok() {
                        Level::Warning
                    } else {
                        Level::Error
                    },
                    format!("it was interrupted; {what}"),
                );
            }
            match (&former, back) {
                (None, Ok(())) => {
                    drop_deployment(ledger, &module.id, environment).map_err(ledger_failure)?
                }
                (_, Ok(())) => {
                    let _ = forget();
                    let _ = stale.map(|stale| place.forget(stale));
                    deployed.attempt = None;
                    deployed.standing = DeploymentState::Deployed;
                    put_deployment(ledger, &deployed).map_err(ledger_failure)?;
                }
                // The attempt is known as long as something of it may run.
                (_, Err(_)) => {
                    deployed.standing = DeploymentState::Failed;
                    put_deployment(ledger, &deployed).map_err(ledger_failure)?;
                }
            }
            Err(Failure::new(format!("{}; {what}", failure.message)))
        }
    }
}

/// Copies the files of a plugin for a release: those of the directory it was read from, and what
/// its install hooks made in the installed copy.
fn copy_plugin(ledger: &Ledger, module: &Module, target: &Path) -> std::io::Result<()> {
    let (files, digest) = match list_files(&module.root).0 {
        Ok(files) => file_list(&files),
        Err(why) => return Err(std::io::Error::other(why)),
    };
    let changed = || {
        std::io::Error::other(
            "it was modified since the deployment was prepared; run the command again",
        )
    };
    if digest != module.digest {
        return Err(changed());
    }
    let record = ledger.record(&module.id).map_err(std::io::Error::other)?;
    let names: BTreeSet<&Path> = files.iter().map(|file| Path::new(file.path)).collect();
    let directories: BTreeSet<&Path> = names
        .iter()
        .flat_map(|name| name.ancestors().skip(1))
        .collect();
    for installed in module.paths.iter().filter(|path| path.is_dir()) {
        copy_tree_but(installed, target, &|path, is_directory| {
            let name = path.strip_prefix(installed).unwrap_or(path);
            names.contains(name)
                || (!is_directory && (record.contains_key(path) || directories.contains(name)))
        })?;
    }
    for file in files.iter() {
        let (from, to) = (module.root.join(file.path), target.join(file.path));
        std::fs::create_dir_all(to.parent().unwrap_or(target))?;
        if let Some(link) = file.link {
            std::os::unix::fs::symlink(link, to)?;
            continue;
        }
        let content = std::fs::read(from)?;
        if hoist_files::digest(content.as_slice())? != file.digest {
            return Err(changed());
        }
        std::fs::write(&to, content)?;
        std::fs::set_permissions(
            &to,
            Permissions::from_mode(if file.executable { 0o755 } else { 0o644 }),
        )?;
    }
    Ok(())
}

/// Brings back what ran before, or takes down what was begun.
fn go_back(
    at: &DeploymentContext<'_, '_>,
    deployed: &Deployed,
    number: u32,
    file: &ReleaseFile,
    volumes: &BTreeSet<String>,
) -> Result<(), Failure> {
    match &deployed.release {
        Some(former) => {
            let file = at.place.read(former.number).map_err(|error| {
                Failure::new(format!("cannot read the previous release: {error}"))
            })?;
            at.apply(former.number, &file)
        }
        None => {
            let is_untouched = at.place.begun_hosts().is_some_and(|hosts| hosts.is_empty());
            at.take_down(number, file, false)?;
            let new: BTreeSet<String> = at.volumes(file).difference(volumes).cloned().collect();
            if file.has_containers() {
                at.engine(file)?.remove_volumes(&new)?;
                let _ = at.place.forget_all();
            } else if is_untouched {
                let _ = at.place.forget_all();
            } else {
                // What was done on hosts may be locked with them.
                let _ = at.place.forget_but_secrets();
                tell_secrets(at.place, at.context.task);
            }
            Ok(())
        }
    }
}

/// Writes down that a release is what runs, and lets the oldest go.
fn release(
    ledger: &Ledger,
    place: &DeploymentPaths,
    deployed: &mut Deployed,
    number: u32,
    deployment: &Deployment,
    standing: DeploymentState,
) -> Result<(), Failure> {
    let (version, digest) = (deployment.file.version.clone(), deployment.digest.clone());
    let new = Release {
        number,
        version,
        digest,
        at: jiff::Timestamp::now().to_string(),
    };
    let former = deployed
        .release
        .replace(new)
        .filter(|former| former.number != number);
    deployed.former.extend(former);
    deployed.attempt = None;
    deployed.standing = standing;
    let surplus = deployed.former.len().saturating_sub(FORMER);
    let gone: Vec<Release> = deployed.former.drain(..surplus).collect();
    put_deployment(ledger, deployed).map_err(ledger_failure)?;
    for release in gone {
        let _ = place.forget(release.number);
    }
    Ok(())
}

fn tell_containers(before: &[Container], after: &[Container], task: &TaskContext) {
    let known = |list: &[Container], id: &str| list.iter().any(|container| container.id == id);
    for container in after
        .iter()
        .filter(|container| !known(before, &container.id))
    {
        let item_change = if before.iter().any(|other| other.name == container.name) {
            ItemChange::Changed
        } else {
            ItemChange::Created
        };
        let ports = (!container.ports.is_empty()).then(|| container.ports.join(", "));
        task.item(item_change, format!("container {}", container.name), ports);
    }
    for container in before
        .iter()
        .filter(|container| !after.iter().any(|other| other.name == container.name))
    {
        task.item(
            ItemChange::Removed,
            format!("container {}", container.name),
            None,
        );
    }
}

/// Takes a deployment down.
fn undeploy(
    world: &RunContext,
    module: &Module,
    undeployment: &Undeployment,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let Some(ledger) = &world.ledger else {
        return Err(Failure::new("no ledger is open"));
    };
    let Undeployment {
        environment,
        volumes,
        force,
    } = undeployment;
    let place = DeploymentPaths::new(&world.state, &module.id, environment);
    let context = world.context(module, task);
    let rollout = Rollout::default();
    let at = DeploymentContext {
        module,
        environment,
        place: &place,
        context: &context,
        wait: Duration::ZERO,
        rollout: &rollout,
    };
    let known = deployments(ledger)
        .map_err(ledger_failure)?
        .into_iter()
        .find(|known| known.plugin == module.id && known.environment == *environment);
    let Some(mut deployed) = known else {
        return Ok(Effect::Unchanged);
    };
    let number = deployed
        .release
        .as_ref()
        .map(|release| release.number)
        .or(deployed.attempt);
    let Some((number, file)) = number.and_then(|number| Some((number, place.read(number).ok()?)))
    else {
        // Nothing was ever brought up.
        place
            .forget_all()
            .map_err(|error| task.failed("cannot remove the files of", &place.work(), &error))?;
        drop_deployment(ledger, &module.id, environment).map_err(ledger_failure)?;
        return Ok(Effect::Changed);
    };
    deployed.standing = DeploymentState::Undeploying;
    put_deployment(ledger, &deployed).map_err(ledger_failure)?;
    let (before, all) = (at.containers(&file), at.volumes(&file));
    let mut is_left = false;
    match at.take_down(number, &file, *volumes) {
        Err(failure) if *force && !task.is_cancelled() => {
            is_left = true;
            task.note(
                Level::Warning,
                format!(
                    "its record was removed, but parts of it are kept: {}",
                    failure.message
                ),
            );
        }
        Err(failure) if !task.is_cancelled() => {
            let help = format!(
                "run `hoist plugin undeploy {} --force` to remove the record of the deployment and keep what cannot be undeployed",
                module.id
            );
            return Err(Failure {
                message: format!("{}; {help}", failure.message),
                ..failure
            });
        }
        taken => taken?,
    }
    tell_containers(&before, &at.containers(&file), task);
    let kept = at.volumes(&file);
    for volume in all.difference(&kept) {
        task.item(ItemChange::Removed, format!("volume {volume}"), None);
    }
    for volume in &kept {
        task.item(
            ItemChange::Preserved,
            format!("volume {volume}"),
            Some("volumes are kept; use `docker volume rm` to delete it".to_owned()),
        );
    }
    let forgotten = if kept.is_empty() && !is_left {
        place.forget_all()
    } else {
        place.forget_but_secrets()
    };
    tell_secrets(&place, task);
    forgotten.map_err(|error| task.failed("cannot remove the files of", &place.work(), &error))?;
    drop_deployment(ledger, &module.id, environment).map_err(ledger_failure)?;
    task.version(Some(file.version), None);
    Ok(Effect::Changed)
}

/// Says where secrets stay that were made for a deployment.
fn tell_secrets(place: &DeploymentPaths, task: &TaskContext) {
    if !place.secrets().is_empty() {
        let reason =
            "generated secrets of the deployment; remaining data may be encrypted with them"
                .to_owned();
        task.item(
            ItemChange::Preserved,
            place.secrets_file().display().to_string(),
            Some(reason),
        );
    }
}

/// Takes down every deployment of a plugin that is removed.
fn undeploy_all(world: &RunContext, module: &Module, task: &TaskContext) -> Result<(), Failure> {
    let Some(ledger) = &world.ledger else {
        return Ok(());
    };
    let of: Vec<Deployed> = deployments(ledger)
        .map_err(ledger_failure)?
        .into_iter()
        .filter(|known| known.plugin == module.id)
        .collect();
    let mut told = BTreeSet::new();
    for Deployed { environment, .. } in of {
        told.insert(DeploymentPaths::new(&world.state, &module.id, &environment).secrets_file());
        undeploy(
            world,
            module,
            &Undeployment {
                environment,
                volumes: false,
                force: false,
            },
            task,
        )?;
    }
    for place in DeploymentPaths::all_of(&world.state, &module.id)
        .into_iter()
        .filter(|place| !told.contains(&place.secrets_file()))
    {
        tell_secrets(&place, task);
    }
    Ok(())
}

/// The containers of a project, on this machine or in a Swarm.
///
/// # Errors
/// There is no engine, or it does not answer.
pub fn containers(
    machine: &hoist_machine::machine::Machine,
    name: &str,
    swarm: bool,
) -> Result<Vec<Container>, Failure> {
    let task = TaskContext::alone(|_| {});
    let variables = Default::default();
    let context = StepContext::new(&task, machine, name, &variables);
    Engine::find(&context, name, PathBuf::from("/"), &variables, swarm)?.containers()
}
