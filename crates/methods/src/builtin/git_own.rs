//! What a clone holds that is nowhere else: nothing of it is ever thrown away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository, StatusOptions};

/// What a clone holds that its repository does not: changed or ignored files, a stash, commits that no remote branch leads to.
pub(crate) fn changes(dir: &Path) -> Result<Option<String>, git2::Error> {
    if let Some(own) = own_history(dir)? {
        return Ok(Some(own));
    }
    let repository = Repository::open(dir)?;
    let mut options = StatusOptions::new();
    let statuses = repository.statuses(Some(options.include_untracked(true).include_ignored(true)))?;
    let seen = statuses.iter().next().map(|entry| entry.path().unwrap_or("a file").to_owned());
    Ok(match seen {
        None => unseen_change(&repository)?,
        seen => seen,
    })
}

/// A changed file that git was told not to look at (`git update-index --skip-worktree`, `--assume-unchanged`).
fn unseen_change(repository: &Repository) -> Result<Option<String>, git2::Error> {
    const ASSUME_VALID: u16 = 0x8000;
    const SKIP_WORKTREE: u16 = 0x4000;
    let Some(root) = repository.workdir() else { return Ok(None) };
    let index = repository.index()?;
    let unseen = index.iter().filter(|entry| entry.flags & ASSUME_VALID != 0 || entry.flags_extended & SKIP_WORKTREE != 0);
    let changed = unseen.map(|entry| (String::from_utf8_lossy(&entry.path).into_owned(), entry.id)).find(|(path, id)| {
        let path = root.join(path);
        path.is_file() && Oid::hash_file(ObjectType::Blob, &path).is_ok_and(|found| found != *id)
    });
    Ok(changed.map(|(path, _)| path))
}

/// True for a clone in which nobody has anything of their own.
pub(crate) fn is_untouched(dir: &Path) -> bool {
    matches!(changes(dir), Ok(None))
}

/// Why the directory that git keeps for a clone has to stay.
pub(crate) fn precious(git: &Path) -> Option<String> {
    match own_history(git.parent()?) {
        Ok(own) => Some(format!("it holds {}, which no remote has", own?)),
        Err(error) => Some(format!("its history cannot be read: {}", error.message())),
    }
}

/// What a clone holds that no remote has: a stash, commits that no remote branch leads to, a hook, work trees elsewhere; also in its submodules.
pub(crate) fn own_history(dir: &Path) -> Result<Option<String>, git2::Error> {
    own_history_of(Repository::open_ext(dir, git2::RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path])?, 0)
}

fn own_history_of(mut repository: Repository, depth: usize) -> Result<Option<String>, git2::Error> {
    for directory in repositories_below(&repository.path().join("modules"), 0).into_iter().filter(|_| depth < 8) {
        if let Some(own) = own_history_of(Repository::open_bare(&directory)?, depth + 1)? {
            return Ok(Some(format!("{own} in the submodule {}", directory.file_name().unwrap_or_default().to_string_lossy())));
        }
    }
    if let Some(tree) = repository.worktrees()?.iter().flatten().flatten().next() {
        return Ok(Some(format!("the work tree {tree}")));
    }
    let hooks = std::fs::read_dir(repository.path().join("hooks")).into_iter().flatten().flatten();
    if let Some(hook) = hooks.map(|hook| hook.path()).find(|hook| hook.extension().is_none_or(|extension| extension != "sample")) {
        return Ok(Some(format!("the hook {}", hook.file_name().unwrap_or_default().to_string_lossy())));
    }
    let mut stashes = 0;
    repository.stash_foreach(|_, _, _| {
        stashes += 1;
        true
    })?;
    if stashes > 0 {
        return Ok(Some("a stash".to_owned()));
    }
    if repository.is_empty()? {
        return Ok(None);
    }
    let mut commits = repository.revwalk()?;
    commits.push_glob("refs/*")?;
    let _ = commits.push_head();
    commits.hide_glob("refs/remotes/*")?;
    for tag in tags_of_remote(&repository)? {
        commits.hide(tag)?;
    }
    Ok(commits.next().transpose()?.map(|commit| format!("commit {}", &commit.to_string()[..12])))
}

/// The repositories that git keeps of submodules, also of those that are not used any more.
fn repositories_below(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    let below = |path: PathBuf| match path.join("HEAD").is_file() {
        true => vec![path],
        false if depth < 8 => repositories_below(&path, depth + 1),
        false => Vec::new(),
    };
    directories.flat_map(below).collect()
}

/// In the directory of a repository: the tags that came from its remote, a commit a line.
const TAGS: &str = "hoist-tags";

/// The commits of the tags that came from the remote. Where hoist did not clone, those that git packed away when it did; a person's stand alone.
fn tags_of_remote(repository: &Repository) -> Result<Vec<Oid>, git2::Error> {
    let commit = |id: Oid| repository.find_object(id, None).and_then(|object| object.peel_to_commit()).ok().map(|commit| commit.id());
    let oid = |text: &str| Oid::from_str(text).ok();
    if let Ok(known) = std::fs::read_to_string(repository.path().join(TAGS)) {
        return Ok(known.lines().filter_map(oid).filter_map(commit).collect());
    }
    let packed = std::fs::read_to_string(repository.path().join("packed-refs")).unwrap_or_default();
    let tags = packed.lines().filter_map(|line| line.split_once(" refs/tags/")).filter_map(|(id, _)| oid(id));
    let mut known: Vec<Oid> = tags.filter_map(commit).collect();
    // Where a shallow clone ends, its remote goes on.
    let shallow = std::fs::read_to_string(repository.path().join("shallow")).unwrap_or_default();
    known.extend(shallow.lines().filter_map(oid).filter_map(commit));
    Ok(known)
}

/// What the tags of a repository lead to, by name.
pub(crate) fn tags(repository: &Repository) -> BTreeMap<String, Oid> {
    let mut tags = BTreeMap::new();
    let _ = repository.tag_foreach(|id, name| {
        tags.insert(String::from_utf8_lossy(name).into_owned(), id);
        true
    });
    tags
}

/// Writes down which tags came from the remote: those that are there now and were not before.
pub(crate) fn remember_tags(dir: &Path, before: &BTreeMap<String, Oid>) {
    let Ok(repository) = Repository::open(dir) else { return };
    let file = repository.path().join(TAGS);
    let mut known = match std::fs::read_to_string(&file) {
        Ok(known) => known,
        // Of a clone that hoist did not make it is not known.
        Err(_) if !before.is_empty() => return,
        Err(_) => String::new(),
    };
    for (_, id) in tags(&repository).iter().filter(|(name, id)| before.get(*name) != Some(id)) {
        known += &format!("{id}\n");
    }
    // Without it nothing is lost: tags then count as somebody's.
    let _ = std::fs::write(file, known);
}
