//! Plan → schedule → execute → report: every command that runs something goes this way.

pub(crate) mod info;
mod prune;
pub(crate) mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use hoist_core::{
    Action, Catalog, Change, ConfigPolicy, Diagnostic, Installed, Module, ModuleId, Plan, Request,
    Selection, SelectionReason, UninstallSpec,
};
use hoist_engine::apply::present_version;
use hoist_engine::config::ConfigFile;
use hoist_engine::job::{Job, RemovalJob};
use hoist_engine::preflight::{needs_password, preflight};
use hoist_engine::recorded::keep_contents;
use hoist_engine::schedule::{Options, Schedule, schedule};
use hoist_engine::undo_plan::UndoPlan;
use hoist_executor::{Cancel, Limits, Redact, execute};
use hoist_files::{private_directory, private_file};
use hoist_guard::watchdog::Watchdog;
use hoist_ledger::{FinishedRun, Ledger, Lock, PendingChange, RunId};
use hoist_machine::machine::Machine;
use hoist_machine::scratch::run_name;
use hoist_plugins::Masker;
use hoist_reporter::{
    EventRecorder, LogFiles, Plain, Progress, ProgressOptions, Report, Reporter, Reporters, Words,
    restore_cursor,
};
use hoist_system::context::RunSelection;
use hoist_system::private::PrivateInput;
use hoist_system::resource::found_resources;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::json::Lines;
use crate::render::{self, Paint};
use crate::session::Session;
use crate::systems::REGISTRY;
use crate::ui::Output;
use crate::{ask, names};
use crate::{server, sudo};

use info::RunInfo;
use summary::RunOutcome;

/// First argument of the watchdog of a run.
pub(crate) const WATCH: &str = "__watch";

/// Number of copies of each configuration file that are kept, unless `keep_backups` says otherwise.
const KEEP_BACKUPS: usize = 10;

/// Removes the oldest copies of configuration files.
pub(crate) fn prune_backups(session: &Session) -> std::io::Result<()> {
    prune::backups(
        &session.places,
        session.settings.keep_backups.unwrap_or(KEEP_BACKUPS),
    )
}

/// Number of past runs that are kept, unless `keep_runs` says otherwise.
const KEEP_RUNS: usize = 50;

/// A run that is about to start.
pub(crate) struct Run<'a> {
    pub(crate) global: &'a Global,
    pub(crate) session: &'a Session,
    pub(crate) machine: &'a Arc<Machine>,
    pub(crate) installed: &'a Installed,
    pub(crate) plan: &'a Plan,
    pub(crate) ledger: Option<Arc<Ledger>>,
    /// Held by whoever changes the machine.
    pub(crate) lock: Option<&'a Lock>,
    pub(crate) cancel: Cancel,
    pub(crate) request: &'a Request,
    pub(crate) how: RunOptions,
}

/// What is decided beyond the plan.
#[derive(Debug, Default)]
pub(crate) struct RunOptions {
    /// What happens to configuration files that somebody changed.
    pub(crate) policy: Option<ConfigPolicy>,
    /// The same for single modules.
    pub(crate) policies: BTreeMap<ModuleId, ConfigPolicy>,
    /// What was decided about each.
    pub(crate) configs: BTreeMap<ModuleId, Vec<ConfigFile>>,
    /// The modules that a server is told to load.
    pub(crate) enabled: BTreeSet<ModuleId>,
    /// What of a past run is taken back.
    pub(crate) undo: Vec<UndoPlan>,
    /// What the programs of modules get and nobody else may see.
    pub(crate) private_inputs: BTreeMap<ModuleId, PrivateInput>,
    /// What is done to modules in place of the steps of their recipes.
    pub(crate) jobs: Vec<Job>,
    /// What is done around removals.
    pub(crate) removals: Vec<RemovalJob>,
    /// What finds the secrets among what is said.
    pub(crate) masker: Masker,
}

