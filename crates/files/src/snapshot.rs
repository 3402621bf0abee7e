//! Everything that is below some paths, contents included: by their digests, and in a [`Store`]
//! where they have to come back.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::attributes::Attributes;
use crate::home::DIRECTORY;
use crate::listing::{FileKind, at, is_absent};
use crate::record::{digest, hexadecimal};
use crate::store::{PACKED, Store};

/// A file that was changed so shortly before it was looked at may be changed once more without
/// looking different: clocks of file systems tick every few milliseconds, or every two seconds.
const TICK: Duration = Duration::from_secs(2);

/// What stands at a path.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
pub struct State {
    /// What it is.
    pub kind: FileKind,
    /// Permissions.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Of a file the SHA-256 of its contents, of a link that of its target, of a special file its
    /// type ([`PIPE`], [`SOCKET`], `device`); empty for directories.
    pub digest: String,
    /// When it was last written, in seconds and nanoseconds since 1970, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<(i64, i64)>,
    /// Extended attributes.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

impl PartialEq for State {
    /// What was written again with the same contents is the same.
    fn eq(&self, other: &Self) -> bool {
        let parts = |state: &Self| (state.kind, state.mode, state.owner);
        parts(self) == parts(other)
            && self.digest == other.digest
            && self.attributes == other.attributes
    }
}

impl State {
    /// Something of which only the kind is known.
    pub fn unread(kind: FileKind) -> Self {
        Self {
            kind,
            mode: 0,
            owner: (0, 0),
            digest: UNREAD.to_owned(),
            modified: None,
            attributes: Attributes::default(),
        }
    }

    /// False for a file that was not read.
    pub fn is_known(&self) -> bool {
        !self.digest.starts_with(UNREAD)
    }

    /// True where both are the same thing with the same contents, whoever owns it and whatever its
    /// permissions are.
    pub fn has_same_contents(&self, other: &Self) -> bool {
        (self.kind, &self.digest) == (other.kind, &other.digest)
    }
}

/// What tells whether a file is still the one that was read: the kernel sets the time of the last
/// change itself, and nobody can set it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        // The types of these differ between systems.
        #[expect(clippy::unnecessary_cast, reason = "not everywhere")]
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    state: State,
    stamp: Stamp,
    /// When it was read, in seconds since 1970; what was changed at about that time is read again.
    read_at: i64,
}

/// Everything that is below some paths at a moment, the paths themselves included.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
}

/// A path at which something else stands than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where.
    pub path: PathBuf,
    /// What stood there; absent where nothing did.
    pub before: Option<State>,
    /// What stands there.
    pub after: Option<State>,
}

/// How a snapshot is taken.
pub struct SnapshotOptions<'a> {
    /// What is left out, with everything below it.
    pub ignored: &'a (dyn Fn(&Path) -> bool + Sync),
    /// An earlier snapshot: what did not change since is not read again.
    pub former: Option<&'a Snapshot>,
    /// Where all contents are kept.
    pub store: Option<&'a Store>,
    /// False for a file that is not read: it is told by its inode, its size and its time, and
    /// cannot be put back.
    pub read: &'a (dyn Fn(&Path, u64) -> bool + Sync),
    /// True for the directory of a repository of git that is looked into; others are one thing.
    pub git: &'a (dyn Fn(&Path) -> bool + Sync),
    /// Enter other file systems as well.
    pub everywhere: bool,
    /// What cannot be read is an error, since it could not be put back.
    pub strict: bool,
}

impl SnapshotOptions<'_> {
    /// A look at one file system, as far as it can be read, of which no contents are kept.
    pub const PLAIN: SnapshotOptions<'static> = SnapshotOptions {
        ignored: &|_| false,
        former: None,
        store: None,
        read: &|_, _| true,
        git: &|_| false,
        everywhere: false,
        strict: false,
    };
}

impl Snapshot {
    /// Looks at everything below these paths. Links are not followed; what vanishes meanwhile is
    /// left out.
    ///
    /// # Errors
    /// What cannot be looked at; in a strict look also what cannot be read.
    pub fn take(roots: &[PathBuf], taking: &SnapshotOptions<'_>) -> io::Result<Self> {
        let known = taking.former.iter().flat_map(|former| &former.entries);
        let known = known
            .map(|(path, entry)| (path.as_os_str().as_bytes(), entry))
            .collect();
        let look = TreeReader {
            taking,
            known,
            read_at: now(),
        };
        let mut entries = Vec::new();
        for root in roots.iter().filter(|root| !(taking.ignored)(root)) {
            let Some(stat) = look.stat(CWD, root.as_os_str(), root)? else {
                continue;
            };
            let here = Here {
                directory: CWD,
                name: root.as_os_str(),
                device: Stamp::of(&stat).device,
                depth: 0,
            };
            look.walk(root.clone(), &stat, &here, &mut entries)?;
        }
        // They come in order, and a map is made of them faster at once than one by one.
        Ok(Self {
            entries: BTreeMap::from_iter(entries),
        })
    }

