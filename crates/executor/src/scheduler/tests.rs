//! Properties over random graphs, against the plainest model of what must hold.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::graph::Task;
use crate::{Effect, TaskId};

/// A random run: edges point from a later task to an earlier one.
#[derive(Debug, Clone)]
struct Case {
    costs: Vec<u64>,
    edges: Vec<(usize, usize, bool)>,
    depths: Vec<usize>,
    pools: Vec<Vec<usize>>,
    fails: Vec<bool>,
    jobs: usize,
    stop_at: Option<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    (1..40usize, 0..4usize, 1..6usize).prop_flat_map(|(tasks, pools, jobs)| {
        (
            prop::collection::vec(1..50u64, tasks),
            prop::collection::vec((0..tasks, 0..tasks, any::<bool>()), 0..tasks * 2),
            prop::collection::vec(1..4usize, pools),
            prop::collection::vec(prop::collection::vec(0..pools.max(1), 0..3), tasks),
            prop::collection::vec(prop::bool::weighted(0.15), tasks),
            prop::option::weighted(0.2, 0..tasks),
        )
            .prop_map(move |(costs, edges, depths, pools, fails, stop_at)| Case {
                edges: edges
                    .into_iter()
                    .filter(|(a, b, _)| a != b)
                    .map(|(a, b, needs)| (a.max(b), a.min(b), needs))
                    .collect(),
                pools: pools
                    .into_iter()
                    .map(|pools| if depths.is_empty() { Vec::new() } else { pools })
                    .collect(),
                costs,
                depths,
                fails,
                jobs,
                stop_at,
            })
    })
}

fn graph(case: &Case) -> TaskGraph {
    let mut graph = TaskGraph::default();
    let pools: Vec<_> = case
        .depths
        .iter()
        .enumerate()
        .map(|(at, depth)| graph.pool(&at.to_string(), *depth))
        .collect();
    for (task, cost) in case.costs.iter().enumerate() {
        let unit = graph.unit(task.to_string());
        let work = Task::new(unit, task.to_string(), |_| Ok(Effect::Changed))
            .cost(Duration::from_millis(*cost));
        graph.task(work.pools(case.pools[task].iter().map(|pool| pools[*pool])));
    }
    for (task, other, needs) in &case.edges {
        match needs {
            true => graph.needs(TaskId(*task as u32), TaskId(*other as u32)),
            false => graph.after(TaskId(*task as u32), TaskId(*other as u32)),
        }
    }
    graph
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn every_run_keeps_order_pools_and_workers_busy_and_ends_every_task_once(case in cases()) {
        let mut scheduler = Scheduler::new(&graph(&case)).unwrap();
        let wanted: Vec<BTreeSet<usize>> = case.pools.iter().map(|pools| pools.iter().copied().collect()).collect();
        let mut running: Vec<(u64, usize)> = Vec::new();
        let mut done: Vec<Option<bool>> = vec![None; case.costs.len()];
        let mut used = vec![0; case.depths.len()];
        let (mut now, mut ended, mut stopped) = (0, 0, false);
        while !scheduler.is_finished() {
            while running.len() < case.jobs && let Some(task) = scheduler.next() {
                for (_, other, needs) in case.edges.iter().filter(|(from, ..)| *from == task) {
                    prop_assert!(done[*other].is_some(), "{task} started before {other} ended");
                    prop_assert!(!needs || done[*other] == Some(true), "{task} started though {other} failed");
                }
                for pool in &wanted[task] {
                    used[*pool] += 1;
                    prop_assert!(used[*pool] <= case.depths[*pool], "pool {pool} is over its depth");
                }
                running.push((now + case.costs[task], task));
            }
            if running.len() < case.jobs && !stopped {
                let free = |task: &usize| {
                    let settled = |(from, other, needs): &(usize, usize, bool)| *from != *task || done[*other] == Some(true) || (done[*other].is_some() && !needs);
                    done[*task].is_none()
                        && running.iter().all(|(_, busy)| busy != task)
                        && case.edges.iter().all(settled)
                        && wanted[*task].iter().all(|pool| used[*pool] < case.depths[*pool])
                };
                let idle: Vec<usize> = (0..case.costs.len()).filter(free).collect();
                prop_assert!(idle.is_empty(), "a worker is idle while {idle:?} could run");
            }
            running.sort();
            prop_assert!(!running.is_empty(), "nothing runs and the run is not finished");
            let (at, task) = running.remove(0);
            now = at;
            ended += 1;
            wanted[task].iter().for_each(|pool| used[*pool] -= 1);
            let success = !case.fails[task];
            prop_assert!(done[task].replace(success).is_none(), "{task} ended twice");
            let failed = || Outcome::Failed { reason: String::new() };
            let outcome = if success { Outcome::Done { changed: true } } else { failed() };
            let mut skipped = scheduler.finish(task, &outcome);
            if case.stop_at == Some(task) {
                stopped = true;
                skipped.extend(scheduler.stop(SkipReason::Cancelled));
            }
            for Skipped { task, .. } in skipped {
                ended += 1;
                prop_assert!(done[task].replace(false).is_none(), "{task} ended twice");
            }
        }
        prop_assert!(running.is_empty());
        prop_assert_eq!(ended, case.costs.len());
    }
}

