//! Clones with the user's own configuration of git and ssh: certificates, credentials, keys,
//! aliases, filters.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use hoist_tests::{Answer, Authority, GitFixture, Module, Ran, Sandbox, Server, SshServer, has};

fn clone(url: &str, args: &str) -> Module {
    let module = Module::new("subject")
        .method("git_clone")
        .field("INSTALL_REPO", url)
        .field("INSTALL_ARGS", args);
    module
        .field("INSTALL_DIRS", "$HOME/.subject")
        .field("UPDATE_METHOD", "git_pull")
        .field("UPDATE_DIR", "$HOME/.subject")
}

fn reason(ran: &Ran) -> String {
    ran.finished("subject")["reason"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Commits to the repository `repo` of a fixture.
fn commit(fixture: &GitFixture, file: &str, text: &str) {
    std::fs::write(fixture.path("repo.work").join(file), text).unwrap();
    fixture.commit("repo.work", file);
    fixture.git(
        "repo.work",
        &["push", "-q", "--force", "../repo.git", "main"],
    );
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// What a secret must not be in: everything that hoist prints and keeps.
#[track_caller]
fn is_nowhere(secret: &str, sandbox: &Sandbox, outputs: &[Ran]) {
    for ran in outputs {
        assert!(
            !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
            "{}\n{}",
            ran.stdout,
            ran.stderr
        );
    }
    for directory in [".local/state/hoist", ".cache/hoist"] {
        for file in sandbox.files(directory) {
            let bytes = std::fs::read(sandbox.home().join(directory).join(&file)).unwrap();
            let found = bytes
                .windows(secret.len())
                .position(|window| window == secret.as_bytes());
            let around = found.map(|at| {
                String::from_utf8_lossy(&bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())])
                    .into_owned()
            });
            assert!(around.is_none(), "{secret} is in {file}: {around:?}");
        }
    }
}

#[test]
fn a_certificate_authority_of_the_user_s_configuration_is_trusted() {
    let Some(authority) = Authority::new().filter(|_| has("git")) else {
        return;
    };
    let fixture = GitFixture::new();
    fixture.repository("repo", 2);
    let plain = Server::git(fixture.root(), Duration::ZERO);
    let server = authority.serve(&plain);
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&server.url("/repo.git"), "--depth=1"));
    let refused = sandbox.json("install").exits(3);
    assert!(
        reason(&refused).contains("certificate"),
        "{}",
        reason(&refused)
    );
    assert!(
        !refused.stdout.contains("retrying"),
        "a certificate is not better the next time: {}",
        refused.stdout
    );
    sandbox.put(
        ".gitconfig",
        &format!(
            "[http]\n\tsslCAInfo = {}\n",
            authority.certificate().display()
        ),
    );
    sandbox.hoist("install").exits(0);
    commit(&fixture, "file", "newer\n");
    assert_eq!(
        sandbox.json("update").exits(0).statuses()["subject"],
        "updated"
    );
    assert_eq!(sandbox.read(".subject/file"), "newer\n");
}

#[test]
fn a_clone_that_began_with_https_is_not_led_to_http() {
    let Some(authority) = Authority::new().filter(|_| has("git")) else {
        return;
    };
    let fixture = GitFixture::new();
    fixture.repository("repo", 2);
    let plain = Server::git(fixture.root(), Duration::ZERO);
    let target = plain.url("");
    let leads_on = Server::start(move |request| {
        let location = format!("{target}{}?{}", request.path, request.query);
        Answer {
            headers: vec![("Location".into(), location)],
            ..Answer::new(302, "")
        }
    });
    let secure = authority.serve(&leads_on);
    let trust = format!(
        "[http]\n\tsslCAInfo = {}\n",
        authority.certificate().display()
    );
    let sandbox = Sandbox::new();
    sandbox.put(".gitconfig", &trust);
    sandbox.add(&clone(&secure.url("/repo.git"), ""));
    let refused = sandbox.json("install").exits(3);
    assert!(
        !sandbox.has(".subject") && reason(&refused).to_lowercase().contains("protocol"),
        "{}",
        reason(&refused)
    );
    // From http to http, and where the user's own configuration leads there.
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&leads_on.url("/repo.git"), ""));
    sandbox.hoist("install").exits(0);
    let sandbox = Sandbox::new();
    sandbox.put(
        ".gitconfig",
        &format!(
            "{trust}[url \"{}\"]\n\tinsteadOf = {}\n",
            plain.url("/"),
            secure.url("/")
        ),
    );
    sandbox.add(&clone(&secure.url("/repo.git"), ""));
    sandbox.hoist("install").exits(0);
}

