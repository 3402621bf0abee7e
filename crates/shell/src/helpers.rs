//! One step alone, outside a run: what the shell helpers `install_via_…` call, so that they do
//! exactly what hoist's methods do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hoist_executor::{Effect, Failure, Level, TaskContext};

use hoist_core::Step;
use hoist_core::format::shell::PackageMethod;
use hoist_machine::machine::Machine;
use hoist_methods::METHODS;
use hoist_methods::git::Git;
use hoist_methods::install_script::InstallScript;
use hoist_methods::package::Package;
use hoist_system::context::StepContext;
use hoist_system::method::Method;
use serde_json::json;

/// Does what a method does for `module`, with the metadata taken from the environment of the script
/// that asks. `more` are packages, or the URL of a script.
pub fn run_alone(
    method: &str,
    module: &str,
    more: &[String],
    machine: &Machine,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let variable = |name: &str| {
        machine
            .environment
            .get(name)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let words = |name: &str| {
        variable(name)
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let needed = |name: &str| match variable(name) {
        value if value.is_empty() => Err(Failure::new(format!("{name} is not set"))),
        value => Ok(value),
    };
    let packages = || match (more, words("MODULE_PACKAGES")) {
        ([], declared) => declared,
        (more, _) => more.to_vec(),
    };
    let mut method: Box<dyn Method> = match method {
        "git" => Box::new(Git {
            url: needed("MODULE_INSTALL_REPO")?,
            dir: first_dir(&needed("MODULE_INSTALL_DIRS")?, machine)?,
            args: words("MODULE_INSTALL_ARGS"),
        }),
        "package" => Box::new(Package {
            module: module.to_owned(),
            packages: packages(),
            batch: None,
        }),
        "install_script" => {
            let url = more
                .first()
                .cloned()
                .map_or_else(|| needed("MODULE_INSTALL_REPO"), Ok)?;
            let sha256 = Some(variable("MODULE_INSTALL_SHA256").to_lowercase())
                .filter(|digest| !digest.is_empty());
            Box::new(InstallScript {
                url,
                sha256,
                args: words("MODULE_INSTALL_ARGS"),
            })
        }
        other => {
            let unknown = || Failure::new(format!("unknown installation method {other}"));
            let method = PackageMethod::find(other).ok_or_else(unknown)?;
            let target = match variable("MODULE_INSTALL_DIRS") {
                dirs if dirs.is_empty() => machine.home.join(".local"),
                dirs => first_dir(&dirs, machine)?,
            };
            let packages = Some(packages())
                .filter(|packages| !packages.is_empty())
                .unwrap_or_else(|| vec![module.to_owned()]);
            let upgrade = !variable("HOIST_UPGRADE").is_empty();
            let step = Step::new(
                method.word,
                json!({ "packages": packages, "target": target, "upgrade": upgrade }),
            );
            let mut entries = METHODS.iter();
            let entry = entries.find(|entry| entry.name == method.word);
            entry
                .ok_or_else(unknown)?
                .bind(&step)
                .map_err(Failure::new)?
        }
    };
    let variables: BTreeMap<String, String> = machine
        .environment
        .iter()
        .filter(|(name, _)| name.starts_with("MODULE_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let force = variable("FORCE_INSTALL") == "true";
    let context = StepContext {
        force,
        ..StepContext::new(task, machine, module, &variables)
    };
    let mut wait = Duration::from_secs(1);
    loop {
        match method.apply(&context) {
            Err(failure)
                if failure.is_transient()
                    && wait < Duration::from_secs(8)
                    && !task.is_cancelled() =>
            {
                task.note(
                    Level::Info,
                    format!("retrying in {}s: {}", wait.as_secs(), failure.message),
                );
                std::thread::sleep(wait);
                wait *= 2;
            }
            ended => return Ok(ended?.effect),
        }
    }
}

/// The first directory of a list; a home directory with blanks in it does not end it.
fn first_dir(list: &str, machine: &Machine) -> Result<PathBuf, Failure> {
    let home = machine.home.display().to_string();
    let (base, rest) = match list.strip_prefix(&home).or_else(|| list.strip_prefix('~')) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', ' ', '\t', '\n']) => (home, rest),
        _ => (String::new(), list),
    };
    let rest = if rest.starts_with(char::is_whitespace) {
        ""
    } else {
        rest.split_whitespace().next().unwrap_or_default()
    };
    let path = PathBuf::from(base + rest);
    match path.is_absolute() {
        true => Ok(path),
        false => Err(Failure::new(format!(
            "MODULE_INSTALL_DIRS: `{}` is not an absolute path",
            path.display()
        ))),
    }
}