#[test]
fn the_longest_remaining_path_goes_first() {
    let mut graph = TaskGraph::default();
    let unit = graph.unit("u");
    let task = |graph: &mut TaskGraph, cost| {
        graph.task(Task::new(unit, "t", |_| Ok(Effect::Changed)).cost(Duration::from_secs(cost)))
    };
    let (long, short, last) = (
        task(&mut graph, 5),
        task(&mut graph, 1),
        task(&mut graph, 9),
    );
    graph.needs(last, short);
    let mut scheduler = Scheduler::new(&graph).unwrap();
    assert_eq!(scheduler.next(), Some(short.index()));
    assert_eq!(scheduler.next(), Some(long.index()));
}

#[test]
fn a_skip_tells_the_whole_chain() {
    let mut graph = TaskGraph::default();
    let ids: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let unit = graph.unit(name);
            (
                unit,
                graph.task(Task::new(unit, name, |_| Ok(Effect::Changed))),
            )
        })
        .into();
    graph.needs(ids[1].1, ids[0].1);
    graph.needs(ids[2].1, ids[1].1);
    let mut cancelled = Scheduler::new(&graph).unwrap();
    assert_eq!(cancelled.next(), Some(0));
    let skipped = cancelled.finish(0, &Outcome::Cancelled);
    assert!(
        skipped.len() == 2
            && skipped
                .iter()
                .all(|skipped| skipped.because == SkipReason::Cancelled),
        "{skipped:?}"
    );
    let mut scheduler = Scheduler::new(&graph).unwrap();
    assert_eq!(scheduler.next(), Some(0));
    let skipped = scheduler.finish(
        0,
        &Outcome::Failed {
            reason: "no".to_owned(),
        },
    );
    assert_eq!(
        skipped[0],
        Skipped {
            task: 1,
            because: SkipReason::Needs(vec![ids[0].0])
        }
    );
    assert_eq!(
        skipped[1],
        Skipped {
            task: 2,
            because: SkipReason::Needs(vec![ids[1].0, ids[0].0])
        }
    );
    assert!(scheduler.is_finished());
}

#[test]
fn tasks_that_wait_for_each_other_are_named() {
    let mut graph = TaskGraph::default();
    let unit = graph.unit("u");
    let [a, b] = ["a", "b"].map(|name| graph.task(Task::new(unit, name, |_| Ok(Effect::Changed))));
    graph.needs(a, b);
    graph.after(b, a);
    assert_eq!(
        Scheduler::new(&graph).err(),
        Some(CycleError(vec!["a".into(), "b".into()]))
    );
}
