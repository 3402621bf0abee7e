//! The command line, as clap reads it. clap ends here: the rest of the program knows requests.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod plugin;

pub(crate) use plugin::{
    BringUp, PluginAction, PluginConfig, PluginDeploy, PluginInputs, PluginKind, PluginNew, PluginRollback, PluginUndeploy, PluginUpgrade,
};

/// Provision machines in bulk: modules resolved, installed and tested in parallel.
#[derive(Debug, Parser)]
#[command(name = "hoist", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// A directory with modules/; may be repeated. Otherwise those of HOIST_COLLECTION, separated by `:`, otherwise the working directory, where
    /// it is a collection
    #[arg(short = 'C', long = "collection", value_name = "DIR", global = true)]
    pub(crate) collections: Vec<PathBuf>,
    /// Only modules of this source; SOURCE/MODULE is one of them
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) source: Option<String>,
    /// Only modules of this web application: its root directory, or its name in the settings
    #[arg(long, value_name = "DIR|NAME", global = true, conflicts_with = "source")]
    pub(crate) app: Option<String>,
    /// Only plugins
    #[arg(skip)]
    pub(crate) plugins_only: bool,
    /// Whether it also goes without any collection
    #[arg(skip)]
    pub(crate) anywhere: bool,
    /// Directories of plugins that stand in no collection
    #[arg(skip)]
    pub(crate) plugin_directories: Vec<PathBuf>,
    /// Where modules come from that are named by a path or a URL
    #[arg(skip)]
    pub(crate) places: Vec<String>,
    /// How many modules are worked on at once
    #[arg(short, long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// For people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Output::Human, global = true)]
    pub(crate) output: Output,
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true)]
    pub(crate) color: Color,
    /// Plain lines in place of progress bars
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// Ask nothing: remove what is asked for, keep configuration files that somebody changed
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Show the output of modules
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// No progress; of a run only failures and counts
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// The time a module may take: 90, 15m, 2h
    #[arg(long, value_name = "DURATION", global = true, value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// A failure of any module aborts, as that of a core module does
    #[arg(long, global = true)]
    pub(crate) strict: bool,
    /// Fail rather than wait while another hoist is at work
    #[arg(long, global = true)]
    pub(crate) no_wait: bool,
    /// Refuse installer scripts without a checksum in their manifest
    #[arg(long, global = true)]
    pub(crate) require_checksums: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Install modules and what they need: without names every core and default module. Modules of a web application (--app) may also be named by
    /// where they are: a directory, an archive, a git repository. NAME@VERSION installs a certain version of a rock, NAME@REVISION a community module
    /// as it was at a revision of its repository
    Install(Install),
    /// Bring what is installed to its newest state: without names everything
    Update(Update),
    /// Remove what hoist put on the machine; what was changed or added since stays (also: remove)
    #[command(alias = "remove")]
    Uninstall(Uninstall),
    /// Put an installed module from one source in place of the same from another
    Migrate(Migrate),
    /// The same commands for rocks only, as --source does it
    Rocks {
        #[command(subcommand)]
        action: RocksAction,
    },
    /// Run prosodyctl with the configuration that a source names
    Prosodyctl {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Take back what a run did to files: the last that changed something, or the one of this name
    Undo(Undo),
    /// Do once more what failed last, or was skipped because of it
    Retry {
        /// The options of install for configuration files
        #[command(flatten)]
        config: ConfigOptions,
    },
    /// Verify what is installed; changes nothing
    Test(Test),
    /// Configuration files that modules brought
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// One line a module
    List(List),
    /// Everything known about a module
    Info {
        /// Its name
        #[arg(add = crate::commands::man::modules())]
        module: String,
    },
    /// Check manifests: every mistake with file, line and field
    Validate {
        /// Collections, or single manifests; otherwise the collections of -C
        paths: Vec<PathBuf>,
    },
    /// Show what a command would do, in order; changes nothing
    Plan {
        #[command(subcommand)]
        action: PlanAction,
    },
    /// The graph of what modules need: without names every module
    Graph {
        /// These and what they need
        #[arg(add = crate::commands::man::modules())]
        modules: Vec<String>,
        /// The language
        #[arg(long, value_enum, default_value_t = GraphFormat::Dot)]
        format: GraphFormat,
    },
    /// Modules whose name or description has these words
    Search {
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Plugins: what they are, how they are configured, and their deployments
    Plugin {
        #[command(subcommand)]
        action: PluginAction,
    },
    /// List installed modules that have a newer version, or that their source no longer has; as of the last sync and fetch
    Outdated(Outdated),
    /// Look at the sources anew; nothing but this, install and update uses the network
    Sync {
        /// These; otherwise all
        sources: Vec<String>,
    },
    /// The places that modules come from besides collections
    Source {
        #[command(subcommand)]
        action: SourceAction,
    },
    /// What is missing on this machine, and for which modules
    Doctor,
    /// What one run did: the last, or the one of this name
    Report {
        /// Its name as `hoist history` shows it, or how that starts
        #[arg(add = crate::commands::man::runs())]
        run: Option<String>,
        /// Write a page with the timeline
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// What to print
        #[arg(long, value_enum, default_value_t = ReportFormat::Text, conflicts_with = "html")]
        format: ReportFormat,
    },
    /// What a shell sources to complete commands, options and names
    Completions {
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(crate::commands::man::SHELLS))]
        shell: String,
    },
    /// The manual page, for man -l -
    Man {
        /// Write the pages of all commands here instead
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// The JSON Schema of a file format, or of what hoist prints
    Schema {
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(hoist_core::schema::KINDS))]
        kind: String,
    },
    /// Past runs, the newest first
    History {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// hoist on a host, told by another what to do
    #[command(name = "__serve", hide = true)]
    Serve,
    /// What the shell helpers install_via_… call
    #[command(name = "__step", hide = true)]
    Step { method: String, module: String, more: Vec<String> },
    /// Gives up the right to write elsewhere, and becomes the command
    #[command(name = "__confined", hide = true)]
    Confined {
        rules: String,
        #[arg(last = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// What the shell helper get_package_names calls
    #[command(name = "__package-names", hide = true)]
    PackageNames { names: Vec<String> },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanAction {
    /// What install would do
    Install(Install),
    /// What update would do
    Update(Update),
    /// What uninstall would remove, and what it would keep (also: remove)
    #[command(alias = "remove")]
    Uninstall(Uninstall),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceAction {
    /// Every source, where it is, and what hoist knows of it
    List,
    /// Add a source to the user's settings
    Add(Box<SourceAdd>),
    /// Take a source out of the user's settings; what is installed from it stays
    Remove {
        /// Its name
        name: String,
    },
}

/// A new source: one of --from, --mercurial, --rocks, --prosody and --application says what it is.
#[derive(Debug, Args)]
pub(crate) struct SourceAdd {
    /// What it is called
    pub(crate) name: String,
    /// A collection: a directory with modules/, or the URL of a git repository of one. With --application: a directory, an archive or a git repository
    /// with modules for it
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) from: Vec<String>,
    /// A web application: its root directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["mercurial", "rocks", "prosody", "reference"])]
    pub(crate) application: Option<String>,
    /// With --application: what initialises it, where that is not init.php
    #[arg(long, value_name = "FILE", requires = "application")]
    pub(crate) init: Option<String>,
    /// With --application: a directory that is watched while installers run, in place of the one that the application stands in
    #[arg(long, value_name = "DIR", requires = "application")]
    pub(crate) watch: Vec<String>,
    /// With --from: a branch or a tag
    #[arg(long = "ref", value_name = "NAME", requires = "from")]
    pub(crate) reference: Option<String>,
    /// A Mercurial repository whose directories are modules
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) mercurial: Option<String>,
    /// With --mercurial or --application: where its modules go
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<String>,
    /// With --mercurial: which of its directories are modules; `mod_*`, for example
    #[arg(long, value_name = "PATTERN", requires = "mercurial")]
    pub(crate) modules: Vec<String>,
    /// A server of rocks
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) rocks: Option<String>,
    /// With --rocks: where they are installed
    #[arg(long, value_name = "DIR", requires = "rocks")]
    pub(crate) tree: Option<String>,
    /// The version of Lua they run under
    #[arg(long, value_name = "VERSION")]
    pub(crate) lua: Option<String>,
    /// The configuration of Prosody, which names a server of rocks; with --mercurial also a repository of community modules
    #[arg(long, value_name = "FILE")]
    pub(crate) prosody: Option<String>,
    /// Of modules with one name that of the highest priority counts
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) priority: Option<i64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RocksAction {
    /// Install rocks and what they need
    Install(Install),
    /// Bring installed rocks to their newest versions
    Update(Update),
    /// Remove rocks, and what nobody asked for and nothing needs any more (also: remove)
    #[command(alias = "remove")]
    Uninstall(Uninstall),
    /// The rocks that are installed; with --available those that could be
    List(List),
    /// Everything known about a rock
    Info {
        /// Its name
        module: String,
    },
    /// Rocks whose name or description has these words
    Search {
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Rocks of which there is a newer version, or none any more
    Outdated(Outdated),
    /// Verify installed rocks
    Test(Test),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Every configuration file that hoist put somewhere, and how it stands
    List,
    /// What was changed in configuration files since hoist put them there
    Diff {
        /// These; otherwise all
        files: Vec<PathBuf>,
    },
    /// Put a former version back; the present one is copied aside
    Restore {
        /// The configuration file
        file: PathBuf,
        /// The copy to take; otherwise the newest
        #[arg(long, value_name = "COPY")]
        from: Option<PathBuf>,
    },
}

/// What happens to configuration files that somebody changed; without either it is asked on a terminal, and else they are kept.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConfigOptions {
    /// Copy changed configuration files aside and put the new version in their place
    #[arg(long, conflicts_with = "config_keep")]
    pub(crate) config_overwrite: bool,
    /// Keep configuration files and put the new version beside them, as FILE.new
    #[arg(long)]
    pub(crate) config_keep: bool,
}

