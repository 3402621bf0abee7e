//! What systems keep in the ledger beside what it says of modules: documents of their own.

use std::path::Path;

use hoist_core::ModuleId;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::LedgerError;
use crate::former;
use crate::read::open;
use crate::store::Ledger;
use crate::values::{FILE, json};

/// Every document of a kind, by owner and key, from the ledger in this state directory; nothing when
/// there is none.
///
/// # Errors
/// The ledger is damaged, or of a later version.
pub fn read_documents<T: DeserializeOwned>(
    directory: &Path,
    kind: &str,
) -> Result<Vec<T>, LedgerError> {
    let Some(connection) = open(directory)? else {
        return Ok(Vec::new());
    };
    all(&connection, kind).map_err(|error| LedgerError::Sqlite {
        path: directory.join(FILE),
        error,
    })
}

fn all<T: DeserializeOwned>(connection: &Connection, kind: &str) -> rusqlite::Result<Vec<T>> {
    let texts = if connection.table_exists(None, "documents")? {
        let select = "SELECT document FROM documents WHERE kind = ?1 ORDER BY owner, key";
        let mut select = connection.prepare_cached(select)?;
        let rows = select.query_map([kind], |row| row.get::<_, String>(0))?;
        rows.collect::<rusqlite::Result<Vec<String>>>()?
    } else {
        former::documents(connection, kind)?
    };
    let documents = texts.iter();
    Ok(documents
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect())
}

impl Ledger {
    /// Every document of a kind, by owner and key.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn documents<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>, LedgerError> {
        all(&self.connection(), kind).map_err(|error| self.sqlite(error))
    }

    /// Writes down a document of a module, in place of the one with its key.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn put_document<T: Serialize>(
        &self,
        kind: &str,
        owner: &ModuleId,
        key: &str,
        document: &T,
    ) -> Result<(), LedgerError> {
        let insert = "INSERT INTO documents (kind, owner, key, document) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (kind, owner, key) DO UPDATE SET document = ?4";
        let values = params![kind, owner.as_str(), key, json(document)];
        let written = self.connection().execute(insert, values);
        written.map(drop).map_err(|error| self.sqlite(error))
    }

    /// Forgets a document.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn drop_document(
        &self,
        kind: &str,
        owner: &ModuleId,
        key: &str,
    ) -> Result<(), LedgerError> {
        let delete = "DELETE FROM documents WHERE kind = ?1 AND owner = ?2 AND key = ?3";
        let values = params![kind, owner.as_str(), key];
        let dropped = self.connection().execute(delete, values);
        dropped.map(drop).map_err(|error| self.sqlite(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_remembered_until_they_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let read = || read_documents::<String>(directory.path(), "note").unwrap();
        assert_eq!(read(), [""; 0]);
        let (ledger, _) = Ledger::open(directory.path()).unwrap();
        let shop = ModuleId::new("shop").unwrap();
        ledger.put_document("note", &shop, "b", &"first").unwrap();
        ledger.put_document("note", &shop, "b", &"second").unwrap();
        ledger.put_document("note", &shop, "a", &"other").unwrap();
        ledger.put_document("else", &shop, "a", &"foreign").unwrap();
        assert_eq!(read(), ["other", "second"]);
        ledger.drop_document("note", &shop, "c").unwrap();
        ledger.drop_document("note", &shop, "b").unwrap();
        assert_eq!(read(), ["other"]);
    }
}
