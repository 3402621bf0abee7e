//! Clones a repository.

use std::path::{Path, PathBuf};

use hoist_core::{Diagnostic, redact_urls, without_userinfo};
use hoist_executor::{Effect, Failure, TaskContext};
use serde::Deserialize;

use crate::git_newer::newer_commits;
use hoist_git::local::{head, is_vacant, open_repository};
use hoist_git::paths::git_dir;
use hoist_git::program::Program;
use hoist_git::{filters, interrupted, own, program};
use hoist_guard::stage::StagingDir;
use hoist_machine::machine::Machine;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry, host_pool, path_pool};
use hoist_system::program::RequiredProgram;

/// A clone of `url` at `dir`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// The repository.
    pub url: String,
    /// Where it is cloned to.
    pub dir: PathBuf,
    /// Arguments of `git clone`.
    #[serde(default)]
    pub args: Vec<String>,
}

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = MethodEntry {
    programs: &[&GIT],
    is_repeatable: true,
    usual_seconds: 3.0,
    newer: newer_commits,
    ..MethodEntry::new::<Git>("git")
};

/// What clones and updates repositories.
pub(crate) static GIT: RequiredProgram = RequiredProgram {
    name: "git",
    find: |machine| machine.program_shown("git"),
    missing: Some(|machine| Diagnostic::error(program::missing(machine))),
};

impl Method for Git {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        std::iter::once(path_pool(&self.dir))
            .chain(host_pool(&self.url))
            .collect()
    }

    fn paths(&self) -> Vec<PathBuf> {
        vec![self.dir.clone()]
    }

    fn version(&self) -> Option<String> {
        head(&self.dir)
    }

    fn refuse(&self, context: &StepContext<'_>) -> Result<(), Failure> {
        if is_vacant(&self.dir) {
            return Ok(());
        }
        self.verify()?;
        if context.force {
            self.refuse_changes(context.machine)
        } else {
            Ok(())
        }
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let task = context.task;
        self.refuse(context)?;
        let there = !is_vacant(&self.dir);
        if there && !context.force {
            return self.restore(context);
        }
        let stage = match StagingDir::beside(&self.dir) {
            // A script that is kept to its directories may not write beside them.
            Err(error)
                if error.kind() == std::io::ErrorKind::PermissionDenied
                    && self.dir.is_dir()
                    && !there =>
            {
                let version = self
                    .clone_into(&self.dir, context)
                    .inspect_err(|_| empty(&self.dir))?;
                return Ok(Applied {
                    effect: Effect::Changed,
                    version,
                    paths: vec![self.dir.clone()],
                    ..Applied::unchanged()
                });
            }
            stage => stage.map_err(|error| task.failed("preparing", &self.dir, &error))?,
        };
        let version = self.clone_into(&stage.path(), context)?;
        task.check()?;
        let wrong =
            |error: std::io::Error| task.failed("cannot move the clone to", &self.dir, &error);
        let replaced = match there {
            true => {
                let replaced = stage.exchange().map_err(wrong)?;
                // Somebody may have worked in it while the new one was fetched.
                match own::changes(&replaced.path(), context.machine) {
                    Ok(None) => vec![replaced],
                    found => {
                        replaced.put_back().map_err(wrong)?;
                        let what =
                            found.map_or_else(|failure| failure.message, Option::unwrap_or_default);
                        let message = format!(
                            "{} was modified during the update ({what}); it is not changed",
                            self.dir.display()
                        );
                        return Err(Failure::new(format!(
                            "{message}: move it away to clone it again"
                        )));
                    }
                }
            }
            false => stage.commit().map(|()| Vec::new()).map_err(wrong)?,
        };
        Ok(Applied {
            effect: Effect::Changed,
            version,
            paths: vec![self.dir.clone()],
            replaced,
            ..Applied::unchanged()
        })
    }
}

impl Git {
    /// What is there has to be this repository, or a clone of hoist's own.
    fn verify(&self) -> Result<(), Failure> {
        if own::is_ours(&self.dir) {
            return Ok(());
        }
        let repository = hoist_core::Repository {
            url: self.url.clone(),
            dir: self.dir.clone(),
        };
        match hoist_git::local::obstruction(&repository) {
            None => Ok(()),
            Some(obstruction) => Err(Failure::new(format!(
                "{obstruction}: move it away to install this module"
            ))),
        }
    }

