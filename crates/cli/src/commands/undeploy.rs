//! `hoist plugin undeploy`.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use hoist_core::{
    Action, Change, Diagnostic, Installed, Module, Plan, PlannedModule, Request, Selection,
    SelectionReason, Tier,
};
use hoist_deploy::deploy::Undeployment;
use hoist_deploy::deployed::Deployed;
use hoist_deploy::release::{called, kept_secrets};
use hoist_plugins::Masker;

use crate::args::{Global, PluginUndeploy};
use crate::commands::deploy::deployments;
use crate::commands::{self, change};
use crate::error::{CommandError, ExitStatus};
use crate::render::{self, Paint};
use crate::run::{self, Run, RunOptions};
use crate::session::Session;
use crate::ui::Output;
use crate::{ask, json};

/// Takes deployments down.
pub(crate) fn undeploy(
    global: &Global,
    asked: &PluginUndeploy,
) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let mut found = Vec::new();
    for name in &asked.plugins {
        let of = deployments(&session, name, asked.env.as_deref())?;
        if of.len() > 1 {
            let names: Vec<&str> = of
                .iter()
                .map(|one| {
                    if one.environment.is_empty() {
                        "''"
                    } else {
                        one.environment.as_str()
                    }
                })
                .collect();
            let wrong = Diagnostic::error(format!(
                "the plugin is deployed to several environments: {}",
                names.join(", ")
            ))
            .module(name.as_str());
            return Err(CommandError::wrong(wrong.help("name one with --env")));
        }
        found.extend(of);
    }
    let planned = |deployed: &Deployed| PlannedModule {
        module: deployed.plugin.clone(),
        tier: Tier::Optional,
        method: deployed.kind.clone(),
        change: Change::Undeploy,
        reason: called(&deployed.plugin, &deployed.environment),
        wanted: SelectionReason::Named,
        needs: Vec::new(),
        after: Vec::new(),
        requires: Vec::new(),
        has_hint: false,
    };
    let plan = Plan {
        action: Action::Undeploy,
        modules: found.iter().map(planned).collect(),
        left_out: Vec::new(),
    };
    if asked.dry_run {
        let text = commands::plan::text(
            &plan,
            &Installed::default(),
            &BTreeMap::new(),
            &[],
            Paint::choose(global.color),
        );
        match global.output {
            Output::Json => json::print(&commands::plan::document(&plan, &BTreeMap::new(), &[])?)?,
            Output::Human => std::io::stdout().lock().write_all(text.as_bytes())?,
        }
        return Ok(ExitStatus::Ok);
    }
    if !global.yes {
        if !ask::is_interactive() {
            let wrong = Diagnostic::error("cannot ask for confirmation without a terminal");
            return Err(CommandError::wrong(wrong.help("add --yes to confirm")));
        }
        let what: Vec<String> = found
            .iter()
            .map(|deployed| called(&deployed.plugin, &deployed.environment))
            .collect();
        let volumes = if asked.volumes {
            ", and delete its volumes with their data"
        } else {
            ""
        };
        if ask::choose(
            &format!("Undeploy {}{volumes}? [y/N]", what.join(", ")),
            "yn",
            'n',
        )? != Some('y')
        {
            render::print_note("Nothing was changed.");
            return Ok(ExitStatus::Interrupted);
        }
    }
    let cancel = run::handle_signals()?;
    let lock = change::lock(global, &session, &cancel)?;
    let ledger = Arc::new(change::open(&session)?);
    change::recover(&session, &ledger)?;
    let installed = ledger.installed()?;
    // What is not installed any more can be taken down all the same.
    for deployed in &found {
        if session.catalog.get(deployed.plugin.as_str()).is_some() {
            continue;
        }
        let record = installed
            .modules
            .get(&deployed.plugin)
            .cloned()
            .unwrap_or_default();
        session
            .catalog
            .put(Module::remembered(deployed.plugin.clone(), &record));
    }
    let undeployments = found.iter().map(|deployed| {
        let Deployed {
            plugin,
            environment,
            ..
        } = deployed.clone();
        let undeployment = Undeployment {
            environment,
            volumes: asked.volumes,
            force: asked.force,
        };
        undeployment.job(&plugin)
    });
    let secrets: Vec<String> = found
        .iter()
        .flat_map(|deployed| kept_secrets(&session.places.state, &deployed.plugin))
        .collect();
    let masker = Masker::new(secrets.iter().map(String::as_str));
    let how = RunOptions {
        jobs: undeployments.collect(),
        masker,
        ..RunOptions::default()
    };
    let machine = session.machine()?;
    let names = found
        .iter()
        .map(|deployed| deployed.plugin.to_string())
        .collect();
    let request = &Request::new(Action::Undeploy, Selection::Names(names));
    Run {
        global,
        session: &session,
        machine: &machine,
        installed: &installed,
        plan: &plan,
        ledger: Some(ledger),
        lock: Some(&lock),
        cancel,
        request,
        how,
    }
    .execute()
}
