//! Python packages of modules, as pip and its records know them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use hoist_core::{Presence, ResourceScope};
use hoist_executor::Failure;

use super::{distributions, install, normalized, uninstall};
use crate::user_packages::{UserPackages, pool};
use hoist_system::context::StepContext;
use hoist_system::resource::{AlteredFiles, ResourceManager};

/// Manages packages below directories that are laid out as a user's site.
pub(super) struct PythonPackages;

impl ResourceManager for PythonPackages {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn nouns(&self) -> [&'static str; 2] {
        ["Python package", "Python packages"]
    }

    fn normalized(&self, name: &str) -> String {
        normalized(name)
    }

    fn request(&self, name: &str, version: &str) -> String {
        format!("{}=={version}", normalized(name))
    }

    fn pool(&self, scope: &ResourceScope) -> String {
        pool(Self::NAME, &scope.directory)
    }

    fn versions(&self, scope: &ResourceScope, name: &str) -> Vec<String> {
        let version = distributions::installed(&scope.directory, name);
        version.into_iter().collect()
    }

    fn names(&self, scope: &ResourceScope) -> BTreeSet<String> {
        distributions::names(&scope.directory)
    }

    fn install(
        &self,
        scope: &ResourceScope,
        requests: &[String],
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        install(context, &scope.directory, requests, &[])
    }

    fn remove(
        &self,
        scope: &ResourceScope,
        names: &[String],
        _: Option<&str>,
        context: &StepContext<'_>,
    ) -> Result<(), Failure> {
        uninstall(context, &scope.directory, names)
    }

    fn owned_files(&self, home: &Path, new: &[&Path]) -> BTreeSet<PathBuf> {
        distributions::scripts_of_user(home, new)
    }

    fn presence(&self, scope: &ResourceScope, name: &str, _: Option<&str>) -> Presence {
        match distributions::installed(&scope.directory, name) {
            Some(_) => Presence::Present,
            None => Presence::Missing(format!(
                "the Python package {name} below {}",
                scope.directory.display()
            )),
        }
    }

    fn dependencies(&self, scope: &ResourceScope, names: &[String]) -> BTreeSet<String> {
        distributions::dependencies(&scope.directory, names)
    }

    fn needed(&self, scope: &ResourceScope, going: &[String]) -> BTreeMap<String, String> {
        distributions::needed(&scope.directory, going)
    }

    fn altered(&self, scope: &ResourceScope, names: &[String]) -> io::Result<AlteredFiles> {
        distributions::altered(&scope.directory, names)
    }
}
