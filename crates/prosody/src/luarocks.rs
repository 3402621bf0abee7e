//! Rocks, by LuaRocks in its tree, from files that were fetched before: new ones together
//! (`luarocks/ahead.rs`), others one at a time without what they need, which is the plan's business.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hoist_core::{Diagnostic, Installed, is_path};
use hoist_executor::{Command, Effect, Failure, ItemChange, Level};
use hoist_files::{FileKind, Record, Recorded, Suffix, back_up, digest, keep_copy, list_tree};
use hoist_ledger::{Holder, Lock};
use hoist_sources::lua::{self, LuaValue, Table};
use hoist_sources::rocks::RockTree;
use hoist_sources::{Requirement, Version, rocks};
use serde::{Deserialize, Serialize};

mod ahead;
mod manager;

use ahead::{Archive, RockBatch};
use manager::Rocks;

use hoist_machine::machine::Machine;
use hoist_system::batch::{Batches, SharedBatch};
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry};
use hoist_system::program::RequiredProgram;

/// A rock to be installed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LuaRocks {
    name: String,
    version: String,
    /// The name of its file on the server.
    archive: String,
    server: String,
    tree: PathBuf,
    lua: String,
    /// The names of what it needs; nothing where LuaRocks would look for more than that.
    #[serde(default)]
    needs: Option<Vec<String>>,
    /// What was installed together with others.
    #[serde(skip)]
    batch: Option<Arc<SharedBatch>>,
    /// Whether it was applied, so that what the batch changed is its doing.
    #[serde(skip)]
    applied: bool,
}

impl LuaRocks {
    fn rock(&self) -> RockTree {
        RockTree {
            directory: self.tree.clone(),
            lua: self.lua.clone(),
        }
    }

    /// True where a batch installed it.
    fn is_ahead(&self) -> bool {
        self.batch
            .as_ref()
            .is_some_and(|batch| batch.changed(&self.name))
    }
}

/// Its entry in the table of methods.
pub(crate) const METHOD: MethodEntry = MethodEntry {
    programs: &[&LUAROCKS],
    manager: Some(&Rocks),
    ..MethodEntry::new::<LuaRocks>("luarocks")
};

/// What installs rocks.
static LUAROCKS: RequiredProgram = RequiredProgram {
    name: "luarocks",
    find: |machine| machine.program_shown("luarocks"),
    missing: Some(|_| {
        Diagnostic::error("luarocks is not on PATH, but modules of this run require it")
            .help("install LuaRocks")
    }),
};