#[test]
fn passwords_come_from_netrc_a_helper_askpass_a_header_or_the_url() {
    let Some(authority) = Authority::new().filter(|_| has("git") && has("ps")) else {
        return;
    };
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let plain = Server::git_for(fixture.root(), "me", "s3cretpass");
    let server = authority.serve(&plain);
    let trust = format!(
        "[http]\n\tsslCAInfo = {}\n",
        authority.certificate().display()
    );
    let helper =
        "[credential]\n\thelper = \"!f() { echo username=me; echo password=s3cretpass; }; f\"\n";
    let header = "[http]\n\textraHeader = Authorization: Basic bWU6czNjcmV0cGFzcw==\n";
    let with_password = format!("https://me:s3cretpass@{}/repo.git", server.host());
    for (name, url, config) in [
        ("nothing", server.url("/repo.git"), ""),
        ("netrc", server.url("/repo.git"), ""),
        ("helper", server.url("/repo.git"), helper),
        ("askpass", server.url("/repo.git"), ""),
        ("header", server.url("/repo.git"), header),
        ("url", with_password.clone(), ""),
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.put(".gitconfig", &format!("{trust}{config}"));
        match name {
            "netrc" => {
                drop(sandbox.put(".netrc", "machine 127.0.0.1 login me password s3cretpass\n"))
            }
            "askpass" => {
                let askpass = sandbox.path("askpass");
                script(
                    &askpass,
                    "#!/bin/sh\ncase $1 in Username*) echo me ;; *) echo s3cretpass ;; esac\n",
                );
                sandbox.set("GIT_ASKPASS", &askpass.display().to_string());
            }
            _ => {}
        }
        sandbox.add(&clone(&url, ""));
        let ran = sandbox.json("install");
        if name == "nothing" {
            assert_eq!(ran.code, 3);
            assert!(
                reason(&ran).contains("could not read Username"),
                "{}",
                reason(&ran)
            );
            continue;
        }
        assert_eq!(ran.code, 0, "{name}: {}", ran.stdout);
        let again = sandbox.json("update");
        assert_eq!(again.code, 0, "{name}: {}", again.stdout);
    }
}

