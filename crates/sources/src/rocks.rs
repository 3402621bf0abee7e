//! The index of a rocks server, and the rockspecs behind it: Lua that is read and never run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hoist_core::{Resource, ResourceScope, UninstallSpec};

use crate::index::{IndexEntry, Offer};
use crate::lua::{self, LuaError};
use crate::version::{Requirement, Version};

/// The method that installs rocks, and the manager of them.
pub const LUAROCKS: &str = "luarocks";

/// A tree of rocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RockTree {
    /// Where rocks are installed.
    pub directory: PathBuf,
    /// The version of Lua they run under.
    pub lua: String,
}

impl RockTree {
    /// The tree as the scope of resources.
    pub fn scope(&self) -> ResourceScope {
        ResourceScope {
            runtime: Some(self.lua.clone()),
            ..ResourceScope::new(LUAROCKS, &self.directory)
        }
    }

    /// A rock of the tree, as a resource of its module.
    pub fn resource(&self, name: &str) -> Resource {
        Resource::new(self.scope(), name)
    }

    /// The tree that a scope is; nothing for scopes of other managers.
    pub fn from_scope(scope: &ResourceScope) -> Option<Self> {
        let lua = scope
            .runtime
            .clone()
            .filter(|_| scope.manager == LUAROCKS)?;
        Some(Self {
            directory: scope.directory.clone(),
            lua,
        })
    }

    /// The tree of a module that is a rock.
    pub fn of(removal: &UninstallSpec) -> Option<Self> {
        removal
            .owned()
            .find_map(|resource| Self::from_scope(&resource.scope))
    }
}

/// Where the versions of a rock stand in a tree, each in a directory of its name.
pub fn directory(rock: &RockTree, name: &str) -> PathBuf {
    rock.directory
        .join(format!("lib/luarocks/rocks-{}", rock.lua))
        .join(name)
}

/// What a rockspec says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rockspec {
    /// Its name.
    pub package: String,
    /// With the revision.
    pub version: String,
    /// A sentence.
    pub summary: String,
    /// Its licence.
    pub licence: Option<String>,
    /// Where it is described.
    pub homepage: Option<String>,
    /// What it needs, Lua itself left out.
    pub depends: Vec<String>,
    /// Which versions of Lua it runs under.
    pub lua: Option<Requirement>,
    /// Whether it runs on this system.
    pub runs_here: bool,
    /// Whether it installs anything that could be loaded.
    pub loads: bool,
}

/// Reads the manifest of a server: names, and the versions of each, the newest first.
///
/// # Errors
/// A text that is no manifest.
pub fn manifest(text: &str) -> Result<BTreeMap<String, Vec<Offer>>, LuaError> {
    let document = lua::read(text)?;
    let none = LuaError {
        line: 1,
        message: "the table `repository` is missing",
    };
    let repository = document
        .get("repository")
        .and_then(lua::LuaValue::table)
        .ok_or(none)?;
    let mut rocks = BTreeMap::new();
    for (name, versions) in repository.map.iter().filter(|(name, _)| is_plain(name)) {
        let Some(versions) = versions.table() else {
            continue;
        };
        let mut offers: Vec<Offer> = versions
            .map
            .iter()
            .filter_map(|(version, files)| offer(name, version, files))
            .collect();
        offers.sort_by_cached_key(|offer| std::cmp::Reverse(Version::new(&offer.version)));
        if !offers.is_empty() {
            rocks.insert(name.clone(), offers);
        }
    }
    Ok(rocks)
}

/// Names and versions become parts of URLs and of paths.
fn is_plain(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
    !text.is_empty()
        && text.len() <= 200
        && !text.starts_with(['.', '-'])
        && text.bytes().all(plain)
}

fn offer(name: &str, version: &str, files: &lua::LuaValue) -> Option<Offer> {
    let kinds: Vec<&str> = files
        .table()?
        .list
        .iter()
        .filter_map(|file| file.table()?.get("arch")?.text())
        .collect();
    // Pure Lua first, then what is built here; of what was built for one kind of machine, that for
    // this one.
    let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let kind = ["all", "src", "rockspec", here.as_str()]
        .into_iter()
        .find(|kind| kinds.contains(kind))?;
    let archive = match kind {
        "rockspec" => format!("{name}-{version}.rockspec"),
        kind => format!("{name}-{version}.{kind}.rock"),
    };
    is_plain(version).then(|| Offer {
        version: version.to_owned(),
        depends: None,
        archive,
    })
}

/// Reads a rockspec.
///
/// # Errors
/// A text that is no rockspec.
pub fn rockspec(text: &str) -> Result<Rockspec, LuaError> {
    let document = lua::read(text)?;
    let named = |name: &str| {
        document
            .get(name)
            .and_then(lua::LuaValue::text)
            .map(str::to_owned)
    };
    let missing = LuaError {
        line: 1,
        message: "`package` and `version` must both be strings",
    };
    let (package, version) = named("package").zip(named("version")).ok_or(missing)?;
    let description = document
        .get("description")
        .and_then(lua::LuaValue::table)
        .cloned()
        .unwrap_or_default();
    let described = |name: &str| {
        description
            .get(name)
            .and_then(lua::LuaValue::text)
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let written = dependencies(&document);
    let is_lua = |text: &&String| {
        Requirement::new(text).is_some_and(|requirement| requirement.name == "lua")
    };
    let supported = document
        .get("supported_platforms")
        .and_then(lua::LuaValue::table);
    Ok(Rockspec {
        package,
        version,
        summary: described("summary")
            .or_else(|| described("detailed"))
            .unwrap_or_default(),
        licence: described("license"),
        homepage: described("homepage"),
        lua: written
            .iter()
            .find(is_lua)
            .and_then(|text| Requirement::new(text)),
        depends: written
            .iter()
            .filter(|text| !is_lua(text))
            .cloned()
            .collect(),
        runs_here: supported.is_none_or(|table| is_supported(&table.texts().collect::<Vec<_>>())),
        loads: loads(&document),
    })
}

/// What LuaRocks calls this system, the most general name first.
fn platforms() -> &'static [&'static str] {
    match std::env::consts::OS {
        "linux" => &["unix", "linux"],
        "macos" => &["unix", "bsd", "macosx", "macos"],
        "freebsd" | "netbsd" | "openbsd" => &["unix", "bsd"],
        _ => &["unix"],
    }
}

