//! Brings a clone forward to where its upstream is; anything but a fast-forward is refused, and changes nothing.

use std::path::{Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{Commit, ErrorClass, ErrorCode, Oid, Repository, StatusOptions};
use hoist_core::is_path;
use hoist_executor::{Command, Failure, Level, TaskContext};
use serde::Deserialize;

use crate::builtin::{git, git_own};
use crate::machine::Machine;
use crate::method::{Applied, Method, StepContext, host_pool, path_pool};

/// A clone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GitPull {
    pub(crate) dir: PathBuf,
}

/// Where a branch stands, and where its upstream is.
struct Standing<'r> {
    /// The full name of the branch that is checked out.
    reference: String,
    head: Commit<'r>,
    remote: String,
    upstream: String,
}

impl Method for GitPull {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        let url = git::origin(&self.dir).unwrap_or_default();
        std::iter::once(path_pool(&self.dir)).chain(host_pool(&url)).collect()
    }

    fn paths(&self) -> Vec<PathBuf> {
        vec![self.dir.clone()]
    }

    fn version(&self) -> Option<String> {
        git::head(&self.dir)
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let dir = self.dir.display();
        let wrong = |doing: &str| {
            let doing = format!("{doing} {dir}");
            move |error: git2::Error| Failure::new(format!("{doing}: {}", error.message()))
        };
        let repository = open(&self.dir)?;
        let Some(standing) = standing(&repository).map_err(wrong("looking at"))? else {
            context.task.note(Level::Info, format!("{dir} stands at a fixed commit; there is no branch to bring forward"));
            return Ok(Applied::unchanged().version(git::head(&self.dir)));
        };
        finish_interrupted(&repository, &standing).map_err(wrong("looking at"))?;
        if let Some(changed) = changed(&repository).map_err(wrong("looking at"))? {
            let message = format!("{dir} has changes of yours ({changed}), and was left alone");
            return Err(Failure::new(format!("{message}: commit, stash or undo them, then update again")));
        }
        let tags = git_own::tags(&repository);
        self.fetch(&repository, &standing, context)?;
        git_own::remember_tags(&self.dir, &tags);
        context.task.check()?;
        let target = repository.refname_to_id(&standing.upstream).map_err(wrong("looking at"))?;
        let (ahead, behind) = repository.graph_ahead_behind(standing.head.id(), target).map_err(wrong("looking at"))?;
        match (ahead, behind) {
            (_, 0) => Ok(Applied::unchanged().version(git::head(&self.dir))),
            (0, _) => {
                forward(&repository, &standing, target).map_err(|error| self.conflict(&error))?;
                submodules(&repository, context.task).map_err(wrong("updating the submodules of"))?;
                Ok(Applied::changed().version(git::head(&self.dir)))
            }
            (ahead, behind) => {
                let own = if ahead == 1 { "a commit".to_owned() } else { format!("{ahead} commits") };
                let message = format!("{dir} and its upstream have diverged: {own} here, {behind} there; nothing was changed");
                Err(Failure::new(format!("{message}. Rebase by hand, or clone it again with `hoist install --force {}`", context.module)))
            }
        }
    }
}

impl GitPull {
    fn fetch(&self, repository: &Repository, standing: &Standing<'_>, context: &StepContext<'_>) -> Result<(), Failure> {
        let url = git::origin(&self.dir).unwrap_or_default();
        let environment = &context.machine.environment;
        // libgit2 cannot fetch into a shallow clone from a path, and asks plain http servers past the proxy.
        let shallow_path = repository.is_shallow() && is_path(&url);
        if shallow_path || (url.starts_with("http://") && git::has_proxy(environment)) {
            return self.fetch_with_program(standing, context);
        }
        let fetch = || -> Result<(), git2::Error> {
            let mut remote = repository.find_remote(&standing.remote)?;
            remote.fetch(&[] as &[&str], Some(&mut git::fetch_options(context.task, None, false)), None)
        };
        fetch().map_err(|error| {
            let message = format!("fetching {url}: {}", error.message());
            let network = matches!(error.class(), ErrorClass::Net | ErrorClass::Http | ErrorClass::Ssh | ErrorClass::Ssl | ErrorClass::Os);
            let answered = matches!(error.code(), ErrorCode::Auth | ErrorCode::NotFound | ErrorCode::Certificate | ErrorCode::User)
                || ["404", "401", "403", "not found"].iter().any(|words| error.message().contains(words));
            if network && !answered && !is_path(&url) { Failure::transient(message) } else { Failure::new(message) }
        })
    }

