//! Words: quotes, escapes, `~`, and the expansions that need nothing run.

use super::value::ShellValue;
use super::{Reader, Refusal, VALUE_LIMIT};

/// How deep `${A:-${B:-…}}` may be nested.
const DEPTH_LIMIT: usize = 32;

/// What ends a word.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Within {
    /// A blank, a newline, `;`.
    Line,
    /// `}`; the flag says that the expansion stands in double quotes.
    Braces { quoted: bool },
}

impl Reader<'_> {
    pub(super) fn word(&mut self, within: Within, depth: usize) -> Result<ShellValue, Refusal> {
        let mut value = ShellValue::default();
        if within != (Within::Braces { quoted: true }) {
            self.tilde(&mut value, within)?;
        }
        let quoted = within == Within::Braces { quoted: true };
        while let Some(character) = self.peek() {
            let start = self.position;
            match character {
                ' ' | '\t' | '\n' | ';' if within == Within::Line => break,
                '}' if within != Within::Line => break,
                '\r' if within == Within::Line => return Err(carriage_return(start)),
                '\'' if !quoted => self.single_quoted(&mut value)?,
                '\'' => {
                    let what = "a single quote in a default inside double quotes";
                    return Err(Refusal {
                        runs: true,
                        ..Refusal::new(
                            start,
                            format!("{what} is not supported in metadata"),
                            "remove it",
                        )
                    });
                }
                '{' if self.exported && within == Within::Line => {
                    return Err(Refusal::new(
                        start,
                        "a brace after `export`, which bash may expand",
                        "quote the value",
                    ));
                }
                '"' => self.double_quoted(&mut value, depth)?,
                '\\' if quoted && self.rest().starts_with("\\}") => {
                    self.position += 2;
                    value.push('}');
                }
                '\\' if quoted => self.escape_in_double_quotes(&mut value),
                '\\' => self.escape(&mut value),
                '$' => self.dollar(&mut value, quoted, depth)?,
                '`' => return Err(self.backticks(start)),
                '<' | '>' if !quoted && self.rest()[1..].starts_with('(') => {
                    let resume = Some(self.behind_parenthesis(start + 1));
                    return Err(Refusal {
                        resume,
                        ..Refusal::runs(start, "process substitution")
                    });
                }
                '<' | '>' if !quoted => return Err(Refusal::runs(start, "a redirection")),
                '|' if !quoted => return Err(Refusal::runs(start, "a pipeline")),
                '&' if !quoted => return Err(Refusal::runs(start, "`&`")),
                '(' | ')' if !quoted => {
                    return Err(Refusal::runs(start, "a parenthesis outside quotes"));
                }
                ':' if !quoted => {
                    self.next();
                    value.push(':');
                    self.tilde(&mut value, within)?;
                }
                _ => {
                    self.next();
                    value.push(character);
                }
            }
            if value.text.len() > VALUE_LIMIT {
                self.measure(start)?;
            }
        }
        Ok(value)
    }

    /// Refuses a value that grew over the limit.
    fn measure(&self, offset: usize) -> Result<(), Refusal> {
        let message = format!("the value is longer than {VALUE_LIMIT} bytes");
        Err(Refusal::new(
            offset,
            message,
            "shorten it, or keep the data in a file of the collection",
        ))
    }

    fn tilde(&mut self, value: &mut ShellValue, within: Within) -> Result<(), Refusal> {
        while self.take("\\\n") {}
        if self.peek() != Some('~') {
            return Ok(());
        }
        let start = self.position;
        let ends = |c: char| {
            matches!(c, '/' | ';' | ':' | ' ' | '\t' | '\n') || (within != Within::Line && c == '}')
        };
        let length = self.rest()[1..].find(ends).unwrap_or(self.rest().len() - 1);
        if self.rest()[1..].starts_with("\\\n") {
            return Err(continuation(start));
        }
        if length > 0 {
            let word = &self.rest()[..length + 1];
            if word[1..].starts_with(['\'', '"', '\\', '$']) {
                return Ok(());
            }
            let message = format!("`{word}`: only `~`, your own home directory, is expanded");
            return Err(Refusal::new(
                start,
                message,
                "write the full path, or use $HOME",
            ));
        }
        self.next();
        let home = self.variable("HOME", start)?;
        value.append(&home);
        Ok(())
    }

    fn single_quoted(&mut self, value: &mut ShellValue) -> Result<(), Refusal> {
        let start = self.position;
        self.next();
        let Some(length) = self.rest().find('\'') else {
            return Err(self.unterminated(start, "single quote"));
        };
        self.text_without_returns(length)?;
        value
            .text
            .push_str(&self.text[self.position..self.position + length]);
        self.position += length + 1;
        Ok(())
    }

    fn text_without_returns(&self, length: usize) -> Result<(), Refusal> {
        match self.rest()[..length].find("\r\n") {
            Some(at) => Err(carriage_return(self.position + at)),
            None => Ok(()),
        }
    }

    fn unterminated(&self, start: usize, what: &str) -> Refusal {
        let refusal = Refusal::new(
            start,
            format!("unclosed {what}"),
            "close it on the line where the value ends",
        );
        Refusal {
            resume: Some(self.end),
            ..refusal
        }
    }

    fn double_quoted(&mut self, value: &mut ShellValue, depth: usize) -> Result<(), Refusal> {
        let start = self.position;
        self.next();
        loop {
            match self.peek() {
                None => return Err(self.unterminated(start, "double quote")),
                Some('"') => break,
                Some('\\') => self.escape_in_double_quotes(value),
                Some('$') => self.dollar(value, true, depth)?,
                Some('`') => return Err(self.backticks(self.position)),
                Some('\r') if self.rest().starts_with("\r\n") => {
                    return Err(carriage_return(self.position));
                }
                Some(character) => {
                    self.next();
                    value.push(character);
                }
            }
            if value.text.len() > VALUE_LIMIT {
                let refusal = self.measure(start).unwrap_err();
                let resume = self.rest().find('"').map(|quote| self.position + quote);
                return Err(Refusal { resume, ..refusal });
            }
        }
        self.next();
        Ok(())
    }

    fn escape(&mut self, value: &mut ShellValue) {
        self.next();
        match self.next() {
            Some('\n') => {}
            Some(character) => value.push(character),
            None => value.push('\\'),
        }
    }

    fn escape_in_double_quotes(&mut self, value: &mut ShellValue) {
        self.next();
        match self.peek() {
            Some('\n') => {
                self.next();
            }
            Some(character @ ('$' | '`' | '"' | '\\')) => {
                self.next();
                value.push(character);
            }
            _ => value.push('\\'),
        }
    }

    pub(super) fn backticks(&self, start: usize) -> Refusal {
        let resume = self.text[start + 1..self.end]
            .find('`')
            .map(|close| start + close + 2);
        Refusal {
            resume,
            ..Refusal::runs(start, "command substitution (`…`)")
        }
    }

    fn dollar(
        &mut self,
        value: &mut ShellValue,
        quoted: bool,
        depth: usize,
    ) -> Result<(), Refusal> {
        let start = self.position;
        self.next();
        let rest = self.rest();
        let what = match rest.chars().next() {
            Some('\\') if rest.starts_with("\\\n") => return Err(continuation(start)),
            Some('(') if rest.starts_with("((") => "arithmetic expansion ($((…)))",
            Some('(') => "command substitution ($(…))",
            Some('[') => "arithmetic expansion ($[…])",
            Some('{') => return self.braces(value, start, quoted, depth),
            Some('\'') if !quoted => {
                return Err(Refusal::new(
                    start,
                    "ANSI-C quoting ($'…') is not supported",
                    "write the characters in quotes",
                ));
            }
            Some('"') if !quoted => {
                return Err(Refusal::new(
                    start,
                    "locale quoting ($\"…\") is not supported",
                    "write \"…\" without the $",
                ));
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let length = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                let name = rest[..length].to_owned();
                if rest[length..].starts_with("\\\n") {
                    return Err(continuation(start));
                }
                self.position += length;
                let read = self.variable(&name, start)?;
                value.append(&read);
                return Ok(());
            }
            Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => {
                let message = format!("the special parameter ${c} has no value in metadata");
                return Err(Refusal::new(
                    start,
                    message,
                    "quote the value with single quotes to use the characters as they are",
                ));
            }
            _ => {
                value.push('$');
                return Ok(());
            }
        };
        let resume = Some(self.behind_parenthesis(start + 1));
        Err(Refusal {
            resume,
            ..Refusal::runs(start, what)
        })
    }

    /// `${NAME}`, `${NAME-WORD}`, `${NAME:-WORD}`, from its `{` on.
    fn braces(
        &mut self,
        value: &mut ShellValue,
        start: usize,
        quoted: bool,
        depth: usize,
    ) -> Result<(), Refusal> {
        if depth >= DEPTH_LIMIT {
            let refusal = Refusal::new(
                start,
                format!("expansions nested deeper than {DEPTH_LIMIT}"),
                "nest fewer default values",
            );
            return Err(refusal);
        }
        self.next();
        let rest = self.rest();
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let name = rest[..length].to_owned();
        let operator = rest[length..].chars().next();
        let Some(operator) = operator else {
            return Err(self.unterminated(start, "`${`"));
        };
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(unsupported(start, &name, &rest[length..]));
        }
        let colon = rest[length..].starts_with(":-");
        if operator == '}' {
            self.position += length + 1;
            let read = self.variable(&name, start)?;
            value.append(&read);
            return Ok(());
        }
        if !colon && operator != '-' {
            return Err(unsupported(start, &name, &rest[length..]));
        }
        self.position += length + 1 + usize::from(colon);
        let wanted = match is_bash_own(&name) {
            true => return Err(own_variable(start, &name)),
            false => self
                .lookup(&name)
                .filter(|read| !(colon && read.text.is_empty())),
        };
        // The word is read all the same, for its end and for what would be run in it.
        self.unused += usize::from(wanted.is_some());
        let default = self.word(Within::Braces { quoted }, depth + 1);
        self.unused -= usize::from(wanted.is_some());
        let default = default?;
        if !self.take("}") {
            return Err(self.unterminated(start, "`${`"));
        }
        value.append(&wanted.unwrap_or(default));
        Ok(())
    }

    pub(super) fn lookup(&self, name: &str) -> Option<ShellValue> {
        if let Some((value, _)) = self.known.get(name) {
            return Some(value.clone());
        }
        let inherited = self
            .environment
            .get(name)
            .filter(|_| !name.starts_with("MODULE_"))?;
        let mut value = ShellValue::default();
        value.push_solid(inherited);
        Some(value)
    }

    fn variable(&self, name: &str, offset: usize) -> Result<ShellValue, Refusal> {
        if is_bash_own(name) {
            return Err(own_variable(offset, name));
        }
        match (self.lookup(name), name.starts_with("MODULE_")) {
            (Some(value), _) => Ok(value),
            (None, _) if self.unused > 0 => Ok(ShellValue::default()),
            (None, true) => Err(Refusal::new(
                offset,
                format!("the variable {name} is not set"),
                "assign it on an earlier line",
            )),
            (None, false) => Err(Refusal::new(
                offset,
                format!("the variable {name} is not set"),
                "give it a default: ${NAME:-value}",
            )),
        }
    }
}

