//! Packages that belong to modules: what the manager of each kind has to answer, and what follows
//! from that for modules.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use hoist_core::{
    Installed, InstalledModule, Module, ModuleId, Presence, Resource, ResourceScope, UninstallSpec,
};
use hoist_executor::{Failure, ItemChange, Level};
use hoist_files::Record;
use hoist_ledger::{OwnedFiles, PriorState};

use crate::context::StepContext;
use crate::registry::Registry;
use hoist_machine::machine::Machine;

/// What became, or would become, of one thing.
pub type Told = (ItemChange, String, Option<String>);

/// Why something cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoConflict {
    /// What.
    pub path: PathBuf,
    /// Why.
    pub why: String,
    /// True where it can be done all the same, with a copy of what stands there now.
    pub can_be_forced: bool,
    /// What can be done about it, where that is not the usual.
    pub remedy: Option<String>,
}

/// Files of packages that are not as their manager recorded them.
#[derive(Debug, Default)]
pub struct AlteredFiles {
    /// Files that are gone.
    pub missing: Vec<PathBuf>,
    /// Files with other contents.
    pub modified: Vec<PathBuf>,
}

/// The packages of a module before and after a run that is undone.
pub struct ResourceChange<'a> {
    /// The module.
    pub module: &'a ModuleId,
    /// What the ledger said of it before the run.
    pub was: &'a PriorState,
    /// What went with it before the run.
    pub before: UninstallSpec,
    /// What goes with it now; nothing where nothing of that is taken away.
    pub now: Option<&'a UninstallSpec>,
    /// The source that it comes from now.
    pub source: Option<&'a str>,
    /// What it is known to have written.
    pub record: &'a Record,
    /// All modules.
    pub installed: &'a Installed,
}

/// What undoing a run does to packages.
#[derive(Debug, Default)]
pub struct ResourceUndo {
    /// Those that are removed, in words.
    pub removed: Vec<String>,
    /// Those that are installed again, in words.
    pub reinstalled: Vec<String>,
    /// What is not undone, a sentence each.
    pub remarks: Vec<String>,
    /// What stands in the way.
    pub conflicts: Vec<UndoConflict>,
}

/// What a package manager does for modules that packages belong to.
///
/// What it does not answer itself follows from the versions of packages.
pub trait ResourceManager: Sync {
    /// The name of its method, which scopes have as their manager.
    fn name(&self) -> &'static str;

