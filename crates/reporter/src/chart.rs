//! A timeline as a drawing for a page: a row for each lane and each pool, a bar for each attempt at
//! a task.
//!
//! Places along the time axis are percentages, so the drawing fills any width and its text keeps
//! its size.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::axis::ticks;
use crate::explain::fine_duration_text;
use crate::html::span_word;
use crate::markup::escape;
use crate::pool_use::{Holding, pool_use};
use crate::reporter::Words;
use crate::timeline::{Span, SpanOutcome, Timeline};

/// In pixels, like all heights here.
const AXIS: usize = 24;
const ROW: usize = 26;
const BAR: usize = 20;
/// The width that a bar should have on average, the least that it has, and the least that it takes
/// to read some of a name.
const BAR_WIDTH: (usize, f64, f64) = (30, 3.0, 34.0);
const WIDTHS: (usize, usize) = (720, 8000);

/// Where things are.
struct Scale {
    total: Duration,
    width: usize,
    lanes: usize,
}

impl Scale {
    fn new(timeline: &Timeline) -> Self {
        let mut bars: BTreeMap<usize, usize> = BTreeMap::new();
        timeline
            .spans
            .iter()
            .for_each(|span| *bars.entry(span.lane).or_default() += 1);
        let width =
            (bars.values().max().copied().unwrap_or(0) * BAR_WIDTH.0).clamp(WIDTHS.0, WIDTHS.1);
        let lanes = bars.last_key_value().map_or(0, |(lane, _)| lane + 1);
        Self {
            total: timeline.duration.max(Duration::from_nanos(1)),
            width,
            lanes,
        }
    }

    /// In percent.
    fn along(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.total.as_secs_f64() * 100.0
    }

    /// The left end and the width in percent, wide enough to be seen and inside the drawing.
    fn extent(&self, start: Duration, end: Duration) -> (f64, f64) {
        let least = BAR_WIDTH.1 / self.width as f64 * 100.0;
        let width = (self.along(end) - self.along(start)).clamp(least, 100.0);
        (self.along(start).clamp(0.0, 100.0 - width), width)
    }

    fn is_readable(&self, percent: f64) -> bool {
        percent / 100.0 * self.width as f64 >= BAR_WIDTH.2
    }

    fn top(row: usize) -> usize {
        AXIS + row * ROW + (ROW - BAR) / 2
    }
}

/// The drawing with the names of its rows beside it; empty when nothing ran.
pub(crate) fn chart(timeline: &Timeline, path: &[usize], words: Words) -> String {
    let scale = Scale::new(timeline);
    if timeline.spans.is_empty() {
        return String::new();
    }
    let pools = pool_use(timeline);
    let height = AXIS + (scale.lanes + pools.len()) * ROW;
    let lane_names: String = (0..scale.lanes)
        .map(|lane| format!("<span>worker {}</span>", lane + 1))
        .collect();
    let pool_names: String = pools
        .keys()
        .map(|pool| format!("<span title=\"{0}\">{0}</span>", escape(pool)))
        .collect();
    let bars: String = timeline
        .spans
        .iter()
        .map(|span| bar(timeline, span, path, &scale, words))
        .collect();
    let pool_rows: String = (scale.lanes..)
        .zip(pools.values())
        .map(|(row, held)| pool_row(timeline, held, row, &scale))
        .collect();
    let label = format!(
        "Timeline of {} modules in {} on {} workers; the table below has the same data",
        timeline.units.len(),
        fine_duration_text(timeline.duration),
        scale.lanes
    );
    format!(
        "<div class=\"chart\" tabindex=\"0\"><div class=\"rows\" aria-hidden=\"true\">{lane_names}{pool_names}</div>\n\
         <svg role=\"img\" aria-label=\"{label}\" height=\"{height}\" style=\"min-width:{}px\">\n{}{pool_rows}{bars}{}</svg></div>\n",
        scale.width,
        grid(&scale, height, pools.len()),
        links(timeline, path, &scale)
    )
}

