//! What every command starts from: the environment, the places, the settings, the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use hoist_applications::offers::ApplicationOffers;
use hoist_core::{
    Catalog, CollectionFile, Diagnostic, Environment, Installed, InstalledModule, Module, Source,
    Userinfo, parse_duration, secret_parameters, without_userinfo,
};
use hoist_ledger::LedgerError;
use hoist_machine::machine::Machine;
use hoist_machine::os::Os;
use hoist_plugins::is_secret_name;
use hoist_plugins::modules::plugin;
use hoist_prosody::choice::ServerModules;
use hoist_sources::{Index, IndexEntry};
use hoist_system::source_cache::SourceCache;
use semver::Version;

use crate::args::Global;
use crate::collections::{Links, ReadOptions};
use crate::error::CommandError;
use crate::server_configuration::Servers;
use crate::systems::{GRAMMAR, REGISTRY, TOOLS};
use crate::ui::Output;
use crate::{applications, collections, plugins, render, server_configuration, sources, time};

/// Where hoist keeps its own things.
pub(crate) struct Places {
    pub(crate) state: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) config: PathBuf,
    /// Where plugins are installed.
    pub(crate) plugins: PathBuf,
}

impl Places {
    /// The directory of a run's logs and record.
    pub(crate) fn run(&self, run: &str) -> PathBuf {
        self.state.join("runs").join(run)
    }
}

/// What a command knows before it looks at its own arguments.
pub(crate) struct Session {
    pub(crate) environment: Environment,
    pub(crate) home: PathBuf,
    pub(crate) places: Places,
    /// The user's settings over those of the collections.
    pub(crate) settings: CollectionFile,
    pub(crate) catalog: Catalog,
    /// The collections.
    pub(crate) directories: Vec<PathBuf>,
    /// Where else modules come from, the first to be asked first.
    pub(crate) sources: Vec<Source>,
    /// What those of them that were looked at offer, by name.
    pub(crate) indexes: BTreeMap<String, Index>,
    /// What the XMPP servers that they are for say, by the path of its configuration.
    pub(crate) servers: Servers,
    /// Why some of the sources cannot be used.
    pub(crate) problems: Vec<Diagnostic>,
    /// Collections of the settings that were left out.
    pub(crate) warnings: Vec<Diagnostic>,
    /// The names of the modules that come with an XMPP server.
    pub(crate) builtin: BTreeSet<String>,
    /// What the places of web applications have, by the names of their sources.
    pub(crate) offers: BTreeMap<String, ApplicationOffers>,
    /// The source that stands for the application of the command line.
    pub(crate) application: Option<String>,
    /// Names of applications in the settings, each with the name that the ledger has.
    pub(crate) former: Vec<(String, String)>,
    /// Directories of plugins that stand in no collection.
    pub(crate) plugin_directories: Vec<PathBuf>,
    /// Plugins of which the newest version is wanted, whatever is installed.
    pub(crate) fresh: BTreeSet<String>,
    /// What plugins may count on without anybody installing it.
    pub(crate) provided: BTreeMap<String, Version>,
    /// Installed modules that stay as they are, whatever their sources have.
    pub(crate) held: BTreeSet<String>,
}

/// The directory of a source that is a collection, where there is one by now.
fn collection(source: &Source, cache: &Path) -> Option<PathBuf> {
    let kind = REGISTRY.kind_of(source)?;
    kind.collection(source, &SourceCache::new(cache, source))
}

impl Session {
    /// Reads settings and collections. Nothing is run or written.
    pub(crate) fn open(global: &Global) -> Result<Self, CommandError> {
        let mut session = Self::named(global)?;
        let named = session.directories.clone();
        let cache = session.places.cache.clone();
        session.directories.extend(
            session
                .sources
                .iter()
                .filter_map(|source| collection(source, &cache)),
        );
        session.offers = applications::all_offers(&session.sources, &session.places.cache);
        session.read(&named)?;
        for directory in &session.directories {
            log::debug!("using the collection {}", directory.display());
        }
        for source in &session.sources {
            log::debug!("using the source {} ({})", source.name, source.location);
        }
        log::debug!(
            "read {} modules, {} with errors",
            session.catalog.modules().count(),
            session.catalog.all_broken().count()
        );
        if !global.is_silent {
            session.print_hints(global);
        }
        Ok(session)
    }

