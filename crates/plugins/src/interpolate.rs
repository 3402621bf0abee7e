//! The variables in files of Docker Compose, as Compose reads them: `$NAME`, `${NAME}`,
//! `${NAME:-otherwise}`, `${NAME:?why}`; `$$` is a dollar.

/// A variable that is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// What is said where it has to be set.
    pub(crate) problem: Option<String>,
}

/// The text with the values of its variables, and those that have none.
pub(crate) fn interpolate(
    text: &str,
    value: &dyn Fn(&str) -> Option<String>,
) -> (String, Vec<Variable>) {
    let (mut out, mut missing) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        if let Some(inside) = after.strip_prefix('{') {
            let Some(end) = closing(inside) else {
                out.push('$');
                rest = after;
                continue;
            };
            let (put, more) = braced(&inside[..end], value);
            out += &put;
            missing.extend(more);
            rest = &inside[end + 1..];
            continue;
        }
        let length = name_length(after);
        if length == 0 {
            out.push('$');
            rest = after;
            continue;
        }
        let name = &after[..length];
        match value(name) {
            Some(value) => out += &value,
            None => missing.push(Variable {
                name: name.to_owned(),
                problem: None,
            }),
        }
        rest = &after[length..];
    }
    (out + rest, missing)
}

fn name_length(text: &str) -> usize {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = text.find(|c: char| !plain(c)).unwrap_or(text.len());
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        0
    } else {
        length
    }
}

/// Where the brace closes that was opened.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (place, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(place),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn braced(inside: &str, value: &dyn Fn(&str) -> Option<String>) -> (String, Vec<Variable>) {
    let length = name_length(inside);
    let (name, rest) = inside.split_at(length);
    let set = value(name);
    let (empty_counts, rest) = rest
        .strip_prefix(':')
        .map_or((false, rest), |rest| (true, rest));
    let given = set
        .clone()
        .filter(|value| !(empty_counts && value.is_empty()));
    match (given, rest.chars().next()) {
        (_, Some('+')) => match set.filter(|value| !(empty_counts && value.is_empty())) {
            Some(_) => interpolate(&rest[1..], value),
            None => (String::new(), Vec::new()),
        },
        (Some(given), _) => (given, Vec::new()),
        (None, Some('-')) => interpolate(&rest[1..], value),
        (None, Some('?')) => (
            String::new(),
            vec![Variable {
                name: name.to_owned(),
                problem: Some(rest[1..].to_owned()),
            }],
        ),
        (None, _) => (
            String::new(),
            vec![Variable {
                name: name.to_owned(),
                problem: None,
            }],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_compose_reads_them() {
        let value = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let cases = [
            ("$A ${A} $$A", "1 1 $A"),
            ("${B:-2}${B-3}${A:-4}", "231"),
            ("${EMPTY:-x}${EMPTY-y}", "x"),
            ("${B:-${A}}", "1"),
            ("${A:+yes}${B:+no}", "yes"),
            ("cost: 5$ or $5 ${", "cost: 5$ or $5 ${"),
        ];
        for (text, expected) in cases {
            assert_eq!(interpolate(text, &value).0, expected, "{text}");
        }
        let (_, missing) = interpolate("$B ${C:?say why} ${D}", &value);
        let names: Vec<&str> = missing
            .iter()
            .map(|variable| variable.name.as_str())
            .collect();
        assert_eq!(
            (names, missing[1].problem.as_deref()),
            (vec!["B", "C", "D"], Some("say why"))
        );
    }
}
