//! Updates a clone from its remote. Commits that the remote once had may be dropped. An update that
//! would lose local commits or changes fails and leaves the clone as it was.

use std::path::PathBuf;

use hoist_core::{redact_urls, shell_quoted, without_userinfo};
use hoist_executor::{Failure, Level};
use hoist_files::{make_private, private_directory};
use serde::Deserialize;

use crate::git::GIT;
use hoist_git::arguments::CloneArguments;
use hoist_git::interrupted::Transition;
use hoist_git::local::{LocalBranch, LocalClone, head, is_vacant, origin, same_repository};
use hoist_git::remote::RemoteState;
use hoist_git::submodules::Submodules;
use hoist_git::{filters, interrupted, own, remote};
use hoist_machine::machine::Machine;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry, host_pool, path_pool};

/// A clone, and what its manifest says of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GitPull {
    pub dir: PathBuf,
    /// The repository that it has to be a clone of; whichever it is where the manifest does not
    /// say.
    #[serde(default)]
    pub url: Option<String>,
    /// The arguments that it was cloned with.
    #[serde(default)]
    pub args: Vec<String>,
}

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = MethodEntry {
    programs: &[&GIT],
    ..MethodEntry::new::<GitPull>("git_pull")
};

impl Method for GitPull {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        let url = self
            .url
            .clone()
            .or_else(|| origin(&self.dir))
            .unwrap_or_default();
        std::iter::once(path_pool(&self.dir))
            .chain(host_pool(&url))
            .collect()
    }

    fn paths(&self) -> Vec<PathBuf> {
        vec![self.dir.clone()]
    }

    fn version(&self) -> Option<String> {
        head(&self.dir)
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        if is_vacant(&self.dir) {
            return Err(Failure::new(format!(
                "{} does not exist: run `hoist install` to clone it",
                self.dir.display()
            )));
        }
        let mut clone = LocalClone::open(&self.dir, context.task, context.machine)?;
        let url = self
            .url
            .clone()
            .or_else(|| origin(&self.dir))
            .unwrap_or_default();
        clone.program = filters::required(clone.program.connecting_to(&url));
        let update = Update {
            clone: &clone,
            arguments: CloneArguments::parse(&self.args),
            url,
            context,
        };
        let changed = update.run(self.url.as_deref())?;
        let version = match head(&self.dir) {
            Some(version) => Some(version),
            None => Some(clone.program.read(["rev-parse", "--short=12", "HEAD"])?),
        };
        Ok(if changed {
            Applied::changed()
        } else {
            Applied::unchanged()
        }
        .version(version))
    }
}

/// One update of one clone.
struct Update<'a, 'c> {
    clone: &'a LocalClone<'c>,
    arguments: CloneArguments,
    /// The repository it is updated from, with the password in it.
    url: String,
    context: &'a StepContext<'c>,
}

/// Where a clone goes.
struct Destination {
    /// The name of the remote's branch.
    branch: String,
    commit: String,
}

impl Update<'_, '_> {
    /// Returns true where the clone is at another commit now.
    fn run(&self, wanted: Option<&str>) -> Result<bool, Failure> {
        let Self { clone, context, .. } = self;
        let dir = clone.dir.display();
        let is_moved = interrupted::recover(&clone.dir, &clone.program)?;
        let Some(branch) = clone.branch()? else {
            context.task.note(
                Level::Info,
                format!("{dir} is at a fixed commit; there is no branch to update"),
            );
            return Ok(false);
        };
        let before = Submodules::of(clone, self.arguments.recursive)?;
        if is_moved {
            // Interrupted behind the files of the clone itself.
            before.update(clone)?;
            Transition::end(&clone.git_dir);
        }
        if let Some(changed) = clone.changed_file()? {
            let message = format!("{dir} has local changes ({changed}) and is not changed");
            return Err(Failure::new(format!(
                "{message}: commit, stash or undo them, then update again"
            )));
        }
        let former = match wanted {
            Some(wanted) => self.change_url(&branch, wanted)?,
            None => None,
        };
        let updated = self
            .follow(&branch, &before)
            .map(|changed| changed || is_moved);
        if let (Err(_), Some(former)) = (&updated, former) {
            clone.set_url(&branch.remote, &former)?;
        }
        updated
    }

