//! The words of a text in Lua.

use std::ops::Range;

use super::LuaError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Name,
    Text(String),
    Number(f64),
    /// An operator or a bracket.
    Symbol,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

pub(super) fn error(text: &str, at: usize, message: &'static str) -> LuaError {
    let before = &text.as_bytes()[..at.min(text.len())];
    LuaError {
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        message,
    }
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, LuaError> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    if text.starts_with('#') {
        at = text.find('\n').unwrap_or(text.len());
    }
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = match long_bracket(bytes, at + 2) {
                    Some(level) => long_end(text, at + 2, level)?.1,
                    None => text[at..].find('\n').map_or(text.len(), |end| at + end),
                };
                continue;
            }
            b'"' | b'\'' => {
                let (string, end) = short_string(text, at)?;
                at = end;
                Kind::Text(string)
            }
            b'[' if long_bracket(bytes, at).is_some() => {
                let (content, end) =
                    long_end(text, at, long_bracket(bytes, at).unwrap_or_default())?;
                at = end;
                Kind::Text(content.to_owned())
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                let is_name =
                    |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
                at += bytes[at..].iter().take_while(|byte| is_name(byte)).count();
                Kind::Name
            }
            byte if byte.is_ascii_digit()
                || (byte == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)) =>
            {
                let mut last = 0;
                while at < bytes.len() {
                    let exponent = matches!(last, b'e' | b'E' | b'p' | b'P')
                        && matches!(bytes[at], b'+' | b'-');
                    if !(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.' || exponent) {
                        break;
                    }
                    last = bytes[at];
                    at += 1;
                }
                Kind::Number(number(&text[start..at]))
            }
            _ => {
                let three = ["..."].iter().any(|symbol| text[at..].starts_with(symbol));
                let two = ["..", "==", "~=", "<=", ">=", "//", "<<", ">>", "::"]
                    .iter()
                    .any(|symbol| text[at..].starts_with(symbol));
                at += if three {
                    3
                } else if two {
                    2
                } else {
                    1
                };
                Kind::Symbol
            }
        };
        tokens.push(Token {
            kind,
            span: start..at,
        });
    }
    Ok(tokens)
}

fn number(text: &str) -> f64 {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).map_or(f64::NAN, |number| number as f64),
        None => text.parse().unwrap_or(f64::NAN),
    }
}

/// The number of `=` in an opening long bracket.
fn long_bracket(bytes: &[u8], at: usize) -> Option<usize> {
    let level = bytes
        .get(at + 1..)?
        .iter()
        .take_while(|byte| **byte == b'=')
        .count();
    (bytes[at] == b'[' && bytes.get(at + 1 + level) == Some(&b'[')).then_some(level)
}

/// What stands in a long bracket, and where it ends.
fn long_end(text: &str, at: usize, level: usize) -> Result<(&str, usize), LuaError> {
    let start = at + level + 2;
    let close = format!("]{}]", "=".repeat(level));
    let length = text[start..]
        .find(&close)
        .ok_or_else(|| error(text, at, "unclosed bracket"))?;
    let content = &text[start..start + length];
    let content = content
        .strip_prefix("\r\n")
        .or_else(|| content.strip_prefix('\n'))
        .unwrap_or(content);
    Ok((content, start + length + close.len()))
}

fn short_string(text: &str, start: usize) -> Result<(String, usize), LuaError> {
    let bytes = text.as_bytes();
    let quote = bytes[start];
    let (mut at, mut string) = (start + 1, Vec::new());
    let open = || error(text, start, "unclosed string");
    loop {
        match *bytes.get(at).ok_or_else(open)? {
            byte if byte == quote => {
                return Ok((String::from_utf8_lossy(&string).into_owned(), at + 1));
            }
            b'\n' => return Err(open()),
            b'\\' => at = escape(text, at + 1, &mut string).ok_or_else(open)?,
            byte => {
                string.push(byte);
                at += 1;
            }
        }
    }
}

/// Reads what stands behind a backslash, and returns where it ends.
fn escape(text: &str, at: usize, string: &mut Vec<u8>) -> Option<usize> {
    let bytes = text.as_bytes();
    let plain = match *bytes.get(at)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'v' => 11,
        b'z' => {
            return Some(
                at + 1
                    + bytes[at + 1..]
                        .iter()
                        .take_while(|byte| byte.is_ascii_whitespace())
                        .count(),
            );
        }
        b'x' => {
            string.push(u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok()?);
            return Some(at + 3);
        }
        b'u' => {
            let end = at + text.get(at..)?.find('}')?;
            let character = u32::from_str_radix(text.get(at + 2..end)?, 16)
                .ok()
                .and_then(char::from_u32)?;
            string.extend(character.to_string().bytes());
            return Some(end + 1);
        }
        digit if digit.is_ascii_digit() => {
            let count = bytes[at..]
                .iter()
                .take(3)
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            string.push(u8::try_from(text[at..at + count].parse::<u32>().ok()?).ok()?);
            return Some(at + count);
        }
        byte => byte,
    };
    string.push(plain);
    Some(at + 1)
}
