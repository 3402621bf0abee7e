//! What an installer wrote, so that it is known again later: the contents of files as digests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::picture::{Kind, Picture, Seen, at};

/// One path as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What it is.
    pub kind: Kind,
    /// Permissions.
    pub mode: u32,
    /// Of a file the SHA-256 of its contents, of a link that of its target; empty for everything else.
    pub digest: String,
}

/// What was written, by absolute path.
pub type Record = BTreeMap<PathBuf, Recorded>;

/// What somebody changed: of the recorded files and links those that are not as they were written, with their digests now.
pub fn edited(record: &Record, now: &Picture) -> BTreeMap<PathBuf, String> {
    let known: Vec<(&PathBuf, &Seen, &Recorded)> = now.iter().filter_map(|(path, seen)| Some((path, seen, record.get(path)?))).collect();
    let differs = |(path, seen, recorded): (&PathBuf, &Seen, &Recorded)| {
        let digest = digest_of(path, seen.kind).ok()?;
        (digest != recorded.digest).then(|| (path.clone(), digest))
    };
    known.into_par_iter().with_min_len(8).filter_map(differs).collect()
}

/// The record after something was done: what is as it was before keeps its old entry, or has none; what is different now was written. What was there
/// before and in no record stays somebody's, also when it was written to; what somebody had changed and is still as they had it, too (`edited`).
///
/// A file that was written and cannot be read has no digest: later nobody can tell whether it is still the same.
///
/// # Errors
/// When reading fails for another reason.
pub fn advance(old: &Record, before: &Picture, edited: &BTreeMap<PathBuf, String>, after: &Picture) -> io::Result<Record> {
    let is_same = |path: &PathBuf, seen| before.get(path).is_some_and(|before| before.has_same_contents(seen));
    let is_somebodys =
        |path: &PathBuf, seen: &Seen| !old.contains_key(path) && before.get(path).is_some_and(|before| before.kind == seen.kind);
    let (same, written): (Vec<_>, Vec<_>) = after.iter().partition(|(path, seen)| is_same(path, seen) || is_somebodys(path, seen));
    let mut record: Record = same.into_iter().filter_map(|(path, _)| Some((path.clone(), old.get(path)?.clone()))).collect();
    let written: io::Result<Vec<Option<(PathBuf, Recorded)>>> = written
        .into_par_iter()
        .with_min_len(8)
        .map(|(path, seen)| match digest_of(path, seen.kind) {
            Ok(digest) if edited.get(path) == Some(&digest) => Ok(old.get(path).map(|recorded| (path.clone(), recorded.clone()))),
            Ok(digest) => Ok(Some((path.clone(), Recorded { kind: seen.kind, mode: seen.mode, digest }))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Ok(Some((path.clone(), Recorded { kind: seen.kind, mode: seen.mode, digest: String::new() })))
            }
            Err(error) => Err(at(path, error)),
        })
        .collect();
    record.extend(written?.into_iter().flatten());
    Ok(record)
}

fn digest_of(path: &Path, kind: Kind) -> io::Result<String> {
    match kind {
        Kind::File => File::open(path).and_then(digest),
        Kind::Link => path.read_link().map(|target| digest_of_link(&target)),
        Kind::Directory | Kind::Git | Kind::Other => Ok(String::new()),
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

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look;

    #[test]
    fn what_a_person_changed_keeps_the_digest_of_what_was_installed() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("tool");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("theirs"), "1").unwrap();
        std::fs::write(root.join("edited"), "1").unwrap();
        let roots = [root.clone()];
        let first = advance(&Record::new(), &Picture::new(), &BTreeMap::new(), &look(&roots).unwrap()).unwrap();
        std::fs::write(root.join("edited"), "by a person").unwrap();
        std::fs::write(root.join("added"), "by a person").unwrap();
        let before = look(&roots).unwrap();
        let changed = edited(&first, &before);
        assert_eq!(changed.keys().collect::<Vec<_>>(), [&root.join("edited")]);
        std::fs::write(root.join("theirs"), "2, by the update").unwrap();
        // Written once more, the same; and written to, but somebody's.
        std::fs::write(root.join("edited"), "by a person").unwrap();
        std::fs::write(root.join("added"), "by a person, and a line of the update").unwrap();
        let second = advance(&first, &before, &changed, &look(&roots).unwrap()).unwrap();
        assert_eq!(second[&root.join("edited")], first[&root.join("edited")]);
        assert_ne!(second[&root.join("theirs")], first[&root.join("theirs")]);
        assert!(!second.contains_key(&root.join("added")));
    }
}
