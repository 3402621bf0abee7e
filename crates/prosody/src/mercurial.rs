//! A Mercurial repository: one clone in the cache, brought forward, and an index of its modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hoist_core::{Userinfo, without_userinfo};
use hoist_executor::{Command, Failure, Level, TaskContext};
use hoist_files::digest;
use hoist_sources::choose::RockRequest;
use hoist_sources::community::{self, Content, LastChange, TrackedFile};
use hoist_sources::{Chosen, Index, IndexEntry, Requirement};
use rayon::prelude::*;
use tempfile::NamedTempFile;

use hoist_guard::rollback::EndOfRun;
use hoist_guard::stage::{StagingDir, clean_stages};
use hoist_machine::machine::Machine;
use hoist_system::source_cache::SourceCache;

/// Files of modules that are larger are not copied.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024;

/// Brings the clone forward and reads it; `None` where it already stood where the source stands.
pub fn sync(
    url: &str,
    wanted: &[String],
    cache: &SourceCache,
    former: Option<&Index>,
    machine: &Machine,
    task: &TaskContext,
) -> Result<Option<Index>, Failure> {
    has_hg(machine)?;
    let tree = cache.tree();
    let (clean, userinfo) = without_userinfo(url);
    let login = userinfo
        .map(|userinfo| login(&clean, &userinfo, machine))
        .transpose()?;
    let (url, hg) = (
        clean.as_str(),
        Hg {
            tree: &tree,
            machine,
            task,
            login,
        },
    );
    // What a clone that was cut off left.
    clean_stages(&[tree.clone(), cache.revisions()], |_| None, EndOfRun::NOW);
    let revision = hg.tip(url)?;
    let fresh = cloned_from(&tree).as_deref() != Some(url);
    let stands = revision_of(&tree).as_deref() == Some(revision.as_str());
    if !fresh
        && stands
        && former.is_some_and(|former| former.revision == revision && is_as_indexed(&tree, former))
    {
        return Ok(None);
    }
    if fresh {
        hg.clone_from(url, &revision)?;
    } else {
        let brought = if stands { Ok(()) } else { hg.fetch_url(url) };
        if let Err(failure) = brought.and_then(|()| hg.checkout(&revision)) {
            // The source answered: it is the copy that is at fault.
            task.check()?;
            task.note(
                Level::Warning,
                format!(
                    "the local copy of the repository was damaged ({}); it was fetched again",
                    failure.message
                ),
            );
            hg.clone_from(url, &revision)?;
        }
    }
    task.check()?;
    let last = hg.last_changes(former.filter(|_| !fresh))?;
    let files = hg.tracked(&[])?;
    task.check()?;
    let entries = entries(&tree, wanted, &files, &last, former);
    for entry in entries.iter().filter(|entry| entry.unusable.is_some()) {
        task.note(
            Level::Warning,
            format!(
                "{} cannot be installed: {}",
                entry.name,
                entry.unusable.as_deref().unwrap_or_default()
            ),
        );
    }
    Ok(Some(Index {
        revision,
        entries,
        ..Index::default()
    }))
}

/// Copies modules as they were at the revisions that are asked for, with what these need and the
/// index has not. Of what was copied before nothing stays. What cannot be had says why.
pub fn revisions(
    asked: &[RockRequest],
    cache: &SourceCache,
    index: &Index,
    machine: &Machine,
    task: &TaskContext,
) -> Result<Vec<Chosen>, Failure> {
    has_hg(machine)?;
    let (tree, place) = (cache.tree(), cache.revisions());
    let hg = Hg {
        tree: &tree,
        machine,
        task,
        login: None,
    };
    let preparing = |error: std::io::Error| task.failed("preparing", &place, &error);
    let stage = StagingDir::beside(&place).map_err(preparing)?;
    std::fs::create_dir_all(stage.path()).map_err(preparing)?;
    let mut chosen: Vec<Chosen> = Vec::new();
    for asked in asked {
        let Some(revision) = asked.version.as_deref() else {
            continue;
        };
        let known = index
            .entries
            .iter()
            .find(|entry| asked.is_called(&entry.name))
            .map(|entry| entry.name.clone());
        // What is gone by now may have been there then.
        let is_known = known.is_some();
        let names = known.map_or_else(
            || vec![asked.name.clone(), format!("mod_{}", asked.name)],
            |name| vec![name],
        );
        for name in names {
            let mut open = vec![name];
            while let Some(name) = open.pop() {
                if chosen
                    .iter()
                    .any(|chosen| chosen.revision == revision && chosen.entry.name == name)
                {
                    continue;
                }
                let entry = match entry_at(&hg, &name, revision, &stage.path()) {
                    Ok(entry) => entry,
                    Err(failure) if is_known && asked.is_called(&name) => {
                        task.check()?;
                        IndexEntry {
                            name,
                            unusable: Some(failure.message),
                            ..IndexEntry::default()
                        }
                    }
                    Err(_) => continue,
                };
                let needed = entry
                    .depends
                    .iter()
                    .filter_map(|text| Requirement::new(text))
                    .map(|needed| needed.name);
                open.extend(needed.filter(|name| index.get(name).is_none()));
                chosen.push(Chosen {
                    revision: revision.to_owned(),
                    entry,
                });
                task.check()?;
            }
        }
    }
    if place.exists() {
        stage
            .exchange()
            .map(drop)
            .map_err(|error| task.failed("cannot write", &place, &error))?;
    } else {
        stage
            .commit()
            .map_err(|error| task.failed("cannot write", &place, &error))?;
    }
    Ok(chosen)
}

