//! Gives a source, and the modules that are named after it, another name.

use rusqlite::{Connection, params};

use crate::error::LedgerError;
use crate::journal::PriorState;
use crate::store::Ledger;

/// The columns that hold the names of modules.
const NAMES: &[(&str, &str)] = &[
    ("modules", "name"),
    ("files", "module"),
    ("configs", "module"),
    ("edits", "module"),
    ("claims", "module"),
    ("resources", "module"),
    ("changes", "module"),
    ("journal", "module"),
    ("mementos", "module"),
    ("results", "module"),
    ("durations", "module"),
];

impl Ledger {
    /// Renames a source, with the modules installed from it whose names begin with its name and a
    /// dot. Everything that is known of them stays known.
    ///
    /// # Errors
    /// The ledger cannot be written; then nothing is renamed.
    pub fn rename_source(&self, from: &str, to: &str) -> Result<(), LedgerError> {
        let write = |connection: &Connection| -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            let (old, new) = (format!("{from}."), format!("{to}."));
            for (table, column) in NAMES {
                let update = format!(
                    "UPDATE OR REPLACE {table} SET {column} = ?2 || substr({column}, length(?1) + 1) WHERE substr({column}, 1, length(?1)) = ?1"
                );
                transaction.execute(&update, params![old, new])?;
            }
            transaction.execute(
                "UPDATE modules SET source = ?2 WHERE source = ?1",
                params![from, to],
            )?;
            // Names stand between quotes in JSON.
            let (quoted_old, quoted_new) = (format!("\"{old}"), format!("\"{new}"));
            transaction.execute(
                "UPDATE modules SET requires = replace(requires, ?1, ?2)",
                params![quoted_old, quoted_new],
            )?;
            let in_requests = [
                (quoted_old, quoted_new),
                (format!("\"{from}/"), format!("\"{to}/")),
                (
                    format!("\"source\":\"{from}\""),
                    format!("\"source\":\"{to}\""),
                ),
            ];
            for (old, new) in in_requests {
                transaction.execute(
                    "UPDATE runs SET request = replace(request, ?1, ?2)",
                    params![old, new],
                )?;
            }
            let mementos = |connection: &Connection| {
                let mut select = connection.prepare("SELECT run, module, was FROM mementos WHERE substr(module, 1, length(?1)) = ?1")?;
                let rows =
                    select.query_map([&new], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                rows.collect::<rusqlite::Result<Vec<(i64, String, Vec<u8>)>>>()
            };
            for (run, module, was) in mementos(&transaction)? {
                let renamed = PriorState::from_bytes(&was)?.renamed(from, to).to_bytes()?;
                transaction.execute(
                    "UPDATE mementos SET was = ?3 WHERE run = ?1 AND module = ?2",
                    params![run, module, renamed],
                )?;
            }
            transaction.commit()
        };
        write(&self.connection()).map_err(|error| self.sqlite(error))
    }
}
