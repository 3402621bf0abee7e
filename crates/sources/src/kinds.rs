//! The kinds of sources that `hoist.yml` lists: their keys, and what these mean.

use std::path::{Path, PathBuf};

use hoist_core::{
    Application, Diagnostic, Source, SourceBase, SourceKey, SourceSyntax, WrittenSource,
    wrong_source,
};
use serde::{Deserialize, Serialize};

/// The kind of collections.
pub const COLLECTION: &str = "collection";
/// The kind of Mercurial repositories whose top directories are modules.
pub const MERCURIAL: &str = "mercurial";
/// The kind of servers of rocks.
pub const ROCKS: &str = "rocks";
/// The kind that stands for the sources of an XMPP server, by its configuration.
pub const PROSODY: &str = "prosody";
/// The kind of web applications.
pub const APPLICATION: &str = "application";

/// A collection of modules: a directory, or a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionSource {
    /// A path, or a URL.
    pub collection: String,
    /// The branch or tag of a repository.
    pub reference: Option<String>,
}

/// A Mercurial repository whose top directories are modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MercurialSource {
    /// A path, or a URL.
    pub mercurial: String,
    /// Which of its directories are modules: names, or how they start with a `*` behind it.
    pub modules: Vec<String>,
    /// Where their directories go.
    pub into: PathBuf,
}

/// A server of rocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RocksSource {
    /// A path, or a URL.
    pub rocks: String,
    /// Where they are installed.
    pub tree: PathBuf,
    /// The version of Lua they run under.
    pub lua: String,
}

/// The sources of an XMPP server, by its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProsodySource {
    /// Its configuration.
    pub prosody: PathBuf,
    /// The repository of community modules.
    pub mercurial: Option<String>,
    /// The version of Lua it runs under.
    pub lua: String,
}

/// A web application, with places that offer modules for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationSource {
    /// The application.
    #[serde(flatten)]
    pub application: Application,
    /// Directories, archives and git repositories with modules: paths, or URLs.
    pub from: Vec<String>,
}

const LUA_KEY: SourceKey = SourceKey::version("lua", "Lua version, such as 5.4");
const MERCURIAL_KEY: SourceKey =
    SourceKey::text(MERCURIAL, "Mercurial repository: a path or a URL");
const INTO_KEY: SourceKey = SourceKey::text(
    "into",
    "Directory to install modules into; for an application, relative to its root",
);

/// The version of Lua where none is named: that of current servers.
const LUA: &str = "5.4";

fn lua(written: &WrittenSource) -> Result<String, Diagnostic> {
    let lua = written.text("lua").unwrap_or(LUA);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match lua.split('.').all(is_number) {
        true => Ok(lua.to_owned()),
        false => Err(wrong_source(
            format!("`{lua}` is not a Lua version"),
            "write 5.1, 5.2, 5.3 or 5.4",
        )),
    }
}

/// The place that the key of a kind names.
fn place(written: &WrittenSource, kind: &str, base: &SourceBase<'_>) -> String {
    base.place(written.text(kind).unwrap_or_default())
}

