//! Manual pages.

use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use roff::{Roff, bold, italic, roman};

use super::help::{ENVIRONMENT, FILES, examples, exit_statuses};

/// Writes the manual page of the program.
pub(crate) fn page(output: &mut dyn Write) -> io::Result<()> {
    write(&built(), "", output)
}

/// Writes the manual pages of the program and its commands to a directory.
pub(crate) fn pages(directory: &Path) -> io::Result<()> {
    write_all(&built(), "", directory)
}

fn built() -> Command {
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    command
}

fn write_all(command: &Command, name: &str, directory: &Path) -> io::Result<()> {
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
    {
        let full = if name.is_empty() {
            subcommand.get_name().to_owned()
        } else {
            format!("{name} {}", subcommand.get_name())
        };
        write_all(subcommand, &full, directory)?;
    }
    let mut page = Vec::new();
    write(command, name, &mut page)?;
    std::fs::write(
        directory.join(Man::new(command.clone()).get_filename()),
        page,
    )
}

/// Writes the page of `command`, which is called by `name`.
fn write(command: &Command, name: &str, output: &mut dyn Write) -> io::Result<()> {
    // Options that only the long help lists belong in the manual page.
    let man = Man::new(
        command
            .clone()
            .mut_args(|argument| argument.hide_short_help(false)),
    )
    .manual("hoist manual")
    .source(format!("hoist {}", env!("CARGO_PKG_VERSION")));
    man.render_title(output)?;
    man.render_name_section(output)?;
    man.render_synopsis_section(output)?;
    man.render_description_section(output)?;
    man.render_options_section(output)?;
    if command
        .get_subcommands()
        .any(|subcommand| !subcommand.is_hide_set())
    {
        man.render_subcommands_section(output)?;
    }
    let mut sections = Roff::default();
    sections.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in exit_statuses(name) {
        sections
            .control("TP", [])
            .text([bold(status.to_string())])
            .text([roman(*meaning)]);
    }
    sections.control("SH", ["ENVIRONMENT"]);
    for argument in command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
    {
        let (Some(variable), Some(option)) = (argument.get_env(), argument.get_long()) else {
            continue;
        };
        let option = format!("--{option}");
        sections
            .control("TP", [])
            .text([bold(variable.to_string_lossy())])
            .text([roman("Sets "), bold(option), roman(".")]);
    }
    for (variables, meaning) in ENVIRONMENT {
        sections
            .control("TP", [])
            .text([bold(*variables)])
            .text([roman(*meaning)]);
    }
    sections.control("SH", ["FILES"]);
    for (path, meaning) in FILES {
        sections
            .control("TP", [])
            .text([italic(*path)])
            .text([roman(*meaning)]);
    }
    if !examples(name).is_empty() {
        sections.control("SH", ["EXAMPLES"]);
        for (purpose, line) in examples(name) {
            sections
                .control("TP", [])
                .text([roman(format!("{purpose}:"))])
                .text([bold(*line)]);
        }
    }
    if command.get_name() != "hoist" {
        sections
            .control("SH", ["SEE ALSO"])
            .text([bold("hoist"), roman("(1)")]);
    }
    sections.to_writer(output)?;
    if command.get_version().is_some() {
        man.render_version_section(output)
    } else {
        Ok(())
    }
}
