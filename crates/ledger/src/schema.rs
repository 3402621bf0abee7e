//! The tables, as a list of migrations that is only ever appended to.

use std::path::Path;

use rusqlite::Connection;

use crate::error::LedgerError;
use crate::former;

const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        action TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        status TEXT NOT NULL
    ) STRICT;
    CREATE TABLE modules (
        name TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('begun', 'installed', 'failed')),
        method TEXT NOT NULL,
        digest TEXT NOT NULL,
        source TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES runs (id),
        begun_at TEXT NOT NULL,
        installed_at TEXT,
        version TEXT,
        paths TEXT NOT NULL DEFAULT '[]',
        planned TEXT NOT NULL DEFAULT '[]',
        absent TEXT NOT NULL DEFAULT '[]',
        adopted INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE results (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        status TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        reason TEXT,
        PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE durations (
        module TEXT PRIMARY KEY,
        seconds REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    // The life after the install: what a module wrote, what it needs, how it goes.
    "
    CREATE TABLE modules_2 (
        name TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('begun', 'installed', 'failed', 'removing')),
        method TEXT NOT NULL,
        digest TEXT NOT NULL,
        source TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES runs (id),
        begun_at TEXT NOT NULL,
        installed_at TEXT,
        version TEXT,
        paths TEXT NOT NULL DEFAULT '[]',
        planned TEXT NOT NULL DEFAULT '[]',
        absent TEXT NOT NULL DEFAULT '[]',
        adopted INTEGER NOT NULL DEFAULT 0,
        requires TEXT NOT NULL DEFAULT '[]',
        removal TEXT NOT NULL DEFAULT '{}',
        found TEXT NOT NULL DEFAULT '[]',
        aside TEXT NOT NULL DEFAULT '[]'
    ) STRICT;
    INSERT INTO modules_2 (name, state, method, digest, source, run, begun_at, installed_at, version, paths, planned, absent, adopted)
        SELECT name, state, method, digest, source, run, begun_at, installed_at, version, paths, planned, absent, adopted FROM modules;
    DROP TABLE modules;
    ALTER TABLE modules_2 RENAME TO modules;
    CREATE TABLE files (
        path BLOB NOT NULL,
        module TEXT NOT NULL,
        kind TEXT NOT NULL,
        mode INTEGER NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (path, module)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX files_of_module ON files (module);
    CREATE TABLE configs (
        path BLOB NOT NULL,
        module TEXT NOT NULL,
        digest TEXT NOT NULL,
        contents BLOB,
        mode INTEGER NOT NULL,
        created INTEGER NOT NULL,
        original BLOB,
        pending TEXT,
        PRIMARY KEY (path, module)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE runs ADD COLUMN request TEXT;
    ALTER TABLE runs ADD COLUMN scratch TEXT;
",
    // Whether somebody asked for a module, or it only came with another.
    "ALTER TABLE modules ADD COLUMN asked INTEGER NOT NULL DEFAULT 1;",
    // What runs did to files, so that it can be taken back; and the files of others that modules
    // have edited.
    "
    CREATE TABLE journal (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        path BLOB NOT NULL,
        before TEXT,
        after TEXT,
        PRIMARY KEY (run, module, path)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE mementos (
        run INTEGER NOT NULL REFERENCES runs (id),
        module TEXT NOT NULL,
        place INTEGER NOT NULL,
        was BLOB NOT NULL,
        PRIMARY KEY (run, module)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE edits (
        path BLOB NOT NULL,
        module TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        replaced INTEGER NOT NULL,
        PRIMARY KEY (path, module)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE runs ADD COLUMN undone TEXT;
",
    // What of plugins is deployed, and where.
    "
    CREATE TABLE deployments (
        plugin TEXT NOT NULL,
        environment TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (plugin, environment)
    ) STRICT, WITHOUT ROWID;
",
    // Changes that are not complete, with what it takes to roll them back.
    "
    CREATE TABLE changes (
        module TEXT PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs (id),
        phase TEXT NOT NULL CHECK (phase IN ('begun', 'done')),
        prior BLOB NOT NULL,
        displaced TEXT NOT NULL,
        files BLOB NOT NULL
    ) STRICT;
    INSERT INTO changes (module, run, phase, prior, displaced, files)
        SELECT name, run, CASE state WHEN 'installed' THEN 'done' ELSE 'begun' END, x'', aside, x'' FROM modules WHERE aside != '[]';
    ALTER TABLE modules DROP COLUMN aside;
",
    // What each module claims, found by path or package, so that what is asked of one module does
    // not take reading all others.
    "
    CREATE TABLE claims (
        path BLOB NOT NULL,
        module TEXT NOT NULL,
        PRIMARY KEY (path, module)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX claims_of_module ON claims (module);
    CREATE TABLE packages (
        name TEXT NOT NULL,
        module TEXT NOT NULL,
        PRIMARY KEY (name, module)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX packages_of_module ON packages (module);
    CREATE TRIGGER claims_after_insert AFTER INSERT ON modules BEGIN
        UPDATE modules SET paths = paths WHERE name = new.name;
    END;
    CREATE TRIGGER claims_after_update AFTER UPDATE OF paths, removal, adopted ON modules BEGIN
        DELETE FROM claims WHERE module = new.name;
        INSERT OR IGNORE INTO claims SELECT CAST(value AS BLOB), new.name FROM json_each(new.paths);
        INSERT OR IGNORE INTO claims SELECT CAST(value AS BLOB), new.name FROM json_each(new.removal, '$.paths') WHERE new.adopted;
        DELETE FROM packages WHERE module = new.name;
        INSERT OR IGNORE INTO packages SELECT value, new.name FROM json_each(new.removal, '$.python');
    END;
    CREATE TRIGGER claims_after_delete AFTER DELETE ON modules BEGIN
        DELETE FROM claims WHERE module = old.name;
        DELETE FROM packages WHERE module = old.name;
    END;
    UPDATE modules SET paths = paths;
    CREATE INDEX configs_of_module ON configs (module);
    CREATE INDEX edits_of_module ON edits (module);
    CREATE INDEX mementos_in_order ON mementos (run, place);
    CREATE INDEX results_of_module ON results (module, run);
",
    // Packages of all managers alike, each with where it is, and documents of all systems. What
    // modules say of their removal is rewritten by `former::migrate`.
    "
    CREATE TABLE documents (
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (kind, owner, key)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO documents SELECT 'deployment', plugin, environment, record FROM deployments;
    DROP TABLE deployments;
    DROP TRIGGER claims_after_insert;
    DROP TRIGGER claims_after_update;
    DROP TRIGGER claims_after_delete;
    DROP TABLE packages;
    CREATE TABLE resources (
        manager TEXT NOT NULL,
        directory TEXT NOT NULL,
        runtime TEXT NOT NULL,
        name TEXT NOT NULL,
        module TEXT NOT NULL,
        PRIMARY KEY (manager, directory, runtime, name, module)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX resources_of_module ON resources (module);
    CREATE TRIGGER claims_after_insert AFTER INSERT ON modules BEGIN
        UPDATE modules SET paths = paths WHERE name = new.name;
    END;
    CREATE TRIGGER claims_after_update AFTER UPDATE OF paths, removal, adopted ON modules BEGIN
        DELETE FROM claims WHERE module = new.name;
        INSERT OR IGNORE INTO claims SELECT CAST(value AS BLOB), new.name FROM json_each(new.paths);
        INSERT OR IGNORE INTO claims SELECT CAST(value AS BLOB), new.name FROM json_each(new.removal, '$.paths') WHERE new.adopted;
        DELETE FROM resources WHERE module = new.name;
        INSERT OR IGNORE INTO resources
            SELECT value ->> 'manager', value ->> 'directory', coalesce(value ->> 'runtime', ''), value ->> 'name', new.name
            FROM json_each(new.removal, '$.resources');
    END;
    CREATE TRIGGER claims_after_delete AFTER DELETE ON modules BEGIN
        DELETE FROM claims WHERE module = old.name;
        DELETE FROM resources WHERE module = old.name;
    END;
",
];

/// The version of the schema since which what modules say of their removal has resources.
const RESOURCES: usize = 8;

/// Brings a database to the newest version; refuses one that is newer still.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    let sqlite = |error| LedgerError::Sqlite {
        path: path.to_owned(),
        error,
    };
    let version = version(connection).map_err(sqlite)?;
    check(version, path)?;
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        let apply = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(migration)?;
            if number + 1 == RESOURCES {
                former::migrate(&transaction)?;
            }
            transaction.pragma_update(None, "user_version", number as u32 + 1)?;
            transaction.commit()
        };
        apply(connection).map_err(sqlite)?;
    }
    Ok(())
}

/// Refuses a version that this code does not know.
pub(crate) fn check(version: u32, path: &Path) -> Result<(), LedgerError> {
    let known = CURRENT;
    match version > known {
        true => Err(LedgerError::Newer {
            path: path.to_owned(),
            found: version,
            known,
        }),
        false => Ok(()),
    }
}

/// The version that this program writes.
pub(crate) const CURRENT: u32 = MIGRATIONS.len() as u32;

pub(crate) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
