//! What a clone holds that is nowhere else. None of it is ever thrown away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository, StatusOptions};
use hoist_executor::{Failure, TaskContext};
use hoist_files::{FileKind, Record, Recorded, State};

use crate::foreign::refuse;
use crate::local::{open_repository, usable};
use crate::paths::git_dir;
use crate::paths::repositories_below;
use crate::program::Program;
use hoist_machine::machine::Machine;

/// What a clone holds that its remote does not: changed or ignored files, a stash, commits that no
/// remote branch leads to.
pub fn changes(dir: &Path, machine: &Machine) -> Result<Option<String>, Failure> {
    if let Some(own) = own_history(dir, machine)? {
        return Ok(Some(own));
    }
    let seen = match open_repository(dir) {
        Ok(repository) => changed_file(&repository).ok(),
        Err(_) => None,
    };
    match seen {
        Some(None) => Ok(None),
        // Filters may make of a file what libgit2 does not know: git has the last word.
        _ => changed_file_for_git(dir, machine),
    }
}

fn changed_file_for_git(dir: &Path, machine: &Machine) -> Result<Option<String>, Failure> {
    let task = TaskContext::alone(|_| {});
    refuse(dir)?;
    let program = Program::new(&task, machine)?.inside(dir).looking();
    let text = program.read([
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=normal",
        "--ignored",
    ])?;
    if let Some(file) = text.split('\0').next().and_then(|entry| entry.get(3..)) {
        return Ok(Some(file.to_owned()));
    }
    let hidden = program.read(["ls-files", "-z", "-v"])?;
    // Lower case: assumed to be unchanged. `S`: skipped, which a sparse checkout does with files
    // that are not there.
    let mut hidden = hidden.split('\0').filter_map(|entry| entry.split_once(' '));
    let is_hidden = |mark: &str| mark == "S" || mark.bytes().all(|byte| byte.is_ascii_lowercase());
    Ok(hidden
        .find(|(mark, file)| is_hidden(mark) && dir.join(file).is_file())
        .map(|(_, file)| file.to_owned()))
}

fn changed_file(repository: &Repository) -> Result<Option<String>, git2::Error> {
    let mut options = StatusOptions::new();
    let statuses =
        repository.statuses(Some(options.include_untracked(true).include_ignored(true)))?;
    let seen = statuses
        .iter()
        .next()
        .map(|entry| entry.path().unwrap_or("a file").to_owned());
    match seen {
        None => unseen_change(repository),
        seen => Ok(seen),
    }
}

/// A changed file that git is configured to ignore (`git update-index --skip-worktree`,
/// `--assume-unchanged`).
fn unseen_change(repository: &Repository) -> Result<Option<String>, git2::Error> {
    const ASSUME_VALID: u16 = 0x8000;
    const SKIP_WORKTREE: u16 = 0x4000;
    let Some(root) = repository.workdir() else {
        return Ok(None);
    };
    let index = repository.index()?;
    let unseen = index.iter().filter(|entry| {
        entry.flags & ASSUME_VALID != 0 || entry.flags_extended & SKIP_WORKTREE != 0
    });
    let changed = unseen
        .map(|entry| (String::from_utf8_lossy(&entry.path).into_owned(), entry.id))
        .find(|(path, id)| {
            let path = root.join(path);
            path.is_file()
                && Oid::hash_file(ObjectType::Blob, &path).is_ok_and(|found| found != *id)
        });
    Ok(changed.map(|(path, _)| path))
}

/// Whether the index of a clone has changes that its last commit does not have.
pub fn has_staged_changes(index: &Path) -> bool {
    let staged = || -> Option<usize> {
        let repository = open_repository(index.parent()?.parent()?).ok()?;
        let tree = repository.head().ok()?.peel_to_tree().ok()?;
        Some(
            repository
                .diff_tree_to_index(Some(&tree), None, None)
                .ok()?
                .deltas()
                .len(),
        )
    };
    staged() != Some(0)
}

