//! Whole runs with real threads and real child processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hoist_executor::{
    Cancel, Command, Effect, Event, EventKind, Failure, Limits, OnFailure, Outcome, Retries,
    Silence, SkipReason, Summary, Task, TaskContext, TaskGraph, execute,
};

fn bash(script: &str) -> Command {
    Command::new("bash").args(["-c", script])
}

fn shell(
    graph: &mut TaskGraph,
    name: &str,
    script: &'static str,
) -> (hoist_executor::UnitId, Task) {
    let unit = graph.unit(name);
    let task = Task::new(unit, name, move |context| {
        match context.run(&bash(script))? {
            exit if exit.success() => Ok(Effect::Changed),
            exit => Err(Failure::new(exit.to_string())),
        }
    });
    (unit, task)
}

fn run(graph: TaskGraph, limits: &Limits, cancel: &Cancel) -> (Summary, Vec<Event>) {
    let mut events = Vec::new();
    let summary = execute(graph, limits, cancel, |event| events.push(event.clone())).unwrap();
    let finished = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::UnitFinished { .. }))
        .count();
    assert_eq!(
        finished,
        summary.units.len(),
        "every unit ends exactly once"
    );
    (summary, events)
}

fn quick() -> Limits {
    Limits {
        jobs: 4,
        grace: Duration::from_millis(300),
        ..Limits::default()
    }
}

fn lines(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| {
            if let EventKind::Output { line, .. } = &event.kind {
                Some(line.as_str())
            } else {
                None
            }
        })
        .collect()
}

/// True when a process whose command line contains `mark` is alive.
fn lives(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .parse::<u32>()
            .is_ok_and(|pid| pid != std::process::id())
    });
    lines.any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let zombie = std::fs::read_to_string(entry.path().join("stat"))
            .unwrap_or_default()
            .contains(") Z ");
        !zombie && String::from_utf8_lossy(&line).contains(mark)
    })
}

#[test]
fn output_arrives_whole_and_in_order_also_without_a_last_newline() {
    let mut graph = TaskGraph::default();
    let (_, task) = shell(
        &mut graph,
        "a",
        r"for i in {1..2000}; do echo line $i; done; printf 'x\r\ny\rz\n\nlast'",
    );
    graph.task(task);
    let (summary, events) = run(graph, &quick(), &Cancel::new());
    assert!(summary.all_done());
    let lines = lines(&events);
    assert_eq!(lines.len(), 2005, "{:?}", &lines[1998..]);
    assert_eq!(lines[..2], ["line 1", "line 2"]);
    assert_eq!(lines[2000..], ["x", "y", "z", "", "last"]);
}

#[test]
fn a_failure_skips_only_what_needs_it() {
    let mut graph = TaskGraph::default();
    let (bad, task) = shell(&mut graph, "bad", "exit 3");
    let bad_task = graph.task(task);
    let (needs, task) = shell(&mut graph, "needs", "true");
    let needs_task = graph.task(task);
    let (after, task) = shell(&mut graph, "after", "true");
    let after_task = graph.task(task);
    graph.needs(needs_task, bad_task);
    graph.after(after_task, bad_task);
    let (summary, _) = run(graph, &quick(), &Cancel::new());
    assert_eq!(
        summary.units[bad.index()],
        Outcome::Failed {
            reason: "exit code 3".into()
        }
    );
    assert_eq!(
        summary.units[needs.index()],
        Outcome::Skipped {
            because: SkipReason::Needs(vec![bad])
        }
    );
    assert!(summary.units[after.index()].is_done());
}

#[test]
fn a_failure_that_stops_the_run_lets_what_runs_end() {
    let mut graph = TaskGraph::default();
    let (core, task) = shell(&mut graph, "core", "sleep 0.1; exit 1");
    graph.task(
        task.on_failure(OnFailure::StopRun)
            .cost(Duration::from_secs(9)),
    );
    let (slow, task) = shell(&mut graph, "slow", "sleep 0.5");
    graph.task(task.cost(Duration::from_secs(9)));
    let (never, task) = shell(&mut graph, "never", "true");
    graph.task(task);
    let (summary, _) = run(graph, &Limits { jobs: 2, ..quick() }, &Cancel::new());
    assert_eq!(summary.stopped_by, Some(core));
    assert!(summary.units[slow.index()].is_done());
    assert_eq!(
        summary.units[never.index()],
        Outcome::Skipped {
            because: SkipReason::Stopped(core)
        }
    );
}

