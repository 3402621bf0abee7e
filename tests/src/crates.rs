//! A registry of crates on loopback.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::{Answer, Sandbox, Server};

/// A registry, which the cargo of a sandbox uses in place of the public one.
pub struct CrateRegistry {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    _server: Server,
}

impl CrateRegistry {
    /// Starts one without crates.
    pub fn of(sandbox: &mut Sandbox) -> Self {
        let files = Arc::<Mutex<BTreeMap<String, Vec<u8>>>>::default();
        let served = files.clone();
        let server =
            Server::start(
                move |request| match served.lock().unwrap().get(&request.path) {
                    Some(body) => Answer::new(200, body.clone()),
                    None => Answer::new(404, ""),
                },
            );
        let configuration = json!({ "dl": server.url("/crates") }).to_string();
        files
            .lock()
            .unwrap()
            .insert("/config.json".to_owned(), configuration.into_bytes());
        sandbox.put(
            ".cargo/config.toml",
            &format!(
                "[source.crates-io]\nreplace-with = \"loopback\"\n[source.loopback]\nregistry = \"sparse+{}\"\n",
                server.url("/")
            ),
        );
        // A cargo that is rustup finds its toolchains there.
        let rustup = std::env::var("RUSTUP_HOME").map(PathBuf::from);
        let home = std::env::var("HOME").unwrap();
        let rustup = rustup.unwrap_or_else(|_| Path::new(&home).join(".rustup"));
        sandbox.set("RUSTUP_HOME", &rustup.display().to_string());
        Self {
            files,
            _server: server,
        }
    }

    /// Publishes a version of a crate: a program of its name that prints the version.
    pub fn publish(&self, name: &str, version: &str) {
        let work = tempfile::tempdir().unwrap();
        let root = work.path().join(format!("{name}-{version}"));
        std::fs::create_dir_all(root.join("src")).unwrap();
        let write = |file: &str, text: String| std::fs::write(root.join(file), text).unwrap();
        write(
            "Cargo.toml",
            format!(
                "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\ndescription = \"x\"\n"
            ),
        );
        write(
            "src/main.rs",
            format!("fn main() {{\n    println!(\"{name} {version}\");\n}}\n"),
        );
        let archive = work.path().join(format!("{name}-{version}.crate"));
        let packed = Command::new("tar")
            .arg("-czf")
            .arg(&archive)
            .arg("-C")
            .arg(work.path())
            .arg(format!("{name}-{version}"))
            .status();
        assert!(packed.unwrap().success());
        let digest = Command::new("sha256sum").arg(&archive).output().unwrap();
        let digest = String::from_utf8(digest.stdout).unwrap();
        let digest = digest.split_whitespace().next().unwrap();
        let line = json!({
            "name": name, "vers": version, "deps": [], "cksum": digest, "features": {},
            "yanked": false,
        });
        let mut files = self.files.lock().unwrap();
        let path = format!("/crates/{name}/{version}/download");
        files.insert(path, std::fs::read(archive).unwrap());
        // Names of four letters and more stand in directories of their first four.
        let index = format!("/{}/{}/{name}", &name[..2], &name[2..4]);
        let lines = files.entry(index).or_default();
        lines.extend(format!("{line}\n").into_bytes());
    }
}
