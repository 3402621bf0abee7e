//! XMPP servers that sources are for: which of their modules they load, and what is left to be done
//! by a person.

use std::collections::BTreeSet;
use std::path::Path;

use hoist_core::{
    Action, Change, DescribedBy, Diagnostic, Installed, InstalledModule, Module, ModuleId, Plan,
    PlannedModule, Request, Selection, SelectionReason, Step,
};
use hoist_prosody::server::prosody_configuration;
use hoist_sources::kinds;
use serde_json::json;

use crate::error::CommandError;
use crate::session::Session;

impl Session {
    /// The configuration of the server that a module is for.
    pub(crate) fn server(&self, module: &Module) -> Option<&Path> {
        let source = self
            .sources
            .iter()
            .find(|source| source.name == module.source)?;
        kinds::server(source).filter(|_| module.id.as_str().starts_with("mod_"))
    }

    /// Whether the server that a module is for is told to load it; unknown where it is for none
    /// that is known.
    pub(crate) fn enabled(&self, module: &Module) -> Option<bool> {
        Some(
            self.servers
                .get(self.server(module)?)?
                .enables(module.id.as_str()),
        )
    }
}

/// Lets the modules that a request names be enabled in the same step that installs them.
///
/// # Errors
/// Modules for which no configuration of a server is known.
pub(crate) fn let_enable(session: &mut Session, request: &Request) -> Result<(), CommandError> {
    let named: &[String] = match &request.selection {
        Selection::Names(names) => names,
        _ => &[],
    };
    let mut errors = Vec::new();
    for name in named.iter().chain(&request.with) {
        let Some(module) = session.catalog.get(name) else {
            continue;
        };
        let Some(server) = session.server(module).map(Path::to_owned) else {
            let help =
                "add a source with `prosody: FILE`, which names the server's configuration file";
            errors.push(
                Diagnostic::error("the module cannot be enabled: its server is unknown")
                    .module(name.as_str())
                    .help(help),
            );
            continue;
        };
        if module.offered.is_empty {
            let wrong = Diagnostic::error(
                "the module cannot be enabled: it has no file that the server could load",
            )
            .module(name.as_str());
            let why = module.offered.caveats.join("; ");
            errors.push(wrong.help(format!(
                "{why}; install it without --enable to read its description"
            )));
            continue;
        }
        let other = [("mod_auth_", "authentication"), ("mod_storage_", "storage")];
        if let Some((short, option)) = other
            .iter()
            .find_map(|(prefix, option)| Some((name.strip_prefix(prefix)?, option)))
        {
            let wrong = Diagnostic::error(format!(
                "the module is enabled by {option} = \"{short}\", not by modules_enabled"
            ))
            .module(name.as_str());
            errors.push(wrong.help(format!(
                "add that line to {}, and install the module without --enable",
                server.display()
            )));
            continue;
        }
        let enable = Step::new("enable", json!({ "configuration": server, "module": name }));
        if let Some(module) = session.catalog.get_mut(name) {
            module
                .recipe
                .steps
                .entry(Action::Install)
                .or_default()
                .push(enable);
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.into())
    }
}

/// What is installed already is enabled all the same. The modules that a server is told to load by
/// this plan.
pub(crate) fn enable_in(plan: &mut Plan, session: &Session, enable: bool) -> BTreeSet<ModuleId> {
    let mut enabled = BTreeSet::new();
    for planned in plan
        .modules
        .iter_mut()
        .filter(|planned| enable && matches!(planned.wanted, SelectionReason::Named))
    {
        let module = session.catalog.get(planned.module.as_str());
        if module.and_then(|module| session.enabled(module)) == Some(false) {
            enabled.insert(planned.module.clone());
            if planned.change == Change::Keep {
                planned.change = Change::Update;
                planned.reason = "enabled by --enable".to_owned();
            }
        }
    }
    enabled
}

/// Lets a test of modules ask their server to load them.
///
/// # Errors
/// Nothing is installed whose server is known.
pub(crate) fn let_load(session: &mut Session, installed: &Installed) -> Result<(), CommandError> {
    let modules: Vec<(ModuleId, Step)> = session
        .catalog
        .modules()
        .filter(|module| installed.modules.contains_key(&module.id))
        .filter_map(|module| {
            let server = session.server(module)?;
            Some((
                module.id.clone(),
                Step::new(
                    "load",
                    json!({ "configuration": server, "module": module.id }),
                ),
            ))
        })
        .collect();
    if modules.is_empty() {
        let help = "add a source with `prosody: FILE`, which names the server's configuration file";
        return Err(CommandError::wrong(
            Diagnostic::error("no installed module has a known server").help(help),
        ));
    }
    for (id, step) in modules {
        if let Some(module) = session.catalog.get_mut(id.as_str()) {
            module
                .recipe
                .steps
                .entry(Action::Test)
                .or_default()
                .push(step);
        }
    }
    Ok(())
}