/// Copies a module as it was at a revision, to a directory below `stage`.
fn entry_at(hg: &Hg<'_>, name: &str, revision: &str, stage: &Path) -> Result<IndexEntry, Failure> {
    let last = hg.last_change(name, revision)?;
    let into = stage.join(format!("{}-{name}", last.revision));
    let files = hg.archive(name, &last.revision, &into)?;
    let files = files
        .iter()
        .map(|(path, flag)| tracked_file(&into.join(name), path, *flag))
        .collect::<std::io::Result<Vec<_>>>();
    let files = files.map_err(|error| Failure::new(format!("{name} at {revision}: {error}")))?;
    Ok(community::entry(name, &files, &last))
}

fn has_hg(machine: &Machine) -> Result<(), Failure> {
    match machine.find_program("hg", &[]) {
        Some(_) => Ok(()),
        None => Err(Failure::new("hg is not on PATH: install Mercurial")),
    }
}

/// A file that tells hg a user name and a password: neither the settings of a clone nor a command
/// line has them.
fn login(url: &str, userinfo: &Userinfo, machine: &Machine) -> Result<NamedTempFile, Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("cannot pass the password: {error}"));
    let (user, password) = userinfo.decoded();
    let password = password.unwrap_or_default();
    if user.contains(['\n', '\r']) || password.contains(['\n', '\r']) {
        return Err(Failure::new(
            "the user name and the password must be single lines",
        ));
    }
    let (_, place) = url.split_once("://").unwrap_or_default();
    let host = place.split(['/', '?', '#']).next().unwrap_or_default();
    let mut file = NamedTempFile::new_in(machine.spare.base()).map_err(wrong)?;
    write!(
        file,
        "[auth]\nhoist.prefix = {host}\nhoist.username = {user}\nhoist.password = {password}\n"
    )
    .map_err(wrong)?;
    Ok(file)
}

/// Where a clone came from, as its settings say.
fn cloned_from(tree: &Path) -> Option<String> {
    let settings = hoist_files::read_text(&tree.join(".hg/hgrc")).ok()?;
    let mut inside = false;
    settings.lines().find_map(|line| {
        if line.starts_with('[') {
            inside = line.trim() == "[paths]";
        }
        let (key, value) = line.split_once('=')?;
        (inside && key.trim() == "default").then(|| value.trim().to_owned())
    })
}

/// Brings the files of a clone back to a revision, whatever was done to them.
pub fn repair(
    tree: &Path,
    revision: &str,
    machine: &Machine,
    task: &TaskContext,
) -> Result<(), Failure> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    has_hg(machine)?;
    let hg = Hg {
        tree,
        machine,
        task,
        login: None,
    };
    let mended = hg.checkout(revision);
    mended.map_err(|failure| {
        Failure::new(format!(
            "{}; run `hoist sync` to fetch it again",
            failure.message
        ))
    })
}