impl Method for LuaRocks {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![pool(&self.tree)]
    }

    fn changes_only_files(&self) -> bool {
        false
    }

    fn version(&self) -> Option<String> {
        if !self.applied && self.is_ahead() {
            return None;
        }
        versions(&self.rock(), &self.name).into_iter().next()
    }

    fn join_batch(
        &mut self,
        batches: &mut Batches,
        _: &Machine,
    ) -> Option<(Arc<SharedBatch>, Vec<String>)> {
        let archive = Archive::of(self)?;
        let rock = self.rock();
        let batch = batches.join(pool(&rock.directory).0, || RockBatch::new(rock));
        batch.kind::<RockBatch>()?.offer(archive);
        self.batch = Some(batch.clone());
        Some((batch, vec![self.name.clone()]))
    }

    fn fetch(&self, force: bool) -> Option<(String, String)> {
        let is_whole = || is_whole(&self.rock(), &self.name, &self.version);
        let there =
            !force && versions(&self.rock(), &self.name).contains(&self.version) && is_whole();
        let url = format!("{}/{}", self.server.trim_end_matches('/'), self.archive);
        (!there && !is_path(&self.server)).then(|| (url, self.archive.clone()))
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        self.applied = true;
        let rock = self.rock();
        let _turn = turn(&rock, context)?;
        let paths = vec![rocks::directory(&rock, &self.name)];
        let before = versions(&rock, &self.name);
        let applied = |record| Applied {
            version: Some(self.version.clone()),
            paths,
            record: Some(record),
            ..Applied::unchanged()
        };
        let is_there = before.contains(&self.version) && is_whole(&rock, &self.name, &self.version);
        if let Some(batch) = self.batch.as_ref().filter(|_| is_there && self.is_ahead()) {
            let record = consists_of(&rock, &self.name, &self.version)?;
            let ahead = batch.kind::<RockBatch>();
            ahead.map_or(Ok(()), |ahead| ahead.take_over(&self.name))?;
            return Ok(Applied {
                effect: Effect::Changed,
                ..applied(record)
            });
        }
        if is_there && !context.force && !context.unfinished {
            return Ok(applied(consists_of(&rock, &self.name, &self.version)?));
        }
        before
            .iter()
            .try_for_each(|version| keep_changed(&rock, &self.name, version, context))?;
        // LuaRocks removes a version before it installs the same anew.
        let spare = if before.contains(&self.version) {
            pack(&rock, &self.name, &self.version, context)?
        } else {
            None
        };
        if context.unfinished && before.contains(&self.version) {
            // Installed over what an attempt left, LuaRocks would take its files for those of
            // another.
            let mut work = AtWork {
                removes: true,
                ..AtWork::on(&rock, &self.name)
            };
            work.versions.retain(|version, _| *version == self.version);
            work.during(&rock, context, || {
                luarocks(
                    &rock,
                    &["remove", "--force", &self.name, &self.version],
                    context,
                )
            })?;
        }
        let file = match is_path(&self.server) {
            true => Path::new(self.server.trim_start_matches("file://")).join(&self.archive),
            false => {
                let file = context.machine.downloaded(&self.archive)?;
                let url = format!("{}/{}", self.server.trim_end_matches('/'), self.archive);
                context
                    .machine
                    .download(&url, &self.archive, context.task)?;
                file
            }
        };
        let file = file.display().to_string();
        let work = AtWork {
            installs: Some(self.version.clone()),
            ..AtWork::on(&rock, &self.name)
        };
        // Everything that it needs is there. Without a look at that, LuaRocks would not tell its
        // programs where to find their modules.
        let deps = if self.needs.is_some() {
            "--deps-mode=one"
        } else {
            "--deps-mode=none"
        };
        // What needs the version that is there comes in another version as well; both versions
        // would else stay.
        let force: &[&str] = if self.needs.is_some() && !before.is_empty() {
            &["--force"]
        } else {
            &[]
        };
        let arguments = [
            &["install", deps, "--only-server", &self.server],
            force,
            &[&file],
        ]
        .concat();
        let installed = work.during(&rock, context, || luarocks(&rock, &arguments, context));
        let there = versions(&rock, &self.name).contains(&self.version);
        if installed.is_err() || !there {
            if !before.contains(&self.version) {
                // What a failure leaves is taken away; what cannot be is removed as files.
                if versions(&rock, &self.name).contains(&self.version) {
                    let _ = luarocks(
                        &rock,
                        &["remove", "--force", &self.name, &self.version],
                        context,
                    );
                }
                clear(&rock, &self.name, &self.version, &[])?;
            } else if let Some((_scratch, packed)) = spare.filter(|_| !there) {
                let packed = packed.display().to_string();
                let back = work.during(&rock, context, || {
                    luarocks(
                        &rock,
                        &["install", deps, "--only-server", &self.server, &packed],
                        context,
                    )
                });
                let more = back.map_or_else(
                    |failure| {
                        format!(
                            "; and existing files cannot be restored: {}",
                            failure.message
                        )
                    },
                    |()| "; existing files were restored".to_owned(),
                );
                return Err(installed.err().map_or_else(
                    || Failure::new(more.clone()),
                    |failure| Failure::new(format!("{}{more}", failure.message)),
                ));
            }
            installed?;
            return Err(Failure::new(format!(
                "luarocks installed a rock other than {} {}",
                self.name, self.version
            )));
        }
        Ok(Applied {
            effect: Effect::Changed,
            ..applied(consists_of(&rock, &self.name, &self.version)?)
        })
    }

    fn revert(&mut self, context: &StepContext<'_>) -> Result<(), Failure> {
        let rock = self.rock();
        let _turn = turn(&rock, context)?;
        let work = AtWork {
            removes: true,
            ..AtWork::on(&rock, &self.name)
        };
        work.during(&rock, context, || {
            luarocks(
                &rock,
                &["remove", "--force", &self.name, &self.version],
                context,
            )
        })
    }
}

