//! Values as the tables have them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use jiff::Timestamp;

/// The name of the ledger in the state directory.
pub(crate) const FILE: &str = "ledger.sqlite";

pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The paths of a list as it is stored, and more, each once.
pub(crate) fn merged(known: &str, more: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = serde_json::from_str(known).unwrap_or_default();
    paths.extend(more.iter().cloned());
    paths.sort();
    paths.dedup();
    paths
}

pub(crate) fn now() -> String {
    Timestamp::now().to_string()
}

pub(crate) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&bytes))
}
