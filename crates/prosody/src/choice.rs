//! What a request brings of the modules of a server: versions of rocks, modules at revisions, and
//! what stands in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_core::{
    Action, Catalog, Change, Diagnostic, Installed, InstalledModule, Module, ModuleId, Plan,
    Request, Source,
};
use hoist_resolver::wanted;
use hoist_sources::choose::{ChosenRock, InstalledRocks, RockConflict, RockRequest, choose};
use hoist_sources::kinds::{MERCURIAL, MercurialSource, ROCKS, RocksSource};
use hoist_sources::modules::{directory_modules, pin};
use hoist_sources::rocks::{self, RockTree};
use hoist_sources::{Index, IndexEntry, Offer, Requirement, Version};
use hoist_system::source_cache::SourceCache;

use crate::luarocks::{foreign_dependents, needs_of_rocks, rocks_of};

/// What is known of the modules of a server while a request is settled.
pub struct ServerModules<'a> {
    /// All modules.
    pub catalog: &'a mut Catalog,
    /// The sources, by priority.
    pub sources: &'a [Source],
    /// What they offered when they were last looked at.
    pub indexes: &'a BTreeMap<String, Index>,
    /// The modules that come with the server.
    pub builtin: &'a BTreeSet<String>,
    /// The modules that stay as they are.
    pub held: &'a BTreeSet<String>,
    /// Where copies of sources are.
    pub cache: &'a Path,
}

/// A tree of rocks, with what the servers that install into it offer together.
struct ServedTree {
    names: Vec<String>,
    rock: RockTree,
    index: Index,
    /// Where each rock is fetched from.
    places: BTreeMap<String, (String, String)>,
}

