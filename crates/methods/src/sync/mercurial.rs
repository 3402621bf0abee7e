//! A Mercurial repository: one clone in the cache, brought forward, and an index of its modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hoist_executor::{Command, Failure, Level, TaskContext};
use hoist_files::digest;
use hoist_sources::community::{Content, LastChange, TrackedFile, entry};
use hoist_sources::{Entry, Index};
use rayon::prelude::*;

use super::SourceCache;
use crate::machine::Machine;
use crate::stage::Stage;

/// Files of modules that are larger are not copied.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024;

/// Brings the clone forward and reads it; `None` where it already stood where the source stands.
pub(super) fn sync(
    url: &str,
    wanted: &[String],
    cache: &SourceCache,
    former: Option<&Index>,
    machine: &Machine,
    task: &TaskContext,
) -> Result<Option<Index>, Failure> {
    if machine.find_program("hg", &[]).is_none() {
        return Err(Failure::new("hg is not on the path: install mercurial"));
    }
    let tree = cache.tree();
    let hg = Hg { tree: &tree, machine, task };
    let fresh = !tree.join(".hg").is_dir();
    if fresh {
        hg.clone_from(url)?;
    } else {
        let before = hg.state();
        if let Err(failure) = hg.pull(url) {
            hg.mend(url, failure)?;
        }
        let still = before == hg.state() && former.is_some_and(|former| revision_of(&tree).as_deref() == Some(former.revision.as_str()));
        if still && former.is_some_and(|former| is_as_indexed(&tree, former)) {
            return Ok(None);
        }
        hg.checkout("default")?;
    }
    task.check()?;
    let revision = revision_of(&tree).ok_or_else(|| Failure::new(format!("{} has no revision", tree.display())))?;
    let last = hg.last_changes(former.filter(|_| !fresh))?;
    let files = hg.tracked()?;
    task.check()?;
    let entries = entries(&tree, wanted, &files, &last, former)?;
    Ok(Some(Index { revision, entries, ..Index::default() }))
}

/// Brings the files of a clone back to a revision, whatever was done to them.
pub(crate) fn mend(tree: &Path, revision: &str, machine: &Machine, task: &TaskContext) -> Result<(), Failure> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let hg = Hg { tree, machine, task };
    let mended = hg.checkout(revision);
    mended.map_err(|failure| Failure::new(format!("{}; `hoist sync` fetches it anew", failure.message)))
}