    /// What people call a package, and several.
    fn nouns(&self) -> [&'static str; 2];

    /// A package in words.
    fn describe(&self, scope: &ResourceScope, name: &str) -> String {
        let _ = scope;
        format!("{} {name}", self.nouns()[0])
    }

    /// True where it knows the files of its packages, so that these are neither recorded nor removed
    /// as files: the module is its package.
    fn records_files(&self) -> bool {
        false
    }

    /// A name as the manager compares names, without what asks for a version.
    fn normalized(&self, name: &str) -> String {
        name.to_owned()
    }

    /// What asks the manager for one version of a package.
    fn request(&self, name: &str, version: &str) -> String;

    /// The name of the pool in which one task at a time changes a scope.
    fn pool(&self, scope: &ResourceScope) -> String;

    /// The installed versions of a package, the newest first, without running anything.
    fn versions(&self, scope: &ResourceScope, name: &str) -> Vec<String>;

    /// The names of all packages of a scope.
    fn names(&self, scope: &ResourceScope) -> BTreeSet<String>;

    /// Installs packages by name, or by [`ResourceManager::request`].
    ///
    /// # Errors
    /// The manager fails.
    fn install(
        &self,
        scope: &ResourceScope,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure>;

    /// Removes packages, where a version is known only that.
    ///
    /// # Errors
    /// The manager fails.
    fn remove(
        &self,
        scope: &ResourceScope,
        names: &[String],
        version: Option<&str>,
        context: &StepContext<'_>,
    ) -> Result<(), Failure>;

    /// Whether a package is there, in a version where one is wanted.
    fn presence(&self, scope: &ResourceScope, name: &str, wanted: Option<&str>) -> Presence {
        let there = self.versions(scope, name);
        match (there.first(), wanted) {
            (None, _) => Presence::Missing(self.describe(scope, name)),
            (Some(_), None) => Presence::Present,
            (Some(_), Some(wanted)) if there.iter().any(|there| there == wanted) => {
                Presence::Present
            }
            (Some(other), Some(_)) => Presence::Other(other.clone()),
        }
    }

    /// Whether it finds everything that it installed. False where a package may be installed with
    /// another program, or for the whole system, as well.
    fn finds_installed(&self) -> bool {
        false
    }

    /// What goes where a package is removed, in words: nothing where nothing of it is there.
    fn going(&self, scope: &ResourceScope, name: &str, version: Option<&str>) -> Vec<String> {
        let _ = version;
        match self.versions(scope, name).is_empty() {
            true => Vec::new(),
            false => vec![self.describe(scope, name)],
        }
    }

    /// Those of new files in a home directory that packages of the user consist of, without running
    /// anything.
    fn owned_files(&self, home: &Path, new: &[&Path]) -> BTreeSet<PathBuf> {
        let _ = (home, new);
        BTreeSet::new()
    }

    /// Whether a version is newer than another.
    fn is_newer(&self, version: &str, than: &str) -> bool {
        version != than
    }

    /// What packages need, and what that needs, as far as it is there.
    fn dependencies(&self, scope: &ResourceScope, names: &[String]) -> BTreeSet<String> {
        let _ = (scope, names);
        BTreeSet::new()
    }

    /// Those of `going` that packages need which stay, by their normalized names, each with one of
    /// these.
    fn needed(&self, scope: &ResourceScope, going: &[String]) -> BTreeMap<String, String> {
        let _ = (scope, going);
        BTreeMap::new()
    }

    /// Compares the files of packages with what is recorded of them.
    ///
    /// # Errors
    /// One cannot be read.
    fn altered(&self, scope: &ResourceScope, names: &[String]) -> io::Result<AlteredFiles> {
        let _ = (scope, names);
        Ok(AlteredFiles::default())
    }

    /// Whether a package is there in this version and no other, once what a run that was killed left
    /// is repaired. False where nobody can tell.
    fn is_only(
        &self,
        scope: &ResourceScope,
        name: &str,
        version: &str,
        context: &StepContext<'_>,
    ) -> bool {
        let _ = (scope, name, version, context);
        false
    }

    /// Packages that others may use as well and that stay, in words, with the reason.
    fn remains(
        &self,
        module: &ModuleId,
        names: &[&str],
        is_adopted: bool,
        machine: &Machine,
    ) -> (String, String) {
        let _ = (module, machine);
        let reason = match is_adopted {
            true => EXISTED,
            false => "other programs may use it",
        };
        let subject = format!("{} {}", self.nouns()[0], names.join(" "));
        (subject, reason.to_owned())
    }

    /// Removes the package of a module that is another one now, or comes from another source.
    ///
    /// # Errors
    /// The manager fails.
    fn leave(
        &self,
        former: &Resource,
        version: Option<&str>,
        destination: &PackageMove<'_>,
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let _ = destination;
        let names = std::slice::from_ref(&former.name);
        self.remove(&former.scope, names, version, context)
    }

    /// What undoing a run does to packages of a module.
    ///
    /// # Errors
    /// Something cannot be read.
    fn plan_undo(&self, change: &ResourceChange<'_>) -> Result<ResourceUndo, Failure> {
        Ok(plan_undo(self, change))
    }

    /// Undoes what a run did to packages of a module: those that it brought go, and those that it
    /// removed or changed come back as far as their versions are recorded.
    ///
    /// # Errors
    /// The manager fails.
    fn undo(&self, change: &ResourceChange<'_>, context: &StepContext<'_>) -> Result<(), Failure> {
        undo(self, change, context)
    }
}

/// Where the package of a module is from now on.
pub struct PackageMove<'a> {
    /// The packages of the module as it is now.
    pub now: &'a [Resource],
    /// Whether it still comes from the same source.
    pub is_same_source: bool,
    /// All modules.
    pub installed: &'a Installed,
}

/// Packages of one manager before a run, and what becomes of them.
struct Former<'a> {
    scope: &'a ResourceScope,
    /// Those that are installed again, in the version that they had as far as that is recorded: of
    /// the first package.
    again: Vec<String>,
    /// Those that stay in the version that they have.
    stays: Vec<&'a str>,
}

