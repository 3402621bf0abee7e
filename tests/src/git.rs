//! Repositories made with the real git.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of bare repositories.
pub struct GitFixture {
    directory: tempfile::TempDir,
}

impl Default for GitFixture {
    fn default() -> Self {
        Self::new()
    }
}

impl GitFixture {
    /// None yet.
    pub fn new() -> Self {
        Self {
            directory: tempfile::Builder::new()
                .prefix("hoist-git-")
                .tempdir()
                .unwrap(),
        }
    }

    /// Where the repositories stand.
    pub fn root(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Runs git in a directory of the fixture.
    pub fn git(&self, directory: &str, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@example.test",
                "-c",
                "init.defaultBranch=main",
                "-c",
                "protocol.file.allow=always",
            ])
            .args(arguments)
            .current_dir(self.directory.path().join(directory))
            .env("HOME", self.directory.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A bare repository `NAME.git` with this many commits on `main`, a branch `side`, and a tag
    /// `v1` on the first commit.
    pub fn repository(&self, name: &str, commits: usize) -> PathBuf {
        let work = format!("{name}.work");
        self.git(".", &["init", "-q", &work]);
        let work_path = self.directory.path().join(&work);
        for number in 1..=commits {
            std::fs::write(work_path.join("file"), format!("{name} {number}\n")).unwrap();
            self.commit(&work, &format!("commit {number}"));
            if number == 1 {
                self.git(&work, &["tag", "v1"]);
            }
        }
        self.git(&work, &["branch", "side", "v1"]);
        self.publish(name)
    }

    /// Two repositories: `old.git`, and `new.git` with one more commit, which changes `file` to
    /// `newest` and adds `more`.
    pub fn old_and_new(&self) -> [PathBuf; 2] {
        let (old, new) = (self.repository("old", 2), self.repository("new", 2));
        self.git("new.work", &["fetch", "-q", "../old.git", "main"]);
        self.git("new.work", &["reset", "-q", "--hard", "FETCH_HEAD"]);
        for (file, text) in [("file", "newest\n"), ("more", "more\n")] {
            std::fs::write(self.path("new.work").join(file), text).unwrap();
        }
        self.commit("new.work", "newest");
        self.publish("new");
        [old, new]
    }

    /// Commits everything in a work tree.
    pub fn commit(&self, work: &str, message: &str) {
        self.git(work, &["add", "-A"]);
        self.git(work, &["commit", "-q", "-m", message]);
    }

    /// Makes `NAME.git` what the work tree `NAME.work` is.
    pub fn publish(&self, name: &str) -> PathBuf {
        let bare = self.directory.path().join(format!("{name}.git"));
        let _ = std::fs::remove_dir_all(&bare);
        self.git(
            ".",
            &[
                "clone",
                "-q",
                "--bare",
                &format!("{name}.work"),
                &format!("{name}.git"),
            ],
        );
        self.git(
            &format!("{name}.git"),
            &["config", "uploadpack.allowFilter", "true"],
        );
        bare
    }

    /// A path below the fixture.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(Path::new(name))
    }
}
