//! Questions about a clone on this machine. libgit2 answers them without a process; the git program
//! where libgit2 cannot open the clone.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use git2::{Config, ErrorCode, Repository, RepositoryOpenFlags, Status, StatusOptions};
use hoist_core::{redact_urls, without_userinfo};
use hoist_executor::{Failure, TaskContext};
use hoist_files::read_text;

use crate::foreign::refuse;
use crate::paths::git_dir;
use crate::program::Program;
use hoist_machine::machine::Machine;

/// A clone, and who answers questions about it.
pub struct LocalClone<'a> {
    /// Its directory.
    pub dir: PathBuf,
    /// The program, run in it.
    pub program: Program<'a>,
    /// The directory with its history.
    pub git_dir: PathBuf,
    repository: Option<Repository>,
}

/// The branch that is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalBranch {
    /// Its name, without `refs/heads/`.
    pub name: String,
    /// The commit it is at; `None` where it has none yet.
    pub commit: Option<String>,
    /// The remote that it follows.
    pub remote: String,
    /// The name, in the remote, of the branch that it follows.
    pub upstream: String,
    /// Whether the upstream is configured; otherwise it is the remote's branch of the same name, if
    /// the remote has one.
    pub has_upstream: bool,
}

impl LocalBranch {
    /// The ref that records where the followed branch was when it was last fetched.
    pub fn tracking(&self) -> String {
        format!("refs/remotes/{}/{}", self.remote, self.upstream)
    }
}

/// Tracked files of a clone that differ from its last commit, relative to the clone.
#[derive(Debug, Default)]
pub struct ChangedFiles {
    /// Files with other contents.
    pub modified: Vec<PathBuf>,
    /// Files that are gone.
    pub deleted: Vec<PathBuf>,
}

/// Compares the tracked files of a clone with its last commit. Starts no process.
///
/// # Errors
/// libgit2 cannot read the clone.
pub fn changed_files(dir: &Path) -> Result<ChangedFiles, git2::Error> {
    let repository = open_repository(dir)?;
    let mut options = StatusOptions::new();
    options
        .include_untracked(false)
        .exclude_submodules(true)
        .update_index(false);
    let mut changes = ChangedFiles::default();
    for entry in repository.statuses(Some(&mut options))?.iter() {
        let path = PathBuf::from(OsStr::from_bytes(entry.path_bytes()));
        let is_deleted = entry
            .status()
            .intersects(Status::WT_DELETED | Status::INDEX_DELETED);
        if is_deleted {
            changes.deleted.push(path)
        } else {
            changes.modified.push(path)
        }
    }
    Ok(changes)
}

/// Opens a repository, and not one around it.
pub fn open_repository(dir: &Path) -> Result<Repository, git2::Error> {
    Repository::open_ext(dir, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path])
}

