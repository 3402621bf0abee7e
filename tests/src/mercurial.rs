//! A repository made with the real Mercurial, and served by it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A repository of modules.
pub struct Mercurial {
    directory: tempfile::TempDir,
}

impl Default for Mercurial {
    fn default() -> Self {
        Self::new()
    }
}

impl Mercurial {
    /// An empty repository.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("hoist-hg-").tempdir().unwrap();
        let repository = Self { directory };
        repository.hg(&["init", "."]);
        repository
    }

    /// Where it stands.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("repository")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        std::fs::create_dir_all(self.path()).unwrap();
        let mut command = Command::new("hg");
        command.args(arguments).current_dir(self.path()).env("HGPLAIN", "1").env("HGRCPATH", "").env("HOME", self.directory.path());
        command
    }

    /// Runs hg in it.
    pub fn hg(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "hg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a file of the work tree.
    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A module with a README that has this head, and a file that can be loaded.
    pub fn module(&self, name: &str, head: &str) -> &Self {
        self.write(&format!("{name}/README.md"), &format!("---\n{head}\n---\n\n# {name}\n\nText.\n"));
        self.write(&format!("{name}/{name}.lua"), &format!("module:log(\"info\", \"{name} is loaded\");\n"))
    }

    /// Commits everything as it is, and returns the revision.
    pub fn commit(&self, message: &str) -> String {
        self.hg(&["addremove", "-q"]);
        self.hg(&["commit", "-q", "-u", "a <a@example.test>", "-d", "2025-01-01 00:00 +0000", "-m", message]);
        self.hg(&["log", "-r", ".", "-T", "{node}"])
    }

    /// Serves it on loopback.
    pub fn serve(&self) -> MercurialServer {
        let port = free_port();
        let mut serve = self.command(&["serve", "-a", "127.0.0.1", "-p", &port.to_string()]);
        let server = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = MercurialServer { server, port };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// `hg serve`, until it is dropped.
pub struct MercurialServer {
    server: Child,
    port: u16,
}

impl MercurialServer {
    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for MercurialServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
