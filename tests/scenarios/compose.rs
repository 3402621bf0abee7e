//! Plugins in Docker Compose, on a real engine.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hoist_tests::{Docker, Sandbox, free_port, note};

/// One engine for all tests that are at work at the same time.
fn engine() -> Option<Arc<Docker>> {
    static SHARED: Mutex<Weak<Docker>> = Mutex::new(Weak::new());
    let mut shared: MutexGuard<'_, Weak<Docker>> =
        SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return Some(running);
    }
    let Some(docker) = Docker::start() else {
        note("skipped: there can be no Docker engine here");
        return None;
    };
    let docker = Arc::new(docker);
    *shared = Arc::downgrade(&docker);
    Some(docker)
}

/// A sandbox with a plugin whose service does this; its name is that of the test, since they share
/// the engine.
struct Shop {
    sandbox: Sandbox,
    name: String,
}

const GOOD: &str =
    "echo up $$LEVEL; touch /data/$$$$; trap 'exit 0' TERM; while :; do sleep 0.1; done";

impl Shop {
    fn new(docker: &Docker, name: &str) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.set("DOCKER_HOST", &docker.host());
        let shop = Self {
            sandbox,
            name: name.to_owned(),
        };
        shop.version("1.0.0", GOOD);
        shop.file("config/defaults.yaml", "app:\n  level: low\n  token: ''\n");
        shop.file("config/env.yaml", "LEVEL: app.level\nTOKEN: app.token\n");
        shop
    }

    fn file(&self, path: &str, text: &str) {
        let path = format!("plugins/{}/{path}", self.name);
        self.sandbox.write(&path, text);
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(
            self.sandbox.collection().join(path),
            PermissionsExt::from_mode(mode),
        )
        .unwrap();
    }

    fn version(&self, version: &str, command: &str) {
        let hooks = ["pre-deploy", "post-deploy", "pre-upgrade", "post-upgrade"]
            .map(|hook| format!("  {hook}: hooks/{hook}.sh\n"))
            .concat();
        self.file(
            "plugin.yml",
            &format!("name: {}\nversion: {version}\nconfig:\n  defaults: config/defaults.yaml\nhooks:\n{hooks}", self.name),
        );
        for hook in ["pre-deploy", "post-deploy", "pre-upgrade", "post-upgrade"] {
            self.file(
                &format!("hooks/{hook}.sh"),
                &format!("#!/bin/sh\necho {hook} $HOIST_FORMER_VERSION $HOIST_VERSION\n"),
            );
        }
        let compose = format!(
            "version: '3.7'\nservices:\n  app:\n    image: busybox:1.36\n    command: [sh, -c, {}]\n    stop_grace_period: 1s\n    environment:\n      LEVEL: ${{LEVEL}}\n      TOKEN: ${{TOKEN:-}}\n      VERSION: \"{version}\"\n    volumes: [\"data:/data\", \"./shared:/shared\"]\n    deploy: {{ replicas: {{{{ replicas }}}} }}\nvolumes: {{ data: {{}} }}\n",
            serde_json::to_string(command).unwrap()
        );
        self.file("compose/docker-compose.yml.j2", &compose);
    }

    fn deploy(&self, more: &str) -> hoist_tests::Ran {
        self.sandbox
            .json(&format!("plugin deploy {} {more}", self.name))
    }

    fn containers(&self, docker: &Docker) -> Vec<String> {
        docker.says(&format!(
            "ps -a -q --no-trunc --filter label=com.docker.compose.project={}",
            self.name
        ))
    }

    /// The values of variables in its first container, in one line.
    fn seen(&self, docker: &Docker, names: &str) -> String {
        seen(docker, &format!("{}_app_1", self.name), names)
    }

    fn status(&self) -> serde_json::Value {
        self.sandbox.json("plugin status").exits(0).document()[0].clone()
    }
}

/// The values of variables in a container, in one line.
fn seen(docker: &Docker, container: &str, names: &str) -> String {
    let all = docker.says(&format!("exec {container} env"));
    let value = |name: &str| {
        all.iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or("-")
            .to_owned()
    };
    names.split(' ').map(value).collect::<Vec<_>>().join(" ")
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self
            .sandbox
            .hoist(&format!("plugin undeploy {} -y --volumes", self.name));
    }
}

