//! Looks how configuration files stand, before anything runs. Changes nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hoist_core::{ConfigPolicy, Diagnostic, Module};
use hoist_files::{Home, digest, pending, read};
use hoist_ledger::ConfigRecord;

use super::{CONFLICT_END, CONFLICT_START, ConfigFile, ConfigFileState, Decision, Merge};

/// Templates that are larger are no configuration.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024;
/// A directory of templates that is deeper is no configuration.
const DEPTH_LIMIT: usize = 16;

/// How each configuration file of a module stands, and what happens to it by this policy.
///
/// # Errors
/// Templates that cannot be read, or that something of another kind stands in the place of.
pub fn survey(
    module: &Module,
    home: &Home,
    records: &[ConfigRecord],
    policy: ConfigPolicy,
) -> Result<Vec<ConfigFile>, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut found = Vec::new();
    for (path, template) in templates(module, home.path()) {
        let mut pairs = Vec::new();
        if let Err(wrong) = expand(
            &path,
            &template,
            &module.root.join("config"),
            DEPTH_LIMIT,
            &mut pairs,
        ) {
            errors.push(
                wrong
                    .module(module.id.as_str())
                    .field(module.words.config_files),
            );
        }
        for (path, template) in pairs {
            match one(&path, &template, home, records, policy) {
                Ok(file) => found.push(file),
                Err(wrong) => errors.push(
                    wrong
                        .module(module.id.as_str())
                        .field(module.words.config_files),
                ),
            }
        }
    }
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(errors)
    }
}

/// The declared configuration files for which the collection has a template, with it. A module may
/// also write its own, without one.
pub fn templates(module: &Module, home: &Path) -> Vec<(PathBuf, PathBuf)> {
    let config = module.root.join("config");
    let own = config.join(module.id.as_str());
    let found = |path: &PathBuf| {
        let inside = path.strip_prefix(home).ok()?;
        let candidates = names(inside)
            .into_iter()
            .flat_map(|name| [own.join(&name), config.join(&name)]);
        candidates.into_iter().find(|candidate| candidate.exists())
    };
    module
        .config_files
        .iter()
        .filter_map(|path| Some((path.clone(), found(path)?)))
        .collect()
}

/// What a template of a path may be called: the path itself, without the dot that hides it, without
/// `.config`, or just its last name.
fn names(inside: &Path) -> Vec<PathBuf> {
    let text = inside.to_string_lossy();
    let mut names = vec![inside.to_owned()];
    names.extend(text.strip_prefix('.').map(PathBuf::from));
    names.extend(text.strip_prefix(".config/").map(PathBuf::from));
    if let Some(name) = inside.file_name() {
        names.push(PathBuf::from(name));
        names.extend(name.to_string_lossy().strip_prefix('.').map(PathBuf::from));
    }
    names
}

/// A file as it is, a directory as the files in it.
fn expand(
    path: &Path,
    template: &Path,
    root: &Path,
    depth: usize,
    pairs: &mut Vec<(PathBuf, PathBuf)>,
) -> Result<(), Diagnostic> {
    let wrong = |message: String| Diagnostic::error(message).file(template.display().to_string());
    let real = template
        .canonicalize()
        .map_err(|error| wrong(format!("cannot read the file: {error}")))?;
    if !root.canonicalize().is_ok_and(|root| real.starts_with(root)) {
        return Err(
            wrong("the path leads out of the collection's config directory".to_owned())
                .help("replace the symbolic link with the file"),
        );
    }
    if !template.is_dir() {
        pairs.push((path.to_owned(), template.to_owned()));
        return Ok(());
    }
    if depth == 0 {
        return Err(wrong(format!(
            "the path is nested more than {DEPTH_LIMIT} directories deep"
        )));
    }
    let entries = std::fs::read_dir(template)
        .map_err(|error| wrong(format!("cannot list the directory: {error}")))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names.iter().try_for_each(|name| {
        expand(
            &path.join(name),
            &template.join(name),
            root,
            depth - 1,
            pairs,
        )
    })
}