/// What the rockspec needs, with what it needs on this system: that stands in a table for the
/// platform, whose entries take the places of the others.
fn dependencies(document: &lua::LuaDocument) -> Vec<String> {
    let Some(table) = document.get("dependencies").and_then(lua::LuaValue::table) else {
        return Vec::new();
    };
    let mut needed: BTreeMap<usize, String> = table
        .texts()
        .map(str::to_owned)
        .enumerate()
        .map(|(place, text)| (place + 1, text))
        .collect();
    let all = document
        .get("dependencies.platforms")
        .or_else(|| table.get("platforms"))
        .and_then(lua::LuaValue::table);
    for here in platforms()
        .iter()
        .filter_map(|name| all?.get(name)?.table())
    {
        needed.extend(
            here.texts()
                .map(str::to_owned)
                .enumerate()
                .map(|(place, text)| (place + 1, text)),
        );
        let numbered = here
            .map
            .iter()
            .filter_map(|(place, value)| Some((place.parse().ok()?, value.text()?.to_owned())));
        needed.extend(numbered);
    }
    needed.into_values().collect()
}

/// `linux`, or `!windows`: what is excluded excludes, and what is named has to be one of these.
fn is_supported(names: &[&str]) -> bool {
    let is_here = |name: &str| platforms().contains(&name);
    let (excluded, named): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| name.starts_with('!'));
    !excluded.iter().any(|name| is_here(&name[1..]))
        && (named.is_empty() || named.iter().any(|name| is_here(name)))
}

/// False for a rock that has nothing but documents: of what is computed, or built by other means,
/// it is not known.
fn loads(document: &lua::LuaDocument) -> bool {
    let Some(build) = document.get("build").and_then(lua::LuaValue::table) else {
        return true;
    };
    let is_empty = |value: Option<&lua::LuaValue>| {
        value.is_none_or(|value| {
            value
                .table()
                .is_some_and(|table| table.list.is_empty() && table.map.is_empty())
        })
    };
    let installs = build.get("install").and_then(lua::LuaValue::table);
    let installs_none = installs.is_none_or(|install| {
        ["lua", "lib", "bin", "conf"]
            .iter()
            .all(|part| is_empty(install.get(part)))
    });
    match build.get("type").and_then(lua::LuaValue::text) {
        Some("none") => !installs_none,
        Some("builtin" | "module") => {
            !(is_empty(build.get("modules")) && installs_none && build.get("modules").is_some())
        }
        _ => true,
    }
}

/// What a server offers under one name, from its offers and the rockspec of the newest.
pub fn entry(name: &str, offers: Vec<Offer>, newest: Option<&Rockspec>) -> IndexEntry {
    let spec = newest.cloned().unwrap_or_default();
    IndexEntry {
        name: name.to_owned(),
        summary: spec.summary,
        version: offers
            .first()
            .map(|offer| offer.version.clone())
            .unwrap_or_default(),
        loads: newest.is_none_or(|spec| spec.loads),
        depends: spec.depends,
        licence: spec.licence,
        homepage: spec.homepage,
        offers,
        ..IndexEntry::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_lists_versions_with_the_newest_first() {
        let text = "commands = {}\nmodules = {}\nrepository = {\n   mod_a = {\n      ['1.9-1'] = { { arch = \"rockspec\" }, { arch = \"src\" } },\n      ['1.10-1'] = { { arch = \"rockspec\" } },\n      ['9-1'] = { { arch = \"linux-x86\" } }\n   },\n   ['../evil'] = { ['1-1'] = { { arch = \"src\" } } }\n}\n";
        let rocks = manifest(text).unwrap();
        assert_eq!(rocks.keys().collect::<Vec<_>>(), ["mod_a"]);
        let versions: Vec<(&str, &str)> = rocks["mod_a"]
            .iter()
            .map(|offer| (offer.version.as_str(), offer.archive.as_str()))
            .collect();
        assert_eq!(
            versions,
            [
                ("1.10-1", "mod_a-1.10-1.rockspec"),
                ("1.9-1", "mod_a-1.9-1.src.rock")
            ]
        );
        assert!(manifest("x = 1").is_err() && manifest("<html>").is_err());
    }

    #[test]
    fn a_rockspec_says_what_it_needs() {
        let text = "package = 'mod_a'\nversion = '1.0-1'\nsource = { url = 'x' }\ndescription = { summary = 'S', license = 'MIT' }\ndependencies = { 'lua >= 5.1, < 5.5', 'mod_b >= 2', 'luatz' }\n";
        let spec = rockspec(text).unwrap();
        assert_eq!(
            (
                spec.package.as_str(),
                spec.depends.len(),
                spec.licence.as_deref()
            ),
            ("mod_a", 2, Some("MIT"))
        );
        assert!(spec.lua.unwrap().accepts(&Version::new("5.4")));
        assert!(rockspec("package = f()\nversion = '1'").is_err());
    }
}
