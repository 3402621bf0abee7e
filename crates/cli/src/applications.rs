//! Web applications that modules are put into: those of the settings, those that something is
//! installed in, and the one of the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hoist_applications::offers::{ApplicationOffers, is_place, offers, places_of};
use hoist_core::{Application, Diagnostic, Environment, Source, is_class_name, is_path};
use hoist_ledger::{InstalledSource, installed_sources};
use hoist_sources::kinds::{APPLICATION, ApplicationSource};
use hoist_system::source_cache::SourceCache;

use crate::args::Global;
use crate::error::CommandError;
use crate::session::Session;

/// Makes the names of places that modules come from absolute, and returns them.
pub(crate) fn places(names: &mut [String]) -> Result<Vec<String>, CommandError> {
    let mut places = Vec::new();
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    // A path may be written as one writes paths, where there is something.
    let stands = |name: &str| name.contains('/') && Path::new(name).exists();
    for name in names
        .iter_mut()
        .filter(|name| is_place(name) || stands(name))
    {
        if is_path(name) {
            let path = match name.strip_prefix("file://").unwrap_or(name) {
                "~" => home.clone(),
                path => path
                    .strip_prefix("~/")
                    .map_or_else(|| PathBuf::from(path), |inside| home.join(inside)),
            };
            let path: PathBuf = std::path::absolute(path)?.components().collect();
            *name = path.canonicalize().unwrap_or(path).display().to_string();
        }
        places.push(name.clone());
    }
    Ok(places)
}

/// Modules that already stand in the application of the command line, and that nothing else offers:
/// what is named becomes the path of its directory, which is returned.
pub(crate) fn standing(global: &Global, names: &mut [String]) -> Result<Vec<String>, CommandError> {
    if global.app.is_none() || !names.iter().any(|name| is_class_name(name)) {
        return Ok(Vec::new());
    }
    let session = Session::named(global)?;
    let source = session
        .sources
        .iter()
        .find(|source| Some(&source.name) == session.application.as_ref());
    let Some(source) = source else {
        return Ok(Vec::new());
    };
    let Some(ApplicationSource { application, from }) = ApplicationSource::of(source) else {
        return Ok(Vec::new());
    };
    let stands = |name: &String| is_class_name(name) && application.directory(name).is_dir();
    let mut standing: Vec<&mut String> = names.iter_mut().filter(|name| stands(name)).collect();
    if !standing.is_empty() {
        let offered = offers(&from, &SourceCache::new(&session.places.cache, source));
        let offered: BTreeSet<&String> = offered.by_place.values().flatten().collect();
        let installed = hoist_ledger::read(&session.places.state)?;
        let is_known = |name: &String| {
            let id = format!("{}.{name}", source.name);
            let known = installed
                .modules
                .keys()
                .chain(installed.unfinished.keys())
                .any(|known| known.as_str() == id);
            known || offered.contains(name)
        };
        standing.retain(|name| !is_known(name));
    }
    for name in &mut standing {
        **name = application.directory(name).display().to_string();
    }
    Ok(standing.into_iter().map(|name| name.clone()).collect())
}

/// The source that stands for the application of the command line.
pub(crate) fn named(global: &Global) -> Result<String, CommandError> {
    let session = Session::named(global)?;
    session.application.ok_or_else(|| {
        CommandError::wrong(
            Diagnostic::error("no application is configured")
                .help("name an application with --app"),
        )
    })
}

/// What is known of the names of applications.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The one of the command line.
    pub(crate) meant: Option<String>,
    /// Names in the settings, each with the other name that the application had when something was
    /// installed in it.
    pub(crate) former: Vec<(String, String)>,
}

/// The applications that something is installed in: the source that stands for each, what the ledger
/// knows of it, and where its modules came from.
pub(crate) fn installed(state: &Path) -> Vec<(String, Application, Vec<String>)> {
    let sources = installed_sources(state, APPLICATION).unwrap_or_default();
    let application = |source: InstalledSource| {
        let application = serde_json::from_value(source.settings).ok()?;
        Some((source.name, application, source.from))
    };
    sources.into_iter().filter_map(application).collect()
}