    /// Looks at these paths, and not at what is below them.
    ///
    /// # Errors
    /// A path cannot be looked at, or read where that is asked for.
    pub fn take_flat(paths: &[PathBuf], taking: &SnapshotOptions<'_>) -> io::Result<Self> {
        let known = taking.former.iter().flat_map(|former| &former.entries);
        let known = known
            .map(|(path, entry)| (path.as_os_str().as_bytes(), entry))
            .collect();
        let look = TreeReader {
            taking,
            known,
            read_at: now(),
        };
        let mut entries = BTreeMap::new();
        for path in paths {
            let Some(stat) = look.stat(CWD, path.as_os_str(), path)? else {
                continue;
            };
            let here = Here {
                directory: CWD,
                name: path.as_os_str(),
                device: Stamp::of(&stat).device,
                depth: 0,
            };
            entries.extend(
                look.entry(path, &stat, &here)?
                    .map(|entry| (path.clone(), entry)),
            );
        }
        Ok(Self { entries })
    }

    /// What stands at a path.
    pub fn get(&self, path: &Path) -> Option<&State> {
        self.entries.get(path).map(|entry| &entry.state)
    }

    /// The number of the file system that a path stands on.
    pub fn device(&self, path: &Path) -> Option<u64> {
        self.entries.get(path).map(|entry| entry.stamp.device)
    }

    /// The number of what stands at a path, in its file system.
    pub fn inode(&self, path: &Path) -> Option<u64> {
        self.entries.get(path).map(|entry| entry.stamp.inode)
    }

