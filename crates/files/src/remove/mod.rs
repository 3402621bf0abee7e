//! Takes away what an installer wrote, and only that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat, accessat, fchmod, fstat,
    openat, readlinkat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use crate::home::{DIRECTORY, Home, mount_points};
use crate::listing::FileKind;
use crate::record::{Record, digest, digest_of_link};
use crate::write::rename_new;

/// Deeper trees are left alone: every level takes an open directory.
const DEPTH_LIMIT: usize = 300;
/// So many kept paths are named of each root.
const NAMED: usize = 100;

/// How much of a root goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What stands in the record, as it stands there.
    Recorded,
    /// Everything: it is declared to be the module's own, and came into being after it was
    /// installed.
    Whole,
    /// The directory itself, once nothing is in it.
    IfEmpty,
}

/// A path that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Absolute, as it was written down.
    pub path: PathBuf,
    /// How much of it.
    pub scope: Scope,
}

/// What is removed, and what must stay.
pub struct RemovalPolicy<'a> {
    /// What was written.
    pub record: &'a Record,
    /// Why a path and everything below it has to stay: somebody else owns it.
    pub held: &'a dyn Fn(&Path) -> Option<String>,
    /// True for a directory that somebody else has something in: it stays, and what is in it is
    /// looked at.
    pub shared: &'a dyn Fn(&Path) -> bool,
    /// Why the directory of a git repository has to stay.
    pub precious: &'a dyn Fn(&Path) -> Option<String>,
    /// Remove also what was changed or added since.
    pub purge: bool,
}

/// What became of the roots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Roots that are gone, or of which something is, with how many files and links went.
    pub gone: Vec<(PathBuf, usize)>,
    /// Paths that stayed, and why.
    pub kept: Vec<(PathBuf, String)>,
    /// Those of them that were to be removed and could not be.
    pub failed: BTreeSet<PathBuf>,
}

impl Removed {
    fn keep(&mut self, path: PathBuf, why: Why) {
        let text = match why {
            Why::Kept(text) => text,
            Why::Failed(text) => {
                self.failed.insert(path.clone());
                text
            }
        };
        self.kept.push((path, text));
    }
}

/// Why a path stayed.
enum Why {
    /// It was not to be removed, or is not what was to be removed any more.
    Kept(String),
    /// It could not be removed.
    Failed(String),
}

impl From<String> for Why {
    fn from(text: String) -> Self {
        Why::Kept(text)
    }
}

/// What a removal would do, before it is done.
#[derive(Debug, Default)]
pub struct PlannedRemoval {
    /// What becomes of the roots.
    pub outcome: Removed,
    /// Files, links, and directories that are removed with everything in them.
    going: Vec<Going>,
    /// Everything that goes, in the order in which it can go.
    entries: Vec<(PathBuf, Stamp)>,
    /// Directories that go once nothing is in them.
    empty: Vec<PathBuf>,
    /// Directories of the module that stay, and that even their owner may not write to.
    closed: HashSet<PathBuf>,
}

/// A file, a link, or a directory with everything in it.
#[derive(Debug)]
struct Going {
    path: PathBuf,
    place: PathBuf,
    is_directory: bool,
    /// Its part of the entries; the last of them is itself.
    entries: std::ops::Range<usize>,
}

/// What tells whether an entry is still the one that was looked at.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    inode: (u64, u64),
    /// Of files and links; what is in a directory is looked at itself.
    contents: Option<Contents>,
}

/// Size and time of what is in a file.
#[derive(Debug, Clone, Copy)]
struct Contents {
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
    has_links: bool,
}

impl Contents {
    /// Whether both are the same. Whoever makes another link to a file changes the time of its last
    /// change, and nothing else.
    fn is(&self, other: &Self) -> bool {
        let is_linked = self.has_links || other.has_links;
        (self.size, self.modified) == (other.size, other.modified)
            && (is_linked || self.changed == other.changed)
    }
}

impl Stamp {
    #[expect(clippy::unnecessary_cast, reason = "platform-dependent types")]
    fn of(stat: &Stat) -> Self {
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let contents = Contents {
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            has_links: stat.st_nlink as u64 > 1,
        };
        Self {
            inode: (stat.st_dev as u64, stat.st_ino as u64),
            contents: (!is_directory).then_some(contents),
        }
    }

