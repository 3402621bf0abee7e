//! How urgent a task is: the time that the longest way from it to the end of the run takes.

use std::time::Duration;

/// For each task the sum of costs along the longest path that starts with it, in nanoseconds;
/// `None` when there is a cycle.
///
/// `waiting[t]` counts what `t` waits for, `followers[t]` lists who waits for `t`.
pub(crate) fn longest_remaining(
    costs: &[Duration],
    waiting: &[u32],
    followers: &[Vec<u32>],
) -> Option<Vec<u64>> {
    let mut left = waiting.to_vec();
    let mut order: Vec<usize> = (0..costs.len()).filter(|task| left[*task] == 0).collect();
    let mut next = 0;
    while let Some(task) = order.get(next).copied() {
        next += 1;
        for follower in &followers[task] {
            left[*follower as usize] -= 1;
            if left[*follower as usize] == 0 {
                order.push(*follower as usize);
            }
        }
    }
    if order.len() < costs.len() {
        return None;
    }
    let mut longest = vec![0u64; costs.len()];
    for task in order.into_iter().rev() {
        let behind = followers[task]
            .iter()
            .map(|follower| longest[*follower as usize])
            .max()
            .unwrap_or(0);
        longest[task] = behind
            .saturating_add(costs[task].as_nanos() as u64)
            .saturating_add(1);
    }
    Some(longest)
}
