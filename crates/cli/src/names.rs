//! Which module each name of a request means, which versions of rocks are brought, and what stands
//! in the way of a module on the other side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hoist_core::{
    Action, Catalog, Change, DescribedBy, Diagnostic, Installed, InstalledModule, Module, ModuleId,
    Plan, Request, Selection, Tier,
};
use hoist_prosody::choice::{conflicts, needed_by_others, stands_from_another};
use hoist_sources::modules::hold;

use crate::error::CommandError;
use crate::session::Session;
use crate::{plugins, render, run};

/// Settles what a request means before it is resolved: names as their modules have them, the right
/// one of several modules of a name in the catalog, the versions of rocks that go together.
pub(crate) fn resolve_names(
    session: &mut Session,
    installed: &Installed,
    request: &mut Request,
) -> Result<(), CommandError> {
    session.catalog.prefer_installed(installed);
    if let Some(source) = request.source.clone() {
        known_source(session, installed, &source)?;
        narrow(&session.catalog, installed, request, &source);
    }
    if let Selection::Names(names) = &mut request.selection {
        *names = modules_of_places(session, std::mem::take(names))?;
    }
    let mut errors = Vec::new();
    let (action, narrowed) = (request.action, request.source.clone());
    let versions = match &mut request.selection {
        Selection::Names(names) if action == Action::Install => take_versions(names),
        _ => Vec::new(),
    };
    let asked = match &request.selection {
        Selection::Names(names) => names.clone(),
        _ => Vec::new(),
    };
    session.server_modules().put_gone(&asked, &versions);
    let unsynced: Vec<String> = session
        .unknown_sources()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut settled = |names: &mut Vec<String>| {
        for name in names {
            match resolve_name(
                &mut session.catalog,
                installed,
                action,
                narrowed.as_deref(),
                &unsynced,
                name,
            ) {
                Ok(id) => *name = id,
                Err(error) => errors.push(error),
            }
        }
    };
    if let Selection::Names(names) = &mut request.selection {
        settled(names);
    }
    settled(&mut request.with);
    if let Selection::Names(names) = &request.selection {
        for (name, version) in names.iter().zip(versions) {
            let Some(version) = version else { continue };
            let former = request.versions.insert(name.clone(), version.clone());
            if let Some(former) = former.filter(|former| *former != version) {
                let message = format!("two versions are requested: {former} and {version}");
                errors.push(
                    Diagnostic::error(message)
                        .module(name.as_str())
                        .help("request only one version"),
                );
            }
        }
        let source = |place: usize| {
            asked
                .get(place)
                .and_then(|name: &String| name.split_once('/'))
                .map(|(source, _)| source.to_owned())
        };
        for (place, name) in names.iter().enumerate() {
            let other =
                (0..place).find(|other| names[*other] == *name && source(*other) != source(place));
            if let Some(other) = other.filter(|_| request.action == Action::Install) {
                let message = format!(
                    "the module is requested from two sources: {} and {}",
                    asked[other], asked[place]
                );
                errors.push(
                    Diagnostic::error(message)
                        .module(name.as_str())
                        .help("only one of them can be installed; name that one"),
                );
            }
        }
    }
    errors.extend(
        request
            .versions
            .iter()
            .filter_map(|(name, version)| session.server_modules().revise(name, version).err()),
    );
    if !errors.is_empty() {
        return Err(errors.into());
    }
    request.skip.iter_mut().for_each(|name| {
        if let Some(id) = session.catalog.canonical(name) {
            *name = id.to_string();
        }
    });
    from_one_side(session, installed, request)?;
    if request.action == Action::Update && !matches!(request.selection, Selection::Names(_)) {
        hold_what_cannot_be(session, installed);
    }
    plugins::pin(session, installed, request)?;
    let errors = session.server_modules().pin_rocks(installed, request);
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors.into()),
    }
}

