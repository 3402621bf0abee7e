//! Rocks that are installed ahead of their modules, several by one LuaRocks: it takes longer to
//! start than to install a rock.
//!
//! LuaRocks installs one rock with what that needs, so it is given a rockspec of hoist's own that
//! needs all of them, and a server which has only their files. Until its module takes a rock over,
//! a list in the tree says that nobody has it: it counts as not there, and goes with the run, or
//! with the next one where this run was killed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hoist_core::is_path;
use hoist_executor::{Failure, TaskContext};
use hoist_sources::rocks::{self, RockTree};

use super::{
    LuaRocks, clear, deployed, is_partly_moved, is_whole, own, rock_version, run, run_in, turn,
    versions,
};
use hoist_machine::machine::Machine;
use hoist_system::batch::Batch;
use hoist_system::context::StepContext;

/// A rock that can be installed together with others.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    name: String,
    version: String,
    /// Its file.
    file: String,
    server: String,
    /// The names of what it needs.
    needs: Vec<String>,
}

impl Archive {
    /// Nothing for a rock that LuaRocks would not install in this way.
    pub(super) fn of(rock: &LuaRocks) -> Option<Self> {
        let needs = rock.needs.clone()?;
        // LuaRocks looks for names in small letters.
        let is_found = !rock.name.bytes().any(|byte| byte.is_ascii_uppercase());
        let is_new = versions(&rock.rock(), &rock.name).is_empty()
            && !rocks::directory(&rock.rock(), &rock.name).exists();
        let archive = || Self {
            name: rock.name.clone(),
            version: rock.version.clone(),
            file: rock.archive.clone(),
            server: rock.server.clone(),
            needs,
        };
        (is_found && is_new && kind(&rock.archive, &rock.name, &rock.version).is_some())
            .then(archive)
    }

    /// Where it is, once it was fetched.
    fn path(&self, machine: &Machine) -> Result<PathBuf, Failure> {
        match is_path(&self.server) {
            true => Ok(Path::new(self.server.trim_start_matches("file://")).join(&self.file)),
            false => machine.downloaded(&self.file),
        }
    }
}

