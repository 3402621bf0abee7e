//! Figures of the structure of the code: the largest import circle, lines of generic code that name
//! a system, the longest function.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::syntax::{File, crates, parse};

/// Files and directories below `crates` that belong to one system, which they may name.
const SYSTEM_FILES: &[&str] = &[
    "applications",
    "cli/src/applications.rs",
    "cli/src/args/help.rs",
    "cli/src/args/plugin.rs",
    "cli/src/args/sources.rs",
    "cli/src/commands/deploy",
    "cli/src/commands/deploy.rs",
    "cli/src/commands/hosts.rs",
    "cli/src/commands/plugin",
    "cli/src/commands/plugin.rs",
    "cli/src/commands/prosodyctl.rs",
    "cli/src/commands/undeploy.rs",
    "cli/src/plugins.rs",
    "cli/src/server.rs",
    "cli/src/server_configuration.rs",
    "cli/src/shipped.rs",
    "cli/src/systems.rs",
    "core/src/application.rs",
    "core/src/format/native",
    "core/src/format/shell",
    "core/src/shared.rs",
    "deploy",
    "ledger/src/former.rs",
    "ledger/src/schema.rs",
    "methods",
    "plugins",
    "prosody",
    "shell",
    "sources",
];

/// Words that name a system or something of one.
const SYSTEM_WORDS: &[&str] = &[
    "rock",
    "rocks",
    "luarocks",
    "lua",
    "prosody",
    "mercurial",
    "hg",
    "plugin",
    "plugins",
    "prosody",
    "shell",
    "application",
    "applications",
    "deployment",
    "deployments",
    "compose",
    "docker",
    "swarm",
    "pip",
    "python",
    "apt",
    "indexed",
    "main_module",
    "check_module_installed",
    "update_module",
];

/// Starts of words that name something of a system.
const SYSTEM_PREFIXES: &[&str] = &["MODULE_", "mod_"];

/// Figures of the crates below `crates`.
pub(crate) struct Figures {
    /// Files of the import circles, the largest of each crate.
    pub(crate) circles: Vec<Vec<String>>,
    /// Lines of generic code that name a system, by file.
    pub(crate) names: BTreeMap<String, BTreeSet<usize>>,
    /// The longest functions, longest first: lines, name, file.
    pub(crate) functions: Vec<(usize, String, String)>,
}

/// Prints the figures.
#[expect(clippy::print_stdout, reason = "the output of the task")]
pub(crate) fn run() -> Result<()> {
    const LISTED: usize = 10;
    let figures = Figures::measure()?;
    let largest = figures.circles.first().map_or(0, Vec::len);
    println!("largest import circle: {largest} files");
    for circle in figures.circles.iter().take(LISTED) {
        println!("  {:4} {}", circle.len(), circle.join(" "));
    }
    println!(
        "lines of generic code that name a system: {} in {} files",
        figures.names.values().map(BTreeSet::len).sum::<usize>(),
        figures.names.len()
    );
    let mut names: Vec<_> = figures.names.iter().collect();
    names.sort_by_key(|(file, lines)| (std::cmp::Reverse(lines.len()), file.as_str()));
    names
        .iter()
        .take(LISTED)
        .for_each(|(file, lines)| println!("  {:4} {file}", lines.len()));
    println!(
        "longest function: {} lines",
        figures.functions.first().map_or(0, |(lines, ..)| *lines)
    );
    figures
        .functions
        .iter()
        .take(LISTED)
        .for_each(|(lines, name, file)| println!("  {lines:4} {name} in {file}"));
    Ok(())
}

impl Figures {
    /// Reads all files of the crates.
    pub(crate) fn measure() -> Result<Self> {
        let mut figures = Self {
            circles: Vec::new(),
            names: BTreeMap::new(),
            functions: Vec::new(),
        };
        for directory in crates()? {
            let files = parse(&directory.join("src"))?;
            for file in &files {
                figures.functions.extend(functions(file));
                let is_system = SYSTEM_FILES
                    .iter()
                    .any(|system| Path::new(&file.shown).starts_with(format!("crates/{system}")));
                let lines = named_lines(file);
                if !is_system && !lines.is_empty() {
                    figures.names.insert(file.shown.clone(), lines);
                }
            }
            let circle = largest_circle(&imports(&files));
            let shown = circle.into_iter().map(|place| files[place].shown.clone());
            figures.circles.push(shown.collect());
        }
        figures.circles.retain(|circle| circle.len() > 1);
        figures
            .circles
            .sort_by_key(|circle| std::cmp::Reverse(circle.len()));
        figures.functions.sort_by(|a, b| b.cmp(a));
        Ok(figures)
    }
}