/// One at a time works in a tree.
fn pool(tree: &Path) -> (String, usize) {
    (format!("luarocks:{}", tree.display()), 1)
}

/// The versions of a rock that its tree has, the newest first.
fn versions(rock: &RockTree, name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(rocks::directory(rock, name))
        .into_iter()
        .flatten()
        .flatten();
    let whole = entries.filter(|entry| entry.path().join("rock_manifest").is_file());
    let mut versions: Vec<String> = whole
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    if !versions.is_empty() {
        let abandoned = ahead::abandoned(rock);
        versions.retain(|version| abandoned.get(name) != Some(version));
    }
    versions.sort_by_cached_key(|version| std::cmp::Reverse(Version::new(version)));
    versions
}

/// The rocks of a tree, each with its newest version.
pub fn rocks_of(rock: &RockTree) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(rocks::directory(rock, ""))
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter_map(|name| rock_version(rock, &name).map(|version| (name, version)))
        .collect()
}

/// What the rocks of a tree need, by the name of the one that needs it, as LuaRocks has it.
pub fn needs_of_rocks(rock: &RockTree) -> BTreeMap<String, Vec<Requirement>> {
    let text =
        hoist_files::read_text(&rocks::directory(rock, "").join("manifest")).unwrap_or_default();
    let Ok(document) = lua::read(&text) else {
        return BTreeMap::new();
    };
    let all = document
        .get("dependencies")
        .and_then(LuaValue::table)
        .cloned()
        .unwrap_or_default();
    let requirement = |entry: &Table| {
        let name = entry.get("name").and_then(LuaValue::text)?;
        let constraints = entry
            .get("constraints")
            .and_then(LuaValue::table)
            .map(|table| table.list.clone())
            .unwrap_or_default();
        let constraints = constraints
            .iter()
            .filter_map(LuaValue::table)
            .filter_map(|constraint| {
                let version = constraint
                    .get("version")
                    .and_then(LuaValue::table)?
                    .get("string")
                    .and_then(LuaValue::text)?;
                Some(format!(
                    "{} {version}",
                    constraint.get("op").and_then(LuaValue::text)?
                ))
            });
        Requirement::new(&format!(
            "{name} {}",
            constraints.collect::<Vec<_>>().join(", ")
        ))
    };
    let of_rock = |versions: &LuaValue| -> Vec<Requirement> {
        let lists = versions
            .table()
            .into_iter()
            .flat_map(|table| table.map.values())
            .filter_map(LuaValue::table);
        lists
            .flat_map(|list| list.list.iter())
            .filter_map(LuaValue::table)
            .filter_map(requirement)
            .collect()
    };
    all.map
        .iter()
        .map(|(name, versions)| (name.clone(), of_rock(versions)))
        .collect()
}

/// The rocks of a tree that need a rock and that hoist did not install: LuaRocks does not remove
/// what they need.
pub fn foreign_dependents(rock: &RockTree, name: &str, installed: &Installed) -> Vec<String> {
    let record = |name: &str| {
        installed
            .modules
            .get(name)
            .or_else(|| installed.unfinished.get(name))
    };
    let is_ours = |name: &str| {
        record(name).is_some_and(|record| RockTree::of(&record.removal).as_ref() == Some(rock))
    };
    let needs = needs_of_rocks(rock).into_iter();
    let needing = needs.filter(|(other, needs)| {
        other != name && !is_ours(other) && needs.iter().any(|need| need.name == name)
    });
    needing.map(|(other, _)| other).collect()
}