impl<'a> LocalClone<'a> {
    /// # Errors
    /// There is no clone, or git does not use it; the reason says what to do.
    pub fn open(dir: &Path, task: &'a TaskContext, machine: &'a Machine) -> Result<Self, Failure> {
        let Some(git_dir) = git_dir(dir) else {
            return Err(Failure::new(format!(
                "{} is not a git repository: run `hoist install` to clone it",
                dir.display()
            )));
        };
        refuse(dir)?;
        let program = Program::new(task, machine)?.inside(dir);
        let repository = open_repository(dir).ok();
        if repository.is_none() {
            usable(dir, &program)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            program,
            git_dir,
            repository,
        })
    }

    /// The branch that is checked out; `None` where a commit is checked out without a branch.
    pub fn branch(&self) -> Result<Option<LocalBranch>, Failure> {
        let read = self.repository.as_ref().map(branch_of).and_then(Result::ok);
        if let Some(branch) = read {
            return Ok(branch);
        }
        let head = self.program.run(["symbolic-ref", "--quiet", "HEAD"])?;
        if !head.exit.success() {
            return Ok(None);
        }
        let reference = head.stdout.trim().to_owned();
        let name = reference
            .strip_prefix("refs/heads/")
            .unwrap_or(&reference)
            .to_owned();
        let commit = self
            .program
            .run(["rev-parse", "--verify", "--quiet", "HEAD"])?;
        let commit = commit
            .exit
            .success()
            .then(|| commit.stdout.trim().to_owned());
        let setting = |key: &str| {
            self.program
                .run(["config", "--get", &format!("branch.{name}.{key}")])
        };
        let (remote, merge) = (setting("remote")?, setting("merge")?);
        let value = |finished: &crate::program::Finished| {
            finished
                .exit
                .success()
                .then(|| finished.stdout.trim().to_owned())
        };
        let upstream =
            value(&merge).and_then(|merge| merge.strip_prefix("refs/heads/").map(str::to_owned));
        Ok(Some(LocalBranch {
            remote: value(&remote).unwrap_or_else(|| "origin".to_owned()),
            has_upstream: upstream.is_some(),
            upstream: upstream.unwrap_or_else(|| name.clone()),
            name,
            commit,
        }))
    }

    /// The commit that a ref leads to.
    pub fn commit_of(&self, reference: &str) -> Result<Option<String>, Failure> {
        if let Some(repository) = &self.repository {
            let found = repository
                .find_reference(reference)
                .and_then(|reference| reference.peel_to_commit());
            return Ok(found.ok().map(|commit| commit.id().to_string()));
        }
        let found = self.program.run([
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("{reference}^{{commit}}"),
        ])?;
        Ok(found.exit.success().then(|| found.stdout.trim().to_owned()))
    }

    /// The ref that another one stands for.
    pub fn symbolic(&self, reference: &str) -> Result<Option<String>, Failure> {
        if let Some(repository) = &self.repository {
            let found = repository.find_reference(reference).ok();
            return Ok(
                found.and_then(|found| found.symbolic_target().ok().flatten().map(str::to_owned))
            );
        }
        let found = self.program.run(["symbolic-ref", "--quiet", reference])?;
        Ok(found.exit.success().then(|| found.stdout.trim().to_owned()))
    }

    /// A tracked file that differs from its commit. Only git knows the filters that files go
    /// through, so that it has the last word.
    pub fn changed_file(&self) -> Result<Option<String>, Failure> {
        if let Some(repository) = &self.repository {
            let statuses = repository.statuses(Some(StatusOptions::new().include_untracked(false)));
            if statuses.is_ok_and(|statuses| statuses.is_empty()) {
                return Ok(None);
            }
        }
        let text = self.program.read([
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=no",
            "--ignore-submodules=none",
        ])?;
        Ok(text
            .split('\0')
            .next()
            .and_then(|entry| entry.get(3..))
            .map(str::to_owned))
    }

    /// The URL of a remote, as it is written in the configuration.
    pub fn url_of(&self, remote: &str) -> Option<String> {
        let config = Config::open(&configuration(&self.git_dir)).ok()?;
        config.get_string(&format!("remote.{remote}.url")).ok()
    }

    /// Writes the URL of a remote, which may have a password in it, without a command line.
    pub fn set_url(&self, remote: &str, url: &str) -> Result<(), Failure> {
        set_url(&self.git_dir, remote, url)
    }
}

/// Writes the URL of a remote into the configuration of a repository.
pub fn set_url(git_dir: &Path, remote: &str, url: &str) -> Result<(), Failure> {
    let file = configuration(git_dir);
    let set = Config::open(&file)
        .and_then(|mut config| config.set_str(&format!("remote.{remote}.url"), url));
    set.map_err(|error| {
        Failure::new(format!(
            "cannot write {}: {}",
            file.display(),
            error.message()
        ))
    })
}