fn grid(scale: &Scale, height: usize, pools: usize) -> String {
    let stripes = (0..scale.lanes + pools).step_by(2).map(|row| {
        let top = AXIS + row * ROW;
        format!("<rect class=\"stripe\" y=\"{top}\" width=\"100%\" height=\"{ROW}\"/>\n")
    });
    let ticks = ticks(scale.total, scale.width as u64 / 110);
    // Paper has room for about eight texts.
    let every = ticks.len().div_ceil(8);
    let line = |(place, (time, text)): (usize, (Duration, String))| {
        let x = scale.along(time);
        let (anchor, shift) = if x > 94.0 { ("end", -4) } else { ("start", 4) };
        let extra = if place % every == 0 { "" } else { " extra" };
        format!(
            "<line class=\"tick\" x1=\"{x:.3}%\" x2=\"{x:.3}%\" y2=\"{height}\"/>\
             <text class=\"tick{extra}\" x=\"{x:.3}%\" dx=\"{shift}\" y=\"15\" text-anchor=\"{anchor}\">{text}</text>\n"
        )
    };
    let ticks = ticks.into_iter().enumerate().map(line);
    let border = (pools > 0).then(|| {
        let y = AXIS + scale.lanes * ROW;
        format!("<line class=\"border\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>\n")
    });
    stripes.chain(ticks).chain(border).collect()
}

fn bar(timeline: &Timeline, span: &Span, path: &[usize], scale: &Scale, words: Words) -> String {
    let (x, width) = scale.extent(span.start, span.end);
    let name = escape(&timeline.units[span.unit]);
    let mark = match span.outcome {
        SpanOutcome::Failed | SpanOutcome::TimedOut => "✗ ",
        SpanOutcome::Retried => "↻ ",
        _ => "",
    };
    let text = if scale.is_readable(width) {
        format!("<text x=\"6\" y=\"14\">{mark}{name}</text>")
    } else {
        String::new()
    };
    let critical = if path.contains(&span.unit) {
        " critical"
    } else {
        ""
    };
    format!(
        "<a href=\"#unit-{}\" tabindex=\"-1\"><svg class=\"bar {}{critical}\" x=\"{x:.3}%\" y=\"{}\" width=\"{width:.3}%\" height=\"{BAR}\">\
         <title>{}</title><rect width=\"100%\" height=\"100%\" rx=\"3\"/>{text}</svg></a>\n",
        span.unit,
        class(span.outcome.as_str()),
        Scale::top(span.lane),
        tooltip(&name, span, !critical.is_empty(), words)
    )
}

fn tooltip(name: &str, span: &Span, critical: bool, words: Words) -> String {
    let pools: Vec<String> = span.pools.iter().map(|pool| escape(pool)).collect();
    let pools = if pools.is_empty() {
        String::new()
    } else {
        format!("\npools: {}", pools.join(", "))
    };
    let attempt = if span.attempt > 1 {
        format!(", attempt {}", span.attempt)
    } else {
        String::new()
    };
    format!(
        "{name}\n{}{attempt}\n{} in {}, from {} to {}{pools}{}",
        escape(&span.task),
        span_word(span.outcome, words),
        fine_duration_text(span.duration()),
        fine_duration_text(span.start),
        fine_duration_text(span.end),
        if critical {
            "\non the critical path"
        } else {
            ""
        }
    )
}

