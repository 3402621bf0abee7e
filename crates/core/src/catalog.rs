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
                let broken = Broken {
                    tier: parsed.tier,
                    diagnostics: parsed.diagnostics,
                };
                self.broken.insert(name.to_owned(), broken);
            }
        }
    }

    /// Adds modules that a source offers.
    pub fn offer(&mut self, modules: impl IntoIterator<Item = Module>) {
        for module in modules {
            match self.modules.contains_key(&module.id)
                || self.broken.contains_key(module.id.as_str())
            {
                true => self.hidden.push(module),
                false => drop(self.modules.insert(module.id.clone(), module)),
            }
        }
    }

    /// The name of the module that somebody means: letter case is ignored where its system does,
    /// and it also answers to its aliases.
    pub fn canonical(&self, name: &str) -> Option<&ModuleId> {
        if let Some((id, _)) = self.modules.get_key_value(name) {
            return Some(id);
        }
        if self.broken.contains_key(name) {
            return None;
        }
        let lenient = || {
            let modules = self.modules.values();
            modules.filter(|module| module.policy().ignores_case)
        };
        let is_called = |module: &&Module| module.id.as_str().eq_ignore_ascii_case(name);
        let is_alias = |module: &&Module| module.removal.is_alias(name);
        let answers = |module: &&Module| module.removal.answers_to(name);
        let found = lenient()
            .find(is_called)
            .or_else(|| self.modules.values().find(is_alias))
            .or_else(|| lenient().find(answers));
        found.map(|module| &module.id)
    }

    /// Lets the module of this source count, of those that have its name. False where there is
    /// none.
    pub fn prefer(&mut self, source: &str, name: &str) -> bool {
        self.prefer_where(name, |module| module.source == source)
    }

    /// Lets the module count that this is true of, of those that have its name. False where there
    /// is none.
    pub fn prefer_where(&mut self, name: &str, is_it: impl Fn(&Module) -> bool) -> bool {
        if self.modules.get(name).is_some_and(&is_it) {
            return true;
        }
        let place = self
            .hidden
            .iter()
            .position(|module| module.id.as_str() == name && is_it(module));
        let Some(place) = place else { return false };
        let wanted = self.hidden.remove(place);
        self.broken.remove(name);
        if let Some(former) = self.modules.insert(wanted.id.clone(), wanted) {
            self.hidden.push(former);
        }
        true
    }

    /// Of what is installed from a source, the module of that source counts; where that does not
    /// offer it any more, none does.
    pub fn prefer_installed(&mut self, installed: &Installed) {
        for (id, record) in installed
            .unfinished
            .iter()
            .chain(&installed.modules)
            .filter(|(_, record)| record.policy().keeps_source)
        {
            let other =
                |module: &Module| module.source != record.source && module.policy().keeps_source;
            if !self.prefer(&record.source, id.as_str()) && self.modules.get(id).is_some_and(other)
            {
                self.hidden.extend(self.modules.remove(id));
            }
        }
        // What several collections have is that of the collection it was installed from, or
        // migrated to.
        let of_collections = installed
            .modules
            .iter()
            .filter(|(_, record)| !record.policy().keeps_source);
        for (id, record) in of_collections {
            let same_root = |module: &Module| record.removal.root.as_ref() == Some(&module.root);
            if !self.prefer_where(id.as_str(), same_root) {
                self.prefer(&record.source, id.as_str());
            }
        }
    }

    /// Adds what is installed from a source that does not offer it any more, as far as the ledger
    /// remembers it.
    pub fn remember_gone(&mut self, installed: &Installed) {
        for (id, record) in installed
            .modules
            .iter()
            .filter(|(_, record)| record.policy().keeps_source)
        {
            self.modules
                .entry(id.clone())
                .or_insert_with(|| Module::remembered(id.clone(), record));
        }
    }

    /// All sound modules, to be changed: also those that others with their name hide.
    pub fn modules_mut(&mut self) -> impl Iterator<Item = &mut Module> {
        self.modules.values_mut().chain(&mut self.hidden)
    }

    /// Puts a module in place of whatever has its name.
    pub fn put(&mut self, module: Module) {
        self.broken.remove(module.id.as_str());
        self.modules.insert(module.id.clone(), module);
    }

    /// The module of this name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Module> {
        self.modules.get_mut(name)
    }

    /// Adds what is installed and has no sound manifest any more, as far as the ledger remembers
    /// it; a module that only has its name, from another collection, does not count.
    pub fn remember(&mut self, installed: &Installed) {
        for (id, record) in installed.modules.iter().chain(&installed.unfinished) {
            let other = |module: &Module| {
                module.digest != record.digest
                    && record
                        .removal
                        .root
                        .as_ref()
                        .is_some_and(|root| *root != module.root)
            };
            if self.modules.get(id).is_none_or(other) {
                self.broken.remove(id.as_str());
                self.modules
                    .insert(id.clone(), Module::remembered(id.clone(), record));
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
        self.broken
            .iter()
            .map(|(name, broken)| (name.as_str(), broken))
    }

    /// What is worth telling about sound manifests.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Every module of this name, the one that counts first.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Module> {
        self.modules.get(name).into_iter().chain(
            self.hidden
                .iter()
                .filter(move |module| module.id.as_str() == name),
        )
    }

    /// Modules that stand behind another of the same name.
    pub fn hidden(&self) -> &[Module] {
        &self.hidden
    }

    /// The modules whose name or description has each of these words, letter case ignored, also
    /// those that stand behind another: the exact name first, then names that start so, names that
    /// have it, descriptions; of those that fit alike the most mature first. Aliases count
    /// as names.
    pub fn search(&self, words: &[&str]) -> Vec<&Module> {
        let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let rank = |module: &Module| {
            let (name, summary) = (
                module.id.as_str().to_lowercase(),
                module.summary.to_lowercase(),
            );
            let aliases: Vec<String> = module
                .removal
                .aliases
                .iter()
                .map(|alias| alias.to_lowercase())
                .collect();
            let is_named = |fits: &dyn Fn(&str) -> bool| {
                fits(&name) || aliases.iter().any(|alias| fits(alias))
            };
            let of_word = |word: &String| match word.as_str() {
                word if is_named(&|name| name == word) => Some(0),
                word if is_named(&|name| name.starts_with(word)) => Some(1),
                word if name.contains(word) => Some(2),
                word if summary.contains(word) => Some(3),
                _ => None,
            };
            words.iter().map(of_word).sum::<Option<u32>>()
        };
        let all = self
            .modules()
            .map(|module| (module, 0))
            .chain(self.hidden.iter().map(|module| (module, 1)));
        let mut found: Vec<(u32, &Module, usize)> = all
            .filter_map(|(module, behind)| Some((rank(module)?, module, behind)))
            .collect();
        let immature = |module: &Module| module.offered.stage.map_or(0, |stage| stage.immaturity());
        found.sort_by_key(|(rank, module, behind)| {
            (*rank, immature(module), module.id.as_str(), *behind)
        });
        found.into_iter().map(|(_, module, _)| module).collect()
    }

    /// The nearest name that exists.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        did_you_mean(
            name,
            self.modules
                .keys()
                .map(ModuleId::as_str)
                .chain(self.broken.keys().map(String::as_str)),
        )
    }
}