/// The revision that a clone stands at, without starting anything: the first parent in its dirstate.
fn revision_of(tree: &Path) -> Option<String> {
    use std::io::Read;
    let mut start = [0; 32];
    let count = std::fs::File::open(tree.join(".hg/dirstate")).ok()?.read(&mut start).ok()?;
    // The second format begins with its name.
    let parent = match start.starts_with(b"dirstate-v2\n") {
        true => start.get(12..32)?,
        false => start.get(..20).filter(|_| count >= 20)?,
    };
    Some(parent.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_as_indexed(tree: &Path, index: &Index) -> bool {
    index.entries.par_iter().all(|entry| {
        entry.files.iter().all(|file| {
            let path = tree.join(&entry.name).join(file.path);
            match file.link {
                Some(target) => path.read_link().is_ok_and(|found| found.as_os_str() == target),
                None => !path.is_symlink() && std::fs::File::open(&path).and_then(digest).is_ok_and(|found| found == file.digest),
            }
        })
    })
}

/// The Mercurial program, on one clone.
struct Hg<'a> {
    tree: &'a Path,
    machine: &'a Machine,
    task: &'a TaskContext,
}

impl Hg<'_> {
    /// Never a question, never a merge tool, nobody's settings.
    fn command(&self, arguments: &[&str]) -> Command {
        let environment = self.machine.script_environment(&Default::default(), &[]);
        let quiet = ["--noninteractive", "--config", "ui.merge=:fail", "--config", "ui.timeout=60"];
        Command::new("hg")
            .args(quiet)
            .args(arguments)
            .environment(environment)
            .set("HGPLAIN", "1")
            .set("HGRCPATH", "")
            .set("LC_ALL", "C.UTF-8")
    }

    fn run(&self, doing: &str, command: &Command) -> Result<(), Failure> {
        let mut said = String::new();
        let exit = self.task.run_with(command, |stream, line| {
            if line.starts_with("abort:") || said.is_empty() {
                said = line.to_owned();
            }
            self.task.output(stream, line);
        })?;
        let said = said.strip_prefix("abort: ").unwrap_or(&said).trim_end_matches('!');
        if exit.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("{doing}: {}", if said.is_empty() { exit.to_string() } else { said.to_owned() })))
        }
    }

    fn here(&self, arguments: &[&str]) -> Command {
        let tree = self.tree.display().to_string();
        let mut all = vec!["--cwd", tree.as_str()];
        all.extend(arguments);
        self.command(&all)
    }

    fn clone_from(&self, url: &str) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| self.task.failed("preparing", self.tree, &error);
        let stage = Stage::beside(self.tree).map_err(wrong)?;
        let new = stage.path().display().to_string();
        self.run(&format!("cloning {url}"), &self.command(&["clone", "--quiet", "--", url, &new]))?;
        self.task.check()?;
        match self.tree.exists() {
            true => stage.exchange().map(drop).map_err(wrong),
            false => stage.commit().map_err(wrong),
        }
    }

    fn pull(&self, url: &str) -> Result<(), Failure> {
        self.run(&format!("pulling from {url}"), &self.here(&["pull", "--quiet", "--", url]))
    }

    /// After a pull that failed: either the clone is damaged, and is mended, or the source cannot be reached, and then that is the failure.
    fn mend(&self, url: &str, failure: Failure) -> Result<(), Failure> {
        let transaction = self.tree.join(".hg/store/journal").exists();
        if transaction && self.run("recovering", &self.here(&["recover"])).is_ok() && self.pull(url).is_ok() {
            self.task.note(Level::Warning, "a pull that was cut off was taken back");
            return Ok(());
        }
        if self.run("asking the source", &self.command(&["identify", "--quiet", "--id", "--", url])).is_err() {
            return Err(Failure::new(format!("{}; what was known before goes on working", failure.message)));
        }
        self.task.note(Level::Warning, "the copy of the repository was damaged; it is fetched anew");
        self.clone_from(url)
    }

    /// Whether anything came is told by the files of the store.
    fn state(&self) -> Option<(u64, std::time::SystemTime)> {
        let metadata = self.tree.join(".hg/store/00changelog.i").metadata().ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    }

    /// Brings the files to a revision, whatever was done to them.
    fn checkout(&self, revision: &str) -> Result<(), Failure> {
        self.run("updating the copy of the repository", &self.here(&["update", "--quiet", "--clean", "--rev", revision]))?;
        self.run("cleaning the copy of the repository", &self.here(&["--config", "extensions.purge=", "purge", "--all"]))
    }

    /// Which revision changed each top directory last. Of what was known before, only what came since is looked at.
    fn last_changes(&self, former: Option<&Index>) -> Result<BTreeMap<String, LastChange>, Failure> {
        let mut last: BTreeMap<String, LastChange> = BTreeMap::new();
        let known = former.filter(|former| self.knows(&former.revision));
        for entry in known.iter().flat_map(|former| &former.entries) {
            last.insert(entry.name.clone(), LastChange { revision: entry.version.clone(), date: entry.date.clone() });
        }
        let revisions = known.map_or("reverse(ancestors(.))".to_owned(), |former| format!("reverse(only(., {}))", former.revision));
        let template = "{node|short}\t{date|rfc3339date}\t{join(files, \"\\t\")}\n";
        let (exit, text) = self.task.read(&self.here(&["log", "--rev", &revisions, "--template", template]))?;
        if !exit.success() {
            return Err(Failure::new(format!("reading the history: {exit}")));
        }
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for line in text.lines() {
            let mut cells = line.split('\t');
            let (Some(revision), Some(date)) = (cells.next(), cells.next()) else { continue };
            for top in cells.filter_map(|file| file.split_once('/')).map(|(top, _)| top) {
                // The newest comes first.
                if seen.insert(top.to_owned()) {
                    last.insert(top.to_owned(), LastChange { revision: revision.to_owned(), date: Some(date.to_owned()) });
                }
            }
        }
        Ok(last)
    }

    fn knows(&self, revision: &str) -> bool {
        self.run("looking for a revision", &self.here(&["log", "--rev", revision, "--template", ""])).is_ok()
    }

    /// The tracked files of each top directory: path below it, and whether it is a link or may be run.
    fn tracked(&self) -> Result<BTreeMap<String, Vec<(String, char)>>, Failure> {
        let (exit, text) = self.task.read(&self.here(&["manifest", "--verbose"]))?;
        if !exit.success() {
            return Err(Failure::new(format!("listing the files: {exit}")));
        }
        let mut files: BTreeMap<String, Vec<(String, char)>> = BTreeMap::new();
        // `755 * path`, `644   path`, `644 @ path`.
        for line in text.lines() {
            let Some((flag, path)) = line.get(4..5).zip(line.get(6..)) else { continue };
            if let Some((top, rest)) = path.split_once('/') {
                files.entry(top.to_owned()).or_default().push((rest.to_owned(), flag.chars().next().unwrap_or(' ')));
            }
        }
        Ok(files)
    }
}

