//! Clones a repository: with libgit2 in this process, and with the git program where libgit2 cannot do what is asked.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use git2::build::{CheckoutBuilder, RepoBuilder};
use git2::{AutotagOption, Config, Cred, CredentialType, ErrorClass, ErrorCode, FetchOptions, ProxyOptions, RemoteCallbacks, Repository};
use hoist_core::{Environment, is_path};
use hoist_executor::{Command, Effect, Failure, TaskContext};
use serde::Deserialize;

use crate::builtin::{git_own as own, git_pull};
use crate::machine::Machine;
use crate::method::{Applied, Method, StepContext, host_pool, path_pool};
use crate::stage::Stage;

/// A clone of `url` at `dir`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Git {
    pub(crate) url: String,
    pub(crate) dir: PathBuf,
    #[serde(default)]
    pub(crate) args: Vec<String>,
}

impl Method for Git {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        std::iter::once(path_pool(&self.dir)).chain(host_pool(&self.url)).collect()
    }

    fn paths(&self) -> Vec<PathBuf> {
        vec![self.dir.clone()]
    }

    fn version(&self) -> Option<String> {
        head(&self.dir)
    }

    fn refuse(&self, context: &StepContext<'_>) -> Result<(), Failure> {
        if is_path(&self.url) && !self.url.starts_with("file://") && !Path::new(&self.url).exists() {
            return Err(Failure::new(format!("cloning {}: there is no such directory", self.url)));
        }
        if is_vacant(&self.dir) {
            return Ok(());
        }
        self.verify()?;
        if context.force { self.refuse_changes() } else { Ok(()) }
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let task = context.task;
        self.refuse(context)?;
        let there = !is_vacant(&self.dir);
        if there && !context.force {
            return self.restore(task);
        }
        let wanted = CloneArgs::parse(&self.args);
        let stage = match Stage::beside(&self.dir) {
            // A script that is kept to its directories may not write beside them.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && self.dir.is_dir() && !there => {
                self.clone_into(&self.dir, &wanted, context).inspect_err(|_| empty(&self.dir))?;
                return Ok(Applied {
                    effect: Effect::Changed,
                    version: head(&self.dir),
                    paths: vec![self.dir.clone()],
                    ..Applied::unchanged()
                });
            }
            stage => stage.map_err(|error| task.failed("preparing", &self.dir, &error))?,
        };
        self.clone_into(&stage.path(), &wanted, context)?;
        task.check()?;
        let version = head(&stage.path());
        let wrong = |error: std::io::Error| task.failed("putting the clone at", &self.dir, &error);
        let replaced = match there {
            true => {
                let replaced = stage.exchange().map_err(wrong)?;
                // Somebody may have worked in it while the new one was fetched.
                match own::changes(&replaced.path()) {
                    Ok(None) => vec![replaced],
                    found => {
                        replaced.put_back().map_err(wrong)?;
                        let what = found.map_or_else(|error| error.message().to_owned(), Option::unwrap_or_default);
                        let message = format!("{} was changed meanwhile ({what}); it was left alone", self.dir.display());
                        return Err(Failure::new(format!("{message}: move it away to clone it again")));
                    }
                }
            }
            false => stage.commit().map(|()| Vec::new()).map_err(wrong)?,
        };
        Ok(Applied { effect: Effect::Changed, version, paths: vec![self.dir.clone()], replaced, ..Applied::unchanged() })
    }
}

impl Git {
    /// What is there has to be this repository.
    fn verify(&self) -> Result<(), Failure> {
        let repository = hoist_core::Repository { url: self.url.clone(), dir: self.dir.clone() };
        match crate::look::obstruction(&repository) {
            None => Ok(()),
            Some(obstruction) => Err(Failure::new(format!("{obstruction}: move it away to install this module"))),
        }
    }

