//! Where modules come from besides the collections that are named: what `sources` in `hoist.yml`
//! lists.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::text::command_transport;
use crate::{Application, Diagnostic, Environment, ModuleId, redact_urls};

/// A place that offers modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its name, by which a module of it is named exactly: `NAME/MODULE`.
    pub name: String,
    /// Of modules with one name, that of the source with the highest priority counts; of equal ones
    /// the first in the file.
    pub priority: i64,
    /// What kind of place it is.
    #[serde(flatten)]
    pub kind: SourceKind,
    /// The configuration of the XMPP server that its modules are for, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<PathBuf>,
}

/// What kind of place a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A collection of shell modules: a directory, or a git repository.
    Collection {
        /// A path, or a URL.
        collection: String,
        /// The branch or tag of a repository.
        reference: Option<String>,
    },
    /// A Mercurial repository whose top directories are modules.
    Mercurial {
        /// A path, or a URL.
        mercurial: String,
        /// Which of its directories are modules: names, or how they start with a `*` behind it.
        modules: Vec<String>,
        /// Where their directories go.
        into: PathBuf,
    },
    /// A server of rocks.
    Rocks {
        /// A path, or a URL.
        rocks: String,
        /// Where they are installed.
        tree: PathBuf,
        /// The version of Lua they run under.
        lua: String,
    },
    /// A web application, with places that offer modules for it.
    Application {
        /// The application.
        #[serde(flatten)]
        application: Application,
        /// Directories, archives and git repositories with modules: paths, or URLs.
        from: Vec<String>,
    },
    /// The rocks server and, where one is named, the Mercurial repository of an XMPP server, by its
    /// configuration.
    Prosody {
        /// Its configuration.
        prosody: PathBuf,
        /// The repository of community modules.
        mercurial: Option<String>,
        /// The version of Lua it runs under.
        lua: String,
    },
}

impl SourceKind {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            SourceKind::Collection { .. } => "collection",
            SourceKind::Mercurial { .. } => "mercurial",
            SourceKind::Rocks { .. } => "rocks",
            SourceKind::Prosody { .. } => "prosody",
            SourceKind::Application { .. } => "application",
        }
    }

    /// The place itself: a path, or a URL.
    pub fn location(&self) -> String {
        match self {
            SourceKind::Collection { collection, .. } => collection.clone(),
            SourceKind::Mercurial { mercurial, .. } => mercurial.clone(),
            SourceKind::Rocks { rocks, .. } => rocks.clone(),
            SourceKind::Prosody { prosody, .. } => prosody.display().to_string(),
            SourceKind::Application { application, .. } => application.root.display().to_string(),
        }
    }

    /// What an index of it depends on besides what the source offers: another place, or other
    /// patterns, make another index.
    pub fn fingerprint(&self) -> String {
        let text = match self {
            SourceKind::Mercurial {
                mercurial, modules, ..
            } => format!("{mercurial} {}", modules.join(" ")),
            SourceKind::Rocks { rocks, lua, .. } => format!("{rocks} {lua}"),
            other => other.location(),
        };
        // It is written down, and another password is no other place.
        redact_urls(&text)
    }

    /// Where modules of it go, where that is not the home directory.
    pub fn destination(&self) -> Option<&Path> {
        match self {
            SourceKind::Mercurial { into, .. } => Some(into),
            SourceKind::Rocks { tree, .. } => Some(tree),
            SourceKind::Application { application, .. } => Some(&application.modules),
            SourceKind::Collection { .. } | SourceKind::Prosody { .. } => None,
        }
    }
}

/// True for a text that names a place on this machine.
pub fn is_path(location: &str) -> bool {
    location.starts_with("file://")
        || (!location.contains("://")
            && !location.split('/').next().unwrap_or_default().contains(':'))
}

/// A source as it is written; which keys there are says what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenSource {
    name: Option<String>,
    priority: i64,
    collection: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    mercurial: Option<String>,
    modules: Option<OneOrMore>,
    into: Option<String>,
    rocks: Option<String>,
    tree: Option<String>,
    lua: Option<Number>,
    prosody: Option<String>,
    application: Option<String>,
    init: Option<String>,
    from: Option<OneOrMore>,
    watch: Option<OneOrMore>,
    ignore: Option<OneOrMore>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// `5.4` is a number for YAML, and a version for everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number(String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(f64),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        }))
    }
}

/// The version of Lua where none is named: that of current servers.
const LUA: &str = "5.4";