    fn is(&self, other: &Self) -> bool {
        let is_same = match (&self.contents, &other.contents) {
            (Some(one), Some(other)) => one.is(other),
            (None, None) => true,
            _ => false,
        };
        self.inode == other.inode && is_same
    }
}

impl PlannedRemoval {
    /// Paths of everything that is removed, each directory after what is in it.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.going.iter().flat_map(|going| {
            self.entries[going.entries.clone()]
                .iter()
                .map(|(path, _)| path.as_path())
        })
    }

    /// Paths of the directories that are removed with everything in them.
    pub fn whole_directories(&self) -> impl Iterator<Item = &Path> {
        self.going
            .iter()
            .filter(|going| going.is_directory)
            .map(|going| going.path.as_path())
    }
}

impl Home {
    /// Removes roots. What cannot or may not go stays, and is told; nothing outside the roots, and
    /// nothing that a link leads to, is touched.
    pub fn remove(&self, roots: &[Root], removal: &RemovalPolicy<'_>) -> Removed {
        self.carry_out(self.plan_removal(roots, removal), |_| None)
    }

    /// Returns what removing roots would do, and changes nothing.
    pub fn plan_removal(&self, roots: &[Root], removal: &RemovalPolicy<'_>) -> PlannedRemoval {
        let mut sorted: Vec<&Root> = roots
            .iter()
            .filter(|root| root.scope != Scope::IfEmpty)
            .collect();
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        let whole = sorted
            .iter()
            .filter(|root| root.scope == Scope::Whole)
            .map(|root| root.path.as_path())
            .collect();
        let mut walk = Walk {
            removal,
            whole,
            mounts: mount_points(),
            planned: PlannedRemoval::default(),
            count: 0,
            named: 0,
            unnamed: 0,
        };
        let mut last: Option<&Path> = None;
        for root in sorted {
            if last.is_some_and(|last| root.path.starts_with(last)) {
                continue;
            }
            last = Some(&root.path);
            self.plan_root(root, &mut walk);
        }
        let mut parents: Vec<&Root> = roots
            .iter()
            .filter(|root| root.scope == Scope::IfEmpty)
            .collect();
        parents.sort_by(|a, b| b.path.cmp(&a.path));
        let parents = parents.into_iter().filter(|parent| {
            (removal.held)(&parent.path).is_none() && !(removal.shared)(&parent.path)
        });
        walk.planned.empty = parents.map(|parent| parent.path.clone()).collect();
        walk.planned
    }

    fn plan_root(&self, root: &Root, walk: &mut Walk<'_>) {
        if root.path.symlink_metadata().is_err_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            )
        }) {
            return;
        }
        let reached = self.place(&root.path).and_then(|place| {
            self.parent(&place)
                .map(|(directory, name)| (place, directory, name))
        });
        match reached {
            Ok((place, directory, name)) => {
                (walk.count, walk.named, walk.unnamed) = (0, 0, 0);
                let here = Here {
                    directory: &directory,
                    name: &name,
                    path: &root.path,
                    place: &place,
                    depth: 0,
                    whole: false,
                    is_locked: false,
                };
                let device = fstat(&directory).map(|stat| stat.st_dev);
                let gone = walk.entry(&here, device.unwrap_or_default());
                let outcome = &mut walk.planned.outcome;
                if gone || walk.count > 0 {
                    outcome.gone.push((root.path.clone(), walk.count));
                }
                if walk.unnamed > 0 {
                    outcome.kept.push((
                        root.path.clone(),
                        format!(
                            "{} more paths in it were modified or added since",
                            walk.unnamed
                        ),
                    ));
                }
            }
            Err(refusal) => walk
                .planned
                .outcome
                .kept
                .push((root.path.clone(), refusal.to_string())),
        }
    }

    /// Carries a removal out. Directories that go with everything in them are only renamed where
    /// `displaced` has another path for them, in the same directory: whoever removes them later
    /// need not look at them again. What was changed since it was looked at stays.
    pub fn carry_out(
        &self,
        planned: PlannedRemoval,
        displaced: impl Fn(&Path) -> Option<PathBuf>,
    ) -> Removed {
        let PlannedRemoval {
            mut outcome,
            going,
            entries,
            empty,
            closed,
        } = planned;
        let mut parents = Parents {
            home: self,
            closed: &closed,
            last: None,
        };
        for going in &going {
            let part = &entries[going.entries.clone()];
            let result = match displaced(&going.path).filter(|_| going.is_directory) {
                Some(kept) => displace(&mut parents, going, part, &kept),
                None => delete(&mut parents, going, part),
            };
            result
                .into_iter()
                .for_each(|(path, why)| outcome.keep(path, why));
        }
        for path in empty {
            let place = self.place(&path).and_then(|place| self.parent(&place));
            // What is not empty, or not there, is none of our business.
            let _ = place.is_ok_and(|(directory, name)| {
                unlinkat(&directory, &name, AtFlags::REMOVEDIR).is_ok()
            });
        }
        outcome
    }
}

