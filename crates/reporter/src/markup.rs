//! Text from modules made fit for HTML and XML: it can neither open an element nor end one, nor
//! hide what it says.

use crate::explain::plain_text;

/// For the content and the quoted attributes of elements of HTML and XML alike. Lines stay apart.
pub(crate) fn escape(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            plain_text(line)
                .chars()
                .filter(|c| is_harmless(*c))
                .map(escaped)
                .collect()
        })
        .collect();
    lines.join("\n")
}

/// False for what XML forbids and for what makes text read in another order than it is written.
fn is_harmless(character: char) -> bool {
    !matches!(character, '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(character: char) -> String {
    match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(
            escape("<script>\"a\" & 'b' ]]>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39; ]]&gt;"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        assert_eq!(
            escape("a\u{0}b\u{1b}[31mc\u{ffff}\u{202e}d\r\ne\u{8}"),
            "abcd\ne"
        );
    }
}
