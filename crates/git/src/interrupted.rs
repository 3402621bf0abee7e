//! Rolls back an update of a clone that was interrupted or failed: the clone is reset to the commit
//! it was at. Files that another program changed in the meantime are kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hoist_executor::Failure;

use crate::local::LocalClone;
use crate::paths::git_dir;
use crate::program::Program;

/// What an update changes, recorded in the clone before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The commit before.
    pub old: String,
    /// The commit after.
    pub new: String,
}

/// In the directory of a repository: the transition that is going on, its commits one a line.
const MARK: &str = "hoist-forward";

/// In the directory of a repository while hoist fetches into it.
const FETCHING: &str = "hoist-fetching";

/// Fetches, so that the locks of a git that is killed meanwhile are known to be nobody's.
pub fn fetching<T>(
    git_dir: &Path,
    fetch: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mark = git_dir.join(FETCHING);
    std::fs::write(&mark, "")
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", mark.display())))?;
    let fetched = fetch()?;
    let _ = std::fs::remove_file(mark);
    Ok(fetched)
}

/// Beside it: the files that the transition replaces. A filter that made them once may not be able
/// to do so again.
const FILES: &str = "hoist-files";

impl Transition {
    /// Records that it begins, and keeps what it replaces.
    pub fn begin(&self, clone: &LocalClone<'_>) -> Result<(), Failure> {
        if !self.old.is_empty() {
            let (_, common) = changed_paths(&self.old, &self.new, &clone.program)?;
            for path in &common {
                keep(&clone.dir.join(path), &clone.git_dir.join(FILES).join(path))?;
            }
        }
        let mark = clone.git_dir.join(MARK);
        let text = format!("{}\n{}\n", self.new, self.old);
        std::fs::write(&mark, text)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", mark.display())))
    }

    /// Records that it is over.
    pub fn end(git_dir: &Path) {
        let _ = std::fs::remove_file(git_dir.join(MARK));
        let _ = std::fs::remove_dir_all(git_dir.join(FILES));
    }

    /// The one that was recorded and did not end.
    fn read(git_dir: &Path) -> Option<(String, Option<String>)> {
        let text = std::fs::read_to_string(git_dir.join(MARK)).ok()?;
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        Some((lines.next()?, lines.next()))
    }
}

/// Brings a clone whose update was interrupted back to the commit it was at. Returns true where the
/// files are those of the new commit, so that only what comes after them is left to do.
pub fn recover(dir: &Path, program: &Program<'_>) -> Result<bool, Failure> {
    let Some(git_dir) = git_dir(dir) else {
        return Ok(false);
    };
    let transition = Transition::read(&git_dir);
    let fetching = git_dir.join(FETCHING);
    if transition.is_some() || fetching.exists() {
        remove_locks(&git_dir);
        let _ = std::fs::remove_file(fetching);
    }
    let Some((new, old)) = transition else {
        return Ok(false);
    };
    let head = program.read(["rev-parse", "HEAD"])?;
    if head == new {
        return Ok(true);
    }
    let old = old.unwrap_or(head);
    if program.holds(["cat-file", "-e", &format!("{new}^{{commit}}")])?
        && restore(dir, &old, &new, program)?
    {
        Transition::end(&git_dir);
    }
    Ok(false)
}

/// Removes the locks of the interrupted git. Those of a git that runs now are gone a moment later.
pub fn remove_locks(git_dir: &Path) {
    let locks = locks(git_dir);
    if !locks.is_empty() {
        std::thread::sleep(Duration::from_millis(500));
    }
    for lock in locks {
        let _ = std::fs::remove_file(lock);
    }
}

/// The locks in a repository and in those of its submodules; objects have one, of the maintenance.
pub fn locks(git_dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![git_dir.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true if path.ends_with("objects") => {
                    found.extend(Some(path.join("maintenance.lock")).filter(|lock| lock.is_file()))
                }
                true => waiting.push(path),
                false
                    if path
                        .extension()
                        .is_some_and(|extension| extension == "lock") =>
                {
                    found.push(path)
                }
                _ => {}
            }
        }
    }
    found
}

