//! Which values are secrets, and how they are kept out of what is shown.

mod forms;

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, Input, MatchKind};

use forms::forms;

/// What is shown in the place of a secret.
pub const MASK: &str = "•••";

/// True for a name that secrets are given: `password`, `secret_key`, `apiToken`, `key`; not for
/// that of a file with one in it.
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last().map(String::as_str) else {
        return false;
    };
    let before = words
        .len()
        .checked_sub(2)
        .and_then(|place| words.get(place))
        .map(String::as_str);
    match last {
        "password" | "passwd" | "passphrase" | "pass" | "pwd" | "secret" | "token"
        | "credential" => true,
        "passwords" | "passphrases" | "secrets" | "tokens" | "credentials" | "apikeys" => true,
        "key" | "keys" => !matches!(
            before,
            Some("public" | "primary" | "foreign" | "sort" | "partition" | "host")
        ),
        "apikey" | "secretkey" | "privatekey" | "accesskey" | "authtoken" | "clientsecret"
        | "dbpassword" => true,
        _ => false,
    }
}

/// The words of a name, in small letters: `secretKey`, `SECRET_KEY` and `secret-key` are two words
/// each.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && small) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words
                .last_mut()
                .map(|word| word.extend(c.to_lowercase()))
                .unwrap_or_default();
        }
        small = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Finds secrets in text, also in the forms that programs print them in.
#[derive(Debug, Clone, Default)]
pub struct Masker {
    finder: Option<AhoCorasick>,
    /// For each text that is looked for the forms that begin with it.
    forms: Vec<Vec<String>>,
    /// The length in bytes of the longest form.
    longest: usize,
}

/// What is shorter cannot be told from ordinary words.
pub(crate) const SHORTEST: usize = 4;
/// So many bytes of a form are looked for; the rest is compared.
const BEGINNING: usize = 64;
/// So many bytes may stand in a secret that nobody sees, such as colours.
const UNSEEN: usize = 256;

impl Masker {
    /// For these secrets. Those of fewer than four characters are left out, since nothing could be
    /// read any more.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut longest = 0;
        for secret in secrets {
            // A key has several lines, and lines are printed one by one.
            let lines = secret
                .lines()
                .map(str::trim)
                .filter(|line| secret.trim() != *line);
            for text in std::iter::once(secret.trim()).chain(lines) {
                for form in forms(text, SHORTEST)
                    .into_iter()
                    .filter(|form| form.chars().count() >= SHORTEST)
                {
                    longest = longest.max(form.len());
                    let beginning = form[..form.floor_char_boundary(BEGINNING)].to_owned();
                    known.entry(beginning).or_default().push(form);
                }
            }
        }
        let (beginnings, forms): (Vec<String>, Vec<Vec<String>>) = known.into_iter().unzip();
        // So many that they are too many for the memory of a machine are of no human.
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&beginnings)
            .ok()
            .filter(|_| longest > 0);
        Self {
            finder,
            forms,
            longest,
        }
    }

    /// The length in bytes of the longest form of a secret, with what may stand in it that nobody
    /// sees.
    pub fn longest(&self) -> usize {
        self.longest + UNSEEN
    }

    /// True where there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.finder.is_none()
    }

    /// The text with every secret masked; nothing where there is none in it.
    pub fn mask(&self, text: &str) -> Option<String> {
        let masked = replaced(text, &self.find(text));
        // Colours may begin in the middle of a secret, and whoever takes them out would show it.
        let seen = masked.as_deref().unwrap_or(text);
        let Some((plain, places)) = visible(seen) else {
            return masked;
        };
        let found = self
            .find(&plain)
            .into_iter()
            .map(|found| places[found.start]..places[found.end - 1] + 1);
        replaced(seen, &found.collect::<Vec<_>>()).or(masked)
    }

    /// Where secrets are.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let Some(finder) = &self.finder else {
            return Vec::new();
        };
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(next) = finder.find(Input::new(text).range(at..)) {
            let (start, mut end) = (next.start(), next.end());
            for form in &self.forms[next.pattern().as_usize()] {
                let same = text.as_bytes()[start..]
                    .iter()
                    .zip(form.as_bytes())
                    .take_while(|(one, other)| one == other)
                    .count();
                end = end.max(text.floor_char_boundary(start + same));
            }
            found.push(start..end);
            at = end;
        }
        found
    }

    /// The text, masked.
    pub fn masked(&self, text: &str) -> String {
        self.mask(text).unwrap_or_else(|| text.to_owned())
    }
}

/// A text with a mask in these places; nothing where there are none. Pieces of one secret are one.
fn replaced(text: &str, places: &[Range<usize>]) -> Option<String> {
    let mut masked = String::new();
    let mut end = None;
    for found in places {
        let before = &text[end.unwrap_or(0)..found.start];
        masked += before;
        if end.is_none() || !before.is_empty() {
            masked += MASK;
        }
        end = Some(found.end);
    }
    end.map(|end| masked + &text[end..])
}

