//! The forms in which programs write a text: quoted, escaped, encoded.

use std::collections::BTreeSet;

/// Of a longer secret, in bytes, only its most usual forms are looked for: nobody escapes a key
/// file by hand.
const LONG: usize = 4096;
/// Minimum number of characters of secrets that are also looked for in upper and lower case.
const WORD: usize = 8;
/// Base64 is printed in lines that break between groups of four: pieces of so many characters are
/// found on their own.
const PIECE: usize = 8;

/// A secret as it is, and as shells, programs, JSON, URLs, pages and base64 write it. Base64
/// shorter than `shortest` characters is left out.
pub(super) fn forms(secret: &str, shortest: usize) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([secret.to_owned()]);
    forms.extend(in_json(secret));
    // Compose doubles dollars.
    let doubled = secret.replace('$', "$$");
    if doubled != secret {
        forms.extend(in_json(&doubled));
        forms.insert(doubled);
    }
    forms.extend(in_urls(secret));
    forms.extend(in_base64(secret, shortest));
    forms.extend([
        each(secret, |byte| format!("{byte:02x}")),
        each(secret, |byte| format!("{byte:02X}")),
    ]);
    if secret.len() > LONG {
        return forms;
    }
    forms.extend(quoted(secret));
    forms.extend(in_pages(secret));
    forms.extend(byte_by_byte(secret));
    // Who cleans text for a terminal leaves out what controls it.
    forms.insert(secret.chars().filter(|c| !c.is_control()).collect());
    forms.extend(super::visible(secret).map(|(plain, _)| plain));
    // In another case, short secrets are ordinary words.
    if secret.chars().count() >= WORD {
        forms.extend([secret.to_uppercase(), secret.to_lowercase()]);
    }
    forms
}

/// JSON in JSON in JSON, as logs of containers are: with or without letters that are not ASCII,
/// with slashes escaped as PHP does, with the characters of HTML escaped as Go and template engines
/// do.
fn in_json(secret: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        quoted
            .get(1..quoted.len() - 1)
            .unwrap_or_default()
            .to_owned()
    };
    let ascii = |text: String| {
        let escaped = |c: char| match c.is_ascii() {
            true => c.to_string(),
            false => c
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect(),
        };
        text.chars().map(escaped).collect::<String>()
    };
    let without = |text: String, marks: &str| {
        text.chars()
            .map(|c| {
                if marks.contains(c) {
                    format!("\\u{:04x}", u32::from(c))
                } else {
                    c.to_string()
                }
            })
            .collect::<String>()
    };
    let slashes = |text: String| text.replace('/', "\\/");
    let plain = |text: &str| json(text);
    let levels: [&dyn Fn(&str) -> String; 7] = [
        &plain,
        &|text| ascii(json(text)),
        &|text| slashes(json(text)),
        &|text| slashes(ascii(json(text))),
        &|text| without(json(text), "<>&"),
        &|text| without(json(text), "<>&'"),
        &|text| without(ascii(json(text)), "<>&'"),
    ];
    let mut forms = Vec::new();
    for (place, first) in levels.iter().enumerate() {
        let mut text = first(secret);
        for level in 0..4 {
            // What is written around it is plain, or of the same kind.
            let again = first(&text);
            forms.push(text.clone());
            if level == 0 && place > 0 {
                forms.push(again);
            }
            text = json(&text);
        }
    }
    forms
}

