//! The assignments-only subset of bash, read without bash.
//!
//! Understood: `NAME=WORD` and `export NAME=WORD`, several to a line, `;`, comments, line
//! continuation; words of single-quoted, double-quoted, escaped and plain text with `$VAR`,
//! `${VAR}`, `${VAR-WORD}`, `${VAR:-WORD}` and a leading `~`. Everything else that bash would run
//! or compute is refused by name, at its line and column; nothing is ever run.

mod value;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;

pub use value::ShellValue;
use words::{Within, carriage_return, is_bash_own, own_variable};

use crate::{Diagnostic, Environment};

/// The longest value, in bytes: half of what Linux takes as one environment variable.
pub const VALUE_LIMIT: usize = 64 * 1024;

/// One `NAME=WORD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// What it is given.
    pub value: ShellValue,
    /// Where its name stands, in bytes from the start of the text.
    pub offset: usize,
}

/// What a text of assignments says, and all that is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct ParsedAssignments {
    /// In order; the first of each name only.
    pub assignments: Vec<Assignment>,
    /// Names whose value could not be read.
    pub unreadable: Vec<String>,
    /// In order.
    pub diagnostics: Vec<Diagnostic>,
    /// Those of them that are about things which bash would run or compute.
    pub running: Vec<Diagnostic>,
}

/// Reads the bytes `range` of `text`. Variables come from earlier assignments and from
/// `environment`; of the latter those called `MODULE_…` are not seen.
pub fn read_assignments(
    text: &str,
    range: Range<usize>,
    environment: &Environment,
) -> ParsedAssignments {
    let mut reader = Reader {
        text,
        position: range.start,
        end: range.end,
        environment,
        reading: ParsedAssignments::default(),
        known: BTreeMap::new(),
        unused: 0,
        exported: false,
    };
    while reader.position < reader.end {
        let (count, mistakes) = (
            reader.reading.assignments.len(),
            reader.reading.diagnostics.len(),
        );
        if count > ASSIGNMENTS || mistakes > MISTAKES {
            let what = if mistakes > MISTAKES {
                format!("{mistakes} mistakes")
            } else {
                format!("more than {ASSIGNMENTS} assignments")
            };
            reader.refuse(Refusal::new(
                reader.position,
                format!("{what}; the remaining lines were not read"),
                "metadata are a few lines of assignments",
            ));
            break;
        }
        if let Err(refusal) = reader.line() {
            reader.refuse(refusal);
        }
    }
    reader.reading
}

/// So many assignments are read of one manifest,
const ASSIGNMENTS: usize = 1000;
/// and so many mistakes told.
const MISTAKES: usize = 100;

/// Why a place in the text cannot be read.
struct Refusal {
    offset: usize,
    field: Option<String>,
    message: String,
    help: &'static str,
    runs: bool,
    /// Where reading goes on; the next line when absent.
    resume: Option<usize>,
}

const PLAIN: &str = "metadata must be plain assignments, since hoist does not run them: write the value itself, or compute it in main_module";

impl Refusal {
    fn new(offset: usize, message: impl Into<String>, help: &'static str) -> Self {
        Self {
            offset,
            field: None,
            message: message.into(),
            help,
            runs: false,
            resume: None,
        }
    }

    fn runs(offset: usize, what: &str) -> Self {
        Self {
            runs: true,
            ..Self::new(offset, format!("{what} in metadata"), PLAIN)
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
    end: usize,
    environment: &'a Environment,
    reading: ParsedAssignments,
    /// Everything assigned so far, and where.
    known: BTreeMap<String, (ShellValue, usize)>,
    /// Inside how many defaults that are not used we are: what is not set there does not matter.
    unused: usize,
    /// Whether the item stands behind `export`.
    exported: bool,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.position..self.end]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.position += character.len_utf8();
        Some(character)
    }

    fn take(&mut self, prefix: &str) -> bool {
        let taken = self.rest().starts_with(prefix);
        if taken {
            self.position += prefix.len();
        }
        taken
    }

