//! What people see: diagnostics with the line and a caret, tables, colours.

use std::io::{IsTerminal, Write};

use console::{Term, measure_text_width, truncate_str};
use hoist_core::{Diagnostic, Severity, is_unprintable, redact_urls};

use crate::logging;
use crate::ui::Color;

/// Whether text is coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Paint {
    /// By the option, then `NO_COLOR`, `FORCE_COLOR` and `CLICOLOR_FORCE`, then whether the stream
    /// is a terminal.
    pub(crate) fn choose(color: Color) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_forced = ["FORCE_COLOR", "CLICOLOR_FORCE"]
            .iter()
            .any(|name| is_set(name) && std::env::var_os(name).is_some_and(|v| v != "0"));
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let coloured = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !is_set("NO_COLOR") && (is_forced || (terminal && !dumb)),
        };
        Self {
            stdout: coloured(std::io::stdout().is_terminal()),
            stderr: coloured(std::io::stderr().is_terminal()),
        }
    }
}

/// Whether progress can be drawn in place: on a terminal that can move its cursor, where nothing else
/// is written there.
pub(crate) fn can_draw() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stderr().is_terminal() && !is_dumb && !logging::is_on()
}

pub(crate) const BOLD: &str = "1";
pub(crate) const DIM: &str = "2";
pub(crate) const RED: &str = "31";
pub(crate) const GREEN: &str = "32";
pub(crate) const YELLOW: &str = "33";
pub(crate) const CYAN: &str = "36";

/// Text in a colour, or as it is.
pub(crate) fn painted(on: bool, code: &str, text: &str) -> String {
    if on {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Draws diagnostics on standard error.
pub(crate) fn diagnostics(diagnostics: &[Diagnostic], paint: Paint) {
    let mut stderr = std::io::stderr().lock();
    for diagnostic in diagnostics {
        let _ = stderr.write_all(diagnostic_text(diagnostic, paint.stderr).as_bytes());
    }
}

/// One error without a place.
pub(crate) fn error(message: &dyn std::fmt::Display, paint: Paint) {
    let message = redact_urls(&message.to_string());
    let _ = writeln!(
        std::io::stderr(),
        "{}: {message}",
        painted(paint.stderr, RED, "error")
    );
}

/// A remark on standard error.
pub(crate) fn print_note(message: &str) {
    let _ = writeln!(std::io::stderr(), "{}", redact_urls(message));
}

/// A diagnostic as people read it.
pub(crate) fn diagnostic_text(diagnostic: &Diagnostic, colour: bool) -> String {
    let (word, code) = match diagnostic.severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
    };
    let subject: Vec<&str> = [diagnostic.module.as_deref(), diagnostic.field.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    let subject = if subject.is_empty() {
        String::new()
    } else {
        format!("{}: ", printable(&subject.join(": ")))
    };
    let mut text = format!(
        "{}: {subject}{}\n",
        painted(colour, code, word),
        printable(&diagnostic.message)
    );
    let arrow = painted(colour, CYAN, "-->");
    match (
        diagnostic.file.as_deref().map(printable),
        diagnostic.position,
    ) {
        (Some(file), Some(at)) => text += &format!("  {arrow} {file}:{}:{}\n", at.line, at.column),
        (Some(file), None) => text += &format!("  {arrow} {file}\n"),
        _ => {}
    }
    if let (Some(line), Some(at)) = (&diagnostic.source_line, diagnostic.position) {
        let number = at.line.to_string();
        let (line, column) = window(&printable(line), at.column);
        let bar = painted(colour, CYAN, "|");
        text += &format!("  {number} {bar} {line}\n");
        text += &format!(
            "  {} {bar} {}{}\n",
            " ".repeat(number.len()),
            " ".repeat(column),
            painted(colour, code, "^")
        );
    }
    for line in &diagnostic.excerpt {
        text += &format!("    {}\n", printable(line));
    }
    if let Some(help) = &diagnostic.help {
        text += &format!(
            "  {}: {}\n",
            painted(colour, GREEN, "help"),
            printable(help)
        );
    }
    text
}

/// At most a hundred characters of a line around a column, and how far in that the column is.
fn window(line: &str, column: usize) -> (String, usize) {
    let from = column.saturating_sub(80);
    let shown = line.chars().skip(from).take(100).collect();
    (shown, column.saturating_sub(1).saturating_sub(from))
}

/// The text without characters that would move the cursor, and without passwords in URLs.
pub(crate) fn printable(text: &str) -> String {
    redact_urls(text)
        .chars()
        .map(|character| if character == '\t' { ' ' } else { character })
        .map(|c| if is_unprintable(c) { '\u{fffd}' } else { c })
        .collect()
}

/// A difference with its lines in colors.
pub(crate) fn colored_diff(diff: &str, is_painted: bool) -> String {
    let colored = |line: &str| {
        let line = printable(line);
        let code = match line.chars().next() {
            Some('+') => GREEN,
            Some('-') => RED,
            Some('@') => CYAN,
            _ => return line + "\n",
        };
        painted(is_painted, code, &line) + "\n"
    };
    diff.lines().map(colored).collect()
}

/// A number with its noun in the singular or plural: "1 module", "2 modules".
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// A path with the home directory shortened to `~`.
pub(crate) fn home_path(path: &str, home: &std::path::Path) -> String {
    match std::path::Path::new(path).strip_prefix(home) {
        Ok(below) if !below.as_os_str().is_empty() => format!("~/{}", below.display()),
        _ => path.to_owned(),
    }
}

/// A word of a command line, quoted where a shell would split or expand it.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:+,%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// A table with titles of its columns. A pipe gets neither titles nor shortened lines.
pub(crate) fn titled_table(titles: &[&str], mut rows: Vec<Vec<String>>, colour: bool) -> String {
    if Term::stdout().is_term() {
        rows.insert(
            0,
            titles
                .iter()
                .map(|title| painted(colour, DIM, title))
                .collect(),
        );
    }
    table_for_terminal(&rows)
}

/// A table whose last column says more than has to be read: on a terminal it ends where that ends.
fn table_for_terminal(rows: &[Vec<String>]) -> String {
    let text = table(rows);
    match Term::stdout().size_checked() {
        Some((_, columns)) => text
            .lines()
            .map(|line| truncate_str(line, columns.into(), "…").into_owned() + "\n")
            .collect(),
        None => text,
    }
}

/// Columns of text, each as wide as its widest cell but the last.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| measure_text_width(cell))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width_of_column) in row.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(width_of_column - measure_text_width(cell) + 2);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
