//! Ledgers that earlier versions of hoist wrote, one of each version of the schema, with the files that they are about: they open, and what they record can
//! be listed, compared and removed.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use hoist_tests::Sandbox;
use rusqlite::Connection;
use serde_json::Value;

/// Length of the home directory's path that the ledgers were written with: some records have the lengths of paths in them.
const HOME_LENGTH: usize = 100;

/// The version of the schema that hoist writes today.
const CURRENT: u32 = 7;

fn fixture(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ledgers").join(name)).unwrap()
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
    let connection = Connection::open(sandbox.home().join(".local/state/hoist/ledger.sqlite")).unwrap();
    connection.execute_batch(&placed(&fixture(&format!("v{version}.sql")), &home)).unwrap();
    sandbox
}

/// The names of what is installed.
fn installed(sandbox: &Sandbox) -> Vec<String> {
    let document = sandbox.json("list --installed -C ~/collection").exits(0).document();
    document.as_array().unwrap().iter().map(|module| module["name"].as_str().unwrap().to_owned()).collect()
}
