//! A Docker engine of its own on a private socket, with one image made of the static busybox of
//! this machine. It has no way out, and needs none.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::has;

/// An engine, from when it is started until it is dropped.
pub struct Docker {
    directory: tempfile::TempDir,
    /// Its number, and the thread that waits for its end.
    server: Option<(u32, JoinHandle<()>)>,
}

/// The image that every engine has.
const IMAGE: &str = "busybox:1.36";

impl Docker {
    /// Starts one; nothing where this machine cannot have any: the programs are missing, or nobody
    /// is root.
    pub fn start() -> Option<Self> {
        if !["dockerd", "docker", "docker-compose", "busybox"]
            .iter()
            .all(|program| has(program))
        {
            return None;
        }
        let directory = tempfile::Builder::new()
            .prefix("hoist-docker-")
            .tempdir()
            .unwrap();
        let mut docker = Self {
            directory,
            server: None,
        };
        docker.run();
        docker.import();
        Some(docker)
    }

    /// Starts the engine anew, with what it had.
    pub fn run(&mut self) {
        let path = |name: &str| self.directory.path().join(name);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path("log"))
            .unwrap();
        let mut server = Command::new("setpriv");
        server.args(["--pdeathsig", "TERM", "dockerd"]);
        server
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"));
        server.arg("-H").arg(self.host()).args([
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--bridge=none",
        ]);
        server
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        // It ends with the thread that started it, and that ends with this process, whatever ends
        // that.
        let (tell, told) = mpsc::channel();
        let waiting = std::thread::spawn(move || {
            let mut server = server.spawn().unwrap();
            tell.send(server.id()).unwrap();
            let _ = server.wait();
        });
        self.server = Some((told.recv().unwrap(), waiting));
        while !self.docker(&["info"]).0 {
            let log = std::fs::read_to_string(path("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            assert!(
                self.server
                    .as_ref()
                    .is_some_and(|(_, waiting)| !waiting.is_finished()),
                "{last:#?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the engine, and with it its containers.
    pub fn stop(&mut self) {
        let Some((number, waiting)) = self.server.take() else {
            return;
        };
        let _ = Command::new("kill")
            .args(["-TERM", &number.to_string()])
            .status();
        let _ = waiting.join();
    }

    /// The value of `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.directory.path().display())
    }

    /// Runs the client: whether it succeeded, and what it wrote.
    pub fn docker(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("docker")
            .env("DOCKER_HOST", self.host())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said.trim().to_owned())
    }

    /// What the client says to these arguments, which are separated by blanks; lines sorted.
    #[track_caller]
    pub fn says(&self, arguments: &str) -> Vec<String> {
        let (success, said) = self.docker(&arguments.split(' ').collect::<Vec<_>>());
        assert!(success, "{arguments}: {said}");
        let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The numbers of all containers.
    #[track_caller]
    pub fn containers(&self) -> Vec<String> {
        self.says("ps -a -q --no-trunc")
    }

    /// Makes the image: busybox under all its names.
    fn import(&self) {
        let root = self.directory.path().join("image");
        let bin = root.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(root.join("tmp")).unwrap();
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|path| path.join("busybox"))
            .find(|path| path.is_file());
        std::fs::copy(
            found.unwrap_or_else(|| "/bin/busybox".into()),
            bin.join("busybox"),
        )
        .unwrap();
        let listed = Command::new(bin.join("busybox"))
            .arg("--list")
            .output()
            .unwrap()
            .stdout;
        for name in String::from_utf8_lossy(&listed)
            .lines()
            .filter(|name| *name != "busybox")
        {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        let archive = self.directory.path().join("image.tar");
        let packed = Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&archive)
            .arg(".")
            .status()
            .unwrap();
        assert!(packed.success());
        let (imported, said) = self.docker(&["import", &archive.display().to_string(), IMAGE]);
        assert!(imported, "{said}");
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if self.server.is_some() {
            let (_, containers) = self.docker(&["ps", "-a", "-q"]);
            let containers: Vec<&str> = containers.lines().collect();
            if !containers.is_empty() {
                self.docker(&[&["rm", "-f"][..], &containers].concat());
            }
            self.stop();
        }
        // What it mounted has to go before its directory can.
        let mounted = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = self.directory.path().display().to_string();
        let mut below: Vec<&str> = mounted
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .filter(|path| path.starts_with(&own))
            .collect();
        below.reverse();
        for path in below {
            let _ = Command::new("umount")
                .args(["-l", path])
                .stderr(Stdio::null())
                .status();
        }
    }
}