/// How newer versions are found.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Outdated {
    /// Ask the remotes of clones, the index of Python packages and the lists of the package manager; changes nothing
    #[arg(long)]
    pub(crate) refresh: bool,
}

/// Which installed modules, and how.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// These; otherwise everything that is installed
    #[arg(add = crate::commands::man::installed())]
    pub(crate) modules: Vec<String>,
    /// Leave these out, and what needs them
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
    #[command(flatten)]
    pub(crate) config: ConfigOptions,
    /// Let scripts write only where their module may (Linux)
    #[arg(long)]
    pub(crate) sandbox: bool,
    /// Show what would be done; changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which installed modules, and how.
#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    /// These
    #[arg(required_unless_present = "all", conflicts_with = "all", add = crate::commands::man::installed())]
    pub(crate) modules: Vec<String>,
    /// Everything that is installed
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all: keep these
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
    /// Remove also what needs them
    #[arg(long)]
    pub(crate) cascade: bool,
    /// Remove also what was there before hoist, or was changed or added since
    #[arg(long)]
    pub(crate) purge: bool,
    /// Let scripts write only where their module may (Linux)
    #[arg(long)]
    pub(crate) sandbox: bool,
    /// Show what would be done; changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which modules, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Install {
    /// These and what they need
    #[arg(conflicts_with_all = ["minimal", "all"], add = crate::commands::man::modules())]
    pub(crate) modules: Vec<String>,
    /// Core modules only
    #[arg(long, conflicts_with = "all")]
    pub(crate) minimal: bool,
    /// Every module
    #[arg(long)]
    pub(crate) all: bool,
    /// Add these
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) with: Vec<String>,
    /// Leave these out, and what needs them
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
    /// Install again what is installed
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave alone what they need
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Add the modules that are named to those that their server loads
    #[arg(long)]
    pub(crate) enable: bool,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Go on with what the last install did not finish
    #[arg(long, conflicts_with_all = ["modules", "minimal", "all", "with", "skip"])]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) config: ConfigOptions,
    /// Let scripts write only where their module may (Linux)
    #[arg(long)]
    pub(crate) sandbox: bool,
    /// Show what would be done; changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// On other hosts in place of this machine.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Hosts {
    /// On this host, over ssh, in place of this machine: user@host, or user@host:port; may be repeated
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// On the hosts of this file, one a line; `#` begins a remark
    #[arg(long, value_name = "FILE")]
    pub(crate) hosts: Option<PathBuf>,
    /// There as root, by sudo, which must not ask for a password
    #[arg(long)]
    pub(crate) sudo: bool,
    #[command(flatten)]
    pub(crate) rollout: RolloutOptions,
}

