//! What people are told of a value that a schema rejects.

use hoist_core::Diagnostic;
use serde_json::Value;

use crate::config::PluginConfiguration;
use crate::schema::Schema;
use crate::secret::MASK;
use crate::tree::{Tree, dotted};
use crate::violation::{Rule, Violation, What};

/// The messages for one violation: where the value came from, what is wrong with it, which rule
/// says so.
pub(crate) fn told(
    violation: &Violation,
    configuration: &PluginConfiguration,
    schema: &Schema,
) -> Vec<Diagnostic> {
    let Violation { path, what } = violation;
    let tree = configuration.tree();
    let is_secret = |path: &[String]| configuration.is_secret(path);
    let dotted = |path: &[String]| dotted(&configuration.displayed(path));
    let secret = is_secret(path);
    let value = tree.get(path).map(Tree::to_json).unwrap_or_default();
    let written = tree.get(path).and_then(|tree| tree.written.as_deref());
    let shown = if secret {
        MASK.to_owned()
    } else {
        written.map_or_else(|| shown(&value), str::to_owned)
    };
    let origin = &tree.nearest(path).origin;
    let point = |path: &[String], message: String, help: String| {
        let wrong = Diagnostic::error(message).field(if path.is_empty() {
            "the configuration".to_owned()
        } else {
            dotted(path)
        });
        origin.point(
            if help.is_empty() {
                wrong
            } else {
                wrong.help(help)
            },
            secret,
        )
    };
    match what {
        What::Missing(property) => {
            let mut below = path.clone();
            below.push(property.clone());
            let said = schema
                .root()
                .at(&below)
                .description()
                .map(|said| format!(": {said}"))
                .unwrap_or_default();
            let set = dotted(&below);
            let help = match is_secret(&below) {
                true => format!(
                    "set it in a file with --config, in the environment, or with --set-file {set}=FILE"
                ),
                false => format!("set it in a file with --config, or with --set {set}=VALUE"),
            };
            vec![point(
                &below,
                format!("is required, but not set{said}"),
                help,
            )]
        }
        What::Unexpected(unexpected) => {
            let said = schema.root().at(path);
            let names: Vec<&str> = said.properties().collect();
            let one = |name: &String| {
                let mut below = path.clone();
                below.push(name.clone());
                let near = hoist_core::did_you_mean(name, names.iter().copied());
                let help = near.map_or_else(
                    || format!("allowed: {}", names.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                let wrong = Diagnostic::error("is not allowed here")
                    .field(dotted(&below))
                    .help(help);
                tree.nearest(&below).origin.point(wrong, is_secret(&below))
            };
            unexpected.iter().map(one).collect()
        }
        What::Shapeless(count, nearest) => {
            let one = |(below, rule): &(Vec<String>, Rule)| {
                let of = below.strip_prefix(path.as_slice()).unwrap_or(below);
                let displayed = configuration.displayed(below);
                let name = if of.is_empty() {
                    String::new()
                } else {
                    format!("{} ", crate::tree::dotted(&displayed[path.len()..]))
                };
                format!("{name}{}", rule.text(is_secret(below)))
            };
            let details: Vec<String> = nearest.iter().map(one).collect();
            let help = match details.is_empty() {
                true => String::new(),
                false => format!("the closest one requires: {}", details.join(", and ")),
            };
            vec![point(
                path,
                format!("{shown} matches none of the {count} allowed alternatives"),
                help,
            )]
        }
        // Only maps have names in them, so somebody meant to say where the secret is.
        What::Broken(rule) if secret && value.is_object() => {
            let help = "write { from_file: PATH }, { from_env: NAME }, or { generate: LENGTH } with 8 to 1024 characters";
            vec![point(
                path,
                format!("{shown} {}", rule.text(secret)),
                help.to_owned(),
            )]
        }
        What::Broken(rule) => vec![point(
            path,
            format!("{shown} {}", rule.text(secret)),
            String::new(),
        )],
    }
}

/// A value, cut where it is long.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::Object(_) => return "a map".to_owned(),
        Value::Array(items) => return format!("a list of {}", items.len()),
        other => other.to_string(),
    };
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        format!("{short}…")
    } else {
        short
    }
}
