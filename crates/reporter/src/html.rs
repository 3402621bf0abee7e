//! A run as one page for a browser, which needs no other file, no network and no script.

use std::collections::BTreeSet;
use std::time::Duration;

use hoist_executor::{Outcome, SkipReason};

use crate::chart::{chart, class};
use crate::explain::fine_duration_text;
use crate::html_units::{details, table};
use crate::markup::escape;
use crate::{Report, Timeline, UnitReport};

const STYLE: &str = include_str!("page.css");

/// What a page says about a run besides what happened in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct HtmlPage<'a> {
    /// The run's name.
    pub name: &'a str,
    /// What it was for, such as `install`.
    pub action: &'a str,
    /// What became of it, in a word.
    pub status: &'a str,
    /// When it started, as people write it.
    pub started_at: &'a str,
    /// The version of the program that ran it.
    pub version: &'a str,
    /// How many units had which outcome, in words; counted here when empty.
    pub counts: &'a str,
}

/// A page about a run. `timeline` and `report` come from the same events.
pub fn html(page: &HtmlPage<'_>, timeline: &Timeline, report: &Report) -> String {
    let path = timeline.critical_path();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{} {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{}<main>\n{}{}{}{}</main>\n\
         <footer>hoist {}</footer>\n</body>\n</html>\n",
        escape(page.name),
        escape(page.status),
        header(page, timeline, report),
        timeline_section(timeline, report, &path),
        path_section(timeline, &path),
        table(report),
        details(report),
        escape(page.version)
    )
}

fn header(page: &HtmlPage<'_>, timeline: &Timeline, report: &Report) -> String {
    let counts = if page.counts.is_empty() { counts(report) } else { page.counts.to_owned() };
    let cut_off = if timeline.finished {
        ""
    } else {
        "<p class=\"warning\">The record ends before the run does. What was going on is shown as cut off.</p>\n"
    };
    format!(
        "<header>\n<h1>{} <span class=\"status {}\">{}</span></h1>\n<p>{} · {} · {} · {}</p>\n{cut_off}</header>\n",
        escape(page.name),
        mood(report),
        escape(page.status),
        escape(page.action),
        escape(page.started_at),
        fine_duration_text(timeline.duration),
        escape(&counts)
    )
}

fn mood(report: &Report) -> &'static str {
    let any = |which: fn(&UnitReport) -> bool| report.units.iter().any(which);
    if any(|unit| matches!(unit.outcome, Some(Outcome::Failed { .. } | Outcome::TimedOut { .. }))) {
        "failed"
    } else if any(|unit| !unit.outcome.as_ref().is_some_and(Outcome::is_done)) {
        "interrupted"
    } else {
        "done"
    }
}

/// In the order in which the table has them.
fn counts(report: &Report) -> String {
    let mut words: Vec<(u8, &str)> = report.units.iter().map(unit_word).collect();
    words.sort_unstable();
    let groups = words.chunk_by(|one, other| one == other).map(|group| format!("{} {}", group.len(), group[0].1));
    std::iter::once(format!("{} units", report.units.len())).chain(groups).collect::<Vec<_>>().join(", ")
}

/// What became of a unit in a word, and how soon people want to read of it.
pub(crate) fn unit_word(unit: &UnitReport) -> (u8, &'static str) {
    match &unit.outcome {
        Some(Outcome::Failed { .. }) => (0, "failed"),
        Some(Outcome::TimedOut { .. }) => (1, "timed out"),
        None if unit.started.is_some() => (2, "interrupted"),
        Some(Outcome::Cancelled) => (3, "interrupted"),
        Some(Outcome::Skipped { because: SkipReason::Cancelled | SkipReason::Declined(_) }) => (5, "not started"),
        Some(Outcome::Skipped { .. }) => (4, "skipped"),
        None => (5, "not started"),
        Some(Outcome::Done { changed: true }) => (6, "changed"),
        Some(Outcome::Done { changed: false }) => (7, "unchanged"),
    }
}

fn timeline_section(timeline: &Timeline, report: &Report, path: &[usize]) -> String {
    let outcomes: BTreeSet<_> = timeline.spans.iter().map(|span| span.outcome).collect();
    let entry = |word: &str| format!("<li><i class=\"bar {}\"></i>{word}</li>", class(word));
    let legend: String = outcomes.iter().map(|outcome| entry(outcome.as_str())).collect();
    let drawing = match timeline.spans.is_empty() {
        true => "<p>Nothing ran.</p>\n".to_owned(),
        false => {
            format!("{}<ul class=\"legend\">{legend}<li><i class=\"bar critical\"></i>critical path</li></ul>\n", chart(timeline, path))
        }
    };
    format!("<section>\n<h2>Timeline</h2>\n{drawing}{}</section>\n", never_started(report))
}

fn never_started(report: &Report) -> String {
    let units = report.units.iter().enumerate().filter(|(_, unit)| matches!(unit_word(unit).1, "skipped" | "not started"));
    let links: Vec<String> = units.map(|(place, unit)| format!("<a href=\"#unit-{place}\">{}</a>", escape(&unit.name))).collect();
    if links.is_empty() {
        return String::new();
    }
    let open = if links.len() <= 12 { " open" } else { "" };
    format!("<details class=\"never\"{open}><summary>Never started: {}</summary>\n<p>{}</p></details>\n", links.len(), links.join(", "))
}

