//! What a source offers, as it was found the last time it was looked at.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use hoist_core::Maturity;
use serde::{Deserialize, Serialize};

/// The number of the index format; another is not read.
pub const FORMAT: u32 = 4;

/// What a source offers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// [`FORMAT`].
    pub format: u32,
    /// Where the source was, and what else of its settings counts.
    #[serde(default)]
    pub location: String,
    /// The state of the source: a revision, a digest.
    pub revision: String,
    /// When it was looked at, RFC 3339.
    pub synced_at: String,
    /// By name.
    pub entries: Vec<IndexEntry>,
    /// Modules at other revisions, which somebody asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<Chosen>,
}

/// A module at another revision than that of the index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// The revision, as somebody asked for it.
    pub revision: String,
    /// The module as it is there.
    pub entry: IndexEntry,
}

/// What a source offers under one name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexEntry {
    /// Its name.
    pub name: String,
    /// A sentence.
    pub summary: String,
    /// The newest version: of a rock, or the revision that changed it last.
    pub version: String,
    /// When that was, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// How far it is, as its author says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Maturity>,
    /// All stages that its author names, where these are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
    /// The number of that revision in the copy of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// How many revisions changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<u64>,
    /// Other labels, as they are written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// False where there is no file that could be loaded.
    pub loads: bool,
    /// What it says it needs, as it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<String>,
    /// Lua libraries its code asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<String>,
    /// Modules its code asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// Its tracked files, of a module that is a directory.
    #[serde(skip_serializing_if = "FileList::is_empty")]
    pub files: FileList,
    /// The digest of all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Which of them is its documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readme: Option<String>,
    /// Its licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where it is described.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// The versions of a rock, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What of it installs it, relative to its directory, where copying it is not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installer: Option<String>,
    /// Where its directory is, where its source has several places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<ModuleOrigin>,
    /// Its links that lead out of it or nowhere, with where to: they are no part of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<(String, String)>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Why it cannot be installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// Where the directory of a module is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleOrigin {
    /// The directory that it is, or the archive that it is in.
    pub path: PathBuf,
    /// In an archive, what stands before the names of its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What of the source that is of: a path, or a URL.
    pub from: String,
}

/// A file of a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexedFile<'a> {
    /// Relative to the module's directory.
    pub path: &'a str,
    /// The SHA-256 of its contents; of a link that of where it leads.
    pub digest: &'a str,
    /// Whether it may be run.
    pub executable: bool,
    /// Where it leads, of a link.
    pub link: Option<&'a str>,
}

impl IndexedFile<'_> {
    /// Where a link leads in the module, relative to its directory; nothing for a link that leads
    /// out of it, and for what is no link.
    pub fn leads_to(&self) -> Option<PathBuf> {
        let mut place = Path::new(self.path).parent()?.to_owned();
        for part in Path::new(self.link?).components() {
            match part {
                Component::Normal(part) => place.push(part),
                Component::ParentDir => {
                    if !place.pop() {
                        return None;
                    }
                }
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        Some(place)
    }
}

/// The files of a module. An index has thousands, and most commands look at none of them, so they
/// are one text: a line each, of the digest, a character (`*` may be run, `@` is a link), the path,
/// and behind a zero where a link leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileList(String);

impl FileList {
    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a file. A line break in a name or in where a link leads is no line break any more, and
    /// such a file is not found again.
    pub fn push(&mut self, file: &IndexedFile<'_>) {
        let plain = |text: &str| text.replace('\n', "\u{fffd}");
        let flag = match (file.link, file.executable) {
            (Some(_), _) => '@',
            (None, true) => '*',
            (None, false) => ' ',
        };
        self.0 += file.digest;
        self.0.push(flag);
        self.0 += &plain(file.path);
        if let Some(target) = file.link {
            self.0.push('\0');
            self.0 += &plain(target);
        }
        self.0.push('\n');
    }

    /// The files, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = IndexedFile<'_>> {
        self.0.lines().filter_map(|line| {
            let (digest, rest) = line.split_at_checked(64)?;
            let mut rest = rest.chars();
            let flag = rest.next()?;
            let (path, link) = match rest.as_str().split_once('\0') {
                Some((path, target)) => (path, Some(target)),
                None => (rest.as_str(), None),
            };
            Some(IndexedFile {
                path,
                digest,
                executable: flag == '*',
                link,
            })
        })
    }
}

/// One version of a rock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Offer {
    /// With the revision of its rockspec.
    pub version: String,
    /// What it needs; absent while its rockspec has not been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depends: Option<Vec<String>>,
    /// The name of the file that is installed.
    pub archive: String,
}

/// What became different between two looks at a source, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Offered now.
    pub new: Vec<String>,
    /// In another version than before.
    pub changed: Vec<String>,
    /// Not offered any more.
    pub gone: Vec<String>,
}

impl Changes {
    /// True when both looks saw the same.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }
}

impl Index {
    /// What a source offers under this name.
    pub fn get(&self, name: &str) -> Option<&IndexEntry> {
        self.entries
            .binary_search_by(|entry| entry.name.as_str().cmp(name))
            .ok()
            .map(|place| &self.entries[place])
    }

    /// What is different from an earlier look.
    pub fn since(&self, former: &Index) -> Changes {
        let mut before: BTreeMap<&str, &str> = former
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.version.as_str()))
            .collect();
        let mut changes = Changes::default();
        for entry in &self.entries {
            match before.remove(entry.name.as_str()) {
                None => changes.new.push(entry.name.clone()),
                Some(version) if version != entry.version => {
                    changes.changed.push(entry.name.clone())
                }
                Some(_) => {}
            }
        }
        changes.gone = before.into_keys().map(str::to_owned).collect();
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &[(&str, &str)]) -> Index {
        let entry = |(name, version): &(&str, &str)| IndexEntry {
            name: (*name).into(),
            version: (*version).into(),
            ..IndexEntry::default()
        };
        Index {
            entries: entries.iter().map(entry).collect(),
            ..Index::default()
        }
    }

    #[test]
    fn what_is_new_changed_and_gone_is_told_apart() {
        let (former, now) = (
            index(&[("a", "1"), ("b", "1"), ("c", "1")]),
            index(&[("a", "1"), ("b", "2"), ("d", "1")]),
        );
        let changes = now.since(&former);
        assert_eq!(
            (changes.new, changes.changed, changes.gone),
            (
                vec!["d".to_owned()],
                vec!["b".to_owned()],
                vec!["c".to_owned()]
            )
        );
        assert!(now.since(&now).is_empty());
        assert_eq!(now.get("b").unwrap().version, "2");
        assert!(now.get("c").is_none());
    }

    #[test]
    fn a_list_of_files_gives_back_what_was_put_into_it() {
        let digest = "0".repeat(64);
        let file = |path, executable, link| IndexedFile {
            path,
            digest: &digest,
            executable,
            link,
        };
        let files = [
            file("a b\tc", false, None),
            file("d/e*", true, None),
            file("@ l", false, Some("d/e")),
            file("ä", false, None),
        ];
        let mut list = FileList::default();
        files.iter().for_each(|file| list.push(file));
        let stored: FileList =
            serde_json::from_str(&serde_json::to_string(&list).unwrap()).unwrap();
        assert_eq!(stored.iter().collect::<Vec<_>>(), files);
        assert!(FileList("nonsense\n".into()).iter().next().is_none());
    }
}
