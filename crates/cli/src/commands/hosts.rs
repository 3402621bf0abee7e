//! `hoist install --host`: the same command, on other hosts, all at once.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use hoist_core::{
    Action, Change, Diagnostic, InstalledModule, Module, ModuleId, Plan, PlannedModule, Request,
    Selection, SelectionReason, Tier,
};
use hoist_engine::job::{Job, JobContext};
use hoist_executor::Failure;
use hoist_remote::payload::{Header, tree_name};
use hoist_remote::run::{Failures, Remote, printed_on, run as run_on_host};
use hoist_remote::served::serve as serve_here;
use hoist_remote::ssh::Host;
use serde_json::{Value, json};

use crate::args::{Global, Hosts, Install};
use crate::commands::change;
use crate::error::{CommandError, ExitStatus};
use crate::json;
use crate::render::{self, BOLD, Paint, RED, painted};
use crate::run::{self, Run, RunOptions};
use crate::session::{self, Session};
use crate::ui::Output;

/// True where it is about other hosts.
///
/// # Errors
/// It is not, and there are options that only mean something on other hosts.
pub(crate) fn any(hosts: &Hosts) -> Result<bool, CommandError> {
    if !hosts.host.is_empty() || hosts.hosts.is_some() {
        return Ok(true);
    }
    let meant = [
        (hosts.sudo, "--sudo"),
        (hosts.rollout.canary.is_some(), "--canary"),
        (hosts.rollout.max_failures.is_some(), "--max-failures"),
    ];
    match meant.into_iter().find(|(given, _)| *given) {
        Some((_, option)) => {
            let wrong =
                Diagnostic::error("the option requires hosts, and none is given").field(option);
            Err(CommandError::wrong(wrong.help(
                "add --host or --hosts, or remove the option to install on this machine",
            )))
        }
        None => Ok(false),
    }
}

/// Does here what another hoist asks for.
pub(crate) fn serve() -> Result<ExitStatus, CommandError> {
    let (_, _, places) = session::detect()?;
    serve_here(
        std::io::stdin().lock(),
        std::io::stdout(),
        &std::env::current_exe()?,
        &places.cache,
    )?;
    Ok(ExitStatus::Ok)
}

/// Installs on hosts what would be installed here.
pub(crate) fn install(global: &Global, install: &Install) -> Result<ExitStatus, CommandError> {
    let session = Session::open(global)?;
    let hosts = hosts(&install.hosts)?;
    // A mistake is told before any host is asked.
    let asked = change::ChangeRequest::install(global, install)?;
    let installed = hoist_core::Installed::default();
    hoist_resolver::resolve(&session.catalog, &installed, &asked.request)?;
    let trees: Vec<_> = session
        .directories
        .iter()
        .map(|directory| (tree_name(directory), directory.clone()))
        .collect();
    let header = Header {
        arguments: arguments(global, install, &trees),
        ..Header::default()
    };
    let plan_hosts = Planned::new(&hosts, &install.hosts)?;
    let remote = |host: &Host| Remote {
        host: host.clone(),
        sudo: install.hosts.sudo,
        header: header.clone(),
        trees: trees.clone(),
        prefix: String::new(),
        failures: plan_hosts.failures.clone(),
        begun: None,
    };
    let remotes: BTreeMap<ModuleId, Remote> = plan_hosts
        .names
        .iter()
        .cloned()
        .zip(hosts.iter().map(remote))
        .collect();
    if install.dry_run {
        return preview_removal(
            global,
            &session,
            &remotes,
            install.hosts.rollout.max_hosts.into(),
        );
    }
    plan_hosts.run(global, session, remotes, &install.hosts)
}

