//! `hoist install`, `update`, `uninstall`, `retry`, and `plan` of each: what changes the machine
//! goes this way.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use hoist_core::{
    Action, Catalog, Change, ConfigPolicy, Diagnostic, Installed, ModuleId, Plan, Presence,
    Request, Selection,
};
use hoist_deploy::release::kept_secrets;
use hoist_engine::config::survey::survey;
use hoist_engine::config::{ConfigFile, ConfigFileState};
use hoist_engine::presence::probe;
use hoist_engine::recorded::place_of;
use hoist_engine::recover::{OwnDirectories, clean_sources};
use hoist_engine::uninstall::preview_removal;
use hoist_executor::Cancel;
use hoist_files::Home;
use hoist_ledger::{Holder, Ledger, Lock, PastRun, Reader, past_run, read_configs, unresolved};
use hoist_machine::machine::Machine;
use hoist_machine::processes::RUN;
use hoist_machine::programs::ProgramDirectories;
use hoist_plugins::{MASK, Masker};
use hoist_resolver::Resolution;
use hoist_system::resource::Told;
use rayon::prelude::*;

use crate::args::{ConfigOptions, Global, Install, Migrate, PlanAction, Uninstall, Update};
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, Paint};
use crate::run::info::RunInfo;
use crate::run::{self, Run, RunOptions};
use crate::session::Session;
use crate::systems::REGISTRY;
use crate::ui::Output;
use crate::{ask, commands, json, names, plugins, questions, server, time};

/// What is asked, free of the command line.
#[derive(Debug, Clone)]
pub(crate) struct ChangeRequest {
    pub(crate) request: Request,
    pub(crate) policy: ConfigPolicy,
    pub(crate) dry_run: bool,
}

impl ChangeRequest {
    fn new(request: Request) -> Self {
        Self {
            request,
            policy: ConfigPolicy::Ask,
            dry_run: false,
        }
    }

    /// From the options of install; what the last install did not finish, where it is to go on.
    pub(crate) fn install(global: &Global, install: &Install) -> Result<Self, CommandError> {
        let selection = match install {
            Install { all: true, .. } => Selection::All,
            Install { minimal: true, .. } => Selection::Minimal,
            Install { modules, .. } if modules.is_empty() => Selection::Tiers,
            Install { modules, .. } => Selection::Names(modules.clone()),
        };
        let request = match install.resume {
            true => unfinished(global)?,
            false => Request {
                with: names(&install.with),
                skip: names(&install.skip),
                ..Request::new(Action::Install, selection)
            },
        };
        let sandbox = install.sandbox || request.sandbox;
        let no_deps = install.no_deps || request.no_deps;
        let source = global.source.clone().or(request.source.clone());
        let enable = install.enable || request.enable;
        let force = install.force || request.force;
        let request = Request {
            force,
            sandbox,
            no_deps,
            enable,
            source,
            ..request
        };
        Ok(Self {
            request,
            policy: policy(install.config),
            dry_run: install.dry_run,
        })
    }

    /// From the options of plan.
    pub(crate) fn planned(global: &Global, action: &PlanAction) -> Result<Self, CommandError> {
        match action {
            PlanAction::Install(install) => Self::install(global, install),
            PlanAction::Update(update) => Ok(Self::update(global, update)),
            PlanAction::Uninstall(uninstall) => Ok(Self::uninstall(global, uninstall)),
        }
    }

    /// From the options of update.
    pub(crate) fn update(global: &Global, update: &Update) -> Self {
        let selection = if update.modules.is_empty() {
            Selection::Tiers
        } else {
            Selection::Names(update.modules.clone())
        };
        let source = global.source.clone();
        let request = Request {
            skip: names(&update.skip),
            sandbox: update.sandbox,
            source,
            ..Request::new(Action::Update, selection)
        };
        Self {
            policy: policy(update.config),
            dry_run: update.dry_run,
            ..Self::new(request)
        }
    }

    /// From the options of migrate.
    pub(crate) fn migrate(migrate: &Migrate) -> Self {
        let names = migrate
            .modules
            .iter()
            .map(|name| format!("{}/{name}", migrate.to))
            .collect();
        let request = Request {
            migrate: true,
            no_deps: migrate.no_deps,
            ..Request::new(Action::Install, Selection::Names(names))
        };
        Self {
            dry_run: migrate.dry_run,
            ..Self::new(request)
        }
    }

