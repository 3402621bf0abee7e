//! Arguments of the commands that change, test or list modules.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use hoist_core::format::shell::{PACKAGE_METHODS, PackageMethod};

use super::global::{CONFIG_FILES, EXECUTION, HOSTS, SELECTION};

/// How locally modified configuration files are treated. Without either option, hoist asks on a
/// terminal and keeps them otherwise.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConfigOptions {
    /// Replace locally modified configuration files; a backup of each is kept
    #[arg(long, conflicts_with = "config_keep", help_heading = CONFIG_FILES)]
    pub(crate) config_overwrite: bool,
    /// Keep locally modified configuration files and write new versions as FILE.new
    #[arg(long, help_heading = CONFIG_FILES)]
    pub(crate) config_keep: bool,
}

/// Arguments of `hoist install`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Install {
    /// Modules to install, with their dependencies [default: every core and default module]
    ///
    /// NAME@VERSION installs a certain version of a rock, NAME@REVISION a community module at a
    /// revision of its repository. With --app, a module may also be a directory, an archive or the
    /// URL of a git repository.
    #[arg(value_name = "MODULE", conflicts_with_all = ["minimal", "all"], add = crate::commands::man::modules())]
    pub(crate) modules: Vec<String>,
    /// Install only core modules
    #[arg(long, conflicts_with = "all", help_heading = SELECTION)]
    pub(crate) minimal: bool,
    /// Install every module of the collections
    #[arg(long, help_heading = SELECTION)]
    pub(crate) all: bool,
    /// Also install these modules, such as optional ones
    #[arg(long, value_name = "MODULES", value_delimiter = ',', help_heading = SELECTION)]
    pub(crate) with: Vec<String>,
    /// Leave out these modules and everything that depends on them
    #[arg(long, value_name = "MODULES", value_delimiter = ',', help_heading = SELECTION)]
    pub(crate) skip: Vec<String>,
    /// Do not install dependencies
    #[arg(long, hide_short_help = true, help_heading = SELECTION)]
    pub(crate) no_deps: bool,
    /// Reinstall modules that are already installed
    #[arg(long)]
    pub(crate) force: bool,
    /// Continue the last install that did not finish
    #[arg(long, conflicts_with_all = ["modules", "minimal", "all", "with", "skip"])]
    pub(crate) resume: bool,
    /// Show what would be done without changing anything
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Add the modules to the list of modules that their server loads
    #[arg(long, hide_short_help = true)]
    pub(crate) enable: bool,
    #[command(flatten)]
    pub(crate) config: ConfigOptions,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Restrict scripts to the files of their module (Linux only)
    #[arg(long, hide_short_help = true, help_heading = EXECUTION)]
    pub(crate) sandbox: bool,
}

/// Other hosts to install on, instead of this machine.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Hosts {
    /// Install on this host over SSH; may be repeated
    #[arg(long, value_name = "[USER@]HOST[:PORT]", help_heading = HOSTS)]
    pub(crate) host: Vec<String>,
    /// Install on the hosts listed in FILE, one per line; `#` starts a comment
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = HOSTS)]
    pub(crate) hosts: Option<PathBuf>,
    /// Run as root on the hosts, using passwordless sudo
    #[arg(long, hide_short_help = true, help_heading = HOSTS)]
    pub(crate) sudo: bool,
    #[command(flatten)]
    pub(crate) rollout: RolloutOptions,
}

/// Order and failure limits of a run on several hosts.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RolloutOptions {
    /// Number of hosts to process in parallel
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..), hide_short_help = true,
        help_heading = HOSTS)]
    pub(crate) max_hosts: u16,
    /// Start with N hosts and continue with the others only if all of them succeed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), hide_short_help = true, help_heading = HOSTS)]
    pub(crate) canary: Option<u16>,
    /// Start no further hosts after more than this many failed: a number or a percentage such as
    /// 25%
    #[arg(long, value_name = "N|PERCENT", hide_short_help = true, help_heading = HOSTS)]
    pub(crate) max_failures: Option<String>,
}

/// Arguments of `hoist update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Modules to update [default: every installed module of the collections in use]
    #[arg(value_name = "MODULE", add = crate::commands::man::installed())]
    pub(crate) modules: Vec<String>,
    /// Leave out these modules and everything that depends on them
    #[arg(long, value_name = "MODULES", value_delimiter = ',', help_heading = SELECTION)]
    pub(crate) skip: Vec<String>,
    /// Show what would be done without changing anything
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) config: ConfigOptions,
    /// Restrict scripts to the files of their module (Linux only)
    #[arg(long, hide_short_help = true, help_heading = EXECUTION)]
    pub(crate) sandbox: bool,
}