fn former<'a, M: ResourceManager + ?Sized>(
    manager: &M,
    change: &'a ResourceChange<'_>,
) -> Vec<Former<'a>> {
    if !change.was.is_installed() {
        return Vec::new();
    }
    let of_scope = |(scope, names): (&'a ResourceScope, Vec<&'a str>)| {
        let (mut again, mut stays) = (Vec::new(), Vec::new());
        for (place, name) in names.into_iter().enumerate() {
            let version = change.was.version().filter(|_| place == 0);
            let there = manager.versions(scope, name);
            match (there.first(), version) {
                (Some(_), Some(version)) if there.iter().any(|there| there == version) => {}
                (_, Some(version)) => again.push(manager.request(name, version)),
                (Some(_), None) => stays.push(name),
                (None, None) => again.push(name.to_owned()),
            }
        }
        Former {
            scope,
            again,
            stays,
        }
    };
    by_scope_of(manager, &change.before)
        .into_iter()
        .map(of_scope)
        .collect()
}

/// The packages of one manager, by where they are.
fn by_scope_of<'s, M: ResourceManager + ?Sized>(
    manager: &M,
    removal: &'s UninstallSpec,
) -> BTreeMap<&'s ResourceScope, Vec<&'s str>> {
    let mut by_scope = removal.owned_by_scope();
    by_scope.retain(|scope, _| scope.manager == manager.name());
    by_scope
}

/// The packages that are a module's now and were not before, but those that stay because others
/// need them. `again` are installed in other versions.
fn brought<'a, M: ResourceManager + ?Sized>(
    manager: &M,
    change: &'a ResourceChange<'_>,
    again: &[String],
) -> Vec<(&'a ResourceScope, Vec<String>)> {
    let Some(now) = change.now else {
        return Vec::new();
    };
    let had = |name: &str| change.before.owned().any(|resource| resource.name == name);
    let of_scope = |(scope, names): (&'a ResourceScope, Vec<&'a str>)| {
        let new = names.into_iter().filter(|name| !had(name));
        let new: Vec<String> = new.map(str::to_owned).collect();
        // What is installed again does not need what it needs now.
        let going = [new.clone(), again.to_vec()].concat();
        let needed = manager.needed(scope, &going);
        let is_free = |name: &String| !needed.contains_key(&manager.normalized(name));
        (scope, new.into_iter().filter(is_free).collect())
    };
    by_scope_of(manager, now)
        .into_iter()
        .map(of_scope)
        .collect()
}

fn plan_undo<M: ResourceManager + ?Sized>(
    manager: &M,
    change: &ResourceChange<'_>,
) -> ResourceUndo {
    let mut plan = ResourceUndo::default();
    let mut again = Vec::new();
    for former in former(manager, change) {
        let described = |name: &String| manager.describe(former.scope, name);
        plan.reinstalled.extend(former.again.iter().map(described));
        if !former.stays.is_empty() {
            plan.remarks.push(format!(
                "{} keep their current version: {}",
                manager.nouns()[1],
                former.stays.join(", ")
            ));
        }
        again.extend(former.again);
    }
    for (scope, names) in brought(manager, change, &again) {
        let described = |name: &String| manager.describe(scope, name);
        plan.removed.extend(names.iter().map(described));
    }
    plan
}

