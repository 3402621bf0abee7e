//! `compress FILE…` compresses files, two at once.

#![expect(clippy::print_stdout, reason = "an example")]

use hoist_executor::{Cancel, Command, Effect, Failure, Limits, Task, TaskGraph, execute};

fn main() {
    let mut graph = TaskGraph::default();
    let disk = graph.pool("disk", 2);
    for file in std::env::args().skip(1) {
        let gzip = Command::new("gzip").args(["--keep", &file]);
        let compress = move |task: &hoist_executor::TaskContext| match task.run(&gzip)? {
            exit if exit.success() => Ok(Effect::Changed),
            exit => Err(Failure::new(format!("gzip ended with {exit}"))),
        };
        let unit = graph.unit(file);
        graph.task(Task::new(unit, "compress", compress).pools([disk]));
    }
    let summary = execute(graph, &Limits::default(), &Cancel::new(), |event| {
        println!("{:.3} s {:?}", event.elapsed.as_secs_f64(), event.kind);
    });
    assert!(summary.expect("the graph has no cycle").all_done());
}