/// Why the directory with the history of a clone has to stay.
pub fn precious(git: &Path, machine: &Machine) -> Option<String> {
    match own_history(git.parent()?, machine) {
        Ok(own) => Some(format!("it has {}, which no remote has", own?)),
        Err(failure) => Some(failure.message),
    }
}

/// What a clone holds that no remote has: a stash, commits that no remote branch leads to, a hook,
/// further work trees; also in its submodules.
pub fn own_history(dir: &Path, machine: &Machine) -> Result<Option<String>, Failure> {
    let Some(git_dir) = git_dir(dir) else {
        return Err(Failure::new(format!(
            "git cannot read the history of {}",
            dir.display()
        )));
    };
    match open_repository(dir) {
        Ok(repository) => own_history_of(&git_dir, Some(repository), machine, 0),
        Err(_) => {
            let task = TaskContext::alone(|_| {});
            usable(dir, &Program::new(&task, machine)?.inside(dir).looking())?;
            own_history_of(&git_dir, None, machine, 0)
        }
    }
}

fn own_history_of(
    git_dir: &Path,
    repository: Option<Repository>,
    machine: &Machine,
    depth: usize,
) -> Result<Option<String>, Failure> {
    for directory in repositories_below(&git_dir.join("modules"), 0)
        .into_iter()
        .filter(|_| depth < 8)
    {
        let inner = Repository::open_bare(&directory).ok();
        if let Some(own) = own_history_of(&directory, inner, machine, depth + 1)? {
            return Ok(Some(format!(
                "{own} in the submodule {}",
                directory.file_name().unwrap_or_default().to_string_lossy()
            )));
        }
    }
    let worktrees = std::fs::read_dir(git_dir.join("worktrees"))
        .into_iter()
        .flatten()
        .flatten();
    if let Some(tree) = worktrees.map(|entry| entry.file_name()).next() {
        return Ok(Some(format!("the work tree {}", tree.to_string_lossy())));
    }
    if let Some(hook) = own_hook(git_dir, machine) {
        return Ok(Some(format!("the hook {hook}")));
    }
    let known = known_commits(git_dir);
    let found = repository.map(|repository| history_in(repository, &known));
    match found {
        Some(Ok(own)) => Ok(own),
        Some(Err(_)) | None => history_for_git(git_dir, &known, machine),
    }
}

fn history_in(
    mut repository: Repository,
    known: &BTreeSet<String>,
) -> Result<Option<String>, git2::Error> {
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
    for id in known.iter().filter_map(|id| Oid::from_str(id).ok()) {
        if let Ok(commit) = repository
            .find_object(id, None)
            .and_then(|object| object.peel_to_commit())
        {
            commits.hide(commit.id())?;
        }
    }
    Ok(commits
        .next()
        .transpose()?
        .map(|commit| format!("commit {}", &commit.to_string()[..12])))
}

/// The same where libgit2 cannot read the repository.
fn history_for_git(
    git_dir: &Path,
    known: &BTreeSet<String>,
    machine: &Machine,
) -> Result<Option<String>, Failure> {
    let task = TaskContext::alone(|_| {});
    let program = Program::new(&task, machine)?.inside(git_dir).looking();
    if program.holds(["rev-parse", "--verify", "--quiet", "refs/stash"])? {
        return Ok(Some("a stash".to_owned()));
    }
    let options = [
        "rev-list",
        "--max-count=1",
        "--ignore-missing",
        "--all",
        "--not",
        "--remotes",
    ];
    let commit = program.read(options.into_iter().chain(known.iter().map(String::as_str)))?;
    Ok(commit.get(..12).map(|commit| format!("commit {commit}")))
}