fn branch_of(repository: &Repository) -> Result<Option<LocalBranch>, git2::Error> {
    if repository.head_detached()? {
        return Ok(None);
    }
    let head = repository.find_reference("HEAD")?;
    let reference = match head.symbolic_target()? {
        Some(target) => target.to_owned(),
        None => return Ok(None),
    };
    let name = reference
        .strip_prefix("refs/heads/")
        .unwrap_or(&reference)
        .to_owned();
    let commit = match repository.head() {
        Ok(head) => Some(head.peel_to_commit()?.id().to_string()),
        Err(error) if error.code() == ErrorCode::UnbornBranch => None,
        Err(error) => return Err(error),
    };
    let config = repository.config()?.snapshot()?;
    let remote = config
        .get_string(&format!("branch.{name}.remote"))
        .unwrap_or_else(|_| "origin".to_owned());
    let merge = config.get_string(&format!("branch.{name}.merge")).ok();
    let upstream = merge.and_then(|merge| merge.strip_prefix("refs/heads/").map(str::to_owned));
    let (has_upstream, upstream) = (upstream.is_some(), upstream.unwrap_or_else(|| name.clone()));
    Ok(Some(LocalBranch {
        name,
        commit,
        remote,
        upstream,
        has_upstream,
    }))
}

/// Fails where git does not use a clone, and says why and what to do.
pub fn usable(dir: &Path, program: &Program<'_>) -> Result<(), Failure> {
    let asked = program.run(["rev-parse", "--git-dir"])?;
    if asked.exit.success() {
        return Ok(());
    }
    let shown = dir.display();
    if let Some(owner) = foreign_owner(dir) {
        let message =
            format!("{shown} belongs to {owner}, and git does not use repositories of other users");
        return Err(Failure::new(format!(
            "{message}: run `git config --global --add safe.directory {shown}` if you trust it, or change its owner"
        )));
    }
    Err(Failure::new(format!(
        "git cannot use {shown}: {}",
        asked.reason
    )))
}

/// The owner of a directory or of its history, where that is another user.
fn foreign_owner(dir: &Path) -> Option<String> {
    let own = rustix::process::geteuid().as_raw();
    let owners = [Some(dir.to_owned()), git_dir(dir)]
        .into_iter()
        .flatten()
        .filter_map(|path| Some(path.metadata().ok()?.uid()));
    let owner = owners.into_iter().find(|owner| *owner != own)?;
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(owner)).then(|| name.to_owned())
    });
    Some(user.unwrap_or_else(|| format!("user {owner}")))
}

/// The configuration of a repository; of a further work tree, that of the repository it belongs to.
fn configuration(git_dir: &Path) -> PathBuf {
    let common = read_text(&git_dir.join("commondir")).ok();
    common
        .map_or_else(|| git_dir.to_owned(), |common| git_dir.join(common.trim()))
        .join("config")
}

/// The URL that the repository at `dir` was cloned from, as it is written in its configuration.
/// Reads that file alone, which works for every repository.
pub fn origin(dir: &Path) -> Option<String> {
    let remotes = remotes(&git_dir(dir)?);
    let origin = remotes
        .iter()
        .find(|(name, _)| name == "origin")
        .or(remotes.first());
    origin.map(|(_, url)| url.clone())
}

/// The remotes of a repository, each with its URL.
pub fn remotes(git_dir: &Path) -> Vec<(String, String)> {
    let mut remotes = Vec::new();
    let Ok(config) = Config::open(&configuration(git_dir)) else {
        return remotes;
    };
    let Ok(mut entries) = config.entries(Some(r"^remote\..*\.url$")) else {
        return remotes;
    };
    while let Some(Ok(entry)) = entries.next() {
        let (Ok(name), Ok(url)) = (entry.name(), entry.value()) else {
            continue;
        };
        let name = name
            .strip_prefix("remote.")
            .and_then(|name| name.strip_suffix(".url"));
        remotes.extend(name.map(|name| (name.to_owned(), url.to_owned())));
    }
    remotes
}

/// The first twelve characters of the commit that is checked out.
pub fn head(dir: &Path) -> Option<String> {
    let commit = match open_repository(dir) {
        Ok(repository) => repository
            .head()
            .ok()?
            .peel_to_commit()
            .ok()?
            .id()
            .to_string(),
        Err(_) => head_in_files(&git_dir(dir)?)?,
    };
    commit.get(..12).map(str::to_owned)
}