/// The newest version of a rock that its tree has.
fn rock_version(rock: &RockTree, name: &str) -> Option<String> {
    versions(rock, name).into_iter().next()
}

/// The versions of a rock that go with it: the one that hoist brought. Others somebody else put
/// beside it.
fn to_remove(rock: &RockTree, name: &str, version: Option<&str>) -> Vec<String> {
    let there = versions(rock, name);
    there
        .into_iter()
        .filter(|there| version.is_none_or(|version| version == there))
        .collect()
}

/// Takes a rock out of its tree, unless another needs it; with `force` also then.
fn remove(
    rock: &RockTree,
    name: &str,
    version: Option<&str>,
    force: bool,
    context: &StepContext<'_>,
) -> Result<(), Failure> {
    if !rock.directory.join("lib/luarocks").is_dir() {
        return Ok(());
    }
    let _turn = turn(rock, context)?;
    for version in to_remove(rock, name, version) {
        keep_changed(rock, name, &version, context)?;
        let mut work = AtWork {
            removes: true,
            ..AtWork::on(rock, name)
        };
        work.versions.retain(|other, _| *other == version);
        let how = if force { "--force" } else { "--deps-mode=one" };
        work.during(rock, context, || {
            luarocks(rock, &["remove", how, name, &version], context)
        })?;
    }
    Ok(())
}

/// Where hoist keeps its own things in a tree.
fn own(rock: &RockTree) -> PathBuf {
    rock.directory.join("lib/luarocks/.hoist")
}

/// True where all files of a version are in their places.
fn is_whole(rock: &RockTree, name: &str, version: &str) -> bool {
    let directory = rocks::directory(rock, name).join(version);
    directory.join("rock_manifest").is_file()
        && deployed(rock, &directory).iter().all(|file| file.exists())
}

/// Whether a tree, which is put in order before, has this version of a rock, whole, and no other.
/// False while another hoist works in it.
fn is_only(rock: &RockTree, name: &str, version: &str, context: &StepContext<'_>) -> bool {
    let Ok(_lock) = Lock::take(&own(rock), "hoist", |_| false) else {
        return false;
    };
    let mended = repair(rock, context).and_then(|()| ahead::repair(rock, context));
    mended.is_ok() && versions(rock, name) == [version] && is_whole(rock, name, version)
}

/// The right to work in a tree, also against other programs of hoist. What one that was killed left
/// half done is mended first.
fn turn(rock: &RockTree, context: &StepContext<'_>) -> Result<Lock, Failure> {
    let mut told = false;
    let wait = |holder: &Holder| {
        if !std::mem::replace(&mut told, true) {
            context.task.note(
                Level::Info,
                format!(
                    "waiting for another hoist in {}: {holder}",
                    rock.directory.display()
                ),
            );
        }
        context.task.check().is_ok()
    };
    let lock = Lock::take(&own(rock), "hoist", wait);
    context.task.check()?;
    let lock = lock.map_err(|error| Failure::new(error.to_string()))?;
    repair(rock, context)?;
    ahead::repair(rock, context)?;
    Ok(lock)
}

/// What LuaRocks is at, written down while it is: killed in the middle it leaves files that its
/// manifest does not know, or the other way round.
#[derive(Debug, Default, Serialize, Deserialize)]
struct AtWork {
    name: String,
    /// The versions that were there, each with its files where they are loaded from.
    versions: BTreeMap<String, Vec<PathBuf>>,
    /// The version that comes.
    installs: Option<String>,
    /// True where all of them go.
    removes: bool,
}

impl AtWork {
    fn on(rock: &RockTree, name: &str) -> Self {
        let directory = rocks::directory(rock, name);
        let files = |version: &str| {
            deployed(rock, &directory.join(version))
                .into_iter()
                .filter(|file| file.exists())
                .collect()
        };
        let there = versions(rock, name)
            .into_iter()
            .map(|version| (version.clone(), files(&version)));
        Self {
            name: name.to_owned(),
            versions: there.collect(),
            ..Self::default()
        }
    }

