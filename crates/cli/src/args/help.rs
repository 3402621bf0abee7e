//! Texts of help and man pages that options do not have: groups of commands, examples, exit
//! statuses, environment, files.

use clap::Command;
use clap::builder::StyledStr;

/// Groups of commands in `hoist --help`.
const GROUPS: &[(&str, &[&str])] = &[
    ("Start", &["init", "new", "validate"]),
    (
        "Install and change",
        &["install", "update", "uninstall", "retry", "undo", "migrate"],
    ),
    (
        "Inspect",
        &[
            "status", "test", "list", "info", "search", "outdated", "plan", "graph", "doctor",
        ],
    ),
    ("Past runs", &["history", "report"]),
    (
        "Configuration files, plugins, sources",
        &["config", "plugin", "source", "sync", "rocks", "prosodyctl"],
    ),
    (
        "Shell completions and reference",
        &["completions", "man", "schema", "help"],
    ),
];

/// Help texts of the arguments that `plugin` and `rocks` commands share with the module commands:
/// command, argument, text.
const SHARED_ARGUMENTS: &[(&str, &str, &str)] = &[
    (
        "plugin install",
        "modules",
        "Plugins to install, with their dependencies [default: every core and default plugin]",
    ),
    ("plugin install", "minimal", "Install only core plugins"),
    (
        "plugin install",
        "all",
        "Install every plugin of the collections",
    ),
    (
        "plugin install",
        "with",
        "Also install these plugins, such as optional ones",
    ),
    (
        "plugin install",
        "skip",
        "Leave out these plugins and everything that depends on them",
    ),
    (
        "plugin install",
        "force",
        "Reinstall plugins that are already installed",
    ),
    (
        "plugin list",
        "available",
        "List only plugins that are not installed",
    ),
    ("plugin list", "installed", "List only installed plugins"),
    ("plugin remove", "modules", "Plugins to remove"),
    ("plugin remove", "all", "Remove every installed plugin"),
    ("plugin remove", "skip", "With --all, keep these plugins"),
    (
        "rocks install",
        "modules",
        "Rocks to install, with their dependencies; NAME@VERSION installs a certain version",
    ),
    ("rocks install", "minimal", "Install only core rocks"),
    ("rocks install", "all", "Install every rock of the servers"),
    ("rocks install", "with", "Also install these rocks"),
    (
        "rocks install",
        "skip",
        "Leave out these rocks and everything that depends on them",
    ),
    (
        "rocks install",
        "force",
        "Reinstall rocks that are already installed",
    ),
    (
        "rocks install",
        "enable",
        "Add the rocks to the list of modules that their server loads",
    ),
    (
        "rocks update",
        "modules",
        "Rocks to update [default: every installed rock]",
    ),
    (
        "rocks update",
        "skip",
        "Leave out these rocks and everything that depends on them",
    ),
    ("rocks uninstall", "modules", "Rocks to remove"),
    ("rocks uninstall", "all", "Remove every installed rock"),
    ("rocks uninstall", "skip", "With --all, keep these rocks"),
    (
        "rocks list",
        "available",
        "List only rocks that are not installed",
    ),
    ("rocks list", "installed", "List only installed rocks"),
    ("rocks outdated", "refresh", "Query the rocks servers first"),
    (
        "rocks test",
        "modules",
        "Rocks to verify [default: every installed rock]",
    ),
    ("rocks test", "skip", "Leave out these rocks"),
    (
        "rocks test",
        "load",
        "Load the rocks into their running server, and unload those that were not loaded before",
    ),
];

/// An example of a command: what it does, and the command line.
pub(super) type Example = (&'static str, &'static str);

