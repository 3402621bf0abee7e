//! From what a source offers to modules: what they need, where they go, which step installs them.

use std::path::Path;

use hoist_core::{
    Action, Application, Checks, Digest, InstalledModule, Maturity, Module, ModuleId, ModulePolicy,
    Recipe, Source, SourceMetadata, Step, Tier, UninstallSpec, Words,
};
use serde_json::json;

use crate::choose::{ChosenRock, PROVIDED};
use crate::index::{Index, IndexEntry};
use crate::kinds::{APPLICATION, ApplicationSource, MercurialSource, PROSODY, RocksSource};
use crate::rocks::{self, LUAROCKS, RockTree};
use crate::version::{Requirement, Version};

/// The modules of the index of a Mercurial repository. `tree` is the copy of its files: without a
/// revision in the index it is no clone that could be mended. `comes_with_server` is true for names
/// that the server itself brings.
pub fn directory_modules(
    source: &Source,
    settings: &MercurialSource,
    index: &Index,
    tree: &Path,
    comes_with_server: &dyn Fn(&str) -> bool,
) -> Vec<Module> {
    of_index(source, index, comes_with_server, &|entry| {
        let id = ModuleId::new(&entry.name).ok()?;
        Some(directory(id, entry, index, tree, &settings.into))
    })
}

/// The modules of the index of a rocks server.
pub fn rock_modules(
    source: &Source,
    settings: &RocksSource,
    index: &Index,
    comes_with_server: &dyn Fn(&str) -> bool,
) -> Vec<Module> {
    let tree = RockTree {
        directory: settings.tree.clone(),
        lua: settings.lua.clone(),
    };
    of_index(source, index, comes_with_server, &|entry| {
        let id = ModuleId::new(&entry.name).ok()?;
        Some(rock(id, entry, &settings.rocks, &tree))
    })
}

/// The modules of the index of an application.
pub fn application_modules(
    source: &Source,
    settings: &ApplicationSource,
    index: &Index,
) -> Vec<Module> {
    of_index(source, index, &|_| false, &|entry| {
        let id = application_id(&source.name, &entry.name)?;
        Some(of_application(id, entry, source, &settings.application))
    })
}

fn of_index(
    source: &Source,
    index: &Index,
    comes_with_server: &dyn Fn(&str) -> bool,
    make: &dyn Fn(&IndexEntry) -> Option<Module>,
) -> Vec<Module> {
    let module = |entry: &IndexEntry| {
        let mut module = make(entry)?;
        module
            .requires
            .retain(|name| !comes_with_server(name.as_str()));
        module
            .offered
            .caveats
            .extend(successor(entry, index, comes_with_server));
        module.source.clone_from(&source.name);
        Some(module)
    };
    index.entries.iter().filter_map(module).collect()
}

fn module(
    id: ModuleId,
    entry: &IndexEntry,
    method: &str,
    step: Step,
    removal: UninstallSpec,
) -> Module {
    let mut requires: Vec<ModuleId> = Vec::new();
    for name in entry
        .depends
        .iter()
        .filter_map(|text| Requirement::new(text))
        .filter_map(|needed| ModuleId::new(&needed.name).ok())
    {
        if name != id && !requires.contains(&name) && !PROVIDED.contains(&name.as_str()) {
            requires.push(name);
        }
    }
    Module {
        id,
        summary: entry.summary.clone(),
        tier: Tier::Optional,
        requires,
        optional_dependencies: Vec::new(),
        method: method.to_owned(),
        is_custom: false,
        recipe: Recipe {
            steps: [(Action::Install, vec![step])].into(),
        },
        checks: Checks::default(),
        repository: None,
        paths: Vec::new(),
        removal,
        tool_directories: Vec::new(),
        config_files: Vec::new(),
        update_method: method.to_owned(),
        timeout: None,
        variables: Default::default(),
        root: Default::default(),
        manifest: Default::default(),
        words: &WORDS,
        digest: Digest::known(String::new()),
        source: String::new(),
        unavailable: None,
        offered: SourceMetadata {
            version: Some(entry.version.clone()),
            stage: entry.stage,
            caveats: caveats(entry),
            held_back: None,
            needs: Vec::new(),
            is_empty: is_empty(entry),
        },
    }
}

