//! Copies a module's directory out of the copy of its source: tracked files only, as the index has
//! them, put in place by one rename. What somebody changed or added in the directory that is there
//! stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Component, Path, PathBuf};

use hoist_executor::{Effect, Failure, ItemChange, Level};
use hoist_files::{
    FileKind, Home, Record, Recorded, RemovalPolicy, Root, Scope, aside_name, digest, is_backup,
    list_tree, pending,
};
use hoist_sources::{FileList, IndexedFile};
use serde::Deserialize;

use hoist_core::ConfigPolicy;

use crate::archive;
use crate::archive::{Archived, Content as Unpacked};
use hoist_guard::stage::StagingDir;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry};

/// A directory to be copied.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// In the copy of the source.
    from: PathBuf,
    /// Where it goes.
    into: PathBuf,
    /// What it holds.
    files: FileList,
    /// Its version, or the revision that changed it last.
    version: String,
    /// The revision that the copy of the source stands at, where hoist has made that.
    revision: Option<String>,
    /// Where `from` is an archive: what stands before the names of the files in it.
    prefix: Option<String>,
    /// Why it is not copied.
    refused: Option<String>,
}

/// What a file holds.
enum Content {
    Bytes(Vec<u8>),
    Link(PathBuf),
}

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = MethodEntry::new::<Copy>("copy");

impl Method for Copy {
    fn paths(&self) -> Vec<PathBuf> {
        vec![self.into.clone()]
    }

    fn refuse(&self, context: &StepContext<'_>) -> Result<(), Failure> {
        if let Some(why) = &self.refused {
            return Err(Failure::new(format!("it was not copied: {why}")));
        }
        if let Some((link, target)) = self
            .files
            .iter()
            .find_map(|file| Some((file.path, file.link?)).filter(|_| leads_out(&file)))
        {
            return Err(Failure::new(format!(
                "its symbolic link {link} leads out of the module, to {target}; it was not copied"
            )));
        }
        let names: BTreeSet<&str> = self.files.iter().map(|file| file.path).collect();
        let twisted = |name: &&str| {
            Path::new(name)
                .ancestors()
                .skip(1)
                .any(|parent| parent.to_str().is_some_and(|parent| names.contains(parent)))
        };
        let plain = |name: &str| {
            Path::new(name)
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
        };
        if let Some(name) = names.iter().find(|name| twisted(name) || !plain(name)) {
            return Err(Failure::new(format!(
                "its file {name} is not a plain path inside the module; it was not copied"
            )));
        }
        let known = context
            .record
            .keys()
            .any(|path| path.starts_with(&self.into));
        if known || context.force || context.unfinished || self.into.symlink_metadata().is_err() {
            return Ok(());
        }
        let others = self
            .others()
            .map_err(|error| Failure::new(error.to_string()))?;
        match others.as_slice() {
            [] => Ok(()),
            [first, ..] => {
                let into = self.into.display();
                let count = others.len();
                let files = if count == 1 {
                    "one file".to_owned()
                } else {
                    format!("{count} files")
                };
                Err(Failure::new(format!(
                    "{into} exists, hoist did not install it, and {files} of it (such as {first}) differ from the source: move it away, or add --force to replace the files and keep backups"
                )))
            }
        }
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let wrong = |error: std::io::Error| Failure::new(error.to_string());
        let contents = self.contents(context)?;
        context.task.check()?;
        let here = Here::read(&self.into, context.record, &self.files).map_err(wrong)?;
        let overwrite = context.policy == ConfigPolicy::Overwrite || context.force;
        let overwrites = overwrite
            && self
                .files
                .iter()
                .any(|file| here.theirs.contains_key(Path::new(file.path)));
        let applied = Applied {
            paths: vec![self.into.clone()],
            version: Some(self.version.clone()),
            ..Applied::unchanged()
        };
        if here.is_as_wanted && !context.unfinished && !overwrites {
            let beside = here.pending.iter().map(|path| (path.clone(), 0)).collect();
            return Ok(Applied {
                record: Some(self.record(&beside)),
                ..applied
            });
        }
        let home = self
            .into
            .parent()
            .and_then(|parent| Home::open(parent, &[]).ok());
        if let Some(mount) = home
            .and_then(|home| home.mounted_below(&self.into))
            .filter(|_| here.stands)
        {
            return Err(Failure::new(format!(
                "a file system is mounted at {}: unmount it first",
                mount.display()
            )));
        }
        let stage = StagingDir::beside(&self.into)
            .map_err(|error| context.task.failed("preparing", &self.into, &error))?;
        let told = self
            .fill(&stage.path(), &contents, &here, overwrite)
            .map_err(|error| context.task.failed("writing", &self.into, &error))?;
        context.task.check()?;
        let replaced = match here.stands {
            false => {
                stage
                    .commit()
                    .map_err(|error| context.task.failed("cannot write", &self.into, &error))?;
                Vec::new()
            }
            true => {
                let made = entries(&stage.path()).map_err(wrong)?;
                let stage = stage
                    .exchange()
                    .map_err(|error| context.task.failed("cannot write", &self.into, &error))?;
                // What is in the stage now is somebody's, until it is known that all of it is in
                // the new directory, too.
                if !here.is_still(&stage.path()).is_ok_and(|still| still) {
                    let stage = stage.exchange().map_err(|error| {
                        context.task.failed("cannot restore", &self.into, &error)
                    })?;
                    // And what came into the new one while it was there.
                    if entries(&stage.path()).is_ok_and(|now| now != made) {
                        let kept =
                            hoist_files::move_aside(&stage.path(), &self.into).map_err(wrong)?;
                        let why = format!(
                            "backup of {}, which was modified while it was being replaced",
                            self.into.display()
                        );
                        context.task.item(
                            ItemChange::Preserved,
                            kept.display().to_string(),
                            Some(why),
                        );
                    }
                    return Err(Failure::transient(format!(
                        "{} was modified at the same time",
                        self.into.display()
                    )));
                }
                vec![stage]
            }
        };
        for (item_change, path, reason) in told.items {
            context.task.item(
                item_change,
                self.into.join(path).display().to_string(),
                Some(reason),
            );
        }
        Ok(Applied {
            effect: Effect::Changed,
            record: Some(self.record(&told.pending)),
            replaced,
            ..applied
        })
    }

