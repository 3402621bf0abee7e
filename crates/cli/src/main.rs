//! The `hoist` binary: arguments in, output and exit code out.

mod args;
mod collections;
mod commands;
mod error;
mod json;
mod render;
mod run;
mod session;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::error::Ending;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let paint = render::Paint::choose(arguments.global.color);
    let output = arguments.global.output;
    let ending = run_command(arguments);
    match ending {
        Ok(code) => code.into(),
        Err(Ending::BrokenPipe) => ExitCode::SUCCESS,
        Err(ending) => {
            error::tell(&ending, output, paint);
            ending.code().into()
        }
    }
}

fn run_command(arguments: Arguments) -> Result<error::Code, Ending> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Install(install) => commands::install::run(&global, &install),
        Command::Plan { action: args::PlanAction::Install(install) } => commands::install::plan(&global, &install),
        Command::Test(test) => commands::test::run(&global, &test),
        Command::List(list) => commands::list::run(&global, &list),
        Command::Info { module } => commands::info::run(&global, &module),
        Command::Validate { paths } => commands::validate::run(&global, &paths),
        Command::Graph { modules, format } => commands::graph::run(&global, &modules, format),
        Command::History { limit } => commands::history::run(&global, limit),
        Command::Step { method, module, more } => commands::step::run(&method, &module, &more),
        Command::PackageNames { names } => commands::step::package_names_of(&names),
    }
}