    /// Makes `wanted` the URL of the remote where it is another. Returns the former one. A clone
    /// that is not hoist's, or has nothing in common with what is at the new URL, stays what it is.
    fn change_url(&self, branch: &LocalBranch, wanted: &str) -> Result<Option<String>, Failure> {
        let Self { clone, context, .. } = self;
        let (clean, userinfo) = without_userinfo(wanted);
        let Some(former) = clone
            .url_of(&branch.remote)
            .filter(|former| *former != clean)
        else {
            return Ok(None);
        };
        if same_repository(&former, wanted) {
            // Another spelling, which the user may have chosen; but the password is that of the
            // manifest.
            if userinfo.is_none() || without_userinfo(&former).1.is_none() {
                return Ok(None);
            }
        } else {
            let (dir, old, new) = (
                clone.dir.display(),
                redact_urls(&former),
                redact_urls(wanted),
            );
            let message = format!("{dir} is a clone of {old}, and the manifest now names {new}");
            if !own::is_ours(&clone.dir) {
                return Err(Failure::new(format!(
                    "{message}; hoist did not clone it, and does not change it: move it away to clone it again"
                )));
            }
            if let Some(own) = own::own_history(&clone.dir, context.machine)? {
                return Err(Failure::new(format!(
                    "{message}; it is not changed since it has {own}: push or remove that, then update again"
                )));
            }
            if !self.is_related(branch, wanted)? {
                let help = format!(
                    "run `hoist install --force {}` to replace the clone",
                    context.module
                );
                return Err(Failure::new(format!(
                    "{message}, which has no common history with it; nothing was changed: {help}"
                )));
            }
            context.task.note(
                Level::Info,
                format!("{dir} now follows {new} instead of {old}"),
            );
        }
        clone.set_url(&branch.remote, &clean)?;
        Ok(Some(former))
    }

    /// Returns true where the repository at a URL has history in common with the clone.
    fn is_related(&self, branch: &LocalBranch, url: &str) -> Result<bool, Failure> {
        const FETCHED: &str = "refs/hoist/moved";
        let Self { clone, .. } = self;
        let (clean, shown) = (without_userinfo(url).0, redact_urls(url));
        let state = remote::ask(&clone.program, &clean, &shown, &branch.upstream)?;
        let Some(destination) = self.destination(branch, &state)? else {
            return Ok(false);
        };
        let refspec = format!("+refs/heads/{}:{FETCHED}", destination.branch);
        let fetch = [
            "fetch",
            "--progress",
            "--no-tags",
            "--no-recurse-submodules",
            "--",
            &clean,
            &refspec,
        ];
        interrupted::fetching(&clone.git_dir, || {
            clone
                .program
                .transfer(&format!("cannot fetch {shown}"), fetch, &clone.git_dir)
        })?;
        let related = clone.program.holds(["merge-base", "HEAD", FETCHED]);
        clone.program.read(["update-ref", "-d", FETCHED])?;
        related
    }

