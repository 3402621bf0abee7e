//! The `hoist` binary: arguments in, output and exit code out.

mod ansible;
mod applications;
mod args;
mod ask;
mod collections;
mod commands;
mod error;
mod json;
mod logging;
mod markdown;
mod names;
mod plugins;
mod questions;
mod render;
mod run;
mod server;
mod server_configuration;
mod session;
mod shipped;
mod sources;
mod sudo;
mod systems;
mod time;
mod ui;

use std::process::ExitCode;

use crate::args::{Arguments, Command, PlanAction, RocksAction, SourceAction};
use crate::error::CommandError;

fn main() -> ExitCode {
    if let Some(code) = watch().or_else(evaluate) {
        return code;
    }
    // Answers a shell that asks for completions, and ends.
    clap_complete::CompleteEnv::with_factory(args::command).complete();
    if let Some(code) = ansible::run() {
        return code.into();
    }
    let arguments = args::parse();
    logging::start(arguments.global.verbosity);
    let paint = render::Paint::choose(arguments.global.color);
    let output = arguments.global.output;
    let error = run_command(arguments);
    match error {
        Ok(code) => code.into(),
        Err(CommandError::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) => {
            error::report(&error, output, paint);
            error.code().into()
        }
    }
}

/// Watches over a run, where this process was started for that.
fn watch() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != run::WATCH {
        return None;
    }
    let (name, logs) = (arguments.next()?, arguments.next()?);
    let watched = hoist_guard::watchdog::watch(name.to_str()?, logs.as_ref());
    Some(if watched.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Answers one question within limits, where this process was started for that.
fn evaluate() -> Option<ExitCode> {
    (std::env::args_os().nth(1)? == hoist_plugins::evaluate_process::EVALUATE).then(|| {
        hoist_plugins::evaluate_process::answer().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
    })
}

fn run_command(arguments: Arguments) -> Result<error::ExitStatus, CommandError> {
    let Arguments {
        mut global,
        command,
    } = arguments;
    let command = match command {
        Command::Rocks { action } => {
            global.source = Some(commands::source::rocks(&global)?);
            match action {
                RocksAction::Install(install) => Command::Install(install),
                RocksAction::Update(update) => Command::Update(update),
                RocksAction::Uninstall(uninstall) => Command::Uninstall(uninstall),
                RocksAction::List(list) => Command::List(args::List {
                    installed: !list.available,
                    ..list
                }),
                RocksAction::Info { module } => Command::Info { module },
                RocksAction::Search { words } => Command::Search { words },
                RocksAction::Outdated(outdated) => Command::Outdated(outdated),
                RocksAction::Test(test) => Command::Test(test),
            }
        }
        command => command,
    };
    let mut command = command;
    let names = match &mut command {
        Command::Install(install)
        | Command::Plan {
            action: PlanAction::Install(install),
        } => Some(&mut install.modules),
        Command::Update(update)
        | Command::Plan {
            action: PlanAction::Update(update),
        } => Some(&mut update.modules),
        _ => None,
    };
    if let Some(names) = names {
        global.places = applications::places(names)?;
        let standing = applications::standing(&global, names)?;
        global.places.extend(standing);
    }
    global.anywhere = !matches!(
        command,
        Command::Install(_)
            | Command::New(_)
            | Command::Validate { .. }
            | Command::Plan {
                action: PlanAction::Install(_)
            }
    );
    if global.app.is_some() || !global.places.is_empty() {
        global.source = Some(applications::named(&global)?);
    }
    // Commands for other programs do not depend on the working directory.
    let is_internal = matches!(
        command,
        Command::Serve
            | Command::Step { .. }
            | Command::Confined { .. }
            | Command::PackageNames { .. }
    );
    if let (Err(error), false) = (std::env::current_dir(), is_internal) {
        let diagnostic = hoist_core::Diagnostic::error(format!(
            "cannot determine the working directory: {error}"
        ));
        return Err(CommandError::wrong(
            diagnostic.help("change to a directory that exists and that you may read"),
        ));
    }
    match command {
        Command::Init { directory } => commands::init::run(&global, directory.as_deref()),
        Command::New(new) => commands::new::run(&global, &new),
        Command::Status { modules } => commands::status::run(&global, &modules),
        Command::Install(install) if commands::hosts::any(&install.hosts)? => {
            commands::hosts::install(&global, &install)
        }
        Command::Install(install) => commands::change::run(
            &global,
            &commands::change::ChangeRequest::install(&global, &install)?,
        ),
        Command::Update(update) => commands::change::run(
            &global,
            &commands::change::ChangeRequest::update(&global, &update),
        ),
        Command::Uninstall(uninstall) => commands::change::run(
            &global,
            &commands::change::ChangeRequest::uninstall(&global, &uninstall),
        ),
        Command::Undo(undo) => commands::undo::run(&global, &undo),
        Command::Retry { config } => commands::change::retry(&global, config),
        Command::Plan { action } => commands::change::plan(
            &global,
            &commands::change::ChangeRequest::planned(&global, &action)?,
        ),
        Command::Config { action } => commands::config::run(&global, &action),
        Command::Test(test) => commands::test::run(&global, &test),
        Command::List(list) => commands::list::run(&global, &list),
        Command::Info { module } => commands::info::run(&global, &module),
        Command::Validate { paths } => commands::validate::run(&global, &paths),
        Command::Graph { modules, format } => commands::graph::run(&global, &modules, format),
        Command::Source {
            action: SourceAction::List,
        } => commands::source::list(&global),
        Command::Source {
            action: SourceAction::Add(add),
        } => commands::source_edit::add(&global, &add),
        Command::Source {
            action: SourceAction::Remove { name },
        } => commands::source_edit::remove(&global, &name),
        Command::Migrate(migrate) => {
            commands::change::run(&global, &commands::change::ChangeRequest::migrate(&migrate))
        }
        // It was made one of the others above.
        Command::Rocks { .. } => Ok(error::ExitStatus::Ok),
        Command::Prosodyctl { arguments } => commands::prosodyctl::run(&global, &arguments),
        Command::Plugin { action } => commands::plugin::run(&global, &action),
        Command::Outdated(outdated) => commands::outdated::run(&global, outdated.refresh),
        Command::Sync { sources } => commands::sync::run(&global, &sources),
        Command::Search { words } => commands::search::run(&global, &words),
        Command::Doctor => commands::doctor::run(&global),
        Command::Report { run, html, format } => {
            commands::report::run(&global, run.as_deref(), html.as_deref(), format)
        }
        Command::Completions { shell } => commands::man::completions(&shell),
        Command::Man { directory } => commands::man::man(directory.as_deref()),
        Command::Schema { kind } => commands::man::json_schema(&kind),
        Command::History { limit } => commands::history::run(&global, limit),
        Command::Serve => commands::hosts::serve(),
        Command::Step {
            method,
            module,
            more,
        } => commands::step::run(&method, &module, &more),
        Command::Confined { rules, command } => commands::confined::run(&rules, &command),
        Command::PackageNames { names } => commands::step::package_names_of(&names),
    }
}
