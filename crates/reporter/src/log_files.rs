//! The whole output of each unit in a file of its own, made when there is something to write.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hoist_executor::{Event, EventKind};

use crate::explain;
use crate::explain::level_text;
use crate::reporter::Reporter;

/// Writes `DIRECTORY/UNIT.log`.
pub struct LogFiles {
    directory: PathBuf,
    names: Vec<String>,
    open: BTreeMap<usize, BufWriter<File>>,
}

impl LogFiles {
    /// Files in `directory`, which is made with the first of them.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            names: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// Where the output of the unit of this name goes.
    pub fn path(directory: &Path, name: &str) -> PathBuf {
        let plain: String = name
            .chars()
            .map(|c| if c == '/' || c.is_control() { '_' } else { c })
            .collect();
        directory.join(format!("{plain}.log"))
    }

    fn write(&mut self, unit: usize, line: &str) -> io::Result<()> {
        if !self.open.contains_key(&unit) {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.directory)?;
            let path = Self::path(&self.directory, &self.names[unit]);
            self.open.insert(
                unit,
                BufWriter::new(
                    File::options()
                        .create(true)
                        .append(true)
                        .mode(0o600)
                        .open(path)?,
                ),
            );
        }
        match self.open.get_mut(&unit) {
            Some(file) => writeln!(file, "{line}"),
            None => Ok(()),
        }
    }
}

impl Reporter for LogFiles {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted { units, .. } => {
                self.names.clone_from(units);
                Ok(())
            }
            EventKind::Output { unit, line, .. } => self.write(unit.index(), line),
            EventKind::Note {
                unit,
                level,
                text,
                source,
            } => {
                let source = source
                    .as_ref()
                    .map(|source| format!("{source}: "))
                    .unwrap_or_default();
                self.write(
                    unit.index(),
                    &format!("[{}] {source}{text}", level_text(*level)),
                )
            }
            EventKind::Item {
                unit,
                item_change,
                subject,
                reason,
            } => {
                let reason = reason
                    .as_ref()
                    .map(|reason| format!(": {reason}"))
                    .unwrap_or_default();
                self.write(
                    unit.index(),
                    &format!("[{}] {subject}{reason}", item_change.as_str()),
                )
            }
            EventKind::Retrying { unit, reason, .. } => {
                self.write(unit.index(), &format!("[retry] {reason}"))
            }
            EventKind::UnitFinished { unit, outcome } => {
                if let Some(why) = explain(outcome, &self.names) {
                    self.write(unit.index(), &format!("[failed] {why}"))?;
                }
                self.open
                    .remove(&unit.index())
                    .map_or(Ok(()), |mut file| file.flush())
            }
            _ => Ok(()),
        }
    }
}