/// The open directory of the path that was asked for last.
struct Parents<'h> {
    home: &'h Home,
    closed: &'h HashSet<PathBuf>,
    last: Option<(PathBuf, OwnedFd)>,
}

impl Parents<'_> {
    fn open(&mut self, going: &Going) -> Result<&OwnedFd, String> {
        let parent = going.place.parent().unwrap_or(Path::new("/"));
        if self.last.as_ref().is_none_or(|(last, _)| last != parent) {
            let (directory, _) = self
                .home
                .parent(&going.place)
                .map_err(|refusal| refusal.to_string())?;
            if going
                .path
                .parent()
                .is_some_and(|parent| self.closed.contains(parent))
            {
                open_for_writing(&directory);
            }
            self.last = Some((parent.to_owned(), directory));
        }
        self.last
            .as_ref()
            .map(|(_, directory)| directory)
            .ok_or_else(|| "cannot open its directory".to_owned())
    }
}

const CHANGED: &str = "it was modified in the meantime";

fn cannot(error: Errno) -> Why {
    Why::Failed(format!("cannot remove it: {}", io::Error::from(error)))
}

/// Removes what was planned to go. Returns what stayed.
fn delete(
    parents: &mut Parents<'_>,
    going: &Going,
    entries: &[(PathBuf, Stamp)],
) -> Vec<(PathBuf, Why)> {
    let kept = |why: Why| vec![(going.path.clone(), why)];
    let Some((name, (_, stamp))) = going.place.file_name().zip(entries.last()) else {
        return Vec::new();
    };
    let directory = match parents.open(going) {
        Ok(directory) => directory,
        Err(why) => return kept(why.into()),
    };
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Vec::new(),
        Err(error) => return kept(cannot(error)),
        Ok(stat) if !Stamp::of(&stat).is(stamp) => return kept(Why::Kept(CHANGED.to_owned())),
        Ok(_) => {}
    }
    if going.is_directory {
        let known: HashMap<&Path, Stamp> = entries
            .iter()
            .map(|(path, stamp)| (path.as_path(), *stamp))
            .collect();
        let mut kept = Vec::new();
        delete_tree(directory, name, &going.path, &known, &mut kept);
        return kept;
    }
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Vec::new(),
        Err(error) => kept(cannot(error)),
    }
}

/// Lets the owner of a directory write to it, where the owner is who asks.
fn open_for_writing(directory: &OwnedFd) {
    if let Some(stat) = fstat(directory)
        .ok()
        .filter(|stat| stat.st_mode & 0o200 == 0)
    {
        let _ = fchmod(
            directory,
            Mode::from_raw_mode(stat.st_mode & 0o7777 | 0o200),
        );
    }
}

