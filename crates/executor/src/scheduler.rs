//! Who may start now, who is skipped. Pure: no threads, no clock, no work; it is tested by calling
//! it.
//!
//! A task is `Waiting` until all it waits for has ended, then `Ready`; [`Scheduler::next`] makes it
//! `Running` when its pools have room (until then it is parked at the first that has none);
//! [`Scheduler::finish`] makes it `Ended`. A task that needs one that failed goes from `Waiting` to
//! `Ended` as skipped. `Resting` is a running task that gave back its place until it is tried
//! again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::{Outcome, SkipReason};
use crate::graph::{CycleError, Edge, TaskGraph};
use crate::ids::UnitId;
use crate::priority;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Ready,
    Running,
    Resting,
    Ended,
}

struct Node {
    unit: UnitId,
    state: State,
    waiting_for: u32,
    urgency: u64,
    pools: Vec<usize>,
    followers: Vec<(u32, Edge)>,
}

struct Pool {
    free: usize,
    parked: BinaryHeap<Turn>,
}

/// More urgent first, then the one that was added first.
type Turn = (u64, Reverse<u32>);

/// A task that will never start, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) task: usize,
    pub(crate) because: SkipReason,
}

pub(crate) struct Scheduler {
    nodes: Vec<Node>,
    pools: Vec<Pool>,
    ready: BinaryHeap<Turn>,
    open: usize,
    stopped: Option<SkipReason>,
}

impl Scheduler {
    pub(crate) fn new(graph: &TaskGraph) -> Result<Self, CycleError> {
        let count = graph.tasks.len();
        let mut waiting = vec![0u32; count];
        let mut followers: Vec<Vec<(u32, Edge)>> = vec![Vec::new(); count];
        for (task, other, edge) in &graph.edges {
            waiting[task.index()] += 1;
            followers[other.index()].push((task.0, *edge));
        }
        let plain: Vec<Vec<u32>> = followers
            .iter()
            .map(|edges| edges.iter().map(|(task, _)| *task).collect())
            .collect();
        let costs: Vec<_> = graph.tasks.iter().map(|task| task.cost).collect();
        let Some(urgency) = priority::longest_remaining(&costs, &waiting, &plain) else {
            return Err(CycleError(on_cycles(graph, &waiting, &plain)));
        };
        let node = |(at, (task, followers)): (usize, (&crate::Task, Vec<_>))| Node {
            unit: task.unit,
            state: State::Waiting,
            waiting_for: waiting[at],
            urgency: urgency[at],
            pools: task.pools.iter().map(|pool| pool.index()).collect(),
            followers,
        };
        let nodes: Vec<Node> = graph
            .tasks
            .iter()
            .zip(followers)
            .enumerate()
            .map(node)
            .collect();
        let pools = graph
            .pools
            .iter()
            .map(|(_, depth)| Pool {
                free: *depth,
                parked: BinaryHeap::new(),
            })
            .collect();
        let mut scheduler = Self {
            nodes,
            pools,
            ready: BinaryHeap::with_capacity(count),
            open: count,
            stopped: None,
        };
        (0..count)
            .filter(|task| waiting[*task] == 0)
            .for_each(|task| scheduler.make_ready(task));
        Ok(scheduler)
    }

    /// True when no task will start or end any more.
    pub(crate) fn is_finished(&self) -> bool {
        self.open == 0
    }

    /// Starts the most urgent task whose pools have room.
    pub(crate) fn next(&mut self) -> Option<usize> {
        if self.stopped.is_some() {
            return None;
        }
        while let Some((_, Reverse(task))) = self.ready.pop() {
            let task = task as usize;
            let full = self.nodes[task]
                .pools
                .iter()
                .copied()
                .find(|pool| self.pools[*pool].free == 0);
            let Some(full) = full else {
                self.nodes[task].state = State::Running;
                for pool in self.nodes[task].pools.clone() {
                    self.pools[pool].free -= 1;
                }
                return Some(task);
            };
            let turn = self.turn(task);
            self.pools[full].parked.push(turn);
            // The pools it does not wait at have room that somebody parked there may use instead.
            for pool in self.nodes[task].pools.clone() {
                self.unpark(pool);
            }
        }
        None
    }

    /// Gives back the pools of a running task that will be tried again.
    pub(crate) fn rest(&mut self, task: usize) {
        self.release(task);
        self.nodes[task].state = State::Resting;
    }

    /// A resting task may start again.
    pub(crate) fn wake(&mut self, task: usize) {
        if self.nodes[task].state == State::Resting {
            self.make_ready(task);
        }
    }