/// Shows what would be done on each host, as hoist there sees it.
fn preview_removal(
    global: &Global,
    session: &Session,
    remotes: &BTreeMap<ModuleId, Remote>,
    at_once: usize,
) -> Result<ExitStatus, CommandError> {
    let machine = session.machine()?;
    let remotes: Vec<&Remote> = remotes.values().collect();
    let mut plans = Vec::new();
    for some in remotes.chunks(at_once.max(1)) {
        plans.extend(std::thread::scope(|scope| {
            let begun: Vec<_> = some
                .iter()
                .map(|remote| scope.spawn(|| printed_on(&machine, remote)))
                .collect();
            begun
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|_| Err(Failure::new("panicked")))
                })
                .collect::<Vec<_>>()
        }));
    }
    let code = if plans.iter().all(Result::is_ok) {
        ExitStatus::Ok
    } else {
        ExitStatus::Partial
    };
    if global.output == Output::Json {
        let plan = |(remote, plan): (&&Remote, &Result<String, Failure>)| match plan {
            Ok(text) => {
                json!({ "host": remote.host.to_string(), "plan": serde_json::from_str::<Value>(text).unwrap_or_default() })
            }
            Err(failure) => json!({ "host": remote.host.to_string(), "problem": failure.message }),
        };
        json::print(&remotes.iter().zip(&plans).map(plan).collect())?;
        return Ok(code);
    }
    let paint = Paint::choose(global.color);
    let mut text = String::new();
    for (remote, plan) in remotes.iter().zip(&plans) {
        text += &format!(
            "{}\n",
            painted(paint.stdout, BOLD, &remote.host.to_string())
        );
        match plan {
            Ok(plan) => plan
                .lines()
                .for_each(|line| text += &format!("  {}\n", render::printable(line))),
            Err(failure) => {
                text += &format!(
                    "  {}\n",
                    painted(paint.stdout, RED, &render::printable(&failure.message))
                )
            }
        }
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(code)
}

/// The arguments that hoist gets there: those that it has here, but for what is only about this
/// side.
fn arguments(global: &Global, install: &Install, trees: &[(String, PathBuf)]) -> Vec<String> {
    // A plan is shown as it is; of a run the events are read.
    let how: &[&str] = match (install.dry_run, global.output) {
        (true, Output::Human) => &["--color", "never", "--yes"],
        _ => &["--output", "json", "--yes", "--verbose"],
    };
    let mut all: Vec<String> = how.iter().map(|word| (*word).to_owned()).collect();
    let mut flag = |set: bool, name: &str| all.extend(set.then(|| name.to_owned()));
    flag(global.strict, "--strict");
    for (name, _) in trees {
        all.extend(["-C".to_owned(), format!("@{name}")]);
    }
    if let Some(timeout) = global.timeout {
        all.extend(["--timeout".to_owned(), timeout.as_secs().to_string()]);
    }
    if let Some(jobs) = global.jobs {
        all.extend(["--jobs".to_owned(), jobs.to_string()]);
    }
    all.push(if install.dry_run { "plan" } else { "install" }.to_owned());
    all.extend(install.dry_run.then(|| "install".to_owned()));
    let flags = [
        (install.minimal, "--minimal"),
        (install.all, "--all"),
        (install.force, "--force"),
        (install.no_deps, "--no-deps"),
        (install.sandbox, "--sandbox"),
        (install.config.config_overwrite, "--config-overwrite"),
        (install.config.config_keep, "--config-keep"),
    ];
    all.extend(
        flags
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| name.to_owned()),
    );
    for (option, names) in [("--with", &install.with), ("--skip", &install.skip)] {
        if !names.is_empty() {
            all.extend([option.to_owned(), names.join(",")]);
        }
    }
    all.extend(install.modules.iter().cloned());
    all
}

/// The hosts of the options and of the file, each once.
pub(crate) fn hosts(options: &Hosts) -> Result<Vec<Host>, CommandError> {
    let mut lines: Vec<(String, Option<(String, usize)>)> = options
        .host
        .iter()
        .map(|host| (host.clone(), None))
        .collect();
    if let Some(file) = &options.hosts {
        let shown = file.display().to_string();
        let text = hoist_files::read_text(file).map_err(|error| {
            CommandError::wrong(
                Diagnostic::error(format!("cannot read the file: {error}"))
                    .file(shown.clone())
                    .help("name a file with one host per line"),
            )
        })?;
        for (place, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                lines.push((line.to_owned(), Some((shown.clone(), place + 1))));
            }
        }
    }
    let (mut hosts, mut errors): (Vec<Host>, Vec<Diagnostic>) = Default::default();
    for (text, place) in lines {
        match Host::parse(&text) {
            Ok(host) if hosts.contains(&host) => {}
            Ok(host) => hosts.push(host),
            Err(why) => {
                let wrong = Diagnostic::error(why);
                errors.push(match place {
                    Some((file, line)) => wrong
                        .file(file)
                        .position(hoist_core::Position { line, column: 1 }),
                    None => wrong.field("--host"),
                });
            }
        }
    }
    match (errors.is_empty(), hosts.is_empty()) {
        (false, _) => Err(errors.into()),
        (_, true) => Err(CommandError::wrong(
            Diagnostic::error("the file lists no hosts").help("write one host per line: user@host"),
        )),
        _ => Ok(hosts),
    }
}

