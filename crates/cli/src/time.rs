//! Times as people and programs see them: local in text, with their offset from UTC in JSON.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

fn local(time: &str) -> Option<Zoned> {
    Some(time.parse::<Timestamp>().ok()?.to_zoned(TimeZone::system()))
}

/// A recorded time in the local time zone: `2026-11-27 23:02:29`.
pub(crate) fn text(time: &str) -> String {
    local(time).map_or_else(
        || time.to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// The local day of a recorded time: `2026-11-27`.
pub(crate) fn day(time: &str) -> String {
    local(time).map_or_else(
        || time.to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

/// A recorded time as RFC 3339 with the local offset: `2026-11-27T23:02:29.123+01:00`.
pub(crate) fn with_offset(time: &str) -> String {
    local(time).map_or_else(|| time.to_owned(), |time| rfc3339(&time))
}

/// The present time as RFC 3339 with the local offset.
pub(crate) fn now() -> String {
    rfc3339(&Zoned::now())
}

fn rfc3339(time: &Zoned) -> String {
    time.timestamp()
        .display_with_offset(time.offset())
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_kept_and_no_time_is_lost() {
        let time = "2026-11-27T23:02:29.123Z";
        let shown = with_offset(time);
        assert_eq!(
            shown.parse::<Timestamp>().unwrap(),
            time.parse::<Timestamp>().unwrap()
        );
        assert!(shown.contains('+') || shown.contains('-'), "{shown}");
        assert_eq!(text("yesterday"), "yesterday");
    }
}
