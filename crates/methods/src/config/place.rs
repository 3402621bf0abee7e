//! Carries out what was decided about configuration files.

use std::path::{Path, PathBuf};

use hoist_core::{Module, ModuleId};
use hoist_executor::{Failure, Fate, TaskContext};
use hoist_files::{back_up, digest, pending, write};
use hoist_ledger::{ConfigRecord, Ledger};

use super::survey::read;
use super::{ConfigFile, ConfigPolicy, Decision, REMEMBERED, Standing};

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("configuration: {error}"))
}

/// The paths beside which a configuration file is written.
pub(crate) fn stages_of(path: &Path) -> Vec<PathBuf> {
    let real = path.canonicalize().ok().filter(|real| real != path);
    [path.to_owned(), pending(path)].into_iter().chain(real).collect()
}

/// Puts a module's configuration files where they belong, and says whether anything changed.
pub(crate) fn place(module: &ModuleId, files: &[ConfigFile], ledger: &Ledger, task: &TaskContext) -> Result<bool, Failure> {
    let mut changed = false;
    for file in files {
        let current = read(&file.path).map_err(failed)?;
        // What was changed since it was looked at has not been decided.
        let decision = if current == file.current { file.decision.clone() } else { Decision::Keep };
        let record = ledger.config(module, &file.path).map_err(failed)?;
        match decision {
            _ if current.as_ref() == Some(&file.contents) => remember(ledger, module, file, &file.contents, record, None)?,
            Decision::Leave => tell_kept(file, task),
            Decision::Write => {
                let copy = replace(file, current.as_deref(), &file.contents, task)?;
                remember(ledger, module, file, &file.contents, record, copy)?;
                changed = true;
            }
            Decision::Merge(merged) => {
                let copy = replace(file, current.as_deref(), &merged, task)?;
                remember(ledger, module, file, &file.contents, record, copy)?;
                changed = true;
            }
            Decision::Keep => {
                changed |= offer(file, record.as_ref(), task)?;
                let digest = digest(file.contents.as_slice()).map_err(failed)?;
                let record = record.unwrap_or_else(|| blank(module, &file.path));
                ledger.put_config(&ConfigRecord { pending: Some(digest), ..record }).map_err(failed)?;
            }
        }
    }
    Ok(changed)
}

fn blank(module: &ModuleId, path: &Path) -> ConfigRecord {
    let (path, module) = (path.to_owned(), module.clone());
    ConfigRecord { path, module, digest: String::new(), contents: None, mode: 0o644, created: false, original: None, pending: None }
}

fn replace(file: &ConfigFile, current: Option<&[u8]>, contents: &[u8], task: &TaskContext) -> Result<Option<PathBuf>, Failure> {
    let copy = current.map(|_| back_up(&file.path)).transpose().map_err(failed)?;
    write(&file.path, contents, file.mode).map_err(failed)?;
    let shown = file.path.display().to_string();
    match &copy {
        Some(copy) => task.item(Fate::Changed, shown, Some(format!("the former version is {}", copy.display()))),
        None => task.item(Fate::Created, shown, None),
    }
    Ok(copy)
}

/// Puts the new version beside a file that stays.
fn offer(file: &ConfigFile, record: Option<&ConfigRecord>, task: &TaskContext) -> Result<bool, Failure> {
    let beside = pending(&file.path);
    let there = read(&beside).map_err(failed)?;
    let ours = |there: &[u8]| digest(there).ok() == record.and_then(|record| record.pending.clone());
    let changed = match &there {
        Some(there) if *there == file.contents => false,
        Some(there) if !ours(there) => {
            back_up(&beside).map_err(failed)?;
            true
        }
        _ => true,
    };
    if changed {
        write(&beside, &file.contents, file.mode).map_err(failed)?;
    }
    let why = format!("it differs from what the module brings, which is {}", beside.display());
    task.item(Fate::Kept, file.path.display().to_string(), Some(why));
    Ok(changed)
}

fn tell_kept(file: &ConfigFile, task: &TaskContext) {
    let why = match file.standing {
        Standing::Edited => "it was changed by hand, and the module brings nothing new".to_owned(),
        Standing::Removed => "it was removed by hand; --config-overwrite brings it back".to_owned(),
        Standing::Offered => format!("it differs from what the module brings, which is {}", pending(&file.path).display()),
        _ => return,
    };
    task.item(Fate::Kept, file.path.display().to_string(), Some(why));
}

/// Writes down what hoist put there, and forgets what waited beside it.
fn remember(
    ledger: &Ledger,
    module: &ModuleId,
    file: &ConfigFile,
    contents: &[u8],
    record: Option<ConfigRecord>,
    copy: Option<PathBuf>,
) -> Result<(), Failure> {
    let known = record.filter(|record| !record.digest.is_empty());
    let (created, original) = match known {
        Some(known) => (known.created, known.original),
        None => (file.current.is_none(), copy),
    };
    let record = ConfigRecord {
        path: file.path.clone(),
        module: module.clone(),
        digest: digest(contents).map_err(failed)?,
        contents: (contents.len() <= REMEMBERED).then(|| contents.to_vec()),
        mode: file.mode,
        created,
        original,
        pending: None,
    };
    ledger.put_config(&record).map_err(failed)
}

