//! What a run came to, as people read it at its end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use hoist_core::{Action, Change, Plan, PlannedModule, Tier};
use hoist_executor::{Fate, Level, Outcome, Summary};
use hoist_ledger::{Ledger, LedgerError, ModuleResult, RunId};
use hoist_reporter::{LogFiles, Message, Report, duration_text, explain, plain_text};

use crate::args::Global;
use crate::error::Code;
use crate::json;
use crate::render::{self, BOLD, DIM, GREEN, Paint, RED, YELLOW, painted};

/// What a run came to, against its plan.
pub(crate) struct Told<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) modules: &'a [Option<usize>],
    pub(crate) report: &'a Report,
    pub(crate) summary: &'a Summary,
    pub(crate) strict: bool,
    /// Whether the modules are hosts.
    pub(crate) on_hosts: bool,
}

impl Told<'_> {
    fn planned(&self, place: usize) -> &PlannedModule {
        &self.plan.modules[place]
    }

    /// Every unit that is a module: its place in the plan, its number, its outcome.
    fn outcomes(&self) -> impl Iterator<Item = (usize, usize, &Outcome)> {
        let units = self.modules.iter().zip(&self.summary.units).enumerate();
        units.filter_map(|(unit, (place, outcome))| Some(((*place)?, unit, outcome)))
    }

    pub(crate) fn code(&self) -> (Code, &'static str) {
        let failed = |tier: Option<Tier>| {
            self.outcomes().any(|(place, _, outcome)| !outcome.is_done() && tier.is_none_or(|tier| self.plan.modules[place].tier == tier))
        };
        if self.summary.interrupted {
            return (Code::Interrupted, "interrupted");
        }
        match (self.summary.stopped_by.is_some() || failed(Some(Tier::Core)), failed(None)) {
            (true, _) => (Code::Failed, "failed"),
            (false, true) if self.strict => (Code::Failed, "failed"),
            (false, true) => (Code::Partial, "partial"),
            (false, false) => (Code::Ok, "ok"),
        }
    }

    /// The modules that something was done to.
    pub(crate) fn done(&self) -> Vec<&PlannedModule> {
        let changed = self.outcomes().filter(|(.., outcome)| matches!(outcome, Outcome::Done { changed: true }));
        changed.map(|(place, ..)| self.planned(place)).collect()
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        let kept = self.plan.modules.iter().filter(|planned| planned.change == Change::Keep).count();
        if kept > 0 {
            counts.insert("unchanged", kept);
        }
        for (place, _, outcome) in self.outcomes() {
            *counts.entry(json::status(outcome, self.plan.action, self.planned(place).change)).or_default() += 1;
        }
        counts
    }

    pub(crate) fn write_down(&self, recording: Option<(&Ledger, RunId)>, status: &str, keep_runs: usize) -> Result<(), LedgerError> {
        let Some((ledger, run)) = recording else { return Ok(()) };
        let names = self.report.names();
        let reasons: Vec<Option<String>> =
            self.report.units.iter().map(|unit| unit.outcome.as_ref().and_then(|outcome| explain(outcome, &names))).collect();
        let result = |(place, unit, outcome): (usize, usize, &Outcome)| ModuleResult {
            module: self.plan.modules[place].module.as_str(),
            status: json::status(outcome, self.plan.action, self.planned(place).change),
            duration: self.report.units[unit].duration(),
            reason: reasons[unit].as_deref(),
        };
        let results: Vec<ModuleResult<'_>> = self.outcomes().map(result).collect();
        ledger.end_run(run, status, &results)?;
        ledger.prune(keep_runs)?;
        let changed = |result: &ModuleResult<'_>| matches!(result.status, "installed" | "updated" | "removed" | "forgotten");
        if results.iter().any(changed) { ledger.copy() } else { Ok(()) }
    }

    pub(crate) fn print(&self, global: &Global, paint: Paint, logs: &Path) -> io::Result<()> {
        let names = self.report.names();
        let mut text = String::new();
        let by_place: BTreeMap<usize, (usize, &Outcome)> = self.outcomes().map(|(place, unit, outcome)| (place, (unit, outcome))).collect();
        let many = self.plan.modules.len() > 60 && !global.verbose;
        let mut rows = Vec::new();
        for (place, planned) in self.plan.modules.iter().enumerate() {
            let dim = |text: &str| painted(paint.stdout, DIM, text);
            let Some((unit, outcome)) = by_place.get(&place) else {
                if !many && !global.quiet {
                    rows.push(vec![dim("unchanged"), planned.module.to_string(), dim(&planned.method), dim(&planned.reason)]);
                }
                continue;
            };
            let status = json::status(outcome, self.plan.action, self.planned(place).change);
            if global.quiet && outcome.is_done() || many && status == "unchanged" {
                continue;
            }
            let colour = match status {
                "failed" => RED,
                "skipped" | "unverified" | "forgotten" | "interrupted" | "not_started" => YELLOW,
                "unchanged" => DIM,
                _ => GREEN,
            };
            let took =
                if self.report.units[*unit].started.is_some() { duration_text(self.report.units[*unit].duration()) } else { String::new() };
            let why = explain(outcome, &names).unwrap_or_default();
            rows.push(vec![
                painted(paint.stdout, colour, &words(status)),
                planned.module.to_string(),
                dim(&planned.method),
                if why.is_empty() { dim(&self.remark(*unit, &took)) } else { excerpt(&why) },
            ]);
        }
        let dim = |text: &str| painted(paint.stdout, DIM, text);
        rows.extend(self.plan.left_out.iter().map(|left| vec![dim("left out"), left.module.to_string(), String::new(), dim(&left.reason)]));
        text += &render::table(&rows);
        text += &self.items(global, paint);
        text += &self.messages(global, paint);
        text += &self.failures(paint, logs);
        let counts: Vec<String> = self.counts().iter().map(|(status, count)| format!("{count} {}", words(status))).collect();
        let counts = if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") };
        text += &format!("{} in {}\n", painted(paint.stdout, BOLD, &counts), duration_text(self.report.duration));
        if !global.quiet {
            text += &self.advice();
        }
        io::stdout().lock().write_all(text.as_bytes())
    }

    /// How long it took, and from which version to which it went.
    fn remark(&self, unit: usize, took: &str) -> String {
        let version = |version: &Option<String>| version.clone().map(|version| plain_text(&version));
        let versions = self.report.units[unit].versions.as_ref().map(|(from, to)| (version(from), version(to)));
        match versions {
            Some((Some(from), Some(to))) if from != to => format!("{from} → {to}  {took}"),
            Some((None, Some(to))) => format!("{to}  {took}"),
            _ => took.to_owned(),
        }
    }

    /// What became of files: all of them after a removal, else what somebody may have to look at.
    fn items(&self, global: &Global, paint: Paint) -> String {
        let mut text = String::new();
        let removal = matches!(self.plan.action, Action::Uninstall | Action::Undo | Action::Undeploy);
        for (place, unit, _) in self.outcomes() {
            let mut shown = 0;
            for item in &self.report.units[unit].items {
                let worth =
                    global.verbose || matches!(item.fate, Fate::Kept | Fate::Left) || (!global.quiet && (removal || item.reason.is_some()));
                if !worth {
                    continue;
                }
                shown += 1;
                if shown > 40 && !global.verbose {
                    continue;
                }
                let colour = if matches!(item.fate, Fate::Kept | Fate::Left) { YELLOW } else { DIM };
                let reason = item.reason.as_ref().map(|reason| format!(": {}", plain_text(reason))).unwrap_or_default();
                let fate = painted(paint.stdout, colour, &format!("{:<8}", item.fate.as_str()));
                text += &format!("  {fate} {}: {}{reason}\n", self.planned(place).module, plain_text(&item.subject));
            }
            if shown > 40 && !global.verbose {
                text += &format!("  … and {} more; the log has them all\n", shown - 40);
            }
        }
        text
    }

    /// What modules told people, beyond what scrolled by.
    fn messages(&self, global: &Global, paint: Paint) -> String {
        let mut text = String::new();
        if global.quiet {
            return text;
        }
        for (place, unit, _) in self.outcomes() {
            // What installers and hooks have to say they say to people.
            let worth = |message: &&Message| global.verbose || message.level >= Level::Warning || message.source.is_some();
            for message in self.report.units[unit].messages.iter().filter(worth) {
                let (word, colour) = match message.level {
                    Level::Info => ("info", DIM),
                    Level::Success => ("success", GREEN),
                    Level::Warning => ("warning", YELLOW),
                    Level::Error => ("error", RED),
                };
                text += &format!(
                    "  {} {}: {}\n",
                    painted(paint.stdout, colour, &format!("{word:<8}")),
                    self.plan.modules[place].module,
                    plain_text(&message.to_string())
                );
            }
        }
        text
    }

    /// The last output of each module that failed, and where all of it is.
    fn failures(&self, paint: Paint, logs: &Path) -> String {
        let mut text = String::new();
        for (unit, report) in self.report.units.iter().enumerate() {
            let failed = matches!(self.summary.units[unit], Outcome::Failed { .. } | Outcome::TimedOut { .. });
            let batch = self.modules[unit].is_none();
            if !failed || batch {
                continue;
            }
            text += &format!("\n{}\n", painted(paint.stdout, RED, &format!("{} failed", report.name)));
            for line in report.tail.iter().rev().take(10).rev() {
                text += &format!("  {} {}\n", painted(paint.stdout, DIM, "|"), excerpt(line));
            }
            text += &format!("  log: {}\n", LogFiles::path(logs, &report.name).display());
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    fn advice(&self) -> String {
        // What runs on other hosts is not to be done on this machine.
        if self.on_hosts {
            return match self.code().0 {
                Code::Failed | Code::Partial | Code::Interrupted => {
                    "Next: run the same command again; what is installed stays.\n".to_owned()
                }
                _ => String::new(),
            };
        }
        let (code, _) = self.code();
        let counts = self.counts();
        match (self.plan.action, code) {
            (Action::Install, Code::Ok) if counts.contains_key("installed") => {
                "Next: `hoist test` verifies what is installed.\n".to_owned()
            }
            (Action::Install, Code::Failed | Code::Partial) => {
                "Next: mend what failed and run the same command again; what is installed stays.\n".to_owned()
            }
            (Action::Install, Code::Interrupted) => "Next: run the same command again; what is installed stays.\n".to_owned(),
            (Action::Update | Action::Uninstall | Action::Undo, Code::Failed | Code::Partial) => {
                "Next: mend what failed; `hoist retry` does it once more.\n".to_owned()
            }
            (Action::Test, Code::Failed | Code::Partial) => "Next: `hoist install --force MODULE` installs a module again.\n".to_owned(),
            _ => String::new(),
        }
    }
}

/// A status as people read it.
fn words(status: &str) -> String {
    status.replace('_', " ")
}

/// A line for people: without escape sequences, and not longer than a few lines of a terminal.
fn excerpt(line: &str) -> String {
    let plain = plain_text(line);
    match plain.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}