/// What a person has to do before the server uses what was installed.
pub(crate) fn next_steps(
    session: &Session,
    installed: &Installed,
    plan: &Plan,
    done: &[&PlannedModule],
    enabled: &BTreeSet<ModuleId>,
) -> String {
    let short = |id: &ModuleId| id.as_str().trim_start_matches("mod_").to_owned();
    let (mut to_add, mut to_reload, mut to_take_out, mut taken_out) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut place = None;
    for planned in done {
        let Some(module) = session
            .catalog
            .get(planned.module.as_str())
            .filter(|module| module.policy().described_by == DescribedBy::Index)
        else {
            continue;
        };
        if !module.id.as_str().starts_with("mod_") || module.offered.is_empty {
            continue;
        }
        place = place.or(session.server(module));
        // The run itself may have edited the configuration.
        let now = session
            .server(module)
            .and_then(|server| prosody_configuration(server).ok());
        let now = now.map_or_else(
            || session.enabled(module),
            |configuration| Some(configuration.enables(module.id.as_str())),
        );
        let is_enabled = now == Some(true) || enabled.contains(&module.id);
        let by_option = ["mod_auth_", "mod_storage_"]
            .iter()
            .any(|prefix| module.id.as_str().starts_with(prefix));
        match plan.action {
            _ if by_option => {}
            Action::Install | Action::Update if is_enabled => to_reload.push(short(&module.id)),
            Action::Install if matches!(planned.wanted, SelectionReason::Named) => {
                to_add.push(short(&module.id))
            }
            Action::Uninstall if is_enabled => to_take_out.push(short(&module.id)),
            Action::Uninstall if session.enabled(module) == Some(true) => {
                taken_out.push(short(&module.id))
            }
            _ => {}
        }
    }
    let place = place.map_or_else(
        || "the server's configuration".to_owned(),
        |path| path.display().to_string(),
    );
    let list = |names: &[String]| {
        names
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = String::new();
    if !to_add.is_empty() {
        let option = if session.servers.is_empty() {
            String::new()
        } else {
            format!(" (or run `hoist install {} --enable`)", to_add.join(" "))
        };
        text += &format!(
            "Add {} to modules_enabled in {place}{option}, then restart the server.\n",
            list(&to_add)
        );
    }
    if !to_reload.is_empty() {
        text += &format!(
            "Restart the server to load the new version of {}.\n",
            list(&to_reload)
        );
    }
    if !to_take_out.is_empty() {
        text += &format!(
            "Remove {} from modules_enabled in {place}, then restart the server.\n",
            list(&to_take_out)
        );
    }
    if !taken_out.is_empty() {
        text += &format!("Restart the server to unload {}.\n", list(&taken_out));
    }
    let left = left_over(session, installed, done);
    if !left.is_empty() {
        let names = left.iter().map(ModuleId::as_str).collect::<Vec<_>>();
        text += &format!(
            "No installed module depends on {} any more. Run `hoist remove {}` to remove them.\n",
            names.join(", "),
            names.join(" ")
        );
    }
    text
}

/// What came along with modules that are from another source or in another version now, and that
/// nothing needs any more.
fn left_over(session: &Session, installed: &Installed, done: &[&PlannedModule]) -> Vec<ModuleId> {
    let moved: Vec<&ModuleId> = done
        .iter()
        .filter(|planned| matches!(planned.change, Change::Migrate | Change::Update))
        .map(|planned| &planned.module)
        .collect();
    let needs = |id: &ModuleId, record: &InstalledModule| match moved.contains(&id) {
        true => session
            .catalog
            .get(id.as_str())
            .map(|module| module.requires.clone())
            .unwrap_or_default(),
        false => record.requires.clone(),
    };
    let needed: BTreeSet<ModuleId> = installed
        .modules
        .iter()
        .flat_map(|(id, record)| needs(id, record))
        .collect();
    let before = moved
        .iter()
        .filter_map(|id| installed.modules.get(*id))
        .flat_map(|record| &record.requires);
    let came_along = |id: &&ModuleId| {
        let record = installed.modules.get(*id);
        record.is_some_and(|record| {
            !record.is_explicit && !record.adopted && record.policy().goes_when_unneeded
        }) && !needed.contains(*id)
    };
    before
        .filter(came_along)
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}
