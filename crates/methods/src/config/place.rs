//! Carries out what was decided about configuration files.

use std::path::{Path, PathBuf};

use hoist_core::{Module, ModuleId};
use hoist_executor::{Failure, Fate, Level, TaskContext};
use hoist_files::{Home, back_up, backups, digest, pending, read, write};
use hoist_ledger::{Belongings, ConfigRecord, Ledger};

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
            Decision::Leave if file.standing == Standing::Elsewhere => tell_kept(file, task),
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
    let changed = match &there {
        Some(there) if *there == file.contents => false,
        Some(_) if !is_ours(&beside, record.and_then(|record| record.pending.as_ref())) => {
            let copy = back_up(&beside).map_err(failed)?;
            task.item(Fate::Kept, copy.display().to_string(), Some(format!("it was {}, and not hoist's", beside.display())));
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
        Standing::Elsewhere => "it is a link to where hoist does not write".to_owned(),
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
    let beside = pending(&file.path);
    if is_ours(&beside, record.as_ref().and_then(|record| record.pending.as_ref())) {
        std::fs::remove_file(beside).map_err(failed)?;
    }
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
    pub(crate) path: PathBuf,
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
    // Where a directory stands now there is nothing to compare.
    for Guarded { path, before } in guarded.into_iter().filter(|guarded| !guarded.path.is_dir()) {
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
            (None, None) => {
                let why = "the collection's config directory has no template for it, and the module did not write it";
                task.note(Level::Warning, format!("MODULE_CONFIG_FILES names {shown}, which is not there: {why}"));
            }
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
/// false for a look. What cannot be done is a file that is kept.
pub(crate) fn take_away(home: &Home, belongings: &Belongings, purge: bool, act: bool) -> Vec<(Fate, PathBuf, Option<String>)> {
    let mut told = Vec::new();
    for record in &belongings.configs {
        let kept = |path: &Path, why: String| (Fate::Kept, path.to_owned(), Some(why));
        if let Err(refusal) = home.target(&record.path) {
            told.push(kept(&record.path, refusal.to_string()));
            continue;
        }
        let waiting = pending(&record.path);
        if is_ours(&waiting, record.pending.as_ref()) {
            told.push(match if act { std::fs::remove_file(&waiting) } else { Ok(()) } {
                Ok(()) => (Fate::Removed, waiting.clone(), None),
                Err(error) => kept(&waiting, format!("it cannot be removed: {error}")),
            });
        }
        match belongings.holders.get(&record.path) {
            _ if record.digest.is_empty() => {}
            Some(other) => told.push(kept(&record.path, format!("{other} has it too"))),
            None => match take_one(record, purge, act) {
                Ok(one) => told.extend(one),
                Err(error) => told.push(kept(&record.path, format!("it cannot be taken away: {error}"))),
            },
        }
        let former = backups(&record.path).into_iter().chain(backups(&waiting)).filter(|copy| Some(copy) != record.original.as_ref());
        told.extend(former.map(|copy| kept(&copy, "a former version".to_owned())));
    }
    told
}

fn take_one(record: &ConfigRecord, purge: bool, act: bool) -> std::io::Result<Option<(Fate, PathBuf, Option<String>)>> {
    let Some(found) = read(&record.path)? else { return Ok(None) };
    let told = |fate, why: Option<&str>| Ok(Some((fate, record.path.clone(), why.map(str::to_owned))));
    let untouched = digest(found.as_slice())? == record.digest;
    if !untouched && !purge {
        return told(Fate::Kept, Some("it was changed since"));
    }
    if let Some(copy) = record.original.as_ref().filter(|copy| copy.is_file()) {
        if act {
            let contents = std::fs::read(copy)?;
            if !untouched {
                back_up(&record.path)?;
            }
            write(&record.path, &contents, record.mode)?;
            std::fs::remove_file(copy)?;
        }
        return told(Fate::Changed, Some("what was there before hoist is back"));
    }
    if record.created || purge {
        if act {
            std::fs::remove_file(&record.path)?;
        }
        return told(Fate::Removed, None);
    }
    told(Fate::Kept, Some("it was there before hoist"))
}

/// True for a file that holds what hoist put there.
fn is_ours(path: &Path, wanted: Option<&String>) -> bool {
    wanted.is_some() && read(path).is_ok_and(|found| found.and_then(|found| digest(found.as_slice()).ok()).as_ref() == wanted)
}
