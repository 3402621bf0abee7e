//! Twenty tasks of which three run at once, and one that needs them all.

use std::time::Duration;

use hoist_executor::{Cancel, Effect, EventKind, Limits, Task, TaskGraph, execute};

fn main() {
    let mut graph = TaskGraph::default();
    let network = graph.pool("network", 3);
    let parts: Vec<_> = (0..20)
        .map(|number| {
            let unit = graph.unit(format!("part {number}"));
            let work = move |context: &hoist_executor::TaskContext| {
                std::thread::sleep(Duration::from_millis(20));
                context.output_line(&format!("fetched part {number}"));
                Ok(Effect::Changed)
            };
            graph.task(Task::new(unit, "fetch", work).pools([network]))
        })
        .collect();
    let whole = graph.unit("whole");
    let join = graph.task(Task::new(whole, "join", |_| Ok(Effect::Changed)));
    parts.iter().for_each(|part| graph.needs(join, *part));
    let summary = execute(graph, &Limits::default(), &Cancel::new(), |event| {
        if let EventKind::Output { line, .. } = &event.kind {
            #[expect(clippy::print_stdout, reason = "an example for people")]
            {
                println!("{:>6.3} {line}", event.elapsed.as_secs_f64());
            }
        }
    });
    assert!(summary.expect("the graph has no cycle").all_done());
}
