//! A Swarm: the engine is one of its managers, and places what a stack is made of on its machines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hoist_executor::{Failure, Level, Stream};
use hoist_plugins::Project;
use serde::Deserialize;
use serde_json::Value;

use super::{Container, Engine, LINES, RESTARTS, STEADY, TICK};

/// How long the last of a stack may take to go.
const LEAVING: Duration = Duration::from_secs(60);

/// One container of a service, on whichever machine.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "ServiceID")]
    service: String,
    #[serde(default)]
    slot: u64,
    #[serde(default, rename = "NodeID")]
    node: String,
    desired_state: String,
    status: TaskStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaskStatus {
    timestamp: String,
    state: String,
    #[serde(default)]
    err: String,
}

impl Task {
    fn is_wanted(&self) -> bool {
        matches!(
            self.desired_state.as_str(),
            "running" | "ready" | "complete"
        )
    }

    fn is_well(&self) -> bool {
        matches!(self.status.state.as_str(), "running" | "complete")
    }

    fn has_failed(&self) -> bool {
        matches!(
            self.status.state.as_str(),
            "failed" | "rejected" | "orphaned"
        )
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    spec: Spec,
    #[serde(default)]
    endpoint: Endpoint,
    #[serde(default)]
    update_status: ServiceUpdate,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: String,
    #[serde(default)]
    mode: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ServiceUpdate {
    state: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Endpoint {
    ports: Vec<Port>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    protocol: String,
    target_port: u32,
    #[serde(default)]
    published_port: u32,
}

impl Service {
    /// What is wrong with it, or what it waits for; nothing where it is well. `known` failed before
    /// anything was changed.
    fn judge(&self, tasks: &[Task], known: &BTreeSet<String>) -> Verdict {
        let own = || tasks.iter().filter(|task| task.service == self.id);
        let failed: Vec<&Task> = own()
            .filter(|task| task.has_failed() && !known.contains(&task.id))
            .collect();
        let update = self.update_status.state.as_str();
        if let (true, Some(last)) = (failed.len() as u64 >= RESTARTS, failed.first()) {
            return Verdict::Wrong(format!(
                "{} failed {} times: {}",
                self.spec.name,
                failed.len(),
                last.status.err
            ));
        }
        if update == "paused" || update.starts_with("rollback") {
            return Verdict::Wrong(format!(
                "{}: {}",
                self.spec.name, self.update_status.message
            ));
        }
        let wanted = self.spec.mode["Replicated"]["Replicas"]
            .as_u64()
            .map(|count| count as usize);
        let there = own().filter(|task| task.is_wanted()).count();
        let well = own()
            .filter(|task| task.is_wanted() && task.is_well())
            .count();
        // A service on every machine has as many as there are machines.
        let wanted = wanted.unwrap_or(there.max(1));
        match update != "updating" && well == wanted && there == wanted {
            true => Verdict::Well,
            false => Verdict::Coming(format!(
                "{}: {well} of {wanted} are running",
                self.spec.name
            )),
        }
    }
}

enum Verdict {
    Well,
    Coming(String),
    Wrong(String),
}

impl Engine<'_, '_> {
    /// Fails where the engine is no manager of a Swarm.
    pub(super) fn manages(&self) -> Result<(), Failure> {
        let (exit, said) = self.ask(self.command(&self.docker).args([
            "info",
            "--format",
            "{{.Swarm.ControlAvailable}}",
        ]))?;
        if exit.success() && said.lines().any(|line| line.trim() == "true") {
            return Ok(());
        }
        Err(Failure::new(
            "the Docker engine is not a Swarm manager: run `docker swarm init`, or name another engine with DOCKER_HOST",
        ))
    }

    /// What a command says of each of these, as values.
    fn inspected<T: for<'d> Deserialize<'d>>(
        &self,
        list: &[&str],
        inspect: &[&str],
    ) -> Result<Vec<T>, Failure> {
        // It fails where there is none.
        let (exit, ids) = self.ask(self.command(&self.docker).args(list))?;
        let ids: Vec<&str> = ids
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if !exit.success() {
            let none = ids
                .iter()
                .any(|line| line.to_lowercase().contains("nothing found in stack"));
            let why = || {
                Failure::new(format!(
                    "lost the connection to the Docker engine: {}",
                    ids.last().unwrap_or(&"")
                ))
            };
            return if none { Ok(Vec::new()) } else { Err(why()) };
        }
        let ids: Vec<&str> = ids
            .into_iter()
            .filter(|line| line.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // One that goes meanwhile is said to be unknown, and the others are told all the same.
        let (_, said) = self.ask(
            self.command(&self.docker)
                .args(inspect)
                .args(["--format", "{{json .}}"])
                .args(ids),
        )?;
        Ok(said
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    fn tasks(&self) -> Result<Vec<Task>, Failure> {
        self.inspected(
            &["stack", "ps", "-q", "--no-trunc", &self.project],
            &["inspect", "--type", "task"],
        )
    }

    fn services(&self) -> Result<Vec<Service>, Failure> {
        let mut services: Vec<Service> = self.inspected(
            &["stack", "services", "-q", &self.project],
            &["service", "inspect"],
        )?;
        services.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        Ok(services)
    }

    /// Brings the stack up as the files say, and waits until all of it is well.
    pub(super) fn up_stack(&self, project: &Project, limit: Duration) -> Result<(), Failure> {
        let known: BTreeSet<String> = self
            .tasks()?
            .into_iter()
            .filter(Task::has_failed)
            .map(|task| task.id)
            .collect();
        let files = project
            .files
            .iter()
            .flat_map(|(path, _)| ["-c".to_owned(), self.work.join(path).display().to_string()]);
        let command = self
            .command(&self.docker)
            .args(["stack", "deploy", "--prune", "--with-registry-auth"])
            .args(files);
        self.tell_and_run(&command.args([self.project.as_str()]), "starting the stack")?;
        let deadline = Instant::now() + limit;
        let mut well_since: Option<(Instant, BTreeSet<String>)> = None;
        loop {
            self.context.task.check()?;
            let (services, tasks) = (self.services()?, self.tasks()?);
            let mut coming = (services.len() < project.services.len())
                .then(|| "not all services exist".to_owned());
            for service in &services {
                match service.judge(&tasks, &known) {
                    Verdict::Well => {}
                    Verdict::Coming(what) => coming = coming.or(Some(what)),
                    Verdict::Wrong(why) => {
                        self.tell_service(service)?;
                        return Err(Failure::new(why));
                    }
                }
            }
            match coming {
                None => {
                    let ids: BTreeSet<String> = tasks
                        .iter()
                        .filter(|task| task.is_wanted())
                        .map(|task| task.id.clone())
                        .collect();
                    let since = well_since
                        .take()
                        .filter(|(_, before)| *before == ids)
                        .map_or_else(Instant::now, |(since, _)| since);
                    if since.elapsed() >= STEADY {
                        return Ok(());
                    }
                    well_since = Some((since, ids));
                }
                Some(what) if Instant::now() > deadline => {
                    let why = tasks
                        .iter()
                        .find(|task| !task.status.err.is_empty())
                        .map(|task| format!(" ({})", task.status.err));
                    let why = why.unwrap_or_default();
                    return Err(Failure::new(format!(
                        "{what} after {} seconds{why}; use --wait to wait longer",
                        limit.as_secs()
                    )));
                }
                Some(_) => well_since = None,
            }
            std::thread::sleep(TICK);
        }
    }

    /// Takes the stack down, and waits until nothing of it is left on this machine.
    pub(super) fn down_stack(&self, volumes: bool) -> Result<(), Failure> {
        // Docker does not remove networks as long as tasks of the services it has just removed are
        // stopping.
        let mut refused = None;
        if !self.services()?.is_empty() {
            let (exit, said) =
                self.ask(
                    self.command(&self.docker)
                        .args(["stack", "rm", &self.project]),
                )?;
            said.lines()
                .for_each(|line| self.context.task.output(Stream::Stdout, line));
            if !exit.success() {
                let last = said
                    .lines()
                    .rev()
                    .find(|line| !line.trim().is_empty())
                    .unwrap_or_default();
                refused = Some(format!(
                    "stopping the stack failed with {exit}: {}",
                    last.trim()
                ));
            }
        }
        let label = format!("label={}={}", self.label(), self.project);
        let deadline = Instant::now() + LEAVING;
        let lists = [
            ["ps", "-a", "-q", "--filter", &label],
            ["network", "ls", "-q", "--filter", &label],
        ];
        let there = || -> Result<bool, Failure> {
            for list in &lists {
                if !self
                    .ask(self.command(&self.docker).args(list.iter().copied()))?
                    .1
                    .trim()
                    .is_empty()
                {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        while there()? {
            self.context.task.check()?;
            if let Some(why) = &refused {
                if !self.services()?.is_empty() {
                    return Err(Failure::new(why.clone()));
                }
                let (_, networks) = self.ask(self.command(&self.docker).args(lists[1]))?;
                for network in networks.split_whitespace() {
                    self.ask(self.command(&self.docker).args(["network", "rm", network]))?;
                }
            }
            if Instant::now() > deadline {
                let why = refused.map(|why| format!(" ({why})")).unwrap_or_default();
                let message = format!(
                    "its containers and networks were not removed after {} seconds{why}",
                    LEAVING.as_secs()
                );
                return Err(Failure::new(message));
            }
            std::thread::sleep(TICK);
        }
        if volumes {
            self.remove_volumes(&self.volumes()?)
        } else {
            Ok(())
        }
    }

    /// What keeps the stack from being as it should be.
    pub(super) fn stack_lacks(&self, project: &Project) -> Result<Option<String>, Failure> {
        let (services, tasks) = (self.services()?, self.tasks()?);
        if let Some(missing) = project.services.iter().find(|name| {
            !services
                .iter()
                .any(|service| service.spec.name == format!("{}_{name}", self.project))
        }) {
            return Ok(Some(format!("unknown service {missing}")));
        }
        let known = tasks
            .iter()
            .filter(|task| task.has_failed())
            .map(|task| task.id.clone())
            .collect();
        Ok(services
            .iter()
            .find_map(|service| match service.judge(&tasks, &known) {
                Verdict::Well => None,
                Verdict::Coming(what) | Verdict::Wrong(what) => Some(what),
            }))
    }

    /// The tasks that there are to be, as the containers they are.
    pub(super) fn stack_containers(&self) -> Result<Vec<Container>, Failure> {
        let services = self.services()?;
        let known: BTreeMap<&str, &Service> = services
            .iter()
            .map(|service| (service.id.as_str(), service))
            .collect();
        let container = |task: Task| {
            let service = known.get(task.service.as_str())?;
            let number = if task.slot > 0 {
                task.slot.to_string()
            } else {
                task.node
            };
            let ports = service.endpoint.ports.iter();
            Some(Container {
                name: format!("{}.{number}", service.spec.name),
                id: task.id,
                service: service
                    .spec
                    .name
                    .strip_prefix(&format!("{}_", self.project))
                    .unwrap_or(&service.spec.name)
                    .to_owned(),
                status: task.status.state,
                health: None,
                since: task.status.timestamp,
                exit: 0,
                restarts: 0,
                from: None,
                ports: ports
                    .map(|port| {
                        format!(
                            "{}->{}/{}",
                            port.published_port, port.target_port, port.protocol
                        )
                    })
                    .collect(),
            })
        };
        let mut containers: Vec<Container> = self
            .tasks()?
            .into_iter()
            .filter(Task::is_wanted)
            .filter_map(container)
            .collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    fn tell_service(&self, service: &Service) -> Result<(), Failure> {
        let name = &service.spec.name;
        let (_, said) = self.ask(
            self.command(&self.docker)
                .args(["service", "logs", "--raw", "--tail", LINES, name]),
        )?;
        said.lines()
            .for_each(|line| self.context.task.note_from(name, Level::Info, line));
        Ok(())
    }
}
