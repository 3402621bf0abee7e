//! A timeline in the trace event format that Perfetto and `chrome://tracing` load.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::explain::plain_text;
use crate::timeline::{Span, Timeline};

/// A JSON document with a complete event for each attempt at a task, on a thread for each lane.
pub fn trace(timeline: &Timeline) -> String {
    let lanes: BTreeSet<usize> = timeline.spans.iter().map(|span| span.lane).collect();
    let mut events = vec![named("process_name", 0, "hoist")];
    events.extend(
        lanes
            .into_iter()
            .map(|lane| named("thread_name", lane, &format!("worker {}", lane + 1))),
    );
    events.extend(
        timeline
            .spans
            .iter()
            .map(|span| complete(span, &timeline.units[span.unit])),
    );
    json!({ "traceEvents": events, "displayTimeUnit": "ms" }).to_string()
}

fn named(what: &str, lane: usize, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": 1, "tid": lane, "args": { "name": name } })
}

fn complete(span: &Span, unit: &str) -> Value {
    json!({
        "ph": "X",
        "name": plain_text(unit),
        "cat": span.outcome.as_str(),
        "ts": microseconds(span.start),
        "dur": microseconds(span.duration()),
        "pid": 1,
        "tid": span.lane,
        "args": {
            "task": plain_text(&span.task),
            "outcome": span.outcome.as_str(),
            "attempt": span.attempt,
            "pools": span.pools,
        },
    })
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::timeline;

    fn events(timeline: &Timeline) -> Vec<Value> {
        let document: Value = serde_json::from_str(&trace(timeline)).unwrap();
        document["traceEvents"].as_array().unwrap().clone()
    }

    #[test]
    fn a_trace_has_what_viewers_ask_for() {
        let timeline = timeline(&[
            (0, r#""event":"run_started","units":["<a>\u001b[31m"]"#),
            (
                2,
                r#""event":"task_started","unit":0,"task":"t","lane":3,"attempt":2,"pools":["apt"]"#,
            ),
            (
                5,
                r#""event":"task_finished","unit":0,"task":"t","lane":3,"outcome":{"outcome":"failed","reason":"no"}"#,
            ),
        ]);
        let events = events(&timeline);
        let thread = json!({ "ph": "M", "name": "thread_name", "pid": 1, "tid": 3, "args": { "name": "worker 4" } });
        assert_eq!(events[1], thread);
        let args = json!({ "task": "t", "outcome": "failed", "attempt": 2, "pools": ["apt"] });
        let span = json!({ "ph": "X", "name": "<a>", "cat": "failed", "ts": 2000.0, "dur": 3000.0, "pid": 1, "tid": 3, "args": args });
        assert_eq!(events[2], span);
    }

    #[test]
    fn an_empty_run_is_a_trace_too() {
        assert_eq!(events(&Timeline::default()).len(), 1);
    }
}