/// Adds the applications that something is installed in, and the one of the command line.
pub(crate) fn add(
    sources: &mut Vec<Source>,
    global: &Global,
    environment: &Environment,
    state: &Path,
) -> Result<Names, CommandError> {
    for source in sources.iter_mut() {
        if let Some(mut settings) = ApplicationSource::of(source) {
            real(&mut settings.application, environment).map_err(|why| {
                let wrong = Diagnostic::error(format!("the application {}: {why}", source.name)).field("sources");
                CommandError::wrong(wrong.help("use directories inside the application, without symbolic links that lead out of it"))
            })?;
            settings.put_into(source);
        }
    }
    // What is installed keeps the name that its application had then, until a command that changes
    // something gives it that of the settings.
    let mut renamed: Vec<(String, String)> = Vec::new();
    for (name, application, from) in installed(state) {
        let settings_of = |source: &Source| {
            let settings = ApplicationSource::of(source)?;
            (settings.application.root == application.root).then_some(settings)
        };
        let taken = sources.iter().any(|source| source.name == name);
        let mut known = sources.iter_mut();
        match known.find_map(|source| Some((settings_of(source)?, source))) {
            Some((mut settings, source)) => {
                if source.name != name && !taken {
                    let former = std::mem::replace(&mut source.name, name.clone());
                    renamed.push((former, name));
                }
                let is_new = |place: &String| !settings.from.contains(place);
                let new: Vec<String> = from.into_iter().filter(is_new).collect();
                settings.from.extend(new);
                settings.put_into(source);
            }
            None if taken => {}
            None => sources.push(ApplicationSource { application, from }.source(&name)),
        }
    }
    let is_application = |source: &&Source| source.kind == APPLICATION;
    let name = match &global.app {
        Some(app) => match renamed.iter().find(|(name, _)| name == app) {
            Some((_, name)) => name.clone(),
            None => meant(app, sources, environment)?,
        },
        None if global.places.is_empty() => {
            return Ok(Names {
                meant: None,
                former: renamed,
            });
        }
        None => {
            let all: Vec<&Source> = sources.iter().filter(is_application).collect();
            match all.as_slice() {
                [only] => only.name.clone(),
                [] => {
                    let wrong = Diagnostic::error(format!(
                        "{} is a location of application modules, and no application is configured",
                        global.places[0]
                    ));
                    return Err(CommandError::wrong(
                        wrong.help("name the application with `--app DIR`"),
                    ));
                }
                several => {
                    let names: Vec<&str> =
                        several.iter().map(|source| source.name.as_str()).collect();
                    let wrong = Diagnostic::error(format!(
                        "several applications are configured: {}",
                        names.join(", ")
                    ));
                    return Err(CommandError::wrong(wrong.help("name one with --app")));
                }
            }
        }
    };
    let found = sources.iter_mut().find(|source| source.name == name);
    if let Some((source, mut settings)) =
        found.and_then(|source| ApplicationSource::of(source).map(|settings| (source, settings)))
    {
        // What is named now comes before what was known.
        settings.from.retain(|place| !global.places.contains(place));
        settings.from.splice(0..0, global.places.iter().cloned());
        settings.put_into(source);
    }
    Ok(Names {
        meant: Some(name),
        former: renamed,
    })
}

/// Makes the paths of an application those that are behind links: what is watched must not be a
/// link.
fn real(application: &mut Application, environment: &Environment) -> Result<(), String> {
    let Ok(root) = application.root.canonicalize() else {
        return Ok(());
    };
    let usual = |root: &Path| Application::at(root, environment.home());
    if application.watch == usual(&application.root).watch {
        application.watch = usual(&root).watch;
    }
    // What is not there yet is below what is.
    let behind = |path: &PathBuf| {
        let there = path
            .ancestors()
            .find_map(|there| Some((there, there.canonicalize().ok()?)));
        let behind = there
            .map(|(there, behind)| behind.join(path.strip_prefix(there).unwrap_or(Path::new(""))));
        behind.map_or_else(|| path.clone(), |path| path.components().collect())
    };
    let modules = behind(&application.modules);
    if !modules.starts_with(&root) {
        return Err(format!(
            "the modules directory {} is a symbolic link that leads out of the application, to {}",
            application.modules.display(),
            modules.display()
        ));
    }
    application.modules = modules;
    application.init = behind(&application.init.parent().unwrap_or(&root).to_owned())
        .join(application.init.file_name().unwrap_or_default());
    application
        .watch
        .iter_mut()
        .chain(&mut application.ignore)
        .for_each(|path| *path = behind(path));
    application.root = root;
    Ok(())
}

