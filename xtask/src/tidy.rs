//! Compares what the documents say with what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::figures::Figures;
use crate::run::root;
use crate::syntax::messages_read_back;
use crate::words;

/// Prints what does not agree.
pub(crate) fn run() -> Result<()> {
    match findings()? {
        findings if findings.is_empty() => Ok(()),
        findings => bail!("\n  {}", findings.join("\n  ")),
    }
}

/// What does not agree, a line each.
pub(crate) fn findings() -> Result<Vec<String>> {
    let mut findings = dependencies()?;
    findings.extend(crates()?);
    findings.extend(pure_crates()?);
    findings.extend(feature_table()?);
    findings.extend(messages_read_back()?);
    findings.extend(import_circles()?);
    findings.extend(systems_named()?);
    findings.extend(reusable_crates()?);
    findings.extend(words::findings()?);
    Ok(findings)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{}", path.display()))
}

/// The table of `docs/architecture.md` says which crate may use which; the manifests must say the
/// same.
fn dependencies() -> Result<Vec<String>> {
    let text = read(&root().join("docs/architecture.md"))?;
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| crate | may use |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let names = cells[2]
            .split(',')
            .map(|name| name.trim().trim_matches('`').to_owned())
            .filter(|name| !name.is_empty() && name != "–");
        allowed.insert(cells[1].trim_matches('`').to_owned(), names.collect());
    }
    let mut findings = Vec::new();
    for (name, manifest) in manifests()? {
        let uses: BTreeSet<String> = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("hoist-"))
            .map(|rest| {
                rest.split(['.', ' ', '='])
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        match allowed.remove(&name) {
            None => findings.push(format!(
                "docs/architecture.md: the table of crates has no row for {name}"
            )),
            Some(allowed) if allowed != uses => findings.push(format!(
                "{name} uses {uses:?}, docs/architecture.md says {allowed:?}"
            )),
            Some(_) => {}
        }
    }
    findings.extend(
        allowed
            .into_keys()
            .map(|name| format!("docs/architecture.md: there is no crate {name}")),
    );
    Ok(findings)
}

/// Every crate by the name of its directory, with its manifest.
fn manifests() -> Result<BTreeMap<String, String>> {
    let mut directories: Vec<PathBuf> = vec![root().join("xtask"), root().join("tests")];
    for entry in fs::read_dir(root().join("crates"))? {
        directories.push(entry?.path());
    }
    let named = |directory: PathBuf| {
        let name = directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((name, read(&directory.join("Cargo.toml"))?))
    };
    directories.into_iter().map(named).collect()
}

/// Each library crate can be taken alone: a README, an example, a sentence at the top.
fn crates() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for entry in fs::read_dir(root().join("crates"))? {
        let directory = entry?.path();
        let name = directory.strip_prefix(root())?.display().to_string();
        if !directory.join("README.md").exists() {
            findings.push(format!("{name} has no README.md"));
        }
        let library = directory.join("src/lib.rs");
        if library.exists()
            && !directory.join("examples").is_dir()
            && !read(&library)?.contains("//! ```")
        {
            findings.push(format!(
                "{name} has no example, neither in its docs nor in examples/"
            ));
        }
        for file in sources(&directory.join("src"))? {
            if !read(&file)?.starts_with("//!") && !file.ends_with("tests.rs") {
                findings.push(format!(
                    "{} does not open with //!",
                    file.strip_prefix(root())?.display()
                ));
            }
        }
    }
    Ok(findings)
}

/// Crates below all systems name none of them.
fn systems_named() -> Result<Vec<String>> {
    const GENERIC: &[&str] = &[
        "engine", "executor", "files", "git", "guard", "ledger", "machine", "remote", "reporter",
        "resolver", "system",
    ];
    let is_generic = |file: &str| {
        let mut crates = GENERIC.iter();
        crates.any(|name| Path::new(file).starts_with(format!("crates/{name}")))
    };
    let names = Figures::measure()?.names.into_iter();
    Ok(names
        .filter(|(file, _)| is_generic(file))
        .flat_map(|(file, lines)| {
            let shown = move |line| format!("{file}:{line} names a system");
            lines.into_iter().map(shown)
        })
        .collect())
}

/// Files of a crate do not import each other in larger circles.
fn import_circles() -> Result<Vec<String>> {
    const LIMIT: usize = 3;
    let circles = Figures::measure()?.circles.into_iter();
    let too_large = circles.filter(|circle| circle.len() > LIMIT);
    Ok(too_large
        .map(|circle| format!("{} import each other in a circle", circle.join(", ")))
        .collect())
}

/// Crates that others take into their programs have a short example, and few dependencies.
fn reusable_crates() -> Result<Vec<String>> {
    const REUSABLE: &[&str] = &["executor", "files", "resolver"];
    const EXAMPLE_LINES: usize = 25;
    const EXECUTOR_DEPENDENCIES: usize = 12;
    let mut findings = Vec::new();
    for name in REUSABLE {
        let examples = root().join("crates").join(name).join("examples");
        let mut shortest = usize::MAX;
        for example in fs::read_dir(&examples)? {
            shortest = shortest.min(read(&example?.path())?.lines().count());
        }
        if shortest > EXAMPLE_LINES {
            findings.push(format!(
                "crates/{name} has no example of {EXAMPLE_LINES} lines or fewer"
            ));
        }
    }
    let executor = read(&root().join("crates/executor/Cargo.toml"))?;
    let dependencies = executor
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| line.contains('='))
        .count();
    if dependencies > EXECUTOR_DEPENDENCIES {
        findings.push(format!("crates/executor has {dependencies} dependencies"));
    }
    Ok(findings)
}

/// The crates that only think must not be able to do anything.
fn pure_crates() -> Result<Vec<String>> {
    const WORLD: &[&str] = &[
        "std::fs",
        "std::env",
        "std::process",
        "std::net",
        "std::thread",
        "std::io",
        "Instant::now",
        "SystemTime",
        ".exists()",
        ".is_dir()",
        ".canonicalize(",
    ];
    let mut findings = Vec::new();
    for name in ["core", "resolver", "sources"] {
        for file in sources(&root().join("crates").join(name).join("src"))? {
            // The target is known when the crate is compiled; nothing is asked of the machine.
            let text = read(&file)?.replace("std::env::consts", "");
            let found = WORLD.iter().filter(|word| text.contains(*word));
            findings.extend(
                found.map(|word| {
                    format!("{}: {word} in a crate that touches nothing", file.display())
                }),
            );
        }
    }
    Ok(findings)
}

fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(sources(&path)?),
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                files.push(path)
            }
            false => {}
        }
    }
    Ok(files)
}

/// Every test that the feature table names exists.
fn feature_table() -> Result<Vec<String>> {
    let table = read(&root().join("docs/features.md"))?;
    let mut code = String::new();
    for directory in ["crates", "tests"] {
        for file in sources(&root().join(directory))? {
            code += &read(&file)?;
        }
    }
    let mut findings = Vec::new();
    for name in table
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|word| word.rsplit_once("::"))
        .map(|(_, name)| name)
    {
        if !code.contains(&format!("fn {name}(")) {
            findings.push(format!("docs/features.md: there is no test {name}"));
        }
    }
    for case in table
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|word| word.strip_prefix("corpus "))
    {
        let found = ["valid", "invalid"].iter().any(|kind| {
            root()
                .join("crates/core/tests/manifests")
                .join(kind)
                .join(case)
                .is_dir()
        });
        if !found {
            findings.push(format!(
                "docs/features.md: there is no manifest {case} in the corpus"
            ));
        }
    }
    Ok(findings)
}