    fn fetch_with_program(&self, standing: &Standing<'_>, context: &StepContext<'_>) -> Result<(), Failure> {
        let environment = context.machine.script_environment(&Default::default(), &[]);
        let command = Command::new("git").args(["-C"]).args([self.dir.as_path()]).args(["fetch", "--quiet", "--", &standing.remote]);
        let mut last = String::new();
        let exit = context.task.run_with(&command.environment(environment).set("LC_ALL", "C"), |stream, line| {
            if line.starts_with("fatal:") || !last.starts_with("fatal:") {
                last = line.to_owned();
            }
            context.task.output(stream, line);
        })?;
        match exit.success() {
            true => Ok(()),
            false => Err(Failure::new(format!("fetching into {}: {last}", self.dir.display()))),
        }
    }

    fn conflict(&self, error: &git2::Error) -> Failure {
        let dir = self.dir.display();
        match error.code() {
            ErrorCode::Conflict => Failure::new(format!(
                "{dir} has a file of yours where the new version brings one of its own; nothing was changed: move it away"
            )),
            _ => Failure::new(format!("bringing {dir} forward: {}", error.message())),
        }
    }
}

fn open(dir: &Path) -> Result<Repository, Failure> {
    Repository::open_ext(dir, git2::RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path])
        .map_err(|_| Failure::new(format!("{} is not a git repository: `hoist install` puts it there", dir.display())))
}

/// The branch that is checked out, with what it follows; `None` for a commit without a branch.
fn standing(repository: &Repository) -> Result<Option<Standing<'_>>, git2::Error> {
    if repository.head_detached()? {
        return Ok(None);
    }
    let head = repository.head()?;
    let reference = head.name()?.to_owned();
    let branch = head.shorthand()?.to_owned();
    let configured = repository.branch_upstream_remote(&reference).ok().and_then(|name| Some(name.as_str().ok()?.to_owned()));
    let remote = configured.unwrap_or_else(|| "origin".to_owned());
    let upstream = match repository.branch_upstream_name(&reference) {
        Ok(name) => name.as_str()?.to_owned(),
        Err(_) => format!("refs/remotes/{remote}/{branch}"),
    };
    let head = head.peel_to_commit()?;
    Ok(Some(Standing { reference, head, remote, upstream }))
}

/// Completes a fast-forward that was cut off: every file that is not as the commit has it is as the upstream has it.
pub(crate) fn finish_interrupted_at(dir: &Path) -> Result<(), git2::Error> {
    let repository = Repository::open(dir)?;
    match standing(&repository)? {
        Some(standing) => finish_interrupted(&repository, &standing),
        None => Ok(()),
    }
}

