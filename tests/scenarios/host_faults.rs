//! What goes wrong on hosts while the plugin that comes with hoist is deployed there, and that it
//! comes to a good end all the same.

use std::path::Path;

use hoist_tests::{Hosts, Sandbox};

/// A copy of the plugin in the collection, whose version and requirements are another's.
fn plugin(sandbox: &Sandbox, version: &str, requirements: &str) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("plugins/physical-host");
    let plugins = sandbox.collection().join("plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    let copied = std::process::Command::new("cp")
        .args(["-r".as_ref(), own.as_os_str(), plugins.as_os_str()])
        .status()
        .unwrap();
    assert!(copied.success());
    let manifest = std::fs::read_to_string(own.join("plugin.yml")).unwrap();
    let line = manifest
        .lines()
        .find(|line| line.starts_with("version:"))
        .unwrap();
    sandbox.write(
        "plugins/physical-host/plugin.yml",
        &manifest.replace(line, &format!("version: {version}")),
    );
    sandbox.write("plugins/physical-host/app/requirements.txt", requirements);
}

/// A configuration for so many of the hosts, with a volume on another machine.
fn configuration(hosts: &Hosts, sandbox: &Sandbox, count: u32) -> String {
    let entry = |number: u32| {
        format!(
            "- connection: {{ host: {} }}\n  os: {{ family: debian }}\n",
            hosts.address(number)
        )
    };
    let text = format!(
        "host: {{ connection: {{ user: admin }} }}\nhosts:\n{}app: {{ secret_key: canary-of-the-hosts, allowed_hosts: [localhost] }}\ndatabase: {{ enabled: false }}\nserver: {{ host_port: 8080 }}\nstorage:\n  volumes:\n  - {{ name: shared, path: /srv/shared, type: nfs, options: {{ server: files, export: /shared }} }}\n",
        (1..=count).map(entry).collect::<String>()
    );
    sandbox.put("hosts.yaml", &text).display().to_string()
}

/// What the application answers.
fn page(hosts: &Hosts, number: u32) -> String {
    hosts.on(
        number,
        "curl -s http://127.0.0.1:8080/ -H 'Host: localhost'",
    )
}

/// What stands in for a client of NFS: `mount` calls it, and it puts a directory of the host in the
/// place.
fn file_server(hosts: &Hosts, number: u32) {
    let script = "#!/bin/sh\\nmkdir -p /exports/$1\\nexec mount --bind /exports/$1 $2\\n";
    hosts.on(number, &format!("printf '{script}' | sudo tee /sbin/mount.nfs >/dev/null; sudo chmod 755 /sbin/mount.nfs"));
}

