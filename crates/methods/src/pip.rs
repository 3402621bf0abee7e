//! Installs Python packages below a directory, laid out as a user's site (`DIR/bin`,
//! `DIR/lib/pythonX.Y/site-packages`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hoist_executor::{Command, Failure, Level, Stream};
use hoist_machine::machine::is_executable;
use hoist_system::context::StepContext;
use hoist_system::method::{MethodEntry, Newer};
use hoist_system::program::RequiredProgram;
use serde::Deserialize;

use crate::user_packages::{self, InstallMode, UserPackages};

mod distributions;
mod manager;

use manager::PythonPackages;

/// What installs Python packages.
static PIP: RequiredProgram = RequiredProgram {
    name: "pip3",
    find: |machine| {
        ["pip3", "pip", "uv"]
            .iter()
            .find_map(|name| machine.program_shown(name))
    },
    missing: None,
};

/// Its entry in the table of methods.
pub const METHOD: MethodEntry = user_packages::entry::<PythonPackages>();

impl UserPackages for PythonPackages {
    const NAME: &'static str = "pip";
    const MANAGER: &'static Self = &PythonPackages;
    const PROGRAM: &'static RequiredProgram = &PIP;

    fn installed(&self, target: &Path, request: &str) -> Option<String> {
        distributions::installed(target, request)
    }

    fn install_below(
        &self,
        target: &Path,
        requests: &[String],
        mode: InstallMode,
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let more: &[&str] = match mode {
            InstallMode::Missing => &[],
            InstallMode::Newest => &["--upgrade"],
            InstallMode::Again => &["--force-reinstall", "--no-deps"],
        };
        install(context, target, requests, more)
    }

    /// pip takes packages of the system as well.
    fn explain_missing(
        &self,
        target: &Path,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        let note = format!(
            "{} was installed with the system's Python, not from {}",
            requests.join(", "),
            target.display()
        );
        context.task.note(Level::Info, note);
        Ok(())
    }

    fn newer(
        &self,
        target: &Path,
        _: &[String],
        context: &StepContext<'_>,
    ) -> Result<BTreeMap<String, Newer>, Failure> {
        outdated(context, target)
    }
}

/// Runs pip once for these packages.
fn install(
    context: &StepContext<'_>,
    target: &Path,
    packages: &[String],
    more: &[&str],
) -> Result<(), Failure> {
    let target_text = target.display().to_string();
    let command = match program(context, target)? {
        Installer::Pip(pip) => pip
            .args([
                "install",
                "--user",
                "--no-input",
                "--no-warn-script-location",
            ])
            .args(more.iter().copied()),
        Installer::Uv(uv) => {
            let more = more.iter().map(|arg| {
                if *arg == "--force-reinstall" {
                    "--reinstall"
                } else {
                    arg
                }
            });
            uv.args([
                "pip",
                "install",
                "--python",
                "python3",
                "--break-system-packages",
                "--prefix",
                &target_text,
            ])
            .args(more)
        }
    };
    run(context, command.args(["--"]).args(packages), "pip install")
}

/// Takes packages away again, as pip does.
fn uninstall(context: &StepContext<'_>, target: &Path, packages: &[String]) -> Result<(), Failure> {
    let target_text = target.display().to_string();
    let command = match program(context, target)? {
        Installer::Pip(pip) => pip.args(["uninstall", "--yes", "--no-input"]),
        Installer::Uv(uv) => uv.args([
            "pip",
            "uninstall",
            "--python",
            "python3",
            "--break-system-packages",
            "--prefix",
            &target_text,
        ]),
    };
    run(
        context,
        command.args(["--"]).args(packages),
        "pip uninstall",
    )
}

/// The packages below a target that the index has newer versions of, by name.
fn outdated(context: &StepContext<'_>, target: &Path) -> Result<BTreeMap<String, Newer>, Failure> {
    #[derive(Deserialize)]
    struct Outdated {
        name: String,
        version: String,
        latest_version: String,
    }
    let Installer::Pip(pip) = program(context, target)? else {
        return Ok(BTreeMap::new());
    };
    let (exit, text) =
        context
            .task
            .read(&pip.args(["list", "--user", "--outdated", "--format", "json"]))?;
    if !exit.success() {
        return Err(Failure::new(format!(
            "`pip list --outdated` ended with {exit}"
        )));
    }
    let listed: Vec<Outdated> = serde_json::from_str(text.trim())
        .map_err(|error| Failure::new(format!("pip list: {error}")))?;
    let newer = |package: Outdated| {
        let newer = Newer {
            installed: package.version,
            offered: package.latest_version,
        };
        (normalized(&package.name), newer)
    };
    Ok(listed.into_iter().map(newer).collect())
}