fn finish_interrupted(repository: &Repository, standing: &Standing<'_>) -> Result<(), git2::Error> {
    let Ok(target) = repository.refname_to_id(&standing.upstream) else { return Ok(()) };
    if target == standing.head.id() || !repository.graph_descendant_of(target, standing.head.id())? {
        return Ok(());
    }
    if !std::fs::read_to_string(repository.path().join(MARK)).is_ok_and(|mark| mark.trim() == target.to_string()) {
        return Ok(());
    }
    let (old, new) = (standing.head.tree()?, repository.find_commit(target)?.tree()?);
    let root = repository.workdir().unwrap_or(repository.path()).to_owned();
    let mut checkout = CheckoutBuilder::new();
    checkout.force().disable_pathspec_match(true);
    let mut any = false;
    for delta in repository.diff_tree_to_tree(Some(&old), Some(&new), None)?.deltas() {
        let files = [delta.old_file(), delta.new_file()];
        for path in files.iter().filter_map(|file| file.path()) {
            let id = |tree: &git2::Tree<'_>| tree.get_path(path).ok().map(|entry| entry.id());
            let (before, wanted, found) = (id(&old), id(&new), found(&root.join(path))?);
            // Every file is as it was, or as it shall be, or on its way from the one to the other; what is anything else is somebody's.
            let ours = found == wanted || found == before || found.is_none() || is_start_of(repository, wanted, &root.join(path))?;
            if !ours {
                return Ok(());
            }
            checkout.path(path);
            any = true;
        }
    }
    if any {
        repository.checkout_tree(new.as_object(), Some(&mut checkout))?;
        repository.reference(&standing.reference, target, true, "hoist: fast-forward")?;
    }
    let _ = std::fs::remove_file(repository.path().join(MARK));
    Ok(())
}

/// In the directory of a repository: the commit that hoist is bringing the tree to.
const MARK: &str = "hoist-forward";

fn is_start_of(repository: &Repository, blob: Option<Oid>, path: &Path) -> Result<bool, git2::Error> {
    let Some(blob) = blob else { return Ok(false) };
    let found = std::fs::read(path).unwrap_or_default();
    Ok(!path.is_symlink() && repository.find_blob(blob)?.content().starts_with(&found))
}

/// What git would call the contents of a file or a link.
fn found(path: &Path) -> Result<Option<Oid>, git2::Error> {
    use std::os::unix::ffi::OsStrExt;
    match (path.read_link(), path.is_file()) {
        (Ok(target), _) => Oid::hash_object(git2::ObjectType::Blob, target.as_os_str().as_bytes()).map(Some),
        (Err(_), true) => Oid::hash_file(git2::ObjectType::Blob, path).map(Some),
        (Err(_), false) => Ok(None),
    }
}

/// A tracked file that is not as it was committed.
fn changed(repository: &Repository) -> Result<Option<String>, git2::Error> {
    let statuses = repository.statuses(Some(StatusOptions::new().include_untracked(false)))?;
    Ok(statuses.iter().next().map(|entry| entry.path().unwrap_or("a file").to_owned()))
}

fn forward(repository: &Repository, standing: &Standing<'_>, target: Oid) -> Result<(), git2::Error> {
    let commit = repository.find_commit(target)?;
    let mark = repository.path().join(MARK);
    std::fs::write(&mark, target.to_string()).map_err(|error| git2::Error::from_str(&format!("{}: {error}", mark.display())))?;
    let checked_out = repository.checkout_tree(commit.as_object(), Some(CheckoutBuilder::new().safe().overwrite_ignored(false)));
    let moved = checked_out.and_then(|()| repository.reference(&standing.reference, target, true, "hoist: fast-forward"));
    // What was cut off in the middle is brought to its end the next time.
    if moved.is_ok() || changed(repository).is_ok_and(|changed| changed.is_none()) {
        let _ = std::fs::remove_file(mark);
    }
    moved.map(drop)
}

/// Submodules that were fetched once are brought to what the new commit names.
fn submodules(repository: &Repository, task: &TaskContext) -> Result<(), git2::Error> {
    for mut submodule in repository.submodules()? {
        if submodule.open().is_ok() {
            let mut options = git2::SubmoduleUpdateOptions::new();
            options.fetch(git::fetch_options(task, None, false));
            submodule.update(false, Some(&mut options))?;
            submodules(&submodule.open()?, task)?;
        }
    }
    Ok(())
}
