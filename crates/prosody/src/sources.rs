//! The kinds of sources that modules of an XMPP server come from.

use std::path::{Path, PathBuf};

use hoist_core::{Diagnostic, Module, Source, SourceBase, SourceSyntax, WrittenSource};
use hoist_executor::{Effect, Failure};
use hoist_machine::machine::Machine;
use hoist_sources::choose::RockRequest;
use hoist_sources::kinds::{
    MERCURIAL, MercurialSource, PROSODY, ProsodySource, ROCKS, RocksSource, serve, server,
};
use hoist_sources::modules::{directory_modules, rock_modules};
use hoist_sources::{Index, IndexEntry};
use hoist_system::program::RequiredProgram;
use hoist_system::source::{AskedVersion, OfferedModules, SourceKind, SyncContext};
use hoist_system::source_cache::Synced;

use crate::server::prosody_configuration;
use crate::{mercurial, rocks};

/// Mercurial repositories whose top directories are modules.
#[derive(Debug)]
pub struct Mercurial;

/// Servers of rocks.
#[derive(Debug)]
pub struct Rocks;

/// The configuration of a server, which names both.
#[derive(Debug)]
pub struct Prosody;

static HG: RequiredProgram = RequiredProgram::new("hg", |machine| machine.program_shown("hg"));
static LUAROCKS: RequiredProgram =
    RequiredProgram::new("luarocks", |machine| machine.program_shown("luarocks"));
static LUAROCKS_ADMIN: RequiredProgram = RequiredProgram::new("luarocks-admin", |machine| {
    machine.program_shown("luarocks-admin")
});
static PROSODYCTL: RequiredProgram = RequiredProgram::new("prosodyctl", find_prosodyctl);

/// Finds the program also where only root looks.
fn find_prosodyctl(machine: &Machine) -> Option<String> {
    let found = machine.find_program("prosodyctl", &["/usr/sbin".into()])?;
    Some(found.display().to_string())
}

fn requests(asked: &[AskedVersion]) -> Vec<RockRequest> {
    asked.iter().map(request).collect()
}

fn request(asked: &AskedVersion) -> RockRequest {
    RockRequest {
        name: asked.name.clone(),
        version: Some(asked.version.clone()),
    }
}

/// The settings of a source, which its own kind has written.
fn settings<T: serde::de::DeserializeOwned>(source: &Source, kind: &str) -> Result<T, Failure> {
    let unknown = || Failure::new(format!("{} has no settings of its kind", source.name));
    source.settings(kind).ok_or_else(unknown)
}

/// The programs of a kind, and that of the server where it is for one.
fn with_server(
    source: &Source,
    programs: &[&'static RequiredProgram],
) -> Vec<&'static RequiredProgram> {
    let own = server(source).map(|_| &PROSODYCTL);
    programs.iter().copied().chain(own).collect()
}

impl SourceKind for Mercurial {
    fn syntax(&self) -> SourceSyntax {
        MercurialSource::SYNTAX
    }

    fn read(&self, written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        MercurialSource::read(written, base)
    }

    fn programs(&self, source: &Source) -> Vec<&'static RequiredProgram> {
        with_server(source, &[&HG])
    }

    fn has_index(&self) -> bool {
        true
    }

    fn modules(
        &self,
        source: &Source,
        index: &Index,
        tree: &Path,
        is_builtin: &dyn Fn(&str) -> bool,
    ) -> Vec<Module> {
        let settings: Option<MercurialSource> = source.settings(MERCURIAL);
        settings.map_or(Vec::new(), |settings| {
            directory_modules(source, &settings, index, tree, is_builtin)
        })
    }

    fn is_unread(
        &self,
        source: &Source,
        asked: &[AskedVersion],
        offered: &OfferedModules<'_>,
    ) -> bool {
        let entries = offered.entries_of(source);
        let is_known = |asked: &RockRequest| {
            let mut entries = entries.iter();
            entries.any(|entry| asked.is_called(&entry.name))
        };
        // What is gone from everywhere may have been in an earlier revision.
        let is_gone = |asked: &RockRequest| {
            let is_offered = offered.entries().any(|entry| asked.is_called(&entry.name));
            !is_offered && offered.catalog.get(&asked.name).is_none()
        };
        let asked = requests(asked);
        asked.iter().any(|asked| is_known(asked) || is_gone(asked))
    }

    fn sync(
        &self,
        source: &Source,
        context: &SyncContext<'_>,
    ) -> Result<(Effect, Synced), Failure> {
        let &SyncContext {
            cache,
            machine,
            task,
            ..
        } = context;
        let settings: MercurialSource = settings(source, MERCURIAL)?;
        let asked = requests(context.asked);
        let mut former = context.former(source)?;
        if let Some(former) = former.as_mut().filter(|_| !asked.is_empty()) {
            // What the copy of the repository has is read without the network.
            let chosen = mercurial::revisions(&asked, cache, former, machine, task)?;
            let is_here = |asked: &RockRequest| {
                chosen.iter().any(|chosen| {
                    asked.is_called(&chosen.entry.name) && chosen.entry.unusable.is_none()
                })
            };
            let is_complete = asked.iter().all(is_here);
            former.chosen = chosen;
            cache.store(former)?;
            if is_complete {
                return Ok(context.unchanged(Some(former)));
            }
        }
        let (url, modules) = (&settings.mercurial, &settings.modules);
        let found = mercurial::sync(url, modules, cache, former.as_ref(), machine, task)?;
        let Some(mut index) = found else {
            return Ok(context.unchanged(former.as_ref()));
        };
        task.check()?;
        if !asked.is_empty() {
            index.chosen = mercurial::revisions(&asked, cache, &index, machine, task)?;
        }
        context.store(source, index, former.as_ref())
    }
}

