//! `hoist install`, `hoist plan install`.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use hoist_core::{Action, Change, Installed, ModuleId, Plan, Presence, Request, Selection};
use hoist_executor::Cancel;
use hoist_ledger::{Holder, Ledger, Lock};
use hoist_methods::{Machine, clean_stages, presence};
use hoist_reporter::duration_text;
use hoist_resolver::Resolution;
use rayon::prelude::*;

use crate::args::{Global, Install, Output};
use crate::error::{Code, Ending};
use crate::json;
use crate::render::{self, BOLD, DIM, Paint, painted};
use crate::run::{self, Run};
use crate::session::Session;

/// Installs.
pub(crate) fn run(global: &Global, install: &Install) -> Result<Code, Ending> {
    if install.dry_run {
        return plan(global, install);
    }
    let session = Session::open(global)?;
    let request = request(install);
    // A mistake is told before anything is waited for or written.
    hoist_resolver::resolve(&session.catalog, &hoist_ledger::read(&session.places.state)?, &request)?;
    let cancel = run::heed_signals()?;
    let _lock = lock(global, &session, &cancel)?;
    let ledger = Arc::new(Ledger::open(&session.places.state)?);
    recover(&ledger)?;
    let installed = ledger.installed()?;
    let machine = session.machine()?;
    let resolution = hoist_resolver::resolve(&session.catalog, &installed, &request)?;
    let plan = decide(&machine, &resolution, &installed, &request);
    run::not_cancelled(&cancel)?;
    Run {
        global,
        session: &session,
        machine: &machine,
        installed: &installed,
        plan: &plan,
        ledger: Some(ledger),
        cancel,
        force: install.force,
    }
    .execute()
}

/// Shows what would be installed.
pub(crate) fn plan(global: &Global, install: &Install) -> Result<Code, Ending> {
    let session = Session::open(global)?;
    let installed = hoist_ledger::read(&session.places.state)?;
    let request = request(install);
    let resolution = hoist_resolver::resolve(&session.catalog, &installed, &request)?;
    let machine = session.machine()?;
    let plan = decide(&machine, &resolution, &installed, &request);
    match global.output {
        Output::Json => json::print(&serde_json::to_value(&plan)?)?,
        Output::Human => std::io::stdout().lock().write_all(text(&plan, &installed, Paint::choose(global.color)).as_bytes())?,
    }
    Ok(Code::Ok)
}

fn request(install: &Install) -> Request {
    let selection = match install {
        Install { all: true, .. } => Selection::All,
        Install { minimal: true, .. } => Selection::Minimal,
        Install { modules, .. } if modules.is_empty() => Selection::Tiers,
        Install { modules, .. } => Selection::Names(modules.clone()),
    };
    let names = |names: &[String]| names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    Request { action: Action::Install, selection, with: names(&install.with), skip: names(&install.skip), force: install.force }
}

/// Looks at the machine and decides what happens to each module.
fn decide(machine: &Machine, resolution: &Resolution<'_>, installed: &Installed, request: &Request) -> Plan {
    let path: Vec<_> = installed.modules.values().flat_map(|module| module.paths.iter().map(|path| path.join("bin"))).collect();
    let look = |resolved: &hoist_resolver::Resolved<'_>| {
        let mut path = path.clone();
        path.extend(resolved.module.paths.iter().map(|path| path.join("bin")));
        (resolved.module.id.clone(), presence(machine, resolved.module, installed, &path))
    };
    let seen: HashMap<ModuleId, Presence> = resolution.modules.par_iter().with_min_len(64).map(look).collect();
    hoist_resolver::plan(resolution, installed, |id| seen.get(id).cloned().unwrap_or(Presence::Unknown), request)
}

fn lock(global: &Global, session: &Session, cancel: &Cancel) -> Result<Lock, Ending> {
    let command = std::env::args().map(|word| word.chars().take(200).collect::<String>()).collect::<Vec<_>>().join(" ");
    let mut told = false;
    let wait = |holder: &Holder| {
        if !std::mem::replace(&mut told, true) && !global.no_wait {
            render::remark(&format!("waiting for another hoist: {holder}"));
        }
        !global.no_wait && !cancel.is_cancelled()
    };
    let lock = Lock::take(&session.places.state, &command, wait);
    run::not_cancelled(cancel)?;
    Ok(lock?)
}

/// Clears away what a killed run left, and says so.
fn recover(ledger: &Ledger) -> Result<(), Ending> {
    let recovered = ledger.recover()?;
    let stages = clean_stages(&recovered.paths);
    if !recovered.modules.is_empty() {
        let stages = if stages > 0 { format!("; {stages} unfinished directories were removed") } else { String::new() };
        render::remark(&format!(
            "a former run was cut off while it installed {}{stages}; they are looked at again",
            recovered.modules.join(", ")
        ));
    }
    Ok(())
}

fn text(plan: &Plan, installed: &Installed, paint: Paint) -> String {
    let dim = |text: &str| painted(paint.stdout, DIM, text);
    let mut rows = Vec::new();
    for planned in &plan.modules {
        let change = planned.change.as_str();
        let requires: Vec<&str> = planned.requires.iter().map(ModuleId::as_str).collect();
        let requires = if requires.is_empty() { String::new() } else { format!("after {}", requires.join(", ")) };
        rows.push(vec![
            if planned.change.is_work() { painted(paint.stdout, BOLD, change) } else { dim(change) },
            planned.module.to_string(),
            planned.tier.to_string(),
            planned.method.clone(),
            dim(&format!("{}; {}", planned.wanted, planned.reason)),
            dim(&requires),
        ]);
    }
    rows.extend(
        plan.left_out.iter().map(|left| vec![dim("leave out"), left.module.to_string(), String::new(), String::new(), dim(&left.reason)]),
    );
    let work = plan.modules.iter().filter(|planned| planned.change.is_work());
    let known: f64 = work.clone().filter_map(|planned| installed.durations.get(planned.module.as_str())).sum();
    let mut text = render::table(&rows);
    text +=
        &format!("{} to change, {} to keep", work.count(), plan.modules.iter().filter(|planned| planned.change == Change::Keep).count());
    if known > 0.0 {
        text += &format!("; {} of work by past runs", duration_text(std::time::Duration::from_secs_f64(known)));
    }
    text + ". Nothing was changed.\n"
}
