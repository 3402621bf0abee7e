//! Bytes as the record of a run: every view of it ends, whatever units and times it names.
#![no_main]

use hoist_reporter::{HtmlPage, Plain, Report, Timeline, Words, html, junit, replay, trace};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A record starts with the names of its units; what follows is made up.
    let start = br#"{"elapsed":{"secs":0,"nanos":0},"event":"run_started","units":["a","b<c>"],"waits":[[1,0]]}"#;
    for record in [bytes.to_vec(), [start, b"\n".as_slice(), bytes].concat()] {
        let (mut report, mut timeline, mut lines) = (Report::default(), Timeline::default(), Vec::new());
        let _ = replay(record.as_slice(), &mut report);
        let _ = replay(record.as_slice(), &mut timeline);
        let _ = replay(record.as_slice(), &mut Plain::new(&mut lines, true, Words { changed: "done", unchanged: "same" }));
        let page = html(&HtmlPage::default(), &timeline, &report);
        assert!(!page.contains("<c>"));
        assert!(serde_json::from_str::<serde_json::Value>(&trace(&timeline)).is_ok());
        let _ = junit("run", "now", &report);
    }
});
