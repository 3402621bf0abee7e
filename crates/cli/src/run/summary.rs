//! What a run came to, as people read it at its end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use hoist_core::{Action, Change, Plan, PlannedModule, SelectionReason, Tier};
use hoist_executor::{ItemChange, Level, Outcome, Summary};
use hoist_ledger::{FinishedRun, Ledger, LedgerError, ModuleResult, RunId, record_finished};
use hoist_reporter::{LogFiles, Report, UnitMessage, duration_text, explain, plain_text};

use crate::args::Global;
use crate::error::ExitStatus;
use crate::json;
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, YELLOW, painted};

/// What a run came to, against its plan.
pub(crate) struct RunOutcome<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) modules: &'a [Option<usize>],
    pub(crate) report: &'a Report,
    pub(crate) summary: &'a Summary,
    pub(crate) strict: bool,
    /// Whether the modules are hosts.
    pub(crate) on_hosts: bool,
}

impl RunOutcome<'_> {
    fn planned(&self, place: usize) -> &PlannedModule {
        &self.plan.modules[place]
    }

    /// Every unit that is a module: its place in the plan, its number, its outcome.
    fn outcomes(&self) -> impl Iterator<Item = (usize, usize, &Outcome)> {
        let units = self.modules.iter().zip(&self.summary.units).enumerate();
        units.filter_map(|(unit, (place, outcome))| Some(((*place)?, unit, outcome)))
    }

    pub(crate) fn code(&self) -> (ExitStatus, &'static str) {
        let failed = |tier: Option<Tier>| {
            self.outcomes().any(|(place, _, outcome)| {
                !outcome.is_done() && tier.is_none_or(|tier| self.plan.modules[place].tier == tier)
            })
        };
        if self.summary.interrupted {
            return (ExitStatus::Interrupted, "interrupted");
        }
        match (
            self.summary.stopped_by.is_some() || failed(Some(Tier::Core)),
            failed(None),
        ) {
            (true, _) => (ExitStatus::Failed, "failed"),
            (false, true) if self.strict => (ExitStatus::Failed, "failed"),
            (false, true) => (ExitStatus::Partial, "partial"),
            (false, false) => (ExitStatus::Ok, "ok"),
        }
    }

    /// The modules that something was done to.
    pub(crate) fn done(&self) -> Vec<&PlannedModule> {
        let changed = self
            .outcomes()
            .filter(|(.., outcome)| matches!(outcome, Outcome::Done { changed: true }));
        changed.map(|(place, ..)| self.planned(place)).collect()
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        let kept = self
            .plan
            .modules
            .iter()
            .filter(|planned| planned.change == Change::Keep)
            .count();
        if kept > 0 {
            counts.insert("unchanged", kept);
        }
        for (place, _, outcome) in self.outcomes() {
            *counts
                .entry(json::status(
                    outcome,
                    self.plan.action,
                    self.planned(place).change,
                ))
                .or_default() += 1;
        }
        counts
    }

    /// Records the results: of a run that changes the machine in its ledger, and otherwise as a
    /// finished run.
    pub(crate) fn record_results(
        &self,
        recording: Option<(&Ledger, RunId)>,
        finished: &FinishedRun<'_>,
        state: &Path,
        keep_runs: usize,
    ) -> Result<(), LedgerError> {
        let names = self.report.names();
        let reasons: Vec<Option<String>> = self
            .report
            .units
            .iter()
            .map(|unit| {
                unit.outcome
                    .as_ref()
                    .and_then(|outcome| explain(outcome, &names))
            })
            .collect();
        let result = |(place, unit, outcome): (usize, usize, &Outcome)| ModuleResult {
            module: self.plan.modules[place].module.as_str(),
            status: json::status(outcome, self.plan.action, self.planned(place).change),
            duration: self.report.units[unit].duration(),
            reason: reasons[unit].as_deref(),
        };
        let results: Vec<ModuleResult<'_>> = self.outcomes().map(result).collect();
        let Some((ledger, run)) = recording else {
            return record_finished(
                state,
                &FinishedRun {
                    results: &results,
                    ..*finished
                },
            );
        };
        ledger.end_run(run, finished.status, &results)?;
        ledger.prune(keep_runs)?;
        let changed = |result: &ModuleResult<'_>| {
            matches!(
                result.status,
                "installed" | "updated" | "removed" | "forgotten"
            )
        };
        if results.iter().any(changed) {
            ledger.copy()
        } else {
            Ok(())
        }
    }

    /// Prints the summary: what failed, what was skipped and why, notes, counts, and what to do
    /// next.
    pub(crate) fn print(&self, global: &Global, paint: Paint, logs: &Path) -> io::Result<()> {
        let mut text = self.failures(paint, logs);
        text += &render::table(&self.rows(global, paint));
        text += &self.items(global, paint);
        text += &self.notes(global, paint);
        let mut by_word: BTreeMap<String, usize> = BTreeMap::new();
        self.counts()
            .into_iter()
            .for_each(|(status, count)| *by_word.entry(self.word(status)).or_default() += count);
        let counts: Vec<String> = by_word
            .iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let counts = if counts.is_empty() {
            "Nothing to do".to_owned()
        } else {
            counts.join(", ")
        };
        text += &format!(
            "{} in {}\n",
            painted(paint.stdout, BOLD, &counts),
            duration_text(self.report.duration)
        );
        if !global.quiet {
            text += &self.advice();
        }
        text += &self.aborted_by(paint);
        io::stdout().lock().write_all(text.as_bytes())
    }

    /// A status of this run as people read it.
    fn word(&self, status: &str) -> String {
        match (self.plan.action, status) {
            (Action::Undo, "installed" | "updated" | "removed") => "undone".to_owned(),
            _ => status_words(status),
        }
    }

    /// A row for each module that is worth it: what was only installed, removed or kept is listed
    /// with `--verbose`.
    fn rows(&self, global: &Global, paint: Paint) -> Vec<Vec<String>> {
        let names = self.report.names();
        let by_place: BTreeMap<usize, (usize, &Outcome)> = self
            .outcomes()
            .map(|(place, unit, outcome)| (place, (unit, outcome)))
            .collect();
        let dim = |text: &str| painted(paint.stdout, DIM, text);
        let mut rows = Vec::new();
        // Of the modules that nothing was done to, and that often have one reason, the first few
        // are listed.
        let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
        let mut is_listed = |status: &'static str| {
            let count = listed.entry(status).or_default();
            *count += 1;
            global.verbose || *count <= MAX_LISTED
        };
        for (place, planned) in self.plan.modules.iter().enumerate() {
            let Some((unit, outcome)) = by_place.get(&place) else {
                let is_worth_it = global.verbose
                    || (!global.quiet
                        && (planned.has_hint || matches!(planned.wanted, SelectionReason::Named)));
                if is_worth_it && is_listed("unchanged") {
                    rows.push(vec![
                        dim("unchanged"),
                        planned.module.to_string(),
                        dim(&planned.reason),
                    ]);
                }
                continue;
            };
            let status = json::status(outcome, self.plan.action, planned.change);
            let colour = match status {
                // Listed with their last output.
                "failed" => continue,
                "skipped" | "not_started" if !is_listed(status) => continue,
                "skipped" | "not_started" | "unverified" | "forgotten" | "interrupted" => YELLOW,
                "unchanged" if !global.verbose => continue,
                "unchanged" => DIM,
                _ if !global.verbose && !self.has_new_version(*unit) => continue,
                _ => GREEN,
            };
            if global.quiet && outcome.is_done() {
                continue;
            }
            let took = if self.report.units[*unit].started.is_some() {
                duration_text(self.report.units[*unit].duration())
            } else {
                String::new()
            };
            let details =
                match explain(outcome, &names).filter(|_| !matches!(outcome, Outcome::Cancelled)) {
                    Some(why) => excerpt(&why),
                    None => dim(&self.details(*unit, &took)),
                };
            rows.push(vec![
                painted(paint.stdout, colour, &self.word(status)),
                planned.module.to_string(),
                details,
            ]);
        }
        for (status, count) in listed
            .into_iter()
            .filter(|(_, count)| *count > MAX_LISTED && !global.verbose)
        {
            rows.push(vec![
                painted(paint.stdout, DIM, &status_words(status)),
                format!("and {} more", count - MAX_LISTED),
            ]);
        }
        rows.extend(
            self.plan
                .left_out
                .iter()
                .map(|left| vec![dim("left out"), left.module.to_string(), dim(&left.reason)]),
        );
        rows
    }

    /// Whether a module has another version than before the run.
    fn has_new_version(&self, unit: usize) -> bool {
        let versions = self.report.units[unit].versions.as_ref();
        versions.is_some_and(|(from, to)| {
            (from.is_some() || self.plan.action == Action::Deploy) && to.is_some() && from != to
        })
    }

    /// The core module that aborted the run, as the last line.
    fn aborted_by(&self, paint: Paint) -> String {
        let Some(stopped_by) = self
            .summary
            .stopped_by
            .filter(|_| !self.summary.interrupted)
        else {
            return String::new();
        };
        let unit = stopped_by.index();
        let Some(report) = self.report.units.get(unit) else {
            return String::new();
        };
        let tier = self
            .modules
            .get(unit)
            .copied()
            .flatten()
            .map(|place| self.planned(place).tier);
        let kind = match tier {
            Some(Tier::Core) if !self.on_hosts => "core module ",
            _ => "",
        };
        let text = format!("The run was aborted because {kind}{} failed.", report.name);
        format!("{}\n", painted(paint.stdout, RED, &text))
    }

    /// How long it took, and from which version to which it went.
    fn details(&self, unit: usize, took: &str) -> String {
        let version =
            |version: &Option<String>| version.clone().map(|version| plain_text(&version));
        let versions = self.report.units[unit]
            .versions
            .as_ref()
            .map(|(from, to)| (version(from), version(to)));
        match versions {
            Some((Some(from), Some(to))) if from != to => format!("{from} → {to}  {took}"),
            Some((None, Some(to))) => format!("{to}  {took}"),
            _ => took.to_owned(),
        }
    }

    /// What became of files: all of them after a removal, else what somebody may have to look at.
    fn items(&self, global: &Global, paint: Paint) -> String {
        let mut text = String::new();
        let removal = matches!(
            self.plan.action,
            Action::Uninstall | Action::Undo | Action::Undeploy
        );
        for (place, unit, _) in self.outcomes() {
            let mut shown = 0;
            for item in &self.report.units[unit].items {
                let worth = global.verbose
                    || matches!(
                        item.item_change,
                        ItemChange::Preserved | ItemChange::NeedsAttention
                    )
                    || (!global.quiet && (removal || item.reason.is_some()));
                if !worth {
                    continue;
                }
                shown += 1;
                if shown > 40 && !global.verbose {
                    continue;
                }
                let colour = if matches!(
                    item.item_change,
                    ItemChange::Preserved | ItemChange::NeedsAttention
                ) {
                    YELLOW
                } else {
                    DIM
                };
                let reason = item
                    .reason
                    .as_ref()
                    .map(|reason| format!(": {}", plain_text(reason)))
                    .unwrap_or_default();
                let item_change = painted(
                    paint.stdout,
                    colour,
                    &format!("{:<8}", item.item_change.as_str()),
                );
                text += &format!(
                    "  {item_change} {}: {}{reason}\n",
                    self.planned(place).module,
                    plain_text(&item.subject)
                );
            }
            if shown > 40 && !global.verbose {
                text += &format!("  … and {} more, listed in the log\n", shown - 40);
            }
        }
        text
    }

    /// What modules have to say to the user.
    fn notes(&self, global: &Global, paint: Paint) -> String {
        let mut text = String::new();
        if global.quiet {
            return text;
        }
        for (place, unit, _) in self.outcomes() {
            let messages = &self.report.units[unit].messages;
            // Of what is neither a warning nor an error the last few: that is where installers say
            // what is left to do.
            let minor = |message: &&UnitMessage| message.level < Level::Warning;
            let mut left_out = if global.verbose {
                0
            } else {
                messages
                    .iter()
                    .filter(minor)
                    .count()
                    .saturating_sub(MAX_NOTES)
            };
            let total = left_out;
            // A failed module's last output has been printed above.
            let is_failed = matches!(
                self.summary.units[unit],
                Outcome::Failed { .. } | Outcome::TimedOut { .. }
            );
            let is_printed = |message: &UnitMessage| {
                let text = plain_text(&message.to_string());
                let mut tail = self.report.units[unit].tail.iter().rev().take(MIN_TAIL);
                is_failed
                    && message.level == Level::Error
                    && tail.any(|line| plain_text(line).contains(&text))
            };
            for message in messages.iter().filter(|message| !is_printed(message)) {
                if message.level < Level::Warning && left_out > 0 {
                    left_out -= 1;
                    continue;
                }
                let (word, colour) = match message.level {
                    Level::Info => ("info", DIM),
                    Level::Success => ("success", GREEN),
                    Level::Warning => ("warning", YELLOW),
                    Level::Error => ("error", RED),
                };
                let module = &self.planned(place).module;
                let word = painted(paint.stdout, colour, &format!("{word:<8}"));
                text += &format!("  {word} {module}: {}\n", plain_text(&message.to_string()));
            }
            if total > 0 {
                text += &format!(
                    "  {:8} {}: {} in the log\n",
                    "",
                    self.planned(place).module,
                    render::count(total, "earlier note")
                );
            }
        }
        if text.is_empty() {
            text
        } else {
            format!("{}\n{text}", painted(paint.stdout, BOLD, "Notes:"))
        }
    }

    /// Each module that failed: why, its last output, and the path of its log.
    fn failures(&self, paint: Paint, logs: &Path) -> String {
        let names = self.report.names();
        let is_failed = |unit: usize| {
            matches!(
                self.summary.units[unit],
                Outcome::Failed { .. } | Outcome::TimedOut { .. }
            )
        };
        // Batches fail with their modules.
        let failed: Vec<usize> = (0..self.report.units.len())
            .filter(|unit| is_failed(*unit) && self.modules[*unit].is_some())
            .collect();
        let lines = if failed.len() > MANY_FAILURES {
            MIN_TAIL
        } else {
            MAX_TAIL
        };
        let mut text = String::new();
        for unit in failed {
            let report = &self.report.units[unit];
            let why = explain(&self.summary.units[unit], &names).unwrap_or_default();
            text += &format!(
                "{}   {}: {}\n",
                painted(paint.stdout, RED, "failed"),
                painted(paint.stdout, BOLD, &report.name),
                plain_text(&why)
            );
            for line in report
                .tail
                .iter()
                .skip(report.tail.len().saturating_sub(lines))
            {
                text += &format!(
                    "         {} {}\n",
                    painted(paint.stdout, DIM, "|"),
                    excerpt(line)
                );
            }
            let log = LogFiles::path(logs, &report.name);
            text += &format!(
                "         {} {}\n",
                painted(paint.stdout, DIM, "log:"),
                log.display()
            );
        }
        text
    }

    /// What to do next.
    fn advice(&self) -> String {
        let (code, _) = self.code();
        let is_failed = matches!(code, ExitStatus::Failed | ExitStatus::Partial);
        // What runs on other hosts is not to be done on this machine.
        if self.on_hosts {
            return match is_failed || code == ExitStatus::Interrupted {
                true => "Fix the errors above, then run the same command again. Installed modules are kept.\n".to_owned(),
                false => String::new(),
            };
        }
        let text = match self.plan.action {
            Action::Install
                if code == ExitStatus::Ok && self.counts().contains_key("installed") =>
            {
                "Run `hoist test` to verify the installed modules.\n"
            }
            Action::Install | Action::Update if is_failed => {
                "Fix the errors above, then run `hoist retry`. Installed modules are kept.\n"
            }
            Action::Uninstall | Action::Undo if is_failed => {
                "Fix the errors above, then run `hoist retry`.\n"
            }
            Action::Deploy | Action::Undeploy if is_failed => {
                "Fix the errors above, then run the same command again.\n"
            }
            Action::Install if code == ExitStatus::Interrupted => {
                "Run `hoist install --resume` to continue. Installed modules are kept.\n"
            }
            Action::Test if is_failed => {
                "Fix the errors above, or run `hoist install --force MODULE` to reinstall a module.\n"
            }
            _ => "",
        };
        text.to_owned()
    }
}

/// Most informational notes of a module in the summary, without `--verbose`.
const MAX_NOTES: usize = 3;

/// Most modules of one status that are listed though nothing was done to them, without `--verbose`.
const MAX_LISTED: usize = 10;

/// Lines of output that are printed for a failed module: of few and of many.
const MAX_TAIL: usize = 10;
const MIN_TAIL: usize = 3;

/// With more failures than this, fewer lines of output are printed for each.
const MANY_FAILURES: usize = 5;

/// A status as people read it.
pub(crate) fn status_words(status: &str) -> String {
    match status {
        "forgotten" => "untracked".to_owned(),
        status => status.replace('_', " "),
    }
}

/// A line for people: without escape sequences, and not longer than a few lines of a terminal.
fn excerpt(line: &str) -> String {
    let plain = plain_text(line);
    match plain.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}
