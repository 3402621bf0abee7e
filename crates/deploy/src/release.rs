//! What is kept of a deployment: for each release the plugin's files and how they were configured,
//! so that it can come back; and the directory that Compose works in, which stays the same, so that
//! what containers share with it does, too. Only the owner can look into any of it: there are
//! secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hoist_core::ModuleId;
use hoist_plugins::Project;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The places of one deployment.
#[derive(Debug, Clone)]
pub struct DeploymentPaths {
    root: PathBuf,
    /// The name of the plugin, which its directory has in every release.
    plugin: String,
}

/// What a release is made of beside the plugin's files.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseFile {
    /// The version of the plugin.
    pub version: String,
    /// How it is deployed.
    pub kind: String,
    /// How many of each service that can be several, where that was asked for.
    pub replicas: Option<u32>,
    /// Whether it was deployed for debugging.
    pub debug: bool,
    /// The configuration, with secrets.
    pub values: Value,
    /// The variables that stand for values.
    pub variables: BTreeMap<String, String>,
    /// What Compose gets.
    pub project: Project,
    /// The values of it that are secrets.
    pub secrets: Vec<String>,
    /// The directory that the plugin was read from.
    pub from: PathBuf,
    /// What a person gave: files and single values, so that an upgrade can do the same.
    pub given: Value,
}

impl ReleaseFile {
    /// True where it consists of containers.
    pub fn has_containers(&self) -> bool {
        matches!(self.kind.as_str(), "compose" | SWARM)
    }
}

/// How a plugin with a file of Docker Compose is deployed to a Swarm.
pub const SWARM: &str = "swarm";

const RELEASE: &str = "release.json";
const SECRETS: &str = "secrets.json";
const HOSTS: &str = "hosts.json";

impl DeploymentPaths {
    /// Of a plugin in an environment, which may have no name.
    pub fn new(state: &Path, plugin: &ModuleId, environment: &str) -> Self {
        Self {
            root: state.join("deployments").join(called(plugin, environment)),
            plugin: plugin.to_string(),
        }
    }

    /// The directory that Compose works in.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    fn release(&self, number: u32) -> PathBuf {
        self.root.join("releases").join(number.to_string())
    }

    /// The plugin's files of a release.
    pub fn plugin(&self, number: u32) -> PathBuf {
        self.release(number).join(&self.plugin)
    }

    /// What a release was made of.
    ///
    /// # Errors
    /// It is not there, or somebody changed it.
    pub fn read(&self, number: u32) -> io::Result<ReleaseFile> {
        let text = std::fs::read(self.release(number).join(RELEASE))?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    }

    /// Writes a release down; `copy` copies the plugin's files into a directory. What an earlier
    /// attempt left of the release is removed.
    pub fn prepare(
        &self,
        number: u32,
        file: &ReleaseFile,
        copy: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        self.forget(number)?;
        let target = self.plugin(number);
        private_directory(&target)?;
        copy(&target)?;
        write_private(
            &self.release(number).join(RELEASE),
            &serde_json::to_vec(file)?,
        )
    }

    /// Lets a release go.
    pub fn forget(&self, number: u32) -> io::Result<()> {
        match std::fs::remove_dir_all(self.release(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Lets everything go.
    pub(crate) fn forget_all(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The last one takes the directory of all with it.
        let _ = self.root.parent().map(std::fs::remove_dir);
        Ok(())
    }

    /// Lets everything go but the secrets that were made: what containers keep may be locked with
    /// them.
    pub(crate) fn forget_but_secrets(&self) -> io::Result<()> {
        let secrets = self.secrets();
        self.forget_all()?;
        if secrets.is_empty() {
            Ok(())
        } else {
            self.keep_secrets(&secrets)
        }
    }

    /// Makes the directory that Compose works in that of a release: what is of no release, such as
    /// what containers wrote, stays.
    pub(crate) fn check_out(&self, number: u32) -> io::Result<()> {
        let (from, work) = (self.plugin(number), self.work());
        let list = self.root.join("work.json");
        let known: BTreeSet<PathBuf> = std::fs::read(&list)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let mut files = BTreeSet::new();
        paths_of(&from, Path::new(""), &mut files)?;
        for (path, text) in &self.read(number)?.project.files {
            files.insert(PathBuf::from(path));
            let target = work.join(path);
            private_directory(target.parent().unwrap_or(&work))?;
            if std::fs::read(&target).ok().as_deref() != Some(text.as_bytes()) {
                write_private(&target, text.as_bytes())?;
            }
        }
        let rendered: BTreeSet<PathBuf> = self
            .read(number)?
            .project
            .files
            .into_iter()
            .map(|(path, _)| PathBuf::from(path))
            .collect();
        for path in files.difference(&rendered) {
            put(&from.join(path), &work.join(path))?;
        }
        write_private(&list, &serde_json::to_vec(&files)?)?;
        for gone in known.difference(&files) {
            let _ = std::fs::remove_file(work.join(gone));
        }
        Ok(())
    }

    /// The hosts that a deployment was begun on; nothing where an earlier version did not keep
    /// that.
    pub(crate) fn begun_hosts(&self) -> Option<BTreeSet<String>> {
        std::fs::read(self.root.join(HOSTS))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
    }

    /// Keeps that a deployment was begun on these hosts as well.
    pub(crate) fn keep_begun_hosts<'h>(
        &self,
        hosts: impl Iterator<Item = &'h str>,
    ) -> io::Result<()> {
        let known = self.begun_hosts().unwrap_or_default();
        let all: BTreeSet<String> = known.into_iter().chain(hosts.map(str::to_owned)).collect();
        private_directory(&self.root)?;
        write_private(&self.root.join(HOSTS), &serde_json::to_vec(&all)?)
    }

    /// Secrets that were made for the deployment, by their paths.
    pub fn secrets(&self) -> BTreeMap<String, String> {
        std::fs::read(self.root.join(SECRETS))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Where the secrets are kept.
    pub(crate) fn secrets_file(&self) -> PathBuf {
        self.root.join(SECRETS)
    }

    /// The places of all deployments of a plugin of which something is kept.
    pub(crate) fn all_of(state: &Path, plugin: &ModuleId) -> Vec<Self> {
        let entries = std::fs::read_dir(state.join("deployments"))
            .into_iter()
            .flatten()
            .flatten();
        let is_of_plugin = |entry: &std::fs::DirEntry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.split('@').next() == Some(plugin.as_str()))
        };
        entries
            .filter(is_of_plugin)
            .map(|entry| Self {
                root: entry.path(),
                plugin: plugin.to_string(),
            })
            .collect()
    }

    /// Keeps secrets that were made for the deployment.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn keep_secrets(&self, secrets: &BTreeMap<String, String>) -> io::Result<()> {
        private_directory(&self.root)?;
        write_private(&self.root.join(SECRETS), &serde_json::to_vec(secrets)?)
    }
}