    /// True where nothing stands.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every path with what stands there, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&PathBuf, &State)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path, &entry.state))
    }

    /// Everything at and below a path.
    pub fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a PathBuf, &'a State)> {
        let all = self
            .entries
            .range(path.to_owned()..)
            .take_while(move |(below, _)| below.starts_with(path));
        all.map(|(path, entry)| (path, &entry.state))
    }

    /// The same with the repositories of git as one thing each.
    pub fn without_repositories(&self) -> Self {
        let mut entries: Vec<(PathBuf, Entry)> = Vec::with_capacity(self.entries.len());
        for (path, entry) in &self.entries {
            if entries.last().is_some_and(|(last, entry)| {
                entry.state.kind == FileKind::Git && path.starts_with(last)
            }) {
                continue;
            }
            let mut entry = entry.clone();
            if entry.state.kind == FileKind::Directory && path.ends_with(".git") {
                entry.state.kind = FileKind::Git;
            }
            entries.push((path.clone(), entry));
        }
        Self {
            entries: entries.into_iter().collect(),
        }
    }

    /// Adds another.
    pub fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// What is at and below a path.
    pub fn part(&self, path: &Path) -> Self {
        let all = self
            .entries
            .range(path.to_owned()..)
            .take_while(|(below, _)| below.starts_with(path));
        Self {
            entries: all
                .map(|(path, entry)| (path.clone(), entry.clone()))
                .collect(),
        }
    }

    /// Files that were written since and hold the same as before.
    pub fn rewritten<'a>(
        &'a self,
        after: &'a Self,
    ) -> impl Iterator<Item = (&'a PathBuf, &'a State)> {
        let same = |(path, before, after): (&'a PathBuf, Option<&'a Entry>, Option<&'a Entry>)| {
            let (entry, now) = before.zip(after)?;
            let is_written =
                now.stamp.modified != entry.stamp.modified || now.stamp.inode != entry.stamp.inode;
            (entry.state.kind == FileKind::File
                && entry.state.has_same_contents(&now.state)
                && is_written)
                .then_some((path, &now.state))
        };
        self.beside(after).filter_map(same)
    }

    /// Keeps what this is true of.
    pub fn retain(&mut self, wanted: impl Fn(&Path, &State) -> bool) {
        self.entries
            .retain(|path, entry| wanted(path, &entry.state));
    }

    /// What is different in a later snapshot, in the order of paths.
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let different = |(path, before, after): (&PathBuf, Option<&Entry>, Option<&Entry>)| {
            let (before, after) = (
                before.map(|entry| &entry.state),
                after.map(|entry| &entry.state),
            );
            (before != after).then(|| Difference {
                path: path.clone(),
                before: before.cloned(),
                after: after.cloned(),
            })
        };
        self.beside(after).filter_map(different).collect()
    }

    /// Every path of this and of a later snapshot, in order, with what stands there in each.
    fn beside<'a>(
        &'a self,
        after: &'a Self,
    ) -> impl Iterator<Item = (&'a PathBuf, Option<&'a Entry>, Option<&'a Entry>)> {
        let (mut old, mut new) = (
            self.entries.iter().peekable(),
            after.entries.iter().peekable(),
        );
        std::iter::from_fn(move || {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                // Most are the same, which bytes tell sooner than parts of paths.
                (Some((left, _)), Some((right, _))) if left.as_os_str() == right.as_os_str() => {
                    Ordering::Equal
                }
                (Some((left, _)), Some((right, _))) => left.cmp(right),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            let (path, _) = before.or(after)?;
            Some((
                path,
                before.map(|(_, entry)| entry),
                after.map(|(_, entry)| entry),
            ))
        })
    }

    /// As bytes, to be read again by a later process.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let stored = |(path, entry): (&'_ PathBuf, &'_ Entry)| -> io::Result<Vec<u8>> {
            let Entry {
                state,
                stamp,
                read_at,
            } = entry;
            let stored = StoredEntry {
                path: path.as_os_str().as_bytes(),
                state: StoredState {
                    kind: state.kind,
                    mode: state.mode,
                    owner: state.owner,
                    digest: &state.digest,
                },
                stamp: *stamp,
                read_at: *read_at,
                attributes: state.attributes.clone(),
            };
            postcard::to_stdvec(&stored).map_err(io::Error::other)
        };
        let mut bytes = FORM.to_vec();
        for entry in &self.entries {
            bytes.extend(stored(entry)?);
        }
        Ok(bytes)
    }

    /// From such bytes; nothing where they are damaged, or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
        let Some(mut rest) = bytes.strip_prefix(FORM) else {
            // Earlier versions kept no attributes.
            let entries: Vec<(&[u8], FormerEntry<'_>)> = postcard::from_bytes(bytes).ok()?;
            let entry = |former: FormerEntry<'_>| {
                former
                    .state
                    .entry(former.stamp, former.read_at, Attributes::default())
            };
            return Some(Self {
                entries: entries
                    .into_iter()
                    .map(|(bytes, former)| (path(bytes), entry(former)))
                    .collect(),
            });
        };
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let (stored, more) = postcard::take_from_bytes::<StoredEntry<'_>>(rest).ok()?;
            entries.push((
                path(stored.path),
                stored
                    .state
                    .entry(stored.stamp, stored.read_at, stored.attributes),
            ));
            rest = more;
        }
        Some(Self {
            entries: BTreeMap::from_iter(entries),
        })
    }
}

/// How the bytes of a snapshot start.
const FORM: &[u8] = b"hoist snapshot 2\n";

/// An entry as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredEntry<'a> {
    path: &'a [u8],
    #[serde(borrow)]
    state: StoredState<'a>,
    stamp: Stamp,
    read_at: i64,
    attributes: Attributes,
}

#[derive(Serialize, Deserialize)]
struct StoredState<'a> {
    kind: FileKind,
    mode: u32,
    owner: (u32, u32),
    digest: &'a str,
}

/// An entry as earlier versions stored it.
#[derive(Deserialize)]
struct FormerEntry<'a> {
    #[serde(borrow)]
    state: StoredState<'a>,
    stamp: Stamp,
    read_at: i64,
}

impl StoredState<'_> {
    fn entry(self, stamp: Stamp, read_at: i64, attributes: Attributes) -> Entry {
        let Self {
            kind,
            mode,
            owner,
            digest,
        } = self;
        Entry {
            state: State {
                kind,
                mode,
                owner,
                digest: digest.to_owned(),
                modified: Some(stamp.modified),
                attributes,
            },
            stamp,
            read_at,
        }
    }
}

