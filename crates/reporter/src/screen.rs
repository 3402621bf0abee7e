//! Lines at the bottom of a terminal that are redrawn in place, below lines that scroll.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use console::{measure_text_width, truncate_str};

/// Whether the cursor of the terminal on standard error is hidden.
static IS_CURSOR_HIDDEN: AtomicBool = AtomicBool::new(false);

const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
/// Begin and end of a synchronized update: terminals that know it show all of it at once, others
/// ignore it.
const BEGIN_UPDATE: &str = "\u{1b}[?2026h";
const END_UPDATE: &str = "\u{1b}[?2026l";
const CLEAR_LINE_END: &str = "\u{1b}[K";
const CLEAR_SCREEN_END: &str = "\u{1b}[J";

/// Shows the cursor again if a progress display hid it. For ends of the program that run no
/// destructors, and before it is stopped.
pub fn restore_cursor() {
    if IS_CURSOR_HIDDEN.swap(false, Ordering::SeqCst) {
        let _ = io::stderr().write_all(SHOW_CURSOR.as_bytes());
    }
}

/// Size of a terminal in columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// Draws lines in place.
pub(crate) struct Screen<W: Write> {
    terminal: W,
    /// The lines on the screen, as they were written. The cursor is at the end of the last one.
    shown: Vec<String>,
    size: Size,
}

impl<W: Write> Screen<W> {
    pub(crate) fn new(terminal: W) -> Self {
        Self {
            terminal,
            shown: Vec::new(),
            size: Size {
                columns: 0,
                rows: 0,
            },
        }
    }

    /// Prints `above`, which scrolls, and shows `lines` below it in place of the lines shown so
    /// far. Writes only what is different. Lines are cut at the width of the terminal, so that none
    /// wraps.
    pub(crate) fn draw(
        &mut self,
        above: &[String],
        lines: &[String],
        size: Size,
    ) -> io::Result<()> {
        // The last column stays free: a terminal may wrap after it.
        let cut =
            |line: &String| truncate_str(line, size.columns.saturating_sub(1), "…").into_owned();
        let new: Vec<String> = lines
            .iter()
            .take(size.rows.saturating_sub(1).max(1))
            .map(cut)
            .collect();
        let is_same_place = above.is_empty() && new.len() == self.shown.len() && size == self.size;
        if is_same_place && new == self.shown {
            return Ok(());
        }
        let mut text = String::from(BEGIN_UPDATE);
        if !IS_CURSOR_HIDDEN.swap(true, Ordering::SeqCst) {
            text += HIDE_CURSOR;
        }
        match is_same_place {
            true => self.write_changed(&mut text, &new),
            false => {
                self.move_to_start(&mut text, size);
                for (number, line) in above.iter().map(cut).chain(new.iter().cloned()).enumerate() {
                    if number > 0 {
                        text += "\r\n";
                    }
                    text += &line;
                    text += CLEAR_LINE_END;
                }
                text += CLEAR_SCREEN_END;
                if new.is_empty() && !above.is_empty() {
                    text += "\r\n";
                }
            }
        }
        text += END_UPDATE;
        (self.shown, self.size) = (new, size);
        self.terminal.write_all(text.as_bytes())?;
        self.terminal.flush()
    }

    /// Removes the lines, and shows the cursor.
    pub(crate) fn clear(&mut self, size: Size) -> io::Result<()> {
        let mut text = String::new();
        self.move_to_start(&mut text, size);
        text += CLEAR_SCREEN_END;
        if IS_CURSOR_HIDDEN.swap(false, Ordering::SeqCst) {
            text += SHOW_CURSOR;
        }
        self.shown.clear();
        self.terminal.write_all(text.as_bytes())?;
        self.terminal.flush()
    }

    fn write_changed(&self, text: &mut String, new: &[String]) {
        let last = new.len() - 1;
        let mut row = last;
        for (number, (line, _)) in new
            .iter()
            .zip(&self.shown)
            .enumerate()
            .filter(|(_, (new, old))| new != old)
        {
            let _ = match number.cmp(&row) {
                std::cmp::Ordering::Less => write!(text, "\u{1b}[{}A", row - number),
                std::cmp::Ordering::Greater => write!(text, "\u{1b}[{}B", number - row),
                std::cmp::Ordering::Equal => Ok(()),
            };
            let _ = write!(text, "\r{line}{CLEAR_LINE_END}");
            row = number;
        }
        if row < last {
            let _ = write!(text, "\u{1b}[{}B", last - row);
        }
    }

    /// Moves to the first of the shown lines. When the terminal is narrower than before, they take
    /// more rows by now.
    fn move_to_start(&self, text: &mut String, size: Size) {
        let rows = |line: &String| {
            measure_text_width(line)
                .div_ceil(size.columns.max(1))
                .max(1)
        };
        let up = self
            .shown
            .iter()
            .map(rows)
            .sum::<usize>()
            .min(size.rows)
            .saturating_sub(1);
        text.push('\r');
        if up > 0 {
            let _ = write!(text, "\u{1b}[{up}A");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(
        screen: &mut Screen<Vec<u8>>,
        above: &[&str],
        lines: &[&str],
        columns: usize,
    ) -> String {
        let owned = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        screen.terminal.clear();
        screen
            .draw(&owned(above), &owned(lines), Size { columns, rows: 5 })
            .unwrap();
        let text = String::from_utf8(screen.terminal.clone()).unwrap();
        text.replace(BEGIN_UPDATE, "")
            .replace(END_UPDATE, "")
            .replace(HIDE_CURSOR, "")
            .replace(CLEAR_LINE_END, "")
            .replace(CLEAR_SCREEN_END, "#")
    }

    #[test]
    fn only_what_changed_is_written_and_nothing_wraps() {
        let mut screen = Screen::new(Vec::new());
        assert_eq!(
            drawn(&mut screen, &[], &["one", "two", "three"], 20),
            "\rone\r\ntwo\r\nthree#"
        );
        assert_eq!(drawn(&mut screen, &[], &["one", "two", "three"], 20), "");
        assert_eq!(
            drawn(&mut screen, &[], &["one", "2", "three"], 20),
            "\u{1b}[1A\r2\u{1b}[1B"
        );
        assert_eq!(
            drawn(&mut screen, &["done"], &["2", "three"], 20),
            "\r\u{1b}[2Adone\r\n2\r\nthree#"
        );
        assert_eq!(
            drawn(&mut screen, &["a longer line that scrolls"], &["2"], 12),
            "\r\u{1b}[1Aa longer l…\r\n2#"
        );
        // More lines than there are rows.
        assert_eq!(
            drawn(&mut screen, &[], &["1", "2", "3", "4", "5", "6"], 12),
            "\r1\r\n2\r\n3\r\n4#"
        );
    }

    #[test]
    fn a_narrower_terminal_has_wrapped_what_was_shown() {
        let mut screen = Screen::new(Vec::new());
        drawn(&mut screen, &[], &["0123456789", "01234"], 20);
        assert_eq!(
            drawn(&mut screen, &[], &["0123456789", "01234"], 6),
            "\r\u{1b}[2A0123…\r\n01234#"
        );
        screen.terminal.clear();
        screen
            .clear(Size {
                columns: 6,
                rows: 5,
            })
            .unwrap();
        assert!(
            String::from_utf8(screen.terminal)
                .unwrap()
                .starts_with("\r\u{1b}[1A\u{1b}[J")
        );
    }
}