/// Examples of commands, by the names of command and subcommand.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            (
                "Create a collection and install it",
                "hoist init dotfiles && cd dotfiles && hoist install",
            ),
            ("Show what an install would do", "hoist install --dry-run"),
            ("Undo the last run", "hoist undo"),
        ],
    ),
    (
        "install",
        &[
            (
                "Install every core and default module of the collection in the working directory",
                "hoist install",
            ),
            (
                "Install two modules and their dependencies",
                "hoist install fzf ripgrep",
            ),
            (
                "Show what would be done, with an optional module added",
                "hoist install --with neovim --dry-run",
            ),
            (
                "Install on two hosts",
                "hoist install --host root@web1 --host root@web2",
            ),
        ],
    ),
    (
        "update",
        &[
            ("Update everything that is installed", "hoist update"),
            (
                "Update one module, replacing its modified configuration files",
                "hoist update zsh --config-overwrite",
            ),
        ],
    ),
    (
        "uninstall",
        &[
            ("Remove a module", "hoist uninstall fzf"),
            (
                "Show what removing everything would remove and keep",
                "hoist uninstall --all --dry-run",
            ),
            (
                "Remove a module and the modules that depend on it",
                "hoist uninstall zsh --cascade",
            ),
        ],
    ),
    (
        "migrate",
        &[(
            "Install mod_http_upload from the source rocks instead of its present source",
            "hoist migrate mod_http_upload --to rocks",
        )],
    ),
    (
        "rocks",
        &[
            (
                "List the rocks that are available",
                "hoist rocks list --available",
            ),
            ("Install a rock", "hoist rocks install luasocket"),
        ],
    ),
    (
        "prosodyctl",
        &[
            (
                "Check the configuration of the server",
                "hoist prosodyctl check config",
            ),
            (
                "Show the modules that it loads",
                "hoist prosodyctl shell module list",
            ),
        ],
    ),
    (
        "undo",
        &[
            (
                "Show what undoing the last run would change",
                "hoist undo --dry-run",
            ),
            (
                "Undo a certain run of `hoist history`",
                "hoist undo 20261127T0912",
            ),
        ],
    ),
    (
        "retry",
        &[(
            "Retry the modules that failed in the last run",
            "hoist retry",
        )],
    ),
    (
        "test",
        &[
            ("Verify every installed module", "hoist test"),
            (
                "Verify two modules and show the output of their tests",
                "hoist test fzf zsh --verbose",
            ),
        ],
    ),
    (
        "status",
        &[
            (
                "Compare every installed module with its record",
                "hoist status",
            ),
            (
                "Use the exit status in a script",
                "hoist status --quiet || echo changed",
            ),
        ],
    ),
    (
        "init",
        &[(
            "Create a collection in the directory dotfiles",
            "hoist init dotfiles",
        )],
    ),
    (
        "new",
        &[
            (
                "Create a module that clones a git repository",
                "hoist new fzf --method git_clone --url https://github.com/junegunn/fzf",
            ),
            (
                "Create a module that installs a system package",
                "hoist new ripgrep --method package_manager",
            ),
        ],
    ),
    (
        "config",
        &[
            (
                "List configuration files and their status",
                "hoist config list",
            ),
            (
                "Show the modifications of one file",
                "hoist config diff ~/.zshrc",
            ),
        ],
    ),
    (
        "list",
        &[
            ("List every module", "hoist list"),
            (
                "List what is installed, as JSON",
                "hoist list --installed --json",
            ),
        ],
    ),
    ("info", &[("Show details of a module", "hoist info fzf")]),
    (
        "validate",
        &[
            (
                "Check the collection in the working directory",
                "hoist validate",
            ),
            ("Check one manifest", "hoist validate modules/fzf.sh"),
        ],
    ),
    (
        "plan",
        &[
            ("Show what an install would do", "hoist plan install"),
            (
                "Show what an update would do, as JSON",
                "hoist plan update --json",
            ),
        ],
    ),
    (
        "graph",
        &[
            (
                "Draw the dependencies of every module",
                "hoist graph --format svg > graph.svg",
            ),
            (
                "Print the dependencies of one module for Mermaid",
                "hoist graph zsh --format mermaid",
            ),
        ],
    ),
    (
        "search",
        &[(
            "Search modules by name and description",
            "hoist search fuzzy finder",
        )],
    ),
    (
        "plugin",
        &[
            (
                "Create a plugin that deploys containers",
                "hoist plugin new web --kind compose",
            ),
            (
                "Deploy it in an environment",
                "hoist plugin deploy web --env staging --set server.host_port=9090",
            ),
            ("Show deployments and their health", "hoist plugin status"),
        ],
    ),
    (
        "outdated",
        &[
            (
                "List modules with a newer version, as of the last sync",
                "hoist outdated",
            ),
            (
                "Query git remotes, the Python package index and the package manager first",
                "hoist outdated --refresh",
            ),
        ],
    ),
    (
        "sync",
        &[
            ("Refresh all sources", "hoist sync"),
            ("Refresh one source", "hoist sync community"),
        ],
    ),
    (
        "source",
        &[
            (
                "Add a collection in a git repository",
                "hoist source add team --from https://git.example.com/team/modules.git",
            ),
            ("List sources", "hoist source list"),
        ],
    ),
    ("doctor", &[("Check this machine", "hoist doctor")]),
    (
        "report",
        &[
            ("Show the last run", "hoist report"),
            (
                "Write an HTML report with its timeline",
                "hoist report --html report.html",
            ),
        ],
    ),
    (
        "history",
        &[("List the last five runs", "hoist history --limit 5")],
    ),
    (
        "completions",
        &[
            (
                "Enable completions in bash",
                "echo 'source <(hoist completions bash)' >> ~/.bashrc",
            ),
            (
                "Enable completions in fish",
                "hoist completions fish > ~/.config/fish/completions/hoist.fish",
            ),
        ],
    ),
    (
        "man",
        &[
            ("Read the manual page", "hoist man | man -l -"),
            (
                "Write a manual page for each command",
                "hoist man --directory ~/.local/share/man/man1",
            ),
        ],
    ),
    (
        "schema",
        &[(
            "Print the JSON Schema of hoist.yml",
            "hoist schema collection",
        )],
    ),
    (
        "plan install",
        &[(
            "Show what an install of one module would do",
            "hoist plan install fzf",
        )],
    ),
    (
        "plan update",
        &[("Show what an update would do", "hoist plan update")],
    ),
    (
        "plan uninstall",
        &[(
            "Show what removing a module would remove and keep",
            "hoist plan uninstall fzf",
        )],
    ),
    (
        "source list",
        &[("List sources, as JSON", "hoist source list --json")],
    ),
    (
        "source add",
        &[
            (
                "Add a collection in a git repository",
                "hoist source add team --from https://git.example.com/team/modules.git --ref v2",
            ),
            (
                "Add the community modules of Prosody",
                "hoist source add community --prosody /etc/prosody/prosody.cfg.lua",
            ),
            (
                "Add a web application",
                "hoist source add shop --application /srv/shop --from ~/shop-modules",
            ),
        ],
    ),
    (
        "source remove",
        &[("Remove a source", "hoist source remove team")],
    ),
    (
        "rocks install",
        &[(
            "Install a certain version of a rock",
            "hoist rocks install luasocket@3.1.0-1",
        )],
    ),
    (
        "rocks update",
        &[("Update all installed rocks", "hoist rocks update")],
    ),
    (
        "rocks uninstall",
        &[("Remove a rock", "hoist rocks uninstall luasocket")],
    ),
    (
        "rocks list",
        &[(
            "List the rocks that are available",
            "hoist rocks list --available",
        )],
    ),
    (
        "rocks info",
        &[("Show details of a rock", "hoist rocks info luasocket")],
    ),
    (
        "rocks search",
        &[(
            "Search rocks by name and description",
            "hoist rocks search socket",
        )],
    ),
    (
        "rocks outdated",
        &[("List rocks with a newer version", "hoist rocks outdated")],
    ),
    (
        "rocks test",
        &[("Verify all installed rocks", "hoist rocks test")],
    ),
    (
        "config list",
        &[("List configuration files", "hoist config list")],
    ),
    (
        "config diff",
        &[(
            "Show the modifications of one file",
            "hoist config diff ~/.zshrc",
        )],
    ),
    (
        "config restore",
        &[(
            "Restore the newest backup of a file",
            "hoist config restore ~/.zshrc",
        )],
    ),
    (
        "plugin new",
        &[
            (
                "Create a plugin that deploys containers",
                "hoist plugin new web --kind compose",
            ),
            (
                "Create a plugin in another directory",
                "hoist plugin new web --directory ~/plugins",
            ),
        ],
    ),
    (
        "plugin validate",
        &[
            (
                "Check all plugins of the collections",
                "hoist plugin validate",
            ),
            (
                "Check a plugin with a configuration file",
                "hoist plugin validate web --config web.yaml",
            ),
        ],
    ),
    (
        "plugin list",
        &[("List installed plugins", "hoist plugin list --installed")],
    ),
    (
        "plugin config",
        &[(
            "Show the configuration in production, with the origin of each value",
            "hoist plugin config web --env production --show-origin",
        )],
    ),
    (
        "plugin install",
        &[(
            "Install a plugin without deploying it",
            "hoist plugin install web",
        )],
    ),
    (
        "plugin deploy",
        &[
            (
                "Deploy a plugin",
                "hoist plugin deploy web --config web.yaml",
            ),
            (
                "Show the rendered files and their differences",
                "hoist plugin deploy web --env staging --dry-run",
            ),
            (
                "Deploy three replicas to a Docker Swarm",
                "hoist plugin deploy web --swarm --replicas 3",
            ),
        ],
    ),
    (
        "plugin upgrade",
        &[(
            "Deploy the current version of a deployed plugin",
            "hoist plugin upgrade web",
        )],
    ),
    (
        "plugin rollback",
        &[
            ("Restore the previous release", "hoist plugin rollback web"),
            (
                "Restore a certain release",
                "hoist plugin rollback web --to 3",
            ),
        ],
    ),
    (
        "plugin status",
        &[("Show all deployments", "hoist plugin status")],
    ),
    (
        "plugin undeploy",
        &[(
            "Stop a deployment and delete its volumes",
            "hoist plugin undeploy web --volumes",
        )],
    ),
    (
        "plugin remove",
        &[(
            "Remove a plugin and its deployments",
            "hoist plugin remove web",
        )],
    ),
];