fn undo<M: ResourceManager + ?Sized>(
    manager: &M,
    change: &ResourceChange<'_>,
    context: &StepContext<'_>,
) -> Result<(), Failure> {
    let task = context.task;
    let [_, nouns] = manager.nouns();
    for Former {
        scope,
        again,
        stays,
    } in former(manager, change)
    {
        if !again.is_empty() {
            manager.install(scope, &again, context)?;
            let is_missing = |request: &&String| {
                let name = manager.normalized(request);
                manager.versions(scope, &name).is_empty()
            };
            let missing: Vec<&String> = again.iter().filter(is_missing).collect();
            if !missing.is_empty() {
                return Err(Failure::new(format!(
                    "{} succeeded, but these {nouns} are missing: {missing:?}",
                    scope.manager
                )));
            }
            for request in &again {
                task.item(ItemChange::Created, manager.describe(scope, request), None);
            }
        }
        if !stays.is_empty() {
            let stays = stays.join(", ");
            let text = format!("{nouns} keep their current version: {stays}");
            task.note(Level::Warning, text);
        }
    }
    for (scope, mut names) in brought(manager, change, &[]) {
        names.retain(|name| !manager.versions(scope, name).is_empty());
        if names.is_empty() {
            continue;
        }
        manager.remove(scope, &names, None, context)?;
        for name in &names {
            task.item(ItemChange::Removed, manager.describe(scope, name), None);
        }
    }
    Ok(())
}

/// True for a module that is a package whose files its manager records.
pub fn is_package(registry: Registry, removal: &UninstallSpec) -> bool {
    package_of(registry, removal).is_some()
}

/// The package that a module is, where its manager records the files.
pub fn package_of(
    registry: Registry,
    removal: &UninstallSpec,
) -> Option<(&'static dyn ResourceManager, &Resource)> {
    let with_manager = |resource| Some((manager_of_resource(registry, resource)?, resource));
    let mut owned = removal.owned().filter_map(with_manager);
    owned.find(|(manager, _)| manager.records_files())
}

fn manager_of_resource(
    registry: Registry,
    resource: &Resource,
) -> Option<&'static dyn ResourceManager> {
    registry.manager_of(&resource.scope)
}

/// The installed version of the package that a module is.
pub fn package_version(registry: Registry, removal: &UninstallSpec) -> Option<String> {
    let (manager, resource) = package_of(registry, removal)?;
    let versions = manager.versions(&resource.scope, &resource.name);
    versions.into_iter().next()
}

/// Whether a version of a module is newer than another: where the module is no package, every other
/// one is.
pub fn is_newer(registry: Registry, removal: &UninstallSpec, version: &str, than: &str) -> bool {
    let package = package_of(registry, removal);
    package.map_or(version != than, |(manager, _)| {
        manager.is_newer(version, than)
    })
}

/// True for a module with packages whose files are not recorded.
pub fn has_packages(registry: Registry, removal: &UninstallSpec) -> bool {
    removal.owned().next().is_some() && !is_package(registry, removal)
}

/// The packages that go with a module: its own but those that were there before it and hoist did
/// not bring, and those that came with them. Asked before the run, since others may bring the same.
pub fn own_resources(
    registry: Registry,
    module: &Module,
    record: Option<&InstalledModule>,
    installed: &Installed,
) -> Vec<Resource> {
    let mut found = Vec::new();
    let recorded: Vec<&Resource> = record
        .into_iter()
        .flat_map(|record| record.removal.owned())
        .collect();
    let is_recorded = |scope: &ResourceScope, name: &str| {
        let mut recorded = recorded.iter();
        recorded.any(|resource| resource.scope == *scope && resource.name == name)
    };
    for (scope, names) in module.removal.owned_by_scope() {
        let Some(manager) = registry.manager_of(scope) else {
            continue;
        };
        let brought = brought_by_modules(manager, scope, installed);
        let is_own = |name: &&str| {
            manager.records_files()
                || is_recorded(scope, name)
                || manager.versions(scope, name).is_empty()
                || brought.contains(&manager.normalized(name))
        };
        let own = names.iter().copied().filter(is_own);
        let came_with_them = recorded
            .iter()
            .filter(|resource| resource.scope == *scope)
            .map(|resource| resource.name.as_str())
            .filter(|name| !names.contains(name) && !manager.versions(scope, name).is_empty());
        let all = own.chain(came_with_them);
        found.extend(all.map(|name| Resource::new(scope.clone(), name)));
    }
    found
}