    /// Brings back files that are gone from a clone; what somebody changed stays as it is.
    fn restore(&self, task: &TaskContext) -> Result<Applied, Failure> {
        let restore = || -> Result<bool, git2::Error> {
            git_pull::finish_interrupted_at(&self.dir)?;
            let repository = Repository::open(&self.dir)?;
            let mut options = git2::StatusOptions::new();
            let gone = repository.statuses(Some(options.include_untracked(false)))?.iter().any(|entry| entry.status().is_wt_deleted());
            if gone {
                let mut checkout = CheckoutBuilder::new();
                repository.checkout_head(Some(checkout.safe().recreate_missing(true).overwrite_ignored(false)))?;
            }
            Ok(gone)
        };
        let restored = restore().map_err(|error| task.failed("restoring", &self.dir, &error.message()))?;
        let version = head(&self.dir);
        Ok(if restored { Applied::changed() } else { Applied::unchanged() }.version(version))
    }

    /// A clone that holds anything its repository does not is not replaced.
    fn refuse_changes(&self) -> Result<(), Failure> {
        let dir = self.dir.display();
        if self.dir.is_symlink() {
            return Err(Failure::new(format!("{dir} is a symbolic link; it was left alone: replace it by a directory to clone it again")));
        }
        match own::changes(&self.dir) {
            Ok(None) => Ok(()),
            Ok(Some(what)) => {
                Err(Failure::new(format!("{dir} has changes of yours ({what}); it was left alone: move it away to clone it again")))
            }
            Err(error) => Err(Failure::new(format!("looking at {dir}: {}", error.message()))),
        }
    }

    fn clone_into(&self, target: &Path, wanted: &CloneArgs, context: &StepContext<'_>) -> Result<(), Failure> {
        self.fetch_into(target, wanted, context)?;
        own::remember_tags(target, &Default::default());
        Ok(())
    }

    fn fetch_into(&self, target: &Path, wanted: &CloneArgs, context: &StepContext<'_>) -> Result<(), Failure> {
        if wanted.needs_program(&self.url) || (self.url.starts_with("http://") && has_proxy(&context.machine.environment)) {
            return self.clone_with_program(target, context);
        }
        match self.clone_in_process(target, wanted, context.task) {
            // A tag, which libgit2 does not take for a branch.
            Err(error) if wanted.branch.is_some() && error.code() == ErrorCode::NotFound && error.class() == ErrorClass::Reference => {
                let _ = std::fs::remove_dir_all(target);
                self.clone_with_program(target, context)
            }
            other => other.map_err(|error| self.failure(&error)),
        }
    }

    fn clone_in_process(&self, target: &Path, wanted: &CloneArgs, task: &TaskContext) -> Result<(), git2::Error> {
        let depth = if is_path(&self.url) { None } else { wanted.depth };
        let mut builder = RepoBuilder::new();
        builder.fetch_options(fetch_options(task, depth, wanted.no_tags));
        if let Some(branch) = &wanted.branch {
            builder.branch(branch);
        }
        let origin = wanted.origin.clone().unwrap_or_else(|| "origin".to_owned());
        let single = wanted.branch.clone().filter(|_| wanted.single_branch.unwrap_or(wanted.depth.is_some()));
        builder.remote_create(move |repository, _, url| match &single {
            Some(branch) => repository.remote_with_fetch(&origin, url, &format!("+refs/heads/{branch}:refs/remotes/{origin}/{branch}")),
            None => repository.remote(&origin, url),
        });
        let repository = builder.clone(&self.url, target)?;
        if wanted.recursive {
            update_submodules(&repository, task)?;
        }
        Ok(())
    }

    fn clone_with_program(&self, target: &Path, context: &StepContext<'_>) -> Result<(), Failure> {
        let mut last = String::new();
        let arguments = std::iter::once("clone").chain(self.args.iter().map(String::as_str)).chain(["--", &self.url]);
        let environment = context.machine.script_environment(&Default::default(), &[]);
        let command = Command::new("git").args(arguments).args([target]).environment(environment).set("LC_ALL", "C");
        let exit = context.task.run_with(&command, |stream, line| {
            if line.starts_with("fatal:") || last.is_empty() || !last.starts_with("fatal:") {
                last = line.to_owned();
            }
            context.task.output(stream, line);
        })?;
        if exit.success() {
            return Ok(());
        }
        let message = format!("cloning {}: {}", self.url, if last.is_empty() { exit.to_string() } else { last.clone() });
        const PASSING: &[&str] =
            &["Could not resolve", "timed out", "Connection refused", "Connection reset", "early EOF", "RPC failed", "unable to access"];
        let permanent = last.contains("The requested URL returned error: 4");
        let passing = PASSING.iter().any(|words| last.contains(words)) && !permanent;
        Err(if passing { Failure::transient(message) } else { Failure::new(message) })
    }