/// Arguments of `hoist uninstall`.
#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    /// Modules to remove
    #[arg(value_name = "MODULE", required_unless_present = "all", conflicts_with = "all", add = crate::commands::man::installed())]
    pub(crate) modules: Vec<String>,
    /// Remove every installed module
    #[arg(long, help_heading = SELECTION)]
    pub(crate) all: bool,
    /// With --all, keep these modules
    #[arg(long, value_name = "MODULES", value_delimiter = ',', help_heading = SELECTION)]
    pub(crate) skip: Vec<String>,
    /// Also remove the modules that depend on them
    #[arg(long, help_heading = SELECTION)]
    pub(crate) cascade: bool,
    /// Also remove files that existed before the install, or were modified or added since
    #[arg(long)]
    pub(crate) purge: bool,
    /// Show what would be done without changing anything
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Restrict scripts to the files of their module (Linux only)
    #[arg(long, hide_short_help = true, help_heading = EXECUTION)]
    pub(crate) sandbox: bool,
}

/// Arguments of `hoist migrate`.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Installed modules to migrate
    #[arg(value_name = "MODULE", required = true, add = crate::commands::man::installed())]
    pub(crate) modules: Vec<String>,
    /// Source to install them from
    #[arg(long, value_name = "SOURCE")]
    pub(crate) to: String,
    /// Do not install dependencies
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Show what would be done without changing anything
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `hoist undo`.
#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// Run to undo, by its name in `hoist history` or a prefix of it [default: the last run that
    /// changed something]
    #[arg(value_name = "RUN", add = crate::commands::man::runs())]
    pub(crate) run: Option<String>,
    /// Undo even if files were modified after the run; backups of those files are kept
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would be done without changing anything
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `hoist test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Modules to verify [default: every installed module of the collections in use]
    #[arg(value_name = "MODULE", add = crate::commands::man::installed())]
    pub(crate) modules: Vec<String>,
    /// Leave out these modules
    #[arg(long, value_name = "MODULES", value_delimiter = ',', help_heading = SELECTION)]
    pub(crate) skip: Vec<String>,
    /// Load the modules into their running server, and unload those that were not loaded before
    #[arg(long)]
    pub(crate) load: bool,
}

/// Arguments of `hoist list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// List only modules that are not installed
    #[arg(long, conflicts_with = "installed")]
    pub(crate) available: bool,
    /// List only installed modules
    #[arg(long)]
    pub(crate) installed: bool,
}

/// Arguments of `hoist outdated`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Outdated {
    /// Query git remotes, the Python package index and the package manager first
    #[arg(long)]
    pub(crate) refresh: bool,
}

/// Arguments of `hoist new`.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Name of the module
    pub(crate) name: String,
    /// How the module is installed [default: asks on a terminal, otherwise custom]
    #[arg(long, value_enum)]
    pub(crate) method: Option<NewMethod>,
    /// One-line description
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// URL of the git repository (git_clone) or of the installer script (download_script)
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Packages to install (pip, npm, cargo, package_manager) [default: the name of the module]
    #[arg(long, value_name = "PACKAGES", value_delimiter = ',')]
    pub(crate) package: Vec<String>,
    /// Install the module only when it is named or another module depends on it
    #[arg(long, conflicts_with = "core")]
    pub(crate) optional: bool,
    /// Abort the run when the module fails
    #[arg(long)]
    pub(crate) core: bool,
}

/// How a new module is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewMethod {
    /// Clone a git repository
    GitClone,
    /// Install packages below a directory
    Packages(&'static PackageMethod),
    /// Install packages of the system
    PackageManager,
    /// Download and run an installer script
    DownloadScript,
    /// Run a shell function of the module
    Custom,
    /// Create a plugin, as `hoist plugin new` does
    Plugin,
}

impl NewMethod {
    /// All of them, in the order of the help.
    const ALL: [Self; PACKAGE_METHODS.len() + 5] = {
        let mut all = [Self::Plugin; PACKAGE_METHODS.len() + 5];
        all[0] = Self::GitClone;
        let mut place = 0;
        while place < PACKAGE_METHODS.len() {
            all[1 + place] = Self::Packages(&PACKAGE_METHODS[place]);
            place += 1;
        }
        all[1 + place] = Self::PackageManager;
        all[2 + place] = Self::DownloadScript;
        all[3 + place] = Self::Custom;
        all
    };

    /// The word of it in a manifest.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::GitClone => "git_clone",
            Self::Packages(method) => method.word,
            Self::PackageManager => "package_manager",
            Self::DownloadScript => "download_script",
            Self::Custom => "custom",
            Self::Plugin => "plugin",
        }
    }

    /// What it does.
    pub(crate) fn purpose(self) -> String {
        match self {
            Self::GitClone => "Clone a git repository".to_owned(),
            Self::Packages(method) => format!("Install {}", method.noun),
            Self::PackageManager => "Install packages of the system".to_owned(),
            Self::DownloadScript => "Download and run an installer script".to_owned(),
            Self::Custom => "Run a shell function of the module".to_owned(),
            Self::Plugin => "Create a plugin, as `hoist plugin new` does".to_owned(),
        }
    }
}

impl ValueEnum for NewMethod {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()).help(self.purpose()))
    }
}
