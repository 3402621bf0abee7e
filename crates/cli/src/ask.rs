//! Questions to the person at the terminal, before anything starts.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// True while an answer is waited for: nothing has started then, and an interrupt simply ends the
/// program.
static ASKING: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_asking() -> bool {
    ASKING.load(Ordering::SeqCst)
}

/// True when there is somebody to ask.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The question in lines of whole words that fit the terminal.
fn wrapped(question: &str) -> String {
    let width = console::Term::stderr().size().1;
    let options = textwrap::Options::new(usize::from(width.max(20)) - 1).break_words(false);
    question
        .lines()
        .map(|line| textwrap::fill(line, &options))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Reads one line from the terminal; `None` at the end of the input.
fn read_answer() -> io::Result<Option<String>> {
    let mut answer = String::new();
    ASKING.store(true, Ordering::SeqCst);
    let read = io::stdin().lock().read_line(&mut answer);
    ASKING.store(false, Ordering::SeqCst);
    Ok((read? > 0).then_some(answer))
}

/// Asks for a line of text; `None` at the end of the input. An empty answer is `otherwise`.
pub(crate) fn line(question: &str, otherwise: &str) -> io::Result<Option<String>> {
    let mut stderr = io::stderr().lock();
    let default = if otherwise.is_empty() {
        String::new()
    } else {
        format!(" [{otherwise}]")
    };
    write!(stderr, "{} ", wrapped(&format!("{question}{default}")))?;
    stderr.flush()?;
    let Some(answer) = read_answer()? else {
        writeln!(stderr)?;
        return Ok(None);
    };
    let answer = answer.trim();
    Ok(Some(
        if answer.is_empty() { otherwise } else { answer }.to_owned(),
    ))
}

/// Asks, and returns the first letter of the answer that is one of `letters`; `None` at the end of
/// the input. An empty answer is `otherwise`.
pub(crate) fn choose(question: &str, letters: &str, otherwise: char) -> io::Result<Option<char>> {
    let mut stderr = io::stderr().lock();
    loop {
        write!(stderr, "{} ", wrapped(question))?;
        stderr.flush()?;
        let Some(answer) = read_answer()? else {
            writeln!(stderr)?;
            return Ok(None);
        };
        match answer.trim().to_lowercase().chars().next() {
            None => return Ok(Some(otherwise)),
            Some(letter) if letters.contains(letter) => return Ok(Some(letter)),
            Some(_) => writeln!(
                stderr,
                "Answer with one of: {}",
                letters
                    .chars()
                    .map(String::from)
                    .collect::<Vec<_>>()
                    .join(", ")
            )?,
        }
    }
}
