//! What a README says at its head about a module of the XMPP server.

use serde::Deserialize;

use crate::Requirement;

/// The head of a README, and where its text begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// A sentence.
    pub summary: Option<String>,
    /// As they are written.
    pub labels: Vec<String>,
    /// What it needs.
    pub depends: Vec<Requirement>,
    /// What took its place.
    pub superseded_by: Option<String>,
    /// In bytes, where the head ends.
    pub body: usize,
    /// Why the head is only read line by line.
    pub damage: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    summary: Option<Words>,
    description: Option<Words>,
    labels: Option<Words>,
    depends: Option<Words>,
    superseded_by: Option<Words>,
    rockspec: Option<Rockspec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rockspec {
    dependencies: Option<Words>,
}

/// One text, or several; authors write either.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
    Other(serde::de::IgnoredAny),
}

impl Words {
    fn all(self) -> Vec<String> {
        match self {
            Words::One(one) => vec![one],
            Words::Several(several) => several,
            Words::Other(_) => Vec::new(),
        }
    }
}

fn line(words: Option<Words>) -> Option<String> {
    let text = words?
        .all()
        .join(", ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    Some(text).filter(|text| !text.is_empty())
}

/// Reads the head of a README: between a first line `---` and a line `...` or `---`. A README
/// without one has none.
pub fn head(text: &str) -> Head {
    let Some((head, body)) = split(text) else {
        return Head {
            summary: first_sentence(text),
            ..Head::default()
        };
    };
    // Tabs are no indentation for YAML, but for some authors.
    let plain = head.replace('\t', "    ");
    let mut read = match serde_yaml::from_str::<Option<Written>>(&plain) {
        Ok(written) => {
            let written = written.unwrap_or_default();
            let depends = written
                .rockspec
                .and_then(|rockspec| rockspec.dependencies)
                .into_iter()
                .chain(written.depends);
            let depends = depends
                .flat_map(Words::all)
                .flat_map(|text| text.split(';').map(str::to_owned).collect::<Vec<_>>());
            Head {
                summary: line(written.summary).or_else(|| line(written.description)),
                labels: written.labels.map(Words::all).unwrap_or_default(),
                depends: depends
                    .filter_map(|text| Requirement::new(&unescaped(&text)))
                    .collect(),
                superseded_by: line(written.superseded_by).map(|name| unescaped(&name)),
                body,
                damage: None,
            }
        }
        Err(error) => by_line(
            &plain,
            body,
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
    };
    read.summary = read.summary.or_else(|| first_sentence(&text[body..]));
    read
}

/// The text of the head, and where the body begins.
fn split(text: &str) -> Option<(&str, usize)> {
    let start = text
        .strip_prefix('\u{feff}')
        .map_or(0, |_| '\u{feff}'.len_utf8());
    let mut lines = text[start..].split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == "---")?;
    let head = start + first.len();
    let mut at = head;
    for line in lines {
        if matches!(line.trim_end(), "---" | "...") {
            return Some((&text[head..at], at + line.len()));
        }
        at += line.len();
    }
    None
}

/// What Pandoc needs a backslash for.
fn unescaped(text: &str) -> String {
    text.replace('\\', "").trim().to_owned()
}

/// What can be told of a head that is no YAML.
fn by_line(head: &str, body: usize, damage: String) -> Head {
    let mut read = Head {
        body,
        damage: Some(damage),
        ..Head::default()
    };
    let mut list = "";
    for line in head.lines() {
        match (line.split_once(':'), line.trim().strip_prefix("- ")) {
            (_, Some(item)) => match list {
                "labels" => read.labels.push(unquoted(item)),
                "dependencies" | "depends" => read
                    .depends
                    .extend(Requirement::new(&unescaped(&unquoted(item)))),
                _ => {}
            },
            (Some((key, value)), None) => {
                list = key.trim();
                let value = unquoted(value);
                match list {
                    _ if value.is_empty() => {}
                    "summary" => read.summary = Some(value),
                    "superseded_by" => read.superseded_by = Some(unescaped(&value)),
                    "labels" => read
                        .labels
                        .extend(value.trim_matches(['[', ']']).split(',').map(unquoted)),
                    _ => {}
                }
            }
            (None, None) => {}
        }
    }
    read
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).trim().to_owned()
}

/// The first sentence of the first paragraph that is no heading.
fn first_sentence(body: &str) -> Option<String> {
    let paragraph = body.split("\n\n").map(str::trim).find(|paragraph| {
        let first = paragraph.lines().next().unwrap_or_default();
        let underlined = paragraph
            .lines()
            .nth(1)
            .is_some_and(|line| !line.is_empty() && line.chars().all(|c| matches!(c, '=' | '-')));
        !first.is_empty()
            && !first.starts_with(['#', '<', '|', ':', '-', '*', '=', '!', '[', '`', '~', '{'])
            && !underlined
    })?;
    let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = text
        .split_once(". ")
        .map_or(text.as_str(), |(first, _)| first);
    Some(
        sentence
            .chars()
            .take(160)
            .collect::<String>()
            .trim_end_matches('.')
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_end_in_dots_or_dashes_and_have_lists_or_texts() {
        let read = head(
            "---\nsummary: A thing\nlabels:\n- Stage-Alpha\n- 'Type-Auth'\nrockspec:\n  dependencies:\n  - mod_sasl2 >= 200\n  build:\n    modules: {}\n...\n\nText",
        );
        assert_eq!(
            (read.summary.as_deref(), read.labels.len(), read.damage),
            (Some("A thing"), 2, None)
        );
        assert_eq!(
            (
                read.depends[0].name.as_str(),
                read.depends[0].constraint.as_str()
            ),
            ("mod_sasl2", ">= 200")
        );
        let read = head(
            "---\r\nsummary: |\r\n  A\r\n  b\r\nlabels: Stage-Beta\r\ndepends: mod\\_http\r\nsuperseded_by: mod\\_x\r\n---\r\nText",
        );
        assert_eq!(
            (read.summary.as_deref(), read.labels.as_slice()),
            (Some("A b"), &["Stage-Beta".to_owned()][..])
        );
        assert_eq!(
            (read.depends[0].name.as_str(), read.superseded_by.as_deref()),
            ("mod_http", Some("mod_x"))
        );
    }

    #[test]
    fn a_head_that_yaml_refuses_hides_nothing() {
        let read = head("---\nsummary: A: thing\nlabels:\n\t- Stage-Stable\n...\nText");
        assert_eq!(
            (read.summary.as_deref(), read.labels.as_slice()),
            (Some("A: thing"), &["Stage-Stable".to_owned()][..])
        );
        assert!(read.damage.is_some());
        let tabs = head("---\nlabels:\n\t- Stage-Stable\nsummary: x\n...\n");
        assert_eq!(
            (tabs.labels.as_slice(), tabs.damage),
            (&["Stage-Stable".to_owned()][..], None)
        );
    }

    #[test]
    fn without_a_head_the_first_sentence_is_the_summary() {
        assert_eq!(
            head("# Title\n\nIntroduction\n============\n\nThis does\nthings. And more.\n")
                .summary
                .as_deref(),
            Some("This does things")
        );
        assert_eq!(head("---\nlabels: x\n---\n# T\n").summary, None);
        assert_eq!(head("").summary, None);
        assert_eq!(head("---\nnever closed").body, 0);
    }
}
