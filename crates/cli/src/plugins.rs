//! Which versions of plugins a request brings, and how those are configured that hooks run for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_core::{
    Action, Catalog, Change, Diagnostic, Installed, Module, ModuleId, Plan, PlannedModule, Request,
};
use hoist_deploy::deploy::removal_job;
use hoist_engine::job::RemovalJob;
use hoist_plugins::modules::{PLUGINS, is_plugin, plugin_directories};
use hoist_plugins::on_disk::OnDisk;
use hoist_plugins::{
    ChosenVersion, Directory, Given, MANIFEST, Masker, Plugin, PluginConfiguration,
    VersionConflict, VersionOffer, VersionOffers, VersionRange, VersionRequest, choose,
    read_version,
};
use hoist_sources::modules::hold;
use hoist_system::private::PrivateInput;
use semver::Version;

use crate::args::Global;
use crate::error::CommandError;
use crate::session::Session;
use crate::shipped;
use hoist_resolver::wanted;

/// The name under which plugins need hoist itself.
const PLATFORM: &str = "core";

/// What plugins of a plan do around their removal.
pub(crate) fn removal_jobs(plan: &Plan, installed: &Installed) -> Vec<RemovalJob> {
    let record = |id: &ModuleId| {
        let known = installed.modules.get(id);
        known.or_else(|| installed.unfinished.get(id))
    };
    let job = |planned: &PlannedModule| {
        let removal = &record(&planned.module)?.removal;
        let into = removal.into.as_ref().filter(|_| is_plugin(removal))?;
        Some(removal_job(&planned.module, into))
    };
    match plan.action {
        Action::Uninstall => plan.modules.iter().filter_map(job).collect(),
        _ => Vec::new(),
    }
}

/// What the platform provides is not needed as a module.
pub(crate) fn leave_out_provided<V>(catalog: &mut Catalog, provided: &BTreeMap<String, V>) {
    let is_missing = |name: &ModuleId| !provided.contains_key(name.as_str());
    for module in catalog
        .modules_mut()
        .filter(|module| is_plugin(&module.removal))
    {
        module.requires.retain(is_missing);
        module.optional_dependencies.retain(is_missing);
    }
}

