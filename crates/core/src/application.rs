//! A web application that modules are put into: where its parts are.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::tree::common_directory;
use crate::{ProtectedTree, is_shared};

/// A web application that modules are put into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its root directory.
    pub root: PathBuf,
    /// Where the directories of modules go.
    pub modules: PathBuf,
    /// What initialises it for an installer, where that is there.
    pub init: PathBuf,
    /// The directories of which nothing may be lost while an installer runs.
    pub watch: Vec<PathBuf>,
    /// What of them is not looked at, with everything below it.
    pub ignore: Vec<PathBuf>,
}

impl Application {
    /// An application as they usually are: installers also write beside it, so the directory that
    /// it stands in is watched, unless that is one that others share.
    pub fn at(root: &Path, home: Option<&Path>) -> Self {
        let is_own = |parent: &&Path| {
            let is_home =
                home.is_some_and(|home| home.starts_with(parent) || is_shared(parent, home));
            parent.components().count() > 2 && !is_home
        };
        let watch = root.parent().filter(is_own).unwrap_or(root).to_owned();
        Self {
            root: root.to_owned(),
            modules: root.join("class-modules"),
            init: root.join("init.php"),
            watch: vec![watch],
            ignore: vec![root.join("log"), root.join("logs")],
        }
    }

    /// The directory that everything watched is below.
    pub fn ground(&self) -> PathBuf {
        common_directory(&self.root, &self.watch)
    }

    /// What is protected while a module is installed or removed.
    pub fn tree(&self, module: &str) -> ProtectedTree {
        ProtectedTree {
            noun: "application".to_owned(),
            root: self.root.clone(),
            watch: self.watch.clone(),
            ignore: self.ignore.clone(),
            directory: self.directory(module),
        }
    }

    /// The directory of a module.
    pub fn directory(&self, name: &str) -> PathBuf {
        self.modules.join(name)
    }

    /// Finds why this is no application that could be worked on.
    ///
    /// # Errors
    /// Its parts are not where they could be protected: why.
    pub fn check(&self) -> Result<(), String> {
        let all = [&self.root, &self.modules, &self.init]
            .into_iter()
            .chain(&self.watch)
            .chain(&self.ignore);
        let twisted = |path: &&PathBuf| path.components().any(|part| part == Component::ParentDir);
        if let Some(path) = all.into_iter().find(twisted) {
            return Err(format!(
                "{} contains `..`, and is outside of the application",
                path.display()
            ));
        }
        if !self.modules.starts_with(&self.root) || self.modules == self.root {
            return Err(format!(
                "the modules directory {} is not in {}",
                self.modules.display(),
                self.root.display()
            ));
        }
        if self.ground().components().count() < 2 {
            return Err("the watched directories have no common parent but /".to_owned());
        }
        if let Some(ignored) = self
            .ignore
            .iter()
            .find(|ignored| self.modules.starts_with(ignored) || self.init.starts_with(ignored))
        {
            return Err(format!(
                "{} cannot be ignored: modules and the init file are always watched",
                ignored.display()
            ));
        }
        if !self
            .watch
            .iter()
            .any(|watched| self.modules.starts_with(watched))
        {
            return Err(format!(
                "the modules directory {} is not watched",
                self.modules.display()
            ));
        }
        Ok(())
    }
}

/// True for a name that can be that of a module's directory and of its class: a letter, then
/// letters, digits and `_`.
pub fn is_class_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= 100
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beside_an_application_is_watched_where_it_is_its_own() {
        let watched = |root: &str| {
            Application::at(Path::new(root), Some(Path::new("/home/me"))).watch[0]
                .display()
                .to_string()
        };
        assert_eq!(watched("/srv/www/site/app-nullos"), "/srv/www/site");
        for alone in [
            "/home/me/app",
            "/srv/app",
            "/app",
            "/home/me/.config/app",
            "/home/app",
        ] {
            assert_eq!(watched(alone), alone);
        }
    }

    #[test]
    fn names_that_are_no_classes_are_told_apart() {
        assert!(is_class_name("Pizza") && is_class_name("a_1"));
        for bad in ["", "1a", "_a", "a-b", "../a", "a.b", "\u{e4}", "a b"] {
            assert!(!is_class_name(bad), "{bad}");
        }
    }
}
