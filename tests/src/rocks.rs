//! A server of rocks as a directory, with manifests made by the real tool.

use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{Answer, Server};

/// A server of rocks as a directory: a rockspec and a source rock for each version.
pub struct Rocks {
    directory: tempfile::TempDir,
}

impl Default for Rocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Rocks {
    /// Without rocks.
    pub fn new() -> Self {
        Self {
            directory: tempfile::Builder::new()
                .prefix("hoist-rocks-")
                .tempdir()
                .unwrap(),
        }
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Adds a version of a rock, of one file that says its version; call [`Rocks::publish`]
    /// afterwards.
    pub fn rock(&self, name: &str, version: &str, depends: &[&str]) -> &Self {
        self.rock_with(
            name,
            version,
            depends,
            &format!("return \"{name} {version}\"\n"),
        )
    }

    /// The same, of a file that holds this.
    pub fn rock_with(&self, name: &str, version: &str, depends: &[&str], code: &str) -> &Self {
        let build = format!("type = \"builtin\", modules = {{ [\"{name}\"] = \"{name}.lua\" }}");
        self.rock_built(name, version, depends, code, &build)
    }

    /// The same, of a program.
    pub fn program(&self, name: &str, version: &str, depends: &[&str], code: &str) -> &Self {
        let build = format!(
            "type = \"builtin\", modules = {{}}, install = {{ bin = {{ {name} = \"{name}.lua\" }} }}"
        );
        self.rock_built(
            name,
            version,
            depends,
            &format!("#!/usr/bin/env lua\n{code}\n"),
            &build,
        )
    }

    /// The same, built in this way.
    pub fn rock_built(
        &self,
        name: &str,
        version: &str,
        depends: &[&str],
        code: &str,
        build: &str,
    ) -> &Self {
        let depends: String = depends
            .iter()
            .map(|depends| format!("  \"{depends}\",\n"))
            .collect();
        let spec = format!(
            "package = \"{name}\"\nversion = \"{version}\"\nsource = {{ url = \"file:///{name}.lua\", dir = \".\" }}\n\
             description = {{\n  summary = \"The rock {name}\",\n  license = \"MIT\",\n}}\ndependencies = {{\n  \"lua >= 5.1\",\n{depends}}}\n\
             build = {{ {build} }}\n"
        );
        let file = |name: &str| self.path().join(name);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, content) in [
            (format!("{name}-{version}.rockspec"), spec.as_str()),
            (format!("{name}.lua"), code),
        ] {
            archive.start_file(name, options).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        std::fs::write(file(&format!("{name}-{version}.rockspec")), &spec).unwrap();
        std::fs::write(
            file(&format!("{name}-{version}.src.rock")),
            archive.finish().unwrap().into_inner(),
        )
        .unwrap();
        self
    }

    /// Adds a directory `doc` to a rock, where there is this version of it.
    pub fn document(&self, name: &str, version: &str) -> &Self {
        let path = self.path().join(format!("{name}-{version}.src.rock"));
        let Ok(file) = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
        else {
            return self;
        };
        let mut archive = ZipWriter::new_append(file).unwrap();
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file("doc/README.md", options).unwrap();
        archive.write_all(format!("# {name}\n").as_bytes()).unwrap();
        archive.finish().unwrap();
        self
    }

    /// Makes a rock one that cannot be built: its file has another name than its rockspec says.
    pub fn spoil(&self, name: &str, version: &str) -> &Self {
        let archive = self.path().join(format!("{name}-{version}.src.rock"));
        let mut bytes = std::fs::read(&archive).unwrap();
        let file = format!("{name}.lua");
        let places: Vec<usize> = bytes
            .windows(file.len())
            .enumerate()
            .filter(|(_, text)| *text == file.as_bytes())
            .map(|(place, _)| place)
            .collect();
        // Its header, and its entry in the directory at the end; between them the rockspec speaks
        // of it.
        for place in [places.last(), places.iter().rev().nth(1)]
            .into_iter()
            .flatten()
        {
            bytes[*place] = b'X';
        }
        std::fs::write(archive, bytes).unwrap();
        self
    }

    /// Writes the manifests, with the real tool.
    pub fn publish(&self) -> &Self {
        let output = Command::new("luarocks-admin")
            .args(["--lua-version=5.4", "make_manifest"])
            .arg(self.path())
            .env("HOME", self.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        self
    }

    /// Serves it over HTTP, each answer late by `latency`.
    pub fn serve(&self, latency: Duration) -> Server {
        let root = self.path().to_owned();
        Server::with_latency(latency, move |request| {
            match std::fs::read(root.join(request.path.trim_start_matches('/'))) {
                Ok(body) => Answer::new(200, body),
                Err(_) => Answer::new(404, "not here"),
            }
        })
    }
}
