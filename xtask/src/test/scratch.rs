//! The temporary directory of the tests: in memory if the machine has enough, because most tests
//! create thousands of small files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file system for shared memory.
const MEMORY: &str = "/dev/shm";

/// Prefix of the directories that this creates there; the process id follows.
const PREFIX: &str = "hoist-tests-";

/// Required free space, in KiB: a test host takes half a gigabyte.
const NEEDED: u64 = 8 * 1024 * 1024;

/// A directory in memory, removed on drop.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Creates the directory. `None` if `TMPDIR` is set, the space is too small, or the file system
    /// does not allow execution.
    pub(super) fn find() -> Option<Self> {
        if std::env::var_os("TMPDIR").is_some() {
            return None;
        }
        remove_abandoned();
        let free = free(Path::new(MEMORY))?;
        let scratch = Self(Path::new(MEMORY).join(format!("{PREFIX}{}", std::process::id())));
        std::fs::create_dir(&scratch.0).ok()?;
        (free >= NEEDED && runs_programs(&scratch.0)).then_some(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes the directories of runs that were killed.
fn remove_abandoned() {
    for entry in std::fs::read_dir(MEMORY).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Returns the free space of a file system in KiB, from `df`.
fn free(path: &Path) -> Option<u64> {
    let output = Command::new("df")
        .args(["-k", "--output=avail"])
        .arg(path)
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .nth(1)?
        .trim()
        .parse()
        .ok()
}

/// Returns whether programs can run from the directory; not with `noexec`.
fn runs_programs(directory: &Path) -> bool {
    let program = directory.join("program");
    let written = std::fs::write(&program, "#!/bin/sh\n");
    let permitted =
        written.and_then(|()| std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)));
    let ran = permitted.and_then(|()| Command::new(&program).status());
    let _ = std::fs::remove_file(&program);
    ran.is_ok_and(|status| status.success())
}
