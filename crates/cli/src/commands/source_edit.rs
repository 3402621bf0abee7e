//! `hoist source add` and `remove`: the list of sources in the user's settings is edited as text,
//! so that comments and order stay, and what comes of it is read before it is written.

use std::fs::Permissions;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hoist_core::{CollectionFile, Diagnostic, Source, is_path};
use hoist_system::source_cache::SourceCache;

use crate::args::{Global, SourceAdd};
use crate::commands;
use crate::error::{AtPath, CommandError, ExitStatus};
use crate::session::{self, Session};
use crate::sources::read_one;
use crate::systems::GRAMMAR;
use crate::{render, run};

/// Adds a source to the user's settings.
pub(crate) fn add(global: &Global, add: &SourceAdd) -> Result<ExitStatus, CommandError> {
    let (environment, _, places) = session::detect()?;
    let _lock = commands::sync::lock(global, &places, &run::handle_signals()?)?;
    let file = places.config.join("hoist.yml");
    let text = read(&file)?;
    let before = sources(&file, &text, &environment)?;
    let entry = entry(add)?;
    let Some(changed) = with_entry(&text, &entry) else {
        let wrong = Diagnostic::error("cannot edit `sources`: its YAML style is not supported")
            .file(file.display().to_string());
        return Err(CommandError::wrong(wrong.help(format!(
            "add this entry yourself: - {{{}}}",
            entry.join(", ")
        ))));
    };
    let after = sources(&file, &changed, &environment)?;
    if after.len() <= before.len() || after[..before.len()] != before[..] {
        let wrong = Diagnostic::error("cannot edit the file without other changes")
            .file(file.display().to_string());
        return Err(CommandError::wrong(wrong.help(format!(
            "add this entry yourself: - {{{}}}",
            entry.join(", ")
        ))));
    }
    write(&file, &changed)?;
    commands::change::adopt_names(global, &Session::open(global)?)?;
    let names: Vec<&str> = after[before.len()..]
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    render::print_note(&format!(
        "Added {} to {}. Run `hoist sync` to fetch its modules.",
        names.join(" and "),
        file.display()
    ));
    Ok(ExitStatus::Ok)
}

/// Takes a source out of the user's settings, and what hoist has of it out of the cache. What is
/// installed from it stays.
pub(crate) fn remove(global: &Global, name: &str) -> Result<ExitStatus, CommandError> {
    let (environment, _, places) = session::detect()?;
    let _lock = commands::sync::lock(global, &places, &run::handle_signals()?)?;
    let file = places.config.join("hoist.yml");
    let text = read(&file)?;
    let settings = CollectionFile::parse(&file.display().to_string(), &text, &GRAMMAR)
        .map_err(CommandError::wrong)?;
    let named: Vec<String> = settings
        .sources
        .iter()
        .map(|written| {
            read_one(written, &file, &environment)
                .map(|source| source.name)
                .unwrap_or_default()
        })
        .collect();
    let Some(place) = named.iter().position(|known| known == name) else {
        return Err(elsewhere(global, &file, name));
    };
    let items = items(&text).filter(|items| items.len() == named.len());
    let Some(range) = items.map(|items| items[place].clone()) else {
        let wrong = Diagnostic::error("cannot edit `sources`: its YAML style is not supported")
            .file(file.display().to_string());
        return Err(CommandError::wrong(wrong.help("remove the entry yourself")));
    };
    let mut changed = text.clone();
    changed.replace_range(range, "");
    if items_left(&changed) == 0 {
        changed = changed
            .lines()
            .filter(|line| line.trim_end() != "sources:")
            .map(|line| line.to_owned() + "\n")
            .collect();
    }
    let rest = CollectionFile::parse(&file.display().to_string(), &changed, &GRAMMAR)
        .map_err(CommandError::wrong)?;
    let mut expected = settings;
    expected.sources.remove(place);
    if rest != expected {
        let wrong = Diagnostic::error("cannot edit the file without other changes")
            .file(file.display().to_string());
        return Err(CommandError::wrong(wrong.help("remove the entry yourself")));
    }
    let session = Session::open(global)?;
    let installed = hoist_ledger::read(&session.places.state)?;
    let gone: Vec<&Source> = session
        .sources
        .iter()
        .filter(|source| source.name == name || source.entry.as_deref() == Some(name))
        .collect();
    write(&file, &changed)?;
    for source in gone {
        SourceCache::new(&session.places.cache, source).forget()?;
        let still = installed
            .modules
            .values()
            .filter(|record| record.source == source.name)
            .count();
        if still > 0 {
            let kept = if still == 1 { "is kept" } else { "are kept" };
            render::print_note(&format!(
                "{} installed from {} {kept}. Run `hoist list --installed --source {}` to list them.",
                render::count(still, "module"),
                source.name,
                source.name
            ));
        }
    }
    render::print_note(&format!("Removed {name} from {}", file.display()));
    Ok(ExitStatus::Ok)
}

