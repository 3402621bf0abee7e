//! A run as one page for a browser, which needs no other file, no network and no script.

use std::collections::BTreeSet;
use std::time::Duration;

use hoist_executor::{Outcome, SkipReason};

use crate::chart::{chart, class};
use crate::explain::fine_duration_text;
use crate::html_units::{details, table};
use crate::markup::escape;
use crate::page_script;
use crate::report::{Report, UnitReport};
use crate::reporter::Words;
use crate::timeline::{SpanOutcome, Timeline};

const STYLE: &str = include_str!("page.css");

/// What a page says about a run besides what happened in it. Empty texts are left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct HtmlPage<'a> {
    /// The command, such as `hoist install`.
    pub title: &'a str,
    /// The run's name.
    pub name: &'a str,
    /// The outcome, such as `failed`.
    pub status: &'a str,
    /// The name of the host.
    pub host: &'a str,
    /// The command line.
    pub command: &'a str,
    /// When the run started, in local time.
    pub started_at: &'a str,
    /// The version of the program.
    pub version: &'a str,
    /// The number of modules with each outcome, in words; counted here when empty.
    pub counts: &'a str,
    /// Words for modules that are done.
    pub words: Words,
}

/// A page about a run. `timeline` and `report` come from the same events.
pub fn html(page: &HtmlPage<'_>, timeline: &Timeline, report: &Report) -> String {
    let path = timeline.critical_path();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src '{}'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{}<main>\n{}{}{}{}</main>\n\
         <footer>hoist {}</footer>\n{}</body>\n</html>\n",
        page_script::HASH,
        escape(&document_title(page)),
        header(page, timeline, report),
        timeline_section(timeline, report, &path, page.words),
        path_section(timeline, &path),
        table(report, page.words),
        details(report, page.words),
        escape(page.version),
        if report.units.len() > page_script::MANY {
            page_script::element()
        } else {
            String::new()
        }
    )
}

/// Title of the document: command, outcome and host.
fn document_title(page: &HtmlPage<'_>) -> String {
    let host = if page.host.is_empty() {
        String::new()
    } else {
        format!(" on {}", page.host)
    };
    format!("{}{host}: {}", page.title, page.status)
}

fn header(page: &HtmlPage<'_>, timeline: &Timeline, report: &Report) -> String {
    let counts = if page.counts.is_empty() {
        counts(report, page.words)
    } else {
        page.counts.to_owned()
    };
    let interrupted = if timeline.finished {
        ""
    } else {
        "<p class=\"warning\">The record ends before the run does. Modules that were running are shown as interrupted.</p>\n"
    };
    let duration = fine_duration_text(timeline.duration);
    let facts = [
        ("Host", page.host),
        ("Started", page.started_at),
        ("Duration", duration.as_str()),
        ("Run", page.name),
        ("Command", page.command),
    ];
    let fact = |(name, text): (&str, &str)| match name {
        "Command" => format!(
            "<div><dt>{name}</dt><dd><code>{}</code></dd></div>\n",
            escape(text)
        ),
        _ => format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(text)),
    };
    let facts: String = facts
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(fact)
        .collect();
    format!(
        "<header>\n<h1>{} <span class=\"status {}\">{}</span></h1>\n<p>{}</p>\n<dl>\n{facts}</dl>\n{interrupted}</header>\n",
        escape(page.title),
        mood(report),
        escape(page.status),
        escape(&counts)
    )
}

/// The word for an attempt at a task.
pub(crate) fn span_word(outcome: SpanOutcome, words: Words) -> &'static str {
    match outcome {
        SpanOutcome::Changed => words.changed,
        SpanOutcome::Unchanged => words.unchanged,
        other => other.as_str(),
    }
}

fn mood(report: &Report) -> &'static str {
    let any = |which: fn(&UnitReport) -> bool| report.units.iter().any(which);
    if any(|unit| {
        matches!(
            unit.outcome,
            Some(Outcome::Failed { .. } | Outcome::TimedOut { .. })
        )
    }) {
        "failed"
    } else if any(|unit| !unit.outcome.as_ref().is_some_and(Outcome::is_done)) {
        "interrupted"
    } else {
        "done"
    }
}

/// In the order in which the table has them.
fn counts(report: &Report, words: Words) -> String {
    let mut words: Vec<(u8, &str)> = report
        .units
        .iter()
        .map(|unit| unit_word(unit, words))
        .collect();
    words.sort_unstable();
    let groups = words
        .chunk_by(|one, other| one == other)
        .map(|group| format!("{} {}", group.len(), group[0].1));
    std::iter::once(modules_text(report.units.len()))
        .chain(groups)
        .collect::<Vec<_>>()
        .join(", ")
}

