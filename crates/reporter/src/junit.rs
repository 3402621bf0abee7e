//! A report as JUnit XML, which continuous integration systems read: a unit is a test case.

use hoist_executor::Outcome;

use crate::explain;
use crate::explain::level_text;
use crate::markup::escape;
use crate::report::{Report, UnitReport};

/// How a test case is counted.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Passed,
    Failed(&'static str),
    /// It did not come to its end.
    Error(&'static str),
    Skipped,
}

impl From<&UnitReport> for Verdict {
    fn from(unit: &UnitReport) -> Self {
        match &unit.outcome {
            Some(Outcome::Done { .. }) => Verdict::Passed,
            Some(Outcome::Failed { .. }) => Verdict::Failed("failed"),
            Some(Outcome::TimedOut { .. }) => Verdict::Failed("timed out"),
            Some(Outcome::Cancelled) => Verdict::Error("interrupted"),
            Some(Outcome::Skipped { .. }) => Verdict::Skipped,
            None if unit.started.is_some() => Verdict::Error("interrupted"),
            None => Verdict::Skipped,
        }
    }
}

/// An XML document with one test suite. `started_at` is a date and time as ISO 8601 writes it.
pub fn junit(suite_name: &str, started_at: &str, report: &Report) -> String {
    let names = report.names();
    let suite = escape(suite_name);
    let verdicts: Vec<Verdict> = report.units.iter().map(Verdict::from).collect();
    let failures = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Verdict::Failed(_)))
        .count();
    let errors = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Verdict::Error(_)))
        .count();
    let skipped = verdicts
        .iter()
        .filter(|verdict| **verdict == Verdict::Skipped)
        .count();
    // A record that was cut off does not say how long the run took.
    let time = report
        .units
        .iter()
        .map(|unit| unit.finished)
        .fold(report.duration, Ord::max)
        .as_secs_f64();
    let tests = report.units.len();
    let counts = format!(
        r#"name="{suite}" tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}" time="{time:.3}""#
    );
    let cases: String = report
        .units
        .iter()
        .map(|unit| test_case(&suite, unit, &names))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites {counts}>\n<testsuite {counts} timestamp=\"{}\">\n{cases}</testsuite>\n</testsuites>\n",
        escape(started_at)
    )
}

fn test_case(suite: &str, unit: &UnitReport, names: &[String]) -> String {
    let why = unit
        .outcome
        .as_ref()
        .and_then(|outcome| explain(outcome, names));
    let result = match Verdict::from(unit) {
        Verdict::Passed => String::new(),
        Verdict::Failed(kind) | Verdict::Error(kind) => {
            let element = if matches!(Verdict::from(unit), Verdict::Failed(_)) {
                "failure"
            } else {
                "error"
            };
            let why = why.unwrap_or_else(|| "the record ends before it does".to_owned());
            let tail: Vec<String> = unit.tail.iter().map(|line| escape(line)).collect();
            format!(
                "<{element} type=\"{kind}\" message=\"{}\">{}</{element}>\n",
                escape(&why).replace('\n', "&#10;"),
                tail.join("\n")
            )
        }
        Verdict::Skipped => format!(
            "<skipped message=\"{}\"/>\n",
            escape(why.as_deref().unwrap_or("not started")).replace('\n', "&#10;")
        ),
    };
    let notes: Vec<String> = unit
        .messages
        .iter()
        .map(|message| {
            format!(
                "[{}] {}",
                level_text(message.level),
                escape(&message.to_string())
            )
        })
        .collect();
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!("<system-out>{}</system-out>\n", notes.join("\n"))
    };
    let (name, time) = (escape(&unit.name), unit.duration().as_secs_f64());
    format!(
        "<testcase name=\"{name}\" classname=\"{suite}\" time=\"{time:.3}\">\n{result}{notes}</testcase>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::report;

    #[test]
    fn every_unit_is_counted_once_under_what_became_of_it() {
        let xml = junit(
            "s",
            "2026-01-01T00:00:00Z",
            &report(&[
                (
                    0,
                    r#""event":"run_started","units":["done","failed","late","stopped","skipped","cut off","never"]"#,
                ),
                (1, r#""event":"unit_started","unit":5"#),
                (1, r#""event":"unit_started","unit":0"#),
                (
                    1501,
                    r#""event":"unit_finished","unit":0,"outcome":{"outcome":"done","changed":true}"#,
                ),
                (
                    1501,
                    r#""event":"unit_finished","unit":1,"outcome":{"outcome":"failed","reason":"no"}"#,
                ),
                (
                    1501,
                    r#""event":"unit_finished","unit":2,"outcome":{"outcome":"timed_out","limit":{"secs":9,"nanos":0}}"#,
                ),
                (
                    1501,
                    r#""event":"unit_finished","unit":3,"outcome":{"outcome":"cancelled"}"#,
                ),
                (
                    1501,
                    r#""event":"unit_finished","unit":4,"outcome":{"outcome":"skipped","because":{"needs":[1]}}"#,
                ),
            ]),
        );
        assert!(
            xml.contains(r#"tests="7" failures="2" errors="2" skipped="2" time="1.501""#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<testcase name="done" classname="s" time="1.500">"#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<failure type="timed out" message="timed out after 9s">"#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<skipped message="depends on failed, which failed"/>"#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<error type="interrupted" message="interrupted">"#),
            "{xml}"
        );
        assert_eq!(
            ["<failure ", "<error ", "<skipped "].map(|element| xml.matches(element).count()),
            [2, 2, 2]
        );
    }

    #[test]
    fn hostile_text_stays_text() {
        let xml = junit(
            "<s>&\"",
            "now",
            &report(&[
                (
                    0,
                    r#""event":"run_started","units":["]]><x y='\"'>&\u0001"]"#,
                ),
                (
                    1,
                    r#""event":"output","unit":0,"stream":"stdout","line":"\u001b[31m</failure>\u0000\uffff""#,
                ),
                (
                    1,
                    r#""event":"note","unit":0,"level":"warning","text":"]]></system-out>""#,
                ),
                (
                    2,
                    r#""event":"unit_finished","unit":0,"outcome":{"outcome":"failed","reason":"two\nlines <b>"}"#,
                ),
            ]),
        );
        assert!(
            xml.contains(r#"<testsuite name="&lt;s&gt;&amp;&quot;""#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<testcase name="]]&gt;&lt;x y=&#39;&quot;&#39;&gt;&amp;""#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"message="two&#10;lines &lt;b&gt;">&lt;/failure&gt;</failure>"#),
            "{xml}"
        );
        assert!(
            xml.contains("<system-out>[warning] ]]&gt;&lt;/system-out&gt;</system-out>"),
            "{xml}"
        );
    }

    #[test]
    fn an_empty_run_is_an_empty_suite() {
        assert!(
            junit("s", "now", &Report::default())
                .contains(r#"tests="0" failures="0" errors="0" skipped="0" time="0.000""#)
        );
    }
}