    /// From the options of uninstall.
    pub(crate) fn uninstall(global: &Global, uninstall: &Uninstall) -> Self {
        let selection = if uninstall.all {
            Selection::All
        } else {
            Selection::Names(uninstall.modules.clone())
        };
        let Uninstall {
            cascade,
            purge,
            sandbox,
            dry_run,
            ..
        } = *uninstall;
        let (skip, source) = (names(&uninstall.skip), global.source.clone());
        let request = Request {
            skip,
            cascade,
            purge,
            sandbox,
            source,
            ..Request::new(Action::Uninstall, selection)
        };
        Self {
            dry_run,
            ..Self::new(request)
        }
    }
}

fn names(names: &[String]) -> Vec<String> {
    names
        .iter()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn policy(options: ConfigOptions) -> ConfigPolicy {
    match options {
        ConfigOptions {
            config_overwrite: true,
            ..
        } => ConfigPolicy::Overwrite,
        ConfigOptions {
            config_keep: true, ..
        } => ConfigPolicy::Keep,
        _ => ConfigPolicy::Ask,
    }
}

/// Changes the machine as asked.
pub(crate) fn run(global: &Global, asked: &ChangeRequest) -> Result<ExitStatus, CommandError> {
    if asked.dry_run {
        return plan(global, asked);
    }
    let mut session = Session::open(global)?;
    let mut asked = asked.clone();
    if adopt_names(global, &session)? {
        let name = |source: &mut String| {
            if let Some((name, _)) = session.former.iter().find(|(_, former)| former == source) {
                source.clone_from(name);
            }
        };
        asked.request.source.as_mut().map(name).unwrap_or_default();
        session = Session::open(global)?;
    }
    let asked = &asked;
    // A mistake is told before anything is waited for or written.
    let known = match session.installed() {
        // It is set aside below; until then nothing is known.
        Err(error) if error.is_damage() => Installed::default(),
        known => known?,
    };
    let cancel = run::handle_signals()?;
    if commands::sync::for_change(global, &session, &known, &asked.request, &cancel)? {
        session = Session::open(global)?;
    }
    if matches!(asked.request.action, Action::Install | Action::Update) {
        session.print_problems();
    }
    let mut request = asked.request.clone();
    names::resolve_names(&mut session, &known, &mut request)?;
    if request.action == Action::Update && !matches!(asked.request.selection, Selection::Names(_)) {
        commands::outdated::remark_gone(&session, &known, request.source.as_deref());
    }
    let blank = known.modules.is_empty() && request.action == Action::Uninstall;
    let catalog = catalog(&session, &known, &request)?;
    if !blank {
        hoist_resolver::resolve(&catalog, &known, &request)?;
    }
    drop(catalog);
    let lock = lock(global, &session, &cancel)?;
    let ledger = Arc::new(open(&session)?);
    recover(&session, &ledger)?;
    let machine = session.machine()?;
    let installed = session.with_names(ledger.installed()?);
    let mut settled = PreparedChange::new(&mut session, &machine, installed.clone(), asked)?;
    // What is copied out of the copies of sources must not be changed meanwhile, nor be another
    // than what their indexes say.
    let copies = settled.plan.modules.iter().any(|planned| {
        let module = session.catalog.get(planned.module.as_str());
        let is_indexed = |module: &hoist_core::Module| session.indexes.contains_key(&module.source);
        planned.change.is_work() && module.is_some_and(is_indexed)
    });
    let _sources = if copies {
        Some(commands::sync::lock(global, &session.places, &cancel)?)
    } else {
        None
    };
    if copies && session.is_outdated()? {
        session = Session::open(global)?;
        settled = PreparedChange::new(&mut session, &machine, installed, asked)?;
    }
    let PreparedChange {
        request,
        installed,
        mut plan,
        enabled,
    } = settled;
    let mut configs = look_at_configs(&session, &mut plan, asked)?;
    if !confirm(
        global,
        &session,
        &machine,
        &installed,
        &plan,
        asked,
        &mut configs,
    )? {
        render::print_note("Nothing was changed.");
        return Ok(ExitStatus::Interrupted);
    }
    let Some(policies) = ask_about_edits(global, &session, &installed, &plan, asked)? else {
        render::print_note("Nothing was changed.");
        return Ok(ExitStatus::Interrupted);
    };
    run::not_cancelled(&cancel)?;
    let (private_inputs, mut secrets) = plugins::configure(&session, &plan, &BTreeMap::new());
    // Hooks and engines of what is deployed may print what it was deployed with.
    secrets.extend(
        plan.modules
            .iter()
            .flat_map(|planned| kept_secrets(&session.places.state, &planned.module)),
    );
    let masker = Masker::new(secrets.iter().map(String::as_str));
    let how = RunOptions {
        private_inputs,
        removals: plugins::removal_jobs(&plan, &installed),
        masker,
        policy: Some(asked.policy),
        policies,
        configs,
        enabled,
        ..RunOptions::default()
    };
    // Written down as it was asked, so that it can be done once more.
    let request = &Request {
        force: request.force,
        migrate: request.migrate,
        ..asked.request.clone()
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

/// What was asked, against what sources offer and what is there: what it means, and the plan.
struct PreparedChange {
    request: Request,
    installed: Installed,
    plan: Plan,
    /// The modules that a server is told to load.
    enabled: BTreeSet<ModuleId>,
}

impl PreparedChange {
    fn new(
        session: &mut Session,
        machine: &Machine,
        mut installed: Installed,
        asked: &ChangeRequest,
    ) -> Result<Self, CommandError> {
        if asked.request.action == Action::Uninstall {
            hoist_prosody::choice::spare_what_others_need(&mut installed);
        }
        let mut request = asked.request.clone();
        names::resolve_names(session, &installed, &mut request)?;
        if request.enable {
            server::let_enable(session, &request)?;
        }
        if let Cow::Owned(catalog) = catalog(session, &installed, &request)? {
            session.catalog = catalog;
        }
        let resolution = hoist_resolver::resolve(&session.catalog, &installed, &request)?;
        let mut plan = decide(machine, &resolution, &installed, &request);
        plugins::leave_deployed(&mut plan, session)?;
        let enabled = server::enable_in(&mut plan, session, request.enable);
        match names::conflicting_modules(session, &installed, &plan, &request) {
            found if found.is_empty() => Ok(Self {
                request,
                installed,
                plan,
                enabled,
            }),
            found => Err(found.into()),
        }
    }
}

/// Shows what would be done.
pub(crate) fn plan(global: &Global, asked: &ChangeRequest) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let installed = session.installed()?;
    let machine = session.machine()?;
    let PreparedChange {
        installed,
        mut plan,
        ..
    } = PreparedChange::new(&mut session, &machine, installed, asked)?;
    let configs = look_at_configs(&session, &mut plan, asked)?;
    let preview_removals =
        preview_removals(&session, &machine, &installed, &plan, asked.request.purge)?;
    match global.output {
        Output::Json => json::print(&commands::plan::document(
            &plan,
            &configs,
            &preview_removals,
        )?)?,
        Output::Human => {
            let text = commands::plan::text(
                &plan,
                &installed,
                &configs,
                &preview_removals,
                Paint::choose(global.color),
            );
            std::io::stdout().lock().write_all(text.as_bytes())?;
        }
    }
    Ok(ExitStatus::Ok)
}

/// Does once more what failed last and was not done since, and what was skipped because of it.
pub(crate) fn retry(global: &Global, config: ConfigOptions) -> Result<ExitStatus, CommandError> {
    let (_, _, places) = crate::session::detect()?;
    let Some(last) = unresolved(&places.state)? else {
        last_run(|_| true)?;
        render::print_note("No failed modules to retry.");
        return Ok(ExitStatus::Ok);
    };
    let Some(request) = last.request.clone() else {
        return Err(nothing_known());
    };
    if let (Action::Deploy | Action::Undeploy, Selection::Names(plugins)) =
        (request.action, &request.selection)
    {
        let wrong = Diagnostic::error(format!(
            "the last failed run was {} {} of {}",
            article(request.action),
            request.action,
            plugins.join(" ")
        ));
        return Err(CommandError::wrong(
            wrong.help(format!("run {} again", command_of(&last)?)),
        ));
    }
    if let (Action::Undo, Selection::Names(runs)) = (request.action, &request.selection) {
        let wrong = Diagnostic::error("the last failed run was an undo");
        return Err(CommandError::wrong(wrong.help(format!(
            "run `hoist undo {}` to complete it",
            runs.join(" ")
        ))));
    }
    not_on_hosts(
        &last,
        &request,
        last.results.iter().map(|result| result.module.as_str()),
    )?;
    let names = named_again(
        &request,
        last.results.iter().map(|result| result.module.as_str()),
    );
    if global.output == Output::Human && !global.quiet {
        let (modules, start) = (
            render::count(last.results.len(), "module"),
            time::text(&last.summary.started_at),
        );
        render::print_note(&format!(
            "Retrying {modules} of the {} of {start} ({})",
            request.action, last.summary.run_id
        ));
    }
    let request = Request {
        selection: Selection::Names(names),
        with: Vec::new(),
        ..request
    };
    run(
        global,
        &ChangeRequest {
            policy: policy(config),
            ..ChangeRequest::new(request)
        },
    )
}

/// The command line of a past run, as part of a sentence.
fn command_of(run: &PastRun) -> Result<String, CommandError> {
    let (_, _, places) = crate::session::detect()?;
    let RunInfo { command, .. } = RunInfo::read(&places.run(&run.summary.run_id));
    Ok(if command.is_empty() {
        "the same command".to_owned()
    } else {
        format!("`{command}`")
    })
}

/// The indefinite article of an action.
fn article(action: Action) -> &'static str {
    match action {
        Action::Install | Action::Update | Action::Uninstall | Action::Undeploy | Action::Undo => {
            "an"
        }
        Action::Test | Action::Deploy => "a",
    }
}

/// The modules of a run that are asked for again: of those that were named, where some were. The
/// others are dependencies of these, and come along. What was asked of one source, or in a certain
/// version, is asked of it again.
fn named_again<'m>(request: &Request, modules: impl Iterator<Item = &'m str>) -> Vec<String> {
    let modules: BTreeSet<&str> = modules.collect();
    let Selection::Names(asked) = &request.selection else {
        return modules.into_iter().map(str::to_owned).collect();
    };
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for name in asked.iter().chain(&request.with) {
        if let Some(module) = module_of(&modules, plain_name(name)) {
            let is_plain = plain_name(name) == name;
            named
                .entry(module)
                .or_insert(if is_plain { module } else { name });
        }
    }
    match named.is_empty() {
        true => modules.into_iter().map(str::to_owned).collect(),
        false => named.into_values().map(str::to_owned).collect(),
    }
}