    fn revert(&mut self, _: &StepContext<'_>) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| Failure::new(error.to_string());
        let home = Home::open(self.into.parent().unwrap_or(Path::new("/")), &[]).map_err(wrong)?;
        let root = Root {
            path: self.into.clone(),
            scope: Scope::Recorded,
        };
        let record = self.record(&BTreeMap::new());
        let removal = RemovalPolicy {
            record: &record,
            held: &|_| None,
            shared: &|_| false,
            precious: &|_| None,
            purge: false,
        };
        match home.remove(&[root], &removal).kept.into_iter().next() {
            None => Ok(()),
            Some((path, why)) => Err(Failure::new(format!("{}: {why}", path.display()))),
        }
    }
}

/// True for a link to somewhere outside the module.
fn leads_out(file: &IndexedFile<'_>) -> bool {
    file.link.is_some() && file.leads_to().is_none()
}

fn mode(file: &IndexedFile<'_>) -> u32 {
    if file.executable { 0o755 } else { 0o644 }
}

/// What the new directory keeps of the old.
#[derive(Default)]
struct Carried {
    items: Vec<(ItemChange, String, String)>,
    /// The new versions that were put beside files somebody changed, with their permissions.
    pending: BTreeMap<PathBuf, u32>,
}

impl Copy {
    /// The files as the index has them. A copy of the source that is not as it was indexed is
    /// mended, once.
    fn contents(&self, context: &StepContext<'_>) -> Result<Vec<Content>, Failure> {
        if let Some(prefix) = &self.prefix {
            return self
                .unpacked(prefix)
                .map_err(|wrong| Failure::new(format!("{}: {wrong}", self.from.display())));
        }
        let read = || {
            self.files
                .iter()
                .map(|file| self.read(&file))
                .collect::<Result<Vec<_>, String>>()
        };
        let Some(revision) = &self.revision else {
            let changed = |wrong| {
                format!(
                    "{} was modified while it was read: {wrong}; run the command again",
                    self.from.display()
                )
            };
            return read().map_err(|wrong| Failure::new(changed(wrong)));
        };
        read().or_else(|wrong| {
            context
                .task
                .note(Level::Warning, format!("the local copy of its source was modified ({wrong}); it was restored to the last sync"));
            let tree = self.from.parent().unwrap_or(&self.from);
            let repair = context.repair_tree;
            repair.map_or(Ok(()), |repair| repair(tree, revision, context.machine, context.task))?;
            let help = "run `hoist sync` to refresh its source";
            read().map_err(|wrong| Failure::new(format!("the local copy of its source differs from the last sync: {wrong}; {help}")))
        })
    }

