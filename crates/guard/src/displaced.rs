//! Moves what is to be installed anew out of the way, and moves it back when the new does not work.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hoist_core::{InstalledModule, Module};
use hoist_executor::{Failure, ItemChange, Level, TaskContext};
use hoist_files::{
    FileKind, Home, Record, RemovalPolicy, Root, Scope, backups, list_tree, move_aside, pending,
    rename_new,
};
use hoist_ledger::{DisplacedPath, Disposal};

use hoist_git::own;
use hoist_machine::machine::Machine;

/// What of a module can be moved out of the way: the directories it declares, also those that were
/// there before it, and what it wrote elsewhere. Whatever in them is not the module's is carried
/// over at the end; meanwhile no script can do anything to it.
pub fn plan(
    home: &Home,
    module: &Module,
    record: Option<&InstalledModule>,
    files: &Record,
    run: &str,
    machine: &Machine,
) -> Result<Vec<DisplacedPath>, Failure> {
    let Some(record) = record else {
        return Ok(Vec::new());
    };
    let written = files
        .iter()
        .filter(|(_, file)| file.kind != FileKind::Directory)
        .map(|(path, _)| path);
    let all = record.paths.iter().chain(&module.paths).chain(written);
    let mut paths: Vec<&PathBuf> = all.filter(|path| home.place(path).is_ok()).collect();
    paths.retain(|path| !path.is_symlink() && path.exists() && !module.config_files.contains(path));
    paths.sort();
    let mut outermost: Vec<&PathBuf> = Vec::new();
    for path in paths {
        if !outermost.last().is_some_and(|last| path.starts_with(last)) {
            outermost.push(path);
        }
    }
    let displaced = |(number, path): (usize, &PathBuf)| -> Result<DisplacedPath, Failure> {
        let refused = |why: String| {
            Failure::new(format!(
                "{why}; it is not changed: push or move them away to reinstall it"
            ))
        };
        if path.join(".git").exists() && files.contains_key(&path.join(".git")) {
            match own::own_history(path, machine) {
                Ok(None) => {}
                Ok(Some(own)) => {
                    return Err(refused(format!(
                        "{} has {own}, which no remote has",
                        path.display()
                    )));
                }
                Err(failure) => return Err(refused(failure.message)),
            }
        }
        if path.to_str().is_none() {
            return Err(Failure::new(format!(
                "{} is not UTF-8: move it away to reinstall it",
                path.display()
            )));
        }
        if let Some(mount) = home.mounted_below(path) {
            return Err(Failure::new(format!(
                "a file system is mounted at {}: unmount it to reinstall the module",
                mount.display()
            )));
        }
        let name = format!(".hoist-aside-{run}-{}-{number}", module.id);
        let kept = path.with_file_name(name);
        Ok(DisplacedPath {
            module: module.id.clone(),
            path: path.clone(),
            kept,
            disposal: Disposal::Merge,
        })
    };
    outermost.into_iter().enumerate().map(displaced).collect()
}

/// Moves everything out of the way.
pub fn displace(displaced: &[DisplacedPath]) -> Result<(), Failure> {
    for DisplacedPath { path, kept, .. } in displaced {
        rename_new(path, kept)
            .map_err(|error| Failure::new(format!("cannot move it away: {error}")))?;
    }
    Ok(())
}

/// Where the files of a record are while they are out of the way.
pub fn moved(displaced: &[DisplacedPath], record: &Record) -> Record {
    let place = |path: &Path| {
        let outer = displaced
            .iter()
            .find(|outer| path.starts_with(&outer.path))?;
        let inside = path.strip_prefix(&outer.path).ok()?;
        Some(if inside.as_os_str().is_empty() {
            outer.kept.clone()
        } else {
            outer.kept.join(inside)
        })
    };
    record
        .iter()
        .filter_map(|(path, recorded)| Some((place(path)?, recorded.clone())))
        .collect()
}

/// Puts files in their places again, and leaves them where they are, too: configuration files with
/// their new versions, of which nobody has asked for another one. Of a directory everything in it.
pub fn link_back<'p>(displaced: &[DisplacedPath], paths: impl Iterator<Item = &'p Path>) {
    for path in paths.flat_map(|path| [path.to_owned(), pending(path)]) {
        let inside = displaced
            .iter()
            .find_map(|outer| Some((outer, path.strip_prefix(&outer.path).ok()?.to_owned())));
        let Some((outer, inside)) = inside.filter(|(_, inside)| !inside.as_os_str().is_empty())
        else {
            continue;
        };
        let kept = outer.kept.join(inside);
        for (from, seen) in list_tree(std::slice::from_ref(&kept)).unwrap_or_default() {
            let to = from
                .strip_prefix(&kept)
                .map_or_else(|_| path.clone(), |below| path.join(below));
            let to: PathBuf = to.components().collect();
            if matches!(seen.kind, FileKind::File | FileKind::Link) {
                // What cannot be put back is still there, and is carried over at the end.
                let _ = to
                    .parent()
                    .map_or(Ok(()), std::fs::create_dir_all)
                    .and_then(|()| std::fs::hard_link(&from, &to));
            }
        }
    }
}

