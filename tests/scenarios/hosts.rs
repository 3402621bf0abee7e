//! hoist on other hosts, over the real ssh.

use std::io::Write;

use hoist_tests::{Hosts, Module, Sandbox};

fn collection(hosts: &Hosts) -> Sandbox {
    let mut sandbox = Sandbox::new();
    hosts.introduce(&mut sandbox);
    sandbox.add(
        &Module::new("base")
            .main("mkdir -p \"$HOME/made\" && echo hello from $(hostname) >\"$HOME/made/base\""),
    );
    sandbox.add(
        &Module::new("top")
            .depends("base")
            .main("cat \"$HOME/made/base\" >\"$HOME/made/top\""),
    );
    sandbox
}

#[test]
fn the_same_install_on_three_hosts_at_once() {
    let Some(hosts) = Hosts::start(3) else { return };
    let mut sandbox = collection(&hosts);
    let all = (1..=3)
        .map(|number| format!("--host {}", hosts.name(number)))
        .collect::<Vec<_>>()
        .join(" ");
    // What would be done is shown for each.
    let plan = sandbox.hoist(&format!("install {all} --dry-run")).exits(0);
    assert_eq!(
        (
            plan.stdout.matches("admin@10.").count(),
            plan.stdout.matches("  install  ").count()
        ),
        (3, 6),
        "{}",
        plan.stdout
    );
    let plan = sandbox
        .json(&format!("install {all} --dry-run"))
        .exits(0)
        .document();
    assert_eq!(plan[2]["plan"]["modules"][1]["module"], "top", "{plan}");
    assert!(hosts.on(1, "ls").is_empty());
    sandbox.hoist("history").says("No runs yet");
    sandbox
        .hoist("install --canary 1")
        .exits(2)
        .says("the option requires hosts, and none is given");
    let run = sandbox.json(&format!("install {all}")).exits(0);
    assert_eq!(
        run.statuses().into_values().collect::<Vec<_>>(),
        ["installed"; 3]
    );
    for number in 1..=3 {
        assert_eq!(
            hosts.on(number, "cat made/top"),
            format!("hello from h{number}")
        );
    }
    let again = sandbox.json(&format!("install {all}")).exits(0);
    assert_eq!(
        again.statuses().into_values().collect::<Vec<_>>(),
        ["unchanged"; 3]
    );
    // As root, the home directory is that of root.
    let first = hosts.name(1);
    sandbox
        .hoist(&format!("install --host {first} --sudo"))
        .exits(0);
    assert_eq!(hosts.on(1, "sudo cat /root/made/top"), "hello from h1");
    sandbox
        .hoist("report")
        .exits(0)
        .says(&format!("installed  {first}"));
    // Only what is different goes there, and what fails there is told here.
    sandbox.add(
        &Module::new("top")
            .depends("base")
            .main("echo it cannot be >&2; return 4"),
    );
    sandbox.add(&Module::new("above").depends("top"));
    let failed = sandbox
        .json(&format!("install --force --host {first}"))
        .exits(3);
    let reason = failed
        .events()
        .iter()
        .find(|event| event["event"] == "module_finished")
        .unwrap()["reason"]
        .to_string();
    assert!(
        reason.contains(
            "top: main_module failed with exit code 4: it cannot be; 1 module was not started"
        ),
        "{reason}"
    );
    sandbox
        .hoist(&format!("install nothing --host {first}"))
        .exits(2)
        .says("unknown module `nothing`");
    sandbox
        .hoist("retry")
        .exits(2)
        .says("on other hosts, and did not finish on admin@10.")
        .says("again; modules that are already installed there are skipped");
    // Another program may go there; it stays beside the others.
    let other = sandbox.path("hoist-for-hosts");
    std::fs::copy(hoist_tests::stripped_binary(), &other).unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&other)
        .unwrap()
        .write_all(b"another")
        .unwrap();
    sandbox.add(
        &Module::new("top")
            .depends("base")
            .main("cp \"$HOME/made/base\" \"$HOME/made/top\""),
    );
    sandbox.set("HOIST_HOST_BINARY", &other.display().to_string());
    sandbox
        .hoist(&format!("install top --force --host {first}"))
        .exits(0);
    assert_eq!(hosts.on(1, "ls .cache/hoist/bin | wc -l"), "2");
    assert_eq!(
        hosts.on(1, "tail -c 7 .cache/hoist/bin/* | grep -c another"),
        "1"
    );
}

