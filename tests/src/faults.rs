//! What goes wrong, made to go wrong: kills at every change, file systems of a test's own; and a
//! look at what is left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Ran, Sandbox, binary, has, ran};

/// Everything in the home directory that is not hoist's own or git's, with what it holds.
pub fn tree(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let home = sandbox.home();
    let mut waiting = vec![home.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(&home).unwrap().display().to_string();
            if name.starts_with(".local/state/hoist")
                || name.starts_with(".cache/hoist")
                || name.ends_with("/.git")
            {
                continue;
            }
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => waiting.push(path.clone()),
                kind if kind.is_symlink() => drop(
                    found.insert(
                        name.clone(),
                        path.read_link()
                            .unwrap()
                            .into_os_string()
                            .into_encoded_bytes(),
                    ),
                ),
                _ => drop(found.insert(name.clone(), std::fs::read(&path).unwrap())),
            }
            found.entry(name).or_default();
        }
    }
    found
}

/// Everything that an operator can see of a machine: files with their permissions, the state of
/// clones, and what the ledger says. Times and names of runs are left out.
pub fn observed(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let home = sandbox.home();
    let mut found = BTreeMap::new();
    for (name, contents) in tree(sandbox) {
        let path = home.join(&name);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &path.symlink_metadata().unwrap().permissions(),
        );
        let mut shown = format!("{mode:o} {}", String::from_utf8_lossy(&contents));
        if path.join(".git").exists() {
            for arguments in [
                ["rev-parse", "HEAD"].as_slice(),
                &["status", "--porcelain"],
                &["fsck", "--connectivity-only", "--no-dangling"],
            ] {
                let output = sandbox
                    .command("git")
                    .args(arguments)
                    .current_dir(&path)
                    .output()
                    .unwrap();
                shown += &format!(
                    "\ngit {}: {} {}",
                    arguments[0],
                    output.status,
                    String::from_utf8_lossy(&output.stdout)
                );
            }
        }
        // A copy is known by its name and a time.
        let copy = [".pre-slaanesh-", ".hoist-backup-"]
            .into_iter()
            .find_map(|suffix| Some((name.split_once(suffix)?, suffix)));
        let name = match copy {
            Some(((before, time), suffix)) => {
                format!(
                    "{before}{suffix}TIME{}",
                    time.split_once('/')
                        .map(|(_, below)| format!("/{below}"))
                        .unwrap_or_default()
                )
            }
            None => name.clone(),
        };
        found.insert(name, shown);
    }
    found.extend(ledger(sandbox));
    found
}

/// What the ledger says of modules and their files, a row an entry.
pub fn ledger(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let path = sandbox.home().join(".local/state/hoist/ledger.sqlite");
    if !path.exists() {
        return found;
    }
    let connection =
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap();
    for (table, columns) in [
        (
            "modules",
            "name, state, method, source, version, paths, planned, absent, adopted, requires, removal, found, asked",
        ),
        ("files", "module, path, kind, mode, digest"),
        (
            "configs",
            "module, path, digest, mode, created, original IS NULL, pending",
        ),
        ("edits", "module, path, before, after, replaced"),
        ("changes", "module, phase"),
        (
            "documents",
            "owner, key, document ->> '$.standing', document ->> '$.release.version', document ->> '$.attempt' IS NULL",
        ),
        (
            "runs",
            "count(*), status FROM runs WHERE status = 'running' --",
        ),
    ] {
        let mut select = connection
            .prepare(&format!("SELECT {columns} FROM {table}"))
            .unwrap();
        let count = select.column_count();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let value = |place| match row.get_ref(place).unwrap() {
                rusqlite::types::ValueRef::Blob(bytes) => {
                    String::from_utf8_lossy(bytes).into_owned()
                }
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                other => format!("{other:?}"),
            };
            let values: Vec<String> = (0..count)
                .map(value)
                .map(|value| value.replace(&*sandbox.path("").to_string_lossy(), ""))
                .collect();
            found.insert(
                format!("{table} {}", values[..2].join(" ")),
                values.join(" "),
            );
        }
    }
    found
}

/// The lines in which two observations differ.
pub fn differences(
    one: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let different = names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name));
    different
        .take(12)
        .map(|name| format!("{name}: {:?} and {:?}", one.get(name), other.get(name)))
        .collect()
}

