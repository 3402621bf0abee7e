//! Finds the line of a template that a line of the rendered text comes from.

use hoist_core::{Diagnostic, Position, Severity};

/// Number of lines that are shown before and after the one with the error.
const AROUND: usize = 2;

/// Points a diagnostic about rendered text at the template: at the line it comes from where that is
/// certain. The rendered lines around the place are added.
pub(super) fn point(diagnostic: &mut Diagnostic, template: &str, rendered: &str) {
    let Some(at) = diagnostic.position else {
        return;
    };
    let lines: Vec<&str> = rendered.lines().collect();
    let Some(line) = lines.get(at.line.saturating_sub(1)) else {
        return;
    };
    let found = line_of(template, line, at.line);
    if found.is_some_and(|(_, source)| source == *line) {
        diagnostic.position = found.map(|(number, _)| Position {
            line: number,
            column: at.column,
        });
        return;
    }
    let first = at.line.saturating_sub(AROUND + 1);
    let width = (at.line + AROUND).to_string().len();
    diagnostic.excerpt = vec!["the template renders as:".to_owned()];
    for (place, text) in lines.iter().enumerate().skip(first).take(2 * AROUND + 1) {
        let sign = if place + 1 == at.line { '>' } else { ' ' };
        diagnostic
            .excerpt
            .push(format!("{sign} {:>width$} | {text}", place + 1));
    }
    diagnostic.position = found.map(|(number, source)| {
        let literal = source.split("{{").next().unwrap_or_default();
        let column = if at.column <= literal.chars().count() {
            at.column
        } else {
            source.chars().count() - source.trim_start().chars().count() + 1
        };
        Position {
            line: number,
            column,
        }
    });
    diagnostic.source_line = found.map(|(_, source)| source.to_owned());
    // What is not there needs no text around it.
    if diagnostic.severity == Severity::Warning {
        diagnostic.excerpt.clear();
    }
}

/// The line of a template that renders as this one, with its number; of several that could, the one
/// with the most text of its own, then the nearest.
fn line_of<'t>(template: &'t str, rendered: &str, near: usize) -> Option<(usize, &'t str)> {
    let candidates = template.lines().enumerate().filter_map(|(place, line)| {
        let literals = literals(line);
        let length: usize = literals.iter().map(|literal| literal.trim().len()).sum();
        (length > 0 && matches(&literals, rendered)).then_some((
            length,
            (place + 1).abs_diff(near),
            (place + 1, line),
        ))
    });
    candidates
        .max_by_key(|(length, distance, _)| (*length, std::cmp::Reverse(*distance)))
        .map(|(.., found)| found)
}

/// The text around the expressions of a line. Statements and comments render as nothing.
fn literals(line: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut rest = line;
    while let Some(start) = ["{{", "{%", "{#"]
        .iter()
        .filter_map(|open| rest.find(open))
        .min()
    {
        let close = match &rest[start..start + 2] {
            "{{" => "}}",
            "{%" => "%}",
            _ => "#}",
        };
        if let Some(last) = all.last_mut() {
            *last += &rest[..start];
        }
        if close == "}}" {
            all.push(String::new());
        }
        let Some(end) = rest[start..].find(close) else {
            return all;
        };
        rest = &rest[start + end + 2..];
    }
    if let Some(last) = all.last_mut() {
        *last += rest;
    }
    all
}

/// True where a line consists of these texts with anything between them.
fn matches(literals: &[String], rendered: &str) -> bool {
    let Some((first, others)) = literals.split_first() else {
        return false;
    };
    let Some(mut rest) = rendered.strip_prefix(first.as_str()) else {
        return false;
    };
    let Some((last, middle)) = others.split_last() else {
        return rest.is_empty();
    };
    for literal in middle {
        let Some(start) = rest.find(literal.as_str()) else {
            return false;
        };
        rest = &rest[start + literal.len()..];
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "{% for name in names %}\n  {{ name }}:\n    image: {{ image }}\n{% endfor %}\n    ports: [\"{{ a }}:{{ b }}\"] {# both #}\n  {% if x %}y: 1{% endif %}\n";

    #[test]
    fn a_line_is_found_by_the_text_around_its_expressions() {
        let line = |rendered: &str, near: usize| {
            line_of(TEMPLATE, rendered, near).map(|(number, _)| number)
        };
        assert_eq!(line("  app:", 1), Some(2));
        assert_eq!(line("    image: x:1", 9), Some(3));
        assert_eq!(line("    ports: [\"80:80\"] ", 9), Some(5));
        assert_eq!(line("  y: 1", 9), Some(6));
        assert_eq!(line("elsewhere", 1), None);
    }

    #[test]
    fn a_diagnostic_points_at_the_template_and_shows_what_it_renders_as() {
        let mut wrong = Diagnostic::error("no").file("a.j2");
        wrong.position = Some(Position { line: 4, column: 5 });
        point(
            &mut wrong,
            TEMPLATE,
            "  a:\n    image: x\n  b:\n    image: y z\n",
        );
        assert_eq!(
            (wrong.position, wrong.source_line.as_deref()),
            (
                Some(Position { line: 3, column: 5 }),
                Some("    image: {{ image }}")
            )
        );
        assert_eq!(
            wrong.excerpt,
            [
                "the template renders as:",
                "  2 |     image: x",
                "  3 |   b:",
                "> 4 |     image: y z"
            ]
        );
        let mut wrong = Diagnostic::error("no").file("a.j2");
        wrong.position = Some(Position { line: 1, column: 1 });
        point(&mut wrong, TEMPLATE, "from elsewhere\n");
        assert_eq!(
            (wrong.position, wrong.source_line, wrong.excerpt.len()),
            (None, None, 2)
        );
    }
}