/// Asks a run to stop at the first interrupt, kills it at the second, and exits at the third.
pub(crate) fn handle_signals() -> Result<Cancel, CommandError> {
    let cancel = Cancel::new();
    let stop = Some(SIGTSTP).filter(|_| io::stderr().is_terminal() && !is_ignored(SIGTSTP));
    let mut signals = Signals::new(
        [SIGINT, SIGTERM]
            .into_iter()
            .chain(Some(SIGHUP).filter(|_| !is_ignored(SIGHUP)))
            .chain(stop),
    )?;
    let heard = cancel.clone();
    std::thread::spawn(move || {
        let mut interrupts = 0;
        for signal in signals.forever() {
            if signal == SIGTSTP {
                restore_cursor();
                let _ = signal_hook::low_level::emulate_default_handler(SIGTSTP);
                continue;
            }
            if ask::is_asking() {
                signal_hook::low_level::exit(130);
            }
            heard.cancel();
            interrupts += 1;
            if interrupts > 2 {
                // The third interrupt exits even if nobody reads the remaining output.
                std::thread::sleep(Duration::from_millis(500));
                restore_cursor();
                signal_hook::low_level::exit(130);
            }
        }
    });
    Ok(cancel)
}

/// True for a signal that whoever started hoist wants ignored, as `nohup` does.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .map(str::trim);
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

