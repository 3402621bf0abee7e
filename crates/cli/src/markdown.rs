//! A README as a terminal shows it: headings, lists and code as text of the terminal's width, with
//! what is bold or a link made visible.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use textwrap::{Options as Wrap, wrap};

use crate::render::{self, CYAN, DIM, painted};

/// Deeper lists and quotations are not indented further.
const DEPTH_LIMIT: usize = 12;

/// The text, in lines of at most `width` columns; links stand behind what they are called.
pub(crate) fn text(markdown: &str, width: usize, colour: bool) -> String {
    let mut page = Page {
        width: width.max(20),
        colour,
        ..Page::default()
    };
    for event in Parser::new_ext(
        markdown,
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH,
    ) {
        page.event(event);
    }
    page.end_block();
    page.text
}

#[derive(Default)]
struct Page {
    width: usize,
    colour: bool,
    text: String,
    /// What is being written, before it is broken into lines.
    block: String,
    /// What stands before the first line of the block, and before its others.
    first: String,
    rest: Vec<String>,
    /// The numbers of the lists around; none where there are only dots.
    lists: Vec<Option<u64>>,
    links: Vec<String>,
    code: bool,
    cells: Vec<Vec<String>>,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.code => self.code_lines(&text),
            Event::Text(text) => self.block += &render::printable(&text.replace('\n', " ")),
            Event::Code(code) => {
                self.block += &painted(self.colour, CYAN, &render::printable(&code))
            }
            Event::SoftBreak => self.block.push(' '),
            Event::HardBreak => self.block.push('\n'),
            Event::Rule => {
                self.end_block();
                self.text += &format!(
                    "{}\n\n",
                    painted(self.colour, DIM, &"─".repeat(self.width.min(40)))
                );
            }
            // Markup of browsers says nothing on a terminal.
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.end_block();
                self.block += match (self.colour, level) {
                    (true, _) => "\u{1b}[1m",
                    (false, HeadingLevel::H1) => "# ",
                    (false, _) => "## ",
                };
            }
            Tag::List(number) => {
                self.end_line();
                self.lists.push(number);
            }
            Tag::Item => {
                self.end_line();
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "• ".to_owned(),
                };
                self.first = self.rest.concat() + &mark;
                self.indent(&" ".repeat(mark.chars().count()));
            }
            Tag::BlockQuote(_) => {
                self.end_block();
                self.indent("│ ");
                self.first = self.rest.concat();
            }
            Tag::CodeBlock(_) => {
                self.end_block();
                self.code = true;
            }
            Tag::Strong if self.colour => self.block += "\u{1b}[1m",
            Tag::Emphasis if self.colour => self.block += "\u{1b}[3m",
            Tag::Emphasis => self.block.push('*'),
            Tag::Link { dest_url, .. } => self.links.push(dest_url.to_string()),
            Tag::Image { .. } => self.block += "[image: ",
            Tag::Table(_) => {
                self.end_block();
                self.cells.clear();
            }
            Tag::TableHead | Tag::TableRow => self.cells.push(Vec::new()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                if self.colour {
                    self.block += "\u{1b}[0m";
                }
                self.end_block();
            }
            TagEnd::Paragraph => match self.lists.is_empty() {
                true => self.end_block(),
                false => self.end_line(),
            },
            TagEnd::List(_) => {
                self.end_line();
                self.lists.pop();
                if self.lists.is_empty() && !self.text.ends_with("\n\n") {
                    self.text.push('\n');
                }
            }
            TagEnd::Item => {
                self.end_line();
                self.rest.pop();
                self.first = self.rest.concat();
            }
            TagEnd::BlockQuote(_) => {
                self.end_block();
                self.rest.pop();
                self.first = self.rest.concat();
            }
            TagEnd::CodeBlock => {
                self.code = false;
                self.text.push('\n');
            }
            TagEnd::Strong | TagEnd::Emphasis if self.colour => self.block += "\u{1b}[0m",
            TagEnd::Emphasis => self.block.push('*'),
            TagEnd::Link => {
                let url = self.links.pop().unwrap_or_default();
                if !self.block.ends_with(&url) && url.contains("://") {
                    self.block +=
                        &painted(self.colour, DIM, &format!(" <{}>", render::printable(&url)));
                }
            }
            TagEnd::Image => self.block.push(']'),
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.block);
                if let Some(row) = self.cells.last_mut() {
                    row.push(cell);
                }
            }
            TagEnd::Table => {
                let rows = std::mem::take(&mut self.cells);
                self.text += &render::table(&rows);
                self.text.push('\n');
            }
            _ => {}
        }
    }

    fn indent(&mut self, by: &str) {
        let by = if self.rest.len() < DEPTH_LIMIT {
            by
        } else {
            ""
        };
        self.rest.push(by.to_owned());
    }

    fn code_lines(&mut self, code: &str) {
        for line in code.lines() {
            let line = format!("{}    {}", self.rest.concat(), render::printable(line));
            self.text += &painted(self.colour, DIM, &line);
            self.text.push('\n');
        }
    }

    /// Ends what is being written, if anything is.
    fn end_line(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block.trim().is_empty() {
            return;
        }
        let rest = self.rest.concat();
        let first = std::mem::replace(&mut self.first, rest.clone());
        for (number, part) in block.split('\n').enumerate() {
            let before = if number == 0 { &first } else { &rest };
            for line in wrap(
                part.trim(),
                Wrap::new(self.width)
                    .initial_indent(before)
                    .subsequent_indent(&rest),
            ) {
                self.text += line.trim_end();
                self.text.push('\n');
            }
        }
    }

    /// The same, with an empty line behind it.
    fn end_block(&mut self) {
        let before = self.text.len();
        self.end_line();
        if self.text.len() > before {
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_text_of_the_terminal_s_width() {
        let page = "# Title\n\nSome *text* with a [link](https://example.org/x) and `code`.\n\n* one that is longer than a line can be\n* two\n  1. inner\n\n```lua\nx = 1\n```\n\n| a | b |\n|---|---|\n| c | d |\n\n\u{1b}[31mred\n";
        let shown = text(page, 30, false);
        let expected = "# Title\n\nSome *text* with a link\n<https://example.org/x> and\ncode.\n\n• one that is longer than a\n  line can be\n• two\n  1. inner\n\n    x = 1\n\na  b\nc  d\n\n\u{fffd}[31mred\n\n";
        assert_eq!(shown, expected, "\n{shown}");
        assert!(text(page, 30, true).contains("\u{1b}[1mTitle"));
        assert!(shown.lines().all(|line| line.chars().count() <= 30));
    }

    #[test]
    fn nesting_has_an_end() {
        for deep in [
            ">".repeat(5_000),
            "* ".repeat(5_000),
            "[".repeat(5_000),
            "**".repeat(5_000),
        ] {
            let _ = text(&deep, 80, false);
        }
    }
}
