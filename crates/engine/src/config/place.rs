//! Carries out what was decided about configuration files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hoist_core::{ConfigPolicy, Module, ModuleId};
use hoist_executor::{Failure, ItemChange, Level, TaskContext};
use hoist_files::{
    Home, Suffix, back_up, backups, digest, keep_copy, move_aside, pending, read, write,
};
use hoist_ledger::{ConfigRecord, DisplacedPath, Ledger, OwnedFiles};

use super::{ConfigFile, ConfigFileState, Decision, REMEMBERED};

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("configuration: {error}"))
}

/// The paths beside which a configuration file is written.
pub(crate) fn stages_of(path: &Path) -> Vec<PathBuf> {
    let real = path.canonicalize().ok().filter(|real| real != path);
    [path.to_owned(), pending(path)]
        .into_iter()
        .chain(real)
        .collect()
}

/// Puts a module's configuration files where they belong, and says whether anything changed.
pub(crate) fn place(
    module: &ModuleId,
    files: &[ConfigFile],
    ledger: &Ledger,
    task: &TaskContext,
) -> Result<bool, Failure> {
    let mut changed = false;
    for file in files {
        if matches!(
            file.standing,
            ConfigFileState::Elsewhere | ConfigFileState::Unreadable(_)
        ) {
            tell_kept(file, task);
            continue;
        }
        let current = read(&file.path).map_err(failed)?;
        // What was changed since it was looked at has not been decided.
        let decision = if current == file.current {
            file.decision.clone()
        } else {
            Decision::Keep
        };
        let record = ledger.config(module, &file.path).map_err(failed)?;
        match decision {
            _ if current.as_ref() == Some(&file.contents) => {
                remember(ledger, module, file, &file.contents, record, None)?
            }
            Decision::Leave => tell_kept(file, task),
            Decision::Write => {
                let copy = replace(
                    file,
                    current.as_deref(),
                    &file.contents,
                    record.as_ref(),
                    task,
                )?;
                remember(ledger, module, file, &file.contents, record, copy)?;
                changed = true;
            }
            Decision::Merge(merged) => {
                let copy = replace(file, current.as_deref(), &merged, record.as_ref(), task)?;
                remember(ledger, module, file, &file.contents, record, copy)?;
                changed = true;
            }
            Decision::Keep => {
                changed |= offer(file, record.as_ref(), task)?;
                let digest = digest(file.contents.as_slice()).map_err(failed)?;
                let record = record.unwrap_or_else(|| blank(module, &file.path));
                ledger
                    .put_config(&ConfigRecord {
                        pending: Some(digest),
                        ..record
                    })
                    .map_err(failed)?;
            }
        }
    }
    Ok(changed)
}

fn blank(module: &ModuleId, path: &Path) -> ConfigRecord {
    let (path, module) = (path.to_owned(), module.clone());
    ConfigRecord {
        path,
        module,
        digest: String::new(),
        contents: None,
        mode: 0o644,
        created: false,
        original: None,
        pending: None,
    }
}

fn replace(
    file: &ConfigFile,
    current: Option<&[u8]>,
    contents: &[u8],
    record: Option<&ConfigRecord>,
    task: &TaskContext,
) -> Result<Option<PathBuf>, Failure> {
    // What hoist put there is no version of a person's.
    let is_ours = |current: &[u8]| {
        record.is_some_and(|record| digest(current).is_ok_and(|found| found == record.digest))
    };
    let copy = current
        .filter(|current| !is_ours(current))
        .map(|_| back_up(&file.path, Suffix::Config))
        .transpose()
        .map_err(failed)?;
    write(&file.path, contents, file.mode).map_err(failed)?;
    let shown = file.path.display().to_string();
    match (&copy, current) {
        (Some(copy), _) => task.item(
            ItemChange::Changed,
            shown,
            Some(format!("the previous version is {}", copy.display())),
        ),
        (None, Some(_)) => task.item(ItemChange::Changed, shown, None),
        (None, None) => task.item(ItemChange::Created, shown, None),
    }
    Ok(copy)
}