impl Run<'_> {
    /// Carries the plan out and tells what came of it.
    pub(crate) fn execute(self) -> Result<ExitStatus, CommandError> {
        let Run {
            global,
            session,
            machine,
            installed,
            plan,
            ledger,
            lock,
            cancel,
            request,
            how,
        } = self;
        let (name, started_at) = (run_name(), jiff::Timestamp::now().to_string());
        let _sudo = match ask::is_interactive()
            && !global.yes
            && needs_password(REGISTRY, plan, &session.catalog, machine)
        {
            true => sudo::authorize(),
            false => None,
        };
        let mut errors = preflight(REGISTRY, plan, &session.catalog, machine);
        if matches!(
            plan.action,
            Action::Install | Action::Update | Action::Deploy
        ) {
            let working = plan
                .modules
                .iter()
                .filter(|planned| planned.change.is_work());
            let modules =
                working.filter_map(|planned| session.catalog.get(planned.module.as_str()));
            errors.extend(
                modules.filter_map(|module| {
                    names::reserved_directory(session, module, request.sandbox)
                }),
            );
        }
        if !errors.is_empty() {
            return Err(errors.into());
        }
        let timeout = global.timeout.or_else(|| {
            session
                .settings
                .timeout
                .as_deref()
                .and_then(|text| hoist_core::parse_duration(text).ok())
        });
        let strict = global.strict || session.settings.strict.unwrap_or(false);
        let options = Options {
            name: name.clone(),
            timeout: timeout.unwrap_or(Duration::from_secs(1800)),
            strict,
            force: request.force,
            purge: request.purge,
            policy: how.policy.unwrap_or(ConfigPolicy::Ask),
            policies: how.policies,
            configs: how.configs,
            sandbox: request.sandbox,
            own: session.own_directories(),
            state: session.places.state.clone(),
            undo: how.undo,
            asked: RunSelection {
                minimal: matches!(request.selection, Selection::Minimal),
                named: plan
                    .modules
                    .iter()
                    .filter(|planned| matches!(planned.wanted, SelectionReason::Named))
                    .map(|planned| planned.module.to_string())
                    .chain(request.with.iter().cloned())
                    .collect(),
                skipped: request.skip.clone(),
            },
            private_inputs: how.private_inputs,
            jobs: how.jobs,
            removals: how.removals,
        };
        log::debug!(
            "starting run {name}: {:?}, strict {strict}, timeout {:?}",
            plan.action,
            options.timeout
        );
        for planned in &plan.modules {
            log::debug!(
                "plan: {:?} {}: {}",
                planned.change,
                planned.module,
                planned.reason
            );
        }
        let scratch = machine.begin_run(&name);
        let work: Vec<&str> = plan
            .modules
            .iter()
            .filter(|planned| planned.change.is_work())
            .map(|planned| planned.module.as_str())
            .collect();
        let run_id = ledger
            .as_ref()
            .map(|ledger| ledger.begin_run(&name, request, &work, &scratch))
            .transpose()?;
        let recording = ledger.clone().zip(run_id);
        if let Some((ledger, run)) = &recording {
            adopt(plan, &session.catalog, installed, ledger, *run)?;
            if plan.action == Action::Install {
                let came_along = |id: &ModuleId| {
                    installed
                        .modules
                        .get(id)
                        .is_some_and(|record| !record.is_explicit)
                };
                let named = plan.modules.iter().filter(|planned| {
                    matches!(planned.wanted, SelectionReason::Named) && came_along(&planned.module)
                });
                ledger.ask(&named.map(|planned| &planned.module).collect::<Vec<_>>())?;
            }
        }
        let scheduled = schedule(
            REGISTRY,
            plan,
            &session.catalog,
            machine,
            installed,
            recording.clone(),
            options,
        );
        let Schedule { graph, modules } = scheduled.or_else(|errors| {
            if let Some((ledger, run)) = &recording {
                ledger.end_run(*run, "failed", &[])?;
            }
            Err(CommandError::from(errors))
        })?;
        let logs = session.places.run(&name);
        let watchdog = lock.filter(|_| !graph.is_empty()).and_then(|lock| {
            let started = lock.duplicate().and_then(|lock| {
                Watchdog::start(&std::env::current_exe()?, &[WATCH], &name, &logs, lock)
            });
            started
                .inspect_err(|error| {
                    render::print_note(&format!(
                        "warning: cannot start a watchdog for the run: {error}"
                    ))
                })
                .ok()
        });
        let mut limits = Limits {
            groups: watchdog.as_ref().map(Watchdog::observer),
            ..Limits::default()
        };
        limits.jobs = global
            .jobs
            .map(usize::from)
            .or(session.settings.jobs)
            .unwrap_or(limits.jobs);
        let planned = plan
            .modules
            .iter()
            .filter_map(|planned| session.catalog.get(planned.module.as_str()));
        let secrets = session.url_secrets(planned);
        let (masker, urls) = (
            how.masker.clone(),
            Masker::new(secrets.iter().map(String::as_str)),
        );
        if !masker.is_empty() || !urls.is_empty() {
            let longest = urls.longest().max(masker.longest());
            let mask = move |text: &str| match masker.mask(text) {
                Some(masked) => Some(urls.masked(&masked)),
                None => urls.mask(text),
            };
            limits.redact = Some(Redact::new(longest, mask));
        }
        let paint = Paint::choose(global.color);
        let mut lines = Lines {
            plan,
            modules: &modules,
            run: &name,
            verbose: global.verbose,
            names: Vec::new(),
            messages: BTreeMap::new(),
            items: BTreeMap::new(),
            versions: BTreeMap::new(),
            started: BTreeMap::new(),
        };
        let json = global.output == Output::Json;
        // Nobody may be reading any more; the run goes on all the same, and its exit code tells how
        // it ended.
        if json {
            let _ = lines.start();
        }
        let words = words(plan.action);
        let mut report = Report::default();
        let mut files = Reporters::default();
        files.add(LogFiles::new(logs.clone()));
        if !graph.is_empty() && private_directory(&logs).is_ok() {
            files.add(EventRecorder::new(
                private_file(&logs.join("events.jsonl")).map(io::BufWriter::new)?,
            ));
            RunInfo::of_this_process(&how.masker).write(&logs)?;
        }
        files.add(Borrowed(&mut report));
        let mut shown = Reporters::default();
        if json {
            shown.add(Borrowed(&mut lines));
        } else if !global.quiet && !graph.is_empty() {
            match global.has_progress() {
                true => shown.add(Progress::stderr(ProgressOptions {
                    expected: installed
                        .durations
                        .iter()
                        .map(|(name, seconds)| {
                            (name.clone(), Duration::from_secs_f64(seconds.max(0.0)))
                        })
                        .collect(),
                    uncounted: modules
                        .iter()
                        .enumerate()
                        .filter(|(_, place)| place.is_none())
                        .map(|(unit, _)| unit)
                        .collect(),
                    ..ProgressOptions::new(paint.stderr, words)
                })),
                false => shown.add(Plain::new(io::stderr(), global.verbose, words)),
            }
        }
        // A terminal or a pipe that nobody empties must not hold up the run, its time limits and
        // its interrupts.
        let summary = std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel::<hoist_executor::Event>();
            let sender = (!shown.is_empty()).then(|| {
                scope.spawn(move || receiver.iter().for_each(|event| shown.report(&event)));
                sender
            });
            execute(graph, &limits, &cancel, |event| {
                files.report(event);
                if let Some(sender) = &sender {
                    let _ = sender.send(event.clone());
                }
            })
        });
        drop(files);
        let summary = summary.map_err(|error| CommandError::Other(error.into()))?;
        let told = RunOutcome {
            plan,
            modules: &modules,
            report: &report,
            summary: &summary,
            strict,
            on_hosts: request.hosts,
        };
        let (mut code, status) = told.code();
        machine.end_run();
        if let Some(watchdog) = watchdog {
            watchdog.end();
        }
        let recording = recording.as_ref().map(|(ledger, run)| (&**ledger, *run));
        let keep_runs = session.settings.keep_runs.unwrap_or(KEEP_RUNS);
        let finished = FinishedRun {
            name: &name,
            request,
            started_at: &started_at,
            status,
            results: &[],
        };
        let written = told.record_results(recording, &finished, &session.places.state, keep_runs);
        if let Some(Err(failure)) =
            recording.map(|(ledger, _)| keep_contents(&session.places.state, ledger))
        {
            render::print_note(&format!("warning: {failure}"));
        }
        if let Err(error) = prune_backups(session) {
            render::print_note(&format!(
                "warning: cannot remove old backups of configuration files: {error}"
            ));
        }
        if let Err(error) = prune::records(&session.places, keep_runs) {
            render::print_note(&format!(
                "warning: cannot remove records of past runs: {error}"
            ));
        }
        let written = match written {
            Err(error) if recording.is_none() => {
                render::print_note(&format!("warning: cannot record the run: {error}"));
                Ok(())
            }
            written => written,
        };
        if let Err(error) = written {
            // Too late to say that nothing was started.
            render::error(&error, paint);
            code = if code == ExitStatus::Ok {
                ExitStatus::Failed
            } else {
                code
            };
        }
        let _ = match json {
            true => lines.finish(status, &told.counts(), report.duration),
            false => told.print(global, paint, &logs).and_then(|()| {
                let done = told.done();
                let next = if global.quiet {
                    String::new()
                } else {
                    server::next_steps(session, installed, plan, &done, &how.enabled)
                };
                io::stdout().lock().write_all(next.as_bytes())
            }),
        };
        Ok(code)
    }
}