    /// Asks the remote, fetches what is new, and goes there.
    fn follow(&self, branch: &LocalBranch, before: &Submodules) -> Result<bool, Failure> {
        let Self { clone, context, .. } = self;
        let shown = redact_urls(&self.url);
        let state = remote::ask(&clone.program, &branch.remote, &shown, &branch.upstream)?;
        let Some(destination) = self.destination(branch, &state)? else {
            return Ok(false);
        };
        let follows_another = destination.branch != branch.upstream;
        let tracking = format!("refs/remotes/{}/{}", branch.remote, destination.branch);
        // Before the fetch: afterwards the remote's former commits are nobody's.
        let own = self.own_commits(branch)?;
        if follows_another && !own.is_empty() {
            return Err(self.refusal(branch, &destination, &own));
        }
        if clone.commit_of(&tracking)?.as_deref() != Some(&destination.commit) {
            self.fetch(branch, &destination, own.is_empty())?;
        }
        context.task.check()?;
        // It may have moved on meanwhile.
        let commit = clone
            .commit_of(&tracking)?
            .unwrap_or_else(|| destination.commit.clone());
        let destination = Destination {
            commit,
            ..destination
        };
        let Some(old) = &branch.commit else {
            return self
                .update_record(branch, &destination, "", before)
                .map(|()| true);
        };
        let is_ancestor = |one: &str, other: &str| {
            clone
                .program
                .holds(["merge-base", "--is-ancestor", one, other])
        };
        if !follows_another
            && (*old == destination.commit || is_ancestor(&destination.commit, old)?)
        {
            return Ok(false);
        }
        let is_forward = is_ancestor(old, &destination.commit)?;
        if !is_forward && !own.is_empty() {
            return Err(self.refusal(branch, &destination, &own));
        }
        if !is_forward {
            self.keep_former(old, &destination)?;
        }
        self.update_record(branch, &destination, old, before)?;
        if follows_another {
            let (from, to) = (&branch.upstream, &destination.branch);
            context.task.note(
                Level::Warning,
                format!(
                    "the branch {from} was replaced upstream; {} is now on {to}",
                    clone.dir.display()
                ),
            );
        }
        Ok(true)
    }

    /// The branch of the remote that the clone follows from now on; `None` where there is nothing
    /// to follow.
    fn destination(
        &self,
        branch: &LocalBranch,
        state: &RemoteState,
    ) -> Result<Option<Destination>, Failure> {
        let Self { clone, .. } = self;
        let default = state
            .default
            .clone()
            .zip(state.head.clone())
            .map(|(branch, commit)| Destination { branch, commit });
        let Some(commit) = state.branch.clone() else {
            if !branch.has_upstream {
                return Err(self.without_upstream(branch, default.as_ref()));
            }
            if let Some(default) = default {
                return Ok(Some(default));
            }
            let message = format!(
                "the branch {} was removed from {}",
                branch.upstream,
                redact_urls(&self.url)
            );
            return Err(Failure::new(format!(
                "{message}, which has no default branch; nothing was changed: check out another branch"
            )));
        };
        let current = Destination {
            branch: branch.upstream.clone(),
            commit,
        };
        // Who named a branch, or checked one out, follows that; everybody else the one that the
        // remote names.
        let followed_default = || -> Result<bool, Failure> {
            let recorded = clone.symbolic(&format!("refs/remotes/{}/HEAD", branch.remote))?;
            Ok(recorded.as_deref() == Some(branch.tracking().as_str()))
        };
        match default.filter(|default| default.branch != branch.upstream) {
            Some(default) if self.arguments.branch.is_none() && followed_default()? => {
                Ok(Some(default))
            }
            _ => Ok(Some(current)),
        }
    }

    /// A branch that the user made, which no branch of the remote replaces.
    fn without_upstream(&self, branch: &LocalBranch, default: Option<&Destination>) -> Failure {
        let dir = self.clone.dir.display().to_string();
        let message = format!(
            "{dir} is on the local branch {}, which has no upstream; nothing was changed",
            branch.name
        );
        let git = format!("git -C {}", shell_quoted(&dir));
        let switch = match default {
            Some(default) => format!("`{git} switch {}`", default.branch),
            None => format!("`{git} switch BRANCH`"),
        };
        Failure::new(format!(
            "{message}: switch to a branch of {} ({switch}), then update again",
            redact_urls(&self.url)
        ))
    }

