//! Marks that stand for values in a text until it is known how each has to be written there. A mark
//! consists of characters of the private use area of Unicode, which YAML takes for letters.

/// Before the digits of a mark.
const OPEN: char = '\u{F8E0}';
/// After them.
const CLOSE: char = '\u{F8E1}';
/// The digit 0; nine others follow.
const ZERO: u32 = 0xF8E2;

/// Stands where an undefined value was printed.
pub(crate) const UNDEFINED: char = '\u{F8EC}';

/// True for a character of a mark.
pub(crate) fn is_mark(c: char) -> bool {
    (OPEN..=UNDEFINED).contains(&c)
}

/// The mark with a number.
pub(crate) fn mark(number: usize) -> String {
    let digit = |digit: char| {
        digit
            .to_digit(10)
            .and_then(|digit| char::from_u32(ZERO + digit))
            .unwrap_or(OPEN)
    };
    let digits: String = number.to_string().chars().map(digit).collect();
    format!("{OPEN}{digits}{CLOSE}")
}

/// The text with something else in the place of each mark.
pub(crate) fn replaced(text: &str, with: impl Fn(usize) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        out += before;
        let Some((digits, after)) = after.split_once(CLOSE) else {
            break;
        };
        out += &with(number(digits));
        rest = after;
    }
    out + rest
}

/// The number of the mark that a text consists of.
pub(crate) fn only(text: &str) -> Option<usize> {
    let digits = text.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    (!digits.contains([OPEN, CLOSE])).then(|| number(digits))
}

/// The numbers of the marks in a text.
pub(crate) fn numbers(text: &str) -> Vec<usize> {
    text.split(OPEN)
        .skip(1)
        .filter_map(|rest| rest.split_once(CLOSE))
        .map(|(digits, _)| number(digits))
        .collect()
}

fn number(digits: &str) -> usize {
    digits.chars().fold(0, |number, digit| {
        number * 10 + (u32::from(digit) - ZERO) as usize
    })
}

/// True for a value that every reader of YAML takes for the same text wherever it stands, and
/// Compose leaves alone.
pub(crate) fn is_plain(text: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+' | '@');
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !is_word(text)
}

/// True for the words that some reader of YAML takes for something else than text.
pub(crate) fn is_word(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "y", "n", "null"]
        .contains(&text.to_ascii_lowercase().as_str())
}
