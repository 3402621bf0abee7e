//! hoist as a binary module of Ansible: called with the path of a file of arguments, it prints one
//! JSON object.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ExitStatus;

/// What a task may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Arguments {
    /// A collection on the host; several as a list.
    collection: Option<OneOrMore>,
    /// These modules; otherwise every core and default module.
    modules: Option<OneOrMore>,
    /// `install`, `update` or `uninstall`.
    action: Option<String>,
    /// Every module.
    all: bool,
    /// Install again what is installed.
    force: bool,
    /// A failure of any module aborts.
    strict: bool,
    /// Variables that the modules see.
    variables: BTreeMap<String, String>,
    #[serde(rename = "_ansible_check_mode")]
    check: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            OneOrMore::One(one) => one
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
            OneOrMore::More(more) => more,
        }
    }
}

/// The options that a task may have; those that Ansible adds begin with `_ansible_`.
const KNOWN: &[&str] = &[
    "collection",
    "modules",
    "action",
    "all",
    "force",
    "strict",
    "variables",
];

/// The arguments, where this is a call by Ansible: one argument, which is a file of JSON with
/// Ansible's own entries in it.
fn arguments() -> Option<Value> {
    let mut given = std::env::args_os().skip(1);
    let (path, None) = (given.next()?, given.next()) else {
        return None;
    };
    let path = Path::new(&path);
    let small = path.is_absolute()
        && path
            .metadata()
            .is_ok_and(|found| found.is_file() && found.len() < 1024 * 1024);
    let value: Value = serde_json::from_slice(&small.then(|| std::fs::read(path).ok())??).ok()?;
    value
        .as_object()?
        .keys()
        .any(|name| name.starts_with("_ansible_"))
        .then_some(value)
}

/// Does what a task of Ansible says, where this is a call by Ansible.
pub(crate) fn run() -> Option<ExitStatus> {
    let arguments = arguments()?;
    let said = answer(arguments)
        .unwrap_or_else(|why| json!({ "failed": true, "changed": false, "msg": why }));
    let failed = said["failed"] == true;
    let _ = writeln!(std::io::stdout(), "{said}");
    Some(if failed {
        ExitStatus::Failed
    } else {
        ExitStatus::Ok
    })
}

fn answer(value: Value) -> Result<Value, String> {
    let unknown: Vec<&str> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .filter(|name| !name.starts_with("_ansible_") && !KNOWN.contains(name))
        .collect();
    if let Some(name) = unknown.first() {
        let near = hoist_core::did_you_mean(name, KNOWN.iter().copied())
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        return Err(format!("unknown option `{name}`{near}"));
    }
    let Arguments {
        collection,
        modules,
        action,
        all,
        force,
        strict,
        variables,
        check,
    } = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let action = action.unwrap_or_else(|| "install".to_owned());
    if !["install", "update", "uninstall"].contains(&action.as_str()) {
        return Err(format!(
            "action: `{action}` is invalid; use install, update or uninstall"
        ));
    }
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.args(["--output", "json", "--yes"]).envs(&variables);
    for directory in collection.map(OneOrMore::list).unwrap_or_default() {
        command.args(["-C", &directory]);
    }
    command.args(strict.then_some("--strict"));
    command.args(check.then_some("plan")).arg(&action);
    command
        .args(all.then_some("--all"))
        .args((force && action == "install").then_some("--force"));
    command.args(modules.map(OneOrMore::list).unwrap_or_default());
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let code = output.status.code().unwrap_or(1);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(if check && code == 0 {
        planned(&text)
    } else {
        ran(&text, &told, code)
    })
}

/// What would be done.
fn planned(text: &str) -> Value {
    let plan: Value = serde_json::from_str(text).unwrap_or_default();
    let modules: BTreeMap<String, Value> = plan["modules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|module| {
            (
                module["module"].as_str().unwrap_or_default().to_owned(),
                json!({ "change": module["change"], "reason": module["reason"] }),
            )
        })
        .collect();
    // A check may find that nothing is to do; whether it does is not known before it runs.
    let changed = modules
        .values()
        .any(|module| !matches!(module["change"].as_str(), Some("keep" | "test")));
    json!({ "changed": changed, "modules": modules })
}

/// What was done.
fn ran(text: &str, told: &str, code: i32) -> Value {
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let finished = events
        .iter()
        .filter(|event| event["event"] == "module_finished");
    let modules: BTreeMap<String, Value> = finished
        .map(|event| {
            let of = json!({ "status": event["status"], "reason": event["reason"], "from": event["from"], "to": event["to"], "messages": event["messages"] });
            (event["module"].as_str().unwrap_or_default().to_owned(), of)
        })
        .collect();
    let changed = modules.values().any(|module| {
        matches!(
            module["status"].as_str(),
            Some("installed" | "updated" | "removed" | "forgotten")
        )
    });
    let problems: Vec<String> = modules
        .iter()
        .filter(|(_, module)| {
            matches!(
                module["status"].as_str(),
                Some("failed" | "skipped" | "interrupted" | "not_started")
            )
        })
        .map(|(name, module)| format!("{name}: {}", module["reason"].as_str().unwrap_or_default()))
        .collect();
    // A mistake is one document, over several lines.
    let mistakes: Value = serde_json::from_str(text).unwrap_or_default();
    let mistakes = mistakes["diagnostics"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["message"].as_str())
        .map(str::to_owned);
    let why: Vec<String> = problems.into_iter().chain(mistakes).collect();
    let msg = if why.is_empty() {
        told.lines().last().unwrap_or_default().to_owned()
    } else {
        why.join("; ")
    };
    match code {
        0 => json!({ "changed": changed, "modules": modules }),
        code => {
            json!({ "changed": changed, "failed": true, "rc": code, "msg": msg, "modules": modules })
        }
    }
}