/// True for variables that bash gives values of its own, which nobody knows without running it.
pub(super) fn is_bash_own(name: &str) -> bool {
    const OWN: &[&str] = &[
        "COLUMNS",
        "DIRSTACK",
        "EPOCHREALTIME",
        "EPOCHSECONDS",
        "EUID",
        "FUNCNAME",
        "GROUPS",
        "HOSTNAME",
        "HOSTTYPE",
        "IFS",
        "LINENO",
        "LINES",
        "MACHTYPE",
        "OLDPWD",
        "OPTARG",
        "OPTERR",
        "OPTIND",
        "OSTYPE",
        "PIPESTATUS",
        "PPID",
        "PWD",
        "RANDOM",
        "SECONDS",
        "SHELLOPTS",
        "SHLVL",
        "SRANDOM",
        "UID",
        "_",
    ];
    name.starts_with("BASH") || OWN.contains(&name)
}

pub(super) fn own_variable(offset: usize, name: &str) -> Refusal {
    let message = format!("{name} is a variable of bash and has no value in metadata");
    Refusal::new(
        offset,
        message,
        "write the value itself, or compute it in main_module",
    )
}

pub(super) fn continuation(offset: usize) -> Refusal {
    Refusal {
        runs: true,
        ..Refusal::new(
            offset,
            "a line continuation inside an expansion",
            "write the expansion on one line",
        )
    }
}

