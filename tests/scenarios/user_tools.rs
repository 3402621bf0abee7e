//! pip, sudo, downloads and files of the home directory as the user has set them up.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hoist_tests::{
    Answer, Authority, Hosts, Module, Sandbox, Server, Tunnel, binary, has, ran, stripped_binary,
};

const SCRIPT: &str = "#!/bin/sh\ntouch \"$HOME/ran\"\n";

fn download(url: &str) -> Module {
    Module::new("tool")
        .method("download_script")
        .field("INSTALL_REPO", url)
}

#[test]
fn pip_conf_neither_breaks_nor_redirects_a_module_and_its_index_counts() {
    if !has("pip3") {
        return;
    }
    let index = index();
    let module = || {
        Module::new("sample")
            .method("pip")
            .field("INSTALL_DIRS", "$HOME/.local")
            .field("PACKAGES", "hoist-sample")
    };
    for hostile in [
        "require-virtualenv = true",
        "target = /nonexistent/t",
        "prefix = /nonexistent/p",
        "user = false",
        "no-index = true",
        "root = /nonexistent/r",
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.unset("PIP_INDEX_URL");
        sandbox.put(
            ".config/pip/pip.conf",
            &format!("[global]\nindex-url = {}\ntimeout = 5\nretries = 0\n{hostile}\n[install]\n{hostile}\n", index.url("/simple/")),
        );
        sandbox.add(&module());
        let mut command = sandbox.command(binary());
        command
            .args(["install", "--output", "json"])
            .env_remove("PIP_INDEX_URL")
            .env_remove("PIP_CERT")
            .env_remove("PIP_FIND_LINKS");
        let installed = ran(command.output().unwrap());
        assert_eq!(installed.code, 0, "{hostile}: {}", installed.stdout);
        assert!(
            !sandbox
                .files(".local/lib")
                .iter()
                .filter(|file| file.ends_with("hoist_sample.py"))
                .collect::<Vec<_>>()
                .is_empty(),
            "{hostile}"
        );
        sandbox.hoist("uninstall sample -y").exits(0);
        assert!(
            sandbox
                .files(".local/lib")
                .iter()
                .all(|file| !file.ends_with("hoist_sample.py")),
            "{hostile}"
        );
    }
    assert!(
        index
            .requests()
            .iter()
            .any(|request| request.contains("/simple/hoist-sample/"))
    );
}

#[test]
fn uv_toml_neither_breaks_nor_redirects_a_module_and_its_index_counts() {
    if !has("pip3") {
        return;
    }
    let index = index();
    let sandbox = Sandbox::new();
    // uv, and no pip.
    let tools = sandbox.path("tools");
    let fetched = Command::new("pip3")
        .args(["install", "-q", "--no-warn-script-location", "--target"])
        .arg(&tools)
        .arg("uv")
        .output()
        .unwrap();
    assert!(
        fetched.status.success(),
        "{}",
        String::from_utf8_lossy(&fetched.stderr)
    );
    let bin = sandbox.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["bash", "env", "rm"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(program), bin.join(program)).unwrap();
    }
    let python = sandbox.path("python");
    assert!(
        Command::new("python3")
            .args(["-m", "venv", "--without-pip"])
            .arg(&python)
            .status()
            .unwrap()
            .success()
    );
    let path = format!(
        "{}:{}:{}",
        bin.display(),
        tools.join("bin").display(),
        python.join("bin").display()
    );
    sandbox.put(
        ".config/uv/uv.toml",
        &format!("index-url = \"{}\"\nno-index = true\n[pip]\ntarget = \"/nonexistent/t\"\nno-index = true\n", index.url("/simple/")),
    );
    sandbox.add(
        &Module::new("sample")
            .method("pip")
            .field("INSTALL_DIRS", "$HOME/.local")
            .field("PACKAGES", "hoist-sample"),
    );
    let hoist = |words: &[&str]| {
        let mut command = sandbox.command(binary());
        command
            .args(words)
            .env("PATH", &path)
            .env("UV_TARGET", "/nonexistent/u")
            .env("UV_NO_INDEX", "1")
            .env_remove("PIP_INDEX_URL");
        ran(command.output().unwrap())
    };
    let installed = hoist(&["install", "--output", "json"]);
    assert_eq!(installed.code, 0, "{}", installed.stdout);
    assert!(
        sandbox
            .files(".local/lib")
            .iter()
            .any(|file| file.ends_with("hoist_sample.py"))
    );
}