fn modules_text(count: usize) -> String {
    if count == 1 {
        "1 module".to_owned()
    } else {
        format!("{count} modules")
    }
}

/// The outcome of a unit in a word, and its rank: what people look for comes first.
pub(crate) fn unit_word(unit: &UnitReport, words: Words) -> (u8, &'static str) {
    match &unit.outcome {
        Some(Outcome::Failed { .. }) => (0, "failed"),
        Some(Outcome::TimedOut { .. }) => (1, "timed out"),
        None if unit.started.is_some() => (2, "interrupted"),
        Some(Outcome::Cancelled) => (3, "interrupted"),
        Some(Outcome::Skipped {
            because: SkipReason::Cancelled | SkipReason::Declined(_),
        }) => (5, "not started"),
        Some(Outcome::Skipped { .. }) => (4, "skipped"),
        None => (5, "not started"),
        Some(Outcome::Done { changed: true }) => (6, words.changed),
        Some(Outcome::Done { changed: false }) => (7, words.unchanged),
    }
}

fn timeline_section(timeline: &Timeline, report: &Report, path: &[usize], words: Words) -> String {
    let outcomes: BTreeSet<_> = timeline.spans.iter().map(|span| span.outcome).collect();
    let legend: String = outcomes
        .iter()
        .map(|outcome| {
            format!(
                "<li><i class=\"bar {}\"></i>{}</li>",
                class(outcome.as_str()),
                span_word(*outcome, words)
            )
        })
        .collect();
    let drawing = match timeline.spans.is_empty() {
        true => "<p>Nothing ran.</p>\n".to_owned(),
        false => {
            format!(
                "{}<ul class=\"legend\">{legend}<li><i class=\"bar critical\"></i>critical path</li></ul>\n",
                chart(timeline, path, words)
            )
        }
    };
    format!(
        "<section>\n<h2>Timeline</h2>\n{drawing}{}</section>\n",
        never_started(report, words)
    )
}

fn never_started(report: &Report, words: Words) -> String {
    let units = report
        .units
        .iter()
        .enumerate()
        .filter(|(_, unit)| matches!(unit_word(unit, words).1, "skipped" | "not started"));
    let links: Vec<String> = units
        .map(|(place, unit)| format!("<a href=\"#unit-{place}\">{}</a>", escape(&unit.name)))
        .collect();
    if links.is_empty() {
        return String::new();
    }
    let open = if links.len() <= 12 { " open" } else { "" };
    format!(
        "<details class=\"never\"{open}><summary>Not started: {}</summary>\n<p>{}</p></details>\n",
        links.len(),
        links.join(", ")
    )
}