/// Nothing is left of hoist but what it keeps: no stage, no former version, no temporary file, no
/// process.
#[track_caller]
pub fn nothing_is_left(sandbox: &Sandbox, context: &str) {
    let left: Vec<String> = tree(sandbox)
        .into_keys()
        .filter(|name| name.replace(".hoist-backup-", "").contains(".hoist-"))
        .collect();
    assert!(left.is_empty(), "{context}: {left:?}");
    let temporary: Vec<_> = std::fs::read_dir(sandbox.path("tmp"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(temporary.is_empty(), "{context}: {temporary:?}");
    let processes = processes(sandbox);
    assert!(processes.is_empty(), "{context}: {processes:?}");
}

/// Waits until the watchdogs of killed runs are done.
pub fn wait_for_watchdog(sandbox: &Sandbox) {
    let lock = std::fs::File::open(sandbox.home().join(".local/state/hoist/lock")).unwrap();
    lock.lock().unwrap();
}

/// The process that watches over a run of this process, once it has begun to.
pub fn watchdog_of(run: u32) -> u32 {
    loop {
        let children =
            std::fs::read_to_string(format!("/proc/{run}/task/{run}/children")).unwrap_or_default();
        let threads = std::fs::read_dir(format!("/proc/{run}/task"))
            .into_iter()
            .flatten()
            .flatten();
        let all = threads.map(|thread| {
            std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
        });
        let children = all.fold(children, |all, children| all + " " + &children);
        let is_watchdog = |process: &u32| {
            std::fs::read(format!("/proc/{process}/cmdline"))
                .is_ok_and(|line| line.windows(7).any(|part| part == b"__watch"))
        };
        if let Some(process) = children
            .split_whitespace()
            .filter_map(|process| process.parse().ok())
            .find(is_watchdog)
        {
            return process;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// The processes that run with the home directory of the sandbox.
pub fn processes(sandbox: &Sandbox) -> Vec<String> {
    let mark = format!("HOME={}", sandbox.home().display());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let ours = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    };
    pids.filter(ours)
        .map(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .unwrap_or_default()
                .replace('\0', " ")
        })
        .collect()
}

/// The program that kills another at one of its system calls.
fn tracer() -> PathBuf {
    const SOURCE: &str = include_str!("tracer.c");
    let program = std::env::current_exe().unwrap();
    let directory = program.parent().unwrap().join("hoist-tracer");
    std::fs::create_dir_all(&directory).unwrap();
    let lock = std::fs::File::create(directory.join("lock")).unwrap();
    lock.lock().unwrap();
    let (source, built) = (directory.join("tracer.c"), directory.join("tracer"));
    if !built.exists() || std::fs::read_to_string(&source).ok().as_deref() != Some(SOURCE) {
        std::fs::write(&source, SOURCE).unwrap();
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-o"])
            .arg(&built)
            .arg(&source)
            .status()
            .unwrap();
        assert!(compiled.success(), "cc does not compile tracer.c");
    }
    built
}

/// A system call that changes something.
#[derive(Debug, Clone)]
struct Call {
    /// Its number among those of a run.
    number: usize,
    /// The place in the program where it is made, as a number.
    place: String,
    /// Whether a process makes it that hoist started.
    is_child: bool,
}

/// Which processes are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victims {
    /// Hoist and the programs that it runs, each on its own.
    All,
    /// Hoist alone.
    Hoist,
}

/// The calls of an undisturbed run.
fn calls_of(sandbox: &Sandbox, arguments: &str) -> Vec<Call> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = sandbox.command(tracer());
    let output = command
        .arg("record")
        .arg(log.path())
        .arg(binary())
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = std::fs::read_to_string(log.path()).unwrap();
    let call = |line: &str| {
        let mut words = line.split(' ');
        let (number, place) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        Some(Call {
            number,
            place,
            is_child: words.next()? == "1",
        })
    };
    text.lines().filter_map(call).collect()
}

/// Runs hoist and kills the process, hoist or one that it started, that is about to make the call
/// of this number.
pub fn kill_at(sandbox: &Sandbox, arguments: &str, number: usize) {
    let mut command = sandbox.command(tracer());
    let output = command
        .args(["kill", &number.to_string()])
        .arg(binary())
        .args(arguments.split_whitespace())
        .output();
    assert_ne!(
        output.unwrap().status.code(),
        Some(126),
        "the tracer does not work"
    );
}

/// Which calls are killed at, and of how many places in the program: all calls where everything is
/// tested, else one at each second place. Which ones changes from day to day, or with
/// `HOIST_TEST_SEED`.
fn chosen(calls: Vec<Call>) -> (Vec<usize>, usize) {
    if std::env::var_os("HOIST_TEST_FULL").is_some() {
        let count = calls.len();
        return (calls.into_iter().map(|call| call.number).collect(), count);
    }
    let today = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
        / 86_400;
    let seed = std::env::var("HOIST_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(today);
    crate::note(&format!("HOIST_TEST_SEED={seed}"));
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for call in calls {
        places.entry(call.place).or_default().push(call.number);
    }
    let count = places.len();
    let one = |(place, numbers): (String, Vec<usize>)| {
        let mixed = place.bytes().fold(seed, |mixed, byte| {
            (mixed ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
        });
        (mixed >> 32 & 1 == 0).then(|| numbers[mixed as usize % numbers.len()])
    };
    (places.into_iter().filter_map(one).collect(), count)
}

/// Kills `arguments` in `prepared` sandboxes wherever the program changes something, and hands each
/// sandbox to `mended` afterwards. Returns how many points there are. Two threads share the work;
/// each prepares one sandbox, which is put back to what it was for every kill.
pub fn kill_everywhere(
    victims: Victims,
    prepared: impl Fn() -> Sandbox + Sync,
    arguments: &str,
    mended: impl Fn(&Sandbox, &str) + Sync,
) -> usize {
    let mut calls = calls_of(&prepared(), arguments);
    calls.retain(|call| victims == Victims::All || !call.is_child);
    let (points, count) = chosen(calls);
    let next = AtomicUsize::new(0);
    let worker = || {
        let sandbox = prepared();
        let template = Template::of(&sandbox);
        while let Some(point) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
            template.restore();
            kill_at(&sandbox, arguments, *point);
            mended(&sandbox, &format!("killed at change {point}"));
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(worker);
        worker();
        other.join().unwrap();
    });
    crate::note(&format!(
        "`{arguments}` was killed at {} of {count} points",
        points.len()
    ));
    count
}

/// A copy of everything in a sandbox, so that it can be put back. Paths that are written in it stay
/// true.
struct Template {
    copy: tempfile::TempDir,
    sandbox: PathBuf,
}

impl Template {
    fn of(sandbox: &Sandbox) -> Self {
        let template = Self {
            copy: tempfile::Builder::new()
                .prefix("hoist-template-")
                .tempdir()
                .unwrap(),
            sandbox: sandbox.path(""),
        };
        copy(&template.sandbox, template.copy.path());
        template
    }

    fn restore(&self) {
        for entry in std::fs::read_dir(&self.sandbox).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => std::fs::remove_dir_all(entry.path()).unwrap(),
                false => std::fs::remove_file(entry.path()).unwrap(),
            }
        }
        copy(self.copy.path(), &self.sandbox);
    }
}