/// The module of a run that was asked for by this name: letter case does not count, and what stands
/// before a name, up to a separator, may have been left out.
fn module_of<'m>(modules: &BTreeSet<&'m str>, name: &str) -> Option<&'m str> {
    let is_called = |module: &&&str| module.eq_ignore_ascii_case(name);
    let ends_so = |module: &&&str| {
        let start = module.len().checked_sub(name.len());
        let start = start.and_then(|start| module.split_at_checked(start));
        start.is_some_and(|(before, end)| before.ends_with('_') && end.eq_ignore_ascii_case(name))
    };
    let found = modules.iter().find(is_called);
    found.or_else(|| modules.iter().find(ends_so)).copied()
}

/// A name without its source and its version.
fn plain_name(name: &str) -> &str {
    let short = name.rsplit_once('/').map_or(name, |(_, short)| short);
    short.split_once('@').map_or(short, |(plain, _)| plain)
}

/// What the last install did not finish, as a request of the same kind.
fn unfinished(_: &Global) -> Result<Request, CommandError> {
    let last = last_run(|action| action == "install")?;
    let done = |status: &str| matches!(status, "installed" | "unchanged");
    let Some(request) = last.request.clone() else {
        return Err(nothing_known());
    };
    let left = || {
        last.results
            .iter()
            .filter(|result| !done(&result.status))
            .map(|result| result.module.as_str())
    };
    not_on_hosts(&last, &request, left())?;
    let names = named_again(&request, left());
    match names.is_empty() {
        // Everything was done; asked once more it says so.
        true => Ok(request),
        false => Ok(Request {
            selection: Selection::Names(names),
            with: Vec::new(),
            ..request
        }),
    }
}

