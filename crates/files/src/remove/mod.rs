//! Takes away what an installer wrote, and only that.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fchmod, fstat, openat, readlinkat, statat, unlinkat};
use rustix::io::Errno;

use crate::home::{DIRECTORY, Home, mount_points};
use crate::picture::Kind;
use crate::record::{Record, digest, digest_of_link};

/// Deeper trees are left alone: every level takes an open directory.
const DEPTH_LIMIT: usize = 300;
/// So many kept paths are named of each root.
const NAMED: usize = 100;

/// How much of a root goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What stands in the record, as it stands there.
    Recorded,
    /// Everything: it is declared to be the module's own, and came into being after it was installed.
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
pub struct Removal<'a> {
    /// What was written.
    pub record: &'a Record,
    /// Why a path and everything below it has to stay: somebody else owns it.
    pub held: &'a dyn Fn(&Path) -> Option<String>,
    /// True for a directory that somebody else has something in: it stays, and what is in it is looked at.
    pub shared: &'a dyn Fn(&Path) -> bool,
    /// Why the directory of a git repository has to stay.
    pub precious: &'a dyn Fn(&Path) -> Option<String>,
    /// Remove also what was changed or added since.
    pub purge: bool,
    /// False to look only, and tell what would go.
    pub act: bool,
}

/// What became of the roots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Roots that are gone, or of which something is, with how many files and links went.
    pub gone: Vec<(PathBuf, usize)>,
    /// Paths that stayed, and why.
    pub kept: Vec<(PathBuf, String)>,
}

impl Home {
    /// Removes roots. What cannot or may not go stays, and is told; nothing outside the roots, and nothing that a link leads to, is touched.
    pub fn remove(&self, roots: &[Root], removal: &Removal<'_>) -> Removed {
        let mut sorted: Vec<&Root> = roots.iter().filter(|root| root.scope != Scope::IfEmpty).collect();
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        let whole = sorted.iter().filter(|root| root.scope == Scope::Whole).map(|root| root.path.as_path()).collect();
        let mut walk = Walk { removal, whole, mounts: mount_points(), removed: Removed::default(), count: 0, named: 0, unnamed: 0 };
        let mut last: Option<&Path> = None;
        for root in sorted {
            if last.is_some_and(|last| root.path.starts_with(last)) {
                continue;
            }
            last = Some(&root.path);
            self.remove_root(root, &mut walk);
        }
        let mut parents: Vec<&Root> = roots.iter().filter(|root| root.scope == Scope::IfEmpty && removal.act).collect();
        parents.sort_by(|a, b| b.path.cmp(&a.path));
        for parent in parents.into_iter().filter(|parent| (removal.held)(&parent.path).is_none() && !(removal.shared)(&parent.path)) {
            let place = self.place(&parent.path).and_then(|place| self.parent(&place));
            // What is not empty, or not there, is none of our business.
            let _ = place.is_ok_and(|(directory, name)| unlinkat(&directory, &name, AtFlags::REMOVEDIR).is_ok());
        }
        walk.removed
    }

    fn remove_root(&self, root: &Root, walk: &mut Walk<'_>) {
        if root.path.symlink_metadata().is_err_and(|error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)) {
            return;
        }
        let reached = self.place(&root.path).and_then(|place| self.parent(&place).map(|(directory, name)| (place, directory, name)));
        match reached {
            Ok((place, directory, name)) => {
                (walk.count, walk.named, walk.unnamed) = (0, 0, 0);
                let here = Here { directory: &directory, name: &name, path: &root.path, place: &place, depth: 0, whole: false };
                let device = fstat(&directory).map(|stat| stat.st_dev);
                let gone = walk.entry(&here, device.unwrap_or_default());
                if gone || walk.count > 0 {
                    walk.removed.gone.push((root.path.clone(), walk.count));
                }
                if walk.unnamed > 0 {
                    walk.removed.kept.push((root.path.clone(), format!("{} more paths in it were changed or added since", walk.unnamed)));
                }
            }
            Err(refusal) => walk.removed.kept.push((root.path.clone(), refusal.to_string())),
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
}

struct Walk<'a> {
    removal: &'a Removal<'a>,
    whole: BTreeSet<&'a Path>,
    mounts: Vec<PathBuf>,
    removed: Removed,
    /// Files and links removed of this root.
    count: usize,
    named: usize,
    unnamed: usize,
}