/// Copies what is in a directory, with times, modes and owners.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .args(["-a", "--"])
        .arg(from.join("."))
        .arg(to)
        .status()
        .unwrap();
    assert!(copied.success(), "cannot copy {}", from.display());
}

/// After another run the tree is what an undisturbed run makes, nothing is left, and a further run
/// has nothing to do.
#[track_caller]
pub fn is_mended(
    sandbox: &Sandbox,
    command: &str,
    wanted: &BTreeMap<String, Vec<u8>>,
    context: &str,
) {
    let mended = sandbox.json(command);
    assert_eq!(
        mended.code, 0,
        "{context}:\n{}\n{}",
        mended.stdout, mended.stderr
    );
    let found = tree(sandbox);
    let names = |tree: &BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(wanted), "{context}");
    for (name, contents) in wanted {
        let [found, wanted] =
            [&found[name], contents].map(|contents| String::from_utf8_lossy(contents));
        assert_eq!(found, wanted, "{context}: {name}");
    }
    nothing_is_left(sandbox, context);
    let again = sandbox.json(command);
    assert!(
        again
            .statuses()
            .values()
            .all(|status| status == "unchanged"),
        "{context}: {}",
        again.stdout
    );
    assert_eq!(
        sandbox.json("history").exits(0).document()[0]["status"],
        "ok",
        "{context}"
    );
}

/// Runs a line of bash in a mount namespace of its own; `None` where the machine does not let us.
pub fn mounted(sandbox: &Sandbox, line: &str) -> Option<Ran> {
    if !has("unshare") || !has("mount") {
        return None;
    }
    let line = format!(
        "set -u; hoist='{}'; home='{}'; {line}",
        binary().display(),
        sandbox.home().display()
    );
    let ran = ran(sandbox
        .command("unshare")
        .args(["-m", "bash", "-c", &line])
        .output()
        .unwrap());
    if ran.stderr.contains("unshare failed") || ran.code == 77 {
        crate::note("skipped: this machine gives no mount namespace");
        return None;
    }
    Some(ran)
}