/// An index with one package, `hoist-sample`.
fn index() -> Server {
    let wheel = hoist_tests::wheel("hoist-sample", "1.0", &[]);
    Server::start(move |request| match request.path.as_str() {
        "/simple/hoist-sample/" => {
            let link = "<a href=\"/hoist_sample-1.0-py3-none-any.whl\">hoist_sample-1.0-py3-none-any.whl</a>";
            let mut answer = Answer::new(200, link);
            answer
                .headers
                .push(("Content-Type".into(), "text/html".into()));
            answer
        }
        "/hoist_sample-1.0-py3-none-any.whl" => Answer::new(200, wheel.clone()),
        _ => Answer::new(404, "no"),
    })
}

#[test]
fn certificates_of_the_machine_or_of_a_variable_decide_and_errors_of_theirs_are_final() {
    let Some(authority) = Authority::new() else {
        return;
    };
    let plain = Server::start(|_| Answer::new(200, SCRIPT));
    let (server, misnamed) = (authority.serve(&plain), authority.serve_misnamed(&plain));
    let sandbox = |url: &str| {
        let sandbox = Sandbox::new();
        sandbox.add(&download(url));
        sandbox
    };
    let refused = sandbox(&server.url("/install.sh"));
    let failed = refused.hoist("install").exits(3);
    assert!(
        failed.stdout.contains("ertificate") && !failed.stderr.contains("retry "),
        "{}{}",
        failed.stdout,
        failed.stderr
    );
    assert!(!refused.has("ran"));
    let mut trusted = sandbox(&server.url("/install.sh"));
    trusted.set(
        "SSL_CERT_FILE",
        &authority.certificate().display().to_string(),
    );
    trusted.hoist("install").exits(0);
    assert!(trusted.has("ran"));
    let mut wrong = sandbox(&misnamed.url("/install.sh"));
    wrong.set(
        "SSL_CERT_FILE",
        &authority.certificate().display().to_string(),
    );
    let failed = wrong.hoist("install").exits(3);
    assert!(
        failed.stdout.contains("ertificate") && !failed.stderr.contains("retry "),
        "{}{}",
        failed.stdout,
        failed.stderr
    );
    assert!(!wrong.has("ran"));
}

#[test]
fn a_download_that_began_with_https_stays_there() {
    let Some(authority) = Authority::new() else {
        return;
    };
    let plain = Server::start(|_| Answer::new(200, SCRIPT));
    let target = plain.url("/install.sh");
    let leads_on = Server::start(move |request| {
        let to = |target: &str| Answer {
            headers: vec![("Location".into(), target.into())],
            ..Answer::new(302, "")
        };
        match request.path.as_str() {
            "/here.sh" => to("/there.sh"),
            "/out.sh" => to(&target),
            _ => Answer::new(200, SCRIPT),
        }
    });
    let secure = authority.serve(&leads_on);
    let install = |url: &str| {
        let mut sandbox = Sandbox::new();
        sandbox.set(
            "SSL_CERT_FILE",
            &authority.certificate().display().to_string(),
        );
        sandbox.add(&download(url));
        (sandbox.hoist("install"), sandbox)
    };
    let (failed, sandbox) = install(&secure.url("/out.sh"));
    let failed = failed.exits(3);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(
        told.contains("redirects from https to http://") && !told.contains("retry "),
        "{told}"
    );
    assert!(!sandbox.has("ran"));
    for url in [secure.url("/here.sh"), leads_on.url("/out.sh")] {
        let (ran, sandbox) = install(&url);
        assert!(ran.code == 0 && sandbox.has("ran"), "{url}: {}", ran.stderr);
    }
}