/// Exit statuses of commands that run modules.
const RUN: &[(u8, &str)] = &[
    (0, "Every selected module is in the desired state."),
    (
        1,
        "A core module failed (with --strict: any module) and the run was aborted.",
    ),
    (
        2,
        "The command line, a manifest, the configuration or the plan is invalid. Nothing was changed.",
    ),
    (
        3,
        "Modules that are not core failed, or were skipped because of that. All others succeeded.",
    ),
    (
        130,
        "The run was interrupted, or a confirmation was declined.",
    ),
];

/// Exit statuses of the program.
const ALL: &[(u8, &str)] = &[
    (
        0,
        "Every selected module is in the desired state; for commands that only read, success.",
    ),
    (
        1,
        "A core module failed (with --strict: any module) and the run was aborted.",
    ),
    (
        2,
        "The command line, a manifest, the configuration or the plan is invalid. Nothing was changed.",
    ),
    (
        3,
        "Modules that are not core failed or were skipped, sources failed to sync, or `hoist doctor` found problems.",
    ),
    (4, "`hoist status`: a module differs from its record."),
    (
        130,
        "The run was interrupted, or a confirmation was declined.",
    ),
];

const UNDO: &[(u8, &str)] = &[
    (0, "The run was undone."),
    (
        2,
        "The command line is invalid, the run cannot be undone, or files were modified since. Nothing was changed.",
    ),
    (
        3,
        "The changes of some modules could not be undone; run the command again to continue.",
    ),
    (
        130,
        "The run was interrupted, or the confirmation was declined.",
    ),
];

