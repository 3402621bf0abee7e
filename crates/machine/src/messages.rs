//! Lines of scripts that are messages to people: those of hoist's own helpers, and the forms that
//! collections' own helpers commonly write.

use hoist_executor::Level;

/// A line that is a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleMessage {
    /// How much it matters.
    pub level: Level,
    /// Without the marks that say so.
    pub text: String,
}

impl ModuleMessage {
    /// Reads a line; `None` for plain output.
    pub fn parse(line: &str) -> Option<Self> {
        if let Some((level, text)) = line
            .strip_prefix("::hoist:")
            .and_then(|rest| rest.split_once("::"))
        {
            return Some(Self {
                level: level_of(level)?,
                text: without_escapes(text).trim().to_owned(),
            });
        }
        if !line.starts_with(['[', '\u{1b}', '✓', '✔', '⚠', '✗', '✘', 'ℹ']) {
            return None;
        }
        let plain = without_escapes(line);
        let plain = plain.trim();
        if let Some((level, text)) = plain
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            let text = text.trim_start_matches(':').trim().to_owned();
            return Some(Self {
                level: level_of(&level.trim().to_lowercase())?,
                text,
            });
        }
        let mark = plain.chars().next()?;
        let level = match mark {
            '✓' | '✔' => Level::Success,
            '⚠' => Level::Warning,
            '✗' | '✘' => Level::Error,
            'ℹ' => Level::Info,
            _ => return None,
        };
        let text = plain[mark.len_utf8()..]
            .trim_start_matches('\u{fe0f}')
            .trim();
        Some(Self {
            level,
            text: text.to_owned(),
        })
    }

    /// The form in which hoist's helpers write messages.
    pub fn line(&self) -> String {
        let level = match self.level {
            Level::Info => "info",
            Level::Success => "success",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        format!("::hoist:{level}::{}", self.text.replace('\n', " "))
    }
}

fn level_of(word: &str) -> Option<Level> {
    match word {
        "info" | "i" => Some(Level::Info),
        "success" | "ok" | "done" | "✓" | "✔" => Some(Level::Success),
        "warning" | "warn" | "!" => Some(Level::Warning),
        "error" | "err" | "fail" | "failed" | "✗" => Some(Level::Error),
        _ => None,
    }
}

/// Without the escape sequences that colour text.
fn without_escapes(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            if !character.is_control() {
                plain.push(character);
            }
        } else if characters.next() == Some('[') {
            let _ = characters.find(|c| c.is_ascii_alphabetic());
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_and_common_forms_are_messages_and_the_rest_is_not() {
        let message = |level, text: &str| {
            Some(ModuleMessage {
                level,
                text: text.into(),
            })
        };
        assert_eq!(
            ModuleMessage::parse("::hoist:warning::look: here"),
            message(Level::Warning, "look: here")
        );
        assert_eq!(
            ModuleMessage::parse("\u{1b}[0;32m[SUCCESS]\u{1b}[0m fzf installed"),
            message(Level::Success, "fzf installed")
        );
        assert_eq!(
            ModuleMessage::parse("[INFO] hello"),
            message(Level::Info, "hello")
        );
        assert_eq!(
            ModuleMessage::parse("\u{1b}[31m✗\u{1b}[0m no"),
            message(Level::Error, "no")
        );
        for plain in [
            "hello",
            "[1/3] step",
            "[ info",
            "error: x",
            "",
            "::hoist:odd::x",
        ] {
            assert_eq!(ModuleMessage::parse(plain), None, "{plain}");
        }
    }
}
