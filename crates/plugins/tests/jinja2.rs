//! Templates give what Jinja2 makes of them. The table was written by Jinja2 3.1.6 with the
//! variables below; with `trim_blocks` and `lstrip_blocks` for templates that have a line with
//! nothing but statements, unless these begin with `{%-`.

use hoist_plugins::{EvaluationResult, EvaluationTask, Template};
use serde_json::json;

#[test]
fn templates_give_what_jinja2_gives() {
    let variables = json!({
        "m": { "b": 2, "a": 1 }, "l": [3, 1, 2, 1], "s": "Hello wide world", "i": 1_048_576, "f": 2.567, "q": "it's", "n": null, "t": true,
        "users": [{ "name": "x", "age": 3 }, { "name": "y", "age": 2 }], "names": ["web", "db"], "text": "one\ntwo\n\nthree\n",
        "html": "<b>x &amp; y</b>",
    });
    let table: Vec<(String, String)> = serde_json::from_str(include_str!("jinja2.json")).unwrap();
    let mut wrong = Vec::new();
    for (text, expected) in table {
        let template = Template {
            path: "compose/docker-compose.yml.j2".to_owned(),
            text: text.clone(),
            included: Default::default(),
            variables: variables.as_object().unwrap().clone(),
            spellings: Default::default(),
            strict: false,
        };
        match EvaluationTask::Render(template).run() {
            EvaluationResult::Rendered(Ok(rendered)) if rendered.text == expected => {}
            EvaluationResult::Rendered(Ok(rendered)) => wrong.push(format!(
                "{text}\n  Jinja2: {expected:?}\n  hoist:  {:?}",
                rendered.text
            )),
            EvaluationResult::Rendered(Err(error)) => wrong.push(format!(
                "{text}\n  Jinja2: {expected:?}\n  hoist:  {}",
                error.message
            )),
            EvaluationResult::Checked(_) => unreachable!("a template was rendered"),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