/// The secrets of everything that is kept of the deployments of a plugin: of what runs, of what ran
/// before, and those that were made for it.
pub fn kept_secrets(state: &Path, plugin: &ModuleId) -> Vec<String> {
    let mut secrets = Vec::new();
    for place in DeploymentPaths::all_of(state, plugin) {
        secrets.extend(place.secrets().into_values());
        let releases = std::fs::read_dir(place.root.join("releases"))
            .into_iter()
            .flatten()
            .flatten();
        let numbers = releases.filter_map(|release| release.file_name().to_str()?.parse().ok());
        secrets.extend(
            numbers
                .filter_map(|number| place.read(number).ok())
                .flat_map(|file| file.secrets),
        );
    }
    secrets
}

/// What a deployment is called: the plugin, and the environment where it has a name.
pub fn called(plugin: &ModuleId, environment: &str) -> String {
    if environment.is_empty() {
        plugin.to_string()
    } else {
        format!("{plugin}@{environment}")
    }
}

fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Written as a whole or not at all, and readable by nobody else.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    hoist_files::write(path, content, 0o600)
}

fn paths_of(root: &Path, inside: &Path, into: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => paths_of(root, &path, into)?,
            false => drop(into.insert(path)),
        }
    }
    Ok(())
}

/// Puts a file where it belongs, unless it is there.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    private_directory(to.parent().unwrap_or(to))?;
    let metadata = from.symlink_metadata()?;
    if metadata.is_symlink() {
        let target = from.read_link()?;
        if to.read_link().ok().as_ref() != Some(&target) {
            let _ = std::fs::remove_file(to);
            std::os::unix::fs::symlink(target, to)?;
        }
        return Ok(());
    }
    let (content, mode) = (std::fs::read(from)?, metadata.permissions().mode() & 0o7777);
    let same = std::fs::read(to).is_ok_and(|there| there == content);
    let same = same
        && to
            .metadata()
            .is_ok_and(|there| there.permissions().mode() & 0o7777 == mode);
    if same {
        return Ok(());
    }
    // A container that a file is mounted into sees what is written to it, and not what takes its
    // place.
    if to
        .symlink_metadata()
        .is_ok_and(|there| there.is_file() && !there.permissions().readonly())
    {
        std::fs::write(to, &content)?;
        return std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode));
    }
    hoist_files::write(to, &content, mode)
}
