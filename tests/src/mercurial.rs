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
        let directory = tempfile::Builder::new()
            .prefix("hoist-hg-")
            .tempdir()
            .unwrap();
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
        command
            .args(arguments)
            .current_dir(self.path())
            .env("HGPLAIN", "1")
            .env("HGRCPATH", "")
            .env("HOME", self.directory.path());
        command
    }

    /// Runs hg in it.
    pub fn hg(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "hg {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
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
        self.write(
            &format!("{name}/README.md"),
            &format!("---\n{head}\n---\n\n# {name}\n\nText.\n"),
        );
        self.write(
            &format!("{name}/{name}.lua"),
            &format!("module:log(\"info\", \"{name} is loaded\");\n"),
        )
    }

    /// Many modules `mod_gen0000` … with every trait that authors give theirs: heads that end in
    /// `...` or `---`, have TABs or carriage returns, or are none; documentation of the older name,
    /// or of none; files deeper down, or that may be run; links inside; code that asks for others;
    /// no code at all.
    pub fn generate(&self, count: usize) -> &Self {
        const STAGES: [&str; 6] = [
            "Stage-Alpha",
            "Stage-alpha",
            "Stage-Beta",
            "Stage-Stable",
            "Stage-Obsolete",
            "Statistics",
        ];
        for number in 0..count {
            let name = format!("mod_gen{number:04}");
            let other = format!("mod_gen{:04}", number.saturating_sub(7) / 2);
            let stage = STAGES[number % STAGES.len()];
            let summary = format!(
                "summary: Number {number} of the generated, about {}",
                ["push", "muc", "http", "storage"][number % 4]
            );
            let head = match number % 9 {
                0 => format!("---\nlabels:\n- {stage}\n{summary}\n...\n"),
                1 => format!("---\n{summary}\nlabels: [{stage}, Type-Auth]\n---\n"),
                2 => format!("---\n{summary}\nlabels:\n\t- {stage}\n...\n"),
                3 => format!("---\r\n{summary}\r\nlabels:\r\n- {stage}\r\n...\r\n"),
                4 => format!(
                    "---\n{summary}\nrockspec:\n  dependencies:\n  - {other} >= 2\n  build:\n    copy_directories: [x]\n...\n"
                ),
                5 => format!(
                    "---\n{summary}: with a colon\ndepends:\n- {}\n...\n",
                    other.replace('_', "\\_")
                ),
                6 => format!(
                    "---\n{summary}\nsuperseded_by: {other}\nlabels:\n- Stage-Obsolete\n---\n"
                ),
                7 => String::new(),
                _ => format!("---\n{summary}\n---\n"),
            };
            let readme = if number % 17 == 3 {
                "README.markdown"
            } else {
                "README.md"
            };
            if number % 11 != 10 {
                let text = "\n\nIntroduction\n============\n\nIt does what it says. Then more.\n\n```lua\noption = true\n```\n".repeat(4);
                self.write(&format!("{name}/{readme}"), &format!("{head}{text}"));
            }
            let code = format!(
                "-- {name}\nlocal st = require \"util.stanza\";\nlocal dbi = require'DBI';\nmodule:depends(\"http\");\nlocal function f() return {number} end\n"
            );
            match number % 23 {
                22 => self.write(&format!("{name}/notes.txt"), "no code\n"),
                21 => self.write(&format!("{name}/{}/{name}.lua", &name[4..]), &code),
                _ => self.write(&format!("{name}/{name}.lua"), &code.repeat(20)),
            };
            if number % 50 == 5 {
                let script = self.path().join(&name).join("tool.sh");
                std::fs::write(&script, "#!/bin/sh\n").unwrap();
                std::fs::set_permissions(
                    &script,
                    std::os::unix::fs::PermissionsExt::from_mode(0o755),
                )
                .unwrap();
            }
            if number % 50 == 6 {
                let _ = std::os::unix::fs::symlink(readme, self.path().join(&name).join("link"));
            }
        }
        self
    }

    /// Commits everything as it is, and returns the revision.
    pub fn commit(&self, message: &str) -> String {
        let said = self.hg(&[
            "commit",
            "--addremove",
            "--debug",
            "-u",
            "a <a@example.test>",
            "-d",
            "2025-01-01 00:00 +0000",
            "-m",
            message,
        ]);
        let revision = said
            .lines()
            .find_map(|line| line.strip_prefix("committed changeset ")?.split(':').nth(1));
        revision
            .unwrap_or_else(|| panic!("hg commit: {said}"))
            .to_owned()
    }

    /// Serves it on loopback.
    pub fn serve(&self) -> MercurialServer {
        let port = free_port();
        let mut serve = self.command(&["serve", "-a", "127.0.0.1", "-p", &port.to_string()]);
        let server = serve
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = MercurialServer { server, port };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// `hg serve`, until it is dropped.
pub struct MercurialServer {
    server: Child,
    port: u16,
}

impl MercurialServer {
    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

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
