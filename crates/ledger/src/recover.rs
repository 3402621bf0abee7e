//! What a run that was killed left behind.

use std::path::PathBuf;

use hoist_core::{Action, ModuleId, Removal, Request, Selection};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::files::path_of;
use crate::{Ledger, LedgerError, json, merged, now};

/// What a run that was killed left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The names of runs that never ended.
    pub runs: Vec<String>,
    /// The names of those that they were taking back.
    pub undoing: Vec<String>,
    /// The modules that were being changed, by name.
    pub modules: Vec<String>,
    /// What is there of the paths they were making, of modules that no change of was ever finished.
    pub made: Vec<(ModuleId, Vec<PathBuf>)>,
    /// What came into being of modules that stand in a place of their source and were installed before: it goes again.
    pub undo: Vec<PathBuf>,
    /// Modules that were being removed, by name.
    pub removing: Vec<String>,
    /// Paths they were making; stages may stand beside them.
    pub paths: Vec<PathBuf>,
    /// What was moved out of the way for changes that were not finished, and has to come back.
    pub restore: Vec<Aside>,
    /// What was moved out of the way for changes that were finished, and can go.
    pub discard: Vec<Aside>,
    /// Directories of temporary files.
    pub scratch: Vec<PathBuf>,
}

/// Something that was moved out of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Whose it is.
    pub module: ModuleId,
    /// Where it belongs.
    pub path: PathBuf,
    /// Where it is meanwhile.
    pub kept: PathBuf,
}

impl Ledger {
    /// Writes down that runs which never ended were interrupted, and returns what they were doing. Only the holder of the lock may ask.
    pub fn recover(&self) -> Result<Recovered, LedgerError> {
        let read = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let mut recovered = Recovered::default();
            {
                let mut runs = transaction.prepare("SELECT name, scratch, request FROM runs WHERE status = 'running' ORDER BY id")?;
                let mut rows = runs.query([])?;
                while let Some(row) = rows.next()? {
                    recovered.runs.push(row.get(0)?);
                    recovered.scratch.extend(row.get::<_, Option<String>>(1)?.map(PathBuf::from));
                    let request = row.get::<_, Option<String>>(2)?.and_then(|request| serde_json::from_str::<Request>(&request).ok());
                    if let Some(Request { action: Action::Undo, selection: Selection::Names(names), .. }) = request {
                        recovered.undoing.extend(names);
                    }
                }
                // An undo writes down first what it puts back.
                let put_back = "SELECT path FROM journal JOIN runs ON run = id WHERE status = 'running' AND action = 'undo'";
                let mut put_back = transaction.prepare(put_back)?;
                let paths = put_back.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<Vec<u8>>>>()?;
                recovered.paths.extend(paths.into_iter().map(path_of));
                let mut aside = transaction.prepare("SELECT aside, state FROM modules WHERE aside != '[]'")?;
                let mut rows = aside.query([])?;
                while let Some(row) = rows.next()? {
                    let moved: Vec<Aside> = serde_json::from_str(&row.get::<_, String>(0)?).unwrap_or_default();
                    match row.get::<_, String>(1)?.as_str() {
                        "installed" => recovered.discard.extend(moved),
                        _ => recovered.restore.extend(moved),
                    }
                }
                let mut removing = transaction.prepare("SELECT name, planned FROM modules WHERE state = 'removing' ORDER BY name")?;
                let mut rows = removing.query([])?;
                while let Some(row) = rows.next()? {
                    recovered.removing.push(row.get(0)?);
                    let stages: Vec<PathBuf> = serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
                    recovered.paths.extend(stages);
                }
                let mut begun = transaction.prepare(
                    "SELECT name, planned, absent, paths, installed_at, removal FROM modules WHERE state = 'begun' ORDER BY name",
                )?;
                let mut keep = transaction.prepare("UPDATE modules SET paths = ?2 WHERE name = ?1")?;
                let mut rows = begun.query([])?;
                while let Some(row) = rows.next()? {
                    let name: String = row.get(0)?;
                    let absent: Vec<PathBuf> = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
                    let made: Vec<PathBuf> = absent.into_iter().filter(|path| path.symlink_metadata().is_ok()).collect();
                    let removal: Removal = serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default();
                    let known: Vec<PathBuf> = serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default();
                    let stands = !known.is_empty() && known.iter().all(|path| path.symlink_metadata().is_ok());
                    // It was about to take the place of what is there still.
                    let moves = removal.is_indexed() && stands && !made.iter().any(|path| known.contains(path));
                    if moves && row.get::<_, Option<String>>(4)?.is_some() {
                        let outermost = made.iter().filter(|path| !made.iter().any(|other| other != *path && path.starts_with(other)));
                        recovered.undo.extend(outermost.cloned());
                        recovered.modules.push(name);
                        let paths: Vec<PathBuf> = serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
                        recovered.paths.extend(paths);
                        continue;
                    }
                    keep.execute(params![name, json(&merged(&row.get::<_, String>(3)?, &made))])?;
                    if let (Ok(id), None, false) = (ModuleId::new(&name), row.get::<_, Option<String>>(4)?, made.is_empty()) {
                        recovered.made.push((id, made));
                    }
                    recovered.modules.push(name);
                    let paths: Vec<PathBuf> = serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
                    recovered.paths.extend(paths);
                }
            }
            if !recovered.runs.is_empty() || !recovered.modules.is_empty() {
                transaction.execute("UPDATE runs SET status = 'interrupted', ended_at = ?1 WHERE status = 'running'", params![now()])?;
                transaction.execute("UPDATE modules SET state = 'failed' WHERE state = 'begun'", [])?;
            }
            transaction.execute("UPDATE modules SET state = 'failed' WHERE state = 'removing'", [])?;
            transaction.commit()?;
            Ok(recovered)
        };
        read(&mut self.connection()).map_err(|error| self.sqlite(error))
    }
}
