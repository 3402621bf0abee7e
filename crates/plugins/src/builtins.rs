//! What templates of plugins may use beside what the engine has: the rest of the filters, functions
//! and methods of Jinja2 that files of configuration need, with the arguments by place that Jinja2
//! takes, and the names that Ansible has made usual.
//!
//! A list or map cannot be changed in a template: the methods of Python that do so are errors that
//! say what to write instead.

use std::collections::BTreeMap;

use minijinja::value::{Kwargs, Rest, Serde, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};
use minijinja_contrib::filters as more;

/// Adds them.
pub(crate) fn add(environment: &mut Environment<'_>, spellings: &BTreeMap<String, String>) {
    minijinja_contrib::add_to_environment(environment);
    environment.set_unknown_method_callback(method);
    environment.add_function("cycler", |items: Rest<Value>| {
        minijinja_contrib::globals::cycler(items.0)
    });
    for name in ["e", "escape", "forceescape"] {
        environment.add_filter(name, |value: Value| escaped(&value.to_string()));
    }
    for name in ["d", "default"] {
        environment.add_filter(
            name,
            |state: &State<'_, '_>, value: Value, arguments: Rest<ValueOrKwargs>| {
                let given = by_name(arguments, &["default_value", "boolean"])?;
                let [other, boolean] = ["default_value", "boolean"]
                    .map(|name| given.iter().find(|(known, _)| *known == name));
                let other = other.map_or_else(|| Value::from(""), |(_, value)| value.clone());
                let boolean =
                    boolean.map_or_else(|| Value::from(false), |(_, value)| value.clone());
                filters::default(state, &value, Rest(vec![other, boolean]))
            },
        );
    }
    environment.add_filter(
        "truncate",
        |state: &mut State<'_, '_>, value: Value, arguments: Rest<ValueOrKwargs>| {
            more::truncate(
                state,
                &value,
                by_name(arguments, &["length", "killwords", "end", "leeway"])?
                    .into_iter()
                    .collect(),
            )
        },
    );
    environment.add_filter(
        "wordwrap",
        |value: Value, arguments: Rest<ValueOrKwargs>| {
            let names = [
                "width",
                "break_long_words",
                "wrapstring",
                "break_on_hyphens",
            ];
            more::wordwrap(&value, by_name(arguments, &names)?.into_iter().collect())
        },
    );
    environment.add_filter(
        "dictsort",
        |value: Value, arguments: Rest<ValueOrKwargs>| {
            filters::dictsort(
                &value,
                by_name(arguments, &["case_sensitive", "by", "reverse"])?
                    .into_iter()
                    .collect(),
            )
        },
    );
    environment.add_filter("filesizeformat", |value: Value, binary: Option<bool>| {
        let number = match value.as_str() {
            Some(text) => text.trim().parse().unwrap_or_default(),
            None => f64::try_from(value)?,
        };
        Ok::<_, Error>(more::filesizeformat(number, binary))
    });
    environment.add_filter("urlencode", |value: Value| {
        match filters::urlencode(&value) {
            // The values of a query have `+` for blanks.
            Ok(text) if value.kind() == ValueKind::Map => Ok(text.replace("%20", "+")),
            other => other,
        }
    });
    environment.add_filter("center", |text: String, width: Option<usize>| {
        padded(&text, width.unwrap_or(80), ' ', Side::Both)
    });
    environment.add_filter("indent", indent);
    let known = spellings.clone();
    environment.add_filter(
        "tojson",
        move |value: Value, indent: Option<Value>, options: Kwargs| {
            if let Some(written) = value
                .is_number()
                .then(|| known.get(&serde_json::to_string(&value).unwrap_or_default()))
                .flatten()
            {
                return Ok(Value::from_safe_string(written.clone()));
            }
            let mut value = serde_json::to_value(&value)
                .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
            value.sort_all_objects();
            filters::tojson(&Value::from(Serde(value)), indent, options)
        },
    );
    environment.add_filter("to_json", to_json);
    environment.add_filter("int", |value: Value, arguments: Rest<ValueOrKwargs>| {
        let given: Kwargs = by_name(arguments, &["default", "base"])?
            .into_iter()
            .collect();
        let (default, base) = (
            given.get::<Option<Value>>("default")?,
            given.get::<Option<u32>>("base")?.unwrap_or(10),
        );
        Ok::<_, Error>(
            whole(&value, base)
                .map(Value::from)
                .or(default)
                .unwrap_or_else(|| Value::from(0)),
        )
    });
    environment.add_filter("float", |value: Value, arguments: Rest<ValueOrKwargs>| {
        let given: Kwargs = by_name(arguments, &["default"])?.into_iter().collect();
        let number = match value.as_str() {
            Some(text) => text.trim().parse().ok(),
            None if value.kind() == ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
            None => f64::try_from(value).ok(),
        };
        Ok::<_, Error>(
            number
                .map(Value::from)
                .or(given.get::<Option<Value>>("default")?)
                .unwrap_or_else(|| Value::from(0.0)),
        )
    });
}