/// The critical path in words. A unit's share is the time from the end of the one before it, or its own start if that is later, to its end.
fn path_section(timeline: &Timeline, path: &[usize]) -> String {
    let percent = |time: Duration| time.as_secs_f64() / timeline.duration.max(Duration::from_nanos(1)).as_secs_f64() * 100.0;
    let (mut before, mut busy, mut idle, mut steps) = (Duration::ZERO, Duration::ZERO, Duration::ZERO, String::new());
    for unit in path {
        let Some((start, end)) = timeline.unit_time(*unit) else { continue };
        let (waited, took) = (start.saturating_sub(before), end.saturating_sub(start.max(before)));
        let wait = if percent(waited) >= 1.0 { format!(", after a wait of {}", fine_duration_text(waited)) } else { String::new() };
        let name = escape(&timeline.units[*unit]);
        steps += &format!("<li><a href=\"#unit-{unit}\">{name}</a> {}, {:.0}%{wait}</li>\n", fine_duration_text(took), percent(took));
        (before, busy, idle) = (end, busy + took, idle + waited);
    }
    if steps.is_empty() {
        return String::new();
    }
    // What the units waited for had ended, so nothing else is left to have kept them.
    let rest = match percent(idle) {
        10.0.. => format!(" For {} they were ready, but no lane or no room in a pool was free.", fine_duration_text(idle)),
        _ => String::new(),
    };
    format!(
        "<section>\n<h2>Critical path</h2>\n\
         <p>What decided how long the run took: the unit that ended last, and before it what each waited for. \
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

    const PAGE: HtmlPage<'_> =
        HtmlPage { name: "<script>1", action: "install", status: "failed", started_at: "today", version: "0.1.0", counts: "" };

    const EVENTS: &[(u64, &str)] = &[
        (0, r#""event":"run_started","units":["<b>'a'","b & \u001b[31mc","late","never"],"waits":[[1,0],[3,1]]"#),
        (0, r#""event":"unit_started","unit":0"#),
        (0, r#""event":"task_started","unit":0,"task":"t","lane":0,"attempt":1"#),
        (300, r#""event":"version","unit":0,"from":"<1>","to":"2""#),
        (300, r#""event":"item","unit":0,"fate":"kept","subject":"/<i>","reason":"<u>""#),
        (300, r#""event":"task_finished","unit":0,"task":"t","lane":0,"outcome":{"outcome":"done","changed":true}"#),
        (300, r#""event":"unit_finished","unit":0,"outcome":{"outcome":"done","changed":true}"#),
        (400, r#""event":"unit_started","unit":1"#),
        (400, r#""event":"task_started","unit":1,"task":"t","lane":0,"attempt":1"#),
        (500, r#""event":"output","unit":1,"stream":"stdout","line":"</pre><script>""#),
        (500, r#""event":"note","unit":1,"level":"warning","text":"</li>""#),
        (1000, r#""event":"task_finished","unit":1,"task":"t","lane":0,"outcome":{"outcome":"failed","reason":"<no>"}"#),
        (1000, r#""event":"unit_finished","unit":1,"outcome":{"outcome":"failed","reason":"<no>"}"#),
        (1000, r#""event":"unit_finished","unit":3,"outcome":{"outcome":"skipped","because":{"needs":[1]}}"#),
    ];

    fn page() -> String {
        html(&PAGE, &timeline(EVENTS), &report(EVENTS))
    }

    #[test]
    fn the_path_is_told_with_shares_and_waits() {
        let page = page();
        assert!(page.contains("<a href=\"#unit-0\">&lt;b&gt;&#39;a&#39;</a> 0.30s, 30%</li>"), "{page}");
        assert!(page.contains("<a href=\"#unit-1\">b &amp; c</a> 0.60s, 60%, after a wait of 0.10s</li>"), "{page}");
        assert!(page.contains("Together they ran for 0.90s of 1s (90%). For 0.10s they were ready"), "{page}");
    }

    #[test]
    fn text_from_modules_is_never_markup() {
        let page = page();
        assert!(!["<script", "<b>'", "<i>", "<u>", "<no>", "<1>", "\u{1b}"].iter().any(|hostile| page.contains(hostile)), "{page}");
        assert!(page.contains("<pre>&lt;/pre&gt;&lt;script&gt;</pre>") && page.contains("<b>warning</b> &lt;/li&gt;"), "{page}");
        assert!(page.contains("<code>/&lt;i&gt;</code>: &lt;u&gt;") && page.contains("&lt;1&gt; → 2"), "{page}");
    }

    #[test]
    fn units_are_counted_and_the_worst_stand_first() {
        let page = page();
        assert!(page.contains("4 units, 1 failed, 1 skipped, 1 not started, 1 changed</p>"), "{page}");
        let row = |unit: usize| page.find(&format!("<tr id=\"unit-{unit}\">")).unwrap();
        assert!(row(1) < row(3) && row(3) < row(2) && row(2) < row(0));
        assert!(page.contains("depends on b &amp; c, which failed"), "{page}");
        assert!(page.contains("Never started: 2</summary>\n<p><a href=\"#unit-2\">late</a>, <a href=\"#unit-3\">never</a></p>"), "{page}");
    }

    #[test]
    fn a_run_that_was_cut_off_says_so_and_an_empty_one_too() {
        assert!(page().contains("The record ends before the run does"));
        let mut nothing = Timeline::default();
        nothing.finished = true;
        let empty = html(&PAGE, &nothing, &Report::default());
        assert!(empty.contains("Nothing ran.") && !empty.contains("The record ends") && !empty.contains("NaN"), "{empty}");
    }
}