/// Puts the new version beside a file that stays.
fn offer(
    file: &ConfigFile,
    record: Option<&ConfigRecord>,
    task: &TaskContext,
) -> Result<bool, Failure> {
    let beside = pending(&file.path);
    if beside.is_symlink() {
        let copy = move_aside(&beside, &beside).map_err(failed)?;
        task.item(
            ItemChange::Preserved,
            copy.display().to_string(),
            Some(format!(
                "existing symbolic link, moved from {}",
                beside.display()
            )),
        );
    }
    let there = read(&beside).map_err(failed)?;
    let changed = match &there {
        Some(there) if *there == file.contents => false,
        Some(_) if !is_ours(&beside, record.and_then(|record| record.pending.as_ref())) => {
            let copy = back_up(&beside, Suffix::Config).map_err(failed)?;
            task.item(
                ItemChange::Preserved,
                copy.display().to_string(),
                Some(format!("existing file, moved from {}", beside.display())),
            );
            true
        }
        _ => true,
    };
    if changed {
        write(&beside, &file.contents, file.mode).map_err(failed)?;
    }
    let why = match record.is_some_and(|record| !record.digest.is_empty()) {
        true => format!(
            "it is locally modified; the new version is {}",
            beside.display()
        ),
        false => format!(
            "it existed before the install; the version of the module is {}",
            beside.display()
        ),
    };
    task.item(
        ItemChange::Preserved,
        file.path.display().to_string(),
        Some(why),
    );
    Ok(changed)
}

fn tell_kept(file: &ConfigFile, task: &TaskContext) {
    let why = match &file.standing {
        ConfigFileState::Edited => {
            "it is locally modified, and the module has no new version".to_owned()
        }
        ConfigFileState::Removed => {
            "it was removed locally; add --config-overwrite to restore it".to_owned()
        }
        ConfigFileState::Elsewhere => {
            "it is a symbolic link to a location where hoist does not write".to_owned()
        }
        ConfigFileState::Unreadable(why) => format!("cannot read it: {why}"),
        ConfigFileState::Offered => format!(
            "the version of the module is {}",
            pending(&file.path).display()
        ),
        _ => return,
    };
    task.item(
        ItemChange::Preserved,
        file.path.display().to_string(),
        Some(why),
    );
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
    if is_ours(
        &beside,
        record.as_ref().and_then(|record| record.pending.as_ref()),
    ) {
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

/// A configuration file as it was before a module's script ran.
pub(crate) struct Guarded {
    pub path: PathBuf,
    before: Option<Before>,
    /// Its template decides what happens to it; a script that writes it, too, does not.
    decided: bool,
}

struct Before {
    contents: Vec<u8>,
    mode: u32,
    /// Absent where the file itself is out of the script's way.
    copy: Option<PathBuf>,
}

/// Copies aside what a module's script may be about to write.
pub(crate) fn guard(
    module: &Module,
    handled: &[ConfigFile],
    displaced: &[DisplacedPath],
) -> Result<Vec<Guarded>, Failure> {
    let usable = handled.iter().filter(|file| {
        !matches!(
            file.standing,
            ConfigFileState::Elsewhere | ConfigFileState::Unreadable(_)
        )
    });
    let decided = usable.map(|file| (&file.path, true));
    let declared = module
        .config_files
        .iter()
        .filter(|path| !handled.iter().any(|file| file.path.starts_with(path)));
    // A directory is one of them as well: what appears in it is new.
    let all = |path: &PathBuf| match path.is_dir() {
        true => files_below(path)
            .map(|files| [vec![path.clone()], files].concat())
            .unwrap_or_default(),
        false => vec![path.clone()],
    };
    let declared: Vec<PathBuf> = declared.flat_map(all).collect();
    let mut guarded = Vec::new();
    for (path, decided) in decided.chain(declared.iter().map(|path| (path, false))) {
        let wrong = |error: std::io::Error| {
            Failure::new(format!("configuration: {}: {error}", path.display()))
        };
        let away = displaced.iter().any(|outer| path.starts_with(&outer.path));
        let before = match if path.is_dir() {
            None
        } else {
            read(path).map_err(wrong)?
        } {
            None => None,
            Some(contents) => {
                let mode = path.metadata().map_err(wrong)?.permissions().mode();
                let copy = if away {
                    None
                } else {
                    Some(back_up(path, Suffix::Config).map_err(wrong)?)
                };
                Some(Before {
                    contents,
                    mode,
                    copy,
                })
            }
        };
        guarded.push(Guarded {
            path: path.clone(),
            before,
            decided,
        });
    }
    Ok(guarded)
}

/// Number of files of a declared directory that are configuration files; a directory with more of
/// them is none.
const MOST: usize = 200;
/// A file that is larger is no configuration, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// The files below a declared directory, where all of them may be configuration files.
fn files_below(directory: &Path) -> Option<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).ok()?.flatten() {
            let kind = entry.file_type().ok()?;
            if kind.is_dir() && entry.file_name() != ".git" {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
                entry.metadata().ok().filter(|file| file.len() <= LARGEST)?;
            }
        }
        if found.len() + open.len() > MOST {
            return None;
        }
    }
    found.sort();
    Some(found)
}