/// Why hoist failed on each host, by its name.
fn reasons(ran: &hoist_tests::Ran) -> std::collections::BTreeMap<String, String> {
    let finished = ran
        .events()
        .into_iter()
        .filter(|event| event["event"] == "module_finished");
    finished
        .map(|event| {
            (
                event["module"].as_str().unwrap().to_owned(),
                event["reason"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

#[test]
fn what_keeps_hoist_from_a_host_is_told_and_holds_up_no_other() {
    let Some(hosts) = Hosts::start(2) else { return };
    let sandbox = collection(&hosts);
    let (good, other) = (hosts.name(1), hosts.name(2));
    let reason = |arguments: &str, code: i32| {
        let ran = sandbox.json(&format!("install {arguments}")).exits(code);
        reasons(&ran).into_values().collect::<Vec<_>>().join("\n")
    };
    // Nothing listens there.
    let refused = reason(&format!("--host {good} --host {}:2222", hosts.name(2)), 3);
    assert!(
        refused.contains("cannot connect to") && refused.contains("Connection refused"),
        "{refused}"
    );
    assert_eq!(
        hosts.on(1, "cat made/top"),
        "hello from h1",
        "the other is done all the same"
    );
    // A key that nobody knows.
    let known = std::fs::read_to_string(sandbox.path("known_hosts")).unwrap();
    std::fs::write(sandbox.path("known_hosts"), "").unwrap();
    let unknown = reason(&format!("--host {other}"), 3);
    assert!(
        unknown.contains("Host key verification failed")
            && unknown.contains("connect to it once with ssh"),
        "{unknown}"
    );
    std::fs::write(sandbox.path("known_hosts"), known).unwrap();
    // A user whose key is not there.
    let denied = reason(&format!("--host root@{}", hosts.address(2)), 3);
    assert!(
        denied.contains("Permission denied") && denied.contains("authorized_keys"),
        "{denied}"
    );
    // sudo that asks for a password, and none at all.
    hosts.on(2, "echo 'admin ALL=(ALL) ALL' | sudo tee /etc/sudoers.d/admin.new >/dev/null && sudo mv /etc/sudoers.d/admin.new /etc/sudoers.d/admin");
    let asks = reason(&format!("--host {other} --sudo"), 3);
    assert!(
        asks.contains("a password is required") && asks.contains("remove --sudo"),
        "{asks}"
    );
    // Without sudo it goes.
    reason(&format!("--host {other}"), 0);
    // What is no host, and what is no program for it.
    sandbox
        .hoist("install --host a;b")
        .exits(2)
        .says("is not a host");
    sandbox.put("hosts", "# mine\nadmin@h1\n-oProxyCommand=x\n");
    let file = sandbox.home().join("hosts").display().to_string();
    sandbox
        .hoist(&format!("install --hosts {file}"))
        .exits(2)
        .says("is not a host")
        .says("hosts:3:1");
    sandbox
        .hoist(&format!("install --host {good} --max-failures some"))
        .exits(2)
        .says("neither a number nor a percentage");
}

#[test]
fn a_host_whose_plug_is_pulled_is_done_again_and_others_go_on() {
    let Some(mut hosts) = Hosts::start(2) else {
        return;
    };
    let sandbox = collection(&hosts);
    sandbox.add(
        &Module::new("slow").main(
            "touch \"$HOME/begun\"; test -e \"$HOME/quick\" || sleep 300; touch \"$HOME/done\"",
        ),
    );
    hosts.on(1, "touch quick");
    let both = format!("--host {} --host {}", hosts.name(1), hosts.name(2));
    let hoist = sandbox.start(&format!("install {both} --output json"));
    while hosts.on(2, "ls").lines().all(|line| line != "begun") {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    hosts.kill(2);
    let ran = hoist_tests::ran(hoist.wait_with_output().unwrap()).exits(3);
    let told = reasons(&ran);
    assert_eq!(told[&hosts.name(1)], "");
    assert!(
        told[&hosts.name(2)].contains("its run there is stopped")
            || told[&hosts.name(2)].contains("lost the connection to"),
        "{told:?}"
    );
    hosts.boot_again(2);
    hosts.on(2, "touch quick");
    let again = sandbox.json(&format!("install {both}")).exits(0);
    assert_eq!(again.statuses()[&hosts.name(1)], "unchanged");
    assert_eq!(hosts.on(2, "ls done made"), "done\n\nmade:\nbase\ntop");
}

#[test]
fn an_interrupt_here_ends_what_is_begun_there() {
    let Some(hosts) = Hosts::start(1) else { return };
    let sandbox = collection(&hosts);
    sandbox
        .add(&Module::new("slow").main("touch \"$HOME/begun\"; sleep 301; touch \"$HOME/done\""));
    let hoist = sandbox.start(&format!("install --host {}", hosts.name(1)));
    while hosts.on(1, "ls").lines().all(|line| line != "begun") {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let _ = std::process::Command::new("kill")
        .args(["-INT", &hoist.id().to_string()])
        .status();
    hoist_tests::ran(hoist.wait_with_output().unwrap()).exits(130);
    // There it is noticed at the next beat.
    while hosts
        .on(1, "ps -eo args")
        .lines()
        .any(|line| line.starts_with("sleep 301"))
    {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_canary_goes_first_and_a_share_of_failures_is_enough() {
    let Some(hosts) = Hosts::start(3) else { return };
    let sandbox = collection(&hosts);
    sandbox.add(&Module::new("picky").main("test ! -e \"$HOME/broken\""));
    hosts.on(1, "touch broken");
    let all = (1..=3)
        .map(|number| format!("--host {}", hosts.name(number)))
        .collect::<Vec<_>>()
        .join(" ");
    let run = sandbox.json(&format!("install {all} --canary 1")).exits(3);
    let statuses: Vec<String> = run.statuses().into_values().collect();
    assert_eq!(statuses, ["failed", "skipped", "skipped"]);
    assert!(
        hosts.on(2, "ls -a").lines().all(|line| line != "made"),
        "nothing was done there"
    );
    // One after another: the first that fails is one too many.
    let run = sandbox
        .json(&format!("install {all} --max-hosts 1 --max-failures 0"))
        .exits(3);
    let told = reasons(&run);
    assert!(
        run.statuses()
            .into_values()
            .any(|status| status == "not_started"),
        "{:?}",
        run.statuses()
    );
    let counts = run.events().pop().unwrap()["counts"].clone();
    assert_eq!(
        (
            &counts["failed"],
            counts["not_started"].as_u64().unwrap() + counts["installed"].as_u64().unwrap_or(0)
        ),
        (&1.into(), 2),
        "{counts}"
    );
    let advice = sandbox
        .hoist(&format!("install --host {} --force", hosts.name(2)))
        .exits(0);
    assert!(!advice.stdout.contains("hoist test"), "{}", advice.stdout);
    assert!(
        told.values()
            .filter(|reason| reason.contains("not started: 1 host has failed, and the limit is 0"))
            .count()
            >= 1,
        "{told:?}"
    );
    let run = sandbox
        .json(&format!("install {all} --max-failures 50%"))
        .exits(3);
    assert_eq!(
        run.statuses()
            .into_values()
            .filter(|status| status == "installed" || status == "unchanged")
            .count(),
        2
    );
}

/// A plugin whose modules write down what they were told.
fn site(sandbox: &Sandbox, version: &str) {
    let put = |path: &str, text: &str| {
        sandbox.write(&format!("plugins/site/{path}"), text);
    };
    put(
        "plugin.yml",
        &format!(
            "name: site\nversion: {version}\nconfig:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\nhooks:\n  pre-deploy: hooks/pre.sh\n"
        ),
    );
    put(
        "config/schema.json",
        "{ \"type\": \"object\", \"properties\": { \"host\": { \"type\": \"object\" }, \"hosts\": { \"type\": \"array\" }, \"app\": { \"type\": \"object\" } } }",
    );
    put(
        "config/defaults.yaml",
        "app:\n  name: my site\n  secret_key: canary-in-the-configuration\n",
    );
    put(
        "hooks/pre.sh",
        "#!/bin/sh\necho about to deploy $HOIST_VERSION\n",
    );
    put("files/page", &format!("page of {version}\n"));
    let module = |name: &str, depends: &str, body: &str| {
        let text = format!(
            "#!/usr/bin/env bash\n# Metadata: START\nMODULE_NAME=\"{name}\"\nMODULE_DEPENDS=\"{depends}\"\nMODULE_DESCRIPTION=\"{name}\"\nMODULE_ENABLED_BY_DEFAULT=\"true\"\nMODULE_IS_CORE=\"true\"\nMODULE_INSTALL_METHOD=\"custom\"\nMODULE_UNINSTALL_DIRS=\"\"\n# Metadata: END\n\n{body}\n"
        );
        put(&format!("modules/{name}.sh"), &text);
    };
    module(
        "directory",
        "",
        "check_module_installed() { [ -d /opt/site ]; }\nmain_module() { install -d /opt/site; }\nuninstall_module() { rm -rf /opt/site; }",
    );
    module(
        "page",
        "directory",
        "want() { cat \"$SCRIPT_DIR/files/page\"; echo \"$CONFIG_APP_NAME on $CONFIG_HOST_CONNECTION_HOST as $(id -un)\"; grep -o canary[a-z-]* \"$HOIST_CONFIG\"; }\ncheck_module_installed() { want | cmp -s - /opt/site/page; }\nmain_module() { want >/opt/site/page; echo \"wrote it with $CONFIG_APP_SECRET_KEY\"; }",
    );
}

#[test]
fn a_plugin_is_deployed_to_several_hosts_and_a_second_time_touches_nothing() {
    let Some(mut hosts) = Hosts::start(2) else {
        return;
    };
    let mut sandbox = Sandbox::new();
    hosts.introduce(&mut sandbox);
    site(&sandbox, "1.0.0");
    sandbox
        .hoist("plugin deploy site")
        .exits(2)
        .says("host.connection.host is not set");
    let config = format!(
        "host:\n  connection: {{ user: admin }}\nhosts:\n- connection: {{ host: {} }}\n- connection: {{ host: {} }}\n",
        hosts.address(1),
        hosts.address(2)
    );
    let config = sandbox.put("hosts.yaml", &config).display().to_string();
    let deploy = |more: &str| sandbox.json(&format!("plugin deploy site --config {config} {more}"));
    let first = deploy("-v").exits(0);
    let finished = first.finished("site");
    assert_eq!(
        (
            finished["status"].as_str(),
            finished["items"].as_array().unwrap().len()
        ),
        (Some("deployed"), 2)
    );
    for number in 1..=2 {
        let page = format!(
            "page of 1.0.0\nmy site on {} as root\ncanary-in-the-configuration",
            hosts.address(number)
        );
        assert_eq!(hosts.on(number, "cat /opt/site/page"), page);
    }
    assert!(
        !first.stdout.contains("canary-in") && first.stdout.contains("wrote it with •••"),
        "{}",
        first.stdout
    );
    let touched = |number: u32| hosts.on(number, "stat -c %Y.%i /opt/site/page");
    let before = (touched(1), touched(2));
    assert_eq!(deploy("").exits(0).statuses()["site"], "unchanged");
    assert_eq!((touched(1), touched(2)), before);
    // What somebody changed there is brought back, and only there.
    hosts.on(1, "sudo rm /opt/site/page");
    let mended = deploy("").exits(0).finished("site");
    assert_eq!(mended["items"].as_array().unwrap().len(), 1, "{mended}");
    assert_eq!(touched(2), before.1);
    // The next version, which cannot be everywhere, and back.
    site(&sandbox, "2.0.0");
    hosts.kill(2);
    let failed = sandbox
        .json("plugin upgrade site")
        .exits(3)
        .finished("site");
    assert!(
        failed["reason"]
            .as_str()
            .unwrap()
            .contains("1 of 2 hosts failed")
            && failed["reason"]
                .as_str()
                .unwrap()
                .contains("cannot connect to"),
        "{failed}"
    );
    hosts.boot_again(2);
    assert!(
        hosts
            .on(1, "cat /opt/site/page")
            .starts_with("page of 1.0.0"),
        "it went back"
    );
    sandbox.hoist("plugin upgrade site").exits(0);
    assert!(
        hosts
            .on(2, "cat /opt/site/page")
            .starts_with("page of 2.0.0")
    );
    sandbox.hoist("plugin rollback site").exits(0);
    assert!(
        hosts
            .on(2, "cat /opt/site/page")
            .starts_with("page of 1.0.0")
    );
    sandbox
        .hoist("plugin status")
        .exits(0)
        .says(&format!("host admin@{}", hosts.address(1)))
        .says(&format!("host admin@{}", hosts.address(2)));
    // A host that is gone for ever is forgotten where that is asked for.
    hosts.kill(2);
    sandbox
        .hoist("plugin undeploy site -y")
        .exits(3)
        .says("cannot connect to")
        .says("run `hoist plugin undeploy site --force`");
    sandbox
        .hoist("plugin undeploy site -y --force")
        .exits(0)
        .says("its record was removed, but parts of it are kept");
    sandbox
        .hoist("plugin status")
        .exits(0)
        .says("Nothing is deployed");
    assert_eq!(
        hosts.on(1, "ls -d /opt/site 2>&1 || true"),
        "ls: cannot access '/opt/site': No such file or directory"
    );
}

#[test]
fn the_physical_host_is_deployed_as_the_plugin_document_says() {
    let Some(hosts) = Hosts::start(1) else { return };
    let mut sandbox = Sandbox::new();
    hosts.introduce(&mut sandbox);
    let plugins = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .display()
        .to_string();
    let address = hosts.address(1);
    let config = format!(
        r#"{{
  "host": {{
    "type": "physical",
    "connection": {{ "host": "{address}", "port": 22, "user": "admin" }},
    "os": {{ "family": "debian", "version": "12" }},
    "resources": {{ "cpu_threads": 1, "ram_mb": 512 }}
  }},
  "app": {{
    "debug": false, "log_level": "info", "secret_key": "it's a \"key\" of $HOME", "allowed_hosts": ["example.com", "localhost"],
    "install_dir": "/opt/app", "data_dir": "/var/lib/app", "log_dir": "/var/log/app", "user": "app", "group": "app"
  }},
  "database": {{ "host": "localhost", "port": 5432, "name": "app", "user": "shop", "password": "pass'word", "max_connections": 90 }},
  "server": {{ "host_port": 8080, "workers": 4, "timeout": 60 }},
  "storage": {{ "volumes": [{{ "name": "data", "path": "/var/lib/app/data", "size_gb": 1, "type": "local" }}] }},
  "network": {{ "networks": [{{ "name": "app-network", "cidr": "192.168.1.0/24", "address": "192.168.1.7/24", "type": "physical", "interface": "eth0" }}, {{ "name": "other-network", "cidr": "10.1.0.0/24", "type": "physical", "interface": "eth0" }}] }}
}}"#
    );
    let config = sandbox.put("host.json", &config).display().to_string();
    let deploy = |more: &str| {
        sandbox.json(&format!(
            "-C {plugins} plugin deploy physical-host --config {config} {more}"
        ))
    };
    let first = deploy("").exits(0);
    let messages = first.finished("physical-host")["messages"].to_string();
    assert!(
        messages.contains("answers on port 8080"),
        "{}",
        first.stdout
    );
    assert!(
        messages.contains("network other-network: 10.1.0.0/24 is a network, not an address in it"),
        "{messages}"
    );
    assert_eq!(
        hosts.on(1, "sudo stat -c '%U:%G %a' /var/lib/app/data"),
        "app:app 750"
    );
    let get = |name: &str| {
        hosts.on(
            1,
            &format!("curl -s -H 'Host: {name}' http://127.0.0.1:8080/"),
        )
    };
    assert_eq!(get("example.com"), "It works, at log level info, as app.");
    assert_eq!(
        hosts.on(1, "sudo python3 -c 'import json; print(json.load(open(\"/opt/app/config.json\"))[\"secret_key\"])'"),
        "it's a \"key\" of $HOME"
    );
    assert_eq!(
        hosts.on(1, "sudo stat -c '%U %a' /opt/app/config.json /opt/app"),
        "app 600\napp 750"
    );
    assert_eq!(
        hosts.on(
            1,
            "PGPASSWORD=\"pass'word\" psql -h 127.0.0.1 -U shop -d app -tAc 'show max_connections'"
        ),
        "90"
    );
    assert!(
        hosts
            .on(1, "ip -o addr show dev eth0")
            .contains("192.168.1.7/24")
    );
    // A second time nothing is touched and nothing started anew.
    let state = || {
        hosts.on(1, "sudo find /opt/app /etc/nginx /etc/supervisor /etc/postgresql -path '*/lib/*' -prune -o -type f -printf '%p %T@\\n' | sort; pgrep -x nginx; pgrep -f [s]erver.py; pgrep -f [s]upervisord")
    };
    let before = state();
    assert_eq!(deploy("").exits(0).statuses()["physical-host"], "unchanged");
    assert_eq!(state(), before);
    // Another level: only the application is started anew.
    let nginx = hosts.on(1, "pgrep -o -x nginx");
    deploy("--set app.log_level=warning").exits(0);
    assert_eq!(get("localhost"), "It works, at log level warning, as app.");
    assert_eq!(hosts.on(1, "pgrep -o -x nginx"), nginx);
    // What Nginx does not understand is taken back, and what was there keeps serving.
    let broken = deploy("--set app.log_level=warning --set app.allowed_hosts=a{b")
        .exits(3)
        .finished("physical-host");
    assert!(
        broken["reason"]
            .as_str()
            .unwrap()
            .contains("Nginx rejected its configuration file, which was restored"),
        "{broken}"
    );
    assert_eq!(get("localhost"), "It works, at log level warning, as app.");
    // The machine is another than the configuration says.
    let other = deploy("--set host.os.family=redhat")
        .exits(3)
        .finished("physical-host");
    assert!(
        other["reason"]
            .as_str()
            .unwrap()
            .contains("this machine has the OS family debian, but host.os.family is redhat"),
        "{other}"
    );
    // That is forgotten when it is right again.
    deploy("--set app.log_level=warning").exits(0);
    deploy("--set app.log_level=error").exits(0);
    assert_eq!(get("localhost"), "It works, at log level error, as app.");
    let undeployed = sandbox.hoist("plugin undeploy physical-host -y").exits(0);
    undeployed
        .says("the database app and its user shop are kept")
        .says("the user app and the group app are kept");
    assert_eq!(
        hosts.on(
            1,
            "ls /etc/nginx/sites-enabled/ | grep -c app || true; pgrep -fc [a]pp/server.py || true"
        ),
        "0\n0"
    );
}

#[test]
fn ansible_drives_hoist_on_three_hosts_as_a_module_of_its_own() {
    if !hoist_tests::has("ansible-playbook") {
        return;
    }
    let Some(hosts) = Hosts::start(3) else { return };
    let sandbox = collection(&hosts);
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("examples/ansible");
    let here = sandbox.path("ansible");
    std::fs::create_dir_all(here.join("library")).unwrap();
    std::fs::copy(example.join("site.yml"), here.join("site.yml")).unwrap();
    std::fs::copy(hoist_tests::stripped_binary(), here.join("library/hoist")).unwrap();
    let inventory: String = (1..=3)
        .map(|number| {
            format!(
                "h{number} ansible_host={} ansible_user=admin\n",
                hosts.address(number)
            )
        })
        .collect();
    std::fs::write(here.join("inventory.ini"), inventory).unwrap();
    // Without Ansible's default compression, which costs more time on loopback than it saves.
    let settings = "[defaults]\nforks = 8\n[ssh_connection]\npipelining = true\nssh_args = -o ControlMaster=auto -o ControlPersist=60s\n";
    std::fs::write(here.join("ansible.cfg"), settings).unwrap();
    let play = |more: &[&str]| {
        let mut command = sandbox.command("ansible-playbook");
        command
            .current_dir(&here)
            .env("ANSIBLE_CONFIG", here.join("ansible.cfg"))
            .env("LC_ALL", "C.UTF-8");
        command
            .args(["-i", "inventory.ini", "site.yml", "-e"])
            .arg(format!("collection={}", sandbox.collection().display()))
            .args(more);
        hoist_tests::ran(command.output().unwrap())
    };
    let first = play(&[]).exits(0);
    assert_eq!(
        first.stdout.matches("changed: [h").count(),
        6,
        "{}",
        first.stdout
    );
    assert_eq!(hosts.on(3, "cat made/top"), "hello from h3");
    let again = play(&[]).exits(0);
    assert_eq!(
        again.stdout.matches("changed: [h").count(),
        0,
        "{}",
        again.stdout
    );
    hosts.on(2, "rm -r .local/state/hoist made");
    let check = play(&["--check"]).exits(0);
    assert!(
        check.stdout.contains("changed: [h2]") && !check.stdout.contains("changed: [h1]"),
        "{}",
        check.stdout
    );
    assert!(
        hosts.on(2, "ls -a").lines().all(|line| line != "made"),
        "check mode changes nothing"
    );
    sandbox.add(&Module::new("broken").main("echo no >&2; exit 9"));
    let failed = play(&["--limit", "h1"]).exits(2);
    assert!(
        failed
            .stdout
            .contains("broken: main_module failed with exit code 9"),
        "{}",
        failed.stdout
    );
}