    /// Brings back files that are missing from a clone; local changes stay as they are.
    fn restore(&self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let program = filters::required(
            Program::new(context.task, context.machine)?
                .inside(&self.dir)
                .connecting_to(&self.url),
        );
        interrupted::recover(&self.dir, &program)?;
        let restored = match open_repository(&self.dir)
            .ok()
            .map(|repository| has_missing_files(&repository))
        {
            Some(Ok(false)) => false,
            _ => {
                let missing = program.read(["ls-files", "-z", "--deleted"])?;
                let missing: Vec<&str> = missing
                    .split('\0')
                    .filter(|file| !file.is_empty())
                    .collect();
                for files in missing.chunks(500) {
                    let paths = ["checkout-index", "--quiet", "--"]
                        .into_iter()
                        .chain(files.iter().copied());
                    program.transfer(
                        &format!("cannot restore files of {}", self.dir.display()),
                        paths,
                        &self.dir,
                    )?;
                }
                !missing.is_empty()
            }
        };
        let version = head(&self.dir);
        Ok(if restored {
            Applied::changed()
        } else {
            Applied::unchanged()
        }
        .version(version))
    }

    /// A clone that holds anything its repository does not is not replaced.
    fn refuse_changes(&self, machine: &Machine) -> Result<(), Failure> {
        let dir = self.dir.display();
        if self.dir.is_symlink() {
            return Err(Failure::new(format!(
                "{dir} is a symbolic link and is not changed: replace it with a directory to clone it again"
            )));
        }
        match own::changes(&self.dir, machine)? {
            None => Ok(()),
            Some(what) => Err(Failure::new(format!(
                "{dir} has local changes ({what}) and is not changed: restore them (`git restore .`), or move the directory away to clone it again"
            ))),
        }
    }

    /// Clones into a directory that does not exist or is empty, and returns the commit that is
    /// checked out.
    fn clone_into(
        &self,
        target: &Path,
        context: &StepContext<'_>,
    ) -> Result<Option<String>, Failure> {
        let program = filters::required(
            Program::new(context.task, context.machine)?.connecting_to(&self.url),
        );
        // A password stays in the manifest: the configuration of a clone may be read by everybody,
        // and is copied along.
        let (url, _) = without_userinfo(&self.url);
        let shown = redact_urls(&self.url);
        let arguments = ["clone", "--progress"]
            .into_iter()
            .chain(self.args.iter().map(String::as_str))
            .chain(["--", &url]);
        let arguments = arguments
            .map(std::ffi::OsString::from)
            .chain([target.as_os_str().to_owned()]);
        program.transfer(&format!("cannot clone {shown}"), arguments, target)?;
        finish(target, &program.inside(target), context.task).map_err(|failure| Failure {
            message: format!("cannot clone {shown}: {}", failure.message),
            ..failure
        })
    }
}

/// Checks what git cloned, and records what later updates have to know.
fn finish(
    target: &Path,
    program: &Program<'_>,
    task: &TaskContext,
) -> Result<Option<String>, Failure> {
    let git_dir = git_dir(target).ok_or_else(|| Failure::new("git created no repository"))?;
    filters::check(target, program, task)?;
    let commit = match head(target) {
        Some(commit) => Some(commit),
        None => {
            let commit = program.run(["rev-parse", "--verify", "--quiet", "--short=12", "HEAD"])?;
            commit
                .exit
                .success()
                .then(|| commit.stdout.trim().to_owned())
        }
    };
    own::remember(&git_dir, None, &own::tags(target, program)?, &[]);
    Ok(commit)
}

fn has_missing_files(repository: &git2::Repository) -> Result<bool, git2::Error> {
    let mut options = git2::StatusOptions::new();
    let statuses = repository.statuses(Some(options.include_untracked(false)))?;
    Ok(statuses.iter().any(|entry| entry.status().is_wt_deleted()))
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