/// What is known of configuration files that come back with a former version, if that has to come
/// back.
pub(crate) fn known(
    module: &ModuleId,
    guarded: &[Guarded],
    displaced: &[DisplacedPath],
    ledger: Option<&Ledger>,
) -> Result<Known, Failure> {
    let Some(ledger) = ledger else {
        return Ok(Vec::new());
    };
    let away = guarded.iter().filter(|guarded| {
        displaced
            .iter()
            .any(|outer| guarded.path.starts_with(&outer.path))
    });
    away.map(|guarded| {
        Ok((
            guarded.path.clone(),
            ledger.config(module, &guarded.path).map_err(failed)?,
        ))
    })
    .collect()
}

/// Paths, and what the ledger said of them.
pub(crate) type Known = Vec<(PathBuf, Option<ConfigRecord>)>;

/// Forgets what was written down of configuration files that are what they were before.
pub(crate) fn forget(module: &ModuleId, known: &Known, ledger: &Ledger) -> Result<(), Failure> {
    known
        .iter()
        .try_for_each(|(path, before)| ledger.restore_config(module, path, before.as_ref()))
        .map_err(failed)
}

/// After the script ran: a file it left alone needs no copy; of one it wrote the former version
/// stays, as the policy says.
pub(crate) fn settle(
    module: &Module,
    mut guarded: Vec<Guarded>,
    policy: ConfigPolicy,
    ledger: Option<&Ledger>,
    task: &TaskContext,
) -> Result<(), Failure> {
    // What the script wrote into declared directories.
    let is_known = |path: &Path| guarded.iter().any(|guarded| guarded.path == path);
    let directories = module
        .config_files
        .iter()
        .filter(|path| path.is_dir() && is_known(path));
    let new = directories.flat_map(|directory| files_below(directory).unwrap_or_default());
    let new: Vec<PathBuf> = new.filter(|path| !is_known(path)).collect();
    guarded.extend(new.into_iter().map(|path| Guarded {
        path,
        before: None,
        decided: false,
    }));
    let field = module.words.config_files;
    let module = &module.id;
    // Where a directory is now there is nothing to compare.
    for Guarded {
        path,
        before,
        decided,
    } in guarded.into_iter().filter(|guarded| !guarded.path.is_dir())
    {
        let after = read(&path).map_err(failed)?;
        let shown = path.display().to_string();
        let file = |current: Option<Vec<u8>>, contents: Vec<u8>| ConfigFile {
            path: path.clone(),
            template: path.clone(),
            contents,
            mode: 0o644,
            current,
            standing: ConfigFileState::Absent,
            decision: Decision::Write,
        };
        let Some(before) = before else {
            match after {
                _ if decided => {}
                None => {
                    let why = "the collection has no template for it in config/, and the module did not write it";
                    task.note(
                        Level::Warning,
                        format!("{field} declares {shown}, which does not exist: {why}"),
                    );
                }
                Some(after) => {
                    task.item(ItemChange::Created, shown, None);
                    let Some(ledger) = ledger else { continue };
                    let record = ledger.config(module, &path).map_err(failed)?;
                    remember(
                        ledger,
                        module,
                        &file(None, after.clone()),
                        &after,
                        record,
                        None,
                    )?;
                }
            }
            continue;
        };
        let drop_copy =
            |copy: Option<PathBuf>| copy.map_or(Ok(()), std::fs::remove_file).map_err(failed);
        if after.as_ref() == Some(&before.contents) {
            drop_copy(before.copy)?;
            continue;
        }
        // A script that could not see the file has not decided anything about it.
        let unseen = before.copy.is_none() && policy != ConfigPolicy::Overwrite;
        if decided || unseen || policy == ConfigPolicy::Keep {
            write(&path, &before.contents, before.mode & 0o7777).map_err(failed)?;
            drop_copy(before.copy)?;
            if let (false, Some(after), Some(ledger)) = (decided, after, ledger) {
                let record = ledger.config(module, &path).map_err(failed)?;
                let digest = digest(after.as_slice()).map_err(failed)?;
                offer(&file(Some(before.contents), after), record.as_ref(), task)?;
                let record = record.unwrap_or_else(|| blank(module, &path));
                ledger
                    .put_config(&ConfigRecord {
                        pending: Some(digest),
                        ..record
                    })
                    .map_err(failed)?;
            }
            continue;
        }
        let copy = match before.copy {
            Some(copy) => copy,
            None => {
                keep_copy(&path, &before.contents, before.mode, Suffix::Config).map_err(failed)?
            }
        };
        let why = format!("the previous version is {}", copy.display());
        match after {
            None => task.item(ItemChange::Removed, shown, Some(why)),
            Some(after) => {
                task.item(ItemChange::Changed, shown, Some(why));
                let Some(ledger) = ledger else { continue };
                let record = ledger.config(module, &path).map_err(failed)?;
                remember(
                    ledger,
                    module,
                    &file(Some(before.contents), after.clone()),
                    &after,
                    record,
                    Some(copy),
                )?;
            }
        }
    }
    Ok(())
}