/// The application that somebody means by its name or its root; one that was not known before is
/// added.
fn meant(
    app: &str,
    sources: &mut Vec<Source>,
    environment: &Environment,
) -> Result<String, CommandError> {
    let applications = || {
        sources.iter().filter_map(|source| {
            let settings = ApplicationSource::of(source)?;
            Some((source.name.clone(), settings.application.root))
        })
    };
    if let Some((name, _)) = applications().find(|(name, _)| name == app) {
        return Ok(name);
    }
    let home = environment.home().unwrap_or(Path::new("/"));
    let inside = if app == "~" {
        Some(home.to_owned())
    } else {
        app.strip_prefix("~/").map(|inside| home.join(inside))
    };
    if app.is_empty() {
        return Err(CommandError::wrong(
            Diagnostic::error("--app is empty")
                .help("name the application's directory, or its name in hoist.yml"),
        ));
    }
    let path: PathBuf = std::path::absolute(inside.unwrap_or_else(|| PathBuf::from(app)))?
        .components()
        .collect();
    let path = path.canonicalize().unwrap_or(path);
    if let Some((name, _)) = applications()
        .find(|(_, root)| root.canonicalize().unwrap_or_else(|_| root.clone()) == path)
    {
        return Ok(name);
    }
    if !path.is_dir() {
        let names: Vec<String> = applications().map(|(name, _)| name).collect();
        let near = hoist_core::did_you_mean(app, names.iter().map(String::as_str));
        let help = near.map_or_else(
            || "name the directory of an application, or an application listed by `hoist source list`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(CommandError::wrong(
            Diagnostic::error(format!("unknown application `{}`", app.escape_debug())).help(help),
        ));
    }
    if home
        .canonicalize()
        .unwrap_or_else(|_| home.to_owned())
        .starts_with(&path)
    {
        let wrong = Diagnostic::error(format!("{} is not an application", path.display()));
        return Err(CommandError::wrong(wrong.help("name the application's own directory; the home directory and its parents cannot be used")));
    }
    let plain = |part: &std::ffi::OsStr| {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        };
        part.to_string_lossy()
            .chars()
            .map(plain)
            .collect::<String>()
            .trim_matches('-')
            .to_owned()
    };
    let taken = |name: &str| {
        name.is_empty() || name == "lock" || sources.iter().any(|source| source.name == name)
    };
    let own = path.file_name().map(plain).unwrap_or_default();
    let parent = path
        .parent()
        .and_then(Path::file_name)
        .map(plain)
        .unwrap_or_default();
    let numbered = (2..).map(|number| format!("{own}-{number}"));
    // Many applications are in a directory of one name, each in that of its site.
    let mut names = [own.clone(), format!("{parent}-{own}")]
        .into_iter()
        .chain(numbered);
    let name = names.find(|name| !taken(name)).unwrap_or(own.clone());
    let application = Application::at(&path, environment.home());
    let is_application =
        |path: &Path| path.join("class-modules").is_dir() || path.join("init.php").is_file();
    if !is_application(&path) {
        let inside = std::fs::read_dir(&path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let mut inside: Vec<PathBuf> = inside.filter(|path| is_application(path)).collect();
        inside.sort();
        if let Some(meant) = inside.first() {
            let wrong = Diagnostic::error(format!(
                "{} is not an application: it has neither class-modules/ nor init.php",
                path.display()
            ));
            return Err(CommandError::wrong(
                wrong.help(format!("did you mean --app {}?", meant.display())),
            ));
        }
    }
    let settings = ApplicationSource {
        application,
        from: Vec::new(),
    };
    sources.push(settings.source(&name));
    Ok(name)
}

/// What the places of all applications have, by the name of their source.
pub(crate) fn all_offers(sources: &[Source], cache: &Path) -> BTreeMap<String, ApplicationOffers> {
    let of = |source: &Source| {
        let ApplicationSource { application, from } = ApplicationSource::of(source)?;
        let cache = SourceCache::new(cache, source);
        let offers = offers(&places_of(&application, &from), &cache);
        Some((source.name.clone(), offers))
    };
    sources.iter().filter_map(of).collect()
}
