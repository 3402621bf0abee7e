//! `hoist plugin`: plugins, their configuration, and new ones.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use hoist_core::Diagnostic;
use hoist_files::read_text;
use hoist_plugins::modules::{PLUGIN_SYSTEM, random_text};
use hoist_plugins::{
    Document, Given, Pending, Plugin, PluginConfiguration, SecretSource, ValueOrigin,
};
use serde_json::{Value, json};

use crate::args::{Global, PluginAction, PluginConfig, PluginInputs, PluginKind, PluginNew};
use crate::error::{CommandError, ExitStatus};
use crate::plugins::{Found, add_directories, find};
use crate::render::{self, BOLD, DIM, Paint, painted};
use crate::session::Session;
use crate::ui::Output;
use crate::{collections, commands, json};

mod scaffold;
mod status;
mod validate;

/// Does what is asked about plugins.
pub(crate) fn run(global: &Global, action: &PluginAction) -> Result<ExitStatus, CommandError> {
    match action {
        PluginAction::New(new) => create(global, new),
        PluginAction::Validate { plugins, inputs } => validate::run(global, plugins, inputs),
        PluginAction::List(list) => commands::list::run(
            &Global {
                system: Some(PLUGIN_SYSTEM),
                ..global.clone()
            },
            list,
        ),
        PluginAction::Config(config) => show(global, config),
        PluginAction::Install(install) => {
            let mut global = global.clone();
            let mut install = install.clone();
            install.modules = add_directories(&mut global, &install.modules)?;
            commands::change::run(
                &global,
                &commands::change::ChangeRequest::install(&global, &install)?,
            )
        }
        PluginAction::Deploy(deploy) => commands::deploy::deploy(global, deploy),
        PluginAction::Upgrade(upgrade) => commands::deploy::upgrade(global, upgrade),
        PluginAction::Rollback(rollback) => commands::deploy::rollback(global, rollback),
        PluginAction::Status { plugins } => status::run(global, plugins),
        PluginAction::Undeploy(undeploy) => commands::undeploy::undeploy(global, undeploy),
        PluginAction::Remove(remove) => commands::change::run(
            global,
            &commands::change::ChangeRequest::uninstall(global, remove),
        ),
    }
}

/// What a person gives on the command line, read.
pub(crate) fn given(session: &Session, inputs: &PluginInputs) -> Result<Given, CommandError> {
    let mut errors = Vec::new();
    let mut files = Vec::new();
    for path in &inputs.config {
        let shown = path.display().to_string();
        match read_text(path) {
            Ok(text) => match Document::parse_private(&shown, &text) {
                Ok(document) => files.push(document),
                Err(wrong) => errors.push(wrong),
            },
            Err(error) => errors.push(
                Diagnostic::error(format!("cannot read the file: {error}"))
                    .file(shown)
                    .help("name a YAML or JSON file with --config"),
            ),
        }
    }
    let mut set = Vec::new();
    for (option, text) in inputs
        .set
        .iter()
        .map(|text| ("--set", text))
        .chain(inputs.set_file.iter().map(|text| ("--set-file", text)))
    {
        let Some((path, value)) = text.split_once('=').filter(|(path, _)| !path.is_empty()) else {
            // What stands there may be a secret.
            let name: String = text
                .chars()
                .take_while(|c| c.is_alphanumeric() || "._-[]".contains(*c))
                .collect();
            let what = if text.starts_with('=') {
                "the path before the `=` is missing"
            } else {
                "the `=` is missing"
            };
            errors.push(
                Diagnostic::error(format!("{option} {name}: {what}"))
                    .help(format!("write {option} PATH=VALUE")),
            );
            continue;
        };
        let value = match option {
            "--set" => Ok(value.to_owned()),
            _ => read_text(Path::new(value)).map(|text| without_line_end(&text).to_owned()),
        };
        let option = format!("{option} {path}");
        match value {
            Ok(value) => set.push(hoist_plugins::ConfigAssignment {
                path: path.to_owned(),
                value,
                option,
            }),
            Err(error) => errors.push(
                Diagnostic::error(format!("{option}: cannot read the file: {error}"))
                    .help("name a file after the `=`"),
            ),
        }
    }
    if !errors.is_empty() {
        return Err(errors.into());
    }
    // That without a name is the one that is meant where nothing is said.
    Ok(Given {
        environment: inputs.env.clone().filter(|name| !name.is_empty()),
        files,
        variables: session.environment.clone(),
        set,
    })
}

fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

/// The configuration of a plugin with the secrets that stand elsewhere, and everything that is
/// wrong. Secrets that are to be made are taken from `made`, by their paths, and put there where it
/// has none yet; without it they are left out.
pub(crate) fn configuration(
    session: &Session,
    found: &Found,
    plugin: &Plugin,
    given: &Given,
    mut made: Option<&mut BTreeMap<String, String>>,
) -> (PluginConfiguration, Vec<Diagnostic>) {
    let mut configuration = PluginConfiguration::read(plugin, &*found.directory, given);
    let mut wrong = Vec::new();
    for pending in configuration.pending() {
        match fetch(session, &pending, made.as_deref_mut()) {
            Ok(Some(secret)) => configuration.supply(&pending, &secret),
            Ok(None) => {}
            Err(why) => wrong.push(
                Diagnostic::error(why)
                    .field(hoist_plugins::dotted(&pending.path))
                    .help(format!("it is used at {}", pending.origin)),
            ),
        }
    }
    let mut all: Vec<Diagnostic> = configuration
        .check(&*found.directory)
        .into_iter()
        .chain(wrong)
        .collect();
    for (path, origin) in configuration.public_secrets(&*found.directory) {
        let warning = Diagnostic::warning(
            "the value of this secret is part of the plugin, where everybody can read it",
        )
        .field(path);
        all.push(warning.help(format!("set another value; this one is from {origin}")));
    }
    for setting in configuration.short_secrets() {
        let warning =
            Diagnostic::warning("this secret is too short to be hidden in output").field(setting);
        all.push(warning.help("use a longer secret"));
    }
    for assignment in given
        .set
        .iter()
        .filter(|assignment| assignment.option.starts_with("--set "))
    {
        let secret = configuration.settings().into_iter().any(|setting| {
            setting.secret && setting.origin == ValueOrigin::Option(assignment.option.clone())
        });
        if secret {
            let warning = Diagnostic::warning(
                "this value is a secret, and other users of this machine can read command lines",
            )
            .field(assignment.path.clone());
            all.push(warning.help(format!(
                "set it in a file with --config, in the environment, or with `--set-file {}=FILE`",
                assignment.path
            )));
        }
    }
    let named = |wrong: Diagnostic| {
        if wrong.module.is_some() {
            wrong
        } else {
            wrong.module(plugin.name.as_str())
        }
    };
    (configuration, all.into_iter().map(named).collect())
}

