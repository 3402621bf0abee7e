//! Transcripts of commands, compared byte for byte with those that are checked in.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use regex::{Captures, Regex};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::{Ran, Sandbox, binary, ran};

/// What commands print, the exit codes, the ledger and the files they leave, with everything that
/// differs between two runs replaced.
pub struct Transcript<'s> {
    name: &'static str,
    sandbox: &'s Sandbox,
    text: String,
    /// Words that differ between runs, with what stands for them.
    replaced: Vec<(String, String)>,
}

/// Environment variable that makes tests write transcripts instead of comparing them.
const UPDATE: &str = "HOIST_UPDATE_GOLDEN";

/// Files with more bytes than this are shown by their size.
const MAX_SHOWN: usize = 400;

impl<'s> Transcript<'s> {
    /// An empty transcript called `name` of commands in a sandbox. Modules are processed one after
    /// another.
    pub fn new(name: &'static str, sandbox: &'s Sandbox) -> Self {
        let root = sandbox.path("");
        let root = root.to_string_lossy().trim_end_matches('/').to_owned();
        Self {
            name,
            sandbox,
            text: String::new(),
            replaced: vec![
                (root, "$ROOT".to_owned()),
                (binary().display().to_string(), "hoist".to_owned()),
            ],
        }
    }

    /// Replaces `word` wherever it is printed or recorded.
    pub fn hide(&mut self, word: impl AsRef<str>, shown: &str) -> &mut Self {
        self.replaced
            .push((word.as_ref().to_owned(), shown.to_owned()));
        self
    }

    /// Runs hoist with these arguments, separated by spaces, and records what it prints.
    pub fn run(&mut self, arguments: &str) -> Ran {
        let words = arguments.split_whitespace();
        let ran = ran(self
            .sandbox
            .command(binary())
            .args(words)
            .env("HOIST_JOBS", "1")
            .output()
            .unwrap());
        let _ = writeln!(self.text, "$ hoist {arguments}\n[exit {}]", ran.code);
        for (name, output) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
            if !output.is_empty() {
                let _ = writeln!(
                    self.text,
                    "[{name}]\n{}",
                    self.aligned(output).trim_end_matches('\n')
                );
            }
        }
        self.text.push('\n');
        self.forget_durations();
        ran
    }

    /// Runs hoist with these arguments and `--output json`.
    pub fn json(&mut self, arguments: &str) -> Ran {
        self.run(&format!("{arguments} --output json"))
    }

    /// Records the files in the home directory, and the rows of the ledger.
    pub fn state(&mut self) -> &Self {
        let _ = writeln!(self.text, "[files]\n{}", files(&self.sandbox.home()));
        let ledger = ledger(self.sandbox);
        if ledger.exists() {
            let _ = writeln!(self.text, "[ledger]\n{}", rows(&ledger));
        }
        self
    }

    /// The columns of a table are as wide as the paths in it, which differ in length between
    /// machines.
    fn aligned(&self, output: &str) -> String {
        match self.replaced.iter().any(|(word, _)| output.contains(word)) {
            true => Regex::new(r"(\S) {2,}")
                .unwrap()
                .replace_all(output, "$1  ")
                .into_owned(),
            false => output.to_owned(),
        }
    }

    /// Compares the transcript with the one that is checked in, or replaces that.
    #[track_caller]
    pub fn finish(&self) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("golden")
            .join(format!("{}.txt", self.name));
        let found = normalized(&self.text, &self.replaced);
        if std::env::var_os(UPDATE).is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, found).unwrap();
            return;
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if found != expected {
            let line = found
                .lines()
                .zip(expected.lines())
                .take_while(|(found, expected)| found == expected)
                .count();
            let around = |text: &str| {
                text.lines()
                    .skip(line.saturating_sub(3))
                    .take(9)
                    .map(|line| format!("  {line}\n"))
                    .collect::<String>()
            };
            panic!(
                "{} differs at line {}; with {UPDATE}=1 it is replaced\nexpected:\n{}found:\n{}",
                file.display(),
                line + 1,
                around(&expected),
                around(&found)
            );
        }
    }

    /// Modules are ordered by how long they took, which is never the same.
    fn forget_durations(&self) {
        let ledger = ledger(self.sandbox);
        if let (true, Ok(connection)) = (ledger.exists(), Connection::open(ledger)) {
            let _ = connection.execute("DELETE FROM durations", []);
        }
    }
}

fn ledger(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/state/hoist/ledger.sqlite")
}

