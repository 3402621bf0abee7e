//! Arguments of `hoist source`, `hoist rocks` and `hoist config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::modules::{Install, List, Outdated, Test, Uninstall, Update};

#[derive(Debug, Subcommand)]
pub(crate) enum SourceAction {
    /// List sources with their location and status
    #[command(visible_alias = "ls")]
    List,
    /// Add a source to the user's settings
    Add(Box<SourceAdd>),
    /// Remove a source from the user's settings; modules installed from it are kept
    #[command(visible_alias = "rm")]
    Remove {
        /// Name of the source
        name: String,
    },
}

/// Arguments of `hoist source add`. One of --from, --mercurial, --rocks, --prosody and
/// --application selects the kind of source.
#[derive(Debug, Args)]
pub(crate) struct SourceAdd {
    /// Name of the new source
    pub(crate) name: String,
    /// Collection: a directory or the URL of a git repository
    ///
    /// With --application: a directory, an archive or a git repository with modules for the
    /// application.
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) from: Vec<String>,
    /// Branch or tag of the git repository
    #[arg(long = "ref", value_name = "NAME", requires = "from")]
    pub(crate) reference: Option<String>,
    /// Mercurial repository with one module per directory
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) mercurial: Option<String>,
    /// With --mercurial: directories that are modules, for example `mod_*`
    #[arg(long, value_name = "PATTERN", requires = "mercurial")]
    pub(crate) modules: Vec<String>,
    /// With --mercurial or --application: directory to install modules into
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<String>,
    /// Rocks server of LuaRocks
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) rocks: Option<String>,
    /// With --rocks: tree to install rocks into
    #[arg(long, value_name = "DIR", requires = "rocks")]
    pub(crate) tree: Option<String>,
    /// Lua version of the modules, such as 5.4
    #[arg(long, value_name = "VERSION")]
    pub(crate) lua: Option<String>,
    /// Prosody configuration file that names the rocks server and the directories of community
    /// modules
    #[arg(long, value_name = "FILE")]
    pub(crate) prosody: Option<String>,
    /// Web application: its root directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["mercurial", "rocks", "prosody", "reference"])]
    pub(crate) application: Option<String>,
    /// With --application: script that initializes the application [default: init.php]
    #[arg(long, value_name = "FILE", requires = "application")]
    pub(crate) init: Option<String>,
    /// With --application: directory to watch while installers run [default: the parent of the
    /// application]
    #[arg(long, value_name = "DIR", requires = "application")]
    pub(crate) watch: Vec<String>,
    /// Priority of the source: of modules with the same name, the highest priority is used
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) priority: Option<i64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RocksAction {
    /// Install rocks and their dependencies
    Install(Install),
    /// Update installed rocks
    #[command(visible_alias = "upgrade")]
    Update(Update),
    /// Remove rocks and dependencies that are no longer required
    #[command(visible_aliases = ["remove", "rm"])]
    Uninstall(Uninstall),
    /// List installed rocks, or with --available all rocks
    #[command(visible_alias = "ls")]
    List(List),
    /// Show details of a rock
    Info {
        /// Name of the rock
        module: String,
    },
    /// Search rocks by name and description
    Search {
        /// Words to search for; all must match
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
    },
    /// List rocks with a newer version, or removed from their server
    Outdated(Outdated),
    /// Verify installed rocks
    Test(Test),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// List installed configuration files and whether they were modified
    #[command(visible_alias = "ls")]
    List,
    /// Show local modifications of configuration files
    Diff {
        /// Configuration files [default: all]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Restore a backup of a configuration file; the current file is backed up first
    Restore {
        /// Configuration file
        file: PathBuf,
        /// Backup to restore [default: the newest]
        #[arg(long, value_name = "BACKUP")]
        from: Option<PathBuf>,
    },
}
