//! Which values are secrets, and how they are kept out of what is shown.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};

/// What is shown in the place of a secret.
pub const MASK: &str = "•••";

/// True for a name that secrets are given: `password`, `secret_key`, `apiToken`, `key`; not for that of a file with one in it.
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last().map(String::as_str) else { return false };
    let before = words.len().checked_sub(2).and_then(|place| words.get(place)).map(String::as_str);
    match last {
        "password" | "passwd" | "passphrase" | "pass" | "pwd" | "secret" | "secrets" | "token" | "credential" | "credentials" => true,
        "key" => !matches!(before, Some("public" | "primary" | "foreign" | "sort" | "partition" | "host")),
        "apikey" | "secretkey" | "privatekey" | "accesskey" | "authtoken" | "dbpassword" => true,
        _ => false,
    }
}

/// The words of a name, in small letters: `secretKey`, `SECRET_KEY` and `secret-key` are two words each.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && small) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().map(|word| word.extend(c.to_lowercase())).unwrap_or_default();
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
    /// The length in bytes of the longest form.
    longest: usize,
}

/// What is shorter cannot be told from ordinary words.
pub(crate) const SHORTEST: usize = 4;
/// Base64 is printed in lines that break between groups of four: pieces of so many characters are found on their own.
const PIECE: usize = 8;

impl Masker {
    /// For these secrets. Those of fewer than four characters are left out, since nothing could be read any more.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut needles: BTreeSet<String> = BTreeSet::new();
        for secret in secrets {
            // A key has several lines, and lines are printed one by one.
            let lines = secret.lines().map(str::trim).filter(|line| secret.trim() != *line);
            for form in std::iter::once(secret.trim()).chain(lines) {
                needles.extend(forms(form).into_iter().filter(|form| form.chars().count() >= SHORTEST));
            }
        }
        let longest = needles.iter().map(String::len).max().unwrap_or(0);
        // So many that they are too many for the memory of a machine are of no human.
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&needles).ok().filter(|_| longest > 0);
        Self { finder, longest }
    }

    /// The length in bytes of the longest form of a secret.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// True where there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.finder.is_none()
    }

    /// The text with every secret masked; nothing where there is none in it.
    pub fn mask(&self, text: &str) -> Option<String> {
        let finder = self.finder.as_ref()?;
        let mut masked = String::new();
        let mut end = None;
        for found in finder.find_iter(text) {
            let before = &text[end.unwrap_or(0)..found.start()];
            masked += before;
            // Pieces of one secret are one.
            if end.is_none() || !before.is_empty() {
                masked += MASK;
            }
            end = Some(found.end());
        }
        end.map(|end| masked + &text[end..])
    }

    /// The text, masked.
    pub fn masked(&self, text: &str) -> String {
        self.mask(text).unwrap_or_else(|| text.to_owned())
    }
}

/// A secret as it is, and as shells, JSON, URLs, pages and base64 write it.
fn forms(secret: &str) -> Vec<String> {
    let json = |text: &str| serde_json::to_string(text).unwrap_or_default().trim_matches('"').to_owned();
    let ascii = |text: &str| {
        let escaped = |c: char| match c.is_ascii() {
            true => c.to_string(),
            false => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        };
        text.chars().map(escaped).collect::<String>()
    };
    let mut forms = vec![secret.to_owned()];
    // JSON in JSON in JSON, as logs of containers are, with or without letters that are not ASCII.
    for mut text in [json(secret), ascii(&json(secret))] {
        for _ in 0..4 {
            let outer = json(&text);
            forms.push(std::mem::replace(&mut text, outer));
        }
    }
    forms.push(secret.replace('\'', r"'\''"));
    forms.push(secret.replace('\'', "'\"'\"'"));
    // Who cleans text for a terminal leaves out what controls it.
    let plain = without_sequences(secret);
    let bare: String = secret.chars().filter(|c| !c.is_control()).collect();
    forms.extend([bare, plain].into_iter().filter(|form| form != secret));
    // What shells write, each with its own idea of what is plain.
    for plain in ["", "%+-./:=@_"] {
        let quoted = |c: char| (c.is_ascii() && !c.is_ascii_alphanumeric() && !plain.contains(c)).then_some('\\').into_iter().chain([c]);
        forms.push(secret.chars().flat_map(quoted).collect());
    }
    for (quote, apostrophe) in [("&quot;", "&#39;"), ("&quot;", "&#x27;"), ("\"", "'"), ("&#34;", "&#39;")] {
        let plain = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        forms.push(plain.replace('"', quote).replace('\'', apostrophe));
    }
    let hex = |byte: u8| [format!("%{byte:02X}"), format!("%{byte:02x}")];
    for (place, plain, blank) in [(0, "-_.~", "%20"), (1, "-_.~", "%20"), (0, "-_.~/", "%20"), (0, "-_.", "+"), (1, "-_.*", "+")] {
        let quoted = |byte: u8| match char::from(byte) {
            c if c.is_ascii_alphanumeric() || (byte.is_ascii() && plain.contains(c)) => c.to_string(),
            ' ' => blank.to_owned(),
            _ => hex(byte)[place].clone(),
        };
        forms.push(secret.bytes().map(quoted).collect());
    }
    forms.push(secret.bytes().map(|byte| format!("{byte:02x}")).collect());
    forms.push(secret.bytes().map(|byte| format!("{byte:02X}")).collect());
    forms.push(base64(secret.as_bytes()));
    // Base64 depends on how many bytes stand before it; what only partly comes from the secret is left out.
    for before in 0..3 {
        for url in [false, true] {
            let inner = base64_inside(secret.as_bytes(), before, url);
            // A group that begins before the secret is not whole.
            let whole = inner.get((4 - (before * 8).div_ceil(6)) % 4..).unwrap_or_default();
            forms.extend(whole.as_bytes().chunks_exact(PIECE).map(|piece| String::from_utf8_lossy(piece).into_owned()));
            forms.extend(Some(inner).filter(|inner| inner.len() >= 2 * SHORTEST));
        }
    }
    forms
}

