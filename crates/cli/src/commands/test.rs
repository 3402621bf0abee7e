//! `hoist test`.

use hoist_core::{Action, ModuleId, Presence, Request, Selection};

use crate::args::{Global, Test};
use crate::error::{CommandError, ExitStatus};
use crate::run::{self, Run, RunOptions};
use crate::session::Session;
use crate::{names, server};

/// Verifies modules: those named, else all that are installed.
pub(crate) fn run(global: &Global, test: &Test) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let installed = session.installed()?;
    let selection = if test.modules.is_empty() {
        Selection::Tiers
    } else {
        Selection::Names(test.modules.clone())
    };
    let mut request = Request {
        skip: test.skip.clone(),
        source: global.source.clone(),
        ..Request::new(Action::Test, selection)
    };
    names::resolve_names(&mut session, &installed, &mut request)?;
    session.catalog.remember_gone(&installed);
    if test.load {
        server::let_load(&mut session, &installed)?;
    }
    let resolution = hoist_resolver::resolve(&session.catalog, &installed, &request)?;
    let plan = hoist_resolver::plan(&resolution, &installed, |_| Presence::Unknown, &request);
    let blind = |id: &ModuleId| {
        session
            .catalog
            .get(id.as_str())
            .is_some_and(|module| module.recipe.steps(Action::Test).is_empty())
    };
    let absent = plan.modules.iter().filter(|planned| {
        !installed.modules.contains_key(&planned.module) && blind(&planned.module)
    });
    let absent: Vec<_> = absent
        .map(|planned| run::not_installed(planned.module.as_str()))
        .collect();
    if !absent.is_empty() {
        return Err(absent.into());
    }
    let machine = session.machine()?;
    let cancel = run::handle_signals()?;
    Run {
        global,
        session: &session,
        machine: &machine,
        installed: &installed,
        plan: &plan,
        ledger: None,
        lock: None,
        cancel,
        request: &request,
        how: RunOptions::default(),
    }
    .execute()
}
