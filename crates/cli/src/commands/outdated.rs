//! `hoist outdated`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use hoist_core::{Action, Installed, InstalledModule, Module, ModuleId};
use hoist_engine::newer::newer_versions;
use hoist_executor::Failure;
use hoist_methods::git_newer::{clone_behind, fetched_at};
use hoist_plugins::modules::is_plugin;
use hoist_plugins::read_version;
use hoist_system::method::Newer;
use hoist_system::resource::{is_newer, package_version};
use serde_json::json;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, BOLD, DIM, Paint, RED, YELLOW, painted};
use crate::session::Session;
use crate::systems::REGISTRY;
use crate::time;
use crate::ui::Output;
use crate::{json, names};

/// How an installed module stands to what its source had when it was last looked at.
enum UpdateStatus {
    /// There is a newer one: this version.
    Outdated(String),
    /// Its source does not have it any more.
    Gone,
    /// Its manifest is another than the one it was installed from.
    Changed,
}

/// Lists what is installed and not as its source has it. The network is asked only with `refresh`.
pub(crate) fn run(global: &Global, refresh: bool) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let installed = session.installed()?;
    if let Some(source) = &global.source {
        names::known_source(&session, &installed, source)?;
    }
    session.catalog.prefer_installed(&installed);
    let machine = session.machine()?;
    let clones = Clones::of(&session, &installed);
    let mut newer = if refresh {
        newer_versions(REGISTRY, &clones.modules, &machine)
    } else {
        clones.as_fetched()
    };
    let mut failed = Vec::new();
    newer.retain(|id, answer| match answer {
        Ok(_) => true,
        Err(failure) => {
            failed.push(format!("{id}: {}", failure.message));
            false
        }
    });
    let of_source = |record: &InstalledModule| {
        global
            .source
            .as_ref()
            .is_none_or(|source| *source == record.source)
    };
    let found: Vec<(&ModuleId, &InstalledModule, String, UpdateStatus)> = installed
        .modules
        .iter()
        .filter(|(_, record)| of_source(record))
        .filter_map(|(id, record)| {
            if let Some(Ok(newer)) = newer.get(id) {
                return Some((
                    id,
                    record,
                    newer.installed.clone(),
                    UpdateStatus::Outdated(newer.offered.clone()),
                ));
            }
            let version = version_of(record);
            standing(&session, &installed, id, &version)
                .map(|standing| (id, record, version, standing))
        })
        .collect();
    let synced = |source: &str| {
        session
            .indexes
            .get(source)
            .map(|index| index.synced_at.clone())
    };
    if global.output == Output::Json {
        let entry = |(id, record, version, standing): &(
            &ModuleId,
            &InstalledModule,
            String,
            UpdateStatus,
        )| {
            let (status, offered) = match standing {
                UpdateStatus::Outdated(offered) => ("outdated", Some(offered)),
                UpdateStatus::Gone => ("gone", None),
                UpdateStatus::Changed => ("changed", None),
            };
            json!({
                "name": id, "source": record.source, "version": version, "offered": offered, "status": status, "synced_at": synced(&record.source).map(|at| time::with_offset(&at)),
            })
        };
        json::print(&found.iter().map(entry).collect())?;
        return Ok(ExitStatus::Ok);
    }
    let paint = Paint::choose(global.color);
    let dim = |text: &str| painted(paint.stdout, DIM, text);
    let row =
        |(id, record, version, standing): &(&ModuleId, &InstalledModule, String, UpdateStatus)| {
            let (word, more) = match standing {
                UpdateStatus::Outdated(offered) => {
                    let caveat = if is_updatable(&session, id, standing) {
                        ""
                    } else {
                        "; it declares no update method"
                    };
                    (
                        painted(paint.stdout, YELLOW, "outdated"),
                        format!("{version} → {offered}{caveat}"),
                    )
                }
                UpdateStatus::Gone => (
                    painted(paint.stdout, RED, "gone"),
                    format!("{version}; removed from {}", record.source),
                ),
                UpdateStatus::Changed => (
                    dim("changed"),
                    "its manifest changed since the install".to_owned(),
                ),
            };
            vec![
                painted(paint.stdout, BOLD, id.as_str()),
                word,
                more,
                dim(&record.source),
            ]
        };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let mut text = render::table(&rows);
    if rows.is_empty() {
        text += "No outdated modules found.\n";
    } else if found
        .iter()
        .any(|(id, .., standing)| is_updatable(&session, id, standing))
    {
        text += "Run `hoist update` to install the newer versions.\n";
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    let days = session
        .sources
        .iter()
        .filter_map(|source| Some((source.name.as_str(), synced(&source.name)?)));
    let days = days.filter(|(_, at)| !at.is_empty());
    let days: Vec<String> = days
        .map(|(name, at)| format!("{name} on {}", time::day(&at)))
        .collect();
    if !days.is_empty() {
        render::print_note(&format!("As of the last sync: {}.", days.join(", ")));
    }
    for failure in &failed {
        render::print_note(&format!(
            "warning: cannot determine the latest version of {failure}"
        ));
    }
    if let (false, Some(day)) = (refresh, clones.oldest_fetch()) {
        render::print_note(&format!(
            "Clones are compared as of their last fetch, the oldest on {day}. Add --refresh to query their remotes."
        ));
    }
    session.print_unknown_sources();
    Ok(ExitStatus::Ok)
}