/// The functions of a file with their lines.
fn functions(file: &File) -> Vec<(usize, String, String)> {
    struct Functions(Vec<(usize, String)>);
    impl Functions {
        fn add(&mut self, name: &syn::Ident, start: Span, end: Span) {
            self.0
                .push((end.end().line + 1 - start.start().line, name.to_string()));
        }
    }
    impl<'ast> Visit<'ast> for Functions {
        fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
            self.add(&item.sig.ident, item.sig.span(), item.block.span());
            visit::visit_item_fn(self, item);
        }

        fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
            self.add(&item.sig.ident, item.sig.span(), item.block.span());
            visit::visit_impl_item_fn(self, item);
        }
    }
    let mut found = Functions(Vec::new());
    found.visit_file(&file.syntax);
    found
        .0
        .into_iter()
        .map(|(lines, name)| (lines, name, file.shown.clone()))
        .collect()
}

/// The lines of a file with a word that names a system, in identifiers or literals.
fn named_lines(file: &File) -> BTreeSet<usize> {
    struct Names(BTreeSet<usize>);
    impl Names {
        fn check(&mut self, text: &str, span: Span) {
            if names_system(text) {
                self.0.insert(span.start().line);
            }
        }
    }
    impl<'ast> Visit<'ast> for Names {
        fn visit_ident(&mut self, ident: &'ast syn::Ident) {
            self.check(&ident.to_string(), ident.span());
        }

        fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
            // Directories of a home have names of their own.
            if !literal.value().starts_with(".local/") {
                self.check(&literal.value(), literal.span());
            }
        }

        // Comments are attributes of the syntax tree.
        fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            check_tokens(self, call.tokens.clone());
        }
    }
    fn check_tokens(names: &mut Names, tokens: proc_macro2::TokenStream) {
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Group(group) => check_tokens(names, group.stream()),
                proc_macro2::TokenTree::Punct(_) => {}
                other => names.check(&other.to_string(), other.span()),
            }
        }
    }
    let mut names = Names(BTreeSet::new());
    names.visit_file(&file.syntax);
    names.0
}

/// Whether a text has a word of a system: identifiers are split where their words begin.
fn names_system(text: &str) -> bool {
    let words = || text.split(|character: char| !character.is_alphanumeric() && character != '_');
    words().any(|word| {
        SYSTEM_PREFIXES
            .iter()
            .any(|prefix| word.starts_with(prefix))
            || SYSTEM_WORDS.contains(&word)
            || parts(word)
                .iter()
                .any(|part| SYSTEM_WORDS.contains(&part.as_str()))
    })
}

/// The words of an identifier in snake case or camel case, in lower case.
fn parts(identifier: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for character in identifier.chars() {
        if character == '_' || character.is_uppercase() && was_lower {
            parts.push(String::new());
        }
        was_lower = character.is_lowercase();
        if let (true, Some(part)) = (character != '_', parts.last_mut()) {
            part.extend(character.to_lowercase());
        }
    }
    parts
}

/// For each file the files that it imports from, by their places.
fn imports(files: &[File]) -> Vec<BTreeSet<usize>> {
    let by_module: BTreeMap<&[String], usize> = files
        .iter()
        .enumerate()
        .map(|(place, file)| (file.module.as_slice(), place))
        .collect();
    let all: Vec<Vec<Import>> = files.iter().map(|file| collect(file, &by_module)).collect();
    // What a module only hands on is imported from where it is defined.
    let handed_on: Vec<BTreeMap<&str, &[String]>> = all
        .iter()
        .map(|imports| {
            imports
                .iter()
                .filter_map(|import| Some((import.name.as_deref()?, import.path.as_slice())))
                .collect()
        })
        .collect();
    let place = |path: &[String]| -> Option<usize> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let length = (0..=path.len())
                .rev()
                .find(|length| by_module.contains_key(&path[..*length]))?;
            let found = by_module[&path[..length]];
            match path
                .get(length)
                .and_then(|name| handed_on[found].get(name.as_str()))
            {
                Some(other) if **other != path[..] => path = other.to_vec(),
                _ => return Some(found),
            }
        }
        None
    };
    let targets = |(own, imports): (usize, &Vec<Import>)| {
        imports
            .iter()
            .filter_map(|import| place(&import.path))
            .filter(|target| *target != own)
            .collect()
    };
    all.iter().enumerate().map(targets).collect()
}

/// A path into the own crate, from its root.
struct Import {
    path: Vec<String>,
    /// The name that the module has for it from then on, in a `use`.
    name: Option<String>,
}