    /// Commits of the clone that its remote never had, the newest first, a line each.
    fn own_commits(&self, branch: &LocalBranch) -> Result<Vec<String>, Failure> {
        let Self { clone, .. } = self;
        if branch.commit.is_none() {
            return Ok(Vec::new());
        }
        let known = own::known_commits(&clone.git_dir);
        let options = [
            "log",
            "--max-count=1000",
            "--format=%h %s",
            "--ignore-missing",
            "HEAD",
            "--not",
            "--remotes",
        ];
        let text = clone
            .program
            .read(options.into_iter().chain(known.iter().map(String::as_str)))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn refusal(&self, branch: &LocalBranch, destination: &Destination, own: &[String]) -> Failure {
        const MAX_LISTED: usize = 3;
        let dir = self.clone.dir.display();
        let mut named = own
            .iter()
            .take(MAX_LISTED)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("; ");
        if own.len() > MAX_LISTED {
            named += &format!(" and {} more", own.len() - MAX_LISTED);
        }
        let upstream = format!("{}/{}", branch.remote, destination.branch);
        let follows_another = destination.branch != branch.upstream;
        let what = match follows_another {
            false => format!("{dir} and {upstream} have diverged"),
            true => format!(
                "{dir} is on {}, which {} replaces upstream",
                branch.upstream, destination.branch
            ),
        };
        let message =
            format!("{what}; nothing was changed, since these commits are only local: {named}");
        let git = format!(
            "git -C {}",
            shell_quoted(&self.clone.dir.display().to_string())
        );
        // A clone of a single branch has to be told of another one first.
        let refspecs = self.clone.program.run([
            "config",
            "--get-all",
            &format!("remote.{}.fetch", branch.remote),
        ]);
        let is_narrow = refspecs.is_ok_and(|refspecs| !refspecs.stdout.contains('*'));
        let set_branches = match follows_another && is_narrow {
            true => format!(
                "{git} remote set-branches {} {} && ",
                branch.remote, destination.branch
            ),
            false => String::new(),
        };
        let fetch = format!("{set_branches}{git} fetch {}", branch.remote);
        let rebase = match own.last().and_then(|line| line.split(' ').next()) {
            Some(first) => format!("{git} rebase --onto {upstream} {first}~1"),
            None => format!("{git} rebase {upstream}"),
        };
        let (keep, discard) = match follows_another {
            false => (rebase, format!("{git} reset --hard {upstream}")),
            true => (
                format!("{rebase} && {git} branch --set-upstream-to={upstream}"),
                format!(
                    "{git} checkout -B {} --track {upstream}",
                    destination.branch
                ),
            ),
        };
        Failure::new(format!(
            "{message}. To keep them: `{fetch} && {keep}`; to discard them: `{fetch} && {discard}`"
        ))
    }

    fn fetch(
        &self,
        branch: &LocalBranch,
        destination: &Destination,
        is_known: bool,
    ) -> Result<(), Failure> {
        let Self { clone, .. } = self;
        let tags = own::tags(&clone.dir, &clone.program)?;
        let refspec = format!(
            "+refs/heads/{0}:refs/remotes/{1}/{0}",
            destination.branch, branch.remote
        );
        // The other branches too, where the clone follows them; a branch that is gone must not end
        // the fetch.
        let mut arguments = vec![
            "fetch",
            "--progress",
            "--no-recurse-submodules",
            "--",
            branch.remote.as_str(),
        ];
        if destination.branch != branch.upstream {
            arguments.push(&refspec);
        }
        let doing = format!("cannot fetch {}", redact_urls(&self.url));
        interrupted::fetching(&clone.git_dir, || {
            clone.program.transfer(&doing, arguments, &clone.git_dir)?;
            if clone
                .commit_of(&format!(
                    "refs/remotes/{}/{}",
                    branch.remote, destination.branch
                ))?
                .is_none()
            {
                let arguments = [
                    "fetch",
                    "--progress",
                    "--no-recurse-submodules",
                    "--",
                    branch.remote.as_str(),
                    &refspec,
                ];
                clone.program.transfer(&doing, arguments, &clone.git_dir)?;
            }
            Ok(())
        })?;
        let now = own::tags(&clone.dir, &clone.program)?;
        let commits = branch.commit.iter().filter(|_| is_known);
        let commits: Vec<String> = commits
            .cloned()
            .chain([destination.commit.clone()])
            .collect();
        own::remember(&clone.git_dir, Some(&tags), &now, &commits);
        Ok(())
    }

    /// Keeps the commits that the remote no longer has, in hoist's state, and says so.
    fn keep_former(&self, old: &str, destination: &Destination) -> Result<(), Failure> {
        let Self { clone, context, .. } = self;
        let short = &old[..12];
        let rewritten = format!("{} was rewritten upstream", redact_urls(&self.url));
        let Some(state) = context.state else {
            context.task.note(
                Level::Warning,
                format!(
                    "{rewritten}; {} no longer has commit {short}",
                    clone.dir.display()
                ),
            );
            return Ok(());
        };
        let directory = state.join("clones");
        let file = directory.join(format!("{}-{short}.bundle", context.module));
        private_directory(&directory)
            .map_err(|error| context.task.failed("cannot make", &directory, &error))?;
        let name = file.display().to_string();
        let excluded = format!("^{}", destination.commit);
        let bundled = clone
            .program
            .run(["bundle", "create", "--quiet", &name, "HEAD", &excluded])?;
        if !bundled.exit.success() {
            return Err(Failure::new(format!(
                "{rewritten}; its previous commits could not be kept, and nothing was changed: {}",
                bundled.reason
            )));
        }
        let _ = make_private(&file);
        let help = format!(
            "run `git -C {} fetch {name} HEAD` to restore them",
            clone.dir.display()
        );
        context.task.note(
            Level::Warning,
            format!("{rewritten}; the previous commits up to {short} are kept in {name}: {help}"),
        );
        Ok(())
    }

    /// Goes to the destination, submodules and all, or back to where the clone was.
    fn update_record(
        &self,
        branch: &LocalBranch,
        destination: &Destination,
        old: &str,
        before: &Submodules,
    ) -> Result<(), Failure> {
        let Self { clone, .. } = self;
        let Destination { commit, .. } = destination;
        self.refuse_conflicts(old, commit)?;
        Transition {
            old: old.to_owned(),
            new: commit.clone(),
        }
        .begin(clone)?;
        let went = self.check_out(branch, destination, old).and_then(|()| {
            let after = Submodules::of(clone, self.arguments.recursive || before.is_used())?;
            after.update(clone)?;
            filters::check(&clone.dir, &clone.program, self.context.task)
        });
        if let Err(failure) = went {
            let back = self.go_back(branch, destination, old, before);
            let more = back
                .err()
                .map(|back| {
                    format!(
                        "; and restoring the previous commit failed: {}",
                        back.message
                    )
                })
                .unwrap_or_default();
            return Err(Failure {
                message: format!("{}{more}", failure.message),
                ..failure
            });
        }
        Transition::end(&clone.git_dir);
        Ok(())
    }

    /// Files that are not git's, where the new commit has some of its own.
    fn refuse_conflicts(&self, old: &str, new: &str) -> Result<(), Failure> {
        let Self { clone, .. } = self;
        if old.is_empty() {
            return Ok(());
        }
        let added = clone.program.read([
            "diff",
            "--name-only",
            "--no-renames",
            "-z",
            "--diff-filter=A",
            "--ignore-submodules=all",
            old,
            new,
        ])?;
        let in_the_way = |path: &&str| {
            !path.is_empty()
                && clone
                    .dir
                    .join(path)
                    .symlink_metadata()
                    .is_ok_and(|metadata| !metadata.is_dir())
        };
        match added.split('\0').find(in_the_way) {
            None => Ok(()),
            Some(path) => {
                let message = format!(
                    "{} has an untracked file, {path}, which the new version also has",
                    clone.dir.display()
                );
                Err(Failure::new(format!(
                    "{message}; nothing was changed: move it away, then update again"
                )))
            }
        }
    }

    fn check_out(
        &self,
        branch: &LocalBranch,
        destination: &Destination,
        old: &str,
    ) -> Result<(), Failure> {
        let Self { clone, .. } = self;
        let Destination {
            branch: name,
            commit,
        } = destination;
        let doing = format!("cannot update {}", clone.dir.display());
        let follows_another = *name != branch.upstream;
        if !follows_another
            && !old.is_empty()
            && clone
                .program
                .holds(["merge-base", "--is-ancestor", old, commit])?
        {
            let merge = [
                "merge",
                "--quiet",
                "--progress",
                "--ff-only",
                "--no-overwrite-ignore",
                commit.as_str(),
            ];
            return clone.program.transfer(&doing, merge, &clone.dir).map(drop);
        }
        let local = if follows_another { name } else { &branch.name };
        let check_out = [
            "checkout",
            "--quiet",
            "--progress",
            "--no-overwrite-ignore",
            "-B",
            local.as_str(),
            commit.as_str(),
        ];
        clone.program.transfer(&doing, check_out, &clone.dir)?;
        if follows_another {
            self.track(branch, name)?;
        }
        Ok(())
    }

    /// Makes the clone follow another branch of its remote, as if it had been cloned from there.
    fn track(&self, branch: &LocalBranch, name: &str) -> Result<(), Failure> {
        let program = &self.clone.program;
        let remote = &branch.remote;
        let refspecs = program
            .run(["config", "--get-all", &format!("remote.{remote}.fetch")])?
            .stdout;
        let former = format!("+refs/heads/{0}:refs/remotes/{remote}/{0}", branch.upstream);
        if refspecs.trim() == former {
            // A clone of a single branch.
            program.read(["remote", "set-branches", remote, name])?;
        }
        program.read([
            "branch",
            "--quiet",
            &format!("--set-upstream-to={remote}/{name}"),
            name,
        ])?;
        program.read([
            "symbolic-ref",
            &format!("refs/remotes/{remote}/HEAD"),
            &format!("refs/remotes/{remote}/{name}"),
        ])?;
        if branch.name != name {
            program.read(["branch", "--quiet", "-D", &branch.name])?;
        }
        if self.clone.commit_of(&branch.tracking())?.is_some() && refspecs.trim() == former {
            program.read(["update-ref", "-d", &branch.tracking()])?;
        }
        Ok(())
    }

    fn go_back(
        &self,
        branch: &LocalBranch,
        destination: &Destination,
        old: &str,
        before: &Submodules,
    ) -> Result<(), Failure> {
        let Self { clone, context, .. } = self;
        if old.is_empty() {
            Transition::end(&clone.git_dir);
            return Ok(());
        }
        context.task.repair(|| {
            // The git that was at work has ended.
            interrupted::remove_locks(&clone.git_dir);
            let head = clone.program.read(["rev-parse", "HEAD"])?;
            if head == destination.commit {
                before.leave_new(clone)?;
                clone.program.read([
                    "checkout",
                    "--quiet",
                    "--force",
                    "-B",
                    branch.name.as_str(),
                    old,
                ])?;
                if destination.branch != branch.upstream {
                    let upstream = format!("{}/{}", branch.remote, branch.upstream);
                    let _ = clone.program.run([
                        "branch",
                        "--quiet",
                        &format!("--set-upstream-to={upstream}"),
                        &branch.name,
                    ]);
                }
                before.restore(clone)?;
            } else if !interrupted::restore(&clone.dir, old, &destination.commit, &clone.program)? {
                return Err(Failure::new(format!(
                    "{} has files of neither the old nor the new version",
                    clone.dir.display()
                )));
            }
            Transition::end(&clone.git_dir);
            Ok(())
        })
    }
}