    /// The files out of an archive.
    fn unpacked(&self, prefix: &str) -> Result<Vec<Content>, String> {
        let mut archived: BTreeMap<String, Archived> = archive::contents(&self.from)?
            .into_iter()
            .map(|file| (file.path.clone(), file))
            .collect();
        let take = |file: IndexedFile<'_>| {
            let found = archived
                .remove(&format!("{prefix}{}", file.path))
                .ok_or_else(|| format!("{} is missing", file.path))?;
            match found.content {
                Unpacked::Link(target) if file.link == target.to_str() => Ok(Content::Link(target)),
                Unpacked::File(bytes)
                    if digest(bytes.as_slice()).is_ok_and(|found| found == file.digest) =>
                {
                    Ok(Content::Bytes(bytes))
                }
                _ => Err(format!("{} is a different file", file.path)),
            }
        };
        self.files.iter().map(take).collect()
    }

    fn read(&self, file: &IndexedFile<'_>) -> Result<Content, String> {
        let path = self.from.join(file.path);
        let wrong = |error: std::io::Error| format!("{}: {error}", file.path);
        if path.is_symlink() || file.link.is_some() {
            let target = path.read_link().map_err(wrong)?;
            return match file.link == target.to_str() {
                true => Ok(Content::Link(target)),
                false => Err(format!("{} is another link", file.path)),
            };
        }
        let bytes = std::fs::read(&path).map_err(wrong)?;
        match digest(bytes.as_slice()).map_err(wrong)? == file.digest {
            true => Ok(Content::Bytes(bytes)),
            false => Err(format!("{} is another file", file.path)),
        }
    }

    /// What stands in the directory and is not as the source has it, or not of the source at all.
    fn others(&self) -> std::io::Result<Vec<String>> {
        let here = Here::read(&self.into, &Record::new(), &self.files)?;
        let mut others: Vec<String> = here
            .theirs
            .keys()
            .map(|path| path.display().to_string())
            .collect();
        others.extend(here.missing);
        Ok(others)
    }

    /// Makes the new directory: what the source has, and what somebody changed or added in the old
    /// one.
    fn fill(
        &self,
        new: &Path,
        contents: &[Content],
        here: &Here,
        overwrite: bool,
    ) -> std::io::Result<Carried> {
        let mut carried = Carried::default();
        let names = self.files.iter().map(|file| file.path).collect();
        let mut fresh = Fresh {
            new,
            old: &self.into,
            made: Vec::new(),
            moved: BTreeMap::new(),
        };
        fresh.directory(Path::new(""))?;
        for (file, content) in self.files.iter().zip(contents) {
            let path = PathBuf::from(file.path);
            let mut to = new.join(&path);
            fresh.parents(&path)?;
            match here
                .theirs
                .get(&path)
                .filter(|theirs| theirs.kind != FileKind::Directory)
            {
                Some(_) if overwrite => {
                    let copy = aside_name(&to);
                    carry(&self.into.join(&path), &copy)?;
                    let name = copy
                        .strip_prefix(new)
                        .unwrap_or(&copy)
                        .display()
                        .to_string();
                    carried.items.push((
                        ItemChange::Preserved,
                        name,
                        format!("backup of {}, which was locally modified", path.display()),
                    ));
                }
                Some(theirs) => {
                    carry(&self.into.join(&path), &to)?;
                    let beside = beside(&path, &names);
                    let is_older = theirs.base.as_deref() == Some(file.digest);
                    if is_older && !here.pending.contains(&beside) {
                        carried.items.push((
                            ItemChange::Preserved,
                            file.path.to_owned(),
                            "it is locally modified".to_owned(),
                        ));
                        continue;
                    }
                    let why = format!(
                        "it is locally modified; the new version is {}",
                        beside.display()
                    );
                    carried
                        .items
                        .push((ItemChange::Preserved, file.path.to_owned(), why));
                    carried.pending.insert(beside.clone(), mode(&file));
                    to = new.join(beside);
                }
                None => {}
            }
            match content {
                Content::Bytes(bytes) => {
                    std::fs::write(&to, bytes)?;
                    like(&self.into.join(&path), &to, mode(&file))?;
                }
                Content::Link(target) => symlink(target, &to)?,
            }
        }
        let offered: BTreeSet<&Path> = self.files.iter().map(|file| Path::new(file.path)).collect();
        for (path, theirs) in here.theirs.iter().filter(|(path, theirs)| {
            theirs.kind == FileKind::Directory || !offered.contains(path.as_path())
        }) {
            let to = fresh.place(path, theirs.kind)?;
            let is_moved = to != new.join(path);
            if theirs.kind != FileKind::Directory {
                carry(&self.into.join(path), &to)?;
            }
            let why = match (&theirs.base, is_moved) {
                (_, true) => {
                    format!(
                        "moved from {}, since the new version has another file there",
                        path.display()
                    )
                }
                (Some(_), false) => {
                    "it is locally modified; the new version does not have it".to_owned()
                }
                (None, false) => "it does not belong to the module".to_owned(),
            };
            if theirs.kind != FileKind::Directory && (is_moved || !is_backup(path)) {
                let name = to.strip_prefix(new).unwrap_or(&to).display().to_string();
                carried.items.push((ItemChange::Preserved, name, why));
            }
        }
        fresh.finish()?;
        Ok(carried)
    }

    /// What the module consists of: of files somebody changed, too, the digests of the version that
    /// was put there or beside.
    fn record(&self, beside: &BTreeMap<PathBuf, u32>) -> Record {
        let directory = Recorded {
            kind: FileKind::Directory,
            mode: 0o755,
            digest: String::new(),
        };
        let mut record = Record::from([(self.into.clone(), directory.clone())]);
        let names = self.files.iter().map(|file| file.path).collect();
        for file in self.files.iter() {
            let path = self.into.join(file.path);
            let between = path
                .ancestors()
                .skip(1)
                .take_while(|parent| *parent != self.into);
            record.extend(between.map(|parent| (parent.to_owned(), directory.clone())));
            let kind = if file.link.is_some() {
                FileKind::Link
            } else {
                FileKind::File
            };
            let recorded = Recorded {
                kind,
                mode: mode(&file),
                digest: file.digest.to_owned(),
            };
            let waiting = self::beside(Path::new(file.path), &names);
            if beside.contains_key(&waiting) {
                record.insert(self.into.join(waiting), recorded.clone());
            }
            record.insert(path, recorded);
        }
        record
    }
}