/// Why a source cannot be taken out: it is not there, or somewhere else.
fn elsewhere(global: &Global, file: &Path, name: &str) -> CommandError {
    let session = match Session::open(global) {
        Ok(session) => session,
        Err(error) => return error,
    };
    let message = format!("no source `{}` in {}", name.escape_debug(), file.display());
    let help = match session.sources.iter().find(|source| source.name == name) {
        Some(Source {
            entry: Some(entry), ..
        }) => format!(
            "it is part of the entry with `{entry}`; `hoist source remove {entry}` removes both"
        ),
        Some(_) => "it is defined in the hoist.yml of a collection; remove it there".to_owned(),
        None => "run `hoist source list` to list sources".to_owned(),
    };
    CommandError::wrong(Diagnostic::error(message).help(help))
}

fn read(file: &Path) -> Result<String, CommandError> {
    if file.exists() && !file.is_file() {
        let wrong =
            Diagnostic::error("the path is not a regular file").file(file.display().to_string());
        return Err(CommandError::wrong(
            wrong.help("replace it with a file, or remove it"),
        ));
    }
    match hoist_files::read_text(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(CommandError::wrong(
            Diagnostic::error(format!("cannot read the file: {error}"))
                .file(file.display().to_string()),
        )),
    }
}

fn write(file: &Path, text: &str) -> Result<(), CommandError> {
    // A URL with a password must not be readable by other users.
    let mode = if hoist_core::redact_urls(text) == text {
        0o644
    } else {
        0o600
    };
    hoist_files::write(file, text.as_bytes(), mode).at("cannot write the file", file)?;
    if mode == 0o600
        && std::fs::metadata(file)
            .at("cannot read the file", file)?
            .permissions()
            .mode()
            & 0o077
            != 0
    {
        std::fs::set_permissions(file, Permissions::from_mode(mode))
            .at("cannot change the permissions of the file", file)?;
        render::print_note(&format!(
            "{} contains a password: it is now readable only by you",
            file.display()
        ));
    }
    Ok(())
}

/// The sources of a text, in the order in which they are written.
fn sources(
    file: &Path,
    text: &str,
    environment: &hoist_core::Environment,
) -> Result<Vec<Source>, CommandError> {
    let settings = CollectionFile::parse(&file.display().to_string(), text, &GRAMMAR)
        .map_err(CommandError::wrong)?;
    let files = [(file.to_owned(), &settings)];
    // Mistakes in the new text, such as a name that is there already, are told.
    crate::sources::read(&files, environment)?;
    settings
        .sources
        .iter()
        .map(|written| read_one(written, file, environment).map_err(CommandError::wrong))
        .collect()
}

/// The keys of a new source, each with its value.
fn entry(add: &SourceAdd) -> Result<Vec<String>, CommandError> {
    let place = |text: &String| -> Result<String, CommandError> {
        match is_path(text) && !text.starts_with("~/") && !text.starts_with("file://") {
            true => Ok(std::path::absolute(text)?.display().to_string()),
            false => Ok(text.clone()),
        }
    };
    let quoted = |key: &str, value: String| format!("{key}: {}", serde_json::Value::String(value));
    let mut lines = vec![quoted("name", add.name.clone())];
    if let Some(root) = add
        .application
        .as_ref()
        .filter(|root| !std::path::Path::new(root.as_str()).is_dir() && !root.starts_with('~'))
    {
        let wrong = Diagnostic::error("the directory does not exist").file(root.clone());
        return Err(CommandError::wrong(wrong.help(
            "name the root directory of the application with --application",
        )));
    }
    let collection = add
        .from
        .first()
        .filter(|_| add.application.is_none())
        .cloned();
    if add.from.len() > 1 && add.application.is_none() {
        return Err(CommandError::wrong(
            Diagnostic::error("a collection has one location")
                .help("add each location as a source of its own"),
        ));
    }
    let places = [
        ("collection", &collection),
        ("application", &add.application),
        ("mercurial", &add.mercurial),
        ("rocks", &add.rocks),
        ("prosody", &add.prosody),
        ("tree", &add.tree),
    ];
    for (key, value) in places {
        if let Some(value) = value {
            lines.push(quoted(key, place(value)?));
        }
    }
    if let Some(into) = &add.into {
        // In an application, a path below its root.
        let into = if add.application.is_some() {
            into.clone()
        } else {
            place(into)?
        };
        lines.push(quoted("into", into));
    }
    for (key, values) in [("from", &add.from), ("watch", &add.watch)]
        .into_iter()
        .filter(|_| add.application.is_some())
    {
        let values = values.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        if !values.is_empty() {
            lines.push(format!("{key}: {}", serde_json::json!(values)));
        }
    }
    lines.extend(add.init.iter().map(|init| quoted("init", init.clone())));
    for (key, value) in [("ref", &add.reference), ("lua", &add.lua)] {
        lines.extend(value.iter().map(|value| quoted(key, value.clone())));
    }
    if !add.modules.is_empty() {
        lines.push(format!(
            "modules: {}",
            serde_json::Value::from(add.modules.clone())
        ));
    }
    lines.extend(add.priority.map(|priority| format!("priority: {priority}")));
    Ok(lines)
}

