//! The hosts that a plugin is deployed to: those its configuration names, all at once, some first
//! where that is asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hoist_executor::{Effect, Failure, ItemChange, TaskContext};
use hoist_plugins::variables_of;
use serde_json::Value;

use hoist_machine::machine::Machine;
use hoist_remote::payload::Header;
use hoist_remote::run as remote;
use hoist_remote::run::{Begun, Failures, Remote};
use hoist_remote::ssh::Host;

/// How many hosts are worked on, and when it is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// On so many at once.
    pub max_hosts: usize,
    /// On so many first.
    pub canary: usize,
    /// So many may fail.
    pub allowed: usize,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            max_hosts: 16,
            canary: 0,
            allowed: usize::MAX,
        }
    }
}

/// A host of a configuration, with the whole configuration as it is for that host.
#[derive(Clone)]
pub struct TargetHost {
    /// Where.
    pub host: Host,
    /// Whether sudo is used there.
    pub sudo: bool,
    /// With what is said of this host alone under `host`.
    pub values: Value,
}

/// The hosts of a configuration: that of `host`, or those of `hosts`, each of which is laid over
/// it.
///
/// # Errors
/// What is missing, or is no host, by its path.
pub fn hosts_of(values: &Value) -> Result<Vec<TargetHost>, String> {
    let base = values.get("host").cloned().unwrap_or(Value::Null);
    let several = values
        .get("hosts")
        .and_then(Value::as_array)
        .filter(|hosts| !hosts.is_empty());
    let entries: Vec<(String, Value)> = match several {
        Some(hosts) => hosts
            .iter()
            .enumerate()
            .map(|(place, over)| (format!("hosts[{place}]"), laid(base.clone(), over)))
            .collect(),
        None if base.is_object() => vec![("host".to_owned(), base)],
        None => {
            return Err("host.connection.host is not set: it is the host to deploy to".to_owned());
        }
    };
    entries
        .into_iter()
        .map(|(path, entry)| of_entry(values, &path, entry))
        .collect()
}

fn of_entry(values: &Value, path: &str, entry: Value) -> Result<TargetHost, String> {
    let connection = &entry["connection"];
    let text = |name: &str| connection[name].as_str().filter(|text| !text.is_empty());
    let name = text("host")
        .ok_or_else(|| format!("{path}.connection.host is not set: it is the host to deploy to"))?;
    let user = text("user");
    let destination = user.map_or_else(|| name.to_owned(), |user| format!("{user}@{name}"));
    // A name of the ssh configuration has its port there.
    let mut host = Host::parse(&if name.contains(':') {
        destination.replace(name, &format!("[{name}]"))
    } else {
        destination
    })
    .map_err(|why| format!("{path}.connection: {why}"))?;
    host.port = connection["port"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok());
    host.key = text("key_file").map(PathBuf::from);
    host.password = text("password").map(str::to_owned);
    let sudo = connection["sudo"].as_bool().unwrap_or(user != Some("root"));
    let mut values = values.as_object().cloned().unwrap_or_default();
    values.remove("hosts");
    values.insert("host".to_owned(), entry);
    Ok(TargetHost {
        host,
        sudo,
        values: Value::Object(values),
    })
}

fn laid(mut under: Value, over: &Value) -> Value {
    match (&mut under, over) {
        (Value::Object(known), Value::Object(new)) => {
            for (name, value) in new {
                let below = known.remove(name).unwrap_or(Value::Null);
                known.insert(name.clone(), laid(below, value));
            }
            under
        }
        (_, over) => over.clone(),
    }
}

/// What is called with the name of a host when hoist has started there.
pub(crate) type BegunOn = Arc<dyn Fn(&str) -> Result<(), Failure> + Send + Sync>;

/// What is asked of hoist on every host.
pub(crate) struct HostCommand<'a> {
    /// The command and its options.
    pub command: &'a [&'a str],
    /// The plugin's directory, which is a collection there.
    pub plugin: PathBuf,
    /// What it is called there.
    pub name: String,
    /// More variables.
    pub variables: &'a BTreeMap<String, String>,
    /// Called with the name of each host on which hoist has started.
    pub begun: BegunOn,
}

