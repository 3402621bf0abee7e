//! Plugins: many of them checked, and deployments to hosts, against bare ssh and against Ansible.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use hoist_tests::{Hosts, Module, Sandbox};

use super::{Bench, Row, interleaved, median, timed};

fn hoist(bench: &Bench, sandbox: &Sandbox, arguments: &str) -> Command {
    let mut command = sandbox.command(&bench.hoist);
    command.args(arguments.split_whitespace());
    command
}

/// A thousand plugins, each with a schema, defaults and two hooks.
pub(crate) fn plugins(bench: &Bench) -> Result<Vec<Row>> {
    let sandbox = Sandbox::new();
    let schema = r#"{ "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["app"], "properties": {
  "database": { "type": "object", "properties": { "host": { "type": "string" }, "port": { "type": "integer", "maximum": 65535, "default": 5432 } } },
  "app": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string", "minLength": 1 }, "debug": { "type": "boolean", "default": false } } } } }"#;
    for number in 0..1000 {
        let put = |path: &str, text: &str| {
            sandbox.write(&format!("plugins/p{number:04}/{path}"), text);
        };
        put(
            "plugin.yml",
            &format!(
                "name: p{number:04}\nversion: 1.{number}.0\ndescription: A plugin\ndependencies:\n  - core: \">=1.0.0\"\nconfig:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\nhooks:\n  pre-deploy: hooks/pre.sh\n  post-deploy: hooks/post.sh\n"
            ),
        );
        put("config/schema.json", schema);
        put(
            "config/defaults.yaml",
            "app:\n  name: x\ndatabase:\n  host: localhost\n",
        );
        put("hooks/pre.sh", "#!/bin/sh\ntrue\n");
        put("hooks/post.sh", "#!/bin/sh\ntrue\n");
    }
    let ours: Vec<Duration> = (0..bench.rounds)
        .map(|_| timed(&mut hoist(bench, &sandbox, "plugin validate")))
        .collect::<Result<_>>()?;
    let theirs = Duration::from_secs(1);
    Ok(vec![Row {
        what: "1,000 plugins validated with their configuration".into(),
        ours: median(ours),
        peer: "a bound".into(),
        theirs,
        bar: 1.0,
    }])
}

const STEPS: usize = 6;

/// Six steps that write a file each; one after another in Ansible, as modules in hoist.
fn steps(sandbox: &Sandbox) {
    for step in 0..STEPS {
        let body = format!(
            "check_module_installed() {{ [ \"$(cat \"$HOME/step{step}\" 2>/dev/null)\" = done ]; }}\nmain_module() {{ echo done >\"$HOME/step{step}\"; }}"
        );
        sandbox.add(&Module::new(&format!("step{step}")).body(&body));
    }
}

fn playbook(hosts: &Hosts, count: u32, place: &Path) -> Result<()> {
    let inventory: String = (1..=count)
        .map(|number| {
            format!(
                "h{number} ansible_host={} ansible_user=admin\n",
                hosts.address(number)
            )
        })
        .collect();
    std::fs::write(place.join("inventory.ini"), inventory)?;
    std::fs::write(
        place.join("ansible.cfg"),
        "[defaults]\nforks = 8\n[ssh_connection]\npipelining = true\n",
    )?;
    let task = |step: usize| {
        format!("    - copy:\n        content: \"done\\n\"\n        dest: \"~/step{step}\"\n")
    };
    let tasks: String = (0..STEPS).map(task).collect();
    std::fs::write(
        place.join("site.yml"),
        format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"),
    )?;
    Ok(())
}

/// Deployments where nothing is to do, and small installs on one host and on eight.
pub(crate) fn hosts(bench: &Bench) -> Result<Vec<Row>> {
    let Some(hosts) = Hosts::start(8) else {
        bail!("there can be no hosts here")
    };
    let mut sandbox = Sandbox::new();
    hosts.introduce(&mut sandbox);
    steps(&sandbox);
    let one = format!("install -q --host {}", hosts.name(1));
    let all = (1..=8)
        .map(|number| format!("--host {}", hosts.name(number)))
        .collect::<Vec<_>>()
        .join(" ");
    let all = format!("install -q {all}");
    // hoist is there, and so are the connections.
    timed(&mut hoist(bench, &sandbox, &all))?;
    let runtime = format!("ControlPath={}/hoist-ssh/%C", hosts.runtime().display());
    let bare = || -> Command {
        let mut command = sandbox.command("ssh");
        command.args([
            "-o",
            &runtime,
            "-o",
            "ControlMaster=auto",
            &hosts.name(1),
            "true",
        ]);
        command
    };
    let (ours, ssh) = interleaved(
        bench.rounds * 2,
        |_| timed(&mut hoist(bench, &sandbox, &one)),
        |_| timed(&mut bare()),
    )?;
    let theirs = ssh.mul_f64(1.5) + Duration::from_millis(150);
    let peer = "1.5 × `ssh host true` over a live connection, and 150 ms".to_owned();
    let mut rows = vec![Row {
        what: "one host on which nothing is to do".into(),
        ours,
        peer,
        theirs,
        bar: 1.0,
    }];
    let force = |arguments: &str| format!("{arguments} --force");
    let (eight, single) = interleaved(
        bench.rounds,
        |_| timed(&mut hoist(bench, &sandbox, &force(&all))),
        |_| timed(&mut hoist(bench, &sandbox, &force(&one))),
    )?;
    rows.push(Row {
        what: "six modules on eight hosts".into(),
        ours: eight,
        peer: "the same on one".into(),
        theirs: single,
        bar: 1.5,
    });
    if !hoist_tests::has("ansible-playbook") {
        return Ok(rows);
    }
    let place = sandbox.path("ansible");
    std::fs::create_dir_all(&place)?;
    playbook(&hosts, 8, &place)?;
    let ansible = || -> Command {
        let mut command = sandbox.command("ansible-playbook");
        command
            .current_dir(&place)
            .env("ANSIBLE_CONFIG", place.join("ansible.cfg"))
            .env("LC_ALL", "C.UTF-8");
        command.args(["-i", "inventory.ini", "site.yml"]);
        command
    };
    timed(&mut ansible())?;
    let (ours, theirs) = interleaved(
        bench.rounds,
        |_| timed(&mut hoist(bench, &sandbox, &all)),
        |_| timed(&mut ansible()),
    )?;
    let peer = "a playbook of one task a step, forks 8".to_owned();
    rows.push(Row {
        what: "six steps on eight hosts, all done".into(),
        ours,
        peer,
        theirs,
        bar: 0.2,
    });
    Ok(rows)
}