#[test]
fn a_panic_is_the_failure_of_its_task() {
    let mut graph = TaskGraph::default();
    let unit = graph.unit("p");
    graph.task(Task::new(unit, "p", |_| panic!("at the {}", "disco")));
    let (summary, _) = run(graph, &quick(), &Cancel::new());
    assert_eq!(
        summary.units[0],
        Outcome::Failed {
            reason: "panicked: at the disco".into()
        }
    );
}

#[test]
fn passing_failures_are_tried_again_and_others_are_not() {
    let tries = Arc::new(AtomicUsize::new(0));
    let retries = Retries {
        limit: 3,
        first_wait: Duration::from_millis(1),
    };
    let mut graph = TaskGraph::default();
    let unit = graph.unit("flaky");
    let count = tries.clone();
    graph.task(
        Task::new(unit, "flaky", move |_| {
            match count.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => Err(Failure::transient("reset by peer")),
                _ => Ok(Effect::Changed),
            }
        })
        .retries(retries),
    );
    let stubborn = Arc::new(AtomicUsize::new(0));
    let unit = graph.unit("wrong");
    let count = stubborn.clone();
    graph.task(
        Task::new(unit, "wrong", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Err(Failure::new("404"))
        })
        .retries(retries),
    );
    let (summary, events) = run(graph, &quick(), &Cancel::new());
    assert!(summary.units[0].is_done());
    assert_eq!(
        (
            tries.load(Ordering::SeqCst),
            stubborn.load(Ordering::SeqCst)
        ),
        (3, 1)
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Retrying { .. }))
            .count(),
        2
    );
}

#[test]
fn a_task_over_its_time_is_killed_with_its_whole_group() {
    let mut graph = TaskGraph::default();
    let (_, task) = shell(
        &mut graph,
        "slow",
        "trap '' TERM; (sleep 9871; true) & sleep 9871; sleep 9871",
    );
    let limit = Duration::from_millis(200);
    graph.task(task.timeout(Some(limit)));
    let (summary, _) = run(graph, &quick(), &Cancel::new());
    assert_eq!(summary.units[0], Outcome::TimedOut { limit });
    assert!(!lives("sleep\09871"));
}

#[test]
fn what_a_child_leaves_in_its_group_ends_with_it() {
    let mut graph = TaskGraph::default();
    let (_, task) = shell(&mut graph, "leaver", "sleep 9872 & echo gone");
    graph.task(task);
    let (summary, events) = run(graph, &quick(), &Cancel::new());
    assert!(summary.all_done());
    assert_eq!(lines(&events), ["gone"]);
    assert!(!lives("sleep\09872"));
}

#[test]
fn a_process_that_left_the_group_does_not_hold_up_the_run() {
    let mut graph = TaskGraph::default();
    let (_, task) = shell(&mut graph, "daemon", "setsid sleep 5 & echo started");
    graph.task(task);
    let (summary, events) = run(graph, &quick(), &Cancel::new());
    assert!(summary.all_done());
    assert_eq!(lines(&events), ["started"]);
    assert!(events.last().unwrap().elapsed < Duration::from_secs(4));
}

#[test]
fn the_first_cancel_asks_and_the_second_kills() {
    for (script, calls) in [
        (
            "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
            1,
        ),
        ("trap '' TERM; echo up; while :; do sleep 0.05; done", 2),
    ] {
        let mut graph = TaskGraph::default();
        let (_, task) = shell(&mut graph, "stubborn", script);
        let first = graph.task(task);
        let (_, task) = shell(&mut graph, "later", "true");
        let later = graph.task(task);
        graph.needs(later, first);
        let cancel = Cancel::new();
        let mut events = Vec::new();
        let limits = Limits {
            jobs: 4,
            grace: Duration::from_secs(3600),
            ..Limits::default()
        };
        let summary = execute(graph, &limits, &cancel, |event| {
            if matches!(&event.kind, EventKind::Output { line, .. } if line == "up") {
                (0..calls).for_each(|_| cancel.cancel());
            }
            events.push(event.clone());
        })
        .unwrap();
        assert!(summary.interrupted);
        assert_eq!(
            summary.units,
            [
                Outcome::Cancelled,
                Outcome::Skipped {
                    because: SkipReason::Cancelled
                }
            ]
        );
        assert_eq!(lines(&events).contains(&"bye"), calls == 1);
    }
}

