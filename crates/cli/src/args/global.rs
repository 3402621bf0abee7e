//! Options of every command, and the environment variables that set them.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args};

use super::values::duration;
use crate::ui::{Color, Output};

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// Collection to use; may be repeated [env: HOIST_COLLECTION]
    ///
    /// A collection is a directory with modules/ or plugins/. Without this option, hoist uses the
    /// directories in HOIST_COLLECTION (separated by `:`), then the working directory if it is a
    /// collection, then `collections` in the user's hoist.yml, then the collections of the
    /// installed modules.
    #[arg(short = 'C', long = "collection", value_name = "DIR", global = true, display_order = 901, help_heading = SELECTION)]
    pub(crate) collections: Vec<PathBuf>,
    /// Use only modules of this source
    ///
    /// SOURCE/MODULE selects a single module of a source.
    #[arg(long, value_name = "NAME", env = "HOIST_SOURCE", hide_env_values = true, global = true, display_order = 902, hide_short_help = true, help_heading = SELECTION)]
    pub(crate) source: Option<String>,
    /// Use only modules of this web application
    ///
    /// DIR is the root directory of the application, NAME is its name in hoist.yml.
    #[arg(long, value_name = "DIR|NAME", env = "HOIST_APP", hide_env_values = true, global = true, display_order = 903, hide_short_help = true, help_heading = SELECTION)]
    pub(crate) app: Option<String>,
    /// Only plugins
    #[arg(skip)]
    pub(crate) system: Option<&'static str>,
    /// Whether the command works without any collection
    #[arg(skip)]
    pub(crate) anywhere: bool,
    /// Whether hints are left out, as in completions
    #[arg(skip)]
    pub(crate) is_silent: bool,
    /// Plugin directories outside of any collection
    #[arg(skip)]
    pub(crate) plugin_directories: Vec<PathBuf>,
    /// Locations of modules that were given as a path or a URL
    #[arg(skip)]
    pub(crate) places: Vec<String>,
    /// Number of modules to process in parallel [default: 4 per CPU, from 8 to 32]
    #[arg(short, long, value_name = "N", env = "HOIST_JOBS", hide_env_values = true, global = true, display_order = 904, help_heading = EXECUTION,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Answer yes to confirmations and keep locally modified configuration files
    #[arg(short, long, env = "HOIST_YES", hide_env_values = true, global = true, display_order = 905, help_heading = EXECUTION, value_parser = FalseyValueParser::new())]
    pub(crate) yes: bool,
    /// Time limit for each module: seconds, or with a unit as in 90s, 15m, 2h [default: 30m]
    #[arg(long, value_name = "DURATION", env = "HOIST_TIMEOUT", hide_env_values = true, global = true, display_order = 906, hide_short_help = true, help_heading = EXECUTION,
        value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Abort the run when any module fails, not only a core module
    #[arg(long, env = "HOIST_STRICT", hide_env_values = true, global = true, display_order = 907, hide_short_help = true, help_heading = EXECUTION,
        value_parser = FalseyValueParser::new())]
    pub(crate) strict: bool,
    /// Fail instead of waiting while another hoist is running
    #[arg(long, env = "HOIST_NO_WAIT", hide_env_values = true, global = true, display_order = 908, hide_short_help = true, help_heading = EXECUTION,
        value_parser = FalseyValueParser::new())]
    pub(crate) no_wait: bool,
    /// Refuse installer scripts without a checksum in their manifest
    #[arg(long, env = "HOIST_REQUIRE_CHECKSUMS", hide_env_values = true, global = true, display_order = 909, hide_short_help = true, help_heading = EXECUTION,
        value_parser = FalseyValueParser::new())]
    pub(crate) require_checksums: bool,
    /// Print JSON, the same as --output json
    #[arg(long, global = true, display_order = 910, help_heading = OUTPUT)]
    pub(crate) json: bool,
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", env = "HOIST_OUTPUT", hide_env_values = true, default_value_t = Output::Human, global = true,
        hide_short_help = true, help_heading = OUTPUT)]
    pub(crate) output: Output,
    /// When to use colors
    ///
    /// `auto` uses colors on a terminal. NO_COLOR disables them, FORCE_COLOR and CLICOLOR_FORCE
    /// enable them.
    #[arg(long, value_enum, value_name = "WHEN", env = "HOIST_COLOR", hide_env_values = true, default_value_t = Color::Auto, global = true,
        hide_short_help = true, help_heading = OUTPUT)]
    pub(crate) color: Color,
    /// Print plain lines instead of progress bars
    #[arg(long, env = "HOIST_NO_PROGRESS", hide_env_values = true, global = true, display_order = 911, hide_short_help = true, help_heading = OUTPUT,
        value_parser = FalseyValueParser::new())]
    pub(crate) no_progress: bool,
    /// Show the output of modules; -vv also logs what hoist does
    ///
    /// Once, prints the output of modules and lists every module in the summary. Twice (-vv), also
    /// logs the programs, requests and decisions of hoist to standard error; HOIST_LOG selects what
    /// is logged.
    #[arg(short, long = "verbose", env = "HOIST_VERBOSE", hide_env_values = true, action = ArgAction::Count, global = true, display_order = 912,
        help_heading = OUTPUT, value_parser = verbosity)]
    pub(crate) verbosity: u8,
    /// Whether `--verbose` was given
    #[arg(skip)]
    pub(crate) verbose: bool,
    /// Print only failures and counts
    #[arg(short, long, env = "HOIST_QUIET", hide_env_values = true, global = true, display_order = 913, help_heading = OUTPUT, value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
}

/// Headings of options in help texts.
pub(super) const SELECTION: &str = "Selection";
pub(super) const CONFIG_FILES: &str = "Configuration files";
pub(super) const EXECUTION: &str = "Execution";
pub(super) const HOSTS: &str = "Hosts";
pub(super) const OUTPUT: &str = "Output";

impl Global {
    /// Whether progress is drawn in place, unless plain lines are asked for.
    pub(crate) fn has_progress(&self) -> bool {
        crate::render::can_draw() && !self.no_progress && !self.verbose
    }

    /// Completes what depends on several options. An option of the command line wins over a
    /// variable of the environment.
    ///
    /// # Errors
    /// Two options of the command line contradict each other.
    pub(super) fn resolve(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let is_given = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        let conflict = |option: &str, other: &str| {
            let message = format!("the argument '{option}' cannot be used with '{other}'\n");
            clap::Error::raw(ErrorKind::ArgumentConflict, message)
        };
        if self.json {
            if is_given("output") && self.output != Output::Json {
                return Err(conflict("--json", "--output human"));
            }
            self.output = Output::Json;
        }
        if self.source.is_some() && self.app.is_some() {
            match (is_given("source"), is_given("app")) {
                (true, false) => self.app = None,
                (false, true) => self.source = None,
                _ => return Err(conflict("--source", "--app")),
            }
        }
        if self.verbosity > 0 && self.quiet {
            match (is_given("verbosity"), is_given("quiet")) {
                (true, true) => return Err(conflict("--verbose", "--quiet")),
                (false, true) => self.verbosity = 0,
                _ => self.quiet = false,
            }
        }
        self.verbose = self.verbosity > 0;
        Ok(())
    }
}

/// Reads HOIST_VERBOSE, a number or a boolean.
fn verbosity(text: &str) -> Result<u8, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "n" | "no" | "f" | "false" | "off" => Ok(0),
        "y" | "yes" | "t" | "true" | "on" => Ok(1),
        number => number
            .parse()
            .map_err(|_| "expected a number from 0 to 2, true or false".to_owned()),
    }
}