impl SourceKind for Rocks {
    fn syntax(&self) -> SourceSyntax {
        RocksSource::SYNTAX
    }

    fn read(&self, written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        RocksSource::read(written, base)
    }

    fn programs(&self, source: &Source) -> Vec<&'static RequiredProgram> {
        with_server(source, &[&LUAROCKS, &LUAROCKS_ADMIN])
    }

    fn has_index(&self) -> bool {
        true
    }

    fn modules(
        &self,
        source: &Source,
        index: &Index,
        _: &Path,
        is_builtin: &dyn Fn(&str) -> bool,
    ) -> Vec<Module> {
        let settings: Option<RocksSource> = source.settings(ROCKS);
        settings.map_or(Vec::new(), |settings| {
            rock_modules(source, &settings, index, is_builtin)
        })
    }

    fn is_unread(
        &self,
        source: &Source,
        asked: &[AskedVersion],
        offered: &OfferedModules<'_>,
    ) -> bool {
        let entries = offered.entries_of(source);
        let is_read = |asked: &RockRequest, entry: &IndexEntry| {
            let mut offers = entry.offers.iter();
            offers.any(|offer| offer.depends.is_some() && asked.accepts(&offer.version))
        };
        let asked = requests(asked);
        let mut found = asked.iter().filter_map(|asked| {
            let entry = entries.iter().find(|entry| asked.is_called(&entry.name))?;
            Some((asked, entry))
        });
        !found.all(|(asked, entry)| is_read(asked, entry))
    }

    fn sync(
        &self,
        source: &Source,
        context: &SyncContext<'_>,
    ) -> Result<(Effect, Synced), Failure> {
        let RocksSource {
            rocks: url, lua, ..
        } = settings(source, ROCKS)?;
        let asked = requests(context.asked);
        let former = context.former(source)?;
        let (machine, task) = (context.machine, context.task);
        match rocks::sync(&url, &lua, &asked, former.as_ref(), machine, task)? {
            None => Ok(context.unchanged(former.as_ref())),
            Some(index) => {
                task.check()?;
                context.store(source, index, former.as_ref())
            }
        }
    }
}

impl SourceKind for Prosody {
    fn syntax(&self) -> SourceSyntax {
        ProsodySource::SYNTAX
    }

    fn read(&self, written: &WrittenSource, base: &SourceBase<'_>) -> Result<Source, Diagnostic> {
        ProsodySource::read(written, base)
    }

    /// The two sources that the configuration stands for.
    fn expand(&self, source: Source) -> Result<Vec<Source>, Diagnostic> {
        let settings: Option<ProsodySource> = source.settings(PROSODY);
        let Some(settings) = settings else {
            return Ok(Vec::new());
        };
        let prosody = &settings.prosody;
        let configuration = prosody_configuration(prosody).map_err(|why| {
            Diagnostic::error(why).help(format!(
                "it is part of the Prosody configuration {}",
                prosody.display()
            ))
        })?;
        let missing = |name: &str| {
            let wrong = Diagnostic::error(format!(
                "{} does not set {name} to a string",
                prosody.display()
            ));
            wrong.help(format!(
                "add {name} = \"…\" to it, or list the sources one by one"
            ))
        };
        let place = configuration.installer_plugin_path.as_deref();
        let place = place.map(PathBuf::from).filter(|path| path.is_absolute());
        let place = place.ok_or_else(|| missing("installer_plugin_path"))?;
        if configuration.plugin_server.is_none() && settings.mercurial.is_none() {
            return Err(missing("plugin_server"));
        }
        let rocks = configuration.plugin_server.map(|rocks| {
            let settings = RocksSource {
                rocks,
                tree: place.clone(),
                lua: settings.lua.clone(),
            };
            settings.source("rocks")
        });
        let community = settings.mercurial.map(|mercurial| {
            let settings = MercurialSource {
                mercurial,
                modules: vec!["mod_*".to_owned()],
                into: place,
            };
            settings.source("community")
        });
        let of_entry = |mut part: Source| {
            part.priority = source.priority;
            part.entry = Some(source.name.clone());
            serve(&mut part, prosody);
            part
        };
        Ok(rocks.into_iter().chain(community).map(of_entry).collect())
    }

    fn sync(&self, _: &Source, _: &SyncContext<'_>) -> Result<(Effect, Synced), Failure> {
        Err(Failure::new(
            "the Prosody configuration is not a source itself",
        ))
    }
}