/// Takes a module's configuration files away again: what hoist put there and nobody changed goes,
/// and what was there before comes back. `act` is false for a look. What cannot be done is a file
/// that is kept.
pub(crate) fn take_away(
    home: &Home,
    belongings: &OwnedFiles,
    purge: bool,
    act: bool,
) -> Vec<(ItemChange, PathBuf, Option<String>)> {
    let mut told = Vec::new();
    for record in &belongings.configs {
        let kept = |path: &Path, why: String| (ItemChange::Preserved, path.to_owned(), Some(why));
        if let Err(refusal) = home.target(&record.path) {
            told.push(kept(&record.path, refusal.to_string()));
            continue;
        }
        let waiting = pending(&record.path);
        if is_ours(&waiting, record.pending.as_ref()) {
            told.push(
                match if act {
                    std::fs::remove_file(&waiting)
                } else {
                    Ok(())
                } {
                    Ok(()) => (ItemChange::Removed, waiting.clone(), None),
                    Err(error) => kept(&waiting, format!("cannot remove it: {error}")),
                },
            );
        }
        match belongings.other_owners.get(&record.path) {
            _ if record.digest.is_empty() => {}
            Some(other) => told.push(kept(&record.path, format!("{other} also owns it"))),
            None => match take_one(record, purge, act) {
                Ok(one) => told.extend(one),
                Err(error) => told.push(kept(&record.path, format!("cannot remove it: {error}"))),
            },
        }
        let comes_back = told.iter().any(|(item_change, path, _)| {
            *item_change == ItemChange::Changed && *path == record.path
        });
        let used = |copy: &PathBuf| comes_back && Some(copy) == record.original.as_ref();
        let former = backups(&record.path)
            .into_iter()
            .chain(backups(&waiting))
            .filter(|copy| !used(copy));
        told.extend(former.map(|copy| kept(&copy, "a backup".to_owned())));
    }
    told
}

fn take_one(
    record: &ConfigRecord,
    purge: bool,
    act: bool,
) -> std::io::Result<Option<(ItemChange, PathBuf, Option<String>)>> {
    let Some(found) = read(&record.path)? else {
        return Ok(None);
    };
    let told = |item_change, why: Option<&str>| {
        Ok(Some((
            item_change,
            record.path.clone(),
            why.map(str::to_owned),
        )))
    };
    let untouched = digest(found.as_slice())? == record.digest;
    if !untouched && !purge {
        return told(
            ItemChange::Preserved,
            Some("it was modified since the install"),
        );
    }
    if let Some(copy) = record.original.as_ref().filter(|copy| copy.is_file()) {
        if act {
            if !untouched {
                back_up(&record.path, Suffix::Config)?;
            }
            if record.path.is_symlink() {
                write(&record.path, &std::fs::read(copy)?, record.mode)?;
                std::fs::remove_file(copy)?;
            } else {
                std::fs::rename(copy, &record.path)?;
            }
        }
        return told(
            ItemChange::Changed,
            Some("the file from before the install was restored"),
        );
    }
    if record.path.is_symlink() {
        return told(
            ItemChange::Preserved,
            Some("it is now a symbolic link that hoist did not create"),
        );
    }
    if record.created || purge {
        if act {
            std::fs::remove_file(&record.path)?;
        }
        return told(ItemChange::Removed, None);
    }
    told(ItemChange::Preserved, Some("it existed before the install"))
}

/// True for a file that holds what hoist put there.
fn is_ours(path: &Path, wanted: Option<&String>) -> bool {
    wanted.is_some()
        && read(path).is_ok_and(|found| {
            found
                .and_then(|found| digest(found.as_slice()).ok())
                .as_ref()
                == wanted
        })
}
