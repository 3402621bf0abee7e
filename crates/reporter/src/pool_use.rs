//! Who held a pool when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::timeline::Timeline;

/// A time during which the same spans held a pool.
pub(crate) struct Holding {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    /// By their places in the timeline.
    pub(crate) spans: Vec<usize>,
}

/// The pools that more than one task made use of, by name, and who held them when.
pub(crate) fn pool_use(timeline: &Timeline) -> BTreeMap<&str, Vec<Holding>> {
    let mut users: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, span) in timeline.spans.iter().enumerate() {
        span.pools
            .iter()
            .for_each(|pool| users.entry(pool).or_default().push(place));
    }
    let tasks = |spans: &Vec<usize>| {
        spans
            .iter()
            .map(|span| (timeline.spans[*span].unit, &timeline.spans[*span].task))
            .collect::<BTreeSet<_>>()
    };
    users.retain(|_, spans| tasks(spans).len() > 1);
    users
        .into_iter()
        .map(|(pool, spans)| (pool, holdings(timeline, &spans)))
        .collect()
}

fn holdings(timeline: &Timeline, spans: &[usize]) -> Vec<Holding> {
    let spans: Vec<_> = spans
        .iter()
        .filter(|span| !timeline.spans[**span].duration().is_zero())
        .collect();
    let starts = spans
        .iter()
        .map(|span| (timeline.spans[**span].start, true, **span));
    let ends = spans
        .iter()
        .map(|span| (timeline.spans[**span].end, false, **span));
    let mut changes: Vec<_> = starts.chain(ends).collect();
    changes.sort();
    let (mut holders, mut since, mut holdings) = (BTreeSet::new(), Duration::ZERO, Vec::new());
    for (time, starts, span) in changes {
        if time > since && !holders.is_empty() {
            holdings.push(Holding {
                start: since,
                end: time,
                spans: holders.iter().copied().collect(),
            });
        }
        since = time;
        if starts {
            holders.insert(span)
        } else {
            holders.remove(&span)
        };
    }
    holdings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::timeline;

    #[test]
    fn a_pool_that_one_task_held_is_left_out_and_shared_time_is_told_apart() {
        let timeline = timeline(&[
            (0, r#""event":"run_started","units":["a","b"]"#),
            (
                1,
                r#""event":"task_started","unit":1,"task":"short","lane":0,"attempt":1,"pools":["net"]"#,
            ),
            (
                1,
                r#""event":"task_finished","unit":1,"task":"short","lane":0,"outcome":{"outcome":"done","changed":true}"#,
            ),
            (
                1,
                r#""event":"task_started","unit":0,"task":"t","lane":0,"attempt":1,"pools":["net","own"]"#,
            ),
            (
                2,
                r#""event":"task_started","unit":1,"task":"t","lane":1,"attempt":1,"pools":["net"]"#,
            ),
            (
                3,
                r#""event":"task_finished","unit":0,"task":"t","lane":0,"outcome":{"outcome":"done","changed":true}"#,
            ),
            (
                5,
                r#""event":"task_finished","unit":1,"task":"t","lane":1,"outcome":{"outcome":"done","changed":true}"#,
            ),
        ]);
        let pools = pool_use(&timeline);
        assert_eq!(pools.keys().collect::<Vec<_>>(), [&"net"]);
        let seen: Vec<_> = pools["net"]
            .iter()
            .map(|held| {
                (
                    held.start.as_millis(),
                    held.end.as_millis(),
                    held.spans.clone(),
                )
            })
            .collect();
        assert_eq!(seen, [(1, 2, vec![1]), (2, 3, vec![1, 2]), (3, 5, vec![2])]);
    }
}
