//! Ledgers that earlier versions of hoist wrote, one of each version of the schema, with the files that they are about: they open, and what they record can
//! be listed, compared and removed.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use hoist_tests::{Sandbox, has};
use rusqlite::Connection;
use serde_json::Value;

/// Length of the home directory's path that the ledgers were written with: some records have the lengths of paths in them.
const HOME_LENGTH: usize = 100;

/// The version of the schema that hoist writes today.
const CURRENT: u32 = 8;

fn fixture(name: &str) -> String {
    std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("ledgers")
            .join(name),
    )
    .unwrap()
}

fn placed(text: &str, home: &str) -> String {
    let hexadecimal: String = home.bytes().map(|byte| format!("{byte:02X}")).collect();
    text.replace("@HOME@", home).replace("@HEX@", &hexadecimal)
}

/// A sandbox with a ledger of this version of the schema, and the files that were there with it.
fn sandbox_of(version: u32) -> Sandbox {
    let root = Sandbox::new().path("x").to_string_lossy().len() - 1;
    let sandbox = Sandbox::named(&"h".repeat(HOME_LENGTH - root));
    let home = sandbox.home().display().to_string();
    assert_eq!(home.len(), HOME_LENGTH);
    let tree: Value = serde_json::from_str(&fixture(&format!("v{version}.json"))).unwrap();
    for (name, entry) in tree.as_object().unwrap() {
        let path = sandbox.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match (&entry["link"], &entry["text"]) {
            (Value::String(target), _) => {
                symlink(placed(target, &home), &path).unwrap();
                continue;
            }
            (_, Value::String(text)) => std::fs::write(&path, placed(text, &home)).unwrap(),
            _ => std::fs::create_dir_all(&path).unwrap(),
        }
        let mode = u32::try_from(entry["mode"].as_u64().unwrap()).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    std::fs::create_dir_all(sandbox.home().join(".local/state/hoist")).unwrap();
    let connection =
        Connection::open(sandbox.home().join(".local/state/hoist/ledger.sqlite")).unwrap();
    connection
        .execute_batch(&placed(&fixture(&format!("v{version}.sql")), &home))
        .unwrap();
    // No process has this number.
    connection
        .execute("UPDATE runs SET pid = 4194303", [])
        .unwrap();
    sandbox
}

/// The names of what is installed.
fn installed(sandbox: &Sandbox) -> Vec<String> {
    let collection = sandbox.home().join("collection");
    let document = sandbox
        .json(&format!("list --installed -C {}", collection.display()))
        .exits(0)
        .document();
    let name = |module: &Value| module["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = document.as_array().unwrap().iter().map(name).collect();
    names.sort_unstable();
    names
}

#[test]
fn ledgers_of_every_version_of_the_schema_are_read_migrated_and_used() {
    if !has("php") {
        return;
    }
    for version in 1..=CURRENT {
        let sandbox = sandbox_of(version);
        let hoist = |arguments: &str| {
            sandbox.hoist(&format!(
                "{arguments} -C {}/collection",
                sandbox.home().display()
            ))
        };
        // Reading does not migrate.
        let before = installed(&sandbox);
        let expected: &[(u32, &[&str])] = &[
            (1, &["base", "tool"]),
            (3, &["mod_push"]),
            (4, &["app.Pizza"]),
            (5, &["shop"]),
        ];
        let mut expected: Vec<&str> = expected
            .iter()
            .filter(|(since, _)| *since <= version)
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        expected.sort_unstable();
        assert_eq!(before, expected, "version {version}");
        let runs = sandbox.json("history").exits(0).document();
        let actions: Vec<&str> = runs
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["action"].as_str().unwrap())
            .collect();
        assert!(
            actions.contains(&"install") && (version < 2 || actions.contains(&"uninstall")),
            "{version}: {actions:?}"
        );
        hoist("status base tool").exits(0).says("no differences");
        if version >= 2 {
            hoist("config list")
                .exits(0)
                .says("unchanged")
                .says(".toolrc");
        }
        if version >= 4 {
            assert_eq!(
                runs.as_array()
                    .unwrap()
                    .iter()
                    .filter(|run| run["undone"].is_string())
                    .count(),
                1,
                "{version}"
            );
        }
        if version >= 5 {
            hoist("plugin status").exits(0).says("shop").says("1.0.0");
        }
        assert_eq!(schema_of(&sandbox), version, "reading migrates nothing");
        // The first change migrates; nothing is installed again, and an interrupted change is rolled back.
        let again = hoist("install base tool --output json").exits(0);
        assert!(
            again
                .statuses()
                .values()
                .all(|status| status == "unchanged"),
            "{version}: {}",
            again.stdout
        );
        assert_eq!(schema_of(&sandbox), CURRENT);
        assert!(!sandbox.has(".killed"), "version {version}");
        assert_eq!(installed(&sandbox), expected, "version {version}");
        // What the records say is enough to remove everything, and nothing else.
        if version >= 5 {
            hoist("plugin undeploy shop --yes").exits(0);
        }
        hoist("uninstall --all --yes").exits(0);
        assert_eq!(installed(&sandbox), [""; 0]);
        // The first version recorded no files, so that nobody knows which are the modules' own.
        if version == 1 {
            assert!(sandbox.has(".tool") && sandbox.has(".base/file"));
            continue;
        }
        for path in [
            ".tool",
            ".gone",
            ".undone",
            "plugins/mod_push",
            "site/app/pizza.php",
        ] {
            assert!(!sandbox.has(path), "version {version}: {path}");
        }
        assert_eq!(
            sandbox.has(".base/theirs"),
            version >= 2,
            "version {version}"
        );
        assert!(!sandbox.has(".base/file"), "version {version}");
    }
}

/// The version of the schema of the ledger.
fn schema_of(sandbox: &Sandbox) -> u32 {
    let connection =
        Connection::open(sandbox.home().join(".local/state/hoist/ledger.sqlite")).unwrap();
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}