    /// Prints, once, which collections of the settings were left out, and how to start where there
    /// are none.
    fn print_hints(&self, global: &Global) {
        static PRINTED: Once = Once::new();
        PRINTED.call_once(|| {
            render::diagnostics(&self.warnings, render::Paint::choose(global.color));
            if self.has_no_modules() && global.output == Output::Human && !global.quiet {
                render::print_note("note: no collection is in use. Create one with `hoist init`, or name one with `-C DIR`.");
            }
        });
    }

    /// Whether there is neither a collection nor another source.
    fn has_no_modules(&self) -> bool {
        self.directories.is_empty() && self.sources.is_empty() && self.plugin_directories.is_empty()
    }

    /// The same with nothing of what collections and sources have.
    pub(crate) fn named(global: &Global) -> Result<Self, CommandError> {
        let (environment, home, places) = detect()?;
        let user_file = places.config.join("hoist.yml");
        let user = settings(&user_file)?;
        let (directories, warnings) = directories(global, user.as_ref(), &home, &places.state)?;
        if directories.is_empty() && !may_be_empty(global, user.as_ref(), &places.state) {
            let here = std::env::current_dir()?;
            let parent = here
                .parent()
                .filter(|parent| collections::is_collection(parent));
            let help = parent.map_or_else(
                || {
                    "create one with `hoist init`, change to one, or name one with `-C DIR`"
                        .to_owned()
                },
                |parent| {
                    format!(
                        "did you mean {}? change to it, or name it with `-C ..`",
                        parent.display()
                    )
                },
            );
            let error = Diagnostic::error(
                "no collection is in use: the working directory has neither modules/ nor plugins/",
            )
            .help(help);
            return Err(CommandError::Diagnostics(
                warnings.into_iter().chain([error]).collect(),
            ));
        }
        let mut files: Vec<(PathBuf, CollectionFile)> = user
            .into_iter()
            .map(|user| (user_file.clone(), user))
            .collect();
        for directory in &directories {
            let file = std::path::absolute(directory)?.join("hoist.yml");
            files.extend(settings(&file)?.map(|settings| (file, settings)));
        }
        let (mut sources, problems) = sources::read(
            &files
                .iter()
                .map(|(path, file)| (path.clone(), file))
                .collect::<Vec<_>>(),
            &environment,
        )?;
        let applications::Names {
            meant: application,
            former,
        } = applications::add(&mut sources, global, &environment, &places.state)?;
        // The user's file wins, and of collections the first.
        let mut settings = files
            .into_iter()
            .map(|(_, file)| file)
            .rev()
            .fold(CollectionFile::default(), |other, winner| {
                winner.over(other)
            });
        if global.require_checksums {
            settings.require_checksums = Some(true);
        }
        let empty = Self::empty(environment, home, places);
        let servers = server_configuration::servers(&sources);
        let provided = plugins::provided(&settings.provides).map_err(CommandError::wrong)?;
        Ok(Self {
            settings,
            directories,
            sources,
            servers,
            problems,
            warnings,
            application,
            former,
            provided,
            plugin_directories: global.plugin_directories.clone(),
            ..empty
        })
    }

    fn empty(environment: Environment, home: PathBuf, places: Places) -> Self {
        let (settings, catalog, indexes, servers, offers) = Default::default();
        let (directories, sources, problems, builtin, held, provided, plugin_directories, fresh) =
            Default::default();
        let (application, warnings) = (None, Vec::new());
        Self {
            environment,
            home,
            places,
            settings,
            catalog,
            directories,
            sources,
            indexes,
            servers,
            problems,
            warnings,
            builtin,
            offers,
            application,
            former: Vec::new(),
            held,
            provided,
            plugin_directories,
            fresh,
        }
    }

    /// The same without collections and sources, for what is only about what was done.
    pub(crate) fn without_sources(global: &Global) -> Result<Self, CommandError> {
        let (environment, home, places) = detect()?;
        let settings = settings(&places.config.join("hoist.yml"))?.unwrap_or_default();
        let (directories, _) = directories(global, Some(&settings), &home, &places.state)?;
        Ok(Self {
            settings,
            directories,
            ..Self::empty(environment, home, places)
        })
    }