impl CollectionSource {
    /// Its keys.
    pub const SYNTAX: SourceSyntax = SourceSyntax {
        noun: "a collection",
        keys: &[
            SourceKey::text(
                COLLECTION,
                "Collection: a directory, or the URL of a git repository",
            ),
            SourceKey::text("ref", "Branch or tag of the git repository"),
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// Its name is none of a source.
    pub fn read(written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        let collection = place(written, COLLECTION, base);
        let last = collection.trim_end_matches('/').rsplit('/').next();
        let last = last.unwrap_or_default().to_owned();
        let settings = Self {
            collection: collection.clone(),
            reference: written.text("ref").map(str::to_owned),
        };
        let source = Source::new("", COLLECTION, collection, &settings);
        written.named(last.strip_suffix(".git").unwrap_or(&last), source)
    }
}

impl MercurialSource {
    /// Its keys.
    pub const SYNTAX: SourceSyntax = SourceSyntax {
        noun: "a Mercurial repository",
        keys: &[
            MERCURIAL_KEY,
            SourceKey::list(
                "modules",
                "Directories that are modules: names, or a pattern such as mod_*",
            ),
            INTO_KEY,
            LUA_KEY,
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// It does not say where modules go, or has wrong values.
    pub fn read(written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        lua(written)?;
        let modules = match (written.text("modules"), written.list("modules")) {
            (Some(one), _) => one.split_whitespace().map(str::to_owned).collect(),
            (None, several) => several.unwrap_or_else(|| vec!["*".to_owned()]),
        };
        let settings = Self {
            mercurial: place(written, MERCURIAL, base),
            modules,
            into: written.needed_path("into", base)?,
        };
        written.named("community", settings.source("community"))
    }

    /// The source of this name.
    pub fn source(&self, name: &str) -> Source {
        Source {
            index_settings: self.modules.join(" "),
            destination: Some(self.into.clone()),
            ..Source::new(name, MERCURIAL, self.mercurial.as_str(), self)
        }
    }
}

impl RocksSource {
    /// Its keys.
    pub const SYNTAX: SourceSyntax = SourceSyntax {
        noun: "a rocks server",
        keys: &[
            SourceKey::text(ROCKS, "Rocks server: a path or a URL"),
            SourceKey::text("tree", "Tree to install rocks into"),
            LUA_KEY,
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// It does not say where rocks go, or has wrong values.
    pub fn read(written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        let lua = lua(written)?;
        let settings = Self {
            rocks: place(written, ROCKS, base),
            tree: written.needed_path("tree", base)?,
            lua,
        };
        written.named("rocks", settings.source("rocks"))
    }

    /// The source of this name.
    pub fn source(&self, name: &str) -> Source {
        Source {
            index_settings: self.lua.clone(),
            destination: Some(self.tree.clone()),
            ..Source::new(name, ROCKS, self.rocks.as_str(), self)
        }
    }
}

impl ProsodySource {
    /// Its keys.
    pub const SYNTAX: SourceSyntax = SourceSyntax {
        noun: "a Prosody configuration",
        keys: &[
            SourceKey::text(
                PROSODY,
                "Prosody configuration file, which names the rocks server and the directories of modules",
            ),
            MERCURIAL_KEY,
            LUA_KEY,
        ],
    };

    /// Reads one. The configuration itself is not read.
    ///
    /// # Errors
    /// It has wrong values.
    pub fn read(written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        let lua = lua(written)?;
        let settings = Self {
            prosody: base.path(written.text(PROSODY).unwrap_or_default()),
            mercurial: written.text(MERCURIAL).map(|text| base.place(text)),
            lua,
        };
        let location = settings.prosody.display().to_string();
        let source = Source::new("", PROSODY, location, &settings);
        written.named("prosody", source)
    }
}

impl ApplicationSource {
    /// Its keys.
    pub const SYNTAX: SourceSyntax = SourceSyntax {
        noun: "an application",
        keys: &[
            SourceKey::text(APPLICATION, "Web application: its root directory"),
            SourceKey::list(
                "from",
                "Locations of the application's modules: directories, archives, git repositories",
            ),
            INTO_KEY,
            SourceKey::text(
                "init",
                "Script that initializes the application for installers [default: init.php]",
            ),
            SourceKey::list(
                "watch",
                "Directories to watch while installers run: changes to existing files are reverted",
            ),
            SourceKey::list("ignore", "Paths in the watched directories to ignore"),
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// It is no application that could be worked on.
    pub fn read(written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        let root = base.path(written.text(APPLICATION).unwrap_or_default());
        let mut application = Application::at(&root, base.environment.home());
        let inside = |text: &str| base.path_below(&root, text);
        if let Some(into) = written.text("into") {
            application.modules = inside(into);
        }
        if let Some(init) = written.text("init") {
            application.init = inside(init);
        }
        let list = |key: &str| -> Option<Vec<PathBuf>> {
            let paths = written.list(key)?;
            Some(paths.iter().map(|text| inside(text)).collect())
        };
        application.watch = list("watch").unwrap_or(application.watch);
        application.ignore = list("ignore").unwrap_or(application.ignore);
        application
            .check()
            .map_err(|why| wrong_source(why, "use directories inside the application"))?;
        let from = written.list("from").unwrap_or_default();
        let settings = Self {
            application,
            from: from.iter().map(|place| base.place(place)).collect(),
        };
        let name = root.file_name().and_then(|name| name.to_str());
        written.named(name.unwrap_or(APPLICATION), settings.source(""))
    }

    /// The source of this name.
    pub fn source(&self, name: &str) -> Source {
        let mut source = Source::new(name, APPLICATION, "", &());
        self.put_into(&mut source);
        source
    }

    /// That of a source.
    pub fn of(source: &Source) -> Option<Self> {
        source.settings(APPLICATION)
    }

    /// Lets a source be that of this application.
    pub fn put_into(&self, source: &mut Source) {
        source.location = self.application.root.display().to_string();
        source.destination = Some(self.application.modules.clone());
        source.set_settings(self);
    }
}

/// The key of the configuration of the server that a source is for, in its details.
const SERVER: &str = "server";

/// Lets a source be for the XMPP server with this configuration.
pub fn serve(source: &mut Source, configuration: &Path) {
    let configuration = configuration.display().to_string();
    source
        .details
        .insert(SERVER.to_owned(), configuration.into());
}

/// The configuration of the XMPP server that a source is for, where that is known.
pub fn server(source: &Source) -> Option<&Path> {
    Some(Path::new(source.details.get(SERVER)?.as_str()?))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use hoist_core::{CollectionFile, Environment, SourceGrammar};

    use super::*;

    type Read = fn(&WrittenSource, &SourceBase<'_>) -> Result<Source, Diagnostic>;

    const KINDS: [(SourceSyntax, Read); 5] = [
        (CollectionSource::SYNTAX, CollectionSource::read),
        (MercurialSource::SYNTAX, MercurialSource::read),
        (RocksSource::SYNTAX, RocksSource::read),
        (ProsodySource::SYNTAX, ProsodySource::read),
        (ApplicationSource::SYNTAX, ApplicationSource::read),
    ];

    static GRAMMAR: LazyLock<SourceGrammar> =
        LazyLock::new(|| SourceGrammar::new(KINDS.map(|(syntax, _)| syntax)));

    fn sources(text: &str) -> Vec<Result<Source, String>> {
        let environment = Environment::with_home("/home/me");
        let base = SourceBase {
            directory: Path::new("/etc/x"),
            environment: &environment,
        };
        let file = CollectionFile::parse("hoist.yml", text, &GRAMMAR).unwrap();
        let read = |source: &WrittenSource| {
            let syntax = source.kind(&GRAMMAR)?;
            let (_, read) = KINDS
                .into_iter()
                .find(|(known, _)| known.kind() == syntax.kind())
                .unwrap();
            read(source, &base)
        };
        let sources = file.sources.iter();
        sources
            .map(|source| read(source).map_err(|error| error.message))
            .collect()
    }

    #[test]
    fn each_kind_is_known_by_its_key() {
        let read = sources(
            "sources:\n- mercurial: https://hg.example/modules/\n  into: ~/modules\n  modules: mod_*\n- {rocks: rocks, tree: /srv/tree, lua: 5.4, priority: 3}\n- {collection: 'https://example/team.git', ref: main}\n- {prosody: /etc/prosody/prosody.cfg.lua, mercurial: ./hg}\n",
        );
        let read: Vec<Source> = read.into_iter().map(Result::unwrap).collect();
        let names: Vec<&str> = read.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["community", "rocks", "team", "prosody"]);
        let mercurial: MercurialSource = read[0].settings(MERCURIAL).unwrap();
        assert_eq!(
            (mercurial.mercurial.as_str(), mercurial.modules.as_slice()),
            ("https://hg.example/modules/", &["mod_*".to_owned()][..])
        );
        assert_eq!(mercurial.into, Path::new("/home/me/modules"));
        assert_eq!(read[0].fingerprint(), "https://hg.example/modules/ mod_*");
        let rocks: RocksSource = read[1].settings(ROCKS).unwrap();
        assert_eq!(
            (rocks.rocks.as_str(), rocks.lua.as_str(), read[1].priority),
            ("/etc/x/rocks", "5.4", 3)
        );
        let collection: CollectionSource = read[2].settings(COLLECTION).unwrap();
        assert_eq!(collection.reference.as_deref(), Some("main"));
        let prosody: ProsodySource = read[3].settings(PROSODY).unwrap();
        assert_eq!(prosody.mercurial.as_deref(), Some("/etc/x/hg"));
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        for (text, said) in [
            ("sources: [{}]", "needs exactly one of"),
            ("sources: [{mercurial: x}]", "needs `into`"),
            (
                "sources: [{rocks: x, collection: y, tree: /t}]",
                "collection and rocks",
            ),
            (
                "sources: [{collection: x, name: 'a/b'}]",
                "is not a source name",
            ),
            (
                "sources: [{rocks: x, tree: /t, lua: five}]",
                "is not a Lua version",
            ),
            (
                "sources: [{rocks: x, tree: /t, init: init.php}]",
                "`init` does not apply to a rocks server",
            ),
            (
                "sources: [{application: /srv/app, lua: 5.4}]",
                "`lua` does not apply to an application",
            ),
            (
                "sources: [{application: /srv/app, watch: [/srv, /home]}]",
                "no common parent",
            ),
            (
                "sources: [{application: /srv/app, watch: /srv/other}]",
                "is not watched",
            ),
            (
                "sources: [{application: /srv/app, into: ../else}]",
                "is outside of the application",
            ),
        ] {
            let error = sources(text)[0].clone().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