    fn failure(&self, error: &git2::Error) -> Failure {
        let message = format!("cloning {}: {}", self.url, error.message());
        let network = matches!(error.class(), ErrorClass::Net | ErrorClass::Http | ErrorClass::Ssh | ErrorClass::Ssl | ErrorClass::Os);
        let answered = matches!(error.code(), ErrorCode::Auth | ErrorCode::NotFound | ErrorCode::Certificate | ErrorCode::User)
            || ["404", "401", "403", "not found", "too many redirects"].iter().any(|words| error.message().contains(words));
        let remote = !is_path(&self.url);
        if network && remote && !answered { Failure::transient(message) } else { Failure::new(message) }
    }
}

/// The arguments of `git clone` that are understood.
#[derive(Debug, Default, PartialEq, Eq)]
struct CloneArgs {
    depth: Option<i32>,
    branch: Option<String>,
    origin: Option<String>,
    single_branch: Option<bool>,
    recursive: bool,
    no_tags: bool,
    /// True when there is an argument that only the git program understands.
    program: bool,
}

impl CloneArgs {
    fn parse(args: &[String]) -> Self {
        let mut read = Self::default();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (arg, None),
            };
            let mut value = || inline.or_else(|| args.next()).unwrap_or_default().to_owned();
            match name {
                "--depth" => match value().parse() {
                    Ok(depth) if depth > 0 => read.depth = Some(depth),
                    _ => read.program = true,
                },
                "--branch" | "-b" => read.branch = Some(value()),
                "--origin" | "-o" => read.origin = Some(value()),
                "--single-branch" => read.single_branch = Some(true),
                "--no-single-branch" => read.single_branch = Some(false),
                "--recursive" | "--recurse-submodules" if inline.is_none() => read.recursive = true,
                "--no-tags" => read.no_tags = true,
                "--quiet" | "-q" | "--verbose" | "-v" | "--progress" => {}
                _ => read.program = true,
            }
        }
        read
    }

    /// libgit2 has no shallow clones from a local path, and knows only some arguments. A plain path is cloned whole by git too.
    fn needs_program(&self, url: &str) -> bool {
        self.program || (self.depth.is_some() && url.starts_with("file://"))
    }
}

/// True where requests may have to go through a proxy. libgit2 tunnels https through one, but asks plain http servers directly.
pub(crate) fn has_proxy(environment: &Environment) -> bool {
    let variables = ["http_proxy", "all_proxy", "ALL_PROXY"];
    let configured = || -> Result<bool, git2::Error> {
        let config = Config::open_default()?;
        let mut entries = config.entries(Some("^http\\.(.*\\.)?proxy$"))?;
        Ok(entries.next().is_some())
    };
    variables.iter().any(|name| environment.get(name).is_some_and(|value| !value.is_empty())) || configured().unwrap_or(false)
}

pub(crate) fn fetch_options(task: &TaskContext, depth: Option<i32>, no_tags: bool) -> FetchOptions<'_> {
    let mut options = FetchOptions::new();
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    options.proxy_options(proxy);
    options.remote_callbacks(callbacks(task));
    if let Some(depth) = depth {
        options.depth(depth);
    }
    if no_tags {
        options.download_tags(AutotagOption::None);
    }
    options
}

fn callbacks(task: &TaskContext) -> RemoteCallbacks<'_> {
    let mut callbacks = RemoteCallbacks::new();
    let shown = Cell::new(0usize);
    callbacks.transfer_progress(move |progress| {
        // Told a hundred times at the most.
        let step = (progress.total_objects() / 100).max(1);
        if progress.received_objects() >= shown.get() + step {
            shown.set(progress.received_objects());
            task.progress(progress.received_objects() as u64, progress.total_objects() as u64);
        }
        !task.is_cancelled()
    });
    let config = Config::open_default().ok();
    let tries = Cell::new(0);
    callbacks.credentials(move |url, user, allowed| {
        tries.set(tries.get() + 1);
        if tries.get() > 3 {
            return Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, "the server accepts none of your credentials"));
        }
        if allowed.contains(CredentialType::SSH_KEY) {
            return Cred::ssh_key_from_agent(user.unwrap_or("git"));
        }
        match (&config, allowed.contains(CredentialType::USER_PASS_PLAINTEXT)) {
            (Some(config), true) => Cred::credential_helper(config, url, user),
            _ => Cred::default(),
        }
    });
    callbacks
}

