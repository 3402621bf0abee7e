//! Every module of every source, by name.

use std::collections::BTreeMap;

use crate::{Diagnostic, Installed, Module, ModuleId, Parsed, Tier, did_you_mean};

/// A manifest that cannot be used, and why.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The tier, when it could be told all the same.
    pub tier: Option<Tier>,
    /// At least one error.
    pub diagnostics: Vec<Diagnostic>,
}

/// Every module by its name. Of modules with the same name the one that was added first counts.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    modules: BTreeMap<ModuleId, Module>,
    broken: BTreeMap<String, Broken>,
    warnings: Vec<Diagnostic>,
    hidden: Vec<Module>,
}

impl Catalog {
    /// Adds what was read from the manifest called `name`.
    pub fn add(&mut self, name: &str, parsed: Parsed) {
        let known = self.modules.contains_key(name) || self.broken.contains_key(name);
        match parsed.module {
            Some(module) if known => self.hidden.push(module),
            Some(module) => {
                self.warnings.extend(parsed.diagnostics);
                self.modules.insert(module.id.clone(), module);
            }
            None if known => self.warnings.extend(parsed.diagnostics),
            None => {
                let broken = Broken { tier: parsed.tier, diagnostics: parsed.diagnostics };
                self.broken.insert(name.to_owned(), broken);
            }
        }
    }

    /// Adds what is installed and has no sound manifest any more, as far as the ledger remembers it; a module that only has its name, from another
    /// collection, does not count.
    pub fn remember(&mut self, installed: &Installed) {
        for (id, record) in installed.modules.iter().chain(&installed.unfinished) {
            let other =
                |module: &Module| module.digest != record.digest && record.removal.root.as_ref().is_some_and(|root| *root != module.root);
            if self.modules.get(id).is_none_or(other) {
                self.broken.remove(id.as_str());
                self.modules.insert(id.clone(), Module::remembered(id.clone(), record));
            }
        }
    }

    /// The module of this name, when its manifest is sound.
    pub fn get(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)
    }

    /// All sound modules, by name.
    pub fn modules(&self) -> impl ExactSizeIterator<Item = &Module> {
        self.modules.values()
    }

    /// The manifest of this name that cannot be used.
    pub fn broken(&self, name: &str) -> Option<&Broken> {
        self.broken.get(name)
    }

    /// All manifests that cannot be used, by the name of their file.
    pub fn all_broken(&self) -> impl Iterator<Item = (&str, &Broken)> {
        self.broken.iter().map(|(name, broken)| (name.as_str(), broken))
    }

    /// What is worth telling about sound manifests.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Modules that stand behind another of the same name.
    pub fn hidden(&self) -> &[Module] {
        &self.hidden
    }

    /// The modules whose name or description has each of these words, letter case ignored: the exact name first, then names that start so, names
    /// that have it, descriptions.
    pub fn search(&self, words: &[&str]) -> Vec<&Module> {
        let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let rank = |module: &Module| {
            let (name, summary) = (module.id.as_str().to_lowercase(), module.summary.to_lowercase());
            let of_word = |word: &String| match () {
                () if name == *word => Some(0),
                () if name.starts_with(word.as_str()) => Some(1),
                () if name.contains(word.as_str()) => Some(2),
                () if summary.contains(word.as_str()) => Some(3),
                () => None,
            };
            words.iter().map(of_word).sum::<Option<u32>>()
        };
        let mut found: Vec<(u32, &Module)> = self.modules().filter_map(|module| Some((rank(module)?, module))).collect();
        found.sort_by_key(|(rank, module)| (*rank, module.id.as_str()));
        found.into_iter().map(|(_, module)| module).collect()
    }

    /// The nearest name that exists.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.modules.keys().map(ModuleId::as_str).chain(self.broken.keys().map(String::as_str)))
    }
}