/// Words for modules that are finished.
pub(crate) fn words(action: Action) -> Words {
    match action {
        Action::Install => Words {
            changed: "installed",
            unchanged: "unchanged",
        },
        Action::Update => Words {
            changed: "updated",
            unchanged: "unchanged",
        },
        Action::Uninstall => Words {
            changed: "removed",
            unchanged: "untracked",
        },
        Action::Deploy => Words {
            changed: "deployed",
            unchanged: "unchanged",
        },
        Action::Undeploy => Words {
            changed: "undeployed",
            unchanged: "unchanged",
        },
        Action::Undo => Words {
            changed: "undone",
            unchanged: "untracked",
        },
        Action::Test => Words {
            changed: "passed",
            unchanged: "unverified",
        },
    }
}

/// Writes down what was already there without hoist.
fn adopt(
    plan: &Plan,
    catalog: &Catalog,
    installed: &Installed,
    ledger: &Ledger,
    run: RunId,
) -> Result<(), CommandError> {
    let kept = plan.modules.iter().filter(|planned| {
        planned.change == Change::Keep && !installed.modules.contains_key(&planned.module)
    });
    for module in kept.filter_map(|planned| catalog.get(planned.module.as_str())) {
        let Module {
            id,
            method,
            digest,
            source,
            requires,
            removal,
            ..
        } = module;
        let (resources, is_ours) = found_resources(REGISTRY, module, installed);
        let removal = &UninstallSpec {
            resources,
            ..removal.clone()
        };
        let beginning = PendingChange {
            requires,
            removal,
            ..PendingChange::new(id, method, digest, source)
        };
        ledger.adopt(
            run,
            &beginning,
            present_version(REGISTRY, module).as_deref(),
            !is_ours,
        )?;
    }
    Ok(())
}

/// A view that is looked at after the run.
struct Borrowed<'a, R>(&'a mut R);

impl<R: Reporter> Reporter for Borrowed<'_, R> {
    fn report(&mut self, event: &hoist_executor::Event) -> io::Result<()> {
        self.0.report(event)
    }
}

/// Turns away when somebody asked to stop before anything was started.
pub(crate) fn not_cancelled(cancel: &Cancel) -> Result<(), CommandError> {
    if cancel.is_cancelled() {
        Err(CommandError::Interrupted)
    } else {
        Ok(())
    }
}

/// A name that is wanted but not installed.
pub(crate) fn not_installed(name: &str) -> Diagnostic {
    Diagnostic::error("the module is not installed")
        .module(name)
        .help(format!("run `hoist install {name}` to install it"))
}
