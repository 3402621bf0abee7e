//! The methods that there are, handed to whatever carries out steps.

use std::collections::BTreeSet;
use std::sync::Arc;

use hoist_core::{Action, Catalog, Module, Plan, Resource, ResourceScope, Source, Step};

use crate::context::RepairTree;
use hoist_guard::around::OwnedByPackages;

use crate::method::{Method, MethodEntry, MethodUse};
use crate::resource::ResourceManager;
use crate::source::SourceKind;

/// The methods that steps may use, as several tables.
#[derive(Clone, Copy)]
pub struct Registry {
    tables: &'static [&'static [MethodEntry]],
    sources: &'static [&'static dyn SourceKind],
    /// What restores a copy of a source that is not as it was indexed.
    pub repair_tree: Option<RepairTree>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Joins tables of methods. Of several of one name the first counts.
    pub const fn new(tables: &'static [&'static [MethodEntry]]) -> Self {
        Self {
            tables,
            sources: &[],
            repair_tree: None,
        }
    }

    /// Adds kinds of sources.
    pub const fn with_sources(self, sources: &'static [&'static dyn SourceKind]) -> Self {
        Self { sources, ..self }
    }

    /// The kinds of sources.
    pub fn sources(self) -> impl Iterator<Item = &'static dyn SourceKind> {
        self.sources.iter().copied()
    }

    /// The kind of a source.
    pub fn kind_of(self, source: &Source) -> Option<&'static dyn SourceKind> {
        self.sources()
            .find(|kind| kind.syntax().kind() == source.kind)
    }

    /// Adds what restores a copy of a source that is not as it was indexed.
    pub const fn repairing_trees(self, repair: RepairTree) -> Self {
        Self {
            repair_tree: Some(repair),
            ..self
        }
    }

    /// All methods.
    pub fn methods(self) -> impl Iterator<Item = &'static MethodEntry> {
        self.tables.iter().copied().flatten()
    }

    /// The method that a step uses.
    pub fn entry(self, step: &Step) -> Option<&'static MethodEntry> {
        self.methods().find(|entry| entry.name == step.method)
    }

    /// A step with its arguments read.
    ///
    /// # Errors
    /// There is no such method, or it does not understand its arguments: what is wrong.
    pub fn method_of(self, step: &Step) -> Result<Box<dyn Method>, String> {
        match self.entry(step) {
            Some(entry) => entry.bind(step),
            None => Err(format!("unknown method {}", step.method)),
        }
    }

    /// The uses of each method by the steps of modules for an install, and for an `action`, each
    /// once.
    pub fn uses<'m>(
        self,
        modules: &[&'m Module],
        action: Action,
    ) -> Vec<(&'static MethodEntry, Vec<MethodUse<'m>>)> {
        let steps = |module: &'m Module| {
            let install = module.recipe.steps(Action::Install);
            let more = module.recipe.steps(action).iter();
            let more = more.filter(|step| !install.contains(step));
            let step_uses = install.iter().chain(more);
            step_uses.map(move |step| MethodUse { module, step })
        };
        let all: Vec<MethodUse<'m>> = modules.iter().flat_map(|module| steps(module)).collect();
        let of_method = |entry: &'static MethodEntry| {
            let uses = all.iter().filter(|used| used.step.method == entry.name);
            (entry, uses.copied().collect::<Vec<_>>())
        };
        self.methods()
            .map(of_method)
            .filter(|(_, uses)| !uses.is_empty())
            .collect()
    }

    /// The manager of the packages in a scope.
    pub fn manager_of(self, scope: &ResourceScope) -> Option<&'static dyn ResourceManager> {
        let mut methods = self.methods();
        methods.find(|entry| entry.name == scope.manager)?.manager
    }

    /// Finds, of new files in a home directory, those that packages of the user consist of.
    pub fn owned_by_packages(self) -> OwnedByPackages {
        Arc::new(move |home, new| {
            let managers = self.methods().filter_map(|method| method.manager);
            managers
                .flat_map(|manager| manager.owned_files(home, new))
                .collect()
        })
    }

    /// The managers of packages, each once.
    pub(crate) fn managers_of<'r>(
        self,
        resources: impl Iterator<Item = &'r Resource>,
    ) -> Vec<&'static dyn ResourceManager> {
        let names: BTreeSet<&str> = resources
            .map(|resource| resource.scope.manager.as_str())
            .collect();
        let used = self.methods().filter(|entry| names.contains(entry.name));
        used.filter_map(|entry| entry.manager).collect()
    }
}

/// The modules that a plan works on.
pub fn working<'c>(plan: &Plan, catalog: &'c Catalog) -> Vec<&'c Module> {
    let working = plan
        .modules
        .iter()
        .filter(|planned| planned.change.is_work());
    working
        .filter_map(|planned| catalog.get(planned.module.as_str()))
        .collect()
}