/// The critical path in words. A unit's share is the time from the end of the one before it, or its
/// own start if that is later, to its end.
fn path_section(timeline: &Timeline, path: &[usize]) -> String {
    let percent = |time: Duration| {
        time.as_secs_f64() / timeline.duration.max(Duration::from_nanos(1)).as_secs_f64() * 100.0
    };
    let (mut before, mut busy, mut idle, mut steps) = (
        Duration::ZERO,
        Duration::ZERO,
        Duration::ZERO,
        String::new(),
    );
    for unit in path {
        let Some((start, end)) = timeline.unit_time(*unit) else {
            continue;
        };
        let (waited, took) = (
            start.saturating_sub(before),
            end.saturating_sub(start.max(before)),
        );
        let wait = if percent(waited) >= 1.0 {
            format!(", after waiting for {}", fine_duration_text(waited))
        } else {
            String::new()
        };
        let name = escape(&timeline.units[*unit]);
        steps += &format!(
            "<li><a href=\"#unit-{unit}\">{name}</a> {}, {:.0}%{wait}</li>\n",
            fine_duration_text(took),
            percent(took)
        );
        (before, busy, idle) = (end, busy + took, idle + waited);
    }
    if steps.is_empty() {
        return String::new();
    }
    // Their dependencies had finished, so only workers and pools can have been the reason.
    let rest = match percent(idle) {
        10.0.. => format!(
            " For {} they were ready, but all workers or pools were busy.",
            fine_duration_text(idle)
        ),
        _ => String::new(),
    };
    format!(
        "<section>\n<h2>Critical path</h2>\n\
         <p>The modules that determined the duration: the module that finished last, preceded by the dependencies that it waited for. \
         Together they ran for {} of {} ({:.0}%).{rest}</p>\n\
         <ol class=\"path\">\n{steps}</ol>\n</section>\n",
        fine_duration_text(busy),
        fine_duration_text(timeline.duration),
        percent(busy)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{report, timeline};

    const PAGE: HtmlPage<'_> = HtmlPage {
        title: "hoist install",
        name: "<script>1",
        status: "failed",
        host: "<h>",
        command: "hoist install <x>",
        started_at: "today",
        version: "0.1.0",
        counts: "",
        words: Words {
            changed: "installed",
            unchanged: "unchanged",
        },
    };

    const EVENTS: &[(u64, &str)] = &[
        (
            0,
            r#""event":"run_started","units":["<b>'a'","b & \u001b[31mc","late","never"],"waits":[[1,0],[3,1]]"#,
        ),
        (0, r#""event":"unit_started","unit":0"#),
        (
            0,
            r#""event":"task_started","unit":0,"task":"t","lane":0,"attempt":1"#,
        ),
        (300, r#""event":"version","unit":0,"from":"<1>","to":"2""#),
        (
            300,
            r#""event":"item","unit":0,"fate":"kept","subject":"/<i>","reason":"<u>""#,
        ),
        (
            300,
            r#""event":"task_finished","unit":0,"task":"t","lane":0,"outcome":{"outcome":"done","changed":true}"#,
        ),
        (
            300,
            r#""event":"unit_finished","unit":0,"outcome":{"outcome":"done","changed":true}"#,
        ),
        (400, r#""event":"unit_started","unit":1"#),
        (
            400,
            r#""event":"task_started","unit":1,"task":"t","lane":0,"attempt":1"#,
        ),
        (
            500,
            r#""event":"output","unit":1,"stream":"stdout","line":"</pre><script>""#,
        ),
        (
            500,
            r#""event":"note","unit":1,"level":"warning","text":"</li>""#,
        ),
        (
            1000,
            r#""event":"task_finished","unit":1,"task":"t","lane":0,"outcome":{"outcome":"failed","reason":"<no>"}"#,
        ),
        (
            1000,
            r#""event":"unit_finished","unit":1,"outcome":{"outcome":"failed","reason":"<no>"}"#,
        ),
        (
            1000,
            r#""event":"unit_finished","unit":3,"outcome":{"outcome":"skipped","because":{"needs":[1]}}"#,
        ),
    ];

    fn page() -> String {
        html(&PAGE, &timeline(EVENTS), &report(EVENTS))
    }

    #[test]
    fn the_path_is_told_with_shares_and_waits() {
        let page = page();
        assert!(
            page.contains("<a href=\"#unit-0\">&lt;b&gt;&#39;a&#39;</a> 0.30s, 30%</li>"),
            "{page}"
        );
        assert!(
            page.contains(
                "<a href=\"#unit-1\">b &amp; c</a> 0.60s, 60%, after waiting for 0.10s</li>"
            ),
            "{page}"
        );
        assert!(
            page.contains("Together they ran for 0.90s of 1s (90%). For 0.10s they were ready"),
            "{page}"
        );
    }

    #[test]
    fn text_from_modules_is_never_markup() {
        let page = page();
        assert!(
            ![
                "<script", "<h>", "<x>", "<b>'", "<i>", "<u>", "<no>", "<1>", "\u{1b}"
            ]
            .iter()
            .any(|hostile| page.contains(hostile)),
            "{page}"
        );
        assert!(
            page.contains("<pre>&lt;/pre&gt;&lt;script&gt;</pre>")
                && page.contains("<b>warning</b> &lt;/li&gt;"),
            "{page}"
        );
        assert!(
            page.contains("<code>/&lt;i&gt;</code>: &lt;u&gt;") && page.contains("&lt;1&gt; → 2"),
            "{page}"
        );
    }

    #[test]
    fn units_are_counted_and_the_worst_stand_first() {
        let page = page();
        assert!(
            page.contains("<p>4 modules, 1 failed, 1 skipped, 1 not started, 1 installed</p>"),
            "{page}"
        );
        let row = |unit: usize| page.find(&format!("<tr id=\"unit-{unit}\">")).unwrap();
        assert!(row(1) < row(3) && row(3) < row(2) && row(2) < row(0));
        assert!(
            page.contains("depends on b &amp; c, which failed"),
            "{page}"
        );
        assert!(page.contains("Not started: 2</summary>\n<p><a href=\"#unit-2\">late</a>, <a href=\"#unit-3\">never</a></p>"), "{page}");
    }

    #[test]
    fn a_run_that_was_cut_off_says_so_and_an_empty_one_too() {
        assert!(page().contains("The record ends before the run does"));
        let mut nothing = Timeline::default();
        nothing.finished = true;
        let empty = html(&PAGE, &nothing, &Report::default());
        assert!(
            empty.contains("Nothing ran.")
                && !empty.contains("The record ends")
                && !empty.contains("NaN"),
            "{empty}"
        );
    }
}
