//! Lets a running XMPP server load a module, to see whether it does.

use std::path::PathBuf;

use hoist_executor::{Failure, Level};
use serde::Deserialize;

use crate::server::prosodyctl;
use hoist_machine::machine::Machine;
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, Method, MethodEntry, path_pool};

/// A module to be loaded, and unloaded where it was not loaded before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    configuration: PathBuf,
    module: String,
}

/// Its entry in the table of methods.
pub(crate) const METHOD: MethodEntry = MethodEntry::new::<Load>("load");

impl Method for Load {
    fn pools(&self, _: &Machine) -> Vec<(String, usize)> {
        vec![path_pool(&self.configuration)]
    }

    fn changes_only_files(&self) -> bool {
        false
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let name = self.module.strip_prefix("mod_").unwrap_or(&self.module);
        let ask = |command: String| {
            let answer = prosodyctl(&self.configuration, &["shell", &command], context)?;
            answer.ok_or_else(|| Failure::new("prosodyctl is not on PATH: install Prosody"))
        };
        let (loaded, said) = ask(format!("module:load('{name}')"))?;
        let hosts: Vec<&str> = said
            .iter()
            .filter_map(|line| line.strip_prefix("Loaded for "))
            .map(str::trim)
            .collect();
        for host in hosts.iter().filter(|host| !host.contains('\'')) {
            // It only was to be seen whether it loads.
            ask(format!("module:unload('{name}','{host}')"))?;
        }
        if !loaded {
            let why = without_advice(&said)
                .into_iter()
                .find(|line| !line.is_empty())
                .unwrap_or("no reason");
            return Err(Failure::new(format!("the server cannot load it: {why}")));
        }
        let how = if hosts.is_empty() {
            "the server has loaded it"
        } else {
            "the server can load it"
        };
        context.task.note(Level::Info, how);
        Ok(Applied::unchanged())
    }
}

/// The lines of prosodyctl without its advice about packages, which stands between lines of
/// asterisks.
fn without_advice(lines: &[String]) -> Vec<&str> {
    let mut is_advice = false;
    let mut said = Vec::new();
    for line in lines.iter().map(|line| line.trim()) {
        let is_frame = line.len() > 9 && line.bytes().all(|byte| byte == b'*');
        is_advice ^= is_frame;
        if !is_advice && !is_frame {
            said.push(line.trim_start_matches('*').trim_start());
        }
    }
    said
}