/// A hook that is not a sample, nor a copy of one that the user's templates give to every new
/// repository.
fn own_hook(git_dir: &Path, machine: &Machine) -> Option<String> {
    let hooks = std::fs::read_dir(git_dir.join("hooks"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut hooks = hooks.filter(|hook| {
        hook.extension()
            .is_none_or(|extension| extension != "sample")
    });
    let templates = template_hooks(machine);
    let is_template = |hook: &Path| {
        let same = |template: &PathBuf| std::fs::read(template).ok() == std::fs::read(hook).ok();
        templates
            .as_ref()
            .and_then(|templates| Some(templates.join(hook.file_name()?)))
            .is_some_and(|template| same(&template))
    };
    hooks.find(|hook| !is_template(hook)).map(|hook| {
        hook.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    })
}

fn template_hooks(machine: &Machine) -> Option<PathBuf> {
    let configured = git2::Config::open_default()
        .and_then(|config| config.get_path("init.templateDir"))
        .ok();
    let templates = machine
        .environment
        .get("GIT_TEMPLATE_DIR")
        .map(PathBuf::from)
        .or(configured)?;
    Some(templates.join("hooks"))
}

/// A file in the directory of a repository that hoist cloned: the commits that its remote had, one
/// a line. They are those of tags, and where its branches were.
const KNOWN: &str = "hoist-tags";

/// True for a clone that hoist made.
pub fn is_ours(dir: &Path) -> bool {
    git_dir(dir).is_some_and(|git_dir| git_dir.join(KNOWN).is_file())
}

/// Returns the commits that the remote had, besides those of its current branches. For a clone that
/// hoist did not make, these are the tags that git packed when it cloned, and the previous tips of
/// the remote's branches. Tags that the user created are not among them.
pub fn known_commits(git_dir: &Path) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let is_commit = |text: &&str| {
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match std::fs::read_to_string(git_dir.join(KNOWN)) {
        Ok(text) => known.extend(text.lines().filter(is_commit).map(str::to_owned)),
        Err(_) => {
            let packed = std::fs::read_to_string(git_dir.join("packed-refs")).unwrap_or_default();
            let tags = packed
                .lines()
                .filter_map(|line| line.split_once(" refs/tags/"))
                .map(|(id, _)| id);
            known.extend(tags.map(str::to_owned));
            // The remote has the history below the boundary of a shallow clone.
            let shallow = std::fs::read_to_string(git_dir.join("shallow")).unwrap_or_default();
            known.extend(shallow.lines().map(str::to_owned));
        }
    }
    let mut waiting = vec![git_dir.join("logs/refs/remotes")];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                std::fs::read_dir(&path)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|entry| entry.path()),
            );
            continue;
        }
        let log = std::fs::read_to_string(&path).unwrap_or_default();
        let commits = log.lines().flat_map(|line| line.split(' ').take(2));
        known.extend(
            commits
                .filter(is_commit)
                .filter(|id| id.bytes().any(|byte| byte != b'0'))
                .map(str::to_owned),
        );
    }
    known
}

/// The tags of a repository, by name, with what they lead to.
pub fn tags(dir: &Path, program: &Program<'_>) -> Result<BTreeSet<(String, String)>, Failure> {
    if let Ok(repository) = open_repository(dir) {
        let mut tags = BTreeSet::new();
        let read = repository.tag_foreach(|id, name| {
            tags.insert((String::from_utf8_lossy(name).into_owned(), id.to_string()));
            true
        });
        if read.is_ok() {
            return Ok(tags);
        }
    }
    let text = program.read([
        "for-each-ref",
        "--format=%(refname) %(objectname)",
        "refs/tags",
    ])?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, id)| (name.to_owned(), id.to_owned()))
        .collect())
}

/// Records commits that the remote has: `commits`, and the tags that are there now and were not
/// `before`. Of a clone that hoist did not make, nothing is recorded.
pub fn remember(
    git_dir: &Path,
    before: Option<&BTreeSet<(String, String)>>,
    now: &BTreeSet<(String, String)>,
    commits: &[String],
) {
    let file = git_dir.join(KNOWN);
    let mut known = match (std::fs::read_to_string(&file), before) {
        (Ok(known), _) => known,
        (Err(_), None) => String::new(),
        (Err(_), Some(_)) => return,
    };
    let new = now
        .iter()
        .filter(|tag| before.is_none_or(|before| !before.contains(tag)))
        .map(|(_, id)| id);
    for id in new.chain(commits) {
        if !known.lines().any(|line| line == id) {
            known += id;
            known.push('\n');
        }
    }
    // If this fails, tags count as the user's own, which is the safe side.
    let _ = std::fs::write(file, known);
}