#[test]
fn what_was_begun_is_taken_back_after_the_first_cancel_and_not_after_the_second() {
    for calls in [1, 2] {
        let mut graph = TaskGraph::default();
        let unit = graph.unit("mender");
        graph.task(Task::new(unit, "mender", |context| {
            let sh = |script: &str| context.run(&Command::new("sh").args(["-c", script]));
            let begun = sh("echo up; exec sleep 3600");
            // It takes longer than a run waits for what is asked to end.
            let mended = context.repair(|| sh("echo mending; sleep 0.3; echo mended"));
            assert!(begun.is_err() && context.is_cancelled());
            mended.map(|_| Effect::Changed)
        }));
        let cancel = Cancel::new();
        let mut events = Vec::new();
        let limits = Limits {
            jobs: 4,
            grace: Duration::from_millis(50),
            ..Limits::default()
        };
        let summary = execute(graph, &limits, &cancel, |event| {
            if let EventKind::Output { line, .. } = &event.kind
                && (line == "up" || (line == "mending" && calls == 2))
            {
                cancel.cancel();
            }
            events.push(event.clone());
        })
        .unwrap();
        assert!(summary.interrupted);
        assert_eq!(lines(&events).contains(&"mended"), calls == 1, "{events:?}");
    }
}

#[test]
fn a_task_that_never_returns_is_given_up() {
    let mut graph = TaskGraph::default();
    let unit = graph.unit("deaf");
    graph.task(
        Task::new(unit, "deaf", |_| {
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        })
        .timeout(Some(Duration::from_millis(50))),
    );
    let (summary, _) = run(graph, &quick(), &Cancel::new());
    assert!(matches!(summary.units[0], Outcome::TimedOut { .. }));
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let mut graph = TaskGraph::default();
    let unit = graph.unit("x");
    graph.task(Task::new(unit, "x", |context| {
        context
            .run(&Command::new("/no/such/program"))
            .map(|_| Effect::Changed)
    }));
    let (summary, _) = run(graph, &quick(), &Cancel::new());
    let Outcome::Failed { reason } = &summary.units[0] else {
        panic!()
    };
    assert!(reason.contains("/no/such/program"), "{reason}");
}

#[test]
fn a_chatty_child_is_read_in_bounded_memory_and_to_its_end() {
    let mut graph = TaskGraph::default();
    let (_, task) = shell(
        &mut graph,
        "chatty",
        "head -c 20000000 /dev/zero | tr '\\0' 'x'; yes | head -200000; echo end",
    );
    graph.task(task);
    let mut count = 0usize;
    let mut longest = 0;
    let summary = execute(graph, &quick(), &Cancel::new(), |event| {
        if let EventKind::Output { line, .. } = &event.kind {
            count += 1;
            longest = longest.max(line.len());
        }
    });
    assert!(summary.unwrap().all_done());
    assert!(
        count > 200_000 && longest <= 16 * 1024,
        "{count} lines, {longest} bytes"
    );
}

#[test]
fn variables_are_set_on_top_of_a_whole_environment() {
    let mut graph = TaskGraph::default();
    let unit = graph.unit("x");
    let command = bash("echo $A $B ${HOME-gone}")
        .environment([("A", "1"), ("B", "2"), ("PATH", "/usr/bin:/bin")])
        .set("B", "3")
        .directory("/");
    graph.task(Task::new(unit, "x", move |context| {
        context.run(&command).map(|_| Effect::Changed)
    }));
    let (_, events) = run(graph, &quick(), &Cancel::new());
    assert_eq!(lines(&events), ["1 3 gone"]);
}

#[test]
fn a_silent_child_is_ended_and_one_that_prints_or_makes_progress_is_not() {
    let context = TaskContext::alone(|_| {});
    let run = |script: &str, is_progressing: &dyn Fn() -> bool| {
        let silence = Silence {
            limit: Duration::from_millis(300),
            is_progressing,
        };
        context
            .run_watched(&bash(script), Some(&silence), |_, _| {})
            .unwrap()
    };
    let talks = run("for i in {1..8}; do sleep 0.1; echo $i; done", &|| false);
    assert!(talks.success() && !talks.stalled);
    let works = run("sleep 0.8", &|| true);
    assert!(works.success() && !works.stalled);
    let silent = run("sleep 600", &|| false);
    assert!(silent.stalled && silent.signalled);
    // What does not listen is killed.
    let deaf = run(
        "trap '' TERM; echo here; while :; do sleep 0.1; done",
        &|| false,
    );
    assert!(deaf.stalled && deaf.signalled);
}
