//! Moves what is to be installed anew out of the way, and brings it back when the new does not work.

use std::path::{Path, PathBuf};

use hoist_core::{InstalledModule, Module};
use hoist_executor::{Failure, Fate, TaskContext};
use hoist_files::{Home, Kind, Record, back_up, digest, look};
use hoist_ledger::Aside;

use crate::builtin::git;

/// What of a module can be moved out of the way: directories and files that are its own alone. What was there before hoist stays.
pub(crate) fn plan(
    home: &Home,
    module: &Module,
    record: Option<&InstalledModule>,
    files: &Record,
    run: &str,
) -> Result<Vec<Aside>, Failure> {
    let Some(record) = record.filter(|record| !record.adopted) else { return Ok(Vec::new()) };
    // Of a directory that was there before, only what the module wrote into it.
    let made = |path: &Path| record.paths.iter().any(|made| path.starts_with(made));
    let written = files.iter().filter(|(path, file)| file.kind != Kind::Directory && !made(path)).map(|(path, _)| path);
    let mut paths: Vec<&PathBuf> = record.paths.iter().chain(written).filter(|path| home.place(path).is_ok()).collect();
    paths.retain(|path| !path.is_symlink() && path.exists() && !module.config_files.contains(path));
    paths.sort();
    let mut outermost: Vec<&PathBuf> = Vec::new();
    for path in paths {
        if !outermost.last().is_some_and(|last| path.starts_with(last)) {
            outermost.push(path);
        }
    }
    let aside = |path: &PathBuf| -> Result<Aside, Failure> {
        if path.join(".git").exists()
            && let Some(own) = git::own_history(path).ok().flatten()
        {
            let message = format!("{} holds {own}, which no remote has; it was left alone", path.display());
            return Err(Failure::new(format!("{message}: push it or move it away to install it anew")));
        }
        let name = format!(".hoist-aside-{}-{run}", path.file_name().unwrap_or_default().to_string_lossy());
        Ok(Aside { module: module.id.clone(), path: path.clone(), kept: path.with_file_name(name) })
    };
    outermost.into_iter().map(aside).collect()
}

/// Moves everything out of the way.
pub(crate) fn away(asides: &[Aside]) -> Result<(), Failure> {
    for aside in asides {
        let moved = std::fs::rename(&aside.path, &aside.kept);
        moved.map_err(|error| Failure::new(format!("moving {} out of the way: {error}", aside.path.display())))?;
    }
    Ok(())
}

/// Brings everything back; what came in its place meanwhile is removed.
pub(crate) fn bring_back(asides: &[Aside]) -> std::io::Result<()> {
    for aside in asides.iter().filter(|aside| aside.kept.symlink_metadata().is_ok()) {
        clear(&aside.path)?;
        std::fs::rename(&aside.kept, &aside.path)?;
    }
    Ok(())
}

/// Removes what was moved out of the way, now that the new works. What somebody changed or added in it is carried over: to its place, or beside what
/// has that place now.
pub(crate) fn discard(asides: &[Aside], record: &Record, task: &TaskContext) -> std::io::Result<()> {
    for aside in asides.iter().filter(|aside| aside.kept.symlink_metadata().is_ok()) {
        for (path, seen) in look(std::slice::from_ref(&aside.kept))? {
            let Ok(inside) = path.strip_prefix(&aside.kept) else { continue };
            let place = if inside.as_os_str().is_empty() { aside.path.clone() } else { aside.path.join(inside) };
            if !matches!(seen.kind, Kind::File | Kind::Link) || is_as_recorded(&path, record.get(&place).map(|known| known.digest.as_str()))
            {
                continue;
            }
            carry(&path, &place, task)?;
        }
        clear(&aside.kept)?;
    }
    Ok(())
}

fn is_as_recorded(path: &Path, recorded: Option<&str>) -> bool {
    let found = match path.read_link() {
        Ok(target) => digest(target.as_os_str().as_encoded_bytes()),
        Err(_) => std::fs::File::open(path).and_then(digest),
    };
    recorded.is_some() && found.ok().as_deref() == recorded
}

fn carry(from: &Path, to: &Path, task: &TaskContext) -> std::io::Result<()> {
    if to.symlink_metadata().is_err() {
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::rename(from, to)?;
        task.item(Fate::Kept, to.display().to_string(), Some("it is not the module's; it was carried over".to_owned()));
        return Ok(());
    }
    if from.is_symlink() || to.is_dir() || std::fs::read(from)? == std::fs::read(to)? {
        return Ok(());
    }
    // The copy is made where it stays, so that it has a name of its own there.
    let copy = back_up(from)?;
    let name = copy.file_name().unwrap_or_default();
    let kept = to.with_file_name(name);
    std::fs::rename(&copy, &kept)?;
    task.item(Fate::Kept, kept.display().to_string(), Some(format!("it was {} as it was changed by hand", to.display())));
    Ok(())
}

fn clear(path: &Path) -> std::io::Result<()> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
