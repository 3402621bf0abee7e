//! `hoist new`: creates a module.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hoist_core::{Diagnostic, ModuleId};
use serde_json::json;

use crate::args::{Global, New, NewMethod, PluginAction, PluginKind, PluginNew};
use crate::collections::{self, ReadOptions};
use crate::error::{AtPath, CommandError, ExitStatus};
use crate::session::{self, Session};
use crate::ui::Output;
use crate::{ask, commands, json};
use hoist_core::format::shell::PACKAGE_METHODS;

/// What a new module consists of, once every question is answered.
struct Answers {
    name: ModuleId,
    method: NewMethod,
    description: String,
    url: String,
    packages: Vec<String>,
    is_core: bool,
    is_optional: bool,
}

/// Creates a module in the collection.
pub(crate) fn run(global: &Global, new: &New) -> Result<ExitStatus, CommandError> {
    let name = ModuleId::new(&new.name).map_err(|error| {
        CommandError::wrong(
            Diagnostic::error(error.to_string())
                .help("name the module after its file, for example `fzf` for modules/fzf.sh"),
        )
    })?;
    let root = collection(global)?;
    if new.method == Some(NewMethod::Plugin) {
        let directory = root.join(hoist_plugins::modules::PLUGINS);
        let directory = directory
            .strip_prefix(std::env::current_dir()?)
            .map(Path::to_owned)
            .unwrap_or(directory);
        let plugin = PluginNew {
            name: new.name.clone(),
            kind: PluginKind::Basic,
            directory: Some(directory),
        };
        return commands::plugin::run(global, &PluginAction::New(plugin));
    }
    let file = root.join("modules").join(format!("{name}.sh"));
    let existing = [file.clone(), file.with_extension("conf")]
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok());
    if let Some(existing) = existing {
        let error = Diagnostic::error("the module already exists")
            .module(name.as_str())
            .file(existing.display().to_string());
        return Err(CommandError::wrong(
            error.help("choose another name, or edit the existing file"),
        ));
    }
    let Some(answers) = answers(global, new, name)? else {
        return Err(CommandError::Interrupted);
    };
    write(&file, &script(&answers))?;
    check(&file)?;
    let shown = file
        .strip_prefix(std::env::current_dir()?)
        .unwrap_or(&file)
        .display()
        .to_string();
    if global.output == Output::Json {
        json::print(&json!({ "module": answers.name, "file": file }))?;
        return Ok(ExitStatus::Ok);
    }
    let name = &answers.name;
    let text = format!(
        "Created {shown}\n\nNext:\n  edit {shown}\n  hoist validate {shown}\n  hoist install {name} --dry-run\n  hoist install {name}\n"
    );
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}

/// The collection to create the module in: the first of those in use.
fn collection(global: &Global) -> Result<PathBuf, CommandError> {
    let session = Session::named(global)?;
    let directory = session.directories.first().cloned().ok_or_else(|| {
        let error = Diagnostic::error("there is no collection to create the module in");
        CommandError::wrong(error.help("create one with `hoist init`, or name one with `-C DIR`"))
    })?;
    if !directory.is_dir() {
        let error = Diagnostic::error("the collection does not exist")
            .file(directory.display().to_string());
        return Err(CommandError::wrong(error.help(format!(
            "create it with `hoist init {}`",
            directory.display()
        ))));
    }
    Ok(directory)
}

