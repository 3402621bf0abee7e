//! Outcomes and durations in words.

use std::time::Duration;

use hoist_core::redact_urls;
use hoist_executor::{Level, Outcome, SkipReason, UnitId};

/// Why a unit is not done, in words; `None` when it is. `names` are the units' names by their ids.
pub fn explain(outcome: &Outcome, names: &[String]) -> Option<String> {
    let name = |unit: &UnitId| names.get(unit.index()).map_or("another", String::as_str);
    match outcome {
        Outcome::Done { .. } => None,
        Outcome::Failed { reason } => Some(redact_urls(reason)),
        Outcome::TimedOut { limit } => Some(format!("timed out after {}", duration_text(*limit))),
        Outcome::Cancelled => Some("interrupted".to_owned()),
        Outcome::Skipped {
            because: SkipReason::Cancelled,
        } => Some("the run was interrupted".to_owned()),
        Outcome::Skipped {
            because: SkipReason::Declined(reason),
        } => Some(redact_urls(reason)),
        Outcome::Skipped {
            because: SkipReason::Stopped(unit),
        } => Some(format!("{} failed and aborted the run", name(unit))),
        Outcome::Skipped {
            because: SkipReason::Needs(chain),
        } => {
            let names: Vec<&str> = chain.iter().map(name).collect();
            Some(match names[..] {
                [] => "depends on a module that failed".to_owned(),
                [only] => format!("depends on {only}, which failed"),
                [first, last] => {
                    format!("depends on {first}, which depends on {last}, which failed")
                }
                [first, .., last] => {
                    format!("depends on {first}, which depends indirectly on {last}, which failed")
                }
            })
        }
    }
}

/// The word for a unit that was not started: it was skipped because of a failure, or the run did
/// not get to it.
pub(crate) fn skip_text(because: &SkipReason) -> &'static str {
    match because {
        SkipReason::Needs(_) | SkipReason::Stopped(_) => "skipped",
        SkipReason::Cancelled | SkipReason::Declined(_) => "not started",
    }
}

/// A line without the sequences that colour text or move a cursor, without other control
/// characters, and without the passwords of URLs.
pub fn plain_text(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.next() {
                Some('[') => drop(characters.find(|c| ('@'..='~').contains(c))),
                Some(']') => drop(characters.find(|c| matches!(c, '\u{7}' | '\u{9c}'))),
                _ => {}
            },
            '\t' => plain.push(' '),
            // One line is shown; where the others began can be seen.
            '\n' => plain.push_str(if plain.is_empty() || characters.peek().is_none() {
                ""
            } else {
                " ⏎ "
            }),
            c if hoist_core::is_unprintable(c) => {}
            c => plain.push(c),
        }
    }
    if plain.contains("://") {
        redact_urls(&plain)
    } else {
        plain
    }
}

/// A duration as people read it: `0.42s`, `12.3s`, `3m 05s`, `1h 02m`.
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 if duration.subsec_nanos() == 0 => format!("{seconds}s"),
        0..10 => format!("{:.2}s", duration.as_secs_f64()),
        10..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Like [`duration_text`], and with milliseconds and parts of them where those are all there is:
/// `4.2ms`.
pub(crate) fn fine_duration_text(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1000.0;
    match milliseconds {
        0.0 => "0s".to_owned(),
        ..1.0 => format!("{milliseconds:.2}ms"),
        ..100.0 => format!("{milliseconds:.1}ms"),
        _ => duration_text(duration),
    }
}

/// The word for how much a note matters.
pub(crate) fn level_text(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Success => "success",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_screen() {
        assert_eq!(
            plain_text("\u{1b}[0;31mred\u{1b}[0m\u{1b}]0;title\u{7} a\tb\u{1b}[2J\u{8}"),
            "red a b"
        );
        assert_eq!(plain_text("first\nsecond\n"), "first ⏎ second");
    }

    #[test]
    fn durations_have_the_precision_people_care_for() {
        let text = |milliseconds| duration_text(Duration::from_millis(milliseconds));
        assert_eq!(
            [
                text(420),
                text(2000),
                text(12345),
                text(185_000),
                text(3_725_000)
            ],
            ["0.42s", "2s", "12.3s", "3m 05s", "1h 02m"]
        );
    }

    #[test]
    fn short_durations_are_told_apart() {
        let text = |microseconds| fine_duration_text(Duration::from_micros(microseconds));
        assert_eq!(
            [text(0), text(40), text(4200), text(420_000)],
            ["0s", "0.04ms", "4.2ms", "0.42s"]
        );
    }
}