/// Adds to a record the files of its clones that git tracks and nobody has changed: what came with
/// a pull or a sparse checkout of the user's is as little theirs as what came with the clone.
pub fn add_tracked(record: &mut Record, machine: &Machine) {
    let clones = record
        .iter()
        .filter(|(path, recorded)| recorded.kind == FileKind::Git && path.ends_with(".git"));
    let clones: Vec<PathBuf> = clones
        .filter_map(|(path, _)| path.parent().map(Path::to_owned))
        .collect();
    for clone in clones {
        // Where that cannot be told, what is not in the record stays.
        let Ok(tracked) = tracked_files(&clone, machine) else {
            continue;
        };
        for path in tracked.iter().map(|path| clone.join(path)) {
            if record.contains_key(&path) {
                continue;
            }
            let parents = path
                .ancestors()
                .skip(1)
                .take_while(|parent| *parent != clone)
                .map(Path::to_owned);
            for path in std::iter::once(path.clone()).chain(parents) {
                if let (
                    false,
                    Ok(Some(State {
                        kind, mode, digest, ..
                    })),
                ) = (record.contains_key(&path), hoist_files::state(&path))
                {
                    record.insert(path, Recorded { kind, mode, digest });
                }
            }
        }
    }
}

/// The files that git tracks and that are as their commit has them, relative to the clone.
fn tracked_files(dir: &Path, machine: &Machine) -> Result<BTreeSet<String>, Failure> {
    match open_repository(dir) {
        Ok(repository) => {
            tracked_in(&repository).map_err(|error| Failure::new(error.message().to_owned()))
        }
        Err(_) => tracked_for_git(dir, machine),
    }
}

fn tracked_in(repository: &Repository) -> Result<BTreeSet<String>, git2::Error> {
    let head = repository.head()?.peel_to_tree()?;
    let differences = repository.diff_tree_to_workdir_with_index(Some(&head), None)?;
    let root = repository.workdir().unwrap_or(Path::new("/"));
    // A file of Git LFS is a pointer in its commit.
    let is_large = |difference: &git2::DiffDelta<'_>| {
        let pointer = repository.find_blob(difference.old_file().id()).ok();
        let path = difference.new_file().path().map(|path| root.join(path));
        pointer.zip(path).is_some_and(|(pointer, path)| {
            large_file(pointer.content()).is_some_and(|digest| is_file(&path, digest))
        })
    };
    let changed: BTreeSet<String> = differences
        .deltas()
        .filter(|difference| !is_large(difference))
        .filter_map(|difference| Some(difference.new_file().path()?.to_str()?.to_owned()))
        .collect();
    let index = repository.index()?;
    let tracked = index
        .iter()
        .filter_map(|entry| String::from_utf8(entry.path).ok());
    Ok(tracked.filter(|path| !changed.contains(path)).collect())
}

/// The digest in a pointer of Git LFS.
fn large_file(pointer: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(pointer.get(..pointer.len().min(1024))?).ok()?;
    let is_pointer = text.starts_with("version https://git-lfs.github.com/spec/v1\n");
    text.lines()
        .find_map(|line| line.strip_prefix("oid sha256:"))
        .filter(|_| is_pointer)
}

fn is_file(path: &Path, digest: &str) -> bool {
    std::fs::File::open(path)
        .and_then(hoist_files::digest)
        .is_ok_and(|found| found == digest)
}

/// The same where libgit2 cannot read the repository.
fn tracked_for_git(dir: &Path, machine: &Machine) -> Result<BTreeSet<String>, Failure> {
    let task = TaskContext::alone(|_| {});
    let program = Program::new(&task, machine)?.inside(dir).looking();
    let list = |arguments: &[&str]| -> Result<BTreeSet<String>, Failure> {
        let text = program.read(arguments.iter().copied())?;
        Ok(text
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect())
    };
    let changed = list(&["diff", "--name-only", "--no-renames", "-z", "HEAD"])?;
    Ok(list(&["ls-files", "-z"])?
        .difference(&changed)
        .cloned()
        .collect())
}