/// Completes the options by questions on a terminal, and by defaults otherwise. `None` at the end
/// of the input.
fn answers(global: &Global, new: &New, name: ModuleId) -> Result<Option<Answers>, CommandError> {
    let asks = ask::is_interactive() && !global.yes;
    let method = match new.method {
        Some(method) => method,
        None if new.url.as_deref().is_some_and(|url| url.ends_with(".sh")) => {
            NewMethod::DownloadScript
        }
        None if new.url.is_some() => NewMethod::GitClone,
        None if !new.package.is_empty() => NewMethod::PackageManager,
        None if !asks => NewMethod::Custom,
        None => match ask_method()? {
            Some(method) => method,
            None => return Ok(None),
        },
    };
    let has_url = matches!(method, NewMethod::GitClone | NewMethod::DownloadScript);
    let url = match (&new.url, has_url) {
        (Some(_), false) => {
            let error = Diagnostic::error(
                "--url is only used by the methods git_clone and download_script",
            );
            return Err(CommandError::wrong(
                error.help("remove --url, or choose one of these methods"),
            ));
        }
        (Some(url), true) => url.clone(),
        (None, true) if asks => {
            let question = if method == NewMethod::GitClone {
                "URL of the git repository:"
            } else {
                "URL of the installer script:"
            };
            match ask::line(question, "")? {
                Some(url) => url,
                None => return Ok(None),
            }
        }
        _ => String::new(),
    };
    if has_url && url.trim().is_empty() {
        let kind = if method == NewMethod::GitClone {
            "git_clone needs the URL of a repository"
        } else {
            "download_script needs the URL of a script"
        };
        return Err(CommandError::wrong(
            Diagnostic::error(kind)
                .module(name.as_str())
                .help("add `--url URL`"),
        ));
    }
    let has_packages = matches!(method, NewMethod::Packages(_) | NewMethod::PackageManager);
    let packages = match (new.package.is_empty(), has_packages) {
        (false, false) => {
            let words: Vec<&str> = PACKAGE_METHODS.iter().map(|method| method.word).collect();
            let error = Diagnostic::error(format!(
                "--package is only used by the methods {} and package_manager",
                words.join(", ")
            ));
            return Err(CommandError::wrong(
                error.help("remove --package, or choose one of these methods"),
            ));
        }
        (false, true) => new.package.clone(),
        (true, true) if asks => match ask::line("Packages, separated by spaces:", name.as_str())? {
            Some(packages) => packages
                .split([' ', ','])
                .filter(|package| !package.is_empty())
                .map(str::to_owned)
                .collect(),
            None => return Ok(None),
        },
        _ => Vec::new(),
    };
    let otherwise = format!("Install {name}");
    let description = match &new.description {
        Some(description) => description.clone(),
        None if asks => match ask::line("Description, one line:", &otherwise)? {
            Some(description) => description,
            None => return Ok(None),
        },
        None => otherwise,
    };
    Ok(Some(Answers {
        name,
        method,
        description,
        url,
        packages,
        is_core: new.core,
        is_optional: new.optional,
    }))
}

/// Methods a person can choose from, each with the letter of its key in brackets.
fn choices() -> Vec<(NewMethod, &'static str)> {
    let mut choices = vec![
        (NewMethod::GitClone, "[g]it_clone"),
        (NewMethod::PackageManager, "[p]ackage_manager"),
    ];
    let methods = PACKAGE_METHODS.iter();
    choices.extend(methods.map(|method| (NewMethod::Packages(method), method.choice)));
    choices.push((NewMethod::DownloadScript, "[d]ownload_script"));
    choices.push((NewMethod::Custom, "[c]ustom"));
    choices
}

fn ask_method() -> io::Result<Option<NewMethod>> {
    let choices = choices();
    let line = |(method, shown): &(NewMethod, &str)| {
        let purpose = method.purpose();
        let (first, rest) = purpose.split_at(1);
        format!("{shown:<20}{}{rest}", first.to_lowercase())
    };
    let lines: Vec<String> = choices.iter().map(line).collect();
    let question = format!(
        "How is the module installed?\n  {}\nMethod [c]:",
        lines.join("\n  ")
    );
    let letter = |shown: &str| shown.split_once('[')?.1.chars().next();
    let letters: String = choices
        .iter()
        .filter_map(|(_, shown)| letter(shown))
        .collect();
    let chosen = ask::choose(&question, &letters, 'c')?;
    let mut choices = choices.into_iter();
    Ok(choices
        .find(|(_, shown)| letter(shown) == chosen && chosen.is_some())
        .map(|(method, _)| method))
}