/// A configuration file that a module writes by itself, copied aside before its script runs.
pub(crate) struct Guarded {
    path: PathBuf,
    before: Option<(Vec<u8>, PathBuf)>,
}

/// Copies aside what a module's script may be about to write.
pub(crate) fn guard(module: &Module, handled: &[ConfigFile]) -> Result<Vec<Guarded>, Failure> {
    let declared = module.config_files.iter().filter(|path| !handled.iter().any(|file| file.path.starts_with(path)));
    let mut guarded = Vec::new();
    for path in declared.filter(|path| !path.is_dir()) {
        let before = match read(path).map_err(failed)? {
            Some(contents) => Some((contents, back_up(path).map_err(failed)?)),
            None => None,
        };
        guarded.push(Guarded { path: path.clone(), before });
    }
    Ok(guarded)
}

/// After the script ran: a file it left alone needs no copy; of one it wrote the former version stays, as the policy says.
pub(crate) fn settle(
    module: &ModuleId,
    guarded: Vec<Guarded>,
    policy: ConfigPolicy,
    ledger: Option<&Ledger>,
    task: &TaskContext,
) -> Result<(), Failure> {
    for Guarded { path, before } in guarded {
        let after = read(&path).map_err(failed)?;
        let shown = path.display().to_string();
        let file = |current: Option<Vec<u8>>, contents: Vec<u8>| ConfigFile {
            path: path.clone(),
            template: path.clone(),
            contents,
            mode: 0o644,
            current,
            standing: Standing::Absent,
            decision: Decision::Write,
        };
        match (before, after) {
            (None, None) => {}
            (Some((before, copy)), Some(after)) if before == after => std::fs::remove_file(copy).map_err(failed)?,
            (Some((before, copy)), Some(after)) if policy == ConfigPolicy::Keep => {
                let new = file(Some(before.clone()), after);
                write(&path, &before, 0o644).map_err(failed)?;
                std::fs::remove_file(copy).map_err(failed)?;
                offer(&new, None, task)?;
            }
            (Some((before, copy)), Some(after)) => {
                task.item(Fate::Changed, shown, Some(format!("the former version is {}", copy.display())));
                let Some(ledger) = ledger else { continue };
                let record = ledger.config(module, &path).map_err(failed)?;
                remember(ledger, module, &file(Some(before), after.clone()), &after, record, Some(copy))?;
            }
            (Some((_, copy)), None) => {
                task.item(Fate::Removed, shown, Some(format!("the former version is {}", copy.display())));
            }
            (None, Some(after)) => {
                task.item(Fate::Created, shown, None);
                let Some(ledger) = ledger else { continue };
                let record = ledger.config(module, &path).map_err(failed)?;
                remember(ledger, module, &file(None, after.clone()), &after, record, None)?;
            }
        }
    }
    Ok(())
}

/// Takes a module's configuration files away again: what hoist put there and nobody changed goes, and what was there before comes back. `act` is
/// false for a look.
pub(crate) fn take_away(records: &[ConfigRecord], purge: bool, act: bool) -> Result<Vec<(Fate, PathBuf, Option<String>)>, Failure> {
    let mut told = Vec::new();
    for record in records {
        let waiting = pending(&record.path);
        if let Some(found) = read(&waiting).map_err(failed)?
            && digest(found.as_slice()).ok() == record.pending
        {
            if act {
                std::fs::remove_file(&waiting).map_err(failed)?;
            }
            told.push((Fate::Removed, waiting, None));
        }
        let Some(found) = read(&record.path).map_err(failed)?.filter(|_| !record.digest.is_empty()) else { continue };
        let untouched = digest(found.as_slice()).map_err(failed)? == record.digest;
        if !untouched && !purge {
            told.push((Fate::Kept, record.path.clone(), Some("it was changed since".to_owned())));
            continue;
        }
        let original = record.original.as_ref().filter(|copy| copy.is_file());
        match original {
            Some(copy) => {
                if act {
                    let contents = std::fs::read(copy).map_err(failed)?;
                    write(&record.path, &contents, record.mode).map_err(failed)?;
                    std::fs::remove_file(copy).map_err(failed)?;
                }
                told.push((Fate::Changed, record.path.clone(), Some("what was there before hoist is back".to_owned())));
            }
            None if record.created || purge => {
                if act {
                    std::fs::remove_file(&record.path).map_err(failed)?;
                }
                told.push((Fate::Removed, record.path.clone(), None));
            }
            None => told.push((Fate::Kept, record.path.clone(), Some("it was there before hoist".to_owned()))),
        }
    }
    Ok(told)
}