/// Something in a directory that is not as its source has it.
struct Theirs {
    kind: FileKind,
    /// The digest of what the module put there, where it did.
    base: Option<String>,
}

/// The directory as it is.
struct Here {
    stands: bool,
    is_as_wanted: bool,
    /// What somebody changed or added, relative to it.
    theirs: BTreeMap<PathBuf, Theirs>,
    /// What the source has and it has not.
    missing: Vec<String>,
    /// New versions that wait beside files somebody changed.
    pending: BTreeSet<PathBuf>,
    seen: BTreeMap<PathBuf, hoist_files::FileState>,
}

impl Here {
    fn read(into: &Path, record: &Record, files: &FileList) -> std::io::Result<Self> {
        let seen = entries(into)?;
        let stands = into.symlink_metadata().is_ok();
        if stands && !into.symlink_metadata()?.is_dir() {
            return Err(std::io::Error::other(format!(
                "{} is not a directory: move it away",
                into.display()
            )));
        }
        let offered: BTreeMap<&Path, IndexedFile<'_>> = files
            .iter()
            .map(|file| (Path::new(file.path), file))
            .collect();
        let directories: BTreeSet<&Path> = offered
            .keys()
            .flat_map(|path| path.ancestors().skip(1))
            .collect();
        let names: BTreeSet<&str> = files.iter().map(|file| file.path).collect();
        let beside: BTreeMap<PathBuf, IndexedFile<'_>> = files
            .iter()
            .map(|file| (self::beside(Path::new(file.path), &names), file))
            .collect();
        let (mut theirs, mut waiting, mut is_as_wanted) =
            (BTreeMap::new(), BTreeSet::new(), stands);
        for (path, entry) in &seen {
            let place = into.join(path);
            let base = record.get(&place).map(|recorded| recorded.digest.clone());
            let found = match entry.kind {
                FileKind::Directory if offered.contains_key(path.as_path()) => {
                    is_as_wanted = false;
                    theirs.insert(
                        path.clone(),
                        Theirs {
                            kind: FileKind::Directory,
                            base,
                        },
                    );
                    continue;
                }
                FileKind::Directory if directories.contains(path.as_path()) || base.is_some() => {
                    continue;
                }
                FileKind::Directory | FileKind::Git => {
                    theirs.insert(
                        path.clone(),
                        Theirs {
                            kind: FileKind::Directory,
                            base,
                        },
                    );
                    continue;
                }
                FileKind::File => digest(std::fs::File::open(&place)?)?,
                FileKind::Link => place
                    .read_link()
                    .and_then(|target| digest(target.as_os_str().as_encoded_bytes()))?,
                FileKind::Other => {
                    return Err(std::io::Error::other(format!(
                        "{} is not a regular file: move it away",
                        place.display()
                    )));
                }
            };
            let wanted = offered.get(path.as_path()).filter(|file| {
                file.digest == found && file.link.is_some() == (entry.kind == FileKind::Link)
            });
            match wanted {
                Some(file) => {
                    is_as_wanted &=
                        entry.kind == FileKind::Link || entry.mode & 0o111 == mode(file) & 0o111
                }
                // Nobody has to be told twice, nor does hoist when it was cut off before it could
                // write this down.
                None if beside.get(path).is_some_and(|file| file.digest == found) => {
                    waiting.insert(path.clone());
                }
                None if base.as_ref() == Some(&found) => is_as_wanted = false,
                // What was changed and has no newer version is as it is wanted to be.
                None => {
                    let settled = offered
                        .get(path.as_path())
                        .is_none_or(|file| base.as_deref() == Some(file.digest));
                    is_as_wanted &= settled;
                    theirs.insert(
                        path.clone(),
                        Theirs {
                            kind: entry.kind,
                            base,
                        },
                    );
                }
            }
        }
        let missing: Vec<String> = offered
            .keys()
            .filter(|path| !seen.contains_key(**path))
            .map(|path| format!("{} (missing)", path.display()))
            .collect();
        is_as_wanted &= missing.is_empty();
        // Whoever took the new version over does not need it twice.
        let needed: BTreeSet<PathBuf> = theirs
            .keys()
            .map(|path| self::beside(path, &names))
            .collect();
        is_as_wanted &= waiting.is_subset(&needed);
        Ok(Self {
            stands,
            is_as_wanted,
            theirs,
            missing,
            pending: waiting,
            seen,
        })
    }