    /// Does this with a note of it. What fails half way is put in order; what is cut off leaves the
    /// note for the next.
    fn during(
        &self,
        rock: &RockTree,
        context: &StepContext<'_>,
        work: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let wrong =
            |error: std::io::Error| Failure::new(format!("{}: {error}", own(rock).display()));
        let note = own(rock).join(AT_WORK);
        std::fs::write(&note, serde_json::to_vec(self).unwrap_or_default()).map_err(wrong)?;
        let done = work();
        match &done {
            Err(_) if context.task.is_cancelled() => {}
            Err(_) if !self.is_as_before(rock) => repair(rock, context)?,
            _ => std::fs::remove_file(note).map_err(wrong)?,
        }
        done
    }

    fn is_as_before(&self, rock: &RockTree) -> bool {
        let directory = rocks::directory(rock, &self.name);
        let is_whole = |version: &String, files: &[PathBuf]| {
            directory.join(version).join("rock_manifest").is_file()
                && files.iter().all(|file| file.exists())
        };
        let comes = self.installs.iter().any(|version| {
            !self.versions.contains_key(version) && directory.join(version).exists()
        });
        !comes
            && self
                .versions
                .iter()
                .all(|(version, files)| is_whole(version, files))
    }
}

const AT_WORK: &str = "at-work";

/// After LuaRocks was killed: what it was removing goes, what it was installing goes where it is
/// not whole, and its manifest is made anew.
fn repair(rock: &RockTree, context: &StepContext<'_>) -> Result<(), Failure> {
    let note = own(rock).join(AT_WORK);
    let Ok(text) = std::fs::read(&note) else {
        return Ok(());
    };
    // Cut off while it was written, nothing had begun.
    if let Ok(work) = serde_json::from_slice::<AtWork>(&text) {
        let directory = rocks::directory(rock, &work.name);
        for (version, files) in &work.versions {
            let whole = directory.join(version).join("rock_manifest").is_file()
                && files.iter().all(|file| file.exists());
            if work.removes || !whole || is_partly_moved(&directory.join(version)) {
                clear(rock, &work.name, version, files)?;
            }
        }
        if let Some(version) = work
            .installs
            .filter(|version| !work.versions.contains_key(version))
        {
            let files = deployed(rock, &directory.join(&version));
            if files.is_empty()
                || !files.iter().all(|file| file.exists())
                || is_partly_moved(&directory.join(&version))
            {
                clear(rock, &work.name, &version, &files)?;
            }
        }
        context.task.note(
            Level::Warning,
            format!(
                "luarocks was interrupted at {}; its tree was repaired",
                work.name
            ),
        );
        if rocks::directory(rock, "").is_dir() {
            run(
                rock,
                "luarocks-admin",
                &["make_manifest", "--local-tree"],
                context,
            )?;
        }
    }
    std::fs::remove_file(&note)
        .map_err(|error| Failure::new(format!("{}: {error}", note.display())))
}

/// Returns true where LuaRocks was interrupted while it moved the files of a version to where they
/// are loaded from: it copies each and then removes it.
fn is_partly_moved(version: &Path) -> bool {
    ["lua", "lib"]
        .iter()
        .any(|part| version.join(part).exists())
}

fn luarocks(rock: &RockTree, arguments: &[&str], context: &StepContext<'_>) -> Result<(), Failure> {
    run(rock, "luarocks", arguments, context)
}

fn run(
    rock: &RockTree,
    program: &str,
    arguments: &[&str],
    context: &StepContext<'_>,
) -> Result<(), Failure> {
    let scratch = context.machine.spare.directory("luarocks")?;
    run_in(scratch.path(), rock, program, arguments, context)
}

