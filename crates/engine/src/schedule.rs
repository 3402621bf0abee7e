//! From a plan to a graph of tasks: one for each module that changes, and one ahead of each batch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use hoist_core::{
    Action, Catalog, Change, ConfigPolicy, Diagnostic, Installed, InstalledModule, Module,
    ModuleId, Plan, ResourceScope, SelectionReason, Step, Tier, is_shared,
};
use hoist_executor::{OnFailure, Task, TaskGraph, TaskId, UnitId};
use hoist_files::Home;
use hoist_ledger::{Ledger, RunId};

use crate::apply::apply;
use crate::config::ConfigFile;
use crate::job::{Job, JobContext, RemovalJob, RemovalJobs};
use crate::run_context::{BoundStep, ModuleJob, RunContext};
use crate::undo_plan::UndoPlan;
use crate::verify::verify;
use crate::{undo, uninstall};
use hoist_guard::around::Around;
use hoist_guard::tree as guard;
use hoist_machine::machine::Machine;
use hoist_machine::programs::ProgramDirectories;
use hoist_machine::sandbox::Sandbox;
use hoist_system::batch::{Batches, Membership};
use hoist_system::context::RunSelection;
use hoist_system::method::{host_pool, path_pool};
use hoist_system::private::PrivateInput;
use hoist_system::registry::Registry;
use hoist_system::resource::{all_names, has_packages, own_resources};

/// How a plan is carried out.
#[derive(Debug)]
pub struct Options {
    /// The run's name.
    pub name: String,
    /// The time a module may take that does not say so itself.
    pub timeout: Duration,
    /// Whether any failure stops the run.
    pub strict: bool,
    /// Do it also where it seems done.
    pub force: bool,
    /// Remove also what was changed or added since.
    pub purge: bool,
    /// What happens to configuration files that somebody changed.
    pub policy: ConfigPolicy,
    /// What happens to changed files of these modules, where that was asked.
    pub policies: BTreeMap<ModuleId, ConfigPolicy>,
    /// What was decided about configuration files.
    pub configs: BTreeMap<ModuleId, Vec<ConfigFile>>,
    /// Keep scripts to where their module may write.
    pub sandbox: bool,
    /// Directories that nothing may remove: hoist's own, and the collections.
    pub own: Vec<PathBuf>,
    /// Where hoist keeps what it knows.
    pub state: PathBuf,
    /// What of a past run is undone.
    pub undo: Vec<UndoPlan>,
    /// What was asked, for scripts that want to know.
    pub asked: RunSelection,
    /// What the programs of modules get and nobody else may see.
    pub private_inputs: BTreeMap<ModuleId, PrivateInput>,
    /// What is done to modules in place of the steps of their recipes.
    pub jobs: Vec<Job>,
    /// What is done around removals.
    pub removals: Vec<RemovalJob>,
}

/// The tasks of a plan.
pub struct Schedule {
    /// For the executor.
    pub graph: TaskGraph,
    /// For each unit of the graph the place of its module in the plan; none for a batch.
    pub modules: Vec<Option<usize>>,
}

/// A module that changes, on its way to a task.
struct Scheduled {
    planned: usize,
    job: Option<Job>,
    module: Arc<Module>,
    work: ModuleJob,
    unit: UnitId,
    membership: Option<Membership>,
}