/// What a terminal shows of a text, with the place of each of its bytes in the text; nothing where
/// that is all of it. Sequences that control a terminal and characters that nobody sees are left
/// out.
fn visible(text: &str) -> Option<(String, Vec<usize>)> {
    let is_unseen =
        |c: char| hoist_core::is_unprintable(c) && c != '\n' && c != '\t' || c == '\u{ad}';
    if !text.chars().any(is_unseen) {
        return None;
    }
    let (mut plain, mut places) = (String::new(), Vec::new());
    let mut rest = text.char_indices().peekable();
    while let Some((place, c)) = rest.next() {
        // The characters of C1 are sequences of two in one.
        let sequence = match c {
            '\u{1b}' => rest.next().map(|(_, c)| c),
            '\u{9b}' => Some('['),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => Some(']'),
            _ => None,
        };
        if let Some(kind) = sequence {
            match kind {
                // Parameters, and the letter that ends them.
                '[' => while rest.next().is_some_and(|(_, c)| !('@'..='~').contains(&c)) {},
                // A text that ends with a bell, or with an escape and a backslash.
                ']' | 'P' | 'X' | '^' | '_' => {
                    while let Some((_, c)) = rest.next() {
                        if matches!(c, '\u{7}' | '\u{9c}')
                            || c == '\u{1b}' && rest.next_if(|(_, c)| *c == '\\').is_some()
                        {
                            break;
                        }
                    }
                }
                '(' | ')' | '*' | '+' | '#' | '%' => drop(rest.next()),
                _ => {}
            }
        } else if !is_unseen(c) {
            plain.push(c);
            places.extend(place..place + c.len_utf8());
        }
    }
    Some((plain, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_repeat_themselves_or_are_long_are_found() {
        let repeated = "a".repeat(20_000);
        let masker = Masker::new([repeated.as_str()]);
        assert_eq!(
            masker.masked(&format!("it is {repeated}.")),
            format!("it is {MASK}.")
        );
        let long: String = (0..60_000_u32)
            .filter_map(|number| char::from_u32(33 + number * number % 90))
            .collect();
        assert_eq!(
            Masker::new([long.as_str()]).masked(&format!("it is {long}.")),
            format!("it is {MASK}.")
        );
    }

    #[test]
    fn names_of_secrets() {
        for name in [
            "password",
            "DB_PASSWORD",
            "secret_key",
            "secretKey",
            "token",
            "key",
            "api-key",
            "apiToken",
            "sshKey",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "key_file",
            "public_key",
            "keyboard",
            "tokens_per_second",
            "monkey",
            "user",
            "",
            "secret_name",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_secret_with_dollars_is_found_as_compose_gets_it() {
        let masker = Masker::new(["pa$$w\"o$"]);
        assert_eq!(
            masker.masked("KEY: \"pa$$$$w\\\"o$$\""),
            format!("KEY: \"{MASK}\"")
        );
        assert_eq!(masker.masked("KEY=pa$$$$w\"o$$"), format!("KEY={MASK}"));
    }

    #[test]
    fn a_secret_is_found_in_every_form_that_programs_print() {
        let secret = "pä ss'w\"ord/42";
        let masker = Masker::new([secret, "abc"]);
        let base64 = |text: &str| {
            // A plain implementation to check against: groups of six bits, the last ones with
            // noughts.
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let bits: Vec<u8> = text
                .bytes()
                .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
                .collect();
            let value = |six: &[u8]| {
                (0..6).fold(0, |value, place| {
                    value << 1 | usize::from(six.get(place).copied().unwrap_or(0))
                })
            };
            bits.chunks(6)
                .map(|six| char::from(alphabet[value(six)]))
                .collect::<String>()
        };
        let forms = [
            secret.to_owned(),
            serde_json::to_string(&secret).unwrap(),
            base64(secret),
            base64(&format!("user:{secret}")),
            base64(&format!("us:{secret}")),
            base64(&format!("{secret}\n")),
            "p%C3%A4%20ss%27w%22ord%2F42".to_owned(),
            r"'pä ss'\''w".to_owned() + "\"ord/42'",
            "'pä ss'\"'\"'w\"ord/42'".to_owned(),
            r#"{\"text\": \"{\\\"inner\\\": \\\"p\\\\u00e4 ss'w\\\\\\\"ord/42\\\"}\"}"#.to_owned(),
        ];
        for form in forms {
            let masked = masker.masked(&format!("before {form} after"));
            assert!(
                masked.contains(MASK)
                    && masked.starts_with("before ")
                    && masked.ends_with(" after"),
                "{form}: {masked}"
            );
            assert!(
                !masked.contains("ord") && !masked.contains(&base64(secret)[4..12]),
                "{form}: {masked}"
            );
        }
        assert_eq!(
            masker.mask("abc"),
            None,
            "what is so short would be found everywhere"
        );
        // Programs that write base64 break its lines, wherever the secret begins.
        let long: String = (0..120_u32)
            .filter_map(|number| char::from_u32(33 + number * 7 % 90))
            .collect();
        for before in 0..5 {
            let text = base64(&format!("{}{long} and more", &"user:"[..before]));
            for width in [64, 76] {
                let masker = Masker::new([long.as_str()]);
                for line in text
                    .as_bytes()
                    .chunks(width)
                    .map(|line| String::from_utf8_lossy(line).into_owned())
                {
                    let shown = masker.masked(&line);
                    let plain = shown.replace(MASK, "");
                    assert!(plain.len() <= 24, "{line} is shown as {shown}");
                }
            }
        }
        let quoted = Masker::new(["Pa55/w\"ord$1+Zq \u{e9}<"]);
        for form in [
            "Pa55/w\\\"ord\\$1+Zq\\ \u{e9}\\<",
            "Pa55/w%22ord%241%2BZq%20%C3%A9%3C",
            "Pa55%2Fw%22ord%241%2BZq+%C3%A9%3C",
            "Pa55/w&quot;ord$1+Zq \u{e9}&lt;",
            "Pa55/w\\\"ord$1+Zq \\u00e9<",
            "Pa55/w\\\\\\\"ord$1+Zq \u{e9}<",
        ] {
            assert_eq!(quoted.masked(form), MASK, "{form}");
        }
        // Colours, marks that nobody sees and what moves a cursor do not hide one.
        for form in [
            "\u{1b}[1mPa\u{1b}[0m55/w\"ord",
            "P\u{200b}a\u{8}5\0\u{1b}]0;title\u{7}5/w\"ord",
            "Pa5\r5/w\u{9b}31m\"ord",
        ] {
            let masked = quoted.masked(&format!("{form}$1+Zq \u{e9}< and more"));
            assert!(
                !masked.contains("ord") && masked.ends_with(&format!("{MASK} and more")),
                "{form:?}: {masked:?}"
            );
        }
        let escaped = Masker::new(["a&b<c>d'e\"f$g*h!i(j)k/l\\m\u{e9}n"]);
        for form in [
            r#"a\u0026b\u003cc\u003ed'e\"f$g*h!i(j)k/l\\m\u{e9}n"#.replace("\\u{e9}", "\u{e9}"),
            r#"a\u0026b\u003cc\u003ed\u0027e\"f$g*h!i(j)k/l\\m\u{e9}n"#
                .replace("\\u{e9}", "\u{e9}"),
            r#"a&b<c>d'e\\\"f$g*h!i(j)k\\\/l\\\\m\\u00e9n"#.to_owned(),
            r#"a&b<c>d\'e"f$g*h!i(j)k/l\\m\u{e9}n"#.replace("\\u{e9}", "\u{e9}"),
            r#"a&b<c>d\'e"f$g*h!i(j)k/l\\m\xc3\xa9n"#.to_owned(),
            r#"a&b<c>d''e"f$g*h!i(j)k/l\m\u{e9}n"#.replace("\\u{e9}", "\u{e9}"),
            r#"a&b<c>d'e\"f\$g*h!i(j)k/l\\m\u{e9}n"#.replace("\\u{e9}", "\u{e9}"),
            r#"a\&b\<c\>d\'e\"f\$g\*h\!i\(j\)k/l\\m\u{e9}n"#.replace("\\u{e9}", "\u{e9}"),
            r#"a&amp;b&lt;c&gt;d&#039;e&quot;f$g*h!i(j)k/l\m\u{e9}n"#.replace("\\u{e9}", "\u{e9}"),
            "a%26b%3Cc%3Ed'e%22f%24g*h!i(j)k%2Fl%5Cm%C3%A9n".to_owned(),
            "a%2526b%253Cc%253Ed%2527e%2522f%2524g%252Ah%2521i%2528j%2529k%252Fl%255Cm%25C3%25A9n"
                .to_owned(),
        ] {
            assert_eq!(escaped.masked(&form), MASK, "{form}");
        }
        for (form, hidden) in [
            ("68:75:6e:74:65:72", "hunter"),
            ("\\x68\\x75\\x6e\\x74\\x65\\x72", "hunter"),
            ("HUNTER-OF-BEARS", "hunter-of-bears"),
            ("NB2W45DFOI", "hunter"),
        ] {
            assert_eq!(Masker::new([hidden]).masked(form), MASK, "{form}");
        }
        let key = Masker::new([
            "-----BEGIN KEY-----\nMIIBVgIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n",
        ]);
        assert_eq!(key.masked("line kqhkiG9w0BAQEF"), format!("line {MASK}"));
    }
}
