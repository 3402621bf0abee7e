//! The filters that files of a repository go through: Git LFS, git-crypt and the like. What they
//! did not do is no file of the module.

use std::io::Read;
use std::path::Path;

use git2::{AttrCheckFlags, AttrValue, Config, Repository};
use hoist_executor::{Failure, Level, TaskContext};

use crate::local::open_repository;
use crate::program::Program;

/// The first bytes of the pointer that Git LFS has in a repository in place of a file.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Makes every configured filter a required one. Where a filter is not required and fails, git
/// checks out the unfiltered file.
pub fn required(program: Program<'_>) -> Program<'_> {
    let Ok(config) = Config::open_default() else {
        return program;
    };
    let Ok(mut entries) = config.entries(Some(r"^filter\..*\.(smudge|process)$")) else {
        return program;
    };
    let mut names = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        let name = entry
            .name()
            .ok()
            .and_then(|name| name.strip_prefix("filter.")?.rsplit_once('.'))
            .map(|(name, _)| name.to_owned());
        names.extend(name);
    }
    names.iter().fold(program, |program, name| {
        program.configured(&format!("filter.{name}.required"), "true")
    })
}

/// Fails where a file that was checked out is a pointer to what a filter should have fetched; warns
/// of filters that are not configured.
pub fn check(dir: &Path, program: &Program<'_>, task: &TaskContext) -> Result<(), Failure> {
    let repository = open_repository(dir).ok();
    let filtered = match &repository {
        Some(repository) => filtered_files(repository).unwrap_or_default(),
        None => {
            let text = program.read(["ls-files", "-z", "--", ":(attr:filter=lfs)"])?;
            text.split('\0')
                .filter(|path| !path.is_empty())
                .map(|path| (path.to_owned(), "lfs".to_owned()))
                .collect()
        }
    };
    let pointer = filtered
        .iter()
        .find(|(path, _)| is_pointer(&dir.join(path)));
    if let Some((path, filter)) = pointer {
        let reason = format!("{path} is a pointer of Git LFS and not the file itself");
        let help = match program
            .variable("GIT_LFS_SKIP_SMUDGE")
            .filter(|skip| !skip.is_empty() && *skip != "0")
        {
            Some(_) => "unset GIT_LFS_SKIP_SMUDGE".to_owned(),
            None => format!(
                "install git-lfs and run `git lfs install`, which configures the filter {filter}"
            ),
        };
        return Err(Failure::new(format!("{reason}: {help}")));
    }
    let Some(repository) = repository else {
        return Ok(());
    };
    let filters = filtered.iter().map(|(_, filter)| filter.as_str());
    let mut unknown: Vec<&str> = filters
        .filter(|filter| !is_configured(&repository, filter))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    for filter in unknown {
        task.note(Level::Warning, format!("the filter {filter} of the repository is not configured; its files are not filtered"));
    }
    Ok(())
}

/// The files that have a filter, each with its name.
fn filtered_files(repository: &Repository) -> Result<Vec<(String, String)>, git2::Error> {
    let index = repository.index()?;
    let names = || {
        index
            .iter()
            .filter_map(|entry| String::from_utf8(entry.path).ok())
    };
    let has_attributes =
        names().any(|name| name == ".gitattributes" || name.ends_with("/.gitattributes"));
    if !has_attributes && !repository.path().join("info/attributes").exists() {
        return Ok(Vec::new());
    }
    let filter = |name: String| {
        let value = repository
            .get_attr(Path::new(&name), "filter", AttrCheckFlags::FILE_THEN_INDEX)
            .ok()?;
        match AttrValue::from_string(value) {
            AttrValue::String(filter) => Some((name, filter.to_owned())),
            _ => None,
        }
    };
    Ok(names().filter_map(filter).collect())
}

fn is_pointer(path: &Path) -> bool {
    let mut start = [0; POINTER.len()];
    let read = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file())
        && std::fs::File::open(path)
            .and_then(|mut file| file.read_exact(&mut start))
            .is_ok();
    read && start == POINTER
}

fn is_configured(repository: &Repository, filter: &str) -> bool {
    let Ok(config) = repository.config().and_then(|mut config| config.snapshot()) else {
        return true;
    };
    ["smudge", "process", "clean"]
        .iter()
        .any(|key| config.get_string(&format!("filter.{filter}.{key}")).is_ok())
}
