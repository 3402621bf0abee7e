//! Text as a `hoist.yml`: reading ends, and what is wrong is told with its place.
#![no_main]

use hoist_core::CollectionFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match CollectionFile::parse("hoist.yml", text) {
        Ok(read) => assert!(read.jobs != Some(0)),
        Err(diagnostic) => {
            assert!(diagnostic.is_error() && diagnostic.file.as_deref() == Some("hoist.yml"));
            let _ = diagnostic.to_string();
        }
    }
});