/// A value in double quotes, as metadata have it.
fn value(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text
        .trim()
        .chars()
        .filter(|character| !character.is_control())
    {
        if matches!(character, '"' | '\\' | '`' | '$') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted + "\""
}

/// The script of the module.
fn script(answers: &Answers) -> String {
    let Answers { name, method, .. } = answers;
    let mut fields: Vec<(&str, String)> = vec![
        ("NAME", value(name.as_str())),
        ("DESCRIPTION", value(&answers.description)),
        (
            "ENABLED_BY_DEFAULT",
            value(if answers.is_optional { "false" } else { "true" }),
        ),
        (
            "IS_CORE",
            value(if answers.is_core { "true" } else { "false" }),
        ),
        ("DEPENDS", value("")),
        ("INSTALL_METHOD", value(method.word())),
    ];
    let own = format!("\"$HOME/.local/share/{name}\"");
    let mut function = String::new();
    match method {
        NewMethod::GitClone => {
            fields.push(("INSTALL_REPO", value(&answers.url)));
            fields.push(("INSTALL_ARGS", value("--depth=1")));
            fields.extend(
                ["INSTALL_DIRS", "UNINSTALL_DIRS", "UPDATE_DIR"].map(|field| (field, own.clone())),
            );
            fields.push(("UPDATE_METHOD", value("git_pull")));
            fields.push(("TEST_DIRS", own));
        }
        NewMethod::Packages(of) => {
            let packages = if answers.packages.is_empty() {
                name.to_string()
            } else {
                answers.packages.join(" ")
            };
            fields.push(("PACKAGES", value(&packages)));
            fields.push(("INSTALL_DIRS", "\"$HOME/.local\"".to_owned()));
            fields.push(("UNINSTALL_DIRS", value("")));
            let removed = of.removed.and_then(|field| field.strip_prefix("MODULE_"));
            fields.extend(removed.map(|field| (field, value(&packages))));
            fields.push(("UPDATE_METHOD", value(of.update)));
        }
        NewMethod::PackageManager => {
            if !answers.packages.is_empty() {
                fields.push(("PACKAGES", value(&answers.packages.join(" "))));
            }
            fields.push(("UNINSTALL_DIRS", value("")));
            fields.push(("UPDATE_METHOD", value("none")));
            fields.push((
                "TEST_BINARIES",
                value(
                    answers
                        .packages
                        .first()
                        .map_or(name.as_str(), String::as_str),
                ),
            ));
        }
        NewMethod::DownloadScript => {
            fields.push(("INSTALL_REPO", value(&answers.url)));
            fields.push(("UNINSTALL_DIRS", value("")));
            fields.push(("UPDATE_METHOD", value("reinstall")));
            fields.push(("TEST_BINARIES", value(name.as_str())));
        }
        NewMethod::Custom | NewMethod::Plugin => {
            fields.extend(["INSTALL_DIRS", "UNINSTALL_DIRS"].map(|field| (field, own.clone())));
            fields.push(("UPDATE_METHOD", value("reinstall")));
            fields.push(("TEST_DIRS", own));
            function = format!(
                "\nSCRIPT_DIR=\"$(cd \"$(dirname \"${{BASH_SOURCE[0]}}\")/..\" && pwd)\"\n\
                 source \"$SCRIPT_DIR/lib/common.sh\"\n\n\
                 # Installs the module. Return a status other than 0 on failure.\n\
                 main_module() {{\n    mkdir -p \"$HOME/.local/share/{name}\" || return 1\n    log_info \"Edit modules/{name}.sh to install something\"\n}}\n"
            );
        }
    }
    let mut text = format!(
        "#!/usr/bin/env bash\n# {}\n#\n# `hoist schema module` describes all fields.\n# Metadata: START\n",
        answers.description.replace(char::is_control, " ")
    );
    for (field, value) in fields {
        text += &format!("MODULE_{field}={value}\n");
    }
    if *method == NewMethod::DownloadScript {
        text += "# SHA-256 of the script, so that hoist refuses any other:\n# MODULE_INSTALL_SHA256=\"\"\n";
    }
    text + "# Metadata: END\n" + &function
}

fn write(file: &Path, text: &str) -> Result<(), CommandError> {
    let write = || {
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file)?
            .write_all(text.as_bytes())
    };
    write().map_err(|error| {
        let diagnostic = Diagnostic::error(format!("cannot create the module: {error}"))
            .file(file.display().to_string());
        CommandError::wrong(diagnostic.help("check that the directory is writable"))
    })
}

/// Reads the new module as every command does. A module with errors is removed again.
fn check(file: &Path) -> Result<(), CommandError> {
    let (environment, _, places) = session::detect()?;
    let catalog = collections::read_manifest(
        file,
        &ReadOptions {
            environment: &environment,
            plugins: &places.plugins,
        },
    )?;
    let errors: Vec<Diagnostic> = catalog
        .all_broken()
        .flat_map(|(_, broken)| &broken.diagnostics)
        .filter(|diagnostic| diagnostic.is_error())
        .cloned()
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    std::fs::remove_file(file).at("cannot remove the invalid module", file)?;
    Err(errors.into())
}