impl Walk<'_> {
    /// Removes one entry, and says whether it is gone.
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
            FileType::Directory if stat.st_dev != device => self.keep(here.path, "a file system is mounted there".to_owned()),
            FileType::Directory => self.directory(here, &stat),
            kind => match self.verdict(here, kind, &stat) {
                Ok(()) => self.unlink(here, AtFlags::empty()),
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
            (FileType::Symlink, Kind::Link) => readlinkat(here.directory, here.name, Vec::new())
                .map(|target| digest_of_link(Path::new(&OsString::from_vec(target.into_bytes()))) == recorded.digest),
            (FileType::RegularFile, Kind::File) => self.is_same_file(here, stat, &recorded.digest),
            (kind, Kind::Other) => Ok(!matches!(kind, FileType::RegularFile | FileType::Symlink)),
            _ => Ok(false),
        };
        match same {
            Ok(true) => Ok(()),
            Ok(false) => Err("it was changed since".to_owned()),
            Err(error) => Err(format!("it cannot be read: {}", io::Error::from(error))),
        }
    }

    fn is_same_file(&self, here: &Here<'_>, stat: &Stat, wanted: &str) -> Result<bool, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(here.directory, here.name, flags, Mode::empty())?;
        let opened = fstat(&file)?;
        let found = digest(std::fs::File::from(file)).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok((opened.st_ino, opened.st_dev) == (stat.st_ino, stat.st_dev) && found == wanted)
    }

    fn directory(&mut self, here: &Here<'_>, stat: &Stat) -> bool {
        let Removal { record, precious, purge, .. } = *self.removal;
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
        let is_clone = record.get(&history).is_some_and(|recorded| recorded.kind == Kind::Git);
        let is_clone = is_clone || (whole && history.join("HEAD").is_file());
        if let Some(why) = Some(&history).filter(|_| is_clone && !purge).and_then(|history| precious(history)) {
            return self.keep(here.path, why);
        }
        // What Python makes of the files beside it, it makes again.
        let cache = here.name == "__pycache__";
        let known = |path: &Path| record.range(path.to_owned()..).next().is_some_and(|(below, _)| below.starts_with(path));
        let declared = self.whole.range(here.path..).next().is_some_and(|below| below.starts_with(here.path));
        if !whole && !cache && !known(here.path) && !declared && here.depth > 0 {
            return self.keep(here.path, "it was added since".to_owned());
        }
        if here.depth >= DEPTH_LIMIT {
            return self.keep(here.path, format!("it is nested more than {DEPTH_LIMIT} directories deep"));
        }
        let gone = open_same(here, stat).map(|(directory, names)| {
            // Its owner may remove what is in it, once they say so.
            if self.removal.act && stat.st_mode & 0o200 == 0 && (whole || recorded.is_some()) {
                let _ = fchmod(&directory, Mode::from_raw_mode(stat.st_mode & 0o7777 | 0o200));
            }
            let mut all = true;
            for name in names {
                let (path, place) = (here.path.join(&name), here.place.join(&name));
                let whole = whole || (cache && path.extension().is_some_and(|extension| extension == "pyc"));
                let inner = Here { directory: &directory, name: &name, path: &path, place: &place, depth: here.depth + 1, whole };
                all &= self.entry(&inner, stat.st_dev);
            }
            all
        });
        match gone {
            Ok(true) if (self.removal.shared)(here.path) => false,
            Ok(true) if whole || cache || recorded.is_some() => self.unlink(here, AtFlags::REMOVEDIR),
            Ok(true) if here.depth == 0 => self.keep(here.path, "the directory was there before hoist".to_owned()),
            Ok(_) => false,
            Err(error) => self.keep(here.path, format!("it cannot be listed: {}", io::Error::from(error))),
        }
    }

    fn unlink(&mut self, here: &Here<'_>, flags: AtFlags) -> bool {
        if self.removal.act {
            match unlinkat(here.directory, here.name, flags) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return self.keep(here.path, format!("it cannot be removed: {}", io::Error::from(error))),
            }
        }
        if !flags.contains(AtFlags::REMOVEDIR) {
            self.count += 1;
        }
        true
    }

    fn keep(&mut self, path: &Path, why: String) -> bool {
        self.named += 1;
        match self.named <= NAMED {
            true => self.removed.kept.push((path.to_owned(), why)),
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
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(name.as_slice(), b"." | b"..") {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok((directory, names))
}

#[cfg(test)]
mod tests;
