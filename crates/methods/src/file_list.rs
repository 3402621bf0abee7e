//! Files of directories and archives, as indexes have them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hoist_core::{Digest, VERSION_CONTROL};
use hoist_files::digest;
use hoist_sources::{FileList, IndexedFile};
use rayon::prelude::*;

use crate::archive;
use crate::archive::Content;

/// All files below a directory, sorted, with their digests. The second is the reason why something
/// in it cannot be used, where the first is still known.
pub fn list_files(path: &Path) -> (Result<Vec<Listed>, String>, Option<String>) {
    let (mut waiting, mut paths) = (vec![path.to_owned()], Vec::new());
    let mut unusable = None;
    while let Some(directory) = waiting.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) => {
                unusable = Some(format!("{}: {error}", directory.display()));
                continue;
            }
        };
        for entry in entries.flatten().filter(|entry| {
            !VERSION_CONTROL
                .iter()
                .any(|foreign| entry.file_name() == *foreign)
        }) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                Ok(kind) if kind.is_file() || kind.is_symlink() => paths.push(entry.path()),
                _ => unusable = Some(format!("{} is not a regular file", entry.path().display())),
            }
        }
    }
    paths.sort();
    let room = AtomicU64::new(archive::LIMIT);
    let read = |file: &PathBuf| -> Result<Listed, String> {
        let inside = file.strip_prefix(path).unwrap_or(file);
        let wrong = |error: std::io::Error| format!("{}: {error}", inside.display());
        let name = inside
            .to_str()
            .ok_or_else(|| format!("{} is not UTF-8", inside.display()))?
            .to_owned();
        let metadata = file.symlink_metadata().map_err(wrong)?;
        if metadata.is_symlink() {
            let target = file.read_link().map_err(wrong)?;
            return listed(name, false, &Content::Link(target));
        }
        let is_taken = |room: u64| room.checked_sub(metadata.len());
        if room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_taken)
            .is_err()
        {
            return Err(format!("its content exceeds {} MiB", archive::LIMIT >> 20));
        }
        let digest = std::fs::File::open(file).and_then(digest).map_err(wrong)?;
        Ok(Listed {
            path: name,
            digest,
            executable: metadata.mode() & 0o111 != 0,
            link: None,
        })
    };
    (
        paths.par_iter().with_min_len(16).map(read).collect(),
        unusable,
    )
}

/// A file as it goes into the index.
pub struct Listed {
    /// Its path in the directory or archive.
    pub path: String,
    digest: String,
    executable: bool,
    link: Option<String>,
}

/// A file with contents as it goes into the index.
pub fn listed(path: String, executable: bool, content: &Content) -> Result<Listed, String> {
    let of = |bytes: &[u8]| digest(bytes).map_err(|error| error.to_string());
    Ok(match content {
        Content::File(bytes) => Listed {
            digest: of(bytes)?,
            path,
            executable,
            link: None,
        },
        Content::Link(target) => {
            let target = target
                .to_str()
                .ok_or_else(|| format!("the target of the symbolic link {path} is not UTF-8"))?;
            Listed {
                digest: of(target.as_bytes())?,
                executable: false,
                link: Some(target.to_owned()),
                path,
            }
        }
    })
}

/// Files as an index has them, and the digest of all.
pub fn file_list(files: &[Listed]) -> (FileList, Digest) {
    let mut list = FileList::default();
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for Listed {
        path,
        digest,
        executable,
        link,
    } in files
    {
        list.push(&IndexedFile {
            path,
            digest,
            executable: *executable,
            link: link.as_deref(),
        });
        parts.push(format!("{path}\0{digest}\0{executable}\0{}", link.is_some()).into_bytes());
    }
    let whole = Digest::of(parts.iter().map(Vec::as_slice));
    (list, whole)
}