/// Whether `hoist update` installs the newer version.
fn is_updatable(session: &Session, id: &ModuleId, standing: &UpdateStatus) -> bool {
    let is_updated = |module: &Module| {
        module.policy().has_versions || !module.recipe.steps(Action::Update).is_empty()
    };
    match standing {
        UpdateStatus::Gone => false,
        UpdateStatus::Changed => true,
        UpdateStatus::Outdated(_) => session.catalog.get(id.as_str()).is_some_and(is_updated),
    }
}

/// Installed modules whose versions their tools know.
struct Clones<'s> {
    modules: Vec<&'s Module>,
}

impl<'s> Clones<'s> {
    fn of(session: &'s Session, installed: &Installed) -> Self {
        let modules = installed
            .modules
            .keys()
            .filter_map(|id| session.catalog.get(id.as_str()));
        Self {
            modules: modules
                .filter(|module| !module.policy().has_versions)
                .collect(),
        }
    }

    fn directories(&self) -> impl Iterator<Item = (&ModuleId, &Path)> {
        self.modules
            .iter()
            .filter_map(|module| Some((&module.id, module.repository.as_ref()?.dir.as_path())))
    }

    /// What the last fetch of each clone tells.
    fn as_fetched(&self) -> BTreeMap<ModuleId, Result<Newer, Failure>> {
        self.directories()
            .filter_map(|(id, dir)| Some((id.clone(), Ok(clone_behind(dir)?))))
            .collect()
    }

    /// The day on which the clone was fetched that was fetched first.
    fn oldest_fetch(&self) -> Option<String> {
        let oldest = self
            .directories()
            .filter_map(|(_, dir)| fetched_at(dir))
            .min()?;
        let timestamp = jiff::Timestamp::try_from(oldest).ok()?;
        Some(time::day(&timestamp.to_string()))
    }
}

/// Says which installed modules their sources no longer have. An update leaves them as they are.
pub(crate) fn remark_gone(session: &Session, installed: &Installed, source: Option<&str>) {
    for (id, record) in installed
        .modules
        .iter()
        .filter(|(_, record)| source.is_none_or(|source| source == record.source))
    {
        if matches!(
            standing(session, installed, id, &version_of(record)),
            Some(UpdateStatus::Gone)
        ) {
            render::print_note(&format!(
                "warning: {id} was removed from {}; run `hoist uninstall {id}` to remove it",
                record.source
            ));
        }
    }
}

/// What is there now: others may have brought a rock to another version.
fn version_of(record: &InstalledModule) -> String {
    let there = package_version(REGISTRY, &record.removal);
    there.or_else(|| record.version.clone()).unwrap_or_default()
}

fn standing(
    session: &Session,
    installed: &Installed,
    id: &ModuleId,
    version: &str,
) -> Option<UpdateStatus> {
    let record = installed.modules.get(id)?;
    let module = session
        .catalog
        .all(id.as_str())
        .find(|module| module.source == record.source);
    if is_plugin(&record.removal) {
        let module = session
            .catalog
            .modules()
            .chain(session.catalog.hidden())
            .find(|module| module.id == *id)?;
        let offered = module.offered.version.clone().unwrap_or_default();
        let newer = read_version(&offered) > read_version(version);
        let changed = module.digest != record.digest;
        return newer
            .then_some(UpdateStatus::Outdated(offered))
            .or(changed.then_some(UpdateStatus::Changed));
    }
    if !record.policy().has_versions {
        let is_read = || {
            session
                .catalog
                .modules()
                .chain(session.catalog.hidden())
                .any(|module| module.source == record.source)
        };
        return match module {
            Some(module) => {
                (module.digest != record.digest && !record.adopted).then_some(UpdateStatus::Changed)
            }
            None => (is_read() && session.catalog.broken(id.as_str()).is_none())
                .then_some(UpdateStatus::Gone),
        };
    }
    match (module, session.indexes.contains_key(&record.source)) {
        (Some(module), _) => {
            let newest = session.entry(module).map(|entry| entry.version.clone())?;
            is_newer(REGISTRY, &record.removal, &newest, version)
                .then_some(UpdateStatus::Outdated(newest))
        }
        (None, true) => Some(UpdateStatus::Gone),
        // What nobody has looked at is not known to be gone.
        (None, false) => None,
    }
}
