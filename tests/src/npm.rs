//! A registry of npm packages on loopback.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::{Answer, Server};

/// What the registry answers: packuments and archives by path.
type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A registry that ends when it is dropped.
pub struct NpmRegistry {
    server: Server,
    files: Files,
}

impl NpmRegistry {
    /// Starts one without packages.
    pub fn start() -> Self {
        let files = Files::default();
        let served = files.clone();
        let server = Server::start(move |request| {
            let path = request.path.replace("%2f", "/");
            match served.lock().unwrap().get(&path) {
                Some(body) => Answer::new(200, body.clone()),
                None => Answer::new(404, "{}"),
            }
        });
        Self { server, files }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url("/")
    }

    /// Publishes a version of a package, which becomes the latest: a program of its name, without
    /// the scope, that prints the version.
    pub fn publish(&self, name: &str, version: &str) {
        let directory = tempfile::tempdir().unwrap();
        let program = name.rsplit('/').next().unwrap();
        let manifest =
            json!({ "name": name, "version": version, "bin": { program: "program.js" } });
        let write = |file: &str, text: String| {
            std::fs::write(directory.path().join(file), text).unwrap();
        };
        write("package.json", manifest.to_string());
        write(
            "program.js",
            format!("#!/usr/bin/env node\nconsole.log('{program} {version}')\n"),
        );
        let packed = Command::new("npm")
            .args(["pack", "--json"])
            .current_dir(directory.path())
            .env("npm_config_cache", directory.path().join("cache"))
            .output()
            .unwrap();
        assert!(packed.status.success(), "{packed:?}");
        let packed: Value = serde_json::from_slice(&packed.stdout).unwrap();
        let packed = &packed[0];
        let archive = directory.path().join(packed["filename"].as_str().unwrap());
        let mut files = self.files.lock().unwrap();
        let path = format!("/-/{program}-{version}.tgz");
        files.insert(path.clone(), std::fs::read(archive).unwrap());
        let packument = files.entry(format!("/{name}")).or_insert_with(|| {
            json!({ "name": name, "versions": {} })
                .to_string()
                .into_bytes()
        });
        let mut document: Value = serde_json::from_slice(packument).unwrap();
        let mut release = manifest;
        release["dist"] = json!({
            "tarball": self.server.url(&path),
            "shasum": packed["shasum"],
            "integrity": packed["integrity"],
        });
        document["versions"][version] = release;
        document["dist-tags"] = json!({ "latest": version });
        *packument = document.to_string().into_bytes();
    }
}