/// Every path below a directory: its permissions, and what a small file holds. Of what tools keep
/// for themselves only the names are shown.
fn files(root: &Path) -> String {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let metadata = path.symlink_metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        let is_opaque = [".git", ".hg", "__pycache__"]
            .iter()
            .any(|end| path.ends_with(end))
            || name == ".cache/hoist";
        let shown = match metadata.file_type() {
            kind if kind.is_symlink() => format!("-> {}", path.read_link().unwrap().display()),
            kind if kind.is_dir() && is_opaque => format!("{mode:o} …"),
            kind if kind.is_dir() => {
                waiting.extend(
                    std::fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
                format!("{mode:o}")
            }
            _ => format!("{mode:o} {}", content(&path, &name)),
        };
        found.insert(name, shown);
    }
    found.remove("");
    found
        .into_iter()
        .map(|(name, shown)| format!("{name} {shown}\n"))
        .collect()
}

fn content(path: &Path, name: &str) -> String {
    // The ledger is shown by its rows; other files of the state have times, numbers of processes
    // and the length of paths in them.
    if name.starts_with(".local/state/hoist/") || name.ends_with(".pyc") {
        return "…".to_owned();
    }
    let bytes = std::fs::read(path).unwrap();
    match String::from_utf8(bytes) {
        Ok(text) if text.len() <= MAX_SHOWN => format!("{:?}", text),
        Ok(text) => format!("{} lines", text.lines().count()),
        Err(_) => "binary".to_owned(),
    }
}

/// Every row of every table.
fn rows(ledger: &Path) -> String {
    let connection = Connection::open(ledger).unwrap();
    let mut text = String::new();
    let list = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let tables: Vec<String> = connection
        .prepare(list)
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for table in tables {
        let mut select = connection
            .prepare(&format!("SELECT * FROM {table}"))
            .unwrap();
        let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
        let mut found = Vec::new();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let value = |(place, column): (usize, &String)| {
                format!("{column}={}", shown(row.get_ref(place).unwrap(), column))
            };
            let line = columns
                .iter()
                .enumerate()
                .map(value)
                .collect::<Vec<_>>()
                .join(" ");
            // What git and Mercurial keep for themselves has other names in every run.
            if !["/.git/", "/.hg/", "/.hoist-removed-"]
                .iter()
                .any(|inside| line.contains(inside))
            {
                found.push(line);
            }
        }
        found.sort();
        for row in found {
            text += &format!("{table}: {row}\n");
        }
    }
    text
}

fn shown(value: ValueRef<'_>, column: &str) -> String {
    match value {
        _ if ["pid", "duration_ms", "seconds", "was"].contains(&column) => "…".to_owned(),
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(_) => "…".to_owned(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.chars().any(char::is_control) || text.starts_with(['{', '[']) => {
                format!("{text:?}")
            }
            Ok(text) if text.len() <= MAX_SHOWN => format!("{text:?}"),
            _ => "blob".to_owned(),
        },
    }
}

/// The text with everything that differs between two runs replaced.
fn normalized(text: &str, replaced: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    let mut replaced: Vec<_> = replaced.iter().collect();
    replaced.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    for (word, shown) in replaced {
        text = text.replace(word, shown);
    }
    let plain = [
        (
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
            "TIME",
        ),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
        (r"\b20\d\d-\d\d-\d\d\b", "DAY"),
        (r"\d{8}-\d{6}", "STAMP"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\b\d+(\.\d+)?(ms|s)\b", "DURATION"),
        (r#"time="[0-9.]+""#, "time=\"0\""),
        (r#"\\?"pid\\?":\d+"#, "\"pid\":0"),
        (r#""owner":\[\d+,\d+\]"#, "\"owner\":[0,0]"),
        (r#""modified":\[\d+,\d+\]"#, "\"modified\":[0,0]"),
        (
            r#""(duration_ms|at_ms|elapsed_ms|pid|started_ms|ended_ms|size|mtime)": ?\d+"#,
            "\"$1\":0",
        ),
    ];
    let runs = Regex::new(r"\d{8}T\d{9}Z-\d+").unwrap();
    text = numbered(&text, &runs, "RUN");
    for (pattern, shown) in plain {
        text = Regex::new(pattern)
            .unwrap()
            .replace_all(&text, shown)
            .into_owned();
    }
    numbered(&text, &Regex::new(r"\b[0-9a-f]{12,64}\b").unwrap(), "HEX")
}

/// Replaces what a pattern finds by a word and a number, the same for the same text.
fn numbered(text: &str, pattern: &Regex, word: &str) -> String {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let replace = |found: &Captures<'_>| {
        let next = numbers.len() + 1;
        format!(
            "{word}-{}",
            numbers.entry(found[0].to_owned()).or_insert(next)
        )
    };
    pattern.replace_all(text, replace).into_owned()
}
