//! The command line, as clap reads it.

use std::io::Write;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

mod global;
mod help;
mod man;
mod modules;
mod plugin;
mod sources;
mod values;

pub(crate) use global::Global;
pub(crate) use man::{page, pages};
pub(crate) use modules::{
    ConfigOptions, Hosts, Install, List, Migrate, New, NewMethod, Outdated, RolloutOptions, Test,
    Undo, Uninstall, Update,
};
pub(crate) use plugin::{
    PluginAction, PluginConfig, PluginDeploy, PluginInputs, PluginKind, PluginNew, PluginRollback,
    PluginUndeploy, PluginUpgrade, StartOptions,
};
pub(crate) use sources::{ConfigAction, RocksAction, SourceAction, SourceAdd};

/// Set up machines in bulk: install, update, test and remove modules in parallel
#[derive(Debug, Parser)]
#[command(name = "hoist", version = env!("HOIST_VERSION_SHORT"), long_version = env!("HOIST_VERSION_LONG"),
    max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command line interface, with the examples of its commands.
pub(crate) fn command() -> clap::Command {
    help::complete(Arguments::command())
}

/// Parses the command line. Prints help, versions and errors, and exits, as clap does.
pub(crate) fn parse() -> Arguments {
    let parsed = command().try_get_matches().and_then(|matches| {
        let mut arguments = Arguments::from_arg_matches(&matches)?;
        arguments.global.resolve(&matches)?;
        Ok(arguments)
    });
    parsed.unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            exit_with_help(&error)
        }
        _ => error.format(&mut command()).exit(),
    })
}