/// A value as a whole number, where it is one.
fn whole(value: &Value, base: u32) -> Option<i64> {
    let Some(text) = value.as_str() else {
        let of_bool = (value.kind() == ValueKind::Bool).then(|| i64::from(value.is_true()));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a number that is too large becomes the largest, as nothing else would help"
        )]
        let of_float = || {
            f64::try_from(value.clone())
                .ok()
                .map(|number| number as i64)
        };
        return of_bool
            .or_else(|| i64::try_from(value.clone()).ok())
            .or_else(of_float);
    };
    let text = text.trim().replace('_', "");
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or((1, text.as_str()), |digits| (-1, digits));
    let digits = match base {
        16 => digits.strip_prefix("0x").unwrap_or(digits),
        8 => digits.strip_prefix("0o").unwrap_or(digits),
        2 => digits.strip_prefix("0b").unwrap_or(digits),
        _ => digits,
    };
    let parsed = i64::from_str_radix(
        digits.strip_prefix('+').unwrap_or(digits),
        base.clamp(2, 36),
    )
    .ok()
    .map(|number| sign * number);
    #[expect(clippy::cast_possible_truncation, reason = "as above")]
    let of_float = || {
        text.parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(|number| number as i64)
    };
    parsed.or_else(|| (base == 10).then(of_float).flatten())
}

