//! Docker Compose: whichever of its two programs is there, told what to bring up and watched until
//! that is well.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hoist_executor::{Command, Exit, Failure, Level, Stream};
use hoist_plugins::Project;
use serde::Deserialize;

use hoist_system::context::StepContext;

mod swarm;

/// Docker Compose for one project.
pub(crate) struct Engine<'a, 'c> {
    context: &'a StepContext<'c>,
    docker: PathBuf,
    /// The program, and what always stands behind it.
    compose: Vec<String>,
    project: String,
    /// The directory that its files stand in.
    work: PathBuf,
    variables: &'a BTreeMap<String, String>,
    /// What it runs is placed on the machines of a Swarm.
    swarm: bool,
}

/// A container of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its number, which is another when it was made anew.
    pub id: String,
    /// The service that it is one of.
    pub service: String,
    /// `running`, `exited`, `restarting` …
    pub status: String,
    /// `healthy`, `unhealthy`, `starting`; absent where nothing looks after that.
    pub health: Option<String>,
    /// Since when it runs, RFC 3339.
    pub since: String,
    /// How it ended, where it has.
    pub exit: i64,
    /// How often it was started again because it had ended.
    pub restarts: u64,
    /// The directory that Compose started it from.
    pub from: Option<String>,
    /// The ports of this machine that lead to it.
    pub ports: Vec<String>,
}

/// How a container is.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Well,
    Coming,
    Wrong(String),
}

/// Whether Compose is a plugin of the Docker client.
#[derive(Clone)]
struct ComposeIsPlugin(bool);

impl Container {
    fn state(&self) -> State {
        match (self.status.as_str(), self.health.as_deref()) {
            ("running", None | Some("healthy" | "none")) if self.restarts < RESTARTS => State::Well,
            ("running", Some("unhealthy")) => State::Wrong("is unhealthy".to_owned()),
            ("exited", _) if self.exit == 0 => State::Well,
            ("exited" | "dead", _) => State::Wrong(format!("ended with exit code {}", self.exit)),
            _ if self.restarts >= RESTARTS => {
                State::Wrong(format!("was restarted {} times", self.restarts))
            }
            _ => State::Coming,
        }
    }
}

/// What ends so often does not work.
const RESTARTS: u64 = 3;
/// How long a container without a health check has to run until it counts as well.
const STEADY: Duration = Duration::from_millis(1500);
/// How often is looked.
const TICK: Duration = Duration::from_millis(200);
/// So many lines are shown of a container that does not work.
const LINES: &str = "15";
/// So many lines are shown of what Compose said when it failed.
const SAID: usize = 10;

impl<'a, 'c> Engine<'a, 'c> {
    /// Finds the programs, and asks whether the engine answers.
    pub(crate) fn find(
        context: &'a StepContext<'c>,
        project: &str,
        work: PathBuf,
        variables: &'a BTreeMap<String, String>,
        swarm: bool,
    ) -> Result<Self, Failure> {
        let Some(docker) = context.machine.find_program("docker", &[]) else {
            return Err(Failure::new(
                "Docker is not installed: install docker.io and docker-compose, or Docker's own packages",
            ));
        };
        let mut engine = Self {
            context,
            docker,
            compose: Vec::new(),
            project: project.to_owned(),
            work,
            variables,
            swarm,
        };
        let (exit, said) = engine.ask(engine.command(&engine.docker).args([
            "version",
            "--format",
            "{{.Server.Version}}",
        ]))?;
        if !exit.success() {
            let said = said
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default()
                .trim()
                .to_owned();
            return Err(Failure::new(format!(
                "cannot connect to the Docker engine: check that it is running and that you may use it ({said})"
            )));
        }
        if swarm {
            engine.manages()?;
            return Ok(engine);
        }
        let ask = || {
            let version = engine.command(&engine.docker).args(["compose", "version"]);
            let (exit, _) = engine.ask(version)?;
            Ok(ComposeIsPlugin(exit.success()))
        };
        let ComposeIsPlugin(is_plugin) = context.machine.remember(ask)?;
        engine.compose = match (
            is_plugin,
            context.machine.find_program("docker-compose", &[]),
        ) {
            (true, _) => vec![engine.docker.display().to_string(), "compose".to_owned()],
            (false, Some(program)) => vec![program.display().to_string()],
            (false, None) => {
                return Err(Failure::new(
                    "Docker Compose is not installed: install docker-compose or Docker's Compose plugin",
                ));
            }
        };
        Ok(engine)
    }