/// Hosts as a plan has them: each a module of its own.
pub(crate) struct Planned {
    pub(crate) names: Vec<ModuleId>,
    pub(crate) failures: Arc<Failures>,
    canary: usize,
}

impl Planned {
    pub(crate) fn new(hosts: &[Host], options: &Hosts) -> Result<Self, CommandError> {
        let name = |host: &Host| {
            let named = ModuleId::host(&host.to_string());
            named.map_err(|_| {
                CommandError::wrong(Diagnostic::error(format!("{host} cannot be used")))
            })
        };
        let names = hosts.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let allowed = allowed(options.rollout.max_failures.as_deref(), hosts.len())?;
        let canary = usize::from(options.rollout.canary.unwrap_or(0)).min(hosts.len());
        Ok(Self {
            names,
            failures: Arc::new(Failures {
                allowed,
                count: Default::default(),
            }),
            canary,
        })
    }

    /// Runs hoist on all of them, and tells what came of it.
    pub(crate) fn run(
        self,
        global: &Global,
        mut session: Session,
        remotes: BTreeMap<ModuleId, Remote>,
        options: &Hosts,
    ) -> Result<ExitStatus, CommandError> {
        let cancel = run::handle_signals()?;
        let lock = change::lock(global, &session, &cancel)?;
        let ledger = Arc::new(change::open(&session)?);
        change::recover(&session, &ledger)?;
        let installed = ledger.installed()?;
        let first: Vec<usize> = (0..self.canary).collect();
        let planned = |(place, name): (usize, &ModuleId)| PlannedModule {
            module: name.clone(),
            tier: Tier::Optional,
            method: "ssh".to_owned(),
            change: Change::Install,
            reason: remotes[name].host.to_string(),
            wanted: SelectionReason::Named,
            needs: if place < self.canary {
                Vec::new()
            } else {
                first.clone()
            },
            after: Vec::new(),
            requires: Vec::new(),
            has_hint: false,
        };
        let plan = Plan {
            action: Action::Install,
            modules: self.names.iter().enumerate().map(planned).collect(),
            left_out: Vec::new(),
        };
        for name in &self.names {
            session.catalog.put(Module::remembered(
                name.clone(),
                &InstalledModule::default(),
            ));
        }
        let machine = session.machine()?;
        let how = RunOptions {
            jobs: remotes
                .into_iter()
                .map(|(host, remote)| {
                    let run = move |context: &mut JobContext<'_>| {
                        run_on_host(context.machine(), &remote, context.task())
                    };
                    let max_hosts = usize::from(options.rollout.max_hosts).max(1);
                    Job::new(&host, run).in_pool("hosts", max_hosts)
                })
                .collect(),
            ..RunOptions::default()
        };
        let names = self.names.iter().map(ModuleId::to_string).collect();
        let request = &Request {
            hosts: true,
            ..Request::new(Action::Install, Selection::Names(names))
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
}

/// So many hosts may fail: all of them where nothing is said.
pub(crate) fn allowed(text: Option<&str>, hosts: usize) -> Result<usize, CommandError> {
    let Some(text) = text else { return Ok(hosts) };
    let (number, is_share) = share(text)?;
    Ok(if is_share {
        hosts * number / 100
    } else {
        number
    })
}

/// A number, or a share of a hundred, which the second says.
fn share(text: &str) -> Result<(usize, bool), CommandError> {
    let share = text
        .strip_suffix('%')
        .and_then(|share| share.trim().parse::<usize>().ok())
        .filter(|share| *share <= 100);
    let count = text.parse::<usize>().ok();
    share
        .map(|share| (share, true))
        .or(count.map(|count| (count, false)))
        .ok_or_else(|| {
            let wrong = Diagnostic::error(format!(
                "`{}` is neither a number nor a percentage",
                text.escape_debug()
            ))
            .field("--max-failures");
            CommandError::wrong(
                wrong.help("write the number or percentage of hosts that may fail: 2, or 25%"),
            )
        })
}