/// What the descriptions of modules call things.
static WORDS: Words = Words {
    dependencies: "depends",
    ..Words::NONE
};

/// What rockspecs call things.
static ROCKSPEC_WORDS: Words = Words {
    dependencies: "dependencies",
    ..Words::NONE
};

/// The prefix that the names of modules of an XMPP server have may be left out.
fn aliases(id: &ModuleId) -> Vec<String> {
    let short = id.as_str().strip_prefix("mod_");
    short.into_iter().map(str::to_owned).collect()
}

/// A directory that is copied.
fn directory(id: ModuleId, entry: &IndexEntry, index: &Index, tree: &Path, into: &Path) -> Module {
    let destination = into.join(&entry.name);
    let revision = Some(&index.revision).filter(|revision| !revision.is_empty());
    let args = json!({
        "from": tree.join(&entry.name), "into": destination, "files": entry.files, "version": entry.version, "revision": revision,
        "refused": entry.unusable,
    });
    let removal = UninstallSpec {
        into: Some(into.to_owned()),
        policy: ModulePolicy::of_index(PROSODY),
        aliases: aliases(&id),
        empty: is_empty(entry),
        ..UninstallSpec::default()
    };
    let mut module = module(id, entry, "copy", Step::new("copy", args), removal);
    let main = [format!("{}.lua", entry.name)]
        .into_iter()
        .filter(|main| entry.files.iter().any(|file| file.path == *main));
    let checks = Checks {
        dirs: vec![destination.clone()],
        files: main.map(|main| destination.join(main)).collect(),
        ..Checks::default()
    };
    module.checks = checks;
    module.paths = vec![destination];
    module.root = tree.to_owned();
    module.manifest = tree
        .join(&entry.name)
        .join(entry.readme.as_deref().unwrap_or_default());
    module.digest = Digest::known(entry.digest.clone());
    module
}

/// Two applications may have a module of one name each: the application stands before it.
pub fn application_id(source: &str, name: &str) -> Option<ModuleId> {
    ModuleId::new(&format!("{source}.{name}")).ok()
}

/// A directory that is copied into a web application, and installed there.
fn of_application(
    id: ModuleId,
    entry: &IndexEntry,
    source: &Source,
    application: &Application,
) -> Module {
    let destination = application.directory(&entry.name);
    let origin = entry.origin.as_ref();
    let args = json!({
        "from": origin.map(|origin| &origin.path), "prefix": origin.and_then(|origin| origin.prefix.as_ref()), "into": destination, "files": entry.files,
        "version": entry.version, "refused": entry.unusable,
    });
    let removal = UninstallSpec {
        into: Some(application.ground()),
        policy: ModulePolicy {
            is_validated: true,
            ..ModulePolicy::of_index(APPLICATION)
        },
        short_name: Some(entry.name.clone()),
        aliases: vec![entry.name.clone()],
        tree: Some(application.tree(&entry.name)),
        steps: removal_steps(&entry.name, application),
        settings: serde_json::to_value(application).unwrap_or_default(),
        from: origin.map(|origin| origin.from.clone()),
        ..UninstallSpec::default()
    };
    let mut module = module(id, entry, "directory", Step::new("copy", args), removal);
    if let Some(program) = &entry.installer {
        let args = json!({ "name": entry.name, "application": application, "action": "install", "program": program });
        module
            .recipe
            .steps
            .entry(Action::Install)
            .or_default()
            .push(Step::new("installer", args).after_change());
    }
    module.requires = entry
        .depends
        .iter()
        .filter_map(|name| application_id(&source.name, name))
        .filter(|id| *id != module.id)
        .collect();
    module.checks = Checks {
        dirs: vec![destination.clone()],
        ..Checks::default()
    };
    module.paths = vec![destination];
    module.root = origin.map(|origin| origin.path.clone()).unwrap_or_default();
    module.manifest.clone_from(&module.root);
    module.digest = Digest::known(entry.digest.clone());
    module
}

/// The steps that remove a module of an application: its installer, where it has one.
fn removal_steps(name: &str, application: &Application) -> Vec<Step> {
    let args = json!({ "name": name, "application": application, "action": "uninstall" });
    vec![Step::new("installer", args)]
}