/// Runs one of the programs of LuaRocks in a directory.
fn run_in(
    directory: &Path,
    rock: &RockTree,
    program: &str,
    arguments: &[&str],
    context: &StepContext<'_>,
) -> Result<(), Failure> {
    let found = context.machine.find_program(program, &[]);
    let program =
        found.ok_or_else(|| Failure::new(format!("{program} is not on PATH: install LuaRocks")))?;
    let temporary = context.machine.spare.directory("luarocks")?;
    let environment = context.machine.script_environment(&BTreeMap::new(), "");
    let command = Command::new(program)
        .args([
            format!("--lua-version={}", rock.lua),
            format!("--tree={}", rock.directory.display()),
        ])
        .args(arguments)
        .environment(environment)
        .set("TMPDIR", temporary.path())
        .set("LC_ALL", "C.UTF-8")
        .directory(directory);
    let (mut error, mut last, mut reason) = (None, String::new(), String::new());
    let exit = context.task.run_with(&command, |stream, line| {
        if let Some(text) = line.strip_prefix("Error: ") {
            error = Some(text.to_owned());
        } else if line.starts_with("Removing it would break")
            || line.starts_with("Could not satisfy")
        {
            reason = line.trim_end_matches(':').to_owned();
        } else if !line.trim().is_empty() && !line.starts_with("Warning:") {
            last = line.trim().to_owned();
        }
        context.task.output(stream, line);
    })?;
    if exit.success() {
        return Ok(());
    }
    let said = error.filter(|text| !text.trim().is_empty()).unwrap_or(last);
    let why = if said.is_empty() {
        exit.to_string()
    } else {
        said
    };
    let why = if reason.is_empty() {
        why
    } else {
        format!("{why} {reason}")
    };
    // Its most frequent trouble, in words that help.
    let help = match why.contains("Lua header") || why.contains("lua.h") {
        true => format!(
            "; install the headers of Lua {} (Debian: liblua{}-dev)",
            rock.lua, rock.lua
        ),
        false => String::new(),
    };
    Err(Failure::new(format!(
        "luarocks {}: {why}{help}",
        arguments.first().unwrap_or(&"")
    )))
}

/// A rock as it is, in a file that can be installed again; `None` where it cannot be packed.
fn pack(
    rock: &RockTree,
    name: &str,
    version: &str,
    context: &StepContext<'_>,
) -> Result<Option<(tempfile::TempDir, PathBuf)>, Failure> {
    let scratch = context.machine.spare.directory("rock")?;
    let packed = run_in(
        scratch.path(),
        rock,
        "luarocks",
        &["pack", name, version],
        context,
    );
    context.task.check()?;
    let files = std::fs::read_dir(scratch.path())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let file = files.into_iter().find(|path| {
        path.extension()
            .is_some_and(|extension| extension == "rock")
    });
    Ok(file.filter(|_| packed.is_ok()).map(|file| (scratch, file)))
}

/// The files of a rock where they are loaded from, and those in its own directory.
fn consists_of(rock: &RockTree, name: &str, version: &str) -> Result<Record, Failure> {
    let own = rocks::directory(rock, name).join(version);
    let mut paths = deployed(rock, &own);
    paths.push(own);
    let wrong = |error: std::io::Error| Failure::new(error.to_string());
    let mut record = Record::new();
    for (path, seen) in list_tree(&paths).map_err(wrong)? {
        let digest = match seen.kind {
            FileKind::File => File::open(&path).and_then(digest).map_err(wrong)?,
            FileKind::Link => path
                .read_link()
                .and_then(|target| digest(target.as_os_str().as_encoded_bytes()))
                .map_err(wrong)?,
            _ => String::new(),
        };
        record.insert(
            path,
            Recorded {
                kind: seen.kind,
                mode: seen.mode,
                digest,
            },
        );
    }
    Ok(record)
}

