//! What goes to a host with the call of hoist: what is asked, and the directories that it needs
//! there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use hoist_core::Digest;
use hoist_core::VERSION_CONTROL;
use hoist_executor::Failure;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::run::Remote;
use hoist_machine::machine::Machine;

/// What hoist is asked on the host.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Header {
    /// The arguments. `@NAME` stands for the directory of that name there.
    pub arguments: Vec<String>,
    /// The variables that it and its modules see; they may be secrets.
    pub variables: BTreeMap<String, String>,
    /// A file whose path is in `HOIST_CONFIG` there, with what it holds.
    pub config: Option<String>,
}

/// It, in a file that only its owner can read, and the program that serves it.
pub(crate) struct Payload {
    #[expect(dead_code, reason = "it goes with this")]
    directory: TempDir,
    pub path: PathBuf,
    /// The program that is run there.
    pub program: PathBuf,
    /// What it is called there.
    pub name: String,
}

/// Names the program to bring to hosts, where that is not this one.
const PROGRAM: &str = "HOIST_HOST_BINARY";

impl Payload {
    pub(crate) fn write(machine: &Machine, remote: &Remote) -> Result<Self, Failure> {
        let directory = machine.spare.directory("payload")?;
        let path = directory.path().join("payload");
        let written = write(&path, remote);
        written.map_err(|error| {
            Failure::new(format!("cannot send data to {}: {error}", remote.host))
        })?;
        let given = machine.environment.get(PROGRAM).map(PathBuf::from);
        let beside = machine.hoist.with_file_name("hoist-static");
        let program = given.unwrap_or_else(|| {
            if beside.is_file() {
                beside
            } else {
                machine.hoist.clone()
            }
        });
        let name = digest_of(&program)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", program.display())))?;
        Ok(Self {
            directory,
            path,
            program,
            name: format!("hoist-{}", &name[..16]),
        })
    }
}

/// The digest of a program; known for as long as this process runs.
fn digest_of(program: &Path) -> io::Result<String> {
    use std::sync::{Mutex, PoisonError};
    static KNOWN: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(digest) = known.get(program) {
        return Ok(digest.clone());
    }
    let digest = hoist_files::digest(File::open(program)?)?;
    known.insert(program.to_owned(), digest.clone());
    Ok(digest)
}

fn write(path: &Path, remote: &Remote) -> io::Result<()> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut out = BufWriter::new(file);
    let header = serde_json::to_vec(&remote.header)?;
    writeln!(out, "{}", header.len())?;
    out.write_all(&header)?;
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::fast()));
    archive.follow_symlinks(false);
    for (name, directory) in &remote.trees {
        let mut waiting = vec![directory.clone()];
        while let Some(here) = waiting.pop() {
            let mut entries: Vec<_> = std::fs::read_dir(&here)?.collect::<io::Result<_>>()?;
            entries.sort_by_key(std::fs::DirEntry::file_name);
            for entry in entries.iter().filter(|entry| {
                !VERSION_CONTROL
                    .iter()
                    .any(|foreign| entry.file_name() == *foreign)
            }) {
                let inside = entry.path();
                let inside =
                    Path::new(name).join(inside.strip_prefix(directory).unwrap_or(&inside));
                match entry.file_type()? {
                    kind if kind.is_dir() => waiting.push(entry.path()),
                    kind if kind.is_file() || kind.is_symlink() => {
                        archive.append_path_with_name(entry.path(), inside)?
                    }
                    _ => {}
                }
            }
        }
    }
    archive.into_inner()?.finish()?.flush()
}