    fn refuse(&mut self, refusal: Refusal) {
        let mut diagnostic = Diagnostic::error(refusal.message)
            .at(self.text, refusal.offset)
            .help(refusal.help);
        diagnostic.field = refusal.field;
        if refusal.runs {
            self.reading.running.push(diagnostic.clone());
        }
        self.reading.diagnostics.push(diagnostic);
        self.position = refusal
            .resume
            .unwrap_or(self.position)
            .max(self.position)
            .min(self.end);
        self.skip_line();
    }

    fn skip_line(&mut self) {
        self.position = self
            .rest()
            .find('\n')
            .map_or(self.end, |newline| self.position + newline + 1);
    }

    fn skip_blanks(&mut self) {
        while self.take(" ") || self.take("\t") || self.take("\\\n") {}
    }

    /// One line: assignments, an optional comment.
    fn line(&mut self) -> Result<(), Refusal> {
        self.exported = false;
        let mut assigned = false;
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Ok(()),
                Some('\n') => {
                    self.next();
                    return Ok(());
                }
                Some(';') if !assigned => {
                    return Err(Refusal::new(
                        self.position,
                        "`;` without an assignment before it",
                        "remove it",
                    ));
                }
                Some(';') => {
                    self.next();
                    (self.exported, assigned) = (false, false);
                }
                Some('#') => {
                    self.skip_line();
                    return Ok(());
                }
                Some('\r') => return Err(carriage_return(self.position)),
                Some(_) => {
                    self.item()?;
                    assigned = true;
                }
            }
        }
    }

    /// `export`, a name behind `export`, or `NAME=WORD`.
    fn item(&mut self) -> Result<(), Refusal> {
        let start = self.position;
        let length = self
            .rest()
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest().len());
        let name = &self.text[start..start + length];
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let after = self.text[start + length..self.end].chars().next();
        let blank_after = matches!(after, None | Some(' ' | '\t' | '\n' | ';'));
        match after {
            Some('=') if is_name => {}
            _ if name == "export" && blank_after && !self.exported => {
                self.position += length;
                self.exported = true;
                self.skip_blanks();
                return match self.peek() {
                    None | Some('\n' | ';' | '#') => Err(Refusal::runs(
                        start,
                        "`export` without a name, which lists variables,",
                    )),
                    Some(_) => self.item(),
                };
            }
            _ if self.exported && is_name && blank_after => {
                self.position += length;
                return Ok(());
            }
            _ => return Err(self.not_an_assignment(start, length)),
        }
        let name = name.to_owned();
        if is_bash_own(&name) {
            return Err(own_variable(start, &name));
        }
        self.position += length + 1;
        let blamed = |refusal: Refusal| Refusal {
            field: Some(name.clone()),
            ..refusal
        };
        if self.peek() == Some('(') {
            let refusal = Refusal::runs(self.position, "an array");
            return Err(blamed(Refusal {
                resume: Some(self.behind_parenthesis(self.position)),
                ..refusal
            }));
        }
        let word = self.word(Within::Line, 0);
        let is_odd = word.is_err() || !self.exported && self.followed_by_command();
        if let Some(refusal) = self.swallowed(start, is_odd) {
            self.reading.unreadable.push(name.clone());
            // What it swallowed is read.
            self.position = start;
            return Err(blamed(refusal));
        }
        let value = word.map_err(blamed).inspect_err(|_| {
            self.reading.unreadable.push(name.clone());
        })?;
        if value.text.len() > VALUE_LIMIT {
            self.reading.unreadable.push(name.clone());
            let message = format!(
                "the value of {} bytes exceeds the limit of {VALUE_LIMIT} bytes",
                value.text.len()
            );
            return Err(blamed(Refusal::new(
                start,
                message,
                "shorten it, or keep the data in a file of the collection",
            )));
        }
        if !self.exported && self.followed_by_command() {
            self.skip_blanks();
            self.reading.unreadable.push(name.clone());
            let refusal = match self.peek() {
                Some('<' | '>') => Refusal::runs(self.position, "a redirection"),
                Some('|' | '&') => Refusal::runs(self.position, "a list of commands"),
                _ => Refusal {
                    help: "write no space after `=`, and quote a value with spaces",
                    ..Refusal::runs(self.position, "a command after an assignment")
                },
            };
            return Err(blamed(refusal));
        }
        self.assign(name, value, start);
        Ok(())
    }

    /// Returns an error if the first quote of the assignment at `start` is not closed on its line
    /// and its value would include later assignments.
    fn swallowed(&self, start: usize, is_odd: bool) -> Option<Refusal> {
        let read = &self.text[start..if is_odd { self.end } else { self.position }];
        let (first, rest) = read.split_once('\n')?;
        let quote = first.find(['"', '\''])?;
        let mark = &first[quote..=quote];
        // An even number of them was closed.
        if first[quote..].matches(mark).count() % 2 == 0 || first.ends_with('\\') {
            return None;
        }
        let is_assignment = |line: &&str| {
            let name = line
                .trim_start()
                .trim_start_matches("export ")
                .split('=')
                .next()
                .unwrap_or_default();
            line.contains('=')
                && name.starts_with("MODULE_")
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let count = rest.lines().filter(is_assignment).count();
        let line = self.text[..start].matches('\n').count() + 1;
        let last = rest
            .lines()
            .enumerate()
            .filter(|(_, line)| is_assignment(line))
            .last()
            .map(|(place, _)| line + 1 + place)?;
        let kind = if mark == "'" {
            "single quote"
        } else {
            "double quote"
        };
        let more = match last == line + 1 {
            true => format!("line {last} would belong to the value"),
            false => format!(
                "lines {} to {last}, with {count} assignment{}, would belong to the value",
                line + 1,
                if count == 1 { "" } else { "s" }
            ),
        };
        Some(Refusal::new(
            start + quote,
            format!("this {kind} is not closed: {more}"),
            "close it on the line where the value ends",
        ))
    }

    fn assign(&mut self, name: String, value: ShellValue, offset: usize) {
        if let Some((_, first)) = self
            .known
            .get(&name)
            .filter(|_| name.starts_with("MODULE_"))
        {
            let line = self.text[..*first].matches('\n').count() + 1;
            let diagnostic = Diagnostic::error(format!("assigned twice; first on line {line}"));
            let diagnostic = diagnostic
                .at(self.text, offset)
                .field(name)
                .help("keep one of them");
            self.reading.diagnostics.push(diagnostic);
            return;
        }
        self.known.insert(name.clone(), (value.clone(), offset));
        self.reading.assignments.push(Assignment {
            name,
            value,
            offset,
        });
    }

    /// True when something that is neither an assignment nor the end of the command stands next on
    /// the line.
    fn followed_by_command(&self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t']);
        let word = rest
            .split([' ', '\t', '\n', ';'])
            .next()
            .unwrap_or_default();
        let name = word.split('=').next().unwrap_or_default();
        let assigns = word.contains('=')
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        !(word.is_empty()
            || word.starts_with('#')
            || word.starts_with('\\')
            || word == "\r"
            || assigns)
    }

    fn not_an_assignment(&mut self, start: usize, length: usize) -> Refusal {
        let name = self.text[start..start + length].to_owned();
        let after = self.text[start + length..self.end].to_owned();
        if after.starts_with("+=") {
            return Refusal {
                field: Some(name),
                ..Refusal::runs(start + length, "an appending assignment (+=)")
            };
        }
        if after.starts_with('[') && !name.is_empty() {
            return Refusal {
                field: Some(name),
                ..Refusal::runs(start + length, "an array")
            };
        }
        let blanks = after.trim_start_matches([' ', '\t']);
        if blanks.starts_with('=') && !name.is_empty() && !blanks.starts_with("==") {
            let refusal = Refusal::new(
                start + length,
                "a space before `=`",
                "bash runs this as a command: write NAME=\"value\"",
            );
            return Refusal {
                field: Some(name),
                runs: true,
                ..refusal
            };
        }
        if blanks.starts_with("()") || blanks.starts_with("( )") || name == "function" {
            let resume = self.behind_function(start);
            return Refusal {
                resume: Some(resume),
                ..Refusal::runs(start, "a function")
            };
        }
        if name.is_empty() && after.starts_with('(') {
            return Refusal {
                resume: Some(self.behind_parenthesis(start)),
                ..Refusal::runs(start, "a subshell")
            };
        }
        let word: String = self.text[start..self.end]
            .chars()
            .take_while(|c| !c.is_whitespace())
            .take(40)
            .collect();
        if word.starts_with('<') || word.starts_with('>') {
            return Refusal::runs(start, "a redirection");
        }
        let kind = match word.as_str() {
            "declare" | "readonly" | "local" | "typeset" | "unset" | "set" | "shopt" => {
                "the builtin"
            }
            "if" | "then" | "else" | "elif" | "fi" | "for" | "while" | "until" | "do" | "done"
            | "case" | "esac" | "select" | "[[" | "{" | "}" => "the keyword",
            _ => "the command",
        };
        Refusal::runs(start, &format!("{kind} `{word}`"))
    }

    /// Behind the closing brace that ends a function, when one stands at the start of a line.
    fn behind_function(&self, start: usize) -> usize {
        let first_line = self.text[start..self.end]
            .find('\n')
            .map_or(self.end, |newline| start + newline);
        match self.text[start..first_line].trim_end().ends_with('}') {
            true => start,
            false => self.text[start..self.end]
                .find("\n}")
                .map_or(start, |brace| start + brace + 2),
        }
    }

    /// Behind the parenthesis that closes the one at `open`; just `open` when none does.
    fn behind_parenthesis(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for (offset, character) in self.text[open..self.end].char_indices() {
            match character {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 {
                return open + offset + 1;
            }
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, home: &str) -> ShellValue {
        let environment = Environment::with_home(home);
        let mut reading = read_assignments(text, 0..text.len(), &environment);
        assert_eq!(reading.diagnostics, []);
        reading.assignments.pop().unwrap().value
    }

    #[test]
    fn blanks_of_the_home_directory_do_not_split_lists_or_commands() {
        let home = "/home/my 'own' $x";
        let value = read("A=\"$HOME/a ~/b $HOME/c\\ d\"", home);
        assert_eq!(
            value.words(),
            ["/home/my 'own' $x/a", "~/b", "/home/my 'own' $x/c d"]
        );
        for (text, expected) in [
            ("A=\"test -d $HOME/x\"", r"test -d /home/my\ \'own\'\ \$x/x"),
            (
                "A=\"test -d '$HOME/x'\"",
                r"test -d '/home/my '\''own'\'' $x/x'",
            ),
            (
                "A=\"test -d \\\"$HOME/x\\\"\"",
                r#"test -d "/home/my 'own' \$x/x""#,
            ),
        ] {
            assert_eq!(read(text, home).command(), expected);
        }
    }

    #[test]
    fn a_list_of_a_list_keeps_its_items() {
        let value = read("LIST=\"$HOME/a $HOME/b\"; A=\"$LIST /c\"", "/my home");
        assert_eq!(value.words(), ["/my home/a", "/my home/b", "/c"]);
    }

    #[test]
    fn doubling_values_end_at_the_limit() {
        let mut text = "A0=xxxxxxxxxxxxxxxx\n".to_owned();
        (1..60).for_each(|n| text += &format!("A{n}=$A{0}$A{0}\n", n - 1));
        let reading = read_assignments(&text, 0..text.len(), &Environment::default());
        assert!(
            reading.diagnostics[0].message.contains("longer than"),
            "{:?}",
            reading.diagnostics[0]
        );
        assert!(
            reading
                .assignments
                .iter()
                .all(|assignment| assignment.value.text().len() <= VALUE_LIMIT)
        );
    }
}