enum Installer {
    Pip(Command),
    Uv(Command),
}

/// Settings of pip that say where packages come from and how they are fetched and built. The others
/// would lead them to another place, or have pip refuse.
const PIP_SETTINGS: &[&str] = &[
    "cache-dir",
    "cert",
    "client-cert",
    "config-settings",
    "constraint",
    "extra-index-url",
    "find-links",
    "index-url",
    "keyring-provider",
    "no-binary",
    "no-build-isolation",
    "no-cache-dir",
    "only-binary",
    "pre",
    "prefer-binary",
    "proxy",
    "resume-retries",
    "retries",
    "timeout",
    "trusted-host",
    "use-deprecated",
    "use-feature",
    "use-pep517",
];

/// Keys of `uv.toml` that would lead packages to another place, or have uv refuse.
const UV_FOREIGN: &[&str] = &[
    "break-system-packages",
    "no-deps",
    "no-index",
    "offline",
    "prefix",
    "python",
    "require-hashes",
    "system",
    "target",
];

/// Variables of uv to the same effect.
const UV_VARIABLES: &[&str] = &[
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_NO_INDEX",
    "UV_OFFLINE",
    "UV_PREFIX",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_REQUIRE_HASHES",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
];

/// The user's configuration of pip, as variables, without what would lead packages elsewhere. pip
/// itself says what its files come to.
fn pip_configuration(
    context: &StepContext<'_>,
    pip: &Command,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut settings = BTreeMap::new();
    let exit = context.task.run_with(
        &pip.clone().args(["config", "list"]).data(),
        |stream, line| {
            let setting = line.split_once('=').filter(|_| stream == Stream::Stdout);
            let Some((name, value)) =
                setting.and_then(|(name, value)| Some((name.split_once('.')?, value)))
            else {
                return;
            };
            let (section, key) = name;
            if matches!(section, "global" | "install") && PIP_SETTINGS.contains(&key) {
                let value = unquoted(value)
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                // What is set for `install` counts before what is set for all commands, and comes
                // after it.
                settings.insert(
                    format!("PIP_{}", key.to_uppercase().replace('-', "_")),
                    value,
                );
            }
        },
    )?;
    match exit.success() {
        true => Ok(settings),
        false => Err(Failure::new(format!(
            "pip cannot read its configuration: `pip config list` ended with {exit}"
        ))),
    }
}

/// The text that Python prints in quotes.
fn unquoted(text: &str) -> String {
    let quote = text
        .chars()
        .next()
        .filter(|quote| matches!(quote, '\'' | '"'));
    let Some(inner) = quote.and_then(|quote| text.strip_prefix(quote)?.strip_suffix(quote)) else {
        return text.to_owned();
    };
    let mut unquoted = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('n' | 't' | 'r') => unquoted.push('\n'),
                Some(escaped) => unquoted.push(escaped),
                None => {}
            },
            (character, false) => unquoted.push(character),
        }
    }
    unquoted
}

/// The user's configuration of uv without what would lead packages elsewhere: a file to be used in
/// place of it.
fn uv_configuration(environment: &BTreeMap<String, String>, home: &Path) -> Option<String> {
    let configured = environment.get("UV_CONFIG_FILE").map(PathBuf::from);
    let user = environment
        .get("XDG_CONFIG_HOME")
        .map_or_else(|| home.join(".config"), PathBuf::from)
        .join("uv/uv.toml");
    let files = configured
        .into_iter()
        .chain([user, PathBuf::from("/etc/uv/uv.toml")]);
    let text = files
        .into_iter()
        .find_map(|file| hoist_files::read_text(&file).ok())?;
    Some(without_foreign_keys(&text))
}