/// How several hosts are gone through.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RolloutOptions {
    /// On so many hosts at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_hosts: u16,
    /// On so many hosts first, and on the others only where it works on these
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) canary: Option<u16>,
    /// Begin no other host when more than so many have failed: a number, or a share such as 25%
    #[arg(long, value_name = "N|SHARE")]
    pub(crate) max_failures: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// Its name as `hoist history` shows it, or how that starts
    #[arg(add = crate::commands::man::runs())]
    pub(crate) run: Option<String>,
    /// Take back also what was changed since; a copy of that stays
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would be done; changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Which
    #[arg(required = true, add = crate::commands::man::installed())]
    pub(crate) modules: Vec<String>,
    /// The source to take it from
    #[arg(long, value_name = "SOURCE")]
    pub(crate) to: String,
    /// Leave alone what it needs
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Show what would be done; changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// These; otherwise every installed module
    #[arg(add = crate::commands::man::installed())]
    pub(crate) modules: Vec<String>,
    /// Leave these out
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
    /// Let the running server load the modules, and unload what it had not loaded
    #[arg(long)]
    pub(crate) load: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only what could be installed
    #[arg(long, conflicts_with = "installed")]
    pub(crate) available: bool,
    /// Only what is installed
    #[arg(long)]
    pub(crate) installed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Human,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Dot,
    Mermaid,
    Svg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Text,
    /// The lines that the run showed
    Lines,
    /// A page with the timeline
    Html,
    /// For continuous integration
    Junit,
    /// For Perfetto and chrome://tracing
    Trace,
}

fn duration(text: &str) -> Result<Duration, String> {
    hoist_core::parse_duration(text).map_err(|error| error.to_string())
}