    /// Reads the collections that were named, and what the sources offer.
    fn read(&mut self, named: &[PathBuf]) -> Result<(), CommandError> {
        let mut catalog = Catalog::default();
        self.indexes = sources::indexes(&self.sources, &self.places.cache)?;
        for (name, offers) in &mut self.offers {
            self.problems.append(&mut offers.problems);
            self.indexes.insert(name.clone(), offers.index.clone());
        }
        self.builtin = server_configuration::builtin_modules(&self.settings, &self.sources);
        let reading = ReadOptions {
            environment: &self.environment,
            plugins: &self.places.plugins,
        };
        for directory in &self.plugin_directories {
            let source = directory
                .parent()
                .and_then(Path::file_name)
                .map_or("/".into(), std::ffi::OsStr::to_string_lossy);
            let (name, parsed) = plugin(directory, &source, &self.places.plugins);
            catalog.add(&name, parsed);
        }
        // Collections that were named come first of all that have no priority.
        let preferred = self
            .sources
            .iter()
            .take_while(|source| source.priority > 0)
            .count();
        let sources = self.sources.iter().map(Some);
        let places = sources
            .clone()
            .take(preferred)
            .chain([None])
            .chain(sources.skip(preferred));
        // A directory that is a source as well has the name of the source.
        let of_sources = self.named_collections();
        let named: Vec<(&PathBuf, Option<&str>)> = named
            .iter()
            .map(|directory| (directory, of_sources.get(&canonical(directory)).copied()))
            .collect();
        for source in places {
            let Some(source) = source else {
                for (directory, name) in &named {
                    collections::add(
                        &mut catalog,
                        directory,
                        *name,
                        self.links_in(directory),
                        &reading,
                    )?;
                }
                continue;
            };
            if named
                .iter()
                .any(|(_, name)| *name == Some(source.name.as_str()))
            {
                continue;
            }
            if let Some(directory) = collection(source, &self.places.cache) {
                collections::add(
                    &mut catalog,
                    &directory,
                    Some(&source.name),
                    self.links_in(&directory),
                    &reading,
                )?;
            } else if let Some(index) = self.indexes.get(&source.name) {
                let tree = SourceCache::new(&self.places.cache, source).tree();
                let is_builtin = |name: &str| self.builtin.contains(name);
                let kind = REGISTRY.kind_of(source);
                let mut modules = kind.map_or(Vec::new(), |kind| {
                    kind.modules(source, index, &tree, &is_builtin)
                });
                for module in modules
                    .iter_mut()
                    .filter(|module| self.builtin.contains(module.id.as_str()))
                {
                    module.offered.caveats.push(
                        "it shadows the module of that name that comes with the server".to_owned(),
                    );
                }
                catalog.offer(modules);
            }
        }
        plugins::leave_out_provided(&mut catalog, &self.provided);
        self.catalog = catalog;
        Ok(())
    }

    /// The sources that are collections, by their directories.
    fn named_collections(&self) -> BTreeMap<PathBuf, &str> {
        let directory = |source: &Source| Some(canonical(&collection(source, &self.places.cache)?));
        self.sources
            .iter()
            .filter_map(|source| Some((directory(source)?, source.name.as_str())))
            .collect()
    }

    /// What is installed, as the ledger has it.
    pub(crate) fn installed(&self) -> Result<Installed, LedgerError> {
        hoist_ledger::read(&self.places.state).map(|installed| self.with_names(installed))
    }

    /// The same with the names that the sources have now: a collection may have been used by its
    /// directory before.
    pub(crate) fn with_names(&self, mut installed: Installed) -> Installed {
        for record in installed
            .modules
            .values_mut()
            .chain(installed.unfinished.values_mut())
        {
            record.installed_at = time::with_offset(&record.installed_at);
        }
        let of_sources = self.named_collections();
        if of_sources.is_empty() {
            return installed;
        }
        for record in installed
            .modules
            .values_mut()
            .chain(installed.unfinished.values_mut())
        {
            let name = record
                .removal
                .root
                .as_ref()
                .and_then(|root| of_sources.get(&canonical(root)));
            if let Some(name) = name {
                (*name).clone_into(&mut record.source);
            }
        }
        installed
    }

    /// In a copy of somebody else's collection no link leads out of it.
    fn links_in(&self, directory: &Path) -> Links {
        if directory.starts_with(&self.places.cache) {
            Links::Inside
        } else {
            Links::Follow
        }
    }

    /// The names of sources that nobody has looked at yet.
    pub(crate) fn unknown_sources(&self) -> Vec<&str> {
        let known = |source: &Source| match self.offers.get(&source.name) {
            Some(offers) => offers.unknown.is_empty(),
            None => {
                collection(source, &self.places.cache).is_some()
                    || self.indexes.contains_key(&source.name)
            }
        };
        self.sources
            .iter()
            .filter(|source| !known(source))
            .map(|source| source.name.as_str())
            .collect()
    }