#[test]
fn a_host_that_is_full_cut_off_or_without_its_packages_is_deployed_in_the_end() {
    let Some(mut hosts) = Hosts::start(1) else {
        return;
    };
    let mut sandbox = Sandbox::new();
    hosts.introduce(&mut sandbox);
    plugin(&sandbox, "1.0.0", "");
    let config = configuration(&hosts, &sandbox, 1);
    let command = format!("plugin deploy physical-host --config {config}");
    let fails = || {
        sandbox.json(&command).exits(3).finished("physical-host")["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    file_server(&hosts, 1);
    // Its plug is pulled while packages are unpacked.
    let hoist = sandbox.start(&format!("{command} --output json"));
    while hosts.on(1, "pgrep -x dpkg || true").is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    hosts.kill(1);
    hoist_tests::ran(hoist.wait_with_output().unwrap()).exits(3);
    hosts.boot_again(1);
    // The disk is full where the application goes.
    hosts.on(1, "sudo mount -t tmpfs -o size=2m tmpfs /opt");
    let reason = fails();
    assert!(
        reason.contains("No space left on device") && reason.contains("venv"),
        "{reason}"
    );
    hosts.on(1, "sudo umount /opt");
    // pip cannot have what is asked of it.
    plugin(&sandbox, "1.0.0", "/nowhere/wheel-1-py3-none-any.whl\n");
    let reason = fails();
    assert!(
        reason.contains("venv") && reason.contains("/nowhere/wheel"),
        "{reason}"
    );
    plugin(&sandbox, "1.0.0", "");
    // There is no client of NFS.
    hosts.on(1, "sudo mv /sbin/mount.nfs /sbin/mount.other");
    let reason = fails();
    assert!(
        reason.contains("storage")
            && reason.contains("mount")
            && reason.contains("its changes were rolled back"),
        "{reason}"
    );
    assert_eq!(hosts.on(1, "ls -d /opt/app/app /etc/nginx/sites-enabled/app 2>/dev/null || true; grep -c shared /etc/fstab || true"), "0");
    hosts.on(1, "sudo mv /sbin/mount.other /sbin/mount.nfs");
    sandbox.hoist(&command).exits(0);
    assert!(
        hosts
            .on(1, "curl -s http://127.0.0.1:8080/ -H 'Host: localhost'")
            .starts_with("It works")
    );
    assert_eq!(
        hosts.on(
            1,
            "mountpoint /srv/shared; grep -c '^files:/shared /srv/shared nfs ' /etc/fstab"
        ),
        "/srv/shared is a mountpoint\n1"
    );
}

#[test]
fn the_physical_host_is_upgraded_and_rolled_back_on_several_hosts() {
    let Some(mut hosts) = Hosts::start(2) else {
        return;
    };
    let mut sandbox = Sandbox::new();
    hosts.introduce(&mut sandbox);
    (1..=2).for_each(|number| file_server(&hosts, number));
    plugin(&sandbox, "1.0.0", "");
    let config = configuration(&hosts, &sandbox, 2);
    let ran = sandbox
        .json(&format!(
            "plugin deploy physical-host --config {config} --canary 1 -v"
        ))
        .exits(0);
    assert!(!ran.stdout.contains("canary-of-the-hosts"));
    assert!(page(&hosts, 1).starts_with("It works") && page(&hosts, 2).starts_with("It works"));
    // The next version has another file, and only the application is started anew.
    plugin(&sandbox, "1.1.0", "");
    let server = sandbox
        .collection()
        .join("plugins/physical-host/app/server.py");
    let text = std::fs::read_to_string(&server).unwrap();
    assert!(text.contains("It works"));
    std::fs::write(&server, text.replace("It works", "It is new")).unwrap();
    let nginx = hosts.on(1, "pgrep -o -x nginx");
    sandbox
        .hoist("plugin upgrade physical-host")
        .exits(0)
        .says("1.0.0 → 1.1.0");
    assert!(page(&hosts, 1).starts_with("It is new") && page(&hosts, 2).starts_with("It is new"));
    assert_eq!(hosts.on(1, "pgrep -o -x nginx"), nginx);
    sandbox.hoist("plugin rollback physical-host").exits(0);
    assert!(page(&hosts, 1).starts_with("It works") && page(&hosts, 2).starts_with("It works"));
    // One does not have the strength for the next: both run what they ran.
    std::fs::write(&server, text.replace("It works", "It is newer")).unwrap();
    hosts.on(2, "sudo mount -t tmpfs -o size=8k tmpfs /opt/app/app");
    let failed = sandbox
        .json("plugin upgrade physical-host")
        .exits(3)
        .finished("physical-host");
    assert!(
        failed["reason"]
            .as_str()
            .unwrap()
            .contains("1 of 2 hosts failed"),
        "{failed}"
    );
    assert!(
        page(&hosts, 1).starts_with("It works"),
        "{}",
        page(&hosts, 1)
    );
    hosts.on(2, "sudo umount /opt/app/app");
    // A host that was started anew runs it again by the same command.
    hosts.kill(2);
    hosts.boot_again(2);
    sandbox
        .hoist(&format!("plugin deploy physical-host --config {config}"))
        .exits(0);
    assert!(page(&hosts, 2).starts_with("It"), "{}", page(&hosts, 2));
    // A host that the configuration names no more is told.
    let fewer = configuration(&hosts, &sandbox, 1);
    let left = sandbox
        .json(&format!("plugin deploy physical-host --config {fewer}"))
        .exits(0)
        .finished("physical-host");
    assert!(
        left["items"]
            .to_string()
            .contains(&format!("host admin@{}", hosts.address(2))),
        "{left}"
    );
    let config = configuration(&hosts, &sandbox, 2);
    sandbox
        .hoist(&format!("plugin deploy physical-host --config {config}"))
        .exits(0);
    // No secret is where others could read it.
    for number in 1..=2 {
        let found = hosts.on(number, "sudo grep -rl canary-of-the-hosts /opt /etc /home /root /var /tmp /run 2>/dev/null | xargs -r sudo stat -c '%A %n' | grep -v '^-r......---\\|^-rw-------' || true");
        assert_eq!(found, "", "readable by others");
    }
    sandbox.hoist("plugin remove physical-host -y").exits(0);
    for number in 1..=2 {
        assert_eq!(
            hosts.on(number, "ls -d /etc/nginx/sites-enabled/app /opt/app/app 2>/dev/null || true; pgrep -fc [a]pp/server.py || true"),
            "0"
        );
        assert_eq!(
            hosts.on(
                number,
                "mountpoint -q /srv/shared || echo gone; ls -d /exports/files:/shared"
            ),
            "gone\n/exports/files:/shared"
        );
    }
}