/// The more tasks hold a pool, the higher it stands.
fn pool_row(timeline: &Timeline, held: &[Holding], row: usize, scale: &Scale) -> String {
    let most = held
        .iter()
        .map(|holding| holding.spans.len())
        .max()
        .unwrap_or(1);
    let rect = |holding: &Holding| {
        let (x, width) = scale.extent(holding.start, holding.end);
        let height = BAR * holding.spans.len() / most;
        let names: Vec<String> = holding
            .spans
            .iter()
            .map(|span| escape(&timeline.units[timeline.spans[*span].unit]))
            .collect();
        format!(
            "<rect class=\"pool\" x=\"{x:.3}%\" y=\"{}\" width=\"{width:.3}%\" height=\"{height}\">\
             <title>held by {} for {}</title></rect>\n",
            Scale::top(row) + BAR - height,
            names.join(", "),
            fine_duration_text(holding.end.saturating_sub(holding.start))
        )
    };
    held.iter().map(rect).collect()
}

/// Lines from each unit of the path to the next.
fn links(timeline: &Timeline, path: &[usize], scale: &Scale) -> String {
    let of = |unit: usize| timeline.spans.iter().filter(move |span| span.unit == unit);
    let link = |pair: &[usize]| {
        let (from, to) = (
            of(pair[0]).max_by_key(|span| span.end)?,
            of(pair[1])
                .filter(|span| span.attempt == 1)
                .max_by_key(|span| span.start)?,
        );
        let middle = |span: &Span| Scale::top(span.lane) + BAR / 2;
        let (x1, x2) = (scale.along(from.end), scale.along(to.start));
        Some(format!(
            "<line class=\"link\" x1=\"{x1:.3}%\" x2=\"{x2:.3}%\" y1=\"{}\" y2=\"{}\"/>\n",
            middle(from),
            middle(to)
        ))
    };
    path.windows(2).filter_map(link).collect()
}

/// A word as the name of a class.
pub(crate) fn class(word: &str) -> String {
    word.replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::timeline;

    #[test]
    fn a_run_of_no_time_has_bars_that_can_be_seen() {
        let timeline = timeline(&[
            (0, r#""event":"run_started","units":["u"]"#),
            (
                0,
                r#""event":"task_started","unit":0,"task":"t","lane":0,"attempt":1"#,
            ),
            (
                0,
                r#""event":"task_finished","unit":0,"task":"t","lane":0,"outcome":{"outcome":"done","changed":true}"#,
            ),
        ]);
        let drawing = chart(&timeline, &[0], Words::default());
        assert!(
            drawing.contains(r#"class="bar changed critical" x="0.000%" y="27" width="0.417%""#),
            "{drawing}"
        );
        assert!(
            !drawing.contains("NaN") && !drawing.contains("inf%"),
            "{drawing}"
        );
    }

    #[test]
    fn hostile_names_stay_text_in_bars_and_tooltips() {
        let timeline = timeline(&[
            (0, r#""event":"run_started","units":["</title><script>"]"#),
            (
                0,
                r#""event":"task_started","unit":0,"task":"<b>","lane":0,"attempt":1,"pools":["<i>"]"#,
            ),
            (
                9,
                r#""event":"task_started","unit":0,"task":"c","lane":1,"attempt":1,"pools":["<i>"]"#,
            ),
        ]);
        let drawing = chart(&timeline, &[], Words::default());
        assert!(
            !["<script>", "<b>", "<i>"]
                .iter()
                .any(|tag| drawing.contains(tag)),
            "{drawing}"
        );
        assert!(
            drawing.contains("<span title=\"&lt;i&gt;\">&lt;i&gt;</span>")
                && drawing.contains("&lt;/title&gt;&lt;script&gt;\n&lt;b&gt;")
        );
    }

    #[test]
    fn many_bars_make_a_wider_drawing() {
        let lane = |_| Span {
            unit: 0,
            task: String::new(),
            lane: 0,
            attempt: 1,
            start: Duration::ZERO,
            end: Duration::ZERO,
            outcome: SpanOutcome::Changed,
            pools: Vec::new(),
        };
        let mut timeline = Timeline::default();
        timeline.units.push("u".to_owned());
        timeline.spans = (0..100).map(lane).collect();
        assert!(chart(&timeline, &[], Words::default()).contains("min-width:3000px"));
    }
}