fn rock(id: ModuleId, entry: &IndexEntry, server: &str, rock: &RockTree) -> Module {
    let removal = UninstallSpec {
        into: Some(rock.directory.clone()),
        policy: ModulePolicy::of_index(PROSODY),
        aliases: aliases(&id),
        resources: vec![rock.resource(id.as_str())],
        empty: is_empty(entry),
        ..UninstallSpec::default()
    };
    let checks = Checks {
        dirs: vec![rocks::directory(rock, &entry.name)],
        ..Checks::default()
    };
    let mut module = module(id, entry, LUAROCKS, Step::new(LUAROCKS, json!({})), removal);
    module.checks = checks;
    module.words = &ROCKSPEC_WORDS;
    module.manifest = Path::new(server).join(format!("{}-{}.rockspec", entry.name, entry.version));
    if let Some(newest) = entry.offers.first() {
        add_version(&mut module, &newest.version, &newest.archive, server, None);
    }
    module
}

/// Lets an installed module stay as it is, whatever its source has by now.
pub fn hold(module: &mut Module, installed: &InstalledModule) {
    module.offered.version.clone_from(&installed.version);
    module.digest = installed.digest.clone();
    // Whatever it needs is there.
    module.requires.clear();
}

/// Lets a rock bring the version that was chosen. Where that is an older one which nobody asked
/// for, the module says so, with what of `needs` excludes the newest, which are names and
/// requirements.
pub fn pin<'n>(
    module: &mut Module,
    choice: &ChosenRock,
    server: &str,
    is_asked: bool,
    mut needs: impl Iterator<Item = (&'n str, &'n Requirement)>,
) {
    let newest = module.offered.version.replace(choice.offer.version.clone());
    let newer = newest
        .filter(|newest| !is_asked && Version::new(newest) > Version::new(&choice.offer.version));
    if let Some(newest) = newer {
        let excludes = |requirement: &Requirement| {
            requirement.name == choice.name && !requirement.accepts(&Version::new(&newest))
        };
        let by = needs.find(|(_, requirement)| excludes(requirement));
        let by = by
            .map(|(by, requirement)| {
                format!(
                    ": {by} depends on {} {}",
                    requirement.name, requirement.constraint
                )
            })
            .unwrap_or_default();
        module.offered.held_back = Some(format!(
            "{newest} conflicts with other dependencies or installed rocks{by}"
        ));
    }
    add_version(
        module,
        &choice.offer.version,
        &choice.offer.archive,
        server,
        is_complete(choice).then_some(&choice.needs),
    );
    module.requires = choice
        .needs
        .iter()
        .filter_map(|name| ModuleId::new(name).ok())
        .collect();
    module.manifest =
        Path::new(server).join(format!("{}-{}.rockspec", choice.name, choice.offer.version));
}

/// True where a choice names everything that its rockspec does: nothing of it comes with the server
/// instead.
fn is_complete(choice: &ChosenRock) -> bool {
    let Some(depends) = &choice.offer.depends else {
        return false;
    };
    let names = depends
        .iter()
        .map(|text| Requirement::new(text).map(|needed| needed.name));
    names.into_iter().all(|name| {
        name.is_some_and(|name| PROVIDED.contains(&name.as_str()) || choice.needs.contains(&name))
    })
}

/// `needs` are the names of all that it needs, where these are known.
fn add_version(
    module: &mut Module,
    version: &str,
    archive: &str,
    server: &str,
    needs: Option<&Vec<String>>,
) {
    let Some(rock) = RockTree::of(&module.removal) else {
        return;
    };
    let name = module.id.as_str();
    let args = json!({ "name": name, "version": version, "archive": archive, "server": server, "tree": rock.directory, "lua": rock.lua, "needs": needs });
    let step = Step::new(LUAROCKS, args);
    module.recipe.steps.insert(Action::Install, vec![step]);
    module.digest = Digest::of([name.as_bytes(), version.as_bytes()]);
    module.offered.version = Some(version.to_owned());
}

/// True for a module without a file that could be loaded.
fn is_empty(entry: &IndexEntry) -> bool {
    !entry.loads && entry.origin.is_none()
}