fn last_run(wanted: impl Fn(&str) -> bool) -> Result<PastRun, CommandError> {
    let (_, _, places) = crate::session::detect()?;
    let last = past_run(&places.state, |run| wanted(&run.action))?;
    last.ok_or_else(|| {
        CommandError::wrong(Diagnostic::error("no past runs").help("run `hoist install` first"))
    })
}

/// What was installed on other hosts, and how, is not written down.
fn not_on_hosts<'n>(
    last: &PastRun,
    request: &Request,
    names: impl Iterator<Item = &'n str>,
) -> Result<(), CommandError> {
    if !request.hosts {
        return Ok(());
    }
    let names = names.collect::<Vec<_>>().join(", ");
    let wrong = Diagnostic::error(format!(
        "the last install was on other hosts, and did not finish on {names}"
    ));
    let command = command_of(last)?;
    Err(CommandError::wrong(wrong.help(format!(
        "run {command} again; modules that are already installed there are skipped"
    ))))
}

fn nothing_known() -> CommandError {
    CommandError::wrong(Diagnostic::error(
        "the last run was made by an earlier version of hoist, which did not record its options",
    ))
}

/// The modules that the request may be about: those of the collections, and for a removal also
/// those whose manifests are gone.
///
/// # Errors
/// A manifest that is there and wrong, of a module whose script removes what only it knows.
fn catalog<'s>(
    session: &'s Session,
    installed: &Installed,
    request: &Request,
) -> Result<Cow<'s, Catalog>, CommandError> {
    if request.action != Action::Uninstall {
        return Ok(Cow::Borrowed(&session.catalog));
    }
    let mut catalog = session.catalog.clone();
    if let Selection::Names(names) = &request.selection {
        let record = |name: &str| {
            installed
                .modules
                .get(name)
                .or_else(|| installed.unfinished.get(name))
        };
        let needs_script = |name: &&String| {
            record(name).is_some_and(|record| record.removal.function.is_some() && !record.adopted)
        };
        let broken = names
            .iter()
            .filter(needs_script)
            .filter_map(|name| Some((name, catalog.broken(name)?)));
        let mut errors: Vec<Diagnostic> = Vec::new();
        for (name, broken) in broken {
            errors.extend(
                broken
                    .diagnostics
                    .iter()
                    .filter(|found| found.is_error())
                    .cloned(),
            );
            let function = record(name).and_then(|record| record.removal.function.as_deref());
            let wrong = Diagnostic::error(format!(
                "{} cannot be run because the manifest has errors",
                function.unwrap_or_default()
            ))
            .module(name.as_str());
            errors.push(wrong.help(
                "fix the manifest, or move the script away to remove the module without running it",
            ));
        }
        if !errors.is_empty() {
            return Err(errors.into());
        }
    }
    catalog.remember(installed);
    Ok(Cow::Owned(catalog))
}