fn is_wanted(name: &str, wanted: &[String]) -> bool {
    let fits = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    !name.starts_with('.') && wanted.iter().any(fits) && hoist_core::ModuleId::new(name).is_ok()
}

fn entries(
    tree: &Path,
    wanted: &[String],
    files: &BTreeMap<String, Vec<(String, char)>>,
    last: &BTreeMap<String, LastChange>,
    former: Option<&Index>,
) -> Result<Vec<Entry>, Failure> {
    let names: Vec<&String> = files.keys().filter(|name| is_wanted(name, wanted)).collect();
    let read = |name: &&String| -> Result<Entry, Failure> {
        let last = last.get(*name).cloned().unwrap_or_default();
        let known = former.and_then(|former| former.get(name)).filter(|known| !last.revision.is_empty() && known.version == last.revision);
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let file = |(path, flag): &(String, char)| tracked_file(&tree.join(name), path, *flag);
        let tracked: Vec<TrackedFile> =
            files[*name].iter().map(file).collect::<std::io::Result<Vec<_>>>().map_err(|error| Failure::new(error.to_string()))?;
        Ok(entry(name, &tracked, &last))
    };
    names.par_iter().with_min_len(8).map(read).collect()
}

fn tracked_file(directory: &Path, path: &str, flag: char) -> std::io::Result<TrackedFile> {
    let place = directory.join(path);
    let wrong = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", place.display()));
    let metadata = place.symlink_metadata().map_err(wrong)?;
    let content = match metadata.is_symlink() {
        true => Content::Link(place.read_link().map_err(wrong)?.to_string_lossy().into_owned()),
        false if metadata.len() > SIZE_LIMIT => return Err(wrong(std::io::Error::other(format!("it has more than {SIZE_LIMIT} bytes")))),
        false => Content::File(std::fs::read(&place).map_err(wrong)?),
    };
    if flag == '*' && metadata.is_file() && metadata.permissions().mode() & 0o100 == 0 {
        std::fs::set_permissions(&place, Permissions::from_mode(metadata.permissions().mode() | 0o111)).map_err(wrong)?;
    }
    Ok(TrackedFile { path: path.to_owned(), content, executable: flag == '*' })
}