    fn command(&self, program: impl Into<std::ffi::OsString>) -> Command {
        let environment = self
            .context
            .machine
            .script_environment(self.variables, &self.context.path.joined());
        let directory = if self.work.is_dir() {
            self.work.clone()
        } else {
            PathBuf::from("/")
        };
        Command::new(program)
            .environment(environment)
            .directory(directory)
    }

    /// Runs a command and returns all that it says, which nobody is shown.
    fn ask(&self, command: Command) -> Result<(Exit, String), Failure> {
        let mut said = String::new();
        let exit = self.context.task.run_with(&command.data(), |_, line| {
            said += line;
            said.push('\n');
        })?;
        Ok((exit, said))
    }

    fn compose(&self, project: &Project, arguments: &[&str]) -> Command {
        let (program, always) = self
            .compose
            .split_first()
            .map_or(("docker-compose", &[][..]), |(first, rest)| {
                (first.as_str(), rest)
            });
        let files = project
            .files
            .iter()
            .flat_map(|(path, _)| ["-f".to_owned(), self.work.join(path).display().to_string()]);
        let all = always
            .iter()
            .cloned()
            .chain(["--ansi", "never", "-p", &self.project].map(str::to_owned))
            .chain(files);
        self.command(program)
            .args(all)
            .args(arguments.iter().copied())
    }

    /// Runs Compose; what it says is shown, and its last word tells why it failed.
    fn run(&self, project: &Project, doing: &str, arguments: &[&str]) -> Result<(), Failure> {
        self.tell_and_run(&self.compose(project, arguments), doing)
    }

    fn tell_and_run(&self, command: &Command, doing: &str) -> Result<(), Failure> {
        let (mut last, mut lines) = (String::new(), VecDeque::new());
        let exit = self.context.task.run_with(command, |stream, line| {
            self.context.task.output(stream, line);
            let told = line.trim();
            if !told.is_empty() {
                lines.push_back(told.to_owned());
                lines.drain(..lines.len().saturating_sub(SAID));
                if stream == Stream::Stderr {
                    last = told.to_owned();
                }
            }
        })?;
        if exit.success() {
            return Ok(());
        }
        // What is done to go back says more, and this would be lost.
        lines
            .iter()
            .for_each(|line| self.context.task.note_from("docker", Level::Info, line));
        let mut errors = lines
            .iter()
            .filter(|line| line.to_lowercase().starts_with("error"));
        let cause = errors
            .next_back()
            .filter(|line| **line != last)
            .map(|line| format!(": {line}"));
        Err(Failure::new(format!(
            "{doing} failed with {exit}{}: {last}",
            cause.unwrap_or_default()
        )))
    }

    /// Lets Compose look at its files. Nothing is started.
    pub(crate) fn check(&self, project: &Project) -> Result<(), Failure> {
        if self.swarm {
            // All of a stack is read before anything of it is deployed.
            return Ok(());
        }
        let (exit, said) = self.ask(self.compose(project, &["config", "-q"]))?;
        if exit.success() {
            return Ok(());
        }
        let said = said
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default()
            .trim()
            .to_owned();
        Err(Failure::new(format!(
            "Docker Compose cannot read its files: {said}"
        )))
    }

    /// Brings everything up as the files say, and waits until it is well.
    pub(crate) fn up(&self, project: &Project, wait: Duration) -> Result<(), Failure> {
        if self.swarm {
            return self.up_stack(project, wait);
        }
        if project.builds {
            self.run(project, "building its images", &["build"])?;
        }
        let scale: Vec<String> = project
            .scale
            .iter()
            .map(|(service, count)| format!("{service}={count}"))
            .collect();
        let mut arguments = vec!["up", "-d", "--remove-orphans"];
        scale
            .iter()
            .for_each(|scale| arguments.extend(["--scale", scale]));
        let up = self.run(project, "starting it", &arguments);
        if let Err(failure) = up {
            self.tell_logs(None)?;
            return Err(failure);
        }
        self.wait(project, wait)
    }

