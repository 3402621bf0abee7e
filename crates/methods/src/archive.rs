//! Archives: what they hold, read as a whole and without writing anything.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// What an archive may hold at most, unpacked, in bytes.
pub const LIMIT: u64 = 512 * 1024 * 1024;

/// The same with what stands between its files.
const STREAM_LIMIT: u64 = LIMIT + LIMIT / 4;

/// An archive of a module does not have more files.
const FILES_LIMIT: usize = 200_000;

/// One file of an archive.
pub struct Archived {
    /// With `/` between its parts.
    pub path: String,
    /// Whether it may be run.
    pub executable: bool,
    /// What it holds.
    pub content: Content,
}

/// What it is.
pub enum Content {
    /// A file with these contents.
    File(Vec<u8>),
    /// A symbolic link to this.
    Link(PathBuf),
}

/// The kinds of archives, by how their names end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// A ZIP archive.
    Zip,
    /// A tar archive.
    Tar,
    /// A tar archive, compressed by gzip.
    Gzip,
}

/// What kind of archive a path or a URL names, where it names one.
pub fn kind(name: &str) -> Option<ArchiveKind> {
    let name = name
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_lowercase();
    match name {
        name if name.ends_with(".zip") => Some(ArchiveKind::Zip),
        name if name.ends_with(".tar.gz") || name.ends_with(".tgz") => Some(ArchiveKind::Gzip),
        name if name.ends_with(".tar") => Some(ArchiveKind::Tar),
        _ => None,
    }
}

/// The name of an archive without how it ends.
pub fn stem(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or_default();
    let end = [".zip", ".tar.gz", ".tgz", ".tar", ".git"]
        .into_iter()
        .find_map(|end| {
            name.len().checked_sub(end.len()).filter(|at| {
                name.get(*at..)
                    .is_some_and(|rest| rest.eq_ignore_ascii_case(end))
            })
        });
    &name[..end.unwrap_or(name.len())]
}

/// Everything that an archive holds, in its order.
///
/// # Errors
/// What is no such archive, is too large, or has names that lead out of it.
pub fn contents(path: &Path) -> Result<Vec<Archived>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let read = BufReader::with_capacity(256 * 1024, file);
    let mut files = match kind(&path.to_string_lossy()) {
        Some(ArchiveKind::Zip) => zip(read)?,
        Some(ArchiveKind::Tar) => tar(read.take(STREAM_LIMIT))?,
        Some(ArchiveKind::Gzip) => tar(flate2::read::MultiGzDecoder::new(read).take(STREAM_LIMIT))?,
        None => return Err("it is not an archive that hoist reads: zip, tar, tar.gz".to_owned()),
    };
    // What a Mac adds is not the author's.
    files.retain(|file| {
        !file
            .path
            .split('/')
            .any(|part| matches!(part, "__MACOSX" | ".DS_Store"))
    });
    let mut names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("it has {} twice", twice[0].escape_debug()));
    }
    Ok(files)
}

/// A name that leads nowhere else.
fn plain(name: &str) -> Result<String, String> {
    let wrong = || format!("its entry {} leads out of the archive", name.escape_debug());
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
            Component::CurDir => {}
            _ => return Err(wrong()),
        }
    }
    // Some programs on Windows write the other slash.
    if parts.is_empty() || name.contains(['\\', '\0', '\n']) {
        Err(wrong())
    } else {
        Ok(parts.join("/"))
    }
}

/// Reads to the end, as far as there is room for it.
fn bounded(source: &mut dyn Read, room: &mut u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    source
        .take(*room + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    *room = room
        .checked_sub(bytes.len() as u64)
        .ok_or_else(|| format!("its content exceeds {} MiB", LIMIT / 1024 / 1024))?;
    Ok(bytes)
}

fn target(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn zip(source: BufReader<File>) -> Result<Vec<Archived>, String> {
    let wrong = |error: zip::result::ZipError| format!("it is not a valid zip archive: {error}");
    let (mut archive, mut room) = (zip::ZipArchive::new(source).map_err(wrong)?, LIMIT);
    let mut files = Vec::new();
    if archive.len() > FILES_LIMIT {
        return Err(format!("it has more than {FILES_LIMIT} files"));
    }
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).map_err(wrong)?;
        if entry.is_dir() {
            continue;
        }
        let path = plain(&entry.name().map_err(wrong)?)?;
        let mode = entry.unix_mode().unwrap_or_default();
        let kind = mode & 0o170_000;
        if !matches!(kind, 0 | 0o100_000 | 0o120_000) {
            return Err(format!(
                "its entry {} is neither a file, a directory nor a symbolic link",
                path.escape_debug()
            ));
        }
        let is_link = kind == 0o120_000;
        let bytes = bounded(&mut entry, &mut room)?;
        let content = if is_link {
            Content::Link(target(bytes))
        } else {
            Content::File(bytes)
        };
        files.push(Archived {
            path,
            executable: mode & 0o111 != 0,
            content,
        });
    }
    Ok(files)
}

fn tar(source: impl Read) -> Result<Vec<Archived>, String> {
    let wrong = |error: std::io::Error| format!("it is not a valid tar archive: {error}");
    let (mut archive, mut room) = (tar::Archive::new(source), LIMIT);
    let mut files = Vec::new();
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let kind = entry.header().entry_type();
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| "the name of an entry is not UTF-8".to_owned())?;
        let executable = entry.header().mode().unwrap_or_default() & 0o111 != 0;
        let content = if kind.is_file() || kind == tar::EntryType::Continuous {
            Content::File(bounded(&mut entry, &mut room)?)
        } else if kind.is_symlink() {
            Content::Link(target(
                entry.link_name_bytes().unwrap_or_default().into_owned(),
            ))
        } else if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions()
        {
            continue;
        } else {
            return Err(format!(
                "its entry {} is neither a file, a directory nor a symbolic link",
                name.escape_debug()
            ));
        };
        files.push(Archived {
            path: plain(&name)?,
            executable,
            content,
        });
        if files.len() > FILES_LIMIT {
            return Err(format!("it has more than {FILES_LIMIT} files"));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_place_is_and_may_not_lead_out() {
        assert_eq!(
            (
                kind("a/B.ZIP"),
                kind("https://h/x.tar.gz?y=1"),
                kind("x.tgz"),
                kind("x.git")
            ),
            (
                Some(ArchiveKind::Zip),
                Some(ArchiveKind::Gzip),
                Some(ArchiveKind::Gzip),
                None
            )
        );
        assert_eq!(
            (
                stem("https://h/Pizza.git"),
                stem("a/Pizza.tar.gz"),
                stem("Pizza")
            ),
            ("Pizza", "Pizza", "Pizza")
        );
        assert_eq!(plain("./a//b").unwrap(), "a/b");
        for bad in ["../a", "/a", "a/../../b", "", ".", "a\\b", "a\nb"] {
            assert!(plain(bad).is_err(), "{bad:?}");
        }
    }
}