/// What has taken the place of a module in the end: what took its place may have been replaced as
/// well.
fn successor(
    entry: &IndexEntry,
    index: &Index,
    comes_with_server: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let mut seen = vec![entry.name.as_str()];
    let mut last = entry.superseded_by.as_deref()?;
    while let Some(next) = index
        .get(last)
        .and_then(|entry| entry.superseded_by.as_deref())
        .filter(|next| !seen.contains(next))
    {
        seen.push(last);
        last = next;
    }
    let plain: String = last
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    let server = if comes_with_server(last) {
        ", which comes with the server,"
    } else {
        ""
    };
    Some(format!("{plain}{server} replaces it"))
}

/// What somebody should know before they install it.
fn caveats(entry: &IndexEntry) -> Vec<String> {
    let stage = match entry.stage {
        Some(Maturity::Merged) => Some("it is part of the server now".to_owned()),
        Some(stage @ (Maturity::Obsolete | Maturity::Deprecated | Maturity::Broken)) => {
            Some(format!("its author marks it as {stage}"))
        }
        _ => None,
    };
    let empty = is_empty(entry).then(|| format!("it has no {}.lua to load", entry.name));
    // Others wrote this, and it is shown on terminals.
    let plain = |text: String| {
        text.chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect()
    };
    let unusable = entry
        .unusable
        .as_ref()
        .map(|why| format!("it cannot be installed: {why}"));
    let left_out = entry.left_out.iter().map(|(link, target)| {
        format!("its symbolic link {link} leads out of the module, to {target}, and is left out")
    });
    stage
        .into_iter()
        .chain(empty.filter(|_| unusable.is_none()))
        .chain(unusable)
        .chain(left_out)
        .map(plain)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Offer;

    #[test]
    fn a_directory_needs_what_its_head_says_and_says_what_is_wrong_with_it() {
        let entry = IndexEntry {
            name: "mod_a".into(),
            version: "abc".into(),
            depends: vec!["mod_b >= 2".into(), "mod_smacks".into(), "mod_b".into()],
            stage: Some(Maturity::Obsolete),
            superseded_by: Some("mod_c".into()),
            ..IndexEntry::default()
        };
        let index = Index {
            revision: "r".into(),
            entries: vec![entry],
            ..Index::default()
        };
        let settings = MercurialSource {
            mercurial: "x".into(),
            modules: vec!["*".into()],
            into: "/srv".into(),
        };
        let (source, tree) = (settings.source("here"), Path::new("/cache"));
        let read = directory_modules(&source, &settings, &index, tree, &|name| {
            name == "mod_smacks"
        });
        assert_eq!(
            read[0]
                .requires
                .iter()
                .map(ModuleId::as_str)
                .collect::<Vec<_>>(),
            ["mod_b"]
        );
        assert_eq!(
            read[0].offered.caveats.len(),
            3,
            "{:?}",
            read[0].offered.caveats
        );
        assert_eq!(
            (read[0].source.as_str(), read[0].paths[0].as_path()),
            ("here", Path::new("/srv/mod_a"))
        );
    }

    #[test]
    fn a_rock_brings_its_newest_version_until_another_is_chosen() {
        let offer = |version: &str| Offer {
            version: version.into(),
            depends: Some(vec!["c".into()]),
            archive: format!("{version}.rock"),
        };
        let entry = IndexEntry {
            name: "a".into(),
            version: "2-1".into(),
            depends: vec!["b".into(), "utf8".into()],
            offers: vec![offer("2-1"), offer("1-1")],
            ..IndexEntry::default()
        };
        let index = Index {
            entries: vec![entry],
            ..Index::default()
        };
        let settings = RocksSource {
            rocks: "http://h/r".into(),
            tree: "/t".into(),
            lua: "5.4".into(),
        };
        let source = settings.source("here");
        let mut read = rock_modules(&source, &settings, &index, &|_| false).remove(0);
        assert_eq!(
            (read.offered.version.as_deref(), read.requires.len()),
            (Some("2-1"), 1)
        );
        let former = read.digest.clone();
        pin(
            &mut read,
            &ChosenRock {
                name: "a".into(),
                offer: offer("1-1"),
                needs: vec!["c".into()],
            },
            "http://h/r",
            false,
            std::iter::empty(),
        );
        assert_eq!(
            read.recipe.steps(Action::Install)[0].args["archive"],
            "1-1.rock"
        );
        assert_eq!(
            (read.requires[0].as_str(), read.digest == former),
            ("c", false)
        );
        assert_eq!(read.checks.dirs, [Path::new("/t/lib/luarocks/rocks-5.4/a")]);
    }
}