/// The text with one more source at the end of the list. `None` where the list is not written as a
/// block.
fn with_entry(text: &str, entry: &[String]) -> Option<String> {
    let item = |indent: &str| format!("{indent}- {}\n", entry.join(&format!("\n{indent}  ")));
    let end = |text: &str| {
        if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        }
    };
    let Some(list) = block(text) else {
        return Some(format!("{text}{}sources:\n{}", end(text), item("")));
    };
    let body = &text[list.clone()];
    let first = body
        .lines()
        .find(|line| line.trim_start().starts_with("- "));
    let head = text[..list.start].lines().last().unwrap_or_default();
    let Some(first) = first else {
        // An empty list.
        return matches!(head.trim_end(), "sources: []" | "sources:").then(|| {
            let start = list.start - head.len() - 1;
            format!(
                "{}sources:\n{}{}",
                &text[..start],
                item(""),
                &text[list.start..]
            )
        });
    };
    let indent = &first[..first.len() - first.trim_start().len()];
    Some(format!(
        "{}{}{}{}",
        &text[..list.end],
        end(&text[..list.end]),
        item(indent),
        &text[list.end..]
    ))
}

/// What stands below `sources:`, up to the next setting; blank lines and comments ahead of that are
/// left out.
fn block(text: &str) -> Option<Range<usize>> {
    let (mut at, mut start, mut end) = (0, None, 0);
    for line in text.split_inclusive('\n') {
        let inside = line.starts_with([' ', '\t', '-']) && !line.starts_with("---");
        match start {
            None if line.starts_with("sources:") => {
                start = Some(at + line.len());
                end = at + line.len();
            }
            Some(_) if inside && !line.trim().is_empty() => end = at + line.len(),
            Some(_) if !line.trim().is_empty() && !line.starts_with('#') => break,
            _ => {}
        }
        at += line.len();
    }
    start.map(|start| start..end)
}

/// Where each source of the list stands.
fn items(text: &str) -> Option<Vec<Range<usize>>> {
    let list = block(text)?;
    let body = &text[list.clone()];
    let first = body
        .lines()
        .find(|line| line.trim_start().starts_with("- "))?;
    let indent = &first[..first.len() - first.trim_start().len()];
    let mark = format!("{indent}- ");
    let mut starts = Vec::new();
    let mut at = list.start;
    for line in body.split_inclusive('\n') {
        if line.starts_with(&mark) {
            starts.push(at);
        }
        at += line.len();
    }
    // A comment ahead of the next one belongs to that.
    let own = |start: usize, end: usize| {
        let body = &text[start..end];
        let rest = body
            .lines()
            .rev()
            .take_while(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
            .count();
        let kept = body.split_inclusive('\n').count() - rest;
        start
            + body
                .split_inclusive('\n')
                .take(kept)
                .map(str::len)
                .sum::<usize>()
    };
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([list.end]).collect();
    let ends = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| own(*start, end))
        .collect::<Vec<_>>();
    Some(
        starts
            .iter()
            .copied()
            .zip(ends)
            .map(|(start, end)| start..end)
            .collect(),
    )
}

fn items_left(text: &str) -> usize {
    items(text).map_or(0, |items| items.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_goes_behind_the_others_and_everything_else_stays() {
        let entry = ["name: \"n\"".to_owned(), "rocks: \"/r\"".to_owned()];
        for (text, wanted) in [
            ("", "sources:\n- name: \"n\"\n  rocks: \"/r\"\n"),
            (
                "jobs: 2",
                "jobs: 2\nsources:\n- name: \"n\"\n  rocks: \"/r\"\n",
            ),
            (
                "sources: []\njobs: 2\n",
                "sources:\n- name: \"n\"\n  rocks: \"/r\"\njobs: 2\n",
            ),
            (
                "sources:\n  # mine\n  - rocks: a\n    tree: b\n\n# the rest\njobs: 2\n",
                "sources:\n  # mine\n  - rocks: a\n    tree: b\n  - name: \"n\"\n    rocks: \"/r\"\n\n# the rest\njobs: 2\n",
            ),
        ] {
            assert_eq!(with_entry(text, &entry).as_deref(), Some(wanted));
        }
        assert_eq!(with_entry("sources: [{rocks: a, tree: b}]\n", &entry), None);
    }

    #[test]
    fn each_entry_is_found() {
        let text = "jobs: 1\nsources:\n- rocks: a\n  tree: b\n# between\n- rocks: c\n  tree: d\ntimeout: 3m\n";
        let found: Vec<&str> = items(text)
            .unwrap()
            .into_iter()
            .map(|range| &text[range])
            .collect();
        assert_eq!(
            found,
            ["- rocks: a\n  tree: b\n", "- rocks: c\n  tree: d\n"]
        );
    }
}
