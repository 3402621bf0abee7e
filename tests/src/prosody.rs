//! A real Prosody on loopback, with everything it has in the home directory of a sandbox.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Sandbox, free_port};

/// Prosody, from when it is started until it is dropped.
pub struct Prosody {
    configuration: PathBuf,
    directory: PathBuf,
    server: Option<Child>,
}

impl Prosody {
    /// Its configuration, with plugins below `plugins` of the home directory and this server of
    /// rocks.
    pub fn new(sandbox: &Sandbox, rocks: &str) -> Self {
        let directory = sandbox.home().join("prosody");
        for name in ["run", "data", "certs"] {
            std::fs::create_dir_all(directory.join(name)).unwrap();
        }
        let (here, plugins) = (
            directory.display().to_string(),
            sandbox.home().join("plugins").display().to_string(),
        );
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let text = format!(
            "run_as_root = true\npidfile = \"{here}/run/prosody.pid\"\ndata_path = \"{here}/data\"\ncertificates = \"{here}/certs\"\n\
             plugin_server = \"{rocks}\"\ninstaller_plugin_path = \"{plugins}\"\nlog = {{ debug = \"{here}/log\" }}\n\
             interfaces = {{ \"127.0.0.1\" }}\nc2s_ports = {{ {} }}; s2s_ports = {{ {} }}; http_ports = {{ {} }}; https_ports = {{ }}\n\n\
             -- What every host loads\nmodules_enabled = {{\n\t\"roster\"; -- contacts\n\t\"saslauth\"; \"disco\";\n\t\"posix\"; \"admin_shell\"\n}}\n\
             modules_disabled = {{ \"s2s\", \"tls\" }}\nc2s_require_encryption = false; allow_unencrypted_plain_auth = true\n\
             authentication = \"internal_plain\"\nVirtualHost \"localhost\"\n",
            ports[0], ports[1], ports[2]
        );
        let configuration = sandbox.put("prosody.cfg.lua", &text);
        Self {
            configuration,
            directory,
            server: None,
        }
    }

    /// Where its configuration stands.
    pub fn configuration(&self) -> &std::path::Path {
        &self.configuration
    }

    /// Starts it, or starts it anew.
    pub fn start(&mut self) -> &mut Self {
        self.stop();
        let mut server = Command::new("prosody");
        server
            .args(["-F", "--config"])
            .arg(&self.configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = self.server.insert(server.spawn().unwrap());
        while !self.directory.join("data/prosody.sock").exists() {
            assert!(
                server.try_wait().unwrap().is_none(),
                "{}",
                std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
            let _ = std::fs::remove_file(self.directory.join("data/prosody.sock"));
        }
    }

    /// The modules that it has loaded for its host.
    pub fn modules(&self) -> Vec<String> {
        let output = Command::new("prosodyctl")
            .arg("--config")
            .arg(&self.configuration)
            .args(["shell", "module:list('localhost')"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let listed = text
            .lines()
            .skip_while(|line| *line != "localhost:")
            .skip(1)
            .take_while(|line| line.starts_with("    "));
        listed.map(|line| line.trim().to_owned()).collect()
    }
}

impl Drop for Prosody {
    fn drop(&mut self) {
        self.stop();
    }
}