fn one(
    path: &Path,
    template: &Path,
    home: &Home,
    records: &[ConfigRecord],
    policy: ConfigPolicy,
) -> Result<ConfigFile, Diagnostic> {
    let wrong = |message: String| Diagnostic::error(message).file(template.display().to_string());
    home.place(path).map_err(|refusal| {
        wrong(format!("{} is not written: {refusal}", path.display()))
            .help("use a path inside the home directory")
    })?;
    let metadata = template
        .metadata()
        .map_err(|error| wrong(format!("cannot read the file: {error}")))?;
    if !metadata.is_file() || metadata.len() > SIZE_LIMIT {
        return Err(
            wrong("the path is not a regular file, or too large".to_owned())
                .help("replace it with a regular file"),
        );
    }
    let contents =
        std::fs::read(template).map_err(|error| wrong(format!("cannot read the file: {error}")))?;
    let (current, unusable) = match (home.target(path), read(path)) {
        (Err(_), current) => (current.ok().flatten(), Some(ConfigFileState::Elsewhere)),
        (Ok(_), Ok(current)) => (current, None),
        (Ok(_), Err(error)) => (None, Some(ConfigFileState::Unreadable(error.to_string()))),
    };
    let record = records.iter().find(|record| record.path == path);
    let standing =
        unusable.unwrap_or_else(|| standing(&contents, current.as_deref(), record, path));
    let decision = decide(&standing, record, policy);
    let mode = metadata.permissions().mode() & 0o777;
    Ok(ConfigFile {
        path: path.to_owned(),
        template: template.to_owned(),
        contents,
        mode,
        current,
        standing,
        decision,
    })
}

fn standing(
    new: &[u8],
    current: Option<&[u8]>,
    record: Option<&ConfigRecord>,
    path: &Path,
) -> ConfigFileState {
    let digest_of = |bytes: &[u8]| digest(bytes).unwrap_or_default();
    let base = record
        .map(|record| record.digest.as_str())
        .filter(|digest| !digest.is_empty());
    let Some(current) = current else {
        return if base.is_some() {
            ConfigFileState::Removed
        } else {
            ConfigFileState::Absent
        };
    };
    if current == new {
        return ConfigFileState::Same;
    }
    if base == Some(digest_of(current).as_str()) {
        return ConfigFileState::Untouched;
    }
    let new_digest = digest_of(new);
    if base == Some(new_digest.as_str()) {
        return ConfigFileState::Edited;
    }
    if record.and_then(|record| record.pending.as_ref()) == Some(&new_digest)
        && pending(path).exists()
    {
        return ConfigFileState::Offered;
    }
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let merged = || {
        let base = record?.contents.as_deref().and_then(text)?;
        let mut options = diffy::MergeOptions::new();
        options.set_conflict_style(diffy::ConflictStyle::Merge);
        Some(match options.merge(&base, &text(current)?, &text(new)?) {
            Ok(clean) => Merge::Clean(clean.into_bytes()),
            Err(conflicts) => Merge::Conflicts(labelled(&conflicts).into_bytes()),
        })
    };
    ConfigFileState::Conflict(merged().unwrap_or(Merge::Impossible))
}

/// Names the sides of conflicts after what they are.
fn labelled(conflicts: &str) -> String {
    let label = |line: &str| match line {
        "<<<<<<< ours\n" => format!("{CONFLICT_START}\n"),
        ">>>>>>> theirs\n" => format!("{CONFLICT_END}\n"),
        other => other.to_owned(),
    };
    conflicts.split_inclusive('\n').map(label).collect()
}

fn decide(
    standing: &ConfigFileState,
    record: Option<&ConfigRecord>,
    policy: ConfigPolicy,
) -> Decision {
    match (standing, policy) {
        (ConfigFileState::Elsewhere | ConfigFileState::Unreadable(_), _) => Decision::Leave,
        (ConfigFileState::Absent, _) => Decision::Write,
        // Only its digest has to be written down.
        (ConfigFileState::Same, _) if record.is_none() => Decision::Write,
        (ConfigFileState::Same, _) => Decision::Leave,
        (_, ConfigPolicy::Overwrite) => Decision::Write,
        (ConfigFileState::Untouched, ConfigPolicy::Ask) => Decision::Write,
        (ConfigFileState::Untouched | ConfigFileState::Conflict(_), _) => Decision::Keep,
        (ConfigFileState::Edited | ConfigFileState::Removed | ConfigFileState::Offered, _) => {
            Decision::Leave
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_one_of_the_usual_names() {
        let names: Vec<String> = names(Path::new(".config/foo/config.yml"))
            .iter()
            .map(|name| name.display().to_string())
            .collect();
        assert_eq!(
            names,
            [
                ".config/foo/config.yml",
                "config/foo/config.yml",
                "foo/config.yml",
                "config.yml"
            ]
        );
        assert!(super::names(Path::new(".bashrc")).contains(&PathBuf::from("bashrc")));
    }
}
