//! Hand-made runs for tests.

use crate::record::replay;
use crate::report::Report;
use crate::reporter::Reporter;
use crate::timeline::Timeline;

/// What the given events come to: pairs of milliseconds and the inside of an event in JSON.
pub(crate) fn fold(events: &[(u64, &str)], view: &mut dyn Reporter) {
    let line = |(at, kind): &(u64, &str)| {
        let (seconds, nanoseconds) = (at / 1000, at % 1000 * 1_000_000);
        format!("{{\"elapsed\":{{\"secs\":{seconds},\"nanos\":{nanoseconds}}},{kind}}}\n")
    };
    replay(events.iter().map(line).collect::<String>().as_bytes(), view).unwrap();
}

/// The timeline of the given events.
pub(crate) fn timeline(events: &[(u64, &str)]) -> Timeline {
    let mut timeline = Timeline::default();
    fold(events, &mut timeline);
    timeline
}

/// The report of the given events.
pub(crate) fn report(events: &[(u64, &str)]) -> Report {
    let mut report = Report::default();
    fold(events, &mut report);
    report
}
