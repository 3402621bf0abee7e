//! Questions to the person at the terminal, before anything starts.

use std::io::{self, BufRead, IsTerminal, Write};

/// True when there is somebody to ask.
pub(crate) fn somebody() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and returns the first letter of the answer that is one of `letters`; `None` at the end of the input. An empty answer is `otherwise`.
pub(crate) fn choose(question: &str, letters: &str, otherwise: char) -> io::Result<Option<char>> {
    let mut stderr = io::stderr().lock();
    loop {
        write!(stderr, "{question} ")?;
        stderr.flush()?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            writeln!(stderr)?;
            return Ok(None);
        }
        match answer.trim().to_lowercase().chars().next() {
            None => return Ok(Some(otherwise)),
            Some(letter) if letters.contains(letter) => return Ok(Some(letter)),
            Some(_) => writeln!(stderr, "one of {}, please", letters.chars().map(String::from).collect::<Vec<_>>().join(", "))?,
        }
    }
}