/// In seconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Keeps what a file holds.
pub fn keep(path: &Path, store: &Store) -> io::Result<()> {
    let here = Here {
        directory: CWD,
        name: path.as_os_str(),
        device: 0,
        depth: 0,
    };
    let keep = || {
        let file = open(&here)?;
        let size = file.metadata()?.len();
        contents(file, size, Some(store))
    };
    keep().map(drop).map_err(|error| at(path, error))
}

/// What stands at a path now; nothing where nothing does.
pub fn state(path: &Path) -> io::Result<Option<State>> {
    let taking = SnapshotOptions {
        strict: true,
        ..SnapshotOptions::PLAIN
    };
    let look = TreeReader {
        taking: &taking,
        known: HashMap::new(),
        read_at: 0,
    };
    let Some(stat) = look.stat(CWD, path.as_os_str(), path)? else {
        return Ok(None);
    };
    let here = Here {
        directory: CWD,
        name: path.as_os_str(),
        device: 0,
        depth: 0,
    };
    look.entry(path, &stat, &here)
        .map(|entry| entry.map(|entry| entry.state))
}

/// In place of the digest of a named pipe.
pub const PIPE: &str = "pipe";

/// In place of the digest of a socket.
pub const SOCKET: &str = "socket";

/// The type of a special file.
fn special(stat: &Stat) -> &'static str {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => PIPE,
        FileType::Socket => SOCKET,
        _ => "device",
    }
}

/// How the digest of a file starts that was not read.
const UNREAD: &str = "unread ";

/// So many levels are gone through in parallel.
const PARALLEL: usize = 8;
/// So many files make a piece of work of their own.
const PIECE: usize = 24;

/// Every level takes an open directory.
const DEPTH_LIMIT: usize = 300;

/// A look at trees.
struct TreeReader<'a> {
    taking: &'a SnapshotOptions<'a>,
    /// The former snapshot, by the bytes of the paths.
    known: HashMap<&'a [u8], &'a Entry>,
    read_at: i64,
}

/// An entry of an open directory, so that no link that is put in its way leads elsewhere.
struct Here<'a> {
    directory: BorrowedFd<'a>,
    name: &'a OsStr,
    /// The file system that the look started on.
    device: u64,
    depth: usize,
}