#[test]
fn a_password_in_a_url_is_neither_displayed_nor_recorded_nor_on_a_command_line() {
    let Some(authority) = Authority::new().filter(|_| has("git") && has("strace")) else {
        return;
    };
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let plain = Server::git_for(fixture.root(), "me", "s3cretpass");
    let server = authority.serve(&plain);
    let mut sandbox = Sandbox::new();
    sandbox.put(
        ".gitconfig",
        &format!(
            "[http]\n\tsslCAInfo = {}\n",
            authority.certificate().display()
        ),
    );
    sandbox.set("FORGE_TOKEN", "s3cretpass");
    let url = format!("https://me:${{FORGE_TOKEN}}@{}/repo.git", server.host());
    sandbox.add(
        &clone(&url, "")
            .body("main_module() { echo \"from $MODULE_INSTALL_REPO\"; install_via_git_clone; }"),
    );
    let arguments = |call: &str| {
        call.split("execve(")
            .nth(1)
            .is_some_and(|call| call.contains("s3cretpass"))
    };
    let (installed, calls) = sandbox.traced("install -v --output json", "execve");
    let installed = installed.exits(0);
    assert!(!calls.iter().any(|call| arguments(call)), "{calls:?}");
    let mut outputs = vec![installed];
    commit(&fixture, "file", "newer\n");
    let (updated, calls) = sandbox.traced("update -v --output json", "execve");
    assert_eq!(
        updated.statuses()["subject"],
        "updated",
        "{}",
        updated.stdout
    );
    assert!(!calls.iter().any(|call| arguments(call)), "{calls:?}");
    outputs.push(updated);
    for command in [
        "list",
        "info subject",
        "plan install --force",
        "history",
        "report",
        "validate",
        "outdated",
        "doctor",
        "config list",
        "graph",
    ] {
        outputs.push(sandbox.hoist(command));
        outputs.push(sandbox.json(command));
    }
    outputs.push(sandbox.hoist("report --html page.html"));
    let page = std::fs::read_to_string(sandbox.collection().join("page.html")).unwrap();
    assert!(!page.contains("s3cretpass"));
    // It fails with the URL in the message.
    std::fs::remove_dir_all(sandbox.home().join(".subject")).unwrap();
    drop(server);
    outputs.push(sandbox.hoist("install --force -v").exits(3));
    outputs.push(sandbox.json("install --force").exits(3));
    is_nowhere("s3cretpass", &sandbox, &outputs);
}

#[test]
fn another_password_for_the_same_repository_is_taken_over() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let old = Server::git_for(fixture.root(), "me", "oldpassword");
    let sandbox = Sandbox::new();
    let url = |server: &Server, password: &str| {
        format!("http://me:{password}@127.0.0.1:{}/repo.git", server.port())
    };
    sandbox.add(&clone(&url(&old, "oldpassword"), ""));
    sandbox.hoist("install").exits(0);
    let new = Server::git_for(fixture.root(), "me", "newpassword");
    commit(&fixture, "file", "newer\n");
    sandbox.add(&clone(&url(&new, "newpassword"), ""));
    assert_eq!(
        sandbox.json("update").exits(0).statuses()["subject"],
        "updated"
    );
    assert_eq!(sandbox.read(".subject/file"), "newer\n");
}