const SYNC: &[(u8, &str)] = &[
    (0, "Every source was refreshed."),
    (2, "The command line or the configuration is invalid."),
    (
        3,
        "Some sources could not be refreshed; their previous copies are kept.",
    ),
    (130, "The run was interrupted."),
];

/// Exit statuses of commands that only read.
const READ: &[(u8, &str)] = &[
    (0, "Success."),
    (
        2,
        "The command line, a manifest or the configuration is invalid.",
    ),
];

const STATUS: &[(u8, &str)] = &[
    (0, "Every selected module matches its record."),
    (
        2,
        "The command line, a manifest or the configuration is invalid.",
    ),
    (4, "A module differs from its record."),
];

const DOCTOR: &[(u8, &str)] = &[
    (0, "No problem was found."),
    (2, "The command line or the configuration is invalid."),
    (3, "Problems were found."),
];

/// The exit statuses of a command.
pub(super) fn exit_statuses(name: &str) -> &'static [(u8, &'static str)] {
    let (first, last) = name.split_once(' ').unwrap_or((name, name));
    match (first, last) {
        ("plan" | "config" | "source", _)
        | ("plugin", "new" | "validate" | "list" | "config" | "status") => READ,
        ("rocks", "list" | "info" | "search" | "outdated") => READ,
        ("install" | "update" | "uninstall" | "migrate" | "retry" | "test", _)
        | ("rocks" | "plugin", _) => RUN,
        ("", _) => ALL,
        ("undo", _) => UNDO,
        ("sync", _) => SYNC,
        ("status", _) => STATUS,
        ("doctor", _) => DOCTOR,
        _ => READ,
    }
}

