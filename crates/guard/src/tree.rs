//! Guards the files of people and of other modules while somebody else's program changes a tree.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use hoist_core::ProtectedTree;
use hoist_executor::{Failure, TaskContext};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The right to change a tree, among all hoists on the machine.
pub struct TreeLock(#[expect(dead_code, reason = "they are in use")] Vec<File>);

/// One at a time runs installers where the same is watched.
pub fn pool(tree: &ProtectedTree) -> (String, usize) {
    (format!("tree:{}", tree.ground().display()), 1)
}

/// How long it is waited for at a time.
const WAIT: Duration = Duration::from_millis(20);

/// What has to be locked, and whether for oneself: what is watched; and all that is above it
/// together with others, who may watch more than this. In one order for everybody, so that nobody
/// waits for somebody who waits.
fn locks(tree: &ProtectedTree, alone: bool) -> BTreeMap<PathBuf, bool> {
    let mut locks = BTreeMap::new();
    for watched in &tree.watch {
        // What is not there stands for what it would be made in.
        let Some(there) = watched.ancestors().find(|path| path.is_dir()) else {
            continue;
        };
        for above in there.ancestors().skip(1) {
            locks.entry(above.to_owned()).or_insert(false);
        }
        *locks.entry(there.to_owned()).or_insert(false) |= alone;
    }
    locks
}

fn take(path: &PathBuf, alone: bool) -> Result<Option<File>, std::io::Error> {
    let directory = match File::open(path) {
        // What is above may not be ours to look at; then it is nobody's who works here, either.
        Err(_) if !alone => return File::open("/").map(Some),
        directory => directory?,
    };
    let kind = if alone {
        FlockOperation::NonBlockingLockExclusive
    } else {
        FlockOperation::NonBlockingLockShared
    };
    match flock(&directory, kind) {
        Ok(()) => Ok(Some(directory)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes what a tree has for oneself, or together with others that only add directories of
/// their own.
pub fn lock(tree: &ProtectedTree, alone: bool, task: &TaskContext) -> Result<TreeLock, Failure> {
    let (mut held, mut told) = (Vec::new(), false);
    for (path, alone) in locks(tree, alone) {
        loop {
            match take(&path, alone)
                .map_err(|error| Failure::new(format!("cannot use {}: {error}", path.display())))?
            {
                Some(lock) => break held.push(lock),
                None => {
                    if !std::mem::replace(&mut told, true) {
                        task.output_line(&format!(
                            "waiting for another run that changes the {}",
                            tree.noun
                        ));
                    }
                    task.check()?;
                    std::thread::sleep(WAIT);
                }
            }
        }
    }
    Ok(TreeLock(held))
}

/// The same without waiting, for oneself.
pub(crate) fn try_lock(tree: &ProtectedTree) -> Option<TreeLock> {
    let held = locks(tree, true)
        .into_iter()
        .map(|(path, alone)| take(&path, alone).ok().flatten());
    held.collect::<Option<Vec<File>>>().map(TreeLock)
}