/// Does it on all hosts. What came of each is told.
pub(crate) fn on_all(
    machine: &Machine,
    hosts: Vec<TargetHost>,
    order: &HostCommand<'_>,
    rollout: &Rollout,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let failures = Arc::new(Failures {
        allowed: rollout.allowed,
        count: AtomicUsize::new(0),
    });
    let canary = rollout.canary.min(hosts.len());
    let (first, others) = hosts.split_at(canary);
    let mut all = Vec::new();
    for (hosts, is_canary) in [(first, true), (others, false)] {
        let done = some(machine, hosts, order, &failures, rollout.max_hosts, task)?;
        let failed = done.iter().any(|(_, done)| done.is_err());
        all.extend(done);
        if is_canary && failed {
            for other in others {
                all.push((
                    other.host.to_string(),
                    Err(Failure::not_started("not started: the canary hosts failed")),
                ));
            }
            break;
        }
    }
    let mut changed = false;
    let mut wrong = Vec::new();
    for (host, done) in &all {
        match done {
            Ok(effect) => {
                changed |= *effect == Effect::Changed;
                if *effect == Effect::Changed {
                    task.item(ItemChange::Changed, format!("host {host}"), None);
                }
            }
            Err(failure) => wrong.push(format!("{host}: {}", failure.message)),
        }
    }
    match wrong.as_slice() {
        [] => Ok(if changed {
            Effect::Changed
        } else {
            Effect::Unchanged
        }),
        [only] if all.len() == 1 => Err(Failure::new(only.clone())),
        several => {
            let idle = all
                .iter()
                .filter(|(_, done)| done.as_ref().is_err_and(Failure::is_not_started))
                .count();
            let others = if idle > 0 {
                format!(", and {idle} were not started")
            } else {
                String::new()
            };
            Err(Failure::new(format!(
                "{} of {} hosts failed{others}: {}",
                several.len() - idle,
                all.len(),
                several.join("; ")
            )))
        }
    }
}

type Done = (String, Result<Effect, Failure>);

fn some(
    machine: &Machine,
    hosts: &[TargetHost],
    order: &HostCommand<'_>,
    failures: &Arc<Failures>,
    max_hosts: usize,
    task: &TaskContext,
) -> Result<Vec<Done>, Failure> {
    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<usize, Done>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..max_hosts.clamp(1, hosts.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(host) = hosts.get(place) else { break };
                    let done = one(machine, host, order, failures.clone(), task);
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(place, (host.host.to_string(), done));
                }
            });
        }
    });
    task.check()?;
    Ok(results
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_values()
        .collect())
}

fn one(
    machine: &Machine,
    host: &TargetHost,
    order: &HostCommand<'_>,
    failures: Arc<Failures>,
    task: &TaskContext,
) -> Result<Effect, Failure> {
    let at = format!("@{}", order.name);
    let always = ["--output", "json", "--yes", "--verbose", "-C", &at];
    let mut variables = order.variables.clone();
    variables.extend(variables_of(&host.values, order.variables));
    let header = Header {
        arguments: always
            .iter()
            .chain(order.command)
            .map(|word| (*word).to_owned())
            .collect(),
        variables,
        config: Some(host.values.to_string()),
    };
    let trees = vec![(order.name.clone(), order.plugin.clone())];
    let prefix = format!("{} ", host.host);
    let (begun, name) = (order.begun.clone(), host.host.to_string());
    let begun: Option<Begun> = Some(Arc::new(move || begun(&name)));
    let remote = Remote {
        host: host.host.clone(),
        sudo: host.sudo,
        header,
        trees,
        prefix,
        failures,
        begun,
    };
    remote::run(machine, &remote, task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_host_or_several_which_are_laid_over_it() {
        let told = |values: Value| {
            hosts_of(&values).map(|hosts| {
                let one = |host: TargetHost| {
                    format!(
                        "{} {} {}",
                        host.host, host.sudo, host.values["host"]["os"]["family"]
                    )
                };
                hosts.into_iter().map(one).collect::<Vec<_>>()
            })
        };
        let one = json!({ "connection": { "host": "a", "port": 2222, "user": "admin", "key_file": "/k" }, "os": { "family": "debian" } });
        assert_eq!(
            told(json!({ "host": one })).unwrap(),
            ["admin@a:2222 true \"debian\""]
        );
        let hosts = json!([{ "connection": { "host": "b" } }, { "connection": { "host": "c", "user": "root" }, "os": { "family": "arch" } }]);
        assert_eq!(
            told(json!({ "host": one, "hosts": hosts })).unwrap(),
            ["admin@b:2222 true \"debian\"", "root@c:2222 false \"arch\""]
        );
        assert!(
            told(json!({}))
                .unwrap_err()
                .starts_with("host.connection.host")
        );
        assert!(
            told(json!({ "host": {}, "hosts": [{ "connection": { "host": "-x" } }] }))
                .unwrap_err()
                .starts_with("hosts[0].connection:")
        );
    }
}