    /// The collection that an installed module came from, if it still exists but is not in use
    /// here.
    pub(crate) fn unused_collection<'r>(&self, record: &'r InstalledModule) -> Option<&'r Path> {
        let root = record.removal.root.as_deref()?;
        let is_used = || {
            self.directories.iter().any(|directory| {
                directory
                    .canonicalize()
                    .is_ok_and(|directory| directory == root)
            })
        };
        (collections::is_collection(root)
            && !self.directories.iter().any(|directory| directory == root)
            && !is_used())
        .then_some(root)
    }

    /// What the index of its source says of a module.
    pub(crate) fn entry(&self, module: &Module) -> Option<&IndexEntry> {
        self.indexes.get(&module.source)?.get(module.short_name())
    }

    /// Says which sources cannot be used at all.
    pub(crate) fn print_problems(&self) {
        for problem in &self.problems {
            render::print_note(&format!("warning: {problem}"));
        }
    }

    /// What is known of the modules of a server while a request is settled.
    pub(crate) fn server_modules(&mut self) -> ServerModules<'_> {
        ServerModules {
            catalog: &mut self.catalog,
            sources: &self.sources,
            indexes: &self.indexes,
            builtin: &self.builtin,
            held: &self.held,
            cache: &self.places.cache,
        }
    }

    /// True when a source was looked at anew since this was read.
    pub(crate) fn is_outdated(&self) -> Result<bool, CommandError> {
        let now = sources::indexes(&self.sources, &self.places.cache)?;
        let at = |index: &Index| index.synced_at.clone();
        Ok(now
            .iter()
            .any(|(name, index)| self.indexes.get(name).map(at) != Some(at(index))))
    }

    /// Says which sources were never looked at.
    pub(crate) fn print_unknown_sources(&self) {
        let unknown = self.unknown_sources();
        self.print_problems();
        if !unknown.is_empty() {
            let were = if unknown.len() == 1 { "was" } else { "were" };
            render::print_note(&format!(
                "note: {} {were} never synced. Run `hoist sync` to fetch them.",
                unknown.join(", ")
            ));
        }
    }

    /// Directories that no module may own: hoist's places, and the collections.
    pub(crate) fn own_directories(&self) -> Vec<PathBuf> {
        let places = [&self.places.state, &self.places.cache, &self.places.config];
        places
            .into_iter()
            .cloned()
            .chain(self.directories.iter().cloned())
            .collect()
    }

    /// The machine, for commands that run something.
    pub(crate) fn machine(&self) -> Result<Arc<Machine>, CommandError> {
        let machine = machine(&self.environment, &self.home, &self.places.cache)?;
        if let Some(Ok(limit)) = self.settings.stall_timeout.as_deref().map(parse_duration) {
            machine.set_stall_timeout(limit);
        }
        if self.settings.require_checksums == Some(true) {
            machine.require_checksums();
        }
        Ok(Arc::new(machine))
    }

    /// The secrets in the URLs of modules and sources: user names and passwords, parameters, and
    /// variables that hold one.
    pub(crate) fn url_secrets<'m>(&self, modules: impl Iterator<Item = &'m Module>) -> Vec<String> {
        let urls = modules
            .flat_map(|module| module.variables.values())
            .flat_map(|value| value.split_whitespace());
        let locations: Vec<String> = self
            .sources
            .iter()
            .map(|source| source.location.clone())
            .collect();
        let mut secrets = Vec::new();
        for url in urls
            .chain(locations.iter().map(String::as_str))
            .filter(|url| url.contains("://"))
        {
            secrets.extend(without_userinfo(url).1.iter().flat_map(Userinfo::secrets));
            secrets.extend(secret_parameters(url));
            let named = self.environment.iter().filter(|(name, value)| {
                is_secret_name(name) && !value.is_empty() && url.contains(*value)
            });
            secrets.extend(named.map(|(_, value)| value.to_owned()));
        }
        secrets
    }
}

/// Whether the command works without any collection: because it only reads, or since there are
/// other sources or applications.
fn may_be_empty(global: &Global, user: Option<&CollectionFile>, state: &Path) -> bool {
    global.anywhere
        || !global.plugin_directories.is_empty()
        || user.is_some_and(|user| !user.sources.is_empty())
        || global.app.is_some()
        || !applications::installed(state).is_empty()
}

/// The machine, with this program as the one that scripts call back.
pub(crate) fn machine(
    environment: &Environment,
    home: &Path,
    cache: &Path,
) -> Result<Machine, CommandError> {
    Ok(Machine::new(
        environment.clone(),
        home.to_owned(),
        std::env::current_exe()?,
        cache.to_owned(),
        &TOOLS,
    ))
}

