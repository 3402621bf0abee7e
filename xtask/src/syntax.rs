//! Syntax trees of the workspace's source files, and rules about them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::run::root;

/// The directories below `crates`, sorted.
pub(crate) fn crates() -> Result<Vec<PathBuf>> {
    let mut crates: Vec<PathBuf> = fs::read_dir(root().join("crates"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    crates.sort();
    Ok(crates)
}

/// A source file outside of tests.
pub(crate) struct File {
    /// Its path from the root of the repository.
    pub(crate) shown: String,
    /// Its module, as names from the root of its crate.
    pub(crate) module: Vec<String>,
    pub(crate) syntax: syn::File,
}

/// Parses the files below a directory, without what is compiled for tests only.
pub(crate) fn parse(directory: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(current) = waiting.pop() {
        for entry in fs::read_dir(&current)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs")
                || path.ends_with("tests.rs")
            {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let shown = path.strip_prefix(root())?.display().to_string();
            let mut syntax = syn::parse_file(&text).with_context(|| shown.clone())?;
            syntax.items.retain(|item| !is_test(attributes(item)));
            let inside = path.strip_prefix(directory)?.with_extension("");
            let mut module: Vec<String> = inside
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            if module
                .last()
                .is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str()))
            {
                module.pop();
            }
            files.push(File {
                shown,
                module,
                syntax,
            });
        }
    }
    files.sort_by(|a, b| a.shown.cmp(&b.shown));
    Ok(files)
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_cfg_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|word| word == "test")
    };
    attributes.iter().any(is_cfg_test)
}

/// The lines on which a message is searched or compared, to decide by it: messages are for people.
fn lines_reading_messages(syntax: &syn::File) -> Vec<usize> {
    const SEARCHES: &[&str] = &[
        "contains",
        "starts_with",
        "ends_with",
        "strip_prefix",
        "find",
    ];
    const SEES_TEXT: &[&str] = &["as_str", "as_ref", "trim", "to_string", "to_lowercase"];

    /// Whether an expression is the message of an error.
    fn is_message(expression: &syn::Expr) -> bool {
        match expression {
            syn::Expr::Field(field) => {
                matches!(&field.member, syn::Member::Named(name) if name == "message")
            }
            syn::Expr::MethodCall(call) if SEES_TEXT.iter().any(|name| call.method == name) => {
                is_message(&call.receiver)
                    || (call.method == "to_string" && is_error(&call.receiver))
            }
            _ => false,
        }
    }
    fn is_error(expression: &syn::Expr) -> bool {
        const ERRORS: &[&str] = &["error", "failure", "err", "diagnostic"];
        matches!(expression, syn::Expr::Path(path) if ERRORS.iter().any(|name| path.path.is_ident(name)))
    }

    struct Reads(Vec<usize>);
    impl<'ast> Visit<'ast> for Reads {
        fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
            if SEARCHES.iter().any(|name| call.method == name) && is_message(&call.receiver) {
                self.0.push(call.method.span().start().line);
            }
            visit::visit_expr_method_call(self, call);
        }

        fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
            let compares = matches!(binary.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_));
            if compares && (is_message(&binary.left) || is_message(&binary.right)) {
                self.0.push(binary.op.span().start().line);
            }
            visit::visit_expr_binary(self, binary);
        }
    }

    let mut reads = Reads(Vec::new());
    reads.visit_file(syntax);
    reads.0
}

/// The places where a message is read back.
pub(crate) fn messages_read_back() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for directory in crates()? {
        for File { shown, syntax, .. } in parse(&directory.join("src"))? {
            findings.extend(lines_reading_messages(&syntax).iter().map(|line| {
                format!("{shown}:{line}: a message is read back; decide by the kind of the failure")
            }));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_read_back_are_found() {
        let code = r#"
            fn decide(failure: Failure, error: std::io::Error, text: &str) -> bool {
                let searched = failure.message.contains("refused");
                let written = format!("cannot read {error}").len();
                let shown = error.to_string().starts_with("permission");
                let other = text.contains("refused");
                failure.message.as_str() == "not started"
            }
        "#;
        let syntax = syn::parse_file(code).unwrap();
        assert_eq!(lines_reading_messages(&syntax), [3, 5, 7]);
    }
}
