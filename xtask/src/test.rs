//! All tests, with what they need: the second command of the README.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hoist_executor::{Command, Effect, Failure, Level, TaskId};

use crate::run::{Commands, cargo};

/// Programs and files that tests use, and the Debian packages they come from.
const PROGRAMS: &[(&str, &str)] = &[
    ("git", "git"),
    ("pip3", "python3-pip"),
    ("strace", "strace"),
    ("ps", "procps"),
    ("setpriv", "util-linux"),
    ("script", "bsdutils"),
    ("faketime", "faketime"),
    ("mount", "mount"),
    ("hg", "mercurial"),
    ("luarocks-admin", "luarocks"),
    ("lua5.4", "lua5.4"),
    ("/usr/include/lua5.4/lua.h", "liblua5.4-dev"),
    ("prosody", "prosody"),
    ("/usr/sbin/dockerd", "docker.io"),
    ("docker-compose", "docker-compose"),
    ("busybox", "busybox-static"),
    ("/usr/sbin/debootstrap", "debootstrap"),
    ("ssh", "openssh-client"),
    ("ip", "iproute2"),
    ("ansible-playbook", "ansible-core"),
    ("php", "php-cli"),
    ("/etc/php/8.2/mods-available/mbstring.ini", "php-mbstring"),
];

/// Installs what is missing and runs `cargo test` for everything; `more` goes to it.
pub(crate) fn run(more: &[String]) -> Result<()> {
    let setup = setup_command();
    if let Some(setup) = setup {
        let mut commands = Commands::default();
        add_setup(&mut commands, setup);
        commands.run(|_| {})?;
    }
    let mut test = std::process::Command::new(cargo());
    test.args(["test", "--workspace"]).args(more).current_dir(crate::run::root());
    let status = test.status().context("cannot run cargo test")?;
    if !status.success() {
        bail!("tests failed: {status}");
    }
    Ok(())
}

/// Adds the installation of what is missing, and the tests.
pub(crate) fn add(commands: &mut Commands) -> TaskId {
    let setup = setup_command().map(|setup| add_setup(commands, setup));
    let mut test = Command::new(cargo()).args(["test", "--workspace", "--no-fail-fast"]);
    // Most of them wait for servers and hosts.
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        test = test.set("RUST_TEST_THREADS", "4");
    }
    let tests = commands.add("test", test, Some("target"));
    if let Some(setup) = setup {
        commands.needs(tests, setup);
    }
    tests
}

fn missing() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let absent = |program: &str| !directories.iter().any(|directory| directory.join(program).is_file());
    PROGRAMS.iter().filter(|(program, _)| absent(program)).map(|(_, package)| *package).collect()
}

fn setup_command() -> Option<Vec<&'static str>> {
    Some(missing()).filter(|missing| !missing.is_empty())
}

fn add_setup(commands: &mut Commands, packages: Vec<&'static str>) -> TaskId {
    commands.add_work("what the tests need", None, move |context| {
        let apt = |arguments: &[&str]| Command::new("apt-get").args(arguments.iter().copied()).set("DEBIAN_FRONTEND", "noninteractive");
        context.note(Level::Info, format!("installing {}", packages.join(", ")));
        let installed = context.run(&apt(&["update", "-q"])).and_then(|_| {
            let arguments: Vec<&str> =
                ["install", "-y", "-q", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect();
            context.run(&apt(&arguments))
        });
        match installed {
            Ok(exit) if exit.success() => Ok(Effect::Changed),
            _ if std::env::var_os("CI").is_none() => {
                context.note(Level::Warning, format!("not installed: {}; the tests that need them are skipped", packages.join(", ")));
                Ok(Effect::Unchanged)
            }
            Ok(exit) => Err(Failure::new(format!("apt-get ended with {exit}"))),
            Err(failure) => Err(failure),
        }
    })
}