impl ServerModules<'_> {
    /// Rocks that an update of everything leaves as they are, since their source has made their newest
    /// versions impossible; each with the reason.
    pub fn held_rocks(&self, installed: &Installed) -> Vec<(String, String)> {
        let mut held: Vec<(String, String)> = Vec::new();
        let has_rocks = installed
            .modules
            .values()
            .any(|record| RockTree::of(&record.removal).is_some());
        for ServedTree {
            names, rock, index, ..
        } in if has_rocks {
            self.rock_trees()
        } else {
            Vec::new()
        } {
            let of_servers = |(id, record): (&ModuleId, &InstalledModule)| {
                names.contains(&record.source).then(|| id.to_string())
            };
            let mut asked: Vec<String> = installed
                .modules
                .iter()
                .filter_map(of_servers)
                .filter(|name| index.get(name).is_some())
                .collect();
            let there = rocks_of(&rock);
            let foreign = || {
                there
                    .iter()
                    .filter(|(name, _)| !asked.contains(name))
                    .map(|(name, version)| (name.clone(), version.clone()))
            };
            let any = |names: &[String]| names.iter().map(RockRequest::any).collect::<Vec<_>>();
            let needs = needs_of_rocks(&rock);
            let tree = |installed: BTreeMap<String, String>| InstalledRocks {
                installed,
                needs: needs.clone(),
            };
            if choose(
                &index,
                &any(&asked),
                &tree(foreign().collect()),
                self.builtin,
            )
            .is_ok()
            {
                continue;
            }
            for name in std::mem::take(&mut asked) {
                // Together with those that can be updated so far.
                let together: Vec<String> = asked.iter().cloned().chain([name.clone()]).collect();
                let keep = there
                    .iter()
                    .filter(|(name, _)| !together.contains(name))
                    .map(|(name, version)| (name.clone(), version.clone()));
                match choose(&index, &any(&together), &tree(keep.collect()), self.builtin) {
                    Ok(_) => asked.push(name),
                    Err(conflict) => held.push((name, conflict.to_string())),
                }
            }
        }
        held
    }

    fn rock_trees(&self) -> Vec<ServedTree> {
        let mut all: Vec<ServedTree> = Vec::new();
        for source in self.sources {
            let Some(settings) = source.settings::<RocksSource>(ROCKS) else {
                continue;
            };
            let Some(index) = self.indexes.get(&source.name) else {
                continue;
            };
            let rocks = &settings.rocks;
            let rock = RockTree {
                directory: settings.tree.clone(),
                lua: settings.lua.clone(),
            };
            let place = all
                .iter()
                .position(|tree| tree.rock == rock)
                .unwrap_or_else(|| {
                    all.push(ServedTree {
                        names: Vec::new(),
                        rock,
                        index: Index::default(),
                        places: BTreeMap::new(),
                    });
                    all.len() - 1
                });
            let tree = &mut all[place];
            tree.names.push(source.name.clone());
            for entry in &index.entries {
                // What the catalog has is what counts of several.
                let counts = || {
                    self.catalog
                        .get(&entry.name)
                        .is_some_and(|module| module.source == source.name)
                };
                let known = tree.places.contains_key(&entry.name);
                if known && counts() {
                    tree.index.entries.retain(|known| known.name != entry.name);
                }
                if !known || counts() {
                    tree.index.entries.push(entry.clone());
                    tree.places
                        .insert(entry.name.clone(), (source.name.clone(), rocks.clone()));
                }
            }
        }
        all.iter_mut()
            .for_each(|tree| tree.index.entries.sort_by(|a, b| a.name.cmp(&b.name)));
        all
    }

    /// Chooses versions of the rocks that a request brings, and of all they need.
    pub fn pin_rocks(&mut self, installed: &Installed, request: &Request) -> Vec<Diagnostic> {
        let changes =
            matches!(request.action, Action::Install | Action::Update) && !request.no_deps;
        // Most requests are not about rocks.
        if !changes
            || wanted(self.catalog, installed, request, &|module| {
                RockTree::of(&module.removal).is_some()
            })
            .is_empty()
        {
            return Vec::new();
        }
        let mut errors = Vec::new();
        for ServedTree {
            names,
            rock,
            index,
            places,
        } in self.rock_trees()
        {
            let of_server = |module: &Module| names.contains(&module.source);
            let mut asked: Vec<String> = wanted(self.catalog, installed, request, &of_server);
            asked.retain(|name| index.get(name).is_some() && !self.held.contains(name));
            if asked.is_empty() {
                continue;
            }
            let updated = |name: &String| {
                request.action == Action::Update
                    && installed.modules.contains_key(name.as_str())
                    && asked.contains(name)
            };
            let newest = |name: &str| {
                index
                    .get(name)
                    .and_then(|entry| entry.offers.first())
                    .map(|offer| Version::new(&offer.version))
            };
            let mut keep = rocks_of(&rock);
            // What somebody brought further than the server has it stays.
            keep.retain(|name, version| {
                !updated(name) || newest(name).is_some_and(|newest| newest <= Version::new(version))
            });
            // Nor does what comes from another source now.
            let moves = |name: &str| {
                let source = self.catalog.get(name).map(|module| &module.source);
                request.migrate
                    && installed
                        .modules
                        .get(name)
                        .is_some_and(|record| Some(&record.source) != source)
            };
            keep.retain(|name, _| !(asked.contains(name) && moves(name)));
            let asked: Vec<RockRequest> = asked
                .into_iter()
                .map(|name| RockRequest {
                    version: request.versions.get(&name).cloned(),
                    name,
                })
                .collect();
            // What is asked for in another version does not stay as it is.
            keep.retain(|name, version| {
                !asked
                    .iter()
                    .any(|asked| asked.name == *name && !asked.accepts(version))
            });
            errors.extend(
                asked
                    .iter()
                    .filter_map(|asked| not_offered(asked, &index, &keep)),
            );
            let tree = InstalledRocks {
                installed: keep.clone(),
                needs: needs_of_rocks(&rock),
            };
            match choose(&index, &asked, &tree, self.builtin) {
                _ if !errors.is_empty() => {}
                Ok(choices) => {
                    let of_choice = |choice: &ChosenRock| -> (String, Vec<Requirement>) {
                        let depends = choice.offer.depends.iter().flatten();
                        (
                            choice.name.clone(),
                            depends.filter_map(|text| Requirement::new(text)).collect(),
                        )
                    };
                    let mut needs = tree.needs.clone();
                    needs.extend(
                        choices
                            .iter()
                            .filter(|choice| choice.offer.depends.is_some())
                            .map(of_choice),
                    );
                    let needs = || {
                        needs.iter().flat_map(|(name, needs)| {
                            needs.iter().map(move |need| (name.as_str(), need))
                        })
                    };
                    for choice in choices
                        .iter()
                        .filter(|choice| !self.held.contains(&choice.name))
                    {
                        let Some((source, server)) = places.get(&choice.name) else {
                            continue;
                        };
                        if let Some(module) = self
                            .catalog
                            .get_mut(&choice.name)
                            .filter(|module| module.source == *source)
                        {
                            pin(
                                module,
                                choice,
                                server,
                                request.versions.contains_key(&choice.name),
                                needs(),
                            );
                            // What is there by hand and nowhere else need not be installed.
                            module.requires.retain(|name| {
                                places.contains_key(name.as_str())
                                    || !keep.contains_key(name.as_str())
                            });
                        }
                    }
                }
                Err(RockConflict::Missing(by, what)) => {
                    let message = format!(
                        "the module depends on {what}, which neither {} nor the server provides",
                        names.join(" and ")
                    );
                    let wrong = Diagnostic::error(message).module(by).field("dependencies");
                    errors.push(
                        wrong.help(
                            "run `hoist sync` to refresh the rocks server, or add --no-deps to install the module without its dependencies",
                        ),
                    );
                }
                Err(conflict @ RockConflict::Needed(..)) => {
                    let RockConflict::Needed(name, _, by, _) = &conflict else {
                        continue;
                    };
                    let wrong = Diagnostic::error(conflict.to_string()).module(name.as_str());
                    errors.push(wrong.help(format!(
                        "update or remove {by} first, or request another version of {name}"
                    )));
                }
                Err(RockConflict::Derived(reasons)) => {
                    let reasons = reasons.split_whitespace().collect::<Vec<_>>().join(" ");
                    errors.push(Diagnostic::error(format!(
                        "no versions from {} satisfy all dependencies: {reasons}",
                        names.join(" and ")
                    )));
                }
            }
        }
        errors
    }

    /// Puts a module of a repository into the catalog as it was at a revision. Rocks get their versions
    /// later.
    pub fn revise(&mut self, name: &str, revision: &str) -> Result<(), Diagnostic> {
        let Some(module) = self
            .catalog
            .get(name)
            .filter(|module| RockTree::of(&module.removal).is_none())
        else {
            return Ok(());
        };
        let source = self
            .sources
            .iter()
            .find(|source| source.name == module.source);
        let Some(source) = source.filter(|source| source.kind == MERCURIAL) else {
            let wrong = Diagnostic::error("the module has no versions to choose from").module(name);
            return Err(wrong.help(format!(
                "run `hoist install {name}` to install the version in its source"
            )));
        };
        let chosen = self
            .indexes
            .get(&source.name)
            .map(|index| index.chosen.as_slice())
            .unwrap_or_default();
        let of_revision: Vec<IndexEntry> = chosen
            .iter()
            .filter(|chosen| chosen.revision == revision)
            .map(|chosen| chosen.entry.clone())
            .collect();
        let Some(entry) = of_revision.iter().find(|entry| entry.name == name) else {
            let wrong = Diagnostic::error(format!("unknown revision {}", revision.escape_debug()))
                .module(name);
            return Err(wrong.help("use the number, the hash or a tag of a revision of its repository; `hoist install` fetches it"));
        };
        if let Some(why) = &entry.unusable {
            let wrong = Diagnostic::error(format!(
                "the module is not available at revision {}: {why}",
                revision.escape_debug()
            ))
            .module(name);
            return Err(
                wrong.help("use the number, the hash or a tag of a revision of its repository")
            );
        }
        let revised = self.module_at(source, entry);
        // What it needs and is gone by now comes from the same revision.
        let gone: Vec<Module> = of_revision
            .iter()
            .filter(|other| other.unusable.is_none() && self.catalog.get(&other.name).is_none())
            .filter_map(|other| self.module_at(source, other))
            .collect();
        if let Some((module, revised)) = self.catalog.get_mut(name).zip(revised) {
            *module = revised;
        }
        gone.into_iter().for_each(|module| self.catalog.put(module));
        Ok(())
    }

    /// A module of a repository as it was at a revision.
    fn module_at(&self, source: &Source, entry: &IndexEntry) -> Option<Module> {
        let copy = SourceCache::new(self.cache, source).chosen(&entry.version, &entry.name);
        let index = Index {
            entries: vec![entry.clone()],
            ..Index::default()
        };
        let settings: MercurialSource = source.settings(MERCURIAL)?;
        directory_modules(source, &settings, &index, &copy, &|name| {
            self.builtin.contains(name)
        })
        .pop()
    }

    /// Puts modules into the catalog that are asked for at a revision, and that no source has any more.
    pub fn put_gone(&mut self, names: &[String], versions: &[Option<String>]) {
        for (name, revision) in names
            .iter()
            .zip(versions)
            .filter_map(|(name, version)| Some((name, version.as_deref()?)))
        {
            if self.catalog.canonical(name).is_some() {
                continue;
            }
            let asked = RockRequest {
                name: name.clone(),
                version: None,
            };
            let found = self.sources.iter().find_map(|source| {
                let chosen = &self.indexes.get(&source.name)?.chosen;
                let is_it =
                    |entry: &&IndexEntry| asked.is_called(&entry.name) && entry.unusable.is_none();
                let of_revision = chosen
                    .iter()
                    .filter(|chosen| chosen.revision == revision)
                    .map(|chosen| &chosen.entry);
                self.module_at(source, of_revision.into_iter().find(is_it)?)
            });
            found
                .into_iter()
                .for_each(|module| self.catalog.put(module));
        }
    }
}

