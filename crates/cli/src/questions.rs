//! Questions about locally modified configuration files, and the editor for those that cannot be
//! merged.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use hoist_core::ModuleId;
use hoist_engine::config::{
    CONFLICT_END, CONFLICT_START, ConfigFile, ConfigFileState, Decision, Merge,
};

use crate::ask;
use crate::error::CommandError;
use crate::render::{self, BOLD, Paint, painted};

/// Lines of a difference that are shown before the question; `d` shows all.
const SHOWN_LINES: usize = 30;

/// Answer for all remaining files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForAll {
    Keep,
    Overwrite,
    /// Merge where both changes combine, and keep otherwise.
    Merge,
}

/// What the user decided about one file.
enum Answer {
    Decided(Decision),
    All(ForAll),
    Quit,
}

/// Asks about every locally modified file that the module has a new version of. False when nothing
/// is to be done at all.
pub(crate) fn ask_about(
    configs: &mut BTreeMap<ModuleId, Vec<ConfigFile>>,
    home: &Path,
    paint: Paint,
) -> Result<bool, CommandError> {
    let all = configs
        .values()
        .flatten()
        .filter(|file| file.is_open())
        .count();
    let mut for_all = None;
    let mut number = 0;
    for (module, files) in configs.iter_mut() {
        for file in files.iter_mut().filter(|file| file.is_open()) {
            number += 1;
            if for_all.is_none() {
                match ask_about_one(module, file, (number, all), home, paint)? {
                    Answer::Decided(decision) => {
                        file.decision = decision;
                        continue;
                    }
                    Answer::All(answer) => for_all = Some(answer),
                    Answer::Quit => return Ok(false),
                }
            }
            file.decision = match (for_all, merge_of(file)) {
                (Some(ForAll::Overwrite), _) => Decision::Write,
                (Some(ForAll::Merge), Merge::Clean(merged)) => Decision::Merge(merged.clone()),
                _ => Decision::Keep,
            };
        }
    }
    Ok(true)
}

fn merge_of(file: &ConfigFile) -> &Merge {
    match &file.standing {
        ConfigFileState::Conflict(merge) => merge,
        _ => &Merge::Impossible,
    }
}

fn ask_about_one(
    module: &ModuleId,
    file: &ConfigFile,
    (number, all): (usize, usize),
    home: &Path,
    paint: Paint,
) -> Result<Answer, CommandError> {
    let shown = render::printable(&render::home_path(&file.path.display().to_string(), home));
    let title = format!("Configuration file {number} of {all}: {shown} ({module})");
    render::print_note(&painted(paint.stderr, BOLD, &title));
    show_diff(file, paint, SHOWN_LINES);
    let merge = merge_of(file);
    let is_mergeable = *merge != Merge::Impossible;
    let remaining = all - number;
    let mut choices = vec![("k", "[k]eep"), ("o", "[o]verwrite")];
    choices.extend(is_mergeable.then_some(("m", "[m]erge")));
    choices.extend([("d", "[d]iff"), ("e", "[e]dit")]);
    choices.extend((remaining > 0).then_some(("a", "[a]ll")));
    choices.push(("q", "[q]uit"));
    let letters: String = choices.iter().map(|(letter, _)| *letter).collect();
    let words: Vec<&str> = choices.iter().map(|(_, word)| *word).collect();
    let question = format!(
        "The file is locally modified, and {module} has a new version. {}? [K]",
        words.join(" ")
    );
    loop {
        match ask::choose(&question, &letters, 'k')? {
            Some('k') => return Ok(Answer::Decided(Decision::Keep)),
            Some('o') => return Ok(Answer::Decided(Decision::Write)),
            Some('d') => show_diff(file, paint, usize::MAX),
            Some('m') => match merge {
                Merge::Clean(merged) => {
                    return Ok(Answer::Decided(Decision::Merge(merged.clone())));
                }
                Merge::Conflicts(text) => {
                    render::print_note(
                        "Both versions changed the same lines. Opening the editor with conflict markers.",
                    );
                    if let Some(text) = edit(file, text) {
                        return Ok(Answer::Decided(Decision::Merge(text)));
                    }
                }
                Merge::Impossible => {}
            },
            Some('e') => {
                let text = match merge {
                    Merge::Clean(merged) => merged,
                    _ => file.current.as_ref().unwrap_or(&file.contents),
                };
                if let Some(text) = edit(file, text) {
                    return Ok(Answer::Decided(Decision::Merge(text)));
                }
            }
            Some('a') => {
                let question = format!(
                    "{}: [k]eep, [o]verwrite, or [m]erge where possible and keep the others? [K]",
                    render::count(remaining + 1, "file")
                );
                return Ok(match ask::choose(&question, "kom", 'k')? {
                    Some('o') => Answer::All(ForAll::Overwrite),
                    Some('m') => Answer::All(ForAll::Merge),
                    Some(_) => Answer::All(ForAll::Keep),
                    None => Answer::Quit,
                });
            }
            Some(_) | None => return Ok(Answer::Quit),
        }
    }
}

/// Shows the difference between the local and the new version, at most `limit` lines of it.
fn show_diff(file: &ConfigFile, paint: Paint, limit: usize) {
    let diff = file.diff();
    let all = diff.lines().count();
    let shown: String = diff
        .lines()
        .take(limit)
        .map(|line| format!("{line}\n"))
        .collect();
    render::print_note(render::colored_diff(&shown, paint.stderr).trim_end());
    if all > limit {
        render::print_note(&format!(
            "… {} more; answer d to show all",
            render::count(all - limit, "line")
        ));
    }
}

/// Lets the user edit a text. `None`, with a message, when there is no result.
fn edit(file: &ConfigFile, text: &[u8]) -> Option<Vec<u8>> {
    match edited(file, text) {
        Ok(edited) => Some(edited),
        Err(why) => {
            render::print_note(&format!("warning: {why}; the file is not changed yet"));
            None
        }
    }
}

fn edited(file: &ConfigFile, text: &[u8]) -> Result<Vec<u8>, String> {
    let editor = editor().ok_or("no editor was found: set VISUAL or EDITOR")?;
    let cannot = |error: io::Error| format!("cannot edit the file: {error}");
    let directory = tempfile::Builder::new()
        .prefix("hoist-edit-")
        .tempdir()
        .map_err(cannot)?;
    // Editors choose their mode by the name of the file.
    let copy = directory
        .path()
        .join(file.path.file_name().unwrap_or_default());
    std::fs::write(&copy, text).map_err(cannot)?;
    // As git does: the variable may have options.
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{editor} \"$@\""), "sh"])
        .arg(&copy)
        .stdin(Stdio::inherit());
    let status = command.status().map_err(cannot)?;
    if !status.success() {
        return Err(format!("the editor `{editor}` failed with {status}"));
    }
    let edited = std::fs::read(&copy).map_err(cannot)?;
    let count = |marker: &str| {
        edited
            .split(|byte| *byte == b'\n')
            .filter(|line| *line == marker.as_bytes())
            .count()
    };
    match count(CONFLICT_START).max(count(CONFLICT_END)) {
        0 => {}
        1 => return Err("1 conflict is left in the edited file".to_owned()),
        left => return Err(format!("{left} conflicts are left in the edited file")),
    }
    Ok(edited)
}

/// The user's editor, as a command line of a shell.
fn editor() -> Option<String> {
    let set = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    };
    let is_program = |name: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
    };
    set("VISUAL").or_else(|| set("EDITOR")).or_else(|| {
        ["sensible-editor", "editor", "nano", "vi"]
            .into_iter()
            .find(is_program)
            .map(str::to_owned)
    })
}
