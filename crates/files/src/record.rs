//! What an installer wrote, so that it is known again later: the contents of files as digests.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::listing::FileKind;
use crate::snapshot::{Snapshot, State};

/// One path as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What it is.
    pub kind: FileKind,
    /// Permissions.
    pub mode: u32,
    /// Of a file the SHA-256 of its contents, of a link that of its target; empty for everything
    /// else.
    pub digest: String,
}

/// What was written, by absolute path.
pub type Record = BTreeMap<PathBuf, Recorded>;

/// What somebody changed: of the recorded files and links those that are not as they were written.
pub fn edited<'a>(record: &'a Record, now: &'a Snapshot) -> impl Iterator<Item = &'a Path> {
    let differs =
        |path: &Path, state: &State| record.get(path).is_some_and(|recorded| !recorded.is(state));
    now.iter()
        .filter(move |(path, state)| differs(path, state))
        .map(|(path, _)| path.as_path())
}

/// The record after something was done: what is as it was before keeps its old entry, or has none;
/// what is different now was written. What was there before and in no record stays somebody's, also
/// when it was written to; what somebody had changed and is still as they had it, too.
///
/// A file that was written and could not be read has no digest: later nobody can tell whether it is
/// still the same.
pub fn update_record(old: &Record, before: &Snapshot, after: &Snapshot) -> Record {
    let entry = |(path, state): (&PathBuf, &State)| {
        let former = before.get(path);
        let known = old.get(path);
        let is_same = former.is_some_and(|former| former.has_same_contents(state));
        let is_somebodys =
            known.is_none() && former.is_some_and(|former| former.kind == state.kind);
        match is_same || is_somebodys {
            true => Some((path.clone(), known?.clone())),
            false => Some((path.clone(), Recorded::of(state))),
        }
    };
    after.iter().filter_map(entry).collect()
}

impl Recorded {
    /// The record of what stands at a path.
    pub fn of(state: &State) -> Self {
        Self {
            kind: state.kind,
            mode: state.mode,
            digest: state.digest.clone(),
        }
    }

    /// True for what stands there as it was written; of directories and the like only whether they
    /// are there.
    pub fn is(&self, state: &State) -> bool {
        (self.kind, &self.digest) == (state.kind, &state.digest)
    }
}

/// The SHA-256 of what can be read, in lower-case hexadecimal.
pub fn digest(mut source: impl Read) -> io::Result<String> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hexadecimal(&hasher.finalize()))
}

pub(crate) fn digest_of_link(target: &Path) -> String {
    hexadecimal(&Sha256::digest(target.as_os_str().as_bytes()))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SnapshotOptions;

    fn snapshot_of(root: &Path) -> Snapshot {
        Snapshot::take(&[root.to_owned()], &SnapshotOptions::PLAIN).unwrap()
    }

    #[test]
    fn what_a_person_changed_keeps_the_digest_of_what_was_installed() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("tool");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("theirs"), "1").unwrap();
        std::fs::write(root.join("edited"), "1").unwrap();
        let first = update_record(&Record::new(), &Snapshot::default(), &snapshot_of(&root));
        std::fs::write(root.join("edited"), "by a person").unwrap();
        std::fs::write(root.join("added"), "by a person").unwrap();
        let before = snapshot_of(&root);
        assert_eq!(
            edited(&first, &before).collect::<Vec<_>>(),
            [&root.join("edited")]
        );
        std::fs::write(root.join("theirs"), "2, by the update").unwrap();
        // Written once more, the same; and written to, but somebody's.
        std::fs::write(root.join("edited"), "by a person").unwrap();
        std::fs::write(root.join("added"), "by a person, and a line of the update").unwrap();
        let second = update_record(&first, &before, &snapshot_of(&root));
        assert_eq!(second[&root.join("edited")], first[&root.join("edited")]);
        assert_ne!(second[&root.join("theirs")], first[&root.join("theirs")]);
        assert!(!second.contains_key(&root.join("added")));
    }
}