#[test]
fn ssh_uses_the_user_s_hosts_keys_and_commands_and_never_asks() {
    let Some(server) = SshServer::start().filter(|_| has("git")) else {
        return;
    };
    let fixture = GitFixture::new();
    let path = fixture.repository("repo", 1).display().to_string();
    for directory in [fixture.root(), fixture.path("repo.git")] {
        std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let sandbox = || {
        let sandbox = Sandbox::new();
        let known = sandbox.path("known_hosts");
        server.write_known_hosts(&known);
        sandbox
    };
    let config = |sandbox: &Sandbox, key: &str, known: &str| {
        let text = format!(
            "Host forge\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
            server.port(),
            server.path(key).display(),
            sandbox.path(known).display(),
        );
        let file = sandbox.path("ssh_config");
        std::fs::write(&file, text).unwrap();
        format!("ssh -F '{}'", file.display())
    };
    let url = format!("forge:{path}");
    // By the configuration of git, and by a variable.
    for by_variable in [false, true] {
        let mut sandbox = sandbox();
        let command = config(&sandbox, "key", "known_hosts");
        match by_variable {
            true => sandbox.set("GIT_SSH_COMMAND", &command),
            false => drop(sandbox.put(
                ".gitconfig",
                &format!("[core]\n\tsshCommand = \"{command}\"\n"),
            )),
        }
        sandbox.add(&clone(&url, "--depth=1"));
        sandbox.hoist("install").exits(0);
        assert_eq!(sandbox.read(".subject/file"), "repo 1\n");
        sandbox.hoist("update").exits(0).says("unchanged");
    }
    for (key, known, said) in [
        ("other_key", "known_hosts", "Permission denied"),
        ("locked_key", "known_hosts", "Permission denied"),
        ("key", "no_known_hosts", "Host key verification failed"),
    ] {
        let mut sandbox = sandbox();
        sandbox.set("DISPLAY", ":99");
        sandbox.set("SSH_ASKPASS", "/nonexistent/window");
        sandbox.set("GIT_SSH_COMMAND", &config(&sandbox, key, known));
        sandbox.add(&clone(&url, ""));
        // With a terminal that nobody answers on.
        let words = format!(
            "'{}' install --output json",
            hoist_tests::binary().display()
        );
        let mut command = sandbox.command("script");
        let output = command
            .args(["-qec", &words, "/dev/null"])
            .output()
            .unwrap();
        let ran = hoist_tests::ran(output);
        let text = ran.stdout.replace('\r', "");
        assert!(
            text.contains(said) && text.contains("\"failed\""),
            "{key} {known}: {text}"
        );
        assert!(!text.contains("retrying"), "{text}");
    }
}

#[test]
fn a_filter_that_fails_or_is_missing_fails_the_module() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.git(".", &["init", "-q", "repo.work"]);
    let work = fixture.path("repo.work");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    std::fs::write(work.join("model.bin"), pointer).unwrap();
    std::fs::write(work.join("plain"), "plain\n").unwrap();
    std::fs::write(work.join(".gitattributes"), "*.bin filter=lfs\n").unwrap();
    fixture.commit("repo.work", "all");
    let url = fixture.publish("repo").display().to_string();
    // What a file is made of by its pointer, and the other way round.
    let bin = fixture.path("filters");
    std::fs::create_dir(&bin).unwrap();
    script(
        &bin.join("smudge"),
        "#!/bin/sh\nsed -n 's/^size /content of /p'\n",
    );
    let clean = format!(
        "#!/bin/sh\nread content of size\nprintf '%s' '{pointer}' | sed \"s/^size.*/size $size/\"\n"
    );
    script(&bin.join("clean"), &clean);
    let working = format!(
        "[filter \"lfs\"]\n\tsmudge = {0}/smudge\n\tclean = {0}/clean\n",
        bin.display()
    );
    for (config, said) in [
        // Not configured: git itself leaves the pointer and says nothing.
        ("", Some("git lfs install")),
        (
            "[filter \"lfs\"]\n\tsmudge = false\n\tclean = cat\n",
            Some("smudge filter lfs failed"),
        ),
        (
            "[filter \"lfs\"]\n\tsmudge = false\n\tclean = cat\n\trequired = true\n",
            Some("smudge filter lfs failed"),
        ),
        (
            "[filter \"lfs\"]\n\tprocess = false\n",
            Some("the checkout failed"),
        ),
        (
            "[filter \"lfs\"]\n\tsmudge = cat\n\tclean = cat\n\trequired = true\n",
            Some("pointer of Git LFS"),
        ),
        (working.as_str(), None),
    ] {
        let sandbox = Sandbox::new();
        sandbox.put(".gitconfig", config);
        sandbox.add(&clone(&url, ""));
        let ran = sandbox.json("install");
        match said {
            Some(said) => {
                assert_eq!(ran.code, 3, "{config}: {}", ran.stdout);
                assert!(reason(&ran).contains(said), "{config}: {}", reason(&ran));
                assert!(!sandbox.has(".subject"));
            }
            None => {
                assert_eq!(ran.code, 0, "{}", ran.stdout);
                assert_eq!(sandbox.read(".subject/model.bin"), "content of 12345\n");
                assert_eq!(
                    sandbox.json("update").exits(0).statuses()["subject"],
                    "unchanged"
                );
                // An update whose filter fails leaves everything as it was.
                std::fs::write(work.join("model.bin"), pointer.replace("12345", "54321")).unwrap();
                std::fs::write(work.join("new"), "new\n").unwrap();
                fixture.commit("repo.work", "another");
                fixture.git("repo.work", &["push", "-q", &url, "HEAD:main"]);
                sandbox.put(".gitconfig", &config.replace("/smudge", "/nothing"));
                sandbox.json("update").exits(3);
                assert_eq!(
                    (
                        sandbox.read(".subject/model.bin"),
                        sandbox.has(".subject/new")
                    ),
                    ("content of 12345\n".to_owned(), false)
                );
                sandbox.put(".gitconfig", config);
                assert_eq!(
                    sandbox.json("update").exits(0).statuses()["subject"],
                    "updated"
                );
                assert_eq!(
                    (
                        sandbox.read(".subject/model.bin"),
                        sandbox.has(".subject/new")
                    ),
                    ("content of 54321\n".to_owned(), true)
                );
            }
        }
    }
    // Filters that only ever write, such as those that strip output, are not missed, and are named.
    std::fs::write(work.join(".gitattributes"), "*.bin filter=strip\n").unwrap();
    std::fs::write(work.join("model.bin"), "whole").unwrap();
    fixture.commit("repo.work", "strip");
    fixture.git("repo.work", &["push", "-q", &url, "HEAD:main"]);
    let sandbox = Sandbox::new();
    sandbox.add(&clone(&url, ""));
    sandbox.hoist("install").exits(0).says("the filter strip");
}

