//! The real sshd on loopback, for repositories behind ssh.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{free_port, has};

/// A server that one key may log in to; it ends when it is dropped.
pub struct SshServer {
    directory: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl SshServer {
    /// Starts one; `None` where sshd is missing.
    pub fn start() -> Option<Self> {
        if !["sshd", "ssh", "ssh-keygen", "setpriv"]
            .iter()
            .all(|program| has(program))
        {
            return None;
        }
        let directory = tempfile::Builder::new()
            .prefix("hoist-sshd-")
            .tempdir()
            .unwrap();
        let path = |name: &str| directory.path().join(name);
        for key in ["host_key", "key", "other_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(key))
                .status()
                .unwrap();
            assert!(made.success());
        }
        let locked = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "secret", "-f"])
            .arg(path("locked_key"))
            .status()
            .unwrap();
        assert!(locked.success());
        let keys =
            ["key.pub", "locked_key.pub"].map(|key| std::fs::read_to_string(path(key)).unwrap());
        std::fs::write(path("authorized"), keys.concat()).unwrap();
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nAcceptEnv GIT_PROTOCOL\n",
            path("host_key").display(),
            path("authorized").display(),
        );
        std::fs::write(path("config"), config).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "/usr/sbin/sshd", "-D", "-e", "-f"])
            .arg(path("config"));
        let log = std::fs::File::create(path("log")).unwrap();
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self {
            directory,
            process,
            port,
        };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Some(server)
    }

    /// A file of the server: `key`, which may log in, `other_key`, which may not, and `locked_key`,
    /// which has the passphrase `secret`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Writes a file of known hosts with its key.
    pub fn write_known_hosts(&self, file: &Path) {
        let key = std::fs::read_to_string(self.path("host_key.pub")).unwrap();
        let key: Vec<&str> = key.split_whitespace().take(2).collect();
        std::fs::write(
            file,
            format!("[127.0.0.1]:{} {}\n", self.port, key.join(" ")),
        )
        .unwrap();
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
