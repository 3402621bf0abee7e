//! What goes wrong, made to go wrong: kills at every change, file systems of a test's own; and a look at what is left.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;

use crate::{Ran, Sandbox, binary, has, ran};

/// The system calls that change something, by kind: a ledger that is written, names that change, what is made and removed, files that are written,
/// what has to reach the disk.
const CHANGES: &[&str] = &[
    "pwrite64,ftruncate",
    "rename,renameat,renameat2,linkat,symlinkat",
    "mkdir,mkdirat",
    "unlink,unlinkat,rmdir",
    "write,fchmod,chmod",
    "fsync,fdatasync",
];

/// Everything in the home directory that is not hoist's own or git's, with what it holds.
pub fn tree(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let home = sandbox.home();
    let mut waiting = vec![home.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(&home).unwrap().display().to_string();
            if name.starts_with(".local/state/hoist") || name.starts_with(".cache/hoist") || name.ends_with("/.git") {
                continue;
            }
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => waiting.push(path.clone()),
                kind if kind.is_symlink() => {
                    drop(found.insert(name.clone(), path.read_link().unwrap().into_os_string().into_encoded_bytes()))
                }
                _ => drop(found.insert(name.clone(), std::fs::read(&path).unwrap())),
            }
            found.entry(name).or_default();
        }
    }
    found
}

/// Nothing is left of hoist but what it keeps: no stage, no former version, no temporary file, no process.
#[track_caller]
pub fn nothing_is_left(sandbox: &Sandbox, context: &str) {
    let left: Vec<String> = tree(sandbox).into_keys().filter(|name| name.contains(".hoist-")).collect();
    assert!(left.is_empty(), "{context}: {left:?}");
    let temporary: Vec<_> = std::fs::read_dir(sandbox.path("tmp")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(temporary.is_empty(), "{context}: {temporary:?}");
    let processes = processes(sandbox);
    assert!(processes.is_empty(), "{context}: {processes:?}");
}

/// The processes that run with the home directory of the sandbox.
pub fn processes(sandbox: &Sandbox) -> Vec<String> {
    let mark = format!("HOME={}", sandbox.home().display());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let ours = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    pids.filter(ours).map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ")).collect()
}

/// Runs hoist and kills it when one of its threads, or a process it started, is about to make one of these calls for the n-th time. False when it
/// ended before.
pub fn killed_at(sandbox: &Sandbox, arguments: &str, calls: &str, point: usize) -> bool {
    let mut command = sandbox.command("strace");
    let inject = format!("inject={calls}:signal=SIGKILL:when={point}");
    command.args(["-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject]).arg(binary());
    let output = command.args(arguments.split_whitespace()).output().unwrap();
    output.status.signal() == Some(9) || output.status.code() == Some(137)
}

/// Kills `arguments` in `prepared` sandboxes at every `step`-th call of each kind, and hands each sandbox to `mended` afterwards. Two threads share the
/// work.
pub fn kill_everywhere(
    step: usize,
    prepared: impl Fn() -> Sandbox + Sync,
    arguments: &str,
    mended: impl Fn(&Sandbox, &str) + Sync,
) -> usize {
    let counts: Vec<usize> = std::thread::scope(|scope| {
        let worker = |turn: usize| {
            let (prepared, mended) = (&prepared, &mended);
            move || {
                let mut killed = 0;
                for calls in CHANGES {
                    for point in (1 + turn * step..).step_by(2 * step) {
                        let sandbox = prepared();
                        if !killed_at(&sandbox, arguments, calls, point) {
                            break;
                        }
                        killed += 1;
                        mended(&sandbox, &format!("killed at call {point} of {calls}"));
                    }
                }
                killed
            }
        };
        let other = scope.spawn(worker(1));
        vec![worker(0)(), other.join().unwrap()]
    });
    let killed = counts.iter().sum();
    crate::note(&format!("`{arguments}` was killed at {killed} points"));
    killed
}

/// After another run the tree is what an undisturbed run makes, nothing is left, and a further run has nothing to do.
#[track_caller]
pub fn is_mended(sandbox: &Sandbox, command: &str, wanted: &BTreeMap<String, Vec<u8>>, context: &str) {
    let mended = sandbox.json(command);
    assert_eq!(mended.code, 0, "{context}:\n{}\n{}", mended.stdout, mended.stderr);
    let found = tree(sandbox);
    let names = |tree: &BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(wanted), "{context}");
    assert!(found == *wanted, "{context}: the contents differ");
    nothing_is_left(sandbox, context);
    let again = sandbox.json(command);
    assert!(again.statuses().values().all(|status| status == "unchanged"), "{context}: {}", again.stdout);
    assert_eq!(sandbox.json("history").exits(0).document()[0]["status"], "ok", "{context}");
}

/// Runs a line of bash in a mount namespace of its own; `None` where the machine does not let us.
pub fn mounted(sandbox: &Sandbox, line: &str) -> Option<Ran> {
    if !has("unshare") || !has("mount") {
        return None;
    }
    let line = format!("set -u; hoist='{}'; home='{}'; {line}", binary().display(), sandbox.home().display());
    let ran = ran(sandbox.command("unshare").args(["-m", "bash", "-c", &line]).output().unwrap());
    if ran.stderr.contains("unshare failed") || ran.code == 77 {
        crate::note("skipped: this machine gives no mount namespace");
        return None;
    }
    Some(ran)
}