/// Moves everything back, in the place of what an attempt that failed left there. Returns how many
/// paths are back.
///
/// # Errors
/// What cannot be moved back stays where it is; the rest is moved back all the same.
pub fn restore(displaced: &[DisplacedPath]) -> io::Result<usize> {
    let (mut restored, mut failed) = (0, None);
    for displaced in present(displaced) {
        match remove_tree(&displaced.path)
            .and_then(|()| rename_new(&displaced.kept, &displaced.path))
        {
            Ok(()) => restored += 1,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(restored), Err)
}

/// Moves a tree back to where some of it still is.
pub fn merge_back(kept: &Path, path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_err() {
        return rename_new(kept, path);
    }
    if !kept.symlink_metadata()?.is_dir() || !path.symlink_metadata()?.is_dir() {
        return move_aside(kept, path).map(drop);
    }
    for entry in std::fs::read_dir(kept)? {
        let name = entry?.file_name();
        merge_back(&kept.join(&name), &path.join(&name))?;
    }
    std::fs::remove_dir(kept)
}

/// Removes what was moved out of the way, now that the new works: as far as it still is what
/// `record` says the module wrote. The rest goes to its place in the new, where nothing stands
/// there; else it stays beside it, and its path is returned.
pub fn discard(
    home: &Home,
    displaced: &[DisplacedPath],
    record: &Record,
    machine: &Machine,
    task: &TaskContext,
) -> Vec<PathBuf> {
    let mut copies = Vec::new();
    for displaced in displaced
        .iter()
        .filter(|displaced| displaced.kept.symlink_metadata().is_ok())
    {
        let DisplacedPath {
            path,
            kept,
            disposal,
            ..
        } = displaced;
        match disposal {
            Disposal::Merge => merge(
                home,
                path,
                kept,
                record,
                machine,
                &mut Carrying {
                    task,
                    copies: &mut copies,
                },
            ),
            Disposal::Remove => {
                if let Err(error) = remove_tree(kept) {
                    task.note(Level::Warning, format!("cannot remove {error}"));
                }
            }
            // Directories that somebody uses by now are kept.
            Disposal::RemoveIfEmpty => drop(std::fs::remove_dir(kept)),
            Disposal::Keep => {}
        }
    }
    copies
}

/// Reports what happens to files that the module did not write, and collects the copies.
struct Carrying<'a> {
    task: &'a TaskContext,
    /// What stays beside what is new.
    copies: &'a mut Vec<PathBuf>,
}

fn merge(
    home: &Home,
    path: &Path,
    kept: &Path,
    record: &Record,
    machine: &Machine,
    carrying: &mut Carrying<'_>,
) {
    let precious = |git: &Path| own::precious(git, machine);
    let root = Root {
        path: kept.to_owned(),
        scope: Scope::Recorded,
    };
    home.remove(
        &[root],
        &RemovalPolicy {
            record,
            held: &|_| None,
            shared: &|_| false,
            precious: &precious,
            purge: false,
        },
    );
    if carry(kept, path, carrying) {
        return;
    }
    match move_aside(kept, path) {
        Ok(copy) => {
            let why = format!(
                "backup of the files in the previous {} that did not belong to the module",
                path.display()
            );
            carrying
                .task
                .item(ItemChange::Preserved, copy.display().to_string(), Some(why));
            carrying.copies.push(copy);
        }
        Err(error) => carrying.task.note(
            Level::Warning,
            format!("the previous {} is still at {error}", path.display()),
        ),
    }
}

/// Those that are out of the way.
pub fn present(displaced: &[DisplacedPath]) -> impl Iterator<Item = &DisplacedPath> {
    displaced
        .iter()
        .filter(|displaced| displaced.kept.symlink_metadata().is_ok())
}

/// Moves what is left of a tree to its place in another. False when something of it is still left.
fn carry(from: &Path, to: &Path, carrying: &mut Carrying<'_>) -> bool {
    let Ok(metadata) = from.symlink_metadata() else {
        return true;
    };
    let carried = match to.symlink_metadata() {
        Err(_) => rename_new(from, to).map(|()| {
            let why = "it does not belong to the module and was kept".to_owned();
            carrying
                .task
                .item(ItemChange::Preserved, to.display().to_string(), Some(why));
            true
        }),
        // Two histories do not go together.
        Ok(there) if metadata.is_dir() && there.is_dir() && !to.ends_with(".git") => {
            carry_entries(from, to, carrying)
        }
        Ok(there) if metadata.is_file() && there.is_file() => carry_file(from, to, carrying),
        Ok(_) => Ok(false),
    };
    carried.unwrap_or_else(|error| {
        carrying.task.note(
            Level::Warning,
            format!("cannot keep {}: {error}", to.display()),
        );
        false
    })
}

fn carry_entries(from: &Path, to: &Path, carrying: &mut Carrying<'_>) -> io::Result<bool> {
    let mut all = true;
    for entry in std::fs::read_dir(from)? {
        let name = entry?.file_name();
        all &= carry(&from.join(&name), &to.join(&name), carrying);
    }
    if all {
        std::fs::remove_dir(from)?;
    }
    Ok(all)
}

fn carry_file(from: &Path, to: &Path, carrying: &mut Carrying<'_>) -> io::Result<bool> {
    let contents = std::fs::read(from)?;
    let copied = backups(to).into_iter().filter(|copy| copy.is_file());
    if std::iter::once(to.to_owned())
        .chain(copied)
        .any(|other| std::fs::read(other).is_ok_and(|other| other == contents))
    {
        std::fs::remove_file(from)?;
        return Ok(true);
    }
    let kept = move_aside(from, to)?;
    let why = format!("backup of {}, which was locally modified", to.display());
    carrying
        .task
        .item(ItemChange::Preserved, kept.display().to_string(), Some(why));
    carrying.copies.push(kept);
    Ok(true)
}

/// Removes a file or a tree, also where its owner has to say first that it may be written to.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    // Directories of one's own that may not be written are no obstacle.
    for (path, _) in list_tree(&[path.to_owned()])?
        .into_iter()
        .filter(|(_, seen)| seen.kind == FileKind::Directory && seen.mode & 0o200 == 0)
    {
        let _ = std::fs::set_permissions(path, Permissions::from_mode(0o700));
    }
    let cleared = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match cleared {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        )),
        _ => Ok(()),
    }
}