    /// True while what was looked at is as it was, at the place where it is now.
    fn is_still(&self, place: &Path) -> std::io::Result<bool> {
        let now = entries(place)?;
        // Copies aside were made meanwhile, and moved.
        let same = |(path, seen): (&PathBuf, &hoist_files::FileState)| now.get(path) == Some(seen);
        Ok(self.seen.len() == now.len() && self.seen.iter().all(same))
    }
}

/// What is in a directory, relative to it. A repository in it is a directory as any other.
fn entries(directory: &Path) -> std::io::Result<BTreeMap<PathBuf, hoist_files::FileState>> {
    let picture = list_tree(&[directory.to_owned()])?;
    let mut entries = BTreeMap::new();
    for (path, seen) in picture {
        if seen.kind == FileKind::Git {
            return Err(std::io::Error::other(format!(
                "{} is a repository: move it away",
                path.display()
            )));
        }
        let inside = path.strip_prefix(directory).unwrap_or(&path).to_owned();
        if !inside.as_os_str().is_empty() {
            entries.insert(inside, seen);
        }
    }
    Ok(entries)
}

/// The same file in two places, with its times and owner.
fn carry(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::hard_link(from, to).or_else(|_| match from.read_link() {
        Ok(target) => symlink(target, to),
        Err(_) => std::fs::copy(from, to).map(drop),
    })
}

