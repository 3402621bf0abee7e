//! The commands in the configuration of a clone. Whoever may write to a clone may put some there, also a script that is confined to it, and git would run
//! them wherever somebody works with the clone. hoist runs none of them, unless they are the user's own or well known.

use std::path::Path;

use git2::Config;
use hoist_executor::Failure;

use crate::git::local::git_dir;
use crate::git::own::repositories_below;

/// The settings that take the commands of a clone away, for a git that runs in it. Where the user has a command of that name, it is that one.
pub(crate) fn overrides(dir: &Path) -> Vec<(String, String)> {
    let git = git_dir(dir).unwrap_or_else(|| dir.to_owned());
    let user = Config::open_default().ok();
    let users = |name: &str| -> Vec<String> {
        let mut values = Vec::new();
        if let Some(entries) = user.as_ref().and_then(|user| user.multivar(name, None).ok()) {
            let _ = entries.for_each(|entry| values.extend(entry.value().ok().map(str::to_owned)));
        }
        values
    };
    let mut overrides = Vec::new();
    for name in names(&git, is_command) {
        let own = users(&name);
        let instead = match name.rsplit('.').next().unwrap_or_default() {
            "sshcommand" => "ssh",
            "gitproxy" => "none",
            "driver" | "program" => "false",
            "alternaterefscommand" => "true",
            // No filter; and of helpers, an empty one lets those go that were named before.
            _ => "",
        };
        if let Some(filter) = name.strip_prefix("filter.").and_then(|rest| rest.rsplit_once('.')) {
            overrides.push((format!("filter.{}.required", filter.0), (!own.is_empty()).to_string()));
        }
        let is_list = name.ends_with(".helper");
        if is_list || own.is_empty() {
            overrides.push((name.clone(), instead.to_owned()));
        }
        overrides.extend(own.into_iter().map(|value| (name.clone(), value)));
    }
    if users("core.hooksPath").is_empty() {
        overrides.push(("core.hooksPath".to_owned(), "/dev/null".to_owned()));
    } else {
        overrides.extend(users("core.hooksPath").into_iter().map(|path| ("core.hooksPath".to_owned(), path)));
    }
    overrides
}

/// Fails where the configuration of a clone has commands that cannot be taken away: of its remotes, and of submodules, since a git that is started for one
/// knows of no overrides.
pub(crate) fn refuse(dir: &Path) -> Result<(), Failure> {
    let Some(git) = git_dir(dir) else { return Ok(()) };
    let is_of_remote =
        |name: &str| name.starts_with("remote.") && matches!(name.rsplit('.').next(), Some("uploadpack" | "receivepack" | "vcs"));
    let own = names(&git, is_of_remote).into_iter().map(|name| (git.clone(), name));
    let submodules = repositories_below(&git.join("modules"), 0).into_iter();
    let of_submodules = submodules.flat_map(|submodule| {
        names(&submodule, |name| is_of_remote(name) || is_command(name)).into_iter().map(move |name| (submodule.clone(), name))
    });
    match own.chain(of_submodules).next() {
        Some((git, name)) => {
            let config = git.join("config");
            Err(Failure::new(format!("{} has the command {name}, which git would run: remove it there", config.display())))
        }
        None => Ok(()),
    }
}

/// The names of the settings that a repository has of its own, of those that are wanted and have no value that is well known.
fn names(git: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for file in ["config", "config.worktree"].map(|name| git.join(name)).into_iter().filter(|file| file.is_file()) {
        let Ok(config) = Config::open(&file) else { continue };
        let Ok(mut entries) = config.entries(None) else { continue };
        while let Some(Ok(entry)) = entries.next() {
            if let (Ok(name), Ok(value)) = (entry.name(), entry.value())
                && is_wanted(name)
                && !is_well_known(value)
            {
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Whether a setting is a command, or leads to one. Git writes names in small letters, but for the middle part.
fn is_command(name: &str) -> bool {
    let (section, key) = (name.split('.').next().unwrap_or_default(), name.rsplit('.').next().unwrap_or_default());
    match section {
        "filter" => matches!(key, "clean" | "smudge" | "process"),
        "core" => matches!(key, "sshcommand" | "gitproxy" | "askpass" | "alternaterefscommand"),
        "merge" => key == "driver",
        "credential" => key == "helper",
        "gpg" => key == "program",
        _ => false,
    }
}

/// What programs that many people use write into the configuration of a clone themselves.
fn is_well_known(value: &str) -> bool {
    let value = value.replace('"', "");
    let mut words = value.split_whitespace();
    let is_program = |program: &str| matches!(program, "git-lfs" | "git-crypt");
    words.next().is_some_and(is_program) && words.all(|word| !word.contains([';', '&', '|', '$', '`', '(', '<', '>']))
}