/// The modules of the places that are named, and the other names as they are.
fn modules_of_places(session: &Session, names: Vec<String>) -> Result<Vec<String>, CommandError> {
    let Some((source, offers)) = session
        .application
        .as_ref()
        .and_then(|source| Some((source, session.offers.get(source)?)))
    else {
        return Ok(names);
    };
    let mut modules = Vec::new();
    for name in names {
        match offers.by_place.get(&name) {
            Some(found) => modules.extend(found.iter().map(|found| format!("{source}/{found}"))),
            None if !hoist_applications::offers::is_place(&name) => modules.push(name),
            None => {
                let problem = session
                    .problems
                    .iter()
                    .find(|problem| problem.file.as_ref() == Some(&name))
                    .cloned();
                let unknown = || {
                    Diagnostic::error("the location was not fetched yet")
                        .file(name.clone())
                        .help("run `hoist sync` or `hoist install` to fetch it")
                };
                return Err(CommandError::wrong(problem.unwrap_or_else(unknown)));
            }
        }
    }
    Ok(modules)
}

/// An update of everything is not held up by one module that its source has made impossible: that
/// stays as it is.
fn hold_what_cannot_be(session: &mut Session, installed: &Installed) {
    let mut held = session.server_modules().held_rocks(installed);
    for (id, record) in installed
        .modules
        .iter()
        .filter(|(_, record)| record.policy().has_versions)
    {
        let Some(module) = session
            .catalog
            .get(id.as_str())
            .filter(|module| module.source == record.source)
        else {
            continue;
        };
        // Of a package there may be an older version that does not need it.
        if record.removal.owned().next().is_some() {
            continue;
        }
        let unknown = |name: &&ModuleId| {
            session.catalog.get(name.as_str()).is_none()
                && session.catalog.broken(name.as_str()).is_none()
        };
        if let Some(missing) = module
            .requires
            .iter()
            .find(unknown)
            .filter(|_| !held.iter().any(|(name, _)| name == id.as_str()))
        {
            held.push((
                id.to_string(),
                format!("its new version depends on {missing}, which no source provides"),
            ));
        }
    }
    // What needs each other was installed with --no-deps; it is brought forward in any order.
    let needs = |name: &str| {
        session
            .catalog
            .get(name)
            .map(|module| module.requires.clone())
            .unwrap_or_default()
    };
    let in_circle = |id: &&ModuleId| {
        let (mut waiting, mut seen) = (needs(id.as_str()), BTreeSet::new());
        while let Some(next) = waiting.pop().filter(|next| next != *id) {
            if seen.insert(next.clone()) {
                waiting.extend(needs(next.as_str()));
            }
        }
        seen.iter().any(|name| needs(name.as_str()).contains(*id))
            || needs(id.as_str()).contains(*id)
    };
    let indexed = installed
        .modules
        .iter()
        .filter(|(_, record)| record.policy().has_versions);
    let circles: Vec<ModuleId> = indexed
        .map(|(id, _)| id)
        .filter(in_circle)
        .cloned()
        .collect();
    for id in circles {
        if let Some(module) = session.catalog.get_mut(id.as_str()) {
            module.requires.clear();
        }
    }
    // What is there by hand, from another side, is there.
    let by_hand: Vec<(ModuleId, Vec<ModuleId>)> = installed
        .modules
        .iter()
        .filter(|(_, record)| record.policy().has_versions)
        .filter_map(|(id, _)| {
            let module = session.catalog.get(id.as_str())?;
            let absent = |name: &&ModuleId| {
                !installed.modules.contains_key(*name) && !installed.unfinished.contains_key(*name)
            };
            let there = |name: &&ModuleId| {
                session
                    .catalog
                    .get(name.as_str())
                    .is_some_and(|needed| stands_from_another(&session.sources, needed).is_some())
            };
            Some((
                id.clone(),
                module
                    .requires
                    .iter()
                    .filter(absent)
                    .filter(there)
                    .cloned()
                    .collect::<Vec<_>>(),
            ))
        })
        .collect();
    for (id, there) in by_hand {
        if let Some(module) = session.catalog.get_mut(id.as_str()) {
            module.requires.retain(|name| !there.contains(name));
        }
    }
    for (name, why) in held {
        if let (Some(module), Some(record)) = (
            session.catalog.get_mut(&name),
            installed.modules.get(name.as_str()),
        ) {
            hold(module, record);
        }
        // A request is settled twice: before anything is waited for, and after.
        if session.held.insert(name.clone()) {
            let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
            render::print_note(&format!("warning: {name} is not updated: {why}"));
        }
    }
}