/// Looks at the machine and decides what happens to each module.
pub(crate) fn decide(
    machine: &Machine,
    resolution: &Resolution<'_>,
    installed: &Installed,
    request: &Request,
) -> Plan {
    if request.action == Action::Uninstall {
        return hoist_resolver::plan(resolution, installed, |_| Presence::Unknown, request);
    }
    let programs = ProgramDirectories::of_installed(installed);
    let look = |resolved: &hoist_resolver::Resolved<'_>| {
        (
            resolved.module.id.clone(),
            probe(REGISTRY, machine, resolved.module, installed, &programs),
        )
    };
    let seen: HashMap<ModuleId, Presence> = resolution
        .modules
        .par_iter()
        .with_min_len(64)
        .map(look)
        .collect();
    hoist_resolver::plan(
        resolution,
        installed,
        |id| seen.get(id).cloned().unwrap_or(Presence::Unknown),
        request,
    )
}

/// How the configuration files of what changes stand. On an update they alone may be what changes.
fn look_at_configs(
    session: &Session,
    plan: &mut Plan,
    asked: &ChangeRequest,
) -> Result<BTreeMap<ModuleId, Vec<ConfigFile>>, CommandError> {
    let mut found = BTreeMap::new();
    let concerned = |change: Change| change.is_work() || plan.action == Action::Update;
    let modules: Vec<_> = plan
        .modules
        .iter()
        .map(|planned| {
            concerned(planned.change)
                .then(|| session.catalog.get(planned.module.as_str()))
                .flatten()
        })
        .collect();
    if !matches!(plan.action, Action::Install | Action::Update)
        || modules
            .iter()
            .flatten()
            .all(|module| module.config_files.is_empty())
    {
        return Ok(found);
    }
    let records = read_configs(&session.places.state)?;
    let home = Home::open(&session.home, &session.own_directories())?;
    let mut errors = Vec::new();
    for (planned, module) in plan.modules.iter_mut().zip(modules) {
        let Some(module) = module.filter(|module| !module.config_files.is_empty()) else {
            continue;
        };
        let own: Vec<_> = records
            .iter()
            .filter(|record| record.module == module.id)
            .cloned()
            .collect();
        match survey(module, &home, &own, asked.policy) {
            Ok(files) => {
                // What is asked for by name, or is new, is not done by half; an update of
                // everything is not held up by one file.
                if plan.action == Action::Install
                    || matches!(planned.wanted, hoist_core::SelectionReason::Named)
                {
                    errors.extend(files.iter().filter_map(|file| unreadable(module, file)));
                }
                let work = files.iter().any(|file| file.is_work());
                if planned.change == Change::Keep
                    && work
                    && matches!(
                        planned.wanted,
                        hoist_core::SelectionReason::Named | hoist_core::SelectionReason::Installed
                    )
                {
                    planned.change = Change::Update;
                    planned.reason = "its configuration files".to_owned();
                }
                found.insert(module.id.clone(), files);
            }
            Err(more) => errors.extend(more),
        }
    }
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(errors.into())
    }
}