/// Puts back the files of a commit where they are on their way to those of another. Returns false,
/// and changes nothing, where one of them is neither: then another program or a person has written
/// it.
pub fn restore(dir: &Path, old: &str, new: &str, program: &Program<'_>) -> Result<bool, Failure> {
    let (added, common) = changed_paths(old, new, program)?;
    let different = program.read([
        "diff",
        "--name-only",
        "--no-renames",
        "-z",
        "--ignore-submodules=all",
        old,
    ])?;
    let different: Vec<&str> = different
        .split('\0')
        .filter(|path| common.contains(*path))
        .collect();
    for path in added
        .iter()
        .map(String::as_str)
        .chain(different.iter().copied())
    {
        if !is_of(dir, path, new, program)? {
            return Ok(false);
        }
    }
    for path in &added {
        remove_added(dir, path);
    }
    let kept = git_dir(dir)
        .map(|git_dir| git_dir.join(FILES))
        .unwrap_or_default();
    let is_lost = |path: &&&str| {
        let (from, to) = (kept.join(path), dir.join(path));
        let parent = to.parent().map(std::fs::create_dir_all);
        !(from.symlink_metadata().is_ok()
            && parent.is_some_and(|made| made.is_ok())
            && std::fs::rename(from, to).is_ok())
    };
    let lost: Vec<&str> = different.iter().filter(is_lost).copied().collect();
    for paths in lost.chunks(500) {
        let arguments = ["checkout", "--quiet", "--force", old, "--"]
            .into_iter()
            .chain(paths.iter().copied());
        program.transfer(&format!("cannot restore {}", dir.display()), arguments, dir)?;
    }
    if !added.is_empty() {
        // Where the index already had them.
        program.read(["read-tree", old])?;
    }
    program.run(["update-index", "--quiet", "--refresh"])?;
    Ok(true)
}

/// The paths that only the new commit has, and those that both have or only the old one.
fn changed_paths(
    old: &str,
    new: &str,
    program: &Program<'_>,
) -> Result<(BTreeSet<String>, BTreeSet<String>), Failure> {
    let paths = |filter: &str| -> Result<BTreeSet<String>, Failure> {
        let filter = format!("--diff-filter={filter}");
        let text = program.read([
            "diff",
            "--name-only",
            "--no-renames",
            "-z",
            "--ignore-submodules=all",
            &filter,
            old,
            new,
        ])?;
        Ok(text
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect())
    };
    Ok((paths("A")?, paths("a")?))
}

/// Keeps a file under another name. Git replaces files and does not write into them, so that a link
/// to one is a copy.
fn keep(file: &Path, kept: &Path) -> Result<(), Failure> {
    let wrong =
        |error: std::io::Error| Failure::new(format!("cannot back up {}: {error}", file.display()));
    // What a sparse checkout leaves out is not there.
    if file.symlink_metadata().is_err() {
        return Ok(());
    }
    kept.parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .map_err(wrong)?;
    let _ = std::fs::remove_file(kept);
    let link = std::fs::hard_link(file, kept);
    link.or_else(|_| std::fs::copy(file, kept).map(drop))
        .map_err(wrong)
}

/// True for a file that is missing, or is as a commit has it, or the beginning of that.
fn is_of(dir: &Path, path: &str, commit: &str, program: &Program<'_>) -> Result<bool, Failure> {
    let file = dir.join(path);
    let Ok(metadata) = file.symlink_metadata() else {
        return Ok(true);
    };
    if metadata.is_dir() {
        return Ok(
            std::fs::read_dir(&file).is_ok_and(|mut entries| entries.next().is_none())
                || file.join(".git").exists(),
        );
    }
    if metadata.is_symlink() {
        let wanted = program.read(["cat-file", "blob", &format!("{commit}:{path}")])?;
        return Ok(std::fs::read_link(&file).is_ok_and(|target| target.to_string_lossy() == wanted));
    }
    let wanted = program.run([
        "rev-parse",
        "--verify",
        "--quiet",
        &format!("{commit}:{path}"),
    ])?;
    if !wanted.exit.success() {
        return Ok(false);
    }
    let found = program.read([
        "hash-object",
        &format!("--path={path}"),
        "--",
        &file.display().to_string(),
    ])?;
    if found == wanted.stdout.trim() {
        return Ok(true);
    }
    let whole = program.bytes(["cat-file", "--filters", &format!("{commit}:{path}")])?;
    let found = std::fs::read(&file).unwrap_or_default();
    Ok(whole.is_some_and(|whole| whole.starts_with(&found)))
}

/// Removes a file that the old commit does not have, and the directories that are empty without it.
fn remove_added(dir: &Path, path: &str) {
    let file = dir.join(path);
    if std::fs::remove_file(&file).is_ok() {
        let parents = file.ancestors().skip(1).take_while(|parent| *parent != dir);
        let _ = parents
            .map(std::fs::remove_dir)
            .take_while(Result::is_ok)
            .count();
    }
}
