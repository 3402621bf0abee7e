//! Values of options.

use std::time::Duration;

/// Reads a duration such as `90s` or `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    hoist_core::parse_duration(text).map_err(|error| error.to_string())
}