/// The packages of a scope that belong to modules, by their normalized names.
fn brought_by_modules(
    manager: &dyn ResourceManager,
    scope: &ResourceScope,
    installed: &Installed,
) -> BTreeSet<String> {
    let all = installed
        .modules
        .values()
        .flat_map(|other| other.removal.owned());
    all.filter(|resource| resource.scope == *scope)
        .map(|resource| manager.normalized(&resource.name))
        .collect()
}

/// What goes with a module that is there already, and whether hoist brought it: as a dependency of
/// another module.
pub fn found_resources(
    registry: Registry,
    module: &Module,
    installed: &Installed,
) -> (Vec<Resource>, bool) {
    let mut own = own_resources(registry, module, None, installed);
    if !has_packages(registry, &module.removal)
        || !module.removal.owned().all(|one| own.contains(one))
    {
        return (module.removal.resources.clone(), false);
    }
    for (scope, names) in module.removal.owned_by_scope() {
        let Some(manager) = registry.manager_of(scope) else {
            continue;
        };
        let brought = brought_by_modules(manager, scope, installed);
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let came_with_it = manager.dependencies(scope, &names);
        let came_with_it = came_with_it
            .into_iter()
            .filter(|name| brought.contains(name));
        own.extend(came_with_it.map(|name| Resource::new(scope.clone(), name)));
    }
    own.extend(shared(&module.removal).cloned());
    (own, true)
}

/// The packages of a module that others may use as well.
pub fn shared(removal: &UninstallSpec) -> impl Iterator<Item = &Resource> {
    removal
        .resources
        .iter()
        .filter(|resource| resource.is_shared)
}

/// All packages of the scopes of a module.
pub fn all_names(
    registry: Registry,
    removal: &UninstallSpec,
) -> BTreeMap<ResourceScope, BTreeSet<String>> {
    let names =
        |scope: &ResourceScope| Some((scope.clone(), registry.manager_of(scope)?.names(scope)));
    let scopes = removal.owned_by_scope();
    scopes.into_keys().filter_map(names).collect()
}

/// The packages that came with those of a module: what these need and was not there `before`.
pub fn came_along(
    registry: Registry,
    removal: &UninstallSpec,
    before: &BTreeMap<ResourceScope, BTreeSet<String>>,
) -> Vec<Resource> {
    let mut found = Vec::new();
    for (scope, names) in removal.owned_by_scope() {
        let Some(manager) = registry.manager_of(scope) else {
            continue;
        };
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let there = before.get(scope);
        let is_new = |name: &String| !there.is_some_and(|there| there.contains(name));
        let new = manager.dependencies(scope, &names).into_iter();
        found.extend(
            new.filter(is_new)
                .map(|name| Resource::new(scope.clone(), name)),
        );
    }
    found
}

/// What is different in the files of packages of a module.
///
/// # Errors
/// They cannot be read.
pub fn altered_files(registry: Registry, removal: &UninstallSpec) -> Result<AlteredFiles, Failure> {
    let mut altered = AlteredFiles::default();
    for (scope, names) in removal.owned_by_scope() {
        let Some(manager) = registry.manager_of(scope) else {
            continue;
        };
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let found = manager.altered(scope, &names).map_err(|error| {
            let [_, nouns] = manager.nouns();
            Failure::new(format!("cannot read the files of {nouns}: {error}"))
        })?;
        altered.missing.extend(found.missing);
        altered.modified.extend(found.modified);
    }
    Ok(altered)
}

const EXISTED: &str = "it existed before the install";
const EXISTED_PURGE: &str = "it existed before the install; add --purge to remove it";