/// A text without the sequences that control a terminal, and without other characters that nobody sees.
fn without_sequences(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' if rest.next_if_eq(&'[').is_some() => {
                // Parameters, and the letter that ends them.
                while rest.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                rest.next();
            }
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// All of it in base64, with what fills up the last group.
fn base64(text: &[u8]) -> String {
    let mut filled = text.to_vec();
    filled.resize(text.len().div_ceil(3) * 3, 0);
    let mut written = base64_inside(&filled, 0, false);
    let fill = filled.len() - text.len();
    written.truncate(written.len() - fill);
    written + &"=".repeat(fill)
}

/// The part of the base64 of something that only a text in it decides, where so many bytes of a group of three stand before it.
fn base64_inside(text: &[u8], before: usize, url: bool) -> String {
    let alphabet: &[u8; 64] = match url {
        true => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        false => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    };
    let bits = |place: usize| {
        let bit = |number: usize| {
            let number = number.checked_sub(before * 8)?;
            let byte = text.get(number / 8)?;
            Some((byte >> (7 - number % 8)) & 1)
        };
        (0..6).map(|offset| bit(place * 6 + offset)).try_fold(0, |value: usize, bit| Some(value << 1 | usize::from(bit?)))
    };
    let length = (before + text.len()) * 8 / 6;
    (0..length).filter_map(bits).map(|value| char::from(alphabet[value])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in ["password", "DB_PASSWORD", "secret_key", "secretKey", "token", "key", "api-key", "apiToken", "sshKey"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["key_file", "public_key", "keyboard", "tokens_per_second", "monkey", "user", "", "secret_name"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_secret_is_found_in_every_form_that_programs_print() {
        let secret = "pä ss'w\"ord/42";
        let masker = Masker::new([secret, "abc"]);
        let base64 = |text: &str| {
            // A plain implementation to check against: groups of six bits, the last ones with noughts.
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let bits: Vec<u8> = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
            let value = |six: &[u8]| (0..6).fold(0, |value, place| value << 1 | usize::from(six.get(place).copied().unwrap_or(0)));
            bits.chunks(6).map(|six| char::from(alphabet[value(six)])).collect::<String>()
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
            assert!(masked.contains(MASK) && masked.starts_with("before ") && masked.ends_with(" after"), "{form}: {masked}");
            assert!(!masked.contains("ord") && !masked.contains(&base64(secret)[4..12]), "{form}: {masked}");
        }
        assert_eq!(masker.mask("abc"), None, "what is so short would be found everywhere");
        // Programs that write base64 break its lines, wherever the secret begins.
        let long: String = (0..120_u32).filter_map(|number| char::from_u32(33 + number * 7 % 90)).collect();
        for before in 0..5 {
            let text = base64(&format!("{}{long} and more", &"user:"[..before]));
            for width in [64, 76] {
                let masker = Masker::new([long.as_str()]);
                for line in text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned()) {
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
        let key = Masker::new(["-----BEGIN KEY-----\nMIIBVgIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"]);
        assert_eq!(key.masked("line kqhkiG9w0BAQEF"), format!("line {MASK}"));
    }
}