/// What LuaRocks calls the kind of a file: `src`, `all`, a platform, or `rockspec`.
fn kind<'f>(file: &'f str, name: &str, version: &str) -> Option<&'f str> {
    let end = file.strip_prefix(&format!("{name}-{version}."))?;
    let kind = end.strip_suffix(".rock").unwrap_or(end);
    (kind == "rockspec" || end.len() > kind.len())
        .then_some(kind)
        .filter(|kind| {
            kind.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

/// The rocks that are there ahead of their modules; as long as this is, nobody else takes them
/// away.
#[derive(Debug)]
pub(super) struct Ahead {
    rock: RockTree,
    list: File,
    /// With their versions.
    waiting: BTreeMap<String, String>,
}

impl Ahead {
    fn begin(rock: &RockTree, archives: &[&Archive]) -> std::io::Result<Self> {
        let list = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(list_of(rock))?;
        list.lock()?;
        let waiting: BTreeMap<String, String> = archives
            .iter()
            .map(|one| (one.name.clone(), one.version.clone()))
            .collect();
        let lines: String = waiting
            .iter()
            .map(|(name, version)| format!("{name} {version}\n"))
            .collect();
        (&list).write_all(lines.as_bytes())?;
        list.sync_data()?;
        Ok(Self {
            rock: rock.clone(),
            list,
            waiting,
        })
    }

    /// Its module has it from now on.
    pub(crate) fn take_over(&mut self, name: &str) -> std::io::Result<()> {
        match (self.waiting.remove(name), self.waiting.is_empty()) {
            (None, _) => Ok(()),
            // The last one takes the list along.
            (Some(_), true) => std::fs::remove_file(list_of(&self.rock)),
            (Some(_), false) => (&self.list).write_all(format!("{name}\n").as_bytes()),
        }
    }

    /// Takes away what no module has taken over.
    pub(super) fn end(self, context: &StepContext<'_>) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        take_away(&self.rock, &self.waiting, context)?;
        let list = list_of(&self.rock);
        std::fs::remove_file(&list)
            .map_err(|error| Failure::new(format!("{}: {error}", list.display())))
    }
}

/// The rocks of several modules in one tree.
pub(super) struct RockBatch {
    rock: RockTree,
    /// The files of rocks that may go together.
    archives: Mutex<Vec<Archive>>,
    /// The rocks that no module has taken over so far.
    ahead: Mutex<Option<Ahead>>,
}

impl RockBatch {
    pub(super) fn new(rock: RockTree) -> Self {
        Self {
            rock,
            archives: Mutex::default(),
            ahead: Mutex::default(),
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Option<Ahead>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn archives(&self) -> MutexGuard<'_, Vec<Archive>> {
        self.archives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the file of a rock in.
    pub(super) fn offer(&self, archive: Archive) {
        self.archives().push(archive);
    }

    /// Says that a module has its rock from now on.
    pub(super) fn take_over(&self, name: &str) -> Result<(), Failure> {
        let mut ahead = self.ahead();
        let taken = ahead.as_mut().map_or(Ok(()), |ahead| ahead.take_over(name));
        taken.map_err(|error| {
            Failure::new(format!("cannot read the list of installed rocks: {error}"))
        })
    }

    /// Takes away what no module took over, because it was never begun.
    fn end(&self, machine: &Machine, task: &TaskContext) -> Result<(), Failure> {
        let variables = BTreeMap::new();
        let context = StepContext::new(task, machine, "batch", &variables);
        let ahead = self.ahead().take();
        ahead.map_or(Ok(()), |ahead| ahead.end(&context))
    }
}

impl Batch for RockBatch {
    fn manager(&self, _: &Machine) -> &'static str {
        "luarocks"
    }

    fn installed(
        &self,
        names: &[String],
        _: &StepContext<'_>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let version = |name: &String| Some((name.clone(), rock_version(&self.rock, name)?));
        Ok(names.iter().filter_map(version).collect())
    }

    fn install(
        self: Arc<Self>,
        names: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let chosen = |archive: &&Archive| names.contains(&archive.name);
        let archives: Vec<Archive> = self.archives().iter().filter(chosen).cloned().collect();
        let (ahead, installed) = install(&self.rock, &archives, context);
        if ahead.is_some() {
            *self.ahead() = ahead;
            context
                .machine
                .at_end(Box::new(move |machine, task| self.end(machine, task)));
        }
        installed
    }
}

fn list_of(rock: &RockTree) -> PathBuf {
    own(rock).join("ahead")
}

/// The rocks of a tree that a run which was killed had installed ahead.
pub(super) fn abandoned(rock: &RockTree) -> BTreeMap<String, String> {
    let Ok(mut list) = File::open(list_of(rock)) else {
        return BTreeMap::new();
    };
    let mut text = String::new();
    // As long as a run is at it, it has the lock.
    if list.try_lock_shared().is_err() || list.read_to_string(&mut text).is_err() {
        return BTreeMap::new();
    }
    let mut waiting = BTreeMap::new();
    // The last line may have been cut off.
    for line in text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
    {
        match line.split_once(' ') {
            Some((name, version)) => waiting.insert(name.to_owned(), version.to_owned()),
            None => waiting.remove(line),
        };
    }
    waiting
}

/// Takes away what a run that was killed had installed ahead.
pub(super) fn repair(rock: &RockTree, context: &StepContext<'_>) -> Result<(), Failure> {
    let list = list_of(rock);
    let Ok(file) = File::open(&list) else {
        return Ok(());
    };
    if file.try_lock_shared().is_err() {
        return Ok(());
    }
    let abandoned = abandoned(rock);
    if !abandoned.is_empty() {
        take_away(rock, &abandoned, context)?;
    }
    std::fs::remove_file(&list)
        .map_err(|error| Failure::new(format!("{}: {error}", list.display())))
}

fn take_away(
    rock: &RockTree,
    those: &BTreeMap<String, String>,
    context: &StepContext<'_>,
) -> Result<(), Failure> {
    for (name, version) in those {
        let files = deployed(rock, &rocks::directory(rock, name).join(version));
        clear(rock, name, version, &files)?;
    }
    if rocks::directory(rock, "").is_dir() {
        run(
            rock,
            "luarocks-admin",
            &["make_manifest", "--local-tree"],
            context,
        )?;
    }
    Ok(())
}

/// Installs these rocks, as far as nothing of them is there. Returns the list of those that are
/// there afterwards; nothing where it is of no use.
fn install(
    rock: &RockTree,
    archives: &[Archive],
    context: &StepContext<'_>,
) -> (Option<Ahead>, Result<(), Failure>) {
    let begun = begin(rock, archives, context);
    let (_turn, mut ahead, scratch) = match begun {
        Ok(Some(begun)) => begun,
        Ok(None) => return (None, Ok(())),
        Err(failure) => return (None, Err(failure)),
    };
    let server = scratch.path().join("server").display().to_string();
    let arguments = [
        "install",
        "--only-deps",
        "--only-server",
        &server,
        "together-1-1.rockspec",
    ];
    let installed = run_in(scratch.path(), rock, "luarocks", &arguments, context);
    if installed.is_err() && context.task.is_cancelled() {
        return (Some(ahead), installed);
    }
    // What is not whole is tried again by its module; the manifest of the tree may not know of what
    // is.
    let broken = |(name, version): &(&String, &String)| {
        !is_whole(rock, name, version)
            || installed.is_err() && is_partly_moved(&rocks::directory(rock, name).join(version))
    };
    let broken: BTreeMap<String, String> = ahead
        .waiting
        .iter()
        .filter(broken)
        .map(|(name, version)| (name.clone(), version.clone()))
        .collect();
    let mended = if installed.is_ok() && broken.is_empty() {
        Ok(())
    } else {
        take_away(rock, &broken, context)
    };
    for name in broken.keys() {
        let _ = ahead.take_over(name);
    }
    (Some(ahead), installed.and(mended))
}

type Begun = (hoist_ledger::Lock, Ahead, tempfile::TempDir);

/// Puts together what LuaRocks is given.
fn begin(
    rock: &RockTree,
    archives: &[Archive],
    context: &StepContext<'_>,
) -> Result<Option<Begun>, Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", own(rock).display()));
    let turn = turn(rock, context)?;
    let is_there = |name: &str| !versions(rock, name).is_empty();
    let mut chosen: Vec<(&Archive, PathBuf)> = Vec::new();
    for archive in archives.iter().filter(|archive| !is_there(&archive.name)) {
        let path = archive.path(context.machine)?;
        if path.is_file() {
            chosen.push((archive, path));
        }
    }
    // What needs something that could not be fetched cannot be installed either.
    loop {
        let count = chosen.len();
        let has = |chosen: &[(&Archive, PathBuf)], name: &str| {
            is_there(name) || chosen.iter().any(|(archive, _)| archive.name == name)
        };
        let whole = chosen.clone();
        chosen.retain(|(archive, _)| archive.needs.iter().all(|needed| has(&whole, needed)));
        if chosen.len() == count {
            break;
        }
    }
    // One is installed as quickly by its module. Where another run is at it, each module waits for
    // its turn.
    if chosen.len() < 2 || list_of(rock).exists() {
        return Ok(None);
    }
    let scratch = context.machine.spare.directory("luarocks")?;
    let server = scratch.path().join("server");
    std::fs::create_dir(&server).map_err(wrong)?;
    let (mut offered, mut needed) = (String::new(), String::new());
    for (archive, path) in &chosen {
        let Archive {
            name,
            version,
            file,
            ..
        } = archive;
        std::os::unix::fs::symlink(std::path::absolute(path).map_err(wrong)?, server.join(file))
            .map_err(wrong)?;
        let kind = kind(file, name, version).unwrap_or_default();
        offered.push_str(&format!(
            "[{}] = {{ [{}] = {{ {{ arch = {} }} }} }},\n",
            quoted(name),
            quoted(version),
            quoted(kind)
        ));
        needed.push_str(&format!("{},\n", quoted(&format!("{name} == {version}"))));
    }
    let manifest = format!("commands = {{}}\nmodules = {{}}\nrepository = {{\n{offered}}}\n");
    std::fs::write(server.join(format!("manifest-{}", rock.lua)), manifest).map_err(wrong)?;
    let spec = format!(
        "package = \"together\"\nversion = \"1-1\"\nsource = {{ url = \"file://none\" }}\ndependencies = {{\n{needed}}}\nbuild = {{ type = \"builtin\", modules = {{}} }}\n"
    );
    std::fs::write(scratch.path().join("together-1-1.rockspec"), spec).map_err(wrong)?;
    let archives: Vec<&Archive> = chosen.iter().map(|(archive, _)| *archive).collect();
    let ahead = Ahead::begin(rock, &archives).map_err(wrong)?;
    Ok(Some((turn, ahead, scratch)))
}

/// A string of Lua; names and versions of rocks have no character that would be escaped, and others
/// are not let out.
fn quoted(text: &str) -> String {
    let plain = text
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '"' | '\\'));
    format!("\"{}\"", plain.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn a_file_says_its_kind() {
        assert_eq!(kind("a-1.0-1.src.rock", "a", "1.0-1"), Some("src"));
        assert_eq!(
            kind("a-1.0-1.linux-x86_64.rock", "a", "1.0-1"),
            Some("linux-x86_64")
        );
        assert_eq!(kind("a-1.0-1.rockspec", "a", "1.0-1"), Some("rockspec"));
        assert_eq!(kind("a-1.0-1.zip", "a", "1.0-1"), None);
        assert_eq!(kind("b-1.0-1.src.rock", "a", "1.0-1"), None);
    }
}