#[test]
fn instead_of_may_lead_to_a_path_also_for_a_shallow_clone() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 3);
    for args in ["", "--depth=1"] {
        let sandbox = Sandbox::new();
        sandbox.put(
            ".gitconfig",
            &format!(
                "[url \"{}/\"]\n\tinsteadOf = https://forge.example.test/\n",
                fixture.root().display()
            ),
        );
        sandbox.add(&clone("https://forge.example.test/repo.git", args));
        sandbox.hoist("install").exits(0);
        commit(&fixture, "file", &format!("newer {args}\n"));
        assert_eq!(
            sandbox.json("update").exits(0).statuses()["subject"],
            "updated"
        );
        assert_eq!(sandbox.read(".subject/file"), format!("newer {args}\n"));
    }
}

#[test]
fn a_server_that_falls_silent_is_given_up_and_asked_again() {
    if !has("git") {
        return;
    }
    let fixture = GitFixture::new();
    fixture.repository("repo", 1);
    let inner = Server::git(fixture.root(), Duration::ZERO);
    let inner_url = inner.url("");
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            return hoist_tests::Answer {
                announced: Some(1000),
                stall: Duration::from_secs(60),
                ..hoist_tests::Answer::new(200, "")
            };
        }
        let mut answer = hoist_tests::Answer::new(307, "");
        answer.headers.push((
            "Location".into(),
            format!("{inner_url}{}?{}", request.path, request.query),
        ));
        answer
    });
    let sandbox = Sandbox::new();
    sandbox.settings("stall_timeout: 1s\n");
    sandbox.add(&clone(&server.url("/repo.git"), ""));
    sandbox
        .hoist("install")
        .exits(0)
        .says("git printed nothing for 1 s");
    assert_eq!(sandbox.read(".subject/file"), "repo 1\n");
}

#[test]
fn a_machine_without_git_is_told_which_package_to_install() {
    let mut sandbox = Sandbox::new();
    sandbox.add(&clone("https://forge.example.test/repo.git", ""));
    sandbox.add(&Module::new("other").main("touch ~/other"));
    let bin = sandbox.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["bash", "apt-get", "env", "mkdir", "touch", "dpkg-query"] {
        let found = ["/usr/bin", "/bin"]
            .iter()
            .map(|directory| Path::new(directory).join(program))
            .find(|path| path.exists());
        if let Some(found) = found {
            std::os::unix::fs::symlink(found, bin.join(program)).unwrap();
        }
    }
    sandbox.set("PATH", &bin.display().to_string());
    let ran = sandbox
        .hoist("install")
        .exits(2)
        .says("git is not on PATH")
        .says("install -y git");
    assert_eq!(
        ran.stderr.matches("git is not on PATH").count(),
        1,
        "{}",
        ran.stderr
    );
    assert!(!sandbox.has("other"), "nothing is started");
}