fn unreadable(module: &hoist_core::Module, file: &ConfigFile) -> Option<Diagnostic> {
    let ConfigFileState::Unreadable(why) = &file.standing else {
        return None;
    };
    let wrong = Diagnostic::error(format!("cannot read the file: {why}"))
        .module(module.id.as_str())
        .field(module.words.config_files)
        .file(file.path.display().to_string());
    Some(wrong.help("a configuration file is to be installed there: move the existing file away, or change its permissions"))
}

/// What a removal would do, module by module.
fn preview_removals(
    session: &Session,
    machine: &Machine,
    installed: &Installed,
    plan: &Plan,
    purge: bool,
) -> Result<Vec<(ModuleId, Vec<Told>)>, CommandError> {
    if plan.action != Action::Uninstall {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    let reader = Reader::open(&session.places.state)?;
    let going: HashSet<&str> = plan
        .modules
        .iter()
        .map(|planned| planned.module.as_str())
        .collect();
    for planned in &plan.modules {
        let Some(module) = session.catalog.get(planned.module.as_str()) else {
            continue;
        };
        let record = installed
            .modules
            .get(&module.id)
            .or_else(|| installed.unfinished.get(&module.id));
        let into = record
            .and_then(|record| record.removal.into.as_deref())
            .filter(|into| into.is_dir());
        let home = match into {
            Some(into) => place_of(into, &session.own_directories())?,
            None => Home::open(&session.home, &session.own_directories())?,
        };
        let mut belongings = reader.belongings(&module.id, &module.removal)?;
        // What goes in the same run holds nothing back.
        let goes = |name: &String| going.contains(name.as_str());
        belongings.other_owners.retain(|_, name| !goes(name));
        belongings
            .other_resource_owners
            .retain(|_, name| !goes(name));
        let told = preview_removal(REGISTRY, &home, machine, module, record, &belongings, purge);
        all.push((
            module.id.clone(),
            told.map_err(|failure| {
                CommandError::wrong(Diagnostic::error(failure.message).module(module.id.as_str()))
            })?,
        ));
    }
    Ok(all)
}

/// Asks what has to be asked before the run: whether to remove, and what happens to configuration
/// files. False when the answer is no.
fn confirm(
    global: &Global,
    session: &Session,
    machine: &Machine,
    installed: &Installed,
    plan: &Plan,
    asked: &ChangeRequest,
    configs: &mut BTreeMap<ModuleId, Vec<ConfigFile>>,
) -> Result<bool, CommandError> {
    if plan.action == Action::Uninstall && !plan.modules.is_empty() && !global.yes {
        let preview_removals =
            preview_removals(session, machine, installed, plan, asked.request.purge)?;
        if !ask::is_interactive() {
            let message = "cannot ask for confirmation without a terminal";
            return Err(CommandError::wrong(
                Diagnostic::error(message).help("add --yes to confirm, or run `hoist plan uninstall …` to see what would be removed"),
            ));
        }
        render::print_note(
            commands::plan::removal(&preview_removals, Paint::choose(global.color).stderr)
                .trim_end(),
        );
        let names: Vec<&str> = plan
            .modules
            .iter()
            .map(|planned| planned.module.as_str())
            .collect();
        return Ok(
            ask::choose(&format!("Remove {}? [y/N]", names.join(", ")), "yn", 'n')? == Some('y'),
        );
    }
    if asked.policy == ConfigPolicy::Ask && !global.yes && ask::is_interactive() {
        return questions::ask_about(configs, &session.home, Paint::choose(global.color));
    }
    Ok(true)
}

/// So many files are named in a question.
const NAMED: usize = 5;

/// Asks what happens to files of modules that somebody changed and that an installer may write over
/// now; nothing where the answer never came.
fn ask_about_edits(
    global: &Global,
    session: &Session,
    installed: &Installed,
    plan: &Plan,
    asked: &ChangeRequest,
) -> Result<Option<BTreeMap<ModuleId, ConfigPolicy>>, CommandError> {
    let mut policies = BTreeMap::new();
    let reader = Reader::open(&session.places.state)?;
    let brings = matches!(plan.action, Action::Install | Action::Update);
    if !brings || asked.policy != ConfigPolicy::Ask || global.yes || !ask::is_interactive() {
        return Ok(Some(policies));
    }
    for planned in plan
        .modules
        .iter()
        .filter(|planned| planned.change.is_work())
    {
        let record = installed
            .modules
            .get(&planned.module)
            .filter(|record| record.removal.tree.is_some());
        if record.is_none() {
            continue;
        }
        let recorded = reader.record(&planned.module)?;
        let is_edited = |(path, recorded): (&std::path::PathBuf, &hoist_files::Recorded)| {
            let now = hoist_files::state(path)
                .ok()
                .flatten()
                .filter(|now| !recorded.is(now))?;
            (now.kind == hoist_files::FileKind::File).then(|| path.display().to_string())
        };
        let edited: Vec<String> = recorded.iter().filter_map(is_edited).collect();
        if edited.is_empty() {
            continue;
        }
        let more = if edited.len() > NAMED {
            format!(" and {} more", edited.len() - NAMED)
        } else {
            String::new()
        };
        let named = edited
            .iter()
            .take(NAMED)
            .map(|path| render::printable(path))
            .collect::<Vec<_>>()
            .join(", ");
        render::print_note(&format!(
            "{}: locally modified: {named}{more}",
            planned.module
        ));
        let question = "Files that the new version changes: [k]eep them and write the new versions as FILE.new, or [o]verwrite them and keep backups? [K/o]";
        match ask::choose(question, "ko", 'k')? {
            Some('o') => policies.insert(planned.module.clone(), ConfigPolicy::Overwrite),
            Some(_) => policies.insert(planned.module.clone(), ConfigPolicy::Keep),
            None => return Ok(None),
        };
    }
    Ok(Some(policies))
}

/// The words of a command line as others may read them: shortened, and without the values of
/// `--set`, which may be secrets.
fn without_values(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for word in words {
        let follows = shown.last().is_some_and(|last| last == "--set");
        let assignment = if follows {
            Some(("", word.as_str()))
        } else {
            word.strip_prefix("--set=").map(|rest| ("--set=", rest))
        };
        shown.push(match assignment {
            Some((option, text)) => format!(
                "{option}{}={MASK}",
                text.split('=').next().unwrap_or_default()
            ),
            None => word.chars().take(200).collect(),
        });
    }
    shown
}

pub(crate) fn lock(
    global: &Global,
    session: &Session,
    cancel: &Cancel,
) -> Result<Lock, CommandError> {
    own_home(session)?;
    let command = without_values(std::env::args()).join(" ");
    let mut told = false;
    // The name of a run ends with the number of its process.
    let outer = session
        .environment
        .get(RUN)
        .and_then(|run| Some((run, run.rsplit('-').next()?.parse::<u32>().ok()?)));
    let mut nested = None;
    let wait = |holder: &Holder| {
        if let Some((run, _)) = outer.filter(|(_, process)| *process == holder.pid) {
            nested = Some(format!(
                "this hoist was started by a module of run {run}, which waits for it ({holder})"
            ));
            return false;
        }
        if !std::mem::replace(&mut told, true) && !global.no_wait {
            render::print_note(&format!("Waiting for another hoist: {holder}"));
        }
        !global.no_wait && !cancel.is_cancelled()
    };
    let lock = Lock::take(&session.places.state, &command, wait);
    run::not_cancelled(cancel)?;
    match nested {
        Some(message) => {
            let help = "declare the other module as a dependency, so that it is installed first";
            Err(CommandError::wrong(Diagnostic::error(message).help(help)))
        }
        None => Ok(lock?),
    }
}

/// Refuses to write as root into the home directory of the user who called sudo: the files would be
/// root's, and of no use to them.
fn own_home(session: &Session) -> Result<(), CommandError> {
    let caller = ["SUDO_UID", "DOAS_UID"]
        .iter()
        .find_map(|name| session.environment.get(name)?.parse::<u32>().ok());
    let owner = std::fs::metadata(&session.home)
        .map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata))
        .ok();
    match caller.filter(|caller| {
        *caller != 0 && rustix::process::geteuid().is_root() && owner == Some(*caller)
    }) {
        None => Ok(()),
        Some(_) => {
            let home = session.home.display();
            let message = format!(
                "hoist runs as root, but HOME is {home}, the home directory of the user who ran sudo"
            );
            let help = "run hoist without sudo to install there (it uses sudo where required), or with `sudo -H` to install into root's home directory";
            Err(CommandError::wrong(Diagnostic::error(message).help(help)))
        }
    }
}