#[test]
fn a_proxy_is_passed_for_exceptions_and_named_where_it_fails() {
    let server = Server::start(|_| Answer::new(200, SCRIPT));
    let count = Arc::new(AtomicUsize::new(0));
    let proxy = Tunnel::start(count.clone());
    let install = |no_proxy: &str, proxy: &str| {
        let mut sandbox = Sandbox::new();
        sandbox.set("http_proxy", proxy);
        sandbox.set("no_proxy", no_proxy);
        sandbox.add(&download(&server.url("/install.sh")).field("TIMEOUT", "20"));
        let ran = sandbox.hoist("install");
        (ran, sandbox)
    };
    let (ran, sandbox) = install("", &proxy.url());
    assert!(ran.code == 0 && sandbox.has("ran"), "{}", ran.stderr);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    for exception in [
        "127.0.0.0/8".to_owned(),
        format!("127.0.0.1:{}", server.port()),
        "*".to_owned(),
        "other.test, 127.0.0.1".to_owned(),
    ] {
        let (ran, sandbox) = install(&exception, &proxy.url());
        assert!(
            ran.code == 0 && sandbox.has("ran"),
            "{exception}: {}",
            ran.stderr
        );
    }
    assert_eq!(
        count.load(Ordering::SeqCst),
        1,
        "exceptions are connected to directly"
    );
    let (ran, _) = install("127.0.0.1:1", "http://me:s3cretpass@127.0.0.1:9");
    assert_eq!(ran.code, 3);
    assert!(
        ran.stderr
            .contains("through the proxy http://***@127.0.0.1:9"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_installer_with_windows_line_ends_is_refused_by_name() {
    let server = Server::start(|_| Answer::new(200, SCRIPT.replace('\n', "\r\n")));
    let sandbox = Sandbox::new();
    sandbox.add(&download(&server.url("/install.sh")));
    sandbox
        .hoist("install")
        .exits(3)
        .says("/install.sh has Windows line endings (CRLF)");
    assert!(!sandbox.has("ran"));
}

#[test]
fn an_installer_without_a_checksum_is_a_warning_each_time_and_may_be_an_error() {
    let server = Server::start(|_| Answer::new(200, SCRIPT));
    let sandbox = Sandbox::new();
    sandbox.add(&download(&server.url("/install.sh")));
    let first = sandbox.hoist("install").exits(0).says("has no checksum");
    sandbox
        .hoist("install --force")
        .exits(0)
        .says("has no checksum");
    let line = first
        .stderr
        .split("MODULE_INSTALL_SHA256=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap()
        .to_owned();
    std::fs::remove_file(sandbox.home().join("ran")).unwrap();
    sandbox
        .hoist("install --force --require-checksums")
        .exits(2)
        .says("MODULE_INSTALL_SHA256")
        .says("tool");
    assert!(!sandbox.has("ran"), "nothing is started");
    sandbox.settings("require_checksums: true\n");
    sandbox.hoist("install --force").exits(2);
    // Also where a script calls the helper.
    sandbox.add(
        &download(&server.url("/install.sh"))
            .body("main_module() { install_via_download_script \"$MODULE_NAME\"; }"),
    );
    sandbox
        .hoist("install --force")
        .exits(3)
        .says("checksums are required");
    assert!(!sandbox.has("ran"));
    sandbox.add(&download(&server.url("/install.sh")).field("INSTALL_SHA256", &line));
    let checked = sandbox.hoist("install --force").exits(0);
    assert!(
        !checked.stderr.contains("checksum") && sandbox.has("ran"),
        "{}",
        checked.stderr
    );
}

#[test]
fn modules_that_share_a_path_or_a_file_of_the_home_directory_take_turns() {
    // Each reads the whole file, waits, and writes it again.
    let append = |file: &str, name: &str| {
        format!(
            "touch {file}; before=$(cat {file}); sleep 0.2; printf '%s\\n%s\\n' \"$before\" '# {name}' | sed '/^$/d' >{file}.tmp; mv {file}.tmp {file}"
        )
    };
    let lines = |sandbox: &Sandbox, file: &str| {
        let mut lines: Vec<String> = sandbox.read(file).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let wanted = ["# m0", "# m1", "# m2", "# m3"];
    let sandbox = Sandbox::new();
    for number in 0..4 {
        let name = format!("m{number}");
        sandbox.add(&Module::new(&name).main(&append("~/.bashrc", &name)));
    }
    sandbox.hoist("install -j4").exits(0);
    assert_eq!(lines(&sandbox, ".bashrc"), wanted);
    // Nothing in the script tells, but the manifests do.
    for field in ["CONFIG_FILES", "INSTALL_DIRS"] {
        let sandbox = Sandbox::new();
        sandbox.write("edit.sh", "file=$HOME/$1; touch $file; before=$(cat $file); sleep 0.2; printf '%s\\n%s\\n' \"$before\" \"# $2\" | sed '/^$/d' >$file.tmp; mv $file.tmp $file");
        for number in 0..4 {
            let name = format!("m{number}");
            let (declared, file) = if field == "CONFIG_FILES" {
                ("$HOME/.shared", ".shared")
            } else {
                ("$HOME/.dir", ".dir/shared")
            };
            let main = format!("mkdir -p ~/.dir; bash \"$SCRIPT_DIR/edit.sh\" {file} {name}");
            sandbox.add(&Module::new(&name).field(field, declared).main(&main));
        }
        sandbox.hoist("install -j4").exits(0);
        let file = if field == "CONFIG_FILES" {
            ".shared"
        } else {
            ".dir/shared"
        };
        assert_eq!(lines(&sandbox, file), wanted, "{field}");
    }
}

#[test]
fn scripts_that_write_the_global_configuration_of_git_take_turns() {
    if !has("git") {
        return;
    }
    let sandbox = Sandbox::new();
    for number in 0..6 {
        // git itself refuses where another git has the file locked.
        let main = format!(
            "for i in 1 2 3 4 5 6 7 8; do git config --global hoist.key{number}x$i $i || return 1; done"
        );
        sandbox.add(&Module::new(&format!("m{number}")).main(&main));
    }
    sandbox.hoist("install -j6").exits(0);
    assert_eq!(sandbox.read(".gitconfig").matches("key").count(), 48);
}

#[test]
fn hoist_inside_a_module_of_a_running_hoist_fails_at_once() {
    let sandbox = Sandbox::new();
    let main = format!("'{}' -C \"$SCRIPT_DIR\" install other", binary().display());
    sandbox
        .add(&Module::new("outer").main(&main))
        .add(&Module::new("other").tier("optional").main("touch ~/other"));
    let ran = sandbox.hoist("install outer -v").exits(3);
    assert!(
        ran.stderr.contains("was started by a module of run "),
        "{}",
        ran.stderr
    );
    // Reading is allowed, and so is another home.
    let main = format!(
        "'{0}' -C \"$SCRIPT_DIR\" list >/dev/null && mkdir -p ~/inner && HOME=~/inner '{0}' -C \"$SCRIPT_DIR\" install other",
        binary().display()
    );
    sandbox.add(&Module::new("outer").main(&main));
    sandbox.hoist("install outer").exits(0);
    assert!(sandbox.has("inner/other") && !sandbox.has("other"));
}

#[test]
fn root_with_the_home_of_the_user_who_called_sudo_is_refused() {
    let mut sandbox = Sandbox::new();
    sandbox.add(&Module::new("m").main("touch ~/ran"));
    std::os::unix::fs::chown(sandbox.home(), Some(65534), Some(65534)).unwrap();
    sandbox.set("SUDO_UID", "65534");
    sandbox.hoist("install").exits(2).says("sudo -H");
    assert!(!sandbox.has("ran") && sandbox.files("").is_empty());
    sandbox.hoist("list").exits(0);
    // In a container, root may have any home.
    sandbox.unset("SUDO_UID");
    sandbox.hoist("install").exits(0);
}

/// Runs hoist on a host as its user, whom sudo allows what `rules` say.
struct SudoHost {
    hosts: Hosts,
}

impl SudoHost {
    fn start() -> Option<Self> {
        let hosts = Hosts::start(1)?;
        hosts.send(1, stripped_binary(), "/home/admin/hoist");
        hosts.on(1, "mkdir -p c/modules");
        let module = Module::new("tool")
            .method("package_manager")
            .field("PACKAGES", "supervisor");
        hosts.write(1, "/home/admin/c/modules/tool.sh", &module.text());
        Some(Self { hosts })
    }

    fn rules(&self, rules: &str) {
        self.hosts.on(1, &format!("sudo sh -c 'printf \"%s\\n\" \"{rules}\" >/etc/sudoers.d/new && chmod 440 /etc/sudoers.d/new && mv /etc/sudoers.d/new /etc/sudoers.d/admin'"));
    }

    fn hoist(&self, words: &str) -> String {
        self.hosts
            .on(1, &format!("cd c && {{ {words}; }} 2>&1; echo code $?"))
    }
}

#[test]
fn sudo_that_allows_only_the_package_manager_is_enough_and_refusals_are_its_own_words() {
    let Some(host) = SudoHost::start() else {
        return;
    };
    // A path with everything but sudo.
    let bin = "mkdir -p ~/bin; for program in bash apt-get dpkg-query env; do ln -sf /usr/bin/$program ~/bin; done";
    let absent = host.hoist(&format!("{bin}; env PATH=/home/admin/bin ~/hoist install"));
    assert!(
        absent.contains("code 2") && absent.contains("sudo is not installed"),
        "{absent}"
    );
    let own = host.hoist("sudo --preserve-env=HOME ~/hoist install");
    assert!(own.contains("code 2") && own.contains("sudo -H"), "{own}");
    let root = host.hoist("sudo -H ~/hoist plan install");
    assert!(root.contains("code 0"), "{root}");
    host.rules("admin ALL=(root) NOPASSWD: /usr/bin/apt-get");
    let installed = host.hoist("~/hoist install");
    assert!(
        installed.contains("code 0") && installed.contains("1 installed"),
        "{installed}"
    );
    assert!(
        host.hosts
            .on(1, "dpkg-query -W -f '${db:Status-Status}' supervisor")
            .contains("installed")
    );
}

#[test]
fn sudo_that_refuses_is_quoted_and_nothing_is_started() {
    let Some(host) = SudoHost::start() else {
        return;
    };
    host.rules("admin ALL=(root) NOPASSWD: /usr/bin/true");
    let refused = host.hoist("~/hoist install");
    assert!(
        refused.contains("code 2") && refused.contains("sudo does not allow it"),
        "{refused}"
    );
    let password = SudoHost::start().unwrap();
    password.rules("admin ALL=(root) /usr/bin/apt-get");
    let refused = password.hoist("~/hoist install");
    assert!(
        refused.contains("code 2") && refused.contains("password"),
        "{refused}"
    );
}

#[test]
fn outdated_packages_are_told_by_pip_and_apt_where_they_are_asked() {
    if !has("pip3") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add(
        &Module::new("iniconfig")
            .method("pip")
            .field("INSTALL_DIRS", "$HOME/.local")
            .field("PACKAGES", "iniconfig==1.1.1"),
    );
    sandbox.hoist("install").exits(0);
    assert_eq!(
        sandbox
            .json("outdated")
            .exits(0)
            .document()
            .as_array()
            .unwrap()
            .len(),
        0
    );
    let refreshed = sandbox.json("outdated --refresh").exits(0).document();
    assert_eq!(
        (&refreshed[0]["name"], &refreshed[0]["version"]),
        (&"iniconfig".into(), &"1.1.1".into()),
        "{refreshed}"
    );
    assert_ne!(refreshed[0]["offered"], "1.1.1");
}