/// Says which versions of a rock there are, where none of them is the one that is asked for.
fn not_offered(
    asked: &RockRequest,
    index: &Index,
    there: &BTreeMap<String, String>,
) -> Option<Diagnostic> {
    let version = asked.version.as_ref()?;
    let offers = &index.get(&asked.name)?.offers;
    let known = offers
        .iter()
        .map(|offer| offer.version.as_str())
        .chain(there.get(&asked.name).map(String::as_str));
    if known.clone().any(|known| asked.accepts(known)) {
        let is_read = |offer: &Offer| offer.depends.is_some() && asked.accepts(&offer.version);
        let is_ready = offers.iter().any(is_read)
            || there
                .get(&asked.name)
                .is_some_and(|there| asked.accepts(there));
        let wrong = || {
            Diagnostic::error(format!("the dependencies of version {version} are unknown"))
                .module(asked.name.as_str())
        };
        return (!is_ready)
            .then(|| wrong().help("run `hoist install`, which reads them from the server"));
    }
    let wrong = Diagnostic::error(format!(
        "the module has no version {}",
        version.escape_debug()
    ))
    .module(asked.name.as_str());
    Some(wrong.help(format!(
        "available versions: {}",
        known.collect::<Vec<_>>().join(", ")
    )))
}

/// Rocks that others in their tree need, which hoist knows nothing of, count as asked for.
pub fn spare_what_others_need(installed: &mut Installed) {
    let trees: Vec<RockTree> = installed
        .modules
        .values()
        .filter_map(|record| RockTree::of(&record.removal))
        .collect();
    let mut seen: Vec<&RockTree> = Vec::new();
    for rock in &trees {
        if seen.contains(&rock) {
            continue;
        }
        seen.push(rock);
        let foreign = |name: &String| {
            !installed
                .modules
                .get(name.as_str())
                .is_some_and(|record| RockTree::of(&record.removal).as_ref() == Some(rock))
        };
        let needed: BTreeSet<String> = needs_of_rocks(rock)
            .into_iter()
            .filter(|(name, _)| foreign(name))
            .flat_map(|(_, needs)| needs)
            .map(|need| need.name)
            .collect();
        for name in needed {
            if let Some(record) = installed
                .modules
                .get_mut(name.as_str())
                .filter(|record| RockTree::of(&record.removal).as_ref() == Some(rock))
            {
                record.is_explicit = true;
            }
        }
    }
}