#[test]
fn a_second_deployment_of_the_same_touches_nothing_and_replicas_come_and_go() {
    let Some(docker) = engine() else { return };
    let shop = Shop::new(&docker, "same");
    let first = shop.deploy("").exits(0);
    assert_eq!(
        (
            first.statuses()["same"].as_str(),
            first.finished("same")["to"].as_str()
        ),
        ("deployed", Some("1.0.0"))
    );
    let messages = first.finished("same")["messages"].to_string();
    assert!(
        messages.contains("pre-deploy 1.0.0") && messages.contains("post-deploy"),
        "{messages}"
    );
    let before = shop.containers(&docker);
    assert_eq!(before.len(), 1);
    assert_eq!(shop.deploy("").exits(0).statuses()["same"], "unchanged");
    assert_eq!(shop.containers(&docker), before);
    shop.deploy("--replicas 3").exits(0);
    assert_eq!(shop.containers(&docker).len(), 3);
    assert_eq!(shop.status()["containers"].as_array().unwrap().len(), 3);
    // What somebody stopped comes back.
    docker.says(&format!("rm -f {}", shop.containers(&docker)[0]));
    let mended = shop.deploy("--replicas 3").exits(0);
    assert!(
        mended.finished("same")["messages"]
            .to_string()
            .contains("2 of 3 containers exist")
    );
    assert_eq!(shop.containers(&docker).len(), 3);
    shop.deploy("").exits(0);
    assert_eq!(shop.containers(&docker).len(), 1);
    assert_eq!(shop.status()["former"].as_array().unwrap().len(), 2);
}

#[test]
fn a_first_deployment_that_fails_leaves_nothing() {
    let Some(docker) = engine() else { return };
    let shop = Shop::new(&docker, "first");
    shop.version("1.0.0", "echo it breaks; exit 3");
    let failed = shop.deploy("").exits(3);
    let reason = failed.finished("first")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("ended with exit code 3; its changes were rolled back"),
        "{reason}"
    );
    assert!(
        failed.finished("first")["messages"]
            .to_string()
            .contains("it breaks"),
        "its log is told"
    );
    for what in [
        "ps -a -q --filter",
        "network ls -q --filter",
        "volume ls -q --filter",
    ] {
        assert_eq!(
            docker.says(&format!("{what} label=com.docker.compose.project=first")),
            Vec::<String>::new(),
            "{what}"
        );
    }
    assert!(
        shop.sandbox
            .json("plugin status")
            .exits(0)
            .document()
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert!(!shop.sandbox.has(".local/state/hoist/deployments"));
    // A hook that fails before anything was changed.
    shop.version("1.0.0", GOOD);
    shop.file("hooks/pre-deploy.sh", "#!/bin/sh\nexit 4\n");
    let failed = shop.deploy("").exits(3);
    assert!(
        failed.finished("first")["reason"]
            .as_str()
            .unwrap()
            .contains(
                "pre-deploy hook (hooks/pre-deploy.sh) ended with exit code 4; nothing was changed"
            )
    );
    assert!(shop.containers(&docker).is_empty());
}

