//! Where repositories are.

use std::path::{Path, PathBuf};

use hoist_files::read_text;

/// The directory with the history of a clone: `.git`, or what a file of this name leads to.
pub fn git_dir(dir: &Path) -> Option<PathBuf> {
    let git = dir.join(".git");
    if git.join("HEAD").symlink_metadata().is_ok() {
        return Some(git);
    }
    let text = read_text(&git).ok()?;
    let found = dir.join(text.strip_prefix("gitdir:")?.trim());
    found
        .join("HEAD")
        .symlink_metadata()
        .is_ok()
        .then_some(found)
}

/// The repositories that git keeps of submodules, also of those that are not used any more.
pub(crate) fn repositories_below(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path());
    let below = |path: PathBuf| match path.join("HEAD").is_file() {
        true => vec![path],
        false if depth < 8 => repositories_below(&path, depth + 1),
        false => Vec::new(),
    };
    directories.flat_map(below).collect()
}
