//! The assignments-only subset of bash, read without bash.
//!
//! Understood: `NAME=WORD` and `export NAME=WORD`, several to a line, `;`, comments, line continuation; words of single-quoted,
//! double-quoted, escaped and plain text with `$VAR`, `${VAR}`, `${VAR-WORD}`, `${VAR:-WORD}` and a leading `~`. Everything else that
//! bash would run or compute is refused by name, at its line and column; nothing is ever run.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::{Diagnostic, Environment};

/// The longest value, in bytes: half of what Linux takes as one environment variable.
pub const VALUE_LIMIT: usize = 64 * 1024;
/// How deep `${A:-${B:-…}}` may be nested.
const DEPTH_LIMIT: usize = 32;

/// A value as bash would assign it, and which blanks of it came out of the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Value {
    text: String,
    solid: Vec<Range<usize>>,
}

impl Value {
    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The items of a list: split at the blanks that the author wrote. Blanks that came from an environment variable (a home directory
    /// with a blank in it), that stand in quotes within the value, or behind a backslash, do not split.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        let mut characters = self.text.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            let solid = self.solid.iter().any(|range| range.contains(&offset));
            match (character, quote) {
                _ if solid => word.get_or_insert_default().push(character),
                (c, Some(open)) if c == open => quote = None,
                (c, Some(_)) => word.get_or_insert_default().push(c),
                ('\'' | '"', None) => {
                    quote = Some(character);
                    word.get_or_insert_default();
                }
                ('\\', None) => {
                    let escaped = characters.next_if(|(_, next)| matches!(next, ' ' | '\t' | '\'' | '"' | '\\'));
                    word.get_or_insert_default().push(escaped.map_or('\\', |(_, next)| next));
                }
                (' ' | '\t' | '\n', None) => words.extend(word.take()),
                (c, None) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }

    /// The text as a command: what came out of the environment stands for itself there, wherever the author put it. A home directory with a
    /// blank or a quote in it is still one word.
    pub fn command(&self) -> String {
        let mut command = String::with_capacity(self.text.len());
        let mut quote = None;
        let mut escaped = false;
        for (offset, character) in self.text.char_indices() {
            if self.solid.iter().any(|range| range.contains(&offset)) {
                match quote {
                    Some('\'') if character == '\'' => command.push_str(r"'\''"),
                    Some('"') if matches!(character, '"' | '\\' | '$' | '`') => command.extend(['\\', character]),
                    None if !character.is_alphanumeric() && !"/._-+:,@%".contains(character) => command.extend(['\\', character]),
                    _ => command.push(character),
                }
                continue;
            }
            match character {
                _ if escaped => escaped = false,
                '\\' if quote != Some('\'') => escaped = true,
                '\'' | '"' if quote.is_none() => quote = Some(character),
                '\'' | '"' if quote == Some(character) => quote = None,
                _ => {}
            }
            command.push(character);
        }
        command
    }

    fn push(&mut self, character: char) {
        self.text.push(character);
    }

    fn push_solid(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        if !text.is_empty() {
            self.solid.push(start..self.text.len());
        }
    }

    fn append(&mut self, other: &Value) {
        let start = self.text.len();
        self.text.push_str(&other.text);
        self.solid.extend(other.solid.iter().map(|range| range.start + start..range.end + start));
    }
}

/// One `NAME=WORD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// What it is given.
    pub value: Value,
    /// Where its name stands, in bytes from the start of the text.
    pub offset: usize,
}

/// What a text of assignments says, and all that is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// In order; the first of each name only.
    pub assignments: Vec<Assignment>,
    /// Names whose value could not be read.
    pub unreadable: Vec<String>,
    /// In order.
    pub diagnostics: Vec<Diagnostic>,
    /// Those of them that are about things which bash would run or compute.
    pub running: Vec<Diagnostic>,
}