/// The name as its module has it. `SOURCE/NAME` is that of one source, which then counts.
fn resolve_name(
    catalog: &mut Catalog,
    installed: &Installed,
    action: Action,
    narrowed: Option<&str>,
    unsynced: &[String],
    name: &str,
) -> Result<String, Diagnostic> {
    let (source, short) = match name.split_once('/') {
        Some((source, short)) => (Some(source), short),
        None => (narrowed, name),
    };
    let record = |name: &str| {
        installed
            .modules
            .get(name)
            .or_else(|| installed.unfinished.get(name))
    };
    let of_applications = || {
        let installed = installed
            .modules
            .iter()
            .chain(&installed.unfinished)
            .filter(|(id, record)| record.removal.short_name(id) == short);
        let installed = installed
            .filter(|(_, record)| record.removal.short_name.is_some())
            .map(|(id, _)| id);
        let offered = catalog
            .modules()
            .filter(|module| module.removal.short_name.is_some() && module.short_name() == short)
            .map(|module| &module.id);
        match action {
            Action::Install => offered.cloned().collect::<BTreeSet<ModuleId>>(),
            _ => installed.cloned().collect(),
        }
    };
    // A module that is no application's keeps its name.
    let is_other = |id: &ModuleId| {
        let recorded = record(id.as_str()).map(|record| record.removal.short_name.is_none());
        recorded
            .or_else(|| {
                catalog
                    .get(id.as_str())
                    .map(|module| module.removal.short_name.is_none())
            })
            .unwrap_or(false)
    };
    let plain = || match action {
        Action::Install => catalog.canonical(short).is_some_and(is_other),
        _ => catalog.get(short).is_some() || installed_as(installed, short).is_some_and(is_other),
    };
    if source.is_none() && !plain() {
        let several = of_applications();
        if several.len() > 1 {
            let names: Vec<&str> = several.iter().map(ModuleId::as_str).collect();
            let message = format!("the name is ambiguous: {}", names.join(", "));
            return Err(Diagnostic::error(message)
                .module(short)
                .help("name the application with --app"));
        }
        if let Some(only) = several.first() {
            return Ok(only.to_string());
        }
    }
    let Some(source) = source else {
        let hidden = catalog.hidden().iter().find(|module| {
            module.id.as_str().eq_ignore_ascii_case(short) || module.removal.answers_to(short)
        });
        let hidden =
            hidden.filter(|_| catalog.canonical(short).is_none() && action == Action::Install);
        let hidden = hidden.and_then(|module| Some((module, record(module.id.as_str())?)));
        // A plugin is what its directory has, wherever that stands by now.
        if let Some((other, _)) =
            hidden.filter(|(module, _)| module.policy().described_by == DescribedBy::Manifest)
        {
            let (id, source) = (other.id.to_string(), other.source.clone());
            catalog.prefer(&source, &id);
            return Ok(id);
        }
        if let Some((other, record)) = hidden {
            let message = format!(
                "the module is installed from {}, which no longer provides it",
                record.source
            );
            let help = format!(
                "run `hoist migrate {} --to {}` to install it from there",
                other.id, other.source
            );
            return Err(Diagnostic::error(message)
                .module(other.id.as_str())
                .help(help));
        }
        return Ok(match catalog.canonical(short) {
            Some(id) => id.to_string(),
            // What is installed may be gone from its source.
            None => {
                installed_as(installed, short).map_or_else(|| short.to_owned(), ModuleId::to_string)
            }
        });
    };
    let of_application = ModuleId::new(&format!("{source}.{short}")).ok();
    if let Some(id) = of_application
        .filter(|id| record(id.as_str()).is_some_and(|record| record.removal.short_name.is_some()))
    {
        return Ok(id.to_string());
    }
    if action != Action::Install {
        let id =
            installed_as(installed, short).map_or_else(|| short.to_owned(), ModuleId::to_string);
        return match record(&id).map(|record| record.source.as_str()) {
            Some(from) if from != source => {
                let message = format!("the module is installed from {from}, not from {source}");
                Err(Diagnostic::error(message)
                    .module(id.as_str())
                    .help(format!("name it as {from}/{id}, or without a source")))
            }
            None if catalog.get(&format!("{source}.{short}")).is_some() => {
                Err(run::not_installed(&format!("{source}.{short}")))
            }
            _ => Ok(id),
        };
    }
    let of_source = |module: &&Module| module.source == source;
    let all = || catalog.modules().chain(catalog.hidden()).filter(of_source);
    let is_exact = |module: &&Module| module.id.as_str() == short || module.short_name() == short;
    let is_called = |module: &&Module| module.short_name().eq_ignore_ascii_case(short);
    let answers = |module: &&Module| module.removal.answers_to(short);
    let found = all()
        .find(is_exact)
        .or_else(|| all().find(is_called))
        .or_else(|| all().find(answers));
    match found.map(|module| module.id.to_string()) {
        Some(id) => {
            catalog.prefer(source, &id);
            Ok(id)
        }
        None if unsynced.iter().any(|unsynced| unsynced == source) => {
            let error = Diagnostic::error(format!("the source {source} was never synced"));
            Err(error.help(format!(
                "run `hoist sync {source}` to fetch its list of modules"
            )))
        }
        None if all().next().is_none() => {
            let message = format!("unknown source `{}`", source.escape_debug());
            let help = "run `hoist source list` to list sources; to install a module of an application from a directory, run `hoist install ./NAME --app DIR`";
            Err(Diagnostic::error(message).help(help))
        }
        None => {
            let near = hoist_core::did_you_mean(short, all().map(Module::short_name));
            let help = near.map_or_else(
                || format!("run `hoist search {short}` to search all sources"),
                |near| format!("did you mean `{near}`?"),
            );
            Err(Diagnostic::error(format!(
                "source {source} has no module `{}`",
                short.escape_debug()
            ))
            .help(help))
        }
    }
}