/// Where the files of a rock are put to be loaded, as its own manifest lists them.
fn deployed(rock: &RockTree, own: &Path) -> Vec<PathBuf> {
    let text = hoist_files::read_text(&own.join("rock_manifest")).unwrap_or_default();
    let Ok(document) = lua::read(&text) else {
        return Vec::new();
    };
    let manifest = document
        .get("rock_manifest")
        .and_then(LuaValue::table)
        .cloned()
        .unwrap_or_default();
    let places = [
        ("lua", rock.directory.join("share/lua").join(&rock.lua)),
        ("lib", rock.directory.join("lib/lua").join(&rock.lua)),
        ("bin", rock.directory.join("bin")),
    ];
    let mut paths = Vec::new();
    for (part, root) in places {
        let Some(table) = manifest.get(part).and_then(LuaValue::table) else {
            continue;
        };
        let mut waiting = vec![(root, table.clone())];
        while let Some((directory, table)) = waiting.pop() {
            for (name, value) in table.map.iter().filter(|(name, _)| {
                !name.contains('/') && !matches!(name.as_str(), "." | ".." | "")
            }) {
                match value.table() {
                    Some(inner) => waiting.push((directory.join(name), inner.clone())),
                    None => paths.push(directory.join(name)),
                }
            }
        }
    }
    paths
}

/// The files of a rock that were modified, and those that were added in its own directory, since it
/// was recorded.
fn modified(
    rock: &RockTree,
    name: &str,
    version: &str,
    record: &Record,
) -> std::io::Result<Vec<PathBuf>> {
    let directory = rocks::directory(rock, name).join(version);
    // Of a version that is not the recorded one, nobody knows what it was.
    if !record.contains_key(&directory) {
        return Ok(Vec::new());
    }
    let own = list_tree(std::slice::from_ref(&directory))?
        .into_iter()
        .filter(|(_, seen)| seen.kind == FileKind::File)
        .map(|(path, _)| path);
    let mut modified = Vec::new();
    for path in deployed(rock, &directory)
        .into_iter()
        .chain(own)
        .filter(|path| path.is_file())
    {
        let is_modified = match record.get(&path) {
            None => path.starts_with(&directory),
            Some(recorded) => {
                recorded.kind == FileKind::File
                    && File::open(&path).and_then(digest)? != recorded.digest
            }
        };
        if is_modified {
            modified.push(path);
        }
    }
    Ok(modified)
}

/// Backs up what was modified of a rock that is about to be replaced or removed, and what was added
/// in its own directory.
fn keep_changed(
    rock: &RockTree,
    name: &str,
    version: &str,
    context: &StepContext<'_>,
) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(error.to_string());
    let directory = rocks::directory(rock, name).join(version);
    let kept = own(rock).join("kept").join(name).join(version);
    for path in modified(rock, name, version, context.record).map_err(wrong)? {
        // Its own directory goes as a whole.
        let copy = match path.strip_prefix(&directory) {
            Err(_) => back_up(&path, Suffix::Usual),
            Ok(inside) => {
                let place = kept.join(inside);
                place
                    .parent()
                    .map_or(Ok(()), std::fs::create_dir_all)
                    .map_err(wrong)?;
                let mode = path.metadata().map_err(wrong)?.mode() & 0o7777;
                keep_copy(
                    &place,
                    &std::fs::read(&path).map_err(wrong)?,
                    mode,
                    Suffix::Usual,
                )
            }
        };
        let why = format!(
            "backup of {}, which was locally modified or added",
            path.display()
        );
        context.task.item(
            ItemChange::Preserved,
            copy.map_err(wrong)?.display().to_string(),
            Some(why),
        );
    }
    Ok(())
}

/// Removes what there is of a version that LuaRocks did not finish with; `files` are those that are
/// loaded, where they are known.
fn clear(rock: &RockTree, name: &str, version: &str, files: &[PathBuf]) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(error.to_string());
    let directory = rocks::directory(rock, name);
    // Another version of it may have taken their places.
    let others = versions(rock, name)
        .into_iter()
        .filter(|other| other != version);
    let needed: Vec<PathBuf> = others
        .flat_map(|other| deployed(rock, &directory.join(other)))
        .collect();
    for file in files
        .iter()
        .filter(|file| !needed.contains(file) && file.symlink_metadata().is_ok())
    {
        std::fs::remove_file(file).map_err(wrong)?;
    }
    if directory.join(version).exists() {
        std::fs::remove_dir_all(directory.join(version)).map_err(wrong)?;
    }
    // Only where it is empty.
    let _ = std::fs::remove_dir(directory);
    Ok(())
}
