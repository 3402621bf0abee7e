//! Modules that are directories of one big repository: `mod_x/` with a README, and with code that
//! is only looked at.

use std::collections::BTreeSet;
use std::path::Path;

use hoist_core::{Digest, Maturity};
use sha2::{Digest as _, Sha256};

use crate::index::{FileList, IndexEntry, IndexedFile};
use crate::readme;

/// A tracked file of a module, relative to its directory.
#[derive(Debug, Clone)]
pub struct TrackedFile {
    /// Its path, with slashes.
    pub path: String,
    /// What it holds.
    pub content: Content,
    /// Whether it may be run.
    pub executable: bool,
}

/// What a tracked file holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// These bytes.
    File(Vec<u8>),
    /// It is a link, to here.
    Link(String),
}

/// What last changed a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastChange {
    /// The revision.
    pub revision: String,
    /// When, RFC 3339.
    pub date: Option<String>,
    /// The number of the revision in the copy of the repository.
    pub number: Option<u64>,
    /// How many revisions changed the module.
    pub changes: Option<u64>,
}

/// Reads one module.
pub fn entry(name: &str, files: &[TrackedFile], last: &LastChange) -> IndexEntry {
    let (files, left_out) = without_odd_links(files);
    let text = |path: &str| {
        files
            .iter()
            .find(|file| file.path == path)
            .and_then(|file| match &file.content {
                Content::File(bytes) => Some(String::from_utf8_lossy(bytes)),
                Content::Link(_) => None,
            })
    };
    let readme = ["README.md", "README.markdown"]
        .into_iter()
        .find(|path| text(path).is_some());
    let head = readme
        .and_then(text)
        .map(|text| readme::head(&text))
        .unwrap_or_default();
    let (mut libraries, mut modules) = (BTreeSet::new(), BTreeSet::new());
    let scripts = files.iter().filter(|file| file.path.ends_with(".lua"));
    for file in scripts {
        if let Content::File(bytes) = &file.content {
            let code = String::from_utf8_lossy(bytes);
            libraries.extend(arguments(&code, "require").filter(|library| !is_of_server(library)));
            modules
                .extend(arguments(&code, "module:depends").map(|module| format!("mod_{module}")));
        }
    }
    modules.remove(name);
    let own = |library: &String| {
        let path = library.replace('.', "/") + ".lua";
        files
            .iter()
            .any(|file| file.path == path || file.path.ends_with(&format!("/{path}")))
    };
    let main = format!("{name}.lua");
    // The server also looks one directory deeper.
    let loads = |file: &&TrackedFile| {
        file.path == main
            || file
                .path
                .split_once('/')
                .is_some_and(|(_, rest)| rest == main)
    };
    let (stages, labels): (Vec<String>, Vec<String>) = head
        .labels
        .into_iter()
        .partition(|label| label.to_lowercase().starts_with("stage-"));
    let list = indexed(&files);
    IndexEntry {
        name: name.to_owned(),
        summary: head.summary.unwrap_or_default(),
        version: last.revision.clone(),
        date: last.date.clone(),
        stage: Maturity::of(&stages),
        stages: if stages.len() > 1 {
            stages
                .iter()
                .map(|label| label[6..].to_lowercase())
                .collect()
        } else {
            Vec::new()
        },
        number: last.number,
        changes: last.changes,
        labels,
        superseded_by: head.superseded_by,
        loads: files.iter().any(loads),
        depends: head
            .depends
            .iter()
            .map(|depends| {
                format!("{} {}", depends.name, depends.constraint)
                    .trim()
                    .to_owned()
            })
            .collect(),
        libraries: libraries
            .into_iter()
            .filter(|library| !own(library))
            .collect(),
        modules: modules.into_iter().collect(),
        digest: digest(&list).as_str().to_owned(),
        files: list,
        readme: readme.map(str::to_owned),
        unusable: left_out
            .iter()
            .find(|(link, _)| *link == main)
            .map(|(link, target)| {
                format!("its {link} is a symbolic link to {target}, outside of the module")
            }),
        left_out,
        licence: files
            .iter()
            .any(|file| is_licence(&file.path))
            .then(|| "see its LICENSE file".to_owned()),
        damage: head
            .damage
            .map(|damage| format!("the header of its README is not valid YAML: {damage}")),
        ..IndexEntry::default()
    }
}