/// Gives applications the names that the settings have for them by now. Returns true where one was
/// renamed.
pub(crate) fn adopt_names(global: &Global, session: &Session) -> Result<bool, CommandError> {
    if session.former.is_empty() {
        return Ok(false);
    }
    let _lock = lock(global, session, &run::handle_signals()?)?;
    let ledger = open(session)?;
    for (name, former) in &session.former {
        ledger.rename_source(former, name)?;
    }
    Ok(true)
}

/// Opens the ledger; one that was damaged is replaced, and that is said.
pub(crate) fn open(session: &Session) -> Result<Ledger, CommandError> {
    let (ledger, salvaged) = Ledger::open(&session.places.state)?;
    ledger.describes(&session.home);
    if let Some(salvaged) = salvaged {
        let place = match salvaged.from_copy {
            true => "it was replaced by the copy of the last run; later changes are detected again",
            false => "it was replaced by a new one; installed modules are detected again",
        };
        let moved = salvaged
            .aside
            .map(|aside| format!("; it was moved to {}", aside.display()))
            .unwrap_or_default();
        render::print_note(&format!(
            "warning: the ledger is damaged ({}){moved}: {place}",
            salvaged.damage
        ));
    }
    Ok(ledger)
}

/// Recovers from runs that were killed, and says what became of it.
pub(crate) fn recover(session: &Session, ledger: &Ledger) -> Result<(), CommandError> {
    let home = Home::open(&session.home, &session.own_directories())?;
    let logs = |run: &str| session.places.run(run);
    let own = OwnDirectories {
        state: &session.places.state,
        cache: &session.places.cache,
        logs: &logs,
    };
    let summary =
        hoist_engine::recover::recover(REGISTRY, ledger, &home, &own, &*session.machine()?)?;
    // A process that holds the lock of the sources cleans them up itself.
    let sources = session.places.cache.join("sources");
    if sources.is_dir()
        && let Ok(_lock) = Lock::take(&sources, "hoist sync", |_| false)
    {
        clean_sources(&session.places.cache, &session.places.config);
    }
    summary
        .failed
        .iter()
        .for_each(|failed| render::print_note(&format!("warning: {failed}")));
    summary
        .notes
        .iter()
        .for_each(|note| render::print_note(note));
    for (path, moved) in &summary.moved {
        render::print_note(&format!(
            "warning: {} was changed after the run was interrupted; moved to {}",
            path.display(),
            moved.display()
        ));
    }
    for run in &summary.undoing {
        render::print_note(&format!(
            "warning: the undo of {run} was interrupted; run `hoist undo {run}` to complete it"
        ));
    }
    let counts = [
        (
            summary.processes,
            "process that was still running was stopped",
            "processes that were still running were stopped",
        ),
        (
            summary.restored,
            "previous version was moved back",
            "previous versions were moved back",
        ),
        (
            summary.files,
            "file of an application was restored",
            "files of applications were restored",
        ),
        (
            summary.stages,
            "unfinished file or directory was removed",
            "unfinished files or directories were removed",
        ),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, one, more)| format!("{count} {}", if count == 1 { one } else { more }))
        .collect();
    if summary.modules.is_empty() && counts.is_empty() {
        return Ok(());
    }
    let changed = match summary.modules.is_empty() {
        true => String::new(),
        false => format!(
            " while it changed {}; its changes were rolled back",
            summary.modules.join(", ")
        ),
    };
    render::print_note(&format!(
        "note: a previous run was interrupted{changed}{}",
        counts
            .iter()
            .map(|count| format!("; {count}"))
            .collect::<String>()
    ));
    Ok(())
}
