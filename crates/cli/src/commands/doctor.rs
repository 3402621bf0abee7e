//! `hoist doctor`: what is missing on this machine, and for which module. Starts nothing, writes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use hoist_core::{Action, Installed, Module, Presence};
use hoist_engine::presence::probe;
use hoist_files::pending;
use hoist_ledger::{history, read_configs};
use hoist_machine::machine::Machine;
use hoist_machine::programs::ProgramDirectories;
use serde_json::json;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::json;
use crate::render::{self, DIM, GREEN, Paint, RED, YELLOW, painted};
use crate::session::Session;
use crate::systems::REGISTRY;
use crate::ui::Output;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Note,
    Problem,
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, serde::Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
    /// What to do about it.
    help: Option<String>,
    modules: BTreeSet<String>,
}

/// Looks at the machine for all modules. The exit code is 3 when something is missing.
pub(crate) fn run(global: &Global) -> Result<ExitStatus, CommandError> {
    let mut session = Session::open(global)?;
    let installed = session.installed()?;
    session.catalog.prefer_installed(&installed);
    let machine = session.machine()?;
    let mut findings = Vec::new();
    programs(&session, &machine, &mut findings);
    places(&session, &mut findings);
    state(&session, &machine, &installed, &mut findings)?;
    let broken: Vec<&str> = session.catalog.all_broken().map(|(name, _)| name).collect();
    if !broken.is_empty() {
        let help = Some("run `hoist validate` to list the errors".to_owned());
        let modules = broken.iter().map(|name| (*name).to_owned()).collect();
        findings.push(Finding {
            verdict: Verdict::Problem,
            what: "manifests with errors".to_owned(),
            help,
            modules,
        });
    }
    let code = if findings
        .iter()
        .any(|finding| finding.verdict >= Verdict::Problem)
    {
        ExitStatus::Partial
    } else {
        ExitStatus::Ok
    };
    if global.output == Output::Json {
        json::print(&json!({ "findings": findings }))?;
        return Ok(code);
    }
    let paint = Paint::choose(global.color);
    let mut text = String::new();
    for finding in &findings {
        let (word, colour) = match finding.verdict {
            Verdict::Ok => ("ok", GREEN),
            Verdict::Note => ("note", YELLOW),
            Verdict::Problem => ("problem", RED),
            Verdict::Missing => ("missing", RED),
        };
        text += &format!(
            "{} {}\n",
            painted(paint.stdout, colour, &format!("{word:<8}")),
            render::printable(&finding.what)
        );
        if !finding.modules.is_empty() && finding.verdict != Verdict::Ok {
            text += &format!(
                "         {} {}\n",
                painted(paint.stdout, DIM, "for"),
                render::printable(&shortened(&finding.modules))
            );
        }
        if let Some(help) = &finding.help {
            text += &format!(
                "         {} {}\n",
                painted(paint.stdout, DIM, "help"),
                render::printable(help)
            );
        }
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(code)
}

fn shortened(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(8).map(String::as_str).collect();
    match names.len() {
        count if count > 8 => format!("{} and {} more", shown.join(", "), count - 8),
        _ => shown.join(", "),
    }
}

/// Finds a program on a machine.
type FindProgram = fn(&Machine) -> Option<String>;

/// Every program that modules need, by their methods and by what their scripts check for.
fn programs(session: &Session, machine: &Machine, findings: &mut Vec<Finding>) {
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut known: BTreeMap<&str, FindProgram> = BTreeMap::new();
    let mut need = |program: &str, module: &Module| {
        needed
            .entry(program.to_owned())
            .or_default()
            .insert(module.id.to_string());
    };
    // Of what sources offer, the sources are spoken of.
    for module in session
        .catalog
        .modules()
        .filter(|module| !module.policy().keeps_source)
    {
        for step in module.recipe.steps.values().flatten() {
            let programs = REGISTRY
                .entry(step)
                .map_or(&[][..], |method| method.programs);
            for program in programs {
                known.insert(program.name, program.find);
                need(program.name, module);
            }
        }
        let script = hoist_files::read_text(
            &module
                .root
                .join("modules")
                .join(format!("{}.sh", module.id)),
        )
        .unwrap_or_default();
        hoist_core::format::shell::prerequisites(&script)
            .iter()
            .for_each(|program| need(program, module));
    }
    for source in &session.sources {
        let kind = REGISTRY.kind_of(source);
        for program in kind.map_or(Vec::new(), |kind| kind.programs(source)) {
            known.insert(program.name, program.find);
            needed
                .entry(program.name.to_owned())
                .or_default()
                .insert(format!("source {}", source.name));
        }
    }
    for (program, modules) in needed {
        let found = match known.get(program.as_str()) {
            Some(find) => find(machine),
            None => machine.program_shown(&program),
        };
        findings.push(match found {
            Some(found) => Finding {
                verdict: Verdict::Ok,
                what: format!("{program}: {found}"),
                help: None,
                modules,
            },
            None => {
                let help = Some(format!(
                    "install {program}, or leave out these modules with --skip"
                ));
                Finding {
                    verdict: Verdict::Missing,
                    what: format!("{program} is not on PATH"),
                    help,
                    modules,
                }
            }
        });
    }
    let elevates = |module: &&Module| {
        let mut steps = module.recipe.steps(Action::Install).iter();
        steps.any(|step| {
            REGISTRY
                .entry(step)
                .is_some_and(|method| method.may_need_root)
        })
    };
    let packages = session.catalog.modules().filter(elevates);
    let packages: BTreeSet<String> = packages.map(|module| module.id.to_string()).collect();
    if !packages.is_empty() && !machine.is_root() && machine.find_program("sudo", &[]).is_none() {
        let help = Some("run hoist as root, or install sudo".to_owned());
        findings.push(Finding {
            verdict: Verdict::Missing,
            what: "installing packages requires root, and sudo is not available".to_owned(),
            help,
            modules: packages,
        });
    }
}

fn places(session: &Session, findings: &mut Vec<Finding>) {
    let places = &session.places;
    for (what, path) in [
        ("home directory", &session.home),
        ("state directory", &places.state),
        ("cache", &places.cache),
    ] {
        let existing = path
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(Path::new("/"));
        let writable = rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_ok();
        let finding = match writable {
            true => Finding {
                verdict: Verdict::Ok,
                what: format!("{what}: {}", path.display()),
                help: None,
                modules: BTreeSet::new(),
            },
            false => Finding {
                verdict: Verdict::Problem,
                what: format!("the {what} {} is not writable", path.display()),
                help: Some(format!("change the permissions of {}", existing.display())),
                modules: BTreeSet::new(),
            },
        };
        findings.push(finding);
    }
}

fn state(
    session: &Session,
    machine: &Machine,
    installed: &Installed,
    findings: &mut Vec<Finding>,
) -> Result<(), CommandError> {
    let mut note = |verdict, what: &str, help: &str, modules: BTreeSet<String>| {
        if !modules.is_empty() {
            findings.push(Finding {
                verdict,
                what: what.to_owned(),
                help: Some(help.to_owned()),
                modules,
            });
        }
    };
    let (interrupted, failed): (Vec<&hoist_core::ModuleId>, Vec<&hoist_core::ModuleId>) = installed
        .unfinished
        .keys()
        .filter(|id| !installed.in_progress.contains(*id))
        .partition(|id| installed.interrupted.contains(*id));
    let names =
        |ids: Vec<&hoist_core::ModuleId>| ids.into_iter().map(ToString::to_string).collect();
    note(
        Verdict::Problem,
        "modules whose last change failed",
        "run `hoist retry`",
        names(failed),
    );
    let help = "the next command that makes changes rolls them back; then run the interrupted command again";
    note(
        Verdict::Problem,
        "modules whose last change was interrupted",
        help,
        names(interrupted),
    );
    let programs = ProgramDirectories::of_installed(installed);
    // The same of another source is another module.
    let is_there = |module: &Module| {
        let record = installed.modules.get(&module.id);
        record.is_some_and(|record| !module.policy().keeps_source || record.source == module.source)
    };
    let gone = |module: &&Module| {
        is_there(module)
            && matches!(
                probe(REGISTRY, machine, module, installed, &programs),
                Presence::Missing(_)
            )
    };
    let gone = session
        .catalog
        .modules()
        .filter(gone)
        .map(|module| module.id.to_string())
        .collect();
    note(
        Verdict::Problem,
        "installed modules with missing files",
        "run `hoist install` to repair them",
        gone,
    );
    let configs = read_configs(&session.places.state)?;
    let waiting = configs
        .iter()
        .filter(|record| record.pending.is_some() && pending(&record.path).exists());
    let waiting = waiting
        .map(|record| format!("{} ({})", record.path.display(), record.module))
        .collect();
    note(
        Verdict::Note,
        "configuration files with a new version next to them, as FILE.new",
        "run `hoist config diff` to compare them",
        waiting,
    );
    let running: BTreeSet<String> = history(&session.places.state, 1)?
        .into_iter()
        .filter(|run| run.status == "running")
        .map(|run| run.run_id)
        .collect();
    note(
        Verdict::Note,
        "a run is in progress",
        "commands that make changes wait for it",
        running,
    );
    Ok(())
}
