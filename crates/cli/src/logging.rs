//! Debug messages of hoist's own crates, to standard error.

use std::io::Write;

use env_logger::Builder;
use hoist_core::redact_urls;
use jiff::Zoned;
use log::LevelFilter;

/// Crates whose messages `-vv` logs.
const CRATES: [&str; 10] = [
    "hoist",
    "hoist_core",
    "hoist_executor",
    "hoist_files",
    "hoist_ledger",
    "hoist_methods",
    "hoist_plugins",
    "hoist_reporter",
    "hoist_resolver",
    "hoist_sources",
];

/// Starts logging, as HOIST_LOG says, or with `-vv` at the level debug and with `-vvv` at the level
/// trace.
pub(crate) fn start(verbosity: u8) {
    let mut builder = Builder::new();
    match std::env::var("HOIST_LOG") {
        Ok(filter) if !filter.trim().is_empty() => {
            builder.parse_filters(&filter);
        }
        _ if verbosity < 2 => return,
        _ => {
            let level = if verbosity == 2 {
                LevelFilter::Debug
            } else {
                LevelFilter::Trace
            };
            for name in CRATES {
                builder.filter_module(name, level);
            }
        }
    }
    builder.format(|output, record| {
        let time = Zoned::now().strftime("%H:%M:%S%.3f");
        let message = hoist_reporter::plain_text(&redact_urls(&record.args().to_string()));
        writeln!(
            output,
            "{time} {:<5} {}: {message}",
            record.level(),
            record.target()
        )
    });
    // A second logger is only refused.
    let _ = builder.try_init();
}

/// Whether anything is logged, so that no progress can be drawn in place.
pub(crate) fn is_on() -> bool {
    log::max_level() > LevelFilter::Off
}