/// What shells, databases and programming languages write between quotes, and in front of what is
/// special.
fn quoted(secret: &str) -> Vec<String> {
    let escaped = |is_special: &dyn Fn(char) -> bool| {
        let one = |c: char| is_special(c).then_some('\\').into_iter().chain([c]);
        secret.chars().flat_map(one).collect::<String>()
    };
    let mut forms = vec![
        secret.replace('\'', r"'\''"),
        secret.replace('\'', "'\"'\"'"),
        secret.replace('\'', "''"),
        secret.replace('"', "\"\""),
        escaped(&|c| matches!(c, '\\' | '\'')),
        escaped(&|c| matches!(c, '\\' | '"')),
        escaped(&|c| matches!(c, '\\' | '"' | '$' | '`')),
        escaped(&|c| matches!(c, '\\' | '"' | '$' | '`' | '!')),
    ];
    // Each shell has its own idea of what is plain.
    for plain in [
        "",
        "%+-./:=@_",
        "%+-./:=@_~",
        "%+-./:=@_#",
        "%+-./:=@_~#",
        "%+,-./:=@_~#^",
    ] {
        forms.push(escaped(&|c| {
            c.is_ascii() && !c.is_ascii_alphanumeric() && !plain.contains(c)
        }));
    }
    // What Python prints of bytes.
    let python = |byte: u8| match char::from(byte) {
        '\\' => "\\\\".to_owned(),
        c if c.is_ascii_graphic() || c == ' ' => c.to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    forms.push(each(secret, python));
    forms.push(each(secret, |byte| {
        if byte == b'\'' {
            "\\'".to_owned()
        } else {
            python(byte)
        }
    }));
    forms
}

fn in_pages(secret: &str) -> Vec<String> {
    let plain = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let quotes = ["\"", "&quot;", "&#34;", "&#x22;"];
    let apostrophes = ["'", "&#39;", "&#039;", "&#x27;", "&apos;"];
    let both = quotes.iter().flat_map(|quote| {
        apostrophes
            .iter()
            .map(move |apostrophe| (quote, apostrophe))
    });
    both.map(|(quote, apostrophe)| plain.replace('"', quote).replace('\'', apostrophe))
        .collect()
}

fn in_urls(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for (plain, blank) in [
        ("-_.~", "%20"),
        ("-_.~/", "%20"),
        ("-_.", "+"),
        ("-_.*", "+"),
        ("-_.!~*'()", "%20"),
        ("-_.!~*'();/?:@&=+$,#", "%20"),
    ] {
        for upper in [true, false] {
            let quoted = |byte: u8| match char::from(byte) {
                c if c.is_ascii_alphanumeric() || (byte.is_ascii() && plain.contains(c)) => {
                    c.to_string()
                }
                ' ' => blank.to_owned(),
                _ => percent(byte, upper),
            };
            let once = each(secret, quoted);
            // In a URL in a URL.
            forms.push(once.replace('%', "%25"));
            forms.push(once);
        }
    }
    forms.extend([
        each(secret, |byte| percent(byte, true)),
        each(secret, |byte| percent(byte, false)),
    ]);
    forms
}

fn percent(byte: u8, upper: bool) -> String {
    if upper {
        format!("%{byte:02X}")
    } else {
        format!("%{byte:02x}")
    }
}

/// Every byte or letter as a number.
fn byte_by_byte(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for separator in [" ", ":", "-", ", "] {
        for number in [
            |byte: u8| format!("{byte:02x}"),
            |byte: u8| format!("{byte:02X}"),
            |byte: u8| format!("0x{byte:02x}"),
            |byte: u8| byte.to_string(),
        ] {
            forms.push(
                secret
                    .bytes()
                    .map(number)
                    .collect::<Vec<_>>()
                    .join(separator),
            );
        }
    }
    forms.extend([
        each(secret, |byte| format!("\\x{byte:02x}")),
        each(secret, |byte| format!("\\x{byte:02X}")),
        each(secret, |byte| format!("\\{byte:03o}")),
    ]);
    let units = |write: fn(u16) -> String| secret.encode_utf16().map(write).collect::<String>();
    forms.extend([
        units(|unit| format!("\\u{unit:04x}")),
        units(|unit| format!("\\u{unit:04X}")),
    ]);
    let letters = |write: fn(u32) -> String| {
        secret
            .chars()
            .map(|c| write(u32::from(c)))
            .collect::<String>()
    };
    forms.extend([
        letters(|c| format!("&#{c};")),
        letters(|c| format!("&#x{c:x};")),
        letters(|c| format!("&#x{c:X};")),
    ]);
    forms
}

fn each(text: &str, write: impl Fn(u8) -> String) -> String {
    text.bytes().map(write).collect()
}

fn in_base64(secret: &str, shortest: usize) -> Vec<String> {
    let once = base64(secret.as_bytes());
    let mut forms = vec![
        base64(once.as_bytes()),
        base64(format!("{once}\n").as_bytes()),
        base32(secret.as_bytes()),
    ];
    forms.push(once);
    // It depends on how many bytes stand before it; what only partly comes from the secret is left
    // out.
    for before in 0..3 {
        for url in [false, true] {
            let inner = base64_inside(secret.as_bytes(), before, url);
            // A group that begins before the secret is not whole.
            let whole = inner
                .get((4 - (before * 8).div_ceil(6)) % 4..)
                .unwrap_or_default();
            forms.extend(
                whole
                    .as_bytes()
                    .chunks_exact(PIECE)
                    .map(|piece| String::from_utf8_lossy(piece).into_owned()),
            );
            forms.extend(Some(inner).filter(|inner| inner.len() >= 2 * shortest));
        }
    }
    forms
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

/// The part of the base64 of something that only a text in it decides, where so many bytes of a
/// group of three stand before it.
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
        (0..6)
            .map(|offset| bit(place * 6 + offset))
            .try_fold(0, |value: usize, bit| Some(value << 1 | usize::from(bit?)))
    };
    let length = (before + text.len()) * 8 / 6;
    (0..length)
        .filter_map(bits)
        .map(|value| char::from(alphabet[value]))
        .collect()
}

/// All of it in base32, without what fills up the last group.
fn base32(text: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let letter = |five: &[u8]| {
        char::from(
            ALPHABET[(0..5).fold(0, |value, place| {
                value << 1 | usize::from(five.get(place).copied().unwrap_or(0))
            })],
        )
    };
    bits.chunks(5).map(letter).collect()
}