/// Removes a directory as it is known, and says whether it is gone.
fn delete_tree(
    parent: &OwnedFd,
    name: &OsStr,
    path: &Path,
    known: &HashMap<&Path, Stamp>,
    kept: &mut Vec<(PathBuf, Why)>,
) -> bool {
    let listed = openat(parent, name, DIRECTORY, Mode::empty()).and_then(|directory| {
        open_for_writing(&directory);
        list(&directory).map(|names| (directory, names))
    });
    let (directory, names) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            kept.push((
                path.to_owned(),
                Why::Failed(format!("cannot list it: {}", io::Error::from(error))),
            ));
            return false;
        }
    };
    let mut all = true;
    for name in names {
        let path = path.join(&name);
        let Some(stamp) = known.get(path.as_path()) else {
            kept.push((path, Why::Kept("it was added in the meantime".to_owned())));
            all = false;
            continue;
        };
        let gone = match statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(true),
            Err(error) => Err(cannot(error)),
            Ok(stat) if !Stamp::of(&stat).is(stamp) => Err(Why::Kept(CHANGED.to_owned())),
            Ok(_) if stamp.contents.is_none() => {
                Ok(delete_tree(&directory, &name, &path, known, kept))
            }
            Ok(_) => unlinkat(&directory, &name, AtFlags::empty())
                .map(|()| true)
                .map_err(cannot),
        };
        match gone {
            Ok(gone) => all &= gone,
            Err(why) => {
                kept.push((path, why));
                all = false;
            }
        }
    }
    if all && let Err(error) = unlinkat(parent, name, AtFlags::REMOVEDIR) {
        kept.push((path.to_owned(), cannot(error)));
        return false;
    }
    all
}

/// Renames a directory that was planned to go with everything in it. What was changed or added in
/// it meanwhile goes back to where it was. Returns what stayed.
fn displace(
    parents: &mut Parents<'_>,
    going: &Going,
    entries: &[(PathBuf, Stamp)],
    kept: &Path,
) -> Vec<(PathBuf, Why)> {
    let stays = |why: Why| vec![(going.path.clone(), why)];
    let (Some(name), Some(to)) = (going.place.file_name(), kept.file_name()) else {
        return Vec::new();
    };
    let directory = match parents.open(going) {
        Ok(directory) => directory,
        Err(why) => return stays(why.into()),
    };
    let renamed = match renameat_with(directory, name, directory, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            renameat(directory, name, directory, to)
        }
        renamed => renamed,
    };
    match renamed {
        Ok(()) => {}
        Err(Errno::NOENT) => return Vec::new(),
        Err(error) => return stays(cannot(error)),
    }
    let known: HashMap<&Path, Stamp> = entries
        .iter()
        .map(|(path, stamp)| (path.as_path(), *stamp))
        .collect();
    let mut changed = Vec::new();
    find_changed(directory, to, &going.path, &known, &mut changed);
    // Half of a repository is of no use to anybody.
    if changed
        .iter()
        .any(|path| path.components().any(|part| part.as_os_str() == ".git"))
    {
        let back = renameat_with(directory, to, directory, name, RenameFlags::NOREPLACE);
        return stays(
            back.map_or_else(
                |error| {
                    format!(
                        "{CHANGED}; moved to {}: {}",
                        kept.display(),
                        io::Error::from(error)
                    )
                },
                |()| CHANGED.to_owned(),
            )
            .into(),
        );
    }
    let mut stayed = Vec::new();
    for path in changed {
        let from = path
            .strip_prefix(&going.path)
            .map_or_else(|_| kept.to_owned(), |inside| kept.join(inside));
        let back = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| rename_new(&from, &path));
        let why = back.map_or_else(
            |error| format!("{CHANGED}; moved to {}: {error}", kept.display()),
            |()| CHANGED.to_owned(),
        );
        stayed.push((path, why.into()));
    }
    stayed
}

/// Lists what in a directory is not as it is known.
fn find_changed(
    parent: &OwnedFd,
    name: &OsStr,
    path: &Path,
    known: &HashMap<&Path, Stamp>,
    changed: &mut Vec<PathBuf>,
) {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    let Ok(stat) = stat else { return };
    match known.get(path).filter(|stamp| Stamp::of(&stat).is(stamp)) {
        None => changed.push(path.to_owned()),
        Some(stamp) if stamp.contents.is_some() => {}
        Some(_) => {
            let listed = openat(parent, name, DIRECTORY, Mode::empty())
                .and_then(|directory| list(&directory).map(|names| (directory, names)));
            if let Ok((directory, names)) = listed {
                names.iter().for_each(|name| {
                    find_changed(&directory, name, &path.join(name), known, changed)
                });
            }
        }
    }
}