    fn wait(&self, project: &Project, limit: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        let mut well_since: Option<(Instant, Vec<String>)> = None;
        loop {
            self.context.task.check()?;
            let containers = self.containers()?;
            let missing = project.services.iter().find(|service| {
                !containers
                    .iter()
                    .any(|container| container.service == **service)
            });
            let wrong = containers
                .iter()
                .find_map(|container| match container.state() {
                    State::Wrong(why) => Some((container, why)),
                    _ => None,
                });
            if let Some((container, why)) = wrong {
                self.tell_logs(Some(container))?;
                return Err(Failure::new(format!("{} {why}", container.name)));
            }
            let coming = containers
                .iter()
                .find(|container| container.state() == State::Coming);
            if coming.is_none() && missing.is_none() {
                let ids: Vec<String> = containers
                    .iter()
                    .map(|container| container.id.clone() + &container.restarts.to_string())
                    .collect();
                let looked_after = containers.iter().all(|container| {
                    container.health.as_deref() == Some("healthy") || container.status == "exited"
                });
                let since = match well_since.take() {
                    Some((since, known)) if known == ids => since,
                    _ => Instant::now(),
                };
                if looked_after || since.elapsed() >= STEADY {
                    return Ok(());
                }
                well_since = Some((since, ids));
            } else {
                well_since = None;
            }
            if Instant::now() > deadline {
                let what = coming
                    .map(|container| container.name.clone())
                    .or(missing.cloned())
                    .unwrap_or_default();
                if let Some(container) = coming {
                    self.tell_logs(Some(container))?;
                }
                return Err(Failure::new(format!(
                    "{what} was not healthy within {} seconds; use --wait to wait longer",
                    limit.as_secs()
                )));
            }
            std::thread::sleep(TICK);
        }
    }

    /// Takes everything down; volumes only where that is asked.
    pub(crate) fn down(&self, project: &Project, volumes: bool) -> Result<(), Failure> {
        if self.swarm {
            return self.down_stack(volumes);
        }
        let mut arguments = vec!["down", "--remove-orphans"];
        arguments.extend(volumes.then_some("--volumes"));
        self.run(project, "stopping it", &arguments)
    }

    /// What keeps everything from being there that should be, and well.
    pub(crate) fn missing_parts(&self, project: &Project) -> Result<Option<String>, Failure> {
        if self.swarm {
            return self.stack_lacks(project);
        }
        let containers = self.containers()?;
        for service in &project.services {
            let of: Vec<&Container> = containers
                .iter()
                .filter(|container| container.service == *service)
                .collect();
            let wanted = project
                .scale
                .get(service)
                .map_or(1, |count| *count as usize);
            if of.len() < wanted || (project.scale.contains_key(service) && of.len() > wanted) {
                return Ok(Some(format!(
                    "{service}: {} of {wanted} containers exist",
                    of.len()
                )));
            }
            if let Some(other) = of.iter().find(|container| container.state() != State::Well) {
                return Ok(Some(format!(
                    "{} is {}",
                    other.name,
                    other.health.as_deref().unwrap_or(&other.status)
                )));
            }
        }
        Ok(None)
    }

    /// The containers of the project that were not started from below a directory; in a Swarm,
    /// which does not know that, all where nothing is `known`.
    pub(crate) fn foreign(&self, work: &Path, known: bool) -> Result<Vec<String>, Failure> {
        let own = |container: &Container| match &container.from {
            Some(from) => Path::new(from).starts_with(work),
            None => known,
        };
        Ok(self
            .containers()?
            .into_iter()
            .filter(|container| !own(container))
            .map(|container| container.name)
            .collect())
    }