/// Removes the packages of a module with `act`, and returns what becomes, or would become, of each.
///
/// # Errors
/// A manager fails.
pub fn remove_resources(
    registry: Registry,
    context: &StepContext<'_>,
    module: &Module,
    record: Option<&InstalledModule>,
    belongings: &OwnedFiles,
    is_adopted: bool,
    act: bool,
) -> Result<Vec<Told>, Failure> {
    let mut told = what_remains(registry, context.machine, module, record, is_adopted);
    let removal = record.map_or(&module.removal, |record| &record.removal);
    let version = record.and_then(|record| record.version.as_deref());
    let mut scopes = removal.owned_by_scope();
    for scope in module.removal.owned_by_scope().into_keys() {
        scopes.entry(scope).or_default();
    }
    for (scope, names) in scopes {
        let Some(manager) = registry.manager_of(scope) else {
            continue;
        };
        let declared = module.removal.owned_by_scope().remove(scope);
        let declared = declared.unwrap_or_default().into_iter();
        let theirs = declared.filter(|name| {
            !manager.records_files()
                && !names.contains(name)
                && !manager.versions(scope, name).is_empty()
        });
        told.extend(theirs.map(|name| {
            let subject = manager.describe(scope, name);
            (ItemChange::Preserved, subject, Some(EXISTED.to_owned()))
        }));
        let holder = |name: &str| {
            let resource = Resource::new(scope.clone(), name);
            belongings.other_resource_owners.get(&resource)
        };
        let there = names
            .iter()
            .filter(|name| !manager.going(scope, name, version).is_empty());
        let (held, free): (Vec<String>, Vec<String>) = there
            .map(|name| (*name).to_owned())
            .partition(|name| holder(name).is_some());
        let needed = manager.needed(scope, &free);
        let mut going = Vec::new();
        for name in held.into_iter().chain(free) {
            let other = holder(&name).map(|other| format!("{other} also owns it"));
            let needs = needed
                .get(&manager.normalized(&name))
                .map(|other| format!("the {} {other} depends on it", manager.nouns()[0]));
            let stays = match other.or(needs) {
                _ if is_adopted => Some(EXISTED_PURGE.to_owned()),
                stays => stays,
            };
            let item_change = match stays {
                Some(_) => ItemChange::Preserved,
                None => ItemChange::Removed,
            };
            let subjects = manager.going(scope, &name, version).into_iter();
            told.extend(subjects.map(|subject| (item_change, subject, stays.clone())));
            if stays.is_none() {
                going.push(name);
            }
        }
        // A manager that records files also repairs what a removal that was killed left.
        if act && !is_adopted && manager.records_files() {
            going = names.into_iter().map(str::to_owned).collect();
        }
        if act && !going.is_empty() {
            manager.remove(scope, &going, version, context)?;
        }
    }
    Ok(told)
}

/// The packages of a module that stay, since others may use them.
fn what_remains(
    registry: Registry,
    machine: &Machine,
    module: &Module,
    record: Option<&InstalledModule>,
    is_adopted: bool,
) -> Vec<Told> {
    let declared = shared(&module.removal).next().is_some();
    let recorded = record.map(|record| &record.removal);
    let removal = recorded.filter(|_| !declared).unwrap_or(&module.removal);
    let mut by_manager: BTreeMap<&str, Vec<&Resource>> = BTreeMap::new();
    for resource in shared(removal) {
        by_manager
            .entry(&resource.scope.manager)
            .or_default()
            .push(resource);
    }
    let told = |resources: Vec<&Resource>| {
        let manager = manager_of_resource(registry, resources.first()?)?;
        let names: Vec<&str> = resources.iter().map(|one| one.name.as_str()).collect();
        let (subject, reason) = manager.remains(&module.id, &names, is_adopted, machine);
        Some((ItemChange::Preserved, subject, Some(reason)))
    };
    by_manager.into_values().filter_map(told).collect()
}

/// The managers that a change of packages is about.
pub fn managers_in(
    registry: Registry,
    change: &ResourceChange<'_>,
) -> Vec<&'static dyn ResourceManager> {
    let now = change.now.into_iter().flat_map(UninstallSpec::owned);
    registry.managers_of(change.before.owned().chain(now))
}
