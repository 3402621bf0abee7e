//! Text as a `hoist.yml`: reading ends, and what is wrong is told with its place.
#![no_main]

use std::sync::LazyLock;

use hoist_core::{CollectionFile, SourceGrammar};
use hoist_sources::kinds::{
    ApplicationSource, CollectionSource, MercurialSource, ProsodySource, RocksSource,
};
use libfuzzer_sys::fuzz_target;

static GRAMMAR: LazyLock<SourceGrammar> = LazyLock::new(|| {
    SourceGrammar::new([
        CollectionSource::SYNTAX,
        MercurialSource::SYNTAX,
        RocksSource::SYNTAX,
        ProsodySource::SYNTAX,
        ApplicationSource::SYNTAX,
    ])
});

fuzz_target!(|text: &str| {
    match CollectionFile::parse("hoist.yml", text, &GRAMMAR) {
        Ok(read) => assert!(read.jobs != Some(0)),
        Err(diagnostic) => {
            assert!(diagnostic.is_error() && diagnostic.file.as_deref() == Some("hoist.yml"));
            let _ = diagnostic.to_string();
        }
    }
});
