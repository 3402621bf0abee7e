//! The distributions below a directory that pip installs to, from what installers leave beside
//! them: `NAME-VERSION.dist-info` with `METADATA` and `RECORD`
//! (<https://packaging.python.org/en/latest/specifications/recording-installed-packages/>).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hoist_files::{digest, read_text};

use super::normalized;
use hoist_system::resource::AlteredFiles;

/// An installed distribution.
struct Distribution {
    name: String,
    version: String,
    /// The directory with what is recorded of it.
    directory: PathBuf,
}

fn distributions(target: &Path) -> Vec<Distribution> {
    let pythons = std::fs::read_dir(target.join("lib"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("site-packages"));
    let entries = pythons
        .filter_map(|site| std::fs::read_dir(site).ok())
        .flatten()
        .flatten();
    let distribution = |entry: std::fs::DirEntry| {
        let file = entry.file_name().to_string_lossy().into_owned();
        let stem = file
            .strip_suffix(".dist-info")
            .or_else(|| file.strip_suffix(".egg-info"))?;
        let (name, version) = stem.split_once('-')?;
        Some(Distribution {
            name: normalized(name),
            version: version.to_owned(),
            directory: entry.path(),
        })
    };
    entries.filter_map(distribution).collect()
}

impl Distribution {
    /// The names of those that it needs, whatever the system.
    fn requirements(&self) -> BTreeSet<String> {
        let text = read_text(&self.directory.join("METADATA")).unwrap_or_default();
        let headers = text.lines().take_while(|line| !line.is_empty());
        let required = headers
            .filter_map(|line| line.strip_prefix("Requires-Dist:"))
            .map(str::trim);
        // What is only for an extra may be left out.
        let is_extra = |line: &&str| {
            line.split_once(';')
                .is_some_and(|(_, marker)| marker.contains("extra"))
        };
        required
            .filter(|line| !is_extra(line))
            .map(|line| normalized(line.split('(').next().unwrap_or_default()))
            .collect()
    }

    /// Compares the recorded files with the disk.
    fn compare(&self, altered: &mut AlteredFiles) -> io::Result<()> {
        let Ok(record) = read_text(&self.directory.join("RECORD")) else {
            return Ok(());
        };
        let Some(site) = self.directory.parent() else {
            return Ok(());
        };
        for line in record.lines() {
            let mut fields = line.rsplitn(3, ',');
            let (_, hash, path) = (
                fields.next(),
                fields.next().unwrap_or_default(),
                fields.next().unwrap_or_default(),
            );
            let path = path.trim_matches('"').replace("\"\"", "\"");
            // What Python compiles comes and goes.
            let Some(expected) = hash.strip_prefix("sha256=") else {
                continue;
            };
            let path = site.join(path);
            match std::fs::File::open(&path) {
                Ok(file) => {
                    if Some(digest(file)?) != hexadecimal(expected) {
                        altered.modified.push(path);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => altered.missing.push(path),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The version of a distribution.
pub(super) fn installed(target: &Path, requirement: &str) -> Option<String> {
    let wanted = normalized(requirement);
    distributions(target)
        .into_iter()
        .find(|distribution| distribution.name == wanted)
        .map(|distribution| distribution.version)
}

/// The names of all distributions.
pub(super) fn names(target: &Path) -> BTreeSet<String> {
    distributions(target)
        .into_iter()
        .map(|distribution| distribution.name)
        .collect()
}

/// What these need, and what that needs, as far as it is there.
pub(super) fn dependencies(target: &Path, packages: &[String]) -> BTreeSet<String> {
    let all = distributions(target);
    let mut found: BTreeSet<String> = packages.iter().map(|name| normalized(name)).collect();
    let own = found.clone();
    let mut open: Vec<String> = found.iter().cloned().collect();
    while let Some(name) = open.pop() {
        for distribution in all.iter().filter(|distribution| distribution.name == name) {
            let new = distribution
                .requirements()
                .into_iter()
                .filter(|name| all.iter().any(|distribution| distribution.name == *name));
            open.extend(new.filter(|name| found.insert(name.clone())));
        }
    }
    found.difference(&own).cloned().collect()
}

/// Of these, those that others which stay need, each with one of these.
pub(super) fn needed(target: &Path, going: &[String]) -> BTreeMap<String, String> {
    let all = distributions(target);
    let mut needed = BTreeMap::new();
    loop {
        let goes = |name: &str| {
            going.iter().any(|going| normalized(going) == name) && !needed.contains_key(name)
        };
        let staying = all.iter().filter(|distribution| !goes(&distribution.name));
        let new: Vec<(String, String)> = staying
            .flat_map(|distribution| {
                distribution
                    .requirements()
                    .into_iter()
                    .map(|name| (name, distribution.name.clone()))
            })
            .filter(|(name, _)| goes(name))
            .collect();
        if new.is_empty() {
            return needed;
        }
        needed.extend(new);
    }
}

/// Compares the files of distributions with what is recorded of them.
///
/// # Errors
/// One cannot be read.
pub(super) fn altered(target: &Path, packages: &[String]) -> io::Result<AlteredFiles> {
    let mut altered = AlteredFiles::default();
    let wanted: BTreeSet<String> = packages.iter().map(|name| normalized(name)).collect();
    let ours = distributions(target)
        .into_iter()
        .filter(|distribution| wanted.contains(&distribution.name));
    ours.into_iter()
        .try_for_each(|distribution| distribution.compare(&mut altered))?;
    Ok(altered)
}

/// A digest in the letters of base 64 for URLs, as hexadecimal digits.
fn hexadecimal(text: &str) -> Option<String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = String::new();
    for byte in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|letter| *letter == byte)?;
        bits += &format!("{value:06b}");
    }
    let digits = bits
        .as_bytes()
        .chunks_exact(4)
        .map(|digit| u8::from_str_radix(std::str::from_utf8(digit).ok()?, 2).ok());
    let digits: Option<Vec<u8>> = digits.collect();
    // The last letter has bits that stand for nothing.
    Some(
        digits?
            .chunks_exact(2)
            .flat_map(|pair| {
                pair.iter()
                    .map(|digit| char::from_digit(u32::from(*digit), 16).unwrap_or('0'))
            })
            .collect(),
    )
}

/// Those of new files that are programs of the user's Python packages.
pub(super) fn scripts_of_user(home: &Path, new: &[&Path]) -> BTreeSet<PathBuf> {
    let first_line = |path: &Path| {
        let mut start = [0; 256];
        let length = File::open(path)
            .and_then(|mut file| file.read(&mut start))
            .unwrap_or_default();
        String::from_utf8_lossy(&start[..length])
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let is_python = |path: &&&Path| {
        let line = first_line(path);
        line.starts_with("#!") && line.contains("python")
    };
    let suspects: Vec<&&Path> = new.iter().filter(is_python).collect();
    if suspects.is_empty() {
        return BTreeSet::new();
    }
    let directories = |path: PathBuf| {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let libraries = directories(home.join(".local/lib")).map(|path| path.join("site-packages"));
    let records = libraries
        .flat_map(directories)
        .filter(|path| path.extension().is_some_and(|end| end == "dist-info"));
    let names: BTreeSet<String> = records
        .filter_map(|path| std::fs::read_to_string(path.join("RECORD")).ok())
        .flat_map(|record| {
            let programs = record
                .lines()
                .filter_map(|line| line.split(',').next()?.split_once("/bin/"));
            programs
                .map(|(_, name)| name.to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let is_owned = |path: &&&Path| {
        path.file_name()
            .is_some_and(|name| names.contains(&*name.to_string_lossy()))
    };
    let owned = suspects.into_iter().filter(is_owned);
    owned.map(|path| path.to_path_buf()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target with distributions: a name, and the lines of what it needs.
    fn target(all: &[(&str, &str)]) -> tempfile::TempDir {
        let target = tempfile::tempdir().unwrap();
        for (stem, requires) in all {
            let directory = target
                .path()
                .join("lib/python3.11/site-packages")
                .join(format!("{stem}.dist-info"));
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(
                directory.join("METADATA"),
                format!("Name: x\n{requires}\n\nRequires-Dist: text\n"),
            )
            .unwrap();
        }
        target
    }

    #[test]
    fn distributions_are_found_with_what_they_need() {
        let all = [
            ("Typing_Extensions-4.1", ""),
            (
                "a-1",
                "Requires-Dist: B.c (>=1)\nRequires-Dist: typing-extensions>=4; python_version < \"3.9\"\nRequires-Dist: z; extra == \"x\"",
            ),
            ("b_c-2", "Requires-Dist: d[more]"),
            ("d-1", "Requires-Dist: a"),
            ("z-1", ""),
            ("user-1", "Requires-Dist: d"),
        ];
        let target = target(&all);
        let target = target.path();
        assert_eq!(
            installed(target, "typing-extensions>=4").as_deref(),
            Some("4.1")
        );
        assert_eq!(installed(target, "typing"), None);
        assert_eq!(
            dependencies(target, &["A==1".into()])
                .into_iter()
                .collect::<Vec<_>>(),
            ["b-c", "d", "typing-extensions"]
        );
        let going = ["a", "b-c", "d", "typing-extensions"].map(str::to_owned);
        let needed = needed(target, &going);
        assert_eq!(needed["d"], "user", "{needed:?}");
        assert_eq!(
            needed.keys().collect::<Vec<_>>(),
            ["a", "b-c", "d", "typing-extensions"],
            "d needs a: {needed:?}"
        );
        assert_eq!(super::needed(target, &["z".into()]).len(), 0);
    }

    #[test]
    fn files_are_compared_with_the_record() {
        let target = target(&[("a-1", "")]);
        let site = target.path().join("lib/python3.11/site-packages");
        let empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        let record = format!(
            "a.py,sha256={empty},0\n\"b,c.py\",sha256={empty},0\ngone.py,sha256={empty},0\n__pycache__/a.pyc,,\na-1.dist-info/RECORD,,\n"
        );
        std::fs::write(site.join("a-1.dist-info/RECORD"), record).unwrap();
        std::fs::write(site.join("a.py"), "").unwrap();
        std::fs::write(site.join("b,c.py"), "other").unwrap();
        let altered = altered(target.path(), &["A".into()]).unwrap();
        assert_eq!(
            (altered.missing, altered.modified),
            (vec![site.join("gone.py")], vec![site.join("b,c.py")])
        );
    }
}