/// Environment variables that hoist reads and that no option names.
pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "HOIST_COLLECTION",
        "Collections to use, separated by `:`, where no --collection is given.",
    ),
    (
        "HOIST_LOG",
        "Debug messages to log to standard error: error, warn, info, debug or trace.",
    ),
    ("NO_COLOR", "Disables colors."),
    (
        "FORCE_COLOR, CLICOLOR_FORCE",
        "Enable colors when the output is not a terminal.",
    ),
    ("HOME", "Home directory to install into."),
    (
        "XDG_CONFIG_HOME",
        "Directory of hoist/hoist.yml, the user's settings [default: ~/.config].",
    ),
    (
        "XDG_STATE_HOME",
        "Directory of hoist's records and logs [default: ~/.local/state].",
    ),
    (
        "XDG_CACHE_HOME",
        "Directory of copies of sources and downloads [default: ~/.cache].",
    ),
    (
        "XDG_DATA_HOME",
        "Directory of installed plugins [default: ~/.local/share].",
    ),
    (
        "VISUAL, EDITOR",
        "Editor for merges of configuration files.",
    ),
];

/// Files and directories that hoist reads and writes.
pub(super) const FILES: &[(&str, &str)] = &[
    ("~/.config/hoist/hoist.yml", "The user's settings."),
    ("DIR/hoist.yml", "Settings of the collection DIR."),
    (
        "DIR/modules, DIR/plugins, DIR/config, DIR/lib",
        "Modules, plugins, configuration file templates and shell helpers of the collection DIR.",
    ),
    (
        "~/.local/state/hoist/ledger.sqlite",
        "Record of installed modules and past runs.",
    ),
    (
        "~/.local/state/hoist/runs/RUN",
        "Logs of a run, one file for each module.",
    ),
    (
        "FILE.pre-slaanesh-TIME",
        "Backup of the configuration file FILE, next to it.",
    ),
    (
        "~/.cache/hoist",
        "Copies of sources, downloads and shell helpers. May be deleted.",
    ),
];

/// Adds examples and exit statuses to the help of the program and all its commands.
pub(super) fn complete(command: Command) -> Command {
    let command = with_extras(command, "");
    command.after_help("Run `hoist COMMAND --help` for the options and examples of a command.")
}