/// One entry of an open directory.
struct Here<'a> {
    directory: &'a OwnedFd,
    name: &'a OsStr,
    /// As it was written down.
    path: &'a Path,
    /// Without links.
    place: &'a Path,
    depth: usize,
    /// Whether all of it belongs to the module.
    whole: bool,
    /// Whether nothing can be removed from the directory.
    is_locked: bool,
}

struct Walk<'a> {
    removal: &'a RemovalPolicy<'a>,
    whole: BTreeSet<&'a Path>,
    mounts: Vec<PathBuf>,
    planned: PlannedRemoval,
    /// Files and links removed of this root.
    count: usize,
    named: usize,
    unnamed: usize,
}

impl Walk<'_> {
    /// Decides about one entry, and says whether it goes.
    fn entry(&mut self, here: &Here<'_>, device: u64) -> bool {
        let stat = match statat(here.directory, here.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return true,
            Err(error) => return self.keep(here.path, io::Error::from(error).to_string()),
        };
        if let Some(why) = (self.removal.held)(here.path) {
            return self.keep(here.path, why);
        }
        if self.mounts.iter().any(|mount| mount == here.place) {
            return self.keep(here.path, "a file system is mounted there".to_owned());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if stat.st_dev != device => {
                self.keep(here.path, "a file system is mounted there".to_owned())
            }
            FileType::Directory => self.directory(here, &stat),
            kind => match self.verdict(here, kind, &stat) {
                Ok(()) if here.is_locked => self.keep(here.path, cannot(Errno::ACCESS)),
                Ok(()) => {
                    self.go(
                        here,
                        &stat,
                        self.planned.entries.len(),
                        self.planned.going.len(),
                    );
                    self.count += 1;
                    true
                }
                Err(why) => self.keep(here.path, why),
            },
        }
    }

    /// Whether a file or a link may go.
    fn verdict(&self, here: &Here<'_>, kind: FileType, stat: &Stat) -> Result<(), String> {
        if here.whole || self.removal.purge {
            return Ok(());
        }
        let Some(recorded) = self.removal.record.get(here.path) else {
            return Err(match self.whole.contains(here.path) {
                // A declared file is a file; a link of somebody's own may lead anywhere.
                true if kind == FileType::RegularFile => return Ok(()),
                _ => "it was added since".to_owned(),
            });
        };
        let same = match (kind, recorded.kind) {
            (FileType::Symlink, FileKind::Link) => {
                readlinkat(here.directory, here.name, Vec::new()).map(|target| {
                    digest_of_link(Path::new(&OsString::from_vec(target.into_bytes())))
                        == recorded.digest
                })
            }
            (FileType::RegularFile, FileKind::File) => {
                self.is_same_file(here, stat, &recorded.digest)
            }
            (kind, FileKind::Other) => {
                Ok(!matches!(kind, FileType::RegularFile | FileType::Symlink))
            }
            _ => Ok(false),
        };
        match same {
            Ok(true) => Ok(()),
            Ok(false) => Err("it was modified since the install".to_owned()),
            Err(error) => Err(format!("cannot read it: {}", io::Error::from(error))),
        }
    }

    fn is_same_file(&self, here: &Here<'_>, stat: &Stat, wanted: &str) -> Result<bool, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(here.directory, here.name, flags, Mode::empty())?;
        let opened = fstat(&file)?;
        let found = digest(std::fs::File::from(file))
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok((opened.st_ino, opened.st_dev) == (stat.st_ino, stat.st_dev) && found == wanted)
    }

    fn directory(&mut self, here: &Here<'_>, stat: &Stat) -> bool {
        let RemovalPolicy {
            record,
            precious,
            purge,
            ..
        } = *self.removal;
        let recorded = record.get(here.path);
        let git = here.name == ".git";
        let mut whole = here.whole || self.whole.contains(here.path) || purge;
        if git && (recorded.is_some() || whole) {
            if let Some(why) = precious(here.path).filter(|_| !purge) {
                return self.keep(here.path, why);
            }
            whole = true;
        }
        // A clone whose history has to stay, stays as a whole: half of one is of no use to anybody.
        let history = here.path.join(".git");
        let is_clone = record
            .get(&history)
            .is_some_and(|recorded| recorded.kind == FileKind::Git);
        let is_clone = is_clone || (whole && history.join("HEAD").is_file());
        if let Some(why) = Some(&history)
            .filter(|_| is_clone && !purge)
            .and_then(|history| precious(history))
        {
            return self.keep(here.path, why);
        }
        // What Python makes of the files beside it, it makes again.
        let cache = here.name == "__pycache__";
        let known = |path: &Path| {
            record
                .range(path.to_owned()..)
                .next()
                .is_some_and(|(below, _)| below.starts_with(path))
        };
        let declared = self
            .whole
            .range(here.path..)
            .next()
            .is_some_and(|below| below.starts_with(here.path));
        if !whole && !cache && !known(here.path) && !declared && here.depth > 0 {
            return self.keep(here.path, "it was added since".to_owned());
        }
        if here.depth >= DEPTH_LIMIT {
            return self.keep(
                here.path,
                format!("it is nested more than {DEPTH_LIMIT} directories deep"),
            );
        }
        let start = (self.planned.entries.len(), self.planned.going.len());
        let gone = open_same(here, stat).map(|(directory, names)| {
            if stat.st_mode & 0o200 == 0 && (whole || recorded.is_some()) {
                self.planned.closed.insert(here.path.to_owned());
            }
            // Its owner may say that it can be written to.
            let is_own = stat.st_uid == rustix::process::geteuid().as_raw();
            let is_locked =
                !is_own && accessat(&directory, ".", Access::WRITE_OK, AtFlags::EACCESS).is_err();
            let mut all = true;
            for name in names {
                let (path, place) = (here.path.join(&name), here.place.join(&name));
                let whole = whole
                    || (cache && path.extension().is_some_and(|extension| extension == "pyc"));
                let inner = Here {
                    directory: &directory,
                    name: &name,
                    path: &path,
                    place: &place,
                    depth: here.depth + 1,
                    whole,
                    is_locked,
                };
                all &= self.entry(&inner, stat.st_dev);
            }
            all
        });
        match gone {
            Ok(true) if (self.removal.shared)(here.path) => false,
            Ok(true) if here.is_locked => self.keep(here.path, cannot(Errno::ACCESS)),
            Ok(true) if whole || cache || recorded.is_some() => {
                self.go(here, stat, start.0, start.1);
                true
            }
            Ok(true) if here.depth == 0 => self.keep(
                here.path,
                "the directory existed before the install".to_owned(),
            ),
            Ok(_) => false,
            Err(error) => self.keep(
                here.path,
                format!("cannot list it: {}", io::Error::from(error)),
            ),
        }
    }

    /// An entry goes, with those of its own that were found since: they need no mention any more.
    fn go(&mut self, here: &Here<'_>, stat: &Stat, entries: usize, going: usize) {
        let planned = &mut self.planned;
        planned
            .entries
            .push((here.path.to_owned(), Stamp::of(stat)));
        planned.going.truncate(going);
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let entries = entries..planned.entries.len();
        planned.going.push(Going {
            path: here.path.to_owned(),
            place: here.place.to_owned(),
            is_directory,
            entries,
        });
    }

    fn keep(&mut self, path: &Path, why: impl Into<Why>) -> bool {
        self.named += 1;
        match self.named <= NAMED {
            true => self.planned.outcome.keep(path.to_owned(), why.into()),
            false => self.unnamed += 1,
        }
        false
    }
}

/// Opens a directory that was looked at, and lists it; another one in its place is refused.
fn open_same(here: &Here<'_>, stat: &Stat) -> Result<(OwnedFd, Vec<OsString>), Errno> {
    let directory = openat(here.directory, here.name, DIRECTORY, Mode::empty())?;
    let opened = fstat(&directory)?;
    if (opened.st_ino, opened.st_dev) != (stat.st_ino, stat.st_dev) {
        return Err(Errno::AGAIN);
    }
    let names = list(&directory)?;
    Ok((directory, names))
}

fn list(directory: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(name.as_slice(), b"." | b"..") {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests;