/// The revision that a clone stands at, without starting anything: the first parent in its
/// dirstate.
fn revision_of(tree: &Path) -> Option<String> {
    use std::io::Read;
    let mut start = [0; 32];
    let count = std::fs::File::open(tree.join(".hg/dirstate"))
        .ok()?
        .read(&mut start)
        .ok()?;
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
                Some(target) => path
                    .read_link()
                    .is_ok_and(|found| found.as_os_str() == target),
                None => {
                    !path.is_symlink()
                        && std::fs::File::open(&path)
                            .and_then(digest)
                            .is_ok_and(|found| found == file.digest)
                }
            }
        })
    })
}

/// The Mercurial program, on one clone.
struct Hg<'a> {
    tree: &'a Path,
    machine: &'a Machine,
    task: &'a TaskContext,
    /// Settings with a user name and a password.
    login: Option<NamedTempFile>,
}

impl Hg<'_> {
    /// Never a question, never a merge tool, nobody's settings.
    fn command(&self, arguments: &[&str]) -> Command {
        let environment = self.machine.script_environment(&Default::default(), "");
        // Repositories inside the repository may lead anywhere.
        let quiet = [
            "--noninteractive",
            "--config",
            "ui.merge=:fail",
            "--config",
            "ui.timeout=60",
            "--config",
            "subrepos.allowed=false",
        ];
        Command::new("hg")
            .args(quiet)
            .args(arguments)
            .environment(environment)
            .set("HGPLAIN", "1")
            .set(
                "HGRCPATH",
                self.login
                    .as_ref()
                    .map(|file| file.path().display().to_string())
                    .unwrap_or_default(),
            )
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
        let said = said
            .strip_prefix("abort: ")
            .unwrap_or(&said)
            .trim_end_matches('!');
        if exit.success() {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "{doing}: {}",
                if said.is_empty() {
                    exit.to_string()
                } else {
                    said.to_owned()
                }
            )))
        }
    }

    fn here(&self, arguments: &[&str]) -> Command {
        let tree = self.tree.display().to_string();
        let mut all = vec!["--cwd", tree.as_str()];
        all.extend(arguments);
        self.command(&all)
    }

    /// The revision that the source stands at: that of its branch `default`, else its newest.
    fn tip(&self, url: &str) -> Result<String, Failure> {
        let ask = |revision: &str| {
            self.task.read(&self.command(&[
                "identify",
                "--template",
                "{node}\n",
                "--rev",
                revision,
                "--",
                url,
            ]))
        };
        let (mut exit, mut text) = ask("default")?;
        if !exit.success() {
            (exit, text) = ask("tip")?;
        }
        let revision = text.lines().next().unwrap_or_default().trim().to_owned();
        if !exit.success() || revision.len() != 40 {
            let why = self.run(
                &format!("connecting to {url}"),
                &self.command(&["identify", "--id", "--rev", "tip", "--", url]),
            );
            let why = why.err().map_or_else(
                || "it is not a repository".to_owned(),
                |failure| failure.message,
            );
            return Err(Failure::new(format!(
                "{why}; the last synced version is used"
            )));
        }
        match revision.bytes().all(|byte| byte == b'0') {
            true => Err(Failure::new(format!("{url} has no revisions"))),
            false => Ok(revision),
        }
    }

    fn clone_from(&self, url: &str, revision: &str) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| self.task.failed("preparing", self.tree, &error);
        let stage = StagingDir::beside(self.tree).map_err(wrong)?;
        let new = stage.path().display().to_string();
        self.run(
            &format!("cloning {url}"),
            &self.command(&["clone", "--quiet", "--noupdate", "--", url, &new]),
        )?;
        self.task.check()?;
        // Its settings say where it came from; Mercurial does not write that down for every kind of
        // place.
        std::fs::write(
            stage.path().join(".hg/hgrc"),
            format!("[paths]\ndefault = {url}\n"),
        )
        .map_err(wrong)?;
        let update = [
            "--cwd", &new, "update", "--quiet", "--clean", "--rev", revision,
        ];
        self.run("extracting the repository", &self.command(&update))?;
        self.task.check()?;
        match self.tree.exists() {
            true => stage.exchange().map(drop).map_err(wrong),
            false => stage.commit().map_err(wrong),
        }
    }

    /// Fetches what is new. What a former pull that was cut off left half done is taken back
    /// before.
    fn fetch_url(&self, url: &str) -> Result<(), Failure> {
        if self.tree.join(".hg/store/journal").exists() {
            self.run("recovering", &self.here(&["recover"]))?;
            self.task
                .note(Level::Warning, "an interrupted pull was rolled back");
        }
        self.run(
            &format!("pulling from {url}"),
            &self.here(&["pull", "--quiet", "--", url]),
        )
    }

    /// Brings the files to a revision, whatever was done to them.
    fn checkout(&self, revision: &str) -> Result<(), Failure> {
        self.run(
            "updating the copy of the repository",
            &self.here(&["update", "--quiet", "--clean", "--rev", revision]),
        )?;
        self.run(
            "cleaning the copy of the repository",
            &self.here(&["--config", "extensions.purge=", "purge", "--all"]),
        )
    }

    /// Which revision changed each top directory last. Of what was known before, only what came
    /// since is looked at.
    fn last_changes(
        &self,
        former: Option<&Index>,
    ) -> Result<BTreeMap<String, LastChange>, Failure> {
        let mut last: BTreeMap<String, LastChange> = BTreeMap::new();
        let known = former.filter(|former| self.knows(&former.revision));
        for entry in known.iter().flat_map(|former| &former.entries) {
            last.insert(
                entry.name.clone(),
                LastChange {
                    revision: entry.version.clone(),
                    date: entry.date.clone(),
                    number: entry.number,
                    changes: entry.changes,
                },
            );
        }
        let revisions = known.map_or("reverse(ancestors(.))".to_owned(), |former| {
            format!("reverse(only(., {}))", former.revision)
        });
        let template = "{node|short}\t{rev}\t{date|rfc3339date}\t{join(files, \"\\t\")}\n";
        let (exit, text) =
            self.task
                .read(&self.here(&["log", "--rev", &revisions, "--template", template]))?;
        if !exit.success() {
            return Err(Failure::new(format!("reading the history: {exit}")));
        }
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for line in text.lines() {
            let mut cells = line.split('\t');
            let (Some(revision), Some(number), Some(date)) =
                (cells.next(), cells.next(), cells.next())
            else {
                continue;
            };
            let tops: BTreeSet<&str> = cells
                .filter_map(|file| file.split_once('/'))
                .map(|(top, _)| top)
                .collect();
            for top in tops {
                let known = last.entry(top.to_owned()).or_default();
                // The newest comes first.
                if seen.insert(top.to_owned()) {
                    (known.revision, known.date, known.number) = (
                        revision.to_owned(),
                        Some(date.to_owned()),
                        number.parse().ok(),
                    );
                }
                known.changes = Some(known.changes.unwrap_or_default() + 1);
            }
        }
        Ok(last)
    }

    /// Which revision changed a module last, seen from another.
    fn last_change(&self, name: &str, revision: &str) -> Result<LastChange, Failure> {
        let may_be = |c: char| !c.is_control() && !matches!(c, '\'' | '\\' | ':');
        if !revision.chars().all(may_be) || revision.starts_with('-') {
            return Err(Failure::new(format!(
                "{} is not a number, hash or tag of a revision",
                revision.escape_debug()
            )));
        }
        let revisions = format!("reverse(::'{revision}' and file('path:{name}'))");
        let log = self.here(&[
            "log",
            "--rev",
            &revisions,
            "--template",
            "{node|short}\t{rev}\t{date|rfc3339date}\n",
        ]);
        let (exit, text) = self.task.read(&log)?;
        if !exit.success() {
            return Err(Failure::new(format!(
                "the repository has no revision {revision}"
            )));
        }
        let cells: Vec<&str> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split('\t')
            .collect();
        let [node, number, date] = cells[..] else {
            return Err(Failure::new(format!(
                "{name} is not in revision {revision}"
            )));
        };
        let changes = text.lines().count() as u64;
        Ok(LastChange {
            revision: node.to_owned(),
            date: Some(date.to_owned()),
            number: number.parse().ok(),
            changes: Some(changes),
        })
    }

    /// Copies what a revision has of a module; the tracked files.
    fn archive(
        &self,
        name: &str,
        revision: &str,
        into: &Path,
    ) -> Result<Vec<(String, char)>, Failure> {
        let files = self
            .tracked(&["--rev", revision])?
            .remove(name)
            .unwrap_or_default();
        if files.is_empty() {
            return Err(Failure::new(format!(
                "{name} was removed in revision {revision}"
            )));
        }
        let (pattern, into) = (format!("path:{name}"), into.display().to_string());
        let arguments = [
            "archive",
            "--rev",
            revision,
            "--include",
            &pattern,
            "--type",
            "files",
            "--config",
            "ui.archivemeta=false",
            &into,
        ];
        self.run(
            &format!("extracting {name} at {revision}"),
            &self.here(&arguments),
        )?;
        Ok(files)
    }

    fn knows(&self, revision: &str) -> bool {
        self.run(
            "finding a revision",
            &self.here(&["log", "--rev", revision, "--template", ""]),
        )
        .is_ok()
    }

    /// The tracked files of each top directory: path below it, and whether it is a link or may be
    /// run.
    fn tracked(&self, revision: &[&str]) -> Result<BTreeMap<String, Vec<(String, char)>>, Failure> {
        let (exit, text) = self
            .task
            .read(&self.here(&[&["manifest", "--verbose"], revision].concat()))?;
        if !exit.success() {
            return Err(Failure::new(format!("listing the files: {exit}")));
        }
        let mut files: BTreeMap<String, Vec<(String, char)>> = BTreeMap::new();
        // `755 * path`, `644   path`, `644 @ path`.
        for line in text.lines() {
            let Some((flag, path)) = line.get(4..5).zip(line.get(6..)) else {
                continue;
            };
            let flag = flag.chars().next().unwrap_or(' ');
            match path.split_once('/') {
                Some((top, rest)) => files
                    .entry(top.to_owned())
                    .or_default()
                    .push((rest.to_owned(), flag)),
                // A module that is a link.
                None if flag == LINK => files
                    .entry(path.to_owned())
                    .or_default()
                    .push((String::new(), flag)),
                None => {}
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
) -> Vec<IndexEntry> {
    let names: Vec<&String> = files
        .keys()
        .filter(|name| is_wanted(name, wanted))
        .collect();
    let read = |name: &&String| -> IndexEntry {
        let last = last.get(*name).cloned().unwrap_or_default();
        let known = former
            .and_then(|former| former.get(name))
            .filter(|known| !last.revision.is_empty() && known.version == last.revision);
        if let Some(known) = known {
            return IndexEntry {
                number: last.number,
                changes: last.changes,
                ..known.clone()
            };
        }
        let file = |(path, flag): &(String, char)| tracked_file(&tree.join(name), path, *flag);
        match files[*name]
            .iter()
            .map(file)
            .collect::<std::io::Result<Vec<TrackedFile>>>()
        {
            Ok(tracked) => community::entry(name, &tracked, &last),
            // One module's odd files are no reason to do without the others.
            Err(error) => IndexEntry {
                name: (*name).clone(),
                version: last.revision.clone(),
                date: last.date,
                unusable: Some(error.to_string()),
                ..IndexEntry::default()
            },
        }
    };
    names.par_iter().with_min_len(8).map(read).collect()
}

/// How Mercurial flags a link.
const LINK: char = '@';

fn tracked_file(directory: &Path, path: &str, flag: char) -> std::io::Result<TrackedFile> {
    if path.is_empty() {
        let target = directory
            .read_link()
            .map(|target| target.display().to_string())
            .unwrap_or_default();
        return Err(std::io::Error::other(format!(
            "it is a symbolic link to {target}: install that module"
        )));
    }
    let place = directory.join(path);
    let wrong = |error: std::io::Error| {
        std::io::Error::new(
            error.kind(),
            format!("{}: {error}", path.replace(char::is_control, "\u{fffd}")),
        )
    };
    let metadata = place.symlink_metadata().map_err(wrong)?;
    let content = match metadata.is_symlink() {
        true => Content::Link(
            place
                .read_link()
                .map_err(wrong)?
                .to_string_lossy()
                .into_owned(),
        ),
        false if metadata.len() > SIZE_LIMIT => {
            return Err(wrong(std::io::Error::other(format!(
                "it has more than {SIZE_LIMIT} bytes"
            ))));
        }
        false => Content::File(std::fs::read(&place).map_err(wrong)?),
    };
    if flag == '*' && metadata.is_file() && metadata.permissions().mode() & 0o100 == 0 {
        std::fs::set_permissions(
            &place,
            Permissions::from_mode(metadata.permissions().mode() | 0o111),
        )
        .map_err(wrong)?;
    }
    Ok(TrackedFile {
        path: path.to_owned(),
        content,
        executable: flag == '*',
    })
}
