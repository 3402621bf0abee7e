//! The Debian packages that the tests use.

use std::path::PathBuf;

use hoist_executor::{Command, Effect, Failure, Level, TaskId};

use crate::run::Commands;

/// Programs and files that tests use, and the Debian packages they come from.
const PROGRAMS: &[(&str, &str)] = &[
    ("git", "git"),
    ("npm", "npm"),
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
    // LuaRocks does with it in its own process what it otherwise starts programs for.
    ("/usr/share/lua/5.1/posix/init.lua", "lua-posix"),
    ("/usr/include/lua5.4/lua.h", "liblua5.4-dev"),
    ("prosody", "prosody"),
    ("/usr/sbin/dockerd", "docker.io"),
    ("docker-compose", "docker-compose"),
    ("busybox", "busybox-static"),
    ("mmdebstrap", "mmdebstrap"),
    ("gpg", "gpg"),
    ("ssh", "openssh-client"),
    ("/usr/sbin/sshd", "openssh-server"),
    ("openssl", "openssl"),
    ("ip", "iproute2"),
    ("ansible-playbook", "ansible-core"),
    ("php", "php-cli"),
    ("tmux", "tmux"),
    ("chromium", "chromium"),
    ("/etc/php/8.2/mods-available/mbstring.ini", "php-mbstring"),
];

/// Adds a task that installs the missing packages; `None` where nothing is missing.
pub(super) fn add(commands: &mut Commands) -> Option<TaskId> {
    let packages = missing();
    if packages.is_empty() {
        return None;
    }
    let task = commands.add_work("packages for the tests", None, move |context| {
        context.note(Level::Info, format!("installing {}", packages.join(", ")));
        let update = apt_get(&["update", "-q"]);
        let options = [
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            "-o",
            "Dpkg::Options::=--force-unsafe-io",
        ];
        let install = apt_get(&[&options, packages.as_slice()].concat());
        let installed = context.run(&update).and_then(|_| context.run(&install));
        match installed {
            Ok(exit) if exit.success() => Ok(Effect::Changed),
            _ if std::env::var_os("CI").is_none() => {
                let names = packages.join(", ");
                let text = format!("not installed: {names}; tests that use them are skipped");
                context.note(Level::Warning, text);
                Ok(Effect::Unchanged)
            }
            Ok(exit) => Err(Failure::new(format!("apt-get ended with {exit}"))),
            Err(failure) => Err(failure),
        }
    });
    Some(task)
}

fn missing() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let is_missing = |program: &str| {
        !directories
            .iter()
            .any(|directory| directory.join(program).is_file())
    };
    let missing = PROGRAMS.iter().filter(|(program, _)| is_missing(program));
    missing.map(|(_, package)| *package).collect()
}

fn apt_get(arguments: &[&str]) -> Command {
    Command::new("apt-get")
        .args(arguments.iter().copied())
        .set("DEBIAN_FRONTEND", "noninteractive")
}