/// Makes the tasks of a plan. `ledger` is absent where nothing is written down: in tests of
/// modules.
///
/// # Errors
/// A step whose arguments its method does not understand.
pub fn schedule(
    registry: Registry,
    plan: &Plan,
    catalog: &Catalog,
    machine: &Arc<Machine>,
    installed: &Installed,
    ledger: Option<(Arc<Ledger>, RunId)>,
    options: Options,
) -> Result<Schedule, Vec<Diagnostic>> {
    let modules: Vec<&Module> = plan
        .modules
        .iter()
        .filter_map(|planned| catalog.get(planned.module.as_str()))
        .collect();
    let path = ProgramDirectories::of_run(modules.iter().copied(), installed);
    let (ledger, run) = ledger.map_or((None, None), |(ledger, run)| (Some(ledger), Some(run)));
    let home = Home::open(&machine.home, &options.own).map_err(|error| {
        let wrong = Diagnostic::error(format!("cannot use the home directory: {error}"))
            .file(machine.home.display().to_string());
        vec![wrong.help("set HOME to a directory that exists")]
    })?;
    let sandboxes = match options.sandbox {
        true => modules
            .iter()
            .map(|module| (module.id.clone(), Sandbox::of(module, machine)))
            .collect::<BTreeMap<_, _>>(),
        false => BTreeMap::new(),
    };
    let Options {
        force,
        purge,
        policy,
        strict,
        timeout: limit,
        ..
    } = options;
    let logs = options.state.join("runs").join(&options.name);
    let world = RunContext {
        registry,
        machine: machine.clone(),
        home,
        own: options.own,
        private: vec![options.state.clone(), machine.cache.clone()],
        state: options.state,
        store: OnceLock::new(),
        around: Around::new(
            &machine.home,
            declared(&modules, &machine.home),
            Some(&logs),
            registry.owned_by_packages(),
        ),
        claims: claims(plan, &modules),
        undo: options.undo,
        left: Mutex::default(),
        numbers: AtomicUsize::new(0),
        ledger,
        run,
        name: options.name,
        path,
        force,
        purge,
        configs: options.configs,
        policies: options.policies,
        policy,
        sandboxes,
        asked: options.asked,
        private_inputs: options.private_inputs,
        removals: RemovalJobs::new(options.removals),
    };
    let world = Arc::new(world);
    let own_jobs = options.jobs.into_iter();
    let mut own_jobs: BTreeMap<ModuleId, Job> =
        own_jobs.map(|job| (job.module.clone(), job)).collect();
    let mut graph = TaskGraph::default();
    let mut joined = Batches::default();
    let (mut jobs, mut errors) = (Vec::new(), Vec::new());
    for (planned, module) in modules
        .into_iter()
        .enumerate()
        .filter(|(planned, _)| plan.modules[*planned].change.is_work())
    {
        let record = installed
            .modules
            .get(&module.id)
            .or_else(|| installed.unfinished.get(&module.id));
        let job = own_jobs.remove(&module.id);
        let change = job
            .as_ref()
            .and_then(|job| job.change)
            .unwrap_or(plan.modules[planned].change);
        match work(registry, module, plan.action, change, record, installed) {
            Ok(mut work) => {
                // What somebody else had put there is not there for others only.
                let theirs = record.is_none() && work.change == Change::Update;
                work.asked = theirs
                    || matches!(
                        plan.modules[planned].wanted,
                        SelectionReason::Named | SelectionReason::Tier
                    );
                work.unfinished = installed.unfinished.contains_key(&module.id);
                // A module that is asked first is not installed ahead of its answer.
                let alone = work.change == Change::Check || force || work.aside;
                let membership = if alone {
                    None
                } else {
                    membership_of(&mut work.steps, machine, &mut joined)
                };
                jobs.push(Scheduled {
                    planned,
                    job,
                    unit: graph.unit(module.id.as_str()),
                    module: Arc::new(module.clone()),
                    work,
                    membership,
                });
            }
            Err(message) => {
                let diagnostic = Diagnostic::error(message)
                    .module(module.id.as_str())
                    .file(module.manifest.display().to_string());
                errors.push(diagnostic);
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut unit_modules: Vec<Option<usize>> = jobs.iter().map(|job| Some(job.planned)).collect();
    let batches = batches(plan, &jobs);
    let mut batch_tasks: BTreeMap<String, TaskId> = BTreeMap::new();
    for (pool, Membership { batch, packages }) in batches.clone() {
        let unit = graph.unit(format!(
            "{} {} packages",
            packages.len(),
            batch.manager(machine)
        ));
        unit_modules.push(None);
        let machine = machine.clone();
        let pools = [graph.pool(&pool, 1)];
        let cost = Duration::from_secs(3 + packages.len() as u64);
        let work = move |task: &hoist_executor::TaskContext| batch.apply(&packages, &machine, task);
        let task = Task::new(unit, "batch", work)
            .pools(pools)
            .cost(cost)
            .timeout(Some(limit));
        batch_tasks.insert(pool, graph.task(task));
    }
    let mut tasks: BTreeMap<usize, TaskId> = BTreeMap::new();
    let moved = moved(&jobs);
    let mut claimed: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for job in &jobs {
        let declared: BTreeSet<&PathBuf> = job
            .module
            .paths
            .iter()
            .chain(&job.module.config_files)
            .collect();
        declared
            .into_iter()
            .for_each(|path| *claimed.entry(path.clone()).or_default() += 1);
    }
    for job in jobs {
        let Scheduled {
            planned,
            mut job,
            module,
            mut work,
            unit,
            membership,
        } = job;
        let mut pools: Vec<_> = work
            .steps
            .iter()
            .flat_map(|step| step.method.pools(machine))
            .collect();
        if plan.action == Action::Uninstall {
            let scopes = module.removal.owned_by_scope();
            let pool =
                |scope: &ResourceScope| Some((world.registry.manager_of(scope)?.pool(scope), 1));
            pools.extend(scopes.into_keys().filter_map(pool));
        }
        if let (Action::Uninstall, Some(ledger)) = (plan.action, &world.ledger) {
            // Each takes its own lines out of the files of others that it edited.
            pools.extend(
                ledger
                    .edits(&module.id)
                    .unwrap_or_default()
                    .iter()
                    .map(|edit| path_pool(&edit.path)),
            );
        }
        if plan.action == Action::Undo {
            // What one module had from another is taken back in its order.
            pools.push(("undo".to_owned(), 1));
        }
        if let (Action::Uninstall, Some(tree)) = (plan.action, &module.removal.tree) {
            pools.push(guard::pool(tree));
        }
        pools.extend(job.iter().flat_map(|job| job.pools.iter().cloned()));
        let declared = module.paths.iter().chain(&module.config_files);
        pools.extend(
            declared
                .filter(|path| claimed.get(*path).is_some_and(|count| *count > 1))
                .map(|path| path_pool(path)),
        );
        let own = module
            .paths
            .iter()
            .chain(work.record.iter().flat_map(|record| &record.paths));
        pools.extend(
            own.filter_map(|path| moved.iter().find(|root| path.starts_with(root)))
                .map(|root| path_pool(root)),
        );
        let pools: BTreeSet<_> = pools.into_iter().collect();
        let pools: Vec<_> = pools
            .iter()
            .map(|(name, depth)| graph.pool(name, *depth))
            .collect();
        let changes = matches!(
            plan.action,
            Action::Install | Action::Update | Action::Deploy
        );
        let stops = changes && (plan.modules[planned].tier == Tier::Core || strict);
        let (cost, timeout) = (
            cost(registry, &module, installed),
            module.timeout.unwrap_or(limit),
        );
        let fetched = work
            .steps
            .iter()
            .find_map(|step| step.method.fetch(force))
            .filter(|_| changes);
        let world = world.clone();
        let work = move |task: &hoist_executor::TaskContext| match (&mut job, work.action) {
            (Some(job), _) => (job.work)(&mut JobContext {
                world: &world,
                module: &module,
                work: &mut work,
                task,
            }),
            (None, Action::Install | Action::Update | Action::Deploy) => {
                apply(&world, &module, &mut work, task)
            }
            (None, Action::Undeploy) => Ok(hoist_executor::Effect::Unchanged),
            (None, Action::Undo) => undo::undo(&world, &module, task),
            (None, Action::Uninstall) => {
                uninstall::uninstall(&world, &module, work.record.as_ref(), &mut work.steps, task)
            }
            (None, Action::Test) => verify(&world, &module, work.record.as_ref(), task),
        };
        let fetch = fetched.map(|(url, file)| {
            let pools: Vec<_> = host_pool(&url)
                .iter()
                .map(|(name, depth)| graph.pool(name, *depth))
                .collect();
            let machine = machine.clone();
            let work =
                move |task: &hoist_executor::TaskContext| machine.download(&url, &file, task);
            graph.task(
                Task::new(unit, "fetch", work)
                    .pools(pools)
                    .timeout(Some(timeout)),
            )
        });
        let batch = membership
            .filter(|membership| is_in_batch(&batches, membership))
            .and_then(|membership| batch_tasks.get(&membership.batch.pool).copied());
        if let (Some(batch), Some(fetch)) = (batch, fetch) {
            graph.after(batch, fetch);
        }
        let name = plan.modules[planned].method.clone();
        let task = Task::new(unit, name, work)
            .cost(cost)
            .pools(pools)
            .timeout(Some(timeout));
        let task = graph.task(task.on_failure(if stops {
            OnFailure::StopRun
        } else {
            OnFailure::SkipDependents
        }));
        if let Some(fetch) = fetch {
            graph.needs(task, fetch);
        }
        for needed in plan.modules[planned]
            .needs
            .iter()
            .filter_map(|needed| tasks.get(needed))
        {
            graph.needs(task, *needed);
        }
        for ahead in plan.modules[planned]
            .after
            .iter()
            .filter_map(|ahead| tasks.get(ahead))
        {
            graph.after(task, *ahead);
        }
        if let Some(batch) = batch {
            graph.after(task, batch);
        }
        tasks.insert(planned, task);
    }
    Ok(Schedule {
        graph,
        modules: unit_modules,
    })
}

/// Everything that modules declare of files, with the programs that their tests look for.
fn declared(modules: &[&Module], home: &Path) -> BTreeSet<PathBuf> {
    let programs = home.join(".local/bin");
    let of_module = |module: &&Module| {
        let checks = &module.checks;
        let paths = module
            .paths
            .iter()
            .chain(&module.removal.paths)
            .chain(&checks.dirs)
            .chain(&checks.files)
            .chain(&module.config_files);
        paths
            .cloned()
            .chain(checks.binaries.iter().map(|name| programs.join(name)))
            .collect::<Vec<_>>()
    };
    // A place that many share is not one module's because it declares it.
    modules
        .iter()
        .flat_map(of_module)
        .filter(|path| !is_shared(path, home))
        .collect()
}

/// The paths that modules which are worked on make their own.
fn claims(plan: &Plan, modules: &[&Module]) -> BTreeMap<PathBuf, Vec<ModuleId>> {
    let mut claims: BTreeMap<PathBuf, Vec<ModuleId>> = BTreeMap::new();
    for module in modules
        .iter()
        .zip(&plan.modules)
        .filter(|(_, planned)| planned.change.is_work())
        .map(|(module, _)| module)
    {
        for path in module
            .paths
            .iter()
            .chain(&module.removal.paths)
            .chain(&module.checks.dirs)
            .chain(&module.checks.files)
        {
            claims
                .entry(path.clone())
                .or_default()
                .push(module.id.clone());
        }
    }
    claims
}

/// What is done to a module: the steps of what is asked, and those of an install where that is due
/// as well.
fn work(
    registry: Registry,
    module: &Module,
    action: Action,
    change: Change,
    record: Option<&InstalledModule>,
    installed: &Installed,
) -> Result<ModuleJob, String> {
    let bind = |action: Action| -> Result<Vec<BoundStep>, String> {
        let bound = |step: &Step| {
            Ok(BoundStep {
                method: registry.method_of(step)?,
                after_change: step.after_change,
            })
        };
        module.recipe.steps(action).iter().map(bound).collect()
    };
    let mut anew = false;
    let steps: Vec<BoundStep> = match (action, change) {
        // Bound when they run: they share nothing.
        (Action::Test | Action::Undo, _) => bind(Action::Test).map(|_| Vec::new())?,
        // The same step brings it, and brings it forward.
        (Action::Update, Change::Update) if module.policy().has_versions => {
            let has_own = !module.recipe.steps(Action::Update).is_empty();
            bind(if has_own { action } else { Action::Install })?
        }
        // Hooks of the upgrade run around the deployment.
        (Action::Deploy, Change::Update) => bind(Action::Install)?
            .into_iter()
            .filter(|step| !step.method.paths().is_empty())
            .collect(),
        (Action::Deploy, Change::Deploy) | (Action::Undeploy, _) => Vec::new(),
        (Action::Deploy, _) => bind(Action::Install)?,
        (Action::Update, Change::Update) => {
            anew = module.update_method == "reinstall";
            let changed = record.is_some_and(|record| record.digest != module.digest);
            // What a manifest says anew is brought about by methods that do nothing where nothing
            // is to do.
            let (install, update) = (
                module.recipe.steps(Action::Install),
                module.recipe.steps(Action::Update),
            );
            let repeats = install
                .iter()
                .any(|step| update.iter().any(|other| other.method == step.method));
            let again =
                changed && !repeats && install.iter().all(|step| is_repeatable(registry, step));
            let mut steps = if again {
                bind(Action::Install)?
            } else {
                Vec::new()
            };
            steps.extend(bind(Action::Update)?);
            steps
        }
        (Action::Update, Change::Repair) if module.update_method != "reinstall" => {
            let mut steps = bind(Action::Install)?;
            steps.extend(bind(Action::Update)?);
            steps
        }
        (Action::Update, _) => bind(Action::Install)?,
        (action, _) => bind(action)?,
    };
    // Where something worked once, nothing is run over what is left of it and what somebody made of
    // it.
    let once = record.is_some_and(|record| record.ever_installed)
        && matches!(change, Change::Repair | Change::Reinstall);
    let aside = anew || (once && steps.iter().any(|step| !step.method.tells()));
    let before = match has_packages(registry, &module.removal) {
        true => all_names(registry, &module.removal),
        false => BTreeMap::new(),
    };
    Ok(ModuleJob {
        action,
        change,
        steps,
        record: record.cloned(),
        anew,
        aside,
        resources: own_resources(registry, module, record, installed),
        before,
        asked: false,
        unfinished: false,
        was: None,
    })
}

/// The outermost directories of modules of which something is moved out of the way: one module at a
/// time works below each.
fn moved(jobs: &[Scheduled]) -> Vec<PathBuf> {
    let own = |job: &Scheduled| {
        job.module
            .paths
            .iter()
            .chain(job.work.record.iter().flat_map(|record| &record.paths))
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut all: Vec<(PathBuf, bool)> = jobs
        .iter()
        .flat_map(|job| own(job).into_iter().map(|path| (path, job.work.aside)))
        .collect();
    all.sort();
    let mut roots: Vec<(PathBuf, bool)> = Vec::new();
    for (path, aside) in all {
        match roots.last_mut() {
            Some((root, moved)) if path.starts_with(&*root) => *moved |= aside,
            _ => roots.push((path, aside)),
        }
    }
    roots
        .into_iter()
        .filter(|(_, moved)| *moved)
        .map(|(root, _)| root)
        .collect()
}

/// Whether a step may be applied again.
fn is_repeatable(registry: Registry, step: &Step) -> bool {
    registry
        .entry(step)
        .is_some_and(|method| method.is_repeatable)
}

/// How a module of one step could be installed together with others.
fn membership_of(
    steps: &mut [BoundStep],
    machine: &Machine,
    batches: &mut Batches,
) -> Option<Membership> {
    let [BoundStep { method, .. }] = steps else {
        return None;
    };
    let (batch, packages) = method.join_batch(batches, machine)?;
    Some(Membership { batch, packages })
}

/// Which modules go together: at least two of one pool, that need nothing in this run but each
/// other. Returns all packages of each batch, by its pool.
fn batches(plan: &Plan, jobs: &[Scheduled]) -> BTreeMap<String, Membership> {
    let by_place: BTreeMap<usize, &Scheduled> = jobs.iter().map(|job| (job.planned, job)).collect();
    let mut members: BTreeSet<usize> = BTreeSet::new();
    let mut batches: BTreeMap<String, (Membership, usize)> = BTreeMap::new();
    // A plan has every module behind what it needs.
    for job in jobs {
        let Some(membership) = &job.membership else {
            continue;
        };
        let pool = &membership.batch.pool;
        let is_of_pool = |place: &usize| {
            let membership = by_place.get(place).and_then(|job| job.membership.as_ref());
            membership.is_some_and(|membership| membership.batch.pool == *pool)
        };
        let is_free = |needed: &usize| {
            !by_place.contains_key(needed) || (members.contains(needed) && is_of_pool(needed))
        };
        if plan.modules[job.planned].needs.iter().all(is_free) {
            members.insert(job.planned);
            let empty = || Membership {
                batch: membership.batch.clone(),
                packages: Vec::new(),
            };
            let (batch, count) = batches.entry(pool.clone()).or_insert_with(|| (empty(), 0));
            batch.packages.extend(membership.packages.iter().cloned());
            *count += 1;
        }
    }
    let several = batches.into_iter().filter(|(_, (_, count))| *count > 1);
    several
        .map(|(pool, (mut batch, _))| {
            batch.packages.sort();
            batch.packages.dedup();
            (pool, batch)
        })
        .collect()
}

/// Whether everything that a module brings is in a batch.
fn is_in_batch(batches: &BTreeMap<String, Membership>, membership: &Membership) -> bool {
    let Some(batch) = batches.get(&membership.batch.pool) else {
        return false;
    };
    membership
        .packages
        .iter()
        .all(|name| batch.packages.contains(name))
}

/// Seconds that a module usually takes of which nothing is known.
const USUAL_SECONDS: f64 = 5.0;

/// What an install took in the past, else what its method usually takes.
fn cost(registry: Registry, module: &Module, installed: &Installed) -> Duration {
    let step = module.recipe.steps(Action::Install).first();
    let usual = step
        .and_then(|step| registry.entry(step))
        .map_or(USUAL_SECONDS, |method| method.usual_seconds);
    let seconds = installed
        .durations
        .get(module.id.as_str())
        .copied()
        .unwrap_or(usual);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1))
}