/// What plugins may count on without anybody installing it.
pub(crate) fn provided(
    written: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Version>, Diagnostic> {
    let read = |(name, text): (&String, &String)| match read_version(text) {
        Some((version, _)) => Ok((name.clone(), version)),
        None => {
            let wrong = Diagnostic::error(format!("`{}` is not a version", text.escape_debug()))
                .field(format!("provides.{name}"));
            Err(wrong.help("write three numbers separated by dots, in quotes: \"2.1.0\""))
        }
    };
    let mut provided: BTreeMap<String, Version> =
        written.iter().map(read).collect::<Result<_, _>>()?;
    let own = read_version(env!("CARGO_PKG_VERSION")).map(|(version, _)| version);
    provided.extend(
        own.filter(|_| !written.contains_key(PLATFORM))
            .map(|version| (PLATFORM.to_owned(), version)),
    );
    Ok(provided)
}

/// The directory of a plugin. What may take long is carried out by another process of this program.
pub(crate) fn on_disk(path: &Path) -> OnDisk {
    let plugin = OnDisk::new(path);
    match std::env::current_exe() {
        Ok(program) => plugin.evaluated_by(&program),
        Err(_) => plugin,
    }
}

/// A plugin that somebody means.
pub(crate) struct Found {
    /// Where it is.
    pub(crate) directory: Box<dyn Directory + Send>,
}

/// The plugin that somebody means: by the path of its directory, or by its name in a collection, in
/// the working directory, or among those that are installed.
pub(crate) fn find(session: &Session, name: &str) -> Result<Found, CommandError> {
    let found = |path: &Path| Found {
        directory: Box::new(on_disk(path)),
    };
    let path = Path::new(name);
    if name.contains('/') || name == "." || name == ".." {
        let path = std::path::absolute(path)?
            .canonicalize()
            .unwrap_or_else(|_| path.to_owned());
        return match path.join(MANIFEST).exists() {
            true => Ok(found(&path)),
            false => {
                let wrong = Diagnostic::error(format!("the directory has no {MANIFEST}"))
                    .file(path.display().to_string());
                Err(CommandError::wrong(wrong.help(
                    "name the directory of a plugin, or run `hoist plugin new NAME` to create one",
                )))
            }
        };
    }
    if let Some(module) = session
        .catalog
        .get(name)
        .filter(|module| is_plugin(&module.removal) && module.root.is_dir())
    {
        return Ok(found(&module.root));
    }
    let places = session
        .directories
        .iter()
        .map(|root| root.join(PLUGINS))
        .chain([std::env::current_dir()?, session.places.plugins.clone()]);
    if let Some(place) = places
        .map(|place| place.join(name))
        .find(|place| place.join(MANIFEST).exists())
    {
        return Ok(found(&place));
    }
    if let Some(shipped) = shipped::find(name) {
        return Ok(Found {
            directory: Box::new(shipped),
        });
    }
    let known = shipped::names().into_iter().chain(all_names(session));
    let known: Vec<String> = known.collect();
    let near = hoist_core::did_you_mean(name, known.iter().map(String::as_str));
    let help = near.map_or_else(
        || "run `hoist plugin list` to list plugins, or name the directory of one".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let is_module = session.catalog.get(name).is_some();
    let message = match is_module {
        true => format!("`{}` is a module, not a plugin", name.escape_debug()),
        false => format!("unknown plugin `{}`", name.escape_debug()),
    };
    Err(CommandError::wrong(Diagnostic::error(message).help(help)))
}

/// The names of the plugins of the collections.
fn all_names(session: &Session) -> Vec<String> {
    find_all(session)
        .into_iter()
        .filter_map(|found| {
            Some(
                found
                    .directory
                    .root()
                    .file_name()?
                    .to_string_lossy()
                    .into_owned(),
            )
        })
        .collect()
}

/// The names of plugins, some of which are given by the paths of their directories, or stand in the
/// working directory: those are added to what is read.
pub(crate) fn add_directories(
    global: &mut Global,
    names: &[String],
) -> Result<Vec<String>, CommandError> {
    let here = std::env::current_dir()?;
    let mut all = Vec::new();
    for name in names {
        let is_path = name.contains('/') || name == "." || name == "..";
        let beside = here.join(name);
        if !is_path && !beside.join(MANIFEST).is_file() {
            all.push(name.clone());
            if !shipped::names().contains(name) {
                continue;
            }
            // What a collection has counts more than what comes with hoist.
            let in_collection = |session: Session| {
                session.catalog.get(name).is_some() || session.catalog.broken(name).is_some()
            };
            if !Session::open(global).is_ok_and(in_collection) {
                let (_, _, places) = crate::session::detect()?;
                global
                    .plugin_directories
                    .extend(shipped::on_disk(name, &places.cache)?);
            }
            continue;
        }
        let directory = beside.canonicalize().unwrap_or(beside);
        let (plugin, wrong) = Plugin::read(&OnDisk::new(&directory));
        let Some(plugin) = plugin else {
            return Err(wrong.into());
        };
        all.push(plugin.name.to_string());
        global.plugin_directories.push(directory);
    }
    Ok(all)
}

/// Every plugin of the collections, also those that cannot be used.
pub(crate) fn find_all(session: &Session) -> Vec<Found> {
    let listed = |root: &PathBuf| plugin_directories(&root.join(PLUGINS));
    session
        .directories
        .iter()
        .flat_map(listed)
        .map(|path| Found {
            directory: Box::new(on_disk(&path)),
        })
        .collect()
}

/// What a module offers, for the choice among versions.
fn offer(module: &Module) -> VersionOffer {
    let version = module
        .offered
        .version
        .as_deref()
        .filter(|_| is_plugin(&module.removal))
        .and_then(read_version);
    let ranged = |need: &hoist_core::VersionedDependency| VersionRequest {
        name: need.name.to_string(),
        range: VersionRange::parse(&need.versions).unwrap_or_else(|_| VersionRange::any()),
        optional: need.optional,
    };
    // Others need what they need in any version.
    let plain = |name: &ModuleId| VersionRequest {
        name: name.to_string(),
        range: VersionRange::any(),
        optional: false,
    };
    let needs = match is_plugin(&module.removal) {
        true => module.offered.needs.iter().map(ranged).collect(),
        false => module.requires.iter().map(plain).collect(),
    };
    VersionOffer {
        name: module.id.to_string(),
        version: version.map(|(version, _)| version),
        source: module.manifest.display().to_string(),
        needs,
    }
}

/// Chooses among the versions that sources offer of the plugins that a request brings, and of all
/// they need.
pub(crate) fn pin(
    session: &mut Session,
    installed: &Installed,
    request: &Request,
) -> Result<(), CommandError> {
    let any = session
        .catalog
        .modules()
        .chain(session.catalog.hidden())
        .any(|module| is_plugin(&module.removal));
    if !any || !matches!(request.action, Action::Install | Action::Update) || request.no_deps {
        return Ok(());
    }
    let mut asked = wanted(&session.catalog, installed, request, &|module| {
        is_plugin(&module.removal)
    });
    asked.retain(|name| session.catalog.get(name).is_some());
    if asked.is_empty() {
        return Ok(());
    }
    let all: Vec<VersionOffer> = session
        .catalog
        .modules()
        .chain(session.catalog.hidden())
        .map(offer)
        .collect();
    let version = |version: &Option<String>| {
        version
            .as_deref()
            .and_then(read_version)
            .map(|(version, _)| version)
    };
    let there = installed
        .modules
        .iter()
        .filter(|(_, record)| is_plugin(&record.removal));
    let mut there: BTreeMap<String, Version> = there
        .filter_map(|(id, record)| Some((id.to_string(), version(&record.version)?)))
        .collect();
    // What is deployed is what the sources have, also where a newer version is installed.
    there.retain(|name, _| {
        !session.fresh.contains(name) || !all.iter().any(|offer| offer.name == *name)
    });
    let updated: BTreeSet<String> = match request.action {
        Action::Update => asked
            .iter()
            .filter(|name| there.contains_key(*name))
            .cloned()
            .collect(),
        _ => session.fresh.clone(),
    };
    // What is installed and needs what may change has a say in it.
    let concerned: BTreeSet<&str> = asked
        .iter()
        .map(String::as_str)
        .chain(needs_of(&all, &asked))
        .collect();
    let also: Vec<String> = there
        .keys()
        .filter(|name| !concerned.contains(name.as_str()))
        .filter(|name| {
            all.iter().any(|offer| {
                offer.name == **name
                    && offer
                        .needs
                        .iter()
                        .any(|need| concerned.contains(need.name.as_str()))
            })
        })
        .cloned()
        .collect();
    let asked: Vec<String> = asked.iter().cloned().chain(also).collect();
    let offers = VersionOffers {
        all,
        provided: session.provided.clone(),
        installed: there,
        updated,
    };
    match choose(&offers, &asked) {
        Ok(choices) => {
            let chosen: BTreeSet<&str> =
                choices.iter().map(|choice| choice.name.as_str()).collect();
            choices
                .iter()
                .for_each(|choice| settle(session, installed, choice, &chosen));
            Ok(())
        }
        Err(VersionConflict::Missing { by, name, versions }) => {
            let versions = if versions == "*" {
                String::new()
            } else {
                format!(" {versions}")
            };
            let message =
                format!("the plugin depends on {name}{versions}, which no source provides");
            let near = session
                .catalog
                .suggest(&name)
                .map(|near| format!("did you mean `{near}`? "))
                .unwrap_or_default();
            let help = format!(
                "{near}add a collection that provides it; if the platform provides it, add to hoist.yml: `provides: {{ {name}: \"VERSION\" }}`"
            );
            Err(CommandError::wrong(point(
                session,
                &by,
                &name,
                Diagnostic::error(message).help(help),
            )))
        }
        Err(VersionConflict::Derived(reasons)) => {
            let names = asked.join(" and ");
            let wrong = Diagnostic::error(format!(
                "no versions satisfy the dependencies of {names}{}: {reasons}",
                if asked.len() == 1 { "s" } else { "" }
            ));
            Err(CommandError::wrong(
                wrong.help("add --no-deps to ignore the dependencies"),
            ))
        }
    }
}

/// How plugins are configured that hooks run for, and what finds their secrets in what is said.
///
/// Those in `known` are configured already: other values of them, such as a default password that
/// is not used, are not secrets.
pub(crate) fn configure(
    session: &Session,
    plan: &Plan,
    known: &BTreeMap<ModuleId, PrivateInput>,
) -> (BTreeMap<ModuleId, PrivateInput>, Vec<String>) {
    let (mut configured, mut secrets) = (BTreeMap::new(), Vec::new());
    for planned in plan
        .modules
        .iter()
        .filter(|planned| planned.change.is_work() && !known.contains_key(&planned.module))
    {
        let Some(module) = session
            .catalog
            .get(planned.module.as_str())
            .filter(|module| is_plugin(&module.removal))
        else {
            continue;
        };
        let installed = session.places.plugins.join(module.id.as_str());
        let directory = if module.root.join(MANIFEST).exists() {
            &module.root
        } else {
            &installed
        };
        let directory = on_disk(directory);
        let (Some(plugin), _) = Plugin::read(&directory) else {
            continue;
        };
        let given = Given {
            variables: session.environment.clone(),
            ..Given::default()
        };
        let configuration = PluginConfiguration::read(&plugin, &directory, &given);
        secrets.extend(configuration.secrets());
        configured.insert(module.id.clone(), PrivateInput::from(&configuration));
    }
    (configured, secrets)
}

/// An update leaves alone what is deployed: an upgrade brings it forward together with what runs.
pub(crate) fn leave_deployed(plan: &mut Plan, session: &Session) -> Result<(), CommandError> {
    if plan.action != Action::Update
        || !plan
            .modules
            .iter()
            .any(|planned| planned.change == Change::Update && planned.method == "plugin")
    {
        return Ok(());
    }
    let deployed = hoist_deploy::deployed::read_deployments(&session.places.state)?;
    for planned in plan
        .modules
        .iter_mut()
        .filter(|planned| planned.change == Change::Update && planned.method == "plugin")
    {
        if deployed
            .iter()
            .any(|deployed| deployed.plugin == planned.module)
        {
            planned.change = Change::Keep;
            planned.reason = format!(
                "the plugin is deployed; run `hoist plugin upgrade {}` to upgrade it to {}",
                planned.module, planned.reason
            );
        }
    }
    Ok(())
}

/// The names of all that these need, with what that needs.
fn needs_of<'o>(all: &'o [VersionOffer], asked: &[String]) -> BTreeSet<&'o str> {
    let (mut seen, mut waiting) = (
        BTreeSet::new(),
        asked.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    while let Some(name) = waiting.pop() {
        let needs = all
            .iter()
            .filter(|offer| offer.name == name)
            .flat_map(|offer| &offer.needs);
        for need in needs {
            if seen.insert(need.name.as_str()) {
                waiting.push(&need.name);
            }
        }
    }
    seen
}

/// Lets the catalog have what was chosen.
fn settle(
    session: &mut Session,
    installed: &Installed,
    choice: &ChosenVersion,
    chosen: &BTreeSet<&str>,
) {
    let ChosenVersion {
        name,
        source,
        version,
    } = choice;
    if let Some(source) = source {
        session.catalog.prefer_where(name, |module| {
            module.manifest.display().to_string() == *source
        });
    }
    let Some(module) = session
        .catalog
        .get_mut(name)
        .filter(|module| is_plugin(&module.removal))
    else {
        return;
    };
    let other = module.offered.version != version.as_ref().map(Version::to_string);
    if let (None, Some(record), true) = (source, installed.modules.get(name.as_str()), other) {
        hold(module, record);
    }
    module
        .optional_dependencies
        .retain(|name| chosen.contains(name.as_str()));
}

/// Points at where a plugin says what it needs.
fn point(session: &Session, by: &str, name: &str, mut wrong: Diagnostic) -> Diagnostic {
    let Some(module) = session.catalog.get(by) else {
        return wrong;
    };
    let need = module
        .offered
        .needs
        .iter()
        .find(|need| need.name.as_str() == name);
    wrong.position = need.and_then(|need| need.at);
    wrong
        .module(by)
        .file(module.manifest.display().to_string())
        .field(format!("dependencies.{name}"))
}

/// A message without the secrets that a line it shows may have.
pub(crate) fn masked(mut wrong: Diagnostic, masker: &Masker) -> Diagnostic {
    wrong.message = masker.masked(&wrong.message);
    wrong.source_line = wrong.source_line.map(|line| masker.masked(&line));
    wrong
        .excerpt
        .iter_mut()
        .for_each(|line| *line = masker.masked(line));
    wrong
}
