//! Rocks of modules: each such module is one, and LuaRocks records its files.

use std::collections::BTreeSet;

use hoist_core::{Presence, Resource, ResourceScope};
use hoist_executor::{Failure, ItemChange};
use hoist_sources::Version;
use hoist_sources::rocks::{LUAROCKS, RockTree};

use super::{
    foreign_dependents, is_only, modified, needs_of_rocks, pool, remove, rock_version, rocks_of,
    to_remove, versions,
};
use hoist_system::context::StepContext;
use hoist_system::resource::{
    PackageMove, ResourceChange, ResourceManager, ResourceUndo, UndoConflict,
};

/// Why the update or removal of a rock is not undone.
const ROCK_STAYS: &str =
    "undo does not change the version of a rock, and does not install a removed one again";

/// Manages rocks in trees.
pub(super) struct Rocks;

fn tree(scope: &ResourceScope) -> Result<RockTree, Failure> {
    let tree = RockTree::from_scope(scope);
    tree.ok_or_else(|| Failure::new("the version of Lua of a rock is not recorded"))
}

impl ResourceManager for Rocks {
    fn name(&self) -> &'static str {
        LUAROCKS
    }

    fn nouns(&self) -> [&'static str; 2] {
        ["rock", "rocks"]
    }

    fn describe(&self, scope: &ResourceScope, name: &str) -> String {
        format!("rock {name} in {}", scope.directory.display())
    }

    fn records_files(&self) -> bool {
        true
    }

    fn request(&self, name: &str, version: &str) -> String {
        format!("{name} {version}")
    }

    fn pool(&self, scope: &ResourceScope) -> String {
        pool(&scope.directory).0
    }

    fn versions(&self, scope: &ResourceScope, name: &str) -> Vec<String> {
        tree(scope).map_or(Vec::new(), |tree| versions(&tree, name))
    }

    fn names(&self, scope: &ResourceScope) -> BTreeSet<String> {
        let rocks = tree(scope).map(|tree| rocks_of(&tree));
        rocks.map_or(BTreeSet::new(), |rocks| rocks.into_keys().collect())
    }

    fn install(&self, _: &ResourceScope, _: &[String], _: &StepContext<'_>) -> Result<(), Failure> {
        Err(Failure::new(ROCK_STAYS))
    }

    fn remove(
        &self,
        scope: &ResourceScope,
        names: &[String],
        version: Option<&str>,
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let tree = tree(scope)?;
        let mut names = names.iter();
        names.try_for_each(|name| remove(&tree, name, version, false, context))
    }

    fn presence(&self, scope: &ResourceScope, name: &str, wanted: Option<&str>) -> Presence {
        let there = self.versions(scope, name);
        match (there.first(), wanted) {
            (None, _) => Presence::Missing(self.describe(scope, name)),
            (Some(_), Some(wanted)) if there.iter().any(|there| there == wanted) => {
                Presence::Present
            }
            (Some(other), _) => Presence::Other(other.clone()),
        }
    }

    fn is_newer(&self, version: &str, than: &str) -> bool {
        Version::new(version) > Version::new(than)
    }

    fn going(&self, scope: &ResourceScope, name: &str, version: Option<&str>) -> Vec<String> {
        let there = tree(scope).map(|tree| to_remove(&tree, name, version));
        let described =
            |version: String| format!("rock {name} {version} in {}", scope.directory.display());
        let there = there.unwrap_or_default().into_iter();
        there.map(described).collect()
    }

    fn is_only(
        &self,
        scope: &ResourceScope,
        name: &str,
        version: &str,
        context: &StepContext<'_>,
    ) -> bool {
        tree(scope).is_ok_and(|tree| is_only(&tree, name, version, context))
    }

    fn leave(
        &self,
        former: &Resource,
        version: Option<&str>,
        destination: &PackageMove<'_>,
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let name = former.name.as_str();
        // In one tree LuaRocks has put the one in place of the other.
        if destination.now.contains(former) {
            return Ok(());
        }
        let tree = tree(&former.scope)?;
        // The tree is another one now, and what hoist knows to need it moves as well.
        let moves = destination.is_same_source;
        let installed = destination.installed;
        let is_known = |name: &str| {
            installed.modules.contains_key(name) || installed.unfinished.contains_key(name)
        };
        let needs = needs_of_rocks(&tree).into_iter();
        let mut dependents = needs.filter(|(other, needs)| {
            !is_known(other) && needs.iter().any(|need| need.name == name)
        });
        if let Some((other, _)) = dependents.next().filter(|_| moves) {
            let why = format!("{other}, which hoist did not install, depends on it");
            let subject = self.describe(&former.scope, name);
            context.task.item(ItemChange::Preserved, subject, Some(why));
            return Ok(());
        }
        remove(&tree, name, version, moves, context)
    }

    fn plan_undo(&self, change: &ResourceChange<'_>) -> Result<ResourceUndo, Failure> {
        let mut plan = ResourceUndo::default();
        let name = change.module.as_str();
        let was_installed = change.was.is_installed();
        let now = change.now.and_then(RockTree::of);
        if let Some(tree) = now.as_ref().filter(|_| !was_installed) {
            plan.removed.push(format!("rock {name}"));
            plan.conflicts.extend(dependents(change, tree));
            plan.conflicts.extend(modified_files(change, tree)?);
        }
        // A rock of another version, or one in the place of what came from another source.
        let before = RockTree::of(&change.before);
        let is_same = |tree: &RockTree| rock_version(tree, name).as_deref() == change.was.version();
        let former = before.clone().filter(|tree| !is_same(tree));
        let other = now.filter(|tree| before.as_ref() != Some(tree));
        if let Some(tree) = former.or(other).filter(|_| was_installed) {
            plan.conflicts.push(UndoConflict {
                path: tree.directory,
                why: ROCK_STAYS.to_owned(),
                can_be_forced: false,
                remedy: remedy(change),
            });
        }
        Ok(plan)
    }

    fn undo(&self, change: &ResourceChange<'_>, context: &StepContext<'_>) -> Result<(), Failure> {
        let name = change.module.as_str();
        let now = change.now.and_then(RockTree::of);
        if let Some(tree) = now.as_ref().filter(|_| !change.was.is_installed()) {
            return remove(tree, name, None, false, context);
        }
        let is_same = |tree: &RockTree| rock_version(tree, name).as_deref() == change.was.version();
        match (now, RockTree::of(&change.before)) {
            (None, None) => Ok(()),
            // Only what is around the rock was changed.
            (Some(now), Some(before)) if now == before && is_same(&before) => Ok(()),
            _ => Err(Failure::new(ROCK_STAYS)),
        }
    }
}

