//! One run seen as plain lines, and as a record that is replayed into a report.

use hoist_executor::{Cancel, Effect, Limits, Task, TaskGraph, execute};
use hoist_reporter::{EventRecorder, Plain, Report, Reporters, Words, replay};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut graph = TaskGraph::default();
    let unit = graph.unit("greeting");
    graph.task(Task::new(unit, "say", |context| {
        context.output_line("hello");
        Ok(Effect::Changed)
    }));
    let mut record = Vec::new();
    {
        let mut reporters = Reporters::default();
        reporters.add(Plain::new(
            std::io::stderr(),
            true,
            Words {
                changed: "done",
                unchanged: "unchanged",
            },
        ));
        reporters.add(EventRecorder::new(&mut record));
        execute(graph, &Limits::default(), &Cancel::new(), |event| {
            reporters.report(event)
        })?;
    }
    let mut report = Report::default();
    replay(record.as_slice(), &mut report)?;
    assert_eq!(report.units[0].tail, ["hello"]);
    Ok(())
}