    /// A running task ended. Returns those that will never start because it failed or was
    /// cancelled.
    pub(crate) fn finish(&mut self, task: usize, outcome: &Outcome) -> Vec<Skipped> {
        self.release(task);
        let failed = match outcome {
            Outcome::Done { .. } => None,
            Outcome::Cancelled => Some(SkipReason::Cancelled),
            _ => Some(SkipReason::Needs(vec![self.nodes[task].unit])),
        };
        self.end(task, failed)
    }

    /// Nothing new starts. Returns all tasks that have not started.
    pub(crate) fn stop(&mut self, because: SkipReason) -> Vec<Skipped> {
        if self.stopped.is_some() {
            return Vec::new();
        }
        self.stopped = Some(because.clone());
        self.ready.clear();
        self.pools.iter_mut().for_each(|pool| pool.parked.clear());
        let idle =
            |node: &Node| matches!(node.state, State::Waiting | State::Ready | State::Resting);
        let skipped: Vec<usize> = (0..self.nodes.len())
            .filter(|task| idle(&self.nodes[*task]))
            .collect();
        for task in &skipped {
            self.nodes[*task].state = State::Ended;
        }
        self.open -= skipped.len();
        skipped
            .into_iter()
            .map(|task| Skipped {
                task,
                because: because.clone(),
            })
            .collect()
    }

    fn turn(&self, task: usize) -> Turn {
        (self.nodes[task].urgency, Reverse(task as u32))
    }

    fn make_ready(&mut self, task: usize) {
        self.nodes[task].state = State::Ready;
        let turn = self.turn(task);
        self.ready.push(turn);
    }

    fn release(&mut self, task: usize) {
        for pool in self.nodes[task].pools.clone() {
            self.pools[pool].free += 1;
            self.unpark(pool);
        }
    }

    /// Lets the most urgent task that is parked at a pool with room try again.
    fn unpark(&mut self, pool: usize) {
        if self.pools[pool].free > 0
            && let Some(turn) = self.pools[pool].parked.pop()
        {
            self.ready.push(turn);
        }
    }

    fn mark_ended(&mut self, task: usize) {
        self.nodes[task].state = State::Ended;
        self.open -= 1;
    }

    /// Ends a task and all that need it when it failed.
    fn end(&mut self, task: usize, failed: Option<SkipReason>) -> Vec<Skipped> {
        if self.nodes[task].state == State::Ended {
            return Vec::new();
        }
        self.mark_ended(task);
        let mut skipped = Vec::new();
        let mut ending = vec![(task, failed)];
        while let Some((task, failed)) = ending.pop() {
            for (follower, edge) in self.nodes[task].followers.clone() {
                let follower = follower as usize;
                self.nodes[follower].waiting_for -= 1;
                match (&failed, edge) {
                    _ if self.nodes[follower].state != State::Waiting => {}
                    (Some(because), Edge::Needs) => {
                        self.mark_ended(follower);
                        skipped.push(Skipped {
                            task: follower,
                            because: because.clone(),
                        });
                        ending.push((
                            follower,
                            Some(lengthened(because, self.nodes[follower].unit)),
                        ));
                    }
                    _ if self.nodes[follower].waiting_for == 0 => self.make_ready(follower),
                    _ => {}
                }
            }
        }
        skipped
    }
}

/// The longest chain of reasons; of a longer one the middle is left out.
const CHAIN: usize = 16;

/// The reason for those that need `unit`, which is itself skipped for `because`.
fn lengthened(because: &SkipReason, unit: UnitId) -> SkipReason {
    match because {
        SkipReason::Needs(chain) if chain.first() == Some(&unit) => because.clone(),
        SkipReason::Needs(chain) => {
            let mut chain: Vec<UnitId> = [unit].iter().chain(chain).copied().collect();
            if chain.len() > CHAIN {
                chain.remove(CHAIN / 2);
            }
            SkipReason::Needs(chain)
        }
        other => other.clone(),
    }
}

/// The names of the tasks that stand on cycles or behind them.
fn on_cycles(graph: &TaskGraph, waiting: &[u32], followers: &[Vec<u32>]) -> Vec<String> {
    let mut left = waiting.to_vec();
    let mut free: Vec<usize> = (0..left.len()).filter(|task| left[*task] == 0).collect();
    while let Some(task) = free.pop() {
        for follower in followers[task].iter().map(|follower| *follower as usize) {
            left[follower] -= 1;
            if left[follower] == 0 {
                free.push(follower);
            }
        }
    }
    graph
        .tasks
        .iter()
        .zip(left)
        .filter(|(_, left)| *left > 0)
        .map(|(task, _)| task.name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