#[test]
fn an_upgrade_that_fails_goes_back_and_one_that_works_can_be_taken_back() {
    let Some(docker) = engine() else { return };
    let shop = Shop::new(&docker, "again");
    shop.deploy("--set app.level=high").exits(0);
    let inside = |what: &str| docker.says(&format!("exec again_app_1 {what}"));
    assert_eq!(shop.seen(&docker, "LEVEL VERSION"), "high 1.0.0");
    inside("touch /shared/written");
    shop.version("2.0.0", "echo oops; exit 1");
    let failed = shop.sandbox.json("plugin upgrade again").exits(3);
    let reason = failed.finished("again")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("ended with exit code 1; 1.0.0 was restored"),
        "{reason}"
    );
    assert_eq!(shop.seen(&docker, "LEVEL VERSION"), "high 1.0.0");
    assert_eq!(
        (
            shop.status()["state"].as_str(),
            shop.status()["release"]["version"].as_str()
        ),
        (Some("deployed"), Some("1.0.0"))
    );
    shop.version("2.0.0", GOOD);
    let upgraded = shop.sandbox.json("plugin upgrade again").exits(0);
    let finished = upgraded.finished("again");
    assert_eq!(
        (finished["from"].as_str(), finished["to"].as_str()),
        (Some("1.0.0"), Some("2.0.0"))
    );
    assert!(
        finished["messages"]
            .to_string()
            .contains("pre-upgrade 1.0.0 2.0.0"),
        "{finished}"
    );
    assert_eq!(
        shop.seen(&docker, "LEVEL VERSION"),
        "high 2.0.0",
        "configured as it was"
    );
    assert_eq!(
        inside("ls /shared"),
        ["written"],
        "what containers share with the machine stays where it is"
    );
    let back = shop.sandbox.json("plugin rollback again").exits(0);
    assert_eq!(back.finished("again")["to"], "1.0.0");
    assert_eq!(shop.seen(&docker, "LEVEL VERSION"), "high 1.0.0");
    shop.sandbox
        .hoist("plugin rollback again --to 77")
        .exits(2)
        .says("there is no such release");
    // A hook that fails after everything is up.
    shop.version("3.0.0", GOOD);
    shop.file("hooks/post-upgrade.sh", "#!/bin/sh\nexit 5\n");
    shop.sandbox
        .hoist("plugin upgrade again --atomic")
        .exits(3)
        .says("1.0.0 was restored");
    assert_eq!(shop.seen(&docker, "VERSION"), "1.0.0");
    shop.sandbox
        .hoist("plugin upgrade again")
        .exits(3)
        .says("it is deployed, but its post-upgrade hook");
    assert_eq!(shop.seen(&docker, "VERSION"), "3.0.0");
    assert_eq!(shop.status()["state"], "failed");
    shop.sandbox.hoist("plugin rollback again").exits(0);
    assert_eq!(shop.seen(&docker, "VERSION"), "1.0.0");
    // Removing the plugin takes it down.
    shop.sandbox.hoist("plugin remove again -y").exits(0);
    assert!(shop.containers(&docker).is_empty());
}

