//! How a plan is shown.

use std::collections::BTreeMap;

use hoist_core::{Change, Installed, ModuleId, Plan};
use hoist_engine::config::{ConfigFile, Decision};
use hoist_executor::ItemChange;
use hoist_reporter::{duration_text, plain_text};
use hoist_system::resource::Told;
use serde_json::{Value, json};

use crate::render::{self, BOLD, DIM, Paint, YELLOW, painted};

/// As JSON: the plan itself, with what happens to files.
pub(crate) fn document(
    plan: &Plan,
    configs: &BTreeMap<ModuleId, Vec<ConfigFile>>,
    preview_removals: &[(ModuleId, Vec<Told>)],
) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(plan)?;
    for planned in document["modules"].as_array_mut().into_iter().flatten() {
        let name = planned["module"].as_str().unwrap_or_default().to_owned();
        if let Some(files) = configs.get(name.as_str()) {
            let file = |file: &ConfigFile| json!({ "path": file.path, "decision": decision(file) });
            planned["config_files"] = files.iter().map(file).collect();
        }
        if let Some((_, told)) = preview_removals.iter().find(|(id, _)| id.as_str() == name) {
            let item = |(item_change, subject, reason): &Told| json!({ "fate": item_change, "subject": subject, "reason": reason });
            planned["items"] = told.iter().map(item).collect();
        }
    }
    Ok(document)
}

fn decision(file: &ConfigFile) -> &'static str {
    match (&file.decision, file.current.is_some()) {
        (Decision::Leave, _) => "leave",
        (Decision::Write, false) => "create",
        (Decision::Write, true) => "overwrite",
        (Decision::Keep, _) => "keep",
        (Decision::Merge(_), _) => "merge",
    }
}

/// For people.
pub(crate) fn text(
    plan: &Plan,
    installed: &Installed,
    configs: &BTreeMap<ModuleId, Vec<ConfigFile>>,
    preview_removals: &[(ModuleId, Vec<Told>)],
    paint: Paint,
) -> String {
    let dim = |text: &str| painted(paint.stdout, DIM, text);
    let mut rows = Vec::new();
    for planned in &plan.modules {
        let change = planned.change.as_str();
        let requires: Vec<&str> = planned
            .needs
            .iter()
            .map(|place| plan.modules[*place].module.as_str())
            .collect();
        let requires = if requires.is_empty() {
            String::new()
        } else {
            format!("after {}", requires.join(", "))
        };
        rows.push(vec![
            if planned.change.is_work() {
                painted(paint.stdout, BOLD, change)
            } else {
                dim(change)
            },
            planned.module.to_string(),
            planned.tier.to_string(),
            planned.method.clone(),
            dim(&format!("{}; {}", planned.wanted, planned.reason)),
            dim(&requires),
        ]);
    }
    rows.extend(plan.left_out.iter().map(|left| {
        vec![
            dim("skip"),
            left.module.to_string(),
            String::new(),
            String::new(),
            dim(&left.reason),
        ]
    }));
    let mut text = render::table(&rows);
    for file in configs.values().flatten().filter(|file| file.is_work()) {
        text += &format!("  {:<9} {}\n", decision(file), file.path.display());
    }
    text += &removal(preview_removals, paint.stdout);
    let work = plan
        .modules
        .iter()
        .filter(|planned| planned.change.is_work());
    let known: f64 = work
        .clone()
        .filter_map(|planned| installed.durations.get(planned.module.as_str()))
        .sum();
    text += &format!(
        "{} to change, {} unchanged",
        work.count(),
        plan.modules
            .iter()
            .filter(|planned| planned.change == Change::Keep)
            .count()
    );
    if known > 0.0 && preview_removals.is_empty() {
        text += &format!(
            "; about {} of work, based on past runs",
            duration_text(std::time::Duration::from_secs_f64(known))
        );
    }
    text + ". Nothing was changed.\n"
}

/// What a removal would do to files and packages.
pub(crate) fn removal(preview_removals: &[(ModuleId, Vec<Told>)], colour: bool) -> String {
    let mut text = String::new();
    for (module, told) in preview_removals {
        for (item_change, subject, reason) in told {
            let reason = reason
                .as_ref()
                .map(|reason| format!(": {}", plain_text(reason)))
                .unwrap_or_default();
            let (word, code) = match item_change {
                ItemChange::Preserved => ("keep", YELLOW),
                ItemChange::Changed => ("restore", BOLD),
                _ => ("remove", BOLD),
            };
            text += &format!(
                "  {} {module}: {}{reason}\n",
                painted(colour, code, &format!("{word:<9}")),
                plain_text(subject)
            );
        }
        if told.is_empty() {
            text += &format!(
                "  {} {module}: no recorded files\n",
                painted(colour, DIM, &format!("{:<9}", "forget"))
            );
        }
    }
    text
}