impl WrittenSource {
    /// What is meant. `base` is the directory that relative paths start from.
    ///
    /// # Errors
    /// What is missing, what does not go together.
    pub fn read(&self, base: &Path, environment: &Environment) -> Result<Source, Diagnostic> {
        let wrong = |message: String, help: &str| {
            Diagnostic::error(message)
                .field("sources".to_owned())
                .help(help.to_owned())
        };
        let place = |text: &str| {
            if is_path(text) {
                path(text, base, environment).display().to_string()
            } else {
                text.to_owned()
            }
        };
        let needed = |value: &Option<String>, key: &str| {
            let value = value.as_deref().filter(|value| !value.trim().is_empty());
            value
                .ok_or_else(|| {
                    wrong(
                        format!("this kind of source needs `{key}`"),
                        "set the directory to install its modules into",
                    )
                })
                .map(|text| path(text, base, environment))
        };
        let lua = self
            .lua
            .as_ref()
            .map_or_else(|| LUA.to_owned(), |number| number.0.clone());
        if !lua
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(wrong(
                format!("`{lua}` is not a Lua version"),
                "write 5.1, 5.2, 5.3 or 5.4",
            ));
        }
        let given = [
            ("collection", &self.collection),
            ("mercurial", &self.mercurial),
            ("rocks", &self.rocks),
            ("prosody", &self.prosody),
            ("application", &self.application),
        ];
        let kinds: Vec<&str> = given
            .iter()
            .filter(|(_, value)| value.is_some())
            .map(|(name, _)| *name)
            .collect();
        let places = given
            .iter()
            .filter_map(|(_, value)| value.as_deref())
            .map(str::to_owned);
        let from = self.from.as_ref().map(OneOrMore::list).unwrap_or_default();
        if let Some(helper) = places
            .chain(from)
            .find_map(|place| command_transport(&place).map(str::to_owned))
        {
            return Err(wrong(
                format!("`{helper}::` would run a command instead of connecting to a repository"),
                "write the URL of the repository",
            ));
        }
        if let (Some(root), ["application"]) = (&self.application, kinds.as_slice()) {
            return self.application(&path(root, base, environment), base, environment);
        }
        let given = [
            ("init", self.init.is_some()),
            ("from", self.from.is_some()),
            ("watch", self.watch.is_some()),
            ("ignore", self.ignore.is_some()),
        ];
        if let Some((key, _)) = given
            .iter()
            .find(|(_, given)| *given)
            .filter(|_| !kinds.contains(&"application"))
        {
            return Err(wrong(
                format!("`{key}` applies only to an application"),
                "add `application: DIR`",
            ));
        }
        let kind = match (
            &self.collection,
            &self.mercurial,
            &self.rocks,
            &self.prosody,
        ) {
            (Some(collection), None, None, None) => SourceKind::Collection {
                collection: place(collection),
                reference: self.reference.clone(),
            },
            (None, Some(mercurial), None, None) => {
                let modules = match &self.modules {
                    None => vec!["*".to_owned()],
                    Some(OneOrMore::One(one)) => {
                        one.split_whitespace().map(str::to_owned).collect()
                    }
                    Some(more) => more.list(),
                };
                SourceKind::Mercurial {
                    mercurial: place(mercurial),
                    modules,
                    into: needed(&self.into, "into")?,
                }
            }
            (None, None, Some(rocks), None) => SourceKind::Rocks {
                rocks: place(rocks),
                tree: needed(&self.tree, "tree")?,
                lua,
            },
            (None, mercurial, None, Some(prosody)) => SourceKind::Prosody {
                prosody: path(prosody, base, environment),
                mercurial: mercurial.as_deref().map(place),
                lua,
            },
            _ => {
                let message = match kinds.as_slice() {
                    [] => "a source needs exactly one of collection, mercurial, rocks, prosody, application".to_owned(),
                    several => format!("a source has exactly one kind, but this one has {}", several.join(" and ")),
                };
                return Err(wrong(message, "use a separate entry for each"));
            }
        };
        let default = match &kind {
            SourceKind::Mercurial { .. } => "community",
            SourceKind::Rocks { .. } => "rocks",
            SourceKind::Prosody { .. } => "prosody",
            SourceKind::Application { .. } => "application",
            SourceKind::Collection { collection, .. } => {
                let last = collection
                    .trim_end_matches('/')
                    .rsplit('/')
                    .next()
                    .unwrap_or_default();
                last.strip_suffix(".git").unwrap_or(last)
            }
        };
        let name = self.named(default)?;
        let server = match &kind {
            SourceKind::Prosody { prosody, .. } => Some(prosody.clone()),
            _ => None,
        };
        Ok(Source {
            name,
            priority: self.priority,
            kind,
            server,
        })
    }
}

impl WrittenSource {
    fn named(&self, default: &str) -> Result<String, Diagnostic> {
        let name = self.name.clone().unwrap_or_else(|| default.to_owned());
        if ModuleId::new(&name).is_err() || name == "lock" {
            let wrong =
                Diagnostic::error(format!("`{}` is not a source name", name.escape_debug()))
                    .field("sources".to_owned());
            return Err(wrong.help("use only letters, digits and . _ + -"));
        }
        Ok(name)
    }

