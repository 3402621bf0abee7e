//! Hosts of their own: each a Debian over one common root, with its own network, processes, mounts
//! and name, running the real sshd.
//!
//! The root is made once by mmdebstrap and kept with the other things that builds leave; what a
//! host changes goes with it.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Sandbox, has, stripped_binary};

/// Several hosts on a network of their own.
pub struct Hosts {
    directory: tempfile::TempDir,
    /// What tells the networks of several of these apart, and the lock that nobody else has while
    /// it is in use.
    network: u32,
    _lock: std::fs::File,
    running: Vec<Host>,
}

struct Host {
    number: u32,
    /// The process that all of the host goes with, and the thread that waits for its end.
    process: Option<(u32, JoinHandle<()>)>,
}

/// What is in the root beside what Debian always has.
const PACKAGES: &str =
    "openssh-server,sudo,python3,python3-venv,iproute2,ca-certificates,procps,curl,findutils";

/// What can be installed there.
const CACHED: &[&str] = &["nginx", "supervisor", "postgresql"];

impl Hosts {
    /// Starts so many; nothing where this machine cannot have any: programs are missing, or nobody
    /// is root.
    pub fn start(count: u32) -> Option<Self> {
        if ![
            "mmdebstrap",
            "ssh",
            "ssh-keygen",
            "ip",
            "unshare",
            "nsenter",
            "setpriv",
        ]
        .iter()
        .all(|program| has(program))
        {
            return None;
        }
        let (network, lock) = free_network();
        let directory = tempfile::Builder::new()
            .prefix("hoist-hosts-")
            .tempdir()
            .unwrap();
        // Others have to get through to what stands in it.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        run(
            "ssh-keygen",
            &[
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                &directory.path().join("key").display().to_string(),
            ],
        );
        let mut hosts = Self {
            directory,
            network,
            _lock: lock,
            running: Vec::new(),
        };
        let bridge = hosts.bridge();
        run("ip", &["link", "add", &bridge, "type", "bridge"]);
        run(
            "ip",
            &[
                "addr",
                "add",
                &format!("10.77.{network}.1/24"),
                "dev",
                &bridge,
            ],
        );
        run("ip", &["link", "set", &bridge, "up"]);
        for number in 1..=count {
            hosts.running.push(Host {
                number,
                process: None,
            });
            hosts.boot(number);
        }
        hosts.wait();
        Some(hosts)
    }

    fn bridge(&self) -> String {
        format!("hoist{}", self.network)
    }

    fn path(&self, number: u32, name: &str) -> PathBuf {
        self.directory.path().join(format!("h{number}")).join(name)
    }

    /// The address of a host, counted from one.
    pub fn address(&self, number: u32) -> String {
        format!("10.77.{}.{}", self.network, 10 + number)
    }

    /// How a host is named on the command line.
    pub fn name(&self, number: u32) -> String {
        format!("admin@{}", self.address(number))
    }

    /// Starts a host, or starts it again with what it had.
    pub fn boot(&mut self, number: u32) {
        let (space, link) = (
            format!("hoist-{}-{number}", self.network),
            format!("hv{}-{number}", self.network),
        );
        run("ip", &["netns", "add", &space]);
        run(
            "ip",
            &[
                "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &space,
            ],
        );
        run(
            "ip",
            &["link", "set", &link, "master", &self.bridge(), "up"],
        );
        run(
            "ip",
            &[
                "-n",
                &space,
                "addr",
                "add",
                &format!("{}/24", self.address(number)),
                "dev",
                "eth0",
            ],
        );
        run("ip", &["-n", &space, "link", "set", "eth0", "up"]);
        run("ip", &["-n", &space, "link", "set", "lo", "up"]);
        for name in ["upper", "work", "root"] {
            std::fs::create_dir_all(self.path(number, name)).unwrap();
        }
        let keys = self.path(number, "upper/home/admin/.ssh");
        if !keys.exists() {
            std::fs::create_dir_all(&keys).unwrap();
            std::fs::copy(
                self.directory.path().join("key.pub"),
                keys.join("authorized_keys"),
            )
            .unwrap();
            for path in [
                keys.parent().unwrap(),
                keys.as_path(),
                keys.join("authorized_keys").as_path(),
            ] {
                chown(path, Some(1000), Some(1000)).unwrap();
            }
        }
        let start = self.path(number, "start.sh");
        std::fs::write(&start, script(&root(), &self.path(number, ""), number)).unwrap();
        let log = std::fs::File::create(self.path(number, "log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "nsenter",
            &format!("--net=/run/netns/{space}"),
            "unshare",
            "--mount",
            "--pid",
            "--uts",
            "--fork",
            "--kill-child",
        ]);
        command
            .arg("bash")
            .arg(&start)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let (tell, told) = mpsc::channel();
        let waiting = std::thread::spawn(move || {
            let mut child = command.spawn().unwrap();
            tell.send(child.id()).unwrap();
            let _ = child.wait();
        });
        let host = self
            .running
            .iter_mut()
            .find(|host| host.number == number)
            .unwrap();
        host.process = Some((told.recv().unwrap(), waiting));
    }

    fn wait(&self) {
        for host in &self.running {
            while std::net::TcpStream::connect((self.address(host.number), 22)).is_err() {
                let ended = host
                    .process
                    .as_ref()
                    .is_none_or(|(_, waiting)| waiting.is_finished());
                assert!(
                    !ended,
                    "{}",
                    std::fs::read_to_string(self.path(host.number, "log")).unwrap_or_default()
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Pulls the plug of a host. What it has written stays.
    pub fn kill(&mut self, number: u32) {
        let host = self
            .running
            .iter_mut()
            .find(|host| host.number == number)
            .unwrap();
        if let Some((process, waiting)) = host.process.take() {
            let _ = Command::new("kill")
                .args(["-9", &process.to_string()])
                .status();
            let _ = waiting.join();
        }
        let space = format!("hoist-{}-{number}", self.network);
        let _ = quiet("ip", &["netns", "del", &space]);
        let _ = quiet(
            "ip",
            &["link", "del", &format!("hv{}-{number}", self.network)],
        );
    }

    /// Starts a host again and waits for it.
    pub fn boot_again(&mut self, number: u32) {
        self.boot(number);
        self.wait();
    }

    /// Lets hoist in a sandbox know the hosts and the key: an `ssh` ahead of the system's own gives
    /// that a configuration.
    pub fn introduce(&self, sandbox: &mut Sandbox) {
        let (bin, config) = (sandbox.path("bin"), sandbox.path("ssh_config"));
        std::fs::create_dir_all(&bin).unwrap();
        let host_key =
            std::fs::read_to_string(root().join("etc/ssh/ssh_host_ed25519_key.pub")).unwrap();
        let key: Vec<&str> = host_key.split_whitespace().take(2).collect();
        let known: String = self
            .running
            .iter()
            .map(|host| format!("{} {}\n", self.address(host.number), key.join(" ")))
            .collect();
        std::fs::write(sandbox.path("known_hosts"), known).unwrap();
        let text = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile none\n",
            self.directory.path().join("key").display(),
            sandbox.path("known_hosts").display()
        );
        std::fs::write(&config, text).unwrap();
        let wrapper = bin.join("ssh");
        std::fs::write(
            &wrapper,
            format!(
                "#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n",
                config.display()
            ),
        )
        .unwrap();
        std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        sandbox.set("PATH", &format!("{}:{path}", bin.display()));
        sandbox.set(
            "HOIST_HOST_BINARY",
            &stripped_binary().display().to_string(),
        );
        // The sockets of connections go with the hosts.
        let runtime = self.directory.path().join("run");
        std::fs::create_dir_all(&runtime).unwrap();
        std::fs::set_permissions(&runtime, PermissionsExt::from_mode(0o700)).unwrap();
        sandbox.set("XDG_RUNTIME_DIR", &runtime.display().to_string());
    }

    /// Where the sockets of connections stand.
    pub fn runtime(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    /// Writes a file on a host, below the home directory of its user.
    pub fn write(&self, number: u32, path: &str, text: &str) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, text).unwrap();
        self.send(number, &file, path);
    }

    /// Copies a file to a host.
    pub fn send(&self, number: u32, file: &Path, path: &str) {
        let mut command = Command::new("scp");
        command.args([
            "-q",
            "-F",
            "/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ]);
        command
            .args(["-o", "IdentitiesOnly=yes", "-i"])
            .arg(self.directory.path().join("key"));
        let sent = command
            .arg(file)
            .arg(format!("{}:{path}", self.name(number)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            sent.status.success(),
            "{path}: {}",
            String::from_utf8_lossy(&sent.stderr)
        );
    }

    /// Runs a command on a host as its user.
    #[track_caller]
    pub fn on(&self, number: u32, command: &str) -> String {
        let output = Command::new("ssh")
            .args([
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=20",
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
                "-o",
                "IdentitiesOnly=yes",
                "-F",
                "/dev/null",
                "-i",
            ])
            .arg(self.directory.path().join("key"))
            .args([&self.name(number), command])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{command}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said.trim_end().to_owned()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for socket in std::fs::read_dir(self.directory.path().join("run/hoist-ssh"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = quiet(
                "ssh",
                &[
                    "-F",
                    "/dev/null",
                    "-O",
                    "exit",
                    "-S",
                    &socket.path().display().to_string(),
                    "any",
                ],
            );
        }
        let numbers: Vec<u32> = self.running.iter().map(|host| host.number).collect();
        numbers.into_iter().for_each(|number| self.kill(number));
        let _ = quiet("ip", &["link", "del", &self.bridge()]);
    }
}

/// A network that no other test uses now.
fn free_network() -> (u32, std::fs::File) {
    let directory = Path::new("/run/hoist-test-networks");
    std::fs::create_dir_all(directory).unwrap();
    let lock = |network: u32| {
        let file = std::fs::File::create(directory.join(network.to_string())).unwrap();
        file.try_lock().ok().map(|()| (network, file))
    };
    (0..250).find_map(lock).expect("a free network")
}

/// What the first process of a host does: its mounts, its name, and sshd in its own place.
fn script(root: &Path, here: &Path, number: u32) -> String {
    let (root, here) = (root.display(), here.display());
    format!(
        "set -e\n\
         mount --make-rprivate /\n\
         mount -t overlay overlay -o lowerdir={root},upperdir={here}/upper,workdir={here}/work {here}/root\n\
         cd {here}/root\n\
         mount -t proc proc proc\n\
         mount -t tmpfs tmpfs run\n\
         mkdir -p run/sshd run/lock\n\
         mount -t tmpfs -o mode=755 tmpfs dev\n\
         for name in null zero full random urandom tty; do : >dev/$name; mount --bind /dev/$name dev/$name; done\n\
         mkdir dev/pts dev/shm\n\
         mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts\n\
         ln -s pts/ptmx dev/ptmx\n\
         mount -t tmpfs tmpfs dev/shm\n\
         ln -s /proc/self/fd dev/fd\n\
         ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr\n\
         hostname h{number}\n\
         grep -qw h{number} etc/hosts || echo 127.0.1.1 h{number} >>etc/hosts\n\
         exec chroot . /usr/sbin/sshd -D -e -o UsePAM=no -o PidFile=none\n"
    )
}

/// The root that all hosts stand on; made where it is not there.
fn root() -> PathBuf {
    // Tests stand in `deps`, one directory deeper than programs.
    let program = std::env::current_exe().unwrap();
    let profile = program
        .ancestors()
        .skip(1)
        .find(|path| !path.ends_with("deps"))
        .unwrap();
    let target = profile.parent().unwrap().join("hosts");
    let root = target.join("bookworm-4");
    std::fs::create_dir_all(&target).unwrap();
    let lock = std::fs::File::create(target.join("lock")).unwrap();
    lock.lock().unwrap();
    if root.exists() {
        return root;
    }
    let making = target.join("making");
    let _ = std::fs::remove_dir_all(&making);
    let (directory, source) = (
        making.display().to_string(),
        format!("deb {} bookworm main", mirror()),
    );
    // Nothing of a host has to survive a power cut of this machine.
    let quick = "--dpkgopt=force-unsafe-io";
    run(
        "mmdebstrap",
        &[
            "--variant=minbase",
            &format!("--include={PACKAGES}"),
            quick,
            "bookworm",
            &directory,
            &source,
        ],
    );
    std::fs::write(
        making.join("etc/hosts"),
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
    )
    .unwrap();
    std::fs::write(
        making.join("etc/dpkg/dpkg.cfg.d/unsafe-io"),
        "force-unsafe-io\n",
    )
    .unwrap();
    // Nothing starts by itself where there is no systemd.
    std::fs::write(making.join("usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n").unwrap();
    std::fs::set_permissions(
        making.join("usr/sbin/policy-rc.d"),
        PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let inside =
        |arguments: &[&str]| run("chroot", &[&[making.to_str().unwrap()], arguments].concat());
    // Without a password, and not locked.
    inside(&["useradd", "-m", "-s", "/bin/bash", "-p", "*", "admin"]);
    std::fs::write(
        making.join("etc/sudoers.d/admin"),
        "admin ALL=(ALL) NOPASSWD:ALL\n",
    )
    .unwrap();
    std::fs::set_permissions(
        making.join("etc/sudoers.d/admin"),
        PermissionsExt::from_mode(0o440),
    )
    .unwrap();
    // What plugins install there comes out of the cache: the hosts have no way out.
    let _ = std::fs::copy("/etc/resolv.conf", making.join("etc/resolv.conf"));
    inside(&["apt-get", "update", "-q"]);
    inside(
        &[
            &[
                "apt-get",
                "install",
                "-y",
                "-q",
                "--no-install-recommends",
                "--download-only",
            ],
            CACHED,
        ]
        .concat(),
    );
    std::fs::rename(&making, &root).unwrap();
    root
}

/// Where this machine gets its packages from.
fn mirror() -> String {
    let mut texts = vec![std::fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    for entry in std::fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten()
    {
        texts.push(std::fs::read_to_string(entry.path()).unwrap_or_default());
    }
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("URIs:") => words.next().map(str::to_owned),
            Some("deb") => words.find(|word| word.contains("://")).map(str::to_owned),
            _ => None,
        }
    };
    texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(of)
        .find(|uri| uri.trim_end_matches('/').ends_with("/debian"))
        .expect("a mirror of Debian in /etc/apt")
}

fn quiet(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let output = quiet(program, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    assert!(output.status.success(), "{program} {arguments:?}: {last:?}");
}
