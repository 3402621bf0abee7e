//! Questions to the person at the terminal, before anything starts.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// True while an answer is waited for: nothing has started then, and an interrupt simply ends the program.
static ASKING: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_asking() -> bool {
    ASKING.load(Ordering::SeqCst)
}

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
        ASKING.store(true, Ordering::SeqCst);
        let read = io::stdin().lock().read_line(&mut answer);
        ASKING.store(false, Ordering::SeqCst);
        if read? == 0 {
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