/// The installed module that somebody means: letter case is ignored, and modules answer to their
/// aliases.
pub(crate) fn installed_as<'i>(installed: &'i Installed, name: &str) -> Option<&'i ModuleId> {
    let all = || installed.modules.iter().chain(&installed.unfinished);
    let found = all()
        .find(|(id, _)| id.as_str() == name)
        .or_else(|| all().find(|(id, _)| id.as_str().eq_ignore_ascii_case(name)))
        .or_else(|| all().find(|(_, record)| record.removal.is_alias(name)))
        .or_else(|| all().find(|(_, record)| record.removal.answers_to(name)));
    found.map(|(id, _)| id)
}

/// That a source exists, or existed when something was installed from it.
pub(crate) fn known_source(
    session: &Session,
    installed: &Installed,
    name: &str,
) -> Result<(), CommandError> {
    let mut names: BTreeSet<&str> = session
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    names.extend(
        session
            .catalog
            .modules()
            .map(|module| module.source.as_str()),
    );
    names.extend(
        installed
            .modules
            .values()
            .map(|record| record.source.as_str()),
    );
    if names.contains(name) {
        return Ok(());
    }
    let help = hoist_core::did_you_mean(name, names).map_or_else(
        || "run `hoist source list` to list sources".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Err(CommandError::wrong(
        Diagnostic::error(format!("unknown source `{}`", name.escape_debug())).help(help),
    ))
}

/// A selection of everything is one of everything of the source.
fn narrow(catalog: &Catalog, installed: &Installed, request: &mut Request, source: &str) {
    let wants = |tier: Tier| match request.selection {
        Selection::All => true,
        Selection::Minimal => tier == Tier::Core,
        _ => tier != Tier::Optional,
    };
    let names = match (&request.selection, request.action) {
        (Selection::Names(_), _) => return,
        (_, Action::Install) => {
            // Of a repository or a server of modules nobody wants all of them; of an application
            // one may.
            let is_meant = |module: &Module| match module.policy().is_selected_by_name {
                true => {
                    module.removal.short_name.is_some()
                        && matches!(request.selection, Selection::All)
                }
                false => wants(module.tier),
            };
            let of_source = |module: &&Module| module.source == source && is_meant(module);
            catalog
                .modules()
                .filter(of_source)
                .map(|module| module.id.to_string())
                .collect()
        }
        (_, action) => {
            let there = installed.modules.iter().chain(
                installed
                    .unfinished
                    .iter()
                    .filter(|_| action == Action::Uninstall),
            );
            there
                .filter(|(_, record)| record.source == source)
                .map(|(id, _)| id.to_string())
                .collect()
        }
    };
    request.selection = Selection::Names(names);
}

/// A module that is installed from one source is not installed from another beside that.
fn from_one_side(
    session: &Session,
    installed: &Installed,
    request: &mut Request,
) -> Result<(), CommandError> {
    let Selection::Names(names) = &request.selection else {
        return Ok(());
    };
    if request.action != Action::Install {
        return Ok(());
    }
    let (mut errors, mut moves) = (Vec::new(), false);
    let record = |name: &str| {
        installed.modules.get(name).or_else(|| {
            installed
                .unfinished
                .get(name)
                .filter(|record| record.ever_installed)
        })
    };
    for name in names
        .iter()
        .filter(|name| request.migrate && record(name).is_none())
    {
        errors.push(run::not_installed(name));
    }
    for name in names.iter().chain(&request.with) {
        let Some((module, record)) = session.catalog.get(name).zip(record(name)) else {
            continue;
        };
        if module.source == record.source || module.policy().described_by == DescribedBy::Manifest {
            continue;
        }
        let needs = |(id, other): (&ModuleId, &InstalledModule)| {
            let rock = other.removal.owned().next().is_some()
                && record.removal.owned().next().is_some()
                && id.as_str() != name.as_str();
            (rock
                && other
                    .requires
                    .iter()
                    .any(|needed| needed.as_str() == name.as_str()))
            .then(|| id.to_string())
        };
        let needed_by: Vec<String> = installed
            .modules
            .iter()
            .filter_map(needs)
            .filter(|id| !names.contains(id))
            .collect();
        match request.force || request.migrate {
            true if !needed_by.is_empty() => {
                let message = format!("{} depends on the installed rock", needed_by.join(", "));
                let help = "migrate or remove these modules first";
                errors.push(Diagnostic::error(message).module(name.as_str()).help(help));
            }
            true if record.policy().keeps_source => moves = true,
            _ => {
                let message = format!(
                    "the module is already installed from {}; installed from {} as well, only one of them would be loaded",
                    record.source, module.source
                );
                let help = format!(
                    "run `hoist migrate {name} --to {}` to change its source",
                    module.source
                );
                errors.push(Diagnostic::error(message).module(name.as_str()).help(help));
            }
        }
    }
    request.migrate |= moves;
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.into())
    }
}