/// Reads the bytes `range` of `text`. Variables come from earlier assignments and from `environment`; of the latter those called
/// `MODULE_…` are not seen.
pub fn read_assignments(text: &str, range: Range<usize>, environment: &Environment) -> Reading {
    let mut reader = Reader {
        text,
        position: range.start,
        end: range.end,
        environment,
        reading: Reading::default(),
        known: BTreeMap::new(),
        unused: 0,
        exported: false,
    };
    while reader.position < reader.end {
        let (count, mistakes) = (reader.reading.assignments.len(), reader.reading.diagnostics.len());
        if count > ASSIGNMENTS || mistakes > MISTAKES {
            let what = if mistakes > MISTAKES { format!("{mistakes} mistakes") } else { format!("more than {ASSIGNMENTS} assignments") };
            reader.refuse(Refusal::new(
                reader.position,
                format!("{what}; the rest was not read"),
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

const PLAIN: &str = "metadata are plain assignments and are never run: write the value itself, or compute it in main_module";

impl Refusal {
    fn new(offset: usize, message: impl Into<String>, help: &'static str) -> Self {
        Self { offset, field: None, message: message.into(), help, runs: false, resume: None }
    }

    fn runs(offset: usize, what: &str) -> Self {
        Self { runs: true, ..Self::new(offset, format!("{what} in metadata"), PLAIN) }
    }
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
    end: usize,
    environment: &'a Environment,
    reading: Reading,
    /// Everything assigned so far, and where.
    known: BTreeMap<String, (Value, usize)>,
    /// Inside how many defaults that are not used we are: what is not set there does not matter.
    unused: usize,
    /// Whether the item stands behind `export`.
    exported: bool,
}

/// What ends a word.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    /// A blank, a newline, `;`.
    Line,
    /// `}`; the flag says that the expansion stands in double quotes.
    Braces { quoted: bool },
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
        let mut diagnostic = Diagnostic::error(refusal.message).at(self.text, refusal.offset).help(refusal.help);
        diagnostic.field = refusal.field;
        if refusal.runs {
            self.reading.running.push(diagnostic.clone());
        }
        self.reading.diagnostics.push(diagnostic);
        self.position = refusal.resume.unwrap_or(self.position).max(self.position).min(self.end);
        self.skip_line();
    }

    fn skip_line(&mut self) {
        self.position = self.rest().find('\n').map_or(self.end, |newline| self.position + newline + 1);
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
                    return Err(Refusal::new(self.position, "`;` without an assignment before it", "remove it"));
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
        let length = self.rest().find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest().len());
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
                    None | Some('\n' | ';' | '#') => Err(Refusal::runs(start, "`export` without a name, which lists variables,")),
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
        let blamed = |refusal: Refusal| Refusal { field: Some(name.clone()), ..refusal };
        if self.peek() == Some('(') {
            let refusal = Refusal::runs(self.position, "an array");
            return Err(blamed(Refusal { resume: Some(self.behind_parenthesis(self.position)), ..refusal }));
        }
        let value = self.word(Within::Line, 0).map_err(blamed).inspect_err(|_| {
            self.reading.unreadable.push(name.clone());
        })?;
        if value.text.len() > VALUE_LIMIT {
            self.reading.unreadable.push(name.clone());
            let message = format!("the value has {} bytes; at most {VALUE_LIMIT} are read", value.text.len());
            return Err(blamed(Refusal::new(start, message, "shorten it, or keep the data in a file of the collection")));
        }
        if !self.exported && self.followed_by_command() {
            self.skip_blanks();
            self.reading.unreadable.push(name.clone());
            let refusal = match self.peek() {
                Some('<' | '>') => Refusal::runs(self.position, "a redirection"),
                Some('|' | '&') => Refusal::runs(self.position, "a list of commands"),
                _ => Refusal {
                    help: "write no blank behind `=`, and put a value with blanks in quotes",
                    ..Refusal::runs(self.position, "a command behind an assignment")
                },
            };
            return Err(blamed(refusal));
        }
        self.assign(name, value, start);
        Ok(())
    }

    fn assign(&mut self, name: String, value: Value, offset: usize) {
        if let Some((_, first)) = self.known.get(&name).filter(|_| name.starts_with("MODULE_")) {
            let line = self.text[..*first].matches('\n').count() + 1;
            let diagnostic = Diagnostic::error(format!("assigned twice: first on line {line}"));
            let diagnostic = diagnostic.at(self.text, offset).field(name).help("keep one of the two");
            self.reading.diagnostics.push(diagnostic);
            return;
        }
        self.known.insert(name.clone(), (value.clone(), offset));
        self.reading.assignments.push(Assignment { name, value, offset });
    }

    /// True when something that is neither an assignment nor the end of the command stands next on the line.
    fn followed_by_command(&self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t']);
        let word = rest.split([' ', '\t', '\n', ';']).next().unwrap_or_default();
        let name = word.split('=').next().unwrap_or_default();
        let assigns = word.contains('=') && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        !(word.is_empty() || word.starts_with('#') || word.starts_with('\\') || word == "\r" || assigns)
    }

    fn not_an_assignment(&mut self, start: usize, length: usize) -> Refusal {
        let name = self.text[start..start + length].to_owned();
        let after = self.text[start + length..self.end].to_owned();
        if after.starts_with("+=") {
            return Refusal { field: Some(name), ..Refusal::runs(start + length, "an appending assignment (+=)") };
        }
        if after.starts_with('[') && !name.is_empty() {
            return Refusal { field: Some(name), ..Refusal::runs(start + length, "an array") };
        }
        let blanks = after.trim_start_matches([' ', '\t']);
        if blanks.starts_with('=') && !name.is_empty() && !blanks.starts_with("==") {
            let refusal = Refusal::new(start + length, "blanks before `=`", "bash takes this for a command: write NAME=\"value\"");
            return Refusal { field: Some(name), runs: true, ..refusal };
        }
        if blanks.starts_with("()") || blanks.starts_with("( )") || name == "function" {
            let resume = self.behind_function(start);
            return Refusal { resume: Some(resume), ..Refusal::runs(start, "a function") };
        }
        if name.is_empty() && after.starts_with('(') {
            return Refusal { resume: Some(self.behind_parenthesis(start)), ..Refusal::runs(start, "a subshell") };
        }
        let word: String = self.text[start..self.end].chars().take_while(|c| !c.is_whitespace()).take(40).collect();
        if word.starts_with('<') || word.starts_with('>') {
            return Refusal::runs(start, "a redirection");
        }
        let kind = match word.as_str() {
            "declare" | "readonly" | "local" | "typeset" | "unset" | "set" | "shopt" => "the builtin",
            "if" | "then" | "else" | "elif" | "fi" | "for" | "while" | "until" | "do" | "done" | "case" | "esac" | "select" | "[["
            | "{" | "}" => "the keyword",
            _ => "the command",
        };
        Refusal::runs(start, &format!("{kind} `{word}`"))
    }

    /// Behind the closing brace that ends a function, when one stands at the start of a line.
    fn behind_function(&self, start: usize) -> usize {
        let first_line = self.text[start..self.end].find('\n').map_or(self.end, |newline| start + newline);
        match self.text[start..first_line].trim_end().ends_with('}') {
            true => start,
            false => self.text[start..self.end].find("\n}").map_or(start, |brace| start + brace + 2),
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

    fn word(&mut self, within: Within, depth: usize) -> Result<Value, Refusal> {
        let mut value = Value::default();
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
                        ..Refusal::new(start, format!("{what} is not supported in metadata"), "leave it out")
                    });
                }
                '{' if self.exported && within == Within::Line => {
                    return Err(Refusal::new(start, "a brace behind `export`, which bash may expand", "put the value in quotes"));
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
                    return Err(Refusal { resume, ..Refusal::runs(start, "process substitution") });
                }
                '<' | '>' if !quoted => return Err(Refusal::runs(start, "a redirection")),
                '|' if !quoted => return Err(Refusal::runs(start, "a pipeline")),
                '&' if !quoted => return Err(Refusal::runs(start, "`&`")),
                '(' | ')' if !quoted => return Err(Refusal::runs(start, "a parenthesis outside quotes")),
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
        Err(Refusal::new(offset, message, "shorten it, or keep the data in a file of the collection"))
    }

    fn tilde(&mut self, value: &mut Value, within: Within) -> Result<(), Refusal> {
        while self.take("\\\n") {}
        if self.peek() != Some('~') {
            return Ok(());
        }
        let start = self.position;
        let ends = |c: char| matches!(c, '/' | ';' | ':' | ' ' | '\t' | '\n') || (within != Within::Line && c == '}');
        let length = self.rest()[1..].find(ends).unwrap_or(self.rest().len() - 1);
        if self.rest()[1..].starts_with("\\\n") {
            return Err(continuation(start));
        }
        if length > 0 {
            let word = &self.rest()[..length + 1];
            if word[1..].starts_with(['\'', '"', '\\', '$']) {
                return Ok(());
            }
            let message = format!("`{word}`: only the own home directory `~` is expanded");
            return Err(Refusal::new(start, message, "write the path out, or use $HOME"));
        }
        self.next();
        let home = self.variable("HOME", start)?;
        value.append(&home);
        Ok(())
    }

    fn single_quoted(&mut self, value: &mut Value) -> Result<(), Refusal> {
        let start = self.position;
        self.next();
        let Some(length) = self.rest().find('\'') else {
            return Err(self.unterminated(start, "single quote"));
        };
        self.text_without_returns(length)?;
        value.text.push_str(&self.text[self.position..self.position + length]);
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
        let refusal = Refusal::new(start, format!("this {what} is never closed"), "close it on the line where the value ends");
        Refusal { resume: Some(self.end), ..refusal }
    }

    fn double_quoted(&mut self, value: &mut Value, depth: usize) -> Result<(), Refusal> {
        let start = self.position;
        self.next();
        loop {
            match self.peek() {
                None => return Err(self.unterminated(start, "double quote")),
                Some('"') => break,
                Some('\\') => self.escape_in_double_quotes(value),
                Some('$') => self.dollar(value, true, depth)?,
                Some('`') => return Err(self.backticks(self.position)),
                Some('\r') if self.rest().starts_with("\r\n") => return Err(carriage_return(self.position)),
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

    fn escape(&mut self, value: &mut Value) {
        self.next();
        match self.next() {
            Some('\n') => {}
            Some(character) => value.push(character),
            None => value.push('\\'),
        }
    }

    fn escape_in_double_quotes(&mut self, value: &mut Value) {
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

    fn backticks(&self, start: usize) -> Refusal {
        let resume = self.text[start + 1..self.end].find('`').map(|close| start + close + 2);
        Refusal { resume, ..Refusal::runs(start, "command substitution (`…`)") }
    }

    fn dollar(&mut self, value: &mut Value, quoted: bool, depth: usize) -> Result<(), Refusal> {
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
                return Err(Refusal::new(start, "ANSI-C quoting ($'…') is not supported", "write the characters themselves in quotes"));
            }
            Some('"') if !quoted => {
                return Err(Refusal::new(start, "locale quoting ($\"…\") is not supported", "write \"…\" without the $"));
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
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
                return Err(Refusal::new(start, message, "put the value in single quotes if the characters are meant"));
            }
            _ => {
                value.push('$');
                return Ok(());
            }
        };
        let resume = Some(self.behind_parenthesis(start + 1));
        Err(Refusal { resume, ..Refusal::runs(start, what) })
    }

    /// `${NAME}`, `${NAME-WORD}`, `${NAME:-WORD}`, from its `{` on.
    fn braces(&mut self, value: &mut Value, start: usize, quoted: bool, depth: usize) -> Result<(), Refusal> {
        if depth >= DEPTH_LIMIT {
            let refusal = Refusal::new(start, format!("expansions nested deeper than {DEPTH_LIMIT}"), "use fewer defaults of defaults");
            return Err(refusal);
        }
        self.next();
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
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
            false => self.lookup(&name).filter(|read| !(colon && read.text.is_empty())),
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

    fn lookup(&self, name: &str) -> Option<Value> {
        if let Some((value, _)) = self.known.get(name) {
            return Some(value.clone());
        }
        let inherited = self.environment.get(name).filter(|_| !name.starts_with("MODULE_"))?;
        let mut value = Value::default();
        value.push_solid(inherited);
        Some(value)
    }

    fn variable(&self, name: &str, offset: usize) -> Result<Value, Refusal> {
        if is_bash_own(name) {
            return Err(own_variable(offset, name));
        }
        match (self.lookup(name), name.starts_with("MODULE_")) {
            (Some(value), _) => Ok(value),
            (None, _) if self.unused > 0 => Ok(Value::default()),
            (None, true) => Err(Refusal::new(offset, format!("the variable {name} is not set"), "assign it on an earlier line")),
            (None, false) => Err(Refusal::new(offset, format!("the variable {name} is not set"), "give it a default: ${NAME:-value}")),
        }
    }
}

/// True for variables that bash gives values of its own, which nobody knows without running it.
fn is_bash_own(name: &str) -> bool {
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

fn own_variable(offset: usize, name: &str) -> Refusal {
    let message = format!("the variable {name} belongs to bash and has no value in metadata");
    Refusal::new(offset, message, "write the value itself, or compute it in main_module")
}

fn continuation(offset: usize) -> Refusal {
    Refusal { runs: true, ..Refusal::new(offset, "a line continuation inside an expansion", "write the expansion on one line") }
}

fn carriage_return(offset: usize) -> Refusal {
    Refusal::new(offset, "the line ends in CRLF", "save the file with LF line ends (dos2unix)")
}

fn unsupported(start: usize, name: &str, rest: &str) -> Refusal {
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
    Refusal::new(start, format!("{what} is not supported in metadata"), "write the value out; ${NAME} and ${NAME:-default} are understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, home: &str) -> Value {
        let environment = Environment::with_home(home);
        let mut reading = read_assignments(text, 0..text.len(), &environment);
        assert_eq!(reading.diagnostics, []);
        reading.assignments.pop().unwrap().value
    }

    #[test]
    fn blanks_of_the_home_directory_do_not_split_lists_or_commands() {
        let home = "/home/my 'own' $x";
        let value = read("A=\"$HOME/a ~/b $HOME/c\\ d\"", home);
        assert_eq!(value.words(), ["/home/my 'own' $x/a", "~/b", "/home/my 'own' $x/c d"]);
        for (text, expected) in [
            ("A=\"test -d $HOME/x\"", r"test -d /home/my\ \'own\'\ \$x/x"),
            ("A=\"test -d '$HOME/x'\"", r"test -d '/home/my '\''own'\'' $x/x'"),
            ("A=\"test -d \\\"$HOME/x\\\"\"", r#"test -d "/home/my 'own' \$x/x""#),
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
        assert!(reading.diagnostics[0].message.contains("longer than"), "{:?}", reading.diagnostics[0]);
        assert!(reading.assignments.iter().all(|assignment| assignment.value.text().len() <= VALUE_LIMIT));
    }
}