/// Where the new version of a file that is kept waits: beside it, where the module has no file of
/// that name (of `names`) itself.
fn beside(path: &Path, names: &BTreeSet<&str>) -> PathBuf {
    let mut beside = pending(path);
    while beside.to_str().is_some_and(|name| names.contains(name)) {
        beside = pending(&beside);
    }
    beside
}

/// Gives a new file the owner of the one that it replaces, and its permissions but for whether it
/// may be run.
fn like(old: &Path, new: &Path, mode: u32) -> std::io::Result<()> {
    let known = old
        .symlink_metadata()
        .ok()
        .filter(std::fs::Metadata::is_file);
    let mode = known.as_ref().map_or(mode, |old| {
        let readable = old.mode() & 0o666;
        readable
            | if mode & 0o111 != 0 {
                (readable & 0o444) >> 2
            } else {
                0
            }
    });
    if let Some(old) = known {
        // Only root may, and only for root it makes a difference.
        let _ = chown(new, Some(old.uid()), Some(old.gid()));
    }
    std::fs::set_permissions(new, Permissions::from_mode(mode))
}

/// A directory in the making.
struct Fresh<'a> {
    new: &'a Path,
    old: &'a Path,
    /// Directories that were made, with what they take the place of, relative to both.
    made: Vec<(PathBuf, PathBuf)>,
    /// Where something stands that the new version has otherwise.
    moved: BTreeMap<PathBuf, PathBuf>,
}

impl Fresh<'_> {
    fn directory(&mut self, path: &Path) -> std::io::Result<()> {
        std::fs::create_dir(self.new.join(path))?;
        self.made.push((self.new.join(path), self.old.join(path)));
        Ok(())
    }

    /// Makes the directories on the way to a path.
    fn parents(&mut self, path: &Path) -> std::io::Result<()> {
        let mut missing: Vec<&Path> = path
            .ancestors()
            .skip(1)
            .take_while(|parent| !self.new.join(parent).exists())
            .collect();
        missing.reverse();
        missing
            .into_iter()
            .try_for_each(|parent| self.directory(parent))
    }

    /// Where something of somebody's goes, with the directories on the way: to its own place,
    /// unless the new version has something else there or on the way.
    fn place(&mut self, path: &Path, kind: FileKind) -> std::io::Result<PathBuf> {
        let (mut place, mut here) = (self.new.to_owned(), PathBuf::new());
        let last = path.components().count() - 1;
        for (number, part) in path.components().enumerate() {
            here.push(part);
            place.push(part);
            let is_directory = number < last || kind == FileKind::Directory;
            if let Some(moved) = self.moved.get(&here) {
                place.clone_from(moved);
                continue;
            }
            match place.symlink_metadata() {
                Ok(there) if is_directory && there.is_dir() => {}
                Ok(_) => {
                    place = aside_name(&place);
                    self.moved.insert(here.clone(), place.clone());
                    if is_directory {
                        std::fs::create_dir(&place)?;
                        self.made.push((place.clone(), self.old.join(&here)));
                    }
                }
                Err(_) if is_directory => {
                    std::fs::create_dir(&place)?;
                    self.made.push((place.clone(), self.old.join(&here)));
                }
                Err(_) => {}
            }
        }
        Ok(place)
    }

    /// Gives directories the owners and permissions that those in their places have.
    fn finish(&self) -> std::io::Result<()> {
        for (new, old) in self.made.iter().rev() {
            let old = old
                .symlink_metadata()
                .ok()
                .filter(std::fs::Metadata::is_dir);
            if let Some(old) = &old {
                let _ = chown(new, Some(old.uid()), Some(old.gid()));
            }
            std::fs::set_permissions(
                new,
                Permissions::from_mode(old.map_or(0o755, |old| old.mode() & 0o7777)),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_lead_anywhere_inside() {
        let link = |path: &'static str, target: &'static str| {
            leads_out(&IndexedFile {
                path,
                link: Some(target),
                ..IndexedFile::default()
            })
        };
        assert!(
            !link("a", "b") && !link("d/a", "../b") && !link("a", "d/../b") && !link("a", "./b/c")
        );
        for (path, target) in [
            ("a", "../b"),
            ("d/a", "../../b"),
            ("a", "/etc/passwd"),
            ("a", "d/../../b"),
            ("mod_x", "../modules/mod_x/../mod_x"),
        ] {
            assert!(link(path, target), "{path} -> {target}");
        }
    }
}