/// A secret from where it is to be had; nothing where it is to be made, and nobody keeps it.
fn fetch(
    session: &Session,
    pending: &Pending,
    made: Option<&mut BTreeMap<String, String>>,
) -> Result<Option<String>, String> {
    match &pending.source {
        SecretSource::File(file) => {
            let beside = match &pending.origin {
                ValueOrigin::File(place) | ValueOrigin::Schema(place) => {
                    Path::new(&*place.file).parent().map(Path::to_owned)
                }
                _ => None,
            };
            let home = file
                .strip_prefix("~/")
                .map(|inside| session.home.join(inside));
            let path = home.unwrap_or_else(|| beside.unwrap_or_default().join(file));
            let text = read_text(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            Ok(Some(without_line_end(&text).to_owned()))
        }
        SecretSource::Variable(name) => match session.environment.get(name) {
            Some(value) => Ok(Some(value.to_owned())),
            None => Err(format!(
                "the environment variable {} is not set",
                name.escape_debug()
            )),
        },
        SecretSource::Generate(length) => {
            let Some(made) = made else { return Ok(None) };
            let path = hoist_plugins::dotted(&pending.path);
            if !made.contains_key(&path) {
                made.insert(
                    path.clone(),
                    random_text(*length).map_err(|error| format!("cannot generate it: {error}"))?,
                );
            }
            Ok(made.get(&path).cloned())
        }
    }
}

/// Shows the configuration that a plugin would have, and where each value came from.
fn show(global: &Global, config: &PluginConfig) -> Result<ExitStatus, CommandError> {
    let session = Session::open(global)?;
    let given = given(&session, &config.inputs)?;
    let found = find(&session, &config.plugin)?;
    let (plugin, wrong) = Plugin::read(&*found.directory);
    let Some(plugin) = plugin else {
        return Err(wrong.into());
    };
    let (configuration, wrong) = configuration(&session, &found, &plugin, &given, None);
    let code = if wrong.iter().any(Diagnostic::is_error) {
        ExitStatus::Wrong
    } else {
        ExitStatus::Ok
    };
    let variable = |path: &str| {
        configuration
            .mapping()
            .find(|(_, of)| of == path)
            .map(|(name, _)| name.to_owned())
    };
    let settings = configuration.settings();
    if global.output == Output::Json {
        let setting = |setting: &hoist_plugins::Setting| {
            json!({
                "path": setting.path, "value": setting.value, "origin": setting.origin.to_string(), "secret": setting.secret,
                "variable": variable(&setting.path), "description": setting.description,
            })
        };
        let settings: Vec<Value> = settings.iter().map(setting).collect();
        json::print(
            &json!({ "plugin": plugin.name, "version": plugin.version.to_string(), "values": configuration.masked(), "settings": settings, "diagnostics": wrong }),
        )?;
        return Ok(code);
    }
    let paint = Paint::choose(global.color);
    render::diagnostics(&wrong, paint);
    let row = |setting: &hoist_plugins::Setting| {
        let mut row = vec![
            painted(paint.stdout, BOLD, &render::printable(&setting.path)),
            render::printable(&setting.text),
        ];
        if config.show_origin {
            row.push(painted(
                paint.stdout,
                DIM,
                &render::printable(&setting.origin.to_string()),
            ));
            row.push(variable(&setting.path).unwrap_or_default());
        }
        row
    };
    let rows: Vec<Vec<String>> = settings.iter().map(row).collect();
    let text = if rows.is_empty() {
        "No configuration.\n".to_owned()
    } else {
        render::table(&rows)
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(code)
}

/// Writes a plugin to begin with.
fn create(global: &Global, new: &PluginNew) -> Result<ExitStatus, CommandError> {
    let name = hoist_core::ModuleId::new(&new.name).map_err(|error| {
        CommandError::wrong(
            Diagnostic::error(error.to_string()).help("use a name that is also a directory name"),
        )
    })?;
    let here = match (&new.directory, global.collections.first()) {
        (Some(directory), _) => directory.clone(),
        (None, Some(collection)) => collection.join(hoist_plugins::modules::PLUGINS),
        (None, None) if collections::is_collection(Path::new(".")) => {
            PathBuf::from(hoist_plugins::modules::PLUGINS)
        }
        (None, None) => PathBuf::new(),
    };
    let directory = here.join(name.as_str());
    if directory.symlink_metadata().is_ok() {
        let wrong =
            Diagnostic::error("the directory already exists").file(directory.display().to_string());
        return Err(CommandError::wrong(
            wrong.help("choose another name, or move the directory away"),
        ));
    }
    let written = scaffold::write(new.kind, &name, &directory)?;
    if global.output == Output::Json {
        json::print(&json!({ "plugin": name, "directory": directory, "files": written }))?;
        return Ok(ExitStatus::Ok);
    }
    let shown = directory.display();
    let mut text = format!("Created {shown}/\n");
    written
        .iter()
        .for_each(|file| text += &format!("  {file}\n"));
    let called = shown_as(&directory);
    let given = if new.kind == PluginKind::Host {
        " --set host.connection.host=HOST"
    } else {
        ""
    };
    text += &format!(
        "\nNext:\n  hoist plugin validate {called}{given}\n  hoist plugin config {called} --show-origin\n  hoist plugin deploy {called}{given}\n"
    );
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitStatus::Ok)
}

/// How a plugin's directory is named on the command line: a plain name where that will do.
fn shown_as(directory: &Path) -> String {
    let name = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let parent = directory.parent().unwrap_or(Path::new(""));
    if parent.as_os_str().is_empty() || parent == Path::new(hoist_plugins::modules::PLUGINS) {
        name
    } else {
        directory.display().to_string()
    }
}