/// Prints a help text and exits. That of the program itself has its commands in groups.
fn exit_with_help(error: &clap::Error) -> ! {
    let mut program = command();
    let text = error.render().to_string();
    let is_long = text == program.render_long_help().to_string();
    if !is_long && text != program.render_help().to_string() {
        error.exit();
    }
    let overview = help::overview(&program, is_long);
    let paint = crate::render::Paint::choose(crate::ui::Color::Auto);
    let (mut stdout, mut stderr) = (std::io::stdout(), std::io::stderr());
    let (stream, is_painted): (&mut dyn Write, bool) = if error.use_stderr() {
        (&mut stderr, paint.stderr)
    } else {
        (&mut stdout, paint.stdout)
    };
    let _ = if is_painted {
        write!(stream, "{}", overview.ansi())
    } else {
        write!(stream, "{overview}")
    };
    std::process::exit(error.exit_code())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Install modules and their dependencies
    ///
    /// Without names, installs every core and default module. Modules that do not depend on each
    /// other are installed in parallel. When a core module fails, the run is aborted; when another
    /// fails, only the modules that depend on it are skipped.
    Install(Install),
    /// Create a collection with an example module
    ///
    /// The collection validates and installs as it is. Existing files are kept.
    Init {
        /// Directory of the collection [default: the working directory]
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Create a module in the collection
    ///
    /// On a terminal, asks for what the module needs and no option gives.
    New(New),
    /// Update installed modules to their latest version
    #[command(visible_alias = "upgrade")]
    Update(Update),
    /// Remove modules; locally modified files are kept
    ///
    /// Removes only the files that hoist created. Files that were modified or added since are kept
    /// and listed.
    #[command(visible_aliases = ["remove", "rm"])]
    Uninstall(Uninstall),
    /// Reinstall modules from another source
    ///
    /// When the module cannot be installed from the other source, the installed one is kept.
    Migrate(Migrate),
    /// Manage rocks: the module commands restricted to LuaRocks sources
    Rocks {
        #[command(subcommand)]
        action: RocksAction,
    },
    /// Run prosodyctl with the configuration file of a Prosody source
    Prosodyctl {
        /// Arguments of prosodyctl
        #[arg(
            value_name = "ARGUMENT",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Undo a run: restore the files that it changed or removed
    Undo(Undo),
    /// Retry modules that failed or were skipped
    ///
    /// Retries the last install, update or removal that did not succeed, with its options, for the
    /// modules that failed, were skipped, interrupted or not started.
    Retry {
        #[command(flatten)]
        config: ConfigOptions,
    },
    /// Verify installed modules without changing anything
    ///
    /// Runs the tests of each module, and compares its files with the record of the install.
    Test(Test),
    /// Compare installed modules with the record of their install
    ///
    /// Runs nothing, and does not compare configuration files, which may be modified: `hoist config
    /// list` shows them. The exit status is 4 when a module differs from its record.
    Status {
        /// Modules to compare [default: every installed module]
        #[arg(value_name = "MODULE", add = crate::commands::man::installed())]
        modules: Vec<String>,
    },
    /// Manage the configuration files of installed modules
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// List modules with their tier, status, version and source
    #[command(visible_alias = "ls")]
    List(List),
    /// Show details of a module
    Info {
        /// Name of the module
        #[arg(value_name = "MODULE", add = crate::commands::man::modules())]
        module: String,
    },
    /// Check manifests, and report every error with file, line and field
    Validate {
        /// Collections or manifests [default: the collections in use]
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Show what a command would do, in order, without changing anything
    Plan {
        #[command(subcommand)]
        action: PlanAction,
    },
    /// Print the dependency graph
    Graph {
        /// Modules to include, with their dependencies [default: every module]
        #[arg(value_name = "MODULE", add = crate::commands::man::modules())]
        modules: Vec<String>,
        /// Format of the graph; with --json, a document of modules and their dependencies is
        /// printed
        #[arg(long, value_enum, default_value_t = GraphFormat::Dot, conflicts_with = "json")]
        format: GraphFormat,
    },
    /// Search modules by name and description
    Search {
        /// Words to search for; all must match
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
    },
    /// Manage plugins, their configuration and their deployments
    Plugin {
        #[command(subcommand)]
        action: PluginAction,
    },
    /// List installed modules with a newer version, or removed from their source
    ///
    /// Compares with the sources as of the last `hoist sync`, and with clones as of their last
    /// fetch.
    Outdated(Outdated),
    /// Refresh the local copies of sources
    Sync {
        /// Sources to refresh [default: all]
        #[arg(value_name = "SOURCE")]
        sources: Vec<String>,
    },
    /// Manage sources of modules other than collections in the working directory
    Source {
        #[command(subcommand)]
        action: SourceAction,
    },
    /// Check this machine for missing programs and other problems
    Doctor,
    /// Show the report of a run
    Report {
        /// Run, by its name in `hoist history` or a prefix of it [default: the last run]
        #[arg(value_name = "RUN", add = crate::commands::man::runs())]
        run: Option<String>,
        /// Write an HTML report with the timeline of the run
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Format of the report
        #[arg(long, value_enum, default_value_t = ReportFormat::Text, conflicts_with_all = ["html", "json"])]
        format: ReportFormat,
    },
    /// Print a completion script for a shell
    Completions {
        /// Shell that will source the script
        #[arg(value_name = "SHELL", value_parser = clap::builder::PossibleValuesParser::new(crate::commands::man::SHELLS))]
        shell: String,
    },
    /// Print the manual page
    Man {
        /// Write a manual page for each command to this directory instead
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Print the JSON Schema of a file format or of JSON output
    Schema {
        /// File format or JSON document
        #[arg(value_name = "KIND", value_parser = clap::builder::PossibleValuesParser::new(hoist_core::schema::kinds()))]
        kind: String,
    },
    /// List past runs, newest first
    History {
        /// Maximum number of runs to list
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Runs a job of a hoist on another host
    #[command(name = "__serve", hide = true)]
    Serve,
    /// Runs one step for the shell helpers `install_via_…`
    #[command(name = "__step", hide = true)]
    Step {
        method: String,
        module: String,
        more: Vec<String>,
    },
    /// Restricts write access and executes a command
    #[command(name = "__confined", hide = true)]
    Confined {
        rules: String,
        #[arg(last = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// Translates package names for the shell helper `get_package_names`
    #[command(name = "__package-names", hide = true)]
    PackageNames { names: Vec<String> },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanAction {
    /// Show what install would do
    Install(Install),
    /// Show what update would do
    #[command(visible_alias = "upgrade")]
    Update(Update),
    /// Show what uninstall would remove and keep
    #[command(visible_aliases = ["remove", "rm"])]
    Uninstall(Uninstall),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Graphviz
    Dot,
    /// Mermaid, as in Markdown documents
    Mermaid,
    /// SVG picture
    Svg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Text for people
    Text,
    /// The lines that were printed during the run
    Lines,
    /// HTML page with the timeline
    Html,
    /// JUnit XML for continuous integration
    Junit,
    /// Trace events for Perfetto and chrome://tracing
    Trace,
}
