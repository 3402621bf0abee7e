//! The chain of units that decided how long a run took.

use std::time::Duration;

use crate::timeline::Timeline;

/// A unit that ended no later than this after another started may still have been what that one
/// waited for.
const SLACK: Duration = Duration::from_millis(1);

impl Timeline {
    /// The units that decided how long the run took, first to last: the one that ended last, before
    /// it the last to end of those that it waited for, and so on.
    pub fn critical_path(&self) -> Vec<usize> {
        // A unit may begin before what its later tasks wait for has ended, so its latest beginning
        // counts; retries wait for nobody.
        let mut begun = vec![Duration::ZERO; self.units.len()];
        let mut ended = vec![None; self.units.len()];
        for span in &self.spans {
            if span.attempt == 1 {
                begun[span.unit] = begun[span.unit].max(span.start);
            }
            ended[span.unit] = ended[span.unit].max(Some(span.end));
        }
        let mut next = (0..ended.len())
            .filter(|unit| ended[*unit].is_some())
            .max_by_key(|unit| ended[*unit]);
        for unit in 0..ended.len() {
            if ended[unit].is_none() {
                (begun[unit], ended[unit]) =
                    (self.ended[unit].unwrap_or_default(), self.ended[unit]);
            }
        }
        let mut waits = vec![Vec::new(); self.units.len()];
        self.waits
            .iter()
            .for_each(|(unit, other)| waits[*unit].push(*other));
        let mut path = Vec::new();
        while let Some(unit) = next {
            path.push(unit);
            let in_time =
                |other: &usize| ended[*other].is_some_and(|ended| ended <= begun[unit] + SLACK);
            let others = waits[unit].iter().copied();
            // Tasks of two units may wait for each other's in turn.
            next = others
                .filter(|other| in_time(other) && !path.contains(other))
                .max_by_key(|other| ended[*other]);
        }
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use hoist_executor::{Cancel, Effect, Limits, Task, TaskGraph, execute};

    use super::*;
    use crate::Reporter;
    use crate::sample::timeline;

    #[test]
    fn the_slower_side_of_a_diamond_is_critical() {
        let mut graph = TaskGraph::default();
        let tasks: Vec<_> = [("top", 1), ("slow", 40), ("fast", 1), ("bottom", 1)]
            .map(|(name, time)| {
                let unit = graph.unit(name);
                graph.task(Task::new(unit, "t", move |_| {
                    std::thread::sleep(Duration::from_millis(time));
                    Ok(Effect::Changed)
                }))
            })
            .into();
        [(1, 0), (2, 0), (3, 1), (3, 2)]
            .iter()
            .for_each(|(task, other)| graph.needs(tasks[*task], tasks[*other]));
        let mut timeline = Timeline::default();
        execute(graph, &Limits::default(), &Cancel::new(), |event| {
            timeline.report(event).unwrap()
        })
        .unwrap();
        assert_eq!(timeline.critical_path(), [0, 1, 3]);
        assert!(timeline.finished);
    }

    #[test]
    fn units_that_wait_for_each_other_in_turn_end_the_path() {
        let timeline = timeline(&[
            (
                0,
                r#""event":"run_started","units":["u","v"],"waits":[[0,1],[1,0]]"#,
            ),
            (
                1,
                r#""event":"task_started","unit":0,"task":"a","lane":0,"attempt":1"#,
            ),
            (
                1,
                r#""event":"task_started","unit":1,"task":"a","lane":1,"attempt":1"#,
            ),
        ]);
        assert_eq!(timeline.critical_path(), [0, 1]);
    }

    #[test]
    fn a_skipped_unit_hands_the_path_on() {
        let timeline = timeline(&[
            (
                0,
                r#""event":"run_started","units":["a","skipped","c","other"],"waits":[[1,0],[2,1],[2,3]]"#,
            ),
            (
                1,
                r#""event":"task_started","unit":0,"task":"t","lane":0,"attempt":1"#,
            ),
            (
                1,
                r#""event":"task_started","unit":3,"task":"t","lane":1,"attempt":1"#,
            ),
            (
                5,
                r#""event":"task_finished","unit":3,"task":"t","lane":1,"outcome":{"outcome":"done","changed":true}"#,
            ),
            (
                9,
                r#""event":"task_finished","unit":0,"task":"t","lane":0,"outcome":{"outcome":"failed","reason":"no"}"#,
            ),
            (
                9,
                r#""event":"unit_finished","unit":1,"outcome":{"outcome":"skipped","because":{"needs":[0]}}"#,
            ),
            (
                9,
                r#""event":"task_started","unit":2,"task":"t","lane":0,"attempt":1"#,
            ),
        ]);
        assert_eq!(timeline.critical_path(), [0, 1, 2]);
    }

    #[test]
    fn an_empty_run_has_no_path() {
        assert!(Timeline::default().critical_path().is_empty());
        assert_eq!(Timeline::default().unit_time(0), None);
    }
}