/// The commit that is checked out, of a repository whose refs are files.
fn head_in_files(git_dir: &Path) -> Option<String> {
    let head = read_text(&git_dir.join("HEAD")).ok()?;
    let is_commit = |text: &str| {
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let Some(reference) = head.strip_prefix("ref:").map(str::trim) else {
        return Some(head.trim().to_owned()).filter(|head| is_commit(head));
    };
    let loose = read_text(&git_dir.join(reference))
        .ok()
        .map(|text| text.trim().to_owned());
    let packed = || {
        let packed = std::fs::read_to_string(git_dir.join("packed-refs")).ok()?;
        let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
        lines
            .find(|(_, name)| *name == reference)
            .map(|(commit, _)| commit.to_owned())
    };
    loose.or_else(packed).filter(|commit| is_commit(commit))
}

/// True where a clone can be put: nothing, or an empty directory.
pub fn is_vacant(dir: &Path) -> bool {
    match dir.symlink_metadata() {
        Err(_) => true,
        Ok(metadata) => {
            metadata.is_dir()
                && std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
        }
    }
}

/// True when two URLs mean the same repository: user names and passwords, the scheme `file://`, a
/// last `/` and `.git` do not matter, nor does a rewriting by the user's `insteadOf`.
pub fn same_repository(found: &str, wanted: &str) -> bool {
    let plain = |url: &str| {
        let url = without_userinfo(url).0;
        let url = url
            .strip_prefix("file://")
            .unwrap_or(&url)
            .trim_end_matches('/');
        url.strip_suffix(".git").unwrap_or(url).to_owned()
    };
    if plain(found) == plain(wanted) {
        return true;
    }
    let rules = rewriting_rules();
    plain(&rewritten(found, &rules)) == plain(&rewritten(wanted, &rules))
}

/// The user's `url.BASE.insteadOf`: what a URL starts with, and what that stands for.
fn rewriting_rules() -> Vec<(String, String)> {
    let mut rules = Vec::new();
    let Ok(config) = Config::open_default() else {
        return rules;
    };
    let Ok(mut entries) = config.entries(Some(r"^url\..*\.insteadof$")) else {
        return rules;
    };
    while let Some(Ok(entry)) = entries.next() {
        let (Ok(name), Ok(value)) = (entry.name(), entry.value()) else {
            continue;
        };
        let base = name
            .strip_prefix("url.")
            .and_then(|name| name.get(..name.len() - ".insteadof".len()));
        rules.extend(base.map(|base| (value.to_owned(), base.to_owned())));
    }
    rules
}

/// The URL that git connects to: the longest rule that fits counts.
fn rewritten(url: &str, rules: &[(String, String)]) -> String {
    let fitting = rules
        .iter()
        .filter(|(start, _)| url.starts_with(start.as_str()));
    match fitting.max_by_key(|(start, _)| start.len()) {
        Some((start, base)) => format!("{base}{}", &url[start.len()..]),
        None => url.to_owned(),
    }
}

/// What stands where a clone would go and is not that clone.
pub fn obstruction(repository: &hoist_core::Repository) -> Option<String> {
    let hoist_core::Repository { url, dir } = repository;
    if is_vacant(dir) {
        return None;
    }
    match origin(dir) {
        Some(origin) if same_repository(&origin, url) => None,
        Some(origin) => {
            let (origin, url) = (redact_urls(&origin), redact_urls(url));
            Some(format!(
                "{} is a clone of {origin}, not of {url}, and is not changed",
                dir.display()
            ))
        }
        None => Some(format!(
            "{} exists, is not a clone of {}, and is not changed",
            dir.display(),
            redact_urls(url)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_several_spellings() {
        assert!(same_repository("https://host/a/b.git", "https://host/a/b/"));
        assert!(same_repository(
            "https://me:old@host/a/b.git",
            "https://new@host/a/b"
        ));
        assert!(same_repository("/srv/b", "file:///srv/b.git"));
        assert!(!same_repository("https://host/a/b", "https://host/a/c"));
    }

    #[test]
    fn the_longest_rule_rewrites_a_url() {
        let rules = [
            ("https://h/".to_owned(), "/a/".to_owned()),
            ("https://h/x/".to_owned(), "/b/".to_owned()),
        ];
        assert_eq!(rewritten("https://h/x/y", &rules), "/b/y");
        assert_eq!(rewritten("https://h/y", &rules), "/a/y");
        assert_eq!(rewritten("https://other/y", &rules), "https://other/y");
    }
}
