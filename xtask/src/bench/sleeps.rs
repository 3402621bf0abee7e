//! The executor alone: tasks that sleep, against the shortest time any schedule could take.

use std::time::{Duration, Instant};

use anyhow::Result;
use hoist_executor::{Cancel, Effect, Limits, Task, TaskGraph, TaskId, execute};

use super::{Bench, Row, median};

const JOBS: usize = 16;

/// Tasks in the order they are declared: how long each sleeps, and which earlier ones it needs.
type Tasks = Vec<(Duration, Vec<usize>)>;

/// Both shapes of the issue that made them.
pub(crate) fn sleeps(bench: &Bench) -> Result<Vec<Row>> {
    let mut random = Random(7);
    let layers = (0..200).map(|task| {
        let layer = task / 20;
        let needs = if layer == 0 {
            Vec::new()
        } else {
            (0..2)
                .map(|_| (layer - 1) * 20 + random.below(20) as usize)
                .collect()
        };
        (Duration::from_millis(20 + random.below(381)), needs)
    });
    let layers: Tasks = layers.collect();
    let mut chain: Tasks = (0..160)
        .map(|_| (Duration::from_millis(20 + random.below(381)), Vec::new()))
        .collect();
    for link in 0..12 {
        let needs = if link == 0 {
            Vec::new()
        } else {
            vec![chain.len() - 1]
        };
        chain.push((Duration::from_millis(250), needs));
    }
    Ok(vec![
        row(bench, "200 sleeps in 10 layers, 16 jobs", &layers)?,
        row(
            bench,
            "160 sleeps and a chain of 12 declared last, 16 jobs",
            &chain,
        )?,
    ])
}

fn row(bench: &Bench, what: &str, tasks: &Tasks) -> Result<Row> {
    let times = (0..bench.rounds)
        .map(|_| once(tasks))
        .collect::<Result<Vec<_>>>()?;
    let mut ends: Vec<Duration> = Vec::new();
    for (sleep, needs) in tasks {
        let start = needs
            .iter()
            .map(|need| ends[*need])
            .max()
            .unwrap_or_default();
        ends.push(start + *sleep);
    }
    let critical = ends.into_iter().max().unwrap_or_default();
    let work: Duration = tasks.iter().map(|(sleep, _)| *sleep).sum();
    let bound = critical.max(work / JOBS as u32);
    Ok(Row {
        what: what.into(),
        ours: median(times),
        peer: "max(critical path, work / 16)".into(),
        theirs: bound,
        bar: 1.05,
    })
}

fn once(tasks: &Tasks) -> Result<Duration> {
    let mut graph = TaskGraph::default();
    let mut ids: Vec<TaskId> = Vec::new();
    for (sleep, needs) in tasks {
        let unit = graph.unit("sleep");
        let sleep = *sleep;
        let task = Task::new(unit, "sleep", move |_| {
            std::thread::sleep(sleep);
            Ok(Effect::Changed)
        });
        let task = graph.task(task.cost(sleep));
        needs.iter().for_each(|need| graph.needs(task, ids[*need]));
        ids.push(task);
    }
    let start = Instant::now();
    execute(
        graph,
        &Limits {
            jobs: JOBS,
            ..Limits::default()
        },
        &Cancel::new(),
        |_| {},
    )?;
    Ok(start.elapsed())
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}