fn collect(file: &File, modules: &BTreeMap<&[String], usize>) -> Vec<Import> {
    struct Paths<'f> {
        file: &'f File,
        modules: &'f BTreeMap<&'f [String], usize>,
        found: Vec<Import>,
    }
    impl Paths<'_> {
        /// A path as names from the root of the crate; `None` for a path into another crate.
        fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
            let module = &self.file.module;
            let first = path.first()?;
            let (base, skipped) = match first.as_str() {
                "crate" => (&[][..], 1),
                "self" => (&module[..], 1),
                "super" => {
                    let ups = path.iter().take_while(|part| *part == "super").count();
                    (&module[..module.len().checked_sub(ups)?], ups)
                }
                _ => {
                    let child: Vec<String> = module.iter().chain([first]).cloned().collect();
                    self.modules
                        .contains_key(child.as_slice())
                        .then_some((&module[..], 0))?
                }
            };
            Some(base.iter().chain(&path[skipped..]).cloned().collect())
        }

        fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
            let with = |name: &syn::Ident| {
                before
                    .iter()
                    .cloned()
                    .chain([name.to_string()])
                    .collect::<Vec<_>>()
            };
            let (path, name) = match tree {
                syn::UseTree::Path(path) => return self.tree(&with(&path.ident), &path.tree),
                syn::UseTree::Group(group) => {
                    return group.items.iter().for_each(|tree| self.tree(before, tree));
                }
                syn::UseTree::Name(name) if name.ident == "self" => {
                    (before.to_vec(), before.last().cloned())
                }
                syn::UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
                syn::UseTree::Rename(rename) => {
                    (with(&rename.ident), Some(rename.rename.to_string()))
                }
                syn::UseTree::Glob(_) => (before.to_vec(), None),
            };
            if let Some(path) = self.absolute(&path) {
                self.found.push(Import { path, name });
            }
        }
    }
    impl<'ast> Visit<'ast> for Paths<'_> {
        fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
            self.tree(&[], &item.tree);
        }

        fn visit_path(&mut self, path: &'ast syn::Path) {
            let names: Vec<String> = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            let is_relative = names.len() > 1;
            if let Some(path) = self.absolute(&names).filter(|_| is_relative) {
                self.found.push(Import { path, name: None });
            }
            visit::visit_path(self, path);
        }
    }
    let mut paths = Paths {
        file,
        modules,
        found: Vec::new(),
    };
    paths.visit_file(&file.syntax);
    paths.found
}

/// The largest set of nodes of which each leads to every other.
fn largest_circle(edges: &[BTreeSet<usize>]) -> Vec<usize> {
    let reachable = |start: usize| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![start]);
        while let Some(next) = waiting.pop() {
            waiting.extend(
                edges[next]
                    .iter()
                    .copied()
                    .filter(|target| seen.insert(*target)),
            );
        }
        seen
    };
    let all: Vec<BTreeSet<usize>> = (0..edges.len()).map(reachable).collect();
    let circle = |node: usize| {
        (0..edges.len())
            .filter(|other| all[node].contains(other) && all[*other].contains(&node))
            .collect::<Vec<_>>()
    };
    (0..edges.len())
        .map(circle)
        .max_by_key(Vec::len)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_systems_are_found_in_identifiers_and_texts() {
        for text in [
            "is_indexed",
            "RockTree",
            "MODULE_NAME",
            "mod_push",
            "main_module",
            "a plugin is deployed",
            "pip_packages",
        ] {
            assert!(names_system(text), "{text}");
        }
        for text in [
            "pipe", "adapt", "Module", "capture", "mode", "modulo", "dockyard",
        ] {
            assert!(!names_system(text), "{text}");
        }
    }

    #[test]
    fn the_largest_circle_is_found() {
        let edges =
            [vec![1], vec![2], vec![0, 3], vec![4], vec![3], vec![0]].map(BTreeSet::from_iter);
        assert_eq!(largest_circle(&edges), [0, 1, 2]);
        assert!(largest_circle(&[BTreeSet::from([1]), BTreeSet::new()]).is_empty());
    }

    #[test]
    fn what_a_module_hands_on_is_imported_from_its_definition() {
        let file = |shown: &str, module: &[&str], text: &str| File {
            shown: shown.to_owned(),
            module: module.iter().map(|name| (*name).to_owned()).collect(),
            syntax: syn::parse_file(text).unwrap(),
        };
        let files = [
            file("lib.rs", &[], "mod a; mod b; pub use a::A;"),
            file("a.rs", &["a"], "pub struct A; fn f() { crate::b::g() }"),
            file("b.rs", &["b"], "use crate::A; fn g() { super::b::h() }"),
        ];
        let edges = imports(&files);
        assert_eq!(
            edges,
            [
                BTreeSet::from([1]),
                BTreeSet::from([2]),
                BTreeSet::from([1])
            ]
        );
    }
}