/// The environment, the home directory, and the places that follow from them.
pub(crate) fn detect() -> Result<(Environment, PathBuf, Places), CommandError> {
    let path = (
        "PATH".to_owned(),
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    );
    let inherited = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    // What a shell would use where nothing is set.
    let plain = |(name, value): (String, String)| match name.as_str() {
        // Paths are compared by their components, and scripts put them together as text.
        "HOME" => (
            name,
            Path::new(&value)
                .components()
                .collect::<PathBuf>()
                .display()
                .to_string(),
        ),
        _ => (name, value),
    };
    let environment: Environment = std::iter::once(path).chain(inherited.map(plain)).collect();
    let environment = environment.on(Os::here().platform());
    let Some(home) = environment.home().map(Path::to_owned) else {
        let message = "HOME is not set to an absolute path";
        return Err(CommandError::wrong(
            Diagnostic::error(message).help("set HOME to the home directory to install into"),
        ));
    };
    let place = |variable: &str, otherwise: &str| {
        let base = environment
            .get(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        base.unwrap_or_else(|| home.join(otherwise)).join("hoist")
    };
    let places = Places {
        state: place("XDG_STATE_HOME", ".local/state"),
        cache: place("XDG_CACHE_HOME", ".cache"),
        config: place("XDG_CONFIG_HOME", ".config"),
        plugins: place("XDG_DATA_HOME", ".local/share").join("plugins"),
    };
    Ok((environment, home, places))
}

fn settings(path: &Path) -> Result<Option<CollectionFile>, CommandError> {
    let shown = path.display().to_string();
    if path.exists() && !path.is_file() {
        return Err(CommandError::wrong(
            Diagnostic::error("the path is not a regular file")
                .file(shown)
                .help("replace it with a file, or remove it"),
        ));
    }
    match hoist_files::read_text(path) {
        Ok(text) => CollectionFile::parse(&shown, &text, &GRAMMAR)
            .map(Some)
            .map_err(CommandError::wrong),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CommandError::wrong(
            Diagnostic::error(format!("cannot read the file: {error}")).file(shown),
        )),
    }
}

fn canonical(directory: &Path) -> PathBuf {
    directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned())
}

/// The collections to use, and warnings about those of the settings that cannot be used.
fn directories(
    global: &Global,
    user: Option<&CollectionFile>,
    home: &Path,
    state: &Path,
) -> Result<(Vec<PathBuf>, Vec<Diagnostic>), CommandError> {
    let here = std::env::current_dir()?;
    let inherited = std::env::var("HOIST_COLLECTION").unwrap_or_default();
    let inherited: Vec<PathBuf> = inherited
        .split(':')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect();
    let named = if global.collections.is_empty() {
        &inherited
    } else {
        &global.collections
    };
    let named: Vec<PathBuf> = named.iter().map(|path| here.join(path)).collect();
    if !named.is_empty() {
        return Ok((named, Vec::new()));
    }
    if collections::is_collection(&here) {
        return Ok((vec![here], Vec::new()));
    }
    let expand = |path: &String| {
        path.strip_prefix("~/")
            .map_or_else(|| home.join(path), |rest| home.join(rest))
    };
    let settings: Vec<PathBuf> = user
        .map(|user| user.collections.iter().map(expand).collect())
        .unwrap_or_default();
    if !settings.is_empty() {
        let (usable, others): (Vec<_>, Vec<_>) = settings
            .into_iter()
            .partition(|path| collections::is_collection(path));
        let warn = |path: PathBuf| {
            let what = if path.is_dir() {
                "is not a collection: it has neither modules/ nor plugins/"
            } else {
                "does not exist"
            };
            let warning = Diagnostic::warning(format!("{} {what}; it is ignored", path.display()))
                .field("collections");
            warning.help("correct or remove the entry in ~/.config/hoist/hoist.yml")
        };
        return Ok((usable, others.into_iter().map(warn).collect()));
    }
    // The collections of what is installed. A ledger that cannot be read is reported by the command
    // itself.
    let installed = hoist_ledger::read(state).unwrap_or_default();
    let records = installed
        .modules
        .values()
        .chain(installed.unfinished.values());
    let known: BTreeSet<PathBuf> = records
        .filter_map(|record| record.removal.root.clone())
        .collect();
    Ok((
        known
            .into_iter()
            .filter(|root| collections::is_collection(root))
            .collect(),
        Vec::new(),
    ))
}