    /// The containers of the project, by their names.
    pub(crate) fn containers(&self) -> Result<Vec<Container>, Failure> {
        if self.swarm {
            return self.stack_containers();
        }
        let filter = format!("label={}={}", self.label(), self.project);
        let (exit, ids) = self.ask(self.command(&self.docker).args([
            "ps",
            "-a",
            "-q",
            "--no-trunc",
            "--filter",
            &filter,
        ]))?;
        let ids: Vec<&str> = ids.lines().filter(|line| !line.trim().is_empty()).collect();
        if !exit.success() {
            return Err(Failure::new(format!(
                "lost the connection to the Docker engine: {}",
                ids.last().unwrap_or(&"")
            )));
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // One that goes meanwhile is said to be unknown, and the others are told all the same.
        let (_, said) = self.ask(
            self.command(&self.docker)
                .args(["inspect", "--format", "{{json .}}"])
                .args(ids.iter().copied()),
        )?;
        let mut containers: Vec<Container> = said.lines().filter_map(read).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    /// What all that belongs to a project has on it.
    fn label(&self) -> &'static str {
        if self.swarm {
            "com.docker.stack.namespace"
        } else {
            "com.docker.compose.project"
        }
    }

    /// The volumes of the project.
    pub(crate) fn volumes(&self) -> Result<BTreeSet<String>, Failure> {
        let filter = format!("label={}={}", self.label(), self.project);
        let (exit, said) = self.ask(
            self.command(&self.docker)
                .args(["volume", "ls", "-q", "--filter", &filter]),
        )?;
        Ok(if exit.success() {
            said.lines().map(|line| line.trim().to_owned()).collect()
        } else {
            BTreeSet::new()
        })
    }

    /// Removes volumes that an attempt made.
    pub(crate) fn remove_volumes(&self, names: &BTreeSet<String>) -> Result<(), Failure> {
        if names.is_empty() {
            return Ok(());
        }
        let (exit, said) = self.ask(
            self.command(&self.docker)
                .args(["volume", "rm"])
                .args(names.iter().map(String::as_str)),
        )?;
        if exit.success() {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "removing its volumes: {}",
                said.trim()
            )))
        }
    }

    /// The last lines of a container, or of all that do not work.
    fn tell_logs(&self, container: Option<&Container>) -> Result<(), Failure> {
        let all = if container.is_none() {
            self.containers().unwrap_or_default()
        } else {
            Vec::new()
        };
        let wrong = all
            .iter()
            .filter(|container| matches!(container.state(), State::Wrong(_)));
        for container in container.into_iter().chain(wrong) {
            let (_, said) = self.ask(self.command(&self.docker).args([
                "logs",
                "--tail",
                LINES,
                &container.name,
            ]))?;
            let format = "{{with .State.Health}}{{range .Log}}{{println .Output}}{{end}}{{end}}";
            let (_, health) = self.ask(self.command(&self.docker).args([
                "inspect",
                "--format",
                format,
                &container.name,
            ]))?;
            let last = health
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .map(|line| format!("its health check reports: {}", line.trim()));
            for line in said.lines().map(str::to_owned).chain(last) {
                self.context
                    .task
                    .note_from(&container.name, Level::Info, line);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    #[serde(default)]
    restart_count: u64,
    state: InspectedState,
    config: InspectedConfig,
    #[serde(default)]
    network_settings: Networks,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    status: String,
    exit_code: i64,
    started_at: String,
    health: Option<Health>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Networks {
    ports: BTreeMap<String, Option<Vec<Binding>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: String,
    host_port: String,
}

fn read(line: &str) -> Option<Container> {
    let Inspected {
        id,
        name,
        restart_count,
        state,
        config,
        network_settings,
    } = serde_json::from_str(line).ok()?;
    let ports = network_settings
        .ports
        .into_iter()
        .flat_map(|(own, bindings)| {
            bindings
                .unwrap_or_default()
                .into_iter()
                .map(move |Binding { host_ip, host_port }| format!("{host_ip}:{host_port}->{own}"))
        });
    Some(Container {
        name: name.trim_start_matches('/').to_owned(),
        id,
        service: config
            .labels
            .get("com.docker.compose.service")
            .cloned()
            .unwrap_or_default(),
        status: state.status,
        health: state.health.map(|health| health.status),
        since: state.started_at,
        exit: state.exit_code,
        restarts: restart_count,
        from: config
            .labels
            .get("com.docker.compose.project.working_dir")
            .cloned(),
        ports: ports.collect(),
    })
}
