//! Commands in the configuration of a clone: filters, helpers, hooks. A sandboxed script can write
//! them into its clone, and git would later run them outside of the sandbox. hoist disables all of
//! them but those of the user's own configuration, of Git LFS and of git-crypt.

use std::path::Path;

use git2::Config;
use hoist_executor::Failure;

use crate::paths::{git_dir, repositories_below};

/// Returns settings that disable the commands in the configuration of the clone at `dir`. Settings
/// that the user's own configuration has keep its values.
pub(crate) fn overrides(dir: &Path) -> Vec<(String, String)> {
    let git = git_dir(dir).unwrap_or_else(|| dir.to_owned());
    let user = Config::open_default().ok();
    let users = |name: &str| -> Vec<String> {
        let mut values = Vec::new();
        if let Some(entries) = user
            .as_ref()
            .and_then(|user| user.multivar(name, None).ok())
        {
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
        if let Some((filter, _)) = name
            .rsplit_once('.')
            .filter(|_| name.starts_with("filter.") && own.is_empty())
        {
            overrides.push((format!("{filter}.required"), "false".to_owned()));
        }
        let is_list = name.ends_with(".helper");
        if is_list || own.is_empty() {
            overrides.push((name.clone(), instead.to_owned()));
        }
        overrides.extend(own.into_iter().map(|value| (name.clone(), value)));
    }
    let hooks = users("core.hooksPath")
        .pop()
        .unwrap_or_else(|| "/dev/null".to_owned());
    overrides.push(("core.hooksPath".to_owned(), hooks));
    overrides
}

/// Fails if the configuration of a clone has commands that cannot be overridden: those of its
/// remotes, and those of its submodules, for which git starts processes without the overrides.
pub fn refuse(dir: &Path) -> Result<(), Failure> {
    let Some(git) = git_dir(dir) else {
        return Ok(());
    };
    let is_of_remote = |name: &str| {
        name.starts_with("remote.")
            && matches!(
                name.rsplit('.').next(),
                Some("uploadpack" | "receivepack" | "vcs")
            )
    };
    let own = names(&git, is_of_remote)
        .into_iter()
        .map(|name| (git.clone(), name));
    let submodules = repositories_below(&git.join("modules"), 0).into_iter();
    let of_submodules = submodules.flat_map(|submodule| {
        names(&submodule, |name| is_of_remote(name) || is_command(name))
            .into_iter()
            .map(move |name| (submodule.clone(), name))
    });
    match own.chain(of_submodules).next() {
        Some((git, name)) => {
            let config = git.join("config");
            Err(Failure::new(format!(
                "{} contains the command {name}, which git would run: remove it",
                config.display()
            )))
        }
        None => Ok(()),
    }
}

/// Returns the names of the settings in a repository's own configuration that `is_wanted` selects,
/// except those with a well-known value.
fn names(git: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for file in ["config", "config.worktree"]
        .map(|name| git.join(name))
        .into_iter()
        .filter(|file| file.is_file())
    {
        let Ok(config) = Config::open(&file) else {
            continue;
        };
        let Ok(mut entries) = config.entries(None) else {
            continue;
        };
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

/// Returns whether the setting is a command that git runs. libgit2 returns section and key in lower
/// case.
fn is_command(name: &str) -> bool {
    let (section, key) = (
        name.split('.').next().unwrap_or_default(),
        name.rsplit('.').next().unwrap_or_default(),
    );
    match section {
        "filter" => matches!(key, "clean" | "smudge" | "process"),
        "core" => matches!(
            key,
            "sshcommand" | "gitproxy" | "askpass" | "alternaterefscommand"
        ),
        "merge" => key == "driver",
        "credential" => key == "helper",
        "gpg" => key == "program",
        _ => false,
    }
}

/// Returns whether a command is one that Git LFS or git-crypt writes into the configuration of a
/// clone.
fn is_well_known(value: &str) -> bool {
    let value = value.replace('"', "");
    let mut words = value.split_whitespace();
    let is_program = |program: &str| matches!(program, "git-lfs" | "git-crypt");
    words.next().is_some_and(is_program)
        && words.all(|word| !word.contains([';', '&', '|', '$', '`', '(', '<', '>']))
}