    fn application(
        &self,
        root: &Path,
        base: &Path,
        environment: &Environment,
    ) -> Result<Source, Diagnostic> {
        let wrong = |message: String, help: &str| {
            Diagnostic::error(message)
                .field("sources".to_owned())
                .help(help.to_owned())
        };
        let foreign = [
            ("ref", self.reference.is_some()),
            ("modules", self.modules.is_some()),
            ("tree", self.tree.is_some()),
            ("lua", self.lua.is_some()),
        ];
        if let Some((key, _)) = foreign.iter().find(|(_, given)| *given) {
            return Err(wrong(
                format!("`{key}` does not apply to an application"),
                "an application can have into, init, from, watch and ignore",
            ));
        }
        let mut application = Application::at(root, environment.home());
        let inside = |text: &str| path(text, root, environment);
        if let Some(into) = &self.into {
            application.modules = inside(into);
        }
        if let Some(init) = &self.init {
            application.init = inside(init);
        }
        if let Some(watch) = &self.watch {
            application.watch = watch.list().iter().map(|text| inside(text)).collect();
        }
        if let Some(ignore) = &self.ignore {
            application.ignore = ignore.list().iter().map(|text| inside(text)).collect();
        }
        application
            .check()
            .map_err(|why| wrong(why, "use directories inside the application"))?;
        let place = |text: String| {
            if is_path(&text) {
                path(&text, base, environment).display().to_string()
            } else {
                text
            }
        };
        let from = self
            .from
            .as_ref()
            .map(OneOrMore::list)
            .unwrap_or_default()
            .into_iter()
            .map(place)
            .collect();
        let name = self.named(
            root.file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("application"),
        )?;
        Ok(Source {
            name,
            priority: self.priority,
            kind: SourceKind::Application { application, from },
            server: None,
        })
    }
}

impl OneOrMore {
    fn list(&self) -> Vec<String> {
        match self {
            OneOrMore::One(one) => vec![one.clone()],
            OneOrMore::More(more) => more.clone(),
        }
    }
}

/// A path as it is written: with `~`, with `file://`, or relative to the file it stands in.
fn path(text: &str, base: &Path, environment: &Environment) -> PathBuf {
    let text = text.strip_prefix("file://").unwrap_or(text);
    let home = environment.home().unwrap_or(Path::new("/"));
    let path = match text
        .strip_prefix("~/")
        .or_else(|| text.strip_prefix("$HOME/"))
    {
        Some(inside) => home.join(inside),
        None if text == "~" => home.to_owned(),
        None => base.join(text),
    };
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CollectionFile;

    fn sources(text: &str) -> Vec<Result<Source, String>> {
        let environment: Environment = [("HOME".to_owned(), "/home/me".to_owned())]
            .into_iter()
            .collect();
        let file = CollectionFile::parse("hoist.yml", text).unwrap();
        let read = |source: &WrittenSource| {
            source
                .read(Path::new("/etc/x"), &environment)
                .map_err(|error| error.message)
        };
        file.sources.iter().map(read).collect()
    }

    #[test]
    fn each_kind_is_known_by_its_key() {
        let read = sources(
            "sources:\n- mercurial: https://hg.example/modules/\n  into: ~/modules\n  modules: mod_*\n- {rocks: rocks, tree: /srv/tree, lua: 5.4, priority: 3}\n- {collection: 'https://example/team.git', ref: main}\n- {prosody: /etc/prosody/prosody.cfg.lua, mercurial: ./hg}\n",
        );
        let names: Vec<&str> = read
            .iter()
            .map(|source| source.as_ref().unwrap().name.as_str())
            .collect();
        assert_eq!(names, ["community", "rocks", "team", "prosody"]);
        let kind = |place: usize| read[place].as_ref().unwrap().kind.clone();
        let modules = vec!["mod_*".to_owned()];
        assert_eq!(
            kind(0),
            SourceKind::Mercurial {
                mercurial: "https://hg.example/modules/".into(),
                modules,
                into: "/home/me/modules".into()
            }
        );
        assert_eq!(
            kind(1),
            SourceKind::Rocks {
                rocks: "/etc/x/rocks".into(),
                tree: "/srv/tree".into(),
                lua: "5.4".into()
            }
        );
        assert_eq!(
            kind(2),
            SourceKind::Collection {
                collection: "https://example/team.git".into(),
                reference: Some("main".into())
            }
        );
        assert!(
            matches!(kind(3), SourceKind::Prosody { mercurial: Some(path), .. } if path == "/etc/x/hg")
        );
    }

    #[test]
    fn paths_are_told_from_hosts() {
        assert!(is_path("/a/b") && is_path("file:///a") && is_path("../x"));
        assert!(!is_path("https://h/x") && !is_path("git@host:x/y.git"));
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
                "`init` applies only to an application",
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
            assert!(
                sources(text)[0].as_ref().unwrap_err().contains(said),
                "{text}"
            );
        }
    }
}