/// The lines of a `uv.toml` but those of foreign keys, at the top and in the table of `uv pip`.
fn without_foreign_keys(text: &str) -> String {
    let mut is_checked = true;
    let is_kept = |line: &&str| {
        let line = line.trim();
        if line.starts_with('[') {
            is_checked = line.starts_with("[pip]");
        }
        let key = line
            .split_once('=')
            .map(|(key, _)| key.trim().trim_matches('"'));
        !(is_checked && key.is_some_and(|key| UV_FOREIGN.contains(&key)))
    };
    text.lines()
        .filter(is_kept)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// What installs Python packages on this machine, with the environment that makes `target` its
/// place.
fn program(context: &StepContext<'_>, target: &Path) -> Result<Installer, Failure> {
    let mut environment = context
        .machine
        .script_environment(context.variables, &context.path.joined());
    // A virtual environment has no user's site, and other settings would lead elsewhere.
    let own = environment
        .remove("VIRTUAL_ENV")
        .map(|environment| PathBuf::from(environment).join("bin"));
    [
        "PYTHONHOME",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_USER",
        "PIP_REQUIRE_VIRTUALENV",
    ]
    .iter()
    .for_each(|name| drop(environment.remove(*name)));
    let directories: Vec<PathBuf> =
        std::env::split_paths(environment.get("PATH").map_or("", String::as_str))
            .filter(|path| Some(path) != own.as_ref())
            .collect();
    environment.insert(
        "PATH".to_owned(),
        directories
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join(":"),
    );
    let find = |name: &str| {
        directories
            .iter()
            .map(|directory| directory.join(name))
            .find(|path| is_executable(path))
    };
    let settings = [
        ("PYTHONUSERBASE", target.display().to_string()),
        ("PIP_BREAK_SYSTEM_PACKAGES", "1".to_owned()),
        ("PIP_ROOT_USER_ACTION", "ignore".to_owned()),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned()),
        ("PIP_PROGRESS_BAR", "off".to_owned()),
    ];
    environment.extend(settings.map(|(name, value)| (name.to_owned(), value)));
    let command = |program: PathBuf| Command::new(program).environment(environment.clone());
    // With what the user configured, and none of the files it stands in.
    let configured = |pip: Command| -> Result<Installer, Failure> {
        let mut settings = pip_configuration(context, &pip)?;
        settings.retain(|name, _| !environment.contains_key(name));
        settings.insert("PIP_CONFIG_FILE".to_owned(), "/dev/null".to_owned());
        Ok(Installer::Pip(
            settings
                .into_iter()
                .fold(pip, |pip, (name, value)| pip.set(name, value)),
        ))
    };
    if let Some(pip) = find("pip3").or_else(|| find("pip")) {
        configured(command(pip))
    } else if let Some(python) = find("python3").filter(|_| has_pip_module(context)) {
        configured(command(python).args(["-m", "pip"]))
    } else if let Some(uv) = find("uv") {
        let mut environment = environment.clone();
        UV_VARIABLES
            .iter()
            .for_each(|name| drop(environment.remove(*name)));
        let file = context.machine.downloaded("uv.toml")?;
        let configuration =
            uv_configuration(&environment, &context.machine.home).unwrap_or_default();
        hoist_files::write(&file, configuration.as_bytes(), 0o600)
            .map_err(|error| Failure::new(error.to_string()))?;
        environment.insert("UV_CONFIG_FILE".to_owned(), file.display().to_string());
        Ok(Installer::Uv(Command::new(uv).environment(environment)))
    } else {
        Err(Failure::new(
            "neither pip3, pip nor uv is on PATH: install Python's pip (Debian: python3-pip)",
        ))
    }
}

fn has_pip_module(context: &StepContext<'_>) -> bool {
    let probe = Command::new("python3").args(["-m", "pip", "--version"]);
    context
        .task
        .read(&probe)
        .is_ok_and(|(exit, _)| exit.success())
}

fn run(context: &StepContext<'_>, command: Command, what: &str) -> Result<(), Failure> {
    user_packages::run(context, &command, what, |line, error| {
        if let Some(text) = line.strip_prefix("ERROR: ") {
            *error = Some(text.to_owned());
        }
    })
}

/// A name as Python's packaging compares names: case, `-`, `_` and `.` do not matter, nor do the
/// versions behind it.
fn normalized(name: &str) -> String {
    let name = name
        .split(['=', '<', '>', '!', '~', '[', ';', ' ', '@'])
        .next()
        .unwrap_or_default();
    name.trim().to_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pip_prints_of_its_configuration_is_read() {
        assert_eq!(
            unquoted(r"'\nhttps://a\nhttps://b'"),
            "\nhttps://a\nhttps://b"
        );
        assert_eq!(unquoted(r#""it's""#), "it's");
        assert_eq!(unquoted("plain"), "plain");
    }

    #[test]
    fn only_keys_that_lead_elsewhere_are_left_out_of_uv_toml() {
        let text = "index-url = \"https://a\"\nno-index = true\n[pip]\ntarget = \"/x\"\nextra-index-url = [\"https://b\"]\n[[index]]\nname = \"t\"\n";
        let kept = "index-url = \"https://a\"\n[pip]\nextra-index-url = [\"https://b\"]\n[[index]]\nname = \"t\"\n";
        assert_eq!(without_foreign_keys(text), kept);
    }
}