fn update_submodules(repository: &Repository, task: &TaskContext) -> Result<(), git2::Error> {
    for mut submodule in repository.submodules()? {
        let mut options = git2::SubmoduleUpdateOptions::new();
        options.fetch(fetch_options(task, None, false));
        submodule.update(true, Some(&mut options))?;
        update_submodules(&submodule.open()?, task)?;
    }
    Ok(())
}

/// Removes what a clone that failed left in a directory that was empty.
fn empty(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let _ = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => std::fs::remove_dir_all(entry.path()),
            false => std::fs::remove_file(entry.path()),
        };
    }
}

/// True where a clone can be put: nothing, or an empty directory.
pub(crate) fn is_vacant(dir: &Path) -> bool {
    match dir.symlink_metadata() {
        Err(_) => true,
        Ok(metadata) => metadata.is_dir() && std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none()),
    }
}

/// The URL that the repository at `dir` was cloned from, as it is written in its configuration.
pub(crate) fn origin(dir: &Path) -> Option<String> {
    let repository = Repository::open_ext(dir, git2::RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path]).ok()?;
    let remotes = repository.remotes().ok()?;
    let names: Vec<&str> = remotes.iter().flatten().flatten().collect();
    let name = names.iter().find(|name| **name == "origin").or(names.first())?;
    repository.config().ok()?.snapshot().ok()?.get_string(&format!("remote.{name}.url")).ok()
}

/// True when two URLs mean the same repository: their scheme `file://`, a last `/` and `.git` do not matter, nor does a rewriting
/// by the user's `insteadOf`.
pub(crate) fn same_repository(found: &str, wanted: &str, dir: &Path) -> bool {
    fn plain(url: &str) -> &str {
        let url = url.strip_prefix("file://").unwrap_or(url).trim_end_matches('/');
        url.strip_suffix(".git").unwrap_or(url)
    }
    if plain(found) == plain(wanted) {
        return true;
    }
    let rewritten = |url: &str| Repository::open(dir).ok()?.remote_anonymous(url).ok()?.url().ok().map(|url| plain(url).to_owned());
    rewritten(wanted).is_some_and(|wanted| rewritten(found).is_some_and(|found| found == wanted))
}

/// The first characters of the commit that is checked out.
pub(crate) fn head(dir: &Path) -> Option<String> {
    let repository = Repository::open(dir).ok()?;
    let commit = repository.head().ok()?.peel_to_commit().ok()?;
    Some(commit.id().to_string()[..12].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> CloneArgs {
        CloneArgs::parse(&args.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_understood_or_left_to_the_program() {
        assert_eq!(parse("--depth=1 -q"), CloneArgs { depth: Some(1), ..CloneArgs::default() });
        let both = parse("--depth 2 --branch main --single-branch --recursive --no-tags");
        let wanted = CloneArgs {
            depth: Some(2),
            branch: Some("main".into()),
            single_branch: Some(true),
            recursive: true,
            no_tags: true,
            ..CloneArgs::default()
        };
        assert_eq!(both, wanted);
        assert!(parse("--filter=blob:none").needs_program("https://x/y"));
        assert!(parse("--depth=1").needs_program("file:///x"));
        assert!(!parse("--depth=1").needs_program("/x"));
        assert!(parse("--depth=zero").program && parse("--depth=0").program);
    }

    #[test]
    fn one_repository_has_several_spellings() {
        let nowhere = Path::new("/nonexistent");
        assert!(same_repository("https://host/a/b.git", "https://host/a/b/", nowhere));
        assert!(same_repository("/srv/b", "file:///srv/b.git", nowhere));
        assert!(!same_repository("https://host/a/b", "https://host/a/c", nowhere));
    }
}
