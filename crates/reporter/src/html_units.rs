//! The units of a run as a table, and what they told as details, for a page.

use hoist_executor::Level;

use crate::chart::class;
use crate::explain::{fine_duration_text, level_text};
use crate::html::unit_word;
use crate::markup::escape;
use crate::report::{Report, UnitReport};
use crate::reporter::Words;
use crate::{explain, page_script};

/// All units.
pub(crate) fn table(report: &Report, words: Words) -> String {
    let names = report.names();
    let rows: String = sorted(report, words)
        .into_iter()
        .map(|(place, unit)| row(place, unit, &names, words))
        .collect();
    let filter = if report.units.len() > page_script::MANY {
        "<p class=\"filter\" hidden><label>Filter <input type=\"search\" autocomplete=\"off\"></label> <output></output></p>\n"
    } else {
        ""
    };
    format!(
        "<section>\n<h2>Modules</h2>\n{filter}<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Outcome</th>\
         <th scope=\"col\">Duration</th><th scope=\"col\">Version</th><th scope=\"col\">Reason</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n</section>\n"
    )
}

/// The units and their ids, first those that people look for.
fn sorted(report: &Report, words: Words) -> Vec<(usize, &UnitReport)> {
    let mut units: Vec<_> = report.units.iter().enumerate().collect();
    units.sort_by_key(|(_, unit)| unit_word(unit, words).0);
    units
}

fn row(place: usize, unit: &UnitReport, names: &[String], words: Words) -> String {
    let (rank, word) = unit_word(unit, words);
    let name = escape(&unit.name);
    let name = if has_details(unit) {
        format!("<a href=\"#details-{place}\">{name}</a>")
    } else {
        name
    };
    let duration = unit
        .started
        .filter(|_| unit.outcome.is_some())
        .map(|_| fine_duration_text(unit.duration()))
        .unwrap_or_default();
    let reason = unit
        .outcome
        .as_ref()
        .and_then(|outcome| explain(outcome, names))
        .unwrap_or_default();
    format!(
        "<tr id=\"unit-{place}\"><th scope=\"row\">{name}</th>\
         <td data-label=\"Outcome\" data-sort=\"{rank}\"><i class=\"bar {}\"></i>{word}</td>\
         <td data-label=\"Duration\" data-sort=\"{}\" class=\"number\">{duration}</td>\
         <td data-label=\"Version\">{}</td><td data-label=\"Reason\" class=\"lines\">{}</td></tr>\n",
        unit_class(unit),
        unit.duration().as_millis(),
        versions(unit),
        escape(&reason)
    )
}

/// The class of a unit's outcome in the style sheet, which does not depend on the words.
fn unit_class(unit: &UnitReport) -> String {
    class(
        unit_word(
            unit,
            Words {
                changed: "changed",
                unchanged: "unchanged",
            },
        )
        .1,
    )
}

fn versions(unit: &UnitReport) -> String {
    match &unit.versions {
        Some((Some(from), Some(to))) if from == to => escape(to),
        Some((Some(from), Some(to))) => format!("{} → {}", escape(from), escape(to)),
        Some((None, Some(to))) => format!("→ {}", escape(to)),
        Some((Some(from), None)) => format!("{} →", escape(from)),
        Some((None, None)) | None => String::new(),
    }
}

/// True for one that ended otherwise than it should and left output.
fn shows_tail(unit: &UnitReport) -> bool {
    unit_word(unit, Words::default()).0 < 4 && !unit.tail.is_empty()
}

fn has_details(unit: &UnitReport) -> bool {
    !unit.messages.is_empty() || !unit.items.is_empty() || shows_tail(unit)
}

/// The notes, items and last lines of output of the units that have any.
pub(crate) fn details(report: &Report, words: Words) -> String {
    let units = sorted(report, words)
        .into_iter()
        .filter(|(_, unit)| has_details(unit));
    let blocks: String = units
        .map(|(place, unit)| block(place, unit, words))
        .collect();
    if blocks.is_empty() {
        blocks
    } else {
        format!("<section>\n<h2>Details</h2>\n{blocks}</section>\n")
    }
}

fn block(place: usize, unit: &UnitReport, words: Words) -> String {
    let matters = shows_tail(unit)
        || unit
            .messages
            .iter()
            .any(|message| message.level >= Level::Warning);
    let open = if matters { " open" } else { "" };
    let notes: String = unit
        .messages
        .iter()
        .map(|message| entry(level_text(message.level), &escape(&message.to_string())))
        .collect();
    let item = |item: &crate::Item| {
        let reason = item
            .reason
            .as_ref()
            .map(|reason| format!(": {}", escape(reason)))
            .unwrap_or_default();
        entry(
            item.item_change.as_str(),
            &format!("<code>{}</code>{reason}", escape(&item.subject)),
        )
    };
    let items: String = unit.items.iter().map(item).collect();
    let list = if notes.is_empty() && items.is_empty() {
        String::new()
    } else {
        format!("<ul>\n{notes}{items}</ul>\n")
    };
    let tail: Vec<String> = unit
        .tail
        .iter()
        .filter(|_| shows_tail(unit))
        .map(|line| escape(line))
        .collect();
    let tail = if tail.is_empty() {
        String::new()
    } else {
        format!(
            "<p>Last lines of output:</p>\n<pre>{}</pre>\n",
            tail.join("\n")
        )
    };
    let (name, word) = (escape(&unit.name), unit_word(unit, words).1);
    format!(
        "<details id=\"details-{place}\"{open}><summary>{name} <span>{word}</span></summary>\n{list}{tail}</details>\n"
    )
}

fn entry(word: &str, text: &str) -> String {
    format!("<li class=\"{word} lines\"><b>{word}</b> {text}</li>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::report;

    fn page(unit: &str) -> String {
        let report = report(&[
            (0, r#""event":"run_started","units":["a"]"#),
            (
                0,
                r#""event":"output","unit":0,"stream":"stdout","line":"said""#,
            ),
            (0, unit),
            (
                9,
                r#""event":"unit_finished","unit":0,"outcome":{"outcome":"done","changed":true}"#,
            ),
        ]);
        format!(
            "{}{}",
            table(&report, Words::default()),
            details(&report, Words::default())
        )
    }

    #[test]
    fn a_warning_stands_open_and_other_news_closed() {
        assert!(
            page(r#""event":"note","unit":0,"level":"warning","text":"mind""#)
                .contains("<details id=\"details-0\" open>")
        );
        assert!(
            page(r#""event":"note","unit":0,"level":"info","text":"fine""#)
                .contains("<details id=\"details-0\">")
        );
    }

    #[test]
    fn a_unit_that_is_done_shows_no_output_and_a_version_as_far_as_it_is_known() {
        let page = page(r#""event":"version","unit":0,"from":null,"to":"2""#);
        assert!(
            page.contains("<td data-label=\"Version\">→ 2</td>")
                && !page.contains("said")
                && !page.contains("#details-0"),
            "{page}"
        );
    }
}