/// Takes the versions from names such as `NAME@VERSION`.
fn take_versions(names: &mut [String]) -> Vec<Option<String>> {
    let take = |name: &mut String| {
        let (plain, version) = name
            .rsplit_once('@')
            .filter(|(plain, version)| !plain.is_empty() && !version.is_empty())?;
        let (plain, version) = (plain.to_owned(), version.to_owned());
        *name = plain;
        Some(version)
    };
    names.iter_mut().map(take).collect()
}

/// What is known to be wrong with modules of applications before anything is started.
fn unusable(session: &Session, plan: &Plan) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let brings = |change: Change| {
        matches!(
            change,
            Change::Install | Change::Repair | Change::Reinstall | Change::Update
        )
    };
    for planned in plan.modules.iter().filter(|planned| brings(planned.change)) {
        let Some(module) = session.catalog.get(planned.module.as_str()) else {
            continue;
        };
        let Some(tree) = &module.removal.tree else {
            continue;
        };
        if !tree.root.is_dir() {
            let wrong = Diagnostic::error(format!(
                "the {} {} does not exist",
                tree.noun,
                tree.root.display()
            ));
            found.push(
                wrong
                    .module(module.id.as_str())
                    .help("name another application with --app, or correct hoist.yml"),
            );
        }
        found.extend(wrong_with(session, module));
    }
    found
}

