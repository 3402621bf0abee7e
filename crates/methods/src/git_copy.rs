//! Hoist's own copies of repositories, in its cache. They are nobody's work: whatever happened to
//! them, they become what the remote has.

use std::path::Path;

use hoist_core::{redact_urls, without_userinfo};
use hoist_executor::{Effect, Failure};

use crate::git::Git;
use hoist_git::filters;
use hoist_git::local::{set_url, usable};
use hoist_git::paths::git_dir;
use hoist_git::program::Program;
use hoist_guard::rollback::{EndOfRun, clean_repository};
use hoist_system::context::StepContext;
use hoist_system::method::Method;

/// Brings the copy at `dir` to a branch or tag of a repository, or to what its HEAD leads to.
pub fn refresh(
    url: &str,
    reference: Option<&str>,
    dir: &Path,
    context: &StepContext<'_>,
) -> Result<Effect, Failure> {
    let program = Program::new(context.task, context.machine)?.connecting_to(url);
    let is_usable = git_dir(dir).is_some() && usable(dir, &program.inside(dir)).is_ok();
    if is_usable {
        match reset(url, reference, dir, &program.inside(dir)) {
            Ok(effect) => return Ok(effect),
            // What the remote refuses, a new copy would meet as well.
            Err(Trouble::Remote(failure)) => return Err(failure),
            Err(Trouble::Copy) => context.task.check()?,
        }
    }
    if dir.symlink_metadata().is_ok() {
        std::fs::remove_dir_all(dir)
            .map_err(|error| context.task.failed("cannot remove", dir, &error))?;
    }
    let args = reference
        .map(|reference| vec!["--branch".to_owned(), reference.to_owned()])
        .unwrap_or_default();
    Git {
        url: url.to_owned(),
        dir: dir.to_owned(),
        args,
    }
    .apply(context)
    .map(|applied| applied.effect)
}

/// Why a copy is not what the remote has.
enum Trouble {
    Remote(Failure),
    Copy,
}

fn reset(
    url: &str,
    reference: Option<&str>,
    dir: &Path,
    program: &Program<'_>,
) -> Result<Effect, Trouble> {
    let local = |_: Failure| Trouble::Copy;
    let git_dir = git_dir(dir).ok_or(Trouble::Copy)?;
    for lock in ["index.lock", "HEAD.lock", "shallow.lock"] {
        let _ = std::fs::remove_file(git_dir.join(lock));
    }
    clean_repository(&git_dir, EndOfRun::NOW);
    let clean = without_userinfo(url).0;
    set_url(&git_dir, "origin", &clean).map_err(local)?;
    let before = program.read(["rev-parse", "HEAD"]).map_err(local)?;
    let fetch = [
        "fetch",
        "--progress",
        "--force",
        "--no-recurse-submodules",
        "--",
        &clean,
        reference.unwrap_or("HEAD"),
    ];
    program
        .transfer(
            &format!("cannot fetch {}", redact_urls(url)),
            fetch,
            &git_dir,
        )
        .map_err(Trouble::Remote)?;
    let after = program
        .read(["rev-parse", "FETCH_HEAD^{commit}"])
        .map_err(local)?;
    let is_dirty = !program
        .read(["status", "--porcelain", "--ignored"])
        .map_err(local)?
        .is_empty();
    if before == after && !is_dirty {
        return Ok(Effect::Unchanged);
    }
    let program = filters::required(program.clone());
    program
        .read(["checkout", "--quiet", "--force", "--detach", after.as_str()])
        .map_err(local)?;
    program
        .read(["reset", "--quiet", "--hard", after.as_str()])
        .map_err(local)?;
    program.read(["clean", "-ffdxq"]).map_err(local)?;
    Ok(Effect::Changed)
}