/// Rocks that are to be removed and that rocks of somebody else need.
pub fn needed_by_others(installed: &Installed, plan: &Plan) -> Vec<Diagnostic> {
    let wrong = |planned: &hoist_core::PlannedModule| {
        let name = planned.module.as_str();
        let record = installed
            .modules
            .get(name)
            .filter(|record| !record.adopted)?;
        let rock = RockTree::of(&record.removal)?;
        let dependents = foreign_dependents(&rock, name, installed);
        let first = dependents.first()?;
        let message = format!(
            "{} in {}, which hoist did not install, depends on the module",
            dependents.join(", "),
            rock.directory.display()
        );
        let help = format!(
            "run `luarocks --tree {} remove {first}` to remove the dependent rock first",
            rock.directory.display()
        );
        Some(Diagnostic::error(message).module(name).help(help))
    };
    plan.modules
        .iter()
        .filter(|planned| planned.change.is_work())
        .filter_map(wrong)
        .collect()
}

/// What stands in the way of modules that are to be installed: one that comes with the server, or
/// the same from another source.
pub fn conflicts(
    catalog: &Catalog,
    sources: &[Source],
    builtin: &BTreeSet<String>,
    installed: &Installed,
    plan: &Plan,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for planned in plan.modules.iter().filter(|planned| {
        matches!(
            planned.change,
            Change::Install | Change::Migrate | Change::Repair
        )
    }) {
        let name = planned.module.as_str();
        let Some(module) = catalog
            .get(name)
            .filter(|module| module.policy().keeps_source)
        else {
            continue;
        };
        let record = installed
            .modules
            .get(name)
            .or_else(|| installed.unfinished.get(name));
        if builtin.contains(name) && record.is_none() {
            let message = "the module comes with the server, and would be shadowed by the one that is installed";
            found.push(Diagnostic::error(message).module(name).help(
                "enable it in the server's configuration, or add --force to install it anyway",
            ));
        }
        let former = record.map(|record| record.source.as_str());
        if let Some((other, place)) =
            stands_from_another(sources, module).filter(|(other, _)| Some(*other) != former)
        {
            let message = format!(
                "the module of source {other} already exists at {}; only one of them would be loaded",
                place.display()
            );
            found.push(
                Diagnostic::error(message)
                    .module(name)
                    .help("move the existing module away, or add --force to install both"),
            );
        }
    }
    found
}

/// The source from which something of a module's name stands in its place beside this one, and
/// where.
pub fn stands_from_another<'s>(
    sources: &'s [Source],
    module: &Module,
) -> Option<(&'s str, PathBuf)> {
    let name = module.id.as_str();
    let own = module
        .paths
        .iter()
        .chain(&module.checks.dirs)
        .cloned()
        .collect::<Vec<_>>();
    sources
        .iter()
        .filter(|other| other.name != module.source)
        .find_map(|other| {
            let community = other.settings::<MercurialSource>(MERCURIAL);
            let rocks = other.settings::<RocksSource>(ROCKS);
            let place = match (community, rocks) {
                (Some(community), _) => community.into.join(name),
                (None, Some(rocks)) => rocks::directory(
                    &RockTree {
                        directory: rocks.tree,
                        lua: rocks.lua,
                    },
                    name,
                ),
                (None, None) => return None,
            };
            // Two sources may have one place.
            (!own.contains(&place) && place.symlink_metadata().is_ok())
                .then_some((other.name.as_str(), place))
        })
}