impl TreeReader<'_> {
    fn stat(
        &self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
    ) -> io::Result<Option<Stat>> {
        match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::InvalidFilename => {
                Ok(None)
            }
            Err(error) => Err(at(path, error)),
        }
    }

    fn walk(
        &self,
        path: PathBuf,
        stat: &Stat,
        here: &Here<'_>,
        found: &mut Vec<(PathBuf, Entry)>,
    ) -> io::Result<()> {
        let Some(own) = self.entry(&path, stat, here)? else {
            return Ok(());
        };
        let is_entered = own.state.kind == FileKind::Directory
            && (self.taking.everywhere || own.stamp.device == here.device);
        found.push((path.clone(), own));
        if !is_entered {
            return Ok(());
        }
        if here.depth >= DEPTH_LIMIT {
            let deep = io::Error::other(format!(
                "it is nested more than {DEPTH_LIMIT} directories deep"
            ));
            return if self.taking.strict {
                Err(at(&path, deep))
            } else {
                Ok(())
            };
        }
        let (directory, names) = match list(here) {
            Ok(listed) => listed,
            Err(error) if is_absent(&error) => return Ok(()),
            // What nobody may list is a directory, and that is all that is known.
            Err(error) if !self.taking.strict && is_closed(&error) => return Ok(()),
            Err(error) => return Err(at(&path, error)),
        };
        let visit = |name: &OsString, found: &mut Vec<(PathBuf, Entry)>| -> io::Result<()> {
            let path = path.join(name);
            if (self.taking.ignored)(&path) {
                return Ok(());
            }
            let here = Here {
                directory: directory.as_fd(),
                name,
                device: here.device,
                depth: here.depth + 1,
            };
            match self.stat(here.directory, name, &path)? {
                Some(stat) => self.walk(path, &stat, &here, found),
                None => Ok(()),
            }
        };
        // Further down there is enough to do for everybody, and every level takes its part of the
        // stack.
        if here.depth >= PARALLEL || names.len() == 1 {
            return names.iter().try_for_each(|name| visit(name, found));
        }
        let piece = PIECE.min(names.len() / 2 + 1);
        let each = |name: &OsString| {
            let mut found = Vec::new();
            visit(name, &mut found).map(|()| found)
        };
        let pieces: io::Result<Vec<_>> = names.par_iter().with_min_len(piece).map(each).collect();
        found.extend(pieces?.into_iter().flatten());
        Ok(())
    }

    /// What is known of one path; `None` where it vanished meanwhile.
    fn entry(&self, path: &Path, stat: &Stat, here: &Here<'_>) -> io::Result<Option<Entry>> {
        let (kind, stamp, store) = (self.kind(path, stat), Stamp::of(stat), self.taking.store);
        let state = |digest, attributes| State {
            kind,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            digest,
            modified: Some(stamp.modified),
            attributes,
        };
        let known = self.known.get(path.as_os_str().as_bytes()).filter(|known| {
            let settled = known
                .stamp
                .changed
                .0
                .saturating_add(TICK.as_secs().cast_signed())
                < known.read_at;
            let is_kept = |digest: &str| {
                digest.starts_with(UNREAD) || store.is_none_or(|store| store.has(digest))
            };
            // A file without a digest could not be read.
            let is_kept = |digest: &str| {
                if digest.is_empty() {
                    kind != FileKind::File
                } else {
                    is_kept(digest)
                }
            };
            settled
                && known.stamp == stamp
                && known.state.kind == kind
                && is_kept(&known.state.digest)
        });
        if let Some(known) = known {
            let state = state(known.state.digest.clone(), known.state.attributes.clone());
            return Ok(Some(Entry {
                state,
                stamp,
                read_at: known.read_at,
            }));
        }
        let read = match kind {
            FileKind::File if !(self.taking.read)(path, stamp.size) => Ok(format!(
                "{UNREAD}{} {} {:?}",
                stamp.inode, stamp.size, stamp.modified
            )),
            FileKind::File => open(here).and_then(|file| contents(file, stamp.size, store)),
            FileKind::Link => readlinkat(here.directory, here.name, Vec::new())
                .map_err(io::Error::from)
                .and_then(|target| {
                    let target = target.into_bytes();
                    let digest = hexadecimal(&Sha256::digest(&target));
                    store
                        .map_or(Ok(()), |store| store.keep(&digest, &target))
                        .map(|()| digest)
                }),
            FileKind::Other => Ok(special(stat).to_owned()),
            FileKind::Directory | FileKind::Git => Ok(String::new()),
        };
        match read {
            Ok(digest) => {
                let attributes = if kind == FileKind::Link {
                    Attributes::default()
                } else {
                    Attributes::of(path)
                };
                Ok(Some(Entry {
                    state: state(digest, attributes),
                    stamp,
                    read_at: self.read_at,
                }))
            }
            Err(error) if is_absent(&error) => Ok(None),
            // Later nobody can tell whether it is still the same.
            Err(error) if !self.taking.strict && is_closed(&error) => Ok(Some(Entry {
                state: state(String::new(), Attributes::default()),
                stamp,
                read_at: self.read_at,
            })),
            Err(error) => Err(at(path, error)),
        }
    }

    fn kind(&self, path: &Path, stat: &Stat) -> FileKind {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => FileKind::Link,
            FileType::Directory
                if path.file_name().is_some_and(|name| name == ".git")
                    && !(self.taking.git)(path) =>
            {
                FileKind::Git
            }
            FileType::Directory => FileKind::Directory,
            FileType::RegularFile => FileKind::File,
            _ => FileKind::Other,
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidFilename
    )
}

/// Opens a directory as an entry of another, and lists it.
fn list(here: &Here<'_>) -> io::Result<(OwnedFd, Vec<OsString>)> {
    let directory = openat(here.directory, here.name, DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(name.as_slice(), b"." | b"..") {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort_unstable();
    Ok((directory, names))
}

/// What became a link or a pipe meanwhile is not followed, and not waited for.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

fn open(here: &Here<'_>) -> io::Result<File> {
    Ok(openat(here.directory, here.name, FILE, Mode::empty()).map(File::from)?)
}

/// Reads what a file held when it was looked at: one that grows as fast as it is read would never
/// end.
fn contents(file: File, size: u64, store: Option<&Store>) -> io::Result<String> {
    let mut file = file.take(size);
    if size > PACKED {
        return match store {
            Some(store) => store.keep_file(file).map(|(digest, _)| digest),
            None => digest(file),
        };
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.read_to_end(&mut bytes)?;
    let digest = hexadecimal(&Sha256::digest(&bytes));
    store.map_or(Ok(()), |store| store.keep(&digest, &bytes))?;
    Ok(digest)
}

#[cfg(test)]
mod tests;
