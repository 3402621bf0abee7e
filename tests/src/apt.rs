//! A repository of tiny Debian packages, and an apt that knows only it: its lists and caches stand
//! in the fixture, the packages are installed for real and removed again.

use std::path::PathBuf;
use std::process::Command;

/// Packages called `PREFIX-NAME`, each with one program of the same name.
pub struct AptRepository {
    directory: tempfile::TempDir,
    packages: Vec<String>,
}

impl AptRepository {
    /// Builds packages; a name behind `:` is what it needs.
    pub fn new(packages: &[&str]) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("hoist-apt-")
            .tempdir()
            .unwrap();
        std::fs::set_permissions(
            directory.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let repository = Self {
            packages: packages
                .iter()
                .map(|name| name.split(':').next().unwrap().to_owned())
                .collect(),
            directory,
        };
        repository.remove();
        let mut index = String::new();
        for package in packages {
            index += &repository.build(package);
        }
        std::fs::write(repository.path("pool/Packages"), index).unwrap();
        let pool = repository.path("pool");
        std::fs::write(
            repository.path("sources.list"),
            format!("deb [trusted=yes] file:{} ./\n", pool.display()),
        )
        .unwrap();
        for directory in ["state/lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(repository.path(directory)).unwrap();
        }
        let own = |name: &str| repository.path(name).display().to_string();
        let config = format!(
            "Dir::Etc::SourceList \"{}\";\nDir::Etc::SourceParts \"/dev/null\";\nDir::State::Lists \"{}\";\nDir::Cache \"{}\";\nAPT::Sandbox::User \"root\";\n",
            own("sources.list"),
            own("state/lists"),
            own("cache"),
        );
        std::fs::write(repository.config(), config).unwrap();
        repository
    }

    /// For `APT_CONFIG`.
    pub fn config(&self) -> PathBuf {
        self.path("apt.conf")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Builds a package and returns its entry of the index.
    fn build(&self, package: &str) -> String {
        let (name, needs) = package.split_once(':').unwrap_or((package, ""));
        let depends = if needs.is_empty() {
            String::new()
        } else {
            format!("Depends: {needs}\n")
        };
        let tree = self.path(&format!("build/{name}"));
        std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        std::fs::create_dir_all(tree.join("usr/bin")).unwrap();
        let program = tree.join("usr/bin").join(name);
        std::fs::write(&program, format!("#!/bin/sh\necho {name}\n")).unwrap();
        std::fs::set_permissions(
            &program,
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let control = format!(
            "Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <a@example.test>\nDescription: a package of a test\n{depends}"
        );
        std::fs::write(tree.join("DEBIAN/control"), &control).unwrap();
        std::fs::create_dir_all(self.path("pool")).unwrap();
        let file = self.path("pool").join(format!("{name}.deb"));
        let built = Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Znone", "--build"])
            .arg(&tree)
            .arg(&file)
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let digest = Command::new("sha256sum")
            .arg(&file)
            .output()
            .unwrap()
            .stdout;
        let digest = String::from_utf8_lossy(&digest)
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned();
        let size = std::fs::metadata(&file).unwrap().len();
        format!("{control}Filename: ./{name}.deb\nSize: {size}\nSHA256: {digest}\n\n")
    }

    /// Takes the packages off the machine.
    fn remove(&self) {
        let _ = Command::new("dpkg")
            .args(["--purge", "--force-all"])
            .args(&self.packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output();
    }
}

impl Drop for AptRepository {
    fn drop(&mut self) {
        self.remove();
    }
}
