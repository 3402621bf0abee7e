//! Line ends and blanks around the statements of a template.
//!
//! Some programs that render Jinja2 remove the line end after a statement and the blanks before it
//! (Ansible), others leave both (Jinja2 itself). A line that has nothing but statements and
//! comments is to leave nothing. In a line that has text as well, the text keeps its indentation
//! and its line end: otherwise `image: a{% if b %}:1{% endif %}` would go on with the next line.

use std::ops::Range;

/// A template with the signs for the engine, which removes blanks and line ends around statements,
/// that keep those of lines with text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) text: String,
    /// Where something was inserted, in bytes of the original.
    inserted: Vec<usize>,
}

impl Kept {
    /// The place in the original of a place in the text.
    pub(crate) fn original(&self, place: usize) -> usize {
        let before = |(count, at): &(usize, &usize)| **at + count < place;
        place - self.inserted.iter().enumerate().take_while(before).count()
    }
}

/// A part of a template.
struct Tag {
    span: Range<usize>,
    /// True for an expression, which no sign can stand in.
    is_expression: bool,
    /// True for what leaves text: an expression, and what is raw.
    prints: bool,
}

/// Marks the statements whose surroundings are to be kept.
pub(crate) fn keep_lines(template: &str) -> Kept {
    let mut inserted = Vec::new();
    let mut line: Vec<Tag> = Vec::new();
    let mut start = 0;
    let mut at = 0;
    loop {
        let tag = next_tag(template, at);
        let end = template[at..].find('\n').map(|end| at + end);
        match (tag, end) {
            (Some(tag), end) if end.is_none_or(|end| tag.span.start < end) => {
                at = tag.span.end;
                line.push(tag);
            }
            (_, end) => {
                keep(
                    template,
                    start..end.unwrap_or(template.len()),
                    &line,
                    &mut inserted,
                );
                line.clear();
                let Some(end) = end else { break };
                (start, at) = (end + 1, end + 1);
            }
        }
    }
    let mut text = template.to_owned();
    for place in inserted.iter().rev() {
        text.insert(*place, '+');
    }
    Kept { text, inserted }
}

/// Finds what is to be kept around the statements of a line.
fn keep(template: &str, line: Range<usize>, tags: &[Tag], inserted: &mut Vec<usize>) {
    let mut outside = String::new();
    let mut at = line.start;
    for tag in tags {
        outside += &template[at..tag.span.start];
        at = tag.span.end;
    }
    let after = &template[at..line.end];
    outside += after;
    let has_sign = |byte: usize| {
        template
            .as_bytes()
            .get(byte)
            .is_some_and(|byte| matches!(byte, b'-' | b'+'))
    };
    if outside.trim().is_empty() && !tags.iter().any(|tag| tag.prints) {
        // A statement that removes the line end before it leaves the one after it, and what is
        // included ends with the line.
        let removes_before = |tag: &Tag| template.as_bytes().get(tag.span.start + 2) == Some(&b'-');
        let is_include = |tag: &Tag| {
            let code = template[tag.span.start + 2..]
                .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+'));
            code.starts_with("include")
        };
        let is_kept =
            tags.first().is_some_and(removes_before) || tags.last().is_some_and(is_include);
        if let Some(last) = tags.last().filter(|_| is_kept) {
            let place = last.span.end - 2;
            inserted.extend((!has_sign(place - 1)).then_some(place));
        }
        return;
    }
    if let Some(first) = tags
        .first()
        .filter(|tag| !tag.is_expression && template[line.start..tag.span.start].trim().is_empty())
    {
        let place = first.span.start + 2;
        inserted.extend((!has_sign(place)).then_some(place));
    }
    if let Some(last) = tags
        .last()
        .filter(|tag| !tag.is_expression && after.trim_end_matches('\r').is_empty())
    {
        let place = last.span.end - 2;
        inserted.extend((!has_sign(place - 1)).then_some(place));
    }
}

/// The next expression, statement or comment. What is raw belongs to its statement.
fn next_tag(template: &str, from: usize) -> Option<Tag> {
    let start = ["{{", "{%", "{#"]
        .iter()
        .filter_map(|open| template[from..].find(open))
        .min()?
        + from;
    let open = &template[start..start + 2];
    let end = match open {
        "{#" => start + 2 + template[start + 2..].find("#}")? + 2,
        open => end_of_code(template, start + 2, if open == "{{" { "}}" } else { "%}" })?,
    };
    let name = template[start + 2..end - 2]
        .trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+'));
    if open == "{%" && name == "raw" {
        let mut at = end;
        loop {
            let close = template[at..].find("{%")? + at;
            let end = template[close..].find("%}")? + close + 2;
            if template[close + 2..end - 2]
                .trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+'))
                == "endraw"
            {
                // Between them is text.
                return Some(Tag {
                    span: start..end,
                    is_expression: false,
                    prints: !template[start..end].contains('\n'),
                });
            }
            at = close + 2;
        }
    }
    Some(Tag {
        span: start..end,
        is_expression: open == "{{",
        prints: open == "{{",
    })
}

/// Where code ends, which may have the sign for it in a string.
fn end_of_code(template: &str, from: usize, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut is_escaped = false;
    for (place, c) in template[from..].char_indices() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if c == '\\' => is_escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if template[from + place..].starts_with(close) => return Some(from + place + 2),
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_text_keep_their_ends_and_blanks() {
        let kept = |text: &str| keep_lines(text).text;
        for unchanged in [
            "  {% if a %}\nx\n  {% endif %}\n",
            "{# c #}\n",
            "{% if a %}{# c #}\n",
            "a {{ b }}\n",
            "{%- if a -%} x {%- endif -%}\n",
            "{%- if a -%}\nx\n",
            "{{ '{%' }}\n",
            "{% if",
            "{% raw %}\n{{ x }}\n{% endraw %}\n",
        ] {
            assert_eq!(kept(unchanged), unchanged);
        }
        assert_eq!(
            kept("a: {% if b %}c{% endif %}\nd"),
            "a: {% if b %}c{% endif +%}\nd"
        );
        assert_eq!(
            kept("  {% if b %}c{% endif %}\r\n"),
            "  {%+ if b %}c{% endif +%}\r\n"
        );
        assert_eq!(
            kept("  {% if b %}c: {{ d }}\n"),
            "  {%+ if b %}c: {{ d }}\n"
        );
        assert_eq!(
            kept("{% raw %}{{{% endraw %}\n"),
            "{%+ raw %}{{{% endraw +%}\n"
        );
        assert_eq!(
            kept("a:\n  {%- if b %}\n  c\n  {%- endif %}\nd"),
            "a:\n  {%- if b +%}\n  c\n  {%- endif +%}\nd"
        );
        assert_eq!(kept("  {% include 'a' %}\n"), "  {% include 'a' +%}\n");
        assert_eq!(kept("a {# c #}\n"), "a {# c +#}\n");
        assert_eq!(
            kept("{% set a = [\n1] %}x{% set b = '%}' %}\n"),
            "{%+ set a = [\n1] %}x{% set b = '%}' +%}\n"
        );
        let moved = keep_lines("  {% if b %}c{% endif %}\n{{ d }}");
        let places: Vec<usize> = [0, 2, 5, moved.text.find("{{").unwrap()]
            .map(|place| moved.original(place))
            .to_vec();
        assert_eq!(places, [0, 2, 4, 25]);
    }
}