/// Rocks that need the one that would be removed, and that hoist did not install.
fn dependents(change: &ResourceChange<'_>, tree: &RockTree) -> Option<UndoConflict> {
    let name = change.module.as_str();
    let dependents = foreign_dependents(tree, name, change.installed);
    let first = dependents.first()?;
    let why = format!("{} in this tree depends on {name}", dependents.join(", "));
    let remedy = format!(
        "run `luarocks --tree {} remove {first}` to remove the dependent rock first",
        tree.directory.display()
    );
    Some(UndoConflict {
        path: tree.directory.clone(),
        why,
        can_be_forced: false,
        remedy: Some(remedy),
    })
}

/// Files of a rock that would be removed and that somebody modified or added.
fn modified_files(
    change: &ResourceChange<'_>,
    tree: &RockTree,
) -> Result<Vec<UndoConflict>, Failure> {
    let name = change.module.as_str();
    let mut conflicts: Vec<UndoConflict> = Vec::new();
    for version in to_remove(tree, name, None) {
        let modified = modified(tree, name, &version, change.record)
            .map_err(|error| Failure::new(format!("cannot read {error}")))?;
        for path in modified {
            let why = match change.record.contains_key(&path) {
                true => "it was modified since the run",
                false => "the run did not create it",
            };
            if !conflicts.iter().any(|conflict| conflict.path == path) {
                conflicts.push(UndoConflict {
                    path,
                    why: why.to_owned(),
                    can_be_forced: true,
                    remedy: None,
                });
            }
        }
    }
    Ok(conflicts)
}

/// What brings a former rock back.
fn remedy(change: &ResourceChange<'_>) -> Option<String> {
    let moved = change
        .was
        .source()
        .filter(|source| change.source.is_some_and(|now| now != *source));
    let module = change.module;
    match (moved, change.was.version()) {
        (Some(source), _) => Some(format!(
            "run `hoist migrate {module} --to {source}` to restore the previous module"
        )),
        (None, Some(version)) => Some(format!(
            "run `hoist install {module}@{version}` to restore the previous version"
        )),
        (None, None) => None,
    }
}