/// The files of a module without the links that lead out of it or to nothing in it; and these, with
/// where they lead.
fn without_odd_links(files: &[TrackedFile]) -> (Vec<&TrackedFile>, Vec<(String, String)>) {
    let paths: BTreeSet<&Path> = files
        .iter()
        .flat_map(|file| Path::new(&file.path).ancestors())
        .collect();
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for file in files {
        match &file.content {
            Content::Link(target) => {
                let link = IndexedFile {
                    path: &file.path,
                    link: Some(target),
                    ..IndexedFile::default()
                };
                match link
                    .leads_to()
                    .is_some_and(|place| paths.contains(place.as_path()))
                {
                    true => kept.push(file),
                    false => left_out.push((file.path.clone(), target.clone())),
                }
            }
            Content::File(_) => kept.push(file),
        }
    }
    (kept, left_out)
}

fn is_licence(path: &str) -> bool {
    let stem = path.split('.').next().unwrap_or_default().to_lowercase();
    matches!(stem.as_str(), "license" | "licence" | "copying")
}

fn indexed(files: &[&TrackedFile]) -> FileList {
    let mut list = FileList::default();
    for file in files {
        let (bytes, link) = match &file.content {
            Content::File(bytes) => (bytes.as_slice(), None),
            Content::Link(target) => (target.as_bytes(), Some(target.as_str())),
        };
        let digest: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        list.push(&IndexedFile {
            path: &file.path,
            digest: &digest,
            executable: file.executable,
            link,
        });
    }
    list
}

/// What comes with the server and with Lua.
fn is_of_server(library: &str) -> bool {
    let first = library.split(['.', '/']).next().unwrap_or_default();
    let server = matches!(first, "util" | "core" | "net" | "prosody");
    let language = matches!(
        library,
        "string"
            | "table"
            | "math"
            | "io"
            | "os"
            | "debug"
            | "coroutine"
            | "package"
            | "utf8"
            | "bit"
            | "bit32"
    );
    // Every installation of the server has these.
    server
        || language
        || matches!(
            library,
            "lxp" | "socket" | "ssl" | "lfs" | "socket.url" | "socket.http" | "ltn12"
        )
}

/// The strings that a function is called with: `name "x"`, `name("x")`, with either quotes.
fn arguments<'c>(code: &'c str, function: &'c str) -> impl Iterator<Item = String> + 'c {
    let begins = |at: usize| {
        code[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !(before.is_alphanumeric() || matches!(before, '_' | '.' | ':')))
    };
    code.match_indices(function)
        .filter(move |(at, _)| begins(*at) && !is_comment(code, *at))
        .filter_map(move |(at, _)| {
            let rest = code[at + function.len()..].trim_start_matches([' ', '\t', '(']);
            let quote = rest
                .chars()
                .next()
                .filter(|quote| matches!(quote, '"' | '\''))?;
            let argument = rest[1..].split(quote).next()?;
            let plain = !argument.is_empty()
                && argument.len() < 100
                && argument
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
            plain.then(|| argument.to_owned())
        })
}

fn is_comment(code: &str, at: usize) -> bool {
    let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
    code[line..at].contains("--")
}

/// The digest of what a module consists of.
fn digest(files: &FileList) -> Digest {
    Digest::of(
        files
            .iter()
            .flat_map(|file| [file.path.as_bytes(), file.digest.as_bytes()]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> TrackedFile {
        TrackedFile {
            path: path.into(),
            content: Content::File(content.into()),
            executable: false,
        }
    }

    #[test]
    fn a_module_is_read_and_its_code_only_looked_at() {
        let code = "local dbi = require \"DBI\"\nlocal st = require'util.stanza'\n-- require \"never\"\nmodule:depends(\"http\")\nlocal x = require(\"mod_a.helper\")\nmyrequire 'no'\n";
        let files = [
            file(
                "README.md",
                "---\nsummary: S\nlabels: [Stage-Beta, Statistics]\n---\n",
            ),
            file("mod_a.lua", code),
            file("mod_a/helper.lua", ""),
        ];
        let entry = entry(
            "mod_a",
            &files,
            &LastChange {
                revision: "abc".into(),
                ..LastChange::default()
            },
        );
        assert_eq!(
            (entry.summary.as_str(), entry.stage, entry.labels.as_slice()),
            ("S", Some(Maturity::Beta), &["Statistics".to_owned()][..])
        );
        assert_eq!(
            (entry.libraries.as_slice(), entry.modules.as_slice()),
            (&["DBI".to_owned()][..], &["mod_http".to_owned()][..])
        );
        assert!(
            entry.loads
                && entry.files.iter().count() == 3
                && entry.readme.as_deref() == Some("README.md")
        );
    }

    #[test]
    fn nested_modules_load_and_those_without_a_file_do_not() {
        let last = LastChange::default();
        assert!(entry("mod_a", &[file("sub/mod_a.lua", "")], &last).loads);
        assert!(!entry("mod_a", &[file("sub/deeper/mod_a.lua", "")], &last).loads);
        assert!(!entry("mod_a", &[file("README.md", "text")], &last).loads);
    }
}