/// Returns why a module cannot be installed: a directory that is reserved, or, of a module of an
/// application, what its index entry says.
pub(crate) fn wrong_with(session: &Session, module: &Module) -> Option<Diagnostic> {
    if let Some(wrong) = reserved_directory(session, module, false) {
        return Some(wrong);
    }
    module.removal.tree.as_ref()?;
    let why = session.entry(module)?.unusable.clone()?;
    let wrong = Diagnostic::error(why)
        .module(module.id.as_str())
        .file(module.manifest.display().to_string());
    Some(wrong.help("fix the module, or leave it out with --skip"))
}

/// Returns an error if the module declares a directory inside hoist's state or cache or, for a
/// `sandboxed` run, one that contains them.
pub(crate) fn reserved_directory(
    session: &Session,
    module: &Module,
    sandboxed: bool,
) -> Option<Diagnostic> {
    let own = [&session.places.state, &session.places.cache];
    let wrong = |path: &Path, why: &str| {
        let wrong =
            Diagnostic::error(format!("`{}` {why}", path.display())).module(module.id.as_str());
        wrong
            .file(module.manifest.display().to_string())
            .help("declare only directories that the module creates")
    };
    let made = module.paths.iter().chain(&module.checks.dirs);
    let all = made
        .clone()
        .chain(&module.removal.paths)
        .chain(&module.config_files);
    let inside = all
        .clone()
        .find(|path| own.iter().any(|own| path.starts_with(own)));
    let around = made
        .clone()
        .find(|path| sandboxed && own.iter().any(|own| own.starts_with(path)));
    let inside = inside.map(|path| wrong(path, "is reserved for hoist's state and cache"));
    inside.or_else(|| {
        around.map(|path| {
            wrong(
                path,
                "contains hoist's state or cache, which sandboxed scripts must not write to",
            )
        })
    })
}

/// What stands in the way of modules that are to be installed: one that comes with the server, or
/// the same from another source.
pub(crate) fn conflicting_modules(
    session: &Session,
    installed: &Installed,
    plan: &Plan,
    request: &Request,
) -> Vec<Diagnostic> {
    let mut found = unusable(session, plan);
    if plan.action == Action::Uninstall {
        found.extend(needed_by_others(installed, plan));
    }
    if !request.force {
        found.extend(conflicts(
            &session.catalog,
            &session.sources,
            &session.builtin,
            installed,
            plan,
        ));
    }
    found
}

/// For each name the sources that offer it, the one that counts first.
pub(crate) fn offered_by(catalog: &Catalog) -> BTreeMap<&str, Vec<&str>> {
    let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for module in catalog.modules().chain(catalog.hidden()) {
        sources
            .entry(module.id.as_str())
            .or_default()
            .push(&module.source);
    }
    sources
}