/// Reads what was written, and puts the directories below `into`: only what is different is
/// written, and what is not of them any more goes.
pub fn receive(input: impl Read, into: &Path) -> io::Result<(Header, Vec<String>)> {
    let mut input = BufReader::new(input);
    let mut length = String::new();
    loop {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' => break,
            digit if length.len() < 12 => length.push(char::from(digit)),
            _ => return Err(io::Error::other("missing length of a header")),
        }
    }
    let length: usize = length.parse().map_err(io::Error::other)?;
    let mut header = vec![0; length];
    input.read_exact(&mut header)?;
    let header: Header = serde_json::from_slice(&header)?;
    let mut archive = tar::Archive::new(GzDecoder::new(input));
    let (mut names, mut files) = (Vec::new(), std::collections::BTreeSet::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let inside = entry.path()?.into_owned();
        if !inside
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)))
        {
            return Err(io::Error::other("a path that leads outside"));
        }
        let first = inside
            .components()
            .next()
            .map(|part| part.as_os_str().to_string_lossy().into_owned());
        names.extend(first.filter(|first| !names.contains(first)));
        let target = into.join(&inside);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if let Some(link) = entry.link_name()? {
            if target.read_link().ok().as_deref() != Some(&*link) {
                let _ = std::fs::remove_file(&target);
                std::os::unix::fs::symlink(link, &target)?;
            }
        } else {
            let mode = entry.header().mode()? & 0o777;
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            use std::os::unix::fs::PermissionsExt;
            let same = std::fs::read(&target).is_ok_and(|there| there == content);
            let same = same
                && target.symlink_metadata().is_ok_and(|there| {
                    there.is_file() && there.permissions().mode() & 0o777 == mode
                });
            if !same {
                hoist_files::write(&target, &content, mode)?;
            }
        }
        files.insert(target);
    }
    for name in &names {
        remove_others(&into.join(name), &files)?;
    }
    Ok((header, names))
}

/// Removes files that were not sent; what hoist itself makes there stands elsewhere.
fn remove_others(directory: &Path, files: &std::collections::BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_others(&entry.path(), files)?;
            let _ = std::fs::remove_dir(entry.path());
        } else if !files.contains(&entry.path()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The name that a directory has on hosts: its own, with what tells it from others of that name.
pub fn tree_name(directory: &Path) -> String {
    let own = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let plain: String = own
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let digest = Digest::of([directory.to_string_lossy().as_bytes()]);
    format!("{plain}-{}", &digest.as_str()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Failures;
    use crate::ssh::Host;

    #[test]
    fn what_is_written_is_what_is_received_and_what_has_gone_goes() {
        let directory = tempfile::tempdir().unwrap();
        let (here, there) = (
            directory.path().join("here"),
            directory.path().join("there"),
        );
        std::fs::create_dir_all(here.join("modules/deep")).unwrap();
        std::fs::write(here.join("modules/a.sh"), "a").unwrap();
        std::fs::write(here.join("modules/deep/b"), "b").unwrap();
        std::os::unix::fs::symlink("a.sh", here.join("modules/link")).unwrap();
        let header = Header {
            arguments: vec!["install".into()],
            variables: [("KEY".into(), "it's \"x\"\n".into())].into(),
            config: None,
        };
        let failures = std::sync::Arc::new(Failures {
            allowed: 0,
            count: Default::default(),
        });
        let remote = Remote {
            host: Host::parse("h").unwrap(),
            sudo: false,
            header,
            trees: vec![("here".into(), here.clone())],
            prefix: String::new(),
            failures,
            begun: None,
        };
        let send = |name: &str| {
            let path = directory.path().join(name);
            write(&path, &remote).unwrap();
            receive(File::open(path).unwrap(), &there).unwrap()
        };
        let (header, names) = send("first");
        assert_eq!(
            (header.variables["KEY"].as_str(), names),
            ("it's \"x\"\n", vec!["here".to_owned()])
        );
        let modified = |path: &str| there.join(path).metadata().unwrap().modified().unwrap();
        let before = modified("here/modules/a.sh");
        std::fs::remove_dir_all(here.join("modules/deep")).unwrap();
        send("second");
        assert!(!there.join("here/modules/deep").exists());
        assert_eq!(
            modified("here/modules/a.sh"),
            before,
            "what is the same is not written"
        );
        assert_eq!(
            there.join("here/modules/link").read_link().unwrap(),
            Path::new("a.sh")
        );
        assert!(receive(&b"7\nnothing"[..], &there).is_err());
    }
}