/// Adds them to a command, which is called by `name`, and to its subcommands.
fn with_extras(mut command: Command, name: &str) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    for subcommand in names {
        let full = if name.is_empty() {
            subcommand.clone()
        } else {
            format!("{name} {subcommand}")
        };
        command = command.mut_subcommand(&subcommand, |subcommand| with_extras(subcommand, &full));
    }
    for (_, argument, text) in SHARED_ARGUMENTS.iter().filter(|(of, ..)| *of == name) {
        command = command.mut_arg(argument, |argument| argument.help(*text).long_help(*text));
        if *argument == "modules" {
            let value_name = if name.starts_with("rocks") {
                "ROCK"
            } else {
                "PLUGIN"
            };
            command = command.mut_arg(argument, |argument| argument.value_name(value_name));
        }
    }
    let long = extra(&command, name);
    command
        .after_help(format!(
            "Run `hoist {name} --help` for all options, examples and exit statuses."
        ))
        .after_long_help(long)
}

/// The examples of a command.
pub(super) fn examples(name: &str) -> &'static [Example] {
    EXAMPLES
        .iter()
        .find(|(of, _)| *of == name)
        .map_or(&[], |(_, examples)| *examples)
}

/// Examples and exit statuses, as the end of a long help text.
fn extra(command: &Command, name: &str) -> StyledStr {
    let heading = command.get_styles().get_header();
    let mut text = String::new();
    if !examples(name).is_empty() {
        text += &format!("{heading}Examples:{heading:#}\n");
        for (purpose, line) in examples(name) {
            text += &format!("  {purpose}:\n    {line}\n");
        }
        text.push('\n');
    }
    text += &format!("{heading}Exit status:{heading:#}\n");
    for (status, meaning) in exit_statuses(name) {
        text += &format!("  {status:<4} {meaning}\n");
    }
    StyledStr::from(text.trim_end().to_owned())
}

/// The help of the program itself, with its commands in groups.
pub(super) fn overview(command: &Command, is_long: bool) -> StyledStr {
    let styles = command.get_styles();
    let (heading, literal) = (styles.get_header(), styles.get_literal());
    let width = command
        .get_subcommands()
        .map(|command| command.get_name().len())
        .max()
        .unwrap_or_default();
    let mut groups = String::new();
    for (title, names) in GROUPS {
        groups += &format!("{heading}{title}:{heading:#}\n");
        for name in *names {
            let about = command
                .find_subcommand(name)
                .and_then(Command::get_about)
                .map(ToString::to_string)
                .unwrap_or_default();
            groups += &format!("  {literal}{name:width$}{literal:#}  {about}\n");
        }
        groups.push('\n');
    }
    let mut shown = command
        .clone()
        .mut_subcommands(|subcommand| subcommand.hide(true))
        .override_usage("hoist [OPTIONS] <COMMAND>")
        .before_help(StyledStr::from(groups.trim_end().to_owned()))
        .help_template(
            "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}{all-args}{after-help}",
        );
    if is_long {
        shown.render_long_help()
    } else {
        shown.render_help()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::command;
    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_has_an_example() {
        let command = command();
        let visible: BTreeSet<&str> = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(Command::get_name)
            .collect();
        let grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .filter(|name| *name != "help")
            .collect();
        assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), visible);
        assert_eq!(grouped.len(), visible.len());
        let mut all: BTreeSet<String> = visible.iter().map(|name| (*name).to_owned()).collect();
        for command in command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            all.extend(
                command
                    .get_subcommands()
                    .map(|subcommand| format!("{} {}", command.get_name(), subcommand.get_name())),
            );
        }
        let with_examples: BTreeSet<String> = EXAMPLES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        assert_eq!(with_examples, all);
    }

    #[test]
    fn examples_are_valid_command_lines() {
        for (_, line) in EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
            for part in line
                .split("&&")
                .map(str::trim)
                .filter(|part| part.starts_with("hoist "))
            {
                let words = part
                    .split(['|', '>'])
                    .next()
                    .unwrap_or_default()
                    .split_whitespace();
                assert!(command().try_get_matches_from(words).is_ok(), "{part}");
            }
        }
    }
}