#[test]
fn a_dry_run_shows_what_is_rendered_and_what_differs_without_a_secret_and_without_the_engine() {
    let Some(docker) = engine() else { return };
    let mut shop = Shop::new(&docker, "dry");
    let canary = "canary-abcdefgh-42";
    shop.sandbox.set("TOKEN", canary);
    let (ran, calls) = shop.sandbox.traced("plugin deploy dry --dry-run", "execve");
    ran.exits(0)
        .says("image: busybox:1.36")
        .says("\"token\": \"•••\"");
    let is_own =
        |call: &&String| call.contains(&format!("execve(\"{}\"", hoist_tests::binary().display()));
    assert_eq!(
        calls.iter().filter(is_own).count(),
        calls.len(),
        "nothing but hoist is run: {calls:?}"
    );
    // Printed in two pieces, encoded, and by what it starts: it is on no command line and in no
    // line that is told.
    let pieces = "#!/bin/sh\nprintf %s \"${TOKEN%????????}\"; sleep 0.2; echo \"${TOKEN#${TOKEN%????????}}\"; printf %s \"user:$TOKEN\" | base64; env\n";
    shop.file("hooks/pre-deploy.sh", pieces);
    let (ran, calls) = shop.sandbox.traced("plugin deploy dry -v", "execve");
    let ran = ran.exits(0);
    let encoded = [
        "canary-abcdefgh",
        "Y2FuYXJ5",
        "dXNlcjpjYW5hcnk",
        "abcdefgh-42",
    ];
    assert!(
        encoded
            .iter()
            .all(|form| !ran.stdout.contains(form) && !ran.stderr.contains(form)),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert!(
        calls.len() > 5 && calls.iter().all(|call| !call.contains("canary")),
        "{calls:?}"
    );
    let other = shop
        .sandbox
        .hoist("plugin deploy dry --dry-run --set app.level=high --replicas 2")
        .exits(0);
    assert!(
        other.stdout.contains("-    \"level\": \"low\"")
            && other.stdout.contains("+    \"level\": \"high\""),
        "{}",
        other.stdout
    );
    assert!(
        other.stdout.contains("+    deploy: { replicas: 2 }"),
        "{}",
        other.stdout
    );
    // The token is in the container, and in files that only their owner can read.
    assert_eq!(shop.seen(&docker, "TOKEN"), canary);
    let mut told = String::new();
    for command in [
        "plugin status",
        "report",
        "report --format lines",
        "history",
        "plugin deploy dry --dry-run",
    ] {
        let ran = shop.sandbox.hoist(command).exits(0);
        told += &(ran.stdout + &ran.stderr);
    }
    assert!(!told.contains(canary));
    // Neither does one that stood on the command line stay anywhere.
    shop.sandbox
        .hoist("plugin deploy dry --set app.token=canary-of-the-command-line")
        .exits(0)
        .says("read command lines");
    assert_eq!(shop.seen(&docker, "TOKEN"), "canary-of-the-command-line");
    readable_by_others_has_no(&shop.sandbox.home(), "canary-of-the-command-line");
    let lock =
        std::fs::read_to_string(shop.sandbox.home().join(".local/state/hoist/lock")).unwrap();
    assert!(
        lock.contains("--set app.token=•••") && !lock.contains("canary"),
        "{lock}"
    );
    readable_by_others_has_no(&shop.sandbox.home(), canary);
    shop.sandbox
        .hoist("plugin deploy dry --set app.level=9 --replicas 0")
        .exits(2);
    shop.file(
        "compose/docker-compose.yml.j2",
        "services:\n  app:\n    image: {{ app.nothing }}\n",
    );
    shop.sandbox
        .hoist("plugin deploy dry --dry-run")
        .exits(0)
        .says("docker-compose.yml.j2:3:")
        .says("an undefined value renders as an empty string");
    let manifest = format!(
        "{}strict_templates: true\n",
        std::fs::read_to_string(shop.sandbox.collection().join("plugins/dry/plugin.yml")).unwrap()
    );
    shop.file("plugin.yml", &manifest);
    shop.sandbox
        .hoist("plugin deploy dry")
        .exits(2)
        .says("docker-compose.yml.j2:3:")
        .says("undefined value");
}

/// Fails where a file below a directory, or in it a file that others can read, holds a text.
fn readable_by_others_has_no(directory: &Path, text: &str) {
    let mut waiting = vec![(directory.to_owned(), false)];
    while let Some((path, private)) = waiting.pop() {
        for entry in std::fs::read_dir(&path).unwrap().flatten() {
            let metadata = entry.metadata().unwrap();
            let private = private || metadata.permissions().mode() & 0o077 == 0;
            if metadata.is_dir() {
                waiting.push((entry.path(), private));
            } else if metadata.is_file() && !private {
                let content = std::fs::read(entry.path()).unwrap();
                assert!(
                    !content
                        .windows(text.len())
                        .any(|window| window == text.as_bytes()),
                    "{}",
                    entry.path().display()
                );
            }
        }
    }
}

#[test]
fn without_an_engine_there_is_one_clear_line() {
    let Some(docker) = engine() else { return };
    let mut shop = Shop::new(&docker, "nowhere");
    shop.sandbox
        .set("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let failed = shop.deploy("").exits(3);
    let reason = failed.finished("nowhere")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.starts_with(
            "cannot connect to the Docker engine: check that it is running and that you may use it"
        ) && reason.ends_with("nothing was changed"),
        "{reason}"
    );
    assert!(!failed.stderr.contains("Traceback") && !failed.stdout.contains("Traceback"));
    // Taking down what cannot be reached fails, and is known to be there.
    shop.sandbox.set("DOCKER_HOST", &docker.host());
    shop.deploy("").exits(0);
    shop.sandbox
        .set("DOCKER_HOST", "unix:///nowhere/docker.sock");
    shop.sandbox
        .hoist("plugin undeploy nowhere -y")
        .exits(3)
        .says("cannot connect to the Docker engine");
    shop.sandbox
        .hoist("plugin status")
        .exits(0)
        .says("cannot connect to the Docker engine");
    shop.sandbox.set("DOCKER_HOST", &docker.host());
    shop.sandbox
        .hoist("plugin undeploy nowhere -y")
        .exits(0)
        .says("volumes are kept");
    docker.says("volume rm nowhere_data");
}

#[test]
fn a_hoist_that_is_killed_while_it_deploys_is_made_good_by_the_next() {
    let Some(docker) = engine() else { return };
    let shop = Shop::new(&docker, "killed");
    shop.file(
        "hooks/post-deploy.sh",
        "#!/bin/sh\ntouch $HOME/up; sleep 60\n",
    );
    let mut hoist = shop.sandbox.start("plugin deploy killed");
    while !shop.sandbox.has("up") {
        assert!(hoist.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    hoist.kill().unwrap();
    hoist.wait().unwrap();
    assert_eq!(shop.status()["state"], "deploying");
    shop.file("hooks/post-deploy.sh", "#!/bin/sh\n:\necho done\n");
    shop.deploy("").exits(0);
    assert_eq!(
        (
            shop.containers(&docker).len(),
            shop.status()["state"].as_str()
        ),
        (1, Some("deployed"))
    );
}

#[test]
fn an_interrupt_takes_back_what_was_begun() {
    let Some(docker) = engine() else { return };
    let shop = Shop::new(&docker, "interrupted");
    let wait = "#!/bin/sh\ntouch $HOME/up; sleep 600\n";
    let interrupt = |arguments: &str| {
        let _ = std::fs::remove_file(shop.sandbox.home().join("up"));
        let mut hoist = shop.sandbox.start(arguments);
        while !shop.sandbox.has("up") {
            assert!(hoist.try_wait().unwrap().is_none());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = std::process::Command::new("kill")
            .args(["-INT", &hoist.id().to_string()])
            .status();
        hoist_tests::ran(hoist.wait_with_output().unwrap()).exits(130)
    };
    shop.file("hooks/post-deploy.sh", wait);
    interrupt("plugin deploy interrupted").says("it was interrupted; its changes were rolled back");
    assert!(shop.containers(&docker).is_empty());
    shop.sandbox
        .hoist("plugin status")
        .exits(0)
        .says("Nothing is deployed");
    shop.version("1.0.0", GOOD);
    shop.deploy("").exits(0);
    shop.version("2.0.0", GOOD);
    shop.file("hooks/post-upgrade.sh", wait);
    interrupt("plugin upgrade interrupted").says("it was interrupted; 1.0.0 was restored");
    assert_eq!(
        (
            shop.seen(&docker, "VERSION"),
            shop.status()["state"].as_str()
        ),
        ("1.0.0".to_owned(), Some("deployed"))
    );
    // Killed it stays as it is, and a rollback goes to what ran before.
    let _ = std::fs::remove_file(shop.sandbox.home().join("up"));
    let mut hoist = shop.sandbox.start("plugin upgrade interrupted");
    while !shop.sandbox.has("up") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    hoist.kill().unwrap();
    hoist.wait().unwrap();
    assert_eq!(shop.seen(&docker, "VERSION"), "2.0.0");
    shop.sandbox
        .hoist("plugin rollback interrupted -v")
        .exits(0)
        .says("its last deployment was interrupted")
        .says("1 deployed");
    assert_eq!(shop.seen(&docker, "VERSION"), "1.0.0");
    assert_eq!(
        shop.status()["former"].as_array().unwrap().len(),
        0,
        "it is no other release"
    );
}

#[test]
fn what_is_somebody_elses_is_not_touched() {
    let Some(docker) = engine() else { return };
    let shop = Shop::new(&docker, "taken");
    let other = Shop::new(&docker, "taken");
    let refused = |shop: &Shop| {
        let reason = shop.deploy("").exits(3).finished("taken")["reason"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            reason.contains("was not deployed by hoist") && reason.contains("nothing was changed"),
            "{reason}"
        );
    };
    other.deploy("").exits(0);
    let before = shop.containers(&docker);
    refused(&shop);
    assert_eq!(shop.containers(&docker), before);
    other
        .sandbox
        .hoist("plugin undeploy taken -y --volumes")
        .exits(0);
    // Also a project that no hoist has brought up.
    let here = shop.sandbox.path("by-hand");
    std::fs::create_dir_all(&here).unwrap();
    std::fs::write(
        here.join("docker-compose.yml"),
        "version: '3.7'\nservices:\n  app: { image: 'busybox:1.36', command: [sleep, '600'] }\n",
    )
    .unwrap();
    let compose = |arguments: &str| {
        let mut command = std::process::Command::new("docker-compose");
        command
            .current_dir(&here)
            .env("DOCKER_HOST", docker.host())
            .args(["-p", "taken"])
            .args(arguments.split(' '));
        assert!(command.output().unwrap().status.success());
    };
    compose("up -d");
    let before = shop.containers(&docker);
    refused(&shop);
    assert_eq!(shop.containers(&docker), before);
    compose("down -t 0");
    shop.deploy("").exits(0);
}

#[test]
fn an_engine_that_goes_away_in_the_middle_fails_the_deployment() {
    // This one is stopped, so it is nobody else's.
    let Some(mut docker) = Docker::start() else {
        return;
    };
    let shop = Shop::new(&docker, "away");
    shop.deploy("").exits(0);
    shop.version("2.0.0", GOOD);
    shop.file(
        "hooks/post-upgrade.sh",
        "#!/bin/sh\ntouch $HOME/up; while test ! -e $HOME/gone; do sleep 0.1; done; exit 1\n",
    );
    let mut hoist = shop
        .sandbox
        .start("plugin upgrade away --atomic --output json");
    while !shop.sandbox.has("up") {
        if hoist.try_wait().unwrap().is_some() {
            panic!("{:?}", hoist_tests::ran(hoist.wait_with_output().unwrap()));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    docker.stop();
    shop.sandbox.put("gone", "");
    let ran = hoist_tests::ran(hoist.wait_with_output().unwrap()).exits(3);
    let reason = ran.finished("away")["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("and the rollback failed: cannot connect to the Docker engine"),
        "{reason}"
    );
    assert_eq!(shop.status()["state"], "failed");
    docker.run();
    shop.file("hooks/post-upgrade.sh", "#!/bin/sh\necho fine\n");
    shop.sandbox.hoist("plugin upgrade away").exits(0);
    assert_eq!(shop.seen(&docker, "VERSION"), "2.0.0");
}

#[test]
fn a_stack_goes_to_a_swarm_comes_back_where_it_does_not_work_and_goes() {
    // Its engine becomes a manager, which is of no use to others.
    let Some(docker) = Docker::start() else {
        return;
    };
    let shop = Shop::new(&docker, "stack");
    let compose = |version: &str, command: &str| {
        shop.version(version, command);
        let file = format!(
            "version: '3.7'\nservices:\n  app:\n    image: busybox:1.36\n    command: [sh, -c, {}]\n    stop_grace_period: 1s\n    environment: {{ LEVEL: '${{LEVEL}}', VERSION: '{version}' }}\n    volumes: ['data:/data']\n    deploy: {{ replicas: 1, restart_policy: {{ delay: 100ms }}, update_config: {{ monitor: 1s }} }}\nvolumes: {{ data: {{}} }}\n",
            serde_json::to_string(command).unwrap()
        );
        shop.file("compose/docker-compose.yml.j2", &file);
    };
    compose("1.0.0", GOOD);
    let refused = shop.deploy("--swarm").exits(3).finished("stack")["reason"].to_string();
    assert!(
        refused.contains("not a Swarm manager") && refused.contains("nothing was changed"),
        "{refused}"
    );
    let listen = format!("127.0.0.1:{}", free_port());
    docker.says(&format!(
        "swarm init --advertise-addr 127.0.0.1 --listen-addr {listen}"
    ));
    let tasks = || docker.says("service ps stack_app -q --no-trunc --filter desired-state=running");
    let version = || {
        docker
            .says("service inspect stack_app --format {{.Spec.TaskTemplate.ContainerSpec.Env}}")
            .concat()
    };
    shop.deploy("--swarm").exits(0);
    assert_eq!(shop.status()["kind"], "swarm");
    assert_eq!(shop.status()["containers"][0]["status"], "running");
    let first = tasks();
    assert_eq!(first.len(), 1);
    shop.deploy("--swarm").exits(0);
    assert_eq!(tasks(), first, "a second time touches nothing");
    shop.deploy("--swarm --replicas 3").exits(0);
    assert_eq!(tasks().len(), 3);
    assert!(tasks().contains(&first[0]), "the first one goes on");
    shop.deploy("").exits(2);
    shop.sandbox
        .hoist("plugin deploy stack")
        .exits(2)
        .says("is deployed as swarm")
        .says("add --swarm");
    // What ends at once is not kept; what ran before runs.
    compose("2.0.0", "echo no use; exit 3");
    let failed = shop
        .sandbox
        .json("plugin upgrade stack")
        .exits(3)
        .finished("stack");
    assert!(
        failed["reason"]
            .as_str()
            .unwrap()
            .ends_with("1.0.0 was restored"),
        "{failed}"
    );
    assert!(failed.to_string().contains("no use"), "{failed}");
    assert!(
        version().contains("VERSION=1.0.0") && tasks().len() == 3,
        "{}",
        version()
    );
    compose("2.1.0", GOOD);
    shop.sandbox.hoist("plugin upgrade stack").exits(0);
    assert!(version().contains("VERSION=2.1.0"));
    shop.sandbox.hoist("plugin rollback stack").exits(0);
    assert!(version().contains("VERSION=1.0.0") && tasks().len() == 3);
    // What is gone is brought up again.
    docker.says("service rm stack_app");
    shop.sandbox
        .hoist("plugin deploy stack --swarm --replicas 3")
        .exits(0);
    assert_eq!(tasks().len(), 3);
    shop.sandbox
        .hoist("plugin undeploy stack -y")
        .exits(0)
        .says("volume stack_data")
        .says("volumes are kept");
    assert_eq!(
        (docker.says("service ls -q"), docker.containers()),
        (Vec::new(), Vec::new())
    );
    assert_eq!(docker.says("volume ls -q"), ["stack_data"]);
    compose("3.0.0", "exit 3");
    shop.deploy("--swarm").exits(3);
    assert_eq!(
        (docker.says("service ls -q"), docker.containers()),
        (Vec::new(), Vec::new()),
        "it was removed"
    );
    // Nothing is built for others.
    shop.file("build/Dockerfile", "FROM scratch\n");
    shop.file(
        "compose/docker-compose.yml.j2",
        "services:\n  app:\n    build: ../build\n",
    );
    shop.sandbox
        .hoist("plugin deploy stack --swarm")
        .exits(2)
        .says("images are not built for a Swarm");
    docker.says("swarm leave --force");
}

#[test]
fn the_template_is_deployed_as_the_plugin_document_says() {
    let Some(docker) = engine() else { return };
    let mut sandbox = Sandbox::new();
    sandbox.set("DOCKER_HOST", &docker.host());
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let hoist = |arguments: &str| sandbox.hoist(&format!("-C {} {arguments}", plugins.display()));
    hoist("plugin validate template")
        .exits(0)
        .says("ok, 0 warnings");
    let port = free_port();
    let config = sandbox.put(
        "my-config.yaml",
        &format!(
            "database:\n  host: localhost\n  port: 5432\n  name: myapp\n  user: dbuser\n  password: dbpassword\napp:\n  debug: false\n  log_level: info\n  secret_key: your-secret-key-here\nserver:\n  host_port: {port}\nemail:\n  smtp_server: smtp.example.com\n  smtp_port: 587\n  use_tls: true\n  sender: noreply@example.com\nfeatures:\n  enable_registration: true\n  enable_social_login: false\n  maintenance_mode: false\n"
        ),
    );
    let get = |port: u16, path: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    hoist(&format!(
        "plugin deploy template --config {}",
        config.display()
    ))
    .exits(0)
    .says("the application answers on port");
    assert!(
        get(port, "/config")
            .contains("database=dbuser@localhost:5432/myapp\ndebug=false\nlog_level=info\n"),
        "{}",
        get(port, "/config")
    );
    assert_eq!(
        seen(&docker, "template_app_1", "SENDER SECRET_KEY"),
        "noreply@example.com your-secret-key-here"
    );
    let ports = format!("server.host_port={}", free_port());
    hoist(&format!(
        "plugin deploy template --env production --replicas 3 --set {ports}"
    ))
    .exits(0);
    assert_eq!(
        docker
            .says("ps -q --filter label=com.docker.compose.project=template-production")
            .len(),
        3
    );
    let port = free_port();
    hoist(&format!(
        "plugin deploy template --env development --debug --set server.host_port={port}"
    ))
    .exits(0);
    assert!(get(port, "/config").contains("debug=true\nlog_level=debug\n"));
    // A secret that was made stays the same as long as it is deployed.
    let key = seen(&docker, "template-development_app_1", "SECRET_KEY");
    assert_eq!(key.len(), 48);
    hoist(&format!(
        "plugin deploy template --env development --set server.host_port={port}"
    ))
    .exits(0);
    assert_eq!(
        seen(&docker, "template-development_app_1", "SECRET_KEY"),
        key
    );
    hoist("plugin undeploy template -y")
        .exits(2)
        .says("is deployed to several environments");
    for environment in ["production", "development"] {
        hoist(&format!(
            "plugin undeploy template --env {environment} -y --volumes"
        ))
        .exits(0);
    }
    hoist("plugin undeploy template -y --volumes").exits(0);
    hoist("plugin remove template -y").exits(0);
    assert!(
        docker
            .says("ps -a -q --filter label=com.docker.compose.project=template")
            .is_empty()
    );
}

/// Texts that YAML, Compose or a template may take for something else.
const TEXTS: &[&str] = &[
    "pa$$w",
    "x-$HOME",
    "${HOME:-x}",
    "$",
    "a$",
    "$(id)",
    "abc1 #def",
    "a: b",
    "- a",
    "[a, b]",
    "{a: b}",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a`",
    "it's",
    "say \"hi\"",
    "\\n",
    "a\\$b",
    " a ",
    "a\tb",
    "a\nb\n",
    "yes",
    "No",
    "on",
    "y",
    "true",
    "null",
    "~",
    "",
    "0755",
    "1.10",
    "1e3",
    "1_000",
    "1:30",
    "2001-01-01",
    "ünïcödé ☃",
    "{{ a }}",
    "http://h:80/p?q=$r&s#t",
];

/// The variables of a container, as the engine knows them.
fn environment_of(docker: &Docker, container: &str) -> Vec<String> {
    let (_, inspected) = docker.docker(&["inspect", container]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    inspected[0]["Config"]["Env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn values_arrive_in_containers_as_they_are() {
    let Some(docker) = engine() else { return };
    let shop = Shop::new(&docker, "exact");
    let values: serde_json::Map<String, serde_json::Value> = TEXTS
        .iter()
        .enumerate()
        .map(|(place, text)| (format!("V{place}"), (*text).into()))
        .collect();
    let secrets: serde_json::Map<String, serde_json::Value> = TEXTS
        .iter()
        .enumerate()
        .map(|(place, text)| (format!("S{place}"), (*text).into()))
        .collect();
    let defaults = serde_json::json!({ "app": { "level": "low", "token": "" }, "plain": values, "password": secrets, "odd": 1 });
    shop.file(
        "config/defaults.yaml",
        &defaults
            .to_string()
            .replace("\"odd\":1", "\"odd\": 1.10, \"n\": n, \"mode\": 0755"),
    );
    let mapping: String = (0..TEXTS.len())
        .map(|place| format!("M{place}: password.S{place}\n"))
        .collect();
    shop.file(
        "config/env.yaml",
        &format!("LEVEL: app.level\nODD: odd\nMODE: mode\nN: n\n{mapping}"),
    );
    let names: String = (0..TEXTS.len())
        .map(|place| format!("      M{place}: ${{M{place}}}\n"))
        .collect();
    shop.file(
        "compose/docker-compose.yml.j2",
        &format!(
            "version: '3.7'\nservices:\n  app:\n    image: busybox:1.36\n    command: [sh, -c, \"trap 'exit 0' TERM; while :; do sleep 0.1; done\"]\n    stop_grace_period: 1s\n    environment:\n{{% for name, value in plain.items() %}}      {{{{ name }}}}: {{{{ value }}}}\n{{% endfor %}}{{% for name in password %}}      {{{{ name }}}}: '{{{{ password[name] }}}}'\n{{% endfor %}}{names}      ODD: ${{ODD}}\n      MODE: {{{{ mode }}}}\n      N: {{{{ n }}}}\n"
        ),
    );
    let deployed = shop.deploy("").exits(0);
    assert!(!deployed.stderr.contains("not set"), "{}", deployed.stderr);
    let environment = environment_of(&docker, "exact_app_1");
    for (place, text) in TEXTS.iter().enumerate() {
        for letter in ["V", "S", "M"] {
            let expected = format!("{letter}{place}={text}");
            assert!(
                environment.contains(&expected),
                "{expected:?} is not in {environment:?}"
            );
        }
    }
    // A number keeps its spelling where it is a variable. Compose itself reads MODE, which is no
    // text, by older rules.
    assert!(
        environment.contains(&"ODD=1.10".to_owned()) && environment.contains(&"N=n".to_owned()),
        "{environment:?}"
    );
    let template = shop
        .sandbox
        .collection()
        .join("plugins/exact/compose/docker-compose.yml.j2");
    let text = std::fs::read_to_string(&template).unwrap();
    shop.file(
        "compose/docker-compose.yml.j2",
        &text.replace("{{ mode }}", "\"{{ mode }}\""),
    );
    shop.deploy("").exits(0);
    assert_eq!(shop.seen(&docker, "MODE ODD N"), "0755 1.10 n");
}
