//! Which commits the remotes of clones have and these do not.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use hoist_core::{ModuleId, Repository, redact_urls};
use hoist_executor::{Failure, TaskContext};

use hoist_git::local::{LocalClone, open_repository};
use hoist_git::paths::git_dir;
use hoist_git::program::Program;
use hoist_git::remote;
use hoist_machine::machine::Machine;
use hoist_system::method::{MethodUse, Newer, NewerVersions};

/// Clones whose remotes are asked at once.
const AT_ONCE: usize = 16;

/// Compares a clone with its remote as of the last fetch. Starts no process.
pub fn clone_behind(dir: &Path) -> Option<Newer> {
    let repository = open_repository(dir).ok()?;
    let head = repository.head().ok()?;
    let (reference, commit) = (
        head.name().ok()?.to_owned(),
        head.peel_to_commit().ok()?.id(),
    );
    let upstream = repository.branch_upstream_name(&reference).ok()?;
    let upstream = repository.refname_to_id(upstream.as_str().ok()?).ok()?;
    let (_, behind) = repository.graph_ahead_behind(commit, upstream).ok()?;
    let short = |id: git2::Oid| id.to_string()[..12].to_owned();
    (behind > 0).then(|| Newer {
        installed: short(commit),
        offered: short(upstream),
    })
}

/// When a clone last heard of its remote.
pub fn fetched_at(dir: &Path) -> Option<SystemTime> {
    let git_dir = git_dir(dir)?;
    let modified = |name: &str| {
        git_dir
            .join(name)
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    modified("FETCH_HEAD").or_else(|| modified("config"))
}

/// Asks the remotes of clones, several at once.
pub(crate) fn newer_commits(uses: &[MethodUse<'_>], machine: &Machine) -> NewerVersions {
    let clone_of =
        |used: &MethodUse<'_>| Some((used.module.id.clone(), used.module.repository.clone()?));
    let clones: Vec<(ModuleId, Repository)> = uses.iter().filter_map(clone_of).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((module, repository)) = clones.get(next.fetch_add(1, Ordering::SeqCst)) {
            let answer = newer_commit(&repository.dir, &repository.url, machine).transpose();
            let mut found = found
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            found.extend(answer.map(|answer| (module.clone(), answer)));
        }
    };
    std::thread::scope(|scope| {
        (0..AT_ONCE.min(clones.len())).for_each(|_| drop(scope.spawn(work)))
    });
    found.into_inner().unwrap_or_default()
}

fn newer_commit(dir: &Path, url: &str, machine: &Machine) -> Result<Option<Newer>, Failure> {
    let task = TaskContext::alone(|_| {});
    let clone = LocalClone::open(dir, &task, machine)?;
    let Some(branch) = clone.branch()? else {
        return Ok(None);
    };
    let Some(commit) = branch.commit else {
        return Ok(None);
    };
    let program: Program<'_> = clone.program.clone().connecting_to(url);
    let state = remote::ask(
        &program,
        &branch.remote,
        &redact_urls(url),
        &branch.upstream,
    )?;
    let Some(offered) = state.branch.or(state.head) else {
        return Ok(None);
    };
    // What the clone has is not newer, also where commits of its own are on top of it.
    let has = program.holds(["merge-base", "--is-ancestor", &offered, "HEAD"])?;
    let short = |commit: &str| commit.get(..12).unwrap_or(commit).to_owned();
    Ok((!has).then(|| Newer {
        installed: short(&commit),
        offered: short(&offered),
    }))
}