/// The arguments of a filter by their names, those by place as well.
fn by_name(
    arguments: Rest<ValueOrKwargs>,
    names: &[&'static str],
) -> Result<Vec<(&'static str, Value)>, Error> {
    let arguments = arguments.into_values();
    let (placed, named): (&[Value], Kwargs) = from_args(&arguments)?;
    if placed.len() > names.len() {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut all: Vec<(&'static str, Value)> =
        names.iter().copied().zip(placed.iter().cloned()).collect();
    for name in names {
        if let Some(value) = named.get::<Option<Value>>(name)? {
            all.push((name, value));
        }
    }
    named.assert_all_used()?;
    Ok(all)
}

fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&#34;".to_owned(),
        '\'' => "&#39;".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// Indents all lines but the first. A line end at the end stays.
fn indent(text: String, arguments: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let given: Kwargs = by_name(arguments, &["width", "first", "blank"])?
        .into_iter()
        .collect();
    let width = given
        .get::<Option<Value>>("width")?
        .unwrap_or_else(|| Value::from(4));
    let (first, blank) = (
        given.get::<Option<bool>>("first")?.unwrap_or(false),
        given.get::<Option<bool>>("blank")?.unwrap_or(false),
    );
    let before = match width.as_str() {
        Some(text) => text.to_owned(),
        None => padded("", usize::try_from(width)?, ' ', Side::Left)?,
    };
    let mut out = String::new();
    for (place, line) in text.split('\n').enumerate() {
        if place > 0 {
            out.push('\n');
        }
        if if place == 0 {
            first
        } else {
            blank || !line.trim_end_matches('\r').is_empty()
        } {
            out += &before;
        }
        out += line;
    }
    Ok(out)
}

/// JSON without the escapes for HTML.
fn to_json(value: Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let json = filters::tojson(&value, indent, options)?.to_string();
    let mut out = String::new();
    let mut rest = json.as_str();
    while let Some((before, after)) = rest.split_once('\\') {
        out += before;
        let plain = [
            ("u003c", '<'),
            ("u003e", '>'),
            ("u0026", '&'),
            ("u0027", '\''),
        ];
        match plain
            .iter()
            .find_map(|(escape, c)| after.strip_prefix(escape).map(|after| (*c, after)))
        {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                let length = after.chars().next().map_or(0, char::len_utf8);
                out.push('\\');
                out += &after[..length];
                rest = &after[length..];
            }
        }
    }
    Ok(Value::from_safe_string(out + rest))
}

/// A method of Python.
fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let found = match (value.kind(), value.as_str()) {
        (ValueKind::String, Some(text)) => of_text(text, name, arguments)?,
        (ValueKind::Seq, _) => of_list(value, name, arguments)?,
        (ValueKind::Map, _) => of_map(value, name)?,
        _ => None,
    };
    match found {
        Some(value) => Ok(value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

fn of_list(value: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let change = match name {
        "append" | "extend" | "insert" => {
            "write `{% set all = all + [item] %}`, and in a loop `{% set all.items = all.items + [item] %}` with a `namespace`"
        }
        "remove" | "pop" | "clear" => {
            "write a filter: `list | reject('equalto', item) | list`, `list[:-1]`"
        }
        "sort" | "reverse" => "write the filter of the same name",
        "copy" => return Ok(Some(value.clone())),
        "index" => {
            let (item,): (Value,) = from_args(arguments)?;
            let place = value.try_iter()?.position(|other| other == item);
            let missing = || {
                Error::new(
                    ErrorKind::InvalidOperation,
                    format!("{item} is not in the list"),
                )
            };
            return place
                .map(|place| Some(Value::from(place)))
                .ok_or_else(missing);
        }
        _ => return Ok(None),
    };
    Err(Error::new(
        ErrorKind::InvalidOperation,
        format!("lists cannot be changed in a template (`{name}`): {change}"),
    ))
}

fn of_map(value: &Value, name: &str) -> Result<Option<Value>, Error> {
    match name {
        "copy" => Ok(Some(value.clone())),
        "update" | "setdefault" | "pop" | "popitem" | "clear" => {
            let message = format!(
                "maps cannot be changed in a template (`{name}`): write `{{% set all = dict(all, name=value) %}}`"
            );
            Err(Error::new(ErrorKind::InvalidOperation, message))
        }
        _ => Ok(None),
    }
}

fn of_text(text: &str, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let found: Value = match name {
        "casefold" => text.to_lowercase().into(),
        "swapcase" => text
            .chars()
            .map(|c| {
                if c.is_uppercase() {
                    c.to_lowercase().to_string()
                } else {
                    c.to_uppercase().to_string()
                }
            })
            .collect::<String>()
            .into(),
        "isdecimal" => (!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())).into(),
        "removeprefix" | "removesuffix" => {
            let (part,): (&str,) = from_args(arguments)?;
            let rest = if name == "removeprefix" {
                text.strip_prefix(part)
            } else {
                text.strip_suffix(part)
            };
            rest.unwrap_or(text).into()
        }
        "partition" | "rpartition" => {
            let (part,): (&str,) = from_args(arguments)?;
            let from_start = name == "partition";
            let split = if from_start {
                text.split_once(part)
            } else {
                text.rsplit_once(part)
            };
            let missing = if from_start {
                [text, "", ""]
            } else {
                ["", "", text]
            };
            let parts = split.map_or(missing, |(before, after)| [before, part, after]);
            parts.map(Value::from).to_vec().into()
        }
        "rsplit" => {
            let (part, most): (Option<&str>, Option<usize>) = from_args(arguments)?;
            let count = most.map_or(usize::MAX, |most| most.saturating_add(1));
            let mut parts: Vec<&str> = match part {
                Some(part) => text.rsplitn(count, part).collect(),
                None => text
                    .rsplitn(count, char::is_whitespace)
                    .filter(|part| !part.is_empty())
                    .collect(),
            };
            parts.reverse();
            parts
                .into_iter()
                .map(Value::from)
                .collect::<Vec<_>>()
                .into()
        }
        "index" | "rindex" => {
            let (part,): (&str,) = from_args(arguments)?;
            let found = if name == "index" {
                text.find(part)
            } else {
                text.rfind(part)
            };
            let missing = || Error::new(ErrorKind::InvalidOperation, "the text was not found");
            text[..found.ok_or_else(missing)?].chars().count().into()
        }
        "zfill" => {
            let (width,): (usize,) = from_args(arguments)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            format!(
                "{sign}{}",
                padded(digits, width.saturating_sub(sign.len()), '0', Side::Left)?
            )
            .into()
        }
        "ljust" | "rjust" | "center" => {
            let (width, with): (usize, Option<char>) = from_args(arguments)?;
            let side = match name {
                "ljust" => Side::Right,
                "rjust" => Side::Left,
                _ => Side::Both,
            };
            padded(text, width, with.unwrap_or(' '), side)?.into()
        }
        "expandtabs" => {
            let (width,): (Option<usize>,) = from_args(arguments)?;
            let width = width.unwrap_or(8).min(WIDEST);
            let mut out = String::new();
            let mut column = 0;
            for c in text.chars() {
                let blanks = if c == '\t' && width > 0 {
                    width - column % width
                } else {
                    0
                };
                column = if matches!(c, '\n' | '\r') {
                    0
                } else {
                    column + if c == '\t' { blanks } else { 1 }
                };
                if c == '\t' {
                    out.push_str(&" ".repeat(blanks));
                } else {
                    out.push(c);
                }
            }
            out.into()
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// Where a text is filled up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Both,
}

/// No text is made wider than this, in characters.
const WIDEST: usize = 100_000;

/// A text that is filled up to a width.
fn padded(text: &str, width: usize, with: char, side: Side) -> Result<String, Error> {
    if width > WIDEST {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("the width is limited to {WIDEST} characters"),
        ));
    }
    let missing = width.saturating_sub(text.chars().count());
    let left = match side {
        Side::Left => missing,
        Side::Right => 0,
        // Python puts the odd one to the left where the width is odd.
        Side::Both => missing / 2 + (missing & width & 1),
    };
    let fill = |count: usize| std::iter::repeat_n(with, count);
    Ok(fill(left)
        .chain(text.chars())
        .chain(fill(missing - left))
        .collect())
}