pub(super) fn carriage_return(offset: usize) -> Refusal {
    Refusal::new(
        offset,
        "the line ends with CRLF",
        "save the file with LF line endings (dos2unix)",
    )
}

pub(super) fn unsupported(start: usize, name: &str, rest: &str) -> Refusal {
    let what = match rest.chars().next() {
        Some('#') if name.is_empty() => "the length of a variable (${#NAME})".to_owned(),
        Some('!') if name.is_empty() => "indirect expansion (${!NAME})".to_owned(),
        Some('#') => "removal of a prefix (${NAME#…})".to_owned(),
        Some('%') => "removal of a suffix (${NAME%…})".to_owned(),
        Some('/') => "replacement (${NAME/…})".to_owned(),
        Some('^' | ',') => "change of letter case (${NAME^…}, ${NAME,…})".to_owned(),
        Some('@') => "transformation (${NAME@…})".to_owned(),
        Some('[') => "an array element (${NAME[…]})".to_owned(),
        Some('+') => "the alternative value (${NAME+…})".to_owned(),
        Some('=') => "the assigning default (${NAME=…})".to_owned(),
        Some('?') => "the error message (${NAME?…})".to_owned(),
        Some(':') => match rest[1..].chars().next() {
            Some('=') => "the assigning default (${NAME:=…})".to_owned(),
            Some('+') => "the alternative value (${NAME:+…})".to_owned(),
            Some('?') => "the error message (${NAME:?…})".to_owned(),
            _ => "a substring (${NAME:…})".to_owned(),
        },
        Some('"' | '\n' | ' ') => "`${` without a closing brace".to_owned(),
        _ if name.starts_with(|c: char| c.is_ascii_digit()) => "a positional parameter".to_owned(),
        _ => "this expansion".to_owned(),
    };
    Refusal::new(
        start,
        format!("{what} is not supported in metadata"),
        "write the value; only ${NAME} and ${NAME:-default} are supported",
    )
}
