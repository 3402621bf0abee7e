//! Finds words in text for users that are not the usual terms. Text for users is: string literals
//! of the crates outside of tests, help texts, READMEs, the changelog, scaffolds, shipped plugins,
//! examples and shell helpers.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::run::root;

/// Words and phrases with the usual terms for them.
const WORDS: &[(&[&str], &str)] = &[
    (
        &["bring", "brings", "bringing", "brought"],
        "install, provide or deploy",
    ),
    (
        &[
            "take back",
            "takes back",
            "taken back",
            "took back",
            "taking back",
        ],
        "undo or roll back",
    ),
    (&["mend", "mends", "mended"], "fix or repair"),
    (
        &["set aside", "copied aside", "put aside"],
        "back up, or moved to",
    ),
    (
        &["former version", "former versions"],
        "previous version, or backup",
    ),
    (&["anew"], "refresh, again"),
    (
        &["take down", "takes down", "taken down", "taking down"],
        "undeploy or stop",
    ),
    (&["cut off"], "interrupted"),
    (&["cannot be had"], "is not available"),
    (&["newest state"], "latest version"),
    (&["as asked"], "in the desired state"),
    (&["at work"], "running"),
    (&["told", "tells"], "reported, printed"),
    (&["somebody", "whoever"], "the agent, or the passive voice"),
    (&["by hand"], "locally modified, or yourself"),
    (&["beside it", "beside them"], "next to it, or FILE.new"),
    (&["stands behind", "stand behind"], "is shadowed by"),
    (&["blanks"], "whitespace or spaces"),
    (&["remark"], "note"),
    (&["made good"], "recovered, or rolled back"),
];

/// Uses of such words, as findings of `cargo xtask tidy`.
pub(crate) fn findings() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in files(&root().join("crates"), &|path| {
        path.extension().is_some_and(|extension| extension == "rs")
    })? {
        let is_test = file.components().any(|part| {
            matches!(
                part.as_os_str().to_str(),
                Some("tests" | "tests.rs" | "examples" | "sample.rs")
            )
        });
        if !is_test {
            let text = read(&file)?;
            // Doc comments of arguments are help texts.
            let is_help = file.starts_with(root().join("crates/cli/src/args"))
                || file.ends_with("cli/src/args.rs");
            for (line, text) in
                literals(&text, is_help).map_err(|error| anyhow!("{}: {error}", shown(&file)))?
            {
                check(&file, line, &text, &mut findings);
            }
        }
    }
    for file in texts()? {
        for (number, line) in read(&file)?.lines().enumerate() {
            check(&file, number + 1, line, &mut findings);
        }
    }
    Ok(findings)
}

/// Text files for users.
fn texts() -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    let any = &|path: &Path| path.extension().is_none_or(|extension| extension != "rs");
    for directory in [
        "crates/cli/scaffold",
        "crates/cli/plugins",
        "crates/applications/lib",
        "crates/shell/lib",
        "examples",
    ] {
        all.extend(files(&root().join(directory), any)?);
    }
    for entry in fs::read_dir(root().join("crates"))? {
        all.push(entry?.path().join("README.md"));
    }
    Ok(all)
}

fn files(directory: &Path, is_wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| shown(directory))? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path, is_wanted)?),
            false if is_wanted(&path) => found.push(path),
            false => {}
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path).with_context(|| shown(path))?).into_owned())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// String literals outside of tests with their lines; with `has_docs` also doc comments.
fn literals(text: &str, has_docs: bool) -> Result<Vec<(usize, String)>> {
    let tokens =
        TokenStream::from_str(text).map_err(|error| anyhow!("cannot be parsed: {error}"))?;
    let mut found = Vec::new();
    collect(tokens, has_docs, &mut found);
    Ok(found)
}

fn collect(tokens: TokenStream, has_docs: bool, found: &mut Vec<(usize, String)>) {
    let mut is_test = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Punct(inner)) = tokens.peek()
                    && inner.as_char() == '!'
                {
                    tokens.next();
                }
                let Some(TokenTree::Group(attribute)) = tokens.peek() else {
                    continue;
                };
                let text = attribute.stream().to_string();
                is_test |= text.replace(' ', "") == "cfg(test)";
                let is_doc = text.starts_with("doc");
                if let Some(TokenTree::Group(attribute)) =
                    tokens.next().filter(|_| !is_doc || has_docs)
                {
                    collect(attribute.stream(), has_docs, found);
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => is_test = false,
            TokenTree::Group(group) => {
                if !is_test {
                    collect(group.stream(), has_docs, found);
                }
                is_test &= group.delimiter() != Delimiter::Brace;
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.starts_with('"') || text.starts_with("r\"") || text.starts_with("r#") {
                    found.push((literal.span().start().line, text));
                }
            }
            _ => {}
        }
    }
}

fn check(file: &Path, line: usize, text: &str, findings: &mut Vec<String>) {
    let text = without_placeholders(&text.to_lowercase());
    for (words, usual) in WORDS {
        for word in words.iter().filter(|word| contains(&text, word)) {
            findings.push(format!(
                "{}:{line}: `{word}` in text for users; use {usual}",
                shown(file)
            ));
        }
    }
}

/// A text without the names of variables in braces.
fn without_placeholders(text: &str) -> String {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once('}') {
        Some((name, rest))
            if name
                .chars()
                .all(|character| character.is_alphanumeric() || "_:<>.*?$".contains(character)) =>
        {
            text + "…" + rest
        }
        _ => text + "{" + part,
    })
}

/// Whether a text contains a word or phrase, as whole words.
fn contains(text: &str, word: &str) -> bool {
    let is_part = |character: Option<char>| {
        character.is_some_and(|character| character.is_alphanumeric() || character == '_')
    };
    text.match_indices(word).any(|(at, _)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_users_are_found_and_those_of_tests_are_not() {
        let code = "/// One brought.\nfn a() { print(\"two\", 'x', b\"bytes\"); }\n#[cfg(test)]\nmod tests { fn b() { print(\"three\") } }\nconst C: &str = r#\"four\"#;";
        let found = |has_docs| {
            literals(code, has_docs)
                .unwrap()
                .into_iter()
                .map(|(line, text)| format!("{line} {text}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(false), ["2 \"two\"", "5 r#\"four\"#"]);
        assert_eq!(found(true).len(), 3);
    }

    #[test]
    fn words_are_whole() {
        assert!(
            contains("it was brought here", "brought")
                && contains("mend", "mend")
                && contains("`mend`", "mend")
        );
        assert!(!contains("recommend", "mend") && !contains("mend_it", "mend"));
    }
}
